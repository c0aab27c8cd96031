/*
 * schemas/state: the state is a function of the log. Random logs (seeds are in the
 * messages) are replayed from scratch, without the payloads that may be erased,
 * from a store opened again in the middle, and from a copy of it: always the same
 * verdicts and the same state hash at every size.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/support/worldgen.h"

#define LOGS    200
#define ENTRIES 45

static struct hark_hash state_hash(struct hark_state *state)
{
    struct hark_hash hash;

    assert_int_equal(hark_state_hash(state, &hash, NULL), 0);
    return hash;
}

static void assert_same(const struct hark_hash *a, const struct hark_hash *b, uint64_t seed,
                        size_t position)
{
    if (!hark_hash_equal(a, b))
        fail_msg("seed %llu: another state hash after position %zu", (unsigned long long)seed,
                 position);
}

struct replay {
    struct world *world;
    uint64_t seed;
    const struct hark_hash *hashes; /* after each position */
};

/* What a newcomer may be given: no payload of an erasable kind, and none that the
 * finished log calls erased. */
static struct hark_span payload_for_newcomer(const struct replay *r, const struct world_entry *e)
{
    const struct hark_kind *kind =
        hark_kinds_get(hark_state_kinds(r->world->state), e->effect.kind);
    bool erased = false;

    assert_int_equal(
        hark_state_is_erased(r->world->state, e->effect.position, &e->entry, &erased, NULL), 0);
    return kind->erasable || erased ? hark_span(NULL, 0) : e->payload;
}

static void replay_one(const struct replay *r, struct hark_state *state, size_t position,
                       bool withhold)
{
    const struct world_entry *e = r->world->log[position];
    struct hark_span payload = withhold ? payload_for_newcomer(r, e) : e->payload;
    struct hark_err err = {.code = 0};
    struct hark_effect effect;
    struct hark_hash hash;

    if (hark_state_apply(state, &e->entry, &e->arrival, payload, &effect, &err) != 0)
        fail_msg("seed %llu, position %zu: %s: %s", (unsigned long long)r->seed, position,
                 hark_err_name(err.code), err.message);
    if (effect.verdict != e->effect.verdict || effect.replaces != e->effect.replaces ||
        effect.payload_foreign != e->effect.payload_foreign)
        fail_msg("seed %llu, position %zu: another effect", (unsigned long long)r->seed, position);
    hash = state_hash(state);
    assert_same(&hash, &r->hashes[position], r->seed, position);
    /* Once more: refused, and nothing moves. */
    assert_int_equal(hark_state_apply(state, &e->entry, &e->arrival, payload, &effect, NULL),
                     HARK_E_ENTRY_DUPLICATE);
    hash = state_hash(state);
    assert_same(&hash, &r->hashes[position], r->seed, position);
}

static void replay_from_scratch(const struct replay *r, bool withhold)
{
    struct hark_memstore *mem = NULL;
    struct hark_state *state = NULL;
    struct hark_store store;

    assert_int_equal(hark_memstore_new(&mem, NULL), 0);
    store = hark_memstore_store(mem);
    assert_int_equal(hark_state_open(&state, &r->world->space, &store, NULL), 0);
    for (size_t i = 0; i < r->world->count; i++)
        replay_one(r, state, i, withhold);
    hark_state_free(state);
    hark_memstore_free(mem);
}

/* Stops at `cut`, copies the store, and goes on with both; what is done to the
 * one is not seen in the other. */
