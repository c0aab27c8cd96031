/*
 * See progress.h. The line holds ASCII alone and no colours: it may be shown on a
 * terminal that this process does not know, through the daemon's socket.
 */
#include "node/progress.h"

#include <time.h>

#define EVERY_MS 100u
#define WIDTH    70 /* a terminal is at least 80 wide; a line that wraps is not erased by \r */
#define BAR      20

static uint64_t monotonic_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void hark_progress_begin(struct hark_progress *progress, FILE *out, bool show, const char *what)
{
    *progress = (struct hark_progress){.out = show ? out : NULL, .what = what};
    if (show)
        progress->begun_ms = monotonic_ms();
}

static void draw_bar(char bar[BAR + 1], uint64_t done, uint64_t total)
{
    uint64_t full = done >= total ? BAR : done * BAR / total;

    for (uint64_t i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
}

void hark_progress_step(struct hark_progress *progress, uint64_t count, uint64_t done,
                        uint64_t total)
{
    uint64_t now, elapsed;
    char bar[BAR + 1], line[WIDTH + 1];

    if (progress->out == NULL)
        return;
    now = monotonic_ms();
    if (now - progress->shown_ms < EVERY_MS)
        return;
    elapsed = now > progress->begun_ms ? now - progress->begun_ms : 1;
    if (total > 0) {
        draw_bar(bar, done, total);
        (void)snprintf(line, sizeof(line), "%s: [%s] %3u%%  %llu  %llu/s", progress->what, bar,
                       (unsigned)(done >= total ? 100 : done * 100 / total),
                       (unsigned long long)count, (unsigned long long)(count * 1000 / elapsed));
    } else {
        (void)snprintf(line, sizeof(line), "%s: %llu  %llu/s", progress->what,
                       (unsigned long long)count, (unsigned long long)(count * 1000 / elapsed));
    }
    (void)fprintf(progress->out, "\r%-*s", WIDTH, line);
    (void)fflush(progress->out);
    progress->shown_ms = now;
    progress->shown = true;
}

void hark_progress_clear(struct hark_progress *progress)
{
    if (progress->out == NULL || !progress->shown)
        return;
    (void)fprintf(progress->out, "\r%*s\r", WIDTH, "");
    (void)fflush(progress->out);
    progress->shown = false;
    progress->shown_ms = 0;
}
