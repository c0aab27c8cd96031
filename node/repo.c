/*
 * A space's repository: making and opening it, refs, storing a batch and reading
 * it back. The order of writes in hark_repo_store is what durability rests on:
 *
 *   1. payload pack with its keep file, and entry pack, staged and synced
 *   2. renamed into objects/pack (keep file, pack, index; payloads first),
 *      that folder synced
 *   3. the ref, by compare and swap, synced with its folder
 *
 * Cut off anywhere before 3 is done the log stands at the old batch, and what
 * lies around is garbage that nothing points to.
 */
#include "node/files.h"
#include "repo_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <git2/sys/repository.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_PATIENCE_MS 2000
#define LOCK_STEP_MS     20
#define PATH_SIZE_MAX    4000u

/* ---- libgit2 ---- */

static int set_options(void)
{
    static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
                                 GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};
    int answer = 0;
    for (size_t i = 0; answer == 0 && i < sizeof(levels) / sizeof(levels[0]); i++) {
        /* What a machine's owner told git is not for us. */
        answer = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
    }
    const int switches[][2] = {
        {GIT_OPT_ENABLE_FSYNC_GITDIR, 1},
        {GIT_OPT_SET_OWNER_VALIDATION, 1},
        /* A ref may point to what this handle has not looked for yet. */
        {GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0},
        {GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1},
        /* Nothing that is erased may linger in memory, and readers keep caches
         * of what objects mean, not of objects. */
        {GIT_OPT_ENABLE_CACHING, 0},
        {GIT_OPT_DISABLE_PACK_KEEP_FILE_CHECKS, 1},
    };
    for (size_t i = 0; answer == 0 && i < sizeof(switches) / sizeof(switches[0]); i++) {
        answer = git_libgit2_opts(switches[i][0], switches[i][1]);
    }
    if (answer == 0) {
        answer = git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)8 * 1024 * 1024);
    }
    if (answer == 0) {
        answer = git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)256 * 1024 * 1024);
    }
    if (answer == 0) {
        answer = git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, (size_t)256);
    }
    return answer;
}

int hark_git_init(struct hark_err *err)
{
    int answer = git_libgit2_init();
    if (answer >= 0) {
        answer = set_options();
    }
    return answer >= 0 ? 0 : hark_repo_git_err(err, answer, "starting libgit2");
}

void hark_git_shutdown(void)
{
    git_libgit2_shutdown();
}

/* A folder that could not be opened for want of descriptors is "not found" to libgit2. */
static bool out_of_files(const git_error *last)
{
    return last != NULL && last->message != NULL &&
           (strstr(last->message, strerror(EMFILE)) != NULL ||
            strstr(last->message, strerror(ENFILE)) != NULL);
}

static int code_of(int answer, const git_error *last)
{
    switch (answer) {
    case GIT_ENOTFOUND:
        return out_of_files(last) ? HARK_E_IO : HARK_E_NOT_FOUND;
    case GIT_EMISMATCH:
        return HARK_E_DAMAGED;
    case GIT_EEXISTS:
    case GIT_EMODIFIED:
    case GIT_ELOCKED:
        return HARK_E_BUSY;
    case GIT_EINVALIDSPEC:
        return HARK_E_USAGE;
    case GIT_EOWNER:
        return HARK_E_IO_PERMISSION;
    default:
        break;
    }
    if (last == NULL) {
        return HARK_E_IO;
    }
    if (last->message == NULL) {
        return HARK_E_IO;
    }
    switch (last->klass) {
    case GIT_ERROR_NOMEMORY:
        return HARK_E_NO_MEMORY;
    case GIT_ERROR_OS:
    case GIT_ERROR_FILESYSTEM:
        return strstr(last->message, strerror(ENOSPC)) != NULL ||
                       strstr(last->message, strerror(EDQUOT)) != NULL
                   ? HARK_E_DISK_FULL
               : strstr(last->message, strerror(EROFS)) != NULL ? HARK_E_IO_PERMISSION
                                                                : HARK_E_IO;
    case GIT_ERROR_ZLIB:
    case GIT_ERROR_ODB:
    case GIT_ERROR_OBJECT:
    case GIT_ERROR_INDEXER:
    case GIT_ERROR_REFERENCE:
    case GIT_ERROR_CONFIG:
    case GIT_ERROR_REPOSITORY:
        return HARK_E_DAMAGED;
    default:
        return HARK_E_IO;
    }
}

