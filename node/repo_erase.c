/*
 * Erasing payloads. Every step may be the last before a power cut, and all of
 * them can be done again:
 *
 *   1. the blobs leave the trees of all payload refs (the same blob may stand at
 *      several positions and in an intake's ref, too)
 *   2. packs that hold one are copied without it; packs of trees are copied
 *      without the trees that no ref reaches any more, for these name the blobs
 *   3. the old packs go, loose copies, and everything half-made
 *
 * Which packs hold a blob is asked of the packs, not of any record, so that it
 * does not matter who packed it and what was left behind.
 */
#include "repo_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct erasing {
    struct hark_repo *repo;
    struct hark_idset blobs;
    struct hark_idset trees; /* what payload refs reach after step 1 */
    struct hark_pack_info *packs;
    size_t count;
};

static int pack_holds(struct erasing *e, const char *name, bool *holds, struct hark_err *err)
{
    struct hark_pack pack;
    *holds = false;
    int rc = hark_pack_open(&pack, e->repo, name, err);
    for (size_t i = 0; rc == 0 && !*holds && i < e->blobs.count; i++) {
        *holds = hark_pack_has(&pack, &e->blobs.ids[i]);
    }
    hark_pack_close(&pack);
    return rc;
}

static int replace(struct erasing *e, struct hark_pack_info *from, size_t count,
                   struct hark_err *err)
{
    struct hark_pack_copy copy = {
        .from = from,
        .from_count = count,
        .class = from[0].class,
        .filter = {.without = &e->blobs,
                   .payload_trees = from[0].class == HARK_PACK_PAYLOADS ? NULL : &e->trees}};
    int rc = hark_packs_copy(e->repo, &copy, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_packs_remove(e->repo, from[i].name, &copy, err);
    }
    free(copy.made);
    return rc;
}

/* All packs of trees become one, of what is reached. */
static int replace_trees(struct erasing *e, struct hark_err *err)
{
    struct hark_pack_info *trees = calloc(e->count + 1, sizeof(*trees));
    size_t n = 0;
    if (trees == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu packs", e->count);
    }
    for (size_t i = 0; i < e->count; i++) {
        if (e->packs[i].class == HARK_PACK_TREES) {
            trees[n++] = e->packs[i];
        }
    }
    int rc = n != 0 ? replace(e, trees, n, err) : 0;
    free(trees);
    return rc;
}

/* Is it a payload ref's of yesterday? What cannot be read names nothing. */
static bool is_old_tree(struct erasing *e, const struct hark_git_id *id)
{
    git_oid oid;
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    git_odb_object *object = NULL;
    memcpy(oid.id, id->bytes, HARK_GIT_ID_SIZE);
    if (hark_idset_has(&e->trees, id) ||
        git_odb_read_header(&size, &type, e->repo->odb, &oid) != 0 ||
        size > HARK_PAYLOAD_TREE_MAX || git_odb_read(&object, e->repo->odb, &oid) != 0) {
        return false;
    }
    bool old = hark_payload_form(
        type, hark_span(git_odb_object_data(object), git_odb_object_size(object)));
    git_odb_object_free(object);
    return old;
}

static int remove_loose(struct erasing *e, struct hark_err *err)
{
    struct hark_idset loose = {0};
    int rc = hark_repo_loose(e->repo, &loose, err);
    for (size_t i = 0; rc == 0 && i < loose.count; i++) {
        if (hark_idset_has(&e->blobs, &loose.ids[i]) || is_old_tree(e, &loose.ids[i])) {
            rc = hark_repo_unlink_loose(e->repo, &loose.ids[i], err);
        }
    }
    hark_idset_free(&loose);
    return rc;
}

static int erase_locked(struct erasing *e, struct hark_err *err)
{
    int rc = hark_repo_sweep(e->repo, err);
    if (rc == 0) {
        rc = hark_payload_drop(e->repo, &e->blobs, err);
    }
    if (rc == 0) {
        rc = hark_payload_reach(e->repo, &e->trees, NULL, err);
    }
    if (rc == 0) {
        rc = hark_packs_list(e->repo, &e->packs, &e->count, err);
    }
    for (size_t i = 0; rc == 0 && i < e->count; i++) {
        bool holds = false;
        if (e->packs[i].class == HARK_PACK_TREES) {
            continue;
        }
        rc = pack_holds(e, e->packs[i].name, &holds, err);
        if (rc == 0 && holds) {
            rc = replace(e, &e->packs[i], 1, err);
        }
    }
    if (rc == 0) {
        rc = replace_trees(e, err);
    }
    if (rc == 0) {
        rc = remove_loose(e, err);
    }
    if (rc == 0) {
        rc = hark_repo_sweep(e->repo, err);
    }
    /* What was unlinked, wherever that was, stays so after a power cut. */
    if (rc == 0 && syncfs(e->repo->top_fd) != 0) {
        rc = hark_err_errno(err, errno, "syncing %s", e->repo->path);
    }
    return rc;
}

int hark_repo_erase(struct hark_repo *repo, const char *log, const struct hark_erasure *items,
                    size_t count, struct hark_err *err)
{
    struct erasing e = {.repo = repo};
    char ref[HARK_REF_MAX];
    int rc = hark_repo_ref_name(ref, log, true, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_idset_add(&e.blobs, &items[i].blob, NULL, err);
    }
    if (rc == 0) {
        rc = hark_repo_gc_lock(repo, err);
    }
    if (rc == 0) {
        rc = erase_locked(&e, err);
        int again = hark_repo_reopen(repo, rc == 0 ? err : NULL);
        rc = rc != 0 ? rc : again;
        hark_repo_gc_unlock(repo);
    }
    free(e.packs);
    hark_idset_free(&e.blobs);
    hark_idset_free(&e.trees);
    return rc;
}
