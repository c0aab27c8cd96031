/*
 * Counting: tallies and cohorts.
 *
 * As the log stands, a tally counts in bitmaps, row by row of 65,536 members. At an
 * earlier size the bitmaps, each of all members, are made from the rows that were
 * there then, for that one call. In both cases the groups are a tree: those within
 * `where`, of them those with each value of the first dimension, of these those with
 * each value of the second, and nothing is counted below where nobody is.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

#define WHERE_MAX 32u

/* The members of a cohort. */
struct cohort_set {
    int64_t number;           /* as the log stands; -1: there is no such cohort */
    roaring_bitmap_t *before; /* at an earlier size */
};

struct dimension {
    size_t count;
    struct hark_cohort *values;
    struct cohort_set *sets;
};

struct counting {
    struct hark_index *index;
    const struct hark_tally_query *query;
    bool earlier;
    unsigned hi; /* the row that is counted */
    struct cohort_set where[WHERE_MAX];
    struct dimension by[HARK_TALLY_BY_MAX];
    roaring_bitmap_t *before[HARK_COUNTS]; /* at an earlier size */
    struct hark_index_count row;
    size_t group_count;
    struct hark_tally *groups; /* by the numbers of their values, the last quickest */
};

static void add_counts(struct hark_tally *out, const uint64_t counts[HARK_COUNTS])
{
    out->eligible += counts[HARK_COUNT_ACTIVE];
    out->agree += counts[HARK_CHOICE_AGREE];
    out->disagree += counts[HARK_CHOICE_DISAGREE];
    out->pass += counts[HARK_CHOICE_PASS];
    out->silent += counts[HARK_CHOICE_SILENT];
    out->erased += counts[HARK_CHOICE_ERASED];
    out->voters = out->agree + out->disagree + out->pass;
}

/* ---- groups in a row ---- */

/* Those of a cohort in this row; NULL for none. Borrowed. */
static int cohort_bits(struct counting *c, const struct cohort_set *set,
                       const roaring_bitmap_t **out, struct hark_err *err)
{
    *out = NULL;
    if (!c->earlier)
        return set->number < 0
                   ? 0
                   : hark_index_bits_get(c->index, HARK_SET_COHORT(set->number), c->hi, out, err);
    if (!roaring_bitmap_is_empty(set->before))
        *out = set->before;
    return 0;
}

/* Those of `within` (NULL: all) who are in the set, NULL for none. What is made for
 * it is in *made, to be freed. */
static int narrow(struct counting *c, const struct cohort_set *set, const roaring_bitmap_t *within,
                  const roaring_bitmap_t **out, roaring_bitmap_t **made, struct hark_err *err)
{
    int rc = cohort_bits(c, set, out, err);

    *made = NULL;
    if (rc != 0 || *out == NULL || within == NULL)
        return rc;
    *made = roaring_bitmap_and(within, *out);
    if (*made == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a bitmap");
    *out = roaring_bitmap_is_empty(*made) ? NULL : *made;
    return 0;
}

static void bitmap_free(roaring_bitmap_t *bitmap)
{
    if (bitmap != NULL)
        roaring_bitmap_free(bitmap);
}

/* Counts the groups within `within` (NULL: all) by the dimensions from `level` on;
 * `group` is their number so far. */
static int count_by(struct counting *c, size_t level, size_t group, const roaring_bitmap_t *within,
                    struct hark_err *err)
{
    const struct dimension *by;
    uint64_t counts[HARK_COUNTS];
    int rc = 0;

    if (level == HARK_TALLY_BY_MAX || level == c->query->by_count) {
        hark_index_count(&c->row, within, counts);
        add_counts(&c->groups[group], counts);
        return 0;
    }
    by = &c->by[level];
    for (size_t i = 0; rc == 0 && i < by->count; i++) {
        const roaring_bitmap_t *some = NULL;
        roaring_bitmap_t *made = NULL;

        rc = narrow(c, &by->sets[i], within, &some, &made, err);
        if (rc == 0 && some != NULL)
            rc = count_by(c, level + 1, group * by->count + i, some, err);
        bitmap_free(made);
    }
    return rc;
}

static int count_row(struct counting *c, struct hark_err *err)
{
    const roaring_bitmap_t *within = NULL;
    roaring_bitmap_t *kept = NULL;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->query->where_count; i++) {
        roaring_bitmap_t *made = NULL;

        rc = narrow(c, &c->where[i], within, &within, &made, err);
        if (made != NULL) {
            bitmap_free(kept);
            kept = made;
        }
        if (within == NULL)
            break;
    }
    if (rc == 0 && (within != NULL || c->query->where_count == 0))
        rc = count_by(c, 0, 0, within, err);
    bitmap_free(kept);
    return rc;
}

