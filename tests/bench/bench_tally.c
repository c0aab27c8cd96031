/*
 * A tally of one idea by a cohort of 20 values, with VOTERS members who all voted,
 * beside SQLite on tables that hold the same.
 *
 *   bench_tally DIR VOTERS
 *
 * Who voted what and belongs where is put straight into the index's bitmaps, not
 * logged: entries for a million members would take longer than everything else here.
 * Prints, in milliseconds (median): ours (as a daemon counts, which has the bitmaps
 * at hand), fresh (by a reader that opens the index for it), joined (SQLite: join and
 * GROUP BY), covering (SQLite: one table, all of it in a covering index).
 */
#include <string.h>

#include "node/index_internal.h"
#include "tests/bench/bench.h"

#define VALUES  20u
#define SUBJECT 0u
#define RUNS    15u
#define SLOW    3u

/* Spreads ordinals over choices and values without a pattern that a bitmap likes. */
static uint32_t mixed(uint32_t x)
{
    x ^= x >> 16;
    x *= UINT32_C(0x7feb352d);
    x ^= x >> 15;
    x *= UINT32_C(0x846ca68b);
    return x ^ x >> 16;
}

static int choice_of(uint32_t member)
{
    return (int)(mixed(member) % 3);
}

static uint32_t value_of(uint32_t member)
{
    return mixed(member + UINT32_C(0x51ed2701)) % VALUES;
}

/* ---- ours ---- */

static void fill_sets(struct hark_index *index, uint32_t first, uint32_t count)
{
    struct hark_err err = {0};

    bench_need(hark_index_bits_begin(index, &err), "bitmaps", &err);
    for (uint32_t m = first; m < first + count; m++) {
        bench_need(hark_index_bits_set(index, HARK_SET_ACTIVE, m, true, &err), "bitmap", &err);
        bench_need(hark_index_bits_set(index, HARK_SET_VOTE(SUBJECT, choice_of(m)), m, true, &err),
                   "bitmap", &err);
        bench_need(hark_index_bits_set(index, HARK_SET_COHORT(1 + value_of(m)), m, true, &err),
                   "bitmap", &err);
    }
}

static void fill(struct hark_index *index, uint32_t voters)
{
    static const uint8_t zeros[HARK_HASH_SIZE];
    struct hark_err err = {0};

    bench_need(hark_index_begin(index, &err), "begin", &err);
    bench_need(hark_index_run(index, &err,
                              "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c"
                              " WHERE x + 1 < ?1) INSERT INTO member (ordinal, admit)"
                              " SELECT x, x + 1 FROM c",
                              V_ARGS(V_INT(voters))),
               "members", &err);
    bench_need(hark_index_run(index, &err,
                              "INSERT INTO entry (position, arrival, accepted, time, batch, kind,"
                              " author, owner, seq, verdict, says, flags, id, git_id)"
                              " VALUES (0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, ?1, ?1)",
                              V_ARGS(V_BLOB(zeros, sizeof(zeros)))),
               "entry", &err);
    for (uint32_t v = 0; v < VALUES; v++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "v%02u", v);
        bench_need(hark_index_run(index, &err,
                                  "INSERT INTO cohort_set (number, dimension, value)"
                                  " VALUES (?1, 'market', ?2)",
                                  V_ARGS(V_INT(1 + v), V_TEXT(name, strlen(name)))),
                   "cohort", &err);
    }
    for (uint32_t at = 0; at < voters; at += 65536)
        fill_sets(index, at, voters - at < 65536 ? voters - at : 65536);
    bench_need(hark_index_commit(index, &err), "commit", &err);
}

/* What `hark tally --by` counts: everybody, then all groups. The sum over these. */
static uint64_t tally(struct hark_index *index)
{
    const struct hark_tally_query query = {.subject = SUBJECT, .by = {"market"}, .by_count = 1};
    struct hark_tally_group *groups = NULL;
    struct hark_tally all;
    struct hark_err err = {0};
    uint64_t sum = 0;
    size_t count = 0;

    bench_need(hark_index_tally(index, SUBJECT, NULL, 0, 0, &all, &err), "tally", &err);
    bench_need(hark_index_tally_by(index, &query, &groups, &count, &err), "groups", &err);
    for (size_t i = 0; i < count; i++)
        sum += groups[i].tally.voters;
    free(groups);
    bench_require(sum == all.voters, "groups that are not everybody");
    return sum;
}

static void measure_ours(struct hark_index *index, uint32_t voters)
{
    double times[RUNS];

    bench_require(tally(index) == voters, "a wrong tally");
    for (size_t i = 0; i < RUNS; i++) {
        double began = bench_now();

        bench_require(tally(index) == voters, "a wrong tally");
        times[i] = bench_now() - began;
    }
    printf("ours %.4f\n", 1e3 * bench_percentile(times, RUNS, 0.5));
}

static void measure_fresh(const char *path, const struct hark_hash *space, uint32_t voters)
{
    struct hark_err err = {0};
    double times[RUNS];

    for (size_t i = 0; i < RUNS; i++) {
        struct hark_index *reader = NULL;
        double began = bench_now();

        bench_need(hark_index_open(&reader, path, space, false, true, &err), "reader", &err);
        bench_require(tally(reader) == voters, "a wrong tally");
        hark_index_free(reader);
        times[i] = bench_now() - began;
    }
    printf("fresh %.4f\n", 1e3 * bench_percentile(times, RUNS, 0.5));
}

