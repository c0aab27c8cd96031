/*
 * strerror_r has two incompatible forms; this file insists on the POSIX one,
 * whatever the build defines for the others.
 */
#undef _GNU_SOURCE
#undef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* NOLINT(bugprone-reserved-identifier): POSIX's own */

#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct code_info {
    const char *name;
    int code;
    int exit_code;
};

static const struct code_info code_table[] = {
#define X(sym, name, exit_code) {name, HARK_E_##sym, exit_code},
    HARK_ERR_LIST(X)
#undef X
};

enum { CODE_COUNT = sizeof(code_table) / sizeof(code_table[0]) };

/* Messages are cut to fit; a character cut in half would make the whole line
 * invalid UTF-8 wherever it is shown or logged. */
static void drop_partial_character(char *text)
{
    size_t end = strlen(text);
    size_t lead = end;
    while (lead > 0 && end - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0u) == 0x80u) {
        lead--;
    }
    if (lead == 0) {
        return;
    }
    unsigned char first = (unsigned char)text[lead - 1];
    size_t wanted = first >= 0xf0u ? 4 : first >= 0xe0u ? 3 : first >= 0xc0u ? 2 : 1;
    if (wanted > end - lead + 1) {
        text[lead - 1] = '\0';
    }
}

HARK_PRINTF(3, 0)
static void format(char *out, size_t size, const char *fmt, va_list args)
{
    int n = vsnprintf(out, size, fmt, args);
    if (n < 0) {
        out[0] = '\0';
    } else if ((size_t)n >= size) {
        drop_partial_character(out);
    }
}

/* Copies what fits of `text` to the end of `out` (a string in `size` bytes). */
static void add_text(char *out, size_t size, const char *text)
{
    size_t used = strlen(out);
    size_t length = strlen(text);
    if (length > size - 1 - used) {
        length = size - 1 - used;
        memcpy(out + used, text, length);
        out[used + length] = '\0';
        drop_partial_character(out);
        return;
    }
    memcpy(out + used, text, length + 1);
}

/* In parentheses: under an analyser there is a macro of that name. */
int(hark_err_set)(struct hark_err *err, int code, const char *fmt, ...)
{
    if (err != NULL) {
        /* An argument may be the old message: format beside it, then copy. */
        char message[HARK_ERR_MESSAGE_MAX];
        va_list args;
        va_start(args, fmt);
        format(message, sizeof(message), fmt, args);
        va_end(args);
        err->code = code;
        memcpy(err->message, message, sizeof(message));
        err->hint[0] = '\0';
    }
    return code;
}

int hark_err_wrap(struct hark_err *err, int code, const char *fmt, ...)
{
    if (err == NULL || err->code == 0) {
        return code;
    }
    char message[HARK_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    format(message, sizeof(message), fmt, args);
    va_end(args);
    add_text(message, sizeof(message), ": ");
    add_text(message, sizeof(message), err->message);
    memcpy(err->message, message, sizeof(message));
    return code;
}

void hark_err_hint(struct hark_err *err, const char *fmt, ...)
{
    if (err == NULL) {
        return;
    }
    char hint[HARK_ERR_HINT_MAX];
    va_list args;
    va_start(args, fmt);
    format(hint, sizeof(hint), fmt, args);
    va_end(args);
    memcpy(err->hint, hint, sizeof(hint));
}

static int code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return HARK_E_DISK_FULL;
    case ENOMEM:
        return HARK_E_NO_MEMORY;
    case EACCES:
    case EPERM:
    case EROFS:
        return HARK_E_IO_PERMISSION;
    case ENOENT:
        return HARK_E_NOT_FOUND;
    default:
        return HARK_E_IO;
    }
}

int hark_err_errno(struct hark_err *err, int errnum, const char *fmt, ...)
{
    int code = code_of_errno(errnum);
    if (err == NULL) {
        return code;
    }
    char message[HARK_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    format(message, sizeof(message), fmt, args);
    va_end(args);

    char reason[128];
    if (strerror_r(errnum, reason, sizeof(reason)) != 0) {
        (void)snprintf(reason, sizeof(reason), "error %d", errnum);
    }
    add_text(message, sizeof(message), ": ");
    add_text(message, sizeof(message), reason);
    err->code = code;
    memcpy(err->message, message, sizeof(message));
    err->hint[0] = '\0';
    return code;
}

/* Codes are consecutive, in the table's order. */
static const struct code_info *find_code(int code)
{
    if (code <= HARK_ERR_FIRST_ || code >= HARK_ERR_LAST_) {
        return NULL;
    }
    return &code_table[code - HARK_ERR_FIRST_ - 1];
}

const char *hark_err_name(int code)
{
    if (code == 0) {
        return "ok";
    }
    const struct code_info *info = find_code(code);
    return info == NULL ? "unknown" : info->name;
}

int hark_err_from_name(const char *name)
{
    for (size_t i = 0; i < CODE_COUNT; i++) {
        if (strcmp(code_table[i].name, name) == 0) {
            return code_table[i].code;
        }
    }
    return 0;
}

int hark_err_exit(int code)
{
    if (code == 0) {
        return 0;
    }
    const struct code_info *info = find_code(code);
    return info == NULL ? 5 : info->exit_code;
}
