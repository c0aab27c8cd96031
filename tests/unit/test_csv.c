/*
 * The CSV reader: what RFC 4180 says, what exports do in fact, and that one
 * broken row costs one row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/csv.h"

#define MAX_SAID 4096

/* Everything a reader says of `text`, as "line:field|field" or "line!why", a row
 * a line. */
static void say(char *out, const void *text, size_t size, const char *const *columns, size_t count)
{
    /* Exactly as large as it is, so that a sanitizer sees a read past its end. */
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    struct hark_csv *csv = NULL;
    struct hark_csv_row row;
    struct hark_err err = {0};
    bool more = true;
    size_t at = 0;

    assert_non_null(bytes);
    memcpy(bytes, text, size);
    out[0] = '\0';
    assert_int_equal(hark_csv_new(&csv, hark_span(bytes, size), "t.csv", columns, count, &err), 0);
    while (true) {
        assert_int_equal(hark_csv_next(csv, &row, &more, &err), 0);
        if (!more)
            break;
        if (row.why != NULL)
            at += (size_t)snprintf(out + at, MAX_SAID - at, "%zu!%s\n", row.line, row.why);
        else
            at += (size_t)snprintf(out + at, MAX_SAID - at, "%zu:", row.line);
        for (size_t i = 0; i < row.count; i++)
            at +=
                (size_t)snprintf(out + at, MAX_SAID - at, "%.*s%s", (int)row.fields[i].size,
                                 (const char *)row.fields[i].data, i + 1 < row.count ? "|" : "\n");
        assert_true(at < MAX_SAID);
    }
    assert_int_equal(hark_csv_offset(csv), size >= 3 && bytes[0] == 0xef ? size - 3 : size);
    hark_csv_free(csv);
    free(bytes);
}

static void said(const char *text, const char *expected)
{
    char out[MAX_SAID];

    say(out, text, strlen(text), NULL, 0);
    assert_string_equal(out, expected);
}

static const char *const AB[] = {"a", "b"};

static void said_ab(const char *text, const char *expected)
{
    char out[MAX_SAID];

    say(out, text, strlen(text), AB, 2);
    assert_string_equal(out, expected);
}

static void test_csv__reads_quotes_and_line_breaks(void **state)
{
    (void)state;
    said("a,b\nc,d\n", "1:a|b\n2:c|d\n");
    said("a,b\r\nc,d\r\n", "1:a|b\n2:c|d\n");
    said("a,b\rc,d", "1:a|b\n2:c|d\n");
    said("\"a,\"\"b\"\"\",\"\"\n", "1:a,\"b\"|\n");
    said("\"a\nb\r\nc\",d\ne,f\n", "1:a\nb\r\nc|d\n4:e|f\n");
    said(" a , b\t\n", "1: a | b\t\n");
    said("a,,\n,\n", "1:a||\n2:|\n");
    said("a,b", "1:a|b\n");
    said("\n\na\n\n\nb\n\n", "3:a\n6:b\n");
    said("", "");
    said("\n", "");
}

static void test_csv__finds_columns_by_name(void **state)
{
    (void)state;
    said_ab("a,b\n1,2\n", "2:1|2\n");
    said_ab("x,b,y,a\n1,2,3,4\n", "2:4|2\n");
    said_ab("\xef\xbb\xbf"
            "b,a\r\n1,2\r\n",
            "2:2|1\n");
    said_ab("\"b\",\"a\"\n1,2\n", "2:2|1\n");
}

static void refused(const char *text, const char *what)
{
    struct hark_csv *csv = NULL;
    struct hark_err err = {0};

    assert_int_equal(hark_csv_new(&csv, hark_span_str(text), "t.csv", AB, 2, &err), HARK_E_USAGE);
    assert_null(csv);
    assert_non_null(strstr(err.message, what));
}

static void test_csv__refuses_a_header_without_its_columns(void **state)
{
    (void)state;
    refused("", "empty");
    refused("a,c\n", "no column \"b\"");
    refused("a,b,a\n", "more than one column \"a\"");
    refused("A,b\n", "no column \"a\"");
    refused("a,\"b\n", "t.csv:1");
}

