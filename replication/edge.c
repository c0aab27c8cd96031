/*
 * ZeroMQ for Hark. One ROUTER for who connects to us, one DEALER for each peer
 * that we connect to, one REP in a thread of its own that answers ZAP (RFC 27).
 *
 * What libzmq 4.3 does that shapes this file:
 *
 * - A DEALER that was refused by ZAP (status 400) gives up for good. A peer that
 *   names us later than we name it must still be reached, so a connection that
 *   has been silent for a while is made anew when something is to be sent.
 * - It buffers a multipart message until its last frame has come, however many
 *   there are; ZMQ_MAXMSGSIZE bounds each frame only. So its monitors tell us the
 *   descriptors of the connections, and edge_guard.c watches over those and ends
 *   the ones on which too much is under way.
 * - A ROUTER cannot be told to drop a peer (only its draft interface can); ending
 *   the TCP connection by its descriptor does the same.
 * - When a connection breaks while its input waits at a high-water mark, a heartbeat
 *   of ours, or one of the peer's among the bytes that are left, ends the process
 *   (stream_engine_base.cpp: an assertion in out_event). A peer could do that at
 *   will, by flooding us and then going away. So there is no high-water mark for what
 *   comes: the guard ends the connection of who sends faster than we take it, and
 *   what is left of a connection that is gone is thrown away.
 * - A ROUTER takes the routing id that a peer gives itself. Ids are used here for
 *   the way back only; who a peer is, is what ZAP says of each message.
 */
#include "edge.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "edge_guard.h"
#include "schemas/ticket.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_DOMAIN   "hark"
#define ZAP_FRAMES   7u
#define ZAP_TEXT_MAX 255u

/* ZMQ_MAXMSGSIZE counts what is on the wire: "\x07MESSAGE", nonce, flags, and the
 * box's 16 bytes (33 in all), with room to spare. */
#define CURVE_OVERHEAD 64

#define LINKS_MAX       1024u
#define ROUTES_MAX      4096u
#define ROUTES_PEER_MAX 4u   /* connections of one peer that are remembered */
#define ROUTING_ID_MAX  255u /* ZMTP's limit */
#define FRAMES_MAX      3u
#define DRAIN_MAX       256u /* frames of one message thrown away in one go */
/* Taken from one socket before the others have their turn: messages handed over,
 * frames thrown away, time. */
#define ROUND_MAX       64u
#define ROUND_FRAMES    100000u
#define ROUND_MS        20u
#define REMAKE_FIRST_MS 2000u
#define REMAKE_LAST_MS  30000u
#define SILENT_MS       60000u
#define POLL_LONGEST_MS 60000u
#define RECHECK_MS      1000u /* a peer's messages are taken so long without asking `allow` again */
#define SWEEP_MS        10000u /* and a silent peer is looked at so often */

/* A connection that we opened. */
struct link {
    struct hark_key peer;  /* what it is called: hark_edge_link */
    struct hark_key curve; /* the other side's key */
    const struct hark_box *own;
    char address[HARK_ADDRESS_MAX + 1];
    void *socket;  /* NULL: rests, after too much came over it */
    void *monitor; /* tells its descriptors */
    int fd;        /* -1: not connected */
    bool draining; /* in the midst of a message with too many frames */
    bool lost;     /* it has broken, and that is still to be told */
    bool refused;  /* the other side's ZAP did not let it in: still to be told */
    bool unsent;   /* something did not go out: when it would is to be told */
    bool writable; /* it would now, and that is still to be told */
    uint64_t heard_ms, made_ms;
    uint64_t patience_ms; /* until it is made anew */
};

/* A connection that a peer opened. */
struct route {
    struct hark_key peer;
    uint64_t via;
    uint64_t used;       /* order of use */
    uint64_t checked_ms; /* when `allow` was asked last; 0: not by us */
    int fd;              /* -1: gone, or not known */
    size_t size;
    uint8_t id[ROUTING_ID_MAX];
};

struct hark_edge {
    struct hark_edge_handlers handlers;
    const struct hark_box *curve;
    void *context;
    void *router; /* NULL: does not listen */
    void *router_monitor;
    struct hark_guard *guard;
    uint64_t next_monitor, next_guard_ms, next_sweep_ms;
    bool draining;
    void *zap;
    pthread_t zap_thread;
    bool zap_runs;
    int wake_fd;
    atomic_bool stop;
    uint64_t next_via, uses;
    size_t link_count, route_count, route_room;
    struct link *links[LINKS_MAX];
    struct route *routes;
};

/* ---- small things ---- */

static uint64_t monotonic_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static int zmq_failed(struct hark_err *err, const char *what)
{
    int code = HARK_E_IO;
    switch (errno) {
    case EINVAL:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO:
    case ENODEV:
        code = HARK_E_CONFIG;
        break;
    case EMFILE:
    case ENOMEM:
        code = HARK_E_NO_MEMORY;
        break;
    default:
        break;
    }
    return hark_err_set(err, code, "%s: %s", what, zmq_strerror(errno));
}

struct option {
    int name;
    int value;
};

static int set_options(void *socket, const struct option *options, size_t count,
                       struct hark_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (zmq_setsockopt(socket, options[i].name, &options[i].value, sizeof(int)) != 0) {
            return zmq_failed(err, "an option of ZeroMQ");
        }
    }
    return 0;
}

/* What all sockets that touch the network have in common. */
static int set_common(void *socket, const struct hark_box *box, struct hark_err *err)
{
    static const struct option options[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, 16},
        {ZMQ_HANDSHAKE_IVL, 30000},
        {ZMQ_HEARTBEAT_IVL, 10000},
        {ZMQ_HEARTBEAT_TIMEOUT, 30000},
        {ZMQ_HEARTBEAT_TTL, 30000},
    };
    struct option received = {ZMQ_RCVHWM, hark_guard_can_measure() ? 0 : 16};
    int64_t frame_max = HARK_LOAD_MAX + CURVE_OVERHEAD;
    int rc = set_options(socket, options, sizeof(options) / sizeof(options[0]), err);
    if (rc == 0) {
        rc = set_options(socket, &received, 1, err);
    }
    if (rc == 0 &&
        (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof(frame_max)) != 0 ||
         zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, hark_box_secret(box), HARK_KEY_SIZE) != 0)) {
        rc = zmq_failed(err, "an option of ZeroMQ");
    }
    return rc;
}

