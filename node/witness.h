/*
 * What cosigners have signed of a space's main log, what is settled by that, and this
 * node's own part in it. PROTOCOL.md 7.8. Over a space (its log, its state) and the notes
 * that are kept of it (notes.h). Of the thread that owns the space.
 */
#ifndef HARK_NODE_WITNESS_H
#define HARK_NODE_WITNESS_H

#include "node/notes.h"
#include "node/space.h"

/* Where a note that is kept is damaged the space goes on as if none were here, and as long
 * nothing is signed or taken: this node's own may be the one that is lost. Says which; NULL:
 * all is well, as far as was looked. Borrowed. */
const char *hark_witness_damaged(const struct hark_space *space);

/* Lets go of what was made for the space; hark_space_free does it. */
void hark_witness_free(struct hark_space *space);

/* Signs the newest checkpoint with this node's cosigner key if rules Q1 to Q4 let it; what
 * Q5 asks is the caller's. Durable when it returns 0. *done: it was signed. When nothing is
 * to be signed, or may be, it is not, without error. */
HARK_CHECK int hark_witness_cosign(struct hark_space *space, const struct hark_signer *signer,
                                   uint64_t now_s, bool *done, struct hark_err *err);

/* A log that grows is dated again after so long. */
#define HARK_DATE_GROWN_S 60u
/* Where this node is the home, says with its cosigner key that its log has just these entries
 * at this time (PROTOCOL.md 7.8): when it has said nothing under this origin, or of fewer
 * entries and HARK_DATE_GROWN_S ago, or every_s ago; and another named node has cosigned all
 * that is here. What Q5 asks is the caller's. Durable when it returns 0. *done: it did.
 * *due_s: when to ask again although nothing happens, 0: no need. */
HARK_CHECK int hark_witness_date(struct hark_space *space, const struct hark_signer *signer,
                                 uint64_t every_s, uint64_t now_s, uint64_t *due_s, bool *done,
                                 struct hark_err *err);
/* What the home has said so last under the origin in force, as far as is known here: what it
 * logs after those entries arrives at its time_s or later. NULL: nothing. Borrowed until the
 * next is put. */
HARK_CHECK int hark_witness_dated(struct hark_space *space, const struct hark_cosigned **out,
                                  struct hark_err *err);
/* Has it said so of more entries than are here? Then some of them are lost here, and the home
 * is to get them back, or to go on under another origin (7.6), before it logs others. */
HARK_CHECK int hark_witness_lacks(struct hark_space *space, bool *lacks, struct hark_err *err);
/* Holds what the home said against the log here, which has grown, or what was said is new:
 * an entry after it that is dated before it is kept as evidence (convict.h). */
HARK_CHECK int hark_witness_check_dates(struct hark_space *space, struct hark_err *err);
/* The same of each intake here that is another node's, now named, and not taken over to its
 * end: of each every ten seconds at most. */
HARK_CHECK int hark_witness_cosign_intakes(struct hark_space *space,
                                           const struct hark_signer *signer, uint64_t now_s,
                                           struct hark_err *err);
/* Takes what somebody shows: a checkpoint of the space's log, or of an intake, with any
 * cosignatures, of which those are kept that say more than what is here. Errors: peer-form (no such
 * thing, or a signature that does not hold), behind (its log's key, or the log so far, is not known
 * here: later), peer-fork (its log signed another history than the one here: evidence of
 * it is kept); those of the store. A cosignature that does not go together with the one of
 * that cosigner that is here is kept as evidence too (convict.h), without error. */
HARK_CHECK int hark_witness_take(struct hark_space *space, struct hark_span note,
                                 struct hark_err *err);

/* An entry that is logged here says what its author saw (witness_seen.c); it is compared with
 * the log by hark_witness_compare, which keeps evidence of another history that the log's key
 * has signed. Errors of the latter: those of the store. */
