/*
 * What the steward did and did not come about: a `remove`, or a `device` that ends a key,
 * needs the fresh key that was sealed for it, and is void when somebody joined, left or
 * replaced a key before it was logged (PROTOCOL.md 10.7). The steward's node does it again.
 */
#ifndef HARK_NODE_UNDONE_H
#define HARK_NODE_UNDONE_H

#include "node/author.h"

/* One that is void in the log and still wanted: its member is active, its key in force. */
struct hark_undone {
    const char *kind; /* NULL: there is none */
    json_t *fields;   /* without `commitment`; owned */
};

/* The steward's entries in the outbox that are refused because they do not fit the epochs any
 * more are handed in again, to be logged as void: what follows them waits for that. *did: there
 * were any. Errors: those of the outbox. */
HARK_CHECK int hark_undone_release(struct hark_space *space, const struct hark_author *steward,
                                   bool *did, struct hark_err *err);
/* The first that is wanted, as of the state that a new entry is judged against. Looks at what
 * the log has had since it found nothing. Errors: those of reading the log. */
HARK_CHECK int hark_undone_find(struct hark_node *node, struct hark_space *space,
                                const struct hark_author *steward, struct hark_undone *out,
                                struct hark_err *err);
/* Writes it anew, with new parts, between hark_author_begin and hark_author_commit. Errors:
 * those of hark_steward_act. */
HARK_CHECK int hark_undone_again(struct hark_node *node, struct hark_space *space,
                                 const struct hark_undone *undone, struct hark_err *err);
void hark_undone_free(struct hark_undone *undone);

#endif
