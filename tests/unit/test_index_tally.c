/*
 * Tallies by dimensions. What each member is in is written down by the tests
 * themselves, so that groups are held against a count of plain lists, and against
 * one tally a combination.
 */
#include "node/index_internal.h"
#include "tests/unit/index_world.h"

#define NONE 255u

/* ---- rows of many members, put straight into the bitmaps ---- */

#define ROWS    5u
#define MEMBERS (ROWS * 65536u)
#define VALUES  12u
#define SIZES   3u
#define NUMBER  1000u /* of the second dimension's first cohort */

struct crowd {
    uint8_t choice[MEMBERS]; /* enum hark_choice, or NONE */
    uint8_t market[MEMBERS]; /* or NONE */
    uint8_t size[MEMBERS];
    bool active[MEMBERS];
};

/* Row 0 is full, with a value of each side of what is counted which way, row 1 is
 * empty, row 2 has few members, row 3 its first and its last, row 4 as many as a set
 * lists one by one at most, who all vote the same. */
static uint8_t market_of(struct world *w, uint32_t member)
{
    if (member < 4096)
        return 0;
    if (member < 4096 + 4097)
        return 1;
    if (member < 4096 + 4097 + 1023)
        return 2;
    if (member < 4096 + 4097 + 1023 + 1024)
        return 3;
    return world_random(w, 9) == 0 ? NONE : (uint8_t)(4 + world_random(w, VALUES - 4));
}

static void add_cohorts(struct world *w, const char *dimension, unsigned first, unsigned count,
                        unsigned value)
{
    ok(w, hark_index_run(w->index, &w->err,
                         "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE"
                         " x + 1 < ?3) INSERT INTO cohort_set (number, dimension, value)"
                         " SELECT ?2 + x, ?1, printf('v%04d', ?4 + x) FROM c",
                         V_ARGS(V_TEXT(dimension, strlen(dimension)), V_INT(first), V_INT(count),
                                V_INT(value))));
}

static void add_last_member(struct world *w, uint32_t ordinal)
{
    ok(w, hark_index_run(w->index, &w->err,
                         "INSERT INTO member (ordinal, admit) VALUES (?1, ?1 + 1000)",
                         V_ARGS(V_INT(ordinal))));
}

static void put(struct world *w, int64_t set, uint32_t member)
{
    ok(w, hark_index_bits_set(w->index, set, member, true, &w->err));
}

static void put_member(struct world *w, struct crowd *c, uint32_t m, uint64_t idea)
{
    c->market[m] = market_of(w, m);
    c->size[m] = (uint8_t)world_random(w, SIZES);
    c->active[m] = world_random(w, 8) != 0;
    c->choice[m] = m < 4096 || m >= 4 * 65536u ? HARK_CHOICE_AGREE
                                               : (uint8_t)world_random(w, HARK_CHOICES + 1);
    if (c->active[m])
        put(w, HARK_SET_ACTIVE, m);
    if (c->market[m] != NONE)
        put(w, HARK_SET_COHORT(1 + c->market[m]), m);
    put(w, HARK_SET_COHORT(NUMBER + c->size[m]), m);
    if (c->choice[m] == HARK_CHOICES)
        c->choice[m] = NONE;
    else
        ok(w, hark_index_bits_vote(w->index, idea, m, -1, c->choice[m], &w->err));
}

static struct crowd *crowd_new(struct world *w, uint64_t *idea)
{
    struct crowd *c = malloc(sizeof(*c));

    assert_non_null(c);
    memset(c, 0xff, sizeof(*c));
    memset(c->active, 0, sizeof(c->active));
    world_begin(w);
    *idea = world_say(w, "idea", 0, "{\"body\":\"an idea\"}");
    add_last_member(w, MEMBERS - 1);
    add_cohorts(w, "market", 1, VALUES, 0);
    add_cohorts(w, "size", NUMBER, SIZES, 0);
    for (uint32_t m = 0; m < 65536; m++)
        put_member(w, c, m, *idea);
    for (uint32_t m = 2 * 65536u; m < 3 * 65536u; m += 40 + (uint32_t)world_random(w, 60))
        put_member(w, c, m, *idea);
    put_member(w, c, 3 * 65536u, *idea);
    put_member(w, c, 4 * 65536u - 1, *idea);
    for (uint32_t m = 4 * 65536u; m < 4 * 65536u + 16 * 4096; m += 16)
        put_member(w, c, m, *idea);
    world_commit(w);
    return c;
}

/* market, size: NONE for all. */
static struct hark_tally recount(const struct crowd *c, unsigned market, unsigned size)
{
    struct hark_tally t = {0};

