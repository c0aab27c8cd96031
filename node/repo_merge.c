/*
 * Merging packs as they pile up, and collecting garbage.
 *
 * Of each class, packs are put in order by their number of objects, the largest
 * first; a pack is merged with all that follow it when those hold at least half
 * as many objects. So each object is copied a number of times that goes with the
 * logarithm of what is there, and packs are about as many. Nothing is done for
 * fewer than a handful, since copying has its price, too.
 *
 * The new pack is on the disk before an old one goes: cut off in between there
 * are objects twice, which git takes in its stride.
 */
#include "repo_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MERGE_AT_LEAST 8u

static int by_objects(const void *a, const void *b)
{
    const struct hark_pack_info *left = a;
    const struct hark_pack_info *right = b;
    if (left->objects != right->objects) {
        return left->objects < right->objects ? 1 : -1;
    }
    return strcmp(left->name, right->name);
}

/* Somebody else's keep file: not ours to move. */
static int is_foreign(struct hark_repo *repo, const struct hark_pack_info *pack, bool *foreign,
                      struct hark_err *err)
{
    *foreign = false;
    if (!pack->kept) {
        return 0;
    }
    struct hark_keep *keep = calloc(1, sizeof(*keep));
    if (keep == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for keep files");
    }
    int rc = hark_keep_read(keep, repo, pack->name, err);
    *foreign = rc == 0 && keep->foreign;
    free(keep);
    return rc;
}

/* The packs of one class that may be merged, largest first. A payload ref's tip
 * stays by itself, since it goes with the next covering. */
static int select_class(struct hark_repo *repo, const struct hark_pack_info *packs, size_t count,
                        enum hark_pack_class class, struct hark_pack_info *out, size_t *n,
                        struct hark_err *err)
{
    *n = 0;
    for (size_t i = 0; i < count; i++) {
        bool foreign = false;
        bool is_tip = false;
        if (packs[i].class != class) {
            continue;
        }
        int rc = is_foreign(repo, &packs[i], &foreign, err);
        if (rc == 0) {
            rc = hark_payload_is_tip(repo, &packs[i], &is_tip, err);
        }
        if (rc != 0) {
            return rc;
        }
        if (!foreign && !is_tip) {
            out[(*n)++] = packs[i];
        }
    }
    qsort(out, *n, sizeof(*out), by_objects);
    return 0;
}

/* Where the run to be merged begins; `n` when there is none. */
static size_t find_run(const struct hark_pack_info *packs, size_t n)
{
    uint64_t objects = 0;
    uint64_t bytes = 0;
    size_t start = n;
    for (size_t i = n; i-- > 0;) {
        if (objects + packs[i].objects > HARK_PACK_OBJECTS_MAX ||
            bytes + packs[i].bytes > HARK_PACK_BYTES_MAX) {
            break;
        }
        if (i + 1 < n && objects >= packs[i].objects / 2) {
            start = i;
        }
        objects += packs[i].objects;
        bytes += packs[i].bytes;
    }
    return n - start >= MERGE_AT_LEAST ? start : n;
}

/* Payloads that lone batches brought with them go apart from these. */
static int copy_payloads(struct hark_repo *repo, struct hark_pack_info *packs, size_t n,
                         const struct hark_idset *payloads, struct hark_err *err)
{
    struct hark_pack_copy copy = {
        .from = packs, .from_count = n, .class = HARK_PACK_PAYLOADS, .filter = {.only = payloads}};
    int rc = payloads->count != 0 ? hark_packs_copy(repo, &copy, err) : 0;
    free(copy.made);
    return rc;
}

