/*
 * See polis.h. All of comments.csv is held in memory, because a log reads best in
 * the order in which people wrote; votes.csv is gone through once.
 */
#include "node/polis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/files.h"
#include "node/paircount.h"
#include "schemas/config.h"

#define ID_MAX ((UINT64_C(1) << 53) - 1)

struct hark_polis {
    hark_polis_skip_fn *skip;
    void *arg;
    char title[HARK_POLIS_TITLE_MAX + 1];
    char source[HARK_POLIS_SOURCE_MAX + 1];
    struct hark_buf description;
    struct hark_buf comment_bytes, vote_bytes; /* the files */
    struct hark_buf words;                     /* the bodies, one after the other */
    size_t comment_count, comment_room;
    struct hark_polis_comment *comments; /* by time and line */
    size_t *by_id;                       /* their numbers, by id */
    struct hark_csv *votes;
    struct hark_paircount seen; /* (comment, voter) */
};

static void skip_row(struct hark_polis *polis, const char *file, size_t line, const char *why)
{
    polis->skip(polis->arg, file, line, why);
}

static int read_file(const char *dir, const char *name, struct hark_buf *out, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, dir, name, err);

    return rc < 0 ? rc : hark_file_read(path, out, err);
}

/* --- words ------------------------------------------------------------------- */

/* As much of `text` as fits `max` bytes, cut where a character ends. */
static struct hark_span cut(struct hark_span text, size_t max)
{
    if (text.size <= max)
        return text;
    while (max > 0 && (text.data[max] & 0xc0) == 0x80)
        max--;
    return hark_span(text.data, max);
}

/* White space, ASCII's and the two that people type in other scripts (no-break
 * and ideographic space); 0: none at the front. */
static size_t space_size(struct hark_span text)
{
    static const char *const SPACES[] = {" ", "\t", "\n", "\r", "\xc2\xa0", "\xe3\x80\x80"};

    for (size_t i = 0; i < sizeof(SPACES) / sizeof(SPACES[0]); i++)
        if (hark_take_literal(&text, SPACES[i]))
            return strlen(SPACES[i]);
    return 0;
}

static bool is_blank(struct hark_span text)
{
    for (size_t size = 0; text.size > 0; text = hark_span(text.data + size, text.size - size)) {
        size = space_size(text);
        if (size == 0)
            return false;
    }
    return true;
}

/* Appends the text with every line break as LF: payloads hold no CR. */
static int append_text(struct hark_buf *out, struct hark_span text, struct hark_err *err)
{
    int rc = hark_buf_reserve(out, text.size, err);

    for (size_t i = 0; i < text.size && rc == 0; i++) {
        uint8_t c = text.data[i];

        if (c == '\r' && i + 1 < text.size && text.data[i + 1] == '\n')
            continue;
        rc = hark_buf_append_byte(out, c == '\r' ? (uint8_t)'\n' : c, err);
    }
    return rc;
}

/* Control characters, C1 included, become spaces: in a heading all, in a text all
 * but LF and TAB. */
static void blank_controls(uint8_t *text, size_t size, bool heading)
{
    for (size_t i = 0; i < size; i++) {
        bool kept = !heading && (text[i] == '\n' || text[i] == '\t');

        if (text[i] == 0xc2 && i + 1 < size && text[i + 1] < 0xa0)
            text[i] = text[i + 1] = ' ';
        else if ((text[i] < 0x20 && !kept) || text[i] == 0x7f)
            text[i] = ' ';
    }
}

static void copy_heading(char *out, size_t size, struct hark_span text)
{
    text = cut(text, size - 1);
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    blank_controls((uint8_t *)out, text.size, true);
}

/* --- summary.csv --------------------------------------------------------------- */

