/*
 * replication/edge_guard over plain TCP connections on 127.0.0.1: what is ended,
 * and what is left alone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replication/edge_guard.h"

#define MIB (1024u * 1024u)

/* One connection: who connected, and what was accepted. */
struct pair {
    int near, far;
};

static struct hark_guard *guard_new(void)
{
    struct hark_guard *guard = NULL;
    assert_int_equal(hark_guard_new(&guard, NULL), 0);
    return guard;
}

static struct hark_key key_of(uint8_t byte)
{
    struct hark_key key;
    memset(key.bytes, byte, sizeof(key.bytes));
    return key;
}

static struct pair pair_new(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    struct pair pair;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    pair.far = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair.far, (struct sockaddr *)&at, size), 0);
    pair.near = accept(listener, NULL, NULL);
    assert_true(pair.near >= 0);
    (void)close(listener);
    return pair;
}

static void pair_free(const struct pair *pair)
{
    (void)close(pair->near);
    (void)close(pair->far);
}

/* Sends from afar, and reads it here as libzmq would. */
static void send_bytes(const struct pair *pair, size_t size)
{
    static uint8_t bytes[MIB];
    while (size > 0) {
        size_t part = size < sizeof(bytes) ? size : sizeof(bytes);
        ssize_t sent = send(pair->far, bytes, part, MSG_NOSIGNAL | MSG_DONTWAIT);
        size -= sent > 0 ? (size_t)sent : 0;
        while (recv(pair->near, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
        }
    }
}

/* Did the guard end it? */
static bool is_over(const struct pair *pair)
{
    struct pollfd fd = {.fd = pair->far, .events = POLLIN};
    uint8_t byte;
    return poll(&fd, 1, 0) == 1 && recv(pair->far, &byte, 1, MSG_DONTWAIT) == 0;
}

struct ended {
    size_t count;
    int fd;
    bool ours, known;
    struct hark_key whose;
};

static void note_ended(void *arg, int fd, const struct hark_key *whose, bool ours)
{
    struct ended *ended = arg;
    ended->count++;
    ended->fd = fd;
    ended->ours = ours;
    ended->known = whose != NULL;
    if (whose != NULL)
        ended->whose = *whose;
}

/* Any amount in whole messages is fine, and is not a message without end. */
static void test_edge_guard__one_message_too_large(void **state)
{
    struct hark_guard *guard = guard_new();
    struct pair pair = pair_new(), other = pair_new();
    struct hark_key key = key_of(1), other_key = key_of(2);
    struct ended ended = {0};

    (void)state;
    hark_guard_opened(guard, pair.near, NULL, 0);
    hark_guard_opened(guard, other.near, NULL, 0);
    hark_guard_heard(guard, other.near, &other_key);
    for (size_t i = 0; i < 3; i++) {
        send_bytes(&pair, 30 * MIB);
        hark_guard_heard(guard, pair.near, &key);
        hark_guard_took(guard, pair.near, 30 * MIB);
        hark_guard_check(guard, i, note_ended, &ended);
        assert_int_equal(ended.count, 0);
    }
    send_bytes(&pair, HARK_GUARD_ONE_MAX - MIB);
    hark_guard_check(guard, 10, note_ended, &ended);
    assert_int_equal(ended.count, 0);
    send_bytes(&pair, 2 * MIB);
    hark_guard_check(guard, 20, note_ended, &ended);
    assert_int_equal(ended.count, 1);
    assert_int_equal(ended.fd, pair.near);
    assert_true(ended.known && !ended.ours && hark_key_equal(&ended.whose, &key));
    assert_true(is_over(&pair));
    assert_false(is_over(&other));
    assert_int_equal(hark_guard_count(guard), 1);
    pair_free(&pair);
    pair_free(&other);
    hark_guard_free(guard);
}

/* Heartbeats are no messages: what comes slowly is none either, for good. */
static void test_edge_guard__heartbeats_are_free(void **state)
{
    struct hark_guard *guard = guard_new();
    struct pair pair = pair_new();
    struct hark_key key = key_of(1);
    struct ended ended = {0};

    (void)state;
    hark_guard_opened(guard, pair.near, NULL, 0);
    hark_guard_heard(guard, pair.near, &key);
    hark_guard_check(guard, 0, note_ended, &ended);
    send_bytes(&pair, HARK_GUARD_ONE_MAX + MIB);
    hark_guard_check(guard, UINT64_C(30) * 24 * 3600 * 1000, note_ended, &ended); /* a month */
    assert_int_equal(ended.count, 0);
    assert_false(is_over(&pair));
    pair_free(&pair);
    hark_guard_free(guard);
}

/* Many that send a little less each: the largest of whoever has most goes, not the
 * one honest message. Strangers, who need to send next to nothing, have less. */
static void test_edge_guard__many_together(void **state)
{
    struct hark_guard *guard = guard_new();
    struct pair pairs[6];
    struct hark_key honest = key_of(1), greedy = key_of(2);
    struct ended ended = {0};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        pairs[i] = pair_new();
        hark_guard_opened(guard, pairs[i].near, NULL, i);
    }
    hark_guard_heard(guard, pairs[0].near, &honest);
    for (size_t i = 1; i < 6; i++)
        hark_guard_heard(guard, pairs[i].near, &greedy);
    hark_guard_check(guard, 10, note_ended, &ended);
    send_bytes(&pairs[0], 32 * MIB - MIB / 2);
    for (size_t i = 1; i < 6; i++)
        send_bytes(&pairs[i], (10 + i) * MIB);
    hark_guard_check(guard, 11, note_ended, &ended);
    assert_int_equal(ended.count, 1); /* of 97 MiB 82 are left */
    assert_int_equal(ended.fd, pairs[5].near);
    hark_guard_check(guard, 12, note_ended, &ended);
    assert_int_equal(ended.count, 1);
    for (size_t i = 0; i < 6; i++)
        pair_free(&pairs[i]);

    hark_guard_free(guard);
    guard = guard_new();
    for (size_t i = 0; i < 2; i++) {
        pairs[i] = pair_new();
        hark_guard_opened(guard, pairs[i].near, NULL, 0);
        send_bytes(&pairs[i], (16 + i) * MIB);
    }
    hark_guard_check(guard, 0, note_ended, &ended);
    assert_int_equal(ended.count, 2);
    assert_false(ended.known);
    assert_int_equal(ended.fd, pairs[1].near);
    pair_free(&pairs[0]);
    pair_free(&pairs[1]);
    hark_guard_free(guard);
}

