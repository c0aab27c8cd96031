/*
 * Counting: tallies and cohorts.
 *
 * As the log stands, a tally is an AND and a count of bitmaps, row by row of
 * 65,536 members. At an earlier size the bitmaps are made from the rows that
 * were there then, for that one tally.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

#define WHERE_MAX 32u

static void add_counts(struct hark_tally *out, const uint64_t counts[HARK_CHOICES])
{
    out->agree += counts[HARK_CHOICE_AGREE];
    out->disagree += counts[HARK_CHOICE_DISAGREE];
    out->pass += counts[HARK_CHOICE_PASS];
    out->silent += counts[HARK_CHOICE_SILENT];
    out->erased += counts[HARK_CHOICE_ERASED];
    out->voters = out->agree + out->disagree + out->pass;
}

static uint64_t count_within(const roaring_bitmap_t *set, const roaring_bitmap_t *within,
                             bool everybody)
{
    if (set == NULL || (!everybody && within == NULL))
        return 0;
    return everybody ? roaring_bitmap_get_cardinality(set)
                     : roaring_bitmap_and_cardinality(set, within);
}

/* ---- as the log stands ---- */

/* The cohorts' sets by number; *nobody when one of them has no members at all. */
static int find_sets(struct hark_index *index, const struct hark_cohort *where, size_t count,
                     int64_t *sets, bool *nobody, struct hark_err *err)
{
    int rc = 0;

    *nobody = false;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool found = false;

        rc = hark_index_number(index, err, &found, &sets[i],
                               "SELECT number FROM cohort_set WHERE dimension = ?1 AND value = ?2",
                               V_ARGS(V_TEXT(where[i].dimension, strlen(where[i].dimension)),
                                      V_TEXT(where[i].value, strlen(where[i].value))));
        *nobody = *nobody || !found;
    }
    return rc;
}

/* Those of one row who are in all sets: allocated, or NULL for none. */
static int intersect(struct hark_index *index, const int64_t *sets, size_t count, unsigned hi,
                     roaring_bitmap_t **out, struct hark_err *err)
{
    int rc = 0;

    *out = NULL;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const roaring_bitmap_t *set = NULL;

        rc = hark_index_bits_get(index, HARK_SET_COHORT(sets[i]), hi, &set, err);
        if (rc == 0 && set == NULL) {
            if (*out != NULL)
                roaring_bitmap_free(*out);
            *out = NULL;
            return 0;
        }
        if (rc == 0 && i == 0) {
            *out = roaring_bitmap_copy(set);
            if (*out == NULL)
                rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a bitmap");
        } else if (rc == 0) {
            roaring_bitmap_and_inplace(*out, set);
        }
    }
    return rc;
}

static int tally_row(struct hark_index *index, uint64_t subject, const int64_t *sets, size_t count,
                     unsigned hi, struct hark_tally *out, struct hark_err *err)
{
    uint64_t counts[HARK_CHOICES] = {0};
    roaring_bitmap_t *within = NULL;
    const roaring_bitmap_t *set = NULL;
    int rc = intersect(index, sets, count, hi, &within, err);

    if (rc == 0)
        rc = hark_index_bits_get(index, HARK_SET_ACTIVE, hi, &set, err);
    if (rc == 0)
        out->eligible += count_within(set, within, count == 0);
    for (int choice = 0; rc == 0 && choice < HARK_CHOICES; choice++) {
        rc = hark_index_bits_get(index, HARK_SET_VOTE(subject, choice), hi, &set, err);
        if (rc == 0)
            counts[choice] = count_within(set, within, count == 0);
    }
    if (rc == 0)
        add_counts(out, counts);
    if (within != NULL)
        roaring_bitmap_free(within);
    return rc;
}

