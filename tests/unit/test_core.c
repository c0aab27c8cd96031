/*
 * replication/core against fakes: virtual time, and messages that a test looks at
 * before it lets them through. The simulator (tests/sim) has the chance and the
 * faults; here each rule has its case.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core_pair.h"

/* ---- following ---- */

/* "hello, then ask", with the cursor of who has nothing yet. */
static void test_core__first_words(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor *cursors = NULL;
    struct hark_cursor empty;
    struct hark_hello hello;
    size_t count = 0;

    (void)state;
    follow(pair->a, pair->b);
    (void)hark_core_tick(pair->a->core);
    struct fake_message *message = expect(pair->a, HARK_MESSAGE_HELLO);
    assert_int_equal(hark_hello_decode(&hello, hark_buf_span(&message->frames[1]), NULL), 0);
    assert_string_equal(hello.name, "a");
    assert_int_equal(hello.lowest, 1);
    assert_int_equal(hello.highest, 1);
    fake_message_free(message);
    message = expect(pair->a, HARK_MESSAGE_ASK);
    assert_int_equal(hark_ask_decode(&cursors, &count, hark_buf_span(&message->frames[1]), NULL),
                     0);
    hark_cursor_empty(&empty, &pair->a->log.ref);
    assert_int_equal(count, 1);
    assert_true(hark_cursor_equal(&cursors[0], &empty));
    assert_int_equal(message->via, HARK_VIA_ANY);
    free(cursors);
    fake_message_free(message);
    assert_int_equal(pair->a->out_count, 0);
    assert_int_equal(pair->a->state, HARK_PEER_CONNECTING);
    pair_free(pair);
}

static void test_core__catches_up_in_several_fetches(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->b->log.entry_size = 4096;
    for (size_t i = 0; i < 4; i++)
        fake_log_grow(&pair->b->log, 700, i * 1000); /* 2.7 MiB each: one, two, and the last */
    follow(pair->a, pair->b);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 3);
    assert_int_equal(pair->passed[HARK_MESSAGE_BATCHES], 3);
    assert_true(pair->a->report.equal);
    assert_int_equal(pair->a->report.code, 0);
    assert_int_equal(pair->a->report.ours.size, 2800);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    pair_free(pair);
}

/* Where answers take long, no more is asked for at a time. */
static void test_core__slow_answers_stay_small(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->b->log.entry_size = 4096;
    for (size_t i = 0; i < 4; i++)
        fake_log_grow(&pair->b->log, 700, i * 1000);
    follow(pair->a, pair->b);
    for (size_t i = 0; i < 100 && pair->a->log.size < pair->b->log.size; i++) {
        size_t fetches = pair->passed[HARK_MESSAGE_FETCH];

        (void)hark_core_tick(pair->a->core);
        (void)hark_core_tick(pair->b->core);
        while (pass_one(pair, pair->a, pair->b))
            ;
        if (pair->passed[HARK_MESSAGE_FETCH] > fetches)
            pair->now_ms += 20000;
        while (pass_one(pair, pair->b, pair->a))
            ;
        while (pair->a->pending_count > 0 && fake_node_append_one(pair->a))
            ;
    }
    assert_equal_logs(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 4);
    pair_free(pair);
}

/* "When nothing is new a sync is one ask and one tell." */
static void test_core__nothing_new_is_one_ask_and_one_tell(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    follow(pair->a, pair->b);
    settle(pair);
    memset(pair->passed, 0, sizeof(pair->passed));
    pass_time(pair, 5100);
    assert_int_equal(pair->passed[HARK_MESSAGE_ASK], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_TELL], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 0);
    assert_int_equal(pair->passed[HARK_MESSAGE_HELLO], 0);
    pair_free(pair);
}

/* News bring what is new at once, and the next news as well: each is followed by
 * an ask, which earns it. */
static void test_core__news_each_time(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    follow(pair->a, pair->b);
    settle(pair);
    for (size_t i = 1; i <= 5; i++) {
        fake_log_grow(&pair->b->log, 1, 100 * i);
        hark_core_grown(pair->b->core, &pair->b->log.ref);
        settle(pair);
        assert_int_equal(pair->passed[HARK_MESSAGE_NEWS], i);
        assert_equal_logs(pair);
    }
    assert_int_equal(pair->now_ms, 1000000);
    pair_free(pair);
}

/* "a credit of one": a log that grows a hundred times says so once. */
static void test_core__news_once_until_asked_again(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    hark_core_grown(pair->b->core, &pair->b->log.ref); /* nobody asked yet */
    assert_int_equal(pair->b->out_count, 0);
    inject_ask(pair->b, pair->a, 77, &cursor);
    drop(pair->b, HARK_MESSAGE_TELL);
    for (size_t i = 0; i < 100; i++)
        hark_core_grown(pair->b->core, &pair->b->log.ref);
    struct fake_message *news = expect(pair->b, HARK_MESSAGE_NEWS);
    assert_int_equal(news->via, HARK_VIA_THEIRS + 5); /* the way the ask came */
    assert_int_equal(id_of(news), 0);
    fake_message_free(news);
    assert_int_equal(pair->b->out_count, 0);
    pair_free(pair);
}

/* News that come while a question is under way: its answer may be older than
 * they are, so it is asked once more, at once. */
static void test_core__news_while_asking(void **state)
{
    struct pair *pair = pair_new();
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_cursor cursor;

    (void)state;
    fake_log_grow(&pair->a->log, 1, 1);
    cursor = fake_log_cursor(&pair->a->log);
    uint64_t id = ask_id_of(pair);
    assert_int_equal(hark_news_encode(&body, &cursor, NULL), 0);
    inject(pair->a, pair->b, HARK_MESSAGE_NEWS, 0, &body, NULL);
    assert_int_equal(pair->a->out_count, 0);
    inject_tell(pair->a, pair->b, id, HARK_TELL_SAME, &cursor);
    drop(pair->a, HARK_MESSAGE_ASK);
    hark_buf_free(&body);
    pair_free(pair);
}

/* Two peers have the same to offer: it is fetched once, and from the other when
 * the first does not deliver. */
static void test_core__fetched_from_one_of_two(void **state)
{
    struct pair *pair = pair_new();
    struct fake_node *c = fake_node_new("c", 3, SPACE, &pair->now_ms);
    struct fake_node *others[2] = {pair->b, c};
    struct hark_cursor more;
    uint64_t asks[2] = {0};

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    more = fake_log_cursor(&pair->b->log);
    for (size_t i = 0; i < 2; i++) {
        follow(pair->a, others[i]);
        (void)hark_core_tick(pair->a->core);
        drop(pair->a, HARK_MESSAGE_HELLO);
        struct fake_message *ask = expect(pair->a, HARK_MESSAGE_ASK);
        asks[i] = id_of(ask);
        fake_message_free(ask);
    }
    for (size_t i = 0; i < 2; i++)
        inject_tell(pair->a, others[i], asks[i], HARK_TELL_MORE, &more);
    drop(pair->a, HARK_MESSAGE_FETCH);
    assert_int_equal(pair->a->out_count, 0);
    assert_int_equal(lose_for(pair, 4900, HARK_MESSAGE_FETCH), 0);
    assert_int_equal(lose_for(pair, 300, HARK_MESSAGE_FETCH), 1);
    fake_node_free(c);
    pair_free(pair);
}

/* Who has lost the right to a space since it asked hears nothing of it. */
static void test_core__no_news_without_right(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    inject_ask(pair->b, pair->a, 77, &cursor);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair->b->denies = true;
    hark_core_grown(pair->b->core, &pair->b->log.ref);
    assert_int_equal(pair->b->out_count, 0);
    pair_free(pair);
}

static void test_core__both_follow_each_other(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 5, 1);
    follow(pair->a, pair->b);
    follow(pair->b, pair->a);
    settle(pair);
    assert_equal_logs(pair);
    fake_log_grow(&pair->a->log, 5, 1);
    hark_core_grown(pair->a->core, &pair->a->log.ref);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->a->log.size, 10);
    /* Two hellos each way at most: an answer is not answered. */
    assert_true(pair->passed[HARK_MESSAGE_HELLO] <= 4);
    pair_free(pair);
}

/* An answer goes back over the connection on which the question came. */
static void test_core__answers_go_back_the_same_way(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);
    struct fake_message *message = NULL;

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    inject_ask(pair->b, pair->a, 77, &cursor);
    message = expect(pair->b, HARK_MESSAGE_TELL);
    assert_int_equal(message->via, HARK_VIA_THEIRS + 5);
    assert_int_equal(id_of(message), 77);
    fake_message_free(message);
    inject_fetch(pair->b, pair->a, 78, &cursor);
    message = expect(pair->b, HARK_MESSAGE_BATCHES);
    assert_int_equal(message->via, HARK_VIA_THEIRS + 5);
    assert_int_equal(id_of(message), 78);
    fake_message_free(message);
    pair_free(pair);
}

/* ---- what is told ---- */

static void test_core__refused_is_reported_and_asked_slowly(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    pair->b->denies = true;
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_SPACE);
    assert_false(pair->a->report.equal);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    /* As often as others at first: a newcomer may not be known everywhere yet. */
    pass_time(pair, 30000);
    assert_int_equal(pair->passed[HARK_MESSAGE_ASK], 7);
    pass_time(pair, 29000);
    assert_int_equal(pair->passed[HARK_MESSAGE_ASK], 7);
    pair->b->denies = false;
    pass_time(pair, 2000);
    assert_equal_logs(pair);
    pair_free(pair);
}

/* Who refused and then asks about that log of itself has it by now. */
static void test_core__refused_is_asked_again_when_it_asks(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor nothing = fake_log_cursor(&pair->b->log), something;

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    something = fake_log_cursor(&pair->b->log);
    pair->b->denies = true;
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_ASK], 1);
    pair->b->denies = false;
    inject_ask(pair->a, pair->b, 7, &nothing);
    settle(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_ASK], 1);
    inject_ask(pair->a, pair->b, 8, &something);
    settle(pair);
    assert_equal_logs(pair);
    pair_free(pair);
}

/* "a space that it may not have and one that does not exist are answered alike":
 * the same bytes, but for what was asked. */
static void test_core__no_right_and_no_space_are_alike(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor denied = fake_log_cursor(&pair->a->log);
    struct hark_cursor unknown;
    struct hark_log_ref nowhere = {.space = {{9}}};

    (void)state;
    hark_cursor_empty(&unknown, &nowhere);
    fake_log_grow(&pair->b->log, 3, 1);
    pair->b->denies = true;
    inject_ask(pair->b, pair->a, 1, &denied);
    struct hark_told first = told_by(pair->b);
    inject_ask(pair->b, pair->a, 2, &unknown);
    struct hark_told second = told_by(pair->b);
    assert_int_equal(first.status, HARK_TELL_REFUSED);
    assert_int_equal(second.status, HARK_TELL_REFUSED);
    assert_true(hark_cursor_equal(&first.cursor, &denied));
    assert_true(hark_cursor_equal(&second.cursor, &unknown));
    inject_fetch(pair->b, pair->a, 3, &denied);
    inject_fetch(pair->b, pair->a, 4, &unknown);
    struct fake_message *one = expect(pair->b, HARK_MESSAGE_ERROR);
    struct fake_message *two = expect(pair->b, HARK_MESSAGE_ERROR);
    assert_true(hark_span_equal(hark_buf_span(&one->frames[1]), hark_buf_span(&two->frames[1])));
    assert_int_equal(pair->b->loads, 0);
    fake_message_free(one);
    fake_message_free(two);
    pair_free(pair);
}

/* "does not fit when its own root at that size is another". */
static void test_core__another_history_does_not_fit(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->a->log, 2, 1);
    fake_log_grow(&pair->b->log, 3, 1000);
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_CURSOR);
    assert_int_equal(pair->a->report.theirs.size, 3);
    assert_int_equal(pair->a->log.size, 2);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 0);
    pair_free(pair);
}

static void test_core__behind_is_no_fault(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->a->log, 5, 1);
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->a->report.code, 0);
    assert_false(pair->a->report.equal);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    pair_free(pair);
}

