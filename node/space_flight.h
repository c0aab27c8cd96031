/*
 * What is under way in a space, as space_flight.c keeps it for space_accept.c and
 * space_takeover.c: a list of entries and the state after them. First those waiting
 * in intakes, in the order in which the home takes them over, over the state of the
 * main log; then, over that, those of this node's outbox.
 */
#ifndef HARK_NODE_SPACE_FLIGHT_H
#define HARK_NODE_SPACE_FLIGHT_H

#include "node/space_internal.h"

/* Beyond either, what comes is not looked at until something has been logged. */
#define FLIGHT_ENTRIES_MAX 65536u
#define FLIGHT_BYTES_MAX   (256u * 1024u * 1024u) /* of entries and payloads */

#define FLIGHT_NOWHERE UINT32_MAX

/* From entry id to place in the list: open addressing, at most half full. */
struct flight_ids {
    uint8_t hash_key[HARK_HASH_KEY_SIZE];
    uint32_t *slots; /* place + 1; 0: empty */
    uint32_t slot_count, count;
};

/* Where a waiting entry stands: it may be in several intakes. */
struct flight_place {
    uint32_t entry;
    uint16_t node; /* into `seen` */
    uint64_t position, accepted_ms;
};

/* Beside each entry of the list. */
struct flight_more {
    uint8_t *bytes; /* object and payload, owned */
    uint8_t payload_state;
    uint64_t own; /* its position in this node's own intake, or HARK_NONE; see `own_of` */
    uint64_t own_accepted_ms;
    bool picked;  /* space_accept.c: is to be copied into it */
    bool refused; /* of the outbox's: by whoever it was handed to */
};

struct space_flight {
    struct hark_overlay *waiting_over, *outbox_over;
    struct hark_state *waiting, *provisional;
    uint64_t base; /* size of the main log below */
    bool waiting_fresh, outbox_fresh;
    uint64_t outbox_last, outbox_changes; /* the outbox as it was then (outbox.h) */
    bool full;                            /* there is more than is here */
    size_t bytes;
    struct hark_flight_entry *entries;
    struct flight_more *more;
    size_t count, capacity;
    size_t waiting_count;                  /* the first so many are in intakes */
    uint32_t *applied;                     /* by position from `base`: which entry stands there */
    size_t applied_count, applied_waiting; /* of them in intakes */
    struct flight_ids ids;                 /* of those waiting */
    struct space_from *seen;               /* the intakes, and how far each is in the list */
    size_t seen_count;
    uint64_t last_ms; /* the latest acceptance */
    size_t added;     /* since all was put in order */
    bool disordered;  /* something came that belongs before others */
    struct flight_place *places;
    size_t place_count, place_capacity;
    hark_node_name own_of;              /* whose own positions stand in `more`; empty: nobody's */
    uint64_t waiting_turn, outbox_turn; /* how often that part was forgotten */
    struct flight_inside *inside;       /* space_flight_inside.c; NULL: not asked for yet */
};

/* The list of what waits in intakes, brought up to date; what is after it, of the
 * outbox, may be old. *out is borrowed, until the space changes. */
HARK_CHECK int hark_space_flight_waiting(struct hark_space *space, struct space_flight **out,
                                         struct hark_err *err);
/* Where the entry is among those waiting, or FLIGHT_NOWHERE. */
uint32_t hark_space_flight_find(const struct space_flight *flight, const struct hark_hash *id);
/* What waiting entry is at that position of the provisional log; FLIGHT_NOWHERE when
 * it is logged. */
uint32_t hark_space_flight_at(const struct space_flight *flight, uint64_t position);
/* Adds one at the end of those waiting: a prepared item with its arrival, judged
 * (`code`, and when that is 0 applied to flight->waiting) by the caller. Takes its
 * json, copies its bytes. */
HARK_CHECK int hark_space_flight_add(struct space_flight *flight, struct space_item *item, int code,
                                     const char *node, uint64_t position, struct hark_err *err);
/* A waiting entry stands in another intake, too. */
HARK_CHECK int hark_space_flight_also(struct space_flight *flight, uint32_t entry, const char *node,
                                      uint64_t position, uint64_t accepted_ms,
                                      struct hark_err *err);
/* Notes for each waiting entry where it stands in that node's own intake. */
void hark_space_flight_own(struct space_flight *flight, const char *self);
/* The flight's list, brought up to date by the caller, as whoever holds keys sees it: what
 * opens says what is inside, the rest is as it is. *entries is borrowed, until the space
 * changes; flight->count of them. Errors: no-memory, and the store's. */
HARK_CHECK int hark_space_flight_inside(struct hark_space *space,
                                        const struct hark_flight_entry **entries,
                                        struct hark_err *err);
void hark_space_flight_inside_forget(struct flight_inside *in); /* what was opened; may be NULL */
void hark_space_flight_inside_free(struct flight_inside *in);   /* may be NULL */
/* Forgets everything; for when the index goes. */
void hark_space_flight_free(struct hark_space *space);

#endif
