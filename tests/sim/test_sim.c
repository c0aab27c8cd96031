/*
 * The replication core in a world of its own: a home, two partners that take entries
 * into their intake logs, and one to three members that hand entries in and ask to
 * join; a network that loses, doubles, delays, replays, garbles and parts, nodes that
 * crash, writers that are busy or fail, answers that lie. All of it follows from a
 * seed, which a failure prints:
 *
 *     HARK_SIM_SEED=17 ./test_sim      that one, telling what happens
 *     HARK_SIM_SEEDS=5000 ./test_sim   that many from 1 on
 *
 * At every step each node's main log is a beginning of the home's, and its copy of an
 * intake of that partner's. When the network is whole again all logs are equal before
 * long, all that members ever wrote stands in the main log, once, everybody is
 * admitted, once, everybody knows what home and partners have cosigned, which each does
 * with all that its main log comes to hold, and then it is quiet.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "fake.h"
#include "tests/support/number.h"

#define NODES_MAX    6u
#define LOGS         3u /* main, and the intakes of nodes 1 and 2 */
#define OUTBOX_MAX   60u
#define REPLAY_MAX   64u
#define FLIGHT_MAX   8192u
#define SPACE        0x51
#define SEEDS        200u
#define TROUBLE_MS   60000u   /* faults and writing */
#define HEALED_MS    1200000u /* in which all must become equal */
#define ENTRIES_MOST 600u
#define AGAIN_MS     60000u /* taken in, but not logged: handed in again */
#define PATIENCE_MS  20000u

/* What a member wrote, in order, and what it knows of it. */
struct outbox {
    size_t count;
    uint64_t values[OUTBOX_MAX];
    uint64_t taken_ms[OUTBOX_MAX]; /* when a node said that it has it; 0: none did */
    size_t seen;                   /* accepted_calls so far */
    size_t answered;               /* answered_calls so far */
    bool asks, admitted;           /* about joining */
    uint64_t again_ms;
};

struct sim {
    uint64_t seed, random;
    uint64_t now_ms;
    size_t count;
    struct fake_node *nodes[NODES_MAX];
    uint64_t tick_ms[NODES_MAX], append_ms[NODES_MAX], judge_ms[NODES_MAX];
    struct outbox outboxes[NODES_MAX];
    bool admitted[NODES_MAX]; /* by the home */
    uint64_t next_value;
    bool follows[NODES_MAX][NODES_MAX], cut[NODES_MAX][NODES_MAX];
    uint64_t change_ms; /* when the next fault or writing happens */
    /* how bad it is, in per mille */
    unsigned lost, doubled, garbled, append_fails, replayed, lies;
    bool healed, prompt;
    bool full; /* everybody follows the home and both partners */
    size_t flight_count, delivered;
    struct fake_message *flight[FLIGHT_MAX];
    size_t past_count;
    struct fake_message *past[REPLAY_MAX];
};

/* ---- chance (splitmix64) ---- */

