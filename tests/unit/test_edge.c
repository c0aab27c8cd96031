/*
 * replication/edge with real sockets on 127.0.0.1: who gets in, who does not, and
 * what happens to those who send what no node would. Each edge runs its loop in
 * a thread of its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "replication/edge.h"
#include "replication/messages.h"
#include "schemas/ticket.h"

#define ALLOWED_MAX 4u
#define PATIENCE_MS 10000u /* for what must happen */
#define QUIET_MS    400u   /* for what must not */
#define KEPT_MAX    64u

struct kept {
    struct hark_key peer;
    uint64_t via;
    size_t count;
    size_t sizes[3];
    uint8_t type;
    uint64_t id;
};

/* An edge with its loop, and what its handlers saw. */
struct host {
    struct hark_seed *seed;
    struct hark_box *box;
    struct hark_edge *edge;
    pthread_t thread;
    bool runs;
    char address[HARK_ADDRESS_MAX + 1];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    size_t allowed_count, asked;
    struct hark_key allowed[ALLOWED_MAX];
    size_t kept_count, woken, writable, lost;
    struct kept kept[KEPT_MAX];
    bool echoes;   /* answers each hello with a hello, the way it came */
    uint64_t work; /* ms that a message takes */
    /* what the loop is to send when it is woken next */
    bool has_order;
    void (*act)(struct host *host, const struct hark_key *to); /* instead of sending */
    struct hark_key order_to;
    uint64_t order_via, order_id;
    size_t order_load;
    int order_code;
};

static bool host_allow(void *arg, const struct hark_key *curve)
{
    struct host *host = arg;
    bool allowed = false;
    (void)pthread_mutex_lock(&host->lock);
    host->asked++;
    for (size_t i = 0; i < host->allowed_count; i++)
        allowed = allowed || hark_key_equal(&host->allowed[i], curve);
    (void)pthread_cond_broadcast(&host->changed);
    (void)pthread_mutex_unlock(&host->lock);
    return allowed;
}

static void host_message(void *arg, const struct hark_key *peer, uint64_t via,
                         const struct hark_span *frames, size_t count)
{
    struct host *host = arg;
    struct kept kept = {.peer = *peer, .via = via, .count = count};
    for (size_t i = 0; i < count && i < 3; i++)
        kept.sizes[i] = frames[i].size;
    if (frames[0].size == HARK_HEADER_SIZE) {
        kept.type = frames[0].data[5];
        kept.id = hark_get_u64(frames[0].data + 8);
    }
    (void)pthread_mutex_lock(&host->lock);
    if (host->kept_count < KEPT_MAX)
        host->kept[host->kept_count++] = kept;
    bool echoes = host->echoes && kept.type == HARK_MESSAGE_HELLO;
    struct timespec work = {.tv_nsec = (long)host->work * 1000000};
    (void)pthread_cond_broadcast(&host->changed);
    (void)pthread_mutex_unlock(&host->lock);
    (void)nanosleep(&work, NULL);
    if (echoes) {
        struct hark_message answer = {
            .type = HARK_MESSAGE_TELL, .id = kept.id, .body = hark_span_str("answer")};
        int rc = hark_edge_send(host->edge, peer, via, &answer, NULL);
        (void)rc;
    }
}

static void host_lost(void *arg, const struct hark_key *peer)
{
    struct host *host = arg;
    (void)peer;
    (void)pthread_mutex_lock(&host->lock);
    host->lost++;
    (void)pthread_cond_broadcast(&host->changed);
    (void)pthread_mutex_unlock(&host->lock);
}

static void host_writable(void *arg, const struct hark_key *peer)
{
    struct host *host = arg;
    (void)peer;
    (void)pthread_mutex_lock(&host->lock);
    host->writable++;
    (void)pthread_cond_broadcast(&host->changed);
    (void)pthread_mutex_unlock(&host->lock);
}

/* Sends what was ordered: hark_edge_send belongs to the loop's thread, and asks
 * host_allow. */
static void host_woken(void *arg)
{
    struct host *host = arg;
    (void)pthread_mutex_lock(&host->lock);
    host->woken++;
    bool has_order = host->has_order;
    void (*act)(struct host *, const struct hark_key *) = host->act;
    struct hark_key to = host->order_to;
    uint64_t via = host->order_via;
    uint8_t *load = has_order && host->order_load > 0 ? calloc(1, host->order_load) : NULL;
    struct hark_message message = {
        .type = HARK_MESSAGE_HELLO,
        .id = host->order_id,
        .body = hark_span_str("body"),
        .load = hark_span(load, host->order_load),
    };
    (void)pthread_mutex_unlock(&host->lock);
    int code = 0;
    if (has_order && act != NULL)
        act(host, &to);
    else if (has_order)
        code = hark_edge_send(host->edge, &to, via, &message, NULL);
    free(load);
    (void)pthread_mutex_lock(&host->lock);
    host->order_code = code;
    host->has_order = host->has_order && !has_order;
    host->act = has_order ? NULL : host->act;
    (void)pthread_cond_broadcast(&host->changed);
    (void)pthread_mutex_unlock(&host->lock);
}

