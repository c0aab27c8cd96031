/*
 * What a fuzz target holds against the code under test: where it is false, the input is kept.
 */
#ifndef HARK_TESTS_FUZZ_REQUIRE_H
#define HARK_TESTS_FUZZ_REQUIRE_H

#include <stdbool.h>
#include <stdlib.h>

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

#endif
