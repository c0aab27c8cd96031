/*
 * The writer's part of what comes from the network: batches to verify and store,
 * entries handed in, answers to what we handed in, requests to join.
 */
#include <stdlib.h>
#include <string.h>

#include "node/aside.h"
#include "node/join.h"
#include "node/net_internal.h"
#include "node/office.h"
#include "node/outbox.h"
#include "node/witness.h"

#define RELAY_PATIENCE_MS 15000u
#define PROOF_PATIENCE_MS 10000u
#define RETRY_MS          5000u

/* The name by which this node is named in the space; false: it is not. */
static bool own_name(const struct hark_node *node, const struct net_space *notes, const char **name)
{
    for (size_t i = 0; notes != NULL && i < notes->node_count; i++) {
        if (hark_key_equal(&notes->nodes[i].keys.log, hark_signer_key(node->identity.log))) {
            *name = notes->nodes[i].name;
            return true;
        }
    }
    return false;
}

/* The node at the other end of a link, as the space names it. */
static const char *name_of(struct hark_net *net, const struct net_space *notes,
                           const struct hark_key *link)
{
    const char *name = "";

    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->row_count; i++) {
        if (!hark_key_equal(&net->rows[i].id, link))
            continue;
        for (size_t j = 0; notes != NULL && j < notes->node_count; j++) {
            if (hark_key_equal(&notes->nodes[j].keys.curve, &net->rows[i].shown.curve))
                name = notes->nodes[j].name;
        }
    }
    pthread_mutex_unlock(&net->lock);
    return name;
}

/* --- logs --------------------------------------------------------------------------- */

/* A space that is followed may be made on its first batch. */
static int followed_space(struct hark_node *node, const struct hark_net_event *event,
                          struct hark_space **out, struct hark_err *err)
{
    int rc = hark_node_space(node, &event->log.space, out, err);

    return rc == HARK_E_NOT_FOUND && event->log.node[0] == '\0'
               ? hark_node_create_space(node, &event->log.space, out, err)
               : rc;
}

/* The batches of a load, of which some are read at a time. */
struct load {
    struct hark_net *net;
    struct hark_space *space;
    struct hark_span in;
    unsigned left, at;
    struct hark_raw_entry *items[HARK_TAKE_AHEAD];
};

static int next_of_load(void *arg, struct hark_raw_batch *out, bool *there, struct hark_err *err)
{
    struct load *load = arg;
    struct hark_raw_entry **items = &load->items[load->at++ % HARK_TAKE_AHEAD];
    struct hark_coming coming;

    *there = load->left > 0;
    if (!*there) {
        /* While these are written, those of the next load are verified. */
        if (hark_net_coming(load->net, hark_space_id(load->space), &coming))
            hark_space_coming(load->space, &coming);
        return 0;
    }
    load->left--;
    free(*items);
    *items = NULL;
    return hark_wire_batch_take(&load->in, out, items, err);
}

static int take_batches(struct hark_net *net, struct hark_node *node,
                        const struct hark_net_event *event, struct hark_err *err)
{
    struct load load = {.net = net, .in = hark_buf_span(&event->load), .left = event->batches};
    int rc = followed_space(node, event, &load.space, err);

    if (rc == 0)
        rc = hark_space_take_each(load.space, event->log.node, next_of_load, &load, hark_now_ms(),
                                  err);
    for (size_t i = 0; i < HARK_TAKE_AHEAD; i++)
        free(load.items[i]);
    if (rc == 0 && load.in.size > 0)
        rc = hark_err_set(err, HARK_E_PEER_FORM, "bytes are left over after the batches");
    return rc;
}

static int handle_append(struct hark_net *net, struct hark_node *node, struct hark_net_event *event,
                         struct hark_err *err)
{
    struct net_order order = {.type = NET_APPENDED, .token = event->token};
    struct hark_err outcome = {0};

    order.code = take_batches(net, node, event, &outcome);
    hark_net_keep(order.message, sizeof(order.message), outcome.message);
    /* The outcome may not overtake what it is about. */
    pthread_mutex_lock(&net->lock);
    net->grown = true;
    pthread_mutex_unlock(&net->lock);
    return hark_net_order(net, &order, err);
}

