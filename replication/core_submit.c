/*
 * Handing in, PROTOCOL.md 9.5: "in its outbox, and hands it in to one named node at a
 * time, the home first when it is there". What a node does not take, or does not
 * answer, goes to another; who refused is passed over for a while.
 *
 * And the other side: entries that a peer hands in are judged and stored elsewhere,
 * and the peer waits for the answer meanwhile. What it may have waiting here is
 * bounded, for it and for all.
 */
#include <stdlib.h>
#include <string.h>

#include "core_internal.h"

#define TURN_MS 100u
/* At a start the preferred node is given this long to be heard before another gets
 * what waits. */
#define GRACE_MS 3000u
/* Another is rather asked than one that was not heard for so long. */
#define SILENT_MS (2u * HARK_CORE_ASK_EVERY)
/* A node that is busy is tried again soon, one that does not answer later, one that
 * does not take entries at all hardly ever. Doubled with each time. */
#define PASS_BUSY_MS     1000u
#define PASS_SILENT_MS   5000u
#define PASS_REFUSED_MS  30000u
#define PASS_DOUBLED_MAX 4u

/* ---- the list ---- */

static struct hark_submission *find_submission(struct hark_core *core,
                                               const struct hark_hash *space)
{
    for (size_t i = 0; i < core->submission_count; i++) {
        if (hark_hash_equal(&core->submissions[i].space, space)) {
            return &core->submissions[i];
        }
    }
    return NULL;
}

static struct hark_submission *find_under_way(const struct hark_core *core,
                                              const struct hark_key *peer, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < core->submission_count; i++) {
        struct hark_submission *submission = &core->submissions[i];
        if (submission->id == id && hark_key_equal(&submission->peer, peer)) {
            return submission;
        }
    }
    return NULL;
}

bool hark_submit_awaits(const struct hark_core *core, const struct hark_peer *peer, uint64_t id)
{
    return find_under_way(core, &peer->key, id) != NULL;
}

static int add_submission(struct hark_core *core, const struct hark_hash *space,
                          struct hark_submission **out, struct hark_err *err)
{
    *out = NULL;
    if (core->submission_count == HARK_CORE_LOGS_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %u spaces to hand in for",
                            HARK_CORE_LOGS_MAX);
    }
    if (core->submissions == NULL || core->submission_count == core->submission_room) {
        size_t room = core->submission_room == 0 ? 4 : 2 * core->submission_room;
        struct hark_submission *grown = realloc(core->submissions, room * sizeof(*grown));
        if (grown == NULL) {
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is handed in");
        }
        core->submissions = grown;
        core->submission_room = room;
    }
    *out = &core->submissions[core->submission_count++];
    memset(*out, 0, sizeof(**out));
    (*out)->space = *space;
    (*out)->body = hark_buf_init(HARK_BODY_MAX);
    return 0;
}

/* Drops it where there is nothing left to do or to wait for. */
static void tidy(struct hark_core *core, struct hark_submission *submission)
{
    if (submission->id != 0 || submission->waits) {
        return;
    }
    hark_buf_free(&submission->body);
    free(submission->ids);
    core->submission_count--;
    *submission = core->submissions[core->submission_count];
}

void hark_submit_free(struct hark_core *core)
{
    for (size_t i = 0; i < core->submission_count; i++) {
        hark_buf_free(&core->submissions[i].body);
        free(core->submissions[i].ids);
    }
    free(core->submissions);
    for (size_t i = 0; i < core->owed_count; i++) {
        free(core->owed[i].ids);
    }
}

/* SHA-256 of each entry: how it is called in the answer. */
static struct hark_hash *ids_of(const struct hark_submitted *entries, size_t count)
{
    struct hark_hash *ids = calloc(count, sizeof(*ids));
    for (size_t i = 0; ids != NULL && i < count; i++) {
        ids[i] = hark_sha256(entries[i].entry);
    }
    return ids;
}

/* Is it a submit for that space? */
static int check_body(const struct hark_hash *space, struct hark_span body, struct hark_err *err)
{
    struct hark_submitted *entries = NULL;
    struct hark_hash named;
    size_t count = 0;
    if (body.size > HARK_BODY_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %u bytes at once", HARK_BODY_MAX);
    }
    int rc = hark_submit_decode(&named, &entries, &count, body, err);
    free(entries);
    if (rc == 0 && !hark_hash_equal(&named, space)) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "entries for another space");
    }
    return rc;
}