/* Only an address in brackets asks for IPv6. */
static int set_family(void *socket, const char *address, struct hark_err *err)
{
    struct option ipv6 = {ZMQ_IPV6, strchr(address, '[') != NULL};
    return set_options(socket, &ipv6, 1, err);
}

/* ---- monitors: which connections there are ---- */

/* libzmq's I/O thread waits for room when a monitor's queue is full, so this side
 * takes any number; what is in it is bounded by how fast connections can come. */
static int open_monitor(struct hark_edge *edge, void *socket, int events, void **out,
                        struct hark_err *err)
{
    static const struct option options[] = {{ZMQ_LINGER, 0}, {ZMQ_RCVHWM, 0}};
    char name[64];
    int rc = 0;
    (void)snprintf(name, sizeof(name), "inproc://hark-monitor-%" PRIu64, edge->next_monitor++);
    void *monitor = zmq_socket(edge->context, ZMQ_PAIR);
    if (monitor == NULL || zmq_socket_monitor(socket, name, events) != 0) {
        rc = zmq_failed(err, "a monitor of connections");
        goto out;
    }
    rc = set_options(monitor, options, sizeof(options) / sizeof(options[0]), err);
    if (rc == 0 && zmq_connect(monitor, name) != 0) {
        rc = zmq_failed(err, "a monitor of connections");
    }
    if (rc != 0) {
        (void)zmq_socket_monitor(socket, NULL, 0);
    }
out:
    if (rc != 0 && monitor != NULL) {
        (void)zmq_close(monitor);
        monitor = NULL;
    }
    *out = monitor;
    return rc;
}

/* First the sending end: it must never wait for a receiver that is gone. */
static void close_monitored(void *socket, void *monitor)
{
    if (socket != NULL) {
        (void)zmq_socket_monitor(socket, NULL, 0);
    }
    if (monitor != NULL) {
        (void)zmq_close(monitor);
    }
    if (socket != NULL) {
        (void)zmq_close(socket);
    }
}

/* Frames of an event: u16 event and u32 value (both in the machine's order),
 * address. False: there is none. */
static bool next_event(void *monitor, uint16_t *event, int *fd)
{
    zmq_msg_t frame;
    uint32_t value = 0;
    bool any = false, more = true;
    (void)zmq_msg_init(&frame);
    for (size_t i = 0; more; i++) {
        if (zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) < 0) {
            any = false;
            break;
        }
        if (i == 0 && zmq_msg_size(&frame) >= sizeof(*event) + sizeof(value)) {
            const uint8_t *data = zmq_msg_data(&frame);
            memcpy(event, data, sizeof(*event));
            memcpy(&value, data + sizeof(*event), sizeof(value));
            any = true;
        }
        more = zmq_msg_more(&frame);
    }
    (void)zmq_msg_close(&frame);
    *fd = value <= INT_MAX ? (int)value : -1;
    return any;
}

/* ---- ZAP: who gets in ---- */

static bool frame_is(zmq_msg_t *frame, const char *text)
{
    size_t size = strlen(text);
    return zmq_msg_size(frame) == size && memcmp(zmq_msg_data(frame), text, size) == 0;
}

/* Frames of a request: version, request id, domain, address, identity, mechanism,
 * credentials. Anything but just that is refused. */
static bool zap_allows(const struct hark_edge *edge, zmq_msg_t *frames, size_t count,
                       struct hark_key *key)
{
    if (count != ZAP_FRAMES || !frame_is(&frames[0], "1.0") || !frame_is(&frames[2], ZAP_DOMAIN) ||
        !frame_is(&frames[5], "CURVE") || zmq_msg_size(&frames[6]) != HARK_KEY_SIZE) {
        return false;
    }
    memcpy(key->bytes, zmq_msg_data(&frames[6]), HARK_KEY_SIZE);
    return edge->handlers.allow(edge->handlers.arg, key);
}

/* Takes one message's frames into frames[max] (all initialised by the caller);
 * the number of frames that there were, at most max + 1, or 0 on failure. */
static size_t zap_receive(void *socket, zmq_msg_t *frames, size_t max)
{
    zmq_msg_t excess;
    size_t count = 0;
    int more = 1;
    (void)zmq_msg_init(&excess);
    while (more) {
        zmq_msg_t *into = count < max ? &frames[count] : &excess;
        if (zmq_msg_recv(into, socket, 0) < 0) {
            count = 0;
            break;
        }
        more = zmq_msg_more(into);
        count = count <= max ? count + 1 : count;
    }
    (void)zmq_msg_close(&excess);
    return count;
}

static bool zap_answer(void *socket, zmq_msg_t *request_id, bool allowed,
                       const struct hark_key *key)
{
    char user[2 * HARK_KEY_SIZE + 1] = "";
    if (allowed) {
        hark_key_hex(user, key);
    }
    const char *status = allowed ? "200" : "400";
    const char *text = allowed ? "OK" : "not known here";
    size_t id_size = zmq_msg_size(request_id) <= ZAP_TEXT_MAX ? zmq_msg_size(request_id) : 0;
    return zmq_send(socket, "1.0", 3, ZMQ_SNDMORE) >= 0 &&
           zmq_send(socket, zmq_msg_data(request_id), id_size, ZMQ_SNDMORE) >= 0 &&
           zmq_send(socket, status, 3, ZMQ_SNDMORE) >= 0 &&
           zmq_send(socket, text, strlen(text), ZMQ_SNDMORE) >= 0 &&
           zmq_send(socket, user, strlen(user), ZMQ_SNDMORE) >= 0 &&
           zmq_send(socket, "", 0, 0) >= 0;
}

