/*
 * Batches read and prepared by all threads, judged by one at a time.
 *
 * Every thread does whatever is next: judge the oldest batch, when it is ready and
 * nobody judges; else read and prepare one more (objects out of git with a handle of
 * its own, hashes, signatures, payloads). So a single thread does both in turn, and
 * with more none waits while there is something to do. Batches lie in a ring, which
 * bounds how far reading runs ahead, and with it the memory.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "node/audit_internal.h"

#define RING_MAX 16u

/* PROTOCOL.md 11, with room for the entry that is allowed beyond. */
#define BATCH_BYTES_MAX                                                                            \
    ((size_t)HARK_BATCH_COMMIT_MAX + HARK_BATCH_FILE_MAX + HARK_BATCH_CHECKPOINT_MAX +             \
     BATCH_BYTES_FULL + HARK_ENTRY_MAX + HARK_PAYLOAD_MAX)

/* Where something lies in batch->bytes, which moves while it grows. */
struct audit_part {
    size_t at, size;
};

enum { PART_COMMIT, PART_CHECKPOINT, PART_ENTRIES, PARTS_FIXED };

static struct hark_span part_of(const struct audit_batch *b, size_t part)
{
    if (b->bytes.data == NULL)
        return (struct hark_span){0};
    return hark_span(b->bytes.data + b->parts[part].at, b->parts[part].size);
}

/* --- one batch ------------------------------------------------------------------- */

