/*
 * Cosigned checkpoints, PROTOCOL.md 9.3: whoever asks about a main log is shown those
 * that are here, again when they change, and again when it may have started anew. What
 * they say is looked at elsewhere.
 *
 * Of each peer there is a list of the spaces that it has asked about. A pass over the
 * list is made when something in it is due (show_ms) and not before, and our node is
 * asked about a space only after something changed.
 */
#include <stdlib.h>
#include <string.h>

#include "core_internal.h"

#define AGAIN_MS 10000u /* after one failure; HARK_CORE_SLOWLY after more */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the list ---- */

static struct hark_showing *find_showing(struct hark_peer *peer, const struct hark_hash *space)
{
    for (size_t i = 0; i < peer->showing_count; i++) {
        if (hark_hash_equal(&peer->showings[i].space, space)) {
            return &peer->showings[i];
        }
    }
    return NULL;
}

static struct hark_showing *find_under_way(const struct hark_peer *peer, uint64_t id)
{
    for (size_t i = 0; peer->showing_under_way > 0 && id != 0 && i < peer->showing_count; i++) {
        if (peer->showings[i].id == id) {
            return &peer->showings[i];
        }
    }
    return NULL;
}

bool hark_cosign_awaits(const struct hark_peer *peer, uint64_t id)
{
    return find_under_way(peer, id) != NULL;
}

/* NULL: no memory, or too many. Who is not in the list is shown nothing, and may ask
 * again. */
static struct hark_showing *add_showing(struct hark_peer *peer, const struct hark_hash *space)
{
    if (peer->showing_count == HARK_CORE_LOGS_MAX) {
        return NULL;
    }
    if (peer->showings == NULL || peer->showing_count == peer->showing_room) {
        size_t room = peer->showing_room == 0 ? 4 : 2 * peer->showing_room;
        struct hark_showing *grown = realloc(peer->showings, room * sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        peer->showings = grown;
        peer->showing_room = room;
    }
    struct hark_showing *showing = &peer->showings[peer->showing_count++];
    *showing = (struct hark_showing){.space = *space, .changed = true};
    return showing;
}

/* Its answer, where one is under way, is waited for no more: another may go out. */
static void end_under_way(struct hark_peer *peer, struct hark_showing *showing)
{
    if (showing->id != 0) {
        showing->id = 0;
        peer->showing_under_way--;
    }
    peer->show_ms = 0;
}

static void drop_showing(struct hark_peer *peer, struct hark_showing *showing)
{
    end_under_way(peer, showing);
    peer->showing_count--;
    *showing = peer->showings[peer->showing_count];
}

void hark_cosign_free(struct hark_peer *peer)
{
    free(peer->showings);
    peer->showings = NULL;
    peer->showing_count = 0;
    peer->showing_room = 0;
    peer->showing_under_way = 0;
}

/* ---- showing ---- */

static uint64_t put_off(struct hark_core *core, struct hark_peer *peer,
                        struct hark_showing *showing)
{
    end_under_way(peer, showing);
    showing->changed = true;
    showing->due_ms = hark_core_now(core) + (showing->failures == 0 ? AGAIN_MS : HARK_CORE_SLOWLY);
    showing->failures++;
    return showing->due_ms;
}

/* When something may be shown to this peer at all, short of what it costs: bodies are of
 * up to 1 MiB, and there is an end to what is handed out in a second. */
static uint64_t may_show(const struct hark_core *core, const struct hark_peer *peer)
{
    uint64_t window_ends = peer->window_ms + HARK_CORE_WINDOW;
    if (hark_core_now(core) < window_ends && peer->served >= HARK_CORE_SERVED_MAX &&
        peer->show_after_ms < window_ends) {
        return window_ends;
    }
    return peer->show_after_ms;
}

static uint64_t send_cosign(struct hark_core *core, struct hark_peer *peer,
                            struct hark_showing *showing)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint64_t version = 0, next = 0;
    int rc = core->io.notes(core->io.arg, &showing->space, &version, &body, NULL);
    if (rc == 0) {
        showing->id = hark_core_next_id(core);
        showing->version = version;
        showing->sent_ms = hark_core_now(core);
        showing->changed = false;
        peer->showing_under_way++;
        peer->served += body.size;
        rc = hark_core_send(core, peer, peer->asked_via, HARK_MESSAGE_COSIGN, showing->id,
                            hark_buf_span(&body), hark_span(NULL, 0));
    }
    if (rc == 0) {
        next = showing->sent_ms + HARK_CORE_REPLY;
    } else {
        /* The connection over which it asked may be gone. */
        peer->asked_via = HARK_VIA_ANY;
        next = put_off(core, peer, showing);
    }
    hark_buf_free(&body);
    return next;
}

