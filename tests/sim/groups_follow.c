/*
 * See groups_follow.h. What a standing entry tells the ring stands in its payload, which the
 * outer state has found valid.
 */
#include "groups_follow.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/payload.h"

/* ---- What a ring is fed with ---------------------------------------------------- */

static int unreadable(struct hark_err *err)
{
    return hark_err_set(err, HARK_E_INTERNAL, "a standing entry's payload is not of its kind");
}

static bool take_hex(uint8_t *out, size_t size, const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL && hark_hex_decode(out, size, hark_span_str(text), NULL) == 0;
}

static uint32_t take_number(const json_t *json, const char *name)
{
    return (uint32_t)json_integer_value(json_object_get(json, name));
}

static bool take_box(uint8_t out[HARK_EPOCH_BOX_SIZE], const json_t *json)
{
    struct hark_buf bytes = hark_buf_init(HARK_EPOCH_BOX_SIZE);
    const char *text = json_string_value(json_object_get(json, "box"));
    bool right = text != NULL && hark_base64_decode(&bytes, hark_span_str(text), NULL) == 0 &&
                 bytes.size == HARK_EPOCH_BOX_SIZE;

    if (right)
        memcpy(out, bytes.data, bytes.size);
    hark_buf_free(&bytes);
    return right;
}

/* `admit`, and `device` that adds. */
static int feed_join(struct follow *f, uint64_t position, const json_t *json, struct hark_err *err)
{
    const json_t *group_key = json_object_get(json, "group_key");
    struct hark_epoch_box box = {.number = 0};
    struct hark_key key;
    bool found = false;
    int rc;

    if (!take_hex(key.bytes, HARK_KEY_SIZE, json, "key") ||
        !take_hex(box.to.bytes, HARK_KEY_SIZE, json, "box") || !take_box(box.sealed, group_key))
        return unreadable(err);
    rc = hark_state_find_key(f->outer, &key, &found, &box.number, err);
    if (rc == HARK_OK && !found)
        rc = unreadable(err);
    return rc == HARK_OK
               ? hark_ring_join(f->ring, position, take_number(group_key, "epoch"), &box, err)
               : rc;
}

/* The recipients' X25519 keys are those of the log up to here. */
static int read_boxes(struct follow *f, struct hark_epoch_box *boxes, const json_t *sealed,
                      struct hark_err *err)
{
    for (size_t i = 0; i < json_array_size(sealed); i++) {
        const json_t *item = json_array_get(sealed, i);
        struct hark_key_object key;
        int rc;

        boxes[i].number = take_number(item, "key");
        rc = hark_state_key(f->outer, boxes[i].number, &key, err);
        if (rc != HARK_OK)
            return rc;
        boxes[i].to = key.box;
        if (!take_box(boxes[i].sealed, item))
            return unreadable(err);
    }
    return HARK_OK;
}

static int feed_part(struct follow *f, uint64_t position, const json_t *json, struct hark_err *err)
{
    const json_t *sealed = json_object_get(json, "sealed");
    struct hark_ring_part part = {.position = position,
                                  .epoch = take_number(json, "epoch"),
                                  .part = take_number(json, "part"),
                                  .parts = take_number(json, "parts"),
                                  .count = json_array_size(sealed)};
    struct hark_epoch_box *boxes;
    int rc;

    if (!take_hex(part.commitment, sizeof(part.commitment), json, "commitment") ||
        part.count == 0 || part.count > HARK_EPOCH_PART_MAX)
        return unreadable(err);
    boxes = calloc(part.count, sizeof(*boxes));
    if (boxes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the boxes of a fresh key");
    part.boxes = boxes;
    rc = read_boxes(f, boxes, sealed, err);
    if (rc == HARK_OK)
        rc = hark_ring_part(f->ring, &part, err);
    free(boxes);
    return rc;
}

/* `remove`, and `device` that ends a key. */
static int feed_force(struct follow *f, uint64_t position, const json_t *json, struct hark_err *err)
{
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];

    return take_hex(commitment, sizeof(commitment), json, "commitment")
               ? hark_ring_force(f->ring, position, commitment, err)
               : unreadable(err);
}

