/*
 * The liar. It runs the same core as all and lies around it: what it sends is changed
 * on the way out, what it signs in its own name breaks rules or is signed twice.
 */
#include "realm.h"

#define BATCHES_MOST 64u

static uint8_t type_of(const struct fake_message *message)
{
    return message->frames[0].size == HARK_HEADER_SIZE ? message->frames[0].data[5] : 0;
}

/* ---- of how far it has come ---- */

static void lie_tell(struct realm_node *node, struct fake_message *message)
{
    struct realm *realm = node->realm;
    struct hark_told *told = NULL;
    size_t count = 0;
    struct hark_log_ref log;
    bool promise = (node->lies & REALM_PROMISE) != 0 && realm_chance(realm, 500);
    assert_int_equal(hark_tell_decode(&told, &count, hark_buf_span(&message->frames[1]), NULL), 0);
    for (size_t i = 0; i < count; i++) {
        struct hark_cursor *cursor = &told[i].cursor;
        if (told[i].status == HARK_TELL_REFUSED || cursor->batches == 0)
            continue;
        hark_cursor_log(cursor, &log);
        if (promise) {
            cursor->batches += 1 + realm_below(realm, 3);
            cursor->size += realm_below(realm, 5);
            cursor->root.bytes[realm_below(realm, HARK_HASH_SIZE)] ^= 1;
            told[i].status = HARK_TELL_MORE;
        } else {
            hark_cursor_empty(cursor, &log);
            told[i].status = HARK_TELL_BEHIND;
        }
    }
    hark_buf_clear(&message->frames[1]);
    assert_int_equal(hark_tell_encode(&message->frames[1], told, count, NULL), 0);
    free(told);
}

/* No question has this answer: it ends the connection's business. One kind a realm, so
 * that one that is believed is not hidden by another that is not. */
static void impossible_tell(struct realm_node *node, struct fake_message *message)
{
    struct hark_told *told = NULL;
    size_t count = 0;
    assert_int_equal(hark_tell_decode(&told, &count, hark_buf_span(&message->frames[1]), NULL), 0);
    for (size_t i = 0; i < count; i++) {
        if (told[i].status != HARK_TELL_SAME || told[i].cursor.batches == 0)
            continue;
        if (node->realm->seed % 3 == 0)
            told[i].status = HARK_TELL_MORE;
        else
            told[i].cursor.root.bytes[7] ^= 1;
        message->impossible = true;
    }
    hark_buf_clear(&message->frames[1]);
    assert_int_equal(hark_tell_encode(&message->frames[1], told, count, NULL), 0);
    free(told);
}

/* From a point that is nobody's; or an answer from another point than was asked. */
static void other_cursor(struct fake_message *message, bool fetch)
{
    struct hark_buf *body = &message->frames[1];
    struct hark_batches head;
    struct hark_fetch asked;
    struct hark_cursor *cursor = fetch ? &asked.cursor : &head.cursor;
    assert_int_equal(fetch ? hark_fetch_decode(&asked, hark_buf_span(body), NULL)
                           : hark_batches_decode(&head, hark_buf_span(body), NULL),
                     0);
    if (cursor->batches == 0)
        return;
    cursor->root.bytes[7] ^= 1;
    hark_buf_clear(body);
    assert_int_equal(
        fetch ? hark_fetch_encode(body, &asked, NULL) : hark_batches_encode(body, &head, NULL), 0);
    message->impossible = !fetch;
}

static bool lie_impossibly(struct realm_node *node, struct fake_message *message, uint8_t type)
{
    bool tells = node->realm->seed % 3 != 2;
    if (type == HARK_MESSAGE_TELL && tells)
        impossible_tell(node, message);
    else if (type == HARK_MESSAGE_FETCH || (type == HARK_MESSAGE_BATCHES && !tells))
        other_cursor(message, type == HARK_MESSAGE_FETCH);
    else
        return false;
    node->realm->lies_told++;
    return true;
}

/* ---- of what it hands out ---- */

struct loaded {
    struct hark_batches head;
    struct hark_buf plain;
    size_t count;
    struct hark_raw_batch raws[BATCHES_MOST];
    struct hark_raw_entry *items[BATCHES_MOST];
};

