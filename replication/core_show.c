/*
 * What is shown, PROTOCOL.md 9.3: whoever asks about a main log is shown the cosigned
 * checkpoints and the evidence that are here, again when there is more, and again when it
 * may have started anew. What they say is looked at elsewhere.
 *
 * Of each peer there is a list of the spaces that it has asked about. A pass over the
 * list is made when something in it is due (show_ms) and not before, and our node is
 * asked about a space only after something changed. Checkpoints come as a whole each time,
 * and are first everywhere: they are to be there before the tell. Evidence only ever grows;
 * it comes part by part, each after the one before it was noted.
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

static struct hark_shown_log *find_showing(struct hark_peer *peer, const struct hark_hash *space)
{
    for (size_t i = 0; i < peer->showing_count; i++) {
        if (hark_hash_equal(&peer->showings[i].space, space)) {
            return &peer->showings[i];
        }
    }
    return NULL;
}

static size_t under_way(const struct hark_peer *peer)
{
    size_t count = 0;
    for (size_t what = 0; what < HARK_SHOW_; what++) {
        count += peer->showing_under_way[what];
    }
    return count;
}

/* The one that goes under this id, and of which space it is. */
static struct hark_shown *find_under_way(const struct hark_peer *peer, uint64_t id,
                                         struct hark_shown_log **of)
{
    for (size_t i = 0; id != 0 && under_way(peer) > 0 && i < peer->showing_count; i++) {
        for (size_t what = 0; what < HARK_SHOW_; what++) {
            if (peer->showings[i].shown[what].id == id) {
                *of = &peer->showings[i];
                return &peer->showings[i].shown[what];
            }
        }
    }
    return NULL;
}

bool hark_show_awaits(const struct hark_peer *peer, uint64_t id)
{
    struct hark_shown_log *of = NULL;
    return find_under_way(peer, id, &of) != NULL;
}

/* NULL: no memory, or too many. Who is not in the list is shown nothing, and may ask
 * again. */
static struct hark_shown_log *add_showing(struct hark_peer *peer, const struct hark_hash *space)
{
    if (peer->showing_count == HARK_CORE_LOGS_MAX) {
        return NULL;
    }
    if (peer->showings == NULL || peer->showing_count == peer->showing_room) {
        size_t room = peer->showing_room == 0 ? 4 : 2 * peer->showing_room;
        struct hark_shown_log *grown = realloc(peer->showings, room * sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        peer->showings = grown;
        peer->showing_room = room;
    }
    struct hark_shown_log *showing = &peer->showings[peer->showing_count++];
    *showing = (struct hark_shown_log){.space = *space};
    for (size_t what = 0; what < HARK_SHOW_; what++) {
        showing->shown[what] = (struct hark_shown){.what = (enum hark_show)what, .changed = true};
    }
    return showing;
}

/* Its answer, where one is under way, is waited for no more: another may go out. */
static void end_under_way(struct hark_peer *peer, struct hark_shown *shown)
{
    if (shown->id != 0) {
        shown->id = 0;
        peer->showing_under_way[shown->what]--;
    }
    peer->show_ms = 0;
}

static void drop_showing(struct hark_peer *peer, struct hark_shown_log *showing)
{
    for (size_t what = 0; what < HARK_SHOW_; what++) {
        end_under_way(peer, &showing->shown[what]);
    }
    peer->showing_count--;
    *showing = peer->showings[peer->showing_count];
}

void hark_show_free(struct hark_peer *peer)
{
    free(peer->showings);
    peer->showings = NULL;
    peer->showing_count = 0;
    peer->showing_room = 0;
    memset(peer->showing_under_way, 0, sizeof(peer->showing_under_way));
}

/* ---- showing ---- */

static uint8_t message_of(enum hark_show what)
{
    return what == HARK_SHOW_NOTES ? HARK_MESSAGE_COSIGN : HARK_MESSAGE_EVIDENCE;
}

static bool is_shown(const struct hark_core *core, enum hark_show what)
{
    return what == HARK_SHOW_NOTES ? core->io.notes != NULL : core->io.evidence != NULL;
}

/* What there is, or (out not NULL) what comes next. */
static int ask_node(struct hark_core *core, const struct hark_hash *space,
                    const struct hark_shown *shown, uint64_t *version, struct hark_buf *out)
{
    return shown->what == HARK_SHOW_NOTES
               ? core->io.notes(core->io.arg, space, version, out, NULL)
               : core->io.evidence(core->io.arg, space, shown->noted, version, out, NULL);
}

static uint64_t put_off(struct hark_core *core, struct hark_peer *peer, struct hark_shown *shown)
{
    end_under_way(peer, shown);
    shown->changed = true;
    shown->due_ms = hark_core_now(core) + (shown->failures == 0 ? AGAIN_MS : HARK_CORE_SLOWLY);
    shown->failures++;
    return shown->due_ms;
}

/* When this may be shown to this peer at all, short of what it costs: bodies are of
 * up to 1 MiB, and there is an end to what is handed out in a second. */
static uint64_t may_show(const struct hark_core *core, const struct hark_peer *peer,
                         enum hark_show what)
{
    uint64_t window_ends = peer->window_ms + HARK_CORE_WINDOW, after = peer->show_after_ms[what];
    if (hark_core_now(core) < window_ends && peer->served >= HARK_CORE_SERVED_MAX &&
        after < window_ends) {
        return window_ends;
    }
    return after;
}

static uint64_t send_next(struct hark_core *core, struct hark_peer *peer,
                          const struct hark_hash *space, struct hark_shown *shown)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint64_t version = 0, next = 0;
    int rc = ask_node(core, space, shown, &version, &body);
    if (rc == 0) {
        shown->id = hark_core_next_id(core);
        shown->version = version;
        shown->sent_ms = hark_core_now(core);
        shown->changed = false;
        peer->showing_under_way[shown->what]++;
        peer->served += body.size;
        rc = hark_core_send(core, peer, peer->asked_via, message_of(shown->what), shown->id,
                            hark_buf_span(&body), hark_span(NULL, 0));
    }
    if (rc == 0) {
        next = shown->sent_ms + HARK_CORE_REPLY;
    } else if (rc == HARK_E_NOT_FOUND) {
        /* What there was is gone. */
        shown->changed = false;
        next = HARK_CORE_NEVER;
    } else {
        /* The connection over which it asked may be gone. */
        peer->asked_via = HARK_VIA_ANY;
        next = put_off(core, peer, shown);
    }
    hark_buf_free(&body);
    return next;
}

