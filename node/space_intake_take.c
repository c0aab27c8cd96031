/*
 * Taking a batch of an intake log: checked whole, then git, then the index. One's own
 * goes the same way, so that no intake comes to be which nobody else can take.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/space_internal.h"

/* --- adopting ------------------------------------------------------------------ */

/* An intake may bring the payload that the main log came without. */
static int give_to_main(struct hark_space *space, const struct space_item *item,
                        struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(space->state);
    int number = hark_kinds_find(kinds, item->entry.kind);
    enum hark_says says = HARK_SAYS_INVALID;
    struct hark_row row = {0};
    const struct hark_kind *kind;
    json_t *json = NULL;
    uint64_t position = 0;
    bool found = false;
    int rc = hark_state_find_entry(space->state, &item->entry.id, &found, &position, err);

    if (rc == 0 && found)
        rc = hark_index_row(space->index, position, &row, err);
    /* Neither erased nor another's: what it says is its own to say (6.3). */
    if (rc < 0 || !found || row.says != HARK_SAYS_MISSING || number < 0)
        return rc;
    kind = hark_kinds_get(kinds, (size_t)number);
    if (kind->payload == HARK_PAYLOAD_BINARY)
        says = HARK_SAYS_SEALED;
    else if (kind->payload != HARK_PAYLOAD_NONE &&
             hark_payload_check(kind, item->payload, &json, NULL) == 0)
        says = HARK_SAYS_IT;
    rc = hark_index_payload_came(space->index, position, &item->blob, says, json, err);
    json_decref(json);
    return rc;
}

/* Checks and indexes the entries one by one: each may hang on those before it. What
 * was erased under this hash is not taken in again: it leaves `raw`. */
static int add_entries(const struct space_intake_check *c, struct space_item *items,
                       struct hark_raw_entry *raw, const struct hark_line *lines, size_t count,
                       bool store, struct hark_err *err)
{
    struct hark_state *state = c->space->state;

    for (size_t i = 0; i < count; i++) {
        const struct hark_entry *entry = &items[i].entry;
        struct hark_intake_row row = {.position = lines[i].position,
                                      .accepted_ms = lines[i].accepted_ms,
                                      .seq = entry->seq,
                                      .author = entry->author,
                                      .id = entry->id,
                                      .git_id = items[i].git_id,
                                      .has_payload = entry->has_payload,
                                      .payload_hash = entry->payload_hash,
                                      .blob = items[i].blob};
        int rc = hark_space_intake_check_entry(c, &items[i], err);

        if (rc == 0)
            rc = hark_state_is_erased(state, hark_state_size(state), entry, &row.erased, err);
        row.has_blob = items[i].payload.data != NULL && !(row.erased && store);
        if (row.erased && store && raw[i].payload_state == 1)
            raw[i] = (struct hark_raw_entry){.object = raw[i].object, .payload_state = 2};
        if (rc == 0)
            rc = hark_index_intake_add(c->space->index, c->intake->number, &row, err);
        if (rc == 0 && row.has_blob && !row.erased)
            rc = give_to_main(c->space, &items[i], err);
        if (rc < 0)
            return hark_err_wrap(err, rc, "position %" PRIu64, lines[i].position);
    }
    return 0;
}

/* The intake as it stands, or a new one; its key is that of the first node that ever
 * went by that name. A batch may know of a name that has not come here yet. */
static int expect_intake(struct hark_space *space, const char *node, struct hark_span commit,
                         struct hark_intake *intake, struct hark_err *err)
{
    struct hark_node_object object;
    struct hark_batch *batch;
    bool found = false;
    int rc = hark_index_intake(space->index, node, &found, intake, err);