static uint64_t host_tick(void *arg)
{
    (void)arg;
    return 1000;
}

static void *host_run(void *arg)
{
    struct host *host = arg;
    int rc = hark_edge_run(host->edge, NULL);
    return rc == 0 ? NULL : host;
}

static struct host *host_new(uint8_t seed)
{
    struct host *host = calloc(1, sizeof(*host));
    uint8_t bytes[HARK_SEED_SIZE];
    assert_non_null(host);
    struct hark_edge_handlers handlers = {.arg = host,
                                          .allow = host_allow,
                                          .message = host_message,
                                          .woken = host_woken,
                                          .lost = host_lost,
                                          .writable = host_writable,
                                          .tick = host_tick};
    memset(bytes, seed, sizeof(bytes));
    assert_int_equal(pthread_mutex_init(&host->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&host->changed, NULL), 0);
    assert_int_equal(hark_seed_from_bytes(&host->seed, bytes, NULL), 0);
    assert_int_equal(hark_box_new(&host->box, host->seed, NULL), 0);
    assert_int_equal(hark_edge_new(&host->edge, host->box, &handlers, NULL), 0);
    return host;
}

static const struct hark_key *key_of(const struct host *host)
{
    return hark_box_key(host->box);
}

static void host_let_in(struct host *host, const struct hark_key *key)
{
    (void)pthread_mutex_lock(&host->lock);
    assert_true(host->allowed_count < ALLOWED_MAX);
    host->allowed[host->allowed_count++] = *key;
    (void)pthread_mutex_unlock(&host->lock);
}

static void host_echo(struct host *host)
{
    (void)pthread_mutex_lock(&host->lock);
    host->echoes = true;
    (void)pthread_mutex_unlock(&host->lock);
}

static void host_work(struct host *host, uint64_t ms)
{
    (void)pthread_mutex_lock(&host->lock);
    host->work = ms;
    (void)pthread_mutex_unlock(&host->lock);
}

static void host_listen(struct host *host)
{
    assert_int_equal(hark_edge_listen(host->edge, "tcp://127.0.0.1:*", host->address, NULL), 0);
}

static void host_connect(struct host *host, const struct host *to)
{
    assert_int_equal(hark_edge_connect(host->edge, key_of(to), key_of(to), NULL, to->address, NULL),
                     0);
}

static void host_start(struct host *host)
{
    assert_int_equal(pthread_create(&host->thread, NULL, host_run, host), 0);
    host->runs = true;
}

static void host_free(struct host *host)
{
    void *failed = NULL;
    if (host->runs) {
        hark_edge_stop(host->edge);
        assert_int_equal(pthread_join(host->thread, &failed), 0);
        assert_null(failed);
    }
    hark_edge_free(host->edge);
    hark_box_free(host->box);
    hark_seed_free(host->seed);
    (void)pthread_mutex_destroy(&host->lock);
    (void)pthread_cond_destroy(&host->changed);
    free(host);
}

/* ---- waiting ---- */

