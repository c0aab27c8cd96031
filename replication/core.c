/*
 * The core's peers: who is known, who is heard, what a message is and who deals
 * with it. Everything a peer can make us do is bounded by its cost a second.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#include "core_internal.h"

/* ---- small things that all of the core uses ---- */

uint64_t hark_core_now(const struct hark_core *core)
{
    return core->io.now_ms(core->io.arg);
}

uint64_t hark_core_next_id(struct hark_core *core)
{
    return core->next_id++;
}

/* Did we ever give out this id? */
static bool id_is_ours(const struct hark_core *core, uint64_t id)
{
    return id - core->first_id < core->next_id - core->first_id;
}

int hark_core_send(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint8_t type,
                   uint64_t id, struct hark_span body, struct hark_span load)
{
    struct hark_message message = {.type = type, .id = id, .body = body, .load = load};
    return core->io.send(core->io.arg, &peer->key, via, &message, NULL);
}

void hark_core_send_error(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id,
                          int code, const char *message)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    if (hark_error_encode(&body, code, message, NULL) == 0) {
        /* Whoever cannot be reached asks again. */
        (void)hark_core_send(core, peer, via, HARK_MESSAGE_ERROR, id, hark_buf_span(&body),
                             hark_span(NULL, 0));
    }
    hark_buf_free(&body);
}

/* Of what may be sent HARK_CORE_SEND_MAX comes back each second, little by little: who
 * has used it up waits for the next few milliseconds, not for the next second. */
#define SPENT_ONE UINT64_C(1000)

static uint64_t spent_by(const struct hark_peer *peer, uint64_t now)
{
    uint64_t back = (now - peer->spent_ms) * HARK_CORE_SEND_MAX;
    return peer->spent > back ? peer->spent - back : 0;
}

bool hark_core_may_send(struct hark_core *core, struct hark_peer *peer, unsigned cost)
{
    uint64_t now = hark_core_now(core);
    if (hark_core_send_due(core, peer, cost) > now) {
        return false;
    }
    peer->spent = spent_by(peer, now) + cost * SPENT_ONE;
    peer->spent_ms = now;
    return true;
}

uint64_t hark_core_send_due(const struct hark_core *core, const struct hark_peer *peer,
                            unsigned cost)
{
    uint64_t now = hark_core_now(core);
    uint64_t most = HARK_CORE_SEND_MAX * SPENT_ONE;
    uint64_t after = spent_by(peer, now) + cost * SPENT_ONE;
    return after > most ? now + (after - most + HARK_CORE_SEND_MAX - 1) / HARK_CORE_SEND_MAX : now;
}

unsigned hark_core_ask_cost(size_t cursors)
{
    return 1 + (unsigned)(cursors / 64);
}

bool hark_log_equal(const struct hark_log_ref *a, const struct hark_log_ref *b)
{
    return hark_hash_equal(&a->space, &b->space) && strcmp(a->node, b->node) == 0;
}

int hark_core_cursor(struct hark_core *core, const struct hark_log_ref *log,
                     struct hark_cursor *out)
{
    int rc = core->io.cursor(core->io.arg, log, out, NULL);
    if (rc == HARK_E_NOT_FOUND) {
        hark_cursor_empty(out, log);
        rc = 0;
    }
    return rc;
}

int hark_core_fits(struct hark_core *core, const struct hark_cursor *cursor, bool *fits)
{
    if (cursor->batches == 0) {
        *fits = true; /* no other than the empty one is well formed */
        return 0;
    }
    return core->io.fits(core->io.arg, cursor, fits, NULL);
}

void hark_core_refused(struct hark_peer *peer, int code, const char *message)
{
    size_t size = strnlen(message, HARK_TEXT_MAX);
    memmove(peer->message, message, size);
    peer->message[size] = '\0';
    peer->refused = code;
}

static void mute(struct hark_core *core, struct hark_peer *peer, int code, const char *message)
{
    peer->muted_ms = hark_core_now(core) + HARK_CORE_MUTE;
    peer->live = false;
    hark_core_refused(peer, code, message);
    hark_follow_cancel(core, peer);
    hark_submit_lost(core, &peer->key, code);
    hark_join_lost(core, &peer->key, false);
    hark_show_lost(core, peer);
}

