#include "node/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/files.h"
#include "node/page_sums.h"
#include "schemas/config.h"

#define BUSY_MS  10000
#define SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

static const char *const suffixes[] = {"", "-wal", "-shm"};

/* Made here, not by SQLite, so that nobody else may read what people wrote. An
 * existing one is left alone: closing a descriptor of it would drop the locks of
 * other connections in this process. */
static int touch(const char *path, bool create, const char *what, struct hark_err *err)
{
    struct stat st;
    int fd;

    if (strcmp(path, HARK_SQLITE_MEMORY) == 0 || stat(path, &st) == 0)
        return 0;
    if (errno != ENOENT || !create)
        return hark_err_errno(err, errno, "%s %s", what, path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : hark_err_errno(err, errno, "%s %s", what, path);
    if (close(fd) != 0)
        return hark_err_errno(err, errno, "%s %s", what, path);
    return hark_parent_sync(path, err);
}

static int configure(sqlite3 *db, const char *what, const char *path, struct hark_err *err)
{
    static const char pragmas[] = "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                                  "PRAGMA mmap_size=0; PRAGMA foreign_keys=OFF;"
                                  "PRAGMA secure_delete=ON; PRAGMA page_size=4096;";
    int reserved = HARK_SUMMED_RESERVED;
    int result;

    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* For a file that is to be made, like its pages' size; one that is there has room
     * for its checksums. */
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    result = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : hark_sqlite_fail(db, result, what, path, err);
}

int hark_sqlite_open(sqlite3 **out, const char *path, enum hark_sqlite_access access,
                     const char *what, struct hark_err *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    const char *vfs = NULL;
    sqlite3 *db = NULL;
    int result;
    int rc = 0;

    *out = NULL;
    if (strncmp(path, "file:", 5) == 0)
        return hark_err_set(err, HARK_E_USAGE, "%s: it cannot be called %s", what, path);
    rc = touch(path, access == HARK_SQLITE_CREATE, what, err);
    if (rc == 0)
        rc = hark_page_sums_vfs(&vfs, err);
    if (rc != 0)
        return rc;
    flags |= access == HARK_SQLITE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    result = sqlite3_open_v2(path, &db, flags, vfs);
    if (db == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory to open %s", path);
    if (result != SQLITE_OK)
        rc = hark_sqlite_fail(db, result, what, path, err);
    if (rc == 0)
        rc = configure(db, what, path, err);
    if (rc != 0) {
        (void)sqlite3_close(db);
        db = NULL;
    }
    *out = db;
    return rc;
}

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

    for (size_t i = 0; rc == 0 && i < SUFFIXES; i++)
        rc = remove_one(path, suffixes[i], err);
    return rc;
}

int hark_sqlite_move(const char *from, const char *to, struct hark_err *err)
{
    char a[HARK_PATH_MAX + 8], b[HARK_PATH_MAX + 8];

    for (size_t i = 0; i < SUFFIXES; i++) {
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

int hark_sqlite_disk(const char *path, uint64_t *bytes, struct hark_err *err)
{
    char name[HARK_PATH_MAX + 8];

    *bytes = 0;
    for (size_t i = 0; i < SUFFIXES; i++) {
        struct stat st;

        (void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        if (stat(name, &st) == 0)
            *bytes += (uint64_t)st.st_size;
        else if (errno != ENOENT)
            return hark_err_errno(err, errno, "%s", name);
    }
    return 0;
}
