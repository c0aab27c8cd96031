/*
 * Base64 and randomness are libsodium's (its base64 takes the same time for all
 * bytes of one length, which key files want); the rest is written here because
 * every parser above depends on its strictness being exactly the header's.
 */
#include "bytes.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hark_crypto_init(struct hark_err *err)
{
    /* 0 the first time, 1 when it was done before. */
    if (sodium_init() < 0) {
        return hark_err_set(err, HARK_E_INTERNAL, "libsodium does not start");
    }
    return 0;
}

/* ---- spans ---- */

struct hark_span hark_span_str(const char *s)
{
    return hark_span(s, strlen(s));
}

bool hark_span_equal(struct hark_span a, struct hark_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ---- buffers: `capacity` leaves out the one byte kept for the NUL ---- */

struct hark_buf hark_buf_init(size_t max)
{
    /* Half of the address space leaves the additions below free of overflow. */
    return (struct hark_buf){.max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2};
}

struct hark_buf hark_buf_over(uint8_t *bytes, size_t size)
{
    return (struct hark_buf){.data = bytes, .capacity = size - 1, .max = size - 1};
}

struct hark_buf hark_buf_init_secret(size_t max)
{
    struct hark_buf buf = hark_buf_init(max);
    buf.secret = true;
    return buf;
}

void hark_buf_free(struct hark_buf *buf)
{
    if (buf->secret && buf->data != NULL) {
        hark_wipe(buf->data, buf->capacity + 1);
    }
    free(buf->data);
    buf->data = NULL;
    buf->size = 0;
    buf->capacity = 0;
}

void hark_buf_clear(struct hark_buf *buf)
{
    if (buf->secret && buf->data != NULL) {
        hark_wipe(buf->data, buf->capacity + 1);
    }
    buf->size = 0;
}

/* realloc would leave a copy of a secret behind in the heap. */
static uint8_t *resize(const struct hark_buf *buf, size_t capacity)
{
    if (!buf->secret) {
        return realloc(buf->data, capacity + 1);
    }
    uint8_t *data = malloc(capacity + 1);
    if (data != NULL && buf->data != NULL) {
        memcpy(data, buf->data, buf->size);
        hark_wipe(buf->data, buf->capacity + 1);
        free(buf->data);
    }
    return data;
}

int hark_buf_reserve(struct hark_buf *buf, size_t extra, struct hark_err *err)
{
    if (extra > buf->max || buf->size > buf->max - extra) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %zu bytes", buf->max);
    }
    size_t wanted = buf->size + extra;
    if (buf->data != NULL && wanted <= buf->capacity) {
        return 0;
    }
    /* Doubling keeps appending linear; the bound keeps it honest. */
    size_t capacity = buf->capacity < 32 ? 64 : buf->capacity * 2;
    if (capacity < wanted) {
        capacity = wanted;
    }
    if (capacity > buf->max) {
        capacity = buf->max;
    }
    uint8_t *data = resize(buf, capacity);
    if (data == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu bytes", capacity);
    }
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int hark_buf_append(struct hark_buf *buf, const void *data, size_t size, struct hark_err *err)
{
    int rc = hark_buf_reserve(buf, size, err);
    if (rc != 0) {
        return rc;
    }
    if (size > 0) {
        memcpy(buf->data + buf->size, data, size);
        buf->size += size;
    }
    return 0;
}

int hark_buf_append_span(struct hark_buf *buf, struct hark_span span, struct hark_err *err)
{
    return hark_buf_append(buf, span.data, span.size, err);
}

int hark_buf_append_str(struct hark_buf *buf, const char *s, struct hark_err *err)
{
    return hark_buf_append(buf, s, strlen(s), err);
}

int hark_buf_append_byte(struct hark_buf *buf, uint8_t byte, struct hark_err *err)
{
    return hark_buf_append(buf, &byte, 1, err);
}

int hark_buf_printf(struct hark_buf *buf, struct hark_err *err, const char *fmt, ...)
{
    va_list args;
    /* Most texts fit what is there; only the others are formatted twice. */
    size_t room = buf->data != NULL ? buf->capacity - buf->size + 1 : 0;
    char *end = buf->data != NULL ? (char *)buf->data + buf->size : NULL;
    va_start(args, fmt);
    int length = vsnprintf(end, room, fmt, args);
    va_end(args);
    if (length < 0) {
        return hark_err_set(err, HARK_E_INTERNAL, "cannot format text");
    }
    if (room == 0 || (size_t)length >= room) {
        int rc = hark_buf_reserve(buf, (size_t)length, err);
        if (rc != 0) {
            return rc;
        }
        va_start(args, fmt);
        int written = vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, fmt, args);
        va_end(args);
        if (written != length) {
            return hark_err_set(err, HARK_E_INTERNAL, "text changed while it was formatted");
        }
    }
    buf->size += (size_t)length;
    return 0;
}

