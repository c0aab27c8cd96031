/*
 * node/tiles: where a tile stands and what is in it, by trees computed here leaf by leaf;
 * how a directory grows with its log, and what an export leaves alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/file.h>

#include "node/files.h"
#include "node/tiles.h"
#include "schemas/config.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

#define LEAVES 70000u /* the size of the text's own example */
#define LEVELS 17u    /* of a tree of that size */
#define TIME   UINT64_C(1795255530000)

/* A log of LEAVES entries, any beginning of which can be exported. */
struct log {
    uint64_t other_from; /* its entries differ from there on */
    struct hark_hash *nodes[LEVELS];
    /* of what is exported */
    uint64_t size;
    uint64_t fails_at; /* the line that cannot be read */
    uint64_t lies_at;  /* the line that is not the tree's */
    uint64_t lines_read;
};

static struct log good, forked;
static struct hark_signer *signer;
static const struct hark_hash space = {{0x5a, 1}}, other_space = {{0x5a, 2}};

static void line_of(const struct log *log, uint64_t position, struct hark_line *out)
{
    *out = (struct hark_line){
        .position = position, .arrival_ms = TIME + 2 * position, .accepted_ms = TIME + position};
    hark_put_u64(out->id.bytes, position);
    out->id.bytes[31] = position >= log->other_from;
}

static void log_make(struct log *log, uint64_t other_from)
{
    log->other_from = other_from;
    for (unsigned level = 0; level < LEVELS; level++) {
        log->nodes[level] = calloc(LEAVES >> level, sizeof(struct hark_hash));
        assert_non_null(log->nodes[level]);
        for (uint64_t i = 0; i < LEAVES >> level; i++) {
            struct hark_line line;

            line_of(log, i, &line);
            log->nodes[level][i] = level == 0 ? hark_line_leaf(&line)
                                              : hark_merkle_node(&log->nodes[level - 1][2 * i],
                                                                 &log->nodes[level - 1][2 * i + 1]);
        }
    }
}

static int read_node(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                     struct hark_err *why)
{
    const struct log *log = arg;

    (void)why;
    assert_true(level < LEVELS && index < log->size >> level);
    *out = log->nodes[level][index];
    return 0;
}

static int read_line(void *arg, uint64_t position, struct hark_line *out, struct hark_err *why)
{
    struct log *log = arg;

    assert_true(position < log->size);
    log->lines_read++;
    if (position == log->fails_at)
        return hark_err_set(why, HARK_E_IO, "no line %u", (unsigned)position);
    line_of(log, position, out);
    out->arrival_ms += position == log->lies_at;
    return 0;
}

static struct hark_hash mth(const struct log *log, uint64_t first, uint64_t end)
{
    struct hark_merkle tree = {.size = 0};

    for (uint64_t i = first; i < end; i++)
        hark_merkle_append(&tree, &log->nodes[0][i]);
    return hark_merkle_root(&tree);
}

static void note_of(const struct log *log, uint64_t size, const char *node,
                    const struct hark_hash *of, uint64_t incarnation, struct hark_buf *out)
{
    struct hark_checkpoint cp = {.size = size, .root = mth(log, 0, size)};
    char origin[HARK_ORIGIN_MAX + 1];

    hark_origin(origin, node, of, incarnation);
    memcpy(cp.origin, origin, sizeof(origin));
    OK(hark_checkpoint_sign(out, &cp, signer, NULL, &err));
}

/* As the incarnation says, 1 unless it is another's turn. */
static int export_as(const char *dir, struct log *log, uint64_t size, const char *node,
                     uint64_t incarnation, struct hark_tiles_written *out)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_tiles_log from = {
        .space = &space, .read = read_node, .line = read_line, .arg = log};
    int rc;

    note_of(log, size, node, &space, incarnation, &note);
    from.checkpoint = hark_buf_span(&note);
    log->size = size;
    rc = hark_tiles_write(dir, &from, out, &err);
    hark_buf_free(&note);
    return rc;
}

static int export_log(const char *dir, struct log *log, uint64_t size,
                      struct hark_tiles_written *out)
{
    return export_as(dir, log, size, "one.example", 1, out);
}

