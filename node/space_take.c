/*
 * Taking over batches: a partner's from the network, one's own from git after a
 * crash or for a new index. Everything is checked before anything is stored.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/space_internal.h"

/* --- which origin and key a batch must have -------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static int expect_first(struct hark_state *state, const struct space_item *first,
                        struct hark_log_head *head, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(state);
    json_t *json = NULL;
    const json_t *home;
    int number, rc;

    if (first == NULL || strcmp(first->entry.kind, "space") != 0)
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "a log begins with its space's first entry");
    if (!hark_hash_equal(&first->entry.id, hark_state_space(state)))
        return hark_err_set(err, HARK_E_ENTRY_SPACE, "this is the first entry of another space");
    number = hark_kinds_find(kinds, "space");
    if (number < 0)
        return hark_err_set(err, HARK_E_INTERNAL, "the kind space is not built in");
    rc = hark_payload_check(hark_kinds_get(kinds, (size_t)number), first->payload, &json, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "the space's first entry");
    home = json_object_get(json, "home");
    hark_origin(head->origin, text_of(home, "name"), hark_state_space(state), 1);
    rc = hark_key_from_hex(&head->log_key, hark_span_str(text_of(home, "log")), err);
    json_decref(json);
    return rc;
}

int hark_space_node_called(struct hark_state *state, const char *name,
                           struct hark_node_object *node, bool *found, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(state, counts, err);

    *found = false;
    for (uint64_t i = 0; rc == 0 && !*found && i < counts[HARK_SECTION_NODE]; i++) {
        rc = hark_state_node(state, (uint32_t)i, node, err);
        *found = rc == 0 && strcmp(node->name, name) == 0;
    }
    return rc;
}

/* A batch that begins with a `home` entry is the new home's. */
static int expect_moved(struct hark_state *state, const struct space_item *first,
                        struct hark_log_head *head, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(state);
    int number = hark_kinds_find(kinds, "home");
    struct hark_node_object node;
    json_t *json = NULL;
    int rc;

    if (number < 0)
        return hark_err_set(err, HARK_E_INTERNAL, "the kind home is not built in");
    rc = hark_payload_check(hark_kinds_get(kinds, (size_t)number), first->payload, &json, err);
    if (rc < 0)
        return rc;
    rc = hark_state_node_called(state, text_of(json, "node"), &node, err);
    if (rc == 0) {
        hark_origin(head->origin, node.name, hark_state_space(state),
                    (uint64_t)json_integer_value(json_object_get(json, "incarnation")));
        head->log_key = node.keys.log;
    }
    json_decref(json);
    if (rc == HARK_E_NOT_FOUND)
        rc = hark_err_set(err, HARK_E_BATCH_ORIGIN, "the new home is not a named node");
    return rc;
}

int hark_space_expect(struct hark_state *state, const struct space_item *first,
                      struct hark_log_head *head, struct hark_err *err)
{
    const struct hark_space_object *object = hark_state_space_object(state);
    struct hark_node_object node;
    int rc;

    if (hark_state_size(state) == 0)
        return expect_first(state, first, head, err);
    rc = hark_state_node(state, object->home, &node, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "the home node");
    hark_origin(head->origin, node.name, hark_state_space(state), object->incarnation);
    head->log_key = node.keys.log;
    return 0;
}

/* --- checking -------------------------------------------------------------- */

static void prepare_nth(void *arg, size_t i)
{
    struct space_item *items = arg;

    hark_space_item_prepare(&items[i], false);
}

void hark_space_fill_items(const struct hark_raw_batch *raw, struct space_item *items)
{
    for (size_t i = 0; i < raw->count; i++) {
        items[i].object = raw->items[i].object;
        items[i].payload_state = raw->items[i].payload_state;
        items[i].payload =
            raw->items[i].payload_state == 1 ? raw->items[i].payload : (struct hark_span){0};
    }
}

void hark_space_prepare_all(struct hark_pool *pool, const struct hark_raw_batch *raw,
                            struct space_item *items)
{
    hark_space_fill_items(raw, items);
    hark_pool_run(pool, raw->count, prepare_nth, items);
}

/* The entries by themselves: B14 comes last in its table. */
int hark_space_check_prepared(const struct space_item *items, size_t count, uint64_t first_position,
                              struct hark_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].code == 0)
            continue;
        if (err != NULL)
            *err = items[i].err;
        return hark_err_wrap(err, items[i].code, "position %" PRIu64, first_position + i);
    }
    return 0;
}

