/*
 * See csv.h. The quoting is libcsv's, in its strict mode. What it does not do is
 * done here: line numbers, bounds, header names, UTF-8, and going on after a
 * broken row.
 *
 * libcsv is fed a line at a time, so that it is known on which line a row began.
 * After an error reading goes back to the line after that one: a stray quote
 * then costs one row and not everything up to the next quote.
 */
#include "node/csv.h"

#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CR 0x0d
#define LF 0x0a

struct hark_csv {
    struct hark_span bytes;
    const char *name;
    size_t offset, line; /* of what is read next */
    struct csv_parser parser;
    /* The row being read: its fields' bytes one after the other, and where each
     * ends. */
    struct hark_buf text;
    size_t ends[HARK_CSV_FIELDS_MAX];
    size_t field_count;
    bool row_done, no_memory, too_long, too_many;
    char why[HARK_CSV_WHY_MAX];
    /* Which field each column that was asked for is; none: all fields. */
    size_t width, column_count;
    size_t columns[HARK_CSV_COLUMNS_MAX];
};

/* --- libcsv ------------------------------------------------------------------ */

/* libcsv asks for room for one field through this, and takes NULL for an answer. */
static void *bounded_realloc(void *old, size_t size)
{
    return size > HARK_CSV_FIELD_MAX + 1024 ? NULL : realloc(old, size);
}

/* It would strip these around a field; a field is what stands there. */
static int no_space(unsigned char c)
{
    (void)c;
    return 0;
}

static void take_field(void *data, size_t size, void *arg)
{
    struct hark_csv *csv = arg;
    struct hark_err why = {0};

    if (csv->field_count == HARK_CSV_FIELDS_MAX) {
        csv->too_many = true;
        return;
    }
    if (size > HARK_CSV_FIELD_MAX) {
        csv->too_long = true;
        return;
    }
    if (size > 0 && hark_buf_append(&csv->text, data, size, &why) < 0) {
        csv->no_memory = why.code != HARK_E_LIMIT;
        csv->too_long = why.code == HARK_E_LIMIT;
        return;
    }
    csv->ends[csv->field_count++] = csv->text.size;
}

static void end_row(int terminator, void *arg)
{
    struct hark_csv *csv = arg;

    (void)terminator;
    csv->row_done = true;
}