static uint64_t any(struct sim *sim)
{
    uint64_t z = (sim->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(struct sim *sim, uint64_t bound)
{
    return any(sim) % bound;
}

static bool chance(struct sim *sim, unsigned per_mille)
{
    return below(sim, 1000) < per_mille;
}

/* ---- what must always hold ---- */

static void broken(const struct sim *sim, const char *what)
{
    fail_msg("seed %llu, %llu ms: %s (HARK_SIM_SEED=%llu)", (unsigned long long)sim->seed,
             (unsigned long long)sim->now_ms, what, (unsigned long long)sim->seed);
}

static bool is_prefix(const struct fake_log *log, const struct fake_log *of)
{
    return log->size <= of->size && hark_hash_equal(&log->roots[log->size], &of->roots[log->size]);
}

static const char *const names[NODES_MAX] = {"a", "b", "c", "d", "e", "f"};

/* 0: the main log; else the intake of node 1 or 2. */
static struct fake_log *log_of(const struct sim *sim, size_t node, size_t log)
{
    return log == 0 ? &sim->nodes[node]->log : fake_node_intake(sim->nodes[node], names[log]);
}

/* Members take none of others' entries: the code that says so. */
static int takes_entries(size_t i)
{
    return i < LOGS ? 0 : HARK_E_ACCEPT_NOT_HERE;
}

static bool is_member(const struct sim *sim, size_t i)
{
    return i >= LOGS && i < sim->count;
}

static void check(const struct sim *sim)
{
    for (size_t log = 0; log < LOGS; log++) {
        for (size_t i = 0; i < sim->count; i++) {
            if (!is_prefix(log_of(sim, i, log), log_of(sim, log, log)))
                broken(sim, "a log that is no beginning of its node's");
        }
    }
    for (size_t k = 0; k < sim->count; k++) {
        for (size_t i = 0; i < sim->count; i++) {
            if (sim->nodes[i]->cosigned[k] > sim->nodes[k]->log.size)
                broken(sim, "a cosigned checkpoint that its node never made");
        }
    }
}

/* What home and partners have cosigned, and nothing that they have not. */
static bool knows_notes(const struct sim *sim, size_t i)
{
    for (size_t k = 0; k < LOGS; k++) {
        if (sim->nodes[i]->cosigned[k] != sim->nodes[k]->log.size)
            return false;
    }
    return true;
}

static void check_once(const struct sim *sim, const struct fake_log *log)
{
    for (size_t i = 0; i < log->size; i++) {
        uint64_t at = 0;
        if (fake_log_find(log, log->values[i], &at) && at != i)
            broken(sim, "an entry that stands in a log twice");
    }
}

static bool is_logged(const struct sim *sim, size_t i)
{
    uint64_t at = 0;
    const struct outbox *outbox = &sim->outboxes[i];
    for (size_t k = 0; k < outbox->count; k++) {
        if (!fake_log_find(&sim->nodes[i]->log, outbox->values[k], &at))
            return false;
    }
    return !is_member(sim, i) || outbox->admitted;
}

static bool all_equal(const struct sim *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        for (size_t log = 0; log < LOGS; log++) {
            if (log_of(sim, i, log)->batches != log_of(sim, log, log)->batches)
                return false;
        }
        if (!knows_notes(sim, i) || !is_logged(sim, i) || (is_member(sim, i) && !sim->admitted[i]))
            return false;
    }
    return true;
}

/* ---- the network ---- */

static size_t index_of(const struct sim *sim, const struct hark_key *key)
{
    size_t i = key->bytes[0] - 1u;
    assert_true(i < sim->count);
    return i;
}

static struct fake_message *copy_of(const struct fake_message *message)
{
    struct fake_message *copy = calloc(1, sizeof(*copy));
    assert_non_null(copy);
    copy->from = message->from;
    copy->to = message->to;
    copy->via = message->via;
    for (size_t i = 0; i < message->count; i++)
        fake_message_frame(copy, message->frames[i].data, message->frames[i].size);
    return copy;
}

static void garble(struct sim *sim, struct fake_message *message)
{
    struct hark_buf *frame = &message->frames[below(sim, message->count)];
    if (frame->size > 0)
        frame->data[below(sim, frame->size)] ^= (uint8_t)(1u << below(sim, 8));
}

static uint8_t type_of(const struct fake_message *message)
{
    return message->frames[0].size == HARK_HEADER_SIZE ? message->frames[0].data[5] : 0;
}

/* An answer of other entries than those handed in, or of too many. */
static void lie(struct sim *sim, struct fake_message *message)
{
    struct hark_buf *body = &message->frames[1];
    if (type_of(message) != HARK_MESSAGE_ACCEPTED || body->size < 34 + HARK_HASH_SIZE)
        return;
    if (chance(sim, 500))
        body->data[34 + below(sim, HARK_HASH_SIZE)] ^= 1;
    else
        body->data[33]++;
}

/* Keeps a message for later. */
static void remember(struct sim *sim, const struct fake_message *message)
{
    size_t at = sim->past_count < REPLAY_MAX ? sim->past_count++ : (size_t)below(sim, REPLAY_MAX);
    if (sim->past[at] != NULL)
        fake_message_free(sim->past[at]);
    sim->past[at] = copy_of(message);
}

static void put_in_flight(struct sim *sim, struct fake_message *message)
{
    if (sim->flight_count == FLIGHT_MAX)
        broken(sim, "more messages under way than anybody could want");
    bool late = !sim->prompt && chance(sim, 50);
    message->due_ms = sim->now_ms + 1 + below(sim, late ? 15000 : 100);
    sim->flight[sim->flight_count++] = message;
}

static void send_out(struct sim *sim, struct fake_node *node)
{
    struct fake_message *message = NULL;
    while ((message = fake_node_next(node)) != NULL) {
        if (!sim->healed && chance(sim, sim->doubled))
            put_in_flight(sim, copy_of(message));
        if (!sim->healed && chance(sim, sim->garbled))
            garble(sim, message);
        if (!sim->healed && chance(sim, sim->lies))
            lie(sim, message);
        if (!sim->healed && sim->replayed > 0)
            remember(sim, message);
        if (!sim->healed && chance(sim, sim->lost)) {
            fake_message_free(message);
            continue;
        }
        put_in_flight(sim, message);
    }
}

static void step_node(struct sim *sim, size_t i)
{
    fake_node_note(sim->nodes[i], i, sim->nodes[i]->log.size);
    sim->tick_ms[i] = sim->now_ms + hark_core_tick(sim->nodes[i]->core);
    send_out(sim, sim->nodes[i]);
    if (sim->nodes[i]->pending_count > 0 && sim->append_ms[i] == UINT64_MAX)
        sim->append_ms[i] = sim->now_ms + 1 + below(sim, 300);
    if (sim->nodes[i]->submitted_count + sim->nodes[i]->join_count + sim->nodes[i]->cosign_count >
            0 &&
        sim->judge_ms[i] == UINT64_MAX)
        sim->judge_ms[i] =
            sim->now_ms + 1 + below(sim, !sim->prompt && chance(sim, 100) ? 20000 : 300);
}

static void deliver(struct sim *sim, struct fake_message *message)
{
    size_t from = index_of(sim, &message->from);
    size_t to = index_of(sim, &message->to);
    if (!sim->cut[from][to]) {
        sim->delivered++;
        fake_deliver(sim->nodes[to], message);
        step_node(sim, to);
    }
    fake_message_free(message);
}

/* A message from the past comes once more, perhaps to somebody else. */
static void replay(struct sim *sim)
{
    if (sim->past_count == 0)
        return;
    struct fake_message *message = copy_of(sim->past[below(sim, sim->past_count)]);
    if (chance(sim, 300)) {
        message->to = sim->nodes[below(sim, sim->count)]->key;
        if (hark_key_equal(&message->to, &message->from)) {
            fake_message_free(message);
            return;
        }
    }
    put_in_flight(sim, message);
}

/* ---- members ---- */

/* Hands in what is in the outbox and not logged, as a node would: all that nobody
 * has taken, and what was taken and has not come into the main log for long. */
static void hand_in(struct sim *sim, size_t i)
{
    struct outbox *outbox = &sim->outboxes[i];
    struct fake_node *node = sim->nodes[i];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint64_t values[OUTBOX_MAX], at = 0;
    size_t count = 0;
    for (size_t k = 0; k < outbox->count; k++) {
        if (!fake_log_find(&node->log, outbox->values[k], &at) &&
            (outbox->taken_ms[k] == 0 || sim->now_ms - outbox->taken_ms[k] >= AGAIN_MS))
            values[count++] = outbox->values[k];
    }
    if (count > 0)
        fake_submit_body(&body, &node->log.ref.space, values, count);
    assert_int_equal(hark_core_submit(node->core, &node->log.ref.space, hark_buf_span(&body),
                                      &sim->nodes[0]->key, NULL),
                     0);
    hark_buf_free(&body);
    /* What nobody has taken yet, the core goes on with by itself. */
    outbox->again_ms = UINT64_MAX;
}

static void ask_to_join(struct sim *sim, size_t i)
{
    struct outbox *outbox = &sim->outboxes[i];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint8_t sealed = (uint8_t)i;
    if (outbox->asks || outbox->admitted)
        return;
    assert_int_equal(
        hark_join_encode(&body, &sim->nodes[i]->log.ref.space, hark_span(&sealed, 1), NULL), 0);
    assert_int_equal(hark_core_request(sim->nodes[i]->core, &sim->nodes[0]->key, HARK_MESSAGE_JOIN,
                                       hark_buf_span(&body), PATIENCE_MS, NULL),
                     0);
    outbox->asks = true;
    hark_buf_free(&body);
}

static void mark_taken(struct sim *sim, size_t i)
{
    struct outbox *outbox = &sim->outboxes[i];
    const struct fake_node *node = sim->nodes[i];
    for (size_t m = 0; m < node->item_count; m++) {
        bool known = false;
        for (size_t k = 0; k < outbox->count; k++) {
            uint8_t entry[8] = {0};
            fake_entry(entry, outbox->values[k]);
            struct hark_hash id = hark_sha256(hark_span(entry, sizeof(entry)));
            if (!hark_hash_equal(&id, &node->items[m].id))
                continue;
            known = true;
            if (node->items[m].status != HARK_ACCEPTED_REFUSED)
                outbox->taken_ms[k] = sim->now_ms;
        }
        if (!known)
            broken(sim, "an answer about what was never handed in");
    }
}

/* What the core told a member since it was last looked at. */
static void listen(struct sim *sim, size_t i)
{
    struct outbox *outbox = &sim->outboxes[i];
    const struct fake_node *node = sim->nodes[i];
    if (!is_member(sim, i))
        return;
    if (node->answered_calls != outbox->answered) {
        outbox->answered = node->answered_calls;
        outbox->asks = false;
        outbox->admitted = outbox->admitted || node->answered_code == 0;
        ask_to_join(sim, i);
    }
    if (node->accepted_calls != outbox->seen) {
        outbox->seen = node->accepted_calls;
        if (node->accepted_code == 0) {
            mark_taken(sim, i);
            hand_in(sim, i);
            outbox->again_ms = sim->now_ms + AGAIN_MS;
        }
    }
    if (sim->now_ms >= outbox->again_ms)
        hand_in(sim, i);
}

static void write_as_member(struct sim *sim)
{
    size_t i = LOGS + (size_t)below(sim, sim->count - LOGS);
    struct outbox *outbox = &sim->outboxes[i];
    if (outbox->count == OUTBOX_MAX)
        return;
    outbox->values[outbox->count++] = sim->next_value++;
    hand_in(sim, i);
    step_node(sim, i);
}

/* ---- the home, and who judges ---- */

/* The home logs what its copies of the intakes hold and it does not. */
static void take_over(struct sim *sim)
{
    struct fake_log *log = &sim->nodes[0]->log;
    for (size_t k = 1; k < LOGS; k++) {
        const struct fake_log *intake = log_of(sim, 0, k);
        for (size_t i = 0; i < intake->size; i++) {
            uint64_t at = 0;
            if (!fake_log_find(log, intake->values[i], &at)) {
                fake_log_grow(log, 1, intake->values[i]);
                hark_core_grown(sim->nodes[0]->core, &log->ref);
            }
        }
    }
}

/* Whoever asks, any number of times, is admitted once. */
static void admit(struct sim *sim)
{
    struct fake_node *home = sim->nodes[0];
    if (home->join_count == 0)
        return;
    size_t i = home->joins[0].body.data[0];
    if (is_member(sim, i))
        sim->admitted[i] = true;
    (void)fake_node_join_one(home, HARK_JOINED_ADMITTED, 0);
}

static void judge(struct sim *sim, size_t i)
{
    sim->judge_ms[i] = UINT64_MAX;
    (void)fake_node_accept_one(sim->nodes[i]);
    (void)fake_node_cosign_one(sim->nodes[i], 0);
    if (i == 0)
        admit(sim);
    check(sim);
    step_node(sim, i);
}

/* ---- events ---- */

static void follow_all(struct sim *sim, size_t i)
{
    struct hark_log_ref logs[LOGS];
    for (size_t k = 0; k < LOGS; k++)
        logs[k] = log_of(sim, i, k)->ref;
    for (size_t k = 0; k < sim->count; k++) {
        if (sim->follows[i][k])
            assert_int_equal(
                hark_core_follow(sim->nodes[i]->core, &sim->nodes[k]->key, logs, LOGS, NULL), 0);
    }
}

static void write_entries(struct sim *sim)
{
    struct fake_log *log = &sim->nodes[0]->log;
    size_t count = (size_t)below(sim, 20); /* none: a batch that only takes over */
    if (log->size + count > ENTRIES_MOST || log->batches + 100 >= FAKE_BATCHES_MAX)
        return;
    fake_log_grow(log, log->size == 0 ? count + 1 : count, sim->next_value);
    sim->next_value += count + 1;
    hark_core_grown(sim->nodes[0]->core, &log->ref);
    step_node(sim, 0);
}

static void crash(struct sim *sim)
{
    size_t i = (size_t)below(sim, sim->count);
    fake_node_stop(sim->nodes[i]);
    fake_node_start(sim->nodes[i], names[i]);
    sim->append_ms[i] = UINT64_MAX;
    sim->judge_ms[i] = UINT64_MAX;
    follow_all(sim, i);
    if (is_member(sim, i)) {
        sim->outboxes[i].asks = false;
        ask_to_join(sim, i);
        hand_in(sim, i);
    }
    step_node(sim, i);
}

static void change_something(struct sim *sim)
{
    size_t a = (size_t)below(sim, sim->count), b = (size_t)below(sim, sim->count);
    if (chance(sim, sim->replayed))
        replay(sim);
    switch (below(sim, 12)) {
    case 0: /* both ways, or one */
        sim->cut[a][b] = true;
        sim->cut[b][a] = chance(sim, 700);
        break;
    case 1:
        memset(sim->cut, 0, sizeof(sim->cut));
        break;
    case 2:
        if (chance(sim, 300))
            crash(sim);
        break;
    case 3:
        sim->nodes[a]->append_fails = chance(sim, 300) ? HARK_E_BUSY : 0;
        break;
    case 4:
        sim->nodes[a]->submit_fails = chance(sim, 500)   ? takes_entries(a)
                                      : chance(sim, 500) ? HARK_E_BUSY
                                                         : HARK_E_ACCEPT_NOT_HERE;
        sim->nodes[a]->join_fails = chance(sim, 700) ? 0 : HARK_E_BUSY;
        sim->nodes[a]->cosign_fails = chance(sim, 700) ? 0 : HARK_E_BUSY;
        break;
    case 5:
    case 6:
    case 7:
        write_as_member(sim);
        break;
    case 8: /* which must not disturb anything */
        follow_all(sim, a);
        break;
    default:
        write_entries(sim);
        break;
    }
    sim->change_ms = sim->now_ms + 1 + below(sim, 1500);
}

static void heal(struct sim *sim)
{
    sim->healed = true;
    sim->change_ms = UINT64_MAX;
    memset(sim->cut, 0, sizeof(sim->cut));
    for (size_t i = 0; i < sim->count; i++) {
        sim->nodes[i]->append_fails = sim->nodes[i]->join_fails = 0;
        sim->nodes[i]->cosign_fails = 0;
        sim->nodes[i]->submit_fails = takes_entries(i);
    }
}

static void append(struct sim *sim, size_t i)
{
    struct fake_node *node = sim->nodes[i];
    int before = node->append_fails;
    if (!sim->healed && chance(sim, sim->append_fails))
        node->append_fails = HARK_E_IO;
    (void)fake_node_append_one(node);
    node->append_fails = before;
    sim->append_ms[i] = UINT64_MAX;
    if (i == 0)
        take_over(sim);
    check(sim);
    step_node(sim, i);
}

static uint64_t next_event(const struct sim *sim)
{
    uint64_t next = sim->change_ms;
    for (size_t i = 0; i < sim->count; i++) {
        next = sim->tick_ms[i] < next ? sim->tick_ms[i] : next;
        next = sim->append_ms[i] < next ? sim->append_ms[i] : next;
        next = sim->judge_ms[i] < next ? sim->judge_ms[i] : next;
        if (is_member(sim, i))
            next = sim->outboxes[i].again_ms < next ? sim->outboxes[i].again_ms : next;
    }
    for (size_t i = 0; i < sim->flight_count; i++)
        next = sim->flight[i]->due_ms < next ? sim->flight[i]->due_ms : next;
    return next;
}

static void run_until(struct sim *sim, uint64_t end_ms)
{
    uint64_t next = next_event(sim);
    sim->now_ms = next < end_ms ? next : end_ms;
    for (size_t i = 0; i < sim->flight_count;) {
        struct fake_message *message = sim->flight[i];
        if (message->due_ms > sim->now_ms) {
            i++;
            continue;
        }
        sim->flight[i] = sim->flight[--sim->flight_count];
        deliver(sim, message);
    }
    for (size_t i = 0; i < sim->count; i++) {
        if (sim->append_ms[i] <= sim->now_ms)
            append(sim, i);
        if (sim->judge_ms[i] <= sim->now_ms)
            judge(sim, i);
        listen(sim, i);
        if (sim->tick_ms[i] <= sim->now_ms)
            step_node(sim, i);
    }
    if (sim->change_ms <= sim->now_ms)
        change_something(sim);
    check(sim);
}

/* ---- one seed ---- */

static void make_world(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof(*sim));
    sim->seed = seed;
    sim->random = seed;
    sim->now_ms = 1000000;
    sim->next_value = 1000;
    sim->count = LOGS + 1 + (size_t)below(sim, NODES_MAX - LOGS);
    sim->lost = (unsigned)below(sim, 200);
    sim->doubled = (unsigned)below(sim, 100);
    sim->garbled = chance(sim, 250) ? 10 : 0;
    sim->append_fails = chance(sim, 250) ? 100 : 0;
    sim->lies = chance(sim, 250) ? 300 : 0;
    sim->replayed = chance(sim, 500) ? 500 : 0;
    for (size_t i = 0; i < sim->count; i++) {
        sim->nodes[i] = fake_node_new(names[i], (uint8_t)(i + 1), SPACE, &sim->now_ms);
        sim->nodes[i]->partner = i > 0 && i < LOGS ? names[i] : NULL;
        sim->nodes[i]->submit_fails = takes_entries(i);
        sim->append_ms[i] = UINT64_MAX;
        sim->judge_ms[i] = UINT64_MAX;
    }
    for (size_t i = 1; i < LOGS; i++)
        sim->follows[0][i] = true;
    /* A chain from the home makes sure that all can have it all. */
    for (size_t i = 1; i < sim->count; i++) {
        sim->follows[i][chance(sim, 500) ? 0 : i - 1] = true;
        for (size_t k = 0; k < sim->count; k++)
            sim->follows[i][k] = sim->follows[i][k] || (k != i && chance(sim, 300));
    }
    for (size_t i = LOGS; i < sim->count; i++)
        sim->follows[i][0] = true;
    sim->full = chance(sim, 500);
    for (size_t i = 0; sim->full && i < sim->count; i++) {
        for (size_t k = 0; k < LOGS; k++)
            sim->follows[i][k] = i != k;
    }
    write_entries(sim);
    for (size_t i = 0; i < sim->count; i++) {
        follow_all(sim, i);
        if (is_member(sim, i))
            ask_to_join(sim, i);
        step_node(sim, i);
    }
    sim->change_ms = sim->now_ms;
}

