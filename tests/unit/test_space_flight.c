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

/* A refused entry is not under way, and what it leaves a gap before could not be
 * logged, which is told; handed in as void it is, and so are they. */
static void test_space_flight__what_hangs_on_a_refused_entry_says_so(void **state)
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
    e = party_expect_flight(&p, P, n + 1, 2);
    assert_int_equal(e[0].code, HARK_E_ENTRY_GAP);
    assert_int_equal(e[1].code, HARK_E_ENTRY_GAP);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_flight__an_outbox_goes_on_where_the_log_ends),
        cmocka_unit_test(test_space_flight__what_hangs_on_a_refused_entry_says_so),
        cmocka_unit_test(test_space_flight__what_is_logged_is_under_way_no_more),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
