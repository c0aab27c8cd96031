/*
 * What the fuzz targets of peers' messages share: every message decoded and encoded
 * again, and a core with a small world around it that has one space and answers at
 * once. Whatever the core itself says must be well formed.
 */
#ifndef HARK_TESTS_FUZZ_CORE_WORLD_H
#define HARK_TESTS_FUZZ_CORE_WORLD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replication/core.h"
#include "replication/messages.h"
#include "tests/fuzz/require.h"

/* ---- the decoders ---- */

static inline int again_ask(struct hark_buf *out, struct hark_span body)
{
    struct hark_cursor *cursors = NULL;
    size_t count = 0;
    int rc = hark_ask_decode(&cursors, &count, body, NULL);
    if (rc == 0)
        rc = hark_ask_encode(out, cursors, count, NULL);
    free(cursors);
    return rc;
}

static inline int again_tell(struct hark_buf *out, struct hark_span body)
{
    struct hark_told *told = NULL;
    size_t count = 0;
    int rc = hark_tell_decode(&told, &count, body, NULL);
    if (rc == 0)
        rc = hark_tell_encode(out, told, count, NULL);
    free(told);
    return rc;
}

static inline int again_batches(struct hark_buf *out, const struct hark_message *message)
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

static inline int again_error(struct hark_buf *out, struct hark_span body)
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

static inline int again_submit(struct hark_buf *out, struct hark_span body, bool shown)
{
    struct hark_submitted *entries = NULL;
    struct hark_hash space;
    size_t count = 0;
    int rc = shown ? hark_shown_decode(&space, &entries, &count, body, NULL)
                   : hark_submit_decode(&space, &entries, &count, body, NULL);
    if (rc == 0)
        rc = shown ? hark_shown_encode(out, &space, entries, count, NULL)
                   : hark_submit_encode(out, &space, entries, count, NULL);
    free(entries);
    return rc;
}

/* Of a refusal only its kind comes back, as in again_error. */
static inline int again_accepted(struct hark_buf *out, struct hark_span body)
{
    struct hark_accepted *items = NULL;
    struct hark_hash space;
    size_t count = 0;
    bool plain = true;
    int rc = hark_accepted_decode(&space, &items, &count, body, NULL);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        require((items[i].status == HARK_ACCEPTED_REFUSED) == (items[i].code != 0));
        plain = plain && items[i].code == 0;
    }
    if (rc == 0)
        rc = plain ? hark_accepted_encode(out, &space, items, count, NULL)
                   : hark_buf_append_span(out, body, NULL);
    free(items);
    return rc;
}

static inline int again_join(struct hark_buf *out, const struct hark_message *message)
{
    struct hark_joined joined;
    struct hark_hash space;
    struct hark_span sealed;
    int rc = 0;
    switch (message->type) {
    case HARK_MESSAGE_TERMS:
        rc = hark_terms_decode(&space, message->body, NULL);
        return rc != 0 ? rc : hark_terms_encode(out, &space, NULL);
    case HARK_MESSAGE_JOIN:
        rc = hark_join_decode(&space, &sealed, message->body, NULL);
        return rc != 0 ? rc : hark_join_encode(out, &space, sealed, NULL);
    default:
        rc = hark_joined_decode(&joined, message->body, NULL);
        if (rc != 0)
            return rc;
        require((joined.status == HARK_JOINED_REFUSED) == (joined.code != 0));
        return joined.code == 0 ? hark_joined_encode(out, &joined, NULL)
                                : hark_buf_append_span(out, message->body, NULL);
    }
}

static inline int again_cosign(struct hark_buf *out, struct hark_span body)
{
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash space;
    size_t count = 0;
    int rc = hark_cosign_decode(&space, notes, &count, body, NULL);
    return rc != 0 ? rc : hark_cosign_encode(out, &space, notes, count, NULL);
}

static inline int again_evidence(struct hark_buf *out, struct hark_span body)
{
    struct hark_span files[HARK_EVIDENCE_FILES_MAX];
    struct hark_hash space;
    size_t count = 0;
    int rc = hark_evidence_files_decode(&space, files, &count, body, NULL);
    return rc != 0 ? rc : hark_evidence_files_encode(out, &space, files, count, NULL);
}

static inline int again_receipt(struct hark_buf *out, struct hark_span body)
{
    struct hark_receipt_wanted wanted[HARK_RECEIPT_MAX];
    struct hark_hash space;
    size_t count = 0;
    int rc = hark_receipt_ask_decode(&space, wanted, &count, body, NULL);
    return rc != 0 ? rc : hark_receipt_ask_encode(out, &space, wanted, count, NULL);
}

