/*
 * hark_ring_entry: from the entries of a group's log to what a ring is fed with; and what is
 * refused when program and log disagree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/group_stage.h"

/* A log's reader: the ring is fed before its state. */
struct feeder {
    struct group *group;
    struct hark_memstore *mem;
    struct hark_store store;
    struct hark_state *state; /* as of the entry that comes next */
    struct hark_ring *ring;
    struct hark_author author; /* whose box the ring owns */
};

static void feeder_open(struct feeder *f, struct group *group, const char *label)
{
    memset(f, 0, sizeof(*f));
    f->group = group;
    OK(hark_memstore_new(&f->mem, &err));
    f->store = hark_memstore_store(f->mem);
    OK(hark_state_open(&f->state, &group->id, &f->store, &err));
    OK(hark_ring_new(&f->ring, &group->id, &err));
    group_person(group, label, &f->author);
    OK(hark_ring_own(f->ring, f->author.box, &err));
}

static void feeder_close(struct feeder *f)
{
    hark_ring_free(f->ring);
    hark_state_free(f->state);
    hark_memstore_free(f->mem);
    hark_author_free(&f->author);
}

struct taken {
    struct hark_row row;
    struct hark_entry entry;
    struct hark_buf bytes, payload;
};

static void take(struct feeder *f, uint64_t position, struct taken *out)
{
    memset(out, 0, sizeof(*out));
    out->bytes = hark_buf_init(HARK_ENTRY_MAX);
    out->payload = hark_buf_init(HARK_PAYLOAD_MAX);
    OK(hark_index_row(hark_space_index(f->group->space), position, &out->row, &err));
    OK(hark_space_entry(f->group->space, &out->row, &out->bytes, &err));
    OK(hark_entry_parse(&out->entry, hark_buf_span(&out->bytes), &err));
    if (out->row.has_blob)
        OK(hark_space_payload(f->group->space, &out->row, &out->payload, &err));
}

static void drop(struct taken *taken)
{
    hark_buf_free(&taken->bytes);
    hark_buf_free(&taken->payload);
}

static void into_state(struct feeder *f, const struct taken *taken)
{
    const struct hark_kinds *kinds = hark_state_kinds(f->state);
    const struct hark_kind *kind =
        hark_kinds_get(kinds, (size_t)hark_kinds_find(kinds, taken->entry.kind));
    struct hark_arrival arrival = {.arrival_ms = taken->row.arrival_ms,
                                   .accepted_ms = taken->row.accepted_ms,
                                   .git_id = taken->row.git_id};
    struct hark_effect effect;

    OK(hark_state_apply(f->state, &taken->entry, &arrival,
                        kind->erasable || taken->payload.size == 0 ? hark_span(NULL, 0)
                                                                   : hark_buf_span(&taken->payload),
                        &effect, &err));
    assert_int_equal(effect.verdict, taken->row.verdict);
}

/* Up to before that position. */
static void feed(struct feeder *f, uint64_t end)
{
    for (uint64_t at = hark_state_size(f->state); at < end; at++) {
        struct taken taken;

        take(f, at, &taken);
        OK(hark_ring_entry(f->ring, f->state, at, taken.entry.kind, hark_buf_span(&taken.payload),
                           &err));
        into_state(f, &taken);
        drop(&taken);
    }
}

static bool has_key(struct hark_ring *ring, uint32_t epoch)
{
    const struct hark_epoch *key = NULL;

    return hark_ring_key(&key, ring, epoch, NULL) == 0;
}

static void assert_nothing_found(const struct hark_ring *ring)
{
    size_t count = 0;

    (void)hark_ring_found(ring, &count, NULL);
    assert_int_equal(count, 0);
}

/* Each kind does what it is for, and no other kind does anything. */
static void test_ring_entry__each_kind_that_brings_keys(void **state)
{
    struct group *group = *state;
    struct feeder owner, bo;
    uint32_t epoch = 0;

    group_admit(group, "bo", "member");
    (void)group_idea(group, "bo", "Quittengelee");
    group_new_person(group, "phone");
    OK(group_act(group, "device", group_device(group, "phone", 1, true)));
    OK(group_act(group, "device", group_device(group, "phone", 1, false)));
    group_admit(group, "cy", "member");
    OK(group_act(group, "remove", group_removal(2)));
    feeder_open(&owner, group, "owner");
    feeder_open(&bo, group, "bo");
    assert_false(hark_ring_in_force(owner.ring, &epoch));
    feed(&owner, group_size(group));
    feed(&bo, group_size(group));
    assert_true(hark_ring_in_force(owner.ring, &epoch));
    assert_int_equal(epoch, 5);
    for (uint32_t i = 0; i <= 5; i++) {
        assert_true(has_key(owner.ring, i));
        assert_int_equal(has_key(bo.ring, i), i > 0);
    }
    assert_nothing_found(owner.ring);
    assert_nothing_found(bo.ring);
    feeder_close(&owner);
    feeder_close(&bo);
}

