/*
 * SHA-1 (FIPS 180-4): git's names of objects and the checksums of its packs. Nothing
 * is trusted because of it; what is under a signature is in SHA-256.
 */
#ifndef HARK_CRYPTO_SHA1_H
#define HARK_CRYPTO_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define HARK_SHA1_SIZE 20

/* Opaque, caller-allocated state of an incremental hash. */
struct hark_sha1 {
    uint64_t opaque[16];
};

void hark_sha1_init(struct hark_sha1 *h);
/* data may be NULL when size is 0. */
void hark_sha1_update(struct hark_sha1 *h, const void *data, size_t size);
/* Gives the hash and begins anew. */
void hark_sha1_final(struct hark_sha1 *h, uint8_t out[HARK_SHA1_SIZE]);

#endif
