/*
 * A progress line for people who wait at a terminal: what, how many, how far,
 * how fast. Rewritten in place, at most ten times a second, narrower than any
 * terminal, and erased when it is done.
 */
#ifndef HARK_NODE_PROGRESS_H
#define HARK_NODE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hark_progress {
    FILE *out; /* NULL: nothing is shown */
    const char *what;
    uint64_t begun_ms, shown_ms;
    bool shown;
};

/* `show` false: every call does nothing. `what` is plain ASCII, a few words,
 * borrowed. */
void hark_progress_begin(struct hark_progress *progress, FILE *out, bool show, const char *what);
/* `count` things so far, `done` of `total` of the way (total 0: not known). */
void hark_progress_step(struct hark_progress *progress, uint64_t count, uint64_t done,
                        uint64_t total);
/* Takes the line off the screen so that something else can be printed; the next
 * step shows it again. */
void hark_progress_clear(struct hark_progress *progress);

#endif
