/*
 * node/repo: that batches come back as they went in, that a log stands at the old
 * or the new batch wherever a process is cut off, that stock git finds nothing to
 * complain about, and that what is erased is nowhere any more, packed or not.
 *
 * fsync and the calls that name and unname files are this program's own here (for
 * libgit2 as well), so that the Nth of them can fail or be the last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "node/repo.h"
#include "run_tool.h"
#include "schemas/batch.h"

#define LOG_ENTRIES_MAX 4096u
#define GIT_ENV                                                                                    \
    "export GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent GIT_CONFIG_COUNT=1 "                           \
    "GIT_CONFIG_KEY_0=core.fsync GIT_CONFIG_VALUE_0=none; "

/* ---- faults ---- */

enum fault { FAULT_NONE, FAULT_DIE, FAULT_FAIL };
static enum fault fault;
static int fault_after; /* calls that still go well */
static int fault_errno;

/* True when this call is to fail. */
static bool faulty(void)
{
    if (fault == FAULT_NONE || fault_after-- > 0) {
        return false;
    }
    if (fault == FAULT_DIE) {
        _exit(99);
    }
    errno = fault_errno;
    return fault_after == -1; /* once */
}

/* What is cut off here are processes, which lose nothing of what they wrote: so
 * waiting for the disk shows nothing, and is left out but for telling the speed. */
static bool really_sync;
/* Called once, when something is to be on the disk. */
static void (*before_sync)(void);

int fsync(int fd)
{
    if (before_sync != NULL) {
        void (*hook)(void) = before_sync;
        before_sync = NULL;
        hook();
    }
    return faulty() ? -1 : really_sync ? (int)syscall(SYS_fsync, fd) : 0;
}

int syncfs(int fd)
{
    return faulty() ? -1 : really_sync ? (int)syscall(SYS_syncfs, fd) : 0;
}

/* Called before a file gets the name of a ref. */
static void (*before_ref)(void);

int rename(const char *from, const char *to)
{
    if (before_ref != NULL && strstr(to, "refs/heads/") != NULL) {
        before_ref();
    }
    return faulty() ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return faulty() ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

/* Some file systems have no links. */
static bool linkless;
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    if (linkless) {
        errno = EPERM;
        return -1;
    }
    return faulty() ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int unlinkat(int fd, const char *name, int flags)
{
    return faulty() ? -1 : (int)syscall(SYS_unlinkat, fd, name, flags);
}

int unlink(const char *name)
{
    return faulty() ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, name, 0);
}

/* ---- a log in the making ---- */

struct log {
    char dir[32];
    char path[64];
    struct hark_repo *repo;
    const char *name; /* main or intake/<node> */
    struct hark_seed *seed;
    struct hark_signer *signer;
    struct hark_hash space;
    struct hark_log_head head;
    uint64_t seq;
    struct hark_hash last;
    struct hark_git_id last_id;
    struct hark_git_id ids[LOG_ENTRIES_MAX];   /* of the entries */
    struct hark_git_id blobs[LOG_ENTRIES_MAX]; /* of the payloads, zero where there is none */
};

/* A batch with the buffers that it borrows from. */
struct batch {
    struct hark_raw_batch raw;
    struct hark_buf commit, entries, checkpoint;
    struct hark_buf objects[HARK_BATCH_ENTRIES_MAX], payloads[HARK_BATCH_ENTRIES_MAX];
    struct hark_raw_entry items[HARK_BATCH_ENTRIES_MAX];
    struct hark_git_id ids[HARK_BATCH_ENTRIES_MAX];
    struct hark_log_head next;
};

static void well(int rc, const struct hark_err *err)
{
    if (rc != 0) {
        print_message("%s: %s\n", hark_err_name(rc), err->message);
    }
    assert_int_equal(rc, 0);
}

static struct log *log_new(void)
{
    struct hark_err err;
    struct log *log = calloc(1, sizeof(*log));
    uint8_t bytes[HARK_SEED_SIZE] = {7};
    assert_non_null(log);
    make_directory(log->dir);
    join_path(log->path, sizeof(log->path), log->dir, "space.git");
    log->name = "main";
    well(hark_seed_from_bytes(&log->seed, bytes, &err), &err);
    well(hark_signer_new(&log->signer, log->seed, &err), &err);
    log->space = hark_sha256(hark_span_str("a space"));
    log->head.log_key = *hark_signer_key(log->signer);
    hark_origin(log->head.origin, "node.example", &log->space, 1);
    well(hark_repo_create(&log->repo, log->path, &err), &err);
    return log;
}

static void log_free(struct log *log)
{
    hark_repo_free(log->repo);
    hark_signer_free(log->signer);
    hark_seed_free(log->seed);
    remove_directory(log->dir);
    free(log);
}

static void word_at(char out[40], uint64_t position)
{
    snprintf(out, 40, "zebra-%06llu-quince", (unsigned long long)position);
}

/* Every third entry has none. */
static void make_payload(struct hark_buf *out, uint64_t position)
{
    char word[40];
    word_at(word, position);
    assert_int_equal(hark_buf_printf(out, NULL, "{\"salt\":\"%032llu\",\"text\":\"%s %s\"}",
                                     (unsigned long long)position, word, word),
                     0);
    while (out->size % 64 != 0) {
        assert_int_equal(hark_buf_append_byte(out, ' ', NULL), 0);
    }
}

static void make_entry(struct log *log, struct batch *b, size_t i, uint64_t position, bool payload,
                       struct hark_line *line)
{
    struct hark_err err;
    struct hark_entry entry = {.has_space = true,
                               .space = log->space,
                               .author = *hark_signer_key(log->signer),
                               .seq = ++log->seq,
                               .previous = log->last,
                               .parent = log->last_id,
                               .time_ms = 1800000000000 + position,
                               .kind = "post",
                               .has_payload = payload};
    b->objects[i] = hark_buf_init(HARK_ENTRY_MAX);
    b->payloads[i] = hark_buf_init(65536);
    if (payload) {
        make_payload(&b->payloads[i], position);
        entry.payload_size = b->payloads[i].size;
        entry.payload_hash = hark_sha256(hark_buf_span(&b->payloads[i]));
    }
    well(hark_entry_build(&b->objects[i], &entry, log->signer, &err), &err);
    b->ids[i] = hark_git_hash(HARK_GIT_COMMIT, hark_buf_span(&b->objects[i]));
    b->items[i] = (struct hark_raw_entry){.object = hark_buf_span(&b->objects[i]),
                                          .payload_state = payload ? 1 : 0,
                                          .payload = hark_buf_span(&b->payloads[i])};
    *line = (struct hark_line){.position = position,
                               .arrival_ms = entry.time_ms,
                               .accepted_ms = entry.time_ms,
                               .id = entry.id};
    struct hark_hash leaf = hark_line_leaf(line);
    hark_merkle_append(&b->next.tree, &leaf);
    log->last = entry.id;
    log->last_id = b->ids[i];
}

static struct batch *batch_new(struct log *log, size_t count, bool all_payloads)
{
    struct hark_err err;
    struct batch *b = calloc(1, sizeof(*b));
    struct hark_line *lines = calloc(count + 1, sizeof(*lines));
    assert_true(b != NULL && lines != NULL);
    b->next = log->head;
    b->entries = hark_buf_init(HARK_BATCH_FILE_MAX);
    b->checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    b->commit = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    uint64_t first = log->head.tree.size;
    for (size_t i = 0; i < count; i++) {
        make_entry(log, b, i, first + i, all_payloads || (first + i) % 3 != 2, &lines[i]);
    }
    well(hark_lines_encode(&b->entries, lines, count, &err), &err);
    struct hark_checkpoint cp = {.size = first + count, .root = hark_merkle_root(&b->next.tree)};
    snprintf(cp.origin, sizeof(cp.origin), "%s", log->head.origin);
    well(hark_checkpoint_sign(&b->checkpoint, &cp, log->signer, NULL, &err), &err);
    struct hark_batch fields = {.first = first,
                                .count = count,
                                .time_ms = 1800000000000 + first + count,
                                .has_previous = log->head.has_batch,
                                .previous = log->head.batch,
                                .previous_id = log->head.batch_id,
                                .entries = hark_sha256(hark_buf_span(&b->entries))};
    snprintf(fields.origin, sizeof(fields.origin), "%s", log->head.origin);
    struct hark_buf tree = hark_buf_init(256);
    struct hark_git_id tree_id;
    well(hark_git_batch_tree(&tree, &tree_id, hark_buf_span(&b->checkpoint),
                             hark_buf_span(&b->entries), &err),
         &err);
    well(hark_batch_build(&b->commit, &fields, &tree_id, b->ids, log->signer, &err), &err);
    hark_buf_free(&tree);
    free(lines);
    b->next.has_batch = true;
    b->next.batch = hark_sha256(hark_buf_span(&b->commit));
    b->raw = (struct hark_raw_batch){.commit = hark_buf_span(&b->commit),
                                     .entries = hark_buf_span(&b->entries),
                                     .checkpoint = hark_buf_span(&b->checkpoint),
                                     .count = count,
                                     .items = b->items};
    return b;
}

