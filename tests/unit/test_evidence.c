/*
 * schemas/evidence: what convicts is written and read, what does not is refused, and no
 * byte of it can be another so that it convicts of something else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/evidence.h"
#include "schemas/receipt.h"
#include "tests/support/worldgen.h"
#include "tests/unit/leaves.h"

#define LEAVES 13u
#define SHARED 5u /* the two histories begin with */
#define TIME_S UINT64_C(1795255530)
#define NODE   "p.example"

/* A history of the space. */
struct log {
    struct hark_line lines[LEAVES];
    struct hark_hash leaves[LEAVES];
};

struct stage {
    struct world *world;
    char origin[HARK_ORIGIN_MAX + 1];
    struct log a, b;
};

static void fill(struct log *log, uint8_t number)
{
    for (unsigned i = 0; i < LEAVES; i++) {
        struct hark_line *line = &log->lines[i];

        *line = (struct hark_line){
            .position = i, .arrival_ms = 1000 * (TIME_S + i), .accepted_ms = 1000 * (TIME_S + i)};
        line->id.bytes[0] = (uint8_t)i;
        line->id.bytes[1] = i < SHARED ? 0 : number;
        log->leaves[i] = hark_line_leaf(line);
    }
}

static int set_up(void **state)
{
    static struct stage stage;

    stage.world = world_new(3, NULL, NULL);
    hark_origin(stage.origin, WORLD_HOME, &stage.world->space, 1);
    fill(&stage.a, 1);
    fill(&stage.b, 2);
    *state = &stage;
    return 0;
}

static int tear_down(void **state)
{
    world_free(((struct stage *)*state)->world);
    return 0;
}

/* --- what files are made of ---------------------------------------------------------------- */

/* A checkpoint of `size` of the log's entries, by a log key. */
static struct hark_buf note_by(const char *origin, struct log *log, uint64_t size, uint32_t key)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_checkpoint cp = {.size = size};

    (void)snprintf(cp.origin, sizeof(cp.origin), "%s", origin);
    assert_int_equal(hark_merkle_root_at(&cp.root, size, leaves_read, log->leaves, NULL), 0);
    assert_int_equal(hark_checkpoint_sign(&note, &cp, world_signer(key), NULL, NULL), 0);
    return note;
}

static struct hark_buf note_of(struct stage *s, struct log *log, uint64_t size)
{
    return note_by(s->origin, log, size, WORLD_LOG);
}

/* The same, cosigned at a time. */
static struct hark_buf cosigned_by(struct stage *s, struct log *log, uint64_t size, uint64_t time_s,
                                   const char *name, uint32_t cosigner)
{
    struct hark_buf note = note_of(s, log, size), line = hark_buf_init(HARK_NOTE_MAX);
    struct hark_span text = hark_span(note.data, 0);

    while (memcmp(text.data + text.size, "\n\n", 2) != 0)
        text.size++;
    text.size++;
    assert_int_equal(hark_note_sign(&line, text, name, HARK_NOTE_COSIGNATURE_V1,
                                    world_signer(cosigner), time_s, NULL),
                     0);
    assert_int_equal(hark_buf_append_span(&note, hark_buf_span(&line), NULL), 0);
    hark_buf_free(&line);
    return note;
}

static struct hark_buf cosigned_of(struct stage *s, struct log *log, uint64_t size, uint64_t time_s)
{
    return cosigned_by(s, log, size, time_s, NODE, WORLD_COSIGNER);
}

static struct hark_buf receipt_of(struct stage *s, struct log *log, uint64_t position,
                                  uint64_t size)
{
    static const struct hark_git_id commit = {{1, 2, 3}};
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX), note = note_of(s, log, size);
    struct hark_proof path;

    assert_int_equal(
        hark_merkle_prove_inclusion(&path, position, size, leaves_read, log->leaves, NULL), 0);
    assert_int_equal(hark_receipt_encode(&file, &log->lines[position], &commit, &path,
                                         hark_buf_span(&note), NULL),
                     0);
    hark_buf_free(&note);
    return file;
}

static struct hark_evidence_parts parts_of(enum hark_evidence_kind kind, uint32_t key,
                                           const struct hark_buf *first,
                                           const struct hark_buf *second)
{
    return (struct hark_evidence_parts){.kind = kind,
                                        .key = *world_key(key),
                                        .parts = {hark_buf_span(first), hark_buf_span(second)}};
}

static void add_path(struct hark_evidence_parts *parts, struct log *log, uint64_t old_size,
                     uint64_t size)
{
    parts->has_path = true;
    assert_int_equal(hark_merkle_root_at(&parts->root, old_size, leaves_read, log->leaves, NULL),
                     0);
    assert_int_equal(
        hark_merkle_prove_consistency(&parts->path, old_size, size, leaves_read, log->leaves, NULL),
        0);
}

static void add_first(struct stage *s, struct hark_evidence_parts *parts)
{
    parts->has_first = true;
    parts->first = s->world->log[0]->object;
    parts->payload = s->world->log[0]->payload;
}

static void add_cosigner(struct hark_evidence_parts *parts)
{
    (void)snprintf(parts->cosigner, sizeof(parts->cosigner), NODE);
    if (parts->kind == HARK_EVIDENCE_BACKDATED)
        parts->cosigner_key = *world_key(WORLD_COSIGNER);
}

/* --- trying ---------------------------------------------------------------------------------- */

