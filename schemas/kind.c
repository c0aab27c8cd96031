/*
 * The grammar of a kind's definition, the whole of it. Every key is known, each
 * at most once; what is not said to be required may be left out.
 *
 *   kind: <name>              required; rule E8
 *   about: <one sentence>     required; 1 to 200 bytes
 *   who: steward | node | member | staff | recovery          required
 *   modes: all | open | encrypted      in which spaces; default all. `open`: in
 *                                      encrypted ones it is written inside `sealed`
 *   re:                                default: no Re
 *     min: 0 to 32            default 0
 *     max: 1 to 32            required
 *     kinds: any | [<kind>, ...]       required; "x-*" is every own kind
 *     own: no | yes | unless-staff     default no
 *   erasable: true | false    required
 *   payload: none | json | binary      required
 *   payload_optional: true | false     default false; not with none
 *   fields: {<name>: <field>, ...}     with json, and only with it; 0 to 64
 *
 *   field:                    name: 1 to 32 of a-z 0-9 _, starting with a letter;
 *                             not `salt` at the top, which every payload has
 *     type: text | line | slug | choice | integer | boolean | hex | base64 |
 *           entry | time | date | list | object              required
 *     required: true | false  default false; not in an item
 *     if: {<sibling>: [<choice>, ...]}   required when the sibling, a choice
 *                             field, has one of these; optional otherwise; not
 *                             together with required, not in an item
 *     min:, max:              text, line, slug, hex, base64 (bytes; max required, min
 *                             default 0), list (items; the same), integer (both
 *                             required)
 *     choices: [<name>, ...]  choice; 1 to 64 names like slugs
 *     item: <field>           list; required
 *     fields: {...}           object; required, 1 to 64
 */
#include "schemas/kind.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/kind_builtin.h"
#include "schemas/yamltree.h"

#define ABOUT_MAX    200u
#define BYTES_MAX    65536 /* of a text, and items of a list: a payload holds no more */
#define NUMBER_MAX   ((int64_t)HARK_NUMBER_MAX)
#define OWN_PREFIX   "x-"
#define OWN_WILDCARD "x-*"

/* ---- Small things -------------------------------------------------------- */

static bool is_name(const char *text, const char *extra)
{
    if (text[0] < 'a' || text[0] > 'z')
        return false;
    for (const char *p = text; *p != '\0'; p++)
        if ((*p < 'a' || *p > 'z') && (*p < '0' || *p > '9') && strchr(extra, *p) == NULL)
            return false;
    return strlen(text) <= HARK_KIND_NAME_MAX;
}