/* Shows what is to be shown now; when it is to be looked at again. Drops the entry where
 * the peer may not have the space any more: it is made anew when it asks again. */
static uint64_t show(struct hark_core *core, struct hark_peer *peer, struct hark_showing *showing)
{
    uint64_t version = 0, now = hark_core_now(core), may = 0;
    if (showing->id != 0) {
        return showing->sent_ms + HARK_CORE_REPLY;
    }
    /* More at once than it takes would only be refused; each answer makes room. */
    if (!showing->changed || peer->showing_under_way >= HARK_CORE_OWED_PEER) {
        return HARK_CORE_NEVER;
    }
    may = may_show(core, peer);
    if (now < showing->due_ms || now < may) {
        return showing->due_ms > may ? showing->due_ms : may;
    }
    if (!core->io.may_have(core->io.arg, &peer->key, &showing->space)) {
        drop_showing(peer, showing);
        return HARK_CORE_NEVER;
    }
    int rc = core->io.notes(core->io.arg, &showing->space, &version, NULL, NULL);
    if (rc == HARK_E_NOT_FOUND || (rc == 0 && version <= showing->shown)) {
        showing->changed = false;
        return HARK_CORE_NEVER;
    }
    if (rc != 0) {
        return put_off(core, peer, showing);
    }
    if (!hark_core_may_send(core, peer, 1)) {
        return hark_core_send_due(core, peer, 1);
    }
    return send_cosign(core, peer, showing);
}

static void expire(struct hark_core *core, struct hark_peer *peer)
{
    for (size_t i = 0; peer->showing_under_way > 0 && i < peer->showing_count; i++) {
        struct hark_showing *showing = &peer->showings[i];
        if (showing->id != 0 && hark_core_now(core) - showing->sent_ms >= HARK_CORE_REPLY) {
            (void)put_off(core, peer, showing);
        }
    }
}

void hark_cosign_drive(struct hark_core *core, struct hark_peer *peer)
{
    uint64_t due = HARK_CORE_NEVER;
    if (!peer->live || peer->muted_ms != 0 || hark_core_now(core) < peer->show_ms) {
        return;
    }
    expire(core, peer);
    /* Backwards, since the last takes the place of who is dropped. */
    for (size_t i = peer->showing_count; i-- > 0;) {
        due = sooner(due, show(core, peer, &peer->showings[i]));
    }
    peer->show_ms = due;
}

/* Who is not live is shown nothing; that it is live again is noticed by hearing it. */
uint64_t hark_cosign_due(const struct hark_peer *peer)
{
    return peer->live && peer->showing_count > 0 ? peer->show_ms : HARK_CORE_NEVER;
}

void hark_cosign_asked(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                       const struct hark_hash *space)
{
    if (core->io.notes == NULL) {
        return;
    }
    struct hark_showing *showing = find_showing(peer, space);
    if (showing == NULL) {
        showing = add_showing(peer, space);
    }
    peer->asked_via = via;
    if (showing != NULL) {
        peer->show_ms = sooner(peer->show_ms, show(core, peer, showing));
    }
}

/* What it was shown it may have forgotten, and what is under way may have gone to who it
 * was before: that is waited for no more, for it is to be shown before the next tell. */
void hark_cosign_hello(struct hark_peer *peer, uint64_t via)
{
    peer->asked_via = via;
    peer->show_ms = 0;
    for (size_t i = 0; i < peer->showing_count; i++) {
        struct hark_showing *showing = &peer->showings[i];
        end_under_way(peer, showing);
        showing->shown = 0;
        showing->changed = true;
        showing->due_ms = 0;
        showing->failures = 0;
    }
}

void hark_core_noted(struct hark_core *core, const struct hark_hash *space)
{
    for (size_t i = 0; i < core->peer_count; i++) {
        struct hark_peer *peer = core->peers[i];
        struct hark_showing *showing = find_showing(peer, space);
        if (showing != NULL) {
            showing->changed = true;
            peer->show_ms = 0;
            hark_cosign_drive(core, peer);
        }
    }
}

/* ---- what comes of it ---- */

