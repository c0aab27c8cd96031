/*
 * See net.h. What crosses between the threads, all under one lock: events for the
 * writer (a bounded ring, announced by an eventfd), orders for the network (bounded,
 * announced by the edge's wake-up), who may have what, the plan of whom to follow,
 * and the table of peers that people are shown.
 */
#include "node/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/net_internal.h"

/* PROTOCOL.md 7.8, Q5: time to hear what it had cosigned. */
#define MOVED_COSIGN_MS 60000u
#define COMPARE_MS      2000u  /* a start waits this long for a node to compare with */
#define COMPARE_ALL_MS  10000u /* and so long for all of them, where it was put back */

void hark_net_keep(char *out, size_t size, const char *message)
{
    size_t length = message == NULL ? 0 : strnlen(message, size - 1);

    if (length > 0)
        memcpy(out, message, length);
    out[length] = '\0';
}

/* --- the table of peers, under the lock ------------------------------------------ */

struct net_row *hark_net_row(struct hark_net *net, const struct hark_key *id,
                             const struct hark_key *curve)
{
    struct net_row *row;

    for (size_t i = 0; i < net->row_count; i++) {
        if (hark_key_equal(&net->rows[i].id, id))
            return &net->rows[i];
    }
    if (net->row_count == net->row_room) {
        size_t room = net->row_room == 0 ? 16 : 2 * net->row_room;
        struct net_row *grown =
            room > NET_ROWS_MAX ? NULL : realloc(net->rows, room * sizeof(*grown));

        if (grown == NULL)
            return NULL;
        net->rows = grown;
        net->row_room = room;
    }
    row = &net->rows[net->row_count++];
    memset(row, 0, sizeof(*row));
    row->id = *id;
    row->shown.curve = *curve;
    return row;
}

void hark_net_row_forget(struct hark_net *net, struct net_row *row)
{
    free(row->reports);
    net->row_count--;
    *row = net->rows[net->row_count];
}

/* --- what others are shown, under the lock ----------------------------------------- */

struct net_shown *hark_net_find_shown(const struct hark_net *net, const struct hark_hash *space)
{
    for (size_t i = 0; i < net->shown_count; i++) {
        if (hark_hash_equal(&net->shown[i].space, space))
            return &net->shown[i];
    }
    return NULL;
}

struct net_shown *hark_net_find_or_add_shown(struct hark_net *net, const struct hark_hash *space)
{
    struct net_shown *slot = hark_net_find_shown(net, space), *grown;

    if (slot != NULL)
        return slot;
    grown = realloc(net->shown, (net->shown_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return NULL;
    net->shown = grown;
    slot = &grown[net->shown_count++];
    *slot = (struct net_shown){.space = *space};
    return slot;
}

/* --- from the network to the writer ---------------------------------------------- */

int hark_net_push(struct hark_net *net, const struct hark_net_event *event, struct hark_err *err)
{
    const uint64_t one = 1;
    int rc = 0;

    pthread_mutex_lock(&net->lock);
    if (net->event_count == NET_EVENTS_MAX) {
        rc = hark_err_set(err, HARK_E_BUSY, "the writer has %u events waiting", NET_EVENTS_MAX);
    } else {
        net->events[(net->event_first + net->event_count) % NET_EVENTS_MAX] = *event;
        net->event_count++;
    }
    pthread_mutex_unlock(&net->lock);
    /* A full counter is readable all the same. */
    if (rc == 0)
        (void)!write(net->event_fd, &one, sizeof(one));
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
        net->event_first = (net->event_first + 1) % NET_EVENTS_MAX;
        net->event_count--;
    } else {
        (void)!read(net->event_fd, &count, sizeof(count)); /* non-blocking: empties it */
    }
    pthread_mutex_unlock(&net->lock);
    return any;
}

bool hark_net_coming(struct hark_net *net, const struct hark_hash *space, struct hark_coming *out)
{
    bool any;

    pthread_mutex_lock(&net->lock);
    any = net->coming.count > 0 && hark_hash_equal(&net->coming_space, space);
    if (any) {
        *out = net->coming;
        net->coming = (struct hark_coming){.count = 0};
    }
    pthread_mutex_unlock(&net->lock);
    return any;
}

void hark_net_event_free(struct hark_net_event *event)
{
    hark_buf_free(&event->load);
    free(event->accepted);
    event->accepted = NULL;
}

int hark_net_fd(const struct hark_net *net)
{
    return net->event_fd;
}

/* --- from the writer to the network ---------------------------------------------- */

void hark_net_order_free(struct net_order *order)
{
    hark_buf_free(&order->body);
    free(order->accepted);
    order->accepted = NULL;
}

int hark_net_order(struct hark_net *net, struct net_order *order, struct hark_err *err)
{
    int rc = 0;

    pthread_mutex_lock(&net->lock);
    if (net->order_count == NET_ORDERS_MAX)
        rc = hark_err_set(err, HARK_E_BUSY, "the network has %u orders waiting", NET_ORDERS_MAX);
    else
        net->orders[net->order_count++] = *order;
    pthread_mutex_unlock(&net->lock);
    if (rc < 0)
        hark_net_order_free(order);
    hark_edge_wake(net->edge);
    return rc;
}

int hark_net_request(struct hark_net *net, const struct hark_key *peer, uint8_t type,
                     struct hark_span body, uint64_t patience_ms, struct hark_err *err)
{
    struct net_order order = {
        .type = NET_REQUEST, .peer = *peer, .request = type, .patience_ms = patience_ms};
    int rc;

