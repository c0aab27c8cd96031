/*
 * The replication core in realms of five to nine nodes (realm.h): a home, partners,
 * members; links that lose, double, delay and reorder, partitions, restarts, disks
 * that fail, old backups put back, a home that moves or is lost, and in two realms of
 * three a liar. All of it follows from a seed, which a failure prints:
 *
 *     HARK_SIM_SEED=17 ./test_realm       that one, telling what happened
 *     HARK_SIM_SEEDS=100000 ./test_realm  that many from 1 on (HARK_SIM_FROM: from there)
 *
 * After every step: honest logs only grow (but for an old backup, and for going back
 * to a lost home's heir, which are counted), nothing stands in them that was not
 * rightly made, what does not check out is told at once, and no two histories are
 * settled. Once the network is whole: the same state hash at all that are honest, all
 * that members wrote logged, no honest node accused, and every second history
 * named peer-cursor by whoever could see both.
 */
#include "realm.h"
#include "tests/support/number.h"

#define SEEDS 1000u

static void test_realm__honest_logs_agree_and_lies_are_named(void **state)
{
    static struct realm realm;
    uint64_t only = number_from("HARK_SIM_SEED", 0);
    uint64_t first = number_from("HARK_SIM_FROM", 1);
    uint64_t count = number_from("HARK_SIM_SEEDS", SEEDS);
    size_t delivered = 0, told = 0, refused = 0, moved = 0, lost = 0, restored = 0, rewound = 0,
           forked = 0;

    (void)state;
    if (only != 0) {
        first = only;
        count = 1;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        realm_run_seed(&realm, seed);
        delivered += realm.delivered;
        told += realm.lies_told;
        refused += realm.lies_refused;
        moved += realm.moved;
        lost += realm.lost_home;
        restored += realm.restored;
        rewound += realm.rewound;
        forked += realm.second_history;
    }
    print_message("%llu seeds: %zu messages, %zu lies told, %zu loads refused; realms with a home "
                  "moved %zu, lost %zu, a backup put back %zu, gone back %zu, two histories %zu\n",
                  (unsigned long long)count, delivered, told, refused, moved, lost, restored,
                  rewound, forked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_realm__honest_logs_agree_and_lies_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
