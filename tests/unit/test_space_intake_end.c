/*
 * A named node whose copy of a space comes anew does not sign a second history of its own
 * intake: what it had signed is taken back as far as it has a place in the log as it is
 * now, and until all of it is there nothing is added.
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

#include "node/space_internal.h"
#include "tests/unit/flight_stage.h"

#define NAME_P "p.example"

/* Sets P's copy aside, and begins a new one with what every node begins with. */
static struct hark_space *set_aside(struct party *p)
{
    struct hark_space *old = NULL;
    char place[STAGE_PATH_MAX], script[256];
    unsigned copy = stage_copies - 1; /* of HOME, P, Q */

    OK(hark_space_intake_keep_end(p->nodes[P], hark_signer_key(world_signer(p->logs[P])), &err));
    hark_space_free(p->nodes[P]);
    (void)snprintf(script, sizeof(script),
                   "rm -rf aside && mkdir aside && cd copy-%u && mv spaces index ../aside && "
                   "cp -r ../template/spaces ../template/index .",
                   copy);
    assert_int_equal(run_tool(stage_dir, script), 0);
    (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, copy);
    OK(hark_space_open(&p->nodes[P], place, &p->world->space, false, NULL, &err));
    (void)snprintf(place, sizeof(place), "%s/aside", stage_dir);
    OK(hark_space_open(&old, place, &p->world->space, false, NULL, &err));
    return old;
}

static void bring(struct party *p, struct hark_space *old)
{
    OK(hark_space_intake_bring(p->nodes[P], old, NAME_P, &err));
}

static uint64_t intake_size(struct party *p, unsigned node)
{
    uint64_t batches;

    return party_size(p, node, NAME_P, &batches);
}

static void assert_not_accepted(struct party *p, uint64_t number)
{
    struct hark_offer offer = stage_offer(p->world->log[number], true);
    uint64_t before = intake_size(p, P);
    struct hark_outcome outcome;

    offer.now_ms = party_now(p, P);
    memset(&err, 0, sizeof(err));
    assert_code(hark_space_accept(p->nodes[P], NAME_P, world_signer(p->logs[P]), &offer, 1, 0,
                                  &outcome, &err),
                HARK_E_BEHIND);
    assert_int_equal(intake_size(p, P), before);
}

static void test_space_intake_end__goes_on_from_what_was_signed(void **state)
{
    struct hark_space *old;
    struct party p;
    uint64_t next, late;

    (void)state;
    at_case = "goes on";
    party_begin(&p);
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    assert_true(party_carry(&p, P, Q, NAME_P));
    (void)party_accept(&p, P, party_post(&p, 1, p.topic)); /* which nobody else has */
    late = party_post(&p, 2, p.topic);
    old = set_aside(&p);
    assert_not_accepted(&p, late);
    /* One of the two comes from another node: not enough. */
    assert_true(party_carry(&p, Q, P, NAME_P));
    assert_not_accepted(&p, late);
    bring(&p, old);
    hark_space_free(old);
    assert_int_equal(intake_size(&p, P), 2);
    next = party_post(&p, 1, p.topic);
    assert_int_equal(party_accept(&p, P, late), 2);
    assert_int_equal(party_accept(&p, P, next), 3);
    assert_true(party_carry(&p, P, Q, NAME_P)); /* the one history */
    party_settle(&p);
    party_end(&p);
}

static void test_space_intake_end__ends_where_it_has_no_place(void **state)
{
    struct hark_space *old;
    struct party p;
    uint64_t later, late;

    (void)state;
    at_case = "ends";
    party_begin(&p);
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    later = party_post(&p, 0, p.topic);
    party_log(&p, later, later + 1);
    assert_true(party_carry(&p, HOME, P, ""));
    (void)party_accept(&p, P, party_post(&p, 1, p.topic)); /* judged against that, too */
    late = party_post(&p, 2, p.topic);
    old = set_aside(&p);
    bring(&p, old);
    assert_int_equal(intake_size(&p, P), 1);
    assert_not_accepted(&p, late);
    /* That it was set aside once more, with less, changes nothing. */
    hark_space_free(old);
    old = set_aside(&p);
    bring(&p, old);
    assert_not_accepted(&p, late);
    hark_space_free(old);
    party_end(&p);
}

/* What the log has after all is waited for. */
static void test_space_intake_end__goes_on_when_the_log_has_come(void **state)
{
    struct hark_space *old;
    struct party p;
    uint64_t later, late;

    (void)state;
    at_case = "comes";
    party_begin(&p);
    later = party_post(&p, 0, p.topic);
    party_log(&p, later, later + 1);
    assert_true(party_carry(&p, HOME, P, ""));
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    late = party_post(&p, 2, p.topic);
    old = set_aside(&p);
    bring(&p, old);
    assert_not_accepted(&p, late);
    assert_true(party_carry(&p, HOME, P, ""));
    assert_not_accepted(&p, late);
    bring(&p, old);
    bring(&p, old); /* which is nothing more */
    hark_space_free(old);
    assert_int_equal(party_accept(&p, P, late), 1);
    party_settle(&p);
    party_end(&p);
}

/* What cannot be read is not taken for nothing; who accepted nothing is not held up. */
static void test_space_intake_end__is_read_or_nothing_is_signed(void **state)
{
    struct hark_space *old;
    struct party p;
    uint64_t late;
    char script[256], hex[2 * HARK_HASH_SIZE + 1];

    (void)state;
    at_case = "unread";
    party_begin(&p);
    hark_hash_hex(hex, &p.world->space);
    hark_space_free(set_aside(&p));
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    late = party_post(&p, 2, p.topic);
    old = set_aside(&p);
    bring(&p, old);
    hark_space_free(old);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(script, sizeof(script), "%s >copy-%u/cosigned/%s/intake-end." NAME_P,
                       i == 0 ? "echo" : "head -c 4096 /dev/zero", stage_copies - 1, hex);
        assert_int_equal(run_tool(stage_dir, script), 0);
        assert_not_accepted(&p, late);
    }
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_intake_end__goes_on_from_what_was_signed),
        cmocka_unit_test(test_space_intake_end__ends_where_it_has_no_place),
        cmocka_unit_test(test_space_intake_end__goes_on_when_the_log_has_come),
        cmocka_unit_test(test_space_intake_end__is_read_or_nothing_is_signed),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
