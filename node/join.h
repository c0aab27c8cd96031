/*
 * Joining over the network, at the nodes that are asked: what a joiner is shown, the
 * home's answer to a sealed request, and handing one on. PROTOCOL.md 8. The joiner's
 * own part is cmd_join.c.
 */
#ifndef HARK_NODE_JOIN_H
#define HARK_NODE_JOIN_H

#include "node/author.h"
#include "replication/messages.h"
#include "schemas/join.h"

/* Appends the body of `shown` for a space (a reader's view will do). Errors: not-found
 * (nothing of it is here), limit (more than a message shows), damaged, io. */
HARK_CHECK int hark_join_terms(struct hark_space *space, struct hark_buf *body,
                               struct hark_err *err);

/* Reads what hark_join_terms made, wherever it comes from. *out is large (keep it off the
 * stack). Errors: peer-form, and those of hark_terms_read. */
HARK_CHECK int hark_join_read_terms(const struct hark_hash *space, struct hark_span body,
                                    struct hark_terms *out, struct hark_err *err);

/* T5 to T8: is this a ticket of the space that can be used now? *out (may be NULL) is
 * its object. Errors: ticket-unknown, ticket-revoked, ticket-expired, ticket-used. */
HARK_CHECK int hark_join_check_ticket(struct hark_space *space, const struct hark_key *ticket,
                                      struct hark_ticket_object *out, struct hark_err *err);

/* Where the steward's key is, between hark_author_begin and hark_author_commit: checks the
 * ticket, admits the new key in the ticket's role and puts its member into the ticket's
 * cohorts. Errors: T5 to T8, a rule's (V17, V18, V25: the proofs are the state's to
 * judge), not-found (no steward's key here). After an error that is no refusal the
 * batch is to be rolled back; after a refusal nothing of it is in the batch. */
HARK_CHECK int hark_join_add(struct hark_node *node, struct hark_space *space,
                             const struct hark_join_request *request, struct hark_logged *admitted,
                             struct hark_err *err);

/* Where the steward's key is (the home's node, but after a home has moved): opens a sealed
 * request and admits, in a batch of its own; who was admitted once is answered so again,
 * and away from the home "waiting" until it is logged. A refusal is an answer, too: 0, with *out
 * saying why. Errors are this node's own trouble (io, behind, no-memory): nothing has changed, and
 * the joiner is to ask again. */
HARK_CHECK int hark_join_admit(struct hark_node *node, struct hark_space *space,
                               struct hark_span sealed, struct hark_joined *out,
                               struct hark_err *err);

/* At another named node: keeps the request to be handed on (node/outbox.h), or says
 * what became of it. Errors: io, no-memory, peer-form (its size). */
HARK_CHECK int hark_join_relay(struct hark_space *space, struct hark_span sealed,
                               struct hark_joined *out, struct hark_err *err);

#endif