static bool is_own_name(const char *name)
{
    return strncmp(name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
}

static void *new_array(size_t count, size_t size, struct hark_err *err)
{
    void *array = calloc(count > 0 ? count : 1, size);
    if (array == NULL)
        (void)hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    return array;
}

static char *copy_string(const char *text, struct hark_err *err)
{
    char *copy = strdup(text);
    if (copy == NULL)
        (void)hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    return copy;
}

/* `name` has been checked to fit. */
static void copy_name(char out[HARK_KIND_NAME_MAX + 1], const char *name)
{
    memcpy(out, name, strlen(name) + 1);
}

static void free_strings(char **strings, size_t count)
{
    for (size_t i = 0; strings != NULL && i < count; i++)
        free(strings[i]);
    free(strings);
}

static bool is_among(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void clear_field(struct hark_field *field);

static void free_fields(struct hark_field *fields, size_t count)
{
    for (size_t i = 0; fields != NULL && i < count; i++)
        clear_field(&fields[i]);
    free(fields);
}

static void clear_field(struct hark_field *field)
{
    free_strings(field->choices, field->choice_count);
    free_strings(field->if_values, field->if_count);
    free_fields(field->fields, field->field_count);
    free_fields(field->item, 1);
}

void hark_kind_free(struct hark_kind *kind)
{
    if (kind == NULL)
        return;
    free(kind->about);
    free(kind->re_kinds);
    free_fields(kind->fields, kind->field_count);
    free(kind);
}

/* ---- Parsing a field ------------------------------------------------------ */

/* In the order of enum hark_field_type. */
static const char *const type_names[] = {"text",    "line", "slug",   "choice", "integer",
                                         "boolean", "hex",  "base64", "entry",  "time",
                                         "date",    "list", "object", NULL};

/* What a type takes beside its type. */
enum { TAKES_LIMITS = 1, TAKES_CHOICES = 2, TAKES_ITEM = 4, TAKES_FIELDS = 8 };
static const unsigned type_takes[] = {
    [HARK_FIELD_TEXT] = TAKES_LIMITS,
    [HARK_FIELD_LINE] = TAKES_LIMITS,
    [HARK_FIELD_SLUG] = TAKES_LIMITS,
    [HARK_FIELD_CHOICE] = TAKES_CHOICES,
    [HARK_FIELD_INTEGER] = TAKES_LIMITS,
    [HARK_FIELD_BOOLEAN] = 0,
    [HARK_FIELD_HEX] = TAKES_LIMITS,
    [HARK_FIELD_BASE64] = TAKES_LIMITS,
    [HARK_FIELD_ENTRY] = 0,
    [HARK_FIELD_TIME] = 0,
    [HARK_FIELD_DATE] = 0,
    [HARK_FIELD_LIST] = TAKES_LIMITS | TAKES_ITEM,
    [HARK_FIELD_OBJECT] = TAKES_FIELDS,
};

static int parse_names(const struct hark_yaml *yaml, const struct hark_yaml_node *list,
                       char ***names, size_t *count, struct hark_err *err)
{
    size_t filled = 0;
    int rc = hark_yaml_list(yaml, list, 1, HARK_KIND_CHOICES_MAX, err);
    if (rc != 0)
        return rc;
    *names = new_array(list->count, sizeof **names, err);
    if (*names == NULL)
        return HARK_E_NO_MEMORY;
    for (const struct hark_yaml_node *n = list->first; n != NULL; n = n->next) {
        const char *text = "";
        rc = hark_yaml_text(yaml, n, 1, HARK_KIND_NAME_MAX, &text, err);
        if (rc != 0)
            return rc;
        if (!is_name(text, "_-"))
            return hark_yaml_fail(yaml, n, err, "'%s', expected a name of a-z 0-9 _ -", text);
        if (is_among(*names, filled, text))
            return hark_yaml_fail(yaml, n, err, "'%s' again, expected each once", text);
        char *copy = copy_string(text, err);
        if (copy == NULL)
            return HARK_E_NO_MEMORY;
        (*names)[filled] = copy;
        *count = ++filled;
    }
    return 0;
}

static int parse_limits(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                        struct hark_field *field, struct hark_err *err)
{
    bool is_integer = field->type == HARK_FIELD_INTEGER;
    int64_t lowest = is_integer ? -NUMBER_MAX : 0;
    int64_t highest = is_integer ? NUMBER_MAX : BYTES_MAX;
    const struct hark_yaml_node *min = hark_yaml_get(node, "min");
    const struct hark_yaml_node *max = NULL;
    int rc = hark_yaml_need(yaml, node, "max", &max, err);
    if (rc == 0 && is_integer)
        rc = hark_yaml_need(yaml, node, "min", &min, err);
    if (rc == 0)
        rc = hark_yaml_integer(yaml, max, lowest, highest, &field->max, err);
    if (rc == 0 && min != NULL)
        rc = hark_yaml_integer(yaml, min, lowest, field->max, &field->min, err);
    return rc;
}

/* `if: {<sibling>: [<choice>, ...]}`; whether there is such a sibling is checked
 * once all of them are read. */
static int parse_if(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                    struct hark_field *field, struct hark_err *err)
{
    if (node->type != HARK_YAML_MAP || node->count != 1)
        return hark_yaml_fail(yaml, node, err,
                              "'if' is something else, expected {<field>: [<choice>, ...]}");
    if (!is_name(node->first->key, "_"))
        return hark_yaml_fail(yaml, node, err, "'if' names no field, expected a field's name");
    copy_name(field->if_field, node->first->key);
    return parse_names(yaml, node->first, &field->if_values, &field->if_count, err);
}

static int parse_need(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                      struct hark_field *field, struct hark_err *err)
{
    const struct hark_yaml_node *required = hark_yaml_get(node, "required");
    const struct hark_yaml_node *condition = hark_yaml_get(node, "if");
    int rc = 0;
    if (required != NULL)
        rc = hark_yaml_boolean(yaml, required, &field->required, err);
    if (rc == 0 && condition != NULL)
        rc = parse_if(yaml, condition, field, err);
    if (rc == 0 && field->required && condition != NULL)
        rc =
            hark_yaml_fail(yaml, condition, err, "'if' beside 'required', expected one of the two");
    return rc;
}

static int parse_fields(const struct hark_yaml *yaml, const struct hark_yaml_node *map, size_t min,
                        struct hark_field **fields, size_t *count, struct hark_err *err);

/* The keys a type does not take are refused, so that a definition cannot look
 * stricter than it is. */
static int refuse_untaken(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                          enum hark_field_type type, struct hark_err *err)
{
    static const struct {
        const char *key;
        unsigned takes;
    } keys[] = {{"min", TAKES_LIMITS},
                {"max", TAKES_LIMITS},
                {"choices", TAKES_CHOICES},
                {"item", TAKES_ITEM},
                {"fields", TAKES_FIELDS}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct hark_yaml_node *n = hark_yaml_get(node, keys[i].key);
        if (n != NULL && (type_takes[type] & keys[i].takes) == 0)
            return hark_yaml_fail(yaml, n, err, "'%s' with type %s, expected it not there",
                                  keys[i].key, type_names[type]);
    }
    return 0;
}

static int parse_field(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                       bool is_item, struct hark_field *field, struct hark_err *err)
{
    static const char *const keys[] = {"type",    "required", "if",     "min", "max",
                                       "choices", "item",     "fields", NULL};
    static const char *const item_keys[] = {"type", "min",    "max", "choices",
                                            "item", "fields", NULL};
    const struct hark_yaml_node *part = NULL;
    size_t type = 0;
    int rc = hark_yaml_map(yaml, node, is_item ? item_keys : keys, err);
    if (rc == 0)
        rc = hark_yaml_need(yaml, node, "type", &part, err);
    if (rc == 0)
        rc = hark_yaml_choice(yaml, part, type_names, &type, err);
    if (rc != 0)
        return rc;
    field->type = (enum hark_field_type)type;
    unsigned takes = type_takes[type];
    rc = refuse_untaken(yaml, node, field->type, err);
    if (rc == 0)
        rc = parse_need(yaml, node, field, err);
    if (rc == 0 && (takes & TAKES_LIMITS) != 0)
        rc = parse_limits(yaml, node, field, err);
    if (rc == 0 && (takes & TAKES_CHOICES) != 0) {
        rc = hark_yaml_need(yaml, node, "choices", &part, err);
        if (rc == 0)
            rc = parse_names(yaml, part, &field->choices, &field->choice_count, err);
    }
    if (rc == 0 && (takes & TAKES_FIELDS) != 0) {
        rc = hark_yaml_need(yaml, node, "fields", &part, err);
        if (rc == 0)
            rc = parse_fields(yaml, part, 1, &field->fields, &field->field_count, err);
    }
    if (rc == 0 && (takes & TAKES_ITEM) != 0) {
        rc = hark_yaml_need(yaml, node, "item", &part, err);
        if (rc == 0 && (field->item = new_array(1, sizeof *field->item, err)) == NULL)
            rc = HARK_E_NO_MEMORY;
        if (rc == 0)
            rc = parse_field(yaml, part, true, field->item, err);
    }
    return rc;
}

static const struct hark_field *find_field(const struct hark_field *fields, size_t count,
                                           const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static int check_conditions(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                            const struct hark_field *fields, size_t count, struct hark_err *err)
{
    const struct hark_yaml_node *node = map->first;
    for (size_t i = 0; i < count; i++, node = node->next) {
        if (fields[i].if_count == 0)
            continue;
        const struct hark_field *other = find_field(fields, count, fields[i].if_field);
        if (other == NULL || other == &fields[i] || other->type != HARK_FIELD_CHOICE)
            return hark_yaml_fail(yaml, node, err,
                                  "'if' names '%s', expected a choice field beside it",
                                  fields[i].if_field);
        for (size_t k = 0; k < fields[i].if_count; k++)
            if (!is_among(other->choices, other->choice_count, fields[i].if_values[k]))
                return hark_yaml_fail(yaml, node, err, "'if' wants '%s', expected a choice of '%s'",
                                      fields[i].if_values[k], fields[i].if_field);
    }
    return 0;
}

static int parse_fields(const struct hark_yaml *yaml, const struct hark_yaml_node *map, size_t min,
                        struct hark_field **fields, size_t *count, struct hark_err *err)
{
    if (map->type != HARK_YAML_MAP || map->count < min || map->count > HARK_KIND_FIELDS_MAX)
        return hark_yaml_fail(yaml, map, err,
                              "'fields' is something else, expected a mapping of %zu to %u", min,
                              HARK_KIND_FIELDS_MAX);
    *fields = new_array(map->count, sizeof **fields, err);
    if (*fields == NULL)
        return HARK_E_NO_MEMORY;
    for (const struct hark_yaml_node *n = map->first; n != NULL; n = n->next) {
        if (!is_name(n->key, "_"))
            return hark_yaml_fail(yaml, n, err, "not a field's name, expected a-z 0-9 _");
        struct hark_field *field = &(*fields)[(*count)++];
        copy_name(field->name, n->key);
        int rc = parse_field(yaml, n, false, field, err);
        if (rc != 0)
            return rc;
    }
    return check_conditions(yaml, map, *fields, *count, err);
}

/* ---- Parsing a kind ------------------------------------------------------- */

static int parse_re_kinds(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                          struct hark_kind *kind, struct hark_err *err)
{
    if (node->type == HARK_YAML_SCALAR && strcmp(node->text, "any") == 0) {
        kind->re_any = true;
        return 0;
    }
    int rc = hark_yaml_list(yaml, node, 1, HARK_KIND_CHOICES_MAX, err);
    if (rc != 0)
        return rc;
    kind->re_kinds = new_array(node->count, sizeof *kind->re_kinds, err);
    if (kind->re_kinds == NULL)
        return HARK_E_NO_MEMORY;
    for (const struct hark_yaml_node *n = node->first; n != NULL; n = n->next) {
        const char *text = "";
        rc = hark_yaml_text(yaml, n, 1, HARK_KIND_NAME_MAX, &text, err);
        if (rc != 0)
            return rc;
        if (!is_name(text, "-") && strcmp(text, OWN_WILDCARD) != 0)
            return hark_yaml_fail(yaml, n, err, "'%s', expected the name of a kind", text);
        for (size_t i = 0; i < kind->re_kind_count; i++)
            if (strcmp(kind->re_kinds[i], text) == 0)
                return hark_yaml_fail(yaml, n, err, "'%s' again, expected each once", text);
        copy_name(kind->re_kinds[kind->re_kind_count++], text);
    }
    return 0;
}

static int parse_re(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                    struct hark_kind *kind, struct hark_err *err)
{
    static const char *const keys[] = {"min", "max", "kinds", "own", NULL};
    static const char *const own_names[] = {"no", "yes", "unless-staff", NULL};
    const struct hark_yaml_node *part = NULL;
    int64_t number = 0;
    size_t own = HARK_OWN_NO;
    int rc = hark_yaml_map(yaml, node, keys, err);
    if (rc == 0)
        rc = hark_yaml_need(yaml, node, "max", &part, err);
    if (rc == 0)
        rc = hark_yaml_integer(yaml, part, 1, HARK_ENTRY_RE_MAX, &number, err);
    kind->re_max = (size_t)number;
    number = 0;
    if (rc == 0 && (part = hark_yaml_get(node, "min")) != NULL)
        rc = hark_yaml_integer(yaml, part, 0, (int64_t)kind->re_max, &number, err);
    kind->re_min = (size_t)number;
    if (rc == 0)
        rc = hark_yaml_need(yaml, node, "kinds", &part, err);
    if (rc == 0)
        rc = parse_re_kinds(yaml, part, kind, err);
    if (rc == 0 && (part = hark_yaml_get(node, "own")) != NULL)
        rc = hark_yaml_choice(yaml, part, own_names, &own, err);
    kind->own = (enum hark_own)own;
    return rc;
}

static int parse_payload(const struct hark_yaml *yaml, const struct hark_yaml_node *root,
                         struct hark_kind *kind, struct hark_err *err)
{
    static const char *const forms[] = {"none", "json", "binary", NULL};
    const struct hark_yaml_node *part = NULL;
    size_t form = 0;
    int rc = hark_yaml_need(yaml, root, "payload", &part, err);
    if (rc == 0)
        rc = hark_yaml_choice(yaml, part, forms, &form, err);
    if (rc != 0)
        return rc;
    kind->payload = (enum hark_payload_form)form;
    part = hark_yaml_get(root, "payload_optional");
    if (part != NULL && kind->payload == HARK_PAYLOAD_NONE)
        return hark_yaml_fail(yaml, part, err,
                              "'payload_optional' without a payload, expected it not there");
    if (part != NULL && (rc = hark_yaml_boolean(yaml, part, &kind->payload_optional, err)) != 0)
        return rc;
    part = hark_yaml_get(root, "fields");
    if (kind->payload != HARK_PAYLOAD_JSON) {
        if (part != NULL)
            return hark_yaml_fail(yaml, part, err,
                                  "'fields' without JSON, expected them not there");
        return 0;
    }
    rc = hark_yaml_need(yaml, root, "fields", &part, err);
    if (rc == 0)
        rc = parse_fields(yaml, part, 0, &kind->fields, &kind->field_count, err);
    if (rc == 0 && find_field(kind->fields, kind->field_count, "salt") != NULL)
        rc = hark_yaml_fail(yaml, part, err, "'salt' is a field, expected another name");
    return rc;
}

static int parse_head(const struct hark_yaml *yaml, const struct hark_yaml_node *root,
                      struct hark_kind *kind, struct hark_err *err)
{
    static const char *const who_names[] = {"steward", "node", "member", "staff", "recovery", NULL};
    static const char *const modes_names[] = {"all", "open", "encrypted", NULL};
    const struct hark_yaml_node *part = NULL;
    const char *text = "";
    size_t number = 0;
    int rc = hark_yaml_need(yaml, root, "kind", &part, err);
    if (rc == 0)
        rc = hark_yaml_text(yaml, part, 1, HARK_KIND_NAME_MAX, &text, err);
    if (rc == 0 && !is_name(text, "-"))
        rc = hark_yaml_fail(yaml, part, err, "'kind' is '%s', expected a name of a-z 0-9 -", text);
    if (rc != 0)
        return rc;
    copy_name(kind->name, text);
    rc = hark_yaml_need(yaml, root, "about", &part, err);
    if (rc == 0)
        rc = hark_yaml_text(yaml, part, 1, ABOUT_MAX, &text, err);
    if (rc == 0 && (kind->about = copy_string(text, err)) == NULL)
        rc = HARK_E_NO_MEMORY;
    if (rc == 0)
        rc = hark_yaml_need(yaml, root, "who", &part, err);
    if (rc == 0)
        rc = hark_yaml_choice(yaml, part, who_names, &number, err);
    kind->who = (enum hark_who)number;
    number = HARK_MODES_ALL;
    if (rc == 0 && (part = hark_yaml_get(root, "modes")) != NULL)
        rc = hark_yaml_choice(yaml, part, modes_names, &number, err);
    kind->modes = (enum hark_modes)number;
    if (rc == 0)
        rc = hark_yaml_need(yaml, root, "erasable", &part, err);
    if (rc == 0)
        rc = hark_yaml_boolean(yaml, part, &kind->erasable, err);
    return rc;
}

int hark_kind_parse(struct hark_kind **out, struct hark_span yaml, const char *file,
                    struct hark_err *err)
{
    static const char *const keys[] = {"kind",   "about",    "who",     "modes",
                                       "re",     "erasable", "payload", "payload_optional",
                                       "fields", NULL};
    struct hark_yaml *tree = NULL;
    struct hark_kind *kind = NULL;
    const struct hark_yaml_node *re = NULL;
    *out = NULL;

    int rc = hark_yaml_parse(&tree, yaml, HARK_KIND_DEFINITION_MAX, file, HARK_E_KIND_FORM, err);
    if (rc != 0)
        goto out;
    kind = new_array(1, sizeof *kind, err);
    if (kind == NULL) {
        rc = HARK_E_NO_MEMORY;
        goto out;
    }
    kind->definition = hark_sha256(yaml);
    rc = hark_yaml_map(tree, tree->root, keys, err);
    if (rc == 0)
        rc = parse_head(tree, tree->root, kind, err);
    if (rc == 0 && (re = hark_yaml_get(tree->root, "re")) != NULL)
        rc = parse_re(tree, re, kind, err);
    if (rc == 0)
        rc = parse_payload(tree, tree->root, kind, err);
    if (rc == 0) {
        *out = kind;
        kind = NULL;
    }
out:
    hark_kind_free(kind);
    hark_yaml_free(tree);
    return rc;
}

/* ---- Sets of kinds -------------------------------------------------------- */

struct hark_kinds {
    struct hark_kind *kinds[HARK_KINDS_MAX];
    size_t count;
    size_t builtin_count;
    struct hark_hash hash; /* of the built-in ones */
};

void hark_kinds_free(struct hark_kinds *kinds)
{
    if (kinds == NULL)
        return;
    for (size_t i = 0; i < kinds->count; i++)
        hark_kind_free(kinds->kinds[i]);
    free(kinds);
}

static int re_kinds_known(const struct hark_kinds *kinds, const struct hark_kind *kind,
                          struct hark_err *err)
{
    for (size_t i = 0; i < kind->re_kind_count; i++) {
        const char *name = kind->re_kinds[i];
        if (strcmp(name, OWN_WILDCARD) != 0 && strcmp(name, kind->name) != 0 &&
            hark_kinds_find(kinds, name) < 0)
            return hark_err_set(err, HARK_E_KIND_FORM, "kind %s may be about '%s', which is none",
                                kind->name, name);
    }
    return 0;
}

static int load_file(struct hark_kinds *kinds, const struct hark_kind_file *file,
                     struct hark_sha256 *hash, struct hark_err *err)
{
    struct hark_kind *kind = NULL;
    char hex[2 * HARK_HASH_SIZE + 1];
    int rc = hark_kind_parse(&kind, hark_span(file->data, file->size), file->name, err);
    if (rc != 0)
        return rc;
    kinds->kinds[kinds->count++] = kind;
    size_t size = strlen(kind->name);
    bool named =
        strlen(file->name) == size + strlen(".yaml") && strncmp(file->name, kind->name, size) == 0;
    bool ordered =
        kinds->count == 1 || strcmp(kinds->kinds[kinds->count - 2]->name, kind->name) < 0;
    if (!named || !ordered || is_own_name(kind->name))
        return hark_err_set(err, HARK_E_KIND_FORM, "%s: out of order, or of another kind: %s",
                            file->name, kind->name);
    hark_hash_hex(hex, &kind->definition);
    hark_sha256_update(hash, kind->name, size);
    hark_sha256_update(hash, " ", 1);
    hark_sha256_update(hash, hex, strlen(hex));
    hark_sha256_update(hash, "\n", 1);
    return 0;
}

int hark_kinds_builtin(struct hark_kinds **out, struct hark_err *err)
{
    struct hark_sha256 hash;
    struct hark_kinds *kinds = new_array(1, sizeof *kinds, err);
    int rc = 0;
    *out = NULL;
    if (kinds == NULL)
        return HARK_E_NO_MEMORY;
    hark_sha256_init(&hash);
    if (hark_kind_builtin_count > HARK_KINDS_MAX - HARK_KINDS_OWN_MAX)
        rc = hark_err_set(err, HARK_E_KIND_FORM, "too many kinds");
    for (size_t i = 0; rc == 0 && i < hark_kind_builtin_count; i++)
        rc = load_file(kinds, &hark_kind_builtin_files[i], &hash, err);
    kinds->builtin_count = kinds->count;
    kinds->hash = hark_sha256_final(&hash);
    for (size_t i = 0; rc == 0 && i < kinds->count; i++)
        rc = re_kinds_known(kinds, kinds->kinds[i], err);
    if (rc == 0) {
        *out = kinds;
        return 0;
    }
    hark_kinds_free(kinds);
    if (rc == HARK_E_NO_MEMORY)
        return rc;
    /* Not the fault of any input: this program was built with a broken set. */
    if (err != NULL)
        err->code = HARK_E_INTERNAL;
    return HARK_E_INTERNAL;
}

struct hark_hash hark_kinds_hash(const struct hark_kinds *kinds)
{
    return kinds->hash;
}

int hark_kinds_add_own(struct hark_kinds *kinds, struct hark_kind **kind, struct hark_err *err)
{
    const struct hark_kind *k = *kind;
    if (kinds->count - kinds->builtin_count >= HARK_KINDS_OWN_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "the space has %u kinds of its own already",
                            HARK_KINDS_OWN_MAX);
    if (!is_own_name(k->name) || k->name[strlen(OWN_PREFIX)] == '\0')
        return hark_err_set(err, HARK_E_KIND_FORM, "kind '%s', expected a name with %s in front",
                            k->name, OWN_PREFIX);
    if (hark_kinds_find(kinds, k->name) >= 0)
        return hark_err_set(err, HARK_E_KIND_FORM, "kind '%s' is there, expected a new name",
                            k->name);
    if (k->who != HARK_WHO_MEMBER && k->who != HARK_WHO_STAFF)
        return hark_err_set(err, HARK_E_KIND_FORM, "kind %s: who, expected member or staff",
                            k->name);
    if (!k->erasable)
        return hark_err_set(err, HARK_E_KIND_FORM, "kind %s: erasable, expected true", k->name);
    int rc = re_kinds_known(kinds, k, err);
    if (rc != 0)
        return rc;
    (*kind)->own_kind = true;
    kinds->kinds[kinds->count++] = *kind;
    *kind = NULL;
    return 0;
}

size_t hark_kinds_count(const struct hark_kinds *kinds)
{
    return kinds->count;
}

size_t hark_kinds_builtin_count(const struct hark_kinds *kinds)
{
    return kinds->builtin_count;
}

const struct hark_kind *hark_kinds_get(const struct hark_kinds *kinds, size_t number)
{
    return number < kinds->count ? kinds->kinds[number] : NULL;
}

int hark_kinds_find(const struct hark_kinds *kinds, const char *name)
{
    size_t low = 0;
    size_t high = kinds->builtin_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, kinds->kinds[middle]->name);
        if (order == 0)
            return (int)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    /* While the built-in set is being loaded, builtin_count is still 0. */
    for (size_t i = kinds->builtin_count; i < kinds->count; i++)
        if (strcmp(name, kinds->kinds[i]->name) == 0)
            return (int)i;
    return -1;
}

bool hark_kind_about(const struct hark_kind *kind, const char *target)
{
    if (kind->re_max > 0 && kind->re_any)
        return true;
    for (size_t i = 0; i < kind->re_kind_count; i++)
        if (strcmp(kind->re_kinds[i], target) == 0 ||
            (strcmp(kind->re_kinds[i], OWN_WILDCARD) == 0 && is_own_name(target)))
            return true;
    return false;
}