static struct timespec in_ms(uint64_t ms)
{
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Waits until *number is at least `least`; gives what it is then. */
static size_t wait_for(struct host *host, const size_t *number, size_t least, uint64_t ms)
{
    struct timespec until = in_ms(ms);
    (void)pthread_mutex_lock(&host->lock);
    while (*number < least) {
        if (pthread_cond_timedwait(&host->changed, &host->lock, &until) != 0)
            break;
    }
    size_t value = *number;
    (void)pthread_mutex_unlock(&host->lock);
    return value;
}

static struct kept wait_message(struct host *host, size_t number)
{
    if (wait_for(host, &host->kept_count, number + 1, PATIENCE_MS) <= number)
        fail_msg("message %zu did not come", number);
    (void)pthread_mutex_lock(&host->lock);
    struct kept kept = host->kept[number];
    (void)pthread_mutex_unlock(&host->lock);
    return kept;
}

static bool message_is_from(struct host *host, size_t number, const struct hark_key *peer)
{
    struct kept kept = wait_message(host, number);
    return hark_key_equal(&kept.peer, peer);
}

static void assert_silent(struct host *host, size_t so_far)
{
    assert_int_equal(wait_for(host, &host->kept_count, so_far + 1, QUIET_MS), so_far);
}

/* Lets the host's loop send, or act; gives what hark_edge_send said. */
static int order(struct host *host, const struct hark_key *to, uint64_t via, uint64_t id,
                 size_t load, void (*act)(struct host *host, const struct hark_key *to))
{
    struct timespec until = in_ms(PATIENCE_MS);
    (void)pthread_mutex_lock(&host->lock);
    host->has_order = true;
    host->act = act;
    host->order_to = *to;
    host->order_via = via;
    host->order_id = id;
    host->order_load = load;
    hark_edge_wake(host->edge);
    while (host->has_order) {
        if (pthread_cond_timedwait(&host->changed, &host->lock, &until) != 0)
            break;
    }
    bool done = !host->has_order;
    int code = host->order_code;
    (void)pthread_mutex_unlock(&host->lock);
    if (!done)
        fail_msg("the loop was not woken");
    return code;
}

static int send_once(struct host *host, const struct hark_key *to, uint64_t via, uint64_t id,
                     size_t load)
{
    return order(host, to, via, id, load, NULL);
}

/* Sends as soon as the connection stands. False: it never did in `ms`. */
static bool send_within(struct host *host, const struct hark_key *to, uint64_t via, uint64_t id,
                        size_t load, uint64_t ms)
{
    struct timespec pause = {.tv_nsec = 20000000};
    for (uint64_t waited = 0; waited <= ms; waited += 20) {
        int rc = send_once(host, to, via, id, load);
        if (rc == 0)
            return true;
        assert_true(rc == HARK_E_PEER_UNREACHABLE || rc == HARK_E_BUSY);
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

/* ---- two nodes that know each other ---- */

/* A listens and lets B in; B connects. */
static void make_two(struct host **a, struct host **b)
{
    *a = host_new(1);
    *b = host_new(2);
    host_let_in(*a, key_of(*b));
    host_listen(*a);
    host_connect(*b, *a);
    host_start(*a);
    host_start(*b);
}

static void test_edge__allowed_key_talks(void **state)
{
    struct host *a = NULL, *b = NULL;

    (void)state;
    make_two(&a, &b);
    host_echo(a);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 42, 0, PATIENCE_MS));
    struct kept kept = wait_message(a, 0);
    assert_true(hark_key_equal(&kept.peer, key_of(b))); /* by ZAP, not by its word */
    assert_true(kept.via >= HARK_VIA_THEIRS);
    assert_int_equal(kept.count, 2);
    assert_int_equal(kept.sizes[0], HARK_HEADER_SIZE);
    assert_int_equal(kept.sizes[1], 4);
    assert_int_equal(kept.id, 42);
    kept = wait_message(b, 0);
    assert_true(hark_key_equal(&kept.peer, key_of(a)));
    assert_int_equal(kept.via, HARK_VIA_OURS);
    assert_int_equal(kept.type, HARK_MESSAGE_TELL);
    assert_int_equal(kept.id, 42);
    host_free(b);
    host_free(a);
}

/* The listening side may ask too, over the other's connection. */
static void test_edge__asks_over_their_connection(void **state)
{
    struct host *a = NULL, *b = NULL;

    (void)state;
    make_two(&a, &b);
    assert_int_equal(send_once(a, key_of(b), HARK_VIA_ANY, 1, 0), HARK_E_PEER_UNREACHABLE);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 42, 0, PATIENCE_MS));
    (void)wait_message(a, 0);
    assert_int_equal(send_once(a, key_of(b), HARK_VIA_ANY, 43, 1000), 0);
    struct kept kept = wait_message(b, 0);
    assert_int_equal(kept.via, HARK_VIA_OURS);
    assert_int_equal(kept.id, 43);
    assert_int_equal(kept.count, 3);
    assert_int_equal(kept.sizes[2], 1000);
    host_free(b);
    host_free(a);
}

/* Each has a connection to the other: questions go over one's own, answers back
 * over the one on which the question came. */
static void test_edge__two_connections(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);

    (void)state;
    host_let_in(a, key_of(b));
    host_let_in(b, key_of(a));
    host_listen(a);
    host_listen(b);
    host_connect(a, b);
    host_connect(b, a);
    host_echo(a);
    host_echo(b);
    host_start(a);
    host_start(b);
    assert_true(send_within(b, key_of(a), HARK_VIA_OURS, 1, 0, PATIENCE_MS));
    struct kept asked = wait_message(a, 0);
    assert_true(asked.via >= HARK_VIA_THEIRS);
    assert_int_equal(wait_message(b, 0).via, HARK_VIA_OURS);
    assert_true(send_within(a, key_of(b), HARK_VIA_OURS, 2, 0, PATIENCE_MS));
    assert_true(wait_message(b, 1).via >= HARK_VIA_THEIRS);
    assert_int_equal(wait_message(a, 1).via, HARK_VIA_OURS);
    /* A connection that there never was, or that is somebody else's. */
    assert_int_equal(send_once(a, key_of(b), 99, 3, 0), HARK_E_PEER_UNREACHABLE);
    assert_int_equal(send_once(a, key_of(a), asked.via, 3, 0), HARK_E_PEER_UNREACHABLE);
    host_free(b);
    host_free(a);
}

static void test_edge__large_load(void **state)
{
    struct host *a = NULL, *b = NULL;

    (void)state;
    make_two(&a, &b);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 42, HARK_LOAD_MAX, PATIENCE_MS));
    assert_int_equal(wait_message(a, 0).sizes[2], HARK_LOAD_MAX);
    host_free(b);
    host_free(a);
}

/* At an address where another listened a moment ago. Until now nobody has it, and a
 * connection to it may for a moment have been given its very port as its own. */
static void listen_again(struct host *a, const char *address)
{
    int rc = hark_edge_listen(a->edge, address, a->address, NULL);

    for (size_t i = 0; rc != 0 && i < 200; i++) {
        struct timespec moment = {.tv_nsec = 25000000};

        (void)nanosleep(&moment, NULL);
        rc = hark_edge_listen(a->edge, address, a->address, NULL);
    }
    assert_int_equal(rc, 0);
}

