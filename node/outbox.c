/*
 * See outbox.h. Durability: WAL with synchronous=FULL, so that what is put is on the
 * disk when the call returns: what was signed and shown to its author as written must
 * still be there after a power cut. secure_delete overwrites what is forgotten, since
 * it may be somebody's erased words.
 *
 * Errors are kept by name: their numbers are a build's own.
 *
 * entry:  one row an entry. object and payload are the bytes as they were signed;
 *         payload NULL: none, or logged (the log has it, and erases it there).
 * relay:  one row a sealed request to join.
 * receipt: of entries that are there: what was given last, or why that does not hold. Came
 *         with version 4; a file of version 3 gets it when it is opened.
 */
#include "node/outbox.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/tlog_proof.h"
#include "node/index.h"
#include "node/sqlite.h"
#include "schemas/config.h"
#include "schemas/payload.h"

#define APPLICATION_ID   0x4861726f /* "Haro" */
#define OUTBOX_VERSION   4
#define WITHOUT_RECEIPTS 3                   /* the version before there were any */
#define STATE_BITS       15u                 /* 1 << each enum hark_out_state */
#define OPEN_RECEIPTS    16u                 /* two bits more, see `none`: receipts to be judged, */
#define LOGGED_BARE      32u                 /* and logged entries without the log's receipt */
#define ANEW_MS          UINT64_C(600000)    /* one that does not hold is asked for again */
#define SEALED_MAX       (16u * 1024u + 48u) /* PROTOCOL.md 9.2: what is handed on */
#define RELAY_WAITING    1                   /* there: status of `joined` */

static const char schema[] =
    "CREATE TABLE entry (number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,"
    " state INTEGER NOT NULL, as_void INTEGER NOT NULL, due INTEGER NOT NULL,"
    " since INTEGER NOT NULL, node TEXT NOT NULL, position INTEGER NOT NULL,"
    " error TEXT NOT NULL, message TEXT NOT NULL, object BLOB NOT NULL, payload BLOB) STRICT;"
    "CREATE TABLE relay (number INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE,"
    " sealed BLOB NOT NULL, since INTEGER NOT NULL, status INTEGER NOT NULL,"
    " error TEXT NOT NULL, message TEXT NOT NULL) STRICT;";

static const char receipt_schema[] =
    "CREATE TABLE receipt (id BLOB PRIMARY KEY NOT NULL, node TEXT NOT NULL, main INTEGER NOT NULL,"
    " state INTEGER NOT NULL, position INTEGER NOT NULL, size INTEGER NOT NULL,"
    " since INTEGER NOT NULL, error TEXT NOT NULL, message TEXT NOT NULL, file BLOB NOT NULL)"
    " STRICT;";

struct hark_outbox {
    sqlite3 *db;
    char *path;
    bool in_transaction;
    uint64_t changes;
    /* The states that no entry had when the database's own count of changes stood there:
     * every entry written at a home asks several times after what is under way. */
    unsigned none;
    sqlite3_int64 none_as_of;
};

/* --- SQLite ------------------------------------------------------------------ */

static int advised(int rc, struct hark_err *err)
{
    if (rc == HARK_E_DAMAGED)
        hark_err_hint(err, "put the file back from a backup; or move it away to go on without "
                           "it: what it held and no other node has is then lost");
    return rc;
}

static int fail(struct hark_outbox *outbox, int result, struct hark_err *err)
{
    return advised(hark_sqlite_fail(outbox->db, result, "outbox", outbox->path, err), err);
}

static int exec(struct hark_outbox *outbox, const char *sql, struct hark_err *err)
{
    int result = sqlite3_exec(outbox->db, sql, NULL, NULL, NULL);

    return result == SQLITE_OK ? 0 : fail(outbox, result, err);
}

static int prepare(struct hark_outbox *outbox, sqlite3_stmt **out, const char *sql,
                   struct hark_err *err)
{
    int result = sqlite3_prepare_v2(outbox->db, sql, -1, out, NULL);

    return result == SQLITE_OK ? 0 : fail(outbox, result, err);
}

