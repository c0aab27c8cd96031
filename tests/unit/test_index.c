/*
 * node/index: what a log made by hand looks like through the index. Tallies and
 * the content hash are held against a recount that knows nothing of bitmaps and
 * tiles; erasures against the bytes on disk (test_index_search has the words).
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <sqlite3.h>

#include "index_world.h"
#include "node/sqlite.h"

/* ---- opening ---- */

static void test_index__opens_what_it_made(void **state)
{
    struct world *w = *state;
    struct hark_hash other = world_hash("space", 1);
    struct hark_index *index = NULL;
    struct hark_row row;
    struct stat st;

    world_begin(w);
    (void)world_admit(w, HARK_ROLE_STAFF);
    world_commit(w);
    hark_index_free(w->index);
    w->index = NULL;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0); /* it holds what people wrote */
    assert_int_equal(hark_index_open(&index, w->path, &other, true, false, &w->err),
                     HARK_E_DAMAGED);
    assert_null(index);
    world_open(w);
    row = world_row(w, 0);
    assert_string_equal(row.kind, "admit");
    world_check(w);
}

static void test_index__is_not_found_where_it_is_not(void **state)
{
    struct world *w = *state;
    struct hark_index *index = NULL;

    assert_int_equal(hark_index_open(&index, "/tmp/hark-no/such", &w->space, false, false, &w->err),
                     HARK_E_NOT_FOUND);
    assert_int_equal(hark_index_open(&index, "/tmp/hark-no/such", &w->space, false, true, &w->err),
                     HARK_E_NOT_FOUND);
}

static void write_file(const char *path, const void *bytes, size_t size, long at)
{
    FILE *file = fopen(path, at < 0 ? "wb" : "r+b");

    assert_non_null(file);
    if (at >= 0)
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Garbage, another program's database and another version are damaged, not
 * crashes and not silently made anew. */
static void test_index__knows_what_is_no_index(void **state)
{
    struct world *w = *state;
    uint8_t garbage[9000];
    struct hark_index *index = NULL;
    uint8_t version[4] = {0, 0, 0, HARK_INDEX_VERSION + 1};

    hark_index_free(w->index);
    w->index = NULL;
    write_file(w->path, version, 4, 60); /* SQLite's user version */
    assert_int_equal(hark_index_open(&index, w->path, &w->space, true, false, &w->err),
                     HARK_E_DAMAGED);
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (uint8_t)world_random(w, 256);
    write_file(w->path, garbage, sizeof(garbage), -1);
    assert_int_equal(hark_index_open(&index, w->path, &w->space, true, false, &w->err),
                     HARK_E_DAMAGED);
    assert_int_equal(hark_index_open(&index, w->path, &w->space, false, true, &w->err),
                     HARK_E_DAMAGED);
    assert_null(index);
}

/* Pages overwritten with noise: every reading is an error or an answer, and the
 * check finds it. */
static void test_index__check_finds_damage(void **state)
{
    struct world *w = *state;
    uint8_t noise[4096];
    struct stat st;
    uint64_t idea;

    world_begin(w);
    for (int i = 0; i < 50; i++)
        (void)world_admit(w, HARK_ROLE_MEMBER);
    idea = world_say(w, "idea", 0, "{\"body\":\"more benches\"}");
    for (uint32_t i = 0; i < 50; i++)
        (void)world_vote(w, i, idea, "agree");
    world_commit(w);
    hark_index_free(w->index);
    assert_int_equal(stat(w->path, &st), 0);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)world_random(w, 256);
    for (long page = 1; page < st.st_size / 4096; page += 3)
        write_file(w->path, noise, sizeof(noise), page * 4096);
    if (hark_index_open(&w->index, w->path, &w->space, false, false, &w->err) == 0)
        assert_int_equal(hark_index_check(w->index, &w->err), HARK_E_DAMAGED);
}

/* Runs SQL on the closed index's file, as a fault of a program would: with checksums
 * that fit. */
static void tamper(struct world *w, const char *sql, const void *blob, size_t size)
{
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;

    ok(w, hark_sqlite_open(&db, w->path, HARK_SQLITE_WRITE, "index", &w->err));
    /* Words for search lie in tables that it keeps from us otherwise. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (blob != NULL)
        assert_int_equal(sqlite3_bind_blob(statement, 1, blob, (int)size, SQLITE_STATIC),
                         SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    (void)sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static uint64_t fill_for_tampering(struct world *w)
{
    uint64_t idea;

    world_begin(w);
    for (int i = 0; i < 10; i++)
        (void)world_cohort(w, world_admit(w, HARK_ROLE_MEMBER), "owner", "no");
    idea = world_say(w, "idea", 0, "{\"body\":\"more benches\"}");
    for (uint32_t i = 0; i < 10; i++)
        (void)world_vote(w, i, idea, i < 5 ? "agree" : "pass");
    for (int i = 0; i < 300; i++)
        (void)world_say(w, "post", 0, "{\"body\":\"a\"}");
    (void)world_about(w, "hide", 0, w->size - 1, "{\"reason\":\"rude\"}");
    (void)world_erase(w, w->size - 3);
    world_commit(w);
    world_check(w);
    return idea;
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char block[4096];
    size_t size;

    assert_non_null(in);
    assert_non_null(out);
    while ((size = fread(block, 1, sizeof(block), in)) > 0)
        assert_int_equal(fwrite(block, 1, size, out), size);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* Each thing that the check looks at, made wrong while SQLite sees nothing
 * amiss. */
static void test_index__check_finds_what_sqlite_cannot(void **state)
{
    static const char *const faults[] = {
        "UPDATE bits SET id = id + 256 WHERE id = (SELECT max(id) FROM bits)",
        "DELETE FROM bits WHERE id = 0",
        "INSERT INTO bits SELECT id + 4096, bits FROM bits WHERE id > 1 << 61",
        "UPDATE entry SET choice = 1 WHERE choice = 0",
        "UPDATE entry SET flags = flags | 4 WHERE choice = 2",
        "UPDATE member SET ended = 5 WHERE ordinal = 3",
        "DELETE FROM cohort WHERE member = 4",
        "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE id >> 48 = (10 << 8 | 8)",
        "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE id >> 48 = (11 << 8 | 8)",
        "UPDATE object SET bytes = x'00' WHERE id = (3 << 40) + 2",
        "UPDATE entry SET payload_hash = zeroblob(32) WHERE position = 30",
        "UPDATE entry SET says = 2 WHERE position = 40",
        "UPDATE words_content SET c0 = 'another' WHERE id = 40",
        "DELETE FROM entry WHERE position = 50",
        "DELETE FROM object WHERE id = (SELECT max(id) FROM object WHERE id < (4 << 40))",
    };
    struct world *w = *state;
    char copy[160];

    (void)fill_for_tampering(w);
    hark_index_free(w->index);
    w->index = NULL;
    (void)snprintf(copy, sizeof(copy), "%s/good.db", w->dir);
    assert_int_equal(rename(w->path, copy), 0);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        copy_file(copy, w->path);
        tamper(w, faults[i], NULL, 0);
        world_open(w);
        if (hark_index_check(w->index, &w->err) != HARK_E_DAMAGED)
            fail_msg("not found: %s", faults[i]);
        hark_index_free(w->index);
        w->index = NULL;
    }
    assert_int_equal(unlink(copy), 0);
}

