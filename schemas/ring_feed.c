/*
 * See ring.h. Here: the log, entry by entry.
 *
 * The boxes of a fresh key hang on nothing but the key and their recipients, so all of them
 * can be checked as soon as one's own was opened. What comes before it waits; what comes after
 * it is looked at at once. Parts are inert until they are put into force, and so is what was
 * found in them.
 */
#include <stdlib.h>
#include <string.h>

#include "schemas/ring_internal.h"

#define REUSE_MAX 4096u /* keys that a fresh one is held against */

/* --- findings ------------------------------------------------------------------------------- */

void hark_ring_note(struct hark_ring_findings *found, uint64_t position, uint32_t epoch,
                    uint32_t key, int error)
{
    if (found->count == HARK_RING_FOUND_MAX) {
        found->more++;
        return;
    }
    found->list[found->count++] = (struct hark_ring_finding){
        .position = position, .epoch = epoch, .key = key, .error = error};
}

const struct hark_ring_finding *hark_ring_found(const struct hark_ring *ring, size_t *count,
                                                uint64_t *more)
{
    *count = ring->found.count;
    if (more != NULL)
        *more = ring->found.more;
    return ring->found.list;
}

void hark_ring_clear_found(struct hark_ring *ring)
{
    ring->found.count = 0;
    ring->found.more = 0;
}

/* --- what all entries have in common --------------------------------------------------------- */

void hark_ring_drop(struct hark_ring *ring)
{
    hark_epoch_free(ring->pending.key);
    free(ring->pending.waiting);
    memset(&ring->pending, 0, sizeof(ring->pending));
}

/* In the order of the log, and of the epoch that comes next? */
static int check_order(const struct hark_ring *ring, uint64_t position, uint32_t epoch,
                       struct hark_err *err)
{
    bool is_next =
        ring->count == 0 ? epoch == 0 : ring->in_force < UINT32_MAX && epoch == ring->in_force + 1;

    if (position < ring->next || position == UINT64_MAX || !is_next)
        return hark_err_set(err, HARK_E_INTERNAL,
                            "epoch %lu of position %llu was fed out of the log's order",
                            (unsigned long)epoch, (unsigned long long)position);
    return 0;
}

const struct hark_box *hark_ring_own_of(const struct hark_ring *ring, const struct hark_key *key)
{
    for (size_t i = 0; i < ring->own_count; i++) {
        if (hark_key_equal(hark_box_key(ring->own[i]), key))
            return ring->own[i];
    }
    return NULL;
}

/* Makes each box again, and notes those that are another. */
static int check_boxes(struct hark_ring_findings *found, const struct hark_epoch *key,
                       uint64_t position, const struct hark_epoch_box *boxes, size_t count,
                       struct hark_err *err)
{
    size_t at = 0;

    while (at < count) {
        size_t wrong = 0;
        int rc = hark_epoch_check_boxes(key, boxes + at, count - at, &wrong, err);

        if (rc == 0)
            return 0;
        if (rc != HARK_E_EPOCH_KEY)
            return rc;
        at += wrong;
        hark_ring_note(found, position, hark_epoch_number(key), boxes[at].number, rc);
        at++;
    }
    return 0;
}

/* --- who joins ------------------------------------------------------------------------------- */

/* The step to the next epoch's key; NULL where the one before it is not known. */
static int make_step(struct hark_epoch **out, struct hark_ring *ring, struct hark_err *err)
{
    const struct hark_epoch *before = NULL;
    int rc = hark_ring_key(&before, ring, ring->in_force, NULL);

    *out = NULL;
    if (rc == HARK_E_EPOCH_UNKNOWN)
        return 0;
    if (rc != 0)
        return hark_err_set(err, rc, "no memory for the key in force");
    return hark_epoch_step(out, before, err);
}

