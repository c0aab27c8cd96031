/*
 * What a standing entry does to the state: PROTOCOL.md 6.2 after the table. All
 * that could be wrong has been judged; what fails here is the store.
 */
#include "schemas/state_internal.h"

#include <string.h>

int hark_apply_key(struct hark_state *state, const struct hark_key_object *object, uint32_t *number,
                   struct hark_err *err)
{
    uint64_t count = 0;
    int rc = hark_objects_count(state, HARK_SECTION_KEY, &count, err);

    if (rc == HARK_OK)
        rc = hark_objects_put_key(state, (uint32_t)count, object, err);
    if (rc == HARK_OK)
        rc = state->store.bind(state->store.arg, HARK_LOOKUP_KEY,
                               hark_span(object->key.bytes, HARK_KEY_SIZE), count, err);
    if (rc == HARK_OK)
        rc = hark_epochs_add_key(state, (uint32_t)count, err);
    *number = (uint32_t)count;
    return rc;
}

static int end_key(struct hark_state *state, uint32_t number, uint64_t position,
                   struct hark_err *err)
{
    struct hark_key_object key;
    int rc = hark_state_key(state, number, &key, err);

    if (rc != HARK_OK)
        return rc;
    key.until = position;
    return hark_objects_put_key(state, number, &key, err);
}

/* ---- Members --------------------------------------------------------------- */

static int add_device(struct hark_judging *j, uint32_t ordinal, uint64_t position,
                      struct hark_err *err)
{
    struct hark_key_object key = {.key = j->change.keys[0],
                                  .box = j->change.box,
                                  .of = HARK_KEY_OF_MEMBER,
                                  .owner = ordinal,
                                  .since = position,
                                  .until = HARK_NONE};
    struct hark_devices devices = {.count = 0};
    uint32_t number = 0;
    int rc = HARK_OK;

    if (j->action == HARK_ACTION_DEVICE)
        rc = hark_objects_get_devices(j->state, ordinal, &devices, err);
    if (rc == HARK_OK)
        rc = hark_apply_key(j->state, &key, &number, err);
    if (rc != HARK_OK)
        return rc;
    devices.keys[devices.count++] = number; /* fewer than 32 before: rule V28 */
    return hark_objects_put_devices(j->state, ordinal, &devices, err);
}

static int apply_admit(struct hark_judging *j, uint64_t position, struct hark_effect *effect,
                       struct hark_err *err)
{
    struct hark_member_object member = {
        .role = j->change.role, .status = HARK_STATUS_ACTIVE, .admit = position};
    struct hark_lookup_key admit = hark_lookup_u64(0, position);
    uint64_t ordinal = 0;
    int rc = hark_objects_count(j->state, HARK_SECTION_MEMBER, &ordinal, err);

    if (rc == HARK_OK)
        rc = hark_objects_put_member(j->state, (uint32_t)ordinal, &member, err);
    if (rc == HARK_OK)
        rc = add_device(j, (uint32_t)ordinal, position, err);
    if (rc == HARK_OK)
        rc = hark_objects_bind(j->state, HARK_LOOKUP_ADMIT, &admit, ordinal, err);
    if (rc == HARK_OK && j->change.has_ticket) {
        j->ticket.used++;
        rc = hark_objects_put_ticket(j->state, j->ticket_number, &j->ticket, err);
    }
    effect->admitted = true;
    effect->member = (uint32_t)ordinal;
    return rc;
}

static int apply_device(struct hark_judging *j, uint64_t position, struct hark_effect *effect,
                        struct hark_err *err)
{
    struct hark_devices devices;
    size_t kept = 0;
    int rc;

    effect->member = j->change.member;
    if (j->change.add)
        return add_device(j, j->change.member, position, err);
    rc = hark_objects_get_devices(j->state, j->change.member, &devices, err);
    if (rc != HARK_OK)
        return rc;
    for (size_t i = 0; i < devices.count; i++)
        if (devices.keys[i] != j->old_key_number)
            devices.keys[kept++] = devices.keys[i];
    devices.count = kept;
    rc = end_key(j->state, j->old_key_number, position, err);
    return rc == HARK_OK ? hark_objects_put_devices(j->state, j->change.member, &devices, err) : rc;
}

/* `remove` and `leave`: the membership and all its keys end. */
static int end_member(struct hark_judging *j, uint32_t ordinal, struct hark_member_object member,
                      uint8_t status, uint64_t position, struct hark_err *err)
{
    struct hark_devices devices;
    int rc;

    member.status = status;
    rc = hark_objects_put_member(j->state, ordinal, &member, err);
    if (rc == HARK_OK)
        rc = hark_objects_get_devices(j->state, ordinal, &devices, err);
    for (size_t i = 0; rc == HARK_OK && i < devices.count; i++)
        rc = end_key(j->state, devices.keys[i], position, err);
    devices.count = 0;
    return rc == HARK_OK ? hark_objects_put_devices(j->state, ordinal, &devices, err) : rc;
}

