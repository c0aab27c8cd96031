/*
 * node/receipts: what a node is given for what it handed in is asked for, checked, kept, and
 * held against the log as that grows. A home that dropped what it acknowledged is convicted;
 * none is that only went on from less, as another incarnation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/convict.h"
#include "node/receipts.h"
#include "schemas/evidence.h"
#include "schemas/receipt.h"
#include "tests/unit/found.h"
#include "tests/unit/leaves.h"
#include "tests/unit/space_stage.h"

#define NODE       "one.example" /* the partner that the stage names */
#define NOW        UINT64_C(1800000000000)
#define MINUTE     UINT64_C(60000)
#define LEAVES_MAX 64

/* --- receipts as somebody might sign them ---------------------------------------------------- */

/* A log of `size` leaves: those of the log here, but at the positions from `from` on, where
 * `other` numbers stand (0: nothing is other); at `position` stands `id`. */
struct forged {
    const struct hark_hash *id; /* NULL: what stands in that log */
    uint64_t position, size, from, incarnation;
    uint8_t other;
    bool intake;       /* of NODE's intake log */
    uint32_t by;       /* 0: who should sign */
    bool other_commit; /* a git id that is another's */
    bool other_space;
};

static struct hark_span object_of(const struct hark_hash *id)
{
    return hark_span(id->bytes, HARK_HASH_SIZE); /* what is in the outbox here */
}

static void line_at(struct stage *s, const struct forged *f, uint64_t position,
                    struct hark_line *line)
{
    struct hark_git_id commit;

    if (f->id != NULL && position == f->position) {
        *line = (struct hark_line){.position = position, .arrival_ms = 7, .accepted_ms = 7};
        line->id = *f->id;
    } else if (f->other != 0 && position >= f->from) {
        *line = (struct hark_line){.position = position, .arrival_ms = 9, .accepted_ms = 8};
        memset(line->id.bytes, f->other, HARK_HASH_SIZE);
        line->id.bytes[0] = (uint8_t)position;
    } else {
        OK(hark_space_line(s->space, "", position, line, &commit, &err));
    }
}

static void sign(struct stage *s, const struct forged *f, struct hark_hash *leaves,
                 struct hark_buf *note)
{
    uint32_t by = f->by != 0 ? f->by : f->intake ? s->node_log : WORLD_LOG;
    struct hark_checkpoint cp = {.size = f->size};
    struct hark_hash space = s->world->space;

    space.bytes[0] ^= f->other_space ? 1 : 0;
    OK(hark_merkle_root_at(&cp.root, f->size, leaves_read, leaves, &err));
    hark_origin(cp.origin, f->intake ? NODE : WORLD_HOME, &space,
                f->intake             ? 0
                : f->incarnation == 0 ? 1
                                      : f->incarnation);
    OK(hark_checkpoint_sign(note, &cp, world_signer(by), NULL, &err));
}

static void forge(struct stage *s, const struct forged *f, struct hark_buf *file)
{
    struct hark_hash leaves[LEAVES_MAX];
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_git_id commit = {{0}};
    struct hark_line line;
    struct hark_proof path;

    assert_true(f->size <= LEAVES_MAX && f->position < f->size);
    for (uint64_t i = 0; i < f->size; i++) {
        line_at(s, f, i, &line);
        leaves[i] = hark_line_leaf(&line);
    }
    sign(s, f, leaves, &note);
    line_at(s, f, f->position, &line);
    if (f->id != NULL)
        commit = hark_git_hash(HARK_GIT_COMMIT, object_of(f->id));
    commit.bytes[0] ^= f->other_commit ? 1 : 0;
    OK(hark_merkle_prove_inclusion(&path, f->position, f->size, leaves_read, leaves, &err));
    hark_buf_clear(file);
    OK(hark_receipt_encode(file, &line, &commit, &path, hark_buf_span(&note), &err));
    hark_buf_free(&note);
}

/* --- the outbox --------------------------------------------------------------------------------
 */

static struct hark_outbox *outbox_of(struct stage *s)
{
    struct hark_outbox *outbox = NULL;

    OK(hark_space_outbox(s->space, &outbox, &err));
    return outbox;
}

