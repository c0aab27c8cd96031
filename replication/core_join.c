/*
 * Joining, PROTOCOL.md 8.4, as far as messages go: who has a ticket asks for the
 * terms and hands in a sealed request; what they mean is the node's business. A
 * question is put again while there is patience: each may be asked any number of
 * times. Receipts (9.5) are asked for by the same means.
 */
#include <stdlib.h>
#include <string.h>

#include "core_internal.h"

#define AGAIN_MS 1000u /* after "busy", or what could not be sent */

/* ---- asking ---- */

static void count_requests(struct hark_core *core, const struct hark_key *key, bool more)
{
    struct hark_peer *peer = hark_core_find(core, key);
    if (peer != NULL) {
        peer->requests += more ? 1 : (size_t)-1;
    }
}

/* Takes the request out and says what became of it. */
static void answered(struct hark_core *core, struct hark_request *request, uint8_t type, int code,
                     struct hark_span body)
{
    struct hark_request ended = *request;
    core->request_count--;
    *request = core->requests[core->request_count];
    count_requests(core, &ended.peer, false);
    hark_buf_free(&ended.body);
    core->io.answered(core->io.arg, &ended.peer, type, &ended.space, code, body);
}

/* By which that type of question is answered. */
static uint8_t answer_of(uint8_t type)
{
    switch (type) {
    case HARK_MESSAGE_TERMS:
        return HARK_MESSAGE_SHOWN;
    case HARK_MESSAGE_JOIN:
        return HARK_MESSAGE_JOINED;
    default: /* HARK_MESSAGE_RECEIPT */
        return HARK_MESSAGE_RECEIPTS;
    }
}

static void gave_up(struct hark_core *core, struct hark_request *request, int code)
{
    answered(core, request, answer_of(request->type), code, hark_span(NULL, 0));
}

static struct hark_request *find_under_way(struct hark_core *core, const struct hark_peer *peer,
                                           uint64_t id)
{
    for (size_t i = 0; id != 0 && i < core->request_count; i++) {
        struct hark_request *request = &core->requests[i];
        if (request->id == id && hark_key_equal(&request->peer, &peer->key)) {
            return request;
        }
    }
    return NULL;
}

bool hark_join_awaits(const struct hark_core *core, const struct hark_peer *peer, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < core->request_count; i++) {
        if (core->requests[i].id == id && hark_key_equal(&core->requests[i].peer, &peer->key)) {
            return true;
        }
    }
    return false;
}

/* "One of a type for a space at a peer" */
static struct hark_request *find_request(struct hark_core *core, const struct hark_key *peer,
                                         uint8_t type, const struct hark_hash *space)
{
    for (size_t i = 0; i < core->request_count; i++) {
        struct hark_request *request = &core->requests[i];
        if (request->type == type && hark_key_equal(&request->peer, peer) &&
            hark_hash_equal(&request->space, space)) {
            return request;
        }
    }
    return NULL;
}

/* *count: of receipts asked for. */
static int read_question(uint8_t type, struct hark_span body, struct hark_hash *space,
                         size_t *count, struct hark_err *err)
{
    struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX];
    struct hark_span sealed;
    *count = 0;
    switch (type) {
    case HARK_MESSAGE_TERMS:
        return hark_terms_decode(space, body, err);
    case HARK_MESSAGE_JOIN:
        return hark_join_decode(space, &sealed, body, err);
    case HARK_MESSAGE_RECEIPT:
        return hark_receipt_ask_decode(space, wanted, count, body, err);
    default:
        return hark_err_set(err, HARK_E_PEER_FORM, "a question that is none");
    }
}

int hark_core_request(struct hark_core *core, const struct hark_key *key, uint8_t type,
                      struct hark_span body, uint64_t patience_ms, struct hark_err *err)
{
    struct hark_buf copy = hark_buf_init(HARK_BODY_MAX);
    struct hark_hash space;
    struct hark_peer *peer = NULL;
    struct hark_request *request = NULL;
    uint64_t now = hark_core_now(core);
    size_t count = 0;
    int rc = read_question(type, body, &space, &count, err);
    if (rc == 0) {
        rc = hark_buf_append_span(&copy, body, err);
    }
    if (rc == 0) {
        rc = hark_core_find_or_add(core, key, &peer, err);
    }
    if (rc != 0) {
        goto out;
    }
    request = find_request(core, key, type, &space);
    if (request == NULL && core->request_count == HARK_CORE_REQUEST_MAX) {
        rc = hark_err_set(err, HARK_E_LIMIT, "more than %u questions wait", HARK_CORE_REQUEST_MAX);
        goto out;
    }
    if (request == NULL) {
        request = &core->requests[core->request_count++];
        peer->requests++;
    } else {
        hark_buf_free(&request->body);
    }
    *request = (struct hark_request){.peer = *key,
                                     .type = type,
                                     .count = count,
                                     .space = space,
                                     .body = copy,
                                     .until_ms = now + patience_ms,
                                     .due_ms = now,
                                     .code = HARK_E_PEER_UNREACHABLE};
    copy = hark_buf_init(HARK_BODY_MAX);
    if (!peer->live) {
        peer->retry_ms = now;
    }
out:
    hark_buf_free(&copy);
    return rc;
}