/* False when the context is about to end, or the socket is past use. */
static bool zap_serve_one(const struct hark_edge *edge)
{
    zmq_msg_t frames[ZAP_FRAMES];
    struct hark_key key = {{0}};
    bool goes_on = true;
    for (size_t i = 0; i < ZAP_FRAMES; i++) {
        (void)zmq_msg_init(&frames[i]);
    }
    size_t count = zap_receive(edge->zap, frames, ZAP_FRAMES);
    if (count == 0) {
        goes_on = errno == EINTR;
    } else {
        bool allowed = zap_allows(edge, frames, count, &key);
        goes_on = zap_answer(edge->zap, &frames[1], allowed, &key) || errno == EINTR;
    }
    for (size_t i = 0; i < ZAP_FRAMES; i++) {
        (void)zmq_msg_close(&frames[i]);
    }
    return goes_on;
}

static void *zap_run(void *arg)
{
    struct hark_edge *edge = arg;
    while (zap_serve_one(edge)) {
    }
    (void)zmq_close(edge->zap);
    return NULL;
}

static int zap_start(struct hark_edge *edge, struct hark_err *err)
{
    struct option linger = {ZMQ_LINGER, 0};
    sigset_t all, before;
    edge->zap = zmq_socket(edge->context, ZMQ_REP);
    if (edge->zap == NULL) {
        return zmq_failed(err, "a socket for ZAP");
    }
    int rc = set_options(edge->zap, &linger, 1, err);
    if (rc == 0 && zmq_bind(edge->zap, ZAP_ENDPOINT) != 0) {
        rc = zmq_failed(err, "the endpoint of ZAP");
    }
    if (rc != 0) {
        return rc;
    }
    /* Signals are for the threads of the program, not for this one. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&edge->zap_thread, NULL, zap_run, edge);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0) {
        return hark_err_errno(err, status, "a thread for ZAP");
    }
    edge->zap_runs = true;
    return 0;
}

/* ---- new, free ---- */

int hark_edge_new(struct hark_edge **out, const struct hark_box *curve,
                  const struct hark_edge_handlers *handlers, struct hark_err *err)
{
    *out = NULL;
    if (!zmq_has("curve")) {
        return hark_err_set(err, HARK_E_UNSUPPORTED, "this libzmq has no CURVE");
    }
    struct hark_edge *edge = calloc(1, sizeof(*edge));
    if (edge == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the edge");
    }
    edge->handlers = *handlers;
    edge->curve = curve;
    edge->next_via = HARK_VIA_THEIRS;
    atomic_init(&edge->stop, false);
    edge->wake_fd = -1;
    int rc = hark_guard_new(&edge->guard, err);
    if (rc != 0) {
        goto out;
    }
    edge->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (edge->wake_fd < 0) {
        rc = hark_err_errno(err, errno, "an eventfd");
        goto out;
    }
    edge->context = zmq_ctx_new();
    if (edge->context == NULL || zmq_ctx_set(edge->context, ZMQ_BLOCKY, 0) != 0 ||
        zmq_ctx_set(edge->context, ZMQ_MAX_SOCKETS, 4 * LINKS_MAX) != 0) {
        rc = zmq_failed(err, "a context of ZeroMQ");
        goto out;
    }
    rc = zap_start(edge, err);
out:
    if (rc != 0) {
        hark_edge_free(edge);
        edge = NULL;
    }
    *out = edge;
    return rc;
}

static void close_link(struct hark_edge *edge, struct link *link)
{
    close_monitored(link->socket, link->monitor);
    hark_guard_closed(edge->guard, link->fd, &link->peer);
    link->socket = NULL;
    link->monitor = NULL;
    link->fd = -1;
    link->draining = false;
}

static void free_link(struct hark_edge *edge, struct link *link)
{
    close_link(edge, link);
    free(link);
}

void hark_edge_free(struct hark_edge *edge)
{
    if (edge == NULL) {
        return;
    }
    for (size_t i = 0; i < edge->link_count; i++) {
        free_link(edge, edge->links[i]);
    }
    close_monitored(edge->router, edge->router_monitor);
    if (edge->context != NULL) {
        /* Wakes the ZAP thread, which closes its own socket. */
        (void)zmq_ctx_shutdown(edge->context);
        if (edge->zap_runs) {
            (void)pthread_join(edge->zap_thread, NULL);
        } else if (edge->zap != NULL) {
            (void)zmq_close(edge->zap);
        }
        while (zmq_ctx_term(edge->context) != 0 && errno == EINTR) {
        }
    }
    if (edge->wake_fd >= 0) {
        (void)close(edge->wake_fd);
    }
    free(edge->routes);
    hark_guard_free(edge->guard);
    free(edge);
}

/* ---- listening ---- */

static int make_router(struct hark_edge *edge, struct hark_err *err)
{
    static const struct option options[] = {
        {ZMQ_CURVE_SERVER, 1},
        {ZMQ_ROUTER_MANDATORY, 1}, /* says when a connection is gone */
        {ZMQ_ROUTER_HANDOVER, 0},  /* nobody takes over another's routing id */
        {ZMQ_BACKLOG, 64},
    };
    void *socket = zmq_socket(edge->context, ZMQ_ROUTER);
    if (socket == NULL) {
        return zmq_failed(err, "a socket to listen on");
    }
    int rc = set_common(socket, edge->curve, err);
    if (rc == 0) {
        rc = set_options(socket, options, sizeof(options) / sizeof(options[0]), err);
    }
    /* Should the ZAP thread ever be gone, libzmq lets in everybody, unchecked: they
     * have no User-Id then, and nothing of theirs gets past peer_of. */
    if (rc == 0 && zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) != 0) {
        rc = zmq_failed(err, "an option of ZeroMQ");
    }
    if (rc == 0) {
        rc = open_monitor(edge, socket, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED,
                          &edge->router_monitor, err);
    }
    if (rc != 0) {
        (void)zmq_close(socket);
        return rc;
    }
    edge->router = socket;
    return 0;
}

