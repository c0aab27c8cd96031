/*
 * hark policy: a space's rules of its own, with its title and objective. `show`
 * prints them in the form that `set` reads, so that they can be changed in an
 * editor; what a file does not name stays as it is.
 */
#include <inttypes.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/files.h"
#include "schemas/yamltree.h"

#define FILE_MAX 16384u

/* What absent fields mean: PROTOCOL.md 5. */
static const struct {
    const char *name, *text;
    json_int_t number; /* where there is no text */
} defaults[] = {{"merge_delay_s", NULL, 86400},
                {"quorum", NULL, 0},
                {"accept_per_minute", NULL, 120},
                {"groups", "members", 0},
                {"history", "none", 0}};
#define FIELDS (sizeof(defaults) / sizeof(defaults[0]))

static bool is_number(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(defaults[i].name, name) == 0)
            return defaults[i].text == NULL;
    }
    return false;
}

static const char *const words[] = {"question", "owner", "until", NULL};

static int no_memory(struct hark_err *err)
{
    return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a policy");
}

/* --- what is in force ------------------------------------------------------------ */

/* The policy in force as it stands in its entry, and that entry's row. */
static int in_force(struct hark_space *space, struct hark_row *row, json_t **policy,
                    struct hark_err *err)
{
    const struct hark_space_object *object = hark_state_space_object(hark_space_state(space));
    json_t *payload = NULL;
    int rc;

    *policy = NULL;
    if (hark_state_size(hark_space_state(space)) == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "nothing of this space is here yet");
    rc = hark_index_row(hark_space_index(space), object->policy, row, err);
    if (rc == 0)
        rc = hark_space_payload_json(space, row, &payload, err);
    if (rc == 0) {
        *policy = json_deep_copy(json_object_get(payload, "policy"));
        if (*policy == NULL)
            rc = no_memory(err);
    }
    json_decref(payload);
    return rc;
}

/* Its fields in their order, absent ones by what they mean, then title and
 * objective as they stand now. */
static int whole_policy(struct hark_space *space, struct hark_row *row, json_t *out,
                        struct hark_err *err)
{
    static const char *const charter_names[] = {"title", "objective"};
    json_t *policy = NULL, *charter = NULL;
    int rc = in_force(space, row, &policy, err);

    if (rc == 0)
        rc = hark_cmd_charter(space, &charter, err);
    for (size_t i = 0; i < FIELDS && rc == 0; i++) {
        json_t *value = json_incref(json_object_get(policy, defaults[i].name));

        if (value == NULL)
            value = defaults[i].text != NULL ? json_string(defaults[i].text)
                                             : json_integer(defaults[i].number);
        if (json_object_set_new(out, defaults[i].name, value) != 0)
            rc = no_memory(err);
    }
    for (size_t i = 0; i < 2 && rc == 0; i++) {
        json_t *value = json_object_get(charter, charter_names[i]);

        if (json_object_set_new(out, charter_names[i],
                                value != NULL ? json_incref(value) : json_null()) != 0)
            rc = no_memory(err);
    }
    json_decref(policy);
    json_decref(charter);
    return rc;
}

/* --- show -------------------------------------------------------------------------- */

/* A line of YAML; a JSON string is one of YAML, too. */
static int print_field(FILE *out, const char *indent, const char *name, json_t *value,
                       struct hark_err *err)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);

    if (text == NULL)
        return no_memory(err);
    (void)fprintf(out, "%s%s: ", indent, name);
    hark_print_line(out, text);
    (void)fputc('\n', out);
    free(text);
    return 0;
}

static int print_policy(FILE *out, json_t *policy, const struct hark_row *row, struct hark_err *err)
{
    json_t *objective = json_object_get(policy, "objective");
    int rc = 0;

    (void)fprintf(out, "# in force since position %" PRIu64 "\n", row->position);
    for (size_t i = 0; i < FIELDS && rc == 0; i++)
        rc = print_field(out, "", defaults[i].name, json_object_get(policy, defaults[i].name), err);
    if (rc == 0 && json_is_string(json_object_get(policy, "title")))
        rc = print_field(out, "", "title", json_object_get(policy, "title"), err);
    if (rc < 0 || !json_is_object(objective))
        return rc;
    (void)fputs("objective:\n", out);
    for (size_t i = 0; words[i] != NULL && rc == 0; i++) {
        if (json_object_get(objective, words[i]) != NULL)
            rc = print_field(out, "  ", words[i], json_object_get(objective, words[i]), err);
    }
    return rc;
}