static void drive_one(struct hark_core *core, struct hark_request *request)
{
    uint64_t now = hark_core_now(core);
    struct hark_peer *peer = hark_core_find(core, &request->peer);
    if (request->id != 0 && now - request->sent_ms >= HARK_CORE_REPLY) {
        request->id = 0;
        request->code = HARK_E_PEER_UNREACHABLE;
    }
    if (now >= request->until_ms || peer == NULL) {
        gave_up(core, request, request->code);
        return;
    }
    if (request->id != 0 || now < request->due_ms || !peer->live || peer->muted_ms != 0 ||
        !hark_core_may_send(core, peer, 1)) {
        return;
    }
    request->id = hark_core_next_id(core);
    request->sent_ms = now;
    if (hark_core_send(core, peer, HARK_VIA_ANY, request->type, request->id,
                       hark_buf_span(&request->body), hark_span(NULL, 0)) != 0) {
        request->id = 0;
        request->due_ms = now + AGAIN_MS;
        hark_follow_unsent(core, peer);
    }
}

void hark_join_drive(struct hark_core *core)
{
    for (size_t i = core->request_count; i-- > 0;) {
        drive_one(core, &core->requests[i]);
    }
}

uint64_t hark_join_due(const struct hark_core *core)
{
    uint64_t now = hark_core_now(core), due = HARK_CORE_NEVER;
    for (size_t i = 0; i < core->request_count; i++) {
        const struct hark_request *request = &core->requests[i];
        uint64_t next = request->id != 0 ? request->sent_ms + HARK_CORE_REPLY : request->due_ms;
        if (next <= now) {
            /* It waits for its peer to be heard, which is noticed anyway, or for its
             * share of what may be sent. */
            next = now + AGAIN_MS;
        }
        next = request->until_ms < next ? request->until_ms : next;
        due = next < due ? next : due;
    }
    return due;
}

static bool is_answer(const struct hark_request *request, const struct hark_message *message,
                      struct hark_err *err)
{
    struct hark_submitted *entries = NULL;
    struct hark_span receipts[HARK_RECEIPT_MAX];
    struct hark_joined joined;
    struct hark_hash space;
    size_t count = 0;
    int rc = 0;
    if (message->type == HARK_MESSAGE_SHOWN) {
        rc = hark_shown_decode(&space, &entries, &count, message->body, err);
        free(entries);
    } else if (message->type == HARK_MESSAGE_RECEIPTS) {
        rc = hark_receipts_decode(&space, receipts, &count, message->body, err);
    } else {
        rc = hark_joined_decode(&joined, message->body, err);
        space = joined.space;
    }
    if (rc == 0 && (message->type != answer_of(request->type) ||
                    (message->type == HARK_MESSAGE_RECEIPTS && count != request->count) ||
                    !hark_hash_equal(&space, &request->space))) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "an answer to another question than asked");
    }
    return rc == 0;
}

void hark_join_answer(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message)
{
    struct hark_err err = {0};
    struct hark_request *request = find_under_way(core, peer, message->id);
    if (request == NULL) {
        return; /* late, or never asked for */
    }
    if (is_answer(request, message, &err)) {
        hark_follow_heard(core, peer);
        answered(core, request, message->type, 0, message->body);
    } else if (err.code == HARK_E_PEER_FORM) {
        gave_up(core, request, HARK_E_PEER_FORM);
        hark_core_malformed(core, peer, via, message->id, err.message);
    } else {
        request->id = 0;
        request->due_ms = hark_core_now(core) + AGAIN_MS;
    }
}