/* ---- as the log stands ---- */

static int set_now(struct hark_index *index, const struct hark_cohort *cohort,
                   struct cohort_set *out, struct hark_err *err)
{
    bool found = false;
    int rc = hark_index_number(index, err, &found, &out->number,
                               "SELECT number FROM cohort_set WHERE dimension = ?1 AND value = ?2",
                               V_ARGS(V_TEXT(cohort->dimension, strlen(cohort->dimension)),
                                      V_TEXT(cohort->value, strlen(cohort->value))));

    if (!found)
        out->number = -1;
    return rc;
}

static int row_now(struct counting *c, size_t need, struct hark_err *err)
{
    int rc = hark_index_bits_room(c->index, need, err);

    hark_index_count_begin(&c->row);
    for (int choice = 0; rc == 0 && choice < HARK_CHOICES; choice++)
        rc = hark_index_bits_get(c->index, HARK_SET_VOTE(c->query->subject, choice), c->hi,
                                 &c->row.sets[choice], err);
    if (rc == 0)
        rc = hark_index_bits_get(c->index, HARK_SET_ACTIVE, c->hi, &c->row.sets[HARK_COUNT_ACTIVE],
                                 err);
    return rc == 0 ? count_row(c, err) : rc;
}

static int count_now(struct counting *c, struct hark_err *err)
{
    size_t need = HARK_COUNTS + c->query->where_count;
    unsigned rows = 0;
    int rc = hark_index_bits_begin(c->index, err);

    if (rc == 0)
        rc = hark_index_bits_rows(c->index, &rows, err);
    for (size_t i = 0; i < c->query->by_count; i++)
        need += c->by[i].count;
    if (rc == 0 && c->group_count > 1) {
        c->row.codes = hark_index_codes_new();
        if (c->row.codes == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a tally");
    }
    for (c->hi = 0; rc == 0 && c->hi < rows; c->hi++)
        rc = row_now(c, need, err);
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

static int set_before(struct hark_index *index, const struct hark_cohort *cohort, uint64_t below,
                      struct cohort_set *out, struct hark_err *err)
{
    out->before = roaring_bitmap_create();
    if (out->before == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a bitmap");
    return collect(index, out->before,
                   "SELECT member, value = ?2 FROM cohort WHERE dimension = ?1 AND position < ?3"
                   " ORDER BY position",
                   V_ARGS(V_TEXT(cohort->dimension, strlen(cohort->dimension)),
                          V_TEXT(cohort->value, strlen(cohort->value)), V_INT(below)),
                   err);
}

/* The choice of each member's latest vote among the first `below` entries. */
static int collect_votes(struct hark_index *index, roaring_bitmap_t *sets[HARK_COUNTS],
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

static int count_before(struct counting *c, struct hark_err *err)
{
    uint64_t below = c->query->below;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < HARK_COUNTS; i++) {
        c->before[i] = roaring_bitmap_create();
        if (c->before[i] == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a bitmap");
        c->row.sets[i] = c->before[i];
    }
    if (rc == 0)
        rc = collect(c->index, c->before[HARK_COUNT_ACTIVE],
                     "SELECT ordinal, 1 FROM member WHERE admit < ?1"
                     " AND (ended IS NULL OR ended >= ?1)",
                     V_ARGS(V_INT(below)), err);
    if (rc == 0)
        rc = collect_votes(c->index, c->before, c->query->subject, below, err);
    return rc == 0 ? count_row(c, err) : rc;
}

/* ---- both ---- */

static int find_set(struct counting *c, const struct hark_cohort *cohort, struct cohort_set *out,
                    struct hark_err *err)
{
    return c->earlier ? set_before(c->index, cohort, c->query->below, out, err)
                      : set_now(c->index, cohort, out, err);
}

static int find_where(struct counting *c, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->query->where_count; i++)
        rc = find_set(c, &c->query->where[i], &c->where[i], err);
    return rc;
}

/* The dimensions' values, and how many groups they make. */
static int find_values(struct counting *c, struct hark_err *err)
{
    bool none = false;
    int rc = 0;

    c->group_count = 1;
    for (size_t i = 0; rc == 0 && i < c->query->by_count; i++) {
        rc = hark_index_cohort_values(c->index, c->query->by[i], &c->by[i].values, &c->by[i].count,
                                      err);
        none = none || c->by[i].count == 0;
    }
    for (size_t i = 0; rc == 0 && !none && i < c->query->by_count; i++) {
        if (c->by[i].count > HARK_TALLY_GROUPS_MAX / c->group_count)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u groups", HARK_TALLY_GROUPS_MAX);
        c->group_count *= c->by[i].count;
    }
    if (none)
        c->group_count = 0;
    return rc;
}

static int find_by(struct counting *c, struct hark_err *err)
{
    int rc = 0;

    for (size_t d = 0; rc == 0 && d < c->query->by_count; d++) {
        struct dimension *by = &c->by[d];

        by->sets = calloc(by->count, sizeof(*by->sets));
        if (by->sets == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for cohorts");
        for (size_t i = 0; rc == 0 && i < by->count; i++)
            rc = find_set(c, &by->values[i], &by->sets[i], err);
    }
    return rc;
}

/* To be ended with counting_end, also after a failure. */
static int counting_run(struct counting *c, struct hark_err *err)
{
    uint64_t size = 0;
    int rc;

    if (c->query->where_count > WHERE_MAX || c->query->by_count > HARK_TALLY_BY_MAX)
        return hark_err_set(err, HARK_E_USAGE, "a tally is by %u cohorts and %u dimensions at most",
                            WHERE_MAX, HARK_TALLY_BY_MAX);
    rc = hark_index_size(c->index, &size, err);
    if (rc == 0 && c->query->subject >= size)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "there is no entry %llu",
                          (unsigned long long)c->query->subject);
    if (rc == 0)
        rc = find_values(c, err);
    if (rc != 0 || c->group_count == 0)
        return rc;
    c->earlier = c->query->below != 0 && c->query->below < size;
    c->groups = calloc(c->group_count, sizeof(*c->groups));
    if (c->groups == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a tally");
    rc = find_where(c, err);
    if (rc == 0)
        rc = find_by(c, err);
    if (rc != 0)
        return rc;
    return c->earlier ? count_before(c, err) : count_now(c, err);
}

static void counting_end(struct counting *c)
{
    for (size_t i = 0; i < WHERE_MAX; i++)
        bitmap_free(c->where[i].before);
    for (size_t d = 0; d < HARK_TALLY_BY_MAX; d++) {
        for (size_t i = 0; c->by[d].sets != NULL && i < c->by[d].count; i++)
            bitmap_free(c->by[d].sets[i].before);
        free(c->by[d].sets);
        free(c->by[d].values);
    }
    for (size_t i = 0; i < HARK_COUNTS; i++)
        bitmap_free(c->before[i]);
    free(c->row.codes);
    free(c->groups);
}

int hark_index_tally(struct hark_index *index, uint64_t subject, const struct hark_cohort *where,
                     size_t where_count, uint64_t below, struct hark_tally *out,
                     struct hark_err *err)
{
    const struct hark_tally_query query = {
        .subject = subject, .where = where, .where_count = where_count, .below = below};
    struct counting counting = {.index = index, .query = &query};
    bool own = false;
    int rc = hark_index_view(index, &own, err);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = counting_run(&counting, err);
    if (rc == 0)
        *out = counting.groups[0];
    counting_end(&counting);
    hark_index_view_end(index, own);
    return rc;
}

/* The groups that somebody is in. */
static int list_groups(const struct counting *c, struct hark_tally_group **out, size_t *count,
                       struct hark_err *err)
{
    size_t some = 0;

    for (size_t g = 0; g < c->group_count; g++)
        some += c->groups[g].eligible > 0 || c->groups[g].voters > 0;
    if (some == 0)
        return 0;
    *out = calloc(some, sizeof(**out));
    if (*out == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for groups");
    for (size_t g = 0; g < c->group_count; g++) {
        struct hark_tally_group *group = &(*out)[*count];
        size_t number = g;

        if (c->groups[g].eligible == 0 && c->groups[g].voters == 0)
            continue;
        group->tally = c->groups[g];
        for (size_t d = c->query->by_count; d-- > 0; number /= c->by[d].count)
            group->of[d] = c->by[d].values[number % c->by[d].count];
        (*count)++;
    }
    return 0;
}

int hark_index_tally_by(struct hark_index *index, const struct hark_tally_query *query,
                        struct hark_tally_group **out, size_t *count, struct hark_err *err)
{
    struct counting counting = {.index = index, .query = query};
    bool own = false;
    int rc = hark_index_view(index, &own, err);

    *out = NULL;
    *count = 0;
    if (rc == 0)
        rc = counting_run(&counting, err);
    if (rc == 0)
        rc = list_groups(&counting, out, count, err);
    counting_end(&counting);
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
