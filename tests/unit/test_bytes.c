/*
 * crypto/bytes: everything that is read from outside has one form, every buffer
 * stops at its maximum, and secrets do not stay behind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/bytes.h"

/* ---- spans and buffers ---- */

static void test_bytes__spans_compare_by_content(void **state)
{
    (void)state;
    assert_true(hark_span_equal(hark_span_str("abc"), hark_span("abcd", 3)));
    assert_false(hark_span_equal(hark_span_str("abc"), hark_span_str("abd")));
    assert_false(hark_span_equal(hark_span_str("abc"), hark_span_str("ab")));
    assert_true(hark_span_equal(hark_span(NULL, 0), hark_span_str("")));
}

/* A limit that is passed leaves the content as it was. */
static void test_bytes__a_buffer_stops_at_its_maximum(void **state)
{
    (void)state;
    struct hark_err err = {0};
    struct hark_buf buf = hark_buf_init(10);
    assert_null(buf.data);
    assert_int_equal(hark_buf_append_str(&buf, "12345678", &err), 0);
    assert_int_equal(hark_buf_append_str(&buf, "9ab", &err), HARK_E_LIMIT);
    assert_int_equal(hark_buf_append_u32(&buf, 1, &err), HARK_E_LIMIT);
    assert_int_equal(hark_buf_printf(&buf, &err, "%d", 123), HARK_E_LIMIT);
    assert_int_equal(hark_buf_append_hex(&buf, (const uint8_t *)"ab", 2, &err), HARK_E_LIMIT);
    assert_int_equal(hark_base64_encode(&buf, hark_span_str("a"), &err), HARK_E_LIMIT);
    assert_int_equal(hark_base64_decode(&buf, hark_span_str("YWJj"), &err), HARK_E_LIMIT);
    assert_int_equal(hark_buf_reserve(&buf, SIZE_MAX, &err), HARK_E_LIMIT);
    assert_true(hark_span_equal(hark_buf_span(&buf), hark_span_str("12345678")));
    assert_int_equal(hark_buf_append_str(&buf, "9a", &err), 0);
    assert_int_equal(hark_buf_append_byte(&buf, 'b', &err), HARK_E_LIMIT);
    /* The NUL does not count. */
    assert_int_equal(hark_buf_terminate(&buf, &err), 0);
    assert_string_equal((const char *)buf.data, "123456789a");
    assert_int_equal(buf.size, 10);
    hark_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(hark_buf_append_str(&buf, "again", &err), 0);
    hark_buf_free(&buf);
}

static void test_bytes__a_buffer_of_nothing(void **state)
{
    (void)state;
    struct hark_buf buf = hark_buf_init(0);
    assert_int_equal(hark_buf_append(&buf, NULL, 0, NULL), 0);
    assert_int_equal(hark_buf_terminate(&buf, NULL), 0);
    assert_string_equal((const char *)buf.data, "");
    assert_int_equal(hark_buf_append_byte(&buf, 0, NULL), HARK_E_LIMIT);
    hark_buf_free(&buf);
    hark_buf_free(&buf);
}

static void test_bytes__a_buffer_keeps_what_was_appended(void **state)
{
    (void)state;
    for (int secret = 0; secret < 2; secret++) {
        struct hark_buf buf = secret ? hark_buf_init_secret(100000) : hark_buf_init(100000);
        for (unsigned i = 0; i < 3000; i++) {
            assert_int_equal(hark_buf_append_u32(&buf, i * 2654435761u, NULL), 0);
        }
        struct hark_span in = hark_buf_span(&buf);
        for (unsigned i = 0; i < 3000; i++) {
            uint32_t v = 0;
            assert_true(hark_take_u32(&in, &v));
            assert_int_equal(v, (uint32_t)(i * 2654435761u));
        }
        assert_int_equal(in.size, 0);
        hark_buf_free(&buf);
    }
}

static void test_bytes__clear_wipes_a_secret(void **state)
{
    (void)state;
    struct hark_buf buf = hark_buf_init_secret(100);
    assert_int_equal(hark_buf_append_str(&buf, "passphrase", NULL), 0);
    hark_buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(buf.data[i], 0);
    }
    hark_buf_free(&buf);
}

