/*
 * Does it fit the epochs of an encrypted space? Rule V30 of PROTOCOL.md 6.2, which stands
 * in 10.7. No key is needed for it, and nothing erasable is looked at.
 */
#include "schemas/state_internal.h"

#include <string.h>

#define VOID(err, ...) hark_err_set(err, HARK_E_VOID_EPOCH, __VA_ARGS__)

/* Is `epoch` the number that comes next? After 2^32 - 1 none does. */
static int is_next(struct hark_judging *j, uint32_t epoch, struct hark_err *err)
{
    uint64_t next = 0;
    int rc = hark_epochs_next(j->state, &next, err);

    if (rc == HARK_OK && epoch != next)
        return VOID(err, "it is of epoch %u, and the next one is %llu", epoch,
                    (unsigned long long)next);
    return rc;
}

static int must_have_seen(struct hark_judging *j, struct hark_err *err)
{
    if (!j->entry->has_seen)
        return VOID(err, "it does not say what its author has seen");
    return HARK_OK;
}

static int usable_box(struct hark_judging *j, struct hark_err *err)
{
    if (!hark_box_key_usable(&j->change.box))
        return VOID(err, "its X25519 key is of small order: nothing can be sealed to it");
    return HARK_OK;
}

/* Older keys, each of a later epoch than the one before, and all older than the group key. */
static int older_ascend(const struct hark_change *c, struct hark_err *err)
{
    uint64_t least = 0;

    for (size_t i = 0; i < json_array_size(c->older); i++) {
        uint64_t epoch =
            (uint64_t)json_integer_value(json_object_get(json_array_get(c->older, i), "epoch"));

        if (epoch < least || epoch >= c->epoch)
            return VOID(err, "its older keys are not in the order of their epochs");
        least = epoch + 1;
    }
    return HARK_OK;
}

/* `admit`, and `device` that adds. */
static int judge_step(struct hark_judging *j, struct hark_err *err)
{
    int rc = usable_box(j, err);

    if (rc != HARK_OK)
        return rc;
    if (j->change.has_commitment)
        return VOID(err, "who comes gets the next key, and brings no fresh one");
    if (!j->change.has_group_key)
        return VOID(err, "it has no group key");
    rc = is_next(j, j->change.epoch, err);
    return rc == HARK_OK ? older_ascend(&j->change, err) : rc;
}

/* ---- Parts ----------------------------------------------------------------- */

/* Is it the part that is to come? Part 0 always can. */
static int part_follows(const struct hark_change *c, const struct hark_group_object *group,
                        struct hark_err *err)
{
    if (c->part >= c->parts)
        return VOID(err, "part %u of %u", c->part, c->parts);
    if (c->part == 0)
        return HARK_OK;
    if (group->parts == 0)
        return VOID(err, "there is no set of parts under way");
    if (c->part != group->came || c->parts != group->parts)
        return VOID(err, "part %u of %u, and the set under way has %u of %u", c->part, c->parts,
                    group->came, group->parts);
    if (!hark_hash_equal(&c->commitment, &group->commitment))
        return VOID(err, "the set under way is of another key");
    return HARK_OK;
}

/* Whoever made the part sealed to the X25519 keys of the log as far as its `Seen`: a key that
 * was replaced since is another one, and nobody's lie. */
static int has_seen_rekey(struct hark_judging *j, uint32_t number, struct hark_err *err)
{
    uint64_t replaced = HARK_NONE;
    int rc = hark_state_rekeyed(j->state, number, &replaced, err);

    if (rc == HARK_OK && replaced != HARK_NONE && replaced >= j->entry->seen.size)
        return VOID(err, "key %u was replaced at position %llu, and its author has seen %llu",
                    number, (unsigned long long)replaced, (unsigned long long)j->entry->seen.size);
    return rc;
}

static int is_key_in_force(struct hark_judging *j, uint32_t number, struct hark_err *err)
{
    struct hark_key_object key;
    uint64_t count = 0;
    int rc = hark_objects_count(j->state, HARK_SECTION_KEY, &count, err);

    if (rc == HARK_OK && number >= count)
        return VOID(err, "there is no key %u", number);
    if (rc == HARK_OK)
        rc = hark_state_key(j->state, number, &key, err);
    if (rc != HARK_OK)
        return rc;
    if (key.of != HARK_KEY_OF_MEMBER || key.until != HARK_NONE)
        return VOID(err, "key %u is no member's in force", number);
    return HARK_OK;
}

