/*
 * replication/core, cosigned checkpoints: who is shown them, when and how often, and
 * what is made of those that are shown to us. B has them, and A asks B.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core_pair.h"

#define SPACES 2000u

/* ---- showing ---- */

/* The id of the cosign that B sends next. */
static uint64_t shown_by(struct fake_node *node)
{
    struct fake_message *message = expect(node, HARK_MESSAGE_COSIGN);
    uint64_t id = id_of(message);
    fake_message_free(message);
    return id;
}

/* B has something to show, and A has asked about it: the id under which it was shown. */
static uint64_t shown(struct pair *pair)
{
    fake_node_note(pair->b, 1, 7);
    ask_b(pair, 5);
    uint64_t id = shown_by(pair->b);
    drop(pair->b, HARK_MESSAGE_TELL);
    return id;
}

static bool shows(struct pair *pair)
{
    (void)hark_core_tick(pair->b->core);
    if (pair->b->out_count == 0)
        return false;
    (void)shown_by(pair->b);
    assert_int_equal(pair->b->out_count, 0);
    return true;
}

/* Nothing is shown for just that long, however often the core is asked; and then it is. */
static void assert_shown_after(struct pair *pair, uint64_t ms)
{
    uint64_t end = pair->now_ms + ms;
    size_t ticks = 0;
    while (pair->now_ms < end) {
        uint64_t step = hark_core_tick(pair->b->core);
        assert_int_equal(pair->b->out_count, 0);
        assert_true(++ticks < 20);
        pair->now_ms = step < end - pair->now_ms ? pair->now_ms + step : end;
    }
    assert_true(shows(pair));
}

/* "Who asks is shown them before it is told", the same way. */
static void test_core_cosign__shown_before_the_tell(void **state)
{
    struct pair *pair = pair_new();
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash space;
    size_t count = 0;

    (void)state;
    fake_node_note(pair->b, 1, 7);
    fake_node_note(pair->b, 0, 9);
    assert_int_equal(pair->b->out_count, 0);
    ask_b(pair, 5);
    struct fake_message *message = expect(pair->b, HARK_MESSAGE_COSIGN);
    assert_int_equal(message->via, HARK_VIA_THEIRS + 5);
    assert_int_not_equal(id_of(message), 0);
    assert_int_equal(
        hark_cosign_decode(&space, notes, &count, hark_buf_span(&message->frames[1]), NULL), 0);
    assert_true(hark_hash_equal(&space, &pair->b->log.ref.space));
    assert_int_equal(count, 2);
    fake_message_free(message);
    drop(pair->b, HARK_MESSAGE_TELL);
    assert_int_equal(pair->b->out_count, 0);
    pair_free(pair);
}

/* Who asks about nothing but an intake, or where there is nothing to show, gets a tell. */
static void test_core_cosign__nothing_to_show(void **state)
{
    struct pair *pair = pair_new();
    struct hark_log_ref intake = pair->a->log.ref;
    struct hark_cursor cursor;

    (void)state;
    ask_b(pair, 5);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair_free(pair);

    pair = pair_new();
    fake_node_note(pair->b, 1, 7);
    memcpy(intake.node, "c", 2);
    hark_cursor_empty(&cursor, &intake);
    inject_ask(pair->b, pair->a, 5, &cursor);
    drop(pair->b, HARK_MESSAGE_TELL);
    assert_int_equal(pair->b->out_count, 0);
    pair_free(pair);
}

