/*
 * PROTOCOL.md 7.2. A batch is asked its rules in the order of their table; the
 * functions that check are named by the rules that they ask.
 */
#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE   "git"
#define INTAKE      "intake"
#define NOTHING     "-"
#define PARENTS_MAX (HARK_BATCH_ENTRIES_MAX + 1u)
#define LINE_FIELDS 6u

/* ---- names ---- */

static bool ends_with(struct hark_span name, const char *end)
{
    struct hark_span tail = hark_span_str(end);

    return name.size >= tail.size &&
           memcmp(name.data + name.size - tail.size, tail.data, tail.size) == 0;
}

bool hark_node_name_valid(struct hark_span name)
{
    if (name.size < 1 || name.size > HARK_NODE_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool is_inner = c == '-' || (c == '.' && i > 0 && name.data[i - 1] != '.');
        bool is_edge = i == 0 || i == name.size - 1;
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (!is_inner || is_edge)) {
            return false;
        }
    }
    /* A name stands in git's refs, beside refs/heads/payloads/main. */
    return !hark_span_equal(name, hark_span_str("main")) && !ends_with(name, ".lock");
}

void hark_origin(char out[HARK_ORIGIN_MAX + 1], const char *node, const struct hark_hash *space,
                 uint64_t incarnation)
{
    char hex[2 * HARK_HASH_SIZE + 1];
    hark_hash_hex(hex, space);
    if (incarnation == 0) {
        (void)snprintf(out, HARK_ORIGIN_MAX + 1, "%.63s/%s/" INTAKE, node, hex);
    } else {
        (void)snprintf(out, HARK_ORIGIN_MAX + 1, "%.63s/%s/%llu", node, hex,
                       (unsigned long long)incarnation);
    }
}

static bool take_until_slash(struct hark_span *in, struct hark_span *part)
{
    const uint8_t *slash = in->size == 0 ? NULL : memchr(in->data, '/', in->size);
    struct hark_span end;
    return slash != NULL && hark_take(in, (size_t)(slash - in->data), part) &&
           hark_take(in, 1, &end);
}

bool hark_origin_read(struct hark_origin_parts *out, struct hark_span origin)
{
    struct hark_span node, space, text = origin;
    if (text.size > HARK_ORIGIN_MAX || !take_until_slash(&text, &node) ||
        !hark_node_name_valid(node) || !take_until_slash(&text, &space) ||
        hark_hash_from_hex(&out->space, space, NULL) != 0) {
        return false;
    }
    memcpy(out->node, node.data, node.size);
    out->node[node.size] = '\0';
    out->incarnation = 0;
    return hark_span_equal(text, hark_span_str(INTAKE)) ||
           (hark_decimal_decode(&out->incarnation, text, HARK_NUMBER_MAX, NULL) == 0 &&
            out->incarnation > 0);
}

/* Of one of our structs; never trusts that it ends. */
static struct hark_span origin_text(const char origin[HARK_ORIGIN_MAX + 1])
{
    return hark_span(origin, strnlen(origin, HARK_ORIGIN_MAX + 1));
}

/* Is this an intake log's origin in the space of that log? */
static bool is_intake_of(struct hark_span text, const char log[HARK_ORIGIN_MAX + 1])
{
    struct hark_origin_parts intake, own;
    return hark_origin_read(&intake, text) && intake.incarnation == 0 &&
           hark_origin_read(&own, origin_text(log)) && hark_hash_equal(&intake.space, &own.space);
}

/* ---- the file `entries` ---- */

void hark_line_leaf_bytes(uint8_t out[HARK_LEAF_SIZE], const struct hark_line *line)
{
    memcpy(out, line->id.bytes, HARK_HASH_SIZE);
    hark_put_u64(out + HARK_HASH_SIZE, line->arrival_ms);
    hark_put_u64(out + HARK_HASH_SIZE + 8, line->accepted_ms);
}

struct hark_hash hark_line_leaf(const struct hark_line *line)
{
    uint8_t leaf[HARK_LEAF_SIZE];