static int tally_now(struct hark_index *index, uint64_t subject, const struct hark_cohort *where,
                     size_t count, struct hark_tally *out, struct hark_err *err)
{
    int64_t sets[WHERE_MAX];
    unsigned rows = 0;
    bool nobody = false;
    int rc = hark_index_bits_begin(index, err);

    if (rc == 0)
        rc = find_sets(index, where, count, sets, &nobody, err);
    if (rc == 0 && !nobody)
        rc = hark_index_bits_rows(index, &rows, err);
    for (unsigned hi = 0; rc == 0 && hi < rows; hi++)
        rc = tally_row(index, subject, sets, count, hi, out, err);
    return rc;
}

/* ---- at an earlier size ---- */

/* Members from the rows of a statement (member, in or not), later rows winning. */
static int collect(struct hark_index *index, roaring_bitmap_t *out, const char *sql,
                   const struct hark_index_value *values, size_t count, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, sql, values, count);

    while (rc == 0 && row) {
        uint32_t member = (uint32_t)sqlite3_column_int64(statement, 0);

        if (sqlite3_column_int(statement, 1) != 0)
            roaring_bitmap_add(out, member);
        else
            roaring_bitmap_remove(out, member);
        rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

static int collect_where(struct hark_index *index, roaring_bitmap_t *within,
                         const struct hark_cohort *where, size_t count, uint64_t below,
                         struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        roaring_bitmap_t *set = roaring_bitmap_create();

        if (set == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a bitmap");
        rc = collect(index, set,
                     "SELECT member, value = ?2 FROM cohort WHERE dimension = ?1 AND position < ?3"
                     " ORDER BY position",
                     V_ARGS(V_TEXT(where[i].dimension, strlen(where[i].dimension)),
                            V_TEXT(where[i].value, strlen(where[i].value)), V_INT(below)),
                     err);
        if (i == 0)
            roaring_bitmap_or_inplace(within, set);
        else
            roaring_bitmap_and_inplace(within, set);
        roaring_bitmap_free(set);
    }
    return rc;
}

/* The choice of each member's latest vote among the first `below` entries. */
static int collect_votes(struct hark_index *index, roaring_bitmap_t *sets[HARK_CHOICES],
                         uint64_t subject, uint64_t below, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row,
                               "SELECT e.owner, e.choice FROM re r"
                               " CROSS JOIN entry e ON e.position = r.position"
                               " WHERE r.subject = ?1 AND r.position < ?2 AND e.choice IS NOT NULL"
                               " AND e.subject = ?1 ORDER BY r.position",
                               V_ARGS(V_INT(subject), V_INT(below)));

    while (rc == 0 && row) {
        uint32_t member = (uint32_t)sqlite3_column_int64(statement, 0);
        int choice = sqlite3_column_int(statement, 1);

        for (int i = 0; i < HARK_CHOICES; i++)
            roaring_bitmap_remove(sets[i], member);
        if (choice >= 0 && choice < HARK_CHOICES)
            roaring_bitmap_add(sets[choice], member);
        if (choice == HARK_CHOICE_ERASED)
            roaring_bitmap_add(sets[HARK_CHOICE_SILENT], member);
        rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

static int tally_below(struct hark_index *index, uint64_t subject, const struct hark_cohort *where,
                       size_t count, uint64_t below, struct hark_tally *out, struct hark_err *err)
{
    enum { ACTIVE = HARK_CHOICES, WITHIN, SETS };
    roaring_bitmap_t *sets[SETS] = {NULL};
    uint64_t counts[HARK_CHOICES] = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < SETS; i++) {
        sets[i] = roaring_bitmap_create();
        if (sets[i] == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a bitmap");
    }
    if (rc == 0)
        rc = collect(index, sets[ACTIVE],
                     "SELECT ordinal, 1 FROM member WHERE admit < ?1"
                     " AND (ended IS NULL OR ended >= ?1)",
                     V_ARGS(V_INT(below)), err);
    if (rc == 0)
        rc = collect_where(index, sets[WITHIN], where, count, below, err);
    if (rc == 0)
        rc = collect_votes(index, sets, subject, below, err);
    if (rc == 0) {
        out->eligible = count_within(sets[ACTIVE], sets[WITHIN], count == 0);
        for (size_t i = 0; i < HARK_CHOICES; i++)
            counts[i] = count_within(sets[i], sets[WITHIN], count == 0);
        add_counts(out, counts);
    }
    for (size_t i = 0; i < SETS; i++)
        if (sets[i] != NULL)
            roaring_bitmap_free(sets[i]);
    return rc;
}

int hark_index_tally(struct hark_index *index, uint64_t subject, const struct hark_cohort *where,
                     size_t where_count, uint64_t below, struct hark_tally *out,
                     struct hark_err *err)
{
    uint64_t size = 0;
    bool own = false;
    int rc;

    memset(out, 0, sizeof(*out));
    if (where_count > WHERE_MAX)
        return hark_err_set(err, HARK_E_USAGE, "a tally is by %u cohorts at most", WHERE_MAX);
    rc = hark_index_view(index, &own, err);
    if (rc == 0)
        rc = hark_index_size(index, &size, err);
    if (rc == 0 && subject >= size)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "there is no entry %llu",
                          (unsigned long long)subject);
    if (rc == 0 && (below == 0 || below >= size))
        rc = tally_now(index, subject, where, where_count, out, err);
    else if (rc == 0)
        rc = tally_below(index, subject, where, where_count, below, out, err);
    hark_index_view_end(index, own);
    return rc;
}

/* ---- cohorts ---- */

/* Rows of (dimension, value) as an array. */
static int read_cohorts(struct hark_index *index, const char *sql, struct hark_index_value value,
                        struct hark_cohort **out, size_t *count, struct hark_err *err)
{
    struct hark_cohort *items = NULL;
    sqlite3_stmt *statement = NULL;
    size_t capacity = 0;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, sql, V_ARGS(value));

    *count = 0;
    while (rc == 0 && row) {
        if (*count == capacity) {
            struct hark_cohort *larger;

            capacity = capacity == 0 ? 16 : capacity * 2;
            larger = realloc(items, capacity * sizeof(*items));
            if (larger == NULL) {
                rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for cohorts");
                break;
            }
            items = larger;
        }
        (void)snprintf(items[*count].dimension, sizeof(items->dimension), "%s",
                       (const char *)sqlite3_column_text(statement, 0));
        (void)snprintf(items[*count].value, sizeof(items->value), "%s",
                       (const char *)sqlite3_column_text(statement, 1));
        (*count)++;
        rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    if (rc != 0) {
        free(items);
        items = NULL;
        *count = 0;
    }
    *out = items;
    return rc;
}

int hark_index_cohort_values(struct hark_index *index, const char *dimension,
                             struct hark_cohort **out, size_t *count, struct hark_err *err)
{
    return read_cohorts(index,
                        "SELECT dimension, value FROM cohort_set WHERE dimension = ?1"
                        " ORDER BY value",
                        V_TEXT(dimension, strlen(dimension)), out, count, err);
}

int hark_index_member_cohorts(struct hark_index *index, uint32_t member, struct hark_cohort **out,
                              size_t *count, struct hark_err *err)
{
    return read_cohorts(index,
                        "SELECT dimension, value FROM cohort c WHERE member = ?1 AND position ="
                        " (SELECT max(position) FROM cohort WHERE member = c.member"
                        " AND dimension = c.dimension) ORDER BY dimension",
                        V_INT(member), out, count, err);
}

int hark_index_active(struct hark_index *index, uint64_t by_role[2], struct hark_err *err)
{
    bool own = false;
    int rc = hark_index_bits_begin(index, err);

    if (rc == 0)
        rc = hark_index_view(index, &own, err);
    for (int role = 0; rc == 0 && role < 2; role++)
        rc = hark_index_bits_count(index, HARK_SET_ROLE(role), &by_role[role], err);
    hark_index_view_end(index, own);
    return rc;
}