/* "Anything else (peer-form) ends the connection's business". */
void hark_core_malformed(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id,
                         const char *message)
{
    hark_core_send_error(core, peer, via, id, HARK_E_PEER_FORM, message);
    mute(core, peer, HARK_E_PEER_FORM, message);
}

/* ---- peers ---- */

struct hark_peer *hark_core_find(struct hark_core *core, const struct hark_key *key)
{
    for (size_t i = 0; i < core->peer_count; i++) {
        struct hark_peer *peer = core->peers[i];
        if (peer != NULL && hark_key_equal(&peer->key, key)) {
            return peer;
        }
    }
    return NULL;
}

static void free_peer(struct hark_peer *peer)
{
    hark_follow_free(peer);
    hark_serve_free(peer);
    hark_show_free(peer);
    free(peer);
}

static void remove_peer(struct hark_core *core, size_t at)
{
    free_peer(core->peers[at]);
    core->peer_count--;
    core->peers[at] = core->peers[core->peer_count];
}

/* Makes room by dropping who was heard longest ago of those that only ask us.
 * Nothing is lost with them but what they wait for: they ask again. Whoever is
 * muted stays, or a full table would be the way out of being muted. */
static bool make_room(struct hark_core *core)
{
    size_t oldest = core->peer_count;
    if (core->peer_count < HARK_CORE_PEERS_MAX) {
        return true;
    }
    for (size_t i = 0; i < core->peer_count; i++) {
        const struct hark_peer *peer = core->peers[i];
        if (!peer->followed && peer->requests == 0 && peer->muted_ms == 0 &&
            (oldest == core->peer_count || peer->heard_ms < core->peers[oldest]->heard_ms)) {
            oldest = i;
        }
    }
    if (oldest == core->peer_count) {
        return false;
    }
    remove_peer(core, oldest);
    return true;
}

static struct hark_peer *find_or_add_peer(struct hark_core *core, const struct hark_key *key)
{
    struct hark_peer *peer = hark_core_find(core, key);
    if (peer != NULL || !make_room(core)) {
        return peer;
    }
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return NULL;
    }
    peer->key = *key;
    peer->heard_ms = hark_core_now(core);
    peer->added_ms = peer->heard_ms;
    core->peers[core->peer_count++] = peer;
    return peer;
}

int hark_core_find_or_add(struct hark_core *core, const struct hark_key *key,
                          struct hark_peer **out, struct hark_err *err)
{
    *out = find_or_add_peer(core, key);
    if (*out != NULL) {
        return 0;
    }
    return core->peer_count == HARK_CORE_PEERS_MAX
               ? hark_err_set(err, HARK_E_LIMIT, "more than %u peers", HARK_CORE_PEERS_MAX)
               : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a peer");
}

/* What there is to say of a peer. A log that does not check out weighs more than
 * that its sender is there. */
static enum hark_peer_state state_of(const struct hark_peer *peer, int *code)
{
    *code = peer->refused;
    for (size_t i = 0; *code == 0 && i < peer->follow_count; i++) {
        *code = peer->follows[i].code;
    }
    if (*code != 0) {
        return HARK_PEER_REFUSED;
    }
    return peer->live ? HARK_PEER_LIVE : HARK_PEER_CONNECTING;
}

static void tell_state(struct hark_core *core, struct hark_peer *peer)
{
    int code = 0;
    enum hark_peer_state state = state_of(peer, &code);
    if (peer->told && state == peer->state && code == peer->code) {
        return;
    }
    peer->told = true;
    peer->state = state;
    peer->code = code;
    if (core->io.peer_changed != NULL) {
        core->io.peer_changed(core->io.arg, &peer->key, state, code,
                              code != 0 ? peer->message : "");
    }
}

/* ---- a message ---- */

/* Every message costs one; an answer that we wait for, nothing, since we bound
 * those ourselves; cursors are asked for by the thousand. False: too many. */