static void test_core__statuses(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor;

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    fake_log_grow(&pair->b->log, 2, 1);
    cursor = fake_log_cursor(&pair->b->log);
    inject_ask(pair->b, pair->a, 1, &cursor);
    assert_int_equal(told_by(pair->b).status, HARK_TELL_SAME);
    cursor.root.bytes[0] ^= 1;
    inject_ask(pair->b, pair->a, 2, &cursor);
    assert_int_equal(told_by(pair->b).status, HARK_TELL_UNFIT);
    cursor.batches = 3;
    inject_ask(pair->b, pair->a, 3, &cursor);
    assert_int_equal(told_by(pair->b).status, HARK_TELL_BEHIND);
    cursor.size = UINT64_MAX;
    cursor.batches = UINT64_MAX;
    inject_ask(pair->b, pair->a, 4, &cursor);
    assert_int_equal(told_by(pair->b).status, HARK_TELL_BEHIND);
    cursor.size = 2;
    cursor.batches = 1;
    cursor.root = pair->b->log.roots[2];
    inject_ask(pair->b, pair->a, 5, &cursor);
    struct hark_told told = told_by(pair->b);
    assert_int_equal(told.status, HARK_TELL_MORE);
    assert_int_equal(told.cursor.size, 4);
    assert_int_equal(told.cursor.batches, 2);
    pair_free(pair);
}

/* "A batch may hold no entry, so size and root alone do not say": size and root
 * are equal, and there is more all the same. */
static void test_core__a_batch_without_entries_is_more(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    follow(pair->a, pair->b);
    settle(pair);
    fake_log_grow(&pair->b->log, 0, 0);
    hark_core_grown(pair->b->core, &pair->b->log.ref);
    settle(pair);
    assert_int_equal(pair->a->log.batches, 2);
    assert_true(pair->a->report.equal);
    assert_int_equal(pair->a->report.ours.batches, 2);
    pair_free(pair);
}

/* A shorter log that is no beginning of ours is another history, or goes on elsewhere
 * from before our end: nothing is ever fetched there that would tell. */
static void test_core__behind_with_another_history_is_named(void **state)
{
    struct pair *pair = pair_new();
    (void)state;
    fake_log_grow(&pair->a->log, 5, 100);
    fake_log_grow(&pair->a->log, 5, 200);
    fake_log_grow(&pair->b->log, 5, 900);
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_CURSOR);
    assert_int_equal(pair->a->report.theirs.batches, 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 0);
    pair_free(pair);
}

/* Its news may overtake the answer in which it was still behind. */
static void test_core__news_of_who_was_behind(void **state)
{
    struct pair *pair = pair_new();
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_cursor before, after;

    (void)state;
    fake_log_grow(&pair->a->log, 2, 1);
    before = fake_log_cursor(&pair->a->log);
    fake_log_grow(&pair->a->log, 2, 100);
    after = fake_log_cursor(&pair->a->log);
    uint64_t id = ask_id_of(pair);
    assert_int_equal(hark_news_encode(&body, &after, NULL), 0);
    inject(pair->a, pair->b, HARK_MESSAGE_NEWS, 0, &body, NULL);
    inject_tell(pair->a, pair->b, id, HARK_TELL_BEHIND, &before);
    (void)hark_core_tick(pair->a->core);
    drop(pair->a, HARK_MESSAGE_ASK);
    hark_buf_free(&body);
    pair_free(pair);
}

/* What was not stored once has come from elsewhere since: a peer that turns out to have
 * less than we is not one that failed any more, and its news are asked about at once. */
static void test_core__news_of_who_was_behind_after_a_failure(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    pair->a->append_fails = HARK_E_DISK_FULL;
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->a->report.code, HARK_E_DISK_FULL);
    pair->a->append_fails = 0;
    fake_log_grow(&pair->a->log, 1, 1);
    fake_log_grow(&pair->a->log, 1, 100);
    pass_time(pair, 30000);
    assert_int_equal(pair->a->report.code, 0);
    assert_int_equal(pair->a->report.theirs.batches, 1);
    fake_log_grow(&pair->b->log, 1, 900);
    hark_core_grown(pair->b->core, &pair->b->log.ref);
    settle(pair);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_CURSOR);
    pair_free(pair);
}

/* A disk of ours that fails is nothing to say of the peer. */
static void test_core__own_log_that_cannot_be_read_accuses_nobody(void **state)
{
    struct pair *pair = pair_new();
    (void)state;
    fake_log_grow(&pair->b->log, 5, 100);
    follow(pair->a, pair->b);
    while (pair->a->pending_count == 0) {
        (void)hark_core_tick(pair->a->core);
        (void)hark_core_tick(pair->b->core);
        bool there = pass_one(pair, pair->a, pair->b);
        bool back = pass_one(pair, pair->b, pair->a);
        assert_true(there || back);
    }
    pair->a->fits_fails = HARK_E_IO;
    assert_true(fake_node_append_one(pair->a));
    assert_int_equal(pair->a->report.code, HARK_E_IO);
    pair->a->fits_fails = 0;
    fake_log_grow(&pair->b->log, 5, 200);
    while (pair->a->pending_count == 0) {
        pair->now_ms += 1000;
        (void)hark_core_tick(pair->a->core);
        (void)hark_core_tick(pair->b->core);
        (void)pass_one(pair, pair->a, pair->b);
        (void)pass_one(pair, pair->b, pair->a);
    }
    pair->a->cursor_fails = HARK_E_IO;
    assert_true(fake_node_append_one(pair->a));
    assert_int_equal(pair->a->report.code, HARK_E_IO);
    pair->a->cursor_fails = 0;
    pass_time(pair, 60000);
    assert_true(pair->a->report.equal);
    pair_free(pair);
}

/* A disk error is no empty log: by what is reported as ours a node sets a space aside. */
static void test_core__own_log_that_cannot_be_read_is_not_empty(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor theirs;
    (void)state;
    fake_log_grow(&pair->a->log, 5, 100);
    theirs = fake_log_cursor(&pair->a->log);
    theirs.root.bytes[0] ^= 1;
    uint64_t id = ask_id_of(pair);
    pair->now_ms++;
    pair->a->cursor_fails = HARK_E_IO;
    inject_tell(pair->a, pair->b, id, HARK_TELL_UNFIT, &theirs);
    assert_int_equal(pair->a->report.code, HARK_E_IO); /* no word against the peer */
    assert_int_equal(pair->a->report.ours.size, 5);
    assert_string_equal(pair->a->report.ours.origin, theirs.origin);
    pair->a->cursor_fails = 0;
    pair->now_ms += 60000;
    (void)hark_core_tick(pair->a->core);
    drop(pair->a, HARK_MESSAGE_HELLO);
    struct fake_message *ask = expect(pair->a, HARK_MESSAGE_ASK);
    inject_tell(pair->a, pair->b, id_of(ask), HARK_TELL_UNFIT, &theirs);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_CURSOR);
    assert_int_equal(pair->a->report.ours.size, 5);
    fake_message_free(ask);
    pair_free(pair);
}

/* "A log of its own that it cannot read now it refuses": who hears that nobody has more
 * of its log signs. */
static void test_core__a_log_that_cannot_be_read_is_not_told_to_be_shorter(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor;

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    cursor = fake_log_cursor(&pair->b->log);
    fake_log_grow(&pair->b->log, 2, 1);
    pair->b->cursor_fails = HARK_E_IO;
    inject_ask(pair->b, pair->a, 1, &cursor);
    struct hark_told told = told_by(pair->b);
    assert_int_equal(told.status, HARK_TELL_REFUSED);
    assert_true(hark_cursor_equal(&told.cursor, &cursor));
    pair->b->cursor_fails = 0;
    pair->b->fits_fails = HARK_E_IO;
    inject_ask(pair->b, pair->a, 2, &cursor);
    told = told_by(pair->b);
    assert_int_equal(told.status, HARK_TELL_REFUSED);
    assert_true(hark_cursor_equal(&told.cursor, &cursor));
    pair->b->fits_fails = 0;
    inject_ask(pair->b, pair->a, 3, &cursor);
    assert_int_equal(told_by(pair->b).status, HARK_TELL_MORE);
    pair_free(pair);
}

/* An intake log that is not here: `same` to who has nothing of it either, `behind`
 * to who has; and to who may not have the space, what a space that does not exist
 * is answered with. */
static void test_core__an_intake_that_is_not_here(void **state)
{
    struct pair *pair = pair_new();
    struct hark_log_ref intake = {pair->b->log.ref.space, "partner"};
    struct hark_cursor cursor;

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    hark_cursor_empty(&cursor, &intake);
    inject_ask(pair->b, pair->a, 1, &cursor);
    struct hark_told told = told_by(pair->b);
    assert_int_equal(told.status, HARK_TELL_SAME);
    assert_true(hark_cursor_equal(&told.cursor, &cursor));
    cursor.size = 2;
    cursor.batches = 1;
    inject_ask(pair->b, pair->a, 2, &cursor);
    told = told_by(pair->b);
    assert_int_equal(told.status, HARK_TELL_BEHIND);
    assert_int_equal(told.cursor.batches, 0);
    inject_fetch(pair->b, pair->a, 3, &cursor);
    expect_error(pair->b, 3, "behind");
    pair->b->denies = true;
    inject_ask(pair->b, pair->a, 4, &cursor);
    told = told_by(pair->b);
    assert_int_equal(told.status, HARK_TELL_REFUSED);
    assert_true(hark_cursor_equal(&told.cursor, &cursor));
    inject_fetch(pair->b, pair->a, 5, &cursor);
    expect_error(pair->b, 5, "peer-space");
    pair_free(pair);
}

static void test_core__fetch_of_nothing(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor;

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    fake_log_grow(&pair->b->log, 2, 1);
    cursor = fake_log_cursor(&pair->b->log);
    inject_fetch(pair->b, pair->a, 1, &cursor);
    expect_error(pair->b, 1, "behind");
    cursor.batches = 1;
    inject_fetch(pair->b, pair->a, 2, &cursor);
    expect_error(pair->b, 2, "peer-cursor");
    pair_free(pair);
}

/* ---- time ---- */

/* 0.5 s, 1 s, 2 s … 30 s between tries: in ten minutes of silence a peer is asked
 * some twenty times, neither twice nor thousands of times. */
static void test_core__backs_off_from_who_is_silent(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    follow(pair->a, pair->b);
    size_t asked = lose_for(pair, 600000, HARK_MESSAGE_ASK);
    assert_in_range(asked, 14, 24);
    assert_int_equal(pair->a->state, HARK_PEER_CONNECTING);
    /* And at once when it is heard again. */
    fake_log_grow(&pair->b->log, 2, 1);
    follow(pair->b, pair->a);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    pair_free(pair);
}

static void test_core__a_lost_answer_is_asked_for_again(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    follow(pair->a, pair->b);
    (void)hark_core_tick(pair->a->core);
    assert_true(pass_one(pair, pair->a, pair->b));
    assert_true(pass_one(pair, pair->b, pair->a)); /* hello there and back */
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    drop(pair->a, HARK_MESSAGE_ASK);
    (void)lose_for(pair, 9900, HARK_MESSAGE_ASK);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    (void)lose_for(pair, 200, HARK_MESSAGE_ASK);
    assert_int_equal(pair->a->state, HARK_PEER_CONNECTING);
    pass_time(pair, 1000);
    assert_equal_logs(pair);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    pair_free(pair);
}

static void test_core__a_lost_load_is_fetched_again(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    follow(pair->a, pair->b);
    (void)hark_core_tick(pair->a->core);
    while (pair->b->out_count == 0 || type_of(pair->b->out[0]) != HARK_MESSAGE_BATCHES) {
        assert_true(pass_one(pair, pair->a, pair->b) || pass_one(pair, pair->b, pair->a));
        if (pair->b->out_count > 0 && type_of(pair->b->out[0]) != HARK_MESSAGE_BATCHES)
            assert_true(pass_one(pair, pair->b, pair->a));
    }
    drop(pair->b, HARK_MESSAGE_BATCHES);
    pass_time(pair, 59000);
    assert_int_equal(pair->a->log.size, 0);
    pass_time(pair, 3000);
    assert_equal_logs(pair);
    pair_free(pair);
}

/* Where the connection has broken, an answer is not waited for until it is overdue: of a
 * hello, an ask, a fetch, a fetch ahead. What is here already is none the worse. */
