/*
 * crypto/envelope: what was sealed opens, for whom it should, and not when any byte of it, of
 * the headers or of the key is another (PROTOCOL.md 10.3, G1 to G5).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <sodium.h>

#include "crypto/envelope.h"
#include "tests/unit/ok.h"

#define HEADERS "Hark: 1\nKind: sealed\n"
#define WORDS   "{\"kind\":\"post\",\"re\":[],\"payload\":{\"body\":\"More light\"}}"

static const struct hark_hash space = {{0x5a, 1, 2, 3}};
static const uint8_t key_bytes[HARK_EPOCH_KEY_SIZE] = {9, 8, 7};
static struct hark_envelope_entry entry = {.author = {{0xaa}}, .seq = 7};

static struct hark_epoch *epoch_of(uint32_t number)
{
    struct hark_epoch *epoch = NULL;

    OK(hark_epoch_from_bytes(&epoch, &space, number, key_bytes, &err));
    return epoch;
}

static struct hark_buf sealed(const struct hark_epoch *epoch, struct hark_span content)
{
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);

    entry.headers = hark_span_str(HEADERS);
    OK(hark_envelope_seal(&out, epoch, &entry, content, &err));
    return out;
}

static struct hark_seed *key_of(const struct hark_epoch *epoch, const struct hark_buf *envelope)
{
    struct hark_seed *key = NULL;

    OK(hark_envelope_key(&key, epoch, &entry.author, entry.seq, hark_buf_span(envelope), &err));
    return key;
}

/* The code of opening it with the key; nothing is left in the buffer when it fails. */
static int open_code(const struct hark_seed *key, struct hark_span headers,
                     struct hark_span envelope)
{
    struct hark_buf out = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    int rc = hark_envelope_open(&out, key, headers, envelope, &err);

    assert_true(rc == 0 || out.size == 0);
    for (size_t i = 0; rc != 0 && i < out.capacity && out.data != NULL; i++)
        assert_int_equal(out.data[i], 0);
    hark_buf_free(&out);
    return rc;
}

/* ---- sizes ---- */

static void test_envelope__sizes(void **state)
{
    (void)state;
    assert_int_equal(hark_envelope_size(0), 0);
    assert_int_equal(hark_envelope_size(1), HARK_ENVELOPE_MIN);
    assert_int_equal(hark_envelope_size(508), HARK_ENVELOPE_MIN);
    assert_int_equal(hark_envelope_size(509), HARK_ENVELOPE_MIN + 64);
    assert_int_equal(hark_envelope_size(HARK_ENVELOPE_CONTENT_MAX), HARK_ENVELOPE_MAX);
    assert_int_equal(hark_envelope_size(HARK_ENVELOPE_CONTENT_MAX + 1), 0);
    assert_int_equal(hark_envelope_size(SIZE_MAX), 0);
}

static void test_envelope__every_length_comes_back(void **state)
{
    static const size_t sizes[] = {1,   63,  64,   507,   508,   509,
                                   572, 573, 5000, 65340, 65341, HARK_ENVELOPE_CONTENT_MAX};
    static uint8_t bytes[HARK_ENVELOPE_CONTENT_MAX];
    struct hark_epoch *epoch = epoch_of(4);

    (void)state;
    hark_random(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct hark_span content = hark_span(bytes, sizes[i]);
        struct hark_buf envelope = sealed(epoch, content);
        struct hark_buf out = hark_buf_init_secret(2 * HARK_ENVELOPE_PLAIN_MAX);

        assert_int_equal(envelope.size, hark_envelope_size(sizes[i]));
        OK(hark_buf_append_str(&out, "before", &err));
        OK(hark_envelope_open_in(&out, epoch, &entry, hark_buf_span(&envelope), &err));
        assert_int_equal(out.size, 6 + sizes[i]);
        assert_memory_equal(out.data, "before", 6);
        assert_memory_equal(out.data + 6, bytes, sizes[i]);
        /* Nothing of it beyond its end. */
        for (size_t at = out.size; at < 6 + envelope.size - HARK_ENVELOPE_HEAD_SIZE - 16; at++)
            assert_int_equal(out.data[at], 0);
        hark_buf_free(&out);
        hark_buf_free(&envelope);
    }
    hark_epoch_free(epoch);
}

