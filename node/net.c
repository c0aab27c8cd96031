/*
 * See net.h. Three kinds of things cross between the threads, all under one lock:
 * events for the writer (a bounded ring, announced by an eventfd), outcomes for
 * the network (as bounded as the events they answer, announced by the edge's
 * wake-up), and the table of who may have what.
 *
 * What the core asks for (cursors, roots, batches) is answered by readers that
 * belong to the network's thread: read-only views of the same files.
 */
#include "node/net.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "replication/edge.h"

#define EVENTS_MAX 256u
#define ACCESS_MAX 65536u

/* A peer by its CURVE key may have this space. */
struct access {
    struct hark_key curve;
    struct hark_hash space;
};

struct outcome {
    uint64_t token;
    int code;
    char message[200];
};

/* What the writer tells; replaced as a whole. */
struct told {
    size_t access_count;
    struct access *access;
    size_t peer_count;
    struct hark_config_peer *peers;
};

/* A space as the network's thread reads it. */
struct reader {
    struct hark_space *space;
    uint64_t batches; /* of the main log, when it was last refreshed */
};

struct hark_net {
    char dir[HARK_PATH_MAX];
    struct hark_edge *edge;
    struct hark_core *core;
    pthread_t thread;
    bool running;
    int event_fd;

    pthread_mutex_t lock; /* over what follows */
    struct hark_net_event events[EVENTS_MAX];
    size_t event_first, event_count;
    struct outcome outcomes[EVENTS_MAX];
    size_t outcome_count;
    struct told told;
    bool told_new, ask_now;
    size_t peer_count;
    struct hark_net_peer peers[HARK_CONFIG_PEERS_MAX];
    /* which of a peer's reports came since the last ask_now */
    bool fresh[HARK_CONFIG_PEERS_MAX][HARK_TICKET_SPACES_MAX];

    /* The network thread's own. */
    struct told followed; /* peers as connected to */
    size_t reader_count;
    struct reader *readers;
    struct outcome taken[EVENTS_MAX];
};

/* As much of a message as fits: it is for people to read. */
static void keep_message(char *out, size_t size, const char *message)
{
    size_t length = message == NULL ? 0 : strnlen(message, size - 1);

    if (length > 0)
        memcpy(out, message, length);
    out[length] = '\0';
}

/* --- the table of peers, under the lock ------------------------------------------ */

static struct hark_net_peer *peer_of(struct hark_net *net, const struct hark_key *curve)
{
    for (size_t i = 0; i < net->peer_count; i++) {
        if (hark_key_equal(&net->peers[i].curve, curve))
            return &net->peers[i];
    }
    if (net->peer_count == HARK_CONFIG_PEERS_MAX)
        return NULL;
    memset(&net->peers[net->peer_count], 0, sizeof(net->peers[0]));
    net->peers[net->peer_count].curve = *curve;
    return &net->peers[net->peer_count++];
}

static struct hark_sync_report *report_of(struct hark_net_peer *peer, const struct hark_hash *space)
{
    for (size_t i = 0; i < peer->report_count; i++) {
        if (hark_hash_equal(&peer->reports[i].log.space, space))
            return &peer->reports[i];
    }
    if (peer->report_count == HARK_TICKET_SPACES_MAX)
        return NULL;
    memset(&peer->reports[peer->report_count], 0, sizeof(peer->reports[0]));
    return &peer->reports[peer->report_count++];
}

/* --- from the network to the writer ---------------------------------------------- */

static int push_event(struct hark_net *net, const struct hark_net_event *event,
                      struct hark_err *err)
{
    const uint64_t one = 1;
    int rc = 0;

