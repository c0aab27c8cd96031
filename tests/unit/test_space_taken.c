/*
 * What the main log says again about intakes that it takes nothing from (PROTOCOL.md 7.2, B13):
 * from half of the delay on, of every node named but the home, by whoever makes a batch; who
 * reads one that does not say so refuses it, whatever became of the reader's index meanwhile.
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

#define HALF_DAY UINT64_C(43200000)

/* What the last batch at the home says of intakes. */
static struct hark_batch *last_said(struct party *p)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_space_batch raw;
    uint64_t batches = 0;

    assert_non_null(batch);
    (void)party_size(p, HOME, "", &batches);
    OK(hark_space_read_batch(p->nodes[HOME], "", batches - 1, &raw, &err));
    OK(hark_batch_parse(batch, NULL, NULL, raw.raw.commit, NULL, &err));
    hark_space_batch_free(&raw);
    return batch;
}

/* Of `count` intakes, of P's that it has been taken to `of_p`, if it says anything. */
static void expect_said(struct party *p, size_t count, uint64_t of_p)
{
    struct hark_batch *batch = last_said(p);
    struct hark_hash empty = hark_merkle_empty();

    if (batch->taken_count != count)
        fail_msg("%s: the batch says of %zu intakes, not %zu", at_case, batch->taken_count, count);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(batch->taken[i].origin, "p.example/", 10) == 0)
            assert_int_equal(batch->taken[i].size, of_p);
        if (batch->taken[i].size == 0)
            assert_true(hark_hash_equal(&batch->taken[i].root, &empty));
    }
    free(batch);
}

/* A post by the home's own people, so many milliseconds after the last thing. */
static void log_after(struct party *p, uint64_t wait_ms)
{
    p->world->now_ms += wait_ms;
    (void)party_post(p, 3, p->topic);
    party_log(p, p->world->count - 1, p->world->count);
}

/* ---- What is said -------------------------------------------------------------------- */

static void test_space_taken__half_a_delay_later_it_is_said_again(void **state)
{
    struct party p;
    uint64_t since;

    (void)state;
    at_case = "again";
    party_begin(&p);
    since = p.nodes[HOME]->head.last_time_ms;
    p.world->now_ms = since;
    log_after(&p, 0);
    expect_said(&p, 0, 0);
    p.world->now_ms = since + HALF_DAY - 60000;
    log_after(&p, 0);
    expect_said(&p, 0, 0);
    p.world->now_ms = since + HALF_DAY + 1000;
    log_after(&p, 0);
    expect_said(&p, 2, 0);
    log_after(&p, 1000);
    expect_said(&p, 0, 0);
    log_after(&p, HALF_DAY);
    expect_said(&p, 2, 0);
    party_settle(&p);
    party_end(&p);
}

static void test_space_taken__what_was_taken_is_said_as_it_was(void **state)
{
    struct party p;

    (void)state;
    at_case = "as it was";
    party_begin(&p);
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    assert_true(party_carry(&p, P, HOME, "p.example"));
    assert_true(party_take_over(&p));
    expect_said(&p, 1, 1);
    /* Q's is due before P's, of which something was said meanwhile. */
    p.world->now_ms += HALF_DAY / 2;
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    assert_true(party_carry(&p, P, HOME, "p.example"));
    assert_true(party_take_over(&p));
    expect_said(&p, 1, 2);
    log_after(&p, HALF_DAY / 2);
    expect_said(&p, 1, 2); /* Q's */
    log_after(&p, HALF_DAY / 2 + 1000);
    expect_said(&p, 1, 2); /* P's */
    /* One that takes P's further says Q's again, too. */
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    assert_true(party_carry(&p, P, HOME, "p.example"));
    p.world->now_ms += HALF_DAY;
    assert_true(party_take_over(&p));
    expect_said(&p, 2, 3);
    party_settle(&p);
    party_end(&p);
}

