/*
 * A Merkle tree of leaf hashes in memory, as hark_merkle_read_fn: for tests of small logs.
 */
#ifndef HARK_TESTS_UNIT_LEAVES_H
#define HARK_TESTS_UNIT_LEAVES_H

#include "crypto/merkle.h"

/* leaves: an array of struct hark_hash. */
static inline int leaves_read(void *leaves, unsigned level, uint64_t index, struct hark_hash *out,
                              struct hark_err *why)
{
    const struct hark_hash *at = leaves;
    struct hark_hash left, right;
    int rc = 0;

    if (level == 0) {
        *out = at[index];
        return 0;
    }
    rc = leaves_read(leaves, level - 1, 2 * index, &left, why);
    if (rc == 0)
        rc = leaves_read(leaves, level - 1, 2 * index + 1, &right, why);
    if (rc == 0)
        *out = hark_merkle_node(&left, &right);
    return rc;
}

#endif