int hark_buf_append_hex(struct hark_buf *buf, const uint8_t *data, size_t size,
                        struct hark_err *err)
{
    if (size > SIZE_MAX / 4) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %zu bytes", buf->max);
    }
    int rc = hark_buf_reserve(buf, 2 * size, err);
    if (rc != 0) {
        return rc;
    }
    hark_hex_encode((char *)buf->data + buf->size, data, size);
    buf->size += 2 * size;
    return 0;
}

int hark_buf_append_u8(struct hark_buf *buf, uint8_t v, struct hark_err *err)
{
    return hark_buf_append(buf, &v, 1, err);
}

int hark_buf_append_u16(struct hark_buf *buf, uint16_t v, struct hark_err *err)
{
    uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)(v & 0xffu)};
    return hark_buf_append(buf, bytes, sizeof(bytes), err);
}

int hark_buf_append_u32(struct hark_buf *buf, uint32_t v, struct hark_err *err)
{
    uint8_t bytes[4];
    hark_put_u32(bytes, v);
    return hark_buf_append(buf, bytes, sizeof(bytes), err);
}

int hark_buf_append_u64(struct hark_buf *buf, uint64_t v, struct hark_err *err)
{
    uint8_t bytes[8];
    hark_put_u64(bytes, v);
    return hark_buf_append(buf, bytes, sizeof(bytes), err);
}

int hark_buf_terminate(struct hark_buf *buf, struct hark_err *err)
{
    int rc = hark_buf_reserve(buf, 0, err);
    if (rc != 0) {
        return rc;
    }
    buf->data[buf->size] = 0;
    return 0;
}

struct hark_span hark_buf_span(const struct hark_buf *buf)
{
    return hark_span(buf->data, buf->size);
}

/* ---- taking from the front ---- */

bool hark_take(struct hark_span *in, size_t size, struct hark_span *out)
{
    if (size > in->size) {
        return false;
    }
    *out = hark_span(in->data, size);
    if (size > 0) {
        in->data += size;
        in->size -= size;
    }
    return true;
}

bool hark_take_u8(struct hark_span *in, uint8_t *out)
{
    struct hark_span s;
    if (!hark_take(in, 1, &s)) {
        return false;
    }
    *out = s.data[0];
    return true;
}

bool hark_take_u16(struct hark_span *in, uint16_t *out)
{
    struct hark_span s;
    if (!hark_take(in, 2, &s)) {
        return false;
    }
    *out = (uint16_t)((unsigned)s.data[0] << 8 | s.data[1]);
    return true;
}

bool hark_take_u32(struct hark_span *in, uint32_t *out)
{
    struct hark_span s;
    if (!hark_take(in, 4, &s)) {
        return false;
    }
    *out = hark_get_u32(s.data);
    return true;
}

bool hark_take_u64(struct hark_span *in, uint64_t *out)
{
    struct hark_span s;
    if (!hark_take(in, 8, &s)) {
        return false;
    }
    *out = hark_get_u64(s.data);
    return true;
}

