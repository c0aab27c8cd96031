/*
 * The outbox: what was put is there after a kill, in the order of its coming, and its
 * fate only moves on; a file that is not whole says so instead of losing entries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "node/index.h"
#include "node/outbox.h"
#include "node/sqlite.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

struct fixture {
    char dir[32];
    char path[64];
    struct hark_outbox *outbox;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    make_directory(f->dir);
    (void)snprintf(f->path, sizeof(f->path), "%s/out.db", f->dir);
    OK(hark_outbox_open(&f->outbox, f->path, &err));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    hark_outbox_free(f->outbox);
    remove_directory(f->dir);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    hark_outbox_free(f->outbox);
    OK(hark_outbox_open(&f->outbox, f->path, &err));
}

/* Entry n: its id is the hash of its bytes "entry n". */
static struct hark_hash put(struct fixture *f, unsigned n)
{
    char object[32], payload[32];
    struct hark_hash id;

    (void)snprintf(object, sizeof(object), "entry %u", n);
    (void)snprintf(payload, sizeof(payload), "payload %u", n);
    id = hark_sha256(hark_span_str(object));
    OK(hark_outbox_put(f->outbox, &id, hark_span_str(object), hark_span_str(payload), 1000 + n,
                       &err));
    return id;
}

struct seen {
    size_t count, stop_at;
    struct hark_out_row rows[16];
    char objects[16][32], payloads[16][32];
};

static int see(void *arg, const struct hark_out_row *row, struct hark_err *e)
{
    struct seen *seen = arg;
    size_t at = seen->count++;

    (void)e;
    assert_in_range(at, 0, 15);
    seen->rows[at] = *row;
    (void)snprintf(seen->objects[at], 32, "%.*s", (int)row->object.size,
                   (const char *)row->object.data);
    (void)snprintf(seen->payloads[at], 32, "%.*s", (int)row->payload.size,
                   row->payload.data != NULL ? (const char *)row->payload.data : "");
    return seen->stop_at != 0 && seen->count == seen->stop_at ? HARK_STOP : 0;
}

static struct seen look(struct fixture *f, unsigned states)
{
    struct seen seen = {0};

    OK(hark_outbox_each(f->outbox, states, see, &seen, &err));
    return seen;
}

static void set(struct fixture *f, const struct hark_hash *id, enum hark_out_state state,
                const char *node, uint64_t position, int code, uint64_t now_ms)
{
    struct hark_out_row row = {.id = *id, .state = state, .position = position, .code = code};

    (void)snprintf(row.node, sizeof(row.node), "%s", node);
    (void)snprintf(row.message, sizeof(row.message), "%s", code != 0 ? "no\nthanks" : "");
    OK(hark_outbox_set(f->outbox, &row, now_ms, &err));
}

#define PENDING  (1u << HARK_OUT_PENDING)
#define ACCEPTED (1u << HARK_OUT_ACCEPTED)
#define LOGGED   (1u << HARK_OUT_LOGGED)
#define REFUSED  (1u << HARK_OUT_REFUSED)
#define ALL      (PENDING | ACCEPTED | LOGGED | REFUSED)

