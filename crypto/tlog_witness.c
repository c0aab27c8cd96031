#include "tlog_witness.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OLD "old "

/* --- the body -------------------------------------------------------------------------- */

int hark_tlog_request_encode(struct hark_buf *out, const struct hark_tlog_request *request,
                             struct hark_err *err)
{
    if (request->old_size > HARK_MERKLE_SIZE_MAX ||
        request->path.count > HARK_TLOG_WITNESS_PROOF_MAX)
        return hark_err_set(err, HARK_E_PROOF_FORM, "too much for a witness's request");
    int rc = hark_buf_printf(out, err, OLD "%" PRIu64 "\n", request->old_size);
    for (size_t i = 0; rc == 0 && i < request->path.count; i++) {
        rc = hark_base64_encode(out, hark_span(request->path.hashes[i].bytes, HARK_HASH_SIZE), err);
        if (rc == 0)
            rc = hark_buf_append_byte(out, '\n', err);
    }
    if (rc == 0)
        rc = hark_buf_append_byte(out, '\n', err);
    return rc != 0 ? rc : hark_buf_append_span(out, request->note, err);
}

static bool take_hash(struct hark_span line, struct hark_hash *out)
{
    uint8_t room[HARK_HASH_SIZE + 2]; /* one more than wanted, and the NUL */
    struct hark_buf bytes = hark_buf_over(room, sizeof(room));

    if (hark_base64_decode(&bytes, line, NULL) != 0 || bytes.size != HARK_HASH_SIZE)
        return false;
    memcpy(out->bytes, bytes.data, HARK_HASH_SIZE);
    return true;
}

/* The first thing that is wrong with it, NULL if nothing is. */
static const char *read_request(struct hark_tlog_request *out, struct hark_span in)
{
    struct hark_span line;

    if (!hark_take_literal(&in, OLD) || !hark_take_line(&in, &line) ||
        hark_decimal_decode(&out->old_size, line, HARK_MERKLE_SIZE_MAX, NULL) != 0)
        return "it does not begin with an old size";
    while (hark_take_line(&in, &line) && line.size > 0) {
        if (out->path.count == HARK_TLOG_WITNESS_PROOF_MAX)
            return "its proof has more than 63 hashes";
        if (!take_hash(line, &out->path.hashes[out->path.count]))
            return "its proof is not of hashes";
        out->path.count++;
    }
    if (line.size > 0 || in.size == 0)
        return "it has no checkpoint";
    out->note = in;
    return NULL;
}

int hark_tlog_request_decode(struct hark_tlog_request *out, struct hark_span body,
                             struct hark_err *err)
{
    const char *wrong = "it is too long";

    memset(out, 0, sizeof(*out));
    if (body.size <= HARK_TLOG_WITNESS_MAX)
        wrong = read_request(out, body);
    if (wrong == NULL)
        return 0;
    memset(out, 0, sizeof(*out));
    return hark_err_set(err, HARK_E_PROOF_FORM, "not a request to a witness: %s", wrong);
}

int hark_tlog_asked_read(struct hark_tlog_asked *out, struct hark_span body, struct hark_err *err)
{
    int rc = hark_tlog_request_decode(&out->request, body, err);

    if (rc == 0)
        rc = hark_note_parse(&out->note, out->request.note, err);
    if (rc == 0)
        rc = hark_checkpoint_decode(&out->checkpoint, out->note.text, NULL, err);
    return rc;
}

/* --- the decision ---------------------------------------------------------------------- */

static unsigned refuse(unsigned status, int code, const char *why, struct hark_err *err)
{
    (void)hark_err_set(err, code, "%s", why);
    return status;
}

/* "The witness MUST verify the checkpoint signature against the public key(s) it trusts for
 * the checkpoint origin": 404 without one, 403 without a signature. A signature that does
 * not hold is refused even beside one that does, as signed-note wants it. */
static unsigned judge_signatures(const struct hark_tlog_asked *asked,
                                 const struct hark_note_key *keys, size_t key_count,
                                 struct hark_err *err)
{
    bool known = false, is_signed = false;

