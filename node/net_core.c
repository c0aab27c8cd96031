/*
 * The network's thread: what the core and the edge ask for. Cursors, roots and batches
 * come from readers that belong to this thread: read-only views of the same files.
 */
#include <stdlib.h>
#include <string.h>

#include "node/join.h"
#include "node/net_internal.h"

/* --- readers ----------------------------------------------------------------------- */

void hark_net_readers_free(struct hark_net *net)
{
    for (size_t i = 0; i < net->reader_count; i++) {
        hark_space_free(net->readers[i].space);
        free(net->readers[i].told);
    }
    free(net->readers);
    net->readers = NULL;
    net->reader_count = 0;
}

/* The batches of a log as this reader knows it. */
static uint64_t batches_of(struct hark_space *space, const char *node)
{
    struct hark_log_head head;
    uint64_t batches = 0;

    return hark_space_log(space, node, &head, &batches, NULL) == 0 ? batches : 0;
}

/* Tells the core which logs of a space have grown since it was told last; of a reader that
 * was just opened it is told nothing. */
static void tell_grown(struct hark_net *net, struct net_reader *reader)
{
    hark_node_name *names = NULL;
    struct net_told *told;
    size_t count = 0;

    if (hark_space_intakes(reader->space, &names, &count, NULL) < 0)
        return;
    told = calloc(1 + count, sizeof(*told));
    for (size_t i = 0; told != NULL && i <= count; i++) {
        struct hark_log_ref log = {.space = *hark_space_id(reader->space)};
        uint64_t before = 0;

        if (i > 0)
            memcpy(told[i].node, names[i - 1], sizeof(told[i].node));
        memcpy(log.node, told[i].node, sizeof(log.node));
        told[i].batches = batches_of(reader->space, log.node);
        for (size_t j = 0; j < reader->told_count; j++) {
            if (strcmp(reader->told[j].node, log.node) == 0)
                before = reader->told[j].batches;
        }
        if (reader->told != NULL && told[i].batches > before)
            hark_core_grown(net->core, &log);
    }
    free(names);
    if (told == NULL)
        return;
    free(reader->told);
    reader->told = told;
    reader->told_count = 1 + count;
}

static int reader(struct hark_net *net, const struct hark_hash *id, struct hark_space **out,
                  struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct net_reader *grown;
    int rc;

    *out = NULL;
    for (size_t i = 0; i < net->reader_count; i++) {
        if (hark_hash_equal(hark_space_id(net->readers[i].space), id)) {
            *out = net->readers[i].space;
            return 0;
        }
    }
    rc = hark_space_open(&space, net->dir, id, true, NULL, err);
    if (rc < 0)
        return rc;
    grown = realloc(net->readers, (net->reader_count + 1) * sizeof(*grown));
    if (grown == NULL) {
        hark_space_free(space);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a reader");
    }
    net->readers = grown;
    grown[net->reader_count] = (struct net_reader){.space = space};
    tell_grown(net, &grown[net->reader_count++]);
    *out = space;
    return 0;
}

/* A reader that cannot be refreshed now serves what it knew. */
static void refresh_readers(struct hark_net *net, bool reopen)
{
    for (size_t i = 0; i < net->reader_count; i++) {
        if (hark_space_refresh(net->readers[i].space, NULL) == 0)
            tell_grown(net, &net->readers[i]);
    }
    /* Who waits for news of what is opened anew asks again in a few seconds. */
    if (reopen)
        hark_net_readers_free(net);
}

/* --- the core's functions: logs ------------------------------------------------------ */

static uint64_t io_now(void *arg)
{
    (void)arg;
    return hark_timer_ms();
}

static int io_send(void *arg, const struct hark_key *peer, uint64_t via,
                   const struct hark_message *message, struct hark_err *err)
{
    struct hark_net *net = arg;

    return hark_edge_send(net->edge, peer, via, message, err);
}

/* The first row of a key, or NULL; rows of one key lie together. Under the lock. */
static const struct net_access *find_access(const struct hark_net *net,
                                            const struct hark_key *curve)
{
    struct net_access key = {.curve = *curve};
    const struct net_access *at =
        net->access_count == 0
            ? NULL
            : bsearch(&key, net->access, net->access_count, sizeof(key), hark_net_compare_access);

    while (at != NULL && at > net->access && hark_key_equal(&at[-1].curve, curve))
        at--;
    return at;
}

