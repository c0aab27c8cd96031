/*
 * What the files of the index share, and nobody else includes: the connection
 * with its statements (index.c), the state's store and its caches
 * (index_store.c), Merkle trees in tiles (index_tree.c), bitmaps
 * (index_bitmap.c), what an entry adds (index_add.c) and an erasure takes away
 * (index_erase.c), words (index_words.c, index_search.c), and reading
 * (index_query.c, index_tally.c with index_count.c, index_check.c).
 *
 * Caches are write-back within a transaction and dropped when it is rolled back;
 * between transactions they hold what the file holds. A read-only connection has
 * none that outlive a call, since another process writes.
 */
#ifndef HARK_NODE_INDEX_INTERNAL_H
#define HARK_NODE_INDEX_INTERNAL_H

#include <roaring/roaring.h>
#include <sqlite3.h>

#include "node/index.h"

#define HARK_INDEX_STATEMENTS 256u /* a power of two, well above what there are */
#define HARK_INDEX_KINDS      512u
#define HARK_INDEX_AUTHORS    4096u /* a power of two: direct-mapped */

/* Trees beside the hashed sections. */
#define HARK_TREE_LOG     ((unsigned)HARK_SECTION_HASHED_)
#define HARK_TREE_CONTENT (HARK_TREE_LOG + 1)
#define HARK_TREES        (HARK_TREE_CONTENT + 1)

struct hark_index_objects; /* index_store.c */
struct hark_index_lookups;
struct hark_index_tree; /* index_tree.c */
struct hark_index_bits; /* index_bitmap.c */

struct hark_index {
    sqlite3 *db;
    char *path;
    struct hark_hash space;
    bool read_only;
    bool in_transaction;
    int64_t data_version; /* changes when another connection has written */
    struct {
        const char *sql; /* a literal: its address is its name */
        sqlite3_stmt *statement;
    } statements[HARK_INDEX_STATEMENTS];

    struct hark_index_objects *objects;
    struct hark_index_lookups *lookups;
    struct hark_index_tree *trees; /* HARK_TREES */
    struct hark_index_bits *bits;

    /* What follows is a writer's and read again after a rollback. */
    bool known;    /* the numbers below are read */
    uint64_t size; /* of the log */
    uint64_t counts[HARK_SECTION_COUNT_];
    int64_t batch; /* number of the newest batch row, 0: none */
    struct hark_git_id batch_git;
    size_t kind_count;
    char kinds[HARK_INDEX_KINDS][HARK_KIND_NAME_MAX + 1]; /* number - 1 */
    bool kind_erasable[HARK_INDEX_KINDS];
    struct hark_kinds *builtin;
    struct hark_index_author {
        struct hark_key key;
        int64_t number; /* 0: empty */
    } * authors;        /* HARK_INDEX_AUTHORS */
};

/* ---- index.c: statements ---- */

/* A value to bind to a statement's parameter. */
struct hark_index_value {
    enum { HARK_VALUE_NULL, HARK_VALUE_INTEGER, HARK_VALUE_BLOB, HARK_VALUE_TEXT } type;
    int64_t number;
    const void *data;
    size_t size;
};
#define V_INT(x)     ((struct hark_index_value){.type = HARK_VALUE_INTEGER, .number = (int64_t)(x)})
#define V_BLOB(p, n) ((struct hark_index_value){.type = HARK_VALUE_BLOB, .data = (p), .size = (n)})
#define V_TEXT(p, n) ((struct hark_index_value){.type = HARK_VALUE_TEXT, .data = (p), .size = (n)})
#define V_NULL       ((struct hark_index_value){.type = HARK_VALUE_NULL})
/* A position, NULL for HARK_NONE. */
#define V_POS(x) ((x) == HARK_NONE ? V_NULL : V_INT(x))
#define V_ARGS(...)                                                                                \
    (const struct hark_index_value[]){__VA_ARGS__},                                                \
        sizeof((const struct hark_index_value[]){__VA_ARGS__}) / sizeof(struct hark_index_value)

/* The code for an SQLite result, with the connection's own message. */
HARK_CHECK int hark_index_fail(struct hark_index *index, int result, struct hark_err *err);
/* Binds; what is bound must live until the statement is reset. */
HARK_CHECK int hark_index_bind(struct hark_index *index, sqlite3_stmt *statement,
                               const struct hark_index_value *values, size_t count,
                               struct hark_err *err);