static uint64_t incarnation_of(const struct hark_cursor *cursor)
{
    struct hark_origin_parts origin;

    return hark_origin_read(&origin, hark_span_str(cursor->origin)) ? origin.incarnation : 0;
}

/* PROTOCOL.md 7.6: that a space goes on elsewhere is believed for the steward's `home`
 * entry, which is among what is shown of its terms, and for nobody's word. */
static int ask_for_proof(struct hark_net *net, const struct hark_key *peer,
                         const struct hark_hash *space, struct hark_err *err)
{
    struct hark_buf body = hark_buf_init(HARK_HASH_SIZE);
    int rc = hark_terms_encode(&body, space, err);

    if (rc == 0)
        rc = hark_net_request(net, peer, HARK_MESSAGE_TERMS, hark_buf_span(&body),
                              PROOF_PATIENCE_MS, err);
    hark_buf_free(&body);
    if (rc == 0) {
        pthread_mutex_lock(&net->lock);
        net->proof_until_ms = hark_timer_ms() + PROOF_PATIENCE_MS;
        pthread_mutex_unlock(&net->lock);
    }
    return rc;
}

/* Rewinding: the space goes on elsewhere from before our log's end. */
static int rewind_space(struct hark_net *net, struct hark_node *node, struct net_space *notes,
                        struct hark_err *err)
{
    int rc;

    if (hark_aside_is(node, &notes->id))
        return 0;
    rc = hark_aside_put(node, &notes->id, false, err);
    notes->level = false;
    hark_net_reopen(net);
    hark_net_ask_now(net);
    return rc;
}

/* What was shown is not of a later home than ours: nothing is to be done. */
static int handle_proof(struct hark_net *net, struct hark_node *node, struct net_space *notes,
                        const struct hark_net_event *event, struct hark_err *err)
{
    struct hark_terms *terms = malloc(sizeof(*terms));
    struct hark_space *space = NULL;
    uint64_t settled = 0, first = 0;
    bool later = false;
    int rc = 0;

    pthread_mutex_lock(&net->lock);
    net->proof_until_ms = 0;
    pthread_mutex_unlock(&net->lock);
    if (terms == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for terms");
    if (event->code == 0 && hark_node_space(node, &notes->id, &space, NULL) == 0 &&
        hark_join_read_terms(&notes->id, hark_buf_span(&event->load), terms, NULL) == 0)
        later = terms->incarnation > hark_state_space_object(hark_space_state(space))->incarnation;
    if (later)
        rc = hark_witness_settled(space, &settled, err);
    if (later && rc == 0)
        rc = hark_terms_home_first(terms, hark_space_state(space), &first, err);
    /* What is settled never rewinds (7.8). */
    notes->unsettling = later && rc == 0 && first < settled;
    later = later && !notes->unsettling;
    if (later && rc == 0)
        rc = hark_witness_keep_settled(space, err);
    free(terms);
    return later && rc == 0 ? rewind_space(net, node, notes, err) : rc;
}

/* Is another named node at the other end of that link? A person's key held here may
 * connect this node to itself, which knows nothing more. */
static bool is_another(struct hark_net *net, const struct hark_node *node,
                       const struct net_space *notes, const struct hark_key *link)
{
    const char *name = name_of(net, notes, link), *self = "";

    (void)own_name(node, notes, &self);
    return name[0] != '\0' && strcmp(name, self) != 0;
}

/* PROTOCOL.md 7.6, before the first signature: of this log the named node at the other end has
 * no more. */
static void note_compared(struct hark_net *net, const struct hark_node *node,
                          struct net_space *notes, const struct hark_net_event *event)
{
    const char *self = NULL, *name = name_of(net, notes, &event->peer);
    bool main = event->log.node[0] == '\0',
         own = own_name(node, notes, &self) && strcmp(event->log.node, self) == 0;

    notes->main_compared = notes->main_compared || main;
    notes->intake_compared = notes->intake_compared || own;
    for (size_t i = 0; i < notes->node_count && i < 64; i++) {
        uint64_t bit = strcmp(notes->nodes[i].name, name) == 0 ? UINT64_C(1) << i : 0;

        notes->main_with |= main ? bit : 0;
        notes->intake_with |= own ? bit : 0;
    }
}

static int handle_synced(struct hark_net *net, struct hark_node *node,
                         const struct hark_net_event *event, struct hark_err *err)
{
    struct net_space *notes = hark_net_notes(net, &event->log.space);
    const struct hark_sync_report *said = &event->report;
    bool named = false,
         level = said->code == 0 && (said->equal || said->theirs.batches <= said->ours.batches);

    if (notes == NULL)
        return 0;
    named = is_another(net, node, notes, &event->peer);
    if (level && named)
        note_compared(net, node, notes, event);
    if (event->log.node[0] != '\0')
        return 0;
    if (named && said->code == HARK_E_PEER_CURSOR &&
        incarnation_of(&said->theirs) > incarnation_of(&said->ours))
        return ask_for_proof(net, &event->peer, &notes->id, err);
    if (named && said->code == HARK_E_PEER_CURSOR)
        hark_net_doubt(notes, name_of(net, notes, &event->peer), event);
    if (level)
        notes->level = said->ours.batches > 0;
    return 0;
}

/* Spaces that were set aside and are back. */
static int finish_asides(struct hark_net *net, struct hark_node *node, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < net->space_count; i++) {
        struct net_space *notes = &net->spaces[i];
        uint64_t handed = 0;
        bool done = false;

        if (!notes->level || !hark_aside_is(node, &notes->id))
            continue;
        rc = hark_aside_finish(node, &notes->id, &done, &handed, err);
        if (rc == HARK_E_NOT_FOUND) { /* what was level is the copy that is gone */
            notes->level = false;
            rc = 0;
        }
    }
    return rc;
}

