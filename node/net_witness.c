/*
 * The writer's part in cosigning: what this node signs, what others show, and what is
 * shown to them. PROTOCOL.md 7.8.
 */
#include <string.h>

#include "node/aside.h"
#include "node/convict.h"
#include "node/net_internal.h"
#include "node/witness.h"

/* --- what is shown ------------------------------------------------------------------- */

static int hand_over(struct hark_net *net, const struct hark_hash *space, struct hark_buf *body,
                     uint64_t version, struct hark_err *err)
{
    struct net_shown *slot;
    int rc = 0;

    pthread_mutex_lock(&net->lock);
    slot = hark_net_find_or_add_shown(net, space);
    if (slot != NULL) {
        struct hark_buf old = slot->body;

        slot->body = *body;
        *body = old;
        slot->version = version;
        slot->notes_fresh = true;
    } else {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for cosignatures");
    }
    pthread_mutex_unlock(&net->lock);
    hark_edge_wake(net->edge);
    return rc;
}

/* How far what is kept has come, as peers note it when they are shown it: it does not go back
 * where the space has been opened anew, which counts from the files on. notes: NULL: none. */
static uint64_t version_of(struct net_space *notes, const struct hark_notes *kept)
{
    uint64_t version = hark_notes_version(kept);

    if (notes == NULL)
        return version;
    if (version < notes->kept_version)
        notes->version_base += notes->kept_version;
    notes->kept_version = version;
    return notes->version_base + version;
}

/* Hands the network's thread what it shows of the space from now on, if that changed. */
static int show(struct hark_net *net, struct hark_space *space, struct net_space *notes,
                struct hark_err *err)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    const struct hark_notes *kept = NULL;
    size_t count = 0;
    uint64_t version;
    int rc = hark_witness_notes(space, &kept, err);

    if (rc < 0 || (version = version_of(notes, kept)) == notes->shown_version)
        return rc;
    rc = hark_witness_body(space, &body, &count, err);
    if (rc == 0 && count > 0)
        rc = hand_over(net, &notes->id, &body, version, err);
    if (rc == 0)
        notes->shown_version = version;
    hark_buf_free(&body);
    return rc;
}

/* --- signing --------------------------------------------------------------------------- */

/* Q5. A space that is set aside is not the log it will be. */
static bool may_sign(const struct hark_net *net, const struct hark_node *node,
                     struct hark_space *space, const struct net_space *notes)
{
    return notes->main_compared && hark_timer_ms() >= net->cosign_ms && !hark_space_held(space) &&
           !hark_aside_is(node, &notes->id);
}

/* *due_s: when to sign again, 0: when something happens. */
static int sign(const struct hark_node *node, struct hark_space *space, uint64_t now_s,
                uint64_t *due_s, struct hark_err *err)
{
    const struct hark_config *config = node->config;
    uint64_t every_s = config->date_log_s != 0 ? config->date_log_s : HARK_DATE_LOG_S;
    bool done = false;
    int rc = hark_witness_cosign(space, node->identity.cosigner, now_s, &done, err);

    if (rc == 0 && hark_node_is_home(node, space))
        rc = hark_witness_date(space, node->identity.cosigner, every_s, now_s, due_s, &done, err);
    return rc == 0 ? hark_witness_cosign_intakes(space, node->identity.cosigner, now_s, err) : rc;
}

/* By the timer, which no clock sets. */
static void bring_forward(uint64_t *next_ms, uint64_t now_s, uint64_t due_s)
{
    uint64_t wait_s = due_s > now_s ? due_s - now_s : 0, at_ms;

    if (next_ms == NULL || due_s == 0)
        return;
    at_ms = hark_timer_ms() + 1000 * (wait_s < HARK_DATE_LOG_MAX_S ? wait_s : HARK_DATE_LOG_MAX_S);
    if (*next_ms == 0 || at_ms < *next_ms)
        *next_ms = at_ms;
}

static int witness_space(struct hark_net *net, const struct hark_node *node,
                         struct hark_space *space, struct net_space *notes, uint64_t *next_ms,
                         struct hark_err *err)
{
    uint64_t now_s = hark_now_ms() / 1000, due_s = 0;
    int rc = hark_witness_compare(space, err);

