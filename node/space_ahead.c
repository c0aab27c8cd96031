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

static void prepare_nth(void *arg, size_t i)
{
    struct space_ahead *ahead = arg;
    struct space_item *item = &ahead->items[i];

    hark_space_item_prepare(item, false);
    if (item->code != 0 || ahead->packed == NULL)
        return;
    ignore(hark_repo_pack(ahead->repo, HARK_GIT_COMMIT, &item->git_id, item->object,
                          &ahead->packed[i].object, NULL));
    if (item->payload.data != NULL)
        ignore(hark_repo_pack(ahead->repo, HARK_GIT_BLOB, &item->blob, item->payload,
                              &ahead->packed[i].payload, NULL));
}

int hark_space_ahead_start(struct hark_space *space, const struct hark_raw_batch *raw, bool store,
                           struct space_ahead *out, struct hark_err *err)
{
    *out = (struct space_ahead){.raw = raw, .repo = space->repo};
    if (raw->count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_BATCH_FORM, "a batch of %zu entries", raw->count);
    out->items = calloc(raw->count + 1, sizeof(*out->items));
    if (out->items != NULL && store)
        out->packed = calloc(raw->count + 1, sizeof(*out->packed));
    if (out->items == NULL || (store && out->packed == NULL))
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    hark_space_fill_items(raw, out->items);
    hark_pool_start(space->pool, raw->count, prepare_nth, out);
    return 0;
}

void hark_space_ahead_finish(struct hark_space *space)
{
    hark_pool_finish(space->pool);
}

void hark_space_ahead_end(struct space_ahead *ahead)
{
    for (size_t i = 0; ahead->raw != NULL && i < ahead->raw->count; i++) {
        if (ahead->items != NULL)
            hark_space_item_clear(&ahead->items[i]);
        if (ahead->packed != NULL) {
            hark_packed_free(&ahead->packed[i].object);
            hark_packed_free(&ahead->packed[i].payload);
        }
    }
    free(ahead->items);
    free(ahead->packed);
    *ahead = (struct space_ahead){.raw = NULL};
}
