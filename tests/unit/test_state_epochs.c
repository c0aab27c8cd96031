/*
 * schemas/epochs: what standing entries do to the epochs of an encrypted space (PROTOCOL.md
 * 10.7), what the state says of them, and that it says the same over an overlay, in a store
 * opened again, and after what was tried was thrown away. That what breaks rule V30 is void
 * is unit.state's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/epoch.h"
#include "tests/support/worldgen.h"

static const struct hark_hash FRESH = {.bytes = {1, 2, 3}}, OTHER = {.bytes = {4, 5, 6}};

static struct hark_hash state_hash(struct hark_state *state)
{
    struct hark_hash hash;

    assert_int_equal(hark_state_hash(state, &hash, NULL), 0);
    return hash;
}

static void assert_same_hash(struct hark_state *a, struct hark_state *b)
{
    struct hark_hash left = state_hash(a), right = state_hash(b);

    assert_true(hark_hash_equal(&left, &right));
}

static uint64_t steward_says(struct world *w, const char *kind, json_t *fields)
{
    return world_say(w, WORLD_STEWARD, kind, fields, HARK_NONE);
}

static uint64_t admit(struct world *w, uint32_t key)
{
    return steward_says(w, "admit", world_fields_admit(w, key, "member", WORLD_NO_KEY));
}

/* All parts of a fresh key for whoever stays when that member goes, or that key. */
static void seal_all(struct world *w, uint32_t member, uint32_t key, uint32_t parts,
                     const struct hark_hash *commitment)
{
    uint32_t keys[WORLD_KEYS];
    size_t count = world_keys_staying(w, member, key, keys, WORLD_KEYS);

    for (uint32_t i = 0; i < parts; i++) {
        size_t first = count * i / parts, end = count * (i + 1) / parts;

        steward_says(w, "epoch",
                     world_fields_part(world_next_epoch(w), i, parts, commitment, keys + first,
                                       end - first));
    }
}

static json_t *removal(uint32_t member, const struct hark_hash *commitment)
{
    return json_pack("{s:I, s:o}", "member", (json_int_t)member, "commitment",
                     world_hex(commitment->bytes, HARK_HASH_SIZE));
}

static json_t *ending(uint32_t member, uint32_t pool_key, const struct hark_hash *commitment)
{
    return json_pack("{s:s, s:I, s:o, s:o}", "action", "remove", "member", (json_int_t)member,
                     "key", world_hex(world_key(pool_key)->bytes, HARK_KEY_SIZE), "commitment",
                     world_hex(commitment->bytes, HARK_HASH_SIZE));
}

static struct hark_group_object group(struct world *w)
{
    struct hark_group_object o;

    assert_int_equal(hark_state_group(w->state, &o, NULL), 0);
    return o;
}

static void assert_no_set(struct world *w)
{
    struct hark_group_object o = group(w), none = {.keys = o.keys, .owed = o.owed};

    assert_int_equal(o.parts, 0);
    assert_int_equal(o.came, 0);
    assert_int_equal(o.since, 0);
    assert_int_equal(o.last_key, 0);
    assert_int_equal(o.recipients, 0);
    assert_true(hark_hash_equal(&o.commitment, &none.commitment));
}

/* commitment NULL: epoch 0, or a step. */
static void assert_epoch(struct world *w, uint32_t number, uint64_t position,
                         const struct hark_hash *commitment)
{
    static const struct hark_hash ZEROS = {.bytes = {0}};
    struct hark_epoch_object epoch;

    assert_int_equal(hark_state_epoch(w->state, number, &epoch, NULL), 0);
    assert_int_equal(epoch.position, position);
    assert_int_equal(epoch.fresh, commitment != NULL);
    assert_true(hark_hash_equal(&epoch.commitment, commitment != NULL ? commitment : &ZEROS));
}

static void assert_current(struct world *w, uint32_t wanted)
{
    uint32_t number = 0;
    bool found = false;

    assert_int_equal(hark_state_current_epoch(w->state, &found, &number, NULL), 0);
    assert_true(found);
    assert_int_equal(number, wanted);
}

/* ---- Effects --------------------------------------------------------------- */

