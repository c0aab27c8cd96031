/*
 * What nodes say to each other, as a pure core: it gets messages, completions
 * and the passing of time handed in, and acts through a struct of functions. It
 * knows no clock, no random source, no socket, no file, no thread; the simulator
 * runs many of it in one process. PROTOCOL.md 9.
 *
 * One thread at a time; the functions of hark_core_io may not call back into the
 * core. A peer is known by its CURVE key, as ZAP saw it.
 */
#ifndef HARK_REPLICATION_CORE_H
#define HARK_REPLICATION_CORE_H

#include "crypto/key.h"
#include "replication/message.h"

enum hark_peer_state {
    HARK_PEER_CONNECTING, /* nothing heard yet, or not for a while */
    HARK_PEER_LIVE,
    HARK_PEER_REFUSED, /* it, or we, refused: see the error */
    HARK_PEER_PAUSED,
};

/* What a follower found at a peer for one space. */
struct hark_sync_report {
    struct hark_hash space;
    struct hark_cursor ours, theirs;
    bool equal; /* nothing is missing here as of the last answer */
    int code;   /* 0, or why it does not go on (HARK_E_PEER_*, a rule's code) */
};

struct hark_core_io {
    void *arg;
    uint64_t (*now_ms)(void *arg);
    /* Sends a message by the connection `via` (HARK_VIA_ANY for questions of our
     * own); body and load are borrowed. When the peer's queue is full it is dropped
     * and HARK_E_BUSY returned, peer-unreachable when there is no connection: the
     * core asks again later. */
    int (*send)(void *arg, const struct hark_key *peer, uint64_t via,
                const struct hark_message *message, struct hark_err *err);
    /* May this peer have this space (and is it here)? */
    bool (*may_have)(void *arg, const struct hark_key *peer, const struct hark_hash *space);
    /* Where our log of the space stands. not-found: we have nothing of it yet,
     * which is an empty cursor for a follower. */
    int (*cursor)(void *arg, const struct hark_hash *space, struct hark_cursor *out,
                  struct hark_err *err);
    /* Does our log have this root at this size (size at most ours)? */
    int (*has_root)(void *arg, const struct hark_hash *space, uint64_t size,
                    const struct hark_hash *root, bool *has, struct hark_err *err);
    /* Packs batches from `from` on, as PROTOCOL.md 9.4, uncompressed: at least
     * one, then as many as keep within max_bytes. */
    int (*load)(void *arg, const struct hark_hash *space, uint64_t from, size_t max_bytes,
                struct hark_buf *out, unsigned *batches, struct hark_err *err);
    /* Hands over unpacked batches to be verified and stored, in order, elsewhere
     * (takes ownership: sets *load empty). The outcome comes by
     * hark_core_appended with the same token. HARK_E_BUSY: not now. */
    int (*append)(void *arg, const struct hark_hash *space, const struct hark_key *peer,
                  struct hark_buf *load, unsigned batches, uint64_t token, struct hark_err *err);
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

/* A peer that we connect to and follow spaces from (count 0: none). Again with
 * another list replaces it. Errors: limit, no-memory. */
HARK_CHECK int hark_core_follow(struct hark_core *core, const struct hark_key *peer,
                                const struct hark_hash *spaces, size_t count, struct hark_err *err);
void hark_core_forget(struct hark_core *core, const struct hark_key *peer);

/* A message came from a peer over the connection `via` (frames as received,
 * hostile until checked; count may be larger than what is read of frames: at most
 * three are looked at). */
void hark_core_message(struct hark_core *core, const struct hark_key *peer, uint64_t via,
                       const struct hark_span *frames, size_t count);
/* append's outcome: 0, or the code of what was wrong with the batches, with its
 * message. */
void hark_core_appended(struct hark_core *core, uint64_t token, int code, const char *message);
/* Our own log of a space has grown (by writing, or by append): followers that
 * wait get news. */
void hark_core_grown(struct hark_core *core, const struct hark_hash *space);
/* Asks all peers now, whatever the timers say. */
void hark_core_ask_now(struct hark_core *core);
/* Runs what is due; returns the milliseconds until the next thing is. */
uint64_t hark_core_tick(struct hark_core *core);

#endif
