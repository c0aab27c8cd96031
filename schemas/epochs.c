/*
 * The epochs of an encrypted space as every node sees them, without any key: PROTOCOL.md
 * 10.7.
 *
 * Recipients are never cleared: one is of the set under way when its part is not older than
 * that set's part 0. So a set that is gone costs nothing but the group object. All that a
 * part has to fit is asked when it comes, so at the end it is enough to count.
 */
#include "schemas/state_internal.h"

#define EPOCHS_MAX (UINT64_C(1) << 32)

/* ---- Reading --------------------------------------------------------------- */

int hark_epochs_is_recipient(struct hark_state *state, const struct hark_group_object *group,
                             uint32_t key_number, bool *is, struct hark_err *err)
{
    uint64_t position = 0;
    int rc = hark_objects_get_recipient(state, key_number, &position, err);

    *is = rc == HARK_OK && group->parts > 0 && position != HARK_NONE && position >= group->since;
    return rc;
}

int hark_epochs_next(struct hark_state *state, uint64_t *next, struct hark_err *err)
{
    int rc = hark_objects_count(state, HARK_SECTION_EPOCH, next, err);

    if (rc == HARK_OK && *next > EPOCHS_MAX)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state has too many epochs");
    return rc;
}

int hark_state_current_epoch(struct hark_state *state, bool *found, uint32_t *number,
                             struct hark_err *err)
{
    uint64_t next = 0;
    int rc = hark_epochs_next(state, &next, err);

    *found = rc == HARK_OK && next > 0;
    *number = *found ? (uint32_t)(next - 1) : 0;
    return rc;
}

int hark_state_epoch_at(struct hark_state *state, uint64_t size, bool *found, uint32_t *number,
                        struct hark_err *err)
{
    uint64_t below = 0, end = 0; /* how many epochs come in before `size`: between these */
    int rc = hark_epochs_next(state, &end, err);

    *found = false;
    *number = 0;
    if (rc == HARK_OK && size > state->log.size)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "the log has no %llu entries",
                          (unsigned long long)size);
    while (rc == HARK_OK && below < end) {
        uint64_t middle = below + (end - below) / 2;
        struct hark_epoch_object epoch = {.position = 0};

        rc = hark_state_epoch(state, (uint32_t)middle, &epoch, err);
        if (epoch.position < size)
            below = middle + 1;
        else
            end = middle;
    }
    if (rc != HARK_OK)
        return rc;
    *found = below > 0;
    *number = *found ? (uint32_t)(below - 1) : 0;
    return HARK_OK;
}

int hark_state_owed(struct hark_state *state, uint32_t i, uint32_t *member, struct hark_err *err)
{
    struct hark_lookup_key place = hark_lookup_u64(HARK_OTHER_OWED, i);
    struct hark_group_object group = {.owed = 0};
    uint64_t ordinal = 0;
    bool found = false;
    int rc = hark_state_group(state, &group, err);

    if (rc == HARK_OK && i >= group.owed)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "only %u leavings are owed a key", group.owed);
    if (rc == HARK_OK)
        rc = hark_objects_find(state, HARK_LOOKUP_OTHER, &place, &found, &ordinal, err);
    if (rc == HARK_OK && !found)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state lacks who has left");
    *member = (uint32_t)ordinal;
    return rc;
}

int hark_state_rekeyed(struct hark_state *state, uint32_t key_number, uint64_t *position,
                       struct hark_err *err)
{
    struct hark_lookup_key key = hark_lookup_u64(HARK_OTHER_REKEY, key_number);
    bool found = false;
    int rc = hark_objects_find(state, HARK_LOOKUP_OTHER, &key, &found, position, err);

    if (rc == HARK_OK && !found)
        *position = HARK_NONE;
    return rc;
}

int hark_epochs_box_key(const json_t *sealed, size_t i, uint32_t *number, struct hark_err *err)
{
    uint64_t wide = 0;

    if (!hark_json_u64(json_array_get(sealed, i), "key", UINT32_MAX, &wide))
        return hark_err_set(err, HARK_E_INTERNAL, "kind epoch and the program disagree");
    *number = (uint32_t)wide;
    return HARK_OK;
}

/* ---- Changes --------------------------------------------------------------- */

int hark_epochs_found(struct hark_state *state, struct hark_err *err)
{
    const struct hark_group_object group = {.keys = 0};

    return hark_state_is_encrypted(state) ? hark_objects_put_group(state, &group, err) : HARK_OK;
}

int hark_epochs_add_key(struct hark_state *state, uint32_t key_number, struct hark_err *err)
{
    return hark_state_is_encrypted(state)
               ? hark_objects_put_recipient(state, key_number, HARK_NONE, err)
               : HARK_OK;
}

static void drop_set(struct hark_group_object *group)
{
    *group = (struct hark_group_object){.keys = group->keys, .owed = group->owed};
}

