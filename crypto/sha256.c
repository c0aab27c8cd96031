/*
 * Nettle's SHA-256 behind a state whose size is part of Hark's own header, so that no
 * other folder needs to know Nettle. It hashes with the processor's own instructions
 * where there are any, which libsodium's does not: a seventh of the time.
 */
#include "sha256.h"

#include <nettle/sha2.h>
#include <string.h>

/* The opaque state is cast to the library's: it must fit and be aligned. */
_Static_assert(sizeof(struct hark_sha256) >= sizeof(struct sha256_ctx),
               "the opaque SHA-256 state is too small");
_Static_assert(_Alignof(struct hark_sha256) >= _Alignof(struct sha256_ctx),
               "the opaque SHA-256 state is not aligned");
_Static_assert(HARK_HASH_SIZE == SHA256_DIGEST_SIZE, "SHA-256 has 32 bytes");

static struct sha256_ctx *state_of(struct hark_sha256 *h)
{
    return (struct sha256_ctx *)(void *)h->opaque;
}

struct hark_hash hark_sha256(struct hark_span data)
{
    struct hark_sha256 h;
    hark_sha256_init(&h);
    hark_sha256_update(&h, data.data, data.size);
    return hark_sha256_final(&h);
}

void hark_sha256_init(struct hark_sha256 *h)
{
    sha256_init(state_of(h));
}

void hark_sha256_update(struct hark_sha256 *h, const void *data, size_t size)
{
    if (size != 0) { /* memcpy from NULL is undefined even for no bytes */
        sha256_update(state_of(h), size, data);
    }
}

struct hark_hash hark_sha256_final(struct hark_sha256 *h)
{
    struct hark_hash hash;
    sha256_digest(state_of(h), HARK_HASH_SIZE, hash.bytes);
    hark_wipe(h, sizeof(*h));
    return hash;
}

bool hark_hash_equal(const struct hark_hash *a, const struct hark_hash *b)
{
    return memcmp(a->bytes, b->bytes, HARK_HASH_SIZE) == 0;
}

bool hark_hash_is_zero(const struct hark_hash *a)
{
    static const struct hark_hash zero = {{0}};
    return hark_hash_equal(a, &zero);
}

void hark_hash_hex(char out[2 * HARK_HASH_SIZE + 1], const struct hark_hash *hash)
{
    hark_hex_encode(out, hash->bytes, HARK_HASH_SIZE);
}

int hark_hash_from_hex(struct hark_hash *out, struct hark_span text, struct hark_err *err)
{
    return hark_hex_decode(out->bytes, HARK_HASH_SIZE, text, err);
}
