/*
 * What an entry adds: its row, what it is about, its leaf, and what it does to
 * members, cohorts, votes, names and words. What it says can come and go later
 * (a payload that arrives, an erasure); rows and links are for ever.
 */
#include <string.h>

#include "node/index_internal.h"

/* ---- numbers for what repeats ---- */

static int kind_number(struct hark_index *index, const char *kind, int64_t *number,
                       struct hark_err *err)
{
    size_t size = strlen(kind);
    size_t at;
    int builtin;
    int rc;

    for (at = 0; at < index->kind_count; at++)
        if (strcmp(index->kinds[at], kind) == 0)
            break;
    *number = (int64_t)at + 1;
    if (at < index->kind_count)
        return 0;
    if (at == HARK_INDEX_KINDS || size > HARK_KIND_NAME_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "the index has no room for kind %.40s", kind);
    rc = hark_index_run(index, err, "INSERT INTO kind (number, name) VALUES (?1, ?2)",
                        V_ARGS(V_INT(*number), V_TEXT(kind, size)));
    if (rc != 0)
        return rc;
    memcpy(index->kinds[at], kind, size + 1);
    builtin = hark_kinds_find(index->builtin, kind);
    index->kind_erasable[at] =
        builtin < 0 || hark_kinds_get(index->builtin, (size_t)builtin)->erasable;
    index->kind_count++;
    return 0;
}

static int author_number(struct hark_index *index, const struct hark_key *key, int64_t owner,
                         int64_t *number, struct hark_err *err)
{
    size_t at = (size_t)hark_get_u32(key->bytes) % HARK_INDEX_AUTHORS;
    struct hark_index_value bytes = V_BLOB(key->bytes, HARK_KEY_SIZE);
    bool found = false;
    int rc;

    if (index->authors[at].number != 0 && hark_key_equal(&index->authors[at].key, key)) {
        *number = index->authors[at].number;
        return 0;
    }
    rc = hark_index_number(index, err, &found, number, "SELECT number FROM author WHERE key = ?1",
                           V_ARGS(bytes));
    if (rc == 0 && !found) {
        rc = hark_index_run(index, err, "INSERT INTO author (key, owner) VALUES (?1, ?2)",
                            V_ARGS(bytes, V_INT(owner)));
        *number = sqlite3_last_insert_rowid(index->db);
    }
    if (rc == 0) {
        index->authors[at].key = *key;
        index->authors[at].number = *number;
    }
    return rc;
}

static int batch_number(struct hark_index *index, const struct hark_git_id *id, int64_t *number,
                        struct hark_err *err)
{
    int rc = 0;

    if (index->batch == 0 || memcmp(&index->batch_git, id, sizeof(*id)) != 0) {
        rc = hark_index_run(index, err, "INSERT INTO batch (git_id) VALUES (?1)",
                            V_ARGS(V_BLOB(id->bytes, HARK_GIT_ID_SIZE)));
        if (rc != 0)
            return rc;
        index->batch = sqlite3_last_insert_rowid(index->db);
        index->batch_git = *id;
    }
    *number = index->batch;
    return rc;
}

int hark_index_add_batch(struct hark_index *index, const struct hark_index_batch *batch,
                         struct hark_err *err)
{
    int64_t number = 0;
    int rc = hark_index_writing(index, err);

    if (rc == 0)
        rc = batch_number(index, &batch->git_id, &number, err);
    return rc != 0 ? rc
                   : hark_index_run(index, err,
                                    "UPDATE batch SET first = ?2, count = ?3, hash = ?4, time = ?5"
                                    " WHERE number = ?1",
                                    V_ARGS(V_INT(number), V_INT(batch->first), V_INT(batch->count),
                                           V_BLOB(batch->hash.bytes, HARK_HASH_SIZE),
                                           V_INT(batch->time_ms)));
}

/* ---- the row ---- */

static struct hark_index_value maybe_blob(bool there, const void *data, size_t size)
{
    return there ? V_BLOB(data, size) : V_NULL;
}

