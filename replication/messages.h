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

/* submit (8): space id ‖ u16 n ‖ n × (u8 flags ‖ u32 size ‖ entry object ‖ u32 size ‖
 * payload), n 1 to HARK_SUBMIT_MAX; an entry of 1 to HARK_ENTRY_MAX bytes, a payload
 * of at most HARK_PAYLOAD_MAX (0: none). */
#define HARK_SUBMIT_MAX     256u
#define HARK_SUBMIT_AS_VOID 1u /* flag: to be logged although it does not stand */
struct hark_submitted {
    uint8_t flags;
    struct hark_span entry, payload; /* borrowed; payload NULL data: none */
};
HARK_CHECK int hark_submit_encode(struct hark_buf *out, const struct hark_hash *space,
                                  const struct hark_submitted *entries, size_t count,
                                  struct hark_err *err);
/* *entries is allocated (free()) and borrows from body. */
HARK_CHECK int hark_submit_decode(struct hark_hash *space, struct hark_submitted **entries,
                                  size_t *count, struct hark_span body, struct hark_err *err);

/* accepted (9): space id ‖ u16 n ‖ n × (entry id ‖ u8 status ‖ u64 position ‖ u64
 * accepted ms ‖ text(error name) ‖ text(message)), as many and in the order
 * submitted. Names and messages are empty unless refused. */
enum hark_accepted_status {
    HARK_ACCEPTED_REFUSED = 0, /* position and time are 0 */
    HARK_ACCEPTED_INTAKE = 1,  /* position in the answerer's intake log */
    HARK_ACCEPTED_LOGGED = 2,  /* position in the main log */
};
struct hark_accepted {
    struct hark_hash id;
    uint8_t status;
    uint64_t position, accepted_ms;
    /* 0 unless refused. Decoded: a rule's, or busy where something is wrong there that
     * is no rule's, peer-refused for a name not known here */
    int code;
    char message[HARK_TEXT_MAX + 1];
};
HARK_CHECK int hark_accepted_encode(struct hark_buf *out, const struct hark_hash *space,
                                    const struct hark_accepted *items, size_t count,
                                    struct hark_err *err);
/* Does a refusal by that code say of who answers, not of the entry, that it is refused: it
 * takes none, or has not come far enough to judge (it lacks the entry before, the author,
 * what it is about)? PROTOCOL.md 9.5. */
bool hark_refusal_is_of_the_node(int code);
/* *items is allocated (free()). */
HARK_CHECK int hark_accepted_decode(struct hark_hash *space, struct hark_accepted **items,
                                    size_t *count, struct hark_span body, struct hark_err *err);

/* terms (10): space id. */
HARK_CHECK int hark_terms_encode(struct hark_buf *out, const struct hark_hash *space,
                                 struct hark_err *err);
HARK_CHECK int hark_terms_decode(struct hark_hash *space, struct hark_span body,
                                 struct hark_err *err);

/* shown (11): space id ‖ u16 n ‖ n × (u32 size ‖ entry object ‖ u32 size ‖ payload), n 1 to
 * HARK_SHOWN_MAX: what the terms hash is made of (PROTOCOL.md 8.2). Sizes as in
 * submit; flags stay 0. */
#define HARK_SHOWN_MAX 66u
HARK_CHECK int hark_shown_encode(struct hark_buf *out, const struct hark_hash *space,
                                 const struct hark_submitted *entries, size_t count,
                                 struct hark_err *err);
HARK_CHECK int hark_shown_decode(struct hark_hash *space, struct hark_submitted **entries,
                                 size_t *count, struct hark_span body, struct hark_err *err);

/* join (12): space id ‖ u32 size ‖ sealed request, 1 to HARK_SEALED_JOIN_MAX bytes. */
#define HARK_SEALED_JOIN_MAX (16u * 1024u + 48u)
HARK_CHECK int hark_join_encode(struct hark_buf *out, const struct hark_hash *space,
                                struct hark_span sealed, struct hark_err *err);
HARK_CHECK int hark_join_decode(struct hark_hash *space, struct hark_span *sealed,
                                struct hark_span body, struct hark_err *err);

/* joined (13): space id ‖ u8 status ‖ text(error name) ‖ text(message); both empty
 * unless refused. */
enum hark_joined_status {
    HARK_JOINED_ADMITTED = 0,
    HARK_JOINED_WAITING = 1, /* kept, and handed on to the home; ask again */
    HARK_JOINED_REFUSED = 2,
};
struct hark_joined {
    struct hark_hash space;
    uint8_t status;
    int code; /* as in hark_accepted */
    char message[HARK_TEXT_MAX + 1];
};
HARK_CHECK int hark_joined_encode(struct hark_buf *out, const struct hark_joined *joined,
                                  struct hark_err *err);