    for (uint32_t m = 0; m < MEMBERS; m++) {
        if ((market != NONE && c->market[m] != market) || (size != NONE && c->size[m] != size))
            continue;
        t.eligible += c->active[m];
        t.agree += c->choice[m] == HARK_CHOICE_AGREE;
        t.disagree += c->choice[m] == HARK_CHOICE_DISAGREE;
        t.pass += c->choice[m] == HARK_CHOICE_PASS;
        t.silent += c->choice[m] == HARK_CHOICE_SILENT || c->choice[m] == HARK_CHOICE_ERASED;
        t.erased += c->choice[m] == HARK_CHOICE_ERASED;
    }
    t.voters = t.agree + t.disagree + t.pass;
    return t;
}

static void is_tally(const struct hark_tally *got, const struct hark_tally *wanted)
{
    assert_memory_equal(got, wanted, sizeof(*got));
}

static unsigned number_of(const struct hark_cohort *cohort, const char *dimension)
{
    assert_string_equal(cohort->dimension, dimension);
    return (unsigned)strtoul(cohort->value + 1, NULL, 10);
}

static void count_crowd(struct world *w, struct hark_index *index, const struct crowd *c,
                        uint64_t idea)
{
    struct hark_cohort large = {"size", "v0001"};
    struct hark_tally_query query = {.subject = idea, .by = {"market", "size"}};
    struct hark_tally_group *groups = NULL;
    struct hark_tally wanted;
    size_t count = 0, at = 0;

    for (query.where_count = 0; query.where_count < 2; query.where_count++) {
        unsigned size = query.where_count == 0 ? NONE : 1;

        query.where = &large;
        query.by_count = 1;
        ok(w, hark_index_tally_by(index, &query, &groups, &count, &w->err));
        assert_int_equal(count, VALUES);
        for (unsigned i = 0; i < VALUES; i++) {
            assert_int_equal(number_of(&groups[i].of[0], "market"), i);
            wanted = recount(c, i, size);
            is_tally(&groups[i].tally, &wanted);
        }
        free(groups);
    }
    query.where_count = 0;
    query.by_count = 2;
    ok(w, hark_index_tally_by(index, &query, &groups, &count, &w->err));
    assert_int_equal(count, VALUES * SIZES);
    for (unsigned i = 0; i < VALUES; i++) {
        for (unsigned j = 0; j < SIZES; j++, at++) {
            assert_int_equal(number_of(&groups[at].of[0], "market"), i);
            assert_int_equal(number_of(&groups[at].of[1], "size"), j);
            wanted = recount(c, i, j);
            is_tally(&groups[at].tally, &wanted);
        }
    }
    free(groups);
}

/* Whichever way a value's members are counted, they are counted right: in a full
 * row, in an empty one, in one with few members, at both ends of a row, by a writer
 * and by a reader. */
static void test_index_tally__rows_equal_a_recount(void **state)
{
    struct world *w = *state;
    struct hark_index *reader = NULL;
    struct hark_tally all, wanted;
    uint64_t idea;
    struct crowd *c = crowd_new(w, &idea);

    count_crowd(w, w->index, c, idea);
    ok(w, hark_index_open(&reader, w->path, &w->space, false, true, &w->err));
    count_crowd(w, reader, c, idea);
    ok(w, hark_index_tally(reader, idea, NULL, 0, 0, &all, &w->err));
    wanted = recount(c, NONE, NONE);
    is_tally(&all, &wanted);
    hark_index_free(reader);
    free(c);
}

/* ---- a log, at each size ---- */

#define VOTERS 40u

static void random_entry(struct world *w, const uint64_t *admits, const uint64_t *ideas)
{
    static const char *const choices[] = {"agree", "disagree", "pass"};
    static const char *const dimensions[] = {"owner", "market"};
    uint32_t member = (uint32_t)world_random(w, VOTERS);
    char value[2] = {(char)('a' + world_random(w, 4)), '\0'};
    struct saying s = {
        .kind = "leave", .author = member, .member = member, .status = HARK_STATUS_LEFT};

    switch (world_random(w, 12)) {
    case 0:
        if (w->size > 8 * VOTERS && member >= VOTERS - 4)
            (void)world_add(w, &s);
        break;
    case 1:
    case 2:
        (void)world_erase(w, VOTERS + world_random(w, w->size - VOTERS));
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        (void)world_cohort(w, admits[member], dimensions[world_random(w, 2)], value);
        break;
    default:
        (void)world_vote(w, member, ideas[world_random(w, 2)], choices[world_random(w, 3)]);
        break;
    }
}

