/*
 * Large tables of which a small space uses little: zeros, of which the system gives the pages
 * that are touched.
 */
#ifndef HARK_NODE_ZEROS_H
#define HARK_NODE_ZEROS_H

#include <stddef.h>

/* NULL: no memory. Freed with the same size. */
void *hark_zeros_new(size_t size);
void hark_zeros_free(void *zeros, size_t size); /* NULL is fine */
/* All zeros again, and the pages given back. */
void hark_zeros_again(void *zeros, size_t size);

#endif
