/*
 * How a home dates its log (PROTOCOL.md 7.8, 7.11): when it says so, that what it logs after
 * that arrives no earlier, what partners keep of it, and that just who cheats is convicted.
 * Two copies of one space: the home's and a partner's, who are shown each other's notes as
 * their networks would show them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/convict_internal.h"
#include "node/space_internal.h"
#include "node/witness.h"
#include "replication/messages.h"
#include "schemas/evidence.h"
#include "tests/unit/found.h"
#include "tests/unit/space_stage.h"

#define PARTNER   "one.example"
#define EVERY_S   3600u
#define HOME_LINE "\xe2\x80\x94 " WORLD_HOME " "

struct side {
    struct hark_space *space;
    char place[STAGE_PATH_MAX];
    const struct hark_signer *cosigner;
};

struct scene {
    struct stage s; /* its space is the home's */
    struct side home, partner;
    uint64_t now_s;
};

/* --- the scene ------------------------------------------------------------------------- */

static void open_side(struct scene *sc, struct side *side)
{
    side->space = stage_open_copy(&sc->s.world->space);
    (void)snprintf(side->place, sizeof(side->place), "%s/copy-%u", stage_dir, stage_copies);
}

static void reopen(struct scene *sc, struct side *side)
{
    hark_space_free(side->space);
    side->space = NULL;
    OK(hark_space_open(&side->space, side->place, &sc->s.world->space, false, NULL, &err));
}

static void scene_begin(struct scene *sc)
{
    memset(sc, 0, sizeof(*sc));
    stage_write(&sc->s);
    open_side(sc, &sc->home);
    open_side(sc, &sc->partner);
    sc->home.cosigner = world_signer(WORLD_COSIGNER);
    sc->partner.cosigner = world_signer(sc->s.node_cosigner);
    /* Well after all that stands there. */
    sc->now_s = sc->s.world->now_ms / 1000 + 7200;
}

static void scene_end(struct scene *sc)
{
    hark_space_free(sc->partner.space);
    hark_space_free(sc->home.space);
    world_free(sc->s.world);
    assert_int_equal(run_tool(stage_dir, "rm -rf copy-*"), 0);
}

static uint64_t size_of(const struct side *side)
{
    return hark_space_head(side->space)->tree.size;
}

static struct hark_row row_of(const struct side *side, uint64_t position)
{
    struct hark_row row = {0};

    OK(hark_index_row(hark_space_index(side->space), position, &row, &err));
    return row;
}

/* The home logs what has been written, by a clock that shows that time. */
static int try_log(struct scene *sc, uint64_t clock_s)
{
    uint64_t from = size_of(&sc->home);
    int rc = hark_space_begin(sc->home.space, &err);

    for (size_t i = from; rc == 0 && i < sc->s.world->count; i++) {
        struct hark_offer offer = stage_offer(sc->s.world->log[i], false);

        offer.now_ms = 1000 * clock_s;
        rc = hark_space_add(sc->home.space, &offer, world_signer(WORLD_LOG), NULL, &err);
    }
    return rc == 0
               ? hark_space_commit(sc->home.space, world_signer(WORLD_LOG), 1000 * clock_s, &err)
               : rc;
}

static void write_one(struct scene *sc)
{
    world_say(sc->s.world, sc->s.bob, "post", stage_text("body", "More"), sc->s.idea);
}

/* One entry more; its arrival. */
static uint64_t log_one(struct scene *sc, uint64_t clock_s)
{
    write_one(sc);
    OK(try_log(sc, clock_s));
    return row_of(&sc->home, size_of(&sc->home) - 1).arrival_ms;
}

/* All that the other has of the log. */
static void bring(struct side *to, const struct side *from)
{
    while (size_of(to) < size_of(from)) {
        struct hark_space_batch batch;

        OK(stage_read(from->space, size_of(to), &batch, &err));
        OK(hark_space_take(to->space, "", &batch.raw, STAGE_ANY_TIME, &err));
        hark_space_batch_free(&batch);
    }
}

static void follow(struct scene *sc)
{
    bring(&sc->partner, &sc->home);
}

/* --- notes -------------------------------------------------------------------------------- */