static int insert_row(struct hark_index *index, const struct hark_index_entry *item,
                      const struct hark_index_about *about, struct hark_err *err)
{
    const struct hark_entry *entry = item->entry;
    const struct hark_effect *effect = item->effect;
    int64_t owner = (int64_t)effect->author_of << 32 | (int64_t)effect->author;
    uint64_t erased_by = HARK_NONE;
    int64_t kind = 0, author = 0, batch = 0;
    int rc = kind_number(index, item->kind, &kind, err);

    if (rc == 0)
        rc = author_number(index, &entry->author, owner, &author, err);
    if (rc == 0)
        rc = batch_number(index, &item->batch_id, &batch, err);
    if (rc == 0 && about->says == HARK_SAYS_ERASED && entry->has_payload)
        rc = hark_index_eraser(index, about->position, &entry->payload_hash, &erased_by, err);
    if (rc == 0 && about->says == HARK_SAYS_ERASED && entry->has_payload)
        rc = hark_index_intake_erase(index, &entry->payload_hash, err);
    if (rc != 0)
        return rc;
    return hark_index_run(
        index, err,
        "INSERT INTO entry (position, arrival, accepted, time, batch, kind, author, owner, seq,"
        " verdict, says, flags, choice, subject, erased_by, replaces, payload_size, id, git_id,"
        " payload_hash, blob, re) VALUES"
        " (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)",
        V_ARGS(V_INT(about->position), V_INT(item->arrival.arrival_ms),
               V_INT(item->arrival.accepted_ms), V_INT(entry->time_ms), V_INT(batch), V_INT(kind),
               V_INT(author), V_INT(owner), V_INT(entry->seq), V_INT(effect->verdict),
               V_INT(about->says), V_INT(about->flags),
               about->choice < 0 ? V_NULL : V_INT(about->choice), V_POS(about->subject),
               V_POS(erased_by), V_POS(effect->replaces),
               entry->has_payload ? V_INT(entry->payload_size) : V_NULL,
               V_BLOB(entry->id.bytes, HARK_HASH_SIZE),
               V_BLOB(item->arrival.git_id.bytes, HARK_GIT_ID_SIZE),
               maybe_blob(entry->has_payload, entry->payload_hash.bytes, HARK_HASH_SIZE),
               maybe_blob(item->has_blob, item->blob.bytes, HARK_GIT_ID_SIZE),
               maybe_blob(entry->re_count > 0, entry->re, entry->re_count * HARK_HASH_SIZE)));
}

static int insert_links(struct hark_index *index, const struct hark_index_entry *item,
                        struct hark_err *err)
{
    const struct hark_effect *effect = item->effect;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < effect->re_count; i++)
        if (effect->re[i] != HARK_NONE) /* a void entry may name the same twice */
            rc = hark_index_run(index, err,
                                "INSERT OR IGNORE INTO re (subject, position) VALUES (?1, ?2)",
                                V_ARGS(V_INT(effect->re[i]), V_INT(effect->position)));
    return rc;
}

/* The store knows who logged a payload hash first; later ones are rare and kept
 * apart, so that an erasure finds all. */
static int note_duplicate(struct hark_index *index, const struct hark_index_about *about,
                          struct hark_err *err)
{
    uint64_t first = 0;
    bool found = false;
    int rc;

    if (!about->has_payload)
        return 0;
    rc = hark_index_lookup_find(index, HARK_LOOKUP_PAYLOAD,
                                hark_span(about->payload_hash.bytes, HARK_HASH_SIZE), &found,
                                &first, err);
    if (rc != 0 || !found || first == about->position)
        return rc;
    return hark_index_run(
        index, err, "INSERT INTO duplicate (hash, position) VALUES (?1, ?2)",
        V_ARGS(V_BLOB(about->payload_hash.bytes, HARK_HASH_SIZE), V_INT(about->position)));
}

/* ---- members ---- */