/* Binding keeps the first failure in *result; the step that follows reports it. */
static void bind_number(sqlite3_stmt *statement, int at, uint64_t number, int *result)
{
    if (*result == SQLITE_OK)
        *result = sqlite3_bind_int64(statement, at, (int64_t)number);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text, int *result)
{
    if (*result == SQLITE_OK)
        *result = sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* NULL data: NULL. */
static void bind_blob(sqlite3_stmt *statement, int at, struct hark_span bytes, int *result)
{
    if (*result == SQLITE_OK && bytes.data == NULL)
        *result = sqlite3_bind_null(statement, at);
    else if (*result == SQLITE_OK)
        *result = sqlite3_bind_blob64(statement, at, bytes.data, bytes.size, SQLITE_STATIC);
}

static void bind_hash(sqlite3_stmt *statement, int at, const struct hark_hash *hash, int *result)
{
    bind_blob(statement, at, hark_span(hash->bytes, HARK_HASH_SIZE), result);
}

/* Runs a bound statement that gives no rows, and ends it. `exists`: what is said when
 * the row is there already (NULL: that is damage). */
static int finish(struct hark_outbox *outbox, sqlite3_stmt *statement, int bound,
                  const char *exists, struct hark_err *err)
{
    int result = bound;
    int rc = 0;

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (exists != NULL && result == SQLITE_CONSTRAINT_UNIQUE)
        rc = hark_err_set(err, HARK_E_EXISTS, "%s", exists);
    else if (result != SQLITE_DONE && result != SQLITE_ROW)
        rc = fail(outbox, result, err);
    (void)sqlite3_finalize(statement);
    return rc;
}

/* Runs a statement of one entry, ?1, that gives no rows. */
static int exec_of(struct hark_outbox *outbox, const char *sql, const struct hark_hash *id,
                   struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement, sql, err);

    if (rc < 0)
        return rc;
    bind_hash(statement, 1, id, &bound);
    return finish(outbox, statement, bound, NULL, err);
}

/* The next row of a bound statement, or *row false. */
static int step(struct hark_outbox *outbox, sqlite3_stmt *statement, bool *row,
                struct hark_err *err)
{
    int result = sqlite3_step(statement);

    *row = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE ? 0 : fail(outbox, result, err);
}

static int one_number(struct hark_outbox *outbox, const char *sql, int64_t *out,
                      struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = prepare(outbox, &statement, sql, err);

    *out = 0;
    if (rc == 0)
        rc = step(outbox, statement, &row, err);
    if (rc == 0 && row)
        *out = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return rc;
}

/* --- reading a row's fields ---------------------------------------------------- */

static int wrong(struct hark_outbox *outbox, const char *what, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_DAMAGED, "outbox %s: a row's %s cannot be", outbox->path, what);
}

static int read_hash(struct hark_outbox *outbox, sqlite3_stmt *statement, int column,
                     struct hark_hash *out, struct hark_err *err)
{
    const void *bytes = sqlite3_column_blob(statement, column);

    if (bytes == NULL || sqlite3_column_bytes(statement, column) != HARK_HASH_SIZE)
        return wrong(outbox, "hash", err);
    memcpy(out->bytes, bytes, HARK_HASH_SIZE);
    return 0;
}

static struct hark_span read_blob(sqlite3_stmt *statement, int column)
{
    const void *bytes = sqlite3_column_blob(statement, column);

    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return (struct hark_span){0};
    /* A blob of no bytes has no address of its own. */
    return hark_span(bytes != NULL ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
}

/* Cut to size - 1 bytes; never NULL. */
static void read_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    (void)snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
}

/* An error that a newer program named is one all the same. */
static int read_code(sqlite3_stmt *statement, int column)
{
    const unsigned char *name = sqlite3_column_text(statement, column);
    int code;

    if (name == NULL || name[0] == '\0')
        return 0;
    code = hark_err_from_name((const char *)name);
    return code != 0 ? code : HARK_E_PEER_REFUSED;
}

static const char *code_name(int code)
{
    return code == 0 ? "" : hark_err_name(code);
}

/* --- opening ----------------------------------------------------------------- */

