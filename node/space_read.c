/*
 * Reading a log back from git: batches whole, entries and payloads by their row.
 */
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"

/* The most that a batch can weigh: files, commit, and entries with payloads. */
#define BATCH_BYTES_MAX                                                                            \
    (HARK_BATCH_COMMIT_MAX + HARK_BATCH_FILE_MAX + HARK_BATCH_CHECKPOINT_MAX +                     \
     HARK_BATCH_ENTRIES_MAX * (size_t)(HARK_ENTRY_MAX + HARK_PAYLOAD_MAX))

/* --- which batches there are ----------------------------------------------- */

static int first_parent(struct hark_space *space, const struct hark_git_id *id, bool *has,
                        struct hark_git_id *parent, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_repo_read(space->repo, HARK_GIT_COMMIT, id, &bytes, err);
    if (rc == 0)
        rc = hark_batch_parse(batch, NULL, NULL, hark_buf_span(&bytes), NULL, err);
    if (rc == 0) {
        *has = batch->has_previous;
        *parent = batch->previous_id;
    }
    hark_buf_free(&bytes);
    free(batch);
    return rc;
}

int hark_space_batches_after(struct hark_space *space, const char *log,
                             const struct hark_git_id *stop, struct hark_git_id **ids,
                             size_t *count, struct hark_err *err)
{
    struct hark_git_id *list = NULL;
    size_t used = 0, capacity = 0;
    struct hark_git_id at;
    bool more = false;
    int rc;

    *ids = NULL;
    *count = 0;
    rc = hark_repo_head(space->repo, log, &more, &at, err);
    while (rc == 0 && more && (stop == NULL || !hark_git_id_equal(&at, stop))) {
        if (used == capacity) {
            size_t bigger = capacity == 0 ? 64 : 2 * capacity;
            struct hark_git_id *grown = realloc(list, bigger * sizeof(*list));

            if (grown == NULL) {
                rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu batches", bigger);
                break;
            }
            list = grown;
            capacity = bigger;
        }
        list[used++] = at;
        rc = first_parent(space, &at, &more, &at, err);
    }
    if (rc == 0 && !more && stop != NULL)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the index is not of this log");
    if (rc < 0) {
        free(list);
        return rc;
    }
    for (size_t i = 0; i < used / 2; i++) {
        struct hark_git_id swap = list[i];

        list[i] = list[used - 1 - i];
        list[used - 1 - i] = swap;
    }
    *ids = list;
    *count = used;
    return 0;
}

/* --- one batch --------------------------------------------------------------- */

/* Where a part lies in batch->bytes; spans are made when it no longer moves. */
struct part {
    size_t at, size;
};

static struct hark_span part_span(const struct hark_buf *buf, struct part part)
{
    return hark_span(buf->data + part.at, part.size);
}

static int read_object(struct hark_space *space, enum hark_git_type type,
                       const struct hark_git_id *id, struct hark_buf *buf, struct part *part,
                       struct hark_err *err)
{
    int rc;

    part->at = buf->size;
    rc = hark_repo_read(space->repo, type, id, buf, err);
    part->size = buf->size - part->at;
    return rc;
}

static int read_files(struct hark_space *space, const struct hark_git_id *tree,
                      struct hark_buf *buf, struct part *checkpoint, struct part *entries,
                      struct hark_err *err)
{
    struct hark_buf a = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    struct hark_buf b = hark_buf_init(HARK_BATCH_FILE_MAX);
    int rc = hark_repo_read_files(space->repo, tree, &a, &b, err);

    if (rc == 0) {
        *checkpoint = (struct part){buf->size, a.size};
        rc = hark_buf_append_span(buf, hark_buf_span(&a), err);
    }
    if (rc == 0) {
        *entries = (struct part){buf->size, b.size};
        rc = hark_buf_append_span(buf, hark_buf_span(&b), err);
    }
    hark_buf_free(&a);
    hark_buf_free(&b);
    return rc;
}

/* Reads entry i with its payload; fills object and payload parts. */
static int read_item(struct hark_space *space, const struct hark_git_id *id, uint64_t position,
                     space_find_blob_fn *find, void *arg, struct hark_space_batch *out, size_t i,
                     struct part *object, struct part *payload, struct hark_err *err)
{
    struct hark_hash hash;
    struct hark_git_id blob;
    bool present = false;
    int rc;