/* An entry of ours that `node` has accepted; position HARK_NONE: it says it is logged. */
static struct hark_hash handed_in(struct stage *s, uint8_t n, enum hark_out_state state,
                                  const char *node, uint64_t position)
{
    struct hark_out_row row = {.state = state, .position = position};

    memset(row.id.bytes, n, HARK_HASH_SIZE);
    (void)snprintf(row.node, sizeof(row.node), "%s", node);
    OK(hark_outbox_put(outbox_of(s), &row.id, object_of(&row.id), (struct hark_span){0}, NOW,
                       &err));
    OK(hark_outbox_set(outbox_of(s), &row, NOW, &err));
    return row.id;
}

struct seen {
    struct hark_out_receipt receipt;
    struct hark_buf file;
    bool found;
};

static int see(void *arg, const struct hark_out_receipt *receipt, struct hark_err *why)
{
    struct seen *seen = arg;

    seen->receipt = *receipt;
    return hark_buf_append_span(&seen->file, receipt->file, why);
}

/* What is kept of that entry; freed by the next. */
static const struct seen *kept(struct stage *s, const struct hark_hash *id)
{
    static struct seen seen;

    hark_buf_free(&seen.file);
    memset(&seen, 0, sizeof(seen));
    seen.file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    OK(hark_outbox_receipt(outbox_of(s), id, see, &seen, &seen.found, &err));
    return &seen;
}

static bool is_kept(struct stage *s, const struct hark_hash *id, const struct hark_buf *file)
{
    const struct seen *seen = kept(s, id);

    return seen->found && hark_span_equal(hark_buf_span(&seen->file), hark_buf_span(file));
}

static bool is_not(void *away, const char *node)
{
    return away == NULL || strcmp(away, node) != 0;
}

static struct hark_receipts_ask wanted_without(struct stage *s, uint64_t now_ms, char *away)
{
    struct hark_receipts_ask ask;

    OK(hark_receipts_wanted(s->space, now_ms, is_not, away, &ask, &err));
    return ask;
}

static struct hark_receipts_ask wanted(struct stage *s, uint64_t now_ms)
{
    return wanted_without(s, now_ms, NULL);
}

/* The answer to what is wanted now, of which one is wanted; how many are kept. */
static size_t answer(struct stage *s, struct hark_span file)
{
    struct hark_receipts_ask ask = wanted(s, NOW);
    size_t count = 0;

    assert_int_equal(ask.count, 1);
    OK(hark_receipts_take(s->space, &ask, &file, NOW, &count, &err));
    return count;
}

/* Keeps a receipt that says so. */
static void give(struct stage *s, const struct forged *f, struct hark_buf *file)
{
    forge(s, f, file);
    assert_int_equal(answer(s, hark_buf_span(file)), 1);
    assert_true(is_kept(s, f->id, file));
}

static enum hark_out_receipt_state compared(struct stage *s, const struct hark_hash *id)
{
    OK(hark_receipts_compare(s->space, NOW, &err));
    assert_true(kept(s, id)->found);
    return kept(s, id)->receipt.state;
}

static int count_due(void *arg, const struct hark_out_row *row, struct hark_err *why)
{
    size_t *due = arg;

    (void)why;
    *due += row->due;
    return 0;
}

static size_t due_again(struct stage *s)
{
    size_t due = 0;

    OK(hark_outbox_each(outbox_of(s), ~0u, count_due, &due, &err));
    return due;
}

/* --- evidence -------------------------------------------------------------------------- */

static void assert_fork(struct stage *s, enum hark_evidence_claim claim)
{
    struct found found = found_in(s->space);

    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].kind, HARK_EVIDENCE_FORK);
    assert_int_equal(found.list[0].claim, claim);
    assert_true(found.list[0].is_named && hark_key_equal(&found.list[0].key, world_key(WORLD_LOG)));
}

/* --- asking
 * ----------------------------------------------------------------------------------------- */

static void test_receipts__asked_for_of_who_accepted(void **state)
{
    char cafe[] = "cafe";
    struct hark_receipts_ask ask;
    struct hark_hash first;
    struct stage s;

    (void)state;
    stage_begin(&s);
    ask = wanted(&s, NOW);
    assert_int_equal(ask.count, 0);
    (void)handed_in(&s, 1, HARK_OUT_PENDING, "", 0);
    (void)handed_in(&s, 2, HARK_OUT_REFUSED, "cafe", 0);
    assert_int_equal(wanted(&s, NOW).count, 0);
    first = handed_in(&s, 3, HARK_OUT_ACCEPTED, "cafe", 0);
    (void)handed_in(&s, 4, HARK_OUT_ACCEPTED, "kiosk", 0);
    (void)handed_in(&s, 5, HARK_OUT_ACCEPTED, "cafe", 1);
    ask = wanted(&s, NOW);
    assert_string_equal(ask.node, "cafe");
    assert_int_equal(ask.count, 2);
    assert_true(hark_hash_equal(&ask.wanted[0].id, &first));
    assert_true(ask.wanted[0].position == UINT64_MAX);
    /* Who is away keeps nobody from asking another. */
    ask = wanted_without(&s, NOW, cafe);
    assert_string_equal(ask.node, "kiosk");
    assert_int_equal(ask.count, 1);
    for (uint8_t i = 6; i < 200; i++)
        (void)handed_in(&s, i, HARK_OUT_ACCEPTED, "cafe", i);
    assert_int_equal(wanted(&s, NOW).count, HARK_RECEIPT_MAX);
    stage_end(&s);
}

