/*
 * node/convict_withheld: a home that goes on without what others have accepted is convicted, by
 * who cosigned it and heard from the home; one that was away, or takes over late, is not
 * (PROTOCOL.md 7.11).
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
#include "schemas/evidence.h"
#include "tests/unit/flight_stage.h"
#include "tests/unit/found.h"

#define NAME_P "p.example"
#define HOUR   UINT64_C(3600000)
#define STEP   (12 * HOUR + 400000) /* half of the delay, and what a clock may be ahead */

static struct hark_evidence last; /* that was found */

static size_t found_at(struct party *p, unsigned at)
{
    struct found found = found_in(p->nodes[at]);

    last = found.list[found.count > 0 ? found.count - 1 : 0];
    return found.count;
}

/* What Q does whenever something has come. */
static void tend(struct party *p)
{
    const struct hark_signer *signer = world_signer(p->cosigners[Q]);
    uint64_t now_ms = party_now(p, Q);
    bool done = false;

    OK(hark_witness_cosign(p->nodes[Q], signer, now_ms / 1000, &done, &err));
    OK(hark_witness_cosign_intakes(p->nodes[Q], signer, now_ms / 1000, &err));
    OK(hark_convict_withheld(p->nodes[Q], now_ms, &err));
}

/* The home logs something of its own so much later; Q hears of it, if it is in touch. */
static void home_logs(struct party *p, uint64_t wait_ms, bool in_touch)
{
    p->world->now_ms += wait_ms;
    (void)party_post(p, 3, p->topic);
    party_log(p, p->world->count - 1, p->world->count);
    if (!in_touch)
        return;
    assert_true(party_carry(p, HOME, Q, ""));
    p->world->now_ms += 1000;
    tend(p);
}

/* P takes something in, which comes to Q and not to the home. */
static void accept(struct party *p, uint32_t member)
{
    (void)party_accept(p, P, party_post(p, member, p->topic));
    assert_true(party_carry(p, P, Q, NAME_P));
    p->world->now_ms += 1000;
    tend(p);
}

static void begin(struct party *p, const char *name)
{
    at_case = name;
    party_begin(p);
    home_logs(p, 1000, true);
}

static void reopen(struct party *p, unsigned at)
{
    char place[STAGE_PATH_MAX];
    struct hark_hash id = *hark_space_id(p->nodes[at]);

    /* The last three copies are the three nodes'. */
    (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, stage_copies - NODES + at + 1);
    hark_space_free(p->nodes[at]);
    OK(hark_space_open(&p->nodes[at], place, &id, false, NULL, &err));
}

/* ---- Who is convicted ----------------------------------------------------------------------- */

static void withhold(struct party *p, bool restarts)
{
    accept(p, 1);
    home_logs(p, 4 * HOUR, true); /* the first round */
    assert_int_equal(found_at(p, Q), 0);
    if (restarts)
        reopen(p, Q);
    home_logs(p, STEP, true); /* the second */
    assert_int_equal(found_at(p, Q), 0);
    if (restarts)
        reopen(p, Q);
    home_logs(p, STEP, true); /* and its word */
}

static void test_convict_withheld__who_goes_on_without_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct party p;

        begin(&p, i == 0 ? "goes on" : "over restarts");
        withhold(&p, i == 1);
        assert_int_equal(found_at(&p, Q), 1);
        assert_int_equal(last.kind, HARK_EVIDENCE_WITHHELD);
        assert_true(hark_key_equal(&last.key, world_key(WORLD_LOG)));
        assert_string_equal(last.node, WORLD_HOME);
        assert_string_equal(last.intake_node, NAME_P);
        assert_int_equal(last.cosigner_count, 1);
        assert_string_equal(last.cosigners[0].name, "q.example");
        assert_int_equal(last.position, 0);
        assert_int_equal(last.taken, 0);
        assert_int_equal(last.delay_s, 86400);
        assert_true(last.is_named && last.first_delay);
        /* Once is enough. */
        home_logs(&p, STEP, true);
        home_logs(&p, STEP, true);
        assert_int_equal(found_at(&p, Q), 1);
        /* P, whose intake it is, takes the file. */
        assert_true(party_carry(&p, HOME, P, ""));
        assert_int_equal(found_at(&p, P), 0);
        found_hand_over(p.nodes[Q], p.nodes[P]);
        assert_int_equal(found_at(&p, P), 1);
        party_end(&p);
    }
}

/* By fewer than are to settle a file is not taken. */
static void test_convict_withheld__not_taken_of_too_few(void **state)
{
    struct party p;

    (void)state;
    begin(&p, "too few to take");
    withhold(&p, false);
    assert_int_equal(found_at(&p, Q), 1);
    world_say(p.world, WORLD_STEWARD, "node",
              world_fields_node("r.example", world_new_key(p.world), world_new_key(p.world),
                                world_new_key(p.world)),
              HARK_NONE);
    world_say(p.world, WORLD_STEWARD, "policy", json_pack("{s:{s:i}}", "policy", "quorum", 2),
              HARK_NONE);
    party_log(&p, p.world->count - 2, p.world->count);
    assert_true(party_carry(&p, HOME, P, ""));
    found_hand_over(p.nodes[Q], p.nodes[P]);
    assert_int_equal(found_at(&p, P), 0);
    party_end(&p);
}

