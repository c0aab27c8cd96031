/*
 * The yardstick of everything that verifies: bare Ed25519 verification of COUNT
 * signatures on all cores.
 *
 *   bench_verify COUNT
 *
 * Prints wall and cpu, in seconds.
 */
#include <unistd.h>

#include "crypto/key.h"
#include "node/pool.h"
#include "tests/bench/bench.h"

#define WORDS 64u /* bytes under each signature: an SSHSIG hashes the rest before */

struct signatures {
    const struct hark_key *key;
    uint8_t words[WORDS];
    uint8_t signature[HARK_SIGNATURE_SIZE];
};

static void verify(void *arg, size_t i)
{
    const struct signatures *s = arg;

    (void)i;
    bench_require(hark_verify(s->key, hark_span(s->words, sizeof(s->words)), s->signature),
                  "a signature that does not hold");
}

int main(int argc, char **argv)
{
    struct signatures s = {.words = {1}};
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;
    struct hark_pool *pool = NULL;
    struct hark_err err = {0};
    double wall, cpu;

    if (argc != 2) {
        (void)fputs("bench_verify COUNT\n", stderr);
        return 2;
    }
    bench_need(hark_crypto_init(&err), "crypto", &err);
    bench_need(hark_seed_new(&seed, &err), "seed", &err);
    bench_need(hark_signer_new(&signer, seed, &err), "key", &err);
    bench_need(hark_pool_new(&pool, (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &err), "pool", &err);
    s.key = hark_signer_key(signer);
    bench_need(hark_signer_sign(signer, hark_span(s.words, sizeof(s.words)), s.signature, &err),
               "signing", &err);
    wall = bench_now();
    cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    hark_pool_run(pool, bench_number(argv[1]), verify, &s);
    printf("wall %.6f\ncpu %.6f\n", bench_now() - wall,
           bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    hark_pool_free(pool);
    hark_signer_free(signer);
    hark_seed_free(seed);
    return 0;
}
