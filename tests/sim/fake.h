/*
 * Fakes around the replication core, for its unit test and the simulator: a log
 * that is nothing but numbers with a root for each size, and a node that keeps
 * what its core sends until somebody delivers it. Include after cmocka.h.
 */
#ifndef HARK_TESTS_SIM_FAKE_H
#define HARK_TESTS_SIM_FAKE_H

#include <stdlib.h>
#include <string.h>

#include "crypto/note.h"
#include "replication/core.h"
#include "replication/messages.h"

#define FAKE_ENTRIES_MAX   4096u
#define FAKE_BATCHES_MAX   1024u
#define FAKE_OUT_MAX       4096u
#define FAKE_PENDING_MAX   16u
#define FAKE_INTAKES_MAX   4u
#define FAKE_ITEMS_MAX     64u
#define FAKE_SIGNERS_MAX   8u
#define FAKE_EVIDENCE_MAX  32u
#define FAKE_EVIDENCE_PART 3u /* as many go into a message */

/* ---- a log ---- */

struct fake_log {
    struct hark_log_ref ref;
    bool exists;
    size_t entry_size; /* bytes of each entry in a load, at least 8 */
    size_t size;
    size_t batches;
    size_t starts[FAKE_BATCHES_MAX];
    size_t needs[FAKE_BATCHES_MAX]; /* of an intake: batches of the main log it hangs on */
    uint64_t values[FAKE_ENTRIES_MAX];
    struct hark_hash roots[FAKE_ENTRIES_MAX + 1];
};

static inline void fake_log_init(struct fake_log *log, uint8_t space)
{
    memset(log, 0, sizeof(*log));
    memset(log->ref.space.bytes, space, HARK_HASH_SIZE);
    log->entry_size = 16;
    log->roots[0] = hark_merkle_empty();
}

static inline void fake_log_add(struct fake_log *log, uint64_t value)
{
    uint8_t bytes[HARK_HASH_SIZE + 8];
    assert_true(log->size < FAKE_ENTRIES_MAX);
    memcpy(bytes, log->roots[log->size].bytes, HARK_HASH_SIZE);
    hark_put_u64(bytes + HARK_HASH_SIZE, value);
    log->values[log->size] = value;
    log->roots[++log->size] = hark_sha256(hark_span(bytes, sizeof(bytes)));
}

/* One more batch of `count` entries. */
static inline void fake_log_grow(struct fake_log *log, size_t count, uint64_t value)
{
    assert_true(log->batches < FAKE_BATCHES_MAX);
    log->exists = true;
    log->starts[log->batches++] = log->size;
    for (size_t i = 0; i < count; i++)
        fake_log_add(log, value + i);
}

static inline struct hark_cursor fake_log_cursor(const struct fake_log *log)
{
    struct hark_cursor cursor;
    hark_cursor_empty(&cursor, &log->ref);
    if (log->exists) {
        if (log->ref.node[0] == '\0')
            hark_origin(cursor.origin, "home", &log->ref.space, 1);
        cursor.size = log->size;
        cursor.batches = log->batches;
        cursor.root = log->roots[log->size];
    }
    return cursor;
}

static inline size_t fake_batch_end(const struct fake_log *log, size_t batch)
{
    return batch + 1 < log->batches ? log->starts[batch + 1] : log->size;
}

/* A checkpoint that nobody signed. */
static inline void fake_checkpoint(struct hark_buf *out, const struct hark_log_ref *ref,
                                   uint64_t size, const struct hark_hash *root)
{
    struct hark_checkpoint said = {.size = size, .root = *root};
    hark_origin(said.origin, ref->node[0] == '\0' ? "home" : ref->node, &ref->space,
                ref->node[0] == '\0');
    assert_int_equal(hark_checkpoint_encode(out, &said, NULL), 0);
    assert_int_equal(hark_buf_append_str(out, "\n", NULL), 0);
}

/* Appends one batch in the form of PROTOCOL.md 9.4: its "commit" is its first
 * position, and how many batches of the main log it needs. */