/* CRoaring believes what it reads; a row that is no bitmap never gets to it. */
static void test_index__reads_no_bitmap_that_is_none(void **state)
{
    static const uint8_t rows[][24] = {
        {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 5, 0, 2, 0}, /* descends */
        {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 9, 0, 16, 0, 0, 0, 5, 0, 6, 0}, /* too few */
        {0x3a, 0x30, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 5, 0, 6, 0}, /* two of them */
        {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 3, 0, 1, 0, 16, 0, 0, 0, 5, 0, 6, 0}, /* elsewhere */
        {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 99, 0, 0, 0, 5, 0, 6, 0}, /* offset */
        {0x3b, 0x30, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 255, 255, 255, 255, 0, 0, 0, 0}, /* runs */
    };
    struct world *w = *state;
    uint64_t idea = fill_for_tampering(w);
    uint8_t bits[16 + 8192] = {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 16};
    struct hark_tally tally;

    for (size_t i = 0; i <= sizeof(rows) / sizeof(rows[0]) + 1; i++) {
        bool array = i < sizeof(rows) / sizeof(rows[0]);

        hark_index_free(w->index);
        w->index = NULL;
        if (i > sizeof(rows) / sizeof(rows[0])) /* as many bits as it says: sound */
            memset(bits + 16, 0xff, 8192);
        tamper(w, "UPDATE bits SET bits = ?1 WHERE id >= 1 << 61", array ? rows[i] : bits,
               array ? 20 : sizeof(bits));
        world_open(w);
        assert_int_equal(hark_index_tally(w->index, idea, NULL, 0, 0, &tally, &w->err),
                         i > sizeof(rows) / sizeof(rows[0]) ? 0 : HARK_E_DAMAGED);
    }
    assert_int_equal(tally.agree, 65536);
}

/* ---- rows and ids ---- */

static void test_index__row_has_what_was_added(void **state)
{
    struct world *w = *state;
    struct hark_index_batch batch = {.first = 0, .count = 3, .time_ms = 77};
    struct hark_index_batch got;
    struct hark_row row;
    struct hark_hash re = world_hash("entry", 1), id = world_hash("entry", 2);
    struct hark_git_id git = world_git("batch", 5);
    struct saying reply = {.kind = "post",
                           .author = 1,
                           .re_count = 1,
                           .re = {1},
                           .batch = 5,
                           .json = "{\"body\":\"yes\"}"};

    world_begin(w);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    (void)world_say(w, "post", 0, "{\"body\":\"hello\"}");
    w->feeds[reply.author] = 2;
    (void)world_add(w, &reply);
    batch.git_id = git;
    batch.hash = world_hash("batch object", 5);
    ok(w, hark_index_add_batch(w->index, &batch, &w->err));
    world_commit(w);
    row = world_row(w, 2);
    assert_memory_equal(&row.id, &id, sizeof(id));
    assert_memory_equal(&row.batch_id, &git, sizeof(git));
    assert_int_equal(row.position, 2);
    assert_int_equal(row.arrival_ms, 2002);
    assert_int_equal(row.time_ms, 1002);
    assert_int_equal(row.seq, 3);
    assert_int_equal(row.author, 1);
    assert_int_equal(row.re_count, 1);
    assert_memory_equal(&row.re[0], &re, sizeof(re));
    assert_int_equal(row.says, HARK_SAYS_IT);
    assert_true(row.has_payload && row.has_blob);
    assert_true(row.hidden_by == HARK_NONE && row.erased_by == HARK_NONE);
    assert_true(row.replaces == HARK_NONE && row.used_by == HARK_NONE);
    row = world_row(w, 1);
    assert_int_equal(row.re_count, 0);
    assert_int_equal(hark_index_row(w->index, 3, &row, &w->err), HARK_E_NOT_FOUND);
    ok(w, hark_index_batch(w->index, 1, &got, &w->err));
    assert_int_equal(got.time_ms, 77);
    assert_memory_equal(&got.git_id, &git, sizeof(git));
    assert_int_equal(hark_index_batch(w->index, 3, &got, &w->err), HARK_E_NOT_FOUND);
}

/* A batch that only takes over has no entries, and begins where the next does. */
static void test_index__batches_may_be_empty(void **state)
{
    struct world *w = *state;
    struct hark_index_batch got;
    struct saying post = {.kind = "post", .json = "{\"body\":\"a\"}", .batch = 2};

    assert_int_equal(hark_index_batch(w->index, HARK_NONE, &got, &w->err), HARK_E_NOT_FOUND);
    for (uint64_t n = 1; n <= 3; n++) {
        struct hark_index_batch batch = {.first = n == 3 ? 2 : 0, .count = n == 2 ? 2 : 0};

        batch.git_id = world_git("batch", n);
        batch.time_ms = n;
        world_begin(w);
        if (n == 2)
            (void)world_add(w, &post);
        if (n == 2)
            (void)world_add(w, &post);
        ok(w, hark_index_add_batch(w->index, &batch, &w->err));
        world_commit(w);
    }
    ok(w, hark_index_batch(w->index, 0, &got, &w->err));
    assert_int_equal(got.time_ms, 2);
    ok(w, hark_index_batch(w->index, 1, &got, &w->err));
    assert_int_equal(got.time_ms, 2);
    ok(w, hark_index_batch(w->index, HARK_NONE, &got, &w->err));
    assert_int_equal(got.time_ms, 3);
    assert_int_equal(got.first, 2);
}

