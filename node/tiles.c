/* See tiles.h. */
#include "node/tiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/files.h"
#include "schemas/config.h"

#define STEP        8u           /* levels of the tree that a tile holds */
#define LEVELS      (64u / STEP) /* more than any tree has */
#define BUNDLE_ITEM (2u + HARK_LEAF_SIZE)

/* A web server, as whichever user it runs, may read them; the umask may say otherwise. */
#define FILE_MODE 0644
#define DIR_MODE  0755

struct writing {
    const struct hark_tiles_log *log;
    const char *dir;
    struct hark_checkpoint was; /* what DIR held; size 0: nothing */
    struct hark_buf bytes;      /* of the tile at hand */
    char folder[HARK_PATH_MAX]; /* where the last tile stands; empty: there was none */
    struct hark_tiles_written *out;
};

void hark_tiles_path(char out[HARK_TILES_PATH_SIZE], unsigned level, uint64_t index, unsigned width)
{
    int used = level == HARK_TILES_ENTRIES ? snprintf(out, HARK_TILES_PATH_SIZE, "tile/entries")
                                           : snprintf(out, HARK_TILES_PATH_SIZE, "tile/%u", level);
    uint64_t unit = 1;

    while (index / unit >= 1000)
        unit *= 1000;
    for (; unit > 0; unit /= 1000) /* seven times at most */
        used += snprintf(out + used, HARK_TILES_PATH_SIZE - (size_t)used, "/%s%03u",
                         unit > 1 ? "x" : "", (unsigned)(index / unit % 1000));
    if (width < HARK_TILE_WIDTH)
        (void)snprintf(out + used, HARK_TILES_PATH_SIZE - (size_t)used, ".p/%u", width);
}

