/*
 * A pool of threads for verifying: one call splits `count` items over all cores
 * and waits. Threads meet only here.
 */
#ifndef HARK_NODE_POOL_H
#define HARK_NODE_POOL_H

#include "crypto/err.h"

struct hark_pool;

/* threads 0: one a core. */
HARK_CHECK int hark_pool_new(struct hark_pool **out, unsigned threads, struct hark_err *err);
void hark_pool_free(struct hark_pool *pool);
/* How many threads work at once, the caller's included; 1 for a NULL pool. */
unsigned hark_pool_threads(const struct hark_pool *pool);

/* Calls fn(arg, i) for i in 0..count-1, on any thread, the caller's included.
 * Returns when all are done. With a NULL pool the caller does it all. */
typedef void hark_pool_fn(void *arg, size_t i);
void hark_pool_run(struct hark_pool *pool, size_t count, hark_pool_fn *fn, void *arg);
/* The same in two halves: between them the pool's own threads work while the caller
 * does something else; in the second the caller helps, and returns when all are done.
 * One job at a time: a run or start in between finishes the one before. A pool that
 * is NULL or has no thread of its own does it all in the first half. */
void hark_pool_start(struct hark_pool *pool, size_t count, hark_pool_fn *fn, void *arg);
void hark_pool_finish(struct hark_pool *pool);

#endif