/* Who connects and says nothing makes room for others. */
static void test_edge_guard__strangers(void **state)
{
    enum { count = HARK_GUARD_STRANGERS_MAX + 2 };
    static struct pair pairs[count];
    struct hark_guard *guard = guard_new();
    struct hark_key key = key_of(1);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        pairs[i] = pair_new();
        hark_guard_opened(guard, pairs[i].near, NULL, i);
        if (i == 0)
            hark_guard_heard(guard, pairs[i].near, &key);
    }
    assert_int_equal(hark_guard_count(guard), HARK_GUARD_STRANGERS_MAX + 1);
    assert_false(is_over(&pairs[0])); /* known */
    assert_true(is_over(&pairs[1]));  /* the oldest stranger */
    assert_false(is_over(&pairs[2]));
    for (size_t i = 0; i < count; i++)
        pair_free(&pairs[i]);
    hark_guard_free(guard);
}

/* A descriptor that is another socket's by now is left alone. */
static void test_edge_guard__another_socket_by_now(void **state)
{
    struct hark_guard *guard = guard_new();
    struct pair first = pair_new(), second = pair_new();
    struct hark_key key = key_of(1);

    (void)state;
    hark_guard_opened(guard, first.near, NULL, 0);
    hark_guard_heard(guard, first.near, &key);
    assert_int_equal(dup2(second.near, first.near), first.near);
    hark_guard_end_all(guard, &key);
    assert_int_equal(hark_guard_count(guard), 0);
    assert_false(is_over(&second));
    pair_free(&first);
    pair_free(&second);
    hark_guard_free(guard);
}

/* A descriptor goes from one socket's connection to another's, and what is told of the
 * first comes late. */
