/*
 * The ref of cosigned checkpoints (PROTOCOL.md 7.8): one parentless commit with the empty
 * tree, replaced as a whole, whose message says it all. A loose object, and never more than
 * one: what it replaces goes.
 */
#include <stdio.h>
#include <string.h>

#include "node/files.h"
#include "node/repo_internal.h"
#include "schemas/config.h"

#define REF "refs/heads/cosigned"

static const char HEADER[] = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
                             "author hark <hark@hark.invalid> 0 +0000\n"
                             "committer hark <hark@hark.invalid> 0 +0000\n"
                             "\n"
                             "cosigned\n"
                             "\n";

bool hark_cosigned_text(struct hark_span commit, struct hark_span *text)
{
    size_t size = sizeof(HEADER) - 1;
    if (commit.size < size || memcmp(commit.data, HEADER, size) != 0) {
        return false;
    }
    *text = hark_span(commit.data + size, commit.size - size);
    return true;
}

/* Libgit2 makes the object durable, not the folder that it may have made for it. */
static int sync_folders(struct hark_repo *repo, const struct hark_git_id *id, struct hark_err *err)
{
    char path[HARK_PATH_MAX], hex[2 * HARK_GIT_ID_SIZE + 1];
    int rc = hark_path_join(path, repo->path, "objects", err);
    if (rc == 0) {
        rc = hark_dir_sync(path, err);
    }
    hark_git_id_hex(hex, id);
    int n = snprintf(path, sizeof(path), "%s/objects/%.2s", repo->path, hex);
    if (rc == 0 && (n < 0 || (size_t)n >= sizeof(path))) {
        rc = hark_err_set(err, HARK_E_USAGE, "the path %s is too long", repo->path);
    }
    return rc == 0 ? hark_dir_sync(path, err) : rc;
}

static int write_loose(struct hark_repo *repo, struct hark_span commit, struct hark_git_id *id,
                       struct hark_err *err)
{
    git_oid oid;
    int answer = git_odb_write(&oid, repo->odb, commit.data, commit.size, GIT_OBJECT_COMMIT);
    if (answer != 0) {
        return hark_repo_git_err(err, answer, "writing cosigned checkpoints");
    }
    memcpy(id->bytes, oid.id, HARK_GIT_ID_SIZE);
    return sync_folders(repo, id, err);
}

int hark_repo_put_cosigned(struct hark_repo *repo, struct hark_span text, struct hark_err *err)
{
    struct hark_buf commit = hark_buf_init(HARK_COSIGNED_MAX);
    struct hark_git_id old, id;
    bool exists = false;
    int rc = hark_buf_append_str(&commit, HEADER, err);
    if (rc == 0) {
        rc = hark_buf_append_span(&commit, text, err);
    }
    if (rc == 0) {
        rc = hark_repo_ref_read(repo, REF, &exists, &old, err);
    }
    if (rc == 0) {
        id = hark_git_hash(HARK_GIT_COMMIT, hark_buf_span(&commit));
    }
    if (rc == 0 && !(exists && hark_git_id_equal(&old, &id))) {
        rc = write_loose(repo, hark_buf_span(&commit), &id, err);
        if (rc == 0) {
            rc = hark_repo_ref_move(repo, REF, exists ? &old : NULL, &id, err);
        }
        if (rc == 0 && exists) {
            rc = hark_repo_unlink_loose(repo, &old, err); /* packed by others: gc's */
        }
    }
    hark_buf_free(&commit);
    return rc;
}
