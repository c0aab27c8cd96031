/*
 * node/index_store and index_tree: the store against a plain model of it, under
 * random writes, commits, rollbacks and reopening; roots against the definition.
 */
#include "index_world.h"

#define OBJECTS 3000u
#define KEYS    500u

struct model {
    uint64_t counts[2]; /* of ENTRY and MEMBER */
    uint64_t objects[2][OBJECTS];
    bool bound[KEYS];
    uint64_t numbers[KEYS];
    bool feeds[64];
    uint64_t feed[64];
};

static const enum hark_section sections[2] = {HARK_SECTION_ENTRY, HARK_SECTION_MEMBER};

/* An object's bytes from one number: small ones, and some too large to cache. */
static size_t object_bytes(uint8_t out[HARK_OBJECT_MAX], uint64_t value)
{
    size_t size = value % 20 == 0 ? 700 : 8 + value % 40;

    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> (8 * (i % 8)));
    return size;
}

static struct hark_hash naive_root(const struct model *m, int s)
{
    struct hark_merkle tree = {0};
    uint8_t bytes[HARK_OBJECT_MAX];

    for (uint64_t i = 0; i < m->counts[s]; i++) {
        size_t size = object_bytes(bytes, m->objects[s][i]);
        struct hark_hash leaf = hark_merkle_leaf(hark_span(bytes, size));

        hark_merkle_append(&tree, &leaf);
    }
    return hark_merkle_root(&tree);
}

static void compare(struct world *w, const struct model *m, uint64_t one_in)
{
    struct hark_store store = hark_index_store(w->index);
    uint8_t got[HARK_OBJECT_MAX], wanted[HARK_OBJECT_MAX];
    size_t size = 0;
    uint64_t number = 0;
    bool found = false;

    /* First: a root writes what is kept back. */
    for (uint64_t k = 0; k < KEYS; k++) {
        struct hark_hash key = world_hash("key", k);

        ok(w, store.find(store.arg, HARK_LOOKUP_KEY, hark_span(key.bytes, 1 + k % 32), &found,
                         &number, &w->err));
        assert_int_equal(found, m->bound[k]);
        if (found)
            assert_int_equal(number, m->numbers[k]);
    }
    for (int s = 0; s < 2; s++) {
        struct hark_hash root, naive = naive_root(m, s);

        ok(w, store.count(store.arg, sections[s], &number, &w->err));
        assert_int_equal(number, m->counts[s]);
        for (uint64_t i = 0; i < m->counts[s]; i++) {
            size_t wanted_size = object_bytes(wanted, m->objects[s][i]);

            if (world_random(w, one_in) != 0)
                continue;
            ok(w, store.get(store.arg, sections[s], i, got, &size, &w->err));
            assert_int_equal(size, wanted_size);
            assert_memory_equal(got, wanted, size);
        }
        ok(w, store.root(store.arg, sections[s], &root, &w->err));
        assert_memory_equal(root.bytes, naive.bytes, HARK_HASH_SIZE);
    }
    for (uint64_t f = 0; f < 64; f++) {
        int rc = store.get(store.arg, HARK_SECTION_FEED, f * 1000, got, &size, &w->err);

        assert_int_equal(rc, m->feeds[f] ? 0 : HARK_E_NOT_FOUND);
        if (rc == 0)
            assert_int_equal(hark_get_u64(got), m->feed[f]);
    }
}

static void random_put(struct world *w, struct model *m)
{
    struct hark_store store = hark_index_store(w->index);
    int s = (int)world_random(w, 2);
    uint64_t at = world_random(w, 3) == 0 ? world_random(w, m->counts[s] + 1) : m->counts[s];
    uint64_t value = world_random(w, UINT64_C(1) << 60);
    uint8_t bytes[HARK_OBJECT_MAX];
    size_t size = object_bytes(bytes, value);

    if (at == OBJECTS)
        at = 0;
    ok(w, store.put(store.arg, sections[s], at, bytes, size, &w->err));
    m->objects[s][at] = value;
    if (at == m->counts[s])
        m->counts[s]++;
}

static void random_write(struct world *w, struct model *m)
{
    struct hark_store store = hark_index_store(w->index);
    uint64_t k = world_random(w, KEYS), f = world_random(w, 64);
    struct hark_hash hash = world_hash("key", k);
    struct hark_span key = hark_span(hash.bytes, 1 + k % 32);
    uint8_t feed[8];

    switch (world_random(w, 5)) {
    case 0:
        m->bound[k] = true;
        m->numbers[k] = world_random(w, 1000000);
        ok(w, store.bind(store.arg, HARK_LOOKUP_KEY, key, m->numbers[k], &w->err));
        break;
    case 1:
        m->bound[k] = false;
        ok(w, store.unbind(store.arg, HARK_LOOKUP_KEY, key, &w->err));
        break;
    case 2:
        m->feeds[f] = true;
        m->feed[f] = world_random(w, 1000000);
        hark_put_u64(feed, m->feed[f]);
        ok(w, store.put(store.arg, HARK_SECTION_FEED, f * 1000, feed, 8, &w->err));
        break;
    default:
        random_put(w, m);
        break;
    }
}

/* Whatever order of writes, roots, commits, rollbacks and reopenings: the store
 * is what the model is. Catches a cache that outlives a rollback, a tile that is
 * not recomputed, an evicted object that is lost. */
