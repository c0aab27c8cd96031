/*
 * Messages between nodes: their frames, encoded and strictly decoded. PROTOCOL.md
 * 9.2. One file per message holds its body; here is what they share. Decoding
 * errors are peer-form and peer-version.
 */
#ifndef HARK_REPLICATION_MESSAGE_H
#define HARK_REPLICATION_MESSAGE_H

#include "crypto/bytes.h"
#include "crypto/sha256.h"
#include "schemas/batch.h"

#define HARK_WIRE_VERSION 1u
#define HARK_HEADER_SIZE  16u
#define HARK_BODY_MAX     (1024u * 1024u)
#define HARK_LOAD_MAX     (16u * 1024u * 1024u) /* packed */
#define HARK_UNPACKED_MAX (64u * 1024u * 1024u) /* unpacked */
#define HARK_CURSORS_MAX  4096u

enum hark_message_type {
    HARK_MESSAGE_HELLO = 1,
    HARK_MESSAGE_ASK = 2,
    HARK_MESSAGE_TELL = 3,
    HARK_MESSAGE_FETCH = 4,
    HARK_MESSAGE_BATCHES = 5,
    HARK_MESSAGE_NEWS = 6,
    HARK_MESSAGE_ERROR = 7,
};

enum hark_tell_status {
    HARK_TELL_SAME = 0,
    HARK_TELL_MORE = 1,
    HARK_TELL_REFUSED = 2,
    HARK_TELL_UNFIT = 3,
    HARK_TELL_BEHIND = 4,
};

struct hark_cursor {
    struct hark_hash space;
    char origin[HARK_ORIGIN_MAX + 1]; /* empty: nothing yet */
    uint64_t size;
    struct hark_hash root;
};

/* A message as frames: header made from type and id, body, load (data NULL:
 * none). Borrowed. */
struct hark_message {
    uint8_t type;
    uint64_t id;
    struct hark_span body;
    struct hark_span load;
};

/* Splits and checks frames (2 or 3, sizes, header). */
HARK_CHECK int hark_message_decode(struct hark_message *out, const struct hark_span *frames,
                                   size_t count, struct hark_err *err);
void hark_message_header(uint8_t out[HARK_HEADER_SIZE], uint8_t type, uint64_t id);

HARK_CHECK int hark_cursor_encode(struct hark_buf *out, const struct hark_cursor *cursor,
                                  struct hark_err *err);
/* Takes one from the front of *in. */
HARK_CHECK int hark_cursor_take(struct hark_span *in, struct hark_cursor *out,
                                struct hark_err *err);

/* One batch in the form of PROTOCOL.md 9.4, appended. Used by whoever implements
 * hark_core_io.load. */
HARK_CHECK int hark_wire_batch_encode(struct hark_buf *out, const struct hark_raw_batch *batch,
                                      struct hark_err *err);
/* Takes one batch from the front of *in, borrowing from it; the number of
 * entries is read from the entries file's lines (bounded). *items is allocated
 * (free()), batch->items points to it. Used by whoever implements append. */
HARK_CHECK int hark_wire_batch_take(struct hark_span *in, struct hark_raw_batch *batch,
                                    struct hark_raw_entry **items, struct hark_err *err);

#endif
