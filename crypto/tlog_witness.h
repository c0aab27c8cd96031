/*
 * What a log asks of a witness and what that is to say to it, in C2SP tlog-witness
 * (c2sp.org/tlog-witness): the body of `add-checkpoint`, the decision about it, and the
 * lines that are answered. Pure: what a witness has cosigned is told, and kept by others.
 * PROTOCOL.md 7.10.
 */
#ifndef HARK_CRYPTO_TLOG_WITNESS_H
#define HARK_CRYPTO_TLOG_WITNESS_H

#include "merkle.h"
#include "note.h"

#define HARK_TLOG_WITNESS_PROOF_MAX 63u /* hashes in a request at most */
/* Bytes of a request at most: old size, hashes of 45 and a note. */
#define HARK_TLOG_WITNESS_MAX (4096u + HARK_NOTE_MAX)
/* Of the answer 409: "<size>\n". */
#define HARK_TLOG_WITNESS_SIZE_TYPE "text/x.tlog.size"

struct hark_tlog_request {
    uint64_t old_size;      /* of what the log takes the witness to have cosigned last */
    struct hark_proof path; /* consistency with that */
    struct hark_span note;  /* the checkpoint, a whole signed note; borrowed */
};

/* Appends the body. Errors: proof-form (too many hashes, a size too large), limit. */
HARK_CHECK int hark_tlog_request_encode(struct hark_buf *out,
                                        const struct hark_tlog_request *request,
                                        struct hark_err *err);
/* Strictly: what is taken is written back as it was. The note is not looked into.
 * Error: proof-form. */
HARK_CHECK int hark_tlog_request_decode(struct hark_tlog_request *out, struct hark_span body,
                                        struct hark_err *err);

/* A request with its note read. Large: not for the stack. */
struct hark_tlog_asked {
    struct hark_tlog_request request;
    struct hark_note note;
    struct hark_checkpoint checkpoint;
};
/* Decodes the body, its note and the checkpoint in that; all borrow from `body`. Errors
 * (each of them is status 400): proof-form, note-form, checkpoint-form. */
HARK_CHECK int hark_tlog_asked_read(struct hark_tlog_asked *out, struct hark_span body,
                                    struct hark_err *err);

/* The newest checkpoint that a witness has cosigned of an origin; never one: zeroed. */
struct hark_tlog_latest {
    uint64_t size;
    struct hark_hash root; /* of size 0: not looked at, there is one empty tree */
};

/* The HTTP status by the text, in the order of its checks; *err (unless NULL) says why,
 * and is set for all but 200. `keys` are those of all logs that are witnessed, key->name
 * being the origin.
 *
 *     404  no key of the checkpoint's origin
 *     403  not signed by one, or a signature of one does not hold
 *     400  the old size is larger than the checkpoint's
 *     409  the old size is not the latest; the answer is the latest size
 *     422  the proof does not lead from the latest to the checkpoint; of size 0: there is
 *          a proof, or it is not the empty tree's root
 *     409  the same size with another root; the answer is the latest size
 *     200  to be recorded, durably and before anything else is judged about the origin,
 *          and then cosigned */
unsigned hark_tlog_witness_judge(const struct hark_tlog_asked *asked,
                                 const struct hark_note_key *keys, size_t key_count,
                                 const struct hark_tlog_latest *latest, struct hark_err *err);

/* The client's part: appends the checkpoint that was sent with the lines that a witness
 * answered under it, when `witness` (a cosigner's key) has signed in them what was sent.
 * *time_s (may be NULL): the time that it cosigned. Errors: note-form (those are not
 * signature lines), note-unsigned (none is by that key), note-signature, limit. */
HARK_CHECK int hark_tlog_witness_join(struct hark_buf *out, struct hark_span note,
                                      struct hark_span lines, const struct hark_note_key *witness,
                                      uint64_t *time_s, struct hark_err *err);

#endif
