/*
 * node/page_sums: no page of a database is believed that is not as it was written,
 * wherever its bytes are wrong and whichever page they once were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "node/page_sums.h"
#include "tests/unit/run_tool.h"

#define ROWS  200
#define EVERY 29u /* bytes between those that are turned: prime to a page's */

struct fixture {
    char dir[32];
    char path[64];
    struct hark_buf good; /* the file */
};

static sqlite3 *open_with(const char *path, int flags, const char *vfs)
{
    sqlite3 *db = NULL;
    int reserved = HARK_SUMMED_RESERVED;

    assert_int_equal(sqlite3_open_v2(path, &db, flags, vfs), SQLITE_OK);
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    return db;
}

static sqlite3 *open_summed(const struct fixture *f, int flags)
{
    const char *vfs = NULL;

    assert_int_equal(hark_page_sums_vfs(&vfs, NULL), 0);
    return open_with(f->path, flags, vfs);
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* Some tables, an index, long rows with pages of their own; closed. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    sqlite3 *db;

    assert_non_null(f);
    make_directory(f->dir);
    join_path(f->path, sizeof(f->path), f->dir, "some.db");
    db = open_summed(f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    run(db, "PRAGMA journal_mode=WAL;"
            "CREATE TABLE a (n INTEGER PRIMARY KEY, t TEXT); CREATE INDEX a_t ON a (t);"
            "CREATE TABLE b (n INTEGER PRIMARY KEY, t BLOB);");
    for (int i = 0; i < ROWS; i++)
        run(db, "INSERT INTO a (t) VALUES (hex(randomblob(30)))");
    run(db, "INSERT INTO b (t) VALUES (randomblob(20000)), (randomblob(9000))");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    f->good = hark_buf_init(1u << 20);
    load_file(&f->good, f->dir, "some.db");
    assert_true(f->good.size >= 12 * HARK_SUMMED_PAGE);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    hark_buf_free(&f->good);
    remove_directory(f->dir);
    free(f);
    return 0;
}

/* Reads all there is: SQLITE_OK, or what came in the way. */
static int read_all(const struct fixture *f)
{
    static const char *const questions[] = {"SELECT sum(length(t)) FROM a",
                                            "SELECT max(t) FROM a INDEXED BY a_t",
                                            "SELECT hex(t) FROM b", "PRAGMA integrity_check"};
    sqlite3 *db = open_summed(f, SQLITE_OPEN_READWRITE);
    int result = SQLITE_OK;

    for (size_t i = 0; result == SQLITE_OK && i < sizeof(questions) / sizeof(questions[0]); i++)
        result = sqlite3_exec(db, questions[i], NULL, NULL, NULL);
    (void)sqlite3_close(db);
    return result;
}

static int read_all_of(const struct fixture *f, struct hark_span bytes)
{
    write_file(f->dir, "some.db", bytes, 0600);
    return read_all(f);
}

static void test_page_sums__believe_no_turned_bit(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_all(f), SQLITE_OK);
    for (size_t at = 0; at < f->good.size; at += EVERY) {
        int result;

        f->good.data[at] = (uint8_t)(f->good.data[at] ^ 1u << at % 8);
        result = read_all_of(f, hark_buf_span(&f->good));
        f->good.data[at] = (uint8_t)(f->good.data[at] ^ 1u << at % 8);
        /* Of the magic SQLite itself has an opinion. */
        if (result != SQLITE_IOERR_DATA && !(at < 100 && result == SQLITE_NOTADB))
            fail_msg("byte %zu: %d", at, result);
    }
    assert_int_equal(read_all_of(f, hark_buf_span(&f->good)), SQLITE_OK);
}

/* The file as SQLite sees it, a page at a time. */
struct opened {
    sqlite3_file *file;
    sqlite3_filename name;
    int fd; /* what lies below */
};

static struct opened open_pages(const struct fixture *f)
{
    const char *vfs_name = NULL;
    struct opened o = {.name = sqlite3_create_filename(f->path, "", "", 0, NULL),
                       .fd = open(f->path, O_RDWR | O_CLOEXEC)};
    sqlite3_vfs *vfs;
    int flags = 0;

