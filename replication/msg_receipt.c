/*
 * receipt: space id ‖ u16 n ‖ n × (entry id ‖ u64 position); receipts: space id ‖ u16 n ‖ n ×
 * (u32 size ‖ receipt). n 1 to 64.
 */
#include "crypto/tlog_proof.h"
#include "msg_internal.h"

static int put_head(struct hark_buf *out, const struct hark_hash *space, size_t count,
                    struct hark_err *err)
{
    if (count == 0 || count > HARK_RECEIPT_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "1 to %u receipts go into a message",
                            HARK_RECEIPT_MAX);
    }
    int rc = hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
    return rc != 0 ? rc : hark_buf_append_u16(out, (uint16_t)count, err);
}

static int take_head(struct hark_span *in, struct hark_hash *space, uint16_t *count,
                     struct hark_err *err)
{
    int rc = hark_id_take(in, space, err);
    if (rc == 0 && (!hark_take_u16(in, count) || *count == 0 || *count > HARK_RECEIPT_MAX)) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "not 1 to %u receipts", HARK_RECEIPT_MAX);
    }
    return rc;
}

/* All of it is read: *count is how many there are. */
static int end(struct hark_span in, uint16_t read, size_t *count, struct hark_err *err)
{
    if (in.size != 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a message with more behind its receipts");
    }
    *count = read;
    return 0;
}

int hark_receipt_ask_encode(struct hark_buf *out, const struct hark_hash *space,
                            const struct hark_receipt_wanted *wanted, size_t count,
                            struct hark_err *err)
{
    int rc = put_head(out, space, count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_buf_append(out, wanted[i].id.bytes, HARK_HASH_SIZE, err);
        if (rc == 0) {
            rc = hark_buf_append_u64(out, wanted[i].position, err);
        }
    }
    return rc;
}

int hark_receipt_ask_decode(struct hark_hash *space,
                            struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX], size_t *count,
                            struct hark_span body, struct hark_err *err)
{
    uint16_t n = 0;
    *count = 0;
    int rc = take_head(&body, space, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hark_id_take(&body, &wanted[i].id, err);
        if (rc == 0 && !hark_take_u64(&body, &wanted[i].position)) {
            rc = hark_err_set(err, HARK_E_PEER_FORM, "a position that is cut short");
        }
    }
    return rc != 0 ? rc : end(body, n, count, err);
}

int hark_receipts_encode(struct hark_buf *out, const struct hark_hash *space,
                         const struct hark_span *receipts, size_t count, struct hark_err *err)
{
    int rc = put_head(out, space, count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = receipts[i].size > HARK_TLOG_PROOF_MAX
                 ? hark_err_set(err, HARK_E_LIMIT, "a receipt has at most %u bytes",
                                HARK_TLOG_PROOF_MAX)
                 : hark_sized_encode(out, receipts[i], err);
    }
    return rc;
}

int hark_receipts_decode(struct hark_hash *space, struct hark_span receipts[HARK_RECEIPT_MAX],
                         size_t *count, struct hark_span body, struct hark_err *err)
{
    uint16_t n = 0;
    *count = 0;
    int rc = take_head(&body, space, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hark_sized_take(&body, 0, HARK_TLOG_PROOF_MAX, &receipts[i], err);
    }
    return rc != 0 ? rc : end(body, n, count, err);
}
