/*
 * The state is a function of the log, down to the disk: random logs (seeds are in
 * the messages) logged an entry at a time and in random batches, mirrored by a
 * partner that came before the erasures and by one that came after them, indexed
 * anew, caught up after a crash that lost the index's last batches, verified from
 * git alone: always the same state hash, and the same content hash where the same
 * payloads are held.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/files.h"
#include "node/space.h"
#include "tests/support/worldgen.h"
#include "tests/unit/run_tool.h"

#define LOGS      60
#define ENTRIES   60
#define ANY_TIME  (UINT64_MAX / 2) /* worlds live in years of their own */
#define INDEX_MAX (64u * 1024u * 1024u)
#define PLACE_MAX 96

static struct hark_err err;
static uint64_t seed;

#define OK(call)                                                                                   \
    do {                                                                                           \
        int ok_rc = (call);                                                                        \
        if (ok_rc != 0)                                                                            \
            fail_msg("seed %llu: %s: %s (%s)", (unsigned long long)seed, #call, err.message,       \
                     hark_err_name(ok_rc));                                                        \
    } while (0)

static void real_git_id(void *arg, struct hark_span object, struct hark_git_id *out)
{
    (void)arg;
    *out = hark_git_hash(HARK_GIT_COMMIT, object);
}

/* A data directory's two folders under `base`. */
static void make_place(char *out, const char *base, const char *name)
{
    char path[PLACE_MAX + 16];

    (void)snprintf(out, PLACE_MAX, "%s/%s", base, name);
    assert_int_equal(mkdir(out, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/spaces", out);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/index", out);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void add(struct hark_space *space, const struct world_entry *e)
{
    struct hark_offer offer = {
        .bytes = e->object, .payload = e->payload, .now_ms = e->arrival.arrival_ms};
    struct hark_logged out;

    OK(hark_space_add(space, &offer, world_signer(WORLD_LOG), &out, &err));
    if (out.effect.verdict != e->effect.verdict)
        fail_msg("seed %llu, position %llu: verdict %u, not %u", (unsigned long long)seed,
                 (unsigned long long)out.position, out.effect.verdict, e->effect.verdict);
}

/* The signer of the home in force, pending entries included. */
static const struct hark_signer *home_signer(struct hark_space *space)
{
    struct hark_node_object node;

    OK(hark_space_home(space, &node, &err));
    return world_signer(world_key_number(&node.keys.log));
}

/* Logs the world's entries from..to in batches of `size` (0: random sizes). */
static void log_entries(struct hark_space *space, struct world *world, size_t from, size_t to,
                        size_t size)
{
    while (from < to) {
        size_t n = size != 0 ? size : 1 + (size_t)world_random(world, 25);
        size_t end = from + n < to ? from + n : to;

        OK(hark_space_begin(space, &err));
        do
            add(space, world->log[from]);
        while (++from < end && strcmp(world->log[from]->entry.kind, "home") != 0);
        OK(hark_space_commit(space, home_signer(space), world->log[from - 1]->arrival.arrival_ms,
                             &err));
    }
}

static uint64_t batches_of(struct hark_space *space)
{
    struct hark_log_head head;
    uint64_t batches = 0;
    int rc = hark_space_log(space, "", &head, &batches, &err);

    if (rc != HARK_E_NOT_FOUND)
        OK(rc);
    return batches;
}

static void mirror(struct hark_space *from, struct hark_space *to, uint64_t until)
{
    while (hark_space_head(to)->tree.size < until) {
        struct hark_space_batch batch;

        OK(hark_space_read_batch(from, "", batches_of(to), &batch, &err));
        OK(hark_space_take(to, "", &batch.raw, ANY_TIME, &err));
        hark_space_batch_free(&batch);
    }
}

static struct hark_hash state_hash(struct hark_space *space)
{
    struct hark_hash hash;

    OK(hark_state_hash(hark_space_state(space), &hash, &err));
    return hash;
}

static struct hark_hash content_hash(struct hark_space *space)
{
    struct hark_hash hash;

    OK(hark_index_content_hash(hark_space_index(space), &hash, &err));
    return hash;
}

static void assert_state(struct hark_space *space, const struct hark_hash *hash, const char *what)
{
    struct hark_hash own = state_hash(space);

    if (!hark_hash_equal(&own, hash))
        fail_msg("seed %llu: another state hash %s", (unsigned long long)seed, what);
}

static void assert_content(struct hark_space *a, struct hark_space *b, const char *what)
{
    struct hark_hash x = content_hash(a), y = content_hash(b);

    if (!hark_hash_equal(&x, &y))
        fail_msg("seed %llu: another content hash %s", (unsigned long long)seed, what);
}

static void assert_verifies(struct hark_space *space, const struct hark_hash *hash)
{
    struct hark_verified verified;

    OK(hark_space_verify(space, ANY_TIME, &verified, &err));
    if (!hark_hash_equal(&verified.state_hash, hash))
        fail_msg("seed %llu: another state hash from git alone", (unsigned long long)seed);
}

/* Logs the second half while the index forgets it, as a crash between git and the
 * index would; then opens again. */
static void crash(struct hark_space **space, const char *place, struct world *world, size_t half)
{
    struct hark_buf before = hark_buf_init(INDEX_MAX);
    char hex[2 * HARK_HASH_SIZE + 1], path[PLACE_MAX + 96];

    hark_hash_hex(hex, &world->space);
    (void)snprintf(path, sizeof(path), "%s/index/%s.db", place, hex);
    hark_space_free(*space); /* the WAL is folded in when the last connection closes */
    OK(hark_file_read(path, &before, &err));
    OK(hark_space_open(space, place, &world->space, false, NULL, &err));
    log_entries(*space, world, half, world->count, 7);
    hark_space_free(*space);
    OK(hark_file_write(path, hark_buf_span(&before), 0600, &err));
    hark_buf_free(&before);
    OK(hark_space_open(space, place, &world->space, false, NULL, &err));
}

static void run_log(const char *base)
{
    /* One in four is of an encrypted space. */
    struct world *world = seed % 4 == 0 ? world_new_sealed(seed, real_git_id, NULL)
                                        : world_new(seed, real_git_id, NULL);
    struct hark_space *home = NULL, *single = NULL, *early = NULL, *late = NULL;
    char homes[PLACE_MAX], singles[PLACE_MAX], earlies[PLACE_MAX], lates[PLACE_MAX];
    struct hark_hash hash;
    size_t half;

    world->first_hand = true;
    while (world->count < ENTRIES)
        world_step(world);
    half = 1 + (size_t)world_random(world, ENTRIES - 1);
    make_place(homes, base, "home");
    make_place(singles, base, "single");
    make_place(earlies, base, "early");
    make_place(lates, base, "late");
    OK(hark_space_create(&home, homes, &world->space, NULL, &err));
    OK(hark_space_create(&early, earlies, &world->space, NULL, &err));

    log_entries(home, world, 0, half, 0);
    mirror(home, early, half); /* holds what is erased later */
    crash(&home, homes, world, half);
    OK(hark_state_hash(world->state, &hash, &err));
    assert_state(home, &hash, "than in memory");
    OK(hark_space_tend(home, &err));
    mirror(home, early, world->count);
    OK(hark_space_tend(early, &err));
    assert_state(early, &hash, "at a partner that came before");
    assert_content(home, early, "at a partner that came before");

    OK(hark_space_create(&late, lates, &world->space, NULL, &err));
    mirror(home, late, world->count); /* never sees what was erased */
    OK(hark_space_tend(late, &err));
    assert_state(late, &hash, "at a partner that came after");
    assert_content(home, late, "at a partner that came after");
    assert_verifies(late, &hash);

    OK(hark_space_reindex(home, &err));
    assert_state(home, &hash, "after reindex");
    assert_content(home, early, "after reindex");
    OK(hark_index_check(hark_space_index(home), &err));
    OK(hark_index_check(hark_space_index(early), &err));

    if (seed % 10 == 0) { /* costs a batch an entry */
        OK(hark_space_create(&single, singles, &world->space, NULL, &err));
        log_entries(single, world, 0, world->count, 1);
        OK(hark_space_tend(single, &err));
        assert_state(single, &hash, "logged an entry at a time");
        assert_content(home, single, "logged an entry at a time");
        hark_space_free(single);
    }
    hark_space_free(home);
    hark_space_free(early);
    hark_space_free(late);
    world_free(world);
}

/* What is tested here are decisions, not the disk: where there is memory to write
 * to, thousands of syncs cost nothing. */
static void make_fast_directory(char path[32])
{
    memcpy(path, "/dev/shm/hark-test-XXXXXX", 26);
    if (mkdtemp(path) == NULL)
        make_directory(path);
}

static void remove_fast_directory(const char *path)
{
    assert_non_null(strstr(path, "/hark-test-"));
    assert_int_equal(run_tool(path, "rm -rf -- \"$PWD\""), 0);
}

static void test_space_replay__same_state_however_it_came(void **state)
{
    (void)state;
    OK(hark_crypto_init(&err));
    OK(hark_git_init(&err));
    for (seed = 1; seed <= LOGS; seed++) {
        char base[32];

        make_fast_directory(base);
        run_log(base);
        remove_fast_directory(base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_replay__same_state_however_it_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
