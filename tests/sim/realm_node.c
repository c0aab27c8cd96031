/*
 * A realm's node: what it does with what its core brings, as node/ does it. A home
 * logs what is handed in and takes over intakes, a partner keeps an intake, a member
 * hands in until its entries are logged.
 */
#include "realm.h"

#define AGAIN_MS    30000u /* taken in, but not logged: handed in again */
#define PATIENCE_MS 20000u
#define TAKE_MS     3000u /* a home that may not sign yet, or whose disk failed, tries again */

/* ---- one node ---- */

struct realm_node *realm_node_new(struct realm *realm, uint32_t index)
{
    struct realm_node *node = calloc(1, sizeof(*node));
    assert_non_null(node);
    node->realm = realm;
    node->index = index;
    node->named = index < realm->named;
    node->honest = index != realm->liar;
    memset(node->key.bytes, (int)index + 1, HARK_KEY_SIZE);
    node->append_ms = node->judge_ms = node->tick_ms = node->take_ms = REALM_NEVER;
    node->heir = REALM_NOBODY;
    return node;
}

static void drop_asked(struct realm_asked *asked, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        hark_buf_free(&asked[i].body);
    *count = 0;
}

/* What a crash leaves: the logs, the outbox. */
void realm_node_stop(struct realm_node *node)
{
    hark_core_free(node->core);
    node->core = NULL;
    for (size_t i = 0; i < node->pending_count; i++)
        hark_buf_free(&node->pending[i].load);
    node->pending_count = 0;
    drop_asked(node->submitted, &node->submitted_count);
    drop_asked(node->joins, &node->join_count);
    for (size_t i = 0; i < node->out_count; i++)
        fake_message_free(node->out[i]);
    node->out_count = 0;
    node->append_ms = node->judge_ms = node->tick_ms = node->take_ms = REALM_NEVER;
    node->goes_back = false;
}

void realm_node_free(struct realm_node *node)
{
    realm_node_stop(node);
    free(node);
}

struct hark_log_ref realm_log_ref(const struct realm *realm, size_t number)
{
    struct hark_log_ref ref = {.space = realm->space};
    if (number > 0) {
        const char *name = realm_name(number - 1);
        memcpy(ref.node, name, strlen(name) + 1);
    }
    return ref;
}

uint8_t realm_log_number(const struct realm *realm, const struct hark_log_ref *ref)
{
    for (size_t i = 0; i < realm->logs; i++) {
        struct hark_log_ref known = realm_log_ref(realm, i);
        if (strcmp(known.node, ref->node) == 0)
            return (uint8_t)i;
    }
    realm_broken(realm, "a log that nobody has");
    return 0;
}

void realm_node_follow(struct realm_node *node)
{
    struct realm *realm = node->realm;
    struct hark_log_ref logs[REALM_LOGS_MAX];
    for (size_t i = 0; i < realm->logs; i++)
        logs[i] = realm_log_ref(realm, i);
    for (size_t i = 0; i < realm->count; i++) {
        if (realm->follows[node->index][i])
            assert_int_equal(
                hark_core_follow(node->core, &realm->nodes[i]->key, logs, realm->logs, NULL), 0);
    }
}

bool realm_is_home(const struct realm_node *node)
{
    uint32_t incarnation = 0;
    return node->logs[0].batches > 0 &&
           realm_home_of(&node->logs[0], node->logs[0].batches, &incarnation) == node->index;
}

bool realm_may_sign(const struct realm_node *node)
{
    bool compared = (realm_is_home(node) ? node->to_compare : node->to_compare_intake) == 0;
    return node->core != NULL && node->named && compared && !node->aside && !node->goes_back &&
           !node->moves && (realm_is_home(node) || !node->intake_dead);
}

/* ---- writing ---- */

void realm_node_write(struct realm_node *node, uint8_t number, struct realm_batch *batch)
{
    struct realm_log *log = &node->logs[number];
    struct hark_log_ref ref = realm_log_ref(node->realm, number);
    assert_true(log->batches < REALM_BATCHES_MAX);
    realm_batch_sign(node->realm, batch);
    log->at[log->batches++] = realm_register(node->realm, batch);
    if (node->core != NULL)
        hark_core_grown(node->core, &ref);
    if (!node->honest)
        realm_lie_write(node, number);
}

