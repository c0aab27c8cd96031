/*
 * The first entry of a log: PROTOCOL.md 6.1, last paragraph, and the objects that
 * it makes (6.5): space 0; key 0, the steward's; node 0, the home, with key 1, its
 * author key; then the recovery keys as keys 2 and on. In an encrypted space also what
 * its epochs begin with (10.7).
 */
#include "schemas/state_internal.h"

#include <string.h>

/* Steward, log, cosigner, author and recovery keys. */
#define FOUNDING_KEYS_MAX (4u + HARK_RECOVERY_MAX)

static int read_recovery(const json_t *json, struct hark_space_object *space, struct hark_err *err)
{
    const json_t *recovery = json_object_get(json, "recovery");
    const json_t *keys = json_object_get(recovery, "keys");
    size_t count = json_array_size(keys);
    uint64_t threshold = 0;

    if (recovery == NULL)
        return HARK_OK;
    if (!hark_json_u64(recovery, "threshold", HARK_RECOVERY_MAX, &threshold) ||
        count > HARK_RECOVERY_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "kind space and the program disagree");
    if (threshold < 1 || threshold > count)
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "%u of %zu recovery keys cannot be asked for",
                            (unsigned)threshold, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *key = json_array_get(keys, i);
        struct hark_span text =
            hark_span(json_string_value(key), json_string_value(key) ? json_string_length(key) : 0);

        if (hark_hex_decode(space->recovery[i].bytes, HARK_KEY_SIZE, text, NULL) != HARK_OK)
            return hark_err_set(err, HARK_E_INTERNAL, "kind space and the program disagree");
    }
    space->recovery_threshold = (uint8_t)threshold;
    space->recovery_count = (uint8_t)count;
    return HARK_OK;
}

/* No signing key may stand for two things. */
static int all_differ(const struct hark_founding *f, const struct hark_key *steward,
                      struct hark_err *err)
{
    const struct hark_key *keys[FOUNDING_KEYS_MAX] = {steward, &f->home.keys.log,
                                                      &f->home.keys.cosigner, &f->home.keys.author};
    size_t count = 4;

    for (size_t i = 0; i < f->space.recovery_count; i++)
        keys[count++] = &f->space.recovery[i];
    for (size_t a = 1; a < count; a++)
        for (size_t b = 0; b < a; b++)
            if (hark_key_equal(keys[a], keys[b]))
                return hark_err_set(err, HARK_E_ENTRY_FIRST, "one key is named for two things");
    return HARK_OK;
}

static int read_founding(struct hark_founding *f, const struct hark_kinds *kinds,
                         const struct hark_entry *entry, const json_t *json, struct hark_err *err)
{
    struct hark_hash builtin = hark_kinds_hash(kinds);
    uint64_t rules = 0;
    int rc;

    if (!hark_json_u64(json, "rules", UINT32_MAX, &rules) ||
        !hark_json_hex(json, "kinds", f->space.kinds.bytes, sizeof(f->space.kinds.bytes)) ||
        !hark_json_hex(json, "box", f->box.bytes, sizeof(f->box.bytes)) ||
        !hark_json_node(json_object_get(json, "home"), &f->home))
        return hark_err_set(err, HARK_E_INTERNAL, "kind space and the program disagree");
    f->space.rules = (uint32_t)rules;
    f->space.incarnation = 1;
    f->space.closed = HARK_NONE;
    f->home.until = HARK_NONE;
    if (rules != 1)
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "rules %u are not known here", f->space.rules);
    if (!hark_hash_equal(&f->space.kinds, &builtin))
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "its set of kinds is not known here");
    if (!hark_node_name_valid(hark_span_str(f->home.name)))
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "its home's name is not one of a node");
    rc = read_recovery(json, &f->space, err);
    if (rc == HARK_OK)
        rc = all_differ(f, &entry->author, err);
    f->space.mode = hark_json_is(json, "mode", "sealed")      ? HARK_MODE_SEALED
                    : hark_json_is(json, "mode", "entrusted") ? HARK_MODE_ENTRUSTED
                                                              : HARK_MODE_OPEN;
    return rc;
}

int hark_found_check(struct hark_founding *out, const struct hark_kinds *kinds,
                     const struct hark_entry *entry, struct hark_span payload, struct hark_err *err)
{
    int number = hark_kinds_find(kinds, "space");
    const struct hark_kind *kind = hark_kinds_get(kinds, (size_t)number);
    json_t *json = NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    if (strcmp(entry->kind, "space") != 0 || entry->has_space || kind == NULL)
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "a log begins with an entry of kind space");
    if (entry->re_count > 0)
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "a first entry is about nothing");
    rc = hark_payload_match(kind, entry, payload, err);
    if (rc == HARK_OK)
        rc = hark_payload_check(kind, payload, &json, err);
    if (rc != HARK_OK && rc != HARK_E_NO_MEMORY && rc != HARK_E_INTERNAL) {
        (void)hark_err_wrap(err, rc, "its payload is invalid (%s)", hark_err_name(rc));
        if (err != NULL)
            err->code = HARK_E_ENTRY_FIRST;
        rc = HARK_E_ENTRY_FIRST;
    }
    if (rc == HARK_OK)
        rc = read_founding(out, kinds, entry, json, err);
    json_decref(json);
    return rc;
}

int hark_found_apply(struct hark_state *state, const struct hark_entry *entry,
                     const struct hark_founding *founding, struct hark_err *err)
{
    struct hark_key_object key = {
        .key = entry->author, .box = founding->box, .of = HARK_KEY_OF_STEWARD, .until = HARK_NONE};
    uint32_t number = 0;
    int rc;

    state->space_object = founding->space;
    rc = hark_objects_put_space(state, err);
    if (rc == HARK_OK)
        rc = hark_epochs_found(state, err);
    if (rc == HARK_OK)
        rc = hark_apply_key(state, &key, &number, err);
    if (rc == HARK_OK)
        rc = hark_apply_node(state, &founding->home, err);
    for (size_t i = 0; rc == HARK_OK && i < founding->space.recovery_count; i++) {
        struct hark_key_object recovery = {.key = founding->space.recovery[i],
                                           .of = HARK_KEY_OF_RECOVERY,
                                           .owner = (uint32_t)i,
                                           .until = HARK_NONE};

        rc = hark_apply_key(state, &recovery, &number, err);
    }
    return rc;
}
