#include "tlog_proof.h"

#include <inttypes.h>
#include <string.h>

#define EXTRA "extra "
#define INDEX "index "

static int append_base64_line(struct hark_buf *out, struct hark_span data, struct hark_err *err)
{
    int rc = hark_base64_encode(out, data, err);
    return rc != 0 ? rc : hark_buf_append_byte(out, '\n', err);
}

int hark_tlog_proof_encode(struct hark_buf *out, const struct hark_tlog_proof *proof,
                           struct hark_err *err)
{
    if (proof->extra_size > HARK_TLOG_PROOF_EXTRA_MAX ||
        proof->path.count > HARK_MERKLE_PROOF_MAX) {
        return hark_err_set(err, HARK_E_PROOF_FORM, "too much for a proof");
    }
    int rc = hark_buf_append_str(out, HARK_TLOG_PROOF_HEAD, err);
    if (rc == 0 && proof->extra_size > 0) {
        rc = hark_buf_append_str(out, EXTRA, err);
        if (rc == 0) {
            rc = append_base64_line(out, hark_span(proof->extra, proof->extra_size), err);
        }
    }
    if (rc == 0) {
        rc = hark_buf_printf(out, err, INDEX "%" PRIu64 "\n", proof->index);
    }
    for (size_t i = 0; rc == 0 && i < proof->path.count; i++) {
        rc = append_base64_line(out, hark_span(proof->path.hashes[i].bytes, HARK_HASH_SIZE), err);
    }
    if (rc == 0) {
        rc = hark_buf_append_byte(out, '\n', err);
    }
    return rc != 0 ? rc : hark_buf_append_span(out, proof->note, err);
}

/* base64 of 1 to `max` bytes into out. */
static bool take_base64(struct hark_span text, uint8_t *out, size_t max, size_t *size)
{
    uint8_t room[HARK_TLOG_PROOF_EXTRA_MAX + 1];
    struct hark_buf bytes = hark_buf_over(room, max + 1);
    if (hark_base64_decode(&bytes, text, NULL) != 0 || bytes.size == 0) {
        return false;
    }
    memcpy(out, bytes.data, bytes.size);
    *size = bytes.size;
    return true;
}

/* The first thing that is wrong with it, NULL if nothing is. */
static const char *read_proof(struct hark_tlog_proof *out, struct hark_span in)
{
    struct hark_span line;
    size_t size = 0;
    if (!hark_take_literal(&in, HARK_TLOG_PROOF_HEAD)) {
        return "it does not begin as one";
    }
    if (hark_take_literal(&in, EXTRA) &&
        (!hark_take_line(&in, &line) ||
         !take_base64(line, out->extra, sizeof(out->extra), &out->extra_size))) {
        return "its extra data is not base64, or too long";
    }
    if (!hark_take_literal(&in, INDEX) || !hark_take_line(&in, &line) ||
        hark_decimal_decode(&out->index, line, HARK_MERKLE_SIZE_MAX, NULL) != 0) {
        return "it has no index";
    }
    while (hark_take_line(&in, &line) && line.size > 0) {
        if (out->path.count == HARK_MERKLE_PROOF_MAX ||
            !take_base64(line, out->path.hashes[out->path.count].bytes, HARK_HASH_SIZE, &size) ||
            size != HARK_HASH_SIZE) {
            return "its path is not of hashes, or too long";
        }
        out->path.count++;
    }
    if (line.size > 0 || in.size == 0) {
        return "it has no checkpoint";
    }
    out->note = in;
    return NULL;
}

int hark_tlog_proof_decode(struct hark_tlog_proof *out, struct hark_span text, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    const char *wrong = text.size > HARK_TLOG_PROOF_MAX ? "it is too long" : read_proof(out, text);
    if (wrong == NULL) {
        return 0;
    }
    memset(out, 0, sizeof(*out));
    return hark_err_set(err, HARK_E_PROOF_FORM, "not a proof (tlog-proof): %s", wrong);
}