static void batch_free(struct batch *b)
{
    for (size_t i = 0; i < b->raw.count; i++) {
        hark_buf_free(&b->objects[i]);
        hark_buf_free(&b->payloads[i]);
    }
    hark_buf_free(&b->commit);
    hark_buf_free(&b->entries);
    hark_buf_free(&b->checkpoint);
    free(b);
}

static int batch_store(struct log *log, struct batch *b, struct hark_err *err)
{
    uint64_t first = log->head.tree.size;
    return hark_repo_store(log->repo, log->name, &b->raw,
                           log->head.has_batch ? &log->head.batch_id : NULL, &b->next.batch_id,
                           log->blobs + first, err);
}

/* After a batch is in: the log stands there. */
static void log_goes_on(struct log *log, const struct batch *b)
{
    uint64_t first = log->head.tree.size;
    for (size_t i = 0; i < b->raw.count; i++) {
        log->ids[first + i] = b->ids[i];
    }
    log->head = b->next;
}

static void log_grow(struct log *log, size_t count)
{
    struct hark_err err;
    struct batch *b = batch_new(log, count, false);
    well(batch_store(log, b, &err), &err);
    log_goes_on(log, b);
    batch_free(b);
}

static int blob_at(void *arg, uint64_t position, bool *present, struct hark_git_id *blob,
                   struct hark_err *err)
{
    const struct log *log = arg;
    static const struct hark_git_id none;
    (void)err;
    *blob = log->blobs[position];
    *present = !hark_git_id_equal(blob, &none);
    return 0;
}

static void log_cover(struct log *log)
{
    struct hark_err err;
    well(hark_repo_cover_payloads(log->repo, log->name, log->head.tree.size, blob_at, log, &err),
         &err);
}

static void log_reopen(struct log *log)
{
    struct hark_err err;
    hark_repo_free(log->repo);
    well(hark_repo_open(&log->repo, log->path, &err), &err);
}

/* ---- looking at what is there ---- */

/* All entries, and the payloads at positions that are not listed, are there. */
static void check_all(struct log *log, const uint64_t *erased, size_t erased_count)
{
    struct hark_err err;
    struct hark_buf out = hark_buf_init(65536);
    for (uint64_t p = 0; p < log->head.tree.size; p++) {
        bool gone = false;
        bool present = false;
        struct hark_git_id blob;
        for (size_t i = 0; i < erased_count; i++) {
            gone = gone || erased[i] == p;
        }
        hark_buf_clear(&out);
        well(hark_repo_read(log->repo, HARK_GIT_COMMIT, &log->ids[p], &out, &err), &err);
        assert_int_equal(blob_at(log, p, &present, &blob, &err), 0);
        if (present) {
            char word[40];
            hark_buf_clear(&out);
            int rc = hark_repo_read(log->repo, HARK_GIT_BLOB, &blob, &out, &err);
            assert_int_equal(rc, gone ? HARK_E_NOT_FOUND : 0);
            assert_int_equal(hark_buf_terminate(&out, NULL), 0);
            word_at(word, p);
            assert_true(gone || strstr((const char *)out.data, word) != NULL);
        }
    }
    hark_buf_free(&out);
}

static size_t count_files(const struct log *log, const char *dir, const char *extension)
{
    char path[128];
    size_t n = 0;
    join_path(path, sizeof(path), log->path, dir);
    DIR *d = opendir(path);
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        const char *dot = strrchr(e->d_name, '.');
        n += e->d_name[0] != '.' && (extension == NULL || (dot != NULL && !strcmp(dot, extension)));
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

static bool inflates_to(const uint8_t *data, size_t size, struct hark_span what)
{
    static uint8_t out[1u << 20];
    z_stream z = {0};
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = sizeof(out);
    if (inflateInit(&z) != Z_OK) {
        return false;
    }
    (void)inflate(&z, Z_SYNC_FLUSH);
    size_t made = sizeof(out) - z.avail_out;
    inflateEnd(&z);
    return made != 0 && memmem(out, made, what.data, what.size) != NULL;
}

/* Raw, and in every zlib stream that begins anywhere in the file. */
static bool file_has(const char *path, struct hark_span what)
{
    struct hark_buf bytes = hark_buf_init(64u << 20);
    load_file(&bytes, "", path);
    bool has = bytes.size != 0 && memmem(bytes.data, bytes.size, what.data, what.size) != NULL;
    for (size_t i = 0; !has && i + 2 < bytes.size; i++) {
        if ((bytes.data[i] & 0x0f) == 8 &&
            ((unsigned)bytes.data[i] * 256 + bytes.data[i + 1]) % 31 == 0) {
            has = inflates_to(bytes.data + i, bytes.size - i, what);
        }
    }
    hark_buf_free(&bytes);
    return has;
}

static bool repo_has_bytes(const struct log *log, struct hark_span what)
{
    char path[64];
    char *roots[] = {path, NULL};
    bool has = false;
    memcpy(path, log->path, sizeof(path));
    FTS *fts = fts_open(roots, FTS_PHYSICAL, NULL);
    assert_non_null(fts);
    for (FTSENT *at = fts_read(fts); at != NULL; at = fts_read(fts)) {
        has = has || (at->fts_info == FTS_F && file_has(at->fts_path, what));
    }
    fts_close(fts);
    return has;
}

static bool repo_has(const struct log *log, const char *word)
{
    return repo_has_bytes(log, hark_span_str(word));
}

static bool git_is_here(void)
{
    return run_tool("/", "git --version") == 0;
}

/* Stock git's opinion; true where there is no git to ask. */
static void check_git(const struct log *log, const char *script)
{
    char text[1024];
    snprintf(text, sizeof(text), GIT_ENV "cd space.git && { %s; } >../git.log 2>&1", script);
    if (git_is_here()) {
        int status = run_tool(log->dir, text);
        if (status != 0) {
            struct hark_buf said = hark_buf_init(1u << 20);
            load_file(&said, log->dir, "git.log");
            print_message("%s: %d: %.*s\n", script, status, (int)said.size,
                          (const char *)said.data);
            hark_buf_free(&said);
        }
        assert_int_equal(status, 0);
    }
}

/* Nothing broken, nothing missing, and no warning either. */
#define FSCK  "git fsck --strict --full --no-dangling && ! grep -Ev '^notice:' ../git.log"
#define CLONE "rm -rf ../clone && git clone -q . ../clone && git -C ../clone fsck --strict"

/* ---- tests ---- */

/* What is stored is what comes back, to this handle and to the next. */
static void test_repo__gives_a_batch_back(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 5);
    struct batch *b = batch_new(log, 7, false);
    well(batch_store(log, b, &err), &err);
    log_goes_on(log, b);
    for (int again = 0; again < 2; again++) {
        struct hark_buf checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
        struct hark_buf entries = hark_buf_init(HARK_BATCH_FILE_MAX);
        struct hark_buf commit = hark_buf_init(HARK_BATCH_COMMIT_MAX);
        struct hark_git_id head;
        struct hark_git_id tree;
        struct hark_git_id *ids = NULL;
        struct hark_batch fields;
        bool exists = false;
        well(hark_repo_head(log->repo, "main", &exists, &head, &err), &err);
        assert_true(exists && hark_git_id_equal(&head, &log->head.batch_id));
        well(hark_repo_read(log->repo, HARK_GIT_COMMIT, &head, &commit, &err), &err);
        assert_true(hark_span_equal(hark_buf_span(&commit), b->raw.commit));
        well(hark_batch_parse(&fields, &tree, &ids, hark_buf_span(&commit), NULL, &err), &err);
        well(hark_repo_read_files(log->repo, &tree, &checkpoint, &entries, &err), &err);
        assert_true(hark_span_equal(hark_buf_span(&checkpoint), b->raw.checkpoint));
        assert_true(hark_span_equal(hark_buf_span(&entries), b->raw.entries));
        assert_int_equal(fields.count, 7);
        for (size_t i = 0; i < 7; i++) {
            hark_buf_clear(&commit);
            well(hark_repo_read(log->repo, HARK_GIT_COMMIT, &ids[i], &commit, &err), &err);
            assert_true(hark_span_equal(hark_buf_span(&commit), b->raw.items[i].object));
        }
        free(ids);
        hark_buf_free(&checkpoint);
        hark_buf_free(&entries);
        hark_buf_free(&commit);
        check_all(log, NULL, 0);
        log_reopen(log);
    }
    batch_free(b);
    log_free(log);
}