static int judge_part(struct hark_judging *j, struct hark_err *err)
{
    const struct hark_change *c = &j->change;
    struct hark_group_object group;
    uint32_t before = 0;
    bool first = c->part == 0;
    int rc = must_have_seen(j, err);

    if (rc == HARK_OK)
        rc = hark_state_group(j->state, &group, err);
    if (rc == HARK_OK)
        rc = is_next(j, c->epoch, err);
    if (rc == HARK_OK)
        rc = part_follows(c, &group, err);
    if (rc != HARK_OK)
        return rc;
    before = group.last_key;
    for (size_t i = 0; rc == HARK_OK && i < json_array_size(c->sealed); i++) {
        uint32_t number = 0;

        rc = hark_epochs_box_key(c->sealed, i, &number, err);
        if (rc == HARK_OK && !first && number <= before)
            return VOID(err, "key %u does not come after key %u", number, before);
        if (rc == HARK_OK)
            rc = is_key_in_force(j, number, err);
        if (rc == HARK_OK)
            rc = has_seen_rekey(j, number, err);
        before = number;
        first = false;
    }
    return rc;
}

/* ---- Into force ------------------------------------------------------------ */

/* The keys that end are not among the recipients, who are as many as the keys that stay.
 * All of them are members' keys in force (a part that names another is void, and a set is
 * gone when one ends), and differ: so they are just those. */
static int fits_who_stay(struct hark_judging *j, const struct hark_group_object *group,
                         const struct hark_devices *ended, struct hark_err *err)
{
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && i < ended->count; i++) {
        bool sealed = false;

        rc = hark_epochs_is_recipient(j->state, group, ended->keys[i], &sealed, err);
        if (rc == HARK_OK && sealed)
            return VOID(err, "the fresh key is sealed to key %u, which ends", ended->keys[i]);
    }
    if (rc == HARK_OK && (uint64_t)group->recipients + ended->count != group->keys)
        return VOID(err, "the fresh key is sealed to %u keys, and %llu stay", group->recipients,
                    (unsigned long long)group->keys - ended->count);
    return rc;
}

/* `remove`, and `device` that ends a key. */
static int judge_fresh(struct hark_judging *j, struct hark_err *err)
{
    struct hark_devices ended = {.count = 1, .keys = {j->old_key_number}};
    struct hark_group_object group;
    int rc = hark_state_group(j->state, &group, err);

    if (rc != HARK_OK)
        return rc;
    if (j->change.has_group_key || j->change.older != NULL)
        return VOID(err, "who ends a key gives nobody one");
    if (!j->change.has_commitment)
        return VOID(err, "it puts no fresh key into force");
    if (group.parts == 0 || group.came != group.parts)
        return VOID(err, "%u of %u parts of a fresh key have come", group.came, group.parts);
    if (!hark_hash_equal(&j->change.commitment, &group.commitment))
        return VOID(err, "the parts under way are of another key");
    if (j->action == HARK_ACTION_REMOVE)
        rc = hark_objects_get_devices(j->state, j->change.member, &ended, err);
    return rc == HARK_OK ? fits_who_stay(j, &group, &ended, err) : rc;
}

int hark_judge_epoch(struct hark_judging *j, struct hark_err *err)
{
    if (!hark_state_is_encrypted(j->state))
        return HARK_OK;
    switch (j->action) {
    case HARK_ACTION_ADMIT:
        return judge_step(j, err);
    case HARK_ACTION_DEVICE:
        return j->change.add ? judge_step(j, err) : judge_fresh(j, err);
    case HARK_ACTION_EPOCH:
        return judge_part(j, err);
    case HARK_ACTION_REKEY:
        return usable_box(j, err);
    case HARK_ACTION_REMOVE:
        return judge_fresh(j, err);
    default:
        return strcmp(j->kind->name, "sealed") == 0 ? must_have_seen(j, err) : HARK_OK;
    }
}