static void test_index__finds_by_prefix_of_its_id(void **state)
{
    struct world *w = *state;
    struct hark_store store = hark_index_store(w->index);
    char hex[2 * HARK_HASH_SIZE + 1];
    struct hark_row row;
    struct hark_hash id = world_hash("entry", 3);

    world_begin(w);
    for (int i = 0; i < 6; i++)
        (void)world_say(w, "post", 0, "{\"body\":\"hello\"}");
    for (size_t size = 8; size <= 64; size++) { /* in the transaction already */
        hark_hash_hex(hex, &id);
        hex[size] = '\0';
        ok(w, hark_index_find(w->index, hex, &row, &w->err));
        assert_int_equal(row.position, 3);
    }
    /* Another key that shares 12 digits with entry 3, and differs in the 13th. */
    id.bytes[6] ^= 0x80;
    ok(w, store.bind(store.arg, HARK_LOOKUP_ENTRY, hark_span(id.bytes, 32), 5, &w->err));
    world_commit(w);
    for (size_t size = 8; size <= 64; size++) {
        hark_hash_hex(hex, &id);
        hex[size] = '\0';
        if (size <= 12) {
            assert_int_equal(hark_index_find(w->index, hex, &row, &w->err), HARK_E_AMBIGUOUS);
            continue;
        }
        ok(w, hark_index_find(w->index, hex, &row, &w->err));
        assert_int_equal(row.position, 5);
    }
    assert_int_equal(hark_index_find(w->index, "0123456", &row, &w->err), HARK_E_USAGE);
    assert_int_equal(hark_index_find(w->index, "0123456x", &row, &w->err), HARK_E_USAGE);
    assert_int_equal(hark_index_find(w->index, "ffffffffffff", &row, &w->err), HARK_E_NOT_FOUND);
    assert_int_equal(hark_index_find(w->index, "00000000", &row, &w->err), HARK_E_NOT_FOUND);
}

struct seen {
    size_t count;
    uint64_t positions[4096];
    size_t stop_at;
};

static int see(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct seen *seen = arg;

    (void)err;
    seen->positions[seen->count++] = row->position;
    return seen->stop_at != 0 && seen->count == seen->stop_at ? HARK_STOP : 0;
}

static struct seen log_of(struct world *w, struct hark_log_query query)
{
    struct seen seen = {0};

    ok(w, hark_index_log(w->index, &query, see, &seen, &w->err));
    return seen;
}

static uint64_t recent_of(struct world *w, const struct hark_key *key, uint64_t since_ms)
{
    uint64_t count = 77;

    ok(w, hark_index_count_recent(w->index, key, since_ms, &count, &w->err));
    return count;
}

#define QUERY(...) ((struct hark_log_query){.after = HARK_NONE, .re = HARK_NONE, __VA_ARGS__})

/* Each condition of a query alone and all together, against what a loop over all
 * rows would give. */
static void test_index__log_answers_each_condition(void **state)
{
    struct world *w = *state;
    struct hark_hash author = world_hash("author", 1);
    struct hark_key key;
    struct seen seen;

    memcpy(key.bytes, author.bytes, sizeof(key.bytes));
    world_begin(w);
    for (uint64_t i = 0; i < 40; i++) { /* kinds by 4, authors by 3, about position i/2 */
        static const char *const kinds[] = {"post", "idea", "topic", "response"};
        struct saying s = {.kind = kinds[i % 4],
                           .author = (uint32_t)(i % 3),
                           .json = "{\"body\":\"a\"}",
                           .re_count = i > 0,
                           .re = {i / 2}};

        (void)world_add(w, &s);
    }
    world_commit(w);
    seen = log_of(w, QUERY());
    assert_int_equal(seen.count, 40);
    assert_int_equal(seen.positions[39], 39);
    seen = log_of(w, QUERY(.backwards = true, .limit = 5));
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.positions[0], 39);
    seen = log_of(w, (struct hark_log_query){.after = 10, .below = 13, .re = HARK_NONE});
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.positions[0], 11);
    seen = log_of(w, QUERY(.kind = "idea"));
    assert_int_equal(seen.count, 10);
    assert_int_equal(seen.positions[1], 5);
    seen = log_of(w, QUERY(.kind = "idea,never-seen,post", .backwards = true));
    assert_int_equal(seen.count, 20);
    assert_int_equal(seen.positions[0], 37);
    assert_int_equal(log_of(w, QUERY(.kind = "never-seen")).count, 0);
    assert_int_equal(log_of(w, QUERY(.kind = "")).count, 0);
    seen = log_of(w, QUERY(.has_member = true, .member = 2));
    assert_int_equal(seen.count, 13);
    assert_int_equal(seen.positions[0], 2);
    seen = log_of(w, QUERY(.author = &key));
    assert_int_equal(seen.count, 13);
    assert_int_equal(seen.positions[0], 1);
    seen = log_of(w, QUERY(.since_ms = 2030));
    assert_int_equal(seen.count, 10);
    assert_int_equal(seen.positions[0], 30);
    assert_int_equal(log_of(w, QUERY(.since_ms = 9999)).count, 0);
    assert_int_equal(recent_of(w, &key, 2030), 3); /* 31, 34, 37 */
    assert_int_equal(recent_of(w, &key, 2031), 3);
    assert_int_equal(recent_of(w, &key, 2032), 2);
    assert_int_equal(recent_of(w, &key, 0), 13);
    assert_int_equal(recent_of(w, &key, 9999), 0);
    assert_int_equal(recent_of(w, &(struct hark_key){{9}}, 0), 0);
    seen = log_of(w, (struct hark_log_query){.after = HARK_NONE, .re = 7});
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.positions[0], 14);
    seen = log_of(w, (struct hark_log_query){.after = HARK_NONE,
                                             .re = 7,
                                             .kind = "response,idea",
                                             .has_member = true,
                                             .member = 0,
                                             .since_ms = 2001,
                                             .below = 39,
                                             .limit = 9});
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.positions[0], 15);
    seen = (struct seen){.stop_at = 3};
    ok(w, hark_index_log(w->index, &QUERY(), see, &seen, &w->err));
    assert_int_equal(seen.count, 3);
}

