/*
 * A repository as an auditor sees it: objects and refs, read and nothing else.
 * No configuration is asked, no hook or alternate followed, nothing written, and
 * it does not matter who owns the files: whatever lies beside objects and refs
 * may be anybody's and may say anything.
 */
#include "repo_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VIEW_PATH_MAX    4096u
#define REF_FILE_MAX     128u
#define PACKED_REFS_MAX  (4u * 1024u * 1024u)
#define VIEW_INTAKES_MAX 4096u /* of all nodes that were ever named, and some nonsense */
#define LOOSE_PRIORITY   1     /* as libgit2 has them: packs first */
#define PACKED_PRIORITY  2

/* Where a log's ref may stand: at its node, or in what `git clone` makes. */
static const char *const places[] = {"refs/heads/", "refs/remotes/origin/"};

/* ---- opening ---- */

static int add_backend(git_odb *odb, git_odb_backend *backend, int priority)
{
    int answer = git_odb_add_backend(odb, backend, priority);

    if (answer != 0) {
        backend->free(backend);
    }
    return answer;
}

static int open_objects(git_odb **out, const char *objects)
{
    git_odb_backend *backend = NULL;
    git_odb *odb = NULL;
    int answer = git_odb_new(&odb);

    if (answer == 0) {
        answer = git_odb_backend_pack(&backend, objects);
    }
    if (answer == 0) {
        answer = add_backend(odb, backend, PACKED_PRIORITY);
    }
    if (answer == 0) {
        answer = git_odb_backend_loose(&backend, objects, -1, 0, 0, 0);
    }
    if (answer == 0) {
        answer = add_backend(odb, backend, LOOSE_PRIORITY);
    }
    if (answer != 0) {
        git_odb_free(odb);
        odb = NULL;
    }
    *out = odb;
    return answer;
}

