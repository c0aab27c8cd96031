/*
 * A peer's message: u8 number of frames, then u32 size ‖ frame for each. What the
 * decoders accept must encode to the same bytes; and a core that follows a space
 * and serves one must survive it, whatever comes. Ids are not known to a fuzzer:
 * where the core waits for an answer, its id is put in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replication/core.h"
#include "replication/messages.h"

#define FRAMES_MAX 5

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* ---- the decoders ---- */

static int again_ask(struct hark_buf *out, struct hark_span body)
{
    struct hark_cursor *cursors = NULL;
    size_t count = 0;
    int rc = hark_ask_decode(&cursors, &count, body, NULL);
    if (rc == 0)
        rc = hark_ask_encode(out, cursors, count, NULL);
    free(cursors);
    return rc;
}

static int again_tell(struct hark_buf *out, struct hark_span body)
{
    struct hark_told *told = NULL;
    size_t count = 0;
    int rc = hark_tell_decode(&told, &count, body, NULL);
    if (rc == 0)
        rc = hark_tell_encode(out, told, count, NULL);
    free(told);
    return rc;
}

static int again_batches(struct hark_buf *out, const struct hark_message *message)
{
    struct hark_batches batches;
    struct hark_buf plain = hark_buf_init(HARK_UNPACKED_MAX);
    int rc = hark_batches_decode(&batches, message->body, NULL);
    if (rc == 0) {
        if (hark_batches_unpack(&plain, &batches, message->load, NULL) == 0)
            require(plain.size == batches.size);
        else
            require(plain.size == 0);
        rc = hark_batches_encode(out, &batches, NULL);
    }
    hark_buf_free(&plain);
    return rc;
}

static int again_error(struct hark_buf *out, struct hark_span body)
{
    struct hark_error error;
    int rc = hark_error_decode(&error, body, NULL);
    if (rc != 0)
        return rc;
    /* An error of any name is read, one of ours is written. */
    int code = hark_err_from_name(error.name);
    bool plain = code != 0;
    for (const char *c = error.message; *c != '\0'; c++)
        plain = plain && *c >= 0x20 && *c < 0x7f;
    return plain ? hark_error_encode(out, code, error.message, NULL)
                 : hark_buf_append_span(out, body, NULL);
}

static int again(struct hark_buf *out, const struct hark_message *message)
{
    struct hark_hello hello;
    struct hark_fetch fetch;
    struct hark_cursor cursor;
    int rc = 0;
    switch (message->type) {
    case HARK_MESSAGE_HELLO:
        rc = hark_hello_decode(&hello, message->body, NULL);
        return rc != 0 ? rc : hark_hello_encode(out, &hello, NULL);
    case HARK_MESSAGE_ASK:
        return again_ask(out, message->body);
    case HARK_MESSAGE_TELL:
        return again_tell(out, message->body);
    case HARK_MESSAGE_FETCH:
        rc = hark_fetch_decode(&fetch, message->body, NULL);
        return rc != 0 ? rc : hark_fetch_encode(out, &fetch, NULL);
    case HARK_MESSAGE_BATCHES:
        return again_batches(out, message);
    case HARK_MESSAGE_NEWS:
        rc = hark_news_decode(&cursor, message->body, NULL);
        return rc != 0 ? rc : hark_news_encode(out, &cursor, NULL);
    default:
        return again_error(out, message->body);
    }
}

static void try_decoders(const struct hark_span *frames, size_t count)
{
    struct hark_message message;
    uint8_t header[HARK_HEADER_SIZE];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    if (hark_message_decode(&message, frames, count, NULL) == 0) {
        hark_message_header(header, message.type, message.id);
        require(hark_span_equal(hark_span(header, sizeof(header)), frames[0]));
        if (again(&body, &message) == 0)
            require(hark_span_equal(hark_buf_span(&body), message.body));
    }
    hark_buf_free(&body);
}

/* ---- the core ---- */

struct world {
    uint64_t now_ms, ask_id, fetch_id;
    struct hark_cursor cursor;
};

static uint64_t world_now(void *arg)
{
    const struct world *world = arg;
    return world->now_ms;
}