/* What was rolled back never was, in any table or cache. */
static void test_index__rollback_takes_all_back(void **state)
{
    struct world *w = *state;
    struct hark_hash content, after;
    struct hark_row row;
    uint64_t idea, size, roles[2];

    world_begin(w);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    (void)world_admit(w, HARK_ROLE_STAFF);
    idea = world_say(w, "idea", 0, "{\"body\":\"more benches\"}");
    (void)world_vote(w, 0, idea, "agree");
    world_commit(w);
    ok(w, hark_index_content_hash(w->index, &content, &w->err));
    size = w->size;
    world_begin(w);
    (void)world_vote(w, 0, idea, "pass");
    (void)world_vote(w, 1, idea, "pass");
    (void)world_admit(w, HARK_ROLE_STAFF);
    (void)world_erase(w, idea);
    (void)world_say(w, "x-brandnew", 0, "{\"body\":\"never\"}");
    (void)world_cohort(w, 0, "owner", "no");
    hark_index_rollback(w->index);
    w->size = size;
    w->members = 2;
    assert_int_equal(world_tally(w, idea).agree, 1);
    assert_int_equal(world_tally(w, idea).pass, 0);
    assert_int_equal(world_tally(w, idea).eligible, 2);
    ok(w, hark_index_active(w->index, roles, &w->err));
    assert_true(roles[0] == 1 && roles[1] == 1);
    ok(w, hark_index_content_hash(w->index, &after, &w->err));
    assert_memory_equal(&content, &after, sizeof(after));
    row = world_row(w, idea);
    assert_int_equal(row.says, HARK_SAYS_IT);
    assert_int_equal(hark_index_row(w->index, size, &row, &w->err), HARK_E_NOT_FOUND);
    ok(w, hark_index_size(w->index, &size, &w->err));
    assert_int_equal(size, w->size);
    world_begin(w);
    (void)world_say(w, "x-other", 1, "{\"body\":\"after\"}");
    (void)world_vote(w, 1, idea, "disagree");
    world_commit(w);
    assert_int_equal(world_tally(w, idea).disagree, 1);
    row = world_row(w, w->size - 2);
    assert_string_equal(row.kind, "x-other");
    world_check(w);
}

/* An index that skips an entry or takes one twice would be wrong for ever. */
static void test_index__takes_entries_in_order_only(void **state)
{
    struct world *w = *state;
    struct hark_entry entry = {.kind = "post"};
    struct hark_effect effect = {.position = 1, .replaces = HARK_NONE};
    struct hark_index_entry item = {.entry = &entry, .effect = &effect, .kind = "post"};

    assert_int_equal(hark_index_add(w->index, &item, &w->err), HARK_E_INTERNAL);
    world_begin(w);
    assert_int_equal(hark_index_add(w->index, &item, &w->err), HARK_E_INTERNAL);
    hark_index_rollback(w->index);
}

/* ---- members ---- */

static void test_index__names_go_by_the_latest_profile(void **state)
{
    struct world *w = *state;
    char name[101];
    uint32_t member = 99;
    size_t count = 0;
    uint64_t second;

    world_begin(w);
    (void)world_say(w, "profile", 0, "{\"name\":\"Ada\"}");
    (void)world_say(w, "profile", 1, "{\"name\":\"Bo\"}");
    second = world_say(w, "profile", 0, "{\"name\":\"Bo\"}");
    world_commit(w);
    ok(w, hark_index_member_by_name(w->index, "Bo", &member, &count, &w->err));
    assert_true(count == 2 && member == 0);
    ok(w, hark_index_member_by_name(w->index, "Ada", &member, &count, &w->err));
    assert_int_equal(count, 0);
    world_begin(w);
    (void)world_erase(w, second);
    world_commit(w);
    ok(w, hark_index_member_name(w->index, 0, name, sizeof(name), &w->err));
    assert_string_equal(name, "Ada"); /* as whoever came later would see it */
    ok(w, hark_index_member_name(w->index, 7, name, sizeof(name), &w->err));
    assert_string_equal(name, "");
    ok(w, hark_index_member_name(w->index, 1, name, 2, &w->err));
    assert_string_equal(name, "B");
    world_check(w);
}

static void test_index__titles_go_by_the_newest_words(void **state)
{
    struct world *w = *state;
    char title[300];
    uint64_t topic, post, revision;

    world_begin(w);
    topic = world_say(w, "topic", 0, "{\"title\":\"Old\",\"body\":\"b\"}");
    post = world_say(w, "post", 0, "{\"body\":\"\xe5\x8f\xb8\xe6\xa9\x9f words\"}");
    (void)world_about(w, "revision", 0, topic, "{\"title\":\"New\",\"body\":\"c\"}");
    revision = world_about(w, "revision", 0, topic, "{\"body\":\"only the body\"}");
    world_commit(w);
    ok(w, hark_index_title(w->index, topic, title, sizeof(title), &w->err));
    assert_string_equal(title, "New");
    ok(w, hark_index_title(w->index, post, title, 6, &w->err));
    assert_string_equal(title, "\xe5\x8f\xb8"); /* cut between characters */
    world_begin(w);
    (void)world_about(w, "revision", 0, post, "{\"body\":\"better\"}");
    (void)world_erase(w, revision - 1);
    (void)world_erase(w, topic);
    world_commit(w);
    ok(w, hark_index_title(w->index, post, title, sizeof(title), &w->err));
    assert_string_equal(title, "better");
    ok(w, hark_index_title(w->index, topic, title, sizeof(title), &w->err));
    assert_string_equal(title, "only the body");
}

static void test_index__cohorts_go_by_the_latest_that_says_something(void **state)
{
    struct world *w = *state;
    struct hark_cohort *cohorts = NULL;
    struct hark_cohort no = {"owner", "no"}, yes = {"owner", "yes"};
    struct hark_tally tally;
    uint64_t admits[3], last;
    size_t count = 0;

    world_begin(w);
    for (int i = 0; i < 3; i++)
        admits[i] = world_admit(w, HARK_ROLE_MEMBER);
    (void)world_cohort(w, admits[0], "owner", "no");
    (void)world_cohort(w, admits[1], "owner", "no");
    (void)world_cohort(w, admits[0], "market", "de");
    last = world_cohort(w, admits[0], "owner", "yes");
    world_commit(w);
    ok(w, hark_index_cohort_values(w->index, "owner", &cohorts, &count, &w->err));
    assert_int_equal(count, 2);
    assert_string_equal(cohorts[0].value, "no");
    free(cohorts);
    ok(w, hark_index_tally(w->index, 0, &no, 1, 0, &tally, &w->err));
    assert_int_equal(tally.eligible, 1);
    ok(w, hark_index_tally(w->index, 0, &yes, 1, 0, &tally, &w->err));
    assert_int_equal(tally.eligible, 1);
    ok(w, hark_index_tally(w->index, 0, &no, 1, last, &tally, &w->err));
    assert_int_equal(tally.eligible, 2); /* before it was changed */
    world_begin(w);
    (void)world_erase(w, last);
    world_commit(w);
    ok(w, hark_index_member_cohorts(w->index, 0, &cohorts, &count, &w->err));
    assert_int_equal(count, 2);
    assert_string_equal(cohorts[0].value, "de");
    assert_string_equal(cohorts[1].value, "no");
    free(cohorts);
    ok(w, hark_index_cohort_values(w->index, "owner", &cohorts, &count, &w->err));
    assert_int_equal(count, 1);
    free(cohorts);
    ok(w, hark_index_tally(w->index, 0, &yes, 1, 0, &tally, &w->err));
    assert_int_equal(tally.eligible, 0);
    world_check(w);
}

