/*
 * For the tools that write test vectors: commit objects that break a rule and
 * are signed all the same, which the program's own builders would never do.
 * Everything is deterministic. A tool's errors end it, with a message.
 */
#ifndef HARK_TESTS_VECTORS_CRAFT_H
#define HARK_TESTS_VECTORS_CRAFT_H

#include <jansson.h>

#include "schemas/entry.h"

#define CRAFT_MAX (1u << 20)

/* Ends the tool unless `fine`. */
void craft_require(bool fine, const char *what);

/* The key pair of the seed of 32 times `number`; lives until the tool ends. */
const struct hark_signer *craft_signer(uint8_t number);
/* SHA-256 of a text: hashes of nothing in particular. */
struct hark_hash craft_hash(const char *text);
/* The id that git gives an object; type as git names it. */
struct hark_git_id craft_git_id(const char *type, struct hark_span content);

/* In a text, the first `old` (all of them when `all`), together with the `over`
 * bytes after it, becomes `new`; `old` must occur. A list ends with a NULL in
 * `old`. */
struct craft_edit {
    const char *old;
    const char *new;
    bool all;
    size_t over;
};
#define ONE(before, after)                                                                         \
    {                                                                                              \
        .old = (before), .new = (after)                                                            \
    }
#define ALL(before, after)                                                                         \
    {                                                                                              \
        .old = (before), .new = (after), .all = true                                               \
    }
#define OVER(before, after, more_bytes)                                                            \
    {                                                                                              \
        .old = (before), .new = (after), .over = (more_bytes)                                      \
    }
void craft_edit(struct hark_buf *text, const struct craft_edit *edits);

/* Cuts the gpgsig lines out of a commit object. */
void craft_unsign(struct hark_buf *commit);
/* Puts gpgsig lines with that armour (or anything else) into an unsigned one. */
void craft_put_gpgsig(struct hark_buf *commit, struct hark_span armor);
/* Signs an unsigned commit object as it is. */
void craft_sign(struct hark_buf *commit, const struct hark_signer *signer);

struct hark_buf craft_buf(void); /* with CRAFT_MAX */
void craft_set(struct hark_buf *buf, struct hark_span content);

/* New JSON strings. */
json_t *craft_base64(struct hark_span bytes);
json_t *craft_hex(const uint8_t *bytes, size_t size);
json_t *craft_string(const char *text);
json_t *craft_number(uint64_t number);                           /* null when it is over 2^53-1 */
void craft_put(json_t *object, const char *name, json_t *value); /* takes value */
/* Writes the vectors to stdout. */
void craft_write(const json_t *root);
/* Writes a file of a corpus. */
void craft_corpus(const char *folder, const char *name, struct hark_span content);

#endif
