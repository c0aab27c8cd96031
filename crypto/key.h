/*
 * Keys: a device's seed, the keys derived from it, Ed25519 signing and
 * verifying, X25519 and CURVE key pairs. PROTOCOL.md 2.3 (derivations) and 2.4
 * (the signature rule).
 *
 * Secret bytes live in memory that crypto/ allocates (guarded, locked where the
 * system allows) and are wiped when freed. No function returns a copy of a
 * secret except hark_box_secret, which exists for libraries that must be handed
 * one.
 */
#ifndef HARK_CRYPTO_KEY_H
#define HARK_CRYPTO_KEY_H

#include "bytes.h"
#include "sha256.h"

#define HARK_KEY_SIZE       32 /* Ed25519 or X25519 public key */
#define HARK_SEED_SIZE      32 /* device seed, Ed25519 seed */
#define HARK_SIGNATURE_SIZE 64 /* Ed25519 */

struct hark_key {
    uint8_t bytes[HARK_KEY_SIZE];
};

bool hark_key_equal(const struct hark_key *a, const struct hark_key *b);
void hark_key_hex(char out[2 * HARK_KEY_SIZE + 1], const struct hark_key *key);
HARK_CHECK int hark_key_from_hex(struct hark_key *out, struct hark_span text, struct hark_err *err);

/* A 32-byte secret from which others are derived. */
struct hark_seed;

HARK_CHECK int hark_seed_new(struct hark_seed **out, struct hark_err *err); /* random */
HARK_CHECK int hark_seed_from_bytes(struct hark_seed **out, const uint8_t bytes[HARK_SEED_SIZE],
                                    struct hark_err *err);
/* child = BLAKE2b-256(key = parent, "hark/1 " ‖ label ‖ 0x00 ‖ context).
 * label: printable ASCII, 1 to 32 bytes; context: 0 to 1,024 bytes. */
HARK_CHECK int hark_seed_derive(struct hark_seed **out, const struct hark_seed *parent,
                                const char *label, struct hark_span context, struct hark_err *err);
/* A pseudorandom value that is not itself a key: the same derivation, written to
 * `out` (for instance deterministic salts of imported rows). */
HARK_CHECK int hark_seed_prf(uint8_t out[32], const struct hark_seed *seed, const char *label,
                             struct hark_span context, struct hark_err *err);
void hark_seed_free(struct hark_seed *seed);

/* An Ed25519 key pair. The seed given is the Ed25519 seed itself (RFC 8032),
 * so that an OpenSSH key file of the seed is this very key. Thread-safe to use
 * from several threads at once. */
struct hark_signer;

HARK_CHECK int hark_signer_new(struct hark_signer **out, const struct hark_seed *seed,
                               struct hark_err *err);
void hark_signer_free(struct hark_signer *signer);
const struct hark_key *hark_signer_key(const struct hark_signer *signer); /* borrowed */
HARK_CHECK int hark_signer_sign(const struct hark_signer *signer, struct hark_span message,
                                uint8_t signature[HARK_SIGNATURE_SIZE], struct hark_err *err);

/* True when the signature holds under PROTOCOL.md 2.4: cofactorless, canonical
 * S, canonical A, no small-order A or R. Checked here explicitly where the
 * library's version would not (see the .c file). */
bool hark_verify(const struct hark_key *key, struct hark_span message,
                 const uint8_t signature[HARK_SIGNATURE_SIZE]);
/* The same answer from group operations alone, several times slower: what
 * hark_verify falls back on where the library's equation is another one. For
 * tests and fuzzing beside hark_verify. */
bool hark_verify_plainly(const struct hark_key *key, struct hark_span message,
                         const uint8_t signature[HARK_SIGNATURE_SIZE]);

/* An X25519 key pair (sealed boxes, CURVE). Secret = the derived seed's bytes,
 * clamped by X25519 itself. */
struct hark_box;

HARK_CHECK int hark_box_new(struct hark_box **out, const struct hark_seed *seed,
                            struct hark_err *err);
void hark_box_free(struct hark_box *box);
const struct hark_key *hark_box_key(const struct hark_box *box); /* borrowed */
/* Borrowed 32 secret bytes, for libzmq's CURVE options only. */
const uint8_t *hark_box_secret(const struct hark_box *box);

/* Can anything be sealed to that X25519 key? Not to one of small order, with which X25519
 * gives zeros whatever the secret. */
bool hark_box_key_usable(const struct hark_key *key);
/* libsodium's crypto_box_seal: appends size+48 bytes / the opened bytes.
 * Errors: seal (cannot be opened), no-memory, limit. */
HARK_CHECK int hark_box_seal(struct hark_buf *out, const struct hark_key *to,
                             struct hark_span plain, struct hark_err *err);
HARK_CHECK int hark_box_open(struct hark_buf *out, const struct hark_box *box,
                             struct hark_span sealed, struct hark_err *err);

#endif
