/*
 * Hiding and erasing. Hiding marks a row and takes nothing away. Erasing marks every
 * row that names the payload's hash, takes out all that the index made of it,
 * and keeps the blob's name until the repository has dropped the blob; then the
 * traces in free pages, in the search's segments and in the WAL go as well.
 *
 * A payload belongs to the first entry that logged its hash (PROTOCOL.md 4): it is
 * erased through that entry's author, if that entry's kind is erasable, and then
 * in every row that names the hash, whosesoever. These are the rules by which
 * hark_state_is_erased answers.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

#define PENDING_MAX (1u << 20) /* handed out at a time */

int hark_index_about(struct hark_index *index, uint64_t position, struct hark_index_about *out,
                     struct hark_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    int64_t owner;
    int rc = hark_index_select(
        index, err, &s, &row,
        "SELECT k.name, e.verdict, e.owner, e.flags, e.choice, e.subject, e.hidden_by IS NOT NULL,"
        " e.says, e.payload_hash, e.blob IS NOT NULL FROM entry e"
        " CROSS JOIN kind k ON k.number = e.kind WHERE e.position = ?1",
        V_ARGS(V_INT(position)));

    memset(out, 0, sizeof(*out));
    if (rc != 0)
        return rc;
    if (!row) {
        (void)sqlite3_reset(s);
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no entry %llu",
                            (unsigned long long)position);
    }
    owner = sqlite3_column_int64(s, 2);
    out->position = position;
    (void)snprintf(out->kind, sizeof(out->kind), "%s", (const char *)sqlite3_column_text(s, 0));
    out->verdict = (uint8_t)sqlite3_column_int(s, 1);
    out->author_of = (uint8_t)(owner >> 32);
    out->author = (uint32_t)owner;
    out->flags = sqlite3_column_int(s, 3);
    out->choice = sqlite3_column_type(s, 4) == SQLITE_NULL ? -1 : sqlite3_column_int(s, 4);
    out->subject =
        sqlite3_column_type(s, 5) == SQLITE_NULL ? HARK_NONE : (uint64_t)sqlite3_column_int64(s, 5);
    out->hidden = sqlite3_column_int(s, 6) != 0;
    out->says = (enum hark_says)sqlite3_column_int(s, 7);
    out->has_payload = sqlite3_column_type(s, 8) != SQLITE_NULL;
    if (out->has_payload)
        rc = hark_index_blob(s, 8, out->payload_hash.bytes, HARK_HASH_SIZE, err);
    out->has_blob = sqlite3_column_int(s, 9) != 0;
    (void)sqlite3_reset(s);
    return rc;
}

/* The next position of a list that changes while it is walked; HARK_NONE at its
 * end. `sql` gives the least one above ?2 that belongs to ?1. */
static int next_position(struct hark_index *index, const char *sql, struct hark_index_value of,
                         int64_t after, uint64_t below, uint64_t *out, struct hark_err *err)
{
    int64_t position = 0;
    bool found = false;
    int rc = hark_index_number(index, err, &found, &position, sql,
                               V_ARGS(of, V_INT(after), V_INT(below)));

    *out = rc == 0 && found ? (uint64_t)position : HARK_NONE;
    return rc;
}

int hark_index_hide(struct hark_index *index, uint64_t subject, uint64_t by, struct hark_err *err)
{
    if (subject == HARK_NONE)
        return 0;
    return hark_index_run(
        index, err, "UPDATE entry SET hidden_by = ?2 WHERE position = ?1 AND hidden_by IS NULL",
        V_ARGS(V_INT(subject), V_INT(by)));
}

/* ---- marking ---- */

/* Everything that the index made of what this row said. */
static int mark_row(struct hark_index *index, uint64_t position, uint64_t by, struct hark_err *err)
{
    struct hark_index_about about;
    int rc = hark_index_about(index, position, &about, err);

    if (rc != 0 || about.says == HARK_SAYS_ERASED)
        return rc;
    rc = hark_index_run(
        index, err,
        "UPDATE entry SET says = 4, erased_by = coalesce(erased_by, ?2),"
        " choice = CASE WHEN choice IS NULL THEN NULL ELSE 4 END WHERE position = ?1",
        V_ARGS(V_INT(position), V_INT(by)));
    if (rc == 0)
        rc = hark_index_tree_touch(index, HARK_TREE_CONTENT, position, err);
    if (rc == 0)
        rc = hark_index_bits_begin(index, err);
    if (rc == 0 && about.choice >= 0 && (about.flags & HARK_FLAG_REPLACED) == 0)
        rc = hark_index_bits_vote(index, about.subject, about.author, about.choice,
                                  HARK_CHOICE_ERASED, err);
    if (rc == 0)
        rc = hark_index_words_drop(index, position, true, err);
    if (rc == 0)
        rc = hark_index_cohort_drop(index, position, err);
    if (rc == 0 && about.has_payload)
        rc = hark_index_intake_erase(index, &about.payload_hash, err);
    return rc != 0 ? rc
                   : hark_index_run(index, err, "DELETE FROM name WHERE position = ?1",
                                    V_ARGS(V_INT(position)));
}

