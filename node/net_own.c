/*
 * Which key this node shows a peer as one of its people. PROTOCOL.md 2.3.
 *
 * Peers let in the X25519 key that the log names. Where a copy of the log is old (put back
 * from a backup, or the log has grown over there just now) that may be one of a later
 * generation than the one known here, and the log cannot be had before the right one is shown.
 * So who is not let in shows the next ones, one after the other, once; and then again the
 * log's, since the peer may be the one that is behind.
 */
#include <stdlib.h>
#include <string.h>

#include "node/generations.h"
#include "node/net_internal.h"

/* The state of a space that is here; NULL: of none, or of an empty one. */
static struct hark_state *state_of(const struct hark_node *node, const struct hark_hash *space)
{
    for (size_t i = 0; i < node->space_count; i++) {
        struct hark_state *state = hark_space_state(node->spaces[i]);

        if (hark_hash_equal(hark_space_id(node->spaces[i]), space))
            return hark_state_size(state) > 0 ? state : NULL;
    }
    return NULL;
}

/* The X25519 key of a member's key in force; zeros: it is none. */
static int key_in_log(struct hark_state *state, const struct hark_key *sign, struct hark_key *out,
                      struct hark_err *err)
{
    struct hark_key_object key = {.until = HARK_NONE};
    uint32_t number = 0;
    bool found = false;
    int rc = state == NULL ? 0 : hark_state_find_key(state, sign, &found, &number, err);

    memset(out, 0, sizeof(*out));
    if (rc == 0 && found)
        rc = hark_state_key(state, number, &key, err);
    if (rc == 0 && found && key.of == HARK_KEY_OF_MEMBER && key.until == HARK_NONE)
        *out = key.box;
    return rc;
}

/* What was shown lives as long as the net: connections have it. */
static int retire(struct hark_net *net, struct net_own *own, struct hark_err *err)
{
    struct hark_box **grown;

    if (own->count == 0)
        return 0;
    grown =
        realloc(net->ticket_owns, (net->ticket_own_count + own->count) * sizeof(struct hark_box *));
    if (grown == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a key");
    net->ticket_owns = grown;
    for (size_t i = 0; i < own->count; i++)
        net->ticket_owns[net->ticket_own_count++] = own->boxes[i];
    own->count = 0;
    return 0;
}

/* The key in the log, and those that come after it where it is a member's. */
static int derive(struct hark_net *net, struct hark_node *node, struct hark_state *state,
                  struct net_own *own, struct hark_err *err)
{
    static const struct hark_key NONE = {{0}};
    struct hark_generations of = {.seed = NULL};
    int rc = retire(net, own, err);

    if (rc == 0)
        rc = hark_generations_begin(&of, node, &own->space, state, own->label, err);
    if (rc < 0)
        return rc;
    own->sign = of.sign;
    rc = key_in_log(state, &of.sign, &own->in_log, err);
    if (rc == 0 && of.found && !hark_key_equal(&own->in_log, &NONE))
        rc =
            hark_generations_boxes(&of, of.number, own->boxes, 1 + NET_OWN_AHEAD, &own->count, err);
    else if (rc == 0) /* who is to join, or shows a key that nobody here can know */
        rc = hark_generations_boxes(&of, 0, own->boxes, 1, &own->count, err);
    own->shown = 0;
    own->rests = false;
    hark_generations_end(&of);
    return rc;
}

/* Has the peer refused the key that is shown? Asked once. */
static bool was_refused(struct hark_net *net, const struct net_own *own)
{
    struct hark_key id = hark_edge_link(&own->curve, own->boxes[own->shown]);
    bool refused = false;

    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->row_count; i++) {
        if (hark_key_equal(&net->rows[i].id, &id)) {
            refused = net->rows[i].refused;
            net->rows[i].refused = false;
        }
    }
    pthread_mutex_unlock(&net->lock);
    return refused;
}

/* After the last one the log's stays: it is the peer that is behind, or does not want us. */
static void show_next(struct net_own *own)
{
    own->rests = own->shown + 1 == own->count;
    own->shown = own->rests ? 0 : own->shown + 1;
}

static struct net_own *find_own(struct hark_net *net, const struct hark_config_peer *peer,
                                const struct hark_hash *space)
{
    struct net_own *grown;

    for (size_t i = 0; i < net->own_count; i++) {
        if (strcmp(net->owns[i].label, peer->as) == 0 &&
            hark_hash_equal(&net->owns[i].space, space) &&
            hark_key_equal(&net->owns[i].curve, &peer->curve))
            return &net->owns[i];
    }
    grown = realloc(net->owns, (net->own_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return NULL;
    net->owns = grown;
    grown = &net->owns[net->own_count++];
    *grown = (struct net_own){.space = *space, .curve = peer->curve};
    hark_net_keep(grown->label, sizeof(grown->label), peer->as);
    return grown;
}

int hark_net_own(struct hark_net *net, struct hark_node *node, const struct hark_config_peer *peer,
                 const struct hark_hash *space, const struct hark_box **out, struct hark_err *err)
{
    struct hark_state *state = state_of(node, space);
    struct net_own *own = find_own(net, peer, space);
    struct hark_key now = {{0}};
    int rc = 0;

    if (own == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a key");
    if (own->count > 0)
        rc = key_in_log(state, &own->sign, &now, err);
    if (rc == 0 && (own->count == 0 || !hark_key_equal(&now, &own->in_log)))
        rc = derive(net, node, state, own, err);
    else if (rc == 0 && own->count > 1 && !own->rests && was_refused(net, own))
        show_next(own);
    if (rc == 0)
        *out = own->boxes[own->shown];
    return rc;
}
