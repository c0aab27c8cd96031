/*
 * The data directory: making, opening and locking it; its spaces.
 */
#include "node/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/private.h"
#include "node/files.h"
#include "node/founding.h"

#define DATA_VERSION "hark data 1\n"
/* Stands in a directory from before anything else is put there until all of it is. */
#define UNFINISHED   "unfinished"
#define PLACE_MAX    64u
#define LOCK_WAIT_MS 5000
#define LOCK_STEP_MS 20
/* So that 0, which says never, was long ago even on a machine that has just started. */
#define TIMER_BASE_MS UINT64_C(1000000000000)

uint64_t hark_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)(now.tv_nsec / 1000000);
}

uint64_t hark_timer_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return TIMER_BASE_MS + (uint64_t)now.tv_sec * 1000u + (uint64_t)(now.tv_nsec / 1000000);
}

/* --- making ------------------------------------------------------------------ */

/* Is the file there? Error: io, where that cannot be told. */
static int has_file(const char *dir, const char *name, bool *has, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    struct stat st;
    int rc = hark_path_join(path, dir, name, err);

    if (rc < 0)
        return rc;
    *has = lstat(path, &st) == 0;
    if (!*has && errno != ENOENT && errno != ENOTDIR)
        return hark_err_errno(err, errno, "%s", path);
    return 0;
}

/* What an interrupted making left is made anew, unless it is being made just now. Its
 * mark goes last, so that this can be interrupted, too. */
static int clear_unfinished(const char *dir, struct hark_err *err)
{
    static const char *const names[] = {"keys",      "spaces",   "index", "steward", "outbox",
                                        "hark.yaml", "founding", "lock",  "place"};
    char path[HARK_PATH_MAX];
    int fd, rc = hark_path_join(path, dir, "lock", err);

    if (rc < 0)
        return rc;
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
        rc = hark_err_set(err, HARK_E_BUSY, "another process is making %s", dir);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++) {
        rc = hark_path_join(path, dir, names[i], err);
        if (rc == 0)
            rc = hark_tree_remove(path, err);
    }
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* No files but those that a making that was interrupted leaves beside its folders. */
static int must_be_empty(const char *dir, struct hark_err *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int rc = 0;

    if (d == NULL)
        return hark_err_errno(err, errno, "%s", dir);
    while ((entry = readdir(d)) != NULL) {
        size_t size = strlen(entry->d_name);

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, UNFINISHED) == 0 ||
            (size > 4 && strcmp(entry->d_name + size - 4, ".new") == 0))
            continue;
        rc = hark_err_set(err, HARK_E_EXISTS, "%s is not empty", dir);
        break;
    }
    (void)closedir(d);
    return rc;
}

static int make_directories(const char *dir, struct hark_err *err)
{
    static const char *const names[] = {"keys",  "keys/people", "spaces",
                                        "index", "steward",     "outbox"};
    char path[HARK_PATH_MAX];
    bool unfinished = false, finished = false;
    int rc = hark_dir_make(dir, err);

    if (rc == 0)
        rc = has_file(dir, UNFINISHED, &unfinished, err);
    if (rc == 0)
        rc = has_file(dir, "version", &finished, err);
    if (rc == 0 && unfinished && !finished)
        rc = clear_unfinished(dir, err);
    if (rc == 0)
        rc = must_be_empty(dir, err);
    if (rc == 0)
        rc = hark_path_join(path, dir, UNFINISHED, err);
    if (rc == 0)
        rc = hark_file_write(path, hark_span_str("by hark; may be made anew\n"), 0600, err);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++) {
        rc = hark_path_join(path, dir, names[i], err);
        if (rc == 0)
            rc = hark_dir_make(path, err);
    }
    return rc;
}

static int write_config(const char *dir, const struct hark_config *config, struct hark_err *err)
{
    struct hark_buf yaml = hark_buf_init(HARK_CONFIG_MAX);
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, dir, "hark.yaml", err);

    if (rc == 0)
        rc = hark_config_encode(&yaml, config, err);
    if (rc == 0)
        rc = hark_file_write(path, hark_buf_span(&yaml), 0600, err);
    hark_buf_free(&yaml);
    return rc;
}

