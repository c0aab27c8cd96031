/*
 * The steward's office: whether this node holds it, and how it comes to hold it, from a
 * steward who hands it over or by recovery keys where the old key is lost. PROTOCOL.md 7.6.
 */
#ifndef HARK_NODE_OFFICE_H
#define HARK_NODE_OFFICE_H

#include "node/author.h"

/* The keys of the steward in office, where this node holds them; of one that was in office
 * before, or is only offered, it is not-found. Errors: also those of hark_node_steward. */
HARK_CHECK int hark_steward_held(struct hark_node *node, struct hark_space *space,
                                 struct hark_author *out, struct hark_err *err);
/* A new steward's offer, made by the node that is to hold the key: the payload of a
 * `recover` or `handover` entry (key, box, terms, proof). The nonce is kept under steward/.
 * Owned. Errors: exists (a key in office, or offered and not yet named), epoch-unknown (in an
 * encrypted space nobody of this node holds the key in force, and so could give it to nobody). */
HARK_CHECK int hark_steward_offer(struct hark_node *node, struct hark_space *space, json_t **offer,
                                  struct hark_err *err);
/* A space that this node got back: finds out whether it holds its steward's key (by the
 * nonce in the first entry) and remembers it. *is: it does. */
HARK_CHECK int hark_steward_regain(struct hark_node *node, struct hark_space *space, bool *is,
                                   struct hark_err *err);

#endif
