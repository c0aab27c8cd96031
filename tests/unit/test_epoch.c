/*
 * crypto/epoch: what is derived from a group's key, and how a fresh one reaches everybody.
 * The bytes themselves are held by tests/vectors/sealed.json; here are what has to differ,
 * what libsodium says of the boxes, and what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <sodium.h>

#include "crypto/epoch.h"
#include "tests/unit/ok.h"

static const struct hark_hash space = {{0x5a, 1, 2, 3}};
static const uint8_t key_bytes[HARK_EPOCH_KEY_SIZE] = {9, 8, 7};
static const uint8_t nonce[24] = {1};
static const struct hark_key author = {{0xaa}};
/* The u of points of small order: nobody can be sealed to. */
static const struct hark_key small_order[] = {
    {{0}},
    {{1}},
    {{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
      0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
      0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}},
};

static struct hark_epoch *epoch_of(const struct hark_hash *of, uint32_t number)
{
    struct hark_epoch *epoch = NULL;

    OK(hark_epoch_from_bytes(&epoch, of, number, key_bytes, &err));
    return epoch;
}

static struct hark_box *box_of(uint8_t number)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    struct hark_box *box = NULL;

    memset(bytes, number, sizeof(bytes));
    OK(hark_seed_from_bytes(&seed, bytes, &err));
    OK(hark_box_new(&box, seed, &err));
    hark_seed_free(seed);
    return box;
}

/* What crypto_box_seal_open of libsodium finds in it. */
static bool opens(const struct hark_box *box, const uint8_t *sealed, uint8_t *plain)
{
    return crypto_box_seal_open(plain, sealed, HARK_EPOCH_BOX_SIZE, hark_box_key(box)->bytes,
                                hark_box_secret(box)) == 0;
}

/* ---- derivations ---- */

static void test_epoch__a_step_is_one_way_and_by_number(void **state)
{
    uint8_t first[32], second[32], third[32];
    struct hark_epoch *a = epoch_of(&space, 0), *b = NULL, *c = NULL;

    (void)state;
    OK(hark_epoch_step(&b, a, &err));
    OK(hark_epoch_step(&c, b, &err));
    assert_int_equal(hark_epoch_number(b), 1);
    assert_int_equal(hark_epoch_number(c), 2);
    assert_true(hark_hash_equal(hark_epoch_space(c), &space));
    OK(hark_epoch_commitment(first, a, &err));
    OK(hark_epoch_commitment(second, b, &err));
    OK(hark_epoch_commitment(third, c, &err));
    assert_memory_not_equal(first, second, 32);
    assert_memory_not_equal(second, third, 32);
    hark_epoch_free(a);
    hark_epoch_free(b);
    hark_epoch_free(c);
}

static void test_epoch__the_last_one_has_no_next(void **state)
{
    struct hark_epoch *last = epoch_of(&space, UINT32_MAX), *next = last;

    (void)state;
    assert_int_equal(hark_epoch_step(&next, last, &err), HARK_E_LIMIT);
    assert_null(next);
    hark_epoch_free(last);
    hark_epoch_free(NULL);
}

static void test_epoch__new_ones_differ(void **state)
{
    uint8_t first[32], second[32];
    struct hark_epoch *a = NULL, *b = NULL;

    (void)state;
    OK(hark_epoch_new(&a, &space, 3, &err));
    OK(hark_epoch_new(&b, &space, 3, &err));
    OK(hark_epoch_commitment(first, a, &err));
    OK(hark_epoch_commitment(second, b, &err));
    assert_memory_not_equal(first, second, 32);
    hark_epoch_free(a);
    hark_epoch_free(b);
}