    pthread_mutex_lock(&net->lock);
    /* As many outcomes as appends must fit, whatever else waits. */
    if (net->event_count == EVENTS_MAX) {
        rc = hark_err_set(err, HARK_E_BUSY, "the writer has %u events waiting", EVENTS_MAX);
    } else {
        net->events[(net->event_first + net->event_count) % EVENTS_MAX] = *event;
        net->event_count++;
    }
    pthread_mutex_unlock(&net->lock);
    if (rc == 0 && write(net->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        rc = hark_err_errno(err, errno, "waking the writer");
    return rc;
}

bool hark_net_next(struct hark_net *net, struct hark_net_event *event)
{
    uint64_t count;
    bool any;

    pthread_mutex_lock(&net->lock);
    any = net->event_count > 0;
    if (any) {
        *event = net->events[net->event_first];
        net->event_first = (net->event_first + 1) % EVENTS_MAX;
        net->event_count--;
    } else {
        (void)!read(net->event_fd, &count, sizeof(count)); /* non-blocking: empties it */
    }
    pthread_mutex_unlock(&net->lock);
    return any;
}

int hark_net_fd(const struct hark_net *net)
{
    return net->event_fd;
}

/* --- readers ----------------------------------------------------------------------- */

static int count_batches(struct reader *reader, struct hark_err *err)
{
    struct hark_log_head head;
    int rc = hark_space_log(reader->space, "", &head, &reader->batches, err);

    if (rc == HARK_E_NOT_FOUND) {
        reader->batches = 0;
        return 0;
    }
    return rc;
}

static int reader_of(struct hark_net *net, const struct hark_log_ref *log, struct reader **out,
                     struct hark_err *err)
{
    struct reader *grown, made = {0};
    int rc;

    *out = NULL;
    for (size_t i = 0; i < net->reader_count; i++) {
        if (hark_hash_equal(hark_space_id(net->readers[i].space), &log->space)) {
            *out = &net->readers[i];
            return 0;
        }
    }
    rc = hark_space_open(&made.space, net->dir, &log->space, true, NULL, err);
    if (rc == 0)
        rc = count_batches(&made, err);
    if (rc == 0) {
        grown = realloc(net->readers, (net->reader_count + 1) * sizeof(*grown));
        if (grown == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a reader");
        else
            net->readers = grown;
    }
    if (rc < 0) {
        hark_space_free(made.space);
        return rc;
    }
    net->readers[net->reader_count++] = made;
    *out = &net->readers[net->reader_count - 1];
    return 0;
}

/* --- the core's functions ------------------------------------------------------------ */

static uint64_t io_now(void *arg)
{
    (void)arg;
    return hark_now_ms();
}

static int io_send(void *arg, const struct hark_key *peer, uint64_t via,
                   const struct hark_message *message, struct hark_err *err)
{
    struct hark_net *net = arg;

    return hark_edge_send(net->edge, peer, via, message, err);
}

static bool io_may_have(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    struct hark_net *net = arg;
    bool may = false;

    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->told.access_count && !may; i++)
        may = hark_key_equal(&net->told.access[i].curve, peer) &&
              hark_hash_equal(&net->told.access[i].space, space);
    pthread_mutex_unlock(&net->lock);
    return may;
}

static int io_cursor(void *arg, const struct hark_log_ref *log, struct hark_cursor *out,
                     struct hark_err *err)
{
    struct hark_net *net = arg;
    struct hark_log_head head;
    struct reader *at;
    uint64_t batches = 0;
    int rc = reader_of(net, log, &at, err);

    if (rc == 0)
        rc = hark_space_log(at->space, log->node, &head, &batches, err);
    if (rc < 0)
        return rc;
    memset(out, 0, sizeof(*out));
    out->space = log->space;
    memcpy(out->origin, head.origin, sizeof(out->origin));
    out->size = head.tree.size;
    out->batches = batches;
    out->root = hark_merkle_root(&head.tree);
    return 0;
}

static int io_fits(void *arg, const struct hark_cursor *cursor, bool *fits, struct hark_err *err)
{
    struct hark_net *net = arg;
    struct hark_log_ref log;
    struct reader *at;
    int rc;

    *fits = false;
    hark_cursor_log(cursor, &log);
    rc = reader_of(net, &log, &at, err);
    if (rc < 0 || cursor->batches == 0)
        return rc;
    return hark_space_fits(at->space, log.node, cursor->batches, cursor->size, &cursor->root, fits,
                           err);
}

static int io_load(void *arg, const struct hark_log_ref *log, uint64_t batches, size_t max_bytes,
                   struct hark_buf *out, unsigned *count, struct hark_err *err)
{
    struct hark_net *net = arg;
    struct hark_log_head head;
    struct reader *at;
    uint64_t ours = 0;
    int rc = reader_of(net, log, &at, err);

    *count = 0;
    if (rc == 0)
        rc = hark_space_log(at->space, log->node, &head, &ours, err);
    for (uint64_t i = batches; rc == 0 && i < ours; i++) {
        struct hark_space_batch batch;
        struct hark_buf wire = hark_buf_init(HARK_UNPACKED_MAX);

        rc = hark_space_read_batch(at->space, log->node, i, &batch, err);
        if (rc < 0)
            break;
        rc = hark_wire_batch_encode(&wire, &batch.raw, err);
        hark_space_batch_free(&batch);
        /* At least one; then as many as fit. */
        if (rc == 0 && *count > 0 && out->size + wire.size > max_bytes) {
            hark_buf_free(&wire);
            break;
        }
        if (rc == 0)
            rc = hark_buf_append_span(out, hark_buf_span(&wire), err);
        hark_buf_free(&wire);
        if (rc == 0)
            (*count)++;
    }
    return rc;
}

static int io_append(void *arg, const struct hark_log_ref *log, const struct hark_key *peer,
                     struct hark_buf *load, unsigned batches, uint64_t token, struct hark_err *err)
{
    struct hark_net_event event = {.type = HARK_NET_APPEND,
                                   .space = log->space,
                                   .peer = *peer,
                                   .token = token,
                                   .load = *load,
                                   .batches = batches};
    int rc = push_event(arg, &event, err);

    if (rc == 0)
        *load = hark_buf_init(load->max);
    return rc;
}

/* Nobody can hand entries in here yet, or ask to join. */
static int io_submit(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                     struct hark_buf *body, uint64_t token, struct hark_err *err)
{
    (void)arg;
    (void)peer;
    (void)space;
    (void)body;
    (void)token;
    return hark_err_set(err, HARK_E_BUSY, "not yet");
}

static void io_accepted(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                        const struct hark_accepted *items, size_t count, int code)
{
    (void)arg;
    (void)peer;
    (void)space;
    (void)items;
    (void)count;
    (void)code;
}

static bool io_may_join(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    (void)arg;
    (void)peer;
    (void)space;
    return false;
}

static int io_terms(void *arg, const struct hark_hash *space, struct hark_buf *out,
                    struct hark_err *err)
{
    (void)arg;
    (void)space;
    (void)out;
    return hark_err_set(err, HARK_E_BUSY, "not yet");
}

static int io_join(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                   struct hark_buf *sealed, uint64_t token, struct hark_err *err)
{
    (void)arg;
    (void)peer;
    (void)space;
    (void)sealed;
    (void)token;
    return hark_err_set(err, HARK_E_BUSY, "not yet");
}

static void io_answered(void *arg, const struct hark_key *peer, uint8_t type,
                        const struct hark_hash *space, int code, struct hark_span body)
{
    (void)arg;
    (void)peer;
    (void)type;
    (void)space;
    (void)code;
    (void)body;
}

static void io_peer_changed(void *arg, const struct hark_key *peer, enum hark_peer_state state,
                            int code, const char *message)
{
    struct hark_net *net = arg;
    struct hark_net_peer *row;

    pthread_mutex_lock(&net->lock);
    row = peer_of(net, peer);
    if (row != NULL) {
        row->state = state;
        row->code = code;
        keep_message(row->message, sizeof(row->message), message);
    }
    pthread_mutex_unlock(&net->lock);
}

static void io_synced(void *arg, const struct hark_key *peer, const struct hark_sync_report *report)
{
    struct hark_net *net = arg;
    struct hark_net_event event = {
        .type = HARK_NET_SYNCED, .space = report->log.space, .peer = *peer, .report = *report};
    struct hark_net_peer *row;
    struct hark_sync_report *slot;

    pthread_mutex_lock(&net->lock);
    row = peer_of(net, peer);
    slot = row != NULL ? report_of(row, &report->log.space) : NULL;
    if (slot != NULL) {
        *slot = *report;
        net->fresh[row - net->peers][slot - row->reports] = true;
    }
    pthread_mutex_unlock(&net->lock);
    /* Lost when the queue is full: the table above has it all the same. */
    (void)push_event(net, &event, NULL);
}

/* --- the edge's handlers -------------------------------------------------------------- */

/* ZAP: peers named in the configuration, and named nodes of our spaces. */
static bool on_allow(void *arg, const struct hark_key *curve)
{
    struct hark_net *net = arg;
    bool known = false;

    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->told.peer_count && !known; i++)
        known = hark_key_equal(&net->told.peers[i].curve, curve);
    for (size_t i = 0; i < net->told.access_count && !known; i++)
        known = hark_key_equal(&net->told.access[i].curve, curve);
    pthread_mutex_unlock(&net->lock);
    return known;
}

static void on_message(void *arg, const struct hark_key *peer, uint64_t via,
                       const struct hark_span *frames, size_t count)
{
    struct hark_net *net = arg;

    hark_core_message(net->core, peer, via, frames, count);
}

static const struct hark_config_peer *find_peer(const struct told *told,
                                                const struct hark_key *curve)
{
    for (size_t i = 0; i < told->peer_count; i++) {
        if (hark_key_equal(&told->peers[i].curve, curve) && told->peers[i].address[0] != '\0' &&
            !told->peers[i].paused)
            return &told->peers[i];
    }
    return NULL;
}

static void told_free(struct told *told)
{
    free(told->access);
    free(told->peers);
    memset(told, 0, sizeof(*told));
}

/* The main logs of the spaces that this peer is named for. */
static int follow_spaces(struct hark_net *net, const struct hark_config_peer *peer,
                         struct hark_err *err)
{
    struct hark_log_ref logs[HARK_TICKET_SPACES_MAX];