static void test_repo__says_what_is_not_there(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    struct hark_repo *other = NULL;
    struct hark_git_id id = {{1, 2, 3}};
    struct hark_buf out = hark_buf_init(100);
    struct hark_buf more = hark_buf_init(100);
    bool exists = true;
    uint64_t size = 1;
    assert_int_equal(hark_repo_create(&other, log->path, &err), HARK_E_EXISTS);
    assert_int_equal(hark_repo_open(&other, "/tmp/there-is-no-such-thing.git", &err),
                     HARK_E_NOT_FOUND);
    assert_null(other);
    well(hark_repo_head(log->repo, "intake/other.example", &exists, &id, &err), &err);
    assert_false(exists);
    well(hark_repo_payloads_covered(log->repo, "main", &size, &err), &err);
    assert_int_equal(size, 0);
    assert_int_equal(hark_repo_read(log->repo, HARK_GIT_BLOB, &id, &out, &err), HARK_E_NOT_FOUND);
    log_grow(log, 1);
    /* Another type, and more than the caller allows. */
    assert_int_equal(hark_repo_read(log->repo, HARK_GIT_BLOB, &log->ids[0], &out, &err),
                     HARK_E_NOT_FOUND);
    assert_int_equal(hark_repo_read(log->repo, HARK_GIT_COMMIT, &log->ids[0], &out, &err),
                     HARK_E_LIMIT);
    assert_int_equal(out.size, 0);
    /* A tree, but no batch's. */
    id = hark_git_hash(HARK_GIT_TREE, hark_span(NULL, 0));
    assert_int_equal(hark_repo_read_files(log->repo, &id, &out, &more, &err), HARK_E_BATCH_TREE);
    static const char *const names[] = {"",
                                        "side",
                                        "intake/",
                                        "intake/a/b",
                                        "intake/x.lock",
                                        "intake/a..b",
                                        "intake/main",
                                        "payloads/main",
                                        "../main"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(hark_repo_head(log->repo, names[i], &exists, &id, &err), HARK_E_USAGE);
    }
    hark_buf_free(&out);
    hark_buf_free(&more);
    log_free(log);
}

static struct log *racing;
static struct batch *racer;

static void win_race(void)
{
    struct hark_err err;
    struct hark_repo *mine = racing->repo;
    well(hark_repo_open(&racing->repo, racing->path, &err), &err);
    well(batch_store(racing, racer, &err), &err);
    hark_repo_free(racing->repo);
    racing->repo = mine;
}

/* Two writers that build on one batch: one of them wins, nothing is lost. */
static void test_repo__moves_a_log_by_compare_and_swap(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    struct batch *first = batch_new(log, 2, false);
    struct hark_git_id id;
    bool exists = false;
    assert_int_equal(
        hark_repo_store(log->repo, "main", &first->raw, &first->ids[0], &id, NULL, &err),
        HARK_E_BUSY);
    well(batch_store(log, first, &err), &err);
    log_goes_on(log, first);
    struct batch *late = batch_new(log, 3, false);
    struct batch *winner = batch_new(log, 4, false);
    well(batch_store(log, winner, &err), &err);
    assert_int_equal(batch_store(log, late, &err), HARK_E_BUSY);
    assert_int_equal(hark_repo_store(log->repo, "main", &late->raw, NULL, &id, NULL, &err),
                     HARK_E_BUSY);
    well(hark_repo_head(log->repo, "main", &exists, &id, &err), &err);
    assert_true(exists && hark_git_id_equal(&id, &winner->next.batch_id));
    log_goes_on(log, winner);
    /* The same when the other one comes while the packs are being written. */
    racing = log;
    racer = batch_new(log, 1, false);
    struct batch *slow = batch_new(log, 2, false);
    before_sync = win_race;
    assert_int_equal(batch_store(log, slow, &err), HARK_E_BUSY);
    well(hark_repo_head(log->repo, "main", &exists, &id, &err), &err);
    assert_true(exists && hark_git_id_equal(&id, &racer->next.batch_id));
    batch_free(slow);
    batch_free(racer);
    batch_free(first);
    batch_free(late);
    batch_free(winner);
    log_free(log);
}

/* Stock git checks and clones it at every stage, and verifies a signature. */
static void test_repo__pleases_stock_git(void **state)
{
    (void)state;
    need_tool("git", "git --version");
    struct log *log = log_new();
    check_git(log, FSCK);
    check_git(log, "git gc -q --prune=now && " FSCK); /* even the empty tree may go */
    log_grow(log, 3);
    check_git(log, FSCK);
    log_grow(log, 50);
    log_cover(log);
    log_grow(log, 1);
    check_git(log, FSCK);
    check_git(log, CLONE " && test $(git -C ../clone rev-list --count HEAD) = 57");
    check_git(log, "test \"$(git rev-parse --symbolic-full-name HEAD)\" = refs/heads/main");
    check_git(log, "git count-objects -v >../c && grep -q '^garbage: 0' ../c");
    log_free(log);
}

/* A hand-run gc takes neither what no ref reaches yet nor anything else. */
static void test_repo__survives_gc_by_hand(void **state)
{
    (void)state;
    need_tool("git", "git --version");
    struct log *log = log_new();
    log_grow(log, 20);
    log_grow(log, 2);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 2);
    check_git(log, "git gc -q --prune=now");
    check_all(log, NULL, 0);
    log_cover(log);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 0);
    log_grow(log, 3);
    check_git(log, "git gc -q --prune=now --aggressive");
    check_all(log, NULL, 0);
    log_grow(log, 5);
    log_cover(log);
    check_git(log, "git repack -q -a -d -f --depth=50 --window=50 && git pack-refs --all --prune");
    log_reopen(log);
    check_all(log, NULL, 0);
    log_grow(log, 2); /* the head is in packed-refs now */
    log_cover(log);
    check_all(log, NULL, 0);
    check_git(log, FSCK);
    log_free(log);
}

static struct log *repacked;

static void repack(void)
{
    check_git(repacked, "git repack -a -d -q && git prune --expire=now && git prune-packed");
}

/* A hand-run gc that begins when the packs are there and the ref is not yet. */
static void test_repo__survives_gc_by_hand_before_the_ref(void **state)
{
    (void)state;
    need_tool("git", "git --version");
    struct log *log = log_new();
    log_grow(log, 2);
    repacked = log;
    before_ref = repack;
    log_grow(log, 4);
    log_cover(log);
    before_ref = NULL;
    log_reopen(log);
    check_all(log, NULL, 0);
    check_git(log, FSCK);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 0);
    log_free(log);
}

