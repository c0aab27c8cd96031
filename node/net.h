/*
 * A node's side of the network: one thread that runs the edge's loop and the
 * replication core, with readers of its own for the spaces it serves. The thread
 * that owns the node (the writer) and this one meet only in bounded queues and in
 * tables under a lock.
 *
 *     net.c        starting and stopping, what crosses between the threads
 *     net_core.c   the network thread: the core's and the edge's functions
 *     net_plan.c   the writer's: who may come in, whom to follow, what to hand in
 *     net_write.c  the writer's: what came from the network
 *     net_witness.c  the writer's: cosigned checkpoints
 *     net_evidence.c  both: files of evidence
 *     net_receipts.c  the writer's: receipts that are asked for
 */
#ifndef HARK_NODE_NET_H
#define HARK_NODE_NET_H

#include "node/node.h"
#include "replication/core.h"

struct hark_net;

/* What the network hands to the writer. */
enum hark_net_event_type {
    HARK_NET_APPEND,   /* batches to verify and store */
    HARK_NET_SYNCED,   /* a follower's report */
    HARK_NET_SUBMIT,   /* entries handed in here: `load` is the body of a submit */
    HARK_NET_ACCEPTED, /* what became of entries that we handed in */
    HARK_NET_JOIN,     /* a sealed request to join, in `load` */
    HARK_NET_COSIGN,   /* cosigned checkpoints: `load` is the body of a `cosign` */
    HARK_NET_EVIDENCE, /* files of evidence: `load` is the body of an `evidence` */
    HARK_NET_REFUSED,  /* a person's key is not let in at `peer`: nothing but an update is due */
    HARK_NET_ANSWERED, /* the answer to hark_net_request: its body in `load`, or `code` */
};
struct hark_net_event {
    enum hark_net_event_type type;
    struct hark_log_ref log; /* .space in all of them */
    struct hark_key peer;
    uint64_t token;
    struct hark_buf load; /* owned by the receiver */
    unsigned batches;     /* APPEND */
    struct hark_sync_report report;
    struct hark_accepted *accepted; /* ACCEPTED: owned (free()); count may be 0 with a code */
    size_t accepted_count;
    uint8_t answer; /* ANSWERED: HARK_MESSAGE_SHOWN, _JOINED or _RECEIPTS */
    int code;
};

/* A peer as `status` shows it: for each space its main log. */
struct hark_net_peer {
    struct hark_key curve;
    enum hark_peer_state state;
    int code;
    char message[200];
    size_t report_count;
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

/* The writer's part of an event: does what it asks for over the node's spaces (making
 * a space that is followed and not here yet), answers it, and frees it. Returns 0 also
 * when what came was refused. hark_net_update and then
 * hark_net_witness are due after one or more of these. An
 * ANSWERED is the caller's: it is only freed. */
HARK_CHECK int hark_net_handle(struct hark_net *net, struct hark_node *node,
                               struct hark_net_event *event, struct hark_err *err);
void hark_net_event_free(struct hark_net_event *event);
/* Logs, nodes or peers may have changed. Home: takes over what waits in intakes. Then
 * the network is told anew who may come in, who may have what, whom to follow, what is
 * to be handed in and how far our logs are. *next_ms (may be NULL): when to call again
 * although nothing happened (milliseconds since 1970; 0: no need). Writer's thread. */
HARK_CHECK int hark_net_update(struct hark_net *net, struct hark_node *node, uint64_t *next_ms,
                               struct hark_err *err);
/* Then, since logs may have grown: cosigns what this node is to cosign, dates the logs whose
 * home it is (PROTOCOL.md 7.8), looks into what may convict somebody, and hands the network
 * what it shows of cosignatures and evidence; in each space, and gives the first error after
 * that. *next_ms (may be NULL) is brought forward to when that is due again although nothing
 * happens, as of hark_net_update. Writer's thread. */
HARK_CHECK int hark_net_witness(struct hark_net *net, struct hark_node *node, uint64_t *next_ms,
                                struct hark_err *err);
/* Files of a space were replaced or rid of payloads: the network's readers open theirs
 * anew, so that nothing erased stays on the disk. */
void hark_net_reopen(struct hark_net *net);
void hark_net_ask_now(struct hark_net *net);
/* Of the logs that are followed at peers that we connect to: */
struct hark_net_progress {
    size_t followed;
    size_t level;  /* nothing is to be had there, as of the last ask_now */
    size_t failed; /* they do not go on: a code */
    size_t away;   /* at peers that are not live */
    size_t unsent; /* spaces with entries that were not handed in since */
    bool proving;  /* somebody tells of a later home, and is asked for the proof */
    bool planning; /* the network has not yet heard whom to follow: nothing above counts */
};
void hark_net_progress(struct hark_net *net, struct hark_net_progress *out);
/* Copies up to max peers; returns how many there are. */
size_t hark_net_peers(struct hark_net *net, struct hark_net_peer *out, size_t max);

/* One question of type HARK_MESSAGE_TERMS or _JOIN to a peer (body: copied), answered by
 * an event HARK_NET_ANSWERED, whatever happens. peer: as hark_edge_link names it. */
HARK_CHECK int hark_net_request(struct hark_net *net, const struct hark_key *peer, uint8_t type,
                                struct hark_span body, uint64_t patience_ms, struct hark_err *err);
/* Connects to a node besides the configured ones, with a key pair that is not this
 * node's (a ticket's): own is taken over. *peer receives the connection's name. */
HARK_CHECK int hark_net_connect(struct hark_net *net, const struct hark_key *curve,
                                struct hark_box *own, const char *address, struct hark_key *peer,
                                struct hark_err *err);
/* Ends such a connection, and what is being asked over it. */
void hark_net_disconnect(struct hark_net *net, const struct hark_key *peer);

/* Has each space in which this node and others are named been compared with one of them
 * since start, and at first, where the node was put back, with all (PROTOCOL.md 7.6)? Until
 * then hark_space_hold keeps it from signing. */
bool hark_net_compared(struct hark_net *net, struct hark_node *node);
/* Is it early enough after the start to wait for that? */
bool hark_net_waits(const struct hark_net *net);

/* Was a later home of the space shown that goes on from before what is settled? */
bool hark_net_unsettling(struct hark_net *net, const struct hark_hash *space);

#endif