int hark_repo_git_err(struct hark_err *err, int answer, const char *what)
{
    const git_error *last = git_error_last();
    const char *why = last != NULL && last->message != NULL ? last->message : "no reason given";
    return hark_err_set(err, code_of(answer, last), "%s: %s", what, why);
}

/* ---- git ids ---- */

git_object_t hark_repo_type(enum hark_git_type type)
{
    return type == HARK_GIT_COMMIT ? GIT_OBJECT_COMMIT
           : type == HARK_GIT_TREE ? GIT_OBJECT_TREE
                                   : GIT_OBJECT_BLOB;
}

static git_oid oid_of(const struct hark_git_id *id)
{
    git_oid oid = {{0}};
    memcpy(oid.id, id->bytes, HARK_GIT_ID_SIZE);
    return oid;
}

struct hark_git_id hark_git_hash(enum hark_git_type type, struct hark_span bytes)
{
    static const char *const names[] = {
        [HARK_GIT_COMMIT] = "commit ", [HARK_GIT_TREE] = "tree ", [HARK_GIT_BLOB] = "blob "};
    char digits[24] = {0}; /* of the size, at the end, with a NUL; made by the million */
    size_t at = sizeof(digits) - 1;
    struct hark_sha1 h;
    struct hark_git_id id = {{0}};
    for (size_t rest = bytes.size; at == sizeof(digits) - 1 || rest > 0; rest /= 10) {
        digits[--at] = (char)('0' + rest % 10);
    }
    hark_sha1_init(&h);
    hark_sha1_update(&h, names[type], strlen(names[type]));
    hark_sha1_update(&h, digits + at, sizeof(digits) - at);
    hark_sha1_update(&h, bytes.data, bytes.size);
    hark_sha1_final(&h, id.bytes);
    return id;
}

void hark_git_id_hex(char out[2 * HARK_GIT_ID_SIZE + 1], const struct hark_git_id *id)
{
    hark_hex_encode(out, id->bytes, HARK_GIT_ID_SIZE);
}

bool hark_git_id_equal(const struct hark_git_id *a, const struct hark_git_id *b)
{
    return memcmp(a->bytes, b->bytes, HARK_GIT_ID_SIZE) == 0;
}

static const char CHECKPOINT_LINE[] = "100644 checkpoint"; /* with its NUL */
static const char ENTRIES_LINE[] = "100644 entries";

static int batch_tree(struct hark_buf *tree, struct hark_git_id *id,
                      const struct hark_git_id *checkpoint, const struct hark_git_id *entries,
                      struct hark_err *err)
{
    size_t start = tree->size;
    int rc = hark_buf_append(tree, CHECKPOINT_LINE, sizeof(CHECKPOINT_LINE), err);
    if (rc == 0) {
        rc = hark_buf_append(tree, checkpoint->bytes, HARK_GIT_ID_SIZE, err);
    }
    if (rc == 0) {
        rc = hark_buf_append(tree, ENTRIES_LINE, sizeof(ENTRIES_LINE), err);
    }
    if (rc == 0) {
        rc = hark_buf_append(tree, entries->bytes, HARK_GIT_ID_SIZE, err);
    }
    if (rc == 0) {
        *id = hark_git_hash(HARK_GIT_TREE, hark_span(tree->data + start, tree->size - start));
    }
    return rc;
}

int hark_git_batch_tree(struct hark_buf *tree, struct hark_git_id *id, struct hark_span checkpoint,
                        struct hark_span entries, struct hark_err *err)
{
    struct hark_git_id ids[2] = {hark_git_hash(HARK_GIT_BLOB, checkpoint),
                                 hark_git_hash(HARK_GIT_BLOB, entries)};
    return batch_tree(tree, id, &ids[0], &ids[1], err);
}

/* ---- making and opening ---- */

