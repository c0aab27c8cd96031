/*
 * Rows of a CSV file that somebody else wrote: RFC 4180 with a bound on
 * everything, read strictly, a broken row at a time. A row that cannot be read
 * is given out as such, with its line and the reason, and reading goes on at the
 * line after the one on which it began.
 *
 * Bytes in memory, no file, no clock; one thread at a time.
 */
#ifndef HARK_NODE_CSV_H
#define HARK_NODE_CSV_H

#include "crypto/bytes.h"

#define HARK_CSV_FIELD_MAX   (64u * 1024u)  /* bytes of one field */
#define HARK_CSV_ROW_MAX     (256u * 1024u) /* bytes of one row's fields together */
#define HARK_CSV_FIELDS_MAX  64u            /* fields of a row */
#define HARK_CSV_COLUMNS_MAX 16u            /* columns that are asked for */
#define HARK_CSV_WHY_MAX     120u

struct hark_csv;

struct hark_csv_row {
    size_t line;     /* on which it begins, from 1 */
    const char *why; /* why it cannot be read; NULL: it can */
    /* The columns asked for, in the order asked for; without columns all fields.
     * Valid UTF-8 without NUL. Borrowed: until the next row is read. */
    size_t count;
    struct hark_span fields[HARK_CSV_FIELDS_MAX];
};

/* Reads from borrowed `bytes`, which must stay as long as the reader. A byte
 * order mark is skipped. With columns (count up to HARK_CSV_COLUMNS_MAX, borrowed
 * for this call only) the first row is taken as the header and each is found in
 * it by its exact name, wherever it stands. `name` stands in messages.
 * Errors: usage (no header, a column missing or there twice), no-memory. */
HARK_CHECK int hark_csv_new(struct hark_csv **out, struct hark_span bytes, const char *name,
                            const char *const *columns, size_t count, struct hark_err *err);
void hark_csv_free(struct hark_csv *csv);

/* The next row; *more false at the end. Only no-memory is an error: what is wrong
 * with a row stands in row->why. */
HARK_CHECK int hark_csv_next(struct hark_csv *csv, struct hark_csv_row *row, bool *more,
                             struct hark_err *err);
/* Bytes read so far, for progress. */
size_t hark_csv_offset(const struct hark_csv *csv);

#endif