/* "tcp://host:0" as ZeroMQ writes it: "tcp://host:*". */
static bool bind_address(char *out, const char *address)
{
    size_t size = strlen(address);
    if (size > HARK_ADDRESS_MAX || strncmp(address, "tcp://", 6) != 0) {
        return false;
    }
    memcpy(out, address, size + 1);
    if (size > 2 && strcmp(out + size - 2, ":0") == 0) {
        out[size - 1] = '*';
    }
    return true;
}

int hark_edge_listen(struct hark_edge *edge, const char *address, char *bound, struct hark_err *err)
{
    char endpoint[HARK_ADDRESS_MAX + 1];
    char last[2 * HARK_ADDRESS_MAX];
    size_t size = sizeof(last);
    if (!bind_address(endpoint, address)) {
        return hark_err_set(err, HARK_E_CONFIG, "'%s' is not tcp://host:port", address);
    }
    int rc = edge->router == NULL ? make_router(edge, err) : 0;
    if (rc == 0) {
        rc = set_family(edge->router, endpoint, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (zmq_bind(edge->router, endpoint) != 0) {
        rc = zmq_failed(err, address);
        return hark_err_wrap(err, rc, "cannot listen");
    }
    if (zmq_getsockopt(edge->router, ZMQ_LAST_ENDPOINT, last, &size) != 0 ||
        size > HARK_ADDRESS_MAX + 1) {
        return zmq_failed(err, "the address listened on");
    }
    if (bound != NULL) {
        memcpy(bound, last, size);
    }
    return 0;
}

/* ---- connecting ---- */

static struct link *find_link(const struct hark_edge *edge, const struct hark_key *peer)
{
    for (size_t i = 0; i < edge->link_count; i++) {
        if (hark_key_equal(&edge->links[i]->peer, peer)) {
            return edge->links[i];
        }
    }
    return NULL;
}

static int make_dealer(struct hark_edge *edge, struct link *link, struct hark_err *err)
{
    static const struct option options[] = {
        {ZMQ_IMMEDIATE, 1}, /* nothing is queued for who is not there */
        {ZMQ_RECONNECT_IVL, 200},
        {ZMQ_RECONNECT_IVL_MAX, 10000},
        {ZMQ_CONNECT_TIMEOUT, 10000},
    };
    const struct hark_box *box = link->own != NULL ? link->own : edge->curve;
    void *monitor = NULL, *socket = zmq_socket(edge->context, ZMQ_DEALER);
    if (socket == NULL) {
        return zmq_failed(err, "a socket to connect with");
    }
    int rc = set_common(socket, box, err);
    if (rc == 0) {
        rc = set_options(socket, options, sizeof(options) / sizeof(options[0]), err);
    }
    if (rc == 0) {
        rc = set_family(socket, link->address, err);
    }
    if (rc == 0) {
        rc = open_monitor(edge, socket,
                          ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED |
                              ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
                          &monitor, err);
    }
    if (rc == 0 &&
        (zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, hark_box_key(box)->bytes, HARK_KEY_SIZE) !=
             0 ||
         zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, link->curve.bytes, HARK_KEY_SIZE) != 0 ||
         zmq_connect(socket, link->address) != 0)) {
        rc = zmq_failed(err, link->address);
    }
    if (rc != 0) {
        close_monitored(socket, monitor);
        return rc;
    }
    close_link(edge, link); /* what there was before */
    link->socket = socket;
    link->monitor = monitor;
    link->made_ms = monotonic_ms();
    return 0;
}

/* "hark/link/1\n" keeps the name apart from all other hashes; nobody has a CURVE key
 * that is one. */
struct hark_key hark_edge_link(const struct hark_key *curve, const struct hark_box *own)
{
    static const char label[] = "hark/link/1\n";
    struct hark_key name = *curve;
    if (own != NULL) {
        struct hark_sha256 h;
        hark_sha256_init(&h);
        hark_sha256_update(&h, label, sizeof(label) - 1);
        hark_sha256_update(&h, curve->bytes, HARK_KEY_SIZE);
        hark_sha256_update(&h, hark_box_key(own)->bytes, HARK_KEY_SIZE);
        struct hark_hash hash = hark_sha256_final(&h);
        memcpy(name.bytes, hash.bytes, HARK_KEY_SIZE);
    }
    return name;
}

int hark_edge_connect(struct hark_edge *edge, const struct hark_key *peer,
                      const struct hark_key *curve, const struct hark_box *own, const char *address,
                      struct hark_err *err)
{
    if (!hark_address_valid(hark_span_str(address))) {
        return hark_err_set(err, HARK_E_CONFIG, "'%s' is not tcp://host:port", address);
    }
    hark_edge_disconnect(edge, peer);
    if (edge->link_count == LINKS_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %u peers", LINKS_MAX);
    }
    struct link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a peer");
    }
    link->peer = *peer;
    link->curve = *curve;
    link->own = own;
    link->fd = -1;
    link->patience_ms = REMAKE_FIRST_MS;
    memcpy(link->address, address, strlen(address) + 1);
    int rc = make_dealer(edge, link, err);
    if (rc != 0) {
        free(link);
        return rc;
    }
    edge->links[edge->link_count++] = link;
    return 0;
}

void hark_edge_disconnect(struct hark_edge *edge, const struct hark_key *peer)
{
    for (size_t i = 0; i < edge->link_count; i++) {
        if (hark_key_equal(&edge->links[i]->peer, peer)) {
            free_link(edge, edge->links[i]);
            edge->link_count--;
            edge->links[i] = edge->links[edge->link_count];
            return;
        }
    }
}

/* libzmq reconnects by itself, except after it was refused: then only a new
 * socket does. One that is silent because the peer is away is remade as well,
 * which costs nothing; and one that rests. */
