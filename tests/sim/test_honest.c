/*
 * Where everybody is honest nothing is ever held against anybody: random histories of whole
 * spaces on disk (honest.h), with restarts, moves of the home, cut links, slow partners,
 * clocks that jump, nodes put back from older copies. A failure prints its seed:
 *
 *     HARK_SIM_SEED=17 ./test_honest      that one
 *     HARK_SIM_SEEDS=10000 ./test_honest  that many from 1 on (HARK_SIM_FROM: from there)
 *
 * After every step no node has a file of evidence, and what it knows to be settled is what it
 * knew before, or more. What an honest node shows is taken by every other, at any time. In the
 * end all have the same log and state, everything that anybody said is in it, every receipt
 * that anybody kept is no fork, and all is settled where all cosigners can sign.
 */
#include "honest.h"
#include "tests/support/number.h"

#define SEEDS        16u
#define FAULTY_SEEDS 4u

static void test_honest__nothing_is_held_against_anybody(void **state)
{
    uint64_t only = number_from("HARK_SIM_SEED", 0);
    uint64_t first = number_from("HARK_SIM_FROM", 1);
    uint64_t count = number_from("HARK_SIM_SEEDS", SEEDS);
    struct honest *h = calloc(1, sizeof(*h));
    struct honest sum = {0};

    (void)state;
    assert_non_null(h);
    if (only != 0) {
        h->tells = true;
        first = only;
        count = 1;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        honest_run(h, seed);
        sum.entries += h->entries;
        sum.cosigned += h->cosigned;
        sum.moves += h->moves;
        sum.losses += h->losses;
        sum.recoveries += h->recoveries;
        sum.returns += h->returns;
        sum.intake_ends += h->intake_ends;
        sum.restarts += h->restarts;
        sum.restores += h->restores;
        sum.shown += h->shown;
        sum.verified += h->verified;
        honest_end(h);
    }
    print_message("%llu seeds: %zu entries, %zu cosignatures, %zu notes shown, %zu receipts held "
                  "against logs; homes moved %zu, lost %zu (%zu with their steward), logs gone "
                  "back %zu, intakes ended "
                  "by it %zu, restarts %zu, copies put back %zu\n",
                  (unsigned long long)count, sum.entries, sum.cosigned, sum.shown, sum.verified,
                  sum.moves, sum.losses, sum.recoveries, sum.returns, sum.intake_ends, sum.restarts,
                  sum.restores);
    free(h);
}

/* Else that nothing was found says nothing. */
static void test_honest__what_is_not_honest_is_found(void **state)
{
    struct honest *h = calloc(1, sizeof(*h));
    uint64_t only = number_from("HARK_SIM_SEED", 0), first = only != 0 ? only : 1;
    uint64_t count = only != 0 ? 1 : FAULTY_SEEDS;

    (void)state;
    assert_non_null(h);
    for (uint64_t seed = first; seed < first + count; seed++) {
        honest_run(h, seed);
        honest_fault(h, (unsigned)(seed % HONEST_FAULTS));
        honest_end(h);
    }
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest__nothing_is_held_against_anybody),
        cmocka_unit_test(test_honest__what_is_not_honest_is_found),
    };

    return cmocka_run_group_tests(tests, honest_set_up, honest_tear_down);
}