static void end_world(struct sim *sim)
{
    for (size_t i = 0; i < sim->flight_count; i++)
        fake_message_free(sim->flight[i]);
    for (size_t i = 0; i < sim->past_count; i++)
        fake_message_free(sim->past[i]);
    for (size_t i = 0; i < sim->count; i++)
        fake_node_free(sim->nodes[i]);
}

/* All equal, and nothing more to do than asking now and then. */
static void check_quiet(struct sim *sim)
{
    uint64_t end = sim->now_ms + 60000;
    size_t before = 0;
    /* Give late messages and the last question after each append their time. */
    while (sim->now_ms < end)
        run_until(sim, end);
    before = sim->delivered;
    end = sim->now_ms + 60000;
    while (sim->now_ms < end)
        run_until(sim, end);
    /* 12 asks and 12 tells a minute and link, a few hellos. */
    if (sim->delivered - before > 30 * sim->count * (sim->count - 1))
        broken(sim, "no quiet although nothing is new");
}

static bool has_everywhere(const struct sim *sim, uint64_t value, size_t first_node,
                           size_t first_log)
{
    for (size_t i = first_node; i < sim->count; i++) {
        bool has = false;
        uint64_t at = 0;
        for (size_t log = first_log; log < LOGS; log++)
            has = has || fake_log_find(log_of(sim, i, log), value, &at);
        if (!has)
            return false;
    }
    return true;
}

