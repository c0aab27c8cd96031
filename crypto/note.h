/*
 * Signed notes (C2SP signed-note) and the checkpoints in them (C2SP
 * tlog-checkpoint), with log signatures (algorithm 0x01, Ed25519) and
 * cosignatures (C2SP tlog-cosignature v1, algorithm 0x04). PROTOCOL.md 2.8.
 */
#ifndef HARK_CRYPTO_NOTE_H
#define HARK_CRYPTO_NOTE_H

#include "key.h"

#define HARK_NOTE_MAX            (64u * 1024u) /* bytes of a note, signatures included */
#define HARK_NOTE_SIGNATURES_MAX 64u           /* signature lines read; more is note-form */
#define HARK_NOTE_NAME_MAX       255u          /* bytes of a key name, origin */

#define HARK_NOTE_ED25519        0x01u
#define HARK_NOTE_COSIGNATURE_V1 0x04u

/* A verifier key: name, algorithm, key; its id is the first four bytes of
 * SHA-256(name ‖ 0x0A ‖ algorithm ‖ key). */
struct hark_note_key {
    char name[HARK_NOTE_NAME_MAX + 1];
    uint8_t algorithm;
    struct hark_key key;
    uint32_t id;
};

/* Checks the name (1 to 255 bytes of UTF-8, no Unicode spaces, no control
 * characters, no '+') and the algorithm (one of the two above), and computes the
 * id. Error: note-key. */
HARK_CHECK int hark_note_key_init(struct hark_note_key *out, const char *name, uint8_t algorithm,
                                  const struct hark_key *key, struct hark_err *err);
/* "<name>+<id, 8 hex>+<base64(algorithm ‖ key)>". Decoding error: note-key (also
 * for an id that is not the key's). */
HARK_CHECK int hark_note_key_encode(struct hark_buf *out, const struct hark_note_key *key,
                                    struct hark_err *err);
HARK_CHECK int hark_note_key_decode(struct hark_note_key *out, struct hark_span text,
                                    struct hark_err *err);

struct hark_note_line {
    struct hark_span name; /* borrowed from the note */
    uint32_t id;
    struct hark_span base64;                    /* the field after the name, borrowed */
    uint8_t signature[HARK_SIGNATURE_SIZE + 8]; /* after the id; cosignature: u64 time ‖ 64 */
    size_t signature_size; /* bytes in the line after the id; 0 if it is more than fits */
};

/* A parsed note: text (ends with LF, without the blank line) and signature
 * lines, borrowed from the input. */
struct hark_note {
    struct hark_span text;
    size_t count;
    struct hark_note_line lines[HARK_NOTE_SIGNATURES_MAX];
};

/* Error: note-form (too long, not UTF-8, control characters below 0x20 other
 * than LF, no blank line, malformed signature line, no signature, too many); the
 * note is then empty. Signatures of unknown algorithms and of any length are
 * read, so that a note that others sign in other ways can be read too. */
HARK_CHECK int hark_note_parse(struct hark_note *out, struct hark_span note, struct hark_err *err);

/* Appends a line as it was read. Error: limit. */
HARK_CHECK int hark_note_line_encode(struct hark_buf *out, const struct hark_note_line *line,
                                     struct hark_err *err);

/* Does the note hold a valid signature by that key? Lines of other keys are
 * ignored; a line with this key's name and id that does not verify is
 * note-signature; none is note-unsigned. For a cosignature, time_s receives its
 * time in seconds (time_s may be NULL); of several by one key, the earliest;
 * for a plain signature, 0. Does not look at whether the text is a checkpoint. */
HARK_CHECK int hark_note_verify(const struct hark_note *note, const struct hark_note_key *key,
                                uint64_t *time_s, struct hark_err *err);

/* Appends one signature line ("— <name> <base64>\n") for text. For a
 * cosignature text is the checkpoint body and time_s its time (at most 2^63-1);
 * else time_s is not looked at. On failure nothing is appended. Errors: note-key
 * (name), note-form (text that no note can have, or that begins like a cosigned
 * message), checkpoint-form (cosignature of what is no checkpoint), limit. */
HARK_CHECK int hark_note_sign(struct hark_buf *out, struct hark_span text, const char *name,
                              uint8_t algorithm, const struct hark_signer *signer, uint64_t time_s,
                              struct hark_err *err);

/* A checkpoint's body: "<origin>\n<size>\n<base64 root>\n", no extension lines
 * in those that Hark writes; extension lines are allowed in those it reads.
 * The origin is one line of UTF-8 and not empty; the size is at most 2^63-1
 * (HARK_MERKLE_SIZE_MAX). */
struct hark_checkpoint {
    char origin[HARK_NOTE_NAME_MAX + 1];
    uint64_t size;
    struct hark_hash root;
};

/* Error: checkpoint-form. */
HARK_CHECK int hark_checkpoint_encode(struct hark_buf *out, const struct hark_checkpoint *cp,
                                      struct hark_err *err);
/* `extensions` (may be NULL) receives what follows the root line, borrowed.
 * Error: checkpoint-form. */
HARK_CHECK int hark_checkpoint_decode(struct hark_checkpoint *out, struct hark_span text,
                                      struct hark_span *extensions, struct hark_err *err);
/* The checkpoint that a whole note is about; its signatures are not looked at. Errors:
 * note-form, checkpoint-form, no-memory. */
HARK_CHECK int hark_checkpoint_read(struct hark_checkpoint *out, struct hark_span note,
                                    struct hark_err *err);
/* Body, blank line and the log's own signature line: a whole note. The
 * signature (64 bytes) is also copied to `signature` unless that is NULL. The
 * origin is the key's name and must do as one. Errors: checkpoint-form,
 * note-key. */
HARK_CHECK int hark_checkpoint_sign(struct hark_buf *out, const struct hark_checkpoint *cp,
                                    const struct hark_signer *signer,
                                    uint8_t signature[HARK_SIGNATURE_SIZE], struct hark_err *err);

#endif
