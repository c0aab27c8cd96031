/*
 * node/index_words and index_search: what is found, in scripts with spaces and
 * without; what must not be found; and that erased words are nowhere on disk.
 */
#include "index_world.h"

struct found {
    size_t count;
    uint64_t positions[64];
};

static int keep(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct found *found = arg;

    (void)err;
    if (found->count < 64)
        found->positions[found->count++] = row->position;
    return 0;
}

static struct found search(struct world *w, const char *query)
{
    struct found found = {0};

    ok(w, hark_index_search(w->index, query, 0, keep, &found, &w->err));
    return found;
}

static bool finds(struct world *w, const char *query, uint64_t position)
{
    struct found found = search(w, query);

    for (size_t i = 0; i < found.count; i++)
        if (found.positions[i] == position)
            return true;
    return false;
}

static uint64_t post(struct world *w, const char *body)
{
    json_t *json = json_pack("{s:s}", "body", body);
    char *text = json_dumps(json, 0);
    uint64_t position = world_say(w, "post", 0, text);

    free(text);
    json_decref(json);
    return position;
}

static void test_index_search__finds_words_that_all_occur(void **state)
{
    struct world *w = *state;
    uint64_t one, two;

    world_begin(w);
    one = post(w, "More benches by the river, before Winter");
    two = post(w, "A caf\xc3\xa9 by the market");
    world_commit(w);
    assert_true(finds(w, "benches", one));
    assert_true(finds(w, "WINTER river", one));
    assert_false(finds(w, "benches market", one));
    assert_true(finds(w, "cafe", two));
    assert_true(finds(w, "CAF\xc3\x89", two));
    assert_true(finds(w, "\xef\xbd\x83\xef\xbd\x81\xef\xbd\x86\xef\xbd\x85", two)); /* full width */
    assert_int_equal(search(w, "by").count, 2);
    assert_true(finds(w, "\"by the river\"", one));
    assert_false(finds(w, "\"river the by\"", one));
    assert_true(finds(w, "river the by", one));
    assert_false(finds(w, "bench", one)); /* words, not beginnings of words */
    assert_int_equal(search(w, "").count, 0);
    assert_int_equal(search(w, "  \"\" ?! ").count, 0);
}

/* Every piece of every sentence, from one character to all of it, finds it; and
 * nothing finds a sentence that does not hold it. */
static void test_index_search__finds_any_piece_of_cjk(void **state)
{
    static const char *const sentences[] = {
        ("\xe8\xa8\x88\xe7\xa8\x8b\xe8\xbb\x8a\xe5\x8f\xb8\xe6\xa9\x9f\xe8\xa6\x81\xe6\x9c\x89"
         "\xe5\x9f\xb7\xe7\x85\xa7"), /* a taxi driver needs a licence (traditional Chinese) */
        "\xe5\x8f\xb8\xe6\xa9\x9f",   /* driver */
        "\xe6\xa9\x9f\xe5\x8f\xb8",   /* the other way round */
        "\xe6\x9d\xb1\xe4\xba\xac\xe3\x82\xbf\xe3\x83\xaf\xe3\x83\xbc\xe3\x81\xb8", /* Tokyo Tower
                                                                                     */
        "\xed\x83\x9d\xec\x8b\x9c\xea\xb8\xb0\xec\x82\xac",                         /* Hangul */
        "\xf0\xa0\xae\xb7\xe9\x87\x8e\xe5\xae\xb6", /* begins beyond the BMP */
        "Uber\xe5\x8f\xb8\xe6\xa9\x9f\xef\xbc\x8c\xe4\xbf\x9d\xe9\x9a\xaaok",
    };
    const size_t count = sizeof(sentences) / sizeof(sentences[0]);
    struct world *w = *state;

    world_begin(w);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(post(w, sentences[i]), i);
    world_commit(w);
    for (size_t i = 0; i < 6; i++) {
        size_t size = strlen(sentences[i]);

        for (size_t from = 0; from < size; from++) {
            for (size_t to = from + 1; to <= size; to++) {
                char piece[64] = {0};

                memcpy(piece, sentences[i] + from, to - from);
                if (!hark_utf8_valid(hark_span_str(piece)))
                    continue;
                for (size_t j = 0; j < count; j++)
                    assert_int_equal(finds(w, piece, j), strstr(sentences[j], piece) != NULL);
            }
        }
    }
    assert_true(finds(w, "uber \xe5\x8f\xb8\xe6\xa9\x9f", 6));
    assert_true(finds(w, "\"uber\xe5\x8f\xb8\xe6\xa9\x9f\"", 6));
    assert_true(finds(w, "\xe5\x8f\xb8\xe6\xa9\x9f\xef\xbc\x8c\xe4\xbf\x9d\xe9\x9a\xaa", 6));
    assert_true(finds(w, "\xe9\x9a\xaaok", 6));
    assert_false(finds(w, "\"\xe6\xa9\x9fuber\"", 6));
}

