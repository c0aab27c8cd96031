#include "node/founding.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/files.h"
#include "node/space.h"

#define MARK_SIZE (2u * HARK_HASH_SIZE + 1u + 2u) /* an id, a space, a digit, LF */

struct mark {
    struct hark_hash space;
    uint64_t entries;
};

static int mark_path(const struct hark_node *node, char path[HARK_PATH_MAX], struct hark_err *err)
{
    return hark_path_join(path, node->dir, "founding", err);
}

/* *there: is there one? */
static int read_mark(const struct hark_node *node, struct mark *mark, bool *there,
                     struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(MARK_SIZE);
    char path[HARK_PATH_MAX];
    int rc = mark_path(node, path, err);

    *there = false;
    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    if (rc == HARK_E_NOT_FOUND) {
        hark_buf_free(&text);
        return 0;
    }
    if (rc == 0 && (text.size != MARK_SIZE || text.data[MARK_SIZE - 3] != ' ' ||
                    text.data[MARK_SIZE - 2] < '1' || text.data[MARK_SIZE - 2] > '9' ||
                    text.data[MARK_SIZE - 1] != '\n'))
        rc = hark_err_set(err, HARK_E_DATA_VERSION, "%s is not this program's", path);
    if (rc == 0)
        rc = hark_hex_decode(mark->space.bytes, HARK_HASH_SIZE,
                             hark_span(text.data, 2 * (size_t)HARK_HASH_SIZE), err);
    if (rc == 0) {
        mark->entries = (uint64_t)(text.data[MARK_SIZE - 2] - '0');
        *there = true;
    }
    hark_buf_free(&text);
    return rc;
}

int hark_founding_begin(struct hark_node *node, const struct hark_hash *space, uint64_t entries,
                        struct hark_err *err)
{
    char path[HARK_PATH_MAX], hex[2 * HARK_HASH_SIZE + 1], text[MARK_SIZE + 1];
    int rc = hark_founding_mend(node, err);

    if (rc == 0)
        rc = mark_path(node, path, err);
    if (rc < 0)
        return rc;
    hark_hash_hex(hex, space);
    (void)snprintf(text, sizeof(text), "%s %u\n", hex, (unsigned)entries % 10);
    return hark_file_write(path, hark_span_str(text), 0600, err);
}

static int is_whole(struct hark_node *node, const struct mark *mark, const char *repo, bool *whole,
                    struct hark_err *err)
{
    struct hark_space *space = NULL;
    int rc;

    *whole = false;
    if (access(repo, F_OK) != 0)
        return errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", repo);
    rc = hark_node_space(node, &mark->space, &space, err);
    if (rc == 0)
        *whole = hark_state_size(hark_space_state(space)) >= mark->entries;
    return rc;
}

/* Index and outbox first: without a repository they are nothing. The nonce last of all. */
static int take_away(struct hark_node *node, const struct mark *mark, const char *repo,
                     struct hark_err *err)
{
    static const char *const folders[] = {"index", "outbox"};
    static const char *const ends[] = {".db", ".db-wal", ".db-shm", ".db-journal"};
    char path[HARK_PATH_MAX], hex[2 * HARK_HASH_SIZE + 1], name[sizeof(hex) + 24];
    int rc = 0;

    hark_hash_hex(hex, &mark->space);
    hark_node_close_space(node, &mark->space);
    for (size_t i = 0; i < 8 && rc == 0; i++) {
        (void)snprintf(name, sizeof(name), "%s/%s%s", folders[i / 4], hex, ends[i % 4]);
        rc = hark_path_join(path, node->dir, name, err);
        if (rc == 0)
            rc = hark_tree_remove(path, err);
    }
    if (rc == 0)
        rc = hark_tree_remove(repo, err);
    if (rc == 0)
        rc = hark_parent_sync(repo, err);
    return rc == 0 ? hark_node_steward_forget(node, &mark->space, err) : rc;
}

int hark_founding_mend(struct hark_node *node, struct hark_err *err)
{
    char path[HARK_PATH_MAX], repo[HARK_PATH_MAX];
    char hex[2 * HARK_HASH_SIZE + 1], name[sizeof(hex) + 16];
    bool there = false, whole = false;
    struct mark mark = {0};
    int rc = read_mark(node, &mark, &there, err);

    if (rc < 0 || !there)
        return rc;
    hark_hash_hex(hex, &mark.space);
    (void)snprintf(name, sizeof(name), "spaces/%s.git", hex);
    rc = hark_path_join(repo, node->dir, name, err);
    if (rc == 0)
        rc = is_whole(node, &mark, repo, &whole, err);
    if (rc == 0 && !whole)
        rc = take_away(node, &mark, repo, err);
    if (rc == 0)
        rc = mark_path(node, path, err);
    if (rc == 0 && unlink(path) != 0)
        rc = hark_err_errno(err, errno, "%s", path);
    return rc == 0 ? hark_parent_sync(path, err) : rc;
}

int hark_founding_hide(const struct hark_node *node, struct hark_hash *ids, size_t *count,
                       struct hark_err *err)
{
    struct mark mark = {0};
    bool there = false;
    int rc = read_mark(node, &mark, &there, err);

    for (size_t i = 0; rc == 0 && there && i < *count; i++) {
        if (!hark_hash_equal(&ids[i], &mark.space))
            continue;
        memmove(&ids[i], &ids[i + 1], (*count - i - 1) * sizeof(*ids));
        --*count;
        break;
    }
    return rc;
}
