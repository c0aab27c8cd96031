/*
 * The answerer: says how far our logs go, hands out batches, and brings news to
 * those who asked. "It learns only of spaces that it may have: a space that it
 * may not have and one that does not exist are answered alike" (9.1).
 */
#include <stdlib.h>
#include <string.h>

#include "core_internal.h"

#define SOFTWARE "hark " HARK_VERSION

/* ---- hello ---- */

int hark_serve_send_hello(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_hello hello = {.lowest = HARK_WIRE_VERSION, .highest = HARK_WIRE_VERSION};
    memcpy(hello.name, core->name, sizeof(hello.name));
    memcpy(hello.software, SOFTWARE, sizeof(SOFTWARE));
    int rc = hark_hello_encode(&body, &hello, NULL);
    if (rc == 0) {
        rc = hark_core_send(core, peer, via, HARK_MESSAGE_HELLO, id, hark_buf_span(&body),
                            hark_span(NULL, 0));
    }
    hark_buf_free(&body);
    return rc;
}

/* ---- credit for news ---- */

static struct hark_credit *find_credit(struct hark_peer *peer, const struct hark_log_ref *log)
{
    for (size_t i = 0; i < peer->credit_count; i++) {
        if (hark_log_equal(&peer->credits[i].log, log)) {
            return &peer->credits[i];
        }
    }
    return NULL;
}

/* False: no memory for one more. */
static bool grow_credits(struct hark_peer *peer)
{
    size_t room = peer->credit_room == 0 ? 4 : 2 * peer->credit_room;
    struct hark_credit *credits = realloc(peer->credits, room * sizeof(*credits));
    if (credits == NULL) {
        return false;
    }
    peer->credits = credits;
    peer->credit_room = room;
    return true;
}

/* Who gets no credit for want of memory hears nothing and asks every few
 * seconds all the same. */
static void give_credit(struct hark_peer *peer, const struct hark_log_ref *log, uint64_t via)
{
    struct hark_credit given = {.log = *log, .via = via};
    struct hark_credit *credit = find_credit(peer, log);
    if (credit != NULL) {
        *credit = given;
        return;
    }
    if (peer->credit_count == HARK_CORE_LOGS_MAX) {
        return;
    }
    if ((peer->credits == NULL || peer->credit_count == peer->credit_room) && !grow_credits(peer)) {
        return;
    }
    peer->credits[peer->credit_count++] = given;
}

static void spend_credit(struct hark_peer *peer, size_t at)
{
    peer->credit_count--;
    peer->credits[at] = peer->credits[peer->credit_count];
}

void hark_serve_free(struct hark_peer *peer)
{
    free(peer->credits);
    peer->credits = NULL;
    peer->credit_count = 0;
    peer->credit_room = 0;
}

static void send_news(struct hark_core *core, struct hark_peer *peer,
                      const struct hark_credit *credit)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_cursor ours;
    /* It may have lost its right since it asked. */
    if (core->io.may_have(core->io.arg, &peer->key, &credit->log.space) &&
        core->io.cursor(core->io.arg, &credit->log, &ours, NULL) == 0 &&
        hark_news_encode(&body, &ours, NULL) == 0) {
        (void)hark_core_send(core, peer, credit->via, HARK_MESSAGE_NEWS, 0, hark_buf_span(&body),
                             hark_span(NULL, 0));
    }
    hark_buf_free(&body);
}

void hark_serve_grown(struct hark_core *core, struct hark_peer *peer,
                      const struct hark_log_ref *log)
{
    struct hark_credit *credit = find_credit(peer, log);
    if (credit == NULL) {
        return;
    }
    credit->grown = true;
    hark_serve_drive(core, peer);
}

void hark_serve_drive(struct hark_core *core, struct hark_peer *peer)
{
    for (size_t i = 0; i < peer->credit_count;) {
        if (!peer->credits[i].grown) {
            i++;
            continue;
        }
        if (!hark_core_may_send(core, peer, 1)) {
            return;
        }
        struct hark_credit credit = peer->credits[i];
        spend_credit(peer, i);
        send_news(core, peer, &credit);
    }
}

uint64_t hark_serve_due(const struct hark_core *core, const struct hark_peer *peer)
{
    for (size_t i = 0; i < peer->credit_count; i++) {
        if (peer->credits[i].grown) {
            return hark_core_send_due(core, peer, 1);
        }
    }
    return HARK_CORE_NEVER;
}

/* ---- ask ---- */

/* `told->cursor` becomes ours where it may be known, else stays as asked. */
static void compare(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                    const struct hark_cursor *asked, struct hark_told *told)
{
    struct hark_cursor ours;
    struct hark_log_ref log;
    bool fits = false;
    told->status = HARK_TELL_REFUSED;
    told->cursor = *asked;
    if (!core->io.may_have(core->io.arg, &peer->key, &asked->space)) {
        return;
    }
    hark_cursor_log(asked, &log);
    if (log.node[0] == '\0') {
        hark_show_asked(core, peer, via, &log.space);
    }
    if (asked->batches > 0) {
        hark_follow_has(core, peer, &log);
    }
    /* An intake that we have nothing of, or never heard of, is an empty one: `same`
     * to who has nothing of it either. */
    /* One of ours that cannot be read now is refused, not told to be shorter: who is told
     * that nobody has more of its log signs (7.6). */
    if (hark_core_cursor(core, &log, &ours) != 0 ||
        (ours.batches >= asked->batches && hark_core_fits(core, asked, &fits) != 0)) {
        give_credit(peer, &log, via);
        return;
    }
    told->cursor = ours;
    if (ours.batches < asked->batches) {
        told->status = HARK_TELL_BEHIND;
    } else if (!fits) {
        told->status = HARK_TELL_UNFIT;
        return;
    } else {
        told->status = ours.batches == asked->batches ? HARK_TELL_SAME : HARK_TELL_MORE;
    }
    give_credit(peer, &log, via);
}

