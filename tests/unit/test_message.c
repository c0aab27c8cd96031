/*
 * replication/message: every message there and back, the vectors that anybody's
 * implementation can be held to, and the limits that are too large to write out
 * there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <jansson.h>
#include <zlib.h>

#include "crypto/note.h"
#include "crypto/tlog_proof.h"
#include "replication/messages.h"
#include "schemas/batch.h"
#include "schemas/evidence.h"
#include "vectors.h"

#define FRAMES_MAX 8

static struct hark_hash hash_of(uint8_t byte)
{
    struct hark_hash hash;
    memset(hash.bytes, byte, sizeof(hash.bytes));
    return hash;
}

static struct hark_cursor some_cursor(uint64_t size)
{
    struct hark_cursor cursor = {
        .space = hash_of(3), .size = size, .batches = size, .root = hash_of(4)};
    hark_origin(cursor.origin, "home.example", &cursor.space, 1);
    return cursor;
}

/* ---- vectors ---- */

/* The body by its type, and the load where there is one. */
static int decode_body(const struct hark_message *message, struct hark_err *err)
{
    struct hark_cursor *cursors = NULL;
    struct hark_cursor cursor;
    struct hark_told *told = NULL;
    struct hark_hello hello;
    struct hark_fetch fetch;
    struct hark_batches batches;
    struct hark_error error;
    struct hark_submitted *entries = NULL;
    struct hark_accepted *items = NULL;
    struct hark_joined joined;
    struct hark_hash space;
    struct hark_span sealed, notes[HARK_COSIGN_MAX];
    struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX];
    struct hark_buf load = hark_buf_init(HARK_UNPACKED_MAX);
    size_t count = 0;
    bool same = false;
    int rc = HARK_E_INTERNAL;
    switch (message->type) {
    case HARK_MESSAGE_HELLO:
        rc = hark_hello_decode(&hello, message->body, err);
        break;
    case HARK_MESSAGE_ASK:
        rc = hark_ask_decode(&cursors, &count, message->body, err);
        break;
    case HARK_MESSAGE_TELL:
        rc = hark_tell_decode(&told, &count, message->body, err);
        break;
    case HARK_MESSAGE_FETCH:
        rc = hark_fetch_decode(&fetch, message->body, err);
        break;
    case HARK_MESSAGE_BATCHES:
        rc = hark_batches_decode(&batches, message->body, err);
        if (rc == 0)
            rc = hark_batches_unpack(&load, &batches, message->load, err);
        break;
    case HARK_MESSAGE_NEWS:
        rc = hark_news_decode(&cursor, message->body, err);
        break;
    case HARK_MESSAGE_ERROR:
        rc = hark_error_decode(&error, message->body, err);
        break;
    case HARK_MESSAGE_SUBMIT:
        rc = hark_submit_decode(&space, &entries, &count, message->body, err);
        break;
    case HARK_MESSAGE_ACCEPTED:
        rc = hark_accepted_decode(&space, &items, &count, message->body, err);
        break;
    case HARK_MESSAGE_TERMS:
        rc = hark_terms_decode(&space, message->body, err);
        break;
    case HARK_MESSAGE_SHOWN:
        rc = hark_shown_decode(&space, &entries, &count, message->body, err);
        break;
    case HARK_MESSAGE_JOIN:
        rc = hark_join_decode(&space, &sealed, message->body, err);
        break;
    case HARK_MESSAGE_JOINED:
        rc = hark_joined_decode(&joined, message->body, err);
        break;
    case HARK_MESSAGE_COSIGN:
        rc = hark_cosign_decode(&space, notes, &count, message->body, err);
        break;
    case HARK_MESSAGE_EVIDENCE:
        rc = hark_evidence_files_decode(&space, notes, &count, message->body, err);
        break;
    case HARK_MESSAGE_NOTED:
        rc = hark_noted_decode(&space, message->body, err);
        break;
    case HARK_MESSAGE_RECEIPT:
        rc = hark_receipt_ask_decode(&space, wanted, &count, message->body, err);
        break;
    case HARK_MESSAGE_RECEIPTS:
        rc = hark_receipts_decode(&space, notes, &count, message->body, err);
        break;
    case HARK_MESSAGE_AGAIN:
        rc = hark_again_decode(&space, message->body, err);
        break;
    case HARK_MESSAGE_STILL:
        rc = hark_still_decode(&same, message->body, err);
        break;
    default:
        break;
    }
    free(cursors);
    free(told);
    free(entries);
    free(items);
    hark_buf_free(&load);
    return rc;
}

/* "again" of the vectors is of these three, given in another order than theirs. */
static void check_digest(struct hark_span body)
{
    struct hark_cursor cursors[3];
    struct hark_log_ref nothing = {.space = hash_of(0x51)};
    struct hark_hash digest;

    cursors[0] = (struct hark_cursor){.space = hash_of(0x51), .size = 258, .batches = 3};
    cursors[0].root = hark_sha256(hark_span("a root", 6));
    hark_origin(cursors[0].origin, "home.example", &cursors[0].space, 1);
    cursors[1] = cursors[0];
    cursors[1].space = hash_of(0x52);
    hark_cursor_empty(&cursors[2], &nothing);
    assert_int_equal(hark_again_digest(&digest, cursors, 3, NULL), 0);
    assert_true(hark_span_equal(hark_span(digest.bytes, HARK_HASH_SIZE), body));
}

