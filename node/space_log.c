/*
 * Logging at the home. Entries are applied to the state one by one, inside one
 * transaction of the index, so that each is judged after those before it; the
 * batch commit is made when they are all there, for it names no verdicts.
 */
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"

static void clear_pending(struct hark_space *space)
{
    struct space_pending *pending = &space->pending;

    for (size_t i = 0; i < pending->count; i++) {
        hark_space_item_clear(&pending->items[i]);
        free((void *)(uintptr_t)pending->items[i].object.data);
        free((void *)(uintptr_t)pending->items[i].payload.data);
        memset(&pending->items[i], 0, sizeof(pending->items[i]));
    }
    pending->count = 0;
    pending->bytes = 0;
    pending->open = false;
}

int hark_space_begin(struct hark_space *space, struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    int rc;

    if (pending->open || space->read_only)
        return hark_err_set(err, HARK_E_INTERNAL, "the space is not open for a batch");
    if (pending->items == NULL) {
        pending->items = calloc(HARK_BATCH_ENTRIES_MAX, sizeof(*pending->items));
        pending->lines = calloc(HARK_BATCH_ENTRIES_MAX, sizeof(*pending->lines));
        if (pending->items == NULL || pending->lines == NULL) {
            free(pending->items);
            free(pending->lines);
            pending->items = NULL;
            pending->lines = NULL;
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
        }
    }
    rc = hark_space_mend(space, err);
    if (rc == 0)
        rc = hark_index_begin(space->index, err);
    if (rc == 0)
        pending->open = true;
    return rc;
}

void hark_space_rollback(struct hark_space *space)
{
    struct hark_err ignored = {0};

    if (!space->pending.open)
        return;
    clear_pending(space);
    hark_index_rollback(space->index);
    if (hark_state_reload(space->state, &ignored) < 0)
        space->damaged = true;
}

static int copy_span(struct hark_span *span, struct hark_err *err)
{
    uint8_t *copy;

    if (span->data == NULL)
        return 0;
    copy = malloc(span->size > 0 ? span->size : 1);
    if (copy == NULL) {
        *span = (struct hark_span){0};
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    }
    memcpy(copy, span->data, span->size);
    span->data = copy;
    return 0;
}

/* Arrivals never decrease, whatever the clock does. */
static uint64_t next_arrival(const struct hark_space *space, uint64_t now_ms)
{
    uint64_t last = space->head.last_arrival_ms;

    if (space->pending.count > 0)
        last = space->pending.lines[space->pending.count - 1].arrival_ms;
    return now_ms > last ? now_ms : last;
}

static int next_batch(struct hark_space *space, const struct hark_signer *log_key, uint64_t now_ms,
                      struct hark_err *err)
{
    int rc = hark_space_commit(space, log_key, now_ms, err);

    return rc < 0 ? rc : hark_space_begin(space, err);
}

