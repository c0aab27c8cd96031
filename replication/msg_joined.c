/* joined: space id ‖ u8 status ‖ text(error name) ‖ text(message); status 0 admitted, 1
 * waiting, 2 refused (else both texts are empty) */
#include <string.h>

#include "msg_internal.h"

int hark_joined_encode(struct hark_buf *out, const struct hark_joined *joined, struct hark_err *err)
{
    if (joined->status > HARK_JOINED_REFUSED) {
        return hark_err_set(err, HARK_E_INTERNAL, "a status that no joined has");
    }
    int rc = hark_buf_append(out, joined->space.bytes, HARK_HASH_SIZE, err);
    if (rc == 0) {
        rc = hark_buf_append_u8(out, joined->status, err);
    }
    return rc != 0 ? rc
                   : hark_verdict_encode(out, joined->status == HARK_JOINED_REFUSED, joined->code,
                                         joined->message, err);
}

int hark_joined_decode(struct hark_joined *out, struct hark_span body, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    int rc = hark_id_take(&body, &out->space, err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u8(&body, &out->status) || out->status > HARK_JOINED_REFUSED) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a status that no joined has");
    }
    rc =
        hark_verdict_take(&body, out->status == HARK_JOINED_REFUSED, &out->code, out->message, err);
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "joined with more behind it");
    }
    return rc;
}