static void test_state_epochs__who_joins_makes_a_step(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);
    uint32_t a = world_new_key(w), b = world_new_key(w), phone = world_new_key(w), number = 7;
    uint64_t at[3];
    bool found = true;

    (void)arg;
    assert_int_equal(hark_state_space_object(w->state)->mode, HARK_MODE_SEALED);
    assert_int_equal(hark_state_current_epoch(w->state, &found, &number, NULL), 0);
    assert_false(found);
    assert_int_equal(group(w).keys, 0);
    at[0] = admit(w, a);
    assert_current(w, 0);
    at[1] = admit(w, b);
    at[2] = steward_says(w, "device", world_fields_device(w, 1, phone));
    assert_current(w, 2);
    for (uint32_t i = 0; i < 3; i++)
        assert_epoch(w, i, at[i], NULL);
    assert_int_equal(group(w).keys, 3);
    assert_no_set(w);
    world_free(w);
}

static void test_state_epochs__who_goes_brings_a_fresh_key(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);
    uint32_t a = world_new_key(w), b = world_new_key(w), phone = world_new_key(w);
    struct hark_group_object set;
    struct hark_member_object member;
    uint64_t at;

    (void)arg;
    admit(w, a);
    admit(w, b);
    steward_says(w, "device", world_fields_device(w, 1, phone));
    seal_all(w, 0, WORLD_NO_KEY, 2, &FRESH);
    set = group(w);
    assert_int_equal(set.parts, 2);
    assert_int_equal(set.came, 2);
    assert_int_equal(set.since, w->count - 2);
    assert_int_equal(set.recipients, 2);
    assert_int_equal(set.last_key, 7);
    assert_true(hark_hash_equal(&set.commitment, &FRESH));
    assert_current(w, 2); /* inert until then */
    at = steward_says(w, "remove", removal(0, &FRESH));
    assert_current(w, 3);
    assert_epoch(w, 3, at, &FRESH);
    assert_no_set(w);
    assert_int_equal(group(w).keys, 2);
    assert_int_equal(hark_state_member(w->state, 0, &member, NULL), 0);
    assert_int_equal(member.status, HARK_STATUS_REMOVED);

    seal_all(w, WORLD_NO_KEY, 7, 1, &OTHER);
    at = steward_says(w, "device", ending(1, phone, &OTHER));
    assert_epoch(w, 4, at, &OTHER);
    assert_int_equal(group(w).keys, 1);
    admit(w, world_new_key(w));
    assert_current(w, 5); /* a step from a fresh one */
    world_free(w);
}

/* A part 0 takes the place of the set under way. */
static void test_state_epochs__a_set_begins_anew(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);

    (void)arg;
    for (int i = 0; i < 3; i++)
        admit(w, world_new_key(w));
    seal_all(w, 2, WORLD_NO_KEY, 2, &FRESH);
    seal_all(w, 1, WORLD_NO_KEY, 1, &OTHER);
    assert_int_equal(group(w).recipients, 2);
    assert_int_equal(group(w).since, w->count - 1);
    steward_says(w, "remove", removal(1, &OTHER));
    assert_current(w, 3);
    world_free(w);
}

static uint32_t owed(struct world *w, uint32_t i)
{
    uint32_t member = 99;

    assert_int_equal(hark_state_owed(w->state, i, &member, NULL), 0);
    return member;
}

static void test_state_epochs__who_left_is_owed_a_fresh_key(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);
    uint32_t keys[5], member = 0;
    struct hark_member_object object;

    (void)arg;
    for (int i = 0; i < 5; i++) {
        keys[i] = world_new_key(w);
        admit(w, keys[i]);
    }
    assert_int_equal(hark_state_owed(w->state, 0, &member, NULL), HARK_E_NOT_FOUND);
    world_say(w, keys[3], "leave", NULL, HARK_NONE);
    world_say(w, keys[1], "leave", NULL, HARK_NONE);
    assert_int_equal(group(w).owed, 2);
    assert_int_equal(group(w).keys, 3);
    assert_int_equal(owed(w, 0), 3);
    assert_int_equal(owed(w, 1), 1);
    assert_int_equal(hark_state_owed(w->state, 2, &member, NULL), HARK_E_NOT_FOUND);
    admit(w, world_new_key(w)); /* a step answers nothing: those who left can make it, too */
    assert_int_equal(group(w).owed, 2);

    seal_all(w, WORLD_NO_KEY, WORLD_NO_KEY, 1, &FRESH);
    steward_says(w, "remove", removal(3, &FRESH));
    assert_int_equal(group(w).owed, 0);
    assert_int_equal(group(w).keys, 4);
    assert_int_equal(hark_state_owed(w->state, 0, &member, NULL), HARK_E_NOT_FOUND);
    assert_int_equal(hark_state_member(w->state, 3, &object, NULL), 0);
    assert_int_equal(object.status, HARK_STATUS_REMOVED);
    assert_int_equal(hark_state_member(w->state, 1, &object, NULL), 0);
    assert_int_equal(object.status, HARK_STATUS_LEFT);

    world_say(w, keys[4], "leave", NULL, HARK_NONE); /* the list begins anew */
    assert_int_equal(group(w).owed, 1);
    assert_int_equal(owed(w, 0), 4);
    seal_all(w, 0, WORLD_NO_KEY, 1, &OTHER); /* whoever's removal it is */
    steward_says(w, "remove", removal(0, &OTHER));
    assert_int_equal(group(w).owed, 0);
    world_free(w);
}