int hark_space_add(struct hark_space *space, const struct hark_offer *offer,
                   const struct hark_signer *log_key, struct hark_logged *out, struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    struct space_item *item;
    int rc;

    if (!pending->open)
        return hark_err_set(err, HARK_E_INTERNAL, "no batch was begun");
    if (pending->count == HARK_BATCH_ENTRIES_MAX || pending->bytes >= BATCH_BYTES_FULL) {
        rc = next_batch(space, log_key, offer->now_ms, err);
        if (rc < 0)
            return rc;
    }
    item = &pending->items[pending->count];
    memset(item, 0, sizeof(*item));
    item->object = offer->bytes;
    item->payload = offer->payload;
    item->payload_state = offer->payload.data != NULL ? 1 : 0;
    hark_space_item_prepare(item, offer->trusted);
    if (item->code < 0) {
        if (err != NULL)
            *err = item->err;
        return item->code;
    }
    if (pending->count > 0 && strcmp(item->entry.kind, "home") == 0) {
        /* One that stands anywhere else than first makes a batch that nobody
         * takes, this space on its next start included. */
        struct space_item home = *item;

        memset(item, 0, sizeof(*item));
        rc = next_batch(space, log_key, offer->now_ms, err);
        if (rc < 0)
            return rc;
        item = &pending->items[0];
        *item = home;
    }
    item->arrival.arrival_ms = next_arrival(space, offer->now_ms);
    item->arrival.accepted_ms = item->arrival.arrival_ms;
    item->arrival.git_id = item->git_id;
    if (offer->accept) {
        rc = hark_space_item_acceptable(space->state, item, err);
        if (rc < 0)
            return rc;
    }
    rc = hark_space_item_apply(space->state, item, err);
    if (rc < 0) {
        if (!hark_space_is_refusal(rc))
            hark_space_rollback(space);
        return rc;
    }
    pending->lines[pending->count] = (struct hark_line){
        .position = item->effect.position,
        .arrival_ms = item->arrival.arrival_ms,
        .accepted_ms = item->arrival.accepted_ms,
        .id = item->entry.id,
    };
    pending->count++;
    pending->bytes += item->object.size + item->payload.size;
    rc = copy_span(&item->object, err);
    if (rc < 0)
        item->payload = (struct hark_span){0};
    else
        rc = copy_span(&item->payload, err);
    if (rc < 0) {
        hark_space_rollback(space);
        return rc;
    }
    if (out != NULL) {
        out->position = item->effect.position;
        out->id = item->entry.id;
        out->effect = item->effect;
    }
    return 0;
}

/* Everything of a batch that is to be written, built from the pending items. */
struct written {
    struct hark_buf entries, checkpoint, commit, tree;
    struct hark_raw_entry *raw;
    struct hark_git_id *ids;
    struct hark_git_id tree_id, commit_id;
    struct hark_batch batch;
    struct hark_log_head head; /* after it */
};

static void written_free(struct written *w)
{
    hark_buf_free(&w->entries);
    hark_buf_free(&w->checkpoint);
    hark_buf_free(&w->commit);
    hark_buf_free(&w->tree);
    free(w->raw);
    free(w->ids);
}

static int write_files(struct hark_space *space, const struct hark_signer *log_key, uint64_t now_ms,
                       struct written *w, struct hark_err *err)
{
    const struct space_pending *pending = &space->pending;
    const struct hark_line *last = &pending->lines[pending->count - 1];
    struct hark_checkpoint cp = {0};
    int rc;

    w->head = space->head;
    rc = hark_space_expect(space->state, NULL, &w->head, err);
    if (rc < 0)
        return rc;
    if (!hark_key_equal(&w->head.log_key, hark_signer_key(log_key)))
        return hark_err_set(err, HARK_E_ACCEPT_NOT_HERE,
                            "this node is not the home of the space; %s is", w->head.origin);
    w->head.tree = *hark_state_log(space->state);
    w->head.last_arrival_ms = last->arrival_ms;
    w->head.last_time_ms = now_ms > last->arrival_ms ? now_ms : last->arrival_ms;
    rc = hark_lines_encode(&w->entries, pending->lines, pending->count, err);
    if (rc < 0)
        return rc;
    memcpy(cp.origin, w->head.origin, sizeof(cp.origin));
    cp.size = w->head.tree.size;
    cp.root = hark_merkle_root(&w->head.tree);
    rc = hark_checkpoint_sign(&w->checkpoint, &cp, log_key, NULL, err);
    if (rc < 0)
        return rc;
    return hark_git_batch_tree(&w->tree, &w->tree_id, hark_buf_span(&w->checkpoint),
                               hark_buf_span(&w->entries), err);
}

static int write_commit(struct hark_space *space, const struct hark_signer *log_key,
                        struct written *w, struct hark_err *err)
{
    const struct space_pending *pending = &space->pending;
    int rc;