/* The payload of an older cohort entry that comes late does not overrule the
 * newer one. */
static void test_index__late_cohorts_do_not_overrule(void **state)
{
    struct world *w = *state;
    struct saying late = {.kind = "cohort",
                          .author_of = HARK_KEY_OF_STEWARD,
                          .json = "{}",
                          .says = HARK_SAYS_MISSING,
                          .re_count = 1};
    json_t *payload = json_pack("{s:s, s:s}", "dimension", "owner", "value", "no");
    struct hark_git_id blob = world_git("blob", 1);
    struct hark_cohort *cohorts = NULL;
    size_t count = 0;
    uint64_t newer;

    world_begin(w);
    late.re[0] = world_admit(w, HARK_ROLE_MEMBER);
    (void)world_add(w, &late);
    newer = world_cohort(w, late.re[0], "owner", "yes");
    ok(w, hark_index_payload_came(w->index, newer - 1, &blob, HARK_SAYS_IT, payload, &w->err));
    world_commit(w);
    ok(w, hark_index_member_cohorts(w->index, 0, &cohorts, &count, &w->err));
    assert_int_equal(count, 1);
    assert_string_equal(cohorts[0].value, "yes");
    free(cohorts);
    world_check(w);
    world_begin(w);
    (void)world_erase(w, newer);
    world_commit(w);
    ok(w, hark_index_member_cohorts(w->index, 0, &cohorts, &count, &w->err));
    assert_string_equal(cohorts[0].value, "no");
    free(cohorts);
    json_decref(payload);
}

/* ---- tallies ---- */

#define VOTERS 90u
#define IDEAS  4u

struct ballot { /* what a recount knows */
    uint64_t position, subject;
    uint32_t member;
    int choice; /* 0 to 2, 3 silent, 4 erased */
};

struct recount {
    size_t ballot_count;
    struct ballot ballots[2000];
    bool active[VOTERS];
    uint64_t ended[VOTERS];
    uint64_t admits[VOTERS];
    char owner[VOTERS]; /* latest cohort's value, 0: none */
    char owner_before[VOTERS];
    uint64_t ideas[IDEAS];
};

static struct hark_tally recount(const struct recount *r, uint64_t subject, char owner,
                                 uint64_t below)
{
    struct hark_tally t = {0};

    for (uint32_t m = 0; m < VOTERS; m++) {
        const struct ballot *latest = NULL;

        if (owner != 0 && r->owner[m] != owner)
            continue;
        t.eligible += r->admits[m] < below && (r->active[m] || r->ended[m] >= below);
        for (size_t i = 0; i < r->ballot_count; i++)
            if (r->ballots[i].member == m && r->ballots[i].subject == subject &&
                r->ballots[i].position < below)
                latest = &r->ballots[i];
        if (latest == NULL)
            continue;
        t.agree += latest->choice == 0;
        t.disagree += latest->choice == 1;
        t.pass += latest->choice == 2;
        t.silent += latest->choice >= 3;
        t.erased += latest->choice == 4;
    }
    t.voters = t.agree + t.disagree + t.pass;
    return t;
}

static void compare_tallies(struct world *w, const struct recount *r)
{
    for (size_t i = 0; i < IDEAS; i++) {
        static const char owners[] = {0, 'y', 'n', 'u'};

        for (size_t o = 0; o < 4; o++) {
            struct hark_cohort where = {"owner", {owners[o]}};
            struct hark_tally got, wanted = recount(r, r->ideas[i], owners[o], HARK_NONE);

            ok(w,
               hark_index_tally(w->index, r->ideas[i], &where, owners[o] != 0, 0, &got, &w->err));
            assert_memory_equal(&got, &wanted, sizeof(got));
        }
        for (uint64_t below = 1; below < w->size; below += 1 + w->size / 7) {
            struct hark_tally got, wanted = recount(r, r->ideas[i], 0, below);

            ok(w, hark_index_tally(w->index, r->ideas[i], NULL, 0, below, &got, &w->err));
            assert_memory_equal(&got, &wanted, sizeof(got));
        }
    }
}

static void random_vote(struct world *w, struct recount *r, bool came)
{
    static const char *const choices[] = {"agree", "disagree", "pass"};
    struct ballot *b = &r->ballots[r->ballot_count++];
    char json[64];
    struct saying s = {.kind = "vote", .json = json, .re_count = 1};

    b->choice = (int)world_random(w, 4);
    b->member = (uint32_t)world_random(w, VOTERS);
    b->subject = r->ideas[world_random(w, IDEAS)];
    (void)snprintf(json, sizeof(json), "{\"choice\":\"%s\"}", choices[b->choice % 3]);
    s.author = b->member;
    s.re[0] = b->subject;
    if (b->choice == 3)
        s.says = came ? HARK_SAYS_MISSING : HARK_SAYS_INVALID;
    if (world_random(w, 10) == 0) { /* a void one counts for nothing */
        s.verdict = 7;
        r->ballot_count--;
    }
    b->position = world_add(w, &s);
}

static void random_erasure(struct world *w, struct recount *r)
{
    struct ballot *b = &r->ballots[world_random(w, r->ballot_count)];

    (void)world_erase(w, b->position);
    b->choice = 4;
}

/* A payload that lacked comes: an agreement. */
static void random_coming(struct world *w, struct recount *r)
{
    struct ballot *b = &r->ballots[world_random(w, r->ballot_count)];
    json_t *payload = json_pack("{s:s}", "choice", "agree");
    struct hark_git_id blob = world_git("blob", b->position);
    struct hark_row row = world_row(w, b->position);

    if (row.says == HARK_SAYS_MISSING) {
        ok(w,
           hark_index_payload_came(w->index, b->position, &blob, HARK_SAYS_IT, payload, &w->err));
        b->choice = 0;
    }
    json_decref(payload);
}

static void random_cohort(struct world *w, struct recount *r)
{
    uint32_t member = (uint32_t)world_random(w, VOTERS);
    char value[2] = {"ynu"[world_random(w, 3)], '\0'};

    (void)world_cohort(w, r->admits[member], "owner", value);
    r->owner[member] = value[0];
}

static void random_leaving(struct world *w, struct recount *r)
{
    uint32_t member = (uint32_t)world_random(w, VOTERS);
    struct saying s = {
        .kind = "leave", .author = member, .member = member, .status = HARK_STATUS_LEFT};

    if (!r->active[member])
        return;
    r->active[member] = false;
    r->ended[member] = world_add(w, &s);
}