    hark_line_leaf_bytes(leaf, line);
    return hark_merkle_leaf(hark_span(leaf, sizeof(leaf)));
}

static int put_line(struct hark_buf *out, const struct hark_line *line, struct hark_err *err)
{
    char id[2 * HARK_HASH_SIZE + 1];
    hark_hash_hex(id, &line->id);
    int rc = hark_buf_printf(out, err, "%llu %llu %llu %s ", (unsigned long long)line->position,
                             (unsigned long long)line->arrival_ms,
                             (unsigned long long)line->accepted_ms, id);
    if (rc != 0) {
        return rc;
    }
    if (line->intake[0] == '\0') {
        return hark_buf_append_str(out, NOTHING " " NOTHING "\n", err);
    }
    return hark_buf_printf(out, err, "%s %llu\n", line->intake,
                           (unsigned long long)line->intake_position);
}

int hark_lines_encode(struct hark_buf *out, const struct hark_line *lines, size_t count,
                      struct hark_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_line(out, &lines[i], err);
    }
    return rc;
}

static bool read_number(uint64_t *out, struct hark_span text)
{
    return hark_decimal_decode(out, text, HARK_NUMBER_MAX, NULL) == 0;
}

static bool read_intake(struct hark_line *out, struct hark_span origin, struct hark_span position)
{
    struct hark_span nothing = hark_span_str(NOTHING);
    struct hark_origin_parts intake;
    if (hark_span_equal(origin, nothing)) {
        return hark_span_equal(position, nothing);
    }
    if (!hark_origin_read(&intake, origin) || intake.incarnation != 0) {
        return false;
    }
    memcpy(out->intake, origin.data, origin.size);
    return read_number(&out->intake_position, position);
}

/* `out` is zeroed. */
static bool read_line(struct hark_line *out, struct hark_span text)
{
    struct hark_span fields[LINE_FIELDS];
    return hark_split_fields(text, fields, LINE_FIELDS) && read_number(&out->position, fields[0]) &&
           read_number(&out->arrival_ms, fields[1]) && read_number(&out->accepted_ms, fields[2]) &&
           hark_hash_from_hex(&out->id, fields[3], NULL) == 0 &&
           read_intake(out, fields[4], fields[5]);
}

/* Lines, counting one that does not end. */
static size_t count_lines(struct hark_span file)
{
    struct hark_span line;
    size_t count = 0;
    while (hark_take_line(&file, &line)) {
        count++;
    }
    return file.size > 0 ? count + 1 : count;
}

static int not_canonical(struct hark_err *err, size_t line)
{
    return hark_err_set(err, HARK_E_BATCH_ENTRIES, "line %zu of the entries file is malformed",
                        line);
}

static int read_lines(struct hark_line *lines, size_t count, struct hark_span file,
                      struct hark_err *err)
{
    struct hark_span rest = file;
    struct hark_span text;
    for (size_t i = 0; i < count; i++) {
        if (!hark_take_line(&rest, &text) || !read_line(&lines[i], text) ||
            lines[i].position != lines[0].position + i) {
            return not_canonical(err, i + 1);
        }
    }
    /* Each text has one form as far as we see; the comparison is for what we do
     * not see. */
    struct hark_buf again = hark_buf_init(HARK_BATCH_FILE_MAX);
    int rc = hark_lines_encode(&again, lines, count, err);
    if (rc == HARK_E_LIMIT || (rc == 0 && !hark_span_equal(hark_buf_span(&again), file))) {
        rc = hark_err_set(err, HARK_E_BATCH_ENTRIES, "the entries file is not in its one form");
    }
    hark_buf_free(&again);
    return rc;
}

int hark_lines_decode(struct hark_line **lines, size_t *count, struct hark_span file,
                      struct hark_err *err)
{
    *lines = NULL;
    *count = 0;
    size_t wanted = count_lines(file);
    if (file.size > HARK_BATCH_FILE_MAX || wanted > HARK_BATCH_ENTRIES_MAX) {
        return hark_err_set(err, HARK_E_BATCH_ENTRIES, "the entries file is too long");
    }
    if (wanted == 0) {
        return 0;
    }
    struct hark_line *read = calloc(wanted, sizeof(*read));
    if (read == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu lines", wanted);
    }
    int rc = read_lines(read, wanted, file, err);
    if (rc != 0) {
        free(read);
        return rc;
    }
    *lines = read;
    *count = wanted;
    return 0;
}