void hark_serve_ask(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                    const struct hark_message *message)
{
    struct hark_cursor *asked = NULL;
    struct hark_told *told = NULL;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_err err = {0};
    size_t count = 0;
    int rc = hark_ask_decode(&asked, &count, message->body, &err);
    if (rc == HARK_E_PEER_FORM) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        goto out;
    }
    hark_follow_heard(core, peer);
    told = rc == 0 ? calloc(count, sizeof(*told)) : NULL;
    for (size_t i = 0; told != NULL && i < count; i++) {
        compare(core, peer, via, &asked[i], &told[i]);
    }
    if (told == NULL || hark_tell_encode(&body, told, count, NULL) != 0) {
        hark_core_send_error(core, peer, via, message->id, HARK_E_BUSY, "not now");
        goto out;
    }
    (void)hark_core_send(core, peer, via, HARK_MESSAGE_TELL, message->id, hark_buf_span(&body),
                         hark_span(NULL, 0));
out:
    hark_buf_free(&body);
    free(told);
    free(asked);
}

/* ---- fetch ---- */

/* Why there is nothing to be fetched from that cursor; 0 if there is. */
static int refuse_fetch(struct hark_core *core, struct hark_peer *peer,
                        const struct hark_cursor *cursor, const char **why)
{
    struct hark_cursor ours;
    struct hark_log_ref log;
    bool fits = false;
    *why = "no such space";
    if (!core->io.may_have(core->io.arg, &peer->key, &cursor->space)) {
        return HARK_E_PEER_SPACE;
    }
    *why = "not now";
    hark_cursor_log(cursor, &log);
    if (hark_core_cursor(core, &log, &ours) != 0) {
        return HARK_E_BUSY;
    }
    if (ours.batches <= cursor->batches) {
        *why = "there is nothing beyond that";
        return HARK_E_BEHIND;
    }
    if (hark_core_fits(core, cursor, &fits) != 0) {
        return HARK_E_BUSY;
    }
    *why = "the log stood elsewhere after as many batches";
    return fits ? 0 : HARK_E_PEER_CURSOR;
}

/* `body` and `load` of the answer. */
static int make_batches(struct hark_core *core, struct hark_peer *peer,
                        const struct hark_fetch *fetch, struct hark_buf *body,
                        struct hark_buf *load)
{
    struct hark_buf plain = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_batches batches = {.cursor = fetch->cursor};
    struct hark_log_ref log;
    unsigned count = 0;
    /* What does not get smaller grows a little when packed. And whoever never
     * reads makes us keep no more than a few of these. */
    size_t most = fetch->want < HARK_CORE_WANT ? fetch->want : HARK_CORE_WANT;
    most -= most / 1000 + 64;
    hark_cursor_log(&fetch->cursor, &log);
    int rc = core->io.load(core->io.arg, &log, fetch->cursor.batches, most, &plain, &count, NULL);
    if (rc == 0 && (count == 0 || count > HARK_BATCHES_MAX || plain.size > HARK_UNPACKED_MAX)) {
        rc = HARK_E_LIMIT;
    }
    if (rc == 0) {
        peer->served += plain.size;
        batches.size = (uint32_t)plain.size;
        batches.count = (uint16_t)count;
        rc = hark_batches_encode(body, &batches, NULL);
    }
    if (rc == 0) {
        rc = hark_batches_pack(load, hark_buf_span(&plain), NULL);
    }
    hark_buf_free(&plain);
    return rc;
}

void hark_serve_fetch(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message)
{
    struct hark_fetch fetch;
    struct hark_err err = {0};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_buf load = hark_buf_init(HARK_LOAD_MAX);
    const char *why = "not now";
    if (hark_fetch_decode(&fetch, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    int code = refuse_fetch(core, peer, &fetch.cursor, &why);
    if (code == 0 && peer->served >= HARK_CORE_SERVED_MAX) {
        why = "more than is handed out in a second";
        code = HARK_E_BUSY;
    }
    if (code == 0 && make_batches(core, peer, &fetch, &body, &load) != 0) {
        /* What went wrong here is nobody's business there. */
        code = HARK_E_BUSY;
    }
    if (code != 0) {
        hark_core_send_error(core, peer, via, message->id, code, why);
    } else {
        (void)hark_core_send(core, peer, via, HARK_MESSAGE_BATCHES, message->id,
                             hark_buf_span(&body), hark_buf_span(&load));
    }
    hark_buf_free(&body);
    hark_buf_free(&load);
}
