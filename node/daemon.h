/*
 * The daemon: one thread owns the node (the writer) and serves the local socket,
 * the network's events and what is due; the network has its own thread (net.h).
 */
#ifndef HARK_NODE_DAEMON_H
#define HARK_NODE_DAEMON_H

#include "node/node.h"

struct hark_daemon_options {
    /* Called once everything listens: the addresses in fact, of the network and of HTTP
     * (empty where it does not listen). May be NULL. */
    void (*ready)(void *arg, const char *bound, const char *http);
    void *arg;
};

/* Runs until SIGTERM or SIGINT, then leaves everything durable and in order.
 * Blocks those signals in the calling thread. */
HARK_CHECK int hark_daemon_run(struct hark_node *node, const struct hark_daemon_options *options,
                               struct hark_err *err);

#endif