/* Random votes, votes changed, void, silent, erased, arriving late; cohorts
 * changed; members leaving: every tally equals a recount over the plain list. */
static void test_index__tallies_equal_a_recount(void **state)
{
    struct world *w = *state;
    struct recount *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    world_begin(w);
    for (uint32_t m = 0; m < VOTERS; m++) {
        r->admits[m] = world_admit(w, HARK_ROLE_MEMBER);
        r->active[m] = true;
    }
    for (size_t i = 0; i < IDEAS; i++)
        r->ideas[i] = world_say(w, "idea", 0, "{\"body\":\"an idea\"}");
    for (int i = 0; i < 20; i++)
        random_vote(w, r, true);
    for (int round = 0; round < 900; round++) {
        switch (world_random(w, 20)) {
        case 0:
        case 1:
            random_erasure(w, r);
            break;
        case 2:
            random_coming(w, r);
            break;
        case 3:
        case 4:
            random_cohort(w, r);
            break;
        case 5:
            if (world_random(w, 4) == 0)
                random_leaving(w, r);
            break;
        default:
            random_vote(w, r, world_random(w, 2) == 0);
            break;
        }
        if (round % 100 == 99) {
            world_commit(w);
            compare_tallies(w, r);
            world_check(w);
            world_begin(w);
        }
    }
    world_commit(w);
    hark_index_free(w->index);
    world_open(w);
    compare_tallies(w, r);
    world_check(w);
    free(r);
}

/* Members beyond 65,536 stand in rows of their own. */
static void test_index__tallies_reach_over_rows(void **state)
{
    struct world *w = *state;
    struct hark_store store = hark_index_store(w->index);
    uint8_t object[18] = {0};
    struct hark_tally tally;
    uint64_t idea;

    world_begin(w);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    for (w->members = 1; w->members < 70000; w->members++) /* the index need not know them */
        ok(w, store.put(store.arg, HARK_SECTION_MEMBER, w->members, object, 18, &w->err));
    (void)world_admit(w, HARK_ROLE_STAFF);
    idea = world_say(w, "idea", 0, "{\"body\":\"an idea\"}");
    (void)world_vote(w, 0, idea, "agree");
    (void)world_vote(w, 70000, idea, "disagree");
    world_commit(w);
    tally = world_tally(w, idea);
    assert_true(tally.eligible == 2 && tally.voters == 2);
    assert_true(tally.agree == 1 && tally.disagree == 1);
    assert_int_equal(hark_index_tally(w->index, 99, NULL, 0, 0, &tally, &w->err), HARK_E_NOT_FOUND);
}

/* ---- erasing and hiding ---- */

static size_t pending(struct world *w, uint64_t positions[16])
{
    struct hark_pending_erasure *items = NULL;
    size_t count = 0;

    ok(w, hark_index_pending_erasures(w->index, &items, &count, &w->err));
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++)
        positions[i] = items[i].position;
    ok(w, hark_index_erased(w->index, items, count, &w->err));
    free(items);
    return count;
}

/* By hash: a duplicate goes with it, a stranger's entry with the same hash has no
 * power over it. */
static void test_index__erasing_is_by_hash_and_author(void **state)
{
    struct world *w = *state;
    struct hark_hash hash = world_hash("shared", 0);
    struct saying first = {.kind = "post", .json = "{\"body\":\"mine\"}", .payload_hash = &hash};
    struct saying second = first, foreign = first;
    uint64_t one, two, other, positions[16], eraser;

    foreign.author = 1;
    foreign.foreign = true;
    foreign.says = HARK_SAYS_FOREIGN;
    world_begin(w);
    one = world_add(w, &first);
    other = world_add(w, &foreign);
    two = world_add(w, &second);
    (void)world_erase(w, other);
    world_commit(w);
    assert_int_equal(pending(w, positions), 0);
    assert_int_equal(world_row(w, one).says, HARK_SAYS_IT);
    assert_true(world_row(w, other).erased_by != HARK_NONE);
    world_begin(w);
    eraser = world_erase(w, two);
    world_commit(w);
    assert_int_equal(world_row(w, one).says, HARK_SAYS_ERASED);
    assert_int_equal(world_row(w, two).says, HARK_SAYS_ERASED);
    assert_int_equal(world_row(w, one).erased_by, eraser);
    assert_int_equal(pending(w, positions), 3); /* the bytes are gone everywhere */
    assert_true(positions[0] == one && positions[1] == other && positions[2] == two);
    assert_int_equal(pending(w, positions), 0);
    assert_false(world_row(w, one).has_blob);
    /* Handed in again it is known to be erased, by whom. */
    world_begin(w);
    second.says = HARK_SAYS_ERASED;
    two = world_add(w, &second);
    world_commit(w);
    assert_int_equal(world_row(w, two).erased_by, eraser);
    world_check(w);
}

/* All of a member's: what it wrote before, void or not, and its cohorts; not what
 * can never be erased, not what others wrote (though it named their payload, or
 * they made a cohort of it that is void), not what comes later. */