/* "One of the main log takes the place of one of an intake, and is never replaced." */
static void test_receipts__the_home_s_word_takes_the_place_of_a_partner_s(void **state)
{
    struct hark_buf intake = hark_buf_init(HARK_TLOG_PROOF_MAX), main = intake, other = intake;
    struct hark_out_row row = {.state = HARK_OUT_ACCEPTED, .position = HARK_NONE, .node = NODE};
    struct forged f = {.position = 3, .size = 5, .intake = true, .other = 1};
    struct hark_receipts_ask ask;
    struct hark_span file;
    struct stage s;
    size_t count = 0;

    (void)state;
    stage_begin(&s);
    row.id = handed_in(&s, 1, HARK_OUT_ACCEPTED, NODE, 3);
    f.id = &row.id;
    give(&s, &f, &intake);
    assert_false(kept(&s, f.id)->receipt.is_main);
    assert_int_equal(wanted(&s, NOW + 60 * MINUTE).count, 0);
    /* Another of the same kind says nothing more. */
    ask = (struct hark_receipts_ask){.node = NODE, .count = 1};
    ask.wanted[0] = (struct hark_receipt_wanted){row.id, UINT64_MAX};
    ask.commits[0] = hark_git_hash(HARK_GIT_COMMIT, object_of(&row.id));
    f.size = 6;
    forge(&s, &f, &other);
    file = hark_buf_span(&other);
    OK(hark_receipts_take(s.space, &ask, &file, NOW, &count, &err));
    assert_int_equal(count, 0);
    assert_true(is_kept(&s, f.id, &intake));
    /* It says now that it is logged. */
    OK(hark_outbox_set(outbox_of(&s), &row, NOW, &err));
    f = (struct forged){.id = &row.id, .position = s.base, .size = s.base + 1};
    give(&s, &f, &main);
    assert_true(kept(&s, f.id)->receipt.is_main);
    assert_int_equal(wanted(&s, NOW + 60 * MINUTE).count, 0);
    f.size++;
    f.position++;
    f.other = 3;
    f.from = s.base;
    forge(&s, &f, &other);
    file = hark_buf_span(&other);
    OK(hark_receipts_take(s.space, &ask, &file, NOW, &count, &err));
    assert_int_equal(count, 0);
    assert_true(is_kept(&s, f.id, &main));
    assert_int_equal(found_in(s.space).count, 0);
    hark_buf_free(&intake);
    hark_buf_free(&main);
    hark_buf_free(&other);
    stage_end(&s);
}

static void assert_blamed(struct stage *s, const struct hark_hash *id, struct hark_span file,
                          int code)
{
    const struct seen *seen;

    assert_int_equal(answer(s, file), 0);
    seen = kept(s, id);
    assert_true(seen->found && seen->file.size == 0);
    assert_int_equal(seen->receipt.state, HARK_RECEIPT_BAD);
    assert_int_equal(seen->receipt.code, code);
    assert_string_equal(seen->receipt.node, "brand");
    assert_true(seen->receipt.message[0] != '\0');
}

