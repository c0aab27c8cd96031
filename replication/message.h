/*
 * Messages between nodes: their frames, encoded and strictly decoded. PROTOCOL.md
 * 9.2. One file per message holds its body (messages.h); here is what they share.
 * Decoding errors are peer-form and peer-version (and no-memory).
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
    HARK_MESSAGE_SUBMIT = 8,
    HARK_MESSAGE_ACCEPTED = 9,
    HARK_MESSAGE_TERMS = 10,
    HARK_MESSAGE_SHOWN = 11,
    HARK_MESSAGE_JOIN = 12,
    HARK_MESSAGE_JOINED = 13,
    HARK_MESSAGE_COSIGN = 14,
    HARK_MESSAGE_EVIDENCE = 15,
    HARK_MESSAGE_RECEIPT = 16,
    HARK_MESSAGE_AGAIN = 18,
    HARK_MESSAGE_STILL = 19,
    HARK_MESSAGE_NOTED = 20,
    HARK_MESSAGE_RECEIPTS = 21,
    HARK_MESSAGE_TYPES_ /* one more than the last */
};

/* Which connection to a peer: the one that we opened, or one of those that it
 * opened, which the edge numbers from HARK_VIA_THEIRS on, never giving a number
 * again. Answers go back over the connection on which the question came. */
#define HARK_VIA_ANY    UINT64_C(0) /* ours if it stands, else the newest of theirs */
#define HARK_VIA_OURS   UINT64_C(1)
#define HARK_VIA_THEIRS UINT64_C(2)

enum hark_tell_status {
    HARK_TELL_SAME = 0,
    HARK_TELL_MORE = 1,
    HARK_TELL_REFUSED = 2,
    HARK_TELL_UNFIT = 3,
    HARK_TELL_BEHIND = 4,
};

/* How far a log goes somewhere. The number of batch commits is part of it, since a
 * batch may hold no entry (PROTOCOL.md 7.2). */
struct hark_cursor {
    struct hark_hash space;
    char origin[HARK_ORIGIN_MAX + 1]; /* empty: nothing of the main log yet */
    uint64_t size;
    uint64_t batches;
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

/* Splits and checks frames (2 or 3, sizes, header; a load where the type has one
 * and only there). On failure out->type and out->id are what the header says as
 * far as it can be read, else 0. */
HARK_CHECK int hark_message_decode(struct hark_message *out, const struct hark_span *frames,
                                   size_t count, struct hark_err *err);
void hark_message_header(uint8_t out[HARK_HEADER_SIZE], uint8_t type, uint64_t id);

/* The cursor of who has nothing of that log yet: size 0, no batches, the empty
 * tree's root; the origin is empty for the main log, and that of the intake else. */
void hark_cursor_empty(struct hark_cursor *out, const struct hark_log_ref *log);
/* Which log a (well-formed) cursor is of. */
void hark_cursor_log(const struct hark_cursor *cursor, struct hark_log_ref *out);
bool hark_cursor_equal(const struct hark_cursor *a, const struct hark_cursor *b);
/* Is it one that hark_cursor_take would take? Its origin ends with a NUL. */
bool hark_cursor_is_whole(const struct hark_cursor *cursor);
HARK_CHECK int hark_cursor_encode(struct hark_buf *out, const struct hark_cursor *cursor,
                                  struct hark_err *err);
/* Takes one from the front of *in. The origin is empty or in the form of PROTOCOL.md
 * 2.8 for this very space: who holds a cursor can print it. Where the origin is
 * empty, or either number 0, it is the cursor of who has nothing yet, exactly. */
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