void hark_witness_saw(struct hark_space *space, const struct hark_seen *seen);
HARK_CHECK int hark_witness_compare(struct hark_space *space, struct hark_err *err);
/* Keeps what a witness over HTTP (PROTOCOL.md 7.10) has signed of the log here: a checkpoint
 * by the log's key in force, with its verified line. Nothing is done when it says less than
 * what is here, or is of a log that is not here any more. It counts for no quorum, unless
 * the witness is a cosigner. */
HARK_CHECK int hark_witness_keep(struct hark_space *space, const struct hark_note_key *witness,
                                 struct hark_span note, struct hark_err *err);

/* How many entries of the main log are settled, as far as is known here. */
HARK_CHECK int hark_witness_settled(struct hark_space *space, uint64_t *size, struct hark_err *err);
/* Writes down what is settled, durably: the log here is about to go back, and notes that show
 * it may not fit any more. */
HARK_CHECK int hark_witness_keep_settled(struct hark_space *space, struct hark_err *err);
/* How many entries a quorum has cosigned of which some are not here yet, and which are settled
 * wherever they are; 0: of none is that known. Whoever goes on from here without them takes
 * back what is settled. */
HARK_CHECK int hark_witness_ahead(struct hark_space *space, uint64_t *size, struct hark_err *err);
/* Borrowed until the space changes: the quorum in force (NULL: the log is empty), the notes. */
HARK_CHECK int hark_witness_quorum(struct hark_space *space, const struct hark_quorum **out,
                                   struct hark_err *err);
HARK_CHECK int hark_witness_notes(struct hark_space *space, const struct hark_notes **out,
                                  struct hark_err *err);
/* Is the key of a cosigner whose signature what is not settled yet may still need? */
HARK_CHECK int hark_witness_wants(struct hark_space *space, const struct hark_key *key,
                                  bool *wanted, struct hark_err *err);
/* How much of a log here ("": the main one, else the node whose intake it is) that cosigner
 * has signed, by its note of most entries of it. NULL: none is here. Borrowed as the notes. */
HARK_CHECK int hark_witness_cosigned(struct hark_space *space, const char *log,
                                     const struct hark_key *cosigner,
                                     const struct hark_cosigned **out, struct hark_err *err);
/* Has the cosigner whose note this is signed just the entries that its log begins with here?
 * *here false: it goes further than the log here. */
HARK_CHECK int hark_witness_fits(struct hark_space *space, const struct hark_cosigned *cosigned,
                                 bool *here, bool *fits, struct hark_err *err);
/* Has this cosigner signed what the log here does not have, so that it signs no more? */
HARK_CHECK int hark_witness_stuck(struct hark_space *space, const struct hark_key *cosigner,
                                  bool *stuck, struct hark_err *err);
/* The checkpoint of more than `position` entries of that log, as it is here, that most cosigners
 * have signed, with all of their lines, appended to `out`; *size: its size, 0: there is none, and
 * nothing is appended. */
HARK_CHECK int hark_witness_note(struct hark_space *space, const char *log, uint64_t position,
                                 struct hark_buf *out, uint64_t *size, struct hark_err *err);
/* Has refs/heads/cosigned say what is here of the log that is here, for whoever clones the
 * repository. Nothing is done for notes that were never asked for. */
HARK_CHECK int hark_witness_publish(struct hark_space *space, struct hark_err *err);
/* For whoever asks: the checkpoint of most entries that anybody has cosigned of the log here,
 * with all of its lines; of none: the newest, which the home alone has signed. Appended to
 * `out`. Error: not-found (the log is empty). */
HARK_CHECK int hark_witness_newest(struct hark_space *space, struct hark_buf *out,
                                   struct hark_err *err);
/* Appends the body of a `cosign` (PROTOCOL.md 9.2) with the last of each cosigner, as many
 * as it has room for; *count 0: nothing, and nothing is appended. */
HARK_CHECK int hark_witness_body(struct hark_space *space, struct hark_buf *out, size_t *count,
                                 struct hark_err *err);

#endif