/* Of some it takes the first. */
static void test_convict_withheld__who_stops_in_between(void **state)
{
    struct party p;

    (void)state;
    begin(&p, "in between");
    accept(&p, 1);
    assert_true(party_carry(&p, P, HOME, NAME_P));
    assert_true(party_take_over(&p));
    assert_true(party_carry(&p, HOME, Q, ""));
    accept(&p, 2);
    p.world->now_ms += 20000;
    accept(&p, 1);
    home_logs(&p, 4 * HOUR, true);
    home_logs(&p, STEP, true);
    home_logs(&p, STEP, true);
    assert_int_equal(found_at(&p, Q), 1);
    assert_int_equal(last.taken, 1);
    assert_int_equal(last.position, 2);
    party_end(&p);
}

/* What was watched was taken over; what comes after it is watched anew. */
static void test_convict_withheld__who_withholds_the_next(void **state)
{
    struct party p;

    (void)state;
    begin(&p, "the next");
    accept(&p, 1);
    home_logs(&p, 4 * HOUR, true);
    assert_true(party_carry(&p, P, HOME, NAME_P));
    assert_true(party_take_over(&p));
    assert_true(party_carry(&p, HOME, Q, ""));
    accept(&p, 2);
    home_logs(&p, 4 * HOUR, true);
    home_logs(&p, STEP, true);
    home_logs(&p, STEP, true);
    assert_int_equal(found_at(&p, Q), 1);
    assert_int_equal(last.taken, 1);
    assert_int_equal(last.position, 1);
    party_end(&p);
}

/* The steward gives it twice the time when two rounds are pinned, which are too near to each
 * other then: the second comes anew. */
static void test_convict_withheld__who_was_given_more_time(void **state)
{
    struct party p;

    (void)state;
    begin(&p, "more time");
    accept(&p, 1);
    home_logs(&p, 4 * HOUR, true);
    home_logs(&p, STEP, true);
    world_say(p.world, WORLD_STEWARD, "policy",
              json_pack("{s:{s:i}}", "policy", "merge_delay_s", 2 * 86400), HARK_NONE);
    party_log(&p, p.world->count - 1, p.world->count);
    for (unsigned k = 0; k < 3; k++)
        home_logs(&p, STEP, true);
    assert_int_equal(found_at(&p, Q), 0);
    for (unsigned k = 0; k < 2; k++)
        home_logs(&p, STEP, true);
    assert_int_equal(found_at(&p, Q), 1);
    assert_int_equal(last.delay_s, 2 * 86400);
    party_end(&p);
}

/* ---- Who is not --------------------------------------------------------------------------------
 */

/* At each point in time at which it comes, what waits is taken over: it is never too late. */
static void test_convict_withheld__not_who_takes_over_at_last(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct party p;

        begin(&p, "at last");
        accept(&p, 1);
        if (i > 0)
            home_logs(&p, 4 * HOUR, true);
        if (i > 1)
            home_logs(&p, STEP, true);
        assert_true(party_carry(&p, P, HOME, NAME_P));
        p.world->now_ms += STEP;
        assert_true(party_take_over(&p));
        for (unsigned k = 0; k < 4; k++)
            home_logs(&p, STEP, true);
        assert_int_equal(found_at(&p, Q), 0);
        party_end(&p);
    }
}

/* One whose line is slow: it takes over what has come, each time a little more. */
static void test_convict_withheld__not_who_is_slow(void **state)
{
    struct party p;
    uint64_t batches = 0;

    (void)state;
    begin(&p, "slow");
    for (unsigned i = 0; i < 6; i++)
        accept(&p, 1);
    for (uint64_t i = 0; i < 6; i++) {
        struct hark_space_batch batch;

        home_logs(&p, STEP, true);
        OK(hark_space_read_batch(p.nodes[P], NAME_P, i, &batch, &err));
        OK(hark_space_take(p.nodes[HOME], NAME_P, &batch.raw, party_now(&p, HOME), &err));
        hark_space_batch_free(&batch);
        assert_true(party_take_over(&p));
        home_logs(&p, 1000, true);
    }
    assert_int_equal(party_size(&p, HOME, NAME_P, &batches), 6);
    assert_int_equal(found_at(&p, Q), 0);
    party_end(&p);
}

/* It made batches all the time that it was cut off, and one more when it was back; or it was
 * down, and its first batch comes before it has fetched anything. */