static int take_summary(struct hark_polis *polis, const struct hark_csv_row *row, char *url,
                        size_t url_size, struct hark_err *err)
{
    struct hark_span key = row->fields[0], value = row->fields[1];
    int rc = 0;

    if (hark_span_equal(key, hark_span_str("topic")) && !is_blank(value))
        copy_heading(polis->title, sizeof(polis->title), value);
    else if (hark_span_equal(key, hark_span_str("url")) && !is_blank(value))
        copy_heading(url, url_size, value);
    else if (hark_span_equal(key, hark_span_str("conversation-description"))) {
        hark_buf_clear(&polis->description);
        rc = append_text(&polis->description, cut(value, HARK_POLIS_TEXT_MAX), err);
        blank_controls(polis->description.data, polis->description.size, false);
    }
    return rc;
}

static int read_summary(struct hark_polis *polis, struct hark_span bytes, struct hark_err *err)
{
    char url[HARK_POLIS_SOURCE_MAX - 5] = "";
    struct hark_csv *csv = NULL;
    struct hark_csv_row row;
    bool more = true;
    int rc = hark_csv_new(&csv, bytes, "summary.csv", NULL, 0, err);

    while (rc == 0) {
        rc = hark_csv_next(csv, &row, &more, err);
        if (rc < 0 || !more)
            break;
        if (row.why != NULL)
            skip_row(polis, "summary.csv", row.line, row.why);
        else if (row.count >= 2) /* some exports end their lines with a comma */
            rc = take_summary(polis, &row, url, sizeof(url), err);
    }
    hark_csv_free(csv);
    if (rc == 0)
        rc = hark_buf_terminate(&polis->description, err);
    if (rc == 0 && polis->title[0] == '\0')
        rc = hark_err_set(err, HARK_E_USAGE, "summary.csv: it has no line \"topic\"");
    if (rc == 0 && url[0] == '\0')
        copy_heading(url, sizeof(url), hark_span_str(polis->title));
    if (rc == 0)
        (void)snprintf(polis->source, sizeof(polis->source), "polis:%s", url);
    return rc;
}

/* --- comments.csv ---------------------------------------------------------------- */

static bool number(struct hark_span text, uint64_t max, uint64_t *out)
{
    return hark_decimal_decode(out, text, max, NULL) == 0;
}

/* -1, 0 or 1 */
static bool sign(struct hark_span text, int *out)
{
    if (hark_span_equal(text, hark_span_str("-1")))
        *out = -1;
    else if (hark_span_equal(text, hark_span_str("0")))
        *out = 0;
    else if (hark_span_equal(text, hark_span_str("1")))
        *out = 1;
    else
        return false;
    return true;
}

/* NULL when all of it can be used. */
static const char *judge_comment(const struct hark_csv_row *row, struct hark_polis_comment *out)
{
    if (!number(row->fields[0], HARK_TIME_MAX_MS, &out->time_ms))
        return "timestamp is no time in milliseconds";
    if (!number(row->fields[2], ID_MAX, &out->author))
        return "author-id is no number";
    if (!sign(row->fields[3], &out->moderated))
        return "moderated is none of -1, 0 and 1";
    if (is_blank(row->fields[4]))
        return "comment-body is empty";
    if (row->fields[4].size > HARK_POLIS_TEXT_MAX)
        return "comment-body is too long";
    return NULL;
}

static int add_comment(struct hark_polis *polis, const struct hark_polis_comment *comment,
                       struct hark_err *err)
{
    if (polis->comment_count == polis->comment_room) {
        size_t room = polis->comment_room > 0 ? 2 * polis->comment_room : 256;
        struct hark_polis_comment *more = realloc(polis->comments, room * sizeof(*more));

        if (more == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu comments", room);
        polis->comments = more;
        polis->comment_room = room;
    }
    polis->comments[polis->comment_count++] = *comment;
    return 0;
}

/* Where a body begins is kept as an offset first, since the words may move. */
static int take_comment(struct hark_polis *polis, const struct hark_csv_row *row,
                        struct hark_err *err)
{
    struct hark_polis_comment comment = {.line = row->line};
    size_t start = polis->words.size;
    const char *why;
    int rc;

