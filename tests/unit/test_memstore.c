/*
 * schemas/memstore: what a store promises (schemas/store.h), and that its roots
 * are those of the plain tree over the objects, however they came to be.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/merkle.h"
#include "schemas/store.h"

#define OBJECTS 70u

static int setup(void **arg)
{
    struct hark_memstore *mem = NULL;
    int rc = hark_memstore_new(&mem, NULL);

    *arg = mem;
    return rc;
}

static int teardown(void **arg)
{
    hark_memstore_free(*arg);
    return 0;
}

static struct hark_hash plain_root(const uint32_t *objects, size_t count)
{
    struct hark_merkle tree = {.size = 0};

    for (size_t i = 0; i < count; i++) {
        struct hark_hash leaf =
            hark_merkle_leaf(hark_span(&objects[i], objects[i] % sizeof(objects[i]) + 1));

        hark_merkle_append(&tree, &leaf);
    }
    return hark_merkle_root(&tree);
}

static void put(const struct hark_store *store, uint32_t *objects, size_t i, uint32_t value)
{
    objects[i] = value;
    assert_int_equal(store->put(store->arg, HARK_SECTION_KEY, i, (const uint8_t *)&objects[i],
                                value % sizeof(value) + 1, NULL),
                     0);
}

static void assert_root(const struct hark_store *store, const uint32_t *objects, size_t count)
{
    struct hark_hash root;
    struct hark_hash want = plain_root(objects, count);
    uint64_t counted = 0;

    assert_int_equal(store->root(store->arg, HARK_SECTION_KEY, &root, NULL), 0);
    assert_true(hark_hash_equal(&root, &want));
    assert_int_equal(store->count(store->arg, HARK_SECTION_KEY, &counted, NULL), 0);
    assert_int_equal(counted, count);
}

static void test_memstore__roots_are_those_of_the_plain_tree(void **arg)
{
    struct hark_store store = hark_memstore_store(*arg);
    uint32_t objects[OBJECTS];
    uint32_t value = 1;

    assert_root(&store, objects, 0);
    for (size_t n = 0; n < OBJECTS; n++) {
        put(&store, objects, n, value++);
        assert_root(&store, objects, n + 1);
        /* Replacing any one shows, be it in a full subtree or beside one. */
        for (size_t i = 0; i <= n; i += 1 + n / 7) {
            put(&store, objects, i, value++);
            assert_root(&store, objects, n + 1);
        }
    }
}

static void test_memstore__hashed_sections_are_dense(void **arg)
{
    struct hark_store store = hark_memstore_store(*arg);
    uint8_t out[HARK_OBJECT_MAX];
    uint8_t big[HARK_OBJECT_MAX + 1] = {0};
    struct hark_hash root;
    size_t size = 0;

    assert_int_equal(store.put(store.arg, HARK_SECTION_KEY, 1, big, 1, NULL), HARK_E_INTERNAL);
    assert_int_equal(store.get(store.arg, HARK_SECTION_KEY, 0, out, &size, NULL), HARK_E_NOT_FOUND);
    assert_int_equal(store.put(store.arg, HARK_SECTION_FEED, 9, big, 5, NULL), 0);
    assert_int_equal(store.get(store.arg, HARK_SECTION_FEED, 9, out, &size, NULL), 0);
    assert_int_equal(size, 5);
    assert_int_equal(store.get(store.arg, HARK_SECTION_FEED, 8, out, &size, NULL),
                     HARK_E_NOT_FOUND);
    assert_int_equal(store.put(store.arg, HARK_SECTION_FEED, UINT64_MAX, big, 5, NULL),
                     HARK_E_INTERNAL);
    assert_int_equal(store.put(store.arg, HARK_SECTION_KEY, 0, big, sizeof(big), NULL),
                     HARK_E_INTERNAL);
    assert_int_equal(store.root(store.arg, HARK_SECTION_FEED, &root, NULL), HARK_E_INTERNAL);
}

static void assert_bound(const struct hark_store *store, const char *key, bool want,
                         uint64_t number)
{
    bool found = !want;
    uint64_t got = 0;

    assert_int_equal(
        store->find(store->arg, HARK_LOOKUP_NAME, hark_span_str(key), &found, &got, NULL), 0);
    assert_int_equal(found, want);
    if (want)
        assert_int_equal(got, number);
}

static void test_memstore__lookups_bind_replace_and_forget(void **arg)
{
    struct hark_store store = hark_memstore_store(*arg);
    uint8_t big[HARK_LOOKUP_MAX + 1] = {0};
    bool found = false;
    uint64_t number = 0;

    assert_bound(&store, "na", false, 0);
    assert_int_equal(store.bind(store.arg, HARK_LOOKUP_NAME, hark_span_str("na"), 1, NULL), 0);
    assert_int_equal(store.bind(store.arg, HARK_LOOKUP_NAME, hark_span_str("nab"), 2, NULL), 0);
    assert_int_equal(store.bind(store.arg, HARK_LOOKUP_KEY, hark_span_str("nac"), 3, NULL), 0);
    assert_bound(&store, "na", true, 1);
    assert_bound(&store, "nab", true, 2);
    assert_bound(&store, "n", false, 0);
    assert_bound(&store, "nac", false, 0); /* bound in another look-up */
    assert_int_equal(store.bind(store.arg, HARK_LOOKUP_NAME, hark_span_str("na"), 7, NULL), 0);
    assert_bound(&store, "na", true, 7);
    assert_int_equal(store.unbind(store.arg, HARK_LOOKUP_NAME, hark_span_str("na"), NULL), 0);
    assert_int_equal(store.unbind(store.arg, HARK_LOOKUP_NAME, hark_span_str("na"), NULL), 0);
    assert_bound(&store, "na", false, 0);
    assert_bound(&store, "nab", true, 2);
    assert_int_equal(store.bind(store.arg, HARK_LOOKUP_NAME, hark_span(big, sizeof(big)), 1, NULL),
                     HARK_E_INTERNAL);
    assert_int_equal(
        store.find(store.arg, HARK_LOOKUP_NAME, hark_span(big, sizeof(big)), &found, &number, NULL),
        HARK_E_INTERNAL);
}