/* ---- SQLite ---- */

static void run_sql(sqlite3 *db, const char *sql)
{
    bench_require(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static void fill_tables(sqlite3 *db, uint32_t voters)
{
    sqlite3_stmt *vote = NULL, *cohort = NULL, *both = NULL;

    run_sql(db, "PRAGMA cache_size = -262144;"
                "CREATE TABLE vote (idea INTEGER, member INTEGER, choice INTEGER,"
                " PRIMARY KEY (idea, member)) WITHOUT ROWID;"
                "CREATE TABLE cohort (dimension INTEGER, member INTEGER, value INTEGER,"
                " PRIMARY KEY (dimension, member)) WITHOUT ROWID;"
                "CREATE TABLE both (idea INTEGER, member INTEGER, dimension INTEGER,"
                " value INTEGER, choice INTEGER);"
                "BEGIN");
    (void)sqlite3_prepare_v2(db, "INSERT INTO vote VALUES (1, ?1, ?2)", -1, &vote, NULL);
    (void)sqlite3_prepare_v2(db, "INSERT INTO cohort VALUES (1, ?1, ?2)", -1, &cohort, NULL);
    (void)sqlite3_prepare_v2(db, "INSERT INTO both VALUES (1, ?1, 1, ?2, ?3)", -1, &both, NULL);
    for (uint32_t m = 0; m < voters; m++) {
        (void)sqlite3_bind_int64(vote, 1, m);
        (void)sqlite3_bind_int(vote, 2, choice_of(m));
        (void)sqlite3_bind_int64(cohort, 1, m);
        (void)sqlite3_bind_int(cohort, 2, (int)value_of(m));
        (void)sqlite3_bind_int64(both, 1, m);
        (void)sqlite3_bind_int(both, 2, (int)value_of(m));
        (void)sqlite3_bind_int(both, 3, choice_of(m));
        bench_require(sqlite3_step(vote) == SQLITE_DONE && sqlite3_step(cohort) == SQLITE_DONE &&
                          sqlite3_step(both) == SQLITE_DONE,
                      "a row");
        (void)sqlite3_reset(vote);
        (void)sqlite3_reset(cohort);
        (void)sqlite3_reset(both);
    }
    (void)sqlite3_finalize(vote);
    (void)sqlite3_finalize(cohort);
    (void)sqlite3_finalize(both);
    run_sql(db, "COMMIT; CREATE INDEX covering ON both (idea, dimension, value, choice); ANALYZE");
}

static void measure_sql(sqlite3 *db, const char *name, const char *sql, uint32_t voters)
{
    double times[SLOW];
    sqlite3_stmt *statement = NULL;

    bench_require(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
    for (size_t i = 0; i < SLOW; i++) {
        uint64_t sum = 0;
        double began = bench_now();

        while (sqlite3_step(statement) == SQLITE_ROW)
            sum += (uint64_t)sqlite3_column_int64(statement, 2);
        times[i] = bench_now() - began;
        (void)sqlite3_reset(statement);
        bench_require(sum == voters, "a wrong sum");
    }
    (void)sqlite3_finalize(statement);
    printf("%s %.4f\n", name, 1e3 * bench_percentile(times, SLOW, 0.5));
}

static void measure_sqlite(const char *dir, uint32_t voters)
{
    char path[4096];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof(path), "%s/sqlite.db", dir);
    bench_require(sqlite3_open(path, &db) == SQLITE_OK, path);
    fill_tables(db, voters);
    measure_sql(db, "joined",
                "SELECT c.value, v.choice, count(*) FROM vote v JOIN cohort c"
                " ON c.dimension = 1 AND c.member = v.member WHERE v.idea = 1"
                " GROUP BY c.value, v.choice",
                voters);
    measure_sql(db, "covering",
                "SELECT value, choice, count(*) FROM both INDEXED BY covering"
                " WHERE idea = 1 AND dimension = 1 GROUP BY value, choice",
                voters);
    (void)sqlite3_close(db);
}

int main(int argc, char **argv)
{
    struct hark_hash space = {{1}};
    struct hark_index *index = NULL;
    struct hark_err err = {0};
    char path[4096];
    uint32_t voters;

    if (argc != 3) {
        (void)fputs("bench_tally DIR VOTERS\n", stderr);
        return 2;
    }
    voters = (uint32_t)bench_number(argv[2]);
    bench_require(voters > 0 && voters <= 1u << 24, "VOTERS");
    bench_need(hark_crypto_init(&err), "crypto", &err);
    (void)snprintf(path, sizeof(path), "%s/index.db", argv[1]);
    bench_need(hark_index_open(&index, path, &space, true, false, &err), path, &err);
    fill(index, voters);
    /* Anew, so that it learns what it was not told. */
    hark_index_free(index);
    bench_need(hark_index_open(&index, path, &space, false, false, &err), path, &err);
    measure_ours(index, voters);
    measure_fresh(path, &space, voters);
    hark_index_free(index);
    measure_sqlite(argv[1], voters);
    return 0;
}