static int put_member(struct hark_index *index, const struct hark_index_about *about,
                      uint32_t ordinal, bool active, struct hark_err *err)
{
    if (strcmp(about->kind, "admit") == 0)
        return hark_index_run(index, err, "INSERT INTO member (ordinal, admit) VALUES (?1, ?2)",
                              V_ARGS(V_INT(ordinal), V_INT(about->position)));
    if (active)
        return 0;
    return hark_index_run(index, err,
                          "UPDATE member SET ended = ?2 WHERE ordinal = ?1 AND ended IS NULL",
                          V_ARGS(V_INT(ordinal), V_INT(about->position)));
}

/* Role and status are the state's to decide: they are read off the object that
 * it has just put. */
static int sync_member(struct hark_index *index, const struct hark_index_about *about,
                       uint32_t ordinal, struct hark_err *err)
{
    struct hark_store store = hark_index_store(index);
    uint8_t object[HARK_OBJECT_MAX];
    size_t size = 0;
    bool active;
    int rc = store.get(store.arg, HARK_SECTION_MEMBER, ordinal, object, &size, err);

    if (rc != 0)
        return rc;
    if (size < 2)
        return hark_err_set(err, HARK_E_DAMAGED, "the index holds a member that is none");
    active = object[1] == HARK_STATUS_ACTIVE;
    rc = put_member(index, about, ordinal, active, err);
    if (rc == 0)
        rc = hark_index_bits_set(index, HARK_SET_ACTIVE, ordinal, active, err);
    for (uint8_t role = 0; rc == 0 && role < 2; role++)
        rc = hark_index_bits_set(index, HARK_SET_ROLE(role), ordinal, active && object[0] == role,
                                 err);
    return rc;
}

/* ---- cohorts ---- */

static bool cohort_text(const json_t *payload, const char *field, size_t max, char *out)
{
    const json_t *value = json_object_get(payload, field);
    size_t size = json_string_length(value);

    if (!json_is_string(value) || size == 0 || size > max)
        return false;
    memcpy(out, json_string_value(value), size);
    out[size] = '\0';
    return strlen(out) == size;
}

static int column_text(sqlite3_stmt *statement, int column, char *out, size_t max,
                       struct hark_err *err)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    size_t size = (size_t)sqlite3_column_bytes(statement, column);

    if (text == NULL || size > max)
        return hark_err_set(err, HARK_E_DAMAGED, "the index holds a text that is too long");
    memcpy(out, text, size);
    out[size] = '\0';
    return 0;
}