/* An entry that stands. */
static int feed_ring(struct follow *f, uint64_t position, const struct follow_entry *e,
                     struct hark_err *err)
{
    const char *kind = e->entry->kind;
    bool is_part = strcmp(kind, "epoch") == 0;
    json_t *json = NULL;
    int rc;

    if (!is_part && strcmp(kind, "admit") != 0 && strcmp(kind, "device") != 0 &&
        strcmp(kind, "remove") != 0)
        return HARK_OK;
    rc = hark_payload_read(e->payload, &json, err);
    if (rc != HARK_OK)
        return rc;
    if (is_part)
        rc = feed_part(f, position, json, err);
    else if (json_object_get(json, "group_key") != NULL)
        rc = feed_join(f, position, json, err);
    else
        rc = feed_force(f, position, json, err);
    json_decref(json);
    return rc;
}

/* ---- The inner state -------------------------------------------------------------- */

static int open_inner(struct follow *f, struct hark_err *err)
{
    struct hark_store store;
    int rc;

    hark_inner_state_free(f->inner);
    f->inner = NULL;
    hark_memstore_free(f->inner_store);
    rc = hark_memstore_new(&f->inner_store, err);
    if (rc != HARK_OK)
        return rc;
    store = hark_memstore_store(f->inner_store);
    return hark_inner_state_open(&f->inner, f->outer, f->ring, &store, err);
}

/* An envelope that is not the one named is none: another one may come. */
static int apply_inner(struct follow *f, uint64_t position, const struct follow_entry *e,
                       struct hark_err *err)
{
    struct hark_effect effect;
    struct hark_said said;
    int rc =
        hark_inner_state_apply(f->inner, e->entry, e->arrival, e->payload, &effect, &said, err);

    if (rc == HARK_E_PAYLOAD_HASH || rc == HARK_E_PAYLOAD_SIZE) {
        if (f->log.refused != NULL)
            f->log.refused(f->log.arg, position, rc);
        rc = hark_inner_state_apply(f->inner, e->entry, e->arrival, hark_span(NULL, 0), &effect,
                                    &said, err);
    }
    if (rc != HARK_OK)
        return rc;
    if (f->log.said != NULL)
        f->log.said(f->log.arg, position, &said);
    hark_inner_free(&said.inner);
    return HARK_OK;
}

static int make_anew(struct follow *f, struct hark_err *err)
{
    int rc = open_inner(f, err);

    for (uint64_t at = 0; rc == HARK_OK && at < follow_size(f); at++) {
        struct follow_entry e = {.entry = NULL};

        rc = f->log.read(f->log.arg, at, &e, err);
        if (rc == HARK_OK)
            rc = apply_inner(f, at, &e, err);
    }
    f->stale = rc != HARK_OK;
    f->remade++;
    return rc;
}

int follow_inner(struct hark_inner_state **out, struct follow *f, struct hark_err *err)
{
    int rc = f->stale ? make_anew(f, err) : HARK_OK;

    *out = f->inner;
    return rc;
}

int follow_compare(struct follow *f, struct hark_inner_reading *reading, struct hark_hash *hash,
                   struct hark_err *err)
{
    struct hark_inner_state *inner = NULL;
    int rc = follow_inner(&inner, f, err);

    if (rc == HARK_OK)
        rc = hark_inner_state_reading(inner, reading, err);
    if (rc == HARK_OK && reading->worn != HARK_NONE) {
        rc = make_anew(f, err);
        if (rc == HARK_OK)
            rc = hark_inner_state_reading(f->inner, reading, err);
    }
    return rc == HARK_OK ? hark_inner_state_hash(f->inner, hash, err) : rc;
}

/* ---- Following ---------------------------------------------------------------------- */

int follow_new(struct follow **out, const struct hark_hash *space, const struct follow_log *log,
               struct hark_err *err)
{
    struct follow *f = calloc(1, sizeof(*f));
    struct hark_store store;
    int rc;