static int make_room(struct audit_batch *b, size_t count, struct hark_err *err)
{
    if (count <= b->capacity && b->parts != NULL)
        return 0;
    free(b->raw_items);
    free(b->items);
    free(b->ids);
    free(b->payload_codes);
    free(b->parts);
    b->capacity = count;
    b->raw_items = calloc(count + 1, sizeof(*b->raw_items));
    b->items = calloc(count + 1, sizeof(*b->items));
    b->ids = calloc(count + 1, sizeof(*b->ids));
    b->payload_codes = calloc(count + 1, sizeof(*b->payload_codes));
    b->parts = calloc(PARTS_FIXED + 2 * count, sizeof(*b->parts));
    if (b->raw_items == NULL || b->items == NULL || b->ids == NULL || b->payload_codes == NULL ||
        b->parts == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    return 0;
}

static void empty_batch(struct audit_batch *b)
{
    hark_buf_clear(&b->bytes);
    if (b->capacity > 0) {
        memset(b->raw_items, 0, b->capacity * sizeof(*b->raw_items));
        memset(b->items, 0, b->capacity * sizeof(*b->items));
        memset(b->payload_codes, 0, b->capacity * sizeof(*b->payload_codes));
    }
    if (b->parts != NULL)
        memset(b->parts, 0, (PARTS_FIXED + 2 * b->capacity) * sizeof(*b->parts));
    b->code = 0;
    b->err = (struct hark_err){0};
    b->missing = b->parsed = b->files = false;
    b->raw = (struct hark_raw_batch){.count = 0};
}

static void free_batch(struct audit_batch *b)
{
    hark_buf_free(&b->bytes);
    free(b->raw_items);
    free(b->items);
    free(b->ids);
    free(b->payload_codes);
    free(b->parts);
}

/* Appends an object; its error is the caller's to sort out. */
static int read_part(struct hark_repo *repo, enum hark_git_type type, const struct hark_git_id *id,
                     struct audit_batch *b, size_t part, struct hark_err *err)
{
    size_t at = b->bytes.size;
    int rc = hark_repo_read(repo, type, id, &b->bytes, err);

    if (rc == HARK_E_LIMIT)
        rc = hark_err_set(err, HARK_E_BATCH_FORM, "it holds more than a batch may");
    if (rc == 0)
        b->parts[part] = (struct audit_part){at, b->bytes.size - at};
    return rc;
}

static int read_commit(struct hark_repo *repo, struct audit_batch *b, struct hark_git_id *tree,
                       struct hark_err *err)
{
    struct hark_commit commit;
    size_t count, before;
    int rc = make_room(b, 0, err);

    if (rc == 0)
        rc = read_part(repo, HARK_GIT_COMMIT, &b->id, b, PART_COMMIT, err);
    if (rc < 0)
        return rc;
    if (hark_commit_parse(&commit, part_of(b, PART_COMMIT), HARK_BATCH_ENTRIES_MAX + 1, err) < 0)
        return hark_err_set(err, HARK_E_BATCH_FORM, "not a batch: a commit of another form");
    before = commit.parent_count > 0 && hark_audit_has_previous(commit.message) ? 1 : 0;
    count = commit.parent_count - before;
    if (!hark_take_literal(&commit.message, "batch ") || count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_BATCH_FORM, "not a batch: a commit of another kind");
    rc = hark_hex_decode(tree->bytes, sizeof(tree->bytes), hark_span_str(commit.tree), err);
    if (rc == 0 && count > b->capacity) {
        struct audit_part kept = b->parts[PART_COMMIT];

        rc = make_room(b, count, err);
        if (rc == 0)
            b->parts[PART_COMMIT] = kept;
    }
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        b->ids[i] = hark_commit_parent(&commit, before + i);
    b->raw.count = count;
    b->parsed = true;
    return 0;
}

static int read_files(struct hark_repo *repo, const struct hark_git_id *tree, struct audit_batch *b,
                      struct hark_err *err)
{
    struct hark_buf checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    struct hark_buf entries = hark_buf_init(HARK_BATCH_FILE_MAX);
    int rc = hark_repo_read_files(repo, tree, &checkpoint, &entries, err);

    if (rc == HARK_E_LIMIT)
        rc = hark_err_set(err, HARK_E_BATCH_FORM, "a file of the batch is too long");
    if (rc == 0) {
        b->parts[PART_CHECKPOINT] = (struct audit_part){b->bytes.size, checkpoint.size};
        rc = hark_buf_append_span(&b->bytes, hark_buf_span(&checkpoint), err);
    }
    if (rc == 0) {
        b->parts[PART_ENTRIES] = (struct audit_part){b->bytes.size, entries.size};
        rc = hark_buf_append_span(&b->bytes, hark_buf_span(&entries), err);
    }
    b->files = rc == 0;
    hark_buf_free(&checkpoint);
    hark_buf_free(&entries);
    return rc;
}

/* The payload of an entry that names one, if it is here. */
static int read_payload(const struct audit_log *log, struct hark_repo *repo, struct audit_batch *b,
                        size_t i, struct hark_err *err)
{
    struct space_item *item = &b->items[i];
    struct hark_git_id blob;
    struct hark_err why = {0};
    int rc;

    item->payload_state = 2;
    if (!hark_audit_blob(log, b->first + i, &item->entry.payload_hash, &blob))
        return 0;
    rc = read_part(repo, HARK_GIT_BLOB, &blob, b, PARTS_FIXED + 2 * i + 1, &why);
    if (rc == 0)
        item->payload_state = 1;
    else if (!hark_audit_is_trouble(rc))
        b->payload_codes[i] = rc == HARK_E_BATCH_FORM ? HARK_E_PAYLOAD_SIZE : rc;
    else if (err != NULL)
        *err = why;
    return rc < 0 && hark_audit_is_trouble(rc) ? rc : 0;
}

static int read_entry(const struct audit_log *log, struct hark_repo *repo, struct audit_batch *b,
                      size_t i, struct hark_err *err)
{
    struct space_item *item = &b->items[i];
    int rc = read_part(repo, HARK_GIT_COMMIT, &b->ids[i], b, PARTS_FIXED + 2 * i, &item->err);

    if (hark_audit_is_missing(rc)) {
        item->code = rc;
        b->missing = true;
        return 0;
    }
    if (rc < 0) {
        if (err != NULL)
            *err = item->err;
        return rc;
    }
    item->object = part_of(b, PARTS_FIXED + 2 * i);
    item->audited = true;
    item->git_id = b->ids[i]; /* hark_repo_read has hashed the bytes */
    hark_space_item_read(item, false);
    return item->code == 0 && item->entry.has_payload ? read_payload(log, repo, b, i, err) : 0;
}

/* Everything is read and moves no more. A payload that is not the one named is as good
 * as absent, and told apart from the log. */
static void settle(struct audit_batch *b)
{
    for (size_t i = 0; i < b->raw.count; i++) {
        struct space_item *item = &b->items[i];

        item->object = part_of(b, PARTS_FIXED + 2 * i);
        if (item->payload_state == 1)
            item->payload = part_of(b, PARTS_FIXED + 2 * i + 1);
        if (item->code == 0) {
            hark_space_item_match(item);
            if (item->code == HARK_E_PAYLOAD_SIZE || item->code == HARK_E_PAYLOAD_HASH) {
                b->payload_codes[i] = item->code;
                item->code = 0;
                item->payload_state = 2;
                item->payload = (struct hark_span){0};
            }
        }
        b->raw_items[i] = (struct hark_raw_entry){item->object, item->payload_state, item->payload};
    }
    b->raw.items = b->raw_items;
    b->raw.commit = part_of(b, PART_COMMIT);
    if (b->files) {
        b->raw.checkpoint = part_of(b, PART_CHECKPOINT);
        b->raw.entries = part_of(b, PART_ENTRIES);
    }
}

/* An error is trouble of ours; what is wrong with the batch stands in it. */
static int read_batch(const struct audit_log *log, struct hark_repo *repo, struct audit_batch *b,
                      struct hark_err *err)
{
    struct hark_git_id tree;
    int rc;

    empty_batch(b);
    rc = read_commit(repo, b, &tree, &b->err);
    if (rc == 0)
        rc = read_files(repo, &tree, b, &b->err);
    for (size_t i = 0; i < b->raw.count && !hark_audit_is_trouble(rc); i++) {
        int one = read_entry(log, repo, b, i, rc == 0 ? &b->err : NULL);

        rc = rc == 0 || hark_audit_is_trouble(one) ? one : rc;
        if (one < 0) {
            /* Larger than a batch: the rest is not looked at. */
            b->raw.count = i;
            b->parsed = false;
        }
    }
    if (b->parts == NULL || hark_audit_is_trouble(rc)) {
        if (err != NULL)
            *err = b->err;
        return rc;
    }
    b->code = rc;
    settle(b);
    return 0;
}

/* --- all of them ---------------------------------------------------------------------- */

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READY };

