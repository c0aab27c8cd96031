/*
 * A peer that does what no node would: for tests/e2e. It speaks by plain libzmq
 * with the messages' own encoders, and says on standard output what it saw.
 *
 *     hostile knock  SERVER AS ADDRESS [OTHER]      connects, says hello: what comes of it?
 *     hostile say    SERVER AS ADDRESS SPACE CASE   one wrong message, and a hello after it
 *     hostile alike  SERVER AS ADDRESS SPACE SPACE [QUESTION]  are two spaces answered
 *                                                   alike?
 *     hostile unread SERVER AS ADDRESS SPACE S      asks for S seconds and never reads
 *     hostile flood  SERVER AS ADDRESS SPACE S      asks as fast as it can
 *     hostile endless SERVER AS ADDRESS SPACE S     one message of more and more frames
 *     hostile evidence SERVER AS ADDRESS SPACE N    shows N files of evidence that hold
 *     hostile record SERVER AS ADDRESS SPACE FILE   copies a log
 *     hostile serve  SERVER ADDRESS SPACE FILE WHAT [HEARD]
 *                                                   serves it as that node, altered as the
 *                                                   file WHAT says at the time; all that it
 *                                                   is told comes into the file HEARD
 *
 * SERVER and AS are nodes' directories, for their keys (AS -: a new key; OTHER: the
 * directory of the node that is expected in SERVER's place).
 */
#include "tests/support/hostile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

/* ---- what is shared ---- */

void hostile_require(bool fine, const char *what)
{
    if (!fine) {
        (void)fprintf(stderr, "hostile: %s\n", what);
        exit(99);
    }
}

struct hark_buf hostile_buf(void)
{
    return hark_buf_init(256u * 1024u * 1024u);
}

struct hark_node *hostile_node(const char *dir)
{
    struct hark_node *node = NULL;
    struct hark_err err = {0};
    int rc = hark_node_open(&node, dir, false, &err);
    hostile_require(rc == 0, err.message);
    return node;
}

struct hark_hash hostile_hash(const char *hex)
{
    struct hark_hash hash;
    hostile_require(hark_hash_from_hex(&hash, hark_span_str(hex), NULL) == 0, "no space id");
    return hash;
}

uint64_t hostile_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void hostile_pause(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void set_int(void *socket, int option, int value)
{
    hostile_require(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0, "an option");
}

static void set_key(void *socket, int option, const uint8_t *key)
{
    hostile_require(zmq_setsockopt(socket, option, key, HARK_KEY_SIZE) == 0, "a key");
}

struct hostile hostile_connect(const char *address, const struct hark_key *server,
                               const struct hark_box *as, int rcvhwm)
{
    struct hostile h = {.context = zmq_ctx_new()};
    struct hark_seed *seed = NULL;
    struct hark_box *own = NULL;
    h.socket = zmq_socket(h.context, ZMQ_DEALER);
    h.monitor = zmq_socket(h.context, ZMQ_PAIR);
    hostile_require(h.socket != NULL && h.monitor != NULL, "no sockets");
    if (as == NULL) {
        hostile_require(hark_seed_new(&seed, NULL) == 0 && hark_box_new(&own, seed, NULL) == 0,
                        "no key");
        as = own;
    }
    set_int(h.socket, ZMQ_LINGER, 0);
    set_int(h.monitor, ZMQ_LINGER, 0);
    set_int(h.socket, ZMQ_SNDTIMEO, HOSTILE_WAIT);
    set_int(h.socket, ZMQ_RCVHWM, rcvhwm);
    set_int(h.socket, ZMQ_SNDHWM, 0);
    set_int(h.socket, ZMQ_RECONNECT_IVL, 200);
    set_key(h.socket, ZMQ_CURVE_SERVERKEY, server->bytes);
    set_key(h.socket, ZMQ_CURVE_PUBLICKEY, hark_box_key(as)->bytes);
    set_key(h.socket, ZMQ_CURVE_SECRETKEY, hark_box_secret(as));
    hostile_require(zmq_socket_monitor(h.socket, "inproc://events", ZMQ_EVENT_ALL) == 0 &&
                        zmq_connect(h.monitor, "inproc://events") == 0 &&
                        zmq_connect(h.socket, address) == 0,
                    "cannot connect");
    hark_box_free(own);
    hark_seed_free(seed);
    return h;
}

void hostile_close(struct hostile *h)
{
    (void)zmq_socket_monitor(h->socket, NULL, 0);
    (void)zmq_close(h->monitor);
    (void)zmq_close(h->socket);
    (void)zmq_ctx_term(h->context);
}

/* The next event of the connection; 0 when none comes in time. */
static unsigned next_event(struct hostile *h, int ms)
{
    uint8_t data[6 + 1], address[256];
    uint16_t event = 0;
    set_int(h->monitor, ZMQ_RCVTIMEO, ms);
    if (zmq_recv(h->monitor, data, sizeof(data), 0) < 6) {
        return 0;
    }
    (void)zmq_recv(h->monitor, address, sizeof(address), 0);
    memcpy(&event, data, sizeof(event));
    return event;
}

int hostile_handshake(struct hostile *h, int ms)
{
    for (uint64_t until = hostile_ms() + (uint64_t)ms; hostile_ms() < until;) {
        switch (next_event(h, 50)) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return 1;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return -1;
        default:
            break;
        }
    }
    return 0;
}