    *out = NULL;
    if (f == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a follower");
    f->log = *log;
    rc = hark_memstore_new(&f->outer_store, err);
    if (rc == HARK_OK) {
        store = hark_memstore_store(f->outer_store);
        rc = hark_state_open(&f->outer, space, &store, err);
    }
    if (rc == HARK_OK)
        rc = hark_ring_new(&f->ring, space, err);
    if (rc == HARK_OK)
        rc = open_inner(f, err);
    if (rc != HARK_OK) {
        follow_free(f);
        return rc;
    }
    *out = f;
    return HARK_OK;
}

void follow_free(struct follow *f)
{
    if (f == NULL)
        return;
    hark_inner_state_free(f->inner);
    hark_memstore_free(f->inner_store);
    hark_ring_free(f->ring);
    hark_state_free(f->outer);
    hark_memstore_free(f->outer_store);
    free(f);
}

int follow_own(struct follow *f, const struct hark_box *box, struct hark_err *err)
{
    int rc = hark_ring_own(f->ring, box, err);

    if (rc == HARK_OK)
        f->own[f->own_count++] = box;
    return rc;
}

uint64_t follow_size(const struct follow *f)
{
    return hark_state_size(f->outer);
}

static int take_entry(struct follow *f, struct hark_err *err)
{
    struct follow_entry e = {.entry = NULL};
    struct hark_effect effect;
    uint64_t position = follow_size(f);
    int rc = f->log.read(f->log.arg, position, &e, err);

    if (rc == HARK_OK)
        rc = hark_state_apply(f->outer, e.entry, e.arrival, e.payload, &effect, err);
    if (rc == HARK_OK && effect.verdict == 0)
        rc = feed_ring(f, position, &e, err);
    if (rc == HARK_OK && !f->stale)
        rc = apply_inner(f, position, &e, err);
    return rc;
}

int follow_to(struct follow *f, uint64_t size, struct hark_err *err)
{
    int rc = HARK_OK;

    while (rc == HARK_OK && follow_size(f) < size)
        rc = take_entry(f, err);
    return rc;
}

int follow_learn(struct follow *f, uint32_t epoch, const uint8_t key[HARK_EPOCH_KEY_SIZE],
                 struct hark_err *err)
{
    int rc = hark_ring_learn(f->ring, epoch, key, err);

    f->stale = f->stale || rc == HARK_OK;
    return rc;
}

void follow_was_given(struct follow *f)
{
    f->stale = true;
}

/* ---- Starting again -------------------------------------------------------------------- */

/* The ring as it was stored. (Without the seal that it is stored under.) */
static int read_ring(struct follow *f, struct hark_err *err)
{
    struct hark_buf form = hark_buf_init_secret(HARK_RING_FORM_MAX);
    struct hark_ring *ring = NULL;
    int rc = hark_ring_encode(&form, f->ring, err);

    if (rc == HARK_OK)
        rc = hark_ring_decode(&ring, hark_buf_span(&form), err);
    hark_buf_free(&form);
    for (size_t i = 0; rc == HARK_OK && i < f->own_count; i++)
        rc = hark_ring_own(ring, f->own[i], err);
    if (rc != HARK_OK) {
        hark_ring_free(ring);
        return rc;
    }
    hark_ring_free(f->ring);
    f->ring = ring;
    return HARK_OK;
}

/* The states, over the stores that they were in, with the new ring. */
static int open_again(struct follow *f, struct hark_err *err)
{
    const struct hark_hash space = *hark_state_space(f->outer);
    struct hark_store outer = hark_memstore_store(f->outer_store);
    struct hark_store inner = hark_memstore_store(f->inner_store);
    int rc;

    hark_inner_state_free(f->inner);
    f->inner = NULL;
    hark_state_free(f->outer);
    f->outer = NULL;
    rc = hark_state_open(&f->outer, &space, &outer, err);
    return rc == HARK_OK ? hark_inner_state_open(&f->inner, f->outer, f->ring, &inner, err) : rc;
}

int follow_restart(struct follow *f, struct hark_err *err)
{
    int rc = read_ring(f, err);

    if (rc == HARK_OK)
        rc = open_again(f, err);
    for (uint64_t at = hark_ring_next(f->ring); rc == HARK_OK && at < follow_size(f); at++) {
        struct follow_entry e = {.entry = NULL};
        struct hark_entry_object object;

        rc = f->log.read(f->log.arg, at, &e, err);
        if (rc == HARK_OK)
            rc = hark_state_entry(f->outer, at, &object, err);
        if (rc == HARK_OK && object.verdict == 0)
            rc = feed_ring(f, at, &e, err);
    }
    return rc;
}
