/*
 * An encrypted world (tests/support/worldgen.h) whose sealed entries have something inside,
 * and its readers: a ring and an inner state each, fed with the world's log. For the tests of
 * schemas/inner_state. Include after cmocka.h and ok.h.
 *
 * The boxes in such a log are bytes of no meaning, so that a ring finds nothing in them: its
 * keys are given to it.
 */
#ifndef HARK_TESTS_INNER_WORLD_H
#define HARK_TESTS_INNER_WORLD_H

#include <string.h>

#include "schemas/inner_state.h"
#include "tests/support/worldgen.h"

static const uint8_t INNER_WORLD_KEY[HARK_EPOCH_KEY_SIZE] = {'f', 'i', 'r', 's', 't'};

struct reader {
    struct hark_ring *ring;
    bool own_ring;
    uint64_t fed; /* to the ring */
    struct hark_memstore *mem;
    struct hark_inner_state *inner;
    struct hark_effect effect; /* of the entry that was read last */
    struct hark_said said;
};

/* A reader without keys, of nothing yet; with the ring of another, which knows the whole log. */
static inline void reader_open(struct reader *r, struct world *w, const struct reader *with)
{
    struct hark_store store;

    memset(r, 0, sizeof(*r));
    r->own_ring = with == NULL;
    if (with != NULL)
        *r = (struct reader){.ring = with->ring, .fed = with->fed};
    else
        OK(hark_ring_new(&r->ring, &w->space, &err));
    OK(hark_memstore_new(&r->mem, &err));
    store = hark_memstore_store(r->mem);
    OK(hark_inner_state_open(&r->inner, w->state, r->ring, &store, &err));
}

static inline void reader_close(struct reader *r)
{
    hark_inner_free(&r->said.inner);
    hark_inner_state_free(r->inner);
    hark_memstore_free(r->mem);
    if (r->own_ring)
        hark_ring_free(r->ring);
}

static inline uint32_t number_in(const json_t *json, const char *name)
{
    return (uint32_t)json_integer_value(json_object_get(json, name));
}

static inline bool hash_in(const json_t *json, const char *name, uint8_t out[HARK_HASH_SIZE])
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL && hark_hex_decode(out, HARK_HASH_SIZE, hark_span_str(text), NULL) == 0;
}

static inline void feed_part(struct hark_ring *ring, uint64_t position, const json_t *json)
{
    static struct hark_epoch_box boxes[WORLD_KEYS];
    struct hark_ring_part part = {.position = position,
                                  .epoch = number_in(json, "epoch"),
                                  .part = number_in(json, "part"),
                                  .parts = number_in(json, "parts"),
                                  .boxes = boxes};

    assert_true(hash_in(json, "commitment", part.commitment));
    part.count = json_array_size(json_object_get(json, "sealed"));
    OK(hark_ring_part(ring, &part, &err));
}

static inline void feed_ring(struct reader *r, const struct world_entry *e)
{
    const struct hark_epoch_box box = {.number = 0};
    uint64_t position = r->fed++;
    uint8_t commitment[HARK_HASH_SIZE];
    json_t *json = json_loadb((const char *)e->payload.data, e->payload.size, 0, NULL);
    const json_t *group_key = json_object_get(json, "group_key");

    if (e->effect.verdict == 0 && strcmp(e->entry.kind, "epoch") == 0)
        feed_part(r->ring, position, json);
    else if (e->effect.verdict == 0 && group_key != NULL)
        OK(hark_ring_join(r->ring, position, number_in(group_key, "epoch"), &box, &err));
    else if (e->effect.verdict == 0 && hash_in(json, "commitment", commitment))
        OK(hark_ring_force(r->ring, position, commitment, &err));
    json_decref(json);
}

/* The next entry, with an envelope or without. */
static inline void reader_step(struct reader *r, struct world *w, bool with)
{
    uint64_t position = hark_state_size(hark_inner_state_view(r->inner));
    const struct world_entry *e = w->log[position];
    bool sealed = strcmp(e->entry.kind, "sealed") == 0 || strcmp(e->entry.kind, "charter") == 0;

    if (position == r->fed)
        feed_ring(r, e);
    hark_inner_free(&r->said.inner);
    OK(hark_inner_state_apply(r->inner, &e->entry, &e->arrival,
                              sealed && !with ? hark_span(NULL, 0) : e->payload, &r->effect,
                              &r->said, &err));
    assert_int_equal(r->effect.position, position);
}

