/*
 * The writer's side: who may come in, who may have what, whom to follow and what to
 * hand in, told to the network's thread whenever something changed.
 */
#include <stdlib.h>
#include <string.h>

#include "node/aside.h"
#include "node/net_internal.h"
#include "node/outbox.h"
#include "node/witness.h"

#define ACCESS_MAX     (1u << 22)
#define LINKS_MAX      1024u
#define LINK_LOGS_MAX  4096u
#define ANSWER_WAIT_MS 5000u /* before the same entries are handed in again */

void hark_net_plan_free(struct net_plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->link_count; i++)
        free(plan->links[i].logs);
    for (size_t i = 0; i < plan->submission_count; i++)
        hark_buf_free(&plan->submissions[i].body);
    free(plan->links);
    free(plan->submissions);
    free(plan);
}

void hark_net_space_free(struct net_space *space)
{
    free(space->access);
    free(space->nodes);
    free(space->leaving);
    free(space->asked);
}

struct net_space *hark_net_notes(struct hark_net *net, const struct hark_hash *id)
{
    for (size_t i = 0; i < net->space_count; i++) {
        if (hark_hash_equal(&net->spaces[i].id, id))
            return &net->spaces[i];
    }
    return NULL;
}

/* --- rights --------------------------------------------------------------------------- */

static int add_access(struct net_space *notes, const struct hark_key *curve, bool ticket,
                      struct hark_err *err)
{
    if (notes->access_count == notes->access_room) {
        size_t room = notes->access_room == 0 ? 16 : 2 * notes->access_room;
        struct net_access *grown =
            room > ACCESS_MAX ? NULL : realloc(notes->access, room * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u rights of peers", ACCESS_MAX);
        notes->access = grown;
        notes->access_room = room;
    }
    notes->access[notes->access_count++] =
        (struct net_access){.curve = *curve, .space = notes->id, .ticket = ticket};
    return 0;
}

/* Named no more, but what took its name away is not settled without it (PROTOCOL.md 7.8):
 * it may still have the space. */
static int note_leaving(struct hark_space *space, const struct hark_node_object *was,
                        struct net_space *notes, struct hark_err *err)
{
    bool wanted = false;

    /* What is wrong with cosignatures is said where they are made. */
    if (hark_witness_wants(space, &was->keys.cosigner, &wanted, NULL) < 0 || !wanted)
        return 0;
    notes->leaving[notes->leaving_count++] = was->keys.curve;
    return add_access(notes, &was->keys.curve, false, err);
}

static int note_nodes(const struct hark_node *node, struct hark_space *space, uint64_t count,
                      struct net_space *notes, struct hark_err *err)
{
    int rc = 0;

    free(notes->nodes);
    free(notes->leaving);
    notes->node_count = notes->leaving_count = 0;
    notes->main_with = notes->intake_with = 0;
    notes->named = false;
    notes->nodes = calloc(count + 1, sizeof(*notes->nodes));
    notes->leaving = calloc(count + 1, sizeof(*notes->leaving));
    if (notes->nodes == NULL || notes->leaving == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %llu nodes",
                            (unsigned long long)count);
    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        struct hark_node_object *named = &notes->nodes[notes->node_count];

        rc = hark_state_node(hark_space_state(space), (uint32_t)i, named, err);
        if (rc == 0 && named->until != HARK_NONE)
            rc = note_leaving(space, named, notes, err);
        if (rc < 0 || named->until != HARK_NONE)
            continue;
        notes->node_count++;
        if (hark_key_equal(&named->keys.log, hark_signer_key(node->identity.log)))
            notes->named = true;
        rc = add_access(notes, &named->keys.curve, false, err);
    }
    return rc;
}

/* A member's own node shows the X25519 key of its member's device (PROTOCOL.md 2.3). */
static int note_members(struct hark_state *state, uint64_t count, struct net_space *notes,
                        struct hark_err *err)
{
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        struct hark_member_object member;
        struct hark_key_object key;

        rc = hark_state_key(state, (uint32_t)i, &key, err);
        if (rc < 0 || key.of != HARK_KEY_OF_MEMBER || key.until != HARK_NONE)
            continue;
        rc = hark_state_member(state, key.owner, &member, err);
        if (rc == 0 && member.status == HARK_STATUS_ACTIVE)
            rc = add_access(notes, &key.box, false, err);
    }
    return rc;
}

/* Good or not: who came by one may ask what became of the request, and is told by name
 * what became of the ticket. */
