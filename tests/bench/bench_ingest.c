/*
 * How fast a copy takes entries in, beside a yardstick in the same run: the bare
 * Ed25519 verification of as many signatures, which no copy can do without: half of
 * them before, half after.
 *
 *   bench_ingest DIRECTORY [ENTRIES [THREADS]]      20,000 and all cores
 *
 * A home in DIRECTORY (made, and left there) logs posts of about 200 bytes by
 * 1,000 members in batches of 1,000; that is not timed. Then an empty copy takes
 * the batches as they come from a peer: verified, durable, indexed;
 * ENTRIES counts what members wrote, the admissions come before. At last the
 * copy's index is made anew. With the environment's BENCH_STREAM=<file> the same
 * objects are also written there as `git fast-import` reads them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "node/files.h"
#include "node/space.h"
#include "tests/support/worldgen.h"

#define AUTHORS  1000u
#define ANY_TIME (UINT64_MAX / 2) /* worlds live in years of their own */
#define WORDS    64u              /* bytes under each signature: an SSHSIG hashes the rest before */
#define PATH     512

static struct hark_err err;

static void need(int rc)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "bench_ingest: %s (%s)\n", err.message, hark_err_name(rc));
    exit(1);
}

/* What a stretch took: on the wall, and of all cores together, which says more on a
 * machine that has other work. */
struct took {
    double wall, cpu;
};