/* A set is gone when it could not come into force any more, and only then. */
static void test_state_epochs__a_set_lasts_while_it_fits(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);
    uint32_t keys[4];
    uint32_t two[] = {5, 6};

    (void)arg;
    for (int i = 0; i < 4; i++) {
        keys[i] = world_new_key(w);
        admit(w, keys[i]);
    }
    steward_says(w, "epoch", world_fields_part(4, 0, 2, &FRESH, two, 2));
    /* No box is for the third's key: it may change, and go. */
    world_say(w, keys[2], "rekey",
              json_pack("{s:o}", "box", world_hex(world_box(keys[0])->bytes, HARK_KEY_SIZE)),
              HARK_NONE);
    world_say(w, keys[2], "leave", NULL, HARK_NONE);
    assert_int_equal(group(w).came, 1);
    world_say(w, keys[1], "rekey",
              json_pack("{s:o}", "box", world_hex(world_box(keys[0])->bytes, HARK_KEY_SIZE)),
              HARK_NONE);
    assert_no_set(w);
    seal_all(w, 3, WORLD_NO_KEY, 1, &FRESH);
    assert_int_equal(group(w).recipients, 2);
    world_say(w, keys[1], "leave", NULL, HARK_NONE);
    assert_no_set(w);
    seal_all(w, 3, WORLD_NO_KEY, 1, &FRESH);
    admit(w, world_new_key(w));
    assert_no_set(w);
    seal_all(w, 3, WORLD_NO_KEY, 1, &FRESH);
    steward_says(w, "remove", removal(3, &FRESH));
    assert_int_equal(group(w).keys, 2);
    world_free(w);
}

/* ---- What the state says ---------------------------------------------------- */

static void test_state_epochs__in_force_at_a_size(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);
    uint64_t began[9];
    uint32_t number = 0;
    bool found = true;

    (void)arg;
    for (uint32_t i = 0; i < 9; i++) {
        began[i] = admit(w, world_new_key(w));
        for (uint32_t k = 0; k < i % 3; k++)
            steward_says(w, "policy", json_pack("{s:{}}", "policy"));
    }
    for (uint64_t size = 0; size <= w->count; size++) {
        uint32_t wanted = 0;

        while (wanted < 9 && began[wanted] < size)
            wanted++;
        assert_int_equal(hark_state_epoch_at(w->state, size, &found, &number, NULL), 0);
        assert_int_equal(found, wanted > 0);
        if (found)
            assert_int_equal(number, wanted - 1);
    }
    assert_int_equal(hark_state_epoch_at(w->state, w->count + 1, &found, &number, NULL),
                     HARK_E_NOT_FOUND);
    world_free(w);
}

static void test_state_epochs__an_open_space_has_none(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_group_object set;
    struct hark_epoch_object epoch;
    uint32_t number = 0;
    bool found = true;

    (void)arg;
    admit(w, world_new_key(w));
    assert_false(hark_state_is_encrypted(w->state));
    assert_int_equal(hark_state_current_epoch(w->state, &found, &number, NULL), 0);
    assert_false(found);
    assert_int_equal(hark_state_epoch_at(w->state, 2, &found, &number, NULL), 0);
    assert_false(found);
    assert_int_equal(hark_state_epoch(w->state, 0, &epoch, NULL), HARK_E_NOT_FOUND);
    assert_int_equal(hark_state_group(w->state, &set, NULL), HARK_E_NOT_FOUND);
    assert_int_equal(hark_state_owed(w->state, 0, &number, NULL), HARK_E_NOT_FOUND);
    assert_int_equal(hark_state_counts(w->state, counts, NULL), 0);
    for (int s = HARK_SECTION_EPOCH; s < HARK_SECTION_HASHED_; s++)
        assert_int_equal(counts[s], 0);
    world_free(w);
}

