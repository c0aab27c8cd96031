/*
 * Does it stand? The rules V1 to V30 of PROTOCOL.md 6.2, one function each, in
 * the order of their table; the first one broken is the verdict. A rule may rest
 * on what earlier rules found to be so: from V12 on every Re exists, from V16 on
 * the payload of a never-erased kind is valid and read into j->change. V30 has a file
 * of its own, judge_epoch.c.
 */
#include "schemas/state_internal.h"

#include <string.h>

#define VOID(err, code, ...) hark_err_set(err, HARK_E_VOID_##code, __VA_ARGS__)

static bool is_steward_kind(const struct hark_judging *j)
{
    return j->kind->who == HARK_WHO_STEWARD;
}

static bool is_member(const struct hark_judging *j)
{
    return j->key.of == HARK_KEY_OF_MEMBER;
}

static bool is_staff(const struct hark_judging *j)
{
    return is_member(j) && j->member.role == HARK_ROLE_STAFF;
}

static const struct hark_kind *kind_of_re(const struct hark_judging *j, size_t i)
{
    return hark_kinds_get(j->state->kinds, j->re_object[i].kind);
}

/* ---- V1 to V8: the author and the time ------------------------------------- */

static int rule_closed(struct hark_judging *j, struct hark_err *err)
{
    if (j->state->space_object.closed == HARK_NONE || j->action == HARK_ACTION_ERASE ||
        strcmp(j->kind->name, "ack") == 0)
        return HARK_OK;
    return VOID(err, CLOSED, "the space was closed at position %llu",
                (unsigned long long)j->state->space_object.closed);
}

static int rule_steward(struct hark_judging *j, struct hark_err *err)
{
    if (is_steward_kind(j) && j->key_number != j->state->space_object.steward_key)
        return VOID(err, STEWARD, "only the steward in office may write %s", j->kind->name);
    if (j->kind->who == HARK_WHO_RECOVERY && j->key.of != HARK_KEY_OF_RECOVERY)
        return VOID(err, STEWARD, "only a recovery key may write %s", j->kind->name);
    return HARK_OK;
}

static int rule_steward_kind(struct hark_judging *j, struct hark_err *err)
{
    if (j->key.of == HARK_KEY_OF_STEWARD && !is_steward_kind(j))
        return VOID(err, STEWARD_KIND, "a steward's key may not write %s", j->kind->name);
    return HARK_OK;
}

static int rule_node(struct hark_judging *j, struct hark_err *err)
{
    bool by_node = j->key.of == HARK_KEY_OF_NODE;
    bool of_node = j->kind->who == HARK_WHO_NODE;

    if (by_node != of_node)
        return VOID(err, NODE, "%s may %s be written by a node", j->kind->name,
                    of_node ? "only" : "not");
    if (by_node && j->key.until != HARK_NONE)
        return VOID(err, NODE, "this node is not named any more");
    return HARK_OK;
}

static int rule_member(struct hark_judging *j, struct hark_err *err)
{
    if (!is_member(j))
        return HARK_OK;
    if (j->member.status != HARK_STATUS_ACTIVE)
        return VOID(err, MEMBER, "member %u %s", j->key.owner,
                    j->member.status == HARK_STATUS_LEFT ? "has left" : "has been removed");
    if (j->key.until != HARK_NONE)
        return VOID(err, MEMBER, "this key of member %u ended at position %llu", j->key.owner,
                    (unsigned long long)j->key.until);
    return HARK_OK;
}

static int rule_role(struct hark_judging *j, struct hark_err *err)
{
    if (j->kind->who == HARK_WHO_STAFF && !is_staff(j))
        return VOID(err, ROLE, "only staff may write %s", j->kind->name);
    /* Rule L4 keeps recovery keys away from members' kinds; here it is said again
     * for those who judge without asking it. */
    if (j->kind->who == HARK_WHO_MEMBER && !is_member(j))
        return VOID(err, ROLE, "only members may write %s", j->kind->name);
    return HARK_OK;
}

static int rule_time_before(struct hark_judging *j, struct hark_err *err)
{
    if (j->feed.seq > 0 && j->entry->time_ms < j->feed.time_ms)
        return VOID(err, TIME_BEFORE, "its time is before that of its feed's previous entry");
    return HARK_OK;
}