static int count_payload(void *arg, const struct hark_hash *hash, const struct hark_git_id *blob,
                         size_t size, struct hark_err *err)
{
    struct log *log = ((void **)arg)[0];
    size_t *n = ((void **)arg)[1];
    struct hark_buf out = hark_buf_init(65536);
    well(hark_repo_read(log->repo, HARK_GIT_BLOB, blob, &out, err), err);
    struct hark_hash again = hark_sha256(hark_buf_span(&out));
    assert_true(hark_hash_equal(hash, &again));
    assert_int_equal(size, out.size);
    hark_buf_free(&out);
    (*n)++;
    return 0;
}

/* After a crash the index asks for all payloads: covered, uncovered, repacked. */
static void test_repo__finds_every_payload_once(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    size_t n = 0;
    void *arg[] = {log, &n};
    log_grow(log, 9);
    log_cover(log);
    log_grow(log, 6);
    well(hark_repo_each_payload(log->repo, count_payload, arg, &err), &err);
    assert_int_equal(n, 10);
    check_git(log, "git gc -q --prune=now");
    n = 0;
    log_reopen(log);
    well(hark_repo_each_payload(log->repo, count_payload, arg, &err), &err);
    assert_int_equal(n, 10);
    log_free(log);
}

/* ---- the payload ref ---- */

struct sparse {
    uint64_t positions[8];
    size_t count;
    struct hark_git_id blob;
};

static int sparse_at(void *arg, uint64_t position, bool *present, struct hark_git_id *blob,
                     struct hark_err *err)
{
    const struct sparse *s = arg;
    (void)err;
    *present = false;
    *blob = s->blob;
    for (size_t i = 0; i < s->count; i++) {
        *present = *present || s->positions[i] == position;
    }
    return 0;
}

static struct hark_git_id payload_commit(struct log *log)
{
    struct hark_buf line = hark_buf_init(100);
    struct hark_git_id id;
    load_file(&line, log->path, "refs/heads/payloads/main");
    assert_int_equal(hark_hex_decode(id.bytes, HARK_GIT_ID_SIZE, hark_span(line.data, 40), NULL),
                     0);
    hark_buf_free(&line);
    return id;
}

/* In whatever steps a size is reached, the ref is the same; each level begins
 * where it must. */
static void test_repo__covers_across_levels(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 255, 256, 257, 300, 65535, 65536, 65537, 70000};
    struct hark_err err;
    struct log *steps = log_new();
    log_grow(steps, 1);
    struct sparse s = {
        .positions = {0, 255, 256, 258, 65535, 65536, 66000}, .count = 7, .blob = steps->blobs[0]};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct log *once = log_new();
        uint64_t covered = 0;
        well(hark_repo_cover_payloads(steps->repo, "main", sizes[i], sparse_at, &s, &err), &err);
        well(hark_repo_cover_payloads(once->repo, "main", sizes[i], sparse_at, &s, &err), &err);
        struct hark_git_id a = payload_commit(steps);
        struct hark_git_id b = payload_commit(once);
        assert_true(hark_git_id_equal(&a, &b));
        well(hark_repo_payloads_covered(steps->repo, "main", &covered, &err), &err);
        assert_int_equal(covered, sizes[i]);
        for (size_t j = 0; j < s.count; j++) {
            bool present = false;
            struct hark_git_id blob;
            well(hark_repo_payload_at(steps->repo, "main", s.positions[j], &present, &blob, &err),
                 &err);
            assert_int_equal(present, s.positions[j] < sizes[i]);
            well(hark_repo_payload_at(steps->repo, "main", s.positions[j] + 1, &present, &blob,
                                      &err),
                 &err);
            assert_int_equal(present, s.positions[j] + 1 < sizes[i] &&
                                          (s.positions[j] == 255 || s.positions[j] == 65535));
        }
        static const struct {
            uint64_t size;
            const char *script;
        } paths[] = {{256, "git cat-file -e $P:ff"},
                     {257, "git cat-file -e $P:00/ff && git cat-file -e $P:01/00"},
                     {300, "git cat-file -e $P:01/02 && ! git cat-file -e $P:01/03"},
                     {65536, "git cat-file -e $P:ff/ff"},
                     {65537, "git cat-file -e $P:00/ff/ff && git cat-file -e $P:01/00/00"}};
        for (size_t j = 0; j < sizeof(paths) / sizeof(paths[0]); j++) {
            if (paths[j].size == sizes[i]) {
                char script[200];
                snprintf(script, sizeof(script), "P=refs/heads/payloads/main; %s", paths[j].script);
                check_git(steps, script);
            }
        }
        check_git(steps, FSCK);
        log_free(once);
    }
    check_git(steps,
              "test \"$(git ls-tree -r --name-only refs/heads/payloads/main | tr '\\n' ' ')\" "
              "= '00/00/00 00/00/ff 00/01/00 00/01/02 00/ff/ff 01/00/00 01/01/d0 '");
    log_free(steps);
}

/* Nothing written at all still says how far it goes. */
static void test_repo__covers_what_has_no_payloads(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    struct sparse s = {.count = 0};
    bool present = true;
    uint64_t covered = 0;
    struct hark_git_id blob;
    well(hark_repo_cover_payloads(log->repo, "main", 200, sparse_at, &s, &err), &err);
    well(hark_repo_cover_payloads(log->repo, "main", 70000, sparse_at, &s, &err), &err);
    well(hark_repo_payloads_covered(log->repo, "main", &covered, &err), &err);
    assert_int_equal(covered, 70000);
    well(hark_repo_payload_at(log->repo, "main", 5, &present, &blob, &err), &err);
    assert_false(present);
    check_git(log, FSCK);
    log_free(log);
}

/* The refs of two logs that cover the same point to one commit, which is there as long as one
 * of them does. */
static void test_repo__covers_the_same_of_two_logs(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 1);
    struct sparse with = {.positions = {0, 1}, .count = 2, .blob = log->blobs[0]};
    struct sparse without = {.count = 0};
    struct sparse *both[] = {&with, &without};
    for (size_t i = 0; i < 2; i++) {
        char names[2][32], script[200];
        for (size_t j = 0; j < 2; j++) {
            snprintf(names[j], sizeof(names[j]), "intake/n%zu-%zu", i, j);
            well(hark_repo_cover_payloads(log->repo, names[j], 1, sparse_at, both[i], &err), &err);
        }
        snprintf(script, sizeof(script), "cd refs/heads/payloads && cmp n%zu-0 n%zu-1", i, i);
        check_git(log, script);
        for (size_t j = 0; j < 2; j++) {
            uint64_t covered = 0;
            well(hark_repo_cover_payloads(log->repo, names[j], 2, sparse_at, both[i], &err), &err);
            log_reopen(log);
            check_git(log, FSCK);
            well(hark_repo_payloads_covered(log->repo, names[1], &covered, &err), &err);
            assert_int_equal(covered, 1 + j);
        }
    }
    /* One pack for each pair, and none of yesterday's. */
    assert_int_equal(count_files(log, "objects/pack", ".pack"), 1 + 2);
    log_free(log);
}

/* A keep file goes when its own log's ref has come so far, not before. */
static void test_repo__keeps_what_is_not_covered(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 40);
    log_grow(log, 40);
    write_file(log->dir, "space.git/objects/pack/pack-by-hand.keep", hark_span("me\n", 3), 0600);
    well(hark_repo_cover_payloads(log->repo, "main", 50, blob_at, log, &err), &err);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 2);
    well(hark_repo_cover_payloads(log->repo, "intake/a.example", 100, sparse_at,
                                  &(struct sparse){0}, &err),
         &err);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 2);
    well(hark_repo_cover_payloads(log->repo, "main", 80, blob_at, log, &err), &err);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 1);
    log_free(log);
}

/* ---- erasing ---- */

static void erase(struct log *log, const uint64_t *positions, size_t count, struct hark_err *err)
{
    struct hark_erasure items[16];
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct hark_erasure){positions[i], log->blobs[positions[i]]};
    }
    well(hark_repo_erase(log->repo, "main", items, count, err), err);
}