static void test_bytes__appending_integers_is_big_endian(void **state)
{
    (void)state;
    static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct hark_buf buf = hark_buf_init(100);
    assert_int_equal(hark_buf_append_u8(&buf, 1, NULL), 0);
    assert_int_equal(hark_buf_append_u16(&buf, 0x0203, NULL), 0);
    assert_int_equal(hark_buf_append_u32(&buf, 0x04050607, NULL), 0);
    assert_int_equal(hark_buf_append_u64(&buf, UINT64_C(0x08090a0b0c0d0e0f), NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&buf), hark_span(expected, sizeof(expected))));
    struct hark_span in = hark_buf_span(&buf);
    uint8_t a = 0;
    uint16_t b = 0;
    uint32_t c = 0;
    uint64_t d = 0;
    assert_true(hark_take_u8(&in, &a) && hark_take_u16(&in, &b) && hark_take_u32(&in, &c) &&
                hark_take_u64(&in, &d));
    assert_int_equal(a, 1);
    assert_int_equal(b, 0x0203);
    assert_int_equal(c, 0x04050607);
    assert_true(d == UINT64_C(0x08090a0b0c0d0e0f));
    hark_buf_free(&buf);
}

static void test_bytes__printf_and_hex_append(void **state)
{
    (void)state;
    struct hark_buf buf = hark_buf_init(1000);
    assert_int_equal(hark_buf_printf(&buf, NULL, "%s-%u ", "a", 42u), 0);
    assert_int_equal(hark_buf_append_hex(&buf, (const uint8_t *)"\x00\xff\x1a", 3, NULL), 0);
    assert_int_equal(hark_buf_printf(&buf, NULL, "%s", ""), 0);
    assert_int_equal(hark_buf_printf(&buf, NULL, "%200d", 7), 0);
    assert_int_equal(buf.size, 211);
    assert_memory_equal(buf.data, "a-42 00ff1a  ", 13);
    hark_buf_free(&buf);
}

/* ---- taking ---- */

/* A parser that fails must see the input where it was. */
static void test_bytes__a_failed_take_changes_nothing(void **state)
{
    (void)state;
    struct hark_span in = hark_span("abc", 3);
    struct hark_span before = in;
    struct hark_span s;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    assert_false(hark_take(&in, 4, &s));
    assert_false(hark_take(&in, SIZE_MAX, &s));
    assert_false(hark_take_u32(&in, &u32));
    assert_false(hark_take_u64(&in, &u64));
    assert_false(hark_take_literal(&in, "abd"));
    assert_false(hark_take_literal(&in, "abcd"));
    assert_false(hark_take_line(&in, &s));
    assert_ptr_equal(in.data, before.data);
    assert_int_equal(in.size, 3);
    uint16_t u16 = 0;
    uint8_t u8 = 0;
    assert_true(hark_take_literal(&in, "abc"));
    assert_false(hark_take_u8(&in, &u8));
    assert_false(hark_take_u16(&in, &u16));
    struct hark_span none = hark_span(NULL, 0);
    assert_true(hark_take(&none, 0, &s));
    assert_false(hark_take_line(&none, &s));
    assert_true(hark_take_literal(&none, ""));
}

static void test_bytes__lines_end_with_lf_only(void **state)
{
    (void)state;
    struct hark_span in = hark_span_str("a\r\n\nlast");
    struct hark_span line;
    assert_true(hark_take_line(&in, &line));
    assert_true(hark_span_equal(line, hark_span_str("a\r")));
    assert_true(hark_take_line(&in, &line));
    assert_int_equal(line.size, 0);
    assert_false(hark_take_line(&in, &line));
    assert_true(hark_span_equal(in, hark_span_str("last")));
}

/* ---- hex, base64, decimal ---- */

static void test_bytes__hex_is_strict(void **state)
{
    (void)state;
    uint8_t out[2] = {0};
    struct hark_err err = {0};
    assert_int_equal(hark_hex_decode(out, 2, hark_span_str("09af"), &err), 0);
    assert_int_equal(out[0], 0x09);
    assert_int_equal(out[1], 0xaf);
    static const char *const bad[] = {"",     "09a",  "09aff", "09AF", "09ag", "0 9a",
                                      "09:a", "/9af", "`9af",  "09a@", "09a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(hark_hex_decode(out, 2, hark_span_str(bad[i]), &err), HARK_E_HEX);
    }
    assert_int_equal(hark_hex_decode(out, 2, hark_span("09\0f", 4), &err), HARK_E_HEX);
    assert_int_equal(hark_hex_decode(out, 0, hark_span(NULL, 0), &err), 0);
    char text[5];
    hark_hex_encode(text, out, 2);
    assert_string_equal(text, "09af");
    hark_hex_encode(text, out, 0);
    assert_string_equal(text, "");
}