/* Runs a statement that gives no rows. `sql` is a string literal: it is prepared
 * once a connection. */
HARK_CHECK int hark_index_run(struct hark_index *index, struct hark_err *err, const char *sql,
                              const struct hark_index_value *values, size_t count);
/* Binds and steps once; *row tells whether there is one to read. The statement
 * must be ended with sqlite3_reset before it is used again; none is left over
 * on failure. */
HARK_CHECK int hark_index_select(struct hark_index *index, struct hark_err *err,
                                 sqlite3_stmt **statement, bool *row, const char *sql,
                                 const struct hark_index_value *values, size_t count);
HARK_CHECK int hark_index_step(struct hark_index *index, sqlite3_stmt *statement, bool *row,
                               struct hark_err *err);
/* Runs SQL that is not kept. */
HARK_CHECK int hark_index_exec(struct hark_index *index, const char *sql, struct hark_err *err);
/* One integer of one row; *found false when there is no row or it is NULL. */
HARK_CHECK int hark_index_number(struct hark_index *index, struct hark_err *err, bool *found,
                                 int64_t *number, const char *sql,
                                 const struct hark_index_value *values, size_t count);
/* Copies a blob column of exactly `size` bytes. Error: damaged. */
HARK_CHECK int hark_index_blob(sqlite3_stmt *statement, int column, void *out, size_t size,
                               struct hark_err *err);
/* Error internal: writing outside a transaction. */
HARK_CHECK int hark_index_writing(const struct hark_index *index, struct hark_err *err);
/* Fills `known` and what it stands for. */
HARK_CHECK int hark_index_learn(struct hark_index *index, struct hark_err *err);

/* ---- index_store.c ---- */
HARK_CHECK int hark_index_store_new(struct hark_index *index, struct hark_err *err);
void hark_index_store_free(struct hark_index *index);
void hark_index_store_drop(struct hark_index *index); /* forgets what is not written */
HARK_CHECK int hark_index_store_flush(struct hark_index *index, struct hark_err *err);
HARK_CHECK int hark_index_section_count(struct hark_index *index, enum hark_section section,
                                        uint64_t *count, struct hark_err *err);
/* Look-ups in the same table, under one more class. */
#define HARK_LOOKUP_INTAKE 65u /* u32 intake, a letter, what follows it (index_intake.c) */
HARK_CHECK int hark_index_lookup_bind(struct hark_index *index, unsigned lookup,
                                      struct hark_span key, uint64_t number, struct hark_err *err);
HARK_CHECK int hark_index_lookup_find(struct hark_index *index, unsigned lookup,
                                      struct hark_span key, bool *found, uint64_t *number,
                                      struct hark_err *err);

/* ---- index_tree.c ---- */
HARK_CHECK int hark_index_trees_new(struct hark_index *index, struct hark_err *err);
void hark_index_trees_free(struct hark_index *index);
void hark_index_trees_drop(struct hark_index *index);
/* Recomputes what has changed; objects and rows are written already. */
HARK_CHECK int hark_index_trees_flush(struct hark_index *index, struct hark_err *err);
/* Leaf `at` of a tree has changed or come. */
HARK_CHECK int hark_index_tree_touch(struct hark_index *index, unsigned tree, uint64_t at,
                                     struct hark_err *err);
/* The log's next leaf. */
HARK_CHECK int hark_index_tree_append(struct hark_index *index, uint64_t at,
                                      const struct hark_hash *leaf, struct hark_err *err);
HARK_CHECK int hark_index_tree_root(struct hark_index *index, unsigned tree, struct hark_hash *root,
                                    struct hark_err *err);
/* The root from the leaves alone, for hark_index_check. */
HARK_CHECK int hark_index_tree_recount(struct hark_index *index, unsigned tree,
                                       struct hark_hash *root, struct hark_err *err);

/* ---- index_bitmap.c ---- */

/* Sets of member ordinals. A set is a number whose lowest byte is free for the
 * ordinal's high bits: rows hold 65,536 ordinals each. */