/* What the one keeps, as its network would show it to the other. */
static void show(struct side *from, struct side *to)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash id;
    size_t count = 0;

    OK(hark_witness_body(from->space, &body, &count, &err));
    if (count > 0)
        OK(hark_cosign_decode(&id, notes, &count, hark_buf_span(&body), &err));
    for (size_t i = 0; i < count; i++)
        OK(hark_witness_take(to->space, notes[i], &err));
    hark_buf_free(&body);
}

/* The partner, which has the log as it is, signs it, and the home hears of it. */
static void cosign(struct scene *sc)
{
    bool done = false;

    follow(sc);
    OK(hark_witness_cosign(sc->partner.space, sc->partner.cosigner, sc->now_s, &done, &err));
    show(&sc->partner, &sc->home);
}

static bool date(struct scene *sc, uint64_t clock_s, uint64_t *due_s)
{
    uint64_t unused;
    bool done = true;

    OK(hark_witness_date(sc->home.space, sc->home.cosigner, EVERY_S, clock_s,
                         due_s != NULL ? due_s : &unused, &done, &err));
    return done;
}

/* What is said is known to the partner. */
static void say(struct scene *sc)
{
    cosign(sc);
    assert_true(date(sc, sc->now_s, NULL));
    show(&sc->home, &sc->partner);
}

static const struct hark_cosigned *said(struct side *side)
{
    const struct hark_cosigned *last = NULL;

    OK(hark_witness_dated(side->space, &last, &err));
    return last;
}

static void assert_said(struct side *side, uint64_t size, uint64_t time_s)
{
    const struct hark_cosigned *last = said(side);

    assert_non_null(last);
    assert_int_equal(last->checkpoint.size, size);
    assert_int_equal(last->time_s, time_s);
}

static uint64_t version(struct side *side)
{
    const struct hark_notes *notes = NULL;

    OK(hark_witness_notes(side->space, &notes, &err));
    return hark_notes_version(notes);
}

/* It forgets what it has said. */
static void forget(struct scene *sc)
{
    char script[160], key[2 * HARK_KEY_SIZE + 1];

    hark_key_hex(key, world_key(WORLD_COSIGNER));
    (void)snprintf(script, sizeof(script), "rm cosigned/*/main.%s", key);
    assert_int_equal(run_tool(sc->home.place, script), 0);
    reopen(sc, &sc->home);
}

/* --- evidence ----------------------------------------------------------------------------- */

static struct found found_by(struct side *side)
{
    OK(hark_witness_check_dates(side->space, &err));
    return found_in(side->space);
}

static void assert_convicted(struct scene *sc, uint64_t size, uint64_t time_s)
{
    struct found found = found_by(&sc->partner);

    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].kind, HARK_EVIDENCE_BACKDATED);
    assert_int_equal(found.list[0].claim, HARK_CLAIM_STATEMENT);
    assert_true(found.list[0].is_named && hark_evidence_convicts(&found.list[0]));
    assert_true(hark_key_equal(&found.list[0].key, world_key(WORLD_LOG)));
    assert_string_equal(found.list[0].node, WORLD_HOME);
    assert_int_equal(found.list[0].sides[0].checkpoint.size, size);
    assert_int_equal(found.list[0].sides[0].time_s, time_s);
    assert_int_equal(found.list[0].sides[1].line.position, size);
}

static void assert_nobody(struct scene *sc)
{
    assert_int_equal(found_by(&sc->partner).count, 0);
    assert_int_equal(found_by(&sc->home).count, 0);
}

/* --- saying it ------------------------------------------------------------------------------ */

static void test_dated__says_what_another_has(struct scene *sc)
{
    uint64_t size = size_of(&sc->home), due_s = 1;

    assert_false(date(sc, sc->now_s, &due_s));
    assert_int_equal(due_s, 0); /* when something happens */
    assert_null(said(&sc->home));
    cosign(sc);
    assert_true(date(sc, sc->now_s, &due_s));
    assert_int_equal(due_s, sc->now_s + EVERY_S);
    assert_said(&sc->home, size, sc->now_s);
    reopen(sc, &sc->home);
    assert_said(&sc->home, size, sc->now_s);
    /* More, of which nobody else has the last. */
    (void)log_one(sc, sc->now_s);
    cosign(sc);
    (void)log_one(sc, sc->now_s);
    assert_false(date(sc, sc->now_s + EVERY_S, &due_s));
    assert_int_equal(due_s, 0);
    cosign(sc);
    assert_true(date(sc, sc->now_s + EVERY_S, NULL));
    assert_said(&sc->home, size + 2, sc->now_s + EVERY_S);
}