static void test_index__erases_a_member_up_to_here(void **state)
{
    struct world *w = *state;
    struct saying erase = {.kind = "erase", .re_count = 1, .erase_member = true, .member = 0};
    struct saying leave = {.kind = "leave", .json = "{}", .status = HARK_STATUS_LEFT};
    struct saying voided = {.kind = "post", .json = "{\"body\":\"void\"}", .verdict = 9};
    struct saying copied = {.kind = "post",
                            .json = "{\"body\":\"theirs\"}",
                            .foreign = true,
                            .says = HARK_SAYS_FOREIGN};
    struct saying usurped = {.kind = "cohort",
                             .author = 1,
                             .verdict = 2,
                             .json = "{\"dimension\":\"owner\",\"value\":\"x\"}",
                             .re_count = 1};
    uint64_t admit, post, vote, others, left, later, cohort, late_cohort, bad;
    struct hark_hash theirs;
    struct hark_cohort *cohorts = NULL;
    size_t count = 0;

    world_begin(w);
    admit = world_admit(w, HARK_ROLE_MEMBER);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    post = world_say(w, "idea", 0, "{\"body\":\"mine\"}");
    others = world_say(w, "post", 1, "{\"body\":\"theirs\"}");
    vote = world_vote(w, 0, post, "agree");
    cohort = world_cohort(w, admit, "owner", "no");
    bad = world_add(w, &voided);
    theirs = world_hash("payload", others);
    copied.payload_hash = &theirs;
    (void)world_add(w, &copied);
    usurped.re[0] = admit;
    (void)world_add(w, &usurped);
    left = world_add(w, &leave);
    erase.re[0] = admit;
    (void)world_add(w, &erase);
    later = world_say(w, "post", 0, "{\"body\":\"later\"}");
    late_cohort = world_cohort(w, admit, "market", "de");
    world_commit(w);
    assert_int_equal(world_row(w, post).says, HARK_SAYS_ERASED);
    assert_int_equal(world_row(w, vote).says, HARK_SAYS_ERASED);
    assert_int_equal(world_row(w, cohort).says, HARK_SAYS_ERASED);
    assert_int_equal(world_row(w, bad).says, HARK_SAYS_ERASED);
    assert_int_equal(world_row(w, admit).says, HARK_SAYS_IT);
    assert_true(world_row(w, admit).erased_by == HARK_NONE);
    assert_int_equal(world_row(w, bad + 1).says, HARK_SAYS_FOREIGN);
    assert_int_equal(world_row(w, bad + 2).says, HARK_SAYS_IT);
    assert_int_equal(world_row(w, left).says, HARK_SAYS_IT);
    assert_int_equal(world_row(w, others).says, HARK_SAYS_IT);
    assert_int_equal(world_row(w, later).says, HARK_SAYS_IT);
    assert_int_equal(world_row(w, late_cohort).says, HARK_SAYS_IT);
    assert_int_equal(world_tally(w, post).agree, 0);
    assert_int_equal(world_tally(w, post).erased, 1);
    assert_int_equal(world_tally(w, post).silent, 1);
    ok(w, hark_index_member_cohorts(w->index, 0, &cohorts, &count, &w->err));
    assert_int_equal(count, 1);
    assert_string_equal(cohorts[0].dimension, "market");
    free(cohorts);
    world_check(w);
}

/* A payload is its first logger's: when that one's kind is never erased the log
 * hangs on the bytes, and erasing another entry that names them takes nothing
 * away; the other way round it does, and takes the never-erased entry's too. */
static void test_index__erasing_goes_by_the_first_logger(void **state)
{
    struct world *w = *state;
    struct hark_hash kept = world_hash("shared", 0), gone = world_hash("shared", 1);
    struct saying rekey = {.kind = "rekey", .json = "{\"box\":\"a\"}", .payload_hash = &kept};
    struct saying post = {.kind = "post", .json = "{\"body\":\"a\"}", .payload_hash = &kept};
    uint64_t position, eraser, positions[16];

    world_begin(w);
    position = world_add(w, &rekey);
    (void)world_add(w, &post);
    eraser = world_erase(w, position + 1);
    world_commit(w);
    assert_int_equal(world_row(w, position).says, HARK_SAYS_IT);
    assert_int_equal(world_row(w, position + 1).says, HARK_SAYS_IT);
    assert_int_equal(world_row(w, position + 1).erased_by, eraser); /* the entry, not the bytes */
    assert_int_equal(pending(w, positions), 0);
    post.payload_hash = rekey.payload_hash = &gone;
    rekey.verdict = 15;
    world_begin(w);
    position = world_add(w, &post);
    (void)world_add(w, &rekey);
    (void)world_erase(w, position);
    world_commit(w);
    assert_int_equal(world_row(w, position).says, HARK_SAYS_ERASED);
    assert_int_equal(world_row(w, position + 1).says, HARK_SAYS_ERASED);
    assert_int_equal(pending(w, positions), 2);
    world_check(w);
}

static void test_index__hides_and_uses(void **state)
{
    struct world *w = *state;
    struct saying admit = {.kind = "admit",
                           .author_of = HARK_KEY_OF_STEWARD,
                           .json = "{}",
                           .re_count = 1,
                           .member = 1};
    uint64_t post, hide, request;

    world_begin(w);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    post = world_say(w, "post", 0, "{\"body\":\"rude\"}");
    hide = world_about(w, "hide", 0, post, "{\"reason\":\"rude\"}");
    (void)world_about(w, "hide", 0, post, "{\"reason\":\"again\"}");
    request = world_say(w, "request", 0, "{\"action\":\"invite\"}");
    admit.re[0] = request;
    (void)world_add(w, &admit);
    world_commit(w);
    assert_int_equal(world_row(w, post).hidden_by, hide);
    assert_int_equal(world_row(w, request).used_by, w->size - 1);
    assert_true(world_row(w, post).used_by == HARK_NONE);
}

/* ---- hashes ---- */

/* PROTOCOL.md 6.5 over the rows themselves. */
static struct hark_hash naive_content(struct world *w)
{
    struct hark_merkle tree = {0};

    for (uint64_t i = 0; i < w->size; i++) {
        struct hark_row row = world_row(w, i);
        uint8_t leaf[33] = {0};
        struct hark_hash hash;

        if (row.has_payload)
            leaf[0] = row.says != HARK_SAYS_ERASED && row.says != HARK_SAYS_MISSING ? 1 : 2;
        memcpy(leaf + 1, row.payload_hash.bytes, 32);
        hash = hark_merkle_leaf(hark_span(leaf, row.has_payload ? 33 : 1));
        hark_merkle_append(&tree, &hash);
    }
    return hark_merkle_root(&tree);
}

static void compare_content(struct world *w)
{
    struct hark_hash got, wanted = naive_content(w);

    ok(w, hark_index_content_hash(w->index, &got, &w->err));
    assert_memory_equal(&got, &wanted, sizeof(got));
}

static void test_index__content_hash_follows_what_is_held(void **state)
{
    struct world *w = *state;
    struct hark_git_id blob = world_git("blob", 1);
    struct saying missing = {.kind = "post", .json = "{\"body\":\"a\"}", .says = HARK_SAYS_MISSING};

    for (int round = 0; round < 12; round++) {
        world_begin(w);
        for (int i = 0; i < 70; i++) {
            if (i % 5 == 0)
                (void)world_add(w, &missing);
            else
                (void)world_say(w, "post", 0, i % 3 == 0 ? NULL : "{\"body\":\"a\"}");
            if (world_random(w, 4) == 0)
                (void)world_erase(w, world_random(w, w->size));
        }
        if (round % 3 == 0)
            compare_content(w);
        world_commit(w);
        compare_content(w);
        world_begin(w);
        for (uint64_t i = 0; i < w->size; i += 11)
            if (world_row(w, i).says == HARK_SAYS_MISSING)
                ok(w,
                   hark_index_payload_came(w->index, i, &blob, HARK_SAYS_INVALID, NULL, &w->err));
        world_commit(w);
        compare_content(w);
    }
    world_check(w);
}