/* Writes it, reads it, and compares what is written with what is written again. */
static struct hark_evidence holds(const struct hark_evidence_parts *parts)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX), again = file;
    struct hark_evidence_parts *read = calloc(1, sizeof(*read));
    struct hark_evidence out;
    struct hark_err err = {0};

    assert_non_null(read);
    if (hark_evidence_encode(&file, parts, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(hark_evidence_read(&out, hark_buf_span(&file), NULL), 0);
    assert_int_equal(out.kind, parts->kind);
    assert_true(hark_key_equal(&out.key, &parts->key));
    assert_int_equal(hark_evidence_decode(read, hark_buf_span(&file), NULL), 0);
    assert_int_equal(hark_evidence_encode(&again, read, NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&file), hark_buf_span(&again)));
    free(read);
    hark_buf_free(&file);
    hark_buf_free(&again);
    return out;
}

static void refused(const struct hark_evidence_parts *parts, const char *why)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct hark_err err = {0};

    assert_int_equal(hark_evidence_encode(&file, parts, &err), HARK_E_EVIDENCE);
    assert_int_equal(file.size, 0);
    if (strstr(err.message, why) == NULL)
        fail_msg("'%s' says nothing of '%s'", err.message, why);
    hark_buf_free(&file);
}

static void same_side(const struct hark_evidence_side *a, const struct hark_evidence_side *b)
{
    assert_string_equal(a->checkpoint.origin, b->checkpoint.origin);
    assert_int_equal(a->checkpoint.size, b->checkpoint.size);
    assert_true(hark_hash_equal(&a->checkpoint.root, &b->checkpoint.root));
    assert_int_equal(a->time_s, b->time_s);
    assert_int_equal(a->is_receipt, b->is_receipt);
    assert_int_equal(a->line.position, b->line.position);
    assert_int_equal(a->line.arrival_ms, b->line.arrival_ms);
    assert_int_equal(a->line.accepted_ms, b->line.accepted_ms);
    assert_true(hark_hash_equal(&a->line.id, &b->line.id));
    assert_string_equal(a->line.intake, b->line.intake);
    assert_int_equal(a->line.intake_position, b->line.intake_position);
    assert_true(hark_hash_equal(&a->id, &b->id));
}

/* All but whether the first entry came along. */
static void same_proved(const struct hark_evidence *a, const struct hark_evidence *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->claim, b->claim);
    assert_true(hark_key_equal(&a->key, &b->key));
    assert_true(hark_hash_equal(&a->space, &b->space));
    assert_string_equal(a->node, b->node);
    assert_int_equal(a->is_intake, b->is_intake);
    assert_string_equal(a->cosigner, b->cosigner);
    assert_true(hark_key_equal(&a->cosigner_key, &b->cosigner_key));
    same_side(&a->sides[0], &b->sides[0]);
    same_side(&a->sides[1], &b->sides[1]);
    assert_int_equal(a->seq, b->seq);
    assert_string_equal(a->intake_node, b->intake_node);
    assert_true(hark_key_equal(&a->intake_key, &b->intake_key));
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->said_ms, b->said_ms);
    assert_int_equal(a->cosigner_count, b->cosigner_count);
    for (size_t i = 0; i < a->cosigner_count; i++) {
        assert_string_equal(a->cosigners[i].name, b->cosigners[i].name);
        assert_true(hark_key_equal(&a->cosigners[i].key, &b->cosigners[i].key));
    }
}

static bool says_the_same(const struct hark_evidence *a, const struct hark_evidence *b)
{
    same_proved(a, b);
    return a->has_first == b->has_first && a->is_named == b->is_named;
}

/* With any byte another, or cut short, it is refused, or says the same. */
static void every_byte_counts(const struct hark_evidence_parts *parts, size_t step)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct hark_evidence was, now;

    assert_int_equal(hark_evidence_encode(&file, parts, NULL), 0);
    assert_int_equal(hark_evidence_read(&was, hark_buf_span(&file), NULL), 0);
    for (size_t at = 0; at < file.size; at++) {
        uint8_t byte = file.data[at];

        for (size_t value = at % step; value < 256; value += step) {
            file.data[at] = (uint8_t)value;
            if (value != byte && hark_evidence_read(&now, hark_buf_span(&file), NULL) == 0)
                assert_true(says_the_same(&now, &was));
        }
        file.data[at] = byte;
    }
    for (size_t size = 0; size < file.size; size++) {
        /* Without the first entry it is a file as well. */
        if (hark_evidence_read(&now, hark_span(file.data, size), NULL) != 0)
            continue;
        assert_true(parts->has_first && !now.has_first && !now.is_named);
        same_proved(&now, &was);
    }
    assert_int_equal(hark_buf_append_byte(&file, '\n', NULL), 0);
    assert_int_equal(hark_evidence_read(&now, hark_buf_span(&file), NULL), HARK_E_EVIDENCE_FORM);
    hark_buf_free(&file);
}

/* --- forks ----------------------------------------------------------------------------------- */

