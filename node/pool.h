/*
 * A pool of threads for verifying: jobs of many items over all cores. Threads meet
 * only here.
 */
#ifndef HARK_NODE_POOL_H
#define HARK_NODE_POOL_H

#include <stddef.h>

#include "crypto/err.h"

struct hark_pool;

/* threads 0: one a core. Whoever waits for a job is one more: a thread that writes
 * sleeps now and then, and no core should. */
HARK_CHECK int hark_pool_new(struct hark_pool **out, unsigned threads, struct hark_err *err);
void hark_pool_free(struct hark_pool *pool);
/* How many threads it has; 1 for a NULL pool. Freed when all jobs are finished. */
unsigned hark_pool_threads(const struct hark_pool *pool);

/* Calls fn(arg, i) for i in 0..count-1, on any thread, the caller's included.
 * Returns when all are done. With a NULL pool the caller does it all. */
typedef void hark_pool_fn(void *arg, size_t i);
void hark_pool_run(struct hark_pool *pool, size_t count, hark_pool_fn *fn, void *arg);
/* The same in two halves: between them the pool works while the caller does something
 * else; in the second the caller helps, and returns when all items are done. Jobs are
 * worked on in the order in which they were started; each is finished before its memory
 * goes or it is started anew. A zeroed one is finished. A pool that is NULL or has no
 * thread does it all in the first half. */
struct hark_job {
    hark_pool_fn *fn;
    void *arg;
    size_t count, taken, done; /* items */
    struct hark_job *after;    /* in the queue */
};
void hark_pool_start(struct hark_pool *pool, struct hark_job *job, size_t count, hark_pool_fn *fn,
                     void *arg);
void hark_pool_finish(struct hark_pool *pool, struct hark_job *job);

#endif