/* PROTOCOL.md 6.5, written out once more: the three sections are under the hash. */
static void home_is(struct world *w, uint32_t holder, int code)
{
    struct world_draft draft = {
        .by = WORLD_STEWARD, .kind = "home", .fields = world_fields_home(w, WORLD_HOME)};

    if (holder != WORLD_STEWARD)
        json_object_set_new(draft.fields, "holder",
                            world_hex(world_key(holder)->bytes, HARK_KEY_SIZE));
    (void)world_log(w, &draft, code);
}

/* Only the home of an entrusted space reads as somebody: a member with a key in force. */
static void test_state_epochs__who_is_the_home_s_holder(void **arg)
{
    struct world *sealed = world_new_sealed(1, NULL, NULL), *open = world_new(1, NULL, NULL);
    struct world *w = world_new_entrusted(1, NULL, NULL);
    uint32_t a = world_new_key(w), b = world_new_key(w);

    (void)arg;
    assert_int_equal(hark_state_space_object(w->state)->mode, HARK_MODE_ENTRUSTED);
    assert_true(hark_state_is_encrypted(w->state));
    (void)admit(w, a);
    (void)admit(w, b);
    home_is(w, WORLD_STEWARD, HARK_E_VOID_MODE); /* nobody */
    home_is(w, WORLD_AUTHOR, HARK_E_VOID_TARGET);
    home_is(w, world_new_key(w), HARK_E_VOID_TARGET);
    home_is(w, b, 0);
    (void)world_say(w, b, "leave", NULL, HARK_NONE);
    home_is(w, b, HARK_E_VOID_TARGET);
    home_is(w, a, 0);
    (void)admit(sealed, a);
    home_is(sealed, a, HARK_E_VOID_MODE);
    home_is(sealed, WORLD_STEWARD, 0);
    (void)admit(open, a);
    home_is(open, a, HARK_E_VOID_MODE);
    home_is(open, WORLD_STEWARD, 0);
    world_free(sealed);
    world_free(open);
    world_free(w);
}

static void test_state_epochs__they_are_hashed(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);
    struct hark_store store = hark_memstore_store(w->mem);
    struct hark_hash hash, again, root;
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_sha256 h;
    uint8_t number[8];

    (void)arg;
    admit(w, world_new_key(w));
    admit(w, world_new_key(w));
    seal_all(w, 0, WORLD_NO_KEY, 1, &FRESH);
    assert_int_equal(hark_state_counts(w->state, counts, NULL), 0);
    assert_int_equal(counts[7], 2);
    assert_int_equal(counts[8], 1);
    assert_int_equal(counts[9], counts[HARK_SECTION_KEY]);
    hark_sha256_init(&h);
    hark_sha256_update(&h, "hark/state/1\n", 13);
    hark_sha256_update(&h, w->space.bytes, HARK_HASH_SIZE);
    hark_put_u64(number, w->count);
    hark_sha256_update(&h, number, 8);
    root = hark_merkle_root(hark_state_log(w->state));
    hark_sha256_update(&h, root.bytes, HARK_HASH_SIZE);
    for (int s = 0; s < 10; s++) {
        assert_int_equal(store.root(store.arg, (enum hark_section)s, &root, NULL), 0);
        hark_put_u64(number, counts[s]);
        hark_sha256_update(&h, number, 8);
        hark_sha256_update(&h, root.bytes, HARK_HASH_SIZE);
    }
    hash = hark_sha256_final(&h);
    again = state_hash(w->state);
    assert_true(hark_hash_equal(&hash, &again));
    world_free(w);
}