static int apply_role(struct hark_judging *j, struct hark_effect *effect, struct hark_err *err)
{
    effect->member = j->change.member;
    j->target.role = j->change.role;
    return hark_objects_put_member(j->state, j->change.member, &j->target, err);
}

static int apply_rekey(struct hark_judging *j, struct hark_err *err)
{
    j->key.box = j->change.box;
    return hark_objects_put_key(j->state, j->key_number, &j->key, err);
}

/* ---- Tickets, nodes, kinds ------------------------------------------------- */

static int apply_invite(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_ticket_object ticket = j->change.new_ticket;
    uint64_t count = 0;
    int rc = hark_objects_count(j->state, HARK_SECTION_TICKET, &count, err);

    ticket.position = position;
    if (rc == HARK_OK)
        rc = hark_objects_put_ticket(j->state, (uint32_t)count, &ticket, err);
    if (rc == HARK_OK)
        rc = j->state->store.bind(j->state->store.arg, HARK_LOOKUP_TICKET,
                                  hark_span(ticket.sign.bytes, HARK_KEY_SIZE), count, err);
    return rc;
}

static int apply_revoke(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    j->ticket.revoked = position;
    return hark_objects_put_ticket(j->state, j->ticket_number, &j->ticket, err);
}

int hark_apply_node(struct hark_state *state, const struct hark_node_object *node,
                    struct hark_err *err)
{
    const struct hark_key *const others[] = {&node->keys.log, &node->keys.cosigner};
    struct hark_key_object key = {
        .key = node->keys.author, .of = HARK_KEY_OF_NODE, .since = node->since, .until = HARK_NONE};
    struct hark_lookup_key name = hark_lookup_name(node->name);
    uint64_t number = 0;
    uint32_t key_number = 0;
    int rc = hark_objects_count(state, HARK_SECTION_NODE, &number, err);

    key.owner = (uint32_t)number;
    if (rc == HARK_OK)
        rc = hark_objects_put_node(state, (uint32_t)number, node, err);
    if (rc == HARK_OK)
        rc = hark_apply_key(state, &key, &key_number, err);
    if (rc == HARK_OK)
        rc = hark_objects_bind(state, HARK_LOOKUP_NAME, &name, number, err);
    for (size_t i = 0; rc == HARK_OK && i < 2; i++)
        rc = state->store.bind(state->store.arg, HARK_LOOKUP_NODE_KEY,
                               hark_span(others[i]->bytes, HARK_KEY_SIZE), number, err);
    if (rc != HARK_OK)
        return rc;
    state->nodes[state->node_count++] = (uint32_t)number; /* fewer than 64: rule V28 */
    return hark_objects_put_head(state, err);
}

static int end_node(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_state *state = j->state;
    struct hark_lookup_key name = hark_lookup_name(j->change.node.name);
    struct hark_node_object node;
    uint32_t key_number = 0;
    bool found = false;
    size_t kept = 0;
    int rc = hark_state_node(state, j->node_number, &node, err);

    if (rc == HARK_OK)
        rc = hark_state_find_key(state, &node.keys.author, &found, &key_number, err);
    if (rc == HARK_OK && !found)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state lacks a node's key");
    if (rc == HARK_OK)
        rc = end_key(state, key_number, position, err);
    node.until = position;
    if (rc == HARK_OK)
        rc = hark_objects_put_node(state, j->node_number, &node, err);
    if (rc == HARK_OK)
        rc = state->store.unbind(state->store.arg, HARK_LOOKUP_NAME,
                                 hark_span(name.bytes, name.size), err);
    if (rc != HARK_OK)
        return rc;
    for (size_t i = 0; i < state->node_count; i++)
        if (state->nodes[i] != j->node_number)
            state->nodes[kept++] = state->nodes[i];
    state->node_count = kept;
    return hark_objects_put_head(state, err);
}

static int apply_node(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    j->change.node.since = position;
    j->change.node.until = HARK_NONE;
    return j->change.add ? hark_apply_node(j->state, &j->change.node, err)
                         : end_node(j, position, err);
}