void hark_cosign_answer(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                        const struct hark_message *message)
{
    struct hark_hash space;
    struct hark_err err = {0};
    struct hark_showing *showing = find_under_way(peer, message->id);
    if (showing == NULL) {
        return; /* late, or never shown */
    }
    if (message->type != HARK_MESSAGE_NOTED) {
        hark_core_malformed(core, peer, via, message->id,
                            "an answer to another question than asked");
        return;
    }
    int rc = hark_noted_decode(&space, message->body, &err);
    if (rc == 0 && !hark_hash_equal(&space, &showing->space)) {
        rc = hark_err_set(&err, HARK_E_PEER_FORM, "noted of another space than shown");
    }
    if (rc != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    end_under_way(peer, showing);
    if (showing->version > showing->shown) {
        showing->shown = showing->version;
    }
    showing->failures = 0;
}

void hark_cosign_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code)
{
    struct hark_showing *showing = find_under_way(peer, id);
    if (showing == NULL) {
        return;
    }
    hark_follow_heard(core, peer);
    (void)put_off(core, peer, showing);
    if (code == HARK_E_PEER_FORM || code == HARK_E_PEER_VERSION) {
        /* It does not know the message, and hears nothing of us now for having sent it:
         * nothing is worth that every few seconds. */
        peer->show_after_ms = hark_core_now(core) + HARK_CORE_SLOWEST;
    }
}

void hark_cosign_lost(struct hark_core *core, struct hark_peer *peer)
{
    peer->asked_via = HARK_VIA_ANY;
    for (size_t i = 0; peer->showing_under_way > 0 && i < peer->showing_count; i++) {
        if (peer->showings[i].id != 0) {
            (void)put_off(core, peer, &peer->showings[i]);
        }
    }
}

/* ---- being shown ---- */

static void refuse(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id,
                   int code)
{
    code = hark_owed_code(code);
    hark_core_send_error(core, peer, via, id, code,
                         code == HARK_E_PEER_SPACE ? "no such space" : "not now");
}

/* Hands them over to be judged; a code where that cannot be. */
static int take_notes(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message, const struct hark_hash *space)
{
    struct hark_buf copy = hark_buf_init(HARK_BODY_MAX);
    struct hark_owed back;
    if (!core->io.may_have(core->io.arg, &peer->key, space)) {
        return HARK_E_PEER_SPACE;
    }
    if (core->io.cosign == NULL) {
        return HARK_E_BUSY;
    }
    const struct hark_owed *owed = hark_owed_add(core, peer, via, message, space);
    if (owed == NULL) {
        return HARK_E_BUSY;
    }
    uint64_t token = owed->token;
    int rc = hark_buf_append_span(&copy, message->body, NULL);
    if (rc == 0) {
        rc = core->io.cosign(core->io.arg, &peer->key, space, &copy, token, NULL);
    }
    hark_buf_free(&copy); /* empty where it was taken */
    if (rc != 0) {
        (void)hark_owed_take(core, token, message->type, &back);
    }
    return rc;
}

void hark_cosign_message(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                         const struct hark_message *message)
{
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash space;
    struct hark_err err = {0};
    size_t count = 0;
    if (hark_cosign_decode(&space, notes, &count, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    if (hark_owed_is(core, peer, message)) {
        return; /* the network doubled it: one answer is on its way */
    }
    int code = take_notes(core, peer, via, message, &space);
    if (code != 0) {
        refuse(core, peer, via, message->id, code);
    }
}

/* It knows of what it has brought. */
static void note_brought(struct hark_peer *peer, const struct hark_hash *space, uint64_t before,
                         uint64_t after)
{
    struct hark_showing *showing = find_showing(peer, space);
    if (showing != NULL && showing->shown >= before && showing->shown < after) {
        showing->shown = after;
    }
}

void hark_core_cosigned(struct hark_core *core, uint64_t token, uint64_t before, uint64_t after,
                        int code)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_owed owed;
    if (!hark_owed_take(core, token, HARK_MESSAGE_COSIGN, &owed)) {
        return; /* nobody waits for it any more */
    }
    struct hark_peer *peer = hark_core_find(core, &owed.peer);
    if (peer == NULL) {
        return;
    }
    if (code == 0) {
        note_brought(peer, &owed.space, before, after);
        code = hark_noted_encode(&body, &owed.space, NULL);
    }
    if (code == HARK_E_PEER_FORM) {
        hark_core_malformed(core, peer, owed.via, owed.id,
                            "cosigned checkpoints as no node makes them");
    } else if (code != 0) {
        refuse(core, peer, owed.via, owed.id, code);
    } else {
        (void)hark_core_send(core, peer, owed.via, HARK_MESSAGE_NOTED, owed.id,
                             hark_buf_span(&body), hark_span(NULL, 0));
    }
    hark_buf_free(&body);
}
