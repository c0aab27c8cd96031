/*
 * For tests whose calls are to succeed: a failure says which call, why, and by what name.
 * Include after cmocka.h.
 */
#ifndef HARK_TESTS_OK_H
#define HARK_TESTS_OK_H

#include "crypto/err.h"

static struct hark_err err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        int ok_rc = (call);                                                                        \
        if (ok_rc != 0)                                                                            \
            fail_msg("%s: %s (%s)", #call, err.message, hark_err_name(ok_rc));                     \
    } while (0)

#endif