static void test_outbox__keeps_entries_in_order(void **state)
{
    struct fixture *f = *state;
    struct hark_hash ids[3];
    struct hark_hash bare = hark_sha256(hark_span_str("bare"));
    struct seen seen;
    struct stat st;

    for (unsigned n = 0; n < 3; n++)
        ids[n] = put(f, n);
    OK(hark_outbox_put(f->outbox, &bare, hark_span_str("bare"), (struct hark_span){0}, 5, &err));
    reopen(f);
    seen = look(f, ALL);
    assert_int_equal(seen.count, 4);
    for (unsigned n = 0; n < 3; n++) {
        assert_true(hark_hash_equal(&seen.rows[n].id, &ids[n]));
        assert_int_equal(seen.rows[n].number, n + 1);
        assert_int_equal(seen.rows[n].state, HARK_OUT_PENDING);
        assert_int_equal(seen.rows[n].since_ms, 1000 + n);
        assert_false(seen.rows[n].as_void);
    }
    assert_string_equal(seen.objects[1], "entry 1");
    assert_string_equal(seen.payloads[1], "payload 1");
    assert_null(seen.rows[3].payload.data);
    /* People's words: for nobody else on this machine. */
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_outbox__takes_an_entry_once(void **state)
{
    struct fixture *f = *state;
    struct hark_hash id = put(f, 1);

    assert_int_equal(
        hark_outbox_put(f->outbox, &id, hark_span_str("other"), (struct hark_span){0}, 9, &err),
        HARK_E_EXISTS);
    assert_string_equal(look(f, ALL).objects[0], "entry 1");
    assert_int_equal(look(f, ALL).count, 1);
}

static void test_outbox__stops_where_it_is_told(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {.stop_at = 2};

    for (unsigned n = 0; n < 4; n++)
        (void)put(f, n);
    OK(hark_outbox_each(f->outbox, ALL, see, &seen, &err));
    assert_int_equal(seen.count, 2);
}

static void test_outbox__changes_together_or_not_at_all(void **state)
{
    struct fixture *f = *state;

    OK(hark_outbox_begin(f->outbox, &err));
    (void)put(f, 1);
    (void)put(f, 2);
    hark_outbox_rollback(f->outbox);
    assert_int_equal(look(f, ALL).count, 0);
    OK(hark_outbox_begin(f->outbox, &err));
    (void)put(f, 1);
    (void)put(f, 2);
    OK(hark_outbox_commit(f->outbox, &err));
    OK(hark_outbox_begin(f->outbox, &err));
    (void)put(f, 3);
    reopen(f); /* as if it had ended in the middle */
    assert_int_equal(look(f, ALL).count, 2);
}

static void test_outbox__moves_an_entry_on(void **state)
{
    struct fixture *f = *state;
    struct hark_hash id = put(f, 1), other = put(f, 2), absent = hark_sha256(hark_span_str("?"));
    uint64_t counts[4];
    struct seen seen;

    set(f, &id, HARK_OUT_ACCEPTED, "cafe", 7, 0, 2000);
    set(f, &other, HARK_OUT_REFUSED, "cafe", 0, HARK_E_VOID_ROLE, 2001);
    set(f, &absent, HARK_OUT_LOGGED, "", 1, 0, 2001);
    seen = look(f, ACCEPTED | REFUSED);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.rows[0].node, "cafe");
    assert_int_equal(seen.rows[0].position, 7);
    assert_int_equal(seen.rows[0].since_ms, 2000);
    assert_int_equal(seen.rows[0].code, 0);
    assert_int_equal(seen.rows[1].code, HARK_E_VOID_ROLE);
    assert_string_equal(seen.rows[1].message, "no\nthanks");
    OK(hark_outbox_counts(f->outbox, counts, &err));
    assert_int_equal(counts[HARK_OUT_PENDING], 0);
    assert_int_equal(counts[HARK_OUT_ACCEPTED], 1);
    assert_int_equal(counts[HARK_OUT_LOGGED], 0);
    assert_int_equal(counts[HARK_OUT_REFUSED], 1);

    /* What is logged stays so, whatever a late answer says; and its words are the
     * log's to keep or to erase. */
    set(f, &id, HARK_OUT_LOGGED, "", 42, 0, 3000);
    set(f, &id, HARK_OUT_REFUSED, "late", 0, HARK_E_ENTRY_TWIN, 4000);
    seen = look(f, LOGGED);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.rows[0].position, 42);
    assert_int_equal(seen.rows[0].since_ms, 3000);
    assert_null(seen.rows[0].payload.data);
    assert_int_equal(look(f, REFUSED).count, 1);
}

static void test_outbox__hands_in_as_void_only_what_was_refused(void **state)
{
    struct fixture *f = *state;
    struct hark_hash id = put(f, 1);
    struct seen seen;

    assert_int_equal(hark_outbox_as_void(f->outbox, &id, 5, &err), HARK_E_NOT_FOUND);
    set(f, &id, HARK_OUT_REFUSED, "cafe", 0, HARK_E_VOID_MEMBER, 2001);
    OK(hark_outbox_as_void(f->outbox, &id, 3000, &err));
    seen = look(f, PENDING);
    assert_int_equal(seen.count, 1);
    assert_true(seen.rows[0].as_void);
    assert_int_equal(seen.rows[0].code, 0);
    assert_int_equal(seen.rows[0].since_ms, 3000);
    assert_string_equal(seen.payloads[0], "payload 1");
}

