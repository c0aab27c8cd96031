/*
 * One seed of a realm: its network, its clock, what happens to it.
 */
#include "realm.h"

#define TROUBLE_MS    45000u
#define HEALED_MS     1500000u
#define LOOK_MS       1000u
#define EVERYWHERE_MS 20000u
/* In all; a realm that never becomes equal asks some 30,000 times. */
#define MESSAGES_MOST 80000u

/* ---- chance (splitmix64) ---- */

uint64_t realm_any(struct realm *realm)
{
    uint64_t z = (realm->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t realm_below(struct realm *realm, uint64_t bound)
{
    return realm_any(realm) % bound;
}

bool realm_chance(struct realm *realm, unsigned per_mille)
{
    return per_mille > 0 && realm_below(realm, 1000) < per_mille;
}

const char *realm_name(size_t node)
{
    static const char *const names[REALM_NODES_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    assert_true(node < REALM_NODES_MAX);
    return names[node];
}

void realm_broken(const struct realm *realm, const char *what)
{
    fail_msg("seed %llu, %llu ms: %s\nrun it again: HARK_SIM_SEED=%llu ./test_realm",
             (unsigned long long)realm->seed, (unsigned long long)realm->now_ms, what,
             (unsigned long long)realm->seed);
}

/* ---- the network ---- */

static void put_in_flight(struct realm *realm, struct fake_message *message)
{
    if (realm->flight_count == REALM_FLIGHT_MAX)
        realm_broken(realm, "more messages under way than anybody could want");
    bool late = !realm->healed && realm_chance(realm, realm->late);
    message->due_ms = realm->now_ms + 1 + realm_below(realm, late ? 12000 : 100);
    realm->flight[realm->flight_count++] = message;
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

static void send_out(struct realm *realm, struct realm_node *node)
{
    for (size_t i = 0; i < node->out_count; i++) {
        struct fake_message *message = node->out[i];
        if ((!node->honest && !realm_lie_out(node, message)) ||
            (!realm->healed && realm_chance(realm, realm->lost))) {
            fake_message_free(message);
            continue;
        }
        if (!realm->healed && realm_chance(realm, realm->doubled))
            put_in_flight(realm, copy_of(message));
        put_in_flight(realm, message);
    }
    node->out_count = 0;
}

/* Everything that follows from what was just done at a node. */
void realm_step(struct realm *realm, struct realm_node *node)
{
    realm_node_tend(node);
    if (node->core != NULL)
        node->tick_ms = realm->now_ms + hark_core_tick(node->core);
    if (node->goes_back)
        realm_node_tend(node);
    send_out(realm, node);
    if (node->pending_count > 0 && node->append_ms == REALM_NEVER)
        node->append_ms = realm->now_ms + 1 + realm_below(realm, 200);
    if (node->submitted_count + node->join_count > 0 && node->judge_ms == REALM_NEVER)
        node->judge_ms = realm->now_ms + 1 + realm_below(realm, 200);
    realm_check(realm, node);
}

static void deliver(struct realm *realm, struct fake_message *message)
{
    size_t from = message->from.bytes[0] - 1u, to = message->to.bytes[0] - 1u;
    struct realm_node *node = realm->nodes[to];
    if (!realm->cut[from][to] && node->core != NULL) {
        struct hark_span frames[3];
        uint64_t via = message->via >= HARK_VIA_THEIRS ? HARK_VIA_OURS : HARK_VIA_THEIRS;
        for (size_t i = 0; i < message->count; i++)
            frames[i] = hark_buf_span(&message->frames[i]);
        if (++realm->delivered > MESSAGES_MOST)
            realm_broken(realm, "no quiet although nothing is new");
        node->impossible[from] += message->impossible;
        node->facing = (uint32_t)from;
        hark_core_message(node->core, &message->from, via, frames, message->count);
        node->facing = REALM_NOBODY;
        realm_step(realm, node);
    }
    fake_message_free(message);
}

/* ---- what happens ---- */

static void part(struct realm *realm)
{
    uint64_t side = realm_any(realm);
    for (size_t i = 0; i < realm->count; i++) {
        for (size_t j = 0; j < realm->count; j++)
            realm->cut[i][j] = (side >> i & 1) != (side >> j & 1);
    }
}

static void crash(struct realm *realm)
{
    struct realm_node *node = realm->nodes[realm_below(realm, realm->count)];
    if (node->core == NULL)
        return;
    realm_node_stop(node);
    realm_node_start(node);
    realm_node_follow(node);
    realm_step(realm, node);
}

static void sicken(struct realm *realm)
{
    struct realm_node *node = realm->nodes[realm_below(realm, realm->count)];
    node->append_fails = realm_chance(realm, 500) ? 200 : 0;
    node->busy = realm_chance(realm, 300) ? 500 : 0;
    node->reads_fail = realm_chance(realm, 500) ? 100 : 0;
}

static void back_up(struct realm *realm)
{
    struct realm_node *node = realm->nodes[realm_below(realm, realm->count)];
    node->has_backup = true;
    memcpy(node->backup, node->logs, sizeof(node->backup));
}

static void write_something(struct realm *realm)
{
    struct realm_node *node =
        realm->nodes[realm->named + realm_below(realm, realm->count - realm->named)];
    for (uint64_t n = realm_below(realm, 4); node->core != NULL; n--) {
        realm_node_write_post(node);
        if (n == 0)
            break;
    }
    realm_step(realm, node);
}

static void change_something(struct realm *realm)
{
    size_t a = (size_t)realm_below(realm, realm->count);
    size_t b = (size_t)realm_below(realm, realm->count);
    realm->change_ms = realm->now_ms + 1 + realm_below(realm, 1500);
    switch (realm_below(realm, 16)) {
    case 0:
        realm->cut[a][b] = true;
        realm->cut[b][a] = realm_chance(realm, 700);
        break;
    case 1:
        if (realm_chance(realm, 400))
            part(realm);
        break;
    case 2:
    case 3:
        memset(realm->cut, 0, sizeof(realm->cut));
        break;
    case 4:
        if (realm_chance(realm, 400))
            crash(realm);
        break;
    case 5:
        if (realm->disk_errors)
            sicken(realm);
        break;
    case 6:
        back_up(realm);
        break;
    case 7:
        if (realm->may_restore)
            realm_restore(realm);
        break;
    case 8:
        if (realm->may_move)
            realm_move(realm);
        break;
    case 9:
        if (realm->may_lose && realm->nodes[0]->logs[0].batches > 4)
            realm_lose_home(realm);
        break;
    default:
        write_something(realm);
        break;
    }
}

static void heal(struct realm *realm)
{
    realm->healed = true;
    realm->change_ms = REALM_NEVER;
    memset(realm->cut, 0, sizeof(realm->cut));
    for (size_t i = 0; i < realm->count; i++) {
        struct realm_node *node = realm->nodes[i];
        node->append_fails = node->busy = node->reads_fail = 0;
    }
    if (realm->down != REALM_NOBODY)
        realm_come_back(realm);
}

/* ---- the clock ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event(const struct realm *realm)
{
    uint64_t next = realm->change_ms;
    if (realm->down != REALM_NOBODY)
        next = sooner(next, realm->back_ms);
    for (size_t i = 0; i < realm->count; i++) {
        const struct realm_node *node = realm->nodes[i];
        next = sooner(next, sooner(node->tick_ms, sooner(node->append_ms, node->judge_ms)));
        next = sooner(next, realm_node_tend_due(node));
    }
    for (size_t i = 0; i < realm->flight_count; i++)
        next = sooner(next, realm->flight[i]->due_ms);
    return next;
}

static void run_nodes(struct realm *realm)
{
    for (size_t i = 0; i < realm->count; i++) {
        struct realm_node *node = realm->nodes[i];
        uint64_t now = realm->now_ms;
        bool due = node->tick_ms <= now || realm_node_tend_due(node) <= now;
        if (node->append_ms <= now) {
            realm_node_append(node);
            due = true;
        }
        if (node->judge_ms <= now) {
            realm_node_judge(node);
            due = true;
        }
        if (due)
            realm_step(realm, node);
    }
}

static void run_until(struct realm *realm, uint64_t end_ms)
{
    uint64_t next = next_event(realm);
    next = next > realm->now_ms ? next : realm->now_ms;
    realm->now_ms = next < end_ms ? next : end_ms;
    for (size_t i = 0; i < realm->flight_count;) {
        struct fake_message *message = realm->flight[i];
        if (message->due_ms > realm->now_ms) {
            i++;
            continue;
        }
        realm->flight[i] = realm->flight[--realm->flight_count];
        deliver(realm, message);
    }
    run_nodes(realm);
    if (realm->down != REALM_NOBODY && realm->back_ms <= realm->now_ms)
        realm_come_back(realm);
    if (realm->change_ms <= realm->now_ms)
        change_something(realm);
}

/* ---- one seed ---- */

static void found(struct realm *realm)
{
    struct realm_node *home = realm->nodes[0];
    struct realm_batch batch;
    realm_batch_next(realm, &batch, 0, &home->logs[0], 0);
    batch.entries[0] = (struct realm_entry){
        .kind = REALM_FOUND, .author = REALM_STEWARD, .seq = 1, .value = realm->seed};
    realm_entry_make(realm, 0, &batch.entries[0]);
    realm->space = batch.entries[0].id;
    batch.count = 1;
    if (realm->liar < realm->named) { /* it has words of its own */
        batch.entries[1] = (struct realm_entry){.kind = REALM_ADMIT,
                                                .author = REALM_STEWARD,
                                                .seq = 2,
                                                .value = realm->liar,
                                                .previous = batch.entries[0].id};
        realm_entry_make(realm, 0, &batch.entries[1]);
        batch.count = 2;
    }
    realm_node_write(home, 0, &batch);
}

/* Nodes that are named follow each other; members some of them, one honest at least. */
static void choose_links(struct realm *realm)
{
    for (size_t i = 0; i < realm->count; i++) {
        for (size_t j = 0; j < realm->count; j++) {
            unsigned often = j < realm->named ? 500 : 200;
            realm->follows[i][j] =
                i != j && (i < realm->named ? j < realm->named : realm_chance(realm, often));
        }
        if (i >= realm->named) {
            size_t j = (size_t)realm_below(realm, realm->named);
            realm->follows[i][j != realm->liar ? j : (j + 1) % realm->named] = true;
        }
    }
}

static void choose_fate(struct realm *realm)
{
    uint64_t which = realm_below(realm, 10);
    bool quiet;
    realm->liar = which < 3   ? REALM_NOBODY
                  : which < 5 ? 0
                  : which < 8
                      ? 1 + (uint32_t)realm_below(realm, realm->named - 1)
                      : (uint32_t)(realm->named + realm_below(realm, realm->count - realm->named));
    quiet = realm->liar >= realm->named; /* none of the named lies */
    realm->may_move = realm_chance(realm, 400) && realm->liar != 0;
    realm->may_lose = realm_chance(realm, 300) && quiet;
    realm->may_restore = realm_chance(realm, 500) && realm->liar != 0;
    realm->disk_errors = realm_chance(realm, 400);
    realm->lost = (unsigned)realm_below(realm, 200);
    realm->doubled = (unsigned)realm_below(realm, 100);
    realm->late = realm_chance(realm, 700) ? 60 : 0;
    /* So that two quorums have an honest node in common. */
    realm->quorum = (unsigned)(realm->named + (realm->liar < realm->named)) / 2 + 1;
}

static void make_realm(struct realm *realm, uint64_t seed)
{
    memset(realm, 0, sizeof(*realm));
    realm->seed = seed;
    realm->random = seed;
    realm->now_ms = UINT64_C(1795000000000);
    realm->next_value = 1000;
    realm->named = 3 + (size_t)realm_below(realm, 2);
    realm->count = realm->named + 2 + (size_t)realm_below(realm, 8 - realm->named);
    realm->logs = 1 + realm->named;
    realm->down = REALM_NOBODY;
    choose_fate(realm);
    for (uint32_t i = 0; i <= REALM_STEWARD; i++) {
        uint8_t bytes[16];
        hark_put_u64(bytes, seed);
        hark_put_u64(bytes + 8, i);
        realm->secrets[i] = hark_sha256(hark_span(bytes, sizeof(bytes)));
    }
    choose_links(realm);
    for (uint32_t i = 0; i < realm->count; i++)
        realm->nodes[i] = realm_node_new(realm, i);
    if (realm->liar != REALM_NOBODY)
        realm->nodes[realm->liar]->lies =
            (unsigned)realm_below(realm, 512) | 1u << realm_below(realm, 9);
    found(realm);
    for (size_t i = 0; i < realm->count; i++) {
        realm_node_start(realm->nodes[i]);
        realm_node_follow(realm->nodes[i]);
    }
    /* Nothing was ever signed that the founder could have forgotten. */
    realm->nodes[0]->to_compare = realm->nodes[0]->to_compare_intake = 0;
    for (size_t i = 0; i < realm->count; i++)
        realm_step(realm, realm->nodes[i]);
    realm->change_ms = realm->now_ms;
}

static void end_realm(struct realm *realm)
{
    for (size_t i = 0; i < realm->flight_count; i++)
        fake_message_free(realm->flight[i]);
    for (size_t i = 0; i < realm->count; i++)
        realm_node_free(realm->nodes[i]);
    for (size_t i = 0; i < realm->made_count; i++) {
        realm_batch_free(realm->made[i]);
        free(realm->made[i]);
    }
}

/* Late messages and the questions that follow: whoever is to know knows by then. What
 * is withheld again and again would be named later still. */
static void settle_down(struct realm *realm)
{
    realm->quiet = true;
    uint64_t end = realm->now_ms + 65000;
    while (realm->now_ms < end)
        run_until(realm, end);
}

static void tell(const struct realm *realm, uint64_t healed_ms)
{
    print_message(
        "seed %llu: %zu nodes, %zu named, liar %s does %03x, %zu lies told, %zu refused;%s%s%s%s%s "
        "%llu entries, %zu messages, equal %llu ms after healing\n",
        (unsigned long long)realm->seed, realm->count, realm->named,
        realm->liar == REALM_NOBODY ? "-" : realm_name(realm->liar),
        realm->liar == REALM_NOBODY ? 0 : realm->nodes[realm->liar]->lies, realm->lies_told,
        realm->lies_refused, realm->moved ? " moved" : "", realm->lost_home ? " lost" : "",
        realm->restored ? " restored" : "", realm->rewound ? " rewound" : "",
        realm->second_history ? " forked" : "",
        (unsigned long long)realm_log_size(&realm->nodes[realm->steward_at]->logs[0]),
        realm->delivered, (unsigned long long)(realm->now_ms - healed_ms));
}

static void run_until_equal(struct realm *realm, uint64_t end_ms)
{
    while (realm->now_ms < end_ms && !realm_is_equal(realm)) {
        uint64_t look = realm->now_ms + LOOK_MS;
        while (realm->now_ms < look)
            run_until(realm, look);
    }
}

void realm_run_seed(struct realm *realm, uint64_t seed)
{
    make_realm(realm, seed);
    uint64_t end = realm->now_ms + TROUBLE_MS;
    while (realm->now_ms < end)
        run_until(realm, end);
    heal(realm);
    uint64_t healed = realm->now_ms;
    run_until_equal(realm, healed + HEALED_MS);
    if (getenv("HARK_SIM_SEED") != NULL)
        tell(realm, healed);
    if (!realm_is_equal(realm))
        realm_broken(realm, "the honest do not become equal");
    settle_down(realm);
    /* What a lying home did not take is handed in again now and then, and may just so
     * have come into somebody's intake. */
    run_until_equal(realm, realm->now_ms + EVERYWHERE_MS);
    if (!realm_is_equal(realm))
        realm_broken(realm, "the honest do not stay equal");
    realm_check_end(realm);
    end_realm(realm);
}