/* "The quiet sync stays one question and one answer." */
static void test_core_cosign__shown_once_and_when_changed(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    fake_node_note(pair->b, 1, 2);
    follow(pair->a, pair->b);
    settle(pair);
    assert_int_equal(pair->a->cosigned[1], 2);
    assert_int_equal(pair->passed[HARK_MESSAGE_COSIGN], 1);
    size_t calls = pair->b->notes_calls;
    pass_time(pair, 120000);
    assert_int_equal(pair->passed[HARK_MESSAGE_COSIGN], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_NOTED], 1);
    assert_int_equal(pair->passed[HARK_MESSAGE_ERROR], 0);
    assert_int_equal(pair->b->notes_calls, calls);
    fake_node_note(pair->b, 2, 3);
    settle(pair);
    assert_int_equal(pair->a->cosigned[2], 3);
    assert_int_equal(pair->passed[HARK_MESSAGE_COSIGN], 2);
    /* It changed, they say, but it did not. */
    hark_core_noted(pair->b->core, &pair->b->log.ref.space);
    pass_time(pair, 60000);
    assert_int_equal(pair->passed[HARK_MESSAGE_COSIGN], 2);
    pair_free(pair);
}

/* Two who follow each other show each other what they have, and then rest. */
static void test_core_cosign__both_ways(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_log_grow(&pair->b->log, 3, 1);
    fake_node_note(pair->a, 0, 4);
    fake_node_note(pair->b, 1, 5);
    follow(pair->a, pair->b);
    follow(pair->b, pair->a);
    settle(pair);
    assert_int_equal(pair->a->cosigned[1], 5);
    assert_int_equal(pair->b->cosigned[0], 4);
    size_t cosigns = pair->passed[HARK_MESSAGE_COSIGN];
    assert_true(cosigns <= 6);
    pass_time(pair, 60000);
    assert_int_equal(pair->passed[HARK_MESSAGE_COSIGN], cosigns);
    pair_free(pair);
}

/* What came meanwhile is shown when the answer is there. */
static void test_core_cosign__changed_while_under_way(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = shown(pair);

    (void)state;
    fake_node_note(pair->b, 2, 8);
    assert_false(shows(pair));
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    assert_true(shows(pair));
    pair_free(pair);
}

/* "A hello: it may have started anew." */
static void test_core_cosign__shown_again_after_hello(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = shown(pair);

    (void)state;
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    assert_false(shows(pair));
    inject_hello(pair->b, pair->a, 77);
    drop(pair->b, HARK_MESSAGE_HELLO);
    id = 0;
    ask_b(pair, 6);
    id = shown_by(pair->b);
    drop(pair->b, HARK_MESSAGE_TELL);
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    /* The same hello once more, and one that answers ours, are no questions. */
    inject_hello(pair->b, pair->a, 77);
    assert_false(shows(pair));
    follow(pair->b, pair->a);
    pair->now_ms += 31000;
    (void)hark_core_tick(pair->b->core);
    struct fake_message *hello = expect(pair->b, HARK_MESSAGE_HELLO);
    drop(pair->b, HARK_MESSAGE_ASK);
    inject_hello(pair->b, pair->a, id_of(hello));
    fake_message_free(hello);
    assert_false(shows(pair));
    pair_free(pair);
}

/* What went to who it was before its start is not waited for: it would hold up what is
 * to come before the tell. */
static void test_core_cosign__hello_while_under_way(void **state)
{
    struct pair *pair = pair_new();
    uint64_t before = shown(pair);

    (void)state;
    inject_hello(pair->b, pair->a, 77);
    drop(pair->b, HARK_MESSAGE_HELLO);
    ask_b(pair, 6);
    uint64_t id = shown_by(pair->b);
    assert_int_not_equal(id, before);
    drop(pair->b, HARK_MESSAGE_TELL);
    inject_noted(pair->b, pair->a, before, &pair->b->log.ref.space); /* late */
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    assert_false(shows(pair));
    pair_free(pair);
}