static inline int again_receipts(struct hark_buf *out, struct hark_span body)
{
    struct hark_span receipts[HARK_RECEIPT_MAX];
    struct hark_hash space;
    size_t count = 0;
    int rc = hark_receipts_decode(&space, receipts, &count, body, NULL);
    return rc != 0 ? rc : hark_receipts_encode(out, &space, receipts, count, NULL);
}

static inline int again(struct hark_buf *out, const struct hark_message *message)
{
    struct hark_hello hello;
    struct hark_fetch fetch;
    struct hark_cursor cursor;
    struct hark_hash digest;
    bool same = false;
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
    case HARK_MESSAGE_SUBMIT:
    case HARK_MESSAGE_SHOWN:
        return again_submit(out, message->body, message->type == HARK_MESSAGE_SHOWN);
    case HARK_MESSAGE_ACCEPTED:
        return again_accepted(out, message->body);
    case HARK_MESSAGE_TERMS:
    case HARK_MESSAGE_JOIN:
    case HARK_MESSAGE_JOINED:
        return again_join(out, message);
    case HARK_MESSAGE_COSIGN:
        return again_cosign(out, message->body);
    case HARK_MESSAGE_EVIDENCE:
        return again_evidence(out, message->body);
    case HARK_MESSAGE_RECEIPT:
        return again_receipt(out, message->body);
    case HARK_MESSAGE_RECEIPTS:
        return again_receipts(out, message->body);
    case HARK_MESSAGE_NOTED:
        rc = hark_noted_decode(&digest, message->body, NULL);
        return rc != 0 ? rc : hark_noted_encode(out, &digest, NULL);
    case HARK_MESSAGE_AGAIN:
        rc = hark_again_decode(&digest, message->body, NULL);
        return rc != 0 ? rc : hark_again_encode(out, &digest, NULL);
    case HARK_MESSAGE_STILL:
        rc = hark_still_decode(&same, message->body, NULL);
        return rc != 0 ? rc : hark_still_encode(out, same, NULL);
    default:
        return again_error(out, message->body);
    }
}

/* ---- the core ---- */

struct world {
    uint64_t now_ms, ids[HARK_MESSAGE_TYPES_], tokens[4], notes;
    struct hark_cursor cursor;
};

static inline uint64_t world_now(void *arg)
{
    const struct world *world = arg;
    return world->now_ms;
}

static inline int world_send(void *arg, const struct hark_key *peer, uint64_t via,
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
    world->ids[message->type] = message->id;
    return 0;
}

static inline bool world_may_have(void *arg, const struct hark_key *peer,
                                  const struct hark_hash *space)
{
    const struct world *world = arg;
    (void)peer;
    return hark_hash_equal(space, &world->cursor.space);
}

static inline int world_cursor(void *arg, const struct hark_log_ref *log, struct hark_cursor *out,
                               struct hark_err *err)
{
    const struct world *world = arg;
    (void)err;
    *out = world->cursor;
    return log->node[0] == '\0' ? 0 : HARK_E_NOT_FOUND;
}

static inline int world_fits(void *arg, const struct hark_cursor *cursor, bool *fits,
                             struct hark_err *err)
{
    const struct world *world = arg;
    (void)err;
    require(cursor->batches > 0 && cursor->batches <= world->cursor.batches);
    *fits = hark_hash_equal(&cursor->root, &world->cursor.root) || cursor->size % 2 == 0;
    return 0;
}

static inline int world_load(void *arg, const struct hark_log_ref *log, uint64_t batches,
                             size_t max_bytes, struct hark_buf *out, unsigned *count,
                             struct hark_err *err)
{
    static const uint8_t batch[12] = {0};
    (void)arg;
    (void)log;
    (void)batches;
    (void)max_bytes;
    *count = 1;
    return hark_buf_append(out, batch, sizeof(batch), err);
}

static inline int world_append(void *arg, const struct hark_log_ref *log,
                               const struct hark_key *peer, struct hark_buf *load, unsigned batches,
                               uint64_t token, struct hark_err *err)
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

static inline int world_submit(void *arg, const struct hark_key *peer,
                               const struct hark_hash *space, struct hark_buf *body, uint64_t token,
                               struct hark_err *err)
{
    struct world *world = arg;
    (void)peer;
    (void)err;
    require(hark_hash_equal(space, &world->cursor.space) && body->size > 0);
    if (token % 3 == 0)
        return HARK_E_ACCEPT_NOT_HERE;
    hark_buf_free(body);
    world->tokens[0] = token;
    return 0;
}

