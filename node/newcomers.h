/*
 * What newcomers to a private group could not read: names are in profiles, and whoever joins
 * without older keys reads none that was said before. So who writes says their profile again,
 * once, after somebody has come: those who are silent cost nothing.
 */
#ifndef HARK_NODE_NEWCOMERS_H
#define HARK_NODE_NEWCOMERS_H

#include "node/author.h"

/* Is there a member's key in force that came after that position? */
HARK_CHECK int hark_newcomers_since(struct hark_state *state, uint64_t position, bool *any,
                                    struct hark_err *err);
/* Between hark_author_begin and hark_author_commit, before something of that kind is added:
 * adds the author's latest profile, in an encrypted space in which somebody has come since,
 * while nothing else of theirs is under way. Nothing in open spaces and before a profile.
 * Errors: those of hark_author_add but refusals; io, no-memory. */
HARK_CHECK int hark_newcomers_name(struct hark_node *node, struct hark_space *space,
                                   const struct hark_author *author, const char *kind,
                                   struct hark_err *err);

#endif