void realm_node_write_post(struct realm_node *node)
{
    struct hark_hash none = {{0}};
    if (node->outbox_count == REALM_OUTBOX_MAX ||
        !realm_is_admitted(&node->logs[0], node->logs[0].batches, (uint8_t)node->index))
        return;
    size_t k = node->outbox_count++;
    struct realm_entry *entry = &node->outbox[k];
    *entry = (struct realm_entry){.kind = REALM_POST,
                                  .author = (uint8_t)node->index,
                                  .seq = (uint32_t)k + 1,
                                  .value = node->realm->next_value++,
                                  .previous = k > 0 ? node->outbox[k - 1].id : none};
    realm_entry_make(node->realm, node->index, entry);
    node->taken_ms[k] = 0;
    node->again_ms = node->realm->now_ms;
}

/* ---- the writer's thread: what was fetched ---- */

static int take_load(struct realm_node *node, const struct realm_pending *pending)
{
    struct hark_span load = hark_buf_span(&pending->load);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < pending->batches; i++) {
        struct hark_raw_batch raw;
        struct hark_raw_entry *items = NULL;
        rc = hark_wire_batch_take(&load, &raw, &items, NULL);
        /* A disk that fails in the middle leaves what is there already. */
        if (rc == 0 && realm_chance(node->realm, node->append_fails))
            rc = HARK_E_DISK_FULL;
        if (rc == 0)
            rc = realm_take_batch(node, pending->log, &raw);
        free(items);
    }
    return rc;
}

void realm_node_append(struct realm_node *node)
{
    node->append_ms = REALM_NEVER;
    if (node->pending_count == 0)
        return;
    struct realm_pending first = node->pending[0];
    node->pending_count--;
    memmove(node->pending, node->pending + 1, node->pending_count * sizeof(first));
    size_t before = node->logs[first.log].batches;
    int rc = take_load(node, &first);
    hark_buf_free(&first.load);
    node->report_code = 0;
    hark_core_appended(node->core, first.token, rc, rc != 0 ? "it does not check out" : "");
    realm_check_named(node, first.log, first.peer, rc);
    if (node->logs[first.log].batches > before) {
        struct hark_log_ref ref = realm_log_ref(node->realm, first.log);
        hark_core_grown(node->core, &ref);
    }
    realm_node_take_over(node);
}

/* "The home must take over every loggable entry of an intake." Up to ends of its
 * batches, which is what `Taken` names. */
static void take_intake(struct realm_node *node, struct realm_batch *batch, uint32_t from)
{
    const struct realm_log *intake = &node->logs[1 + from], *main = &node->logs[0];
    for (size_t i = 0; i < intake->batches; i++) {
        const struct realm_batch *theirs = intake->at[i];
        uint64_t end = theirs->first + theirs->count;
        if (end <= batch->taken[from].size)
            continue;
        if (batch->count + theirs->count > REALM_BATCH_MAX)
            return;
        for (size_t k = 0; k < theirs->count; k++) {
            struct realm_entry *next = &batch->entries[batch->count];
            if (realm_may_log(main, main, main->batches, &theirs->entries[k], batch->entries,
                              (size_t)batch->count) != 0)
                continue; /* passed over */
            *next = theirs->entries[k];
            next->intake = from;
            batch->count++;
        }
        batch->taken[from].size = end;
        batch->taken[from].root = theirs->root;
    }
}

void realm_node_take_over(struct realm_node *node)
{
    const struct realm_log *main = &node->logs[0];
    struct realm_batch batch;
    bool advances = false;
    node->take_ms = REALM_NEVER;
    if (node->core != NULL && realm_is_home(node) && !realm_may_sign(node))
        node->take_ms = node->realm->now_ms + TAKE_MS;
    if (!realm_is_home(node) || !realm_may_sign(node) || main->batches + 20 > REALM_BATCHES_MAX ||
        ((node->lies & REALM_WITHHOLD) != 0 && realm_chance(node->realm, 700)))
        return;
    realm_batch_next(node->realm, &batch, 0, main, node->index);
    for (uint32_t i = 0; i < node->realm->named; i++) {
        uint64_t before = batch.taken[i].size;
        take_intake(node, &batch, i);
        advances = advances || batch.taken[i].size > before;
    }
    if (advances && !realm_chance(node->realm, node->append_fails)) {
        realm_node_write(node, 0, &batch);
        return;
    }
    realm_batch_free(&batch);
    if (advances)
        node->take_ms = node->realm->now_ms + TAKE_MS;
}

/* ---- the writer's thread: what was handed in ---- */

struct judging {
    struct realm_node *node;
    struct realm_batch batch;
    size_t count;
    struct hark_accepted items[REALM_ITEMS_MAX];
    bool in_batch[REALM_ITEMS_MAX];
    int code; /* of all of it */
};