static int merge_run(struct hark_repo *repo, struct hark_pack_info *packs, size_t n, size_t *merged,
                     struct hark_err *err)
{
    struct hark_idset trees = {0};
    struct hark_idset payloads = {0};
    struct hark_pack_copy copy = {.from = packs, .from_count = n, .class = packs[0].class};
    int rc = 0;
    if (copy.class == HARK_PACK_TREES) {
        /* Most of them are the payload refs of yesterday. */
        rc = hark_payload_reach(repo, &trees, NULL, err);
        copy.filter.payload_trees = &trees;
    }
    if (copy.class == HARK_PACK_LOG) {
        rc = hark_payload_lone(repo, packs, n, &payloads, err);
        copy.filter.without = &payloads;
    }
    if (rc == 0) {
        rc = copy_payloads(repo, packs, n, &payloads, err);
    }
    if (rc == 0) {
        rc = hark_packs_copy(repo, &copy, err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = hark_packs_remove(repo, packs[i].name, &copy, err);
        *merged += rc == 0 ? 1 : 0;
    }
    free(copy.made);
    hark_idset_free(&trees);
    hark_idset_free(&payloads);
    return rc;
}

static int merge_locked(struct hark_repo *repo, const struct hark_pack_info *packs, size_t count,
                        size_t *merged, struct hark_err *err)
{
    struct hark_pack_info *class_packs = calloc(count + 1, sizeof(*class_packs));
    if (class_packs == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu packs", count);
    }
    int rc = 0;
    for (int class = HARK_PACK_LOG; rc == 0 && class <= HARK_PACK_TREES; class ++) {
        size_t n = 0;
        rc = select_class(repo, packs, count, (enum hark_pack_class) class, class_packs, &n, err);
        size_t start = rc == 0 ? find_run(class_packs, n) : n;
        if (rc == 0 && start < n) {
            rc = merge_run(repo, class_packs + start, n - start, merged, err);
        }
    }
    free(class_packs);
    return rc;
}

int hark_repo_merge_packs(struct hark_repo *repo, size_t *merged, struct hark_err *err)
{
    struct hark_pack_info *packs = NULL;
    size_t count = 0;
    size_t gone = 0;
    int rc = hark_packs_list(repo, &packs, &count, err);
    if (rc == 0 && count >= MERGE_AT_LEAST) {
        rc = hark_repo_gc_lock(repo, err);
        if (rc == 0) {
            rc = merge_locked(repo, packs, count, &gone, err);
            if (rc == 0 && gone != 0) {
                rc = hark_repo_sweep(repo, err);
            }
            hark_repo_gc_unlock(repo);
        }
    }
    if (rc == 0) {
        repo->unmerged = 0;
    }
    if (gone != 0) {
        int again = hark_repo_reopen(repo, rc == 0 ? err : NULL);
        rc = rc != 0 ? rc : again;
    }
    free(packs);
    if (merged != NULL) {
        *merged = gone;
    }
    return rc;
}

unsigned hark_repo_unmerged(const struct hark_repo *repo)
{
    return repo->unmerged;
}

/* ---- collecting garbage ---- */

struct collecting {
    struct hark_repo *repo;
    struct hark_idset log;   /* what other refs reach */
    struct hark_idset trees; /* payload refs' trees and commits */
    struct hark_idset blobs; /* payloads that they reach */
    struct hark_idset loose;
    struct hark_pack_info *packs;
    size_t count;
};

static int reach_id(struct collecting *c, const git_oid *oid, struct hark_err *err)
{
    struct hark_git_id id;
    memcpy(id.bytes, oid->id, HARK_GIT_ID_SIZE);
    return hark_idset_add(&c->log, &id, NULL, err);
}

static int reach_commit(struct collecting *c, git_object *object, struct hark_err *err)
{
    git_commit *commit = (git_commit *)object;
    int rc = reach_id(c, git_commit_tree_id(commit), err);
    unsigned parents = git_commit_parentcount(commit);
    for (unsigned i = 0; rc == 0 && i < parents; i++) {
        rc = reach_id(c, git_commit_parent_id(commit, i), err);
    }
    return rc;
}

static int reach_tree(struct collecting *c, git_object *object, struct hark_err *err)
{
    git_tree *tree = (git_tree *)object;
    int rc = 0;
    size_t entries = git_tree_entrycount(tree);
    for (size_t i = 0; rc == 0 && i < entries; i++) {
        rc = reach_id(c, git_tree_entry_id(git_tree_entry_byindex(tree, i)), err);
    }
    return rc;
}

static int reach_from(struct collecting *c, const struct hark_git_id *id, struct hark_err *err)
{
    git_oid oid;
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    git_object *object = NULL;
    memcpy(oid.id, id->bytes, HARK_GIT_ID_SIZE);
    int answer = git_odb_read_header(&size, &type, c->repo->odb, &oid);
    if (answer == 0 && type == GIT_OBJECT_BLOB) {
        return 0;
    }
    if (answer == 0) {
        answer = git_object_lookup(&object, c->repo->git, &oid, type);
    }
    if (answer != 0) {
        int rc = hark_repo_git_err(err, answer, "an object that a ref reaches");
        return rc == HARK_E_NOT_FOUND
                   ? hark_err_set(err, HARK_E_DAMAGED, "an object that a ref reaches is missing")
                   : rc;
    }
    int rc = 0;
    if (type == GIT_OBJECT_COMMIT) {
        rc = reach_commit(c, object, err);
    } else if (type == GIT_OBJECT_TREE) {
        rc = reach_tree(c, object, err);
    } else if (type == GIT_OBJECT_TAG) {
        rc = reach_id(c, git_tag_target_id((git_tag *)object), err);
    }
    git_object_free(object);
    return rc;
}

/* All refs but the payloads'. The set is its own list of what is still to do. */
static int reach_log(struct collecting *c, struct hark_err *err)
{
    static const char payloads[] = "refs/heads/payloads/";
    char **refs = NULL;
    size_t count = 0;
    int rc = hark_repo_refs(c->repo, "refs/", &refs, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_git_id id;
        bool exists = false;
        if (strncmp(refs[i], payloads, sizeof(payloads) - 1) == 0) {
            continue;
        }
        rc = hark_repo_ref_read(c->repo, refs[i], &exists, &id, err);
        if (rc == 0 && exists) {
            rc = hark_idset_add(&c->log, &id, NULL, err);
        }
    }
    hark_repo_names_free(refs, count);
    for (size_t i = 0; rc == 0 && i < c->log.count; i++) {
        struct hark_git_id id = c->log.ids[i]; /* the array moves as it grows */
        rc = reach_from(c, &id, err);
    }
    return rc;
}

/* The repository always has the empty tree, whether or not something needs it. */
static int reach_empty_tree(struct collecting *c, struct hark_err *err)
{
    struct hark_git_id id = hark_git_hash(HARK_GIT_TREE, hark_span("", 0));
    git_oid oid;
    int rc = 0;
    memcpy(oid.id, id.bytes, HARK_GIT_ID_SIZE);
    if (git_odb_exists(c->repo->odb, &oid) == 1) {
        rc = hark_idset_add(&c->log, &id, NULL, err);
    }
    return rc;
}

/* Kept packs stay as they are. */
static int list_packs(struct collecting *c, struct hark_err *err)
{
    size_t n = 0;
    int rc = hark_packs_list(c->repo, &c->packs, &c->count, err);
    for (size_t i = 0; rc == 0 && i < c->count; i++) {
        if (!c->packs[i].kept) {
            c->packs[n++] = c->packs[i];
        }
    }
    c->count = n;
    return rc;
}

static int rewrite_all(struct collecting *c, struct hark_err *err)
{
    const struct hark_idset *only[] = {&c->log, &c->blobs, &c->trees};
    struct hark_pack_copy all = {0};
    int rc = 0;
    for (int class = HARK_PACK_LOG; rc == 0 && class <= HARK_PACK_TREES; class ++) {
        struct hark_pack_copy copy = {.from = c->packs,
                                      .from_count = c->count,
                                      .class = (enum hark_pack_class) class,
                                      .filter.only = only[class],
                                      .loose = &c->loose};
        rc = hark_packs_copy(c->repo, &copy, err);
        char(*grown)[HARK_PACK_NAME_MAX] =
            realloc(all.made, (all.made_count + copy.made_count + 1) * sizeof(*grown));
        if (rc == 0 && grown == NULL) {
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for names of packs");
        }
        all.made = grown != NULL ? grown : all.made;
        if (rc == 0 && copy.made_count != 0) {
            memcpy(all.made[all.made_count], copy.made, copy.made_count * sizeof(*copy.made));
            all.made_count += copy.made_count;
        }
        free(copy.made);
    }
    for (size_t i = 0; rc == 0 && i < c->count; i++) {
        rc = hark_packs_remove(c->repo, c->packs[i].name, &all, err);
    }
    for (size_t i = 0; rc == 0 && i < c->loose.count; i++) {
        rc = hark_repo_unlink_loose(c->repo, &c->loose.ids[i], err);
    }
    free(all.made);
    return rc;
}

static int gc_locked(struct collecting *c, struct hark_err *err)
{
    int rc = hark_repo_sweep(c->repo, err);
    if (rc == 0) {
        rc = reach_log(c, err);
    }
    if (rc == 0) {
        rc = reach_empty_tree(c, err);
    }
    if (rc == 0) {
        rc = hark_payload_reach(c->repo, &c->trees, &c->blobs, err);
    }
    if (rc == 0) {
        rc = hark_repo_loose(c->repo, &c->loose, err);
    }
    if (rc == 0) {
        rc = list_packs(c, err);
    }
    if (rc == 0) {
        rc = rewrite_all(c, err);
    }
    return rc != 0 ? rc : hark_repo_sweep(c->repo, err);
}

int hark_repo_gc(struct hark_repo *repo, struct hark_err *err)
{
    struct collecting c = {.repo = repo};
    int rc = hark_repo_gc_lock(repo, err);
    if (rc == 0) {
        rc = gc_locked(&c, err);
        hark_repo_gc_unlock(repo);
        int again = hark_repo_reopen(repo, rc == 0 ? err : NULL);
        rc = rc != 0 ? rc : again;
    }
    free(c.packs);
    hark_idset_free(&c.log);
    hark_idset_free(&c.trees);
    hark_idset_free(&c.blobs);
    hark_idset_free(&c.loose);
    return rc;
}
