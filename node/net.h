/*
 * A node's side of the network: one thread that runs the edge's loop and the
 * replication core, with readers of its own for the spaces it serves. The thread
 * that owns the node (the writer) and this one meet only in bounded queues and in
 * one table under a lock.
 */
#ifndef HARK_NODE_NET_H
#define HARK_NODE_NET_H

#include "node/node.h"
#include "replication/core.h"

struct hark_net;

/* What the network hands to the writer. */
enum hark_net_event_type {
    HARK_NET_APPEND, /* batches to verify and store: answer with hark_net_appended */
    HARK_NET_SYNCED, /* a follower's report */
};
struct hark_net_event {
    enum hark_net_event_type type;
    struct hark_hash space;
    struct hark_key peer;
    uint64_t token;
    struct hark_buf load; /* APPEND: owned by the receiver */
    unsigned batches;
    struct hark_sync_report report;
};

/* A peer as `status` shows it. */
struct hark_net_peer {
    struct hark_key curve;
    enum hark_peer_state state;
    int code;
    char message[200];
    size_t report_count; /* of followed spaces */
    struct hark_sync_report reports[HARK_TICKET_SPACES_MAX];
};

/* Starts the thread. Listens where the configuration says (bound receives the
 * address in fact, HARK_ADDRESS_MAX + 1 bytes; empty when it does not listen);
 * connects to the configured peers. The node outlives it. */
HARK_CHECK int hark_net_start(struct hark_net **out, struct hark_node *node, bool listen,
                              char *bound, struct hark_err *err);
void hark_net_stop(struct hark_net *net); /* joins the thread and frees; NULL is fine */

/* For poll(): readable while events wait. */
int hark_net_fd(const struct hark_net *net);
/* Takes the next event; false when there is none. */
bool hark_net_next(struct hark_net *net, struct hark_net_event *event);
void hark_net_appended(struct hark_net *net, uint64_t token, int code, const char *message);
/* Logs, nodes or peers may have changed: who may come in, who may have what, whom
 * to follow and how far our logs are is told anew from the node. Writer's thread. */
HARK_CHECK int hark_net_update(struct hark_net *net, struct hark_node *node, struct hark_err *err);
void hark_net_ask_now(struct hark_net *net);
/* How many (peer, space) pairs are followed, and how many have reported since the
 * last ask_now: being equal, or not going on (code, or behind). */
void hark_net_progress(struct hark_net *net, size_t *followed, size_t *equal, size_t *failed);
/* Copies up to max peers; returns how many there are. */
size_t hark_net_peers(struct hark_net *net, struct hark_net_peer *out, size_t max);

/* The writer's part of an event: verifies and stores an APPEND's batches over the
 * node's spaces (making a space that is followed and not here yet), answers it,
 * and frees the event. Returns 0 also when the batches were refused. */
HARK_CHECK int hark_net_handle(struct hark_net *net, struct hark_node *node,
                               struct hark_net_event *event, struct hark_err *err);

#endif
