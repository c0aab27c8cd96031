#include "node/zeros.h"

#include <string.h>
#include <sys/mman.h>

void *hark_zeros_new(size_t size)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    /* cppcheck-suppress invalidFunctionArg; -1 is what an anonymous map wants */
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

    /* cppcheck-suppress memleak; it is the caller's */
    return map == MAP_FAILED ? NULL : map;
}

void hark_zeros_free(void *zeros, size_t size)
{
    if (zeros != NULL)
        (void)munmap(zeros, size);
}

/* What is private and of no file is zeros when it is touched next: madvise(2). */
void hark_zeros_again(void *zeros, size_t size)
{
    if (madvise(zeros, size, MADV_DONTNEED) != 0)
        memset(zeros, 0, size);
}
