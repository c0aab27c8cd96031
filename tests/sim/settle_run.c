/*
 * One seed: who lies, what the home shows to whom, what strikes when.
 */
#include "settle.h"

#include <stdlib.h>
#include <string.h>

#define STEPS       800u
#define LAST_ROUNDS 4u

static bool is_liar(const struct settle_sim *sim, uint32_t node)
{
    return (sim->liars >> node & 1) != 0;
}

static uint64_t size_of(const struct settle_sim *sim, uint32_t entry)
{
    return sim->entries[entry].size;
}

/* An honest node, or somebody outside. */
static struct settle_reader *any_reader(struct settle_sim *sim)
{
    uint32_t i;
    do {
        i = (uint32_t)settle_below(sim, SETTLE_READERS_MAX);
    } while (i < SETTLE_GENUINE && is_liar(sim, i));
    return &sim->readers[i];
}

/* ---- the home ---- */

/* From where: one of the newest of what it shows, or where just that reader stands. */
static uint32_t parting(struct settle_sim *sim, const struct settle_reader *reader)
{
    uint32_t from = sim->tips[settle_below(sim, sim->sides)];
    uint64_t size = size_of(sim, from);
    uint64_t back = settle_below(sim, settle_chance(sim, 700) && size > 8 ? 8 : size);
    if (reader->tip != SETTLE_NONE && settle_chance(sim, 500))
        return reader->tip;
    return settle_at(sim, from, size - back);
}

static void fork_off(struct settle_sim *sim)
{
    const struct settle_reader *reader = any_reader(sim);
    uint32_t at = parting(sim, reader), tip;
    uint32_t side =
        settle_chance(sim, 500) ? reader->side : (uint32_t)settle_below(sim, sim->sides);
    tip = settle_chance(sim, 500) ? settle_move(sim, at) : settle_grow(sim, at);
    if (tip == SETTLE_NONE)
        return;
    sim->tips[side] = tip;
    sim->forks++;
    settle_tell(sim, "history %u parts from others after %llu entries", (unsigned)tip,
                (unsigned long long)size_of(sim, at));
}

/* The space goes on with what that node has. */
static void lose_home(struct settle_sim *sim)
{
    uint32_t heir = (uint32_t)settle_below(sim, SETTLE_GENUINE);
    uint32_t had = sim->readers[heir].tip;
    struct settle_entry then = sim->entries[had];
    if (is_liar(sim, heir) || !settle_is_beginning(sim, had, sim->tips[0]) ||
        (settle_cosigners(&then) >> heir & 1) == 0)
        return;
    then.home = heir;
    if (settle_can(&then) && settle_is_captured(sim, &then))
        return;
    uint32_t tip = settle_append(sim, had, SETTLE_HOME, heir);
    if (tip == SETTLE_NONE)
        return;
    sim->tips[0] = tip;
    sim->forks++;
    settle_tell(sim, "the home is lost; node %u goes on from %llu entries", (unsigned)heir,
                (unsigned long long)then.size);
}

static void grow(struct settle_sim *sim)
{
    uint32_t side = (uint32_t)settle_below(sim, sim->sides);
    if (sim->step >= sim->lies_from && settle_chance(sim, sim->forking)) {
        fork_off(sim);
    } else if (sim->loses_home && settle_chance(sim, 15)) {
        lose_home(sim);
    } else {
        uint32_t tip = settle_grow(sim, sim->tips[side]);
        if (tip == SETTLE_NONE)
            return;
        const struct settle_entry *entry = &sim->entries[tip];
        sim->tips[side] = tip;
        if (entry->kind != SETTLE_POST)
            settle_tell(sim, "entry %u, size %llu: kind %d of %u; home %u, %u of nodes %05x",
                        (unsigned)tip, (unsigned long long)entry->size, (int)entry->kind,
                        (unsigned)entry->value, (unsigned)entry->home, (unsigned)entry->needed,
                        (unsigned)settle_cosigners(entry));
    }
}

/* PROTOCOL.md 7.6: it only ever grows, but for a later home's `home` entry where they part,
 * and that not from before what is settled. */