struct slot {
    enum slot_state state;
    struct audit_batch batch;
};

struct reading {
    struct audit_log *log;
    hark_audit_judge_fn *judge;
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t ring; /* slots in use */
    struct slot slots[RING_MAX];
    size_t next_read, next_judged;
    bool judging;
    int rc; /* of the first thread that failed */
    struct hark_err err;
};

static void fail(struct reading *r, int rc, const struct hark_err *err)
{
    if (rc < 0 && r->rc == 0) {
        r->rc = rc;
        r->err = *err;
    }
}

/* Both are called and return with the lock held, and let go of it meanwhile. */
static void judge_next(struct reading *r)
{
    struct slot *slot = &r->slots[r->next_judged % r->ring];
    struct hark_err err = {0};
    int rc;

    r->judging = true;
    pthread_mutex_unlock(&r->lock);
    rc = r->judge(r->arg, &slot->batch, &err);
    pthread_mutex_lock(&r->lock);
    fail(r, rc, &err);
    slot->state = SLOT_FREE;
    r->judging = false;
    r->next_judged++;
    pthread_cond_broadcast(&r->changed);
}

static void read_next(struct reading *r, struct hark_repo *repo)
{
    size_t number = r->next_read++;
    struct slot *slot = &r->slots[number % r->ring];
    struct hark_err err = {0};
    int rc;

    slot->state = SLOT_READING;
    pthread_mutex_unlock(&r->lock);
    slot->batch.number = number;
    slot->batch.id = r->log->ids[number];
    slot->batch.first = r->log->firsts[number];
    rc = read_batch(r->log, repo, &slot->batch, &err);
    pthread_mutex_lock(&r->lock);
    fail(r, rc, &err);
    slot->state = SLOT_READY;
    pthread_cond_broadcast(&r->changed);
}

static void work(void *arg, size_t thread)
{
    struct reading *r = arg;
    struct hark_repo *repo = NULL;
    struct hark_err err = {0};
    int rc = hark_repo_view(&repo, r->log->audit->path, &err);

    (void)thread;
    if (rc == 0)
        hark_repo_near(repo, true);
    pthread_mutex_lock(&r->lock);
    fail(r, rc, &err);
    while (r->rc == 0 && r->next_judged < r->log->count) {
        if (!r->judging && r->slots[r->next_judged % r->ring].state == SLOT_READY)
            judge_next(r);
        else if (r->next_read < r->log->count && r->next_read < r->next_judged + r->ring)
            read_next(r, repo);
        else
            pthread_cond_wait(&r->changed, &r->lock);
    }
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    hark_repo_free(repo);
}

int hark_audit_read(struct audit_log *log, hark_audit_judge_fn *judge, void *arg,
                    struct hark_err *err)
{
    unsigned threads = hark_pool_threads(log->audit->pool);
    struct reading *r = calloc(1, sizeof(*r));
    int rc;

    if (r == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for reading a log");
    r->log = log;
    r->judge = judge;
    r->arg = arg;
    r->ring = 2 * (size_t)threads < RING_MAX ? 2 * (size_t)threads : RING_MAX;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    for (size_t i = 0; i < r->ring; i++)
        r->slots[i].batch.bytes = hark_buf_init(BATCH_BYTES_MAX);
    hark_pool_run(log->audit->pool, threads, work, r);
    rc = r->rc;
    if (rc < 0 && err != NULL)
        *err = r->err;
    for (size_t i = 0; i < r->ring; i++)
        free_batch(&r->slots[i].batch);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return rc;
}
