/*
 * Preloaded, it shifts a process's wall clock by as many milliseconds as the first
 * 8 bytes (a signed number of this machine) of the file CLOCK_SHIFT say, at every
 * call anew: whoever writes them lets the clock jump. The monotonic clock goes on.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static const volatile int64_t *shift_ms;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CLOCK_SHIFT");
    if (path == NULL) {
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        perror("clockshift: CLOCK_SHIFT");
        _exit(99);
    }
    close(fd);
    shift_ms = map;
}

static int shifted(clockid_t clock, struct timespec *now)
{
    int (*own)(clockid_t, struct timespec *);
    *(void **)(&own) = dlsym(RTLD_NEXT, "clock_gettime");
    int rc = own(clock, now);
    if (rc == 0 && shift_ms != NULL &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_nsec + *shift_ms % 1000 * 1000000;
        now->tv_sec += *shift_ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
        now->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    }
    return rc;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
    return shifted(clock, now);
}

EXPORT int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec at = {0};
    (void)zone;
    int rc = shifted(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return rc;
}

EXPORT time_t time(time_t *out)
{
    struct timespec now = {0};
    (void)shifted(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