static bool unload(struct loaded *l, const struct fake_message *message)
{
    memset(l, 0, sizeof(*l));
    l->plain = hark_buf_init(HARK_UNPACKED_MAX);
    assert_int_equal(hark_batches_decode(&l->head, hark_buf_span(&message->frames[1]), NULL), 0);
    assert_int_equal(
        hark_batches_unpack(&l->plain, &l->head, hark_buf_span(&message->frames[2]), NULL), 0);
    struct hark_span in = hark_buf_span(&l->plain);
    if (l->head.count > BATCHES_MOST)
        return false;
    for (; l->count < l->head.count; l->count++)
        assert_int_equal(hark_wire_batch_take(&in, &l->raws[l->count], &l->items[l->count], NULL),
                         0);
    return true;
}

static void load_again(struct loaded *l, struct fake_message *message)
{
    struct hark_buf plain = hark_buf_init(HARK_UNPACKED_MAX);
    for (size_t i = 0; i < l->count; i++)
        assert_int_equal(hark_wire_batch_encode(&plain, &l->raws[i], NULL), 0);
    l->head.count = (uint16_t)l->count;
    l->head.size = (uint32_t)plain.size;
    hark_buf_clear(&message->frames[1]);
    hark_buf_clear(&message->frames[2]);
    assert_int_equal(hark_batches_encode(&message->frames[1], &l->head, NULL), 0);
    assert_int_equal(hark_batches_pack(&message->frames[2], hark_buf_span(&plain), NULL), 0);
    hark_buf_free(&plain);
}

/* A byte of a commit or of an entry, which others signed. */
static void invent(struct realm *realm, struct loaded *l)
{
    size_t i = (size_t)realm_below(realm, l->count);
    struct hark_span what = l->raws[i].commit;
    if (l->raws[i].count > 0 && realm_chance(realm, 500))
        what = l->raws[i].items[realm_below(realm, l->raws[i].count)].object;
    /* It lies in l->plain, which is ours. */
    l->plain.data[(size_t)(what.data - l->plain.data) + realm_below(realm, what.size)] ^= 4;
}

static bool reorder(struct realm *realm, struct loaded *l)
{
    size_t i = (size_t)realm_below(realm, l->count);
    if (l->count > 1 && realm_chance(realm, 700)) {
        struct hark_raw_batch raw = l->raws[0];
        size_t other = 1 + (size_t)realm_below(realm, l->count - 1);
        struct hark_raw_entry *items = l->items[0];
        l->raws[0] = l->raws[other];
        l->items[0] = l->items[other];
        l->raws[other] = raw;
        l->items[other] = items;
        if (realm_chance(realm, 300)) {
            free(l->items[--l->count]);
        }
        return true;
    }
    if (l->raws[i].count < 2)
        return false;
    struct hark_raw_entry item = l->items[i][0];
    l->items[i][0] = l->items[i][l->raws[i].count - 1];
    l->items[i][l->raws[i].count - 1] = item;
    return true;
}

static void lie_batches(struct realm_node *node, struct fake_message *message)
{
    struct realm *realm = node->realm;
    struct loaded *l = malloc(sizeof(*l));
    bool done = false;
    assert_non_null(l);
    if (unload(l, message)) {
        if ((node->lies & REALM_REORDER) != 0 && realm_chance(realm, 500))
            done = reorder(realm, l);
        else if ((node->lies & REALM_INVENT) != 0) {
            invent(realm, l);
            done = true;
        }
        if (done)
            load_again(l, message);
    }
    realm->lies_told += done;
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    hark_buf_free(&l->plain);
    free(l);
}

bool realm_lie_out(struct realm_node *node, struct fake_message *message)
{
    struct realm *realm = node->realm;
    uint8_t type = type_of(message);
    /* A home that never stops is one that nobody hears the truth from. */
    if (realm->quiet || (realm->healed && node->index == 0) || !realm_chance(realm, 400))
        return true;
    if ((node->lies & REALM_IMPOSSIBLE) != 0 && realm_chance(realm, 800) &&
        lie_impossibly(node, message, type))
        return true;
    if (type == HARK_MESSAGE_STILL && (node->lies & REALM_WITHHOLD) != 0) {
        message->frames[1].data[0] = 1; /* nothing is new */
    } else if (type == HARK_MESSAGE_TELL && (node->lies & (REALM_PROMISE | REALM_WITHHOLD)) != 0) {
        lie_tell(node, message);
        realm->lies_told++;
    } else if (type == HARK_MESSAGE_BATCHES && (node->lies & (REALM_INVENT | REALM_REORDER)) != 0) {
        lie_batches(node, message);
    } else if ((type == HARK_MESSAGE_NEWS || type == HARK_MESSAGE_BATCHES) &&
               (node->lies & REALM_WITHHOLD) != 0) {
        realm->lies_told++;
        return false;
    }
    return true;
}