/* A member writes one more. */
static uint64_t write_one(struct sim *sim)
{
    size_t i = sim->count - 1;
    struct outbox *outbox = &sim->outboxes[i];
    if (outbox->count == OUTBOX_MAX)
        outbox->count--; /* the last one stands everywhere by now */
    uint64_t value = sim->next_value++;
    outbox->values[outbox->count] = value;
    outbox->taken_ms[outbox->count++] = 0;
    hand_in(sim, i);
    step_node(sim, i);
    return value;
}

/* "The same verified history everywhere, moments later": on a network that works,
 * what is written is logged and everywhere in seconds; and when the home is cut off,
 * in somebody's intake and everywhere else in well under a minute. */
static void check_prompt(struct sim *sim)
{
    uint64_t value = 0, end = sim->now_ms + 16000;
    sim->prompt = true;
    while (sim->now_ms < end) /* for the last ones that are late */
        run_until(sim, end);
    value = write_one(sim);
    end = sim->now_ms + 10000;
    while (sim->now_ms < end && !has_everywhere(sim, value, 0, 0))
        run_until(sim, end);
    if (!has_everywhere(sim, value, 0, 0))
        broken(sim, "an entry that is not everywhere in ten seconds");
    if (!sim->full)
        return;
    for (size_t i = 1; i < sim->count; i++)
        sim->cut[0][i] = sim->cut[i][0] = true;
    value = write_one(sim);
    end = sim->now_ms + 40000;
    while (sim->now_ms < end && !has_everywhere(sim, value, 1, 1))
        run_until(sim, end);
    if (!has_everywhere(sim, value, 1, 1))
        broken(sim, "without its home an entry is not everywhere in forty seconds");
    memset(sim->cut, 0, sizeof(sim->cut));
    end = sim->now_ms + 60000;
    while (sim->now_ms < end && !all_equal(sim))
        run_until(sim, end);
    if (!all_equal(sim))
        broken(sim, "a home that is back does not take over in a minute");
}

