/*
 * Preparing a batch on the pool while the one before it is judged and written: what
 * hangs on nothing but an entry's own bytes. That is most of the work, and all of it
 * that can be done on more than one core.
 */
#include <stdlib.h>

#include "node/space_internal.h"

/* What cannot be made ahead (no memory) is made when it is written. */
static void ignore(int rc)
{
    (void)rc;
}

static void pack(struct space_ahead *ahead, enum hark_git_type type, const struct hark_git_id *id,
                 struct hark_span bytes, struct hark_packed *out)
{
    ignore(hark_repo_pack(ahead->repo, type, id, bytes, out, NULL));
}

static void prepare_entry(struct space_ahead *ahead, size_t i)
{
    struct space_item *item = &ahead->items[i];
    struct hark_packed_entry *packed =
        ahead->packed.entries != NULL ? &ahead->packed.entries[i] : NULL;

    hark_space_item_prepare(item, false);
    if (item->code != 0)
        return;
    hark_space_item_read_payload(item);
    if (packed == NULL)
        return;
    pack(ahead, HARK_GIT_COMMIT, &item->git_id, item->object, &packed->object);
    if (item->payload.data != NULL)
        pack(ahead, HARK_GIT_BLOB, &item->blob, item->payload, &packed->payload);
}

/* The batch's own two come first: they are the largest. */
#define OWN 2u

static void prepare_nth(void *arg, size_t i)
{
    struct space_ahead *ahead = arg;
    struct hark_span bytes = i == 0 ? ahead->raw->entries : ahead->raw->commit;
    enum hark_git_type type = i == 0 ? HARK_GIT_BLOB : HARK_GIT_COMMIT;
    struct hark_git_id id;

    if (i >= OWN) {
        prepare_entry(ahead, i - OWN);
    } else if (ahead->packed.entries != NULL) {
        id = hark_git_hash(type, bytes);
        pack(ahead, type, &id, bytes, i == 0 ? &ahead->packed.lines : &ahead->packed.commit);
    }
}

int hark_space_ahead_start(struct hark_space *space, const struct hark_raw_batch *raw, bool store,
                           struct space_ahead *out, struct hark_err *err)
{
    *out = (struct space_ahead){.raw = raw, .repo = space->repo};
    if (raw->count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_BATCH_FORM, "a batch of %zu entries", raw->count);
    out->items = calloc(raw->count + 1, sizeof(*out->items));
    if (out->items != NULL && store)
        out->packed.entries = calloc(raw->count + 1, sizeof(*out->packed.entries));
    if (out->items == NULL || (store && out->packed.entries == NULL))
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    hark_space_fill_items(raw, out->items);
    hark_pool_start(space->pool, &out->job, OWN + raw->count, prepare_nth, out);
    return 0;
}

void hark_space_ahead_finish(struct hark_space *space, struct space_ahead *ahead)
{
    hark_pool_finish(space->pool, &ahead->job);
}

void hark_space_ahead_end(struct space_ahead *ahead)
{
    for (size_t i = 0; ahead->raw != NULL && i < ahead->raw->count; i++) {
        if (ahead->items != NULL)
            hark_space_item_clear(&ahead->items[i]);
        if (ahead->packed.entries != NULL) {
            hark_packed_free(&ahead->packed.entries[i].object);
            hark_packed_free(&ahead->packed.entries[i].payload);
        }
    }
    hark_packed_free(&ahead->packed.commit);
    hark_packed_free(&ahead->packed.lines);
    free(ahead->items);
    free(ahead->packed.entries);
    *ahead = (struct space_ahead){.raw = NULL};
}
