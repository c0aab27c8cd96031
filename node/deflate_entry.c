/*
 * RFC 1950 and 1951: one block with codes of its own (which stand in its head), greedy
 * matches found by the hash of their first four bytes.
 *
 * The lengths of the codes come from 700 entries of members by the package-merge
 * algorithm, at most 10 bits long, every printable character and every length having one.
 * `head` says the same as RFC 1951 3.2.7 has it; tests/unit/test_deflate_entry.c would
 * notice if it did not.
 */
#include "node/deflate_entry.h"

#include <endian.h>
#include <libdeflate.h>
#include <string.h>

#define LITERALS   286u
#define DISTANCES  22u /* up to 2,048 */
#define BITS_MAX   10u
#define END        256u
#define MATCH_MIN  4u
#define MATCH_MAX  257u /* 258 has a symbol of its own, which nobody needs */
#define HASH_BITS  12u
#define TOKEN_ROOM 16u /* more than a match can take */
#define CHECK_SIZE 4u
#define HEAD_BITS  443u

/* A hexadecimal digit each; 0: there is none. Bytes below 128, then what follows byte 255. */
static const char byte_lengths[] = "00000000005000000000000000000000"
                                   "5aaaaaaaaaa8a89955555555556aaaaa"
                                   "a68877977798876988877788997aaaaa"
                                   "a45554578787777778777888988aaaa0";
static const char match_lengths[] = "9a699aaaaaaaaaaaaaaa9aaaaaaaaa";
static const char distance_lengths[] = "3aa59a3928a448483a379a";

static const uint8_t head[] = {
    0xed, 0x95, 0xe7, 0x42, 0x5b, 0x47, 0x10, 0x85, 0xff, 0xef, 0x53, 0x6c, 0x7a, 0x21,
    0xd8, 0xdb, 0xcb, 0x4d, 0xbd, 0x20, 0x59, 0x92, 0x41, 0xd7, 0x80, 0x24, 0xb0, 0x95,
    0x3a, 0xbb, 0x3b, 0x2b, 0x84, 0x2a, 0x92, 0x00, 0x43, 0xca, 0xb3, 0x3b, 0xd7, 0x4e,
    0xaf, 0xc5, 0xa9, 0xe5, 0x24, 0xeb, 0x1c, 0x7f, 0x64, 0x86, 0xe1, 0xe4, 0xc8, 0x01};

/* ---- codes ---- */