int hark_repo_view(struct hark_repo **out, const char *path, struct hark_err *err)
{
    char objects[VIEW_PATH_MAX];
    struct hark_repo *repo = NULL;
    struct stat st;
    int n = snprintf(objects, sizeof(objects), "%s/objects", path);

    *out = NULL;
    if (n <= 0 || (size_t)n >= sizeof(objects)) {
        return hark_err_set(err, HARK_E_USAGE, "the path is too long");
    }
    if (stat(objects, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return hark_err_set(err, HARK_E_NOT_FOUND, "%s is no git repository", path);
    }
    repo = calloc(1, sizeof(*repo));
    if (repo == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a repository");
    }
    repo->pack_fd = repo->stage_fd = -1;
    repo->top_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    repo->path = strdup(path);
    int rc = repo->path == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a repository")
             : repo->top_fd < 0 ? hark_err_errno(err, errno, "%s", path)
                                : 0;
    if (rc == 0) {
        int answer = open_objects(&repo->odb, objects);
        rc = answer == 0 ? 0 : hark_repo_git_err(err, answer, path);
    }
    if (rc == 0) {
        rc = hark_packs_check_offsets(repo, err);
    }
    if (rc != 0) {
        hark_repo_free(repo);
        return rc;
    }
    *out = repo;
    return 0;
}

/* ---- refs ---- */

static bool read_id(struct hark_git_id *out, struct hark_span hex)
{
    return hark_hex_decode(out->bytes, sizeof(out->bytes), hex, NULL) == 0;
}

/* A file of its own. What is there and is no id (a symbolic ref, too) is damaged. */
static int read_loose_ref(struct hark_repo *repo, const char *ref, bool *exists,
                          struct hark_git_id *id, struct hark_err *err)
{
    uint8_t text[REF_FILE_MAX];
    int fd = openat(repo->top_fd, ref, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    *exists = fd >= 0;
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR ? 0 : hark_err_errno(err, errno, "%s", ref);
    }
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    struct hark_span in = hark_span(text, n > 0 ? (size_t)n : 0);
    struct hark_span line = {0};
    if (!hark_take_line(&in, &line) || in.size != 0 || !read_id(id, line)) {
        return hark_err_set(err, HARK_E_DAMAGED, "%s names no commit", ref);
    }
    return 0;
}

/* "<id> <ref>", with comments ('#') and what tags point to ('^') between. */
static bool packed_line(struct hark_span line, struct hark_git_id *id, struct hark_span *name)
{
    struct hark_span hex;

    if (!hark_take(&line, (size_t)2 * HARK_GIT_ID_SIZE, &hex) || !hark_take_literal(&line, " ") ||
        !read_id(id, hex)) {
        return false;
    }
    *name = line;
    return true;
}

static int read_packed_refs(struct hark_repo *repo, struct hark_buf *out, struct hark_err *err)
{
    bool exists = false;
    int rc = hark_repo_slurp(repo->top_fd, "packed-refs", out, &exists, err);

    return rc == HARK_E_LIMIT ? hark_err_set(err, HARK_E_DAMAGED, "packed-refs is too large") : rc;
}

static int find_packed_ref(struct hark_repo *repo, const char *ref, bool *exists,
                           struct hark_git_id *id, struct hark_err *err)
{
    struct hark_buf packed = hark_buf_init(PACKED_REFS_MAX);
    int rc = read_packed_refs(repo, &packed, err);
    struct hark_span in = hark_buf_span(&packed);
    struct hark_span line;

    while (rc == 0 && !*exists && hark_take_line(&in, &line)) {
        struct hark_span name;
        struct hark_git_id at;

        if (packed_line(line, &at, &name) && hark_span_equal(name, hark_span_str(ref))) {
            *exists = true;
            *id = at;
        }
    }
    hark_buf_free(&packed);
    return rc;
}

int hark_repo_view_ref(struct hark_repo *repo, const char *name, bool *exists,
                       struct hark_git_id *id, struct hark_err *err)
{
    char ref[HARK_REF_MAX + 32];
    int rc = 0;

    *exists = false;
    for (size_t i = 0; rc == 0 && !*exists && i < sizeof(places) / sizeof(places[0]); i++) {
        int n = snprintf(ref, sizeof(ref), "%s%s", places[i], name);

        if (n <= 0 || (size_t)n >= sizeof(ref)) {
            return hark_err_set(err, HARK_E_USAGE, "no ref can be named %.80s", name);
        }
        rc = read_loose_ref(repo, ref, exists, id, err);
        if (rc == 0 && !*exists) {
            rc = find_packed_ref(repo, ref, exists, id, err);
        }
    }
    return rc;
}

struct intakes {
    char (*names)[HARK_NODE_NAME_MAX + 1];
    size_t count;
};

static int add_intake(struct intakes *list, struct hark_span name, struct hark_err *err)
{
    char text[HARK_NODE_NAME_MAX + 1] = {0};
    void *grown;

    if (!hark_node_name_valid(name)) {
        return 0; /* of no node: no log of the space */
    }
    memcpy(text, name.data, name.size);
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], text) == 0) {
            return 0;
        }
    }
    if (list->count == VIEW_INTAKES_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "more than %u intake logs", VIEW_INTAKES_MAX);
    }
    grown = realloc(list->names, (list->count + 1) * sizeof(*list->names));
    if (grown == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for refs");
    }
    list->names = grown;
    memcpy(list->names[list->count++], text, sizeof(text));
    return 0;
}

