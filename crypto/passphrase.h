/*
 * Passphrases of key files: bytes, as they stand in a file or are typed, without the ends of
 * lines. Kept in memory that is guarded, locked where the system allows, and in no core dump;
 * wiped when freed. Never taken from arguments or the environment, which others can read.
 */
#ifndef HARK_CRYPTO_PASSPHRASE_H
#define HARK_CRYPTO_PASSPHRASE_H

#include "bytes.h"

#define HARK_PASSPHRASE_MAX 1024 /* bytes */

struct hark_passphrase;

/* Out of a file of the user's alone, or a pipe (private.h). Errors: key-permission,
 * not-found, io, usage (empty), limit. */
HARK_CHECK int hark_passphrase_read(struct hark_passphrase **out, const char *path,
                                    struct hark_err *err);
/* Typed at the terminal, without an echo; `what` stands before the colon. Nothing typed is
 * *out NULL. Only where standard error is a terminal, so that nobody waits for an answer
 * that cannot come. Errors: key-passphrase (no terminal, or interrupted), usage (too long),
 * io. */
HARK_CHECK int hark_passphrase_ask(struct hark_passphrase **out, const char *what,
                                   struct hark_err *err);
/* A new one: asked twice. Error: also usage (they differ). */
HARK_CHECK int hark_passphrase_ask_new(struct hark_passphrase **out, const char *what,
                                       struct hark_err *err);

/* Borrowed; of NULL, which is none, no bytes. */
struct hark_span hark_passphrase_span(const struct hark_passphrase *passphrase);
void hark_passphrase_free(struct hark_passphrase *passphrase);

#endif