    if (!number(row->fields[1], ID_MAX, &comment.id)) {
        skip_row(polis, "comments.csv", row->line, "comment-id is no number");
        return 0;
    }
    why = judge_comment(row, &comment);
    if (why != NULL) {
        skip_row(polis, "comments.csv", row->line, why);
        comment.body.size = 0;
        return add_comment(polis, &comment, err);
    }
    rc = append_text(&polis->words, row->fields[4], err);
    comment.body.size = polis->words.size - start;
    return rc < 0 ? rc : add_comment(polis, &comment, err);
}

static int by_id_and_line(const void *x, const void *y)
{
    const struct hark_polis_comment *a = x, *b = y;

    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->line < b->line ? -1 : 1;
}

static int by_time_and_line(const void *x, const void *y)
{
    const struct hark_polis_comment *a = x, *b = y;

    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    return a->line < b->line ? -1 : 1;
}

static void drop_repeated(struct hark_polis *polis)
{
    size_t kept = 0;

    qsort(polis->comments, polis->comment_count, sizeof(polis->comments[0]), by_id_and_line);
    for (size_t i = 0; i < polis->comment_count; i++) {
        const struct hark_polis_comment *comment = &polis->comments[i];

        if (kept > 0 && polis->comments[kept - 1].id == comment->id)
            skip_row(polis, "comments.csv", comment->line, "an earlier row has its comment-id");
        else
            polis->comments[kept++] = *comment;
    }
    polis->comment_count = kept;
}

static int by_id(const void *x, const void *y, void *arg)
{
    const struct hark_polis *polis = arg;
    uint64_t a = polis->comments[*(const size_t *)x].id, b = polis->comments[*(const size_t *)y].id;

    return a < b ? -1 : a > b;
}

static int order_comments(struct hark_polis *polis, struct hark_err *err)
{
    size_t offset = 0;

    if (polis->comment_count == 0)
        return 0;
    for (size_t i = 0; i < polis->comment_count; i++) {
        struct hark_polis_comment *comment = &polis->comments[i];

        if (comment->body.size > 0)
            comment->body.data = polis->words.data + offset;
        offset += comment->body.size;
    }
    drop_repeated(polis);
    qsort(polis->comments, polis->comment_count, sizeof(polis->comments[0]), by_time_and_line);
    polis->by_id = calloc(polis->comment_count, sizeof(polis->by_id[0]));
    if (polis->by_id == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the comments");
    for (size_t i = 0; i < polis->comment_count; i++)
        polis->by_id[i] = i;
    qsort_r(polis->by_id, polis->comment_count, sizeof(polis->by_id[0]), by_id, polis);
    return 0;
}

static int read_comments(struct hark_polis *polis, struct hark_err *err)
{
    static const char *const COLUMNS[] = {"timestamp", "comment-id", "author-id", "moderated",
                                          "comment-body"};
    struct hark_csv *csv = NULL;
    struct hark_csv_row row;
    bool more = true;
    int rc =
        hark_csv_new(&csv, hark_buf_span(&polis->comment_bytes), "comments.csv", COLUMNS, 5, err);

    while (rc == 0) {
        rc = hark_csv_next(csv, &row, &more, err);
        if (rc < 0 || !more)
            break;
        if (row.why != NULL)
            skip_row(polis, "comments.csv", row.line, row.why);
        else
            rc = take_comment(polis, &row, err);
    }
    hark_csv_free(csv);
    return rc < 0 ? rc : order_comments(polis, err);
}

bool hark_polis_find(const struct hark_polis *polis, uint64_t id, size_t *i)
{
    size_t low = 0, high = polis->comment_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t there = polis->comments[polis->by_id[middle]].id;

        if (there == id) {
            *i = polis->by_id[middle];
            return true;
        }
        if (there < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* --- votes.csv ------------------------------------------------------------------- */

static int open_votes(struct hark_polis *polis, struct hark_err *err)
{
    static const char *const COLUMNS[] = {"timestamp", "comment-id", "voter-id", "vote"};

    return hark_csv_new(&polis->votes, hark_buf_span(&polis->vote_bytes), "votes.csv", COLUMNS, 4,
                        err);
}

static const char *judge_vote(const struct hark_csv_row *row, struct hark_polis_vote *out)
{
    if (row->why != NULL)
        return row->why;
    if (!number(row->fields[0], HARK_TIME_MAX_MS, &out->time_ms))
        return "timestamp is no time in milliseconds";
    if (!number(row->fields[1], ID_MAX, &out->comment))
        return "comment-id is no number";
    if (!number(row->fields[2], ID_MAX, &out->voter))
        return "voter-id is no number";
    if (!sign(row->fields[3], &out->vote))
        return "vote is none of -1, 0 and 1";
    return NULL;
}

int hark_polis_next_vote(struct hark_polis *polis, struct hark_polis_vote *vote, bool *more,
                         struct hark_err *err)
{
    struct hark_csv_row row;
    const char *why;
    int rc;

    do {
        rc = hark_csv_next(polis->votes, &row, more, err);
        if (rc < 0 || !*more)
            return rc;
        *vote = (struct hark_polis_vote){.line = row.line};
        why = judge_vote(&row, vote);
        if (why != NULL)
            skip_row(polis, "votes.csv", row.line, why);
    } while (why != NULL);
    return hark_paircount_add(&polis->seen, vote->comment, vote->voter, vote->line, &vote->nth,
                              err);
}

void hark_polis_progress(const struct hark_polis *polis, uint64_t *done, uint64_t *total)
{
    *done = hark_csv_offset(polis->votes);
    *total = polis->vote_bytes.size;
}

/* --- all of it ------------------------------------------------------------------- */

int hark_polis_open(struct hark_polis **out, const char *dir, hark_polis_skip_fn *skip, void *arg,
                    struct hark_err *err)
{
    struct hark_polis *polis = calloc(1, sizeof(*polis));
    struct hark_buf summary = hark_buf_init(HARK_POLIS_SUMMARY_MAX);
    int rc;

    *out = NULL;
    if (polis == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a conversation");
    polis->skip = skip;
    polis->arg = arg;
    polis->description = hark_buf_init(HARK_POLIS_TEXT_MAX + 1);
    polis->comment_bytes = hark_buf_init(HARK_POLIS_COMMENTS_MAX);
    polis->words = hark_buf_init(HARK_POLIS_COMMENTS_MAX);
    polis->vote_bytes = hark_buf_init(HARK_POLIS_VOTES_MAX);
    rc = read_file(dir, "summary.csv", &summary, err);
    if (rc == 0)
        rc = read_file(dir, "comments.csv", &polis->comment_bytes, err);
    if (rc == 0)
        rc = read_file(dir, "votes.csv", &polis->vote_bytes, err);
    if (rc == 0)
        rc = read_summary(polis, hark_buf_span(&summary), err);
    if (rc == 0)
        rc = read_comments(polis, err);
    if (rc == 0)
        rc = open_votes(polis, err);
    hark_buf_free(&summary);
    if (rc < 0) {
        hark_polis_free(polis);
        return rc;
    }
    *out = polis;
    return 0;
}

void hark_polis_free(struct hark_polis *polis)
{
    if (polis == NULL)
        return;
    hark_csv_free(polis->votes);
    hark_paircount_free(&polis->seen);
    free(polis->comments);
    free(polis->by_id);
    hark_buf_free(&polis->description);
    hark_buf_free(&polis->comment_bytes);
    hark_buf_free(&polis->vote_bytes);
    hark_buf_free(&polis->words);
    free(polis);
}

const char *hark_polis_title(const struct hark_polis *polis)
{
    return polis->title;
}

const char *hark_polis_description(const struct hark_polis *polis)
{
    return (const char *)polis->description.data;
}

const char *hark_polis_source(const struct hark_polis *polis)
{
    return polis->source;
}

size_t hark_polis_comment_count(const struct hark_polis *polis)
{
    return polis->comment_count;
}

const struct hark_polis_comment *hark_polis_comment(const struct hark_polis *polis, size_t i)
{
    return &polis->comments[i];
}
