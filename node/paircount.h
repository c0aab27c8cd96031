/*
 * How often a pair of numbers has come, and where first: a hash table that only
 * grows, up to a bound. For imports, which have to tell repeated rows apart.
 */
#ifndef HARK_NODE_PAIRCOUNT_H
#define HARK_NODE_PAIRCOUNT_H

#include "crypto/bytes.h"

#define HARK_PAIRCOUNT_MAX (4u * 1024u * 1024u)

struct hark_pair {
    uint64_t a, b;
    uint64_t first; /* what was given with its first coming */
    uint32_t count; /* 0: an empty place */
};

struct hark_paircount {
    struct hark_pair *pairs; /* `room` places */
    size_t room, used;
};

/* Start with a zeroed struct. */
void hark_paircount_free(struct hark_paircount *counts);
/* Counts (a, b) once more; *before: how often it had come. Errors: limit (more
 * than HARK_PAIRCOUNT_MAX different pairs), no-memory. */
HARK_CHECK int hark_paircount_add(struct hark_paircount *counts, uint64_t a, uint64_t b,
                                  uint64_t first, uint32_t *before, struct hark_err *err);

#endif