/* Proofs made from the index's tiles hold for a root made of the leaves alone. */
static void test_index__tiles_prove_the_log(void **state)
{
    struct world *w = *state;
    struct hark_merkle tree = {0};
    struct hark_hash root;
    struct hark_proof proof;

    for (int round = 0; round < 6; round++) {
        world_begin(w);
        for (int i = 0; i < 130; i++) {
            struct hark_hash leaf = world_hash("leaf", w->size);

            hark_merkle_append(&tree, &leaf);
            (void)world_say(w, "post", 0, NULL);
        }
        world_commit(w);
        if (round == 3) {
            hark_index_free(w->index);
            world_open(w);
        }
        root = hark_merkle_root(&tree);
        for (uint64_t i = 0; i < w->size; i += 1 + w->size / 17) {
            struct hark_hash leaf = world_hash("leaf", i);

            ok(w, hark_merkle_prove_inclusion(&proof, i, w->size, hark_index_merkle_read, w->index,
                                              &w->err));
            ok(w, hark_merkle_verify_inclusion(&leaf, i, w->size, proof.hashes, proof.count, &root,
                                               &w->err));
        }
    }
    assert_int_equal(hark_index_merkle_read(w->index, 0, w->size, &root, &w->err),
                     HARK_E_NOT_FOUND);
    assert_int_equal(hark_index_merkle_read(w->index, 10, 0, &root, &w->err), HARK_E_NOT_FOUND);
}

/* A reader sees whole transactions, and one instant within a tally, while the
 * writer is at work. */
static void test_index__readers_see_whole_transactions(void **state)
{
    struct world *w = *state;
    struct hark_index *reader = NULL;
    struct hark_tally tally;
    struct hark_hash mine, theirs;
    uint64_t idea, size = 0;

    world_begin(w);
    (void)world_admit(w, HARK_ROLE_MEMBER);
    idea = world_say(w, "idea", 0, "{\"body\":\"an idea\"}");
    world_commit(w);
    ok(w, hark_index_open(&reader, w->path, &w->space, false, true, &w->err));
    world_begin(w);
    (void)world_vote(w, 0, idea, "agree");
    ok(w, hark_index_tally(reader, idea, NULL, 0, 0, &tally, &w->err));
    assert_int_equal(tally.agree, 0);
    world_commit(w);
    ok(w, hark_index_tally(reader, idea, NULL, 0, 0, &tally, &w->err));
    assert_int_equal(tally.agree, 1);
    ok(w, hark_index_begin(reader, &w->err)); /* a snapshot */
    ok(w, hark_index_size(reader, &size, &w->err));
    world_begin(w);
    (void)world_vote(w, 0, idea, "pass");
    world_commit(w);
    ok(w, hark_index_tally(reader, idea, NULL, 0, 0, &tally, &w->err));
    assert_int_equal(tally.agree, 1);
    hark_index_rollback(reader);
    ok(w, hark_index_tally(reader, idea, NULL, 0, 0, &tally, &w->err));
    assert_int_equal(tally.pass, 1);
    ok(w, hark_index_content_hash(reader, &theirs, &w->err));
    ok(w, hark_index_content_hash(w->index, &mine, &w->err));
    assert_memory_equal(&mine, &theirs, sizeof(mine));
    hark_index_free(reader);
}

/* ---- how fast ---- */

/* Of this process, since others may be at work. */
static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Not a test of anything but that it ends: prints what to look at. */
static void test_index__prints_its_speed(void **state)
{
    struct world *w = *state;
    const char *asked = getenv("HARK_INDEX_ENTRIES"); /* for measuring by hand */
    const uint64_t count = asked != NULL ? strtoull(asked, NULL, 10) : 50000, ideas = 500;
    struct hark_hash root;
    struct hark_tally tally;
    uint64_t bytes = 0;
    double start = now_s(), took;

    world_begin(w);
    for (int i = 0; i < 1000; i++)
        (void)world_admit(w, HARK_ROLE_MEMBER);
    for (uint64_t i = 0; i < ideas; i++)
        (void)world_say(w, "idea", (uint32_t)(i % 1000), "{\"body\":\"benches by the river\"}");
    world_commit(w);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t author = (uint32_t)world_random(w, 1000);

        if (i % 1000 == 0)
            world_begin(w);
        if (i % 10 == 0)
            (void)world_say(w, "post", author,
                            "{\"body\":\"I would like to see more benches by the river, and a "
                            "roof over the market, before the winter comes\"}");
        else
            (void)world_vote(w, author, 1000 + world_random(w, ideas), "agree");
        if (i % 1000 == 999)
            world_commit(w);
    }
    took = now_s() - start;
    ok(w, hark_index_disk(w->index, &bytes, &w->err));
    print_message("  %.0f entries/s at 1000 a transaction, %.0f bytes an entry\n",
                  (double)w->size / took, (double)bytes / (double)w->size);
    hark_index_free(w->index);
    start = now_s();
    world_open(w);
    ok(w, hark_index_content_hash(w->index, &root, &w->err));
    print_message("  %.2f ms to open and hash\n", (now_s() - start) * 1e3);
    start = now_s();
    for (uint64_t i = 0; i < 500; i++)
        ok(w, hark_index_tally(w->index, 1000 + i, NULL, 0, 0, &tally, &w->err));
    print_message("  %.1f us a tally\n", (now_s() - start) * 1e6 / 500);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_index__opens_what_it_made),
        T(test_index__is_not_found_where_it_is_not),
        T(test_index__knows_what_is_no_index),
        T(test_index__check_finds_damage),
        T(test_index__check_finds_what_sqlite_cannot),
        T(test_index__reads_no_bitmap_that_is_none),
        T(test_index__row_has_what_was_added),
        T(test_index__batches_may_be_empty),
        T(test_index__finds_by_prefix_of_its_id),
        T(test_index__log_answers_each_condition),
        T(test_index__rollback_takes_all_back),
        T(test_index__takes_entries_in_order_only),
        T(test_index__names_go_by_the_latest_profile),
        T(test_index__titles_go_by_the_newest_words),
        T(test_index__cohorts_go_by_the_latest_that_says_something),
        T(test_index__late_cohorts_do_not_overrule),
        T(test_index__tallies_equal_a_recount),
        T(test_index__tallies_reach_over_rows),
        T(test_index__erasing_is_by_hash_and_author),
        T(test_index__erases_a_member_up_to_here),
        T(test_index__erasing_goes_by_the_first_logger),
        T(test_index__hides_and_uses),
        T(test_index__content_hash_follows_what_is_held),
        T(test_index__tiles_prove_the_log),
        T(test_index__readers_see_whole_transactions),
        T(test_index__prints_its_speed),
    };

    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