/* What of the outbox was refused for a while (its key's rate, say) is tried again. */
static int outbox_take_in(struct hark_node *node, struct hark_space *space,
                          const struct net_space *notes, struct hark_err *err)
{
    const char *self = NULL;

    if (hark_node_is_home(node, space) || hark_space_held(space) || !own_name(node, notes, &self))
        return 0;
    return hark_space_outbox_take_in(space, self, node->identity.log,
                                     node->config->accept_per_minute, hark_now_ms(), err);
}

int hark_net_take_over(struct hark_net *net, struct hark_node *node, struct hark_err *err)
{
    int rc = finish_asides(net, node, err);

    for (size_t i = 0; rc == 0 && i < node->space_count; i++) {
        struct hark_space *space = node->spaces[i];
        const struct net_space *notes = hark_net_notes(net, hark_space_id(space));
        bool changed = false, lacks = false;

        if (hark_node_is_home(node, space))
            rc = hark_witness_lacks(space, &lacks, err);
        if (rc == 0 && hark_node_is_home(node, space) && !hark_space_held(space) && !lacks)
            rc = hark_space_take_over(space, node->identity.log, hark_now_ms(), &changed, err);
        if (rc == 0)
            rc = hark_space_outbox_tend(space, hark_now_ms(), &changed, err);
        if (rc == 0)
            rc = outbox_take_in(node, space, notes, err);
    }
    return rc;
}

/* --- entries handed in here ------------------------------------------------------------ */

static void refuse(struct hark_accepted *item, int code, const char *message)
{
    item->status = HARK_ACCEPTED_REFUSED;
    item->position = 0;
    item->accepted_ms = 0;
    item->code = code;
    hark_net_keep(item->message, sizeof(item->message), message);
}

/* Already in the log? Then that is the answer, whatever else might be said. */
static int find_logged(struct hark_space *space, struct hark_accepted *item, bool *found,
                       struct hark_err *err)
{
    struct hark_row row = {0};
    int rc = hark_state_find_entry(hark_space_state(space), &item->id, found, &item->position, err);

    if (rc < 0 || !*found)
        return rc;
    rc = hark_index_row(hark_space_index(space), item->position, &row, err);
    item->status = HARK_ACCEPTED_LOGGED;
    item->accepted_ms = row.accepted_ms;
    return rc;
}

struct key_rate {
    struct hark_key key;
    uint64_t count;
};
struct rates {
    size_t used;
    struct key_rate keys[HARK_SUBMIT_MAX];
};