static void test_core_cosign__again_after_an_error(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = shown(pair);

    (void)state;
    inject_error(pair->b, pair->a, id, HARK_E_BUSY);
    pair->now_ms += 9999;
    ask_b(pair, 6); /* which brings nothing forward */
    drop(pair->b, HARK_MESSAGE_TELL);
    assert_false(shows(pair));
    pair->now_ms++;
    (void)hark_core_tick(pair->b->core);
    for (size_t i = 0; i < 3; i++) {
        id = shown_by(pair->b);
        inject_error(pair->b, pair->a, id, i == 1 ? HARK_E_DISK_FULL : HARK_E_BEHIND);
        ask_b(pair, 7 + i);
        drop(pair->b, HARK_MESSAGE_TELL);
        pair->now_ms += 29999;
        assert_false(shows(pair));
        ask_b(pair, 70 + i); /* it is still there */
        drop(pair->b, HARK_MESSAGE_TELL);
        pair->now_ms++;
        (void)hark_core_tick(pair->b->core);
    }
    id = shown_by(pair->b);
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    /* And the next time it begins anew. */
    fake_node_note(pair->b, 1, 8);
    id = shown_by(pair->b);
    inject_error(pair->b, pair->a, id, HARK_E_BUSY);
    assert_shown_after(pair, 10000);
    pair_free(pair);
}

static void test_core_cosign__again_after_silence(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    (void)shown(pair);
    assert_shown_after(pair, 15000 + 10000);
    assert_shown_after(pair, 15000 + 30000);
    pair_free(pair);
}

/* What cannot be sent, or be read here, is tried again, and does not spin. */
static void test_core_cosign__again_after_our_own_trouble(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_node_note(pair->b, 1, 7);
    pair->b->send_fails = HARK_E_PEER_UNREACHABLE;
    ask_b(pair, 5);
    pair->b->send_fails = 0;
    assert_shown_after(pair, 10000);
    hark_core_lost(pair->b->core, &pair->a->key);
    pair->b->notes_fail = HARK_E_IO;
    pair->now_ms += 30000;
    assert_false(shows(pair));
    pair->b->notes_fail = 0;
    assert_shown_after(pair, 30000);
    pair_free(pair);
}

/* A connection that broke: what is under way is not waited for, and the next goes by
 * whatever connection there is. */
static void test_core_cosign__again_after_a_broken_connection(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = shown(pair);

    (void)state;
    hark_core_lost(pair->b->core, &pair->a->key);
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space); /* to nothing */
    pair->now_ms += 10000;
    (void)hark_core_tick(pair->b->core);
    struct fake_message *message = expect(pair->b, HARK_MESSAGE_COSIGN);
    assert_int_equal(message->via, HARK_VIA_ANY);
    fake_message_free(message);
    pair_free(pair);
}

/* Who is not there is not talked to; once it is heard it is shown what there is. */
static void test_core_cosign__not_to_who_is_gone(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = shown(pair);

    (void)state;
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    pair->now_ms += 91000;
    (void)hark_core_tick(pair->b->core);
    fake_node_note(pair->b, 1, 8);
    assert_true(hark_core_tick(pair->b->core) > 60000);
    assert_int_equal(pair->b->out_count, 0);
    ask_b(pair, 6);
    (void)shown_by(pair->b);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair_free(pair);
}

/* An older node takes it for rubbish, and mutes us: not every few seconds, then. */
static void test_core_cosign__to_who_does_not_know_it(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = shown(pair);

    (void)state;
    inject_error(pair->b, pair->a, id, HARK_E_PEER_FORM);
    for (uint64_t i = 0; i < 7; i++) {
        pair->now_ms += 60000;
        inject_hello(pair->b, pair->a, 100 + i);
        drop(pair->b, HARK_MESSAGE_HELLO);
        ask_b(pair, 200 + i);
        drop(pair->b, HARK_MESSAGE_TELL);
        assert_false(shows(pair));
    }
    pair->now_ms += 60000;
    ask_b(pair, 300);
    (void)shown_by(pair->b);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair_free(pair);
}

