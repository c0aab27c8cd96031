/*
 * What nodes say to each other, as a pure core: it gets messages, completions
 * and the passing of time handed in, and acts through a struct of functions. It
 * knows no clock, no random source, no socket, no file, no thread; the simulator
 * runs many of it in one process. PROTOCOL.md 9.
 *
 * One thread at a time; the functions of hark_core_io may not call back into the
 * core. A peer is known by its CURVE key, as ZAP saw it; over a connection that we
 * opened with another key than the node's own, by the edge's name for that
 * connection (hark_edge_connect).
 */
#ifndef HARK_REPLICATION_CORE_H
#define HARK_REPLICATION_CORE_H

#include "crypto/key.h"
#include "replication/messages.h"

enum hark_peer_state {
    HARK_PEER_CONNECTING, /* nothing heard yet, or not for a while */
    HARK_PEER_LIVE,
    HARK_PEER_REFUSED, /* it, or we, refused: see the error */
    HARK_PEER_PAUSED,
};

/* What a follower found at a peer for one log. */
struct hark_sync_report {
    struct hark_log_ref log;
    struct hark_cursor ours, theirs;
    bool equal; /* nothing is missing here as of the last answer */
    int code;   /* 0, or why it does not go on (HARK_E_PEER_*, a rule's code) */
};

struct hark_core_io {
    void *arg;
    /* Milliseconds, for what is due when; not a wall clock, which may be set back. Large:
     * 0 is long ago. */
    uint64_t (*now_ms)(void *arg);
    /* Sends a message by the connection `via` (HARK_VIA_ANY for questions of our
     * own); body and load are borrowed. When the peer's queue is full it is dropped
     * and HARK_E_BUSY returned, peer-unreachable when there is no connection: the
     * core asks again later. */
    int (*send)(void *arg, const struct hark_key *peer, uint64_t via,
                const struct hark_message *message, struct hark_err *err);
    /* May this peer have this space (and is it here)? */
    bool (*may_have)(void *arg, const struct hark_key *peer, const struct hark_hash *space);
    /* Where our copy of the log stands. not-found: we have nothing of it yet, which
     * is an empty cursor for a follower. */
    int (*cursor)(void *arg, const struct hark_log_ref *log, struct hark_cursor *out,
                  struct hark_err *err);
    /* Is the cursor a point of our copy of its log: after that many batches it had
     * this size and root (batches at most ours)? */
    int (*fits)(void *arg, const struct hark_cursor *cursor, bool *fits, struct hark_err *err);
    /* Packs batches after the first `batches`, as PROTOCOL.md 9.4, uncompressed: at
     * least one, then as many as keep within max_bytes. */
    int (*load)(void *arg, const struct hark_log_ref *log, uint64_t batches, size_t max_bytes,
                struct hark_buf *out, unsigned *count, struct hark_err *err);
    /* Hands over unpacked batches to be verified and stored, in order, elsewhere
     * (takes ownership: sets *load empty). The outcome comes by
     * hark_core_appended with the same token. HARK_E_BUSY: not now. */
    int (*append)(void *arg, const struct hark_log_ref *log, const struct hark_key *peer,
                  struct hark_buf *load, unsigned batches, uint64_t token, struct hark_err *err);

    /* Batches that will be appended next if those before them turn out well: time to begin
     * with what does not hang on them. Borrowed, a hint and no more. May be NULL. */
    void (*coming)(void *arg, const struct hark_log_ref *log, struct hark_span load,
                   unsigned batches);

    /* A peer that may have the space hands entries in (the body of a well-formed
     * `submit`, copied; takes ownership). The outcome comes by hark_core_accepted
     * with the same token. HARK_E_BUSY: not now. */
    int (*submit)(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                  struct hark_buf *body, uint64_t token, struct hark_err *err);
    /* What a node said of entries that were handed in (hark_core_submit), in order;
     * or that it did not: code, with no items. */
    void (*accepted)(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                     const struct hark_accepted *items, size_t count, int code);

