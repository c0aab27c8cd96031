/*
 * Getting a space back: a copy that is damaged, or follows a history that nobody else
 * goes on with (PROTOCOL.md 7.6, rewinding), is set aside, the space is fetched anew
 * from other nodes, and what only the copy held is handed in again. Until that is done
 * the copy lies in the node's directory, where nothing of it is lost:
 *
 *     aside/spaces/<id>.git, aside/index/<id>.db    the copy
 *     aside/<id>                                    what the new one must reach (extent.h);
 *                                                   absent: nothing
 */
#ifndef HARK_NODE_ASIDE_H
#define HARK_NODE_ASIDE_H

#include "node/node.h"

/* Sets the space aside; it is as if this node had never had it. whole: it counts as
 * back only when its log is as long as the copy's was, with that root (repair; not for
 * rewinding, where the copy's end is given up). Errors: exists (it is set aside
 * already), io. */
HARK_CHECK int hark_aside_put(struct hark_node *node, const struct hark_hash *space, bool whole,
                              struct hark_err *err);
bool hark_aside_is(const struct hark_node *node, const struct hark_hash *space);

/* The spaces that are set aside; *ids is allocated (free()). */
HARK_CHECK int hark_aside_list(const struct hark_node *node, struct hark_hash **ids, size_t *count,
                               struct hark_err *err);

/* When the new copy holds what it must: puts what only the old one held (in its log and
 * the intakes) into the outbox, and removes the old one. *done false: not yet. *handed:
 * how many entries. A copy that cannot be read any more is kept as
 * aside/spaces/<id>.git.unreadable, since nobody can say what only it holds. */
HARK_CHECK int hark_aside_finish(struct hark_node *node, const struct hark_hash *space, bool *done,
                                 uint64_t *handed, struct hark_err *err);
/* The old copy takes its place again. */
HARK_CHECK int hark_aside_back(struct hark_node *node, const struct hark_hash *space,
                               struct hark_err *err);

#endif
