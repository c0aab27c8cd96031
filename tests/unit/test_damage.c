/*
 * Damage on the disk: every file of a partner's space (packs, their indexes, refs, the
 * index, its write-ahead log, the outbox) with one bit turned round, or cut short, at a
 * time. Whatever is damaged, opening and reading end; what is read, and what would be
 * served to a peer, is true or an error with a name; what cannot be read is named by
 * the checks that `hark verify` and `hark repair` make; a damaged index is made anew by
 * whoever opens it to write; and the space copied anew is byte for byte the same.
 *
 * Everyday runs try a sample, spread over all files, which HARK_DAMAGE_SEED chooses and
 * HARK_DAMAGE_TRIALS sizes, of files whose path holds HARK_DAMAGE_ONLY; HARK_LONG=1 tries as many
 * as fit into two minutes. HARK_DAMAGE_EVERY=n tries every nth byte in turn, both ways.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "node/sqlite.h"
#include "replication/messages.h"
#include "tests/support/number.h"
#include "tests/unit/flight_stage.h"

#define FILES_MAX    256u
#define ANSWERS_MAX  512u
#define PATIENCE_S   60u /* for one trial: sanitizers and a busy machine included */
#define TRIALS       400u
#define LONG_SECONDS 110

/* ---- a folder in memory ------------------------------------------------------- */

struct file {
    char path[192]; /* below the folder */
    bool is_folder;
    uint8_t *bytes;
    size_t size;
};

struct folder {
    size_t count;
    struct file files[FILES_MAX];
};

static struct folder *keeping;
static size_t keeping_root;

static int keep_file(const char *path, const struct stat *info, int type, struct FTW *where)
{
    struct file *file = &keeping->files[keeping->count];
    struct hark_buf bytes = hark_buf_init(64u << 20);

    (void)info;
    (void)where;
    if (path[keeping_root] == '\0')
        return 0;
    assert_true(keeping->count < FILES_MAX);
    assert_true(strlen(path + keeping_root + 1) < sizeof(file->path));
    memcpy(file->path, path + keeping_root + 1, strlen(path + keeping_root + 1) + 1);
    file->is_folder = type == FTW_D;
    if (type == FTW_F) {
        OK(hark_file_read(path, &bytes, &err));
        file->size = bytes.size;
        file->bytes = malloc(bytes.size + 1);
        assert_non_null(file->bytes);
        if (bytes.size > 0)
            memcpy(file->bytes, bytes.data, bytes.size);
    }
    hark_buf_free(&bytes);
    keeping->count++;
    return 0;
}

static void folder_read(struct folder *folder, const char *path)
{
    memset(folder, 0, sizeof(*folder));
    keeping = folder;
    keeping_root = strlen(path);
    assert_int_equal(nftw(path, keep_file, 16, FTW_PHYS), 0);
}

static void folder_free(struct folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->files[i].bytes);
}

/* Writes all of it; file number `at` with `bytes` in place of its own. */
static void folder_write(const struct folder *folder, const char *path, size_t at,
                         struct hark_span bytes)
{
    char to[STAGE_PATH_MAX + 200];

    OK(hark_tree_remove(path, &err));
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < folder->count; i++) {
        const struct file *file = &folder->files[i];
        struct hark_span what = i == at ? bytes : hark_span(file->bytes, file->size);
        int fd;

        (void)snprintf(to, sizeof(to), "%s/%s", path, file->path);
        if (file->is_folder) {
            assert_int_equal(mkdir(to, 0700), 0);
            continue;
        }
        fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, what.data, what.size), (ssize_t)what.size);
        assert_int_equal(close(fd), 0);
    }
}

/* ---- everything that a space says ----------------------------------------------- */

static struct party party;

struct answer {
    int code;
    struct hark_hash hash;
    const char *about;
};

struct answers {
    size_t count;
    struct answer list[ANSWERS_MAX];
};

/* What stands in a log at most, so that a log that has grown by damage is no loop. */
struct shape {
    uint64_t entries, batches;
    size_t intakes;
    hark_node_name names[4];
    uint64_t intake_batches[4];
    struct hark_hash state;
};

