/*
 * Writes batch.json: make_batch_vectors [CORPUS-FOLDER] >batch.json. All of it
 * is deterministic; ctest compares what it writes with the file in git.
 *
 * A log of three batches is made as a node makes it. What is invalid is broken
 * first and signed then, so that it breaks its own rule and no other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "craft.h"
#include "schemas/batch.h"

enum { AUTHOR_SEED = 2, LOG_SEED = 4, STRANGER_SEED = 5 };

#define NODE     "home.example"
#define LOG_KEY  "ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c"
#define STRANGER "6e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf1"
#define SPACE    "5050505050505050505050505050505050505050505050505050505050505050"
#define OTHER    "6060606060606060606060606060606060606060606060606060606060606060"
#define ORIGIN   NODE "/" SPACE "/1"
#define INTAKE_A "alpha.example/" SPACE "/intake"
#define INTAKE_B "beta.example/" SPACE "/intake"
#define ZERO_40  "0000000000000000000000000000000000000000"
#define ZERO_64  "0000000000000000000000000000000000000000000000000000000000000000"

/* The times: of the first batch and on, in milliseconds. */
#define T0     UINT64_C(1795256130000)
#define TIME_0 "2026-11-21T10:15:30.000Z"

#define OBJECTS 5

static const char *corpus;
static struct hark_buf objects[OBJECTS]; /* the entries of the log, in order */
static struct hark_git_id object_ids[OBJECTS];

/* A whole batch that can be written down. */
struct whole {
    struct hark_buf commit, entries, checkpoint;
    struct hark_git_id tree, entry_ids[OBJECTS];
    size_t first, count; /* of objects */
};

/* What differs from the batch that a node would make. */
struct recipe {
    const char *rule, *error, *name;
    int batch;                      /* which of the three */
    struct craft_edit lines[3];     /* of the file entries, before it is hashed */
    struct craft_edit commit[4];    /* before it is signed */
    struct craft_edit after[2];     /* of the commit, after */
    struct craft_edit note[3];      /* of the checkpoint's text, before it is signed */
    uint8_t commit_seed, note_seed; /* other keys */
    int first_object;               /* objects from here on instead, when not 0 */
    bool cosigned;                  /* a second signature on the note */
    bool swapped;                   /* the first two entry parents */
    uint64_t now_ms;                /* the reader's clock, when not 0 */
};

static void make_objects(void)
{
    struct hark_entry entry = {.has_space = true, .seq = 1, .time_ms = T0, .kind = "idea"};
    const struct hark_signer *signer = craft_signer(AUTHOR_SEED);
    entry.author = *hark_signer_key(signer);
    memset(entry.space.bytes, 0x50, HARK_HASH_SIZE);
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = craft_buf();
        craft_require(hark_entry_build(&objects[i], &entry, signer, NULL) == 0, "no entry");
        object_ids[i] = craft_git_id("commit", hark_buf_span(&objects[i]));
        entry.seq++;
        entry.time_ms += 10;
        entry.previous = entry.id;
        entry.parent = object_ids[i];
    }
}

/* ---- the log as its node makes it ----
 *
 * Batch 0: entries 0 and 1, first-hand. Batch 1: entries 2 and 3, the first from
 * an intake. Batch 2: none, but a Taken. */

struct shape {
    size_t first, count;
    uint64_t time_ms;
    size_t taken_count;
};
static const struct shape shapes[] = {
    {0, 2, T0 + 500, 0}, {2, 2, T0 + 2000, 2}, {4, 0, T0 + 3000, 1}};

#define BATCHES (sizeof(shapes) / sizeof(shapes[0]))

static struct hark_line line_of(size_t position)
{
    struct hark_line line = {.position = position,
                             .id = hark_sha256(hark_buf_span(&objects[position]))};
    line.arrival_ms = T0 + (position < 2 ? 100 : 1000) + position;
    line.accepted_ms = line.arrival_ms;
    if (position == 2) {
        line.accepted_ms = T0 + 50;
        line.intake_position = 17;
        memcpy(line.intake, INTAKE_A, sizeof(INTAKE_A));
    }
    return line;
}

static void add_taken(struct hark_batch *batch, const char *origin, uint64_t size)
{
    struct hark_taken *taken = &batch->taken[batch->taken_count++];
    memcpy(taken->origin, origin, strlen(origin) + 1);
    taken->size = size;
    taken->root = craft_hash(origin);
}