/* What the groups were to be, by one tally a combination. */
static void count_apart(struct world *w, const struct hark_tally_query *query)
{
    struct hark_cohort of[3], *owners = NULL, *markets = NULL;
    size_t owner_count = 0, market_count = 0, count = 0, at = 0;
    struct hark_tally_group *groups = NULL;

    ok(w, hark_index_cohort_values(w->index, "owner", &owners, &owner_count, &w->err));
    ok(w, hark_index_cohort_values(w->index, "market", &markets, &market_count, &w->err));
    ok(w, hark_index_tally_by(w->index, query, &groups, &count, &w->err));
    for (size_t i = 0; i < owner_count; i++) {
        for (size_t j = 0; j < market_count; j++) {
            struct hark_tally wanted;

            of[0] = owners[i];
            of[1] = markets[j];
            if (query->where_count > 0)
                of[2] = query->where[0];
            ok(w, hark_index_tally(w->index, query->subject, of, 2 + query->where_count,
                                   query->below, &wanted, &w->err));
            if (wanted.eligible == 0 && wanted.voters == 0)
                continue;
            assert_in_range(at, 0, count - 1);
            assert_string_equal(groups[at].of[0].value, owners[i].value);
            assert_string_equal(groups[at].of[1].value, markets[j].value);
            is_tally(&groups[at].tally, &wanted);
            at++;
        }
    }
    assert_int_equal(at, count);
    free(owners);
    free(markets);
    free(groups);
}

/* Votes changed and erased, cohorts changed, members who left: each combination as
 * a tally of its own counts it, now and at earlier sizes. */
static void test_index_tally__groups_equal_a_tally_each(void **state)
{
    struct world *w = *state;
    struct hark_cohort owner = {"owner", "b"};
    uint64_t admits[VOTERS], ideas[2];

    world_begin(w);
    for (uint32_t m = 0; m < VOTERS; m++)
        admits[m] = world_admit(w, HARK_ROLE_MEMBER);
    for (size_t i = 0; i < 2; i++)
        ideas[i] = world_say(w, "idea", 0, "{\"body\":\"an idea\"}");
    for (int i = 0; i < 800; i++)
        random_entry(w, admits, ideas);
    world_commit(w);
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t below = 0; below <= w->size; below += 1 + w->size / 9) {
            struct hark_tally_query query = {.subject = ideas[i],
                                             .below = below,
                                             .where = &owner,
                                             .by = {"owner", "market"},
                                             .by_count = 2};

            count_apart(w, &query);
            query.where_count = 1;
            count_apart(w, &query);
        }
    }
}

/* ---- what is no group, and what is refused ---- */

/* The only group by one dimension, if there is one. */
static struct hark_tally only_group(struct world *w, const struct hark_tally_query *query,
                                    const char *value)
{
    struct hark_tally_group *groups = NULL;
    struct hark_tally tally = {0};
    size_t count = 0;

    ok(w, hark_index_tally_by(w->index, query, &groups, &count, &w->err));
    assert_int_equal(count, value != NULL);
    if (count > 0) {
        assert_string_equal(groups[0].of[0].dimension, query->by_count > 0 ? query->by[0] : "");
        assert_string_equal(groups[0].of[0].value, value);
        tally = groups[0].tally;
    }
    free(groups);
    return tally;
}

static void test_index_tally__groups_are_of_somebody(void **state)
{
    struct world *w = *state;
    struct hark_cohort nowhere = {"owner", "nobody"};
    struct hark_tally_query query = {.by = {"owner", "unheard-of"}, .by_count = 1};
    struct hark_tally all, got;
    uint64_t admit, second;

    world_begin(w);
    admit = world_admit(w, HARK_ROLE_MEMBER);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    (void)world_cohort(w, admit, "owner", "no");
    (void)world_cohort(w, admit, "owner", "yes");
    second = world_cohort(w, admit + 1, "owner", "yes");
    world_commit(w);
    got = only_group(w, &query, "yes");
    assert_int_equal(got.eligible, 2);
    query.below = second;
    got = only_group(w, &query, "yes");
    assert_int_equal(got.eligible, 1);
    query.below = 0;
    query.by_count = 2; /* nobody has the other dimension */
    (void)only_group(w, &query, NULL);
    query.by_count = 1;
    query.where = &nowhere;
    query.where_count = 1;
    (void)only_group(w, &query, NULL);
    query.where_count = query.by_count = 0; /* without a dimension all are one group */
    got = only_group(w, &query, "");
    ok(w, hark_index_tally(w->index, 0, NULL, 0, 0, &all, &w->err));
    assert_int_equal(all.eligible, 2);
    is_tally(&got, &all);
}

