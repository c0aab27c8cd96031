/* fetch: cursor ‖ u32 most bytes wanted of load (65,536 to 16 MiB) */
#include <string.h>

#include "messages.h"

int hark_fetch_encode(struct hark_buf *out, const struct hark_fetch *fetch, struct hark_err *err)
{
    int rc = hark_cursor_encode(out, &fetch->cursor, err);
    return rc != 0 ? rc : hark_buf_append_u32(out, fetch->want, err);
}

int hark_fetch_decode(struct hark_fetch *out, struct hark_span body, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    int rc = hark_cursor_take(&body, &out->cursor, err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u32(&body, &out->want) || body.size != 0 || out->want < HARK_WANT_MIN ||
        out->want > HARK_WANT_MAX) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a fetch wants %u to %u bytes", HARK_WANT_MIN,
                            HARK_WANT_MAX);
    }
    return 0;
}