/* Somebody who restarts is connected to again without our doing, and we are told. */
static void test_edge__peer_comes_back(void **state)
{
    struct host *a = NULL, *b = NULL;
    char address[HARK_ADDRESS_MAX + 1];

    (void)state;
    make_two(&a, &b);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 1, 0, PATIENCE_MS));
    (void)wait_message(a, 0);
    memcpy(address, a->address, sizeof(address));
    assert_int_equal(b->lost, 0);
    host_free(a);
    assert_true(wait_for(b, &b->lost, 1, PATIENCE_MS) >= 1);
    a = host_new(1);
    host_let_in(a, key_of(b));
    listen_again(a, address);
    assert_string_equal(a->address, address);
    host_start(a);
    /* What is sent before the loss is noticed goes nowhere: send until it comes. */
    for (size_t i = 0; i < 200 && wait_for(a, &a->kept_count, 1, 50) == 0; i++)
        (void)send_once(b, key_of(a), HARK_VIA_ANY, 2, 0);
    assert_int_equal(wait_message(a, 0).id, 2);
    host_free(b);
    host_free(a);
}

/* Who could not send, since nobody was there yet, is told once when somebody is. */
static void test_edge__tells_when_it_would_go_out(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);
    char address[HARK_ADDRESS_MAX + 1];

    (void)state;
    host_listen(a);
    memcpy(address, a->address, sizeof(address));
    host_free(a); /* before B turns to it: one that is going away may still shake hands */
    a = host_new(1);
    memcpy(a->address, address, sizeof(address));
    host_connect(b, a);
    host_start(b);
    assert_int_equal(send_once(b, key_of(a), HARK_VIA_ANY, 1, 0), HARK_E_PEER_UNREACHABLE);
    assert_int_equal(wait_for(b, &b->writable, 1, QUIET_MS), 0);
    host_let_in(a, key_of(b));
    listen_again(a, address);
    host_start(a);
    assert_int_equal(wait_for(b, &b->writable, 1, PATIENCE_MS), 1);
    assert_int_equal(send_once(b, key_of(a), HARK_VIA_ANY, 2, 0), 0);
    assert_int_equal(wait_message(a, 0).id, 2);
    assert_int_equal(wait_for(b, &b->writable, 2, QUIET_MS), 1);
    host_free(b);
    host_free(a);
}

/* ---- who does not get in ---- */

static void test_edge__unknown_key_gets_nothing(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);

    (void)state;
    host_listen(a);
    host_connect(b, a);
    host_start(a);
    host_start(b);
    assert_true(wait_for(a, &a->asked, 1, PATIENCE_MS) >= 1);
    assert_false(send_within(b, key_of(a), HARK_VIA_ANY, 42, 0, QUIET_MS));
    assert_silent(a, 0);
    assert_silent(b, 0);
    host_free(b);
    host_free(a);
}

/* libzmq gives up for good on a server that refused it. We do not: the other
 * side's operator may name us a minute after we named them. */
static void test_edge__named_later(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);

    (void)state;
    host_listen(a);
    host_connect(b, a);
    host_start(a);
    host_start(b);
    assert_true(wait_for(a, &a->asked, 1, PATIENCE_MS) >= 1);
    assert_false(send_within(b, key_of(a), HARK_VIA_ANY, 42, 0, QUIET_MS));
    host_let_in(a, key_of(b));
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 42, 0, PATIENCE_MS));
    assert_int_equal(wait_message(a, 0).id, 42);
    host_free(b);
    host_free(a);
}

/* Who is not who we think it is hears nothing from us. */
static void test_edge__wrong_server_key_gets_nothing(void **state)
{
    struct host *a = host_new(1), *b = host_new(2), *other = host_new(3);

    (void)state;
    host_let_in(a, key_of(b));
    host_listen(a);
    assert_int_equal(
        hark_edge_connect(b->edge, key_of(other), key_of(other), NULL, a->address, NULL), 0);
    host_start(a);
    host_start(b);
    assert_false(send_within(b, key_of(other), HARK_VIA_ANY, 42, 0, QUIET_MS));
    assert_silent(a, 0);
    assert_int_equal(wait_for(a, &a->asked, 1, 1), 0); /* it never came as far as ZAP */
    host_free(b);
    host_free(a);
    host_free(other);
}

/* ---- as somebody else, to the same server ---- */

/* B shows itself at A twice: with its own key, and with another. */
static struct hark_key connect_as(struct host *b, const struct host *a, const struct host *as)
{
    struct hark_key name = hark_edge_link(key_of(a), as->box);
    assert_int_equal(hark_edge_connect(b->edge, &name, key_of(a), as->box, a->address, NULL), 0);
    return name;
}