static void test_outbox__forgets_only_what_is_logged(void **state)
{
    struct fixture *f = *state;
    struct hark_hash a = put(f, 1), b = put(f, 2), c = put(f, 3);

    set(f, &a, HARK_OUT_LOGGED, "", 1, 0, 2000);
    set(f, &b, HARK_OUT_LOGGED, "", 2, 0, 3000);
    set(f, &c, HARK_OUT_REFUSED, "cafe", 0, HARK_E_VOID_MEMBER, 2000);
    OK(hark_outbox_forget(f->outbox, 3000, INT64_MAX, &err));
    assert_int_equal(look(f, LOGGED).count, 1);
    assert_true(hark_hash_equal(&look(f, LOGGED).rows[0].id, &b));
    assert_int_equal(look(f, REFUSED).count, 1);
    /* A number is not given twice: order of coming. */
    (void)put(f, 4);
    assert_int_equal(look(f, PENDING).rows[0].number, 4);
}

/* What returned from put is there after a kill, without a proper end. */
static void test_outbox__survives_a_kill(void **state)
{
    struct fixture *f = *state;
    pid_t pid;
    int status = 0;

    hark_outbox_free(f->outbox);
    f->outbox = NULL;
    pid = fork();
    if (pid == 0) {
        struct hark_hash id = hark_sha256(hark_span_str("entry 1"));
        struct hark_outbox *outbox = NULL;

        if (hark_outbox_open(&outbox, f->path, NULL) != 0 ||
            hark_outbox_put(outbox, &id, hark_span_str("entry 1"), (struct hark_span){0}, 1,
                            NULL) != 0)
            _exit(1);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    OK(hark_outbox_open(&f->outbox, f->path, &err));
    assert_int_equal(look(f, PENDING).count, 1);
}

static void garble(struct fixture *f, long at, const void *bytes, size_t size)
{
    FILE *file;

    hark_outbox_free(f->outbox);
    f->outbox = NULL;
    file = fopen(f->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void test_outbox__says_that_it_is_damaged(void **state)
{
    struct fixture *f = *state;
    uint8_t zeros[3000] = {0};

    for (unsigned n = 0; n < 40; n++)
        (void)put(f, n);
    garble(f, 4096, zeros, sizeof(zeros)); /* the page of the entries */
    assert_int_equal(hark_outbox_open(&f->outbox, f->path, &err), HARK_E_DAMAGED);
    assert_null(f->outbox);
    garble(f, 0, zeros, 100);
    assert_int_equal(hark_outbox_open(&f->outbox, f->path, &err), HARK_E_DAMAGED);
}

static void test_outbox__leaves_a_newer_file_alone(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;

    hark_outbox_free(f->outbox);
    f->outbox = NULL;
    OK(hark_sqlite_open(&db, f->path, HARK_SQLITE_WRITE, "outbox", &err));
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=1000", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(hark_outbox_open(&f->outbox, f->path, &err), HARK_E_DATA_VERSION);
}

/* What a program before this one has written is there, and receipts have a place. */
static void test_outbox__takes_over_a_file_without_receipts(void **state)
{
    struct fixture *f = *state;
    struct hark_hash id = put(f, 1);
    struct hark_out_receipt receipt = {.id = id, .file = hark_span_str("a receipt")};
    sqlite3 *db = NULL;

    hark_outbox_free(f->outbox);
    f->outbox = NULL;
    OK(hark_sqlite_open(&db, f->path, HARK_SQLITE_WRITE, "outbox", &err));
    assert_int_equal(
        sqlite3_exec(db, "DROP TABLE receipt; PRAGMA user_version=3", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    for (unsigned i = 0; i < 2; i++) {
        reopen(f);
        assert_int_equal(look(f, ALL).count, 1);
        OK(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err));
    }
}

struct receipts {
    size_t count;
    struct hark_out_receipt last;
    char file[32];
};

static int see_receipt(void *arg, const struct hark_out_receipt *receipt, struct hark_err *e)
{
    struct receipts *receipts = arg;

    (void)e;
    receipts->count++;
    receipts->last = *receipt;
    (void)snprintf(receipts->file, sizeof(receipts->file), "%.*s", (int)receipt->file.size,
                   receipt->file.size > 0 ? (const char *)receipt->file.data : "");
    return 0;
}

static struct receipts receipt_of(struct fixture *f, const struct hark_hash *id)
{
    struct receipts receipts = {0};
    bool found = false;

    OK(hark_outbox_receipt(f->outbox, id, see_receipt, &receipts, &found, &err));
    assert_int_equal(found, receipts.count == 1);
    return receipts;
}

static size_t open_below(struct fixture *f, uint64_t below)
{
    struct receipts receipts = {0};

    OK(hark_outbox_each_open(f->outbox, below, see_receipt, &receipts, &err));
    return receipts.count;
}

static void test_outbox__keeps_one_receipt_an_entry(void **state)
{
    struct fixture *f = *state;
    struct hark_out_receipt receipt = {.id = put(f, 1),
                                       .node = "cafe",
                                       .position = 7,
                                       .size = 9,
                                       .file = hark_span_str("an intake's")};
    struct hark_hash nobody = hark_sha256(hark_span_str("nobody's"));
    struct receipts seen;

    OK(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err));
    assert_int_equal(open_below(f, 100), 0); /* an intake's is not held against the log */
    receipt.is_main = true;
    receipt.file = hark_span_str("the home's");
    OK(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err));
    reopen(f);
    seen = receipt_of(f, &receipt.id);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.file, "the home's");
    assert_string_equal(seen.last.node, "cafe");
    assert_true(seen.last.is_main && seen.last.state == HARK_RECEIPT_OPEN);
    assert_true(seen.last.position == 7 && seen.last.size == 9);
    assert_int_equal(open_below(f, 7), 0);
    assert_int_equal(open_below(f, 8), 1);
    OK(hark_outbox_receipt_judged(f->outbox, &receipt.id, HARK_RECEIPT_AGREES, &err));
    assert_int_equal(open_below(f, 8), 0);
    /* None of an entry that is not here, none that is no receipt. */
    receipt.id = nobody;
    OK(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err));
    assert_int_equal(receipt_of(f, &nobody).count, 0);
    receipt.file = (struct hark_span){0};
    assert_int_equal(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err), HARK_E_INTERNAL);
    receipt.file = hark_span_str("the home's");
    receipt.state = HARK_RECEIPT_BAD;
    assert_int_equal(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err), HARK_E_INTERNAL);
}