/* B6 and B8: what the SHA-1 names point to is what came. */
int hark_space_check_git_ids(const struct hark_raw_batch *raw, const struct space_item *items,
                             const struct hark_git_id *tree, const struct hark_git_id *entry_ids,
                             struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(4096);
    struct hark_git_id id;
    int rc = hark_git_batch_tree(&bytes, &id, raw->checkpoint, raw->entries, err);

    hark_buf_free(&bytes);
    if (rc < 0)
        return rc;
    if (!hark_git_id_equal(&id, tree))
        return hark_err_set(err, HARK_E_BATCH_TREE, "the batch's tree is not of its two files");
    for (size_t i = 0; i < raw->count; i++) {
        if (!hark_git_id_equal(&items[i].git_id, &entry_ids[i]))
            return hark_err_set(err, HARK_E_BATCH_PARENTS,
                                "parent %zu is not the entry at its place", i);
    }
    return 0;
}

/* The `home` entry with which a new home's first batch begins; only `recover`
 * entries may stand before it (PROTOCOL.md 7.6). NULL: there is none. */
static const struct space_item *beginning_home(const struct space_item *items, size_t count)
{
    for (size_t i = 0; i < count && items[i].code == 0; i++) {
        if (strcmp(items[i].entry.kind, "home") == 0)
            return &items[i];
        if (strcmp(items[i].entry.kind, "recover") != 0)
            return NULL;
    }
    return NULL;
}

/* A batch that begins with a `home` entry and does not bear the origin in force
 * must be the new home's. */
static int expect_batch(struct hark_state *state, const struct space_item *items, size_t count,
                        struct hark_span commit, struct hark_log_head *head, struct hark_err *err)
{
    const struct space_item *home = beginning_home(items, count);
    struct hark_batch *batch;
    bool same;
    int rc =
        hark_space_expect(state, count > 0 && items[0].code == 0 ? &items[0] : NULL, head, err);

    if (rc < 0 || home == NULL)
        return rc;
    batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_batch_parse(batch, NULL, NULL, commit, NULL, err);
    same = rc == 0 && strcmp(batch->origin, head->origin) == 0;
    free(batch);
    return rc < 0 || same ? rc : expect_moved(state, home, head, err);
}

/* After a batch the origin in force is the one that it bears: a new home begins
 * with a batch of its own, and an entry that makes one stands nowhere else. */
static int check_origin(struct hark_state *state, const struct hark_log_head *bears,
                        struct hark_err *err)
{
    struct hark_log_head in_force = {0};
    int rc = hark_space_expect(state, NULL, &in_force, err);

    if (rc == 0 && strcmp(in_force.origin, bears->origin) != 0)
        rc = hark_err_set(err, HARK_E_BATCH_ORIGIN, "the batch bears %s, and %s is in force",
                          bears->origin, in_force.origin);
    return rc;
}

static int apply_all(struct hark_state *state, struct space_item *items,
                     const struct hark_line *lines, size_t count, struct hark_err *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc;

        items[i].arrival.arrival_ms = lines[i].arrival_ms;
        items[i].arrival.accepted_ms = lines[i].accepted_ms;
        items[i].arrival.git_id = items[i].git_id;
        rc = hark_space_item_apply(state, &items[i], err);
        if (rc < 0)
            return hark_err_wrap(err, rc, "position %llu", (unsigned long long)lines[i].position);
    }
    return 0;
}

int hark_space_judge_batch(struct hark_state *state, const struct hark_store *store,
                           const struct hark_log_head *head, const struct hark_raw_batch *raw,
                           uint64_t now_ms, struct space_item *items, struct hark_log_head *next,
                           struct hark_batch *batch, struct hark_line **lines, struct hark_err *err)
{
    struct hark_log_head expected = *head;
    struct hark_git_id *entry_ids = NULL;
    struct hark_git_id tree;
    int rc;

    *lines = NULL;
    if (raw->count > 0 && items[0].code != 0 && hark_state_size(state) == 0)
        return hark_space_check_prepared(items, 1, 0, err); /* it alone says whose log this is */
    rc = expect_batch(state, items, raw->count, raw->commit, &expected, err);
    if (rc == 0)
        rc = hark_batch_check(next, batch, lines, &tree, &entry_ids, &expected, raw, now_ms, err);
    if (rc == 0)
        rc = hark_space_check_git_ids(raw, items, &tree, entry_ids, err);
    if (rc == 0)
        rc = hark_space_apply_taken(state, store, head, batch, err);
    if (rc == 0)
        rc = hark_space_check_prepared(items, raw->count, hark_state_size(state), err);
    if (rc == 0)
        next->batch_id = hark_git_hash(HARK_GIT_COMMIT, raw->commit);
    if (rc == 0)
        rc = apply_all(state, items, *lines, raw->count, err);
    if (rc == 0)
        rc = check_origin(state, next, err);
    if (rc == 0)
        rc = hark_space_note_delay(state, store, items, raw->count, err);
    free(entry_ids);
    if (rc < 0) {
        free(*lines);
        *lines = NULL;
    }
    return rc;
}

