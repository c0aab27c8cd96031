/*
 * schemas/batch: the batch commit with its two files, each rule that needs no
 * git, and that no byte of the three can be another. The batches that break one
 * rule each are those of tests/vectors/batch.json.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "schemas/batch.h"

#define OBJECTS_MAX 8u

static json_t *vectors;

/* ---- reading the vectors ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

static struct hark_buf decoded(const char *base64)
{
    struct hark_buf bytes = hark_buf_init(1u << 20);
    assert_non_null(base64);
    assert_int_equal(hark_base64_decode(&bytes, hark_span_str(base64), NULL), 0);
    return bytes;
}

static void hex_of(const json_t *object, const char *name, uint8_t *out, size_t size)
{
    assert_int_equal(hark_hex_decode(out, size, hark_span_str(text_of(object, name)), NULL), 0);
}

static uint64_t number_of(const json_t *object, const char *name)
{
    const json_t *number = json_object_get(object, name);
    assert_true(json_is_integer(number));
    return (uint64_t)json_integer_value(number);
}

static struct hark_log_head head_number(size_t number)
{
    const json_t *json = json_array_get(json_object_get(vectors, "heads"), number);
    const json_t *leaves = json_object_get(json, "leaves");
    struct hark_log_head head = {.has_batch = json_object_get(json, "batch") != NULL};
    const char *origin = text_of(json, "origin");
    assert_true(strlen(origin) <= HARK_ORIGIN_MAX);
    memcpy(head.origin, origin, strlen(origin));
    hex_of(json, "log_key", head.log_key.bytes, HARK_KEY_SIZE);
    for (size_t i = 0; i < json_array_size(leaves); i++) {
        struct hark_hash leaf;
        const char *text = json_string_value(json_array_get(leaves, i));
        assert_int_equal(hark_hash_from_hex(&leaf, hark_span_str(text), NULL), 0);
        hark_merkle_append(&head.tree, &leaf);
    }
    if (head.has_batch) {
        hex_of(json, "batch", head.batch.bytes, HARK_HASH_SIZE);
        hex_of(json, "batch_id", head.batch_id.bytes, HARK_GIT_ID_SIZE);
    }
    head.last_arrival_ms = number_of(json, "last_arrival_ms");
    head.last_time_ms = number_of(json, "last_time_ms");
    return head;
}

/* A vector with all that it takes to check it. */
struct trial {
    struct hark_log_head head;
    struct hark_buf commit, entries, checkpoint, objects[OBJECTS_MAX];
    size_t count;
    uint64_t now_ms;
};

static struct trial trial_of(const json_t *vector)
{
    const json_t *all = json_object_get(vectors, "objects");
    const json_t *numbers = json_object_get(vector, "objects");
    struct trial trial = {.head = head_number((size_t)number_of(vector, "after")),
                          .commit = decoded(text_of(vector, "commit")),
                          .entries = decoded(text_of(vector, "entries")),
                          .checkpoint = decoded(text_of(vector, "checkpoint")),
                          .count = json_array_size(numbers),
                          .now_ms = number_of(vector, "now_ms")};
    assert_true(trial.count <= OBJECTS_MAX);
    for (size_t i = 0; i < trial.count; i++) {
        size_t number = (size_t)json_integer_value(json_array_get(numbers, i));
        trial.objects[i] = decoded(json_string_value(json_array_get(all, number)));
    }
    return trial;
}

static void trial_free(struct trial *trial)
{
    hark_buf_free(&trial->commit);
    hark_buf_free(&trial->entries);
    hark_buf_free(&trial->checkpoint);
    for (size_t i = 0; i < trial->count; i++) {
        hark_buf_free(&trial->objects[i]);
    }
}

/* Everything that a check gives; `ids` and `lines` are to be freed. */
struct outcome {
    struct hark_log_head next;
    struct hark_batch batch;
    struct hark_line *lines;
    struct hark_git_id tree;
    struct hark_git_id *ids;
};