enum hark_choice { /* of a vote: which sets its member is in */
                   HARK_CHOICE_AGREE = 0,
                   HARK_CHOICE_DISAGREE = 1,
                   HARK_CHOICE_PASS = 2,
                   HARK_CHOICE_SILENT = 3,
                   HARK_CHOICE_ERASED = 4, /* in SILENT too */
                   HARK_CHOICES = 5,
};
#define HARK_SET_ACTIVE         INT64_C(0)
#define HARK_SET_ROLE(role)     ((int64_t)(1 + (role)) << 8)
#define HARK_SET_COHORT(number) (INT64_C(1) << 60 | (int64_t)(number) << 8)
#define HARK_SET_VOTE(subject, which)                                                              \
    (INT64_C(1) << 61 | (int64_t)(subject) << 12 | (int64_t)(which) << 8)
#define HARK_SET_VOTES_END (INT64_C(1) << 62)

HARK_CHECK int hark_index_bits_new(struct hark_index *index, struct hark_err *err);
void hark_index_bits_free(struct hark_index *index);
void hark_index_bits_drop(struct hark_index *index);
HARK_CHECK int hark_index_bits_flush(struct hark_index *index, struct hark_err *err);
/* To be called where no bitmap is borrowed: makes room, and forgets what a
 * read-only connection may see changed. */
HARK_CHECK int hark_index_bits_begin(struct hark_index *index, struct hark_err *err);
/* The same between the rows of one call: sees to room for `need` more (10,000 at
 * most), and forgets nothing unless that takes it. */
HARK_CHECK int hark_index_bits_room(struct hark_index *index, size_t need, struct hark_err *err);
HARK_CHECK int hark_index_bits_set(struct hark_index *index, int64_t set, uint32_t ordinal, bool in,
                                   struct hark_err *err);
/* Ordinals hi*65536 to hi*65536+65535 of a set, as 0 to 65535; NULL when there
 * are none. Borrowed until hark_index_bits_begin or hark_index_bits_room. */
HARK_CHECK int hark_index_bits_get(struct hark_index *index, int64_t set, unsigned hi,
                                   const roaring_bitmap_t **out, struct hark_err *err);
/* Such a bitmap as bits: ordinal i is bit i % 8 of byte i / 8. */
void hark_index_bits_write(const roaring_bitmap_t *bitmap, uint8_t out[8192]);
/* Its ordinals, ascending; their number, 0 when there are more than that. Some times
 * quicker than Roaring's own way to an array, which is of u32. */
#define HARK_BITS_LISTED 4096u
size_t hark_index_bits_list(const roaring_bitmap_t *bitmap, uint16_t out[HARK_BITS_LISTED]);
HARK_CHECK int hark_index_bits_count(struct hark_index *index, int64_t set, uint64_t *count,
                                     struct hark_err *err);
/* Rows of ordinals that members need. */
HARK_CHECK int hark_index_bits_rows(struct hark_index *index, unsigned *rows, struct hark_err *err);
/* A vote's member leaves the sets of one choice (-1: none) for another's. */
HARK_CHECK int hark_index_bits_vote(struct hark_index *index, uint64_t subject, uint32_t member,
                                    int from, int to, struct hark_err *err);

/* ---- index_count.c ---- */

/* What is counted of a group: who votes what, by choice, and who is active. */
enum { HARK_COUNT_ACTIVE = HARK_CHOICES, HARK_COUNTS };

/* A row of members whose groups are counted. The sets are borrowed; NULL for none.
 * Codes (73 KiB; freed with free()) make it quicker where there are many groups, and
 * are for bitmaps of 0 to 65535 only. */
struct hark_index_count {
    const roaring_bitmap_t *sets[HARK_COUNTS];
    struct hark_index_codes *codes; /* or NULL */
};
/* NULL when there is no memory. */
struct hark_index_codes *hark_index_codes_new(void);
/* Forgets the row before: its sets are to be set anew. */
void hark_index_count_begin(struct hark_index_count *row);
/* How many of `within` (NULL: of all) are in each set. */
void hark_index_count(struct hark_index_count *row, const roaring_bitmap_t *within,
                      uint64_t counts[HARK_COUNTS]);

