/*
 * Files and folders of a repository: whole writes, syncs, and what may be
 * thrown away.
 */
#include "repo_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES_MAX        10000000u
#define REF_DEPTH_MAX    16u
#define REF_PATH_MAX     4096u
#define GC_PID_FILE      "gc.pid"
#define GC_PID_MAX       512u
#define GC_PID_TRUSTED_S (12 * 3600) /* as long as git itself believes in it */

int hark_repo_write_all(int fd, const void *data, size_t size, struct hark_err *err)
{
    const uint8_t *at = data;
    while (size != 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return hark_err_errno(err, errno, "writing to the repository");
        }
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int hark_repo_sync_fd(int fd, const char *what, struct hark_err *err)
{
    if (fsync(fd) != 0) {
        return hark_err_errno(err, errno, "syncing %s", what);
    }
    return 0;
}

static int open_and_sync(const char *path, struct hark_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return hark_err_errno(err, errno, "%s", path);
    }
    int rc = hark_repo_sync_fd(fd, path, err);
    close(fd);
    return rc;
}

/* Calls `each` for all that is under `path` and for itself, folders after what
 * is in them. */
static int walk(const char *path, int (*each)(void *arg, FTSENT *at, struct hark_err *err),
                void *arg, struct hark_err *err)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a path");
    }
    char *const roots[] = {copy, NULL};
    int rc = 0;
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (fts == NULL) {
        rc = hark_err_errno(err, errno, "%s", path);
        goto out;
    }
    for (;;) {
        errno = 0;
        FTSENT *at = fts_read(fts);
        if (at == NULL) {
            rc = errno == 0 ? 0 : hark_err_errno(err, errno, "%s", path);
            break;
        }
        /* What goes while we look is no failure. */
        if (at->fts_info == FTS_D || at->fts_errno == ENOENT) {
            continue;
        }
        if (at->fts_info == FTS_DNR || at->fts_info == FTS_ERR || at->fts_info == FTS_NS) {
            rc = hark_err_errno(err, at->fts_errno, "%s", at->fts_path);
            break;
        }
        rc = each(arg, at, err);
        if (rc != 0) {
            break;
        }
    }
out:
    if (fts != NULL) {
        fts_close(fts);
    }
    free(copy);
    return rc;
}

static int sync_one(void *arg, FTSENT *at, struct hark_err *err)
{
    (void)arg;
    return at->fts_info == FTS_F || at->fts_info == FTS_DP ? open_and_sync(at->fts_path, err) : 0;
}

int hark_repo_sync_tree(const char *path, struct hark_err *err)
{
    return walk(path, sync_one, NULL, err);
}

static int remove_one(void *arg, FTSENT *at, struct hark_err *err)
{
    (void)arg;
    if (remove(at->fts_path) != 0 && errno != ENOENT) {
        return hark_err_errno(err, errno, "removing %s", at->fts_path);
    }
    return 0;
}

int hark_repo_remove_tree(const char *path, struct hark_err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0 && errno == ENOENT) {
        return 0;
    }
    return walk(path, remove_one, NULL, err);
}

static int add_size(void *arg, FTSENT *at, struct hark_err *err)
{
    (void)err;
    *(uint64_t *)arg += (uint64_t)at->fts_statp->st_blocks * 512u;
    return 0;
}

int hark_repo_disk(struct hark_repo *repo, uint64_t *bytes, struct hark_err *err)
{
    *bytes = 0;
    return walk(repo->path, add_size, bytes, err);
}

int hark_repo_slurp(int dir_fd, const char *name, struct hark_buf *out, bool *exists,
                    struct hark_err *err)
{
    *exists = false;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", name);
    }
    int rc = 0;
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            rc = hark_err_errno(err, errno, "%s", name);
        } else if (n > 0) {
            rc = hark_buf_append(out, chunk, (size_t)n, err);
        }
        if (rc != 0 || n == 0) {
            break;
        }
    }
    close(fd);
    *exists = rc == 0;
    return rc;
}

