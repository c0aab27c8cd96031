/*
 * What connections may cost. libzmq keeps a message of many frames until its last
 * one has come, however many there are, and neither ZMQ_MAXMSGSIZE nor a high-water
 * mark counts them; whoever it has not let in yet may make it keep a frame, too; and
 * the edge does without a high-water mark for what comes (edge.c says why). So the
 * guard looks at the connections themselves: it compares the bytes that TCP has
 * received on each (TCP_INFO) with what was taken of it here, and ends (by shutdown())
 * those on which too much is under way; in the same way it knows how much of what we
 * sent still lies here because nobody reads. PROTOCOL.md 9.6.
 *
 * It knows file descriptors and nothing of ZeroMQ. A descriptor that has gone to
 * another socket since is told by its peer's address and left alone.
 *
 * One thread at a time.
 */
#ifndef HARK_REPLICATION_EDGE_GUARD_H
#define HARK_REPLICATION_EDGE_GUARD_H

#include "crypto/key.h"

#define HARK_GUARD_CONNECTIONS_MAX 4096u
/* Connections over which nothing has come yet: handshakes under way, mostly. The
 * oldest goes when there is one more. */
#define HARK_GUARD_STRANGERS_MAX 256u
/* Bytes received and not taken yet, as they were on the wire: the largest message is
 * of 17 MiB. What libzmq keeps for them is up to three times as much when the frames
 * are tiny. */
#define HARK_GUARD_ONE_MAX       (32u * 1024u * 1024u) /* on one connection */
#define HARK_GUARD_STRANGERS_SUM (32u * 1024u * 1024u) /* on all strangers' */
#define HARK_GUARD_ALL_SUM       (96u * 1024u * 1024u) /* on all: then who has most goes */
/* Sent to one peer and not acknowledged: then nothing more, until less is. */
#define HARK_GUARD_UNREAD_MAX (24u * 1024u * 1024u)
/* How often hark_guard_check wants to be called while there are connections. */
#define HARK_GUARD_EVERY_MS 200u

struct hark_guard;

/* Does this system say what a connection has received? If not, only the numbers of
 * connections are bounded. */
bool hark_guard_can_measure(void);

/* Called by hark_guard_check for each connection that it ended. whose: NULL for a
 * stranger's; ours: we had opened it. */
typedef void hark_guard_ended_fn(void *arg, int fd, const struct hark_key *whose, bool ours);

/* Error: no-memory. */
HARK_CHECK int hark_guard_new(struct hark_guard **out, struct hark_err *err);
void hark_guard_free(struct hark_guard *guard);

/* There is a connection. whose: of one that we opened, to whom; else NULL. One too
 * many is ended here.
 *
 * Each socket of libzmq's tells of its own connections in their order; what two of them
 * tell may come here in any. So a descriptor that is told to be opened may be another's
 * by now, who has told so already: then nothing happens. */
void hark_guard_opened(struct hark_guard *guard, int fd, const struct hark_key *whose,
                       uint64_t now_ms);
/* It is gone; whose: as it was opened. A descriptor that has gone to somebody else's
 * connection stays. */
void hark_guard_closed(struct hark_guard *guard, int fd, const struct hark_key *whose);
/* Is it there, and for all we know this peer's? What libzmq still has of one that is
 * gone nobody waits for an answer to. */
bool hark_guard_has(const struct hark_guard *guard, int fd, const struct hark_key *whose);
/* So many bytes that came over it, as they were on the wire, lie here no more. */
void hark_guard_took(struct hark_guard *guard, int fd, size_t size);
/* A whole message has come over it, from this peer. */
void hark_guard_heard(struct hark_guard *guard, int fd, const struct hark_key *whose);
/* Ends it, if it is this peer's and one that it opened. */
void hark_guard_end(struct hark_guard *guard, int fd, const struct hark_key *whose);
/* Ends all that this peer opened. */
void hark_guard_end_all(struct hark_guard *guard, const struct hark_key *whose);

/* May a message of `size` bytes be sent over it, or does too much lie there unread?
 * Always, when nothing does. */
bool hark_guard_may_send(struct hark_guard *guard, int fd, size_t size);
void hark_guard_sent(struct hark_guard *guard, int fd, size_t size);

/* Ends what is over its limit. */
void hark_guard_check(struct hark_guard *guard, uint64_t now_ms, hark_guard_ended_fn *ended,
                      void *arg);
size_t hark_guard_count(const struct hark_guard *guard);

#endif
