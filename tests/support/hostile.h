/*
 * What the parts of the test peer share: a node's keys out of its directory, a
 * connection by plain libzmq, messages in and out. Whatever fails that is not the
 * other side's doing ends the program.
 */
#ifndef HARK_TESTS_SUPPORT_HOSTILE_H
#define HARK_TESTS_SUPPORT_HOSTILE_H

#include "node/node.h"
#include "replication/messages.h"

#define HOSTILE_ID     4242u /* of every question */
#define HOSTILE_WAIT   3000  /* ms, for what must come */
#define HOSTILE_SHORT  400   /* ms, for what must not */
#define HOSTILE_FRAMES 4u

void hostile_require(bool fine, const char *what);
struct hark_buf hostile_buf(void);
struct hark_node *hostile_node(const char *dir); /* for reading; lives on */
struct hark_hash hostile_hash(const char *hex);
uint64_t hostile_ms(void);
void hostile_pause(unsigned ms);

/* A DEALER at a node's ROUTER. */
struct hostile {
    void *context, *socket, *monitor;
};
/* as NULL: with a key that nobody knows. */
struct hostile hostile_connect(const char *address, const struct hark_key *server,
                               const struct hark_box *as, int rcvhwm);
void hostile_close(struct hostile *h);
/* Waits until the handshake is over: 1 it succeeded, -1 it was refused, 0 neither. */
int hostile_handshake(struct hostile *h, int ms);
/* Did the connection end within this time? */
bool hostile_ended(struct hostile *h, int ms);

void hostile_send(struct hostile *h, const struct hark_span *frames, size_t count);
void hostile_say(struct hostile *h, uint8_t type, struct hark_span body);
/* A message, as its frames; the number of them, 0 when none came in time. */
struct hostile_answer {
    size_t count;
    struct hark_buf frames[HOSTILE_FRAMES];
};
size_t hostile_hear(struct hostile *h, struct hostile_answer *out, int ms);
/* The next one with our id, or an error without one; others are passed over. */
size_t hostile_hear_answer(struct hostile *h, struct hostile_answer *out, int ms);
void hostile_answer_free(struct hostile_answer *answer);

/* Says hello and waits for the answer. */
bool hostile_hello(struct hostile *h, int ms);
/* Where the node's main log of the space stands. */
struct hark_cursor hostile_cursor(struct hostile *h, const struct hark_hash *space);

int hostile_evidence(int argc, char **argv);
int hostile_record(int argc, char **argv);
int hostile_serve(int argc, char **argv);

#endif