static void test_evidence__two_roots_of_one_size(void **state)
{
    struct stage *s = *state;
    struct hark_buf a = note_of(s, &s->a, 9), b = note_of(s, &s->b, 9);
    struct hark_evidence_parts parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);
    struct hark_evidence out = holds(&parts);

    assert_int_equal(out.claim, HARK_CLAIM_ROOT);
    assert_string_equal(out.node, WORLD_HOME);
    assert_true(hark_hash_equal(&out.space, &s->world->space));
    assert_int_equal(out.sides[0].checkpoint.size, 9);
    assert_false(out.has_first || out.is_named || out.is_intake);
    add_first(s, &parts);
    out = holds(&parts);
    assert_true(out.has_first && out.is_named);
    every_byte_counts(&parts, 151);

    parts.key = *world_key(WORLD_COSIGNER);
    refused(&parts, "the first signature");
    parts.key = *world_key(WORLD_LOG);
    parts.parts[1] = parts.parts[0];
    refused(&parts, "the same");
    hark_buf_free(&a);
    hark_buf_free(&b);
}

static void test_evidence__two_beginnings(void **state)
{
    struct stage *s = *state;
    struct hark_buf a = note_of(s, &s->a, 7), b = note_of(s, &s->b, LEAVES);
    struct hark_buf early = note_of(s, &s->a, SHARED);
    struct hark_evidence_parts parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);

    refused(&parts, "proof");
    add_path(&parts, &s->b, 7, LEAVES);
    assert_int_equal(holds(&parts).claim, HARK_CLAIM_BEGINNING);
    every_byte_counts(&parts, 97);
    /* The proof is of the first's own tree: it leads elsewhere. */
    memset(&parts.path, 0, sizeof(parts.path));
    add_path(&parts, &s->a, 7, LEAVES);
    refused(&parts, "how the larger log begins");
    /* Nothing is wrong up to where they part. */
    memset(&parts.path, 0, sizeof(parts.path));
    add_path(&parts, &s->b, SHARED, LEAVES);
    parts.parts[0] = hark_buf_span(&early);
    refused(&parts, "begins with just the smaller one");
    hark_buf_free(&a);
    hark_buf_free(&b);
    hark_buf_free(&early);
}

static void test_evidence__of_different_logs(void **state)
{
    struct stage *s = *state;
    char other[HARK_ORIGIN_MAX + 1];
    const struct hark_hash nowhere = {{9}};
    static const char *const odd[] = {"home.example", "home.example/1/1"};
    struct hark_buf a = note_of(s, &s->a, 9), b;
    struct hark_evidence_parts parts;

    for (unsigned i = 0; i < 5; i++) {
        if (i < 2)
            (void)snprintf(other, sizeof(other), "%s", odd[i]);
        else
            hark_origin(other, i == 2 ? "home2.example" : WORLD_HOME,
                        i == 3 ? &nowhere : &s->world->space, i == 4 ? 0 : 1);
        b = note_by(other, &s->b, 9, WORLD_LOG);
        parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);
        refused(&parts, i < 2 ? "of no log" : "different logs");
        hark_buf_free(&b);
    }
    hark_origin(other, WORLD_HOME, &s->world->space, 2); /* a later home's history is its own */
    b = note_by(other, &s->b, 9, WORLD_LOG);
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);
    refused(&parts, "different logs");
    hark_buf_free(&a);
    a = note_by(other, &s->a, 9, WORLD_LOG);
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);
    assert_int_equal(holds(&parts).claim, HARK_CLAIM_ROOT);
    hark_buf_free(&a);
    hark_buf_free(&b);
    hark_origin(other, WORLD_HOME, &s->world->space, 0);
    a = note_by(other, &s->a, 9, WORLD_LOG);
    b = note_by(other, &s->b, 9, WORLD_LOG);
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);
    assert_true(holds(&parts).is_intake);
    hark_buf_free(&a);
    hark_buf_free(&b);
}

static void test_evidence__receipts(void **state)
{
    struct stage *s = *state;
    struct hark_buf a = receipt_of(s, &s->a, 6, 7), b = receipt_of(s, &s->b, 6, LEAVES);
    struct hark_buf note = note_of(s, &s->b, LEAVES), seven = note_of(s, &s->b, 7);
    struct hark_buf early = receipt_of(s, &s->a, 2, 7);
    struct hark_evidence_parts parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);
    struct hark_evidence out = holds(&parts);

    assert_int_equal(out.claim, HARK_CLAIM_ENTRY);
    assert_true(hark_hash_equal(&out.sides[0].id, &s->a.lines[6].id));
    every_byte_counts(&parts, 151);
    /* In either order. */
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &b, &a);
    assert_int_equal(holds(&parts).sides[0].checkpoint.size, 7);
    /* In place of a note. */
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &seven, &a);
    assert_int_equal(holds(&parts).claim, HARK_CLAIM_ROOT);
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &early, &note);
    refused(&parts, "proof");
    add_path(&parts, &s->b, 7, LEAVES);
    assert_int_equal(holds(&parts).claim, HARK_CLAIM_BEGINNING);
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &early, &b);
    refused(&parts, "proof");
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &early, &a);
    refused(&parts, "the same");
    hark_buf_free(&a);
    hark_buf_free(&b);
    hark_buf_free(&early);
    hark_buf_free(&note);
    hark_buf_free(&seven);
}

/* --- times ----------------------------------------------------------------------------------- */