static int first_with(struct hark_index *index, const struct hark_hash *hash, uint64_t position,
                      uint64_t *first, struct hark_err *err)
{
    bool found = false;
    int rc = hark_index_lookup_find(index, HARK_LOOKUP_PAYLOAD,
                                    hark_span(hash->bytes, HARK_HASH_SIZE), &found, first, err);

    if (rc == 0 && !found)
        *first = position;
    return rc;
}

/* The payload that the entry at `first` was the first to log: in every row. */
static int erase_first(struct hark_index *index, const struct hark_index_about *first, uint64_t by,
                       struct hark_err *err)
{
    uint64_t at = first->position;
    int rc = 0;

    if (!first->has_payload || (first->flags & HARK_FLAG_ERASABLE) == 0)
        return 0;
    while (rc == 0 && at != HARK_NONE) {
        rc = mark_row(index, at, by, err);
        if (rc == 0)
            rc = next_position(index,
                               "SELECT min(position) FROM duplicate WHERE hash = ?1"
                               " AND position > ?2 AND position < ?3",
                               V_BLOB(first->payload_hash.bytes, HARK_HASH_SIZE), (int64_t)at,
                               INT64_MAX, &at, err);
    }
    return rc;
}

/* A subject is erased by this entry whatever becomes of its payload, which may be
 * another's. */
static int erase_subject(struct hark_index *index, uint64_t position, uint64_t by,
                         struct hark_err *err)
{
    struct hark_index_about about, owner;
    uint64_t first = 0;
    int rc = hark_index_about(index, position, &about, err);

    if (rc != 0 || strcmp(about.kind, "admit") == 0)
        return rc;
    rc = hark_index_run(index, err,
                        "UPDATE entry SET erased_by = coalesce(erased_by, ?2) WHERE position = ?1",
                        V_ARGS(V_INT(position), V_INT(by)));
    if (rc != 0 || !about.has_payload || (about.flags & HARK_FLAG_FOREIGN) != 0)
        return rc;
    rc = first_with(index, &about.payload_hash, position, &first, err);
    if (rc == 0)
        rc = hark_index_about(index, first, &owner, err);
    return rc != 0 ? rc : erase_first(index, &owner, by, err);
}

/* What this entry was the first to log, out of a walk over a member's. */
static int erase_own(struct hark_index *index, uint64_t position, uint64_t by, struct hark_err *err)
{
    struct hark_index_about about;
    uint64_t first = 0;
    int rc = hark_index_about(index, position, &about, err);

    if (rc != 0 || !about.has_payload)
        return rc;
    rc = first_with(index, &about.payload_hash, position, &first, err);
    return rc != 0 || first != position ? rc : erase_first(index, &about, by, err);
}

/* All that a member was the first to log before this entry, and the standing
 * cohorts about its admit. */
static int erase_member(struct hark_index *index, uint32_t member, uint64_t by,
                        struct hark_err *err)
{
    struct hark_index_value owner = V_INT((int64_t)HARK_KEY_OF_MEMBER << 32 | (int64_t)member);
    uint64_t at = 0;
    int64_t after;
    int rc = 0;

    for (after = -1; rc == 0; after = (int64_t)at) {
        rc = next_position(index,
                           "SELECT min(position) FROM entry WHERE owner = ?1 AND position > ?2"
                           " AND position < ?3",
                           owner, after, by, &at, err);
        if (rc != 0 || at == HARK_NONE)
            break;
        rc = erase_own(index, at, by, err);
    }
    for (after = -1; rc == 0; after = (int64_t)at) {
        rc = next_position(index,
                           "SELECT r.position FROM member m"
                           " CROSS JOIN re r ON r.subject = m.admit"
                           " CROSS JOIN entry e ON e.position = r.position AND e.verdict = 0"
                           " CROSS JOIN kind k ON k.number = e.kind AND k.name = 'cohort'"
                           " WHERE m.ordinal = ?1 AND r.position > ?2 AND r.position < ?3"
                           " ORDER BY r.position LIMIT 1",
                           V_INT(member), after, by, &at, err);
        if (rc != 0 || at == HARK_NONE)
            break;
        rc = erase_own(index, at, by, err);
    }
    return rc;
}

int hark_index_erase(struct hark_index *index, const struct hark_effect *effect,
                     struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < effect->re_count; i++)
        if (effect->re[i] != HARK_NONE)
            rc = erase_subject(index, effect->re[i], effect->position, err);
    for (size_t i = 0; rc == 0 && i < effect->erased_member_count; i++)
        rc = erase_member(index, effect->erased_members[i], effect->position, err);
    return rc;
}