static int configure(git_repository *git)
{
    /* Stock git neither collects by itself nor spends time on deltas and
     * summaries that every erasure would make wrong. */
    static const char *const off[] = {"maintenance.auto",       "receive.autogc",
                                      "gc.writeCommitGraph",    "core.commitGraph",
                                      "core.multiPackIndex",    "repack.writeBitmaps",
                                      "repack.packKeptObjects", "core.logAllRefUpdates"};
    static const char *const zero[] = {"gc.auto", "pack.window", "pack.depth"};
    git_config *config = NULL;
    int answer = git_repository_config(&config, git);
    for (size_t i = 0; answer == 0 && i < sizeof(off) / sizeof(off[0]); i++) {
        answer = git_config_set_bool(config, off[i], 0);
    }
    for (size_t i = 0; answer == 0 && i < sizeof(zero) / sizeof(zero[0]); i++) {
        answer = git_config_set_int32(config, zero[i], 0);
    }
    git_config_free(config);
    return answer;
}

static int fill_new(const char *path, struct hark_err *err)
{
    static const char *const dirs[] = {HARK_STAGE_DIR, "refs/heads/intake", "refs/heads/payloads"};
    git_repository *git = NULL;
    git_odb *odb = NULL;
    git_oid empty;
    git_repository_init_options options;
    int answer = git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_NO_REINIT;
    options.initial_head = "main";
    if (answer == 0) {
        answer = git_repository_init_ext(&git, path, &options);
    }
    if (answer == 0) {
        answer = configure(git);
    }
    if (answer == 0) {
        answer = git_repository_odb(&odb, git);
    }
    if (answer == 0) {
        answer = git_odb_write(&empty, odb, "", 0, GIT_OBJECT_TREE);
    }
    int rc = answer == 0 ? 0 : hark_repo_git_err(err, answer, path);
    for (size_t i = 0; rc == 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        char dir[PATH_SIZE_MAX + 64];
        snprintf(dir, sizeof(dir), "%s/%s", path, dirs[i]);
        rc = mkdir(dir, 0700) == 0 ? 0 : hark_err_errno(err, errno, "%s", dir);
    }
    git_odb_free(odb);
    git_repository_free(git);
    return rc != 0 ? rc : hark_repo_sync_tree(path, err);
}

int hark_repo_create(struct hark_repo **out, const char *path, struct hark_err *err)
{
    *out = NULL;
    size_t length = strlen(path);
    if (length == 0 || length > PATH_SIZE_MAX || path[length - 1] == '/') {
        return hark_err_set(err, HARK_E_USAGE, "no path for a repository");
    }
    /* Made beside its place and renamed, so that there is never half of one. */
    char fresh[PATH_SIZE_MAX + 8];
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    struct stat st;
    if (lstat(path, &st) == 0) {
        return hark_err_set(err, HARK_E_EXISTS, "%s exists", path);
    }
    int rc = hark_repo_remove_tree(fresh, err);
    if (rc != 0) {
        return rc;
    }
    if (mkdir(fresh, 0700) != 0) {
        return hark_err_errno(err, errno, "%s", fresh);
    }
    rc = fill_new(fresh, err);
    if (rc == 0 && renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
        rc = errno == EEXIST ? hark_err_set(err, HARK_E_EXISTS, "%s exists", path)
                             : hark_err_errno(err, errno, "%s", path);
    }
    if (rc != 0) {
        int left = hark_repo_remove_tree(fresh, NULL);
        (void)left; /* goes when it is tried again */
        return rc;
    }
    rc = hark_parent_sync(path, err);
    return rc != 0 ? rc : hark_repo_open(out, path, err);
}

int hark_repo_reopen(struct hark_repo *repo, struct hark_err *err)
{
    hark_repo_near(repo, false);
    git_odb_free(repo->odb);
    git_repository_free(repo->git);
    repo->odb = NULL;
    repo->git = NULL;
    int answer = git_repository_open_ext(&repo->git, repo->path,
                                         GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_SEARCH |
                                             GIT_REPOSITORY_OPEN_NO_DOTGIT,
                                         NULL);
    if (answer == 0) {
        answer = git_repository_odb(&repo->odb, repo->git);
    }
    if (answer == 0) {
        /* Who moves a ref, for a log of that which is not kept: else libgit2 looks through
         * all configuration each time. */
        answer = git_repository_set_ident(repo->git, "hark", "hark@hark.invalid");
    }
    return answer == 0 ? 0 : hark_repo_git_err(err, answer, repo->path);
}

