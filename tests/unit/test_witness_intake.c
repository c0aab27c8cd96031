/*
 * node/witness, of intakes: what a node cosigns of other nodes' intakes, what it keeps of what
 * others cosign of them, and that none of it is taken for the main log's (PROTOCOL.md 7.8).
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
#include "node/witness.h"
#include "replication/messages.h"
#include "schemas/evidence.h"
#include "tests/unit/flight_stage.h"
#include "tests/unit/found.h"

#define NAME_P "p.example"
#define NOW_S  UINT64_C(1800000000)

static const struct hark_cosigned *kept_of(struct party *p, unsigned at, const char *log,
                                           unsigned by)
{
    const struct hark_notes *notes = NULL;

    OK(hark_witness_notes(p->nodes[at], &notes, &err));
    return hark_notes_find(notes, log, world_key(p->cosigners[by]));
}

static uint64_t size_of(struct party *p, unsigned at, const char *log, unsigned by)
{
    const struct hark_cosigned *kept = kept_of(p, at, log, by);

    return kept == NULL ? 0 : kept->checkpoint.size;
}

static void cosign(struct party *p, unsigned as, uint64_t now_s)
{
    OK(hark_witness_cosign_intakes(p->nodes[as], world_signer(p->cosigners[as]), now_s, &err));
}

/* What `from` keeps of that log by that cosigner, shown at `to`. */
static int show(struct party *p, unsigned from, unsigned to, const char *log, unsigned by)
{
    const struct hark_cosigned *kept = kept_of(p, from, log, by);

    assert_non_null(kept);
    memset(&err, 0, sizeof(err));
    return hark_witness_take(p->nodes[to], hark_buf_span(&kept->note), &err);
}

/* So many posts, taken in by P and carried to Q. */
static void accept(struct party *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)party_accept(p, P, party_post(p, 1, p->topic));
    assert_true(party_carry(p, P, Q, NAME_P));
}

/* ---- Signing --------------------------------------------------------------------------- */

static void test_witness_intake__what_waits_is_signed_once(void **state)
{
    struct party p;

    (void)state;
    at_case = "once";
    party_begin(&p);
    cosign(&p, Q, NOW_S);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 0);
    accept(&p, 2);
    cosign(&p, Q, NOW_S);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 2);
    assert_int_equal(kept_of(&p, Q, NAME_P, Q)->time_s, NOW_S);
    assert_string_equal(kept_of(&p, Q, NAME_P, Q)->cosigner.name, "q.example");
    cosign(&p, Q, NOW_S + 60);
    assert_int_equal(kept_of(&p, Q, NAME_P, Q)->time_s, NOW_S);
    /* More has come: a moment later it is signed, not for each entry. */
    accept(&p, 1);
    cosign(&p, Q, NOW_S + 9);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 2);
    cosign(&p, Q, NOW_S + 10);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 3);
    /* Nobody signs for its own intake, nor who is no node. */
    cosign(&p, P, NOW_S);
    assert_int_equal(size_of(&p, P, NAME_P, P), 0);
    OK(hark_witness_cosign_intakes(p.nodes[P], world_signer(p.members[0]), NOW_S, &err));
    assert_null(hark_witness_damaged(p.nodes[P]));
    party_end(&p);
}

/* Q4, and what has been taken needs nobody's word. */
static void test_witness_intake__not_backwards_nor_in_vain(void **state)
{
    struct party p;

    (void)state;
    at_case = "in vain";
    party_begin(&p);
    accept(&p, 1);
    cosign(&p, Q, NOW_S);
    accept(&p, 1);
    cosign(&p, Q, NOW_S - 400);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 1);
    party_carry_all(&p);
    assert_true(party_take_over(&p));
    party_carry_all(&p);
    cosign(&p, Q, NOW_S + 60);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 1);
    accept(&p, 1);
    cosign(&p, Q, NOW_S + 60);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 3);
    /* The home, too, has others' intakes; a node named no more has none that counts. */
    assert_true(party_carry(&p, P, HOME, NAME_P));
    cosign(&p, HOME, NOW_S);
    assert_int_equal(size_of(&p, HOME, NAME_P, HOME), 3);
    world_say(p.world, WORLD_STEWARD, "node",
              json_pack("{s:s,s:s}", "action", "remove", "name", NAME_P), HARK_NONE);
    accept(&p, 1);
    party_log(&p, p.world->count - 2, p.world->count - 1);
    assert_true(party_carry(&p, HOME, Q, ""));
    cosign(&p, Q, NOW_S + 120);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), 3);
    party_end(&p);
}

/* ---- What others show --------------------------------------------------------------------- */