/* Makes what a file of that version has not (0: a file of none). */
static int make_schema(struct hark_outbox *outbox, int64_t version, struct hark_err *err)
{
    char numbers[96];
    int rc = exec(outbox, "BEGIN IMMEDIATE", err);

    if (rc < 0)
        return rc;
    (void)snprintf(numbers, sizeof(numbers), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
                   APPLICATION_ID, OUTBOX_VERSION);
    rc = version == 0 ? exec(outbox, schema, err) : 0;
    if (rc == 0)
        rc = exec(outbox, receipt_schema, err);
    if (rc == 0)
        rc = exec(outbox, numbers, err);
    if (rc == 0)
        rc = exec(outbox, "COMMIT", err);
    if (rc < 0)
        (void)sqlite3_exec(outbox->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* It must not be lost, so that it is whole is looked at while it can still be told. */
static int check_pages(struct hark_outbox *outbox, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    const unsigned char *said;
    bool row = false;
    int rc = prepare(outbox, &statement, "PRAGMA quick_check(1)", err);

    if (rc == 0)
        rc = step(outbox, statement, &row, err);
    said = rc == 0 && row ? sqlite3_column_text(statement, 0) : NULL;
    if (rc == 0 && (said == NULL || strcmp((const char *)said, "ok") != 0))
        rc = hark_err_set(err, HARK_E_DAMAGED, "outbox %s: %.200s", outbox->path,
                          said != NULL ? (const char *)said : "its check says nothing");
    (void)sqlite3_finalize(statement);
    return rc;
}

static int check_or_make(struct hark_outbox *outbox, struct hark_err *err)
{
    int64_t application = 0, version = 0, tables = 0;
    int rc = one_number(outbox, "PRAGMA application_id", &application, err);

    if (rc == 0)
        rc = one_number(outbox, "PRAGMA user_version", &version, err);
    if (rc == 0)
        rc = one_number(outbox, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (rc < 0)
        return rc;
    /* Nothing at all: new, or a crash came before the schema was there. */
    if (application == 0 && version == 0 && tables == 0)
        return make_schema(outbox, 0, err);
    if (application != APPLICATION_ID)
        return hark_err_set(err, HARK_E_DAMAGED, "%s is not an outbox", outbox->path);
    if (version != OUTBOX_VERSION && version != WITHOUT_RECEIPTS)
        return hark_err_set(err, HARK_E_DATA_VERSION, "outbox %s has version %lld, this program %d",
                            outbox->path, (long long)version, OUTBOX_VERSION);
    rc = check_pages(outbox, err);
    return rc == 0 && version == WITHOUT_RECEIPTS ? make_schema(outbox, version, err) : rc;
}

static int open_file(struct hark_outbox *outbox, struct hark_err *err)
{
    static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                  "PRAGMA journal_size_limit=16777216;";
    int rc = advised(hark_sqlite_open(&outbox->db, outbox->path, HARK_SQLITE_CREATE, "outbox", err),
                     err);

    if (rc == 0)
        rc = exec(outbox, pragmas, err);
    return rc != 0 ? rc : check_or_make(outbox, err);
}

int hark_outbox_open(struct hark_outbox **out, const char *path, struct hark_err *err)
{
    struct hark_outbox *outbox = calloc(1, sizeof(*outbox));
    int rc;

    *out = NULL;
    if (outbox == NULL || (outbox->path = strdup(path)) == NULL) {
        free(outbox);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an outbox");
    }
    rc = open_file(outbox, err);
    if (rc < 0) {
        hark_outbox_free(outbox);
        return rc;
    }
    *out = outbox;
    return 0;
}

void hark_outbox_free(struct hark_outbox *outbox)
{
    if (outbox == NULL)
        return;
    hark_outbox_rollback(outbox);
    (void)sqlite3_close(outbox->db);
    free(outbox->path);
    free(outbox);
}

/* --- transactions -------------------------------------------------------------- */

int hark_outbox_begin(struct hark_outbox *outbox, struct hark_err *err)
{
    int rc;

    if (outbox->in_transaction)
        return hark_err_set(err, HARK_E_INTERNAL, "the outbox is in a transaction already");
    rc = exec(outbox, "BEGIN IMMEDIATE", err);
    outbox->in_transaction = rc == 0;
    return rc;
}

int hark_outbox_commit(struct hark_outbox *outbox, struct hark_err *err)
{
    int rc;

    if (!outbox->in_transaction)
        return hark_err_set(err, HARK_E_INTERNAL, "the outbox is in no transaction");
    rc = exec(outbox, "COMMIT", err);
    if (rc < 0)
        hark_outbox_rollback(outbox);
    outbox->in_transaction = false;
    return rc;
}

void hark_outbox_rollback(struct hark_outbox *outbox)
{
    if (outbox == NULL || !outbox->in_transaction)
        return;
    outbox->changes++;
    if (sqlite3_get_autocommit(outbox->db) == 0)
        (void)sqlite3_exec(outbox->db, "ROLLBACK", NULL, NULL, NULL);
    outbox->in_transaction = false;
}

/* --- entries --------------------------------------------------------------------- */

int hark_outbox_put(struct hark_outbox *outbox, const struct hark_hash *id, struct hark_span object,
                    struct hark_span payload, uint64_t now_ms, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc;

    if (object.data == NULL || object.size == 0 || object.size > HARK_ENTRY_MAX ||
        payload.size > HARK_PAYLOAD_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "what is put into the outbox is no entry");
    rc =
        prepare(outbox, &statement,
                "INSERT INTO entry (id, state, as_void, due, since, node, position, error, message,"
                " object, payload) VALUES (?1, 0, 0, 0, ?2, '', 0, '', '', ?3, ?4)",
                err);
    if (rc < 0)
        return rc;
    bind_hash(statement, 1, id, &bound);
    bind_number(statement, 2, now_ms, &bound);
    bind_blob(statement, 3, object, &bound);
    bind_blob(statement, 4, payload, &bound);
    return finish(outbox, statement, bound, "this entry is in the outbox", err);
}

/* Without its payload where the log that held it has none any more. */
static int revive(struct hark_outbox *outbox, const struct hark_hash *id, struct hark_span payload,
                  uint64_t now_ms, bool *put, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc =
        exec_of(outbox, "UPDATE receipt SET state = 0 WHERE id = ?1 AND state IN (1, 2)", id, err);

    if (rc == 0)
        rc = prepare(outbox, &statement,
                     "UPDATE entry SET state = 0, due = 0, since = ?2, node = '', position = 0,"
                     " error = '', message = '', payload = ?3 WHERE id = ?1 AND state = 2",
                     err);
    if (rc < 0)
        return rc;
    outbox->changes++;
    bind_hash(statement, 1, id, &bound);
    bind_number(statement, 2, now_ms, &bound);
    bind_blob(statement, 3, payload, &bound);
    rc = finish(outbox, statement, bound, NULL, err);
    *put = rc == 0 && sqlite3_changes(outbox->db) > 0;
    return rc;
}

int hark_outbox_put_back(struct hark_outbox *outbox, const struct hark_hash *id,
                         struct hark_span object, struct hark_span payload, uint64_t now_ms,
                         bool *put, struct hark_err *err)
{
    struct hark_err why = {0};
    int rc = hark_outbox_put(outbox, id, object, payload, now_ms, &why);

    *put = rc == 0;
    if (rc == HARK_E_EXISTS)
        return revive(outbox, id, payload, now_ms, put, err);
    if (rc < 0 && err != NULL)
        *err = why;
    return rc;
}

static int read_row(struct hark_outbox *outbox, sqlite3_stmt *statement, struct hark_out_row *row,
                    struct hark_err *err)
{
    int64_t state = sqlite3_column_int64(statement, 2);
    int rc = read_hash(outbox, statement, 1, &row->id, err);

    if (rc < 0)
        return rc;
    if (state < HARK_OUT_PENDING || state > HARK_OUT_REFUSED)
        return wrong(outbox, "state", err);
    row->number = (uint64_t)sqlite3_column_int64(statement, 0);
    row->state = (enum hark_out_state)state;
    row->as_void = sqlite3_column_int64(statement, 3) != 0;
    row->since_ms = (uint64_t)sqlite3_column_int64(statement, 4);
    read_text(statement, 5, row->node, sizeof(row->node));
    row->position = (uint64_t)sqlite3_column_int64(statement, 6);
    row->code = read_code(statement, 7);
    read_text(statement, 8, row->message, sizeof(row->message));
    row->object = read_blob(statement, 9);
    row->payload = read_blob(statement, 10);
    row->due = sqlite3_column_int64(statement, 11) != 0;
    if (row->object.size == 0 || row->object.size > HARK_ENTRY_MAX)
        return wrong(outbox, "entry", err);
    if (row->payload.size > HARK_PAYLOAD_MAX)
        return wrong(outbox, "payload", err);
    return 0;
}

uint64_t hark_outbox_changes(const struct hark_outbox *outbox)
{
    return outbox->changes;
}

int hark_outbox_each(struct hark_outbox *outbox, unsigned states, hark_out_fn *fn, void *arg,
                     struct hark_err *err)
{
    return hark_outbox_each_after(outbox, 0, states, fn, arg, err);
}

/* What is done in a transaction may be undone, and is not counted then. */
static bool knows_none(struct hark_outbox *outbox, unsigned states)
{
    return sqlite3_get_autocommit(outbox->db) != 0 &&
           sqlite3_total_changes64(outbox->db) == outbox->none_as_of &&
           (outbox->none & states) == states;
}

static void note_none(struct hark_outbox *outbox, unsigned states)
{
    sqlite3_int64 now = sqlite3_total_changes64(outbox->db);

    if (sqlite3_get_autocommit(outbox->db) == 0)
        return;
    outbox->none = now == outbox->none_as_of ? outbox->none | states : states;
    outbox->none_as_of = now;
}

int hark_outbox_each_after(struct hark_outbox *outbox, uint64_t number, unsigned states,
                           hark_out_fn *fn, void *arg, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    bool more = false;
    int rc;

    if (knows_none(outbox, states))
        return 0;
    rc = prepare(
        outbox, &statement,
        "SELECT number, id, state, as_void, since, node, position, error, message,"
        " object, payload, due FROM entry WHERE (1 << state) & ?1 AND number > ?2 ORDER BY number",
        err);

    if (rc < 0)
        return rc;
    bind_number(statement, 1, states & STATE_BITS, &bound);
    bind_number(statement, 2, number, &bound);
    rc = bound == SQLITE_OK ? step(outbox, statement, &more, err) : fail(outbox, bound, err);
    if (rc == 0 && !more && number == 0)
        note_none(outbox, states);
    while (rc == 0 && more) {
        struct hark_out_row row = {0};

        rc = read_row(outbox, statement, &row, err);
        if (rc == 0)
            rc = fn(arg, &row, err);
        if (rc == 0)
            rc = step(outbox, statement, &more, err);
    }
    (void)sqlite3_finalize(statement);
    return rc == HARK_STOP ? 0 : rc;
}

int hark_outbox_counts(struct hark_outbox *outbox, uint64_t counts[4], struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool more = false;
    int rc = prepare(outbox, &statement, "SELECT state, count(*) FROM entry GROUP BY state", err);

    memset(counts, 0, 4 * sizeof(counts[0]));
    if (rc == 0)
        rc = step(outbox, statement, &more, err);
    while (rc == 0 && more) {
        int64_t state = sqlite3_column_int64(statement, 0);

        if (state < HARK_OUT_PENDING || state > HARK_OUT_REFUSED)
            rc = wrong(outbox, "state", err);
        else
            counts[state] = (uint64_t)sqlite3_column_int64(statement, 1);
        if (rc == 0)
            rc = step(outbox, statement, &more, err);
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

int hark_outbox_set(struct hark_outbox *outbox, const struct hark_out_row *row, uint64_t now_ms,
                    struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement,
                     "UPDATE entry SET state = ?2, due = ?8, node = ?4, position = ?5,"
                     " since = CASE WHEN state = 0 AND ?2 = 0 OR ?8 THEN since ELSE ?3 END,"
                     " error = ?6, message = ?7,"
                     " payload = CASE WHEN ?2 = 2 THEN NULL ELSE payload END"
                     " WHERE id = ?1 AND state <> 2",
                     err);

    if (rc < 0)
        return rc;
    outbox->changes++;
    bind_hash(statement, 1, &row->id, &bound);
    bind_number(statement, 2, row->state, &bound);
    bind_number(statement, 3, now_ms, &bound);
    bind_text(statement, 4, row->node, &bound);
    bind_number(statement, 5, row->position, &bound);
    bind_text(statement, 6, code_name(row->code), &bound);
    bind_text(statement, 7, row->message, &bound);
    bind_number(statement, 8, row->due, &bound);
    return finish(outbox, statement, bound, NULL, err);
}

int hark_outbox_as_void(struct hark_outbox *outbox, const struct hark_hash *id, uint64_t now_ms,
                        struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement,
                     "UPDATE entry SET state = 0, as_void = 1, since = ?2, node = '',"
                     " position = 0, error = '', message = '' WHERE id = ?1 AND state = 3",
                     err);

    if (rc < 0)
        return rc;
    outbox->changes++;
    bind_hash(statement, 1, id, &bound);
    bind_number(statement, 2, now_ms, &bound);
    rc = finish(outbox, statement, bound, NULL, err);
    if (rc == 0 && sqlite3_changes(outbox->db) == 0)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "the outbox holds no such refused entry");
    return rc;
}

int hark_outbox_forget(struct hark_outbox *outbox, uint64_t before_ms, uint64_t below,
                       struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement,
                     "DELETE FROM entry WHERE state = 2 AND since < ?1 AND position < ?2", err);

    if (rc < 0)
        return rc;
    bind_number(statement, 1, before_ms, &bound);
    bind_number(statement, 2, below, &bound);
    rc = finish(outbox, statement, bound, NULL, err);
    if (rc < 0 || sqlite3_changes(outbox->db) == 0)
        return rc;
    outbox->changes++;
    return exec(outbox, "DELETE FROM receipt WHERE id NOT IN (SELECT id FROM entry)", err);
}

/* --- receipts ------------------------------------------------------------------------ */

int hark_outbox_receipt_put(struct hark_outbox *outbox, const struct hark_out_receipt *receipt,
                            uint64_t now_ms, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc;

    if (receipt->file.size > HARK_TLOG_PROOF_MAX ||
        (receipt->state == HARK_RECEIPT_BAD) != (receipt->file.size == 0))
        return hark_err_set(err, HARK_E_INTERNAL, "what is put into the outbox is no receipt");
    rc = prepare(outbox, &statement,
                 "INSERT OR REPLACE INTO receipt (id, node, main, state, position, size, since,"
                 " error, message, file) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"
                 " WHERE EXISTS (SELECT 1 FROM entry WHERE id = ?1)",
                 err);
    if (rc < 0)
        return rc;
    bind_hash(statement, 1, &receipt->id, &bound);
    bind_text(statement, 2, receipt->node, &bound);
    bind_number(statement, 3, receipt->is_main, &bound);
    bind_number(statement, 4, receipt->state, &bound);
    bind_number(statement, 5, receipt->position, &bound);
    bind_number(statement, 6, receipt->size, &bound);
    bind_number(statement, 7, now_ms, &bound);
    bind_text(statement, 8, code_name(receipt->code), &bound);
    bind_text(statement, 9, receipt->message, &bound);
    bind_blob(statement, 10,
              hark_span(receipt->file.size == 0 ? "" : (const char *)receipt->file.data,
                        receipt->file.size),
              &bound);
    return finish(outbox, statement, bound, NULL, err);
}

int hark_outbox_receipt_judged(struct hark_outbox *outbox, const struct hark_hash *id,
                               enum hark_out_receipt_state state, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement, "UPDATE receipt SET state = ?2 WHERE id = ?1", err);

    if (rc < 0)
        return rc;
    bind_hash(statement, 1, id, &bound);
    bind_number(statement, 2, state, &bound);
    return finish(outbox, statement, bound, NULL, err);
}

