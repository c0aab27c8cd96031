#include "node/zeros.h"

#include <string.h>
#include <sys/mman.h>

void *hark_zeros_new(size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

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
