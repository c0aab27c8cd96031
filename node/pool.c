/*
 * Jobs stand in a queue; workers take items of the oldest that has some left. Whoever
 * waits for a job works on it, too.
 */
#include "node/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define POOL_THREADS_MAX 64u
#define POOL_STACK       (256u * 1024u)
/* Niceness. What a thread that writes has to do is done by nobody else, and what it
 * waits for otherwise (a disk) should not come on top of waiting for a core. */
#define GIVES_WAY 5

struct hark_pool {
    pthread_mutex_t lock; /* for all of this, and for the jobs in the queue */
    pthread_cond_t work, done;
    pthread_t threads[POOL_THREADS_MAX];
    unsigned thread_count;
    bool stop;
    struct hark_job *first; /* of those with items that nobody has taken */
};

/* Of a job in the queue, which it leaves with its last one. */
static size_t take_item(struct hark_pool *pool, struct hark_job *job)
{
    size_t i = job->taken++;
    struct hark_job **at = &pool->first;

    if (job->taken == job->count) {
        while (*at != job)
            at = &(*at)->after;
        *at = job->after;
    }
    return i;
}

/* With the lock held, which it lets go meanwhile. */
static void run_item(struct hark_pool *pool, struct hark_job *job)
{
    size_t i = take_item(pool, job);

    pthread_mutex_unlock(&pool->lock);
    job->fn(job->arg, i);
    pthread_mutex_lock(&pool->lock);
    if (++job->done == job->count)
        pthread_cond_broadcast(&pool->done);
}

static void *worker(void *opaque)
{
    struct hark_pool *pool = opaque;

    (void)!nice(GIVES_WAY);
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        if (pool->first != NULL)
            run_item(pool, pool->first);
        else
            pthread_cond_wait(&pool->work, &pool->lock);
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
    pthread_cond_init(&pool->done, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, POOL_STACK);
    /* A worker takes no signals: one that a daemon waits for would else end the
     * process by way of a thread that knows nothing of it. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    /* Fewer threads than asked for is slower, not wrong. */
    for (unsigned i = 0; i < threads; i++) {
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
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

unsigned hark_pool_threads(const struct hark_pool *pool)
{
    return pool == NULL || pool->thread_count == 0 ? 1 : pool->thread_count;
}

void hark_pool_start(struct hark_pool *pool, struct hark_job *job, size_t count, hark_pool_fn *fn,
                     void *arg)
{
    struct hark_job **at;

    *job = (struct hark_job){.fn = fn, .arg = arg, .count = count};
    if (pool == NULL || pool->thread_count == 0) {
        for (size_t i = 0; i < count; i++)
            fn(arg, i);
        job->done = count;
        return;
    }
    if (count == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    for (at = &pool->first; *at != NULL;)
        at = &(*at)->after;
    *at = job;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

void hark_pool_finish(struct hark_pool *pool, struct hark_job *job)
{
    if (pool == NULL || pool->thread_count == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    while (job->taken < job->count)
        run_item(pool, job);
    while (job->done < job->count)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void hark_pool_run(struct hark_pool *pool, size_t count, hark_pool_fn *fn, void *arg)
{
    struct hark_job job;

    if (count < 2) { /* not worth waking anybody */
        for (size_t i = 0; i < count; i++)
            fn(arg, i);
        return;
    }
    hark_pool_start(pool, &job, count, fn, arg);
    hark_pool_finish(pool, &job);
}
