/*
 * What convicts somebody, kept as it comes: files under <dir>/evidence/, named by the space,
 * one for each key and offence. PROTOCOL.md 7.11. Of the thread that owns the space.
 */
#ifndef HARK_NODE_CONVICT_H
#define HARK_NODE_CONVICT_H

#include "node/space.h"

/* A checkpoint of a log of the space whose root is not that of the log here at its size, or
 * a receipt of an entry that does not stand here where it says, signed by a node that was ever
 * named: kept as evidence of a fork, with what the log here has of the same origin. Where
 * that does not make one (nothing is here that the same key signed so), a note is kept alone.
 * Durable when it returns 0; nothing is done when there is such a file already. Errors:
 * evidence (no fork can be shown by the receipt, or it is one of an intake log), io, disk-full,
 * damaged. */
HARK_CHECK int hark_convict_log(struct hark_space *space, struct hark_span file,
                                struct hark_err *err);

/* What a cosigner signed: a note that its signature was found to hold in. */
struct hark_convict_note {
    struct hark_span note;
    const struct hark_checkpoint *checkpoint;
    uint64_t time_s;
};
/* If no honest cosigner signs both, and this can be shown from the two and the log here, they
 * are kept. name: under which it signed both. Errors: io, disk-full, damaged. */
HARK_CHECK int hark_convict_cosigner(struct hark_space *space, const char *name,
                                     const struct hark_key *key, const struct hark_convict_note *a,
                                     const struct hark_convict_note *b, struct hark_err *err);

/* Looks whether the home withholds what waits in intakes here, and keeps evidence of it, once
 * for each home and intake. To be called after the main log has grown, or notes have come:
 * nothing is done when neither has. now_ms only says what is not worth looking at yet. Errors:
 * io, disk-full, damaged. */
HARK_CHECK int hark_convict_withheld(struct hark_space *space, uint64_t now_ms,
                                     struct hark_err *err);

/* The files about this space, by their paths. Non-zero from `fn` stops. */
typedef int hark_convict_fn(void *arg, struct hark_space *space, const char *path,
                            struct hark_err *err);
HARK_CHECK int hark_convict_each(struct hark_space *space, hark_convict_fn *fn, void *arg,
                                 struct hark_err *err);

#endif