static void check_vector(const json_t *vector)
{
    const json_t *hex = json_object_get(vector, "frames");
    size_t count = json_array_size(hex);
    struct hark_buf bufs[FRAMES_MAX];
    struct hark_span frames[FRAMES_MAX];
    struct hark_message message;
    struct hark_err err = {0};

    assert_true(count <= FRAMES_MAX);
    for (size_t i = 0; i < count; i++) {
        bufs[i] = vectors_hex(json_string_value(json_array_get(hex, i)));
        frames[i] = hark_buf_span(&bufs[i]);
    }
    int rc = hark_message_decode(&message, frames, count, &err);
    if (rc == 0)
        rc = decode_body(&message, &err);
    vectors_expect(vectors_string(vector, "name"), rc, vectors_string(vector, "error"), &err);
    if (strcmp(vectors_string(vector, "name"), "again") == 0)
        check_digest(message.body);
    for (size_t i = 0; i < count; i++)
        hark_buf_free(&bufs[i]);
}

static void test_message__vectors(void **state)
{
    json_t *json = vectors_load("message.json");
    const json_t *cases = json_object_get(json, "cases");

    (void)state;
    assert_true(json_array_size(cases) > 150);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_vector(json_array_get(cases, i));
    json_decref(json);
}

/* Whatever is cut off a message's body, or put behind it, is noticed: no decoder
 * reads less than all of it. */
static void check_cuts(const struct hark_message *whole)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_message cut = *whole;

    assert_int_equal(hark_buf_append_span(&body, whole->body, NULL), 0);
    assert_int_equal(hark_buf_append_u8(&body, 0, NULL), 0);
    for (size_t size = 0; size <= body.size; size++) {
        cut.body = hark_span(body.data, size);
        assert_int_equal(decode_body(&cut, NULL), size == whole->body.size ? 0 : HARK_E_PEER_FORM);
    }
    hark_buf_free(&body);
}

static void test_message__bodies_are_read_to_their_end(void **state)
{
    json_t *json = vectors_load("message.json");
    const json_t *cases = json_object_get(json, "cases");
    size_t tried = 0;

    (void)state;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *vector = json_array_get(cases, i);
        const json_t *hex = json_object_get(vector, "frames");
        if (vectors_string(vector, "error") != NULL)
            continue;
        struct hark_buf bufs[3] = {{0}};
        struct hark_span frames[3];
        struct hark_message message;
        for (size_t k = 0; k < json_array_size(hex); k++) {
            bufs[k] = vectors_hex(json_string_value(json_array_get(hex, k)));
            frames[k] = hark_buf_span(&bufs[k]);
        }
        assert_int_equal(hark_message_decode(&message, frames, json_array_size(hex), NULL), 0);
        check_cuts(&message);
        for (size_t k = 0; k < json_array_size(hex); k++)
            hark_buf_free(&bufs[k]);
        tried++;
    }
    assert_true(tried > 10);
    json_decref(json);
}

/* ---- frames ---- */

static void test_message__header_there_and_back(void **state)
{
    uint8_t header[HARK_HEADER_SIZE] = {0};
    uint8_t body[1] = {0};
    struct hark_span frames[2] = {hark_span(header, sizeof(header)), hark_span(body, 1)};
    struct hark_message message;

    (void)state;
    hark_message_header(header, HARK_MESSAGE_FETCH, 0x0102030405060708u);
    assert_memory_equal(header, "HARK\x01\x04\0\0\x01\x02\x03\x04\x05\x06\x07\x08", 16);
    assert_int_equal(hark_message_decode(&message, frames, 2, NULL), 0);
    assert_int_equal(message.type, HARK_MESSAGE_FETCH);
    assert_int_equal(message.id, 0x0102030405060708u);
    assert_ptr_equal(message.body.data, body);
    assert_null(message.load.data);
}

/* Who answers a message that is refused needs its id. */
static void test_message__id_of_what_is_refused(void **state)
{
    uint8_t header[HARK_HEADER_SIZE] = {0};
    struct hark_span frames[1] = {hark_span(header, sizeof(header))};
    struct hark_message message;

    (void)state;
    hark_message_header(header, HARK_MESSAGE_ASK, 9);
    assert_int_equal(hark_message_decode(&message, frames, 1, NULL), HARK_E_PEER_FORM);
    assert_int_equal(message.id, 9);
    header[4] = 2;
    assert_int_equal(hark_message_decode(&message, frames, 1, NULL), HARK_E_PEER_VERSION);
    assert_int_equal(message.id, 9);
    assert_int_equal(message.type, HARK_MESSAGE_ASK);
}

static void test_message__sizes_at_their_limit(void **state)
{
    uint8_t header[HARK_HEADER_SIZE] = {0};
    uint8_t *large = calloc(1, HARK_LOAD_MAX + 1);
    struct hark_message message;

    (void)state;
    assert_non_null(large);
    hark_message_header(header, HARK_MESSAGE_BATCHES, 1);
    for (size_t over = 0; over < 2; over++) {
        struct hark_span body[3] = {hark_span(header, sizeof(header)),
                                    hark_span(large, HARK_BODY_MAX + over), hark_span(large, 1)};
        struct hark_span load[3] = {hark_span(header, sizeof(header)), hark_span(large, 1),
                                    hark_span(large, HARK_LOAD_MAX + over)};
        int expected = over == 0 ? 0 : HARK_E_PEER_FORM;
        assert_int_equal(hark_message_decode(&message, body, 3, NULL), expected);
        assert_int_equal(hark_message_decode(&message, load, 3, NULL), expected);
    }
    free(large);
}

/* ---- there and back ---- */

