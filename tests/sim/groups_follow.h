/*
 * A member's node as far as keys and inner state go: it follows the log of one encrypted space
 * with an outer state, a ring and an inner state, in memory. PROTOCOL.md 10.8, 10.9. It knows
 * nothing of the simulator around it.
 *
 * The order for each entry: outer state, ring, inner state. The inner state is made anew when
 * a key came from elsewhere or an envelope that was missing is there, and before it is compared
 * when it is worn; until somebody asks for it that costs nothing.
 *
 * Errors are those of what it is made of; after one the follower is of no more use.
 */
#ifndef HARK_TESTS_SIM_GROUPS_FOLLOW_H
#define HARK_TESTS_SIM_GROUPS_FOLLOW_H

#include "schemas/inner_state.h"

/* An entry as this node has it. Borrowed until the next is read. */
struct follow_entry {
    const struct hark_entry *entry;
    const struct hark_arrival *arrival;
    struct hark_span payload; /* no data: not at hand */
};

/* The log that it follows, and who is told what an entry turned out to be: at first, and
 * whenever the inner state is made anew. */
struct follow_log {
    void *arg;
    int (*read)(void *arg, uint64_t position, struct follow_entry *out, struct hark_err *err);
    void (*said)(void *arg, uint64_t position, const struct hark_said *said);
    /* What it was given as an envelope is not the one that the entry names: payload-size or
     * payload-hash. It goes on without. */
    void (*refused)(void *arg, uint64_t position, int error);
};

struct follow {
    struct follow_log log;
    struct hark_memstore *outer_store, *inner_store;
    struct hark_state *outer;
    struct hark_ring *ring;
    struct hark_inner_state *inner;
    bool stale; /* the inner state is to be made anew */
    size_t own_count;
    const struct hark_box *own[HARK_RING_OWN_MAX];
    uint64_t remade;
};

/* At the beginning of that space's log; follow_free. */
HARK_CHECK int follow_new(struct follow **out, const struct hark_hash *space,
                          const struct follow_log *log, struct hark_err *err);
void follow_free(struct follow *follow);

/* A key pair of the holder's (hark_ring_own, and its error). Borrowed. */
HARK_CHECK int follow_own(struct follow *follow, const struct hark_box *box, struct hark_err *err);
/* As after a restart: the stores are as they were, the ring is read from its form, and the parts
 * of a fresh key that are under way are fed to it again. What it has found is gone. */
HARK_CHECK int follow_restart(struct follow *follow, struct hark_err *err);
/* How many entries it has gone through. */
uint64_t follow_size(const struct follow *follow);
/* Goes on to that size. */
HARK_CHECK int follow_to(struct follow *follow, uint64_t size, struct hark_err *err);
/* A key from elsewhere (hark_ring_learn, and its errors, after which all is as before). */
HARK_CHECK int follow_learn(struct follow *follow, uint32_t epoch,
                            const uint8_t key[HARK_EPOCH_KEY_SIZE], struct hark_err *err);
/* An envelope that was missing is at hand now. */
void follow_was_given(struct follow *follow);
/* The inner state, up to date. Borrowed. */
HARK_CHECK int follow_inner(struct hark_inner_state **out, struct follow *follow,
                            struct hark_err *err);
/* What two members compare, at this size: unread hash and inner hash. */
HARK_CHECK int follow_compare(struct follow *follow, struct hark_inner_reading *reading,
                              struct hark_hash *hash, struct hark_err *err);

#endif
