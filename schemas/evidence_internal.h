/*
 * Shared by evidence.c, which reads and writes files of all kinds and checks most, and
 * evidence_withheld.c; their parts are also those of disclosures (disclosure.c).
 */
#ifndef HARK_SCHEMAS_EVIDENCE_INTERNAL_H
#define HARK_SCHEMAS_EVIDENCE_INTERNAL_H

#include "schemas/evidence.h"
#include "schemas/receipt.h"
#include "schemas/state_internal.h"

/* Room for what is too large for the stack. */
struct hark_evidence_check {
    const struct hark_evidence_parts *parts;
    struct hark_evidence *out;
    struct hark_note note;
    struct hark_receipt receipt;
    struct hark_entry entry;
    struct hark_batch batch;
};

/* Error: evidence. */
int hark_evidence_nothing(const char *why, struct hark_err *err);
/* Of what came from elsewhere any refusal is the same. */
int hark_evidence_refuse(int rc, const char *what, struct hark_err *err);

/* Part 0 or 1, a note of a checkpoint, or where it may be one a receipt: into c->note and that
 * side. Errors: evidence, no-memory. */
HARK_CHECK int hark_evidence_read_note(struct hark_evidence_check *c, size_t at,
                                       bool may_be_receipt, struct hark_err *err);

/* A line `head`, then base64; a line that begins so, false: it does not. */
HARK_CHECK int hark_evidence_put_hash(struct hark_buf *out, const char *head,
                                      const struct hark_hash *hash, struct hark_err *err);
bool hark_evidence_take_hash(struct hark_span *in, const char *head, struct hark_hash *out);
bool hark_evidence_take_headed(struct hark_span *in, const char *head, struct hark_span *rest);

/* `part <bytes>`, so many bytes, and an LF. */
HARK_CHECK int hark_evidence_put_part(struct hark_buf *out, struct hark_span part,
                                      struct hark_err *err);
bool hark_evidence_take_part(struct hark_span *in, struct hark_span *out);

/* WITHHELD: its fields, and what it says. */
HARK_CHECK int hark_withheld_put(struct hark_buf *out, const struct hark_evidence_parts *parts,
                                 struct hark_err *err);
bool hark_withheld_take(struct hark_span *in, struct hark_evidence_parts *out);
HARK_CHECK int hark_withheld_check(struct hark_evidence_check *c, struct hark_err *err);
/* Is the delay in the first entry's policy no longer? Its payload was found to be valid. */
HARK_CHECK int hark_withheld_check_policy(struct hark_evidence_check *c,
                                          const struct hark_kinds *kinds, struct hark_err *err);

#endif