static int rule_time_ahead(struct hark_judging *j, struct hark_err *err)
{
    uint64_t accepted = j->arrival->accepted_ms;

    if (j->entry->time_ms > accepted && j->entry->time_ms - accepted > HARK_AHEAD_MAX_MS)
        return VOID(err, TIME_AHEAD, "its time is more than five minutes after its acceptance");
    return HARK_OK;
}

/* ---- V9 to V14: what it is about ------------------------------------------- */

static int rule_re_count(struct hark_judging *j, struct hark_err *err)
{
    size_t count = j->entry->re_count;

    if (count < j->kind->re_min || count > j->kind->re_max)
        return VOID(err, RE_COUNT, "%zu Re, and %s has %zu to %zu", count, j->kind->name,
                    j->kind->re_min, j->kind->re_max);
    return HARK_OK;
}

static int rule_re_repeated(struct hark_judging *j, struct hark_err *err)
{
    for (size_t a = 1; a < j->entry->re_count; a++)
        for (size_t b = 0; b < a; b++)
            if (hark_hash_equal(&j->entry->re[a], &j->entry->re[b]))
                return VOID(err, RE_REPEATED, "Re %zu and %zu are the same", b + 1, a + 1);
    return HARK_OK;
}

static int rule_re_nothing(struct hark_judging *j, struct hark_err *err)
{
    for (size_t i = 0; i < j->entry->re_count; i++)
        if (j->re[i] == HARK_NONE)
            return VOID(err, RE_NOTHING, "Re %zu is not in the log", i + 1);
    return HARK_OK;
}

static int rule_re_kind(struct hark_judging *j, struct hark_err *err)
{
    for (size_t i = 0; i < j->entry->re_count; i++) {
        const struct hark_kind *kind = kind_of_re(j, i);

        if (kind == NULL)
            return hark_err_set(err, HARK_E_DAMAGED, "the state knows an entry of no kind");
        /* Nobody here can know of what kind it is. */
        if (j->inside && strcmp(kind->name, "sealed") == 0)
            continue;
        if (!hark_kind_about(j->kind, kind->name))
            return VOID(err, RE_KIND, "%s may not be about %s", j->kind->name, kind->name);
    }
    return HARK_OK;
}

static int rule_re_void(struct hark_judging *j, struct hark_err *err)
{
    for (size_t i = 0; i < j->entry->re_count; i++) {
        /* Words in a void entry are words all the same: they can be erased. */
        bool erasing = j->action == HARK_ACTION_ERASE && kind_of_re(j, i)->erasable;

        if (j->re_object[i].verdict != 0 && !erasing)
            return VOID(err, RE_VOID, "Re %zu, at position %llu, is void (%s)", i + 1,
                        (unsigned long long)j->re[i],
                        hark_err_name(hark_verdict_code(j->re_object[i].verdict)));
    }
    return HARK_OK;
}

/* Is Re i the author's own? An admit is its member's. */
static int is_own(struct hark_judging *j, size_t i, bool *own, struct hark_err *err)
{
    struct hark_lookup_key admit = hark_lookup_u64(0, j->re[i]);
    uint64_t ordinal = HARK_NONE;
    bool found = false;
    int rc;

    if (hark_action_of(kind_of_re(j, i)->name) != HARK_ACTION_ADMIT)
        return hark_judging_same_author(j, j->re_object[i].key, own, err);
    rc = hark_objects_find(j->state, HARK_LOOKUP_ADMIT, &admit, &found, &ordinal, err);
    *own = found && is_member(j) && j->key.owner == ordinal;
    return rc;
}

static int rule_re_own(struct hark_judging *j, struct hark_err *err)
{
    if (j->kind->own == HARK_OWN_NO || (j->kind->own == HARK_OWN_UNLESS_STAFF && is_staff(j)))
        return HARK_OK;
    for (size_t i = 0; i < j->entry->re_count; i++) {
        bool own = false;
        int rc = is_own(j, i, &own, err);

        if (rc != HARK_OK)
            return rc;
        if (!own)
            return VOID(err, RE_OWN, "Re %zu is not the author's own", i + 1);
    }
    return HARK_OK;
}

/* ---- V15 to V18: the payload and the keys in it ---------------------------- */

