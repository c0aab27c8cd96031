/* join: space id ‖ u32 size ‖ sealed request, 1 to 16,432 bytes */
#include "msg_internal.h"

int hark_join_encode(struct hark_buf *out, const struct hark_hash *space, struct hark_span sealed,
                     struct hark_err *err)
{
    if (sealed.size == 0 || sealed.size > HARK_SEALED_JOIN_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a sealed request has 1 to %u bytes",
                            HARK_SEALED_JOIN_MAX);
    }
    int rc = hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
    if (rc == 0) {
        rc = hark_buf_append_u32(out, (uint32_t)sealed.size, err);
    }
    return rc != 0 ? rc : hark_buf_append_span(out, sealed, err);
}

int hark_join_decode(struct hark_hash *space, struct hark_span *sealed, struct hark_span body,
                     struct hark_err *err)
{
    uint32_t size = 0;
    *sealed = hark_span(NULL, 0);
    int rc = hark_id_take(&body, space, err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u32(&body, &size) || size == 0 || size > HARK_SEALED_JOIN_MAX ||
        body.size != size) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a join without its 1 to %u sealed bytes",
                            HARK_SEALED_JOIN_MAX);
    }
    *sealed = body;
    return 0;
}