/* --- what must be there -------------------------------------------------------------- */

static void check_tile(const char *dir, const struct log *log, unsigned level, uint64_t index,
                       unsigned width)
{
    struct hark_buf file = hark_buf_init(64u * 1024u);
    uint64_t span = UINT64_C(1) << 8 * level;
    char name[HARK_TILES_PATH_SIZE];

    hark_tiles_path(name, level, index, width);
    load_file(&file, dir, name);
    assert_int_equal(file.size, width * HARK_HASH_SIZE);
    for (uint64_t i = 0; i < width; i++) {
        uint64_t at = (index * HARK_TILE_WIDTH + i) * span;
        struct hark_hash hash = mth(log, at, at + span);

        assert_memory_equal(file.data + i * HARK_HASH_SIZE, hash.bytes, HARK_HASH_SIZE);
    }
    hark_buf_free(&file);
}

static void check_bundle(const char *dir, const struct log *log, uint64_t index, unsigned width)
{
    struct hark_buf file = hark_buf_init(64u * 1024u);
    struct hark_span rest, leaf;
    char name[HARK_TILES_PATH_SIZE];
    uint16_t size = 0;

    hark_tiles_path(name, HARK_TILES_ENTRIES, index, width);
    load_file(&file, dir, name);
    rest = hark_buf_span(&file);
    for (uint64_t i = 0; i < width; i++) {
        struct hark_hash hash;

        assert_true(hark_take_u16(&rest, &size) && hark_take(&rest, size, &leaf));
        assert_int_equal(size, 48);
        hash = hark_merkle_leaf(leaf);
        assert_memory_equal(&hash, &log->nodes[0][index * HARK_TILE_WIDTH + i], sizeof(hash));
    }
    assert_int_equal(rest.size, 0);
    hark_buf_free(&file);
}

/* All that a reader of that size asks for. Returns how many files that is. */
static unsigned check_size(const char *dir, const struct log *log, uint64_t size)
{
    unsigned files = 0;

    for (unsigned level = 0; size >> 8 * level > 0; level++) {
        uint64_t count = size >> 8 * level;

        for (uint64_t index = 0; index * HARK_TILE_WIDTH < count; index++) {
            uint64_t left = count - index * HARK_TILE_WIDTH;
            unsigned width = left < HARK_TILE_WIDTH ? (unsigned)left : HARK_TILE_WIDTH;

            check_tile(dir, log, level, index, width);
            if (level == 0)
                check_bundle(dir, log, index, width);
            files += level == 0 ? 2 : 1;
        }
    }
    return files;
}

static void check_checkpoint(const char *dir, const struct log *log, uint64_t size)
{
    struct hark_buf file = hark_buf_init(HARK_NOTE_MAX), note = hark_buf_init(HARK_NOTE_MAX);

    load_file(&file, dir, "checkpoint");
    note_of(log, size, "one.example", &space, 1, &note);
    assert_true(hark_span_equal(hark_buf_span(&file), hark_buf_span(&note)));
    hark_buf_free(&file);
    hark_buf_free(&note);
}

static void run_in(const char *dir, const char *script)
{
    if (run_tool(dir, script) != 0)
        fail_msg("not so: %s", script);
}

/* --- the tests ------------------------------------------------------------------------ */

