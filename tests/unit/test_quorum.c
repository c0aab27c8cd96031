/*
 * Who has to cosign a log for it to be settled (schemas/quorum.h, PROTOCOL.md 7.8): a
 * change of nodes or of the number wanted settles only with those who were before.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/quorum.h"

/* Cosigner n: its key's first byte. */
static struct hark_key key_of(unsigned n)
{
    return (struct hark_key){.bytes = {(uint8_t)n}};
}

static json_t *node_object(unsigned n)
{
    char name[8], hex[2 * HARK_KEY_SIZE + 1];
    struct hark_key key = key_of(n);

    (void)snprintf(name, sizeof(name), "n%u", n);
    hark_hex_encode(hex, key.bytes, HARK_KEY_SIZE);
    return json_pack("{s:s, s:s}", "name", name, "cosigner", hex);
}

static void say(struct hark_quorums *q, uint64_t position, const char *kind, json_t *payload)
{
    assert_int_equal(hark_quorums_add(q, position, kind, payload, NULL), 0);
    json_decref(payload);
}

static void found(struct hark_quorums *q, int needed)
{
    say(q, 0, "space",
        json_pack("{s:o, s:{s:i}}", "home", node_object(0), "policy", "quorum", needed));
}

static void name_node(struct hark_quorums *q, uint64_t position, unsigned n)
{
    json_t *payload = node_object(n);

    (void)json_object_set_new(payload, "action", json_string("add"));
    say(q, position, "node", payload);
}

static void drop_node(struct hark_quorums *q, uint64_t position, unsigned n)
{
    json_t *payload = node_object(n);

    (void)json_object_set_new(payload, "action", json_string("remove"));
    (void)json_object_del(payload, "cosigner");
    say(q, position, "node", payload);
}

static void want(struct hark_quorums *q, uint64_t position, int needed)
{
    say(q, position, "policy", json_pack("{s:{s:i}}", "policy", "quorum", needed));
}