int hark_space_check_batch(struct hark_state *state, const struct hark_store *store,
                           struct hark_pool *pool, const struct hark_log_head *head,
                           const struct hark_raw_batch *raw, uint64_t now_ms,
                           struct space_item *items, struct hark_log_head *next,
                           struct hark_batch *batch, struct hark_line **lines, struct hark_err *err)
{
    hark_space_prepare_all(pool, raw, items);
    return hark_space_judge_batch(state, store, head, raw, now_ms, items, next, batch, lines, err);
}

/* --- adopting -------------------------------------------------------------- */

static int adopt_index(struct hark_space *space, const struct space_item *items,
                       const struct hark_line *lines, const struct hark_batch *batch,
                       const struct hark_log_head *next, struct hark_err *err)
{
    struct hark_index_batch row = {.first = batch->first,
                                   .count = batch->count,
                                   .git_id = next->batch_id,
                                   .hash = next->batch,
                                   .time_ms = batch->time_ms};
    int rc = 0;

    for (size_t i = 0; i < batch->count && rc == 0; i++)
        rc = hark_space_item_index(space, &items[i], &lines[i], &next->batch_id, err);
    if (rc == 0)
        rc = hark_index_add_batch(space->index, &row, err);
    return rc;
}

/* For what is tried again, and reported already. */
static void ignore(int rc)
{
    (void)rc;
}

void hark_space_undo(struct hark_space *space)
{
    hark_index_rollback(space->index);
    if (hark_state_reload(space->state, NULL) < 0)
        space->damaged = true;
}

/* Checks and indexes, in a transaction. items: prepared. */
static int judge_and_index(struct hark_space *space, const struct hark_raw_batch *raw,
                           struct space_item *items, uint64_t now_ms, struct hark_log_head *next,
                           struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_line *lines = NULL;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_space_judge_batch(space->state, &space->store, &space->head, raw, now_ms, items, next,
                                batch, &lines, err);
    if (rc == 0)
        rc = hark_space_check_taken(space, batch, err);
    if (rc == 0)
        rc = adopt_index(space, items, lines, batch, next, err);
    free(lines);
    free(batch);
    return rc;
}

/* Where a transaction began, in what no transaction rolls back. */
struct mark {
    struct hark_log_head head;
    uint64_t batches;
};

static int begin_adopting(struct hark_space *space, struct mark *mark, struct hark_err *err)
{
    space->flight_stale = true;
    *mark = (struct mark){.head = space->head, .batches = space->batches};
    return hark_index_begin(space->index, err);
}

static void undo_adopting(struct hark_space *space, const struct mark *mark)
{
    space->head = mark->head;
    space->batches = mark->batches;
    hark_space_undo(space);
}

static int end_adopting(struct hark_space *space, const struct mark *mark, struct hark_err *err)
{
    int rc = hark_index_commit(space->index, err);

    if (rc < 0) {
        space->damaged = true;
        undo_adopting(space, mark);
    }
    return rc;
}

/* Within a transaction. */
static int adopt(struct hark_space *space, const struct space_ahead *ahead, uint64_t now_ms,
                 struct hark_err *err)
{
    struct hark_log_head next;
    struct hark_git_id id;
    int rc = judge_and_index(space, ahead->raw, ahead->items, now_ms, &next, err);

    if (rc == HARK_E_ENTRY_TWIN)
        hark_convict_suspect_batch(space, ahead->items, ahead->raw->count);
    if (rc < 0)
        return rc;
    if (ahead->packed.entries != NULL)
        rc = hark_repo_store_packed(space->repo, "main", ahead->raw, &ahead->packed,
                                    space->head.has_batch ? &space->head.batch_id : NULL, &id, err);
    if (rc < 0) {
        hark_space_store_failed(space);
        return rc;
    }
    space->head = next;
    space->batches++;
    return 0;
}

static int adopt_alone(struct hark_space *space, const struct hark_raw_batch *raw, uint64_t now_ms,
                       struct hark_err *err)
{
    struct space_ahead ahead = {.raw = NULL};
    struct mark mark;
    int rc = hark_space_ahead_start(space, raw, true, &ahead, err);