static void remake_if_silent(struct hark_edge *edge, struct link *link)
{
    uint64_t now = monotonic_ms();
    if (now - link->made_ms < link->patience_ms ||
        (link->heard_ms != 0 && now - link->heard_ms < SILENT_MS)) {
        return;
    }
    link->patience_ms =
        2 * link->patience_ms < REMAKE_LAST_MS ? 2 * link->patience_ms : REMAKE_LAST_MS;
    /* Later, if it cannot be made now. */
    (void)make_dealer(edge, link, NULL);
}

/* libzmq would be connected again in a moment, and all begin anew. */
static void rest(struct hark_edge *edge, struct link *link)
{
    close_link(edge, link);
    link->made_ms = monotonic_ms();
    link->patience_ms = REMAKE_LAST_MS;
    link->heard_ms = 0;
}

/* ---- routes: connections of others ---- */

static struct route *find_route(const struct hark_edge *edge, uint64_t via)
{
    for (size_t i = 0; i < edge->route_count; i++) {
        if (edge->routes[i].via == via) {
            return &edge->routes[i];
        }
    }
    return NULL;
}

static void forget_route(struct hark_edge *edge, struct route *route)
{
    edge->route_count--;
    *route = edge->routes[edge->route_count];
}

/* The least recently used one of this peer's, or of all, when there are `max`. */
static struct route *oldest_route(const struct hark_edge *edge, const struct hark_key *peer,
                                  size_t max)
{
    struct route *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < edge->route_count; i++) {
        struct route *route = &edge->routes[i];
        if (peer == NULL || hark_key_equal(&route->peer, peer)) {
            oldest = oldest == NULL || route->used < oldest->used ? route : oldest;
            count++;
        }
    }
    return count >= max ? oldest : NULL;
}

static struct route *new_route(struct hark_edge *edge, const struct hark_key *peer)
{
    struct route *route = oldest_route(edge, peer, ROUTES_PEER_MAX);
    if (route == NULL) {
        route = oldest_route(edge, NULL, ROUTES_MAX);
    }
    if (route != NULL) {
        /* What cannot be answered any more has no business here. */
        hark_guard_end(edge->guard, route->fd, &route->peer);
        return route;
    }
    if (edge->route_count == edge->route_room) {
        size_t room = edge->route_room == 0 ? 16 : 2 * edge->route_room;
        struct route *routes = realloc(edge->routes, room * sizeof(*routes));
        if (routes == NULL) {
            return NULL;
        }
        edge->routes = routes;
        edge->route_room = room;
    }
    return &edge->routes[edge->route_count++];
}

/* The route that this routing id is, if it is this peer's; else a new one: an id
 * that has come to another peer is another connection. */
static struct route *route_of(struct hark_edge *edge, struct hark_span id,
                              const struct hark_key *peer)
{
    struct route *route = NULL;
    for (size_t i = 0; i < edge->route_count; i++) {
        struct route *known = &edge->routes[i];
        if (hark_span_equal(hark_span(known->id, known->size), id)) {
            route = known;
        }
    }
    if (route == NULL || !hark_key_equal(&route->peer, peer)) {
        if (route != NULL) {
            forget_route(edge, route);
        }
        route = new_route(edge, peer);
        if (route == NULL || id.size > ROUTING_ID_MAX) {
            return NULL;
        }
        route->peer = *peer;
        route->via = edge->next_via++;
        route->checked_ms = 0;
        route->fd = -1;
        route->size = id.size;
        memcpy(route->id, id.data, id.size);
    }
    route->used = edge->uses++;
    return route;
}

void hark_edge_drop(struct hark_edge *edge, const struct hark_key *peer)
{
    for (size_t i = 0; i < edge->route_count;) {
        if (hark_key_equal(&edge->routes[i].peer, peer)) {
            forget_route(edge, &edge->routes[i]);
        } else {
            i++;
        }
    }
    hark_guard_end_all(edge->guard, peer);
}

/* ZAP was asked when the connection began; that may be long ago. False: the route
 * is gone now. */
static bool still_allowed(struct hark_edge *edge, struct route *route)
{
    struct hark_key peer = route->peer;
    uint64_t now = monotonic_ms();
    if (route->checked_ms != 0 && now - route->checked_ms < RECHECK_MS) {
        return true;
    }
    route->checked_ms = now;
    if (edge->handlers.allow(edge->handlers.arg, &peer)) {
        return true;
    }
    hark_edge_drop(edge, &peer);
    return false;
}

/* Those that say nothing are asked about as well. */
static void sweep_routes(struct hark_edge *edge)
{
    for (size_t i = 0; i < edge->route_count;) {
        i = still_allowed(edge, &edge->routes[i]) ? i + 1 : 0;
    }
}

/* ---- connections come and go ---- */

static void router_events(struct hark_edge *edge)
{
    uint16_t event = 0;
    int fd = -1;
    while (edge->router_monitor != NULL && next_event(edge->router_monitor, &event, &fd)) {
        if (event == ZMQ_EVENT_ACCEPTED) {
            hark_guard_opened(edge->guard, fd, NULL, monotonic_ms());
            continue;
        }
        hark_guard_closed(edge->guard, fd, NULL);
        for (size_t i = 0; i < edge->route_count; i++) {
            edge->routes[i].fd = edge->routes[i].fd == fd ? -1 : edge->routes[i].fd;
        }
    }
}

static void link_events(struct hark_edge *edge, struct link *link)
{
    uint16_t event = 0;
    int fd = -1;
    while (link->monitor != NULL && next_event(link->monitor, &event, &fd)) {
        if (event == ZMQ_EVENT_CONNECTED) {
            hark_guard_opened(edge->guard, fd, &link->peer, monotonic_ms());
            link->fd = fd;
        } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) { /* its value is no descriptor */
            link->refused = true;
        } else {
            hark_guard_closed(edge->guard, fd, &link->peer);
            link->lost = true;
            link->fd = link->fd == fd ? -1 : link->fd;
        }
    }
}

/* ---- receiving ---- */

/* The descriptor of the connection that a frame came over. libzmq calls asking for
 * it deprecated, since it may be closed by now: the guard is told when it is. */