/* What is not about keys is not even looked at: its payload may be anything. */
static void test_ring_entry__other_kinds_are_passed_over(void **state)
{
    static const char *const OTHERS[] = {"sealed", "charter", "rekey", "leave", "no-such", ""};
    struct group *group = *state;
    struct feeder f;
    uint64_t next;

    feeder_open(&f, group, "owner");
    feed(&f, group_size(group));
    next = hark_ring_next(f.ring);
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
        OK(hark_ring_entry(f.ring, f.state, group_size(group), OTHERS[i], hark_span_str("\xff"),
                           &err));
    assert_int_equal(hark_ring_next(f.ring), next);
    feeder_close(&f);
}

/* Feeds that kind with such fields, and sees that nothing came of it. */
static int feed_fields(struct feeder *f, const char *kind, json_t *fields)
{
    const struct hark_kinds *kinds = hark_state_kinds(f->state);
    const uint8_t salt[HARK_SALT_SIZE] = {1};
    struct hark_buf bytes = hark_buf_init(HARK_PAYLOAD_MAX);
    uint64_t next = hark_ring_next(f->ring);
    int rc;

    assert_non_null(fields);
    OK(hark_payload_build(&bytes, hark_kinds_get(kinds, (size_t)hark_kinds_find(kinds, kind)),
                          fields, salt, &err));
    rc = hark_ring_entry(f->ring, f->state, hark_state_size(f->state), kind, hark_buf_span(&bytes),
                         &err);
    if (rc != 0)
        assert_int_equal(hark_ring_next(f->ring), next);
    hark_buf_free(&bytes);
    json_decref(fields);
    return rc;
}

#define HEX_32 "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX_64 HEX_32 HEX_32

/* A base64 of 80 bytes. */
static const char *any_box(void)
{
    static char text[128];
    struct hark_buf out = hark_buf_init(sizeof(text));
    const uint8_t bytes[HARK_EPOCH_BOX_SIZE] = {7};

    OK(hark_base64_encode(&out, hark_span(bytes, sizeof(bytes)), &err));
    assert_true(out.size < sizeof(text));
    memcpy(text, out.data, out.size);
    text[out.size] = '\0';
    hark_buf_free(&out);
    return text;
}

/* Such an entry would be void, and so never be fed: it is said, and nothing changes. */
static void test_ring_entry__what_the_log_would_not_let_stand_is_an_error(void **state)
{
    struct group *group = *state;
    struct feeder f;
    json_t *part;

    feeder_open(&f, group, "owner");
    feed(&f, group_size(group));
    assert_int_equal(feed_fields(&f, "admit",
                                 json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "role", "member",
                                           "source", "founder", "key", HEX_32, "box", HEX_32,
                                           "proof", HEX_64, "terms", HEX_32)),
                     HARK_E_INTERNAL);
    assert_int_equal(
        feed_fields(&f, "device",
                    json_pack("{s:s, s:i, s:s, s:s, s:s, s:s}", "action", "add", "member", 0, "key",
                              HEX_32, "box", HEX_32, "proof", HEX_64, "terms", HEX_32)),
        HARK_E_INTERNAL);
    assert_int_equal(
        feed_fields(&f, "device",
                    json_pack("{s:s, s:i, s:s}", "action", "remove", "member", 0, "key", HEX_32)),
        HARK_E_INTERNAL);
    assert_int_equal(feed_fields(&f, "remove", json_pack("{s:i}", "member", 0)), HARK_E_INTERNAL);
    /* A commitment of no parts; a part for a key that there is not; of another epoch. */
    assert_int_equal(
        feed_fields(&f, "remove", json_pack("{s:i, s:s}", "member", 0, "commitment", HEX_32)),
        HARK_E_INTERNAL);
    part = json_pack("{s:i, s:i, s:i, s:s, s:[{s:i, s:s}]}", "epoch", 1, "part", 0, "parts", 1,
                     "commitment", HEX_32, "sealed", "key", 999, "box", any_box());
    assert_int_not_equal(feed_fields(&f, "epoch", json_incref(part)), 0);
    assert_int_equal(json_object_set_new(part, "epoch", json_integer(7)), 0);
    assert_int_equal(json_object_set_new(json_array_get(json_object_get(part, "sealed"), 0), "key",
                                         json_integer(0)),
                     0);
    assert_int_equal(feed_fields(&f, "epoch", part), HARK_E_INTERNAL);
    feeder_close(&f);
}