/* The bytes of 6.5. */
static void test_state_epochs__objects_have_one_encoding(void **arg)
{
    struct world *w = world_new_sealed(1, NULL, NULL);
    struct hark_store store = hark_memstore_store(w->mem);
    uint8_t bytes[HARK_OBJECT_MAX], wanted[64] = {0};
    size_t size = 0;

    (void)arg;
    admit(w, world_new_key(w));
    admit(w, world_new_key(w));
    seal_all(w, 0, WORLD_NO_KEY, 1, &FRESH); /* position 3, to key 6 */
    assert_int_equal(store.get(store.arg, HARK_SECTION_GROUP, 0, bytes, &size, NULL), 0);
    assert_int_equal(size, 64);
    hark_put_u32(wanted, 2);
    hark_put_u32(wanted + 8, 1);
    hark_put_u32(wanted + 12, 1);
    hark_put_u64(wanted + 16, 3);
    memcpy(wanted + 24, FRESH.bytes, 32);
    hark_put_u32(wanted + 56, 6);
    hark_put_u32(wanted + 60, 1);
    assert_memory_equal(bytes, wanted, 64);
    assert_int_equal(store.get(store.arg, HARK_SECTION_RECIPIENT, 6, bytes, &size, NULL), 0);
    assert_int_equal(size, 8);
    assert_int_equal(hark_get_u64(bytes), 3);
    assert_int_equal(store.get(store.arg, HARK_SECTION_RECIPIENT, 5, bytes, &size, NULL), 0);
    assert_true(hark_get_u64(bytes) == HARK_NONE);
    steward_says(w, "remove", removal(0, &FRESH));
    assert_int_equal(store.get(store.arg, HARK_SECTION_EPOCH, 2, bytes, &size, NULL), 0);
    assert_int_equal(size, 41);
    assert_int_equal(hark_get_u64(bytes), 4);
    assert_int_equal(bytes[8], 1);
    assert_memory_equal(bytes + 9, FRESH.bytes, 32);
    world_free(w);
}

/* Objects that are cut short, go on, or hold what cannot be are found. */
static void test_state_epochs__damaged_objects_are_found(void **arg)
{
    static const enum hark_section SECTIONS[] = {HARK_SECTION_EPOCH, HARK_SECTION_GROUP};
    struct world *w = world_new_sealed(1, NULL, NULL);
    struct hark_store store = hark_memstore_store(w->mem);
    uint8_t object[HARK_OBJECT_MAX + 1] = {0};
    struct hark_group_object set;
    struct hark_epoch_object epoch;
    uint32_t key = world_new_key(w), number = 0;
    struct world_entry *entry;
    struct world_draft d = {.by = key, .kind = "rekey"};
    size_t size = 0;
    bool found;

    (void)arg;
    admit(w, key);
    d.fields = json_pack("{s:o}", "box", world_hex(world_box(key)->bytes, HARK_KEY_SIZE));
    entry = world_build(w, &d);
    assert_int_equal(
        store.put(store.arg, HARK_SECTION_RECIPIENT, 5, object, sizeof(uint32_t), NULL), 0);
    assert_int_equal(world_apply(w, &entry, NULL), HARK_E_DAMAGED);
    world_entry_free(entry);
    for (int change = -1; change <= 1; change += 2) {
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(store.get(store.arg, SECTIONS[i], 0, object, &size, NULL), 0);
            size = (change < 0 ? size - 1 : size + 2); /* the second time from one less */
            assert_int_equal(store.put(store.arg, SECTIONS[i], 0, object, size, NULL), 0);
        }
        assert_int_equal(hark_state_group(w->state, &set, NULL), HARK_E_DAMAGED);
        assert_int_equal(hark_state_epoch(w->state, 0, &epoch, NULL), HARK_E_DAMAGED);
        assert_int_equal(hark_state_epoch_at(w->state, 1, &found, &number, NULL), HARK_E_DAMAGED);
        assert_int_equal(hark_state_owed(w->state, 0, &number, NULL), HARK_E_DAMAGED);
    }
    object[8] = 2; /* neither a step nor fresh */
    assert_int_equal(store.put(store.arg, HARK_SECTION_EPOCH, 0, object, 41, NULL), 0);
    assert_int_equal(hark_state_epoch(w->state, 0, &epoch, NULL), HARK_E_DAMAGED);
    world_free(w);
}

/* ---- The same from everywhere ------------------------------------------------ */

#define LOGS    20
#define ENTRIES 120

static void apply_to(struct hark_state *state, const struct world *w, size_t i)
{
    const struct world_entry *e = w->log[i];
    struct hark_effect effect;

    assert_int_equal(hark_state_apply(state, &e->entry, &e->arrival, e->payload, &effect, NULL), 0);
    assert_int_equal(effect.verdict, e->effect.verdict);
}