int hark_core_submit(struct hark_core *core, const struct hark_hash *space, struct hark_span body,
                     const struct hark_key *preferred, struct hark_err *err)
{
    struct hark_submission *submission = find_submission(core, space);
    struct hark_buf copy = hark_buf_init(HARK_BODY_MAX);
    if (body.size == 0 && submission == NULL) {
        return 0;
    }
    int rc = body.size > 0 ? check_body(space, body, err) : 0;
    if (rc == 0) {
        rc = hark_buf_append_span(&copy, body, err);
    }
    if (rc == 0 && submission == NULL) {
        rc = add_submission(core, space, &submission, err);
    }
    if (rc != 0) {
        hark_buf_free(&copy);
        return rc;
    }
    submission->prefers = preferred != NULL;
    if (preferred != NULL) {
        submission->preferred = *preferred;
    }
    /* The very same that is under way already is not sent twice. */
    bool same = submission->id != 0 && !submission->fresh &&
                hark_span_equal(hark_buf_span(&submission->body), body);
    hark_buf_free(&submission->body);
    submission->body = copy;
    if (!same) {
        submission->fresh = submission->id != 0;
        submission->waits = body.size > 0;
    }
    core->submit_due_ms = 0;
    tidy(core, submission);
    return 0;
}

/* ---- to whom ---- */

static bool is_preferred(const struct hark_submission *submission, const struct hark_peer *peer)
{
    return submission->prefers && hark_key_equal(&submission->preferred, &peer->key);
}

/* A peer that is there is heard of more often. One that fell silent is still held to be
 * there while an answer of its may be on the way. */
static bool is_silent(const struct hark_core *core, const struct hark_peer *peer)
{
    return hark_core_now(core) - peer->heard_ms >= SILENT_MS;
}

/* Else it stays with one: a feed's next entry is best taken where the one before was. */
static bool is_better(const struct hark_core *core, const struct hark_peer *a,
                      const struct hark_follow *of_a, const struct hark_peer *b,
                      const struct hark_follow *of_b)
{
    return of_a->refusals != of_b->refusals ? of_a->refusals < of_b->refusals
                                            : is_silent(core, b) && !is_silent(core, a);
}

/* NULL: nobody now; *due_ms is brought down to when there may be somebody, as far as
 * that is a matter of time. */
static struct hark_peer *choose(struct hark_core *core, const struct hark_submission *submission,
                                uint64_t *due_ms)
{
    struct hark_peer *best = NULL;
    const struct hark_follow *of_best = NULL;
    uint64_t now = hark_core_now(core), grace_ms = 0;
    for (size_t i = 0; i < core->peer_count; i++) {
        struct hark_peer *peer = core->peers[i];
        const struct hark_follow *follow = hark_follow_main(peer, &submission->space);
        if (follow == NULL || peer->muted_ms != 0) {
            continue;
        }
        if (!peer->live) {
            if (is_preferred(submission, peer) && now - peer->added_ms < GRACE_MS) {
                grace_ms = peer->added_ms + GRACE_MS;
            }
        } else if (now < follow->passed_ms) {
            *due_ms = follow->passed_ms < *due_ms ? follow->passed_ms : *due_ms;
        } else if (is_preferred(submission, peer)) {
            return peer;
        } else if (best == NULL || is_better(core, peer, follow, best, of_best)) {
            best = peer;
            of_best = follow;
        }
    }
    if (best != NULL && grace_ms != 0) {
        *due_ms = grace_ms < *due_ms ? grace_ms : *due_ms;
        return NULL;
    }
    return best;
}

static void pass_over(struct hark_core *core, const struct hark_key *key,
                      const struct hark_hash *space, int code)
{
    struct hark_peer *peer = hark_core_find(core, key);
    struct hark_follow *follow = peer != NULL ? hark_follow_main(peer, space) : NULL;
    uint64_t ms = PASS_REFUSED_MS;
    if (follow == NULL) {
        return;
    }
    if (code == HARK_E_BUSY || code == HARK_E_LIMIT || code == HARK_E_BEHIND) {
        ms = PASS_BUSY_MS;
    } else if (code == HARK_E_PEER_UNREACHABLE) {
        ms = PASS_SILENT_MS;
    }
    ms <<= follow->refusals < PASS_DOUBLED_MAX ? follow->refusals : PASS_DOUBLED_MAX;
    follow->refusals++;
    follow->passed_ms = hark_core_now(core) + ms;
}