bool hark_take_literal(struct hark_span *in, const char *literal)
{
    struct hark_span wanted = hark_span_str(literal);
    struct hark_span rest = *in;
    struct hark_span s;
    if (!hark_take(&rest, wanted.size, &s) || !hark_span_equal(s, wanted)) {
        return false;
    }
    *in = rest;
    return true;
}

bool hark_take_line(struct hark_span *in, struct hark_span *line)
{
    const uint8_t *lf = in->size == 0 ? NULL : memchr(in->data, '\n', in->size);
    if (lf == NULL) {
        return false;
    }
    size_t length = (size_t)(lf - in->data);
    *line = hark_span(in->data, length);
    in->data += length + 1;
    in->size -= length + 1;
    return true;
}

/* ---- integers ---- */

void hark_put_u32(uint8_t out[4], uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (uint8_t)(v >> (24 - 8 * i) & 0xffu);
    }
}

void hark_put_u64(uint8_t out[8], uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(v >> (56 - 8 * i) & 0xffu);
    }
}

uint32_t hark_get_u32(const uint8_t in[4])
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

uint64_t hark_get_u64(const uint8_t in[8])
{
    return (uint64_t)hark_get_u32(in) << 32 | hark_get_u32(in + 4);
}

/* ---- hex ---- */

void hark_hex_encode(char *out, const uint8_t *data, size_t size)
{
    if (size == 0) {
        out[0] = '\0';
        return;
    }
    (void)sodium_bin2hex(out, 2 * size + 1, data, size);
}

/* 16 and more for anything but a lower-case digit: libsodium's own decoder takes upper
 * case too, and one value must have one text. A table, since hashes make every branch a
 * guess. */
static const uint8_t hex_digits[256] = {
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
};

