/* cosign: space id ‖ u16 n ‖ n × (u32 size ‖ note), n 1 to 64 */
#include "crypto/note.h"
#include "msg_internal.h"

static int put_note(struct hark_buf *out, struct hark_span note, struct hark_err *err)
{
    if (note.size == 0 || note.size > HARK_NOTE_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a note has 1 to %u bytes", HARK_NOTE_MAX);
    }
    return hark_sized_encode(out, note, err);
}

int hark_cosign_encode(struct hark_buf *out, const struct hark_hash *space,
                       const struct hark_span *notes, size_t count, struct hark_err *err)
{
    if (count == 0 || count > HARK_COSIGN_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "1 to %u notes go into a message", HARK_COSIGN_MAX);
    }
    int rc = hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
    if (rc == 0) {
        rc = hark_buf_append_u16(out, (uint16_t)count, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_note(out, notes[i], err);
    }
    return rc;
}

int hark_cosign_decode(struct hark_hash *space, struct hark_span notes[HARK_COSIGN_MAX],
                       size_t *count, struct hark_span body, struct hark_err *err)
{
    uint16_t n = 0;
    *count = 0;
    int rc = hark_id_take(&body, space, err);
    if (rc == 0 && (!hark_take_u16(&body, &n) || n == 0 || n > HARK_COSIGN_MAX)) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "not 1 to %u notes", HARK_COSIGN_MAX);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hark_sized_take(&body, 1, HARK_NOTE_MAX, &notes[i], err);
    }
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "a cosign with more behind its notes");
    }
    if (rc == 0) {
        *count = n;
    }
    return rc;
}
