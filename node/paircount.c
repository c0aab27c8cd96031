/*
 * See paircount.h. Open addressing, at most half full.
 */
#include "node/paircount.h"

#include <stdlib.h>

#define ROOM_MIN 1024u

/* Mixes all bits of both numbers (the finaliser of MurmurHash3). Whoever crafts a
 * file so that its rows collide makes their own import slow, no more. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b;

    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

static struct hark_pair *place_of(struct hark_pair *pairs, size_t room, uint64_t a, uint64_t b)
{
    size_t at = (size_t)mix(a, b) & (room - 1);

    while (pairs[at].count > 0 && (pairs[at].a != a || pairs[at].b != b))
        at = (at + 1) & (room - 1);
    return &pairs[at];
}

static int grow(struct hark_paircount *counts, struct hark_err *err)
{
    size_t room = counts->room > 0 ? 2 * counts->room : ROOM_MIN;
    struct hark_pair *pairs = calloc(room, sizeof(*pairs));

    if (pairs == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu rows", counts->used);
    for (size_t i = 0; i < counts->room; i++) {
        const struct hark_pair *old = &counts->pairs[i];

        if (old->count > 0)
            *place_of(pairs, room, old->a, old->b) = *old;
    }
    free(counts->pairs);
    counts->pairs = pairs;
    counts->room = room;
    return 0;
}

int hark_paircount_add(struct hark_paircount *counts, uint64_t a, uint64_t b, uint64_t first,
                       uint32_t *before, struct hark_err *err)
{
    struct hark_pair *pair;

    if (2 * (counts->used + 1) > counts->room) {
        int rc = grow(counts, err);

        if (rc < 0)
            return rc;
    }
    pair = place_of(counts->pairs, counts->room, a, b);
    *before = pair->count;
    if (pair->count == 0) {
        if (counts->used == HARK_PAIRCOUNT_MAX)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u different rows",
                                HARK_PAIRCOUNT_MAX);
        *pair = (struct hark_pair){.a = a, .b = b, .first = first};
        counts->used++;
    }
    if (pair->count < UINT32_MAX)
        pair->count++;
    return 0;
}

void hark_paircount_free(struct hark_paircount *counts)
{
    free(counts->pairs);
    *counts = (struct hark_paircount){0};
}
