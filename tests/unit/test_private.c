/*
 * crypto/private and crypto/passphrase: only what is one user's alone is read, and a
 * passphrase is the bytes of its file without the ends of lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/keyfile.h"
#include "crypto/passphrase.h"
#include "crypto/private.h"
#include "run_tool.h"

#define NOBODY 12345u

static char dir[32], path[64];

static int setup(void **state)
{
    (void)state;
    make_directory(dir);
    join_path(path, sizeof(path), dir, "file");
    return hark_crypto_init(NULL);
}

static int teardown(void **state)
{
    (void)state;
    remove_directory(dir);
    return 0;
}

static int read_it(const char *what, size_t max, struct hark_err *err)
{
    struct hark_buf out = hark_buf_init_secret(max);
    int rc = hark_private_read(what, &out, err);

    if (rc == 0)
        assert_true(hark_span_equal(hark_buf_span(&out), hark_span_str("secret\n")));
    hark_buf_free(&out);
    return rc;
}

static void write_text(const char *text)
{
    write_file(dir, "file", hark_span_str(text), 0600);
}

/* --- files ------------------------------------------------------------------------ */

static void test_private__a_file_of_ones_own_is_read(void **state)
{
    (void)state;
    write_text("secret\n");
    assert_int_equal(read_it(path, 7, NULL), 0);
    assert_int_equal(read_it(path, 4096, NULL), 0);
    assert_int_equal(read_it(path, 6, NULL), HARK_E_LIMIT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_it(path, 7, NULL), HARK_E_NOT_FOUND);
}

static void test_private__modes_of_files(void **state)
{
    static const mode_t bad[] = {0640, 0604, 0602, 0601, 0700, 02600, 0666};
    struct hark_err err = {0};

    (void)state;
    write_text("secret\n");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_int_equal(read_it(path, 7, &err), HARK_E_KEY_PERMISSION);
        assert_non_null(strstr(err.hint, "chmod 600"));
    }
}

/* Who may write into the folder may put a file of ours from elsewhere there. */
static void test_private__the_folder_of_a_file(void **state)
{
    static const mode_t bad[] = {0720, 0702, 0777, 0770};
    static const mode_t good[] = {0700, 0755, 0711, 01777, 01770};
    struct hark_err err = {0};

    (void)state;
    write_text("secret\n");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(chmod(dir, bad[i]), 0);
        assert_int_equal(read_it(path, 7, &err), HARK_E_KEY_PERMISSION);
        assert_non_null(strstr(err.message, "others may write"));
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(chmod(dir, good[i]), 0);
        assert_int_equal(read_it(path, 7, NULL), 0);
    }
    assert_int_equal(chmod(dir, 0700), 0);
}

static void test_private__links_and_others_are_refused(void **state)
{
    struct hark_err err = {0};
    char other[64];

    (void)state;
    write_text("secret\n");
    join_path(other, sizeof(other), dir, "link");
    assert_int_equal(symlink("file", other), 0);
    assert_int_equal(read_it(other, 7, &err), HARK_E_KEY_PERMISSION);
    assert_non_null(strstr(err.message, "symbolic link"));
    assert_int_equal(read_it(dir, 7, NULL), HARK_E_KEY_PERMISSION);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(path, NOBODY, NOBODY), 0);
    assert_int_equal(read_it(path, 7, &err), HARK_E_KEY_PERMISSION);
    assert_non_null(strstr(err.message, "another user's"));
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(chown(dir, NOBODY, NOBODY), 0);
    assert_int_equal(read_it(path, 7, &err), HARK_E_KEY_PERMISSION);
    assert_non_null(strstr(err.message, "folder of another user's"));
    assert_int_equal(chown(dir, 0, 0), 0);
}

/* --- folders ---------------------------------------------------------------------- */

static void test_private__folders(void **state)
{
    struct hark_err err = {0};

    (void)state;
    assert_int_equal(hark_private_folder(dir, true, NULL), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(hark_private_folder(dir, false, NULL), 0);
    assert_int_equal(hark_private_folder(dir, true, &err), HARK_E_KEY_PERMISSION);
    assert_non_null(strstr(err.hint, "chmod 700"));
    assert_int_equal(chmod(dir, 0720), 0);
    assert_int_equal(hark_private_folder(dir, false, &err), HARK_E_KEY_PERMISSION);
    assert_non_null(strstr(err.hint, "chmod go-w"));
    assert_int_equal(chmod(dir, 0700), 0);
    assert_int_equal(hark_private_folder(path, true, NULL), HARK_E_NOT_FOUND);
    write_text("");
    assert_int_equal(hark_private_folder(path, true, NULL), HARK_E_KEY_PERMISSION);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(dir, NOBODY, NOBODY), 0);
    assert_int_equal(hark_private_folder(dir, false, NULL), HARK_E_KEY_PERMISSION);
    assert_int_equal(chown(dir, 0, 0), 0);
}

/* --- passphrases ------------------------------------------------------------------- */

