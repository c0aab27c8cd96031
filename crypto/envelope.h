/*
 * Envelopes: the payloads of `sealed` and `charter` entries, sealed under the key of one
 * entry. PROTOCOL.md 10.3; each error is that of its rule G1 to G5.
 *
 *     u8 version (1) ‖ u32 epoch ‖ nonce (24) ‖ key commitment (32) ‖ ciphertext ‖ tag (16)
 *
 * Sizes in bytes: the content 1 to 65,404; an envelope 589 to 65,485, and always 77 and a
 * multiple of 64. What an envelope is of besides its content (the entry's headers) is the
 * caller's to give, and goes in as additional data.
 */
#ifndef HARK_CRYPTO_ENVELOPE_H
#define HARK_CRYPTO_ENVELOPE_H

#include "epoch.h"

#define HARK_ENVELOPE_VERSION         1u
#define HARK_ENVELOPE_NONCE_SIZE      24u
#define HARK_ENVELOPE_COMMITMENT_SIZE 32u
#define HARK_ENVELOPE_HEAD_SIZE       61u /* up to the ciphertext */
#define HARK_ENVELOPE_KEY_SIZE        32u
#define HARK_ENVELOPE_CONTENT_MAX     65404u
#define HARK_ENVELOPE_PLAIN_MAX       65408u /* u32 length, content, padding */
#define HARK_ENVELOPE_MIN             589u
#define HARK_ENVELOPE_MAX             65485u

/* What anybody reads in one. */
struct hark_envelope_head {
    uint32_t epoch;
    uint8_t nonce[HARK_ENVELOPE_NONCE_SIZE];
    uint8_t commitment[HARK_ENVELOPE_COMMITMENT_SIZE];
};

/* Nothing in it is proved. Errors: envelope-version, envelope-form. */
HARK_CHECK int hark_envelope_read(struct hark_envelope_head *out, struct hark_span envelope,
                                  struct hark_err *err);

/* How large the envelope of so many bytes is; 0: of none, or too many. */
size_t hark_envelope_size(size_t content_size);

/* Whose entry it is, in the epoch's space, at which place of its feed. */
struct hark_envelope_entry {
    struct hark_key author;
    uint64_t seq;
    struct hark_span headers; /* additional data; borrowed */
};

/* Appends an envelope of hark_envelope_size(content.size) bytes, with a random nonce.
 * Errors: limit (no content, or too much), no-memory. */
HARK_CHECK int hark_envelope_seal(struct hark_buf *out, const struct hark_epoch *epoch,
                                  const struct hark_envelope_entry *entry, struct hark_span content,
                                  struct hark_err *err);
/* The same with a nonce given, for tests and vectors: one that was used before at this place
 * with another content gives both away. */
HARK_CHECK int hark_envelope_seal_with(struct hark_buf *out, const struct hark_epoch *epoch,
                                       const struct hark_envelope_entry *entry,
                                       const uint8_t nonce[HARK_ENVELOPE_NONCE_SIZE],
                                       struct hark_span content, struct hark_err *err);

/* The key of the entry that this is the envelope of: the one that it commits to. The caller
 * frees *out. Errors: envelope-version, envelope-form, envelope-key (of another epoch, or of
 * another entry, or by another key), no-memory. */
HARK_CHECK int hark_envelope_key(struct hark_seed **out, const struct hark_epoch *epoch,
                                 const struct hark_key *author, uint64_t seq,
                                 struct hark_span envelope, struct hark_err *err);
/* That key's bytes, to be given away: it opens this entry to anybody, and nothing else. */
void hark_envelope_disclose(uint8_t out[HARK_ENVELOPE_KEY_SIZE], const struct hark_seed *key);

/* Appends the content; `out` has to have room for the padding, too (at most
 * HARK_ENVELOPE_PLAIN_MAX), and is best a secret buffer. Needs the entry's key alone.
 * Errors: envelope-version, envelope-form, envelope-key (before anything is decrypted),
 * envelope-seal (changed, or of other headers), envelope-padding, limit, no-memory. */
HARK_CHECK int hark_envelope_open(struct hark_buf *out, const struct hark_seed *key,
                                  struct hark_span headers, struct hark_span envelope,
                                  struct hark_err *err);
/* The same with the epoch's key. */
HARK_CHECK int hark_envelope_open_in(struct hark_buf *out, const struct hark_epoch *epoch,
                                     const struct hark_envelope_entry *entry,
                                     struct hark_span envelope, struct hark_err *err);

#endif
