/*
 * One entry on its way: prepared on any thread, then judged, applied and indexed
 * by the one that owns the space.
 */
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"
#include "node/witness.h"

/* The payload at hand is the one named (P3, P4), whatever its kind. */
static int match_payload(struct space_item *item, struct hark_err *err)
{
    const struct hark_entry *entry = &item->entry;

    if (!entry->has_payload) {
        if (item->payload_state != 0 || item->payload.data != NULL)
            return hark_err_set(err, HARK_E_PAYLOAD_UNWANTED, "the entry names no payload");
        return 0;
    }
    if (item->payload_state == 0)
        return hark_err_set(err, HARK_E_PAYLOAD_ABSENT, "the entry names a payload");
    if (item->payload_state != 1)
        return 0;
    if (item->payload.size != entry->payload_size || item->payload.size == 0 ||
        item->payload.size > HARK_PAYLOAD_MAX)
        return hark_err_set(err, HARK_E_PAYLOAD_SIZE, "the payload has %zu bytes, not %llu",
                            item->payload.size, (unsigned long long)entry->payload_size);
    struct hark_hash hash = hark_sha256(item->payload);
    if (!hark_hash_equal(&hash, &entry->payload_hash))
        return hark_err_set(err, HARK_E_PAYLOAD_HASH, "the payload is not the one named");
    if (!item->audited)
        item->blob = hark_git_hash(HARK_GIT_BLOB, item->payload);
    return 0;
}

void hark_space_item_read(struct space_item *item, bool trusted)
{
    struct hark_err *err = &item->err;

    if (item->code != 0)
        return;
    /* The git id first: a batch's parents are asked before its entries. */
    if (!item->audited)
        item->git_id = hark_git_hash(HARK_GIT_COMMIT, item->object);
    item->code = hark_entry_parse(&item->entry, item->object, err);
    if (item->code == 0 && !trusted)
        item->code = hark_entry_verify(&item->entry, item->object, err);
}

void hark_space_item_match(struct space_item *item)
{
    if (item->code == 0)
        item->code = match_payload(item, &item->err);
}

void hark_space_item_prepare(struct space_item *item, bool trusted)
{
    hark_space_item_read(item, trusted);
    hark_space_item_match(item);
}

/* What is binary (an envelope) is found to be no JSON at its first byte. */
void hark_space_item_read_payload(struct space_item *item)
{
    if (item->code != 0 || item->payload.data == NULL || item->is_read)
        return;
    item->is_read = hark_payload_read(item->payload, &item->read, NULL) != HARK_E_NO_MEMORY;
}

void hark_space_item_clear(struct space_item *item)
{
    json_decref(item->json);
    json_decref(item->read);
    item->json = NULL;
    item->read = NULL;
    item->is_read = false;
}

/* Is what is at hand a valid payload of that kind? Then item->json is it. For want of
 * memory nothing is said to be invalid. */
static int check_payload(const struct hark_kind *kind, struct space_item *item, bool *valid,
                         struct hark_err *err)
{
    int rc = 0;

    if (!item->is_read) {
        rc = hark_payload_check(kind, item->payload, &item->json, err);
    } else if (item->read != NULL) {
        rc = hark_payload_judge(kind, item->read, err);
        if (rc == 0)
            item->json = json_incref(item->read);
    }
    *valid = rc == 0 && (!item->is_read || item->read != NULL);
    return rc == HARK_E_NO_MEMORY ? rc : 0;
}

/* PROTOCOL.md 6.3. What is invalid is kept and says nothing. */
static int decide_says(struct hark_state *state, const struct hark_kind *kind,
                       struct space_item *item, struct hark_err *err)
{
    bool erased = false, valid = false;
    int rc;

    item->says = HARK_SAYS_NONE;
    if (!item->entry.has_payload)
        return 0;
    rc = hark_state_is_erased(state, item->effect.position, &item->entry, &erased, err);
    if (rc < 0)
        return rc;
    if (erased)
        item->says = HARK_SAYS_ERASED;
    else if (item->effect.payload_foreign)
        item->says = HARK_SAYS_FOREIGN;
    else if (item->payload.data == NULL)
        item->says = HARK_SAYS_MISSING;
    else if (kind->payload == HARK_PAYLOAD_BINARY)
        item->says = HARK_SAYS_SEALED;
    else if (kind->payload == HARK_PAYLOAD_NONE)
        item->says = HARK_SAYS_INVALID;
    else {
        rc = check_payload(kind, item, &valid, err);
        item->says = valid ? HARK_SAYS_IT : HARK_SAYS_INVALID;
    }
    return rc;
}