/* The same 32 bytes in another space or under another number are another key. */
static void test_epoch__space_and_number_go_into_everything(void **state)
{
    static const struct hark_hash other = {{0x5b}};
    struct hark_epoch *epochs[] = {epoch_of(&space, 4), epoch_of(&other, 4), epoch_of(&space, 5)};
    struct hark_box *box = box_of(1);
    struct hark_epoch_box boxes[3];
    uint8_t commitments[3][32];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        boxes[i].to = *hark_box_key(box);
        boxes[i].number = 0;
        OK(hark_epoch_commitment(commitments[i], epochs[i], &err));
        OK(hark_epoch_seal_boxes(epochs[i], &boxes[i], 1, &err));
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(commitments[i], commitments[k], 32);
            assert_memory_not_equal(boxes[i].sealed, boxes[k].sealed, 32);
        }
    }
    for (size_t i = 0; i < 3; i++)
        hark_epoch_free(epochs[i]);
    hark_box_free(box);
}

static void entry_prf(uint8_t out[32], const struct hark_epoch *epoch, const struct hark_key *by,
                      uint64_t seq, const uint8_t n[24])
{
    struct hark_seed *key = NULL;

    OK(hark_epoch_entry_key(&key, epoch, by, seq, n, &err));
    OK(hark_seed_prf(out, key, "test", hark_span(NULL, 0), &err));
    hark_seed_free(key);
}

static void test_epoch__entry_keys_are_each_entrys_own(void **state)
{
    static const uint8_t other_nonce[24] = {2};
    static const struct hark_key other = {{0xab}};
    struct hark_epoch *epoch = epoch_of(&space, 4);
    uint8_t keys[5][32];

    (void)state;
    entry_prf(keys[0], epoch, &author, 7, nonce);
    entry_prf(keys[1], epoch, &other, 7, nonce);
    entry_prf(keys[2], epoch, &author, 8, nonce);
    entry_prf(keys[3], epoch, &author, 7, other_nonce);
    entry_prf(keys[4], epoch, &author, 7, nonce);
    for (size_t i = 1; i < 4; i++)
        assert_memory_not_equal(keys[0], keys[i], 32);
    assert_memory_equal(keys[0], keys[4], 32);
    hark_epoch_free(epoch);
}

/* ---- boxes ---- */

enum { MEMBERS = 5 };

static void seal_to_members(const struct hark_epoch *epoch, struct hark_epoch_box *boxes)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct hark_box *box = box_of((uint8_t)(i + 1));

        boxes[i].number = 100u + i;
        boxes[i].to = *hark_box_key(box);
        hark_box_free(box);
    }
    OK(hark_epoch_seal_boxes(epoch, boxes, MEMBERS, &err));
}

static void test_epoch__boxes_are_libsodiums(void **state)
{
    struct hark_epoch *epoch = epoch_of(&space, 4);
    struct hark_epoch_box boxes[MEMBERS];
    uint8_t plain[HARK_EPOCH_KEY_SIZE];

    (void)state;
    seal_to_members(epoch, boxes);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct hark_box *box = box_of((uint8_t)(i + 1));

        assert_true(opens(box, boxes[i].sealed, plain));
        assert_memory_equal(plain, key_bytes, sizeof(plain));
        assert_false(opens(box, boxes[(i + 1) % MEMBERS].sealed, plain));
        /* No two of the same ephemeral key. */
        assert_memory_not_equal(boxes[i].sealed, boxes[(i + 1) % MEMBERS].sealed, HARK_KEY_SIZE);
        hark_box_free(box);
    }
    hark_epoch_free(epoch);
}

static void test_epoch__members_find_the_box_that_is_wrong(void **state)
{
    struct hark_epoch *epoch = epoch_of(&space, 4);
    struct hark_epoch_box boxes[MEMBERS];
    size_t wrong = 99;

    (void)state;
    seal_to_members(epoch, boxes);
    OK(hark_epoch_check_boxes(epoch, boxes, MEMBERS, &wrong, &err));
    assert_int_equal(wrong, 99);
    for (size_t at = 0; at < HARK_EPOCH_BOX_SIZE; at++) {
        size_t which = at % MEMBERS;

        boxes[which].sealed[at] ^= 1;
        assert_int_equal(hark_epoch_check_boxes(epoch, boxes, MEMBERS, &wrong, &err),
                         HARK_E_EPOCH_KEY);
        assert_int_equal(wrong, which);
        boxes[which].sealed[at] ^= 1;
    }
    boxes[3].sealed[70] ^= 1;
    assert_int_equal(hark_epoch_check_boxes(epoch, boxes, MEMBERS, NULL, &err), HARK_E_EPOCH_KEY);
    assert_non_null(strstr(err.message, "key number 103"));
    hark_epoch_free(epoch);
}