/* Each is named and not kept; another is asked for after ten minutes. */
static void test_receipts__what_does_not_hold_is_their_fault(void **state)
{
    const struct forged wrong[] = {
        {.by = WORLD_COSIGNER},
        {.other_commit = true},
        {.other_space = true},
        {.intake = true, .by = WORLD_LOG},
        {.incarnation = 2, .by = WORLD_COSIGNER},
    };
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_hash id, another;
    struct forged f;
    struct stage s;

    (void)state;
    for (size_t i = 0; i <= sizeof(wrong) / sizeof(wrong[0]) + 2; i++) {
        stage_begin(&s);
        id = another = handed_in(&s, 1, HARK_OUT_ACCEPTED, "brand", HARK_NONE);
        another.bytes[0]++;
        f = i < sizeof(wrong) / sizeof(wrong[0]) ? wrong[i] : (struct forged){.id = &another};
        f.id = f.id != NULL ? f.id : &id;
        f.position = s.base;
        f.size = s.base + 1;
        forge(&s, &f, &file);
        if (i == sizeof(wrong) / sizeof(wrong[0]) + 1)
            file.data[file.size / 2] ^= 1; /* in its path */
        if (i == sizeof(wrong) / sizeof(wrong[0]) + 2)
            file.size = 9;
        assert_int_equal(answer(&s, hark_buf_span(&file)), 0);
        assert_true(kept(&s, &id)->found);
        assert_int_equal(kept(&s, &id)->receipt.state, HARK_RECEIPT_BAD);
        assert_int_equal(found_in(s.space).count, 0);
        stage_end(&s);
    }
    stage_begin(&s);
    id = handed_in(&s, 1, HARK_OUT_ACCEPTED, "brand", HARK_NONE);
    assert_blamed(&s, &id, hark_span_str("no receipt"), HARK_E_PROOF_FORM);
    assert_int_equal(wanted(&s, NOW + 9 * MINUTE).count, 0);
    assert_int_equal(wanted(&s, NOW + 11 * MINUTE).count, 1);
    /* And one that holds takes its place. */
    f = (struct forged){.id = &id, .position = s.base, .size = s.base + 1};
    forge(&s, &f, &file);
    struct hark_receipts_ask ask = wanted(&s, NOW + 11 * MINUTE);
    struct hark_span good = hark_buf_span(&file), bad = hark_span_str("no receipt");
    size_t count = 0;
    OK(hark_receipts_take(s.space, &ask, &good, NOW, &count, &err));
    assert_int_equal(count, 1);
    /* After which a bad one changes nothing. */
    OK(hark_receipts_take(s.space, &ask, &bad, NOW, &count, &err));
    assert_int_equal(count, 0);
    assert_true(is_kept(&s, &id, &file));
    hark_buf_free(&file);
    stage_end(&s);
}

/* None is given: it is asked for again. An entry that is gone meanwhile gets none. */
static void test_receipts__none(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_receipts_ask ask;
    struct hark_span good;
    struct forged f;
    struct stage s;
    struct hark_hash id;
    size_t count = 0;

    (void)state;
    stage_begin(&s);
    id = handed_in(&s, 1, HARK_OUT_ACCEPTED, "brand", HARK_NONE);
    assert_int_equal(answer(&s, (struct hark_span){0}), 0);
    assert_false(kept(&s, &id)->found);
    ask = wanted(&s, NOW);
    assert_int_equal(ask.count, 1);
    id.bytes[0]++;
    ask.wanted[0].id = id;
    ask.commits[0] = hark_git_hash(HARK_GIT_COMMIT, object_of(&id));
    f = (struct forged){.id = &id, .position = s.base, .size = s.base + 1};
    forge(&s, &f, &file);
    good = hark_buf_span(&file);
    OK(hark_receipts_take(s.space, &ask, &good, NOW, &count, &err));
    assert_false(kept(&s, &id)->found);
    hark_buf_free(&file);
    stage_end(&s);
}

/* --- held against the log
 * ------------------------------------------------------------------------------ */

static void test_receipts__open_until_the_log_is_there(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct forged f;
    struct stage s;
    struct hark_hash id;

    (void)state;
    stage_begin(&s);
    id = handed_in(&s, 1, HARK_OUT_ACCEPTED, WORLD_HOME, HARK_NONE);
    f = (struct forged){
        .id = &id, .position = s.base + 2, .size = s.base + 3, .from = s.base, .other = 9};
    give(&s, &f, &file);
    assert_int_equal(compared(&s, &id), HARK_RECEIPT_OPEN);
    stage_grow(&s, 2);
    assert_int_equal(compared(&s, &id), HARK_RECEIPT_OPEN);
    assert_int_equal(found_in(s.space).count, 0);
    assert_int_equal(due_again(&s), 0);
    stage_grow(&s, 1);
    assert_int_equal(compared(&s, &id), HARK_RECEIPT_FORK);
    assert_fork(&s, HARK_CLAIM_ENTRY);
    assert_int_equal(due_again(&s), 1);
    hark_buf_free(&file);
    stage_end(&s);
}