    for (size_t i = 0; i < key_count; i++) {
        int rc;

        if (strcmp(keys[i].name, asked->checkpoint.origin) != 0)
            continue;
        known = true;
        rc = hark_note_verify(&asked->note, &keys[i], NULL, NULL);
        if (rc != 0 && rc != HARK_E_NOTE_UNSIGNED)
            return refuse(403, rc, "a signature of the log does not hold", err);
        is_signed = is_signed || rc == 0;
    }
    if (!known)
        return refuse(404, HARK_E_NOT_FOUND, "this log is not witnessed here", err);
    if (!is_signed)
        return refuse(403, HARK_E_NOTE_UNSIGNED, "the log has not signed it", err);
    return 200;
}

/* From the empty tree nothing leads to another but that it is one. */
static int check_from_nothing(const struct hark_tlog_asked *asked, struct hark_err *err)
{
    struct hark_hash empty = hark_merkle_empty();

    if (asked->request.path.count > 0)
        return hark_err_set(err, HARK_E_PROOF_FORM, "a proof from size 0 is empty");
    if (asked->checkpoint.size == 0 && !hark_hash_equal(&asked->checkpoint.root, &empty))
        return hark_err_set(err, HARK_E_PROOF, "this is not the empty tree's root");
    return 0;
}

static unsigned judge_history(const struct hark_tlog_asked *asked,
                              const struct hark_tlog_latest *latest, struct hark_err *err)
{
    const struct hark_checkpoint *cp = &asked->checkpoint;
    const struct hark_proof *path = &asked->request.path;
    bool same_size = latest->size == cp->size;
    int rc;

    if (latest->size == 0)
        rc = check_from_nothing(asked, err);
    else if (same_size)
        rc = path->count == 0
                 ? 0
                 : hark_err_set(err, HARK_E_PROOF_FORM, "a proof between equal sizes is empty");
    else
        rc = hark_merkle_verify_consistency(latest->size, cp->size, path->hashes, path->count,
                                            &latest->root, &cp->root, err);
    if (rc != 0)
        return 422;
    if (same_size && latest->size > 0 && !hark_hash_equal(&cp->root, &latest->root))
        return refuse(409, HARK_E_PROOF, "of this size another root has been cosigned", err);
    return 200;
}

unsigned hark_tlog_witness_judge(const struct hark_tlog_asked *asked,
                                 const struct hark_note_key *keys, size_t key_count,
                                 const struct hark_tlog_latest *latest, struct hark_err *err)
{
    uint64_t old_size = asked->request.old_size;
    unsigned status = judge_signatures(asked, keys, key_count, err);

    if (status != 200)
        return status;
    if (old_size > asked->checkpoint.size)
        return refuse(400, HARK_E_PROOF_FORM, "the old size is larger than the checkpoint's", err);
    if (old_size != latest->size)
        return refuse(409, HARK_E_PROOF_FORM, "the old size is not what was cosigned last", err);
    return judge_history(asked, latest, err);
}

/* --- the client ------------------------------------------------------------------------ */

int hark_tlog_witness_join(struct hark_buf *out, struct hark_span note, struct hark_span lines,
                           const struct hark_note_key *witness, uint64_t *time_s,
                           struct hark_err *err)
{
    struct hark_note *notes = calloc(2, sizeof(*notes)), *sent, *joined;
    struct hark_buf text = hark_buf_init(HARK_NOTE_MAX);
    int rc;

    if (notes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note");
    sent = &notes[0];
    joined = &notes[1];
    rc = hark_note_parse(sent, note, err);
    if (rc == 0)
        rc = hark_buf_append_span(&text, note, err);
    if (rc == 0)
        rc = hark_buf_append_span(&text, lines, err);
    if (rc == 0)
        rc = hark_note_parse(joined, hark_buf_span(&text), err);
    /* A blank line in the answer would have made what was sent part of a longer text. */
    if (rc == 0 && !hark_span_equal(sent->text, joined->text))
        rc = hark_err_set(err, HARK_E_NOTE_FORM, "the answer is not of signature lines");
    if (rc == 0)
        rc = hark_note_verify(joined, witness, time_s, err);
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    hark_buf_free(&text);
    free(notes);
    return rc;
}