bool hostile_ended(struct hostile *h, int ms)
{
    for (uint64_t until = hostile_ms() + (uint64_t)ms; hostile_ms() < until;) {
        if (next_event(h, 50) == ZMQ_EVENT_DISCONNECTED) {
            return true;
        }
    }
    return false;
}

static bool send_frames(struct hostile *h, const struct hark_span *frames, size_t count)
{
    bool sent = true;
    for (size_t i = 0; i < count && sent; i++) {
        int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
        sent = zmq_send(h->socket, frames[i].data, frames[i].size, flags) >= 0;
    }
    return sent;
}

void hostile_send(struct hostile *h, const struct hark_span *frames, size_t count)
{
    hostile_require(send_frames(h, frames, count), "cannot send");
}

void hostile_say(struct hostile *h, uint8_t type, struct hark_span body)
{
    uint8_t header[HARK_HEADER_SIZE];
    struct hark_span frames[] = {hark_span(header, sizeof(header)), body};
    hark_message_header(header, type, HOSTILE_ID);
    hostile_send(h, frames, 2);
}

void hostile_answer_free(struct hostile_answer *answer)
{
    for (size_t i = 0; i < HOSTILE_FRAMES; i++) {
        hark_buf_free(&answer->frames[i]);
    }
    answer->count = 0;
}

size_t hostile_hear(struct hostile *h, struct hostile_answer *out, int ms)
{
    int more = 1;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < HOSTILE_FRAMES; i++) {
        out->frames[i] = hostile_buf();
    }
    set_int(h->socket, ZMQ_RCVTIMEO, ms);
    while (more) {
        zmq_msg_t frame;
        (void)zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, h->socket, 0) < 0) {
            break;
        }
        more = zmq_msg_more(&frame);
        if (out->count < HOSTILE_FRAMES) {
            int rc = hark_buf_append(&out->frames[out->count++], zmq_msg_data(&frame),
                                     zmq_msg_size(&frame), NULL);
            hostile_require(rc == 0, "no memory");
        }
        (void)zmq_msg_close(&frame);
    }
    return out->count;
}

size_t hostile_hear_answer(struct hostile *h, struct hostile_answer *out, int ms)
{
    for (uint64_t until = hostile_ms() + (uint64_t)ms; hostile_ms() < until;) {
        if (hostile_hear(h, out, 50) > 0 && out->frames[0].size == HARK_HEADER_SIZE) {
            uint64_t id = hark_get_u64(out->frames[0].data + 8);
            uint8_t type = out->frames[0].data[5];
            if (id == HOSTILE_ID || (id == 0 && type == HARK_MESSAGE_ERROR)) {
                return out->count;
            }
        }
        hostile_answer_free(out);
    }
    return 0;
}