/* The entry stands where it should, and what was before it is another history. */
static void test_receipts__another_root_is_a_fork(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct forged f = {.position = 2};
    struct hark_git_id commit;
    struct hark_line line;
    struct stage s;
    struct hark_hash id;

    (void)state;
    stage_begin(&s);
    OK(hark_space_line(s.space, "", 2, &line, &commit, &err));
    id = line.id;
    struct hark_out_row row = {.id = id, .state = HARK_OUT_ACCEPTED, .position = HARK_NONE};
    OK(hark_outbox_put(outbox_of(&s), &id, object_of(&id), (struct hark_span){0}, NOW, &err));
    OK(hark_outbox_set(outbox_of(&s), &row, NOW, &err));
    f.size = s.base;
    f.from = 3;
    f.other = 9;
    forge(&s, &f, &file);
    struct hark_out_receipt put = {.id = id, .is_main = true, .position = 2, .size = f.size};
    put.file = hark_buf_span(&file);
    OK(hark_outbox_receipt_put(outbox_of(&s), &put, NOW, &err));
    assert_int_equal(compared(&s, &id), HARK_RECEIPT_FORK);
    assert_fork(&s, HARK_CLAIM_ROOT);
    /* The same of a log that goes on here as it says. */
    f.other = 0;
    forge(&s, &f, &file);
    put.file = hark_buf_span(&file);
    OK(hark_outbox_receipt_put(outbox_of(&s), &put, NOW, &err));
    assert_int_equal(compared(&s, &id), HARK_RECEIPT_AGREES);
    hark_buf_free(&file);
    stage_end(&s);
}

/* "A receipt for a position at or beyond where the next incarnation began is lost." */
static void test_receipts__lost_is_no_fork(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_hash before, at, beyond;
    struct forged f;
    struct stage s;

    (void)state;
    stage_begin(&s);
    f = (struct forged){.size = s.base + 4, .from = s.base, .other = 9};
    f.position = s.base;
    at = handed_in(&s, 1, HARK_OUT_ACCEPTED, WORLD_HOME, HARK_NONE);
    f.id = &at;
    give(&s, &f, &file);
    f.position = s.base + 3;
    beyond = handed_in(&s, 2, HARK_OUT_ACCEPTED, WORLD_HOME, HARK_NONE);
    f.id = &beyond;
    give(&s, &f, &file);
    world_say(s.world, WORLD_STEWARD, "home", world_fields_home(s.world, WORLD_HOME), HARK_NONE);
    stage_log(&s, s.base);
    assert_int_equal(compared(&s, &at), HARK_RECEIPT_LOST);
    stage_grow(&s, 6);
    assert_int_equal(compared(&s, &beyond), HARK_RECEIPT_LOST);
    assert_int_equal(found_in(s.space).count, 0);
    assert_int_equal(due_again(&s), 2);
    /* One for what the next incarnation goes on from binds it still. */
    before = handed_in(&s, 3, HARK_OUT_ACCEPTED, WORLD_HOME, HARK_NONE);
    f = (struct forged){.id = &before, .position = s.base - 1, .size = s.base, .from = s.base};
    give(&s, &f, &file);
    assert_int_equal(compared(&s, &before), HARK_RECEIPT_FORK);
    assert_fork(&s, HARK_CLAIM_ROOT); /* of what the first incarnation signed last */
    hark_buf_free(&file);
    stage_end(&s);
}

/* Signed beyond what the next incarnation goes on from, for what is there: that agrees. */
static void test_receipts__the_rest_was_lost(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_out_row row = {.state = HARK_OUT_ACCEPTED, .position = HARK_NONE};
    struct hark_out_receipt put = {.is_main = true};
    struct forged f = {.position = 2, .other = 9};
    struct hark_git_id commit;
    struct hark_line line;
    struct stage s;

    (void)state;
    stage_begin(&s);
    f.size = s.base + 4;
    f.from = s.base;
    forge(&s, &f, &file);
    OK(hark_space_line(s.space, "", 2, &line, &commit, &err));
    row.id = put.id = line.id;
    put.position = 2;
    put.size = f.size;
    put.file = hark_buf_span(&file);
    OK(hark_outbox_put(outbox_of(&s), &row.id, object_of(&row.id), (struct hark_span){0}, NOW,
                       &err));
    OK(hark_outbox_set(outbox_of(&s), &row, NOW, &err));
    OK(hark_outbox_receipt_put(outbox_of(&s), &put, NOW, &err));
    assert_int_equal(compared(&s, &row.id), HARK_RECEIPT_OPEN);
    world_say(s.world, WORLD_STEWARD, "home", world_fields_home(s.world, WORLD_HOME), HARK_NONE);
    stage_log(&s, s.base);
    stage_grow(&s, 5);
    assert_int_equal(compared(&s, &row.id), HARK_RECEIPT_AGREES);
    assert_int_equal(found_in(s.space).count, 0);
    hark_buf_free(&file);
    stage_end(&s);
}

