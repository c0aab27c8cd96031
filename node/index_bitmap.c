/*
 * Sets of member ordinals as Roaring bitmaps, in rows of 65,536 ordinals: one
 * container a row, so that one vote rewrites 8 KiB at most and mostly far less.
 *
 * A row is Roaring's portable format of a bitmap over 0 to 65535, written
 * without run containers:
 *
 *     u32 12346 | u32 1 | u16 0 | u16 cardinality - 1 | u32 16 |
 *     cardinality u16, ascending (up to 4,096)  or  1,024 u64 of bits
 *
 * all little endian. CRoaring believes what it reads, so a row is checked
 * against this before it gets there. An empty set has no row.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"
#include "node/zeros.h"

#define BUCKETS     16384u
#define BUCKET_BITS 14
#define FULL        6144u  /* rows held at most where nothing is borrowed */
#define CROWDED     12288u /* at most with those that a row is about to need */
#define ARRAY_MAX   HARK_BITS_LISTED
#define HEADER      16u
#define ROW_MAX     (HEADER + 8192u)

struct held {
    int64_t key; /* set | hi, + 1; 0: empty */
    bool dirty;
    roaring_bitmap_t *bitmap;
};

struct hark_index_bits {
    size_t count;
    struct held held[BUCKETS];
};

static void clear(struct hark_index_bits *bits)
{
    for (size_t i = 0; i < BUCKETS && bits->count > 0; i++) {
        if (bits->held[i].bitmap != NULL)
            roaring_bitmap_free(bits->held[i].bitmap);
    }
    hark_zeros_again(bits, sizeof(*bits));
}

int hark_index_bits_new(struct hark_index *index, struct hark_err *err)
{
    index->bits = hark_zeros_new(sizeof(*index->bits));
    return index->bits == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the index") : 0;
}

void hark_index_bits_free(struct hark_index *index)
{
    if (index->bits != NULL)
        clear(index->bits);
    hark_zeros_free(index->bits, sizeof(*index->bits));
    index->bits = NULL;
}

void hark_index_bits_drop(struct hark_index *index)
{
    if (index->bits != NULL && index->bits->count > 0)
        clear(index->bits);
}

static unsigned get_u16(const uint8_t *in)
{
    return (unsigned)in[0] | (unsigned)in[1] << 8;
}

static bool array_ascends(const uint8_t *in, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (get_u16(in + 2 * (size_t)i) <= get_u16(in + 2 * (size_t)(i - 1)))
            return false;
    return true;
}

static bool bits_number(const uint8_t *in, unsigned count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < 8192; i += 8) {
        uint64_t word;

        memcpy(&word, in + i, sizeof(word));
        sum += (unsigned)__builtin_popcountll(word);
    }
    return sum == count;
}

static bool row_is_sound(const uint8_t *row, size_t size)
{
    static const uint8_t head[10] = {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0};
    static const uint8_t offset[4] = {HEADER, 0, 0, 0};
    unsigned count;

    if (size < HEADER || memcmp(row, head, sizeof(head)) != 0 ||
        memcmp(row + 12, offset, sizeof(offset)) != 0)
        return false;
    count = get_u16(row + 10) + 1;
    if (count <= ARRAY_MAX)
        return size == HEADER + 2 * (size_t)count && array_ascends(row + HEADER, count);
    return size == ROW_MAX && bits_number(row + HEADER, count);
}

static int read_row(struct hark_index *index, int64_t id, roaring_bitmap_t **out,
                    struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row, "SELECT bits FROM bits WHERE id = ?1",
                               V_ARGS(V_INT(id)));

    *out = NULL;
    if (rc != 0)
        return rc;
    if (row) {
        const uint8_t *bytes = sqlite3_column_blob(statement, 0);
        size_t size = (size_t)sqlite3_column_bytes(statement, 0);

        if (bytes == NULL || !row_is_sound(bytes, size))
            rc = HARK_E_DAMAGED;
        else
            *out = roaring_bitmap_portable_deserialize_safe((const char *)bytes, size);
    } else {
        *out = roaring_bitmap_create();
    }
    (void)sqlite3_reset(statement);
    if (rc == HARK_E_DAMAGED) {
        (void)hark_err_set(err, rc, "the index holds a bitmap that is none");
        return rc;
    }
    if (*out != NULL)
        return 0;
    (void)hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a bitmap");
    return HARK_E_NO_MEMORY;
}

static int write_row(struct hark_index *index, const struct held *held, struct hark_err *err)
{
    char row[ROW_MAX];
    size_t size;

    if (roaring_bitmap_is_empty(held->bitmap))
        return hark_index_run(index, err, "DELETE FROM bits WHERE id = ?1",
                              V_ARGS(V_INT(held->key - 1)));
    size = roaring_bitmap_portable_size_in_bytes(held->bitmap);
    if (size > sizeof(row))
        return hark_err_set(err, HARK_E_INTERNAL, "a bitmap's row would have %zu bytes", size);
    (void)roaring_bitmap_portable_serialize(held->bitmap, row);
    return hark_index_run(index, err, "INSERT OR REPLACE INTO bits (id, bits) VALUES (?1, ?2)",
                          V_ARGS(V_INT(held->key - 1), V_BLOB(row, size)));
}

int hark_index_bits_flush(struct hark_index *index, struct hark_err *err)
{
    for (size_t i = 0; index->bits->count > 0 && i < BUCKETS; i++) {
        struct held *held = &index->bits->held[i];
        int rc;

        if (held->key == 0 || !held->dirty)
            continue;
        rc = write_row(index, held, err);
        if (rc != 0)
            return rc;
        held->dirty = false;
    }
    return 0;
}