static void test_edge__link_names(void **state)
{
    struct host *a = host_new(1), *b = host_new(2), *c = host_new(3);
    uint8_t text[12 + 2 * HARK_KEY_SIZE] = "hark/link/1\n";
    struct hark_key plain = hark_edge_link(key_of(a), NULL);
    struct hark_key as_b = hark_edge_link(key_of(a), b->box);
    struct hark_key as_c = hark_edge_link(key_of(a), c->box);

    (void)state;
    memcpy(text + 12, key_of(a)->bytes, HARK_KEY_SIZE);
    memcpy(text + 12 + HARK_KEY_SIZE, key_of(b)->bytes, HARK_KEY_SIZE);
    struct hark_hash hash = hark_sha256(hark_span(text, sizeof(text)));
    assert_true(hark_key_equal(&plain, key_of(a)));
    assert_memory_equal(as_b.bytes, hash.bytes, HARK_KEY_SIZE);
    assert_false(hark_key_equal(&as_b, &as_c));
    host_free(c);
    host_free(b);
    host_free(a);
}

/* Two connections with two keys are two peers there, and two names here. */
static void test_edge__two_keys_are_two_peers(void **state)
{
    struct host *a = host_new(1), *b = host_new(2), *c = host_new(3);

    (void)state;
    host_let_in(a, key_of(b));
    host_let_in(a, key_of(c));
    host_listen(a);
    host_echo(a);
    host_connect(b, a);
    struct hark_key name = connect_as(b, a, c);
    host_start(a);
    host_start(b);
    assert_true(send_within(b, &name, HARK_VIA_ANY, 1, 0, PATIENCE_MS));
    struct kept kept = wait_message(a, 0);
    assert_true(hark_key_equal(&kept.peer, key_of(c)));
    kept = wait_message(b, 0);
    assert_true(hark_key_equal(&kept.peer, &name));
    assert_int_equal(kept.via, HARK_VIA_OURS);
    assert_int_equal(kept.id, 1);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 2, 0, PATIENCE_MS));
    assert_true(message_is_from(a, 1, key_of(b)));
    assert_true(message_is_from(b, 1, key_of(a)));
    host_free(b);
    host_free(c);
    host_free(a);
}

/* Whose own key is not let in hears nothing, although the node itself is. */
static void test_edge__own_key_not_let_in(void **state)
{
    struct host *a = host_new(1), *b = host_new(2), *c = host_new(3);

    (void)state;
    host_let_in(a, key_of(b));
    host_listen(a);
    host_connect(b, a);
    struct hark_key name = connect_as(b, a, c);
    host_start(a);
    host_start(b);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 1, 0, PATIENCE_MS));
    (void)wait_message(a, 0);
    assert_false(send_within(b, &name, HARK_VIA_ANY, 2, 0, QUIET_MS));
    assert_silent(a, 1);
    host_free(b);
    host_free(c);
    host_free(a);
}

static void act_disconnect(struct host *host, const struct hark_key *to)
{
    hark_edge_disconnect(host->edge, to);
}

/* The address of one is replaced, one is ended: the other goes on. */
static void test_edge__links_change(void **state)
{
    struct host *a = host_new(1), *b = host_new(2), *c = host_new(3), *nobody = host_new(4);

    (void)state;
    host_let_in(a, key_of(b));
    host_let_in(a, key_of(c));
    host_listen(nobody);
    host_listen(a);
    host_connect(b, a);
    struct hark_key name = hark_edge_link(key_of(a), c->box);
    assert_int_equal(hark_edge_connect(b->edge, &name, key_of(a), c->box, nobody->address, NULL),
                     0);
    (void)connect_as(b, a, c);
    host_start(a);
    host_start(b);
    assert_true(send_within(b, &name, HARK_VIA_ANY, 1, 0, PATIENCE_MS));
    assert_true(message_is_from(a, 0, key_of(c)));
    (void)order(b, &name, 0, 0, 0, act_disconnect);
    assert_int_equal(send_once(b, &name, HARK_VIA_ANY, 2, 0), HARK_E_PEER_UNREACHABLE);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 3, 0, PATIENCE_MS));
    struct kept kept = wait_message(a, 1);
    assert_int_equal(kept.id, 3);
    assert_true(hark_key_equal(&kept.peer, key_of(b)));
    host_free(b);
    host_free(c);
    host_free(nobody);
    host_free(a);
}

/* ---- who was let in and is not any more ---- */

static void host_let_out(struct host *host)
{
    (void)pthread_mutex_lock(&host->lock);
    host->allowed_count = 0;
    (void)pthread_mutex_unlock(&host->lock);
}

static void act_drop(struct host *host, const struct hark_key *to)
{
    hark_edge_drop(host->edge, to);
}

/* Its connection ends at once, it comes in no more, and is told nothing. */
static void test_edge__dropped(void **state)
{
    struct host *a = NULL, *b = NULL;

    (void)state;
    make_two(&a, &b);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 1, 0, PATIENCE_MS));
    uint64_t via = wait_message(a, 0).via;
    host_let_out(a);
    size_t asked = wait_for(a, &a->asked, 0, 0);
    (void)order(a, key_of(b), 0, 0, 0, act_drop);
    assert_int_equal(send_once(a, key_of(b), via, 2, 0), HARK_E_PEER_UNREACHABLE);
    assert_int_equal(send_once(a, key_of(b), HARK_VIA_ANY, 3, 0), HARK_E_PEER_UNREACHABLE);
    assert_true(wait_for(a, &a->asked, asked + 1, PATIENCE_MS) > asked); /* it comes again */
    assert_false(send_within(b, key_of(a), HARK_VIA_ANY, 4, 0, QUIET_MS));
    assert_silent(a, 1);
    assert_silent(b, 0);
    host_free(b);
    host_free(a);
}