static inline void fake_batch_encode(const struct fake_log *log, size_t batch, struct hark_buf *out)
{
    size_t first = log->starts[batch];
    size_t count = fake_batch_end(log, batch) - first;
    uint8_t commit[16];
    struct hark_buf lines = hark_buf_init(HARK_BATCH_FILE_MAX);
    struct hark_buf checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    struct hark_raw_entry *items = calloc(count + 1, sizeof(*items));
    uint8_t *objects = calloc(count + 1, log->entry_size);
    struct hark_raw_batch raw = {.count = count, .items = items};

    assert_non_null(items);
    assert_non_null(objects);
    for (size_t i = 0; i < count; i++) {
        uint8_t *object = objects + i * log->entry_size;
        hark_put_u64(object, log->values[first + i]);
        items[i].object = hark_span(object, log->entry_size);
        assert_int_equal(hark_buf_append_u8(&lines, '\n', NULL), 0);
    }
    hark_put_u64(commit, first);
    hark_put_u64(commit + 8, log->needs[batch]);
    raw.commit = hark_span(commit, sizeof(commit));
    raw.entries = hark_buf_span(&lines);
    fake_checkpoint(&checkpoint, &log->ref, first + count, &log->roots[first + count]);
    raw.checkpoint = hark_buf_span(&checkpoint);
    assert_int_equal(hark_wire_batch_encode(out, &raw, NULL), 0);
    hark_buf_free(&checkpoint);
    hark_buf_free(&lines);
    free(items);
    free(objects);
}

static inline int fake_log_load(const struct fake_log *log, uint64_t batches, size_t max_bytes,
                                struct hark_buf *out, unsigned *count)
{
    *count = 0;
    for (size_t i = (size_t)batches; i < log->batches; i++) {
        size_t before = out->size;
        fake_batch_encode(log, i, out);
        if (*count > 0 && out->size > max_bytes) {
            out->size = before;
            break;
        }
        ++*count;
    }
    return *count > 0 ? 0 : HARK_E_NOT_FOUND;
}

/* Takes over a load as far as it fits, or says what is wrong with it. */
static inline int fake_log_append(struct fake_log *log, size_t main_batches, struct hark_span load,
                                  unsigned batches)
{
    for (unsigned i = 0; i < batches; i++) {
        struct hark_raw_batch raw;
        struct hark_raw_entry *items = NULL;
        assert_int_equal(hark_wire_batch_take(&load, &raw, &items, NULL), 0);
        assert_int_equal(raw.commit.size, 16);
        uint64_t needs = hark_get_u64(raw.commit.data + 8);
        if (hark_get_u64(raw.commit.data) != log->size || needs > main_batches) {
            free(items);
            return needs > main_batches ? HARK_E_BEHIND : HARK_E_BATCH_RANGE;
        }
        log->exists = true;
        log->needs[log->batches] = (size_t)needs;
        log->starts[log->batches++] = log->size;
        for (size_t k = 0; k < raw.count; k++)
            fake_log_add(log, hark_get_u64(items[k].object.data));
        free(items);
    }
    assert_int_equal(load.size, 0);
    return 0;
}

/* An entry is nothing but its number, with what tells one that came garbled: fakes do not
 * sign. Numbers are below 2^32. */
static inline uint64_t fake_sealed(uint64_t value)
{
    return (value ^ UINT32_MAX) << 32 | value;
}

static inline void fake_entry(uint8_t out[8], uint64_t value)
{
    hark_put_u64(out, fake_sealed(value));
}

/* ---- a node ---- */

struct fake_message {
    struct hark_key from, to;
    uint64_t via; /* as its sender gave it */
    uint64_t due_ms;
    bool impossible; /* a liar's: what no answer to its question can be */
    size_t count;
    struct hark_buf frames[3];
};

struct fake_pending {
    struct hark_log_ref log;
    struct hark_buf load;
    unsigned batches;
    uint64_t token;
};

/* Entries handed in, or a request to join, that wait to be judged. */
struct fake_asked {
    struct hark_buf body;
    uint64_t token;
};