/* What was applied to an overlay and thrown away leaves nothing behind, and judges alike. */
static void try_over(struct hark_state *state, struct hark_store *below, const struct world *w,
                     size_t from, size_t end)
{
    struct hark_hash before = state_hash(state), after;
    struct hark_overlay *overlay = NULL;
    struct hark_state *trial = NULL;
    struct hark_store store;

    assert_int_equal(hark_overlay_new(&overlay, below, NULL), 0);
    store = hark_overlay_store(overlay);
    assert_int_equal(hark_state_open(&trial, &w->space, &store, NULL), 0);
    for (size_t i = from; i < end; i++)
        apply_to(trial, w, i);
    hark_overlay_clear(overlay);
    assert_int_equal(hark_state_reload(trial, NULL), 0);
    for (size_t i = from; i < end; i++)
        apply_to(trial, w, i);
    hark_state_free(trial);
    hark_overlay_free(overlay);
    after = state_hash(state);
    assert_true(hark_hash_equal(&before, &after));
}

static void test_state_epochs__the_same_by_every_way(void **arg)
{
    uint32_t fresh = 0, steps = 0;

    (void)arg;
    for (uint64_t seed = 1; seed <= LOGS; seed++) {
        struct world *w = world_new_sealed(seed, NULL, NULL);
        struct hark_memstore *mem = NULL;
        struct hark_state *state = NULL;
        struct hark_store store;
        size_t at = 0;

        while (w->count < ENTRIES)
            world_step(w);
        assert_int_equal(hark_memstore_new(&mem, NULL), 0);
        store = hark_memstore_store(mem);
        assert_int_equal(hark_state_open(&state, &w->space, &store, NULL), 0);
        while (at < w->count) {
            size_t end = at + 1 + (size_t)world_random(w, 20);

            end = end < w->count ? end : w->count;
            if (at > 0)
                try_over(state, &store, w, at, end);
            for (; at < end; at++)
                apply_to(state, w, at);
            hark_state_free(state);
            assert_int_equal(hark_state_open(&state, &w->space, &store, NULL), 0);
        }
        assert_same_hash(state, w->state);
        for (uint32_t e = 0; e < world_next_epoch(w); e++) {
            struct hark_epoch_object epoch;

            assert_int_equal(hark_state_epoch(state, e, &epoch, NULL), 0);
            fresh += epoch.fresh;
            steps += !epoch.fresh;
        }
        hark_state_free(state);
        hark_memstore_free(mem);
        world_free(w);
    }
    print_message("%u steps, %u fresh keys\n", steps, fresh);
    assert_true(steps > LOGS && fresh > LOGS); /* else it would not have said much */
}

/* ---- A model to check the random logs against --------------------------------- */

/* Counted anew from the keys themselves. */
static void test_state_epochs__the_counts_are_those_of_the_keys(void **arg)
{
    (void)arg;
    for (uint64_t seed = 1; seed <= LOGS; seed++) {
        struct world *w = world_new_sealed(seed, NULL, NULL);

        while (w->count < ENTRIES) {
            uint32_t keys[WORLD_KEYS], boxes = 0;
            struct hark_group_object set;

            world_step(w);
            set = group(w);
            assert_int_equal(set.keys,
                             world_keys_staying(w, WORLD_NO_KEY, WORLD_NO_KEY, keys, WORLD_KEYS));
            for (uint32_t i = 0; i < set.keys; i++) {
                struct hark_store store = hark_memstore_store(w->mem);
                uint8_t bytes[HARK_OBJECT_MAX];
                size_t size = 0;

                assert_int_equal(
                    store.get(store.arg, HARK_SECTION_RECIPIENT, keys[i], bytes, &size, NULL), 0);
                boxes += set.parts > 0 && hark_get_u64(bytes) != HARK_NONE &&
                         hark_get_u64(bytes) >= set.since;
            }
            assert_int_equal(boxes, set.recipients); /* all are in force */
        }
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_epochs__who_joins_makes_a_step),
        cmocka_unit_test(test_state_epochs__who_goes_brings_a_fresh_key),
        cmocka_unit_test(test_state_epochs__a_set_begins_anew),
        cmocka_unit_test(test_state_epochs__who_left_is_owed_a_fresh_key),
        cmocka_unit_test(test_state_epochs__a_set_lasts_while_it_fits),
        cmocka_unit_test(test_state_epochs__in_force_at_a_size),
        cmocka_unit_test(test_state_epochs__an_open_space_has_none),
        cmocka_unit_test(test_state_epochs__who_is_the_home_s_holder),
        cmocka_unit_test(test_state_epochs__they_are_hashed),
        cmocka_unit_test(test_state_epochs__objects_have_one_encoding),
        cmocka_unit_test(test_state_epochs__damaged_objects_are_found),
        cmocka_unit_test(test_state_epochs__the_same_by_every_way),
        cmocka_unit_test(test_state_epochs__the_counts_are_those_of_the_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