static int rule_payload(struct hark_judging *j, struct hark_err *err)
{
    int rc;

    if (j->kind->erasable || (!j->entry->has_payload && j->kind->payload == HARK_PAYLOAD_NONE))
        return HARK_OK;
    if (!j->entry->has_payload || j->kind->payload == HARK_PAYLOAD_NONE) /* L10 comes before */
        return VOID(err, PAYLOAD, "it has %s payload", j->entry->has_payload ? "a" : "no");
    /* What decides for ever may not hang on bytes that somebody else can erase. */
    if (j->payload_known)
        return VOID(err, PAYLOAD, "its payload was logged before, at position %llu",
                    (unsigned long long)j->payload_first);
    rc = hark_payload_check(j->kind, j->payload, &j->json, err);
    if (rc == HARK_E_NO_MEMORY || rc == HARK_E_INTERNAL)
        return rc;
    if (rc != HARK_OK) {
        (void)hark_err_wrap(err, rc, "its payload is invalid (%s)", hark_err_name(rc));
        if (err != NULL)
            err->code = HARK_E_VOID_PAYLOAD;
        return HARK_E_VOID_PAYLOAD;
    }
    return hark_change_read(j, err);
}

static int rule_first(struct hark_judging *j, struct hark_err *err)
{
    if (j->action == HARK_ACTION_SPACE)
        return VOID(err, FIRST, "a space is founded once");
    return HARK_OK;
}

static int is_used(struct hark_state *state, const struct hark_key *key, bool *used,
                   struct hark_err *err)
{
    static const enum hark_lookup PLACES[] = {HARK_LOOKUP_KEY, HARK_LOOKUP_TICKET,
                                              HARK_LOOKUP_NODE_KEY};
    int rc = HARK_OK;

    *used = false;
    for (size_t i = 0; rc == HARK_OK && !*used && i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
        uint64_t number;

        rc = state->store.find(state->store.arg, PLACES[i],
                               hark_span(key->bytes, sizeof(key->bytes)), used, &number, err);
    }
    return rc;
}

static int rule_key_used(struct hark_judging *j, struct hark_err *err)
{
    const struct hark_change *c = &j->change;

    for (size_t i = 0; i < c->key_count; i++) {
        bool used = false;
        int rc = is_used(j->state, &c->keys[i], &used, err);

        if (rc != HARK_OK)
            return rc;
        for (size_t k = 0; k < i; k++)
            used = used || hark_key_equal(&c->keys[i], &c->keys[k]);
        if (used)
            return VOID(err, KEY_USED, "it brings a key that stands in this space already");
    }
    return HARK_OK;
}

/* Does `signature` by `key` hold over the new key's join message? */
static int proves(const struct hark_judging *j, const struct hark_key *key,
                  const uint8_t signature[HARK_SIGNATURE_SIZE], bool *holds, struct hark_err *err)
{
    const struct hark_change *c = &j->change;
    struct hark_sshsig sig = {.key = *key};
    struct hark_buf message = hark_buf_init(HARK_OBJECT_MAX);
    int rc = hark_join_message(&message, &j->state->space, &c->keys[0], &c->box,
                               c->has_ticket ? &c->ticket : NULL, &c->terms, err);

    memcpy(sig.signature, signature, sizeof(sig.signature));
    *holds = rc == HARK_OK && hark_sshsig_verify(&sig, "hark-join", hark_buf_span(&message));
    hark_buf_free(&message);
    return rc;
}

static int rule_key_proof(struct hark_judging *j, struct hark_err *err)
{
    bool holds = true;
    int rc = HARK_OK;

    if (j->change.has_proof)
        rc = proves(j, &j->change.keys[0], j->change.proof, &holds, err);
    if (rc == HARK_OK && !holds)
        return VOID(err, KEY_PROOF, "the new key's proof does not hold");
    return rc;
}

/* ---- V19: what it presumes ------------------------------------------------- */

static int target_member(struct hark_judging *j, struct hark_err *err)
{
    uint32_t ordinal = j->change.member;
    uint64_t count = 0;
    int rc = hark_objects_count(j->state, HARK_SECTION_MEMBER, &count, err);

    if (rc != HARK_OK)
        return rc;
    if (ordinal >= count)
        return VOID(err, TARGET, "there is no member %u", ordinal);
    rc = hark_state_member(j->state, ordinal, &j->target, err);
    if (rc != HARK_OK)
        return rc;
    /* Who left an encrypted space has its key still, until a removal brings a fresh one. */
    if (j->action == HARK_ACTION_REMOVE && j->target.status == HARK_STATUS_LEFT &&
        hark_state_is_encrypted(j->state))
        return HARK_OK;
    if (j->target.status != HARK_STATUS_ACTIVE)
        return VOID(err, TARGET, "member %u is not active", ordinal);
    if (j->action == HARK_ACTION_ROLE && j->target.role == j->change.role)
        return VOID(err, TARGET, "member %u has this role already", ordinal);
    return HARK_OK;
}