    if (rc < 0)
        return rc;
    if (!found) {
        rc = hark_space_node_called(space->state, node, &object, &found, err);
        if (rc == 0 && found)
            rc = hark_index_intake_new(space->index, node, &object.keys.log, intake, err);
    }
    hark_origin(intake->head.origin, node, &space->id, 0);
    if (rc < 0 || found)
        return rc;
    batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_batch_parse(batch, NULL, NULL, commit, NULL, err);
    if (rc == 0 && batch->has_main && batch->main_size > hark_state_size(space->state))
        rc = hark_err_set(err, HARK_E_BEHIND, "no node %s was named here yet", node);
    else if (rc == 0)
        rc = hark_err_set(err, HARK_E_BATCH_ORIGIN, "no node was ever called %s", node);
    free(batch);
    return rc;
}

static int check_batch(struct hark_space *space, const char *node, struct hark_intake *intake,
                       const struct hark_raw_batch *raw, uint64_t now_ms,
                       const struct space_item *items, struct hark_log_head *next,
                       struct hark_batch *batch, struct hark_line **lines, struct hark_err *err)
{
    struct hark_git_id *entry_ids = NULL, tree;
    int rc =
        hark_batch_check(next, batch, lines, &tree, &entry_ids, &intake->head, raw, now_ms, err);

    if (rc == 0)
        rc = hark_space_check_git_ids(raw, items, &tree, entry_ids, err);
    if (rc == 0)
        rc = hark_space_intake_check_main(space, batch, err);
    if (rc == 0)
        rc = hark_space_intake_check_named(space->state, node, &intake->head.log_key,
                                           batch->main_size, err);
    if (rc == 0)
        rc = hark_space_check_prepared(items, raw->count, intake->head.tree.size, err);
    if (rc == 0)
        next->batch_id = hark_git_hash(HARK_GIT_COMMIT, raw->commit);
    free(entry_ids);
    return rc;
}

/* In a transaction of the index: everything up to the repository. `kept` is raw's
 * items, to be changed. */
static int judge_and_index(struct hark_space *space, const char *node,
                           const struct hark_raw_batch *raw, struct space_item *items,
                           struct hark_raw_entry *kept, uint64_t now_ms, bool store,
                           struct hark_git_id *previous, bool *has_previous, struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_line *lines = NULL;
    struct hark_intake intake = {.number = 0};
    struct hark_log_head next;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = expect_intake(space, node, raw->commit, &intake, err);
    if (rc == 0)
        rc = check_batch(space, node, &intake, raw, now_ms, items, &next, batch, &lines, err);
    if (rc == 0) {
        struct space_intake_check c = {space, &intake, batch->main_size};

        rc = add_entries(&c, items, kept, lines, raw->count, store, err);
    }
    if (rc == 0) {
        struct hark_intake_batch row = {.first = batch->first,
                                        .count = batch->count,
                                        .time_ms = batch->time_ms,
                                        .main_size = batch->main_size,
                                        .git_id = next.batch_id,
                                        .hash = next.batch,
                                        .root = hark_merkle_root(&next.tree)};

        *has_previous = intake.head.has_batch;
        *previous = intake.head.batch_id;
        intake.head = next;
        rc = hark_index_intake_add_batch(space->index, &intake, &row, err);
    }
    free(lines);
    free(batch);
    return rc;
}

/* items are prepared. */
static int adopt(struct hark_space *space, const char *node, const struct hark_raw_batch *raw,
                 struct space_item *items, uint64_t now_ms, bool store, struct hark_err *err)
{
    struct hark_raw_entry *kept = calloc(raw->count + 1, sizeof(*kept));
    struct hark_raw_batch stored = *raw;
    struct hark_git_id previous = {{0}}, id;
    bool has_previous = false;
    char log[HARK_LOG_NAME_MAX];
    int rc = hark_space_log_name(log, node, err);

