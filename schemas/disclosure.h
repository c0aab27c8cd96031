/*
 * Disclosures: one entry of an encrypted space, shown to somebody who has none of its keys,
 * in a file that is checked with nothing else at hand. PROTOCOL.md 10.6. Pure.
 *
 * A file has at most HARK_DISCLOSURE_MAX bytes: an entry (4,096), its envelope (65,485), a
 * receipt if there is one (HARK_TLOG_PROOF_MAX), and 256 for what stands around them.
 */
#ifndef HARK_SCHEMAS_DISCLOSURE_H
#define HARK_SCHEMAS_DISCLOSURE_H

#include "crypto/envelope.h"
#include "schemas/entry.h"
#include "schemas/receipt.h"

#define HARK_DISCLOSURE_HEAD "hark-disclosure 1\n"
#define HARK_DISCLOSURE_MAX  (HARK_ENTRY_MAX + HARK_ENVELOPE_MAX + HARK_TLOG_PROOF_MAX + 256u)

/* What a file is made of. All that is borrowed lies in what it was read from. */
struct hark_disclosure_parts {
    uint8_t key[HARK_ENVELOPE_KEY_SIZE]; /* of this entry alone; no secret any more */
    struct hark_span entry;              /* the commit object */
    struct hark_span envelope;           /* its payload */
    struct hark_span receipt;            /* empty: there is none */
};

/* What a file proves, all of it checked but for the signatures under the receipt's
 * checkpoint, since the file does not say whose log key that is. */
struct hark_disclosure {
    struct hark_entry entry;
    uint32_t epoch;
    bool has_receipt;
    struct hark_receipt receipt; /* its note lies in the file */
};

/* Appends the file, if it proves something: it is read again. Errors: those of read. */
HARK_CHECK int hark_disclosure_encode(struct hark_buf *out,
                                      const struct hark_disclosure_parts *parts,
                                      struct hark_err *err);
/* The form alone, strictly: what is taken is written back as it was. Nothing in it is
 * checked. Error: disclosure-form. */
HARK_CHECK int hark_disclosure_decode(struct hark_disclosure_parts *out, struct hark_span text,
                                      struct hark_err *err);
/* Reads it and checks everything: the entry and its signature, that it names this payload,
 * that the envelope commits to this key and opens, that the receipt is this entry's in a log
 * of its space. Appends what the entry says to `content`, as its author wrote it (JSON, if
 * the author kept to the rules; at most HARK_ENVELOPE_CONTENT_MAX bytes, and `content` has to
 * have room for HARK_ENVELOPE_PLAIN_MAX). *out is large (keep it off the stack). Errors:
 * disclosure-form, disclosure (something does not hold), limit, no-memory. */
HARK_CHECK int hark_disclosure_read(struct hark_disclosure *out, struct hark_buf *content,
                                    struct hark_span text, struct hark_err *err);
/* Does it begin as such a file? */
bool hark_disclosure_is(struct hark_span text);

#endif
