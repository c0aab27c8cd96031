/*
 * libsodium's SHA-256 behind a state whose size is part of Hark's own header, so
 * that no other folder needs to know libsodium.
 */
#include "sha256.h"

#include <sodium.h>
#include <string.h>

#include "sha256_x86.h"

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

/* With the processor's own instructions it goes several times as fast; then blocks and
 * padding are made here, over libsodium's state (whose fields are public: the hash so
 * far, how many bits came, the bytes of the block that is not full). */
enum { BLOCK = 64, LENGTH_AT = 56 };

static void x86_update(crypto_hash_sha256_state *s, const uint8_t *data, size_t size)
{
    size_t used = (size_t)(s->count >> 3) % BLOCK;
    s->count += (uint64_t)size << 3;
    if (used != 0) {
        size_t n = BLOCK - used < size ? BLOCK - used : size;
        memcpy(s->buf + used, data, n);
        data += n;
        size -= n;
        if (used + n < BLOCK) {
            return;
        }
        hark_sha256_x86_blocks(s->state, s->buf, 1);
    }
    hark_sha256_x86_blocks(s->state, data, size / BLOCK);
    if (size % BLOCK != 0) {
        memcpy(s->buf, data + size / BLOCK * BLOCK, size % BLOCK);
    }
}

static struct hark_hash x86_final(crypto_hash_sha256_state *s)
{
    struct hark_hash hash;
    size_t used = (size_t)(s->count >> 3) % BLOCK;
    s->buf[used++] = 0x80;
    if (used > LENGTH_AT) {
        memset(s->buf + used, 0, BLOCK - used);
        hark_sha256_x86_blocks(s->state, s->buf, 1);
        used = 0;
    }
    memset(s->buf + used, 0, LENGTH_AT - used);
    hark_put_u64(s->buf + LENGTH_AT, s->count);
    hark_sha256_x86_blocks(s->state, s->buf, 1);
    for (size_t i = 0; i < 8; i++) {
        hark_put_u32(hash.bytes + 4 * i, s->state[i]);
    }
    return hash;
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
    (void)crypto_hash_sha256_init(state_of(h));
}

void hark_sha256_update(struct hark_sha256 *h, const void *data, size_t size)
{
    if (hark_sha256_x86_here()) {
        x86_update(state_of(h), not_null(data), size);
    } else {
        (void)crypto_hash_sha256_update(state_of(h), not_null(data), size);
    }
}

struct hark_hash hark_sha256_final(struct hark_sha256 *h)
{
    struct hark_hash hash;
    if (hark_sha256_x86_here()) {
        hash = x86_final(state_of(h));
    } else {
        (void)crypto_hash_sha256_final(state_of(h), hash.bytes);
    }
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