int hark_node_make(const char *dir, const struct hark_config *config, struct hark_span passphrase,
                   struct hark_err *err)
{
    struct hark_seed *seed = NULL;
    char path[HARK_PATH_MAX];
    int rc;

    rc = make_directories(dir, err);
    if (rc == 0)
        rc = hark_seed_new(&seed, err);
    if (rc == 0)
        rc = hark_path_join(path, dir, "keys/device", err);
    if (rc == 0)
        rc = hark_keyfile_save(path, seed, "hark device", passphrase, err);
    if (rc == 0)
        rc = write_config(dir, config, err);
    hark_seed_free(seed);
    return rc;
}

int hark_node_finish(const char *dir, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, dir, "version", err);

    if (rc == 0)
        rc = hark_file_write(path, hark_span_str(DATA_VERSION), 0600, err);
    /* Where there is a version, the mark means nothing any more. */
    if (rc == 0 && hark_path_join(path, dir, UNFINISHED, NULL) == 0)
        (void)unlink(path);
    return rc;
}

int hark_node_init(const char *dir, const struct hark_config *config, struct hark_span passphrase,
                   struct hark_err *err)
{
    int rc = hark_node_make(dir, config, passphrase, err);

    return rc < 0 ? rc : hark_node_finish(dir, err);
}

/* --- opening ----------------------------------------------------------------- */

static int check_version(const char *dir, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(64);
    char path[HARK_PATH_MAX];
    bool there = false, unfinished = false;
    int rc = hark_path_join(path, dir, "version", err);

    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    /* Also where something on the way is no directory. */
    if ((rc == HARK_E_NOT_FOUND || rc == HARK_E_IO) &&
        has_file(dir, "version", &there, NULL) == 0 && !there) {
        rc = has_file(dir, UNFINISHED, &unfinished, err);
        if (rc == 0)
            rc = hark_err_set(err, HARK_E_USAGE,
                              "%s is not a node's directory (no file version in it)", dir);
        if (unfinished)
            hark_err_hint(err, "what was to make it did not get to its end: give it again");
    }
    if (rc == HARK_E_LIMIT)
        rc = hark_err_set(err, HARK_E_DATA_VERSION, "%s is not of a kind that this program knows",
                          path);
    else if (rc == 0 && !hark_span_equal(hark_buf_span(&text), hark_span_str(DATA_VERSION)))
        rc = hark_err_set(err, HARK_E_DATA_VERSION,
                          "%s says another version than this program's, which is \"hark data 1\"",
                          path);
    hark_buf_free(&text);
    return rc;
}

static int load_config(struct hark_node *node, struct hark_err *err)
{
    struct hark_buf yaml = hark_buf_init(HARK_CONFIG_MAX);
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, node->dir, "hark.yaml", err);

    if (rc == 0)
        rc = hark_file_read(path, &yaml, err);
    if (rc == 0)
        rc = hark_config_parse(&node->config, hark_buf_span(&yaml), path, err);
    hark_buf_free(&yaml);
    return rc;
}

