/*
 * For tests that read the files in tests/vectors. Include after cmocka.h and jansson.h.
 */
#ifndef HARK_TESTS_VECTORS_H
#define HARK_TESTS_VECTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/bytes.h"

/* The whole file; json_decref it. */
static inline json_t *vectors_load(const char *file)
{
    const char *top = getenv("HARK_SOURCE_DIR");
    char path[4096];
    json_error_t why;
    int size = snprintf(path, sizeof path, "%s/tests/vectors/%s", top != NULL ? top : ".", file);
    assert_true(size > 0 && (size_t)size < sizeof path);
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        fail_msg("%s:%d: %s", path, why.line, why.text);
    return json;
}

/* A member that must be a string, or NULL where it is null. */
static inline const char *vectors_string(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL || (!json_is_null(value) && !json_is_string(value)))
        fail_msg("no string '%s'", name);
    return json_string_value(value);
}

/* Decodes lower-case hex; the caller frees the buffer. */
static inline struct hark_buf vectors_hex(const char *hex)
{
    size_t size = strlen(hex) / 2;
    struct hark_buf out = hark_buf_init(1u << 20);
    assert_int_equal(hark_buf_reserve(&out, size + 1, NULL), 0);
    assert_int_equal(hark_hex_decode(out.data, size, hark_span_str(hex), NULL), 0);
    out.size = size;
    return out;
}

/* Is `code` the error of that name, or 0 for NULL? */
static inline void vectors_expect(const char *name, int code, const char *error,
                                  const struct hark_err *err)
{
    const char *expected = error != NULL ? error : "ok";
    if (strcmp(hark_err_name(code), expected) != 0)
        fail_msg("%s: %s (%s), expected %s", name, hark_err_name(code), err->message, expected);
    if (code != 0)
        assert_int_equal(err->code, code);
}

#endif