static inline void reader_follow(struct reader *r, struct world *w)
{
    while (hark_state_size(hark_inner_state_view(r->inner)) < w->count)
        reader_step(r, w, true);
}

/* The headers of the next entry of that feed, as world_build will make them. */
static inline struct hark_entry next_header(struct world *w, uint32_t by, const char *kind,
                                            const struct hark_seen *seen)
{
    struct hark_entry entry = {.has_space = true, .space = w->space, .author = *world_key(by)};
    struct hark_feed_object feed = {.seq = 0};
    uint32_t number = 0;
    bool found = false;

    (void)snprintf(entry.kind, sizeof(entry.kind), "%s", kind);
    OK(hark_state_find_key(w->state, &entry.author, &found, &number, &err));
    if (!found || hark_state_feed(w->state, number, &feed, NULL) != 0)
        feed.seq = 0;
    entry.seq = feed.seq + 1;
    entry.previous = feed.last;
    entry.parent = feed.last_git;
    entry.time_ms = w->now_ms;
    entry.has_seen = seen != NULL;
    if (seen != NULL)
        entry.seen = *seen;
    return entry;
}

/* An envelope for the next entry of that feed. `fields` is taken. */
static inline void seal_next(struct world *w, struct reader *by_ring, struct hark_buf *out,
                             const struct hark_entry *entry, const char *kind, json_t *fields,
                             const struct hark_hash *re, size_t re_count)
{
    struct hark_inner inner = {.re_count = re_count, .payload = fields};

    (void)snprintf(inner.kind, sizeof(inner.kind), "%s", kind);
    for (size_t i = 0; i < re_count; i++)
        inner.re[i] = re[i];
    OK(hark_inner_seal(out, by_ring->ring, hark_state_kinds(w->state), entry, &inner, &err));
    hark_inner_free(&inner);
}

/* Logs a `sealed` with that envelope; returns its position. */
static inline uint64_t log_sealed(struct world *w, uint32_t by, struct hark_span envelope,
                                  const struct hark_seen *seen, int verdict)
{
    struct world_draft draft = {.by = by, .kind = "sealed", .raw = envelope, .seen = seen};

    return world_log(w, &draft, verdict);
}

/* Seals and logs; `about` is a position or HARK_NONE. */
static inline uint64_t seal_say(struct world *w, struct reader *by_ring, uint32_t by,
                                const char *kind, json_t *fields, uint64_t about)
{
    struct hark_seen seen = {.size = w->count};
    struct hark_entry entry = next_header(w, by, "sealed", &seen);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    uint64_t position;

    seal_next(w, by_ring, &out, &entry, kind, fields,
              about == HARK_NONE ? NULL : &w->log[about]->entry.id, about != HARK_NONE);
    position = log_sealed(w, by, hark_buf_span(&out), &seen, 0);
    hark_buf_free(&out);
    return position;
}

/* One part of a fresh key for whoever stays when that member goes, and the removal. */
static inline void remove_member(struct world *w, uint32_t member, uint8_t key_byte)
{
    const uint8_t bytes[HARK_EPOCH_KEY_SIZE] = {key_byte, 1, 2, 3};
    uint32_t keys[WORLD_KEYS];
    size_t count = world_keys_staying(w, member, WORLD_NO_KEY, keys, WORLD_KEYS);
    struct hark_epoch *epoch = NULL;
    struct hark_hash commitment;
    uint32_t next = world_next_epoch(w);

    OK(hark_epoch_from_bytes(&epoch, &w->space, next, bytes, &err));
    OK(hark_epoch_commitment(commitment.bytes, epoch, &err));
    hark_epoch_free(epoch);
    world_say(w, WORLD_STEWARD, "epoch", world_fields_part(next, 0, 1, &commitment, keys, count),
              HARK_NONE);
    world_say(w, WORLD_STEWARD, "remove",
              json_pack("{s:I, s:o}", "member", (json_int_t)member, "commitment",
                        world_hex(commitment.bytes, HARK_HASH_SIZE)),
              HARK_NONE);
}

/* What such a reader learns of it, once it has been read. */
static inline void learn_fresh(struct reader *r, struct world *w, uint8_t key_byte)
{
    const uint8_t bytes[HARK_EPOCH_KEY_SIZE] = {key_byte, 1, 2, 3};

    OK(hark_ring_learn(r->ring, world_next_epoch(w) - 1, bytes, &err));
}

#endif