/* The number in front, of digits in groups of three. */
static bool take_index(const char **path, uint64_t *out)
{
    const char *at = *path;

    *out = 0;
    while (*at == '/') {
        bool more = at[1] == 'x';
        const char *digits = at + (more ? 2 : 1);

        if (strspn(digits, "0123456789") != 3 || *out > UINT64_MAX / 1000 - 1)
            return false;
        *out = *out * 1000 +
               (uint64_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
        at = digits + 3;
        if (!more)
            break;
    }
    *path = at;
    return true;
}

/* Read loosely, and then held against the one path that such a tile has. */
bool hark_tiles_find(const char *path, uint64_t size, struct hark_tile *out)
{
    char again[HARK_TILES_PATH_SIZE];
    const char *at = path + strlen("tile/");
    uint64_t number = 0, count = size;
    size_t digits;

    *out = (struct hark_tile){.level = HARK_TILES_ENTRIES, .width = HARK_TILE_WIDTH};
    if (strncmp(path, "tile/", strlen("tile/")) != 0)
        return false;
    digits = strcspn(at, "/");
    if (strncmp(at, "entries/", strlen("entries/")) != 0) {
        if (hark_decimal_decode(&number, hark_span(at, digits), LEVELS - 1, NULL) != 0)
            return false;
        out->level = (unsigned)number;
        count >>= out->level * STEP;
    }
    at += digits;
    if (!take_index(&at, &out->index))
        return false;
    if (strncmp(at, ".p/", 3) == 0) {
        if (hark_decimal_decode(&number, hark_span_str(at + 3), HARK_TILE_WIDTH - 1, NULL) != 0)
            return false;
        out->width = (unsigned)number;
    }
    if (out->width == 0 || out->index > count / HARK_TILE_WIDTH ||
        out->index * HARK_TILE_WIDTH + out->width > count)
        return false;
    hark_tiles_path(again, out->level, out->index, out->width);
    return strcmp(path, again) == 0;
}

/* --- a space's log ---------------------------------------------------------------- */

static int space_hash(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                      struct hark_err *err)
{
    return hark_index_merkle_read(hark_space_index(arg), level, index, out, err);
}

static int space_line(void *arg, uint64_t position, struct hark_line *out, struct hark_err *err)
{
    struct hark_git_id commit;

    return hark_space_line(arg, "", position, out, &commit, err);
}

struct hark_tiles_log hark_tiles_log_of(struct hark_space *space, struct hark_span checkpoint)
{
    return (struct hark_tiles_log){.space = hark_space_id(space),
                                   .checkpoint = checkpoint,
                                   .read = space_hash,
                                   .line = space_line,
                                   .arg = space};
}

/* --- what DIR holds already ------------------------------------------------------- */

/* "<node>/<space>/<incarnation>", of whichever node and incarnation. */
static bool is_main_log_of(const char *origin, const struct hark_hash *space)
{
    char node[HARK_NODE_NAME_MAX + 1], again[HARK_ORIGIN_MAX + 1];
    const char *last = strrchr(origin, '/');
    size_t size = strcspn(origin, "/");
    uint64_t incarnation = 0;

    if (last == NULL || size >= sizeof(node) ||
        hark_decimal_decode(&incarnation, hark_span_str(last + 1), UINT64_MAX, NULL) < 0 ||
        incarnation == 0)
        return false;
    (void)snprintf(node, sizeof(node), "%.*s", (int)size, origin);
    hark_origin(again, node, space, incarnation);
    return strcmp(origin, again) == 0;
}

static int root_of(const struct hark_tiles_log *log, uint64_t size, struct hark_hash *root,
                   struct hark_err *err)
{
    *root = hark_merkle_empty();
    return size == 0 ? 0 : hark_merkle_root_at(root, size, log->read, log->arg, err);
}

static int refused(int rc, struct hark_err *err)
{
    hark_err_hint(err, "nothing there is changed: `hark verify FILE` says what its checkpoint "
                       "proves; export into another directory");
    return rc;
}

/* Does our log go on from what DIR holds? Who signed that is not asked: it is left alone
 * unless our log begins with just these entries, and then it says nothing new. */
static int compare_was(const struct writing *w, struct hark_err *err)
{
    const struct hark_checkpoint *was = &w->was, *now = &w->out->checkpoint;
    struct hark_hash root;
    int rc;

    if (!is_main_log_of(was->origin, w->log->space))
        return refused(hark_err_set(err, HARK_E_EXISTS, "%s holds another log, that of %s", w->dir,
                                    was->origin),
                       err);
    if (was->size > now->size)
        return refused(hark_err_set(err, HARK_E_BEHIND,
                                    "%s holds %llu entries of %s, the log here has only %llu",
                                    w->dir, (unsigned long long)was->size, was->origin,
                                    (unsigned long long)now->size),
                       err);
    rc = root_of(w->log, was->size, &root, err);
    if (rc < 0 || hark_hash_equal(&root, &was->root))
        return rc;
    /* What an earlier incarnation signed may be lost, which is no fork (PROTOCOL.md 7.6). */
    rc = strcmp(was->origin, now->origin) == 0 ? HARK_E_PEER_FORK : HARK_E_EXISTS;
    return refused(
        hark_err_set(err, rc,
                     "%s holds another history of %llu entries, signed by %s, than the log here",
                     w->dir, (unsigned long long)was->size, was->origin),
        err);
}

static int check_was(struct writing *w, const char *path, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    int rc = hark_file_read(path, &note, err);

    if (rc == HARK_E_NOT_FOUND) {
        hark_buf_free(&note);
        return 0;
    }
    if (rc == 0) {
        rc = hark_checkpoint_read(&w->was, hark_buf_span(&note), err);
        if (rc < 0)
            rc = refused(hark_err_wrap(err, rc, "%s is no checkpoint", path), err);
    }
    if (rc == 0)
        rc = compare_was(w, err);
    hark_buf_free(&note);
    return rc;
}

/* --- folders ------------------------------------------------------------------------ */

static int make_folder(const char *path, struct hark_err *err)
{
    if (mkdir(path, DIR_MODE) == 0)
        return hark_parent_sync(path, err);
    return errno == EEXIST ? 0 : hark_err_errno(err, errno, "%s", path);
}

/* The names in it are durable from now on; also those that an earlier export, which was
 * cut short, has placed. */
static int leave_folder(struct writing *w, struct hark_err *err)
{
    int rc = w->folder[0] == '\0' ? 0 : hark_dir_sync(w->folder, err);

    w->folder[0] = '\0';
    return rc;
}

/* Makes the folders between DIR and the file. */
static int enter_folder(struct writing *w, const char *path, struct hark_err *err)
{
    size_t size = (size_t)(strrchr(path, '/') - path);
    int rc;

    if (strncmp(w->folder, path, size) == 0 && w->folder[size] == '\0')
        return 0;
    rc = leave_folder(w, err);
    for (size_t at = strlen(w->dir) + 1; rc == 0 && at <= size; at++) {
        if (path[at] != '/')
            continue;
        (void)snprintf(w->folder, sizeof(w->folder), "%.*s", (int)at, path);
        rc = make_folder(w->folder, err);
    }
    return rc;
}

/* --- tiles -------------------------------------------------------------------------- */

static int fill_hashes(const struct hark_tiles_log *log, unsigned level, uint64_t first,
                       unsigned width, struct hark_buf *out, struct hark_err *err)
{
    struct hark_hash hash;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < width; i++) {
        rc = log->read(log->arg, level * STEP, first + i, &hash, err);
        if (rc == 0)
            rc = hark_buf_append(out, hash.bytes, HARK_HASH_SIZE, err);
    }
    return rc;
}