static bool afford(struct hark_core *core, struct hark_peer *peer,
                   const struct hark_message *message)
{
    uint64_t now = hark_core_now(core);
    if (now - peer->window_ms >= HARK_CORE_WINDOW) {
        peer->window_ms = now;
        peer->cost = 0;
        peer->served = 0;
        peer->receipts = 0;
    }
    if (message->type == HARK_MESSAGE_ASK && message->body.size >= 2) {
        struct hark_span body = message->body;
        uint16_t cursors = 0;
        (void)hark_take_u16(&body, &cursors);
        peer->cost += hark_core_ask_cost(cursors);
    } else if (message->type == HARK_MESSAGE_AGAIN) {
        peer->cost += hark_core_ask_cost(peer->credit_count);
    } else if (message->id == 0 || !(hark_follow_awaits(peer, message->id) ||
                                     hark_submit_awaits(core, peer, message->id) ||
                                     hark_join_awaits(core, peer, message->id) ||
                                     hark_show_awaits(peer, message->id))) {
        peer->cost++;
    }
    return peer->cost <= HARK_CORE_COST_MAX;
}

static void on_error(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                     const struct hark_message *message)
{
    struct hark_error error;
    (void)via;
    if (hark_error_decode(&error, message->body, NULL) != 0) {
        /* An error is never answered, or two nodes could do so for ever. */
        mute(core, peer, HARK_E_PEER_FORM, "an error that is none");
        return;
    }
    int code = hark_err_from_name(error.name);
    if (code != HARK_E_BUSY && code != HARK_E_BEHIND && code != HARK_E_LIMIT &&
        code != HARK_E_ACCEPT_NOT_HERE && strncmp(error.name, "peer-", 5) != 0) {
        code = 0;
    }
    code = code != 0 ? code : HARK_E_PEER_REFUSED;
    hark_submit_error(core, peer, message->id, code);
    hark_join_error(core, peer, message->id, code);
    hark_show_error(core, peer, message->id, code);
    hark_follow_error(core, peer, message->id, code, error.message);
}

/* "hello: both": who gets one answers with its own, under the id of the asker. An
 * id that we gave out ourselves is an answer, however late; and no id is answered
 * twice. Else two nodes could answer each other for ever, each taking the other's
 * answer for a question: after a start, for instance, when ids are forgotten. */