static struct hark_log_head empty_head(void)
{
    struct hark_log_head head = {.origin = ORIGIN};
    head.log_key = *hark_signer_key(craft_signer(LOG_SEED));
    return head;
}

/* "100644 <name>\0<id>" for each file, in byte order. */
static struct hark_git_id tree_of(const struct whole *whole)
{
    struct hark_buf tree = craft_buf();
    struct hark_git_id checkpoint = craft_git_id("blob", hark_buf_span(&whole->checkpoint));
    struct hark_git_id entries = craft_git_id("blob", hark_buf_span(&whole->entries));
    craft_require(hark_buf_append(&tree, "100644 checkpoint", 18, NULL) == 0 &&
                      hark_buf_append(&tree, checkpoint.bytes, HARK_GIT_ID_SIZE, NULL) == 0 &&
                      hark_buf_append(&tree, "100644 entries", 15, NULL) == 0 &&
                      hark_buf_append(&tree, entries.bytes, HARK_GIT_ID_SIZE, NULL) == 0,
                  "too long");
    struct hark_git_id id = craft_git_id("tree", hark_buf_span(&tree));
    hark_buf_free(&tree);
    return id;
}

static void make_note(struct hark_buf *out, const struct hark_checkpoint *checkpoint,
                      const struct recipe *recipe)
{
    struct hark_buf text = craft_buf();
    uint8_t seed = recipe->note_seed != 0 ? recipe->note_seed : LOG_SEED;
    craft_require(hark_checkpoint_encode(&text, checkpoint, NULL) == 0, "no checkpoint");
    craft_edit(&text, recipe->note);
    struct hark_span body = hark_buf_span(&text);
    struct hark_span rest = body;
    struct hark_span origin;
    char name[HARK_ORIGIN_MAX + 1] = {0};
    craft_require(hark_take_line(&rest, &origin) && origin.size < sizeof(name), "no origin");
    memcpy(name, origin.data, origin.size);
    craft_require(
        hark_buf_append_span(out, body, NULL) == 0 && hark_buf_append_byte(out, '\n', NULL) == 0 &&
            hark_note_sign(out, body, name, HARK_NOTE_ED25519, craft_signer(seed), 0, NULL) == 0,
        "no note");
    if (recipe->cosigned) {
        craft_require(hark_note_sign(out, body, "witness.example", HARK_NOTE_COSIGNATURE_V1,
                                     craft_signer(STRANGER_SEED), T0 / 1000, NULL) == 0,
                      "no cosignature");
    }
    hark_buf_free(&text);
}

static struct hark_batch batch_of(const struct hark_log_head *head, size_t number,
                                  const struct whole *whole)
{
    const struct shape *shape = &shapes[number];
    struct hark_batch batch = {.origin = ORIGIN, .first = shape->first, .count = shape->count};
    batch.time_ms = shape->time_ms;
    batch.has_previous = head->has_batch;
    batch.previous = head->batch;
    batch.previous_id = head->batch_id;
    batch.entries = hark_sha256(hark_buf_span(&whole->entries));
    if (number == 1) {
        add_taken(&batch, INTAKE_A, 18);
        add_taken(&batch, INTAKE_B, 3);
    } else if (number == 2) {
        add_taken(&batch, INTAKE_A, 20);
    }
    return batch;
}

static void make_files(struct whole *out, const struct hark_log_head *head,
                       const struct recipe *recipe)
{
    const struct shape *shape = &shapes[recipe->batch];
    struct hark_checkpoint checkpoint = {.origin = ORIGIN, .size = shape->first + shape->count};
    struct hark_merkle tree = head->tree;
    for (size_t i = 0; i < shape->count; i++) {
        struct hark_line line = line_of(shape->first + i);
        craft_require(hark_lines_encode(&out->entries, &line, 1, NULL) == 0, "too long");
    }
    craft_edit(&out->entries, recipe->lines);
    /* The root is over what the lines say, where they can still be read. */
    struct hark_line *lines = NULL;
    size_t count = 0;
    bool readable = hark_lines_decode(&lines, &count, hark_buf_span(&out->entries), NULL) == 0 &&
                    count == shape->count;
    for (size_t i = 0; i < shape->count; i++) {
        struct hark_line line = readable ? lines[i] : line_of(shape->first + i);
        struct hark_hash leaf = hark_line_leaf(&line);
        hark_merkle_append(&tree, &leaf);
    }
    free(lines);
    checkpoint.root = hark_merkle_root(&tree);
    make_note(&out->checkpoint, &checkpoint, recipe);
}