static void follow(struct settle_sim *sim, struct settle_reader *reader, uint32_t target)
{
    uint64_t common = settle_common(sim, reader->tip, target);
    const struct settle_entry *next = &sim->entries[settle_at(sim, target, common + 1)];
    if (size_of(sim, target) == common)
        return;
    if (common < size_of(sim, reader->tip)) {
        if (next->kind != SETTLE_HOME || common < reader->settled ||
            next->incarnation <= sim->entries[reader->tip].incarnation) {
            sim->refused++;
            return;
        }
        settle_tell(sim, "reader %td goes back from %llu to %llu", reader - sim->readers,
                    (unsigned long long)size_of(sim, reader->tip), (unsigned long long)common);
        hark_quorums_free(&reader->quorums);
        reader->looked = 0;
        sim->rewound++;
    }
    reader->tip = target;
    settle_look(sim, reader);
}

static void show(struct settle_sim *sim)
{
    struct settle_reader *reader = any_reader(sim);
    if (settle_chance(sim, 20))
        reader->side = (uint32_t)settle_below(sim, sim->sides);
    uint32_t target = sim->tips[reader->side];
    if (sim->home_lies && settle_chance(sim, 100))
        target = sim->tips[settle_below(sim, sim->sides)];
    else if (sim->home_lies && settle_chance(sim, 50))
        target = (uint32_t)settle_below(sim, sim->entry_count);
    if (settle_chance(sim, 400)) /* not all at once */
        target = settle_at(sim, target, 1 + settle_below(sim, size_of(sim, target) + 1));
    follow(sim, reader, target);
}

/* ---- cosignatures ---- */

static void let_out(struct settle_sim *sim, const struct settle_cosigned *cosigned)
{
    if (!is_liar(sim, cosigned->cosigner))
        settle_check_out(sim, &sim->readers[cosigned->cosigner], cosigned);
    settle_tell(sim, "%s %u lets out entry %u, size %llu, time %llu",
                is_liar(sim, cosigned->cosigner) ? "liar" : "node", (unsigned)cosigned->cosigner,
                (unsigned)cosigned->entry, (unsigned long long)size_of(sim, cosigned->entry),
                (unsigned long long)cosigned->time_s);
    if (sim->cosigned_count < SETTLE_COSIGNED_MAX)
        sim->cosigned[sim->cosigned_count++] = *cosigned;
}

/* As far as its incarnation went in the reader's log. */
static bool is_lost(const struct settle_sim *sim, const struct settle_reader *reader,
                    const struct settle_entry *signed_entry)
{
    uint64_t end = UINT64_MAX;
    for (uint32_t at = reader->tip; sim->entries[at].incarnation > signed_entry->incarnation;
         at = sim->entries[at].before)
        end = size_of(sim, at) - 1;
    return signed_entry->size > end;
}

/* As node/witness.c does; an outsider forgets nothing that it saw. */
static void take(struct settle_sim *sim, struct settle_reader *reader, size_t at)
{
    const struct settle_cosigned *cosigned = &sim->cosigned[at];
    const struct settle_entry *entry = &sim->entries[cosigned->entry];
    uint32_t here = settle_at(sim, reader->tip, entry->size);
    reader->seen[at] = true;
    if (is_lost(sim, reader, entry) ||
        (size_of(sim, here) == entry->size &&
         !hark_hash_equal(&sim->entries[here].root, &entry->root)) ||
        size_of(sim, reader->kept[cosigned->cosigner]) >= entry->size)
        return;
    reader->kept[cosigned->cosigner] = cosigned->entry;
}

static void deliver(struct settle_sim *sim)
{
    struct settle_reader *reader = any_reader(sim);
    if (sim->cosigned_count == 0)
        return;
    for (uint64_t left = 1 + settle_below(sim, 8); left > 0; left--) {
        size_t back = (size_t)settle_below(sim, sim->cosigned_count);
        if (settle_chance(sim, 600))
            back %= 24;
        take(sim, reader, sim->cosigned_count - 1 - back);
    }
    settle_look(sim, reader);
}

