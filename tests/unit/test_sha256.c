/*
 * crypto/sha256: FIPS 180-4's examples, and that feeding in pieces changes
 * nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/sha256.h"

static const struct {
    const char *message;
    const char *hash;
} examples[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void test_sha256__fips_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        char hex[2 * HARK_HASH_SIZE + 1];
        struct hark_hash hash = hark_sha256(hark_span_str(examples[i].message));
        hark_hash_hex(hex, &hash);
        assert_string_equal(hex, examples[i].hash);
    }
    struct hark_hash hash = hark_sha256(hark_span(NULL, 0));
    struct hark_hash empty = hark_sha256(hark_span("x", 0));
    assert_true(hark_hash_equal(&hash, &empty));
}

/* Around the 64-byte block, where padding and buffering change. */
static void test_sha256__pieces_give_the_same(void **state)
{
    (void)state;
    uint8_t data[200];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7);
    }
    for (size_t size = 0; size <= sizeof(data); size++) {
        struct hark_hash whole = hark_sha256(hark_span(data, size));
        struct hark_sha256 h;
        hark_sha256_init(&h);
        for (size_t at = 0; at < size; at += 13) {
            hark_sha256_update(&h, data + at, size - at < 13 ? size - at : 13);
        }
        hark_sha256_update(&h, NULL, 0);
        struct hark_hash pieces = hark_sha256_final(&h);
        assert_true(hark_hash_equal(&whole, &pieces));
    }
}

static void test_sha256__final_wipes_the_state(void **state)
{
    (void)state;
    struct hark_sha256 h;
    static const struct hark_sha256 wiped;
    hark_sha256_init(&h);
    hark_sha256_update(&h, "secret", 6);
    (void)hark_sha256_final(&h);
    assert_memory_equal(&h, &wiped, sizeof(h));
}

static void test_sha256__hashes_compare_and_read_back(void **state)
{
    (void)state;
    struct hark_hash zero = {{0}};
    struct hark_hash hash;
    struct hark_err err = {0};
    assert_true(hark_hash_is_zero(&zero));
    assert_int_equal(hark_hash_from_hex(&hash, hark_span_str(examples[1].hash), &err), 0);
    assert_false(hark_hash_is_zero(&hash));
    assert_false(hark_hash_equal(&hash, &zero));
    struct hark_hash same = hark_sha256(hark_span_str("abc"));
    assert_true(hark_hash_equal(&hash, &same));
    same.bytes[31] ^= 1;
    assert_false(hark_hash_equal(&hash, &same));
    assert_int_equal(hark_hash_from_hex(&hash, hark_span(examples[1].hash, 63), &err), HARK_E_HEX);
    assert_int_equal(err.code, HARK_E_HEX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256__fips_examples),
        cmocka_unit_test(test_sha256__pieces_give_the_same),
        cmocka_unit_test(test_sha256__final_wipes_the_state),
        cmocka_unit_test(test_sha256__hashes_compare_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