static void test_outbox__forgets_receipts_with_their_entries(void **state)
{
    struct fixture *f = *state;
    struct hark_out_receipt receipt = {.is_main = true, .file = hark_span_str("a receipt")};
    struct hark_hash ids[2];

    for (unsigned n = 0; n < 2; n++) {
        ids[n] = receipt.id = put(f, n);
        OK(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err));
    }
    set(f, &ids[0], HARK_OUT_LOGGED, "", 3, 0, 5000);
    set(f, &ids[1], HARK_OUT_ACCEPTED, "cafe", 3, 0, 5000);
    OK(hark_outbox_forget(f->outbox, 6000, 3, &err)); /* not settled */
    assert_int_equal(receipt_of(f, &ids[0]).count, 1);
    OK(hark_outbox_forget(f->outbox, 6000, 4, &err));
    assert_int_equal(receipt_of(f, &ids[0]).count, 0);
    assert_int_equal(receipt_of(f, &ids[1]).count, 1);
}

/* What a log that held it has dropped is handed in again, though it counted as logged. */
static void test_outbox__takes_back_what_was_logged(void **state)
{
    struct fixture *f = *state;
    struct hark_out_receipt receipt = {.is_main = true, .file = hark_span_str("a receipt")};
    struct hark_span object = hark_span_str("entry 1"), payload = hark_span_str("payload 1");
    struct hark_hash id = put(f, 1), another = hark_sha256(hark_span_str("entry 2"));
    struct seen seen;
    bool put_back = false;

    receipt.id = id;
    OK(hark_outbox_receipt_put(f->outbox, &receipt, 1, &err));
    OK(hark_outbox_receipt_judged(f->outbox, &id, HARK_RECEIPT_AGREES, &err));
    OK(hark_outbox_put_back(f->outbox, &id, object, payload, 9000, &put_back, &err));
    assert_false(put_back); /* it is on its way */
    set(f, &id, HARK_OUT_LOGGED, "", 3, 0, 5000);
    OK(hark_outbox_put_back(f->outbox, &id, object, payload, 9000, &put_back, &err));
    assert_true(put_back);
    seen = look(f, PENDING);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.payloads[0], "payload 1");
    assert_int_equal(seen.rows[0].since_ms, 9000);
    assert_int_equal(receipt_of(f, &id).last.state, HARK_RECEIPT_OPEN);
    OK(hark_outbox_put_back(f->outbox, &another, hark_span_str("entry 2"), (struct hark_span){0},
                            9000, &put_back, &err));
    assert_true(put_back);
    assert_int_equal(look(f, PENDING).count, 2);
}

