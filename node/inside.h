/*
 * What the people whose keys this node holds see of an encrypted space: a ring, an inner
 * state and an index of what is inside, of one space. PROTOCOL.md 10.8, 10.9.
 *
 * All of it lies in this process's memory and nowhere else, and is made from the log and the
 * people's own keys whenever it is asked for first: so no word of an encrypted space lies on
 * a disk unsealed, and nothing here needs mending. It costs as much as indexing the space's
 * entries, once a process, and then what is new. One thread at a time.
 */
#ifndef HARK_NODE_INSIDE_H
#define HARK_NODE_INSIDE_H

#include "node/space.h"
#include "schemas/inner_state.h"

struct hark_inside;

/* The one of a space that is open, made when it is first asked for; NULL: an open space. It
 * lasts until the space is closed, or its index opened anew. */
HARK_CHECK int hark_space_inside(struct hark_space *space, struct hark_inside **out,
                                 struct hark_err *err);
/* Of an encrypted space, which must outlive it. Errors: no-memory, io. */
HARK_CHECK int hark_inside_new(struct hark_inside **out, struct hark_space *space,
                               struct hark_err *err);
void hark_inside_free(struct hark_inside *inside);
/* Takes a person's X25519 key pair over (freed also on failure); what is known is then made
 * anew when hark_inside_follow comes. One that is there already changes nothing. Error: limit
 * (more than HARK_RING_OWN_MAX). */
HARK_CHECK int hark_inside_own(struct hark_inside *inside, struct hark_box *box,
                               struct hark_err *err);
/* A number of the caller's: as of when it has looked whose keys are here. 0 at first. */
uint64_t *hark_inside_stamp(struct hark_inside *inside);
/* Below which position of the log the steward's undone acts were done again, or are not wanted
 * any more: node/undone.c's. 0 at first. */
uint64_t *hark_inside_undone(struct hark_inside *inside);
/* Comes up to the log as it is committed here. Errors: those of reading and applying. */
HARK_CHECK int hark_inside_follow(struct hark_inside *inside, struct hark_err *err);

/* Borrowed, until the next hark_inside_follow. */
struct hark_index *hark_inside_index(struct hark_inside *inside);
struct hark_ring *hark_inside_ring(struct hark_inside *inside);
struct hark_inner_state *hark_inside_state(struct hark_inside *inside);
/* How often all of it was made anew: what was borrowed before that is gone. */
uint64_t hark_inside_made(const struct hark_inside *inside);
/* What of an entry's payload the inner state is to be given: all of a never-erased one, and
 * envelopes; empty for others. */
struct hark_span hark_inside_decisive(struct hark_inside *inside, const struct hark_entry *entry,
                                      struct hark_span payload);
/* Title and objective; NULL: no charter could be read. Borrowed. *position (may be NULL): of
 * that charter. */
json_t *hark_inside_charter(struct hark_inside *inside, uint64_t *position);
/* Entries that stand and say nothing to any member, of those that could be read: whose
 * envelope or content breaks a rule. The first HARK_INSIDE_REFUSED_MAX. Borrowed. */
#define HARK_INSIDE_REFUSED_MAX 256u
struct hark_inside_refused {
    uint64_t position;
    int error; /* envelope-*, inner-*, payload-* */
};
const struct hark_inside_refused *hark_inside_refused(const struct hark_inside *inside,
                                                      size_t *count);
/* What the entry of that row says, sealed or in the clear; NULL: nothing, here. Owned by the
 * caller. */
HARK_CHECK int hark_inside_payload(struct hark_inside *inside, const struct hark_row *row,
                                   json_t **json, struct hark_err *err);

#endif