static int open_dirs(struct hark_repo *repo, struct hark_err *err)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    repo->top_fd = open(repo->path, flags);
    if (repo->top_fd < 0) {
        return hark_err_errno(err, errno, "%s", repo->path);
    }
    repo->pack_fd = openat(repo->top_fd, "objects/pack", flags);
    if (repo->pack_fd < 0) {
        return hark_err_errno(err, errno, "%s/objects/pack", repo->path);
    }
    /* Only writers need it: a reader of a repository on a read-only disk goes
     * without. */
    (void)mkdirat(repo->top_fd, HARK_STAGE_DIR, 0700);
    repo->stage_fd = openat(repo->top_fd, HARK_STAGE_DIR, flags);
    return 0;
}

int hark_repo_open(struct hark_repo **out, const char *path, struct hark_err *err)
{
    *out = NULL;
    struct hark_repo *repo = calloc(1, sizeof(*repo));
    if (repo == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a repository");
    }
    repo->top_fd = repo->pack_fd = repo->stage_fd = -1;
    pthread_mutex_init(&repo->squeezers_lock, NULL);
    int rc = 0;
    repo->path = strdup(path);
    if (repo->path == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a repository");
        goto out;
    }
    rc = hark_repo_reopen(repo, err);
    if (rc == 0) {
        rc = open_dirs(repo, err);
    }
    if (rc == 0) {
        rc = hark_packs_check_offsets(repo, err);
    }
out:
    if (rc != 0) {
        hark_repo_free(repo);
        return rc;
    }
    *out = repo;
    return 0;
}

