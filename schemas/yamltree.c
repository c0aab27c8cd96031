#include "schemas/yamltree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* What a message shows of a hostile scalar: its beginning, printable ASCII. */
#define SHOWN_MAX 40u

static void show(char out[SHOWN_MAX + 4], const char *text)
{
    size_t n = 0;
    for (; n < SHOWN_MAX && text[n] != '\0'; n++)
        out[n] = (char)(text[n] >= 0x20 && text[n] <= 0x7e ? text[n] : '?');
    if (text[n] != '\0')
        for (int i = 0; i < 3; i++)
            out[n++] = '.';
    out[n] = '\0';
}

static int fail_at(const struct hark_yaml *yaml, size_t line, struct hark_err *err,
                   const char *what)
{
    return hark_err_set(err, yaml->code, "%s:%zu: %s", yaml->file, line, what);
}

int hark_yaml_fail(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                   struct hark_err *err, const char *fmt, ...)
{
    char what[HARK_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(what, sizeof what, fmt, args) < 0)
        what[0] = '\0';
    va_end(args);
    return fail_at(yaml, node->line, err, what);
}

static void join(char *out, size_t size, const char *const *names)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; names[i] != NULL && n < size; i++) {
        int got = snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "", names[i]);
        n += got > 0 ? (size_t)got : 0;
    }
}

/* ---- Reading ------------------------------------------------------------- */

struct reader {
    struct hark_yaml *yaml;
    struct hark_yaml_node *top; /* the list or mapping that is open; NULL: none */
    size_t depth;               /* of `top`; 0: none */
    /* A key that waits for its value, in the mapping that is open. Only
     * scalars can be keys, so that one at a time is enough. */
    char *key;
    size_t key_line;
    size_t documents;
};

static char *copy_text(const void *text, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        if (size > 0)
            memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

static int refuse_key(struct reader *r, size_t line, const char *problem, struct hark_err *err)
{
    char shown[SHOWN_MAX + 4];
    char what[128];
    show(shown, r->key);
    (void)snprintf(what, sizeof what, "%s '%s', expected each key once", problem, shown);
    return fail_at(r->yaml, line, err, what);
}

static int take_key(struct reader *r, const yaml_event_t *event, struct hark_err *err)
{
    const struct hark_yaml_node *map = r->top;
    size_t line = event->start_mark.line + 1;
    if (event->type != YAML_SCALAR_EVENT)
        return fail_at(r->yaml, line, err, "a key that is no text, expected a key");
    if (map->count >= HARK_YAML_KEYS_MAX)
        return fail_at(r->yaml, line, err, "too many keys, expected at most 256");
    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL)
        return fail_at(r->yaml, line, err, "a key with U+0000, expected text");
    r->key = copy_text(event->data.scalar.value, event->data.scalar.length);
    if (r->key == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    r->key_line = line;
    if (hark_yaml_get(map, r->key) != NULL)
        return refuse_key(r, line, "repeated key", err);
    return 0;
}

/* Hangs the node under what is open, with the key that waits. */
static int attach(struct reader *r, struct hark_yaml_node *node, struct hark_err *err)
{
    struct hark_yaml_node *parent = r->top;
    if (parent == NULL) {
        r->yaml->root = node;
        return 0;
    }
    if (parent->type == HARK_YAML_LIST && parent->count >= HARK_YAML_ITEMS_MAX)
        return fail_at(r->yaml, node->line, err, "too many items, expected at most 1024");
    node->key = r->key;
    node->key_line = r->key_line;
    r->key = NULL;
    node->up = parent;
    if (parent->last == NULL)
        parent->first = node;
    else
        parent->last->next = node;
    parent->last = node;
    parent->count++;
    return 0;
}

static int fill_scalar(struct reader *r, struct hark_yaml_node *node, const yaml_event_t *event,
                       struct hark_err *err)
{
    node->size = event->data.scalar.length;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (memchr(event->data.scalar.value, '\0', node->size) != NULL)
        return fail_at(r->yaml, node->line, err, "U+0000 in a text, expected text");
    node->text = copy_text(event->data.scalar.value, node->size);
    if (node->text == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    return 0;
}

static int take_node(struct reader *r, const yaml_event_t *event, struct hark_err *err)
{
    if (r->top != NULL && r->top->type == HARK_YAML_MAP && r->key == NULL)
        return take_key(r, event, err);

    struct hark_yaml_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    node->chain = r->yaml->nodes;
    r->yaml->nodes = node;
    node->line = event->start_mark.line + 1;
    node->type = event->type == YAML_SCALAR_EVENT           ? HARK_YAML_SCALAR
                 : event->type == YAML_SEQUENCE_START_EVENT ? HARK_YAML_LIST
                                                            : HARK_YAML_MAP;
    int rc = attach(r, node, err);
    if (rc != 0)
        return rc;
    if (node->type == HARK_YAML_SCALAR)
        return fill_scalar(r, node, event, err);
    if (r->depth == HARK_YAML_DEPTH_MAX)
        return fail_at(r->yaml, node->line, err, "nested too deep, expected at most 8 levels");
    r->top = node;
    r->depth++;
    return 0;
}

/* Anchors and tags say more than is written there; neither has a use here. */
static bool has_extras(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

static int take_event(struct reader *r, const yaml_event_t *event, struct hark_err *err)
{
    size_t line = event->start_mark.line + 1;
    if (has_extras(event) || event->type == YAML_ALIAS_EVENT)
        return fail_at(r->yaml, line, err, "an anchor, alias or tag, expected plain YAML");
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.version_directive != NULL ||
            event->data.document_start.tag_directives.start !=
                event->data.document_start.tag_directives.end)
            return fail_at(r->yaml, line, err, "a directive, expected plain YAML");
        if (r->documents++ > 0)
            return fail_at(r->yaml, line, err, "a second document, expected one");
        return 0;
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_node(r, event, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        if (r->top == NULL)
            return fail_at(r->yaml, line, err, "an end without a beginning, expected YAML");
        r->top = r->top->up;
        r->depth--;
        return 0;
    default:
        return 0;
    }
}

static int read_events(struct reader *r, yaml_parser_t *parser, struct hark_err *err)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            if (parser->error == YAML_MEMORY_ERROR)
                return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
            return hark_err_set(err, r->yaml->code, "%s:%zu: %s, expected YAML", r->yaml->file,
                                parser->problem_mark.line + 1,
                                parser->problem != NULL ? parser->problem : "unreadable");
        }
        bool end = event.type == YAML_STREAM_END_EVENT;
        int rc = take_event(r, &event, err);
        yaml_event_delete(&event);
        if (rc != 0 || end)
            return rc;
    }
}

