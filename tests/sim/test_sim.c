/*
 * The replication core in a world of its own: three to five nodes, a network that
 * loses, doubles, delays, garbles and parts, nodes that crash, writers that are
 * busy or fail. All of it follows from a seed, which a failure prints:
 *
 *     HARK_SIM_SEED=17 ./test_sim      that one, telling what happens
 *     HARK_SIM_SEEDS=5000 ./test_sim   that many from 1 on
 *
 * At every step each node's log is a beginning of the home's. When the network is
 * whole again all logs are equal before long, and then it is quiet.
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

#define NODES_MAX    5u
#define FLIGHT_MAX   8192u
#define SPACE        0x51
#define SEEDS        200u
#define TROUBLE_MS   60000u   /* faults and writing */
#define HEALED_MS    1200000u /* in which all must become equal */
#define ENTRIES_MOST 600u

struct sim {
    uint64_t seed, random;
    uint64_t now_ms;
    size_t count;
    struct fake_node *nodes[NODES_MAX];
    uint64_t tick_ms[NODES_MAX], append_ms[NODES_MAX];
    bool follows[NODES_MAX][NODES_MAX], cut[NODES_MAX][NODES_MAX];
    uint64_t change_ms; /* when the next fault or writing happens */
    /* how bad it is, in per mille */
    unsigned lost, doubled, garbled, append_fails;
    bool healed;
    size_t flight_count, delivered;
    struct fake_message *flight[FLIGHT_MAX];
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

static void check(const struct sim *sim)
{
    for (size_t i = 1; i < sim->count; i++) {
        if (!is_prefix(&sim->nodes[i]->log, &sim->nodes[0]->log))
            broken(sim, "a log that is no beginning of the home's");
    }
}

static bool all_equal(const struct sim *sim)
{
    for (size_t i = 1; i < sim->count; i++) {
        if (sim->nodes[i]->log.size != sim->nodes[0]->log.size)
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

static void put_in_flight(struct sim *sim, struct fake_message *message)
{
    if (sim->flight_count == FLIGHT_MAX)
        broken(sim, "more messages under way than anybody could want");
    message->due_ms = sim->now_ms + 1 + below(sim, chance(sim, 50) ? 15000 : 100);
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
        if (!sim->healed && chance(sim, sim->lost)) {
            fake_message_free(message);
            continue;
        }
        put_in_flight(sim, message);
    }
}

static void step_node(struct sim *sim, size_t i)
{
    sim->tick_ms[i] = sim->now_ms + hark_core_tick(sim->nodes[i]->core);
    send_out(sim, sim->nodes[i]);
    if (sim->nodes[i]->pending_count > 0 && sim->append_ms[i] == UINT64_MAX)
        sim->append_ms[i] = sim->now_ms + 1 + below(sim, 300);
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

/* ---- events ---- */

static void follow_all(struct sim *sim, size_t i)
{
    for (size_t k = 0; k < sim->count; k++) {
        if (sim->follows[i][k])
            assert_int_equal(hark_core_follow(sim->nodes[i]->core, &sim->nodes[k]->key,
                                              &sim->nodes[i]->log.ref, 1, NULL),
                             0);
    }
}

static void write_entries(struct sim *sim)
{
    struct fake_log *log = &sim->nodes[0]->log;
    size_t count = 1 + (size_t)below(sim, 20);
    if (log->size + count > ENTRIES_MOST || log->batches + 1 >= FAKE_BATCHES_MAX)
        return;
    fake_log_grow(log, count, any(sim));
    hark_core_grown(sim->nodes[0]->core, &log->ref);
    step_node(sim, 0);
}

static void crash(struct sim *sim)
{
    size_t i = (size_t)below(sim, sim->count);
    char name[2] = {(char)('a' + i), '\0'};
    fake_node_stop(sim->nodes[i]);
    fake_node_start(sim->nodes[i], name);
    sim->append_ms[i] = UINT64_MAX;
    follow_all(sim, i);
    step_node(sim, i);
}

static void change_something(struct sim *sim)
{
    size_t a = (size_t)below(sim, sim->count), b = (size_t)below(sim, sim->count);
    switch (below(sim, 8)) {
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
    for (size_t i = 0; i < sim->count; i++)
        sim->nodes[i]->append_fails = 0;
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
    check(sim);
    step_node(sim, i);
}

static uint64_t next_event(const struct sim *sim)
{
    uint64_t next = sim->change_ms;
    for (size_t i = 0; i < sim->count; i++) {
        next = sim->tick_ms[i] < next ? sim->tick_ms[i] : next;
        next = sim->append_ms[i] < next ? sim->append_ms[i] : next;
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
    sim->count = 3 + (size_t)below(sim, NODES_MAX - 2);
    sim->lost = (unsigned)below(sim, 200);
    sim->doubled = (unsigned)below(sim, 100);
    sim->garbled = chance(sim, 250) ? 10 : 0;
    sim->append_fails = chance(sim, 250) ? 100 : 0;
    for (size_t i = 0; i < sim->count; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        sim->nodes[i] = fake_node_new(name, (uint8_t)(i + 1), SPACE, &sim->now_ms);
        sim->append_ms[i] = UINT64_MAX;
    }
    /* A chain from the home makes sure that all can have it all. */
    for (size_t i = 1; i < sim->count; i++) {
        sim->follows[i][chance(sim, 500) ? 0 : i - 1] = true;
        for (size_t k = 0; k < sim->count; k++)
            sim->follows[i][k] = sim->follows[i][k] || (k != i && chance(sim, 300));
    }
    sim->nodes[0]->log.exists = true;
    write_entries(sim);
    for (size_t i = 0; i < sim->count; i++) {
        follow_all(sim, i);
        step_node(sim, i);
    }
    sim->change_ms = sim->now_ms;
}

static void end_world(struct sim *sim)
{
    for (size_t i = 0; i < sim->flight_count; i++)
        fake_message_free(sim->flight[i]);
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
    if (getenv("HARK_SIM_SEED") != NULL)
        print_message("seed %llu: %zu nodes, %zu entries, %zu messages, equal %llu ms after "
                      "healing\n",
                      (unsigned long long)seed, sim->count, sim->nodes[0]->log.size, sim->delivered,
                      (unsigned long long)(sim->now_ms - healed));
    check_quiet(sim);
    end_world(sim);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value = otherwise;
    if (text != NULL && hark_decimal_decode(&value, hark_span_str(text), UINT64_MAX, NULL) != 0)
        fail_msg("%s is no number: %s", name, text);
    return value;
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
