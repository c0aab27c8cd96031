/*
 * What is inside an envelope: the kind that the entry really is of, what it is about, its
 * payload. PROTOCOL.md 10.4; errors are those of its rules I1 to I6. Pure.
 *
 * Whether what it is about exists and may be meant is another question, which needs what the
 * members alone see of the space.
 */
#ifndef HARK_SCHEMAS_INNER_H
#define HARK_SCHEMAS_INNER_H

#include <jansson.h>

#include "schemas/kind.h"
#include "schemas/ring.h"

/* One read, or to be written. */
struct hark_inner {
    char kind[HARK_KIND_NAME_MAX + 1];
    size_t re_count;
    struct hark_hash re[HARK_ENTRY_RE_MAX];
    json_t *payload; /* an object; NULL: none */
};

/* Releases the payload; leaves it empty. */
void hark_inner_free(struct hark_inner *inner);

/* Reads the content of an entry of the kind `outer`, `sealed` or `charter`, strictly. On
 * failure *out is empty. Errors: inner-form, inner-kind, void-re-count, void-re-repeated,
 * payload-absent, payload-unwanted, payload-utf8, payload-depth and the rest of P8 to P15;
 * limit, no-memory; internal (another `outer`). */
HARK_CHECK int hark_inner_read(struct hark_inner *out, const struct hark_kinds *kinds,
                               const char *outer, struct hark_span content, struct hark_err *err);
/* Appends the content, if it can be read again. At most HARK_ENVELOPE_CONTENT_MAX bytes.
 * Errors: limit (it is too long), those of hark_inner_read. */
HARK_CHECK int hark_inner_write(struct hark_buf *out, const struct hark_kinds *kinds,
                                const char *outer, const struct hark_inner *inner,
                                struct hark_err *err);

/* hark_ring_open and hark_inner_read in one, with the errors of both. */
HARK_CHECK int hark_inner_open(struct hark_inner *out, struct hark_ring *ring,
                               const struct hark_kinds *kinds, const struct hark_entry *entry,
                               struct hark_span envelope, uint32_t at_seen, uint32_t before,
                               struct hark_err *err);
/* hark_inner_write and hark_ring_seal in one: appends the envelope of an entry to be built. */
HARK_CHECK int hark_inner_seal(struct hark_buf *out, struct hark_ring *ring,
                               const struct hark_kinds *kinds, const struct hark_entry *entry,
                               const struct hark_inner *inner, struct hark_err *err);

#endif