/* libyaml has its own ways with these, and they differ between its versions. */
static int check_bytes(const struct hark_yaml *yaml, struct hark_span text, size_t max,
                       struct hark_err *err)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    if (text.size > max)
        return hark_err_set(err, yaml->code, "%s:1: %zu bytes, expected at most %zu", yaml->file,
                            text.size, max);
    if (text.size == 0)
        return fail_at(yaml, 1, err, "nothing, expected YAML");
    if (!hark_utf8_valid(text))
        return fail_at(yaml, 1, err, "bytes that are not UTF-8, expected UTF-8");
    if (memchr(text.data, '\0', text.size) != NULL)
        return fail_at(yaml, 1, err, "a NUL byte, expected text");
    if (text.size >= sizeof mark && memcmp(text.data, mark, sizeof mark) == 0)
        return fail_at(yaml, 1, err, "a byte order mark, expected text without one");
    return 0;
}

int hark_yaml_parse(struct hark_yaml **out, struct hark_span text, size_t max, const char *file,
                    int code, struct hark_err *err)
{
    *out = NULL;
    yaml_parser_t parser;
    struct reader reader = {.yaml = calloc(1, sizeof *reader.yaml)};
    if (reader.yaml == NULL || !yaml_parser_initialize(&parser)) {
        free(reader.yaml);
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    }
    reader.yaml->file = file;
    reader.yaml->code = code;
    int rc = check_bytes(reader.yaml, text, max, err);
    if (rc == 0) {
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, text.data, text.size);
        rc = read_events(&reader, &parser, err);
    }
    if (rc == 0 && reader.yaml->root == NULL)
        rc = fail_at(reader.yaml, 1, err, "nothing, expected YAML");
    yaml_parser_delete(&parser);
    free(reader.key);
    if (rc == 0)
        *out = reader.yaml;
    else
        hark_yaml_free(reader.yaml);
    return rc;
}

void hark_yaml_free(struct hark_yaml *yaml)
{
    if (yaml == NULL)
        return;
    struct hark_yaml_node *node = yaml->nodes;
    while (node != NULL) {
        struct hark_yaml_node *next = node->chain;
        free(node->key);
        free(node->text);
        free(node);
        node = next;
    }
    free(yaml);
}

/* ---- Asking -------------------------------------------------------------- */

const struct hark_yaml_node *hark_yaml_get(const struct hark_yaml_node *map, const char *key)
{
    for (const struct hark_yaml_node *node = map->first; node != NULL; node = node->next)
        if (strcmp(node->key, key) == 0)
            return node;
    return NULL;
}

static const char *type_name(const struct hark_yaml_node *node)
{
    return node->type == HARK_YAML_SCALAR ? "a single value"
           : node->type == HARK_YAML_LIST ? "a list"
                                          : "a mapping";
}

/* "'key' is " or nothing, in front of what is wrong with a value. */
static void subject(char out[SHOWN_MAX + 16], const struct hark_yaml_node *node)
{
    char shown[SHOWN_MAX + 4];
    out[0] = '\0';
    if (node->key == NULL)
        return;
    show(shown, node->key);
    (void)snprintf(out, SHOWN_MAX + 16, "'%s' is ", shown);
}

