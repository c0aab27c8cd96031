/*
 * Nettle's SHA-1 behind a state of Hark's own, like sha256.c.
 */
#include "sha1.h"

#include <nettle/sha1.h>

_Static_assert(sizeof(struct hark_sha1) >= sizeof(struct sha1_ctx),
               "the opaque SHA-1 state is too small");
_Static_assert(_Alignof(struct hark_sha1) >= _Alignof(struct sha1_ctx),
               "the opaque SHA-1 state is not aligned");
_Static_assert(HARK_SHA1_SIZE == SHA1_DIGEST_SIZE, "SHA-1 has 20 bytes");

static struct sha1_ctx *state_of(struct hark_sha1 *h)
{
    return (struct sha1_ctx *)(void *)h->opaque;
}

void hark_sha1_init(struct hark_sha1 *h)
{
    sha1_init(state_of(h));
}

void hark_sha1_update(struct hark_sha1 *h, const void *data, size_t size)
{
    if (size != 0) { /* memcpy from NULL is undefined even for no bytes */
        sha1_update(state_of(h), size, data);
    }
}

void hark_sha1_final(struct hark_sha1 *h, uint8_t out[HARK_SHA1_SIZE])
{
    sha1_digest(state_of(h), SHA1_DIGEST_SIZE, out);
}