    rc = read_object(space, HARK_GIT_COMMIT, id, &out->bytes, object, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "position %llu", (unsigned long long)position);
    /* It was judged when it was stored, and is judged again by whoever takes it. */
    if (!hark_entry_names_payload(part_span(&out->bytes, *object), &hash))
        return 0;
    rc = find(arg, position, &hash, &present, &blob, err);
    if (rc < 0)
        return rc;
    out->items[i].payload_state = present ? 1 : 2;
    if (present)
        rc = read_object(space, HARK_GIT_BLOB, &blob, &out->bytes, payload, err);
    return rc;
}

int hark_space_load_batch(struct hark_space *space, const struct hark_git_id *id,
                          space_find_blob_fn *find, void *arg, struct hark_space_batch *out,
                          struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_git_id *entry_ids = NULL, tree;
    struct part commit = {0}, entries = {0}, checkpoint = {0}, *parts = NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    out->bytes = hark_buf_init(BATCH_BYTES_MAX);
    out->git_id = *id;
    if (batch == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
        goto out;
    }
    rc = read_object(space, HARK_GIT_COMMIT, id, &out->bytes, &commit, err);
    if (rc == 0)
        rc = hark_batch_parse(batch, &tree, &entry_ids, hark_buf_span(&out->bytes), NULL, err);
    if (rc == 0)
        rc = read_files(space, &tree, &out->bytes, &checkpoint, &entries, err);
    if (rc < 0)
        goto out;
    out->items = calloc(batch->count + 1, sizeof(*out->items));
    parts = calloc(2 * batch->count + 1, sizeof(*parts));
    if (out->items == NULL || parts == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
        goto out;
    }
    for (size_t i = 0; i < batch->count && rc == 0; i++)
        rc = read_item(space, &entry_ids[i], batch->first + i, find, arg, out, i, &parts[2 * i],
                       &parts[2 * i + 1], err);
    if (rc < 0)
        goto out;
    for (size_t i = 0; i < batch->count; i++) {
        out->items[i].object = part_span(&out->bytes, parts[2 * i]);
        if (out->items[i].payload_state == 1)
            out->items[i].payload = part_span(&out->bytes, parts[2 * i + 1]);
    }
    out->raw = (struct hark_raw_batch){.commit = part_span(&out->bytes, commit),
                                       .entries = part_span(&out->bytes, entries),
                                       .checkpoint = part_span(&out->bytes, checkpoint),
                                       .count = batch->count,
                                       .items = out->items};
out:
    free(parts);
    free(entry_ids);
    free(batch);
    if (rc < 0)
        hark_space_batch_free(out);
    return rc;
}

void hark_space_batch_free(struct hark_space_batch *batch)
{
    if (batch == NULL)
        return;
    hark_buf_free(&batch->bytes);
    free(batch->items);
    batch->items = NULL;
}

/* --- payload blobs ----------------------------------------------------------- */

struct space_blob {
    struct hark_hash hash;
    struct hark_git_id blob;
};