/* What stands after a broken row is read, whatever broke it. */
static void test_csv__goes_on_after_a_broken_row(void **state)
{
    (void)state;
    said_ab("a,b\n1\n3,4\n", "2!it has 1 fields, the header has 2\n3:3|4\n");
    said_ab("a,b\n1,2,3\n4,5\n", "2!it has 3 fields, the header has 2\n3:4|5\n");
    said_ab("a,b\n1,2\"3\n4,5\n", "2!a quote is out of place or not closed\n3:4|5\n");
    said_ab("a,b\n1,\"2\"3\n4,5\n", "2!a quote is out of place or not closed\n3:4|5\n");
    said_ab("a,b\n1,\"2\n4,5\n", "2!a quote is out of place or not closed\n3:4|5\n");
    said_ab("a,b\n1,\"2\n4,\"5\"\n6,7\n",
            "2!a quote is out of place or not closed\n3:4|5\n4:6|7\n");
    said_ab("a,b\n1,\xff\n4,5\n", "2!it is not UTF-8\n3:4|5\n");
    /* Each half of a character alone is not one, although together they would be. */
    said_ab("a,b\n\xc3,\xa4\n4,5\n", "2!it is not UTF-8\n3:4|5\n");
    said_ab("a,b\n1,\"2", "2!a quote is out of place or not closed\n");
}

static void test_csv__names_a_nul(void **state)
{
    static const char TEXT[] = "a,b\n1,\0x\n3,4\n";
    char out[MAX_SAID];

    (void)state;
    say(out, TEXT, sizeof(TEXT) - 1, AB, 2);
    assert_string_equal(out, "2!it holds a NUL byte\n3:3|4\n");
}

/* A field one byte longer than the limit breaks its row, not the reader; the
 * limit itself is allowed. */
static void test_csv__bounds_a_field(void **state)
{
    size_t sizes[] = {HARK_CSV_FIELD_MAX, HARK_CSV_FIELD_MAX + 1, 4 * HARK_CSV_FIELD_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct hark_buf text = hark_buf_init(1024 * 1024);
        struct hark_csv *csv = NULL;
        struct hark_csv_row row;
        struct hark_err err = {0};
        bool more = false;

        assert_int_equal(hark_buf_append_str(&text, "a,b\n1,", &err), 0);
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(hark_buf_append_byte(&text, 'x', &err), 0);
        assert_int_equal(hark_buf_append_str(&text, "\n3,4\n", &err), 0);
        assert_int_equal(hark_csv_new(&csv, hark_buf_span(&text), "t.csv", AB, 2, &err), 0);
        assert_int_equal(hark_csv_next(csv, &row, &more, &err), 0);
        assert_true(more);
        assert_int_equal(row.why == NULL, sizes[i] <= HARK_CSV_FIELD_MAX);
        assert_int_equal(hark_csv_next(csv, &row, &more, &err), 0);
        assert_true(more && row.why == NULL && row.line == 3);
        hark_csv_free(csv);
        hark_buf_free(&text);
    }
}

static void test_csv__bounds_the_fields_of_a_row(void **state)
{
    char text[256], out[MAX_SAID];

    (void)state;
    memset(text, ',', HARK_CSV_FIELDS_MAX);
    memcpy(text + HARK_CSV_FIELDS_MAX, "\na\n", 4);
    say(out, text, strlen(text), NULL, 0);
    assert_string_equal(out, "1!it has too many fields\n2:a\n");
    memcpy(text + HARK_CSV_FIELDS_MAX - 1, "\na\n", 4);
    say(out, text, strlen(text), NULL, 0);
    assert_null(strchr(out, '!'));
}

/* Every short text over the bytes that matter: nothing is read past the end,
 * nothing hangs, and every line is accounted for at most once. */
static void test_csv__survives_every_short_text(void **state)
{
    static const char BYTES[] = {'a', ',', '"', '\n', '\r', (char)0xc3};
    char text[7], out[MAX_SAID];

    (void)state;
    for (size_t size = 0; size <= 6; size++) {
        size_t all = 1;

        for (size_t i = 0; i < size; i++)
            all *= sizeof(BYTES);
        for (size_t n = 0; n < all; n++) {
            for (size_t i = 0, rest = n; i < size; i++, rest /= sizeof(BYTES))
                text[i] = BYTES[rest % sizeof(BYTES)];
            say(out, text, size, NULL, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv__reads_quotes_and_line_breaks),
        cmocka_unit_test(test_csv__finds_columns_by_name),
        cmocka_unit_test(test_csv__refuses_a_header_without_its_columns),
        cmocka_unit_test(test_csv__goes_on_after_a_broken_row),
        cmocka_unit_test(test_csv__names_a_nul),
        cmocka_unit_test(test_csv__bounds_a_field),
        cmocka_unit_test(test_csv__bounds_the_fields_of_a_row),
        cmocka_unit_test(test_csv__survives_every_short_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
