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
 * when there is no such entry; LOGGED is never left again. */
HARK_CHECK int hark_outbox_set(struct hark_outbox *outbox, const struct hark_out_row *row,
                               uint64_t now_ms, struct hark_err *err);
/* A refused entry is handed in again, to be logged as void. Error: not-found. */
HARK_CHECK int hark_outbox_as_void(struct hark_outbox *outbox, const struct hark_hash *id,
                                   uint64_t now_ms, struct hark_err *err);
/* Forgets logged rows that became so before this time, and stand below that position. */
HARK_CHECK int hark_outbox_forget(struct hark_outbox *outbox, uint64_t before_ms, uint64_t below,
                                  struct hark_err *err);

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