struct fake_node {
    struct hark_core *core;
    struct hark_key key;
    const uint64_t *now_ms;
    struct fake_log log; /* the main log */
    size_t intake_count;
    struct fake_log *intakes[FAKE_INTAKES_MAX];
    /* how it behaves */
    const char *partner; /* takes entries into the intake of that name; NULL: into the main log */
    int submit_fails;    /* code, at once */
    unsigned comings;    /* loads that it was told of before their turn */
    int join_fails;
    int cosign_fails;  /* code, at once */
    int notes_fail;    /* code */
    int convict_fails; /* code, at once */
    int receipts_fail; /* code */
    bool denies;       /* nobody may have its space */
    bool may_join;     /* but ask about joining */
    int send_fails;    /* code */
    int append_fails;  /* code; HARK_E_BUSY at once, others when it is done */
    int cursor_fails;  /* code */
    int fits_fails;
    /* what it did */
    size_t out_count, pending_count;
    struct fake_message *out[FAKE_OUT_MAX];
    struct fake_pending pending[FAKE_PENDING_MAX];
    size_t submitted_count, join_count, cosign_count;
    struct fake_asked submitted[FAKE_PENDING_MAX], joins[FAKE_PENDING_MAX];
    struct fake_asked cosigns[FAKE_PENDING_MAX];
    size_t reports, changes, loads;
    /* the size of the main log that each node is known to have cosigned; 0: none. And how
     * often that changed */
    uint64_t cosigned[FAKE_SIGNERS_MAX], notes_version;
    size_t notes_calls, receipts_calls;
    /* files of evidence, which are numbers, in the order of coming */
    size_t evidence_count, evidence_calls, convict_count;
    uint64_t evidence[FAKE_EVIDENCE_MAX];
    struct fake_asked convicts[FAKE_PENDING_MAX];
    /* what it was told of what it handed in, and asked */
    size_t accepted_calls, item_count, answered_calls;
    struct hark_accepted items[FAKE_ITEMS_MAX];
    struct hark_key accepted_by;
    int accepted_code, answered_code;
    uint8_t answered_type;
    struct hark_sync_report report;
    enum hark_peer_state state;
    int code;
    char message[256];
};

static inline uint64_t fake_now(void *arg)
{
    const struct fake_node *node = arg;
    return *node->now_ms;
}

static inline void fake_message_frame(struct fake_message *message, const void *data, size_t size)
{
    message->frames[message->count] = hark_buf_init(HARK_LOAD_MAX);
    assert_int_equal(hark_buf_append(&message->frames[message->count], data, size, NULL), 0);
    message->count++;
}

static inline void fake_message_free(struct fake_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        hark_buf_free(&message->frames[i]);
    free(message);
}

static inline int fake_send(void *arg, const struct hark_key *peer, uint64_t via,
                            const struct hark_message *message, struct hark_err *err)
{
    struct fake_node *node = arg;
    uint8_t header[HARK_HEADER_SIZE];
    (void)err;
    if (node->send_fails != 0)
        return node->send_fails;
    struct fake_message *out = calloc(1, sizeof(*out));
    assert_non_null(out);
    assert_true(node->out_count < FAKE_OUT_MAX);
    out->from = node->key;
    out->to = *peer;
    out->via = via;
    hark_message_header(header, message->type, message->id);
    fake_message_frame(out, header, sizeof(header));
    fake_message_frame(out, message->body.data, message->body.size);
    if (message->load.data != NULL)
        fake_message_frame(out, message->load.data, message->load.size);
    node->out[node->out_count++] = out;
    return 0;
}

static inline bool fake_may_have(void *arg, const struct hark_key *peer,
                                 const struct hark_hash *space)
{
    const struct fake_node *node = arg;
    (void)peer;
    return !node->denies && hark_hash_equal(space, &node->log.ref.space);
}

static inline bool fake_is_log(const struct fake_log *log, const struct hark_log_ref *ref)
{
    return hark_hash_equal(&ref->space, &log->ref.space) && strcmp(ref->node, log->ref.node) == 0;
}

static inline struct fake_log *fake_node_log(struct fake_node *node, const struct hark_log_ref *ref)
{
    if (fake_is_log(&node->log, ref))
        return &node->log;
    for (size_t i = 0; i < node->intake_count; i++) {
        if (fake_is_log(node->intakes[i], ref))
            return node->intakes[i];
    }
    return NULL;
}

/* The node's copy of the intake log of that name; made when it is not there. */
static inline struct fake_log *fake_node_intake(struct fake_node *node, const char *name)
{
    struct hark_log_ref ref = {.space = node->log.ref.space};
    memcpy(ref.node, name, strlen(name) + 1);
    struct fake_log *log = fake_node_log(node, &ref);
    if (log == NULL) {
        assert_true(node->intake_count < FAKE_INTAKES_MAX);
        log = calloc(1, sizeof(*log));
        assert_non_null(log);
        fake_log_init(log, ref.space.bytes[0]);
        log->ref = ref;
        node->intakes[node->intake_count++] = log;
    }
    return log;
}