/* Bytes that are no payload of the kind. */
static void test_ring_entry__what_is_no_payload_is_refused(void **state)
{
    static const char *const KINDS[] = {"admit", "device", "epoch", "remove"};
    static const char *const BYTES[] = {"", "{}", "[1]", "{\"salt\":1}", "\xff\xfe"};
    struct group *group = *state;
    struct feeder f;
    uint64_t next;

    feeder_open(&f, group, "owner");
    feed(&f, group_size(group));
    next = hark_ring_next(f.ring);
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        for (size_t j = 0; j < sizeof(BYTES) / sizeof(BYTES[0]); j++) {
            int rc = hark_ring_entry(f.ring, f.state, group_size(group), KINDS[i],
                                     hark_span_str(BYTES[j]), &err);

            if (rc == 0)
                fail_msg("%s takes %s", KINDS[i], BYTES[j]);
        }
    }
    assert_int_equal(
        hark_ring_entry(f.ring, f.state, group_size(group), "admit", hark_span(NULL, 0), &err) == 0,
        0);
    assert_int_equal(hark_ring_next(f.ring), next);
    feeder_close(&f);
}

/* An X25519 key that changes: what comes is sealed to the new one, and parts on their way are
 * gone with the old one (10.7). */
static void test_ring_entry__a_rekey_between_part_and_force(void **state)
{
    struct group *group = *state;
    struct hark_author steward = {0}, fresh = {0};
    struct hark_logged logged;
    struct hark_seed *seed = NULL;
    struct hark_group_object object;
    struct hark_inside *inside;
    struct feeder f;
    char hex[2 * HARK_KEY_SIZE + 1];
    json_t *removal = group_removal(1);

    group_admit(group, "bo", "member");
    group_admit(group, "cy", "member");
    OK(hark_seed_new(&seed, &err));
    OK(hark_box_new(&fresh.box, seed, &err));
    hark_seed_free(seed);
    /* The part alone: what hark_steward_keys adds before a removal that then is not added. */
    OK(hark_node_steward(group->node, &group->id, &steward, &err));
    OK(hark_author_begin(group->node, group->space, &err));
    OK(hark_steward_keys(group->node, group->space, &steward, "remove", removal, &err));
    OK(hark_author_commit(group->node, group->space, &err));
    OK(hark_state_group(hark_space_state(group->space), &object, &err));
    assert_int_equal(object.came, 1);
    hark_key_hex(hex, hark_box_key(fresh.box));
    (void)group_say(group, "cy", "rekey", json_pack("{s:s}", "box", hex), NULL);
    OK(hark_state_group(hark_space_state(group->space), &object, &err));
    assert_int_equal(object.parts, 0);
    /* The old commitment brings nothing into force any more. */
    {
        struct hark_draft draft = {.kind = "remove", .fields = removal};

        assert_int_equal(hark_author_write(group->node, group->space, &steward, &draft, NULL, &err),
                         HARK_E_VOID_EPOCH);
    }
    OK(group_act(group, "remove", group_removal(1)));
    logged = group_idea(group, "owner", "to the new key");
    /* Read by who has both of its keys, and by who stays. */
    feeder_open(&f, group, "cy");
    OK(hark_ring_own(f.ring, fresh.box, &err));
    feed(&f, group_size(group));
    assert_true(has_key(f.ring, group_epoch(group)));
    assert_nothing_found(f.ring);
    feeder_close(&f);
    feeder_open(&f, group, "owner");
    feed(&f, group_size(group));
    assert_true(has_key(f.ring, group_epoch(group)));
    assert_nothing_found(f.ring);
    feeder_close(&f);
    inside = observer_of(group, "cy"); /* with the old one alone */
    assert_sees(inside, logged.position, NULL);
    hark_inside_free(inside);
    assert_sees(group_inside(group), logged.position, "to the new key");
    json_decref(removal);
    hark_author_free(&steward);
    hark_author_free(&fresh);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(test_ring_entry__##name, group_setup, group_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_kind_that_brings_keys),
        TEST(other_kinds_are_passed_over),
        TEST(what_the_log_would_not_let_stand_is_an_error),
        TEST(what_is_no_payload_is_refused),
        TEST(a_rekey_between_part_and_force),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
