/*
 * What the files of the ring share. See ring.h.
 */
#ifndef HARK_SCHEMAS_RING_INTERNAL_H
#define HARK_SCHEMAS_RING_INTERNAL_H

#include "schemas/ring.h"

/* Epochs of which each is a step from the one before. A run ends before the next one's first
 * epoch, or with the one in force. One that is not fresh goes on from the run before it, which
 * is full. */
struct hark_ring_run {
    uint32_t first;
    bool fresh;
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE]; /* of the first one's key, if fresh */
    struct hark_epoch *known;                       /* the first that is known, or NULL */
};

struct hark_ring_findings {
    struct hark_ring_finding list[HARK_RING_FOUND_MAX];
    size_t count;
    uint64_t more;
};

/* A box of a part that came before the holder's own. */
struct hark_ring_waiting {
    uint64_t position;
    struct hark_epoch_box box;
};

/* The parts of a fresh key that is not in force. */
struct hark_ring_pending {
    uint32_t epoch, parts;
    uint32_t next;     /* the part that is to come; 0: there is nothing */
    uint64_t position; /* of part 0 */
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    struct hark_epoch *key; /* once the holder's own box was opened */
    struct hark_ring_waiting *waiting;
    size_t count, capacity;
    bool failed; /* an own box gave no key: this is what is said of it */
    struct hark_ring_finding failure;
    struct hark_ring_findings found;
};

struct hark_ring {
    struct hark_hash space;
    const struct hark_box *own[HARK_RING_OWN_MAX];
    size_t own_count;
    struct hark_ring_run *runs;
    size_t count, capacity;  /* of runs; none: no epoch is in force */
    uint32_t in_force;       /* where there is a run */
    uint64_t next;           /* position */
    uint64_t learned;        /* keys by hark_ring_older */
    struct hark_epoch *near; /* a key inside a run: the last one that was asked for, or NULL */
    struct hark_ring_pending pending;
    struct hark_ring_findings found;
};

/* One of the holder's key pairs, or NULL. */
const struct hark_box *hark_ring_own_of(const struct hark_ring *ring, const struct hark_key *key);
void hark_ring_note(struct hark_ring_findings *found, uint64_t position, uint32_t epoch,
                    uint32_t key, int error);
/* Room for one run more. Errors: limit, no-memory. */
HARK_CHECK int hark_ring_reserve(struct hark_ring *ring, struct hark_err *err);
/* The run that `epoch` is in, which is in force or was. */
struct hark_ring_run *hark_ring_run_of(struct hark_ring *ring, uint32_t epoch);
/* The last epoch of a run. */
uint32_t hark_ring_run_end(const struct hark_ring *ring, const struct hark_ring_run *run);
/* Forgets the parts that wait. */
void hark_ring_drop(struct hark_ring *ring);

#endif