/* Who has left is somebody for as long as the vote says something. */
static void test_index_tally__votes_of_who_left_are_a_group(void **state)
{
    struct world *w = *state;
    struct saying leave = {.kind = "leave", .author = 0, .status = HARK_STATUS_LEFT};
    struct hark_tally_query query = {.by = {"owner"}, .by_count = 1};
    struct hark_tally got;
    uint64_t vote;

    world_begin(w);
    (void)world_cohort(w, world_admit(w, HARK_ROLE_MEMBER), "owner", "yes");
    query.subject = world_say(w, "idea", 0, "{\"body\":\"an idea\"}");
    vote = world_vote(w, 0, query.subject, "pass");
    (void)world_add(w, &leave);
    world_commit(w);
    got = only_group(w, &query, "yes");
    assert_int_equal(got.eligible, 0);
    assert_int_equal(got.pass, 1);
    world_begin(w);
    (void)world_erase(w, vote);
    world_commit(w);
    (void)only_group(w, &query, NULL);
}

static void refused(struct world *w, const struct hark_tally_query *query, int code)
{
    struct hark_tally_group *groups = NULL;
    size_t count = 1;

    assert_int_equal(hark_index_tally_by(w->index, query, &groups, &count, &w->err), code);
    assert_null(groups);
    assert_int_equal(count, 0);
}

static void test_index_tally__refuses_what_is_too_much(void **state)
{
    struct world *w = *state;
    struct hark_cohort where[33] = {{"owner", "no"}};
    struct hark_tally_query query = {
        .by = {"few", "more", "more", "more"}, .by_count = 1, .where = where};
    struct hark_tally_group *groups = NULL;
    size_t count = 0;

    world_begin(w);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    add_cohorts(w, "few", 1, 63, 0);
    add_cohorts(w, "more", 100, 65, 0);
    world_commit(w);
    query.by_count = 2; /* 4,095 combinations */
    ok(w, hark_index_tally_by(w->index, &query, &groups, &count, &w->err));
    assert_int_equal(count, 0);
    query.by[0] = "more"; /* 4,225 */
    refused(w, &query, HARK_E_LIMIT);
    query.by_count = 4;
    refused(w, &query, HARK_E_LIMIT);
    query.by_count = 5;
    refused(w, &query, HARK_E_USAGE);
    query.by_count = 1;
    query.where_count = 33;
    refused(w, &query, HARK_E_USAGE);
    query.where_count = 0;
    query.subject = w->size;
    refused(w, &query, HARK_E_NOT_FOUND);
}

/* More bitmaps than are held at once: 4,096 values in each of eight rows. One value
 * more is refused. */
static void test_index_tally__holds_no_more_than_it_may(void **state)
{
    struct world *w = *state;
    struct hark_tally_query query = {.by = {"town"}, .by_count = 1};
    struct hark_tally_group *groups = NULL;
    size_t count = 0;

    world_begin(w);
    (void)world_say(w, "idea", 0, "{\"body\":\"an idea\"}");
    add_last_member(w, 8 * 65536u - 1);
    add_cohorts(w, "town", 1, 4096, 0);
    for (uint32_t row = 0; row < 8; row++) {
        put(w, HARK_SET_ACTIVE, row << 16);
        put(w, HARK_SET_COHORT(1 + 4095), row << 16);
    }
    world_commit(w);
    ok(w, hark_index_tally_by(w->index, &query, &groups, &count, &w->err));
    assert_int_equal(count, 1);
    assert_string_equal(groups[0].of[0].value, "v4095");
    assert_int_equal(groups[0].tally.eligible, 8);
    free(groups);
    world_begin(w); /* what is not written yet is not forgotten */
    put(w, HARK_SET_COHORT(1), 0);
    put(w, HARK_SET_ACTIVE, 1);
    put(w, HARK_SET_COHORT(1), 1);
    ok(w, hark_index_tally_by(w->index, &query, &groups, &count, &w->err));
    assert_int_equal(count, 2);
    assert_int_equal(groups[0].tally.eligible, 2);
    free(groups);
    add_cohorts(w, "town", 5000, 1, 4096);
    world_commit(w);
    refused(w, &query, HARK_E_LIMIT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_index_tally__rows_equal_a_recount),
        T(test_index_tally__groups_equal_a_tally_each),
        T(test_index_tally__groups_are_of_somebody),
        T(test_index_tally__votes_of_who_left_are_a_group),
        T(test_index_tally__refuses_what_is_too_much),
        T(test_index_tally__holds_no_more_than_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
