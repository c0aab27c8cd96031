/*
 * A space's home: moving it, and going on after a loss. PROTOCOL.md 7.6.
 */
#ifndef HARK_NODE_HOME_H
#define HARK_NODE_HOME_H

#include "node/author.h"

/* The steward, whose key this node holds, makes the named node `name` the home.
 * - This node is the home and `name` another node: the entry goes into the outbox, and
 *   from there to that node; this one signs nothing more (hark_space_moving).
 * - `name` is this node itself, and lost says that the home is lost (or this node is
 *   the home and lost its disk): this node goes on from its copy of the log, which must
 *   be the longest that can be had: sync first. What stands before the entry in the new
 *   batch: `recover` entries that wait in intakes, nothing else. *here is true.
 * holder, in an entrusted space: the key of a member whom that node is to read as; NULL:
 * where this node goes on, one of its own people's. NULL in any other space.
 * id receives the entry's. Errors: not-found (no such node), accept-not-here (no
 * steward's key, or it is not for this node to do), behind, usage (a holder is missing, or
 * not wanted). */
HARK_CHECK int hark_home_move(struct hark_node *node, struct hark_space *space, const char *name,
                              const struct hark_key *holder, bool lost, struct hark_hash *id,
                              bool *here, struct hark_err *err);

#endif
