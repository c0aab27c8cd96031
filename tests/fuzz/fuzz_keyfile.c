/*
 * Key files from anywhere: read without a passphrase, so that no input buys an
 * expensive derivation; what is accepted is written back and read as the same key.
 */
#include <stdint.h>

#include "crypto/keyfile.h"
#include "tests/fuzz/require.h"

static struct hark_key key_of(const struct hark_seed *seed)
{
    struct hark_signer *signer = NULL;
    struct hark_key key;
    require(hark_signer_new(&signer, seed, NULL) == 0);
    key = *hark_signer_key(signer);
    hark_signer_free(signer);
    return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span file = hark_span(data, size), none = {0};
    struct hark_buf again = hark_buf_init_secret(HARK_KEYFILE_MAX);
    struct hark_seed *seed = NULL, *back = NULL;
    struct hark_err err = {0};
    require(hark_crypto_init(NULL) == 0);
    int rc = hark_keyfile_decode(&seed, file, none, &err);
    require(rc == err.code);
    (void)hark_keyfile_is_sealed(file);
    if (rc == 0) {
        require(hark_keyfile_encode(&again, seed, "again", none, NULL) == 0);
        require(hark_keyfile_decode(&back, hark_buf_span(&again), none, NULL) == 0);
        struct hark_key a = key_of(seed), b = key_of(back);
        require(hark_key_equal(&a, &b));
    }
    hark_seed_free(seed);
    hark_seed_free(back);
    hark_buf_free(&again);
    return 0;
}