int hark_space_item_apply(struct hark_state *state, struct space_item *item, struct hark_err *err)
{
    struct hark_span decisive = {0};
    const struct hark_kind *kind;
    int rc, number;

    /* The kinds of the first entry are the built-in ones, whatever its set. */
    number = hark_kinds_find(hark_state_kinds(state), item->entry.kind);
    kind = number < 0 ? NULL : hark_kinds_get(hark_state_kinds(state), (size_t)number);
    if (kind != NULL && !kind->erasable)
        decisive = item->payload;
    rc = hark_state_apply(state, &item->entry, &item->arrival, decisive, &item->effect, err);
    if (rc < 0)
        return rc;
    if (kind == NULL) /* may_log refuses what has no kind; applying was our own bug */
        return hark_err_set(err, HARK_E_INTERNAL, "an entry of no kind was applied");
    if (item->audited)
        return 0;
    /* A `kind` entry may have moved the set. */
    number = hark_kinds_find(hark_state_kinds(state), item->entry.kind);
    kind = hark_kinds_get(hark_state_kinds(state), (size_t)number);
    return decide_says(state, kind, item, err);
}

int hark_space_item_acceptable(struct hark_state *state, const struct space_item *item,
                               struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(state);
    struct hark_span decisive = {0};
    const struct hark_kind *kind;
    int number, rc;

    number = hark_kinds_find(kinds, item->entry.kind);
    if (number < 0)
        return hark_err_set(err, HARK_E_ENTRY_RULES, "this space knows no kind %s",
                            item->entry.kind);
    kind = hark_kinds_get(kinds, (size_t)number);
    if (!kind->erasable)
        decisive = item->payload;
    rc = hark_state_may_log(state, &item->entry, decisive, err);
    if (rc < 0)
        return rc;
    /* The first entry is judged whole by may_log. */
    if (hark_state_size(state) == 0)
        return 0;
    rc = hark_payload_match(kind, &item->entry, item->payload, err);
    if (rc < 0)
        return rc;
    if (item->entry.has_payload) {
        bool erased = false;

        rc = hark_state_is_erased(state, hark_state_size(state), &item->entry, &erased, err);
        if (rc < 0)
            return rc;
        if (erased)
            return hark_err_set(err, HARK_E_PAYLOAD_ERASED,
                                "this payload was erased and is not taken again");
        rc = hark_payload_check(kind, item->payload, NULL, err);
        if (rc < 0)
            return rc;
    }
    return hark_state_judge(state, &item->entry, &item->arrival, decisive, err);
}

bool hark_space_is_refusal(int code)
{
    return hark_err_exit(code) == 3 && code != HARK_E_LIMIT;
}

/* Kinds after which others may connect, or may have the space. */
static bool changes_rights(const char *kind)
{
    static const char *const kinds[] = {"space",    "admit",   "device", "rekey",
                                        "remove",   "leave",   "node",   "home",
                                        "handover", "recover", "invite", "revoke"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i], kind) == 0)
            return true;
    }
    return false;
}

int hark_space_item_index(struct hark_space *space, const struct space_item *item,
                          const struct hark_line *line, const struct hark_git_id *batch,
                          struct hark_err *err)
{
    struct hark_index_entry row = {
        .entry = &item->entry,
        .effect = &item->effect,
        .kind = item->entry.kind,
        .arrival = item->arrival,
        .leaf = hark_line_leaf(line),
        .batch_id = *batch,
        .has_blob = item->payload.data != NULL,
        .blob = item->blob,
        .says = item->says,
        .payload = item->json,
    };

    if (changes_rights(item->entry.kind))
        space->rights++;
    if (item->entry.has_seen)
        hark_witness_saw(space, &item->entry.seen);
    return hark_index_add(space->index, &row, err);
}
