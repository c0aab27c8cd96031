/*
 * Joining, the part that needs no network: the request that a joiner sends to a
 * space's steward, and what the joiner is shown before. PROTOCOL.md 8.2 to 8.4. Pure
 * but for the fresh key of a sealed box.
 */
#ifndef HARK_SCHEMAS_JOIN_H
#define HARK_SCHEMAS_JOIN_H

#include <jansson.h>

#include "schemas/showing.h"
#include "schemas/state.h"

/* ---- The request ---------------------------------------------------------- */

#define HARK_JOIN_REQUEST_MAX (16u * 1024u)
#define HARK_JOIN_SEALED_MAX  (HARK_JOIN_REQUEST_MAX + 48u)
#define HARK_JOIN_NAME_MAX    100u  /* bytes, as in a profile */
#define HARK_JOIN_ABOUT_MAX   2000u /* bytes, as in a profile */

struct hark_join_request {
    struct hark_hash space, terms;
    struct hark_key key, box; /* the joiner's Ed25519 and X25519 keys in the space */
    struct hark_key ticket;   /* the ticket's Ed25519 key */
    uint8_t proof[HARK_SIGNATURE_SIZE], ticket_proof[HARK_SIGNATURE_SIZE];
    char name[HARK_JOIN_NAME_MAX + 1];   /* 1 byte or more, one line */
    char about[HARK_JOIN_ABOUT_MAX + 1]; /* empty: nothing */
    bool has_showing;
    struct hark_showing showing; /* its proof is not verified here */
};

/* With space, terms and box given: fills key, ticket and both proofs (PROTOCOL.md
 * 8.3). Error: no-memory. */
HARK_CHECK int hark_join_request_sign(struct hark_join_request *request,
                                      const struct hark_signer *key,
                                      const struct hark_signer *ticket, struct hark_err *err);
/* Adds to `fields` what of it stands in an `admit`: key, box, terms, proof, ticket,
 * ticket_proof. Error: no-memory. */
HARK_CHECK int hark_join_request_fields(const struct hark_join_request *request, json_t *fields,
                                        struct hark_err *err);

/* Appends the JSON. Errors: usage (name or about are empty, too long, not UTF-8 or hold
 * what a profile may not), limit, no-memory. */
HARK_CHECK int hark_join_request_encode(struct hark_buf *out,
                                        const struct hark_join_request *request,
                                        struct hark_err *err);
/* Strict: these members and no others, each once, of its type and length; whether the
 * proofs hold is the state's to judge (V18, V25). Errors: peer-form, no-memory. */
HARK_CHECK int hark_join_request_decode(struct hark_join_request *out, struct hark_span json,
                                        struct hark_err *err);

/* Encoded and sealed to the steward's X25519 key; appends at most HARK_JOIN_SEALED_MAX
 * bytes. Errors: as encode, seal. */
HARK_CHECK int hark_join_request_seal(struct hark_buf *out, const struct hark_join_request *request,
                                      const struct hark_key *steward, struct hark_err *err);
/* Errors: seal (not for this key, or changed since), peer-form. */
HARK_CHECK int hark_join_request_open(struct hark_join_request *out, const struct hark_box *steward,
                                      struct hark_span sealed, struct hark_err *err);

/* ---- The terms ------------------------------------------------------------ */

#define HARK_TERMS_NODES_MAX 64u

/* An entry with its payload, borrowed. */
struct hark_terms_entry {
    struct hark_span entry, payload;
};

struct hark_terms_node {
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_node_keys keys;
    struct hark_hash entry; /* that named it */
};

/* What a joiner consents to. */
struct hark_terms {
    struct hark_hash space, hash;
    uint8_t mode; /* enum hark_mode */
    char title[201], question[1001], owner[201];
    char until[11];                       /* YYYY-MM-DD */
    struct hark_key steward, steward_box; /* in office */
    uint32_t incarnation;                 /* of the last `home` shown; 1: none was */
    uint64_t home_size;                   /* where that stands; 0: none was */
    size_t recover_count;                 /* `recover` entries shown right before it: */
    struct hark_hash recovers[HARK_RECOVERY_MAX];
    size_t node_count; /* now named, in order */
    struct hark_terms_node nodes[HARK_TERMS_NODES_MAX];
};

/* Verifies what was shown of a space and reads the terms from it. The entries are in
 * the order of the log: the first one (whose id is the space's); then `policy`, `node`,
 * `handover`, `recover` and `home` entries, each by who was in office by then. What may be
 * left out: policies that a later one shown replaces in all it says, nodes that are named
 * no more (but not the end of the first home), homes. Nothing here proves that nothing newer
 * exists: the joiner's own copy of the log does. *out is large (keep it off the stack).
 * Errors: those of PROTOCOL.md 3 and 4, entry-first, entry-space, kind-unknown (another
 * kind), void-steward, void-payload, void-name-used, void-target, entry-previous (out of
 * order), limit, unsupported (encrypted spaces), no-memory. */
HARK_CHECK int hark_terms_read(struct hark_terms *out, const struct hark_hash *space,
                               const struct hark_terms_entry *entries, size_t count,
                               struct hark_err *err);
/* How many entries precede the batch that the last `home` shown is in: its own size, less the
 * `recover` entries right before it, but for those that `state` has elsewhere: `state` is of a
 * log that may go on otherwise from there (PROTOCOL.md 7.6). */
HARK_CHECK int hark_terms_home_first(const struct hark_terms *terms, struct hark_state *state,
                                     uint64_t *first, struct hark_err *err);

#endif