/* A peer without the right is neither shown nor heard. */
static void test_core_cosign__not_without_right(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    fake_node_note(pair->b, 1, 7);
    pair->b->denies = true;
    ask_b(pair, 5);
    assert_int_equal(told_by(pair->b).status, HARK_TELL_REFUSED);
    assert_false(shows(pair));
    assert_int_equal(pair->b->notes_calls, 0);
    pair->b->denies = false;
    ask_b(pair, 6);
    inject_noted(pair->b, pair->a, shown_by(pair->b), &pair->b->log.ref.space);
    drop(pair->b, HARK_MESSAGE_TELL);
    /* It is not any more; and is again, and asks: nobody knows what it has. */
    pair->b->denies = true;
    fake_node_note(pair->b, 1, 8);
    assert_false(shows(pair));
    pair->b->denies = false;
    assert_false(shows(pair));
    ask_b(pair, 7);
    (void)shown_by(pair->b);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair_free(pair);
}

static void test_core_cosign__answers_that_are_none(void **state)
{
    (void)state;
    for (size_t bad = 0; bad < 4; bad++) {
        struct pair *pair = pair_new();
        uint64_t id = shown(pair);
        struct hark_hash other = {{7}};
        struct hark_cursor cursor = fake_log_cursor(&pair->a->log);
        struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
        /* To nothing, of whatever space: it may be late. */
        inject_noted(pair->b, pair->a, id + 1000, &pair->b->log.ref.space);
        inject_noted(pair->b, pair->a, id + 1000, &other);
        assert_int_equal(pair->b->out_count, 0);
        switch (bad) {
        case 0:
            inject_noted(pair->b, pair->a, id, &other);
            break;
        case 1:
            assert_int_equal(hark_buf_append(&body, "x", 1, NULL), 0);
            inject(pair->b, pair->a, HARK_MESSAGE_NOTED, id, &body, NULL);
            break;
        case 2:
            assert_int_equal(hark_still_encode(&body, true, NULL), 0);
            inject(pair->b, pair->a, HARK_MESSAGE_STILL, id, &body, NULL);
            break;
        default:
            inject_tell(pair->b, pair->a, id, HARK_TELL_SAME, &cursor);
            break;
        }
        hark_buf_free(&body);
        expect_error(pair->b, id, "peer-form");
        assert_int_equal(pair->b->state, HARK_PEER_REFUSED);
        /* Muted: nothing is shown until that is over, and it is heard again. */
        pair->now_ms += 59000;
        assert_false(shows(pair));
        pair->now_ms += 2000;
        assert_false(shows(pair));
        ask_b(pair, 9);
        (void)shown_by(pair->b);
        drop(pair->b, HARK_MESSAGE_TELL);
        pair_free(pair);
    }
}

/* Forgotten in the midst of it, and here again: nothing of before counts. */
static void test_core_cosign__forgotten_while_under_way(void **state)
{
    struct pair *pair = pair_new();
    uint64_t id = shown(pair);

    (void)state;
    hark_core_forget(pair->b->core, &pair->a->key);
    inject_noted(pair->b, pair->a, id, &pair->b->log.ref.space);
    fake_node_note(pair->b, 1, 8);
    assert_false(shows(pair));
    ask_b(pair, 6);
    (void)shown_by(pair->b);
    drop(pair->b, HARK_MESSAGE_TELL);
    pair_free(pair);
}

/* ---- many spaces ---- */

struct many {
    uint64_t now_ms, next_id, ids[SPACES];
    struct hark_core *core;
    size_t under_way, cosigns, notes, tells, errors;
    uint64_t version;
    bool large; /* what there is to show: nearly 1 MiB */
};

static uint64_t many_now(void *arg)
{
    const struct many *many = arg;
    return many->now_ms;
}

static struct hark_hash many_space(size_t i)
{
    uint8_t bytes[8];
    hark_put_u64(bytes, i);
    return hark_sha256(hark_span(bytes, sizeof(bytes)));
}

static int many_send(void *arg, const struct hark_key *peer, uint64_t via,
                     const struct hark_message *message, struct hark_err *err)
{
    struct many *many = arg;
    (void)peer;
    (void)via;
    (void)err;
    many->tells += message->type == HARK_MESSAGE_TELL;
    many->errors += message->type == HARK_MESSAGE_ERROR;
    if (message->type == HARK_MESSAGE_COSIGN) {
        assert_true(many->under_way < HARK_COSIGN_MAX);
        many->ids[many->under_way++] = message->id;
        many->cosigns++;
    }
    return 0;
}

