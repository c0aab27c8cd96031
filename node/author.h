/*
 * Writing: from a kind, its fields and its subjects to a signed entry, handed to
 * the space's log at its home, to the outbox anywhere else. What a member's or the
 * steward's client does.
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

/* The state that a new entry is judged against and continues: at the home the log's,
 * elsewhere the provisional one. Borrowed until the space changes. */
HARK_CHECK int hark_author_state(const struct hark_node *node, struct hark_space *space,
                                 struct hark_state **out, struct hark_err *err);

/* Several entries as one: begin, add as often as wanted, commit. At the home that is a
 * batch of the log (hark_space_begin and what follows it); elsewhere a transaction of the
 * outbox. rollback after any error; it does nothing where nothing is open. */
HARK_CHECK int hark_author_begin(struct hark_node *node, struct hark_space *space,
                                 struct hark_err *err);
HARK_CHECK int hark_author_commit(struct hark_node *node, struct hark_space *space,
                                  struct hark_err *err);
void hark_author_rollback(struct hark_node *node, struct hark_space *space);
/* What follows a commit away from the home: a node named in the space takes what is in its
 * outbox into its own intake log. Elsewhere nothing. */
HARK_CHECK int hark_author_hand_in(struct hark_node *node, struct hark_space *space,
                                   struct hark_err *err);

/* Builds, signs and adds one entry (between hark_author_begin and hark_author_commit).
 * What would be void or invalid is refused, and nothing of it is kept. Refusals name
 * their rule. */
HARK_CHECK int hark_author_add(struct hark_node *node, struct hark_space *space,
                               const struct hark_author *author, const struct hark_draft *draft,
                               struct hark_logged *out, struct hark_err *err);

/* An entry that was signed and is handed to nobody yet, continuing its feed in `state`.
 * Free with hark_signed_free. */
struct hark_signed {
    struct hark_hash id;
    struct hark_buf bytes, payload; /* payload empty: none */
};
HARK_CHECK int hark_author_sign(struct hark_node *node, struct hark_space *space,
                                struct hark_state *state, const struct hark_author *author,
                                const struct hark_draft *draft, struct hark_signed *out,
                                struct hark_err *err);
void hark_signed_free(struct hark_signed *entry);

/* PROTOCOL.md 6.4: accept-rate when this author has had as many entries logged
 * within the last minute as the node's configuration allows. To be asked before a
 * person's entry is added; the steward's work and imports are not bounded. Never an
 * error where this node is not the home. */
HARK_CHECK int hark_author_rate(const struct hark_node *node, struct hark_space *space,
                                const struct hark_author *author, struct hark_err *err);

/* How many entries of a key were logged within the last minute, counted in the log
 * itself, so that a restart forgets nothing. */
HARK_CHECK int hark_author_recent(struct hark_space *space, const struct hark_key *key,
                                  uint64_t *count, struct hark_err *err);

/* hark_author_add by itself: begin, add, commit. */
HARK_CHECK int hark_author_write(struct hark_node *node, struct hark_space *space,
                                 const struct hark_author *author, const struct hark_draft *draft,
                                 struct hark_logged *out, struct hark_err *err);

/* Founds a space with this node as home and steward: the first entry, the founder's admit
 * as staff and profile; of a sealed one the charter. */
struct hark_founding {
    uint8_t mode;      /* enum hark_mode; 0: open */
    bool history;      /* of an encrypted one: newcomers get its older keys, too */
    const char *label; /* of the founder's key here; NULL: keys/people/owner, made if need be */
    const char *title, *question, *owner, *until; /* until: YYYY-MM-DD */
    /* Of an encrypted one: the community whose members who joins is asked about (NULL: nobody
     * is), whether they must show who they are there, and the founder's key there. */
    const struct hark_hash *community;
    bool must;
    const struct hark_signer *shower;
    /* Any recovery_threshold of these keys (at most 16) name a new steward when this one
     * is lost; 0 keys: nobody does. */
    size_t recovery_count;
    const struct hark_key *recovery;
    unsigned recovery_threshold;
};
HARK_CHECK int hark_found(struct hark_node *node, const struct hark_founding *founding,
                          struct hark_hash *space, struct hark_err *err);

/* The steward acts: `fields` of a steward kind, on the request of `staff` when
 * given (a `request` entry is written first and cited). Between begin and commit. Error
 * accept-not-here: the steward's key is not held here. */
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
