/*
 * Counts and seeds that a test takes from the environment. Include after cmocka.h.
 */
#ifndef HARK_TESTS_SUPPORT_NUMBER_H
#define HARK_TESTS_SUPPORT_NUMBER_H

#include <stdlib.h>

#include "crypto/bytes.h"

/* The number in that variable, or `otherwise` where there is none; another text ends
 * the test. */
static inline uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    uint64_t number = otherwise;

    if (text != NULL && hark_decimal_decode(&number, hark_span_str(text), UINT64_MAX, NULL) != 0)
        fail_msg("%s is no number: %s", variable, text);
    return number;
}

#endif