static void test_dated__says_it_when_it_is_due(struct scene *sc)
{
    uint64_t size = size_of(&sc->home), due_s = 0;
    bool done = true;

    say(sc);
    assert_false(date(sc, sc->now_s, &due_s));
    assert_false(date(sc, sc->now_s + EVERY_S - 1, &due_s));
    assert_int_equal(due_s, sc->now_s + EVERY_S);
    assert_true(date(sc, sc->now_s + EVERY_S, NULL));
    assert_said(&sc->home, size, sc->now_s + EVERY_S);
    /* It grows. */
    sc->now_s += EVERY_S;
    assert_false(date(sc, sc->now_s + 1, &due_s));
    assert_int_equal(due_s, sc->now_s + EVERY_S);
    (void)log_one(sc, sc->now_s);
    assert_false(date(sc, sc->now_s + 1, &due_s));
    assert_int_equal(due_s, sc->now_s + HARK_DATE_GROWN_S);
    cosign(sc);
    assert_false(date(sc, sc->now_s + HARK_DATE_GROWN_S - 1, &due_s));
    assert_int_equal(due_s, sc->now_s + HARK_DATE_GROWN_S);
    assert_true(date(sc, sc->now_s + HARK_DATE_GROWN_S, NULL));
    assert_said(&sc->home, size + 1, sc->now_s + HARK_DATE_GROWN_S);
    /* As often as is wanted, and not less often when it grows. */
    sc->now_s += HARK_DATE_GROWN_S;
    (void)log_one(sc, sc->now_s);
    cosign(sc);
    OK(hark_witness_date(sc->home.space, sc->home.cosigner, 5, sc->now_s + 5, &due_s, &done, &err));
    assert_true(done);
    assert_int_equal(due_s, sc->now_s + 10);
}

/* Never of a time that its clock does not show, nor back. */
static void test_dated__waits_for_its_clock(struct scene *sc)
{
    say(sc);
    (void)log_one(sc, sc->now_s);
    cosign(sc);
    assert_false(date(sc, sc->now_s - 1, NULL));
    assert_false(date(sc, sc->now_s - 4000, NULL));
    assert_said(&sc->home, size_of(&sc->home) - 1, sc->now_s);
}

static void test_dated__is_the_home_s_to_say(struct scene *sc)
{
    uint64_t due_s = 1;
    bool done = true;

    cosign(sc);
    show(&sc->partner, &sc->home);
    OK(hark_witness_date(sc->partner.space, sc->partner.cosigner, EVERY_S, sc->now_s, &due_s, &done,
                         &err));
    assert_false(done);
    assert_int_equal(due_s, 0);
    OK(hark_witness_date(sc->home.space, world_signer(sc->s.node_cosigner), EVERY_S, sc->now_s,
                         &due_s, &done, &err));
    assert_false(done);
}

/* Nobody signs between an entry's arrival and its being logged. */
static void test_dated__says_nothing_while_it_logs(struct scene *sc)
{
    cosign(sc);
    OK(hark_space_begin(sc->home.space, &err));
    assert_false(date(sc, sc->now_s, NULL));
    hark_space_rollback(sc->home.space);
    assert_true(date(sc, sc->now_s, NULL));
}

/* What it has signed it may not be able to read: then it signs nothing more. */
static void test_dated__says_nothing_over_damage(struct scene *sc)
{
    say(sc);
    assert_int_equal(run_tool(sc->home.place, "for f in cosigned/*/*; do echo no >$f; done"), 0);
    reopen(sc, &sc->home);
    assert_null(said(&sc->home));
    assert_false(date(sc, sc->now_s + EVERY_S, NULL));
}