static int target_device(struct hark_judging *j, struct hark_err *err)
{
    bool found = false;
    int rc = target_member(j, err);

    if (rc != HARK_OK || j->change.add)
        return rc;
    rc = hark_state_find_key(j->state, &j->change.old_key, &found, &j->old_key_number, err);
    if (rc == HARK_OK && found)
        rc = hark_state_key(j->state, j->old_key_number, &j->old_key, err);
    if (rc != HARK_OK)
        return rc;
    if (!found || j->old_key.of != HARK_KEY_OF_MEMBER || j->old_key.owner != j->change.member ||
        j->old_key.until != HARK_NONE)
        return VOID(err, TARGET, "this is no key in force of member %u", j->change.member);
    return HARK_OK;
}

static int target_ticket(struct hark_judging *j, struct hark_err *err)
{
    bool found = false;
    int rc = hark_state_find_ticket(j->state, &j->change.ticket, &found, &j->ticket_number, err);

    if (rc == HARK_OK && found)
        rc = hark_state_ticket(j->state, j->ticket_number, &j->ticket, err);
    if (rc != HARK_OK)
        return rc;
    if (!found || j->ticket.revoked != HARK_NONE)
        return VOID(err, TARGET,
                    found ? "this ticket is revoked already" : "there is no such ticket");
    return HARK_OK;
}

/* j->node_number for the name given, when a node of that name is in force. */
static int find_node(struct hark_judging *j, bool *found, struct hark_err *err)
{
    struct hark_lookup_key name = hark_lookup_name(j->change.node.name);
    uint64_t number = 0;
    int rc = hark_objects_find(j->state, HARK_LOOKUP_NAME, &name, found, &number, err);

    j->node_number = (uint32_t)number;
    return rc;
}

static int target_node(struct hark_judging *j, struct hark_err *err)
{
    bool found = false;
    int rc = HARK_OK;

    if (j->action == HARK_ACTION_NODE && j->change.add)
        return HARK_OK;
    rc = find_node(j, &found, err);
    if (rc == HARK_OK && !found)
        return VOID(err, TARGET, "no node '%s' is named now", j->change.node.name);
    if (rc == HARK_OK && j->action == HARK_ACTION_NODE &&
        j->node_number == j->state->space_object.home)
        return VOID(err, TARGET, "'%s' is the home", j->change.node.name);
    return rc;
}

/* The member's key that the home of an entrusted space reads with. */
static int target_holder(struct hark_judging *j, struct hark_err *err)
{
    struct hark_key_object key = {.owner = 0};
    uint32_t number = 0;
    bool found = false;
    int rc = HARK_OK;

    if (!j->change.has_holder)
        return HARK_OK;
    rc = hark_state_find_key(j->state, &j->change.holder, &found, &number, err);
    if (rc == HARK_OK && found)
        rc = hark_state_key(j->state, number, &key, err);
    if (rc != HARK_OK)
        return rc;
    if (!found || key.of != HARK_KEY_OF_MEMBER || key.until != HARK_NONE)
        return VOID(err, TARGET, "its holder is no member's key in force");
    return HARK_OK;
}

static int target_home(struct hark_judging *j, struct hark_err *err)
{
    const struct hark_state *state = j->state;
    struct hark_hash root = hark_merkle_root(&state->log);
    int rc = target_node(j, err);

    if (rc != HARK_OK)
        return rc;
    if (j->change.incarnation != (uint64_t)state->space_object.incarnation + 1)
        return VOID(err, TARGET, "the next incarnation is not %u", j->change.incarnation);
    if (j->change.size != state->log.size || !hark_hash_equal(&j->change.root, &root))
        return VOID(err, TARGET, "it does not go on from this log's size and root");
    return target_holder(j, err);
}

struct hark_lookup_key hark_recovery_lookup(const struct hark_judging *j)
{
    uint8_t proposal[2 * HARK_KEY_SIZE];
    struct hark_hash hash;