static int start_parser(struct hark_csv *csv, struct hark_err *err)
{
    if (csv_init(&csv->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory to read %s", csv->name);
    csv_set_realloc_func(&csv->parser, bounded_realloc);
    csv_set_space_func(&csv->parser, no_space);
    return 0;
}

/* --- one row ----------------------------------------------------------------- */

/* Up to and with the next line break, CR LF being one. */
static struct hark_span take_line(struct hark_csv *csv)
{
    const uint8_t *data = csv->bytes.data + csv->offset;
    size_t left = csv->bytes.size - csv->offset;
    size_t size = 0;

    while (size < left && data[size] != CR && data[size] != LF)
        size++;
    if (size < left)
        size += data[size] == CR && size + 1 < left && data[size + 1] == LF ? 2 : 1;
    csv->offset += size;
    csv->line++;
    return hark_span(data, size);
}

static void clear_row(struct hark_csv *csv)
{
    hark_buf_clear(&csv->text);
    csv->field_count = 0;
    csv->row_done = csv->no_memory = csv->too_long = csv->too_many = false;
    csv->why[0] = '\0';
}

static void explain(struct hark_csv *csv)
{
    const char *why = "it cannot be read";

    if (csv->too_many)
        why = "it has too many fields";
    else if (csv->too_long || csv_error(&csv->parser) == CSV_ENOMEM)
        why = "a field is too long, or its closing quote is missing";
    else if (csv_error(&csv->parser) == CSV_EPARSE)
        why = "a quote is out of place or not closed";
    (void)snprintf(csv->why, sizeof(csv->why), "%s", why);
}

/* Feeds lines until a row is complete; *line: where it began. False: it broke. */
static bool read_lines(struct hark_csv *csv, size_t *line, size_t *second_line)
{
    bool begun = false;

    while (!csv->row_done && csv->offset < csv->bytes.size) {
        struct hark_span text = take_line(csv);

        if (!begun) {
            *line = csv->line - 1;
            *second_line = csv->offset;
            begun = text.data[0] != CR && text.data[0] != LF;
        }
        if (csv_parse(&csv->parser, text.data, text.size, take_field, end_row, csv) != text.size)
            return false;
        if (csv->too_long || csv->too_many || csv->no_memory)
            return false;
    }
    if (!csv->row_done && begun)
        return csv_fini(&csv->parser, take_field, end_row, csv) == 0 && !csv->too_long &&
               !csv->too_many && !csv->no_memory;
    return true;
}

/* A row as it stands, all fields; *more false at the end. why is set when it broke. */
static int read_row(struct hark_csv *csv, size_t *line, bool *more, struct hark_err *err)
{
    size_t second_line = csv->offset;

    clear_row(csv);
    *line = csv->line;
    if (read_lines(csv, line, &second_line)) {
        *more = csv->row_done;
        return 0;
    }
    *more = true;
    if (csv->no_memory)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory to read %s", csv->name);
    explain(csv);
    csv->offset = second_line;
    csv->line = *line + 1;
    csv_free(&csv->parser);
    return start_parser(csv, err);
}

static struct hark_span field_at(const struct hark_csv *csv, size_t i)
{
    size_t start = i > 0 ? csv->ends[i - 1] : 0;

    if (csv->ends[i] == start) /* the buffer may not even be there */
        return hark_span("", 0);
    return hark_span(csv->text.data + start, csv->ends[i] - start);
}

static void check_row(struct hark_csv *csv)
{
    struct hark_span text = hark_buf_span(&csv->text);

    if (csv->column_count > 0 && csv->field_count != csv->width) {
        (void)snprintf(csv->why, sizeof(csv->why), "it has %zu fields, the header has %zu",
                       csv->field_count, csv->width);
        return;
    }
    /* Field by field: two halves of a character may meet where two fields do. */
    for (size_t i = 0; i < csv->field_count; i++)
        if (!hark_utf8_valid(field_at(csv, i))) {
            (void)snprintf(csv->why, sizeof(csv->why), "it is not UTF-8");
            return;
        }
    if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
        (void)snprintf(csv->why, sizeof(csv->why), "it holds a NUL byte");
}

int hark_csv_next(struct hark_csv *csv, struct hark_csv_row *row, bool *more, struct hark_err *err)
{
    int rc = read_row(csv, &row->line, more, err);

    row->count = 0;
    row->why = NULL;
    if (rc < 0 || !*more)
        return rc;
    if (csv->why[0] == '\0')
        check_row(csv);
    if (csv->why[0] != '\0') {
        row->why = csv->why;
        return 0;
    }
    row->count = csv->column_count > 0 ? csv->column_count : csv->field_count;
    for (size_t i = 0; i < row->count; i++)
        row->fields[i] = field_at(csv, csv->column_count > 0 ? csv->columns[i] : i);
    return 0;
}

size_t hark_csv_offset(const struct hark_csv *csv)
{
    return csv->offset;
}

/* --- the header -------------------------------------------------------------- */

static int find_column(struct hark_csv *csv, const char *column, size_t *at, struct hark_err *err)
{
    size_t found = 0;

    for (size_t i = 0; i < csv->field_count; i++)
        if (hark_span_equal(field_at(csv, i), hark_span_str(column))) {
            *at = i;
            found++;
        }
    if (found == 1)
        return 0;
    return hark_err_set(err, HARK_E_USAGE, "%s: the header has %s column \"%s\"", csv->name,
                        found == 0 ? "no" : "more than one", column);
}

static int read_header(struct hark_csv *csv, const char *const *columns, size_t count,
                       struct hark_err *err)
{
    size_t line = 0;
    bool more = false;
    int rc = read_row(csv, &line, &more, err);

    if (rc < 0)
        return rc;
    if (!more)
        return hark_err_set(err, HARK_E_USAGE, "%s: it is empty, expected a header", csv->name);
    if (csv->why[0] != '\0')
        return hark_err_set(err, HARK_E_USAGE, "%s:%zu: the header cannot be read: %s", csv->name,
                            line, csv->why);
    for (size_t i = 0; i < count; i++) {
        rc = find_column(csv, columns[i], &csv->columns[i], err);
        if (rc < 0)
            return rc;
    }
    csv->width = csv->field_count;
    csv->column_count = count;
    return 0;
}

int hark_csv_new(struct hark_csv **out, struct hark_span bytes, const char *name,
                 const char *const *columns, size_t count, struct hark_err *err)
{
    struct hark_csv *csv = NULL;
    int rc;

    *out = NULL;
    if (count > HARK_CSV_COLUMNS_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "%zu columns are too many", count);
    csv = calloc(1, sizeof(*csv));
    if (csv == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory to read %s", name);
    csv->name = name;
    csv->text = hark_buf_init(HARK_CSV_ROW_MAX);
    csv->line = 1;
    (void)hark_take_literal(&bytes, "\xef\xbb\xbf");
    csv->bytes = bytes;
    rc = start_parser(csv, err);
    if (rc == 0 && count > 0)
        rc = read_header(csv, columns, count, err);
    if (rc < 0) {
        hark_csv_free(csv);
        return rc;
    }
    *out = csv;
    return 0;
}

void hark_csv_free(struct hark_csv *csv)
{
    if (csv == NULL)
        return;
    csv_free(&csv->parser);
    hark_buf_free(&csv->text);
    free(csv);
}