static struct whole make(const struct hark_log_head *head, const struct recipe *recipe)
{
    const struct shape *shape = &shapes[recipe->batch];
    struct whole out = {.commit = craft_buf(), .entries = craft_buf(), .checkpoint = craft_buf()};
    const struct hark_signer *log_key = craft_signer(LOG_SEED);
    make_files(&out, head, recipe);
    struct hark_batch batch = batch_of(head, (size_t)recipe->batch, &out);
    out.first = recipe->first_object != 0 ? (size_t)recipe->first_object : shape->first;
    out.count = shape->count;
    out.tree = tree_of(&out);
    for (size_t i = 0; i < out.count; i++) {
        out.entry_ids[i] = object_ids[shape->first + (recipe->swapped ? out.count - 1 - i : i)];
    }
    craft_require(hark_batch_build(&out.commit, &batch, &out.tree, out.entry_ids, log_key, NULL) ==
                      0,
                  "no batch");
    craft_unsign(&out.commit);
    craft_edit(&out.commit, recipe->commit);
    craft_sign(&out.commit,
               craft_signer(recipe->commit_seed != 0 ? recipe->commit_seed : LOG_SEED));
    craft_edit(&out.commit, recipe->after);
    return out;
}

static void drop(struct whole *whole)
{
    hark_buf_free(&whole->commit);
    hark_buf_free(&whole->entries);
    hark_buf_free(&whole->checkpoint);
}

static struct hark_log_head heads[BATCHES + 1];

static void advance(struct hark_log_head *head, const struct whole *whole)
{
    struct hark_raw_entry items[OBJECTS] = {{.payload_state = 0}};
    struct hark_batch batch;
    struct hark_line *lines = NULL;
    struct hark_err err = {0};
    for (size_t i = 0; i < whole->count; i++) {
        items[i].object = hark_buf_span(&objects[whole->first + i]);
    }
    struct hark_raw_batch raw = {.commit = hark_buf_span(&whole->commit),
                                 .entries = hark_buf_span(&whole->entries),
                                 .checkpoint = hark_buf_span(&whole->checkpoint),
                                 .count = whole->count,
                                 .items = items};
    craft_require(hark_batch_check(head, &batch, &lines, NULL, NULL, head, &raw, T0 + 3000, &err) ==
                      0,
                  err.message);
    head->batch_id = craft_git_id("commit", raw.commit);
    free(lines);
}

/* ---- the invalid ones ---- */

