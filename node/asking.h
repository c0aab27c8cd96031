/*
 * As a log: asking the witnesses that the configuration names to cosign, over HTTP (C2SP
 * tlog-witness), the newest checkpoint of each space whose home this node is. PROTOCOL.md
 * 7.10.
 *
 * A thread of its own asks, and waits for answers, at most one round a second; a witness
 * that fails is asked again after 2 s and then twice as long each time, 5 min at most. What
 * they sign is verified there, and kept by the writer.
 */
#ifndef HARK_NODE_ASKING_H
#define HARK_NODE_ASKING_H

#include "node/node.h"

struct hark_asking;

/* Starts the thread; *out NULL: the configuration names no witness. The node outlives it. */
HARK_CHECK int hark_asking_start(struct hark_asking **out, const struct hark_node *node,
                                 struct hark_err *err);
/* Joins the thread, within a second or so, and frees. NULL is fine here and below. */
void hark_asking_stop(struct hark_asking *asking);

/* --- the writer's ---------------------------------------------------------------------- */

/* Sees which logs of this home's have grown, and has them asked about. Cheap when none has. */
void hark_asking_look(struct hark_asking *asking, const struct hark_node *node);
/* For poll(): readable while answers wait; -1: there are never any. */
int hark_asking_fd(const struct hark_asking *asking);
/* Keeps what was answered, among the space's cosigned notes: all of it, and gives the first
 * error. */
HARK_CHECK int hark_asking_keep(struct hark_asking *asking, struct hark_node *node,
                                struct hark_err *err);

#endif