/* A leaf that is not the tree's would be served, and found wrong by everybody, for ever. */
static int fill_entry(const struct hark_tiles_log *log, uint64_t position, struct hark_buf *out,
                      struct hark_err *err)
{
    uint8_t leaf[HARK_LEAF_SIZE];
    struct hark_hash stored, hash;
    struct hark_line line;
    int rc = log->line(log->arg, position, &line, err);

    if (rc == 0)
        rc = log->read(log->arg, 0, position, &stored, err);
    if (rc < 0)
        return rc;
    hark_line_leaf_bytes(leaf, &line);
    hash = hark_merkle_leaf(hark_span(leaf, sizeof(leaf)));
    if (!hark_hash_equal(&stored, &hash))
        return hark_err_set(err, HARK_E_DAMAGED, "entry %llu is not the tree's leaf",
                            (unsigned long long)position);
    rc = hark_buf_append_u16(out, HARK_LEAF_SIZE, err);
    return rc < 0 ? rc : hark_buf_append(out, leaf, sizeof(leaf), err);
}

int hark_tiles_make(const struct hark_tiles_log *log, const struct hark_tile *tile,
                    struct hark_buf *out, struct hark_err *err)
{
    uint64_t first = tile->index * HARK_TILE_WIDTH;
    int rc = 0;

    if (tile->level != HARK_TILES_ENTRIES)
        return fill_hashes(log, tile->level, first, tile->width, out, err);
    for (unsigned i = 0; rc == 0 && i < tile->width; i++)
        rc = fill_entry(log, first + i, out, err);
    return rc;
}

static bool is_file_of(const char *path, size_t size)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == size;
}

/* What cannot be read is written anew: then it is said what is wrong. */
static bool holds(const char *path, struct hark_span bytes)
{
    struct hark_buf there = hark_buf_init(bytes.size);
    bool same = is_file_of(path, bytes.size) && hark_file_read(path, &there, NULL) == 0 &&
                hark_span_equal(hark_buf_span(&there), bytes);

    hark_buf_free(&there);
    return same;
}

typedef int tile_fn(struct writing *w, unsigned level, uint64_t index, unsigned width,
                    struct hark_err *err);

static int write_tile(struct writing *w, unsigned level, uint64_t index, unsigned width,
                      struct hark_err *err)
{
    bool entries = level == HARK_TILES_ENTRIES;
    size_t size = width * (entries ? BUNDLE_ITEM : (size_t)HARK_HASH_SIZE);
    uint64_t first = index * HARK_TILE_WIDTH;
    bool covered = first + width <= w->was.size >> (entries ? 0 : level * STEP);
    char name[HARK_TILES_PATH_SIZE], path[HARK_PATH_MAX];
    int rc;

