/*
 * The batch commit with its two files: building, strict parsing, and the checks
 * that need no git and no store. PROTOCOL.md 7.2; errors are those of its rules
 * B1 to B13. Pure.
 */
#ifndef HARK_SCHEMAS_BATCH_H
#define HARK_SCHEMAS_BATCH_H

#include "crypto/merkle.h"
#include "crypto/note.h"
#include "schemas/entry.h"

#define HARK_BATCH_ENTRIES_MAX    1000u
#define HARK_BATCH_TAKEN_MAX      64u
#define HARK_BATCH_COMMIT_MAX     (128u * 1024u)
#define HARK_BATCH_FILE_MAX       (512u * 1024u)
#define HARK_BATCH_CHECKPOINT_MAX 4096u
#define HARK_ORIGIN_MAX           255u
#define HARK_NODE_NAME_MAX        63u
#define HARK_AHEAD_MAX_MS         UINT64_C(300000)

/* Which log of a space. */
struct hark_log_ref {
    struct hark_hash space;
    char node[HARK_NODE_NAME_MAX + 1]; /* empty: the main log; else that node's intake log */
};

/* One line of the file `entries`. */
struct hark_line {
    uint64_t position;
    uint64_t arrival_ms;
    uint64_t accepted_ms;
    struct hark_hash id;
    char intake[HARK_ORIGIN_MAX + 1]; /* empty: first-hand */
    uint64_t intake_position;
};

struct hark_taken {
    char origin[HARK_ORIGIN_MAX + 1];
    uint64_t size;
    struct hark_hash root;
};

/* The fields of a batch commit's message. */
struct hark_batch {
    char origin[HARK_ORIGIN_MAX + 1];
    uint64_t first;
    uint64_t count;
    uint64_t time_ms;
    bool has_previous;
    struct hark_hash previous;      /* SHA-256 of the previous batch commit object */
    struct hark_git_id previous_id; /* its git id: the first parent */
    struct hark_hash entries;       /* SHA-256 of the file */
    bool has_main;
    uint64_t main_size;
    struct hark_hash main_root;
    size_t taken_count;
    struct hark_taken taken[HARK_BATCH_TAKEN_MAX];
};

/* 1 to 63 of a-z 0-9 . -, not starting or ending with . or -, without "..", not
 * "main" and not ending in ".lock" (PROTOCOL.md 2.8). */
bool hark_node_name_valid(struct hark_span name);
/* "<name>/<space id hex>/<incarnation>", incarnation from 1; 0 gives the intake
 * log's origin. */
void hark_origin(char out[HARK_ORIGIN_MAX + 1], const char *node, const struct hark_hash *space,
                 uint64_t incarnation);
/* What an origin says. False: it is none, in just that form. */
struct hark_origin_parts {
    char node[HARK_NODE_NAME_MAX + 1];
    struct hark_hash space;
    uint64_t incarnation; /* 0: that node's intake log */
};
bool hark_origin_read(struct hark_origin_parts *out, struct hark_span origin);
/* A line's Merkle leaf, id ‖ arrival ‖ accepted, and its leaf hash. */
#define HARK_LEAF_SIZE (HARK_HASH_SIZE + 8 + 8)
void hark_line_leaf_bytes(uint8_t out[HARK_LEAF_SIZE], const struct hark_line *line);
struct hark_hash hark_line_leaf(const struct hark_line *line);

/* Appends the file `entries` for these lines. */
HARK_CHECK int hark_lines_encode(struct hark_buf *out, const struct hark_line *lines, size_t count,
                                 struct hark_err *err);
/* Parses it; *lines is allocated (free()), *count at most 1,000. B7. */
HARK_CHECK int hark_lines_decode(struct hark_line **lines, size_t *count, struct hark_span file,
                                 struct hark_err *err);

/* Appends the batch commit object, signed. `tree` is the git id of its tree,
 * `entry_ids` the git ids of its `count` entries, in order. */
HARK_CHECK int hark_batch_build(struct hark_buf *out, const struct hark_batch *batch,
                                const struct hark_git_id *tree, const struct hark_git_id *entry_ids,
                                const struct hark_signer *log_key, struct hark_err *err);

/* Parses strictly, rebuilds and compares (B1), and checks the signature against
 * `log_key` unless that is NULL (B2). tree (may be NULL) receives the tree's id;
 * *entry_ids (may be NULL) is allocated (free()) with batch->count ids. */
HARK_CHECK int hark_batch_parse(struct hark_batch *out, struct hark_git_id *tree,
                                struct hark_git_id **entry_ids, struct hark_span bytes,
                                const struct hark_key *log_key, struct hark_err *err);

/* Where a log stands: what the next batch is checked against. Plain data;
 * zeroed with the origin filled in it is an empty log. */
struct hark_log_head {
    char origin[HARK_ORIGIN_MAX + 1];
    struct hark_key log_key;
    struct hark_merkle tree;
    bool has_batch;
    struct hark_hash batch;      /* SHA-256 of the last batch commit object */
    struct hark_git_id batch_id; /* its git id */
    uint64_t last_arrival_ms;
    uint64_t last_time_ms; /* of the last batch */
    uint64_t main_size;    /* an intake log's: in the last batch's Main */
};

/* A whole batch as it travels or lies in git, borrowed. Payload state: 0 none,
 * 1 present, 2 erased or absent. */
struct hark_raw_entry {
    struct hark_span object;
    uint8_t payload_state;
    struct hark_span payload;
};
struct hark_raw_batch {
    struct hark_span commit;
    struct hark_span entries;    /* the file */
    struct hark_span checkpoint; /* the file */
    size_t count;
    const struct hark_raw_entry *items;
};

/* Everything of B1 to B5, B7 (all but the git ids of B6 and B8, which only git
 * can compute), B9 to B12, and B13 and B15 as far as the two show them, for `raw` as the next batch
 * after `head`, at the reader's time now_ms. Does not look into the entries beyond their SHA-256.
 * On success *next is the head after it (its batch_id still zero: node/ fills it
 * in), and *batch, *lines are filled (lines: free()). */
HARK_CHECK int hark_batch_check(struct hark_log_head *next, struct hark_batch *batch,
                                struct hark_line **lines, struct hark_git_id *tree,
                                struct hark_git_id **entry_ids, const struct hark_log_head *head,
                                const struct hark_raw_batch *raw, uint64_t now_ms,
                                struct hark_err *err);

#endif
