/*
 * Writing in an encrypted space: what a member says goes into an envelope, and what the
 * steward does to who holds keys comes with the keys. PROTOCOL.md 10.2 to 10.4, 10.7.
 */
#ifndef HARK_NODE_SEALING_H
#define HARK_NODE_SEALING_H

#include "node/author.h"

/* Does an entry of that kind go inside of a `sealed` in that space? */
bool hark_goes_inside(struct hark_state *state, const char *kind);
/* Appends the envelope of what the draft says, for an entry to be built all of whose headers
 * but `Payload` are given: of kind `sealed` or `charter`. What would be void inside is refused,
 * if all that it is about is in the log already. Errors: epoch-unknown (nobody of this node
 * holds the key in force), busy (it is about something of another key that is in no log yet), those
 * of hark_inner_seal and of hark_inner_state_judge. */
HARK_CHECK int hark_seal_draft(struct hark_node *node, struct hark_space *space,
                               const struct hark_draft *draft, const struct hark_entry *entry,
                               struct hark_buf *envelope, struct hark_err *err);

/* Between hark_author_begin and hark_author_commit, before the steward's entry of that kind
 * and with these fields is added: an `admit`, and a `device` that adds, gets its `group_key`;
 * before a `remove`, and a `device` that ends a key, the parts of a fresh key are added, and it
 * gets its `commitment`. Nothing for other kinds and in open spaces. Errors: busy (another
 * change of the key is not in the log yet), epoch-unknown, void-epoch (nobody would remain),
 * those of hark_author_add. */
HARK_CHECK int hark_steward_keys(struct hark_node *node, struct hark_space *space,
                                 const struct hark_author *steward, const char *kind,
                                 json_t *fields, struct hark_err *err);

/* What the steward's node does by itself, where it holds that key: brings a fresh key into
 * force, by a `remove`, when somebody has left; does again what of its own was void because
 * somebody came in between (undone.h); says title and objective again when somebody
 * has joined, or brought a device, that could not read them. One of them at a time; *did: it
 * was written. Errors: those of writing; busy. */
HARK_CHECK int hark_steward_tend(struct hark_node *node, struct hark_space *space, bool *did,
                                 struct hark_err *err);

#endif
