/*
 * From entries to what a ring is fed with: the fields of `admit`, `device`, `epoch` and
 * `remove` that keys travel in. PROTOCOL.md 10.2, 10.8.
 */
#include "schemas/ring.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/state_internal.h"

static int disagree(const char *kind, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_INTERNAL, "kind %s and the program disagree", kind);
}

static bool read_number(const json_t *json, const char *name, uint32_t *out)
{
    uint64_t wide = 0;
    bool there = hark_json_u64(json, name, UINT32_MAX, &wide);

    *out = (uint32_t)wide;
    return there;
}

static bool read_box(const json_t *json, uint8_t out[HARK_EPOCH_BOX_SIZE])
{
    const json_t *text = json_object_get(json, "box");
    struct hark_buf bytes = hark_buf_init(HARK_EPOCH_BOX_SIZE);
    bool well =
        json_is_string(text) &&
        hark_base64_decode(&bytes, hark_span(json_string_value(text), json_string_length(text)),
                           NULL) == HARK_OK &&
        bytes.size == HARK_EPOCH_BOX_SIZE;

    if (well)
        memcpy(out, bytes.data, HARK_EPOCH_BOX_SIZE);
    hark_buf_free(&bytes);
    return well;
}

/* `to` is the newcomer's box, which the older keys are sealed to as well. */
static int feed_older(struct hark_ring *ring, uint64_t position, const char *kind,
                      const struct hark_epoch_box *to, const json_t *list, struct hark_err *err)
{
    size_t count = json_array_size(list);
    struct hark_ring_older *older;
    int rc = HARK_OK;

    if (count == 0 || count > HARK_RING_OLDER_MAX)
        return count == 0 ? HARK_OK : disagree(kind, err);
    older = calloc(count, sizeof(*older));
    if (older == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for older keys");
    for (size_t i = 0; i < count && rc == HARK_OK; i++) {
        const json_t *item = json_array_get(list, i);

        older[i].box = *to;
        if (!read_number(item, "epoch", &older[i].epoch) || !read_box(item, older[i].box.sealed))
            rc = disagree(kind, err);
    }
    if (rc == HARK_OK)
        rc = hark_ring_older(ring, position, older, count, err);
    free(older);
    return rc;
}

/* Somebody's key comes, and gets the next number. */
static int feed_join(struct hark_ring *ring, struct hark_state *before, uint64_t position,
                     const char *kind, const json_t *json, struct hark_err *err)
{
    const json_t *group_key = json_object_get(json, "group_key");
    struct hark_epoch_box box = {.number = 0};
    uint64_t counts[HARK_SECTION_HASHED_];
    uint32_t epoch = 0;
    int rc = hark_state_counts(before, counts, err);

    if (rc != HARK_OK)
        return rc;
    box.number = (uint32_t)counts[HARK_SECTION_KEY];
    if (!hark_json_hex(json, "box", box.to.bytes, sizeof(box.to.bytes)) ||
        !read_number(group_key, "epoch", &epoch) || !read_box(group_key, box.sealed))
        return disagree(kind, err);
    rc = hark_ring_join(ring, position, epoch, &box, err);
    return rc == HARK_OK
               ? feed_older(ring, position, kind, &box, json_object_get(json, "older"), err)
               : rc;
}

static int feed_part(struct hark_ring *ring, struct hark_state *before, uint64_t position,
                     const json_t *json, struct hark_err *err)
{
    const json_t *sealed = json_object_get(json, "sealed");
    struct hark_ring_part part = {.position = position, .count = json_array_size(sealed)};
    struct hark_epoch_box *boxes;
    int rc = HARK_OK;

    if (!read_number(json, "epoch", &part.epoch) || !read_number(json, "part", &part.part) ||
        !read_number(json, "parts", &part.parts) ||
        !hark_json_hex(json, "commitment", part.commitment, sizeof(part.commitment)) ||
        part.count == 0 || part.count > HARK_EPOCH_PART_MAX)
        return disagree("epoch", err);
    boxes = calloc(part.count, sizeof(*boxes));
    if (boxes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a part of a fresh key");
    for (size_t i = 0; i < part.count && rc == HARK_OK; i++) {
        const json_t *item = json_array_get(sealed, i);
        struct hark_key_object key;

        if (!read_number(item, "key", &boxes[i].number) || !read_box(item, boxes[i].sealed))
            rc = disagree("epoch", err);
        if (rc == HARK_OK)
            rc = hark_state_key(before, boxes[i].number, &key, err);
        if (rc == HARK_OK)
            boxes[i].to = key.box;
    }
    part.boxes = boxes;
    if (rc == HARK_OK)
        rc = hark_ring_part(ring, &part, err);
    free(boxes);
    return rc;
}

static int feed(struct hark_ring *ring, struct hark_state *before, uint64_t position,
                const char *kind, const json_t *json, struct hark_err *err)
{
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];

    if (strcmp(kind, "epoch") == 0)
        return feed_part(ring, before, position, json, err);
    if (strcmp(kind, "admit") == 0 || hark_json_is(json, "action", "add"))
        return feed_join(ring, before, position, kind, json, err);
    if (!hark_json_hex(json, "commitment", commitment, sizeof(commitment)))
        return disagree(kind, err);
    return hark_ring_force(ring, position, commitment, err);
}

int hark_ring_entry(struct hark_ring *ring, struct hark_state *before, uint64_t position,
                    const char *kind, struct hark_span payload, struct hark_err *err)
{
    static const char *const KINDS[] = {"admit", "device", "epoch", "remove"};
    const struct hark_kinds *kinds = hark_state_kinds(before);
    json_t *json = NULL;
    size_t which = 0;
    int rc;

    while (which < sizeof(KINDS) / sizeof(KINDS[0]) && strcmp(KINDS[which], kind) != 0)
        which++;
    if (which == sizeof(KINDS) / sizeof(KINDS[0]))
        return HARK_OK;
    rc = hark_payload_check(hark_kinds_get(kinds, (size_t)hark_kinds_find(kinds, kind)), payload,
                            &json, err);
    if (rc == HARK_OK)
        rc = feed(ring, before, position, kind, json, err);
    json_decref(json);
    return rc;
}
