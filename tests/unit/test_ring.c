/*
 * schemas/ring: which keys a device comes to know, what it finds wrong in what others were
 * given, keys from elsewhere, the form in which it is kept, entries.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/ring.h"
#include "tests/unit/ok.h"
#include "tests/unit/ring_log.h"

/* Three members of a space, each with a ring; key numbers 100 and on. */
enum { MEMBERS = 3 };

struct world {
    struct ring_log log;
    struct hark_box *box[MEMBERS + 1]; /* the last one is of somebody else */
    struct hark_ring *ring[MEMBERS];
};

static struct hark_ring *new_ring(const struct world *world, const struct hark_box *own)
{
    struct hark_ring *ring = NULL;

    OK(hark_ring_new(&ring, &world->log.space, &err));
    OK(hark_ring_own(ring, own, &err));
    return ring;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    ring_log_open(&world->log);
    for (uint32_t i = 0; i <= MEMBERS; i++)
        world->box[i] = ring_box(i);
    for (size_t i = 0; i < MEMBERS; i++)
        world->ring[i] = new_ring(world, world->box[i]);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < MEMBERS; i++)
        hark_ring_free(world->ring[i]);
    for (size_t i = 0; i <= MEMBERS; i++)
        hark_box_free(world->box[i]);
    ring_log_close(&world->log);
    free(world);
    return 0;
}

static struct ring_logged *join(struct world *world, uint32_t member)
{
    return ring_log_join(&world->log, 100 + member, hark_box_key(world->box[member]));
}

/* Members 0 to `count` - 1 join. */
static void join_all(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        (void)join(world, i);
}

/* A fresh key for members from..to-1, in parts of one box. */
static struct ring_logged *parts_for(struct world *world, uint32_t from, uint32_t to)
{
    struct hark_epoch_box boxes[MEMBERS + 1] = {{0}};

    for (uint32_t i = from; i < to; i++) {
        boxes[i - from].number = 100 + i;
        boxes[i - from].to = *hark_box_key(world->box[i]);
    }
    return ring_log_parts(&world->log, boxes, to - from, 1);
}

static struct ring_logged *fresh_for(struct world *world, uint32_t from, uint32_t to)
{
    struct ring_logged *first = parts_for(world, from, to);

    ring_log_force(&world->log);
    return first;
}

static void feed(struct world *world)
{
    for (size_t i = 0; i < MEMBERS; i++)
        ring_log_feed(world->ring[i], &world->log, world->log.count);
}

static bool has(struct world *world, size_t member, uint32_t epoch)
{
    return ring_log_has(&world->log, world->ring[member], epoch);
}

static void expect_nothing(const struct hark_ring *ring)
{
    size_t count = 1;
    uint64_t more = 1;

    (void)hark_ring_found(ring, &count, &more);
    assert_int_equal(count, 0);
    assert_int_equal(more, 0);
}

/* Just this finding. */
static void expect_found(struct hark_ring *ring, uint64_t position, uint32_t epoch, uint32_t key,
                         int error)
{
    size_t count = 0;
    const struct hark_ring_finding *found = hark_ring_found(ring, &count, NULL);

    assert_int_equal(count, 1);
    assert_int_equal(found->position, position);
    assert_int_equal(found->epoch, epoch);
    assert_int_equal(found->key, key);
    assert_string_equal(hark_err_name(found->error), hark_err_name(error));
    hark_ring_clear_found(ring);
    expect_nothing(ring);
}

/* ---- who joins ---- */

static void test_ring__is_empty_before_anybody_joined(void **state)
{
    struct world *world = *state;
    uint32_t epoch = 7;

    assert_false(hark_ring_in_force(world->ring[0], &epoch));
    assert_int_equal(hark_ring_next(world->ring[0]), 0);
    assert_false(has(world, 0, 0));
    assert_true(hark_hash_equal(hark_ring_space(world->ring[0]), &world->log.space));
    hark_ring_free(NULL);
}

static void test_ring__each_has_the_keys_from_when_it_came(void **state)
{
    struct world *world = *state;
    uint32_t epoch = 0;

    join_all(world, MEMBERS);
    feed(world);
    for (uint32_t member = 0; member < MEMBERS; member++) {
        for (uint32_t e = 0; e < MEMBERS; e++)
            assert_int_equal(has(world, member, e), e >= member);
        assert_false(has(world, member, MEMBERS));
        assert_true(hark_ring_in_force(world->ring[member], &epoch));
        assert_int_equal(epoch, MEMBERS - 1);
        assert_int_equal(hark_ring_next(world->ring[member]), MEMBERS);
        expect_nothing(world->ring[member]);
    }
}

static void test_ring__members_name_a_newcomer_who_was_given_another_key(void **state)
{
    struct world *world = *state;
    struct hark_epoch *other = NULL;
    struct ring_logged *entry;

    join_all(world, 2);
    entry = join(world, 2);
    OK(hark_epoch_new(&other, &world->log.space, 2, &err));
    OK(hark_epoch_seal_boxes(other, entry->boxes, 1, &err));
    hark_epoch_free(other);
    ring_log_feed(world->ring[0], &world->log, 3);
    ring_log_feed(world->ring[1], &world->log, 3);
    expect_found(world->ring[0], 2, 2, 102, HARK_E_EPOCH_KEY);
    expect_found(world->ring[1], 2, 2, 102, HARK_E_EPOCH_KEY);
    assert_true(has(world, 0, 2));
    assert_true(has(world, 1, 2));
}