static void test_core__a_broken_connection_is_no_wait(void **state)
{
    static const uint8_t types[] = {HARK_MESSAGE_HELLO, HARK_MESSAGE_ASK, HARK_MESSAGE_FETCH};

    (void)state;
    for (size_t i = 0; i < sizeof(types); i++) {
        struct pair *pair = pair_new();

        fake_log_grow(&pair->b->log, 2, 1);
        follow(pair->a, pair->b);
        (void)hark_core_tick(pair->a->core);
        while (type_of(pair->a->out[0]) != types[i])
            assert_true(pass_one(pair, pair->a, pair->b) && pass_one(pair, pair->b, pair->a));
        drop(pair->a, types[i]);
        hark_core_lost(pair->a->core, &pair->b->key);
        pass_time(pair, 1500);
        assert_equal_logs(pair);
        hark_core_lost(pair->a->core, &pair->b->key);
        hark_core_lost(pair->b->core, &pair->a->key);
        pass_time(pair, 1500);
        assert_int_equal(pair->a->state, HARK_PEER_LIVE);
        pair_free(pair);
    }
}

/* What could not be sent is tried again, and never waited for. */
static void test_core__unsent_is_tried_again(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    pair->a->send_fails = HARK_E_PEER_UNREACHABLE;
    follow(pair->a, pair->b);
    pass_time(pair, 60000);
    assert_int_equal(pair->a->state, HARK_PEER_CONNECTING);
    pair->a->send_fails = 0;
    pass_time(pair, 5100);
    assert_equal_logs(pair);
    pair_free(pair);
}

/* A connection that comes about is used at once, not when the backoff is over; a peer
 * that was refused, or never sent to, is none the sooner asked for it. */
static void test_core__writable_is_tried_at_once(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    pair->a->send_fails = HARK_E_PEER_UNREACHABLE;
    follow(pair->a, pair->b);
    pass_time(pair, 60000);
    pair->a->send_fails = 0;
    uint64_t now = pair->now_ms;
    settle(pair);
    assert_int_equal(pair->a->log.size, 0);
    hark_core_writable(pair->a->core, &pair->b->key);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->now_ms, now);
    hark_core_writable(pair->b->core, &pair->a->key);
    settle(pair);
    pair_free(pair);
}

static void test_core__ask_now(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    pair->b->denies = true;
    follow(pair->a, pair->b);
    settle(pair);
    pair->b->denies = false;
    hark_core_ask_now(pair->a->core);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->now_ms, 1000000);
    pair_free(pair);
}

/* A core that has nothing to do does not ask to be called all the time. */
static void test_core__rests_when_idle(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    assert_int_equal(hark_core_tick(pair->a->core) > 1000000, true);
    fake_log_grow(&pair->b->log, 2, 1);
    follow(pair->a, pair->b);
    settle(pair);
    assert_true(hark_core_tick(pair->a->core) > 4000);
    assert_true(hark_core_tick(pair->b->core) > 4000);
    pair_free(pair);
}

/* ---- append ---- */

static void test_core__append_failure_is_told_and_slow(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    pair->a->append_fails = HARK_E_BATCH_SIGNATURE;
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->a->state, HARK_PEER_REFUSED);
    assert_int_equal(pair->a->code, HARK_E_BATCH_SIGNATURE);
    assert_string_equal(pair->a->message, "it does not check out");
    assert_int_equal(pair->a->report.code, HARK_E_BATCH_SIGNATURE);
    assert_false(pair->a->report.equal);
    /* Not over and over, not even when the peer has news. */
    hark_core_grown(pair->b->core, &pair->b->log.ref);
    pass_time(pair, 29000);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 1);
    pair->a->append_fails = 0;
    pass_time(pair, 2000);
    assert_equal_logs(pair);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    pair_free(pair);
}

/* Our own trouble is no fault of theirs: it is tried again every half minute, however
 * long it lasts. Who breaks a rule is asked ever more slowly. */
static void test_core__whose_fault_it_is(void **state)
{
    static const int codes[] = {HARK_E_DISK_FULL, HARK_E_BATCH_ROOT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair *pair = pair_new();
        fake_log_grow(&pair->b->log, 2, 1);
        pair->a->append_fails = codes[i];
        follow(pair->a, pair->b);
        pass_time(pair, 600000);
        assert_in_range(pair->passed[HARK_MESSAGE_FETCH], i == 0 ? 18 : 4, i == 0 ? 21 : 6);
        pair->a->append_fails = 0;
        pass_time(pair, 31000);
        assert_int_equal(pair->a->log.size, i == 0 ? 2 : 0);
        pair_free(pair);
    }
}

/* A busy writer gets the load later, without it being fetched again. */
static void test_core__append_busy_keeps_the_load(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    pair->a->append_fails = HARK_E_BUSY;
    follow(pair->a, pair->b);
    pass_time(pair, 3000);
    assert_int_equal(pair->a->log.size, 0);
    pair->a->append_fails = 0;
    pass_time(pair, 200);
    assert_equal_logs(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 1);
    pair_free(pair);
}

/* Three fetches' worth, of which the first is being appended. */
static void until_appending(struct pair *pair)
{
    pair->b->log.entry_size = 4096;
    for (size_t i = 0; i < 3; i++)
        fake_log_grow(&pair->b->log, 1000, i * 1000); /* one a fetch, of 3 and of 6 MiB */
    follow(pair->a, pair->b);
    while (pair->a->pending_count == 0) {
        (void)hark_core_tick(pair->a->core);
        assert_true(pass_one(pair, pair->a, pair->b) || pass_one(pair, pair->b, pair->a));
    }
}

/* "While an answer of the main log is verified and stored, the next fetch may go out, from
 * where [it] leads to": B makes the next answer while A takes the last one in. */
static void test_core__fetches_ahead_while_appending(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor next;

    (void)state;
    until_appending(pair);
    struct fake_message *message = expect(pair->a, HARK_MESSAGE_FETCH);
    struct hark_fetch fetch;
    assert_int_equal(hark_fetch_decode(&fetch, hark_buf_span(&message->frames[1]), NULL), 0);
    next = fake_log_cursor(&pair->b->log);
    next.size = 1000;
    next.batches = 1;
    next.root = pair->b->log.roots[1000];
    assert_true(hark_cursor_equal(&fetch.cursor, &next));
    fake_deliver(pair->b, message);
    fake_message_free(message);
    assert_true(pass_one(pair, pair->b, pair->a));
    /* One ahead, and not appended before what it follows. */
    (void)hark_core_tick(pair->a->core);
    assert_int_equal(pair->a->out_count, 0);
    assert_int_equal(pair->a->pending_count, 1);
    assert_int_equal(pair->a->comings, 1);
    assert_true(fake_node_append_one(pair->a));
    assert_int_equal(pair->a->pending_count, 1);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->b->loads, 3);
    assert_true(pair->a->report.equal);
    pair_free(pair);
}

/* What was fetched ahead stands on what could not be taken in: it goes, too, whether it is
 * here or comes later; and then all is fetched anew. */
static void test_core__what_is_ahead_goes_with_what_failed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair *pair = pair_new();

        until_appending(pair);
        assert_true(pass_one(pair, pair->a, pair->b));
        if (i == 0)
            assert_true(pass_one(pair, pair->b, pair->a));
        pair->a->append_fails = HARK_E_IO;
        assert_true(fake_node_append_one(pair->a));
        assert_int_equal(pair->a->pending_count, 0);
        settle(pair);
        assert_int_equal(pair->a->pending_count, 0);
        assert_int_equal(pair->a->log.size, 0);
        pair->a->append_fails = 0;
        pass_time(pair, 35000);
        assert_equal_logs(pair);
        assert_int_equal(pair->a->state, HARK_PEER_LIVE);
        pair_free(pair);
    }
}

/* The log went on by another way while the next load was fetched: that is dropped. */
static void test_core__what_is_ahead_of_another_end_is_dropped(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    until_appending(pair);
    assert_true(pass_one(pair, pair->a, pair->b));
    assert_true(pass_one(pair, pair->b, pair->a));
    /* As if another peer had brought two at once. */
    assert_true(pair->a->pending_count == 1);
    struct fake_pending first = pair->a->pending[0];
    pair->a->pending_count = 0;
    fake_log_grow(&pair->a->log, 1000, 0);
    fake_log_grow(&pair->a->log, 1000, 1000);
    hark_core_appended(pair->a->core, first.token, 0, "");
    hark_buf_free(&first.load);
    assert_int_equal(pair->a->pending_count, 0);
    settle(pair);
    assert_equal_logs(pair);
    assert_true(pair->a->report.equal);
    pair_free(pair);
}

/* An answer ahead that never comes is waited for as long as any, and asked for again. */
static void test_core__a_lost_load_ahead_is_fetched_again(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    until_appending(pair);
    drop(pair->a, HARK_MESSAGE_FETCH);
    assert_true(fake_node_append_one(pair->a));
    pass_time(pair, 59000);
    assert_int_equal(pair->a->log.size, 1000);
    pass_time(pair, 4000);
    assert_equal_logs(pair);
    pair_free(pair);
}

static void test_core__a_broken_connection_while_appending(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    until_appending(pair);
    drop(pair->a, HARK_MESSAGE_FETCH);
    hark_core_lost(pair->a->core, &pair->b->key);
    assert_true(fake_node_append_one(pair->a));
    pass_time(pair, 3000);
    assert_equal_logs(pair);
    pair_free(pair);
}

/* The log grew on another way while a load was on its way: the load is dropped,
 * not appended where it does not belong. */
static void test_core__load_that_came_too_late(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    pair->a->append_fails = HARK_E_BUSY;
    follow(pair->a, pair->b);
    settle(pair);
    fake_log_grow(&pair->a->log, 2, 1);
    pair->a->append_fails = HARK_E_BATCH_RANGE; /* what append would say */
    pass_time(pair, 5000);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    assert_true(pair->a->report.equal);
    pair_free(pair);
}

/* As many batches, but another history: as after a log was set aside and came anew. */
static void test_core__load_for_another_history(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->a->log, 2, 1);
    fake_log_grow(&pair->b->log, 2, 1);
    fake_log_grow(&pair->b->log, 2, 100);
    pair->a->append_fails = HARK_E_BUSY;
    follow(pair->a, pair->b);
    settle(pair);
    fake_log_init(&pair->a->log, SPACE);
    fake_log_grow(&pair->a->log, 2, 900);
    pair->a->append_fails = 0;
    pass_time(pair, 5000);
    assert_int_equal(pair->a->log.batches, 1);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_CURSOR);
    pair_free(pair);
}

/* Appended, but nothing came of it: no reason to go round in circles. */
static void test_core__append_of_nothing(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    follow(pair->a, pair->b);
    while (pair->a->pending_count == 0) {
        (void)hark_core_tick(pair->a->core);
        (void)pass_one(pair, pair->a, pair->b);
        (void)pass_one(pair, pair->b, pair->a);
    }
    hark_core_appended(pair->a->core, pair->a->pending[0].token, 0, "");
    assert_int_equal(pair->a->report.code, HARK_E_PEER_FORM);
    assert_int_equal(pair->a->out_count, 0);
    pair_free(pair);
}

/* An outcome that nobody waits for any more. */
static void test_core__append_after_forgetting(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    follow(pair->a, pair->b);
    while (pair->a->pending_count == 0) {
        (void)hark_core_tick(pair->a->core);
        (void)pass_one(pair, pair->a, pair->b);
        (void)pass_one(pair, pair->b, pair->a);
    }
    hark_core_forget(pair->a->core, &pair->b->key);
    assert_true(fake_node_append_one(pair->a));
    assert_int_equal(pair->a->log.size, 2);
    assert_int_equal(hark_core_tick(pair->a->core) > 60000, true);
    pair_free(pair);
}

/* ---- peers that lie, or talk too much ---- */

static void test_core__tells_that_cannot_be(void **state)
{
    struct hark_cursor cursor, more;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct pair *pair = pair_new();
        uint64_t id = ask_id_of(pair);
        hark_cursor_empty(&cursor, &pair->a->log.ref);
        fake_log_grow(&pair->b->log, 3, 1);
        more = fake_log_cursor(&pair->b->log);
        if (i == 0) /* the same, with another cursor */
            inject_tell(pair->a, pair->b, id, HARK_TELL_SAME, &more);
        if (i == 1) /* more, and not more */
            inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &cursor);
        if (i == 2) /* refused, but not as asked */
            inject_tell(pair->a, pair->b, id, HARK_TELL_REFUSED, &more);
        if (i == 3) { /* of another space */
            more.space.bytes[0] ^= 1;
            hark_origin(more.origin, "home", &more.space, 1);
            inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &more);
        }
        assert_malformed(pair);
        pair_free(pair);
    }
}

