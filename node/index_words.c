/*
 * Words: what of a payload is searched, in which form, and titles.
 *
 * FTS5's unicode61 tokenizer takes a run of CJK characters for one word, so that
 * only whole sentences would be found. Here such a run becomes overlapping
 * bigrams, which a query of two or more characters meets as a phrase of
 * bigrams, and its last character alone, so that a query of one character finds
 * it by prefix wherever it stands.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"

#define WORDS_MAX (1024u * 1024u) /* bigrams of 64 KiB of text fit thrice */
#define TITLE_MAX 240u            /* bytes kept of a title or of a body's beginning */

/* Scripts that are written without spaces, or in which words take endings
 * without them; first and last character of each range. */
static const uint32_t cjk[][2] = {
    {0x1100, 0x11FF},   /* Hangul Jamo */
    {0x3005, 0x3007},   /* iteration mark, closing mark, zero */
    {0x3021, 0x3029},   /* Hangzhou numerals */
    {0x3031, 0x3035},   /* kana repeat marks */
    {0x3038, 0x303C},   /* Hangzhou numerals, masu mark */
    {0x3041, 0x3096},   /* Hiragana */
    {0x309D, 0x309F},   /* Hiragana iteration marks */
    {0x30A1, 0x30FA},   /* Katakana */
    {0x30FC, 0x30FF},   /* prolonged sound mark, iteration marks */
    {0x3105, 0x312F},   /* Bopomofo */
    {0x3131, 0x318E},   /* Hangul compatibility Jamo */
    {0x31A0, 0x31BF},   /* Bopomofo extended */
    {0x31F0, 0x31FF},   /* Katakana phonetic extensions */
    {0x3400, 0x4DBF},   /* Han extension A */
    {0x4E00, 0x9FFF},   /* Han */
    {0xA960, 0xA97C},   /* Hangul Jamo extended A */
    {0xAC00, 0xD7A3},   /* Hangul syllables */
    {0xD7B0, 0xD7FB},   /* Hangul Jamo extended B */
    {0xF900, 0xFAFF},   /* Han compatibility */
    {0xFF66, 0xFF9F},   /* half-width Katakana */
    {0xFFA1, 0xFFDC},   /* half-width Hangul */
    {0x1B000, 0x1B16F}, /* Kana supplement and extensions */
    {0x20000, 0x323AF}, /* Han extensions B to H, compatibility supplement */
};

static bool is_cjk(uint32_t c)
{
    if (c < cjk[0][0])
        return false;
    for (size_t i = 0; i < sizeof(cjk) / sizeof(cjk[0]); i++)
        if (c >= cjk[i][0] && c <= cjk[i][1])
            return true;
    return false;
}

