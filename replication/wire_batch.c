/*
 * A batch in a load, PROTOCOL.md 9.4:
 *
 *     u32 size ‖ batch commit object
 *     u32 size ‖ entries file
 *     u32 size ‖ checkpoint
 *     for each entry: u32 size ‖ entry object ‖ u8 payload state ‖ when 1: u32 size ‖ payload
 *
 * Only the form is read here, and sizes beyond section 11 are refused before
 * anything is done with the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "message.h"

#define ENTRY_MAX   4096u
#define PAYLOAD_MAX 65536u

enum payload_state { PAYLOAD_NONE = 0, PAYLOAD_PRESENT = 1, PAYLOAD_GONE = 2 };

static int put_sized(struct hark_buf *out, struct hark_span bytes, size_t max, const char *what,
                     struct hark_err *err)
{
    if (bytes.size > max) {
        return hark_err_set(err, HARK_E_LIMIT, "%s of more than %zu bytes", what, max);
    }
    int rc = hark_buf_append_u32(out, (uint32_t)bytes.size, err);
    return rc != 0 ? rc : hark_buf_append_span(out, bytes, err);
}

static int put_entry(struct hark_buf *out, const struct hark_raw_entry *entry, struct hark_err *err)
{
    int rc = put_sized(out, entry->object, ENTRY_MAX, "an entry", err);
    if (rc == 0) {
        rc = hark_buf_append_u8(out, entry->payload_state, err);
    }
    if (rc == 0 && entry->payload_state == PAYLOAD_PRESENT) {
        rc = put_sized(out, entry->payload, PAYLOAD_MAX, "a payload", err);
    }
    return rc;
}

int hark_wire_batch_encode(struct hark_buf *out, const struct hark_raw_batch *batch,
                           struct hark_err *err)
{
    size_t before = out->size;
    int rc = put_sized(out, batch->commit, HARK_BATCH_COMMIT_MAX, "a batch commit", err);
    if (rc == 0) {
        rc = put_sized(out, batch->entries, HARK_BATCH_FILE_MAX, "an entries file", err);
    }
    if (rc == 0) {
        rc = put_sized(out, batch->checkpoint, HARK_BATCH_CHECKPOINT_MAX, "a checkpoint", err);
    }
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        rc = put_entry(out, &batch->items[i], err);
    }
    if (rc != 0) {
        out->size = before; /* half a batch would spoil the whole ones before it */
    }
    return rc;
}

static int take_sized(struct hark_span *in, size_t max, struct hark_span *out, const char *what,
                      struct hark_err *err)
{
    uint32_t size = 0;
    if (!hark_take_u32(in, &size) || size > max || !hark_take(in, size, out)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "%s longer than what is there, or allowed",
                            what);
    }
    return 0;
}

static int take_entry(struct hark_span *in, struct hark_raw_entry *out, struct hark_err *err)
{
    int rc = take_sized(in, ENTRY_MAX, &out->object, "an entry", err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u8(in, &out->payload_state) || out->payload_state > PAYLOAD_GONE) {
        return hark_err_set(err, HARK_E_PEER_FORM, "no payload is in such a state");
    }
    if (out->payload_state == PAYLOAD_PRESENT) {
        rc = take_sized(in, PAYLOAD_MAX, &out->payload, "a payload", err);
    }
    return rc;
}

static size_t count_lines(struct hark_span file)
{
    size_t count = 0;
    for (size_t i = 0; i < file.size; i++) {
        count += file.data[i] == '\n';
    }
    return count;
}

static int take_files(struct hark_span *in, struct hark_raw_batch *batch, struct hark_err *err)
{
    int rc = take_sized(in, HARK_BATCH_COMMIT_MAX, &batch->commit, "a batch commit", err);
    if (rc == 0) {
        rc = take_sized(in, HARK_BATCH_FILE_MAX, &batch->entries, "an entries file", err);
    }
    if (rc == 0) {
        rc = take_sized(in, HARK_BATCH_CHECKPOINT_MAX, &batch->checkpoint, "a checkpoint", err);
    }
    return rc;
}

int hark_wire_batch_take(struct hark_span *in, struct hark_raw_batch *batch,
                         struct hark_raw_entry **items, struct hark_err *err)
{
    struct hark_span rest = *in;
    struct hark_raw_entry *read = NULL;
    *items = NULL;
    memset(batch, 0, sizeof(*batch));
    int rc = take_files(&rest, batch, err);
    if (rc != 0) {
        return rc;
    }
    size_t count = count_lines(batch->entries);
    if (count > HARK_BATCH_ENTRIES_MAX) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a batch of more than %u entries",
                            HARK_BATCH_ENTRIES_MAX);
    }
    /* One more, so that a batch without entries has an allocation as well. */
    read = calloc(count + 1, sizeof(*read));
    if (read == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu entries", count);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = take_entry(&rest, &read[i], err);
    }
    if (rc != 0) {
        free(read);
        return rc;
    }
    batch->count = count;
    batch->items = read;
    *items = read;
    *in = rest;
    return 0;
}