static void test_evidence__backdated(void **state)
{
    struct stage *s = *state;
    uint64_t arrival_s = TIME_S + 9;
    struct hark_buf receipt = receipt_of(s, &s->a, 9, LEAVES);
    struct hark_buf late = cosigned_of(s, &s->a, 9, arrival_s + HARK_BACKDATED_S + 1);
    struct hark_buf soon = cosigned_of(s, &s->a, 9, arrival_s + HARK_BACKDATED_S);
    struct hark_buf more = cosigned_of(s, &s->a, 10, arrival_s + 4000);
    struct hark_evidence_parts parts =
        parts_of(HARK_EVIDENCE_BACKDATED, WORLD_LOG, &late, &receipt);
    struct hark_evidence out;

    add_cosigner(&parts);
    out = holds(&parts);
    assert_string_equal(out.cosigner, NODE);
    assert_string_equal(out.node, WORLD_HOME);
    assert_int_equal(out.claim, HARK_CLAIM_TIME);
    assert_false(hark_evidence_convicts(&out));
    assert_int_equal(out.sides[0].time_s, arrival_s + HARK_BACKDATED_S + 1);
    assert_int_equal(out.sides[1].line.position, 9);
    every_byte_counts(&parts, 151);
    parts.parts[0] = hark_buf_span(&soon);
    refused(&parts, "about the time");
    parts.parts[0] = hark_buf_span(&more);
    refused(&parts, "stands in what was cosigned");
    parts.parts[0] = parts.parts[1] = hark_buf_span(&late);
    refused(&parts, "no receipt");
    parts.parts[1] = hark_buf_span(&receipt);
    parts.cosigner_key = *world_key(WORLD_AUTHOR);
    refused(&parts, "cosignature");
    hark_buf_free(&receipt);
    hark_buf_free(&late);
    hark_buf_free(&soon);
    hark_buf_free(&more);
}

/* The home against its own word. */
static void test_evidence__backdated_by_its_own_word(void **state)
{
    struct stage *s = *state;
    uint64_t said_s = TIME_S + 9 + HARK_BACKDATED_S + 1;
    struct hark_buf receipt = receipt_of(s, &s->a, 9, LEAVES);
    struct hark_buf said = cosigned_by(s, &s->a, 9, said_s, WORLD_HOME, WORLD_COSIGNER);
    struct hark_buf soon = cosigned_by(s, &s->a, 9, said_s - 1, WORLD_HOME, WORLD_COSIGNER);
    struct hark_buf other = cosigned_by(s, &s->a, 9, said_s, WORLD_HOME, WORLD_AUTHOR);
    struct hark_buf longer = cosigned_by(s, &s->a, 9, said_s, WORLD_HOME ".de", WORLD_COSIGNER);
    struct hark_evidence_parts parts =
        parts_of(HARK_EVIDENCE_BACKDATED, WORLD_LOG, &said, &receipt);
    struct hark_evidence out;

    add_cosigner(&parts);
    (void)snprintf(parts.cosigner, sizeof(parts.cosigner), WORLD_HOME);
    /* Whose keys they are nobody has said. */
    out = holds(&parts);
    assert_int_equal(out.claim, HARK_CLAIM_STATEMENT);
    assert_false(out.is_named);
    assert_false(hark_evidence_convicts(&out));
    add_first(s, &parts);
    out = holds(&parts);
    assert_int_equal(out.claim, HARK_CLAIM_STATEMENT);
    assert_true(out.is_named);
    assert_true(hark_evidence_convicts(&out));
    assert_string_equal(out.cosigner, WORLD_HOME);
    every_byte_counts(&parts, 251);
    parts.parts[0] = hark_buf_span(&soon);
    refused(&parts, "about the time");
    /* Somebody else under the home's name; and the home's key under another. */
    parts.parts[0] = hark_buf_span(&other);
    refused(&parts, "cosignature");
    parts.cosigner_key = *world_key(WORLD_AUTHOR);
    out = holds(&parts);
    assert_int_equal(out.claim, HARK_CLAIM_TIME);
    assert_true(out.is_named);
    assert_false(hark_evidence_convicts(&out));
    parts.has_first = false;
    out = holds(&parts);
    assert_false(hark_evidence_convicts(&out));
    add_first(s, &parts);
    parts.parts[0] = hark_buf_span(&longer);
    parts.cosigner_key = *world_key(WORLD_COSIGNER);
    (void)snprintf(parts.cosigner, sizeof(parts.cosigner), WORLD_HOME ".de");
    out = holds(&parts);
    assert_int_equal(out.claim, HARK_CLAIM_TIME);
    assert_false(hark_evidence_convicts(&out));
    hark_buf_free(&receipt);
    hark_buf_free(&said);
    hark_buf_free(&soon);
    hark_buf_free(&other);
    hark_buf_free(&longer);
}

static void test_evidence__backwards(void **state)
{
    struct stage *s = *state;
    struct hark_buf small = cosigned_of(s, &s->a, 7, TIME_S + 50);
    struct hark_buf large = cosigned_of(s, &s->a, 9, TIME_S + 49);
    struct hark_buf later = cosigned_of(s, &s->a, 9, TIME_S + 50);
    struct hark_buf other = cosigned_of(s, &s->b, 9, TIME_S + 70);
    struct hark_buf bare = note_of(s, &s->a, 9);
    struct hark_evidence_parts parts =
        parts_of(HARK_EVIDENCE_BACKWARDS, WORLD_COSIGNER, &small, &large);
    struct hark_evidence out;

    add_cosigner(&parts);
    add_first(s, &parts);
    out = holds(&parts);
    assert_int_equal(out.claim, HARK_CLAIM_TIME);
    assert_string_equal(out.node, NODE);
    assert_false(out.is_named); /* the home's cosigner goes by the home's name */
    every_byte_counts(&parts, 151);
    parts.has_first = false;
    parts.parts[1] = hark_buf_span(&later); /* as it should be */
    refused(&parts, "proof");
    add_path(&parts, &s->a, 7, 9);
    refused(&parts, "begins with just the smaller one");
    parts.parts[1] = hark_buf_span(&other);
    memset(&parts.path, 0, sizeof(parts.path));
    add_path(&parts, &s->b, 7, 9);
    assert_int_equal(holds(&parts).claim, HARK_CLAIM_BEGINNING);
    parts.has_path = false;
    parts.path.count = 0;
    parts.parts[0] = hark_buf_span(&later);
    assert_int_equal(holds(&parts).claim, HARK_CLAIM_ROOT);
    parts.parts[1] = hark_buf_span(&bare);
    refused(&parts, "cosignature");
    hark_buf_free(&small);
    hark_buf_free(&large);
    hark_buf_free(&later);
    hark_buf_free(&other);
    hark_buf_free(&bare);
}