int hark_hex_decode(uint8_t *out, size_t size, struct hark_span text, struct hark_err *err)
{
    if (text.size / 2 != size || text.size % 2 != 0) {
        return hark_err_set(err, HARK_E_HEX, "%zu characters where %zu bytes in hex belong",
                            text.size, size);
    }
    for (size_t i = 0; i < size; i++) {
        unsigned high = hex_digits[text.data[2 * i]];
        unsigned low = hex_digits[text.data[2 * i + 1]];
        if ((high | low) > 15) {
            return hark_err_set(err, HARK_E_HEX, "not a lower-case hex digit near character %zu",
                                2 * i + 1);
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* ---- base64 ---- */

static int base64_encode(struct hark_buf *out, struct hark_span data, int variant,
                         struct hark_err *err)
{
    if (data.size > SIZE_MAX / 4) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %zu bytes", out->max);
    }
    size_t length = sodium_base64_encoded_len(data.size, variant) - 1; /* it counts the NUL */
    int rc = hark_buf_reserve(out, length, err);
    if (rc != 0) {
        return rc;
    }
    if (length > 0) {
        (void)sodium_bin2base64((char *)out->data + out->size, length + 1, data.data, data.size,
                                variant);
        out->size += length;
    }
    return 0;
}

/* How many bytes a text of that length stands for; false if none has it. */
static bool base64_size(struct hark_span text, int variant, size_t *size)
{
    size_t rest = text.size % 4;
    if (variant == sodium_base64_VARIANT_URLSAFE_NO_PADDING) {
        *size = text.size / 4 * 3 + (rest == 0 ? 0 : rest - 1);
        return rest != 1;
    }
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=') {
        padding++;
    }
    *size = text.size / 4 * 3 - (rest == 0 ? padding : 0);
    return rest == 0;
}

/* libsodium 1.0.18 takes some bytes from 0x80 up for digits (its arithmetic on a
 * signed char goes astray), so one value would have several texts. */
static bool is_ascii(struct hark_span text)
{
    unsigned seen = 0;
    for (size_t i = 0; i < text.size; i++) {
        seen |= text.data[i];
    }
    return seen < 0x80;
}

/* libsodium refuses non-zero trailing bits and wrong padding, and (as no `end`
 * pointer is given) anything left over. */
static int base64_decode(struct hark_buf *out, struct hark_span text, int variant,
                         struct hark_err *err)
{
    size_t size = 0;
    if (!base64_size(text, variant, &size)) {
        return hark_err_set(err, HARK_E_BASE64, "no base64 has %zu characters", text.size);
    }
    int rc = hark_buf_reserve(out, size, err);
    if (rc != 0 || text.size == 0) {
        return rc;
    }
    size_t decoded = 0;
    if (!is_ascii(text) ||
        sodium_base642bin(out->data + out->size, size, (const char *)text.data, text.size, NULL,
                          &decoded, NULL, variant) != 0 ||
        decoded != size) {
        return hark_err_set(err, HARK_E_BASE64, "not strict base64");
    }
    out->size += size;
    return 0;
}

int hark_base64_encode(struct hark_buf *out, struct hark_span data, struct hark_err *err)
{
    return base64_encode(out, data, sodium_base64_VARIANT_ORIGINAL, err);
}

int hark_base64_decode(struct hark_buf *out, struct hark_span text, struct hark_err *err)
{
    return base64_decode(out, text, sodium_base64_VARIANT_ORIGINAL, err);
}

int hark_base64url_encode(struct hark_buf *out, struct hark_span data, struct hark_err *err)
{
    return base64_encode(out, data, sodium_base64_VARIANT_URLSAFE_NO_PADDING, err);
}

int hark_base64url_decode(struct hark_buf *out, struct hark_span text, struct hark_err *err)
{
    return base64_decode(out, text, sodium_base64_VARIANT_URLSAFE_NO_PADDING, err);
}

/* ---- decimal ---- */

int hark_decimal_decode(uint64_t *out, struct hark_span text, uint64_t max, struct hark_err *err)
{
    if (text.size == 0 || text.size > 20 || (text.size > 1 && text.data[0] == '0')) {
        return hark_err_set(err, HARK_E_NUMBER, "not a decimal number in its one form");
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return hark_err_set(err, HARK_E_NUMBER, "not a decimal number in its one form");
        }
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (digit > max || value > (max - digit) / 10) {
            return hark_err_set(err, HARK_E_NUMBER, "a number greater than %llu",
                                (unsigned long long)max);
        }
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

/* ---- UTF-8 ---- */

/* The size of the well-formed character at the front, 0 if there is none. The
 * bounds of the second byte keep out overlong forms, surrogates and what lies
 * beyond U+10FFFF (RFC 3629 section 4). */
static size_t utf8_character(struct hark_span in)
{
    uint8_t first = in.data[0];
    if (first < 0x80) {
        return 1;
    }
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || in.size < size) {
        return 0;
    }
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (in.data[1] < low || in.data[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((in.data[i] & 0xc0u) != 0x80u) {
            return 0;
        }
    }
    return size;
}

bool hark_utf8_valid(struct hark_span text)
{
    while (text.size > 0) {
        size_t size = utf8_character(text);
        if (size == 0) {
            return false;
        }
        text.data += size;
        text.size -= size;
    }
    return true;
}

/* ---- times: the proleptic Gregorian calendar in integers ----
 *
 * The C library's functions depend on locale and time zone, and take dates that
 * do not exist. Years are counted from March here, so that the leap day is a
 * year's last; 400 years are 146,097 days. */

enum { MS_PER_DAY = 86400000, DAYS_PER_400_YEARS = 146097, DAYS_TO_1970 = 719468 };

/* Days from 0000-03-01 to the first of a month (1 to 12). */
static unsigned days_before_month(unsigned year, unsigned month)
{
    unsigned y = month <= 2 ? year - 1 : year;
    unsigned m = month <= 2 ? month + 9 : month - 3; /* March is 0 */
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    if (month == 12) {
        return 31;
    }
    return days_before_month(year, month + 1) - days_before_month(year, month);
}

static void put_digits(char *out, unsigned value, unsigned count)
{
    while (count > 0) {
        count--;
        out[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void hark_time_encode(char out[HARK_TIME_SIZE + 1], uint64_t time_ms)
{
    if (time_ms > HARK_TIME_MAX_MS) {
        time_ms = HARK_TIME_MAX_MS; /* the text has four digits for the year */
    }
    unsigned ms = (unsigned)(time_ms % MS_PER_DAY);
    unsigned days = (unsigned)(time_ms / MS_PER_DAY) + DAYS_TO_1970;
    /* By the mean length of a year the guess is at most two too late, never too
     * early. */
    unsigned year = (unsigned)((uint64_t)days * 400 / DAYS_PER_400_YEARS) + 1;
    while (days_before_month(year, 1) > days) {
        year--;
    }
    unsigned month = 12;
    while (days_before_month(year, month) > days) {
        month--;
    }
    memcpy(out, "YYYY-MM-DDTHH:MM:SS.mmmZ", HARK_TIME_SIZE + 1);
    put_digits(out, year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, days - days_before_month(year, month) + 1, 2);
    put_digits(out + 11, ms / 3600000, 2);
    put_digits(out + 14, ms / 60000 % 60, 2);
    put_digits(out + 17, ms / 1000 % 60, 2);
    put_digits(out + 20, ms % 1000, 3);
}

/* The form is checked before; these are digits. */
static unsigned get_digits(const uint8_t *in, unsigned count)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        value = value * 10 + (unsigned)(in[i] - '0');
    }
    return value;
}

static bool has_time_form(struct hark_span text)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    if (text.size != HARK_TIME_SIZE) {
        return false;
    }
    for (size_t i = 0; i < HARK_TIME_SIZE; i++) {
        bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (form[i] == '0' ? !is_digit : text.data[i] != (uint8_t)form[i]) {
            return false;
        }
    }
    return true;
}

int hark_time_decode(uint64_t *time_ms, struct hark_span text, struct hark_err *err)
{
    if (!has_time_form(text)) {
        return hark_err_set(err, HARK_E_TIME, "not a time like 2026-11-21T10:15:30.123Z");
    }
    unsigned year = get_digits(text.data, 4);
    unsigned month = get_digits(text.data + 5, 2);
    unsigned day = get_digits(text.data + 8, 2);
    unsigned hour = get_digits(text.data + 11, 2);
    unsigned minute = get_digits(text.data + 14, 2);
    unsigned second = get_digits(text.data + 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 59) {
        return hark_err_set(err, HARK_E_TIME, "a time that does not exist");
    }
    uint64_t days = days_before_month(year, month) + day - 1 - DAYS_TO_1970;
    *time_ms = days * MS_PER_DAY + hour * 3600000ull + minute * 60000ull + second * 1000ull +
               get_digits(text.data + 20, 3);
    return 0;
}

/* ---- secrets ---- */

void hark_random(void *out, size_t size)
{
    randombytes_buf(out, size);
}

uint64_t hark_keyed_hash(const uint8_t hash_key[HARK_HASH_KEY_SIZE], struct hark_span data)
{
    static const uint8_t nothing[1] = {0};
    uint8_t bytes[crypto_shorthash_BYTES];
    uint64_t hash = 0;
    _Static_assert(HARK_HASH_KEY_SIZE == crypto_shorthash_KEYBYTES, "SipHash has a key of 16");
    _Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash has 8 bytes");
    (void)crypto_shorthash(bytes, data.size == 0 ? nothing : data.data, data.size, hash_key);
    memcpy(&hash, bytes, sizeof(hash));
    return hash;
}

void hark_wipe(void *data, size_t size)
{
    if (size > 0) {
        sodium_memzero(data, size);
    }
}

void hark_wipe_stack(size_t size)
{
    sodium_stackzero(size);
}

bool hark_equal(const void *a, const void *b, size_t size)
{
    return size == 0 || sodium_memcmp(a, b, size) == 0;
}
