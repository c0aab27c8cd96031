/*
 * schemas/overlay: whatever is written over a store reads as if it had been written
 * into it, and what lies below is not touched; a state goes on over it where the
 * state below stands.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/state.h"
#include "schemas/store.h"
#include "tests/support/worldgen.h"

#define ROUNDS     60u
#define OPERATIONS 600u
#define NUMBERS    48u
#define KEYS       24u

static struct hark_err err;

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);

    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

static struct hark_span draw_key(uint8_t room[HARK_LOOKUP_MAX])
{
    uint64_t which = draw(KEYS);

    /* Short, long, and each the beginning of another. */
    memset(room, (int)(which / 3), HARK_LOOKUP_MAX);
    return hark_span(room, which % 3 == 0 ? 1 : which % 3 == 1 ? 32 : HARK_LOOKUP_MAX);
}

/* The same operation on both, with the same outcome. */
static void same_write(const struct hark_store *a, const struct hark_store *b)
{
    uint8_t bytes[HARK_OBJECT_MAX], room[HARK_LOOKUP_MAX];
    enum hark_section section = (enum hark_section)draw(HARK_SECTION_COUNT_);
    enum hark_lookup lookup = (enum hark_lookup)draw(HARK_LOOKUP_COUNT_);
    uint64_t number = draw(NUMBERS);
    size_t size = (size_t)draw(draw(4) == 0 ? HARK_OBJECT_MAX + 1 : 40);
    struct hark_span key = draw_key(room);
    int left, right;

    memset(bytes, (int)draw(256), sizeof(bytes));
    switch (draw(3)) {
    case 0:
        left = a->put(a->arg, section, number, bytes, size, NULL);
        right = b->put(b->arg, section, number, bytes, size, NULL);
        break;
    case 1:
        left = a->bind(a->arg, lookup, key, number, NULL);
        right = b->bind(b->arg, lookup, key, number, NULL);
        break;
    default:
        left = a->unbind(a->arg, lookup, key, NULL);
        right = b->unbind(b->arg, lookup, key, NULL);
        break;
    }
    assert_int_equal(left, right);
}

static void same_object(const struct hark_store *a, const struct hark_store *b,
                        enum hark_section section, uint64_t number)
{
    uint8_t left[HARK_OBJECT_MAX], right[HARK_OBJECT_MAX];
    size_t left_size = 0, right_size = 0;
    int rc = a->get(a->arg, section, number, left, &left_size, NULL);

    assert_int_equal(b->get(b->arg, section, number, right, &right_size, NULL), rc);
    assert_int_equal(left_size, right_size);
    assert_memory_equal(left, right, left_size);
}

static void same_everything(const struct hark_store *a, const struct hark_store *b)
{
    for (int s = 0; s < HARK_SECTION_COUNT_; s++) {
        uint64_t left = 0, right = 1;

        assert_int_equal(a->count(a->arg, (enum hark_section)s, &left, NULL), 0);
        assert_int_equal(b->count(b->arg, (enum hark_section)s, &right, NULL), 0);
        assert_int_equal(left, right);
        for (uint64_t i = 0; i <= left + 1; i++)
            same_object(a, b, (enum hark_section)s, i);
    }
    for (int l = 0; l < HARK_LOOKUP_COUNT_; l++) {
        for (unsigned i = 0; i < 3 * KEYS; i++) {
            uint8_t room[HARK_LOOKUP_MAX];
            struct hark_span key = draw_key(room);
            bool left = false, right = true;
            uint64_t left_number = 0, right_number = 0;

            assert_int_equal(a->find(a->arg, (enum hark_lookup)l, key, &left, &left_number, NULL),
                             0);
            assert_int_equal(b->find(b->arg, (enum hark_lookup)l, key, &right, &right_number, NULL),
                             0);
            assert_int_equal(left, right);
            assert_int_equal(left_number, right_number);
        }
    }
}

static void test_overlay__random_writes_read_like_those_into_a_copy(void **arg)
{
    (void)arg;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct hark_memstore *below = NULL, *before = NULL, *plain = NULL;
        struct hark_overlay *overlay = NULL;
        struct hark_store under, over, copy, untouched;

        seed = round; /* a failure's round is the last one printed */
        assert_int_equal(hark_memstore_new(&below, &err), 0);
        under = hark_memstore_store(below);
        for (uint64_t i = 0, n = draw(OPERATIONS); i < n; i++)
            same_write(&under, &under);
        assert_int_equal(hark_memstore_copy(&plain, below, &err), 0);
        assert_int_equal(hark_memstore_copy(&before, below, &err), 0);
        copy = hark_memstore_store(plain);
        untouched = hark_memstore_store(before);
        assert_int_equal(hark_overlay_new(&overlay, &under, &err), 0);
        over = hark_overlay_store(overlay);
        same_everything(&over, &copy);
        for (unsigned i = 0; i < OPERATIONS; i++) {
            same_write(&over, &copy);
            if (i % 100 == 0)
                same_everything(&over, &copy);
        }
        same_everything(&over, &copy);
        same_everything(&under, &untouched);
        hark_overlay_clear(overlay);
        same_everything(&over, &untouched);
        hark_overlay_free(overlay);
        hark_memstore_free(below);
        hark_memstore_free(before);
        hark_memstore_free(plain);
    }
}

