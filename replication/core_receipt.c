/*
 * Giving receipts, PROTOCOL.md 9.5: to who may have the space. What is asked for is made
 * while it is waited for, so that what may be made in a second is bounded, for a peer and
 * for all of them together; who asks for more asks again.
 */
#include "core_internal.h"

/* May as many be made now? Counts them if so. */
static bool may_make(struct hark_core *core, struct hark_peer *peer, size_t count)
{
    uint64_t now = hark_core_now(core);
    if (now - core->receipts_ms >= HARK_CORE_WINDOW) {
        core->receipts_ms = now;
        core->receipts = 0;
    }
    if (peer->receipts + count > HARK_CORE_RECEIPTS_PEER ||
        core->receipts + count > HARK_CORE_RECEIPTS_MAX || peer->served >= HARK_CORE_SERVED_MAX) {
        return false;
    }
    peer->receipts += count;
    core->receipts += count;
    return true;
}

/* 0, or the code of the error that is the answer. */
static int make(struct hark_core *core, struct hark_peer *peer, const struct hark_hash *space,
                const struct hark_receipt_wanted *wanted, size_t count, struct hark_buf *body)
{
    if (!core->io.may_have(core->io.arg, &peer->key, space)) {
        return HARK_E_PEER_SPACE;
    }
    if (core->io.receipts == NULL || !may_make(core, peer, count)) {
        return HARK_E_BUSY;
    }
    int rc = core->io.receipts(core->io.arg, space, wanted, count, body, NULL);
    peer->served += body->size;
    return rc == 0 ? 0 : hark_owed_code(rc);
}

void hark_receipt_serve(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                        const struct hark_message *message)
{
    struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_hash space;
    struct hark_err err = {0};
    size_t count = 0;
    if (hark_receipt_ask_decode(&space, wanted, &count, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    int code = make(core, peer, &space, wanted, count, &body);
    if (code != 0) {
        hark_core_send_error(core, peer, via, message->id, code,
                             code == HARK_E_PEER_SPACE ? "no such space" : "not now");
    } else {
        (void)hark_core_send(core, peer, via, HARK_MESSAGE_RECEIPTS, message->id,
                             hark_buf_span(&body), hark_span(NULL, 0));
    }
    hark_buf_free(&body);
}
