/*
 * See ring.h. A ring as bytes; integers are big endian.
 *
 *     0  u8   version: 1
 *     1       space id (32)
 *    33  u64  position of the first entry that is to be fed
 *    41  u32  epoch in force; 0 where there is none
 *    45  u32  runs, at most HARK_RING_RUNS_MAX, and so many times, in ascending order:
 *             u32 first epoch
 *             u8  1: it begins with a fresh key; 2: a key of it is known; 3: both
 *             commitment (32), where it is fresh
 *             u32 epoch, key (32), where one is known: the first that is
 *
 * The first run begins with epoch 0 and is not fresh. A run has at most HARK_RING_RUN_MAX
 * epochs, and so many if the next one is not fresh. The key of a fresh run's first epoch is
 * the one committed to. Nothing comes after.
 */
#include <stdlib.h>
#include <string.h>

#include "schemas/ring_internal.h"

#define VERSION   1u
#define FRESH     1u
#define KNOWN     2u
#define RUN_LEAST 5u /* bytes of a run */

_Static_assert(49u + (uint64_t)HARK_RING_RUNS_MAX * (RUN_LEAST + 32 + 4 + 32) < HARK_RING_FORM_MAX,
               "every ring has room");

static int put_run(struct hark_buf *out, const struct hark_ring_run *run, struct hark_err *err)
{
    uint8_t key[HARK_EPOCH_KEY_SIZE];
    uint8_t what = (uint8_t)((run->fresh ? FRESH : 0) | (run->known != NULL ? KNOWN : 0));
    int rc = hark_buf_append_u32(out, run->first, err);

    if (rc == 0)
        rc = hark_buf_append_u8(out, what, err);
    if (rc == 0 && run->fresh)
        rc = hark_buf_append(out, run->commitment, sizeof(run->commitment), err);
    if (rc == 0 && run->known != NULL)
        rc = hark_buf_append_u32(out, hark_epoch_number(run->known), err);
    if (rc == 0 && run->known != NULL) {
        hark_epoch_bytes(key, run->known);
        rc = hark_buf_append(out, key, sizeof(key), err);
        hark_wipe(key, sizeof(key));
    }
    return rc;
}

int hark_ring_encode(struct hark_buf *out, const struct hark_ring *ring, struct hark_err *err)
{
    uint64_t next = ring->pending.next > 0 ? ring->pending.position : ring->next;
    size_t before = out->size;
    int rc = hark_buf_append_u8(out, VERSION, err);

    if (rc == 0)
        rc = hark_buf_append(out, ring->space.bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = hark_buf_append_u64(out, next, err);
    if (rc == 0)
        rc = hark_buf_append_u32(out, ring->in_force, err);
    if (rc == 0)
        rc = hark_buf_append_u32(out, (uint32_t)ring->count, err);
    for (size_t i = 0; rc == 0 && i < ring->count; i++)
        rc = put_run(out, &ring->runs[i], err);
    if (rc != 0 && out->size > before) {
        hark_wipe(out->data + before, out->size - before);
        out->size = before;
    }
    return rc;
}

static int refuse(const char *why, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_RING_FORM, "no ring of keys: %s", why);
}

static int take_known(struct hark_ring_run *run, const struct hark_hash *space,
                      struct hark_span *in, struct hark_err *err)
{
    uint8_t own[HARK_EPOCH_COMMITMENT_SIZE];
    struct hark_span key;
    uint32_t epoch = 0;
    int rc;

    if (!hark_take_u32(in, &epoch) || !hark_take(in, HARK_EPOCH_KEY_SIZE, &key))
        return refuse("it ends within a key", err);
    rc = hark_epoch_from_bytes(&run->known, space, epoch, key.data, err);
    if (rc != 0 || !run->fresh || epoch != run->first)
        return rc;
    rc = hark_epoch_commitment(own, run->known, err);
    if (rc == 0 && !hark_equal(own, run->commitment, sizeof(own)))
        rc = refuse("a key is not the one that was committed to", err);
    return rc;
}

