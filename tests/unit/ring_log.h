/*
 * A log as a ring sees it, with the key of every epoch, for the tests of schemas/ring. Include
 * after cmocka.h and ok.h.
 */
#ifndef HARK_TESTS_RING_LOG_H
#define HARK_TESTS_RING_LOG_H

#include <stdlib.h>
#include <string.h>

#include "schemas/ring.h"

enum { RING_LOG_MAX = 16384, RING_LOG_PART_MAX = 16 };

enum ring_event { RING_JOIN, RING_PART, RING_FORCE };

struct ring_logged {
    enum ring_event what;
    uint32_t epoch, part, parts;
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    struct hark_epoch_box boxes[RING_LOG_PART_MAX];
    size_t count;
};

/* Entries stand at the positions that they have in `list`. */
struct ring_log {
    struct hark_hash space;
    struct ring_logged *list;
    size_t count;
    struct hark_epoch *keys[RING_LOG_MAX]; /* by epoch */
    uint32_t epochs;
};

static inline void ring_log_open(struct ring_log *log)
{
    memset(log, 0, sizeof(*log));
    log->space.bytes[0] = 0x5a;
    log->list = calloc(RING_LOG_MAX, sizeof(*log->list));
    assert_non_null(log->list);
}

static inline void ring_log_close(struct ring_log *log)
{
    for (uint32_t i = 0; i < log->epochs; i++)
        hark_epoch_free(log->keys[i]);
    free(log->list);
}

static inline struct ring_logged *ring_log_add(struct ring_log *log, enum ring_event what,
                                               uint32_t epoch)
{
    struct ring_logged *entry = &log->list[log->count++];

    assert_true(log->count < RING_LOG_MAX && log->epochs < RING_LOG_MAX);
    entry->what = what;
    entry->epoch = epoch;
    return entry;
}

/* The next epoch by a step, or the first. Returns the entry, so that it can be made wrong. */
static inline struct ring_logged *ring_log_join(struct ring_log *log, uint32_t number,
                                                const struct hark_key *to)
{
    struct ring_logged *entry = ring_log_add(log, RING_JOIN, log->epochs);
    struct hark_epoch **key = &log->keys[log->epochs];

    if (log->epochs == 0)
        OK(hark_epoch_new(key, &log->space, 0, &err));
    else
        OK(hark_epoch_step(key, log->keys[log->epochs - 1], &err));
    entry->count = 1;
    entry->boxes[0].number = number;
    entry->boxes[0].to = *to;
    OK(hark_epoch_seal_boxes(*key, entry->boxes, 1, &err));
    log->epochs++;
    return entry;
}

/* The parts of a fresh key, of `size` boxes each; not in force. Returns the first part. */
static inline struct ring_logged *
ring_log_parts(struct ring_log *log, const struct hark_epoch_box *to, size_t count, size_t size)
{
    struct ring_logged *first = &log->list[log->count];
    struct hark_epoch **key = &log->keys[log->epochs];
    uint32_t parts = (uint32_t)((count + size - 1) / size);

    hark_epoch_free(*key);
    OK(hark_epoch_new(key, &log->space, log->epochs, &err));
    for (uint32_t i = 0; i < parts; i++) {
        struct ring_logged *entry = ring_log_add(log, RING_PART, log->epochs);
        size_t from = i * size;

        entry->part = i;
        entry->parts = parts;
        entry->count = count - from < size ? count - from : size;
        memcpy(entry->boxes, to + from, entry->count * sizeof(*to));
        OK(hark_epoch_commitment(entry->commitment, *key, &err));
        OK(hark_epoch_seal_boxes(*key, entry->boxes, entry->count, &err));
    }
    return first;
}

/* What cites the commitment of the parts before it. */
static inline void ring_log_force(struct ring_log *log)
{
    struct ring_logged *entry = ring_log_add(log, RING_FORCE, log->epochs);

    memcpy(entry->commitment, entry[-1].commitment, sizeof(entry->commitment));
    log->epochs++;
}

static inline int ring_log_feed_one(struct hark_ring *ring, const struct ring_log *log,
                                    uint64_t position)
{
    const struct ring_logged *entry = &log->list[position];
    struct hark_ring_part part = {.position = position,
                                  .epoch = entry->epoch,
                                  .part = entry->part,
                                  .parts = entry->parts,
                                  .boxes = entry->boxes,
                                  .count = entry->count};

    if (entry->what == RING_JOIN)
        return hark_ring_join(ring, position, entry->epoch, entry->boxes, &err);
    if (entry->what == RING_FORCE)
        return hark_ring_force(ring, position, entry->commitment, &err);
    memcpy(part.commitment, entry->commitment, sizeof(part.commitment));
    return hark_ring_part(ring, &part, &err);
}

/* All that the ring has not seen, to before `end`. */
static inline void ring_log_feed(struct hark_ring *ring, const struct ring_log *log, uint64_t end)
{
    while (hark_ring_next(ring) < end)
        OK(ring_log_feed_one(ring, log, hark_ring_next(ring)));
}

/* Does the ring have the key of that epoch? Any other than the log's is a failure. */
static inline bool ring_log_has(const struct ring_log *log, struct hark_ring *ring, uint32_t epoch)
{
    uint8_t right[HARK_EPOCH_KEY_SIZE], found[HARK_EPOCH_KEY_SIZE];
    const struct hark_epoch *key = NULL;
    int rc = hark_ring_key(&key, ring, epoch, &err);

    if (rc != 0) {
        assert_int_equal(rc, HARK_E_EPOCH_UNKNOWN);
        assert_null(key);
        return false;
    }
    hark_epoch_bytes(right, log->keys[epoch]);
    hark_epoch_bytes(found, key);
    assert_memory_equal(found, right, sizeof(right));
    assert_int_equal(hark_epoch_number(key), epoch);
    return true;
}

static inline struct hark_box *ring_box(uint32_t number)
{
    uint8_t bytes[HARK_SEED_SIZE] = {0x77};
    struct hark_seed *seed = NULL;
    struct hark_box *box = NULL;

    hark_put_u32(bytes + 1, number);
    OK(hark_seed_from_bytes(&seed, bytes, &err));
    OK(hark_box_new(&box, seed, &err));
    hark_seed_free(seed);
    return box;
}

#endif