static int apply_kind(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_state *state = j->state;
    size_t own = hark_kinds_count(state->kinds) - hark_kinds_builtin_count(state->kinds);
    int rc = hark_objects_put_kind(state, own, j->change.kind, position, err);

    if (rc == HARK_OK)
        rc = hark_objects_put_definition(state, own, hark_span_str(j->change.definition), err);
    if (rc != HARK_OK)
        return rc;
    rc = hark_kinds_add_own(state->kinds, &j->change.kind, err);
    /* Rules V15, V27 and V28 have asked all that it asks. */
    if (rc == HARK_E_KIND_FORM || rc == HARK_E_LIMIT)
        rc = hark_err_set(err, HARK_E_INTERNAL, "a kind that stands cannot be added");
    return rc;
}

/* ---- The space itself ------------------------------------------------------ */

/* The old steward's key ends, the new one begins. */
static int change_steward(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_state *state = j->state;
    struct hark_key_object key = {.key = j->change.keys[0],
                                  .box = j->change.box,
                                  .of = HARK_KEY_OF_STEWARD,
                                  .since = position,
                                  .until = HARK_NONE};
    int rc = end_key(state, state->space_object.steward_key, position, err);

    if (rc == HARK_OK)
        rc = hark_apply_key(state, &key, &state->space_object.steward_key, err);
    return rc == HARK_OK ? hark_objects_put_space(state, err) : rc;
}

/* The word of one recovery key; the k-th for the same keys takes effect. */
static int apply_recover(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_lookup_key key = hark_recovery_lookup(j);
    uint64_t votes = 0;
    unsigned count = 0;
    int rc = hark_recovery_votes(j, &votes, err);

    if (rc != HARK_OK)
        return rc;
    votes |= UINT64_C(1) << j->key.owner;
    for (uint64_t rest = votes; rest > 0; rest &= rest - 1)
        count++;
    rc = hark_objects_bind(j->state, HARK_LOOKUP_OTHER, &key, votes, err);
    if (rc != HARK_OK || count < j->state->space_object.recovery_threshold)
        return rc;
    return change_steward(j, position, err);
}

static int apply_space_field(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_space_object *space = &j->state->space_object;

    if (j->action == HARK_ACTION_POLICY) {
        space->policy = position;
    } else if (j->action == HARK_ACTION_CLOSE) {
        space->closed = position;
    } else {
        space->home = j->node_number;
        space->incarnation = j->change.incarnation;
    }
    return hark_objects_put_space(j->state, err);
}

/* ---- Entries about entries ------------------------------------------------- */

static int apply_vote(struct hark_judging *j, uint64_t position, struct hark_effect *effect,
                      struct hark_err *err)
{
    struct hark_lookup_key vote = hark_lookup_vote(j->re[0], j->key.owner);
    struct hark_entry_object object;
    bool found = false;
    uint64_t before = HARK_NONE;
    int rc = hark_objects_find(j->state, HARK_LOOKUP_VOTE, &vote, &found, &before, err);

    if (rc == HARK_OK && found) {
        rc = hark_state_entry(j->state, position, &object, err);
        object.replaces = before;
        if (rc == HARK_OK)
            rc = hark_objects_put_entry(j->state, position, &object, err);
        effect->replaces = before;
    }
    return rc == HARK_OK ? hark_objects_bind(j->state, HARK_LOOKUP_VOTE, &vote, position, err) : rc;
}

static int apply_hide(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && i < j->entry->re_count; i++) {
        struct hark_entry_object *object = &j->re_object[i];

        if (object->hidden_by != HARK_NONE)
            continue;
        object->hidden_by = position;
        rc = hark_objects_put_entry(j->state, j->re[i], object, err);
    }
    return rc;
}

/* Which member a cohort is about, for when all of that member's is erased. */
static int apply_cohort(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    struct hark_lookup_key admit = hark_lookup_u64(0, j->re[0]);
    struct hark_lookup_key cohort = hark_lookup_u64(HARK_OTHER_COHORT, position);
    bool found = false;
    uint64_t ordinal = 0;
    int rc = hark_objects_find(j->state, HARK_LOOKUP_ADMIT, &admit, &found, &ordinal, err);

    if (rc == HARK_OK && !found)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state lacks an admission");
    return rc == HARK_OK ? hark_objects_bind(j->state, HARK_LOOKUP_OTHER, &cohort, ordinal, err)
                         : rc;
}

/* Everything of a member's that was logged before `position`. */
static int erase_member(struct hark_judging *j, size_t i, uint64_t position,
                        struct hark_effect *effect, struct hark_err *err)
{
    struct hark_lookup_key admit = hark_lookup_u64(0, j->re[i]);
    struct hark_member_object member;
    bool found = false;
    uint64_t ordinal = 0;
    int rc = hark_objects_find(j->state, HARK_LOOKUP_ADMIT, &admit, &found, &ordinal, err);