/* Nothing that is typed is SQLite's syntax: all of it is an answer or a refusal
 * of what is no text. */
static void test_index_search__knows_no_syntax(void **state)
{
    static const char *const queries[] = {
        "NOT",
        "AND OR NOT",
        "benches OR market",
        "text:benches",
        "{text} : benches",
        "benches*",
        "^benches",
        "NEAR(benches market, 5)",
        "\"",
        "\"\"\"",
        "benches\"",
        "\"benches",
        "(",
        ")",
        "benches AND",
        "-benches",
        "+",
        "rank:1",
        "'; DROP TABLE entry; --",
        "benches\" OR \"x",
        "\xef\xbc\x82 OR \xef\xbc\x82", /* full-width quotation marks are folded */
        "a\tb\nc",
        "%_",
        "\\\"",
        "words",
        "*",
        "\"*\"",
        "\xc2\x80",
        "\xf4\x8f\xbf\xbf",
    };
    struct world *w = *state;
    char longest[5000];
    uint64_t one;

    world_begin(w);
    one = post(w, "benches");
    (void)post(w, "market not or and near");
    world_commit(w);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        (void)search(w, queries[i]);
    assert_false(finds(w, "benches OR market", one));
    assert_false(finds(w, "text:benches", one));
    /* Folding must not close the string that it stands in. */
    assert_false(finds(w,
                       "\"x\xef\xbc\x82 OR \xef\xbc\x82"
                       "benches\"",
                       one));
    assert_true(finds(w, "benches*", one)); /* punctuation is nothing */
    assert_int_equal(hark_index_search(w->index, "\xff\xfe", 0, keep, NULL, &w->err), HARK_E_USAGE);
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(hark_index_search(w->index, longest, 0, keep, NULL, &w->err), HARK_E_USAGE);
    for (size_t i = 1; i < 2000; i += 2)
        longest[i] = ' ';
    longest[2000] = '\0';
    assert_int_equal(hark_index_search(w->index, longest, 0, keep, NULL, &w->err), HARK_E_USAGE);
}

/* Only what stands and says something; what is hidden after the rest. */
static void test_index_search__shows_only_what_may_be_seen(void **state)
{
    struct world *w = *state;
    struct saying voided = {.kind = "post", .json = "{\"body\":\"alpha\"}", .verdict = 7};
    struct saying invalid = {
        .kind = "post", .json = "{\"body\":\"alpha\"}", .says = HARK_SAYS_INVALID};
    struct saying missing = {
        .kind = "post", .json = "{\"body\":\"alpha\"}", .says = HARK_SAYS_MISSING};
    struct hark_git_id blob = world_git("blob", 1);
    json_t *payload = json_pack("{s:s}", "body", "alpha at last");
    uint64_t seen, hidden, revision, absent;

    world_begin(w);
    (void)world_add(w, &voided);
    (void)world_add(w, &invalid);
    absent = world_add(w, &missing);
    seen = post(w, "alpha");
    hidden = post(w, "alpha beta");
    revision = world_about(w, "revision", 0, hidden, "{\"body\":\"alpha gamma\"}");
    world_commit(w);
    assert_int_equal(search(w, "alpha").count, 3);
    assert_true(finds(w, "gamma", revision));
    world_begin(w);
    (void)world_about(w, "hide", 0, hidden, "{\"reason\":\"rude\"}");
    (void)world_about(w, "revision", 0, hidden, "{\"body\":\"alpha again\"}");
    world_commit(w);
    assert_int_equal(search(w, "alpha").count, 4);
    assert_int_equal(search(w, "alpha").positions[3], hidden);
    assert_true(finds(w, "alpha", seen));
    assert_int_equal(search(w, "salt").count, 0);
    world_begin(w);
    ok(w, hark_index_payload_came(w->index, absent, &blob, HARK_SAYS_IT, payload, &w->err));
    ok(w, hark_index_payload_came(w->index, absent, &blob, HARK_SAYS_IT, payload, &w->err));
    world_commit(w);
    assert_true(finds(w, "\"at last\"", absent));
    world_begin(w);
    (void)world_erase(w, seen);
    world_commit(w);
    assert_false(finds(w, "alpha", seen));
    json_decref(payload);
    ok(w, hark_index_check(w->index, &w->err));
}