bool hostile_hello(struct hostile *h, int ms)
{
    struct hark_hello hello = {.lowest = 1, .highest = 1, .name = "hostile", .software = "test"};
    struct hostile_answer answer;
    struct hark_buf body = hostile_buf();
    uint8_t header[HARK_HEADER_SIZE];
    static uint64_t id = 0; /* none is answered twice, whichever process it comes from */
    bool heard = false;
    id = id != 0 ? id : (hostile_ms() << 16) + (uint64_t)getpid();
    hostile_require(hark_hello_encode(&body, &hello, NULL) == 0, "no hello");
    hark_message_header(header, HARK_MESSAGE_HELLO, ++id);
    struct hark_span frames[] = {hark_span(header, sizeof(header)), hark_buf_span(&body)};
    /* A connection that was refused is given up by libzmq: nothing can be sent. */
    bool sent = send_frames(h, frames, 2);
    for (uint64_t until = hostile_ms() + (uint64_t)ms; sent && !heard && hostile_ms() < until;) {
        heard = hostile_hear(h, &answer, 50) > 0 && answer.frames[0].size == HARK_HEADER_SIZE &&
                answer.frames[0].data[5] == HARK_MESSAGE_HELLO &&
                hark_get_u64(answer.frames[0].data + 8) == id;
        hostile_answer_free(&answer);
    }
    hark_buf_free(&body);
    return heard;
}

static struct hark_buf ask_body(const struct hark_cursor *cursor)
{
    struct hark_buf body = hostile_buf();
    hostile_require(hark_ask_encode(&body, cursor, 1, NULL) == 0, "no ask");
    return body;
}

struct hark_cursor hostile_cursor(struct hostile *h, const struct hark_hash *space)
{
    struct hark_log_ref log = {.space = *space};
    struct hark_cursor cursor;
    struct hostile_answer answer;
    struct hark_told *told = NULL;
    size_t count = 0;
    hark_cursor_empty(&cursor, &log);
    struct hark_buf body = ask_body(&cursor);
    hostile_say(h, HARK_MESSAGE_ASK, hark_buf_span(&body));
    hostile_require(hostile_hear_answer(h, &answer, HOSTILE_WAIT) == 2 &&
                        hark_tell_decode(&told, &count, hark_buf_span(&answer.frames[1]), NULL) ==
                            0 &&
                        count == 1 && told[0].status == HARK_TELL_MORE,
                    "it does not tell of the space");
    cursor = told[0].cursor;
    free(told);
    hostile_answer_free(&answer);
    hark_buf_free(&body);
    return cursor;
}

/* ---- who is at the door ---- */

struct parties {
    struct hark_node *server, *as;
    struct hostile h;
};

static struct parties meet(char **argv, const char *expected, int rcvhwm)
{
    struct parties p = {.server = hostile_node(expected != NULL ? expected : argv[0])};
    p.as = strcmp(argv[1], "-") == 0 ? NULL : hostile_node(argv[1]);
    p.h = hostile_connect(argv[2], hark_box_key(p.server->identity.curve),
                          p.as != NULL ? p.as->identity.curve : NULL, rcvhwm);
    return p;
}

static void part(struct parties *p)
{
    hostile_close(&p->h);
    hark_node_free(p->server);
    hark_node_free(p->as);
}

static int knock(int argc, char **argv)
{
    struct parties p = meet(argv, argc > 3 ? argv[3] : NULL, 100);
    int shaken = hostile_handshake(&p.h, HOSTILE_WAIT);
    bool heard = hostile_hello(&p.h, shaken > 0 ? HOSTILE_WAIT : HOSTILE_SHORT);
    (void)printf("handshake %s, %s\n",
                 shaken > 0   ? "done"
                 : shaken < 0 ? "refused"
                              : "never done",
                 heard ? "hello answered" : "not one message");
    part(&p);
    return 0;
}

/* ---- one wrong message ---- */