/* Answers that nobody waits for change nothing. */
static void test_core__answers_to_no_question(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = ask_id_of(pair);

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    struct hark_cursor more = fake_log_cursor(&pair->b->log);
    inject_tell(pair->a, pair->b, id + 1, HARK_TELL_MORE, &more);
    assert_int_equal(pair->a->out_count, 0);
    inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &more);
    drop(pair->a, HARK_MESSAGE_FETCH);
    inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &more);
    assert_int_equal(pair->a->out_count, 0);
    pair_free(pair);
}

/* What comes back must be for the cursor that was asked for. */
static void test_core__batches_for_another_cursor(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = ask_id_of(pair);
    struct hark_buf plain = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_buf load = hark_buf_init(HARK_LOAD_MAX);
    unsigned count = 0;

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    struct hark_cursor more = fake_log_cursor(&pair->b->log);
    inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &more);
    struct fake_message *fetch = expect(pair->a, HARK_MESSAGE_FETCH);
    assert_int_equal(fake_log_load(&pair->b->log, 0, 1000, &plain, &count), 0);
    struct hark_batches batches = {
        .cursor = more, .size = (uint32_t)plain.size, .count = (uint16_t)count};
    assert_int_equal(hark_batches_encode(&body, &batches, NULL), 0);
    assert_int_equal(hark_batches_pack(&load, hark_buf_span(&plain), NULL), 0);
    inject(pair->a, pair->b, HARK_MESSAGE_BATCHES, id_of(fetch), &body, &load);
    assert_malformed(pair);
    assert_int_equal(pair->a->pending_count, 0);
    fake_message_free(fetch);
    hark_buf_free(&plain);
    hark_buf_free(&body);
    hark_buf_free(&load);
    pair_free(pair);
}

/* "error peer-form once, then ignored". */
static void test_core__malformed_is_answered_once(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);
    struct hark_span frames[4] = {hark_span_str("GET / HTTP/1.1"), hark_span_str("x")};

    (void)state;
    inject_raw(pair->b, pair->a, frames, 2);
    expect_error(pair->b, 0, "peer-form");
    assert_int_equal(pair->b->state, HARK_PEER_REFUSED);
    assert_int_equal(pair->b->code, HARK_E_PEER_FORM);
    for (size_t i = 0; i < 10; i++) {
        inject_raw(pair->b, pair->a, frames, 2);
        inject_ask(pair->b, pair->a, 5, &cursor);
    }
    assert_int_equal(pair->b->out_count, 0);
    pair->now_ms += 60001;
    inject_ask(pair->b, pair->a, 6, &cursor);
    drop(pair->b, HARK_MESSAGE_TELL);
    assert_int_equal(pair->b->state, HARK_PEER_LIVE);
    pair_free(pair);
}

/* The edge says "four" for more frames than any message has. */
static void test_core__too_many_frames(void **state)
{
    struct pair *pair = pair_new();
    uint8_t header[HARK_HEADER_SIZE] = {0};
    struct hark_span frames[3] = {hark_span(header, sizeof(header))};

    (void)state;
    hark_message_header(header, HARK_MESSAGE_HELLO, 3);
    inject_raw(pair->b, pair->a, frames, 4);
    expect_error(pair->b, 3, "peer-form");
    pair_free(pair);
}

static void test_core__version_is_told_and_forgiven(void **state)
{
    struct pair *pair = pair_new();
    uint8_t header[HARK_HEADER_SIZE] = {0};
    struct hark_span frames[2] = {hark_span(header, sizeof(header))};
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);

    (void)state;
    hark_message_header(header, HARK_MESSAGE_HELLO, 3);
    header[4] = 2;
    inject_raw(pair->b, pair->a, frames, 2);
    expect_error(pair->b, 3, "peer-version");
    assert_int_equal(pair->b->code, HARK_E_PEER_VERSION);
    inject_ask(pair->b, pair->a, 4, &cursor);
    drop(pair->b, HARK_MESSAGE_TELL);
    assert_int_equal(pair->b->state, HARK_PEER_LIVE);
    pair_free(pair);
}

/* Two nodes must not answer each other's errors until the end of days. */
static void test_core__errors_are_never_answered(void **state)
{
    struct pair *pair = pair_new();
    uint8_t header[HARK_HEADER_SIZE] = {0};
    struct hark_span frames[3] = {hark_span(header, sizeof(header))};

    (void)state;
    inject_error(pair->b, pair->a, 9, HARK_E_PEER_FORM);
    hark_message_header(header, HARK_MESSAGE_ERROR, 3);
    inject_raw(pair->b, pair->a, frames, 3);
    pair->now_ms += 100000;
    header[4] = 7;
    inject_raw(pair->b, pair->a, frames, 2);
    assert_int_equal(pair->b->out_count, 0);
    pair_free(pair);
}

/* A peer that will have none of us is left alone for a while. */
static void test_core__told_that_we_are_malformed(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = ask_id_of(pair);

    (void)state;
    inject_error(pair->a, pair->b, id, HARK_E_PEER_FORM);
    assert_int_equal(pair->a->state, HARK_PEER_REFUSED);
    assert_string_equal(pair->a->message, "so it is");
    assert_int_equal(lose_for(pair, 29000, HARK_MESSAGE_ASK), 0);
    assert_int_equal(lose_for(pair, 2000, HARK_MESSAGE_ASK), 1);
    pair_free(pair);
}

static void test_core__fetch_refused(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = ask_id_of(pair);

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    struct hark_cursor more = fake_log_cursor(&pair->b->log);
    inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &more);
    struct fake_message *fetch = expect(pair->a, HARK_MESSAGE_FETCH);
    inject_error(pair->a, pair->b, id_of(fetch), HARK_E_PEER_SPACE);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_SPACE);
    fake_message_free(fetch);
    pair_free(pair);
}

/* Names of errors come from the peer: none of ours that say something of this
 * machine is believed. */
static void test_core__a_peer_cannot_say_that_our_disk_is_full(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = ask_id_of(pair);

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    struct hark_cursor more = fake_log_cursor(&pair->b->log);
    inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &more);
    struct fake_message *fetch = expect(pair->a, HARK_MESSAGE_FETCH);
    inject_error(pair->a, pair->b, id_of(fetch), HARK_E_DISK_FULL);
    assert_int_equal(pair->a->report.code, HARK_E_PEER_REFUSED);
    fake_message_free(fetch);
    pair_free(pair);
}

/* More than 1,000 messages a second: nothing is answered for a minute. */
static void test_core__flood(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);
    struct fake_message *message = NULL;
    size_t answers = 0;

    (void)state;
    for (size_t i = 0; i < 5000; i++)
        inject_ask(pair->b, pair->a, 1 + i, &cursor);
    while ((message = fake_node_next(pair->b)) != NULL) {
        answers++;
        fake_message_free(message);
    }
    assert_in_range(answers, 450, 1000);
    assert_int_equal(pair->b->state, HARK_PEER_REFUSED);
    assert_int_equal(pair->b->code, HARK_E_LIMIT);
    pair->now_ms += 59000;
    inject_ask(pair->b, pair->a, 6000, &cursor);
    assert_int_equal(pair->b->out_count, 0);
    pair->now_ms += 2000;
    inject_ask(pair->b, pair->a, 6001, &cursor);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair_free(pair);
}

/* However fast the home writes, its follower never trips that wire, and is never far
 * behind: what it may send comes back little by little. */
static void test_core__a_busy_home_is_no_flood(void **state)
{
    struct pair *pair = pair_new();
    uint64_t size = 0, changed_ms = pair->now_ms;

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    follow(pair->a, pair->b);
    settle(pair);
    for (size_t i = 0; i < 1000; i++) {
        fake_log_grow(&pair->b->log, 1, i);
        hark_core_grown(pair->b->core, &pair->b->log.ref);
        settle(pair);
        pair->now_ms++;
        assert_int_not_equal(pair->b->state, HARK_PEER_REFUSED);
        if (fake_log_cursor(&pair->a->log).size > size) {
            size = fake_log_cursor(&pair->a->log).size;
            changed_ms = pair->now_ms;
        }
        assert_in_range(pair->now_ms - changed_ms, 0, 50);
    }
    pass_time(pair, 2000);
    assert_equal_logs(pair);
    pair_free(pair);
}

/* What a peer may fetch a second is bounded in bytes too: fetches are cheap to
 * ask and dear to answer. */
static void test_core__fetching_without_end(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);

    (void)state;
    pair->b->log.entry_size = 4096;
    fake_log_grow(&pair->b->log, 1000, 1);
    for (size_t i = 0; i < 40; i++)
        inject_fetch(pair->b, pair->a, 1 + i, &cursor);
    assert_in_range(pair->b->loads, 16, 18);
    while (pair->b->out_count > 1)
        fake_message_free(fake_node_next(pair->b));
    expect_error(pair->b, 40, "busy");
    pair_free(pair);
}

/* A late hello is not answered with a hello that is then answered. */
static void test_core__hellos_end(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    follow(pair->a, pair->b);
    follow(pair->b, pair->a);
    (void)hark_core_tick(pair->a->core);
    (void)hark_core_tick(pair->b->core);
    struct fake_message *first = expect(pair->a, HARK_MESSAGE_HELLO);
    struct fake_message *second = expect(pair->b, HARK_MESSAGE_HELLO);
    for (size_t i = 0; i < 3; i++) { /* the network doubles, and is late */
        pair->now_ms += 11000;
        (void)hark_core_tick(pair->a->core);
        fake_deliver(pair->b, first);
        fake_deliver(pair->a, second);
    }
    fake_message_free(first);
    fake_message_free(second);
    settle(pair);
    assert_true(pair->passed[HARK_MESSAGE_HELLO] < 20);
    pair_free(pair);
}

/* A hello under an id that neither of the two knows any more: each takes it for a
 * question, and that must end. The simulator found it. */
static void test_core__hello_that_nobody_asked(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    inject_hello(pair->b, pair->a, 4711);
    settle(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_HELLO], 2);
    pair_free(pair);
}

/* ---- several logs ---- */

static struct hark_log_ref intake_ref(const struct fake_node *node, const char *name)
{
    struct hark_log_ref ref = {.space = node->log.ref.space};
    memcpy(ref.node, name, strlen(name) + 1);
    return ref;
}

static void follow_logs(struct fake_node *follower, const struct fake_node *followed,
                        const struct hark_log_ref *logs, size_t count)
{
    assert_int_equal(hark_core_follow(follower->core, &followed->key, logs, count, NULL), 0);
}

static void test_core__intakes_are_logs_like_others(void **state)
{
    struct pair *pair = pair_new();
    struct hark_log_ref logs[3] = {pair->a->log.ref, intake_ref(pair->a, "x"),
                                   intake_ref(pair->a, "y")};

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    fake_log_grow(fake_node_intake(pair->b, "x"), 2, 100);
    follow_logs(pair->a, pair->b, logs, 3);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(fake_node_intake(pair->a, "x")->size, 2);
    memset(pair->passed, 0, sizeof(pair->passed));
    fake_log_grow(fake_node_intake(pair->b, "y"), 2, 200);
    hark_core_grown(pair->b->core, &logs[2]);
    settle(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_NEWS], 1);
    assert_int_equal(fake_node_intake(pair->a, "y")->size, 2);
    pair_free(pair);
}

/* A follows four logs of B, and has them. */
static struct pair *level_pair(struct hark_log_ref logs[4])
{
    struct pair *pair = pair_new();
    static const char *const names[] = {"x", "y", "z"};

    logs[0] = pair->a->log.ref;
    fake_log_grow(&pair->b->log, 3, 1);
    for (size_t i = 0; i < 3; i++) {
        logs[i + 1] = intake_ref(pair->a, names[i]);
        fake_log_grow(fake_node_intake(pair->b, names[i]), 2, 100 * i);
    }
    follow_logs(pair->a, pair->b, logs, 4);
    settle(pair);
    assert_equal_logs(pair);
    memset(pair->passed, 0, sizeof(pair->passed));
    return pair;
}

/* "When nothing is new a sync is one again and one still", however many logs. */
static void test_core__many_logs_are_asked_about_at_once(void **state)
{
    struct hark_log_ref logs[4];
    struct pair *pair = level_pair(logs);

    (void)state;
    pass_time(pair, 5100);
    assert_int_equal(pair->passed[HARK_MESSAGE_AGAIN], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_STILL], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_ASK], 0);
    pass_time(pair, 50000);
    assert_int_equal(pair->passed[HARK_MESSAGE_AGAIN], 11);
    assert_int_equal(pair->passed[HARK_MESSAGE_STILL], 11);
    assert_int_equal(pair->passed[HARK_MESSAGE_ASK], 0);
    assert_true(pair->a->report.equal);
    /* The credit for news is still there. */
    fake_log_grow(fake_node_intake(pair->b, "y"), 1, 900);
    hark_core_grown(pair->b->core, &logs[2]);
    settle(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_NEWS], 1);
    assert_int_equal(fake_node_intake(pair->a, "y")->size, 3);
    pair_free(pair);
}