static void test_index_search__gives_the_best_first_and_no_more_than_asked(void **state)
{
    struct world *w = *state;
    struct found found = {0};
    uint64_t best;

    world_begin(w);
    for (int i = 0; i < 10; i++)
        (void)post(w, "many words about this and that, and the river among them once");
    best = post(w, "river river river");
    world_commit(w);
    ok(w, hark_index_search(w->index, "river", 3, keep, &found, &w->err));
    assert_int_equal(found.count, 3);
    assert_int_equal(found.positions[0], best);
}

/* Words, names, cohort values and title of what was erased are in no byte of the
 * database or its WAL once hark_index_erased has returned; what was not erased
 * still is. */
static void test_index_search__leaves_no_erased_word_on_disk(void **state)
{
    static const char *const planted[] = {"xylophonquark", "namezwirbel", "kohortenfuchs",
                                          "titelmurks", "revisionshuhn"};
    struct world *w = *state;
    struct hark_pending_erasure *items = NULL;
    size_t count = 0;
    uint64_t erased[8], admit;

    world_begin(w);
    admit = world_admit(w, HARK_ROLE_MEMBER);
    for (int i = 0; i < 300; i++)
        (void)post(w, "many words about the weather, and keepsakewort among them");
    erased[0] = post(w, "a xylophonquark");
    erased[1] = world_say(w, "profile", 0, "{\"name\":\"namezwirbel\",\"about\":\"namezwirbel\"}");
    erased[2] = world_cohort(w, admit, "guild", "kohortenfuchs");
    erased[3] = world_say(w, "topic", 0, "{\"title\":\"titelmurks\",\"body\":\"b\"}");
    erased[4] = world_about(w, "revision", 0, erased[0], "{\"body\":\"revisionshuhn\"}");
    world_commit(w);
    for (size_t i = 0; i < 5; i++) /* else finding nothing would mean nothing */
        assert_true(world_on_disk(w, planted[i]));
    world_begin(w);
    for (size_t i = 0; i < 5; i++)
        (void)world_erase(w, erased[i]);
    world_commit(w);
    ok(w, hark_index_pending_erasures(w->index, &items, &count, &w->err));
    assert_int_equal(count, 5);
    ok(w, hark_index_erased(w->index, items, count, &w->err));
    free(items);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(search(w, planted[i]).count, 0);
        assert_false(world_on_disk(w, planted[i]));
        assert_false(world_row(w, erased[i]).has_blob);
    }
    assert_true(world_on_disk(w, "keepsakewort"));
    assert_true(search(w, "keepsakewort").count > 0);
    ok(w, hark_index_check(w->index, &w->err));
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_index_search__finds_words_that_all_occur),
        T(test_index_search__finds_any_piece_of_cjk),
        T(test_index_search__knows_no_syntax),
        T(test_index_search__shows_only_what_may_be_seen),
        T(test_index_search__gives_the_best_first_and_no_more_than_asked),
        T(test_index_search__leaves_no_erased_word_on_disk),
    };

    return cmocka_run_group_tests_name("index_search", tests, NULL, NULL);
}