static bool many_may_have(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    (void)arg;
    (void)peer;
    (void)space;
    return true;
}

static int many_cursor(void *arg, const struct hark_log_ref *log, struct hark_cursor *out,
                       struct hark_err *err)
{
    (void)arg;
    (void)log;
    (void)out;
    (void)err;
    return HARK_E_NOT_FOUND;
}

static int many_notes(void *arg, const struct hark_hash *space, uint64_t *version,
                      struct hark_buf *out, struct hark_err *err)
{
    struct many *many = arg;
    static const uint8_t large[HARK_NOTE_MAX];
    struct hark_span notes[15];
    size_t count = many->large ? 15 : 1;
    many->notes++;
    *version = many->version;
    for (size_t i = 0; i < count; i++)
        notes[i] = hark_span(large, many->large ? sizeof(large) : 9);
    return out == NULL ? 0 : hark_cosign_encode(out, space, notes, count, err);
}

static void many_say(struct many *many, uint8_t type, uint64_t id, const struct hark_buf *body)
{
    struct hark_key peer = {{1}};
    uint8_t header[HARK_HEADER_SIZE] = {0};
    hark_message_header(header, type, id);
    struct hark_span frames[2] = {hark_span(header, sizeof(header)), hark_buf_span(body)};
    hark_core_message(many->core, &peer, HARK_VIA_THEIRS, frames, 2);
}

static void many_hello(struct many *many, uint64_t id)
{
    struct hark_hello hello = {.lowest = 1, .highest = 1, .name = "a"};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_hello_encode(&body, &hello, NULL), 0);
    many_say(many, HARK_MESSAGE_HELLO, id, &body);
    hark_buf_free(&body);
}

static void many_ask(struct many *many)
{
    struct hark_cursor *cursors = calloc(SPACES, sizeof(*cursors));
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_non_null(cursors);
    for (size_t i = 0; i < SPACES; i++) {
        struct hark_log_ref log = {.space = many_space(i)};
        hark_cursor_empty(&cursors[i], &log);
    }
    assert_int_equal(hark_ask_encode(&body, cursors, SPACES, NULL), 0);
    many_say(many, HARK_MESSAGE_ASK, ++many->next_id, &body);
    hark_buf_free(&body);
    free(cursors);
}

static size_t many_noted(struct many *many, size_t i)
{
    struct hark_hash space = many_space(i);
    hark_core_noted(many->core, &space);
    return many->cosigns;
}

/* However many spaces, four are under way, and our node is asked about none of which
 * nothing is new. */
static void test_core_cosign__many_spaces(void **state)
{
    static struct many many;
    struct hark_core_io io = {
        .arg = &many,
        .now_ms = many_now,
        .send = many_send,
        .may_have = many_may_have,
        .cursor = many_cursor,
        .notes = many_notes,
    };

    (void)state;
    many.now_ms = 1000000;
    assert_int_equal(hark_core_new(&many.core, "b", &io, NULL), 0);
    many_ask(&many);
    assert_int_equal(many.tells, 1);
    assert_int_equal(many.notes, SPACES); /* of each once, and there are none */
    for (size_t i = 0; i < 100; i++)
        many.now_ms += hark_core_tick(many.core) % 1000;
    assert_int_equal(many.notes, SPACES);
    many.version = 1;
    for (size_t i = 0; i < SPACES; i++)
        assert_int_equal(many_noted(&many, i), i < 4 ? i + 1 : 4);
    (void)hark_core_tick(many.core);
    assert_int_equal(many.cosigns, 4);
    /* One is answered, busily, and the next goes out in its place. */
    while (many.cosigns < 400) {
        struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
        size_t before = many.cosigns;
        assert_int_equal(hark_error_encode(&body, HARK_E_BUSY, "not now", NULL), 0);
        many_say(&many, HARK_MESSAGE_ERROR, many.ids[0], &body);
        hark_buf_free(&body);
        memmove(many.ids, many.ids + 1, --many.under_way * sizeof(many.ids[0]));
        many.now_ms += 10;
        (void)hark_core_tick(many.core);
        assert_int_equal(many.cosigns, before + 1);
    }
    assert_int_equal(many.under_way, 4);
    assert_int_equal(many.errors, 0);
    hark_core_free(many.core);
}

