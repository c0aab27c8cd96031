/*
 * Memory for secrets, private to crypto/: small blocks in guarded pages that are
 * locked and left out of core dumps where the system allows. Thread-safe. And
 * the one way to a seed's bytes, for key files.
 */
#ifndef HARK_CRYPTO_SECRET_H
#define HARK_CRYPTO_SECRET_H

#include "key.h"

#define HARK_SECRET_MAX 128 /* bytes of a block at most */

/* A zeroed block, aligned for any of crypto's structs. Error: no-memory. */
HARK_CHECK int hark_secret_new(void **out, size_t size, struct hark_err *err);

/* Wipes and releases. NULL does nothing. */
void hark_secret_free(void *block);

/* Borrowed HARK_SEED_SIZE bytes. */
const uint8_t *hark_seed_bytes(const struct hark_seed *seed);

#endif