/* The member's value in force; empty when there is none. */
static int cohort_in_force(struct hark_index *index, uint32_t member, struct hark_cohort *cohort,
                           struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(
        index, err, &statement, &row,
        "SELECT value FROM cohort WHERE member = ?1 AND dimension = ?2"
        " ORDER BY position DESC LIMIT 1",
        V_ARGS(V_INT(member), V_TEXT(cohort->dimension, strlen(cohort->dimension))));

    cohort->value[0] = '\0';
    if (rc == 0 && row)
        rc = column_text(statement, 0, cohort->value, sizeof(cohort->value) - 1, err);
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

static int cohort_set(struct hark_index *index, const struct hark_cohort *cohort, bool make,
                      int64_t *number, struct hark_err *err)
{
    struct hark_index_value dimension = V_TEXT(cohort->dimension, strlen(cohort->dimension));
    struct hark_index_value value = V_TEXT(cohort->value, strlen(cohort->value));
    bool found = false;
    int rc = hark_index_number(index, err, &found, number,
                               "SELECT number FROM cohort_set WHERE dimension = ?1 AND value = ?2",
                               V_ARGS(dimension, value));

    if (rc != 0 || found)
        return rc;
    if (!make)
        return hark_err_set(err, HARK_E_DAMAGED, "the index lacks a cohort");
    rc = hark_index_run(index, err, "INSERT INTO cohort_set (dimension, value) VALUES (?1, ?2)",
                        V_ARGS(dimension, value));
    *number = sqlite3_last_insert_rowid(index->db);
    return rc;
}

/* A value that nobody has any more is forgotten by name: it may have been put
 * together from somebody's words. */
static int leave_cohort(struct hark_index *index, const struct hark_cohort *cohort, uint32_t member,
                        struct hark_err *err)
{
    int64_t number = 0;
    uint64_t left = 0;
    int rc = cohort_set(index, cohort, false, &number, err);

    if (rc == 0)
        rc = hark_index_bits_set(index, HARK_SET_COHORT(number), member, false, err);
    if (rc == 0)
        rc = hark_index_bits_count(index, HARK_SET_COHORT(number), &left, err);
    if (rc == 0 && left == 0)
        rc = hark_index_run(index, err, "DELETE FROM cohort_set WHERE number = ?1",
                            V_ARGS(V_INT(number)));
    return rc;
}

static int move_cohort(struct hark_index *index, const struct hark_cohort *from,
                       const struct hark_cohort *to, uint32_t member, struct hark_err *err)
{
    int64_t number = 0;
    int rc = 0;

    if (strcmp(from->value, to->value) == 0)
        return 0;
    if (from->value[0] != '\0')
        rc = leave_cohort(index, from, member, err);
    if (rc != 0 || to->value[0] == '\0')
        return rc;
    rc = cohort_set(index, to, true, &number, err);
    return rc != 0 ? rc : hark_index_bits_set(index, HARK_SET_COHORT(number), member, true, err);
}

static int add_cohort(struct hark_index *index, const struct hark_index_about *about,
                      const json_t *payload, struct hark_err *err)
{
    struct hark_cohort before, after;
    bool found = false;
    int64_t member = 0;
    int rc;

    if (about->subject == HARK_NONE ||
        !cohort_text(payload, "dimension", sizeof(after.dimension) - 1, after.dimension) ||
        !cohort_text(payload, "value", sizeof(after.value) - 1, after.value))
        return 0;
    rc = hark_index_number(index, err, &found, &member,
                           "SELECT ordinal FROM member WHERE admit = ?1",
                           V_ARGS(V_INT(about->subject)));
    if (rc != 0 || !found)
        return rc;
    before = after;
    rc = cohort_in_force(index, (uint32_t)member, &before, err);
    if (rc == 0)
        rc = hark_index_run(
            index, err,
            "INSERT INTO cohort (position, member, dimension, value) VALUES (?1, ?2, ?3, ?4)",
            V_ARGS(V_INT(about->position), V_INT(member),
                   V_TEXT(after.dimension, strlen(after.dimension)),
                   V_TEXT(after.value, strlen(after.value))));
    if (rc == 0)
        rc = cohort_in_force(index, (uint32_t)member, &after, err);
    return rc != 0 ? rc : move_cohort(index, &before, &after, (uint32_t)member, err);
}

int hark_index_cohort_drop(struct hark_index *index, uint64_t position, struct hark_err *err)
{
    struct hark_cohort before = {0}, after;
    sqlite3_stmt *statement = NULL;
    uint32_t member = 0;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row,
                               "SELECT member, dimension FROM cohort WHERE position = ?1",
                               V_ARGS(V_INT(position)));

    if (rc != 0)
        return rc;
    if (row) {
        member = (uint32_t)sqlite3_column_int64(statement, 0);
        rc = column_text(statement, 1, before.dimension, sizeof(before.dimension) - 1, err);
    }
    (void)sqlite3_reset(statement);
    if (rc != 0 || !row)
        return rc;
    after = before;
    rc = cohort_in_force(index, member, &before, err);
    if (rc == 0)
        rc = hark_index_run(index, err, "DELETE FROM cohort WHERE position = ?1",
                            V_ARGS(V_INT(position)));
    if (rc == 0)
        rc = cohort_in_force(index, member, &after, err);
    return rc != 0 ? rc : move_cohort(index, &before, &after, member, err);
}

/* ---- names and votes ---- */

