/*
 * YAML, strictly: a small tree with lines, for kind definitions and the
 * configuration. One document of mappings, lists and scalars; no anchors,
 * aliases, tags or directives, no key twice in a mapping, bounded depth. What a
 * scalar means is asked by its reader, nothing is guessed.
 *
 * Every message is "<file>:<line>: <what was wrong>, expected <what>". Pure.
 */
#ifndef HARK_SCHEMAS_YAMLTREE_H
#define HARK_SCHEMAS_YAMLTREE_H

#include "crypto/bytes.h"

#define HARK_YAML_DEPTH_MAX 8u
#define HARK_YAML_KEYS_MAX  256u  /* of one mapping */
#define HARK_YAML_ITEMS_MAX 1024u /* of one list */

enum hark_yaml_type { HARK_YAML_SCALAR, HARK_YAML_LIST, HARK_YAML_MAP };

struct hark_yaml_node {
    enum hark_yaml_type type;
    size_t line;                  /* from 1 */
    char *key;                    /* in a mapping; else NULL */
    size_t key_line;              /* from 1; the line of `key` */
    char *text;                   /* SCALAR: NUL-terminated UTF-8 without NUL inside */
    size_t size;                  /* SCALAR: bytes of text */
    bool plain;                   /* SCALAR: written without quotes */
    size_t count;                 /* LIST, MAP */
    struct hark_yaml_node *first; /* LIST, MAP: in their order */
    struct hark_yaml_node *last;
    struct hark_yaml_node *next;  /* among its siblings */
    struct hark_yaml_node *up;    /* what it lies in; NULL for the root */
    struct hark_yaml_node *chain; /* of all nodes; for freeing */
};

struct hark_yaml {
    const char *file; /* borrowed; for messages */
    int code;         /* of every error */
    struct hark_yaml_node *root;
    struct hark_yaml_node *nodes;
};

/* Reads one document of at most `max` bytes. `file` must outlive *out. Errors:
 * `code`, no-memory. Free with hark_yaml_free. */
HARK_CHECK int hark_yaml_parse(struct hark_yaml **out, struct hark_span text, size_t max,
                               const char *file, int code, struct hark_err *err);
void hark_yaml_free(struct hark_yaml *yaml);

/* Sets the error at this node; returns its code. */
int hark_yaml_fail(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                   struct hark_err *err, const char *fmt, ...) HARK_PRINTF(4, 5);

/* The value of a key, NULL if it is not there; `map` must be a mapping. */
const struct hark_yaml_node *hark_yaml_get(const struct hark_yaml_node *map, const char *key);

/* Is it a mapping, and are all its keys among these (NULL-terminated)? */
HARK_CHECK int hark_yaml_map(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                             const char *const *keys, struct hark_err *err);
/* The value of a key that must be there. */
HARK_CHECK int hark_yaml_need(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                              const char *key, const struct hark_yaml_node **out,
                              struct hark_err *err);
/* A list of min to max items. */
HARK_CHECK int hark_yaml_list(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                              size_t min, size_t max, struct hark_err *err);
/* A scalar of min to max bytes without control characters; *out is borrowed. */
HARK_CHECK int hark_yaml_text(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                              size_t min, size_t max, const char **out, struct hark_err *err);
/* Plain decimal, an optional sign, no leading zeros. */
HARK_CHECK int hark_yaml_integer(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                                 int64_t min, int64_t max, int64_t *out, struct hark_err *err);
/* Plain true or false. */
HARK_CHECK int hark_yaml_boolean(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                                 bool *out, struct hark_err *err);
/* One of the names (NULL-terminated); *out is its number. */
HARK_CHECK int hark_yaml_choice(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                                const char *const *names, size_t *out, struct hark_err *err);

#endif
