/*
 * accepted: space id ‖ u16 n ‖ n × (entry id ‖ u8 status ‖ u64 position ‖ u64 accepted ms ‖
 * text(error name) ‖ text(message)), in the order submitted; status 0 refused (both
 * numbers 0), 1 in the answerer's intake log, 2 in the main log (then both texts are
 * empty)
 */
#include <stdlib.h>
#include <string.h>

#include "msg_internal.h"

/* Id, status, two numbers, two empty texts. */
#define ITEM_MIN (32u + 1u + 8u + 8u + 1u + 1u)

static int put_item(struct hark_buf *out, const struct hark_accepted *item, struct hark_err *err)
{
    bool refused = item->status == HARK_ACCEPTED_REFUSED;
    if (item->status > HARK_ACCEPTED_LOGGED) {
        return hark_err_set(err, HARK_E_INTERNAL, "a status that no accepted has");
    }
    int rc = hark_buf_append(out, item->id.bytes, HARK_HASH_SIZE, err);
    if (rc == 0) {
        rc = hark_buf_append_u8(out, item->status, err);
    }
    if (rc == 0) {
        rc = hark_buf_append_u64(out, refused ? 0 : item->position, err);
    }
    if (rc == 0) {
        rc = hark_buf_append_u64(out, refused ? 0 : item->accepted_ms, err);
    }
    return rc != 0 ? rc : hark_verdict_encode(out, refused, item->code, item->message, err);
}

bool hark_refusal_is_of_the_node(int code)
{
    return code == HARK_E_ACCEPT_NOT_HERE || code == HARK_E_ENTRY_GAP || code == HARK_E_ENTRY_KEY ||
           code == HARK_E_VOID_RE_NOTHING || code == HARK_E_LIMIT;
}

int hark_accepted_encode(struct hark_buf *out, const struct hark_hash *space,
                         const struct hark_accepted *items, size_t count, struct hark_err *err)
{
    if (count == 0 || count > HARK_SUBMIT_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "accepted has 1 to %u items", HARK_SUBMIT_MAX);
    }
    int rc = hark_buf_append(out, space->bytes, HARK_HASH_SIZE, err);
    if (rc == 0) {
        rc = hark_buf_append_u16(out, (uint16_t)count, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = put_item(out, &items[i], err);
    }
    return rc;
}

static int take_item(struct hark_span *in, struct hark_accepted *out, struct hark_err *err)
{
    int rc = hark_id_take(in, &out->id, err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u8(in, &out->status) || out->status > HARK_ACCEPTED_LOGGED ||
        !hark_take_u64(in, &out->position) || !hark_take_u64(in, &out->accepted_ms)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "an item that no accepted has");
    }
    bool refused = out->status == HARK_ACCEPTED_REFUSED;
    if (refused && (out->position != 0 || out->accepted_ms != 0)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a refused entry with a position or a time");
    }
    return hark_verdict_take(in, refused, &out->code, out->message, err);
}

int hark_accepted_decode(struct hark_hash *space, struct hark_accepted **items, size_t *count,
                         struct hark_span body, struct hark_err *err)
{
    uint16_t n = 0;
    *items = NULL;
    *count = 0;
    int rc = hark_id_take(&body, space, err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u16(&body, &n) || n == 0 || n > HARK_SUBMIT_MAX || body.size / ITEM_MIN < n) {
        return hark_err_set(err, HARK_E_PEER_FORM, "accepted has 1 to %u items", HARK_SUBMIT_MAX);
    }
    struct hark_accepted *read = calloc(n, sizeof(*read));
    if (read == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %u items", (unsigned)n);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = take_item(&body, &read[i], err);
    }
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "accepted with more behind its items");
    }
    if (rc != 0) {
        free(read);
        return rc;
    }
    *items = read;
    *count = n;
    return 0;
}
