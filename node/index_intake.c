/*
 * Intake logs in the index: where each stands, its batches and its entries. What
 * is asked of them is where an entry of some id, or of some author and seq, stands;
 * that goes through the same table of look-ups as the main log's.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

#define NOTE_ID    'i' /* entry id -> position */
#define NOTE_SEQ   's' /* author ‖ u64 seq -> position */
#define NOTE_MAX   40u /* bytes after the letter */
#define HEAD_FIXED (HARK_KEY_SIZE + HARK_HASH_SIZE + HARK_GIT_ID_SIZE + 8 + 8 + 8)

/* ---- where it stands ---- */

static int put_u64(struct hark_buf *out, uint64_t number, struct hark_err *err)
{
    uint8_t bytes[8];

    hark_put_u64(bytes, number);
    return hark_buf_append(out, bytes, sizeof(bytes), err);
}

static int encode_head(struct hark_buf *out, const struct hark_log_head *head, struct hark_err *err)
{
    int rc = hark_buf_append(out, head->log_key.bytes, HARK_KEY_SIZE, err);

    if (rc == 0)
        rc = hark_buf_append(out, head->batch.bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = hark_buf_append(out, head->batch_id.bytes, HARK_GIT_ID_SIZE, err);
    if (rc == 0)
        rc = put_u64(out, head->last_arrival_ms, err);
    if (rc == 0)
        rc = put_u64(out, head->last_time_ms, err);
    if (rc == 0)
        rc = put_u64(out, head->main_size, err);
    return rc == 0 ? hark_merkle_encode(out, &head->tree, err) : rc;
}

static int decode_head(struct hark_log_head *head, struct hark_span in, struct hark_err *err)
{
    const uint8_t *at = in.data;
    struct hark_span fixed;

    if (!hark_take(&in, HEAD_FIXED, &fixed) || hark_merkle_decode(&head->tree, in, NULL) != 0)
        return hark_err_set(err, HARK_E_DAMAGED, "the index holds an intake that is none");
    memcpy(head->log_key.bytes, at, HARK_KEY_SIZE);
    at += HARK_KEY_SIZE;
    memcpy(head->batch.bytes, at, HARK_HASH_SIZE);
    at += HARK_HASH_SIZE;
    memcpy(head->batch_id.bytes, at, HARK_GIT_ID_SIZE);
    at += HARK_GIT_ID_SIZE;
    head->last_arrival_ms = hark_get_u64(at);
    head->last_time_ms = hark_get_u64(at + 8);
    head->main_size = hark_get_u64(at + 16);
    return 0;
}

int hark_index_intake(struct hark_index *index, const char *node, bool *found,
                      struct hark_intake *out, struct hark_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &s, &row,
                               "SELECT number, batches, head FROM intake WHERE name = ?1",
                               V_ARGS(V_TEXT(node, strlen(node))));

    memset(out, 0, sizeof(*out));
    if (rc == 0 && row) {
        const void *head = sqlite3_column_blob(s, 2);

        out->number = (uint32_t)sqlite3_column_int64(s, 0);
        out->batches = (uint64_t)sqlite3_column_int64(s, 1);
        rc = decode_head(&out->head, hark_span(head, (size_t)sqlite3_column_bytes(s, 2)), err);
        out->head.has_batch = out->batches > 0;
    }
    if (s != NULL)
        (void)sqlite3_reset(s);
    *found = rc == 0 && row;
    return rc;
}

int hark_index_intake_new(struct hark_index *index, const char *node,
                          const struct hark_key *log_key, struct hark_intake *out,
                          struct hark_err *err)
{
    struct hark_buf head = hark_buf_init(HEAD_FIXED + 8 + sizeof(out->head.tree.full));
    int rc = hark_index_writing(index, err);

    memset(out, 0, sizeof(*out));
    out->head.log_key = *log_key;
    if (rc == 0)
        rc = encode_head(&head, &out->head, err);
    if (rc == 0)
        rc = hark_index_run(index, err,
                            "INSERT INTO intake (name, batches, head) VALUES (?1, 0, ?2)",
                            V_ARGS(V_TEXT(node, strlen(node)), V_BLOB(head.data, head.size)));
    if (rc == 0)
        out->number = (uint32_t)sqlite3_last_insert_rowid(index->db);
    hark_buf_free(&head);
    return rc;
}