/* byte 79 is the ciphertext's: it does not open; another ephemeral secret: it does. */
static void test_ring__a_newcomer_checks_its_own_box(void **state)
{
    struct world *world = *state;
    struct hark_epoch *other = NULL;
    uint8_t key[HARK_EPOCH_KEY_SIZE];

    join_all(world, 1);
    join(world, 1)->boxes[0].sealed[79] ^= 1;
    hark_epoch_bytes(key, world->log.keys[1]);
    OK(hark_epoch_step(&other, world->log.keys[1], &err));
    hark_epoch_bytes(key, other);
    hark_epoch_free(other);
    /* The right bytes under another number make another box. */
    OK(hark_epoch_from_bytes(&other, &world->log.space, 9, key, &err));
    OK(hark_epoch_seal_boxes(other, join(world, 2)->boxes, 1, &err));
    hark_epoch_free(other);
    feed(world);
    expect_found(world->ring[1], 1, 1, 101, HARK_E_SEAL);
    expect_found(world->ring[2], 2, 2, 102, HARK_E_EPOCH_KEY);
    for (uint32_t e = 0; e < 3; e++) {
        assert_true(has(world, 0, e));
        assert_false(has(world, 1, e));
        assert_false(has(world, 2, e));
    }
}

static void test_ring__a_gap_ends_with_the_next_fresh_key(void **state)
{
    struct world *world = *state;

    join(world, 0)->boxes[0].sealed[40] ^= 1;
    (void)join(world, 1);
    (void)fresh_for(world, 0, 2);
    (void)join(world, 2);
    feed(world);
    expect_found(world->ring[0], 0, 0, 100, HARK_E_SEAL);
    assert_false(has(world, 0, 0));
    assert_false(has(world, 0, 1));
    assert_true(has(world, 0, 2));
    assert_true(has(world, 0, 3));
    assert_true(has(world, 2, 3));
}

static void test_ring__earlier_keys_of_the_holder_open_too(void **state)
{
    struct world *world = *state;
    struct hark_ring *ring = new_ring(world, world->box[MEMBERS]);

    OK(hark_ring_own(ring, world->box[0], &err));
    join_all(world, 1);
    (void)fresh_for(world, MEMBERS, MEMBERS + 1);
    ring_log_feed(ring, &world->log, world->log.count);
    assert_true(ring_log_has(&world->log, ring, 0));
    assert_true(ring_log_has(&world->log, ring, 1));
    expect_nothing(ring);
    for (size_t i = 2; i < HARK_RING_OWN_MAX; i++)
        OK(hark_ring_own(ring, world->box[1], &err));
    assert_int_equal(hark_ring_own(ring, world->box[1], &err), HARK_E_LIMIT);
    hark_ring_free(ring);
}

/* ---- a fresh key ---- */

static void test_ring__a_fresh_key_is_for_those_who_stay(void **state)
{
    struct world *world = *state;
    uint64_t cites;

    join_all(world, MEMBERS);
    (void)fresh_for(world, 0, 2);
    cites = world->log.count - 1;
    (void)fresh_for(world, 0, 2);
    feed(world);
    for (uint32_t e = 3; e < 5; e++) {
        assert_true(has(world, 0, e));
        assert_true(has(world, 1, e));
        assert_false(has(world, 2, e));
    }
    expect_nothing(world->ring[0]);
    expect_nothing(world->ring[1]);
    /* Told once, of the first that it has not got. */
    expect_found(world->ring[2], cites, 3, HARK_RING_NO_KEY, HARK_E_SEAL);
    assert_true(has(world, 2, 2));
}

/* "Fresh" parts for all three, of the key that epoch `old` had. */
static void bring_back(struct world *world, uint32_t old)
{
    struct ring_logged *parts = parts_for(world, 0, 3);
    uint32_t epoch = world->log.epochs;
    uint8_t key[HARK_EPOCH_KEY_SIZE];

    hark_epoch_bytes(key, world->log.keys[old]);
    hark_epoch_free(world->log.keys[epoch]);
    OK(hark_epoch_from_bytes(&world->log.keys[epoch], &world->log.space, epoch, key, &err));
    for (size_t i = 0; i < 3; i++) {
        OK(hark_epoch_commitment(parts[i].commitment, world->log.keys[epoch], &err));
        OK(hark_epoch_seal_boxes(world->log.keys[epoch], parts[i].boxes, 1, &err));
    }
    ring_log_force(&world->log);
}

static void test_ring__a_key_that_was_there_before_is_no_fresh_one(void **state)
{
    struct world *world = *state;

    join_all(world, 3);           /* 0, 1, 2 */
    (void)fresh_for(world, 0, 3); /* 3 */
    feed(world);
    expect_nothing(world->ring[0]);
    bring_back(world, 1); /* 4 */
    feed(world);
    expect_found(world->ring[0], world->log.count - 1, 4, HARK_RING_NO_KEY, HARK_E_EPOCH_KEY);
    expect_found(world->ring[1], world->log.count - 1, 4, HARK_RING_NO_KEY, HARK_E_EPOCH_KEY);
    /* This one came later, and cannot know. */
    expect_nothing(world->ring[2]);
    bring_back(world, 3); /* 5 */
    feed(world);
    for (size_t i = 0; i < 3; i++)
        expect_found(world->ring[i], world->log.count - 1, 5, HARK_RING_NO_KEY, HARK_E_EPOCH_KEY);
    (void)fresh_for(world, 0, 3);
    feed(world);
    expect_nothing(world->ring[0]);
}

