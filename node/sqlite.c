#include "node/sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "schemas/config.h"

static const char *const suffixes[] = {"", "-wal", "-shm"};

int hark_sqlite_fail(sqlite3 *db, int result, const char *what, const char *path,
                     struct hark_err *err)
{
    int code = HARK_E_IO;

    if (result == SQLITE_IOERR_DATA) /* node/page_sums.h */
        return hark_err_set(err, HARK_E_DAMAGED, "%s %s: a page is not as it was written", what,
                            path);
    switch (result & 0xff) {
    case SQLITE_FULL:
        code = HARK_E_DISK_FULL;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = HARK_E_BUSY;
        break;
    case SQLITE_NOMEM:
        code = HARK_E_NO_MEMORY;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR: /* a table that is not there, a statement that does not fit */
        code = HARK_E_DAMAGED;
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        code = HARK_E_IO_PERMISSION;
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        /* What is not there is no answer to a question here. */
        if (sqlite3_system_errno(db) != 0 && sqlite3_system_errno(db) != ENOENT)
            code = hark_err_errno(NULL, sqlite3_system_errno(db), "%s", path);
        break;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        code = HARK_E_INTERNAL;
        break;
    default:
        break;
    }
    return hark_err_set(err, code, "%s %s: %s", what, path, sqlite3_errmsg(db));
}

static int remove_one(const char *path, const char *suffix, struct hark_err *err)
{
    char name[HARK_PATH_MAX + 8];

    (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
    if (unlink(name) != 0 && errno != ENOENT)
        return hark_err_errno(err, errno, "%s", name);
    return 0;
}

int hark_sqlite_remove(const char *path, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        rc = remove_one(path, suffixes[i], err);
    return rc;
}

int hark_sqlite_move(const char *from, const char *to, struct hark_err *err)
{
    char a[HARK_PATH_MAX + 8], b[HARK_PATH_MAX + 8];

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        int rc = remove_one(to, suffixes[i], err);

        if (rc < 0)
            return rc;
        (void)snprintf(a, sizeof(a), "%s%s", from, suffixes[i]);
        (void)snprintf(b, sizeof(b), "%s%s", to, suffixes[i]);
        if (rename(a, b) != 0 && errno != ENOENT)
            return hark_err_errno(err, errno, "%s", a);
    }
    return 0;
}