/* News that got lost is found out by the next question. */
static void test_core__what_differs_is_asked_in_full(void **state)
{
    struct hark_log_ref logs[4];
    struct pair *pair = level_pair(logs);

    (void)state;
    fake_log_grow(fake_node_intake(pair->b, "z"), 1, 900);
    pass_time(pair, 5100);
    assert_int_equal(pair->passed[HARK_MESSAGE_AGAIN], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_STILL], 1);
    assert_true(pair->passed[HARK_MESSAGE_ASK] > 0);
    assert_int_equal(fake_node_intake(pair->a, "z")->size, 3);
    /* And later it is asked about all at once again. */
    pass_time(pair, 30000);
    assert_true(pair->passed[HARK_MESSAGE_AGAIN] > 1);
    pair_free(pair);
}

/* What came from elsewhere is asked about by itself; of the rest, nothing is new. */
static void test_core__what_grew_here_is_asked_by_itself(void **state)
{
    struct hark_log_ref logs[4];
    struct pair *pair = level_pair(logs);

    (void)state;
    fake_log_grow(fake_node_intake(pair->a, "x"), 1, 900);
    hark_core_grown(pair->a->core, &logs[1]);
    pair->now_ms += 5100;
    (void)hark_core_tick(pair->a->core);
    struct fake_message *ask = expect(pair->a, HARK_MESSAGE_ASK);
    assert_int_equal(ask->frames[1].data[1], 1); /* one cursor */
    fake_message_free(ask);
    pair_free(pair);
}

static void inject_again(struct fake_node *to, const struct fake_node *from, uint64_t id,
                         struct hark_cursor *cursors, size_t count)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_hash digest;
    assert_int_equal(hark_again_digest(&digest, cursors, count, NULL), 0);
    assert_int_equal(hark_again_encode(&body, &digest, NULL), 0);
    inject(to, from, HARK_MESSAGE_AGAIN, id, &body, NULL);
    hark_buf_free(&body);
}

static void assert_still(struct fake_node *node, uint64_t id, bool same)
{
    struct fake_message *message = expect(node, HARK_MESSAGE_STILL);
    assert_int_equal(id_of(message), id);
    assert_int_equal(message->frames[1].data[0], same);
    fake_message_free(message);
}

/* It says nothing of a log that was not asked about, or may not be had any more. */
static void test_core__still_says_no_more_than_tell(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor;

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    cursor = fake_log_cursor(&pair->b->log);
    inject_again(pair->b, pair->a, 70, &cursor, 1); /* a true guess */
    assert_still(pair->b, 70, false);
    inject_again(pair->b, pair->a, 71, NULL, 0);
    assert_still(pair->b, 71, false);
    inject_ask(pair->b, pair->a, 72, &cursor);
    drop(pair->b, HARK_MESSAGE_TELL);
    inject_again(pair->b, pair->a, 73, &cursor, 1);
    assert_still(pair->b, 73, true);
    pair->b->denies = true;
    inject_again(pair->b, pair->a, 74, &cursor, 1);
    assert_still(pair->b, 74, false);
    pair_free(pair);
}

static void inject_still(struct pair *pair, uint64_t id, uint8_t status)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_buf_append_u8(&body, status, NULL), 0);
    inject(pair->a, pair->b, HARK_MESSAGE_STILL, id, &body, NULL);
    hark_buf_free(&body);
}

/* Nor does it answer anything else. */
static void test_core__still_answers_only_again(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = ask_id_of(pair);

    (void)state;
    inject_still(pair, id + 1000, 1);
    assert_int_equal(pair->a->out_count, 0);
    inject_still(pair, id, 1);
    drop(pair->a, HARK_MESSAGE_ERROR);
    pair_free(pair);
}

/* "A reader whose own main log does not reach it yet puts the batch off": no fault
 * of the peer's, and it goes on as soon as the main log has come. */
static void test_core__an_intake_ahead_of_the_main_log(void **state)
{
    struct pair *pair = pair_new();
    struct hark_log_ref logs[2] = {pair->a->log.ref, intake_ref(pair->a, "x")};
    struct fake_log *intake = fake_node_intake(pair->b, "x");

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    fake_log_grow(intake, 2, 100);
    fake_log_grow(intake, 2, 200);
    intake->needs[1] = 2; /* of which there is one */
    follow_logs(pair->a, pair->b, logs, 2);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(fake_node_intake(pair->a, "x")->batches, 1);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    assert_int_equal(pair->a->report.code, 0);
    pass_time(pair, 300000);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    assert_in_range(pair->passed[HARK_MESSAGE_FETCH], 8, 14);
    fake_log_grow(&pair->b->log, 3, 50);
    hark_core_grown(pair->b->core, &pair->b->log.ref);
    settle(pair);
    pass_time(pair, 200);
    assert_equal_logs(pair);
    assert_int_equal(fake_node_intake(pair->a, "x")->batches, 2);
    pair_free(pair);
}

/* The node says the same again after every batch: whatever is under way goes on. */
static void test_core__following_the_same_again_disturbs_nothing(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor more;

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    more = fake_log_cursor(&pair->b->log);
    uint64_t id = ask_id_of(pair);
    follow(pair->a, pair->b);
    (void)hark_core_tick(pair->a->core);
    assert_int_equal(pair->a->out_count, 0);
    inject_tell(pair->a, pair->b, id, HARK_TELL_MORE, &more);
    struct fake_message *fetch = expect(pair->a, HARK_MESSAGE_FETCH);
    follow(pair->a, pair->b);
    (void)hark_core_tick(pair->a->core);
    assert_int_equal(pair->a->out_count, 0);
    fake_deliver(pair->b, fetch);
    fake_message_free(fetch);
    assert_true(pass_one(pair, pair->b, pair->a));
    assert_int_equal(pair->a->pending_count, 1);
    follow(pair->a, pair->b);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 0);
    pair_free(pair);
}

/* "in the order asked": the order of the ask, not of the list as it is now. */
static void test_core__the_list_changes_while_asking(void **state)
{
    struct pair *pair = pair_new();
    struct hark_log_ref logs[4] = {intake_ref(pair->a, "x"), intake_ref(pair->a, "y"),
                                   pair->a->log.ref, intake_ref(pair->a, "z")};
    struct hark_log_ref later[3] = {intake_ref(pair->a, "w"), logs[2], logs[1]};
    struct hark_told told[4];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    follow_logs(pair->a, pair->b, logs, 4);
    (void)hark_core_tick(pair->a->core);
    drop(pair->a, HARK_MESSAGE_HELLO);
    struct fake_message *ask = expect(pair->a, HARK_MESSAGE_ASK);
    follow_logs(pair->a, pair->b, later, 3);
    for (size_t i = 0; i < 4; i++) {
        told[i].status = i == 2 ? HARK_TELL_MORE : HARK_TELL_SAME;
        hark_cursor_empty(&told[i].cursor, &logs[i]);
    }
    told[2].cursor = fake_log_cursor(&pair->b->log);
    assert_int_equal(hark_tell_encode(&body, told, 4, NULL), 0);
    inject(pair->a, pair->b, HARK_MESSAGE_TELL, id_of(ask), &body, NULL);
    assert_int_equal(pair->a->state, HARK_PEER_LIVE);
    struct fake_message *fetch = expect(pair->a, HARK_MESSAGE_FETCH);
    /* What is new in the list is asked for, the rest is not asked again. */
    struct fake_message *second = expect(pair->a, HARK_MESSAGE_ASK);
    struct hark_cursor *cursors = NULL;
    size_t count = 0;
    assert_int_equal(hark_ask_decode(&cursors, &count, hark_buf_span(&second->frames[1]), NULL), 0);
    assert_int_equal(count, 1);
    free(cursors);
    fake_message_free(ask);
    fake_message_free(fetch);
    fake_message_free(second);
    hark_buf_free(&body);
    pair_free(pair);
}

/* A peer that only it can connect from: it is followed as soon as it is heard. */
static void test_core__follows_who_connected_to_us(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);

    (void)state;
    fake_log_grow(&pair->b->log, 2, 1);
    pair->a->send_fails = HARK_E_PEER_UNREACHABLE;
    follow(pair->a, pair->b);
    for (size_t i = 0; i < 60; i++) {
        /* Trying costs little: no more than once in some seconds. */
        assert_true(hark_core_tick(pair->a->core) >= 500 || i < 4);
        pair->now_ms += 10000;
    }
    pair->a->send_fails = 0;
    inject_ask(pair->a, pair->b, 5, &cursor);
    drop(pair->a, HARK_MESSAGE_TELL);
    drop(pair->a, HARK_MESSAGE_ASK);
    pair_free(pair);
}

/* ---- handing in ---- */

static void submit(struct fake_node *node, const struct fake_node *preferred,
                   const uint64_t *values, size_t count)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    if (count > 0)
        fake_submit_body(&body, &node->log.ref.space, values, count);
    assert_int_equal(hark_core_submit(node->core, &node->log.ref.space, hark_buf_span(&body),
                                      preferred != NULL ? &preferred->key : NULL, NULL),
                     0);
    hark_buf_free(&body);
}

static void test_core__handed_in_and_answered(void **state)
{
    struct pair *pair = pair_new();
    static const uint64_t values[] = {5, 13, 1};

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    follow(pair->a, pair->b);
    submit(pair->a, pair->b, values, 3);
    settle(pair);
    assert_int_equal(pair->a->accepted_calls, 1);
    assert_int_equal(pair->a->accepted_code, 0);
    assert_true(hark_key_equal(&pair->a->accepted_by, &pair->b->key));
    assert_int_equal(pair->a->item_count, 3);
    assert_int_equal(pair->a->items[0].status, HARK_ACCEPTED_LOGGED);
    assert_int_equal(pair->a->items[0].position, 1);
    assert_int_equal(pair->a->items[1].status, HARK_ACCEPTED_REFUSED);
    assert_int_equal(pair->a->items[1].code, HARK_E_VOID_ROLE);
    assert_int_equal(pair->a->items[2].position, 0); /* it was there already */
    assert_equal_logs(pair);
    pass_time(pair, 120000);
    assert_int_equal(pair->passed[HARK_MESSAGE_SUBMIT], 1);
    /* Only when it is said again. */
    submit(pair->a, pair->b, values, 1);
    settle(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_SUBMIT], 2);
    assert_int_equal(pair->a->accepted_calls, 2);
    assert_int_equal(pair->b->log.size, 2);
    pair_free(pair);
}

/* The next submit of a node; other messages are dropped. */
static struct fake_message *next_submit(struct fake_node *node)
{
    struct fake_message *message = NULL;
    (void)hark_core_tick(node->core);
    while ((message = fake_node_next(node)) != NULL) {
        if (type_of(message) == HARK_MESSAGE_SUBMIT)
            return message;
        fake_message_free(message);
    }
    return NULL;
}

static bool submits_to(struct fake_node *node, const struct fake_node *to)
{
    struct fake_message *message = next_submit(node);
    bool is = message != NULL && hark_key_equal(&message->to, &to->key);
    if (message != NULL)
        fake_message_free(message);
    return is;
}

static void test_core__handed_in_to_the_preferred(void **state)
{
    struct pair *pair = pair_new();
    struct fake_node *c = fake_node_new("c", 3, SPACE, &pair->now_ms);
    static const uint64_t values[] = {5};

    (void)state;
    follow(pair->a, pair->b);
    follow(pair->a, c);
    submit(pair->a, c, values, 1);
    /* Nobody is there yet; then another than the preferred, which is given a while. */
    assert_null(next_submit(pair->a));
    make_live(pair->a, pair->b);
    assert_null(next_submit(pair->a));
    make_live(pair->a, c);
    assert_true(submits_to(pair->a, c));
    fake_node_free(c);
    pair_free(pair);
}