static void test_ring__each_wrong_box_is_named_wherever_it_stands(void **state)
{
    for (uint32_t wrong = 0; wrong < MEMBERS; wrong++) {
        struct world *world;
        struct ring_logged *parts;
        uint64_t first;

        (void)setup(state);
        world = *state;
        join_all(world, MEMBERS);
        first = world->log.count;
        parts = fresh_for(world, 0, MEMBERS);
        parts[wrong].boxes[0].sealed[60] ^= 1;
        feed(world);
        for (uint32_t member = 0; member < MEMBERS; member++) {
            bool is_own = member == wrong;

            expect_found(world->ring[member], first + wrong, 3, 100 + wrong,
                         is_own ? HARK_E_SEAL : HARK_E_EPOCH_KEY);
            assert_int_equal(has(world, member, 3), !is_own);
        }
        (void)teardown(state);
    }
}

static void test_ring__several_wrong_boxes_of_one_part(void **state)
{
    struct world *world = *state;
    struct hark_epoch_box boxes[4] = {{0}};
    struct ring_logged *part;
    const struct hark_ring_finding *found;
    size_t count = 0;

    join_all(world, 1);
    for (uint32_t i = 0; i < 4; i++) {
        boxes[i].number = 100 + i;
        boxes[i].to = *hark_box_key(world->box[i]);
    }
    part = ring_log_parts(&world->log, boxes, 4, 4);
    ring_log_force(&world->log);
    part->boxes[1].sealed[0] ^= 1;
    part->boxes[3].sealed[79] ^= 1;
    ring_log_feed(world->ring[0], &world->log, world->log.count);
    found = hark_ring_found(world->ring[0], &count, NULL);
    assert_int_equal(count, 2);
    assert_int_equal(found[0].key, 101);
    assert_int_equal(found[1].key, 103);
    assert_int_equal(found[1].error, HARK_E_EPOCH_KEY);
}

static void test_ring__another_key_than_was_committed_to(void **state)
{
    struct world *world = *state;
    struct hark_epoch *other = NULL;
    struct ring_logged *parts;

    join_all(world, 2);
    parts = fresh_for(world, 0, 2);
    OK(hark_epoch_new(&other, &world->log.space, 2, &err));
    OK(hark_epoch_seal_boxes(other, parts[1].boxes, 1, &err));
    hark_epoch_free(other);
    ring_log_feed(world->ring[0], &world->log, world->log.count);
    ring_log_feed(world->ring[1], &world->log, world->log.count);
    expect_found(world->ring[0], 3, 2, 101, HARK_E_EPOCH_KEY);
    expect_found(world->ring[1], 3, 2, 101, HARK_E_EPOCH_KEY);
    assert_true(has(world, 0, 2));
    assert_false(has(world, 1, 2));
}

static void test_ring__parts_do_nothing_until_they_are_in_force(void **state)
{
    struct world *world = *state;

    join_all(world, 2);
    parts_for(world, 0, 2)->boxes[0].sealed[70] ^= 1;
    feed(world);
    assert_false(has(world, 1, 2));
    expect_nothing(world->ring[0]);
    expect_nothing(world->ring[1]);
    /* Nor ever, after other parts, or a step. */
    (void)parts_for(world, 0, 2);
    (void)fresh_for(world, 0, 1);
    feed(world);
    expect_nothing(world->ring[0]);
    assert_true(has(world, 0, 2));
    assert_false(has(world, 1, 2));
    (void)parts_for(world, 0, 2);
    hark_epoch_free(world->log.keys[3]);
    world->log.keys[3] = NULL;
    (void)join(world, 2);
    feed(world);
    assert_true(has(world, 0, 3));
    assert_int_equal(hark_ring_force(world->ring[0], world->log.count,
                                     world->log.list[world->log.count - 2].commitment, &err),
                     HARK_E_INTERNAL);
}

/* So many boxes before one's own that they cannot all wait, and more wrong than are kept. */
static void test_ring__what_waits_and_what_is_found_is_bounded(void **state)
{
    static struct hark_epoch_box boxes[HARK_EPOCH_PART_MAX];
    struct world *world = *state;
    struct hark_ring_part part = {.epoch = 1, .boxes = boxes, .count = HARK_EPOCH_PART_MAX};
    const uint32_t full = HARK_RING_WAITING_MAX / HARK_EPOCH_PART_MAX;
    struct hark_epoch *key = NULL;
    size_t count = 0;
    uint64_t more = 0;
    struct hark_ring *ring = world->ring[0];

    join_all(world, 1);
    ring_log_feed(ring, &world->log, 1);
    OK(hark_epoch_new(&key, &world->log.space, 1, &err));
    OK(hark_epoch_commitment(part.commitment, key, &err));
    part.parts = full + 2;
    /* Recipients of small order: nothing can be sealed to them, so it costs little. */
    for (part.part = 0; part.part < full + 1; part.part++) {
        part.position = 1 + part.part;
        OK(hark_ring_part(ring, &part, &err));
    }
    boxes[0].to = *hark_box_key(world->box[0]);
    OK(hark_epoch_seal_boxes(key, boxes, 1, &err));
    part.count = 1;
    part.position++;
    OK(hark_ring_part(ring, &part, &err));
    OK(hark_ring_force(ring, part.position + 1, part.commitment, &err));
    assert_int_equal(hark_ring_found(ring, &count, &more)[0].error, HARK_E_LIMIT);
    assert_int_equal(hark_ring_found(ring, &count, &more)[0].position, 1 + full);
    assert_int_equal(hark_ring_found(ring, &count, &more)[0].key, HARK_RING_NO_KEY);
    assert_int_equal(count, HARK_RING_FOUND_MAX);
    assert_int_equal(count + more, 1 + full * HARK_EPOCH_PART_MAX);
    /* The one that had no room is looked at by hand. */
    hark_ring_clear_found(ring);
    boxes[0].to = (struct hark_key){{0}};
    OK(hark_ring_check(ring, 1 + full, 1, boxes, HARK_EPOCH_PART_MAX, &err));
    (void)hark_ring_found(ring, &count, &more);
    assert_int_equal(count, HARK_EPOCH_PART_MAX);
    assert_int_equal(hark_ring_check(ring, 1, 2, boxes, 1, &err), HARK_E_EPOCH_UNKNOWN);
    hark_epoch_free(key);
}

