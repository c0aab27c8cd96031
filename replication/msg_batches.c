/*
 * batches: cursor of the asker ‖ u32 size of the load when unpacked ‖ u16 number
 * of batches; load: a zlib stream (RFC 1950) of the batches (9.4).
 *
 * The peer says how large the load is when unpacked, and that is as much as is
 * ever written: a stream with more in it is refused, so that a small load cannot
 * become a large one that nobody announced.
 */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"

int hark_batches_encode(struct hark_buf *out, const struct hark_batches *batches,
                        struct hark_err *err)
{
    int rc = hark_cursor_encode(out, &batches->cursor, err);
    if (rc == 0) {
        rc = hark_buf_append_u32(out, batches->size, err);
    }
    return rc != 0 ? rc : hark_buf_append_u16(out, batches->count, err);
}

int hark_batches_decode(struct hark_batches *out, struct hark_span body, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    int rc = hark_cursor_take(&body, &out->cursor, err);
    if (rc != 0) {
        return rc;
    }
    if (!hark_take_u32(&body, &out->size) || !hark_take_u16(&body, &out->count) || body.size != 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "batches without size and number, or with more");
    }
    if (out->size == 0 || out->size > HARK_UNPACKED_MAX || out->count == 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "batches that are none, or more than %u bytes",
                            HARK_UNPACKED_MAX);
    }
    return 0;
}

/* Half of a load is signatures, which nothing makes smaller: the fastest level gets nearly
 * all of the rest. */
#define LEVEL 1

int hark_batches_pack(struct hark_buf *out, struct hark_span plain, struct hark_err *err)
{
    if (plain.size == 0 || plain.size > HARK_UNPACKED_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a load is 1 to %u bytes when unpacked",
                            HARK_UNPACKED_MAX);
    }
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(LEVEL);
    if (compressor == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a load");
    }
    size_t room = libdeflate_zlib_compress_bound(compressor, plain.size);
    if (room > HARK_LOAD_MAX) {
        room = HARK_LOAD_MAX;
    }
    int rc = hark_buf_reserve(out, room, err);
    if (rc == 0) {
        size_t size = libdeflate_zlib_compress(compressor, plain.data, plain.size,
                                               out->data + out->size, room);
        if (size == 0) {
            rc = hark_err_set(err, HARK_E_LIMIT, "a load of more than %u bytes", HARK_LOAD_MAX);
        }
        out->size += size;
    }
    libdeflate_free_compressor(compressor);
    return rc;
}

/* Deflate makes at most 1,032 bytes of one (zlib's Technical Details): no room is made for
 * what the load cannot hold. What is not written takes no memory, either. */
#define INFLATED_MAX 1032u

static int inflate_load(struct hark_buf *out, size_t size, struct hark_span load,
                        struct hark_err *err)
{
    size_t taken = 0, made = 0;
    if (size / INFLATED_MAX > load.size) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a load that is not what was announced");
    }
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    if (inflater == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a load");
    }
    int rc = hark_buf_reserve(out, size, err);
    if (rc == 0 &&
        (libdeflate_zlib_decompress_ex(inflater, load.data, load.size, out->data + out->size, size,
                                       &taken, &made) != LIBDEFLATE_SUCCESS ||
         taken != load.size || made != size)) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "a load that is not what was announced");
    }
    if (rc == 0) {
        out->size += size;
    }
    libdeflate_free_decompressor(inflater);
    return rc;
}

static int count_batches(struct hark_span plain, unsigned wanted, struct hark_err *err)
{
    unsigned count = 0;
    while (plain.size > 0) {
        struct hark_raw_batch batch;
        struct hark_raw_entry *items = NULL;
        int rc = hark_wire_batch_take(&plain, &batch, &items, err);
        free(items);
        if (rc != 0) {
            return rc;
        }
        count++;
    }
    if (count != wanted) {
        return hark_err_set(err, HARK_E_PEER_FORM, "%u batches where %u were announced", count,
                            wanted);
    }
    return 0;
}

int hark_batches_unpack(struct hark_buf *out, const struct hark_batches *batches,
                        struct hark_span load, struct hark_err *err)
{
    size_t before = out->size;
    if (load.size > HARK_LOAD_MAX || batches->size > HARK_UNPACKED_MAX) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a load larger than allowed");
    }
    int rc = inflate_load(out, batches->size, load, err);
    if (rc == 0) {
        struct hark_span plain = hark_span(out->data + before, out->size - before);
        rc = count_batches(plain, batches->count, err);
    }
    if (rc != 0) {
        out->size = before;
    }
    return rc;
}