static void describe(const struct hostile_answer *answer)
{
    uint8_t type = answer->frames[0].data[5];
    struct hark_span body = hark_buf_span(&answer->frames[1]);
    struct hark_error error;
    struct hark_told *told = NULL;
    size_t count = 0;
    if (type == HARK_MESSAGE_ERROR && hark_error_decode(&error, body, NULL) == 0) {
        (void)printf("%s", error.name);
    } else if (type == HARK_MESSAGE_TELL && hark_tell_decode(&told, &count, body, NULL) == 0) {
        (void)printf("tell %u", told[0].status);
    } else {
        (void)printf("type %u", type);
    }
    free(told);
}

/* A message of frames that are built as a case wants them. */
struct draft {
    size_t count;
    struct hark_buf frames[HOSTILE_FRAMES];
};

static void fill(struct hark_buf *frame, size_t size)
{
    hark_buf_clear(frame);
    hostile_require(hark_buf_reserve(frame, size, NULL) == 0, "no memory");
    memset(frame->data, 0x5a, size);
    frame->size = size;
}

static void draft_header(struct draft *d, uint8_t type)
{
    uint8_t header[HARK_HEADER_SIZE];
    hark_message_header(header, type, HOSTILE_ID);
    hark_buf_clear(&d->frames[0]);
    hostile_require(hark_buf_append(&d->frames[0], header, sizeof(header), NULL) == 0, "memory");
}

static void draft_ask(struct draft *d, const struct hark_cursor *cursor)
{
    draft_header(d, HARK_MESSAGE_ASK);
    hark_buf_clear(&d->frames[1]);
    hostile_require(hark_ask_encode(&d->frames[1], cursor, 1, NULL) == 0, "no ask");
    d->count = 2;
}

static void draft_fetch(struct draft *d, const struct hark_cursor *cursor)
{
    struct hark_fetch fetch = {.cursor = *cursor, .want = HARK_WANT_MIN};
    draft_header(d, HARK_MESSAGE_FETCH);
    hark_buf_clear(&d->frames[1]);
    hostile_require(hark_fetch_encode(&d->frames[1], &fetch, NULL) == 0, "no fetch");
    d->count = 2;
}

/* The form of a message. Its first byte of all is right but for the case. */
static bool draft_form(struct draft *d, const struct hark_cursor *at, const char *name)
{
    if (strcmp(name, "version") == 0) {
        d->frames[0].data[4] = 9;
    } else if (strcmp(name, "type") == 0) {
        d->frames[0].data[5] = 99;
    } else if (strcmp(name, "short-header") == 0) {
        d->frames[0].size = 8;
    } else if (strcmp(name, "one-frame") == 0) {
        d->count = 1;
    } else if (strcmp(name, "four-frames") == 0) {
        d->count = 4;
        fill(&d->frames[2], 10);
        fill(&d->frames[3], 10);
    } else if (strcmp(name, "cut-short") == 0) {
        d->frames[1].size -= 5;
    } else if (strcmp(name, "large-body") == 0) {
        fill(&d->frames[1], HARK_BODY_MAX + 1);
    } else if (strcmp(name, "no-evidence") == 0) {
        draft_header(d, HARK_MESSAGE_EVIDENCE);
        hark_buf_clear(&d->frames[1]);
        struct hark_span file = hark_span_str("hark-evidence 1\ntwin\n");
        hostile_require(hark_evidence_files_encode(&d->frames[1], &at->space, &file, 1, NULL) == 0,
                        "no evidence");
    } else if (strcmp(name, "large-load") == 0) {
        draft_header(d, HARK_MESSAGE_BATCHES);
        fill(&d->frames[2], HARK_LOAD_MAX + 1);
        d->count = 3;
    } else if (strcmp(name, "large-frame") == 0) {
        draft_header(d, HARK_MESSAGE_BATCHES);
        fill(&d->frames[2], HARK_LOAD_MAX + 1000);
        d->count = 3;
    } else {
        return false;
    }
    return true;
}