static int add_name(struct hark_index *index, const struct hark_index_about *about,
                    const json_t *payload, struct hark_err *err)
{
    char name[101];

    if (about->author_of != HARK_KEY_OF_MEMBER ||
        !cohort_text(payload, "name", sizeof(name) - 1, name))
        return 0;
    return hark_index_run(
        index, err, "INSERT INTO name (position, member, name) VALUES (?1, ?2, ?3)",
        V_ARGS(V_INT(about->position), V_INT(about->author), V_TEXT(name, strlen(name))));
}

int hark_index_choice(enum hark_says says, const json_t *payload)
{
    static const char *const choices[] = {"agree", "disagree", "pass"};
    const char *choice = json_string_value(json_object_get(payload, "choice"));

    if (says == HARK_SAYS_ERASED)
        return HARK_CHOICE_ERASED;
    for (int i = 0; says == HARK_SAYS_IT && choice != NULL && i < 3; i++)
        if (strcmp(choice, choices[i]) == 0)
            return i;
    return HARK_CHOICE_SILENT;
}

/* The latest vote counts, whatever it says: the one before leaves for good. */
static int add_vote(struct hark_index *index, const struct hark_index_about *about,
                    uint64_t replaces, struct hark_err *err)
{
    struct hark_index_about before;
    int from = -1;
    int rc = 0;

    if (about->choice < 0)
        return 0;
    if (replaces != HARK_NONE) {
        rc = hark_index_about(index, replaces, &before, err);
        if (rc == 0)
            rc =
                hark_index_run(index, err, "UPDATE entry SET flags = flags | 4 WHERE position = ?1",
                               V_ARGS(V_INT(replaces)));
        if (rc != 0)
            return rc;
        from = before.choice;
    }
    return hark_index_bits_vote(index, about->subject, about->author, from, about->choice, err);
}

/* ---- putting it together ---- */

static struct hark_index_about about_item(const struct hark_index_entry *item)
{
    const struct hark_effect *effect = item->effect;
    struct hark_index_about about = {
        .position = effect->position,
        .verdict = effect->verdict,
        .author_of = effect->author_of,
        .author = effect->author,
        .flags = effect->payload_foreign ? HARK_FLAG_FOREIGN : 0,
        .choice = -1,
        .subject = effect->re_count > 0 ? effect->re[0] : HARK_NONE,
        .says = item->says,
        .has_payload = item->entry->has_payload,
        .has_blob = item->has_blob,
        .payload_hash = item->entry->payload_hash,
    };

    (void)snprintf(about.kind, sizeof(about.kind), "%s", item->kind);
    if (about.verdict == 0 && about.author_of == HARK_KEY_OF_MEMBER && about.subject != HARK_NONE &&
        strcmp(item->kind, "vote") == 0)
        about.choice = hark_index_choice(item->says, item->payload);
    return about;
}

/* What it says, when that is known: now, or when its payload came. */
static int add_says(struct hark_index *index, const struct hark_index_about *about,
                    const json_t *payload, struct hark_err *err)
{
    int rc = 0;

    if (about->says != HARK_SAYS_IT || about->verdict != 0 || payload == NULL)
        return 0;
    if (strcmp(about->kind, "cohort") == 0)
        rc = add_cohort(index, about, payload, err);
    else if (strcmp(about->kind, "profile") == 0)
        rc = add_name(index, about, payload, err);
    return rc != 0 ? rc : hark_index_words_put(index, about, payload, err);
}

static int use_requests(struct hark_index *index, const struct hark_effect *effect,
                        struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < effect->re_count; i++)
        if (effect->re[i] != HARK_NONE)
            rc = hark_index_run(index, err,
                                "UPDATE entry SET used_by = ?2 WHERE position = ?1 AND used_by IS"
                                " NULL AND kind = (SELECT number FROM kind WHERE name = 'request')",
                                V_ARGS(V_INT(effect->re[i]), V_INT(effect->position)));
    return rc;
}