static uint8_t length_of(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* RFC 1951 3.2.2; a code is written from its highest bit on, all else from its lowest. */
static void number_codes(struct hark_entry_code *codes, size_t count)
{
    unsigned code = 0;
    for (unsigned length = 1; length <= BITS_MAX; length++, code <<= 1) {
        for (size_t i = 0; i < count; i++) {
            if (codes[i].length != length) {
                continue;
            }
            for (unsigned bit = 0; bit < length; bit++) {
                codes[i].bits |= (uint16_t)((code >> bit & 1u) << (length - 1 - bit));
            }
            code++;
        }
    }
}

void hark_entry_codes_make(struct hark_entry_codes *codes)
{
    memset(codes, 0, sizeof(*codes));
    for (size_t i = 0; i < sizeof(byte_lengths) - 1; i++) {
        codes->literal[i].length = length_of(byte_lengths[i]);
    }
    for (size_t i = END; i < LITERALS; i++) {
        codes->literal[i].length = length_of(match_lengths[i - END]);
    }
    for (size_t i = 0; i < DISTANCES; i++) {
        codes->distance[i].length = length_of(distance_lengths[i]);
    }
    number_codes(codes->literal, LITERALS);
    number_codes(codes->distance, DISTANCES);
}

/* ---- writing ---- */

struct writer {
    const struct hark_entry_codes *codes;
    uint8_t *out;
    size_t used;
    uint64_t bits; /* not written yet, fewer than 8 */
    unsigned count;
};

/* At most 56 bits. Eight bytes are written, most of which the next ones write again:
 * quicker than to ask how many it has to be. */
static void put_bits(struct writer *w, uint64_t bits, unsigned count)
{
    w->bits |= bits << w->count;
    w->count += count;
    uint64_t bytes = htole64(w->bits);
    memcpy(w->out + w->used, &bytes, sizeof(bytes));
    w->used += w->count / 8;
    w->bits >>= w->count / 8 * 8;
    w->count %= 8;
}

static void put_code(struct writer *w, const struct hark_entry_code *code)
{
    put_bits(w, code->bits, code->length);
}

static unsigned log2_of(size_t x)
{
    return 31u - (unsigned)__builtin_clz((unsigned)x);
}

/* A symbol, and what it leaves open in plain bits. */
static void put_open(struct writer *w, const struct hark_entry_code *code, size_t x, unsigned open)
{
    uint64_t rest = x & ((1u << open) - 1);
    put_bits(w, code->bits | rest << code->length, code->length + open);
}

/* RFC 1951 3.2.5: from 8 (lengths) and from 4 (distances) on, each doubling has four,
 * or two, symbols. */
static void put_match(struct writer *w, size_t length, size_t distance)
{
    size_t x = length - 3;
    unsigned open = x < 8 ? 0 : log2_of(x) - 2;
    put_open(w, &w->codes->literal[END + 1 + 4 * open + (x >> open)], x, open);
    x = distance - 1;
    open = x < 4 ? 0 : log2_of(x) - 1;
    put_open(w, &w->codes->distance[2 * open + (x >> open)], x, open);
}

static void begin(struct writer *w)
{
    static const uint8_t zlib[2] = {0x78, 0x01};
    memcpy(w->out, zlib, sizeof(zlib));
    memcpy(w->out + sizeof(zlib), head, HEAD_BITS / 8);
    w->used = sizeof(zlib) + HEAD_BITS / 8;
    put_bits(w, head[HEAD_BITS / 8], HEAD_BITS % 8);
}

static size_t finish(struct writer *w, struct hark_span text)
{
    put_code(w, &w->codes->literal[END]);
    if (w->count > 0) {
        w->used++; /* its byte stands there */
    }
    hark_put_u32(w->out + w->used, libdeflate_adler32(1, text.data, text.size));
    return w->used + CHECK_SIZE;
}

/* ---- matching ---- */

static size_t match_length(const uint8_t *before, const uint8_t *now, size_t most)
{
    size_t length = 0;
    for (; length + 8 <= most; length += 8) {
        uint64_t left, right;
        memcpy(&left, before + length, sizeof(left));
        memcpy(&right, now + length, sizeof(right));
        if (left != right) {
            return length + (size_t)__builtin_ctzll(le64toh(left ^ right)) / 8;
        }
    }
    while (length < most && before[length] == now[length]) {
        length++;
    }
    return length;
}

/* The length of a match of what stands at `at`, which is MATCH_MIN bytes or more, with the
 * last place of the same hash; 0 when there is none. */
static size_t find_match(uint16_t *table, struct hark_span text, size_t at, size_t *before)
{
    size_t rest = text.size - at;
    uint32_t now, then;
    memcpy(&now, text.data + at, sizeof(now));
    uint16_t *place = &table[now * UINT32_C(0x9e3779b1) >> (32 - HASH_BITS)];
    *before = *place;
    *place = (uint16_t)at;
    memcpy(&then, text.data + *before, sizeof(then));
    if (then != now || *before == at) {
        return 0;
    }
    return match_length(text.data + *before, text.data + at, rest < MATCH_MAX ? rest : MATCH_MAX);
}

size_t hark_deflate_entry(const struct hark_entry_codes *codes, struct hark_span text, uint8_t *out,
                          size_t room)
{
    uint16_t table[1u << HASH_BITS] = {0}; /* place 0 is as good a guess as any */
    struct writer w = {.codes = codes, .out = out};
    size_t before = 0;
    if (text.size == 0 || text.size > HARK_DEFLATE_ENTRY_MAX ||
        room < sizeof(head) + 2 * TOKEN_ROOM) {
        return 0;
    }
    begin(&w);
    for (size_t at = 0; at < text.size;) {
        const struct hark_entry_code *code = &codes->literal[text.data[at]];
        size_t length = text.size - at < MATCH_MIN ? 0 : find_match(table, text, at, &before);
        /* What ends the stream has to fit as well. */
        if (w.used + 2 * TOKEN_ROOM > room || code->length == 0) {
            return 0;
        }
        if (length != 0) {
            put_match(&w, length, at - before);
        } else {
            put_code(&w, code);
            length = 1;
        }
        at += length;
    }
    return finish(&w, text);
}