static inline int fake_cursor(void *arg, const struct hark_log_ref *ref, struct hark_cursor *out,
                              struct hark_err *err)
{
    struct fake_node *node = arg;
    const struct fake_log *log = fake_node_log(node, ref);
    (void)err;
    if (node->cursor_fails != 0)
        return node->cursor_fails;
    if (log == NULL || !log->exists)
        return HARK_E_NOT_FOUND;
    *out = fake_log_cursor(log);
    return 0;
}

static inline int fake_fits(void *arg, const struct hark_cursor *cursor, bool *fits,
                            struct hark_err *err)
{
    struct fake_node *node = arg;
    struct hark_log_ref ref;
    (void)err;
    if (node->fits_fails != 0)
        return node->fits_fails;
    hark_cursor_log(cursor, &ref);
    const struct fake_log *log = fake_node_log(node, &ref);
    assert_non_null(log);
    assert_true(cursor->batches > 0 && cursor->batches <= log->batches);
    size_t end = fake_batch_end(log, (size_t)cursor->batches - 1);
    *fits = cursor->size == end && hark_hash_equal(&cursor->root, &log->roots[end]);
    return 0;
}

static inline int fake_load(void *arg, const struct hark_log_ref *ref, uint64_t batches,
                            size_t max_bytes, struct hark_buf *out, unsigned *count,
                            struct hark_err *err)
{
    struct fake_node *node = arg;
    (void)err;
    const struct fake_log *log = fake_node_log(node, ref);
    assert_non_null(log);
    node->loads++;
    return fake_log_load(log, batches, max_bytes, out, count);
}

static inline void fake_coming(void *arg, const struct hark_log_ref *log, struct hark_span load,
                               unsigned batches)
{
    struct fake_node *node = arg;
    assert_true(hark_hash_equal(&log->space, &node->log.ref.space));
    assert_true(load.size > 0 && batches > 0);
    node->comings++;
}

static inline int fake_append(void *arg, const struct hark_log_ref *log,
                              const struct hark_key *peer, struct hark_buf *load, unsigned batches,
                              uint64_t token, struct hark_err *err)
{
    struct fake_node *node = arg;
    (void)peer;
    (void)err;
    assert_true(hark_hash_equal(&log->space, &node->log.ref.space));
    if (node->append_fails == HARK_E_BUSY || node->pending_count == FAKE_PENDING_MAX)
        return HARK_E_BUSY;
    node->pending[node->pending_count++] =
        (struct fake_pending){.log = *log, .load = *load, .batches = batches, .token = token};
    *load = hark_buf_init(load->max);
    return 0;
}

static inline void fake_ask(struct fake_asked *asked, struct hark_buf *body, uint64_t token)
{
    *asked = (struct fake_asked){.body = *body, .token = token};
    *body = hark_buf_init(body->max);
}

static inline int fake_submit(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                              struct hark_buf *body, uint64_t token, struct hark_err *err)
{
    struct fake_node *node = arg;
    (void)peer;
    (void)err;
    assert_true(hark_hash_equal(space, &node->log.ref.space));
    if (node->submit_fails != 0 || node->submitted_count == FAKE_PENDING_MAX)
        return node->submit_fails != 0 ? node->submit_fails : HARK_E_BUSY;
    fake_ask(&node->submitted[node->submitted_count++], body, token);
    return 0;
}

static inline void fake_accepted(void *arg, const struct hark_key *peer,
                                 const struct hark_hash *space, const struct hark_accepted *items,
                                 size_t count, int code)
{
    struct fake_node *node = arg;
    assert_true(hark_hash_equal(space, &node->log.ref.space));
    assert_true(count <= FAKE_ITEMS_MAX);
    assert_int_equal(code == 0, count > 0);
    node->accepted_calls++;
    node->accepted_by = *peer;
    node->accepted_code = code;
    node->item_count = count;
    if (count > 0)
        memcpy(node->items, items, count * sizeof(*items));
}

