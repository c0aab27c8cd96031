/*
 * Joining from elsewhere: the nodes that the ticket names are asked, all of them, with
 * the ticket's CURVE key: for the terms, then, after consent, to hand the sealed request
 * to the steward. What was sent is kept in joins/<space id>.json, so that the same
 * command goes on with the same key and the same bytes, whatever ended it:
 *
 *     {"format":"hark/joining/1","ticket":…,"label":…,"state":…,"sealed":…}
 *
 * state: "sent", "admitted" (the copy and the profile are still to come), "done".
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_join.h"
#include "node/files.h"

#define STEP_MS        50
#define ASK_AGAIN_MS   1000u
#define RECORD_MAX     (64u * 1024u)
#define HAND_IN_MS     5000u /* how long a profile is waited for */
#define PEER_NAME_ROOM 54u   /* of a node's name, with ".<8 hex>" behind it */

enum record_state { RECORD_NONE, RECORD_SENT, RECORD_ADMITTED, RECORD_DONE };
static const char *const STATES[] = {"", "sent", "admitted", "done"};

/* A node of the ticket, as it is being asked. */
struct asked {
    struct hark_key link;
    const struct hark_ticket_node *node;
    bool pending; /* a question is out */
    bool useless; /* it does not take this question, and will not */
    uint64_t again_ms;
};

struct session {
    struct hark_cmd *cmd;
    struct hark_joining *join;
    struct hark_net *net, *own;
    size_t count;
    struct asked nodes[HARK_TICKET_ADDRESSES_MAX];
    uint64_t until_ms;
    enum record_state state;
    struct hark_buf sealed;
    char waiting_at[HARK_NODE_NAME_MAX + 1]; /* who relays; empty: nobody */
    struct hark_err last;                    /* why the last answer was none */
};

/* --- what is kept ------------------------------------------------------------------- */

static int record_path(const struct session *s, char *path, struct hark_err *err)
{
    char dir[HARK_PATH_MAX], name[2 * HARK_HASH_SIZE + 8], hex[2 * HARK_HASH_SIZE + 1];
    int rc = hark_path_join(dir, s->cmd->node->dir, "joins", err);

    hark_hash_hex(hex, &s->join->ticket.spaces[0]);
    (void)snprintf(name, sizeof(name), "%s.json", hex);
    if (rc == 0)
        rc = hark_dir_make(dir, err);
    return rc < 0 ? rc : hark_path_join(path, dir, name, err);
}

static int save_record(struct session *s, enum record_state state, struct hark_err *err)
{
    struct hark_buf sealed = hark_buf_init(RECORD_MAX);
    char path[HARK_PATH_MAX], ticket[HARK_HEX_SIZE];
    json_t *json = NULL;
    char *text = NULL;
    int rc = record_path(s, path, err);

    s->state = state;
    hark_key_hex(ticket, hark_signer_key(s->join->ticket_key));
    if (rc == 0)
        rc = hark_base64_encode(&sealed, hark_buf_span(&s->sealed), err);
    if (rc == 0)
        rc = hark_buf_terminate(&sealed, err);
    if (rc == 0) {
        json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "format", "hark/joining/1", "ticket", ticket,
                         "label", s->join->label, "state", STATES[state], "sealed",
                         (const char *)sealed.data);
        text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
        rc = text == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %s", path)
                          : hark_file_write(path, hark_span_str(text), 0600, err);
    }
    free(text);
    json_decref(json);
    hark_buf_free(&sealed);
    return rc;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL ? text : "";
}

/* A record of this ticket, and of this person if one was named, is gone on with. One of
 * another ticket that was not answered for good lends its key: whichever is admitted
 * first, it is one member. */
static int use_record(struct session *s, const json_t *json, struct hark_err *err)
{
    const char *label = text_of(json, "label"), *as = s->cmd->globals.as;
    char ticket[HARK_HEX_SIZE];
    int state = RECORD_DONE;

    hark_key_hex(ticket, hark_signer_key(s->join->ticket_key));
    while (state > 0 && strcmp(text_of(json, "state"), STATES[state]) != 0)
        state--;
    if (state == RECORD_NONE || strcmp(text_of(json, "format"), "hark/joining/1") != 0 ||
        !hark_label_valid(label) || (as != NULL && strcmp(as, label) != 0))
        return 0;
    if (strcmp(text_of(json, "ticket"), ticket) == 0) {
        if (hark_base64_decode(&s->sealed, hark_span_str(text_of(json, "sealed")), NULL) < 0 ||
            s->sealed.size == 0)
            return hark_err_set(err, HARK_E_DAMAGED, "the request to join that was kept");
        s->state = (enum record_state)state;
    } else if (state != RECORD_SENT) {
        return 0;
    }
    return hark_node_person(s->cmd->node, &s->join->ticket.spaces[0], label, &s->join->joiner,
                            s->join->label, err);
}