static void check_erased(struct log *log, const uint64_t *positions, size_t count)
{
    struct hark_err err;
    check_all(log, positions, count);
    for (size_t i = 0; i < count; i++) {
        char word[40];
        bool present = true;
        struct hark_git_id blob;
        word_at(word, positions[i]);
        assert_false(repo_has(log, word));
        /* No tree or index names it any more, either. */
        assert_false(
            repo_has_bytes(log, hark_span(log->blobs[positions[i]].bytes, HARK_GIT_ID_SIZE)));
        char script[200];
        snprintf(script, sizeof(script),
                 "! git cat-file --batch-all-objects --batch --buffer | grep -aF %s", word);
        check_git(log, script);
        well(hark_repo_payload_at(log->repo, "main", positions[i], &present, &blob, &err), &err);
        assert_false(present);
    }
    assert_true(repo_has(log, "zebra-000003-quince")); /* the search finds what is there */
    check_git(log, FSCK);
    check_git(log, CLONE);
}

/* A few entries make one pack, protected by one more name of a file that is
 * there, until their payloads are covered; merging takes these apart, so that erasing
 * rewrites little. */
static void test_repo__packs_a_lone_batch_at_once(void **state)
{
    (void)state;
    need_tool("git", "git --version");
    static const uint64_t positions[] = {1, 9};
    struct hark_err err;
    struct log *log = log_new();
    const struct hark_git_id none = {{0}};
    size_t merged = 0, payloads = 0;
    char script[256];
    for (int i = 0; i < 12; i++) {
        log_grow(log, 1);
    }
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 12);
    assert_int_equal(run_tool(log->dir, "test $(stat -c %i space.git/objects/pack/*.keep | "
                                        "sort -u | wc -l) = 1"),
                     0);
    check_git(log, "git gc -q --prune=now && git repack -q -a -d && git prune --expire=now");
    check_all(log, NULL, 0);
    log_cover(log);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 0);
    log_grow(log, 1); /* a position that is not covered */
    well(hark_repo_merge_packs(log->repo, &merged, &err), &err);
    assert_true(merged >= 12);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 2);
    check_git(log, "git prune --expire=now && git prune-packed");
    check_all(log, NULL, 0);
    check_git(log, FSCK);
    log_grow(log, 1); /* the shared file was swept away */
    for (size_t i = 0; i < 13; i++) {
        payloads += memcmp(&log->blobs[i], &none, sizeof(none)) != 0 ? 1 : 0;
    }
    assert_true(payloads > 5);
    (void)snprintf(script, sizeof(script),
                   "n=0; for p in objects/pack/*.pack; do set -- $(od -An -tu1 -j8 -N5 $p); "
                   "test $(($5 >> 4 & 7)) != 3 || n=$((n + $4)); done; test $n = %zu",
                   payloads);
    check_git(log, script);
    erase(log, positions, 2, &err);
    check_erased(log, positions, 2);
    linkless = true;
    log_grow(log, 1);
    linkless = false;
    check_git(log, "git gc -q --prune=now");
    log_cover(log);
    check_all(log, positions, 2);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 0);
    log_free(log);
}

static void test_repo__erases_for_good(void **state)
{
    (void)state;
    static const uint64_t positions[] = {0, 301, 306, 4};
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 300);
    log_grow(log, 3);
    log_cover(log);
    log_grow(log, 6);
    erase(log, positions, 4, &err); /* covered ones and one that is not yet */
    check_erased(log, positions, 4);
    erase(log, positions, 4, &err);
    check_erased(log, positions, 4);
    /* What is not covered yet is still kept for when it will be. */
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 1);
    memset(&log->blobs[306], 0, sizeof(log->blobs[306]));
    log_cover(log);
    log_grow(log, 2);
    log_cover(log);
    check_git(log, FSCK);
    log_free(log);
}

/* Whoever has packed what: stock git puts everything into one pack. */
static void test_repo__erases_after_gc_by_hand(void **state)
{
    (void)state;
    need_tool("git", "git --version");
    static const uint64_t positions[] = {0, 301, 4};
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 310);
    log_cover(log);
    check_git(log, "git -c gc.writeCommitGraph=true -c pack.window=10 -c pack.depth=50 "
                   "-c repack.writeBitmaps=true gc -q --prune=now");
    check_git(log, "test $(ls objects/pack/*.pack | wc -l) = 1");
    /* A loose copy and a half-written one beside. */
    check_git(log, "cp objects/pack/pack-*.pack ../p && "
                   "git unpack-objects -q <../p || true; "
                   "mkdir ../l && cp -r . ../l/x.git && cd ../l/x.git && rm objects/pack/* && "
                   "git unpack-objects -q <../../p && cp -r objects/?? ../../space.git/objects/ && "
                   "cp ../../p ../../space.git/objects/pack/tmp_pack_x1 && "
                   "cp ../../p ../../space.git/objects/pack/pack-orphan.pack && "
                   "cp ../../p ../../space.git/hark/dead.pack");
    assert_true(count_files(log, "objects/4b", NULL) != 0);
    erase(log, positions, 3, &err);
    check_erased(log, positions, 3);
    log_free(log);
}

/* One blob at two positions and in an intake's ref: gone from all. */
static void test_repo__erases_a_blob_everywhere(void **state)
{
    (void)state;
    static const uint64_t positions[] = {0};
    struct hark_err err;
    struct log *log = log_new();
    bool present = true;
    struct hark_git_id blob;
    log_grow(log, 5);
    struct sparse s = {.positions = {2, 280}, .count = 2, .blob = log->blobs[0]};
    log_cover(log);
    well(hark_repo_cover_payloads(log->repo, "intake/a.example", 300, sparse_at, &s, &err), &err);
    erase(log, positions, 1, &err);
    check_erased(log, positions, 1);
    well(hark_repo_payload_at(log->repo, "intake/a.example", 280, &present, &blob, &err), &err);
    assert_false(present);
    well(hark_repo_payload_at(log->repo, "main", 1, &present, &blob, &err), &err);
    assert_true(present);
    log_free(log);
}

/* ---- being cut off ---- */

static void copy_repo(const struct log *log, const char *script)
{
    assert_int_equal(run_tool(log->dir, script), 0);
}

/* Runs `step` in a child that dies at its Nth call; false when it came through. */
static bool dies_at(struct log *log, int nth, void (*step)(struct log *log, void *arg), void *arg)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct hark_err err;
        struct hark_repo *repo = NULL;
        if (hark_repo_open(&repo, log->path, &err) != 0) {
            _exit(3);
        }
        log->repo = repo;
        fault_after = nth;
        fault = FAULT_DIE;
        step(log, arg);
        fault = FAULT_NONE;
        hark_repo_free(repo);
        _exit(0);
    }
    assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
    return WEXITSTATUS(status) == 99;
}

static void step_erase(struct log *log, void *arg)
{
    struct hark_err err;
    uint64_t *positions = arg;
    struct hark_erasure items[] = {{positions[0], log->blobs[positions[0]]},
                                   {positions[1], log->blobs[positions[1]]}};
    if (hark_repo_erase(log->repo, "main", items, 2, &err) != 0) {
        _exit(4);
    }
}

/* Wherever an erasure is cut off, the repository is whole, and doing it again
 * finishes it. */
static void test_repo__erases_when_killed_in_between(void **state)
{
    (void)state;
    uint64_t positions[] = {0, 7};
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 6);
    log_cover(log);
    log_grow(log, 3); /* not covered */
    copy_repo(log, "cp -a space.git base.git");
    int nth = 0;
    for (bool died = true; died; nth++) {
        hark_repo_free(log->repo);
        log->repo = NULL;
        copy_repo(log, "rm -rf space.git && cp -a base.git space.git");
        died = dies_at(log, nth, step_erase, positions);
        check_git(log, FSCK);
        well(hark_repo_open(&log->repo, log->path, &err), &err);
        erase(log, positions, 2, &err);
        check_all(log, positions, 2);
        assert_false(repo_has(log, "zebra-000000"));
        assert_false(repo_has(log, "zebra-000007"));
    }
    assert_true(nth > 15); /* the faults do reach it */
    log_free(log);
}

static void step_store(struct log *log, void *arg)
{
    struct hark_err err;
    if (batch_store(log, arg, &err) != 0) {
        _exit(4);
    }
}