/* Under another origin it begins anew. */
static void test_dated__binds_one_origin(struct scene *sc)
{
    uint64_t size = size_of(&sc->home), clock_s = sc->now_s - 4000;

    say(sc);
    world_say(sc->s.world, WORLD_STEWARD, "home", world_fields_home(sc->s.world, WORLD_HOME),
              HARK_NONE);
    OK(hark_space_begin_anew(sc->home.space, &err));
    struct hark_offer offer = stage_offer(sc->s.world->log[size], false);

    offer.now_ms = 1000 * clock_s;
    OK(hark_space_add(sc->home.space, &offer, world_signer(WORLD_LOG), NULL, &err));
    OK(hark_space_commit(sc->home.space, world_signer(WORLD_LOG), offer.now_ms, &err));
    assert_int_equal(row_of(&sc->home, size).arrival_ms, 1000 * clock_s);
    assert_null(said(&sc->home));
    assert_int_equal(log_one(sc, clock_s), 1000 * clock_s);
    follow(sc);
    show(&sc->home, &sc->partner);
    assert_nobody(sc);
    /* Q4 holds for the key, whatever the origin. */
    cosign(sc);
    assert_false(date(sc, sc->now_s, NULL));
    assert_true(date(sc, sc->now_s + 1, NULL));
    assert_said(&sc->home, size + 2, sc->now_s + 1);
}

/* --- what follows from it at the home ----------------------------------------------------------
 */

static void test_dated__nothing_arrives_before(struct scene *sc)
{
    assert_true(log_one(sc, sc->now_s - 7000) == 1000 * (sc->now_s - 7000));
    say(sc);
    /* By a clock that is back a little or much, in this process or another. */
    assert_int_equal(log_one(sc, sc->now_s - 20), 1000 * sc->now_s);
    assert_int_equal(log_one(sc, sc->now_s - 6000), 1000 * sc->now_s);
    reopen(sc, &sc->home);
    assert_int_equal(log_one(sc, sc->now_s - 1200), 1000 * sc->now_s);
    assert_int_equal(log_one(sc, sc->now_s + 7), 1000 * (sc->now_s + 7));
    follow(sc);
    assert_nobody(sc);
}

/* Not what comes by an intake either, long after its acceptance. */
static void test_dated__nothing_is_taken_over_before(struct scene *sc)
{
    struct hark_offer offer;
    uint64_t accepted_ms = 1000 * (sc->now_s - 1000), at = size_of(&sc->home);

    say(sc);
    write_one(sc);
    offer = stage_offer(sc->s.world->log[at], false);
    offer.now_ms = accepted_ms + 10;
    OK(hark_space_begin(sc->home.space, &err));
    OK(hark_space_add_from(sc->home.space, &offer, PARTNER, 0, accepted_ms, world_signer(WORLD_LOG),
                           NULL, &err));
    OK(hark_space_commit(sc->home.space, world_signer(WORLD_LOG), offer.now_ms, &err));
    assert_int_equal(row_of(&sc->home, at).arrival_ms, 1000 * sc->now_s);
    assert_int_equal(row_of(&sc->home, at).accepted_ms, accepted_ms);
}

/* A home that was put back from a backup hears what it has said, and logs nothing before it has
 * that much again, or goes on under another origin. */
static void test_dated__logs_nothing_in_place_of_what_it_lost(struct scene *sc)
{
    struct side before;
    bool lacks = true;

    say(sc);
    open_side(sc, &before); /* from the template: it has no notes either */
    (void)log_one(sc, sc->now_s);
    (void)log_one(sc, sc->now_s);
    sc->now_s += EVERY_S;
    say(sc);
    hark_space_free(sc->home.space);
    before.cosigner = sc->home.cosigner;
    sc->home = before;
    OK(hark_witness_lacks(sc->home.space, &lacks, &err));
    assert_false(lacks);
    show(&sc->partner, &sc->home);
    for (int again = 0; again < 2; again++, reopen(sc, &sc->home)) {
        OK(hark_witness_lacks(sc->home.space, &lacks, &err));
        assert_true(lacks);
        assert_int_equal(hark_space_begin(sc->home.space, &err), HARK_E_BEHIND);
        assert_false(date(sc, sc->now_s + EVERY_S, NULL));
        OK(hark_space_begin_anew(sc->home.space, &err));
        hark_space_rollback(sc->home.space);
    }
    bring(&sc->home, &sc->partner);
    OK(hark_witness_lacks(sc->home.space, &lacks, &err));
    assert_false(lacks);
    assert_int_equal(log_one(sc, sc->now_s - 2000), 1000 * sc->now_s);
    follow(sc);
    assert_nobody(sc);
}

/* --- what partners keep ------------------------------------------------------------------------
 */

