#include "node/aside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/files.h"
#include "node/outbox.h"
#include "node/sqlite.h"

/* Where the parts of a space lie, here and aside. */
struct places {
    char aside[HARK_PATH_MAX];
    char repo[HARK_PATH_MAX], old_repo[HARK_PATH_MAX];
    char index[HARK_PATH_MAX], old_index[HARK_PATH_MAX];
    char goal[HARK_PATH_MAX];
};

static int join_two(char *out, const char *dir, const char *folder, const char *name,
                    struct hark_err *err)
{
    char at[HARK_PATH_MAX];
    int rc = hark_path_join(at, dir, folder, err);

    return rc < 0 ? rc : hark_path_join(out, at, name, err);
}

static int find_places(const struct hark_node *node, const struct hark_hash *space,
                       struct places *p, struct hark_err *err)
{
    char hex[2 * HARK_HASH_SIZE + 1], git[sizeof(hex) + 4], db[sizeof(hex) + 4];
    int rc;

    hark_hash_hex(hex, space);
    (void)snprintf(git, sizeof(git), "%s.git", hex);
    (void)snprintf(db, sizeof(db), "%s.db", hex);
    rc = hark_path_join(p->aside, node->dir, "aside", err);
    if (rc == 0)
        rc = join_two(p->repo, node->dir, "spaces", git, err);
    if (rc == 0)
        rc = join_two(p->old_repo, p->aside, "spaces", git, err);
    if (rc == 0)
        rc = join_two(p->index, node->dir, "index", db, err);
    if (rc == 0)
        rc = join_two(p->old_index, p->aside, "index", db, err);
    if (rc == 0)
        rc = hark_path_join(p->goal, p->aside, hex, err);
    return rc;
}

static int make_folders(const struct places *p, struct hark_err *err)
{
    char folder[HARK_PATH_MAX];
    int rc = hark_dir_make(p->aside, err);

    if (rc == 0)
        rc = hark_path_join(folder, p->aside, "spaces", err);
    if (rc == 0)
        rc = hark_dir_make(folder, err);
    if (rc == 0)
        rc = hark_path_join(folder, p->aside, "index", err);
    return rc < 0 ? rc : hark_dir_make(folder, err);
}

bool hark_aside_is(const struct hark_node *node, const struct hark_hash *space)
{
    struct places *p = malloc(sizeof(*p));
    bool is = p != NULL && find_places(node, space, p, NULL) == 0 && access(p->old_repo, F_OK) == 0;

    free(p);
    return is;
}

static int write_goal(struct hark_node *node, const struct hark_hash *space, const char *path,
                      struct hark_err *err)
{
    const struct hark_log_head *head;
    struct hark_space *open = NULL;
    struct hark_extent goal;

    if (hark_node_space(node, space, &open, NULL) < 0 || !hark_space_head(open)->has_batch)
        return 0; /* it cannot be read: any history that verifies is welcome */
    head = hark_space_head(open);
    goal = (struct hark_extent){.size = head->tree.size, .root = hark_merkle_root(&head->tree)};
    return hark_extent_write(path, &goal, err);
}

/* What this node has accepted was signed, and is not signed another way. */
static int keep_intake_end(struct hark_node *node, const struct hark_hash *space,
                           struct hark_err *err)
{
    struct hark_space *open = NULL;
    struct hark_err why = {0};
    int rc;

    if (hark_node_space(node, space, &open, NULL) < 0)
        return 0; /* it cannot be read: nobody knows */
    rc = hark_space_intake_keep_end(open, hark_signer_key(node->identity.log), &why);
    if (hark_err_exit(rc) == 5) /* likewise; what was noted and cannot be read ends the intake */
        return 0;
    if (rc < 0 && err != NULL)
        *err = why;
    return rc;
}

int hark_aside_put(struct hark_node *node, const struct hark_hash *space, bool whole,
                   struct hark_err *err)
{
    struct places *p = malloc(sizeof(*p));
    int rc = p == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for paths")
                       : find_places(node, space, p, err);

    if (rc == 0 && access(p->old_repo, F_OK) == 0)
        rc = hark_err_set(err, HARK_E_EXISTS, "a copy of this space is set aside already");
    if (rc == 0)
        rc = make_folders(p, err);
    if (rc == 0 && unlink(p->goal) != 0 && errno != ENOENT)
        rc = hark_err_errno(err, errno, "%s", p->goal);
    if (rc == 0 && whole)
        rc = write_goal(node, space, p->goal, err);
    if (rc == 0)
        rc = keep_intake_end(node, space, err);
    hark_node_close_space(node, space);
    /* The index first: without it the repository is whole, without its repository
     * an index is nothing. */
    if (rc == 0)
        rc = hark_sqlite_move(p->index, p->old_index, err);
    if (rc == 0 && rename(p->repo, p->old_repo) != 0)
        rc = hark_err_errno(err, errno, "%s", p->repo);
    if (rc == 0)
        rc = hark_dir_sync(p->aside, err);
    free(p);
    return rc;
}

int hark_aside_back(struct hark_node *node, const struct hark_hash *space, struct hark_err *err)
{
    struct places *p = malloc(sizeof(*p));
    int rc = p == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for paths")
                       : find_places(node, space, p, err);

    hark_node_close_space(node, space);
    if (rc == 0)
        rc = hark_tree_remove(p->repo, err);
    if (rc == 0)
        rc = hark_sqlite_move(p->old_index, p->index, err);
    if (rc == 0 && rename(p->old_repo, p->repo) != 0)
        rc = hark_err_errno(err, errno, "%s", p->old_repo);
    free(p);
    return rc;
}