/* Says what a value is instead of what it should be. */
static int fail_value(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                      struct hark_err *err, const char *expected)
{
    char who[SHOWN_MAX + 16];
    char shown[SHOWN_MAX + 4];
    subject(who, node);
    if (node->type != HARK_YAML_SCALAR)
        return hark_yaml_fail(yaml, node, err, "%s%s, expected %s", who, type_name(node), expected);
    show(shown, node->text);
    return hark_yaml_fail(yaml, node, err, "%s'%s', expected %s", who, shown, expected);
}

static bool among(const char *const *names, const char *name, size_t *number)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            *number = i;
            return true;
        }
    }
    return false;
}

int hark_yaml_map(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                  const char *const *keys, struct hark_err *err)
{
    char expected[256];
    char shown[SHOWN_MAX + 4];
    char what[HARK_ERR_MESSAGE_MAX];
    size_t ignored = 0;
    if (node->type != HARK_YAML_MAP)
        return fail_value(yaml, node, err, "a mapping");
    for (const struct hark_yaml_node *n = node->first; n != NULL; n = n->next) {
        if (among(keys, n->key, &ignored))
            continue;
        join(expected, sizeof expected, keys);
        show(shown, n->key);
        (void)snprintf(what, sizeof what, "unknown key '%s', expected one of %s", shown, expected);
        return fail_at(yaml, n->key_line, err, what);
    }
    return 0;
}

int hark_yaml_need(const struct hark_yaml *yaml, const struct hark_yaml_node *map, const char *key,
                   const struct hark_yaml_node **out, struct hark_err *err)
{
    *out = hark_yaml_get(map, key);
    if (*out == NULL)
        return hark_yaml_fail(yaml, map, err, "'%s' is missing, expected it here", key);
    return 0;
}

int hark_yaml_list(const struct hark_yaml *yaml, const struct hark_yaml_node *node, size_t min,
                   size_t max, struct hark_err *err)
{
    char expected[64];
    (void)snprintf(expected, sizeof expected, "a list of %zu to %zu", min, max);
    if (node->type != HARK_YAML_LIST)
        return fail_value(yaml, node, err, expected);
    if (node->count < min || node->count > max)
        return hark_yaml_fail(yaml, node, err, "a list of %zu, expected %s", node->count, expected);
    return 0;
}

int hark_yaml_text(const struct hark_yaml *yaml, const struct hark_yaml_node *node, size_t min,
                   size_t max, const char **out, struct hark_err *err)
{
    char expected[64];
    (void)snprintf(expected, sizeof expected, "text of %zu to %zu bytes on one line", min, max);
    if (node->type != HARK_YAML_SCALAR || node->size < min || node->size > max)
        return fail_value(yaml, node, err, expected);
    for (const char *p = node->text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f ||
            ((unsigned char)*p == 0xc2 && (unsigned char)p[1] < 0xa0))
            return fail_value(yaml, node, err, expected);
    *out = node->text;
    return 0;
}

int hark_yaml_integer(const struct hark_yaml *yaml, const struct hark_yaml_node *node, int64_t min,
                      int64_t max, int64_t *out, struct hark_err *err)
{
    char expected[96];
    uint64_t magnitude = 0;
    (void)snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64, min,
                   max);
    if (node->type != HARK_YAML_SCALAR || !node->plain)
        return fail_value(yaml, node, err, expected);
    bool minus = node->text[0] == '-';
    if (hark_decimal_decode(&magnitude, hark_span_str(node->text + (minus ? 1 : 0)),
                            (uint64_t)INT64_MAX, NULL) != 0 ||
        (minus && magnitude == 0))
        return fail_value(yaml, node, err, expected);
    int64_t value = minus ? -(int64_t)magnitude : (int64_t)magnitude;
    if (value < min || value > max)
        return fail_value(yaml, node, err, expected);
    *out = value;
    return 0;
}

int hark_yaml_boolean(const struct hark_yaml *yaml, const struct hark_yaml_node *node, bool *out,
                      struct hark_err *err)
{
    bool is_true = node->type == HARK_YAML_SCALAR && strcmp(node->text, "true") == 0;
    bool is_false = node->type == HARK_YAML_SCALAR && strcmp(node->text, "false") == 0;
    if (!node->plain || (!is_true && !is_false))
        return fail_value(yaml, node, err, "true or false");
    *out = is_true;
    return 0;
}

int hark_yaml_choice(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                     const char *const *names, size_t *out, struct hark_err *err)
{
    char expected[256];
    char list[240];
    if (node->type == HARK_YAML_SCALAR && among(names, node->text, out))
        return 0;
    join(list, sizeof list, names);
    (void)snprintf(expected, sizeof expected, "one of %s", list);
    return fail_value(yaml, node, err, expected);
}
