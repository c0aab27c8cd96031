/*
 * What is settled, and who may sign (PROTOCOL.md 7.8), where a home shows other histories to
 * others, up to f cosigners sign whatever they are asked for, the honest are killed between
 * signing, storing and answering, clocks jump, and readers get what they get. The rules are
 * those of schemas/quorum.h; settle.h says what stands around them. A failure prints its
 * seed:
 *
 *     HARK_SIM_SEED=17 ./test_settle       that one, telling what happened
 *     HARK_SIM_SEEDS=100000 ./test_settle  that many from 1 on (HARK_SIM_FROM: from there)
 *
 * After every step: of two readers' settled histories one is the beginning of the other,
 * unless the quorum that both went on from is one that its liars hold (2k <= n + liars: a
 * lying steward can have one settled, and nothing is promised from there on), or none could
 * settle anything before they parted; what is settled grows only, is in the reader's log, and
 * is what the words of 7.8 say, computed size by size. What an honest cosigner ever let out
 * goes forward in size, in history and in time. Where nobody lies and all is delivered,
 * everything is settled that could be.
 */
#include <string.h>

#include "settle.h"
#include "tests/support/number.h"

#define SEEDS 1000u
#define TRIES 200u /* of seeds, for a fault to show */

static struct settle_sim sim;

struct sums {
    size_t entries, forks, cosigned, crashes, jumps, rewound, refused, settlings, changes, captured,
        excused, lying, unsettled;
};

static void add_up(struct sums *sums)
{
    sums->entries += sim.entry_count - 1;
    sums->forks += sim.forks;
    sums->cosigned += sim.cosigned_count;
    sums->crashes += sim.crashes;
    sums->jumps += sim.jumps;
    sums->rewound += sim.rewound;
    sums->refused += sim.refused;
    sums->settlings += sim.settlings;
    sums->changes += sim.changes;
    sums->captured += sim.captured > 0 ? 1 : 0;
    sums->unsettled += sim.settlings == 0 ? 1 : 0;
    sums->excused += sim.excused ? 1 : 0;
    sums->lying += sim.home_lies ? 1 : 0;
}

static void test_settle__never_two_histories(void **state)
{
    uint64_t only = number_from("HARK_SIM_SEED", 0);
    uint64_t first = number_from("HARK_SIM_FROM", 1);
    uint64_t count = number_from("HARK_SIM_SEEDS", SEEDS);
    struct sums sums = {0};

    (void)state;
    if (only != 0) {
        first = only;
        count = 1;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        settle_run(&sim, seed, SETTLE_SOUND);
        if (sim.broken != NULL)
            fail_msg("seed %llu, step %llu: %s\nrun it again: HARK_SIM_SEED=%llu ./test_settle",
                     (unsigned long long)seed, (unsigned long long)sim.step, sim.broken,
                     (unsigned long long)seed);
        add_up(&sums);
    }
    print_message(
        "%llu seeds, in %zu the home lies: %zu entries, %zu histories parted, %zu "
        "cosignatures, %zu kills, %zu clocks put, gone back %zu times, %zu histories "
        "refused, %zu times more was settled, %zu changes; in %zu nothing was; in %zu liars "
        "held a settled quorum, and in %zu used it\n",
        (unsigned long long)count, sums.lying, sums.entries, sums.forks, sums.cosigned,
        sums.crashes, sums.jumps, sums.rewound, sums.refused, sums.settlings, sums.changes,
        sums.unsettled, sums.captured, sums.excused);
}

/* The simulator finds each of these; else what it does not find would mean little. */
static void finds(enum settle_fault fault, const char *what)
{
    size_t found = 0;
    uint64_t first = 0;

    if (getenv("HARK_SIM_SEED") != NULL)
        skip();
    for (uint64_t seed = 1; seed <= TRIES; seed++) {
        settle_run(&sim, seed, fault);
        if (sim.broken == NULL || strcmp(sim.broken, what) != 0)
            continue;
        first = found++ == 0 ? seed : first;
    }
    print_message("%s: %zu of %u seeds, the first is %llu\n", what, found, TRIES,
                  (unsigned long long)first);
    assert_true(found > 0);
}

static void test_settle__a_quorum_that_is_too_small_is_broken_by_f_liars(void **state)
{
    (void)state;
    finds(SETTLE_TOO_FEW, "two histories are settled");
}

static void test_settle__needs_cosigners_that_sign_one_history(void **state)
{
    (void)state;
    finds(SETTLE_TWO_FACED, "a cosigner signs two histories");
}

static void test_settle__needs_storing_before_answering(void **state)
{
    (void)state;
    finds(SETTLE_ANSWER_FIRST, "a cosigner signs backwards");
}

static void test_settle__needs_readers_that_remember(void **state)
{
    (void)state;
    finds(SETTLE_FORGET, "less is settled than was");
}

static void test_settle__needs_the_new_home_to_cosign_with_the_old_quorum(void **state)
{
    (void)state;
    finds(SETTLE_SILENT_HOME, "what could be settled is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settle__never_two_histories),
        cmocka_unit_test(test_settle__a_quorum_that_is_too_small_is_broken_by_f_liars),
        cmocka_unit_test(test_settle__needs_cosigners_that_sign_one_history),
        cmocka_unit_test(test_settle__needs_storing_before_answering),
        cmocka_unit_test(test_settle__needs_readers_that_remember),
        cmocka_unit_test(test_settle__needs_the_new_home_to_cosign_with_the_old_quorum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