static int add_name(char ***names, size_t *count, size_t *capacity, const char *name,
                    struct hark_err *err)
{
    if (*count == *capacity) {
        size_t more = *capacity != 0 ? *capacity * 2 : 64;
        char **grown = more > NAMES_MAX ? NULL : realloc(*names, more * sizeof(**names));
        if (grown == NULL) {
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu file names", more);
        }
        *names = grown;
        *capacity = more;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a file name");
    }
    (*names)[(*count)++] = copy;
    return 0;
}

int hark_repo_names(struct hark_repo *repo, const char *dir, char ***names, size_t *count,
                    struct hark_err *err)
{
    *names = NULL;
    *count = 0;
    size_t capacity = 0;
    int rc = 0;
    int fd = openat(repo->top_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s/%s", repo->path, dir);
    }
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return hark_err_errno(err, errno, "%s/%s", repo->path, dir);
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(d);
        if (entry == NULL) {
            rc = errno == 0 ? 0 : hark_err_errno(err, errno, "%s/%s", repo->path, dir);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        rc = add_name(names, count, &capacity, entry->d_name, err);
        if (rc != 0) {
            break;
        }
    }
    closedir(d);
    if (rc != 0) {
        hark_repo_names_free(*names, *count);
        *names = NULL;
        *count = 0;
    }
    return rc;
}

void hark_repo_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

/* ---- refs ---- */

struct reflist {
    struct hark_repo *repo;
    const char *prefix;
    char **names;
    size_t count, capacity;
};

static int add_ref(struct reflist *list, const char *ref, struct hark_err *err)
{
    if (strncmp(ref, list->prefix, strlen(list->prefix)) != 0) {
        return 0;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], ref) == 0) {
            return 0;
        }
    }
    return add_name(&list->names, &list->count, &list->capacity, ref, err);
}

/* The refs that stand in files of their own, below a folder. */
static int add_loose_refs(struct reflist *list, const char *dir, unsigned depth,
                          struct hark_err *err)
{
    char **names = NULL;
    size_t count = 0;
    int rc = depth <= REF_DEPTH_MAX
                 ? hark_repo_names(list->repo, dir, &names, &count, err)
                 : hark_err_set(err, HARK_E_LIMIT, "refs nested too deeply: %.200s", dir);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char ref[REF_PATH_MAX];
        struct stat st;
        size_t length = strlen(names[i]);
        int n = snprintf(ref, sizeof(ref), "%s/%s", dir, names[i]);
        if (n < 0 || (size_t)n >= sizeof(ref)) {
            rc = hark_err_set(err, HARK_E_LIMIT, "a ref's name is too long in %.200s", dir);
        } else if (fstatat(list->repo->top_fd, ref, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            rc = errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", ref);
        } else if (S_ISDIR(st.st_mode)) {
            rc = add_loose_refs(list, ref, depth + 1, err);
        } else if (length <= 5 || strcmp(names[i] + length - 5, ".lock") != 0) {
            rc = add_ref(list, ref, err);
        }
    }
    hark_repo_names_free(names, count);
    return rc;
}

int hark_repo_refs(struct hark_repo *repo, const char *prefix, char ***names, size_t *count,
                   struct hark_err *err)
{
    struct reflist list = {.repo = repo, .prefix = prefix};
    git_reference_iterator *refs = NULL;
    const char *ref = NULL;
    int rc = 0;
    /* libgit2 silently leaves out what it cannot read: it gives the packed ones, the
     * folders say which others there are. */
    int answer = git_reference_iterator_new(&refs, repo->git);
    while (answer == 0 && rc == 0 && (answer = git_reference_next_name(&ref, refs)) == 0) {
        rc = add_ref(&list, ref, err);
    }
    git_reference_iterator_free(refs);
    if (rc == 0 && answer != GIT_ITEROVER) {
        rc = hark_repo_git_err(err, answer, "refs");
    }
    if (rc == 0) {
        rc = add_loose_refs(&list, "refs", 0, err);
    }
    if (rc != 0) {
        hark_repo_names_free(list.names, list.count);
        list.names = NULL;
        list.count = 0;
    }
    *names = list.names;
    *count = list.count;
    return rc;
}

