/*
 * replication/core, receipts: asked for until there is an answer, given to who may have the
 * space, so many a second. A asks B.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core_pair.h"

static void put_ask(struct hark_buf *body, const struct hark_hash *space, size_t count)
{
    struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX];

    for (size_t i = 0; i < count; i++)
        wanted[i] = (struct hark_receipt_wanted){{{(uint8_t)i}}, i % 2 ? 100 + i : UINT64_MAX};
    assert_int_equal(hark_receipt_ask_encode(body, space, wanted, count, NULL), 0);
}

static void request(struct pair *pair, size_t count, uint64_t patience_ms)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    put_ask(&body, &pair->a->log.ref.space, count);
    assert_int_equal(hark_core_request(pair->a->core, &pair->b->key, HARK_MESSAGE_RECEIPT,
                                       hark_buf_span(&body), patience_ms, NULL),
                     0);
    hark_buf_free(&body);
}

/* A asks, as a message made by hand. */
static void inject_receipt(struct pair *pair, uint64_t id, size_t count, uint8_t space)
{
    struct hark_hash named = pair->b->log.ref.space;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    named.bytes[0] ^= space;
    put_ask(&body, &named, count);
    inject(pair->b, pair->a, HARK_MESSAGE_RECEIPT, id, &body, NULL);
    hark_buf_free(&body);
}

/* B answers, as a message made by hand. */
static void inject_receipts(struct pair *pair, uint64_t id, size_t count, uint8_t space)
{
    struct hark_hash named = pair->b->log.ref.space;
    struct hark_span receipts[HARK_RECEIPT_MAX] = {{0}};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    named.bytes[0] ^= space;
    receipts[0] = hark_span_str("a receipt");
    assert_int_equal(hark_receipts_encode(&body, &named, receipts, count, NULL), 0);
    inject(pair->a, pair->b, HARK_MESSAGE_RECEIPTS, id, &body, NULL);
    hark_buf_free(&body);
}

static uint64_t asked_by(struct fake_node *node)
{
    struct fake_message *message = expect(node, HARK_MESSAGE_RECEIPT);
    uint64_t id = id_of(message);

    fake_message_free(message);
    return id;
}

/* The id under which A has asked B, who it has heard of. */
static uint64_t asked(struct pair *pair, size_t count)
{
    make_live(pair->a, pair->b);
    request(pair, count, 60000);
    (void)hark_core_tick(pair->a->core);
    return asked_by(pair->a);
}

static void assert_answered(const struct pair *pair, size_t calls, int code)
{
    assert_int_equal(pair->a->answered_calls, calls);
    if (calls == 0)
        return;
    assert_int_equal(pair->a->answered_type, HARK_MESSAGE_RECEIPTS);
    assert_int_equal(pair->a->answered_code, code);
}

/* ---- asking ---- */

static void test_core_receipt__asks_once(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    request(pair, 3, 60000);
    settle(pair);
    assert_answered(pair, 1, 0);
    pass_time(pair, 120000);
    assert_answered(pair, 1, 0);
    assert_int_equal(pair->passed[HARK_MESSAGE_RECEIPT], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_RECEIPTS], 1);
    assert_int_equal(pair->b->receipts_calls, 1);
    pair_free(pair);
}

static void test_core_receipt__gives_up_without_an_answer(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    make_live(pair->a, pair->b);
    request(pair, 3, 40000);
    assert_int_equal(lose_for(pair, 41000, HARK_MESSAGE_RECEIPT), 3); /* each 15 s */
    assert_answered(pair, 1, HARK_E_PEER_UNREACHABLE);
    pair_free(pair);
}

/* "busy": in a second again. */
static void test_core_receipt__asks_again_when_it_is_busy(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = asked(pair, 3);

    (void)state;
    inject_error(pair->a, pair->b, id, HARK_E_BUSY);
    assert_answered(pair, 0, 0);
    (void)hark_core_tick(pair->a->core);
    assert_int_equal(pair->a->out_count, 0);
    pair->now_ms += 1000;
    (void)hark_core_tick(pair->a->core);
    inject_error(pair->a, pair->b, asked_by(pair->a), HARK_E_PEER_SPACE);
    assert_answered(pair, 1, HARK_E_PEER_SPACE);
    pair_free(pair);
}

/* As many as asked for, of that space, by that type; else nothing is believed of it. */
static void test_core_receipt__another_answer_is_malformed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct pair *pair = pair_new();
        struct hark_submitted entry = {.entry = hark_span_str("an entry")};
        struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
        uint64_t id = asked(pair, 2);

        assert_int_equal(hark_shown_encode(&body, &pair->a->log.ref.space, &entry, 1, NULL), 0);
        inject_receipts(pair, id + 1, 2, 0); /* to no question */
        assert_answered(pair, 0, 0);
        if (i < 2)
            inject_receipts(pair, id, i == 0 ? 1 : 3, 0);
        else if (i == 2)
            inject_receipts(pair, id, 2, 1);
        else
            inject(pair->a, pair->b, HARK_MESSAGE_SHOWN, id, &body, NULL);
        assert_answered(pair, 1, HARK_E_PEER_FORM);
        assert_malformed(pair);
        hark_buf_free(&body);
        pair_free(pair);
    }
}