typedef int codec(struct hark_buf *out, struct hark_span in, struct hark_err *err);

static void check_codec(codec *encode, codec *decode, const char *plain, const char *text)
{
    struct hark_buf a = hark_buf_init(strlen(text)); /* exactly enough */
    struct hark_buf b = hark_buf_init(strlen(plain));
    assert_int_equal(encode(&a, hark_span_str(plain), NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&a), hark_span_str(text)));
    assert_int_equal(decode(&b, hark_span_str(text), NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&b), hark_span_str(plain)));
    hark_buf_free(&a);
    hark_buf_free(&b);
}

/* RFC 4648 section 10. */
static void test_bytes__base64_examples(void **state)
{
    (void)state;
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const padded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                         "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    static const char *const url[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t i = 0; i < 7; i++) {
        check_codec(hark_base64_encode, hark_base64_decode, plain[i], padded[i]);
        check_codec(hark_base64url_encode, hark_base64url_decode, plain[i], url[i]);
    }
    check_codec(hark_base64_encode, hark_base64_decode, "\xfb\xff\xfe", "+//+");
    check_codec(hark_base64url_encode, hark_base64url_decode, "\xfb\xff\xfe", "-__-");
}

static void refuse(codec *decode, const char *text)
{
    struct hark_err err = {0};
    struct hark_buf out = hark_buf_init(100);
    assert_int_equal(hark_buf_append_str(&out, "kept", NULL), 0);
    if (decode(&out, hark_span_str(text), &err) != HARK_E_BASE64) {
        fail_msg("taken: '%s'", text);
    }
    assert_int_equal(err.code, HARK_E_BASE64);
    assert_true(hark_span_equal(hark_buf_span(&out), hark_span_str("kept")));
    hark_buf_free(&out);
}

/* Two texts for the same bytes would be two entries for one. */
static void test_bytes__base64_has_one_form(void **state)
{
    (void)state;
    static const char *const bad_padded[] = {
        "Zg",   "Zg=", "Zg===", "Zg== ",  " Zg==",   "Z g=",     "Zh==",     "Zm9=",   "Zm9v\n",
        "====", "=",   "==",    "A===",   "Zg=v",    "Zg==Zg==", "-__-",     "Zm9vYg", "Zm9v=",
        "Zm9*", "Zm9", "Zm8\n", "Zm9v Y", "Zm9vYm=", "Z===",     "Zm9v====", "Zg\n=",  "Zm9\x80"};
    static const char *const bad_url[] = {"Zg==", "Zm8=", "Zh",  "Zm9", "Z",    "Zm9vY",
                                          "+//+", "Zg\n", " Zg", "Z g", "====", "Zm9v="};
    for (size_t i = 0; i < sizeof(bad_padded) / sizeof(bad_padded[0]); i++) {
        refuse(hark_base64_decode, bad_padded[i]);
    }
    for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++) {
        refuse(hark_base64url_decode, bad_url[i]);
    }
}

/* 64 digits and no other byte, at every place of a group. */
static void test_bytes__base64_digits_are_64(void **state)
{
    (void)state;
    codec *const decoders[] = {hark_base64_decode, hark_base64url_decode};
    for (size_t c = 0; c < 2; c++) {
        for (size_t at = 0; at < 4; at++) {
            unsigned taken = 0;
            for (unsigned byte = 0; byte < 256; byte++) {
                uint8_t text[4] = {'A', 'A', 'A', 'A'};
                struct hark_buf out = hark_buf_init(8);
                text[at] = (uint8_t)byte;
                taken += decoders[c](&out, hark_span(text, 4), NULL) == 0;
                hark_buf_free(&out);
            }
            /* Padding is one more, where the bits before it are 0. */
            assert_int_equal(taken, c == 0 && at == 3 ? 65 : 64);
        }
    }
}

/* Whatever is taken encodes back to itself: all texts of four characters over an
 * alphabet with the awkward ones. */