void hark_repo_free(struct hark_repo *repo)
{
    if (repo == NULL) {
        return;
    }
    git_odb_free(repo->odb);
    git_repository_free(repo->git);
    const int fds[] = {repo->top_fd, repo->pack_fd, repo->stage_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (repo->deflating) {
        deflateEnd(&repo->deflate);
    }
    hark_squeezers_free(repo);
    hark_repo_near(repo, false);
    pthread_mutex_destroy(&repo->squeezers_lock);
    free(repo->leaf);
    free(repo->path);
    free(repo);
}

/* ---- refs ---- */

int hark_repo_ref_name(char out[HARK_REF_MAX], const char *log, bool payloads, struct hark_err *err)
{
    static const char intake[] = "intake/";
    const char *node = NULL;
    if (strncmp(log, intake, sizeof(intake) - 1) == 0) {
        node = log + sizeof(intake) - 1;
    }
    bool well = node == NULL ? strcmp(log, "main") == 0
                             : strlen(node) <= HARK_NODE_NAME_MAX && strchr(node, '/') == NULL &&
                                   strcmp(node, "main") != 0;
    if (well) {
        snprintf(out, HARK_REF_MAX, "refs/heads/%s%s", payloads ? "payloads/" : "",
                 payloads && node != NULL ? node : log);
        /* Git's own rules on names of refs are stricter than ours on nodes. */
        int valid = 0;
        well = git_reference_name_is_valid(&valid, out) == 0 && valid == 1;
    }
    return well ? 0 : hark_err_set(err, HARK_E_USAGE, "no log can be named '%.80s'", log);
}

int hark_repo_ref_read(struct hark_repo *repo, const char *ref, bool *exists,
                       struct hark_git_id *id, struct hark_err *err)
{
    git_oid oid;
    int answer = git_reference_name_to_id(&oid, repo->git, ref);
    *exists = answer == 0;
    if (answer == 0) {
        memcpy(id->bytes, oid.id, HARK_GIT_ID_SIZE);
    }
    return answer == 0 || answer == GIT_ENOTFOUND ? 0 : hark_repo_git_err(err, answer, ref);
}

/* A lock file that stays the same for so long was left by a process that died:
 * nobody holds a ref's lock longer than it takes to write one line. */
static bool break_stale_lock(struct hark_repo *repo, const char *ref, struct stat *seen,
                             int *waited_ms)
{
    char lock[HARK_REF_MAX + 8];
    struct stat st;
    const struct timespec pause = {.tv_nsec = LOCK_STEP_MS * 1000000L};
    snprintf(lock, sizeof(lock), "%s.lock", ref);
    if (fstatat(repo->top_fd, lock, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (st.st_ino != seen->st_ino || st.st_mtim.tv_sec != seen->st_mtim.tv_sec ||
            st.st_mtim.tv_nsec != seen->st_mtim.tv_nsec) {
            *seen = st;
            *waited_ms = 0;
        } else if (*waited_ms >= LOCK_PATIENCE_MS) {
            return unlinkat(repo->top_fd, lock, 0) == 0;
        }
    }
    nanosleep(&pause, NULL);
    *waited_ms += LOCK_STEP_MS;
    return *waited_ms <= 2 * LOCK_PATIENCE_MS;
}

/* The folder of a ref, durable before libgit2 makes it without syncing. */
static int make_ref_dir(struct hark_repo *repo, const char *ref, struct hark_err *err)
{
    char dir[HARK_REF_MAX];
    snprintf(dir, sizeof(dir), "%s", ref);
    *strrchr(dir, '/') = '\0';
    if (mkdirat(repo->top_fd, dir, 0700) != 0) {
        return errno == EEXIST ? 0 : hark_err_errno(err, errno, "%s/%s", repo->path, dir);
    }
    char path[PATH_SIZE_MAX + HARK_REF_MAX];
    snprintf(path, sizeof(path), "%s/%s", repo->path, dir);
    return hark_parent_sync(path, err);
}

int hark_repo_ref_move(struct hark_repo *repo, const char *ref, const struct hark_git_id *old,
                       const struct hark_git_id *id, struct hark_err *err)
{
    git_oid to = oid_of(id);
    git_oid from = old != NULL ? oid_of(old) : to;
    struct stat seen = {0};
    int waited_ms = 0;
    int rc = make_ref_dir(repo, ref, err);
    if (rc != 0) {
        return rc;
    }
    for (;;) {
        git_reference *reference = NULL;
        int answer = git_reference_create_matching(&reference, repo->git, ref, &to, old != NULL,
                                                   old != NULL ? &from : NULL, NULL);
        git_reference_free(reference);
        if (answer == 0) {
            return 0;
        }
        if (answer == GIT_ENOTFOUND && old != NULL) {
            return hark_err_set(err, HARK_E_BUSY, "%s is gone", ref);
        }
        if (answer != GIT_ELOCKED || !break_stale_lock(repo, ref, &seen, &waited_ms)) {
            return hark_repo_git_err(err, answer, ref);
        }
    }
}

int hark_repo_head(struct hark_repo *repo, const char *log, bool *exists, struct hark_git_id *batch,
                   struct hark_err *err)
{
    char ref[HARK_REF_MAX];
    *exists = false;
    int rc = hark_repo_ref_name(ref, log, false, err);
    return rc != 0 ? rc : hark_repo_ref_read(repo, ref, exists, batch, err);
}

/* ---- storing ---- */

static int add_hashed(struct hark_pack_writer *w, enum hark_git_type type, struct hark_span bytes,
                      struct hark_git_id *id, struct hark_err *err)
{
    *id = hark_git_hash(type, bytes);
    return hark_pack_add(w, hark_repo_type(type), id, bytes, err);
}

/* A batch to be stored. */
struct storing {
    struct hark_repo *repo;
    const char *log;
    const struct hark_raw_batch *raw;
    const struct hark_packed_batch *packed; /* NULL: nothing is made yet */
    bool first;                             /* of its log */
    struct hark_git_id batch_id;
    struct hark_git_id *blobs; /* may be NULL */
    char log_pack[HARK_PACK_NAME_MAX];
};

/* packed NULL, or one without bytes: made here. */
static int add_made(struct hark_pack_writer *w, enum hark_git_type type, struct hark_span bytes,
                    const struct hark_packed *packed, struct hark_git_id *id, struct hark_err *err)
{
    if (packed == NULL || packed->bytes == NULL) {
        return add_hashed(w, type, bytes, id, err);
    }
    *id = packed->id;
    return hark_pack_add_packed(w, packed, err);
}

/* Commits come first: a pack's first object tells its class. */
static int fill_log_pack(struct hark_pack_writer *w, struct storing *s, struct hark_err *err)
{
    struct hark_buf tree = hark_buf_init(256);
    const struct hark_raw_batch *raw = s->raw;
    struct hark_git_id id;
    struct hark_git_id checkpoint;
    struct hark_git_id entries;
    int rc = add_made(w, HARK_GIT_COMMIT, raw->commit,
                      s->packed != NULL ? &s->packed->commit : NULL, &s->batch_id, err);
    for (size_t i = 0; rc == 0 && i < raw->count; i++) {
        rc = add_made(w, HARK_GIT_COMMIT, raw->items[i].object,
                      s->packed != NULL ? &s->packed->entries[i].object : NULL, &id, err);
    }
    if (rc == 0) {
        rc = add_made(w, HARK_GIT_BLOB, raw->entries, s->packed != NULL ? &s->packed->lines : NULL,
                      &entries, err);
    }
    if (rc == 0) {
        checkpoint = hark_git_hash(HARK_GIT_BLOB, raw->checkpoint);
        rc = batch_tree(&tree, &id, &checkpoint, &entries, err);
    }
    if (rc == 0) {
        rc = hark_pack_add(w, GIT_OBJECT_TREE, &id, hark_buf_span(&tree), err);
    }
    if (rc == 0) {
        rc = hark_pack_add(w, GIT_OBJECT_BLOB, &checkpoint, raw->checkpoint, err);
    }
    hark_buf_free(&tree);
    return rc;
}

/* While the log is empty nothing reaches the empty tree, and git may have
 * collected it: the first batch brings it again. */
static int add_empty_tree(struct hark_pack_writer *w, struct hark_err *err)
{
    struct hark_git_id id;
    return add_hashed(w, HARK_GIT_TREE, hark_span("", 0), &id, err);
}

static int fill_payload_pack(struct hark_pack_writer *w, struct storing *s, struct hark_err *err)
{
    for (size_t i = 0; i < s->raw->count; i++) {
        struct hark_git_id id = {{0}};
        if (s->raw->items[i].payload_state == 1) {
            int rc = add_made(w, HARK_GIT_BLOB, s->raw->items[i].payload,
                              s->packed != NULL ? &s->packed->entries[i].payload : NULL, &id, err);
            if (rc != 0) {
                return rc;
            }
        }
        if (s->blobs != NULL) {
            s->blobs[i] = id;
        }
    }
    return 0;
}

/* The position after the batch: the keep file says what it waits for. */
static int end_of_batch(const struct hark_raw_batch *raw, uint64_t *end, struct hark_err *err)
{
    const uint8_t *space =
        raw->entries.size != 0 ? memchr(raw->entries.data, ' ', raw->entries.size) : NULL;
    size_t digits = space != NULL ? (size_t)(space - raw->entries.data) : 0;
    uint64_t first = 0;
    if (hark_decimal_decode(&first, hark_span(raw->entries.data, digits), HARK_NUMBER_MAX, NULL) !=
        0) {
        return hark_err_set(err, HARK_E_BATCH_ENTRIES, "no position in a batch's entries");
    }
    *end = first + raw->count;
    return 0;
}

static int finish_payload_pack(struct hark_pack_writer *w, const char *log,
                               const struct hark_raw_batch *raw, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(1024);
    struct hark_keep *keep = calloc(1, sizeof(*keep));
    uint64_t end = 0;
    int rc = keep != NULL ? 0 : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a keep file");
    if (rc == 0) {
        rc = end_of_batch(raw, &end, err);
    }
    if (rc == 0) {
        hark_keep_add(keep, log, end);
        rc = hark_keep_write(&text, keep, err);
    }
    if (rc == 0) {
        rc = hark_pack_finish(w, hark_buf_span(&text), err);
    }
    free(keep);
    hark_buf_free(&text);
    return rc;
}

static size_t count_payloads(const struct hark_raw_batch *raw)
{
    size_t n = 0;
    for (size_t i = 0; i < raw->count; i++) {
        n += raw->items[i].payload_state == 1 ? 1 : 0;
    }
    return n;
}

/* All in one pack, durable and visible, and kept until its payloads are covered. */
static int write_lone(struct storing *s, struct hark_err *err)
{
    struct hark_pack_writer lone = {0};
    struct hark_pack_writer *writers[] = {&lone};
    uint64_t objects = s->raw->count + 4 + (s->first ? 1 : 0) + count_payloads(s->raw);
    int rc = hark_pack_begin(&lone, s->repo, objects, err);
    if (rc == 0) {
        rc = fill_log_pack(&lone, s, err);
    }
    if (rc == 0 && s->first) {
        rc = add_empty_tree(&lone, err);
    }
    if (rc == 0) {
        rc = fill_payload_pack(&lone, s, err);
    }
    if (rc == 0) {
        rc = hark_pack_finish_shared(&lone, s->log, err);
    }
    if (rc == 0) {
        rc = hark_pack_publish(writers, 1, err);
    }
    hark_pack_end(&lone);
    return rc;
}

/* Both packs, durable and visible. */
static int write_packs(struct storing *s, struct hark_err *err)
{
    struct hark_pack_writer payloads = {0};
    struct hark_pack_writer entries = {0};
    struct hark_pack_writer *both[2];
    size_t packs = 0;
    size_t payload_count = count_payloads(s->raw);
    int rc = 0;
    if (payload_count != 0) {
        rc = hark_pack_begin(&payloads, s->repo, payload_count, err);
        both[packs++] = &payloads;
    }
    if (rc == 0) {
        rc = fill_payload_pack(&payloads, s, err);
    }
    if (rc == 0 && payload_count != 0) {
        rc = finish_payload_pack(&payloads, s->log, s->raw, err);
    }
    if (rc == 0) {
        rc = hark_pack_begin(&entries, s->repo, s->raw->count + 4 + (s->first ? 1 : 0), err);
        both[packs++] = &entries;
    }
    if (rc == 0) {
        rc = fill_log_pack(&entries, s, err);
    }
    if (rc == 0 && s->first) {
        rc = add_empty_tree(&entries, err);
    }
    if (rc == 0) {
        rc = hark_pack_finish_briefly_kept(&entries, err);
    }
    if (rc == 0) {
        memcpy(s->log_pack, entries.name, HARK_PACK_NAME_MAX);
        rc = hark_pack_publish(both, packs, err);
    }
    hark_pack_end(&entries);
    hark_pack_end(&payloads);
    return rc;
}

static int store(struct storing *s, const struct hark_git_id *previous, struct hark_err *err)
{
    char ref[HARK_REF_MAX];
    struct hark_git_id head;
    bool exists = false;
    int rc = hark_repo_ref_name(ref, s->log, false, err);
    if (rc == 0) {
        rc = hark_repo_ref_read(s->repo, ref, &exists, &head, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (exists != (previous != NULL) || (exists && !hark_git_id_equal(&head, previous))) {
        return hark_err_set(err, HARK_E_BUSY, "%s has moved on in %s", s->log, s->repo->path);
    }
    s->first = previous == NULL;
    bool lone = s->raw->count <= HARK_LONE_ENTRIES_MAX;
    rc = lone ? write_lone(s, err) : write_packs(s, err);
    if (rc != 0) {
        return rc;
    }
    rc = hark_repo_ref_move(s->repo, ref, previous, &s->batch_id, err);
    if (!lone) {
        /* The batch is in, or it is garbage. A keep file that will not go costs a
         * merge, and goes with the next cover. */
        int left = hark_pack_unkeep(s->repo, s->log_pack, NULL);
        (void)left;
    }
    return rc;
}

int hark_repo_store(struct hark_repo *repo, const char *log, const struct hark_raw_batch *raw,
                    const struct hark_git_id *previous, struct hark_git_id *batch_id,
                    struct hark_git_id *blobs, struct hark_err *err)
{
    struct storing s = {.repo = repo, .log = log, .raw = raw, .blobs = blobs};
    int rc = store(&s, previous, err);
    *batch_id = s.batch_id;
    return rc;
}

int hark_repo_store_packed(struct hark_repo *repo, const char *log,
                           const struct hark_raw_batch *raw, const struct hark_packed_batch *packed,
                           const struct hark_git_id *previous, struct hark_git_id *batch_id,
                           struct hark_err *err)
{
    struct storing s = {.repo = repo, .log = log, .raw = raw, .packed = packed};
    int rc = store(&s, previous, err);
    *batch_id = s.batch_id;
    return rc;
}

/* ---- reading ---- */

/* libgit2 says "not found" also of what stands in a pack that it could not open, be it for
 * want of descriptors or memory. What is missing is damage or erased, and has
 * consequences; what cannot be read now has none. Returns libgit2's answer to another
 * try in *answer, or why it cannot be told. */
static int look_again(struct hark_repo *repo, const struct hark_git_id *id, size_t *size,
                      git_object_t *type, int *answer, struct hark_err *err)
{
    git_oid oid = oid_of(id);
    bool have = false;
    int rc = hark_packs_have(repo, id, &have, err);
    if (rc != 0 || !have) {
        return rc;
    }
    *answer = git_odb_read_header(size, type, repo->odb, &oid);
    return *answer != GIT_ENOTFOUND ? 0
                                    : hark_err_set(err, HARK_E_IO, "a pack cannot be opened now");
}

int hark_repo_read(struct hark_repo *repo, enum hark_git_type type, const struct hark_git_id *id,
                   struct hark_buf *out, struct hark_err *err)
{
    git_oid oid = oid_of(id);
    git_object_t there = GIT_OBJECT_INVALID;
    size_t size = 0;
    git_odb_object *object = NULL;
    char hex[2 * HARK_GIT_ID_SIZE + 1];
    if (repo->near != NULL && hark_near_read(repo, type, id, out)) {
        return 0;
    }
    hark_git_id_hex(hex, id);
    /* Size and type first, so that nothing large is made of something small. */
    int answer = git_odb_read_header(&size, &there, repo->odb, &oid);
    if (answer == GIT_ENOTFOUND) {
        int rc = look_again(repo, id, &size, &there, &answer, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (answer != 0) {
        return hark_repo_git_err(err, answer, hex);
    }
    if (there != hark_repo_type(type)) {
        return hark_err_set(err, HARK_E_NOT_FOUND, "%s is another kind of git object", hex);
    }
    if (size > out->max - out->size) {
        return hark_err_set(err, HARK_E_LIMIT, "%s has %zu bytes, more than fit", hex, size);
    }
    answer = git_odb_read(&object, repo->odb, &oid);
    if (answer != 0) {
        return hark_repo_git_err(err, answer, hex);
    }
    int rc = hark_buf_append(out, git_odb_object_data(object), git_odb_object_size(object), err);
    git_odb_object_free(object);
    return rc;
}

int hark_repo_find(struct hark_repo *repo, const char *hex, bool *found, struct hark_git_id *id,
                   struct hark_err *err)
{
    git_oid begins, full;
    size_t size = strlen(hex);
    *found = false;
    if (size > 2 * HARK_GIT_ID_SIZE || git_oid_fromstrn(&begins, hex, size) != 0) {
        return hark_err_set(err, HARK_E_USAGE, "%s is no git id", hex);
    }
    int answer = git_odb_exists_prefix(&full, repo->odb, &begins, size);
    if (answer == GIT_ENOTFOUND) {
        return 0;
    }
    if (answer == GIT_EAMBIGUOUS) {
        return hark_err_set(err, HARK_E_AMBIGUOUS, "more than one object begins with %s", hex);
    }
    if (answer != 0) {
        return hark_repo_git_err(err, answer, hex);
    }
    memcpy(id->bytes, full.id, HARK_GIT_ID_SIZE);
    *found = true;
    return 0;
}

static bool take_id(struct hark_span *in, const char *line, size_t line_size,
                    struct hark_git_id *id)
{
    struct hark_span got;
    if (!hark_take(in, line_size, &got) || memcmp(got.data, line, line_size) != 0 ||
        !hark_take(in, HARK_GIT_ID_SIZE, &got)) {
        return false;
    }
    memcpy(id->bytes, got.data, HARK_GIT_ID_SIZE);
    return true;
}

int hark_repo_read_files(struct hark_repo *repo, const struct hark_git_id *tree,
                         struct hark_buf *checkpoint, struct hark_buf *entries,
                         struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(256);
    struct hark_git_id ids[2];
    int rc = hark_repo_read(repo, HARK_GIT_TREE, tree, &bytes, err);
    if (rc == 0) {
        struct hark_span in = hark_buf_span(&bytes);
        if (!take_id(&in, CHECKPOINT_LINE, sizeof(CHECKPOINT_LINE), &ids[0]) ||
            !take_id(&in, ENTRIES_LINE, sizeof(ENTRIES_LINE), &ids[1]) || in.size != 0) {
            rc = hark_err_set(err, HARK_E_BATCH_TREE, "the tree is not checkpoint and entries");
        }
    } else if (rc == HARK_E_LIMIT) {
        rc = hark_err_set(err, HARK_E_BATCH_TREE, "the tree is not checkpoint and entries");
    }
    if (rc == 0) {
        rc = hark_repo_read(repo, HARK_GIT_BLOB, &ids[0], checkpoint, err);
    }
    if (rc == 0) {
        rc = hark_repo_read(repo, HARK_GIT_BLOB, &ids[1], entries, err);
    }
    hark_buf_free(&bytes);
    return rc;
}