static int make_room(struct hark_index *index, struct hark_err *err)
{
    int rc = index->in_transaction ? hark_index_bits_flush(index, err) : 0;

    if (rc == 0)
        clear(index->bits);
    return rc;
}

int hark_index_bits_begin(struct hark_index *index, struct hark_err *err)
{
    if (index->read_only)
        hark_index_bits_drop(index);
    return index->bits->count < FULL ? 0 : make_room(index, err);
}

int hark_index_bits_room(struct hark_index *index, size_t need, struct hark_err *err)
{
    return index->bits->count + need <= CROWDED ? 0 : make_room(index, err);
}

static int hold(struct hark_index *index, int64_t id, struct held **out, struct hark_err *err)
{
    struct hark_index_bits *bits = index->bits;
    size_t at = (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BUCKET_BITS));
    int rc;

    while (bits->held[at].key > 0 && bits->held[at].key != id + 1)
        at = (at + 1) % BUCKETS;
    *out = &bits->held[at];
    if (bits->held[at].key == id + 1)
        return 0;
    if (bits->count >= BUCKETS - 1)
        return hark_err_set(err, HARK_E_INTERNAL, "too many bitmaps are in use");
    rc = read_row(index, id, &bits->held[at].bitmap, err);
    if (rc != 0)
        return rc;
    bits->held[at].key = id + 1;
    bits->held[at].dirty = false;
    bits->count++;
    return 0;
}

int hark_index_bits_set(struct hark_index *index, int64_t set, uint32_t ordinal, bool in,
                        struct hark_err *err)
{
    struct held *held = NULL;
    uint32_t low = ordinal & 0xffff;
    int rc;

    if (ordinal >> 24 != 0)
        return hark_err_set(err, HARK_E_INTERNAL, "there is no member %u", ordinal);
    rc = hold(index, set | (int64_t)(ordinal >> 16), &held, err);
    if (rc != 0 || roaring_bitmap_contains(held->bitmap, low) == in)
        return rc;
    if (in)
        roaring_bitmap_add(held->bitmap, low);
    else
        roaring_bitmap_remove(held->bitmap, low);
    held->dirty = true;
    return 0;
}

int hark_index_bits_get(struct hark_index *index, int64_t set, unsigned hi,
                        const roaring_bitmap_t **out, struct hark_err *err)
{
    struct held *held = NULL;
    int rc = hold(index, set | (int64_t)hi, &held, err);

    *out = rc != 0 || roaring_bitmap_is_empty(held->bitmap) ? NULL : held->bitmap;
    return rc;
}

int hark_index_bits_rows(struct hark_index *index, unsigned *rows, struct hark_err *err)
{
    bool found = false;
    int64_t last = 0;
    int rc =
        hark_index_number(index, err, &found, &last, "SELECT max(ordinal) FROM member", NULL, 0);

    *rows = found ? (unsigned)(last >> 16) + 1 : 0;
    if (rc == 0 && *rows > 256)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the index has too many members");
    return rc;
}

/* Writes the row; gives how many members it has, 0 also for what is no row. */
static size_t lay_out(const roaring_bitmap_t *bitmap, uint8_t row[ROW_MAX])
{
    if (roaring_bitmap_is_empty(bitmap) || roaring_bitmap_portable_size_in_bytes(bitmap) > ROW_MAX)
        return 0;
    (void)roaring_bitmap_portable_serialize(bitmap, (char *)row);
    return get_u16(row + 10) + 1;
}

void hark_index_bits_write(const roaring_bitmap_t *bitmap, uint8_t out[8192])
{
    uint8_t row[ROW_MAX];
    size_t count = lay_out(bitmap, row);

    if (count > ARRAY_MAX) {
        memcpy(out, row + HEADER, 8192);
        return;
    }
    memset(out, 0, 8192);
    for (size_t i = 0; i < count; i++) {
        unsigned at = get_u16(row + HEADER + 2 * i);

        out[at / 8] |= (uint8_t)(1u << at % 8);
    }
}

size_t hark_index_bits_list(const roaring_bitmap_t *bitmap, uint16_t out[HARK_BITS_LISTED])
{
    uint8_t row[ROW_MAX];
    size_t count = lay_out(bitmap, row);

    if (count > HARK_BITS_LISTED)
        return 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint16_t)get_u16(row + HEADER + 2 * i);
    return count;
}

int hark_index_bits_count(struct hark_index *index, int64_t set, uint64_t *count,
                          struct hark_err *err)
{
    unsigned rows = 0;
    int rc = hark_index_bits_rows(index, &rows, err);

    *count = 0;
    for (unsigned hi = 0; rc == 0 && hi < rows; hi++) {
        const roaring_bitmap_t *bitmap = NULL;

        rc = hark_index_bits_get(index, set, hi, &bitmap, err);
        if (bitmap != NULL)
            *count += roaring_bitmap_get_cardinality(bitmap);
    }
    return rc;
}

int hark_index_bits_vote(struct hark_index *index, uint64_t subject, uint32_t member, int from,
                         int to, struct hark_err *err)
{
    int rc = 0;

    if (from == to)
        return 0;
    for (int choice = 0; rc == 0 && choice < HARK_CHOICES; choice++) {
        bool was = choice == from || (choice == HARK_CHOICE_SILENT && from == HARK_CHOICE_ERASED);
        bool is = choice == to || (choice == HARK_CHOICE_SILENT && to == HARK_CHOICE_ERASED);

        if (was != is)
            rc = hark_index_bits_set(index, HARK_SET_VOTE(subject, choice), member, is, err);
    }
    return rc;
}
