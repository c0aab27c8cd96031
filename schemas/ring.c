/*
 * See ring.h. Here: the keys that are kept and the finding of the others, keys from elsewhere,
 * opening and sealing. ring_feed.c goes through the log, ring_form.c writes and reads.
 */
#include <stdlib.h>
#include <string.h>

#include "schemas/ring_internal.h"

int hark_ring_new(struct hark_ring **out, const struct hark_hash *space, struct hark_err *err)
{
    struct hark_ring *ring = calloc(1, sizeof(*ring));

    *out = ring;
    if (ring == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a ring of keys");
    ring->space = *space;
    return 0;
}

void hark_ring_free(struct hark_ring *ring)
{
    if (ring == NULL)
        return;
    hark_ring_drop(ring);
    for (size_t i = 0; i < ring->count; i++)
        hark_epoch_free(ring->runs[i].known);
    free(ring->runs);
    hark_epoch_free(ring->near);
    free(ring);
}

int hark_ring_own(struct hark_ring *ring, const struct hark_box *box, struct hark_err *err)
{
    if (ring->own_count == HARK_RING_OWN_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "a ring has %u own keys at most", HARK_RING_OWN_MAX);
    ring->own[ring->own_count++] = box;
    return 0;
}

const struct hark_hash *hark_ring_space(const struct hark_ring *ring)
{
    return &ring->space;
}

bool hark_ring_in_force(const struct hark_ring *ring, uint32_t *epoch)
{
    *epoch = ring->in_force;
    return ring->count > 0;
}

uint64_t hark_ring_next(const struct hark_ring *ring)
{
    return ring->next;
}

/* --- runs --------------------------------------------------------------------------------- */

int hark_ring_reserve(struct hark_ring *ring, struct hark_err *err)
{
    size_t capacity = ring->capacity > 0 ? 2 * ring->capacity : 8;
    struct hark_ring_run *runs;

    if (ring->count == HARK_RING_RUNS_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "a ring has %u runs of keys at most",
                            HARK_RING_RUNS_MAX);
    if (ring->count < ring->capacity)
        return 0;
    runs = realloc(ring->runs, capacity * sizeof(*runs));
    if (runs == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a ring of keys");
    ring->runs = runs;
    ring->capacity = capacity;
    return 0;
}

struct hark_ring_run *hark_ring_run_of(struct hark_ring *ring, uint32_t epoch)
{
    size_t low = 0, high = ring->count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (ring->runs[middle].first <= epoch)
            low = middle;
        else
            high = middle;
    }
    return &ring->runs[low];
}

uint32_t hark_ring_run_end(const struct hark_ring *ring, const struct hark_ring_run *run)
{
    return run + 1 < ring->runs + ring->count ? run[1].first - 1 : ring->in_force;
}

/* So many steps on, as a key of its own. */
static int step_to(struct hark_epoch **out, const struct hark_epoch *from, uint32_t epoch,
                   struct hark_err *err)
{
    uint8_t bytes[HARK_EPOCH_KEY_SIZE];
    int rc;

    hark_epoch_bytes(bytes, from);
    rc = hark_epoch_from_bytes(out, hark_epoch_space(from), hark_epoch_number(from), bytes, err);
    hark_wipe(bytes, sizeof(bytes));
    while (rc == 0 && hark_epoch_number(*out) < epoch) {
        struct hark_epoch *next = NULL;

        rc = hark_epoch_step(&next, *out, err);
        hark_epoch_free(*out);
        *out = next;
    }
    return rc;
}

static int unknown(uint32_t epoch, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_EPOCH_UNKNOWN, "no key of epoch %lu is known",
                        (unsigned long)epoch);
}

int hark_ring_key(const struct hark_epoch **out, struct hark_ring *ring, uint32_t epoch,
                  struct hark_err *err)
{
    const struct hark_ring_run *run;
    const struct hark_epoch *from;
    struct hark_epoch *found = NULL;
    int rc;