    if (rc == 0) {
        hark_space_ahead_finish(&ahead);
        rc = begin_adopting(space, &mark, err);
    }
    if (rc == 0) {
        rc = adopt(space, &ahead, now_ms, err);
        if (rc < 0)
            undo_adopting(space, &mark);
        else
            rc = end_adopting(space, &mark, err);
    }
    hark_space_ahead_end(&ahead);
    return rc;
}

/* A batch of the main log that comes without payloads which intakes here have. */
static int take_filled(struct hark_space *space, const struct hark_raw_batch *raw, uint64_t now_ms,
                       struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_ENTRIES_MAX * (size_t)HARK_PAYLOAD_MAX);
    struct hark_raw_batch filled = *raw;
    struct hark_raw_entry *items;
    int rc;

    if (raw->count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_BATCH_FORM, "a batch of %zu entries", raw->count);
    items = calloc(raw->count + 1, sizeof(*items));
    if (items == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    if (raw->count > 0)
        memcpy(items, raw->items, raw->count * sizeof(*items));
    filled.items = items;
    rc = hark_space_fill_payloads(space, raw, items, &bytes, err);
    if (rc == 0)
        rc = adopt_alone(space, &filled, now_ms, err);
    hark_buf_free(&bytes);
    free(items);
    return rc;
}

int hark_space_take(struct hark_space *space, const char *node, const struct hark_raw_batch *raw,
                    uint64_t now_ms, struct hark_err *err)
{
    int rc = hark_space_mend(space, err);

    if (rc < 0)
        return rc;
    if (node[0] != '\0')
        return hark_space_adopt_intake(space, node, raw, now_ms, true, err);
    return hark_space_lacks_payloads(raw) ? take_filled(space, raw, now_ms, err)
                                          : adopt_alone(space, raw, now_ms, err);
}

/* --- one after the other ----------------------------------------------------- */

/* Batches in one transaction of the index: its keys are hashes, so that a batch of a
 * thousand entries changes most of its pages, and several hardly more. */
#define TOGETHER 32u

/* Batches are read, and started, ahead of the one that is adopted: signatures of the
 * ones are verified while the other is judged and written. */
struct taking {
    struct hark_space *space;
    hark_next_batch_fn *next;
    void *arg;
    uint64_t now_ms;
    bool store;
    unsigned together; /* batches in a transaction, at most */
    unsigned open;     /* in git, and not committed in the index */
    struct mark mark;
    uint64_t read, adopted; /* batches; those between them are in `row` */
    bool ended;             /* `next` has no more, or `after` is wrong with it */
    int after;
    struct hark_err later;
    struct space_expected *expected;
    struct row {
        struct hark_raw_batch raw;
        struct space_ahead own, *ahead; /* ahead: own, or one that was expected */
    } row[HARK_TAKE_AHEAD];
};

static struct row *row_at(struct taking *t, uint64_t i)
{
    return &t->row[i % HARK_TAKE_AHEAD];
}

/* One that lacks payloads is left to its turn. */
static int read_one(struct taking *t, struct hark_err *err)
{
    struct row *row = row_at(t, t->read);
    bool there = false;
    int rc = t->next(t->arg, &row->raw, &there, err);

    if (rc < 0 || !there) {
        t->ended = true;
        return rc;
    }
    row->ahead = hark_space_ahead_expected(t->expected, &row->raw);
    if (row->ahead == NULL) {
        row->ahead = &row->own;
        if (!t->store || !hark_space_lacks_payloads(&row->raw))
            rc = hark_space_ahead_start(t->space, &row->raw, t->store, &row->own, err);
    }
    if (rc == 0)
        t->read++;
    else
        hark_space_ahead_end(&row->own);
    return rc;
}

/* What is wrong with a later one is said when those before it are in. */
static void read_ahead(struct taking *t)
{
    while (!t->ended && t->read - t->adopted < HARK_TAKE_AHEAD) {
        t->after = read_one(t, &t->later);
        t->ended = t->ended || t->after < 0;
    }
}

static int commit_open(struct taking *t, struct hark_err *err)
{
    if (t->open == 0)
        return 0;
    t->open = 0;
    return end_adopting(t->space, &t->mark, err);
}

