/*
 * node/files: what is read whole is read within its bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/files.h"
#include "tests/unit/ok.h"

/* The code is the same where nobody asks for words. */
static void test_files__too_much_is_limit(void **state)
{
    struct hark_buf enough = hark_buf_init(100), less = hark_buf_init(99);
    char path[] = "/tmp/hark-test-XXXXXX";
    uint8_t bytes[100] = {1};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    OK(hark_file_read(path, &enough, &err));
    assert_int_equal(enough.size, sizeof(bytes));
    assert_int_equal(hark_file_read(path, &less, &err), HARK_E_LIMIT);
    assert_int_equal(hark_file_read(path, &less, NULL), HARK_E_LIMIT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(hark_file_read(path, &less, NULL), HARK_E_NOT_FOUND);
    assert_int_equal(close(fd), 0);
    hark_buf_free(&enough);
    hark_buf_free(&less);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files__too_much_is_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