static int policy_show(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct hark_row row = {0};
    json_t *json = NULL, *policy = json_object();
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = whole_policy(space, &row, policy, err);
    if (rc == 0 && cmd->globals.json) {
        json = json_pack("{s:s, s:o, s:o, s:I}", "format", "hark/policy/1", "space",
                         hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE), "id",
                         hark_out_hex(row.id.bytes, HARK_HASH_SIZE), "position",
                         (json_int_t)row.position);
        if (json != NULL && json_object_update(json, policy) != 0) {
            json_decref(json);
            json = NULL;
        }
        rc = hark_print_json(cmd->out, json, err);
    } else if (rc == 0) {
        rc = print_policy(cmd->out, policy, &row, err);
    }
    json_decref(policy);
    return rc;
}

/* --- set --------------------------------------------------------------------------- */

/* A scalar as the kind wants it; whether its value will do, the kind says. */
static int take_scalar(const struct hark_yaml *yaml, const struct hark_yaml_node *node, bool number,
                       json_t *into, struct hark_err *err)
{
    json_t *value = NULL;
    int64_t integer = 0;

    if (number) {
        int rc = hark_yaml_integer(yaml, node, INT32_MIN, INT32_MAX, &integer, err);

        if (rc < 0)
            return rc;
        value = json_integer((json_int_t)integer);
    } else {
        if (node->type != HARK_YAML_SCALAR)
            return hark_yaml_fail(yaml, node, err, "%s is no text, expected one", node->key);
        value = json_stringn(node->text, node->size);
    }
    return json_object_set_new(into, node->key, value) == 0 ? 0 : no_memory(err);
}

static int take_objective(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                          json_t *into, struct hark_err *err)
{
    json_t *objective = json_object();
    int rc = hark_yaml_map(yaml, node, words, err);

    for (const struct hark_yaml_node *n = node->first; n != NULL && rc == 0; n = n->next)
        rc = take_scalar(yaml, n, false, objective, err);
    if (rc < 0) {
        json_decref(objective);
        return rc;
    }
    return json_object_set_new(into, "objective", objective) == 0 ? 0 : no_memory(err);
}

/* The file's fields onto the policy in force; title and objective, which stay by
 * themselves, only where it names them. */
static int take_file(const struct hark_yaml *yaml, json_t *policy, json_t *fields,
                     struct hark_err *err)
{
    static const char *const names[] = {"merge_delay_s", "quorum", "accept_per_minute", "groups",
                                        "history",       "title",  "objective",         NULL};
    int rc = hark_yaml_map(yaml, yaml->root, names, err);

    if (rc == 0 && yaml->root->count == 0)
        rc = hark_err_set(err, HARK_E_USAGE, "%s names nothing to set", yaml->file);
    for (const struct hark_yaml_node *n = rc == 0 ? yaml->root->first : NULL; n != NULL && rc == 0;
         n = n->next) {
        if (strcmp(n->key, "objective") == 0)
            rc = take_objective(yaml, n, fields, err);
        else if (strcmp(n->key, "title") == 0)
            rc = take_scalar(yaml, n, false, fields, err);
        else
            rc = take_scalar(yaml, n, is_number(n->key), policy, err);
    }
    return rc;
}

/* A file, or "-" for the caller's standard input. */
static int read_policy(struct hark_cmd *cmd, const char *name, struct hark_buf *text,
                       struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc;

    if (strcmp(name, "-") == 0)
        return hark_cmd_text(cmd, name, text, err);
    rc = hark_cmd_path(cmd, name, path, err);
    return rc < 0 ? rc : hark_file_read(path, text, err);
}

static int policy_fields(struct hark_cmd *cmd, struct hark_space *space, json_t **fields,
                         struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(FILE_MAX);
    struct hark_yaml *yaml = NULL;
    struct hark_row row = {0};
    json_t *policy = NULL;
    int rc = read_policy(cmd, cmd->argv[1], &text, err);

    *fields = json_object();
    if (rc == 0)
        rc = hark_yaml_parse(&yaml, (struct hark_span){text.data, text.size}, FILE_MAX,
                             cmd->argv[1], HARK_E_USAGE, err);
    if (rc == 0)
        rc = in_force(space, &row, &policy, err);
    if (rc == 0 && json_object_set_new(*fields, "policy", policy) != 0)
        rc = no_memory(err);
    if (rc == 0)
        rc = take_file(yaml, policy, *fields, err);
    hark_yaml_free(yaml);
    hark_buf_free(&text);
    if (rc < 0) {
        json_decref(*fields);
        *fields = NULL;
    }
    return rc;
}

static int policy_set(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged;
    json_t *fields = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, true, &person, err);
    if (rc == 0)
        rc = policy_fields(cmd, space, &fields, err);
    if (rc == 0)
        rc = hark_cmd_steward(cmd, space, &person.author, "policy", "policy", fields, &logged, err);
    if (rc == 0)
        rc = hark_cmd_print_logged(cmd, space, "policy", &logged, NULL, err);
    hark_author_free(&person.author);
    return rc;
}

int hark_cmd_policy(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {{"show", policy_show}, {"set", policy_set}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), policy_show,
                             err);
}