/* Who says hello again and again gets no more of it than it may fetch: 64 MiB a second. */
static void test_core_cosign__hellos_without_end(void **state)
{
    static struct many many = {.now_ms = 1000000, .version = 1, .large = true};
    struct hark_core_io io = {
        .arg = &many,
        .now_ms = many_now,
        .send = many_send,
        .may_have = many_may_have,
        .cursor = many_cursor,
        .notes = many_notes,
    };

    (void)state;
    assert_int_equal(hark_core_new(&many.core, "b", &io, NULL), 0);
    many_ask(&many);
    for (size_t i = 0; i < 400; i++) {
        many_hello(&many, 1000 + i);
        many.under_way = 0;
        many.now_ms += 2;
        (void)hark_core_tick(many.core);
    }
    assert_true(many.cosigns > 60 && many.cosigns < 75);
    many.now_ms += 200;
    many.cosigns = 0;
    many.under_way = 0;
    (void)hark_core_tick(many.core);
    assert_int_equal(many.cosigns, 4);
    hark_core_free(many.core);
}

/* A node that has nothing to do with any of it says so. */
static void test_core_cosign__nothing_of_it_here(void **state)
{
    static struct many many;
    struct hark_core_io io = {
        .arg = &many,
        .now_ms = many_now,
        .send = many_send,
        .may_have = many_may_have,
        .cursor = many_cursor,
    };
    struct hark_hash space = many_space(0);
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    many.now_ms = 1000000;
    assert_int_equal(hark_core_new(&many.core, "b", &io, NULL), 0);
    many_ask(&many);
    (void)many_noted(&many, 0);
    (void)hark_core_tick(many.core);
    assert_int_equal(many.tells, 1);
    assert_int_equal(many.cosigns, 0);
    struct hark_span note = hark_span_str("a note");
    assert_int_equal(hark_cosign_encode(&body, &space, &note, 1, NULL), 0);
    many_say(&many, HARK_MESSAGE_COSIGN, 9, &body);
    assert_int_equal(many.errors, 1);
    hark_buf_free(&body);
    hark_core_free(many.core);
}

/* ---- being shown ---- */

static void inject_cosign(struct fake_node *to, const struct fake_node *from, uint64_t id,
                          uint64_t size)
{
    uint8_t bytes[8] = {0};
    struct hark_span note = hark_span(bytes, sizeof(bytes));
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    fake_entry(bytes, UINT64_C(1) << 24 | size);
    assert_int_equal(hark_cosign_encode(&body, &to->log.ref.space, &note, 1, NULL), 0);
    inject(to, from, HARK_MESSAGE_COSIGN, id, &body, NULL);
    hark_buf_free(&body);
}