static void test_dated__the_later_of_as_many_is_kept(struct scene *sc)
{
    struct hark_buf early = hark_buf_init(HARK_NOTE_MAX);
    uint64_t size = size_of(&sc->home), kept;

    say(sc);
    OK(hark_buf_append_span(&early, hark_buf_span(&said(&sc->home)->note), &err));
    assert_said(&sc->partner, size, sc->now_s);
    sc->now_s += EVERY_S;
    say(sc);
    assert_said(&sc->partner, size, sc->now_s);
    kept = version(&sc->partner);
    for (int again = 0; again < 2; again++) {
        OK(hark_witness_take(sc->partner.space, hark_buf_span(&early), &err));
        OK(hark_witness_take(sc->partner.space, hark_buf_span(&said(&sc->home)->note), &err));
        assert_int_equal(version(&sc->partner), kept);
    }
    reopen(sc, &sc->partner);
    assert_said(&sc->partner, size, sc->now_s);
    hark_buf_free(&early);
}

/* Before the log is there, too, and each once. */
static void test_dated__the_later_is_kept_of_what_comes_before_the_log(struct scene *sc)
{
    struct side late;

    open_side(sc, &late);
    (void)log_one(sc, sc->now_s);
    for (int again = 0; again < 3; again++) {
        uint64_t kept;

        sc->now_s += EVERY_S;
        say(sc);
        show(&sc->home, &late);
        assert_said(&late, size_of(&sc->home), sc->now_s);
        kept = version(&late);
        show(&sc->home, &late);
        assert_int_equal(version(&late), kept);
    }
    hark_space_free(late.space);
}

/* The newest of the home's, as the partner signs it at that time. */
static struct hark_buf signed_again(struct scene *sc, uint64_t time_s)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), line = hark_buf_init(HARK_NOTE_MAX);
    const uint8_t *end;

    OK(hark_space_checkpoint(sc->home.space, &note, &err));
    end = memmem(note.data, note.size, "\n\n", 2);
    assert_non_null(end);
    OK(hark_note_sign(&line, hark_span(note.data, (size_t)(end - note.data) + 1), PARTNER,
                      HARK_NOTE_COSIGNATURE_V1, sc->partner.cosigner, time_s, &err));
    OK(hark_buf_append_span(&note, hark_buf_span(&line), &err));
    hark_buf_free(&line);
    return note;
}

/* Another cosigner signs as many once. */
static void test_dated__only_the_home_s(struct scene *sc)
{
    struct side late;

    open_side(sc, &late);
    (void)log_one(sc, sc->now_s);
    cosign(sc);
    show(&sc->partner, &late);
    for (int i = 0; i < 2; i++) {
        struct side *side = i == 0 ? &sc->home : &late;
        struct hark_buf note = signed_again(sc, sc->now_s + 50);
        uint64_t kept = version(side);

        assert_int_equal(kept, 1);
        OK(hark_witness_take(side->space, hark_buf_span(&note), &err));
        assert_int_equal(version(side), kept);
        hark_buf_free(&note);
    }
    hark_space_free(late.space);
}

/* Two who show each other what they have come to an end. */
static void test_dated__nothing_is_shown_for_ever(struct scene *sc)
{
    uint64_t home, partner;

    say(sc);
    sc->now_s += EVERY_S;
    say(sc);
    show(&sc->partner, &sc->home);
    home = version(&sc->home);
    partner = version(&sc->partner);
    for (int again = 0; again < 3; again++) {
        show(&sc->home, &sc->partner);
        show(&sc->partner, &sc->home);
    }
    assert_int_equal(version(&sc->home), home);
    assert_int_equal(version(&sc->partner), partner);
}