/* ---- the message of a batch commit ---- */

static int put_root(struct hark_buf *out, const char *head, uint64_t size,
                    const struct hark_hash *root, struct hark_err *err)
{
    char hex[2 * HARK_HASH_SIZE + 1];
    hark_hash_hex(hex, root);
    return hark_buf_printf(out, err, "%s %llu %s\n", head, (unsigned long long)size, hex);
}

static int put_taken(struct hark_buf *out, const struct hark_taken *taken, struct hark_err *err)
{
    int rc = hark_buf_append_str(out, "Taken: ", err);
    return rc != 0 ? rc : put_root(out, taken->origin, taken->size, &taken->root, err);
}

static int put_message(struct hark_buf *out, const struct hark_batch *batch, struct hark_err *err)
{
    char time[HARK_TIME_SIZE + 1];
    char hex[2 * HARK_HASH_SIZE + 1];
    unsigned long long first = batch->first;
    unsigned long long count = batch->count;
    hark_time_encode(time, batch->time_ms);
    int rc = hark_buf_printf(out, err,
                             "batch %llu %llu\n\nHark: 1\nOrigin: %s\nPositions: %llu %llu\n"
                             "Time: %s\n",
                             first, count, batch->origin, first, count, time);
    if (rc == 0 && batch->has_previous) {
        hark_hash_hex(hex, &batch->previous);
        rc = hark_buf_printf(out, err, "Previous: %s\n", hex);
    }
    if (rc == 0) {
        hark_hash_hex(hex, &batch->entries);
        rc = hark_buf_printf(out, err, "Entries: %s\n", hex);
    }
    if (rc == 0 && batch->has_main) {
        rc = put_root(out, "Main:", batch->main_size, &batch->main_root, err);
    }
    for (size_t i = 0; rc == 0 && i < batch->taken_count; i++) {
        rc = put_taken(out, &batch->taken[i], err);
    }
    return rc;
}

static bool read_origin_field(char out[HARK_ORIGIN_MAX + 1], struct hark_span text)
{
    if (text.size > HARK_ORIGIN_MAX) {
        return false;
    }
    memcpy(out, text.data, text.size);
    return true;
}

static bool read_taken(struct hark_batch *out, struct hark_span *in)
{
    struct hark_span text;
    struct hark_span fields[3];
    while (hark_take_headed(in, "Taken: ", &text)) {
        if (out->taken_count == HARK_BATCH_TAKEN_MAX) {
            return false;
        }
        struct hark_taken *taken = &out->taken[out->taken_count++];
        if (!hark_split_fields(text, fields, 3) || !read_origin_field(taken->origin, fields[0]) ||
            !read_number(&taken->size, fields[1]) ||
            hark_hash_from_hex(&taken->root, fields[2], NULL) != 0) {
            return false;
        }
    }
    return true;
}

/* `out` is zeroed. NULL, or the line that is wrong. */
static const char *read_message(struct hark_batch *out, struct hark_span in)
{
    struct hark_span subject;
    struct hark_span text;
    struct hark_span fields[2];
    if (!hark_take_headed(&in, "batch ", &subject) || !hark_take_literal(&in, "\nHark: 1\n")) {
        return "subject or Hark";
    }
    if (!hark_take_headed(&in, "Origin: ", &text) || !read_origin_field(out->origin, text)) {
        return "Origin";
    }
    if (!hark_take_headed(&in, "Positions: ", &text) || !hark_span_equal(text, subject) ||
        !hark_split_fields(text, fields, 2) || !read_number(&out->first, fields[0]) ||
        !read_number(&out->count, fields[1])) {
        return "Positions";
    }
    if (!hark_take_headed(&in, "Time: ", &text) ||
        hark_time_decode(&out->time_ms, text, NULL) != 0) {
        return "Time";
    }
    out->has_previous = hark_take_headed(&in, "Previous: ", &text);
    if (out->has_previous && hark_hash_from_hex(&out->previous, text, NULL) != 0) {
        return "Previous";
    }
    if (!hark_take_headed(&in, "Entries: ", &text) ||
        hark_hash_from_hex(&out->entries, text, NULL) != 0) {
        return "Entries";
    }
    out->has_main = hark_take_headed(&in, "Main: ", &text);
    if (out->has_main &&
        (!hark_split_fields(text, fields, 2) || !read_number(&out->main_size, fields[0]) ||
         hark_hash_from_hex(&out->main_root, fields[1], NULL) != 0)) {
        return "Main";
    }
    if (!read_taken(out, &in)) {
        return "Taken";
    }
    return in.size == 0 ? NULL : "last";
}