static int check(const struct trial *trial, struct outcome *out)
{
    struct hark_raw_entry items[OBJECTS_MAX] = {{.payload_state = 0}};
    struct hark_err err = {0};
    for (size_t i = 0; i < trial->count; i++) {
        items[i].object = hark_buf_span(&trial->objects[i]);
    }
    struct hark_raw_batch raw = {.commit = hark_buf_span(&trial->commit),
                                 .entries = hark_buf_span(&trial->entries),
                                 .checkpoint = hark_buf_span(&trial->checkpoint),
                                 .count = trial->count,
                                 .items = items};
    int rc = hark_batch_check(&out->next, &out->batch, &out->lines, &out->tree, &out->ids,
                              &trial->head, &raw, trial->now_ms, &err);
    assert_int_equal(rc, err.code);
    if (rc != 0) {
        assert_true(err.message[0] != '\0');
        assert_null(out->lines);
        assert_null(out->ids);
    }
    return rc;
}

static void outcome_free(struct outcome *out)
{
    free(out->lines);
    free(out->ids);
}

static int check_only(const struct trial *trial)
{
    struct outcome out;
    int rc = check(trial, &out);
    outcome_free(&out);
    return rc;
}

static const json_t *valid_number(size_t number)
{
    const json_t *vector = json_array_get(json_object_get(vectors, "valid"), number);
    assert_non_null(vector);
    return vector;
}

/* ---- what is accepted ---- */

static void assert_head_equal(const struct hark_log_head *a, const struct hark_log_head *b)
{
    struct hark_hash root_a = hark_merkle_root(&a->tree);
    struct hark_hash root_b = hark_merkle_root(&b->tree);
    assert_string_equal(a->origin, b->origin);
    assert_true(hark_key_equal(&a->log_key, &b->log_key));
    assert_int_equal(a->tree.size, b->tree.size);
    assert_true(hark_hash_equal(&root_a, &root_b));
    assert_int_equal(a->has_batch, b->has_batch);
    assert_true(hark_hash_equal(&a->batch, &b->batch));
    assert_int_equal(a->last_arrival_ms, b->last_arrival_ms);
    assert_int_equal(a->last_time_ms, b->last_time_ms);
}

/* Each valid batch leads from one head to the next; git's id of the batch is for
 * the caller to fill in. */
static void test_batch__valid_vectors_lead_from_head_to_head(void **state)
{
    (void)state;
    static const struct hark_git_id zero;
    size_t count = json_array_size(json_object_get(vectors, "valid"));
    assert_true(count >= 3);
    for (size_t i = 0; i < count; i++) {
        struct trial trial = trial_of(valid_number(i));
        struct hark_log_head wanted = head_number(i + 1);
        struct hark_git_id tree;
        struct outcome out;
        assert_int_equal(check(&trial, &out), 0);
        assert_head_equal(&out.next, &wanted);
        assert_memory_equal(&out.next.batch_id, &zero, sizeof(zero));
        hex_of(valid_number(i), "tree", tree.bytes, HARK_GIT_ID_SIZE);
        assert_memory_equal(&out.tree, &tree, sizeof(tree));
        assert_int_equal(out.batch.count, trial.count);
        for (size_t e = 0; e < trial.count; e++) {
            struct hark_hash id = hark_sha256(hark_buf_span(&trial.objects[e]));
            assert_true(hark_hash_equal(&out.lines[e].id, &id));
            assert_int_equal(out.lines[e].position, trial.head.tree.size + e);
        }
        outcome_free(&out);
        trial_free(&trial);
    }
}

/* The head may be replaced by the one after it in place. */
static void test_batch__next_may_be_the_head_itself(void **state)
{
    (void)state;
    struct trial trial = trial_of(valid_number(2)); /* one without entries */
    struct hark_log_head wanted = head_number(3);
    struct hark_raw_batch raw = {.commit = hark_buf_span(&trial.commit),
                                 .entries = hark_buf_span(&trial.entries),
                                 .checkpoint = hark_buf_span(&trial.checkpoint)};
    struct hark_batch batch;
    struct hark_line *lines = NULL;
    assert_int_equal(hark_batch_check(&trial.head, &batch, &lines, NULL, NULL, &trial.head, &raw,
                                      trial.now_ms, NULL),
                     0);
    assert_head_equal(&trial.head, &wanted);
    free(lines);
    trial_free(&trial);
}