static void test_message__hello_there_and_back(void **state)
{
    struct hark_hello hello = {.lowest = 1, .highest = 3, .name = "a.b", .software = "hark x"};
    struct hark_hello back;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    assert_int_equal(hark_hello_encode(&body, &hello, NULL), 0);
    assert_int_equal(hark_hello_decode(&back, hark_buf_span(&body), NULL), 0);
    assert_memory_equal(&hello, &back, sizeof(hello));
    hark_buf_free(&body);
}

/* All of 4,096 spaces fit into one question and one answer, whatever their
 * origins are called. */
static void test_message__most_cursors_fit(void **state)
{
    struct hark_cursor *cursors = calloc(HARK_CURSORS_MAX, sizeof(*cursors));
    struct hark_told *told = calloc(HARK_CURSORS_MAX, sizeof(*told));
    struct hark_cursor *asked = NULL;
    struct hark_told *said = NULL;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    char name[HARK_NODE_NAME_MAX + 1];
    size_t count = 0;

    (void)state;
    assert_non_null(cursors);
    assert_non_null(told);
    memset(name, 'a', HARK_NODE_NAME_MAX);
    name[HARK_NODE_NAME_MAX] = '\0';
    for (size_t i = 0; i < HARK_CURSORS_MAX; i++) {
        cursors[i].space = hash_of((uint8_t)i);
        cursors[i].size = UINT64_MAX - i;
        cursors[i].batches = UINT64_MAX - i;
        hark_origin(cursors[i].origin, name, &cursors[i].space, (UINT64_C(1) << 53) - 1);
        told[i].cursor = cursors[i];
        told[i].status = (uint8_t)(i % 5);
    }
    assert_int_equal(hark_ask_encode(&body, cursors, HARK_CURSORS_MAX, NULL), 0);
    assert_int_equal(hark_ask_decode(&asked, &count, hark_buf_span(&body), NULL), 0);
    assert_int_equal(count, HARK_CURSORS_MAX);
    assert_memory_equal(asked, cursors, HARK_CURSORS_MAX * sizeof(*cursors));
    hark_buf_clear(&body);
    assert_int_equal(hark_tell_encode(&body, told, HARK_CURSORS_MAX, NULL), 0);
    assert_int_equal(hark_tell_decode(&said, &count, hark_buf_span(&body), NULL), 0);
    assert_int_equal(count, HARK_CURSORS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(said[i].status, told[i].status);
        assert_true(hark_cursor_equal(&said[i].cursor, &told[i].cursor));
    }
    assert_int_equal(hark_ask_encode(&body, cursors, HARK_CURSORS_MAX + 1, NULL), HARK_E_LIMIT);
    assert_int_equal(hark_ask_encode(&body, cursors, 0, NULL), HARK_E_LIMIT);
    assert_int_equal(hark_tell_encode(&body, told, 0, NULL), HARK_E_LIMIT);
    hark_buf_free(&body);
    free(cursors);
    free(told);
    free(asked);
    free(said);
}

static void test_message__fetch_there_and_back(void **state)
{
    struct hark_fetch fetch = {.cursor = some_cursor(9), .want = HARK_WANT_MIN};
    struct hark_fetch back;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    assert_int_equal(hark_fetch_encode(&body, &fetch, NULL), 0);
    assert_int_equal(hark_fetch_decode(&back, hark_buf_span(&body), NULL), 0);
    assert_true(hark_cursor_equal(&fetch.cursor, &back.cursor));
    assert_int_equal(back.want, fetch.want);
    hark_buf_free(&body);
}

/* An error's message may hold a path, a peer's words, anything: what is sent is
 * text that the other side takes. */
static void test_message__error_is_always_text(void **state)
{
    struct hark_error error;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    char long_message[1000];

    (void)state;
    assert_int_equal(hark_error_encode(&body, HARK_E_PEER_FORM, "a\n\x1b\xff z", NULL), 0);
    assert_int_equal(hark_error_decode(&error, hark_buf_span(&body), NULL), 0);
    assert_string_equal(error.name, "peer-form");
    assert_string_equal(error.message, "a??? z");
    memset(long_message, 'x', sizeof(long_message) - 1);
    long_message[sizeof(long_message) - 1] = '\0';
    hark_buf_clear(&body);
    assert_int_equal(hark_error_encode(&body, HARK_E_BUSY, long_message, NULL), 0);
    assert_int_equal(hark_error_decode(&error, hark_buf_span(&body), NULL), 0);
    assert_int_equal(strlen(error.message), HARK_TEXT_MAX);
    hark_buf_free(&body);
}

/* ---- handing in, joining ---- */

static void assert_entries(const struct hark_submitted *a, const struct hark_submitted *b,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(a[i].flags, b[i].flags);
        assert_true(hark_span_equal(a[i].entry, b[i].entry));
        assert_true(hark_span_equal(a[i].payload, b[i].payload));
    }
}

static void test_message__submit_there_and_back(void **state)
{
    struct hark_submitted entries[3] = {
        {.entry = hark_span_str("one"), .payload = hark_span_str("words")},
        {.flags = HARK_SUBMIT_AS_VOID, .entry = hark_span_str("two")},
        {.entry = hark_span_str("three"), .payload = hark_span_str("x")},
    };
    struct hark_submitted *back = NULL;
    struct hark_hash space = hash_of(9), named;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 0;

    (void)state;
    assert_int_equal(hark_submit_encode(&body, &space, entries, 3, NULL), 0);
    assert_int_equal(hark_submit_decode(&named, &back, &count, hark_buf_span(&body), NULL), 0);
    assert_int_equal(count, 3);
    assert_true(hark_hash_equal(&space, &named));
    assert_entries(back, entries, 3);
    assert_null(back[1].payload.data);
    free(back);
    hark_buf_clear(&body);
    entries[1].flags = 0;
    assert_int_equal(hark_shown_encode(&body, &space, entries, 3, NULL), 0);
    assert_int_equal(hark_shown_decode(&named, &back, &count, hark_buf_span(&body), NULL), 0);
    assert_int_equal(count, 3);
    assert_entries(back, entries, 3);
    free(back);
    hark_buf_free(&body);
}

