/*
 * What happens to homes: they move, are lost, and come back; and what happens to any
 * node: its disk is put back as it was. PROTOCOL.md 7.6.
 */
#include "realm.h"

static void home_entry(struct realm_node *node, uint32_t heir, struct realm_entry *entry)
{
    const struct realm_log *main = &node->logs[0];
    *entry = (struct realm_entry){.kind = REALM_HOME,
                                  .author = REALM_STEWARD,
                                  .value = heir,
                                  .size = realm_log_size(main),
                                  .root = realm_log_root(main)};
    entry->seq = realm_feed(main, main->batches, REALM_STEWARD, &entry->previous) + 1;
    realm_entry_make(node->realm, node->index, entry);
}

static void begin_anew(struct realm_node *node, const struct realm_entry *entry)
{
    struct realm_batch batch;
    realm_batch_next(node->realm, &batch, 0, &node->logs[0], node->index);
    batch.incarnation++;
    batch.entries[0] = *entry;
    batch.count = 1;
    realm_node_write(node, 0, &batch);
    node->take_ms = node->realm->now_ms;
}

int realm_become_home(struct realm_node *node, const struct realm_entry *entry)
{
    const struct realm_log *main = &node->logs[0];
    struct hark_hash root = realm_log_root(main);
    uint64_t position = 0;
    if (realm_log_has(main, main->batches, &entry->id, &position))
        return 0;
    if (entry->value != node->index || entry->size != realm_log_size(main) ||
        !hark_hash_equal(&root, &entry->root))
        return HARK_E_BUSY;
    node->realm->steward_at = node->index;
    node->realm->moved = true;
    begin_anew(node, entry);
    return 0;
}

static struct realm_node *home_of(struct realm *realm)
{
    struct realm_node *home = realm->nodes[realm->steward_at];
    return home->honest && home->core != NULL && realm_is_home(home) && realm_may_sign(home) ? home
                                                                                             : NULL;
}

void realm_move(struct realm *realm)
{
    struct realm_node *home = home_of(realm);
    uint32_t heir = (uint32_t)realm_below(realm, realm->named);
    if (home == NULL || heir == home->index || !realm->nodes[heir]->honest)
        return;
    realm->may_move = false;
    home->moves = true;
    home->heir = heir;
    home_entry(home, heir, &home->moving);
    home->again_ms = realm->now_ms;
}

static void drop_flight_of(struct realm *realm, uint32_t from)
{
    for (size_t i = 0; i < realm->flight_count;) {
        if (realm->flight[i]->from.bytes[0] != from + 1) {
            i++;
            continue;
        }
        fake_message_free(realm->flight[i]);
        realm->flight[i] = realm->flight[--realm->flight_count];
    }
}

static bool appends_main(const struct realm_node *node)
{
    for (size_t i = 0; i < node->pending_count; i++) {
        if (node->pending[i].log == 0)
            return true;
    }
    return false;
}

/* Its word for what nobody else has is lost with it: what it signed last cannot be
 * settled any more by who finds it there later. */
static void take_back_word(struct realm *realm, const struct realm_log *lost,
                           const struct realm_log *heirs, uint32_t home)
{
    for (size_t i = 0; i < realm->made_count; i++) {
        for (size_t k = heirs->batches; k < lost->batches; k++) {
            if (lost->at[k] == realm->made[i])
                realm->made[i]->holders &= ~(UINT32_C(1) << home);
        }
    }
}

/* The home is gone, and who has most of its log goes on. Whoever decides that looks at
 * all named nodes: what a quorum has may not be lost. */
void realm_lose_home(struct realm *realm)
{
    struct realm_node *home = home_of(realm), *heir = NULL;
    struct realm_entry entry;
    uint32_t incarnation = 0, heirs = 0;
    if (home == NULL || realm->down != REALM_NOBODY)
        return;
    for (size_t i = 0; i < realm->named; i++) {
        struct realm_node *node = realm->nodes[i];
        if (node == home)
            continue;
        if (node->core == NULL || !node->honest || node->to_compare_intake != 0 || node->aside ||
            node->goes_back || appends_main(node) || node->logs[0].batches == 0)
            return;
        if (heir == NULL || node->logs[0].batches > heir->logs[0].batches)
            heir = node;
    }
    (void)realm_home_of(&home->logs[0], home->logs[0].batches, &incarnation);
    (void)realm_home_of(&heir->logs[0], heir->logs[0].batches, &heirs);
    if (incarnation != heirs)
        return; /* it has not heard yet of which home it would be the heir */
    if (realm->settled_size > realm_log_size(&heir->logs[0]))
        return; /* and one disk was put back as another went: nobody left has it all */
    realm->may_lose = realm->may_move = realm->may_restore = false;
    realm->lost_home = true;
    realm->down = home->index;
    realm->back_ms = realm->now_ms + 1000 + realm_below(realm, 30000);
    realm_node_stop(home);
    drop_flight_of(realm, home->index);
    realm->steward_at = heir->index;
    take_back_word(realm, &home->logs[0], &heir->logs[0], home->index);
    home_entry(heir, heir->index, &entry);
    begin_anew(heir, &entry);
    realm_step(realm, heir);
}

void realm_come_back(struct realm *realm)
{
    struct realm_node *node = realm->nodes[realm->down];
    realm->down = REALM_NOBODY;
    realm_node_start(node);
    realm_node_follow(node);
    realm_step(realm, node);
}

/* Is all that it ever signed with others, so that it can find it there? What was
 * with nobody else is lost with a disk, and no rule brings it back. */
static bool is_elsewhere(const struct realm *realm, const struct realm_node *node, size_t number)
{
    for (size_t i = 0; i < realm->named; i++) {
        const struct realm_node *other = realm->nodes[i];
        if (i != node->index && other->honest && other->core != NULL && other->to_compare == 0 &&
            !other->aside && other->logs[number].batches >= node->logs[number].batches)
            return true;
    }
    return false;
}

void realm_restore(struct realm *realm)
{
    struct realm_node *node = realm->nodes[realm_below(realm, realm->count)];
    if (!node->honest || !node->has_backup || node->core == NULL || node->moves || node->aside ||
        node->goes_back)
        return;
    for (size_t i = 0; i < realm->named; i++) {
        if (realm->nodes[i]->to_compare != 0 || realm->nodes[i]->moves)
            return;
    }
    if (node->named &&
        !(is_elsewhere(realm, node, 0) && is_elsewhere(realm, node, 1 + node->index)))
        return;
    realm->may_restore = false;
    realm->restored = true;
    realm_node_stop(node);
    memcpy(node->logs, node->backup, sizeof(node->logs));
    realm_node_start(node);
    realm_check_anew(node);
    realm_node_follow(node);
    realm_step(realm, node);
}
