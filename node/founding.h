/*
 * A space that is being founded: whole or not there. Its log grows by several batches until
 * its founder is in it, and whoever is cut off in between (a crash, a full disk) would leave
 * a space that nobody can use and no verb takes away.
 *
 * So before anything of it is written a mark says which space, and how many entries it has
 * when it is whole; the mark goes last. A space so marked is not listed (hark_node_spaces).
 * Whoever opens the directory for writing finishes with a mark that is there: the space is
 * kept if it is whole, and taken away, with its steward's nonce, if it is not: no other node
 * has heard of it. The file `founding` of the data directory: "<64 hex> <entries>" and LF.
 */
#ifndef HARK_NODE_FOUNDING_H
#define HARK_NODE_FOUNDING_H

#include "node/node.h"

/* The space is about to be written; it is whole with that many entries. What was left of
 * another is finished with first. Errors: io, disk-full, those of hark_founding_mend. */
HARK_CHECK int hark_founding_begin(struct hark_node *node, const struct hark_hash *space,
                                   uint64_t entries, struct hark_err *err);
/* It is whole, or nobody will go on with it: keeps it or takes it away, and then the mark.
 * Nothing where there is no mark. Errors: io, data-version, those of opening the space. */
HARK_CHECK int hark_founding_mend(struct hark_node *node, struct hark_err *err);
/* Takes a space out of the list that is marked. Errors: io, no-memory. */
HARK_CHECK int hark_founding_hide(const struct hark_node *node, struct hark_hash *ids,
                                  size_t *count, struct hark_err *err);

#endif
