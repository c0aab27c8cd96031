/* evidence: space id ‖ u16 n ‖ n × (u32 size ‖ file), n 1 to 8 */
#include "msg_internal.h"
#include "schemas/evidence.h"

static int put_file(struct hark_buf *out, struct hark_span file, struct hark_err *err)
{
    if (file.size == 0 || file.size > HARK_EVIDENCE_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a file of evidence has 1 to %u bytes",
                            HARK_EVIDENCE_MAX);
    }
    return hark_sized_encode(out, file, err);
}

int hark_evidence_files_encode(struct hark_buf *out, const struct hark_hash *space,
                               const struct hark_span *files, size_t count, struct hark_err *err)
{
    if (count == 0 || count > HARK_EVIDENCE_FILES_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "1 to %u files of evidence go into a message",
                            HARK_EVIDENCE_FILES_MAX);
    }
    int rc = hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
    if (rc == 0) {
        rc = hark_buf_append_u16(out, (uint16_t)count, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_file(out, files[i], err);
    }
    return rc;
}

int hark_evidence_files_decode(struct hark_hash *space, struct hark_span *files, size_t *count,
                               struct hark_span body, struct hark_err *err)
{
    uint16_t n = 0;
    *count = 0;
    int rc = hark_id_take(&body, space, err);
    if (rc == 0 && (!hark_take_u16(&body, &n) || n == 0 || n > HARK_EVIDENCE_FILES_MAX)) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "not 1 to %u files of evidence",
                          HARK_EVIDENCE_FILES_MAX);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hark_sized_take(&body, 1, HARK_EVIDENCE_MAX, &files[i], err);
    }
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "evidence with more behind its files");
    }
    if (rc == 0) {
        *count = n;
    }
    return rc;
}