static void run_seed(struct sim *sim, uint64_t seed)
{
    make_world(sim, seed);
    uint64_t end = sim->now_ms + TROUBLE_MS;
    while (sim->now_ms < end)
        run_until(sim, end);
    heal(sim);
    uint64_t healed = sim->now_ms;
    end = healed + HEALED_MS;
    while (sim->now_ms < end && !all_equal(sim))
        run_until(sim, end);
    if (!all_equal(sim))
        broken(sim, "logs that do not become equal");
    for (size_t log = 0; log < LOGS; log++)
        check_once(sim, log_of(sim, log, log));
    if (getenv("HARK_SIM_SEED") != NULL)
        print_message("seed %llu: %zu nodes, %zu entries, %zu messages, equal %llu ms after "
                      "healing\n",
                      (unsigned long long)seed, sim->count, sim->nodes[0]->log.size, sim->delivered,
                      (unsigned long long)(sim->now_ms - healed));
    check_quiet(sim);
    check_prompt(sim);
    end_world(sim);
}

static void test_sim__all_logs_become_equal(void **state)
{
    static struct sim sim;
    uint64_t only = number_from("HARK_SIM_SEED", 0);
    uint64_t count = number_from("HARK_SIM_SEEDS", SEEDS);
    size_t delivered = 0;

    (void)state;
    for (uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : count); seed++) {
        run_seed(&sim, seed);
        delivered += sim.delivered;
    }
    print_message("%llu seeds, %zu messages delivered\n",
                  (unsigned long long)(only != 0 ? 1 : count), delivered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim__all_logs_become_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