    space->intake_stale = true;
    if (rc == 0 && kept == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    if (rc == 0)
        rc = hark_index_begin(space->index, err);
    if (rc < 0) {
        free(kept);
        return rc;
    }
    if (raw->count > 0)
        memcpy(kept, raw->items, raw->count * sizeof(*kept));
    stored.items = kept;
    rc = judge_and_index(space, node, raw, items, kept, now_ms, store, &previous, &has_previous,
                         err);
    if (rc == 0 && store) {
        rc = hark_repo_store(space->repo, log, &stored, has_previous ? &previous : NULL, &id, NULL,
                             err);
        if (rc < 0)
            space->damaged = true; /* its ref may have moved all the same */
    }
    if (rc < 0) {
        hark_space_undo(space);
    } else {
        rc = hark_index_commit(space->index, err);
        if (rc < 0) {
            space->damaged = true;
            hark_space_undo(space);
        }
    }
    free(kept);
    return rc;
}

int hark_space_adopt_intake(struct hark_space *space, const char *node,
                            const struct hark_raw_batch *raw, uint64_t now_ms, bool store,
                            struct hark_err *err)
{
    struct space_item *items;
    int rc;

    if (raw->count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_BATCH_FORM, "a batch of %zu entries", raw->count);
    items = calloc(raw->count + 1, sizeof(*items));
    if (items == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    hark_space_prepare_all(space->pool, raw, items);
    rc = adopt(space, node, raw, items, now_ms, store, err);
    /* An intake may hold what has a twin in the main log above its Main, or in another one. */
    if (rc == 0 || rc == HARK_E_ENTRY_TWIN)
        hark_convict_suspect_batch(space, items, raw->count);
    free(items);
    return rc;
}

/* --- appending ------------------------------------------------------------------- */

/* A batch of one's own, in the making. */
struct making {
    struct hark_buf entries, checkpoint, commit, tree;
    struct hark_line *lines;
    struct hark_raw_entry *raw;
    struct hark_git_id *ids;
    struct hark_batch batch;
};

static int make_lines(struct making *m, const struct hark_log_head *head,
                      const struct space_item *items, size_t count, uint64_t now_ms,
                      struct hark_merkle *tree, struct hark_err *err)
{
    uint64_t arrival = now_ms > head->last_arrival_ms ? now_ms : head->last_arrival_ms;

    *tree = head->tree;
    for (size_t i = 0; i < count; i++) {
        struct hark_hash leaf;

        m->lines[i] = (struct hark_line){.position = head->tree.size + i,
                                         .arrival_ms = arrival,
                                         .accepted_ms = arrival,
                                         .id = items[i].entry.id};
        m->raw[i] =
            (struct hark_raw_entry){items[i].object, items[i].payload_state, items[i].payload};
        m->ids[i] = items[i].git_id;
        leaf = hark_line_leaf(&m->lines[i]);
        hark_merkle_append(tree, &leaf);
    }
    m->batch.time_ms = arrival > head->last_time_ms ? arrival : head->last_time_ms;
    return hark_lines_encode(&m->entries, m->lines, count, err);
}

static int make_batch(struct making *m, const struct hark_space *space,
                      const struct hark_log_head *head, const struct hark_merkle *tree,
                      size_t count, const struct hark_signer *log_key, struct hark_err *err)
{
    struct hark_checkpoint cp = {.size = tree->size, .root = hark_merkle_root(tree)};
    struct hark_git_id tree_id;
    int rc;

    memcpy(cp.origin, head->origin, sizeof(cp.origin));
    rc = hark_checkpoint_sign(&m->checkpoint, &cp, log_key, NULL, err);
    if (rc == 0)
        rc = hark_git_batch_tree(&m->tree, &tree_id, hark_buf_span(&m->checkpoint),
                                 hark_buf_span(&m->entries), err);
    if (rc < 0)
        return rc;
    memcpy(m->batch.origin, head->origin, sizeof(m->batch.origin));
    m->batch.first = head->tree.size;
    m->batch.count = count;
    m->batch.has_previous = head->has_batch;
    m->batch.previous = head->batch;
    m->batch.previous_id = head->batch_id;
    m->batch.entries = hark_sha256(hark_buf_span(&m->entries));
    m->batch.has_main = true;
    m->batch.main_size = space->head.tree.size;
    m->batch.main_root = hark_merkle_root(&space->head.tree);
    return hark_batch_build(&m->commit, &m->batch, &tree_id, m->ids, log_key, err);
}

/* May this node append now, and to what? */
static int own_head(struct hark_space *space, const char *self, const struct hark_signer *log_key,
                    struct hark_log_head *head, struct hark_err *err)
{
    struct hark_intake intake;
    bool found = false;
    int rc = hark_space_find_intake(space, self, &found, &intake, err);