/* *lost: batches that git has went out of the index with this one. */
static int adopt_next(struct taking *t, bool *lost, struct hark_err *err)
{
    struct row *row = row_at(t, t->adopted);
    int rc = 0;

    if (row->ahead->raw == NULL) {
        rc = commit_open(t, err);
        return rc < 0 ? rc : take_filled(t->space, &row->raw, t->now_ms, err);
    }
    hark_space_ahead_finish(row->ahead);
    if (t->open == 0)
        rc = begin_adopting(t->space, &t->mark, err);
    if (rc < 0)
        return rc;
    rc = adopt(t->space, row->ahead, t->now_ms, err);
    if (rc < 0) {
        *lost = t->open > 0;
        t->open = 0;
        undo_adopting(t->space, &t->mark);
        return rc;
    }
    return ++t->open < t->together ? 0 : commit_open(t, err);
}

static int adopt_row(struct taking *t, bool *lost, struct hark_err *err)
{
    int rc = 0;

    for (read_ahead(t); rc == 0 && t->adopted < t->read; read_ahead(t)) {
        rc = adopt_next(t, lost, err);
        hark_space_ahead_end(row_at(t, t->adopted++)->ahead);
    }
    if (rc == 0)
        rc = commit_open(t, err);
    if (rc == 0 && t->after < 0) {
        rc = t->after;
        if (err != NULL)
            *err = t->later;
    }
    while (t->adopted < t->read)
        hark_space_ahead_end(row_at(t, t->adopted++)->ahead);
    return rc;
}

/* --- catching up ----------------------------------------------------------- */

struct catching_up {
    struct space_blobs blobs;
    struct hark_git_id *ids;
    size_t count, at;
    struct hark_space_batch batches[HARK_TAKE_AHEAD];
};

static int load_next(void *arg, struct hark_raw_batch *out, bool *there, struct hark_err *err)
{
    struct catching_up *c = arg;
    struct hark_space_batch *batch = &c->batches[c->at % HARK_TAKE_AHEAD];
    int rc;

    *there = c->at < c->count;
    if (!*there)
        return 0;
    hark_space_batch_free(batch);
    rc = hark_space_load_batch(c->blobs.space, &c->ids[c->at], hark_space_find_blob_in_git,
                               &c->blobs, batch, err);
    if (rc == 0)
        *out = batch->raw;
    else
        memset(batch, 0, sizeof(*batch));
    c->at++;
    return rc;
}

static int catch_up_main(struct hark_space *space, unsigned together, struct hark_err *err)
{
    struct catching_up c = {.blobs = {.space = space}};
    struct taking t = {.space = space,
                       .next = load_next,
                       .arg = &c,
                       .now_ms = UINT64_MAX / 2, /* one's own past is never ahead of one's clock */
                       .together = together};
    bool lost = false;
    int rc;

    rc = hark_space_batches_after(
        space, "main", space->head.has_batch ? &space->head.batch_id : NULL, &c.ids, &c.count, err);
    if (rc < 0)
        return rc;
    rc = adopt_row(&t, &lost, err);
    for (size_t i = 0; i < HARK_TAKE_AHEAD; i++)
        hark_space_batch_free(&c.batches[i]);
    hark_space_blobs_free(&c.blobs);
    free(c.ids);
    /* One at a time, all comes in again up to what is wrong. */
    if (lost && !space->damaged)
        ignore(catch_up_main(space, 1, NULL));
    return rc;
}

int hark_space_catch_up(struct hark_space *space, struct hark_err *err)
{
    int rc = catch_up_main(space, TOGETHER, err);

    return rc < 0 ? rc : hark_space_catch_up_intakes(space, err);
}

/* --- taking all that comes ------------------------------------------------------- */

int hark_space_take_each(struct hark_space *space, const char *node, hark_next_batch_fn *next,
                         void *arg, uint64_t now_ms, struct hark_err *err)
{
    struct taking t = {.space = space,
                       .next = next,
                       .arg = arg,
                       .now_ms = now_ms,
                       .store = true,
                       .together = TOGETHER};
    int rc = hark_space_mend(space, err);
    bool there = true, lost = false;

    if (rc < 0)
        return rc;
    if (node[0] == '\0') {
        t.expected = space->expected;
        space->expected = NULL;
        rc = adopt_row(&t, &lost, err);
        hark_space_expected_end(t.expected);
        if (lost && !space->damaged && catch_up_main(space, 1, NULL) < 0)
            space->damaged = true;
        return rc;
    }
    while (rc == 0 && there) {
        struct hark_raw_batch raw;

        rc = next(arg, &raw, &there, err);
        if (rc == 0 && there)
            rc = hark_space_take(space, node, &raw, now_ms, err);
    }
    return rc;
}