    order.body = hark_buf_init(HARK_BODY_MAX);
    rc = hark_buf_append_span(&order.body, body, err);
    if (rc < 0) {
        hark_buf_free(&order.body);
        return rc;
    }
    return hark_net_order(net, &order, err);
}

int hark_net_connect(struct hark_net *net, const struct hark_key *curve, struct hark_box *own,
                     const char *address, struct hark_key *peer, struct hark_err *err)
{
    struct net_order order = {.type = NET_CONNECT, .curve = *curve, .own = own};
    struct hark_box **grown =
        realloc(net->ticket_owns, (net->ticket_own_count + 1) * sizeof(struct hark_box *));

    if (grown == NULL) {
        hark_box_free(own);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a connection");
    }
    net->ticket_owns = grown;
    net->ticket_owns[net->ticket_own_count++] = own;
    order.peer = hark_edge_link(curve, own);
    *peer = order.peer;
    hark_net_keep(order.address, sizeof(order.address), address);
    return hark_net_order(net, &order, err);
}

/* The key pair stays until the network ends: the order may still be under way. */
void hark_net_disconnect(struct hark_net *net, const struct hark_key *peer)
{
    struct net_order order = {.type = NET_DISCONNECT, .peer = *peer};

    (void)!hark_net_order(net, &order, NULL); /* full: it stays, as unused as before */
}

void hark_net_ask_now(struct hark_net *net)
{
    pthread_mutex_lock(&net->lock);
    net->ask_now = true;
    for (size_t i = 0; i < net->row_count; i++) {
        for (size_t j = 0; j < net->rows[i].report_count; j++)
            net->rows[i].reports[j].fresh = false;
    }
    pthread_mutex_unlock(&net->lock);
    hark_edge_wake(net->edge);
}

void hark_net_reopen(struct hark_net *net)
{
    pthread_mutex_lock(&net->lock);
    net->reopen = true;
    pthread_mutex_unlock(&net->lock);
    hark_edge_wake(net->edge);
}

/* --- what people are shown ---------------------------------------------------------- */

/* Nothing is to be had there that is not here. */
static bool is_level(const struct hark_sync_report *said)
{
    return said->code == 0 && (said->equal || said->theirs.batches <= said->ours.batches);
}

void hark_net_progress(struct hark_net *net, struct hark_net_progress *out)
{
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->row_count; i++) {
        const struct net_row *row = &net->rows[i];
        size_t told = 0;

        out->followed += row->counted;
        for (size_t j = 0; row->counted > 0 && j < row->report_count; j++) {
            if (!row->reports[j].fresh)
                continue;
            told += is_level(&row->reports[j].said) || row->reports[j].said.code != 0;
            out->level += is_level(&row->reports[j].said);
            out->failed += row->reports[j].said.code != 0;
        }
        if (row->shown.state != HARK_PEER_LIVE && told < row->counted)
            out->away += row->counted - told;
    }
    out->unsent = net->unsent;
    out->proving = hark_timer_ms() < net->proof_until_ms || net->asking > 0;
    out->planning = net->plan != NULL || net->planning;
    pthread_mutex_unlock(&net->lock);
}