/* Shows what is to be shown now; when it is to be looked at again. */
static uint64_t show_one(struct hark_core *core, struct hark_peer *peer,
                         const struct hark_hash *space, struct hark_shown *shown)
{
    uint64_t version = 0, now = hark_core_now(core), may = 0;
    if (shown->id != 0) {
        return shown->sent_ms + HARK_CORE_REPLY;
    }
    /* More at once than it takes would only be refused; each answer makes room. */
    if (!shown->changed || peer->showing_under_way[shown->what] >= HARK_CORE_OWED_PEER) {
        return HARK_CORE_NEVER;
    }
    may = may_show(core, peer, shown->what);
    if (now < shown->due_ms || now < may) {
        return shown->due_ms > may ? shown->due_ms : may;
    }
    int rc = ask_node(core, space, shown, &version, NULL);
    if (rc == HARK_E_NOT_FOUND || (rc == 0 && version <= shown->noted)) {
        shown->changed = false;
        return HARK_CORE_NEVER;
    }
    if (rc != 0) {
        return put_off(core, peer, shown);
    }
    if (!hark_core_may_send(core, peer, 1)) {
        return hark_core_send_due(core, peer, 1);
    }
    return send_next(core, peer, space, shown);
}

/* Drops the entry where the peer may not have the space any more: it is made anew when it
 * asks again. */
static uint64_t show(struct hark_core *core, struct hark_peer *peer, struct hark_shown_log *showing)
{
    uint64_t due = HARK_CORE_NEVER;
    bool changed = false;
    for (size_t what = 0; what < HARK_SHOW_; what++) {
        changed = changed || (is_shown(core, (enum hark_show)what) &&
                              showing->shown[what].changed && showing->shown[what].id == 0);
    }
    if (changed && !core->io.may_have(core->io.arg, &peer->key, &showing->space)) {
        drop_showing(peer, showing);
        return HARK_CORE_NEVER;
    }
    for (size_t what = 0; what < HARK_SHOW_; what++) {
        if (is_shown(core, (enum hark_show)what)) {
            due = sooner(due, show_one(core, peer, &showing->space, &showing->shown[what]));
        }
    }
    return due;
}

static bool is_late(const struct hark_core *core, const struct hark_shown *shown)
{
    return shown->id != 0 && hark_core_now(core) - shown->sent_ms >= HARK_CORE_REPLY;
}