/* --- twins ----------------------------------------------------------------------------------- */

static struct hark_buf entry_of(struct stage *s, uint32_t key, uint64_t seq, uint64_t time_ms,
                                bool elsewhere)
{
    struct hark_buf out = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_entry entry = {.has_space = true,
                               .space = s->world->space,
                               .author = *world_key(key),
                               .seq = seq,
                               .time_ms = time_ms,
                               .kind = "leave"};

    entry.space.bytes[0] = (uint8_t)(entry.space.bytes[0] + (elsewhere ? 1 : 0));
    assert_int_equal(hark_entry_build(&out, &entry, world_signer(key), NULL), 0);
    return out;
}

static void test_evidence__twins(void **state)
{
    struct stage *s = *state;
    uint32_t key = WORLD_FIRST_NEW;
    struct hark_buf a = entry_of(s, key, 3, 1000, false), b = entry_of(s, key, 3, 2000, false);
    struct hark_buf next = entry_of(s, key, 4, 2000, false);
    struct hark_buf other = entry_of(s, key, 3, 2000, true);
    struct hark_buf stranger = entry_of(s, key + 1, 3, 2000, false);
    struct hark_evidence_parts parts = parts_of(HARK_EVIDENCE_TWIN, key, &a, &b);
    struct hark_evidence out = holds(&parts);

    assert_int_equal(out.seq, 3);
    assert_true(hark_hash_equal(&out.space, &s->world->space));
    every_byte_counts(&parts, 97);
    add_first(s, &parts);
    assert_false(holds(&parts).is_named);
    parts.parts[1] = hark_buf_span(&next);
    refused(&parts, "different places");
    parts.parts[1] = hark_buf_span(&other);
    refused(&parts, "different places");
    parts.parts[1] = hark_buf_span(&stranger);
    refused(&parts, "another key");
    parts.parts[1] = parts.parts[0];
    refused(&parts, "the same");
    parts.parts[1] = hark_span_str("tree");
    refused(&parts, "the second entry");
    hark_buf_free(&a);
    hark_buf_free(&b);
    hark_buf_free(&next);
    hark_buf_free(&other);
    hark_buf_free(&stranger);
}

/* The entry that makes the space has its place in its author's feed, too. */
static void test_evidence__a_twin_of_the_first_entry(void **state)
{
    struct stage *s = *state;
    struct hark_buf b = entry_of(s, WORLD_STEWARD, 1, 2000, false), a = b;
    struct hark_evidence_parts parts = parts_of(HARK_EVIDENCE_TWIN, WORLD_STEWARD, &a, &b);

    parts.parts[0] = s->world->log[0]->object;
    add_first(s, &parts);
    assert_true(holds(&parts).is_named);
    hark_buf_free(&b);
}

/* --- withholding ------------------------------------------------------------------------------ */

#define DELAY_S UINT64_C(86400)
#define AFTER_S (DELAY_S / 2 + HARK_WITHHELD_AHEAD_S)

/* An intake of nine entries of which four are taken; two cosigners. */
struct withheld {
    char intake[HARK_ORIGIN_MAX + 1];
    uint32_t intake_key;
    uint32_t cosigners[2]; /* by ascending keys */
    struct hark_buf bufs[HARK_EVIDENCE_PARTS_MAX];
    struct hark_evidence_parts parts;
};

static const char *const cosigner_names[] = {"one.example", "two.example"};