/* At the very bound of B10 it is still fine. */
static void test_batch__may_be_300_seconds_ahead(void **state)
{
    (void)state;
    struct trial trial = trial_of(valid_number(1));
    struct outcome out;
    assert_int_equal(check(&trial, &out), 0);
    uint64_t time_ms = out.batch.time_ms;
    outcome_free(&out);
    trial.now_ms = time_ms - HARK_AHEAD_MAX_MS;
    assert_int_equal(check_only(&trial), 0);
    trial.now_ms--;
    assert_int_equal(check_only(&trial), HARK_E_BATCH_AHEAD);
    trial.now_ms = UINT64_MAX;
    assert_int_equal(check_only(&trial), 0);
    trial_free(&trial);
}

/* ---- what is refused ---- */

/* Rules that only git's object ids show: here these batches are fine. */
static bool needs_git(const char *rule)
{
    return strcmp(rule, "B6") == 0 || strcmp(rule, "B8") == 0;
}

static void test_batch__each_rule_broken_alone_is_named(void **state)
{
    (void)state;
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "invalid"), i, vector)
    {
        const char *rule = text_of(vector, "rule");
        struct trial trial = trial_of(vector);
        int rc = check_only(&trial);
        const char *wanted = needs_git(rule) ? "ok" : text_of(vector, "error");
        if (strcmp(hark_err_name(rc), wanted) != 0) {
            fail_msg("%s %s: %s instead of %s", rule, text_of(vector, "name"), hark_err_name(rc),
                     wanted);
        }
        trial_free(&trial);
    }
}

static void test_batch__there_is_a_vector_for_every_rule(void **state)
{
    (void)state;
    size_t i;
    json_t *vector;
    unsigned rules = 0;
    json_array_foreach(json_object_get(vectors, "invalid"), i, vector)
    {
        rules |= 1u << strtoul(text_of(vector, "rule") + 1, NULL, 10);
    }
    assert_int_equal(rules, 0x3ffe); /* 1 to 13 */
}

/* Each byte turned in one bit, in its letter case, and cut off there. */
static void flip(struct trial *trial, struct hark_buf *part)
{
    size_t size = part->size;
    for (size_t at = 0; at < size; at++) {
        static const uint8_t turns[] = {0x01, 0x20, 0x80};
        for (size_t i = 0; i < sizeof(turns); i++) {
            part->data[at] ^= turns[i];
            assert_int_not_equal(check_only(trial), 0);
            part->data[at] ^= turns[i];
        }
        part->size = at;
        assert_int_not_equal(check_only(trial), 0);
        part->size = size;
    }
    assert_int_equal(check_only(trial), 0);
}

static void test_batch__no_byte_can_be_another(void **state)
{
    (void)state;
    struct trial trial = trial_of(valid_number(1));
    flip(&trial, &trial.commit);
    flip(&trial, &trial.entries);
    flip(&trial, &trial.checkpoint);
    flip(&trial, &trial.objects[1]);
    trial_free(&trial);
}

static void test_batch__entries_must_be_as_many_as_named(void **state)
{
    (void)state;
    struct trial trial = trial_of(valid_number(1));
    trial.count--;
    assert_int_equal(check_only(&trial), HARK_E_BATCH_RANGE);
    trial.count++;
    trial_free(&trial);
}

static void test_batch__files_have_limits(void **state)
{
    (void)state;
    struct trial trial = trial_of(valid_number(1));
    struct hark_buf was = trial.checkpoint;
    trial.checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX + 1);
    while (trial.checkpoint.size <= HARK_BATCH_CHECKPOINT_MAX) {
        assert_int_equal(hark_buf_append_byte(&trial.checkpoint, 'x', NULL), 0);
    }
    assert_int_equal(check_only(&trial), HARK_E_BATCH_FORM);
    hark_buf_free(&trial.checkpoint);
    trial.checkpoint = was;

    struct hark_buf commit = hark_buf_init(HARK_BATCH_COMMIT_MAX + 1);
    while (commit.size <= HARK_BATCH_COMMIT_MAX) {
        assert_int_equal(hark_buf_append_byte(&commit, '\n', NULL), 0);
    }
    struct hark_batch batch;
    assert_int_equal(hark_batch_parse(&batch, NULL, NULL, hark_buf_span(&commit), NULL, NULL),
                     HARK_E_BATCH_FORM);
    hark_buf_free(&commit);
    trial_free(&trial);
}