static bool has_access(struct hark_net *net, const struct hark_key *peer,
                       const struct hark_hash *space, bool ticket)
{
    const struct net_access *at;
    bool may = false;

    pthread_mutex_lock(&net->lock);
    at = find_access(net, peer);
    for (; at != NULL && !may && at < net->access + net->access_count &&
           hark_key_equal(&at->curve, peer);
         at++)
        may = hark_hash_equal(&at->space, space) && (!at->ticket || ticket);
    pthread_mutex_unlock(&net->lock);
    return may;
}

static bool io_may_have(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    return has_access(arg, peer, space, false);
}

static bool io_may_join(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    return has_access(arg, peer, space, true);
}

static int io_cursor(void *arg, const struct hark_log_ref *log, struct hark_cursor *out,
                     struct hark_err *err)
{
    struct hark_net *net = arg;
    struct hark_log_head head;
    struct hark_space *at;
    uint64_t batches = 0;
    int rc = reader(net, &log->space, &at, err);

    if (rc == 0)
        rc = hark_space_log(at, log->node, &head, &batches, err);
    if (rc < 0)
        return rc;
    if (batches == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "the log is empty");
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
    struct hark_space *at;
    int rc = reader(net, &cursor->space, &at, err);

    *fits = false;
    hark_cursor_log(cursor, &log);
    if (rc == 0)
        rc = hark_space_fits(at, log.node, cursor->batches, cursor->size, &cursor->root, fits, err);
    return rc;
}

static int io_load(void *arg, const struct hark_log_ref *log, uint64_t from, size_t max_bytes,
                   struct hark_buf *out, unsigned *count, struct hark_err *err)
{
    struct hark_net *net = arg;
    struct hark_log_head head;
    struct hark_space *at;
    uint64_t batches = 0;
    int rc = reader(net, &log->space, &at, err);

    *count = 0;
    if (rc == 0)
        rc = hark_space_log(at, log->node, &head, &batches, err);
    if (rc < 0)
        return rc;
    if (from < batches && batches - from > 1)
        hark_space_near(at, true);
    for (uint64_t number = from; rc == 0 && number < batches; number++) {
        struct hark_space_batch batch;
        struct hark_buf wire = hark_buf_init(HARK_UNPACKED_MAX);

        rc = hark_space_read_batch(at, log->node, number, &batch, err);
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
    hark_space_near(at, false);
    return rc;
}

/* Pushes an event that carries *load, which is empty then. */
static int hand_over(struct hark_net *net, struct hark_net_event *event, struct hark_buf *load,
                     struct hark_err *err)
{
    int rc;

    event->load = *load;
    rc = hark_net_push(net, event, err);
    if (rc == 0)
        *load = hark_buf_init(load->max);
    return rc;
}

static int io_append(void *arg, const struct hark_log_ref *log, const struct hark_key *peer,
                     struct hark_buf *load, unsigned batches, uint64_t token, struct hark_err *err)
{
    struct hark_net_event event = {
        .type = HARK_NET_APPEND, .log = *log, .peer = *peer, .token = token, .batches = batches};