static void answer(struct answers *out, const char *about, int code, const void *bytes, size_t size)
{
    assert_true(out->count < ANSWERS_MAX);
    out->list[out->count++] = (struct answer){
        .code = code, .hash = hark_sha256(hark_span(bytes, code == 0 ? size : 0)), .about = about};
}

/* A batch as the network would pack it. */
static void ask_batch(struct hark_space *space, const char *node, uint64_t number,
                      struct answers *out)
{
    struct hark_buf wire = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_space_batch batch = {.items = NULL};
    struct hark_err why = {0};
    int rc = hark_space_read_batch(space, node, number, &batch, &why);

    if (rc == 0)
        rc = hark_wire_batch_encode(&wire, &batch.raw, &why);
    answer(out, "a batch for a peer", rc, wire.data, wire.size);
    hark_space_batch_free(&batch);
    hark_buf_free(&wire);
}

static void ask_row(struct hark_space *space, uint64_t position, struct answers *out)
{
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX + HARK_PAYLOAD_MAX);
    struct hark_tally tally = {.eligible = 0};
    struct hark_index_batch batch = {.number = 0};
    struct hark_row row;
    struct hark_err why = {0};
    char title[256] = "";
    int rc;

    memset(&row, 0, sizeof(row));
    rc = hark_index_row(hark_space_index(space), position, &row, &why);
    answer(out, "a row", rc, &row, sizeof(row));
    if (rc == 0) {
        rc = hark_space_entry(space, &row, &bytes, &why);
        answer(out, "an entry", rc, bytes.data, bytes.size);
        hark_buf_clear(&bytes);
        rc = hark_space_payload(space, &row, &bytes, &why);
        answer(out, "a payload", rc, bytes.data, bytes.size);
    } else {
        answer(out, "an entry", rc, NULL, 0);
        answer(out, "a payload", rc, NULL, 0);
    }
    rc = hark_index_title(hark_space_index(space), position, title, sizeof(title), &why);
    answer(out, "a title", rc, title, strlen(title));
    rc = hark_index_tally(hark_space_index(space), position, NULL, 0, 0, &tally, &why);
    answer(out, "a tally", rc, &tally, sizeof(tally));
    rc = hark_index_batch(hark_space_index(space), position, &batch, &why);
    answer(out, "an entry's batch", rc, &batch, sizeof(batch));
    hark_buf_free(&bytes);
}

static int add_found(void *arg, const struct hark_row *row, struct hark_err *why)
{
    return hark_buf_append(arg, row->id.bytes, sizeof(row->id.bytes), why);
}

static void ask_whole(struct hark_space *space, struct answers *out)
{
    struct hark_log_query all = {.after = HARK_NONE, .re = HARK_NONE};
    struct hark_buf found = hark_buf_init(1u << 20);
    struct hark_err why = {0};
    struct hark_hash hash = {{0}};
    uint64_t size = hark_state_size(hark_space_state(space)), roles[2] = {0};
    char name[256] = "";
    int rc = hark_state_hash(hark_space_state(space), &hash, &why);

    answer(out, "the size", 0, &size, sizeof(size));
    answer(out, "the state", rc, &hash, sizeof(hash));
    rc = hark_index_content_hash(hark_space_index(space), &hash, &why);
    answer(out, "the contents", rc, &hash, sizeof(hash));
    rc = hark_index_active(hark_space_index(space), roles, &why);
    answer(out, "who is active", rc, roles, sizeof(roles));
    rc = hark_index_search(hark_space_index(space), "bench", 0, add_found, &found, &why);
    answer(out, "a search", rc, found.data, found.size);
    hark_buf_clear(&found);
    rc = hark_index_log(hark_space_index(space), &all, add_found, &found, &why);
    answer(out, "the log", rc, found.data, found.size);
    for (uint32_t member = 0; member < MEMBERS; member++) {
        rc = hark_index_member_name(hark_space_index(space), member, name, sizeof(name), &why);
        answer(out, "a name", rc, name, strlen(name));
    }
    hark_buf_clear(&found);
    rc = hark_space_checkpoint(space, &found, &why);
    answer(out, "the checkpoint", rc, found.data, found.size);
    hark_buf_free(&found);
}

