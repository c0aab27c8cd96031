/*
 * The bodies of the messages between nodes, one codec a message: PROTOCOL.md 9.2.
 * Encoders append; decoders are strict, want all of the body consumed, and
 * fail with peer-form (or no-memory).
 */
#ifndef HARK_REPLICATION_MESSAGES_H
#define HARK_REPLICATION_MESSAGES_H

#include "replication/message.h"

#define HARK_TEXT_MAX    255u          /* bytes of a text(x) */
#define HARK_WANT_MIN    65536u        /* of a fetch, bytes */
#define HARK_WANT_MAX    HARK_LOAD_MAX /* of a fetch, bytes */
#define HARK_BATCHES_MAX 65535u        /* in one message */

/* hello (1): u8 lowest ‖ u8 highest version ‖ text(node name) ‖ text(software).
 * The name is a node name; the software UTF-8 without control characters; lowest
 * is at least 1 and at most highest. */
struct hark_hello {
    uint8_t lowest, highest;
    char name[HARK_NODE_NAME_MAX + 1];
    char software[HARK_TEXT_MAX + 1];
};
HARK_CHECK int hark_hello_encode(struct hark_buf *out, const struct hark_hello *hello,
                                 struct hark_err *err);
HARK_CHECK int hark_hello_decode(struct hark_hello *out, struct hark_span body,
                                 struct hark_err *err);

/* ask (2): u16 n ‖ n × cursor, n 1 to HARK_CURSORS_MAX. */
HARK_CHECK int hark_ask_encode(struct hark_buf *out, const struct hark_cursor *cursors,
                               size_t count, struct hark_err *err);
/* *cursors is allocated (free()). */
HARK_CHECK int hark_ask_decode(struct hark_cursor **cursors, size_t *count, struct hark_span body,
                               struct hark_err *err);

/* tell (3): u16 n ‖ n × (u8 status ‖ cursor), n as in the ask. */
struct hark_told {
    uint8_t status; /* enum hark_tell_status */
    struct hark_cursor cursor;
};
HARK_CHECK int hark_tell_encode(struct hark_buf *out, const struct hark_told *told, size_t count,
                                struct hark_err *err);
/* *told is allocated (free()). */
HARK_CHECK int hark_tell_decode(struct hark_told **told, size_t *count, struct hark_span body,
                                struct hark_err *err);

/* fetch (4): cursor ‖ u32 most bytes wanted of load, HARK_WANT_MIN to _MAX. */
struct hark_fetch {
    struct hark_cursor cursor;
    uint32_t want;
};
HARK_CHECK int hark_fetch_encode(struct hark_buf *out, const struct hark_fetch *fetch,
                                 struct hark_err *err);
HARK_CHECK int hark_fetch_decode(struct hark_fetch *out, struct hark_span body,
                                 struct hark_err *err);

/* batches (5): cursor of the asker ‖ u32 size of the load when unpacked (1 to
 * HARK_UNPACKED_MAX) ‖ u16 number of batches, from 1; with a load. */
struct hark_batches {
    struct hark_cursor cursor;
    uint32_t size;
    uint16_t count;
};
HARK_CHECK int hark_batches_encode(struct hark_buf *out, const struct hark_batches *batches,
                                   struct hark_err *err);
HARK_CHECK int hark_batches_decode(struct hark_batches *out, struct hark_span body,
                                   struct hark_err *err);
/* Appends the zlib stream of `plain`; out has room for HARK_LOAD_MAX. Errors: limit (more than
 * HARK_LOAD_MAX packed or HARK_UNPACKED_MAX unpacked), no-memory. */
HARK_CHECK int hark_batches_pack(struct hark_buf *out, struct hark_span plain,
                                 struct hark_err *err);
/* Appends the unpacked load to `out`: exactly as many bytes as announced, never
 * more (peer-form), in exactly as many batches as announced (peer-form: the form
 * of PROTOCOL.md 9.4 only; what is in them is for append to check). */
HARK_CHECK int hark_batches_unpack(struct hark_buf *out, const struct hark_batches *batches,
                                   struct hark_span load, struct hark_err *err);

/* news (6): cursor. */
HARK_CHECK int hark_news_encode(struct hark_buf *out, const struct hark_cursor *cursor,
                                struct hark_err *err);
HARK_CHECK int hark_news_decode(struct hark_cursor *out, struct hark_span body,
                                struct hark_err *err);

/* error (7): text(error name) ‖ text(message). The name is 1 to 63 of a-z 0-9 -;
 * the message UTF-8 without control characters. */
#define HARK_ERROR_NAME_MAX 63u
struct hark_error {
    char name[HARK_ERROR_NAME_MAX + 1];
    char message[HARK_TEXT_MAX + 1];
};
/* What does not fit of the message, or is no text, is left out. */
HARK_CHECK int hark_error_encode(struct hark_buf *out, int code, const char *message,
                                 struct hark_err *err);
HARK_CHECK int hark_error_decode(struct hark_error *out, struct hark_span body,
                                 struct hark_err *err);

/* text(x) = u8 length ‖ bytes (PROTOCOL.md 8.1). Taken: UTF-8 without control
 * characters, at most `max` bytes, NUL-terminated in out[max + 1]. */
HARK_CHECK int hark_text_encode(struct hark_buf *out, const char *text, struct hark_err *err);
HARK_CHECK int hark_text_take(struct hark_span *in, char *out, size_t max, struct hark_err *err);

#endif
