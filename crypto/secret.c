/*
 * An import keeps thousands of keys at once. sodium_malloc spends at least four
 * pages and several system calls on each allocation, and locking single blocks of
 * the ordinary heap is unsound: locks do not nest, so unlocking one block's page
 * unlocks its neighbours. Hence slabs: sodium_malloc gives a guarded, locked
 * piece at a time (best effort: where RLIMIT_MEMLOCK forbids locking, it is
 * guarded only), which is cut into blocks of one size. Freed blocks are wiped at
 * once and used again; slabs are kept until the process ends, so the memory held
 * is that of the most keys that ever lived together.
 *
 * Under AddressSanitizer blocks come from the ordinary heap, so that a leaked key
 * or one used after it was freed is found.
 */
#include "secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define PLAIN_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLAIN_HEAP 1
#endif
#endif
#ifndef PLAIN_HEAP
#define PLAIN_HEAP 0
#endif

enum { SLAB_BLOCKS = 256 };

union block {
    union block *next; /* while it is free */
    _Alignas(16) unsigned char bytes[HARK_SECRET_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static union block *free_blocks;

/* Called with the lock held. */
static int add_slab(void)
{
    /* sodium_malloc needs what sodium_init finds out; again is harmless. */
    if (sodium_init() < 0) {
        return -1;
    }
    union block *slab = sodium_malloc(SLAB_BLOCKS * sizeof(*slab));
    if (slab == NULL) {
        return -1;
    }
    for (size_t i = 0; i < SLAB_BLOCKS; i++) {
        slab[i].next = free_blocks;
        free_blocks = &slab[i];
    }
    return 0;
}

static union block *take_block(void)
{
    if (PLAIN_HEAP) {
        return malloc(sizeof(union block));
    }
    union block *block = NULL;
    (void)pthread_mutex_lock(&lock);
    if (free_blocks != NULL || add_slab() == 0) {
        block = free_blocks;
        free_blocks = block->next;
    }
    (void)pthread_mutex_unlock(&lock);
    return block;
}

int hark_secret_new(void **out, size_t size, struct hark_err *err)
{
    *out = NULL;
    if (size > HARK_SECRET_MAX) {
        return hark_err_set(err, HARK_E_INTERNAL, "a secret of %zu bytes", size);
    }
    union block *block = take_block();
    if (block == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a key");
    }
    sodium_memzero(block, sizeof(*block));
    *out = block;
    return 0;
}

void hark_secret_free(void *pointer)
{
    if (pointer == NULL) {
        return;
    }
    union block *block = pointer;
    sodium_memzero(block, sizeof(*block));
    if (PLAIN_HEAP) {
        free(block);
        return;
    }
    (void)pthread_mutex_lock(&lock);
    block->next = free_blocks;
    free_blocks = block;
    (void)pthread_mutex_unlock(&lock);
}