static inline bool fake_may_join(void *arg, const struct hark_key *peer,
                                 const struct hark_hash *space)
{
    const struct fake_node *node = arg;
    return fake_may_have(arg, peer, space) ||
           (node->may_join && hark_hash_equal(space, &node->log.ref.space));
}

static inline int fake_terms(void *arg, const struct hark_hash *space, struct hark_buf *out,
                             struct hark_err *err)
{
    struct hark_submitted first = {.entry = hark_span_str("the first entry")};
    (void)arg;
    return hark_shown_encode(out, space, &first, 1, err);
}

/* A receipt says which position, or the first byte of which id, was asked for. */
static inline int fake_receipts(void *arg, const struct hark_hash *space,
                                const struct hark_receipt_wanted *wanted, size_t count,
                                struct hark_buf *out, struct hark_err *err)
{
    struct fake_node *node = arg;
    struct hark_span receipts[HARK_RECEIPT_MAX];
    uint8_t bytes[HARK_RECEIPT_MAX][8];
    assert_true(hark_hash_equal(space, &node->log.ref.space));
    node->receipts_calls++;
    if (node->receipts_fail != 0)
        return node->receipts_fail;
    for (size_t i = 0; i < count; i++) {
        fake_entry(bytes[i],
                   wanted[i].position != UINT64_MAX ? wanted[i].position : wanted[i].id.bytes[0]);
        receipts[i] = hark_span(bytes[i], sizeof(bytes[i]));
    }
    return hark_receipts_encode(out, space, receipts, count, err);
}

static inline int fake_join(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                            struct hark_buf *sealed, uint64_t token, struct hark_err *err)
{
    struct fake_node *node = arg;
    (void)peer;
    (void)err;
    assert_true(hark_hash_equal(space, &node->log.ref.space));
    if (node->join_fails != 0 || node->join_count == FAKE_PENDING_MAX)
        return node->join_fails != 0 ? node->join_fails : HARK_E_BUSY;
    fake_ask(&node->joins[node->join_count++], sealed, token);
    return 0;
}

/* A note says which node has cosigned what size, in one number below 2^32. */
static inline int fake_notes(void *arg, const struct hark_hash *space, uint64_t *version,
                             struct hark_buf *out, struct hark_err *err)
{
    struct fake_node *node = arg;
    uint8_t bytes[FAKE_SIGNERS_MAX][8];
    struct hark_span notes[FAKE_SIGNERS_MAX];
    size_t count = 0;
    node->notes_calls++;
    if (node->notes_fail != 0 || !hark_hash_equal(space, &node->log.ref.space))
        return node->notes_fail != 0 ? node->notes_fail : HARK_E_NOT_FOUND;
    *version = node->notes_version;
    for (size_t i = 0; i < FAKE_SIGNERS_MAX; i++) {
        if (node->cosigned[i] == 0)
            continue;
        fake_entry(bytes[count], (uint64_t)i << 24 | node->cosigned[i]);
        notes[count] = hark_span(bytes[count], sizeof(bytes[count]));
        count++;
    }
    return out == NULL ? 0 : hark_cosign_encode(out, space, notes, count, err);
}

static inline int fake_cosign(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                              struct hark_buf *body, uint64_t token, struct hark_err *err)
{
    struct fake_node *node = arg;
    (void)peer;
    (void)err;
    assert_true(hark_hash_equal(space, &node->log.ref.space));
    if (node->cosign_fails != 0 || node->cosign_count == FAKE_PENDING_MAX)
        return node->cosign_fails != 0 ? node->cosign_fails : HARK_E_BUSY;
    fake_ask(&node->cosigns[node->cosign_count++], body, token);
    return 0;
}

static inline int fake_evidence(void *arg, const struct hark_hash *space, uint64_t after,
                                uint64_t *version, struct hark_buf *out, struct hark_err *err)
{
    struct fake_node *node = arg;
    uint8_t bytes[FAKE_EVIDENCE_PART][8];
    struct hark_span files[FAKE_EVIDENCE_PART];
    size_t count = 0;
    node->evidence_calls++;
    assert_true(after <= node->evidence_count);
    if (!hark_hash_equal(space, &node->log.ref.space) || node->evidence_count == 0)
        return HARK_E_NOT_FOUND;
    *version = node->evidence_count;
    if (out == NULL)
        return 0;
    for (; count < FAKE_EVIDENCE_PART && after < node->evidence_count; count++) {
        hark_put_u64(bytes[count], node->evidence[after++]);
        files[count] = hark_span(bytes[count], sizeof(bytes[count]));
    }
    *version = after;
    return hark_evidence_files_encode(out, space, files, count, err);
}