static void test_edge_guard__told_late(void **state)
{
    struct hark_guard *guard = guard_new();
    struct pair first = pair_new(), second = pair_new();
    struct hark_key ours = key_of(1), too = key_of(2), theirs = key_of(3);

    (void)state;
    hark_guard_opened(guard, first.near, &ours, 0);
    assert_int_equal(dup2(second.near, first.near), first.near);
    hark_guard_opened(guard, first.near, NULL, 1);
    hark_guard_closed(guard, first.near, &ours);
    assert_true(hark_guard_has(guard, first.near, &theirs));
    hark_guard_heard(guard, first.near, &theirs);
    assert_true(hark_guard_has(guard, first.near, &theirs));
    /* That one had come and gone before. */
    hark_guard_opened(guard, first.near, &too, 2);
    hark_guard_closed(guard, first.near, &too);
    assert_true(hark_guard_has(guard, first.near, &theirs));
    hark_guard_closed(guard, first.near, &theirs); /* we opened none to it */
    assert_int_equal(hark_guard_count(guard), 1);
    hark_guard_closed(guard, first.near, NULL);
    assert_int_equal(hark_guard_count(guard), 0);
    /* The other way round. */
    hark_guard_opened(guard, first.near, &ours, 3);
    hark_guard_opened(guard, first.near, NULL, 4);
    hark_guard_closed(guard, first.near, NULL);
    assert_true(hark_guard_has(guard, first.near, &ours));
    assert_false(hark_guard_has(guard, first.near, &too));
    pair_free(&first);
    pair_free(&second);
    hark_guard_free(guard);
}

/* Only those that this peer opened end with it. */
static void test_edge_guard__end_of_one_peer(void **state)
{
    struct hark_guard *guard = guard_new();
    struct pair theirs = pair_new(), too = pair_new(), ours = pair_new(), others = pair_new();
    struct hark_key key = key_of(1), other = key_of(2);

    (void)state;
    hark_guard_opened(guard, theirs.near, NULL, 0);
    hark_guard_opened(guard, too.near, NULL, 0);
    hark_guard_opened(guard, ours.near, &key, 0);
    hark_guard_opened(guard, others.near, NULL, 0);
    hark_guard_heard(guard, theirs.near, &key);
    hark_guard_heard(guard, too.near, &key);
    hark_guard_heard(guard, ours.near, &key);
    hark_guard_heard(guard, others.near, &other);
    hark_guard_end(guard, others.near, &key); /* not its */
    hark_guard_end_all(guard, &key);
    assert_true(is_over(&theirs) && is_over(&too));
    assert_false(is_over(&ours) || is_over(&others));
    hark_guard_end(guard, others.near, &other);
    assert_true(is_over(&others));
    hark_guard_closed(guard, ours.near, &key);
    hark_guard_closed(guard, ours.near, &key);
    hark_guard_closed(guard, -1, NULL);
    assert_int_equal(hark_guard_count(guard), 0);
    pair_free(&theirs);
    pair_free(&too);
    pair_free(&ours);
    pair_free(&others);
    hark_guard_free(guard);
}

/* Who does not read gets nothing more, over any of its connections; small things
 * pass, and one large message always does when nothing lies there. */
static void test_edge_guard__unread(void **state)
{
    struct hark_guard *guard = guard_new();
    struct pair one = pair_new(), two = pair_new(), other = pair_new();
    struct hark_key key = key_of(1), other_key = key_of(2);

    (void)state;
    hark_guard_opened(guard, one.near, NULL, 0);
    hark_guard_opened(guard, two.near, NULL, 0);
    hark_guard_opened(guard, other.near, NULL, 0);
    hark_guard_heard(guard, one.near, &key);
    hark_guard_heard(guard, two.near, &key);
    hark_guard_heard(guard, other.near, &other_key);
    assert_true(hark_guard_may_send(guard, one.near, 2 * HARK_GUARD_UNREAD_MAX));
    hark_guard_sent(guard, one.near, 12 * MIB); /* which never arrives */
    assert_true(hark_guard_may_send(guard, one.near, 10 * MIB));
    hark_guard_sent(guard, two.near, 10 * MIB);
    assert_false(hark_guard_may_send(guard, one.near, 4 * MIB));
    assert_false(hark_guard_may_send(guard, two.near, 4 * MIB));
    assert_true(hark_guard_may_send(guard, two.near, 1000));
    assert_true(hark_guard_may_send(guard, other.near, 16 * MIB));
    pair_free(&one);
    pair_free(&two);
    pair_free(&other);
    hark_guard_free(guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edge_guard__one_message_too_large),
        cmocka_unit_test(test_edge_guard__heartbeats_are_free),
        cmocka_unit_test(test_edge_guard__many_together),
        cmocka_unit_test(test_edge_guard__strangers),
        cmocka_unit_test(test_edge_guard__another_socket_by_now),
        cmocka_unit_test(test_edge_guard__told_late),
        cmocka_unit_test(test_edge_guard__end_of_one_peer),
        cmocka_unit_test(test_edge_guard__unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
