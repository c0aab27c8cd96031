/*
 * What the core's unit tests share: a pair of fake nodes in virtual time, whose messages
 * a test looks at before it lets them through, and messages made by hand. Include after
 * cmocka.h.
 */
#ifndef HARK_TESTS_UNIT_CORE_PAIR_H
#define HARK_TESTS_UNIT_CORE_PAIR_H

#include "tests/sim/fake.h"

#define SPACE 0x51

/* A follower and the node that it follows. */
struct pair {
    uint64_t now_ms;
    struct fake_node *a, *b;
    size_t passed[HARK_MESSAGE_TYPES_]; /* messages delivered, by type */
};

static inline struct pair *pair_new(void)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    assert_non_null(pair);
    pair->now_ms = 1000000;
    pair->a = fake_node_new("a", 1, SPACE, &pair->now_ms);
    pair->b = fake_node_new("b", 2, SPACE, &pair->now_ms);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    fake_node_free(pair->a);
    fake_node_free(pair->b);
    free(pair);
}

static inline void follow(struct fake_node *follower, const struct fake_node *followed)
{
    assert_int_equal(hark_core_follow(follower->core, &followed->key, &follower->log.ref, 1, NULL),
                     0);
}

static inline uint8_t type_of(const struct fake_message *message)
{
    return message->frames[0].data[5];
}

static inline bool pass_one(struct pair *pair, struct fake_node *from, struct fake_node *to)
{
    struct fake_message *message = fake_node_next(from);
    if (message == NULL)
        return false;
    pair->passed[type_of(message)]++;
    fake_deliver(to, message);
    fake_message_free(message);
    return true;
}

/* Delivers, appends and ticks until nothing happens without time passing. */
static inline void settle(struct pair *pair)
{
    bool more = true;
    for (size_t i = 0; more && i < 10000; i++) {
        (void)hark_core_tick(pair->a->core);
        (void)hark_core_tick(pair->b->core);
        more = pass_one(pair, pair->a, pair->b);
        more = pass_one(pair, pair->b, pair->a) || more;
        more = fake_node_append_one(pair->a) || more;
        more = fake_node_append_one(pair->b) || more;
        more = fake_node_accept_one(pair->a) || more;
        more = fake_node_accept_one(pair->b) || more;
        more = fake_node_cosign_one(pair->a, 0) || more;
        more = fake_node_cosign_one(pair->b, 0) || more;
        more = fake_node_convict_one(pair->a, 0) || more;
        more = fake_node_convict_one(pair->b, 0) || more;
    }
    assert_false(more);
}

/* Lets that much time pass, with everything that happens in it. */
static inline void pass_time(struct pair *pair, uint64_t ms)
{
    uint64_t end = pair->now_ms + ms;
    settle(pair);
    while (pair->now_ms < end) {
        uint64_t a = hark_core_tick(pair->a->core);
        uint64_t b = hark_core_tick(pair->b->core);
        uint64_t step = a < b ? a : b;
        pair->now_ms = step < end - pair->now_ms ? pair->now_ms + step : end;
        settle(pair);
    }
}

/* Time passes for A alone; what it sends is lost. */
static inline size_t lose_for(struct pair *pair, uint64_t ms, uint8_t type)
{
    uint64_t end = pair->now_ms + ms;
    size_t count = 0;
    while (pair->now_ms < end) {
        uint64_t step = hark_core_tick(pair->a->core);
        struct fake_message *message = NULL;
        while ((message = fake_node_next(pair->a)) != NULL) {
            count += type_of(message) == type;
            fake_message_free(message);
        }
        pair->now_ms = step < end - pair->now_ms ? pair->now_ms + step : end;
    }
    return count;
}

/* The next message of a node, which must be of that type; free it. */
static inline struct fake_message *expect(struct fake_node *node, uint8_t type)
{
    struct fake_message *message = fake_node_next(node);
    if (message == NULL)
        fail_msg("nothing was sent where type %u was expected", (unsigned)type);
    assert_int_equal(type_of(message), type);
    return message;
}

static inline uint64_t id_of(const struct fake_message *message)
{
    return hark_get_u64(message->frames[0].data + 8);
}

static inline void drop(struct fake_node *node, uint8_t type)
{
    fake_message_free(expect(node, type));
}

static inline void inject_raw(struct fake_node *to, const struct fake_node *from,
                              const struct hark_span *frames, size_t count)
{
    hark_core_message(to->core, &from->key, HARK_VIA_THEIRS + 5, frames, count);
}

/* A message to `to` as if from `from`, over a connection of its own. */
static inline void inject(struct fake_node *to, const struct fake_node *from, uint8_t type,
                          uint64_t id, const struct hark_buf *body, const struct hark_buf *load)
{
    uint8_t header[HARK_HEADER_SIZE] = {0};
    struct hark_span frames[3];
    hark_message_header(header, type, id);
    frames[0] = hark_span(header, sizeof(header));
    frames[1] = hark_buf_span(body);
    if (load != NULL)
        frames[2] = hark_buf_span(load);
    inject_raw(to, from, frames, load != NULL ? 3 : 2);
}

