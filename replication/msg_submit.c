/* submit: space id ‖ u16 n ‖ n × (u8 flags ‖ u32 size ‖ entry ‖ u32 size ‖ payload), n 1 to
 * 256, size 0: no payload; flag 1: to be logged although it does not stand */
#include <stdlib.h>
#include <string.h>

#include "msg_internal.h"

/* Two sizes and an entry of one byte: nothing is shorter. */
#define ENTRY_MIN   (4u + 1u + 4u)
#define PAYLOAD_MAX 65536u

int hark_id_take(struct hark_span *in, struct hark_hash *out, struct hark_err *err)
{
    struct hark_span bytes;
    if (!hark_take(in, HARK_HASH_SIZE, &bytes)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "an id that is cut short");
    }
    memcpy(out->bytes, bytes.data, HARK_HASH_SIZE);
    return 0;
}

int hark_sized_encode(struct hark_buf *out, struct hark_span bytes, struct hark_err *err)
{
    int rc = hark_buf_append_u32(out, (uint32_t)bytes.size, err);
    return rc != 0 ? rc : hark_buf_append_span(out, bytes, err);
}

static int put_entry(struct hark_buf *out, const struct hark_submitted *entry, uint8_t flags,
                     struct hark_err *err)
{
    int rc = 0;
    if (entry->entry.size == 0 || entry->entry.size > HARK_ENTRY_MAX ||
        entry->payload.size > PAYLOAD_MAX || (entry->flags & ~flags) != 0) {
        return hark_err_set(err, HARK_E_LIMIT, "an entry, its payload or flags out of range");
    }
    if (flags != 0) {
        rc = hark_buf_append_u8(out, entry->flags, err);
    }
    if (rc == 0) {
        rc = hark_sized_encode(out, entry->entry, err);
    }
    return rc != 0 ? rc : hark_sized_encode(out, entry->payload, err);
}

int hark_entries_encode(struct hark_buf *out, const struct hark_submitted *entries, size_t count,
                        size_t max, uint8_t flags, struct hark_err *err)
{
    if (count == 0 || count > max) {
        return hark_err_set(err, HARK_E_LIMIT, "1 to %zu entries go into a message", max);
    }
    int rc = hark_buf_append_u16(out, (uint16_t)count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_entry(out, &entries[i], flags, err);
    }
    return rc;
}

int hark_sized_take(struct hark_span *in, size_t min, size_t max, struct hark_span *out,
                    struct hark_err *err)
{
    uint32_t size = 0;
    if (!hark_take_u32(in, &size) || size < min || size > max || !hark_take(in, size, out)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a size that is out of range, or not there");
    }
    if (size == 0) {
        *out = hark_span(NULL, 0);
    }
    return 0;
}

static int take_entry(struct hark_span *in, struct hark_submitted *out, uint8_t flags,
                      struct hark_err *err)
{
    if (flags != 0 && (!hark_take_u8(in, &out->flags) || (out->flags & ~flags) != 0)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "flags that no entry has");
    }
    int rc = hark_sized_take(in, 1, HARK_ENTRY_MAX, &out->entry, err);
    return rc != 0 ? rc : hark_sized_take(in, 0, PAYLOAD_MAX, &out->payload, err);
}

int hark_entries_take(struct hark_submitted **entries, size_t *count, size_t max, uint8_t flags,
                      struct hark_span *in, struct hark_err *err)
{
    uint16_t n = 0;
    int rc = 0;
    *entries = NULL;
    *count = 0;
    /* Nothing is allocated for entries that cannot be there. */
    if (!hark_take_u16(in, &n) || n == 0 || n > max || in->size / ENTRY_MIN < n) {
        return hark_err_set(err, HARK_E_PEER_FORM, "not 1 to %zu entries", max);
    }
    struct hark_submitted *read = calloc(n, sizeof(*read));
    if (read == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %u entries", (unsigned)n);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = take_entry(in, &read[i], flags, err);
    }
    if (rc == 0 && in->size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "a message with more behind its entries");
    }
    if (rc != 0) {
        free(read);
        return rc;
    }
    *entries = read;
    *count = n;
    return 0;
}

int hark_submit_encode(struct hark_buf *out, const struct hark_hash *space,
                       const struct hark_submitted *entries, size_t count, struct hark_err *err)
{
    int rc = hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
    return rc != 0 ? rc
                   : hark_entries_encode(out, entries, count, HARK_SUBMIT_MAX, HARK_SUBMIT_AS_VOID,
                                         err);
}

int hark_submit_decode(struct hark_hash *space, struct hark_submitted **entries, size_t *count,
                       struct hark_span body, struct hark_err *err)
{
    *entries = NULL;
    *count = 0;
    int rc = hark_id_take(&body, space, err);
    return rc != 0 ? rc
                   : hark_entries_take(entries, count, HARK_SUBMIT_MAX, HARK_SUBMIT_AS_VOID, &body,
                                       err);
}