static int descriptor_of(zmq_msg_t *frame)
{
    uint64_t fd = 0;
    const char *text = zmq_msg_gets(frame, "__fd");
    return text != NULL && hark_decimal_decode(&fd, hark_span_str(text), INT_MAX, NULL) == 0
               ? (int)fd
               : -1;
}

/* A frame has been taken. On the wire it was longer by ZMTP's length and flags, and
 * by what CURVE adds: "\x07MESSAGE", a nonce, flags, a MAC. */
static void took(const struct hark_edge *edge, zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame) + 8 + 8 + 1 + 16;
    hark_guard_took(edge->guard, descriptor_of(frame), size + (size > 255 ? 9 : 2));
}

/* Throws away the rest of a message, at most so many frames at a time: what a
 * peer sends without end must not keep the others waiting. True: there is more. */
static bool drain(const struct hark_edge *edge, void *socket)
{
    zmq_msg_t frame;
    bool more = true;
    (void)zmq_msg_init(&frame);
    for (size_t i = 0; more && i < DRAIN_MAX; i++) {
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            break;
        }
        took(edge, &frame);
        more = zmq_msg_more(&frame);
    }
    (void)zmq_msg_close(&frame);
    return more;
}

/* Takes a message of at most `max` frames (initialised by the caller), of which the
 * first `own` are not the peer's; gives how many it has, max + 1 for more, 0 if there
 * is none. */
static size_t receive(const struct hark_edge *edge, void *socket, bool *draining, zmq_msg_t *frames,
                      size_t own, size_t max)
{
    if (*draining) {
        *draining = drain(edge, socket);
    }
    if (*draining) {
        return 0;
    }
    for (size_t count = 0; count < max; count++) {
        if (zmq_msg_recv(&frames[count], socket, ZMQ_DONTWAIT) < 0) {
            /* Of a message that has begun all is there: the rest is no message. */
            *draining = count > 0;
            return 0;
        }
        if (count >= own) {
            took(edge, &frames[count]);
        }
        if (!zmq_msg_more(&frames[count])) {
            return count + 1;
        }
    }
    *draining = true;
    *draining = drain(edge, socket);
    return max + 1;
}

static void hand_over(struct hark_edge *edge, const struct hark_key *peer, uint64_t via,
                      zmq_msg_t *frames, size_t count)
{
    struct hark_span spans[FRAMES_MAX] = {{0}};
    for (size_t i = 0; i < count && i < FRAMES_MAX; i++) {
        spans[i] = hark_span(zmq_msg_data(&frames[i]), zmq_msg_size(&frames[i]));
    }
    edge->handlers.message(edge->handlers.arg, peer, via, spans, count);
}

/* "A peer is who ZAP says it is, whatever its routing id says." */
static bool peer_of(zmq_msg_t *frame, struct hark_key *peer)
{
    const char *user = zmq_msg_gets(frame, "User-Id");
    return user != NULL && hark_key_from_hex(peer, hark_span_str(user), NULL) == 0;
}

/* What came of taking a message. */
enum took {
    TOOK_NONE,
    TOOK_AWAY, /* thrown away: nobody waits for an answer */
    TOOK_OVER, /* handed over */
};

/* Does the connection still stand, for all we know? */
static bool is_there(const struct hark_edge *edge, int fd, const struct hark_key *peer)
{
    return fd < 0 || hark_guard_has(edge->guard, fd, peer);
}

static enum took take_from_router(struct hark_edge *edge)
{
    zmq_msg_t frames[1 + FRAMES_MAX];
    struct hark_key peer;
    enum took took_it = TOOK_NONE;
    for (size_t i = 0; i < 1 + FRAMES_MAX; i++) {
        (void)zmq_msg_init(&frames[i]);
    }
    size_t count = receive(edge, edge->router, &edge->draining, frames, 1, 1 + FRAMES_MAX);
    if (count > 0) {
        took_it = TOOK_AWAY;
    }
    if (count > 1 && peer_of(&frames[1], &peer)) {
        struct hark_span id = hark_span(zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]));
        int fd = descriptor_of(&frames[1]);
        if (!is_there(edge, fd, &peer)) {
            router_events(edge); /* it may be new */
        }
        struct route *route = is_there(edge, fd, &peer) ? route_of(edge, id, &peer) : NULL;
        if (route != NULL) {
            hark_guard_heard(edge->guard, fd, &peer);
            route->fd = fd;
        }
        if (route != NULL && still_allowed(edge, route)) {
            took_it = TOOK_OVER;
            hand_over(edge, &peer, route->via, frames + 1, count - 1);
        }
    }
    for (size_t i = 0; i < 1 + FRAMES_MAX; i++) {
        (void)zmq_msg_close(&frames[i]);
    }
    return took_it;
}

static enum took take_from_link(struct hark_edge *edge, struct link *link)
{
    zmq_msg_t frames[FRAMES_MAX];
    struct hark_key peer = link->peer; /* a handler may disconnect */
    enum took took_it = TOOK_NONE;
    for (size_t i = 0; i < FRAMES_MAX; i++) {
        (void)zmq_msg_init(&frames[i]);
    }
    bool was_draining = link->draining;
    size_t count = link->socket == NULL
                       ? 0
                       : receive(edge, link->socket, &link->draining, frames, 0, FRAMES_MAX);
    if (count == 0 && link->draining && !was_draining) {
        link->lost = true; /* half of it: what it was is asked for again */
    }
    if (count > 0) {
        int fd = descriptor_of(&frames[0]);
        took_it = TOOK_AWAY;
        if (fd != link->fd) {
            link_events(edge, link); /* it may be new */
        }
        if (fd < 0 || fd == link->fd) {
            took_it = TOOK_OVER;
            link->heard_ms = monotonic_ms();
            link->patience_ms = REMAKE_FIRST_MS;
            hand_over(edge, &peer, HARK_VIA_OURS, frames, count);
        }
    }
    for (size_t i = 0; i < FRAMES_MAX; i++) {
        (void)zmq_msg_close(&frames[i]);
    }
    return took_it;
}

