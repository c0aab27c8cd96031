/*
 * Asking about many logs at once when all was the same the last time: "when nothing
 * is new a sync is one round trip of under 1 KiB, however many logs" (PROTOCOL.md 9.3).
 * Both sides hash the cursors of the logs that the asker waits for news of.
 */
#include <stdlib.h>

#include "core_internal.h"

/* Below that many logs an ask is as short. */
#define LOGS_MIN 3u
/* An ask instead, after the cursors had differed. */
#define DIFFERED_MS (2u * HARK_CORE_ASK_EVERY)

/* ---- asker ---- */

static bool may_ask(struct hark_core *core, const struct hark_peer *peer)
{
    return peer->follow_count >= LOGS_MIN && hark_core_now(core) >= peer->again_ms;
}

bool hark_again_covers(struct hark_core *core, const struct hark_peer *peer,
                       const struct hark_follow *follow)
{
    /* A log that never rests must not keep the others from being asked about. */
    return may_ask(core, peer) && follow->level &&
           hark_core_now(core) - follow->level_ms < 2u * HARK_CORE_ASK_EVERY;
}

/* Our cursors of all that is followed; false where one is not as it was when the peer
 * told us that it has the same. */
static bool all_level(struct hark_core *core, struct hark_peer *peer, struct hark_cursor *cursors)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        if (follow->phase != HARK_PHASE_IDLE || !follow->level) {
            return false;
        }
    }
    for (size_t i = 0; i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        if (hark_core_cursor(core, &follow->log, &cursors[i]) != 0 ||
            !hark_cursor_equal(&cursors[i], &follow->asked)) {
            follow->level = false;
            return false;
        }
    }
    return true;
}

bool hark_again_send(struct hark_core *core, struct hark_peer *peer)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_cursor *cursors = NULL;
    struct hark_hash digest;
    bool sent = false;
    if (!may_ask(core, peer)) {
        return false;
    }
    cursors = calloc(peer->follow_count, sizeof(*cursors));
    if (cursors == NULL || !all_level(core, peer, cursors) ||
        hark_again_digest(&digest, cursors, peer->follow_count, NULL) != 0 ||
        hark_again_encode(&body, &digest, NULL) != 0) {
        goto out;
    }
    sent = true;
    hark_follow_asked(core, peer);
    if (hark_core_send(core, peer, HARK_VIA_ANY, HARK_MESSAGE_AGAIN, peer->ask_id,
                       hark_buf_span(&body), hark_span(NULL, 0)) != 0) {
        hark_follow_end_ask(peer, hark_core_now(core));
        hark_follow_unsent(core, peer);
    }
out:
    hark_buf_free(&body);
    free(cursors);
    return sent;
}

void hark_again_still(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message)
{
    struct hark_err err = {0};
    bool same = false;
    if (message->id != peer->ask_id) {
        return; /* late, or never asked for */
    }
    int rc = hark_still_decode(&same, message->body, &err);
    if (rc == 0 && !peer->ask_again) {
        rc = hark_err_set(&err, HARK_E_PEER_FORM, "a still that does not answer an again");
    }
    if (rc != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    peer->failures = 0;
    hark_follow_heard(core, peer);
    if (same) {
        hark_follow_all_same(core, peer);
        return;
    }
    peer->again_ms = hark_core_now(core) + DIFFERED_MS;
    hark_follow_end_ask(peer, hark_core_now(core));
}

/* ---- answerer ---- */

/* Our cursors of what the peer waits for news of; false where there is news, or
 * something that it may not have any more. */
static bool ours(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                 struct hark_cursor *cursors)
{
    for (size_t i = 0; i < peer->credit_count; i++) {
        struct hark_credit *credit = &peer->credits[i];
        if (credit->grown || !core->io.may_have(core->io.arg, &peer->key, &credit->log.space) ||
            hark_core_cursor(core, &credit->log, &cursors[i]) != 0) {
            return false;
        }
        credit->via = via;
    }
    return true;
}

void hark_again_serve(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message)
{
    struct hark_hash asked, digest;
    struct hark_cursor *cursors = NULL;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_err err = {0};
    size_t count = peer->credit_count;
    bool same = false;
    if (hark_again_decode(&asked, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    peer->asked_via = via;
    cursors = count > 0 ? calloc(count, sizeof(*cursors)) : NULL;
    if (cursors != NULL && ours(core, peer, via, cursors) &&
        hark_again_digest(&digest, cursors, count, NULL) == 0) {
        same = hark_hash_equal(&asked, &digest);
    }
    if (hark_still_encode(&body, same, NULL) == 0) {
        (void)hark_core_send(core, peer, via, HARK_MESSAGE_STILL, message->id, hark_buf_span(&body),
                             hark_span(NULL, 0));
    }
    hark_buf_free(&body);
    free(cursors);
}
