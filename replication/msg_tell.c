/* tell: u16 n ‖ n × (u8 status ‖ cursor), in the order asked */
#include <stdlib.h>

#include "messages.h"

/* Status, space, empty origin, size, batches, root. */
#define TOLD_MIN (1u + 32u + 1u + 8u + 8u + 32u)

int hark_tell_encode(struct hark_buf *out, const struct hark_told *told, size_t count,
                     struct hark_err *err)
{
    if (count == 0 || count > HARK_CURSORS_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a tell has 1 to %u cursors", HARK_CURSORS_MAX);
    }
    int rc = hark_buf_append_u16(out, (uint16_t)count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_buf_append_u8(out, told[i].status, err);
        if (rc == 0) {
            rc = hark_cursor_encode(out, &told[i].cursor, err);
        }
    }
    return rc;
}

static int take_told(struct hark_span *in, struct hark_told *out, struct hark_err *err)
{
    if (!hark_take_u8(in, &out->status) || out->status > HARK_TELL_BEHIND) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a status that no tell has");
    }
    return hark_cursor_take(in, &out->cursor, err);
}

int hark_tell_decode(struct hark_told **told, size_t *count, struct hark_span body,
                     struct hark_err *err)
{
    uint16_t n = 0;
    int rc = 0;
    *told = NULL;
    *count = 0;
    if (!hark_take_u16(&body, &n) || n == 0 || n > HARK_CURSORS_MAX || body.size / TOLD_MIN < n) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a tell has 1 to %u cursors", HARK_CURSORS_MAX);
    }
    struct hark_told *read = calloc(n, sizeof(*read));
    if (read == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %u cursors", (unsigned)n);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = take_told(&body, &read[i], err);
    }
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "a tell with more behind its cursors");
    }
    if (rc != 0) {
        free(read);
        return rc;
    }
    *told = read;
    *count = n;
    return 0;
}
