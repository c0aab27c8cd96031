/* again: digest; still: u8 status */
#include <stdlib.h>
#include <string.h>

#include "msg_internal.h"

static const char context[] = "hark/again/1\n";

static int by_log(const void *left, const void *right)
{
    const struct hark_cursor *a = left, *b = right;
    int order = memcmp(a->space.bytes, b->space.bytes, HARK_HASH_SIZE);
    return order != 0 ? order : strcmp(a->origin, b->origin);
}

int hark_again_digest(struct hark_hash *out, struct hark_cursor *cursors, size_t count,
                      struct hark_err *err)
{
    struct hark_buf one = hark_buf_init(HARK_BODY_MAX);
    struct hark_sha256 hash;
    int rc = 0;
    if (count > 0) {
        qsort(cursors, count, sizeof(*cursors), by_log);
    }
    hark_sha256_init(&hash);
    hark_sha256_update(&hash, context, strlen(context));
    for (size_t i = 0; rc == 0 && i < count; i++) {
        hark_buf_clear(&one);
        rc = hark_cursor_encode(&one, &cursors[i], err);
        if (rc == 0) {
            hark_sha256_update(&hash, one.data, one.size);
        }
    }
    *out = hark_sha256_final(&hash);
    hark_buf_free(&one);
    return rc;
}

int hark_again_encode(struct hark_buf *out, const struct hark_hash *digest, struct hark_err *err)
{
    return hark_buf_append(out, digest->bytes, HARK_HASH_SIZE, err);
}

int hark_again_decode(struct hark_hash *digest, struct hark_span body, struct hark_err *err)
{
    int rc = hark_id_take(&body, digest, err);
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "an again with more behind its digest");
    }
    return rc;
}

int hark_still_encode(struct hark_buf *out, bool same, struct hark_err *err)
{
    return hark_buf_append_u8(out, same ? 1 : 0, err);
}

int hark_still_decode(bool *same, struct hark_span body, struct hark_err *err)
{
    if (body.size != 1 || body.data[0] > 1) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a still is one byte, 0 or 1");
    }
    *same = body.data[0] == 1;
    return 0;
}