/* What it does, by headers and state alone. */
static int add_effects(struct hark_index *index, const struct hark_index_about *about,
                       const struct hark_effect *effect, struct hark_err *err)
{
    static const char *const of_members[] = {"admit", "role", "remove", "leave"};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(of_members) / sizeof(of_members[0]); i++)
        if (strcmp(about->kind, of_members[i]) == 0)
            rc = sync_member(index, about, effect->member, err);
    if (rc == 0 && effect->author_of == HARK_KEY_OF_STEWARD)
        rc = use_requests(index, effect, err);
    if (rc == 0 && strcmp(about->kind, "vote") == 0)
        rc = add_vote(index, about, effect->replaces, err);
    for (size_t i = 0; rc == 0 && i < effect->re_count && strcmp(about->kind, "hide") == 0; i++)
        rc = hark_index_hide(index, effect->re[i], effect->position, err);
    if (rc == 0 && strcmp(about->kind, "erase") == 0)
        rc = hark_index_erase(index, effect, err);
    return rc;
}

int hark_index_add(struct hark_index *index, const struct hark_index_entry *item,
                   struct hark_err *err)
{
    struct hark_index_about about = about_item(item);
    int64_t kind = 0;
    int rc = hark_index_writing(index, err);

    if (rc == 0 && about.position != index->size)
        rc = hark_err_set(err, HARK_E_INTERNAL, "entry %llu does not follow the index's %llu",
                          (unsigned long long)about.position, (unsigned long long)index->size);
    if (rc == 0)
        rc = hark_index_bits_begin(index, err);
    if (rc == 0)
        rc = kind_number(index, item->kind, &kind, err);
    if (rc == 0 && index->kind_erasable[kind - 1])
        about.flags |= HARK_FLAG_ERASABLE;
    if (rc == 0)
        rc = insert_row(index, item, &about, err);
    if (rc == 0)
        rc = insert_links(index, item, err);
    if (rc == 0)
        rc = note_duplicate(index, &about, err);
    if (rc == 0)
        rc = hark_index_tree_append(index, about.position, &item->leaf, err);
    if (rc == 0)
        rc = hark_index_tree_touch(index, HARK_TREE_CONTENT, about.position, err);
    if (rc != 0)
        return rc;
    index->size++;
    if (about.verdict == 0)
        rc = add_effects(index, &about, item->effect, err);
    return rc != 0 ? rc : add_says(index, &about, item->payload, err);
}

static int set_choice(struct hark_index *index, const struct hark_index_about *about, int choice,
                      struct hark_err *err)
{
    int rc = hark_index_run(index, err, "UPDATE entry SET choice = ?2 WHERE position = ?1",
                            V_ARGS(V_INT(about->position), V_INT(choice)));

    if (rc != 0 || (about->flags & HARK_FLAG_REPLACED) != 0)
        return rc;
    return hark_index_bits_vote(index, about->subject, about->author, about->choice, choice, err);
}

int hark_index_payload_came(struct hark_index *index, uint64_t position,
                            const struct hark_git_id *blob, enum hark_says says, json_t *payload,
                            struct hark_err *err)
{
    struct hark_index_about about = {.position = 0};
    int rc = hark_index_writing(index, err);

    if (rc == 0)
        rc = hark_index_about(index, position, &about, err);
    if (rc == 0)
        rc = hark_index_bits_begin(index, err);
    /* Erased is erased: its blob is known, so that it can be dropped. */
    if (rc == 0 && about.says == HARK_SAYS_ERASED)
        says = HARK_SAYS_ERASED;
    if (rc != 0 || about.says == HARK_SAYS_IT)
        return rc;
    rc =
        hark_index_run(index, err, "UPDATE entry SET says = ?2, blob = ?3 WHERE position = ?1",
                       V_ARGS(V_INT(position), V_INT(says), V_BLOB(blob->bytes, HARK_GIT_ID_SIZE)));
    if (rc == 0)
        rc = hark_index_tree_touch(index, HARK_TREE_CONTENT, position, err);
    if (rc == 0 && about.choice >= 0)
        rc = set_choice(index, &about, hark_index_choice(says, payload), err);
    about.says = says;
    return rc != 0 ? rc : add_says(index, &about, payload, err);
}