static void lie(struct settle_sim *sim)
{
    uint32_t liar;
    if (sim->liars == 0)
        return;
    do {
        liar = (uint32_t)settle_below(sim, SETTLE_NODES_MAX);
    } while (!is_liar(sim, liar));
    struct settle_cosigned cosigned = {.cosigner = liar,
                                       .entry = sim->tips[settle_below(sim, sim->sides)],
                                       .time_s = settle_below(sim, 2 * sim->now_s)};
    if (settle_chance(sim, 200))
        cosigned.entry = 1 + (uint32_t)settle_below(sim, sim->entry_count - 1);
    let_out(sim, &cosigned);
}

/* Who is sure of all that it has is told that one signature is enough from here on, and
 * shown it. */
static void tempt(struct settle_sim *sim)
{
    uint32_t outsider = SETTLE_GENUINE + (uint32_t)settle_below(sim, SETTLE_OUTSIDERS);
    struct settle_reader *reader = &sim->readers[outsider];
    uint32_t liars = settle_cosigners(&sim->entries[reader->tip]) & sim->liars;
    if (sim->step < sim->lies_from || sim->wild == 0 || liars == 0 || reader->settled == 0 ||
        reader->settled_entry != reader->tip)
        return;
    uint32_t tip = settle_append(sim, reader->tip, SETTLE_WANT, 1);
    if (tip == SETTLE_NONE || sim->cosigned_count == SETTLE_COSIGNED_MAX)
        return;
    sim->forks++;
    settle_tell(sim, "outsider %u is shown history %u", (unsigned)outsider, (unsigned)tip);
    follow(sim, reader, tip);
    let_out(sim, &(struct settle_cosigned){settle_count((liars & ~(liars - 1)) - 1), tip, 1});
    take(sim, reader, sim->cosigned_count - 1);
    settle_look(sim, reader);
}

/* ---- an honest cosigner ---- */

static bool may_sign(struct settle_sim *sim, const struct settle_reader *node, uint64_t *time_s)
{
    const struct settle_entry *tip = &sim->entries[node->tip];
    uint64_t now_s = (uint64_t)((int64_t)sim->now_s + node->clock_s);
    struct hark_hash root;
    if (!node->has_last)
        return hark_cosigner_may(NULL, tip->size, NULL, now_s, time_s);
    root = sim->fault == SETTLE_TWO_FACED
               ? node->last.root
               : sim->entries[settle_at(sim, node->tip, node->last.size)].root;
    return hark_cosigner_may(&node->last, tip->size, node->last.size <= tip->size ? &root : NULL,
                             now_s, time_s);
}

static void sign(struct settle_sim *sim, struct settle_reader *node, uint32_t number)
{
    const struct hark_key key = settle_key(number);
    uint64_t time_s = 0;
    if (!may_sign(sim, node, &time_s) || settle_bring(sim, node) != 0 ||
        hark_quorums_wanted(&node->quorums, node->settled, &key) == NULL ||
        (sim->fault == SETTLE_SILENT_HOME && sim->entries[node->tip].home == number))
        return;
    node->made = (struct settle_cosigned){number, node->tip, time_s};
    node->stage = SETTLE_SIGNED;
}

static void store(struct settle_sim *sim, struct settle_reader *node)
{
    const struct settle_entry *entry = &sim->entries[node->made.entry];
    node->has_last = true;
    node->last = (struct hark_cosigned_last){
        .size = entry->size, .time_s = node->made.time_s, .root = entry->root};
    node->last_entry = node->kept[node->made.cosigner] = node->made.entry;
    settle_look(sim, node);
}

