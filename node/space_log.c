/*
 * Logging at the home. Entries are applied to the state one by one, inside one
 * transaction of the index, so that each is judged after those before it; the
 * batch commit is made when they are all there, for it names no verdicts.
 */
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/space_internal.h"
#include "node/witness.h"

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
    pending->taken_count = 0;
    pending->open = false;
}

/* What the home has said of its log binds what comes next, a batch without a daemon too. */
static int find_floor(struct hark_space *space, bool anew, struct hark_err *err)
{
    const struct hark_cosigned *said = NULL;
    int rc = hark_witness_dated(space, &said, err);

    space->pending.floor_ms = 0;
    if (rc < 0 || said == NULL)
        return rc;
    if (said->checkpoint.size > space->head.tree.size && !anew) {
        rc = hark_err_set(err, HARK_E_BEHIND,
                          "this home has signed %llu entries of the log, of which %llu are here",
                          (unsigned long long)said->checkpoint.size,
                          (unsigned long long)space->head.tree.size);
        hark_err_hint(err, "`hark sync --wait` with a partner that has them; where nobody has, "
                           "`hark home move NAME --lost` goes on without them");
        return rc;
    }
    if (!anew)
        space->pending.floor_ms =
            said->time_s < HARK_TIME_MAX_MS / 1000 ? 1000 * said->time_s : HARK_TIME_MAX_MS;
    return 0;
}

static int begin(struct hark_space *space, bool anew, struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    int rc;

    if (pending->open || space->read_only)
        return hark_err_set(err, HARK_E_INTERNAL, "the space is not open for a batch");
    if (space->held) {
        rc =
            hark_err_set(err, HARK_E_BEHIND,
                         "this home signs nothing before it has compared its log with a partner's");
        hark_err_hint(err, "start harkd, or run `hark sync`, where a partner can be reached");
        return rc;
    }
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
        rc = find_floor(space, anew, err);
    if (rc == 0)
        rc = hark_index_begin(space->index, err);
    if (rc == 0)
        pending->open = true;
    return rc;
}

int hark_space_begin(struct hark_space *space, struct hark_err *err)
{
    return begin(space, false, err);
}

int hark_space_begin_anew(struct hark_space *space, struct hark_err *err)
{
    return begin(space, true, err);
}

void hark_space_rollback(struct hark_space *space)
{
    struct hark_err ignored = {0};

    if (!space->pending.open)
        return;
    clear_pending(space);
    memset(space->seen, 0, sizeof(space->seen));
    space->flight_stale = true;
    hark_index_rollback(space->index);
    if (hark_state_reload(space->state, &ignored) < 0)
        space->damaged = true;
}

bool hark_space_in_batch(const struct hark_space *space)
{
    return space->pending.open;
}