static int take_lock(struct hark_node *node, struct hark_err *err)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, node->dir, "lock", err);

    if (rc < 0)
        return rc;
    node->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (node->lock_fd < 0)
        return hark_err_errno(err, errno, "%s", path);
    for (int waited = 0;; waited += LOCK_STEP_MS) {
        if (flock(node->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return hark_err_errno(err, errno, "%s", path);
        if (waited >= LOCK_WAIT_MS)
            break;
        (void)nanosleep(&step, NULL);
    }
    rc = hark_err_set(err, HARK_E_BUSY, "another process is working on %s", node->dir);
    hark_err_hint(err, "wait for it, or stop it");
    return rc;
}

/* --- where the directory lies --------------------------------------------------- */

/* Which file that is: its inode, and when it came to be, since a number that was freed
 * is soon given out again. Where a file system does not know the latter, it says 0. */
static bool place_of(char out[PLACE_MAX], int dir, const char *path)
{
    struct statx found;

    if (statx(dir, path, AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &found) != 0)
        return false;
    if ((found.stx_mask & STATX_BTIME) == 0)
        memset(&found.stx_btime, 0, sizeof(found.stx_btime));
    (void)snprintf(out, PLACE_MAX, "%llu %lld.%09u\n", (unsigned long long)found.stx_ino,
                   (long long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    return true;
}

/* A backup that is put back, or a copy, has other files: its home may have signed more
 * since, elsewhere (PROTOCOL.md 7.6). */
static void look_at_place(struct hark_node *node)
{
    struct hark_buf text = hark_buf_init(64);
    char path[HARK_PATH_MAX], here[PLACE_MAX];

    if (hark_path_join(path, node->dir, "place", NULL) != 0)
        return;
    if (!place_of(here, AT_FDCWD, path)) {
        if (errno == ENOENT)
            hark_node_settle(node);
        return;
    }
    node->moved = hark_file_read(path, &text, NULL) < 0 ||
                  !hark_span_equal(hark_buf_span(&text), hark_span_str(here));
    hark_buf_free(&text);
}

void hark_node_settle(struct hark_node *node)
{
    char path[HARK_PATH_MAX], fresh[HARK_PATH_MAX], here[PLACE_MAX];
    bool written;
    int fd;

    if (hark_path_join(path, node->dir, "place", NULL) != 0 ||
        hark_path_join(fresh, node->dir, "place.new", NULL) != 0)
        return;
    (void)unlink(fresh);
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    written = place_of(here, fd, "") && dprintf(fd, "%s", here) > 0 && fsync(fd) == 0;
    (void)close(fd);
    if (written && rename(fresh, path) == 0)
        node->moved = false;
}

static int find_passphrase(struct hark_node *node, const char *path, struct hark_err *err)
{
    int rc = HARK_E_KEY_PASSPHRASE;

    if (node->config->passphrase_file[0] != '\0')
        return hark_passphrase_read(&node->passphrase, node->config->passphrase_file, err);
    if (!node->unattended)
        rc = hark_passphrase_ask(&node->passphrase, "Passphrase of this node's keys", err);
    if (rc == HARK_E_KEY_PASSPHRASE) {
        rc = hark_err_set(err, rc, "%s needs a passphrase, and there is no terminal to ask at",
                          path);
        hark_err_hint(err, "name a file that holds it as passphrase_file in hark.yaml");
    }
    return rc;
}

int hark_node_passphrase(void *arg, const char *path, struct hark_buf *secret, struct hark_err *err)
{
    struct hark_node *node = arg;
    int rc = node->passphrase == NULL ? find_passphrase(node, path, err) : 0;

    if (rc == 0)
        rc = hark_buf_append_span(secret, hark_passphrase_span(node->passphrase), err);
    return rc;
}

/* Where keys lie only the owner may write, or look. */
static int check_folders(const struct hark_node *node, struct hark_err *err)
{
    static const char *const names[] = {"keys", "keys/people", "steward"};
    char path[HARK_PATH_MAX];
    int rc = hark_private_folder(node->dir, false, err);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++) {
        rc = hark_path_join(path, node->dir, names[i], err);
        if (rc == 0)
            rc = hark_private_folder(path, true, err);
        if (rc == HARK_E_NOT_FOUND)
            rc = 0; /* whoever wants something out of it will say so */
    }
    return rc;
}

int hark_node_load_key(struct hark_node *node, const char *path, struct hark_seed **out,
                       struct hark_err *err)
{
    int rc = hark_keyfile_load(out, path, hark_node_passphrase, node, err);

    if (rc == HARK_E_KEY_PASSPHRASE && (err == NULL || err->hint[0] == '\0'))
        hark_err_hint(err, "if `hark key passwd` did not get to its end, give it again");
    return rc;
}

static int load_seed(struct hark_node *node, const char *name, struct hark_seed **out,
                     struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, node->dir, name, err);

    if (rc == 0)
        rc = hark_node_load_key(node, path, out, err);
    return rc;
}

static int derive_signer(const struct hark_seed *seed, const char *label, struct hark_signer **out,
                         struct hark_err *err)
{
    struct hark_seed *child = NULL;
    int rc = hark_seed_derive(&child, seed, label, (struct hark_span){0}, err);

    if (rc == 0)
        rc = hark_signer_new(out, child, err);
    hark_seed_free(child);
    return rc;
}

static int derive_box(const struct hark_seed *seed, const char *label, struct hark_box **out,
                      struct hark_err *err)
{
    struct hark_seed *child = NULL;
    int rc = hark_seed_derive(&child, seed, label, (struct hark_span){0}, err);

    if (rc == 0)
        rc = hark_box_new(out, child, err);
    hark_seed_free(child);
    return rc;
}

/* PROTOCOL.md 2.3: the key pairs of a node seed. */
static int derive_identity(struct hark_node *node, struct hark_err *err)
{
    struct hark_node_identity *id = &node->identity;
    struct hark_seed *seed = NULL;
    int rc = hark_seed_derive(&seed, node->seed, "node", (struct hark_span){0}, err);

    if (rc == 0)
        rc = derive_signer(seed, "log", &id->log, err);
    if (rc == 0)
        rc = derive_signer(seed, "cosigner", &id->cosigner, err);
    if (rc == 0)
        rc = derive_signer(seed, "author", &id->author, err);
    if (rc == 0)
        rc = derive_signer(seed, "witness", &id->witness, err);
    if (rc == 0)
        rc = derive_box(seed, "box", &id->box, err);
    if (rc == 0)
        rc = derive_box(seed, "curve", &id->curve, err);
    hark_seed_free(seed);
    return rc;
}

/* Directories of before there were outboxes have none. */
static int make_outbox(const struct hark_node *node, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, node->dir, "outbox", err);

    return rc < 0 ? rc : hark_dir_make(path, err);
}