/* The next epoch: with the key of the set under way, or a step from the one before. */
static int begin_epoch(struct hark_judging *j, struct hark_group_object *group, bool fresh,
                       uint64_t position, struct hark_err *err)
{
    struct hark_epoch_object epoch = {.position = position, .fresh = fresh};
    uint64_t next = 0;
    int rc = hark_epochs_next(j->state, &next, err);

    if (fresh) {
        epoch.commitment = group->commitment;
        group->owed = 0;
    }
    drop_set(group);
    return rc == HARK_OK ? hark_objects_put_epoch(j->state, next, &epoch, err) : rc;
}

static int take_part(struct hark_judging *j, struct hark_group_object *group, uint64_t position,
                     struct hark_err *err)
{
    const struct hark_change *c = &j->change;
    size_t count = json_array_size(c->sealed);
    int rc = HARK_OK;

    if (c->part == 0) {
        drop_set(group);
        group->parts = c->parts;
        group->since = position;
        group->commitment = c->commitment;
    }
    for (size_t i = 0; rc == HARK_OK && i < count; i++) {
        rc = hark_epochs_box_key(c->sealed, i, &group->last_key, err);
        if (rc == HARK_OK)
            rc = hark_objects_put_recipient(j->state, group->last_key, position, err);
    }
    group->came++;
    group->recipients += (uint32_t)count;
    return rc;
}

/* Their keys end, and what was sealed to one of them is of no use any more. */
static int take_leave(struct hark_judging *j, struct hark_group_object *group, struct hark_err *err)
{
    struct hark_lookup_key place = hark_lookup_u64(HARK_OTHER_OWED, group->owed);
    struct hark_devices devices = {.count = 0};
    bool sealed = false;
    int rc = hark_objects_get_devices(j->state, j->key.owner, &devices, err);

    for (size_t i = 0; rc == HARK_OK && !sealed && i < devices.count; i++)
        rc = hark_epochs_is_recipient(j->state, group, devices.keys[i], &sealed, err);
    if (sealed)
        drop_set(group);
    group->keys -= (uint32_t)devices.count;
    group->owed++;
    return rc == HARK_OK ? hark_objects_bind(j->state, HARK_LOOKUP_OTHER, &place, j->key.owner, err)
                         : rc;
}

static int take_rekey(struct hark_judging *j, struct hark_group_object *group, uint64_t position,
                      struct hark_err *err)
{
    struct hark_lookup_key last = hark_lookup_u64(HARK_OTHER_REKEY, j->key_number);
    bool sealed = false;
    int rc = hark_epochs_is_recipient(j->state, group, j->key_number, &sealed, err);

    if (sealed)
        drop_set(group);
    return rc == HARK_OK ? hark_objects_bind(j->state, HARK_LOOKUP_OTHER, &last, position, err)
                         : rc;
}

static int take_removal(struct hark_judging *j, struct hark_group_object *group, uint64_t position,
                        struct hark_err *err)
{
    struct hark_devices devices = {.count = 1};
    int rc = HARK_OK;

    if (j->action == HARK_ACTION_REMOVE)
        rc = hark_objects_get_devices(j->state, j->change.member, &devices, err);
    group->keys -= (uint32_t)devices.count;
    return rc == HARK_OK ? begin_epoch(j, group, true, position, err) : rc;
}

static int change_group(struct hark_judging *j, struct hark_group_object *group, uint64_t position,
                        struct hark_err *err)
{
    bool adds =
        j->action == HARK_ACTION_ADMIT || (j->action == HARK_ACTION_DEVICE && j->change.add);

    if (adds) {
        group->keys++;
        return begin_epoch(j, group, false, position, err);
    }
    switch (j->action) {
    case HARK_ACTION_DEVICE:
    case HARK_ACTION_REMOVE:
        return take_removal(j, group, position, err);
    case HARK_ACTION_EPOCH:
        return take_part(j, group, position, err);
    case HARK_ACTION_LEAVE:
        return take_leave(j, group, err);
    default:
        return take_rekey(j, group, position, err);
    }
}

int hark_epochs_apply(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_group_object group;
    int rc;

    if (!hark_state_is_encrypted(j->state))
        return HARK_OK;
    switch (j->action) {
    case HARK_ACTION_ADMIT:
    case HARK_ACTION_DEVICE:
    case HARK_ACTION_EPOCH:
    case HARK_ACTION_LEAVE:
    case HARK_ACTION_REKEY:
    case HARK_ACTION_REMOVE:
        break;
    default:
        return HARK_OK;
    }
    rc = hark_state_group(j->state, &group, err);
    if (rc == HARK_OK)
        rc = change_group(j, &group, position, err);
    return rc == HARK_OK ? hark_objects_put_group(j->state, &group, err) : rc;
}
