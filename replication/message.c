/*
 * A message's header, 16 bytes:
 *
 *     0   "HARK"
 *     4   u8 version: 1
 *     5   u8 type
 *     6   u16 zero
 *     8   u64 request id
 *
 * A cursor, 81 bytes and up:
 *
 *     0       space id (32)
 *     32      u8 n ‖ n bytes of origin
 *     33 + n  u64 size
 *     41 + n  u64 batches
 *     49 + n  root (32)
 */
#include "message.h"

#include <string.h>

#include "messages.h"

#define MAGIC_SIZE      4u
#define VERSION_AT      4u
#define TYPE_AT         5u
#define ZERO_AT         6u
#define ID_AT           8u
#define INCARNATION_MAX ((UINT64_C(1) << 53) - 1)

static const uint8_t magic[MAGIC_SIZE] = {'H', 'A', 'R', 'K'};

/* ---- frames ---- */

void hark_message_header(uint8_t out[HARK_HEADER_SIZE], uint8_t type, uint64_t id)
{
    memset(out, 0, HARK_HEADER_SIZE);
    memcpy(out, magic, MAGIC_SIZE);
    out[VERSION_AT] = HARK_WIRE_VERSION;
    out[TYPE_AT] = type;
    hark_put_u64(out + ID_AT, id);
}

/* The version is looked at before the rest: what stands behind it, even how long
 * the header is, belongs to that version. */
static int read_header(struct hark_message *out, struct hark_span header, struct hark_err *err)
{
    if (header.size <= VERSION_AT || memcmp(header.data, magic, MAGIC_SIZE) != 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "the header does not begin with HARK");
    }
    if (header.size == HARK_HEADER_SIZE) {
        out->type = header.data[TYPE_AT];
        out->id = hark_get_u64(header.data + ID_AT);
    }
    if (header.data[VERSION_AT] != HARK_WIRE_VERSION) {
        return hark_err_set(err, HARK_E_PEER_VERSION, "version %u; version %u is spoken here",
                            (unsigned)header.data[VERSION_AT], HARK_WIRE_VERSION);
    }
    if (header.size != HARK_HEADER_SIZE || header.data[ZERO_AT] != 0 ||
        header.data[ZERO_AT + 1] != 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "the header is not 16 bytes in their form");
    }
    return 0;
}

/* "request id, chosen by the asker, 0 in news". An error may answer what could
 * not be read, so it alone may have either. */
static bool id_fits(const struct hark_message *message)
{
    if (message->type == HARK_MESSAGE_ERROR) {
        return true;
    }
    return (message->id == 0) == (message->type == HARK_MESSAGE_NEWS);
}

static bool type_is_known(uint8_t type)
{
    return (type >= HARK_MESSAGE_HELLO && type <= HARK_MESSAGE_RECEIPT) ||
           (type >= HARK_MESSAGE_AGAIN && type <= HARK_MESSAGE_RECEIPTS);
}

int hark_message_decode(struct hark_message *out, const struct hark_span *frames, size_t count,
                        struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    if (count == 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a message without frames");
    }
    int rc = read_header(out, frames[0], err);
    if (rc != 0) {
        return rc;
    }
    if (!type_is_known(out->type)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "no message has type %u", (unsigned)out->type);
    }
    if (count != (out->type == HARK_MESSAGE_BATCHES ? 3u : 2u)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a message of %s frames than it has",
                            count > 2 ? "more" : "fewer");
    }
    if (!id_fits(out)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a request id that its type does not have");
    }
    if (frames[1].size > HARK_BODY_MAX || (count == 3 && frames[2].size > HARK_LOAD_MAX)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a frame larger than allowed");
    }
    if (count == 3 && frames[2].size == 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "an empty load");
    }
    out->body = frames[1];
    if (count == 3) {
        out->load = frames[2];
    }
    return 0;
}

/* ---- text ---- */

/* C0, DEL and, as UTF-8 begins them with 0xC2, C1. */
static bool has_controls(struct hark_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        uint8_t next = i + 1 < text.size ? text.data[i + 1] : 0xff;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0)) {
            return true;
        }
    }
    return false;
}

int hark_text_encode(struct hark_buf *out, const char *text, struct hark_err *err)
{
    size_t size = strlen(text);
    if (size > HARK_TEXT_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a text of more than %u bytes", HARK_TEXT_MAX);
    }
    int rc = hark_buf_append_u8(out, (uint8_t)size, err);
    return rc != 0 ? rc : hark_buf_append(out, text, size, err);
}