/* Sizes by cosigner 1, 2, …; 0: it has signed nothing. */
static uint64_t settled_by(const struct hark_quorums *q, uint64_t size, const uint64_t *sizes,
                           size_t count)
{
    struct hark_cosigned_size cosigned[8];

    for (size_t i = 0; i < count; i++)
        cosigned[i] = (struct hark_cosigned_size){key_of((unsigned)i + 1), sizes[i]};
    return hark_quorums_settled(q, 0, size, cosigned, count);
}
#define SETTLED(q, size, ...)                                                                      \
    settled_by((q), (size), (const uint64_t[]){__VA_ARGS__},                                       \
               sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void test_quorum__is_of_the_nodes_but_the_home(void **state)
{
    struct hark_quorums q = {.count = 0};
    const struct hark_quorum *at;

    (void)state;
    assert_null(hark_quorums_at(&q, 0));
    found(&q, 1);
    name_node(&q, 1, 1);
    name_node(&q, 4, 2);
    say(&q, 7, "home", json_pack("{s:s}", "node", "n1"));
    say(&q, 8, "topic", json_object());
    want(&q, 9, 1); /* as it was */
    assert_int_equal(q.count, 4);
    assert_null(hark_quorums_at(&q, 0));
    assert_int_equal(hark_quorums_at(&q, 1)->count, 0);
    assert_false(hark_quorum_settles(hark_quorums_at(&q, 1)));
    assert_int_equal(hark_quorums_at(&q, 2)->count, 1);
    assert_int_equal(hark_quorums_at(&q, 4)->count, 1);
    at = hark_quorums_at(&q, 5);
    assert_int_equal(at->count, 2);
    assert_string_equal(at->cosigners[1].name, "n2");
    at = hark_quorums_at(&q, UINT64_MAX);
    assert_int_equal(at->from, 8);
    assert_string_equal(at->cosigners[0].name, "n0");
    assert_string_equal(at->cosigners[1].name, "n2");
    assert_true(hark_quorum_settles(at));
    hark_quorums_free(&q);
}

static void test_quorum__wants_as_many_as_the_policy_says(void **state)
{
    struct hark_quorums q = {.count = 0};

    (void)state;
    found(&q, 2);
    for (unsigned n = 1; n <= 3; n++)
        name_node(&q, n, n);
    assert_int_equal(SETTLED(&q, 100, 0, 0, 0), 0);
    assert_int_equal(SETTLED(&q, 100, 50, 0, 0), 0);
    /* Who signed 50 entries signed the first 40. */
    assert_int_equal(SETTLED(&q, 100, 50, 40, 0), 40);
    assert_int_equal(SETTLED(&q, 100, 50, 40, 45), 45);
    assert_int_equal(SETTLED(&q, 100, 50, 40, 100), 50);
    /* Beyond what the reader has, nothing is known. */
    assert_int_equal(SETTLED(&q, 44, 50, 40, 100), 40);
    /* Strangers, and the home, do not count. */
    assert_int_equal(SETTLED(&q, 100, 50, 0, 0, 90, 90), 0);
    hark_quorums_free(&q);

    found(&q, 0);
    name_node(&q, 1, 1);
    assert_int_equal(SETTLED(&q, 100, 100), 0);
    hark_quorums_free(&q);
}

static void test_quorum__changes_with_the_leave_of_the_one_before(void **state)
{
    struct hark_quorums q = {.count = 0};

    (void)state;
    found(&q, 2);
    for (unsigned n = 1; n <= 3; n++)
        name_node(&q, n, n);
    drop_node(&q, 10, 1);
    drop_node(&q, 11, 2);
    name_node(&q, 12, 4);
    /* From size 13 on 3 and 4. They alone settle nothing, whatever they sign, before two
     * of 1, 2 and 3 have signed the change. */
    assert_int_equal(SETTLED(&q, 100, 0, 0, 100, 100), 0);
    /* That 3 is one of them, 1 and 2 have to sign, who were all before. */
    assert_int_equal(SETTLED(&q, 100, 3, 3, 100, 100), 3);
    assert_int_equal(SETTLED(&q, 100, 10, 3, 100, 100), 3);
    assert_int_equal(SETTLED(&q, 100, 10, 4, 100, 100), 10);
    /* And from there on the new ones are needed as well. */
    assert_int_equal(SETTLED(&q, 100, 11, 4, 100, 100), 10);
    assert_int_equal(SETTLED(&q, 100, 11, 11, 100, 100), 11);
    /* From 12 to 13 one cosigner is left where two are wanted: it settles nothing and is not
     * asked, but 2 and 3 are, who were before. */
    assert_int_equal(SETTLED(&q, 100, 12, 12, 100, 100), 11);
    assert_int_equal(SETTLED(&q, 100, 13, 11, 100, 100), 11);
    assert_int_equal(SETTLED(&q, 100, 12, 13, 100, 100), 100);
    assert_int_equal(SETTLED(&q, 100, 11, 13, 100, 100), 100);
    assert_int_equal(SETTLED(&q, 100, 11, 13, 100, 70), 70);
    hark_quorums_free(&q);
}

static void test_quorum__raises_the_number_with_the_leave_of_the_one_before(void **state)
{
    struct hark_quorums q = {.count = 0};

    (void)state;
    found(&q, 1);
    for (unsigned n = 1; n <= 3; n++)
        name_node(&q, n, n);
    want(&q, 10, 3);
    assert_int_equal(SETTLED(&q, 100, 60, 10, 0), 10);
    assert_int_equal(SETTLED(&q, 100, 60, 50, 40), 40);
    want(&q, 80, 1);
    /* Lowering it settles when three have signed that. */
    assert_int_equal(SETTLED(&q, 100, 100, 50, 40), 40);
    assert_int_equal(SETTLED(&q, 100, 100, 81, 80), 80);
    assert_int_equal(SETTLED(&q, 100, 100, 81, 81), 100);
    hark_quorums_free(&q);
}

/* A quorum that is all of the first nodes was in force, and may have settled something for
 * somebody: as long as nothing is known to be settled, no later one does without it. */
static void test_quorum__begins_with_the_first_that_could_settle(void **state)
{
    struct hark_quorums q = {.count = 0};

    (void)state;
    found(&q, 2);
    for (unsigned n = 1; n <= 3; n++)
        name_node(&q, n, n);
    assert_int_equal(SETTLED(&q, 100, 0, 60, 50), 0);
    assert_int_equal(SETTLED(&q, 100, 4, 60, 50), 50);
    hark_quorums_free(&q);

    /* Where the number comes last, any two will do. */
    found(&q, 0);
    for (unsigned n = 1; n <= 3; n++)
        name_node(&q, n, n);
    want(&q, 4, 2);
    assert_int_equal(SETTLED(&q, 100, 0, 60, 50), 50);
    hark_quorums_free(&q);
}

static void test_quorum__goes_on_wanting_who_is_still_needed(void **state)
{
    struct hark_quorums q = {.count = 0};
    struct hark_key one = key_of(1), two = key_of(2), three = key_of(3);

    (void)state;
    found(&q, 1);
    name_node(&q, 1, 1);
    name_node(&q, 2, 2);
    drop_node(&q, 10, 1);
    assert_non_null(hark_quorums_wanted(&q, 0, &one));
    assert_non_null(hark_quorums_wanted(&q, 10, &one));
    assert_null(hark_quorums_wanted(&q, 11, &one));
    assert_non_null(hark_quorums_wanted(&q, 11, &two));
    assert_null(hark_quorums_wanted(&q, 0, &three));
    hark_quorums_free(&q);
}

static void test_quorum__lets_nobody_sign_backwards(void **state)
{
    const struct hark_hash root = {.bytes = {1}}, other = {.bytes = {2}};
    const struct hark_cosigned_last last = {.size = 10, .time_s = 1000, .root = root};
    uint64_t time_s = 0;

    (void)state;
    assert_false(hark_cosigner_may(NULL, 0, NULL, 5, &time_s));
    assert_true(hark_cosigner_may(NULL, 1, NULL, 5, &time_s));
    assert_int_equal(time_s, 5);
    assert_true(hark_cosigner_may(&last, 11, &root, 1001, &time_s));
    assert_int_equal(time_s, 1001);
    assert_false(hark_cosigner_may(&last, 11, &other, 1001, &time_s));
    assert_false(hark_cosigner_may(&last, 10, &root, 1001, &time_s));
    assert_false(hark_cosigner_may(&last, 9, NULL, 1001, &time_s));
    /* A clock that was put back. */
    assert_true(hark_cosigner_may(&last, 11, &root, 700, &time_s));
    assert_int_equal(time_s, 1000);
    assert_false(hark_cosigner_may(&last, 11, &root, 699, &time_s));
}

static void test_quorum__refuses_what_cannot_stand(void **state)
{
    struct hark_quorums q = {.count = 0};
    json_t *nothing = json_object();

    (void)state;
    found(&q, 1);
    assert_int_equal(hark_quorums_add(&q, 1, "node", nothing, NULL), HARK_E_DAMAGED);
    assert_int_equal(hark_quorums_add(&q, 1, "home", nothing, NULL), HARK_E_DAMAGED);
    assert_int_equal(hark_quorums_add(&q, 1, "space", nothing, NULL), HARK_E_DAMAGED);
    json_decref(nothing);
    hark_quorums_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quorum__is_of_the_nodes_but_the_home),
        cmocka_unit_test(test_quorum__wants_as_many_as_the_policy_says),
        cmocka_unit_test(test_quorum__changes_with_the_leave_of_the_one_before),
        cmocka_unit_test(test_quorum__raises_the_number_with_the_leave_of_the_one_before),
        cmocka_unit_test(test_quorum__begins_with_the_first_that_could_settle),
        cmocka_unit_test(test_quorum__goes_on_wanting_who_is_still_needed),
        cmocka_unit_test(test_quorum__lets_nobody_sign_backwards),
        cmocka_unit_test(test_quorum__refuses_what_cannot_stand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