/* What our own node must not say is noticed before it is sent. */
static void test_message__what_cannot_be_handed_in(void **state)
{
    struct hark_submitted *entries = calloc(HARK_SUBMIT_MAX + 1, sizeof(*entries));
    uint8_t *large = calloc(1, 65537);
    struct hark_hash space = hash_of(9);
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    assert_non_null(entries);
    assert_non_null(large);
    for (size_t i = 0; i <= HARK_SUBMIT_MAX; i++)
        entries[i].entry = hark_span(large, 1);
    assert_int_equal(hark_submit_encode(&body, &space, entries, 0, NULL), HARK_E_LIMIT);
    assert_int_equal(hark_submit_encode(&body, &space, entries, HARK_SUBMIT_MAX + 1, NULL),
                     HARK_E_LIMIT);
    assert_int_equal(hark_shown_encode(&body, &space, entries, HARK_SHOWN_MAX + 1, NULL),
                     HARK_E_LIMIT);
    entries[0].flags = 2;
    assert_int_equal(hark_submit_encode(&body, &space, entries, 1, NULL), HARK_E_LIMIT);
    entries[0].flags = HARK_SUBMIT_AS_VOID;
    assert_int_equal(hark_shown_encode(&body, &space, entries, 1, NULL), HARK_E_LIMIT);
    entries[0].flags = 0;
    entries[0].entry = hark_span(large, 4097);
    assert_int_equal(hark_submit_encode(&body, &space, entries, 1, NULL), HARK_E_LIMIT);
    entries[0].entry = hark_span(large, 1);
    entries[0].payload = hark_span(large, 65537);
    assert_int_equal(hark_submit_encode(&body, &space, entries, 1, NULL), HARK_E_LIMIT);
    assert_int_equal(hark_join_encode(&body, &space, hark_span(large, 0), NULL), HARK_E_LIMIT);
    assert_int_equal(hark_join_encode(&body, &space, hark_span(large, 16433), NULL), HARK_E_LIMIT);
    hark_buf_free(&body);
    free(entries);
    free(large);
}

static void test_message__the_largest_payload(void **state)
{
    struct hark_submitted entry = {.entry = hark_span_str("e")}, *back = NULL;
    uint8_t *large = calloc(1, 65537);
    struct hark_hash space = hash_of(9), named;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 0;

    (void)state;
    assert_non_null(large);
    entry.payload = hark_span(large, 65536);
    assert_int_equal(hark_submit_encode(&body, &space, &entry, 1, NULL), 0);
    assert_int_equal(hark_submit_decode(&named, &back, &count, hark_buf_span(&body), NULL), 0);
    assert_int_equal(back[0].payload.size, 65536);
    free(back);
    hark_put_u32(body.data + 32 + 2 + 1 + 4 + 1, 65537);
    assert_int_equal(hark_buf_append_u8(&body, 0, NULL), 0);
    assert_int_equal(hark_submit_decode(&named, &back, &count, hark_buf_span(&body), NULL),
                     HARK_E_PEER_FORM);
    assert_null(back);
    hark_buf_free(&body);
    free(large);
}

static void test_message__accepted_there_and_back(void **state)
{
    struct hark_accepted items[3] = {
        {.id = hash_of(1),
         .status = HARK_ACCEPTED_REFUSED,
         .code = HARK_E_VOID_ROLE,
         .message = "a member\nmay not"},
        {.id = hash_of(2), .status = HARK_ACCEPTED_INTAKE, .position = 7, .accepted_ms = 1000},
        {.id = hash_of(3),
         .status = HARK_ACCEPTED_LOGGED,
         .position = UINT64_MAX,
         .accepted_ms = 1001},
    };
    struct hark_accepted *back = NULL;
    struct hark_hash space = hash_of(9), named;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 0;

    (void)state;
    assert_int_equal(hark_accepted_encode(&body, &space, items, 3, NULL), 0);
    assert_int_equal(hark_accepted_decode(&named, &back, &count, hark_buf_span(&body), NULL), 0);
    assert_int_equal(count, 3);
    assert_true(hark_hash_equal(&space, &named));
    for (size_t i = 0; i < 3; i++) {
        assert_true(hark_hash_equal(&back[i].id, &items[i].id));
        assert_int_equal(back[i].status, items[i].status);
        assert_int_equal(back[i].position, items[i].position);
        assert_int_equal(back[i].accepted_ms, items[i].accepted_ms);
        assert_int_equal(back[i].code, items[i].code);
    }
    assert_string_equal(back[0].message, "a member?may not");
    assert_string_equal(back[1].message, "");
    free(back);
    hark_buf_free(&body);
}

/* A rule is the same rule everywhere. What is wrong with the other's disk is not
 * wrong with ours, and what we do not know is a refusal like another. */