static void test_core_cosign__outcomes(void **state)
{
    static const struct {
        int code;
        const char *told;
    } cases[] = {
        {HARK_E_BUSY, "busy"},
        {HARK_E_BEHIND, "behind"},
        {HARK_E_LIMIT, "limit"},
        {HARK_E_IO, "busy"}, /* is nobody's business there */
        {HARK_E_PEER_SPACE, "peer-space"},
    };
    struct pair *pair = pair_new();
    struct hark_hash space;

    (void)state;
    inject_cosign(pair->b, pair->a, 9, 7);
    assert_int_equal(pair->b->out_count, 0);
    uint64_t token = pair->b->cosigns[0].token;
    assert_true(fake_node_cosign_one(pair->b, 0));
    assert_int_equal(pair->b->cosigned[1], 7);
    struct fake_message *message = expect(pair->b, HARK_MESSAGE_NOTED);
    assert_int_equal(id_of(message), 9);
    assert_int_equal(message->via, HARK_VIA_THEIRS + 5);
    assert_int_equal(hark_noted_decode(&space, hark_buf_span(&message->frames[1]), NULL), 0);
    assert_true(hark_hash_equal(&space, &pair->b->log.ref.space));
    fake_message_free(message);
    /* Once answered it is answered. */
    hark_core_cosigned(pair->b->core, token, 0, 0, 0);
    assert_int_equal(pair->b->out_count, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        inject_cosign(pair->b, pair->a, 10 + i, 8);
        assert_true(fake_node_cosign_one(pair->b, cases[i].code));
        expect_error(pair->b, 10 + i, cases[i].told);
    }
    pair->b->cosign_fails = HARK_E_DISK_FULL;
    inject_cosign(pair->b, pair->a, 20, 8);
    expect_error(pair->b, 20, "busy");
    assert_int_equal(pair->b->cosigned[1], 7);
    pair_free(pair);
}

/* "The peer sent what no honest node sends": told, and not heard for a minute. */
static void clear_cosigns(struct fake_node *node)
{
    for (size_t i = 0; i < node->cosign_count; i++)
        hark_buf_free(&node->cosigns[i].body);
    node->cosign_count = 0;
}

/* Who had all that is here, and brings more, has all of it. */
static void test_core_cosign__not_to_who_brought_it(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    inject_noted(pair->b, pair->a, shown(pair), &pair->b->log.ref.space);
    inject_cosign(pair->b, pair->a, 9, 8);
    uint64_t token = pair->b->cosigns[0].token;
    pair->b->cosigned[1] = 8;
    pair->b->notes_version = 2;
    hark_core_cosigned(pair->b->core, token, 1, 2, 0);
    drop(pair->b, HARK_MESSAGE_NOTED);
    hark_core_noted(pair->b->core, &pair->b->log.ref.space);
    assert_int_equal(pair->b->out_count, 0);
    /* Of what came between it knows nothing. */
    clear_cosigns(pair->b);
    inject_cosign(pair->b, pair->a, 10, 9);
    token = pair->b->cosigns[0].token;
    pair->b->notes_version = 4;
    hark_core_cosigned(pair->b->core, token, 3, 4, 0);
    drop(pair->b, HARK_MESSAGE_NOTED);
    hark_core_noted(pair->b->core, &pair->b->log.ref.space);
    (void)shown_by(pair->b);
    pair_free(pair);
}

static void test_core_cosign__rubbish_is_muted(void **state)
{
    struct pair *pair = pair_new();
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    inject_cosign(pair->b, pair->a, 9, 7);
    assert_true(fake_node_cosign_one(pair->b, HARK_E_PEER_FORM));
    expect_error(pair->b, 9, "peer-form");
    inject_cosign(pair->b, pair->a, 10, 7);
    assert_int_equal(pair->b->cosign_count, 0);
    assert_int_equal(pair->b->out_count, 0);
    (void)hark_core_tick(pair->b->core);
    assert_int_equal(pair->b->state, HARK_PEER_REFUSED);
    assert_int_equal(pair->b->code, HARK_E_PEER_FORM);
    pair->now_ms += 61000;
    assert_int_equal(hark_buf_append(&body, "x", 1, NULL), 0);
    inject(pair->b, pair->a, HARK_MESSAGE_COSIGN, 11, &body, NULL);
    expect_error(pair->b, 11, "peer-form");
    inject_cosign(pair->b, pair->a, 12, 7);
    assert_int_equal(pair->b->cosign_count, 0);
    /* The outcome of one that came before it was muted is no way out. */
    pair->now_ms += 61000;
    inject_cosign(pair->b, pair->a, 13, 7);
    inject(pair->b, pair->a, HARK_MESSAGE_COSIGN, 14, &body, NULL);
    expect_error(pair->b, 14, "peer-form");
    assert_true(fake_node_cosign_one(pair->b, 0));
    drop(pair->b, HARK_MESSAGE_NOTED);
    inject_cosign(pair->b, pair->a, 15, 7);
    assert_int_equal(pair->b->cosign_count, 0);
    hark_buf_free(&body);
    pair_free(pair);
}