/* The configuration, and the lock. */
static int begin_node(struct hark_node **out, const char *dir, bool lock, bool unfinished,
                      struct hark_err *err)
{
    struct hark_node *node = calloc(1, sizeof(*node));
    int rc, n;

    *out = NULL;
    if (node == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a node");
    node->lock_fd = -1;
    node->read_only = !lock;
    n = snprintf(node->dir, sizeof(node->dir), "%s", dir);
    if (n <= 0 || (size_t)n >= sizeof(node->dir))
        rc = hark_err_set(err, HARK_E_USAGE, "the path %s is empty or too long", dir);
    else
        rc = unfinished ? 0 : check_version(dir, err);
    if (rc == 0)
        rc = load_config(node, err);
    if (rc == 0)
        rc = check_folders(node, err);
    if (rc == 0 && lock)
        rc = take_lock(node, err);
    if (rc < 0) {
        hark_node_free(node);
        return rc;
    }
    *out = node;
    return 0;
}

int hark_node_open_config(struct hark_node **out, const char *dir, bool lock, struct hark_err *err)
{
    return begin_node(out, dir, lock, false, err);
}

static int open_node(struct hark_node **out, const char *dir, bool write, bool unfinished,
                     struct hark_err *err)
{
    struct hark_node *node = NULL;
    int rc = begin_node(&node, dir, write, unfinished, err);

    *out = NULL;
    if (rc < 0)
        return rc;
    if (write)
        rc = make_outbox(node, err);
    if (rc == 0)
        rc = load_seed(node, "keys/device", &node->seed, err);
    if (rc == 0)
        rc = derive_identity(node, err);
    if (rc == 0 && write)
        look_at_place(node);
    if (rc == 0)
        rc = hark_git_init(err);
    if (rc == 0)
        rc = hark_pool_new(&node->pool, 0, err);
    if (rc < 0) {
        hark_node_free(node);
        return rc;
    }
    /* What cannot be mended now is not listed, and mended another time. */
    if (write && !unfinished)
        (void)(hark_founding_mend(node, NULL) < 0);
    *out = node;
    return 0;
}

int hark_node_open(struct hark_node **out, const char *dir, bool write, struct hark_err *err)
{
    return open_node(out, dir, write, false, err);
}

int hark_node_open_unfinished(struct hark_node **out, const char *dir, struct hark_err *err)
{
    return open_node(out, dir, true, true, err);
}

void hark_node_free(struct hark_node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->space_count; i++)
        hark_space_free(node->spaces[i]);
    free(node->spaces);
    hark_pool_free(node->pool);
    hark_signer_free(node->identity.log);
    hark_signer_free(node->identity.cosigner);
    hark_signer_free(node->identity.author);
    hark_signer_free(node->identity.witness);
    hark_box_free(node->identity.box);
    hark_box_free(node->identity.curve);
    hark_seed_free(node->seed);
    hark_passphrase_free(node->passphrase);
    hark_config_free(node->config);
    if (node->lock_fd >= 0)
        (void)close(node->lock_fd);
    free(node);
}