/* PROTOCOL.md 6.4, counted in the log, then along the way. */
static int rate_of(const struct hark_node *node, struct hark_space *space, struct hark_span object,
                   struct rates *rates, struct hark_err *err)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    struct key_rate *rate = NULL;
    int rc = entry == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry")
                           : hark_entry_parse(entry, object, err);

    for (size_t i = 0; rc == 0 && i < rates->used && rate == NULL; i++)
        rate = hark_key_equal(&rates->keys[i].key, &entry->author) ? &rates->keys[i] : NULL;
    if (rc == 0 && rate == NULL) {
        rate = &rates->keys[rates->used++];
        *rate = (struct key_rate){.key = entry->author};
        rc = hark_author_recent(space, &rate->key, &rate->count, err);
    }
    free(entry);
    if (rc == 0 && node->config->accept_per_minute > 0 &&
        ++rate->count > node->config->accept_per_minute)
        rc = hark_err_set(err, HARK_E_ACCEPT_RATE, "more than %llu entries of this key in a minute",
                          (unsigned long long)node->config->accept_per_minute);
    return rc;
}

/* Adds each to the open batch. An error that is no refusal has undone the batch. */
static int log_each(struct hark_node *node, struct hark_space *space,
                    const struct hark_submitted *entries, size_t count, struct hark_accepted *items,
                    struct hark_err *err)
{
    struct rates *rates = calloc(1, sizeof(*rates));
    int rc = rates == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for rates") : 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        bool as_void = (entries[i].flags & HARK_SUBMIT_AS_VOID) != 0, found = false;
        struct hark_offer offer = {.bytes = entries[i].entry,
                                   .payload = entries[i].payload,
                                   .accept = !as_void,
                                   .now_ms = hark_now_ms()};
        struct hark_logged logged = {0};
        struct hark_err refusal = {0};

        rc = find_logged(space, &items[i], &found, err);
        if (rc < 0 || found)
            continue;
        rc = rate_of(node, space, offer.bytes, rates, &refusal);
        if (rc == 0)
            rc = hark_space_add(space, &offer, node->identity.log, &logged, &refusal);
        if (rc == 0) {
            items[i].status = HARK_ACCEPTED_LOGGED;
            items[i].position = logged.position;
            items[i].accepted_ms = offer.now_ms;
        } else if (hark_space_is_refusal(rc) || rc == HARK_E_ACCEPT_RATE) {
            refuse(&items[i], rc, refusal.message);
            rc = 0;
        } else if (err != NULL) {
            *err = refusal;
        }
    }
    free(rates);
    return rc;
}

static int log_submitted(struct hark_node *node, struct hark_space *space,
                         const struct hark_submitted *entries, size_t count,
                         struct hark_accepted *items, struct hark_err *err)
{
    int rc = hark_space_begin(space, err);

    if (rc < 0)
        return rc;
    rc = log_each(node, space, entries, count, items, err);
    if (rc == 0)
        rc = hark_space_commit(space, node->identity.log, hark_now_ms(), err);
    if (rc < 0)
        hark_space_rollback(space);
    return rc;
}

static int accept_submitted(struct hark_node *node, struct hark_space *space, const char *self,
                            const struct hark_submitted *entries, size_t count,
                            struct hark_accepted *items, struct hark_err *err)
{
    struct hark_offer *offers = calloc(count, sizeof(*offers));
    struct hark_outcome *outcomes = calloc(count, sizeof(*outcomes));
    int rc = offers == NULL || outcomes == NULL
                 ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu entries", count)
                 : 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        offers[i] = (struct hark_offer){.bytes = entries[i].entry,
                                        .payload = entries[i].payload,
                                        .accept = (entries[i].flags & HARK_SUBMIT_AS_VOID) == 0,
                                        .now_ms = hark_now_ms()};
    if (rc == 0)
        rc = hark_space_accept(space, self, node->identity.log, offers, count,
                               node->config->accept_per_minute, outcomes, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        items[i].status = outcomes[i].logged ? HARK_ACCEPTED_LOGGED : HARK_ACCEPTED_INTAKE;
        items[i].position = outcomes[i].position;
        items[i].accepted_ms = outcomes[i].accepted_ms;
        if (outcomes[i].code != 0)
            refuse(&items[i], outcomes[i].code, outcomes[i].message);
    }
    free(offers);
    free(outcomes);
    return rc;
}