/* An answer to the question of joining is none to this one, and the other way round. */
static void test_core_receipt__an_answer_to_another_question(void **state)
{
    struct pair *pair = pair_new();
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    make_live(pair->a, pair->b);
    assert_int_equal(hark_terms_encode(&body, &pair->a->log.ref.space, NULL), 0);
    assert_int_equal(hark_core_request(pair->a->core, &pair->b->key, HARK_MESSAGE_TERMS,
                                       hark_buf_span(&body), 60000, NULL),
                     0);
    (void)hark_core_tick(pair->a->core);
    struct fake_message *terms = expect(pair->a, HARK_MESSAGE_TERMS);
    inject_receipts(pair, id_of(terms), 1, 0);
    fake_message_free(terms);
    assert_int_equal(pair->a->answered_calls, 1);
    assert_int_equal(pair->a->answered_type, HARK_MESSAGE_SHOWN);
    assert_int_equal(pair->a->answered_code, HARK_E_PEER_FORM);
    hark_buf_free(&body);
    pair_free(pair);
}

/* ---- giving ---- */

static void test_core_receipt__given_in_the_order_asked(void **state)
{
    struct pair *pair = pair_new();
    struct hark_span receipts[HARK_RECEIPT_MAX];
    struct hark_hash space;
    size_t count = 0;

    (void)state;
    inject_receipt(pair, 9, 4, 0);
    struct fake_message *message = expect(pair->b, HARK_MESSAGE_RECEIPTS);
    assert_int_equal(id_of(message), 9);
    assert_int_equal(message->via, HARK_VIA_THEIRS + 5);
    assert_int_equal(
        hark_receipts_decode(&space, receipts, &count, hark_buf_span(&message->frames[1]), NULL),
        0);
    assert_true(hark_hash_equal(&space, &pair->b->log.ref.space));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_int_equal((uint32_t)hark_get_u64(receipts[i].data), i % 2 ? 100 + i : i);
    fake_message_free(message);
    pair_free(pair);
}

static void test_core_receipt__not_to_who_may_not(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->b->denies = true;
    inject_receipt(pair, 9, 1, 0);
    expect_error(pair->b, 9, "peer-space");
    assert_int_equal(pair->b->receipts_calls, 0);
    pair->b->denies = false;
    pair->b->receipts_fail = HARK_E_DAMAGED; /* which is nobody's business there */
    inject_receipt(pair, 10, 1, 0);
    expect_error(pair->b, 10, "busy");
    pair_free(pair);
}

/* "At most 64 a second": who asks for more hears that, and is not shut out for it. */
static void test_core_receipt__so_many_a_second(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    inject_receipt(pair, 1, 60, 0);
    drop(pair->b, HARK_MESSAGE_RECEIPTS);
    inject_receipt(pair, 2, 5, 0);
    expect_error(pair->b, 2, "busy");
    inject_receipt(pair, 3, 4, 0);
    drop(pair->b, HARK_MESSAGE_RECEIPTS);
    inject_receipt(pair, 4, 1, 0);
    expect_error(pair->b, 4, "busy");
    assert_int_equal(pair->b->receipts_calls, 2);
    pair->now_ms += 1000;
    inject_receipt(pair, 5, 64, 0);
    drop(pair->b, HARK_MESSAGE_RECEIPTS);
    pair_free(pair);
}

/* "All of them 512." */
static void test_core_receipt__so_many_for_all(void **state)
{
    struct pair *pair = pair_new();
    struct hark_key first = pair->a->key;

    (void)state;
    for (uint8_t i = 0; i < 9; i++) {
        pair->a->key.bytes[0] = (uint8_t)(100 + i);
        inject_receipt(pair, 1, 64, 0);
        if (i < 8)
            drop(pair->b, HARK_MESSAGE_RECEIPTS);
        else
            expect_error(pair->b, 1, "busy");
    }
    pair->now_ms += 1000;
    inject_receipt(pair, 2, 64, 0);
    drop(pair->b, HARK_MESSAGE_RECEIPTS);
    pair->a->key = first;
    pair_free(pair);
}

static void test_core_receipt__a_malformed_question(void **state)
{
    struct pair *pair = pair_new();
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    put_ask(&body, &pair->b->log.ref.space, 1);
    body.size--;
    inject(pair->b, pair->a, HARK_MESSAGE_RECEIPT, 9, &body, NULL);
    expect_error(pair->b, 9, "peer-form");
    assert_int_equal(pair->b->receipts_calls, 0);
    hark_buf_free(&body);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_receipt__asks_once),
        cmocka_unit_test(test_core_receipt__gives_up_without_an_answer),
        cmocka_unit_test(test_core_receipt__asks_again_when_it_is_busy),
        cmocka_unit_test(test_core_receipt__another_answer_is_malformed),
        cmocka_unit_test(test_core_receipt__an_answer_to_another_question),
        cmocka_unit_test(test_core_receipt__given_in_the_order_asked),
        cmocka_unit_test(test_core_receipt__not_to_who_may_not),
        cmocka_unit_test(test_core_receipt__so_many_a_second),
        cmocka_unit_test(test_core_receipt__so_many_for_all),
        cmocka_unit_test(test_core_receipt__a_malformed_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
