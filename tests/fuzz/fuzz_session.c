/*
 * A whole session with a core: what a peer, and another one, say one after the other,
 * while time passes and what was handed over gets done. Each step is u8 what ‖ u8 how ‖
 * u16 number: messages are built well formed from these, of every type there is, with
 * cursors near the world's, ids that were asked under or not, so that a fuzzer's bytes
 * go into the order of things and not into finding a header. Raw bytes are
 * fuzz_message's.
 */
#include "core_world.h"

#define STEPS_MAX  64
#define PEERS      2
#define KINDS      24u /* of steps: what is said, and what happens */
#define HAPPENS    15u /* the first of those that happen, of HAPPENINGS */
#define HAPPENINGS 5u

struct session {
    struct world world;
    struct hark_core *core;
    struct hark_key peers[PEERS];
};

struct step {
    uint8_t what, how;
    uint16_t number;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One near the world's: at it, before or behind it, of another root, incarnation, intake
 * or space, or of nothing. */
static struct hark_cursor cursor_of(const struct session *s, const struct step *step)
{
    struct hark_cursor cursor = s->world.cursor;
    struct hark_log_ref log = {cursor.space, ""};

    if (step->how & 1)
        cursor.root.bytes[0] ^= 1;
    if (step->how & 2)
        cursor.size += step->number % 9;
    if (step->how & 4)
        cursor.batches = 1 + step->number % 7;
    if (step->how & 8)
        hark_origin(cursor.origin, "home.example", &cursor.space, 1 + step->number % 3);
    if (step->how & 16) {
        (void)snprintf(log.node, sizeof(log.node), "%s", step->number % 2 ? "a" : "b");
        hark_origin(cursor.origin, log.node, &cursor.space, 0);
    }
    if (step->how & 32)
        hark_cursor_empty(&cursor, &log);
    return cursor;
}

static int put_batches(const struct session *s, const struct step *step, struct hark_buf *body,
                       struct hark_buf *load)
{
    static const uint8_t plain[12 * 4] = {0}; /* four batches of nothing */
    size_t count = 1 + step->number % 4;
    struct hark_batches batches = {.cursor = cursor_of(s, step),
                                   .size = (uint32_t)(12 * count),
                                   .count = (uint16_t)(count + (step->how >> 7))};
    int rc = hark_batches_pack(load, hark_span(plain, 12 * count), NULL);

    return rc != 0 ? rc : hark_batches_encode(body, &batches, NULL);
}

static int put_entries(const struct session *s, const struct step *step, struct hark_buf *body)
{
    struct hark_submitted entries[4];
    size_t count = 1 + step->number % 4;

    for (size_t i = 0; i < count; i++)
        entries[i] = (struct hark_submitted){.entry = hark_span_str("an entry")};
    return hark_submit_encode(body, &s->world.cursor.space, entries, count, NULL);
}

static int put_accepted(const struct session *s, const struct step *step, struct hark_buf *body)
{
    struct hark_accepted item = {.id = hark_sha256(hark_span_str("an entry")),
                                 .status = (uint8_t)(step->how % 3),
                                 .position = step->number,
                                 .accepted_ms = 1};

    if (item.status == HARK_ACCEPTED_REFUSED) {
        item.position = item.accepted_ms = 0;
        item.code = HARK_E_VOID_ROLE;
    }
    return hark_accepted_encode(body, &s->world.cursor.space, &item, 1, NULL);
}

static int put_again(struct hark_cursor *cursor, struct hark_buf *body)
{
    struct hark_hash digest;
    int rc = hark_again_digest(&digest, cursor, 1, NULL);

    return rc != 0 ? rc : hark_again_encode(body, &digest, NULL);
}

/* The body of a message of that type; 0 when there is one. */
static int build(const struct session *s, uint8_t type, const struct step *step,
                 struct hark_buf *body, struct hark_buf *load)
{
    static const int codes[] = {HARK_E_BUSY, HARK_E_PEER_REFUSED, HARK_E_PEER_VERSION,
                                HARK_E_PEER_FORM, HARK_E_NOT_FOUND};
    const struct hark_hash *space = &s->world.cursor.space;
    struct hark_hello hello = {.lowest = 1, .highest = (uint8_t)(1 + step->how % 3)};
    struct hark_cursor cursor = cursor_of(s, step);
    struct hark_told told = {.status = (uint8_t)(step->number % 5u), .cursor = cursor};
    struct hark_fetch fetch = {.cursor = cursor, .want = HARK_WANT_MIN + step->number};
    struct hark_submitted shown = {.entry = hark_span_str("the first")};
    struct hark_receipt_wanted wanted = {.id = cursor.root, .position = step->number};
    struct hark_span receipts[3] = {hark_span_str("a receipt")};
    struct hark_joined joined = {.space = *space, .status = (uint8_t)(step->how % 3)};