static void assert_passphrase(const char *text, const char *expected)
{
    struct hark_passphrase *passphrase = NULL;

    write_text(text);
    assert_int_equal(hark_passphrase_read(&passphrase, path, NULL), 0);
    assert_true(hark_span_equal(hark_passphrase_span(passphrase), hark_span_str(expected)));
    hark_passphrase_free(passphrase);
}

static void test_passphrase__ends_of_lines_do_not_count(void **state)
{
    (void)state;
    assert_passphrase("correct horse", "correct horse");
    assert_passphrase("correct horse\n", "correct horse");
    assert_passphrase(" two\nlines \r\n\n", " two\nlines ");
}

static void test_passphrase__bounds(void **state)
{
    struct hark_passphrase *passphrase = NULL;
    char text[HARK_PASSPHRASE_MAX + 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[HARK_PASSPHRASE_MAX] = '\0';
    assert_passphrase(text, text);
    text[HARK_PASSPHRASE_MAX] = 'x';
    text[HARK_PASSPHRASE_MAX + 1] = '\0';
    write_text(text);
    assert_int_equal(hark_passphrase_read(&passphrase, path, NULL), HARK_E_LIMIT);
    assert_null(passphrase);
    write_text("\r\n");
    assert_int_equal(hark_passphrase_read(&passphrase, path, NULL), HARK_E_USAGE);
    assert_null(passphrase);
    assert_int_equal(hark_passphrase_span(NULL).size, 0);
    hark_passphrase_free(NULL);
}

/* Also by a link or through a pipe; never where others read along. */
static void test_passphrase__where_it_may_stand(void **state)
{
    struct hark_passphrase *passphrase = NULL;
    char other[64];
    int ends[2];

    (void)state;
    write_text("pass");
    join_path(other, sizeof(other), dir, "link");
    assert_int_equal(symlink("file", other), 0);
    assert_int_equal(hark_passphrase_read(&passphrase, other, NULL), 0);
    hark_passphrase_free(passphrase);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(hark_passphrase_read(&passphrase, other, NULL), HARK_E_KEY_PERMISSION);
    assert_null(passphrase);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "piped\n", 6), 6);
    assert_int_equal(close(ends[1]), 0);
    (void)snprintf(other, sizeof(other), "/dev/fd/%d", ends[0]);
    assert_int_equal(hark_passphrase_read(&passphrase, other, NULL), 0);
    assert_true(hark_span_equal(hark_passphrase_span(passphrase), hark_span_str("piped")));
    hark_passphrase_free(passphrase);
    assert_int_equal(close(ends[0]), 0);
}

/* A test's standard error is a pipe: nobody could answer. */
static void test_passphrase__no_terminal(void **state)
{
    struct hark_passphrase *passphrase = NULL;
    struct hark_err err = {0};

    (void)state;
    if (isatty(STDERR_FILENO) == 1)
        skip();
    assert_int_equal(hark_passphrase_ask_new(&passphrase, "Who", &err), HARK_E_KEY_PASSPHRASE);
    assert_non_null(strstr(err.message, "no terminal"));
    assert_null(passphrase);
}

/* --- replacing a key file ---------------------------------------------------------- */

static int give(void *arg, const char *file, struct hark_buf *secret, struct hark_err *err)
{
    (void)file;
    return hark_buf_append_str(secret, arg, err);
}

static void test_keyfile__is_replaced_whole(void **state)
{
    struct hark_seed *seed = NULL, *again = NULL;
    struct stat st;
    char old[] = "old", fresh[] = "new";

    (void)state;
    assert_int_equal(hark_seed_new(&seed, NULL), 0);
    assert_int_equal(hark_keyfile_save(path, seed, "c", hark_span(NULL, 0), NULL), 0);
    assert_int_equal(hark_keyfile_replace(path, seed, "c", hark_span_str(fresh), NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777u, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(hark_keyfile_load(&again, path, give, old, NULL), HARK_E_KEY_PASSPHRASE);
    assert_int_equal(hark_keyfile_load(&again, path, give, fresh, NULL), 0);
    hark_seed_free(again);
    assert_int_equal(hark_keyfile_replace(path, seed, "c", hark_span(NULL, 0), NULL), 0);
    assert_int_equal(hark_keyfile_load(&again, path, NULL, NULL, NULL), 0);
    hark_seed_free(again);
    /* Nothing else is left in the folder. */
    assert_int_equal(run_tool(dir, "test \"$(ls -A)\" = file"), 0);
    assert_int_equal(hark_keyfile_replace("/nonexistent/key", seed, "c", hark_span(NULL, 0), NULL),
                     HARK_E_NOT_FOUND);
    hark_seed_free(seed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_private__a_file_of_ones_own_is_read),
        TEST(test_private__modes_of_files),
        TEST(test_private__the_folder_of_a_file),
        TEST(test_private__links_and_others_are_refused),
        TEST(test_private__folders),
        TEST(test_passphrase__ends_of_lines_do_not_count),
        TEST(test_passphrase__bounds),
        TEST(test_passphrase__where_it_may_stand),
        TEST(test_passphrase__no_terminal),
        TEST(test_keyfile__is_replaced_whole),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
