/*
 * The connection: opening, the schema, transactions, and the few ways in which
 * the other files talk to SQLite.
 *
 * Durability: WAL with synchronous=NORMAL. A power cut may take the last
 * transactions away, never a part of one; the log is the truth and the index
 * catches up from the size that it finds.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"
#include "node/sqlite.h"
#include "node/zeros.h"

#define AUTHORS_SIZE   (HARK_INDEX_AUTHORS * sizeof(struct hark_index_author))
#define APPLICATION_ID 0x4861726b /* "Hark" */

/* Positions are rowids; an absent position is NULL. `owner` is author_of<<32 |
 * author. `lookup` keys begin with the look-up's number; `tile` and `bits` ids
 * are made in index_tree.c and index_bitmap.c. */
static const char schema[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE object (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE lookup (key BLOB PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE tile (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;"
    "CREATE TABLE bits (id INTEGER PRIMARY KEY, bits BLOB NOT NULL) STRICT;"
    "CREATE TABLE kind (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE author (number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE,"
    " owner INTEGER NOT NULL) STRICT;"
    "CREATE TABLE batch (number INTEGER PRIMARY KEY, git_id BLOB NOT NULL, first INTEGER,"
    " count INTEGER, hash BLOB, time INTEGER) STRICT;"
    "CREATE INDEX batch_by_first ON batch (first, count);"
    "CREATE TABLE entry (position INTEGER PRIMARY KEY, arrival INTEGER NOT NULL,"
    " accepted INTEGER NOT NULL, time INTEGER NOT NULL, batch INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, author INTEGER NOT NULL, owner INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, verdict INTEGER NOT NULL, says INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, choice INTEGER, subject INTEGER, hidden_by INTEGER,"
    " erased_by INTEGER, replaces INTEGER, used_by INTEGER, payload_size INTEGER,"
    " id BLOB NOT NULL, git_id BLOB NOT NULL, payload_hash BLOB, blob BLOB, re BLOB) STRICT;"
    "CREATE INDEX entry_by_owner ON entry (owner);"
    "CREATE INDEX entry_by_kind ON entry (kind);"
    "CREATE INDEX entry_to_erase ON entry (says) WHERE says = 4 AND blob IS NOT NULL;"
    "CREATE TABLE re (subject INTEGER, position INTEGER, PRIMARY KEY (subject, position))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE duplicate (hash BLOB, position INTEGER, PRIMARY KEY (hash, position))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE member (ordinal INTEGER PRIMARY KEY, admit INTEGER NOT NULL UNIQUE,"
    " ended INTEGER) STRICT;"
    "CREATE TABLE name (position INTEGER PRIMARY KEY, member INTEGER NOT NULL,"
    " name TEXT NOT NULL) STRICT;"
    "CREATE INDEX name_by_member ON name (member);"
    "CREATE INDEX name_by_name ON name (name);"
    "CREATE TABLE cohort (position INTEGER PRIMARY KEY, member INTEGER NOT NULL,"
    " dimension TEXT NOT NULL, value TEXT NOT NULL) STRICT;"
    "CREATE INDEX cohort_by_member ON cohort (member, dimension);"
    "CREATE INDEX cohort_by_dimension ON cohort (dimension);"
    "CREATE TABLE cohort_set (number INTEGER PRIMARY KEY, dimension TEXT NOT NULL,"
    " value TEXT NOT NULL, UNIQUE (dimension, value)) STRICT;"
    "CREATE TABLE intake (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " batches INTEGER NOT NULL, head BLOB NOT NULL) STRICT;"
    "CREATE TABLE intake_batch (intake INTEGER, number INTEGER, first INTEGER NOT NULL,"
    " count INTEGER NOT NULL, time INTEGER NOT NULL, main INTEGER NOT NULL, git_id BLOB NOT NULL,"
    " hash BLOB NOT NULL, root BLOB NOT NULL, PRIMARY KEY (intake, number)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX intake_batch_by_end ON intake_batch (intake, first + count);"
    "CREATE TABLE intake_entry (intake INTEGER, position INTEGER, accepted INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, author BLOB NOT NULL, id BLOB NOT NULL, git_id BLOB NOT NULL,"
    " payload_hash BLOB, blob BLOB, erased INTEGER NOT NULL, PRIMARY KEY (intake, position))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX intake_by_payload ON intake_entry (payload_hash) WHERE blob IS NOT NULL;"
    "CREATE INDEX intake_to_erase ON intake_entry (erased) WHERE erased = 1;"
    "CREATE TABLE title (position INTEGER PRIMARY KEY, titled INTEGER NOT NULL,"
    " text TEXT NOT NULL) STRICT;"
    "CREATE VIRTUAL TABLE words USING fts5(text, columnsize=0,"
    " tokenize='unicode61 remove_diacritics 2');";

static int advised(int rc, struct hark_err *err)
{
    if (rc == HARK_E_DAMAGED)
        hark_err_hint(err, "`hark reindex` makes the index anew from the log");
    return rc;
}

int hark_index_fail(struct hark_index *index, int result, struct hark_err *err)
{
    return advised(hark_sqlite_fail(index->db, result, "index", index->path, err), err);
}

/* Statements are found by their literal's address; a literal that the compiler
 * keeps twice is prepared twice, no harm done. */
static int prepare(struct hark_index *index, sqlite3_stmt **out, const char *sql,
                   struct hark_err *err)
{
    size_t slot = (size_t)((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15) >> 56);

    for (size_t i = 0; i < HARK_INDEX_STATEMENTS; i++) {
        size_t at = (slot + i) % HARK_INDEX_STATEMENTS;
        int result;

        if (index->statements[at].sql == sql) {
            *out = index->statements[at].statement;
            return 0;
        }
        if (index->statements[at].sql != NULL)
            continue;
        result = sqlite3_prepare_v3(index->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
        if (result != SQLITE_OK)
            return hark_index_fail(index, result, err);
        index->statements[at].sql = sql;
        index->statements[at].statement = *out;
        return 0;
    }
    return hark_err_set(err, HARK_E_INTERNAL, "the index has too many statements");
}

/* For what is done on the way out of a failure, which is reported already. */
static void ignore(int rc)
{
    (void)rc;
}

int hark_index_bind(struct hark_index *index, sqlite3_stmt *statement,
                    const struct hark_index_value *values, size_t count, struct hark_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct hark_index_value *v = &values[i];
        const void *data = v->data == NULL ? "" : v->data;
        int at = (int)i + 1;
        int result = SQLITE_OK;

        switch (v->type) {
        case HARK_VALUE_NULL:
            result = sqlite3_bind_null(statement, at);
            break;
        case HARK_VALUE_INTEGER:
            result = sqlite3_bind_int64(statement, at, v->number);
            break;
        case HARK_VALUE_BLOB:
            result = sqlite3_bind_blob64(statement, at, data, v->size, SQLITE_STATIC);
            break;
        case HARK_VALUE_TEXT:
            result = sqlite3_bind_text64(statement, at, data, v->size, SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
        if (result != SQLITE_OK)
            return hark_index_fail(index, result, err);
    }
    return 0;
}

int hark_index_step(struct hark_index *index, sqlite3_stmt *statement, bool *row,
                    struct hark_err *err)
{
    int result = sqlite3_step(statement);

    *row = result == SQLITE_ROW;
    if (result == SQLITE_ROW || result == SQLITE_DONE)
        return 0;
    return hark_index_fail(index, result, err);
}

int hark_index_select(struct hark_index *index, struct hark_err *err, sqlite3_stmt **statement,
                      bool *row, const char *sql, const struct hark_index_value *values,
                      size_t count)
{
    int rc = prepare(index, statement, sql, err);

    *row = false;
    if (rc != 0)
        return rc;
    rc = hark_index_bind(index, *statement, values, count, err);
    if (rc == 0)
        rc = hark_index_step(index, *statement, row, err);
    if (rc != 0)
        (void)sqlite3_reset(*statement);
    return rc;
}

int hark_index_run(struct hark_index *index, struct hark_err *err, const char *sql,
                   const struct hark_index_value *values, size_t count)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, sql, values, count);

    if (rc == 0)
        (void)sqlite3_reset(statement);
    return rc;
}

int hark_index_number(struct hark_index *index, struct hark_err *err, bool *found, int64_t *number,
                      const char *sql, const struct hark_index_value *values, size_t count)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, sql, values, count);

    *found = false;
    *number = 0;
    if (rc != 0)
        return rc;
    if (row && sqlite3_column_type(statement, 0) == SQLITE_INTEGER) {
        *found = true;
        *number = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_reset(statement);
    return 0;
}

int hark_index_exec(struct hark_index *index, const char *sql, struct hark_err *err)
{
    int result = sqlite3_exec(index->db, sql, NULL, NULL, NULL);

    return result == SQLITE_OK ? 0 : hark_index_fail(index, result, err);
}

int hark_index_blob(sqlite3_stmt *statement, int column, void *out, size_t size,
                    struct hark_err *err)
{
    const void *bytes = sqlite3_column_blob(statement, column);

    if (bytes == NULL || (size_t)sqlite3_column_bytes(statement, column) != size)
        return hark_err_set(err, HARK_E_DAMAGED, "the index holds a field of a wrong size");
    memcpy(out, bytes, size);
    return 0;
}

int hark_index_view(struct hark_index *index, bool *own, struct hark_err *err)
{
    *own = sqlite3_get_autocommit(index->db) != 0;
    return *own ? hark_index_run(index, err, "BEGIN", NULL, 0) : 0;
}

void hark_index_view_end(struct hark_index *index, bool own)
{
    /* Nothing was written: there is nothing to lose. But it must end, or none begins again. */
    if (own && hark_index_run(index, NULL, "COMMIT", NULL, 0) != 0 &&
        sqlite3_get_autocommit(index->db) == 0)
        ignore(hark_index_exec(index, "ROLLBACK", NULL));
}

int hark_index_writing(const struct hark_index *index, struct hark_err *err)
{
    if (index->read_only || !index->in_transaction)
        return hark_err_set(err, HARK_E_INTERNAL, "the index is written outside a transaction");
    return 0;
}

/* ---- what a writer knows by heart ---- */

static int learn_batch(struct hark_index *index, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc =
        hark_index_select(index, err, &statement, &row,
                          "SELECT number, git_id FROM batch ORDER BY number DESC LIMIT 1", NULL, 0);

    index->batch = 0;
    if (rc != 0)
        return rc;
    if (row) {
        index->batch = sqlite3_column_int64(statement, 0);
        rc = hark_index_blob(statement, 1, &index->batch_git, sizeof(index->batch_git), err);
    }
    (void)sqlite3_reset(statement);
    return rc;
}

static bool is_erasable(const struct hark_index *index, const char *kind)
{
    int number = hark_kinds_find(index->builtin, kind);

    /* A space's own kinds always are. */
    return number < 0 || hark_kinds_get(index->builtin, (size_t)number)->erasable;
}

static int learn_kinds(struct hark_index *index, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = 0;

    if (index->builtin == NULL)
        rc = hark_kinds_builtin(&index->builtin, err);
    index->kind_count = 0;
    if (rc == 0)
        rc = hark_index_select(index, err, &statement, &row,
                               "SELECT number, name FROM kind ORDER BY number", NULL, 0);
    while (rc == 0 && row) {
        size_t at = index->kind_count;
        const unsigned char *name = sqlite3_column_text(statement, 1);
        size_t size = (size_t)sqlite3_column_bytes(statement, 1);

        if (at == HARK_INDEX_KINDS || sqlite3_column_int64(statement, 0) != (int64_t)at + 1 ||
            name == NULL || size > HARK_KIND_NAME_MAX) {
            rc = hark_err_set(err, HARK_E_DAMAGED, "the index's kinds are not in order");
            break;
        }
        memset(index->kinds[at], 0, sizeof(index->kinds[at]));
        memcpy(index->kinds[at], name, size);
        index->kind_erasable[at] = is_erasable(index, index->kinds[at]);
        index->kind_count++;
        rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

int hark_index_learn(struct hark_index *index, struct hark_err *err)
{
    bool found;
    int64_t last;
    int rc;

    if (index->known)
        return 0;
    for (int s = 0; s < HARK_SECTION_COUNT_; s++) {
        rc = hark_index_number(index, err, &found, &last,
                               "SELECT max(id) FROM object WHERE id >= ?1 AND id < ?2",
                               V_ARGS(V_INT((int64_t)s << 40), V_INT((int64_t)(s + 1) << 40)));
        if (rc != 0)
            return rc;
        index->counts[s] = found ? (uint64_t)(last - ((int64_t)s << 40)) + 1 : 0;
    }
    rc = hark_index_number(index, err, &found, &last, "SELECT max(position) FROM entry", NULL, 0);
    if (rc != 0)
        return rc;
    index->size = found ? (uint64_t)last + 1 : 0;
    hark_zeros_again(index->authors, AUTHORS_SIZE);
    rc = learn_batch(index, err);
    if (rc == 0)
        rc = learn_kinds(index, err);
    index->known = rc == 0;
    return rc;
}

static void forget(struct hark_index *index)
{
    index->known = false;
    hark_index_store_drop(index);
    hark_index_bits_drop(index);
    hark_index_trees_drop(index);
}

/* ---- transactions ---- */

int hark_index_begin(struct hark_index *index, struct hark_err *err)
{
    bool found;
    int64_t version;
    int rc;

    if (index->in_transaction)
        return hark_err_set(err, HARK_E_INTERNAL, "the index is in a transaction already");
    if (index->read_only)
        rc = hark_index_run(index, err, "BEGIN", NULL, 0);
    else
        rc = hark_index_run(index, err, "BEGIN IMMEDIATE", NULL, 0);
    if (rc != 0)
        return rc;
    index->in_transaction = true;
    if (index->read_only)
        return 0;
    /* There is to be one writer; if there was another all the same, what we
     * remember is not what is there. */
    rc = hark_index_number(index, err, &found, &version, "PRAGMA data_version", NULL, 0);
    if (rc == 0 && version != index->data_version) {
        forget(index);
        index->data_version = version;
    }
    if (rc == 0)
        rc = hark_index_learn(index, err);
    if (rc != 0)
        hark_index_rollback(index);
    return rc;
}

int hark_index_commit(struct hark_index *index, struct hark_err *err)
{
    int rc = 0;

    if (!index->in_transaction)
        return hark_err_set(err, HARK_E_INTERNAL, "the index is in no transaction");
    if (!index->read_only) {
        rc = hark_index_bits_flush(index, err);
        if (rc == 0)
            rc = hark_index_store_flush(index, err);
        if (rc == 0)
            rc = hark_index_trees_flush(index, err);
    }
    if (rc == 0)
        rc = hark_index_run(index, err, "COMMIT", NULL, 0);
    if (rc != 0)
        hark_index_rollback(index);
    index->in_transaction = false;
    return rc;
}

void hark_index_rollback(struct hark_index *index)
{
    if (index == NULL || !index->in_transaction)
        return;
    /* A statement left half-way would keep the transaction open. */
    for (size_t i = 0; i < HARK_INDEX_STATEMENTS; i++)
        if (index->statements[i].statement != NULL)
            (void)sqlite3_reset(index->statements[i].statement);
    if (sqlite3_get_autocommit(index->db) == 0)
        ignore(hark_index_exec(index, "ROLLBACK", NULL));
    index->in_transaction = false;
    forget(index);
}

/* ---- opening ---- */

static int pragmas(struct hark_index *index, struct hark_err *err)
{
    static const char writer[] = "PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL;"
                                 "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=16384;"
                                 "PRAGMA journal_size_limit=67108864;";
    int rc = hark_index_exec(index, "PRAGMA cache_size=-32768", err);

    /* What is in memory is not to be sorted in a file either. */
    if (rc == 0 && strcmp(index->path, HARK_SQLITE_MEMORY) == 0)
        rc = hark_index_exec(index, "PRAGMA temp_store=MEMORY", err);
    return rc != 0 || index->read_only ? rc : hark_index_exec(index, writer, err);
}

static int make_schema(struct hark_index *index, struct hark_err *err)
{
    char numbers[96];
    int rc = hark_index_exec(index, "BEGIN IMMEDIATE", err);

    if (rc != 0)
        return rc;
    (void)snprintf(numbers, sizeof(numbers), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
                   APPLICATION_ID, HARK_INDEX_VERSION);
    rc = hark_index_exec(index, schema, err);
    if (rc == 0)
        rc = hark_index_exec(index, numbers, err);
    if (rc == 0)
        rc = hark_index_run(index, err, "INSERT INTO meta (name, value) VALUES ('space', ?1)",
                            V_ARGS(V_BLOB(index->space.bytes, HARK_HASH_SIZE)));
    if (rc == 0)
        return hark_index_exec(index, "COMMIT", err);
    ignore(hark_index_exec(index, "ROLLBACK", NULL));
    return rc;
}

static int check_space(struct hark_index *index, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    struct hark_hash space;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row,
                               "SELECT value FROM meta WHERE name = 'space'", NULL, 0);

    if (rc != 0)
        return rc;
    if (!row)
        rc = hark_err_set(err, HARK_E_DAMAGED, "index %s: it names no space", index->path);
    else
        rc = hark_index_blob(statement, 0, space.bytes, HARK_HASH_SIZE, err);
    (void)sqlite3_reset(statement);
    if (rc == 0 && !hark_hash_equal(&space, &index->space))
        rc = hark_err_set(err, HARK_E_DAMAGED, "index %s: it is another space's", index->path);
    return rc;
}

static int check_or_make(struct hark_index *index, bool create, struct hark_err *err)
{
    int64_t application = 0, version = 0, tables = 0;
    bool found;
    int rc = hark_index_number(index, err, &found, &application, "PRAGMA application_id", NULL, 0);

    if (rc == 0)
        rc = hark_index_number(index, err, &found, &version, "PRAGMA user_version", NULL, 0);
    if (rc == 0)
        rc = hark_index_number(index, err, &found, &tables, "SELECT count(*) FROM sqlite_schema",
                               NULL, 0);
    if (rc != 0)
        return rc;
    /* Nothing at all: new, or a crash came before the schema was there. */
    if (application == 0 && version == 0 && tables == 0 && create && !index->read_only)
        return make_schema(index, err);
    if (application != APPLICATION_ID)
        return hark_err_set(err, HARK_E_DAMAGED, "%s is not an index", index->path);
    if (version != HARK_INDEX_VERSION)
        return hark_err_set(err, HARK_E_DAMAGED, "index %s has version %lld, this program %d",
                            index->path, (long long)version, HARK_INDEX_VERSION);
    return check_space(index, err);
}

static int open_file(struct hark_index *index, bool create, struct hark_err *err)
{
    enum hark_sqlite_access access = index->read_only ? HARK_SQLITE_READ
                                     : create         ? HARK_SQLITE_CREATE
                                                      : HARK_SQLITE_WRITE;
    int rc = advised(hark_sqlite_open(&index->db, index->path, access, "index", err), err);

    if (rc == 0)
        rc = pragmas(index, err);
    return rc != 0 ? rc : check_or_make(index, create, err);
}

int hark_index_open(struct hark_index **out, const char *path, const struct hark_hash *space,
                    bool create, bool read_only, struct hark_err *err)
{
    struct hark_index *index = calloc(1, sizeof(*index));
    int rc;

    *out = NULL;
    if (index == NULL || (index->path = strdup(path)) == NULL) {
        free(index);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the index");
    }
    index->space = *space;
    index->read_only = read_only;
    index->authors = hark_zeros_new(AUTHORS_SIZE);
    rc = index->authors == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the index")
                                : hark_index_store_new(index, err);
    if (rc == 0)
        rc = hark_index_trees_new(index, err);
    if (rc == 0)
        rc = hark_index_bits_new(index, err);
    if (rc == 0)
        rc = open_file(index, create, err);
    if (rc == 0 && !read_only)
        rc = hark_index_learn(index, err);
    if (rc != 0) {
        hark_index_free(index);
        return rc;
    }
    *out = index;
    return 0;
}

void hark_index_free(struct hark_index *index)
{
    if (index == NULL)
        return;
    hark_index_rollback(index);
    for (size_t i = 0; i < HARK_INDEX_STATEMENTS; i++)
        (void)sqlite3_finalize(index->statements[i].statement);
    (void)sqlite3_close(index->db);
    hark_index_store_free(index);
    hark_index_trees_free(index);
    hark_index_bits_free(index);
    hark_kinds_free(index->builtin);
    hark_zeros_free(index->authors, AUTHORS_SIZE);
    free(index->path);
    free(index);
}

int hark_index_disk(struct hark_index *index, uint64_t *bytes, struct hark_err *err)
{
    return hark_sqlite_disk(index->path, bytes, err);
}