/* The key of a newcomer's own box, or NULL and a finding. */
static int open_joins(struct hark_epoch **out, struct hark_ring *ring, uint64_t position,
                      uint32_t epoch, const struct hark_epoch_box *box, struct hark_err *err)
{
    const struct hark_box *own = hark_ring_own_of(ring, &box->to);
    int rc;

    *out = NULL;
    if (own == NULL)
        return 0;
    rc = hark_epoch_open_box(out, &ring->space, epoch, NULL, own, box->sealed, err);
    if (rc != HARK_E_SEAL && rc != HARK_E_EPOCH_KEY)
        return rc;
    hark_ring_note(&ring->found, position, epoch, box->number, rc);
    return 0;
}

/* The next epoch is in force by a step. There is room for a run; takes `key`. */
static void advance(struct hark_ring *ring, uint32_t epoch, struct hark_epoch *key)
{
    struct hark_ring_run *last;

    if (ring->count == 0 || epoch - ring->runs[ring->count - 1].first == HARK_RING_RUN_MAX)
        ring->runs[ring->count++] = (struct hark_ring_run){.first = epoch};
    last = &ring->runs[ring->count - 1];
    ring->in_force = epoch;
    if (key == NULL)
        return;
    if (last->known == NULL) {
        last->known = key;
        return;
    }
    hark_epoch_free(ring->near);
    ring->near = key;
}

int hark_ring_join(struct hark_ring *ring, uint64_t position, uint32_t epoch,
                   const struct hark_epoch_box *box, struct hark_err *err)
{
    struct hark_epoch *key = NULL;
    int rc = check_order(ring, position, epoch, err);

    if (rc == 0)
        rc = hark_ring_reserve(ring, err);
    if (rc == 0 && ring->count > 0)
        rc = make_step(&key, ring, err);
    if (rc == 0 && key != NULL)
        rc = check_boxes(&ring->found, key, position, box, 1, err);
    else if (rc == 0)
        rc = open_joins(&key, ring, position, epoch, box, err);
    if (rc != 0) {
        hark_epoch_free(key);
        return rc;
    }
    hark_ring_drop(ring);
    advance(ring, epoch, key);
    ring->next = position + 1;
    return 0;
}

/* --- the parts of a fresh key ---------------------------------------------------------------- */

/* Does it begin anew, or is it the part that is to come? */
static int check_part(const struct hark_ring *ring, const struct hark_ring_part *part,
                      struct hark_err *err)
{
    const struct hark_ring_pending *pending = &ring->pending;
    int rc = check_order(ring, part->position, part->epoch, err);

    if (rc != 0)
        return rc;
    if (ring->count == 0 || part->count == 0 || part->count > HARK_EPOCH_PART_MAX ||
        part->parts > HARK_EPOCH_PARTS_MAX || part->part >= part->parts ||
        (part->part > 0 &&
         (part->part != pending->next || part->parts != pending->parts ||
          !hark_equal(part->commitment, pending->commitment, sizeof(part->commitment)))))
        return hark_err_set(err, HARK_E_INTERNAL, "part %lu of %lu was fed out of the log's order",
                            (unsigned long)part->part, (unsigned long)part->parts);
    return 0;
}

/* Looks for the holder's own boxes in it, until one gives the key. */
static int open_own(struct hark_epoch **out, struct hark_ring_finding *failure, bool *failed,
                    const struct hark_ring *ring, const struct hark_ring_part *part,
                    struct hark_err *err)
{
    *out = NULL;
    *failed = false;
    for (size_t i = 0; i < part->count; i++) {
        const struct hark_epoch_box *box = &part->boxes[i];
        const struct hark_box *own = hark_ring_own_of(ring, &box->to);
        int rc;

        if (own == NULL)
            continue;
        rc = hark_epoch_open_box(out, &ring->space, part->epoch, part->commitment, own, box->sealed,
                                 err);
        if (rc != HARK_E_SEAL && rc != HARK_E_EPOCH_KEY)
            return rc;
        if (!*failed)
            *failure = (struct hark_ring_finding){
                .position = part->position, .epoch = part->epoch, .key = box->number, .error = rc};
        *failed = true;
    }
    return 0;
}