/* Answers that nobody asked for. */
static bool draft_unasked(struct draft *d, const struct hark_cursor *at, const char *name)
{
    struct hark_told told = {.status = HARK_TELL_MORE, .cursor = *at};
    static const uint8_t rest[8 + 8 + 1 + 1] = {0}; /* position, time, two empty texts */
    struct hark_batches batches = {.cursor = *at, .size = 10, .count = 1};
    hark_buf_clear(&d->frames[1]);
    int rc = -1;
    if (strcmp(name, "unasked-tell") == 0) {
        draft_header(d, HARK_MESSAGE_TELL);
        rc = hark_tell_encode(&d->frames[1], &told, 1, NULL);
    } else if (strcmp(name, "unasked-batches") == 0) {
        draft_header(d, HARK_MESSAGE_BATCHES);
        rc = hark_batches_encode(&d->frames[1], &batches, NULL);
        fill(&d->frames[2], 10);
        d->count = 3;
    } else if (strcmp(name, "unasked-accepted") == 0) {
        draft_header(d, HARK_MESSAGE_ACCEPTED);
        rc = hark_buf_append(&d->frames[1], at->space.bytes, HARK_HASH_SIZE, NULL);
        rc = rc != 0 ? rc : hark_buf_append_u16(&d->frames[1], 1, NULL);
        rc = rc != 0 ? rc : hark_buf_append(&d->frames[1], at->root.bytes, HARK_HASH_SIZE, NULL);
        rc = rc != 0 ? rc : hark_buf_append_u8(&d->frames[1], HARK_ACCEPTED_LOGGED, NULL);
        rc = rc != 0 ? rc : hark_buf_append(&d->frames[1], rest, sizeof(rest), NULL);
    }
    return rc == 0;
}

static bool draft_cursor(struct draft *d, struct hark_cursor *at, const char *name)
{
    if (strcmp(name, "incarnation") == 0) {
        at->origin[strlen(at->origin) - 1] = '2';
        draft_ask(d, at);
    } else if (strcmp(name, "root") == 0) {
        at->root.bytes[0] ^= 1;
        draft_ask(d, at);
    } else if (strcmp(name, "fetch-root") == 0) {
        at->root.bytes[0] ^= 1;
        at->size--;
        at->batches--;
        draft_fetch(d, at);
    } else if (strcmp(name, "plain") != 0) {
        return false;
    }
    return true;
}

static int say(int argc, char **argv)
{
    struct parties p = meet(argv, NULL, 100);
    struct hark_hash space = hostile_hash(argv[3]);
    struct draft d = {0};
    struct hostile_answer answer;
    struct hark_span frames[HOSTILE_FRAMES];
    (void)argc;
    for (size_t i = 0; i < HOSTILE_FRAMES; i++) {
        d.frames[i] = hostile_buf();
    }
    hostile_require(hostile_handshake(&p.h, HOSTILE_WAIT) == 1 && hostile_hello(&p.h, HOSTILE_WAIT),
                    "it is not let in");
    struct hark_cursor at = hostile_cursor(&p.h, &space);
    draft_ask(&d, &at);
    hostile_require(draft_form(&d, &at, argv[4]) || draft_cursor(&d, &at, argv[4]) ||
                        draft_unasked(&d, &at, argv[4]),
                    "no such case");
    for (size_t i = 0; i < HOSTILE_FRAMES; i++) {
        frames[i] = hark_buf_span(&d.frames[i]);
    }
    hostile_send(&p.h, frames, d.count);
    /* What is to be answered may take its time on a busy machine. */
    const char *name = argv[4];
    bool ends = strcmp(name, "large-frame") == 0;
    bool answered = strncmp(name, "unasked-", 8) != 0 && !ends;
    /* So may libzmq with a frame of 16 MiB, and with coming back. */
    int patience = ends ? HOSTILE_WAIT : HOSTILE_SHORT;
    if (hostile_hear_answer(&p.h, &answer, answered ? HOSTILE_WAIT : HOSTILE_SHORT) > 0) {
        describe(&answer);
        hostile_answer_free(&answer);
    } else {
        (void)printf("%s", hostile_ended(&p.h, patience) ? "ended" : "nothing");
    }
    (void)printf(", then %s\n", hostile_hello(&p.h, patience) ? "heard" : "silence");
    for (size_t i = 0; i < HOSTILE_FRAMES; i++) {
        hark_buf_free(&d.frames[i]);
    }
    part(&p);
    return 0;
}

/* ---- two spaces that may not be had ---- */

