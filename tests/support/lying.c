/*
 * A steward, or a member, who lies: hark itself, linked so that what it seals is not what it
 * should be. e2e.85-lying. HARK_LIE says how:
 *
 *     other      the last of several boxes of a fresh key, or the box of who joins, has
 *                another key in it
 *     garbage    that box opens to nobody
 *     reused     a "fresh" key is the one of which HARK_LIE_FILE has the bytes; where there is
 *                no such file, a right one, and they are written there
 *     envelope   what is said is sealed as the bytes in HARK_LIE_FILE; where there is no such
 *                file it is sealed as it should be, and the bytes are written there
 *     cut        an envelope lacks its last 64 bytes
 *     old        it is sealed under the key of the epoch before the one in force
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/inner.h"

int __real_hark_epoch_seal_boxes(const struct hark_epoch *epoch, struct hark_epoch_box *boxes,
                                 size_t count, struct hark_err *err);
int __wrap_hark_epoch_seal_boxes(const struct hark_epoch *epoch, struct hark_epoch_box *boxes,
                                 size_t count, struct hark_err *err);
int __real_hark_epoch_new(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                          struct hark_err *err);
int __wrap_hark_epoch_new(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                          struct hark_err *err);
int __real_hark_inner_seal(struct hark_buf *out, struct hark_ring *ring,
                           const struct hark_kinds *kinds, const struct hark_entry *entry,
                           const struct hark_inner *inner, struct hark_err *err);
int __wrap_hark_inner_seal(struct hark_buf *out, struct hark_ring *ring,
                           const struct hark_kinds *kinds, const struct hark_entry *entry,
                           const struct hark_inner *inner, struct hark_err *err);

static bool lies(const char *how)
{
    const char *said = getenv("HARK_LIE");

    return said != NULL && strcmp(said, how) == 0;
}

/* What was kept, or 0 bytes; and keeps it. */
static size_t kept(void *bytes, size_t most)
{
    FILE *file = fopen(getenv("HARK_LIE_FILE"), "rb");
    size_t size = file != NULL ? fread(bytes, 1, most, file) : 0;

    if (file != NULL)
        (void)fclose(file);
    return size;
}

static int keep(const void *bytes, size_t size, struct hark_err *err)
{
    FILE *file = fopen(getenv("HARK_LIE_FILE"), "wb");
    bool well = file != NULL && fwrite(bytes, 1, size, file) == size;

    if (file != NULL)
        well = fclose(file) == 0 && well;
    return well ? 0 : hark_err_set(err, HARK_E_IO, "what is to be said again cannot be kept");
}

int __wrap_hark_epoch_seal_boxes(const struct hark_epoch *epoch, struct hark_epoch_box *boxes,
                                 size_t count, struct hark_err *err)
{
    int rc = __real_hark_epoch_seal_boxes(epoch, boxes, count, err);
    struct hark_epoch *other = NULL;

    if (rc == 0 && lies("garbage"))
        boxes[count - 1].sealed[HARK_EPOCH_BOX_SIZE / 2] ^= 1;
    if (rc == 0 && lies("other")) {
        rc = __real_hark_epoch_new(&other, hark_epoch_space(epoch), hark_epoch_number(epoch), err);
        if (rc == 0)
            rc = __real_hark_epoch_seal_boxes(other, &boxes[count - 1], 1, err);
        hark_epoch_free(other);
    }
    return rc;
}

int __wrap_hark_epoch_new(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                          struct hark_err *err)
{
    uint8_t key[HARK_EPOCH_KEY_SIZE];
    int rc;

    if (lies("reused") && kept(key, sizeof(key)) == sizeof(key))
        return hark_epoch_from_bytes(out, space, number, key, err);
    rc = __real_hark_epoch_new(out, space, number, err);
    if (rc == 0 && lies("reused")) {
        hark_epoch_bytes(key, *out);
        rc = keep(key, sizeof(key), err);
    }
    return rc;
}

/* Everything of the ring but its last step: as it was for an author who has not heard of it. */
static int seal_old(struct hark_buf *out, struct hark_ring *ring, const struct hark_kinds *kinds,
                    const struct hark_entry *entry, const struct hark_inner *inner,
                    struct hark_err *err)
{
    struct hark_ring *before = NULL;
    const struct hark_epoch *key = NULL;
    uint8_t bytes[HARK_EPOCH_KEY_SIZE];
    uint32_t epoch = 0;
    struct hark_epoch_box box = {.number = 0};
    int rc;

    (void)hark_ring_in_force(ring, &epoch);
    rc = hark_ring_new(&before, hark_ring_space(ring), err);
    for (uint32_t e = 0; e < epoch && rc == 0; e++)
        rc = hark_ring_join(before, e, e, &box, err);
    if (rc == 0)
        rc = hark_ring_key(&key, ring, epoch - 1, err);
    if (rc == 0) {
        hark_epoch_bytes(bytes, key);
        rc = hark_ring_learn(before, epoch - 1, bytes, err);
    }
    if (rc == 0)
        rc = __real_hark_inner_seal(out, before, kinds, entry, inner, err);
    hark_ring_free(before);
    return rc;
}

int __wrap_hark_inner_seal(struct hark_buf *out, struct hark_ring *ring,
                           const struct hark_kinds *kinds, const struct hark_entry *entry,
                           const struct hark_inner *inner, struct hark_err *err)
{
    uint8_t bytes[65536];
    size_t size = lies("envelope") ? kept(bytes, sizeof(bytes)) : 0;
    int rc;

    if (size > 0)
        return hark_buf_append(out, bytes, size, err);
    if (lies("old"))
        return seal_old(out, ring, kinds, entry, inner, err);
    rc = __real_hark_inner_seal(out, ring, kinds, entry, inner, err);
    if (rc == 0 && lies("cut"))
        out->size -= 64;
    if (rc == 0 && lies("envelope"))
        rc = keep(out->data, out->size, err);
    return rc;
}
