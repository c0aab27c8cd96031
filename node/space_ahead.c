/*
 * Preparing a batch on the pool while the one before it is judged and written: what
 * hangs on nothing but an entry's own bytes. That is most of the work, and all of it
 * that can be done on more than one core.
 */
#include <stdlib.h>
#include <string.h>

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

bool hark_space_lacks_payloads(const struct hark_raw_batch *raw)
{
    for (size_t i = 0; i < raw->count; i++)
        if (raw->items[i].payload_state == 2)
            return true;
    return false;
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
    *out = (struct space_ahead){.raw = raw, .repo = space->repo, .pool = space->pool};
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

void hark_space_ahead_finish(struct space_ahead *ahead)
{
    hark_pool_finish(ahead->pool, &ahead->job);
}

void hark_space_ahead_end(struct space_ahead *ahead)
{
    hark_space_ahead_finish(ahead);
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

/* --- what is expected --------------------------------------------------------------- */

struct space_expected {
    struct hark_coming of;
    struct space_ahead ahead[HARK_TAKE_AHEAD];
    unsigned started, used; /* in order */
};

void hark_coming_free(struct hark_coming *coming)
{
    for (unsigned i = 0; i < coming->count; i++)
        free(coming->items[i]);
    hark_buf_free(&coming->bytes);
    coming->count = 0;
}

void hark_space_expected_end(struct space_expected *expected)
{
    if (expected == NULL)
        return;
    for (unsigned i = 0; i < expected->started; i++)
        hark_space_ahead_end(&expected->ahead[i]);
    hark_coming_free(&expected->of);
    free(expected);
}

void hark_space_coming(struct hark_space *space, struct hark_coming *coming)
{
    struct space_expected *e = NULL;

    hark_space_expected_end(space->expected);
    space->expected = NULL;
    if (coming == NULL)
        return;
    /* Without threads of its own it would be done now, and others wait. */
    if (hark_pool_threads(space->pool) > 1)
        e = calloc(1, sizeof(*e));
    if (e == NULL) {
        hark_coming_free(coming);
        return;
    }
    e->of = *coming;
    *coming = (struct hark_coming){.count = 0};
    /* One that lacks payloads is left to its turn. */
    for (unsigned i = 0; i < e->of.count && !hark_space_lacks_payloads(&e->of.raw[i]); i++) {
        if (hark_space_ahead_start(space, &e->of.raw[i], true, &e->ahead[i], NULL) < 0) {
            hark_space_ahead_end(&e->ahead[i]);
            break;
        }
        e->started++;
    }
    space->expected = e;
}

static bool same(struct hark_span a, struct hark_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool same_batch(const struct hark_raw_batch *a, const struct hark_raw_batch *b)
{
    bool is = a->count == b->count && same(a->commit, b->commit) && same(a->entries, b->entries) &&
              same(a->checkpoint, b->checkpoint);

    for (size_t i = 0; is && i < a->count; i++)
        is = a->items[i].payload_state == b->items[i].payload_state &&
             same(a->items[i].object, b->items[i].object) &&
             same(a->items[i].payload, b->items[i].payload);
    return is;
}

struct space_ahead *hark_space_ahead_expected(struct space_expected *expected,
                                              const struct hark_raw_batch *raw)
{
    if (expected == NULL || expected->used == expected->started ||
        !same_batch(expected->ahead[expected->used].raw, raw))
        return NULL;
    return &expected->ahead[expected->used++];
}
