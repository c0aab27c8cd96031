/*
 * A peer's message: u8 number of frames, then u32 size ‖ frame for each. What the
 * decoders accept must encode to the same bytes; and a core that follows a space
 * and serves one must survive it, whatever comes. Ids are not known to a fuzzer:
 * where the core waits for an answer, its id is put in.
 */
#include "core_world.h"

#define FRAMES_MAX 5

/* ---- the decoders ---- */

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

static void try_core(const struct hark_span *frames, size_t count)
{
    struct world world;
    struct hark_core_io io;
    struct hark_joined waiting = {.status = HARK_JOINED_WAITING};
    struct hark_core *core = NULL;
    struct hark_key peer = {{1}};
    struct hark_log_ref log = {{{0}}, ""};
    uint8_t header[HARK_HEADER_SIZE];
    struct hark_span patched[FRAMES_MAX];

    world_init(&world);
    io = world_io(&world);
    log.space = world.cursor.space;
    require(hark_core_new(&core, "fuzz", &io, NULL) == 0);
    give_work(core, &peer, &world);
    for (unsigned i = 0; i < 8; i++) {
        (void)hark_core_tick(core);
        if (i == 0)
            say_hello(core, &peer, &world);
        (void)hark_core_tick(core);
        memcpy(patched, frames, count * sizeof(*frames));
        if (count > 0 && frames[0].size == HARK_HEADER_SIZE && i > 0) {
            memcpy(header, frames[0].data, sizeof(header));
            hark_put_u64(header + 8, awaited(&world, frames, count, i));
            patched[0] = hark_span(header, sizeof(header));
        }
        hark_core_message(core, &peer, HARK_VIA_OURS, patched, count);
        hark_core_grown(core, &log);
        world.notes++;
        hark_core_noted(core, &log.space);
        hark_core_convicted(core, &log.space);
        world.now_ms += hark_core_tick(core);
    }
    hark_core_appended(core, 2, 0, NULL);
    hark_core_accepted(core, world.tokens[0], NULL, 0, HARK_E_IO);
    hark_core_joined(core, world.tokens[1], &waiting);
    hark_core_cosigned(core, world.tokens[2], 0, 0, 0);
    hark_core_evidence(core, world.tokens[3], 0, 0, 0);
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