/* Those that are under way and wait for nothing any more; `all`: whatever they wait for. */
static void give_up(struct hark_core *core, struct hark_peer *peer, bool all)
{
    for (size_t i = 0; under_way(peer) > 0 && i < peer->showing_count; i++) {
        for (size_t what = 0; what < HARK_SHOW_; what++) {
            struct hark_shown *shown = &peer->showings[i].shown[what];
            if (is_late(core, shown) || (all && shown->id != 0)) {
                (void)put_off(core, peer, shown);
            }
        }
    }
}

void hark_show_drive(struct hark_core *core, struct hark_peer *peer)
{
    uint64_t due = HARK_CORE_NEVER;
    if (!peer->live || peer->muted_ms != 0 || hark_core_now(core) < peer->show_ms) {
        return;
    }
    give_up(core, peer, false);
    /* Backwards, since the last takes the place of who is dropped. */
    for (size_t i = peer->showing_count; i-- > 0;) {
        due = sooner(due, show(core, peer, &peer->showings[i]));
    }
    peer->show_ms = due;
}

/* Who is not live is shown nothing; that it is live again is noticed by hearing it. */
uint64_t hark_show_due(const struct hark_peer *peer)
{
    return peer->live && peer->showing_count > 0 ? peer->show_ms : HARK_CORE_NEVER;
}

