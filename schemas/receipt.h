/*
 * Receipts: that an entry stands in a log, in a file that needs nothing else to be
 * read. A C2SP tlog-proof with what the leaf is made of as its extra data.
 * PROTOCOL.md 7.7. Pure.
 */
#ifndef HARK_SCHEMAS_RECEIPT_H
#define HARK_SCHEMAS_RECEIPT_H

#include "crypto/tlog_proof.h"
#include "schemas/batch.h"

struct hark_receipt {
    struct hark_line line;             /* position, arrival, accepted, id; no intake */
    struct hark_git_id commit;         /* the entry's git commit; nothing proves it but the id */
    struct hark_checkpoint checkpoint; /* what the note's text says */
    struct hark_span note;             /* the whole signed note; borrowed */
};

/* Appends the file: `path` proves the line's leaf under the checkpoint of the note,
 * which is parsed and which it has to fit. Errors: those of decode, limit. */
HARK_CHECK int hark_receipt_encode(struct hark_buf *out, const struct hark_line *line,
                                   const struct hark_git_id *commit, const struct hark_proof *path,
                                   struct hark_span note, struct hark_err *err);
/* Parses it and checks that the leaf stands under the checkpoint's root; the note's
 * signatures are the caller's to check. Errors: proof-form, proof, note-form,
 * checkpoint-form. */
HARK_CHECK int hark_receipt_decode(struct hark_receipt *out, struct hark_span text,
                                   struct hark_err *err);

#endif