/* Cosigned by both, by the second a second before. */
static struct hark_buf note_by_both(const struct withheld *w, const char *origin, struct log *log,
                                    uint64_t size, uint32_t key, uint64_t time_s)
{
    struct hark_buf note = note_by(origin, log, size, key), line = hark_buf_init(HARK_NOTE_MAX);
    struct hark_note *parsed = calloc(1, sizeof(*parsed));

    assert_non_null(parsed);
    assert_int_equal(hark_note_parse(parsed, hark_buf_span(&note), NULL), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(hark_note_sign(&line, parsed->text, cosigner_names[i],
                                        HARK_NOTE_COSIGNATURE_V1, world_signer(w->cosigners[i]),
                                        time_s - i, NULL),
                         0);
    assert_int_equal(hark_buf_append_span(&note, hark_buf_span(&line), NULL), 0);
    free(parsed);
    hark_buf_free(&line);
    return note;
}

/* A batch of the main log: one entry, with which it has `size`. */
static struct hark_buf batch_of(const char *origin, uint64_t size, uint64_t time_ms,
                                const struct hark_taken *taken, uint32_t key)
{
    static const struct hark_git_id tree = {{4, 5}}, entry = {{6, 7}};
    struct hark_buf out = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_batch *batch = calloc(1, sizeof(*batch));

    assert_non_null(batch);
    (void)snprintf(batch->origin, sizeof(batch->origin), "%s", origin);
    batch->first = size - 1;
    batch->count = 1;
    batch->time_ms = time_ms;
    batch->has_previous = size > 1;
    if (taken != NULL)
        batch->taken[batch->taken_count++] = *taken;
    assert_int_equal(hark_batch_build(&out, batch, &tree, &entry, world_signer(key), NULL), 0);
    free(batch);
    return out;
}

static struct hark_taken taken_of(struct stage *s, const struct withheld *w, uint64_t size)
{
    struct hark_taken taken = {.size = size};

    (void)snprintf(taken.origin, sizeof(taken.origin), "%s", w->intake);
    assert_int_equal(hark_merkle_root_at(&taken.root, size, leaves_read, s->b.leaves, NULL), 0);
    return taken;
}

/* In place of what was there. */
static void put(struct withheld *w, size_t at, struct hark_buf part)
{
    hark_buf_free(&w->bufs[at]);
    w->bufs[at] = part;
    w->parts.parts[at] = hark_buf_span(&w->bufs[at]);
}

/* By a second more than has to pass, each time. */
static void withheld_begin(struct stage *s, struct withheld *w)
{
    struct hark_taken taken;
    uint64_t at_s = TIME_S + 100;

    memset(w, 0, sizeof(*w));
    hark_origin(w->intake, NODE, &s->world->space, 0);
    w->intake_key = WORLD_FIRST_NEW;
    w->cosigners[0] = WORLD_FIRST_NEW + 1;
    w->cosigners[1] = WORLD_FIRST_NEW + 2;
    if (memcmp(world_key(w->cosigners[0])->bytes, world_key(w->cosigners[1])->bytes,
               HARK_KEY_SIZE) > 0) {
        w->cosigners[0] = WORLD_FIRST_NEW + 2;
        w->cosigners[1] = WORLD_FIRST_NEW + 1;
    }
    w->parts.kind = HARK_EVIDENCE_WITHHELD;
    w->parts.key = *world_key(WORLD_LOG);
    w->parts.intake_key = *world_key(w->intake_key);
    w->parts.delay_s = DELAY_S;
    w->parts.cosigner_count = 2;
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(w->parts.cosigners[i].name, sizeof(w->parts.cosigners[i].name), "%s",
                       cosigner_names[i]);
        w->parts.cosigners[i].key = *world_key(w->cosigners[i]);
    }
    put(w, 0, note_by_both(w, w->intake, &s->b, 9, w->intake_key, at_s));
    at_s += HARK_WITHHELD_AHEAD_S;
    put(w, 1, batch_of(s->origin, 5, 1000 * at_s + 1, NULL, WORLD_LOG));
    at_s += 10;
    put(w, 2, note_by_both(w, s->origin, &s->a, 5, WORLD_LOG, at_s));
    at_s += AFTER_S;
    put(w, 3, batch_of(s->origin, 7, 1000 * at_s + 1, NULL, WORLD_LOG));
    put(w, 4, note_by_both(w, s->origin, &s->a, 8, WORLD_LOG, at_s));
    at_s += AFTER_S;
    taken = taken_of(s, w, 4);
    put(w, 5, batch_of(s->origin, 11, 1000 * at_s + 1, &taken, WORLD_LOG));
    assert_int_equal(
        hark_merkle_prove_consistency(&w->parts.path, 4, 9, leaves_read, s->b.leaves, NULL), 0);
}

static void withheld_end(struct withheld *w)
{
    for (size_t i = 0; i < HARK_EVIDENCE_PARTS_MAX; i++)
        hark_buf_free(&w->bufs[i]);
}

/* When the last cosignature under the second checkpoint, and the last batch, were made. */
#define HEARD_S (TIME_S + 100 + HARK_WITHHELD_AHEAD_S + 10 + AFTER_S)
#define SAID_S  (HEARD_S + AFTER_S)

static void test_evidence__withheld(void **state)
{
    struct stage *s = *state;
    struct withheld w;
    struct hark_evidence out;

    withheld_begin(s, &w);
    out = holds(&w.parts);
    assert_int_equal(out.claim, HARK_CLAIM_WITHHELD);
    assert_string_equal(out.node, WORLD_HOME);
    assert_string_equal(out.intake_node, NODE);
    assert_true(hark_key_equal(&out.intake_key, world_key(w.intake_key)));
    assert_true(hark_hash_equal(&out.space, &s->world->space));
    assert_int_equal(out.position, 8);
    assert_int_equal(out.taken, 4);
    assert_int_equal(out.delay_s, DELAY_S);
    assert_int_equal(out.said_ms, 1000 * SAID_S + 1);
    assert_int_equal(out.sides[0].time_s, TIME_S + 100);
    assert_int_equal(out.sides[1].time_s, HEARD_S);
    assert_int_equal(out.cosigner_count, 2);
    assert_string_equal(out.cosigners[1].name, cosigner_names[1]);
    assert_false(out.has_first || out.is_named || out.first_delay);
    every_byte_counts(&w.parts, 251);
    add_first(s, &w.parts);
    out = holds(&w.parts);
    assert_true(out.has_first && out.is_named && out.first_delay);
    w.parts.delay_s = DELAY_S - 1; /* sooner than the policy wants it */
    out = holds(&w.parts);
    assert_true(out.is_named && !out.first_delay);
    withheld_end(&w);
}