int hark_aside_list(const struct hark_node *node, struct hark_hash **ids, size_t *count,
                    struct hark_err *err)
{
    char aside[HARK_PATH_MAX];
    int rc = hark_path_join(aside, node->dir, "aside", err);

    *ids = NULL;
    *count = 0;
    return rc < 0 ? rc : hark_spaces_in(aside, ids, count, err);
}

/* --- finishing ----------------------------------------------------------------------- */

/* Does the new copy reach what it must? */
static int reaches_goal(struct hark_space *space, const char *path, bool *does,
                        struct hark_err *err)
{
    struct hark_extent goal;
    int rc = hark_extent_read(&goal, path, err);

    *does = rc == HARK_E_NOT_FOUND;
    if (rc == 0)
        rc = hark_space_has(space, "", &goal, does, err);
    return *does ? 0 : rc;
}

struct search {
    const struct hark_hash *id;
    bool found;
};

static int is_it(void *arg, const struct hark_waiting *waiting, struct hark_err *err)
{
    struct search *search = arg;

    (void)err;
    search->found = hark_hash_equal(&waiting->id, search->id);
    return search->found ? HARK_STOP : 0;
}

/* Is the entry nowhere in the new copy? Then it is handed in again. */
static int hand_in(struct hark_space *now, const struct hark_raw_entry *item, uint64_t *handed,
                   struct hark_err *err)
{
    struct hark_hash id = hark_sha256(item->object);
    struct search search = {.id = &id};
    struct hark_outbox *outbox = NULL;
    bool put = false;
    uint64_t position;
    int rc = hark_state_find_entry(hark_space_state(now), &id, &search.found, &position, err);

    if (rc == 0 && !search.found)
        rc = hark_space_each_waiting(now, is_it, &search, err);
    if (rc < 0 || search.found)
        return rc;
    rc = hark_space_outbox(now, &outbox, err);
    if (rc == 0)
        rc = hark_outbox_put_back(outbox, &id, item->object,
                                  item->payload_state == 1 ? item->payload : (struct hark_span){0},
                                  hark_now_ms(), &put, err);
    *handed += put ? 1 : 0;
    return rc;
}

static int salvage_log(struct hark_space *old, struct hark_space *now, const char *node,
                       uint64_t *handed, struct hark_err *err)
{
    struct hark_log_head head;
    uint64_t batches = 0;
    int rc = hark_space_log(old, node, &head, &batches, err);

    for (uint64_t number = 0; rc == 0 && number < batches; number++) {
        struct hark_space_batch batch;

        rc = hark_space_read_batch(old, node, number, &batch, err);
        if (rc < 0)
            break;
        for (size_t i = 0; rc == 0 && i < batch.raw.count; i++)
            rc = hand_in(now, &batch.raw.items[i], handed, err);
        hark_space_batch_free(&batch);
    }
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

static int salvage(struct hark_node *node, const struct places *p, const struct hark_hash *id,
                   struct hark_space *now, uint64_t *handed, struct hark_err *err)
{
    hark_node_name *names = NULL;
    struct hark_space *old = NULL;
    size_t count = 0;
    int rc = hark_space_open(&old, p->aside, id, false, node->pool, err);

    if (rc == 0)
        rc = hark_space_intakes(old, &names, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_space_intake_bring(now, old, names[i], err);
        if (rc == 0)
            rc = salvage_log(old, now, names[i], handed, err);
    }
    if (rc == 0)
        rc = salvage_log(old, now, "", handed, err);
    free(names);
    hark_space_free(old);
    hark_space_outbox_changed(now);
    return rc;
}

static int forget_copy(const struct places *p, bool readable, struct hark_err *err)
{
    char kept[HARK_PATH_MAX + 16];
    int rc = 0;

    (void)snprintf(kept, sizeof(kept), "%s.unreadable", p->old_repo);
    if (readable)
        rc = hark_tree_remove(p->old_repo, err);
    else if (hark_tree_remove(kept, err) < 0 || rename(p->old_repo, kept) != 0)
        rc = hark_err_errno(err, errno, "%s", p->old_repo);
    if (rc == 0 && unlink(p->goal) != 0 && errno != ENOENT)
        rc = hark_err_errno(err, errno, "%s", p->goal);
    if (rc == 0) /* which holds words, too */
        rc = hark_sqlite_remove(p->old_index, err);
    return rc;
}

int hark_aside_finish(struct hark_node *node, const struct hark_hash *space, bool *done,
                      uint64_t *handed, struct hark_err *err)
{
    struct places *p = malloc(sizeof(*p));
    struct hark_err unreadable = {0};
    struct hark_space *now = NULL;
    bool readable;
    int rc = p == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for paths")
                       : find_places(node, space, p, err);

    *done = false;
    *handed = 0;
    if (rc == 0)
        rc = hark_node_space(node, space, &now, err);
    if (rc == 0)
        rc = reaches_goal(now, p->goal, done, err);
    if (rc == 0 && *done) {
        int saved = salvage(node, p, space, now, handed, &unreadable);

        readable = saved == 0;
        /* Full disk, no memory: another time. */
        if (saved < 0 && hark_err_exit(saved) == 4) {
            *done = false;
            rc = saved;
            if (err != NULL)
                *err = unreadable;
        } else {
            rc = forget_copy(p, readable, err);
        }
    }
    free(p);
    return rc;
}
