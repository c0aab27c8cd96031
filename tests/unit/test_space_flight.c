/*
 * What is under way: judged as if it were logged, in the order in which it would be,
 * and leaving no trace in what is logged; taken in at a named node only when it would
 * stand there, with all that it hangs on.
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

#include "tests/unit/flight_stage.h"

/* ---- The outbox ------------------------------------------------------------------ */

static void test_space_flight__an_outbox_goes_on_where_the_log_ends(void **state)
{
    struct party p;
    const struct hark_flight_entry *e;
    struct hark_state *provisional = NULL;
    struct hark_hash before;
    uint64_t n[3];

    (void)state;
    at_case = "outbox";
    party_begin(&p);
    before = party_state(p.nodes[Q]);
    (void)party_expect_flight(&p, Q, NULL, 0);
    n[0] = party_post(&p, 1, p.topic);
    n[1] = party_post(&p, 2, n[0]);
    party_put(&p, Q, n[0]);
    party_put(&p, Q, n[1]);
    e = party_expect_flight(&p, Q, n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(e[i].code, 0);
        assert_int_equal(e[i].effect.verdict, 0);
        assert_int_equal(e[i].effect.position, p.base + i);
        assert_string_equal(e[i].node, "");
        assert_int_equal(e[i].says, HARK_SAYS_IT);
        assert_string_equal(json_string_value(json_object_get(e[i].json, "body")), "Yes");
    }
    assert_int_equal(e[1].effect.re[0], p.base); /* the one before it, provisionally */
    OK(hark_space_provisional(p.nodes[Q], &provisional, &err));
    assert_int_equal(hark_state_size(provisional), p.base + 2);
    assert_int_equal(hark_state_size(hark_space_state(p.nodes[Q])), p.base);
    /* What comes at the end is only added: what was there is not judged anew. */
    n[2] = party_post(&p, 1, n[1]);
    party_put(&p, Q, n[2]);
    {
        const json_t *was = e[0].json;

        e = party_expect_flight(&p, Q, n, 3);
        assert_ptr_equal(e[0].json, was);
        assert_int_equal(e[2].code, 0);
    }
    {
        struct hark_hash after = party_state(p.nodes[Q]);

        assert_true(hark_hash_equal(&before, &after));
    }
    party_end(&p);
}

static void set_state(struct party *p, unsigned node, uint64_t number, enum hark_out_state to)
{
    struct hark_outbox *outbox = NULL;
    struct hark_out_row row = {.id = *party_id(p, number), .state = to};

    if (to == HARK_OUT_REFUSED)
        row.code = HARK_E_ACCEPT_RATE;
    OK(hark_space_outbox(p->nodes[node], &outbox, &err));
    OK(hark_outbox_set(outbox, &row, party_now(p, node), &err));
    hark_space_outbox_changed(p->nodes[node]);
}

/* A refused entry says why it was, and keeps its place in its feed: the entries after it
 * follow it, and one that is written now must not be signed in its place. Handed in as
 * void it is under way like the others. */