/* Wherever storing is cut off, the log stands at the old batch or the new one,
 * and goes on. */
static void test_repo__stores_all_or_nothing_when_killed(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 3);
    struct batch *b = batch_new(log, 4, false);
    copy_repo(log, "cp -a space.git base.git");
    int nth = 0;
    int olds = 0;
    for (bool died = true; died; nth++) {
        struct hark_git_id head;
        bool exists = false;
        hark_repo_free(log->repo);
        log->repo = NULL;
        copy_repo(log, "rm -rf space.git && cp -a base.git space.git");
        died = dies_at(log, nth, step_store, b);
        check_git(log, FSCK);
        well(hark_repo_open(&log->repo, log->path, &err), &err);
        well(hark_repo_head(log->repo, "main", &exists, &head, &err), &err);
        assert_true(exists);
        if (hark_git_id_equal(&head, &log->head.batch_id)) {
            olds++;
            well(batch_store(log, b, &err), &err); /* a lock left behind is no hindrance */
        }
        well(hark_repo_head(log->repo, "main", &exists, &head, &err), &err);
        assert_true(hark_git_id_equal(&head, &b->next.batch_id));
        well(hark_repo_gc(log->repo, &err), &err);
        check_git(log, FSCK);
    }
    assert_true(olds > 5 && nth > olds);
    log_goes_on(log, b);
    check_all(log, NULL, 0);
    batch_free(b);
    log_free(log);
}

/* A disk that fails once: an error, and nothing has happened that could not be
 * done again. */
static void test_repo__stores_all_or_nothing_when_the_disk_fails(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    struct hark_err err;
    struct log *log = log_new();
    log_grow(log, 3);
    int failures = 0;
    for (int nth = 0; nth < 40; nth++) {
        struct batch *b = batch_new(log, 2, false);
        fault_errno = errors[nth % 2];
        fault_after = nth;
        fault = FAULT_FAIL;
        int rc = batch_store(log, b, &err);
        bool reached = fault_after < 0;
        fault = FAULT_NONE;
        if (rc != 0) {
            failures++;
            struct hark_git_id head;
            bool exists = false;
            assert_int_equal(rc, nth % 2 == 0 ? HARK_E_IO : HARK_E_DISK_FULL);
            well(hark_repo_head(log->repo, "main", &exists, &head, &err), &err);
            if (hark_git_id_equal(&head, &log->head.batch_id)) {
                well(batch_store(log, b, &err), &err);
            } else {
                b->next.batch_id = head; /* only the last sync of the ref's folder failed */
            }
        }
        log_goes_on(log, b);
        batch_free(b);
        if (!reached) {
            break;
        }
    }
    assert_true(failures > 5);
    check_all(log, NULL, 0);
    check_git(log, FSCK);
    log_free(log);
}

/* ---- merging and collecting ---- */

static void test_repo__merges_without_loss(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    struct hark_repo *reader = NULL;
    struct hark_repo *writer = log->repo;
    size_t merged = 1;
    well(hark_repo_merge_packs(log->repo, &merged, &err), &err);
    assert_int_equal(merged, 0);
    log_grow(log, 1);
    well(hark_repo_open(&reader, log->path, &err), &err);
    log->repo = reader;
    check_all(log, NULL, 0);
    log->repo = writer;
    for (int i = 0; i < 40; i++) {
        log_grow(log, i % 10 == 0 ? 30 : 1);
        if (i % 2 == 0 && i < 30) {
            log_cover(log);
        }
        if (i % 4 == 3) {
            well(hark_repo_merge_packs(log->repo, &merged, &err), &err);
        }
    }
    size_t packs = count_files(log, "objects/pack", ".pack");
    assert_true(packs <= 30);
    assert_int_equal(count_files(log, "objects/pack", ".idx"), packs);
    assert_int_equal(count_files(log, "hark", NULL), 0);
    check_all(log, NULL, 0);
    check_git(log, FSCK);
    /* Payloads that no ref reaches yet were merged and are kept all the same. */
    assert_true(count_files(log, "objects/pack", ".keep") != 0);
    check_git(log, "git gc -q --prune=now");
    check_all(log, NULL, 0);
    /* A reader who has old packs open goes on with the new ones. */
    log->repo = reader;
    check_all(log, NULL, 0);
    log->repo = writer;
    hark_repo_free(reader);
    log_cover(log);
    assert_int_equal(count_files(log, "objects/pack", ".keep"), 0);
    check_git(log, FSCK);
    log_free(log);
}

/* Who reads a log from its beginning to its end gets the same objects, across what is read
 * from a pack at once, and while packs are merged under its hands. */
static void test_repo__reads_in_order(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    struct hark_repo *reader = NULL;
    struct hark_repo *writer = log->repo;
    size_t merged = 0;
    size_t all_merged = 0;
    log_grow(log, 400);
    well(hark_repo_open(&reader, log->path, &err), &err);
    hark_repo_near(reader, true);
    for (int i = 0; i < 26; i++) {
        log_grow(log, i % 13 == 0 ? 150 : 1);
        if (i % 13 == 6) {
            log_cover(log);
        }
        if (i % 13 == 12) {
            well(hark_repo_merge_packs(writer, &merged, &err), &err);
            all_merged += merged;
        }
        log->repo = reader;
        check_all(log, NULL, 0);
        log->repo = writer;
    }
    assert_true(all_merged > 0);
    well(hark_repo_gc(writer, &err), &err);
    log->repo = reader;
    check_all(log, NULL, 0);
    hark_repo_near(reader, false);
    check_all(log, NULL, 0);
    log->repo = writer;
    hark_repo_free(reader);
    log_free(log);
}

/* Yesterday's payload trees do not pile up. */
static void test_repo__merges_away_old_payload_trees(void **state)
{
    (void)state;
    need_tool("git", "git --version");
    struct hark_err err;
    struct log *log = log_new();
    for (int i = 0; i < 40; i++) {
        log_grow(log, 1);
        log_cover(log);
        well(hark_repo_merge_packs(log->repo, NULL, &err), &err);
    }
    check_git(log, "test $(git fsck --unreachable | grep -c -e tree -e commit) -le 24");
    check_all(log, NULL, 0);
    log_free(log);
}

static void step_merge(struct log *log, void *arg)
{
    struct hark_err err;
    (void)arg;
    if (hark_repo_merge_packs(log->repo, NULL, &err) != 0) {
        _exit(4);
    }
}

static void test_repo__merges_when_killed_in_between(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    for (int i = 0; i < 10; i++) {
        log_grow(log, 1);
    }
    copy_repo(log, "cp -a space.git base.git");
    int nth = 0;
    for (bool died = true; died; nth += 4) {
        hark_repo_free(log->repo);
        log->repo = NULL;
        copy_repo(log, "rm -rf space.git && cp -a base.git space.git");
        died = dies_at(log, nth, step_merge, NULL);
        well(hark_repo_open(&log->repo, log->path, &err), &err);
        check_all(log, NULL, 0);
        check_git(log, "git gc -q --prune=now && " FSCK);
        check_all(log, NULL, 0);
        well(hark_repo_gc(log->repo, &err), &err);
        check_all(log, NULL, 0);
    }
    assert_true(nth > 15);
    log_free(log);
}