/* Without being dropped: its next messages count for nothing. */
static void test_edge__not_allowed_any_more(void **state)
{
    struct host *a = NULL, *b = NULL;
    struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000}; /* asked once a second */

    (void)state;
    make_two(&a, &b);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 1, 0, PATIENCE_MS));
    uint64_t via = wait_message(a, 0).via;
    host_let_out(a);
    (void)nanosleep(&pause, NULL);
    (void)send_once(b, key_of(a), HARK_VIA_ANY, 2, 0);
    assert_silent(a, 1);
    assert_int_equal(send_once(a, key_of(b), via, 3, 0), HARK_E_PEER_UNREACHABLE);
    assert_silent(b, 0);
    host_free(b);
    host_free(a);
}

/* ---- clients that are no nodes ---- */

/* A socket with B's keys, as libzmq has it, to A. */
struct client {
    void *context, *socket;
};

static void client_identify(struct client *client, const struct host *to, const struct host *as)
{
    assert_int_equal(zmq_setsockopt(client->socket, ZMQ_CURVE_SERVERKEY, key_of(to)->bytes, 32), 0);
    assert_int_equal(zmq_setsockopt(client->socket, ZMQ_CURVE_PUBLICKEY, key_of(as)->bytes, 32), 0);
    assert_int_equal(
        zmq_setsockopt(client->socket, ZMQ_CURVE_SECRETKEY, hark_box_secret(as->box), 32), 0);
}

static struct client client_new(const struct host *to, const struct host *as)
{
    struct client client = {.context = zmq_ctx_new()};
    int zero = 0;
    client.socket = zmq_socket(client.context, ZMQ_DEALER);
    assert_non_null(client.socket);
    assert_int_equal(zmq_setsockopt(client.socket, ZMQ_LINGER, &zero, sizeof(zero)), 0);
    if (as != NULL)
        client_identify(&client, to, as);
    assert_int_equal(zmq_connect(client.socket, to->address), 0);
    return client;
}

static void client_free(struct client *client)
{
    (void)zmq_close(client->socket);
    (void)zmq_ctx_term(client->context);
}

static void client_send(struct client *client, const void *data, size_t size, bool more)
{
    assert_int_equal(zmq_send(client->socket, data, size, more ? ZMQ_SNDMORE : 0), (int)size);
}

static void client_hello(struct client *client, uint64_t id)
{
    uint8_t header[HARK_HEADER_SIZE] = {0};
    hark_message_header(header, HARK_MESSAGE_HELLO, id);
    client_send(client, header, sizeof(header), true);
    client_send(client, "body", 4, false);
}

/* Three of the frames and "four" are what is left of many, and the next message
 * is read from its beginning. */
static void test_edge__too_many_frames(void **state)
{
    static const size_t counts[] = {1, 5, 5000};
    struct host *a = host_new(1), *b = host_new(2);

    (void)state;
    host_let_in(a, key_of(b));
    host_listen(a);
    host_start(a);
    struct client client = client_new(a, b);
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < counts[i]; k++)
            client_send(&client, "frame", 5, k + 1 < counts[i]);
        client_hello(&client, 7 + i);
        assert_int_equal(wait_message(a, 2 * i).count, counts[i] == 1 ? 1 : 4);
        struct kept kept = wait_message(a, 2 * i + 1);
        assert_int_equal(kept.count, 2);
        assert_int_equal(kept.id, 7 + i);
    }
    client_free(&client);
    host_free(b);
    host_free(a);
}

/* A frame of more than 16 MiB ends the connection before it is read; others are
 * not disturbed. */
static void test_edge__oversized_frame(void **state)
{
    struct host *a = NULL, *b = NULL;
    size_t size = HARK_LOAD_MAX + 100; /* CURVE's own bytes count too */
    void *large = calloc(1, size);

    (void)state;
    assert_non_null(large);
    make_two(&a, &b);
    struct client client = client_new(a, b);
    client_hello(&client, 1);
    (void)wait_message(a, 0);
    client_send(&client, large, size, false);
    assert_silent(a, 1);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 2, 0, PATIENCE_MS));
    assert_int_equal(wait_message(a, 1).id, 2);
    client_free(&client);
    host_free(b);
    host_free(a);
    free(large);
}

/* A message without end: libzmq would keep all of it. The connection ends, its
 * owner is told of, and others are not disturbed. */
static void test_edge__endless_message(void **state)
{
    static const size_t piece = 1024 * 1024, pieces = 2000;
    struct host *a = NULL, *b = NULL;
    void *frame = calloc(1, piece);

    (void)state;
    assert_non_null(frame);
    make_two(&a, &b);
    struct client client = client_new(a, b);
    client_hello(&client, 1);
    (void)wait_message(a, 0);
    for (size_t i = 0; i <= pieces; i++) {
        /* All the same bytes. libzmq sends nothing before the last frame is there. */
        zmq_msg_t part;
        assert_int_equal(zmq_msg_init_data(&part, frame, piece, NULL, NULL), 0);
        assert_true(zmq_msg_send(&part, client.socket, i < pieces ? ZMQ_SNDMORE : 0) >= 0);
    }
    struct kept kept = wait_message(a, 1);
    assert_int_equal(kept.count, 4);
    assert_int_equal(kept.sizes[0], 0);
    assert_true(hark_key_equal(&kept.peer, key_of(b)));
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 2, 0, PATIENCE_MS));
    assert_int_equal(wait_message(a, 2).id, 2);
    client_free(&client);
    host_free(b);
    host_free(a);
    free(frame);
}