/* ---- building and parsing ---- */

static struct hark_signer *signer_number(uint8_t number)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;
    memset(bytes, number, sizeof(bytes));
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    hark_seed_free(seed);
    return signer;
}

static struct hark_batch some_batch(uint64_t count)
{
    struct hark_batch batch = {.first = 5, .count = count, .time_ms = UINT64_C(1795256130123)};
    struct hark_hash space;
    memset(space.bytes, 0x51, sizeof(space.bytes));
    hark_origin(batch.origin, "home.example", &space, 3);
    batch.has_previous = true;
    memset(batch.previous.bytes, 0x52, sizeof(batch.previous.bytes));
    memset(batch.previous_id.bytes, 0x53, sizeof(batch.previous_id.bytes));
    memset(batch.entries.bytes, 0x54, sizeof(batch.entries.bytes));
    return batch;
}

/* As many Taken as there may be, of the longest names. */
static void fill_taken(struct hark_batch *batch)
{
    struct hark_hash space;
    char node[HARK_NODE_NAME_MAX + 1] = {0};
    memset(space.bytes, 0x51, sizeof(space.bytes));
    memset(node, 'n', HARK_NODE_NAME_MAX);
    for (batch->taken_count = 0; batch->taken_count < HARK_BATCH_TAKEN_MAX; batch->taken_count++) {
        struct hark_taken *taken = &batch->taken[batch->taken_count];
        node[0] = (char)('a' + batch->taken_count / 8);
        node[1] = (char)('a' + batch->taken_count % 8);
        hark_origin(taken->origin, node, &space, 0);
        taken->size = HARK_NUMBER_MAX;
        memset(taken->root.bytes, 0x55, sizeof(taken->root.bytes));
    }
}

static struct hark_git_id *some_ids(size_t count)
{
    struct hark_git_id *ids = calloc(count + 1, sizeof(*ids));
    assert_non_null(ids);
    for (size_t i = 0; i < count; i++) {
        memset(ids[i].bytes, (int)(i % 251), sizeof(ids[i].bytes));
    }
    return ids;
}

static void round_trip(const struct hark_batch *batch)
{
    struct hark_signer *signer = signer_number(6);
    struct hark_signer *other = signer_number(7);
    struct hark_git_id *ids = some_ids(batch->count);
    struct hark_git_id tree = {{1, 2, 3}};
    struct hark_git_id read_tree;
    struct hark_git_id *read_ids = NULL;
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_buf again = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_batch read;
    assert_int_equal(hark_batch_build(&bytes, batch, &tree, ids, signer, NULL), 0);
    assert_int_equal(hark_batch_parse(&read, &read_tree, &read_ids, hark_buf_span(&bytes),
                                      hark_signer_key(signer), NULL),
                     0);
    assert_memory_equal(&tree, &read_tree, sizeof(tree));
    assert_string_equal(read.origin, batch->origin);
    assert_int_equal(read.first, batch->first);
    assert_int_equal(read.count, batch->count);
    assert_int_equal(read.time_ms, batch->time_ms);
    assert_int_equal(read.has_previous, batch->has_previous);
    assert_true(hark_hash_equal(&read.previous, &batch->previous));
    assert_memory_equal(&read.previous_id, &batch->previous_id, sizeof(read.previous_id));
    assert_true(hark_hash_equal(&read.entries, &batch->entries));
    assert_int_equal(read.has_main, batch->has_main);
    assert_int_equal(read.main_size, batch->main_size);
    assert_int_equal(read.taken_count, batch->taken_count);
    assert_memory_equal(read.taken, batch->taken, sizeof(read.taken));
    if (batch->count > 0) {
        assert_memory_equal(ids, read_ids, batch->count * sizeof(*ids));
    }
    assert_int_equal(hark_batch_build(&again, &read, &read_tree, read_ids, signer, NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&bytes), hark_buf_span(&again)));
    free(read_ids);
    assert_int_equal(hark_batch_parse(&read, NULL, NULL, hark_buf_span(&bytes), NULL, NULL), 0);
    assert_int_equal(
        hark_batch_parse(&read, NULL, NULL, hark_buf_span(&bytes), hark_signer_key(other), NULL),
        HARK_E_BATCH_SIGNATURE);
    free(ids);
    hark_buf_free(&bytes);
    hark_buf_free(&again);
    hark_signer_free(signer);
    hark_signer_free(other);
}