int hark_text_take(struct hark_span *in, char *out, size_t max, struct hark_err *err)
{
    uint8_t size = 0;
    struct hark_span text;
    out[0] = '\0';
    if (!hark_take_u8(in, &size) || size > max || !hark_take(in, size, &text)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a text longer than what is there, or allowed");
    }
    if (has_controls(text) || !hark_utf8_valid(text)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a text that is none");
    }
    if (size > 0) {
        memcpy(out, text.data, size);
    }
    out[size] = '\0';
    return 0;
}

/* ---- cursors ---- */

void hark_cursor_empty(struct hark_cursor *out, const struct hark_log_ref *log)
{
    memset(out, 0, sizeof(*out));
    out->space = log->space;
    out->root = hark_merkle_empty();
    if (log->node[0] != '\0') {
        hark_origin(out->origin, log->node, &log->space, 0);
    }
}

void hark_cursor_log(const struct hark_cursor *cursor, struct hark_log_ref *out)
{
    static const char end[] = "/intake";
    const size_t end_size = sizeof(end) - 1;
    size_t size = strlen(cursor->origin);
    size_t name = strcspn(cursor->origin, "/");
    memset(out, 0, sizeof(*out));
    out->space = cursor->space;
    if (size >= end_size && strcmp(cursor->origin + size - end_size, end) == 0 &&
        name <= HARK_NODE_NAME_MAX) {
        memcpy(out->node, cursor->origin, name);
    }
}

bool hark_cursor_equal(const struct hark_cursor *a, const struct hark_cursor *b)
{
    return hark_hash_equal(&a->space, &b->space) && strcmp(a->origin, b->origin) == 0 &&
           a->size == b->size && a->batches == b->batches && hark_hash_equal(&a->root, &b->root);
}

/* "<node name>/<space id>/<incarnation>, and an intake log's
 * <node name>/<space id>/intake" (2.8). */
static bool origin_is_of(struct hark_span origin, const struct hark_hash *space)
{
    char hex[2 * HARK_HASH_SIZE + 1];
    const uint8_t *slash = memchr(origin.data, '/', origin.size);
    struct hark_span name;
    uint64_t incarnation = 0;
    if (slash == NULL || !hark_take(&origin, (size_t)(slash - origin.data), &name) ||
        !hark_node_name_valid(name)) {
        return false;
    }
    hark_hash_hex(hex, space);
    if (!hark_take_literal(&origin, "/") || !hark_take_literal(&origin, hex) ||
        !hark_take_literal(&origin, "/")) {
        return false;
    }
    return hark_span_equal(origin, hark_span_str("intake")) ||
           (hark_decimal_decode(&incarnation, origin, INCARNATION_MAX, NULL) == 0 &&
            incarnation > 0);
}

int hark_cursor_encode(struct hark_buf *out, const struct hark_cursor *cursor, struct hark_err *err)
{
    int rc = hark_buf_append(out, cursor->space.bytes, HARK_HASH_SIZE, err);
    if (rc == 0) {
        rc = hark_text_encode(out, cursor->origin, err);
    }
    if (rc == 0) {
        rc = hark_buf_append_u64(out, cursor->size, err);
    }
    if (rc == 0) {
        rc = hark_buf_append_u64(out, cursor->batches, err);
    }
    if (rc == 0) {
        rc = hark_buf_append(out, cursor->root.bytes, HARK_HASH_SIZE, err);
    }
    return rc;
}

static bool take_hash(struct hark_span *in, struct hark_hash *out)
{
    struct hark_span bytes;
    if (!hark_take(in, HARK_HASH_SIZE, &bytes)) {
        return false;
    }
    memcpy(out->bytes, bytes.data, HARK_HASH_SIZE);
    return true;
}

/* "A follower that has nothing yet asks with size 0, no batches and the empty
 * tree's root; for the main log with an empty origin, for an intake log with its
 * origin." A log's first batch holds an entry, so that either number is 0 only
 * where all of it is so. */
bool hark_cursor_is_whole(const struct hark_cursor *cursor)
{
    struct hark_log_ref log;
    struct hark_cursor empty;
    if (cursor->origin[0] != '\0' && !origin_is_of(hark_span_str(cursor->origin), &cursor->space)) {
        return false;
    }
    hark_cursor_log(cursor, &log);
    hark_cursor_empty(&empty, &log);
    return cursor->size == 0 || cursor->batches == 0 || cursor->origin[0] == '\0'
               ? hark_cursor_equal(cursor, &empty)
               : true;
}

int hark_cursor_take(struct hark_span *in, struct hark_cursor *out, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    if (!take_hash(in, &out->space)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a cursor that is cut short");
    }
    int rc = hark_text_take(in, out->origin, HARK_ORIGIN_MAX, err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u64(in, &out->size) || !hark_take_u64(in, &out->batches) ||
        !take_hash(in, &out->root)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a cursor that is cut short");
    }
    if (!hark_cursor_is_whole(out)) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a cursor of no log");
    }
    return 0;
}
