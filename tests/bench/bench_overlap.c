/*
 * The overlap of two groups: two sets of MEMBERS out of a community of four times as many,
 * as Roaring bitmaps, beside SQLite on two tables with the same in their primary keys.
 *
 *   bench_overlap DIR MEMBERS
 *
 * Prints, in milliseconds (median): both (how many are in both, and the first 10,000 of them,
 * as `group overlap` asks), count (how many alone), join and intersect (SQLite counts), and the
 * number of those in both.
 */
#include <roaring/roaring.h>
#include <sqlite3.h>

#include "node/overlap.h"
#include "tests/bench/bench.h"

#define RUNS 15u
#define SLOW 3u
#define LIST 10000u

/* A one-to-one mixing of 32 bits, so that the sets have no pattern a bitmap likes. */
static uint32_t mixed(uint32_t x)
{
    x ^= x >> 16;
    x *= UINT32_C(0x7feb352d);
    x ^= x >> 15;
    x *= UINT32_C(0x846ca68b);
    return x ^ x >> 16;
}

/* `members` ordinals below four times that. */
static roaring_bitmap_t *drawn(uint32_t members, uint32_t salt)
{
    roaring_bitmap_t *set = roaring_bitmap_create();
    uint64_t have = 0;

    bench_require(set != NULL, "no memory");
    for (uint32_t i = 0; have < members; i++) {
        if (roaring_bitmap_add_checked(set, mixed(i ^ salt) % (4 * members)))
            have++;
    }
    (void)roaring_bitmap_run_optimize(set);
    return set;
}

static uint64_t measure_bitmaps(const roaring_bitmap_t *a, const roaring_bitmap_t *b)
{
    static uint32_t list[LIST];
    double both_times[RUNS], count_times[RUNS];
    uint64_t count = 0;

    for (size_t i = 0; i < RUNS; i++) {
        double began = bench_now();
        uint64_t both = 0;
        size_t listed = 0;

        bench_require(hark_overlap_both(a, b, list, LIST, &listed, &both, NULL) == 0, "no memory");
        both_times[i] = bench_now() - began;
        began = bench_now();
        bench_require(hark_overlap_both(a, b, NULL, 0, &listed, &count, NULL) == 0, "no memory");
        count_times[i] = bench_now() - began;
        bench_require(both == count, "a wrong count");
    }
    printf("both %.4f\ncount %.4f\n", 1e3 * bench_percentile(both_times, RUNS, 0.5),
           1e3 * bench_percentile(count_times, RUNS, 0.5));
    return count;
}

static void run_sql(sqlite3 *db, const char *sql)
{
    bench_require(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static void fill_table(sqlite3 *db, const char *sql, const roaring_bitmap_t *set)
{
    roaring_uint32_iterator_t *at = roaring_create_iterator(set);
    sqlite3_stmt *statement = NULL;

    bench_require(at != NULL && sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK,
                  sql);
    run_sql(db, "BEGIN");
    for (; at->has_value; (void)roaring_advance_uint32_iterator(at)) {
        (void)sqlite3_bind_int64(statement, 1, at->current_value);
        bench_require(sqlite3_step(statement) == SQLITE_DONE, "a row");
        (void)sqlite3_reset(statement);
    }
    run_sql(db, "COMMIT");
    (void)sqlite3_finalize(statement);
    roaring_free_uint32_iterator(at);
}

static void measure_sql(sqlite3 *db, const char *name, const char *sql, uint64_t count)
{
    double times[SLOW];
    sqlite3_stmt *statement = NULL;

    bench_require(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
    for (size_t i = 0; i < SLOW; i++) {
        double began = bench_now();

        bench_require(sqlite3_step(statement) == SQLITE_ROW, sql);
        times[i] = bench_now() - began;
        bench_require((uint64_t)sqlite3_column_int64(statement, 0) == count, "a wrong count");
        (void)sqlite3_reset(statement);
    }
    (void)sqlite3_finalize(statement);
    printf("%s %.4f\n", name, 1e3 * bench_percentile(times, SLOW, 0.5));
}

int main(int argc, char **argv)
{
    roaring_bitmap_t *a, *b;
    sqlite3 *db = NULL;
    uint32_t members;
    uint64_t count;
    char path[4096];

    if (argc != 3) {
        (void)fputs("bench_overlap DIR MEMBERS\n", stderr);
        return 2;
    }
    members = (uint32_t)bench_number(argv[2]);
    bench_require(members > 0 && members <= 1u << 24, "MEMBERS");
    a = drawn(members, 0);
    b = drawn(members, UINT32_C(0x51ed2701));
    count = measure_bitmaps(a, b);
    (void)snprintf(path, sizeof(path), "%s/sqlite.db", argv[1]);
    bench_require(sqlite3_open(path, &db) == SQLITE_OK, path);
    run_sql(db, "PRAGMA cache_size = -262144; CREATE TABLE a (member INTEGER PRIMARY KEY);"
                "CREATE TABLE b (member INTEGER PRIMARY KEY)");
    fill_table(db, "INSERT INTO a VALUES (?1)", a);
    fill_table(db, "INSERT INTO b VALUES (?1)", b);
    run_sql(db, "ANALYZE");
    measure_sql(db, "join", "SELECT count(*) FROM a JOIN b USING (member)", count);
    measure_sql(db, "intersect",
                "SELECT count(*) FROM (SELECT member FROM a INTERSECT SELECT member FROM b)",
                count);
    printf("members %llu\n", (unsigned long long)count);
    (void)sqlite3_close(db);
    roaring_bitmap_free(a);
    roaring_bitmap_free(b);
    return 0;
}