static inline void world_accepted(void *arg, const struct hark_key *peer,
                                  const struct hark_hash *space, const struct hark_accepted *items,
                                  size_t count, int code)
{
    (void)arg;
    (void)peer;
    (void)space;
    require((code == 0) == (items != NULL && count > 0));
}

static inline int world_terms(void *arg, const struct hark_hash *space, struct hark_buf *out,
                              struct hark_err *err)
{
    struct hark_submitted entry = {.entry = hark_span_str("entry")};
    (void)arg;
    return hark_shown_encode(out, space, &entry, 1, err);
}

static inline int world_receipts(void *arg, const struct hark_hash *space,
                                 const struct hark_receipt_wanted *wanted, size_t count,
                                 struct hark_buf *out, struct hark_err *err)
{
    const struct world *world = arg;
    struct hark_span receipts[HARK_RECEIPT_MAX] = {{0}};
    require(hark_hash_equal(space, &world->cursor.space) && count > 0 && count <= HARK_RECEIPT_MAX);
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].position % 2 == 0)
            receipts[i] = hark_span_str("a receipt");
    }
    return hark_receipts_encode(out, space, receipts, count, err);
}

static inline int world_join(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                             struct hark_buf *sealed, uint64_t token, struct hark_err *err)
{
    struct world *world = arg;
    (void)peer;
    (void)space;
    (void)err;
    require(sealed->size > 0);
    if (token % 3 == 0)
        return HARK_E_BUSY;
    hark_buf_free(sealed);
    world->tokens[1] = token;
    return 0;
}

static inline int world_notes(void *arg, const struct hark_hash *space, uint64_t *version,
                              struct hark_buf *out, struct hark_err *err)
{
    const struct world *world = arg;
    struct hark_span note = hark_span_str("a note");
    require(hark_hash_equal(space, &world->cursor.space));
    *version = world->notes;
    return out != NULL ? hark_cosign_encode(out, space, &note, 1, err) : 0;
}

static inline int world_cosign(void *arg, const struct hark_key *peer,
                               const struct hark_hash *space, struct hark_buf *body, uint64_t token,
                               struct hark_err *err)
{
    struct world *world = arg;
    (void)peer;
    (void)err;
    require(hark_hash_equal(space, &world->cursor.space) && body->size > 0);
    if (token % 3 == 0)
        return HARK_E_BUSY;
    hark_buf_free(body);
    world->tokens[2] = token;
    return 0;
}

/* As many files as there were notes, one a message. */
static inline int world_evidence(void *arg, const struct hark_hash *space, uint64_t after,
                                 uint64_t *version, struct hark_buf *out, struct hark_err *err)
{
    const struct world *world = arg;
    struct hark_span file = hark_span_str("a file");
    require(hark_hash_equal(space, &world->cursor.space) && after <= world->notes);
    *version = out == NULL ? world->notes : after + 1;
    return out != NULL ? hark_evidence_files_encode(out, space, &file, 1, err) : 0;
}

static inline int world_convict(void *arg, const struct hark_key *peer,
                                const struct hark_hash *space, struct hark_buf *body,
                                uint64_t token, struct hark_err *err)
{
    struct world *world = arg;
    (void)peer;
    (void)err;
    require(hark_hash_equal(space, &world->cursor.space) && body->size > 0);
    if (token % 3 == 0)
        return HARK_E_BUSY;
    hark_buf_free(body);
    world->tokens[3] = token;
    return 0;
}

static inline void world_answered(void *arg, const struct hark_key *peer, uint8_t type,
                                  const struct hark_hash *space, int code, struct hark_span body)
{
    (void)arg;
    (void)peer;
    (void)space;
    require(type == HARK_MESSAGE_SHOWN || type == HARK_MESSAGE_JOINED ||
            type == HARK_MESSAGE_RECEIPTS);
    require((code == 0) == (body.size > 0));
}

/* What the core has to do: follow, hand in, ask to join, ask for receipts. */
static inline void give_work(struct hark_core *core, const struct hark_key *peer,
                             const struct world *world)
{
    struct hark_log_ref logs[2] = {{world->cursor.space, ""}, {world->cursor.space, "a"}};
    struct hark_submitted entry = {.entry = hark_span_str("an entry")};
    struct hark_receipt_wanted wanted[2] = {{.position = UINT64_MAX}, {.position = 3}};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    require(hark_core_follow(core, peer, logs, 2, NULL) == 0);
    require(hark_submit_encode(&body, &world->cursor.space, &entry, 1, NULL) == 0);
    require(hark_core_submit(core, &world->cursor.space, hark_buf_span(&body), NULL, NULL) == 0);
    hark_buf_clear(&body);
    require(hark_terms_encode(&body, &world->cursor.space, NULL) == 0);
    require(hark_core_request(core, peer, HARK_MESSAGE_TERMS, hark_buf_span(&body), 60000, NULL) ==
            0);
    hark_buf_clear(&body);
    require(hark_receipt_ask_encode(&body, &world->cursor.space, wanted, 2, NULL) == 0);
    require(hark_core_request(core, peer, HARK_MESSAGE_RECEIPT, hark_buf_span(&body), 60000,
                              NULL) == 0);
    hark_buf_clear(&body);
    require(hark_join_encode(&body, &world->cursor.space, hark_span_str("sealed"), NULL) == 0);
    require(hark_core_request(core, peer, HARK_MESSAGE_JOIN, hark_buf_span(&body), 60000, NULL) ==
            0);
    hark_buf_free(&body);
}

