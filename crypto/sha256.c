/*
 * libsodium's SHA-256 behind a state whose size is part of Hark's own header, so
 * that no other folder needs to know libsodium.
 */
#include "sha256.h"

#include <sodium.h>
#include <string.h>

/* The opaque state is cast to the library's: it must fit and be aligned. */
_Static_assert(sizeof(struct hark_sha256) >= sizeof(crypto_hash_sha256_state),
               "the opaque SHA-256 state is too small");
_Static_assert(_Alignof(struct hark_sha256) >= _Alignof(crypto_hash_sha256_state),
               "the opaque SHA-256 state is not aligned");
_Static_assert(HARK_HASH_SIZE == crypto_hash_sha256_BYTES, "SHA-256 has 32 bytes");

static crypto_hash_sha256_state *state_of(struct hark_sha256 *h)
{
    return (crypto_hash_sha256_state *)(void *)h->opaque;
}

/* libsodium's prototypes want a pointer even for no bytes. */
static const uint8_t *not_null(const void *data)
{
    static const uint8_t nothing[1] = {0};
    return data == NULL ? nothing : data;
}

struct hark_hash hark_sha256(struct hark_span data)
{
    struct hark_hash hash;
    (void)crypto_hash_sha256(hash.bytes, not_null(data.data), data.size); /* cannot fail */
    return hash;
}

void hark_sha256_init(struct hark_sha256 *h)
{
    (void)crypto_hash_sha256_init(state_of(h));
}

void hark_sha256_update(struct hark_sha256 *h, const void *data, size_t size)
{
    (void)crypto_hash_sha256_update(state_of(h), not_null(data), size);
}

struct hark_hash hark_sha256_final(struct hark_sha256 *h)
{
    struct hark_hash hash;
    (void)crypto_hash_sha256_final(state_of(h), hash.bytes);
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
