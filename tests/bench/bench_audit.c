/*
 * How fast a repository is audited, beside a yardstick in the same run: the bare
 * Ed25519 verification of as many signatures, which no audit can do without.
 *
 *   bench_audit REPOSITORY [THREADS...]       1 and 2 unless said otherwise
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/audit.h"
#include "node/node.h"

#define WORDS 64u /* bytes under each signature: an SSHSIG hashes the rest before */

static double seconds(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void need(int rc, const struct hark_err *err)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "bench_audit: %s (%s)\n", err->message, hark_err_name(rc));
    exit(1);
}

/* --- the yardstick --------------------------------------------------------------- */

struct signatures {
    const struct hark_key *key;
    uint8_t words[WORDS];
    uint8_t signature[HARK_SIGNATURE_SIZE];
};

static void verify(void *arg, size_t i)
{
    const struct signatures *s = arg;

    (void)i;
    if (!hark_verify(s->key, hark_span(s->words, sizeof(s->words)), s->signature))
        abort();
}

/* What a stretch took: on the wall, and of all cores together, which says more on a
 * machine that has other work. */
struct took {
    double wall, cpu;
};

static struct took begin(void)
{
    return (struct took){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct took end(struct took began)
{
    struct took now = begin();

    return (struct took){now.wall - began.wall, now.cpu - began.cpu};
}

static struct took verify_bare(struct hark_pool *pool, size_t count)
{
    struct signatures s = {.words = {1}};
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;
    struct hark_err err = {0};
    struct took took;

    need(hark_seed_new(&seed, &err), &err);
    need(hark_signer_new(&signer, seed, &err), &err);
    s.key = hark_signer_key(signer);
    need(hark_signer_sign(signer, hark_span(s.words, sizeof(s.words)), s.signature, &err), &err);
    took = begin();
    hark_pool_run(pool, count, verify, &s);
    took = end(took);
    hark_signer_free(signer);
    hark_seed_free(seed);
    return took;
}

/* --- the audit --------------------------------------------------------------------- */

static json_int_t checked(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(json, "checked"), name));
}

static void measure(const char *path, unsigned threads)
{
    enum hark_audit_verdict verdict = HARK_AUDIT_WELL;
    struct hark_pool *pool = NULL;
    struct hark_err err = {0};
    json_t *json = NULL;
    struct took audit, bare;
    json_int_t entries, signatures;

    need(hark_pool_new(&pool, threads, &err), &err);
    audit = begin();
    need(hark_audit(path, pool, hark_now_ms(), &json, &verdict, &err), &err);
    audit = end(audit);
    entries = checked(json, "entries");
    signatures = checked(json, "signatures");
    bare = verify_bare(pool, (size_t)signatures);
    printf("%u threads: %lld entries in %.2f s (CPU %.2f s), %.0f a second\n"
           "  their %lld signatures alone: %.2f s (CPU %.2f s), %.0f a second\n"
           "  ratio: %.2f (CPU %.2f)\n",
           threads, (long long)entries, audit.wall, audit.cpu, (double)entries / audit.wall,
           (long long)signatures, bare.wall, bare.cpu, (double)signatures / bare.wall,
           audit.wall / bare.wall, audit.cpu / bare.cpu);
    if (verdict > HARK_AUDIT_UNSETTLED)
        printf("the verdict is %d\n", (int)verdict);
    json_decref(json);
    hark_pool_free(pool);
}

int main(int argc, char **argv)
{
    struct hark_err err = {0};

    if (argc < 2) {
        (void)fputs("bench_audit REPOSITORY [THREADS...]\n", stderr);
        return 2;
    }
    need(hark_crypto_init(&err), &err);
    need(hark_git_init(&err), &err);
    for (int i = 2; i < argc; i++)
        measure(argv[1], (unsigned)strtoul(argv[i], NULL, 10));
    if (argc == 2) {
        measure(argv[1], 1);
        measure(argv[1], 2);
    }
    return 0;
}