uint64_t hark_space_pending_by(const struct hark_space *space, const struct hark_key *author)
{
    uint64_t count = 0;

    for (size_t i = 0; i < space->pending.count; i++)
        count += hark_key_equal(&space->pending.items[i].entry.author, author);
    return count;
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

/* Arrivals never decrease, whatever the clock does, nor are they before what the home has said
 * of its log without them. */
static uint64_t next_arrival(const struct hark_space *space, uint64_t now_ms)
{
    uint64_t last = space->head.last_arrival_ms;

    if (space->pending.count > 0)
        last = space->pending.lines[space->pending.count - 1].arrival_ms;
    if (space->pending.floor_ms > last)
        last = space->pending.floor_ms;
    return now_ms > last ? now_ms : last;
}

/* Commits what is pending and begins anew. What is to be taken with the last batch
 * is kept for that. */
static int next_batch(struct hark_space *space, const struct hark_signer *log_key, uint64_t now_ms,
                      struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    size_t taken = pending->taken_count;
    int rc;

    pending->taken_count = 0;
    rc = hark_space_commit(space, log_key, now_ms, err);
    if (rc == 0)
        rc = hark_space_begin(space, err);
    if (rc == 0)
        pending->taken_count = taken;
    return rc;
}

/* A `home` entry is the first of its batch, but for `recover` entries (7.6): one
 * that stands anywhere else makes a batch that nobody takes, this space on its
 * next start included. */
static bool begins_batch(const struct space_pending *pending, const struct space_item *item)
{
    if (strcmp(item->entry.kind, "home") != 0)
        return false;
    for (size_t i = 0; i < pending->count; i++)
        if (strcmp(pending->items[i].entry.kind, "recover") != 0)
            return true;
    return false;
}

/* How an entry came. */
struct source {
    const char *node; /* by whose intake; "": first-hand */
    uint64_t position, accepted_ms;
};

static void prepare(struct space_item *item, const struct hark_offer *offer,
                    const struct source *source)
{
    memset(item, 0, sizeof(*item));
    item->object = offer->bytes;
    item->payload = offer->payload;
    item->payload_state = offer->payload.data != NULL ? 1 : 0;
    hark_space_item_prepare(item, offer->trusted);
    if (item->code == HARK_E_PAYLOAD_ABSENT && source->node[0] != '\0') {
        /* An intake may have lost it since: it says nothing then. */
        item->payload_state = 2;
        item->code = 0;
    }
}

/* The item that is to become the next of the batch; commits what has to go before. */
static int make_room(struct hark_space *space, const struct hark_offer *offer,
                     const struct source *source, const struct hark_signer *log_key,
                     struct space_item **out, struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    struct space_item *item;
    int rc;

    if (pending->count == HARK_BATCH_ENTRIES_MAX || pending->bytes >= BATCH_BYTES_FULL) {
        rc = next_batch(space, log_key, offer->now_ms, err);
        if (rc < 0)
            return rc;
    }
    item = &pending->items[pending->count];
    prepare(item, offer, source);
    if (item->code < 0) {
        if (err != NULL)
            *err = item->err;
        return item->code;
    }
    if (begins_batch(pending, item)) {
        struct space_item home = *item;

        memset(item, 0, sizeof(*item));
        rc = next_batch(space, log_key, offer->now_ms, err);
        if (rc < 0)
            return rc;
        item = &pending->items[0];
        *item = home;
    }
    *out = item;
    return 0;
}

/* The item is applied: it and its bytes are the batch's own from here on. */
static int keep_item(struct hark_space *space, struct space_item *item, const struct source *source,
                     struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    struct hark_line *line = &pending->lines[pending->count];
    int rc;

    *line = (struct hark_line){
        .position = item->effect.position,
        .arrival_ms = item->arrival.arrival_ms,
        .accepted_ms = item->arrival.accepted_ms,
        .id = item->entry.id,
    };
    if (source->node[0] != '\0') {
        hark_origin(line->intake, source->node, &space->id, 0);
        line->intake_position = source->position;
    }
    pending->count++;
    pending->bytes += item->object.size + item->payload.size;
    rc = copy_span(&item->object, err);
    if (rc < 0)
        item->payload = (struct hark_span){0};
    else
        rc = copy_span(&item->payload, err);
    return rc;
}

/* What was signed here a moment ago has not left this process: it is nobody's twin. */
static void note_refused(struct hark_space *space, const struct hark_offer *offer, bool first_hand,
                         const struct space_item *item, int code)
{
    if (code == HARK_E_ENTRY_TWIN && !(first_hand && offer->trusted))
        hark_convict_suspect(space, &item->entry.author, item->object, (struct hark_span){0});
}

static int add(struct hark_space *space, const struct hark_offer *offer,
               const struct source *source, const struct hark_signer *log_key,
               struct hark_logged *out, struct hark_err *err)
{
    bool first_hand = source->node[0] == '\0';
    struct space_item *item = NULL;
    uint64_t now_ms = offer->now_ms;
    int rc;

    if (!space->pending.open)
        return hark_err_set(err, HARK_E_INTERNAL, "no batch was begun");
    rc = make_room(space, offer, source, log_key, &item, err);
    if (rc < 0)
        return rc;
    if (!first_hand && now_ms < source->accepted_ms)
        now_ms = source->accepted_ms;
    item->arrival.arrival_ms = next_arrival(space, now_ms);
    item->arrival.accepted_ms = first_hand ? item->arrival.arrival_ms : source->accepted_ms;
    item->arrival.git_id = item->git_id;
    if (offer->accept) {
        rc = hark_space_item_acceptable(space->state, item, err);
        note_refused(space, offer, first_hand, item, rc);
        if (rc < 0)
            return rc;
    }
    rc = hark_space_item_apply(space->state, item, err);
    note_refused(space, offer, first_hand, item, rc);
    if (rc < 0) {
        if (!hark_space_is_refusal(rc))
            hark_space_rollback(space);
        return rc;
    }
    rc = keep_item(space, item, source, err);
    if (rc < 0) {
        hark_space_rollback(space);
        return rc;
    }
    if (out != NULL) {
        out->position = item->effect.position;
        out->id = item->entry.id;
        out->effect = item->effect;
        out->in_flight = false;
    }
    return 0;
}

int hark_space_add(struct hark_space *space, const struct hark_offer *offer,
                   const struct hark_signer *log_key, struct hark_logged *out, struct hark_err *err)
{
    struct source source = {.node = ""};

    return add(space, offer, &source, log_key, out, err);
}

int hark_space_add_from(struct hark_space *space, const struct hark_offer *offer, const char *node,
                        uint64_t position, uint64_t accepted_ms, const struct hark_signer *log_key,
                        struct hark_logged *out, struct hark_err *err)
{
    struct source source = {.node = node, .position = position, .accepted_ms = accepted_ms};

    return add(space, offer, &source, log_key, out, err);
}

int hark_space_pending_taken(struct hark_space *space, const struct hark_taken *taken, size_t count,
                             struct hark_err *err)
{
    struct space_pending *pending = &space->pending;
    int rc = 0;

    if (!pending->open)
        return hark_err_set(err, HARK_E_INTERNAL, "no batch was begun");
    if (count > HARK_BATCH_TAKEN_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "a batch says of at most %u intakes how far",
                            HARK_BATCH_TAKEN_MAX);
    pending->taken_count = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        bool advances = false;

        rc = hark_space_taken_advances(&space->store, &taken[i], &advances, err);
        if (rc == 0 && advances)
            pending->taken[pending->taken_count++] = taken[i];
    }
    return rc;
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
    if (pending->count > 0)
        w->head.last_arrival_ms = pending->lines[pending->count - 1].arrival_ms;
    /* Not before any arrival, nor before the last batch, whatever the clock does. */
    if (now_ms > w->head.last_time_ms)
        w->head.last_time_ms = now_ms;
    if (w->head.last_arrival_ms > w->head.last_time_ms)
        w->head.last_time_ms = w->head.last_arrival_ms;
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
    w->batch.first = space->head.tree.size;
    w->batch.count = pending->count;
    w->batch.time_ms = w->head.last_time_ms;
    w->batch.has_previous = space->head.has_batch;
    w->batch.previous = space->head.batch;
    w->batch.previous_id = space->head.batch_id;
    w->batch.entries = hark_sha256(hark_buf_span(&w->entries));
    rc = hark_space_restate(space, &w->batch, err);
    if (rc == 0)
        rc = hark_batch_build(&w->commit, &w->batch, &w->tree_id, w->ids, log_key, err);
    if (rc < 0)
        return rc;
    w->head.has_batch = true;
    w->head.batch = hark_sha256(hark_buf_span(&w->commit));
    w->commit_id = hark_git_hash(HARK_GIT_COMMIT, hark_buf_span(&w->commit));
    return 0;
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
    if (rc < 0) {
        hark_space_store_failed(space);
        return rc;
    }
    w->head.batch_id = id;
    rc = hark_index_commit(space->index, err);
    if (rc < 0) {
        /* Logged, but not indexed: the space has to be opened anew, which
         * catches up. */
        space->damaged = true;
        return hark_err_wrap(err, rc, "the batch is logged; indexing it");
    }
    space->head = w->head;
    space->batches++;
    space->flight_stale = true;
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
    if (pending->count == 0 && pending->taken_count == 0) {
        hark_space_rollback(space);
        return 0;
    }
    w.raw = calloc(pending->count + 1, sizeof(*w.raw));
    w.ids = calloc(pending->count + 1, sizeof(*w.ids));
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
        rc = hark_space_apply_taken(space->state, &space->store, &space->head, &w.batch, err);
    if (rc == 0)
        rc = hark_space_check_taken(space, &w.batch, err);
    if (rc == 0)
        rc =
            hark_space_note_delay(space->state, &space->store, pending->items, pending->count, err);
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