int hark_repo_unlink(int dir_fd, const char *name, struct hark_err *err)
{
    if (unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT) {
        return hark_err_errno(err, errno, "removing %s", name);
    }
    return 0;
}

/* ---- loose objects ---- */

int hark_repo_loose(struct hark_repo *repo, struct hark_idset *ids, struct hark_err *err)
{
    int rc = 0;
    for (unsigned first = 0; rc == 0 && first < 256; first++) {
        char dir[32];
        char **names = NULL;
        size_t count = 0;
        snprintf(dir, sizeof(dir), "objects/%02x", first);
        rc = hark_repo_names(repo, dir, &names, &count, err);
        for (size_t i = 0; rc == 0 && i < count; i++) {
            struct hark_git_id id = {{(uint8_t)first}};
            if (hark_hex_decode(id.bytes + 1, HARK_GIT_ID_SIZE - 1, hark_span_str(names[i]),
                                NULL) == 0) {
                rc = hark_idset_add(ids, &id, NULL, err);
            }
        }
        hark_repo_names_free(names, count);
    }
    return rc;
}

int hark_repo_unlink_loose(struct hark_repo *repo, const struct hark_git_id *id,
                           struct hark_err *err)
{
    char hex[2 * HARK_GIT_ID_SIZE + 1];
    char path[80];
    hark_git_id_hex(hex, id);
    snprintf(path, sizeof(path), "objects/%.2s/%s", hex, hex + 2);
    return hark_repo_unlink(repo->top_fd, path, err);
}

/* ---- sweeping ---- */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_temporary(const char *name)
{
    return starts_with(name, "tmp_") || starts_with(name, ".tmp-") ||
           starts_with(name, "pack_git2_");
}