static void test_core__handed_in_to_another(void **state)
{
    struct pair *pair = pair_new();
    struct fake_node *c = fake_node_new("c", 3, SPACE, &pair->now_ms);
    static const uint64_t values[] = {5};

    (void)state;
    follow(pair->a, pair->b);
    follow(pair->a, c);
    make_live(pair->a, pair->b);
    submit(pair->a, c, values, 1);
    assert_null(next_submit(pair->a));
    pair->now_ms += 3000;
    assert_true(submits_to(pair->a, pair->b));
    /* It does not say a word: another one gets it, who now is there. */
    make_live(pair->a, c);
    pair->now_ms += 14000;
    assert_null(next_submit(pair->a));
    assert_int_equal(pair->a->accepted_calls, 0);
    pair->now_ms += 1500;
    assert_true(submits_to(pair->a, c));
    assert_int_equal(pair->a->accepted_calls, 1);
    assert_int_equal(pair->a->accepted_code, HARK_E_PEER_UNREACHABLE);
    assert_true(hark_key_equal(&pair->a->accepted_by, &pair->b->key));
    fake_node_free(c);
    pair_free(pair);
}

/* Of two that are held to be there, B since so long before C: is it C that A hands in to? */
static bool goes_to_the_second_after(uint64_t ms)
{
    struct pair *pair = pair_new();
    struct fake_node *c = fake_node_new("c", 3, SPACE, &pair->now_ms);
    static const uint64_t values[] = {5};

    follow(pair->a, pair->b);
    follow(pair->a, c);
    make_live(pair->a, pair->b);
    pair->now_ms += ms;
    make_live(pair->a, c);
    submit(pair->a, NULL, values, 1);
    struct fake_message *message = next_submit(pair->a);
    bool does = hark_key_equal(&message->to, &c->key);
    assert_true(does || hark_key_equal(&message->to, &pair->b->key));
    fake_message_free(message);
    fake_node_free(c);
    pair_free(pair);
    return does;
}

/* It stays with the first, unless that one has been silent. */
static void test_core__handed_in_to_who_is_heard(void **state)
{
    (void)state;
    assert_false(goes_to_the_second_after(9999));
    assert_true(goes_to_the_second_after(10000));
}

/* Who refuses as a whole is passed over: for a moment when it is busy, for long when
 * it takes no entries at all. */
static void test_core__passes_over_who_refuses(void **state)
{
    struct pair *pair = pair_new();
    struct fake_node *c = fake_node_new("c", 3, SPACE, &pair->now_ms);
    static const uint64_t values[] = {5};

    (void)state;
    follow(pair->a, pair->b);
    follow(pair->a, c);
    make_live(pair->a, pair->b);
    make_live(pair->a, c);
    submit(pair->a, pair->b, values, 1);
    struct fake_message *message = next_submit(pair->a);
    assert_true(hark_key_equal(&message->to, &pair->b->key));
    inject_error(pair->a, pair->b, id_of(message), HARK_E_ACCEPT_NOT_HERE);
    assert_int_equal(pair->a->accepted_code, HARK_E_ACCEPT_NOT_HERE);
    fake_message_free(message);
    message = next_submit(pair->a);
    assert_true(hark_key_equal(&message->to, &c->key));
    inject_error(pair->a, c, id_of(message), HARK_E_BUSY);
    assert_int_equal(pair->a->accepted_code, HARK_E_BUSY);
    fake_message_free(message);
    assert_null(next_submit(pair->a));
    pair->now_ms += 1000;
    message = next_submit(pair->a);
    assert_true(hark_key_equal(&message->to, &c->key));
    inject_error(pair->a, c, id_of(message), HARK_E_BUSY);
    fake_message_free(message);
    pair->now_ms += 1000; /* longer with each time */
    assert_null(next_submit(pair->a));
    pair->now_ms += 1000;
    assert_true(submits_to(pair->a, c));
    fake_node_free(c);
    pair_free(pair);
}

/* Of A's entry: refused by B, so. Is it C that it is handed in to next? */
static bool goes_to_another_after(int code)
{
    struct pair *pair = pair_new();
    struct fake_node *c = fake_node_new("c", 3, SPACE, &pair->now_ms);
    static const uint64_t values[] = {5};
    struct hark_accepted item = {.status = HARK_ACCEPTED_REFUSED, .code = code};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint8_t entry[8] = {0};

    follow(pair->a, pair->b);
    follow(pair->a, c);
    make_live(pair->a, pair->b);
    make_live(pair->a, c);
    submit(pair->a, pair->b, values, 1);
    struct fake_message *message = next_submit(pair->a);
    fake_entry(entry, 5);
    item.id = hark_sha256(hark_span(entry, sizeof(entry)));
    assert_int_equal(hark_accepted_encode(&body, &pair->a->log.ref.space, &item, 1, NULL), 0);
    inject(pair->a, pair->b, HARK_MESSAGE_ACCEPTED, id_of(message), &body, NULL);
    assert_int_equal(pair->a->item_count, 1);
    assert_null(next_submit(pair->a));
    submit(pair->a, pair->b, values, 1);
    fake_message_free(message);
    message = next_submit(pair->a);
    assert_non_null(message);
    bool other = hark_key_equal(&message->to, &c->key);
    fake_message_free(message);
    hark_buf_free(&body);
    fake_node_free(c);
    pair_free(pair);
    return other;
}

/* All of them refused one by one, for a reason that is the node's: the same. So a node
 * that stands still, and lacks what they follow, does not get them for ever while another
 * would take them. What is wrong with an entry is so everywhere. */
static void test_core__passes_over_who_takes_none(void **state)
{
    (void)state;
    assert_true(goes_to_another_after(HARK_E_ACCEPT_NOT_HERE));
    assert_true(goes_to_another_after(HARK_E_ENTRY_GAP));
    assert_true(goes_to_another_after(HARK_E_ENTRY_KEY));
    assert_true(goes_to_another_after(HARK_E_VOID_RE_NOTHING));
    assert_true(goes_to_another_after(HARK_E_LIMIT));
    assert_false(goes_to_another_after(HARK_E_VOID_ROLE));
}

/* The answer is lost: the same bytes are handed in again, and stand there once. */
static void test_core__a_lost_answer_is_handed_in_again(void **state)
{
    struct pair *pair = pair_new();
    static const uint64_t values[] = {5, 6};

    (void)state;
    follow(pair->a, pair->b);
    make_live(pair->a, pair->b);
    submit(pair->a, pair->b, values, 2);
    struct fake_message *message = next_submit(pair->a);
    fake_deliver(pair->b, message);
    assert_true(fake_node_accept_one(pair->b));
    drop(pair->b, HARK_MESSAGE_ACCEPTED);
    fake_message_free(message);
    pass_time(pair, 21000);
    assert_int_equal(pair->b->log.size, 2);
    assert_int_equal(pair->a->accepted_calls, 2);
    assert_int_equal(pair->a->accepted_code, 0);
    assert_int_equal(pair->a->items[1].position, 1);
    pair_free(pair);
}

static void test_core__what_is_handed_in_is_replaced(void **state)
{
    struct pair *pair = pair_new();
    static const uint64_t values[] = {5, 6, 7};

    (void)state;
    follow(pair->a, pair->b);
    submit(pair->a, pair->b, values, 1);
    submit(pair->a, pair->b, values, 0); /* nothing any more */
    make_live(pair->a, pair->b);
    assert_null(next_submit(pair->a));
    submit(pair->a, pair->b, values, 1);
    struct fake_message *first = next_submit(pair->a);
    submit(pair->a, pair->b, values, 1); /* which is under way already */
    assert_null(next_submit(pair->a));
    submit(pair->a, pair->b, values + 1, 2); /* one at a time */
    assert_null(next_submit(pair->a));
    fake_deliver(pair->b, first);
    assert_true(fake_node_accept_one(pair->b));
    assert_true(pass_one(pair, pair->b, pair->a));
    assert_int_equal(pair->a->item_count, 1);
    struct fake_message *second = next_submit(pair->a);
    assert_non_null(second);
    fake_deliver(pair->b, second);
    assert_true(fake_node_accept_one(pair->b));
    fake_deliver(pair->b, second); /* doubled: answered twice, noticed once */
    assert_true(fake_node_accept_one(pair->b));
    assert_true(pass_one(pair, pair->b, pair->a));
    assert_true(pass_one(pair, pair->b, pair->a));
    assert_int_equal(pair->a->item_count, 2);
    assert_int_equal(pair->a->accepted_calls, 2);
    assert_int_equal(pair->b->log.size, 3);
    assert_null(next_submit(pair->a));
    fake_message_free(first);
    fake_message_free(second);
    pair_free(pair);
}

/* "as many and in the order submitted": whatever else comes is no answer, and who
 * sends it is not asked again for a while. */
static void test_core__accepted_that_does_not_answer(void **state)
{
    static const uint64_t values[] = {5, 6};

    (void)state;
    for (size_t bad = 0; bad < 5; bad++) {
        struct pair *pair = pair_new();
        struct hark_accepted items[3];
        struct hark_hash space = pair->a->log.ref.space;
        struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
        uint8_t entry[8] = {0};
        follow(pair->a, pair->b);
        make_live(pair->a, pair->b);
        submit(pair->a, pair->b, values, 2);
        struct fake_message *message = next_submit(pair->a);
        memset(items, 0, sizeof(items));
        for (size_t i = 0; i < 3; i++) {
            items[i].status = HARK_ACCEPTED_LOGGED;
            fake_entry(entry, 5 + (bad == 0 ? 1 - i : i)); /* 0: turned round */
            items[i].id = hark_sha256(hark_span(entry, sizeof(entry)));
        }
        if (bad == 1)
            items[1].id = items[0].id;
        if (bad == 4)
            space.bytes[0] ^= 1;
        size_t count = bad == 2 ? 1 : bad == 3 ? 3 : 2;
        assert_int_equal(hark_accepted_encode(&body, &space, items, count, NULL), 0);
        inject(pair->a, pair->b, HARK_MESSAGE_ACCEPTED, id_of(message), &body, NULL);
        assert_malformed(pair);
        assert_int_equal(pair->a->accepted_calls, 1);
        assert_int_equal(pair->a->accepted_code, HARK_E_PEER_FORM);
        fake_message_free(message);
        hark_buf_free(&body);
        pair_free(pair);
    }
}

static void inject_accepted(struct fake_node *to, const struct fake_node *from, uint64_t id)
{
    struct hark_accepted item = {.status = HARK_ACCEPTED_LOGGED};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_accepted_encode(&body, &to->log.ref.space, &item, 1, NULL), 0);
    inject(to, from, HARK_MESSAGE_ACCEPTED, id, &body, NULL);
    hark_buf_free(&body);
}

static void inject_joined(struct fake_node *to, const struct fake_node *from, uint64_t id,
                          uint8_t status)
{
    struct hark_joined joined = {.space = to->log.ref.space, .status = status};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_joined_encode(&body, &joined, NULL), 0);
    inject(to, from, HARK_MESSAGE_JOINED, id, &body, NULL);
    hark_buf_free(&body);
}

static void inject_shown(struct fake_node *to, const struct fake_node *from, uint64_t id)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(fake_terms(NULL, &to->log.ref.space, &body, NULL), 0);
    inject(to, from, HARK_MESSAGE_SHOWN, id, &body, NULL);
    hark_buf_free(&body);
}

/* Answers that nobody asked for, or of somebody else's questions, say nothing. */
static void test_core__unsolicited_answers(void **state)
{
    struct pair *pair = pair_new();
    struct fake_node *c = fake_node_new("c", 3, SPACE, &pair->now_ms);
    static const uint64_t values[] = {5};

    (void)state;
    follow(pair->a, pair->b);
    make_live(pair->a, pair->b);
    submit(pair->a, pair->b, values, 1);
    struct fake_message *message = next_submit(pair->a);
    for (uint64_t id = 1; id < 4; id++) {
        inject_accepted(pair->a, pair->b, id);
        inject_joined(pair->a, pair->b, id, HARK_JOINED_ADMITTED);
        inject_shown(pair->a, pair->b, id);
    }
    inject_accepted(pair->a, c, id_of(message));
    inject_joined(pair->a, pair->b, id_of(message), HARK_JOINED_ADMITTED);
    assert_int_equal(pair->a->accepted_calls, 0);
    assert_int_equal(pair->a->answered_calls, 0);
    assert_int_equal(pair->a->out_count, 0);
    assert_int_equal(pair->a->code, 0);
    fake_message_free(message);
    fake_node_free(c);
    pair_free(pair);
}

