/*
 * Key files: one seed a file. Without a passphrase the file is an OpenSSH
 * private key ("openssh-key-v1", cipher none, ssh-ed25519) whose Ed25519 seed is
 * the seed, so that `ssh-keygen -y -f FILE` reads it; with one it is Hark's own
 * sealed container (Argon2id13 + XChaCha20-Poly1305). PROTOCOL.md 2.5.
 *
 * Files are created with O_EXCL and mode 0600, written to a temporary name,
 * fsynced, linked into place; the directory is fsynced. Reading refuses what is
 * not the effective user's alone (key-permission; private.h says what that is).
 */
#ifndef HARK_CRYPTO_KEYFILE_H
#define HARK_CRYPTO_KEYFILE_H

#include "key.h"

#define HARK_KEYFILE_MAX 4096 /* bytes of a key file */

/* Asked only when the file is sealed. Fills `secret` (a secret buffer) with the
 * passphrase's bytes; returns 0 or an error that ends the load. */
typedef int hark_passphrase_fn(void *arg, const char *path, struct hark_buf *secret,
                               struct hark_err *err);

/* Errors: io, not-found, key-permission, key-form, key-passphrase (wrong, or
 * `ask` is NULL and one is needed). The caller frees *out. */
HARK_CHECK int hark_keyfile_load(struct hark_seed **out, const char *path, hark_passphrase_fn *ask,
                                 void *arg, struct hark_err *err);

/* `passphrase` of size 0 means none. `comment`: printable ASCII without spaces
 * at the ends, at most 128 bytes; stands in the OpenSSH file only. Errors:
 * exists, io, disk-full. */
HARK_CHECK int hark_keyfile_save(const char *path, const struct hark_seed *seed,
                                 const char *comment, struct hark_span passphrase,
                                 struct hark_err *err);

/* The same in place of the file that is there: at any moment, also after a crash, the old
 * or the new one stands under the name, whole. Errors: io, disk-full. */
HARK_CHECK int hark_keyfile_replace(const char *path, const struct hark_seed *seed,
                                    const char *comment, struct hark_span passphrase,
                                    struct hark_err *err);
/* In the name of a file that a crash left unfinished, after a dot and the key file's name;
 * it may be removed by who keeps others from writing there. */
#define HARK_KEYFILE_UNFINISHED ".new-"

/* The encodings themselves, for tests and fuzzing. */
HARK_CHECK int hark_keyfile_encode(struct hark_buf *out, const struct hark_seed *seed,
                                   const char *comment, struct hark_span passphrase,
                                   struct hark_err *err);
/* The sealed container with other limits than a new file's (which are libsodium's
 * MODERATE ones). Errors: usage (limits out of bounds, no passphrase). */
HARK_CHECK int hark_keyfile_seal(struct hark_buf *out, const struct hark_seed *seed,
                                 struct hark_span passphrase, uint64_t opslimit, uint64_t memlimit,
                                 struct hark_err *err);
HARK_CHECK int hark_keyfile_decode(struct hark_seed **out, struct hark_span file,
                                   struct hark_span passphrase, struct hark_err *err);
/* Does this file need a passphrase? (Looks at its first line only.) */
bool hark_keyfile_is_sealed(struct hark_span file);

#endif
