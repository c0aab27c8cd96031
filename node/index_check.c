/*
 * The index against itself: SQLite's own check, counts, Merkle roots from the
 * leaves, and every bitmap against the rows that it was made from.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

static int wrong(struct hark_err *err, const char *what)
{
    return hark_err_set(err, HARK_E_DAMAGED, "the index is wrong about %s", what);
}

static int check_sqlite(struct hark_index *index, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, "PRAGMA integrity_check(1)", NULL, 0);

    if (rc != 0)
        return rc;
    if (!row || strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the index is damaged: %.200s",
                          row ? (const char *)sqlite3_column_text(statement, 0) : "");
    (void)sqlite3_reset(statement);
    return rc;
}

/* Rows are dense from 0. */
static int check_counts(struct hark_index *index, struct hark_err *err)
{
    uint64_t size = 0, entries = 0;
    int64_t rows = 0;
    bool found = false;
    int rc = hark_index_size(index, &size, err);

    if (rc == 0)
        rc = hark_index_number(index, err, &found, &rows, "SELECT count(*) FROM entry", NULL, 0);
    if (rc == 0 && (uint64_t)rows != size)
        rc = wrong(err, "the number of its rows");
    if (rc == 0)
        rc = hark_index_section_count(index, HARK_SECTION_ENTRY, &entries, err);
    /* Tests fill the index without a state. */
    if (rc == 0 && entries != 0 && entries != size)
        rc = wrong(err, "the number of the state's entries");
    return rc;
}

static int check_trees(struct hark_index *index, struct hark_err *err)
{
    int rc = 0;

    for (unsigned tree = 0; rc == 0 && tree < HARK_TREES; tree++) {
        struct hark_hash kept, counted;

        if (tree == HARK_TREE_LOG)
            continue; /* its root is the checkpoint's, which the caller compares */
        rc = hark_index_tree_root(index, tree, &kept, err);
        if (rc == 0)
            rc = hark_index_tree_recount(index, tree, &counted, err);
        if (rc == 0 && !hark_hash_equal(&kept, &counted))
            rc = wrong(err, "a Merkle root");
    }
    return rc;
}

static int check_log_tree(struct hark_index *index, struct hark_err *err)
{
    struct hark_hash kept, counted;
    uint64_t size = 0;
    int rc = hark_index_size(index, &size, err);

    if (rc == 0)
        rc = hark_merkle_root_at(&kept, size, hark_index_merkle_read, index, err);
    if (rc == 0)
        rc = hark_index_tree_recount(index, HARK_TREE_LOG, &counted, err);
    if (rc == 0 && !hark_hash_equal(&kept, &counted))
        rc = wrong(err, "the log's Merkle root");
    return rc;
}

/* Rows of (set, hi, ordinal): each ordinal is in its set. */
struct expected {
    const char *sql;
    const char *what;
};

