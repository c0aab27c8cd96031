/*
 * Counting the members of groups by what they chose, in one row of 65,536 members.
 *
 * One group, or a large one (a bitset to Roaring), is intersected with each set.
 * Small ones ask too much that way: each of their members is looked for in every
 * set. So where many groups are counted, what each member of the row is in is
 * written down once, one byte a member, and a small group's members are walked
 * once. A byte with bit i set stands for a number with 1 in lane i, and numbers
 * are added up, all lanes at a time, for as long as a lane cannot overflow.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

#define ROW       65536u
#define LANE_BITS 10
#define LANE_MAX  ((1u << LANE_BITS) - 1)

_Static_assert(HARK_COUNTS <= 8, "a member's sets are a byte");
_Static_assert(HARK_COUNTS *LANE_BITS <= 64, "the lanes are a word");

struct hark_index_codes {
    bool made; /* for this row */
    uint64_t lanes[1u << HARK_COUNTS];
    uint8_t of[ROW];
    uint16_t members[HARK_BITS_LISTED];
};

struct hark_index_codes *hark_index_codes_new(void)
{
    struct hark_index_codes *codes = calloc(1, sizeof(*codes));

    for (unsigned code = 0; codes != NULL && code < 1u << HARK_COUNTS; code++)
        for (unsigned i = 0; i < HARK_COUNTS; i++)
            codes->lanes[code] |= (uint64_t)(code >> i & 1) << i * LANE_BITS;
    return codes;
}

/* Bit i of the lowest byte as byte i. */
static uint64_t spread(uint64_t byte)
{
    uint64_t each = byte * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);

    /* A byte has one bit or none: what is added carries it to the highest. */
    return (each + UINT64_C(0x00406070787c7e7f)) >> 7 & UINT64_C(0x0101010101010101);
}

static void make_codes(struct hark_index_codes *codes,
                       const roaring_bitmap_t *const sets[HARK_COUNTS])
{
    uint8_t bits[ROW / 8];

    memset(codes->of, 0, sizeof(codes->of));
    for (unsigned i = 0; i < HARK_COUNTS; i++) {
        if (sets[i] == NULL)
            continue;
        hark_index_bits_write(sets[i], bits);
        for (size_t at = 0; at < sizeof(bits); at++) {
            uint64_t eight;

            memcpy(&eight, codes->of + 8 * at, sizeof(eight));
            eight |= spread(bits[at]) << i;
            memcpy(codes->of + 8 * at, &eight, sizeof(eight));
        }
    }
    codes->made = true;
}

static void walk(struct hark_index_codes *codes, const roaring_bitmap_t *within,
                 uint64_t counts[HARK_COUNTS])
{
    size_t size = hark_index_bits_list(within, codes->members);

    for (size_t at = 0; at < size;) {
        size_t end = size - at < LANE_MAX ? size : at + LANE_MAX;
        uint64_t sum = 0;

        for (; at < end; at++)
            sum += codes->lanes[codes->of[codes->members[at]]];
        for (unsigned i = 0; i < HARK_COUNTS; i++)
            counts[i] += sum >> i * LANE_BITS & LANE_MAX;
    }
}

void hark_index_count_begin(struct hark_index_count *row)
{
    memset(row->sets, 0, sizeof(row->sets));
    if (row->codes != NULL)
        row->codes->made = false;
}

void hark_index_count(struct hark_index_count *row, const roaring_bitmap_t *within,
                      uint64_t counts[HARK_COUNTS])
{
    memset(counts, 0, HARK_COUNTS * sizeof(*counts));
    if (row->codes != NULL && within != NULL &&
        roaring_bitmap_get_cardinality(within) <= HARK_BITS_LISTED) {
        if (!row->codes->made)
            make_codes(row->codes, row->sets);
        walk(row->codes, within, counts);
        return;
    }
    for (unsigned i = 0; i < HARK_COUNTS; i++) {
        if (row->sets[i] != NULL && within == NULL)
            counts[i] = roaring_bitmap_get_cardinality(row->sets[i]);
        else if (row->sets[i] != NULL)
            counts[i] = roaring_bitmap_and_cardinality(row->sets[i], within);
    }
}