static int world_send(void *arg, const struct hark_key *peer, uint64_t via,
                      const struct hark_message *message, struct hark_err *err)
{
    struct world *world = arg;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    (void)peer;
    (void)via;
    (void)err;
    /* Whatever the core says is well formed. */
    require(again(&body, message) == 0);
    hark_buf_free(&body);
    if (message->type == HARK_MESSAGE_ASK)
        world->ask_id = message->id;
    if (message->type == HARK_MESSAGE_FETCH)
        world->fetch_id = message->id;
    return 0;
}

static bool world_may_have(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    const struct world *world = arg;
    (void)peer;
    return hark_hash_equal(space, &world->cursor.space);
}

static int world_cursor(void *arg, const struct hark_log_ref *log, struct hark_cursor *out,
                        struct hark_err *err)
{
    const struct world *world = arg;
    (void)err;
    *out = world->cursor;
    return log->node[0] == '\0' ? 0 : HARK_E_NOT_FOUND;
}

static int world_fits(void *arg, const struct hark_cursor *cursor, bool *fits, struct hark_err *err)
{
    const struct world *world = arg;
    (void)err;
    require(cursor->batches > 0 && cursor->batches <= world->cursor.batches);
    *fits = hark_hash_equal(&cursor->root, &world->cursor.root) || cursor->size % 2 == 0;
    return 0;
}

static int world_load(void *arg, const struct hark_log_ref *log, uint64_t batches, size_t max_bytes,
                      struct hark_buf *out, unsigned *count, struct hark_err *err)
{
    static const uint8_t batch[12] = {0};
    (void)arg;
    (void)log;
    (void)batches;
    (void)max_bytes;
    *count = 1;
    return hark_buf_append(out, batch, sizeof(batch), err);
}

static int world_append(void *arg, const struct hark_log_ref *log, const struct hark_key *peer,
                        struct hark_buf *load, unsigned batches, uint64_t token,
                        struct hark_err *err)
{
    (void)arg;
    (void)log;
    (void)peer;
    (void)err;
    require(load->size > 0 && batches > 0);
    if (token % 3 == 0)
        return HARK_E_BUSY;
    if (token % 3 == 1)
        return HARK_E_BATCH_FORM;
    hark_buf_free(load);
    return 0;
}

static void try_core(const struct hark_span *frames, size_t count)
{
    struct world world = {.now_ms = 1000000};
    struct hark_core_io io = {
        .arg = &world,
        .now_ms = world_now,
        .send = world_send,
        .may_have = world_may_have,
        .cursor = world_cursor,
        .fits = world_fits,
        .load = world_load,
        .append = world_append,
    };
    struct hark_core *core = NULL;
    struct hark_key peer = {{1}};
    struct hark_log_ref log = {{{0}}, ""};
    uint8_t header[HARK_HEADER_SIZE];
    struct hark_span patched[FRAMES_MAX];

    memset(world.cursor.space.bytes, 0x51, HARK_HASH_SIZE);
    hark_origin(world.cursor.origin, "home.example", &world.cursor.space, 1);
    world.cursor.size = 257;
    world.cursor.batches = 3;
    log.space = world.cursor.space;
    require(hark_core_new(&core, "fuzz", &io, NULL) == 0);
    require(hark_core_follow(core, &peer, &log, 1, NULL) == 0);
    for (unsigned i = 0; i < 4; i++) {
        (void)hark_core_tick(core);
        memcpy(patched, frames, count * sizeof(*frames));
        if (count > 0 && frames[0].size == HARK_HEADER_SIZE && i > 0) {
            memcpy(header, frames[0].data, sizeof(header));
            hark_put_u64(header + 8, i % 2 == 1 ? world.ask_id : world.fetch_id);
            patched[0] = hark_span(header, sizeof(header));
        }
        hark_core_message(core, &peer, HARK_VIA_OURS, patched, count);
        hark_core_grown(core, &log);
        world.now_ms += hark_core_tick(core);
    }
    hark_core_appended(core, 2, 0, NULL);
    hark_core_ask_now(core);
    world.now_ms += 100000;
    (void)hark_core_tick(core);
    hark_core_free(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span in = hark_span(data, size);
    struct hark_span frames[FRAMES_MAX];
    uint8_t count = 0;

    if (!hark_take_u8(&in, &count) || count > FRAMES_MAX)
        return 0;
    for (uint8_t i = 0; i < count; i++) {
        uint32_t frame_size = 0;
        if (!hark_take_u32(&in, &frame_size) || !hark_take(&in, frame_size, &frames[i]))
            return 0;
    }
    try_decoders(frames, count);
    try_core(frames, count);
    return 0;
}
