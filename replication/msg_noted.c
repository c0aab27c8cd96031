/* noted: space id */
#include "msg_internal.h"

int hark_noted_encode(struct hark_buf *out, const struct hark_hash *space, struct hark_err *err)
{
    return hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
}

int hark_noted_decode(struct hark_hash *space, struct hark_span body, struct hark_err *err)
{
    int rc = hark_id_take(&body, space, err);
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "noted with more behind its space");
    }
    return rc;
}