/* B1 for what the fields may be; asked before signing as well as after reading. */
static int check_fields(const struct hark_batch *batch, struct hark_err *err)
{
    struct hark_origin_parts origin;
    const char *wrong = NULL;
    if (!hark_origin_read(&origin, origin_text(batch->origin))) {
        wrong = "its origin is none";
    } else if (batch->count > HARK_BATCH_ENTRIES_MAX || batch->taken_count > HARK_BATCH_TAKEN_MAX) {
        wrong = "it has too many entries or Taken";
    } else if (batch->first > HARK_NUMBER_MAX - batch->count || batch->time_ms > HARK_TIME_MAX_MS ||
               (batch->has_main && batch->main_size > HARK_NUMBER_MAX)) {
        wrong = "a number is out of range";
    } else if (batch->has_main != (origin.incarnation == 0)) {
        wrong = "Main stands in intake logs, always, and in no other";
    } else if (batch->taken_count > 0 && (origin.incarnation == 0)) {
        wrong = "Taken stands in an intake log";
    } else if (batch->count == 0 && batch->taken_count == 0) {
        wrong = "it says nothing";
    }
    if (wrong != NULL) {
        return hark_err_set(err, HARK_E_BATCH_FORM, "not a batch: %s", wrong);
    }
    return 0;
}

/* B13, as far as the batch alone shows it. */
static int check_taken(const struct hark_batch *batch, struct hark_err *err)
{
    for (size_t i = 0; i < batch->taken_count; i++) {
        const char *origin = batch->taken[i].origin;
        if (!is_intake_of(origin_text(origin), batch->origin)) {
            return hark_err_set(err, HARK_E_BATCH_TAKEN, "Taken %zu is no intake of this space",
                                i + 1);
        }
        if (batch->taken[i].size > HARK_NUMBER_MAX) {
            return hark_err_set(err, HARK_E_BATCH_FORM, "the size in Taken %zu is out of range",
                                i + 1);
        }
        if (i > 0 && strcmp(batch->taken[i - 1].origin, origin) >= 0) {
            return hark_err_set(err, HARK_E_BATCH_TAKEN, "Taken %zu is out of order", i + 1);
        }
    }
    return 0;
}

/* ---- building ---- */

static int put_parent(struct hark_buf *out, const struct hark_git_id *id, struct hark_err *err)
{
    char hex[2 * HARK_GIT_ID_SIZE + 1];
    hark_hex_encode(hex, id->bytes, sizeof(id->bytes));
    return hark_buf_printf(out, err, "parent %s\n", hex);
}

static int put_parents(struct hark_buf *out, const struct hark_batch *batch,
                       const struct hark_git_id *entry_ids, struct hark_err *err)
{
    int rc = batch->has_previous ? put_parent(out, &batch->previous_id, err) : 0;
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        rc = put_parent(out, &entry_ids[i], err);
    }
    return rc;
}

static int sign_commit(struct hark_buf *out, struct hark_commit *commit,
                       const struct hark_signer *log_key, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    int rc = hark_commit_signed_bytes(&text, commit, err);
    if (rc == 0) {
        rc = hark_sshsig_make(&commit->signature, log_key, NAMESPACE, hark_buf_span(&text), err);
    }
    if (rc == 0) {
        hark_buf_clear(&text);
        rc = hark_commit_build(&text, commit, err);
    }
    if (rc == 0) {
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    }
    hark_buf_free(&text);
    return rc;
}

