/*
 * replication/core, evidence: shown as cosigned checkpoints are, after them and apart from
 * them, part by part, until whoever asks has all of it. B has some, and A asks B.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core_pair.h"

static void say_noted(struct pair *pair, uint64_t id)
{
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    (void)hark_core_tick(pair->b->core);
}

static void say_hello(struct pair *pair, uint64_t id)
{
    inject_hello(pair->b, pair->a, id);
    drop(pair->b, HARK_MESSAGE_HELLO);
}

/* B shows files first to last now, and nothing else: the id. */
static uint64_t shown(struct pair *pair, uint64_t first, uint64_t last)
{
    struct fake_message *message = expect(pair->b, HARK_MESSAGE_EVIDENCE);
    struct hark_span files[HARK_EVIDENCE_FILES_MAX];
    struct hark_hash space;
    size_t count = 0;
    uint64_t id = id_of(message);
    assert_int_equal(
        hark_evidence_files_decode(&space, files, &count, hark_buf_span(&message->frames[1]), NULL),
        0);
    assert_true(hark_hash_equal(&space, &pair->b->log.ref.space));
    assert_int_equal(count, last - first + 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(hark_get_u64(files[i].data), first + i);
    fake_message_free(message);
    return id;
}

/* B has so many, and A has asked: the id of the first part. */
static uint64_t begin(struct pair *pair, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        fake_node_convict(pair->b, i);
    ask_b(pair, 5);
    uint64_t id = shown(pair, 1, count < FAKE_EVIDENCE_PART ? count : FAKE_EVIDENCE_PART);
    drop(pair->b, HARK_MESSAGE_TELL);
    return id;
}

static void assert_silent(struct pair *pair)
{
    (void)hark_core_tick(pair->b->core);
    assert_int_equal(pair->b->out_count, 0);
}

static void find(struct pair *pair, uint64_t file)
{
    fake_node_convict(pair->b, file);
    hark_core_convicted(pair->b->core, &pair->b->log.ref.space);
}

/* ---- showing ---- */

static void test_core_evidence__after_the_notes_and_before_the_tell(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_node_convict(pair->b, 1);
    fake_node_note(pair->b, 1, 7);
    assert_int_equal(pair->b->out_count, 0);
    ask_b(pair, 5);
    drop(pair->b, HARK_MESSAGE_COSIGN);
    (void)shown(pair, 1, 1);
    drop(pair->b, HARK_MESSAGE_TELL);
    assert_silent(pair);
    pair_free(pair);
}

static void test_core_evidence__part_by_part(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = begin(pair, 7);

    (void)state;
    assert_silent(pair);
    say_noted(pair, id);
    id = shown(pair, 4, 6);
    /* What is found meanwhile comes at its end. */
    find(pair, 8);
    assert_silent(pair);
    say_noted(pair, id);
    id = shown(pair, 7, 8);
    say_noted(pair, id);
    assert_silent(pair);
    size_t calls = pair->b->evidence_calls;
    ask_b(pair, 6);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair->now_ms += 60000;
    assert_silent(pair);
    assert_int_equal(pair->b->evidence_calls, calls); /* nothing is asked for nothing */
    find(pair, 9);
    (void)shown(pair, 9, 9);
    pair_free(pair);
}

/* All of it reaches both, once, and then there is silence. */
static void test_core_evidence__both_ways(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    for (uint64_t i = 1; i <= 10; i++)
        fake_node_convict(i % 3 == 0 ? pair->a : pair->b, i);
    follow(pair->a, pair->b);
    follow(pair->b, pair->a);
    settle(pair);
    pass_time(pair, 60000);
    assert_int_equal(pair->a->evidence_count, 10);
    assert_int_equal(pair->b->evidence_count, 10);
    size_t messages = pair->passed[HARK_MESSAGE_EVIDENCE];
    assert_true(messages <= 16);
    pass_time(pair, 120000);
    assert_int_equal(pair->passed[HARK_MESSAGE_EVIDENCE], messages);
    assert_int_equal(pair->passed[HARK_MESSAGE_ERROR], 0);
    pair_free(pair);
}

static void test_core_evidence__from_the_beginning_after_hello(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = begin(pair, 4);

    (void)state;
    say_noted(pair, id);
    id = shown(pair, 4, 4);
    say_noted(pair, id);
    say_hello(pair, 77);
    ask_b(pair, 6);
    (void)shown(pair, 1, 3);
    drop(pair->b, HARK_MESSAGE_TELL);
    /* What it noted under an id of before is nothing now. */
    say_noted(pair, id);
    assert_silent(pair);
    pair_free(pair);
}

static void test_core_evidence__the_same_part_after_an_error(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = begin(pair, 5);

    (void)state;
    inject_error(pair->b, pair->a, id, HARK_E_BEHIND);
    pair->now_ms += 9999;
    assert_silent(pair);
    pair->now_ms++;
    (void)hark_core_tick(pair->b->core);
    id = shown(pair, 1, 3);
    pair->now_ms += 15000; /* no answer */
    assert_silent(pair);
    pair->now_ms += 30000;
    (void)hark_core_tick(pair->b->core);
    id = shown(pair, 1, 3);
    say_noted(pair, id);
    (void)shown(pair, 4, 5);
    pair_free(pair);
}

/* Who does not know the message is shown notes all the same, and evidence much later. */
static void test_core_evidence__to_who_does_not_know_it(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = begin(pair, 1);

    (void)state;
    inject_error(pair->b, pair->a, id, HARK_E_PEER_FORM);
    fake_node_note(pair->b, 1, 7);
    ask_b(pair, 6);
    drop(pair->b, HARK_MESSAGE_COSIGN);
    drop(pair->b, HARK_MESSAGE_TELL);
    for (uint64_t i = 0; i < 7; i++) {
        pair->now_ms += 60000;
        say_hello(pair, 100 + i);
        ask_b(pair, 200 + i);
        drop(pair->b, HARK_MESSAGE_COSIGN);
        drop(pair->b, HARK_MESSAGE_TELL);
        assert_silent(pair);
    }
    pair->now_ms += 60000;
    say_hello(pair, 107);
    ask_b(pair, 300);
    drop(pair->b, HARK_MESSAGE_COSIGN);
    (void)shown(pair, 1, 1);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair_free(pair);
}

static void test_core_evidence__not_without_right(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_node_convict(pair->b, 1);
    pair->b->denies = true;
    ask_b(pair, 5);
    drop(pair->b, HARK_MESSAGE_TELL);
    find(pair, 2);
    assert_silent(pair);
    pair_free(pair);
}

/* A part under way does not hold up notes, nor they it. */
static void test_core_evidence__apart_from_notes(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = begin(pair, 4);

    (void)state;
    fake_node_note(pair->b, 1, 7);
    struct fake_message *cosign = expect(pair->b, HARK_MESSAGE_COSIGN);
    say_noted(pair, id);
    id = shown(pair, 4, 4);
    say_noted(pair, id_of(cosign));
    fake_message_free(cosign);
    assert_silent(pair);
    fake_node_note(pair->b, 1, 8);
    drop(pair->b, HARK_MESSAGE_COSIGN);
    pair_free(pair);
}

/* ---- being shown ---- */

static void inject_evidence(struct pair *pair, uint64_t id, uint64_t file)
{
    uint8_t bytes[8];
    struct hark_span span = hark_span(bytes, sizeof(bytes));
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    hark_put_u64(bytes, file);
    assert_int_equal(hark_evidence_files_encode(&body, &pair->b->log.ref.space, &span, 1, NULL), 0);
    inject(pair->b, pair->a, HARK_MESSAGE_EVIDENCE, id, &body, NULL);
    hark_buf_free(&body);
}

static void test_core_evidence__outcomes(void **state)
{
    static const struct {
        int code;
        const char *told;
    } cases[] = {
        {HARK_E_BUSY, "busy"},
        {HARK_E_BEHIND, "behind"},
        {HARK_E_IO, "busy"},
    };
    struct pair *pair = pair_new();

    (void)state;
    inject_evidence(pair, 9, 7);
    inject_evidence(pair, 9, 7); /* doubled on its way */
    assert_int_equal(pair->b->convict_count, 1);
    uint64_t token = pair->b->convicts[0].token;
    hark_core_cosigned(pair->b->core, token, 0, 0, 0); /* that is another question */
    assert_int_equal(pair->b->out_count, 0);
    assert_true(fake_node_convict_one(pair->b, 0));
    assert_true(fake_node_has(pair->b, 7));
    struct fake_message *message = expect(pair->b, HARK_MESSAGE_NOTED);
    assert_int_equal(id_of(message), 9);
    fake_message_free(message);
    hark_core_evidence(pair->b->core, token, 0, 0, 0); /* once answered it is answered */
    assert_int_equal(pair->b->out_count, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        inject_evidence(pair, 10 + i, 8);
        assert_true(fake_node_convict_one(pair->b, cases[i].code));
        expect_error(pair->b, 10 + i, cases[i].told);
    }
    pair->b->convict_fails = HARK_E_DISK_FULL;
    inject_evidence(pair, 20, 8);
    expect_error(pair->b, 20, "busy");
    pair->b->convict_fails = 0;
    pair->b->denies = true;
    inject_evidence(pair, 21, 8);
    expect_error(pair->b, 21, "peer-space");
    pair_free(pair);
}

/* A thousand at once: four of a peer wait, the others are told to come later. */
static void test_core_evidence__no_more_than_four_wait(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    for (uint64_t i = 0; i < 500; i++)
        inject_evidence(pair, 100 + i, i);
    assert_int_equal(pair->b->convict_count, 4);
    for (uint64_t i = 4; i < 500; i++)
        expect_error(pair->b, 100 + i, "busy");
    for (size_t i = 0; i < 4; i++)
        assert_true(fake_node_convict_one(pair->b, 0));
    assert_int_equal(pair->b->evidence_count, 4);
    pair_free(pair);
}

static void test_core_evidence__rubbish_is_muted(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    inject_evidence(pair, 9, 7);
    assert_true(fake_node_convict_one(pair->b, HARK_E_PEER_FORM));
    expect_error(pair->b, 9, "peer-form");
    inject_evidence(pair, 10, 7);
    assert_int_equal(pair->b->convict_count, 0);
    assert_silent(pair);
    pair->now_ms += 60001;
    (void)hark_core_tick(pair->b->core);
    inject_evidence(pair, 11, 7);
    assert_int_equal(pair->b->convict_count, 1);
    assert_true(fake_node_convict_one(pair->b, 0));
    pair_free(pair);
}

/* Who brought what is here, and had all before, is not shown it. */
static void test_core_evidence__not_to_who_brought_it(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    say_noted(pair, begin(pair, 2));
    assert_silent(pair);
    inject_evidence(pair, 9, 3);
    assert_true(fake_node_convict_one(pair->b, 0));
    drop(pair->b, HARK_MESSAGE_NOTED);
    assert_silent(pair);
    find(pair, 4);
    (void)shown(pair, 4, 4);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_evidence__after_the_notes_and_before_the_tell),
        cmocka_unit_test(test_core_evidence__part_by_part),
        cmocka_unit_test(test_core_evidence__both_ways),
        cmocka_unit_test(test_core_evidence__from_the_beginning_after_hello),
        cmocka_unit_test(test_core_evidence__the_same_part_after_an_error),
        cmocka_unit_test(test_core_evidence__to_who_does_not_know_it),
        cmocka_unit_test(test_core_evidence__not_without_right),
        cmocka_unit_test(test_core_evidence__apart_from_notes),
        cmocka_unit_test(test_core_evidence__outcomes),
        cmocka_unit_test(test_core_evidence__no_more_than_four_wait),
        cmocka_unit_test(test_core_evidence__rubbish_is_muted),
        cmocka_unit_test(test_core_evidence__not_to_who_brought_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
