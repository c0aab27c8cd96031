/*
 * What the measuring programs share: clocks, percentiles, how to end when something
 * fails. They print `name value` lines, which run.py makes its table of.
 */
#ifndef HARK_TESTS_BENCH_H
#define HARK_TESTS_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/err.h"

static inline double bench_seconds(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Wall-clock seconds from some point. */
static inline double bench_now(void)
{
    return bench_seconds(CLOCK_MONOTONIC);
}

static inline void bench_need(int rc, const char *what, const struct hark_err *err)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "bench: %s: %s (%s)\n", what, err->message, hark_err_name(rc));
    exit(1);
}

static inline void bench_require(int fine, const char *what)
{
    if (fine)
        return;
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Sorts the samples; `part` is 0.5 for the median. */
static inline double bench_percentile(double *samples, size_t count, double part)
{
    qsort(samples, count, sizeof(*samples), bench_compare);
    return samples[(size_t)(part * (double)(count - 1))];
}

/* `name`_p50 and `name`_p99, in milliseconds, of samples in seconds. */
static inline void bench_print_ms(FILE *out, const char *name, double *samples, size_t count)
{
    (void)fprintf(out, "%s_p50 %.4f\n%s_p99 %.4f\n", name,
                  1e3 * bench_percentile(samples, count, 0.5), name,
                  1e3 * bench_percentile(samples, count, 0.99));
}

/* A number given on the command line. */
static inline size_t bench_number(const char *text)
{
    return (size_t)strtoull(text, NULL, 10);
}

#endif