/* It settles nothing, and is nobody's cosignature under a receipt or a checkpoint. */
static void test_dated__vouches_for_nothing(struct scene *sc)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), other = hark_buf_init(HARK_NOTE_MAX);
    uint64_t size, settled = 0, at = 0;
    struct side reader;

    world_say(sc->s.world, WORLD_STEWARD, "policy", json_pack("{s:{s:i}}", "policy", "quorum", 1),
              HARK_NONE);
    OK(try_log(sc, sc->now_s));
    cosign(sc);
    size = size_of(&sc->home);
    assert_true(date(sc, sc->now_s, NULL));
    open_side(sc, &reader);
    show(&sc->home, &reader); /* both of as many */
    sc->now_s += EVERY_S;
    (void)log_one(sc, sc->now_s);
    say(sc);
    bring(&reader, &sc->home);
    OK(hark_witness_take(reader.space, hark_buf_span(&said(&sc->home)->note), &err));
    assert_said(&reader, size + 1, sc->now_s);
    OK(hark_witness_settled(reader.space, &settled, &err));
    assert_int_equal(settled, size);
    OK(hark_witness_note(reader.space, "", 0, &note, &at, &err));
    assert_int_equal(at, size);
    assert_null(memmem(note.data, note.size, HOME_LINE, strlen(HOME_LINE)));
    OK(hark_witness_newest(reader.space, &other, &err));
    assert_true(hark_span_equal(hark_buf_span(&note), hark_buf_span(&other)));
    /* Of one checkpoint, either. */
    hark_buf_clear(&note);
    OK(hark_witness_note(sc->home.space, "", 0, &note, &at, &err));
    assert_int_equal(at, size + 1);
    assert_null(memmem(note.data, note.size, HOME_LINE, strlen(HOME_LINE)));
    hark_buf_free(&note);
    hark_buf_free(&other);
    hark_space_free(reader.space);
}

/* --- who cheats, and who does not ----------------------------------------------------------------
 */

static void test_dated__back_dating_convicts(struct scene *sc)
{
    uint64_t size = size_of(&sc->home);

    say(sc);
    forget(sc);
    assert_int_equal(log_one(sc, sc->now_s - HARK_BACKDATED_S - 1),
                     1000 * (sc->now_s - HARK_BACKDATED_S - 1));
    follow(sc);
    assert_convicted(sc, size, sc->now_s);
    /* Once is enough. */
    (void)log_one(sc, sc->now_s - HARK_BACKDATED_S);
    follow(sc);
    reopen(sc, &sc->partner);
    assert_convicted(sc, size, sc->now_s);
    assert_int_equal(found_by(&sc->home).count, 0); /* it has forgotten */
    show(&sc->partner, &sc->home);
    assert_int_equal(found_by(&sc->home).count, 1);
}

/* Who has the log and has not heard what the home said takes the file. */
static void test_dated__evidence_goes_to_others(struct scene *sc)
{
    struct side late;

    say(sc);
    forget(sc);
    (void)log_one(sc, sc->now_s - HARK_BACKDATED_S - 1);
    follow(sc);
    assert_int_equal(found_by(&sc->partner).count, 1);
    open_side(sc, &late);
    bring(&late, &sc->partner);
    assert_int_equal(found_by(&late).count, 0);
    found_hand_over(sc->partner.space, late.space);
    assert_int_equal(found_by(&late).count, 1);
    hark_space_free(late.space);
}

/* What rests on another cosigner's clock is not kept, and its bearer not blamed. */
static void test_dated__a_cosigner_s_clock_convicts_nobody(struct scene *sc)
{
    struct hark_material *m = hark_material_new();
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    const struct hark_cosigned *cosigned = NULL;
    uint64_t size = size_of(&sc->home);

    assert_non_null(m);
    cosign(sc);
    (void)log_one(sc, sc->now_s - HARK_BACKDATED_S - 1);
    OK(hark_witness_cosigned(sc->home.space, "", hark_signer_key(sc->partner.cosigner), &cosigned,
                             &err));
    m->parts.kind = HARK_EVIDENCE_BACKDATED;
    m->parts.key = *world_key(WORLD_LOG);
    (void)snprintf(m->parts.cosigner, sizeof(m->parts.cosigner), "%s", PARTNER);
    m->parts.cosigner_key = *hark_signer_key(sc->partner.cosigner);
    OK(hark_material_receipt(sc->home.space, m, size, &err));
    m->parts.parts[0] = hark_buf_span(&cosigned->note);
    m->parts.parts[1] = hark_buf_span(&m->other);
    OK(hark_evidence_encode(&file, &m->parts, &err));
    OK(hark_convict_take(sc->home.space, hark_buf_span(&file), &err));
    assert_nobody(sc);
    hark_buf_free(&file);
    hark_material_free(m);
}