/* ---- order ---- */

static void test_ring__another_order_is_the_callers_mistake(void **state)
{
    struct world *world = *state;
    struct hark_epoch_box box = {.to = *hark_box_key(world->box[0])};
    struct hark_ring_part part = {.position = 9, .epoch = 2, .parts = 2, .boxes = &box, .count = 1};
    struct hark_ring *ring = world->ring[0];
    static const uint8_t none[HARK_EPOCH_COMMITMENT_SIZE];

    part.epoch = 0;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    assert_int_equal(hark_ring_force(ring, 0, none, &err), HARK_E_INTERNAL);
    assert_int_equal(hark_ring_join(ring, 0, 1, &box, &err), HARK_E_INTERNAL);
    join_all(world, 2);
    ring_log_feed(ring, &world->log, 2);
    assert_int_equal(hark_ring_join(ring, 2, 3, &box, &err), HARK_E_INTERNAL);
    assert_int_equal(hark_ring_join(ring, 2, 1, &box, &err), HARK_E_INTERNAL);
    assert_int_equal(hark_ring_join(ring, 1, 2, &box, &err), HARK_E_INTERNAL);
    assert_int_equal(hark_ring_join(ring, UINT64_MAX, 2, &box, &err), HARK_E_INTERNAL);
    assert_int_equal(hark_ring_force(ring, 2, none, &err), HARK_E_INTERNAL);
    part.epoch = 2;
    part.part = 1;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    part.part = 0;
    part.count = HARK_EPOCH_PART_MAX + 1;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    part.count = 0;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    part.count = 1;
    part.parts = HARK_EPOCH_PARTS_MAX + 1;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    part.parts = 2;
    OK(hark_ring_part(ring, &part, &err));
    /* Not complete, in another order, of another commitment. */
    assert_int_equal(hark_ring_force(ring, 10, none, &err), HARK_E_INTERNAL);
    part.part = 1;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    part.position = 10;
    part.parts = 3;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    part.parts = 2;
    part.commitment[0] = 1;
    assert_int_equal(hark_ring_part(ring, &part, &err), HARK_E_INTERNAL);
    part.commitment[0] = 0;
    OK(hark_ring_part(ring, &part, &err));
    part.commitment[0] = 1;
    assert_int_equal(hark_ring_force(ring, 11, part.commitment, &err), HARK_E_INTERNAL);
    OK(hark_ring_force(ring, 11, none, &err));
    assert_false(has(world, 0, 2));
}

static struct hark_buf encoded(const struct hark_ring *ring)
{
    struct hark_buf out = hark_buf_init_secret(HARK_RING_FORM_MAX);

    OK(hark_ring_encode(&out, ring, &err));
    return out;
}

static void read_again(struct world *world, size_t member)
{
    struct hark_buf bytes = encoded(world->ring[member]), again;
    struct hark_ring *ring = NULL;

    OK(hark_ring_decode(&ring, hark_buf_span(&bytes), &err));
    again = encoded(ring);
    assert_true(hark_span_equal(hark_buf_span(&bytes), hark_buf_span(&again)));
    OK(hark_ring_own(ring, world->box[member], &err));
    hark_ring_free(world->ring[member]);
    world->ring[member] = ring;
    hark_buf_free(&bytes);
    hark_buf_free(&again);
}

/* ---- long runs ---- */

/* A run is full, and the next goes on from it: nothing of that shows. */
static void test_ring__a_run_goes_on_when_it_is_full(void **state)
{
    const uint32_t late = 2 * HARK_RING_RUN_MAX + 7, end = 3 * HARK_RING_RUN_MAX + 2;
    struct world *world = *state;
    struct hark_epoch_box box = {0};
    uint8_t key[HARK_EPOCH_KEY_SIZE];

    join_all(world, 1);
    for (uint32_t e = 1; e <= end; e++) {
        struct ring_logged *entry = ring_log_add(&world->log, RING_JOIN, e);

        OK(hark_epoch_step(&world->log.keys[e], world->log.keys[e - 1], &err));
        world->log.epochs++;
        entry->boxes[0] = box;
        entry->boxes[0].number = 1;
        if (e != late)
            continue;
        entry->boxes[0].to = *hark_box_key(world->box[1]);
        OK(hark_epoch_seal_boxes(world->log.keys[e], entry->boxes, 1, &err));
    }
    ring_log_feed(world->ring[0], &world->log, world->log.count);
    ring_log_feed(world->ring[1], &world->log, world->log.count);
    read_again(world, 0);
    read_again(world, 1);
    for (uint32_t e = end + 1; e-- > 0; e -= e > 500 && e % 8 == 0 ? 499 : 0) {
        assert_true(has(world, 0, e));
        assert_int_equal(has(world, 1, e), e >= late);
    }
    /* An older key gives all that follow it. */
    hark_epoch_bytes(key, world->log.keys[3]);
    OK(hark_ring_learn(world->ring[1], 3, key, &err));
    assert_false(has(world, 1, 2));
    for (uint32_t e = 3; e <= end; e += 97)
        assert_true(has(world, 1, e));
    key[0] ^= 1;
    assert_int_equal(hark_ring_learn(world->ring[1], 2, key, &err), HARK_E_EPOCH_KEY);
    assert_false(has(world, 1, 2));
    assert_true(has(world, 1, late));
}