    *out = NULL;
    if (ring->count == 0 || epoch > ring->in_force)
        return unknown(epoch, err);
    run = hark_ring_run_of(ring, epoch);
    from = run->known;
    if (from == NULL || hark_epoch_number(from) > epoch)
        return unknown(epoch, err);
    if (ring->near != NULL && hark_epoch_number(ring->near) <= epoch &&
        hark_epoch_number(ring->near) > hark_epoch_number(from))
        from = ring->near;
    *out = from;
    if (hark_epoch_number(from) == epoch)
        return 0;
    rc = step_to(&found, from, epoch, err);
    *out = found;
    if (rc == 0) {
        hark_epoch_free(ring->near);
        ring->near = found;
    }
    return rc;
}

/* --- keys from elsewhere -------------------------------------------------------------------- */

static bool same_key(const struct hark_epoch *a, const struct hark_epoch *b)
{
    uint8_t one[HARK_EPOCH_KEY_SIZE], other[HARK_EPOCH_KEY_SIZE];
    bool same;

    hark_epoch_bytes(one, a);
    hark_epoch_bytes(other, b);
    same = hark_epoch_number(a) == hark_epoch_number(b) && hark_equal(one, other, sizeof(one));
    hark_wipe(one, sizeof(one));
    hark_wipe(other, sizeof(other));
    return same;
}

/* Do steps from the earlier of the two lead to the later one? 0, 1 (they do not), or an
 * error. */
static int leads_elsewhere(const struct hark_epoch *a, const struct hark_epoch *b,
                           struct hark_err *err)
{
    bool forwards = hark_epoch_number(a) <= hark_epoch_number(b);
    const struct hark_epoch *later = forwards ? b : a;
    struct hark_epoch *made = NULL;
    int rc = step_to(&made, forwards ? a : b, hark_epoch_number(later), err);

    if (rc == 0)
        rc = same_key(made, later) ? 0 : 1;
    hark_epoch_free(made);
    return rc;
}

/* Of the runs from this one on that go on from each other, the first of which something is
 * known; NULL: nothing is. */
static const struct hark_epoch *known_from(const struct hark_ring *ring,
                                           const struct hark_ring_run *run)
{
    const struct hark_ring_run *end = ring->runs + ring->count;

    while (run->known == NULL) {
        if (++run == end || run->fresh)
            return NULL;
    }
    return run->known;
}

static int check_committed(const struct hark_ring_run *run, const struct hark_epoch *key,
                           struct hark_err *err)
{
    uint8_t own[HARK_EPOCH_COMMITMENT_SIZE];
    int rc = hark_epoch_commitment(own, key, err);

    if (rc == 0 && !hark_equal(own, run->commitment, sizeof(own)))
        rc = hark_err_set(err, HARK_E_EPOCH_KEY,
                          "this is not the key of epoch %lu that was committed to",
                          (unsigned long)run->first);
    return rc;
}

/* Takes *key, also when it fails. It goes into its run, and what steps lead to into those that
 * go on from there. */
static int install(struct hark_ring *ring, struct hark_ring_run *run, struct hark_epoch **key,
                   struct hark_err *err)
{
    const struct hark_ring_run *end = ring->runs + ring->count;
    int rc = 0;

    hark_epoch_free(ring->near);
    ring->near = NULL;
    for (;;) {
        struct hark_epoch *from = *key;

        hark_epoch_free(run->known);
        run->known = from;
        *key = NULL;
        if (++run == end || run->fresh)
            return 0;
        rc = step_to(key, from, run->first, err);
        if (rc != 0)
            return rc;
        if (run->known != NULL && same_key(run->known, *key)) {
            hark_epoch_free(*key);
            *key = NULL;
            return 0;
        }
    }
}