static inline int fake_convict(void *arg, const struct hark_key *peer,
                               const struct hark_hash *space, struct hark_buf *body, uint64_t token,
                               struct hark_err *err)
{
    struct fake_node *node = arg;
    (void)peer;
    (void)err;
    assert_true(hark_hash_equal(space, &node->log.ref.space));
    if (node->convict_fails != 0 || node->convict_count == FAKE_PENDING_MAX)
        return node->convict_fails != 0 ? node->convict_fails : HARK_E_BUSY;
    fake_ask(&node->convicts[node->convict_count++], body, token);
    return 0;
}

static inline void fake_answered(void *arg, const struct hark_key *peer, uint8_t type,
                                 const struct hark_hash *space, int code, struct hark_span body)
{
    struct fake_node *node = arg;
    (void)peer;
    assert_true(hark_hash_equal(space, &node->log.ref.space));
    assert_int_equal(code == 0, body.size > 0);
    node->answered_calls++;
    node->answered_type = type;
    node->answered_code = code;
}

static inline void fake_peer_changed(void *arg, const struct hark_key *peer,
                                     enum hark_peer_state state, int code, const char *message)
{
    struct fake_node *node = arg;
    size_t size = strlen(message);
    (void)peer;
    node->changes++;
    node->state = state;
    node->code = code;
    assert_true(size < sizeof(node->message));
    memcpy(node->message, message, size + 1);
}

static inline void fake_synced(void *arg, const struct hark_key *peer,
                               const struct hark_sync_report *report)
{
    struct fake_node *node = arg;
    (void)peer;
    node->reports++;
    node->report = *report;
}

static inline void fake_node_start(struct fake_node *node, const char *name)
{
    struct hark_core_io io = {
        .arg = node,
        .now_ms = fake_now,
        .send = fake_send,
        .may_have = fake_may_have,
        .cursor = fake_cursor,
        .fits = fake_fits,
        .load = fake_load,
        .append = fake_append,
        .coming = fake_coming,
        .submit = fake_submit,
        .accepted = fake_accepted,
        .may_join = fake_may_join,
        .terms = fake_terms,
        .join = fake_join,
        .receipts = fake_receipts,
        .answered = fake_answered,
        .notes = fake_notes,
        .cosign = fake_cosign,
        .evidence = fake_evidence,
        .convict = fake_convict,
        .peer_changed = fake_peer_changed,
        .synced = fake_synced,
    };
    assert_int_equal(hark_core_new(&node->core, name, &io, NULL), 0);
}

static inline struct fake_node *fake_node_new(const char *name, uint8_t key, uint8_t space,
                                              const uint64_t *now_ms)
{
    struct fake_node *node = calloc(1, sizeof(*node));
    assert_non_null(node);
    memset(node->key.bytes, key, HARK_KEY_SIZE);
    node->now_ms = now_ms;
    fake_log_init(&node->log, space);
    fake_node_start(node, name);
    return node;
}

/* What a crash leaves: the logs. */
static inline void fake_node_stop(struct fake_node *node)
{
    hark_core_free(node->core);
    node->core = NULL;
    for (size_t i = 0; i < node->pending_count; i++)
        hark_buf_free(&node->pending[i].load);
    node->pending_count = 0;
    for (size_t i = 0; i < node->submitted_count; i++)
        hark_buf_free(&node->submitted[i].body);
    node->submitted_count = 0;
    for (size_t i = 0; i < node->join_count; i++)
        hark_buf_free(&node->joins[i].body);
    node->join_count = 0;
    for (size_t i = 0; i < node->cosign_count; i++)
        hark_buf_free(&node->cosigns[i].body);
    node->cosign_count = 0;
    for (size_t i = 0; i < node->convict_count; i++)
        hark_buf_free(&node->convicts[i].body);
    node->convict_count = 0;
    for (size_t i = 0; i < node->out_count; i++)
        fake_message_free(node->out[i]);
    node->out_count = 0;
}

static inline void fake_node_free(struct fake_node *node)
{
    fake_node_stop(node);
    for (size_t i = 0; i < node->intake_count; i++)
        free(node->intakes[i]);
    free(node);
}

