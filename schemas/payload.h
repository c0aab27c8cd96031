/*
 * Payloads: strict validation of untrusted bytes against a kind, building, and
 * reading fields out of a valid one. PROTOCOL.md 4; errors are those of its
 * rules P1 to P15. Pure.
 */
#ifndef HARK_SCHEMAS_PAYLOAD_H
#define HARK_SCHEMAS_PAYLOAD_H

#include <jansson.h>

#include "crypto/bytes.h"
#include "schemas/entry.h"
#include "schemas/kind.h"

#define HARK_PAYLOAD_MAX       65536u
#define HARK_PAYLOAD_BLOCK     64u
#define HARK_PAYLOAD_DEPTH_MAX 8u
#define HARK_SALT_SIZE         16

/* P1 to P4 for the bytes that belong to `entry` (present unless `bytes.data` is
 * NULL, which is payload-absent when the entry names one). */
HARK_CHECK int hark_payload_match(const struct hark_kind *kind, const struct hark_entry *entry,
                                  struct hark_span bytes, struct hark_err *err);

/* P3, P5 to P15: is this a valid payload of that kind? `json` (may be NULL)
 * receives the object (json_decref), salt included. For binary kinds only the
 * size is checked and *json is NULL. */
HARK_CHECK int hark_payload_check(const struct hark_kind *kind, struct hark_span bytes,
                                  json_t **json, struct hark_err *err);
/* The same in two halves, the first of which asks nothing of the kind, so that it can be
 * done on another thread. Reading: P3, P5 to P11, into *json (json_decref), NULL on
 * failure. Judging: P2, P12 to P15 of what was read, for kinds that are not binary. */
HARK_CHECK int hark_payload_read(struct hark_span bytes, json_t **json, struct hark_err *err);
HARK_CHECK int hark_payload_judge(const struct hark_kind *kind, json_t *json, struct hark_err *err);

/* Reads one that is sealed in an envelope, of at most HARK_PAYLOAD_MAX bytes, and therefore has
 * neither salt nor padding: P6, P8 to P11. Judging it: P2, P12 to P15, though it takes a `salt`;
 * a profile may have a `showing`, which hark_payload_judge refuses (payload-unknown). */
HARK_CHECK int hark_payload_read_bare(struct hark_span bytes, json_t **json, struct hark_err *err);
HARK_CHECK int hark_payload_judge_bare(const struct hark_kind *kind, json_t *json,
                                       struct hark_err *err);

/* Appends the bytes of a payload: salt first, then the members of `fields`
 * (borrowed; must not have "salt") in their order, compact, padded. Then runs
 * hark_payload_check on the result, so that nothing invalid is ever signed. */
HARK_CHECK int hark_payload_build(struct hark_buf *out, const struct hark_kind *kind,
                                  const json_t *fields, const uint8_t salt[HARK_SALT_SIZE],
                                  struct hark_err *err);

#endif