static int list_blob(void *arg, const struct hark_hash *hash, const struct hark_git_id *blob,
                     size_t size, struct hark_err *err)
{
    struct space_blobs *blobs = arg;

    (void)size;
    if (blobs->count == blobs->capacity) {
        size_t bigger = blobs->capacity == 0 ? 1024 : 2 * blobs->capacity;
        struct space_blob *grown = realloc(blobs->list, bigger * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu payloads", bigger);
        blobs->list = grown;
        blobs->capacity = bigger;
    }
    blobs->list[blobs->count++] = (struct space_blob){*hash, *blob};
    return 0;
}

static int compare_blobs(const void *a, const void *b)
{
    return memcmp(((const struct space_blob *)a)->hash.bytes,
                  ((const struct space_blob *)b)->hash.bytes, HARK_HASH_SIZE);
}

static int list_blobs(struct space_blobs *blobs, struct hark_err *err)
{
    int rc = hark_repo_each_payload(blobs->space->repo, list_blob, blobs, err);

    if (rc == 0 && blobs->count > 0)
        qsort(blobs->list, blobs->count, sizeof(*blobs->list), compare_blobs);
    blobs->listed = rc == 0;
    return rc;
}

int hark_space_find_blob_in_git(void *arg, uint64_t position, const struct hark_hash *hash,
                                bool *present, struct hark_git_id *blob, struct hark_err *err)
{
    struct space_blobs *blobs = arg;
    struct space_blob key = {.hash = *hash}, *found = NULL;
    const char *log = blobs->log != NULL ? blobs->log : "main";
    uint64_t covered = 0;
    int rc;

    rc = hark_repo_payload_at(blobs->space->repo, log, position, present, blob, err);
    if (rc < 0 || *present)
        return rc;
    /* What the ref covers and does not have is not here. */
    rc = hark_repo_payloads_covered(blobs->space->repo, log, &covered, err);
    if (rc < 0 || position < covered)
        return rc;
    if (!blobs->listed) {
        rc = list_blobs(blobs, err);
        if (rc < 0)
            return rc;
    }
    if (blobs->count > 0)
        found = bsearch(&key, blobs->list, blobs->count, sizeof(key), compare_blobs);
    *present = found != NULL;
    if (found != NULL)
        *blob = found->blob;
    return 0;
}

void hark_space_blobs_free(struct space_blobs *blobs)
{
    free(blobs->list);
    memset(blobs, 0, sizeof(*blobs));
}

static int find_blob_in_index(void *arg, uint64_t position, const struct hark_hash *hash,
                              bool *present, struct hark_git_id *blob, struct hark_err *err)
{
    struct hark_space *space = arg;
    struct hark_row row = {0};
    int rc = hark_index_row(space->index, position, &row, err);

    (void)hash;
    if (rc < 0)
        return rc;
    *present = row.has_blob && row.says != HARK_SAYS_ERASED;
    *blob = row.blob;
    return 0;
}

void hark_space_near(struct hark_space *space, bool begins)
{
    hark_repo_near(space->repo, begins);
}

int hark_space_read_batch(struct hark_space *space, const char *node, uint64_t number,
                          struct hark_space_batch *out, struct hark_err *err)
{
    struct hark_index_batch row;
    bool own = false;
    int rc;

    memset(out, 0, sizeof(*out));
    if (node[0] != '\0')
        return hark_space_intake_read(space, node, number, out, err);
    rc = hark_index_view(space->index, &own, err); /* one, not one an entry */
    if (rc < 0)
        return rc;
    rc = hark_index_batch_nth(space->index, number, &row, err);
    if (rc == 0)
        rc = hark_space_load_batch(space, &row.git_id, find_blob_in_index, space, out, err);
    hark_index_view_end(space->index, own);
    return rc;
}

/* --- where a log stands ---------------------------------------------------------- */

int hark_space_log(struct hark_space *space, const char *node, struct hark_log_head *head,
                   uint64_t *batches, struct hark_err *err)
{
    *batches = 0;
    if (node[0] != '\0')
        return hark_space_intake_log(space, node, head, batches, err);
    if (!space->head.has_batch)
        return hark_err_set(err, HARK_E_NOT_FOUND, "the log is empty");
    *head = space->head;
    *batches = space->batches;
    return 0;
}

int hark_space_fits(struct hark_space *space, const char *node, uint64_t batches, uint64_t size,
                    const struct hark_hash *root, bool *fits, struct hark_err *err)
{
    struct hark_hash ours = hark_merkle_empty();
    struct hark_index_batch last = {.number = 0};
    int rc = 0;

    *fits = false;
    if (node[0] != '\0')
        return hark_space_intake_fits(space, node, batches, size, root, fits, err);
    if (batches > 0)
        rc = hark_index_batch_nth(space->index, batches - 1, &last, err);
    if (rc == HARK_E_NOT_FOUND)
        return 0;
    if (rc < 0 || last.first + last.count != size)
        return rc;
    if (size > 0)
        rc = hark_merkle_root_at(&ours, size, hark_index_merkle_read, space->index, err);
    *fits = rc == 0 && hark_hash_equal(&ours, root);
    return rc;
}

/* --- single things ------------------------------------------------------------- */

int hark_space_entry(struct hark_space *space, const struct hark_row *row, struct hark_buf *out,
                     struct hark_err *err)
{
    return hark_repo_read(space->repo, HARK_GIT_COMMIT, &row->git_id, out, err);
}

int hark_space_payload(struct hark_space *space, const struct hark_row *row, struct hark_buf *out,
                       struct hark_err *err)
{
    if (row->says == HARK_SAYS_ERASED)
        return hark_err_set(err, HARK_E_PAYLOAD_ERASED, "the payload was erased");
    if (!row->has_payload || !row->has_blob)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no payload here");
    return hark_repo_read(space->repo, HARK_GIT_BLOB, &row->blob, out, err);
}

int hark_space_payload_json(struct hark_space *space, const struct hark_row *row, json_t **json,
                            struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(space->state);
    struct hark_buf bytes = hark_buf_init(HARK_PAYLOAD_MAX);
    int number = hark_kinds_find(kinds, row->kind);
    int rc;

    *json = NULL;
    if (row->says != HARK_SAYS_IT || number < 0)
        return 0;
    rc = hark_space_payload(space, row, &bytes, err);
    if (rc == 0)
        rc = hark_payload_check(hark_kinds_get(kinds, (size_t)number), hark_buf_span(&bytes), json,
                                err);
    hark_buf_free(&bytes);
    return rc;
}

/* An entry's id is the SHA-256 of its commit: what has that git id says whether it is one. */
static int find_commit(struct hark_space *space, const char *hex, bool *found, uint64_t *position,
                       struct hark_err *err)
{
    struct hark_buf commit = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_git_id git_id;
    struct hark_hash id;
    int rc = hark_repo_find(space->repo, hex, found, &git_id, err);

    if (rc < 0 || !*found)
        return rc;
    *found = false;
    rc = hark_repo_read(space->repo, HARK_GIT_COMMIT, &git_id, &commit, err);
    if (rc == 0) {
        id = hark_sha256(hark_buf_span(&commit));
        rc = hark_state_find_entry(space->state, &id, found, position, err);
    }
    hark_buf_free(&commit);
    /* Another kind of object, or a batch. */
    return rc == HARK_E_NOT_FOUND || rc == HARK_E_LIMIT ? 0 : rc;
}

int hark_space_find(struct hark_space *space, const char *hex, struct hark_row *out,
                    struct hark_err *err)
{
    struct hark_err none = {0};
    uint64_t position = 0;
    bool found = false;
    int rc = hark_index_find(space->index, hex, out, &none);

    if ((rc == 0 || rc == HARK_E_NOT_FOUND) && strlen(hex) <= 2 * HARK_GIT_ID_SIZE) {
        int by_git = find_commit(space, hex, &found, &position, err);

        if (by_git < 0)
            return by_git;
        if (found && rc == 0 && out->position != position)
            return hark_err_set(err, HARK_E_AMBIGUOUS, "more than one entry begins with %s", hex);
        if (found)
            return hark_index_row(hark_space_view(space), position, out, err);
    }
    if (rc == 0 && hark_space_view(space) != space->index)
        return hark_index_row(hark_space_view(space), out->position, out, err);
    if (rc < 0 && err != NULL)
        *err = none;
    return rc;
}

int hark_space_checkpoint(struct hark_space *space, struct hark_buf *out, struct hark_err *err)
{
    return space->head.has_batch ? hark_space_checkpoint_of(space, &space->head.batch_id, out, err)
                                 : hark_err_set(err, HARK_E_NOT_FOUND, "the log is empty");
}

int hark_space_checkpoint_of(struct hark_space *space, const struct hark_git_id *id,
                             struct hark_buf *out, struct hark_err *err)
{
    struct hark_buf commit = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_buf entries = hark_buf_init(HARK_BATCH_FILE_MAX);
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_git_id tree;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_repo_read(space->repo, HARK_GIT_COMMIT, id, &commit, err);
    if (rc == 0)
        rc = hark_batch_parse(batch, &tree, NULL, hark_buf_span(&commit), NULL, err);
    if (rc == 0)
        rc = hark_repo_read_files(space->repo, &tree, out, &entries, err);
    hark_buf_free(&commit);
    hark_buf_free(&entries);
    free(batch);
    return rc;
}