    if (rc == HARK_OK && !found)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state lacks an admission");
    if (rc == HARK_OK)
        rc = hark_state_member(j->state, (uint32_t)ordinal, &member, err);
    if (rc != HARK_OK)
        return rc;
    member.erased_below = position;
    effect->erased_members[effect->erased_member_count++] = (uint32_t)ordinal;
    return hark_objects_put_member(j->state, (uint32_t)ordinal, &member, err);
}

/* The subject, and the payload that it names, unless that is somebody else's:
 * a payload is its first logger's, at that entry's position. */
static int erase_entry(struct hark_judging *j, size_t i, uint64_t position, struct hark_err *err)
{
    struct hark_lookup_key repeat = hark_lookup_u64(HARK_OTHER_REPEAT, j->re[i]);
    struct hark_lookup_key first;
    uint64_t first_position = HARK_NONE;
    bool found = false;
    int rc = HARK_OK;

    if (j->re_object[i].erased_by != HARK_NONE)
        return HARK_OK;
    j->re_object[i].erased_by = position;
    rc = hark_objects_put_entry(j->state, j->re[i], &j->re_object[i], err);
    if (rc == HARK_OK)
        rc = hark_objects_find(j->state, HARK_LOOKUP_OTHER, &repeat, &found, &first_position, err);
    first = hark_lookup_u64(0, found ? first_position : j->re[i]);
    return rc == HARK_OK ? hark_objects_bind(j->state, HARK_LOOKUP_ERASED, &first, position, err)
                         : rc;
}

static int apply_erase(struct hark_judging *j, uint64_t position, struct hark_effect *effect,
                       struct hark_err *err)
{
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && i < j->entry->re_count; i++) {
        const struct hark_kind *kind = hark_kinds_get(j->state->kinds, j->re_object[i].kind);

        if (kind != NULL && hark_action_of(kind->name) == HARK_ACTION_ADMIT)
            rc = erase_member(j, i, position, effect, err);
        else
            rc = erase_entry(j, i, position, err);
    }
    return rc;
}

/* A steward's entry uses up the requests that it cites. */
static int use_requests(struct hark_judging *j, uint64_t position, struct hark_err *err)
{
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && i < j->entry->re_count; i++) {
        const struct hark_kind *kind = hark_kinds_get(j->state->kinds, j->re_object[i].kind);

        if (kind == NULL || strcmp(kind->name, "request") != 0)
            continue;
        j->re_object[i].used_by = position;
        rc = hark_objects_put_entry(j->state, j->re[i], &j->re_object[i], err);
    }
    return rc;
}

int hark_apply_standing(struct hark_judging *j, uint64_t position, struct hark_effect *effect,
                        struct hark_err *err)
{
    int rc = j->kind->who == HARK_WHO_STEWARD ? use_requests(j, position, err) : HARK_OK;

    if (rc == HARK_OK) /* asks which keys end, so before they do */
        rc = hark_epochs_apply(j, position, err);
    if (rc != HARK_OK)
        return rc;
    switch (j->action) {
    case HARK_ACTION_ADMIT:
        return apply_admit(j, position, effect, err);
    case HARK_ACTION_COHORT:
        return apply_cohort(j, position, err);
    case HARK_ACTION_DEVICE:
        return apply_device(j, position, effect, err);
    case HARK_ACTION_ERASE:
        return apply_erase(j, position, effect, err);
    case HARK_ACTION_HANDOVER:
        return change_steward(j, position, err);
    case HARK_ACTION_HIDE:
        return apply_hide(j, position, err);
    case HARK_ACTION_INVITE:
        return apply_invite(j, position, err);
    case HARK_ACTION_KIND:
        return apply_kind(j, position, err);
    case HARK_ACTION_LEAVE:
        effect->member = j->key.owner;
        return end_member(j, j->key.owner, j->member, HARK_STATUS_LEFT, position, err);
    case HARK_ACTION_NODE:
        return apply_node(j, position, err);
    case HARK_ACTION_CLOSE:
    case HARK_ACTION_HOME:
    case HARK_ACTION_POLICY:
        return apply_space_field(j, position, err);
    case HARK_ACTION_RECOVER:
        return apply_recover(j, position, err);
    case HARK_ACTION_REKEY:
        return apply_rekey(j, err);
    case HARK_ACTION_REMOVE:
        effect->member = j->change.member;
        return end_member(j, j->change.member, j->target, HARK_STATUS_REMOVED, position, err);
    case HARK_ACTION_REVOKE:
        return apply_revoke(j, position, err);
    case HARK_ACTION_ROLE:
        return apply_role(j, effect, err);
    case HARK_ACTION_NONE:
    case HARK_ACTION_EPOCH:
    case HARK_ACTION_SPACE:
        return HARK_OK;
    case HARK_ACTION_VOTE:
        return apply_vote(j, position, effect, err);
    }
    return HARK_OK;
}