static void test_witness_intake__what_others_signed_is_kept(void **state)
{
    struct hark_space *home;
    const struct hark_cosigned *found = NULL;
    struct party p;

    (void)state;
    at_case = "shown";
    party_begin(&p);
    accept(&p, 2);
    cosign(&p, Q, NOW_S);
    assert_code(show(&p, Q, P, NAME_P, Q), 0);
    assert_int_equal(size_of(&p, P, NAME_P, Q), 2);
    /* The home has not heard of that intake: it is kept, and fits when that has come. */
    home = p.nodes[HOME];
    assert_code(show(&p, Q, HOME, NAME_P, Q), 0);
    assert_int_equal(size_of(&p, HOME, NAME_P, Q), 2);
    OK(hark_witness_cosigned(home, NAME_P, world_key(p.cosigners[Q]), &found, &err));
    assert_null(found);
    assert_true(party_carry(&p, P, HOME, NAME_P));
    OK(hark_witness_cosigned(home, NAME_P, world_key(p.cosigners[Q]), &found, &err));
    assert_non_null(found);
    /* What is more than is here stands beside what fits. */
    accept(&p, 1);
    cosign(&p, Q, NOW_S + 20);
    assert_code(show(&p, Q, HOME, NAME_P, Q), 0);
    assert_int_equal(size_of(&p, HOME, NAME_P, Q), 3);
    OK(hark_witness_cosigned(home, NAME_P, world_key(p.cosigners[Q]), &found, &err));
    assert_int_equal(found->checkpoint.size, 2);
    /* And says nothing of the main log. */
    OK(hark_witness_cosigned(home, "", world_key(p.cosigners[Q]), &found, &err));
    assert_null(found);
    party_end(&p);
}

/* A note of P's intake, of another history or not, with a line of somebody. */
static struct hark_buf forged(struct party *p, uint64_t size, uint8_t other, const char *by_name,
                              uint32_t by)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), text = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf line = hark_buf_init(HARK_NOTE_MAX);
    struct hark_checkpoint cp = {.size = size};

    hark_origin(cp.origin, NAME_P, &p->world->space, 0);
    if (other == 0)
        OK(hark_space_root(p->nodes[P], NAME_P, size, &cp.root, &err));
    else
        memset(cp.root.bytes, other, HARK_HASH_SIZE);
    OK(hark_checkpoint_encode(&text, &cp, &err));
    OK(hark_checkpoint_sign(&note, &cp, world_signer(p->logs[P]), NULL, &err));
    OK(hark_note_sign(&line, hark_buf_span(&text), by_name, HARK_NOTE_COSIGNATURE_V1,
                      world_signer(by), NOW_S, &err));
    OK(hark_buf_append_span(&note, hark_buf_span(&line), &err));
    hark_buf_free(&text);
    hark_buf_free(&line);
    return note;
}

static int show_forged(struct party *p, uint64_t size, uint8_t other, const char *by_name,
                       uint32_t by)
{
    struct hark_buf note = forged(p, size, other, by_name, by);
    int rc;

    memset(&err, 0, sizeof(err));
    rc = hark_witness_take(p->nodes[Q], hark_buf_span(&note), &err);
    hark_buf_free(&note);
    return rc;
}

static void test_witness_intake__only_nodes_now_named_count(void **state)
{
    struct party p;

    (void)state;
    at_case = "named";
    party_begin(&p);
    accept(&p, 2);
    assert_code(show_forged(&p, 2, 0, NAME_P, p.cosigners[P]), 0); /* its own word for itself */
    assert_int_equal(size_of(&p, Q, NAME_P, P), 0);
    assert_code(show_forged(&p, 2, 0, "nobody.example", p.members[0]), 0);
    assert_code(show_forged(&p, 2, 0, WORLD_HOME, WORLD_COSIGNER), 0);
    assert_int_equal(size_of(&p, Q, NAME_P, HOME), 2);
    assert_code(show_forged(&p, 0, 1, WORLD_HOME, WORLD_COSIGNER), HARK_E_PEER_FORM);
    party_end(&p);
}

/* Of one size, or a beginning that is another: its node is convicted. */
static void test_witness_intake__a_second_history_is_evidence(void **state)
{
    (void)state;
    for (uint64_t size = 2; size <= 3; size++) {
        struct found found;
        struct party p;

        at_case = size == 2 ? "beginning" : "root";
        party_begin(&p);
        accept(&p, 3);
        assert_code(show_forged(&p, size, 7, WORLD_HOME, WORLD_COSIGNER), HARK_E_PEER_FORK);
        assert_int_equal(size_of(&p, Q, NAME_P, HOME), 0);
        found = found_in(p.nodes[Q]);
        assert_int_equal(found.count, 1);
        assert_int_equal(found.list[0].kind, HARK_EVIDENCE_FORK);
        assert_true(found.list[0].is_intake);
        assert_string_equal(found.list[0].node, NAME_P);
        party_end(&p);
    }
}