/* The log here has not heard of that incarnation: it says nothing about it yet. */
static void test_receipts__of_a_later_home_are_open(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct forged f;
    struct stage s;
    struct hark_hash id;

    (void)state;
    stage_begin(&s);
    id = handed_in(&s, 1, HARK_OUT_ACCEPTED, WORLD_HOME, HARK_NONE);
    f = (struct forged){.id = &id, .position = 3, .size = s.base, .incarnation = 2};
    give(&s, &f, &file);
    assert_int_equal(compared(&s, &id), HARK_RECEIPT_OPEN);
    assert_int_equal(found_in(s.space).count, 0);
    hark_buf_free(&file);
    stage_end(&s);
}

/* "Once the log here has the entry, its receipt is made from that." */
static void test_receipts__made_here_of_what_is_logged(void **state)
{
    struct hark_receipt receipt;
    struct hark_out_row row = {.state = HARK_OUT_LOGGED, .position = 2};
    struct hark_git_id commit;
    struct hark_line line;
    struct stage s;

    (void)state;
    stage_begin(&s);
    OK(hark_space_line(s.space, "", 2, &line, &commit, &err));
    row.id = line.id;
    OK(hark_outbox_put(outbox_of(&s), &row.id, object_of(&row.id), (struct hark_span){0}, NOW,
                       &err));
    OK(hark_outbox_set(outbox_of(&s), &row, NOW, &err));
    OK(hark_receipts_compare(s.space, NOW, &err));
    assert_true(kept(&s, &row.id)->found);
    assert_int_equal(kept(&s, &row.id)->receipt.state, HARK_RECEIPT_AGREES);
    OK(hark_receipt_decode(&receipt, hark_buf_span(&kept(&s, &row.id)->file), &err));
    assert_true(hark_hash_equal(&receipt.line.id, &row.id));
    assert_int_equal(receipt.checkpoint.size, s.base);
    stage_end(&s);
}

/* --- doubt
 * ------------------------------------------------------------------------------------------------
 */

static void test_receipts__who_is_doubted_is_asked(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_receipts_ask ask;
    struct hark_git_id commit;
    struct hark_line line;
    struct forged f;
    struct stage s;
    struct hark_hash id;

    (void)state;
    stage_begin(&s);
    OK(hark_receipts_doubt(s.space, 0, &ask, &err));
    assert_int_equal(ask.count, 0);
    OK(hark_receipts_doubt(s.space, 4, &ask, &err));
    assert_int_equal(ask.count, 1);
    assert_int_equal(ask.wanted[0].position, 3);
    OK(hark_space_line(s.space, "", 3, &line, &commit, &err));
    assert_true(hark_hash_equal(&ask.wanted[0].id, &line.id));
    OK(hark_receipts_doubt(s.space, s.base + 9, &ask, &err));
    assert_int_equal(ask.wanted[0].position, s.base - 1);
    id = handed_in(&s, 1, HARK_OUT_ACCEPTED, WORLD_HOME, HARK_NONE);
    f = (struct forged){
        .id = &id, .position = s.base + 1, .size = s.base + 2, .from = s.base, .other = 9};
    give(&s, &f, &file);
    OK(hark_receipts_doubt(s.space, s.base + 1, &ask, &err));
    assert_int_equal(ask.count, 1); /* they have nothing there */
    OK(hark_receipts_doubt(s.space, s.base + 2, &ask, &err));
    assert_int_equal(ask.count, 2);
    assert_int_equal(ask.wanted[1].position, s.base + 1);
    assert_true(hark_hash_equal(&ask.wanted[1].id, &id));
    hark_buf_free(&file);
    stage_end(&s);
}

/* What they say stands at a position of ours. */
static void take_doubted(struct stage *s, const struct hark_hash *id, uint64_t position,
                         const struct forged *f)
{
    struct hark_receipts_ask ask = {.node = WORLD_HOME, .count = 1};
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_span span;
    size_t count = 0;

    ask.wanted[0] = (struct hark_receipt_wanted){.id = *id, .position = position};
    forge(s, f, &file);
    span = hark_buf_span(&file);
    OK(hark_receipts_take(s->space, &ask, &span, NOW, &count, &err));
    assert_int_equal(count, 0);
    hark_buf_free(&file);
}