static void test_batch__round_trip(void **state)
{
    (void)state;
    struct hark_batch batch = some_batch(3);
    round_trip(&batch);
    batch.has_previous = false;
    memset(&batch.previous, 0, sizeof(batch.previous));
    memset(&batch.previous_id, 0, sizeof(batch.previous_id));
    round_trip(&batch);
    batch = some_batch(HARK_BATCH_ENTRIES_MAX);
    fill_taken(&batch);
    round_trip(&batch);
    batch = some_batch(0);
    fill_taken(&batch);
    round_trip(&batch);
    /* An intake's. */
    struct hark_hash space = {{0}};
    batch = some_batch(1);
    memset(batch.origin, 0, sizeof(batch.origin));
    hark_origin(batch.origin, "a", &space, 0);
    batch.has_main = true;
    batch.main_size = 4;
    batch.main_root = space;
    round_trip(&batch);
}

static int build(const struct hark_batch *batch)
{
    struct hark_signer *signer = signer_number(6);
    struct hark_git_id *ids = some_ids(HARK_BATCH_ENTRIES_MAX + 1);
    struct hark_git_id tree = {{0}};
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    int rc = hark_batch_build(&bytes, batch, &tree, ids, signer, NULL);
    assert_true((rc == 0) == (bytes.size > 0));
    free(ids);
    hark_buf_free(&bytes);
    hark_signer_free(signer);
    return rc;
}

static void test_batch__nothing_is_signed_that_would_be_refused(void **state)
{
    (void)state;
    const struct hark_batch good = some_batch(2);
    struct hark_batch bad = good;
    assert_int_equal(build(&good), 0);
    bad.count = HARK_BATCH_ENTRIES_MAX + 1;
    assert_int_equal(build(&bad), HARK_E_BATCH_FORM);
    bad.count = 0; /* and no Taken */
    assert_int_equal(build(&bad), HARK_E_BATCH_FORM);
    bad = good;
    bad.first = HARK_NUMBER_MAX;
    assert_int_equal(build(&bad), HARK_E_BATCH_FORM);
    bad = good;
    bad.time_ms = HARK_TIME_MAX_MS + 1;
    assert_int_equal(build(&bad), HARK_E_BATCH_FORM);
    bad = good;
    bad.has_main = true;
    assert_int_equal(build(&bad), HARK_E_BATCH_FORM);
    bad = good;
    memset(bad.origin, 'a', sizeof(bad.origin)); /* without an end */
    assert_int_equal(build(&bad), HARK_E_BATCH_FORM);
    bad = good;
    fill_taken(&bad);
    bad.taken_count = HARK_BATCH_TAKEN_MAX + 1;
    assert_int_equal(build(&bad), HARK_E_BATCH_FORM);
    bad.taken_count = HARK_BATCH_TAKEN_MAX;
    bad.taken[3] = bad.taken[2];
    assert_int_equal(build(&bad), HARK_E_BATCH_TAKEN);
    memset(bad.taken[3].origin, 'a', sizeof(bad.taken[3].origin));
    assert_int_equal(build(&bad), HARK_E_BATCH_TAKEN);
}

/* ---- the file `entries` ---- */