static void test_tiles__stand_where_the_text_says(void **state)
{
    static const struct {
        unsigned level;
        uint64_t index;
        unsigned width;
        const char *path;
    } cases[] = {
        {0, 0, 256, "tile/0/000"},
        {0, 0, 1, "tile/0/000.p/1"},
        {0, 255, 256, "tile/0/255"},
        {1, 256, 255, "tile/1/256.p/255"},
        {63, 999, 256, "tile/63/999"},
        {2, 1000, 256, "tile/2/x001/000"},
        {0, 1234067, 256, "tile/0/x001/x234/067"},
        {HARK_TILES_ENTRIES, 1234067, 8, "tile/entries/x001/x234/067.p/8"},
        {HARK_TILES_ENTRIES, 1000000, 256, "tile/entries/x001/x000/000"},
        {63, UINT64_MAX, 255, "tile/63/x018/x446/x744/x073/x709/x551/615.p/255"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[HARK_TILES_PATH_SIZE];

        hark_tiles_path(path, cases[i].level, cases[i].index, cases[i].width);
        assert_string_equal(path, cases[i].path);
    }
}

static void test_tiles__hold_the_tree(void **state)
{
    static const uint64_t sizes[] = {1, 2, 255, 256, 257, 65535, 65536, 65537, LEAVES};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct hark_tiles_written written;
        char dir[32], count[64];
        unsigned files;

        make_directory(dir);
        OK(export_log(dir, &good, sizes[i], &written));
        assert_int_equal(written.checkpoint.size, sizes[i]);
        check_checkpoint(dir, &good, sizes[i]);
        files = check_size(dir, &good, sizes[i]);
        assert_int_equal(written.tiles + written.bundles, files);
        /* And nothing else. */
        (void)snprintf(count, sizeof(count), "test $(find . -type f | wc -l) = %u", files + 1);
        run_in(dir, count);
        if (sizes[i] == LEAVES) { /* what the text says of this size */
            assert_int_equal(written.tiles, 273 + 1 + 1 + 1 + 1);
            run_in(dir, "test -f tile/0/273.p/112 -a -f tile/1/000 -a -f tile/1/001.p/17 -a "
                        "-f tile/2/000.p/1 -a -f tile/entries/273.p/112");
        }
        remove_directory(dir);
    }
}

static void test_tiles__grow_with_the_log(void **state)
{
    struct hark_tiles_written written;
    char dir[32];

    (void)state;
    make_directory(dir);
    OK(export_log(dir, &good, 3, &written));
    OK(export_log(dir, &good, 255, &written));
    assert_int_equal(written.tiles, 1);
    (void)check_size(dir, &good, 3); /* a partial tile stays while there is no full one */
    OK(export_log(dir, &good, 257, &written));
    assert_int_equal(written.tiles, 3); /* 0/000, 0/001.p/1, 1/000.p/1 */
    assert_int_equal(written.bundles, 2);
    run_in(dir, "test ! -e tile/0/000.p -a ! -e tile/entries/000.p -a -f tile/0/001.p/1");

    run_in(dir, "ls -i tile/0/000 tile/entries/000 >was; ls -i checkpoint >>was");
    OK(export_log(dir, &good, 257, &written));
    assert_int_equal(written.tiles + written.bundles, 0);
    run_in(dir, "(ls -i tile/0/000 tile/entries/000; ls -i checkpoint) | cmp - was");
    good.lines_read = 0;
    OK(export_log(dir, &good, 600, &written));
    assert_int_equal(good.lines_read, 600 - 256);
    run_in(dir, "test \"$(ls -i tile/0/000 tile/entries/000)\" = \"$(head -n 2 was)\"");
    (void)check_size(dir, &good, 600);
    check_checkpoint(dir, &good, 600);
    run_in(dir, "test $(ls tile/0 | wc -l) = 3 -a $(ls tile/1/000.p | wc -l) = 2");
    remove_directory(dir);
}

/* What an export that was cut short has left, or somebody else. */
static void test_tiles__are_made_good(void **state)
{
    struct hark_tiles_written written;
    char dir[32];

    (void)state;
    make_directory(dir);
    OK(export_log(dir, &good, 1000, &written));
    run_in(dir, "rm tile/0/001; : >tile/entries/002; rm -r tile/1");
    run_in(dir, "echo x >tile/0/004; mkdir tile/0/002.p; cp tile/0/000 tile/0/002.p/9");
    OK(export_log(dir, &good, 1000, &written));
    assert_int_equal(written.tiles, 2);
    assert_int_equal(written.bundles, 1);
    run_in(dir, "test ! -e tile/0/002.p");
    /* Beyond the checkpoint, the right bytes are taken for what they are, no others. */
    run_in(dir, "cp tile/0/003.p/232 tile/0/003; cp tile/0/000 tile/0/004");
    OK(export_log(dir, &good, 1300, &written));
    (void)check_size(dir, &good, 1300);
    run_in(dir, "rm checkpoint; touch tile/0/000.new");
    OK(export_log(dir, &good, 1300, &written));
    assert_int_equal(written.tiles + written.bundles, 0);
    OK(export_log(dir, &good, LEAVES, &written));
    (void)check_size(dir, &good, LEAVES);
    remove_directory(dir);
}