static void test_envelope__what_is_not_sealed(void **state)
{
    static const uint8_t bytes[HARK_ENVELOPE_CONTENT_MAX + 1];
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    struct hark_buf small = hark_buf_init(HARK_ENVELOPE_MIN - 1);
    struct hark_epoch *epoch = epoch_of(4);

    (void)state;
    assert_int_equal(hark_envelope_seal(&out, epoch, &entry, hark_span(bytes, 0), &err),
                     HARK_E_LIMIT);
    assert_int_equal(hark_envelope_seal(&out, epoch, &entry, hark_span(bytes, sizeof(bytes)), &err),
                     HARK_E_LIMIT);
    assert_int_equal(hark_envelope_seal(&small, epoch, &entry, hark_span(bytes, 1), &err),
                     HARK_E_LIMIT);
    assert_int_equal(out.size + small.size, 0);
    hark_buf_free(&out);
    hark_buf_free(&small);
    hark_epoch_free(epoch);
}

/* ---- the head ---- */

static void test_envelope__anybody_reads_the_head(void **state)
{
    struct hark_epoch *epoch = epoch_of(0x01020304);
    struct hark_buf envelope = sealed(epoch, hark_span_str(WORDS));
    struct hark_envelope_head head;

    (void)state;
    OK(hark_envelope_read(&head, hark_buf_span(&envelope), &err));
    assert_int_equal(head.epoch, 0x01020304);
    assert_memory_equal(head.nonce, envelope.data + 5, sizeof(head.nonce));
    assert_memory_equal(head.commitment, envelope.data + 29, sizeof(head.commitment));
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
}

static void test_envelope__other_versions_and_sizes(void **state)
{
    static uint8_t bytes[HARK_ENVELOPE_MAX + 64] = {1};
    struct hark_envelope_head head;

    (void)state;
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        bool good = size >= HARK_ENVELOPE_MIN && size <= HARK_ENVELOPE_MAX && size % 64 == 77 % 64;

        assert_int_equal(hark_envelope_read(&head, hark_span(bytes, size), &err),
                         good ? 0 : HARK_E_ENVELOPE_FORM);
    }
    for (unsigned version = 0; version < 256; version++) {
        bytes[0] = (uint8_t)version;
        assert_int_equal(hark_envelope_read(&head, hark_span(bytes, HARK_ENVELOPE_MIN), &err),
                         version == 1 ? 0 : HARK_E_ENVELOPE_VERSION);
        /* The version is asked first: another one may have other sizes. */
        assert_int_equal(hark_envelope_read(&head, hark_span(bytes, 1), &err),
                         version == 1 ? HARK_E_ENVELOPE_FORM : HARK_E_ENVELOPE_VERSION);
    }
}

/* ---- opening ---- */

static void test_envelope__two_of_the_same_words_differ(void **state)
{
    struct hark_epoch *epoch = epoch_of(4);
    struct hark_buf a = sealed(epoch, hark_span_str(WORDS));
    struct hark_buf b = sealed(epoch, hark_span_str(WORDS));

    (void)state;
    assert_memory_equal(a.data, b.data, 5);
    for (size_t at = 5; at + 16 <= a.size; at += 16)
        assert_memory_not_equal(a.data + at, b.data + at, 16);
    hark_buf_free(&a);
    hark_buf_free(&b);
    hark_epoch_free(epoch);
}

/* Which error a byte of it gives, for who has the epoch's key. */
static int expected(size_t at)
{
    return at == 0                        ? HARK_E_ENVELOPE_VERSION
           : at < HARK_ENVELOPE_HEAD_SIZE ? HARK_E_ENVELOPE_KEY
                                          : HARK_E_ENVELOPE_SEAL;
}

static void test_envelope__no_byte_of_it_may_change(void **state)
{
    struct hark_epoch *epoch = epoch_of(4);
    struct hark_buf envelope = sealed(epoch, hark_span_str(WORDS));
    struct hark_buf out = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);

    (void)state;
    for (size_t at = 0; at < envelope.size; at++) {
        uint8_t bit = (uint8_t)(1u << at % 8);

        envelope.data[at] ^= bit;
        assert_int_equal(hark_envelope_open_in(&out, epoch, &entry, hark_buf_span(&envelope), &err),
                         expected(at));
        assert_int_equal(out.size, 0);
        envelope.data[at] ^= bit;
    }
    OK(hark_envelope_open_in(&out, epoch, &entry, hark_buf_span(&envelope), &err));
    hark_buf_free(&out);
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
}

/* With the entry's key alone: its epoch's number is no part of that key, and nothing of the
 * envelope but the nonce, the commitment and the ciphertext is under it. */