int hark_index_intakes(struct hark_index *index, char (**names)[HARK_NODE_NAME_MAX + 1],
                       size_t *count, struct hark_err *err)
{
    char(*list)[HARK_NODE_NAME_MAX + 1] = NULL;
    sqlite3_stmt *s = NULL;
    size_t used = 0, capacity = 0;
    bool row = false;
    int rc = hark_index_select(index, err, &s, &row,
                               "SELECT name FROM intake WHERE batches > 0 ORDER BY name", NULL, 0);

    *names = NULL;
    *count = 0;
    while (rc == 0 && row) {
        const unsigned char *name = sqlite3_column_text(s, 0);
        size_t size = (size_t)sqlite3_column_bytes(s, 0);

        if (used == capacity) {
            size_t bigger = capacity == 0 ? 8 : 2 * capacity;
            void *grown = realloc(list, bigger * sizeof(*list));

            if (grown == NULL) {
                rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu intakes", bigger);
                break;
            }
            list = grown;
            capacity = bigger;
        }
        if (name == NULL || size > HARK_NODE_NAME_MAX) {
            rc = hark_err_set(err, HARK_E_DAMAGED, "the index holds an intake of no node");
            break;
        }
        memset(list[used], 0, sizeof(list[used]));
        memcpy(list[used++], name, size);
        rc = hark_index_step(index, s, &row, err);
    }
    if (s != NULL)
        (void)sqlite3_reset(s);
    if (rc != 0) {
        free(list);
        return rc;
    }
    *names = list;
    *count = used;
    return 0;
}

/* ---- batches ---- */

int hark_index_intake_add_batch(struct hark_index *index, struct hark_intake *intake,
                                const struct hark_intake_batch *batch, struct hark_err *err)
{
    struct hark_buf head = hark_buf_init(HEAD_FIXED + 8 + sizeof(intake->head.tree.full));
    int rc = hark_index_writing(index, err);

    if (rc == 0)
        rc = hark_index_run(
            index, err,
            "INSERT INTO intake_batch (intake, number, first, count, time, main, git_id, hash,"
            " root) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            V_ARGS(V_INT(intake->number), V_INT(intake->batches), V_INT(batch->first),
                   V_INT(batch->count), V_INT(batch->time_ms), V_INT(batch->main_size),
                   V_BLOB(batch->git_id.bytes, HARK_GIT_ID_SIZE),
                   V_BLOB(batch->hash.bytes, HARK_HASH_SIZE),
                   V_BLOB(batch->root.bytes, HARK_HASH_SIZE)));
    if (rc == 0)
        rc = encode_head(&head, &intake->head, err);
    if (rc == 0)
        rc = hark_index_run(index, err,
                            "UPDATE intake SET batches = ?2, head = ?3 WHERE number = ?1",
                            V_ARGS(V_INT(intake->number), V_INT(intake->batches + 1),
                                   V_BLOB(head.data, head.size)));
    if (rc == 0)
        intake->batches++;
    hark_buf_free(&head);
    return rc;
}

#define BATCH_COLUMNS                                                                              \
    "SELECT number, first, count, time, main, git_id, hash, root FROM intake_batch"

/* Reads the row that the statement stands on, and ends it. */
static int read_batch(sqlite3_stmt *s, bool row, struct hark_intake_batch *out,
                      struct hark_err *err)
{
    int rc;

