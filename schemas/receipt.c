#include "schemas/receipt.h"

#include <stdlib.h>
#include <string.h>

/* u8 version ‖ entry id ‖ u64 arrival ‖ u64 accepted ‖ git id */
enum { VERSION = 1, EXTRA_SIZE = 1 + HARK_HASH_SIZE + 8 + 8 + HARK_GIT_ID_SIZE };

static void put_extra(uint8_t extra[EXTRA_SIZE], const struct hark_line *line,
                      const struct hark_git_id *commit)
{
    *extra++ = VERSION;
    memcpy(extra, line->id.bytes, HARK_HASH_SIZE);
    extra += HARK_HASH_SIZE;
    hark_put_u64(extra, line->arrival_ms);
    hark_put_u64(extra + 8, line->accepted_ms);
    memcpy(extra + 16, commit->bytes, HARK_GIT_ID_SIZE);
}

static bool take_extra(struct hark_span in, struct hark_receipt *out)
{
    struct hark_span id, commit;
    uint8_t version = 0;
    if (!hark_take_u8(&in, &version) || version != VERSION ||
        !hark_take(&in, HARK_HASH_SIZE, &id) || !hark_take_u64(&in, &out->line.arrival_ms) ||
        !hark_take_u64(&in, &out->line.accepted_ms) || !hark_take(&in, HARK_GIT_ID_SIZE, &commit) ||
        in.size != 0 || out->line.arrival_ms > HARK_TIME_MAX_MS ||
        out->line.accepted_ms > HARK_TIME_MAX_MS) {
        return false;
    }
    memcpy(out->line.id.bytes, id.data, HARK_HASH_SIZE);
    memcpy(out->commit.bytes, commit.data, HARK_GIT_ID_SIZE);
    return true;
}

/* Fills out->checkpoint, and holds it against line and path. */
static int check(struct hark_receipt *out, const struct hark_proof *path, struct hark_err *err)
{
    struct hark_hash leaf = hark_line_leaf(&out->line);
    int rc = hark_checkpoint_read(&out->checkpoint, out->note, err);
    return rc != 0 ? rc
                   : hark_merkle_verify_inclusion(&leaf, out->line.position, out->checkpoint.size,
                                                  path->hashes, path->count, &out->checkpoint.root,
                                                  err);
}

int hark_receipt_encode(struct hark_buf *out, const struct hark_line *line,
                        const struct hark_git_id *commit, const struct hark_proof *path,
                        struct hark_span note, struct hark_err *err)
{
    struct hark_receipt *receipt = calloc(1, sizeof(*receipt));
    struct hark_tlog_proof proof = {
        .extra_size = EXTRA_SIZE, .index = line->position, .path = *path, .note = note};
    if (receipt == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a receipt");
    }
    receipt->line = *line;
    receipt->note = note;
    put_extra(proof.extra, line, commit);
    int rc = check(receipt, path, err);
    free(receipt);
    return rc != 0 ? rc : hark_tlog_proof_encode(out, &proof, err);
}

int hark_receipt_decode(struct hark_receipt *out, struct hark_span text, struct hark_err *err)
{
    struct hark_tlog_proof proof;
    memset(out, 0, sizeof(*out));
    int rc = hark_tlog_proof_decode(&proof, text, err);
    if (rc != 0) {
        return rc;
    }
    if (!take_extra(hark_span(proof.extra, proof.extra_size), out)) {
        return hark_err_set(err, HARK_E_PROOF_FORM,
                            "a proof, but no receipt: its extra data is not Hark's");
    }
    out->line.position = proof.index;
    out->note = proof.note;
    return check(out, &proof.path, err);
}