int hark_outbox_again(struct hark_outbox *outbox, const struct hark_hash *id, struct hark_err *err)
{
    outbox->changes++;
    return exec_of(outbox, "UPDATE entry SET due = 1 WHERE id = ?1 AND state = 1", id, err);
}

#define RECEIPT_COLUMNS "SELECT id, node, main, state, position, size, error, message, file"

static int read_receipt(struct hark_outbox *outbox, sqlite3_stmt *statement,
                        struct hark_out_receipt *out, struct hark_err *err)
{
    int64_t state = sqlite3_column_int64(statement, 3);
    int rc = read_hash(outbox, statement, 0, &out->id, err);

    if (rc < 0)
        return rc;
    if (state < HARK_RECEIPT_OPEN || state > HARK_RECEIPT_BAD)
        return wrong(outbox, "receipt's state", err);
    read_text(statement, 1, out->node, sizeof(out->node));
    out->is_main = sqlite3_column_int64(statement, 2) != 0;
    out->state = (enum hark_out_receipt_state)state;
    out->position = (uint64_t)sqlite3_column_int64(statement, 4);
    out->size = (uint64_t)sqlite3_column_int64(statement, 5);
    out->code = read_code(statement, 6);
    read_text(statement, 7, out->message, sizeof(out->message));
    out->file = read_blob(statement, 8);
    if (out->file.size > HARK_TLOG_PROOF_MAX ||
        (out->state == HARK_RECEIPT_BAD) != (out->file.size == 0))
        return wrong(outbox, "receipt", err);
    return 0;
}