    return hand_over(arg, &event, load, err);
}

/* Of what is kept twice for a moment. */
#define COMING_MAX (8u * 1024u * 1024u)

/* The first batches of a load, copied. */
static void copy_coming(struct hark_coming *out, struct hark_span load, unsigned batches)
{
    struct hark_span in = load;
    size_t size = 0;
    unsigned count = 0;

    while (count < batches && count < HARK_TAKE_AHEAD) {
        struct hark_raw_entry *items = NULL;
        struct hark_raw_batch raw;

        if (hark_wire_batch_take(&in, &raw, &items, NULL) < 0)
            break;
        free(items);
        if (load.size - in.size > COMING_MAX)
            break;
        size = load.size - in.size;
        count++;
    }
    out->bytes = hark_buf_init(COMING_MAX);
    if (count == 0 || hark_buf_append_span(&out->bytes, hark_span(load.data, size), NULL) < 0)
        return;
    in = hark_buf_span(&out->bytes);
    while (out->count < count &&
           hark_wire_batch_take(&in, &out->raw[out->count], &out->items[out->count], NULL) == 0)
        out->count++;
}

static void io_coming(void *arg, const struct hark_log_ref *log, struct hark_span load,
                      unsigned batches)
{
    struct hark_net *net = arg;
    struct hark_coming coming = {.count = 0}, old;

    if (log->node[0] != '\0')
        return;
    copy_coming(&coming, load, batches);
    pthread_mutex_lock(&net->lock);
    old = net->coming;
    net->coming = coming;
    net->coming_space = log->space;
    pthread_mutex_unlock(&net->lock);
    hark_coming_free(&old);
}

/* --- handing in, joining --------------------------------------------------------------- */

static int io_submit(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                     struct hark_buf *body, uint64_t token, struct hark_err *err)
{
    struct hark_net_event event = {
        .type = HARK_NET_SUBMIT, .log = {.space = *space}, .peer = *peer, .token = token};

    return hand_over(arg, &event, body, err);
}

static void io_accepted(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                        const struct hark_accepted *items, size_t count, int code)
{
    struct hark_net_event event = {
        .type = HARK_NET_ACCEPTED, .log = {.space = *space}, .peer = *peer, .code = code};

    if (count > 0) {
        event.accepted = malloc(count * sizeof(*items));
        if (event.accepted == NULL)
            return; /* as if the answer had been lost: it is handed in again */
        memcpy(event.accepted, items, count * sizeof(*items));
        event.accepted_count = count;
    }
    if (hark_net_push(arg, &event, NULL) < 0)
        hark_net_event_free(&event);
}

static int io_terms(void *arg, const struct hark_hash *space, struct hark_buf *out,
                    struct hark_err *err)
{
    struct hark_space *at;
    int rc = reader(arg, space, &at, err);

    return rc < 0 ? rc : hark_join_terms(at, out, err);
}

static int io_receipts(void *arg, const struct hark_hash *space,
                       const struct hark_receipt_wanted *wanted, size_t count, struct hark_buf *out,
                       struct hark_err *err)
{
    struct hark_space *at;
    int rc = reader(arg, space, &at, err);