static void test_bytes__base64_taken_is_given_back(void **state)
{
    (void)state;
    static const char alphabet[] = "AQgw/+-_= \n9";
    codec *const encoders[] = {hark_base64_encode, hark_base64url_encode};
    codec *const decoders[] = {hark_base64_decode, hark_base64url_decode};
    const size_t n = sizeof(alphabet) - 1;
    for (size_t c = 0; c < 2; c++) {
        unsigned taken = 0;
        for (size_t i = 0; i < n * n * n * n; i++) {
            char text[4] = {alphabet[i % n], alphabet[i / n % n], alphabet[i / n / n % n],
                            alphabet[i / n / n / n]};
            for (size_t size = 2; size <= 4; size++) {
                struct hark_buf bytes = hark_buf_init(8);
                struct hark_buf again = hark_buf_init(8);
                if (decoders[c](&bytes, hark_span(text, size), NULL) == 0) {
                    taken++;
                    assert_int_equal(encoders[c](&again, hark_buf_span(&bytes), NULL), 0);
                    assert_true(hark_span_equal(hark_buf_span(&again), hark_span(text, size)));
                }
                hark_buf_free(&bytes);
                hark_buf_free(&again);
            }
        }
        assert_true(taken > 1000);
    }
}

static void test_bytes__decimal_has_one_form(void **state)
{
    (void)state;
    uint64_t v = 0;
    assert_int_equal(hark_decimal_decode(&v, hark_span_str("0"), 0, NULL), 0);
    assert_true(v == 0);
    assert_int_equal(hark_decimal_decode(&v, hark_span_str("10"), 10, NULL), 0);
    assert_true(v == 10);
    assert_int_equal(
        hark_decimal_decode(&v, hark_span_str("18446744073709551615"), UINT64_MAX, NULL), 0);
    assert_true(v == UINT64_MAX);
    static const char *const bad[] = {"",
                                      "00",
                                      "01",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.",
                                      "0x1",
                                      "1e3",
                                      "1\n",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516150"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct hark_err err = {0};
        assert_int_equal(hark_decimal_decode(&v, hark_span_str(bad[i]), UINT64_MAX, &err),
                         HARK_E_NUMBER);
        assert_int_equal(err.code, HARK_E_NUMBER);
    }
    assert_int_equal(hark_decimal_decode(&v, hark_span_str("11"), 10, NULL), HARK_E_NUMBER);
    assert_int_equal(hark_decimal_decode(&v, hark_span_str("7"), 5, NULL), HARK_E_NUMBER);
    assert_int_equal(hark_decimal_decode(&v, hark_span("1\0", 2), 10, NULL), HARK_E_NUMBER);
}

/* ---- UTF-8 ---- */

static void test_bytes__utf8_is_rfc_3629(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "é€😀",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xe2\x82",
                                      "\xe2\x82\x41",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x9f\x98",
                                      "\xf0\x9f\x98\x41",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "ok\xfe",
                                      "\xc2\xc2\x80",
                                      "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(hark_utf8_valid(hark_span_str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (hark_utf8_valid(hark_span_str(bad[i]))) {
            fail_msg("taken as UTF-8: number %zu", i);
        }
    }
    assert_true(hark_utf8_valid(hark_span("a\0b", 3)));
    assert_true(hark_utf8_valid(hark_span(NULL, 0)));
}

/* ---- times ---- */

static const struct {
    const char *text;
    uint64_t ms;
} times[] = {
    {"1970-01-01T00:00:00.000Z", 0},
    {"1970-01-01T00:00:00.001Z", 1},
    {"2000-02-29T23:59:59.999Z", UINT64_C(951868799999)},
    {"2026-11-21T10:15:30.123Z", UINT64_C(1795256130123)},
    {"2100-02-28T00:00:00.000Z", UINT64_C(4107456000000)},
    {"9999-12-31T23:59:59.999Z", HARK_TIME_MAX_MS},
};

static void test_bytes__times_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[HARK_TIME_SIZE + 1];
        uint64_t ms = 1;
        hark_time_encode(text, times[i].ms);
        assert_string_equal(text, times[i].text);
        assert_int_equal(hark_time_decode(&ms, hark_span_str(times[i].text), NULL), 0);
        assert_true(ms == times[i].ms);
    }
    char text[HARK_TIME_SIZE + 1];
    hark_time_encode(text, UINT64_MAX); /* bounded, not overflowing */
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

