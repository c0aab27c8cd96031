/*
 * Reading the log's rows: one by position or id, many by what they are, and the
 * small questions around them.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

/* ---- rows ---- */

static uint64_t column_position(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL
               ? HARK_NONE
               : (uint64_t)sqlite3_column_int64(s, column);
}

static int read_re(sqlite3_stmt *s, int column, struct hark_row *out, struct hark_err *err)
{
    const void *bytes = sqlite3_column_blob(s, column);
    size_t size = (size_t)sqlite3_column_bytes(s, column);

    if (size % HARK_HASH_SIZE != 0 || size > sizeof(out->re))
        return hark_err_set(err, HARK_E_DAMAGED, "the index holds a list of a wrong size");
    out->re_count = size / HARK_HASH_SIZE;
    if (size > 0)
        memcpy(out->re, bytes, size);
    return 0;
}

static int read_ids(sqlite3_stmt *s, struct hark_row *out, struct hark_err *err)
{
    int rc = hark_index_blob(s, 4, out->id.bytes, HARK_HASH_SIZE, err);

    if (rc == 0)
        rc = hark_index_blob(s, 5, out->git_id.bytes, HARK_GIT_ID_SIZE, err);
    if (rc == 0)
        rc = hark_index_blob(s, 6, out->batch_id.bytes, HARK_GIT_ID_SIZE, err);
    if (rc == 0)
        rc = hark_index_blob(s, 7, out->author_key.bytes, HARK_KEY_SIZE, err);
    out->has_payload = sqlite3_column_type(s, 16) != SQLITE_NULL;
    out->has_blob = sqlite3_column_type(s, 19) != SQLITE_NULL;
    if (rc == 0 && out->has_payload)
        rc = hark_index_blob(s, 17, out->payload_hash.bytes, HARK_HASH_SIZE, err);
    if (rc == 0 && out->has_blob)
        rc = hark_index_blob(s, 19, out->blob.bytes, HARK_GIT_ID_SIZE, err);
    return rc != 0 ? rc : read_re(s, 20, out, err);
}

int hark_index_row_read(sqlite3_stmt *s, struct hark_row *out, struct hark_err *err)
{
    const char *kind = (const char *)sqlite3_column_text(s, 10);
    int64_t owner = sqlite3_column_int64(s, 8);

    memset(out, 0, sizeof(*out));
    out->position = (uint64_t)sqlite3_column_int64(s, 0);
    out->arrival_ms = (uint64_t)sqlite3_column_int64(s, 1);
    out->accepted_ms = (uint64_t)sqlite3_column_int64(s, 2);
    out->time_ms = (uint64_t)sqlite3_column_int64(s, 3);
    out->author_of = (uint8_t)(owner >> 32);
    out->author = (uint32_t)owner;
    out->seq = (uint64_t)sqlite3_column_int64(s, 9);
    (void)snprintf(out->kind, sizeof(out->kind), "%s", kind == NULL ? "" : kind);
    out->verdict = (uint8_t)sqlite3_column_int(s, 11);
    out->hidden_by = column_position(s, 12);
    out->erased_by = column_position(s, 13);
    out->replaces = column_position(s, 14);
    out->used_by = column_position(s, 15);
    out->payload_size = (uint64_t)sqlite3_column_int64(s, 16);
    out->says = (enum hark_says)sqlite3_column_int(s, 18);
    return read_ids(s, out, err);
}

int hark_index_row(struct hark_index *index, uint64_t position, struct hark_row *out,
                   struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row,
                               "SELECT " HARK_ROW_COLUMNS " FROM entry e" HARK_ROW_JOINS
                               "WHERE e.position = ?1",
                               V_ARGS(V_INT(position)));

    if (rc == 0 && !row)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "there is no entry %llu",
                          (unsigned long long)position);
    else if (rc == 0)
        rc = hark_index_row_read(statement, out, err);
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

