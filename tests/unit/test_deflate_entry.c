/*
 * node/deflate_entry: whatever comes out of it, zlib reads back to the last byte; what
 * it is not made for it leaves alone; and nothing is written where there is no room.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <zlib.h>

#include "node/deflate_entry.h"

#define ROOM (4u * HARK_DEFLATE_ENTRY_MAX)

static struct hark_entry_codes codes;
static uint64_t seed = 1;

static unsigned chance(unsigned below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % below;
}

/* A printable character or a line's end. */
static uint8_t letter(unsigned kinds)
{
    unsigned n = chance(kinds);

    return n == 95 ? '\n' : (uint8_t)(' ' + n);
}

/* All of the stream is read, and is the text. */
static void reads_back(const uint8_t *text, size_t size, const uint8_t *stream, size_t stream_size)
{
    uint8_t back[HARK_DEFLATE_ENTRY_MAX + 1];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)stream,
                  .avail_in = (uInt)stream_size,
                  .next_out = back,
                  .avail_out = sizeof(back)};

    assert_int_equal(inflateInit(&z), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, size);
    assert_memory_equal(back, text, size);
    assert_int_equal(inflateEnd(&z), Z_OK);
}

static size_t there_and_back(const uint8_t *text, size_t size)
{
    static uint8_t stream[ROOM];
    size_t made = hark_deflate_entry(&codes, hark_span(text, size), stream, sizeof(stream));

    assert_true(made > 0);
    reads_back(text, size, stream, made);
    return made;
}

static void test_deflate_entry__texts_of_any_size_read_back(void **state)
{
    uint8_t text[HARK_DEFLATE_ENTRY_MAX];

    (void)state;
    for (size_t size = 1; size <= sizeof(text); size += 1 + size / 64) {
        /* From a single letter over and over to all there are. */
        for (unsigned kinds = 1; kinds <= 96; kinds += 19) {
            for (size_t i = 0; i < size; i++)
                text[i] = letter(kinds);
            (void)there_and_back(text, size);
        }
    }
}

/* Every symbol for a length and for a distance, with what it leaves open. */
static void test_deflate_entry__matches_of_any_length_and_distance_read_back(void **state)
{
    uint8_t text[HARK_DEFLATE_ENTRY_MAX];

    (void)state;
    for (size_t length = 1; length <= 300; length++) {
        size_t most = sizeof(text) - length;
        size_t distance = length < 290 ? 1 + chance((unsigned)most) : most;

        for (size_t i = 0; i < distance; i++)
            text[i] = letter(96);
        for (size_t i = distance; i < distance + length; i++)
            text[i] = text[i - distance];
        (void)there_and_back(text, distance + length);
    }
}

static void test_deflate_entry__leaves_alone_what_no_entry_has(void **state)
{
    static uint8_t stream[ROOM];
    uint8_t text[HARK_DEFLATE_ENTRY_MAX + 1];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(hark_deflate_entry(&codes, hark_span(text, sizeof(text)), stream, ROOM), 0);
    assert_int_equal(hark_deflate_entry(&codes, hark_span(NULL, 0), stream, ROOM), 0);
    for (unsigned byte = 0; byte < 256; byte++) {
        bool known = byte == '\n' || (byte >= ' ' && byte <= '~');

        text[7] = (uint8_t)byte;
        assert_int_equal(hark_deflate_entry(&codes, hark_span(text, 20), stream, ROOM) > 0, known);
    }
}

/* Whatever the room, nothing is written beyond, and what is said to fit does. */
static void test_deflate_entry__stays_within_its_room(void **state)
{
    uint8_t text[600];
    uint8_t *stream;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = letter(96);
    for (size_t room = 0; room < 900; room++) {
        size_t made;

        stream = malloc(room + 64);
        assert_non_null(stream);
        memset(stream, 0xa5, room + 64);
        made = hark_deflate_entry(&codes, hark_span(text, sizeof(text)), stream, room);
        assert_true(made <= room);
        for (size_t i = room; i < room + 64; i++)
            assert_int_equal(stream[i], 0xa5);
        if (made > 0)
            reads_back(text, sizeof(text), stream, made);
        free(stream);
    }
}

/* What it is for: an entry takes hardly more than zlib's best. */
static void test_deflate_entry__an_entry_becomes_as_small_as_with_zlib(void **state)
{
    static const char hex[] = "0123456789abcdef";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char key[65] = {0}, id[4][65] = {{0}}, armor[240] = {0}, text[HARK_DEFLATE_ENTRY_MAX];
    uint8_t best[ROOM];
    uLongf best_size = sizeof(best);
    int size;

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        key[i] = hex[chance(16)];
        for (size_t j = 0; j < 4; j++)
            id[j][i] = hex[chance(16)];
    }
    for (size_t i = 0; i + 1 < sizeof(armor); i++)
        armor[i] = i % 71 == 70 ? '\n' : base64[chance(64)];
    size = snprintf(text, sizeof(text),
                    "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent %.40s\n"
                    "author %s <%s@hark.invalid> 1795004001 +0000\n"
                    "committer %s <%s@hark.invalid> 1795004001 +0000\n"
                    "gpgsig -----BEGIN SSH SIGNATURE-----\n %s\n -----END SSH SIGNATURE-----\n\n"
                    "post 5\n\nHark: 1\nSpace: %s\nAuthor: %s\nSeq: 5\nPrevious: %s\n"
                    "Time: 2026-11-18T12:13:21.000Z\nKind: post\nRe: %s\nPayload: 192 %s\n",
                    id[0], key, key, key, key, armor, id[1], key, id[2], id[3], id[0]);
    assert_int_equal(compress2(best, &best_size, (const Bytef *)text, (uLong)size, 9), Z_OK);
    assert_true(there_and_back((const uint8_t *)text, (size_t)size) <= best_size * 104 / 100);
}

static int setup(void **state)
{
    (void)state;
    hark_entry_codes_make(&codes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deflate_entry__texts_of_any_size_read_back),
        cmocka_unit_test(test_deflate_entry__matches_of_any_length_and_distance_read_back),
        cmocka_unit_test(test_deflate_entry__leaves_alone_what_no_entry_has),
        cmocka_unit_test(test_deflate_entry__stays_within_its_room),
        cmocka_unit_test(test_deflate_entry__an_entry_becomes_as_small_as_with_zlib),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