static void test_batch__lines_round_trip(void **state)
{
    (void)state;
    struct hark_line *lines = calloc(HARK_BATCH_ENTRIES_MAX + 1, sizeof(*lines));
    struct hark_line *read = NULL;
    struct hark_buf file = hark_buf_init(HARK_BATCH_FILE_MAX);
    size_t count = 0;
    struct hark_hash space = {{0}};
    assert_non_null(lines);
    for (size_t i = 0; i <= HARK_BATCH_ENTRIES_MAX; i++) {
        lines[i].position = HARK_NUMBER_MAX - HARK_BATCH_ENTRIES_MAX + i;
        lines[i].arrival_ms = HARK_NUMBER_MAX;
        lines[i].accepted_ms = i;
        if (i % 2 == 0) {
            hark_origin(lines[i].intake, "a-node", &space, 0);
            lines[i].intake_position = i;
        }
    }
    assert_int_equal(hark_lines_encode(&file, lines, HARK_BATCH_ENTRIES_MAX, NULL), 0);
    assert_int_equal(hark_lines_decode(&read, &count, hark_buf_span(&file), NULL), 0);
    assert_int_equal(count, HARK_BATCH_ENTRIES_MAX);
    assert_memory_equal(lines, read, count * sizeof(*lines));
    free(read);
    /* One more is too many; none are none. */
    hark_buf_clear(&file);
    assert_int_equal(hark_lines_encode(&file, lines, HARK_BATCH_ENTRIES_MAX + 1, NULL), 0);
    assert_int_equal(hark_lines_decode(&read, &count, hark_buf_span(&file), NULL),
                     HARK_E_BATCH_ENTRIES);
    assert_int_equal(hark_lines_decode(&read, &count, hark_span(NULL, 0), NULL), 0);
    assert_null(read);
    assert_int_equal(count, 0);
    hark_buf_free(&file);
    free(lines);
}

/* The leaf as PROTOCOL.md 7.2 and 2.7 spell it out. */
static void test_batch__a_leaf_is_id_arrival_and_acceptance(void **state)
{
    (void)state;
    struct hark_line line = {.arrival_ms = 0x0102030405060708, .accepted_ms = 0x1112131415161718};
    uint8_t bytes[1 + HARK_HASH_SIZE + 16] = {0};
    memset(line.id.bytes, 0x77, HARK_HASH_SIZE);
    memset(bytes + 1, 0x77, HARK_HASH_SIZE);
    for (uint8_t i = 0; i < 8; i++) {
        bytes[33 + i] = (uint8_t)(i + 1);
        bytes[41 + i] = (uint8_t)(0x11 + i);
    }
    struct hark_hash wanted = hark_sha256(hark_span(bytes, sizeof(bytes)));
    struct hark_hash leaf = hark_line_leaf(&line);
    assert_true(hark_hash_equal(&wanted, &leaf));
}

static void test_batch__names_of_nodes_and_origins(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",
        "0",
        "a.b",
        "a-b",
        "home.example",
        "abcdefghijklmnopqrstuvwxyz.0123456789.abcdefghijklmnopqrstuvwxy"};
    static const char *const bad[] = {
        "",         ".",
        "-",        ".a",
        "a.",       "-a",
        "a-",       "A",
        "a b",      "a/b",
        "a_b",      "a\n",
        "\xc3\xb6", "abcdefghijklmnopqrstuvwxyz.0123456789.abcdefghijklmnopqrstuvwxyz"};
    char origin[HARK_ORIGIN_MAX + 1];
    struct hark_hash space;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(hark_node_name_valid(hark_span_str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(hark_node_name_valid(hark_span_str(bad[i])));
    }
    memset(space.bytes, 0xab, sizeof(space.bytes));
#define AB "abababababababababababababababababababababababababababababababab"
    hark_origin(origin, "a.b", &space, 12);
    assert_string_equal(origin, "a.b/" AB "/12");
    hark_origin(origin, "a.b", &space, 0);
    assert_string_equal(origin, "a.b/" AB "/intake");
}