static void judge_one(struct judging *j, size_t i, struct hark_span object)
{
    struct realm_node *node = j->node;
    const struct realm_log *main = &node->logs[0], *log = &node->logs[j->batch.log];
    struct hark_accepted *item = &j->items[i];
    struct realm_entry entry;
    int rc = realm_entry_read(node->realm, &entry, object);
    memset(item, 0, sizeof(*item));
    item->accepted_ms = 1;
    item->status = HARK_ACCEPTED_LOGGED;
    if (rc == 0 && entry.kind == REALM_HOME) {
        j->code = realm_become_home(node, &entry);
        item->position = entry.size;
        return;
    }
    if (rc == 0 && realm_log_has(main, main->batches, &entry.id, &item->position))
        return;
    item->status = log == main ? HARK_ACCEPTED_LOGGED : HARK_ACCEPTED_INTAKE;
    if (rc == 0 && realm_log_has(log, log->batches, &entry.id, &item->position))
        return;
    if (rc == 0 && (j->batch.count == REALM_BATCH_MAX || log->batches + 40 > REALM_BATCHES_MAX))
        rc = HARK_E_LIMIT;
    if (rc == 0)
        rc = realm_may_log(log, main, main->batches, &entry, j->batch.entries,
                           (size_t)j->batch.count);
    if (rc == 0) {
        item->position = j->batch.first + j->batch.count;
        j->batch.entries[j->batch.count++] = entry;
    } else {
        *item = (struct hark_accepted){.status = HARK_ACCEPTED_REFUSED, .code = rc};
    }
}

static void judge_submitted(struct realm_node *node, const struct realm_asked *asked)
{
    struct judging *j = calloc(1, sizeof(*j));
    struct hark_submitted *entries = NULL;
    struct hark_hash space;
    assert_non_null(j);
    j->node = node;
    assert_int_equal(
        hark_submit_decode(&space, &entries, &j->count, hark_buf_span(&asked->body), NULL), 0);
    assert_true(j->count <= REALM_ITEMS_MAX);
    uint8_t number = realm_is_home(node) ? 0 : (uint8_t)(1 + node->index);
    realm_batch_next(node->realm, &j->batch, number, &node->logs[number], node->index);
    j->batch.main_size = number > 0 ? realm_log_size(&node->logs[0]) : 0;
    if (number > 0)
        j->batch.main_root = realm_log_root(&node->logs[0]);
    j->code = !realm_may_sign(node) || node->logs[0].batches == 0 ? HARK_E_BUSY : 0;
    if (node->intake_dead && number > 0)
        j->code = HARK_E_ACCEPT_NOT_HERE;
    for (size_t i = 0; j->code == 0 && i < j->count; i++)
        judge_one(j, i, entries[i].entry);
    if (j->code == 0 && realm_chance(node->realm, node->append_fails))
        j->code = HARK_E_DISK_FULL;
    if (j->code == 0 && j->batch.count > 0 &&
        !((node->lies & REALM_SWALLOW) != 0 && realm_chance(node->realm, 300)))
        realm_node_write(node, number, &j->batch);
    else
        realm_batch_free(&j->batch);
    hark_core_accepted(node->core, asked->token, j->items, j->code == 0 ? j->count : 0, j->code);
    free(entries);
    free(j);
}

/* Whoever asks, any number of times, is admitted once. */
static void judge_join(struct realm_node *node, const struct realm_asked *asked)
{
    const struct realm_log *main = &node->logs[0];
    struct hark_joined joined = {.status = HARK_JOINED_ADMITTED};
    struct realm_batch batch;
    uint8_t who = asked->body.data[0];
    if (!realm_is_home(node) || !realm_may_sign(node) || node->realm->steward_at != node->index ||
        main->batches + 40 > REALM_BATCHES_MAX) {
        joined.status = HARK_JOINED_WAITING;
    } else if (!realm_is_admitted(main, main->batches, who)) {
        realm_batch_next(node->realm, &batch, 0, main, node->index);
        struct realm_entry *entry = &batch.entries[0];
        entry->kind = REALM_ADMIT;
        entry->author = REALM_STEWARD;
        entry->value = who;
        entry->seq = realm_feed(main, main->batches, REALM_STEWARD, &entry->previous) + 1;
        realm_entry_make(node->realm, node->index, entry);
        batch.count = 1;
        realm_node_write(node, 0, &batch);
    }
    hark_core_joined(node->core, asked->token, &joined);
}

static struct realm_asked first_of(struct realm_asked *asked, size_t *count)
{
    struct realm_asked first = asked[0];
    --*count;
    memmove(asked, asked + 1, *count * sizeof(first));
    return first;
}