static void test_space_flight__a_refused_entry_keeps_its_place(void **state)
{
    struct party p;
    const struct hark_flight_entry *e;
    struct hark_outbox *outbox = NULL;
    uint64_t n[3];

    (void)state;
    at_case = "refused";
    party_begin(&p);
    for (size_t i = 0; i < 3; i++) {
        n[i] = party_post(&p, 1, p.topic);
        party_put(&p, P, n[i]);
    }
    set_state(&p, P, n[1], HARK_OUT_ACCEPTED); /* by somebody whose intake is not here */
    (void)party_expect_flight(&p, P, n, 3);
    set_state(&p, P, n[0], HARK_OUT_REFUSED);
    e = party_expect_flight(&p, P, n, 3);
    assert_int_equal(e[0].code, HARK_E_ACCEPT_RATE);
    assert_int_equal(e[1].code, 0);
    assert_int_equal(e[2].code, 0);
    OK(hark_space_outbox(p.nodes[P], &outbox, &err));
    OK(hark_outbox_as_void(outbox, party_id(&p, n[0]), party_now(&p, P), &err));
    hark_space_outbox_changed(p.nodes[P]);
    e = party_expect_flight(&p, P, n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(e[i].code, 0);
    party_end(&p);
}

static void test_space_flight__what_is_logged_is_under_way_no_more(void **state)
{
    struct party p;
    const struct hark_flight_entry *e;
    uint64_t n[3];

    (void)state;
    at_case = "logged";
    party_begin(&p);
    for (size_t i = 0; i < 3; i++) {
        n[i] = party_post(&p, 1, p.topic);
        party_put(&p, HOME, n[i]);
    }
    (void)party_expect_flight(&p, HOME, n, 3);
    /* In an open batch, and undone again. */
    {
        struct hark_offer offer = stage_offer(p.world->log[n[0]], true);

        OK(hark_space_begin(p.nodes[HOME], &err));
        OK(hark_space_add(p.nodes[HOME], &offer, world_signer(WORLD_LOG), NULL, &err));
        (void)party_expect_flight(&p, HOME, n + 1, 2);
        hark_space_rollback(p.nodes[HOME]);
    }
    (void)party_expect_flight(&p, HOME, n, 3);
    party_log(&p, p.base, p.base + 2);
    e = party_expect_flight(&p, HOME, n + 2, 1);
    assert_int_equal(e[0].code, 0);
    assert_int_equal(e[0].effect.position, p.base + 2);
    /* The index is thrown away, with all that lay over it. */
    OK(hark_space_reindex(p.nodes[HOME], &err));
    (void)party_expect_flight(&p, HOME, n + 2, 1);
    party_end(&p);
}

/* ---- Taking in ---------------------------------------------------------------------- */

static void test_space_flight__what_waits_elsewhere_is_copied_as_it_is(void **state)
{
    struct party p;
    const struct hark_flight_entry *e;
    struct hark_outcome first, again;
    uint64_t n[2], batches = 0;

    (void)state;
    at_case = "copied";
    party_begin(&p);
    n[0] = party_post(&p, 1, p.topic);
    n[1] = party_post(&p, 1, n[0]);
    (void)party_accept(&p, Q, n[0]);
    (void)party_accept(&p, Q, n[1]);
    assert_true(party_carry(&p, Q, P, "q.example"));
    p.world->now_ms += 5000;
    first = party_hand_in(&p, P, n[1], true); /* comes with the one before it */
    assert_int_equal(first.code, 0);
    assert_int_equal(first.position, 1);
    assert_false(first.logged);
    assert_int_equal(first.accepted_ms, party_now(&p, P));
    p.world->now_ms += 5000;
    again = party_hand_in(&p, P, n[1], true);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_int_equal(party_size(&p, P, "p.example", &batches), 2);
    assert_int_equal(batches, 1);
    e = party_expect_flight(&p, P, n, 2);
    assert_string_equal(e[0].node, "q.example");
    assert_int_equal(e[1].position, 1);
    party_settle(&p);
    party_end(&p);
}

/* The steward's admit waits in one intake, and what its member writes comes to another
 * node, where nobody would know the key. */
static void test_space_flight__a_newcomers_admit_is_copied_before_its_words(void **state)
{
    struct party p;
    struct hark_outcome outcome;
    uint32_t key;
    uint64_t admit, post, batches = 0;

    (void)state;
    at_case = "newcomer";
    party_begin(&p);
    key = world_new_key(p.world);
    admit = world_say(p.world, WORLD_STEWARD, "admit",
                      world_fields_admit(p.world, key, "member", WORLD_NO_KEY), HARK_NONE);
    post = world_say(p.world, key, "post", stage_text("body", "Hello"), p.topic);
    (void)party_accept(&p, Q, admit);
    outcome = party_hand_in(&p, P, post, true);
    assert_int_equal(outcome.code, HARK_E_ENTRY_KEY);
    assert_true(party_carry(&p, Q, P, "q.example"));
    assert_int_equal(party_accept(&p, P, post), 1);
    assert_int_equal(party_size(&p, P, "p.example", &batches), 2);
    assert_true(party_carry(&p, P, HOME, "p.example"));
    party_settle(&p);
    party_end(&p);
}

/* The same with a kind of the space's own. */
static void test_space_flight__a_kind_is_copied_before_what_is_of_it(void **state)
{
    struct party p;
    struct hark_outcome outcome;
    uint64_t kind, thing, batches = 0;

    (void)state;
    at_case = "kind";
    party_begin(&p);
    kind = world_say(p.world, WORLD_STEWARD, "kind", world_fields_kind("x-thing"), HARK_NONE);
    thing = world_say(p.world, p.members[1], "x-thing", stage_text("body", "A thing"), HARK_NONE);
    (void)party_accept(&p, Q, kind);
    outcome = party_hand_in(&p, P, thing, true);
    assert_int_equal(outcome.code, HARK_E_ENTRY_RULES);
    assert_true(party_carry(&p, Q, P, "q.example"));
    assert_int_equal(party_accept(&p, P, thing), 1);
    assert_int_equal(party_size(&p, P, "p.example", &batches), 2);
    assert_true(party_carry(&p, P, HOME, "p.example"));
    party_settle(&p);
    party_end(&p);
}

static void test_space_flight__what_hangs_together_is_one_batch(void **state)
{
    struct party p;
    struct hark_offer offers[5];
    struct hark_outcome outcomes[5];
    struct world_draft draft = {.kind = "post"};
    uint64_t n[3], bad, batches = 0;

    (void)state;
    at_case = "one batch";
    party_begin(&p);
    n[0] = party_post(&p, 1, p.topic);
    n[1] = party_post(&p, 2, n[0]);
    draft.by = p.members[0];
    draft.fields = stage_text("body", "?");
    draft.re_count = 1;
    draft.re[0] = hark_sha256(hark_span_str("nothing"));
    bad = world_log(p.world, &draft, HARK_E_VOID_RE_NOTHING);
    n[2] = party_post(&p, 1, n[1]);
    offers[0] = stage_offer(p.world->log[n[0]], true);
    offers[1] = stage_offer(p.world->log[bad], true);
    offers[2] = stage_offer(p.world->log[n[1]], true);
    offers[3] = stage_offer(p.world->log[n[2]], true);
    offers[4] = stage_offer(p.world->log[n[0]], true); /* twice in one call */
    offers[2].payload = (struct hark_span){0};         /* and one without its words */
    OK(hark_space_accept(p.nodes[P], "p.example", world_signer(p.logs[P]), offers, 5, 0, outcomes,
                         &err));
    assert_int_equal(outcomes[0].code, 0);
    assert_int_equal(outcomes[1].code, HARK_E_VOID_RE_NOTHING);
    assert_int_equal(outcomes[2].code, HARK_E_PAYLOAD_ABSENT);
    assert_int_equal(outcomes[3].code, HARK_E_VOID_RE_NOTHING); /* the one without is not here */
    assert_int_equal(outcomes[4].code, 0);
    assert_int_equal(outcomes[4].position, 0);
    offers[2] = stage_offer(p.world->log[n[1]], true);
    OK(hark_space_accept(p.nodes[P], "p.example", world_signer(p.logs[P]), offers, 5, 0, outcomes,
                         &err));
    assert_int_equal(outcomes[3].code, 0);
    assert_int_equal(outcomes[3].position, 2);
    assert_int_equal(party_size(&p, P, "p.example", &batches), 3);
    assert_int_equal(batches, 2);
    (void)party_expect_flight(&p, P, n, 3);
    /* What is no entry at all is answered, too. */
    offers[0].bytes = hark_span_str("tree of nothing");
    OK(hark_space_accept(p.nodes[P], "p.example", world_signer(p.logs[P]), offers, 1, 0, outcomes,
                         &err));
    assert_true(outcomes[0].code != 0);
    assert_true(hark_hash_equal(&outcomes[0].id, &(struct hark_hash){{0}}));
    party_end(&p);
}

/* Judged, applied provisionally, and then not written: it is not under way either. */
static void test_space_flight__what_could_not_be_written_leaves_nothing(void **state)
{
    struct party p;
    struct hark_offer offer;
    struct hark_outcome outcome;
    uint64_t n[1], batches = 0;

    (void)state;
    at_case = "not written";
    party_begin(&p);
    n[0] = party_post(&p, 1, p.topic);
    offer = stage_offer(p.world->log[n[0]], true);
    assert_int_equal(hark_space_accept(p.nodes[P], "p.example", world_signer(p.logs[Q]), &offer, 1,
                                       0, &outcome, &err),
                     HARK_E_ACCEPT_NOT_HERE);
    (void)party_expect_flight(&p, P, NULL, 0);
    assert_int_equal(party_size(&p, P, "p.example", &batches), 0);
    assert_int_equal(party_accept(&p, P, n[0]), 0);
    (void)party_expect_flight(&p, P, n, 1);
    party_end(&p);
}

/* What another node took in before comes before, whenever it is heard of; and what
 * comes at the end is added without judging the rest anew. */
static void test_space_flight__waiting_entries_stand_in_order_of_acceptance(void **state)
{
    struct party p;
    const struct hark_flight_entry *e;
    const json_t *was;
    uint64_t n[4];

    (void)state;
    at_case = "order";
    party_begin(&p);
    for (size_t i = 0; i < 4; i++) {
        n[i] = party_post(&p, (unsigned)i, p.topic);
        (void)party_accept(&p, i % 2 == 0 ? Q : P, n[i]);
    }
    {
        uint64_t own[] = {n[1], n[3]};

        (void)party_expect_flight(&p, P, own, 2);
    }
    assert_true(party_carry(&p, Q, P, "q.example"));
    e = party_expect_flight(&p, P, n, 4);
    assert_string_equal(e[2].node, "q.example");
    assert_int_equal(e[2].position, 1);
    was = e[0].json;
    n[0] = party_post(&p, 2, p.topic);
    (void)party_accept(&p, Q, n[0]);
    assert_true(party_carry(&p, Q, P, "q.example"));
    {
        size_t count = 0;

        OK(hark_space_flight(p.nodes[P], &e, &count, &err));
        assert_int_equal(count, 5);
        assert_ptr_equal(e[0].json, was);
        assert_true(hark_hash_equal(&e[4].entry.id, party_id(&p, n[0])));
    }
    party_settle(&p);
    party_end(&p);
}

/* An outbox's entries come after all that waits; taken in, they are among it. */
static void test_space_flight__an_outbox_comes_after_what_waits(void **state)
{
    struct party p;
    const struct hark_flight_entry *e;
    struct hark_outcome outcome;
    uint64_t n[4];

    (void)state;
    at_case = "outbox and intake";
    party_begin(&p);
    n[1] = party_post(&p, 1, p.topic);
    n[2] = party_post(&p, 1, n[1]);
    party_put(&p, P, n[1]);
    party_put(&p, P, n[2]);
    (void)party_expect_flight(&p, P, n + 1, 2);
    n[0] = party_post(&p, 2, p.topic);
    (void)party_accept(&p, P, n[0]);
    e = party_expect_flight(&p, P, n, 3);
    assert_int_equal(e[2].effect.position, p.base + 2);
    /* The second hangs on the first, which has to be handed in itself. */
    outcome = party_hand_in(&p, P, n[2], true);
    assert_int_equal(outcome.code, HARK_E_ENTRY_GAP);
    (void)party_accept(&p, P, n[1]);
    e = party_expect_flight(&p, P, n, 3);
    assert_string_equal(e[1].node, "p.example");
    assert_string_equal(e[2].node, "");
    assert_int_equal(e[2].code, 0);
    set_state(&p, P, n[1], HARK_OUT_ACCEPTED);
    n[3] = party_post(&p, 1, n[2]);
    party_put(&p, P, n[3]);
    (void)party_expect_flight(&p, P, n, 4);
    (void)party_accept(&p, P, n[2]);
    (void)party_accept(&p, P, n[3]);
    party_settle(&p);
    party_end(&p);
}

/* Who only reads sees the same, and nothing of it is made for that. */
static void test_space_flight__a_reader_sees_the_same(void **state)
{
    struct party p;
    const struct hark_flight_entry *ours, *theirs;
    struct hark_space *reader = NULL;
    char place[STAGE_PATH_MAX];
    size_t count = 0;
    uint64_t n[2];

    (void)state;
    at_case = "reader";
    party_begin(&p);
    (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, stage_copies - 1);
    OK(hark_space_open(&reader, place, &p.world->space, true, NULL, &err));
    OK(hark_space_flight(reader, &theirs, &count, &err));
    assert_int_equal(count, 0);
    {
        char outbox[STAGE_PATH_MAX + 16];

        (void)snprintf(outbox, sizeof(outbox), "%s/outbox", place);
        assert_int_not_equal(access(outbox, F_OK), 0);
    }
    n[0] = party_post(&p, 1, p.topic);
    (void)party_accept(&p, P, n[0]);
    n[1] = party_post(&p, 2, n[0]);
    party_put(&p, P, n[1]);
    ours = party_expect_flight(&p, P, n, 2);
    OK(hark_space_refresh(reader, &err));
    OK(hark_space_flight(reader, &theirs, &count, &err));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(hark_hash_equal(&ours[i].entry.id, &theirs[i].entry.id));
        assert_memory_equal(&ours[i].effect, &theirs[i].effect, sizeof(ours[i].effect));
    }
    hark_space_free(reader);
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_flight__an_outbox_goes_on_where_the_log_ends),
        cmocka_unit_test(test_space_flight__a_refused_entry_keeps_its_place),
        cmocka_unit_test(test_space_flight__what_is_logged_is_under_way_no_more),
        cmocka_unit_test(test_space_flight__what_waits_elsewhere_is_copied_as_it_is),
        cmocka_unit_test(test_space_flight__a_newcomers_admit_is_copied_before_its_words),
        cmocka_unit_test(test_space_flight__a_kind_is_copied_before_what_is_of_it),
        cmocka_unit_test(test_space_flight__what_hangs_together_is_one_batch),
        cmocka_unit_test(test_space_flight__what_could_not_be_written_leaves_nothing),
        cmocka_unit_test(test_space_flight__waiting_entries_stand_in_order_of_acceptance),
        cmocka_unit_test(test_space_flight__an_outbox_comes_after_what_waits),
        cmocka_unit_test(test_space_flight__a_reader_sees_the_same),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