/* ---- keys from elsewhere ---- */

static int learn(struct world *world, size_t member, uint32_t epoch, bool right)
{
    uint8_t key[HARK_EPOCH_KEY_SIZE];

    hark_epoch_bytes(key, world->log.keys[epoch]);
    key[5] ^= right ? 0 : 1;
    return hark_ring_learn(world->ring[member], epoch, key, &err);
}

static void test_ring__older_keys_are_checked_where_they_can_be(void **state)
{
    struct world *world = *state;

    join_all(world, 2);           /* 0, 1 */
    (void)fresh_for(world, 0, 2); /* 2 */
    (void)join(world, 3);         /* 3 */
    (void)fresh_for(world, 0, 2); /* 4 */
    (void)join(world, 3);         /* 5 */
    (void)join(world, 2);         /* 6: ring 2 */
    feed(world);
    assert_int_equal(learn(world, 2, 2, false), HARK_E_EPOCH_KEY); /* committed to */
    assert_int_equal(learn(world, 2, 5, false), HARK_E_EPOCH_KEY); /* does not lead to 6 */
    assert_int_equal(learn(world, 2, 6, false), HARK_E_EPOCH_KEY);
    for (uint32_t e = 0; e < 6; e++)
        assert_false(has(world, 2, e));
    OK(learn(world, 2, 6, true));
    OK(learn(world, 2, 5, true));
    assert_false(has(world, 2, 4));
    OK(learn(world, 2, 2, true));
    assert_true(has(world, 2, 2));
    assert_true(has(world, 2, 3));
    assert_int_equal(learn(world, 2, 3, false), HARK_E_EPOCH_KEY);
    OK(learn(world, 2, 3, true));
    OK(learn(world, 2, 4, true));
    assert_true(has(world, 2, 5));
    /* Nothing says which one the first is. */
    OK(learn(world, 2, 1, true));
    assert_false(has(world, 2, 0));
    assert_int_equal(learn(world, 2, 0, false), HARK_E_EPOCH_KEY);
    OK(learn(world, 2, 0, true));
    for (uint32_t e = 0; e <= 6; e++)
        assert_true(has(world, 2, e));
    expect_nothing(world->ring[2]);
    world->log.keys[7] = NULL;
    assert_int_equal(hark_ring_learn(world->ring[2], 7, (const uint8_t[32]){0}, &err),
                     HARK_E_EPOCH_UNKNOWN);
}

/* Boxes for member 2, as an entry brings them, of the first keys of three runs. */
static void older_for(struct world *world, struct hark_ring_older older[3])
{
    for (size_t i = 0; i < 3; i++) {
        older[i].epoch = (uint32_t)(2 * i);
        older[i].box.number = 102;
        older[i].box.to = *hark_box_key(world->box[2]);
        OK(hark_epoch_seal_boxes(world->log.keys[2 * i], &older[i].box, 1, &err));
    }
}

/* Epochs 0, 1; 2, 3 and 4, 5, 6: member 2 comes with 6. */
static void three_runs(struct world *world)
{
    join_all(world, 2);
    (void)fresh_for(world, 0, 2);
    (void)join(world, 3);
    (void)fresh_for(world, 0, 2);
    (void)join(world, 3);
    (void)join(world, 2);
    feed(world);
}

static int give(struct world *world, size_t member, const struct hark_ring_older *older,
                size_t count)
{
    return hark_ring_older(world->ring[member], world->log.count - 1, older, count, &err);
}

static void test_ring__older_keys_come_with_who_joins(void **state)
{
    struct hark_ring_older older[3] = {{0}};
    struct world *world = *state;

    three_runs(world);
    older_for(world, older);
    assert_false(has(world, 2, 0));
    assert_true(has(world, 2, 6));
    for (size_t i = 0; i < 3; i++) {
        OK(give(world, i, older, 3));
        expect_nothing(world->ring[i]);
        assert_int_equal(hark_ring_learned(world->ring[i]), i == 2 ? 3 : 0);
    }
    for (uint32_t e = 0; e <= 6; e++)
        assert_true(has(world, 2, e));
    assert_int_equal(hark_ring_runs(world->ring[2]), 3);
    assert_int_equal(hark_epoch_number(hark_ring_run_key(world->ring[2], 1)), 2);
    /* Once more it tells nothing new. */
    OK(give(world, 2, older, 3));
    assert_int_equal(hark_ring_learned(world->ring[2]), 3);
    expect_nothing(world->ring[2]);
}

static void test_ring__a_wrong_older_key_is_named_by_all(void **state)
{
    struct hark_ring_older older[3] = {{0}};
    struct world *world = *state;
    struct hark_epoch *other = NULL;
    uint64_t position;

    three_runs(world);
    position = world->log.count - 1;
    older_for(world, older);
    OK(hark_epoch_new(&other, &world->log.space, 2, &err));
    OK(hark_epoch_seal_boxes(other, &older[1].box, 1, &err));
    hark_epoch_free(other);
    for (size_t i = 0; i < 3; i++) {
        OK(give(world, i, older, 3));
        expect_found(world->ring[i], position, 2, 102, HARK_E_EPOCH_KEY);
    }
    assert_false(has(world, 2, 2));
    assert_true(has(world, 2, 0));
    assert_true(has(world, 2, 4));
    /* One that is no box at all opens to nobody. */
    older[1].box.sealed[40] ^= 1;
    OK(give(world, 0, older, 3));
    expect_found(world->ring[0], position, 2, 102, HARK_E_EPOCH_KEY);
    OK(give(world, 2, older, 3));
    expect_found(world->ring[2], position, 2, 102, HARK_E_SEAL);
}