/* ---- sending ---- */

/* Sends the frames as one message: 0, or the errno of the one that *sent counts up to.
 * Where that is not the first the socket is left in the midst of a message, and would
 * take the next one's frames for the rest of it. */
static int send_frames(void *socket, const struct hark_span *frames, size_t count, size_t *sent)
{
    for (*sent = 0; *sent < count; (*sent)++) {
        const struct hark_span *frame = &frames[*sent];
        int flags = ZMQ_DONTWAIT | (*sent + 1 < count ? ZMQ_SNDMORE : 0);
        int rc = 0;
        do {
            rc = zmq_send(socket, frame->data, frame->size, flags);
        } while (rc < 0 && errno == EINTR);
        if (rc < 0) {
            return errno;
        }
    }
    return 0;
}

static size_t sum_of(const struct hark_span *frames, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += frames[i].size;
    }
    return sum;
}

static int too_much_unread(struct hark_err *err)
{
    return hark_err_set(err, HARK_E_BUSY, "it has not read what was sent to it before");
}

static int send_by_link(struct hark_edge *edge, struct link *link, const struct hark_span *frames,
                        size_t count, struct hark_err *err)
{
    size_t size = sum_of(frames, count), sent = 0;
    if (link == NULL) {
        return hark_err_set(err, HARK_E_PEER_UNREACHABLE, "no connection to it");
    }
    if (link->socket != NULL && !hark_guard_may_send(edge->guard, link->fd, size)) {
        return too_much_unread(err);
    }
    if (link->socket == NULL || send_frames(link->socket, frames, count, &sent) != 0) {
        link->unsent = true;
        if (sent > 0) { /* what has begun is not sent */
            link->lost = true;
            rest(edge, link);
            (void)make_dealer(edge, link, NULL);
        } else {
            remake_if_silent(edge, link);
        }
        return hark_err_set(err, HARK_E_PEER_UNREACHABLE, "%s does not take it", link->address);
    }
    hark_guard_sent(edge->guard, link->fd, size);
    return 0;
}

static int send_by_route(struct hark_edge *edge, struct route *route,
                         const struct hark_span *frames, size_t count, struct hark_err *err)
{
    struct hark_span all[1 + FRAMES_MAX];
    size_t size = sum_of(frames, count), sent = 0;
    if (route == NULL || edge->router == NULL || !still_allowed(edge, route)) {
        return hark_err_set(err, HARK_E_PEER_UNREACHABLE, "its connection is gone");
    }
    if (!hark_guard_may_send(edge->guard, route->fd, size)) {
        return too_much_unread(err);
    }
    all[0] = hark_span(route->id, route->size);
    memcpy(all + 1, frames, count * sizeof(*frames));
    int failed = send_frames(edge->router, all, 1 + count, &sent);
    if (failed != 0 && sent > 0) { /* ends what has begun, which is no message then */
        (void)zmq_send(edge->router, "", 0, ZMQ_DONTWAIT);
    }
    if (failed == EAGAIN) {
        return hark_err_set(err, HARK_E_BUSY, "its queue is full");
    }
    if (failed != 0) {
        forget_route(edge, route);
        return hark_err_set(err, HARK_E_PEER_UNREACHABLE, "its connection is gone");
    }
    hark_guard_sent(edge->guard, route->fd, size);
    return 0;
}

static struct route *newest_route(const struct hark_edge *edge, const struct hark_key *peer)
{
    struct route *newest = NULL;
    for (size_t i = 0; i < edge->route_count; i++) {
        struct route *route = &edge->routes[i];
        if (hark_key_equal(&route->peer, peer) && (newest == NULL || route->used > newest->used)) {
            newest = route;
        }
    }
    return newest;
}

int hark_edge_send(struct hark_edge *edge, const struct hark_key *peer, uint64_t via,
                   const struct hark_message *message, struct hark_err *err)
{
    uint8_t header[HARK_HEADER_SIZE];
    struct hark_span frames[FRAMES_MAX];
    size_t count = message->load.data != NULL ? 3 : 2;
    hark_message_header(header, message->type, message->id);
    frames[0] = hark_span(header, sizeof(header));
    frames[1] = message->body;
    frames[2] = message->load;
    if (via == HARK_VIA_ANY || via == HARK_VIA_OURS) {
        int rc = send_by_link(edge, find_link(edge, peer), frames, count, err);
        if (rc == 0 || via == HARK_VIA_OURS) {
            return rc;
        }
        return send_by_route(edge, newest_route(edge, peer), frames, count, err);
    }
    struct route *route = find_route(edge, via);
    if (route != NULL && !hark_key_equal(&route->peer, peer)) {
        route = NULL;
    }
    return send_by_route(edge, route, frames, count, err);
}

/* ---- watching over the connections ---- */

/* A connection was ended for what came over it. That was no message, and counts
 * against the peer like one of too many frames. */
static void on_ended(void *arg, int fd, const struct hark_key *whose, bool ours)
{
    static const struct hark_span none[FRAMES_MAX];
    struct hark_edge *edge = arg;
    struct link *link = ours && whose != NULL ? find_link(edge, whose) : NULL;
    uint64_t via = 0;
    if (link != NULL) {
        rest(edge, link);
        via = HARK_VIA_OURS;
    }
    for (size_t i = 0; !ours && whose != NULL && i < edge->route_count; i++) {
        struct route *route = &edge->routes[i];
        if (route->fd == fd && hark_key_equal(&route->peer, whose)) {
            via = route->via;
            forget_route(edge, route);
            break;
        }
    }
    if (via != 0) {
        struct hark_key peer = *whose;
        edge->handlers.message(edge->handlers.arg, &peer, via, none, FRAMES_MAX + 1);
    }
}

static void watch(struct hark_edge *edge)
{
    uint64_t now = monotonic_ms();
    router_events(edge);
    if (now < edge->next_guard_ms) {
        return;
    }
    edge->next_guard_ms = now + HARK_GUARD_EVERY_MS;
    for (size_t i = 0; i < edge->link_count; i++) {
        link_events(edge, edge->links[i]);
    }
    hark_guard_check(edge->guard, now, on_ended, edge);
    if (now >= edge->next_sweep_ms) {
        edge->next_sweep_ms = now + SWEEP_MS;
        sweep_routes(edge);
    }
}