static struct hark_buf question(uint8_t type, const struct hark_hash *space)
{
    static const uint8_t bytes[64] = {'x'};
    const struct hark_span rubbish = hark_span(bytes, sizeof(bytes));
    struct hark_log_ref log = {.space = *space};
    struct hark_fetch fetch = {.want = HARK_WANT_MAX};
    struct hark_buf body = hostile_buf();
    int rc = -1;
    hark_cursor_empty(&fetch.cursor, &log);
    switch (type) {
    case HARK_MESSAGE_ASK:
        rc = hark_ask_encode(&body, &fetch.cursor, 1, NULL);
        break;
    case HARK_MESSAGE_FETCH:
        rc = hark_fetch_encode(&body, &fetch, NULL);
        break;
    case HARK_MESSAGE_TERMS:
        rc = hark_buf_append(&body, space->bytes, HARK_HASH_SIZE, NULL);
        break;
    case HARK_MESSAGE_EVIDENCE:
        rc = hark_evidence_files_encode(&body, space, &rubbish, 1, NULL);
        break;
    default: /* submit one thing that is no entry; join by one that is no request */
        rc = hark_buf_append(&body, space->bytes, HARK_HASH_SIZE, NULL);
        if (rc == 0 && type == HARK_MESSAGE_SUBMIT) {
            rc = hark_buf_append(&body, "\0\1\0", 3, NULL); /* one, no flags */
        }
        rc = rc != 0 ? rc : hark_buf_append_u32(&body, sizeof(bytes), NULL);
        rc = rc != 0 ? rc : hark_buf_append(&body, bytes, sizeof(bytes), NULL);
        if (rc == 0 && type == HARK_MESSAGE_SUBMIT) {
            rc = hark_buf_append_u32(&body, 0, NULL); /* no payload */
        }
        break;
    }
    hostile_require(rc == 0, "no question");
    return body;
}

/* The answer with the space's id, wherever it is echoed, as zeros. */
static size_t answer_about(struct hostile *h, uint8_t type, const struct hark_hash *space,
                           struct hostile_answer *answer)
{
    struct hark_buf body = question(type, space);
    hostile_say(h, type, hark_buf_span(&body));
    hark_buf_free(&body);
    size_t count = hostile_hear_answer(h, answer, HOSTILE_WAIT);
    for (size_t i = 0; i < count; i++) {
        struct hark_buf *frame = &answer->frames[i];
        for (size_t k = 0; k + HARK_HASH_SIZE <= frame->size; k++) {
            if (memcmp(frame->data + k, space->bytes, HARK_HASH_SIZE) == 0) {
                memset(frame->data + k, 0, HARK_HASH_SIZE);
            }
        }
    }
    return count;
}

static int alike(int argc, char **argv)
{
    static const struct {
        uint8_t type;
        const char *name;
    } questions[] = {{HARK_MESSAGE_ASK, "ask"},       {HARK_MESSAGE_FETCH, "fetch"},
                     {HARK_MESSAGE_SUBMIT, "submit"}, {HARK_MESSAGE_TERMS, "terms"},
                     {HARK_MESSAGE_JOIN, "join"},     {HARK_MESSAGE_EVIDENCE, "evidence"}};
    struct parties p = meet(argv, NULL, 100);
    struct hark_hash one = hostile_hash(argv[3]), other = hostile_hash(argv[4]);
    hostile_require(hostile_hello(&p.h, HOSTILE_WAIT), "it is not let in");
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        struct hostile_answer a, b;
        if (argc > 5 && strcmp(argv[5], questions[i].name) != 0) {
            continue;
        }
        size_t count = answer_about(&p.h, questions[i].type, &one, &a);
        bool same = answer_about(&p.h, questions[i].type, &other, &b) == count && count > 0;
        for (size_t k = 0; same && k < count; k++) {
            same = hark_span_equal(hark_buf_span(&a.frames[k]), hark_buf_span(&b.frames[k]));
        }
        (void)printf("%s: %s, ", questions[i].name, same ? "alike" : "NOT ALIKE");
        if (count > 0) {
            describe(&a);
        }
        (void)printf("\n");
        hostile_answer_free(&a);
        hostile_answer_free(&b);
    }
    part(&p);
    return 0;
}

