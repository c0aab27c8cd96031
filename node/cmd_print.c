/*
 * What goes to people and to scripts. What a person wrote may hold anything that
 * UTF-8 can say: escape sequences that rewrite a terminal's screen, and marks
 * that turn the order of what is read around. They are shown, not obeyed.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"

/* Decodes one character; 0 where the bytes are not UTF-8. */
static size_t decode(const char *text, uint32_t *character)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (strnlen(text, size) < size || !hark_utf8_valid(hark_span(text, size)))
        return 0;
    *character = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        *character = *character << 6 | (at[i] & 0x3fu);
    return size;
}

static bool between(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

/* Controls, what has no width, and what changes the direction of other text. */
static bool must_be_shown(uint32_t c)
{
    return c < 0x20 || between(c, 0x7f, 0x9f) || c == 0xad || c == 0x61c || c == 0x180e ||
           between(c, 0x200b, 0x200f) || between(c, 0x2028, 0x202e) || between(c, 0x2060, 0x206f) ||
           c == 0xfeff || between(c, 0xfff9, 0xfffb) || between(c, 0xe0000, 0xe007f);
}

static void print(FILE *out, const char *text, const char *allowed)
{
    while (*text != '\0') {
        uint32_t c = 0;
        size_t size = decode(text, &c);

        if (size == 0) {
            (void)fprintf(out, "<0x%02X>", (unsigned)(unsigned char)*text);
            size = 1;
        } else if (must_be_shown(c) && (c >= 0x80 || strchr(allowed, (int)c) == NULL)) {
            (void)fprintf(out, "<U+%04X>", (unsigned)c);
        } else {
            (void)fwrite(text, 1, size, out);
        }
        text += size;
    }
}

void hark_print_text(FILE *out, const char *text)
{
    print(out, text, "\n\t");
}

void hark_print_line(FILE *out, const char *text)
{
    print(out, text, "");
}

/* \uXXXX, in two halves beyond U+FFFF. Such characters stand in JSON strings only,
 * so that escaping them changes nothing for who parses it. */
static void print_escaped(FILE *out, uint32_t c)
{
    if (c > 0xffff) {
        c -= 0x10000;
        (void)fprintf(out, "\\u%04x", 0xd800u + (unsigned)(c >> 10));
        c = 0xdc00u + (c & 0x3ffu);
    }
    (void)fprintf(out, "\\u%04x", (unsigned)c);
}

int hark_print_json(FILE *out, json_t *json, struct hark_err *err)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

    json_decref(json);
    if (text == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    for (const char *at = text; *at != '\0';) {
        uint32_t c = 0;
        size_t size = decode(at, &c);

        if (size > 0 && must_be_shown(c))
            print_escaped(out, c);
        else
            (void)fwrite(at, 1, size > 0 ? size : 1, out);
        at += size > 0 ? size : 1;
    }
    free(text);
    if (fputc('\n', out) == EOF || ferror(out) != 0)
        return hark_err_set(err, HARK_E_IO, "the answer could not be written");
    return 0;
}

json_t *hark_out_text(const char *text)
{
    struct hark_buf fixed = hark_buf_init(4 * strlen(text) + 1);
    json_t *json = json_string(text);
    int rc = 0;

    if (json != NULL)
        return json;
    while (*text != '\0' && rc == 0) {
        uint32_t ignored;
        size_t size = decode(text, &ignored);

        rc = size > 0 ? hark_buf_append(&fixed, text, size, NULL)
                      : hark_buf_append_str(&fixed, "\xef\xbf\xbd", NULL);
        text += size > 0 ? size : 1;
    }
    if (rc == 0)
        json = json_stringn((const char *)fixed.data, fixed.size);
    hark_buf_free(&fixed);
    return json;
}

json_t *hark_out_hex(const uint8_t *bytes, size_t size)
{
    char hex[2 * 64 + 1];

    if (size > 64)
        return NULL;
    hark_hex_encode(hex, bytes, size);
    return json_string(hex);
}

json_t *hark_out_time(uint64_t time_ms)
{
    char text[HARK_TIME_SIZE + 1];

    hark_time_encode(text, time_ms);
    return json_string(text);
}

json_t *hark_out_position(uint64_t position)
{
    return position == HARK_NONE ? json_null() : json_integer((json_int_t)position);
}

void hark_short_id(char out[13], const struct hark_hash *id)
{
    hark_hex_encode(out, id->bytes, 6);
}

void hark_copy_text(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size);

    if (length == size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0u) == 0x80u)
            length--;
    }
    memcpy(out, text, length);
    out[length] = '\0';
}