static void replay_from_prefix(const struct replay *r, size_t cut)
{
    struct hark_memstore *mems[2] = {NULL, NULL};
    struct hark_store stores[2];
    struct hark_state *state = NULL;

    assert_int_equal(hark_memstore_new(&mems[0], NULL), 0);
    stores[0] = hark_memstore_store(mems[0]);
    assert_int_equal(hark_state_open(&state, &r->world->space, &stores[0], NULL), 0);
    for (size_t i = 0; i < cut; i++)
        replay_one(r, state, i, true);
    hark_state_free(state);
    assert_int_equal(hark_memstore_copy(&mems[1], mems[0], NULL), 0);
    stores[1] = hark_memstore_store(mems[1]);
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(hark_state_open(&state, &r->world->space, &stores[k], NULL), 0);
        for (size_t i = cut; i < r->world->count; i++)
            replay_one(r, state, i, k == 0);
        assert_int_equal(hark_state_reload(state, NULL), 0);
        replay_one(r, state, r->world->count, true);
        hark_state_free(state);
    }
    hark_memstore_free(mems[0]);
    hark_memstore_free(mems[1]);
}

static unsigned verdicts[32];

static void run_log(uint64_t seed, bool sealed)
{
    struct world *world = sealed ? world_new_sealed(seed, NULL, NULL) : world_new(seed, NULL, NULL);
    struct hark_hash hashes[ENTRIES + 2];
    struct replay r = {.world = world, .seed = seed, .hashes = hashes};
    size_t cut;

    hashes[0] = state_hash(world->state);
    while (world->count < ENTRIES) {
        world_step(world);
        hashes[world->count - 1] = state_hash(world->state);
        verdicts[world->log[world->count - 1]->effect.verdict]++;
    }
    replay_from_scratch(&r, true);
    cut = (size_t)world_random(world, ENTRIES - 1) + 1;
    /* One more entry, for after the reload. */
    world_step(world);
    hashes[world->count - 1] = state_hash(world->state);
    world->count--;
    replay_from_prefix(&r, cut);
    world->count++;
    world_free(world);
}

static void test_state_replay__same_state_from_any_start(void **arg)
{
    unsigned sum = 0;
    unsigned different = 0;

    (void)arg;
    for (uint64_t seed = 1; seed <= LOGS; seed++)
        run_log(seed, false);
    for (size_t v = 0; v < 32; v++) {
        sum += verdicts[v];
        different += verdicts[v] > 0;
        if (verdicts[v] > 0)
            print_message("V%zu: %u\n", v, verdicts[v]);
    }
    /* That the logs are worth replaying: most entries stand, and most rules of
     * those that random entries can break were broken. */
    assert_true(verdicts[0] * 2 > sum);
    assert_true(different >= 18);
}

/* Encrypted spaces: most of what is logged stands, and epochs come and go. */
static void test_state_replay__same_state_of_encrypted_spaces(void **arg)
{
    unsigned sum = 0;

    (void)arg;
    memset(verdicts, 0, sizeof(verdicts));
    for (uint64_t seed = 1; seed <= LOGS; seed++)
        run_log(seed, true);
    for (size_t v = 0; v < 32; v++) {
        sum += verdicts[v];
        if (verdicts[v] > 0)
            print_message("V%zu: %u\n", v, verdicts[v]);
    }
    assert_true(verdicts[0] * 2 > sum);
    assert_true(verdicts[30] > LOGS);
}

static void test_state_replay__another_log_is_another_state(void **arg)
{
    struct world *a = world_new(1, NULL, NULL);
    struct world *b = world_new(1, NULL, NULL);
    struct hark_hash hash_a = state_hash(a->state);
    struct hark_hash hash_b = state_hash(b->state);

    (void)arg;
    assert_true(hark_hash_equal(&hash_a, &hash_b)); /* the same seed, byte for byte */
    for (int i = 0; i < 20; i++) {
        world_step(a);
        world_step(b);
    }
    hash_a = state_hash(a->state);
    hash_b = state_hash(b->state);
    assert_true(hark_hash_equal(&hash_a, &hash_b));
    b->now_ms++; /* one arrival differs */
    world_step(a);
    world_step(b);
    hash_a = state_hash(a->state);
    hash_b = state_hash(b->state);
    assert_false(hark_hash_equal(&hash_a, &hash_b));
    world_free(a);
    world_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_replay__same_state_from_any_start),
        cmocka_unit_test(test_state_replay__same_state_of_encrypted_spaces),
        cmocka_unit_test(test_state_replay__another_log_is_another_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