/* Nothing to log, nothing to take: what is due makes no batch. */
static void test_space_taken__saying_it_again_alone_makes_no_batch(void **state)
{
    struct party p;
    uint64_t before = 0, after = 0;

    (void)state;
    at_case = "alone";
    party_begin(&p);
    (void)party_size(&p, HOME, "", &before);
    p.world->now_ms += 2 * HALF_DAY;
    assert_false(party_take_over(&p));
    OK(hark_space_begin(p.nodes[HOME], &err));
    OK(hark_space_commit(p.nodes[HOME], world_signer(WORLD_LOG), party_now(&p, HOME), &err));
    (void)party_size(&p, HOME, "", &after);
    assert_int_equal(before, after);
    party_end(&p);
}

static void test_space_taken__a_node_named_no_more_is_not_asked_for(void **state)
{
    struct party p;

    (void)state;
    at_case = "removed";
    party_begin(&p);
    p.world->now_ms += 2 * HALF_DAY;
    world_say(p.world, WORLD_STEWARD, "node",
              json_pack("{s:s,s:s}", "action", "remove", "name", "q.example"), HARK_NONE);
    party_log(&p, p.world->count - 1, p.world->count);
    expect_said(&p, 2, 0); /* at its beginning it was named */
    log_after(&p, 2 * HALF_DAY);
    expect_said(&p, 1, 0);
    party_settle(&p);
    party_end(&p);
}

/* Named by the batch itself, it is not asked for by it, however long nothing was logged. */
static void test_space_taken__a_node_is_asked_for_after_it_was_named(void **state)
{
    struct party p;
    uint32_t log;

    (void)state;
    at_case = "named";
    party_begin(&p);
    p.world->now_ms += 2 * HALF_DAY;
    log = world_new_key(p.world);
    world_say(p.world, WORLD_STEWARD, "node",
              world_fields_node("r.example", log, world_new_key(p.world), world_new_key(p.world)),
              HARK_NONE);
    party_log(&p, p.world->count - 1, p.world->count);
    expect_said(&p, 2, 0);
    log_after(&p, 1000);
    expect_said(&p, 0, 0);
    log_after(&p, HALF_DAY);
    expect_said(&p, 3, 0);
    party_settle(&p);
    party_end(&p);
}

/* The policy counts as of the batch's beginning. */
static void test_space_taken__the_policy_says_how_long(void **state)
{
    struct party p;

    (void)state;
    at_case = "policy";
    party_begin(&p);
    p.world->now_ms = p.nodes[HOME]->head.last_time_ms + 60000;
    world_say(p.world, WORLD_STEWARD, "policy",
              json_pack("{s:{s:i}}", "policy", "merge_delay_s", 60), HARK_NONE);
    party_log(&p, p.world->count - 1, p.world->count);
    expect_said(&p, 0, 0);
    log_after(&p, 0);
    expect_said(&p, 2, 0);
    log_after(&p, 20000);
    expect_said(&p, 0, 0);
    log_after(&p, 20000);
    expect_said(&p, 2, 0);
    for (unsigned i = HOME; i < NODES; i++) {
        uint64_t delay_ms = 0;

        assert_true(i == HOME || party_carry(&p, HOME, i, ""));
        OK(hark_space_merge_delay(p.nodes[i], &delay_ms, &err));
        assert_int_equal(delay_ms, 60000);
    }
    party_settle(&p);
    party_end(&p);
}

/* ---- What is read --------------------------------------------------------------------- */

/* The home believes that it has said so of that node just now. */
static void forget(struct party *p, const char *key)
{
    struct hark_space *home = p->nodes[HOME];

    OK(hark_index_begin(home->index, &err));
    OK(home->store.bind(home->store.arg, HARK_LOOKUP_OTHER, hark_span_str(key),
                        p->world->now_ms + 1000, &err));
    OK(hark_index_commit(home->index, &err));
}

static int take_last(struct party *p, unsigned node)
{
    struct hark_space_batch batch;
    uint64_t batches = 0;
    int rc;

    (void)party_size(p, HOME, "", &batches);
    OK(hark_space_read_batch(p->nodes[HOME], "", batches - 1, &batch, &err));
    memset(&err, 0, sizeof(err));
    rc = hark_space_take(p->nodes[node], "", &batch.raw, party_now(p, node), &err);
    hark_space_batch_free(&batch);
    return rc;
}