/* Hands what a bound statement gives to fn, and ends it. */
static int each_receipt(struct hark_outbox *outbox, sqlite3_stmt *statement, int bound,
                        hark_out_receipt_fn *fn, void *arg, bool *any, struct hark_err *err)
{
    bool more = false;
    int rc = bound == SQLITE_OK ? step(outbox, statement, &more, err) : fail(outbox, bound, err);

    *any = more;
    while (rc == 0 && more) {
        struct hark_out_receipt receipt = {.code = 0};

        rc = read_receipt(outbox, statement, &receipt, err);
        if (rc == 0)
            rc = fn(arg, &receipt, err);
        if (rc == 0)
            rc = step(outbox, statement, &more, err);
    }
    (void)sqlite3_finalize(statement);
    return rc == HARK_STOP ? 0 : rc;
}

int hark_outbox_receipt(struct hark_outbox *outbox, const struct hark_hash *id,
                        hark_out_receipt_fn *fn, void *arg, bool *found, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement, RECEIPT_COLUMNS " FROM receipt WHERE id = ?1", err);

    *found = false;
    if (rc < 0)
        return rc;
    bind_hash(statement, 1, id, &bound);
    return each_receipt(outbox, statement, bound, fn, arg, found, err);
}

int hark_outbox_each_receipt(struct hark_outbox *outbox, hark_out_receipt_fn *fn, void *arg,
                             struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool any = false;
    int rc = prepare(outbox, &statement, RECEIPT_COLUMNS " FROM receipt", err);

    return rc < 0 ? rc : each_receipt(outbox, statement, SQLITE_OK, fn, arg, &any, err);
}

