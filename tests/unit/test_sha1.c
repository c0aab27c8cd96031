/*
 * crypto/sha1: FIPS 180-4's examples, git's empty blob, and that feeding in pieces
 * changes nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/bytes.h"
#include "crypto/sha1.h"

static void hex_of(char out[2 * HARK_SHA1_SIZE + 1], struct hark_sha1 *h)
{
    uint8_t hash[HARK_SHA1_SIZE];

    hark_sha1_final(h, hash);
    hark_hex_encode(out, hash, sizeof(hash));
}

static void test_sha1__fips_examples(void **state)
{
    static const struct {
        const char *message;
        size_t size;
        const char *hash;
    } examples[] = {
        {NULL, 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"blob 0", 7, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
    };
    struct hark_sha1 h;

    (void)state;
    hark_sha1_init(&h);
    /* The one state over and over: it begins anew by itself. */
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        char hex[2 * HARK_SHA1_SIZE + 1];

        hark_sha1_update(&h, examples[i].message, examples[i].size);
        hex_of(hex, &h);
        assert_string_equal(hex, examples[i].hash);
    }
}

/* Around the 64-byte block, where padding and buffering change. */
static void test_sha1__pieces_give_the_same(void **state)
{
    uint8_t data[200];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size <= sizeof(data); size++) {
        char whole[2 * HARK_SHA1_SIZE + 1], pieces[2 * HARK_SHA1_SIZE + 1];
        struct hark_sha1 h;

        hark_sha1_init(&h);
        hark_sha1_update(&h, data, size);
        hex_of(whole, &h);
        for (size_t at = 0; at < size; at += 13)
            hark_sha1_update(&h, data + at, size - at < 13 ? size - at : 13);
        hark_sha1_update(&h, NULL, 0);
        hex_of(pieces, &h);
        assert_string_equal(whole, pieces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha1__fips_examples),
        cmocka_unit_test(test_sha1__pieces_give_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