static void test_receipts__another_entry_there_than_here(void **state)
{
    const struct hark_hash none = {{0}};
    struct forged f;
    struct stage s;

    (void)state;
    stage_begin(&s);
    f = (struct forged){.position = s.base - 1, .size = s.base + 5, .from = s.base, .other = 9};
    take_doubted(&s, &none, s.base - 1, &f); /* that is what stands here */
    f.from = s.base - 2;
    take_doubted(&s, &none, s.base - 2, &f); /* not what was asked for */
    f.by = s.node_log;
    take_doubted(&s, &none, s.base - 1, &f); /* nor signed by who should */
    f.by = 0;
    f.incarnation = 2;
    take_doubted(&s, &none, s.base - 1, &f); /* a later home's */
    f.incarnation = 1;
    f.intake = true;
    take_doubted(&s, &none, s.base - 1, &f);
    assert_int_equal(found_in(s.space).count, 0);
    f.intake = false;
    take_doubted(&s, &none, s.base - 1, &f);
    assert_fork(&s, HARK_CLAIM_ENTRY);
    stage_end(&s);
}

/* Neither stands here: two receipts of one home for one position. */
static void test_receipts__another_entry_there_than_was_acknowledged(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct forged f, g;
    struct stage s;
    struct hark_hash id;

    (void)state;
    stage_begin(&s);
    id = handed_in(&s, 1, HARK_OUT_ACCEPTED, WORLD_HOME, HARK_NONE);
    f = (struct forged){
        .id = &id, .position = s.base + 1, .size = s.base + 2, .from = s.base, .other = 9};
    give(&s, &f, &file);
    g = f;
    g.size = s.base + 9;
    take_doubted(&s, &id, s.base + 1, &g); /* it still stands there */
    g.id = NULL;
    g.incarnation = 2;
    take_doubted(&s, &id, s.base + 1, &g); /* under another home */
    assert_int_equal(found_in(s.space).count, 0);
    assert_int_equal(kept(&s, &id)->receipt.state, HARK_RECEIPT_OPEN);
    g.incarnation = 1;
    take_doubted(&s, &id, s.base + 1, &g);
    assert_fork(&s, HARK_CLAIM_ENTRY);
    assert_int_equal(kept(&s, &id)->receipt.state, HARK_RECEIPT_FORK);
    assert_int_equal(due_again(&s), 1);
    hark_buf_free(&file);
    stage_end(&s);
}

/* --- giving
 * -----------------------------------------------------------------------------------------------
 */

static void test_receipts__given_of_what_is_here(void **state)
{
    struct hark_receipt_wanted asked[4] = {{.position = UINT64_MAX}};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_span receipts[HARK_RECEIPT_MAX];
    struct hark_receipt receipt;
    struct hark_git_id commit;
    struct hark_line line;
    struct hark_hash space;
    struct stage s;
    size_t count = 0;

    (void)state;
    stage_begin(&s);
    OK(hark_space_line(s.space, "", 4, &line, &commit, &err));
    asked[1] = (struct hark_receipt_wanted){line.id, UINT64_MAX};
    asked[2] = (struct hark_receipt_wanted){line.id, s.base - 1};
    asked[3] = (struct hark_receipt_wanted){line.id, s.base};
    OK(hark_receipts_answer(s.space, asked, 4, &body, &err));
    OK(hark_receipts_decode(&space, receipts, &count, hark_buf_span(&body), &err));
    assert_true(hark_hash_equal(&space, &s.world->space));
    assert_int_equal(count, 4);
    assert_int_equal(receipts[0].size, 0); /* no such entry */
    assert_int_equal(receipts[3].size, 0); /* nothing stands there */
    OK(hark_receipt_decode(&receipt, receipts[1], &err));
    assert_true(hark_hash_equal(&receipt.line.id, &line.id));
    assert_int_equal(receipt.line.position, 4);
    assert_memory_equal(receipt.commit.bytes, commit.bytes, HARK_GIT_ID_SIZE);
    OK(hark_receipt_decode(&receipt, receipts[2], &err));
    assert_int_equal(receipt.line.position, s.base - 1);
    assert_int_equal(receipt.checkpoint.size, s.base);
    hark_buf_free(&body);
    stage_end(&s);
}