int hark_outbox_each_open(struct hark_outbox *outbox, uint64_t below, hark_out_receipt_fn *fn,
                          void *arg, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    bool any = false;
    int64_t open = 0;
    int rc;

    if (knows_none(outbox, OPEN_RECEIPTS))
        return 0;
    rc =
        one_number(outbox, "SELECT count(*) FROM receipt WHERE main = 1 AND state = 0", &open, err);
    if (rc == 0 && open == 0)
        note_none(outbox, OPEN_RECEIPTS);
    if (rc < 0 || open == 0)
        return rc;
    rc = prepare(outbox, &statement,
                 RECEIPT_COLUMNS " FROM receipt WHERE main = 1 AND state = 0 AND position < ?1",
                 err);
    if (rc < 0)
        return rc;
    bind_number(statement, 1, below, &bound);
    return each_receipt(outbox, statement, bound, fn, arg, &any, err);
}

int hark_outbox_each_bare(struct hark_outbox *outbox, hark_out_fn *fn, void *arg,
                          struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool more = false;
    int rc;

    if (knows_none(outbox, LOGGED_BARE))
        return 0;
    rc = prepare(outbox, &statement,
                 "SELECT e.id, e.position FROM entry AS e LEFT JOIN receipt AS r ON r.id = e.id"
                 " WHERE e.state = 2 AND (r.id IS NULL OR r.main = 0 OR r.state IN (2, 4))",
                 err);
    if (rc == 0)
        rc = step(outbox, statement, &more, err);
    if (rc == 0 && !more)
        note_none(outbox, LOGGED_BARE);
    while (rc == 0 && more) {
        struct hark_out_row row = {.state = HARK_OUT_LOGGED};

        rc = read_hash(outbox, statement, 0, &row.id, err);
        row.position = (uint64_t)sqlite3_column_int64(statement, 1);
        if (rc == 0)
            rc = fn(arg, &row, err);
        if (rc == 0)
            rc = step(outbox, statement, &more, err);
    }
    (void)sqlite3_finalize(statement);
    return rc == HARK_STOP ? 0 : rc;
}

