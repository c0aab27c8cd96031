/*
 * Writing: from a kind, its fields and its subjects to a signed entry, handed to
 * the space's log. What a member's or the steward's client does.
 */
#ifndef HARK_NODE_AUTHOR_H
#define HARK_NODE_AUTHOR_H

#include "node/node.h"

struct hark_draft {
    const char *kind;
    json_t *fields; /* borrowed; NULL: no payload */
    size_t re_count;
    struct hark_hash re[HARK_ENTRY_RE_MAX];
    const uint8_t *salt; /* NULL: random */
    bool with_seen;      /* add Seen when the author's last one is an hour old */
};

/* Builds, signs and adds one entry to the space's open batch (between
 * hark_space_begin and hark_space_commit). Refusals name their rule. */
HARK_CHECK int hark_author_add(struct hark_node *node, struct hark_space *space,
                               const struct hark_author *author, const struct hark_draft *draft,
                               struct hark_logged *out, struct hark_err *err);

/* PROTOCOL.md 6.4: accept-rate when this author has had as many entries logged
 * within the last minute as the node's configuration allows. To be asked before a
 * person's entry is added; the steward's work and imports are not bounded. */
HARK_CHECK int hark_author_rate(const struct hark_node *node, struct hark_space *space,
                                const struct hark_author *author, struct hark_err *err);

/* hark_author_add in a batch of its own: begin, add, commit, tend. */
HARK_CHECK int hark_author_write(struct hark_node *node, struct hark_space *space,
                                 const struct hark_author *author, const struct hark_draft *draft,
                                 struct hark_logged *out, struct hark_err *err);

/* Founds a space with this node as home and steward: the first entry, the
 * founder's admit as staff (keys/people/owner) and profile. */
struct hark_founding {
    const char *title, *question, *owner, *until; /* until: YYYY-MM-DD */
};
HARK_CHECK int hark_found(struct hark_node *node, const struct hark_founding *founding,
                          struct hark_hash *space, struct hark_err *err);

/* The steward acts: `fields` of a steward kind, on the request of `staff` when
 * given (a `request` entry is written first and cited). In the open batch. */
HARK_CHECK int hark_steward_act(struct hark_node *node, struct hark_space *space,
                                const struct hark_author *staff, const char *action,
                                const char *kind, json_t *fields, struct hark_logged *out,
                                struct hark_err *err);

/* Appends to `fields` what a new key brings: key, box, terms, proof and, with a
 * ticket, ticket and ticket_proof. */
HARK_CHECK int hark_join_fields(struct hark_space *space, const struct hark_author *joiner,
                                const struct hark_signer *ticket, json_t *fields,
                                struct hark_err *err);

#endif