/* A steward who gives one member another key, in a box that opens. */
static void test_epoch__another_key_for_one_member(void **state)
{
    struct hark_epoch *epoch = epoch_of(&space, 4), *other = NULL, *got = NULL;
    struct hark_epoch_box boxes[MEMBERS];
    struct hark_box *box = box_of(3);
    uint8_t commitment[32];
    size_t wrong = 0;

    (void)state;
    seal_to_members(epoch, boxes);
    OK(hark_epoch_commitment(commitment, epoch, &err));
    OK(hark_epoch_new(&other, &space, 4, &err));
    OK(hark_epoch_seal_boxes(other, &boxes[2], 1, &err));
    assert_int_equal(hark_epoch_check_boxes(epoch, boxes, MEMBERS, &wrong, &err), HARK_E_EPOCH_KEY);
    assert_int_equal(wrong, 2);
    got = epoch;
    assert_int_equal(hark_epoch_open_box(&got, &space, 4, commitment, box, boxes[2].sealed, &err),
                     HARK_E_EPOCH_KEY);
    assert_null(got);
    assert_non_null(strstr(err.message, "committed to"));
    hark_epoch_free(epoch);
    hark_epoch_free(other);
    hark_box_free(box);
}

static void test_epoch__a_box_opens_to_its_own(void **state)
{
    struct hark_epoch *epoch = epoch_of(&space, 4), *got = NULL;
    struct hark_epoch_box boxes[MEMBERS];
    struct hark_box *box = box_of(1), *other = box_of(2);
    uint8_t commitment[32], again[32];

    (void)state;
    seal_to_members(epoch, boxes);
    OK(hark_epoch_commitment(commitment, epoch, &err));
    OK(hark_epoch_open_box(&got, &space, 4, commitment, box, boxes[0].sealed, &err));
    OK(hark_epoch_commitment(again, got, &err));
    assert_memory_equal(commitment, again, 32);
    assert_int_equal(hark_epoch_number(got), 4);
    hark_epoch_free(got);
    assert_int_equal(hark_epoch_open_box(&got, &space, 4, commitment, other, boxes[0].sealed, &err),
                     HARK_E_SEAL);
    assert_int_equal(hark_epoch_open_box(&got, &space, 5, commitment, box, boxes[0].sealed, &err),
                     HARK_E_EPOCH_KEY);
    for (size_t at = 0; at < HARK_EPOCH_BOX_SIZE; at++) {
        boxes[0].sealed[at] ^= 0x80;
        assert_int_not_equal(
            hark_epoch_open_box(&got, &space, 4, commitment, box, boxes[0].sealed, &err), 0);
        assert_null(got);
        boxes[0].sealed[at] ^= 0x80;
    }
    hark_epoch_free(epoch);
    hark_box_free(box);
    hark_box_free(other);
}

/* The right key in a box that others would find wrong. */
static void test_epoch__a_box_by_another_ephemeral_key(void **state)
{
    struct hark_epoch *epoch = epoch_of(&space, 4), *got = NULL;
    struct hark_box *box = box_of(1);
    uint8_t commitment[32], sealed[HARK_EPOCH_BOX_SIZE];

    (void)state;
    OK(hark_epoch_commitment(commitment, epoch, &err));
    assert_int_equal(crypto_box_seal(sealed, key_bytes, 32, hark_box_key(box)->bytes), 0);
    assert_int_equal(hark_epoch_open_box(&got, &space, 4, NULL, box, sealed, &err),
                     HARK_E_EPOCH_KEY);
    assert_null(got);
    assert_int_equal(hark_epoch_open_box(&got, &space, 4, commitment, box, sealed, &err),
                     HARK_E_EPOCH_KEY);
    assert_null(got);
    hark_epoch_free(epoch);
    hark_box_free(box);
}