/* A `home` entry is for the node that becomes the home by it (PROTOCOL.md 7.6). */
static bool is_home_entry(struct hark_span object)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    bool is = entry != NULL && hark_entry_parse(entry, object, NULL) == 0 &&
              strcmp(entry->kind, "home") == 0;

    free(entry);
    return is;
}

static int take_in(struct hark_net *net, struct hark_node *node, const struct hark_net_event *event,
                   struct hark_accepted **items, size_t *count, struct hark_err *err)
{
    const struct net_space *notes = hark_net_notes(net, &event->log.space);
    struct hark_submitted *entries = NULL;
    struct hark_space *space = NULL;
    struct hark_hash id;
    const char *self = NULL;
    int rc = hark_submit_decode(&id, &entries, count, hark_buf_span(&event->load), err);

    if (rc == 0)
        rc = hark_node_space(node, &event->log.space, &space, err);
    if (rc == 0) {
        *items = calloc(*count, sizeof(**items));
        rc = *items == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for answers") : 0;
    }
    for (size_t i = 0; rc == 0 && i < *count; i++)
        (*items)[i].id = hark_sha256(entries[i].entry);
    if (rc == 0 && !own_name(node, notes, &self))
        rc = hark_err_set(err, HARK_E_ACCEPT_NOT_HERE, "this node takes nothing for that space");
    if (rc == 0 && (hark_node_is_home(node, space) || is_home_entry(entries[0].entry)))
        rc = log_submitted(node, space, entries, *count, *items, err);
    else if (rc == 0)
        rc = accept_submitted(node, space, self, entries, *count, *items, err);
    free(entries);
    return rc;
}

static int handle_submit(struct hark_net *net, struct hark_node *node, struct hark_net_event *event,
                         struct hark_err *err)
{
    struct net_order order = {.type = NET_TOOK_IN, .token = event->token};
    struct hark_err outcome = {0};

    order.code = take_in(net, node, event, &order.accepted, &order.accepted_count, &outcome);
    if (order.code != 0)
        order.accepted_count = 0;
    return hark_net_order(net, &order, err);
}

/* --- what became of ours ------------------------------------------------------------------ */

static int handle_accepted(struct hark_net *net, struct hark_node *node,
                           struct hark_net_event *event, struct hark_err *err)
{
    struct net_space *notes = hark_net_notes(net, &event->log.space);
    struct hark_space *space = NULL;
    int rc;

    if (event->code != 0 || notes == NULL)
        return 0; /* the core asks another node */
    notes->submit_after_ms = hark_timer_ms() + RETRY_MS;
    notes->ask_failures = 0;
    notes->ask_after_ms = 0;
    rc = hark_node_space(node, &event->log.space, &space, err);
    if (rc < 0)
        return rc;
    return hark_space_outbox_answer(space, name_of(net, notes, &event->peer), event->accepted,
                                    event->accepted_count, hark_now_ms(), NULL, err);
}

/* --- joining ------------------------------------------------------------------------------- */

static int ask_home(void *arg, const struct hark_relay_row *row, struct hark_err *err)
{
    struct net_space *notes = arg;

    (void)err;
    notes->relaying = row->hash;
    notes->relay_busy = true;
    notes->relay_body = hark_buf_init(HARK_SEALED_JOIN_MAX + 64);
    return hark_join_encode(&notes->relay_body, &notes->id, row->sealed, err) == 0 ? HARK_STOP : 0;
}

/* Hands the next one that waits on to the home, one at a time. */
static int relay_next(struct hark_net *net, struct hark_space *space, struct net_space *notes,
                      struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    struct hark_node_object home;
    int rc = hark_space_outbox(space, &outbox, err);

    if (rc == 0)
        rc = hark_space_home(space, &home, err);
    if (rc < 0 || notes->relay_busy)
        return rc;
    rc = hark_outbox_each_relay(outbox, ask_home, notes, err);
    if (rc == 0 && notes->relay_busy)
        rc = hark_net_request(net, &home.keys.curve, HARK_MESSAGE_JOIN,
                              hark_buf_span(&notes->relay_body), RELAY_PATIENCE_MS, err);
    hark_buf_free(&notes->relay_body);
    return rc;
}