/* Who floods us and goes away: nobody waits for its answers, and what is left of it
 * does not keep others waiting. (Where libzmq let the input wait, such a one could end
 * the whole process.) */
static void test_edge__floods_and_is_gone(void **state)
{
    static const int heartbeat_ms = 1, one = 1; /* unread answers: its end is a reset */
    struct host *a = NULL, *b = NULL;

    (void)state;
    make_two(&a, &b);
    host_echo(a);
    host_work(a, 2);
    for (size_t i = 0; i < 4; i++) {
        struct client client = {.context = zmq_ctx_new()};
        int zero = 0;
        client.socket = zmq_socket(client.context, ZMQ_DEALER);
        assert_int_equal(zmq_setsockopt(client.socket, ZMQ_LINGER, &zero, sizeof(zero)), 0);
        assert_int_equal(zmq_setsockopt(client.socket, ZMQ_SNDHWM, &zero, sizeof(zero)), 0);
        assert_int_equal(
            zmq_setsockopt(client.socket, ZMQ_HEARTBEAT_IVL, &heartbeat_ms, sizeof(heartbeat_ms)),
            0);
        assert_int_equal(zmq_setsockopt(client.socket, ZMQ_RCVHWM, &one, sizeof(one)), 0);
        client_identify(&client, a, b);
        assert_int_equal(zmq_connect(client.socket, a->address), 0);
        for (size_t k = 0; k < 40000; k++)
            client_hello(&client, k + 1);
        struct timespec pause = {.tv_nsec = 200000000};
        (void)nanosleep(&pause, NULL);
        client_free(&client);
    }
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 2, 0, PATIENCE_MS));
    (void)wait_message(b, 0);
    host_free(b);
    host_free(a);
}

/* A client that names its connection itself. */
static struct client client_named(const struct host *to, const struct host *as, const char *name)
{
    struct client client = {.context = zmq_ctx_new()};
    int zero = 0;
    client.socket = zmq_socket(client.context, ZMQ_DEALER);
    assert_non_null(client.socket);
    assert_int_equal(zmq_setsockopt(client.socket, ZMQ_LINGER, &zero, sizeof(zero)), 0);
    assert_int_equal(zmq_setsockopt(client.socket, ZMQ_ROUTING_ID, name, strlen(name)), 0);
    client_identify(&client, to, as);
    assert_int_equal(zmq_connect(client.socket, to->address), 0);
    return client;
}

/* A peer that names its connections as it likes is still who ZAP says it is; and
 * a name that comes to another peer is another way, that leads to that peer only. */
static void test_edge__routing_ids_say_nothing(void **state)
{
    struct host *a = host_new(1), *b = host_new(2), *c = host_new(3);
    const struct host *as[] = {b, b, c, b};
    uint64_t via[4] = {0};

    (void)state;
    host_let_in(a, key_of(b));
    host_let_in(a, key_of(c));
    host_listen(a);
    host_start(a);
    for (size_t i = 0; i < 4; i++) {
        struct client client = client_named(a, as[i], "admin");
        client_hello(&client, i + 1);
        struct kept kept = wait_message(a, i);
        assert_true(hark_key_equal(&kept.peer, key_of(as[i])));
        assert_int_equal(kept.id, i + 1);
        via[i] = kept.via;
        client_free(&client);
        struct timespec pause = {.tv_nsec = 100000000}; /* until the connection is gone */
        (void)nanosleep(&pause, NULL);
    }
    assert_int_equal(via[0], via[1]);
    assert_int_not_equal(via[1], via[2]);
    assert_int_not_equal(via[1], via[3]);
    assert_int_not_equal(via[2], via[3]);
    host_free(c);
    host_free(b);
    host_free(a);
}

/* A client without CURVE is refused before it has said anything. */
static void test_edge__plain_text_client(void **state)
{
    struct host *a = NULL, *b = NULL;

    (void)state;
    make_two(&a, &b);
    struct client client = client_new(a, NULL);
    client_hello(&client, 1);
    assert_silent(a, 0);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 2, 0, PATIENCE_MS));
    assert_int_equal(wait_message(a, 0).id, 2);
    client_free(&client);
    host_free(b);
    host_free(a);
}

