/*
 * crypto/err: every listed code has its own name and an exit code, and messages
 * stay bounded, whole and readable however long what they carry is.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/bytes.h"

/* Scripts depend on names, so none may be shared, empty or lost on the way back. */
static void test_err__names_are_unique_and_lead_back(void **state)
{
    (void)state;
    int count = 0;
    for (int code = HARK_ERR_FIRST_ + 1; code < HARK_ERR_LAST_; code++) {
        const char *name = hark_err_name(code);
        assert_true(strlen(name) > 0);
        assert_int_equal(hark_err_from_name(name), code);
        assert_true(code < 0);
        assert_in_range(hark_err_exit(code), 1, 5);
        count++;
    }
    assert_true(count > 100);
    assert_int_equal(hark_err_from_name("ok"), 0);
    assert_int_equal(hark_err_from_name("no-such-name"), 0);
    assert_int_equal(hark_err_from_name(""), 0);
}

static void test_err__the_table_fits_the_list(void **state)
{
    (void)state;
    assert_string_equal(hark_err_name(0), "ok");
    assert_int_equal(hark_err_exit(0), 0);
    assert_string_equal(hark_err_name(HARK_E_INTERNAL), "internal");
    assert_int_equal(hark_err_exit(HARK_E_INTERNAL), 5);
    assert_string_equal(hark_err_name(HARK_E_ENTRY_CANONICAL), "entry-canonical");
    assert_int_equal(hark_err_exit(HARK_E_ENTRY_CANONICAL), 3);
    assert_string_equal(hark_err_name(HARK_E_PEER_FORK), "peer-fork");
    assert_int_equal(hark_err_exit(HARK_E_PEER_FORK), 5);
    int strangers[] = {1, -1, HARK_ERR_FIRST_, HARK_ERR_LAST_, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        assert_string_equal(hark_err_name(strangers[i]), "unknown");
        assert_int_equal(hark_err_exit(strangers[i]), 5);
    }
}

static void test_err__set_formats_and_clears_the_hint(void **state)
{
    (void)state;
    struct hark_err err = {0};
    hark_err_hint(&err, "try %d", 1);
    assert_string_equal(err.hint, "try 1");
    assert_int_equal(hark_err_set(&err, HARK_E_HEX, "at %d", 7), HARK_E_HEX);
    assert_int_equal(err.code, HARK_E_HEX);
    assert_string_equal(err.message, "at 7");
    assert_string_equal(err.hint, "");
    /* The old message as an argument of the new one. */
    (void)hark_err_set(&err, HARK_E_IO, "was: %s", err.message);
    assert_string_equal(err.message, "was: at 7");
}

static void test_err__null_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(hark_err_set(NULL, HARK_E_IO, "x"), HARK_E_IO);
    assert_int_equal(hark_err_errno(NULL, ENOENT, "x"), HARK_E_NOT_FOUND);
    assert_int_equal(hark_err_wrap(NULL, HARK_E_IO, "x"), HARK_E_IO);
    hark_err_hint(NULL, "x");
}

static void test_err__wrap_puts_context_before(void **state)
{
    (void)state;
    struct hark_err err = {0};
    assert_int_equal(hark_err_wrap(&err, HARK_E_BUSY, "nothing there"), HARK_E_BUSY);
    (void)hark_err_set(&err, HARK_E_IO, "disk on fire");
    hark_err_hint(&err, "run");
    assert_int_equal(hark_err_wrap(&err, HARK_E_IO, "reading %s", "a"), HARK_E_IO);
    assert_int_equal(hark_err_wrap(&err, HARK_E_IO, "opening"), HARK_E_IO);
    assert_string_equal(err.message, "opening: reading a: disk on fire");
    assert_string_equal(err.hint, "run");
}

/* Whatever is carried up, nothing is written past the end. */
static void test_err__long_messages_are_cut(void **state)
{
    (void)state;
    struct hark_err err = {0};
    char text[2 * HARK_ERR_MESSAGE_MAX];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)hark_err_set(&err, HARK_E_IO, "%s", text);
    assert_int_equal(strlen(err.message), HARK_ERR_MESSAGE_MAX - 1);
    (void)hark_err_wrap(&err, HARK_E_IO, "%s", text);
    assert_int_equal(strlen(err.message), HARK_ERR_MESSAGE_MAX - 1);
    (void)hark_err_wrap(&err, HARK_E_IO, "ctx");
    assert_int_equal(strlen(err.message), HARK_ERR_MESSAGE_MAX - 1);
    assert_memory_equal(err.message, "ctx: x", 6);
    (void)hark_err_errno(&err, ENOSPC, "%s", text);
    assert_int_equal(strlen(err.message), HARK_ERR_MESSAGE_MAX - 1);
    hark_err_hint(&err, "%s", text);
    assert_int_equal(strlen(err.hint), HARK_ERR_HINT_MAX - 1);
}

/* A cut through the middle of a character would make the line invalid UTF-8. */
static void test_err__cuts_fall_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"é", "€", "😀"};
    for (size_t c = 0; c < 3; c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[HARK_ERR_MESSAGE_MAX + 16] = "xxxx";
            size_t length = shift;
            while (length < HARK_ERR_MESSAGE_MAX) {
                memcpy(text + length, characters[c], strlen(characters[c]));
                length += strlen(characters[c]);
            }
            text[length] = '\0';
            struct hark_err err = {0};
            (void)hark_err_set(&err, HARK_E_IO, "%s", text);
            assert_true(hark_utf8_valid(hark_span_str(err.message)));
            assert_true(strlen(err.message) >= HARK_ERR_MESSAGE_MAX - 4);
            (void)hark_err_wrap(&err, HARK_E_IO, "w");
            assert_true(hark_utf8_valid(hark_span_str(err.message)));
            assert_true(strlen(err.message) >= HARK_ERR_MESSAGE_MAX - 7);
        }
    }
}

static void test_err__errno_is_translated(void **state)
{
    (void)state;
    struct hark_err err = {0};
    assert_int_equal(hark_err_errno(&err, ENOSPC, "writing %s", "f"), HARK_E_DISK_FULL);
    assert_string_equal(err.message, "writing f: No space left on device");
    assert_int_equal(hark_err_errno(&err, EDQUOT, "x"), HARK_E_DISK_FULL);
    assert_int_equal(hark_err_errno(&err, ENOMEM, "x"), HARK_E_NO_MEMORY);
    assert_int_equal(hark_err_errno(&err, EACCES, "x"), HARK_E_IO_PERMISSION);
    assert_int_equal(hark_err_errno(&err, EPERM, "x"), HARK_E_IO_PERMISSION);
    assert_int_equal(hark_err_errno(&err, EROFS, "x"), HARK_E_IO_PERMISSION);
    assert_int_equal(hark_err_errno(&err, ENOENT, "x"), HARK_E_NOT_FOUND);
    assert_int_equal(hark_err_errno(&err, EIO, "x"), HARK_E_IO);
    assert_int_equal(hark_err_errno(&err, 99999, "x"), HARK_E_IO);
    assert_memory_equal(err.message, "x: ", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err__names_are_unique_and_lead_back),
        cmocka_unit_test(test_err__the_table_fits_the_list),
        cmocka_unit_test(test_err__set_formats_and_clears_the_hint),
        cmocka_unit_test(test_err__null_is_allowed),
        cmocka_unit_test(test_err__wrap_puts_context_before),
        cmocka_unit_test(test_err__long_messages_are_cut),
        cmocka_unit_test(test_err__cuts_fall_between_characters),
        cmocka_unit_test(test_err__errno_is_translated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