    memset(logs, 0, sizeof(logs));
    for (size_t i = 0; i < peer->space_count; i++)
        logs[i].space = peer->spaces[i];
    return hark_core_follow(net->core, &peer->curve, logs, peer->space_count, err);
}

/* Connects and follows as the new list of peers says. */
static void follow_peers(struct hark_net *net, const struct told *now)
{
    for (size_t i = 0; i < net->followed.peer_count; i++) {
        const struct hark_config_peer *before = &net->followed.peers[i];
        const struct hark_config_peer *after = find_peer(now, &before->curve);

        if (after == NULL || strcmp(after->address, before->address) != 0) {
            hark_core_forget(net->core, &before->curve);
            hark_edge_disconnect(net->edge, &before->curve);
        }
    }
    for (size_t i = 0; i < now->peer_count; i++) {
        const struct hark_config_peer *peer = &now->peers[i];
        const struct hark_config_peer *before = find_peer(&net->followed, &peer->curve);
        struct hark_err err = {0};
        int rc = 0;

        if (peer->address[0] == '\0' || peer->paused) {
            if (peer->paused)
                io_peer_changed(net, &peer->curve, HARK_PEER_PAUSED, 0, NULL);
            continue;
        }
        if (before == NULL || strcmp(before->address, peer->address) != 0)
            rc =
                hark_edge_connect(net->edge, &peer->curve, &peer->curve, NULL, peer->address, &err);
        if (rc == 0)
            rc = follow_spaces(net, peer, &err);
        if (rc < 0)
            io_peer_changed(net, &peer->curve, HARK_PEER_REFUSED, rc, err.message);
    }
}

/* A copy of the peers as told, for the network thread to work with unlocked. */
static bool copy_peers(struct hark_net *net, struct told *out)
{
    memset(out, 0, sizeof(*out));
    if (net->told.peer_count == 0)
        return true;
    out->peers = malloc(net->told.peer_count * sizeof(*out->peers));
    if (out->peers == NULL)
        return false;
    memcpy(out->peers, net->told.peers, net->told.peer_count * sizeof(*out->peers));
    out->peer_count = net->told.peer_count;
    return true;
}

static void refresh_readers(struct hark_net *net)
{
    for (size_t i = 0; i < net->reader_count; i++) {
        struct reader *reader = &net->readers[i];
        struct hark_log_ref log = {.space = *hark_space_id(reader->space)};
        uint64_t before = reader->batches;

        /* A reader that cannot be refreshed now serves what it knew. */
        if (hark_space_refresh(reader->space, NULL) == 0 && count_batches(reader, NULL) == 0 &&
            reader->batches > before)
            hark_core_grown(net->core, &log);
    }
}

static void on_woken(void *arg)
{
    struct hark_net *net = arg;
    struct told peers = {0};
    bool told_new, ask_now;
    size_t count;

    pthread_mutex_lock(&net->lock);
    count = net->outcome_count;
    memcpy(net->taken, net->outcomes, count * sizeof(net->taken[0]));
    net->outcome_count = 0;
    told_new = net->told_new && copy_peers(net, &peers);
    if (told_new)
        net->told_new = false;
    ask_now = net->ask_now;
    net->ask_now = false;
    pthread_mutex_unlock(&net->lock);

    if (told_new || count > 0)
        refresh_readers(net);
    for (size_t i = 0; i < count; i++)
        hark_core_appended(net->core, net->taken[i].token, net->taken[i].code,
                           net->taken[i].message);
    if (told_new) {
        follow_peers(net, &peers);
        told_free(&net->followed);
        net->followed = peers;
    }
    if (ask_now)
        hark_core_ask_now(net->core);
}

static uint64_t on_tick(void *arg)
{
    struct hark_net *net = arg;

    return hark_core_tick(net->core);
}

static void *run(void *arg)
{
    struct hark_net *net = arg;
    struct hark_err err = {0};

    if (hark_edge_run(net->edge, &err) < 0)
        (void)fprintf(stderr, "harkd: the network loop ended: %s (%s)\n", err.message,
                      hark_err_name(err.code));
    return NULL;
}

/* --- the writer's side -------------------------------------------------------------------- */

static int add_access(struct told *told, size_t *capacity, const struct hark_key *curve,
                      const struct hark_hash *space, struct hark_err *err)
{
    if (told->access_count == *capacity) {
        size_t bigger = *capacity == 0 ? 16 : 2 * *capacity;
        struct access *grown =
            bigger > ACCESS_MAX ? NULL : realloc(told->access, bigger * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u rights of peers", ACCESS_MAX);
        told->access = grown;
        *capacity = bigger;
    }
    told->access[told->access_count++] = (struct access){*curve, *space};
    return 0;
}

/* Named nodes of a space may have it. */
static int add_space(struct hark_node *node, const struct hark_hash *id, struct told *told,
                     size_t *capacity, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_space *space;
    int rc = hark_node_space(node, id, &space, err);

    if (rc == 0)
        rc = hark_state_counts(hark_space_state(space), counts, err);
    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object named;

        rc = hark_state_node(hark_space_state(space), (uint32_t)i, &named, err);
        if (rc == 0 && named.until == HARK_NONE)
            rc = add_access(told, capacity, &named.keys.curve, id, err);
    }
    return rc;
}

static int gather(struct hark_node *node, struct told *out, struct hark_err *err)
{
    const struct hark_config *config = node->config;
    struct hark_hash *ids = NULL;
    size_t count = 0, capacity = 0;
    int rc = hark_node_spaces(node, &ids, &count, err);

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_space(node, &ids[i], out, &capacity, err);
    free(ids);
    if (rc == 0 && config->peer_count > 0) {
        out->peers = malloc(config->peer_count * sizeof(*out->peers));
        if (out->peers == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for peers");
        else
            memcpy(out->peers, config->peers, config->peer_count * sizeof(*out->peers));
        out->peer_count = rc == 0 ? config->peer_count : 0;
    }
    if (rc < 0)
        told_free(out);
    return rc;
}

int hark_net_update(struct hark_net *net, struct hark_node *node, struct hark_err *err)
{
    struct told told, old;
    int rc = gather(node, &told, err);

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&net->lock);
    old = net->told;
    net->told = told;
    net->told_new = true;
    pthread_mutex_unlock(&net->lock);
    told_free(&old);
    hark_edge_wake(net->edge);
    return 0;
}

void hark_net_appended(struct hark_net *net, uint64_t token, int code, const char *message)
{
    pthread_mutex_lock(&net->lock);
    if (net->outcome_count < EVENTS_MAX) {
        struct outcome *o = &net->outcomes[net->outcome_count++];

        o->token = token;
        o->code = code;
        keep_message(o->message, sizeof(o->message), message);
    }
    pthread_mutex_unlock(&net->lock);
    hark_edge_wake(net->edge);
}

void hark_net_ask_now(struct hark_net *net)
{
    pthread_mutex_lock(&net->lock);
    net->ask_now = true;
    memset(net->fresh, 0, sizeof(net->fresh));
    pthread_mutex_unlock(&net->lock);
    hark_edge_wake(net->edge);
}

/* Is this peer's report on that space since the last ask_now: equal, or one that
 * does not go on? */
static void count_report(struct hark_net *net, const struct hark_config_peer *peer,
                         const struct hark_hash *space, size_t *equal, size_t *failed)
{
    for (size_t i = 0; i < net->peer_count; i++) {
        struct hark_net_peer *row = &net->peers[i];

        if (!hark_key_equal(&row->curve, &peer->curve))
            continue;
        for (size_t j = 0; j < row->report_count; j++) {
            if (!net->fresh[i][j] || !hark_hash_equal(&row->reports[j].log.space, space))
                continue;
            if (row->reports[j].equal)
                (*equal)++;
            else if (row->reports[j].code != 0)
                (*failed)++;
        }
    }
}

void hark_net_progress(struct hark_net *net, size_t *followed, size_t *equal, size_t *failed)
{
    *followed = 0;
    *equal = 0;
    *failed = 0;
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->told.peer_count; i++) {
        const struct hark_config_peer *peer = &net->told.peers[i];

        if (peer->address[0] == '\0' || peer->paused)
            continue;
        *followed += peer->space_count;
        for (size_t j = 0; j < peer->space_count; j++)
            count_report(net, peer, &peer->spaces[j], equal, failed);
    }
    pthread_mutex_unlock(&net->lock);
}

