/*
 * One job at a time: workers take indices from a shared counter until it runs
 * out, then the last one to finish wakes the caller. The caller works too, at once
 * or when it has done something else, so a pool of n threads starts n - 1.
 */
#include "node/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define POOL_THREADS_MAX 64u
#define POOL_STACK       (256u * 1024u)

struct hark_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    pthread_t threads[POOL_THREADS_MAX];
    unsigned thread_count;
    unsigned busy;
    unsigned long round; /* counts jobs, so that a worker never runs one twice */
    bool stop;
    bool started; /* a job that is not finished; the caller's own */
    hark_pool_fn *fn;
    void *arg;
    size_t count;
    atomic_size_t next;
};

static void run_items(struct hark_pool *pool, hark_pool_fn *fn, void *arg, size_t count)
{
    for (;;) {
        size_t i = atomic_fetch_add(&pool->next, 1);

        if (i >= count)
            return;
        fn(arg, i);
    }
}

static void *worker(void *opaque)
{
    struct hark_pool *pool = opaque;
    unsigned long seen = 0;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->round == seen)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->round;
        hark_pool_fn *fn = pool->fn;
        void *arg = pool->arg;
        size_t count = pool->count;
        pthread_mutex_unlock(&pool->lock);
        run_items(pool, fn, arg, count);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static unsigned default_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (n < 1)
        return 1;
    return n > (long)POOL_THREADS_MAX ? POOL_THREADS_MAX : (unsigned)n;
}

int hark_pool_new(struct hark_pool **out, unsigned threads, struct hark_err *err)
{
    struct hark_pool *pool = calloc(1, sizeof(*pool));
    pthread_attr_t attr;
    sigset_t all, before;

    *out = NULL;
    if (pool == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a pool of threads");
    if (threads == 0)
        threads = default_threads();
    if (threads > POOL_THREADS_MAX)
        threads = POOL_THREADS_MAX;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    atomic_init(&pool->next, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, POOL_STACK);
    /* A worker takes no signals: one that a daemon waits for would else end the
     * process by way of a thread that knows nothing of it. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    /* Fewer threads than asked for is slower, not wrong. */
    for (unsigned i = 0; i + 1 < threads; i++) {
        if (pthread_create(&pool->threads[pool->thread_count], &attr, worker, pool) != 0)
            break;
        pool->thread_count++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    *out = pool;
    return 0;
}

void hark_pool_free(struct hark_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->idle);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

unsigned hark_pool_threads(const struct hark_pool *pool)
{
    return pool == NULL ? 1 : pool->thread_count + 1;
}

void hark_pool_start(struct hark_pool *pool, size_t count, hark_pool_fn *fn, void *arg)
{
    if (pool == NULL || pool->thread_count == 0) {
        for (size_t i = 0; i < count; i++)
            fn(arg, i);
        return;
    }
    hark_pool_finish(pool);
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->arg = arg;
    pool->count = count;
    atomic_store(&pool->next, 0);
    pool->busy = pool->thread_count;
    pool->round++;
    pool->started = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

void hark_pool_finish(struct hark_pool *pool)
{
    if (pool == NULL || !pool->started)
        return;
    run_items(pool, pool->fn, pool->arg, pool->count);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy != 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pool->started = false;
}

void hark_pool_run(struct hark_pool *pool, size_t count, hark_pool_fn *fn, void *arg)
{
    if (count < 2) { /* not worth waking anybody */
        for (size_t i = 0; i < count; i++)
            fn(arg, i);
        return;
    }
    hark_pool_start(pool, count, fn, arg);
    hark_pool_finish(pool);
}
