/*
 * Whether memory that is given back is to be overwritten (wiping.c). Set for good when a process
 * first opens what is sealed; before that it has nothing to hide but keys, which are wiped where
 * they are used, and whoever has no private groups pays nothing.
 */
#ifndef HARK_NODE_WIPING_H
#define HARK_NODE_WIPING_H

#include <stdatomic.h>

extern atomic_bool hark_wiping; /* inside.c */

#endif