/* ---- sending, and what comes of it ---- */

static void end_under_way(struct hark_core *core, struct hark_submission *submission)
{
    free(submission->ids);
    submission->ids = NULL;
    submission->count = 0;
    submission->id = 0;
    core->submit_due_ms = 0;
}

/* It did not take them, or did not say so: another may. */
static void failed(struct hark_core *core, struct hark_submission *submission, int code)
{
    struct hark_key peer = submission->peer;
    struct hark_hash space = submission->space;
    end_under_way(core, submission);
    submission->waits = submission->body.size > 0;
    submission->fresh = false;
    pass_over(core, &peer, &space, code);
    tidy(core, submission);
    core->io.accepted(core->io.arg, &peer, &space, NULL, 0, code);
}

static void hand_in(struct hark_core *core, struct hark_submission *submission,
                    struct hark_peer *peer)
{
    struct hark_submitted *entries = NULL;
    struct hark_hash space;
    size_t count = 0;
    if (hark_submit_decode(&space, &entries, &count, hark_buf_span(&submission->body), NULL) != 0) {
        return; /* no memory: it was well formed before */
    }
    submission->ids = ids_of(entries, count);
    free(entries);
    if (submission->ids == NULL) {
        return;
    }
    submission->count = count;
    submission->peer = peer->key;
    submission->id = hark_core_next_id(core);
    submission->sent_ms = hark_core_now(core);
    submission->waits = false;
    submission->fresh = false;
    if (hark_core_send(core, peer, HARK_VIA_ANY, HARK_MESSAGE_SUBMIT, submission->id,
                       hark_buf_span(&submission->body), hark_span(NULL, 0)) != 0) {
        end_under_way(core, submission);
        submission->waits = true;
        hark_follow_unsent(core, peer);
    }
}

/* When it is to be looked at again. */
static uint64_t drive_one(struct hark_core *core, struct hark_submission *submission)
{
    uint64_t now = hark_core_now(core), due = HARK_CORE_NEVER;
    if (submission->id == 0 && submission->waits) {
        struct hark_peer *peer = choose(core, submission, &due);
        if (peer != NULL && hark_core_may_send(core, peer, 1)) {
            hand_in(core, submission, peer);
            due = now + TURN_MS; /* unless it went out: perhaps to another */
        } else if (peer != NULL) {
            due = hark_core_send_due(core, peer, 1);
        }
    }
    if (submission->id != 0) {
        due = submission->sent_ms + HARK_CORE_REPLY;
    }
    return due > now ? due : now + 1;
}

static void expire(struct hark_core *core)
{
    uint64_t now = hark_core_now(core);
    for (size_t i = core->submission_count; i-- > 0;) {
        struct hark_submission *submission = &core->submissions[i];
        if (submission->id != 0 && now - submission->sent_ms >= HARK_CORE_REPLY) {
            failed(core, submission, HARK_E_PEER_UNREACHABLE);
        }
    }
    for (size_t i = core->owed_count; i-- > 0;) {
        if (now - core->owed[i].since_ms >= HARK_CORE_OWED) {
            struct hark_owed owed;
            (void)hark_owed_take(core, core->owed[i].token, core->owed[i].type, &owed);
            free(owed.ids);
        }
    }
}

void hark_submit_drive(struct hark_core *core)
{
    expire(core);
    if (hark_core_now(core) < core->submit_due_ms) {
        return;
    }
    core->submit_due_ms = HARK_CORE_NEVER;
    for (size_t i = 0; i < core->submission_count; i++) {
        uint64_t due = drive_one(core, &core->submissions[i]);
        core->submit_due_ms = due < core->submit_due_ms ? due : core->submit_due_ms;
    }
}

uint64_t hark_submit_due(const struct hark_core *core)
{
    uint64_t due = core->submission_count > 0 ? core->submit_due_ms : HARK_CORE_NEVER;
    for (size_t i = 0; i < core->owed_count; i++) {
        uint64_t end = core->owed[i].since_ms + HARK_CORE_OWED;
        due = end < due ? end : due;
    }
    return due;
}

/* "as many and in the order submitted" */
static bool answers(const struct hark_submission *submission, const struct hark_hash *space,
                    const struct hark_accepted *items, size_t count)
{
    bool fits = count == submission->count && hark_hash_equal(space, &submission->space);
    for (size_t i = 0; fits && i < count; i++) {
        fits = hark_hash_equal(&items[i].id, &submission->ids[i]);
    }
    return fits;
}