void hark_join_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code)
{
    struct hark_request *request = find_under_way(core, peer, id);
    if (request == NULL) {
        return;
    }
    hark_follow_heard(core, peer);
    if (code == HARK_E_BUSY || code == HARK_E_LIMIT || code == HARK_E_BEHIND) {
        request->id = 0;
        request->due_ms = hark_core_now(core) + AGAIN_MS;
        request->code = code;
    } else {
        gave_up(core, request, code);
    }
}

void hark_join_lost(struct hark_core *core, const struct hark_key *peer, bool for_good)
{
    for (size_t i = core->request_count; i-- > 0;) {
        struct hark_request *request = &core->requests[i];
        if (!hark_key_equal(&request->peer, peer)) {
            continue;
        }
        if (for_good) {
            gave_up(core, request, HARK_E_PEER_UNREACHABLE);
        } else {
            request->id = 0;
        }
    }
}

void hark_join_free(struct hark_core *core)
{
    for (size_t i = 0; i < core->request_count; i++) {
        hark_buf_free(&core->requests[i].body);
    }
}

/* ---- being asked ---- */

static void refuse(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id,
                   int code)
{
    /* "a space that it may not have and one that does not exist are answered alike" */
    code = code == HARK_E_NOT_FOUND ? HARK_E_PEER_SPACE : hark_owed_code(code);
    hark_core_send_error(core, peer, via, id, code,
                         code == HARK_E_PEER_SPACE ? "no such space" : "not now");
}

void hark_join_show(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                    const struct hark_message *message)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_hash space;
    struct hark_err err = {0};
    int code = 0;
    if (hark_terms_decode(&space, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    if (!core->io.may_join(core->io.arg, &peer->key, &space)) {
        code = HARK_E_PEER_SPACE;
    } else if (peer->served >= HARK_CORE_SERVED_MAX) {
        code = HARK_E_BUSY;
    } else {
        code = core->io.terms(core->io.arg, &space, &body, NULL);
        peer->served += body.size;
    }
    if (code != 0) {
        refuse(core, peer, via, message->id, code);
    } else {
        (void)hark_core_send(core, peer, via, HARK_MESSAGE_SHOWN, message->id, hark_buf_span(&body),
                             hark_span(NULL, 0));
    }
    hark_buf_free(&body);
}

/* Hands it over to be judged, or kept; a code where that cannot be. */
static int take_join(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                     const struct hark_message *message, const struct hark_hash *space,
                     struct hark_span sealed)
{
    struct hark_buf copy = hark_buf_init(HARK_SEALED_JOIN_MAX);
    struct hark_owed back;
    if (!core->io.may_join(core->io.arg, &peer->key, space)) {
        return HARK_E_PEER_SPACE;
    }
    int rc = hark_buf_append_span(&copy, sealed, NULL);
    const struct hark_owed *owed = rc == 0 ? hark_owed_add(core, peer, via, message, space) : NULL;
    if (owed == NULL) {
        hark_buf_free(&copy);
        return HARK_E_BUSY;
    }
    uint64_t token = owed->token;
    rc = core->io.join(core->io.arg, &peer->key, space, &copy, token, NULL);
    hark_buf_free(&copy); /* empty where it was taken */
    if (rc != 0) {
        (void)hark_owed_take(core, token, message->type, &back);
    }
    return rc;
}

void hark_join_join(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                    const struct hark_message *message)
{
    struct hark_hash space;
    struct hark_span sealed;
    struct hark_err err = {0};
    if (hark_join_decode(&space, &sealed, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    if (hark_owed_is(core, peer, message)) {
        return; /* the network doubled it: one answer is on its way */
    }
    int code = take_join(core, peer, via, message, &space, sealed);
    if (code != 0) {
        refuse(core, peer, via, message->id, code);
    }
}

void hark_core_joined(struct hark_core *core, uint64_t token, const struct hark_joined *joined)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_joined said = *joined;
    struct hark_owed owed;
    if (!hark_owed_take(core, token, HARK_MESSAGE_JOIN, &owed)) {
        return; /* nobody waits for it any more */
    }
    struct hark_peer *peer = hark_core_find(core, &owed.peer);
    said.space = owed.space;
    if (peer != NULL && hark_joined_encode(&body, &said, NULL) == 0) {
        (void)hark_core_send(core, peer, owed.via, HARK_MESSAGE_JOINED, owed.id,
                             hark_buf_span(&body), hark_span(NULL, 0));
    } else if (peer != NULL) {
        refuse(core, peer, owed.via, owed.id, HARK_E_BUSY);
    }
    hark_buf_free(&body);
}
