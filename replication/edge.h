/*
 * The edge: the only file that knows ZeroMQ. A ROUTER that listens, a DEALER for
 * each peer that we connect to, CURVE on all of them, ZAP deciding who gets in;
 * one loop in the caller's thread, which other threads may wake. PROTOCOL.md 9.1.
 *
 * Everything is bounded:
 *
 *     a frame                     16 MiB and CURVE's own (ZMQ_MAXMSGSIZE); who sends more is
 *                                 disconnected
 *     what goes to a peer         16 messages (ZMQ_SNDHWM), and 24 MiB unread, or one
 *                                 message: a slow peer loses messages rather than holding us up
 *     what comes from a peer      32 MiB a connection that are not taken yet, 96 MiB in all
 *                                 (edge_guard.h); who sends faster is disconnected, and what is
 *                                 left of a connection that is gone is thrown away
 *     a peer's connections to us  4; the one least recently used is ended
 *     connections                 4,096, of which 256 of whom nothing was heard yet
 *     a handshake                 30 s (ZMQ_HANDSHAKE_IVL)
 *     a peer that is gone         heartbeats every 10 s, for 30 s (ZMQ_HEARTBEAT_IVL,
 *                                 _TIMEOUT, _TTL); one that drips a message in bytes cannot
 *                                 answer them either
 *     connecting                  10 s an attempt, attempts 200 ms apart and then, doubling,
 *                                 up to 10 s (ZMQ_CONNECT_TIMEOUT, ZMQ_RECONNECT_IVL, _MAX)
 *
 * All functions belong to the loop's thread, except hark_edge_wake and
 * hark_edge_stop; before hark_edge_run any one thread may prepare the edge.
 */
#ifndef HARK_REPLICATION_EDGE_H
#define HARK_REPLICATION_EDGE_H

#include "crypto/key.h"
#include "replication/message.h"

struct hark_edge;

struct hark_edge_handlers {
    void *arg;
    /* ZAP: may this CURVE key connect? And, at most once a second: may it still?
     * Called on another thread than the loop's, and on the loop's (by hark_edge_send
     * also: hold no lock of its then); must only look at what is locked or constant. */
    bool (*allow)(void *arg, const struct hark_key *curve);
    /* A message from a peer (by its authenticated CURVE key) over the connection
     * `via`. Of a message of more than three frames only the first three are at
     * hand and count is 4; it is nothing that hark_message_decode accepts, but
     * counts against the peer. Where the connection was ended since too much came over
     * it, those three are empty. */
    void (*message)(void *arg, const struct hark_key *peer, uint64_t via,
                    const struct hark_span *frames, size_t count);
    /* hark_edge_wake was called (once or more). May be NULL. */
    void (*woken)(void *arg);
    /* The connection that we opened to this peer has broken: what is not here yet of the
     * answers to what was sent over it does not come any more. May be NULL. */
    void (*lost)(void *arg, const struct hark_key *peer);
    /* The key that we show over the connection that we opened to this peer is not let in
     * there (now: it may be later). Anybody in between can make that up. May be NULL. */
    void (*refused)(void *arg, const struct hark_key *peer);
    /* Over the connection that we opened to this peer something was not sent, since it
     * was not there yet or its queue was full: now it would be. May be NULL. */
    void (*writable)(void *arg, const struct hark_key *peer);
    /* Runs what is due; gives milliseconds until it wants to be called again.
     * Called after every round of messages and wakings, and once at the start. */
    uint64_t (*tick)(void *arg);
};

/* curve: this node's key pair, borrowed until hark_edge_free. handlers: copied;
 * allow, message and tick must be there. Errors: no-memory, io, unsupported
 * (libzmq without CURVE). */
HARK_CHECK int hark_edge_new(struct hark_edge **out, const struct hark_box *curve,
                             const struct hark_edge_handlers *handlers, struct hark_err *err);
void hark_edge_free(struct hark_edge *edge);
/* Listens on tcp://host:port (port 0 or *: any free one); bound receives the
 * address in fact (HARK_ADDRESS_MAX + 1 bytes; NULL: not wanted). May be called for
 * several addresses. Errors: io, config. */
HARK_CHECK int hark_edge_listen(struct hark_edge *edge, const char *address, char *bound,
                                struct hark_err *err);
/* Connects to a peer whose CURVE key must be `curve`, and goes on trying for good. own:
 * the key pair with which we show ourselves there (borrowed while connected; NULL: the
 * node's). `peer` is what the connection is called everywhere else: hark_edge_link's
 * name for these two keys (the peer's CURVE key itself where own is NULL). Again for
 * the same `peer` replaces the address. Errors: config (address), limit, no-memory, io. */
HARK_CHECK int hark_edge_connect(struct hark_edge *edge, const struct hark_key *peer,
                                 const struct hark_key *curve, const struct hark_box *own,
                                 const char *address, struct hark_err *err);
/* The name of a connection to `curve` with the key pair `own`: SHA-256 of
 * "hark/link/1\n" ‖ curve ‖ own's public key; `curve` itself where own is NULL. */
struct hark_key hark_edge_link(const struct hark_key *curve, const struct hark_box *own);
void hark_edge_disconnect(struct hark_edge *edge, const struct hark_key *peer);
/* Ends the connections that this peer opened: for one who was let in and is not any
 * more. (Who `allow` says no to is found out without this: by its next message after a
 * second, or within ten.) It does not touch a connection that we opened. */
void hark_edge_drop(struct hark_edge *edge, const struct hark_key *peer);
/* Never blocks. HARK_E_BUSY: its queue is full, or too much that was sent to it is
 * unread; peer-unreachable: no connection, or it may not be here any more (or, over
 * the one that we opened, a full queue: ZeroMQ does not tell them apart there). */
HARK_CHECK int hark_edge_send(struct hark_edge *edge, const struct hark_key *peer, uint64_t via,
                              const struct hark_message *message, struct hark_err *err);
/* From any thread: `woken` is called in the loop soon. */
void hark_edge_wake(struct hark_edge *edge);
/* From any thread, or from a handler: ends hark_edge_run. */
void hark_edge_stop(struct hark_edge *edge);
/* The loop; returns 0 after hark_edge_stop. */
HARK_CHECK int hark_edge_run(struct hark_edge *edge, struct hark_err *err);

#endif