static int load_record(struct session *s, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(RECORD_MAX);
    char path[HARK_PATH_MAX];
    json_t *json = NULL;
    int rc = record_path(s, path, err);

    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    if (rc == 0) {
        json = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
        rc = use_record(s, json, err);
    }
    json_decref(json);
    hark_buf_free(&text);
    return rc == HARK_E_NOT_FOUND && s->state == RECORD_NONE ? 0 : rc;
}

/* --- asking ------------------------------------------------------------------------- */

static int connect_all(struct session *s, struct hark_err *err)
{
    const struct hark_ticket *ticket = &s->join->ticket;
    int rc = 0;

    if (ticket->node_count == 0) {
        rc = hark_err_set(err, HARK_E_PEER_UNREACHABLE, "this ticket names no node to turn to");
        hark_err_hint(err, "join at the home of the space, or ask for another ticket");
        return rc;
    }
    for (size_t i = 0; i < ticket->node_count && rc == 0; i++) {
        struct asked *asked = &s->nodes[s->count];
        struct hark_box *box = NULL;

        rc = hark_ticket_keys(ticket->secret, NULL, &box, err);
        if (rc == 0)
            rc = hark_net_connect(s->net, &ticket->nodes[i].keys.curve, box,
                                  ticket->nodes[i].addresses[0], &asked->link, err);
        asked->node = &ticket->nodes[i];
        s->count++;
    }
    return rc;
}

static int ask(struct session *s, struct asked *asked, uint8_t type, struct hark_err *err)
{
    const struct hark_hash *space = &s->join->ticket.spaces[0];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint64_t now = hark_timer_ms();
    int rc = type == HARK_MESSAGE_TERMS
                 ? hark_terms_encode(&body, space, err)
                 : hark_join_encode(&body, space, hark_buf_span(&s->sealed), err);

    if (rc == 0)
        rc = hark_net_request(s->net, &asked->link, type, hark_buf_span(&body),
                              s->until_ms > now ? s->until_ms - now : 1, err);
    asked->pending = rc == 0;
    hark_buf_free(&body);
    return rc;
}

static struct asked *find_asked(struct session *s, const struct hark_net_event *event)
{
    for (size_t i = 0; event->type == HARK_NET_ANSWERED && i < s->count; i++) {
        if (hark_key_equal(&s->nodes[i].link, &event->peer))
            return &s->nodes[i];
    }
    return NULL;
}

/* What an answer means: 1 that it is the one waited for, 0 to go on, or an error that
 * ends it. */
typedef int answer_fn(struct session *s, struct asked *asked, const struct hark_net_event *event,
                      struct hark_err *err);

/* One step of waiting: our answers to `fn` (may be NULL), the rest to the writer, as a
 * daemon's own loop does. */
static int step(struct session *s, answer_fn *fn, struct hark_err *err)
{
    struct pollfd fd = {.fd = hark_net_fd(s->net), .events = POLLIN};
    struct hark_net_event event;
    bool any = false;
    int rc = 0;

    if (poll(&fd, 1, STEP_MS) < 0 && errno != EINTR)
        return hark_err_errno(err, errno, "poll");
    while (rc == 0 && hark_net_next(s->net, &event)) {
        struct asked *asked = find_asked(s, &event);

        if (asked == NULL) {
            any = true;
            rc = hark_net_handle(s->net, s->cmd->node, &event, err);
            continue;
        }
        asked->pending = false;
        asked->again_ms = hark_timer_ms() + ASK_AGAIN_MS;
        if (fn != NULL)
            rc = fn(s, asked, &event, err);
        hark_net_event_free(&event);
    }
    if (rc >= 0 && any) {
        int told = hark_net_update(s->net, s->cmd->node, NULL, err);

        rc = told < 0 ? told : rc;
    }
    return rc;
}

/* Asks all until one answers for good. */
static int ask_all(struct session *s, uint8_t type, answer_fn *fn, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; i < s->count; i++) {
        s->nodes[i].useless = false;
        s->nodes[i].pending = false;
        s->nodes[i].again_ms = 0;
    }
    while (rc == 0) {
        size_t useful = 0;

        for (size_t i = 0; i < s->count && rc == 0; i++) {
            struct asked *asked = &s->nodes[i];

            useful += !asked->useless;
            if (!asked->useless && !asked->pending && hark_timer_ms() >= asked->again_ms)
                rc = ask(s, asked, type, err);
        }
        if (rc == 0 && (useful == 0 || hark_timer_ms() >= s->until_ms))
            break;
        if (rc == 0)
            rc = step(s, fn, err);
    }
    return rc;
}