/* Of the run that the newcomer's own key is of: that one stays. */
static void test_ring__a_wrong_older_key_spoils_no_right_one(void **state)
{
    struct hark_ring_older older[3] = {{0}};
    struct world *world = *state;
    struct hark_epoch *other = NULL;

    three_runs(world);
    older_for(world, older);
    older[2].epoch = 5;
    OK(hark_epoch_new(&other, &world->log.space, 5, &err));
    OK(hark_epoch_seal_boxes(other, &older[2].box, 1, &err));
    hark_epoch_free(other);
    OK(give(world, 2, &older[2], 1));
    expect_found(world->ring[2], world->log.count - 1, 5, 102, HARK_E_EPOCH_KEY);
    assert_false(has(world, 2, 5));
    assert_true(has(world, 2, 6));
}

static void test_ring__older_keys_follow_their_entry(void **state)
{
    struct hark_ring_older older[3] = {{0}};
    struct world *world = *state;

    three_runs(world);
    older_for(world, older);
    assert_int_equal(hark_ring_older(world->ring[2], world->log.count, older, 3, &err),
                     HARK_E_INTERNAL);
    assert_int_equal(give(world, 2, older, HARK_RING_OLDER_MAX + 1), HARK_E_INTERNAL);
    older[0].epoch = 7;
    assert_int_equal(give(world, 2, older, 1), HARK_E_INTERNAL);
    assert_int_equal(hark_ring_learned(world->ring[2]), 0);
}

/* A newcomer who was given another key, in a box as it should be, finds out by the key that
 * was committed to, and has the right ones then. */
static void test_ring__what_was_committed_to_replaces_what_does_not_follow(void **state)
{
    struct world *world = *state;
    struct hark_epoch *other = NULL;
    const struct hark_epoch *key = NULL;
    struct ring_logged *entry;
    uint8_t bad[32], good[32];

    join_all(world, 2);
    (void)fresh_for(world, 0, 2);
    entry = join(world, 2);
    OK(hark_epoch_new(&other, &world->log.space, 3, &err));
    OK(hark_epoch_seal_boxes(other, entry->boxes, 1, &err));
    hark_epoch_bytes(bad, other);
    hark_epoch_free(other);
    (void)join(world, 3);
    ring_log_feed(world->ring[2], &world->log, world->log.count);
    OK(hark_ring_key(&key, world->ring[2], 3, &err));
    hark_epoch_bytes(good, key);
    assert_memory_equal(good, bad, 32);
    expect_found(world->ring[2], world->log.count - 1, 4, 103, HARK_E_EPOCH_KEY);
    OK(learn(world, 2, 2, true));
    /* From the last one: nothing is left of what was found by steps from the other. */
    for (uint32_t e = 4; e >= 2; e--)
        assert_true(has(world, 2, e));
}

/* Who made the key needs no box. */
static void test_ring__a_steward_learns_what_it_made(void **state)
{
    struct world *world = *state;
    struct hark_ring *ring = NULL;

    OK(hark_ring_new(&ring, &world->log.space, &err));
    hark_ring_free(world->ring[2]);
    world->ring[2] = ring;
    assert_int_equal(hark_ring_learn(ring, 0, (const uint8_t[32]){0}, &err), HARK_E_EPOCH_UNKNOWN);
    (void)join(world, 0);
    ring_log_feed(ring, &world->log, 1);
    OK(learn(world, 2, 0, true));
    (void)join(world, 1);
    (void)fresh_for(world, 0, 1);
    ring_log_feed(ring, &world->log, world->log.count);
    assert_true(has(world, 2, 1));
    assert_false(has(world, 2, 2));
    OK(learn(world, 2, 2, true));
    assert_true(has(world, 2, 2));
}

/* ---- the form ---- */

static void test_ring__is_kept_and_goes_on(void **state)
{
    struct world *world = *state;

    read_again(world, 0);
    join_all(world, 2);
    (void)parts_for(world, 0, 2);
    feed(world);
    assert_int_equal(hark_ring_next(world->ring[0]), 4);
    read_again(world, 0);
    /* Parts that wait are to be fed again. */
    assert_int_equal(hark_ring_next(world->ring[0]), 2);
    ring_log_force(&world->log);
    (void)parts_for(world, 0, 2);
    hark_epoch_free(world->log.keys[3]);
    world->log.keys[3] = NULL;
    (void)join(world, 2);
    feed(world);
    for (size_t i = 0; i < MEMBERS; i++) {
        read_again(world, i);
        /* Nor are those that the step has dropped. */
        assert_int_equal(hark_ring_next(world->ring[i]), world->log.count);
    }
    for (uint32_t e = 0; e < 4; e++) {
        assert_true(has(world, 0, e));
        assert_int_equal(has(world, 1, e), e >= 1);
        assert_int_equal(has(world, 2, e), e >= 3);
    }
    expect_nothing(world->ring[0]);
}

/* Where the fields are, of a ring of runs 0 to 1 (from 0, known from 1), 2 (fresh, known). */
enum { AT_NEXT = 33, AT_FORCE = 41, AT_RUNS = 45, AT_FIRST = 49, AT_EPOCH = 54, AT_SECOND = 90 };