struct relays {
    size_t count;
    char first[32];
};

static int see_relay(void *arg, const struct hark_relay_row *row, struct hark_err *e)
{
    struct relays *relays = arg;

    (void)e;
    if (relays->count++ == 0)
        (void)snprintf(relays->first, sizeof(relays->first), "%.*s", (int)row->sealed.size,
                       (const char *)row->sealed.data);
    return 0;
}

static void test_outbox__hands_on_requests_to_join(void **state)
{
    struct fixture *f = *state;
    struct hark_span sealed = hark_span_str("sealed");
    struct hark_relay_row row;
    struct relays relays = {0};
    bool found = true;

    OK(hark_outbox_relay(f->outbox, sealed, 1, &found, &row, &err));
    assert_false(found);
    assert_int_equal(row.status, 1);
    OK(hark_outbox_relay(f->outbox, sealed, 2, &found, &row, &err));
    assert_true(found);
    OK(hark_outbox_each_relay(f->outbox, see_relay, &relays, &err));
    assert_int_equal(relays.count, 1);
    assert_string_equal(relays.first, "sealed");
    OK(hark_outbox_relayed(f->outbox, &row.hash, 2, HARK_E_TICKET_USED, "used up", &err));
    reopen(f);
    OK(hark_outbox_relay(f->outbox, sealed, 3, &found, &row, &err));
    assert_true(found);
    assert_int_equal(row.status, 2);
    assert_int_equal(row.code, HARK_E_TICKET_USED);
    assert_string_equal(row.message, "used up");
    relays.count = 0;
    OK(hark_outbox_each_relay(f->outbox, see_relay, &relays, &err));
    assert_int_equal(relays.count, 0);
}

/* Whoever holds a ticket may send them: bounded. */
static void test_outbox__keeps_256_requests(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[16 * 1024 + 49];
    struct relays relays = {0};
    struct hark_relay_row row;
    char text[32];
    bool found;

    OK(hark_outbox_begin(f->outbox, &err));
    for (unsigned n = 0; n < 260; n++) {
        (void)snprintf(text, sizeof(text), "sealed %u", n);
        OK(hark_outbox_relay(f->outbox, hark_span_str(text), n, &found, &row, &err));
    }
    OK(hark_outbox_commit(f->outbox, &err));
    OK(hark_outbox_each_relay(f->outbox, see_relay, &relays, &err));
    assert_int_equal(relays.count, 256);
    assert_string_equal(relays.first, "sealed 4");
    assert_int_equal(
        hark_outbox_relay(f->outbox, hark_span(large, sizeof(large)), 1, &found, &row, &err),
        HARK_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_outbox__##name, set_up, tear_down)
        TEST(keeps_entries_in_order),
        TEST(takes_an_entry_once),
        TEST(stops_where_it_is_told),
        TEST(changes_together_or_not_at_all),
        TEST(moves_an_entry_on),
        TEST(hands_in_as_void_only_what_was_refused),
        TEST(forgets_only_what_is_logged),
        TEST(survives_a_kill),
        TEST(says_that_it_is_damaged),
        TEST(leaves_a_newer_file_alone),
        TEST(hands_on_requests_to_join),
        TEST(keeps_256_requests),
        TEST(takes_over_a_file_without_receipts),
        TEST(keeps_one_receipt_an_entry),
        TEST(forgets_receipts_with_their_entries),
        TEST(takes_back_what_was_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