/* What is under way, and what would be handed in to another node. */
static void ask_outbox(struct hark_space *space, struct answers *out)
{
    const struct hark_flight_entry *entries = NULL;
    struct hark_buf bytes = hark_buf_init(1u << 20);
    struct hark_err why = {0};
    size_t count = 0;
    int rc = hark_space_flight(space, &entries, &count, &why);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_buf_append_span(&bytes, entries[i].object, &why);
        if (rc == 0 && entries[i].payload.data != NULL)
            rc = hark_buf_append_span(&bytes, entries[i].payload, &why);
        if (rc == 0)
            rc = hark_buf_append(&bytes, entries[i].node, strlen(entries[i].node) + 1, &why);
        if (rc == 0)
            rc = hark_buf_append_u64(&bytes, (uint64_t)entries[i].code, &why);
    }
    answer(out, "what is under way", rc, bytes.data, bytes.size);
    hark_buf_clear(&bytes);
    rc = hark_space_outbox_body(space, party.world->now_ms, &bytes, &count, &why);
    answer(out, "what is handed in", rc, bytes.data, bytes.size);
    hark_buf_free(&bytes);
}

static void ask(struct hark_space *space, const struct shape *shape, struct answers *out)
{
    out->count = 0;
    ask_whole(space, out);
    ask_outbox(space, out);
    for (uint64_t i = 0; i < shape->batches; i++)
        ask_batch(space, "", i, out);
    for (size_t k = 0; k < shape->intakes; k++)
        for (uint64_t i = 0; i < shape->intake_batches[k]; i++)
            ask_batch(space, shape->names[k], i, out);
    for (uint64_t i = 0; i < shape->entries; i++)
        ask_row(space, i, out);
}

/* ---- the space that is damaged -------------------------------------------------- */

static struct shape shape;
static struct answers truth;
static struct folder rest; /* P as it stands on the disk, closed */
static struct folder torn; /* P as a killed process leaves it: with a write-ahead log */
static struct folder back; /* the same when all of that log is in the index already */
static char trial_dir[STAGE_PATH_MAX];

static void say_at_home(const char *kind, uint32_t by, const char *field, const char *value,
                        uint64_t about)
{
    (void)world_say(party.world, by, kind, stage_text(field, value), about);
}

static void log_more(size_t from)
{
    party_log(&party, from, party.world->count);
    OK(hark_space_tend(party.nodes[HOME], &err));
    assert_true(party_carry(&party, HOME, P, ""));
    OK(hark_space_tend(party.nodes[P], &err));
}

/* Several batches, an erasure carried out, packs merged and single ones, two intakes. */
static void write_history(void)
{
    struct world *w = party.world;
    size_t from = w->count;
    uint64_t idea =
        world_say(w, party.members[1], "idea", stage_text("body", "A bench"), party.topic);
    uint64_t oops = world_say(w, party.members[2], "post", stage_text("body", "Oh"), idea);

    say_at_home("profile", party.members[0], "name", "Ada", HARK_NONE);
    say_at_home("vote", party.members[0], "choice", "agree", idea);
    say_at_home("vote", party.members[2], "choice", "disagree", idea);
    log_more(from);
    from = w->count;
    (void)world_say(w, party.members[2], "erase", NULL, oops);
    say_at_home("post", party.members[3], "body", "Not by the pond", idea);
    log_more(from);
    OK(hark_repo_gc(hark_space_repo(party.nodes[P]), &err));
    from = w->count;
    say_at_home("vote", party.members[1], "choice", "pass", idea);
    log_more(from);
    assert_true(party_carry(&party, HOME, Q, ""));
    for (unsigned i = 0; i < 3; i++)
        (void)party_accept(&party, i == 1 ? Q : P, party_post(&party, i, idea));
    assert_true(party_carry(&party, Q, P, party_names[Q]));
    assert_true(party_carry(&party, P, Q, party_names[P]));
    OK(hark_space_tend(party.nodes[P], &err));
    party_put(&party, P, party_post(&party, 3, idea));
}

