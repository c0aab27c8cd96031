/*
 * What a node serves over HTTP, to anybody, where its configuration says so: the newest
 * checkpoint of each open space, and cosignatures of the logs that it witnesses.
 * PROTOCOL.md 7.10.
 *
 *     GET  /<space id>/checkpoint
 *     GET  /<space id>/tile/…            7.9
 *     POST /add-checkpoint
 *
 * One thread of its own answers everything. It opens the spaces that are asked about for
 * reading, for as long as it takes to answer: so it holds nothing that the writer erases.
 * Bounds: 64 connections, a request's body 128 KiB, 10 s without a byte, 10 s a body.
 */
#ifndef HARK_NODE_HTTP_H
#define HARK_NODE_HTTP_H

#include "node/node.h"

#define HARK_HTTP_BODY_MAX        (128u * 1024u)
#define HARK_HTTP_CONNECTIONS_MAX 64u
#define HARK_HTTP_TIMEOUT_S       10u

struct hark_http;

/* Listens where the configuration says, and starts the thread; *out NULL: it does not say.
 * bound receives the address in fact, "http://<address>:<port>" (HARK_ADDRESS_MAX + 1 bytes;
 * empty when it does not listen). The node outlives it. Errors: io (the address is in use),
 * config, no-memory. */
HARK_CHECK int hark_http_start(struct hark_http **out, const struct hark_node *node, char *bound,
                               struct hark_err *err);
void hark_http_stop(struct hark_http *http); /* joins the thread and frees; NULL is fine */

/* --- what a path means (http_route.c) -------------------------------------------------- */

enum hark_http_what { HARK_HTTP_NOTHING, HARK_HTTP_CHECKPOINT, HARK_HTTP_TILE, HARK_HTTP_ADD };
struct hark_http_route {
    enum hark_http_what what;
    struct hark_hash space; /* CHECKPOINT, TILE */
    const char *tile;       /* TILE: "tile/…", borrowed; there may be none of that name */
};
/* Exactly the paths above: no dots, nothing doubled or left out. */
struct hark_http_route hark_http_route(const char *path);

#endif