/* Every day until 2401 follows the one before by the calendar's own rules. */
static void test_bytes__every_day_follows_the_last(void **state)
{
    (void)state;
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = 1970;
    unsigned month = 1;
    unsigned day = 1;
    struct hark_buf wanted = hark_buf_init(64);
    for (uint64_t n = 0; year < 2401; n++) {
        char text[HARK_TIME_SIZE + 1];
        uint64_t ms = 0;
        hark_buf_clear(&wanted);
        assert_int_equal(
            hark_buf_printf(&wanted, NULL, "%04u-%02u-%02uT12:34:56.789Z", year, month, day), 0);
        hark_time_encode(text, n * 86400000 + 45296789);
        assert_memory_equal(text, wanted.data, HARK_TIME_SIZE);
        assert_int_equal(hark_time_decode(&ms, hark_span_str(text), NULL), 0);
        assert_true(ms == n * 86400000 + 45296789);
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        if (++day > lengths[month - 1] + (month == 2 && leap ? 1u : 0u)) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    hark_buf_free(&wanted);
}

static void test_bytes__times_that_do_not_exist(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "2026-02-29T00:00:00.000Z", "2100-02-29T00:00:00.000Z",  "2026-04-31T00:00:00.000Z",
        "2026-00-01T00:00:00.000Z", "2026-13-01T00:00:00.000Z",  "2026-01-00T00:00:00.000Z",
        "2026-01-32T00:00:00.000Z", "2026-12-32T00:00:00.000Z",  "2026-01-01T24:00:00.000Z",
        "2026-01-01T00:60:00.000Z", "2016-12-31T23:59:60.000Z",  "1969-12-31T23:59:59.999Z",
        "0000-00-00T00:00:00.000Z", "2026-01-01T00:00:00.000",   "2026-01-01T00:00:00.000z",
        "2026-01-01t00:00:00.000Z", "2026-01-01 00:00:00.000Z",  "2026-01-01T00:00:00,000Z",
        "2026-01-01T00:00:00.00Z",  "2026-01-01T00:00:00Z",      "+026-01-01T00:00:00.000Z",
        "2026-1-01T00:00:00.0000Z", "2026-01-01T00:00:00.000Z ", "",
        "2026-01-01T00:00: 0.000Z", "2026-01-01T00:00:00.000+",  "2026-01-01T-1:00:00.000Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct hark_err err = {0};
        uint64_t ms = 0;
        if (hark_time_decode(&ms, hark_span_str(bad[i]), &err) != HARK_E_TIME) {
            fail_msg("taken: '%s'", bad[i]);
        }
        assert_int_equal(err.code, HARK_E_TIME);
    }
}

/* ---- secrets ---- */

static void test_bytes__random_wipe_equal(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    assert_true(hark_equal(a, b, 32));
    hark_random(a, sizeof(a));
    hark_random(b, sizeof(b));
    assert_false(hark_equal(a, b, 32));
    hark_wipe(a, sizeof(a));
    hark_wipe(b, sizeof(b));
    assert_true(hark_equal(a, b, 32));
    assert_int_equal(a[0] | a[31], 0);
    b[31] = 0x80;
    assert_false(hark_equal(a, b, 32));
    assert_true(hark_equal(a, b, 31));
    assert_true(hark_equal(NULL, NULL, 0));
    hark_wipe(NULL, 0);
}

static int setup(void **state)
{
    (void)state;
    return hark_crypto_init(NULL) != 0 || hark_crypto_init(NULL) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes__spans_compare_by_content),
        cmocka_unit_test(test_bytes__a_buffer_stops_at_its_maximum),
        cmocka_unit_test(test_bytes__a_buffer_of_nothing),
        cmocka_unit_test(test_bytes__a_buffer_keeps_what_was_appended),
        cmocka_unit_test(test_bytes__clear_wipes_a_secret),
        cmocka_unit_test(test_bytes__appending_integers_is_big_endian),
        cmocka_unit_test(test_bytes__printf_and_hex_append),
        cmocka_unit_test(test_bytes__a_failed_take_changes_nothing),
        cmocka_unit_test(test_bytes__lines_end_with_lf_only),
        cmocka_unit_test(test_bytes__hex_is_strict),
        cmocka_unit_test(test_bytes__base64_examples),
        cmocka_unit_test(test_bytes__base64_has_one_form),
        cmocka_unit_test(test_bytes__base64_digits_are_64),
        cmocka_unit_test(test_bytes__base64_taken_is_given_back),
        cmocka_unit_test(test_bytes__decimal_has_one_form),
        cmocka_unit_test(test_bytes__utf8_is_rfc_3629),
        cmocka_unit_test(test_bytes__times_both_ways),
        cmocka_unit_test(test_bytes__every_day_follows_the_last),
        cmocka_unit_test(test_bytes__times_that_do_not_exist),
        cmocka_unit_test(test_bytes__random_wipe_equal),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