static int list_loose_intakes(struct hark_repo *repo, const char *dir, struct intakes *list,
                              struct hark_err *err)
{
    int fd = openat(repo->top_fd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int rc = 0;

    if (folder == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return 0; /* none */
    }
    while (rc == 0 && (entry = readdir(folder)) != NULL) {
        rc = add_intake(list, hark_span_str(entry->d_name), err);
    }
    closedir(folder);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

int hark_repo_view_intakes(struct hark_repo *repo, char (**names)[HARK_NODE_NAME_MAX + 1],
                           size_t *count, struct hark_err *err)
{
    struct hark_buf packed = hark_buf_init(PACKED_REFS_MAX);
    struct intakes list = {0};
    int rc = read_packed_refs(repo, &packed, err);

    for (size_t i = 0; rc == 0 && i < sizeof(places) / sizeof(places[0]); i++) {
        struct hark_span in = hark_buf_span(&packed);
        struct hark_span line;
        char dir[64];

        (void)snprintf(dir, sizeof(dir), "%sintake", places[i]);
        rc = list_loose_intakes(repo, dir, &list, err);
        while (rc == 0 && hark_take_line(&in, &line)) {
            struct hark_span name;
            struct hark_git_id id;

            if (packed_line(line, &id, &name) && hark_take_literal(&name, places[i]) &&
                hark_take_literal(&name, "intake/")) {
                rc = add_intake(&list, name, err);
            }
        }
    }
    hark_buf_free(&packed);
    if (rc != 0) {
        free(list.names);
        list = (struct intakes){0};
    }
    if (list.count > 1) {
        qsort(list.names, list.count, sizeof(*list.names), compare_names);
    }
    *names = list.names;
    *count = list.count;
    return rc;
}

/* ---- blobs that no ref shows the way to ---- */

struct looking {
    struct hark_repo *repo;
    size_t max;
    hark_payload_fn *fn;
    void *arg;
    struct hark_buf bytes;
    struct hark_err *err;
    int rc;
};

/* What is damaged is missing where it is wanted; what cannot be read now is not. */
static int unread(struct looking *l, int rc)
{
    l->rc = hark_err_exit(rc) == 4 ? rc : 0;
    return l->rc != 0 ? 1 : 0;
}

static int look_at(const git_oid *oid, void *arg)
{
    struct looking *l = arg;
    struct hark_git_id id;
    git_object_t type = GIT_OBJECT_INVALID;
    size_t size = 0;

    int answer = git_odb_read_header(&size, &type, l->repo->odb, oid);
    if (answer != 0) {
        return unread(l, hark_repo_git_err(l->err, answer, "a git object"));
    }
    if (type != GIT_OBJECT_BLOB || size > l->max) {
        return 0;
    }
    memcpy(id.bytes, oid->id, sizeof(id.bytes));
    hark_buf_clear(&l->bytes);
    int rc = hark_repo_read(l->repo, HARK_GIT_BLOB, &id, &l->bytes, l->err);
    if (rc != 0) {
        return unread(l, rc);
    }
    struct hark_hash hash = hark_sha256(hark_buf_span(&l->bytes));
    l->rc = l->fn(l->arg, &hash, &id, l->bytes.size, l->err);
    return l->rc != 0 ? 1 : 0;
}

int hark_repo_view_blobs(struct hark_repo *repo, size_t max, hark_payload_fn *fn, void *arg,
                         struct hark_err *err)
{
    struct looking l = {
        .repo = repo, .max = max, .fn = fn, .arg = arg, .bytes = hark_buf_init(max), .err = err};
    int answer = git_odb_foreach(repo->odb, look_at, &l);

    hark_buf_free(&l.bytes);
    if (l.rc != 0) {
        return l.rc;
    }
    return answer == 0 ? 0 : hark_repo_git_err(err, answer, "listing objects");
}

/* ---- what stock git would show in place of what is there ---- */

static bool has_files(struct hark_repo *repo, const char *dir)
{
    int fd = openat(repo->top_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    bool any = false;

    if (folder == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    while (!any && (entry = readdir(folder)) != NULL) {
        any = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(folder);
    return any;
}

int hark_repo_view_replaced(struct hark_repo *repo, bool *refs, bool *grafts, struct hark_err *err)
{
    struct hark_buf packed = hark_buf_init(PACKED_REFS_MAX);
    struct stat st;
    int rc = read_packed_refs(repo, &packed, err);
    struct hark_span in = hark_buf_span(&packed);
    struct hark_span line;

    *refs = has_files(repo, "refs/replace");
    *grafts = fstatat(repo->top_fd, "info/grafts", &st, 0) == 0 && st.st_size > 0;
    while (rc == 0 && !*refs && hark_take_line(&in, &line)) {
        struct hark_span name;
        struct hark_git_id id;

        *refs = packed_line(line, &id, &name) && hark_take_literal(&name, "refs/replace/");
    }
    hark_buf_free(&packed);
    return rc;
}