    if (rc < 0)
        return rc;
    if (!found) {
        memset(&intake, 0, sizeof(intake));
        hark_origin(intake.head.origin, self, &space->id, 0);
        intake.head.log_key = *hark_signer_key(log_key);
    }
    *head = intake.head;
    if (hark_space_intake_check_named(space->state, self, hark_signer_key(log_key),
                                      hark_state_size(space->state), NULL) < 0 ||
        !hark_key_equal(&head->log_key, hark_signer_key(log_key)))
        return hark_err_set(err, HARK_E_ACCEPT_NOT_HERE, "this node is not named %s there", self);
    if (head->main_size > space->head.tree.size)
        return hark_err_set(err, HARK_E_BEHIND,
                            "the intake was judged against more of the main log than is here");
    return hark_space_intake_goes_on(space, self, err);
}

int hark_space_intake_append(struct hark_space *space, const char *self,
                             const struct hark_signer *log_key, const struct space_item *items,
                             size_t count, uint64_t now_ms, struct hark_err *err)
{
    struct making m = {.entries = hark_buf_init(HARK_BATCH_FILE_MAX),
                       .checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX),
                       .commit = hark_buf_init(HARK_BATCH_COMMIT_MAX),
                       .tree = hark_buf_init(4096)};
    struct space_item *copies = NULL;
    struct hark_line *lines = NULL;
    struct hark_raw_entry *raws = NULL;
    struct hark_git_id *ids = NULL;
    struct hark_raw_batch raw;
    struct hark_log_head head;
    struct hark_merkle tree;
    int rc;

    if (space->read_only || space->pending.open || count == 0)
        return hark_err_set(err, HARK_E_INTERNAL, "the space is not open for an intake");
    if (count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "a batch of %zu entries", count);
    lines = calloc(count, sizeof(*lines));
    raws = calloc(count, sizeof(*raws));
    ids = calloc(count, sizeof(*ids));
    m.lines = lines;
    m.raw = raws;
    m.ids = ids;
    if (lines == NULL || raws == NULL || ids == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    else
        rc = hark_space_mend(space, err);
    if (rc == 0)
        rc = own_head(space, self, log_key, &head, err);
    if (rc == 0)
        rc = make_lines(&m, &head, items, count, now_ms, &tree, err);
    if (rc == 0)
        rc = make_batch(&m, space, &head, &tree, count, log_key, err);
    copies = calloc(count, sizeof(*copies));
    if (rc == 0 && copies == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    if (rc == 0) {
        memcpy(copies, items, count * sizeof(*copies));
        raw = (struct hark_raw_batch){.commit = hark_buf_span(&m.commit),
                                      .entries = hark_buf_span(&m.entries),
                                      .checkpoint = hark_buf_span(&m.checkpoint),
                                      .count = count,
                                      .items = m.raw};
        /* By the rules that everybody else applies: an intake that nobody can take
         * would be of no use. */
        rc = adopt(space, self, &raw, copies, UINT64_MAX / 2, true, err);
    }
    hark_buf_free(&m.entries);
    hark_buf_free(&m.checkpoint);
    hark_buf_free(&m.commit);
    hark_buf_free(&m.tree);
    free(lines);
    free(raws);
    free(ids);
    free(copies);
    return rc;
}