static int check_members_of(struct hark_index *index, const struct expected *expected,
                            uint64_t *count, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, expected->sql, NULL, 0);

    while (rc == 0 && row) {
        int64_t set = sqlite3_column_int64(statement, 0);
        uint32_t ordinal = (uint32_t)sqlite3_column_int64(statement, 1);
        const roaring_bitmap_t *bitmap = NULL;

        rc = hark_index_bits_begin(index, err);
        if (rc == 0)
            rc = hark_index_bits_get(index, set, ordinal >> 16, &bitmap, err);
        if (rc == 0 && (bitmap == NULL || !roaring_bitmap_contains(bitmap, ordinal & 0xffff)))
            rc = wrong(err, expected->what);
        (*count)++;
        if (rc == 0)
            rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

/* How many members all bitmaps hold together. */
static int count_bits(struct hark_index *index, uint64_t *count, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, "SELECT id FROM bits", NULL, 0);

    *count = 0;
    while (rc == 0 && row) {
        int64_t id = sqlite3_column_int64(statement, 0);
        const roaring_bitmap_t *bitmap = NULL;

        rc = hark_index_bits_begin(index, err);
        if (rc == 0)
            rc = hark_index_bits_get(index, id & ~INT64_C(0xff), (unsigned)(id & 0xff), &bitmap,
                                     err);
        if (bitmap != NULL)
            *count += roaring_bitmap_get_cardinality(bitmap);
        if (rc == 0)
            rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

/* Each member that ought to be in a set is, and there are no others: as many are
 * in all sets together. The numbers in the SQL are those of HARK_SET_*. Roles are
 * the state's; here they add up to the active ones. */
static int check_bits(struct hark_index *index, struct hark_err *err)
{
    static const struct expected expected[] = {
        {"SELECT 0, ordinal FROM member WHERE ended IS NULL", "active members"},
        {"SELECT (1 << 60) | (s.number << 8), c.member FROM cohort c JOIN cohort_set s"
         " ON s.dimension = c.dimension AND s.value = c.value WHERE c.position ="
         " (SELECT max(position) FROM cohort WHERE member = c.member"
         " AND dimension = c.dimension)",
         "cohorts"},
        {"SELECT (1 << 61) | (subject << 12) | (min(choice, 4) << 8), owner & 0xffffffff"
         " FROM entry WHERE choice IS NOT NULL AND flags & 4 = 0",
         "votes"},
        {"SELECT (1 << 61) | (subject << 12) | (3 << 8), owner & 0xffffffff"
         " FROM entry WHERE choice = 4 AND flags & 4 = 0",
         "erased votes"},
    };
    uint64_t counted = 0, wanted = 0, by_role[2] = {0}, active = 0;
    int rc = hark_index_active(index, by_role, err);

    if (rc == 0)
        rc = hark_index_bits_count(index, HARK_SET_ACTIVE, &active, err);
    if (rc == 0 && active != by_role[0] + by_role[1])
        rc = wrong(err, "roles");
    for (size_t i = 0; rc == 0 && i < sizeof(expected) / sizeof(expected[0]); i++)
        rc = check_members_of(index, &expected[i], &wanted, err);
    if (rc == 0)
        rc = count_bits(index, &counted, err);
    if (rc == 0 && counted != wanted + active)
        rc = wrong(err, "who is in a set");
    return rc;
}

static int check_words(struct hark_index *index, struct hark_err *err)
{
    int64_t count = 0;
    bool found = false;
    int rc = hark_index_number(index, err, &found, &count,
                               "SELECT count(*) FROM words w JOIN entry e ON e.position = w.rowid"
                               " WHERE e.says <> 1 OR e.verdict <> 0",
                               NULL, 0);

    if (rc == 0 && count != 0)
        rc = wrong(err, "what may be found");
    /* FTS5's own check is a write of nothing. */
    if (rc == 0 && !index->read_only && !index->in_transaction)
        rc = hark_index_run(index, err, "INSERT INTO words (words) VALUES ('integrity-check')",
                            NULL, 0);
    return rc;
}

/* Each intake has as many entries and batches as it says, in one row. */
static int check_intakes(struct hark_index *index, struct hark_err *err)
{
    char(*names)[HARK_NODE_NAME_MAX + 1] = NULL;
    size_t count = 0;
    int rc = hark_index_intakes(index, &names, &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_intake intake;
        struct hark_intake_batch last;
        struct hark_hash root;
        int64_t entries = 0;
        bool found = false;

        rc = hark_index_intake(index, names[i], &found, &intake, err);
        if (rc == 0)
            rc = hark_index_number(index, err, &found, &entries,
                                   "SELECT count(*) FROM intake_entry WHERE intake = ?1"
                                   " AND position < ?2",
                                   V_ARGS(V_INT(intake.number), V_INT(intake.head.tree.size)));
        if (rc == 0)
            rc = hark_index_intake_batch(index, intake.number, intake.batches - 1, &last, err);
        root = hark_merkle_root(&intake.head.tree);
        if (rc == 0 && ((uint64_t)entries != intake.head.tree.size ||
                        last.first + last.count != intake.head.tree.size ||
                        !hark_hash_equal(&last.root, &root)))
            rc = wrong(err, "an intake");
    }
    free(names);
    return rc;
}

int hark_index_check(struct hark_index *index, struct hark_err *err)
{
    int rc = index->in_transaction
                 ? hark_err_set(err, HARK_E_INTERNAL, "the index is checked between transactions")
                 : check_sqlite(index, err);

    if (rc == 0)
        rc = check_words(index, err);
    if (rc == 0)
        rc = hark_index_begin(index, err); /* nobody writes meanwhile */
    if (rc == 0) {
        rc = check_counts(index, err);
        if (rc == 0)
            rc = check_trees(index, err);
        if (rc == 0)
            rc = check_log_tree(index, err);
        if (rc == 0)
            rc = check_bits(index, err);
        if (rc == 0)
            rc = check_intakes(index, err);
        hark_index_rollback(index);
    }
    return rc;
}