int hark_index_blob_at(struct hark_index *index, uint64_t position, bool *there,
                       struct hark_git_id *blob, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc =
        hark_index_select(index, err, &statement, &row,
                          "SELECT blob FROM entry WHERE position = ?1", V_ARGS(V_INT(position)));

    *there = false;
    if (rc == 0 && !row)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "there is no entry %llu",
                          (unsigned long long)position);
    if (rc == 0) {
        *there = sqlite3_column_type(statement, 0) != SQLITE_NULL;
        if (*there)
            rc = hark_index_blob(statement, 0, blob->bytes, HARK_GIT_ID_SIZE, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

int hark_index_walk(struct hark_index *index, sqlite3_stmt *statement, hark_row_fn *fn, void *arg,
                    struct hark_err *err)
{
    bool more = false;
    int rc = hark_index_step(index, statement, &more, err);

    while (rc == 0 && more) {
        struct hark_row row;

        rc = hark_index_row_read(statement, &row, err);
        if (rc == 0)
            rc = fn(arg, &row, err);
        if (rc == 0)
            rc = hark_index_step(index, statement, &more, err);
    }
    return rc == HARK_STOP ? 0 : rc;
}

int hark_index_size(struct hark_index *index, uint64_t *size, struct hark_err *err)
{
    int64_t last = 0;
    bool found = false;
    int rc;

    if (!index->read_only) {
        rc = hark_index_learn(index, err);
        *size = index->size;
        return rc;
    }
    rc = hark_index_number(index, err, &found, &last, "SELECT max(position) FROM entry", NULL, 0);
    *size = found ? (uint64_t)last + 1 : 0;
    return rc;
}

/* ---- by id ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The look-up keys that begin with these digits: from *from on and below *to. */
struct range {
    size_t from_size, to_size;
    uint8_t from[1 + HARK_HASH_SIZE], to[1 + HARK_HASH_SIZE];
};

static bool range_of(struct range *out, unsigned lookup, const char *hex, size_t size)
{
    memset(out, 0, sizeof(*out));
    out->from[0] = (uint8_t)lookup;
    for (size_t i = 0; i < size; i++) {
        int digit = digit_of(hex[i]);

        if (digit < 0)
            return false;
        out->from[1 + i / 2] |= (uint8_t)(i % 2 == 0 ? digit << 4 : digit);
    }
    out->from_size = out->to_size = 1 + (size + 1) / 2;
    memcpy(out->to, out->from, out->from_size);
    /* One more in the last digit given, carried leftwards. */
    for (size_t i = out->to_size; i-- > 0;) {
        unsigned step = size % 2 != 0 && i == out->to_size - 1 ? 16 : 1;
        unsigned sum = out->to[i] + step;

        out->to[i] = (uint8_t)sum;
        if (sum <= 0xff)
            break;
    }
    return true;
}

static int find_range(struct hark_index *index, const struct range *range, uint64_t *position,
                      size_t *count, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(
        index, err, &statement, &row,
        "SELECT number FROM lookup WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT 2",
        V_ARGS(V_BLOB(range->from, range->from_size), V_BLOB(range->to, range->to_size)));

    while (rc == 0 && row) {
        uint64_t number = (uint64_t)sqlite3_column_int64(statement, 0);

        (*count)++;
        *position = number;
        rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

int hark_index_find(struct hark_index *index, const char *hex, struct hark_row *out,
                    struct hark_err *err)
{
    size_t size = strlen(hex);
    struct range range;
    uint64_t position = 0;
    size_t count = 0;
    int rc;

    if (size < 8 || size > 2 * (size_t)HARK_HASH_SIZE ||
        !range_of(&range, HARK_LOOKUP_ENTRY, hex, size))
        return hark_err_set(err, HARK_E_USAGE, "an id is 8 to 64 hexadecimal digits");
    rc = index->in_transaction ? hark_index_store_flush(index, err) : 0;
    if (rc == 0)
        rc = find_range(index, &range, &position, &count, err);
    if (rc != 0)
        return rc;
    if (count == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no entry %s", hex);
    if (count > 1)
        return hark_err_set(err, HARK_E_AMBIGUOUS, "more than one entry begins with %s", hex);
    return hark_index_row(index, position, out, err);
}

int hark_index_knows_payload(struct hark_index *index, const struct hark_hash *hash, bool *known,
                             uint64_t *position, struct hark_err *err)
{
    return hark_index_lookup_find(index, HARK_LOOKUP_PAYLOAD,
                                  hark_span(hash->bytes, HARK_HASH_SIZE), known, position, err);
}

/* ---- the log ---- */

/* Numbers of a comma-separated list of kinds, those that never occurred left
 * out, as "1,2,3" into `sql`. */
static int append_kinds(struct hark_index *index, struct hark_buf *sql, const char *kinds,
                        size_t *count, struct hark_err *err)
{
    int rc = 0;

    *count = 0;
    while (rc == 0) {
        size_t size = strcspn(kinds, ",");
        int64_t number = 0;
        bool found = false;

        rc = hark_index_number(index, err, &found, &number,
                               "SELECT number FROM kind WHERE name = ?1",
                               V_ARGS(V_TEXT(kinds, size)));
        if (rc == 0 && found)
            rc = hark_buf_printf(sql, err, "%s%lld", (*count)++ > 0 ? "," : "", (long long)number);
        if (kinds[size] == '\0')
            break;
        kinds += size + 1;
    }
    return rc;
}

/* One kind goes by its index; for several the log itself is the order in which they
 * are wanted, and what one person wrote is less than what was written of a kind (the +
 * keeps the index out). */
static int where_kinds(struct hark_index *index, struct hark_buf *sql,
                       const struct hark_log_query *query, struct hark_err *err)
{
    bool of_one = query->has_member || query->author != NULL;
    struct hark_buf list = hark_buf_init(8192);
    size_t count = 0;
    int rc = append_kinds(index, &list, query->kind, &count, err);

    if (rc == 0)
        rc = hark_buf_append_byte(&list, '\0', err);
    if (rc == 0)
        rc = hark_buf_printf(sql, err, " AND %se.kind IN (%s)", count == 1 && !of_one ? "" : "+",
                             (const char *)list.data);
    hark_buf_free(&list);
    return rc;
}

/* The first position that arrived at or after `since`: arrivals never decrease. */
static int first_since(struct hark_index *index, uint64_t since_ms, uint64_t *first,
                       struct hark_err *err)
{
    uint64_t low = 0, high = 0;
    int rc = hark_index_size(index, &high, err);

    while (rc == 0 && low < high) {
        uint64_t middle = low + (high - low) / 2;
        int64_t arrival = 0;
        bool found = false;

        rc = hark_index_number(index, err, &found, &arrival,
                               "SELECT arrival FROM entry WHERE position = ?1",
                               V_ARGS(V_INT(middle)));
        if (rc == 0 && !found)
            rc = hark_err_set(err, HARK_E_DAMAGED, "the index lacks a row of the log");
        if ((uint64_t)arrival < since_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    return rc;
}

/* Parameters: ?1 from, ?2 below, ?3 owner or key, ?4 subject, ?5 limit. */
static int log_sql(struct hark_index *index, struct hark_buf *sql,
                   const struct hark_log_query *query, struct hark_err *err)
{
    int rc = hark_buf_printf(
        sql, err, "SELECT %s FROM %s %s WHERE e.position >= ?1 AND e.position < ?2",
        HARK_ROW_COLUMNS,
        query->re != HARK_NONE ? "re r CROSS JOIN entry e ON e.position = r.position" : "entry e",
        HARK_ROW_JOINS);

    if (rc == 0 && query->re != HARK_NONE)
        rc = hark_buf_append_str(
            sql, " AND r.subject = ?4 AND r.position >= ?1 AND r.position < ?2", err);
    if (rc == 0 && query->author != NULL)
        rc = hark_buf_append_str(sql,
                                 " AND e.owner = (SELECT owner FROM author WHERE key = ?3)"
                                 " AND e.author = (SELECT number FROM author WHERE key = ?3)",
                                 err);
    if (rc == 0 && query->has_member)
        rc = hark_buf_append_str(sql, " AND e.owner = ?6", err);
    if (rc == 0 && query->kind != NULL)
        rc = where_kinds(index, sql, query, err);
    if (rc == 0)
        rc = hark_buf_printf(sql, err, " ORDER BY %s.position %s LIMIT ?5",
                             query->re != HARK_NONE ? "r" : "e", query->backwards ? "DESC" : "ASC");
    return rc != 0 ? rc : hark_buf_terminate(sql, err);
}

static int log_run(struct hark_index *index, const char *sql, const struct hark_log_query *query,
                   hark_row_fn *fn, void *arg, struct hark_err *err)
{
    uint64_t from = query->after == HARK_NONE ? 0 : query->after + 1;
    uint64_t below = query->below == 0 ? (uint64_t)INT64_MAX : query->below;
    uint64_t first = 0;
    int64_t member = (int64_t)HARK_KEY_OF_MEMBER << 32 | (int64_t)query->member;
    sqlite3_stmt *statement = NULL;
    int result;
    int rc = query->since_ms == 0 ? 0 : first_since(index, query->since_ms, &first, err);

    if (rc != 0)
        return rc;
    /* Not one of the kept statements: `fn` may well ask for another log. */
    result = sqlite3_prepare_v2(index->db, sql, -1, &statement, NULL);
    if (result != SQLITE_OK)
        return hark_index_fail(index, result, err);
    const struct hark_index_value values[6] = {
        V_INT(from > first ? from : first),
        V_INT(below > INT64_MAX ? (uint64_t)INT64_MAX : below),
        query->author == NULL ? V_NULL : V_BLOB(query->author->bytes, HARK_KEY_SIZE),
        V_POS(query->re),
        query->limit == 0 || query->limit > INT64_MAX ? V_INT(-1) : V_INT(query->limit),
        V_INT(member),
    };
    rc = hark_index_bind(index, statement, values, (size_t)sqlite3_bind_parameter_count(statement),
                         err);
    if (rc == 0)
        rc = hark_index_walk(index, statement, fn, arg, err);
    (void)sqlite3_finalize(statement);
    return rc;
}

int hark_index_log(struct hark_index *index, const struct hark_log_query *query, hark_row_fn *fn,
                   void *arg, struct hark_err *err)
{
    struct hark_buf sql = hark_buf_init(16384);
    int rc;

    if (query->after != HARK_NONE && query->after >= INT64_MAX)
        return 0;
    rc = log_sql(index, &sql, query, err);
    if (rc == 0)
        rc = log_run(index, (const char *)sql.data, query, fn, arg, err);
    hark_buf_free(&sql);
    return rc;
}

#define OF_AUTHOR_SINCE                                                                            \
    "SELECT e.seq FROM author a CROSS JOIN entry e ON e.owner = a.owner WHERE a.key = ?1"          \
    " AND e.author = a.number AND e.position >= ?2 ORDER BY e.position "

/* A feed's numbers have no gaps in the log, so that its first and its last entry since
 * then tell how many there are, however many: this is asked for every entry that is
 * written. */
int hark_index_count_recent(struct hark_index *index, const struct hark_key *author,
                            uint64_t since_ms, uint64_t *count, struct hark_err *err)
{
    int64_t seqs[2] = {0};
    uint64_t first = 0;
    bool found = true;
    int rc = first_since(index, since_ms, &first, err);

    for (int last = 0; rc == 0 && found && last < 2; last++)
        rc = hark_index_number(index, err, &found, &seqs[last],
                               last == 0 ? OF_AUTHOR_SINCE "ASC LIMIT 1"
                                         : OF_AUTHOR_SINCE "DESC LIMIT 1",
                               V_ARGS(V_BLOB(author->bytes, HARK_KEY_SIZE), V_INT(first)));
    *count = rc == 0 && found ? (uint64_t)(seqs[1] - seqs[0]) + 1 : 0;
    return rc;
}

/* ---- batches ---- */

/* Reads the row that the statement stands on, and ends it. */
static int read_batch(sqlite3_stmt *s, bool row, struct hark_index_batch *out, struct hark_err *err)
{
    int rc = 0;

    memset(out, 0, sizeof(*out));
    if (row) {
        out->first = (uint64_t)sqlite3_column_int64(s, 0);
        out->count = (uint64_t)sqlite3_column_int64(s, 1);
        out->time_ms = (uint64_t)sqlite3_column_int64(s, 4);
        out->number = (uint64_t)sqlite3_column_int64(s, 5) - 1; /* rows count from 1 */
        rc = hark_index_blob(s, 2, out->git_id.bytes, HARK_GIT_ID_SIZE, err);
        if (rc == 0)
            rc = hark_index_blob(s, 3, out->hash.bytes, HARK_HASH_SIZE, err);
    }
    (void)sqlite3_reset(s);
    return rc;
}

int hark_index_batch(struct hark_index *index, uint64_t position, struct hark_index_batch *out,
                     struct hark_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    int rc;

    memset(out, 0, sizeof(*out));
    if (position == HARK_NONE)
        rc = hark_index_select(index, err, &s, &row,
                               "SELECT first, count, git_id, hash, time, number FROM batch"
                               " WHERE first IS NOT NULL ORDER BY number DESC LIMIT 1",
                               NULL, 0);
    else /* a batch without entries begins where the next one does */
        rc = hark_index_select(index, err, &s, &row,
                               "SELECT first, count, git_id, hash, time, number FROM batch"
                               " WHERE first <= ?1 ORDER BY first DESC, count DESC LIMIT 1",
                               V_ARGS(V_INT(position)));
    if (rc == 0)
        rc = read_batch(s, row, out, err);
    if (rc == 0 && (!row || (position != HARK_NONE && position - out->first >= out->count)))
        return hark_err_set(err, HARK_E_NOT_FOUND, "no batch holds that position");
    return rc;
}

int hark_index_batch_nth(struct hark_index *index, uint64_t number, struct hark_index_batch *out,
                         struct hark_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    int rc = 0;

    memset(out, 0, sizeof(*out));
    if (number < INT64_MAX)
        rc = hark_index_select(index, err, &s, &row,
                               "SELECT first, count, git_id, hash, time, number FROM batch"
                               " WHERE number = ?1 AND first IS NOT NULL",
                               V_ARGS(V_INT(number + 1)));
    if (rc == 0 && s != NULL)
        rc = read_batch(s, row, out, err);
    if (rc == 0 && !row)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no batch %llu",
                            (unsigned long long)number);
    return rc;
}

/* ---- names and titles ---- */

/* Text cut at a character so that it fits, always terminated. */
static void copy_text(char *out, size_t size, const unsigned char *text, size_t length)
{
    if (size == 0)
        return;
    if (length >= size)
        for (length = size - 1; length > 0 && (text[length] & 0xc0) == 0x80; length--)
            ;
    if (length > 0)
        memcpy(out, text, length);
    out[length] = '\0';
}

static int one_text(struct hark_index *index, char *out, size_t size, const char *sql,
                    int64_t parameter, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, sql, V_ARGS(V_INT(parameter)));

    copy_text(out, size, (const unsigned char *)"", 0);
    if (rc == 0 && row) {
        const unsigned char *text = sqlite3_column_text(statement, 0);

        if (text != NULL)
            copy_text(out, size, text, (size_t)sqlite3_column_bytes(statement, 0));
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

int hark_index_member_name(struct hark_index *index, uint32_t member, char *out, size_t size,
                           struct hark_err *err)
{
    return one_text(index, out, size,
                    "SELECT name FROM name WHERE member = ?1 ORDER BY position DESC LIMIT 1",
                    member, err);
}

int hark_index_member_by_name(struct hark_index *index, const char *name, uint32_t *member,
                              size_t *count, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(
        index, err, &statement, &row,
        "SELECT DISTINCT member FROM name n WHERE name = ?1 AND position ="
        " (SELECT max(position) FROM name WHERE member = n.member) ORDER BY member",
        V_ARGS(V_TEXT(name, strlen(name))));

    *count = 0;
    while (rc == 0 && row) {
        if ((*count)++ == 0)
            *member = (uint32_t)sqlite3_column_int64(statement, 0);
        rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

/* A real title in the newest wording that has one; else the newest beginning. */
int hark_index_title(struct hark_index *index, uint64_t position, char *out, size_t size,
                     struct hark_err *err)
{
    int rc = one_text(index, out, size,
                      "SELECT t.text FROM re r"
                      " CROSS JOIN entry e ON e.position = r.position AND e.verdict = 0"
                      " CROSS JOIN kind k ON k.number = e.kind AND k.name = 'revision'"
                      " CROSS JOIN title t ON t.position = r.position AND t.titled = 1"
                      " WHERE r.subject = ?1 ORDER BY r.position DESC LIMIT 1",
                      (int64_t)position, err);

    if (rc == 0 && out[0] == '\0')
        rc = one_text(index, out, size, "SELECT text FROM title WHERE position = ?1 AND titled = 1",
                      (int64_t)position, err);
    if (rc == 0 && out[0] == '\0')
        rc = one_text(index, out, size,
                      "SELECT t.text FROM re r"
                      " CROSS JOIN entry e ON e.position = r.position AND e.verdict = 0"
                      " CROSS JOIN kind k ON k.number = e.kind AND k.name = 'revision'"
                      " CROSS JOIN title t ON t.position = r.position"
                      " WHERE r.subject = ?1 ORDER BY r.position DESC LIMIT 1",
                      (int64_t)position, err);
    if (rc == 0 && out[0] == '\0')
        rc = one_text(index, out, size, "SELECT text FROM title WHERE position = ?1",
                      (int64_t)position, err);
    return rc;
}
