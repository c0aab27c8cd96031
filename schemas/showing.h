/*
 * Showing who one is: a member of a group says which member of a community they are, and
 * proves it by a signature of their key there. PROTOCOL.md 10.11. Pure: whether that key
 * stands in the community is for whoever holds the community's state.
 */
#ifndef HARK_SCHEMAS_SHOWING_H
#define HARK_SCHEMAS_SHOWING_H

#include <jansson.h>

#include "crypto/sshsig.h"

#define HARK_SHOWING_NAMESPACE "hark-showing"

/* Where it is shown: a group, and the key of whoever shows themselves there. */
struct hark_showing_place {
    struct hark_hash group;
    struct hark_key member;
};

struct hark_showing {
    struct hark_hash community;
    struct hark_key key; /* the member's key in the community */
    uint8_t proof[HARK_SIGNATURE_SIZE];
};

/* Fills *out, signed by the member's key in the community. Errors: usage (the community
 * is the group itself, or the keys are the same one), no-memory. */
HARK_CHECK int hark_showing_make(struct hark_showing *out, const struct hark_showing_place *place,
                                 const struct hark_hash *community,
                                 const struct hark_signer *signer, struct hark_err *err);

/* Whether the proof is of that key, for that place and community. Errors: showing (it is
 * not, or shows a group or key by itself), no-memory. */
HARK_CHECK int hark_showing_check(const struct hark_showing *showing,
                                  const struct hark_showing_place *place, struct hark_err *err);

/* As it stands in a payload: community, key, proof in lower-case hex, and nothing else.
 * The new object is the caller's. Error: no-memory. */
HARK_CHECK int hark_showing_write(const struct hark_showing *showing, json_t **out,
                                  struct hark_err *err);
/* Strict; verifies nothing. Error: showing (not of this form). */
HARK_CHECK int hark_showing_read(struct hark_showing *out, const json_t *fields,
                                 struct hark_err *err);

#endif