/* Every single one is refused, for what says of the node that another may take them: it
 * is asked next time, else they would be handed in for ever to who cannot take them. What
 * pass_over is to be told; 0: it is not so. */
static int takes_none(const struct hark_accepted *items, size_t count)
{
    int code = HARK_E_ACCEPT_NOT_HERE;
    for (size_t i = 0; i < count; i++) {
        if (items[i].status != HARK_ACCEPTED_REFUSED ||
            !hark_refusal_is_of_the_node(items[i].code)) {
            return 0;
        }
        if (items[i].code != HARK_E_ACCEPT_NOT_HERE) {
            code = HARK_E_BEHIND; /* for a moment: it may have come further by then */
        }
    }
    return code;
}

static void took(struct hark_core *core, struct hark_peer *peer, struct hark_submission *submission,
                 const struct hark_accepted *items, size_t count)
{
    struct hark_hash space = submission->space;
    struct hark_follow *follow = hark_follow_main(peer, &space);
    end_under_way(core, submission);
    if (!submission->fresh) {
        hark_buf_clear(&submission->body);
        submission->waits = false;
    }
    submission->fresh = false;
    int code = takes_none(items, count);
    if (code != 0) {
        pass_over(core, &peer->key, &space, code);
    } else if (follow != NULL) {
        follow->refusals = 0;
    }
    tidy(core, submission);
    core->io.accepted(core->io.arg, &peer->key, &space, items, count, 0);
}

void hark_submit_answer(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                        const struct hark_message *message)
{
    struct hark_accepted *items = NULL;
    struct hark_hash space;
    struct hark_err err = {0};
    size_t count = 0;
    struct hark_submission *submission = find_under_way(core, &peer->key, message->id);
    if (submission == NULL) {
        return; /* late, or never handed in */
    }
    int rc = hark_accepted_decode(&space, &items, &count, message->body, &err);
    if (rc == 0 && !answers(submission, &space, items, count)) {
        rc = hark_err_set(&err, HARK_E_PEER_FORM, "accepted of other entries than handed in");
    }
    if (rc == HARK_E_PEER_FORM) {
        /* Which also ends what is under way there: hark_submit_lost. */
        hark_core_malformed(core, peer, via, message->id, err.message);
    } else if (rc != 0) {
        failed(core, submission, HARK_E_BUSY);
    } else {
        hark_follow_heard(core, peer);
        took(core, peer, submission, items, count);
    }
    free(items);
}

void hark_submit_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code)
{
    struct hark_submission *submission = find_under_way(core, &peer->key, id);
    if (submission != NULL) {
        hark_follow_heard(core, peer);
        failed(core, submission, code);
    }
}

void hark_submit_lost(struct hark_core *core, const struct hark_key *peer, int code)
{
    for (size_t i = core->submission_count; i-- > 0;) {
        struct hark_submission *submission = &core->submissions[i];
        if (submission->id != 0 && hark_key_equal(&submission->peer, peer)) {
            failed(core, submission, code);
        }
    }
}

/* ---- answers owed ---- */

bool hark_owed_is(const struct hark_core *core, const struct hark_peer *peer,
                  const struct hark_message *message)
{
    for (size_t i = 0; i < core->owed_count; i++) {
        const struct hark_owed *owed = &core->owed[i];
        if (owed->type == message->type && owed->id == message->id &&
            hark_key_equal(&owed->peer, &peer->key)) {
            return true;
        }
    }
    return false;
}

struct hark_owed *hark_owed_add(struct hark_core *core, const struct hark_peer *peer, uint64_t via,
                                const struct hark_message *message, const struct hark_hash *space)
{
    size_t all = 0, of_peer = 0;
    for (size_t i = 0; i < core->owed_count; i++) {
        if (core->owed[i].type == message->type) {
            all++;
            of_peer += hark_key_equal(&core->owed[i].peer, &peer->key);
        }
    }
    if (all == HARK_CORE_OWED_MAX || of_peer == HARK_CORE_OWED_PEER) {
        return NULL;
    }
    struct hark_owed *owed = &core->owed[core->owed_count++];
    memset(owed, 0, sizeof(*owed));
    owed->token = core->next_token++;
    owed->type = message->type;
    owed->peer = peer->key;
    owed->via = via;
    owed->id = message->id;
    owed->since_ms = hark_core_now(core);
    owed->space = *space;
    return owed;
}