static int handle_join(struct hark_net *net, struct hark_node *node, struct hark_net_event *event,
                       struct hark_err *err)
{
    struct net_order order = {.type = NET_JOINED, .token = event->token};
    struct net_space *notes = hark_net_notes(net, &event->log.space);
    struct hark_span sealed = hark_buf_span(&event->load);
    struct hark_author steward = {0};
    struct hark_space *space = NULL;
    struct hark_err outcome = {0};
    const char *self = NULL;
    int rc = hark_node_space(node, &event->log.space, &space, &outcome);

    order.joined.space = event->log.space;
    if (rc == 0 && !own_name(node, notes, &self))
        rc = hark_err_set(&outcome, HARK_E_ACCEPT_NOT_HERE, "this node takes nothing for it");
    if (rc == 0 && hark_steward_held(node, space, &steward, NULL) == 0) {
        rc = hark_join_admit(node, space, sealed, &order.joined, &outcome);
    } else if (rc == 0) {
        rc = hark_join_relay(space, sealed, &order.joined, &outcome);
        if (rc == 0 && order.joined.status == HARK_JOINED_WAITING)
            rc = relay_next(net, space, notes, &outcome);
    }
    hark_author_free(&steward);
    /* Trouble of our own is nothing that the joiner did: it asks again. */
    if (rc < 0 && hark_err_exit(rc) != 3)
        order.joined.status = HARK_JOINED_WAITING;
    else if (rc < 0) {
        order.joined.status = HARK_JOINED_REFUSED;
        order.joined.code = rc;
        hark_net_keep(order.joined.message, sizeof(order.joined.message), outcome.message);
    }
    return hark_net_order(net, &order, err);
}

/* The home's answer to what we relayed. */
static int handle_joined(struct hark_net *net, struct hark_node *node, struct net_space *notes,
                         const struct hark_net_event *event, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    struct hark_space *space = NULL;
    struct hark_joined joined;
    int rc;

    if (!notes->relay_busy)
        return 0;
    notes->relay_busy = false;
    if (event->code != 0 || hark_joined_decode(&joined, hark_buf_span(&event->load), NULL) != 0 ||
        joined.status == HARK_JOINED_WAITING)
        return 0; /* the next request for it tries again */
    rc = hark_node_space(node, &event->log.space, &space, err);
    if (rc == 0)
        rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = hark_outbox_relayed(outbox, &notes->relaying, joined.status, joined.code,
                                 joined.message, err);
    return rc < 0 ? rc : relay_next(net, space, notes, err);
}

static int handle_answered(struct hark_net *net, struct hark_node *node,
                           const struct hark_net_event *event, struct hark_err *err)
{
    struct net_space *notes = hark_net_notes(net, &event->log.space);

    if (notes == NULL)
        return 0;
    if (event->answer == HARK_MESSAGE_RECEIPTS)
        return hark_net_take_receipts(net, node, notes, event, err);
    return event->answer == HARK_MESSAGE_SHOWN ? handle_proof(net, node, notes, event, err)
                                               : handle_joined(net, node, notes, event, err);
}

int hark_net_handle(struct hark_net *net, struct hark_node *node, struct hark_net_event *event,
                    struct hark_err *err)
{
    int rc = 0;

    switch (event->type) {
    case HARK_NET_APPEND:
        rc = handle_append(net, node, event, err);
        break;
    case HARK_NET_SYNCED:
        rc = handle_synced(net, node, event, err);
        break;
    case HARK_NET_SUBMIT:
        rc = handle_submit(net, node, event, err);
        break;
    case HARK_NET_ACCEPTED:
        rc = handle_accepted(net, node, event, err);
        break;
    case HARK_NET_JOIN:
        rc = handle_join(net, node, event, err);
        break;
    case HARK_NET_COSIGN:
        rc = hark_net_take_notes(net, node, event, err);
        break;
    case HARK_NET_EVIDENCE:
        rc = hark_net_take_evidence(net, node, event, err);
        break;
    default: /* HARK_NET_REFUSED, HARK_NET_ANSWERED */
        rc = handle_answered(net, node, event, err);
        break;
    }
    hark_net_event_free(event);
    return rc;
}