/* What the home said comes after what it logged. */
static void test_dated__whatever_comes_first(struct scene *sc)
{
    uint64_t size = size_of(&sc->home);
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);

    cosign(sc);
    assert_true(date(sc, sc->now_s, NULL));
    OK(hark_buf_append_span(&note, hark_buf_span(&said(&sc->home)->note), &err));
    forget(sc);
    (void)log_one(sc, sc->now_s - 1000);
    follow(sc);
    assert_nobody(sc);
    OK(hark_witness_take(sc->partner.space, hark_buf_span(&note), &err));
    assert_convicted(sc, size, sc->now_s);
    hark_buf_free(&note);
}

/* What it says next does not hide it: the one before is looked at when it goes, though both
 * come before the log does. */
static void test_dated__the_next_hides_nothing(struct scene *sc)
{
    uint64_t size = size_of(&sc->home), first_s = sc->now_s;
    struct side other;

    open_side(sc, &other); /* from which the home's notes come */
    say(sc);
    forget(sc);
    (void)log_one(sc, sc->now_s - 1000);
    for (int more = 0; more < 2; more++) {
        bring(&other, &sc->home);
        sc->now_s += EVERY_S;
        OK(hark_witness_cosign(other.space, sc->partner.cosigner, sc->now_s, &(bool){false}, &err));
        show(&other, &sc->home);
        assert_true(date(sc, sc->now_s, NULL));
        show(&sc->home, &sc->partner);
        (void)log_one(sc, sc->now_s);
    }
    assert_int_equal(size_of(&sc->partner), size);
    assert_int_equal(found_by(&sc->partner).count, 0);
    follow(sc);
    assert_convicted(sc, size, first_s);
    hark_space_free(other.space);
}

/* The entry is taken all the same: the log is what it is. In between, nobody looked. */
static void test_dated__what_is_replaced_was_looked_at(struct scene *sc)
{
    uint64_t size = size_of(&sc->home), first_s = sc->now_s;

    say(sc);
    forget(sc);
    (void)log_one(sc, sc->now_s - 1000);
    sc->now_s += EVERY_S;
    cosign(sc);
    assert_true(date(sc, sc->now_s, NULL));
    show(&sc->home, &sc->partner);
    assert_said(&sc->partner, size + 1, sc->now_s);
    assert_convicted(sc, size, first_s);
}

static void test_dated__minutes_convict_nobody(struct scene *sc)
{
    say(sc);
    forget(sc);
    (void)log_one(sc, sc->now_s - HARK_BACKDATED_S);
    follow(sc);
    sc->now_s += EVERY_S;
    say(sc);
    (void)log_one(sc, sc->now_s);
    follow(sc);
    assert_nobody(sc);
}

/* --- an honest home, whatever happens ------------------------------------------------------------
 */

#define WALKS 4u
#define STEPS 120u

struct walk {
    struct scene *sc;
    uint64_t random;
    int64_t off_s; /* the home's clock, from what time it is */
    bool has_backup;
    unsigned said, restored;
};

static uint64_t below(struct walk *w, uint64_t count)
{
    w->random = w->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (w->random >> 33) % count;
}

static uint64_t clock_of(const struct walk *w)
{
    return (uint64_t)((int64_t)w->sc->now_s + w->off_s);
}

static void jump(struct walk *w)
{
    static const int64_t offs[] = {0, 0, -60, -290, -310, -1200, -5000, 120, 2000};

    w->off_s = offs[below(w, sizeof(offs) / sizeof(offs[0]))];
}

static void back_up(struct walk *w)
{
    char script[2 * STAGE_PATH_MAX];

    hark_space_free(w->sc->home.space);
    (void)snprintf(script, sizeof(script), "rm -rf backup; cp -r %s backup", w->sc->home.place);
    assert_int_equal(run_tool(stage_dir, script), 0);
    OK(hark_space_open(&w->sc->home.space, w->sc->home.place, &w->sc->s.world->space, false, NULL,
                       &err));
    w->has_backup = true;
}