/* ---- too much ---- */

/* One question over and over, `a_second` times a second (0: as fast as it goes). */
static uint64_t pester(struct parties *p, uint8_t type, const struct hark_hash *space,
                       uint64_t seconds, unsigned a_second)
{
    struct hark_buf body = question(type, space);
    uint64_t sent = 0, until = hostile_ms() + 1000 * seconds;
    while (hostile_ms() < until) {
        hostile_say(&p->h, type, hark_buf_span(&body));
        sent++;
        if (a_second != 0) {
            hostile_pause(1000 / a_second);
        } else if (sent % 20000 == 0) {
            hostile_pause(50); /* or all of it would lie in our own memory */
        }
    }
    hark_buf_free(&body);
    return sent;
}

static uint64_t seconds_of(const char *text)
{
    uint64_t seconds = 0;
    hostile_require(hark_decimal_decode(&seconds, hark_span_str(text), 600, NULL) == 0, "seconds");
    return seconds;
}

static int unread(int argc, char **argv)
{
    struct parties p = meet(argv, NULL, 1);
    struct hark_hash space = hostile_hash(argv[3]);
    (void)argc;
    hostile_require(hostile_hello(&p.h, HOSTILE_WAIT), "it is not let in");
    (void)printf("ready\n");
    (void)fflush(stdout);
    (void)printf("asked %" PRIu64 " times and read nothing\n",
                 pester(&p, HARK_MESSAGE_FETCH, &space, seconds_of(argv[4]), 90));
    part(&p);
    return 0;
}

static int flood(int argc, char **argv)
{
    struct parties p = meet(argv, NULL, 100);
    struct hark_hash space = hostile_hash(argv[3]);
    (void)argc;
    hostile_require(hostile_hello(&p.h, HOSTILE_WAIT), "it is not let in");
    (void)printf("ready\n");
    (void)fflush(stdout);
    (void)printf("asked %" PRIu64 " times\n",
                 pester(&p, HARK_MESSAGE_ASK, &space, seconds_of(argv[4]), 0));
    part(&p);
    return 0;
}

/* Frames of a MiB, all the same memory here; libzmq sends none of them before the
 * last is there, so each message has its end, 64 GiB on. */
static int endless(int argc, char **argv)
{
    static const size_t piece = 1024 * 1024, pieces = 65536;
    struct parties p = meet(argv, NULL, 100);
    void *frame = calloc(1, piece);
    unsigned ended = 0;
    (void)argc;
    hostile_require(frame != NULL && hostile_hello(&p.h, HOSTILE_WAIT), "it is not let in");
    (void)printf("ready\n");
    (void)fflush(stdout);
    uint64_t until = hostile_ms() + 1000 * seconds_of(argv[4]);
    while (hostile_ms() < until) {
        for (size_t i = 0; i <= pieces; i++) {
            zmq_msg_t part_of;
            hostile_require(zmq_msg_init_data(&part_of, frame, piece, NULL, NULL) == 0 &&
                                zmq_msg_send(&part_of, p.h.socket, i < pieces ? ZMQ_SNDMORE : 0) >=
                                    0,
                            "cannot send");
        }
        ended += hostile_ended(&p.h, (int)(until > hostile_ms() ? until - hostile_ms() : 0));
    }
    (void)printf("ended %u times\n", ended);
    part(&p);
    free(frame);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        int (*run)(int argc, char **argv);
    } verbs[] = {
        {"knock", 3, knock},
        {"say", 5, say},
        {"alike", 5, alike},
        {"unread", 5, unread},
        {"flood", 5, flood},
        {"endless", 5, endless},
        {"record", 5, hostile_record},
        {"serve", 5, hostile_serve},
        {"evidence", 5, hostile_evidence},
    };
    hostile_require(hark_crypto_init(NULL) == 0, "libsodium");
    for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].arguments) {
            return verbs[i].run(argc - 2, argv + 2);
        }
    }
    (void)fprintf(stderr, "usage: see the head of hostile.c\n");
    return 2;
}