int hark_node_save_config(struct hark_node *node, struct hark_err *err)
{
    return write_config(node->dir, node->config, err);
}

void hark_node_keys(const struct hark_node *node, struct hark_node_keys *out)
{
    out->log = *hark_signer_key(node->identity.log);
    out->cosigner = *hark_signer_key(node->identity.cosigner);
    out->author = *hark_signer_key(node->identity.author);
    out->curve = *hark_box_key(node->identity.curve);
    out->box = *hark_box_key(node->identity.box);
}

/* --- spaces ------------------------------------------------------------------ */

/* "<64 hex>.git" */
static bool space_of_name(const char *name, struct hark_hash *id)
{
    size_t size = strlen(name);

    return size == 2 * HARK_HASH_SIZE + 4 && strcmp(name + 2 * HARK_HASH_SIZE, ".git") == 0 &&
           hark_hash_from_hex(id, hark_span(name, 2 * HARK_HASH_SIZE), NULL) == 0;
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, HARK_HASH_SIZE);
}

int hark_node_spaces(struct hark_node *node, struct hark_hash **ids, size_t *count,
                     struct hark_err *err)
{
    int rc = hark_spaces_in(node->dir, ids, count, err);

    if (rc == 0 && *count > 0)
        rc = hark_founding_hide(node, *ids, count, err);
    if (rc < 0) {
        free(*ids);
        *ids = NULL;
    }
    return rc;
}

int hark_spaces_in(const char *dir, struct hark_hash **ids, size_t *count, struct hark_err *err)
{
    struct hark_hash *list = NULL, id;
    struct dirent *entry;
    char path[HARK_PATH_MAX];
    size_t used = 0;
    DIR *d;
    int rc = hark_path_join(path, dir, "spaces", err);

    *ids = NULL;
    *count = 0;
    if (rc < 0)
        return rc;
    d = opendir(path);
    if (d == NULL && errno == ENOENT)
        return 0;
    if (d == NULL)
        return hark_err_errno(err, errno, "%s", path);
    while ((entry = readdir(d)) != NULL) {
        struct hark_hash *grown;

        if (!space_of_name(entry->d_name, &id))
            continue;
        if (used == HARK_SPACES_MAX) {
            rc = hark_err_set(err, HARK_E_LIMIT, "more than %u spaces", HARK_SPACES_MAX);
            break;
        }
        grown = realloc(list, (used + 1) * sizeof(*list));
        if (grown == NULL) {
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a list of spaces");
            break;
        }
        list = grown;
        list[used++] = id;
    }
    (void)closedir(d);
    if (rc < 0) {
        free(list);
        return rc;
    }
    if (used > 0)
        qsort(list, used, sizeof(*list), compare_hashes);
    *ids = list;
    *count = used;
    return 0;
}

/* The node owns it from here on, or it is gone. */
static int keep_space(struct hark_node *node, struct hark_space *space, struct hark_space **out,
                      struct hark_err *err)
{
    struct hark_space **grown =
        realloc(node->spaces, (node->space_count + 1) * sizeof(struct hark_space *));

    if (grown == NULL) {
        hark_space_free(space);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a space");
    }
    node->spaces = grown;
    node->spaces[node->space_count++] = space;
    *out = space;
    return 0;
}

