/*
 * One request of a small HTTP client: a body is posted, an answer of bounded size comes
 * back. Blocks, for 10 s at most. One connection is kept, for the next one to the same host.
 */
#ifndef HARK_NODE_POST_H
#define HARK_NODE_POST_H

#include <stdatomic.h>

#include "crypto/bytes.h"

struct hark_post;

/* stop: once it is true, a request under way ends within a second. Borrowed. */
HARK_CHECK int hark_post_new(struct hark_post **out, const atomic_bool *stop, struct hark_err *err);
void hark_post_free(struct hark_post *post);

struct hark_posted {
    unsigned status;
    char type[64];        /* Content-Type; cut short when it is longer */
    struct hark_buf body; /* its maximum is the caller's */
};
/* Redirections are not followed. Errors: peer-unreachable (no answer, no whole answer, or
 * a larger one than out->body holds), no-memory. */
HARK_CHECK int hark_post_send(struct hark_post *post, const char *url, struct hark_span body,
                              struct hark_posted *out, struct hark_err *err);

#endif