static void test_tiles__cut_short_change_nothing_that_is_read(void **state)
{
    struct hark_tiles_written written;
    char dir[32];

    (void)state;
    make_directory(dir);
    OK(export_log(dir, &good, 300, &written));
    for (uint64_t at = 256; at < 1100; at += 70) {
        good.fails_at = at;
        assert_int_equal(export_log(dir, &good, 1100, &written), HARK_E_IO);
        check_checkpoint(dir, &good, 300);
        (void)check_size(dir, &good, 300);
    }
    good.fails_at = UINT64_MAX;
    OK(export_log(dir, &good, 1100, &written));
    (void)check_size(dir, &good, 1100);
    remove_directory(dir);
}

/* What the log's own parts do not agree on is not published. */
static void test_tiles__of_a_damaged_log(void **state)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_tiles_log from = {
        .space = &space, .read = read_node, .line = read_line, .arg = &good};
    struct hark_tiles_written written;
    char dir[32];

    (void)state;
    make_directory(dir);
    good.lies_at = 17;
    assert_int_equal(export_log(dir, &good, 20, &written), HARK_E_DAMAGED);
    good.lies_at = UINT64_MAX;
    note_of(&forked, 200, "one.example", &space, 1, &note);
    from.checkpoint = hark_buf_span(&note);
    good.size = 200;
    assert_int_equal(hark_tiles_write(dir, &from, &written, &err), HARK_E_DAMAGED);
    run_in(dir, "test $(find . -type f | wc -l) = 0");
    hark_buf_free(&note);
    remove_directory(dir);
}

/* --- refusals --------------------------------------------------------------------------- */

static void put_note(const char *dir, const struct log *log, uint64_t size,
                     const struct hark_hash *of, uint64_t incarnation)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);

    note_of(log, size, "one.example", of, incarnation, &note);
    write_file(dir, "out/checkpoint", hark_buf_span(&note), 0644);
    hark_buf_free(&note);
}

static void refused_as(const char *dir, const char *out, uint64_t incarnation, int code)
{
    struct hark_tiles_written written;

    run_in(dir, "rm -rf was; cp -a out was");
    assert_int_equal(export_as(out, &good, 300, "one.example", incarnation, &written), code);
    run_in(dir, "diff -r out was");
}

static void test_tiles__leave_other_histories_alone(void **state)
{
    struct hark_tiles_written written;
    char dir[32], out[64];

    (void)state;
    make_directory(dir);
    join_path(out, sizeof(out), dir, "out");
    OK(export_log(out, &good, 200, &written));
    put_note(dir, &good, 200, &other_space, 1);
    refused_as(dir, out, 1, HARK_E_EXISTS);
    put_note(dir, &good, 200, &space, 0); /* an intake */
    refused_as(dir, out, 1, HARK_E_EXISTS);
    put_note(dir, &good, 301, &space, 1);
    refused_as(dir, out, 1, HARK_E_BEHIND);
    put_note(dir, &forked, 200, &space, 1);
    refused_as(dir, out, 1, HARK_E_PEER_FORK);
    refused_as(dir, out, 2, HARK_E_EXISTS); /* the first incarnation's may be lost */
    assert_non_null(strstr(err.hint, "hark verify"));
    write_file(dir, "out/checkpoint", hark_span_str("not a note\n"), 0644);
    refused_as(dir, out, 1, HARK_E_NOTE_FORM);
    write_file(dir, "out/checkpoint", hark_span_str(""), 0644);
    refused_as(dir, out, 1, HARK_E_NOTE_FORM);
    /* And what goes on from it is not another. */
    put_note(dir, &forked, 100, &space, 1);
    OK(export_as(out, &good, 300, "two.example", 2, &written));
    (void)check_size(out, &good, 300);
    remove_directory(dir);
}