static void learn_shape(struct hark_space *space)
{
    hark_node_name *names = NULL;
    struct hark_log_head head;

    shape.entries = hark_state_size(hark_space_state(space));
    OK(hark_space_log(space, "", &head, &shape.batches, &err));
    OK(hark_space_intakes(space, &names, &shape.intakes, &err));
    assert_in_range(shape.intakes, 2, 4);
    for (size_t i = 0; i < shape.intakes; i++) {
        memcpy(shape.names[i], names[i], sizeof(names[i]));
        OK(hark_space_log(space, names[i], &head, &shape.intake_batches[i], &err));
    }
    free(names);
    OK(hark_state_hash(hark_space_state(space), &shape.state, &err));
}

/* As SQLite does from time to time: the log stays until the next transaction. */
static void write_back(const char *place)
{
    char path[STAGE_PATH_MAX + 128], hex[2 * HARK_HASH_SIZE + 1];
    sqlite3 *db = NULL;

    hark_hash_hex(hex, &party.world->space);
    (void)snprintf(path, sizeof(path), "%s/index/%s.db", place, hex);
    OK(hark_sqlite_open(&db, path, HARK_SQLITE_WRITE, "index", &err));
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(PASSIVE)", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int set_up(void **state)
{
    char place[STAGE_PATH_MAX];

    (void)party_set_up_all(state);
    party_begin(&party);
    write_history();
    (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, P + 1);
    (void)snprintf(trial_dir, sizeof(trial_dir), "%s/trial", stage_dir);
    assert_sound(party.nodes[P]);
    folder_read(&torn, place);
    write_back(place);
    folder_read(&back, place);
    hark_space_free(party.nodes[P]);
    folder_read(&rest, place);
    OK(hark_space_open(&party.nodes[P], place, &party.world->space, false, NULL, &err));
    learn_shape(party.nodes[P]);
    ask(party.nodes[P], &shape, &truth);
    return 0;
}

static int tear_down(void **state)
{
    party_end(&party);
    folder_free(&rest);
    folder_free(&torn);
    folder_free(&back);
    return stage_tear_down_all(state);
}

/* ---- one trial ------------------------------------------------------------------- */

static char trial_name[320];

static void on_alarm(int number)
{
    static const char text[] = "\nthis takes for ever: ";

    (void)number;
    if (write(2, text, sizeof(text) - 1) < 0 || write(2, trial_name, strlen(trial_name)) < 0)
        _exit(3);
    _exit(2);
}

/* What damage of a file may say; anything else would be a riddle to whoever reads it. */
static void assert_named(const char *what, int code)
{
    if (code == HARK_E_INTERNAL || code == HARK_E_NO_MEMORY || code == HARK_E_USAGE ||
        code == HARK_E_DISK_FULL || code == HARK_E_BUSY)
        fail_msg("%s: %s: %s: %s", trial_name, what, hark_err_name(code), err.message);
}

/* How many answers could not be had; none of the others is another than the truth. */
static size_t compare(const char *who, const struct answers *got)
{
    size_t missing = 0;

    assert_int_equal(got->count, truth.count);
    for (size_t i = 0; i < got->count; i++) {
        const struct answer *is = &got->list[i], *was = &truth.list[i];

        if (is->code == was->code && hark_hash_equal(&is->hash, &was->hash))
            continue;
        if (is->code == 0)
            fail_msg("%s: %s is told something untrue: %s (%zu)", trial_name, who, is->about, i);
        assert_named(is->about, is->code);
        missing++;
    }
    return missing;
}

enum outcome { HARMLESS, REBUILT, READER_TOLD, TOLD, NAMED, CLOSED, OUTCOMES };

static const char *const outcome_names[OUTCOMES] = {
    "everything still reads truly, and nothing is wrong to any check",
    "the index was made anew from the repository",
    "readers are told, writers mend it",
    "who asks for it is told",
    "the checks name it",
    "the space does not open, and says why",
};

static bool index_is_new(const struct stat *before)
{
    char path[STAGE_PATH_MAX + 128], hex[2 * HARK_HASH_SIZE + 1];
    struct stat now;

    hark_hash_hex(hex, &party.world->space);
    (void)snprintf(path, sizeof(path), "%s/index/%s.db", trial_dir, hex);
    return stat(path, &now) != 0 || now.st_ino != before->st_ino;
}

static void stat_index(struct stat *out)
{
    char path[STAGE_PATH_MAX + 128], hex[2 * HARK_HASH_SIZE + 1];

    hark_hash_hex(hex, &party.world->space);
    (void)snprintf(path, sizeof(path), "%s/index/%s.db", trial_dir, hex);
    assert_int_equal(stat(path, out), 0);
}

static bool is_earlier(struct hark_space *space)
{
    bool earlier = hark_state_size(hark_space_state(space)) < shape.entries;

    for (size_t i = 0; i < shape.intakes && !earlier; i++) {
        struct hark_log_head head;
        uint64_t batches = 0;
        int rc = hark_space_log(space, shape.names[i], &head, &batches, NULL);

        earlier = rc == HARK_E_NOT_FOUND || (rc == 0 && batches < shape.intake_batches[i]);
    }
    return earlier;
}

/* By a reader who may not mend anything. true: everything was there. */
static bool read_only(bool torn_one)
{
    static struct answers got;
    struct hark_space *space = NULL;
    int rc = hark_space_open(&space, trial_dir, &party.world->space, true, NULL, &err);
    size_t missing;

    if (rc < 0) {
        assert_named("a reader", rc);
        return false;
    }
    /* A reader of what was not closed may see an earlier instant: a true one. */
    if (torn_one && is_earlier(space)) {
        hark_space_free(space);
        return true;
    }
    ask(space, &shape, &got);
    missing = compare("a reader", &got);
    hark_space_free(space);
    return missing == 0;
}

/* What `hark verify` and `hark repair` look at: 0, or what they say. */
static int check(struct hark_space *space)
{
    struct hark_verified verified;
    int rc = hark_space_verify(space, STAGE_ANY_TIME, &verified, &err);

    if (rc == 0 && !hark_hash_equal(&verified.state_hash, &shape.state))
        fail_msg("%s: what verifies is another state", trial_name);
    return rc == 0 ? hark_index_check(hark_space_index(space), &err) : rc;
}

static enum outcome read_and_write(bool reader_was_told)
{
    static struct answers got;
    struct hark_space *space = NULL;
    struct stat before;
    size_t missing;
    bool fresh;
    int rc;

    stat_index(&before);
    rc = hark_space_open(&space, trial_dir, &party.world->space, false, NULL, &err);
    if (rc < 0) {
        assert_named("opening", rc);
        if (strncmp(trial_name, "spaces/", 7) != 0)
            fail_msg("%s: the space does not open: %s: %s", trial_name, hark_err_name(rc),
                     err.message);
        return CLOSED;
    }
    fresh = index_is_new(&before);
    ask(space, &shape, &got);
    missing = compare("a writer", &got);
    rc = check(space);
    hark_space_free(space);
    if (rc < 0)
        assert_named("a check", rc);
    /* Nobody else has what the outbox holds, and no check is about it: who needs it is
     * told. Everything else goes on. */
    if (strncmp(trial_name, "outbox/", 7) == 0)
        return missing == 0 ? HARMLESS : TOLD;
    if (missing > 0 && rc == 0)
        fail_msg("%s: %zu answers are missing, and no check says so", trial_name, missing);
    return rc < 0 ? NAMED : fresh ? REBUILT : reader_was_told ? READER_TOLD : HARMLESS;
}

/* ---- kinds of files ---------------------------------------------------------------- */

enum file_class {
    FILE_PACK,
    FILE_IDX,
    FILE_KEEP,
    FILE_REF,
    FILE_LOOSE,
    FILE_GIT_OTHER,
    FILE_INDEX,
    FILE_WAL,
    FILE_SHM,
    FILE_OUTBOX,
    FILE_CLASSES
};

static const char *const class_names[FILE_CLASSES] = {
    "packs",     "packs' indexes",      "keep files",
    "refs",      "loose objects",       "git's other files",
    "the index", "its write-ahead log", "its shared memory",
    "the outbox"};

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), tail = strlen(end);

    return size >= tail && strcmp(text + size - tail, end) == 0;
}