static void test_message__whose_error_it_is(void **state)
{
    static const struct {
        int sent, taken;
    } cases[] = {
        {HARK_E_VOID_ROLE, HARK_E_VOID_ROLE},
        {HARK_E_ACCEPT_NOT_HERE, HARK_E_ACCEPT_NOT_HERE},
        {HARK_E_ACCEPT_RATE, HARK_E_ACCEPT_RATE},
        {HARK_E_BEHIND, HARK_E_BEHIND},
        {HARK_E_TICKET_USED, HARK_E_TICKET_USED},
        {HARK_E_DISK_FULL, HARK_E_BUSY},
        {HARK_E_DAMAGED, HARK_E_BUSY},
        {HARK_E_NO_MEMORY, HARK_E_BUSY},
        {HARK_E_CONFIG, HARK_E_PEER_REFUSED},
        {0, HARK_E_BUSY},
    };
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_joined joined = {.status = HARK_JOINED_REFUSED}, back;

    (void)state;
    joined.space = hash_of(9);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hark_buf_clear(&body);
        joined.code = cases[i].sent;
        assert_int_equal(hark_joined_encode(&body, &joined, NULL), 0);
        assert_int_equal(hark_joined_decode(&back, hark_buf_span(&body), NULL), 0);
        assert_int_equal(back.code, cases[i].taken);
        assert_true(hark_hash_equal(&back.space, &joined.space));
    }
    joined.status = HARK_JOINED_WAITING;
    hark_buf_clear(&body);
    assert_int_equal(hark_joined_encode(&body, &joined, NULL), 0);
    assert_int_equal(hark_joined_decode(&back, hark_buf_span(&body), NULL), 0);
    assert_int_equal(back.status, HARK_JOINED_WAITING);
    assert_int_equal(back.code, 0);
    hark_buf_free(&body);
}

static void test_message__join_there_and_back(void **state)
{
    struct hark_hash space = hash_of(9), named;
    struct hark_span sealed;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    (void)state;
    assert_int_equal(hark_join_encode(&body, &space, hark_span_str("sealed"), NULL), 0);
    assert_int_equal(hark_join_decode(&named, &sealed, hark_buf_span(&body), NULL), 0);
    assert_true(hark_hash_equal(&space, &named));
    assert_true(hark_span_equal(sealed, hark_span_str("sealed")));
    hark_buf_clear(&body);
    assert_int_equal(hark_terms_encode(&body, &space, NULL), 0);
    assert_int_equal(hark_terms_decode(&named, hark_buf_span(&body), NULL), 0);
    assert_true(hark_hash_equal(&space, &named));
    hark_buf_free(&body);
}

static void test_message__cosign_there_and_back(void **state)
{
    struct hark_hash space = hash_of(9), named;
    struct hark_span notes[HARK_COSIGN_MAX], back[HARK_COSIGN_MAX];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < HARK_COSIGN_MAX; i++)
        notes[i] = hark_span(&"a note of some length"[i % 8], 13);
    assert_int_equal(hark_cosign_encode(&body, &space, notes, HARK_COSIGN_MAX, NULL), 0);
    assert_int_equal(hark_cosign_decode(&named, back, &count, hark_buf_span(&body), NULL), 0);
    assert_true(hark_hash_equal(&space, &named));
    assert_int_equal(count, HARK_COSIGN_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(hark_span_equal(notes[i], back[i]));
        assert_true(back[i].data >= body.data && back[i].data < body.data + body.size);
    }
    hark_buf_clear(&body);
    assert_int_equal(hark_noted_encode(&body, &space, NULL), 0);
    assert_int_equal(body.size, HARK_HASH_SIZE);
    assert_int_equal(hark_noted_decode(&named, hark_buf_span(&body), NULL), 0);
    assert_true(hark_hash_equal(&space, &named));
    hark_buf_free(&body);
}

