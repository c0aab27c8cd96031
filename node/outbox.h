/*
 * The outbox of a space: entries that people of this node have signed, kept until
 * their fate is known, and handed in again as the same bytes meanwhile: a seq that has
 * left the machine is never made anew. One SQLite file, outbox/<space id>.db, not
 * derived from anything: it must not be lost. Also what this node relays for others
 * who want to join. Errors: io, disk-full, busy, damaged, no-memory; data-version for a
 * file of a newer program.
 *
 * One thread.
 */
#ifndef HARK_NODE_OUTBOX_H
#define HARK_NODE_OUTBOX_H

#include "crypto/sha256.h"
#include "schemas/batch.h"

enum hark_out_state {
    HARK_OUT_PENDING = 0,  /* nobody has it yet */
    HARK_OUT_ACCEPTED = 1, /* in the intake log of `node` */
    HARK_OUT_LOGGED = 2,   /* in the main log */
    HARK_OUT_REFUSED = 3,
};
struct hark_out_row {
    uint64_t number; /* order of coming, from 1 */
    struct hark_hash id;
    enum hark_out_state state;
    bool as_void;      /* to be logged although it does not stand */
    bool due;          /* ACCEPTED: to be handed in again, however short that was ago */
    uint64_t since_ms; /* of this state; of ACCEPTED: of the last word */
    /* ACCEPTED: by whom; REFUSED: by whom last; PENDING: who could not take it yet */
    char node[HARK_NODE_NAME_MAX + 1];
    /* ACCEPTED: in that intake, or HARK_NONE where the node says that it is logged and our
     * copy of the log does not show it yet; LOGGED: in the log */
    uint64_t position;
    int code; /* REFUSED: why; PENDING: why not yet, or 0 */
    char message[200];
    struct hark_span object, payload; /* payload NULL data: none, or LOGGED: the log has it */
};

struct hark_outbox;
/* path: of the file; made when absent (mode 0600). */
HARK_CHECK int hark_outbox_open(struct hark_outbox **out, const char *path, struct hark_err *err);
void hark_outbox_free(struct hark_outbox *outbox);

/* Durable when it returns 0. Error: exists (the same entry). */
HARK_CHECK int hark_outbox_put(struct hark_outbox *outbox, const struct hark_hash *id,
                               struct hark_span object, struct hark_span payload, uint64_t now_ms,
                               struct hark_err *err);
/* The same of an entry that the log has dropped; one that is here as logged is pending again,
 * with its receipt to be judged anew. *put false: it is here, and not as logged. */
HARK_CHECK int hark_outbox_put_back(struct hark_outbox *outbox, const struct hark_hash *id,
                                    struct hark_span object, struct hark_span payload,
                                    uint64_t now_ms, bool *put, struct hark_err *err);
/* Several puts, or changes of state, as one: between begin and commit. */
HARK_CHECK int hark_outbox_begin(struct hark_outbox *outbox, struct hark_err *err);
HARK_CHECK int hark_outbox_commit(struct hark_outbox *outbox, struct hark_err *err);
void hark_outbox_rollback(struct hark_outbox *outbox);

/* Rows in order, borrowed for the call. states: bits 1 << enum hark_out_state.
 * Non-zero from `fn` stops; 1 (HARK_STOP) without error. */
typedef int hark_out_fn(void *arg, const struct hark_out_row *row, struct hark_err *err);
HARK_CHECK int hark_outbox_each(struct hark_outbox *outbox, unsigned states, hark_out_fn *fn,
                                void *arg, struct hark_err *err);
/* Only those that came after the one of that number. */
HARK_CHECK int hark_outbox_each_after(struct hark_outbox *outbox, uint64_t number, unsigned states,
                                      hark_out_fn *fn, void *arg, struct hark_err *err);
/* How often what was in it changed or went, by this connection: as long as that stays
 * the same, entries have only come, each after those before it. */
uint64_t hark_outbox_changes(const struct hark_outbox *outbox);
HARK_CHECK int hark_outbox_counts(struct hark_outbox *outbox, uint64_t counts[4],
                                  struct hark_err *err);
/* Sets what became of an entry: state, due, node, position, code and message of `row`. What is
 * pending keeps the time when it was written, and what is due that of the last word. Nothing
 * when there is no such entry; LOGGED is left by put_back only. */
HARK_CHECK int hark_outbox_set(struct hark_outbox *outbox, const struct hark_out_row *row,
                               uint64_t now_ms, struct hark_err *err);
/* A refused entry is handed in again, to be logged as void. Error: not-found. */
HARK_CHECK int hark_outbox_as_void(struct hark_outbox *outbox, const struct hark_hash *id,
                                   uint64_t now_ms, struct hark_err *err);
/* Forgets logged rows that became so before this time, and stand below that position, and
 * their receipts. */
