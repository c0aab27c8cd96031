/*
 * The tree of histories, and who cosigns in it.
 */
#include "settle.h"

#include <string.h>

/* ---- chance (splitmix64) ---- */

static uint64_t any(struct settle_sim *sim)
{
    uint64_t z = (sim->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t settle_below(struct settle_sim *sim, uint64_t bound)
{
    return any(sim) % bound;
}

bool settle_chance(struct settle_sim *sim, unsigned per_mille)
{
    return settle_below(sim, 1000) < per_mille;
}

void settle_tell(const struct settle_sim *sim, const char *format, ...)
{
    char line[256];
    va_list args;
    if (!sim->loud)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    print_message("%5llu %s\n", (unsigned long long)sim->step, line);
}

void settle_broken(struct settle_sim *sim, const char *what)
{
    settle_tell(sim, "BROKEN: %s", what);
    if (sim->broken == NULL)
        sim->broken = what;
}

struct hark_key settle_key(uint32_t node)
{
    return (struct hark_key){.bytes = {(uint8_t)(node + 1)}};
}

unsigned settle_count(uint32_t nodes)
{
    unsigned count = 0;
    for (; nodes != 0; nodes &= nodes - 1)
        count++;
    return count;
}

/* ---- the tree ---- */

uint32_t settle_cosigners(const struct settle_entry *entry)
{
    return entry->named & ~(UINT32_C(1) << entry->home);
}

bool settle_can(const struct settle_entry *entry)
{
    return entry->size > 0 && entry->needed > 0 &&
           entry->needed <= settle_count(settle_cosigners(entry));
}

bool settle_is_captured(const struct settle_sim *sim, const struct settle_entry *entry)
{
    uint32_t cosigners = settle_cosigners(entry);
    return 2 * entry->needed <= settle_count(cosigners) + settle_count(cosigners & sim->liars);
}

uint32_t settle_at(const struct settle_sim *sim, uint32_t tip, uint64_t size)
{
    const struct settle_entry *entries = sim->entries;
    while (entries[tip].size > size)
        tip = entries[entries[tip].leap].size >= size ? entries[tip].leap : entries[tip].before;
    return tip;
}

bool settle_is_beginning(const struct settle_sim *sim, uint32_t beginning, uint32_t tip)
{
    return settle_at(sim, tip, sim->entries[beginning].size) == beginning;
}

uint64_t settle_common(const struct settle_sim *sim, uint32_t a, uint32_t b)
{
    const struct settle_entry *entries = sim->entries;
    a = settle_at(sim, a, entries[b].size);
    b = settle_at(sim, b, entries[a].size);
    while (a != b) {
        a = entries[a].before;
        b = entries[b].before;
    }
    return entries[a].size;
}

static void change(struct settle_entry *entry)
{
    uint32_t bit = entry->kind == SETTLE_WANT ? 0 : UINT32_C(1) << entry->value;
    if (entry->kind == SETTLE_ADD) {
        entry->named |= bit;
    } else if (entry->kind == SETTLE_REMOVE) {
        entry->named &= ~bit;
    } else if (entry->kind == SETTLE_WANT) {
        entry->needed = entry->value;
    } else if (entry->kind == SETTLE_HOME) {
        entry->home = entry->value;
        entry->incarnation++;
    }
}

/* Of what follows on that one: two leaps of the same length become one of twice that. */
static uint32_t leap_of(const struct settle_sim *sim, uint32_t tip)
{
    const struct settle_entry *entries = sim->entries;
    uint32_t first = entries[tip].leap, second = entries[first].leap;
    bool even =
        entries[tip].size - entries[first].size == entries[first].size - entries[second].size;
    return even ? second : tip;
}

uint32_t settle_append(struct settle_sim *sim, uint32_t tip, enum settle_kind kind, uint32_t value)
{
    if (sim->entry_count == SETTLE_ENTRIES_MAX)
        return SETTLE_NONE;
    struct settle_entry *entry = &sim->entries[sim->entry_count];
    struct hark_merkle *tree = &sim->trees[sim->entry_count];
    uint8_t id[16];
    *entry = sim->entries[tip];
    *tree = sim->trees[tip];
    entry->before = tip;
    entry->leap = leap_of(sim, tip);
    entry->size++;
    entry->kind = kind;
    entry->value = value;
    if (kind == SETTLE_SPACE) {
        entry->named = 1;
        entry->needed = value;
    } else if (kind != SETTLE_POST) {
        change(entry);
    }
    hark_put_u64(id, any(sim));
    hark_put_u64(id + 8, sim->entry_count);
    struct hark_hash leaf = hark_merkle_leaf(hark_span(id, sizeof(id)));
    hark_merkle_append(tree, &leaf);
    entry->root = hark_merkle_root(tree);
    return sim->entry_count++;
}

/* One of those nodes, or SETTLE_NODES_MAX. */
static uint32_t one_of(struct settle_sim *sim, uint32_t nodes)
{
    unsigned count = settle_count(nodes);
    if (count == 0)
        return SETTLE_NODES_MAX;
    for (uint64_t skip = settle_below(sim, count); skip > 0; skip--)
        nodes &= nodes - 1;
    return settle_count((nodes & ~(nodes - 1)) - 1);
}

static uint32_t strangers(struct settle_sim *sim, const struct settle_entry *tip)
{
    uint32_t genuine = (UINT32_C(1) << SETTLE_GENUINE) - 1;
    uint32_t all = (UINT32_C(1) << SETTLE_NODES_MAX) - 1;
    bool puppets = sim->home_lies && settle_chance(sim, 300);
    return (puppets ? all & ~genuine : genuine) & ~tip->named;
}

/* So many that liars cannot sign two histories; now and then more than there are. Where
 * changes are wild, any number. */
static uint32_t wanted(struct settle_sim *sim, const struct settle_entry *tip)
{
    uint32_t cosigners = settle_cosigners(tip);
    unsigned count = settle_count(cosigners);
    if (settle_chance(sim, sim->wild))
        return 1 + (uint32_t)settle_below(sim, count + 1);
    unsigned least = (count + settle_count(cosigners & sim->liars)) / 2 + 1;
    return (uint32_t)(least + settle_below(sim, settle_chance(sim, 250) ? 4 : 2));
}

uint32_t settle_grow(struct settle_sim *sim, uint32_t tip)
{
    struct settle_entry then = sim->entries[tip];
    uint64_t what = settle_below(sim, 10);
    if (!settle_chance(sim, sim->change))
        return settle_append(sim, tip, SETTLE_POST, 0);
    if (what < 3) {
        then.kind = SETTLE_ADD;
        then.value = one_of(sim, strangers(sim, &then));
    } else if (what < 5) {
        then.kind = SETTLE_REMOVE;
        then.value = one_of(sim, settle_cosigners(&then));
    } else if (what < 8) {
        then.kind = SETTLE_WANT;
        then.value = wanted(sim, &then);
    } else {
        then.kind = SETTLE_HOME;
        then.value = one_of(sim, settle_cosigners(&then));
    }
    if (then.kind != SETTLE_WANT && then.value == SETTLE_NODES_MAX)
        return settle_append(sim, tip, SETTLE_POST, 0);
    change(&then);
    then.size++;
    if (settle_can(&then) && settle_is_captured(sim, &then) && !settle_chance(sim, sim->wild))
        return settle_append(sim, tip, SETTLE_POST, 0);
    return settle_append(sim, tip, then.kind, then.value);
}

uint32_t settle_move(struct settle_sim *sim, uint32_t tip)
{
    struct settle_entry then = sim->entries[tip];
    uint32_t same = then.home, heir = one_of(sim, settle_cosigners(&then));
    then.home = heir;
    bool fits = heir != SETTLE_NODES_MAX && settle_chance(sim, 500) &&
                (!settle_can(&then) || !settle_is_captured(sim, &then));
    return settle_append(sim, tip, SETTLE_HOME, fits ? heir : same);
}

/* ---- as entries of schemas/quorum.h ---- */

static json_t *node_object(uint32_t node)
{
    char name[8], hex[2 * HARK_KEY_SIZE + 1];
    struct hark_key key = settle_key(node);
    (void)snprintf(name, sizeof(name), "n%u", (unsigned)node);
    hark_hex_encode(hex, key.bytes, HARK_KEY_SIZE);
    return json_pack("{s:s, s:s}", "name", name, "cosigner", hex);
}

static json_t *payload_of(const struct settle_entry *entry, const char **kind)
{
    static const char *const kinds[] = {"space", "post", "node", "node", "policy", "home"};
    json_t *object = NULL;
    *kind = kinds[entry->kind];
    switch (entry->kind) {
    case SETTLE_SPACE:
        return json_pack("{s:o, s:{s:i}}", "home", node_object(0), "policy", "quorum",
                         (int)entry->value);
    case SETTLE_WANT:
        return json_pack("{s:{s:i}}", "policy", "quorum", (int)entry->value);
    case SETTLE_ADD:
    case SETTLE_REMOVE:
        object = node_object(entry->value);
        (void)json_object_set_new(object, "action",
                                  json_string(entry->kind == SETTLE_ADD ? "add" : "remove"));
        return object;
    case SETTLE_HOME:
        object = node_object(entry->value);
        (void)json_object_set(object, "node", json_object_get(object, "name"));
        return object;
    case SETTLE_POST:
        break;
    }
    return json_object();
}

/* As node/witness.c: up to the log's end; after going back, from the start. */
int settle_bring(const struct settle_sim *sim, struct settle_reader *reader)
{
    uint32_t path[SETTLE_ENTRIES_MAX];
    uint64_t size = sim->entries[reader->tip].size;
    int rc = 0;
    for (uint32_t at = reader->tip; at != SETTLE_NONE; at = sim->entries[at].before)
        path[sim->entries[at].size - 1] = at;
    for (; rc == 0 && reader->looked < size; reader->looked++) {
        const char *kind = NULL;
        json_t *payload = NULL;
        if (sim->entries[path[reader->looked]].kind == SETTLE_POST)
            continue;
        payload = payload_of(&sim->entries[path[reader->looked]], &kind);
        rc = payload == NULL
                 ? HARK_E_NO_MEMORY
                 : hark_quorums_add(&reader->quorums, reader->looked, kind, payload, NULL);
        json_decref(payload);
    }
    return rc;
}
