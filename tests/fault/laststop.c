/*
 * A library to put before the others (LD_PRELOAD) that stops a program (SIGSTOP) when it has
 * done all that it does and is about to end, so that its memory can be looked at from outside
 * as a core dump would show it. tests/fault/coredump.py drives it.
 *
 *     LASTSTOP_PROGRAM  only a program of this name stops; others pass through
 *     LASTSTOP_PLANT    if set, a file that is read into the heap first and left there: what
 *                       the one who looks must find then
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLANT_MAX 65536u

static void plant(const char *path)
{
    char *kept = malloc(PLANT_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (kept == NULL || fd < 0 || read(fd, kept, PLANT_MAX) < 0)
        abort();
    (void)close(fd); /* what was read stays */
}

__attribute__((destructor)) static void stop(void)
{
    const char *program = getenv("LASTSTOP_PROGRAM");
    const char *path = getenv("LASTSTOP_PLANT");

    if (program == NULL || strcmp(program, program_invocation_short_name) != 0)
        return;
    if (path != NULL)
        plant(path);
    (void)raise(SIGSTOP);
}
