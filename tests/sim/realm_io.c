/*
 * A realm's node, towards its core: the functions that a node gives to it.
 */
#include "realm.h"

static uint64_t io_now(void *arg)
{
    const struct realm_node *node = arg;
    return node->realm->now_ms;
}

static uint32_t index_of(const struct hark_key *key)
{
    return key->bytes[0] - 1u;
}

/* Whoever asks from a point that our log never had gets nothing. */
static void check_handed_out(const struct realm_node *node, struct hark_span body)
{
    struct hark_batches said;
    struct hark_log_ref ref;
    assert_int_equal(hark_batches_decode(&said, body, NULL), 0);
    hark_cursor_log(&said.cursor, &ref);
    const struct realm_log *log = &node->logs[realm_log_number(node->realm, &ref)];
    if (said.cursor.batches > 0 &&
        (said.cursor.batches >= log->batches ||
         !hark_hash_equal(&log->at[said.cursor.batches - 1]->root, &said.cursor.root)))
        realm_broken(node->realm, "batches are handed out that go on from another history");
}

static int io_send(void *arg, const struct hark_key *peer, uint64_t via,
                   const struct hark_message *message, struct hark_err *err)
{
    struct realm_node *node = arg;
    struct realm *realm = node->realm;
    uint8_t header[HARK_HEADER_SIZE];
    (void)err;
    if (node->honest && message->type == HARK_MESSAGE_BATCHES)
        check_handed_out(node, message->body);
    if (realm->nodes[index_of(peer)]->core == NULL && realm_chance(realm, 500))
        return HARK_E_PEER_UNREACHABLE;
    struct fake_message *out = calloc(1, sizeof(*out));
    assert_non_null(out);
    assert_true(node->out_count < REALM_OUT_MAX);
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

static bool io_may_have(void *arg, const struct hark_key *peer, const struct hark_hash *space)
{
    const struct realm_node *node = arg;
    (void)peer;
    return hark_hash_equal(space, &node->realm->space);
}

const struct realm_log *realm_shown(const struct realm_node *node, size_t number)
{
    bool other = node->forked && node->alt_log == number && node->facing != REALM_NOBODY &&
                 (node->victims >> node->facing & 1) != 0;
    return other ? &node->alt : &node->logs[number];
}

static int io_cursor(void *arg, const struct hark_log_ref *ref, struct hark_cursor *out,
                     struct hark_err *err)
{
    struct realm_node *node = arg;
    size_t number = realm_log_number(node->realm, ref);
    const struct realm_log *log = realm_shown(node, number);
    (void)err;
    if (realm_chance(node->realm, node->reads_fail))
        return HARK_E_IO;
    if (log->batches == 0)
        return HARK_E_NOT_FOUND;
    *out = realm_log_cursor(node->realm, log, number);
    return 0;
}

static int io_fits(void *arg, const struct hark_cursor *cursor, bool *fits, struct hark_err *err)
{
    struct realm_node *node = arg;
    struct hark_log_ref ref;
    (void)err;
    hark_cursor_log(cursor, &ref);
    const struct realm_log *log = realm_shown(node, realm_log_number(node->realm, &ref));
    if (realm_chance(node->realm, node->reads_fail))
        return HARK_E_IO;
    assert_true(cursor->batches > 0 && cursor->batches <= log->batches);
    const struct realm_batch *batch = log->at[cursor->batches - 1];
    *fits =
        cursor->size == batch->first + batch->count && hark_hash_equal(&cursor->root, &batch->root);
    return 0;
}

static int io_load(void *arg, const struct hark_log_ref *ref, uint64_t batches, size_t max_bytes,
                   struct hark_buf *out, unsigned *count, struct hark_err *err)
{
    struct realm_node *node = arg;
    const struct realm_log *log = realm_shown(node, realm_log_number(node->realm, ref));
    /* So that a log comes in more than one answer. */
    size_t most = max_bytes < 4096 ? max_bytes : 4096;
    *count = 0;
    if (realm_chance(node->realm, node->reads_fail))
        return HARK_E_IO;
    for (size_t i = (size_t)batches; i < log->batches; i++) {
        if (*count > 0 && out->size + log->at[i]->wire.size > most)
            break;
        assert_int_equal(hark_buf_append_span(out, hark_buf_span(&log->at[i]->wire), err), 0);
        ++*count;
    }
    return *count > 0 ? 0 : HARK_E_NOT_FOUND;
}

static int io_append(void *arg, const struct hark_log_ref *log, const struct hark_key *peer,
                     struct hark_buf *load, unsigned batches, uint64_t token, struct hark_err *err)
{
    struct realm_node *node = arg;
    (void)err;
    if (node->pending_count == FAKE_PENDING_MAX || realm_chance(node->realm, node->busy))
        return HARK_E_BUSY;
    if (realm_chance(node->realm, node->append_fails / 4))
        return HARK_E_IO;
    node->pending[node->pending_count++] =
        (struct realm_pending){.log = realm_log_number(node->realm, log),
                               .peer = (uint8_t)index_of(peer),
                               .load = *load,
                               .batches = batches,
                               .token = token};
    *load = hark_buf_init(load->max);
    return 0;
}

static void ask(struct realm_asked *asked, const struct hark_key *peer, struct hark_buf *body,
                uint64_t token)
{
    *asked = (struct realm_asked){.peer = (uint8_t)index_of(peer), .body = *body, .token = token};
    *body = hark_buf_init(body->max);
}

static int io_submit(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                     struct hark_buf *body, uint64_t token, struct hark_err *err)
{
    struct realm_node *node = arg;
    (void)space;
    (void)err;
    if (!node->named)
        return HARK_E_ACCEPT_NOT_HERE;
    if (node->submitted_count == FAKE_PENDING_MAX || realm_chance(node->realm, node->busy))
        return HARK_E_BUSY;
    ask(&node->submitted[node->submitted_count++], peer, body, token);
    return 0;
}

static void mark_taken(struct realm_node *node, const struct hark_accepted *item)
{
    for (size_t k = 0; k < node->outbox_count; k++) {
        if (hark_hash_equal(&node->outbox[k].id, &item->id)) {
            if (item->status != HARK_ACCEPTED_REFUSED)
                node->taken_ms[k] = node->realm->now_ms;
            return;
        }
    }
    if (!node->moves && !hark_hash_equal(&node->moving.id, &item->id))
        realm_broken(node->realm, "an answer about what was never handed in");
}

static void io_accepted(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                        const struct hark_accepted *items, size_t count, int code)
{
    struct realm_node *node = arg;
    (void)peer;
    (void)space;
    assert_int_equal(code == 0, count > 0);
    for (size_t i = 0; i < count; i++)
        mark_taken(node, &items[i]);
    /* Who refused as a whole is passed over by the core, which goes on by itself. */
    if (code == 0)
        node->again_ms = node->realm->now_ms + 5000;
}

static int io_terms(void *arg, const struct hark_hash *space, struct hark_buf *out,
                    struct hark_err *err)
{
    struct hark_submitted first = {.entry = hark_span_str("the first entry")};
    (void)arg;
    return hark_shown_encode(out, space, &first, 1, err);
}

static int io_join(void *arg, const struct hark_key *peer, const struct hark_hash *space,
                   struct hark_buf *sealed, uint64_t token, struct hark_err *err)
{
    struct realm_node *node = arg;
    (void)space;
    (void)err;
    if (node->join_count == FAKE_PENDING_MAX || realm_chance(node->realm, node->busy))
        return HARK_E_BUSY;
    ask(&node->joins[node->join_count++], peer, sealed, token);
    return 0;
}

static void io_answered(void *arg, const struct hark_key *peer, uint8_t type,
                        const struct hark_hash *space, int code, struct hark_span body)
{
    struct realm_node *node = arg;
    (void)peer;
    (void)type;
    (void)space;
    assert_int_equal(code == 0, body.size > 0);
    node->asks = false;
    node->join_ms = node->realm->now_ms + 5000;
}

static uint64_t incarnation_of(const struct hark_cursor *cursor)
{
    const char *slash = strrchr(cursor->origin, '/');
    uint64_t number = 0;
    return slash != NULL &&
                   hark_decimal_decode(&number, hark_span_str(slash + 1), UINT32_MAX, NULL) == 0
               ? number
               : 0;
}

/* A space is set aside for what is truly a later incarnation than its own, by the word
 * of who told so: not for a disk error here. */
static void check_goes_back(const struct realm_node *node, const struct hark_sync_report *said)
{
    const struct realm_log *main = &node->logs[0];
    uint32_t incarnation = 0;
    (void)realm_home_of(main, main->batches, &incarnation);
    if (main->batches > 0 && incarnation_of(&said->theirs) <= incarnation)
        realm_broken(node->realm, "a log is set aside for nothing");
}

/* What a node makes of a report: what PROTOCOL.md 7.6 says about going back and about
 * comparing before the first signature. */
static void io_synced(void *arg, const struct hark_key *key, const struct hark_sync_report *said)
{
    struct realm_node *node = arg;
    uint32_t peer = index_of(key);
    size_t log = realm_log_number(node->realm, &said->log);
    bool level = said->code == 0 && (said->equal || said->theirs.batches <= said->ours.batches);

    node->said[peer][log] = said->code;
    node->report_code = said->code;
    node->report_peer = peer;
    node->report_log = (uint32_t)log;
    node->unfit[peer][log] = node->unfit[peer][log] || said->code == HARK_E_PEER_CURSOR;
    /* All may have the space here: refused is what its peer cannot read just now. */
    if (node->caught[peer] == 0 && hark_err_exit(said->code) == 3 &&
        said->code != HARK_E_PEER_SPACE)
        node->caught[peer] = said->code;
    if (level && log == 0)
        node->to_compare &= ~(UINT32_C(1) << peer);
    if (level && log == 1 + node->index)
        node->to_compare_intake &= ~(UINT32_C(1) << peer);
    if (log != 0)
        return;
    if (node->aside && level && incarnation_of(&said->ours) >= node->told_incarnation) {
        node->aside = false;
        realm_check_anew(node);
    }
    if (node->realm->nodes[peer]->named && said->code == HARK_E_PEER_CURSOR &&
        incarnation_of(&said->theirs) > incarnation_of(&said->ours)) {
        check_goes_back(node, said);
        node->goes_back = true;
        node->told_incarnation = incarnation_of(&said->theirs);
    }
}

/* Who sent what cannot be read is not heard for a while: that names it, too. */
static void io_peer_changed(void *arg, const struct hark_key *peer, enum hark_peer_state state,
                            int code, const char *message)
{
    struct realm_node *node = arg;
    (void)message;
    if (state == HARK_PEER_REFUSED && code == HARK_E_PEER_FORM)
        node->malformed[index_of(peer)] = true;
    int *caught = &node->caught[index_of(peer)];
    if (state == HARK_PEER_REFUSED && *caught == 0 && hark_err_exit(code) == 3)
        *caught = code;
}

void realm_node_start(struct realm_node *node)
{
    struct hark_core_io io = {
        .arg = node,
        .now_ms = io_now,
        .send = io_send,
        .may_have = io_may_have,
        .cursor = io_cursor,
        .fits = io_fits,
        .load = io_load,
        .append = io_append,
        .submit = io_submit,
        .accepted = io_accepted,
        .may_join = io_may_have,
        .terms = io_terms,
        .join = io_join,
        .answered = io_answered,
        .peer_changed = io_peer_changed,
        .synced = io_synced,
    };
    assert_int_equal(hark_core_new(&node->core, realm_name(node->index), &io, NULL), 0);
    node->facing = REALM_NOBODY;
    node->asks = false;
    node->again_ms = node->join_ms = node->realm->now_ms;
    node->take_ms = realm_is_home(node) ? node->realm->now_ms : REALM_NEVER;
    node->to_compare = 0;
    for (size_t i = 0; i < node->realm->named && node->named; i++) {
        if (i != node->index && node->realm->nodes[i] != NULL && node->realm->nodes[i]->honest)
            node->to_compare |= UINT32_C(1) << i;
    }
    node->to_compare_intake = node->to_compare;
}