HARK_CHECK int hark_outbox_forget(struct hark_outbox *outbox, uint64_t before_ms, uint64_t below,
                                  struct hark_err *err);

/* What was given for an entry that is here: one each, the last (PROTOCOL.md 9.5). */
enum hark_out_receipt_state {
    HARK_RECEIPT_OPEN = 0,   /* it holds, and the log here does not reach that far yet */
    HARK_RECEIPT_AGREES = 1, /* the log here has what it says */
    HARK_RECEIPT_LOST = 2,   /* it is of a home that another followed, and that has it not */
    HARK_RECEIPT_FORK = 3,   /* it convicts its home, and is kept as evidence */
    HARK_RECEIPT_BAD = 4,    /* what was given does not hold, and is not kept */
};
struct hark_out_receipt {
    struct hark_hash id;               /* the entry's */
    char node[HARK_NODE_NAME_MAX + 1]; /* who gave it */
    bool is_main;                      /* of the main log, else of an intake log */
    enum hark_out_receipt_state state; /* of an intake's OPEN, or BAD */
    uint64_t position, size;           /* as it says: the entry's, and its checkpoint's */
    int code;                          /* BAD: why */
    char message[200];
    struct hark_span file; /* 1 to HARK_TLOG_PROOF_MAX bytes; of BAD none */
};
/* Puts it in place of what was given for that entry before; nothing where the entry is not
 * here. Durable when it returns 0, outside a transaction. */
HARK_CHECK int hark_outbox_receipt_put(struct hark_outbox *outbox,
                                       const struct hark_out_receipt *receipt, uint64_t now_ms,
                                       struct hark_err *err);
HARK_CHECK int hark_outbox_receipt_judged(struct hark_outbox *outbox, const struct hark_hash *id,
                                          enum hark_out_receipt_state state, struct hark_err *err);
/* An accepted entry is to be handed in again, however short ago it was. Nothing when there is
 * no such entry. */
HARK_CHECK int hark_outbox_again(struct hark_outbox *outbox, const struct hark_hash *id,
                                 struct hark_err *err);
/* Borrowed for the call, in which the outbox is not written. */
typedef int hark_out_receipt_fn(void *arg, const struct hark_out_receipt *receipt,
                                struct hark_err *err);
/* That of one entry. */
HARK_CHECK int hark_outbox_receipt(struct hark_outbox *outbox, const struct hark_hash *id,
                                   hark_out_receipt_fn *fn, void *arg, bool *found,
                                   struct hark_err *err);
HARK_CHECK int hark_outbox_each_receipt(struct hark_outbox *outbox, hark_out_receipt_fn *fn,
                                        void *arg, struct hark_err *err);
/* Those of the main log that are OPEN, for positions below that one. */
HARK_CHECK int hark_outbox_each_open(struct hark_outbox *outbox, uint64_t below,
                                     hark_out_receipt_fn *fn, void *arg, struct hark_err *err);
/* Logged entries without a receipt of the main log that holds: of each row id, state and
 * position. */
HARK_CHECK int hark_outbox_each_bare(struct hark_outbox *outbox, hark_out_fn *fn, void *arg,
                                     struct hark_err *err);
/* Accepted entries without a receipt, or with one of an intake although the node says that
 * they are logged; and those of which a bad one came ten minutes ago. */
typedef int hark_out_unproved_fn(void *arg, const struct hark_hash *id, struct hark_span object,
                                 const char *node, struct hark_err *err);
HARK_CHECK int hark_outbox_each_unproved(struct hark_outbox *outbox, uint64_t now_ms,
                                         hark_out_unproved_fn *fn, void *arg, struct hark_err *err);

/* Requests to join that are handed on, by the SHA-256 of the sealed bytes. At most 256
 * are kept, the oldest go first. status: enum hark_joined_status of replication. */
struct hark_relay_row {
    struct hark_hash hash;
    struct hark_span sealed;
    uint8_t status;
    int code;
    char message[200];
};
/* *found false: was not here, and is now, as waiting. *row: as it stands (sealed
 * borrowed from the argument). */
HARK_CHECK int hark_outbox_relay(struct hark_outbox *outbox, struct hark_span sealed,
                                 uint64_t now_ms, bool *found, struct hark_relay_row *row,
                                 struct hark_err *err);
HARK_CHECK int hark_outbox_relayed(struct hark_outbox *outbox, const struct hark_hash *hash,
                                   uint8_t status, int code, const char *message,
                                   struct hark_err *err);
/* Those still waiting. */
typedef int hark_relay_fn(void *arg, const struct hark_relay_row *row, struct hark_err *err);
HARK_CHECK int hark_outbox_each_relay(struct hark_outbox *outbox, hark_relay_fn *fn, void *arg,
                                      struct hark_err *err);

#endif