    memset(out, 0, sizeof(*out));
    if (!row) {
        (void)sqlite3_reset(s);
        return hark_err_set(err, HARK_E_NOT_FOUND, "the intake has no such batch");
    }
    out->number = (uint64_t)sqlite3_column_int64(s, 0);
    out->first = (uint64_t)sqlite3_column_int64(s, 1);
    out->count = (uint64_t)sqlite3_column_int64(s, 2);
    out->time_ms = (uint64_t)sqlite3_column_int64(s, 3);
    out->main_size = (uint64_t)sqlite3_column_int64(s, 4);
    rc = hark_index_blob(s, 5, out->git_id.bytes, HARK_GIT_ID_SIZE, err);
    if (rc == 0)
        rc = hark_index_blob(s, 6, out->hash.bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = hark_index_blob(s, 7, out->root.bytes, HARK_HASH_SIZE, err);
    (void)sqlite3_reset(s);
    return rc;
}

int hark_index_intake_batch(struct hark_index *index, uint32_t intake, uint64_t number,
                            struct hark_intake_batch *out, struct hark_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    int rc =
        hark_index_select(index, err, &s, &row, BATCH_COLUMNS " WHERE intake = ?1 AND number = ?2",
                          V_ARGS(V_INT(intake), V_INT(number)));

    return rc != 0 ? rc : read_batch(s, row, out, err);
}

int hark_index_intake_end(struct hark_index *index, uint32_t intake, uint64_t size,
                          struct hark_intake_batch *out, struct hark_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &s, &row,
                               BATCH_COLUMNS " WHERE intake = ?1 AND first + count = ?2 LIMIT 1",
                               V_ARGS(V_INT(intake), V_INT(size)));

    return rc != 0 ? rc : read_batch(s, row, out, err);
}

/* ---- entries ---- */

static struct hark_span seq_key(uint8_t out[HARK_KEY_SIZE + 8], const struct hark_key *author,
                                uint64_t seq)
{
    memcpy(out, author->bytes, HARK_KEY_SIZE);
    hark_put_u64(out + HARK_KEY_SIZE, seq);
    return hark_span(out, HARK_KEY_SIZE + 8);
}

static struct hark_index_value maybe_blob(bool there, const void *data, size_t size)
{
    return there ? V_BLOB(data, size) : V_NULL;
}

int hark_index_intake_add(struct hark_index *index, uint32_t intake,
                          const struct hark_intake_row *row, struct hark_err *err)
{
    uint8_t seq[HARK_KEY_SIZE + 8];
    int rc = hark_index_writing(index, err);

    if (rc == 0)
        rc = hark_index_run(
            index, err,
            "INSERT INTO intake_entry (intake, position, accepted, seq, author, id, git_id,"
            " payload_hash, blob, erased) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            V_ARGS(V_INT(intake), V_INT(row->position), V_INT(row->accepted_ms), V_INT(row->seq),
                   V_BLOB(row->author.bytes, HARK_KEY_SIZE), V_BLOB(row->id.bytes, HARK_HASH_SIZE),
                   V_BLOB(row->git_id.bytes, HARK_GIT_ID_SIZE),
                   maybe_blob(row->has_payload, row->payload_hash.bytes, HARK_HASH_SIZE),
                   maybe_blob(row->has_blob, row->blob.bytes, HARK_GIT_ID_SIZE),
                   V_INT(row->has_blob && row->erased ? 1 : 0)));
    if (rc == 0)
        rc = hark_index_intake_note(index, intake, NOTE_ID,
                                    hark_span(row->id.bytes, HARK_HASH_SIZE), row->position, err);
    if (rc == 0)
        rc = hark_index_intake_note(index, intake, NOTE_SEQ, seq_key(seq, &row->author, row->seq),
                                    row->position, err);
    return rc;
}

static int read_row(sqlite3_stmt *s, struct hark_intake_row *out, struct hark_err *err)
{
    int rc;

    out->accepted_ms = (uint64_t)sqlite3_column_int64(s, 0);
    out->seq = (uint64_t)sqlite3_column_int64(s, 1);
    rc = hark_index_blob(s, 2, out->author.bytes, HARK_KEY_SIZE, err);
    if (rc == 0)
        rc = hark_index_blob(s, 3, out->id.bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = hark_index_blob(s, 4, out->git_id.bytes, HARK_GIT_ID_SIZE, err);
    out->has_payload = sqlite3_column_type(s, 5) != SQLITE_NULL;
    if (rc == 0 && out->has_payload)
        rc = hark_index_blob(s, 5, out->payload_hash.bytes, HARK_HASH_SIZE, err);
    out->has_blob = sqlite3_column_type(s, 6) != SQLITE_NULL;
    if (rc == 0 && out->has_blob)
        rc = hark_index_blob(s, 6, out->blob.bytes, HARK_GIT_ID_SIZE, err);
    out->erased = sqlite3_column_int(s, 7) != 0;
    return rc;
}

int hark_index_intake_row(struct hark_index *index, uint32_t intake, uint64_t position,
                          struct hark_intake_row *out, struct hark_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &s, &row,
                               "SELECT accepted, seq, author, id, git_id, payload_hash, blob,"
                               " erased FROM intake_entry WHERE intake = ?1 AND position = ?2",
                               V_ARGS(V_INT(intake), V_INT(position)));

    memset(out, 0, sizeof(*out));
    out->position = position;
    if (rc != 0)
        return rc;
    rc = row ? read_row(s, out, err)
             : hark_err_set(err, HARK_E_NOT_FOUND, "the intake has no entry %llu",
                            (unsigned long long)position);
    (void)sqlite3_reset(s);
    return rc;
}