/* What is in it is freed with the ring, also when this fails. */
static int take_run(struct hark_ring_run *run, const struct hark_hash *space, struct hark_span *in,
                    struct hark_err *err)
{
    struct hark_span commitment;
    uint8_t what = 0;

    if (!hark_take_u32(in, &run->first) || !hark_take_u8(in, &what) || what > (FRESH | KNOWN))
        return refuse("a run does not begin as one", err);
    run->fresh = (what & FRESH) != 0;
    if (run->fresh) {
        if (!hark_take(in, sizeof(run->commitment), &commitment))
            return refuse("it ends within a commitment", err);
        memcpy(run->commitment, commitment.data, commitment.size);
    }
    return (what & KNOWN) != 0 ? take_known(run, space, in, err) : 0;
}

/* Do the runs go on from each other, each with a key of its own? Says what is wrong, or
 * NULL. */
static const char *check_runs(const struct hark_ring *ring)
{
    if (ring->count == 0)
        return ring->in_force == 0 ? NULL : "an epoch is in force, and there is no run";
    if (ring->runs[0].first != 0 || ring->runs[0].fresh)
        return "its first run is not of the first epoch";
    for (size_t i = 0; i < ring->count; i++) {
        const struct hark_ring_run *run = &ring->runs[i];
        bool is_last = i + 1 == ring->count;
        uint32_t end = is_last ? ring->in_force : run[1].first - 1;

        if ((!is_last && run[1].first <= run->first) || end < run->first ||
            end - run->first >= HARK_RING_RUN_MAX ||
            (!is_last && !run[1].fresh && end - run->first != HARK_RING_RUN_MAX - 1))
            return "its runs do not go on from each other";
        if (run->known != NULL &&
            (hark_epoch_number(run->known) < run->first || hark_epoch_number(run->known) > end))
            return "a key is not of its run";
    }
    return NULL;
}

static int take_runs(struct hark_ring *ring, struct hark_span *in, struct hark_err *err)
{
    const char *wrong;
    uint32_t count = 0;
    int rc = 0;

    if (!hark_take_u32(in, &ring->in_force) || !hark_take_u32(in, &count) ||
        count > HARK_RING_RUNS_MAX || count > in->size / RUN_LEAST)
        return refuse("it has not as many runs as it says", err);
    while (rc == 0 && ring->count < count) {
        rc = hark_ring_reserve(ring, err);
        if (rc == 0) {
            struct hark_ring_run *run = &ring->runs[ring->count++];

            *run = (struct hark_ring_run){0};
            rc = take_run(run, &ring->space, in, err);
        }
    }
    if (rc != 0)
        return rc;
    wrong = in->size > 0 ? "it goes on after its end" : check_runs(ring);
    return wrong == NULL ? 0 : refuse(wrong, err);
}

int hark_ring_decode(struct hark_ring **out, struct hark_span bytes, struct hark_err *err)
{
    struct hark_span in = bytes, id;
    struct hark_hash space;
    uint8_t version = 0;
    uint64_t next = 0;
    int rc;

    *out = NULL;
    if (hark_take_u8(&in, &version) && version != VERSION)
        return hark_err_set(err, HARK_E_DATA_VERSION, "a ring of keys of version %u, not of 1",
                            (unsigned)version);
    if (!hark_take(&in, HARK_HASH_SIZE, &id) || !hark_take_u64(&in, &next))
        return refuse("it is too short", err);
    memcpy(space.bytes, id.data, id.size);
    rc = hark_ring_new(out, &space, err);
    if (rc == 0) {
        (*out)->next = next;
        rc = take_runs(*out, &in, err);
    }
    if (rc != 0) {
        hark_ring_free(*out);
        *out = NULL;
    }
    return rc;
}
