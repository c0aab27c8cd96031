/*
 * Private groups (PROTOCOL.md 10): keys and inner states of all who were ever in them, where
 * people join with and without history, leave, are removed, lose devices, take new keys, hand
 * the office over, are away, and write meanwhile; where stewards are hindered, and where
 * stewards, members and hosts lie. groups.h says what stands around the product's code. A
 * failure prints its seed:
 *
 *     HARK_SIM_SEED=17 ./test_groups       that one, telling what happened
 *     HARK_SIM_SEEDS=100000 ./test_groups  that many from 1 on (HARK_SIM_FROM: from there)
 *
 * Checked of single nodes on the way, and of all at the end: each has the keys that it should
 * by the words of 10.7 and 10.8, and no other; names those boxes that are wrong, for the
 * right recipient, and nothing else; reads each sealed entry as it was written, or names the
 * rule that keeps it silent; and agrees on outer and inner state with all who ever had read as
 * many entries and missed the same. Who went opens nothing by an author whose Seen covers the
 * fresh key that answers it, and who came without history nothing from before, with whatever
 * keys they have and by whatever rules. Without a lie a box is named in two cases only, both
 * expected one by one: it was made for an X25519 key that was replaced before the part was
 * logged, and by a node that was itself given a wrong key. (Nonces are random, so a
 * seed gives the same history of other bytes.)
 */
#include "groups.h"
#include "tests/support/number.h"

#define SEEDS 60u
#define TRIES 100u /* of seeds, for a fault to show */

static struct groups_sim sim;

static void add_up(struct groups_sums *sums, size_t *liars)
{
    const size_t *from = (const size_t *)&sim.sums;
    size_t *to = (size_t *)sums;

    for (size_t i = 0; i < sizeof(*sums) / sizeof(size_t); i++)
        to[i] += from[i];
    *liars += sim.steward_lies || sim.members_lie || sim.host_lies ? 1 : 0;
}

static void print_sums(const struct groups_sums *s)
{
    print_message("%zu entries, %zu of them sealed, %zu erasures; %zu came, %zu keys of the gone "
                  "ended, %zu of them one device's; %zu fresh keys hindered; %zu new X25519 keys, "
                  "%zu handovers, %zu keys from elsewhere\n",
                  s->entries, s->sealed, s->erased, s->joins, s->rotations, s->lost, s->hindered,
                  s->rekeys, s->handovers, s->learned);
    print_message(
        "%zu times a steward lied with a fresh key, %zu boxes were of a key just replaced; %zu "
        "nodes started again\n",
        s->tricks, s->stale, s->restarts);
    print_message("readings: %zu opened, %zu outside, %zu silent, %zu missing; %zu inner states "
                  "compared, %zu with others, %zu without anything unread, %zu made anew; %zu lies "
                  "of members, %zu envelopes "
                  "refused, %zu boxes named, %zu that did not open where they may not\n",
                  s->opened, s->outside, s->silent, s->missing, s->compared, s->same, s->whole,
                  s->remade, s->lies, s->refused, s->found, s->unopened);
    for (size_t i = 0; i < GROUPS_ERRORS; i++)
        print_message("%s %zu%s", hark_err_name(groups_errors[i]), s->named[i],
                      i + 1 < GROUPS_ERRORS ? ", " : "\n");
}

/* So that it does not agree on nothing. */
static void check_sums(const struct groups_sums *s)
{
    for (size_t i = 0; i < GROUPS_ERRORS; i++) {
        if (s->named[i] == 0)
            fail_msg("nobody was told %s", hark_err_name(groups_errors[i]));
    }
    assert_true(s->same > 0 && s->whole > 0 && s->stale > 0 && s->handovers > 0 && s->lost > 0 &&
                s->restarts > 0);
}

static void test_groups__all_who_remain_agree(void **state)
{
    uint64_t only = number_from("HARK_SIM_SEED", 0);
    uint64_t first = number_from("HARK_SIM_FROM", 1);
    uint64_t count = number_from("HARK_SIM_SEEDS", SEEDS);
    struct groups_sums sums = {0};
    size_t liars = 0;

    (void)state;
    if (only != 0) {
        first = only;
        count = 1;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        groups_run(&sim, seed, GROUPS_SOUND);
        if (sim.broken[0] != '\0')
            fail_msg("seed %llu, step %llu: %s\nrun it again: HARK_SIM_SEED=%llu ./test_groups",
                     (unsigned long long)seed, (unsigned long long)sim.step, sim.broken,
                     (unsigned long long)seed);
        add_up(&sums, &liars);
    }
    print_message("%llu seeds, in %zu somebody may lie: ", (unsigned long long)count, liars);
    print_sums(&sums);
    if (count >= SEEDS)
        check_sums(&sums);
}

/* The simulator finds each of these; else what it does not find would mean little. */
static void finds(enum groups_fault fault, const char *what)
{
    size_t found = 0;
    uint64_t first = 0;

    if (getenv("HARK_SIM_SEED") != NULL)
        skip();
    for (uint64_t seed = 1; seed <= TRIES && found == 0; seed++) {
        groups_run(&sim, seed, fault);
        if (strstr(sim.broken, what) == NULL)
            continue;
        first = seed;
        found++;
    }
    print_message("%s: seed %llu\n", what, (unsigned long long)first);
    assert_true(found > 0);
}

static void test_groups__needs_inner_states_made_anew_when_a_key_comes(void **state)
{
    (void)state;
    finds(GROUPS_NOT_ANEW, "and should be");
}

static void test_groups__needs_worn_states_made_anew(void **state)
{
    (void)state;
    finds(GROUPS_WORN, "and should be");
}

static void test_groups__needs_authors_who_take_the_key_in_force(void **state)
{
    (void)state;
    finds(GROUPS_OLD_KEY, "envelope-old");
}

static void test_groups__needs_fresh_keys_that_are_random(void **state)
{
    (void)state;
    finds(GROUPS_SOFT_KEY, "can make the key");
}

static void test_groups__needs_a_fresh_key_for_who_left(void **state)
{
    (void)state;
    finds(GROUPS_NO_ROTATION, "there is no fresh key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups__all_who_remain_agree),
        cmocka_unit_test(test_groups__needs_inner_states_made_anew_when_a_key_comes),
        cmocka_unit_test(test_groups__needs_worn_states_made_anew),
        cmocka_unit_test(test_groups__needs_authors_who_take_the_key_in_force),
        cmocka_unit_test(test_groups__needs_fresh_keys_that_are_random),
        cmocka_unit_test(test_groups__needs_a_fresh_key_for_who_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