/* ---- notes ---- */

struct note_key {
    uint8_t bytes[4 + 1 + NOTE_MAX];
    size_t size;
};

static int make_note_key(struct note_key *out, uint32_t intake, char letter, struct hark_span key,
                         struct hark_err *err)
{
    if (key.size > NOTE_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "a note of %zu bytes", key.size);
    hark_put_u32(out->bytes, intake);
    out->bytes[4] = (uint8_t)letter;
    if (key.size > 0)
        memcpy(out->bytes + 5, key.data, key.size);
    out->size = 5 + key.size;
    return 0;
}

int hark_index_intake_note(struct hark_index *index, uint32_t intake, char letter,
                           struct hark_span key, uint64_t number, struct hark_err *err)
{
    struct note_key note;
    int rc = make_note_key(&note, intake, letter, key, err);

    return rc != 0 ? rc
                   : hark_index_lookup_bind(index, HARK_LOOKUP_INTAKE,
                                            hark_span(note.bytes, note.size), number, err);
}

int hark_index_intake_noted(struct hark_index *index, uint32_t intake, char letter,
                            struct hark_span key, bool *found, uint64_t *number,
                            struct hark_err *err)
{
    struct note_key note;
    int rc = make_note_key(&note, intake, letter, key, err);

    *found = false;
    return rc != 0 ? rc
                   : hark_index_lookup_find(index, HARK_LOOKUP_INTAKE,
                                            hark_span(note.bytes, note.size), found, number, err);
}

int hark_index_intake_find(struct hark_index *index, uint32_t intake, const struct hark_hash *id,
                           bool *found, uint64_t *position, struct hark_err *err)
{
    return hark_index_intake_noted(index, intake, NOTE_ID, hark_span(id->bytes, HARK_HASH_SIZE),
                                   found, position, err);
}

int hark_index_intake_nth(struct hark_index *index, uint32_t intake, const struct hark_key *author,
                          uint64_t seq, bool *found, uint64_t *position, struct hark_err *err)
{
    uint8_t key[HARK_KEY_SIZE + 8];

    return hark_index_intake_noted(index, intake, NOTE_SEQ, seq_key(key, author, seq), found,
                                   position, err);
}

int hark_index_nth_of(struct hark_index *index, const struct hark_key *author, uint64_t seq,
                      bool *found, uint64_t *position, struct hark_err *err)
{
    int64_t at = 0;
    int rc = hark_index_number(index, err, found, &at,
                               "SELECT e.position FROM author a CROSS JOIN entry e"
                               " ON e.owner = a.owner WHERE a.key = ?1 AND e.author = a.number"
                               " AND e.seq = ?2 LIMIT 1",
                               V_ARGS(V_BLOB(author->bytes, HARK_KEY_SIZE), V_INT(seq)));

    *position = (uint64_t)at;
    return rc;
}

/* ---- erasures ---- */

int hark_index_intake_erase(struct hark_index *index, const struct hark_hash *hash,
                            struct hark_err *err)
{
    return hark_index_run(
        index, err,
        "UPDATE intake_entry SET erased = 1 WHERE payload_hash = ?1 AND blob IS NOT NULL",
        V_ARGS(V_BLOB(hash->bytes, HARK_HASH_SIZE)));
}

int hark_index_intake_erased(struct hark_index *index, const struct hark_hash *hash,
                             struct hark_err *err)
{
    return hark_index_run(index, err,
                          "UPDATE intake_entry SET erased = 0, blob = NULL"
                          " WHERE payload_hash = ?1 AND blob IS NOT NULL AND erased = 1",
                          V_ARGS(V_BLOB(hash->bytes, HARK_HASH_SIZE)));
}