static double seconds(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct took begin(void)
{
    return (struct took){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct took end(struct took began)
{
    struct took now = begin();

    return (struct took){now.wall - began.wall, now.cpu - began.cpu};
}

/* --- the yardstick --------------------------------------------------------------- */

struct signatures {
    uint8_t words[WORDS];
    uint8_t signature[HARK_SIGNATURE_SIZE];
};

static void verify(void *arg, size_t i)
{
    const struct signatures *s = arg;

    (void)i;
    if (!hark_verify(world_key(WORLD_STEWARD), hark_span(s->words, sizeof(s->words)), s->signature))
        abort();
}

static struct took verify_bare(struct hark_pool *pool, size_t count)
{
    struct signatures s = {.words = {1}};
    struct took took;

    need(hark_signer_sign(world_signer(WORLD_STEWARD), hark_span(s.words, sizeof(s.words)),
                          s.signature, &err));
    took = begin();
    hark_pool_run(pool, count, verify, &s);
    return end(took);
}

/* --- the home ---------------------------------------------------------------------- */

static const char *const words[] = {
    "the",   "park",   "bench",  "near", "water", "could", "be",    "moved", "to",
    "where", "people", "wait",   "for",  "bus",   "and",   "shade", "in",    "late",
    "day",   "with",   "lights", "that", "turn",  "off",   "at",    "ten",   "so",
    "birds", "may",    "rest",   "a",    "small", "path",  "along", "old",   "wall",
    "would", "help",   "those",  "who",  "come",  "by",    "bike",  "or"};

static json_t *post(struct world *world)
{
    char text[256];
    size_t used = 0;

    while (used < 96) {
        const char *word = words[world_random(world, sizeof(words) / sizeof(words[0]))];
        int n = snprintf(text + used, sizeof(text) - used, "%s%s", used == 0 ? "" : " ", word);

        used += (size_t)n;
    }
    return json_pack("{s:s}", "body", text);
}

static void log_from(struct hark_space *home, struct world *world, size_t from)
{
    need(hark_space_begin(home, &err));
    for (size_t i = from; i < world->count; i++) {
        struct hark_offer offer = {.bytes = world->log[i]->object,
                                   .payload = world->log[i]->payload,
                                   .trusted = true,
                                   .now_ms = world->log[i]->arrival.arrival_ms};

        need(hark_space_add(home, &offer, world_signer(WORLD_LOG), NULL, &err));
    }
    need(hark_space_commit(home, world_signer(WORLD_LOG), world->now_ms, &err));
}

static uint64_t write_home(struct hark_space **home, const char *dir, struct hark_pool *pool,
                           size_t entries, struct hark_hash *id)
{
    struct world *world = world_new(11, NULL, NULL);
    uint32_t keys[AUTHORS];
    uint64_t topic = 0, count;
    size_t logged = 0;

    *id = world->space;
    need(hark_space_create(home, dir, id, pool, &err));
    for (size_t i = 0; i < AUTHORS; i++) {
        keys[i] = world_new_key(world);
        world_say(world, WORLD_STEWARD, "admit",
                  world_fields_admit(world, keys[i], "member", WORLD_NO_KEY), HARK_NONE);
    }
    topic = world_say(world, keys[0], "topic", json_pack("{s:s}", "title", "The park"), HARK_NONE);
    for (size_t i = 0; i < entries; i++) {
        world_say(world, keys[world_random(world, AUTHORS)], "post", post(world), topic);
        if (world->count - logged >= HARK_BATCH_ENTRIES_MAX) {
            log_from(*home, world, logged);
            logged = world->count;
        }
    }
    if (logged < world->count)
        log_from(*home, world, logged);
    need(hark_space_tend(*home, &err));
    count = world->count;
    world_free(world);
    return count;
}

/* --- the same objects for git fast-import --------------------------------------------- */

static void stream_object(FILE *out, struct hark_span bytes)
{
    (void)fprintf(out, "blob\ndata %zu\n", bytes.size);
    (void)fwrite(bytes.data, 1, bytes.size, out);
    (void)fputc('\n', out);
}

static void stream(const char *path, const struct hark_space_batch *batches, size_t count)
{
    FILE *out = fopen(path, "wb");

    if (out == NULL) {
        need(hark_err_set(&err, HARK_E_IO, "%s", path));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        stream_object(out, batches[i].raw.commit);
        stream_object(out, batches[i].raw.entries);
        for (size_t j = 0; j < batches[i].raw.count; j++) {
            stream_object(out, batches[i].items[j].object);
            if (batches[i].items[j].payload_state == 1)
                stream_object(out, batches[i].items[j].payload);
        }
    }
    if (fclose(out) != 0)
        need(hark_err_set(&err, HARK_E_IO, "%s", path));
}

/* --- measuring ---------------------------------------------------------------------- */

static void report(const char *what, uint64_t entries, struct took took, struct took bare)
{
    printf("%s: %llu entries in %.2f s, %.0f a second; CPU %.0f us an entry\n"
           "  of the speed of verifying alone: %.2f (by CPU %.2f)\n",
           what, (unsigned long long)entries, took.wall, (double)entries / took.wall,
           took.cpu * 1e6 / (double)entries, bare.wall / took.wall, bare.cpu / took.cpu);
}

static void place(char out[PATH], const char *dir, const char *name)
{
    static const char *const parts[] = {"", "/spaces", "/index"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        (void)snprintf(out, PATH, "%s/%s%s", dir, name, parts[i]);
        if (mkdir(out, 0700) != 0) {
            (void)fprintf(stderr, "bench_ingest: cannot make %s\n", out);
            exit(1);
        }
    }
    (void)snprintf(out, PATH, "%s/%s", dir, name);
}

struct given {
    const struct hark_space_batch *batches;
    size_t count, at;
};

static int next_batch(void *arg, struct hark_raw_batch *out, bool *there, struct hark_err *why)
{
    struct given *given = arg;

    (void)why;
    *there = given->at < given->count;
    if (*there)
        *out = given->batches[given->at++].raw;
    return 0;
}

static void measure(const char *dir, size_t entries, struct hark_pool *pool)
{
    char home_dir[PATH], copy_dir[PATH];
    struct hark_space *home = NULL, *copy = NULL;
    size_t count = 0, batch_max = entries / HARK_BATCH_ENTRIES_MAX + 3;
    struct hark_space_batch *batches = calloc(batch_max, sizeof(*batches));
    const char *stream_path = getenv("BENCH_STREAM");
    struct hark_hash id, state[2], content[2];
    struct took bare, took, ingest, merged;
    struct given given;
    uint64_t total;

    place(home_dir, dir, "home");
    place(copy_dir, dir, "copy");
    total = write_home(&home, home_dir, pool, entries, &id);
    while (batches != NULL && count < batch_max &&
           hark_space_read_batch(home, "", count, &batches[count], &err) == 0)
        count++;
    if (stream_path != NULL)
        stream(stream_path, batches, count);
    bare = verify_bare(pool, (size_t)total / 2);
    need(hark_space_create(&copy, copy_dir, &id, pool, &err));
    took = begin();
    given = (struct given){.batches = batches, .count = count};
    need(hark_space_take_each(copy, "", next_batch, &given, ANY_TIME, &err));
    need(hark_space_tend_briefly(copy, &err));
    ingest = end(took);
    took = verify_bare(pool, (size_t)(total - total / 2));
    bare = (struct took){bare.wall + took.wall, bare.cpu + took.cpu};
    printf("verifying alone: CPU %.0f us a signature, %u threads, %.0f a second\n",
           bare.cpu * 1e6 / (double)total, hark_pool_threads(pool), (double)total / bare.wall);
    report("ingest", total, ingest, bare);
    took = begin();
    need(hark_space_tend(copy, &err));
    merged = end(took);
    printf("  merging, which waits for a quiet moment: %.2f s (CPU %.2f s)\n", merged.wall,
           merged.cpu);
    need(hark_state_hash(hark_space_state(copy), &state[0], &err));
    need(hark_index_content_hash(hark_space_index(copy), &content[0], &err));
    took = begin();
    need(hark_space_reindex(copy, &err));
    report("reindex", total, end(took), bare);
    need(hark_state_hash(hark_space_state(copy), &state[1], &err));
    need(hark_index_content_hash(hark_space_index(copy), &content[1], &err));
    if (!hark_hash_equal(&state[0], &state[1]) || !hark_hash_equal(&content[0], &content[1]))
        need(hark_err_set(&err, HARK_E_INTERNAL, "the reindexed copy says something else"));
    for (size_t i = 0; i < count; i++)
        hark_space_batch_free(&batches[i]);
    free(batches);
    hark_space_free(copy);
    hark_space_free(home);
}

int main(int argc, char **argv)
{
    struct hark_pool *pool = NULL;

    if (argc < 2 || argc > 4) {
        (void)fputs("bench_ingest DIRECTORY [ENTRIES [THREADS]]\n", stderr);
        return 2;
    }
    need(hark_crypto_init(&err));
    need(hark_git_init(&err));
    need(hark_pool_new(&pool, argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0, &err));
    measure(argv[1], argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 20000, pool);
    hark_pool_free(pool);
    return 0;
}
