/*
 * Proofs in C2SP tlog-proof (c2sp.org/tlog-proof@v1): that a leaf stands in a log,
 * by an inclusion proof and a checkpoint, in one text file. PROTOCOL.md 2.9.
 */
#ifndef HARK_CRYPTO_TLOG_PROOF_H
#define HARK_CRYPTO_TLOG_PROOF_H

#include "merkle.h"
#include "note.h"

#define HARK_TLOG_PROOF_HEAD      "c2sp.org/tlog-proof@v1\n"
#define HARK_TLOG_PROOF_EXTRA_MAX 512u /* bytes of extra data read; more is proof-form */
/* Bytes of a file at most: the head, extra, index, hashes of 45 and a note. */
#define HARK_TLOG_PROOF_MAX (4096u + HARK_NOTE_MAX)

struct hark_tlog_proof {
    size_t extra_size; /* 0: no such line. Nothing authenticates extra data. */
    uint8_t extra[HARK_TLOG_PROOF_EXTRA_MAX];
    uint64_t index;         /* of the leaf, from 0 */
    struct hark_proof path; /* from the leaf's sibling up */
    struct hark_span note;  /* the checkpoint, a whole signed note; borrowed */
};

/* Appends the file. Errors: proof-form (extra data too long), limit. */
HARK_CHECK int hark_tlog_proof_encode(struct hark_buf *out, const struct hark_tlog_proof *proof,
                                      struct hark_err *err);
/* Strictly: what is taken is written back as it was. The note is not looked into.
 * Error: proof-form. */
HARK_CHECK int hark_tlog_proof_decode(struct hark_tlog_proof *out, struct hark_span text,
                                      struct hark_err *err);

#endif