    memcpy(w->batch.origin, w->head.origin, sizeof(w->batch.origin));
    w->batch.first = pending->lines[0].position;
    w->batch.count = pending->count;
    w->batch.time_ms = w->head.last_time_ms;
    w->batch.has_previous = space->head.has_batch;
    w->batch.previous = space->head.batch;
    w->batch.previous_id = space->head.batch_id;
    w->batch.entries = hark_sha256(hark_buf_span(&w->entries));
    rc = hark_batch_build(&w->commit, &w->batch, &w->tree_id, w->ids, log_key, err);
    if (rc < 0)
        return rc;
    w->head.has_batch = true;
    w->head.batch = hark_sha256(hark_buf_span(&w->commit));
    return hark_git_hash(&w->commit_id, HARK_GIT_COMMIT, hark_buf_span(&w->commit), err);
}

static int index_pending(struct hark_space *space, const struct written *w, struct hark_err *err)
{
    const struct space_pending *pending = &space->pending;
    struct hark_index_batch row = {.first = w->batch.first,
                                   .count = w->batch.count,
                                   .git_id = w->commit_id,
                                   .hash = w->head.batch,
                                   .time_ms = w->batch.time_ms};
    int rc = 0;

    for (size_t i = 0; i < pending->count && rc == 0; i++)
        rc = hark_space_item_index(space, &pending->items[i], &pending->lines[i], &w->commit_id,
                                   err);
    if (rc == 0)
        rc = hark_index_add_batch(space->index, &row, err);
    return rc;
}

/* git first; when that has moved the ref the batch is logged, come what may. */
static int store_batch(struct hark_space *space, struct written *w, struct hark_err *err)
{
    struct hark_raw_batch raw = {.commit = hark_buf_span(&w->commit),
                                 .entries = hark_buf_span(&w->entries),
                                 .checkpoint = hark_buf_span(&w->checkpoint),
                                 .count = space->pending.count,
                                 .items = w->raw};
    struct hark_git_id id;
    int rc;

    rc = hark_repo_store(space->repo, "main", &raw,
                         space->head.has_batch ? &space->head.batch_id : NULL, &id, NULL, err);
    if (rc < 0)
        return rc;
    w->head.batch_id = id;
    rc = hark_index_commit(space->index, err);
    if (rc < 0) {
        /* Logged, but not indexed: the space has to be opened anew, which
         * catches up. */
        space->damaged = true;
        return hark_err_wrap(err, "the batch is logged; indexing it");
    }
    space->head = w->head;
    return 0;
}

int hark_space_commit(struct hark_space *space, const struct hark_signer *log_key, uint64_t now_ms,
                      struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    struct written w = {.entries = hark_buf_init(HARK_BATCH_FILE_MAX),
                        .checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX),
                        .commit = hark_buf_init(HARK_BATCH_COMMIT_MAX),
                        .tree = hark_buf_init(4096)};
    int rc;

    if (!pending->open)
        return hark_err_set(err, HARK_E_INTERNAL, "no batch was begun");
    if (pending->count == 0) {
        hark_space_rollback(space);
        return 0;
    }
    w.raw = calloc(pending->count, sizeof(*w.raw));
    w.ids = calloc(pending->count, sizeof(*w.ids));
    if (w.raw == NULL || w.ids == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
        goto out;
    }
    for (size_t i = 0; i < pending->count; i++) {
        const struct space_item *item = &pending->items[i];

        w.raw[i] = (struct hark_raw_entry){item->object, item->payload_state, item->payload};
        w.ids[i] = item->git_id;
    }
    rc = write_files(space, log_key, now_ms, &w, err);
    if (rc == 0)
        rc = write_commit(space, log_key, &w, err);
    if (rc == 0)
        rc = index_pending(space, &w, err);
    if (rc == 0)
        rc = store_batch(space, &w, err);
out:
    if (rc < 0)
        hark_space_rollback(space);
    else
        clear_pending(space);
    written_free(&w);
    return rc;
}