    hark_tiles_path(name, level, index, width);
    rc = hark_path_join(path, w->dir, name, err);
    if (rc == 0)
        rc = enter_folder(w, path, err);
    if (rc < 0 || (covered && is_file_of(path, size)))
        return rc;
    hark_buf_clear(&w->bytes);
    rc = hark_tiles_make(w->log, &(struct hark_tile){level, index, width}, &w->bytes, err);
    if (rc < 0 || holds(path, hark_buf_span(&w->bytes)))
        return rc;
    rc = hark_file_place(path, hark_buf_span(&w->bytes), FILE_MODE, err);
    if (rc == 0)
        *(entries ? &w->out->bundles : &w->out->tiles) += 1;
    return rc;
}

/* The partial tiles that a full one replaces. */
static int remove_partial(struct writing *w, unsigned level, uint64_t index, unsigned width,
                          struct hark_err *err)
{
    char name[HARK_TILES_PATH_SIZE + 2], path[HARK_PATH_MAX];
    int rc;

    if (width < HARK_TILE_WIDTH)
        return 0;
    hark_tiles_path(name, level, index, width);
    memcpy(name + strlen(name), ".p", sizeof(".p"));
    rc = hark_path_join(path, w->dir, name, err);
    return rc < 0 ? rc : hark_tree_remove(path, err);
}

static int each_of_level(struct writing *w, unsigned level, uint64_t count, tile_fn *fn,
                         struct hark_err *err)
{
    uint64_t full = count / HARK_TILE_WIDTH;
    unsigned rest = (unsigned)(count % HARK_TILE_WIDTH);
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < full; i++)
        rc = fn(w, level, i, HARK_TILE_WIDTH, err);
    return rc == 0 && rest > 0 ? fn(w, level, full, rest, err) : rc;
}

static int each_tile(struct writing *w, tile_fn *fn, struct hark_err *err)
{
    uint64_t size = w->out->checkpoint.size;
    int rc = each_of_level(w, HARK_TILES_ENTRIES, size, fn, err);

    for (unsigned level = 0; rc == 0 && level < LEVELS && size > 0; level++) {
        rc = each_of_level(w, level, size, fn, err);
        size >>= STEP;
    }
    return rc;
}

/* --- all of it ------------------------------------------------------------------------ */

static int check_log(const struct hark_tiles_log *log, struct hark_checkpoint *now,
                     struct hark_err *err)
{
    struct hark_hash root;
    int rc = hark_checkpoint_read(now, log->checkpoint, err);

    if (rc == 0)
        rc = root_of(log, now->size, &root, err);
    if (rc == 0 && !hark_hash_equal(&root, &now->root))
        rc = hark_err_set(err, HARK_E_DAMAGED, "the log's tree is not what its checkpoint says");
    return rc;
}

/* Two exports into one directory could move its checkpoint back. */
static int lock_dir(const char *dir, int *fd, struct hark_err *err)
{
    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return hark_err_errno(err, errno, "%s", dir);
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? hark_err_set(err, HARK_E_BUSY, "another export writes into %s", dir)
                   : hark_err_errno(err, errno, "locking %s", dir);
    return 0;
}

static int bring_up(struct writing *w, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, w->dir, "checkpoint", err);

    if (rc == 0)
        rc = check_was(w, path, err);
    if (rc == 0)
        rc = each_tile(w, write_tile, err);
    if (rc == 0)
        rc = leave_folder(w, err);
    if (rc == 0 && !holds(path, w->log->checkpoint))
        rc = hark_file_write(path, w->log->checkpoint, FILE_MODE, err);
    return rc < 0 ? rc : each_tile(w, remove_partial, err);
}

int hark_tiles_write(const char *dir, const struct hark_tiles_log *log,
                     struct hark_tiles_written *out, struct hark_err *err)
{
    struct writing *w = calloc(1, sizeof(*w));
    int fd = -1, rc;

    *out = (struct hark_tiles_written){0};
    if (w == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for tiles");
    w->log = log;
    w->dir = dir;
    w->out = out;
    w->bytes = hark_buf_init(HARK_TILE_WIDTH * BUNDLE_ITEM);
    rc = check_log(log, &out->checkpoint, err);
    if (rc == 0)
        rc = make_folder(dir, err);
    if (rc == 0)
        rc = lock_dir(dir, &fd, err);
    if (rc == 0)
        rc = bring_up(w, err);
    if (fd >= 0)
        (void)close(fd);
    hark_buf_free(&w->bytes);
    free(w);
    return rc;
}