static enum file_class class_of(const char *path)
{
    if (strncmp(path, "outbox/", 7) == 0)
        return FILE_OUTBOX;
    if (strncmp(path, "index/", 6) == 0)
        return ends_with(path, "-wal") ? FILE_WAL : ends_with(path, "-shm") ? FILE_SHM : FILE_INDEX;
    if (strstr(path, "/objects/pack/") != NULL)
        return ends_with(path, ".pack")  ? FILE_PACK
               : ends_with(path, ".idx") ? FILE_IDX
                                         : FILE_KEEP;
    if (strstr(path, "/objects/") != NULL)
        return FILE_LOOSE;
    return strstr(path, "/refs/") != NULL ? FILE_REF : FILE_GIT_OTHER;
}

static size_t counts[FILE_CLASSES][2][OUTCOMES];

static enum outcome try_one(const struct folder *folder, size_t at, struct hark_span bytes)
{
    bool told;

    (void)alarm(PATIENCE_S);
    folder_write(folder, trial_dir, at, bytes);
    /* A reader has nothing of its own to read a repository with. */
    told = class_of(folder->files[at].path) >= FILE_INDEX && !read_only(folder != &rest);
    enum outcome outcome = read_and_write(told);
    (void)alarm(0);
    return outcome;
}

static void try_bit(const struct folder *folder, size_t at, size_t byte, unsigned bit)
{
    const struct file *file = &folder->files[at];

    (void)snprintf(trial_name, sizeof(trial_name), "%s: bit %u of byte %zu of %zu", file->path, bit,
                   byte, file->size);
    file->bytes[byte] = (uint8_t)(file->bytes[byte] ^ 1u << bit);
    counts[class_of(file->path)][0][try_one(folder, at, hark_span(file->bytes, file->size))]++;
    file->bytes[byte] = (uint8_t)(file->bytes[byte] ^ 1u << bit);
}

