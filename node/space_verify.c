/*
 * A repository verified from nothing but itself, over a state in memory: the main
 * log, then the intakes that hang on it.
 */
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"

static void count_items(const struct space_item *items, size_t count, struct hark_verified *out)
{
    out->entries += count;
    out->batches++;
    for (size_t i = 0; i < count; i++) {
        if (items[i].effect.verdict != 0)
            out->void_entries++;
        if (items[i].payload.data != NULL)
            out->payloads++;
        else if (items[i].entry.has_payload)
            out->erased++;
    }
}

static int verify_batch(struct hark_space *space, struct hark_state *state,
                        const struct hark_store *store, struct space_blobs *blobs,
                        const struct hark_git_id *id, uint64_t now_ms, struct hark_log_head *head,
                        struct hark_verified *out, struct hark_err *err)
{
    struct hark_space_batch loaded;
    struct space_item *items = NULL;
    struct hark_line *lines = NULL;
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_log_head next = {.has_batch = false};
    size_t count = 0;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_space_load_batch(space, id, hark_space_find_blob_in_git, blobs, &loaded, err);
    if (rc < 0) {
        free(batch);
        return rc;
    }
    count = loaded.raw.count;
    items = calloc(count + 1, sizeof(*items));
    if (items == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    else
        rc = hark_space_check_batch(state, store, space->pool, head, &loaded.raw, now_ms, items,
                                    &next, batch, &lines, err);
    if (rc == 0) {
        *head = next;
        count_items(items, count, out);
    }
    for (size_t i = 0; items != NULL && i < count; i++)
        hark_space_item_clear(&items[i]);
    free(items);
    free(lines);
    free(batch);
    hark_space_batch_free(&loaded);
    return rc;
}

/* --- intakes ------------------------------------------------------------------- */

/* Where batches of the main log ended. */
struct ends {
    size_t count;
    struct end {
        uint64_t size;
        struct hark_hash root;
    } * list;
};

static bool is_end(const struct ends *ends, uint64_t size, const struct hark_hash *root)
{
    size_t low = 0, high = ends->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ends->list[middle].size < size)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ends->count && ends->list[low].size == size &&
           hark_hash_equal(&ends->list[low].root, root);
}

/* Everything of PROTOCOL.md 7.2 but the places of entries in their feeds, which the
 * index was asked when the batch was taken. *there false: it hangs on a main log that
 * is not here any more, since a new home went on from an earlier point. */
static int verify_intake_batch(struct hark_space *space, struct hark_state *state, const char *node,
                               const struct ends *ends, const struct hark_raw_batch *raw,
                               uint64_t now_ms, struct hark_log_head *head, bool *there,
                               struct hark_err *err)
{
    struct space_item *items = calloc(raw->count + 1, sizeof(*items));
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_git_id *entry_ids = NULL, tree;
    struct hark_line *lines = NULL;
    int rc;

    if (items == NULL || batch == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
        goto out;
    }
    hark_space_prepare_all(space->pool, raw, items);
    rc = hark_batch_check(head, batch, &lines, &tree, &entry_ids, head, raw, now_ms, err);
    if (rc == 0)
        rc = hark_space_check_git_ids(raw, items, &tree, entry_ids, err);
    *there = rc == 0 && is_end(ends, batch->main_size, &batch->main_root);
    if (rc == 0 && !*there && hark_state_space_object(state)->incarnation == 1)
        rc = hark_err_set(err, HARK_E_BATCH_MAIN,
                          "the main log had no batch that ended as Main of the one at %llu says",
                          (unsigned long long)batch->first);
    if (rc == 0 && *there)
        rc = hark_space_intake_check_named(state, node, &head->log_key, batch->main_size, err);
    if (rc == 0)
        rc = hark_space_check_prepared(items, raw->count, batch->first, err);
    if (rc == 0)
        head->batch_id = hark_git_hash(HARK_GIT_COMMIT, raw->commit);
out:
    free(items);
    free(batch);
    free(entry_ids);
    free(lines);
    return rc;
}