/* 64 notes of 64 KiB do not fit together: what does not is refused before it is sent. */
static void test_message__notes_at_their_limit(void **state)
{
    struct hark_hash space = hash_of(9);
    uint8_t *large = calloc(1, HARK_NOTE_MAX + 1);
    struct hark_span notes[HARK_COSIGN_MAX], back[HARK_COSIGN_MAX];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 9;

    (void)state;
    assert_non_null(large);
    for (size_t i = 0; i < HARK_COSIGN_MAX; i++)
        notes[i] = hark_span(large, HARK_NOTE_MAX);
    assert_int_equal(hark_cosign_encode(&body, &space, notes, 1, NULL), 0);
    assert_int_equal(hark_cosign_decode(&space, back, &count, hark_buf_span(&body), NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(back[0].size, HARK_NOTE_MAX);
    /* One byte more, and all of it there. */
    assert_int_equal(hark_buf_append_u8(&body, 0, NULL), 0);
    hark_put_u32(body.data + HARK_HASH_SIZE + 2, HARK_NOTE_MAX + 1);
    assert_int_equal(hark_cosign_decode(&space, back, &count, hark_buf_span(&body), NULL),
                     HARK_E_PEER_FORM);
    assert_int_equal(count, 0);
    hark_buf_clear(&body);
    assert_int_equal(hark_cosign_encode(&body, &space, notes, 16, NULL), HARK_E_LIMIT);
    hark_buf_clear(&body);
    assert_int_equal(hark_cosign_encode(&body, &space, notes, 0, NULL), HARK_E_LIMIT);
    assert_int_equal(hark_cosign_encode(&body, &space, notes, HARK_COSIGN_MAX + 1, NULL),
                     HARK_E_LIMIT);
    notes[0] = hark_span(large, HARK_NOTE_MAX + 1);
    assert_int_equal(hark_cosign_encode(&body, &space, notes, 1, NULL), HARK_E_LIMIT);
    notes[0] = hark_span(large, 0);
    assert_int_equal(hark_cosign_encode(&body, &space, notes, 1, NULL), HARK_E_LIMIT);
    hark_buf_free(&body);
    free(large);
}

static void test_message__evidence_there_and_back(void **state)
{
    struct hark_hash space = hash_of(9), named;
    struct hark_span files[HARK_EVIDENCE_FILES_MAX], back[HARK_EVIDENCE_FILES_MAX];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < HARK_EVIDENCE_FILES_MAX; i++)
        files[i] = hark_span(&"a file of some length"[i], 13);
    assert_int_equal(
        hark_evidence_files_encode(&body, &space, files, HARK_EVIDENCE_FILES_MAX, NULL), 0);
    assert_int_equal(hark_evidence_files_decode(&named, back, &count, hark_buf_span(&body), NULL),
                     0);
    assert_true(hark_hash_equal(&space, &named));
    assert_int_equal(count, HARK_EVIDENCE_FILES_MAX);
    for (size_t i = 0; i < count; i++)
        assert_true(hark_span_equal(files[i], back[i]));
    /* Cut anywhere it is none. */
    for (size_t size = 0; size < body.size; size++) {
        assert_int_equal(
            hark_evidence_files_decode(&named, back, &count, hark_span(body.data, size), NULL),
            HARK_E_PEER_FORM);
        assert_int_equal(count, 0);
    }
    hark_buf_free(&body);
}

/* Eight files of 512 KiB do not fit together: what does not is refused before it is sent. */
static void test_message__evidence_at_its_limit(void **state)
{
    struct hark_hash space = hash_of(9);
    uint8_t *large = calloc(1, HARK_EVIDENCE_MAX + 1);
    struct hark_span files[HARK_EVIDENCE_FILES_MAX + 1], back[HARK_EVIDENCE_FILES_MAX];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 9;

    (void)state;
    assert_non_null(large);
    for (size_t i = 0; i <= HARK_EVIDENCE_FILES_MAX; i++)
        files[i] = hark_span(large, HARK_EVIDENCE_MAX);
    assert_int_equal(hark_evidence_files_encode(&body, &space, files, 1, NULL), 0);
    assert_int_equal(hark_evidence_files_decode(&space, back, &count, hark_buf_span(&body), NULL),
                     0);
    assert_int_equal(count, 1);
    hark_buf_clear(&body);
    assert_int_equal(hark_evidence_files_encode(&body, &space, files, 2, NULL), HARK_E_LIMIT);
    hark_buf_clear(&body);
    assert_int_equal(hark_evidence_files_encode(&body, &space, files, 1, NULL), 0);
    /* One byte more, and all of it there. */
    assert_int_equal(hark_buf_append_u8(&body, 0, NULL), 0);
    hark_put_u32(body.data + HARK_HASH_SIZE + 2, HARK_EVIDENCE_MAX + 1);
    assert_int_equal(hark_evidence_files_decode(&space, back, &count, hark_buf_span(&body), NULL),
                     HARK_E_PEER_FORM);
    hark_buf_clear(&body);
    for (size_t i = 0; i <= HARK_EVIDENCE_FILES_MAX; i++)
        files[i] = hark_span(large, 1);
    assert_int_equal(hark_evidence_files_encode(&body, &space, files, 0, NULL), HARK_E_LIMIT);
    assert_int_equal(
        hark_evidence_files_encode(&body, &space, files, HARK_EVIDENCE_FILES_MAX + 1, NULL),
        HARK_E_LIMIT);
    files[0] = hark_span(large, 0);
    assert_int_equal(hark_evidence_files_encode(&body, &space, files, 1, NULL), HARK_E_LIMIT);
    files[0] = hark_span(large, HARK_EVIDENCE_MAX + 1);
    assert_int_equal(hark_evidence_files_encode(&body, &space, files, 1, NULL), HARK_E_LIMIT);
    hark_buf_free(&body);
    free(large);
}

/* A receipt of all that it may have, and one byte more; and none. */
static void test_message__receipts_there_and_back(void **state)
{
    struct hark_hash space = hash_of(9), named;
    struct hark_receipt_wanted wanted[2] = {{hash_of(1), 7}, {hash_of(2), UINT64_MAX}};
    struct hark_receipt_wanted asked[HARK_RECEIPT_MAX];
    struct hark_span receipts[2] = {{0}}, back[HARK_RECEIPT_MAX];
    uint8_t *large = calloc(1, HARK_TLOG_PROOF_MAX + 1);
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    size_t count = 0;

    (void)state;
    assert_non_null(large);
    assert_int_equal(hark_receipt_ask_encode(&body, &space, wanted, 2, NULL), 0);
    assert_int_equal(hark_receipt_ask_decode(&named, asked, &count, hark_buf_span(&body), NULL), 0);
    assert_true(hark_hash_equal(&space, &named));
    assert_int_equal(count, 2);
    assert_memory_equal(asked, wanted, sizeof(wanted));
    assert_int_equal(hark_receipt_ask_encode(&body, &space, wanted, 0, NULL), HARK_E_LIMIT);
    hark_buf_clear(&body);
    receipts[1] = hark_span(large, HARK_TLOG_PROOF_MAX);
    assert_int_equal(hark_receipts_encode(&body, &space, receipts, 2, NULL), 0);
    assert_int_equal(hark_receipts_decode(&named, back, &count, hark_buf_span(&body), NULL), 0);
    assert_true(hark_hash_equal(&space, &named));
    assert_int_equal(count, 2);
    assert_null(back[0].data);
    assert_true(hark_span_equal(back[1], receipts[1]));
    receipts[1].size++;
    assert_int_equal(hark_receipts_encode(&body, &space, receipts, 2, NULL), HARK_E_LIMIT);
    assert_int_equal(hark_receipts_encode(&body, &space, receipts, 0, NULL), HARK_E_LIMIT);
    hark_buf_free(&body);
    free(large);
}

/* ---- cursors ---- */

static void test_message__cursors_name_their_log(void **state)
{
    struct hark_log_ref main_log = {.space = hash_of(3)}, intake = main_log, back;
    struct hark_cursor cursor = some_cursor(9);

    (void)state;
    memcpy(intake.node, "a.b", 4);
    hark_cursor_log(&cursor, &back);
    assert_memory_equal(&back, &main_log, sizeof(back));
    hark_cursor_empty(&cursor, &main_log);
    assert_string_equal(cursor.origin, "");
    hark_cursor_log(&cursor, &back);
    assert_memory_equal(&back, &main_log, sizeof(back));
    hark_cursor_empty(&cursor, &intake);
    hark_cursor_log(&cursor, &back);
    assert_memory_equal(&back, &intake, sizeof(back));
    /* A node may be called what it likes: it is still a main log. */
    hark_origin(cursor.origin, "intake", &cursor.space, 1);
    hark_cursor_log(&cursor, &back);
    assert_memory_equal(&back, &main_log, sizeof(back));
}

/* ---- batches ---- */

static void test_message__wire_batch_there_and_back(void **state)
{
    struct hark_raw_entry entries[3] = {
        {.object = hark_span_str("one"), .payload_state = 0},
        {.object = hark_span_str("two"), .payload_state = 1, .payload = hark_span_str("words")},
        {.object = hark_span_str("three"), .payload_state = 2},
    };
    struct hark_raw_batch batch = {.commit = hark_span_str("commit"),
                                   .entries = hark_span_str("1\n2\n3\n"),
                                   .checkpoint = hark_span_str("note"),
                                   .count = 3,
                                   .items = entries};
    struct hark_raw_batch back;
    struct hark_raw_entry *items = NULL;
    struct hark_buf out = hark_buf_init(1000);

    (void)state;
    assert_int_equal(hark_wire_batch_encode(&out, &batch, NULL), 0);
    assert_int_equal(hark_wire_batch_encode(&out, &batch, NULL), 0);
    struct hark_span in = hark_buf_span(&out);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(hark_wire_batch_take(&in, &back, &items, NULL), 0);
        assert_true(hark_span_equal(back.commit, batch.commit));
        assert_true(hark_span_equal(back.entries, batch.entries));
        assert_true(hark_span_equal(back.checkpoint, batch.checkpoint));
        assert_int_equal(back.count, 3);
        assert_ptr_equal(back.items, items);
        for (size_t k = 0; k < 3; k++) {
            assert_true(hark_span_equal(items[k].object, entries[k].object));
            assert_int_equal(items[k].payload_state, entries[k].payload_state);
            assert_true(hark_span_equal(items[k].payload, entries[k].payload));
        }
        free(items);
    }
    assert_int_equal(in.size, 0);
    hark_buf_free(&out);
}