static void test_overlay__what_cannot_be_written_is_refused(void **arg)
{
    struct hark_memstore *below = NULL;
    struct hark_overlay *overlay = NULL;
    struct hark_store under, over;
    uint8_t big[HARK_OBJECT_MAX + 1] = {0};
    struct hark_hash root;
    bool found = false;
    uint64_t number = 0;

    (void)arg;
    assert_int_equal(hark_memstore_new(&below, &err), 0);
    under = hark_memstore_store(below);
    assert_int_equal(hark_overlay_new(&overlay, &under, &err), 0);
    over = hark_overlay_store(overlay);
    assert_int_equal(over.put(over.arg, HARK_SECTION_KEY, 1, big, 1, NULL), HARK_E_INTERNAL);
    assert_int_equal(over.put(over.arg, HARK_SECTION_FEED, UINT64_MAX, big, 1, NULL),
                     HARK_E_INTERNAL);
    assert_int_equal(over.put(over.arg, HARK_SECTION_KEY, 0, big, sizeof(big), NULL),
                     HARK_E_INTERNAL);
    assert_int_equal(over.bind(over.arg, HARK_LOOKUP_NAME, hark_span(big, 65), 1, NULL),
                     HARK_E_INTERNAL);
    assert_int_equal(
        over.find(over.arg, HARK_LOOKUP_NAME, hark_span(big, 65), &found, &number, NULL),
        HARK_E_INTERNAL);
    /* Nothing provisional is ever hashed. */
    assert_int_equal(over.root(over.arg, HARK_SECTION_KEY, &root, NULL), HARK_E_INTERNAL);
    hark_overlay_free(overlay);
    hark_memstore_free(below);
    hark_overlay_free(NULL);
}

/* The state over an overlay goes on where the one below stands, own kinds and log
 * tree included, entry by entry as a state of its own would; and over that one a
 * second one. */
static void test_overlay__a_state_goes_on_over_it(void **arg)
{
    (void)arg;
    for (uint64_t s = 0; s < 6; s++) {
        struct world *w = world_new(s, NULL, NULL);
        struct hark_memstore *copy = NULL;
        struct hark_store store, top_store;
        struct hark_overlay *overlay = NULL, *top = NULL;
        struct hark_state *over = NULL, *over_top = NULL;
        struct hark_hash left, right, before;
        size_t from;

        for (unsigned i = 0; i < 120; i++)
            world_step(w);
        from = w->count;
        assert_int_equal(hark_memstore_copy(&copy, w->mem, &err), 0);
        store = hark_memstore_store(copy);
        assert_int_equal(hark_overlay_new(&overlay, &store, &err), 0);
        store = hark_overlay_store(overlay);
        assert_int_equal(hark_state_open(&over, &w->space, &store, &err), 0);
        assert_int_equal(hark_state_size(over), from);
        before = hark_merkle_root(hark_state_log(w->state));
        left = hark_merkle_root(hark_state_log(over));
        assert_true(hark_hash_equal(&left, &before));
        for (unsigned i = 0; i < 240; i++) {
            const struct world_entry *e;
            struct hark_effect effect;

            world_step(w);
            e = w->log[w->count - 1];
            if (i == 120) { /* from here on in the second one */
                assert_int_equal(hark_overlay_new(&top, &store, &err), 0);
                top_store = hark_overlay_store(top);
                assert_int_equal(hark_state_open(&over_top, &w->space, &top_store, &err), 0);
            }
            assert_int_equal(hark_state_apply(i < 120 ? over : over_top, &e->entry, &e->arrival,
                                              e->payload, &effect, &err),
                             0);
            assert_memory_equal(&effect, &e->effect, sizeof(effect));
        }
        left = hark_merkle_root(hark_state_log(over_top));
        right = hark_merkle_root(hark_state_log(w->state));
        assert_true(hark_hash_equal(&left, &right));
        assert_int_equal(hark_state_hash(over_top, &left, &err), HARK_E_INTERNAL);
        /* Cleared, it is what is below again. */
        hark_overlay_clear(top);
        hark_overlay_clear(overlay);
        assert_int_equal(hark_state_reload(over, &err), 0);
        left = hark_merkle_root(hark_state_log(over));
        assert_true(hark_hash_equal(&left, &before));
        assert_int_equal(hark_state_size(over), from);
        hark_state_free(over_top);
        hark_state_free(over);
        hark_overlay_free(top);
        hark_overlay_free(overlay);
        hark_memstore_free(copy);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlay__random_writes_read_like_those_into_a_copy),
        cmocka_unit_test(test_overlay__what_cannot_be_written_is_refused),
        cmocka_unit_test(test_overlay__a_state_goes_on_over_it),
    };

    return hark_crypto_init(NULL) == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