static int verify_intake(struct hark_space *space, struct hark_state *state,
                         const struct hark_node_object *node, const struct ends *ends,
                         uint64_t now_ms, struct hark_verified *out, struct hark_err *err)
{
    char log[HARK_LOG_NAME_MAX];
    struct space_blobs blobs = {.space = space, .log = log};
    struct hark_log_head head = {.log_key = node->keys.log};
    struct hark_git_id *ids = NULL;
    size_t count = 0;
    bool there = true;
    int rc = hark_space_log_name(log, node->name, err);

    hark_origin(head.origin, node->name, &space->id, 0);
    if (rc == 0)
        rc = hark_space_batches_after(space, log, NULL, &ids, &count, err);
    for (size_t i = 0; i < count && rc == 0 && there; i++) {
        struct hark_space_batch batch;

        rc =
            hark_space_load_batch(space, &ids[i], hark_space_find_blob_in_git, &blobs, &batch, err);
        if (rc < 0)
            break;
        rc = verify_intake_batch(space, state, node->name, ends, &batch.raw, now_ms, &head, &there,
                                 err);
        if (rc == 0 && there) {
            out->intake_batches++;
            out->intake_entries += batch.raw.count;
        }
        hark_space_batch_free(&batch);
    }
    hark_space_blobs_free(&blobs);
    free(ids);
    return rc < 0 ? hark_err_wrap(err, rc, "the intake of %s", node->name) : rc;
}

static int verify_intakes(struct hark_space *space, struct hark_state *state,
                          const struct ends *ends, uint64_t now_ms, struct hark_verified *out,
                          struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(state, counts, err);

    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node, first;
        bool found = false;

        rc = hark_state_node(state, (uint32_t)i, &node, err);
        if (rc == 0)
            rc = hark_space_node_called(state, node.name, &first, &found, err);
        /* A name that came again is the intake of the first. */
        if (rc == 0 && found && first.since == node.since)
            rc = verify_intake(space, state, &node, ends, now_ms, out, err);
    }
    return rc;
}

/* --- the whole ------------------------------------------------------------------- */

static int verify_main(struct hark_space *space, struct hark_state *state,
                       const struct hark_store *store, uint64_t now_ms, struct ends *ends,
                       struct hark_verified *out, struct hark_err *err)
{
    struct space_blobs blobs = {.space = space};
    struct hark_log_head head = {0};
    struct hark_git_id *ids = NULL;
    size_t count = 0;
    int rc = hark_space_batches_after(space, "main", NULL, &ids, &count, err);

    if (rc == 0) {
        ends->list = calloc(count + 1, sizeof(*ends->list));
        if (ends->list == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu batches", count);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = verify_batch(space, state, store, &blobs, &ids[i], now_ms, &head, out, err);
        ends->list[ends->count++] =
            (struct end){.size = head.tree.size, .root = hark_merkle_root(&head.tree)};
    }
    hark_space_blobs_free(&blobs);
    free(ids);
    return rc;
}

int hark_space_verify(struct hark_space *space, uint64_t now_ms, struct hark_verified *out,
                      struct hark_err *err)
{
    struct hark_memstore *mem = NULL;
    struct hark_state *state = NULL;
    struct ends ends = {.count = 0};
    struct hark_store store;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = hark_memstore_new(&mem, err);
    if (rc < 0)
        return rc;
    store = hark_memstore_store(mem);
    rc = hark_state_open(&state, &space->id, &store, err);
    if (rc == 0)
        rc = verify_main(space, state, &store, now_ms, &ends, out, err);
    if (rc == 0)
        rc = verify_intakes(space, state, &ends, now_ms, out, err);
    if (rc == 0)
        rc = hark_state_hash(state, &out->state_hash, err);
    free(ends.list);
    hark_state_free(state);
    hark_memstore_free(mem);
    return rc;
}