/* What nothing points to goes; the rest is sorted into packs of its own kind. */
static void test_repo__collects_garbage(void **state)
{
    (void)state;
    static const uint64_t positions[] = {1};
    struct hark_err err;
    struct log *log = log_new();
    struct hark_git_id id;
    uint64_t bytes = 0;
    log_grow(log, 10);
    log_cover(log);
    log_grow(log, 3);
    log_cover(log);
    /* A batch that lost the race: in packs, in no log. */
    struct batch *aborted = batch_new(log, 2, true);
    fault_errno = EIO;
    fault_after = 6;
    fault = FAULT_FAIL;
    assert_int_equal(
        hark_repo_store(log->repo, "main", &aborted->raw, &log->head.batch_id, &id, NULL, &err),
        HARK_E_IO);
    fault = FAULT_NONE;
    batch_free(aborted);
    assert_true(repo_has(log, "zebra-000014"));
    log->seq -= 2;
    log->last_id = log->ids[12];
    struct hark_buf entry = hark_buf_init(HARK_ENTRY_MAX);
    well(hark_repo_read(log->repo, HARK_GIT_COMMIT, &log->ids[12], &entry, &err), &err);
    log->last = hark_sha256(hark_buf_span(&entry));
    hark_buf_free(&entry);
    log_grow(log, 2); /* position 13 has a payload again, 14 has none */
    log_cover(log);
    check_git(log, "git gc -q && git cat-file blob refs/heads/payloads/main:03 | "
                   "git hash-object -w --stdin");
    write_file(log->dir, "space.git/objects/pack/tmp_pack_abc", hark_span("x", 1), 0600);
    write_file(log->dir, "space.git/hark/left.pack", hark_span("x", 1), 0600);
    well(hark_repo_gc(log->repo, &err), &err);
    well(hark_repo_disk(log->repo, &bytes, &err), &err);
    assert_true(bytes > 10000 && bytes < 10000000);
    assert_false(repo_has(log, "zebra-000014"));
    assert_int_equal(count_files(log, "objects/pack", ".pack"), 3);
    assert_int_equal(count_files(log, "objects/pack", NULL), 6);
    assert_int_equal(count_files(log, "hark", NULL), 0);
    check_all(log, NULL, 0);
    check_git(log, FSCK);
    check_git(log, "test -z \"$(git fsck --unreachable --no-dangling)\"");
    erase(log, positions, 1, &err);
    check_erased(log, positions, 1);
    log_free(log);
}

/* A ref's lock that a dead process left is broken; a live gc is waited for. */
static void test_repo__minds_locks(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    char text[128];
    char host[64] = "";
    log_grow(log, 1);
    write_file(log->dir, "space.git/refs/heads/main.lock", hark_span("", 0), 0600);
    log_grow(log, 1);
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    int n = snprintf(text, sizeof(text), "%ld %s", (long)getppid(), host);
    write_file(log->dir, "space.git/gc.pid", hark_span(text, (size_t)n), 0600);
    assert_int_equal(hark_repo_gc(log->repo, &err), HARK_E_BUSY);
    n = snprintf(text, sizeof(text), "%ld %s", 4194303L, host);
    write_file(log->dir, "space.git/gc.pid", hark_span(text, (size_t)n), 0600);
    well(hark_repo_gc(log->repo, &err), &err);
    check_all(log, NULL, 0);
    log_free(log);
}

/* ---- damage ---- */

/* Every byte of a pack and its index, one at a time: reading says so or gives the
 * right bytes, merging and erasing say so and lose nothing. */
static void test_repo__notices_damage(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    size_t noticed = 0;
    log_grow(log, 1);
    struct hark_buf truth = hark_buf_init(HARK_ENTRY_MAX);
    well(hark_repo_read(log->repo, HARK_GIT_COMMIT, &log->ids[0], &truth, &err), &err);
    assert_int_equal(run_tool(log->dir, "cp -a space.git base.git && ls space.git/objects/pack/"
                                        "*.pack | xargs -n 1 basename -s .pack >names"),
                     0);
    for (size_t at = 0; at < 1600; at += 47) {
        static const char *const files[] = {"pack", "idx"};
        for (size_t f = 0; f < 2; f++) {
            char script[512];
            snprintf(script, sizeof(script),
                     "rm -rf space.git; cp -a base.git space.git; for n in $(cat names); do "
                     "printf '\\377' | dd of=space.git/objects/pack/$n.%s bs=1 seek=%zu "
                     "conv=notrunc; done",
                     files[f], at);
            hark_repo_free(log->repo);
            log->repo = NULL;
            assert_int_equal(run_tool(log->dir, script), 0);
            if (hark_repo_open(&log->repo, log->path, &err) != 0) {
                continue;
            }
            struct hark_buf out = hark_buf_init(HARK_ENTRY_MAX);
            int rc = 0;
            for (int near = 0; near < 2; near++) {
                hark_buf_clear(&out);
                hark_repo_near(log->repo, near == 1);
                rc = hark_repo_read(log->repo, HARK_GIT_COMMIT, &log->ids[0], &out, &err);
                assert_true(rc != 0 || hark_span_equal(hark_buf_span(&out), hark_buf_span(&truth)));
            }
            noticed += rc != 0 ? 1 : 0;
            hark_buf_free(&out);
            struct hark_erasure item = {0, log->blobs[0]};
            rc = hark_repo_erase(log->repo, "main", &item, 1, &err);
            rc = rc != 0 ? rc : hark_repo_gc(log->repo, &err);
            (void)rc; /* that it comes back is what is asked here */
        }
    }
    assert_true(noticed > 5);
    hark_buf_free(&truth);
    log_free(log);
}

/* What cannot be read now is neither missing nor garbage: a ref that is overlooked would
 * cost all that it reaches, an object that is called absent is told as damage or erased. */
static void test_repo__tells_unreadable_from_absent(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    struct hark_buf out = hark_buf_init(HARK_ENTRY_MAX);
    log_grow(log, 3);
    log_cover(log);
    size_t packs = count_files(log, "objects/pack", NULL);
    for (int i = 0; i < 2; i++) {
        static const char *const refs[] = {"main", "payloads/main"};
        char script[256];
        /* Opening a link to itself fails for everybody, as a bad disk does. */
        snprintf(script, sizeof(script),
                 "cd space.git/refs/heads && mv %s ../../kept && ln -s \"$PWD/%s\" %s", refs[i],
                 refs[i], refs[i]);
        assert_int_equal(run_tool(log->dir, script), 0);
        assert_int_equal(hark_repo_gc(log->repo, &err), HARK_E_IO);
        assert_int_equal(count_files(log, "objects/pack", NULL), packs);
        snprintf(script, sizeof(script), "cd space.git/refs/heads && mv ../../kept %s", refs[i]);
        assert_int_equal(run_tool(log->dir, script), 0);
    }
    check_all(log, NULL, 0);
    hark_repo_free(log->repo);
    log->repo = NULL;
    assert_int_equal(run_tool(log->dir, "cd space.git/objects/pack && for f in *.idx; do "
                                        "mv $f ../../$f && ln -s $f $f; done"),
                     0);
    well(hark_repo_open(&log->repo, log->path, &err), &err);
    assert_int_equal(hark_repo_read(log->repo, HARK_GIT_COMMIT, &log->ids[0], &out, &err),
                     HARK_E_IO);
    assert_int_equal(run_tool(log->dir, "cd space.git && for f in *.idx; do "
                                        "mv $f objects/pack/$f; done"),
                     0);
    well(hark_repo_read(log->repo, HARK_GIT_COMMIT, &log->ids[0], &out, &err), &err);
    hark_buf_free(&out);
    log_free(log);
}

/* An index that leads out of its pack: not to be followed there. */
static void test_repo__follows_no_index_out_of_its_pack(void **state)
{
    (void)state;
    struct hark_err err;
    struct hark_repo *view = NULL;
    struct log *log = log_new();
    log_grow(log, 3);
    hark_repo_free(log->repo);
    log->repo = NULL;
    /* The last offset: before the two check sums. */
    assert_int_equal(run_tool(log->dir, "cd space.git/objects/pack && for f in *.idx; do "
                                        "chmod u+w $f && printf '\\004' | dd of=$f bs=1 "
                                        "seek=$(($(stat -c %s $f) - 43)) conv=notrunc; done"),
                     0);
    assert_int_equal(hark_repo_open(&log->repo, log->path, &err), HARK_E_DAMAGED);
    assert_int_equal(hark_repo_view(&view, log->path, &err), HARK_E_DAMAGED);
    assert_null(log->repo);
    assert_null(view);
    log_free(log);
}

