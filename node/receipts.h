/*
 * Receipts of what this node's people have handed in: asked for by itself, checked, kept in
 * the outbox, and held against the main log as that grows, so that a home that drops what it
 * has acknowledged is convicted without anybody asking. And the other side, what is given to
 * those who ask. PROTOCOL.md 7.7, 9.5. Of the thread that owns the space.
 */
#ifndef HARK_NODE_RECEIPTS_H
#define HARK_NODE_RECEIPTS_H

#include "node/outbox.h"
#include "node/space.h"
#include "replication/messages.h"

/* What one node is asked for. */
struct hark_receipts_ask {
    char node[HARK_NODE_NAME_MAX + 1];
    size_t count; /* 0: nothing */
    struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX];
    struct hark_git_id commits[HARK_RECEIPT_MAX]; /* of those that are wanted by id */
};

/* What is to be asked for now: entries that a node has accepted, and of which there is no
 * receipt here, or none of the main log although that node says that they are logged. All of
 * one node, the one of the oldest of those that can be asked. */
typedef bool hark_can_ask_fn(void *arg, const char *node);
HARK_CHECK int hark_receipts_wanted(struct hark_space *space, uint64_t now_ms,
                                    hark_can_ask_fn *can_ask, void *arg,
                                    struct hark_receipts_ask *out, struct hark_err *err);
/* A node has another main log, of that size, than the one here: by what stands there at its
 * end, or at this one's, and where the receipts that are kept say that ours stand. */
HARK_CHECK int hark_receipts_doubt(struct hark_space *space, uint64_t their_size,
                                   struct hark_receipts_ask *out, struct hark_err *err);
/* What a node has answered: receipts (data NULL: none), as many as asked for. What holds is
 * kept, what contradicts the log here or what was given before is made evidence; what does
 * not hold is noted as that node's fault. *kept: how many are new here. Errors: those of the
 * outbox and of evidence. */
HARK_CHECK int hark_receipts_take(struct hark_space *space, const struct hark_receipts_ask *ask,
                                  const struct hark_span *receipts, uint64_t now_ms, size_t *kept,
                                  struct hark_err *err);
/* Holds those that are kept against the main log here; what it contradicts is made evidence,
 * and handed in again. Where the log has an entry of ours now, its receipt is made from it. */
HARK_CHECK int hark_receipts_compare(struct hark_space *space, uint64_t now_ms,
                                     struct hark_err *err);

/* Appends the body of `receipts` for what is asked (of a reader's space, too): of entries
 * that are not here none; none any more either where they would not fit into a message. */
HARK_CHECK int hark_receipts_answer(struct hark_space *space,
                                    const struct hark_receipt_wanted *wanted, size_t count,
                                    struct hark_buf *out, struct hark_err *err);

#endif