    memcpy(proposal, j->change.keys[0].bytes, HARK_KEY_SIZE);
    memcpy(proposal + HARK_KEY_SIZE, j->change.box.bytes, HARK_KEY_SIZE);
    hash = hark_sha256(hark_span(proposal, sizeof(proposal)));
    return hark_lookup_recover(j->state->space_object.steward_key, &hash);
}

int hark_recovery_votes(struct hark_judging *j, uint64_t *votes, struct hark_err *err)
{
    struct hark_lookup_key key = hark_recovery_lookup(j);
    bool found = false;
    int rc = hark_objects_find(j->state, HARK_LOOKUP_OTHER, &key, &found, votes, err);

    if (rc == HARK_OK && !found)
        *votes = 0;
    return rc;
}

static int target_recover(struct hark_judging *j, struct hark_err *err)
{
    uint64_t votes = 0;
    int rc = hark_recovery_votes(j, &votes, err);

    if (rc == HARK_OK && (votes >> j->key.owner & 1) != 0)
        return VOID(err, TARGET, "this recovery key has named this steward already");
    return rc;
}

static int rule_target(struct hark_judging *j, struct hark_err *err)
{
    switch (j->action) {
    case HARK_ACTION_DEVICE:
        return target_device(j, err);
    case HARK_ACTION_ROLE:
    case HARK_ACTION_REMOVE:
        return target_member(j, err);
    case HARK_ACTION_REVOKE:
        return target_ticket(j, err);
    case HARK_ACTION_NODE:
        return target_node(j, err);
    case HARK_ACTION_HOME:
        return target_home(j, err);
    case HARK_ACTION_RECOVER:
        return target_recover(j, err);
    default:
        return HARK_OK;
    }
}

/* ---- V20 to V25: an admission's ticket ------------------------------------- */

static bool admits_by_ticket(const struct hark_judging *j)
{
    return j->action == HARK_ACTION_ADMIT && j->change.has_ticket;
}

static int rule_ticket_unknown(struct hark_judging *j, struct hark_err *err)
{
    bool found = false;
    int rc;

    if (!admits_by_ticket(j))
        return HARK_OK;
    rc = hark_state_find_ticket(j->state, &j->change.ticket, &found, &j->ticket_number, err);
    if (rc != HARK_OK)
        return rc;
    if (!found)
        return VOID(err, TICKET_UNKNOWN, "its ticket was never given out");
    return hark_state_ticket(j->state, j->ticket_number, &j->ticket, err);
}

static int rule_ticket_revoked(struct hark_judging *j, struct hark_err *err)
{
    if (admits_by_ticket(j) && j->ticket.revoked != HARK_NONE)
        return VOID(err, TICKET_REVOKED, "its ticket was revoked at position %llu",
                    (unsigned long long)j->ticket.revoked);
    return HARK_OK;
}

static int rule_ticket_expired(struct hark_judging *j, struct hark_err *err)
{
    if (admits_by_ticket(j) && j->arrival->accepted_ms > j->ticket.until_ms)
        return VOID(err, TICKET_EXPIRED, "it was accepted after its ticket's time");
    return HARK_OK;
}

static int rule_ticket_used(struct hark_judging *j, struct hark_err *err)
{
    if (admits_by_ticket(j) && j->ticket.used >= j->ticket.uses)
        return VOID(err, TICKET_USED, "its ticket has been used %u times", j->ticket.used);
    return HARK_OK;
}

static int rule_ticket_limit(struct hark_judging *j, struct hark_err *err)
{
    if (admits_by_ticket(j) && j->change.role != j->ticket.role)
        return VOID(err, TICKET_LIMIT, "it gives another role than its ticket");
    return HARK_OK;
}

static int rule_ticket_proof(struct hark_judging *j, struct hark_err *err)
{
    const struct hark_change *c = &j->change;
    bool holds = true;
    int rc = HARK_OK;

    if (j->action != HARK_ACTION_ADMIT || (!c->has_ticket && !c->has_ticket_proof))
        return HARK_OK;
    if (!c->has_ticket || !c->has_ticket_proof)
        return VOID(err, TICKET_PROOF, "a ticket and its proof come together");
    rc = proves(j, &c->ticket, c->ticket_proof, &holds, err);
    if (rc == HARK_OK && !holds)
        return VOID(err, TICKET_PROOF, "its ticket's proof does not hold");
    return rc;
}

/* ---- V26 to V29 (V30: judge_epoch.c) ---------------------------------------- */