size_t hark_net_peers(struct hark_net *net, struct hark_net_peer *out, size_t max)
{
    size_t count;

    pthread_mutex_lock(&net->lock);
    count = net->peer_count;
    memcpy(out, net->peers, (count < max ? count : max) * sizeof(*out));
    pthread_mutex_unlock(&net->lock);
    return count;
}

/* --- the writer's part of an append ------------------------------------------------- */

/* A space that this peer is followed for may be made on its first batch. */
static int followed_space(struct hark_node *node, const struct hark_net_event *event,
                          struct hark_space **out, struct hark_err *err)
{
    int rc = hark_node_space(node, &event->space, out, err);

    return rc == HARK_E_NOT_FOUND ? hark_node_create_space(node, &event->space, out, err) : rc;
}

static int take_batches(struct hark_node *node, const struct hark_net_event *event,
                        struct hark_err *err)
{
    struct hark_span in = hark_buf_span(&event->load);
    struct hark_space *space;
    int rc = followed_space(node, event, &space, err);

    for (unsigned i = 0; rc == 0 && i < event->batches; i++) {
        struct hark_raw_entry *items = NULL;
        struct hark_raw_batch batch;

        rc = hark_wire_batch_take(&in, &batch, &items, err);
        if (rc == 0)
            rc = hark_space_take(space, "", &batch, hark_now_ms(), err);
        free(items);
    }
    if (rc == 0 && in.size > 0)
        rc = hark_err_set(err, HARK_E_PEER_FORM, "bytes are left over after the batches");
    return rc;
}

