/*
 * See disclosure.h. The form is that of evidence files, with other fields before the parts.
 */
#include "schemas/disclosure.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/evidence_internal.h"

#define KEY "key "

bool hark_disclosure_is(struct hark_span text)
{
    return hark_take_literal(&text, HARK_DISCLOSURE_HEAD);
}

/* --- the form --------------------------------------------------------------------------- */

static int put_all(struct hark_buf *out, const struct hark_disclosure_parts *parts,
                   struct hark_err *err)
{
    int rc = hark_buf_append_str(out, HARK_DISCLOSURE_HEAD KEY, err);

    if (rc == 0)
        rc = hark_buf_append_hex(out, parts->key, sizeof(parts->key), err);
    if (rc == 0)
        rc = hark_buf_append_str(out, "\n\n", err);
    if (rc == 0)
        rc = hark_evidence_put_part(out, parts->entry, err);
    if (rc == 0)
        rc = hark_evidence_put_part(out, parts->envelope, err);
    if (rc == 0 && parts->receipt.size > 0)
        rc = hark_evidence_put_part(out, parts->receipt, err);
    return rc;
}

/* One that is not empty, and no larger than such things are. */
static bool take_part(struct hark_span *in, struct hark_span *out, size_t max)
{
    return hark_evidence_take_part(in, out) && out->size > 0 && out->size <= max;
}

/* The first thing that is wrong with it, NULL if nothing is. */
static const char *read_form(struct hark_disclosure_parts *out, struct hark_span in)
{
    struct hark_span line;

    if (!hark_take_literal(&in, HARK_DISCLOSURE_HEAD))
        return "it does not begin as one";
    if (!hark_take_headed(&in, KEY, &line) ||
        hark_hex_decode(out->key, sizeof(out->key), line, NULL) != 0)
        return "it has no key";
    if (!hark_take_literal(&in, "\n"))
        return "after its key comes what does not belong there";
    if (!take_part(&in, &out->entry, HARK_ENTRY_MAX))
        return "its first part is no entry";
    if (!take_part(&in, &out->envelope, HARK_ENVELOPE_MAX))
        return "its second part is no envelope";
    if (in.size > 0 && !take_part(&in, &out->receipt, HARK_TLOG_PROOF_MAX))
        return "after its parts comes what is no receipt";
    return in.size > 0 ? "it goes on after its end" : NULL;
}

int hark_disclosure_decode(struct hark_disclosure_parts *out, struct hark_span text,
                           struct hark_err *err)
{
    const char *wrong;

    memset(out, 0, sizeof(*out));
    wrong = text.size > HARK_DISCLOSURE_MAX ? "it is too long" : read_form(out, text);
    if (wrong == NULL)
        return 0;
    memset(out, 0, sizeof(*out));
    return hark_err_set(err, HARK_E_DISCLOSURE_FORM, "no disclosure: %s", wrong);
}

/* --- what it says ------------------------------------------------------------------------ */

static int nothing(const char *why, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_DISCLOSURE, "the disclosure does not hold: %s", why);
}

/* Of what came from elsewhere any refusal is the same. */
static int refuse(int rc, const char *what, struct hark_err *err)
{
    struct hark_err why = {0};

    if (rc == 0 || rc == HARK_E_NO_MEMORY || rc == HARK_E_INTERNAL || rc == HARK_E_LIMIT)
        return rc;
    if (err != NULL)
        why = *err;
    return hark_err_set(err, HARK_E_DISCLOSURE, "the disclosure does not hold: %s: %.300s (%s)",
                        what, why.message, hark_err_name(rc));
}

/* By its author, of a kind that is sealed, and naming this payload. */
static int check_entry(struct hark_entry *entry, const struct hark_disclosure_parts *parts,
                       struct hark_err *err)
{
    struct hark_hash hash;
    int rc = hark_entry_parse(entry, parts->entry, err);

    if (rc == 0)
        rc = hark_entry_verify(entry, parts->entry, err);
    if (rc < 0)
        return refuse(rc, "its entry", err);
    if (strcmp(entry->kind, "sealed") != 0 && strcmp(entry->kind, "charter") != 0)
        return nothing("its entry is of a kind that is not sealed", err);
    hash = hark_sha256(parts->envelope);
    if (!entry->has_payload || entry->payload_size != parts->envelope.size ||
        !hark_hash_equal(&entry->payload_hash, &hash))
        return nothing("its entry has another payload", err);
    return 0;
}

static int open_envelope(struct hark_disclosure *out, struct hark_buf *content,
                         const struct hark_disclosure_parts *parts, struct hark_err *err)
{
    struct hark_buf headers = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_envelope_head head;
    struct hark_seed *key = NULL;
    int rc = hark_entry_headers(&headers, &out->entry, err);

    if (rc == 0)
        rc = hark_seed_from_bytes(&key, parts->key, err);
    if (rc == 0)
        rc = hark_envelope_read(&head, parts->envelope, err);
    if (rc == 0) {
        out->epoch = head.epoch;
        rc = hark_envelope_open(content, key, hark_buf_span(&headers), parts->envelope, err);
    }
    hark_seed_free(key);
    hark_buf_free(&headers);
    return refuse(rc, "its envelope", err);
}

/* Of this entry, in a log of its space. */
static int check_receipt(struct hark_disclosure *out, const struct hark_disclosure_parts *parts,
                         struct hark_err *err)
{
    struct hark_origin_parts origin;
    int rc = hark_receipt_decode(&out->receipt, parts->receipt, err);

    if (rc < 0)
        return refuse(rc, "its receipt", err);
    if (!hark_hash_equal(&out->receipt.line.id, &out->entry.id))
        return nothing("its receipt is another entry's", err);
    if (!hark_origin_read(&origin, hark_span_str(out->receipt.checkpoint.origin)) ||
        !hark_hash_equal(&origin.space, &out->entry.space))
        return nothing("its receipt is of no log of the entry's space", err);
    return 0;
}

int hark_disclosure_read(struct hark_disclosure *out, struct hark_buf *content,
                         struct hark_span text, struct hark_err *err)
{
    struct hark_disclosure_parts parts;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = hark_disclosure_decode(&parts, text, err);
    if (rc == 0)
        rc = check_entry(&out->entry, &parts, err);
    out->has_receipt = rc == 0 && parts.receipt.size > 0;
    if (out->has_receipt)
        rc = check_receipt(out, &parts, err);
    /* Last, so that nothing is appended of what does not hold. */
    if (rc == 0)
        rc = open_envelope(out, content, &parts, err);
    if (rc != 0)
        memset(out, 0, sizeof(*out));
    return rc;
}

int hark_disclosure_encode(struct hark_buf *out, const struct hark_disclosure_parts *parts,
                           struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_DISCLOSURE_MAX);
    struct hark_buf content = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    struct hark_disclosure *room = calloc(1, sizeof(*room));
    int rc;

    if (room == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a disclosure");
    rc = put_all(&text, parts, err);
    if (rc == 0)
        rc = hark_disclosure_read(room, &content, hark_buf_span(&text), err);
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    hark_buf_free(&content);
    hark_buf_free(&text);
    free(room);
    return rc;
}
