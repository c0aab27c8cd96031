/*
 * Errors: one list of codes for the whole of Hark, and the struct that carries
 * a code with its message up the floors. PROTOCOL.md names the rule behind each
 * name that starts with entry-, payload-, void-, batch-, note-, checkpoint-,
 * ticket-, kind-, accept- and peer-; the rest are this program's own.
 *
 * A function that can fail returns 0 or one of these (negative) codes and fills
 * `err`, which may be NULL where the caller wants the code only. Messages are
 * wrapped on the way up and shown once, where they are handled. Thread-safe:
 * there is no global state.
 */
#ifndef HARK_CRYPTO_ERR_H
#define HARK_CRYPTO_ERR_H

#include <stddef.h>

#define HARK_CHECK             __attribute__((warn_unused_result))
#define HARK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The error codes: symbol, name shown to people and scripts, exit code of the
 * command line (2 usage or configuration, 3 refused by a rule, 4 try again,
 * 5 damaged; 1 the answer is no). */
#include "err_list.h"

/* clang-format off */
enum hark_code {
    HARK_OK = 0,
    HARK_ERR_FIRST_ = -10000,
#define X(sym, name, exit_code) HARK_E_##sym,
    HARK_ERR_LIST(X)
#undef X
    HARK_ERR_LAST_
};
/* clang-format on */

#define HARK_ERR_MESSAGE_MAX 512
#define HARK_ERR_HINT_MAX    200

struct hark_err {
    int code; /* 0 or an enum hark_code */
    char message[HARK_ERR_MESSAGE_MAX];
    char hint[HARK_ERR_HINT_MAX]; /* what to do about it, or empty */
};

/* Sets code and message (truncated to fit), clears the hint; returns `code`, so
 * that `return hark_err_set(err, HARK_E_IO, ...)` is the usual way out. `err`
 * may be NULL. */
int hark_err_set(struct hark_err *err, int code, const char *fmt, ...) HARK_PRINTF(3, 4);
#ifdef __clang_analyzer__
/* So that an analyser, which sees one file at a time, knows what is returned. */
#define hark_err_set(err, code, ...) ((void)(hark_err_set)(err, code, __VA_ARGS__), (code))
#endif

/* Puts "<context>: " before the message of the error `code`; returns `code`. Nothing is
 * put where err is NULL or holds no error. */
int hark_err_wrap(struct hark_err *err, int code, const char *fmt, ...) HARK_PRINTF(3, 4);

/* Sets the hint. Does nothing for NULL. */
void hark_err_hint(struct hark_err *err, const char *fmt, ...) HARK_PRINTF(2, 3);

/* Sets code from errno's value: ENOSPC and EDQUOT give disk-full, ENOMEM
 * no-memory, EACCES, EPERM and EROFS io-permission, ENOENT not-found, the rest io;
 * message "<what>: <strerror>". */
int hark_err_errno(struct hark_err *err, int errnum, const char *fmt, ...) HARK_PRINTF(3, 4);

/* "ok" for 0, the name for a listed code, "unknown" otherwise. Static storage. */
const char *hark_err_name(int code);

/* The code with that name, or 0 if there is none ("ok" gives 0 too). */
int hark_err_from_name(const char *name);

/* The command line's exit code for a code; 0 for 0; 5 for an unknown one. */
int hark_err_exit(int code);

#endif