static void try_cut(const struct folder *folder, size_t at, size_t size)
{
    const struct file *file = &folder->files[at];

    (void)snprintf(trial_name, sizeof(trial_name), "%s: cut to %zu of %zu bytes", file->path, size,
                   file->size);
    counts[class_of(file->path)][1][try_one(folder, at, hark_span(file->bytes, size))]++;
}

/* ---- which ---------------------------------------------------------------------------- */

static uint64_t chance; /* of a seeded generator */

static uint64_t random_below(uint64_t below)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % below;
}

static time_t seconds(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec;
}

/* Larger files get more trials, small ones enough. */
static uint64_t weight_of(const struct file *file)
{
    uint64_t root = 0;

    if (file->is_folder || file->size == 0)
        return 0;
    while ((root + 1) * (root + 1) <= file->size)
        root++;
    return 6 + root;
}

static void try_somewhere(const struct folder *folder, size_t at)
{
    const struct file *file = &folder->files[at];

    if (random_below(5) == 0)
        try_cut(folder, at, random_below(file->size));
    else
        try_bit(folder, at, random_below(file->size), (unsigned)random_below(8));
}

/* Of what a process leaves that was killed only the index is another. */
static bool is_tried(const struct folder *folder, const struct file *file)
{
    const char *only = getenv("HARK_DAMAGE_ONLY");

    if (weight_of(file) == 0 || (only != NULL && strstr(file->path, only) == NULL))
        return false;
    return folder == &rest || strncmp(file->path, "index/", 6) == 0;
}

