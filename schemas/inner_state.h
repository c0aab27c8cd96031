/*
 * The inner state of an encrypted space: what its members say to each other, for those who
 * hold keys. PROTOCOL.md 10.9. It is a state like that of state.h, of the same log, in a store
 * of its own, in which a sealed entry that opens is of the kind that it holds.
 *
 * It is fed with every entry after the outer state and the ring were, by the same thread. It
 * is made anew, over an empty store, when a key becomes known or is replaced with which an
 * earlier entry may open or not, when an envelope comes that was missing, and before it is
 * compared once it is worn. Over overlays (store.h) of both states it shows what is under way.
 */
#ifndef HARK_SCHEMAS_INNER_STATE_H
#define HARK_SCHEMAS_INNER_STATE_H

#include "schemas/inner.h"
#include "schemas/state.h"

struct hark_inner_state;

/* All three must outlive it; `store` is empty or was filled by an inner state of the same
 * space. Errors: those of hark_state_open; damaged (the store is not of an inner state). */
HARK_CHECK int hark_inner_state_open(struct hark_inner_state **out, struct hark_state *outer,
                                     struct hark_ring *ring, const struct hark_store *store,
                                     struct hark_err *err);
void hark_inner_state_free(struct hark_inner_state *inner);
/* After its store was rolled back. */
HARK_CHECK int hark_inner_state_reload(struct hark_inner_state *inner, struct hark_err *err);

/* To be read by the functions of state.h, never to be applied to. Borrowed. */
struct hark_state *hark_inner_state_view(struct hark_inner_state *inner);

enum hark_reading {
    HARK_READING_CLEAR = 0, /* neither `sealed` nor `charter` */
    HARK_READING_VOID,      /* sealed, and void in the outer state */
    HARK_READING_OPENED,
    HARK_READING_SILENT,  /* it says nothing to anybody */
    HARK_READING_ERASED,  /* nor does this */
    HARK_READING_OUTSIDE, /* the ring has no key of its epoch */
    HARK_READING_MISSING, /* its envelope is not at hand, and not erased */
};

/* What a sealed entry says. */
struct hark_said {
    enum hark_reading reading;
    int error;               /* of one that is silent or outside: the rule's code, or 0 */
    struct hark_inner inner; /* of one that was opened; hark_inner_free */
};

/* Appends the entry at this position of the log, which the outer state holds already, as
 * hark_state_apply does: *effect says the inner kind, Re and verdict. `payload`: a never-erased
 * one as there; of `sealed` and `charter` the envelope, or nothing where it is not at hand.
 * On success the caller frees said->inner; on failure it is empty. Errors: those of
 * hark_state_apply; payload-size, payload-hash (not the envelope that the entry names);
 * internal (the outer state does not hold it here; an open space). After an error of the
 * store it must be rolled back and this reloaded. */
HARK_CHECK int hark_inner_state_apply(struct hark_inner_state *inner,
                                      const struct hark_entry *entry,
                                      const struct hark_arrival *arrival, struct hark_span payload,
                                      struct hark_effect *effect, struct hark_said *said,
                                      struct hark_err *err);

/* What an entry of the log says, as far as it can be read: nothing is appended. Arguments,
 * errors and what is to be freed as in hark_inner_state_apply. */
HARK_CHECK int hark_inner_state_read(struct hark_inner_state *inner, uint64_t position,
                                     const struct hark_entry *entry, struct hark_span payload,
                                     struct hark_said *said, struct hark_err *err);

/* Would an entry stand inside with these headers, that content and that arrival, at the end
 * of the log? The content breaks none of I1 to I6 (hark_inner_write). 0 or a HARK_E_VOID_*
 * code with a message; entry-key, and the store's errors. */
HARK_CHECK int hark_inner_state_judge(struct hark_inner_state *inner,
                                      const struct hark_entry *entry,
                                      const struct hark_inner *content,
                                      const struct hark_arrival *arrival, struct hark_err *err);

/* What the state rests on. */
struct hark_inner_reading {
    uint64_t unread;       /* sealed entries that stand, are not erased and were not read... */
    uint64_t last_unread;  /* ...the last one's position, or HARK_NONE */
    struct hark_hash hash; /* the unread hash; zeros: all were read */
    uint64_t worn;         /* position of the first erasure that took what this state rests
                            * on, or HARK_NONE: it is as if made anew */
};
/* Errors: io, damaged. */
HARK_CHECK int hark_inner_state_reading(struct hark_inner_state *inner,
                                        struct hark_inner_reading *out, struct hark_err *err);
/* The inner hash. Two are compared at one size, when neither state is worn and their unread
 * hashes are the same. Errors: io, damaged; internal (the outer state has another size). */
HARK_CHECK int hark_inner_state_hash(struct hark_inner_state *inner, struct hark_hash *out,
                                     struct hark_err *err);

#endif