static int setup(void **state)
{
    (void)state;
    char path[512];
    const char *top = getenv("HARK_SOURCE_DIR");
    assert_int_equal(hark_crypto_init(NULL), 0);
    int n = snprintf(path, sizeof(path), "%s/tests/vectors/batch.json", top == NULL ? "." : top);
    assert_true(n > 0 && (size_t)n < sizeof(path));
    vectors = json_load_file(path, 0, NULL);
    assert_non_null(vectors);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

/* Main of an intake's batches may stand still and go on, and goes not back. */
static void test_batch__main_never_goes_back(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_number(6);
    struct hark_hash space = {{0}};
    struct hark_log_head head = {.log_key = *hark_signer_key(signer)};
    const uint64_t sizes[] = {4, 4, 9, 8, 9};
    struct hark_git_id entry = {{1}}, tree = {{2}};
    hark_origin(head.origin, "a", &space, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct hark_span object = hark_span_str(i == 0 ? "a" : i == 1 ? "b" : i == 2 ? "c" : "d");
        struct hark_raw_entry item = {.object = object};
        struct hark_line line = {.position = head.tree.size,
                                 .arrival_ms = 1000,
                                 .accepted_ms = 1000,
                                 .id = hark_sha256(object)};
        struct hark_buf entries = hark_buf_init(HARK_BATCH_FILE_MAX);
        struct hark_buf note = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
        struct hark_buf commit = hark_buf_init(HARK_BATCH_COMMIT_MAX);
        struct hark_merkle after = head.tree;
        struct hark_hash leaf = hark_line_leaf(&line);
        struct hark_line *lines = NULL;
        struct hark_batch read;
        assert_int_equal(hark_lines_encode(&entries, &line, 1, NULL), 0);
        hark_merkle_append(&after, &leaf);
        struct hark_checkpoint cp = {.size = after.size, .root = hark_merkle_root(&after)};
        memcpy(cp.origin, head.origin, sizeof(cp.origin));
        assert_int_equal(hark_checkpoint_sign(&note, &cp, signer, NULL, NULL), 0);
        struct hark_batch batch = {.first = head.tree.size,
                                   .count = 1,
                                   .time_ms = 2000,
                                   .has_previous = head.has_batch,
                                   .previous = head.batch,
                                   .previous_id = head.batch_id,
                                   .entries = hark_sha256(hark_buf_span(&entries)),
                                   .has_main = true,
                                   .main_size = sizes[i]};
        memcpy(batch.origin, head.origin, sizeof(batch.origin));
        assert_int_equal(hark_batch_build(&commit, &batch, &tree, &entry, signer, NULL), 0);
        struct hark_raw_batch raw = {.commit = hark_buf_span(&commit),
                                     .entries = hark_buf_span(&entries),
                                     .checkpoint = hark_buf_span(&note),
                                     .count = 1,
                                     .items = &item};
        int rc = hark_batch_check(&head, &read, &lines, NULL, NULL, &head, &raw, 5000, NULL);
        assert_int_equal(rc, i == 3 ? HARK_E_BATCH_MAIN : 0);
        assert_int_equal(head.main_size, i == 3 ? 9 : sizes[i]);
        free(lines);
        hark_buf_free(&entries);
        hark_buf_free(&note);
        hark_buf_free(&commit);
    }
    hark_signer_free(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch__valid_vectors_lead_from_head_to_head),
        cmocka_unit_test(test_batch__next_may_be_the_head_itself),
        cmocka_unit_test(test_batch__main_never_goes_back),
        cmocka_unit_test(test_batch__may_be_300_seconds_ahead),
        cmocka_unit_test(test_batch__each_rule_broken_alone_is_named),
        cmocka_unit_test(test_batch__there_is_a_vector_for_every_rule),
        cmocka_unit_test(test_batch__no_byte_can_be_another),
        cmocka_unit_test(test_batch__entries_must_be_as_many_as_named),
        cmocka_unit_test(test_batch__files_have_limits),
        cmocka_unit_test(test_batch__round_trip),
        cmocka_unit_test(test_batch__nothing_is_signed_that_would_be_refused),
        cmocka_unit_test(test_batch__lines_round_trip),
        cmocka_unit_test(test_batch__a_leaf_is_id_arrival_and_acceptance),
        cmocka_unit_test(test_batch__names_of_nodes_and_origins),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