/* Does the pack folder hold `name` with `extension` in the place of its own? */
static bool has_sibling(struct hark_repo *repo, const char *name, size_t stem,
                        const char *extension)
{
    char sibling[NAME_MAX + 16];
    struct stat st;
    int n = snprintf(sibling, sizeof(sibling), "%.*s%s", (int)stem, name, extension);
    return n > 0 && (size_t)n < sizeof(sibling) &&
           fstatat(repo->pack_fd, sibling, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A pack and its index live and die together; so does what git puts beside. */
static bool is_orphan(struct hark_repo *repo, const char *name)
{
    static const char *const companions[] = {".idx",    ".keep",   ".rev",
                                             ".bitmap", ".mtimes", ".promisor"};
    const char *dot = strrchr(name, '.');
    if (dot == NULL || !starts_with(name, "pack-")) {
        return false;
    }
    size_t stem = (size_t)(dot - name);
    if (strcmp(dot, ".pack") == 0) {
        return !has_sibling(repo, name, stem, ".idx");
    }
    for (size_t i = 0; i < sizeof(companions) / sizeof(companions[0]); i++) {
        if (strcmp(dot, companions[i]) == 0) {
            return !has_sibling(repo, name, stem, ".pack");
        }
    }
    return false;
}

static int sweep_dir(struct hark_repo *repo, const char *dir, bool is_stage, bool is_pack,
                     struct hark_err *err)
{
    char **names = NULL;
    size_t count = 0;
    int rc = hark_repo_names(repo, dir, &names, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool goes =
            is_stage || is_temporary(names[i]) ||
            (is_pack && (starts_with(names[i], "multi-pack-index") || is_orphan(repo, names[i])));
        char path[NAME_MAX + 64];
        int n = snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        struct stat st;
        if (!goes || n < 0 || (size_t)n >= sizeof(path) ||
            fstatat(repo->top_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(st.st_mode)) {
            continue;
        }
        rc = hark_repo_unlink(repo->top_fd, path, err);
    }
    hark_repo_names_free(names, count);
    return rc;
}

int hark_repo_sweep(struct hark_repo *repo, struct hark_err *err)
{
    int rc = sweep_dir(repo, HARK_STAGE_DIR, true, false, err);
    if (rc == 0) {
        rc = sweep_dir(repo, "objects/pack", false, true, err);
    }
    if (rc == 0) {
        rc = sweep_dir(repo, "objects", false, false, err);
    }
    for (unsigned i = 0; rc == 0 && i < 256; i++) {
        char dir[32];
        snprintf(dir, sizeof(dir), "objects/%02x", i);
        rc = sweep_dir(repo, dir, false, false, err);
    }
    if (rc == 0) {
        rc = hark_repo_unlink(repo->top_fd, "objects/info/commit-graph", err);
    }
    if (rc == 0) {
        rc = sweep_dir(repo, "objects/info/commit-graphs", true, false, err);
    }
    return rc;
}

/* ---- git's lock ---- */

/* Is the process named in the lock file one that may still be at it? */
static bool lock_holds(struct hark_repo *repo, const char *host)
{
    struct stat st;
    struct hark_buf text = hark_buf_init(GC_PID_MAX);
    bool exists = false;
    bool holds = true;
    if (fstatat(repo->top_fd, GC_PID_FILE, &st, 0) != 0 ||
        hark_repo_slurp(repo->top_fd, GC_PID_FILE, &text, &exists, NULL) != 0 || !exists ||
        hark_buf_terminate(&text, NULL) != 0) {
        goto out;
    }
    const char *space = memchr(text.data, ' ', text.size);
    uint64_t pid = 0;
    if (space == NULL ||
        hark_decimal_decode(&pid, hark_span(text.data, (size_t)(space - (char *)text.data)),
                            INT32_MAX, NULL) != 0 ||
        time(NULL) - st.st_mtime > GC_PID_TRUSTED_S) {
        holds = false; /* git does not believe in such a file either */
    } else if (strcmp(space + 1, host) == 0) {
        /* Our own number: left by a process before us, since we hold it no more. */
        holds = (pid_t)pid != getpid() && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
    }
out:
    hark_buf_free(&text);
    return holds;
}

int hark_repo_gc_lock(struct hark_repo *repo, struct hark_err *err)
{
    char host[256] = "unknown";
    char text[GC_PID_MAX];
    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0') {
        host[0] = '-';
        host[1] = '\0';
    }
    for (int attempt = 0; attempt < 2; attempt++) {
        int fd = openat(repo->top_fd, GC_PID_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            int n = snprintf(text, sizeof(text), "%ld %s", (long)getpid(), host);
            int rc = hark_repo_write_all(fd, text, n > 0 ? (size_t)n : 0, err);
            close(fd);
            return rc;
        }
        if (errno != EEXIST) {
            return hark_err_errno(err, errno, "%s/%s", repo->path, GC_PID_FILE);
        }
        if (lock_holds(repo, host)) {
            break;
        }
        int rc = hark_repo_unlink(repo->top_fd, GC_PID_FILE, err);
        if (rc != 0) {
            return rc;
        }
    }
    hark_err_set(err, HARK_E_BUSY, "git is collecting garbage in %s", repo->path);
    hark_err_hint(err, "wait for it to end; if it has died, remove %s/%s", repo->path, GC_PID_FILE);
    return HARK_E_BUSY;
}

void hark_repo_gc_unlock(struct hark_repo *repo)
{
    /* Left behind it names a process that is gone, which the next one sees. */
    (void)unlinkat(repo->top_fd, GC_PID_FILE, 0);
}
