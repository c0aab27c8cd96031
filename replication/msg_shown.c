/* shown: space id ‖ u16 n ‖ n × (u32 size ‖ entry ‖ u32 size ‖ payload), n 1 to 66 */
#include "msg_internal.h"

int hark_shown_encode(struct hark_buf *out, const struct hark_hash *space,
                      const struct hark_submitted *entries, size_t count, struct hark_err *err)
{
    int rc = hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
    return rc != 0 ? rc : hark_entries_encode(out, entries, count, HARK_SHOWN_MAX, 0, err);
}

int hark_shown_decode(struct hark_hash *space, struct hark_submitted **entries, size_t *count,
                      struct hark_span body, struct hark_err *err)
{
    *entries = NULL;
    *count = 0;
    int rc = hark_id_take(&body, space, err);
    return rc != 0 ? rc : hark_entries_take(entries, count, HARK_SHOWN_MAX, 0, &body, err);
}