static void test_core__what_cannot_be_handed_in(void **state)
{
    struct pair *pair = pair_new();
    struct hark_hash other = {{7}};
    struct hark_buf body = hark_buf_init(2 * HARK_BODY_MAX);
    static const uint64_t values[] = {5};

    (void)state;
    fake_submit_body(&body, &pair->a->log.ref.space, values, 1);
    assert_int_equal(hark_core_submit(pair->a->core, &other, hark_buf_span(&body), NULL, NULL),
                     HARK_E_PEER_FORM);
    body.size--;
    assert_int_equal(
        hark_core_submit(pair->a->core, &pair->a->log.ref.space, hark_buf_span(&body), NULL, NULL),
        HARK_E_PEER_FORM);
    assert_int_equal(hark_core_submit(pair->a->core, &other, hark_span(NULL, 0), NULL, NULL), 0);
    hark_buf_free(&body);
    pair_free(pair);
}

/* ---- taking entries ---- */

static void inject_submit(struct fake_node *to, const struct fake_node *from, uint64_t id,
                          uint64_t value)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    fake_submit_body(&body, &to->log.ref.space, &value, 1);
    inject(to, from, HARK_MESSAGE_SUBMIT, id, &body, NULL);
    hark_buf_free(&body);
}

static void inject_join(struct fake_node *to, const struct fake_node *from, uint64_t id)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_join_encode(&body, &to->log.ref.space, hark_span_str("sealed"), NULL), 0);
    inject(to, from, HARK_MESSAGE_JOIN, id, &body, NULL);
    hark_buf_free(&body);
}

static void inject_terms(struct fake_node *to, const struct fake_node *from, uint64_t id,
                         const struct hark_hash *space)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_terms_encode(&body, space, NULL), 0);
    inject(to, from, HARK_MESSAGE_TERMS, id, &body, NULL);
    hark_buf_free(&body);
}

static void test_core__answers_to_what_is_handed_in(void **state)
{
    struct pair *pair = pair_new();
    struct hark_accepted *items = NULL;
    struct hark_hash space;
    size_t count = 0;

    (void)state;
    pair->b->partner = "b";
    inject_submit(pair->b, pair->a, 9, 5);
    assert_int_equal(pair->b->out_count, 0);
    assert_true(fake_node_accept_one(pair->b));
    struct fake_message *message = expect(pair->b, HARK_MESSAGE_ACCEPTED);
    assert_int_equal(id_of(message), 9);
    assert_int_equal(message->via, HARK_VIA_THEIRS + 5);
    assert_int_equal(
        hark_accepted_decode(&space, &items, &count, hark_buf_span(&message->frames[1]), NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(items[0].status, HARK_ACCEPTED_INTAKE);
    free(items);
    fake_message_free(message);
    pair->b->submit_fails = HARK_E_ACCEPT_NOT_HERE;
    inject_submit(pair->b, pair->a, 10, 5);
    expect_error(pair->b, 10, "accept-not-here");
    pair->b->submit_fails = HARK_E_DISK_FULL; /* is nobody's business there */
    inject_submit(pair->b, pair->a, 11, 5);
    expect_error(pair->b, 11, "busy");
    pair->b->submit_fails = 0;
    inject_submit(pair->b, pair->a, 12, 5);
    hark_core_accepted(pair->b->core, pair->b->submitted[0].token, NULL, 0, HARK_E_IO);
    expect_error(pair->b, 12, "busy");
    /* Once answered it is answered. */
    hark_core_accepted(pair->b->core, pair->b->submitted[0].token, NULL, 0, HARK_E_IO);
    assert_int_equal(pair->b->out_count, 0);
    pair_free(pair);
}

/* "a space that it may not have and one that does not exist are answered alike" */
static void test_core__no_handing_in_or_joining_without_right(void **state)
{
    struct pair *pair = pair_new();
    struct hark_hash nowhere = {{9}};

    (void)state;
    pair->b->denies = true;
    inject_submit(pair->b, pair->a, 1, 5);
    expect_error(pair->b, 1, "peer-space");
    inject_terms(pair->b, pair->a, 2, &pair->b->log.ref.space);
    inject_terms(pair->b, pair->a, 2, &nowhere);
    struct fake_message *one = expect(pair->b, HARK_MESSAGE_ERROR);
    struct fake_message *two = expect(pair->b, HARK_MESSAGE_ERROR);
    assert_true(hark_span_equal(hark_buf_span(&one->frames[1]), hark_buf_span(&two->frames[1])));
    fake_message_free(one);
    fake_message_free(two);
    inject_join(pair->b, pair->a, 3);
    expect_error(pair->b, 3, "peer-space");
    assert_int_equal(pair->b->submitted_count, 0);
    assert_int_equal(pair->b->join_count, 0);
    pair_free(pair);
}

/* What may wait here is bounded: 4 of a peer, 64 in all; of each kind. */
static void test_core__what_may_wait(void **state)
{
    struct pair *pair = pair_new();
    size_t busy = 0;

    (void)state;
    for (uint64_t id = 1; id <= 5; id++) {
        inject_submit(pair->b, pair->a, id, id);
        inject_submit(pair->b, pair->a, id, id); /* the network doubles */
        inject_join(pair->b, pair->a, 10 + id);
        inject_join(pair->b, pair->a, 10 + id);
    }
    assert_int_equal(pair->b->submitted_count, 4);
    assert_int_equal(pair->b->join_count, 4);
    expect_error(pair->b, 5, "busy");
    expect_error(pair->b, 5, "busy");
    expect_error(pair->b, 15, "busy");
    expect_error(pair->b, 15, "busy");
    for (size_t i = 0; i < 4; i++)
        hark_buf_free(&pair->b->submitted[i].body);
    for (unsigned i = 0; i < 100; i++) {
        struct fake_node stranger = {.key = {{(uint8_t)i, 7, 7}}};
        pair->b->submitted_count = 0; /* the writer has them, and says nothing yet */
        inject_submit(pair->b, &stranger, 1, 5);
        while (pair->b->out_count > 0) {
            fake_message_free(fake_node_next(pair->b));
            busy++;
        }
        for (size_t k = 0; k < pair->b->submitted_count; k++)
            hark_buf_free(&pair->b->submitted[k].body);
    }
    pair->b->submitted_count = 0;
    assert_int_equal(busy, 40);
    /* An outcome that never comes does not keep its place for ever. */
    pair->now_ms += 121000;
    (void)hark_core_tick(pair->b->core);
    inject_submit(pair->b, pair->a, 77, 5);
    assert_int_equal(pair->b->submitted_count, 1);
    pair_free(pair);
}

static void test_core__malformed_submit(void **state)
{
    struct pair *pair = pair_new();
    static const uint8_t types[] = {HARK_MESSAGE_SUBMIT, HARK_MESSAGE_TERMS, HARK_MESSAGE_JOIN};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    assert_int_equal(hark_buf_append(&body, "x", 1, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        inject(pair->b, pair->a, types[i], 3, &body, NULL);
        expect_error(pair->b, 3, "peer-form");
        pair->now_ms += 61000;
    }
    hark_buf_free(&body);
    pair_free(pair);
}

/* ---- joining ---- */

static void request(struct fake_node *node, const struct fake_node *peer, uint8_t type,
                    uint64_t patience_ms)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(
        type == HARK_MESSAGE_TERMS
            ? hark_terms_encode(&body, &node->log.ref.space, NULL)
            : hark_join_encode(&body, &node->log.ref.space, hark_span_str("sealed"), NULL),
        0);
    assert_int_equal(
        hark_core_request(node->core, &peer->key, type, hark_buf_span(&body), patience_ms, NULL),
        0);
    hark_buf_free(&body);
}

/* One with a ticket: it may ask about joining, and for nothing else. */
static void test_core__asks_to_join(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);

    (void)state;
    pair->b->denies = true;
    pair->b->may_join = true;
    request(pair->a, pair->b, HARK_MESSAGE_TERMS, 60000);
    settle(pair);
    assert_int_equal(pair->a->answered_calls, 1);
    assert_int_equal(pair->a->answered_type, HARK_MESSAGE_SHOWN);
    assert_int_equal(pair->a->answered_code, 0);
    request(pair->a, pair->b, HARK_MESSAGE_JOIN, 60000);
    settle(pair);
    assert_int_equal(pair->a->answered_calls, 1);
    assert_true(fake_node_join_one(pair->b, HARK_JOINED_WAITING, 0));
    settle(pair);
    assert_int_equal(pair->a->answered_calls, 2);
    assert_int_equal(pair->a->answered_type, HARK_MESSAGE_JOINED);
    assert_int_equal(pair->a->answered_code, 0);
    /* Answered once, asked once, and nobody is talked to any more. */
    memset(pair->passed, 0, sizeof(pair->passed));
    pass_time(pair, 300000);
    assert_int_equal(pair->passed[HARK_MESSAGE_HELLO], 0);
    assert_int_equal(pair->a->answered_calls, 2);
    inject_ask(pair->b, pair->a, 5, &cursor);
    assert_int_equal(told_by(pair->b).status, HARK_TELL_REFUSED);
    pair_free(pair);
}

static void test_core__nobody_there_to_join(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->a->send_fails = HARK_E_PEER_UNREACHABLE;
    request(pair->a, pair->b, HARK_MESSAGE_TERMS, 8000);
    pass_time(pair, 7900);
    assert_int_equal(pair->a->answered_calls, 0);
    pass_time(pair, 200);
    assert_int_equal(pair->a->answered_calls, 1);
    assert_int_equal(pair->a->answered_code, HARK_E_PEER_UNREACHABLE);
    assert_int_equal(pair->a->answered_type, HARK_MESSAGE_SHOWN);
    /* And when somebody is, in time. */
    request(pair->a, pair->b, HARK_MESSAGE_TERMS, 8000);
    pass_time(pair, 1000);
    pair->a->send_fails = 0;
    pass_time(pair, 6000);
    assert_int_equal(pair->a->answered_calls, 2);
    assert_int_equal(pair->a->answered_code, 0);
    pair_free(pair);
}

/* Busy is asked again while there is patience; a refusal is one at once. */
static void test_core__joining_who_is_busy(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->b->join_fails = HARK_E_BUSY;
    request(pair->a, pair->b, HARK_MESSAGE_JOIN, 8000);
    pass_time(pair, 7000);
    assert_in_range(pair->passed[HARK_MESSAGE_JOIN], 5, 8);
    assert_int_equal(pair->a->answered_calls, 0);
    pass_time(pair, 2000);
    assert_int_equal(pair->a->answered_calls, 1);
    assert_int_equal(pair->a->answered_code, HARK_E_BUSY);
    pair->b->denies = true;
    request(pair->a, pair->b, HARK_MESSAGE_JOIN, 8000);
    settle(pair);
    assert_int_equal(pair->a->answered_calls, 2);
    assert_int_equal(pair->a->answered_code, HARK_E_PEER_SPACE);
    pair_free(pair);
}

/* The answer is lost, or late: the same is asked again, and answered once. */
static void test_core__a_lost_answer_to_a_join(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    request(pair->a, pair->b, HARK_MESSAGE_JOIN, 60000);
    request(pair->a, pair->b, HARK_MESSAGE_JOIN, 60000); /* replaces the first */
    settle(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_JOIN], 1);
    pass_time(pair, 16000);
    assert_int_equal(pair->passed[HARK_MESSAGE_JOIN], 2);
    assert_int_equal(pair->b->join_count, 2);
    assert_true(fake_node_join_one(pair->b, HARK_JOINED_ADMITTED, 0)); /* too late */
    settle(pair);
    assert_int_equal(pair->a->answered_calls, 0);
    assert_true(fake_node_join_one(pair->b, HARK_JOINED_ADMITTED, 0));
    settle(pair);
    pass_time(pair, 60000);
    assert_int_equal(pair->a->answered_calls, 1);
    assert_int_equal(pair->a->answered_code, 0);
    pair_free(pair);
}

static void test_core__an_answer_to_another_question(void **state)
{
    (void)state;
    for (size_t bad = 0; bad < 2; bad++) {
        struct pair *pair = pair_new();
        make_live(pair->a, pair->b);
        request(pair->a, pair->b, HARK_MESSAGE_TERMS, 60000);
        (void)hark_core_tick(pair->a->core);
        while (pair->a->out_count > 1)
            fake_message_free(fake_node_next(pair->a));
        struct fake_message *message = expect(pair->a, HARK_MESSAGE_TERMS);
        struct fake_node other = {.log.ref.space = {{7}}};
        if (bad == 0) {
            inject_joined(pair->a, pair->b, id_of(message), HARK_JOINED_ADMITTED);
        } else {
            struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
            assert_int_equal(fake_terms(NULL, &other.log.ref.space, &body, NULL), 0);
            inject(pair->a, pair->b, HARK_MESSAGE_SHOWN, id_of(message), &body, NULL);
            hark_buf_free(&body);
        }
        assert_malformed(pair);
        assert_int_equal(pair->a->answered_calls, 1);
        assert_int_equal(pair->a->answered_code, HARK_E_PEER_FORM);
        fake_message_free(message);
        pair_free(pair);
    }
}