/* Keeps its boxes, where there is room for them. */
static int wait_for_key(struct hark_ring_pending *pending, const struct hark_ring_part *part,
                        struct hark_err *err)
{
    size_t count = pending->count + part->count;

    if (count > HARK_RING_WAITING_MAX) {
        hark_ring_note(&pending->found, part->position, part->epoch, HARK_RING_NO_KEY,
                       HARK_E_LIMIT);
        return 0;
    }
    if (count > pending->capacity) {
        size_t capacity = 2 * count;
        struct hark_ring_waiting *grown =
            realloc(pending->waiting, capacity * sizeof(*pending->waiting));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the boxes of a fresh key");
        pending->waiting = grown;
        pending->capacity = capacity;
    }
    for (size_t i = 0; i < part->count; i++)
        pending->waiting[pending->count++] =
            (struct hark_ring_waiting){.position = part->position, .box = part->boxes[i]};
    return 0;
}

/* What waited for the key. */
static int check_waiting(struct hark_ring_findings *found, const struct hark_ring_pending *pending,
                         const struct hark_epoch *key, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < pending->count; i++)
        rc =
            check_boxes(found, key, pending->waiting[i].position, &pending->waiting[i].box, 1, err);
    return rc;
}

static void begin_parts(struct hark_ring *ring, const struct hark_ring_part *part)
{
    struct hark_ring_pending *pending = &ring->pending;

    hark_ring_drop(ring);
    pending->epoch = part->epoch;
    pending->parts = part->parts;
    pending->position = part->position;
    memcpy(pending->commitment, part->commitment, sizeof(pending->commitment));
}

/* Takes what a part tells into `pending`; *key (or NULL) is what an own box in it gave, and is
 * taken when this succeeds. */
static int take_part(struct hark_ring_pending *pending, const struct hark_ring_part *part,
                     struct hark_epoch **key, struct hark_err *err)
{
    const struct hark_epoch *known = pending->key != NULL ? pending->key : *key;
    size_t before = pending->found.count;
    uint64_t more = pending->found.more;
    int rc;

    if (known == NULL)
        return wait_for_key(pending, part, err);
    rc = check_waiting(&pending->found, pending, known, err);
    if (rc == 0)
        rc = check_boxes(&pending->found, known, part->position, part->boxes, part->count, err);
    if (rc != 0) {
        pending->found.count = before;
        pending->found.more = more;
        return rc;
    }
    pending->count = 0;
    if (pending->key == NULL) {
        pending->key = *key;
        *key = NULL;
    }
    return 0;
}

int hark_ring_part(struct hark_ring *ring, const struct hark_ring_part *part, struct hark_err *err)
{
    struct hark_ring_pending *pending = &ring->pending;
    struct hark_ring_finding failure = {0};
    struct hark_epoch *key = NULL;
    bool failed = false;
    int rc = check_part(ring, part, err);

    if (rc == 0 && (part->part == 0 || pending->key == NULL))
        rc = open_own(&key, &failure, &failed, ring, part, err);
    if (rc == 0 && part->part == 0)
        begin_parts(ring, part);
    if (rc == 0)
        rc = take_part(pending, part, &key, err);
    if (rc == 0) {
        if (failed && !pending->failed)
            pending->failure = failure;
        pending->failed = pending->failed || failed;
        pending->next = part->part + 1;
        ring->next = part->position + 1;
    }
    hark_epoch_free(key);
    return rc;
}

/* --- into force ------------------------------------------------------------------------------ */

/* What was found in the parts, now that they count. Without the key nothing could be: but
 * somebody who had the one before should have got this one. */