    assert_int_equal(hark_page_sums_vfs(&vfs_name, NULL), 0);
    vfs = sqlite3_vfs_find(vfs_name);
    assert_non_null(vfs);
    assert_true(o.fd >= 0 && o.name != NULL);
    o.file = calloc(1, (size_t)vfs->szOsFile);
    assert_non_null(o.file);
    assert_int_equal(
        vfs->xOpen(vfs, o.name, o.file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB, &flags),
        SQLITE_OK);
    return o;
}

static void close_pages(struct opened *o)
{
    (void)o->file->pMethods->xClose(o->file);
    sqlite3_free_filename(o->name);
    free(o->file);
    (void)close(o->fd);
}

static int read_page(struct opened *o, size_t page)
{
    uint8_t bytes[HARK_SUMMED_PAGE];

    return o->file->pMethods->xRead(o->file, bytes, sizeof(bytes),
                                    (sqlite3_int64)page * HARK_SUMMED_PAGE);
}

/* Every bit of every page: none is handed to SQLite that is not as it was written. */
static void test_page_sums__hand_no_page_on_in_which_a_bit_turned(void **state)
{
    struct fixture *f = *state;
    struct opened o = open_pages(f);

    for (size_t at = 0; at < f->good.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t turned = (uint8_t)(f->good.data[at] ^ 1u << bit);

            assert_int_equal(pwrite(o.fd, &turned, 1, (off_t)at), 1);
            if (read_page(&o, at / HARK_SUMMED_PAGE) != SQLITE_IOERR_DATA)
                fail_msg("bit %u of byte %zu goes unseen", bit, at);
        }
        assert_int_equal(pwrite(o.fd, &f->good.data[at], 1, (off_t)at), 1);
    }
    for (size_t page = 0; page < f->good.size / HARK_SUMMED_PAGE; page++)
        assert_int_equal(read_page(&o, page), SQLITE_OK);
    /* However short: what is left of the last page is none. A file of one byte is an empty
     * one to SQLite. */
    for (size_t size = f->good.size - 1; size > 1; size--) {
        assert_int_equal(ftruncate(o.fd, (off_t)size), 0);
        if (read_page(&o, size / HARK_SUMMED_PAGE) != SQLITE_IOERR_DATA)
            fail_msg("cut to %zu bytes, its last page is believed", size);
    }
    close_pages(&o);
}

static void test_page_sums__believe_no_page_in_another_s_place(void **state)
{
    struct fixture *f = *state;
    uint8_t *page = f->good.data + f->good.size - HARK_SUMMED_PAGE;

    memcpy(page, page - HARK_SUMMED_PAGE, HARK_SUMMED_PAGE);
    assert_int_equal(read_all_of(f, hark_buf_span(&f->good)), SQLITE_IOERR_DATA);
}

/* SQLite would read zeros for what is not there. */
static void test_page_sums__believe_no_file_cut_short(void **state)
{
    struct fixture *f = *state;

    for (size_t size = 512; size < f->good.size; size += 1511)
        assert_int_not_equal(read_all_of(f, hark_span(f->good.data, size)), SQLITE_OK);
}

/* What any other program wrote has no checksums. */
static void test_page_sums__believe_no_file_without_them(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    db = open_with(f->path, SQLITE_OPEN_READWRITE, NULL);
    run(db, "UPDATE a SET t = 'another' WHERE n = 7");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(read_all(f), SQLITE_IOERR_DATA);
}

/* Erasing rewrites all of a file, by way of another. */
static void test_page_sums__hold_after_a_vacuum(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = open_summed(f, SQLITE_OPEN_READWRITE);

    run(db, "DELETE FROM a WHERE n % 3 = 0");
    run(db, "VACUUM");
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(read_all(f), SQLITE_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_page_sums__##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(believe_no_turned_bit),     TEST(believe_no_page_in_another_s_place),
        TEST(believe_no_file_cut_short), TEST(believe_no_file_without_them),
        TEST(hold_after_a_vacuum),       TEST(hand_no_page_on_in_which_a_bit_turned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