/* A batch that does not fit leaves the ones before it whole. */
static void test_message__wire_batch_whole_or_not_at_all(void **state)
{
    struct hark_raw_batch batch = {.commit = hark_span_str("commit"),
                                   .checkpoint = hark_span_str("note")};
    struct hark_buf out = hark_buf_init(35);

    (void)state;
    assert_int_equal(hark_wire_batch_encode(&out, &batch, NULL), 0);
    assert_int_equal(out.size, 22);
    assert_int_equal(hark_wire_batch_encode(&out, &batch, NULL), HARK_E_LIMIT);
    assert_int_equal(out.size, 22);
    hark_buf_free(&out);
}

static struct hark_batches announce(size_t size, uint16_t count)
{
    return (struct hark_batches){.cursor = some_cursor(5), .size = (uint32_t)size, .count = count};
}

/* Batches without entries, with a commit of that many bytes. */
static void put_batches(struct hark_buf *out, size_t count, size_t commit_size)
{
    uint8_t *commit = malloc(commit_size + 1);
    uint32_t state = 1;

    assert_non_null(commit);
    for (size_t i = 0; i < commit_size; i++) {
        state = state * 1664525u + 1013904223u;
        commit[i] = (uint8_t)(state >> 24);
    }
    struct hark_raw_batch batch = {.commit = hark_span(commit, commit_size)};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(hark_wire_batch_encode(out, &batch, NULL), 0);
    free(commit);
}

static void test_message__load_there_and_back(void **state)
{
    struct hark_buf plain = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_buf load = hark_buf_init(HARK_LOAD_MAX);
    struct hark_buf back = hark_buf_init(HARK_UNPACKED_MAX);

    (void)state;
    /* Several steps of the inflater. */
    put_batches(&plain, 26, 131060);
    struct hark_batches batches = announce(plain.size, 26);
    assert_int_equal(hark_batches_pack(&load, hark_buf_span(&plain), NULL), 0);
    assert_int_equal(hark_batches_unpack(&back, &batches, hark_buf_span(&load), NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&plain), hark_buf_span(&back)));
    hark_buf_free(&plain);
    hark_buf_free(&load);
    hark_buf_free(&back);
}