int hark_batch_build(struct hark_buf *out, const struct hark_batch *batch,
                     const struct hark_git_id *tree, const struct hark_git_id *entry_ids,
                     const struct hark_signer *log_key, struct hark_err *err)
{
    struct hark_buf parents = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_buf message = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_commit commit = {.author = *hark_signer_key(log_key),
                                 .time_s = batch->time_ms / 1000};
    int rc = check_fields(batch, err);
    if (rc == 0) {
        rc = check_taken(batch, err);
    }
    if (rc == 0) {
        rc = put_parents(&parents, batch, entry_ids, err);
    }
    if (rc == 0) {
        rc = put_message(&message, batch, err);
    }
    if (rc == 0) {
        hark_hex_encode(commit.tree, tree->bytes, sizeof(tree->bytes));
        commit.parents = hark_buf_span(&parents);
        commit.message = hark_buf_span(&message);
        rc = sign_commit(out, &commit, log_key, err);
    }
    hark_buf_free(&parents);
    hark_buf_free(&message);
    return rc;
}

/* ---- parsing ---- */

/* A commit's own errors are an entry's; in a batch all of them are its form. */
static int as_form(struct hark_err *err, int rc)
{
    if (rc == 0 || rc == HARK_E_NO_MEMORY || rc == HARK_E_INTERNAL) {
        return rc;
    }
    return hark_err_set(err, HARK_E_BATCH_FORM, "not a batch: %s", err == NULL ? "" : err->message);
}

static int check_canonical(const struct hark_batch *batch, const struct hark_commit *read,
                           struct hark_span bytes, struct hark_err *err)
{
    struct hark_buf message = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_buf again = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_commit commit = *read;
    int rc = put_message(&message, batch, err);
    if (rc == 0) {
        commit.message = hark_buf_span(&message);
        commit.time_s = batch->time_ms / 1000;
        rc = hark_commit_build(&again, &commit, err);
    }
    if (rc == HARK_E_LIMIT || (rc == 0 && !hark_span_equal(hark_buf_span(&again), bytes))) {
        rc = hark_err_set(err, HARK_E_BATCH_FORM, "not a batch in its one form");
    }
    hark_buf_free(&message);
    hark_buf_free(&again);
    return rc;
}

/* B1 of the commit object. */
static int parse_form(struct hark_batch *out, struct hark_commit *commit, struct hark_span bytes,
                      struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    if (bytes.size > HARK_BATCH_COMMIT_MAX) {
        return hark_err_set(err, HARK_E_BATCH_FORM, "a batch commit of more than %u bytes",
                            HARK_BATCH_COMMIT_MAX);
    }
    int rc = as_form(err, hark_commit_parse(commit, bytes, PARENTS_MAX, err));
    if (rc != 0) {
        return rc;
    }
    const char *wrong = read_message(out, commit->message);
    if (wrong != NULL) {
        return hark_err_set(err, HARK_E_BATCH_FORM, "not a batch: its %s line is not as it must be",
                            wrong);
    }
    rc = check_fields(out, err);
    return rc != 0 ? rc : check_canonical(out, commit, bytes, err);
}

/* B2. */
static int check_signature(const struct hark_commit *commit, const struct hark_key *log_key,
                           struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    int rc = hark_key_equal(&commit->author, log_key)
                 ? hark_commit_signed_bytes(&text, commit, err)
                 : hark_err_set(err, HARK_E_BATCH_SIGNATURE, "another key than the log's signed");
    if (rc == 0 && !hark_sshsig_verify(&commit->signature, NAMESPACE, hark_buf_span(&text))) {
        rc = hark_err_set(err, HARK_E_BATCH_SIGNATURE, "the log's signature does not hold");
    }
    hark_buf_free(&text);
    return rc;
}

