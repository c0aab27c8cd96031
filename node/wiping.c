/*
 * Of the programs hark and harkd, not of the library: memory that is given back is overwritten,
 * whoever gives it back (jansson, SQLite, libgit2 and the rest), so that what was decrypted does
 * not stay behind in the heap. Takes the place of glibc's free and realloc; what glibc itself
 * allocates and frees inside goes by its own. Left out under sanitizers, which have theirs.
 */
#include "node/wiping.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <features.h>

#ifdef __GLIBC__

/* glibc's own, under the names that it exports for whoever replaces them. */
extern void __libc_free(void *block);                  /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_realloc(void *block, size_t size); /* NOLINT(bugprone-reserved-identifier) */

void free(void *block)
{
    if (block == NULL)
        return;
    if (atomic_load_explicit(&hark_wiping, memory_order_relaxed))
        explicit_bzero(block, malloc_usable_size(block));
    __libc_free(block);
}

/* Stays where it is as long as it fits and is not mostly empty; else it moves, and nothing is
 * left where it was. */
void *realloc(void *block, size_t size)
{
    size_t had;
    void *moved;

    if (block == NULL || !atomic_load_explicit(&hark_wiping, memory_order_relaxed))
        return __libc_realloc(block, size);
    had = malloc_usable_size(block);
    if (size > 0 && size <= had && size >= had / 2)
        return block;
    moved = malloc(size > 0 ? size : 1);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, size < had ? size : had);
    free(block);
    return moved;
}

#endif