void realm_node_judge(struct realm_node *node)
{
    node->judge_ms = REALM_NEVER;
    if (node->submitted_count > 0) {
        struct realm_asked first = first_of(node->submitted, &node->submitted_count);
        judge_submitted(node, &first);
        hark_buf_free(&first.body);
    }
    if (node->join_count > 0) {
        struct realm_asked first = first_of(node->joins, &node->join_count);
        judge_join(node, &first);
        hark_buf_free(&first.body);
    }
    realm_node_take_over(node);
}

/* ---- what it tends by itself ---- */

/* All that is not logged is handed in as soon as any of it is due: a feed is only
 * taken in order. */
static void hand_in(struct realm_node *node)
{
    const struct realm_log *main = &node->logs[0];
    uint32_t incarnation = 0, home = realm_home_of(main, main->batches, &incarnation);
    struct hark_submitted entries[REALM_ITEMS_MAX];
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint64_t position = 0, now = node->realm->now_ms;
    size_t count = 0;
    bool due = false, again = false;
    memset(entries, 0, sizeof(entries));
    for (size_t k = 0; k < node->outbox_count; k++) {
        if (realm_log_has(main, main->batches, &node->outbox[k].id, &position))
            continue;
        again = again || (node->taken_ms[k] != 0 && now - node->taken_ms[k] >= AGAIN_MS);
        due = due || again || node->taken_ms[k] == 0;
        entries[count++].entry = hark_span(node->outbox[k].object, REALM_OBJECT_SIZE);
    }
    /* "handed in to another node, too" (9.5): who took it may have lied. */
    if (again)
        home = (uint32_t)(node->tries++ % node->realm->named);
    if (node->moves) {
        home = node->heir;
        due = true;
        entries[count++].entry = hark_span(node->moving.object, REALM_OBJECT_SIZE);
    }
    node->again_ms = count > 0 ? now + 5000 : REALM_NEVER;
    if (due)
        assert_int_equal(hark_submit_encode(&body, &node->realm->space, entries, count, NULL), 0);
    assert_int_equal(hark_core_submit(node->core, &node->realm->space, hark_buf_span(&body),
                                      &node->realm->nodes[home]->key, NULL),
                     0);
    hark_buf_free(&body);
}

static void ask_to_join(struct realm_node *node)
{
    const struct realm_log *main = &node->logs[0];
    uint32_t incarnation = 0, home = realm_home_of(main, main->batches, &incarnation);
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint8_t sealed = (uint8_t)node->index;
    node->join_ms = REALM_NEVER;
    if (home == node->index || realm_is_admitted(main, main->batches, sealed)) {
        node->join_ms = node->realm->now_ms + 10000; /* a home that moves back may forget */
        return;
    }
    assert_int_equal(hark_join_encode(&body, &node->realm->space, hark_span(&sealed, 1), NULL), 0);
    assert_int_equal(hark_core_request(node->core, &node->realm->nodes[home]->key,
                                       HARK_MESSAGE_JOIN, hark_buf_span(&body), PATIENCE_MS, NULL),
                     0);
    node->asks = true;
    hark_buf_free(&body);
}

/* PROTOCOL.md 7.6, rewinding: all of the space is set aside and comes anew. */
static void go_back(struct realm_node *node)
{
    node->goes_back = false;
    node->aside = true;
    node->realm->rewound = true;
    node->intake_dead =
        node->intake_dead || (node->named && node->logs[1 + node->index].batches > 0);
    memset(node->logs, 0, sizeof(node->logs));
    node->moves = false;
    node->to_compare = node->to_compare_intake = 0;
    node->again_ms = node->join_ms = node->realm->now_ms; /* what was logged may not be */
    realm_check_anew(node);
    hark_core_ask_now(node->core);
}

void realm_node_tend(struct realm_node *node)
{
    if (node->core == NULL)
        return;
    if (node->goes_back)
        go_back(node);
    if (node->moves && !realm_is_home(node))
        node->moves = false;
    if (!node->named && !node->asks && node->join_ms <= node->realm->now_ms)
        ask_to_join(node);
    if (node->again_ms <= node->realm->now_ms)
        hand_in(node);
    if (node->take_ms <= node->realm->now_ms)
        realm_node_take_over(node);
}

uint64_t realm_node_tend_due(const struct realm_node *node)
{
    uint64_t due = node->again_ms < node->take_ms ? node->again_ms : node->take_ms;
    if (node->core == NULL)
        return REALM_NEVER;
    if (!node->named && !node->asks && node->join_ms < due)
        due = node->join_ms;
    return node->goes_back ? 0 : due;
}