HARK_CHECK int hark_joined_decode(struct hark_joined *out, struct hark_span body,
                                  struct hark_err *err);

/* cosign (14): space id ‖ u16 n ‖ n × (u32 size ‖ note), n 1 to HARK_COSIGN_MAX, a note of
 * 1 to HARK_NOTE_MAX bytes. What the notes say is not looked at here. */
#define HARK_COSIGN_MAX 64u
HARK_CHECK int hark_cosign_encode(struct hark_buf *out, const struct hark_hash *space,
                                  const struct hark_span *notes, size_t count,
                                  struct hark_err *err);
/* The notes, *count of them, borrow from body. */
HARK_CHECK int hark_cosign_decode(struct hark_hash *space, struct hark_span notes[HARK_COSIGN_MAX],
                                  size_t *count, struct hark_span body, struct hark_err *err);

/* evidence (15): space id ‖ u16 n ‖ n × (u32 size ‖ file), n 1 to HARK_EVIDENCE_FILES_MAX, a
 * file of 1 to HARK_EVIDENCE_MAX bytes, as many as a body has room for. What the files say is
 * not looked at here. */
#define HARK_EVIDENCE_FILES_MAX 8u
HARK_CHECK int hark_evidence_files_encode(struct hark_buf *out, const struct hark_hash *space,
                                          const struct hark_span *files, size_t count,
                                          struct hark_err *err);
/* The files, *count of them, borrow from body; room for HARK_EVIDENCE_FILES_MAX. */
HARK_CHECK int hark_evidence_files_decode(struct hark_hash *space, struct hark_span *files,
                                          size_t *count, struct hark_span body,
                                          struct hark_err *err);
/* receipt (16): space id ‖ u16 n ‖ n × (entry id ‖ u64 position), n 1 to
 * HARK_RECEIPT_MAX. */
#define HARK_RECEIPT_MAX 64u
struct hark_receipt_wanted {
    struct hark_hash id; /* of an entry, wherever it stands */
    /* UINT64_MAX, or a position of the main log: what stands there, whatever its id */
    uint64_t position;
};
HARK_CHECK int hark_receipt_ask_encode(struct hark_buf *out, const struct hark_hash *space,
                                       const struct hark_receipt_wanted *wanted, size_t count,
                                       struct hark_err *err);
HARK_CHECK int hark_receipt_ask_decode(struct hark_hash *space,
                                       struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX],
                                       size_t *count, struct hark_span body, struct hark_err *err);

/* receipts (21): space id ‖ u16 n ‖ n × (u32 size ‖ receipt), as many and in the order asked;
 * size 0 (NULL data): none, else at most HARK_TLOG_PROOF_MAX. What they say is not looked at
 * here. limit: a body of more than HARK_BODY_MAX. */
HARK_CHECK int hark_receipts_encode(struct hark_buf *out, const struct hark_hash *space,
                                    const struct hark_span *receipts, size_t count,
                                    struct hark_err *err);
/* The receipts, *count of them, borrow from body. */
HARK_CHECK int hark_receipts_decode(struct hark_hash *space,
                                    struct hark_span receipts[HARK_RECEIPT_MAX], size_t *count,
                                    struct hark_span body, struct hark_err *err);

/* again (18): SHA-256("hark/again/1\n" ‖ cursors, each as in an ask, in order of space id
 * and then origin, bytewise). Sorts `cursors`. Errors: no-memory, limit. */
HARK_CHECK int hark_again_digest(struct hark_hash *out, struct hark_cursor *cursors, size_t count,
                                 struct hark_err *err);
HARK_CHECK int hark_again_encode(struct hark_buf *out, const struct hark_hash *digest,
                                 struct hark_err *err);
HARK_CHECK int hark_again_decode(struct hark_hash *digest, struct hark_span body,
                                 struct hark_err *err);

/* still (19): u8 status, 1: the cursors are the same, 0: ask. */
HARK_CHECK int hark_still_encode(struct hark_buf *out, bool same, struct hark_err *err);
HARK_CHECK int hark_still_decode(bool *same, struct hark_span body, struct hark_err *err);

/* noted (20): space id. */
HARK_CHECK int hark_noted_encode(struct hark_buf *out, const struct hark_hash *space,
                                 struct hark_err *err);
HARK_CHECK int hark_noted_decode(struct hark_hash *space, struct hark_span body,
                                 struct hark_err *err);

#endif