/* A node that could not answer may be another time, unless it said that it never
 * will. */
static void note_failure(struct session *s, struct asked *asked, int code, const char *message)
{
    if (s->last.code == 0 || code != HARK_E_PEER_UNREACHABLE)
        (void)hark_err_set(&s->last, code, "%s: %s", asked->node->name,
                           message != NULL && message[0] != '\0' ? message : hark_err_name(code));
    asked->useless = code != HARK_E_PEER_UNREACHABLE && hark_err_exit(code) != 4;
}

static int give_up(struct session *s, struct hark_err *err)
{
    int rc;

    if (s->last.code != 0 && s->last.code != HARK_E_PEER_UNREACHABLE) {
        if (err != NULL)
            *err = s->last;
        return s->last.code;
    }
    rc = hark_err_set(err, HARK_E_PEER_UNREACHABLE, "no node that the ticket names answered");
    hark_err_hint(err, "`hark join` with the same ticket goes on where it was");
    return rc;
}

/* --- terms --------------------------------------------------------------------------- */

static int on_terms(struct session *s, struct asked *asked, const struct hark_net_event *event,
                    struct hark_err *err)
{
    struct hark_err why = {0};
    int rc = event->code;

    (void)err;
    if (rc == 0 && event->answer == HARK_MESSAGE_SHOWN)
        rc = hark_join_read_terms(&s->join->ticket.spaces[0], hark_buf_span(&event->load),
                                  &s->join->terms, &why);
    else if (rc == 0)
        return 0;
    if (rc == 0)
        return 1;
    note_failure(s, asked, rc, why.message);
    return 0;
}

/* --- the request ------------------------------------------------------------------------ */

/* Kept before it is sent: a key that the steward knows must not be lost. */
static int seal_request(struct session *s, struct hark_err *err)
{
    struct hark_join_request *request = malloc(sizeof(*request));
    int rc = request == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request")
                             : hark_joining_request(s->join, request, err);

    if (rc == 0) {
        hark_buf_clear(&s->sealed);
        rc = hark_join_request_seal(&s->sealed, request, &s->join->terms.steward_box, err);
    }
    if (rc == 0)
        rc = save_record(s, RECORD_SENT, err);
    if (request != NULL)
        hark_wipe(request, sizeof(*request));
    free(request);
    return rc;
}

/* Which node was asked does not matter, but that it could not take it. */
static bool is_of_the_node(int code)
{
    return code == HARK_E_ACCEPT_NOT_HERE || code == HARK_E_PEER_SPACE ||
           code == HARK_E_PEER_REFUSED || code == HARK_E_PEER_FORM;
}

static int on_joined(struct session *s, struct asked *asked, const struct hark_net_event *event,
                     struct hark_err *err)
{
    struct hark_joined joined = {.status = HARK_JOINED_WAITING};
    int rc = event->code;

    if (rc == 0 && event->answer != HARK_MESSAGE_JOINED)
        return 0;
    if (rc == 0)
        rc = hark_joined_decode(&joined, hark_buf_span(&event->load), NULL);
    if (rc == 0 && joined.status == HARK_JOINED_ADMITTED)
        return 1;
    if (rc == 0 && joined.status == HARK_JOINED_WAITING) {
        memcpy(s->waiting_at, asked->node->name, sizeof(s->waiting_at));
        return 0;
    }
    if (rc == 0 && !is_of_the_node(joined.code)) {
        rc = hark_err_set(err, joined.code, "%s", joined.message);
        return rc < 0 ? rc : hark_err_set(err, HARK_E_PEER_REFUSED, "%s", joined.message);
    }
    note_failure(s, asked, rc != 0 ? rc : joined.code, joined.message);
    return 0;
}

static int under_way(struct session *s, struct hark_err *err)
{
    int rc = hark_err_set(err, HARK_E_BUSY,
                          "the request to join is under way: %s keeps it for the space's home, "
                          "which is away",
                          s->waiting_at);

    hark_err_hint(err, "`hark join` with the same ticket goes on where it was");
    return rc;
}

