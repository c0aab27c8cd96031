/*
 * The pool of threads: each item of each job once, however many jobs stand in its
 * queue and whoever works on them.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/pool.h"

#define ITEMS_MAX 300u
#define JOBS      12u

static struct hark_err err;

struct tally {
    atomic_uint times[ITEMS_MAX];
    atomic_size_t done;
};

static void count_item(void *arg, size_t i)
{
    struct tally *tally = arg;

    (void)atomic_fetch_add(&tally->times[i], 1);
    (void)atomic_fetch_add(&tally->done, 1);
}

static void assert_each_once(const struct tally *tally, size_t count)
{
    for (size_t i = 0; i < ITEMS_MAX; i++)
        assert_int_equal(atomic_load(&tally->times[i]), i < count ? 1 : 0);
}

static void test_pool__each_item_of_many_jobs_once(void **state)
{
    static const unsigned threads[] = {1, 2, 3, 8};
    static const size_t counts[] = {0, 1, 2, 7, ITEMS_MAX};

    (void)state;
    for (size_t n = 0; n < sizeof(threads) / sizeof(threads[0]); n++) {
        struct tally tallies[JOBS];
        struct hark_job jobs[JOBS];
        struct hark_pool *pool = NULL;

        memset(tallies, 0, sizeof(tallies));
        assert_int_equal(hark_pool_new(&pool, threads[n], &err), 0);
        assert_int_equal(hark_pool_threads(pool), threads[n]);
        for (size_t i = 0; i < JOBS; i++)
            hark_pool_start(pool, &jobs[i], counts[i % 5], count_item, &tallies[i]);
        for (size_t i = 0; i < JOBS; i++) { /* from the middle, too */
            size_t job = (i * 5) % JOBS;

            hark_pool_finish(pool, &jobs[job]);
            assert_each_once(&tallies[job], counts[job % 5]);
            hark_pool_finish(pool, &jobs[job]); /* is finished */
        }
        memset(tallies, 0, sizeof(tallies));
        for (size_t i = 0; i < 5; i++) {
            hark_pool_run(pool, counts[i], count_item, &tallies[i]);
            assert_each_once(&tallies[i], counts[i]);
        }
        hark_pool_free(pool);
    }
}

static void test_pool__without_one_the_caller_does_it(void **state)
{
    static struct tally tally;
    struct hark_job job = {0};

    (void)state;
    hark_pool_finish(NULL, &job);
    hark_pool_start(NULL, &job, 9, count_item, &tally);
    assert_each_once(&tally, 9);
    hark_pool_finish(NULL, &job);
    assert_each_once(&tally, 9);
    assert_int_equal(hark_pool_threads(NULL), 1);
    hark_pool_free(NULL);
}

/* ---- Who works on what ---------------------------------------------------------------- */

struct gate {
    atomic_bool open;
    atomic_uint waiting;
};

static void wait_at_gate(void *arg, size_t i)
{
    struct gate *gate = arg;

    (void)i;
    (void)atomic_fetch_add(&gate->waiting, 1);
    while (!atomic_load(&gate->open))
        (void)sched_yield();
}

struct order {
    atomic_size_t next;
    size_t at[2];
};

static void note_first(void *arg, size_t i)
{
    struct order *order = arg;

    order->at[0] = atomic_fetch_add(&order->next, 1);
    (void)i;
}

static void note_second(void *arg, size_t i)
{
    struct order *order = arg;

    order->at[1] = atomic_fetch_add(&order->next, 1);
    (void)i;
}

/* With all of its threads held up by one job, who waits for a later one does it alone;
 * and otherwise the earlier comes first. */
static void test_pool__the_oldest_first_and_who_waits_helps(void **state)
{
    struct gate gate = {.open = false};
    struct order order = {.next = 0};
    struct hark_job held, first, second, own;
    struct hark_pool *pool = NULL;
    static struct tally tally;

    (void)state;
    assert_int_equal(hark_pool_new(&pool, 1, &err), 0);
    hark_pool_start(pool, &held, 1, wait_at_gate, &gate);
    while (atomic_load(&gate.waiting) == 0)
        (void)sched_yield();
    hark_pool_start(pool, &first, 1, note_first, &order);
    hark_pool_start(pool, &second, 1, note_second, &order);
    hark_pool_start(pool, &own, 20, count_item, &tally);
    hark_pool_finish(pool, &own);
    assert_each_once(&tally, 20);
    assert_int_equal(atomic_load(&order.next), 0);
    atomic_store(&gate.open, true);
    while (atomic_load(&order.next) < 2) /* by the pool's own thread */
        (void)sched_yield();
    hark_pool_finish(pool, &second);
    hark_pool_finish(pool, &first);
    hark_pool_finish(pool, &held);
    assert_int_equal(order.at[0], 0);
    assert_int_equal(order.at[1], 1);
    hark_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__each_item_of_many_jobs_once),
        cmocka_unit_test(test_pool__without_one_the_caller_does_it),
        cmocka_unit_test(test_pool__the_oldest_first_and_who_waits_helps),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