    if (rc == 0)
        rc = hark_witness_check_dates(space, err);
    if (rc == 0)
        rc = hark_convict_twins(space, err);
    if (rc == 0 && may_sign(net, node, space, notes))
        rc = sign(node, space, now_s, &due_s, err);
    bring_forward(next_ms, now_s, due_s);
    if (rc == 0)
        rc = hark_convict_withheld(space, hark_now_ms(), err);
    if (rc == 0)
        rc = show(net, space, notes, err);
    return rc == 0 ? hark_net_show_evidence(net, space, notes, err) : rc;
}

int hark_net_witness(struct hark_net *net, struct hark_node *node, uint64_t *next_ms,
                     struct hark_err *err)
{
    int outcome = 0;

    for (size_t i = 0; i < node->space_count; i++) {
        struct net_space *notes = hark_net_notes(net, hark_space_id(node->spaces[i]));
        struct hark_err said = {0};
        int rc =
            notes == NULL ? 0 : witness_space(net, node, node->spaces[i], notes, next_ms, &said);

        if (rc == 0 || outcome != 0)
            continue;
        outcome = rc;
        *err = said;
    }
    return outcome;
}

/* --- what others show -------------------------------------------------------------------- */

/* As much as can be taken; the first thing wrong is what it is answered with. That somebody's
 * home has two histories is nothing that who shows it did wrong. */
static int take_notes(struct hark_space *space, const struct hark_span *notes, size_t count,
                      struct hark_err *err)
{
    int outcome = 0;

    for (size_t i = 0; i < count; i++) {
        struct hark_err said = {0};
        int rc = hark_witness_take(space, notes[i], &said);

        if (rc == 0 || rc == HARK_E_PEER_FORK || outcome != 0)
            continue;
        outcome = rc;
        if (err != NULL)
            *err = said;
        if (rc == HARK_E_PEER_FORM)
            break;
    }
    return outcome;
}

static int take(struct hark_net *net, struct hark_node *node, const struct hark_net_event *event,
                struct net_order *order, struct hark_err *err)
{
    struct net_space *notes = hark_net_notes(net, &event->log.space);
    struct hark_span list[HARK_COSIGN_MAX];
    const struct hark_notes *kept = NULL;
    struct hark_space *space = NULL;
    struct hark_hash id;
    size_t count = 0;
    int outcome, rc = hark_cosign_decode(&id, list, &count, hark_buf_span(&event->load), err);

    if (rc == 0)
        rc = hark_node_space(node, &event->log.space, &space, err);
    if (rc == 0)
        rc = hark_witness_notes(space, &kept, err);
    if (rc < 0)
        return rc;
    order->before = version_of(notes, kept);
    outcome = take_notes(space, list, count, err);
    order->after = version_of(notes, kept);
    /* Before the core hears of it, which else would show the peer what it has brought. */
    if (notes != NULL)
        rc = show(net, space, notes, NULL);
    return outcome != 0 ? outcome : rc;
}

int hark_net_take_notes(struct hark_net *net, struct hark_node *node,
                        const struct hark_net_event *event, struct hark_err *err)
{
    struct net_order order = {.type = NET_COSIGNED, .token = event->token};
    struct hark_err outcome = {0};

    order.code = take(net, node, event, &order, &outcome);
    return hark_net_order(net, &order, err);
}

/* --- the network's thread ------------------------------------------------------------------ */

int hark_net_io_notes(void *arg, const struct hark_hash *space, uint64_t *version,
                      struct hark_buf *out, struct hark_err *err)
{
    struct hark_net *net = arg;
    const struct net_shown *slot;
    bool shown;
    int rc = 0;

    pthread_mutex_lock(&net->lock);
    slot = hark_net_find_shown(net, space);
    shown = slot != NULL && slot->body.size > 0;
    *version = shown ? slot->version : 0;
    if (shown && out != NULL)
        rc = hark_buf_append_span(out, hark_buf_span(&slot->body), err);
    pthread_mutex_unlock(&net->lock);
    return shown ? rc : hark_err_set(err, HARK_E_NOT_FOUND, "nothing of that space is cosigned");
}