static int note_tickets(struct hark_state *state, uint64_t count, struct net_space *notes,
                        struct hark_err *err)
{
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        struct hark_ticket_object ticket;

        rc = hark_state_ticket(state, (uint32_t)i, &ticket, err);
        if (rc == 0)
            rc = add_access(notes, &ticket.curve, true, err);
    }
    return rc;
}

static struct net_space *make_notes(struct hark_net *net, const struct hark_hash *id)
{
    struct net_space *grown, *notes = hark_net_notes(net, id);

    if (notes != NULL)
        return notes;
    grown = realloc(net->spaces, (net->space_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return NULL;
    net->spaces = grown;
    notes = &net->spaces[net->space_count++];
    memset(notes, 0, sizeof(*notes));
    notes->id = *id;
    return notes;
}

static int note_space(struct hark_net *net, const struct hark_node *node, struct hark_space *space,
                      struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct net_space *notes = make_notes(net, hark_space_id(space));
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc;

    if (notes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a space's rights");
    if (notes->noted && notes->leaving_count == 0 && notes->stamp == hark_space_rights(space))
        return 0;
    notes->access_count = 0;
    rc = hark_state_counts(state, counts, err);
    if (rc == 0)
        rc = note_nodes(node, space, counts[HARK_SECTION_NODE], notes, err);
    if (rc == 0)
        rc = note_members(state, counts[HARK_SECTION_KEY], notes, err);
    if (rc == 0)
        rc = note_tickets(state, counts[HARK_SECTION_TICKET], notes, err);
    notes->stamp = hark_space_rights(space);
    notes->noted = rc == 0;
    net->access_told = false;
    return rc;
}

int hark_net_compare_access(const void *a, const void *b)
{
    return memcmp(((const struct net_access *)a)->curve.bytes,
                  ((const struct net_access *)b)->curve.bytes, HARK_KEY_SIZE);
}

static struct hark_hash hash_peers(const struct hark_config *config)
{
    struct hark_sha256 hash;

    hark_sha256_init(&hash);
    for (size_t i = 0; i < config->peer_count; i++) {
        if (!config->peers[i].paused)
            hark_sha256_update(&hash, config->peers[i].curve.bytes, HARK_KEY_SIZE);
    }
    return hark_sha256_final(&hash);
}

/* All spaces' rights in one table, and the operator's peers, who are let in and have
 * no rights by that. Those may be others at any time. */
static int tell_access(struct hark_net *net, const struct hark_node *node, struct hark_err *err)
{
    const struct hark_config *config = node->config;
    struct hark_hash peers = hash_peers(config);
    struct net_access *all, *old;
    size_t count = config->peer_count, at = 0;

    if (net->access_told && hark_hash_equal(&peers, &net->peers_told))
        return 0;
    net->access_told = false;
    for (size_t i = 0; i < net->space_count; i++)
        count += net->spaces[i].access_count;
    all = malloc((count + 1) * sizeof(*all));
    if (all == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu rights", count);
    for (size_t i = 0; i < net->space_count; i++) {
        const struct net_space *notes = &net->spaces[i];

        if (notes->access_count > 0)
            memcpy(all + at, notes->access, notes->access_count * sizeof(*all));
        at += notes->access_count;
    }
    for (size_t i = 0; i < config->peer_count; i++) {
        all[at] = (struct net_access){.curve = config->peers[i].curve, .ticket = true};
        at += config->peers[i].paused ? 0 : 1;
    }
    qsort(all, at, sizeof(*all), hark_net_compare_access);
    pthread_mutex_lock(&net->lock);
    old = net->access;
    net->access = all;
    net->access_count = at;
    pthread_mutex_unlock(&net->lock);
    free(old);
    net->access_told = true;
    net->peers_told = peers;
    return 0;
}

/* --- whom to follow -------------------------------------------------------------------- */

static int link_to(struct net_plan *plan, const struct hark_key *curve, const struct hark_box *own,
                   struct net_link **out, struct hark_err *err)
{
    struct hark_key id = hark_edge_link(curve, own);

    for (size_t i = 0; i < plan->link_count; i++) {
        if (hark_key_equal(&plan->links[i].id, &id)) {
            *out = &plan->links[i];
            return 0;
        }
    }
    if (plan->link_count == plan->link_room) {
        size_t room = plan->link_room == 0 ? 8 : 2 * plan->link_room;
        struct net_link *grown =
            room > LINKS_MAX ? NULL : realloc(plan->links, room * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u peers", LINKS_MAX);
        plan->links = grown;
        plan->link_room = room;
    }
    *out = &plan->links[plan->link_count++];
    memset(*out, 0, sizeof(**out));
    (*out)->id = id;
    (*out)->curve = *curve;
    (*out)->own = own;
    return 0;
}

static int add_log(struct net_link *link, const struct hark_hash *space, const char *node,
                   struct hark_err *err)
{
    struct hark_log_ref log = {.space = *space};

    hark_net_keep(log.node, sizeof(log.node), node);
    for (size_t i = 0; i < link->log_count; i++) {
        if (hark_hash_equal(&link->logs[i].space, space) &&
            strcmp(link->logs[i].node, log.node) == 0)
            return 0;
    }
    if (link->log_count == link->log_room) {
        size_t room = link->log_room == 0 ? 8 : 2 * link->log_room;
        struct hark_log_ref *grown =
            room > LINK_LOGS_MAX ? NULL : realloc(link->logs, room * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u logs at one peer", LINK_LOGS_MAX);
        link->logs = grown;
        link->log_room = room;
    }
    link->logs[link->log_count++] = log;
    return 0;
}

/* PROTOCOL.md 9.3: the main log, and the intake logs of all nodes now named. */
static int add_space(struct hark_net *net, struct net_link *link, const struct hark_hash *space,
                     struct hark_err *err)
{
    const struct net_space *notes = hark_net_notes(net, space);
    int rc = add_log(link, space, "", err);

    for (size_t i = 0; rc == 0 && notes != NULL && i < notes->node_count; i++)
        rc = add_log(link, space, notes->nodes[i].name, err);
    return rc;
}

static int link_configured(struct hark_net *net, struct hark_node *node,
                           const struct hark_config_peer *peer, struct net_plan *plan,
                           struct hark_err *err)
{
    struct net_link *link = NULL;
    int rc = 0;

    if (peer->as[0] == '\0')
        rc = link_to(plan, &peer->curve, NULL, &link, err);
    for (size_t i = 0; rc == 0 && i < peer->space_count; i++) {
        const struct hark_box *own = NULL;

        if (peer->as[0] != '\0') {
            rc = hark_net_own(net, node, peer, &peer->spaces[i], &own, err);
            if (rc == 0)
                rc = link_to(plan, &peer->curve, own, &link, err);
        }
        if (rc == 0 && peer->as[0] != '\0') {
            hark_net_keep(link->address, sizeof(link->address), peer->address);
            link->paused = peer->paused;
        }
        if (rc == 0)
            rc = add_space(net, link, &peer->spaces[i], err);
    }
    if (rc == 0 && link != NULL) {
        hark_net_keep(link->address, sizeof(link->address), peer->address);
        link->paused = peer->paused;
    }
    return rc;
}

/* A space that is set aside is asked for everywhere: nobody here can say any more which
 * nodes have it. Who may not tell us, does not. */
static int link_asides(struct hark_net *net, const struct hark_node *node, struct net_plan *plan,
                       struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_aside_list(node, &ids, &count, err);

    for (size_t i = 0; rc == 0 && i < plan->link_count; i++) {
        for (size_t j = 0; rc == 0 && plan->links[i].own == NULL && j < count; j++)
            rc = add_space(net, &plan->links[i], &ids[j], err);
    }
    free(ids);
    return rc;
}

/* The other nodes named in a space that we are named in, whoever connects to whom. Who is
 * leaving is asked about the main log, since a node shows what it has cosigned to those who
 * ask (9.3), and it is waited for. */
static int link_named(struct hark_net *net, const struct hark_node *node,
                      const struct net_space *notes, struct net_plan *plan, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && notes->named && i < notes->node_count; i++) {
        const struct hark_node_object *named = &notes->nodes[i];
        struct net_link *link = NULL;

        if (hark_key_equal(&named->keys.log, hark_signer_key(node->identity.log)))
            continue;
        rc = link_to(plan, &named->keys.curve, NULL, &link, err);
        if (rc == 0)
            rc = add_space(net, link, &notes->id, err);
    }
    for (size_t i = 0; rc == 0 && notes->named && i < notes->leaving_count; i++) {
        struct net_link *link = NULL;

        rc = link_to(plan, &notes->leaving[i], NULL, &link, err);
        if (rc == 0)
            rc = add_log(link, &notes->id, "", err);
    }
    return rc;
}

/* --- what to hand in ----------------------------------------------------------------------- */

/* The link by which the space is followed at the node that goes by that name. */
static bool find_link(const struct net_plan *plan, const struct net_space *notes, const char *name,
                      struct hark_key *id)
{
    for (size_t i = 0; i < notes->node_count; i++) {
        if (strcmp(notes->nodes[i].name, name) != 0)
            continue;
        for (size_t j = 0; j < plan->link_count; j++) {
            const struct net_link *link = &plan->links[j];

            for (size_t k = 0; k < link->log_count; k++) {
                if (hark_key_equal(&link->curve, &notes->nodes[i].keys.curve) &&
                    hark_hash_equal(&link->logs[k].space, &notes->id)) {
                    *id = link->id;
                    return true;
                }
            }
        }
    }
    return false;
}

/* The home hands in nothing but the entry by which it moves away. */
static int plan_submission(const struct hark_node *node, struct net_space *notes,
                           struct hark_space *space, struct net_plan *plan, uint64_t *next_ms,
                           struct hark_err *err)
{
    struct net_submission *now = &plan->submissions[plan->submission_count];
    struct hark_node_object home;
    uint64_t timer_ms = hark_timer_ms();
    struct hark_hash hash;
    char to[HARK_NODE_NAME_MAX + 1] = "";
    size_t count = 0;
    int rc = hark_space_moving(space, to, err);

    if (rc < 0 || (hark_node_is_home(node, space) && to[0] == '\0'))
        return rc;

    memset(now, 0, sizeof(*now));
    now->space = notes->id;
    now->body = hark_buf_init(HARK_BODY_MAX);
    rc = hark_space_outbox_body(space, hark_now_ms(), &now->body, &count, err);
    if (rc < 0 || count == 0) {
        hark_buf_free(&now->body);
        notes->submit_hash = (struct hark_hash){{0}};
        return rc;
    }
    plan->submission_count++;
    hash = hark_sha256(hark_buf_span(&now->body));
    if (!hark_hash_equal(&hash, &notes->submit_hash)) {
        notes->submit_hash = hash;
        notes->submit_after_ms = 0;
        notes->submit_stamp++;
    } else if (notes->submit_after_ms != 0 && timer_ms >= notes->submit_after_ms) {
        notes->submit_after_ms = 0;
        notes->submit_stamp++;
    }
    if (notes->submit_after_ms != 0 && (*next_ms == 0 || notes->submit_after_ms < *next_ms))
        *next_ms = notes->submit_after_ms;
    now->stamp = notes->submit_stamp;
    if (to[0] == '\0' && hark_space_home(space, &home, NULL) == 0)
        hark_net_keep(to, sizeof(to), home.name);
    now->preferred = find_link(plan, notes, to, &now->to);
    return 0;
}

static int make_plan(struct hark_net *net, struct hark_node *node, struct net_plan *plan,
                     uint64_t *next_ms, struct hark_err *err)
{
    const struct hark_config *config = node->config;
    int rc = 0;

    plan->submissions = calloc(node->space_count + 1, sizeof(*plan->submissions));
    if (plan->submissions == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is handed in");
    for (size_t i = 0; rc == 0 && i < config->peer_count; i++)
        rc = link_configured(net, node, &config->peers[i], plan, err);
    for (size_t i = 0; rc == 0 && i < net->space_count; i++)
        rc = link_named(net, node, &net->spaces[i], plan, err);
    if (rc == 0)
        rc = link_asides(net, node, plan, err);
    for (size_t i = 0; rc == 0 && i < node->space_count; i++) {
        struct net_space *notes = hark_net_notes(net, hark_space_id(node->spaces[i]));

        if (notes != NULL)
            rc = plan_submission(node, notes, node->spaces[i], plan, next_ms, err);
    }
    return rc;
}

/* --- before the first signature (PROTOCOL.md 7.6) --------------------------------------------- */

/* Another node is named that could know more of what we sign: of our intake, and of the
 * main log. Who was put back from a backup may find only there that it is the home. */
static bool to_be_compared(const struct net_space *notes)
{
    return notes != NULL && notes->named && notes->node_count > 1 &&
           !(notes->main_compared && notes->intake_compared);
}

/* One node may have heard less of what we signed than another. */
static bool with_all(const struct net_space *notes)
{
    uint64_t both = notes->main_with & notes->intake_with;
    size_t count = 0;

    for (; both != 0; both &= both - 1)
        count++;
    return count + 1 >= notes->node_count;
}

bool hark_net_waits(const struct hark_net *net)
{
    return hark_timer_ms() < net->compare_ms;
}

/* The same of people's feeds, at a node that is not named and was put back. */
static bool feeds_wait(const struct hark_node *node, const struct net_space *notes)
{
    return notes != NULL && !notes->named && node->moved && !notes->main_compared;
}

static bool is_to_wait(const struct hark_net *net, const struct hark_node *node,
                       const struct net_space *notes)
{
    return to_be_compared(notes) || feeds_wait(node, notes) ||
           (notes != NULL && notes->named && node->moved && !with_all(notes) &&
            hark_net_waits(net));
}

bool hark_net_compared(struct hark_net *net, struct hark_node *node)
{
    bool all = true;

    for (size_t i = 0; i < node->space_count; i++) {
        const struct net_space *notes = hark_net_notes(net, hark_space_id(node->spaces[i]));

        all = all && !is_to_wait(net, node, notes);
    }
    return all;
}

bool hark_net_unsettling(struct hark_net *net, const struct hark_hash *space)
{
    const struct net_space *notes = hark_net_notes(net, space);

    return notes != NULL && notes->unsettling;
}

static void hold_spaces(struct hark_net *net, struct hark_node *node, uint64_t *next_ms)
{
    bool waited = !hark_net_waits(net), held = false;
    char to[HARK_NODE_NAME_MAX + 1];

    for (size_t i = 0; i < node->space_count; i++) {
        const struct net_space *notes = hark_net_notes(net, hark_space_id(node->spaces[i]));
        bool hold = is_to_wait(net, node, notes) && (node->moved || !waited);

        /* Moving away: it has signed its last. */
        if (hark_space_moving(node->spaces[i], to, NULL) < 0)
            to[0] = '\0';
        hold = hold || to[0] != '\0' || hark_aside_is(node, hark_space_id(node->spaces[i]));
        hark_space_hold(node->spaces[i], hold);
        held = held || hold;
    }
    if (held && !waited && (*next_ms == 0 || net->compare_ms < *next_ms))
        *next_ms = net->compare_ms;
    if (!held && node->moved && hark_net_compared(net, node))
        hark_node_settle(node);
}

/* --- telling ------------------------------------------------------------------------------- */

static int gather(struct hark_net *net, struct hark_node *node, struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_node_spaces(node, &ids, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct hark_space *space;

        rc = hark_node_space(node, &ids[i], &space, err);
        /* The others go on; `hark repair` mends it. */
        if (hark_err_exit(rc) == 5)
            rc = 0;
        else if (rc == 0)
            rc = note_space(net, node, space, err);
    }
    free(ids);
    return rc;
}

/* A home is its own witness: what it writes goes into its log. */
static int ask_receipts(struct hark_net *net, struct hark_node *node, uint64_t *next_ms,
                        struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < node->space_count; i++) {
        struct net_space *notes = hark_net_notes(net, hark_space_id(node->spaces[i]));

        if (notes != NULL && !hark_node_is_home(node, node->spaces[i]))
            rc = hark_net_ask_receipts(net, node->spaces[i], notes, next_ms, err);
    }
    return rc;
}

int hark_net_update(struct hark_net *net, struct hark_node *node, uint64_t *next_ms,
                    struct hark_err *err)
{
    struct net_plan *plan = calloc(1, sizeof(*plan)), *unused;
    uint64_t next = 0;
    int rc = plan == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a plan")
                          : gather(net, node, err);

    if (rc == 0) {
        hold_spaces(net, node, &next);
        rc = hark_net_take_over(net, node, err);
    }
    /* Taking over may have changed them once more. */
    if (rc == 0)
        rc = gather(net, node, err);
    if (rc == 0)
        rc = tell_access(net, node, err);
    if (rc == 0)
        rc = make_plan(net, node, plan, &next, err);
    if (rc < 0) {
        hark_net_plan_free(plan);
        return rc;
    }
    pthread_mutex_lock(&net->lock);
    unused = net->plan;
    net->plan = plan;
    net->grown = true;
    net->unsent = plan->submission_count;
    pthread_mutex_unlock(&net->lock);
    hark_net_plan_free(unused);
    hark_edge_wake(net->edge);
    rc = ask_receipts(net, node, &next, err);
    if (next_ms != NULL)
        *next_ms = next;
    return rc;
}