/* By a receipt an entry further in is named, and when it was accepted. */
static void test_evidence__withheld_by_a_receipt(void **state)
{
    static const struct hark_git_id commit = {{1, 2, 3}};
    struct stage *s = *state;
    struct hark_proof path;
    struct withheld w;
    struct hark_evidence out;

    withheld_begin(s, &w);
    for (uint64_t at = 3; at <= 6; at += 3) {
        struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
        struct hark_line line = s->b.lines[at];

        assert_int_equal(hark_merkle_prove_inclusion(&path, at, 9, leaves_read, s->b.leaves, NULL),
                         0);
        assert_int_equal(
            hark_receipt_encode(&file, &line, &commit, &path, hark_buf_span(&w.bufs[0]), NULL), 0);
        w.parts.parts[0] = hark_buf_span(&file);
        if (at == 3) {
            refused(&w.parts, "was taken");
        } else {
            out = holds(&w.parts);
            assert_int_equal(out.position, 6);
            assert_true(out.sides[0].is_receipt);
            assert_true(hark_hash_equal(&out.sides[0].id, &s->b.lines[6].id));
        }
        hark_buf_free(&file);
    }
    withheld_end(&w);
}

/* Nothing was ever taken: nothing has to be proved of it. */
static void test_evidence__withheld_from_the_beginning(void **state)
{
    struct stage *s = *state;
    struct hark_taken none;
    struct withheld w;

    withheld_begin(s, &w);
    none = taken_of(s, &w, 0);
    put(&w, 5, batch_of(s->origin, 11, 1000 * SAID_S + 1, &none, WORLD_LOG));
    refused(&w.parts, "nothing is to be proved");
    w.parts.path.count = 0;
    assert_int_equal(holds(&w.parts).taken, 0);
    withheld_end(&w);
}

/* One thing at a time is not as it has to be. */
static void test_evidence__withheld_breaks_off(void **state)
{
    struct stage *s = *state;
    uint64_t first_s = TIME_S + 100, early_s = first_s + HARK_WITHHELD_AHEAD_S;
    struct hark_taken four, nine, other;
    struct withheld w;

    for (unsigned at = 0; at < 14; at++) {
        static const char *const why[] = {
            "of no intake",  "made too soon",       "made too soon", "made too soon",
            "was taken",     "another history",     "says nothing",  "does not show its batch",
            "sign later",    "another log",         "another log",   "the signature of a log",
            "a cosignature", "another log than the"};
        const struct hark_hash nowhere = {{9}};
        char origin[HARK_ORIGIN_MAX + 1], elsewhere[HARK_ORIGIN_MAX + 1];

        withheld_begin(s, &w);
        four = taken_of(s, &w, 4);
        nine = taken_of(s, &w, 9);
        other = four;
        other.root.bytes[0] ^= 1;
        hark_origin(origin, WORLD_HOME, &s->world->space, 2);
        hark_origin(elsewhere, WORLD_HOME, &nowhere, 1);
        if (at == 0)
            put(&w, 0, note_by_both(&w, s->origin, &s->a, 9, w.intake_key, first_s));
        else if (at == 1)
            put(&w, 1, batch_of(s->origin, 5, 1000 * early_s, NULL, WORLD_LOG));
        else if (at == 2)
            put(&w, 3, batch_of(s->origin, 7, 1000 * HEARD_S, NULL, WORLD_LOG));
        else if (at == 3)
            put(&w, 5, batch_of(s->origin, 11, 1000 * SAID_S, &four, WORLD_LOG));
        else if (at == 4)
            put(&w, 5, batch_of(s->origin, 11, 1000 * SAID_S + 1, &nine, WORLD_LOG));
        else if (at == 5)
            put(&w, 5, batch_of(s->origin, 11, 1000 * SAID_S + 1, &other, WORLD_LOG));
        else if (at == 6)
            put(&w, 5, batch_of(s->origin, 11, 1000 * SAID_S + 1, NULL, WORLD_LOG));
        else if (at == 7)
            put(&w, 3, batch_of(s->origin, 9, 1000 * HEARD_S + 1, NULL, WORLD_LOG));
        else if (at == 8)
            put(&w, 4, note_by_both(&w, s->origin, &s->a, 8, WORLD_LOG, early_s + 10));
        else if (at == 9)
            put(&w, 5, batch_of(origin, 11, 1000 * SAID_S + 1, &four, WORLD_LOG));
        else if (at == 10)
            put(&w, 3, batch_of(elsewhere, 7, 1000 * HEARD_S + 1, NULL, WORLD_LOG));
        else if (at == 11)
            put(&w, 4, note_by_both(&w, s->origin, &s->a, 8, WORLD_AUTHOR, HEARD_S));
        else if (at == 12)
            put(&w, 2, note_of(s, &s->a, 5));
        else
            put(&w, 2, note_by_both(&w, origin, &s->a, 5, WORLD_LOG, early_s + 10));
        refused(&w.parts, why[at]);
        withheld_end(&w);
    }
}