void hark_show_asked(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                     const struct hark_hash *space)
{
    if (core->io.notes == NULL && core->io.evidence == NULL) {
        return;
    }
    struct hark_shown_log *showing = find_showing(peer, space);
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
void hark_show_hello(struct hark_peer *peer, uint64_t via)
{
    peer->asked_via = via;
    peer->show_ms = 0;
    for (size_t i = 0; i < peer->showing_count; i++) {
        for (size_t what = 0; what < HARK_SHOW_; what++) {
            struct hark_shown *shown = &peer->showings[i].shown[what];
            end_under_way(peer, shown);
            *shown = (struct hark_shown){.what = shown->what, .changed = true};
        }
    }
}

/* There is more to show. */
static void show_more(struct hark_core *core, const struct hark_hash *space, enum hark_show what)
{
    for (size_t i = 0; i < core->peer_count; i++) {
        struct hark_peer *peer = core->peers[i];
        struct hark_shown_log *showing = find_showing(peer, space);
        if (showing != NULL) {
            showing->shown[what].changed = true;
            peer->show_ms = 0;
            hark_show_drive(core, peer);
        }
    }
}

void hark_core_noted(struct hark_core *core, const struct hark_hash *space)
{
    show_more(core, space, HARK_SHOW_NOTES);
}

void hark_core_convicted(struct hark_core *core, const struct hark_hash *space)
{
    show_more(core, space, HARK_SHOW_EVIDENCE);
}

/* ---- what comes of it ---- */

void hark_show_answer(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message)
{
    struct hark_hash space;
    struct hark_err err = {0};
    struct hark_shown_log *of = NULL;
    struct hark_shown *shown = find_under_way(peer, message->id, &of);
    if (shown == NULL) {
        return; /* late, or never shown */
    }
    if (message->type != HARK_MESSAGE_NOTED) {
        hark_core_malformed(core, peer, via, message->id,
                            "an answer to another question than asked");
        return;
    }
    int rc = hark_noted_decode(&space, message->body, &err);
    if (rc == 0 && !hark_hash_equal(&space, &of->space)) {
        rc = hark_err_set(&err, HARK_E_PEER_FORM, "noted of another space than shown");
    }
    if (rc != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    end_under_way(peer, shown);
    if (shown->version > shown->noted) {
        shown->noted = shown->version;
    }
    shown->failures = 0;
    shown->changed = shown->changed || shown->what == HARK_SHOW_EVIDENCE; /* the next part */
}

void hark_show_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code)
{
    struct hark_shown_log *of = NULL;
    struct hark_shown *shown = find_under_way(peer, id, &of);
    if (shown == NULL) {
        return;
    }
    hark_follow_heard(core, peer);
    (void)put_off(core, peer, shown);
    if (code == HARK_E_PEER_FORM || code == HARK_E_PEER_VERSION) {
        /* It does not know the message, and hears nothing of us now for having sent it:
         * nothing is worth that every few seconds. */
        peer->show_after_ms[shown->what] = hark_core_now(core) + HARK_CORE_SLOWEST;
    }
}

void hark_show_lost(struct hark_core *core, struct hark_peer *peer)
{
    peer->asked_via = HARK_VIA_ANY;
    give_up(core, peer, true);
}

/* ---- being shown ---- */

static void refuse(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id,
                   int code)
{
    code = hark_owed_code(code);
    hark_core_send_error(core, peer, via, id, code,
                         code == HARK_E_PEER_SPACE ? "no such space" : "not now");
}

static int hand_over(struct hark_core *core, struct hark_peer *peer,
                     const struct hark_message *message, const struct hark_hash *space,
                     uint64_t token)
{
    struct hark_buf copy = hark_buf_init(HARK_BODY_MAX);
    int rc = hark_buf_append_span(&copy, message->body, NULL);
    if (rc == 0 && message->type == HARK_MESSAGE_COSIGN) {
        rc = core->io.cosign(core->io.arg, &peer->key, space, &copy, token, NULL);
    } else if (rc == 0) {
        rc = core->io.convict(core->io.arg, &peer->key, space, &copy, token, NULL);
    }
    hark_buf_free(&copy); /* empty where it was taken */
    return rc;
}

/* Hands it over to be judged; a code where that cannot be. */
static int take(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                const struct hark_message *message, const struct hark_hash *space)
{
    bool judges =
        message->type == HARK_MESSAGE_COSIGN ? core->io.cosign != NULL : core->io.convict != NULL;
    struct hark_owed back;
    if (!core->io.may_have(core->io.arg, &peer->key, space)) {
        return HARK_E_PEER_SPACE;
    }
    const struct hark_owed *owed = judges ? hark_owed_add(core, peer, via, message, space) : NULL;
    if (owed == NULL) {
        return HARK_E_BUSY;
    }
    uint64_t token = owed->token;
    int rc = hand_over(core, peer, message, space, token);
    if (rc != 0) {
        (void)hark_owed_take(core, token, message->type, &back);
    }
    return rc;
}

static int read_shown(const struct hark_message *message, struct hark_hash *space,
                      struct hark_err *err)
{
    struct hark_span parts[HARK_COSIGN_MAX];
    size_t count = 0;
    _Static_assert(HARK_EVIDENCE_FILES_MAX <= HARK_COSIGN_MAX, "room for both");
    return message->type == HARK_MESSAGE_COSIGN
               ? hark_cosign_decode(space, parts, &count, message->body, err)
               : hark_evidence_files_decode(space, parts, &count, message->body, err);
}

void hark_show_message(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                       const struct hark_message *message)
{
    struct hark_hash space;
    struct hark_err err = {0};
    if (read_shown(message, &space, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    if (hark_owed_is(core, peer, message)) {
        return; /* the network doubled it: one answer is on its way */
    }
    int code = take(core, peer, via, message, &space);
    if (code != 0) {
        refuse(core, peer, via, message->id, code);
    }
}

/* It knows of what it has brought. */
static void note_brought(struct hark_peer *peer, const struct hark_hash *space, enum hark_show what,
                         uint64_t before, uint64_t after)
{
    struct hark_shown_log *showing = find_showing(peer, space);
    struct hark_shown *shown = showing == NULL ? NULL : &showing->shown[what];
    if (shown != NULL && shown->noted >= before && shown->noted < after) {
        shown->noted = after;
    }
}

/* What became of what was shown here. */
static void answer(struct hark_core *core, uint64_t token, enum hark_show what, uint64_t before,
                   uint64_t after, int code)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_owed owed;
    if (!hark_owed_take(core, token, message_of(what), &owed)) {
        return; /* nobody waits for it any more */
    }
    struct hark_peer *peer = hark_core_find(core, &owed.peer);
    if (peer == NULL) {
        return;
    }
    if (code == 0) {
        note_brought(peer, &owed.space, what, before, after);
        code = hark_noted_encode(&body, &owed.space, NULL);
    }
    if (code == HARK_E_PEER_FORM) {
        hark_core_malformed(core, peer, owed.via, owed.id,
                            what == HARK_SHOW_NOTES ? "cosigned checkpoints as no node makes them"
                                                    : "evidence that is none");
    } else if (code != 0) {
        refuse(core, peer, owed.via, owed.id, code);
    } else {
        (void)hark_core_send(core, peer, owed.via, HARK_MESSAGE_NOTED, owed.id,
                             hark_buf_span(&body), hark_span(NULL, 0));
    }
    hark_buf_free(&body);
}

void hark_core_cosigned(struct hark_core *core, uint64_t token, uint64_t before, uint64_t after,
                        int code)
{
    answer(core, token, HARK_SHOW_NOTES, before, after, code);
}

void hark_core_evidence(struct hark_core *core, uint64_t token, uint64_t before, uint64_t after,
                        int code)
{
    answer(core, token, HARK_SHOW_EVIDENCE, before, after, code);
}