/* May the author of this request still ask for something? */
static int asks_with_standing(struct hark_judging *j, uint32_t key_number, bool *standing,
                              struct hark_err *err)
{
    struct hark_key_object key;
    struct hark_member_object member;
    int rc = hark_state_key(j->state, key_number, &key, err);

    *standing = rc == HARK_OK && key.of == HARK_KEY_OF_MEMBER && key.until == HARK_NONE;
    if (!*standing)
        return rc;
    rc = hark_state_member(j->state, key.owner, &member, err);
    *standing = rc == HARK_OK && member.status == HARK_STATUS_ACTIVE;
    return rc;
}

static int rule_request_used(struct hark_judging *j, struct hark_err *err)
{
    for (size_t i = 0; is_steward_kind(j) && i < j->entry->re_count; i++) {
        bool standing = false;
        int rc;

        if (strcmp(kind_of_re(j, i)->name, "request") != 0)
            continue;
        if (j->re_object[i].used_by != HARK_NONE)
            return VOID(err, REQUEST_USED, "this request was used at position %llu",
                        (unsigned long long)j->re_object[i].used_by);
        rc = asks_with_standing(j, j->re_object[i].key, &standing, err);
        if (rc != HARK_OK)
            return rc;
        if (!standing)
            return VOID(err, REQUEST_USED, "whoever made this request has no standing any more");
    }
    return HARK_OK;
}

static int rule_name_used(struct hark_judging *j, struct hark_err *err)
{
    bool used = false;
    int rc = HARK_OK;

    if (j->action == HARK_ACTION_KIND)
        used = hark_kinds_find(j->state->kinds, j->change.kind->name) >= 0;
    else if (j->action == HARK_ACTION_NODE && j->change.add)
        rc = find_node(j, &used, err);
    if (rc == HARK_OK && used)
        return VOID(err, NAME_USED, "this name is taken");
    return rc;
}

static int below(struct hark_judging *j, enum hark_section section, uint64_t most, const char *what,
                 struct hark_err *err)
{
    uint64_t count = 0;
    int rc = hark_objects_count(j->state, section, &count, err);

    if (rc == HARK_OK && count >= most)
        return VOID(err, LIMIT, "the space has %llu %s, which is all it can",
                    (unsigned long long)most, what);
    return rc;
}

static int limit_devices(struct hark_judging *j, struct hark_err *err)
{
    struct hark_devices devices;
    int rc;

    if (!j->change.add)
        return HARK_OK;
    rc = hark_objects_get_devices(j->state, j->change.member, &devices, err);
    if (rc == HARK_OK && devices.count >= HARK_DEVICES_MAX)
        return VOID(err, LIMIT, "member %u has %u keys in force, which is all one can have",
                    j->change.member, HARK_DEVICES_MAX);
    return rc;
}

static int rule_limit(struct hark_judging *j, struct hark_err *err)
{
    const struct hark_state *state = j->state;
    int rc = HARK_OK;

    /* Every key object counts, whoever's it is. */
    if (j->change.key_count > 0 && j->action != HARK_ACTION_INVITE)
        rc = below(j, HARK_SECTION_KEY, HARK_KEYS_MAX, "keys", err);
    if (rc != HARK_OK)
        return rc;
    switch (j->action) {
    case HARK_ACTION_ADMIT:
        return below(j, HARK_SECTION_MEMBER, HARK_MEMBERS_MAX, "members", err);
    case HARK_ACTION_DEVICE:
        return limit_devices(j, err);
    case HARK_ACTION_INVITE:
        return below(j, HARK_SECTION_TICKET, HARK_TICKETS_MAX, "tickets", err);
    case HARK_ACTION_KIND:
        return below(j, HARK_SECTION_KIND, HARK_KINDS_OWN_MAX, "kinds of its own", err);
    case HARK_ACTION_NODE:
        if (j->change.add && state->node_count >= HARK_NODES_NAMED_MAX)
            return VOID(err, LIMIT, "%u nodes are named", HARK_NODES_NAMED_MAX);
        return HARK_OK;
    default:
        return HARK_OK;
    }
}