int hark_node_create_space(struct hark_node *node, const struct hark_hash *id,
                           struct hark_space **out, struct hark_err *err)
{
    struct hark_space *space = NULL;
    int rc = hark_space_create(&space, node->dir, id, node->pool, err);

    *out = NULL;
    return rc < 0 ? rc : keep_space(node, space, out, err);
}

void hark_node_close_space(struct hark_node *node, const struct hark_hash *id)
{
    for (size_t i = 0; i < node->space_count; i++) {
        if (!hark_hash_equal(hark_space_id(node->spaces[i]), id))
            continue;
        hark_space_free(node->spaces[i]);
        node->spaces[i] = node->spaces[--node->space_count];
        return;
    }
}

/* Until its network has compared it (net_plan.c): what this node signs where it is named
 * beside others, and elsewhere the feeds of the people whose keys it holds. */
static void hold_if_moved(const struct hark_node *node, struct hark_space *space)
{
    struct hark_node_object named;
    const uint32_t *numbers;
    int rc;

    if (!node->moved)
        return;
    rc = hark_node_named(node, space, &named, NULL);
    if (rc == HARK_E_NOT_FOUND ||
        (rc == 0 && hark_state_named(hark_space_state(space), &numbers) > 1))
        hark_space_hold(space, true);
}

int hark_node_space(struct hark_node *node, const struct hark_hash *id, struct hark_space **out,
                    struct hark_err *err)
{
    struct hark_space *space = NULL;
    int rc;

    *out = NULL;
    for (size_t i = 0; i < node->space_count; i++) {
        if (hark_hash_equal(hark_space_id(node->spaces[i]), id)) {
            *out = node->spaces[i];
            return 0;
        }
    }
    rc = hark_space_open(&space, node->dir, id, node->read_only, node->pool, err);
    if (rc == 0)
        rc = keep_space(node, space, out, err);
    if (rc == 0)
        hold_if_moved(node, *out);
    return rc;
}

static int match_space(const struct hark_hash *ids, size_t count, const char *name,
                       struct hark_hash *out, struct hark_err *err)
{
    size_t size = strlen(name), found = 0;
    char hex[2 * HARK_HASH_SIZE + 1];

    if (size < 8 || size > 2 * HARK_HASH_SIZE)
        return hark_err_set(err, HARK_E_USAGE, "a space is named by 8 to 64 hex digits of its id");
    for (size_t i = 0; i < count; i++) {
        hark_hash_hex(hex, &ids[i]);
        if (strncmp(hex, name, size) == 0) {
            *out = ids[i];
            found++;
        }
    }
    if (found == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "no space %s at this node", name);
    if (found > 1)
        return hark_err_set(err, HARK_E_AMBIGUOUS, "%s fits several spaces", name);
    return 0;
}

int hark_node_pick_id(struct hark_node *node, const char *name, struct hark_hash *out,
                      struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_node_spaces(node, &ids, &count, err);

    if (rc < 0)
        return rc;
    if (name != NULL) {
        rc = match_space(ids, count, name, out, err);
    } else if (count == 1) {
        *out = ids[0];
    } else if (count == 0) {
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "this node has no space yet");
    } else {
        rc = hark_err_set(err, HARK_E_USAGE, "this node has %zu spaces", count);
        hark_err_hint(err, "name one with -s; `hark status` lists them");
    }
    free(ids);
    return rc;
}

int hark_node_pick_space(struct hark_node *node, const char *name, struct hark_space **out,
                         struct hark_err *err)
{
    struct hark_hash id;
    int rc = hark_node_pick_id(node, name, &id, err);

    return rc < 0 ? rc : hark_node_space(node, &id, out, err);
}

bool hark_node_is_home(const struct hark_node *node, struct hark_space *space)
{
    const struct hark_log_head *head = hark_space_head(space);

    return head->has_batch && hark_key_equal(&head->log_key, hark_signer_key(node->identity.log));
}

int hark_node_named(const struct hark_node *node, struct hark_space *space,
                    struct hark_node_object *out, struct hark_err *err)
{
    return hark_state_node_with(hark_space_state(space), hark_signer_key(node->identity.log), out,
                                err);
}