static void test_tiles__one_export_at_a_time(void **state)
{
    struct hark_tiles_written written;
    char dir[32];
    int fd;

    (void)state;
    make_directory(dir);
    fd = open(dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(export_log(dir, &good, 3, &written), HARK_E_BUSY);
    (void)close(fd);
    OK(export_log(dir, &good, 3, &written));
    remove_directory(dir);
}

static int set_up(void **state)
{
    static const uint8_t seed_bytes[HARK_SEED_SIZE] = {9};
    struct hark_seed *seed = NULL;

    (void)state;
    good = forked = (struct log){.fails_at = UINT64_MAX, .lies_at = UINT64_MAX};
    log_make(&good, UINT64_MAX);
    log_make(&forked, 150);
    OK(hark_seed_from_bytes(&seed, seed_bytes, &err));
    OK(hark_signer_new(&signer, seed, &err));
    hark_seed_free(seed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned level = 0; level < LEVELS; level++) {
        free(good.nodes[level]);
        free(forked.nodes[level]);
    }
    hark_signer_free(signer);
    return 0;
}

/* Every path that is written is found, and nothing else. */
static void test_tiles__are_found_by_their_paths(void **state)
{
    static const char *const none[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/8/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000",
        "tile/0/x000/000",
        "tile/0/000/000",
        "tile/0/274",
        "tile/0/273.p/113",
        "tile/0/273",
        "tile/0/272.p/0",
        "tile/0/272.p/256",
        "tile/0/272.p/01",
        "tile/0/272.p/",
        "tile/0/272.p",
        "tile/0/272/",
        "tile/1/001.p/18",
        "tile/2/000.p/2",
        "tile/2/000",
        "tile/3/000.p/1",
        "tile/entries",
        "tile/entries/274",
        "tile/Entries/000",
        "tile/0/ 00",
        "tile/0/x018/x446/x744/x073/x709/x551/615",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    };
    static const struct hark_tile some[] = {{0, 0, 256},   {0, 272, 255}, {0, 273, 1},
                                            {0, 273, 112}, {1, 0, 256},   {1, 1, 17},
                                            {2, 0, 1},     {64, 0, 256},  {64, 273, 112}};
    char path[HARK_TILES_PATH_SIZE];
    struct hark_tile tile;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (hark_tiles_find(none[i], 70000, &tile))
            fail_msg("%s is found", none[i]);
    }
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        hark_tiles_path(path, some[i].level, some[i].index, some[i].width);
        if (!hark_tiles_find(path, 70000, &tile))
            fail_msg("%s is not found", path);
        assert_int_equal(tile.level, some[i].level);
        assert_int_equal(tile.index, some[i].index);
        assert_int_equal(tile.width, some[i].width);
    }
    /* In the largest log of all. */
    hark_tiles_path(path, 0, HARK_MERKLE_SIZE_MAX / 256, 255);
    assert_true(hark_tiles_find(path, HARK_MERKLE_SIZE_MAX, &tile));
    hark_tiles_path(path, 0, HARK_MERKLE_SIZE_MAX / 256, 256);
    assert_false(hark_tiles_find(path, HARK_MERKLE_SIZE_MAX, &tile));
    assert_false(hark_tiles_find("tile/0/000.p/1", 0, &tile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles__stand_where_the_text_says),
        cmocka_unit_test(test_tiles__are_found_by_their_paths),
        cmocka_unit_test(test_tiles__hold_the_tree),
        cmocka_unit_test(test_tiles__grow_with_the_log),
        cmocka_unit_test(test_tiles__are_made_good),
        cmocka_unit_test(test_tiles__cut_short_change_nothing_that_is_read),
        cmocka_unit_test(test_tiles__of_a_damaged_log),
        cmocka_unit_test(test_tiles__leave_other_histories_alone),
        cmocka_unit_test(test_tiles__one_export_at_a_time),
    };

    if (hark_crypto_init(&err) != 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