/* B4 for the parents. */
static int check_parent_count(const struct hark_batch *batch, const struct hark_commit *commit,
                              struct hark_err *err)
{
    if (commit->parent_count != batch->count + (batch->has_previous ? 1 : 0)) {
        return hark_err_set(err, HARK_E_BATCH_RANGE,
                            "%zu parents do not fit a batch of %llu entries", commit->parent_count,
                            (unsigned long long)batch->count);
    }
    return 0;
}

/* After check_parent_count. */
static int give_ids(struct hark_batch *batch, struct hark_git_id *tree,
                    struct hark_git_id **entry_ids, const struct hark_commit *commit,
                    struct hark_err *err)
{
    size_t before = batch->has_previous ? 1 : 0;
    struct hark_git_id id = {{0}};
    int rc = hark_hex_decode(id.bytes, sizeof(id.bytes), hark_span_str(commit->tree), err);
    if (rc != 0) {
        return rc;
    }
    if (batch->has_previous) {
        batch->previous_id = hark_commit_parent(commit, 0);
    }
    if (entry_ids != NULL && batch->count > 0) {
        *entry_ids = calloc(batch->count, sizeof(**entry_ids));
        if (*entry_ids == NULL) {
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch's ids");
        }
        for (size_t i = 0; i < batch->count; i++) {
            (*entry_ids)[i] = hark_commit_parent(commit, before + i);
        }
    }
    if (tree != NULL) {
        *tree = id;
    }
    return 0;
}

int hark_batch_parse(struct hark_batch *out, struct hark_git_id *tree,
                     struct hark_git_id **entry_ids, struct hark_span bytes,
                     const struct hark_key *log_key, struct hark_err *err)
{
    struct hark_commit commit = {.parent_count = 0};
    if (entry_ids != NULL) {
        *entry_ids = NULL;
    }
    int rc = parse_form(out, &commit, bytes, err);
    if (rc == 0 && log_key != NULL) {
        rc = check_signature(&commit, log_key, err);
    }
    if (rc == 0) {
        rc = check_parent_count(out, &commit, err);
    }
    if (rc == 0) {
        rc = check_taken(out, err);
    }
    return rc != 0 ? rc : give_ids(out, tree, entry_ids, &commit, err);
}

/* ---- checking a batch as the next one of a log ---- */

/* B1 of the two files. */
static int check_sizes(const struct hark_raw_batch *raw, struct hark_err *err)
{
    if (raw->entries.size > HARK_BATCH_FILE_MAX ||
        raw->checkpoint.size > HARK_BATCH_CHECKPOINT_MAX) {
        return hark_err_set(err, HARK_E_BATCH_FORM, "a file of the batch is too long");
    }
    return 0;
}

/* B3, B4. */
static int check_place(const struct hark_batch *batch, const struct hark_commit *commit,
                       const struct hark_log_head *head, const struct hark_raw_batch *raw,
                       struct hark_err *err)
{
    if (!hark_span_equal(origin_text(batch->origin), origin_text(head->origin))) {
        return hark_err_set(err, HARK_E_BATCH_ORIGIN, "the origin is not the one in force");
    }
    if (batch->first != head->tree.size) {
        return hark_err_set(err, HARK_E_BATCH_RANGE,
                            "it begins at %llu, where the log ends at %llu",
                            (unsigned long long)batch->first, (unsigned long long)head->tree.size);
    }
    if (count_lines(raw->entries) != batch->count || raw->count != batch->count) {
        return hark_err_set(err, HARK_E_BATCH_RANGE, "it has not as many entries as it says");
    }
    return check_parent_count(batch, commit, err);
}

/* B5. */
static int check_previous(const struct hark_batch *batch, const struct hark_commit *commit,
                          const struct hark_log_head *head, struct hark_err *err)
{
    bool fits = batch->has_previous == head->has_batch;
    if (fits && batch->has_previous) {
        struct hark_git_id parent = hark_commit_parent(commit, 0);
        fits = hark_hash_equal(&batch->previous, &head->batch) &&
               memcmp(parent.bytes, head->batch_id.bytes, sizeof(parent.bytes)) == 0;
    }
    if (!fits) {
        return hark_err_set(err, HARK_E_BATCH_PREVIOUS, "it does not follow the last batch");
    }
    return 0;
}