static void crash(struct settle_sim *sim, struct settle_reader *node, uint32_t number)
{
    sim->crashes++;
    settle_tell(sim, "node %u is killed%s", (unsigned)number,
                node->stage == SETTLE_IDLE     ? ""
                : node->stage == SETTLE_SIGNED ? " after signing"
                                               : " after storing");
    node->stage = SETTLE_IDLE;
    hark_quorums_free(&node->quorums);
    node->looked = 0;
    if (sim->fault == SETTLE_FORGET) {
        node->settled = 0;
        node->step_count = 0;
    }
    settle_look(sim, node);
    /* It shows what it has kept, as to whoever asks about the space. */
    if (node->has_last && settle_chance(sim, 500))
        let_out(sim, &(struct settle_cosigned){number, node->last_entry, node->last.time_s});
}

/* One step of signing, storing, answering: anything may happen in between. */
static void go_on(struct settle_sim *sim, struct settle_reader *node, uint32_t number)
{
    bool answer_first = sim->fault == SETTLE_ANSWER_FIRST;
    switch (node->stage) {
    case SETTLE_IDLE:
        sign(sim, node, number);
        break;
    case SETTLE_SIGNED:
        node->stage = SETTLE_STORED;
        if (answer_first)
            let_out(sim, &node->made);
        else
            store(sim, node);
        break;
    case SETTLE_STORED:
        node->stage = SETTLE_IDLE;
        if (answer_first)
            store(sim, node);
        else
            let_out(sim, &node->made);
        break;
    }
}

static void cosign(struct settle_sim *sim)
{
    uint32_t number = (uint32_t)settle_below(sim, SETTLE_GENUINE);
    struct settle_reader *node = &sim->readers[number];
    if (is_liar(sim, number) || number == sim->dead)
        return;
    if (settle_chance(sim, 60)) {
        crash(sim, node, number);
        return;
    }
    if (settle_chance(sim, 60)) {
        node->clock_s = (int64_t)settle_below(sim, 1201) - 600;
        sim->jumps++;
    }
    for (uint64_t stages = settle_below(sim, 7); stages > 0; stages--)
        go_on(sim, node, number);
}

/* ---- a seed ---- */

static void choose_liars(struct settle_sim *sim, unsigned count, unsigned liars)
{
    while (settle_count(sim->liars) < liars)
        sim->liars |= UINT32_C(1) << (1 + settle_below(sim, count));
    for (uint32_t i = count + 1; sim->home_lies && i < SETTLE_GENUINE; i++)
        sim->liars |= settle_chance(sim, 125) ? UINT32_C(1) << i : 0;
    if (sim->home_lies) { /* and all that it makes up */
        sim->liars |= 1;
        sim->liars |=
            ((UINT32_C(1) << SETTLE_NODES_MAX) - 1) & ~((UINT32_C(1) << SETTLE_GENUINE) - 1);
    }
}

/* Named one by one; the quorum is in the first entry, or comes last. */
static void found(struct settle_sim *sim, unsigned count, unsigned needed)
{
    bool late = settle_chance(sim, 700);
    uint32_t tip = settle_append(sim, SETTLE_NONE, SETTLE_SPACE, late ? 0 : needed);
    for (uint32_t i = 1; i <= count; i++)
        tip = settle_append(sim, tip, SETTLE_ADD, i);
    if (late)
        tip = settle_append(sim, tip, SETTLE_WANT, needed);
    for (uint32_t i = 0; i < SETTLE_SIDES_MAX; i++)
        sim->tips[i] = tip;
}