static int rule_mode(struct hark_judging *j, struct hark_err *err)
{
    bool open = !hark_state_is_encrypted(j->state);
    bool own = j->kind_number >= hark_kinds_builtin_count(j->state->kinds);
    bool fits = j->kind->modes == HARK_MODES_ALL || open == (j->kind->modes == HARK_MODES_OPEN);

    if (j->inside)
        return HARK_OK; /* rule I2 has asked */
    /* What members say in an encrypted space is said inside `sealed`. */
    if (!fits || (own && !open))
        return VOID(err, MODE, "%s is not for %s spaces", j->kind->name,
                    open ? "open" : "encrypted");
    if (open && (j->change.has_group_key || j->change.has_commitment || j->change.older != NULL))
        return VOID(err, MODE, "an open space has no group key");
    if (j->action == HARK_ACTION_HOME &&
        j->change.has_holder != (j->state->space_object.mode == HARK_MODE_ENTRUSTED))
        return VOID(err, MODE, "the home of an entrusted space, and no other, has a holder");
    return HARK_OK;
}

/* ---- The table ------------------------------------------------------------- */

static const struct {
    int code;
    int (*check)(struct hark_judging *j, struct hark_err *err);
} RULES[] = {
    {HARK_E_VOID_CLOSED, rule_closed}, /* V1 */
    {HARK_E_VOID_STEWARD, rule_steward},
    {HARK_E_VOID_STEWARD_KIND, rule_steward_kind},
    {HARK_E_VOID_NODE, rule_node},
    {HARK_E_VOID_MEMBER, rule_member},
    {HARK_E_VOID_ROLE, rule_role},
    {HARK_E_VOID_TIME_BEFORE, rule_time_before},
    {HARK_E_VOID_TIME_AHEAD, rule_time_ahead},
    {HARK_E_VOID_RE_COUNT, rule_re_count},
    {HARK_E_VOID_RE_REPEATED, rule_re_repeated}, /* V10 */
    {HARK_E_VOID_RE_NOTHING, rule_re_nothing},
    {HARK_E_VOID_RE_KIND, rule_re_kind},
    {HARK_E_VOID_RE_VOID, rule_re_void},
    {HARK_E_VOID_RE_OWN, rule_re_own},
    {HARK_E_VOID_PAYLOAD, rule_payload},
    {HARK_E_VOID_FIRST, rule_first},
    {HARK_E_VOID_KEY_USED, rule_key_used},
    {HARK_E_VOID_KEY_PROOF, rule_key_proof},
    {HARK_E_VOID_TARGET, rule_target},
    {HARK_E_VOID_TICKET_UNKNOWN, rule_ticket_unknown}, /* V20 */
    {HARK_E_VOID_TICKET_REVOKED, rule_ticket_revoked},
    {HARK_E_VOID_TICKET_EXPIRED, rule_ticket_expired},
    {HARK_E_VOID_TICKET_USED, rule_ticket_used},
    {HARK_E_VOID_TICKET_LIMIT, rule_ticket_limit},
    {HARK_E_VOID_TICKET_PROOF, rule_ticket_proof},
    {HARK_E_VOID_REQUEST_USED, rule_request_used},
    {HARK_E_VOID_NAME_USED, rule_name_used},
    {HARK_E_VOID_LIMIT, rule_limit},
    {HARK_E_VOID_MODE, rule_mode},
    {HARK_E_VOID_EPOCH, hark_judge_epoch}, /* V30 */
};
#define RULE_COUNT (sizeof(RULES) / sizeof(RULES[0]))

_Static_assert(RULE_COUNT == 30, "PROTOCOL.md 6.2 has 30 rules");
_Static_assert(HARK_AUTHOR_RULES == 6, "V1 to V6 ask who may write");

static int judge_rules(struct hark_judging *j, size_t first, size_t end, struct hark_err *err)
{
    for (size_t i = first; i < end; i++) {
        int rc = RULES[i].check(j, err);

        if (rc != HARK_OK)
            return rc;
    }
    return HARK_OK;
}

int hark_judge_author(struct hark_judging *j, struct hark_err *err)
{
    return judge_rules(j, 0, HARK_AUTHOR_RULES, err);
}

int hark_judge_all(struct hark_judging *j, struct hark_err *err)
{
    return judge_rules(j, 0, RULE_COUNT, err);
}

uint8_t hark_verdict_number(int code)
{
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (RULES[i].code == code)
            return (uint8_t)(i + 1);
    return 0;
}

int hark_verdict_code(uint8_t number)
{
    return number >= 1 && number <= RULE_COUNT ? RULES[number - 1].code : 0;
}