static void test_message__load_ends_on_a_step(void **state)
{
    struct hark_buf plain = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_buf load = hark_buf_init(HARK_LOAD_MAX);
    struct hark_buf back = hark_buf_init(HARK_UNPACKED_MAX);

    (void)state;
    put_batches(&plain, 8, 131060);
    assert_int_equal(plain.size, 1024 * 1024);
    struct hark_batches batches = announce(plain.size, 8);
    assert_int_equal(hark_batches_pack(&load, hark_buf_span(&plain), NULL), 0);
    assert_int_equal(hark_batches_unpack(&back, &batches, hark_buf_span(&load), NULL), 0);
    assert_int_equal(back.size, plain.size);
    hark_buf_free(&plain);
    hark_buf_free(&load);
    hark_buf_free(&back);
}

/* A few kilobytes of zlib can hold gigabytes of zeros: no more of it is ever
 * written than was announced, and nothing of it is left. */
static void test_message__load_cannot_burst(void **state)
{
    size_t huge = (size_t)128 * 1024 * 1024;
    uint8_t *zeros = calloc(1, huge);
    uLongf size = compressBound(huge);
    uint8_t *packed = malloc(size);
    struct hark_buf back = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_batches batches = announce(1000, 1);

    (void)state;
    assert_non_null(zeros);
    assert_non_null(packed);
    assert_int_equal(compress2(packed, &size, zeros, huge, 9), Z_OK);
    assert_true(size < 1024 * 1024);
    assert_int_equal(hark_batches_unpack(&back, &batches, hark_span(packed, size), NULL),
                     HARK_E_PEER_FORM);
    assert_int_equal(back.size, 0);
    assert_true(back.capacity < 4096);
    batches.size = HARK_UNPACKED_MAX;
    assert_int_equal(hark_batches_unpack(&back, &batches, hark_span(packed, size), NULL),
                     HARK_E_PEER_FORM);
    assert_int_equal(back.size, 0);
    assert_true(back.capacity <= HARK_UNPACKED_MAX);
    free(zeros);
    free(packed);
    hark_buf_free(&back);
}

/* What is announced takes no memory before it comes. */
static void test_message__announcing_takes_no_memory(void **state)
{
    struct hark_buf plain = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_buf load = hark_buf_init(HARK_LOAD_MAX);
    struct hark_buf back = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_batches batches = announce(HARK_UNPACKED_MAX, 1);

    (void)state;
    put_batches(&plain, 1, 100);
    assert_int_equal(hark_batches_pack(&load, hark_buf_span(&plain), NULL), 0);
    assert_int_equal(hark_batches_unpack(&back, &batches, hark_buf_span(&load), NULL),
                     HARK_E_PEER_FORM);
    assert_true(back.capacity <= 2 * 1024 * 1024);
    hark_buf_free(&plain);
    hark_buf_free(&load);
    hark_buf_free(&back);
}

static void test_message__load_too_large_to_pack(void **state)
{
    struct hark_buf plain = hark_buf_init(2 * HARK_LOAD_MAX);
    struct hark_buf load = hark_buf_init(HARK_LOAD_MAX);

    (void)state;
    assert_int_equal(hark_batches_pack(&load, hark_buf_span(&plain), NULL), HARK_E_LIMIT);
    assert_int_equal(hark_buf_reserve(&plain, 2 * HARK_LOAD_MAX, NULL), 0);
    plain.size = 2 * HARK_LOAD_MAX;
    hark_random(plain.data, plain.size); /* nothing makes that smaller */
    assert_int_equal(hark_batches_pack(&load, hark_buf_span(&plain), NULL), HARK_E_LIMIT);
    assert_int_equal(load.size, 0);
    hark_buf_free(&plain);
    hark_buf_free(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message__vectors),
        cmocka_unit_test(test_message__bodies_are_read_to_their_end),
        cmocka_unit_test(test_message__header_there_and_back),
        cmocka_unit_test(test_message__id_of_what_is_refused),
        cmocka_unit_test(test_message__sizes_at_their_limit),
        cmocka_unit_test(test_message__hello_there_and_back),
        cmocka_unit_test(test_message__most_cursors_fit),
        cmocka_unit_test(test_message__fetch_there_and_back),
        cmocka_unit_test(test_message__error_is_always_text),
        cmocka_unit_test(test_message__submit_there_and_back),
        cmocka_unit_test(test_message__what_cannot_be_handed_in),
        cmocka_unit_test(test_message__the_largest_payload),
        cmocka_unit_test(test_message__accepted_there_and_back),
        cmocka_unit_test(test_message__whose_error_it_is),
        cmocka_unit_test(test_message__join_there_and_back),
        cmocka_unit_test(test_message__cosign_there_and_back),
        cmocka_unit_test(test_message__receipts_there_and_back),
        cmocka_unit_test(test_message__notes_at_their_limit),
        cmocka_unit_test(test_message__evidence_there_and_back),
        cmocka_unit_test(test_message__evidence_at_its_limit),
        cmocka_unit_test(test_message__cursors_name_their_log),
        cmocka_unit_test(test_message__wire_batch_there_and_back),
        cmocka_unit_test(test_message__wire_batch_whole_or_not_at_all),
        cmocka_unit_test(test_message__load_there_and_back),
        cmocka_unit_test(test_message__load_ends_on_a_step),
        cmocka_unit_test(test_message__load_cannot_burst),
        cmocka_unit_test(test_message__announcing_takes_no_memory),
        cmocka_unit_test(test_message__load_too_large_to_pack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