int hark_ring_learn(struct hark_ring *ring, uint32_t epoch, const uint8_t key[HARK_EPOCH_KEY_SIZE],
                    struct hark_err *err)
{
    struct hark_epoch *learned = NULL;
    struct hark_ring_run *run;
    const struct hark_epoch *known;
    bool committed;
    int rc;

    if (ring->count == 0 || epoch > ring->in_force)
        return unknown(epoch, err);
    run = hark_ring_run_of(ring, epoch);
    known = known_from(ring, run);
    committed = run->fresh && run->first == epoch;
    rc = hark_epoch_from_bytes(&learned, &ring->space, epoch, key, err);
    if (rc == 0 && committed)
        rc = check_committed(run, learned, err);
    if (rc == 0 && known != NULL)
        rc = leads_elsewhere(learned, known, err);
    if (rc == 1)
        rc = committed ? 0
                       : hark_err_set(err, HARK_E_EPOCH_KEY,
                                      "this key of epoch %lu does not go with those that are known",
                                      (unsigned long)epoch);
    if (rc == 0 && (known == NULL || epoch < hark_epoch_number(known)))
        rc = install(ring, run, &learned, err);
    hark_epoch_free(learned);
    return rc;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* The entry's place, and its headers in `headers`, which the caller frees. */
static int describe(struct hark_envelope_entry *out, struct hark_buf *headers,
                    const struct hark_ring *ring, const struct hark_entry *entry,
                    struct hark_err *err)
{
    int rc;

    if ((strcmp(entry->kind, "sealed") != 0 && strcmp(entry->kind, "charter") != 0) ||
        !entry->has_space || !hark_hash_equal(&entry->space, &ring->space))
        return hark_err_set(err, HARK_E_INTERNAL, "not a sealed entry of the ring's space");
    rc = hark_entry_headers(headers, entry, err);
    out->author = entry->author;
    out->seq = entry->seq;
    out->headers = hark_buf_span(headers);
    return rc;
}

/* K1 to K3. */
static int find_key(const struct hark_epoch **out, struct hark_ring *ring, uint32_t epoch,
                    uint32_t at_seen, uint32_t before, struct hark_err *err)
{
    if (epoch < at_seen)
        return hark_err_set(err, HARK_E_ENVELOPE_OLD,
                            "sealed in epoch %lu, and its author knew of epoch %lu",
                            (unsigned long)epoch, (unsigned long)at_seen);
    if (epoch > before)
        return hark_err_set(err, HARK_E_ENVELOPE_AHEAD,
                            "sealed in epoch %lu, and epoch %lu was in force before it",
                            (unsigned long)epoch, (unsigned long)before);
    return hark_ring_key(out, ring, epoch, err);
}

int hark_ring_open(struct hark_buf *out, struct hark_ring *ring, const struct hark_entry *entry,
                   struct hark_span envelope, uint32_t at_seen, uint32_t before,
                   struct hark_err *err)
{
    struct hark_buf headers = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_envelope_entry of = {0};
    struct hark_envelope_head head;
    const struct hark_epoch *key = NULL;
    int rc = describe(&of, &headers, ring, entry, err);

    if (rc == 0)
        rc = hark_envelope_read(&head, envelope, err);
    if (rc == 0)
        rc = find_key(&key, ring, head.epoch, at_seen, before, err);
    if (rc == 0)
        rc = hark_envelope_open_in(out, key, &of, envelope, err);
    hark_buf_free(&headers);
    return rc;
}

int hark_ring_seal(struct hark_buf *out, struct hark_ring *ring, const struct hark_entry *entry,
                   struct hark_span content, struct hark_err *err)
{
    struct hark_buf headers = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_envelope_entry of = {0};
    const struct hark_epoch *key = NULL;
    int rc = describe(&of, &headers, ring, entry, err);

    if (rc == 0)
        rc = hark_ring_key(&key, ring, ring->in_force, err);
    if (rc == 0)
        rc = hark_envelope_seal(out, key, &of, content, err);
    hark_buf_free(&headers);
    return rc;
}