/* B7. `*lines` is the caller's to free in any case. */
static int check_entries(struct hark_line **lines, const struct hark_batch *batch,
                         const struct hark_raw_batch *raw, struct hark_err *err)
{
    size_t count = 0;
    int rc = hark_lines_decode(lines, &count, raw->entries, err);
    if (rc != 0) {
        return rc;
    }
    struct hark_hash hash = hark_sha256(raw->entries);
    if (!hark_hash_equal(&hash, &batch->entries)) {
        return hark_err_set(err, HARK_E_BATCH_ENTRIES, "the entries file is not the one named");
    }
    for (size_t i = 0; i < count; i++) {
        const struct hark_line *line = &(*lines)[i];
        struct hark_hash id = hark_sha256(raw->items[i].object);
        if (line->position != batch->first + i) {
            return not_canonical(err, i + 1);
        }
        /* An intake log holds what came first-hand, and none of another space. */
        if (line->intake[0] != '\0' &&
            (batch->has_main || !is_intake_of(origin_text(line->intake), batch->origin))) {
            return hark_err_set(err, HARK_E_BATCH_ENTRIES, "line %zu names no intake of this space",
                                i + 1);
        }
        if (!hark_hash_equal(&line->id, &id)) {
            return hark_err_set(err, HARK_E_BATCH_ENTRIES, "entry %zu is not the one named", i + 1);
        }
    }
    return 0;
}

/* B9. */
static int check_arrivals(const struct hark_batch *batch, const struct hark_line *lines,
                          const struct hark_log_head *head, struct hark_err *err)
{
    uint64_t last_ms = head->last_arrival_ms;
    if (batch->time_ms < head->last_time_ms) {
        return hark_err_set(err, HARK_E_BATCH_ARRIVAL, "its time is before the last batch's");
    }
    for (size_t i = 0; i < batch->count; i++) {
        const struct hark_line *line = &lines[i];
        bool first_hand = line->intake[0] == '\0';
        if (line->arrival_ms < last_ms || line->arrival_ms > batch->time_ms ||
            line->arrival_ms < line->accepted_ms ||
            (first_hand && line->arrival_ms != line->accepted_ms)) {
            return hark_err_set(err, HARK_E_BATCH_ARRIVAL,
                                "the arrival of entry %zu does not fit the times around it", i + 1);
        }
        last_ms = line->arrival_ms;
    }
    return 0;
}

/* B10. After B9 no arrival is later than the batch's own time. */
static int check_ahead(const struct hark_batch *batch, uint64_t now_ms, struct hark_err *err)
{
    if (batch->time_ms > now_ms && batch->time_ms - now_ms > HARK_AHEAD_MAX_MS) {
        return hark_err_set(err, HARK_E_BATCH_AHEAD, "its time is %llu ms ahead of ours",
                            (unsigned long long)(batch->time_ms - now_ms));
    }
    return 0;
}

static int as_checkpoint(struct hark_err *err, int rc)
{
    if (rc == 0 || rc == HARK_E_NO_MEMORY || rc == HARK_E_INTERNAL) {
        return rc;
    }
    return hark_err_set(err, HARK_E_BATCH_CHECKPOINT, "its checkpoint is wrong: %s",
                        err == NULL ? "" : err->message);
}

static int read_checkpoint(struct hark_checkpoint *out, const struct hark_log_head *head,
                           struct hark_span file, struct hark_err *err)
{
    struct hark_note note;
    struct hark_note_key key;
    int rc = hark_note_key_init(&key, head->origin, HARK_NOTE_ED25519, &head->log_key, err);
    if (rc == 0) {
        rc = hark_note_parse(&note, file, err);
    }
    if (rc == 0 && note.count != 1) {
        rc = hark_err_set(err, HARK_E_BATCH_CHECKPOINT, "more than the log's own signature");
    }
    if (rc == 0) {
        rc = hark_note_verify(&note, &key, NULL, err);
    }
    return rc != 0 ? rc : hark_checkpoint_decode(out, note.text, NULL, err);
}