int hark_index_eraser(struct hark_index *index, uint64_t position, const struct hark_hash *hash,
                      uint64_t *by, struct hark_err *err)
{
    uint64_t first = 0;
    int64_t eraser = 0;
    bool found = false;
    int rc = first_with(index, hash, position, &first, err);

    *by = HARK_NONE;
    if (rc == 0)
        rc = hark_index_number(index, err, &found, &eraser,
                               "SELECT erased_by FROM entry WHERE position = ?1",
                               V_ARGS(V_INT(first)));
    if (rc == 0 && found)
        *by = (uint64_t)eraser;
    return rc;
}

/* ---- the disk ---- */

static int read_pending(sqlite3_stmt *statement, struct hark_pending_erasure *out,
                        struct hark_err *err)
{
    int rc = hark_index_blob(statement, 1, out->blob.bytes, HARK_GIT_ID_SIZE, err);

    out->position = (uint64_t)sqlite3_column_int64(statement, 0);
    return rc != 0 ? rc
                   : hark_index_blob(statement, 2, out->payload_hash.bytes, HARK_HASH_SIZE, err);
}

static int grow(struct hark_pending_erasure **items, size_t count, size_t *capacity,
                struct hark_err *err)
{
    struct hark_pending_erasure *larger;

    if (count < *capacity)
        return 0;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    larger = realloc(*items, *capacity * sizeof(*larger));
    if (larger == NULL) {
        (void)hark_err_set(err, HARK_E_NO_MEMORY, "no memory for erasures");
        return HARK_E_NO_MEMORY;
    }
    *items = larger;
    return 0;
}

int hark_index_pending_erasures(struct hark_index *index, struct hark_pending_erasure **out,
                                size_t *count, struct hark_err *err)
{
    struct hark_pending_erasure *items = NULL;
    struct hark_pending_erasure item;
    sqlite3_stmt *statement = NULL;
    size_t capacity = 0;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row,
                               "SELECT position, blob, payload_hash FROM entry"
                               " WHERE says = 4 AND blob IS NOT NULL UNION ALL"
                               " SELECT -1, blob, payload_hash FROM intake_entry"
                               " WHERE erased = 1 AND blob IS NOT NULL",
                               NULL, 0);

    *out = NULL;
    *count = 0;
    while (rc == 0 && row && *count < PENDING_MAX) {
        rc = read_pending(statement, &item, err);
        if (rc == 0)
            rc = grow(&items, *count, &capacity, err);
        if (rc == 0)
            items[(*count)++] = item;
        if (rc == 0)
            rc = hark_index_step(index, statement, &row, err);
    }
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    if (rc != 0) {
        free(items);
        *count = 0;
        return rc;
    }
    *out = items;
    return 0;
}

/* The WAL still holds the pages as they were: it is written back and cut to
 * nothing, which needs that no reader is in its way. */
static int truncate_wal(struct hark_index *index, struct hark_err *err)
{
    int result = sqlite3_wal_checkpoint_v2(index->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

    return result == SQLITE_OK ? 0 : hark_index_fail(index, result, err);
}

int hark_index_erased(struct hark_index *index, const struct hark_pending_erasure *items,
                      size_t count, struct hark_err *err)
{
    int rc;

    if (index->in_transaction || index->read_only)
        return hark_err_set(err, HARK_E_INTERNAL, "erasing needs a writer outside a transaction");
    /* Marking took words, names and cohorts out. Merging the search into one
     * segment drops what is only crossed out there. */
    rc = hark_index_begin(index, err);
    if (rc == 0)
        rc = hark_index_run(index, err, "INSERT INTO words (words) VALUES ('optimize')", NULL, 0);
    if (rc == 0)
        rc = hark_index_commit(index, err);
    else
        hark_index_rollback(index);
    if (rc == 0)
        rc = hark_index_exec(index, "VACUUM", err);
    if (rc == 0)
        rc = truncate_wal(index, err);
    if (rc != 0)
        return rc;
    /* The blobs' names go last: as long as they are there it is done again. */
    rc = hark_index_begin(index, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (items[i].position != HARK_NONE)
            rc = hark_index_run(index, err,
                                "UPDATE entry SET blob = NULL WHERE position = ?1 AND says = 4",
                                V_ARGS(V_INT(items[i].position)));
        if (rc == 0)
            rc = hark_index_intake_erased(index, &items[i].payload_hash, err);
    }
    if (rc == 0)
        rc = hark_index_commit(index, err);
    else
        hark_index_rollback(index);
    return rc == 0 ? truncate_wal(index, err) : rc;
}