/* One character off valid UTF-8; false at the end or where it is not valid. */
static bool take_character(struct hark_span *in, uint32_t *c, struct hark_span *bytes)
{
    static const uint8_t masks[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t size;
    uint8_t first;

    if (in->size == 0)
        return false;
    first = in->data[0];
    size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (size == 0 || !hark_take(in, size, bytes))
        return false;
    *c = first & masks[size];
    for (size_t i = 1; i < size; i++)
        *c = *c << 6 | (bytes->data[i] & 0x3f);
    return true;
}

static int append_word(struct hark_buf *out, struct hark_span a, struct hark_span b,
                       struct hark_err *err)
{
    int rc = hark_buf_append_byte(out, ' ', err);

    if (rc == 0)
        rc = hark_buf_append_span(out, a, err);
    if (rc == 0)
        rc = hark_buf_append_span(out, b, err);
    return rc == 0 ? hark_buf_append_byte(out, ' ', err) : rc;
}

/* Takes what is ASCII at the front, which is most of most texts. */
static struct hark_span take_ascii(struct hark_span *in)
{
    struct hark_span bytes;
    size_t size = 0;

    while (size < in->size && in->data[size] < 0x80)
        size++;
    (void)hark_take(in, size, &bytes); /* there are as many */
    return bytes;
}

/* Full-width forms of ASCII stand for the same letters. */
static int append_other(struct hark_buf *out, uint32_t c, struct hark_span bytes,
                        struct hark_err *err)
{
    if (c >= 0xFF01 && c <= 0xFF5E)
        return hark_buf_append_byte(out, (uint8_t)(c - 0xFF01 + '!'), err);
    return hark_buf_append_span(out, bytes, err);
}

int hark_index_normalise(struct hark_buf *out, struct hark_span text, bool ends, bool *single,
                         struct hark_err *err)
{
    static const struct hark_span nothing = {0};
    struct hark_span last = {0}; /* the character before, when it is CJK */
    struct hark_span bytes;
    size_t run = 0; /* characters in this CJK run */
    uint32_t c;
    int rc = 0;

    if (single != NULL)
        *single = false;
    if (!hark_utf8_valid(text))
        return 0;
    while (rc == 0) {
        if (run == 0)
            rc = hark_buf_append_span(out, take_ascii(&text), err);
        if (rc != 0 || !take_character(&text, &c, &bytes))
            break;
        if (is_cjk(c)) {
            if (run > 0)
                rc = append_word(out, last, bytes, err);
            last = bytes;
            run++;
            continue;
        }
        if (run > 0)
            rc = append_word(out, last, nothing, err);
        run = 0;
        if (rc == 0)
            rc = append_other(out, c, bytes, err);
    }
    if (rc == 0 && run > 0 && (ends || run == 1))
        rc = append_word(out, last, nothing, err);
    if (single != NULL)
        *single = run == 1;
    return rc;
}

/* ---- what of a payload is words ---- */

/* Fields of the built-in kinds that hold what people wrote; of a space's own
 * kinds every text is. */
static const char *const fields[] = {"title", "body",  "reason", "why",
                                     "name",  "about", "detail", "ground"};

static struct hark_span text_of(const json_t *payload, const char *field)
{
    const json_t *value = json_object_get(payload, field);

    if (!json_is_string(value))
        return hark_span(NULL, 0);
    return hark_span(json_string_value(value), json_string_length(value));
}

static int append_text(struct hark_buf *out, struct hark_span text, struct hark_err *err)
{
    int rc = text.size == 0 ? 0 : hark_index_normalise(out, text, true, NULL, err);

    return rc == 0 && text.size > 0 ? hark_buf_append_byte(out, '\n', err) : rc;
}

static int append_all(struct hark_buf *out, const json_t *payload, struct hark_err *err)
{
    void *at = json_object_iter((json_t *)(uintptr_t)payload);
    int rc = 0;

    while (rc == 0 && at != NULL) {
        const char *name = json_object_iter_key(at);

        if (strcmp(name, "salt") != 0)
            rc = append_text(out, text_of(payload, name), err);
        at = json_object_iter_next((json_t *)(uintptr_t)payload, at);
    }
    return rc;
}

static int collect(struct hark_buf *out, const struct hark_index_about *about,
                   const json_t *payload, struct hark_err *err)
{
    int rc = 0;

    if (strcmp(about->kind, "space") == 0) {
        rc = append_text(out, text_of(payload, "title"), err);
        if (rc == 0)
            rc = append_text(out, text_of(json_object_get(payload, "objective"), "question"), err);
        return rc;
    }
    /* What is never erased holds no words; a cohort's are not searched. */
    if ((about->flags & HARK_FLAG_ERASABLE) == 0 || strcmp(about->kind, "cohort") == 0)
        return 0;
    if (strncmp(about->kind, "x-", 2) == 0)
        return append_all(out, payload, err);
    for (size_t i = 0; rc == 0 && i < sizeof(fields) / sizeof(fields[0]); i++)
        rc = append_text(out, text_of(payload, fields[i]), err);
    return rc;
}

/* As many whole characters as fit. */
static size_t cut(struct hark_span text, size_t max)
{
    size_t size = text.size;

    if (size <= max)
        return size;
    for (size = max; size > 0 && (text.data[size] & 0xc0) == 0x80; size--)
        ;
    return size;
}

static int put_title(struct hark_index *index, const struct hark_index_about *about,
                     const json_t *payload, struct hark_err *err)
{
    struct hark_span text = text_of(payload, "title");
    bool titled = text.size > 0;

    if (!titled)
        text = text_of(payload, "body");
    if (text.size == 0)
        text = text_of(payload, "reason");
    if (text.size == 0 || strcmp(about->kind, "profile") == 0)
        return 0;
    return hark_index_run(
        index, err, "INSERT OR REPLACE INTO title (position, titled, text) VALUES (?1, ?2, ?3)",
        V_ARGS(V_INT(about->position), V_INT(titled), V_TEXT(text.data, cut(text, TITLE_MAX))));
}

int hark_index_words_put(struct hark_index *index, const struct hark_index_about *about,
                         const json_t *payload, struct hark_err *err)
{
    struct hark_buf words = hark_buf_init(WORDS_MAX);
    int rc = 0;

    if (payload == NULL || about->verdict != 0 || about->says != HARK_SAYS_IT)
        return 0;
    rc = put_title(index, about, payload, err);
    if (rc == 0)
        rc = collect(&words, about, payload, err);
    if (rc == 0 && words.size > 0)
        rc = hark_index_run(index, err, "INSERT INTO words (rowid, text) VALUES (?1, ?2)",
                            V_ARGS(V_INT(about->position), V_TEXT(words.data, words.size)));
    hark_buf_free(&words);
    return rc;
}

int hark_index_words_drop(struct hark_index *index, uint64_t position, bool title,
                          struct hark_err *err)
{
    int rc =
        hark_index_run(index, err, "DELETE FROM words WHERE rowid = ?1", V_ARGS(V_INT(position)));

    if (rc == 0 && title)
        rc = hark_index_run(index, err, "DELETE FROM title WHERE position = ?1",
                            V_ARGS(V_INT(position)));
    return rc;
}