/* B11, B12; `next` is the head with the batch's leaves. */
static int check_checkpoint(const struct hark_log_head *next, struct hark_span file,
                            struct hark_err *err)
{
    struct hark_checkpoint checkpoint = {.size = 0};
    int rc = as_checkpoint(err, read_checkpoint(&checkpoint, next, file, err));
    if (rc != 0) {
        return rc;
    }
    if (!hark_span_equal(hark_span_str(checkpoint.origin), origin_text(next->origin)) ||
        checkpoint.size != next->tree.size) {
        return hark_err_set(err, HARK_E_BATCH_CHECKPOINT,
                            "its checkpoint is of another log or size");
    }
    struct hark_hash root = hark_merkle_root(&next->tree);
    if (!hark_hash_equal(&checkpoint.root, &root)) {
        return hark_err_set(err, HARK_E_BATCH_ROOT, "its root is not that of the entries");
    }
    return 0;
}

static void advance(struct hark_log_head *head, const struct hark_batch *batch,
                    const struct hark_line *lines, struct hark_span commit)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct hark_hash leaf = hark_line_leaf(&lines[i]);
        hark_merkle_append(&head->tree, &leaf);
        head->last_arrival_ms = lines[i].arrival_ms;
    }
    head->has_batch = true;
    head->batch = hark_sha256(commit);
    memset(&head->batch_id, 0, sizeof(head->batch_id));
    head->last_time_ms = batch->time_ms;
    head->main_size = batch->main_size;
}

/* B15, as far as the batch before shows it. */
static int check_main(const struct hark_batch *batch, const struct hark_log_head *head,
                      struct hark_err *err)
{
    if (batch->has_main && batch->main_size < head->main_size) {
        return hark_err_set(err, HARK_E_BATCH_MAIN, "its Main goes back from %llu to %llu",
                            (unsigned long long)head->main_size,
                            (unsigned long long)batch->main_size);
    }
    return 0;
}

/* B1 to B5: what can be said without reading the entries file. */
static int check_commit(struct hark_batch *batch, struct hark_commit *commit,
                        const struct hark_log_head *head, const struct hark_raw_batch *raw,
                        struct hark_err *err)
{
    int rc = check_sizes(raw, err);
    if (rc == 0) {
        rc = parse_form(batch, commit, raw->commit, err);
    }
    if (rc == 0) {
        rc = check_signature(commit, &head->log_key, err);
    }
    if (rc == 0) {
        rc = check_place(batch, commit, head, raw, err);
    }
    return rc != 0 ? rc : check_previous(batch, commit, head, err);
}

int hark_batch_check(struct hark_log_head *next, struct hark_batch *batch, struct hark_line **lines,
                     struct hark_git_id *tree, struct hark_git_id **entry_ids,
                     const struct hark_log_head *head, const struct hark_raw_batch *raw,
                     uint64_t now_ms, struct hark_err *err)
{
    struct hark_commit commit = {.parent_count = 0};
    struct hark_log_head after = *head;
    struct hark_line *read = NULL;
    *lines = NULL;
    if (entry_ids != NULL) {
        *entry_ids = NULL;
    }
    int rc = check_commit(batch, &commit, head, raw, err);
    if (rc == 0) {
        rc = check_entries(&read, batch, raw, err);
    }
    if (rc == 0) {
        rc = check_arrivals(batch, read, head, err);
    }
    if (rc == 0) {
        rc = check_ahead(batch, now_ms, err);
    }
    if (rc == 0) {
        advance(&after, batch, read, raw->commit);
        rc = check_checkpoint(&after, raw->checkpoint, err);
    }
    if (rc == 0) {
        rc = check_taken(batch, err);
    }
    if (rc == 0) {
        rc = check_main(batch, head, err);
    }
    if (rc == 0) {
        rc = give_ids(batch, tree, entry_ids, &commit, err);
    }
    if (rc == 0) {
        *next = after;
        *lines = read;
        read = NULL;
    }
    free(read);
    return rc;
}