static const struct recipe recipes[] = {
    {"B1", "batch-form", "another-version", 1, .commit = {ONE("Hark: 1\n", "Hark: 2\n")}},
    {"B1", "batch-form", "subject", 1, .commit = {ONE("batch 2 2\n", "batch 2 3\n")}},
    {"B1", "batch-form", "unknown-header", 1, .commit = {ONE("Time: ", "Size: 1\nTime: ")}},
    {"B1", "batch-form", "order", 1,
     .commit = {ONE("Time: 2026-11-21T10:15:32.000Z\n", ""),
                ONE("Positions: ", "Time: 2026-11-21T10:15:32.000Z\nPositions: ")}},
    {"B1", "batch-form", "empty-line", 2, .commit = {ONE("\nTaken: ", "\n\nTaken: ")}},
    {"B1", "batch-form", "leading-zero", 1,
     .commit = {ONE("Positions: 2 2\n", "Positions: 02 2\n"), ONE("batch 2 2\n", "batch 02 2\n")}},
    {"B1", "batch-form", "hash-case", 1, .commit = {OVER("\nPrevious: ", "\nPrevious: A", 1)}},
    {"B1", "batch-form", "time", 1, .commit = {ONE("10:15:32.000Z", "10:15:32Z")}},
    {"B1", "batch-form", "seconds", 1, .commit = {ALL(" 1795256132 ", " 1795256133 ")}},
    {"B1", "batch-form", "committer", 1,
     .commit = {ONE("committer " LOG_KEY, "committer " STRANGER)}},
    {"B1", "batch-form", "author", 1, .commit = {ALL(LOG_KEY, STRANGER)}},
    {"B1", "batch-form", "carriage-return", 1, .commit = {ONE("Hark: 1\n", "Hark: 1\r\n")}},
    {"B1", "batch-form", "main-in-the-main-log", 1,
     .commit = {ONE("\nTaken: ", "\nMain: 2 " ZERO_64 "\nTaken: ")}},
    {"B1", "batch-form", "intake-without-main", 0,
     .commit = {ONE(ORIGIN, NODE "/" SPACE "/intake")}},
    {"B1", "batch-form", "origin-form", 1, .commit = {ONE(ORIGIN, NODE "/" SPACE "/01")}},
    {"B1", "batch-form", "says-nothing", 2, .commit = {OVER("\nTaken: " INTAKE_A " 20 ", "", 64)}},
    {"B1", "batch-form", "armour", 1, .after = {ONE(" -----END SSH", " \n -----END SSH")}},

    {"B2", "batch-signature", "stranger", 1, .commit = {ALL(LOG_KEY, STRANGER)},
     .commit_seed = STRANGER_SEED},
    {"B2", "batch-signature", "words-changed", 1, .after = {ONE("10:15:32.000Z", "10:15:32.001Z")}},

    {"B3", "batch-origin", "incarnation", 1, .commit = {ONE(ORIGIN, NODE "/" SPACE "/2")}},
    {"B3", "batch-origin", "node", 1, .commit = {ONE(ORIGIN, "x" ORIGIN)}},
    {"B3", "batch-origin", "space", 0, .commit = {ONE(ORIGIN, NODE "/" OTHER "/1")}},

    {"B4", "batch-range", "first", 1,
     .commit = {ONE("batch 2 2\n", "batch 3 2\n"), ONE("Positions: 2 2\n", "Positions: 3 2\n")}},
    {"B4", "batch-range", "count", 1,
     .commit = {ONE("batch 2 2\n", "batch 2 3\n"), ONE("Positions: 2 2\n", "Positions: 2 3\n")}},
    {"B4", "batch-range", "parent-more", 1,
     .commit = {ONE("author ", "parent " ZERO_40 "\nauthor ")}},
    {"B4", "batch-range", "parent-more-in-the-first", 0,
     .commit = {ONE("author ", "parent " ZERO_40 "\nauthor ")}},

    {"B4", "batch-range", "a-line-less", 1, .lines = {OVER("\n3 ", "\n", 97)}},
    {"B4", "batch-range", "a-line-more", 1, .lines = {ONE(" - -\n", " - -\n\n")}},
    {"B5", "batch-previous", "hash", 1,
     .commit = {OVER("\nPrevious: ", "\nPrevious: " ZERO_64, 64)}},
    {"B5", "batch-previous", "parent", 1, .commit = {OVER("parent ", "parent " ZERO_40, 40)}},

    {"B5", "batch-previous", "none", 1,
     .commit = {OVER("parent ", "", 41), OVER("\nPrevious: ", "", 64)}},
    {"B5", "batch-previous", "one-in-the-first", 0,
     .commit = {ONE("parent ", "parent " ZERO_40 "\nparent "),
                ONE("\nEntries: ", "\nPrevious: " ZERO_64 "\nEntries: ")}},

    {"B6", "batch-tree", "tree", 1, .commit = {OVER("tree ", "tree " ZERO_40, 40)}},

    {"B7", "batch-entries", "leading-zero", 1, .lines = {ONE("2 1795", "02 1795")}},
    {"B7", "batch-entries", "two-spaces", 1, .lines = {ONE("2 1795", "2  1795")}},
    {"B7", "batch-entries", "no-last-line-feed", 1, .lines = {ONE(" - -\n", " - -")}},
    {"B7", "batch-entries", "carriage-return", 1, .lines = {ONE(" - -\n", " - -\r\n")}},
    {"B7", "batch-entries", "position", 1, .lines = {ONE("\n3 1795", "\n4 1795")}},
    {"B7", "batch-entries", "positions", 1,
     .lines = {ONE("\n3 1795", "\n4 1795"), ONE("2 1795", "3 1795")}},
    {"B7", "batch-entries", "half-an-intake", 1, .lines = {ONE(INTAKE_A " 17", INTAKE_A " -")}},
    {"B7", "batch-entries", "no-intake", 1, .lines = {ONE(INTAKE_A, ORIGIN)}},
    {"B7", "batch-entries", "intake-of-another-space", 1,
     .lines = {ONE(INTAKE_A, "alpha.example/" OTHER "/intake")}},
    {"B7", "batch-entries", "hash", 1, .commit = {OVER("\nEntries: ", "\nEntries: " ZERO_64, 64)}},
    {"B7", "batch-entries", "other-entries", 1, .first_object = 1},

    {"B8", "batch-parents", "order", 1, .swapped = true},

    {"B9", "batch-arrival", "before-the-last", 0,
     .lines = {ONE("1 1795256130101 1795256130101", "1 1795256130099 1795256130099")}},
    {"B9", "batch-arrival", "before-the-last-batch", 1,
     .lines = {ONE("2 1795256131002", "2 1795256130100")}},
    {"B9", "batch-arrival", "after-the-batch", 1,
     .lines = {ONE("3 1795256131003 1795256131003", "3 1795256132001 1795256132001")}},
    {"B9", "batch-arrival", "before-it-was-accepted", 1,
     .lines = {ONE("1795256131002 1795256130050", "1795256131002 1795256131003")}},
    {"B9", "batch-arrival", "first-hand-and-accepted-before", 1,
     .lines = {ONE("3 1795256131003 1795256131003", "3 1795256131003 1795256131002")}},
    {"B9", "batch-arrival", "its-time-before-the-last-batchs", 2,
     .commit = {ONE("10:15:33.000Z", "10:15:31.999Z"), ALL(" 1795256133 ", " 1795256131 ")}},

    {"B10", "batch-ahead", "by-a-millisecond", 1, .now_ms = T0 + 2000 - HARK_AHEAD_MAX_MS - 1},

    {"B11", "batch-checkpoint", "key", 1, .note_seed = STRANGER_SEED},
    {"B11", "batch-checkpoint", "origin", 1, .note = {ONE(ORIGIN, NODE "/" SPACE "/2")}},
    {"B11", "batch-checkpoint", "size", 1, .note = {ONE("\n4\n", "\n5\n")}},
    {"B11", "batch-checkpoint", "second-signature", 1, .cosigned = true},

    {"B12", "batch-root", "root", 1,
     .note = {OVER("\n4\n", "\n4\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 44)}},

    {"B13", "batch-taken", "order", 1,
     .commit = {ONE(INTAKE_A " 18", "omega.example/" SPACE "/intake 18")}},
    {"B13", "batch-taken", "repeated", 1, .commit = {ONE(INTAKE_B " 3", INTAKE_A " 3")}},
    {"B13", "batch-taken", "no-intake", 1,
     .commit = {ONE(INTAKE_A " 18", "alpha.example/" SPACE "/1 18")}},
    {"B13", "batch-taken", "another-space", 1,
     .commit = {ONE(INTAKE_A " 18", "alpha.example/" OTHER "/intake 18")}},
};

/* ---- writing them down ---- */

static json_t *head_json(const struct hark_log_head *head)
{
    json_t *json = json_object();
    json_t *leaves = json_array();
    for (size_t i = 0; i < head->tree.size; i++) {
        struct hark_line line = line_of(i);
        struct hark_hash leaf = hark_line_leaf(&line);
        craft_require(json_array_append_new(leaves, craft_hex(leaf.bytes, HARK_HASH_SIZE)) == 0,
                      "no JSON");
    }
    struct hark_hash root = hark_merkle_root(&head->tree);
    craft_put(json, "origin", craft_string(head->origin));
    craft_put(json, "log_key", craft_hex(head->log_key.bytes, HARK_KEY_SIZE));
    craft_put(json, "leaves", leaves);
    craft_put(json, "size", craft_number(head->tree.size));
    craft_put(json, "root", craft_hex(root.bytes, HARK_HASH_SIZE));
    if (head->has_batch) {
        craft_put(json, "batch", craft_hex(head->batch.bytes, HARK_HASH_SIZE));
        craft_put(json, "batch_id", craft_hex(head->batch_id.bytes, HARK_GIT_ID_SIZE));
    }
    craft_put(json, "last_arrival_ms", craft_number(head->last_arrival_ms));
    craft_put(json, "last_time_ms", craft_number(head->last_time_ms));
    return json;
}

static json_t *whole_json(const struct whole *whole, const struct recipe *recipe)
{
    json_t *json = json_object();
    json_t *numbers = json_array();
    for (size_t i = 0; i < whole->count; i++) {
        craft_require(json_array_append_new(numbers, craft_number(whole->first + i)) == 0,
                      "no JSON");
    }
    craft_put(json, "name", craft_string(recipe->name));
    craft_put(json, "after", craft_number((uint64_t)recipe->batch));
    craft_put(json, "now_ms", craft_number(recipe->now_ms != 0 ? recipe->now_ms : T0 + 3000));
    craft_put(json, "commit", craft_base64(hark_buf_span(&whole->commit)));
    craft_put(json, "entries", craft_base64(hark_buf_span(&whole->entries)));
    craft_put(json, "checkpoint", craft_base64(hark_buf_span(&whole->checkpoint)));
    craft_put(json, "objects", numbers);
    return json;
}

static void put_sized(struct hark_buf *out, struct hark_span part)
{
    craft_require(hark_buf_append_u32(out, (uint32_t)part.size, NULL) == 0 &&
                      hark_buf_append_span(out, part, NULL) == 0,
                  "too long");
}

/* As fuzz_batch.c reads it: like a batch in a load (9.4), without payloads. */
static void give_corpus(const struct whole *whole, const char *rule, const char *name)
{
    struct hark_buf load = craft_buf();
    char file[96];
    put_sized(&load, hark_buf_span(&whole->commit));
    put_sized(&load, hark_buf_span(&whole->entries));
    put_sized(&load, hark_buf_span(&whole->checkpoint));
    for (size_t i = 0; i < whole->count; i++) {
        put_sized(&load, hark_buf_span(&objects[whole->first + i]));
    }
    (void)snprintf(file, sizeof(file), "%s-%s", rule, name);
    craft_corpus(corpus, file, hark_buf_span(&load));
    hark_buf_free(&load);
}

static json_t *valid_json(void)
{
    static const char *const names[BATCHES] = {"first", "from-an-intake", "nothing-but-taken"};
    json_t *list = json_array();
    heads[0] = empty_head();
    for (size_t i = 0; i < BATCHES; i++) {
        struct recipe recipe = {.name = names[i], .batch = (int)i};
        struct whole whole = make(&heads[i], &recipe);
        heads[i + 1] = heads[i];
        advance(&heads[i + 1], &whole);
        json_t *json = whole_json(&whole, &recipe);
        craft_put(json, "tree", craft_hex(whole.tree.bytes, HARK_GIT_ID_SIZE));
        craft_require(json_array_append_new(list, json) == 0, "no JSON");
        give_corpus(&whole, "valid", names[i]);
        drop(&whole);
    }
    return list;
}

static json_t *invalid_json(void)
{
    json_t *list = json_array();
    const char *last = "";
    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
        const struct recipe *recipe = &recipes[i];
        struct whole whole = make(&heads[recipe->batch], recipe);
        json_t *json = whole_json(&whole, recipe);
        craft_put(json, "rule", craft_string(recipe->rule));
        craft_put(json, "error", craft_string(recipe->error));
        craft_require(json_array_append_new(list, json) == 0, "no JSON");
        /* One of each rule is seed enough for a fuzzer. */
        if (strcmp(last, recipe->rule) != 0) {
            give_corpus(&whole, recipe->rule, recipe->name);
            last = recipe->rule;
        }
        drop(&whole);
    }
    return list;
}

int main(int argc, char **argv)
{
    char hex[2 * HARK_KEY_SIZE + 1];
    corpus = argc > 1 ? argv[1] : NULL;
    hark_key_hex(hex, hark_signer_key(craft_signer(LOG_SEED)));
    craft_require(strcmp(hex, LOG_KEY) == 0, hex);
    hark_key_hex(hex, hark_signer_key(craft_signer(STRANGER_SEED)));
    craft_require(strcmp(hex, STRANGER) == 0, hex);
    make_objects();

    json_t *root = json_object();
    json_t *list = json_array();
    json_t *valid = valid_json();
    json_t *invalid = invalid_json();
    for (size_t i = 0; i < OBJECTS; i++) {
        craft_require(json_array_append_new(list, craft_base64(hark_buf_span(&objects[i]))) == 0,
                      "no JSON");
    }
    craft_put(root, "description",
              craft_string("Batches (PROTOCOL.md 7.2). `heads` are where a log stands before its "
                           "first, second and third batch and after them; a vector is the batch "
                           "`after` that head, at the reader's time `now_ms`, with the entries "
                           "that `objects` counts. Bytes are in base64. Each invalid one breaks "
                           "just its rule; B6 and B8 show only where git's ids are computed. Log "
                           "key: the Ed25519 seed of 32 times 0x04."));
    json_t *places = json_array();
    for (size_t i = 0; i <= BATCHES; i++) {
        craft_require(json_array_append_new(places, head_json(&heads[i])) == 0, "no JSON");
    }
    craft_put(root, "heads", places);
    craft_put(root, "objects", list);
    craft_put(root, "valid", valid);
    craft_put(root, "invalid", invalid);
    craft_write(root);
    json_decref(root);
    for (size_t i = 0; i < OBJECTS; i++) {
        hark_buf_free(&objects[i]);
    }
    return 0;
}