static void refuse(const struct hark_buf *good, size_t at, uint8_t with, int error)
{
    struct hark_buf bad = hark_buf_init_secret(HARK_RING_FORM_MAX);
    struct hark_ring *ring = NULL;
    int rc;

    OK(hark_buf_append_span(&bad, hark_buf_span(good), &err));
    bad.data[at] ^= with;
    rc = hark_ring_decode(&ring, hark_buf_span(&bad), &err);
    if (rc != error)
        fail_msg("byte %zu: %s, not %s", at, hark_err_name(rc), hark_err_name(error));
    assert_null(ring);
    hark_buf_free(&bad);
}

static void test_ring__another_form_is_refused(void **state)
{
    struct world *world = *state;
    struct hark_buf good;
    struct hark_ring *ring = NULL;

    join_all(world, 2);
    (void)fresh_for(world, 0, 2);
    feed(world);
    good = encoded(world->ring[1]);
    assert_int_equal(good.size, AT_SECOND + 5 + 32 + 36);
    for (size_t size = 0; size < good.size; size++)
        assert_int_equal(hark_ring_decode(&ring, hark_span(good.data, size), &err),
                         HARK_E_RING_FORM);
    refuse(&good, 0, 3, HARK_E_DATA_VERSION);
    refuse(&good, 1, 1, HARK_E_RING_FORM); /* the commitment is of another space's key */
    refuse(&good, AT_FORCE, 1, HARK_E_RING_FORM);
    refuse(&good, AT_FORCE + 3, 3, HARK_E_RING_FORM); /* 1: before the last run */
    refuse(&good, AT_RUNS + 3, 1, HARK_E_RING_FORM);
    refuse(&good, AT_RUNS, 1, HARK_E_RING_FORM);
    refuse(&good, AT_FIRST + 3, 1, HARK_E_RING_FORM);
    refuse(&good, AT_FIRST + 4, 4, HARK_E_RING_FORM);
    refuse(&good, AT_FIRST + 4, 1, HARK_E_RING_FORM);
    refuse(&good, AT_EPOCH + 3, 3, HARK_E_RING_FORM); /* 2: of the next run */
    refuse(&good, AT_SECOND + 3, 2, HARK_E_RING_FORM);
    refuse(&good, AT_SECOND + 4, 1, HARK_E_RING_FORM);
    refuse(&good, AT_SECOND + 5, 1, HARK_E_RING_FORM);
    refuse(&good, AT_SECOND + 5 + 32 + 3, 1, HARK_E_RING_FORM);
    refuse(&good, AT_SECOND + 5 + 36, 1, HARK_E_RING_FORM);
    OK(hark_buf_append_byte(&good, 0, &err));
    assert_int_equal(hark_ring_decode(&ring, hark_buf_span(&good), &err), HARK_E_RING_FORM);
    hark_buf_free(&good);
}

static const uint8_t zeros[40];

/* One by hand: whether a run may be as long as that, and go on. */
static int decode_runs(uint32_t in_force, uint32_t second, bool fresh)
{
    struct hark_buf bytes = hark_buf_init(1024);
    struct hark_ring *ring = NULL;
    int rc;

    OK(hark_buf_append_u8(&bytes, 1, &err));
    OK(hark_buf_append(&bytes, zeros, 40, &err));
    OK(hark_buf_append_u32(&bytes, in_force, &err));
    OK(hark_buf_append_u32(&bytes, 2, &err));
    OK(hark_buf_append_u32(&bytes, 0, &err));
    OK(hark_buf_append_u8(&bytes, 0, &err));
    OK(hark_buf_append_u32(&bytes, second, &err));
    OK(hark_buf_append_u8(&bytes, fresh ? 1 : 0, &err));
    if (fresh)
        OK(hark_buf_append(&bytes, zeros, 32, &err));
    rc = hark_ring_decode(&ring, hark_buf_span(&bytes), &err);
    hark_ring_free(ring);
    hark_buf_free(&bytes);
    return rc;
}

/* What comes first was not committed to, as far as the log says. */
static void test_ring__the_first_run_is_not_fresh(void **state)
{
    struct hark_buf bytes = hark_buf_init(1024);
    struct hark_ring *ring = NULL;

    (void)state;
    OK(hark_buf_append_u8(&bytes, 1, &err));
    OK(hark_buf_append(&bytes, zeros, 40, &err));
    OK(hark_buf_append_u32(&bytes, 0, &err));
    OK(hark_buf_append_u32(&bytes, 1, &err));
    OK(hark_buf_append_u32(&bytes, 0, &err));
    OK(hark_buf_append_u8(&bytes, 1, &err));
    OK(hark_buf_append(&bytes, zeros, 32, &err));
    assert_int_equal(hark_ring_decode(&ring, hark_buf_span(&bytes), &err), HARK_E_RING_FORM);
    hark_buf_free(&bytes);
}

static void test_ring__runs_are_as_long_as_they_are_made(void **state)
{
    const uint32_t max = HARK_RING_RUN_MAX;

    (void)state;
    OK(decode_runs(2 * max - 1, max, false));
    OK(decode_runs(2 * max - 1, max, true));
    OK(decode_runs(5, 5, true));
    assert_int_equal(decode_runs(2 * max, max, false), HARK_E_RING_FORM);
    assert_int_equal(decode_runs(max + 1, max + 1, true), HARK_E_RING_FORM);
    assert_int_equal(decode_runs(max, max - 1, false), HARK_E_RING_FORM);
    assert_int_equal(decode_runs(5, 0, true), HARK_E_RING_FORM);
}

