/*
 * SHA-256 (FIPS 180-4): entry ids, payload hashes, file hashes. PROTOCOL.md 2.
 */
#ifndef HARK_CRYPTO_SHA256_H
#define HARK_CRYPTO_SHA256_H

#include <stdint.h>

#include "bytes.h"

#define HARK_HASH_SIZE 32

struct hark_hash {
    uint8_t bytes[HARK_HASH_SIZE];
};

/* Opaque, caller-allocated state of an incremental hash. */
struct hark_sha256 {
    uint64_t opaque[16];
};

struct hark_hash hark_sha256(struct hark_span data);
void hark_sha256_init(struct hark_sha256 *h);
void hark_sha256_update(struct hark_sha256 *h, const void *data, size_t size);
struct hark_hash hark_sha256_final(struct hark_sha256 *h); /* wipes the state */

bool hark_hash_equal(const struct hark_hash *a, const struct hark_hash *b);
bool hark_hash_is_zero(const struct hark_hash *a);
/* 64 digits and a NUL. */
void hark_hash_hex(char out[2 * HARK_HASH_SIZE + 1], const struct hark_hash *hash);
/* Strict: 64 lower-case digits. Error: hex. */
HARK_CHECK int hark_hash_from_hex(struct hark_hash *out, struct hark_span text,
                                  struct hark_err *err);

#endif