static void test_convict_withheld__not_who_was_away(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct party p;

        begin(&p, i == 0 ? "cut off" : i == 1 ? "down" : "seen once before");
        accept(&p, 1);
        if (i == 2)
            home_logs(&p, 4 * HOUR, true); /* and gone again before it could ask */
        for (unsigned k = 0; i != 1 && k < 6; k++)
            home_logs(&p, STEP, false);
        p.world->now_ms += 10 * STEP;
        home_logs(&p, 0, true);
        assert_int_equal(found_at(&p, Q), 0);
        assert_true(party_carry(&p, P, HOME, NAME_P));
        assert_true(party_take_over(&p));
        for (unsigned k = 0; k < 4; k++)
            home_logs(&p, STEP, true);
        assert_int_equal(found_at(&p, Q), 0);
        party_end(&p);
    }
}

/* What it said soon after it was last heard from is not enough. */
static void test_convict_withheld__not_within_half_a_delay(void **state)
{
    struct party p;

    (void)state;
    begin(&p, "soon");
    accept(&p, 1);
    for (unsigned k = 0; k < 4; k++)
        home_logs(&p, 6 * HOUR, true);
    assert_int_equal(found_at(&p, Q), 0); /* after a day, two rounds, and nothing said since */
    home_logs(&p, 12 * HOUR, true);
    assert_int_equal(found_at(&p, Q), 0);
    home_logs(&p, 12 * HOUR, true);
    assert_int_equal(found_at(&p, Q), 1);
    party_end(&p);
}

/* Two are to cosign, and only one does. */
static void test_convict_withheld__not_without_enough_cosigners(void **state)
{
    struct party p;
    uint32_t third;

    (void)state;
    at_case = "too few";
    party_begin(&p);
    third = world_new_key(p.world);
    world_say(p.world, WORLD_STEWARD, "node",
              world_fields_node("r.example", third, world_new_key(p.world), world_new_key(p.world)),
              HARK_NONE);
    world_say(p.world, WORLD_STEWARD, "policy", json_pack("{s:{s:i}}", "policy", "quorum", 2),
              HARK_NONE);
    party_log(&p, p.world->count - 2, p.world->count);
    home_logs(&p, 1000, true);
    assert_true(party_carry(&p, HOME, P, ""));
    withhold(&p, false);
    assert_int_equal(found_at(&p, Q), 0);
    party_end(&p);
}

/* A `home` entry is not the old home's to log. */
static void test_convict_withheld__not_for_what_moves_the_home(void **state)
{
    struct party p;
    uint64_t number;

    (void)state;
    begin(&p, "moves");
    assert_true(party_carry(&p, HOME, P, ""));
    number =
        world_say(p.world, WORLD_STEWARD, "home", world_fields_home(p.world, NAME_P), HARK_NONE);
    assert_int_equal(party_hand_in(&p, P, number, false).code, 0);
    assert_true(party_carry(&p, P, Q, NAME_P));
    p.world->now_ms += 1000;
    tend(&p);
    home_logs(&p, 4 * HOUR, true);
    home_logs(&p, STEP, true);
    home_logs(&p, STEP, true);
    assert_int_equal(found_at(&p, Q), 0);
    party_end(&p);
}

/* A file that is not what it was is as good as none. */
static void test_convict_withheld__begins_anew_where_a_file_is_spoilt(void **state)
{
    struct party p;
    char command[STAGE_PATH_MAX];

    (void)state;
    begin(&p, "spoilt");
    accept(&p, 1);
    home_logs(&p, 4 * HOUR, true);
    (void)snprintf(command, sizeof(command), "sed -i '3s/./x/' copy-%u/cosigned/*/pinned.p.example",
                   stage_copies);
    assert_int_equal(run_tool(stage_dir, command), 0);
    home_logs(&p, STEP, true);
    home_logs(&p, STEP, true);
    assert_int_equal(found_at(&p, Q), 0);
    home_logs(&p, STEP, true);
    assert_int_equal(found_at(&p, Q), 1);
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convict_withheld__who_goes_on_without_it),
        cmocka_unit_test(test_convict_withheld__not_taken_of_too_few),
        cmocka_unit_test(test_convict_withheld__who_stops_in_between),
        cmocka_unit_test(test_convict_withheld__who_withholds_the_next),
        cmocka_unit_test(test_convict_withheld__who_was_given_more_time),
        cmocka_unit_test(test_convict_withheld__not_who_takes_over_at_last),
        cmocka_unit_test(test_convict_withheld__not_who_is_slow),
        cmocka_unit_test(test_convict_withheld__not_who_was_away),
        cmocka_unit_test(test_convict_withheld__not_within_half_a_delay),
        cmocka_unit_test(test_convict_withheld__not_without_enough_cosigners),
        cmocka_unit_test(test_convict_withheld__not_for_what_moves_the_home),
        cmocka_unit_test(test_convict_withheld__begins_anew_where_a_file_is_spoilt),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