    return rc < 0 ? rc : hark_receipts_answer(at, wanted, count, out, err);
}

static int io_join(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                   struct hark_buf *sealed, uint64_t token, struct hark_err *err)
{
    struct hark_net_event event = {
        .type = HARK_NET_JOIN, .log = {.space = *space}, .peer = *peer, .token = token};

    return hand_over(arg, &event, sealed, err);
}

static int io_cosign(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                     struct hark_buf *body, uint64_t token, struct hark_err *err)
{
    struct hark_net_event event = {
        .type = HARK_NET_COSIGN, .log = {.space = *space}, .peer = *peer, .token = token};

    return hand_over(arg, &event, body, err);
}

static int io_convict(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                      struct hark_buf *body, uint64_t token, struct hark_err *err)
{
    struct hark_net_event event = {
        .type = HARK_NET_EVIDENCE, .log = {.space = *space}, .peer = *peer, .token = token};

    return hand_over(arg, &event, body, err);
}

static void io_answered(void *arg, const struct hark_key *peer, uint8_t type,
                        const struct hark_hash *space, int code, struct hark_span body)
{
    struct hark_net_event event = {.type = HARK_NET_ANSWERED,
                                   .log = {.space = *space},
                                   .peer = *peer,
                                   .answer = type,
                                   .code = code};

    event.load = hark_buf_init(HARK_BODY_MAX);
    if (code == 0 && hark_buf_append_span(&event.load, body, NULL) < 0)
        event.code = HARK_E_NO_MEMORY;
    if (hark_net_push(arg, &event, NULL) < 0)
        hark_net_event_free(&event);
}

/* --- what people are shown ----------------------------------------------------------- */

static void io_peer_changed(void *arg, const struct hark_key *peer, enum hark_peer_state state,
                            int code, const char *message)
{
    struct hark_net *net = arg;
    struct net_row *row;

    pthread_mutex_lock(&net->lock);
    row = hark_net_row(net, peer, peer);
    if (row != NULL) {
        row->shown.state = state;
        row->shown.code = code;
        hark_net_keep(row->shown.message, sizeof(row->shown.message), message);
    }
    pthread_mutex_unlock(&net->lock);
}

/* Under the lock. */
static struct net_report *report_of(struct net_row *row, const struct hark_log_ref *log)
{
    for (size_t i = 0; i < row->report_count; i++) {
        const struct hark_log_ref *said = &row->reports[i].said.log;

        if (hark_hash_equal(&said->space, &log->space) && strcmp(said->node, log->node) == 0)
            return &row->reports[i];
    }
    if (row->report_count == row->report_room) {
        size_t room = row->report_room == 0 ? 8 : 2 * row->report_room;
        struct net_report *grown =
            room > NET_REPORTS_MAX ? NULL : realloc(row->reports, room * sizeof(*grown));

        if (grown == NULL)
            return NULL;
        row->reports = grown;
        row->report_room = room;
    }
    return &row->reports[row->report_count++];
}

static void io_synced(void *arg, const struct hark_key *peer, const struct hark_sync_report *report)
{
    struct hark_net *net = arg;
    struct hark_net_event event = {
        .type = HARK_NET_SYNCED, .log = report->log, .peer = *peer, .report = *report};
    struct net_report *slot;
    struct net_row *row;

    pthread_mutex_lock(&net->lock);
    row = hark_net_row(net, peer, peer);
    slot = row != NULL ? report_of(row, &report->log) : NULL;
    if (slot != NULL) {
        slot->said = *report;
        slot->fresh = true;
    }
    pthread_mutex_unlock(&net->lock);
    /* Lost when the queue is full: the table above has it all the same. */
    if (hark_net_push(net, &event, NULL) < 0)
        hark_net_event_free(&event);
}

/* --- the edge's handlers -------------------------------------------------------------- */

/* ZAP: who has a right to anything, and who is let in by the operator. */
static bool on_allow(void *arg, const struct hark_key *curve)
{
    struct hark_net *net = arg;
    bool known;

    pthread_mutex_lock(&net->lock);
    known = find_access(net, curve) != NULL;
    pthread_mutex_unlock(&net->lock);
    return known;
}

static void on_message(void *arg, const struct hark_key *peer, uint64_t via,
                       const struct hark_span *frames, size_t count)
{
    struct hark_net *net = arg;

    hark_core_message(net->core, peer, via, frames, count);
}

static void on_lost(void *arg, const struct hark_key *peer)
{
    struct hark_net *net = arg;

    hark_core_lost(net->core, peer);
}

/* Another of that person's keys may be let in: the writer's part is to see to it. */
static void on_refused(void *arg, const struct hark_key *peer)
{
    struct hark_net_event event = {.type = HARK_NET_REFUSED, .peer = *peer};
    const struct net_link *link = NULL;
    struct hark_net *net = arg;
    struct net_row *row;
    bool fresh = false;

    for (size_t i = 0; net->now != NULL && link == NULL && i < net->now->link_count; i++) {
        if (hark_key_equal(&net->now->links[i].id, peer) && net->now->links[i].own != NULL)
            link = &net->now->links[i];
    }
    if (link == NULL)
        return;
    pthread_mutex_lock(&net->lock);
    row = hark_net_row(net, peer, &link->curve);
    if (row != NULL) {
        fresh = !row->refused;
        row->refused = true;
    }
    pthread_mutex_unlock(&net->lock);
    /* Where there is no room the next update looks. */
    if (fresh && hark_net_push(net, &event, NULL) < 0)
        return;
}

static void on_writable(void *arg, const struct hark_key *peer)
{
    struct hark_net *net = arg;

    hark_core_writable(net->core, peer);
}

static uint64_t on_tick(void *arg)
{
    struct hark_net *net = arg;

    return hark_core_tick(net->core);
}

/* --- the plan -------------------------------------------------------------------------- */

static const struct net_link *find_link(const struct net_plan *plan, const struct hark_key *id)
{
    for (size_t i = 0; plan != NULL && i < plan->link_count; i++) {
        if (hark_key_equal(&plan->links[i].id, id))
            return &plan->links[i];
    }
    return NULL;
}

static bool stays(const struct net_link *before, const struct net_link *after)
{
    return before != NULL && after != NULL && !before->paused && !after->paused &&
           strcmp(before->address, after->address) == 0 && before->own == after->own;
}

static void show_link(struct hark_net *net, const struct net_link *link, int code,
                      const char *message)
{
    struct net_row *row;

    pthread_mutex_lock(&net->lock);
    row = hark_net_row(net, &link->id, &link->curve);
    if (row != NULL) {
        row->shown.curve = link->curve;
        row->counted = link->address[0] != '\0' && !link->paused ? link->log_count : 0;
        if (link->paused)
            row->shown.state = HARK_PEER_PAUSED;
        if (code != 0) {
            row->shown.state = HARK_PEER_REFUSED;
            row->shown.code = code;
            hark_net_keep(row->shown.message, sizeof(row->shown.message), message);
        }
    }
    pthread_mutex_unlock(&net->lock);
}

static void drop_link(struct hark_net *net, const struct net_link *link, bool gone)
{
    struct net_row *row;

    hark_core_forget(net->core, &link->id);
    if (link->address[0] != '\0')
        hark_edge_disconnect(net->edge, &link->id);
    pthread_mutex_lock(&net->lock);
    row = hark_net_row(net, &link->id, &link->curve);
    if (row != NULL) {
        row->counted = 0;
        row->report_count = 0;
        if (gone)
            row->shown.state = HARK_PEER_CONNECTING;
        if (gone && link->own != NULL) /* a person's key that is shown no more */
            hark_net_row_forget(net, row);
    }
    pthread_mutex_unlock(&net->lock);
}

static void follow_link(struct hark_net *net, const struct net_link *before,
                        const struct net_link *link)
{
    struct hark_err err = {0};
    int rc = 0;

    show_link(net, link, 0, NULL);
    if (link->paused)
        return;
    if (link->address[0] != '\0' && !stays(before, link))
        rc = hark_edge_connect(net->edge, &link->id, &link->curve, link->own, link->address, &err);
    if (rc == 0)
        rc = hark_core_follow(net->core, &link->id, link->logs, link->log_count, &err);
    if (rc < 0)
        show_link(net, link, rc, err.message);
}

static const struct net_submission *find_submission(const struct net_plan *plan,
                                                    const struct hark_hash *space)
{
    for (size_t i = 0; plan != NULL && i < plan->submission_count; i++) {
        if (hark_hash_equal(&plan->submissions[i].space, space))
            return &plan->submissions[i];
    }
    return NULL;
}

static void submit(struct hark_net *net, const struct hark_hash *space, struct hark_span body,
                   const struct hark_key *preferred)
{
    /* For want of memory: the next change tells it again. */
    if (hark_core_submit(net->core, space, body, preferred, NULL) < 0)
        return;
}

static void hand_in(struct hark_net *net, const struct net_plan *before,
                    const struct net_plan *after)
{
    for (size_t i = 0; before != NULL && i < before->submission_count; i++) {
        if (find_submission(after, &before->submissions[i].space) == NULL)
            submit(net, &before->submissions[i].space, (struct hark_span){0}, NULL);
    }
    for (size_t i = 0; after->submissions != NULL && i < after->submission_count; i++) {
        const struct net_submission *now = &after->submissions[i];
        const struct net_submission *was = find_submission(before, &now->space);

        if (was == NULL || was->stamp != now->stamp)
            submit(net, &now->space, hark_buf_span(&now->body), now->preferred ? &now->to : NULL);
    }
}

static void take_plan(struct hark_net *net, struct net_plan *plan)
{
    struct net_plan *before = net->now;

    for (size_t i = 0; before != NULL && i < before->link_count; i++) {
        const struct net_link *after = find_link(plan, &before->links[i].id);

        if (!stays(&before->links[i], after))
            drop_link(net, &before->links[i], after == NULL);
    }
    for (size_t i = 0; i < plan->link_count; i++)
        follow_link(net, find_link(before, &plan->links[i].id), &plan->links[i]);
    hand_in(net, before, plan);
    hark_net_plan_free(before);
    net->now = plan;
}

/* --- the writer's orders ---------------------------------------------------------------- */

/* It was not even put: whoever waits for receipts hears so. */
static void answer_unasked(struct hark_net *net, const struct net_order *order, int code)
{
    struct hark_hash space = {{0}};
    uint8_t type = order->request;

    if (type == HARK_MESSAGE_RECEIPT && order->body.size >= HARK_HASH_SIZE) {
        memcpy(space.bytes, order->body.data, HARK_HASH_SIZE);
        type = HARK_MESSAGE_RECEIPTS;
    }
    io_answered(net, &order->peer, type, &space, code, (struct hark_span){0});
}

static void carry_out(struct hark_net *net, struct net_order *order)
{
    int rc = 0;

    switch (order->type) {
    case NET_APPENDED:
        hark_core_appended(net->core, order->token, order->code, order->message);
        break;
    case NET_TOOK_IN:
        hark_core_accepted(net->core, order->token, order->accepted, order->accepted_count,
                           order->code);
        break;
    case NET_JOINED:
        hark_core_joined(net->core, order->token, &order->joined);
        break;
    case NET_COSIGNED:
        hark_core_cosigned(net->core, order->token, order->before, order->after, order->code);
        break;
    case NET_EVIDENCE:
        hark_core_evidence(net->core, order->token, order->before, order->after, order->code);
        break;
    case NET_CONNECT:
        rc = hark_edge_connect(net->edge, &order->peer, &order->curve, order->own, order->address,
                               NULL);
        /* Whoever asks there hears that it cannot be reached. */
        if (rc == 0 && hark_core_follow(net->core, &order->peer, NULL, 0, NULL) < 0)
            hark_edge_disconnect(net->edge, &order->peer);
        break;
    case NET_DISCONNECT:
        hark_core_forget(net->core, &order->peer);
        hark_edge_disconnect(net->edge, &order->peer);
        break;
    default: /* NET_REQUEST */
        rc = hark_core_request(net->core, &order->peer, order->request, hark_buf_span(&order->body),
                               order->patience_ms, NULL);
        if (rc < 0)
            answer_unasked(net, order, rc);
        break;
    }
    hark_net_order_free(order);
}

/* Of which something new is to be shown. The core asks for it, which takes the lock. */
static void show_news(struct hark_net *net)
{
    for (size_t i = 0;; i++) {
        struct net_shown *slot;
        struct hark_hash space;
        bool notes, names;

        pthread_mutex_lock(&net->lock);
        if (i >= net->shown_count) {
            pthread_mutex_unlock(&net->lock);
            return;
        }
        slot = &net->shown[i];
        space = slot->space;
        notes = slot->notes_fresh;
        names = slot->names_fresh;
        slot->notes_fresh = slot->names_fresh = false;
        pthread_mutex_unlock(&net->lock);
        if (notes)
            hark_core_noted(net->core, &space);
        if (names)
            hark_core_convicted(net->core, &space);
    }
}

static void on_woken(void *arg)
{
    struct hark_net *net = arg;
    struct net_plan *plan;
    bool ask_now, reopen, grown;
    size_t count;

    pthread_mutex_lock(&net->lock);
    count = net->order_count;
    memcpy(net->taken, net->orders, count * sizeof(net->taken[0]));
    net->order_count = 0;
    plan = net->plan;
    net->plan = NULL;
    net->planning = plan != NULL;
    ask_now = net->ask_now;
    reopen = net->reopen;
    grown = net->grown;
    net->ask_now = net->reopen = net->grown = false;
    pthread_mutex_unlock(&net->lock);

    if (grown || reopen || count > 0)
        refresh_readers(net, reopen);
    for (size_t i = 0; i < count; i++)
        carry_out(net, &net->taken[i]);
    if (plan != NULL) {
        take_plan(net, plan);
        pthread_mutex_lock(&net->lock);
        net->planning = false;
        pthread_mutex_unlock(&net->lock);
    }
    show_news(net);
    if (ask_now)
        hark_core_ask_now(net->core);
}

void hark_net_io(struct hark_net *net, struct hark_core_io *io, struct hark_edge_handlers *handlers)
{
    *io = (struct hark_core_io){.arg = net,
                                .now_ms = io_now,
                                .send = io_send,
                                .may_have = io_may_have,
                                .cursor = io_cursor,
                                .fits = io_fits,
                                .load = io_load,
                                .append = io_append,
                                .coming = io_coming,
                                .submit = io_submit,
                                .accepted = io_accepted,
                                .may_join = io_may_join,
                                .terms = io_terms,
                                .join = io_join,
                                .receipts = io_receipts,
                                .answered = io_answered,
                                .notes = hark_net_io_notes,
                                .cosign = io_cosign,
                                .evidence = hark_net_io_evidence,
                                .convict = io_convict,
                                .peer_changed = io_peer_changed,
                                .synced = io_synced};
    *handlers = (struct hark_edge_handlers){.arg = net,
                                            .allow = on_allow,
                                            .message = on_message,
                                            .woken = on_woken,
                                            .lost = on_lost,
                                            .refused = on_refused,
                                            .writable = on_writable,
                                            .tick = on_tick};
}