/* ---- of its own log ---- */

static void own_post(struct realm_node *node, const struct realm_log *log, struct realm_entry *out)
{
    const struct realm_log *main = &node->logs[0];
    struct hark_hash last = {{0}}, other = {{0}};
    const struct realm_log *known = log == main || node->alt_log == 0 ? log : main;
    uint32_t seq = realm_feed(known, known->batches, (uint8_t)node->index, &last);
    uint32_t more = realm_feed(log, log->batches, (uint8_t)node->index, &other);
    *out = (struct realm_entry){.kind = REALM_POST,
                                .author = (uint8_t)node->index,
                                .seq = (more > seq ? more : seq) + 1,
                                .value = node->realm->next_value++,
                                .previous = more > seq ? other : last};
    realm_entry_make(node->realm, node->index, out);
}

/* Breaks one rule. */
static void spoil(struct realm *realm, struct realm_batch *batch, const struct realm_log *log)
{
    const struct realm_batch *last = log->at[log->batches - 1];
    batch->bad = true;
    switch (realm_below(realm, 7)) {
    case 0:
        batch->time_ms = last->time_ms - 1;
        break;
    case 1:
        batch->time_ms = realm->now_ms + 10 * HARK_AHEAD_MAX_MS;
        break;
    case 2:
        batch->root.bytes[0] ^= 1;
        break;
    case 3:
        batch->first++;
        break;
    case 4:
        batch->previous.bytes[5] ^= 1;
        break;
    case 5:
        batch->entries[0].object[REALM_OBJECT_SIZE - 1] ^= 1; /* not its author's */
        batch->entries[0].id = hark_sha256(hark_span(batch->entries[0].object, REALM_OBJECT_SIZE));
        break;
    default: /* twice */
        batch->entries[1] = batch->entries[0];
        batch->count = 2;
        break;
    }
}

static void write_other(struct realm_node *node, bool bad)
{
    struct realm *realm = node->realm;
    struct realm_batch batch;
    if (node->alt.batches + 2 > REALM_BATCHES_MAX)
        return;
    realm_batch_next(realm, &batch, node->alt_log, &node->alt, node->index);
    if (node->alt_log > 0) {
        batch.main_size = realm_log_size(&node->logs[0]);
        batch.main_root = realm_log_root(&node->logs[0]);
    }
    own_post(node, &node->alt, &batch.entries[0]);
    batch.count = 1;
    if (bad)
        spoil(realm, &batch, &node->alt);
    realm_batch_sign(realm, &batch);
    node->alt.at[node->alt.batches++] = realm_register(realm, &batch);
    realm->second_history = realm->second_history || !bad;
    realm->lies_told++;
}

void realm_lie_write(struct realm_node *node, uint8_t number)
{
    struct realm *realm = node->realm;
    const struct realm_log *log = &node->logs[number];
    bool two = (node->lies & (REALM_TWO_FACES | REALM_BACK)) != 0;
    bool bad = (node->lies & REALM_BAD_BATCH) != 0;
    if (realm->healed || log->batches < 4 || !(two || bad) || !realm_chance(realm, 300))
        return;
    if (!node->forked) {
        size_t back = (node->lies & REALM_BACK) != 0 ? realm_below(realm, 3) : 1;
        node->alt = *log;
        node->alt.batches -= two ? back : 0;
        node->alt_log = number;
        node->forked = true;
        node->victims = (uint32_t)(1 + realm_below(realm, (UINT64_C(1) << realm->count) - 1));
    }
    /* After a batch that breaks a rule nothing more is believed there. */
    if (node->alt_log == number && !node->alt.at[node->alt.batches - 1]->bad)
        write_other(node, bad && (!two || realm_chance(realm, 300)));
}
