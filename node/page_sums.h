/*
 * SQLite files with a checksum a page, for the index and the outbox. SQLite has none: a
 * bit that turns on the disk inside a row is a wrong count, or an entry that nobody will
 * take, and nothing says so. So the last four bytes of each page of the database file
 * hold a CRC-32 (zlib's, in network order) over the page's number (u64) and the rest of
 * the page, written with it and compared whenever SQLite reads it. A page that does not
 * fit is SQLITE_IOERR_DATA. The write-ahead log has checksums of SQLite's own, which it
 * looks at when it opens what another process left.
 */
#ifndef HARK_NODE_PAGE_SUMS_H
#define HARK_NODE_PAGE_SUMS_H

#include "crypto/err.h"

/* Bytes of a page, and of those at its end that SQLite is to leave alone
 * (SQLITE_FCNTL_RESERVE_BYTES). Files with other pages cannot be read through this. */
#define HARK_SUMMED_PAGE     4096
#define HARK_SUMMED_RESERVED 4

/* The name to open a file with (sqlite3_open_v2), registered with SQLite on first
 * use, which is safe from any thread. Errors: no-memory, io. */
HARK_CHECK int hark_page_sums_vfs(const char **name, struct hark_err *err);

#endif