static void try_sample(const struct folder *folder, uint64_t trials, time_t until)
{
    uint64_t all = 0;

    for (size_t i = 0; i < folder->count; i++)
        all += is_tried(folder, &folder->files[i]) ? weight_of(&folder->files[i]) : 0;
    for (size_t i = 0; all > 0 && i < folder->count; i++) {
        if (!is_tried(folder, &folder->files[i]))
            continue;
        for (uint64_t n = weight_of(&folder->files[i]) * trials / all + 1; n > 0; n--)
            if (seconds() < until)
                try_somewhere(folder, i);
    }
}

static void try_every(const struct folder *folder, uint64_t stride)
{
    for (size_t i = 0; i < folder->count; i++) {
        if (!is_tried(folder, &folder->files[i]))
            continue;
        for (uint64_t at = 0; at < folder->files[i].size; at += stride) {
            try_bit(folder, i, at, (unsigned)(at / stride % 8));
            try_cut(folder, i, at);
        }
    }
}

static void print_counts(void)
{
    static const char *const ways[] = {"a bit turned", "cut short"};

    for (size_t c = 0; c < FILE_CLASSES; c++)
        for (size_t way = 0; way < 2; way++)
            for (size_t o = 0; o < OUTCOMES; o++)
                if (counts[c][way][o] > 0)
                    print_message("%6zu x %s, %s: %s\n", counts[c][way][o], class_names[c],
                                  ways[way], outcome_names[o]);
}

static void test_damage__is_told_or_mended_and_never_believed(void **state)
{
    uint64_t seed = number_from("HARK_DAMAGE_SEED", 1);
    uint64_t trials = number_from("HARK_DAMAGE_TRIALS", TRIALS);
    uint64_t every = number_from("HARK_DAMAGE_EVERY", 0);
    bool longer = getenv("HARK_LONG") != NULL;
    time_t until = seconds() + (longer ? LONG_SECONDS : 3600);

    (void)state;
    chance = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    print_message("HARK_DAMAGE_SEED=%llu\n", (unsigned long long)seed);
    assert_true(signal(SIGALRM, on_alarm) != SIG_ERR);
    if (every > 0) {
        try_every(&rest, every);
        try_every(&torn, every);
        try_every(&back, every);
        print_counts();
        return;
    }
    do {
        try_sample(&rest, trials * 3 / 4, until);
        try_sample(&torn, trials / 8, until);
        try_sample(&back, trials / 8, until);
    } while (longer && seconds() < until);
    print_counts();
}

static void take_log(struct hark_space *from, const char *log, uint64_t batches,
                     struct hark_space *to)
{
    for (uint64_t i = 0; i < batches; i++) {
        struct hark_space_batch batch;

        OK(hark_space_read_batch(from, log, i, &batch, &err));
        OK(hark_space_take(to, log, &batch.raw, STAGE_ANY_TIME, &err));
        hark_space_batch_free(&batch);
    }
}

/* What `hark repair` does with a repository that it has set aside: all of it from others,
 * and then everything is as it was, down to the git ids. */
static void test_damage__leaves_nothing_that_others_cannot_give_back(void **state)
{
    static struct answers got;
    struct hark_space *anew = NULL;

    (void)state;
    (void)snprintf(trial_name, sizeof(trial_name), "fetched anew");
    folder_write(&rest, trial_dir, FILES_MAX, (struct hark_span){0});
    assert_int_equal(run_tool(trial_dir, "rm -r spaces/* index/*"), 0);
    OK(hark_space_create(&anew, trial_dir, &party.world->space, NULL, &err));
    take_log(party.nodes[HOME], "", shape.batches, anew);
    for (size_t i = 0; i < shape.intakes; i++)
        take_log(party.nodes[Q], shape.names[i], shape.intake_batches[i], anew);
    OK(hark_space_tend(anew, &err));
    ask(anew, &shape, &got);
    assert_int_equal(compare("who asks", &got), 0);
    assert_int_equal(check(anew), 0);
    hark_space_free(anew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage__leaves_nothing_that_others_cannot_give_back),
        cmocka_unit_test(test_damage__is_told_or_mended_and_never_believed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
