/*
 * How far a log had come, kept in a file of its own: its size, and its root in hex, a line
 * each. What was settled before a log went back (witness.h), where a node's own intake
 * ended (space.h), what a new copy has to reach (aside.h).
 */
#ifndef HARK_NODE_EXTENT_H
#define HARK_NODE_EXTENT_H

#include "crypto/merkle.h"

struct hark_extent {
    uint64_t size;
    struct hark_hash root;
};

/* Errors: not-found, damaged (it says something else), io, no-memory; *out is 0 then. */
HARK_CHECK int hark_extent_read(struct hark_extent *out, const char *path, struct hark_err *err);
/* Durably, in a folder that is there. Errors: io, disk-full, no-memory. */
HARK_CHECK int hark_extent_write(const char *path, const struct hark_extent *extent,
                                 struct hark_err *err);

#endif