/* Cosigners are many or one, each once, in one order. */
static void test_evidence__withheld_names_its_cosigners(void **state)
{
    struct stage *s = *state;
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct hark_cosigner first;
    struct withheld w;

    withheld_begin(s, &w);
    first = w.parts.cosigners[0];
    w.parts.cosigner_count = 1;
    assert_int_equal(holds(&w.parts).cosigner_count, 1);
    w.parts.cosigner_count = 0;
    assert_int_equal(hark_evidence_encode(&file, &w.parts, NULL), HARK_E_EVIDENCE_FORM);
    w.parts.cosigner_count = 2;
    w.parts.cosigners[0] = w.parts.cosigners[1];
    assert_int_equal(hark_evidence_encode(&file, &w.parts, NULL), HARK_E_EVIDENCE_FORM);
    w.parts.cosigners[1] = first;
    assert_int_equal(hark_evidence_encode(&file, &w.parts, NULL), HARK_E_EVIDENCE_FORM);
    hark_buf_free(&file);
    withheld_end(&w);
}

/* --- the first entry ------------------------------------------------------------------------ */

static void test_evidence__the_first_entry_is_the_space_s(void **state)
{
    struct stage *s = *state;
    struct world *other = world_new(4, NULL, NULL);
    struct hark_buf a = note_of(s, &s->a, 9), b = note_of(s, &s->b, 9);
    struct hark_evidence_parts parts = parts_of(HARK_EVIDENCE_FORK, WORLD_LOG, &a, &b);

    add_first(s, &parts);
    parts.payload.size--;
    refused(&parts, "the first entry");
    add_first(s, &parts);
    parts.first = other->log[0]->object;
    refused(&parts, "another space");
    hark_buf_free(&a);
    hark_buf_free(&b);
    /* A key that the first entry does not name. */
    a = note_by(s->origin, &s->a, 9, WORLD_FIRST_NEW);
    b = note_by(s->origin, &s->b, 9, WORLD_FIRST_NEW);
    parts = parts_of(HARK_EVIDENCE_FORK, WORLD_FIRST_NEW, &a, &b);
    add_first(s, &parts);
    assert_false(holds(&parts).is_named);
    hark_buf_free(&a);
    hark_buf_free(&b);
    world_free(other);
}

/* --- the form ----------------------------------------------------------------------------------
 */

static void test_evidence__form(void **state)
{
    static const char *const refused_texts[] = {
        "",
        "hark-evidence 1",
        HARK_EVIDENCE_HEAD,
        HARK_EVIDENCE_HEAD "fork\n",
        HARK_EVIDENCE_HEAD "theft\nkey "
                           "0000000000000000000000000000000000000000000000000000000000000000\n\n"
                           "part 0\n\npart 0\n\n",
        HARK_EVIDENCE_HEAD "twin\nkey "
                           "0000000000000000000000000000000000000000000000000000000000000000\n"
                           "root AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
                           "part 0\n\npart 0\n\n",
        HARK_EVIDENCE_HEAD "fork\nkey "
                           "0000000000000000000000000000000000000000000000000000000000000000\n"
                           "root AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
                           "part 0\n\npart 0\n\n",
        HARK_EVIDENCE_HEAD "fork\nkey "
                           "0000000000000000000000000000000000000000000000000000000000000000\n\n"
                           "part 00\n\npart 0\n\n",
        HARK_EVIDENCE_HEAD "fork\nkey "
                           "0000000000000000000000000000000000000000000000000000000000000000\n\n"
                           "part 0\n\npart 0\n\npart 0\n\n",
        HARK_EVIDENCE_HEAD "backwards\nkey "
                           "0000000000000000000000000000000000000000000000000000000000000000\n"
                           "cosigner a b\n\npart 0\n\npart 0\n\n",
    };
    static const char nothing[] =
        HARK_EVIDENCE_HEAD "fork\nkey "
                           "0000000000000000000000000000000000000000000000000000000000000000\n\n"
                           "part 0\n\npart 0\n\n";
    struct hark_evidence out;
    uint8_t *large = calloc(1, HARK_EVIDENCE_MAX + 1);

    (void)state;
    assert_non_null(large);
    for (size_t i = 0; i < sizeof(refused_texts) / sizeof(refused_texts[0]); i++)
        assert_int_equal(hark_evidence_read(&out, hark_span_str(refused_texts[i]), NULL),
                         HARK_E_EVIDENCE_FORM);
    assert_int_equal(hark_evidence_read(&out, hark_span_str(nothing), NULL), HARK_E_EVIDENCE);
    assert_int_equal(hark_evidence_read(&out, hark_span(large, HARK_EVIDENCE_MAX + 1), NULL),
                     HARK_E_EVIDENCE_FORM);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evidence__two_roots_of_one_size),
        cmocka_unit_test(test_evidence__two_beginnings),
        cmocka_unit_test(test_evidence__of_different_logs),
        cmocka_unit_test(test_evidence__receipts),
        cmocka_unit_test(test_evidence__backdated),
        cmocka_unit_test(test_evidence__backdated_by_its_own_word),
        cmocka_unit_test(test_evidence__backwards),
        cmocka_unit_test(test_evidence__twins),
        cmocka_unit_test(test_evidence__a_twin_of_the_first_entry),
        cmocka_unit_test(test_evidence__withheld),
        cmocka_unit_test(test_evidence__withheld_by_a_receipt),
        cmocka_unit_test(test_evidence__withheld_from_the_beginning),
        cmocka_unit_test(test_evidence__withheld_breaks_off),
        cmocka_unit_test(test_evidence__withheld_names_its_cosigners),
        cmocka_unit_test(test_evidence__the_first_entry_is_the_space_s),
        cmocka_unit_test(test_evidence__form),
    };

    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