/* Which also asks about the main log, so that it is shown what there is. */
static inline void say_hello(struct hark_core *core, const struct hark_key *peer,
                             const struct world *world)
{
    struct hark_hello hello = {.lowest = 1, .highest = 1, .name = "peer"};
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint8_t header[HARK_HEADER_SIZE] = {0};
    hark_message_header(header, HARK_MESSAGE_HELLO, 1);
    require(hark_hello_encode(&body, &hello, NULL) == 0);
    struct hark_span frames[2] = {hark_span(header, sizeof(header)), hark_buf_span(&body)};
    hark_core_message(core, peer, HARK_VIA_OURS, frames, 2);
    hark_buf_clear(&body);
    hark_message_header(header, HARK_MESSAGE_ASK, 2);
    require(hark_ask_encode(&body, &world->cursor, 1, NULL) == 0);
    frames[1] = hark_buf_span(&body);
    hark_core_message(core, peer, HARK_VIA_OURS, frames, 2);
    hark_buf_free(&body);
}

/* The id that is waited for under a type of answer. */
static inline uint64_t awaited(const struct world *world, const struct hark_span *frames,
                               size_t count, unsigned turn)
{
    static const uint8_t questions[] = {
        HARK_MESSAGE_ASK,  HARK_MESSAGE_FETCH,  HARK_MESSAGE_SUBMIT,   HARK_MESSAGE_TERMS,
        HARK_MESSAGE_JOIN, HARK_MESSAGE_COSIGN, HARK_MESSAGE_EVIDENCE, HARK_MESSAGE_RECEIPT};
    uint8_t type = count > 0 && frames[0].size == HARK_HEADER_SIZE ? frames[0].data[5] : 0;
    switch (type) {
    case HARK_MESSAGE_TELL:
        return world->ids[HARK_MESSAGE_ASK];
    case HARK_MESSAGE_BATCHES:
        return world->ids[HARK_MESSAGE_FETCH];
    case HARK_MESSAGE_ACCEPTED:
        return world->ids[HARK_MESSAGE_SUBMIT];
    case HARK_MESSAGE_SHOWN:
        return world->ids[HARK_MESSAGE_TERMS];
    case HARK_MESSAGE_JOINED:
        return world->ids[HARK_MESSAGE_JOIN];
    case HARK_MESSAGE_NOTED:
        return world->ids[turn % 2 == 0 ? HARK_MESSAGE_COSIGN : HARK_MESSAGE_EVIDENCE];
    case HARK_MESSAGE_RECEIPTS:
        return world->ids[HARK_MESSAGE_RECEIPT];
    default:
        return world->ids[questions[turn % sizeof(questions)]];
    }
}

static inline bool world_may_join(void *arg, const struct hark_key *peer,
                                  const struct hark_hash *space)
{
    return world_may_have(arg, peer, space);
}

static inline struct hark_core_io world_io(struct world *world)
{
    return (struct hark_core_io){
        .arg = world,
        .now_ms = world_now,
        .send = world_send,
        .may_have = world_may_have,
        .cursor = world_cursor,
        .fits = world_fits,
        .load = world_load,
        .append = world_append,
        .submit = world_submit,
        .accepted = world_accepted,
        .may_join = world_may_join,
        .terms = world_terms,
        .join = world_join,
        .receipts = world_receipts,
        .answered = world_answered,
        .notes = world_notes,
        .cosign = world_cosign,
        .evidence = world_evidence,
        .convict = world_convict,
    };
}

static inline void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->now_ms = 1000000;
    world->notes = 1;
    memset(world->cursor.space.bytes, 0x51, HARK_HASH_SIZE);
    hark_origin(world->cursor.origin, "home.example", &world->cursor.space, 1);
    world->cursor.size = 257;
    world->cursor.batches = 3;
}

#endif