int hark_net_handle(struct hark_net *net, struct hark_node *node, struct hark_net_event *event,
                    struct hark_err *err)
{
    struct hark_err outcome = {0};
    int code, rc = 0;

    if (event->type != HARK_NET_APPEND)
        return 0;
    code = take_batches(node, event, &outcome);
    hark_buf_free(&event->load);
    /* The access table may have to change with what came. */
    rc = hark_net_update(net, node, err);
    hark_net_appended(net, event->token, code, outcome.message);
    return rc;
}

/* --- starting and stopping ------------------------------------------------------------ */

static int make_parts(struct hark_net *net, struct hark_node *node, struct hark_err *err)
{
    struct hark_core_io io = {.arg = net,
                              .now_ms = io_now,
                              .send = io_send,
                              .may_have = io_may_have,
                              .cursor = io_cursor,
                              .fits = io_fits,
                              .load = io_load,
                              .append = io_append,
                              .submit = io_submit,
                              .accepted = io_accepted,
                              .may_join = io_may_join,
                              .terms = io_terms,
                              .join = io_join,
                              .answered = io_answered,
                              .peer_changed = io_peer_changed,
                              .synced = io_synced};
    struct hark_edge_handlers handlers = {
        .arg = net, .allow = on_allow, .message = on_message, .woken = on_woken, .tick = on_tick};
    int rc;

    net->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (net->event_fd < 0)
        return hark_err_errno(err, errno, "eventfd");
    rc = hark_core_new(&net->core, node->config->name, &io, err);
    if (rc == 0)
        rc = hark_edge_new(&net->edge, node->identity.curve, &handlers, err);
    return rc;
}