size_t hark_net_peers(struct hark_net *net, struct hark_net_peer *out, size_t max)
{
    size_t count;

    pthread_mutex_lock(&net->lock);
    count = net->row_count;
    for (size_t i = 0; i < count && i < max; i++) {
        const struct net_row *row = &net->rows[i];

        out[i] = row->shown;
        out[i].report_count = 0;
        for (size_t j = 0; j < row->report_count; j++) {
            if (row->reports[j].said.log.node[0] == '\0' &&
                out[i].report_count < HARK_TICKET_SPACES_MAX)
                out[i].reports[out[i].report_count++] = row->reports[j].said;
        }
    }
    pthread_mutex_unlock(&net->lock);
    return count;
}

/* --- starting and stopping ------------------------------------------------------------ */

static void *run(void *arg)
{
    struct hark_net *net = arg;
    struct hark_err err = {0};

    if (hark_edge_run(net->edge, &err) < 0)
        (void)fprintf(stderr, "harkd: the network loop ended: %s (%s)\n", err.message,
                      hark_err_name(err.code));
    return NULL;
}

static int make_parts(struct hark_net *net, struct hark_node *node, struct hark_err *err)
{
    struct hark_core_io io;
    struct hark_edge_handlers handlers;
    int rc;

    hark_net_io(net, &io, &handlers);
    net->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (net->event_fd < 0)
        return hark_err_errno(err, errno, "eventfd");
    rc = hark_core_new(&net->core, node->config->name, &io, err);
    if (rc == 0)
        rc = hark_edge_new(&net->edge, node->identity.curve, &handlers, err);
    return rc;
}

/* Events and orders never taken own their buffers. */
static void free_queues(struct hark_net *net)
{
    for (size_t i = 0; i < net->event_count; i++)
        hark_net_event_free(&net->events[(net->event_first + i) % NET_EVENTS_MAX]);
    for (size_t i = 0; i < net->order_count; i++)
        hark_net_order_free(&net->orders[i]);
}

static void net_free(struct hark_net *net)
{
    free_queues(net);
    hark_edge_free(net->edge);
    hark_core_free(net->core);
    hark_net_readers_free(net);
    hark_coming_free(&net->coming);
    hark_net_plan_free(net->plan);
    hark_net_plan_free(net->now);
    for (size_t i = 0; i < net->space_count; i++)
        hark_net_space_free(&net->spaces[i]);
    free(net->spaces);
    for (size_t i = 0; i < net->own_count; i++) {
        for (size_t j = 0; j < net->owns[i].count; j++)
            hark_box_free(net->owns[i].boxes[j]);
    }
    free(net->owns);
    for (size_t i = 0; i < net->ticket_own_count; i++)
        hark_box_free(net->ticket_owns[i]);
    free(net->ticket_owns);
    for (size_t i = 0; i < net->row_count; i++)
        free(net->rows[i].reports);
    free(net->rows);
    for (size_t i = 0; i < net->shown_count; i++) {
        hark_buf_free(&net->shown[i].body);
        free(net->shown[i].names);
    }
    free(net->shown);
    free(net->access);
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
    net->compare_ms = hark_timer_ms() + (node->moved ? COMPARE_ALL_MS : COMPARE_MS);
    net->cosign_ms = hark_timer_ms() + (node->moved ? MOVED_COSIGN_MS : 0);
    (void)snprintf(net->dir, sizeof(net->dir), "%s", node->dir);
    rc = make_parts(net, node, err);
    if (rc == 0)
        rc = hark_net_update(net, node, NULL, err);
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