/* Removes and gives the first message that waits to be delivered, or NULL. */
static inline struct fake_message *fake_node_next(struct fake_node *node)
{
    if (node->out_count == 0)
        return NULL;
    struct fake_message *first = node->out[0];
    node->out_count--;
    for (size_t i = 0; i < node->out_count; i++)
        node->out[i] = node->out[i + 1];
    return first;
}

/* As the edge would: what went out on our own connection comes in on theirs. */
static inline void fake_deliver(struct fake_node *to, const struct fake_message *message)
{
    struct hark_span frames[3];
    uint64_t via = message->via >= HARK_VIA_THEIRS ? HARK_VIA_OURS : HARK_VIA_THEIRS;
    for (size_t i = 0; i < message->count; i++)
        frames[i] = hark_buf_span(&message->frames[i]);
    hark_core_message(to->core, &message->from, via, frames, message->count);
}

/* The writer's thread: finishes the oldest append. */
static inline bool fake_node_append_one(struct fake_node *node)
{
    if (node->pending_count == 0)
        return false;
    struct fake_pending first = node->pending[0];
    node->pending_count--;
    memmove(node->pending, node->pending + 1, node->pending_count * sizeof(first));
    int rc = node->append_fails;
    struct fake_log *log =
        first.log.node[0] == '\0' ? &node->log : fake_node_intake(node, first.log.node);
    size_t before = log->batches;
    if (rc == 0)
        rc = fake_log_append(log, node->log.batches, hark_buf_span(&first.load), first.batches);
    hark_buf_free(&first.load);
    hark_core_appended(node->core, first.token, rc, rc != 0 ? "it does not check out" : "");
    if (log->batches > before)
        hark_core_grown(node->core, &log->ref);
    return true;
}

/* ---- handing in ---- */

/* The body of a submit for `count` numbers. */
static inline void fake_submit_body(struct hark_buf *out, const struct hark_hash *space,
                                    const uint64_t *values, size_t count)
{
    struct hark_submitted entries[FAKE_ITEMS_MAX];
    uint8_t bytes[FAKE_ITEMS_MAX][8];
    assert_true(count <= FAKE_ITEMS_MAX);
    memset(entries, 0, sizeof(entries));
    for (size_t i = 0; i < count; i++) {
        fake_entry(bytes[i], values[i]);
        entries[i].entry = hark_span(bytes[i], sizeof(bytes[i]));
    }
    assert_int_equal(hark_submit_encode(out, space, entries, count, NULL), 0);
}

static inline bool fake_log_find(const struct fake_log *log, uint64_t value, uint64_t *position)
{
    for (size_t i = 0; i < log->size; i++) {
        if (log->values[i] == value) {
            *position = i;
            return true;
        }
    }
    return false;
}

/* Odd as it is, 13 may not be logged anywhere. */
static inline void fake_judge(struct fake_node *node, uint64_t entry, struct hark_accepted *out)
{
    uint64_t value = entry & UINT32_MAX;
    struct fake_log *log =
        node->partner != NULL ? fake_node_intake(node, node->partner) : &node->log;
    memset(out, 0, sizeof(*out));
    if (entry != fake_sealed(value)) {
        out->code = HARK_E_ENTRY_SIGNATURE;
        return;
    }
    if (value == 13) {
        out->code = HARK_E_VOID_ROLE;
        return;
    }
    out->accepted_ms = 1;
    out->status = HARK_ACCEPTED_LOGGED;
    if (fake_log_find(&node->log, value, &out->position))
        return;
    if (node->partner != NULL)
        out->status = HARK_ACCEPTED_INTAKE;
    if (fake_log_find(log, value, &out->position))
        return;
    out->position = log->size;
    fake_log_grow(log, 1, value);
    if (node->partner != NULL)
        log->needs[log->batches - 1] = node->log.batches;
    hark_core_grown(node->core, &log->ref);
}