static void test_index_store__is_what_a_plain_model_is(void **state)
{
    struct world *w = *state;
    struct model *m = calloc(2, sizeof(*m));

    assert_non_null(m);
    for (int round = 0; round < 150; round++) {
        uint64_t writes = world_random(w, 400);

        m[1] = m[0];
        world_begin(w);
        for (uint64_t i = 0; i < writes; i++)
            random_write(w, &m[0]);
        if (round % 7 == 0)
            compare(w, &m[0], 10);
        if (world_random(w, 3) == 0) {
            hark_index_rollback(w->index);
            m[0] = m[1];
        } else {
            world_commit(w);
        }
        if (round % 5 == 0) {
            hark_index_free(w->index);
            world_open(w);
        }
        compare(w, &m[0], 10);
    }
    assert_true(m[0].counts[0] > 1024 && m[0].counts[1] > 1024);
    compare(w, &m[0], 1);
    free(m);
}

/* Beyond 65,536 objects a third level of tiles begins, and more look-ups wait in
 * one transaction than are kept back. */
static void test_index_store__grows_past_the_second_level(void **state)
{
    struct world *w = *state;
    struct hark_store store = hark_index_store(w->index);
    const uint64_t count = 65536 + 300;
    struct hark_merkle tree = {0};
    uint8_t bytes[HARK_OBJECT_MAX], key[8];
    struct hark_hash root, naive;
    uint64_t number = 0;
    bool found = false;

    world_begin(w);
    for (uint64_t i = 0; i < count; i++) {
        size_t size = object_bytes(bytes, i * 7 + 1);
        struct hark_hash leaf = hark_merkle_leaf(hark_span(bytes, size));

        hark_merkle_append(&tree, &leaf);
        ok(w, store.put(store.arg, HARK_SECTION_ENTRY, i, bytes, size, &w->err));
        hark_put_u64(key, i * UINT64_C(0x9e3779b97f4a7c15));
        ok(w, store.bind(store.arg, HARK_LOOKUP_ENTRY, hark_span(key, 8), i, &w->err));
    }
    world_commit(w);
    hark_index_free(w->index);
    world_open(w);
    store = hark_index_store(w->index);
    ok(w, store.root(store.arg, HARK_SECTION_ENTRY, &root, &w->err));
    naive = hark_merkle_root(&tree);
    assert_memory_equal(&root, &naive, sizeof(root));
    for (uint64_t i = 0; i < count; i += 97) {
        hark_put_u64(key, i * UINT64_C(0x9e3779b97f4a7c15));
        ok(w,
           store.find(store.arg, HARK_LOOKUP_ENTRY, hark_span(key, 8), &found, &number, &w->err));
        assert_true(found && number == i);
    }
}

/* A read-only connection sees what is committed, with the same roots, while the
 * writer is in the middle of a transaction. */
static void test_index_store__is_read_while_it_is_written(void **state)
{
    struct world *w = *state;
    struct hark_store store = hark_index_store(w->index), reading;
    struct hark_index *reader = NULL;
    uint8_t bytes[HARK_OBJECT_MAX];
    struct hark_hash before, now, again;
    size_t size = 0;

    world_begin(w);
    for (uint64_t i = 0; i < 1000; i++)
        ok(w, store.put(store.arg, HARK_SECTION_ENTRY, i, bytes, object_bytes(bytes, i), &w->err));
    world_commit(w);
    ok(w, store.root(store.arg, HARK_SECTION_ENTRY, &before, &w->err));
    ok(w, hark_index_open(&reader, w->path, &w->space, false, true, &w->err));
    reading = hark_index_store(reader);
    world_begin(w);
    ok(w, store.put(store.arg, HARK_SECTION_ENTRY, 3, bytes, object_bytes(bytes, 77), &w->err));
    ok(w, reading.root(reading.arg, HARK_SECTION_ENTRY, &now, &w->err));
    assert_memory_equal(&now, &before, sizeof(now));
    world_commit(w);
    ok(w, reading.root(reading.arg, HARK_SECTION_ENTRY, &now, &w->err));
    ok(w, store.root(store.arg, HARK_SECTION_ENTRY, &again, &w->err));
    assert_memory_equal(&now, &again, sizeof(now));
    assert_memory_not_equal(&now, &before, sizeof(now));
    ok(w, reading.get(reading.arg, HARK_SECTION_ENTRY, 3, bytes, &size, &w->err));
    assert_int_equal(bytes[0], 77);
    assert_int_equal(reading.put(reading.arg, HARK_SECTION_ENTRY, 3, bytes, size, &w->err),
                     HARK_E_INTERNAL);
    hark_index_free(reader);
}

/* Writing outside a transaction would not be taken back with it. */
static void test_index_store__is_written_in_transactions_only(void **state)
{
    struct world *w = *state;
    struct hark_store store = hark_index_store(w->index);
    uint8_t bytes[8] = {0};

    assert_int_equal(store.put(store.arg, HARK_SECTION_ENTRY, 0, bytes, 8, &w->err),
                     HARK_E_INTERNAL);
    assert_int_equal(store.bind(store.arg, HARK_LOOKUP_KEY, hark_span(bytes, 8), 1, &w->err),
                     HARK_E_INTERNAL);
    world_begin(w);
    assert_int_equal(store.put(store.arg, HARK_SECTION_ENTRY, 1, bytes, 8, &w->err),
                     HARK_E_INTERNAL);
    assert_int_equal(
        store.put(store.arg, HARK_SECTION_ENTRY, 0, bytes, HARK_OBJECT_MAX + 1, &w->err),
        HARK_E_INTERNAL);
    hark_index_rollback(w->index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_index_store__is_what_a_plain_model_is, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_index_store__grows_past_the_second_level, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_index_store__is_read_while_it_is_written, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_index_store__is_written_in_transactions_only,
                                        world_setup, world_teardown),
    };

    return cmocka_run_group_tests_name("index_store", tests, NULL, NULL);
}