static void report(struct hark_ring *ring, uint64_t position, bool had_before)
{
    const struct hark_ring_pending *pending = &ring->pending;
    const struct hark_ring_findings *found = &pending->found;

    if (pending->key != NULL) {
        for (size_t i = 0; i < found->count; i++)
            hark_ring_note(&ring->found, found->list[i].position, found->list[i].epoch,
                           found->list[i].key, found->list[i].error);
        ring->found.more += found->more;
    } else if (pending->failed) {
        hark_ring_note(&ring->found, pending->failure.position, pending->failure.epoch,
                       pending->failure.key, pending->failure.error);
    } else if (had_before) {
        hark_ring_note(&ring->found, position, pending->epoch, HARK_RING_NO_KEY, HARK_E_SEAL);
    }
}

/* Is it, but for its number, a key that was there before, which those who left may have? The
 * latest are looked at first, and REUSE_MAX of them. */
static int check_new(struct hark_ring *ring, uint64_t position, struct hark_err *err)
{
    uint8_t fresh[HARK_EPOCH_KEY_SIZE], old[HARK_EPOCH_KEY_SIZE];
    uint32_t left = REUSE_MAX;
    bool same = false;
    int rc = 0;

    hark_epoch_bytes(fresh, ring->pending.key);
    for (size_t i = ring->count; i-- > 0 && rc == 0 && !same;) {
        const struct hark_epoch *first = ring->runs[i].known;
        uint32_t end = hark_ring_run_end(ring, &ring->runs[i]);

        for (uint32_t e = first != NULL ? hark_epoch_number(first) : end + 1;
             first != NULL && e <= end && left > 0 && rc == 0 && !same; e++, left--) {
            const struct hark_epoch *key = NULL;

            rc = hark_ring_key(&key, ring, e, err);
            if (rc == 0) {
                hark_epoch_bytes(old, key);
                same = hark_equal(fresh, old, sizeof(fresh));
            }
        }
    }
    if (same)
        hark_ring_note(&ring->found, position, ring->pending.epoch, HARK_RING_NO_KEY,
                       HARK_E_EPOCH_KEY);
    hark_wipe(fresh, sizeof(fresh));
    hark_wipe(old, sizeof(old));
    return rc;
}

int hark_ring_force(struct hark_ring *ring, uint64_t position,
                    const uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE], struct hark_err *err)
{
    struct hark_ring_pending *pending = &ring->pending;
    const struct hark_epoch *before = NULL;
    struct hark_ring_run *run;
    int rc = check_order(ring, position, pending->epoch, err);

    if (rc == 0 && (pending->next == 0 || pending->next != pending->parts ||
                    !hark_equal(commitment, pending->commitment, HARK_EPOCH_COMMITMENT_SIZE)))
        rc = hark_err_set(err, HARK_E_INTERNAL, "no complete parts have that commitment");
    if (rc == 0)
        rc = hark_ring_reserve(ring, err);
    if (rc == 0) {
        rc = hark_ring_key(&before, ring, ring->in_force, NULL);
        rc = rc == HARK_E_EPOCH_UNKNOWN ? 0 : rc;
    }
    if (rc != 0)
        return rc == HARK_E_NO_MEMORY ? hark_err_set(err, rc, "no memory for a fresh key") : rc;
    if (pending->key != NULL)
        rc = check_new(ring, position, err);
    if (rc != 0)
        return rc;
    report(ring, position, before != NULL);
    run = &ring->runs[ring->count++];
    *run = (struct hark_ring_run){.first = pending->epoch, .fresh = true, .known = pending->key};
    memcpy(run->commitment, pending->commitment, sizeof(run->commitment));
    pending->key = NULL;
    ring->in_force = pending->epoch;
    ring->next = position + 1;
    hark_ring_drop(ring);
    return 0;
}

int hark_ring_check(struct hark_ring *ring, uint64_t position, uint32_t epoch,
                    const struct hark_epoch_box *boxes, size_t count, struct hark_err *err)
{
    const struct hark_epoch *key = NULL;
    int rc = hark_ring_key(&key, ring, epoch, err);

    return rc != 0 ? rc : check_boxes(&ring->found, key, position, boxes, count, err);
}
