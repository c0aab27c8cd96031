/* ask: u16 n ‖ n × cursor, n 1 to 4,096 */
#include <stdlib.h>

#include "messages.h"

/* Space, empty origin, size, batches, root: no cursor is shorter. */
#define CURSOR_MIN (32u + 1u + 8u + 8u + 32u)

int hark_ask_encode(struct hark_buf *out, const struct hark_cursor *cursors, size_t count,
                    struct hark_err *err)
{
    if (count == 0 || count > HARK_CURSORS_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "an ask has 1 to %u cursors", HARK_CURSORS_MAX);
    }
    int rc = hark_buf_append_u16(out, (uint16_t)count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_cursor_encode(out, &cursors[i], err);
    }
    return rc;
}

int hark_ask_decode(struct hark_cursor **cursors, size_t *count, struct hark_span body,
                    struct hark_err *err)
{
    uint16_t n = 0;
    int rc = 0;
    *cursors = NULL;
    *count = 0;
    /* Nothing is allocated for cursors that cannot be there. */
    if (!hark_take_u16(&body, &n) || n == 0 || n > HARK_CURSORS_MAX || body.size / CURSOR_MIN < n) {
        return hark_err_set(err, HARK_E_PEER_FORM, "an ask has 1 to %u cursors", HARK_CURSORS_MAX);
    }
    struct hark_cursor *read = calloc(n, sizeof(*read));
    if (read == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %u cursors", (unsigned)n);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hark_cursor_take(&body, &read[i], err);
    }
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "an ask with more behind its cursors");
    }
    if (rc != 0) {
        free(read);
        return rc;
    }
    *cursors = read;
    *count = n;
    return 0;
}