int hark_outbox_each_unproved(struct hark_outbox *outbox, uint64_t now_ms, hark_out_unproved_fn *fn,
                              void *arg, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    bool more = false;
    int rc;

    if (knows_none(outbox, 1u << HARK_OUT_ACCEPTED))
        return 0;
    rc = prepare(
        outbox, &statement,
        "SELECT e.id, e.node, e.object FROM entry AS e LEFT JOIN receipt AS r ON r.id = e.id"
        " WHERE e.state = 1 AND (r.id IS NULL OR (r.state = 4 AND r.since < ?1)"
        " OR (r.state <> 4 AND r.main = 0 AND e.position = -1)) ORDER BY e.number",
        err);
    if (rc < 0)
        return rc;
    bind_number(statement, 1, now_ms > ANEW_MS ? now_ms - ANEW_MS : 0, &bound);
    rc = bound == SQLITE_OK ? step(outbox, statement, &more, err) : fail(outbox, bound, err);
    while (rc == 0 && more) {
        char node[HARK_NODE_NAME_MAX + 1];
        struct hark_hash id;

        rc = read_hash(outbox, statement, 0, &id, err);
        read_text(statement, 1, node, sizeof(node));
        if (rc == 0)
            rc = fn(arg, &id, read_blob(statement, 2), node, err);
        if (rc == 0)
            rc = step(outbox, statement, &more, err);
    }
    (void)sqlite3_finalize(statement);
    return rc == HARK_STOP ? 0 : rc;
}

/* --- requests to join, handed on ---------------------------------------------------- */