static int send_request(struct session *s, struct hark_err *err)
{
    int rc = ask_all(s, HARK_MESSAGE_JOIN, on_joined, err);

    if (rc == 0)
        return s->waiting_at[0] != '\0' ? under_way(s, err) : give_up(s, err);
    /* Refused: the key and what was sent stay all the same. That word may be a partner's
     * alone, and a key that the steward has admitted must not be lost. */
    if (rc > 0)
        return save_record(s, RECORD_ADMITTED, err);
    return rc;
}

/* --- afterwards -------------------------------------------------------------------------- */

/* Another name for a second connection to a node that is a peer already. */
static void name_peer(struct session *s, const struct hark_ticket_node *node,
                      struct hark_config_peer *peer)
{
    const struct hark_config *config = s->cmd->node->config;
    char hex[2 * HARK_HASH_SIZE + 1];

    memcpy(peer->name, node->name, sizeof(peer->name));
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct hark_config_peer *at = &config->peers[i];

        if (hark_key_equal(&at->curve, &peer->curve) && strcmp(at->as, peer->as) == 0 &&
            at->space_count == 1 && hark_hash_equal(&at->spaces[0], &peer->spaces[0])) {
            memcpy(peer->name, at->name, sizeof(peer->name));
            return;
        }
    }
    for (size_t i = 0; i < config->peer_count; i++) {
        if (strcmp(config->peers[i].name, node->name) != 0)
            continue;
        hark_hash_hex(hex, &peer->spaces[0]);
        (void)snprintf(peer->name, sizeof(peer->name), "%.*s.%.8s", (int)PEER_NAME_ROOM, node->name,
                       hex);
        return;
    }
}

/* From the terms that were shown, or the copy when they were shown to an earlier run. */
static bool log_key_of(struct session *s, const struct hark_ticket_node *node, struct hark_key *log)
{
    const struct hark_terms *terms = &s->join->terms;

    for (size_t i = 0; i < terms->node_count; i++) {
        if (hark_key_equal(&terms->nodes[i].keys.curve, &node->keys.curve)) {
            *log = terms->nodes[i].keys.log;
            return true;
        }
    }
    return false;
}

static int configure(struct session *s, struct hark_err *err)
{
    const struct hark_ticket *ticket = &s->join->ticket;
    int rc = 0;

    for (size_t i = 0; i < ticket->node_count && rc == 0; i++) {
        const struct hark_ticket_node *node = &ticket->nodes[i];
        struct hark_config_peer peer = {.space_count = 1};

        if (!log_key_of(s, node, &peer.log))
            continue; /* not named any more */
        peer.curve = node->keys.curve;
        peer.spaces[0] = ticket->spaces[0];
        memcpy(peer.address, node->addresses[0], sizeof(peer.address));
        memcpy(peer.as, s->join->label, sizeof(peer.as));
        name_peer(s, node, &peer);
        rc = hark_cmd_put_peer(s->cmd, &peer, err);
    }
    s->cmd->changed = true;
    return rc < 0 ? rc : hark_net_update(s->net, s->cmd->node, NULL, err);
}

/* Is our own admission in the copy? */
static bool has_copy(struct session *s, struct hark_space **space)
{
    bool found = false;
    uint32_t number;

    return hark_node_space(s->cmd->node, &s->join->ticket.spaces[0], space, NULL) == 0 &&
           hark_state_find_key(hark_space_state(*space), hark_signer_key(s->join->joiner.sign),
                               &found, &number, NULL) == 0 &&
           found;
}