    /* May this peer ask about joining the space: it holds a ticket of it, or may
     * have it? */
    bool (*may_join)(void *arg, const struct hark_key *peer, const struct hark_hash *space);
    /* Appends the body of `shown`. Error: not-found. */
    int (*terms)(void *arg, const struct hark_hash *space, struct hark_buf *out,
                 struct hark_err *err);
    /* A sealed request to join came (copied; takes ownership). The outcome comes by
     * hark_core_joined with the same token. HARK_E_BUSY: not now. */
    int (*join)(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                struct hark_buf *sealed, uint64_t token, struct hark_err *err);
    /* The cosigned checkpoints of a space that are here: *version is a number that grows
     * whenever they change (0: there are none); the body of a `cosign` with all of them is
     * appended to `out` unless that is NULL. Error: not-found. May be NULL: none are shown. */
    int (*notes)(void *arg, const struct hark_hash *space, uint64_t *version, struct hark_buf *out,
                 struct hark_err *err);
    /* A peer that may have the space shows cosigned checkpoints (the body of a well-formed
     * `cosign`, copied; takes ownership). The outcome comes by hark_core_cosigned with the
     * same token. HARK_E_BUSY: not now. May be NULL: never. */
    int (*cosign)(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                  struct hark_buf *body, uint64_t token, struct hark_err *err);

    /* The evidence about a space that is here, files in an order that only grows at its end:
     * *version is how many there are; unless `out` is NULL the body of an `evidence` with those
     * after the first `after`, as many as fit, is appended to it, and *version says which was
     * the last of them. Error: not-found (there are none). May be NULL: none are shown. */
    int (*evidence)(void *arg, const struct hark_hash *space, uint64_t after, uint64_t *version,
                    struct hark_buf *out, struct hark_err *err);
    /* As cosign, of evidence, with the body of a well-formed `evidence`. The outcome comes by
     * hark_core_evidence. May be NULL: never. */
    int (*convict)(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                   struct hark_buf *body, uint64_t token, struct hark_err *err);

    /* A peer that may have the space asks for receipts: appends the body of `receipts`, as
     * many and in the order of `wanted` (count 1 to HARK_RECEIPT_MAX). Errors: busy (not now),
     * not-found. May be NULL: none are given. */
    int (*receipts)(void *arg, const struct hark_hash *space,
                    const struct hark_receipt_wanted *wanted, size_t count, struct hark_buf *out,
                    struct hark_err *err);

    /* The answer to hark_core_request: type HARK_MESSAGE_SHOWN, _JOINED or _RECEIPTS with its
     * body (well-formed; of receipts as many as asked for), or code with no body. */
    void (*answered)(void *arg, const struct hark_key *peer, uint8_t type,
                     const struct hark_hash *space, int code, struct hark_span body);

    /* Something worth showing changed. May be NULL. */
    void (*peer_changed)(void *arg, const struct hark_key *peer, enum hark_peer_state state,
                         int code, const char *message);
    void (*synced)(void *arg, const struct hark_key *peer, const struct hark_sync_report *report);
};

struct hark_core;

/* name: this node's, for `hello`. */
HARK_CHECK int hark_core_new(struct hark_core **out, const char *name,
                             const struct hark_core_io *io, struct hark_err *err);
void hark_core_free(struct hark_core *core);

/* A peer from which we follow logs (count 0: none), whoever opened the connection.
 * Again with another list replaces it: what stays in it goes on undisturbed. Errors:
 * limit, no-memory. */
HARK_CHECK int hark_core_follow(struct hark_core *core, const struct hark_key *peer,
                                const struct hark_log_ref *logs, size_t count,
                                struct hark_err *err);
void hark_core_forget(struct hark_core *core, const struct hark_key *peer);

/* A message came from a peer over the connection `via` (frames as received,
 * hostile until checked; count may be larger than what is read of frames: at most
 * three are looked at). */