static void test_envelope__the_entry_key_alone(void **state)
{
    struct hark_epoch *epoch = epoch_of(4);
    struct hark_buf envelope = sealed(epoch, hark_span_str(WORDS));
    struct hark_seed *key = key_of(epoch, &envelope), *given = NULL;
    uint8_t bytes[HARK_ENVELOPE_KEY_SIZE];

    (void)state;
    hark_envelope_disclose(bytes, key);
    OK(hark_seed_from_bytes(&given, bytes, &err));
    assert_int_equal(open_code(given, entry.headers, hark_buf_span(&envelope)), 0);
    for (size_t at = 5; at < envelope.size; at++) {
        int code =
            at >= 29 && at < HARK_ENVELOPE_HEAD_SIZE ? HARK_E_ENVELOPE_KEY : HARK_E_ENVELOPE_SEAL;

        envelope.data[at] ^= 1;
        assert_int_equal(open_code(given, entry.headers, hark_buf_span(&envelope)), code);
        envelope.data[at] ^= 1;
    }
    hark_seed_free(given);
    for (size_t at = 0; at < sizeof(bytes); at++) {
        bytes[at] ^= 1;
        OK(hark_seed_from_bytes(&given, bytes, &err));
        assert_int_equal(open_code(given, entry.headers, hark_buf_span(&envelope)),
                         HARK_E_ENVELOPE_KEY);
        hark_seed_free(given);
        bytes[at] ^= 1;
    }
    hark_seed_free(key);
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
}

static void test_envelope__headers_are_under_it(void **state)
{
    struct hark_epoch *epoch = epoch_of(4);
    struct hark_buf envelope = sealed(epoch, hark_span_str(WORDS));
    struct hark_seed *key = key_of(epoch, &envelope);
    uint8_t headers[sizeof(HEADERS)] = HEADERS;

    (void)state;
    for (size_t at = 0; at < sizeof(HEADERS) - 1; at++) {
        headers[at] ^= 1;
        assert_int_equal(
            open_code(key, hark_span(headers, sizeof(HEADERS) - 1), hark_buf_span(&envelope)),
            HARK_E_ENVELOPE_SEAL);
        headers[at] ^= 1;
        assert_int_equal(open_code(key, hark_span(headers, at), hark_buf_span(&envelope)),
                         HARK_E_ENVELOPE_SEAL);
    }
    hark_seed_free(key);
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
}

static void test_envelope__other_places_have_other_keys(void **state)
{
    struct hark_epoch *epoch = epoch_of(4), *next = NULL, *elsewhere = NULL;
    static const struct hark_hash other = {{1}};
    struct hark_buf envelope = sealed(epoch, hark_span_str(WORDS));
    struct hark_key author = {{0xab}};
    struct hark_seed *key = NULL;

    (void)state;
    OK(hark_epoch_step(&next, epoch, &err));
    OK(hark_epoch_from_bytes(&elsewhere, &other, 4, key_bytes, &err));
    assert_int_equal(hark_envelope_key(&key, epoch, &author, 7, hark_buf_span(&envelope), &err),
                     HARK_E_ENVELOPE_KEY);
    assert_int_equal(
        hark_envelope_key(&key, epoch, &entry.author, 8, hark_buf_span(&envelope), &err),
        HARK_E_ENVELOPE_KEY);
    assert_int_equal(
        hark_envelope_key(&key, next, &entry.author, 7, hark_buf_span(&envelope), &err),
        HARK_E_ENVELOPE_KEY);
    assert_non_null(strstr(err.message, "epoch 4"));
    assert_int_equal(
        hark_envelope_key(&key, elsewhere, &entry.author, 7, hark_buf_span(&envelope), &err),
        HARK_E_ENVELOPE_KEY);
    assert_null(key);
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
    hark_epoch_free(next);
    hark_epoch_free(elsewhere);
}

static void test_envelope__too_little_room(void **state)
{
    struct hark_epoch *epoch = epoch_of(4);
    struct hark_buf envelope = sealed(epoch, hark_span_str(WORDS));
    struct hark_buf out = hark_buf_init_secret(511);

    (void)state;
    assert_int_equal(hark_envelope_open_in(&out, epoch, &entry, hark_buf_span(&envelope), &err),
                     HARK_E_LIMIT);
    hark_buf_free(&out);
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
}

/* ---- padding: what a member could seal that is none ---- */

/* Seals `plain` as it is, with the key, nonce and commitment of an envelope. */
static int open_plain(const struct hark_seed *key, struct hark_buf *envelope,
                      struct hark_span plain)
{
    uint8_t bytes[HARK_ENVELOPE_KEY_SIZE];

    hark_envelope_disclose(bytes, key);
    envelope->size = HARK_ENVELOPE_HEAD_SIZE;
    OK(hark_buf_reserve(envelope, plain.size + 16, &err));
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        envelope->data + HARK_ENVELOPE_HEAD_SIZE, NULL, plain.data, plain.size, entry.headers.data,
        entry.headers.size, NULL, envelope->data + 5, bytes);
    envelope->size += plain.size + 16;
    return open_code(key, entry.headers, hark_buf_span(envelope));
}