#define WAITING 600u

/* So many posts, taken in by the node that the stage names. */
static void take_in(struct stage *s)
{
    struct hark_offer *offers = calloc(WAITING, sizeof(*offers));
    struct hark_outcome *outcomes = calloc(WAITING, sizeof(*outcomes));

    assert_true(offers != NULL && outcomes != NULL);
    for (size_t i = 0; i < WAITING; i++)
        world_say(s->world, s->bob, "post", stage_text("body", "More"), s->idea);
    for (size_t i = 0; i < WAITING; i++)
        offers[i] = stage_offer(s->world->log[s->base + i], true);
    OK(hark_space_accept(s->space, NODE, world_signer(s->node_log), offers, WAITING, 0, outcomes,
                         &err));
    for (size_t i = 0; i < WAITING; i++) {
        assert_int_equal(outcomes[i].code, 0);
        assert_int_equal(outcomes[i].position, i);
    }
    free(offers);
    free(outcomes);
}

/* Each holds, whatever of the tree was hashed before; and so much at a time is. */
static void test_receipts__given_of_an_intake(void **state)
{
    const uint64_t places[] = {0, 255, 256, 511, 512, WAITING - 1};
    const size_t all = sizeof(places) / sizeof(places[0]);
    struct hark_receipt_wanted asked[HARK_RECEIPT_MAX];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_span receipts[HARK_RECEIPT_MAX];
    struct hark_receipt receipt;
    struct hark_hash space;
    struct stage s;
    uint64_t leaves;
    size_t count = 0;
    bool done = false;

    (void)state;
    stage_begin(&s);
    take_in(&s);
    for (size_t i = 0; i < all; i++)
        asked[i] =
            (struct hark_receipt_wanted){s.world->log[s.base + places[i]]->entry.id, UINT64_MAX};
    for (unsigned step = 0; step < 3; step++) {
        leaves = 256 + 100;
        OK(hark_space_hash_intake(s.space, NODE, &leaves, &done, &err));
        assert_int_equal(done, step > 0);
        assert_int_equal(leaves, step < 2 ? 100 : 356);
        hark_buf_clear(&body);
        OK(hark_receipts_answer(s.space, asked, step == 0 ? 1 : all, &body, &err));
        OK(hark_receipts_decode(&space, receipts, &count, hark_buf_span(&body), &err));
        for (size_t i = 0; i < count; i++) {
            OK(hark_receipt_decode(&receipt, receipts[i], &err));
            assert_int_equal(receipt.line.position, places[i]);
            assert_int_equal(receipt.checkpoint.size, WAITING);
            assert_true(hark_hash_equal(&receipt.line.id, &asked[i].id));
            assert_non_null(strstr(receipt.checkpoint.origin, "/intake"));
        }
        if (step == 0) {
            assert_int_equal(count, 1);
            hark_space_free(s.space); /* what was hashed is not kept */
            s.space = NULL;
            char place[STAGE_PATH_MAX];
            (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, stage_copies);
            OK(hark_space_open(&s.space, place, &s.world->space, false, NULL, &err));
            leaves = 256 + 100;
            OK(hark_space_hash_intake(s.space, NODE, &leaves, &done, &err));
            assert_false(done);
        }
    }
    hark_buf_free(&body);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receipts__asked_for_of_who_accepted),
        cmocka_unit_test(test_receipts__the_home_s_word_takes_the_place_of_a_partner_s),
        cmocka_unit_test(test_receipts__what_does_not_hold_is_their_fault),
        cmocka_unit_test(test_receipts__none),
        cmocka_unit_test(test_receipts__open_until_the_log_is_there),
        cmocka_unit_test(test_receipts__another_root_is_a_fork),
        cmocka_unit_test(test_receipts__lost_is_no_fork),
        cmocka_unit_test(test_receipts__the_rest_was_lost),
        cmocka_unit_test(test_receipts__of_a_later_home_are_open),
        cmocka_unit_test(test_receipts__made_here_of_what_is_logged),
        cmocka_unit_test(test_receipts__who_is_doubted_is_asked),
        cmocka_unit_test(test_receipts__another_entry_there_than_here),
        cmocka_unit_test(test_receipts__another_entry_there_than_was_acknowledged),
        cmocka_unit_test(test_receipts__given_of_what_is_here),
        cmocka_unit_test(test_receipts__given_of_an_intake),
    };
    int rc = cmocka_run_group_tests(tests, stage_set_up_all, stage_tear_down_all);

    return rc;
}