static int find_relay(struct hark_outbox *outbox, bool *found, struct hark_relay_row *row,
                      struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement, "SELECT status, error, message FROM relay WHERE hash = ?1",
                     err);

    if (rc < 0)
        return rc;
    bind_hash(statement, 1, &row->hash, &bound);
    rc = bound == SQLITE_OK ? step(outbox, statement, found, err) : fail(outbox, bound, err);
    if (rc == 0 && *found) {
        int64_t status = sqlite3_column_int64(statement, 0);

        if (status < 0 || status > UINT8_MAX)
            rc = wrong(outbox, "status", err);
        row->status = (uint8_t)status;
        row->code = read_code(statement, 1);
        read_text(statement, 2, row->message, sizeof(row->message));
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

static int add_relay(struct hark_outbox *outbox, const struct hark_relay_row *row, uint64_t now_ms,
                     struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement,
                     "INSERT INTO relay (hash, sealed, since, status, error, message)"
                     " VALUES (?1, ?2, ?3, ?4, '', '')",
                     err);

    if (rc < 0)
        return rc;
    bind_hash(statement, 1, &row->hash, &bound);
    bind_blob(statement, 2, row->sealed, &bound);
    bind_number(statement, 3, now_ms, &bound);
    bind_number(statement, 4, row->status, &bound);
    rc = finish(outbox, statement, bound, NULL, err);
    if (rc < 0)
        return rc;
    return exec(outbox,
                "DELETE FROM relay WHERE number NOT IN"
                " (SELECT number FROM relay ORDER BY number DESC LIMIT 256)",
                err);
}

int hark_outbox_relay(struct hark_outbox *outbox, struct hark_span sealed, uint64_t now_ms,
                      bool *found, struct hark_relay_row *row, struct hark_err *err)
{
    bool own = !outbox->in_transaction;
    int rc;

    *found = false;
    memset(row, 0, sizeof(*row));
    if (sealed.data == NULL || sealed.size == 0 || sealed.size > SEALED_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "a sealed request to join has 1 to %u bytes",
                            SEALED_MAX);
    row->hash = hark_sha256(sealed);
    row->sealed = sealed;
    row->status = RELAY_WAITING;
    rc = find_relay(outbox, found, row, err);
    if (rc < 0 || *found)
        return rc;
    /* One more and the oldest less, together. */
    if (own)
        rc = hark_outbox_begin(outbox, err);
    if (rc < 0)
        return rc;
    rc = add_relay(outbox, row, now_ms, err);
    if (own && rc == 0)
        rc = hark_outbox_commit(outbox, err);
    if (own && rc < 0)
        hark_outbox_rollback(outbox);
    return rc;
}

int hark_outbox_relayed(struct hark_outbox *outbox, const struct hark_hash *hash, uint8_t status,
                        int code, const char *message, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    int rc = prepare(outbox, &statement,
                     "UPDATE relay SET status = ?2, error = ?3, message = ?4 WHERE hash = ?1", err);

    if (rc < 0)
        return rc;
    bind_hash(statement, 1, hash, &bound);
    bind_number(statement, 2, status, &bound);
    bind_text(statement, 3, code_name(code), &bound);
    bind_text(statement, 4, message != NULL ? message : "", &bound);
    return finish(outbox, statement, bound, NULL, err);
}

int hark_outbox_each_relay(struct hark_outbox *outbox, hark_relay_fn *fn, void *arg,
                           struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int bound = SQLITE_OK;
    bool more = false;
    int rc = prepare(outbox, &statement,
                     "SELECT hash, sealed, error, message FROM relay WHERE status = ?1"
                     " ORDER BY number",
                     err);

    if (rc < 0)
        return rc;
    bind_number(statement, 1, RELAY_WAITING, &bound);
    rc = bound == SQLITE_OK ? step(outbox, statement, &more, err) : fail(outbox, bound, err);
    while (rc == 0 && more) {
        struct hark_relay_row row = {.status = RELAY_WAITING};

        rc = read_hash(outbox, statement, 0, &row.hash, err);
        row.sealed = read_blob(statement, 1);
        if (rc == 0 && (row.sealed.size == 0 || row.sealed.size > SEALED_MAX))
            rc = wrong(outbox, "request", err);
        row.code = read_code(statement, 2);
        read_text(statement, 3, row.message, sizeof(row.message));
        if (rc == 0)
            rc = fn(arg, &row, err);
        if (rc == 0)
            rc = step(outbox, statement, &more, err);
    }
    (void)sqlite3_finalize(statement);
    return rc == HARK_STOP ? 0 : rc;
}