void hark_core_message(struct hark_core *core, const struct hark_key *peer, uint64_t via,
                       const struct hark_span *frames, size_t count);
/* append's outcome: 0, or the code of what was wrong with the batches, with its
 * message. */
void hark_core_appended(struct hark_core *core, uint64_t token, int code, const char *message);
/* Our copy of a log has grown (by writing, or by append): followers that wait get
 * news. */
void hark_core_grown(struct hark_core *core, const struct hark_log_ref *log);

/* What is to be handed in for a space: the body of a `submit` (copied; empty: nothing
 * any more), replacing what was. One node at a time gets it, of those whose main log
 * of the space is followed: the preferred one (may be NULL) when it is live, else any
 * that is live. Who refuses as a whole or does not answer is passed over for a while
 * (backoff) and io.accepted says so; else io.accepted brings the answer, and nothing is
 * handed in again before the next hark_core_submit (who took none of it, for what it
 * lacks itself, is passed over then, too). The very body that is under way is not sent a
 * second time. Errors: limit, no-memory, peer-form (no submit for that space). */
HARK_CHECK int hark_core_submit(struct hark_core *core, const struct hark_hash *space,
                                struct hark_span body, const struct hark_key *preferred,
                                struct hark_err *err);
/* io.submit's outcome: items in the order submitted (their ids are filled in from what
 * was submitted), or a code for all of it. Due within two minutes. */
void hark_core_accepted(struct hark_core *core, uint64_t token, const struct hark_accepted *items,
                        size_t count, int code);
/* One question of type HARK_MESSAGE_TERMS, _JOIN or _RECEIPT (body copied), sent as soon as
 * the peer is live; io.answered is called once: with the answer, or with
 * peer-unreachable after `patience_ms`. One of a type for a space at a peer: a further
 * one replaces it. Errors: limit, no-memory, peer-form. */
HARK_CHECK int hark_core_request(struct hark_core *core, const struct hark_key *peer, uint8_t type,
                                 struct hark_span body, uint64_t patience_ms, struct hark_err *err);
/* io.join's outcome (the space is filled in). Due within two minutes. */
void hark_core_joined(struct hark_core *core, uint64_t token, const struct hark_joined *joined);
/* Our cosigned checkpoints of the space changed: whoever asks about it is shown them. */
void hark_core_noted(struct hark_core *core, const struct hark_hash *space);
/* io.cosign's outcome: 0 (all of them are judged, and kept as far as they matter), peer-form
 * (the peer sent what no honest node sends: malformed, muted as ever), or a code: it is told
 * so and shows them again later. before, after: the versions (io.notes) of what is here without
 * and with them, the same when nothing came of them; who had all that was here before has all
 * of it now, and need not be shown it. Due within two minutes. */
void hark_core_cosigned(struct hark_core *core, uint64_t token, uint64_t before, uint64_t after,
                        int code);
/* There is more evidence about the space here: whoever asks about it is shown it. */
void hark_core_convicted(struct hark_core *core, const struct hark_hash *space);
/* io.convict's outcome, as hark_core_cosigned (the versions: those of io.evidence). */
void hark_core_evidence(struct hark_core *core, uint64_t token, uint64_t before, uint64_t after,
                        int code);
/* What was asked of this peer will not be answered (hark_edge_handlers.lost): it is asked
 * again soon rather than when an answer would be overdue. */
void hark_core_lost(struct hark_core *core, const struct hark_key *peer);
/* What could not be sent to this peer would go out now (hark_edge_handlers.writable): it
 * is tried at once rather than when its time comes. Any other peer is left as it is. */
void hark_core_writable(struct hark_core *core, const struct hark_key *peer);
/* Asks all peers now, whatever the timers say. */
void hark_core_ask_now(struct hark_core *core);
/* Runs what is due; returns the milliseconds until the next thing is. */
uint64_t hark_core_tick(struct hark_core *core);

#endif