static inline void inject_ask(struct fake_node *to, const struct fake_node *from, uint64_t id,
                              const struct hark_cursor *cursor)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_ask_encode(&body, cursor, 1, NULL), 0);
    inject(to, from, HARK_MESSAGE_ASK, id, &body, NULL);
    hark_buf_free(&body);
}

/* A asks B about its log. */
static inline void ask_b(struct pair *pair, uint64_t id)
{
    struct hark_cursor cursor = fake_log_cursor(&pair->a->log);
    inject_ask(pair->b, pair->a, id, &cursor);
}

static inline void inject_hello(struct fake_node *to, const struct fake_node *from, uint64_t id)
{
    struct hark_hello hello = {.lowest = 1, .highest = 1, .name = "a"};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_hello_encode(&body, &hello, NULL), 0);
    inject(to, from, HARK_MESSAGE_HELLO, id, &body, NULL);
    hark_buf_free(&body);
}

static inline void inject_noted(struct fake_node *to, const struct fake_node *from, uint64_t id,
                                const struct hark_hash *space)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_noted_encode(&body, space, NULL), 0);
    inject(to, from, HARK_MESSAGE_NOTED, id, &body, NULL);
    hark_buf_free(&body);
}

static inline void inject_tell(struct fake_node *to, const struct fake_node *from, uint64_t id,
                               uint8_t status, const struct hark_cursor *cursor)
{
    struct hark_told told = {.status = status, .cursor = *cursor};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_tell_encode(&body, &told, 1, NULL), 0);
    inject(to, from, HARK_MESSAGE_TELL, id, &body, NULL);
    hark_buf_free(&body);
}

static inline void inject_fetch(struct fake_node *to, const struct fake_node *from, uint64_t id,
                                const struct hark_cursor *cursor)
{
    struct hark_fetch fetch = {.cursor = *cursor, .want = HARK_WANT_MIN};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_fetch_encode(&body, &fetch, NULL), 0);
    inject(to, from, HARK_MESSAGE_FETCH, id, &body, NULL);
    hark_buf_free(&body);
}

static inline void inject_error(struct fake_node *to, const struct fake_node *from, uint64_t id,
                                int code)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    assert_int_equal(hark_error_encode(&body, code, "so it is", NULL), 0);
    inject(to, from, HARK_MESSAGE_ERROR, id, &body, NULL);
    hark_buf_free(&body);
}

static inline struct hark_told told_by(struct fake_node *node)
{
    struct fake_message *message = expect(node, HARK_MESSAGE_TELL);
    struct hark_told *told = NULL;
    size_t count = 0;
    assert_int_equal(hark_tell_decode(&told, &count, hark_buf_span(&message->frames[1]), NULL), 0);
    assert_int_equal(count, 1);
    struct hark_told one = told[0];
    free(told);
    fake_message_free(message);
    return one;
}

static inline void expect_error(struct fake_node *node, uint64_t id, const char *name)
{
    struct fake_message *message = expect(node, HARK_MESSAGE_ERROR);
    struct hark_error error;
    assert_int_equal(hark_error_decode(&error, hark_buf_span(&message->frames[1]), NULL), 0);
    assert_string_equal(error.name, name);
    assert_int_equal(id_of(message), id);
    fake_message_free(message);
}

static inline void assert_equal_logs(const struct pair *pair)
{
    assert_int_equal(pair->a->log.size, pair->b->log.size);
    assert_true(hark_hash_equal(&pair->a->log.roots[pair->a->log.size],
                                &pair->b->log.roots[pair->b->log.size]));
}

/* A follows B, and has asked: the id. */
static inline uint64_t ask_id_of(struct pair *pair)
{
    follow(pair->a, pair->b);
    (void)hark_core_tick(pair->a->core);
    drop(pair->a, HARK_MESSAGE_HELLO);
    struct fake_message *ask = expect(pair->a, HARK_MESSAGE_ASK);
    uint64_t id = id_of(ask);
    fake_message_free(ask);
    return id;
}

static inline void assert_malformed(struct pair *pair)
{
    drop(pair->a, HARK_MESSAGE_ERROR);
    assert_int_equal(pair->a->out_count, 0);
    assert_int_equal(pair->a->state, HARK_PEER_REFUSED);
    assert_int_equal(pair->a->code, HARK_E_PEER_FORM);
}

static inline void make_live(struct fake_node *node, struct fake_node *peer)
{
    struct hark_cursor cursor = fake_log_cursor(&peer->log);
    inject_ask(node, peer, 5, &cursor);
    while (node->out_count > 0)
        fake_message_free(fake_node_next(node));
}

#endif
