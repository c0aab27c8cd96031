/*
 * Bytes: borrowed spans, growable buffers with a mandatory maximum, the text
 * encodings used on the wire (lower-case hex, RFC 4648 base64), big-endian
 * integers, secure wiping and randomness. PROTOCOL.md 2 (notation).
 */
#ifndef HARK_CRYPTO_BYTES_H
#define HARK_CRYPTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Must be called once before anything else in crypto/ (sodium_init). Safe to
 * call again, from any thread. Errors: internal. */
HARK_CHECK int hark_crypto_init(struct hark_err *err);

/* Borrowed bytes. Never owns; valid as long as what it points into. */
struct hark_span {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;
};

static inline struct hark_span hark_span(const void *data, size_t size)
{
    return (struct hark_span){.data = data, .size = size};
}

/* The bytes of a NUL-terminated string, without the NUL. */
struct hark_span hark_span_str(const char *s);
bool hark_span_equal(struct hark_span a, struct hark_span b);

/* A growable buffer. After `hark_buf_init(max)` it is empty and valid; data is
 * NULL until something is appended. Every growth past `max` is HARK_E_LIMIT and
 * leaves the content as it was. `secret` buffers are wiped when they grow and
 * when they are freed. */
struct hark_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t max;
    bool secret;
};

struct hark_buf hark_buf_init(size_t max);
struct hark_buf hark_buf_init_secret(size_t max);
/* Over the caller's own `size` bytes, one of them kept for the NUL: never grown, and not
 * to be freed. */
struct hark_buf hark_buf_over(uint8_t *bytes, size_t size);
void hark_buf_free(struct hark_buf *buf);  /* leaves it initialised and empty */
void hark_buf_clear(struct hark_buf *buf); /* size 0, memory kept (wiped if secret) */
HARK_CHECK int hark_buf_reserve(struct hark_buf *buf, size_t extra, struct hark_err *err);
HARK_CHECK int hark_buf_append(struct hark_buf *buf, const void *data, size_t size,
                               struct hark_err *err);
HARK_CHECK int hark_buf_append_span(struct hark_buf *buf, struct hark_span span,
                                    struct hark_err *err);
HARK_CHECK int hark_buf_append_str(struct hark_buf *buf, const char *s, struct hark_err *err);
HARK_CHECK int hark_buf_append_byte(struct hark_buf *buf, uint8_t byte, struct hark_err *err);
HARK_CHECK int hark_buf_printf(struct hark_buf *buf, struct hark_err *err, const char *fmt, ...)
    HARK_PRINTF(3, 4);
HARK_CHECK int hark_buf_append_hex(struct hark_buf *buf, const uint8_t *data, size_t size,
                                   struct hark_err *err);
HARK_CHECK int hark_buf_append_u8(struct hark_buf *buf, uint8_t v, struct hark_err *err);
HARK_CHECK int hark_buf_append_u16(struct hark_buf *buf, uint16_t v, struct hark_err *err);
HARK_CHECK int hark_buf_append_u32(struct hark_buf *buf, uint32_t v, struct hark_err *err);
HARK_CHECK int hark_buf_append_u64(struct hark_buf *buf, uint64_t v, struct hark_err *err);
/* A NUL after the content (not counted in size), so that data can be used as a
 * C string until the next change. */
HARK_CHECK int hark_buf_terminate(struct hark_buf *buf, struct hark_err *err);
struct hark_span hark_buf_span(const struct hark_buf *buf);

/* Reading from the front of a span, for parsers that end with "all consumed".
 * Each takes from `in` and advances it; on failure `in` is unchanged and false
 * is returned. Integers are big endian. */
bool hark_take(struct hark_span *in, size_t size, struct hark_span *out);
bool hark_take_u8(struct hark_span *in, uint8_t *out);
bool hark_take_u16(struct hark_span *in, uint16_t *out);
bool hark_take_u32(struct hark_span *in, uint32_t *out);
bool hark_take_u64(struct hark_span *in, uint64_t *out);
/* Takes exactly the bytes of `literal`. */
bool hark_take_literal(struct hark_span *in, const char *literal);
/* Takes up to and including the next LF; `line` excludes it. False if there is
 * no LF. */
bool hark_take_line(struct hark_span *in, struct hark_span *line);

void hark_put_u32(uint8_t out[4], uint32_t v);
void hark_put_u64(uint8_t out[8], uint64_t v);
uint32_t hark_get_u32(const uint8_t in[4]);
uint64_t hark_get_u64(const uint8_t in[8]);

/* Writes 2*size lower-case digits and a NUL. */
void hark_hex_encode(char *out, const uint8_t *data, size_t size);
/* Strict: exactly 2*size lower-case digits. Error: hex. */
HARK_CHECK int hark_hex_decode(uint8_t *out, size_t size, struct hark_span text,
                               struct hark_err *err);

/* RFC 4648 base64 with padding (standard alphabet), and the URL alphabet
 * without padding. Decoding is strict: no white space, canonical trailing bits,
 * correct padding. Appends to out. Error: base64. */
HARK_CHECK int hark_base64_encode(struct hark_buf *out, struct hark_span data,
                                  struct hark_err *err);
HARK_CHECK int hark_base64_decode(struct hark_buf *out, struct hark_span text,
                                  struct hark_err *err);
HARK_CHECK int hark_base64url_encode(struct hark_buf *out, struct hark_span data,
                                     struct hark_err *err);
HARK_CHECK int hark_base64url_decode(struct hark_buf *out, struct hark_span text,
                                     struct hark_err *err);

/* Decimal without sign or leading zeros, at most `max`. Error: number. */
HARK_CHECK int hark_decimal_decode(uint64_t *out, struct hark_span text, uint64_t max,
                                   struct hark_err *err);

/* Is this well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool hark_utf8_valid(struct hark_span text);

/* Times: milliseconds since 1970-01-01T00:00:00Z, from 0 to
 * 253402300799999 (year 9999). Text form `2026-11-21T10:15:30.123Z`, exactly 24
 * characters; `out` of the encoder holds 25 with the NUL. Error: time (also for
 * dates that do not exist, leap seconds included). */
#define HARK_TIME_SIZE   24
#define HARK_TIME_MAX_MS UINT64_C(253402300799999)
void hark_time_encode(char out[HARK_TIME_SIZE + 1], uint64_t time_ms);
HARK_CHECK int hark_time_decode(uint64_t *time_ms, struct hark_span text, struct hark_err *err);

/* From the system's secure source. */
void hark_random(void *out, size_t size);
void hark_wipe(void *data, size_t size);
/* What the calls that have returned left on the stack: the `size` bytes below the caller, which
 * have to be there. */
void hark_wipe_stack(size_t size);
/* For hash tables whose keys somebody else chooses (SipHash-2-4): who does not know
 * hash_key, which is random, finds no keys that fall together. */
#define HARK_HASH_KEY_SIZE 16
uint64_t hark_keyed_hash(const uint8_t hash_key[HARK_HASH_KEY_SIZE], struct hark_span data);
/* Constant time. */
bool hark_equal(const void *a, const void *b, size_t size);

#endif