static void test_space_taken__who_does_not_say_it_is_refused(void **state)
{
    static const char *const keys[] = {"vp.example", "vq.example"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct snapshot was;
        struct party p;

        at_case = keys[i];
        party_begin(&p);
        log_after(&p, 1000);
        assert_true(party_carry(&p, HOME, P, ""));
        p.world->now_ms += HALF_DAY;
        forget(&p, keys[i]);
        log_after(&p, 1000);
        expect_said(&p, 1, 0);
        stage_copies -= 1; /* P's copy */
        stage_snapshot(&was, p.nodes[P]);
        assert_code(take_last(&p, P), HARK_E_BATCH_TAKEN);
        assert_non_null(strstr(err.message, keys[i] + 1));
        assert_unchanged(&was, p.nodes[P]);
        stage_copies += 1;
        party_end(&p);
    }
}

/* Neither a new index nor a log read from git alone says anything else. */
static void test_space_taken__an_index_made_anew_says_the_same(void **state)
{
    struct party p;

    (void)state;
    at_case = "anew";
    party_begin(&p);
    log_after(&p, 1000);
    log_after(&p, HALF_DAY);
    expect_said(&p, 2, 0);
    (void)party_accept(&p, P, party_post(&p, 1, p.topic));
    assert_true(party_carry(&p, P, HOME, "p.example"));
    p.world->now_ms += HALF_DAY / 2;
    assert_true(party_take_over(&p));
    assert_true(party_carry(&p, HOME, Q, ""));
    for (unsigned i = HOME; i < NODES; i += Q)
        OK(hark_space_reindex(p.nodes[i], &err));
    log_after(&p, HALF_DAY / 2 + 1000);
    expect_said(&p, 1, 0); /* Q's */
    OK(take_last(&p, Q));
    OK(hark_space_reindex(p.nodes[Q], &err));
    log_after(&p, HALF_DAY / 2 + 1000);
    expect_said(&p, 1, 1); /* P's */
    OK(take_last(&p, Q));
    assert_sound(p.nodes[HOME]);
    party_settle(&p);
    party_end(&p);
}

/* A batch that is given up leaves nothing behind of what it would have said. */
static void test_space_taken__a_batch_given_up_has_said_nothing(void **state)
{
    struct party p;
    struct hark_batch batch = {.time_ms = 0};

    (void)state;
    at_case = "given up";
    party_begin(&p);
    log_after(&p, 1000);
    p.world->now_ms += HALF_DAY;
    batch.time_ms = p.world->now_ms;
    OK(hark_space_begin(p.nodes[HOME], &err));
    OK(hark_space_restate(p.nodes[HOME], &batch, &err));
    assert_int_equal(batch.taken_count, 2);
    batch.count = 1;
    OK(hark_space_apply_taken(p.nodes[HOME]->state, &p.nodes[HOME]->store, &p.nodes[HOME]->head,
                              &batch, &err));
    OK(hark_space_restate(p.nodes[HOME], &batch, &err));
    assert_int_equal(batch.taken_count, 0);
    hark_space_rollback(p.nodes[HOME]);
    log_after(&p, 1000);
    expect_said(&p, 2, 0);
    party_settle(&p);
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_taken__half_a_delay_later_it_is_said_again),
        cmocka_unit_test(test_space_taken__what_was_taken_is_said_as_it_was),
        cmocka_unit_test(test_space_taken__saying_it_again_alone_makes_no_batch),
        cmocka_unit_test(test_space_taken__a_node_named_no_more_is_not_asked_for),
        cmocka_unit_test(test_space_taken__a_node_is_asked_for_after_it_was_named),
        cmocka_unit_test(test_space_taken__the_policy_says_how_long),
        cmocka_unit_test(test_space_taken__who_does_not_say_it_is_refused),
        cmocka_unit_test(test_space_taken__an_index_made_anew_says_the_same),
        cmocka_unit_test(test_space_taken__a_batch_given_up_has_said_nothing),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
