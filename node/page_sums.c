/*
 * A shim over SQLite's own file system (see page_sums.h): everything is handed through
 * but reads and writes of the database file itself. Journals, write-ahead logs and
 * temporary files are opened by the real one directly.
 *
 * What has turned within any 32 bits in a row never goes unseen, other damage does once
 * in 2^32. It is no protection from people: whoever may write the file may write a
 * fitting checksum, or another index.
 */
#include "node/page_sums.h"

#include <libdeflate.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "crypto/bytes.h"

#define SUMMED      (HARK_SUMMED_PAGE - HARK_SUMMED_RESERVED)
#define HEADER      100 /* of the file: SQLite looks at it without the rest of its page */
#define ABOVE_PAGES 2   /* sqlite3_io_methods without memory mapping, which would not be checked */

struct file {
    sqlite3_file base;
    uint8_t page[HARK_SUMMED_PAGE]; /* one connection's, so one thread's */
};

static sqlite3_vfs vfs;
static sqlite3_vfs *real; /* what it stands on */

/* SQLite gives szOsFile bytes; the real file lies behind ours. */
static sqlite3_file *behind(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)((struct file *)(void *)file + 1);
}

/* ---- checksums ---- */

static uint32_t sum_of(const uint8_t page[HARK_SUMMED_PAGE], uint64_t number)
{
    uint8_t bytes[8];

    hark_put_u64(bytes, number);
    return libdeflate_crc32(libdeflate_crc32(0, bytes, sizeof(bytes)), page, SUMMED);
}

static void put_sum(uint8_t page[HARK_SUMMED_PAGE], uint64_t number)
{
    hark_put_u32(page + SUMMED, sum_of(page, number));
}

static bool sum_fits(const uint8_t page[HARK_SUMMED_PAGE], uint64_t number)
{
    return hark_get_u32(page + SUMMED) == sum_of(page, number);
}

/* ---- reading and writing ---- */

/* One page as it stands in the file. SQLite takes what is behind the end for zeros; of
 * these files it asks for nothing there, but for the first page of one that is still
 * empty: this one was cut short. */
static int read_page(sqlite3_file *under, uint8_t *out, sqlite3_int64 at)
{
    sqlite3_int64 size = 0;
    int rc = under->pMethods->xRead(under, out, HARK_SUMMED_PAGE, at);

    if (rc == SQLITE_OK)
        return sum_fits(out, (uint64_t)(at / HARK_SUMMED_PAGE)) ? SQLITE_OK : SQLITE_IOERR_DATA;
    if (rc == SQLITE_IOERR_SHORT_READ && under->pMethods->xFileSize(under, &size) == SQLITE_OK &&
        size > 0)
        rc = SQLITE_IOERR_DATA;
    return rc;
}

static int on_read(sqlite3_file *base, void *out, int size, sqlite3_int64 at)
{
    struct file *file = (struct file *)(void *)base;
    sqlite3_file *under = behind(base);
    sqlite3_int64 within = at % HARK_SUMMED_PAGE;
    int rc;

    if (size == HARK_SUMMED_PAGE && within == 0)
        return read_page(under, out, at);
    /* The header is looked at to see whether anything has changed; who goes on to read
     * the first page reads all of it. */
    if (at + size <= HEADER)
        return under->pMethods->xRead(under, out, size, at);
    if (within + size > HARK_SUMMED_PAGE)
        return SQLITE_IOERR_DATA;
    rc = read_page(under, file->page, at - within);
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ)
        memcpy(out, file->page + within, (size_t)size);
    return rc;
}

static int on_write(sqlite3_file *base, const void *in, int size, sqlite3_int64 at)
{
    struct file *file = (struct file *)(void *)base;
    sqlite3_file *under = behind(base);

    if (size != HARK_SUMMED_PAGE || at % HARK_SUMMED_PAGE != 0)
        return SQLITE_IOERR_WRITE;
    memcpy(file->page, in, SUMMED);
    put_sum(file->page, (uint64_t)(at / HARK_SUMMED_PAGE));
    return under->pMethods->xWrite(under, file->page, size, at);
}

/* ---- handed through ---- */

static int on_close(sqlite3_file *base)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xClose(under);
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xTruncate(under, size);
}

static int on_sync(sqlite3_file *base, int flags)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xSync(under, flags);
}

static int on_size(sqlite3_file *base, sqlite3_int64 *size)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xFileSize(under, size);
}

static int on_lock(sqlite3_file *base, int lock)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xLock(under, lock);
}

static int on_unlock(sqlite3_file *base, int lock)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xUnlock(under, lock);
}

static int on_reserved(sqlite3_file *base, int *is)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xCheckReservedLock(under, is);
}

static int on_control(sqlite3_file *base, int what, void *arg)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xFileControl(under, what, arg);
}

static int on_sector(sqlite3_file *base)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xSectorSize(under);
}

static int on_characteristics(sqlite3_file *base)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xDeviceCharacteristics(under);
}

static int on_shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **out)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xShmMap(under, page, size, extend, out);
}

static int on_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xShmLock(under, offset, count, flags);
}

static void on_shm_barrier(sqlite3_file *base)
{
    sqlite3_file *under = behind(base);

    under->pMethods->xShmBarrier(under);
}

static int on_shm_unmap(sqlite3_file *base, int remove)
{
    sqlite3_file *under = behind(base);

    return under->pMethods->xShmUnmap(under, remove);
}

/* ---- opening ---- */

static const sqlite3_io_methods methods = {
    .iVersion = ABOVE_PAGES,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags, int *got)
{
    sqlite3_file *under = behind(base);
    int rc;

    (void)self;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return real->xOpen(real, name, base, flags, got);
    rc = real->xOpen(real, name, under, flags, got);
    /* SQLite closes what has methods, also after an error; then so do we. */
    base->pMethods = under->pMethods != NULL ? &methods : NULL;
    return rc;
}

static void register_once(void)
{
    /* Counting what it allocates costs a lock at each turn, and nobody asks. Too late
     * where something else has used SQLite before. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    real = sqlite3_vfs_find(NULL);
    if (real == NULL || real->iVersion < 2)
        return;
    /* The rest of its functions take no file: the real one's serve. */
    vfs = *real;
    vfs.zName = "hark-page-sums";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct file) + real->szOsFile;
    vfs.xOpen = on_open;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        real = NULL;
}

int hark_page_sums_vfs(const char **name, struct hark_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (pthread_once(&once, register_once) != 0 || real == NULL)
        return hark_err_set(err, HARK_E_IO, "SQLite's files cannot be reached");
    *name = vfs.zName;
    return 0;
}