static int first_copy(struct session *s, struct hark_space **space, struct hark_err *err)
{
    uint64_t again_ms = 0;
    int rc = 0;

    while (!has_copy(s, space)) {
        if (hark_timer_ms() >= s->until_ms) {
            rc = hark_err_set(err, HARK_E_PEER_UNREACHABLE,
                              "you are a member; the copy of the space has not come in time");
            hark_err_hint(err, "`hark join` with the same ticket goes on where it was");
            return rc;
        }
        if (hark_timer_ms() >= again_ms) {
            hark_net_ask_now(s->net);
            again_ms = hark_timer_ms() + ASK_AGAIN_MS;
        }
        rc = step(s, NULL, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int id_at(void *arg, uint64_t position, struct hark_hash *id, struct hark_err *err)
{
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(arg), position, &row, err);

    if (rc == 0)
        *id = row.id;
    return rc;
}

/* What was shown may have been old: the copy, verified, says what is in force. */
static void compare_terms(struct session *s, struct hark_space *space)
{
    struct hark_hash now;

    if (s->join->terms.node_count == 0 || s->cmd->globals.quiet ||
        hark_state_terms(hark_space_state(space), id_at, space, &now, NULL) < 0 ||
        hark_hash_equal(&now, &s->join->terms.hash))
        return;
    (void)fputs("note: the space's terms are no longer those that you were shown: `hark policy "
                "show`, `hark partner ls`\n",
                s->cmd->err);
}

static int write_profile(struct session *s, struct hark_space *space, struct hark_err *err)
{
    struct hark_draft draft = {.kind = "profile", .with_seen = true};
    uint64_t until_ms = hark_timer_ms() + HAND_IN_MS;
    struct hark_net_progress at = {.unsent = 1};
    struct hark_logged logged;
    int rc = hark_joining_show(s->cmd, s->join, err);

    if (rc < 0)
        return rc;
    draft.fields = hark_joining_profile(s->join);
    if (draft.fields == NULL)
        return hark_err_set(err, HARK_E_USAGE, "the name is not UTF-8");
    rc = hark_author_write(s->cmd->node, space, &s->join->joiner, &draft, &logged, err);
    json_decref(draft.fields);
    if (rc == 0)
        rc = save_record(s, RECORD_DONE, err);
    if (rc == 0)
        rc = hark_net_update(s->net, s->cmd->node, NULL, err);
    /* It is in the outbox for good; that it is handed in now is a courtesy. */
    while (rc == 0 && at.unsent > 0 && hark_timer_ms() < until_ms) {
        rc = step(s, NULL, err);
        hark_net_progress(s->net, &at);
    }
    return rc;
}

static int complete(struct session *s, struct hark_err *err)
{
    struct hark_space *space = NULL;
    int rc = configure(s, err);

    if (rc == 0)
        rc = first_copy(s, &space, err);
    if (rc < 0)
        return rc;
    compare_terms(s, space);
    rc = write_profile(s, space, err);
    if (rc == 0)
        rc = hark_space_tend(space, err);
    return rc < 0 ? rc : hark_joining_print(s->cmd, s->join, space, err);
}

/* --- the verb ------------------------------------------------------------------------------ */

static int write_request(struct session *s, struct hark_err *err)
{
    int rc = hark_joining_show(s->cmd, s->join, err);

    return rc == 0 ? seal_request(s, err) : rc;
}

static int run(struct session *s, struct hark_err *err)
{
    char bound[HARK_ADDRESS_MAX + 1];
    int rc = 0;

    if (s->net == NULL) {
        rc = hark_net_start(&s->own, s->cmd->node, false, bound, err);
        s->net = s->own;
    }
    if (rc == 0)
        rc = connect_all(s, err);
    /* The terms anew also when the request is out: they say who the nodes are. */
    if (rc == 0)
        rc = ask_all(s, HARK_MESSAGE_TERMS, on_terms, err);
    if (rc == 0)
        return give_up(s, err);
    if (rc > 0 && s->state == RECORD_NONE) {
        hark_joining_show_terms(s->cmd, &s->join->terms);
        rc = s->join->joiner.sign != NULL ? 0 : hark_joining_take_key(s->cmd, s->join, err);
        if (rc == 0)
            rc = write_request(s, err);
    } else if (rc > 0 && s->state == RECORD_SENT && s->join->show != NULL) {
        /* What went out without may have been refused for that. */
        rc = write_request(s, err);
    }
    memset(&s->last, 0, sizeof(s->last));
    if (rc >= 0 && s->state == RECORD_SENT)
        rc = send_request(s, err);
    return rc < 0 ? rc : complete(s, err);
}

int hark_joining_over_network(struct hark_cmd *cmd, struct hark_joining *join, struct hark_err *err)
{
    struct session s = {.cmd = cmd,
                        .join = join,
                        .net = cmd->net,
                        .until_ms = hark_timer_ms() + join->timeout_ms,
                        .sealed = hark_buf_init(HARK_SEALED_JOIN_MAX)};
    struct hark_space *space = NULL;
    int rc = load_record(&s, err);

    /* A key that is admitted is so whatever becomes of the ticket. */
    if (rc == 0 && s.state == RECORD_NONE)
        rc = hark_joining_expired(join, err);
    if (rc == 0 && s.state == RECORD_DONE && has_copy(&s, &space))
        rc = hark_joining_print(cmd, join, space, err);
    else if (rc == 0)
        rc = run(&s, err);
    for (size_t i = 0; i < s.count; i++)
        hark_net_disconnect(s.net, &s.nodes[i].link);
    hark_net_stop(s.own);
    hark_buf_free(&s.sealed);
    return rc;
}