/* ---- entries ---- */

static struct hark_entry entry_of(const struct world *world, const char *kind)
{
    struct hark_entry entry = {.has_space = true, .space = world->log.space, .seq = 1};

    memcpy(entry.kind, kind, strlen(kind) + 1);
    return entry;
}

static int open_with(struct hark_ring *ring, const struct hark_entry *entry,
                     const struct hark_buf *envelope, uint32_t at_seen, uint32_t before)
{
    struct hark_buf out = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    int rc = hark_ring_open(&out, ring, entry, hark_buf_span(envelope), at_seen, before, &err);

    assert_int_equal(hark_span_equal(hark_buf_span(&out), hark_span_str("words")), rc == 0);
    hark_buf_free(&out);
    return rc;
}

static void test_ring__an_entry_is_sealed_and_opened(void **state)
{
    struct world *world = *state;
    struct hark_entry entry = entry_of(world, "sealed"), other = entry;
    struct hark_buf envelope = hark_buf_init(2 * HARK_ENVELOPE_MAX);

    assert_int_equal(
        hark_ring_seal(&envelope, world->ring[0], &entry, hark_span_str("words"), &err),
        HARK_E_EPOCH_UNKNOWN);
    join_all(world, 2); /* 0, 1: sealed in 1 */
    feed(world);
    OK(hark_ring_seal(&envelope, world->ring[0], &entry, hark_span_str("words"), &err));
    (void)join(world, 2);
    feed(world);
    for (size_t i = 0; i < 2; i++) {
        OK(open_with(world->ring[i], &entry, &envelope, 0, 1));
        OK(open_with(world->ring[i], &entry, &envelope, 1, 2));
        assert_int_equal(open_with(world->ring[i], &entry, &envelope, 2, 2), HARK_E_ENVELOPE_OLD);
        assert_int_equal(open_with(world->ring[i], &entry, &envelope, 0, 0), HARK_E_ENVELOPE_AHEAD);
    }
    assert_int_equal(open_with(world->ring[2], &entry, &envelope, 0, 2), HARK_E_EPOCH_UNKNOWN);
    assert_int_equal(open_with(world->ring[2], &entry, &envelope, 2, 2), HARK_E_ENVELOPE_OLD);
    other.seq = 2;
    assert_int_equal(open_with(world->ring[0], &other, &envelope, 0, 2), HARK_E_ENVELOPE_KEY);
    /* Other headers, with the same key. */
    other.seq = 1;
    other.time_ms = 1;
    assert_int_equal(open_with(world->ring[0], &other, &envelope, 0, 2), HARK_E_ENVELOPE_SEAL);
    envelope.size--;
    assert_int_equal(open_with(world->ring[0], &entry, &envelope, 2, 2), HARK_E_ENVELOPE_FORM);
    envelope.data[0] = 2;
    assert_int_equal(open_with(world->ring[0], &entry, &envelope, 2, 2), HARK_E_ENVELOPE_VERSION);
    hark_buf_free(&envelope);
}

static void test_ring__only_sealed_entries_of_its_space(void **state)
{
    struct world *world = *state;
    struct hark_entry others[] = {entry_of(world, "post"), entry_of(world, "sealed"),
                                  entry_of(world, "charter")};
    struct hark_buf envelope = hark_buf_init(2 * HARK_ENVELOPE_MAX);

    join_all(world, 1);
    feed(world);
    others[1].space.bytes[3] ^= 1;
    others[2].has_space = false;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            hark_ring_seal(&envelope, world->ring[0], &others[i], hark_span_str("words"), &err),
            HARK_E_INTERNAL);
        assert_int_equal(open_with(world->ring[0], &others[i], &envelope, 0, 0), HARK_E_INTERNAL);
    }
    others[2].has_space = true;
    OK(hark_ring_seal(&envelope, world->ring[0], &others[2], hark_span_str("words"), &err));
    OK(open_with(world->ring[0], &others[2], &envelope, 0, 0));
    hark_buf_free(&envelope);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_ring__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_empty_before_anybody_joined),
        TEST(each_has_the_keys_from_when_it_came),
        TEST(members_name_a_newcomer_who_was_given_another_key),
        TEST(a_newcomer_checks_its_own_box),
        TEST(a_gap_ends_with_the_next_fresh_key),
        TEST(earlier_keys_of_the_holder_open_too),
        TEST(a_fresh_key_is_for_those_who_stay),
        TEST(a_key_that_was_there_before_is_no_fresh_one),
        cmocka_unit_test(test_ring__each_wrong_box_is_named_wherever_it_stands),
        TEST(several_wrong_boxes_of_one_part),
        TEST(another_key_than_was_committed_to),
        TEST(parts_do_nothing_until_they_are_in_force),
        TEST(what_waits_and_what_is_found_is_bounded),
        TEST(another_order_is_the_callers_mistake),
        TEST(a_run_goes_on_when_it_is_full),
        TEST(older_keys_are_checked_where_they_can_be),
        TEST(older_keys_come_with_who_joins),
        TEST(a_wrong_older_key_is_named_by_all),
        TEST(a_wrong_older_key_spoils_no_right_one),
        TEST(older_keys_follow_their_entry),
        TEST(what_was_committed_to_replaces_what_does_not_follow),
        TEST(a_steward_learns_what_it_made),
        TEST(is_kept_and_goes_on),
        TEST(another_form_is_refused),
        TEST(the_first_run_is_not_fresh),
        TEST(runs_are_as_long_as_they_are_made),
        TEST(an_entry_is_sealed_and_opened),
        TEST(only_sealed_entries_of_its_space),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