/* It is held until it has heard what it signed, and has what the partner has of its log (7.6). */
static void restore(struct walk *w)
{
    char script[3 * STAGE_PATH_MAX];
    bool lacks = true;

    if (!w->has_backup)
        return;
    hark_space_free(w->sc->home.space);
    (void)snprintf(script, sizeof(script), "rm -rf %s; cp -r backup %s", w->sc->home.place,
                   w->sc->home.place);
    assert_int_equal(run_tool(stage_dir, script), 0);
    OK(hark_space_open(&w->sc->home.space, w->sc->home.place, &w->sc->s.world->space, false, NULL,
                       &err));
    show(&w->sc->partner, &w->sc->home);
    bring(&w->sc->home, &w->sc->partner);
    OK(hark_witness_lacks(w->sc->home.space, &lacks, &err));
    assert_false(lacks);
    w->restored++;
}

static void step(struct walk *w)
{
    struct scene *sc = w->sc;

    switch (below(w, 12)) {
    case 0:
    case 1:
    case 2:
        (void)log_one(sc, clock_of(w));
        break;
    case 3:
        follow(sc);
        break;
    case 4:
    case 5:
        cosign(sc);
        break;
    case 6:
        w->said += date(sc, clock_of(w), NULL) ? 1 : 0;
        break;
    case 7:
        show(&sc->home, &sc->partner);
        break;
    case 8:
        jump(w);
        break;
    case 9:
        reopen(sc, below(w, 2) == 0 ? &sc->home : &sc->partner);
        break;
    case 10:
        if (below(w, 2) == 0)
            back_up(w);
        break;
    default:
        if (below(w, 3) == 0)
            restore(w);
    }
    sc->now_s += below(w, 400);
}

static void test_dated__no_honest_home_is_convicted(struct scene *sc)
{
    unsigned said_in_all = 0, restored = 0;

    for (unsigned seed = 1; seed <= WALKS; seed++) {
        struct walk w = {.sc = sc, .random = seed};

        if (seed > 1) {
            scene_end(sc);
            scene_begin(sc);
        }
        for (unsigned i = 0; i < STEPS; i++) {
            step(&w);
            if (found_by(&sc->partner).count + found_by(&sc->home).count > 0)
                fail_msg("seed %u, step %u: an honest home is convicted", seed, i);
        }
        said_in_all += w.said;
        restored += w.restored;
        assert_int_equal(run_tool(stage_dir, "rm -rf backup"), 0);
    }
    assert_true(said_in_all > 10 && restored > 3);
}

/* ------------------------------------------------------------------------------------------- */

static void in_a_scene(void **state, void (*test)(struct scene *), const char *name)
{
    struct scene *sc = calloc(1, sizeof(*sc));

    (void)state;
    assert_non_null(sc);
    at_case = name;
    scene_begin(sc);
    test(sc);
    scene_end(sc);
    free(sc);
}

#define EACH(X)                                                                                    \
    X(says_what_another_has)                                                                       \
    X(says_it_when_it_is_due)                                                                      \
    X(waits_for_its_clock)                                                                         \
    X(is_the_home_s_to_say)                                                                        \
    X(says_nothing_while_it_logs)                                                                  \
    X(says_nothing_over_damage)                                                                    \
    X(binds_one_origin)                                                                            \
    X(nothing_arrives_before)                                                                      \
    X(nothing_is_taken_over_before)                                                                \
    X(logs_nothing_in_place_of_what_it_lost)                                                       \
    X(the_later_of_as_many_is_kept)                                                                \
    X(the_later_is_kept_of_what_comes_before_the_log)                                              \
    X(only_the_home_s)                                                                             \
    X(nothing_is_shown_for_ever)                                                                   \
    X(vouches_for_nothing)                                                                         \
    X(back_dating_convicts)                                                                        \
    X(evidence_goes_to_others)                                                                     \
    X(a_cosigner_s_clock_convicts_nobody)                                                          \
    X(whatever_comes_first)                                                                        \
    X(the_next_hides_nothing)                                                                      \
    X(what_is_replaced_was_looked_at)                                                              \
    X(minutes_convict_nobody)                                                                      \
    X(no_honest_home_is_convicted)

#define RUN(name)                                                                                  \
    static void run_##name(void **state)                                                           \
    {                                                                                              \
        in_a_scene(state, test_dated__##name, #name);                                              \
    }
#define TEST(name) {"test_dated__" #name, run_##name, NULL, NULL, NULL},

EACH(RUN)

int main(void)
{
    const struct CMUnitTest tests[] = {EACH(TEST)};

    return cmocka_run_group_tests(tests, stage_set_up_all, stage_tear_down_all);
}