    (void)snprintf(hello.name, sizeof(hello.name), "peer");
    if (joined.status == HARK_JOINED_REFUSED)
        joined.code = HARK_E_TICKET_UNKNOWN;
    switch (type) {
    case HARK_MESSAGE_HELLO:
        return hark_hello_encode(body, &hello, NULL);
    case HARK_MESSAGE_ASK:
        return hark_ask_encode(body, &cursor, 1, NULL);
    case HARK_MESSAGE_TELL:
        return hark_tell_encode(body, &told, 1, NULL);
    case HARK_MESSAGE_FETCH:
        return hark_fetch_encode(body, &fetch, NULL);
    case HARK_MESSAGE_BATCHES:
        return put_batches(s, step, body, load);
    case HARK_MESSAGE_NEWS:
        return hark_news_encode(body, &cursor, NULL);
    case HARK_MESSAGE_ERROR:
        return hark_error_encode(body, codes[step->number % 5], "so it is", NULL);
    case HARK_MESSAGE_SUBMIT:
        return put_entries(s, step, body);
    case HARK_MESSAGE_ACCEPTED:
        return put_accepted(s, step, body);
    case HARK_MESSAGE_TERMS:
        return hark_terms_encode(body, space, NULL);
    case HARK_MESSAGE_SHOWN:
        return hark_shown_encode(body, space, &shown, 1, NULL);
    case HARK_MESSAGE_JOIN:
        return hark_join_encode(body, space, hark_span_str("sealed"), NULL);
    case HARK_MESSAGE_COSIGN:
        return hark_cosign_encode(body, space, &shown.entry, 1, NULL);
    case HARK_MESSAGE_EVIDENCE:
        return hark_evidence_files_encode(body, space, &shown.entry, 1, NULL);
    case HARK_MESSAGE_RECEIPT:
        return hark_receipt_ask_encode(body, space, &wanted, 1, NULL);
    case HARK_MESSAGE_RECEIPTS:
        return hark_receipts_encode(body, space, receipts, 1 + step->number % 3u, NULL);
    case HARK_MESSAGE_NOTED:
        return hark_noted_encode(body, step->how & 128 ? &cursor.root : space, NULL);
    case HARK_MESSAGE_AGAIN:
        return put_again(&cursor, body);
    case HARK_MESSAGE_STILL:
        return hark_still_encode(body, step->number % 2 == 0, NULL);
    default:
        return hark_joined_encode(body, &joined, NULL);
    }
}

/* The id: that of the question which such an answer answers, or one of the peer's own;
 * now and then another. */
static uint64_t id_of(const struct session *s, uint8_t type, const struct step *step)
{
    static const uint8_t questions[HARK_MESSAGE_TYPES_] = {
        [HARK_MESSAGE_STILL] = HARK_MESSAGE_AGAIN,   [HARK_MESSAGE_TELL] = HARK_MESSAGE_ASK,
        [HARK_MESSAGE_BATCHES] = HARK_MESSAGE_FETCH, [HARK_MESSAGE_ACCEPTED] = HARK_MESSAGE_SUBMIT,
        [HARK_MESSAGE_SHOWN] = HARK_MESSAGE_TERMS,   [HARK_MESSAGE_JOINED] = HARK_MESSAGE_JOIN,
        [HARK_MESSAGE_NOTED] = HARK_MESSAGE_COSIGN,  [HARK_MESSAGE_RECEIPTS] = HARK_MESSAGE_RECEIPT,
    };
    uint8_t question = type == HARK_MESSAGE_ERROR ? (uint8_t)(1 + step->how % HARK_MESSAGE_EVIDENCE)
                                                  : questions[type];

    if (type == HARK_MESSAGE_NEWS)
        return 0;
    if (type == HARK_MESSAGE_NOTED && step->number % 2 == 0)
        question = HARK_MESSAGE_EVIDENCE;
    if (question == 0)
        return 1 + step->number % 5u;
    return s->world.ids[question] + (step->how & 64 ? 1 : 0);
}

static void say(struct session *s, const struct hark_key *peer, uint8_t type,
                const struct step *step)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX), load = hark_buf_init(1u << 16);
    uint8_t header[HARK_HEADER_SIZE];
    struct hark_span frames[3];

    if (build(s, type, step, &body, &load) == 0) {
        hark_message_header(header, type, id_of(s, type, step));
        frames[0] = hark_span(header, sizeof(header));
        frames[1] = hark_buf_span(&body);
        frames[2] = hark_buf_span(&load);
        hark_core_message(s->core, peer,
                          step->number & 0x8000 ? HARK_VIA_THEIRS + (step->how & 3) : HARK_VIA_OURS,
                          frames, load.size > 0 ? 3 : 2);
    }
    hark_buf_free(&body);
    hark_buf_free(&load);
}