static uint64_t watch_due(const struct hark_edge *edge)
{
    return edge->link_count > 0 || hark_guard_count(edge->guard) > 0 ? HARK_GUARD_EVERY_MS
                                                                     : POLL_LONGEST_MS;
}

/* ---- the loop ---- */

void hark_edge_wake(struct hark_edge *edge)
{
    uint64_t one = 1;
    /* It fails only when it is woken already. */
    ssize_t written = write(edge->wake_fd, &one, sizeof(one));
    (void)written;
}

void hark_edge_stop(struct hark_edge *edge)
{
    atomic_store(&edge->stop, true);
    hark_edge_wake(edge);
}

static void on_wake(struct hark_edge *edge)
{
    uint64_t times = 0;
    if (read(edge->wake_fd, &times, sizeof(times)) == (ssize_t)sizeof(times) &&
        edge->handlers.woken != NULL && !atomic_load(&edge->stop)) {
        edge->handlers.woken(edge->handlers.arg);
    }
}

static bool stopped(const struct hark_edge *edge)
{
    return atomic_load(&edge->stop);
}

/* May the round go on? */
struct round {
    uint64_t until_ms;
    size_t over, away;
};

static bool goes_on(const struct hark_edge *edge, struct round *round, enum took took_it)
{
    round->over += took_it == TOOK_OVER;
    round->away += took_it == TOOK_AWAY;
    return took_it != TOOK_NONE && !stopped(edge) && round->over < ROUND_MAX &&
           round->away < ROUND_FRAMES && (took_it == TOOK_AWAY || monotonic_ms() < round->until_ms);
}

static void read_router(struct hark_edge *edge)
{
    struct round round = {.until_ms = monotonic_ms() + ROUND_MS};
    while (goes_on(edge, &round, take_from_router(edge))) {
    }
}

/* The link is looked up again after each message: its handler may have ended, or
 * remade, the connection. */
static void read_link(struct hark_edge *edge, const struct hark_key *peer)
{
    struct round round = {.until_ms = monotonic_ms() + ROUND_MS};
    struct link *link = find_link(edge, peer);
    while (link != NULL && goes_on(edge, &round, take_from_link(edge, link))) {
        link = find_link(edge, peer);
    }
}

/* Items: the eventfd, the router and its monitor if there is one, the links in
 * order (for one that rests, nothing). */
static size_t fill_items(const struct hark_edge *edge, zmq_pollitem_t *items)
{
    size_t n = 0;
    items[n++] = (zmq_pollitem_t){.fd = edge->wake_fd, .events = ZMQ_POLLIN};
    if (edge->router != NULL) {
        items[n++] = (zmq_pollitem_t){.socket = edge->router, .events = ZMQ_POLLIN};
        items[n++] = (zmq_pollitem_t){.socket = edge->router_monitor, .events = ZMQ_POLLIN};
    }
    for (size_t i = 0; i < edge->link_count; i++) {
        void *socket = edge->links[i]->socket;
        short events = edge->links[i]->unsent ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN;
        items[n++] = socket != NULL ? (zmq_pollitem_t){.socket = socket, .events = events}
                                    : (zmq_pollitem_t){.fd = edge->wake_fd};
    }
    return n;
}

/* From the beginning after each: its handler may have changed the list. */
static void tell_links(struct hark_edge *edge)
{
    for (size_t i = 0; i < edge->link_count;) {
        struct link *link = edge->links[i];
        struct hark_key peer = link->peer;
        bool *what = link->lost ? &link->lost : link->refused ? &link->refused : &link->writable;
        void (*handler)(void *, const struct hark_key *) = link->lost ? edge->handlers.lost
                                                           : link->refused
                                                               ? edge->handlers.refused
                                                               : edge->handlers.writable;
        if (!*what) {
            i++;
            continue;
        }
        *what = false;
        if (handler != NULL) {
            handler(edge->handlers.arg, &peer);
        }
        i = 0;
    }
}

static void read_ready(struct hark_edge *edge, const zmq_pollitem_t *items, size_t count)
{
    struct hark_key ready[LINKS_MAX];
    size_t n = 0;
    /* Handlers change the list of links: note first who is ready. */
    for (size_t i = count - edge->link_count, k = 0; i < count; i++, k++) {
        if (items[i].revents & ZMQ_POLLIN) {
            ready[n++] = edge->links[k]->peer;
        }
        if (items[i].revents & ZMQ_POLLOUT) {
            edge->links[k]->unsent = false;
            edge->links[k]->writable = true;
        }
    }
    if (edge->router != NULL && items[1].revents & ZMQ_POLLIN) {
        read_router(edge);
    }
    for (size_t i = 0; i < n; i++) {
        read_link(edge, &ready[i]);
    }
    if (items[0].revents & ZMQ_POLLIN) {
        on_wake(edge);
    }
}

int hark_edge_run(struct hark_edge *edge, struct hark_err *err)
{
    static const size_t room = 3 + LINKS_MAX;
    int rc = 0;
    zmq_pollitem_t *items = calloc(room, sizeof(*items));
    if (items == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the loop");
    }
    while (!stopped(edge)) {
        uint64_t wait_ms = edge->handlers.tick(edge->handlers.arg);
        uint64_t due_ms = watch_due(edge);
        long timeout = (long)(wait_ms < due_ms ? wait_ms : due_ms);
        size_t count = fill_items(edge, items);
        int ready = zmq_poll(items, (int)count, timeout);
        if (ready < 0 && errno != EINTR) {
            rc = zmq_failed(err, "waiting for messages");
            break;
        }
        if (ready > 0) {
            read_ready(edge, items, count);
        }
        watch(edge);
        tell_links(edge);
    }
    free(items);
    return rc;
}