static void assert_many(const struct hark_store *store, uint64_t count, uint64_t step)
{
    for (uint64_t i = 0; i < count + 10; i++) {
        struct hark_span key = hark_span(&i, i % 2 == 0 ? 8 : 3);
        bool found = false, want = i < count && i % 3 != 0;
        uint64_t number = 0;

        assert_int_equal(store->find(store->arg, HARK_LOOKUP_OTHER, key, &found, &number, NULL), 0);
        assert_int_equal(found, want);
        if (want)
            assert_int_equal(number, i * step);
    }
}

/* However many there are, none is lost and none is taken for another; what was unbound
 * stays so while others come, in a copy as well, and can be bound again. */
static void test_memstore__many_lookups(void **arg)
{
    struct hark_store store = hark_memstore_store(*arg);
    struct hark_memstore *copied = NULL;
    const uint64_t count = 20000;
    struct hark_store copy;

    for (uint64_t step = 1; step <= 2; step++) {
        for (uint64_t i = 0; i < count; i++) {
            struct hark_span key = hark_span(&i, i % 2 == 0 ? 8 : 3);

            assert_int_equal(store.bind(store.arg, HARK_LOOKUP_OTHER, key, i * step, NULL), 0);
            if (i % 3 == 0)
                assert_int_equal(store.unbind(store.arg, HARK_LOOKUP_OTHER, key, NULL), 0);
        }
        assert_many(&store, count, step);
    }
    assert_int_equal(hark_memstore_copy(&copied, *arg, NULL), 0);
    copy = hark_memstore_store(copied);
    assert_many(&copy, count, 2);
    hark_memstore_free(copied);
}

/* An object may become larger than any before it, and smaller again; its neighbours
 * stay as they are. */
static void test_memstore__objects_change_their_size(void **arg)
{
    struct hark_store store = hark_memstore_store(*arg);
    uint8_t bytes[HARK_OBJECT_MAX], out[HARK_OBJECT_MAX];
    const size_t sizes[] = {0, 3, 40, 7, HARK_OBJECT_MAX, 1};
    size_t size = 0;

    memset(bytes, 0x5a, sizeof(bytes));
    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(store.put(store.arg, HARK_SECTION_MEMBER, i, (const uint8_t *)&i, 1, NULL),
                         0);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        assert_int_equal(store.put(store.arg, HARK_SECTION_MEMBER, 17, bytes, sizes[s], NULL), 0);
        for (uint64_t i = 0; i < 40; i++) {
            assert_int_equal(store.get(store.arg, HARK_SECTION_MEMBER, i, out, &size, NULL), 0);
            assert_int_equal(size, i == 17 ? sizes[s] : 1);
            if (size > 0)
                assert_memory_equal(out, i == 17 ? bytes : (const uint8_t *)&i, size);
        }
    }
}

static void test_memstore__a_copy_goes_its_own_way(void **arg)
{
    struct hark_store store = hark_memstore_store(*arg);
    struct hark_memstore *copied = NULL;
    struct hark_store copy;
    uint32_t objects[OBJECTS];
    uint32_t others[OBJECTS];

    for (uint32_t i = 0; i < OBJECTS; i++)
        put(&store, objects, i, i);
    assert_int_equal(store.put(store.arg, HARK_SECTION_SMALL, 5, (const uint8_t *)"five", 4, NULL),
                     0);
    assert_int_equal(store.bind(store.arg, HARK_LOOKUP_NAME, hark_span_str("na"), 1, NULL), 0);
    assert_int_equal(hark_memstore_copy(&copied, *arg, NULL), 0);
    copy = hark_memstore_store(copied);
    memcpy(others, objects, sizeof(others));
    assert_root(&copy, others, OBJECTS);
    assert_bound(&copy, "na", true, 1);
    put(&copy, others, 3, 1000);
    assert_int_equal(copy.bind(copy.arg, HARK_LOOKUP_NAME, hark_span_str("na"), 2, NULL), 0);
    assert_root(&copy, others, OBJECTS);
    assert_root(&store, objects, OBJECTS);
    assert_bound(&store, "na", true, 1);
    hark_memstore_free(copied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memstore__roots_are_those_of_the_plain_tree, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_memstore__hashed_sections_are_dense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memstore__many_lookups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memstore__objects_change_their_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memstore__lookups_bind_replace_and_forget, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_memstore__a_copy_goes_its_own_way, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