/* The writer's thread: judges the oldest that was handed in. */
static inline bool fake_node_accept_one(struct fake_node *node)
{
    struct hark_accepted items[FAKE_ITEMS_MAX];
    struct hark_submitted *entries = NULL;
    struct hark_hash space;
    size_t count = 0;
    if (node->submitted_count == 0)
        return false;
    struct fake_asked first = node->submitted[0];
    node->submitted_count--;
    memmove(node->submitted, node->submitted + 1, node->submitted_count * sizeof(first));
    assert_int_equal(hark_submit_decode(&space, &entries, &count, hark_buf_span(&first.body), NULL),
                     0);
    assert_true(count <= FAKE_ITEMS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(entries[i].entry.size >= 8);
        fake_judge(node, hark_get_u64(entries[i].entry.data), &items[i]);
    }
    hark_core_accepted(node->core, first.token, items, count, 0);
    free(entries);
    hark_buf_free(&first.body);
    return true;
}

static inline bool fake_node_join_one(struct fake_node *node, uint8_t status, int code)
{
    struct hark_joined joined = {.status = status, .code = code};
    if (node->join_count == 0)
        return false;
    struct fake_asked first = node->joins[0];
    node->join_count--;
    memmove(node->joins, node->joins + 1, node->join_count * sizeof(first));
    hark_core_joined(node->core, first.token, &joined);
    hark_buf_free(&first.body);
    return true;
}

/* ---- cosigning ---- */

/* A node has cosigned its main log of that size, or is known to have. */
static inline void fake_node_note(struct fake_node *node, size_t signer, uint64_t size)
{
    if (size <= node->cosigned[signer])
        return;
    node->cosigned[signer] = size;
    node->notes_version++;
    hark_core_noted(node->core, &node->log.ref.space);
}

/* The writer's thread: judges the oldest that was shown; `code` or, where a note is none,
 * peer-form. */
static inline bool fake_node_cosign_one(struct fake_node *node, int code)
{
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash space;
    size_t count = 0;
    if (node->cosign_count == 0)
        return false;
    uint64_t before = node->notes_version;
    struct fake_asked first = node->cosigns[0];
    node->cosign_count--;
    memmove(node->cosigns, node->cosigns + 1, node->cosign_count * sizeof(first));
    assert_int_equal(hark_cosign_decode(&space, notes, &count, hark_buf_span(&first.body), NULL),
                     0);
    for (size_t i = 0; code == 0 && i < count; i++) {
        uint64_t note = notes[i].size == 8 ? hark_get_u64(notes[i].data) : 0;
        uint64_t value = note & UINT32_MAX;
        if (note != fake_sealed(value) || value >> 24 >= FAKE_SIGNERS_MAX)
            code = HARK_E_PEER_FORM;
        else
            fake_node_note(node, (size_t)(value >> 24), value & 0xffffff);
    }
    hark_core_cosigned(node->core, first.token, before, node->notes_version, code);
    hark_buf_free(&first.body);
    return true;
}

/* ---- evidence ---- */

static inline bool fake_node_has(const struct fake_node *node, uint64_t file)
{
    for (size_t i = 0; i < node->evidence_count; i++) {
        if (node->evidence[i] == file)
            return true;
    }
    return false;
}

/* It is found here, or kept. */
static inline void fake_node_convict(struct fake_node *node, uint64_t file)
{
    if (fake_node_has(node, file))
        return;
    assert_true(node->evidence_count < FAKE_EVIDENCE_MAX);
    node->evidence[node->evidence_count++] = file;
}

/* The writer's thread: judges the oldest that was shown, and keeps it unless `code` says
 * why not. */
static inline bool fake_node_convict_one(struct fake_node *node, int code)
{
    struct hark_span files[HARK_EVIDENCE_FILES_MAX];
    struct hark_hash space;
    size_t count = 0;
    if (node->convict_count == 0)
        return false;
    uint64_t before = node->evidence_count;
    struct fake_asked first = node->convicts[0];
    node->convict_count--;
    memmove(node->convicts, node->convicts + 1, node->convict_count * sizeof(first));
    assert_int_equal(
        hark_evidence_files_decode(&space, files, &count, hark_buf_span(&first.body), NULL), 0);
    for (size_t i = 0; code == 0 && i < count; i++) {
        assert_int_equal(files[i].size, 8);
        fake_node_convict(node, hark_get_u64(files[i].data));
    }
    hark_core_evidence(node->core, first.token, before, node->evidence_count, code);
    if (node->evidence_count > before)
        hark_core_convicted(node->core, &node->log.ref.space);
    hark_buf_free(&first.body);
    return true;
}

#endif