static void choose_fate(struct settle_sim *sim)
{
    const unsigned wilds[] = {0, 0, 100, 400}, changes[] = {0, 60, 150, 300};
    unsigned count = 3 + (unsigned)settle_below(sim, 7), liars = 0, needed;
    bool few = sim->fault == SETTLE_TOO_FEW;
    sim->home_lies = few || (settle_chance(sim, 700) && sim->fault != SETTLE_SILENT_HOME);
    sim->loses_home = !sim->home_lies && settle_chance(sim, 500);
    if (sim->home_lies || (sim->loses_home && settle_chance(sim, 500)))
        liars = (unsigned)settle_below(sim, settle_chance(sim, 700) ? (count + 5) / 3 : count);
    if (few && liars == 0)
        liars = 1;
    sim->sides = sim->home_lies ? 1 + (uint32_t)settle_below(sim, SETTLE_SIDES_MAX) : 1;
    sim->lies_from = sim->home_lies ? settle_below(sim, STEPS) : UINT64_MAX;
    sim->forking = 10 + (unsigned)settle_below(sim, 120);
    sim->wild = sim->home_lies ? wilds[settle_below(sim, 4)] : 0;
    sim->change = few ? 0 : changes[settle_below(sim, 4)];
    choose_liars(sim, count, liars);
    sim->dead = !sim->home_lies && !sim->loses_home && settle_chance(sim, 400)
                    ? 1 + (uint32_t)settle_below(sim, count)
                    : SETTLE_NODES_MAX;
    needed = (count + liars) / 2;
    if (!few)
        needed += 1 + (unsigned)settle_below(sim, settle_chance(sim, 700) ? 1 : count - needed);
    found(sim, count, needed);
    settle_tell(sim, "%u cosigners, %u wanted; home %s, liars %05x, dead %u, %u sides", count,
                needed,
                sim->home_lies    ? "lies"
                : sim->loses_home ? "is lost"
                                  : "is honest",
                (unsigned)sim->liars, (unsigned)sim->dead, (unsigned)sim->sides);
}

static bool goes_on(const struct settle_sim *sim)
{
    return sim->broken == NULL && !sim->excused;
}

static void step(struct settle_sim *sim)
{
    uint64_t what = settle_below(sim, 100);
    sim->now_s += settle_below(sim, 60);
    if (what < 18)
        grow(sim);
    else if (what < 45)
        show(sim);
    else if (what < 70)
        cosign(sim);
    else if (what < 79)
        lie(sim);
    else if (what < 81)
        tempt(sim);
    else
        deliver(sim);
}

/* Everybody is shown the newest, signs, and gets all that was ever let out. */
static void last_round(struct settle_sim *sim)
{
    sim->now_s += 2000;
    for (uint32_t i = 0; i < SETTLE_READERS_MAX && goes_on(sim); i++) {
        struct settle_reader *reader = &sim->readers[i];
        if (i < SETTLE_GENUINE && is_liar(sim, i))
            continue;
        follow(sim, reader, sim->tips[reader->side]);
        reader->clock_s = 0;
        for (size_t j = 0; i < SETTLE_GENUINE && i != sim->dead && j < 6; j++)
            go_on(sim, reader, i);
    }
    for (uint32_t i = 0; i < SETTLE_NODES_MAX * sim->sides; i++) {
        if (is_liar(sim, i / sim->sides))
            let_out(sim, &(struct settle_cosigned){i / sim->sides, sim->tips[i % sim->sides], 1});
    }
    for (uint32_t i = 0; i < SETTLE_READERS_MAX && goes_on(sim); i++) {
        if (i < SETTLE_GENUINE && is_liar(sim, i))
            continue;
        for (size_t at = 0; at < sim->cosigned_count; at++)
            take(sim, &sim->readers[i], at);
        settle_look(sim, &sim->readers[i]);
    }
}

void settle_run(struct settle_sim *sim, uint64_t seed, enum settle_fault fault)
{
    memset(sim, 0, sizeof(*sim));
    sim->seed = sim->random = seed;
    sim->fault = fault;
    sim->loud = getenv("HARK_SIM_SEED") != NULL;
    sim->now_s = 1795000000;
    sim->entry_count = 1;
    choose_fate(sim);
    for (uint32_t i = 0; i < SETTLE_READERS_MAX; i++)
        sim->readers[i].side = (uint32_t)settle_below(sim, sim->sides);
    for (; sim->step < STEPS && goes_on(sim); sim->step++)
        step(sim);
    for (size_t i = 0; i < LAST_ROUNDS && goes_on(sim); i++, sim->step++)
        last_round(sim);
    if (goes_on(sim) && !sim->home_lies && !sim->loses_home)
        settle_check_end(sim);
    for (size_t i = 0; i < SETTLE_READERS_MAX; i++)
        hark_quorums_free(&sim->readers[i].quorums);
}