static void on_hello(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                     const struct hark_message *message)
{
    struct hark_hello hello;
    struct hark_err err = {0};
    if (hark_hello_decode(&hello, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    /* "the highest common one is used": there is only one yet. */
    if (hello.lowest > HARK_WIRE_VERSION) {
        hark_core_send_error(core, peer, via, message->id, HARK_E_PEER_VERSION,
                             "versions spoken: 1 to 1");
        hark_follow_error(core, peer, peer->hello_id, HARK_E_PEER_VERSION,
                          "it speaks later versions only");
        return;
    }
    if (message->id == peer->hello_id) {
        peer->hello_id = 0;
    }
    if (!id_is_ours(core, message->id) && message->id != peer->answered_id) {
        peer->answered_id = message->id;
        hark_show_hello(peer, via);
        (void)hark_serve_send_hello(core, peer, via, message->id);
    }
    hark_follow_heard(core, peer);
}

static bool is_answer(uint8_t type)
{
    switch (type) {
    case HARK_MESSAGE_TELL:
    case HARK_MESSAGE_BATCHES:
    case HARK_MESSAGE_ACCEPTED:
    case HARK_MESSAGE_SHOWN:
    case HARK_MESSAGE_JOINED:
    case HARK_MESSAGE_STILL:
    case HARK_MESSAGE_NOTED:
    case HARK_MESSAGE_RECEIPTS:
        return true;
    default:
        return false;
    }
}

typedef void message_fn(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                        const struct hark_message *message);

/* Who deals with a message of that type; NULL: nobody. hark_message_decode lets no other
 * type through. */
static message_fn *const handlers[HARK_MESSAGE_TYPES_] = {
    [HARK_MESSAGE_HELLO] = on_hello,
    [HARK_MESSAGE_ASK] = hark_serve_ask,
    [HARK_MESSAGE_TELL] = hark_follow_tell,
    [HARK_MESSAGE_FETCH] = hark_serve_fetch,
    [HARK_MESSAGE_BATCHES] = hark_follow_batches,
    [HARK_MESSAGE_NEWS] = hark_follow_news,
    [HARK_MESSAGE_SUBMIT] = hark_submit_message,
    [HARK_MESSAGE_ACCEPTED] = hark_submit_answer,
    [HARK_MESSAGE_TERMS] = hark_join_show,
    [HARK_MESSAGE_JOIN] = hark_join_join,
    [HARK_MESSAGE_SHOWN] = hark_join_answer,
    [HARK_MESSAGE_JOINED] = hark_join_answer,
    [HARK_MESSAGE_RECEIPTS] = hark_join_answer,
    [HARK_MESSAGE_COSIGN] = hark_show_message,
    [HARK_MESSAGE_EVIDENCE] = hark_show_message,
    [HARK_MESSAGE_RECEIPT] = hark_receipt_serve,
    [HARK_MESSAGE_NOTED] = NULL, /* late, or never shown */
    [HARK_MESSAGE_AGAIN] = hark_again_serve,
    [HARK_MESSAGE_STILL] = hark_again_still,
    [HARK_MESSAGE_ERROR] = on_error,
};

static void dispatch(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                     const struct hark_message *message)
{
    message_fn *handler = handlers[message->type];
    if (is_answer(message->type) && hark_show_awaits(peer, message->id)) {
        hark_show_answer(core, peer, via, message);
    } else if (handler != NULL) {
        handler(core, peer, via, message);
    }
}

/* "an unknown version is answered with error peer-version, naming the versions
 * spoken". Its sender may then speak version 1. */
static void on_unreadable(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                          const struct hark_message *message, int code, const char *why)
{
    if (code == HARK_E_PEER_VERSION) {
        if (message->type != HARK_MESSAGE_ERROR) {
            hark_core_send_error(core, peer, via, message->id, code, "versions spoken: 1 to 1");
        }
        hark_core_refused(peer, code, why);
    } else if (message->type != HARK_MESSAGE_ERROR) {
        hark_core_malformed(core, peer, via, message->id, why);
    } else {
        mute(core, peer, code, why);
    }
}

static bool is_muted(struct hark_core *core, struct hark_peer *peer)
{
    if (peer->muted_ms == 0) {
        return false;
    }
    if (hark_core_now(core) < peer->muted_ms) {
        return true;
    }
    peer->muted_ms = 0;
    peer->refused = 0;
    return false;
}

void hark_core_message(struct hark_core *core, const struct hark_key *key, uint64_t via,
                       const struct hark_span *frames, size_t count)
{
    struct hark_message message;
    struct hark_err err = {0};
    struct hark_peer *peer = find_or_add_peer(core, key);
    if (peer == NULL || is_muted(core, peer)) {
        return;
    }
    int rc = hark_message_decode(&message, frames, count, &err);
    if (!afford(core, peer, &message)) {
        mute(core, peer, HARK_E_LIMIT, "more messages a second than allowed");
    } else if (rc != 0) {
        on_unreadable(core, peer, via, &message, rc, err.message);
    } else {
        dispatch(core, peer, via, &message);
    }
    if (!is_muted(core, peer)) {
        hark_follow_drive(core, peer);
    }
    tell_state(core, peer);
}

/* ---- what the node calls ---- */

int hark_core_new(struct hark_core **out, const char *name, const struct hark_core_io *io,
                  struct hark_err *err)
{
    struct hark_sha256 h;
    uint8_t now[8];
    *out = NULL;
    if (!hark_node_name_valid(hark_span_str(name))) {
        return hark_err_set(err, HARK_E_CONFIG, "'%s' is no name of a node", name);
    }
    struct hark_core *core = calloc(1, sizeof(*core));
    if (core == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the replication core");
    }
    core->io = *io;
    memcpy(core->name, name, strlen(name) + 1);
    /* Two nodes, or one node before and after a start, hardly ever give out the
     * same ids; that is for telling late answers, nothing rests on it. */
    hark_sha256_init(&h);
    hark_sha256_update(&h, name, strlen(name));
    hark_put_u64(now, hark_core_now(core));
    hark_sha256_update(&h, now, sizeof(now));
    struct hark_hash hash = hark_sha256_final(&h);
    core->first_id = (hark_get_u64(hash.bytes) >> 1) + 1;
    core->next_id = core->first_id;
    core->next_token = 1;
    *out = core;
    return 0;
}

void hark_core_free(struct hark_core *core)
{
    if (core == NULL) {
        return;
    }
    for (size_t i = 0; i < core->peer_count; i++) {
        free_peer(core->peers[i]);
    }
    hark_submit_free(core);
    hark_join_free(core);
    free(core);
}

int hark_core_follow(struct hark_core *core, const struct hark_key *key,
                     const struct hark_log_ref *logs, size_t count, struct hark_err *err)
{
    if (count > HARK_CORE_LOGS_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %u logs from one peer",
                            HARK_CORE_LOGS_MAX);
    }
    struct hark_peer *peer = NULL;
    int rc = hark_core_find_or_add(core, key, &peer, err);
    if (rc != 0) {
        return rc;
    }
    rc = hark_follow_replace(core, peer, logs, count, err);
    if (rc != 0) {
        return rc;
    }
    peer->followed = true;
    core->submit_due_ms = 0;
    tell_state(core, peer);
    return 0;
}

void hark_core_forget(struct hark_core *core, const struct hark_key *key)
{
    hark_submit_lost(core, key, HARK_E_PEER_UNREACHABLE);
    hark_join_lost(core, key, true);
    for (size_t i = 0; i < core->peer_count; i++) {
        if (hark_key_equal(&core->peers[i]->key, key)) {
            remove_peer(core, i);
            return;
        }
    }
}

void hark_core_appended(struct hark_core *core, uint64_t token, int code, const char *message)
{
    for (size_t i = 0; i < core->peer_count; i++) {
        struct hark_peer *peer = core->peers[i];
        for (size_t k = 0; k < peer->follow_count; k++) {
            struct hark_follow *follow = &peer->follows[k];
            if (follow->phase == HARK_PHASE_APPENDING && follow->token == token) {
                hark_follow_appended(core, peer, follow, code, message);
                tell_state(core, peer);
                return;
            }
        }
    }
}

void hark_core_grown(struct hark_core *core, const struct hark_log_ref *log)
{
    for (size_t i = 0; i < core->peer_count; i++) {
        if (log->node[0] == '\0') {
            hark_follow_grown(core, core->peers[i], &log->space);
        }
        hark_serve_grown(core, core->peers[i], log);
    }
}

void hark_core_lost(struct hark_core *core, const struct hark_key *key)
{
    struct hark_peer *peer = hark_core_find(core, key);
    if (peer != NULL) {
        hark_follow_lost(core, peer);
        hark_show_lost(core, peer);
    }
}

void hark_core_writable(struct hark_core *core, const struct hark_key *key)
{
    struct hark_peer *peer = hark_core_find(core, key);
    if (peer != NULL && peer->unsent) {
        peer->unsent = false;
        peer->retry_ms = hark_core_now(core);
    }
}

void hark_core_ask_now(struct hark_core *core)
{
    uint64_t now = hark_core_now(core);
    for (size_t i = 0; i < core->peer_count; i++) {
        struct hark_peer *peer = core->peers[i];
        peer->retry_ms = now;
        for (size_t k = 0; k < peer->follow_count; k++) {
            peer->follows[k].again = true;
            peer->follows[k].level = false; /* each is to be reported soon */
            if (peer->follows[k].phase == HARK_PHASE_IDLE) {
                peer->follows[k].due_ms = now;
            }
        }
    }
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t hark_core_tick(struct hark_core *core)
{
    uint64_t due = HARK_CORE_NEVER;
    hark_submit_drive(core);
    hark_join_drive(core);
    for (size_t i = 0; i < core->peer_count; i++) {
        struct hark_peer *peer = core->peers[i];
        uint64_t next = peer->muted_ms;
        if (!is_muted(core, peer)) {
            hark_follow_drive(core, peer);
            hark_serve_drive(core, peer);
            hark_show_drive(core, peer);
            uint64_t follow_due = hark_follow_due(core, peer);
            uint64_t serve_due = hark_serve_due(core, peer);
            next = sooner(sooner(follow_due, serve_due), hark_show_due(peer));
        }
        tell_state(core, peer);
        due = sooner(due, next);
    }
    due = sooner(due, sooner(hark_submit_due(core), hark_join_due(core)));
    uint64_t now = hark_core_now(core);
    /* What is due and yet undone waits for something that takes a moment. */
    return due > now ? due - now : 1;
}