static void net_free(struct hark_net *net)
{
    /* Events never taken own their loads. */
    for (size_t i = 0; i < net->event_count; i++) {
        struct hark_net_event *event = &net->events[(net->event_first + i) % EVENTS_MAX];

        if (event->type == HARK_NET_APPEND)
            hark_buf_free(&event->load);
    }
    hark_edge_free(net->edge);
    hark_core_free(net->core);
    for (size_t i = 0; i < net->reader_count; i++)
        hark_space_free(net->readers[i].space);
    free(net->readers);
    told_free(&net->told);
    told_free(&net->followed);
    if (net->event_fd >= 0)
        (void)close(net->event_fd);
    pthread_mutex_destroy(&net->lock);
    free(net);
}

int hark_net_start(struct hark_net **out, struct hark_node *node, bool listen, char *bound,
                   struct hark_err *err)
{
    struct hark_net *net = calloc(1, sizeof(*net));
    int rc;

    *out = NULL;
    bound[0] = '\0';
    if (net == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the network");
    net->event_fd = -1;
    pthread_mutex_init(&net->lock, NULL);
    (void)snprintf(net->dir, sizeof(net->dir), "%s", node->dir);
    rc = make_parts(net, node, err);
    if (rc == 0)
        rc = hark_net_update(net, node, err);
    if (rc == 0 && listen && node->config->listen[0] != '\0')
        rc = hark_edge_listen(net->edge, node->config->listen, bound, err);
    if (rc == 0 && pthread_create(&net->thread, NULL, run, net) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no thread for the network");
    if (rc < 0) {
        net_free(net);
        return rc;
    }
    net->running = true;
    *out = net;
    return 0;
}

void hark_net_stop(struct hark_net *net)
{
    if (net == NULL)
        return;
    hark_edge_stop(net->edge);
    if (net->running)
        pthread_join(net->thread, NULL);
    net_free(net);
}