/* Whoever is forgotten answers nothing any more, and that is said. */
static void test_core__forgotten_while_asked(void **state)
{
    struct pair *pair = pair_new();
    static const uint64_t values[] = {5};

    (void)state;
    follow(pair->a, pair->b);
    make_live(pair->a, pair->b);
    submit(pair->a, pair->b, values, 1);
    request(pair->a, pair->b, HARK_MESSAGE_TERMS, 60000);
    fake_message_free(next_submit(pair->a));
    hark_core_forget(pair->a->core, &pair->b->key);
    assert_int_equal(pair->a->accepted_calls, 1);
    assert_int_equal(pair->a->accepted_code, HARK_E_PEER_UNREACHABLE);
    assert_int_equal(pair->a->answered_calls, 1);
    assert_int_equal(pair->a->answered_code, HARK_E_PEER_UNREACHABLE);
    follow(pair->a, pair->b); /* and here it is again */
    settle(pair);
    assert_int_equal(pair->b->log.size, 1);
    pair_free(pair);
}

static void test_core__limits_of_asking(void **state)
{
    struct pair *pair = pair_new();
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    assert_int_equal(hark_terms_encode(&body, &pair->a->log.ref.space, NULL), 0);
    assert_int_equal(hark_core_request(pair->a->core, &pair->b->key, HARK_MESSAGE_JOIN,
                                       hark_buf_span(&body), 1000, NULL),
                     HARK_E_PEER_FORM);
    assert_int_equal(hark_core_request(pair->a->core, &pair->b->key, HARK_MESSAGE_ASK,
                                       hark_buf_span(&body), 1000, NULL),
                     HARK_E_PEER_FORM);
    for (unsigned i = 0; i < 257; i++) {
        struct hark_key peer = {{(uint8_t)(i >> 8), (uint8_t)i, 9}};
        assert_int_equal(hark_core_request(pair->a->core, &peer, HARK_MESSAGE_TERMS,
                                           hark_buf_span(&body), 1000, NULL),
                         i < 256 ? 0 : HARK_E_LIMIT);
    }
    hark_buf_free(&body);
    pair->now_ms += 1000;
    (void)hark_core_tick(pair->a->core);
    assert_int_equal(pair->a->answered_calls, 256);
    pair_free(pair);
}

/* ---- bounds of what is known ---- */

static void test_core__more_peers_than_there_is_room_for(void **state)
{
    struct pair *pair = pair_new();
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);

    (void)state;
    fake_log_grow(&pair->b->log, 1, 1);
    for (unsigned i = 0; i < 3000; i++) {
        struct fake_node stranger = {.key = {{(uint8_t)(i >> 8), (uint8_t)i, 7}}};
        pair->now_ms++;
        inject_ask(pair->b, &stranger, 1, &cursor);
        drop(pair->b, HARK_MESSAGE_TELL);
    }
    /* Those that we follow are never pushed out by those that ask. */
    follow(pair->b, pair->a);
    for (unsigned i = 0; i < 3000; i++) {
        struct fake_node stranger = {.key = {{(uint8_t)(i >> 8), (uint8_t)i, 8}}};
        pair->now_ms++;
        inject_ask(pair->b, &stranger, 1, &cursor);
        drop(pair->b, HARK_MESSAGE_TELL);
    }
    (void)hark_core_tick(pair->b->core);
    drop(pair->b, HARK_MESSAGE_HELLO);
    pair_free(pair);
}

static void test_core__limits_of_following(void **state)
{
    struct pair *pair = pair_new();
    struct hark_log_ref *logs = calloc(4097, sizeof(*logs));
    struct hark_key peer = {{0}};

    (void)state;
    assert_non_null(logs);
    assert_int_equal(hark_core_follow(pair->a->core, &peer, logs, 4097, NULL), HARK_E_LIMIT);
    for (unsigned i = 0; i < 1024; i++) {
        peer = (struct hark_key){{(uint8_t)(i >> 8), (uint8_t)i, 9}};
        assert_int_equal(hark_core_follow(pair->a->core, &peer, NULL, 0, NULL), 0);
    }
    peer.bytes[2] = 10;
    assert_int_equal(hark_core_follow(pair->a->core, &peer, NULL, 0, NULL), HARK_E_LIMIT);
    free(logs);
    pair_free(pair);
}

/* The same space twice is asked for once. */
static void test_core__following_twice_is_once(void **state)
{
    struct pair *pair = pair_new();
    struct hark_log_ref logs[2] = {pair->a->log.ref, pair->a->log.ref};

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    assert_int_equal(hark_core_follow(pair->a->core, &pair->b->key, logs, 2, NULL), 0);
    settle(pair);
    assert_equal_logs(pair);
    assert_int_equal(pair->passed[HARK_MESSAGE_FETCH], 1);
    /* And another list replaces the one before, in the midst of everything. */
    hark_core_ask_now(pair->a->core);
    (void)hark_core_tick(pair->a->core);
    assert_int_equal(hark_core_follow(pair->a->core, &pair->b->key, NULL, 0, NULL), 0);
    memset(pair->passed, 0, sizeof(pair->passed));
    settle(pair);
    assert_true(pair->passed[HARK_MESSAGE_ASK] <= 1);
    pass_time(pair, 20000);
    assert_true(pair->passed[HARK_MESSAGE_ASK] <= 1);
    pair_free(pair);
}

static void test_core__names(void **state)
{
    struct hark_core_io io = {0};
    struct hark_core *core = NULL;

    (void)state;
    assert_int_equal(hark_core_new(&core, "Not a name", &io, NULL), HARK_E_CONFIG);
    assert_null(core);
    hark_core_free(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_core__first_words),
    cmocka_unit_test(test_core__catches_up_in_several_fetches),
    cmocka_unit_test(test_core__slow_answers_stay_small),
    cmocka_unit_test(test_core__nothing_new_is_one_ask_and_one_tell),
    cmocka_unit_test(test_core__news_each_time),
    cmocka_unit_test(test_core__news_once_until_asked_again),
    cmocka_unit_test(test_core__news_while_asking),
    cmocka_unit_test(test_core__fetched_from_one_of_two),
    cmocka_unit_test(test_core__no_news_without_right),
    cmocka_unit_test(test_core__both_follow_each_other),
    cmocka_unit_test(test_core__answers_go_back_the_same_way),
    cmocka_unit_test(test_core__refused_is_reported_and_asked_slowly),
    cmocka_unit_test(test_core__refused_is_asked_again_when_it_asks),
    cmocka_unit_test(test_core__no_right_and_no_space_are_alike),
    cmocka_unit_test(test_core__another_history_does_not_fit),
    cmocka_unit_test(test_core__behind_is_no_fault),
    cmocka_unit_test(test_core__behind_with_another_history_is_named),
    cmocka_unit_test(test_core__news_of_who_was_behind),
    cmocka_unit_test(test_core__news_of_who_was_behind_after_a_failure),
    cmocka_unit_test(test_core__own_log_that_cannot_be_read_accuses_nobody),
    cmocka_unit_test(test_core__own_log_that_cannot_be_read_is_not_empty),
    cmocka_unit_test(test_core__a_log_that_cannot_be_read_is_not_told_to_be_shorter),
    cmocka_unit_test(test_core__statuses),
    cmocka_unit_test(test_core__a_batch_without_entries_is_more),
    cmocka_unit_test(test_core__an_intake_that_is_not_here),
    cmocka_unit_test(test_core__fetch_of_nothing),
    cmocka_unit_test(test_core__backs_off_from_who_is_silent),
    cmocka_unit_test(test_core__a_lost_answer_is_asked_for_again),
    cmocka_unit_test(test_core__a_lost_load_is_fetched_again),
    cmocka_unit_test(test_core__a_broken_connection_is_no_wait),
    cmocka_unit_test(test_core__a_broken_connection_while_appending),
    cmocka_unit_test(test_core__unsent_is_tried_again),
    cmocka_unit_test(test_core__writable_is_tried_at_once),
    cmocka_unit_test(test_core__ask_now),
    cmocka_unit_test(test_core__rests_when_idle),
    cmocka_unit_test(test_core__append_failure_is_told_and_slow),
    cmocka_unit_test(test_core__whose_fault_it_is),
    cmocka_unit_test(test_core__append_busy_keeps_the_load),
    cmocka_unit_test(test_core__fetches_ahead_while_appending),
    cmocka_unit_test(test_core__what_is_ahead_goes_with_what_failed),
    cmocka_unit_test(test_core__what_is_ahead_of_another_end_is_dropped),
    cmocka_unit_test(test_core__a_lost_load_ahead_is_fetched_again),
    cmocka_unit_test(test_core__load_that_came_too_late),
    cmocka_unit_test(test_core__load_for_another_history),
    cmocka_unit_test(test_core__append_of_nothing),
    cmocka_unit_test(test_core__append_after_forgetting),
    cmocka_unit_test(test_core__tells_that_cannot_be),
    cmocka_unit_test(test_core__answers_to_no_question),
    cmocka_unit_test(test_core__batches_for_another_cursor),
    cmocka_unit_test(test_core__malformed_is_answered_once),
    cmocka_unit_test(test_core__too_many_frames),
    cmocka_unit_test(test_core__version_is_told_and_forgiven),
    cmocka_unit_test(test_core__errors_are_never_answered),
    cmocka_unit_test(test_core__told_that_we_are_malformed),
    cmocka_unit_test(test_core__fetch_refused),
    cmocka_unit_test(test_core__a_peer_cannot_say_that_our_disk_is_full),
    cmocka_unit_test(test_core__flood),
    cmocka_unit_test(test_core__a_busy_home_is_no_flood),
    cmocka_unit_test(test_core__fetching_without_end),
    cmocka_unit_test(test_core__hellos_end),
    cmocka_unit_test(test_core__hello_that_nobody_asked),
    cmocka_unit_test(test_core__intakes_are_logs_like_others),
    cmocka_unit_test(test_core__many_logs_are_asked_about_at_once),
    cmocka_unit_test(test_core__what_differs_is_asked_in_full),
    cmocka_unit_test(test_core__what_grew_here_is_asked_by_itself),
    cmocka_unit_test(test_core__still_says_no_more_than_tell),
    cmocka_unit_test(test_core__still_answers_only_again),
    cmocka_unit_test(test_core__an_intake_ahead_of_the_main_log),
    cmocka_unit_test(test_core__following_the_same_again_disturbs_nothing),
    cmocka_unit_test(test_core__the_list_changes_while_asking),
    cmocka_unit_test(test_core__follows_who_connected_to_us),
    cmocka_unit_test(test_core__handed_in_and_answered),
    cmocka_unit_test(test_core__handed_in_to_the_preferred),
    cmocka_unit_test(test_core__handed_in_to_who_is_heard),
    cmocka_unit_test(test_core__handed_in_to_another),
    cmocka_unit_test(test_core__passes_over_who_refuses),
    cmocka_unit_test(test_core__passes_over_who_takes_none),
    cmocka_unit_test(test_core__a_lost_answer_is_handed_in_again),
    cmocka_unit_test(test_core__what_is_handed_in_is_replaced),
    cmocka_unit_test(test_core__accepted_that_does_not_answer),
    cmocka_unit_test(test_core__unsolicited_answers),
    cmocka_unit_test(test_core__what_cannot_be_handed_in),
    cmocka_unit_test(test_core__answers_to_what_is_handed_in),
    cmocka_unit_test(test_core__no_handing_in_or_joining_without_right),
    cmocka_unit_test(test_core__what_may_wait),
    cmocka_unit_test(test_core__malformed_submit),
    cmocka_unit_test(test_core__asks_to_join),
    cmocka_unit_test(test_core__nobody_there_to_join),
    cmocka_unit_test(test_core__joining_who_is_busy),
    cmocka_unit_test(test_core__a_lost_answer_to_a_join),
    cmocka_unit_test(test_core__an_answer_to_another_question),
    cmocka_unit_test(test_core__forgotten_while_asked),
    cmocka_unit_test(test_core__limits_of_asking),
    cmocka_unit_test(test_core__more_peers_than_there_is_room_for),
    cmocka_unit_test(test_core__limits_of_following),
    cmocka_unit_test(test_core__following_twice_is_once),
    cmocka_unit_test(test_core__names),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