static void test_envelope__padding_is_of_one_kind(void **state)
{
    static const struct {
        uint32_t length;
        size_t size;
        int code;
    } tries[] = {
        {1, 512, 0},
        {508, 512, 0},
        {509, 576, 0},
        {65404, 65408, 0},
        {0, 512, HARK_E_ENVELOPE_PADDING},   /* nothing in it */
        {509, 512, HARK_E_ENVELOPE_PADDING}, /* longer than what is there */
        {UINT32_MAX, 512, HARK_E_ENVELOPE_PADDING},
        {UINT32_MAX - 3, 512, HARK_E_ENVELOPE_PADDING},
        {0x80000000u, 512, HARK_E_ENVELOPE_PADDING},
        {1, 576, HARK_E_ENVELOPE_PADDING}, /* more than needed */
        {508, 576, HARK_E_ENVELOPE_PADDING},
        {573, 576, HARK_E_ENVELOPE_PADDING},
        {65405, 65408, HARK_E_ENVELOPE_PADDING},
        {1, 448, HARK_E_ENVELOPE_FORM}, /* too short, too long, no multiple of 64 */
        {1, 513, HARK_E_ENVELOPE_FORM},
        {65405, 65472, HARK_E_ENVELOPE_FORM},
    };
    static uint8_t plain[65472];
    struct hark_epoch *epoch = epoch_of(4);
    struct hark_buf envelope = hark_buf_init(2 * HARK_ENVELOPE_MAX);
    struct hark_seed *key;

    (void)state;
    entry.headers = hark_span_str(HEADERS);
    OK(hark_envelope_seal(&envelope, epoch, &entry, hark_span_str(WORDS), &err));
    key = key_of(epoch, &envelope);
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        hark_put_u32(plain, tries[i].length);
        assert_int_equal(open_plain(key, &envelope, hark_span(plain, tries[i].size)),
                         tries[i].code);
    }
    /* And zeros it is of: a hundred bytes of content, then one that is none, anywhere. */
    hark_put_u32(plain, 100);
    for (size_t at = 104; at < 512; at++) {
        plain[at] = 1;
        assert_int_equal(open_plain(key, &envelope, hark_span(plain, 512)),
                         HARK_E_ENVELOPE_PADDING);
        plain[at] = 0;
    }
    assert_int_equal(open_plain(key, &envelope, hark_span(plain, 512)), 0);
    hark_seed_free(key);
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
}

/* What libsodium opens when it is asked directly: the format and nothing beside it. */
static void test_envelope__is_what_it_says(void **state)
{
    struct hark_epoch *epoch = epoch_of(4);
    struct hark_buf envelope = sealed(epoch, hark_span_str(WORDS));
    struct hark_seed *key = key_of(epoch, &envelope);
    uint8_t bytes[HARK_ENVELOPE_KEY_SIZE], plain[512];

    (void)state;
    hark_envelope_disclose(bytes, key);
    assert_int_equal(envelope.size, HARK_ENVELOPE_MIN);
    assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(
                         plain, NULL, NULL, envelope.data + 61, envelope.size - 61,
                         (const uint8_t *)HEADERS, sizeof(HEADERS) - 1, envelope.data + 5, bytes),
                     0);
    assert_int_equal(hark_get_u32(plain), sizeof(WORDS) - 1);
    assert_memory_equal(plain + 4, WORDS, sizeof(WORDS) - 1);
    assert_true(sodium_is_zero(plain + 4 + sizeof(WORDS) - 1, 512 - 4 - (sizeof(WORDS) - 1)));
    hark_seed_free(key);
    hark_buf_free(&envelope);
    hark_epoch_free(epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope__sizes),
        cmocka_unit_test(test_envelope__every_length_comes_back),
        cmocka_unit_test(test_envelope__what_is_not_sealed),
        cmocka_unit_test(test_envelope__anybody_reads_the_head),
        cmocka_unit_test(test_envelope__other_versions_and_sizes),
        cmocka_unit_test(test_envelope__two_of_the_same_words_differ),
        cmocka_unit_test(test_envelope__no_byte_of_it_may_change),
        cmocka_unit_test(test_envelope__the_entry_key_alone),
        cmocka_unit_test(test_envelope__headers_are_under_it),
        cmocka_unit_test(test_envelope__other_places_have_other_keys),
        cmocka_unit_test(test_envelope__too_little_room),
        cmocka_unit_test(test_envelope__padding_is_of_one_kind),
        cmocka_unit_test(test_envelope__is_what_it_says),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
