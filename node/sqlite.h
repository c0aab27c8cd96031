/*
 * What SQLite's files have in common here: errors in our words, and a database's
 * companions ("-wal", "-shm"), which go where it goes.
 */
#ifndef HARK_NODE_SQLITE_H
#define HARK_NODE_SQLITE_H

#include <sqlite3.h>

#include "crypto/err.h"

/* `result` (a result code other than SQLITE_OK) as an error: "<what> <path>: <SQLite's
 * message>". Always returns a code: disk-full, busy, no-memory, damaged, internal, io. */
HARK_CHECK int hark_sqlite_fail(sqlite3 *db, int result, const char *what, const char *path,
                                struct hark_err *err);
/* Removes a database that nobody has open; nothing when there is none. Error: io. */
HARK_CHECK int hark_sqlite_remove(const char *path, struct hark_err *err);
/* Moves one that nobody has open to where `to` says, in place of what is there; only
 * removes that when there is none. Error: io. */
HARK_CHECK int hark_sqlite_move(const char *from, const char *to, struct hark_err *err);

#endif
