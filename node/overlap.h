/*
 * Which people of a community are in which spaces, as bitmaps: of a private group its members
 * as the community's ordinals, and what two have in common. PROTOCOL.md 10.11.
 *
 * Known are only those who have shown who they are, of whom the community's log (as this node
 * has it) says that they stand there, and the people of this very node.
 */
#ifndef HARK_NODE_OVERLAP_H
#define HARK_NODE_OVERLAP_H

#include <roaring/roaring.h>

#include "node/node.h"

/* Adds to `out` the ordinals in `community` of those active in `space`; of all where the two
 * are the same space. Errors: those of reading, no-memory. */
HARK_CHECK int hark_overlap_people(struct hark_node *node, struct hark_space *space,
                                   struct hark_space *community, roaring_bitmap_t *out,
                                   struct hark_err *err);
/* How many of a are in b as well; the lowest `room` of them go to `list` (may be NULL with
 * room 0), ascending, *listed says how many. Error: no-memory. */
HARK_CHECK int hark_overlap_both(const roaring_bitmap_t *a, const roaring_bitmap_t *b,
                                 uint32_t *list, size_t room, size_t *listed, uint64_t *both,
                                 struct hark_err *err);

#endif
