/*
 * What convicts somebody, kept as it comes: files under <dir>/evidence/, named by the space,
 * one for each key and offence. PROTOCOL.md 7.11. Of the thread that owns the space.
 */
#ifndef HARK_NODE_CONVICT_H
#define HARK_NODE_CONVICT_H

#include "node/notes.h"
#include "node/space.h"
#include "schemas/config.h"

/* A checkpoint of a log of the space whose root is not that of the log here at its size, or
 * a receipt of an entry that does not stand here where it says, signed by a node that was ever
 * named: kept as evidence of a fork, with what the log here has of the same origin. Where
 * that does not make one (nothing is here that the same key signed so), a note is kept alone.
 * Durable when it returns 0; nothing is done when there is such a file already. Errors:
 * evidence (no fork can be shown by the receipt, or it is one of an intake log, or of a later
 * home than the log here has), io, disk-full, damaged. */
HARK_CHECK int hark_convict_log(struct hark_space *space, struct hark_span file,
                                struct hark_err *err);

/* Two receipts of one main log and incarnation for one position that hold different entries,
 * or times: kept as evidence of a fork. Errors: evidence (they show none), as above. */
HARK_CHECK int hark_convict_receipts(struct hark_space *space, struct hark_span a,
                                     struct hark_span b, struct hark_err *err);

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

/* What the home said of its log under the origin in force, by the cosigner key that belongs to
 * the log key `log`, and which the log here begins with: if the entry after that arrived more
 * than HARK_BACKDATED_S before it was said, both are kept. Errors: io, disk-full, damaged. */
HARK_CHECK int hark_convict_dated(struct hark_space *space, const struct hark_key *log,
                                  const struct hark_cosigned *said, struct hark_err *err);
/* An entry (its bytes; its signature holds) was refused or passed over because another has its
 * place in its author's feed: noted, of one author once and of 64 at a time, and no more, which
 * may be done anywhere. other: that one's bytes, where they are at hand. */
void hark_convict_suspect(struct hark_space *space, const struct hark_key *author,
                          struct hark_span entry, struct hark_span other);
/* The same of each entry of a batch (prepared) whose place another has in it or in a log here. */
struct space_item;
void hark_convict_suspect_batch(struct hark_space *space, const struct space_item *items,
                                size_t count);
/* Looks into what was noted, and into what the main log passed over of intakes since it was
 * last asked: the two entries are kept as evidence, if their author's key is one that the space
 * ever let in, one file a key. Nothing is done while a batch is open. Errors: io, disk-full,
 * damaged; what was noted stays so then. */
HARK_CHECK int hark_convict_twins(struct hark_space *space, struct hark_err *err);
/* Takes a file that somebody shows: if it convicts a key that this space ever let in or named, it
 * is kept, as if what it is of had been found here. Nothing is done where such a file is there,
 * where it rests on another's word than the home's or a quorum's, or whom the rules excuse (7.11).
 * Errors: peer-form (it does not hold, or is of another space), behind (whom it convicts is not
 * known here: later), io, disk-full, damaged, no-memory. */
HARK_CHECK int hark_convict_take(struct hark_space *space, struct hark_span file,
                                 struct hark_err *err);
/* The files that are shown to others: their names' hashes (hark_convict_file), in an order that
 * only grows at its end while the space is open. Borrowed until it is asked again. Errors: io,
 * no-memory. */
HARK_CHECK int hark_convict_kept(struct hark_space *space, const struct hark_hash **names,
                                 size_t *count, struct hark_err *err);
/* The path of such a file of that space in a node's directory. Error: usage (too long). */
HARK_CHECK int hark_convict_file(char path[HARK_PATH_MAX], const char *dir,
                                 const struct hark_hash *space, const struct hark_hash *name,
                                 struct hark_err *err);
/* Lets go of what was noted, and of the list; hark_space_free does it. */
void hark_convict_free(struct hark_space *space);
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