static int raw_connect(const struct host *host)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *colon = strrchr(host->address, ':');
    uint64_t port = 0;
    assert_int_equal(hark_decimal_decode(&port, hark_span_str(colon + 1), 65535, NULL), 0);
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval wait = {.tv_sec = 5};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Garbage on the raw socket: nothing comes of it, and the others go on. */
static void test_edge__raw_garbage(void **state)
{
    /* A web browser; a greeting of ZMTP 3.1 that wants no security; the same with
     * CURVE and then rubbish; a long line of nothing. */
    static const char http[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    uint8_t null_greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    uint8_t curve_greeting[300] = {0xff, 0, 0, 0,   0,   0,   0,   0,  0,
                                   0x7f, 3, 1, 'C', 'U', 'R', 'V', 'E'};
    uint8_t nothing[4096] = {0};
    const struct hark_span garbage[] = {
        hark_span(http, sizeof(http) - 1),
        hark_span(null_greeting, sizeof(null_greeting)),
        hark_span(curve_greeting, sizeof(curve_greeting)),
        hark_span(nothing, sizeof(nothing)),
    };
    struct host *a = NULL, *b = NULL;

    (void)state;
    memset(curve_greeting + 64, 0x81, sizeof(curve_greeting) - 64);
    make_two(&a, &b);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = raw_connect(a);
        ssize_t sent = send(fd, garbage[i].data, garbage[i].size, MSG_NOSIGNAL);
        assert_true(sent > 0);
        (void)close(fd);
    }
    assert_silent(a, 0);
    assert_true(send_within(b, key_of(a), HARK_VIA_ANY, 2, 0, PATIENCE_MS));
    assert_int_equal(wait_message(a, 0).id, 2);
    host_free(b);
    host_free(a);
}

/* ---- the loop ---- */

static void test_edge__wakes_and_stops(void **state)
{
    struct host *a = host_new(1);

    (void)state;
    host_start(a);
    for (size_t i = 1; i <= 3; i++) {
        hark_edge_wake(a->edge);
        assert_int_equal(wait_for(a, &a->woken, i, PATIENCE_MS), i);
    }
    host_free(a);
    hark_edge_free(NULL);
}

/* Stopped before it ran: it returns at once. */
static void test_edge__stopped_before_it_ran(void **state)
{
    struct host *a = host_new(1);

    (void)state;
    hark_edge_stop(a->edge);
    assert_int_equal(hark_edge_run(a->edge, NULL), 0);
    host_free(a);
}

static void test_edge__addresses(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);
    char bound[HARK_ADDRESS_MAX + 1];

    (void)state;
    assert_int_equal(hark_edge_listen(a->edge, "ipc:///tmp/x", bound, NULL), HARK_E_CONFIG);
    assert_int_equal(hark_edge_listen(a->edge, "tcp://127.0.0.1", bound, NULL), HARK_E_CONFIG);
    assert_int_equal(hark_edge_listen(a->edge, "tcp://127.0.0.1:0", bound, NULL), 0);
    assert_true(strncmp(bound, "tcp://127.0.0.1:", 16) == 0 && bound[16] != '*');
    assert_int_equal(hark_edge_listen(b->edge, bound, NULL, NULL), HARK_E_IO);
    assert_int_equal(
        hark_edge_connect(a->edge, key_of(b), key_of(b), NULL, "inproc://zeromq.zap.01", NULL),
        HARK_E_CONFIG);
    assert_int_equal(
        hark_edge_connect(a->edge, key_of(b), key_of(b), NULL, "tcp://127.0.0.1:*", NULL),
        HARK_E_CONFIG);
    assert_int_equal(
        hark_edge_connect(a->edge, key_of(b), key_of(b), NULL, "tcp://127.0.0.1:9", NULL), 0);
    assert_int_equal(
        hark_edge_connect(a->edge, key_of(b), key_of(b), NULL, "tcp://127.0.0.1:10", NULL), 0);
    hark_edge_disconnect(a->edge, key_of(b));
    hark_edge_disconnect(a->edge, key_of(b));
    host_free(b);
    host_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edge__allowed_key_talks),
        cmocka_unit_test(test_edge__asks_over_their_connection),
        cmocka_unit_test(test_edge__two_connections),
        cmocka_unit_test(test_edge__tells_when_it_would_go_out),
        cmocka_unit_test(test_edge__large_load),
        cmocka_unit_test(test_edge__peer_comes_back),
        cmocka_unit_test(test_edge__unknown_key_gets_nothing),
        cmocka_unit_test(test_edge__named_later),
        cmocka_unit_test(test_edge__wrong_server_key_gets_nothing),
        cmocka_unit_test(test_edge__link_names),
        cmocka_unit_test(test_edge__two_keys_are_two_peers),
        cmocka_unit_test(test_edge__own_key_not_let_in),
        cmocka_unit_test(test_edge__links_change),
        cmocka_unit_test(test_edge__dropped),
        cmocka_unit_test(test_edge__not_allowed_any_more),
        cmocka_unit_test(test_edge__endless_message),
        cmocka_unit_test(test_edge__floods_and_is_gone),
        cmocka_unit_test(test_edge__too_many_frames),
        cmocka_unit_test(test_edge__oversized_frame),
        cmocka_unit_test(test_edge__routing_ids_say_nothing),
        cmocka_unit_test(test_edge__plain_text_client),
        cmocka_unit_test(test_edge__raw_garbage),
        cmocka_unit_test(test_edge__wakes_and_stops),
        cmocka_unit_test(test_edge__stopped_before_it_ran),
        cmocka_unit_test(test_edge__addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