bool hark_owed_take(struct hark_core *core, uint64_t token, uint8_t type, struct hark_owed *out)
{
    for (size_t i = 0; i < core->owed_count; i++) {
        if (core->owed[i].token == token && core->owed[i].type == type) {
            *out = core->owed[i];
            core->owed_count--;
            core->owed[i] = core->owed[core->owed_count];
            return true;
        }
    }
    return false;
}

int hark_owed_code(int code)
{
    switch (code) {
    case HARK_E_ACCEPT_NOT_HERE:
    case HARK_E_BEHIND:
    case HARK_E_LIMIT:
    case HARK_E_PEER_SPACE:
        return code;
    default:
        return HARK_E_BUSY;
    }
}

/* ---- taking what others hand in ---- */

/* Hands it over to be judged; a code where that cannot be. Who may have no more
 * waiting here costs no more than that. */
static int take_in(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                   const struct hark_message *message, const struct hark_hash *space,
                   const struct hark_submitted *entries, size_t count)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_owed back;
    if (!core->io.may_have(core->io.arg, &peer->key, space)) {
        return HARK_E_PEER_SPACE;
    }
    struct hark_owed *owed = hark_owed_add(core, peer, via, message, space);
    if (owed == NULL) {
        return HARK_E_BUSY;
    }
    uint64_t token = owed->token;
    owed->ids = ids_of(entries, count);
    owed->count = count;
    int rc = owed->ids == NULL ? HARK_E_NO_MEMORY : 0;
    if (rc == 0) {
        rc = hark_buf_append_span(&body, message->body, NULL);
    }
    if (rc == 0) {
        rc = core->io.submit(core->io.arg, &peer->key, space, &body, token, NULL);
    }
    hark_buf_free(&body); /* empty where it was taken */
    if (rc != 0 && hark_owed_take(core, token, message->type, &back)) {
        free(back.ids);
    }
    return rc != 0 ? hark_owed_code(rc) : 0;
}

static const char *why(int code)
{
    switch (code) {
    case HARK_E_PEER_SPACE:
        return "no such space";
    case HARK_E_ACCEPT_NOT_HERE:
        return "entries for that space are not taken here";
    default:
        return "not now";
    }
}

void hark_submit_message(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                         const struct hark_message *message)
{
    struct hark_submitted *entries = NULL;
    struct hark_hash space;
    struct hark_err err = {0};
    size_t count = 0;
    int rc = hark_submit_decode(&space, &entries, &count, message->body, &err);
    if (rc == HARK_E_PEER_FORM) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    if (hark_owed_is(core, peer, message)) {
        free(entries);
        return; /* the network doubled it: one answer is on its way */
    }
    int code = rc != 0 ? HARK_E_BUSY : take_in(core, peer, via, message, &space, entries, count);
    if (code != 0) {
        hark_core_send_error(core, peer, via, message->id, code, why(code));
    }
    free(entries);
}

/* What is in the answer bears the ids of what was handed in, whatever our own node
 * called them. */
static int answer_body(struct hark_buf *out, const struct hark_owed *owed,
                       const struct hark_accepted *items)
{
    struct hark_accepted *named = calloc(owed->count, sizeof(*named));
    if (named == NULL) {
        return HARK_E_NO_MEMORY;
    }
    memcpy(named, items, owed->count * sizeof(*named));
    for (size_t i = 0; i < owed->count; i++) {
        named[i].id = owed->ids[i];
    }
    int rc = hark_accepted_encode(out, &owed->space, named, owed->count, NULL);
    free(named);
    return rc;
}

void hark_core_accepted(struct hark_core *core, uint64_t token, const struct hark_accepted *items,
                        size_t count, int code)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_owed owed;
    if (!hark_owed_take(core, token, HARK_MESSAGE_SUBMIT, &owed)) {
        return; /* nobody waits for it any more */
    }
    struct hark_peer *peer = hark_core_find(core, &owed.peer);
    if (code == 0 && (count != owed.count || answer_body(&body, &owed, items) != 0)) {
        code = HARK_E_BUSY;
    }
    if (peer != NULL && code == 0) {
        (void)hark_core_send(core, peer, owed.via, HARK_MESSAGE_ACCEPTED, owed.id,
                             hark_buf_span(&body), hark_span(NULL, 0));
    } else if (peer != NULL) {
        code = hark_owed_code(code);
        hark_core_send_error(core, peer, owed.via, owed.id, code, why(code));
    }
    hark_buf_free(&body);
    free(owed.ids);
}