/* ---- index_add.c, index_words.c ---- */
#define HARK_FLAG_ERASABLE 1 /* of entry.flags: its kind is */
#define HARK_FLAG_FOREIGN  2 /* its payload hash was first logged under another author */
#define HARK_FLAG_REPLACED 4 /* a vote that a later one replaced */

/* What there is to know of an entry to bring in or to take out what it says. */
struct hark_index_about {
    uint64_t position;
    char kind[HARK_KIND_NAME_MAX + 1];
    uint8_t verdict, author_of;
    uint32_t author;
    int flags;
    int choice;       /* -1: no vote */
    uint64_t subject; /* first Re, or HARK_NONE */
    bool hidden;
    enum hark_says says;
    bool has_payload, has_blob;
    struct hark_hash payload_hash;
};
HARK_CHECK int hark_index_about(struct hark_index *index, uint64_t position,
                                struct hark_index_about *out, struct hark_err *err);
/* enum hark_choice of a vote that says so. */
int hark_index_choice(enum hark_says says, const json_t *payload);
/* The cohort of a dimension in force for a member goes by its latest cohort entry
 * that says something: when one stops saying it, the one before is in force, as
 * it is for whoever came later and never saw the words. */
HARK_CHECK int hark_index_cohort_drop(struct hark_index *index, uint64_t position,
                                      struct hark_err *err);

/* Title and search of an entry that says something. */
HARK_CHECK int hark_index_words_put(struct hark_index *index, const struct hark_index_about *about,
                                    const json_t *payload, struct hark_err *err);
/* Out of the search (also its title when `title`). */
HARK_CHECK int hark_index_words_drop(struct hark_index *index, uint64_t position, bool title,
                                     struct hark_err *err);
/* Appends text as the search wants it: CJK runs as overlapping bigrams and, when
 * `ends`, the run's last character alone, so that one character is found by
 * prefix; full-width forms as ASCII; anything that is not UTF-8 ends it. *single
 * (may be NULL) tells that the last run is one character and was cut there. */
HARK_CHECK int hark_index_normalise(struct hark_buf *out, struct hark_span text, bool ends,
                                    bool *single, struct hark_err *err);

/* ---- index_intake.c ---- */

/* A payload is erased: what intakes hold of it is to go as well. */
HARK_CHECK int hark_index_intake_erase(struct hark_index *index, const struct hark_hash *hash,
                                       struct hark_err *err);
/* It has gone. */
HARK_CHECK int hark_index_intake_erased(struct hark_index *index, const struct hark_hash *hash,
                                        struct hark_err *err);

/* ---- index_erase.c ---- */
HARK_CHECK int hark_index_hide(struct hark_index *index, uint64_t subject, uint64_t by,
                               struct hark_err *err);
HARK_CHECK int hark_index_erase(struct hark_index *index, const struct hark_effect *effect,
                                struct hark_err *err);
/* Which entry erased this payload; HARK_NONE when that is not told. */
HARK_CHECK int hark_index_eraser(struct hark_index *index, uint64_t position,
                                 const struct hark_hash *hash, uint64_t *by, struct hark_err *err);

/* ---- index_query.c ---- */

/* Columns that hark_index_row_read reads, from `entry e` and its joins. */
#define HARK_ROW_COLUMNS                                                                           \
    "e.position, e.arrival, e.accepted, e.time, e.id, e.git_id, b.git_id, a.key, e.owner, e.seq, " \
    "k.name, e.verdict, e.hidden_by, e.erased_by, e.replaces, e.used_by, e.payload_size, "         \
    "e.payload_hash, e.says, e.blob, e.re"
#define HARK_ROW_JOINS                                                                             \
    " CROSS JOIN author a ON a.number = e.author CROSS JOIN kind k ON k.number = e.kind "          \
    "CROSS JOIN batch b ON b.number = e.batch "
HARK_CHECK int hark_index_row_read(sqlite3_stmt *statement, struct hark_row *out,
                                   struct hark_err *err);
/* Steps a statement over HARK_ROW_COLUMNS and hands each row to `fn`. */
HARK_CHECK int hark_index_walk(struct hark_index *index, sqlite3_stmt *statement, hark_row_fn *fn,
                               void *arg, struct hark_err *err);

#endif
