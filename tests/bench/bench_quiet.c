/*
 * What two nodes say to each other when nothing is new and they share SPACES spaces:
 * two replication cores, each with the home's log of every space, at one size. After
 * their first words time passes until one asks again; that is counted.
 *
 *   bench_quiet SPACES
 *
 * Prints messages and bytes, both ways, as handed to ZeroMQ (CURVE and framing add
 * some 40 to a frame).
 */
#include <string.h>

#include "replication/core.h"
#include "tests/bench/bench.h"

#define SPACES_MAX 4096u
#define QUEUE_MAX  64u
#define STEP_MS    100u
#define MOST_MS    60000u

struct packet {
    struct hark_buf header, body;
};

struct end {
    struct end *other;
    struct hark_core *core;
    struct hark_key key;
    size_t count; /* on their way from here */
    struct packet packets[QUEUE_MAX];
    unsigned long asks, messages, bytes;
};

static uint64_t clock_ms = 1000000;

static uint64_t io_now(void *arg)
{
    (void)arg;
    return clock_ms;
}

static struct hark_buf copy_of(struct hark_span from)
{
    struct hark_buf out = hark_buf_init(HARK_BODY_MAX);
    struct hark_err err = {0};

    bench_need(hark_buf_append_span(&out, from, &err), "a message", &err);
    return out;
}

static int io_send(void *arg, const struct hark_key *peer, uint64_t via,
                   const struct hark_message *message, struct hark_err *err)
{
    struct end *from = arg;
    uint8_t header[HARK_HEADER_SIZE];

    (void)peer;
    (void)via;
    (void)err;
    bench_require(from->count < QUEUE_MAX, "more messages than expected");
    hark_message_header(header, message->type, message->id);
    from->packets[from->count].header = copy_of(hark_span(header, sizeof(header)));
    from->packets[from->count++].body = copy_of(message->body);
    from->messages++;
    from->asks += message->type == HARK_MESSAGE_ASK || message->type == HARK_MESSAGE_AGAIN;
    from->bytes += sizeof(header) + message->body.size;
    return 0;
}

static bool io_may(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    (void)arg;
    (void)peer;
    (void)space;
    return true;
}

/* Every log is of one length, and its root is its space's id: nobody here asks how. */
static int io_cursor(void *arg, const struct hark_log_ref *log, struct hark_cursor *out,
                     struct hark_err *err)
{
    (void)arg;
    (void)err;
    hark_cursor_empty(out, log);
    hark_origin(out->origin, "home.example", &log->space, 1);
    out->size = 1000000;
    out->batches = 1000;
    out->root = log->space;
    return 0;
}

static int io_fits(void *arg, const struct hark_cursor *cursor, bool *fits, struct hark_err *err)
{
    (void)arg;
    (void)cursor;
    (void)err;
    *fits = true;
    return 0;
}

/* Delivers what is on its way; whether anything was. */
static bool deliver(struct end *from)
{
    size_t count = from->count;
    struct packet packets[QUEUE_MAX];

    memcpy(packets, from->packets, count * sizeof(packets[0]));
    from->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct hark_span frames[2] = {hark_buf_span(&packets[i].header),
                                      hark_buf_span(&packets[i].body)};

        hark_core_message(from->other->core, &from->key, HARK_VIA_THEIRS, frames, 2);
        hark_buf_free(&packets[i].header);
        hark_buf_free(&packets[i].body);
    }
    return count > 0;
}

static void settle(struct end *a, struct end *b)
{
    bool there, back;

    do {
        (void)hark_core_tick(a->core);
        (void)hark_core_tick(b->core);
        there = deliver(a);
        back = deliver(b);
    } while (there || back);
}

static void begin(struct end *end, struct end *other, const char *name)
{
    struct hark_core_io io = {.arg = end,
                              .now_ms = io_now,
                              .send = io_send,
                              .may_have = io_may,
                              .cursor = io_cursor,
                              .fits = io_fits,
                              .may_join = io_may};
    struct hark_err err = {0};

    memset(&end->key, name[0], sizeof(end->key));
    end->other = other;
    bench_need(hark_core_new(&end->core, name, &io, &err), name, &err);
}

int main(int argc, char **argv)
{
    static struct hark_log_ref logs[SPACES_MAX];
    static struct end asker, answerer;
    struct hark_err err = {0};
    size_t spaces = argc == 2 ? bench_number(argv[1]) : 0;

    bench_require(spaces > 0 && spaces <= SPACES_MAX, "bench_quiet SPACES, 1 to 4,096");
    bench_need(hark_crypto_init(&err), "crypto", &err);
    for (size_t i = 0; i < spaces; i++)
        hark_put_u64(logs[i].space.bytes, i + 1);
    begin(&asker, &answerer, "asker");
    begin(&answerer, &asker, "home");
    bench_need(hark_core_follow(asker.core, &answerer.key, logs, spaces, &err), "follow", &err);
    settle(&asker, &answerer);
    bench_require(asker.asks > 0, "nothing was asked");
    asker.asks = asker.messages = asker.bytes = answerer.messages = answerer.bytes = 0;
    for (uint64_t ms = 0; ms < MOST_MS && asker.asks == 0; ms += STEP_MS) {
        clock_ms += STEP_MS;
        settle(&asker, &answerer);
    }
    bench_require(asker.asks == 1, "it did not ask again once");
    printf("messages %lu\nbytes %lu\n", asker.messages + answerer.messages,
           asker.bytes + answerer.bytes);
    hark_core_free(asker.core);
    hark_core_free(answerer.core);
    return 0;
}