/* An object whose bytes are sound, but not those that its name says. */
static void test_repo__compares_bytes_with_names(void **state)
{
    (void)state;
    need_tool("git", "git --version");
    struct hark_err err;
    struct log *log = log_new();
    struct hark_buf out = hark_buf_init(100);
    struct hark_git_id id;
    memset(id.bytes, 0xaa, sizeof(id.bytes));
    check_git(log, "h=$(echo false | git hash-object -w --stdin) && mkdir objects/aa && "
                   "cp objects/$(echo $h | cut -c 1-2)/$(echo $h | cut -c 3-) "
                   "objects/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(hark_repo_read(log->repo, HARK_GIT_BLOB, &id, &out, &err), HARK_E_DAMAGED);
    hark_buf_free(&out);
    log_free(log);
}

/* ---- deflating ---- */

/* Fills `out` with what the codes for entries and payloads fit, and with what they do
 * not: text in Latin and other scripts, hex, noise, one byte again and again. */
static void fill_bytes(uint8_t *out, size_t size, int sort)
{
    static const char latin[] = "{\"salt\":\"72c2df45a95855b9\",\"body\":\"where birds rest\"}   ";
    static const char other[] = "\xe7\xa7\x81\xe3\x81\x9f\xe3\x81\xa1\xd0\xb6\xd1\x8f\xc3\xbc";
    static const char digits[] = "0123456789abcdef";
    uint32_t chance = 12345;
    for (size_t i = 0; i < size; i++) {
        chance = chance * 1664525u + 1013904223u;
        const uint8_t sorts[] = {(uint8_t)latin[i % (sizeof(latin) - 1)],
                                 (uint8_t)other[(chance >> 16) % (sizeof(other) - 1)],
                                 (uint8_t)digits[chance >> 28], (uint8_t)(chance >> 24), 0};
        out[i] = sorts[sort];
    }
}

/* Whatever an object says, its stream says the same to zlib, and is hardly ever longer
 * than what it says. */
static void test_repo__deflates_any_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 64, 191, 1000, 2048, 2049, 65536};
    static const enum hark_git_type types[] = {HARK_GIT_COMMIT, HARK_GIT_BLOB, HARK_GIT_TREE};
    static uint8_t bytes[65536], back[65536 + 1];
    struct hark_err err;
    struct log *log = log_new();
    const struct hark_git_id id = {{0}};
    for (size_t n = 0; n < 3 * 8 * 5; n++) {
        struct hark_packed packed;
        size_t size = sizes[n / 3 % 8], header = 1;
        uLongf said = sizeof(back);
        fill_bytes(bytes, size, (int)(n / 24));
        well(hark_repo_pack(log->repo, types[n % 3], &id, hark_span(bytes, size), &packed, &err),
             &err);
        while ((packed.bytes[header - 1] & 0x80) != 0) {
            header++;
        }
        assert_int_equal(uncompress(back, &said, packed.bytes + header, packed.size - header),
                         Z_OK);
        assert_int_equal(said, size);
        assert_memory_equal(back, bytes, size);
        assert_true(packed.size - header <= size + 5 * (1 + size / 30000) + 6);
        hark_packed_free(&packed);
    }
    log_free(log);
}

/* Codes that are made once may cost a little, and only where they fit. */
static void test_repo__deflates_what_is_alike_nearly_as_small(void **state)
{
    (void)state;
    struct hark_err err;
    struct log *log = log_new();
    struct hark_line line;
    struct batch *b = calloc(1, sizeof(*b));
    const struct hark_git_id id = {{0}};
    static uint8_t room[4096], other[1200];
    uLongf best = sizeof(room);
    struct hark_packed packed;
    assert_non_null(b);
    make_entry(log, b, 0, 0, true, &line);
    assert_int_equal(compress2(room, &best, b->objects[0].data, b->objects[0].size, 6), Z_OK);
    well(hark_repo_pack(log->repo, HARK_GIT_COMMIT, &id, hark_buf_span(&b->objects[0]), &packed,
                        &err),
         &err);
    assert_in_range(packed.size, best / 2, best + best / 10);
    hark_packed_free(&packed);
    fill_bytes(other, sizeof(other), 1);
    best = sizeof(room);
    assert_int_equal(compress2(room, &best, other, sizeof(other), 6), Z_OK);
    well(hark_repo_pack(log->repo, HARK_GIT_BLOB, &id, hark_span(other, sizeof(other)), &packed,
                        &err),
         &err);
    assert_in_range(packed.size, best / 2, best + best / 10);
    hark_packed_free(&packed);
    hark_buf_free(&b->objects[0]);
    hark_buf_free(&b->payloads[0]);
    free(b);
    log_free(log);
}

/* ---- time ---- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Says how fast it is here; asserts nothing about it. */
static void test_repo__tells_its_speed(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 50, 1000};
    really_sync = true;
    for (size_t s = 0; s < 3; s++) {
        struct hark_err err;
        struct log *log = log_new();
        double storing = 0;
        double covering = 0;
        size_t rounds = sizes[s] == 1000 ? 3 : 10;
        for (size_t i = 0; i < rounds; i++) {
            struct batch *b = batch_new(log, sizes[s], true);
            double start = now_s();
            well(batch_store(log, b, &err), &err);
            storing += now_s() - start;
            log_goes_on(log, b);
            batch_free(b);
            start = now_s();
            log_cover(log);
            covering += now_s() - start;
        }
        double start = now_s();
        check_all(log, NULL, 0);
        double reading = now_s() - start;
        start = now_s();
        well(hark_repo_gc(log->repo, &err), &err);
        double collecting = now_s() - start;
        print_message("batches of %4zu, with payloads: %8.0f entries/s, %5.2f ms each; cover "
                      "%5.2f ms; %.0f objects read/s; gc %.0f objects/s\n",
                      sizes[s], (double)(rounds * sizes[s]) / storing,
                      storing * 1000 / (double)rounds, covering * 1000 / (double)rounds,
                      2 * (double)log->head.tree.size / reading,
                      2 * (double)log->head.tree.size / collecting);
        log_free(log);
    }
    really_sync = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repo__gives_a_batch_back),
        cmocka_unit_test(test_repo__says_what_is_not_there),
        cmocka_unit_test(test_repo__moves_a_log_by_compare_and_swap),
        cmocka_unit_test(test_repo__pleases_stock_git),
        cmocka_unit_test(test_repo__survives_gc_by_hand),
        cmocka_unit_test(test_repo__packs_a_lone_batch_at_once),
        cmocka_unit_test(test_repo__survives_gc_by_hand_before_the_ref),
        cmocka_unit_test(test_repo__finds_every_payload_once),
        cmocka_unit_test(test_repo__covers_across_levels),
        cmocka_unit_test(test_repo__covers_what_has_no_payloads),
        cmocka_unit_test(test_repo__covers_the_same_of_two_logs),
        cmocka_unit_test(test_repo__keeps_what_is_not_covered),
        cmocka_unit_test(test_repo__erases_for_good),
        cmocka_unit_test(test_repo__erases_after_gc_by_hand),
        cmocka_unit_test(test_repo__erases_a_blob_everywhere),
        cmocka_unit_test(test_repo__erases_when_killed_in_between),
        cmocka_unit_test(test_repo__stores_all_or_nothing_when_killed),
        cmocka_unit_test(test_repo__stores_all_or_nothing_when_the_disk_fails),
        cmocka_unit_test(test_repo__merges_without_loss),
        cmocka_unit_test(test_repo__reads_in_order),
        cmocka_unit_test(test_repo__merges_away_old_payload_trees),
        cmocka_unit_test(test_repo__merges_when_killed_in_between),
        cmocka_unit_test(test_repo__collects_garbage),
        cmocka_unit_test(test_repo__minds_locks),
        cmocka_unit_test(test_repo__notices_damage),
        cmocka_unit_test(test_repo__tells_unreadable_from_absent),
        cmocka_unit_test(test_repo__follows_no_index_out_of_its_pack),
        cmocka_unit_test(test_repo__compares_bytes_with_names),
        cmocka_unit_test(test_repo__deflates_any_bytes),
        cmocka_unit_test(test_repo__deflates_what_is_alike_nearly_as_small),
        cmocka_unit_test(test_repo__tells_its_speed),
    };
    if (hark_crypto_init(NULL) != 0 || hark_git_init(NULL) != 0) {
        return 1;
    }
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    hark_git_shutdown();
    return failures;
}