static void test_core_cosign__not_heard_without_right(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->b->denies = true;
    inject_cosign(pair->b, pair->a, 1, 5);
    expect_error(pair->b, 1, "peer-space");
    assert_int_equal(pair->b->cosign_count, 0);
    pair_free(pair);
}

/* What may wait here is bounded: 4 of a peer, 64 in all; whatever waits of other types. */
static void test_core_cosign__what_may_wait(void **state)
{
    struct pair *pair = pair_new();
    size_t busy = 0;

    (void)state;
    for (uint64_t id = 1; id <= 5; id++) {
        inject_cosign(pair->b, pair->a, id, id);
        inject_cosign(pair->b, pair->a, id, id); /* the network doubles */
    }
    assert_int_equal(pair->b->cosign_count, 4);
    expect_error(pair->b, 5, "busy");
    expect_error(pair->b, 5, "busy");
    clear_cosigns(pair->b);
    for (unsigned i = 0; i < 100; i++) {
        struct fake_node stranger = {.key = {{(uint8_t)i, 7, 7}}};
        inject_cosign(pair->b, &stranger, 1, 5);
        while (pair->b->out_count > 0) {
            fake_message_free(fake_node_next(pair->b));
            busy++;
        }
        clear_cosigns(pair->b); /* the writer has it, and says nothing yet */
    }
    assert_int_equal(busy, 40);
    /* An outcome that never comes does not keep its place for ever. */
    pair->now_ms += 121000;
    (void)hark_core_tick(pair->b->core);
    inject_cosign(pair->b, pair->a, 77, 5);
    assert_int_equal(pair->b->cosign_count, 1);
    /* And one for who is forgotten has nobody to go to. */
    hark_core_forget(pair->b->core, &pair->a->key);
    assert_true(fake_node_cosign_one(pair->b, HARK_E_PEER_FORM));
    assert_int_equal(pair->b->out_count, 0);
    pair_free(pair);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_core_cosign__shown_before_the_tell),
    cmocka_unit_test(test_core_cosign__nothing_to_show),
    cmocka_unit_test(test_core_cosign__shown_once_and_when_changed),
    cmocka_unit_test(test_core_cosign__both_ways),
    cmocka_unit_test(test_core_cosign__changed_while_under_way),
    cmocka_unit_test(test_core_cosign__shown_again_after_hello),
    cmocka_unit_test(test_core_cosign__hello_while_under_way),
    cmocka_unit_test(test_core_cosign__again_after_an_error),
    cmocka_unit_test(test_core_cosign__again_after_silence),
    cmocka_unit_test(test_core_cosign__again_after_our_own_trouble),
    cmocka_unit_test(test_core_cosign__again_after_a_broken_connection),
    cmocka_unit_test(test_core_cosign__not_to_who_is_gone),
    cmocka_unit_test(test_core_cosign__to_who_does_not_know_it),
    cmocka_unit_test(test_core_cosign__not_without_right),
    cmocka_unit_test(test_core_cosign__answers_that_are_none),
    cmocka_unit_test(test_core_cosign__forgotten_while_under_way),
    cmocka_unit_test(test_core_cosign__many_spaces),
    cmocka_unit_test(test_core_cosign__hellos_without_end),
    cmocka_unit_test(test_core_cosign__nothing_of_it_here),
    cmocka_unit_test(test_core_cosign__outcomes),
    cmocka_unit_test(test_core_cosign__not_to_who_brought_it),
    cmocka_unit_test(test_core_cosign__rubbish_is_muted),
    cmocka_unit_test(test_core_cosign__not_heard_without_right),
    cmocka_unit_test(test_core_cosign__what_may_wait),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