static void test_epoch__nobody_is_sealed_to_a_key_of_small_order(void **state)
{
    struct hark_epoch *epoch = epoch_of(&space, 4);
    struct hark_epoch_box boxes[MEMBERS];
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(small_order) / sizeof(small_order[0]); i++) {
        seal_to_members(epoch, boxes);
        boxes[4].to = small_order[i];
        assert_int_equal(hark_epoch_seal_boxes(epoch, boxes, MEMBERS, &err), HARK_E_SEAL);
        assert_non_null(strstr(err.message, "key number 104"));
        assert_int_equal(hark_epoch_check_boxes(epoch, boxes, MEMBERS, &wrong, &err),
                         HARK_E_EPOCH_KEY);
        assert_int_equal(wrong, 4);
    }
    hark_epoch_free(epoch);
}

static void test_epoch__a_part_is_bounded(void **state)
{
    static struct hark_epoch_box boxes[HARK_EPOCH_PART_MAX + 1];
    struct hark_epoch *epoch = epoch_of(&space, 4);
    struct hark_box *box = box_of(1);

    (void)state;
    for (size_t i = 0; i <= HARK_EPOCH_PART_MAX; i++)
        boxes[i].to = *hark_box_key(box);
    OK(hark_epoch_seal_boxes(epoch, boxes, HARK_EPOCH_PART_MAX, &err));
    OK(hark_epoch_check_boxes(epoch, boxes, HARK_EPOCH_PART_MAX, NULL, &err));
    OK(hark_epoch_seal_boxes(epoch, boxes, 0, &err));
    assert_int_equal(hark_epoch_seal_boxes(epoch, boxes, HARK_EPOCH_PART_MAX + 1, &err),
                     HARK_E_LIMIT);
    assert_int_equal(hark_epoch_check_boxes(epoch, boxes, HARK_EPOCH_PART_MAX + 1, NULL, &err),
                     HARK_E_LIMIT);
    hark_epoch_free(epoch);
    hark_box_free(box);
}

/* ---- who joins ---- */

/* With nothing committed to, the box has to be the one that its key makes all the same. */
static void test_epoch__who_joins_opens_without_a_commitment(void **state)
{
    struct hark_epoch *epoch = epoch_of(&space, 4), *got = NULL;
    struct hark_box *box = box_of(1), *other = box_of(2);
    struct hark_epoch_box joins = {.to = *hark_box_key(box)};
    uint8_t bytes[HARK_EPOCH_KEY_SIZE];

    (void)state;
    OK(hark_epoch_seal_boxes(epoch, &joins, 1, &err));
    OK(hark_epoch_open_box(&got, &space, 4, NULL, box, joins.sealed, &err));
    hark_epoch_bytes(bytes, got);
    assert_memory_equal(bytes, key_bytes, sizeof(bytes));
    hark_epoch_free(got);
    assert_int_equal(hark_epoch_open_box(&got, &space, 4, NULL, other, joins.sealed, &err),
                     HARK_E_SEAL);
    assert_int_equal(hark_epoch_open_box(&got, &space, 5, NULL, box, joins.sealed, &err),
                     HARK_E_EPOCH_KEY);
    assert_null(got);
    hark_epoch_free(epoch);
    hark_box_free(box);
    hark_box_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epoch__a_step_is_one_way_and_by_number),
        cmocka_unit_test(test_epoch__the_last_one_has_no_next),
        cmocka_unit_test(test_epoch__new_ones_differ),
        cmocka_unit_test(test_epoch__space_and_number_go_into_everything),
        cmocka_unit_test(test_epoch__entry_keys_are_each_entrys_own),
        cmocka_unit_test(test_epoch__boxes_are_libsodiums),
        cmocka_unit_test(test_epoch__members_find_the_box_that_is_wrong),
        cmocka_unit_test(test_epoch__another_key_for_one_member),
        cmocka_unit_test(test_epoch__a_box_opens_to_its_own),
        cmocka_unit_test(test_epoch__a_box_by_another_ephemeral_key),
        cmocka_unit_test(test_epoch__nobody_is_sealed_to_a_key_of_small_order),
        cmocka_unit_test(test_epoch__a_part_is_bounded),
        cmocka_unit_test(test_epoch__who_joins_opens_without_a_commitment),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