/* ---- What it is not taken for --------------------------------------------------------------- */

static void test_witness_intake__the_main_log_is_another(void **state)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), newest = note;
    struct party p;
    uint64_t size = 0;
    bool done = false;

    (void)state;
    at_case = "main";
    party_begin(&p);
    for (size_t i = 0; i < p.base + 8; i++)
        (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    assert_true(party_carry(&p, P, Q, NAME_P)); /* longer than the main log */
    cosign(&p, Q, NOW_S);
    assert_int_equal(size_of(&p, Q, NAME_P, Q), p.base + 8);
    OK(hark_witness_settled(p.nodes[Q], &size, &err));
    assert_int_equal(size, 0);
    OK(hark_witness_ahead(p.nodes[Q], &size, &err));
    assert_int_equal(size, 0);
    OK(hark_witness_note(p.nodes[Q], "", 0, &note, &size, &err));
    assert_int_equal(size, 0);
    OK(hark_witness_newest(p.nodes[Q], &newest, &err));
    assert_null(memmem(newest.data, newest.size, "intake", 6));
    for (unsigned by = P; by <= Q; by++) {
        OK(hark_witness_cosign(p.nodes[by], world_signer(p.cosigners[by]), NOW_S, &done, &err));
        assert_true(done);
    }
    assert_code(show(&p, P, Q, "", P), 0);
    OK(hark_witness_settled(p.nodes[Q], &size, &err));
    assert_int_equal(size, p.base);
    OK(hark_witness_note(p.nodes[Q], NAME_P, 0, &note, &size, &err));
    assert_int_equal(size, p.base + 8);
    hark_buf_free(&note);
    hark_buf_free(&newest);
    party_end(&p);
}

static void test_witness_intake__is_shown_after_the_main_log(void **state)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash id;
    struct party p;
    size_t count = 0;
    bool done = false;

    (void)state;
    at_case = "order";
    party_begin(&p);
    accept(&p, 2);
    cosign(&p, Q, NOW_S);
    OK(hark_witness_cosign(p.nodes[Q], world_signer(p.cosigners[Q]), NOW_S, &done, &err));
    OK(hark_witness_body(p.nodes[Q], &body, &count, &err));
    assert_int_equal(count, 2);
    OK(hark_cosign_decode(&id, notes, &count, hark_buf_span(&body), &err));
    assert_null(memmem(notes[0].data, notes[0].size, "/intake\n", 8));
    assert_non_null(memmem(notes[1].data, notes[1].size, "/intake\n", 8));
    hark_buf_free(&body);
    party_end(&p);
}

/* A receipt of what waits takes the note that others have cosigned. */
static void test_witness_intake__a_receipt_takes_it_along(void **state)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_checkpoint cp;
    struct hark_proof path;
    struct hark_line line;
    struct hark_git_id commit;
    struct hark_hash leaf;
    struct party p;

    (void)state;
    at_case = "receipt";
    party_begin(&p);
    accept(&p, 2);
    cosign(&p, Q, NOW_S);
    accept(&p, 3);
    for (uint64_t at = 0; at < 5; at++) {
        hark_buf_clear(&note);
        OK(hark_space_prove(p.nodes[Q], NAME_P, at, &path, &note, &err));
        OK(hark_space_line(p.nodes[Q], NAME_P, at, &line, &commit, &err));
        OK(hark_checkpoint_read(&cp, hark_buf_span(&note), &err));
        assert_int_equal(cp.size, at < 2 ? 2 : 5);
        leaf = hark_line_leaf(&line);
        OK(hark_merkle_verify_inclusion(&leaf, at, cp.size, path.hashes, path.count, &cp.root,
                                        &err));
        assert_int_equal(memmem(note.data, note.size, "q.example", 9) != NULL, at < 2);
    }
    hark_buf_free(&note);
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_witness_intake__what_waits_is_signed_once),
        cmocka_unit_test(test_witness_intake__not_backwards_nor_in_vain),
        cmocka_unit_test(test_witness_intake__what_others_signed_is_kept),
        cmocka_unit_test(test_witness_intake__only_nodes_now_named_count),
        cmocka_unit_test(test_witness_intake__a_second_history_is_evidence),
        cmocka_unit_test(test_witness_intake__the_main_log_is_another),
        cmocka_unit_test(test_witness_intake__is_shown_after_the_main_log),
        cmocka_unit_test(test_witness_intake__a_receipt_takes_it_along),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