/* What the node around the core does meanwhile. */
static void happen(struct session *s, const struct hark_key *peer, const struct step *step)
{
    struct hark_joined joined = {.status = HARK_JOINED_WAITING};
    struct hark_log_ref log = {s->world.cursor.space, ""};

    switch (step->how % 8) {
    case 0:
        s->world.now_ms += step->number;
        break;
    case 1:
        s->world.now_ms += hark_core_tick(s->core);
        break;
    case 2:
        hark_core_appended(s->core, step->number % 16u,
                           step->number / 16 % 3 == 0 ? HARK_E_BATCH_FORM : 0, "as it is");
        break;
    case 3:
        s->world.cursor.size += step->number % 5u;
        s->world.cursor.batches++;
        hark_core_grown(s->core, &log);
        s->world.notes += step->number % 2u;
        hark_core_noted(s->core, &log.space);
        hark_core_convicted(s->core, &log.space);
        break;
    case 4:
        hark_core_accepted(s->core, s->world.tokens[0], NULL, 0, HARK_E_IO);
        hark_core_joined(s->core, s->world.tokens[1], &joined);
        hark_core_cosigned(s->core, s->world.tokens[2], s->world.notes, s->world.notes,
                           step->number % 4 == 1 ? HARK_E_PEER_FORM : 0);
        hark_core_evidence(s->core, s->world.tokens[3], s->world.notes, s->world.notes,
                           step->number % 4 == 2 ? HARK_E_PEER_FORM : 0);
        break;
    case 5:
        give_work(s->core, peer, &s->world);
        break;
    case 6:
        hark_core_ask_now(s->core);
        if (step->number % 4 == 1)
            hark_core_lost(s->core, peer);
        break;
    default:
        if (step->number % 4 == 0)
            hark_core_forget(s->core, peer);
        break;
    }
    (void)hark_core_tick(s->core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {
        HARK_MESSAGE_HELLO,    HARK_MESSAGE_ASK,     HARK_MESSAGE_TELL,     HARK_MESSAGE_FETCH,
        HARK_MESSAGE_BATCHES,  HARK_MESSAGE_NEWS,    HARK_MESSAGE_ERROR,    HARK_MESSAGE_SUBMIT,
        HARK_MESSAGE_ACCEPTED, HARK_MESSAGE_TERMS,   HARK_MESSAGE_SHOWN,    HARK_MESSAGE_JOIN,
        HARK_MESSAGE_JOINED,   HARK_MESSAGE_AGAIN,   HARK_MESSAGE_STILL,    HARK_MESSAGE_COSIGN,
        HARK_MESSAGE_NOTED,    HARK_MESSAGE_RECEIPT, HARK_MESSAGE_RECEIPTS, HARK_MESSAGE_EVIDENCE,
    };
    struct hark_span in = hark_span(data, size);
    struct session s = {.peers = {{{1}}, {{2}}}};
    struct hark_core_io io;
    struct step step;

    world_init(&s.world);
    io = world_io(&s.world);
    require(hark_core_new(&s.core, "fuzz", &io, NULL) == 0);
    give_work(s.core, &s.peers[0], &s.world);
    (void)hark_core_tick(s.core);
    say_hello(s.core, &s.peers[0], &s.world);
    (void)hark_core_tick(s.core);
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        const struct hark_key *peer;
        unsigned kind;

        if (!hark_take_u8(&in, &step.what) || !hark_take_u8(&in, &step.how) ||
            !hark_take_u16(&in, &step.number))
            break;
        peer = &s.peers[step.what >> 7];
        kind = (step.what & 0x7f) % KINDS;
        if (kind < HAPPENS)
            say(&s, peer, types[kind], &step);
        else if (kind < HAPPENS + HAPPENINGS)
            happen(&s, peer, &step);
        else
            say(&s, peer, types[kind - HAPPENINGS], &step);
        (void)hark_core_tick(s.core);
    }
    hark_core_free(s.core);
    return 0;
}
