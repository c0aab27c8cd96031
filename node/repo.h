/*
 * One space's bare git repository: batches written as packs and committed by one
 * ref update, payloads in packs and under a ref of their own, erasure, merging
 * of small packs. The only file besides space.c's callers that needs to know git
 * objects; libgit2 is used here alone. PROTOCOL.md 7.
 *
 * This layer moves bytes: what they mean is checked by its callers (space.h).
 * One thread at a time may write; readers open a repository of their own.
 * Errors: io, disk-full, damaged (an object that should be there is not, or its
 * bytes are not what its name says), no-memory, and those named below.
 */
#ifndef HARK_NODE_REPO_H
#define HARK_NODE_REPO_H

#include "schemas/batch.h"

/* libgit2's set-up (fsync on, caches bounded, no search outside the path). Call
 * once per process before anything else here; safe to call again. */
HARK_CHECK int hark_git_init(struct hark_err *err);
void hark_git_shutdown(void);

enum hark_git_type { HARK_GIT_COMMIT, HARK_GIT_TREE, HARK_GIT_BLOB };
/* The git id (SHA-1) of an object with these bytes. */
struct hark_git_id hark_git_hash(enum hark_git_type type, struct hark_span bytes);
void hark_git_id_hex(char out[2 * HARK_GIT_ID_SIZE + 1], const struct hark_git_id *id);
bool hark_git_id_equal(const struct hark_git_id *a, const struct hark_git_id *b);
/* The tree of a batch: appends the tree object's bytes (checkpoint, entries) and
 * gives its id. */
HARK_CHECK int hark_git_batch_tree(struct hark_buf *tree, struct hark_git_id *id,
                                   struct hark_span checkpoint, struct hark_span entries,
                                   struct hark_err *err);

struct hark_repo;

/* Makes an empty one at `path` (which must not exist): bare, HEAD on
 * refs/heads/main, the empty tree stored, configured so that stock git neither
 * garbage-collects it by itself nor deltas our packs. It comes to be as
 * `path`.new, which whoever lists folders leaves alone. Error: exists. */
HARK_CHECK int hark_repo_create(struct hark_repo **out, const char *path, struct hark_err *err);
/* Error: not-found. */
HARK_CHECK int hark_repo_open(struct hark_repo **out, const char *path, struct hark_err *err);
void hark_repo_free(struct hark_repo *repo);

/* `log` is "main" or "intake/<node name>" everywhere below. Names that git does
 * not allow in a ref (two dots in a row, an end in ".lock"), and a node called
 * "main", whose payload ref would be the home's, are usage. */

/* The log's newest batch commit; *exists false for an empty log. */
HARK_CHECK int hark_repo_head(struct hark_repo *repo, const char *log, bool *exists,
                              struct hark_git_id *batch, struct hark_err *err);

/* Writes one batch durably and moves the log's ref to it: entries, files, tree
 * and commit in one pack; the payloads that are present in another, kept until
 * the payload ref covers them. The caller has checked everything, the tree's id
 * and the entries' git ids included. `previous` (NULL: none) must be the log's
 * head, else HARK_E_BUSY with nothing moved. *blobs (may be NULL) receives
 * count git ids of the payload blobs (zero where there is none; caller's array).
 * When this returns 0 the batch survives a power cut. */
HARK_CHECK int hark_repo_store(struct hark_repo *repo, const char *log,
                               const struct hark_raw_batch *raw, const struct hark_git_id *previous,
                               struct hark_git_id *batch_id, struct hark_git_id *blobs,
                               struct hark_err *err);

/* An object as it stands in a pack, with its id. */
struct hark_packed {
    struct hark_git_id id;
    uint8_t *bytes; /* owned; NULL: not made */
    size_t size;
};
/* Makes it, on any thread (at most 128 KiB); the id is the caller's word. */
HARK_CHECK int hark_repo_pack(struct hark_repo *repo, enum hark_git_type type,
                              const struct hark_git_id *id, struct hark_span bytes,
                              struct hark_packed *out, struct hark_err *err);
void hark_packed_free(struct hark_packed *packed);
/* As hark_repo_store, of objects that were made ahead: the batch's two large ones, and two
 * for each entry of raw; those without bytes are made now. */
struct hark_packed_entry {
    struct hark_packed object, payload;
};
struct hark_packed_batch {
    struct hark_packed commit, lines; /* raw->commit, raw->entries */
    struct hark_packed_entry *entries;
};
HARK_CHECK int hark_repo_store_packed(struct hark_repo *repo, const char *log,
                                      const struct hark_raw_batch *raw,
                                      const struct hark_packed_batch *packed,
                                      const struct hark_git_id *previous,
                                      struct hark_git_id *batch_id, struct hark_err *err);

/* Objects by git id; appended to `out`, whose maximum bounds them. The bytes are
 * checked against the id. Error: not-found. */
HARK_CHECK int hark_repo_read(struct hark_repo *repo, enum hark_git_type type,
                              const struct hark_git_id *id, struct hark_buf *out,
                              struct hark_err *err);
/* The object whose git id begins with these digits (4 to 40, hexadecimal), whatever it is;
 * *found false: there is none. Error: ambiguous. */
HARK_CHECK int hark_repo_find(struct hark_repo *repo, const char *hex, bool *found,
                              struct hark_git_id *id, struct hark_err *err);
/* What is read from now on lies in about the order in which it was written: it goes several
 * times as fast, for 256 KiB and the packs' indexes being kept open until it is said to be
 * over. */
void hark_repo_near(struct hark_repo *repo, bool begins);
/* The two files of a batch commit's tree. Error: batch-tree when it is not
 * exactly these two. */
HARK_CHECK int hark_repo_read_files(struct hark_repo *repo, const struct hark_git_id *tree,
                                    struct hark_buf *checkpoint, struct hark_buf *entries,
                                    struct hark_err *err);

/* Brings refs/heads/payloads/<main or node> up to `size`: positions from what it
 * covers now are filled with what `blob_at` gives (*present false: none). Then
 * the packs' .keep files go. Deterministic: the same blobs give the same commit. */
typedef int hark_blob_at_fn(void *arg, uint64_t position, bool *present, struct hark_git_id *blob,
                            struct hark_err *err);
HARK_CHECK int hark_repo_cover_payloads(struct hark_repo *repo, const char *log, uint64_t size,
                                        hark_blob_at_fn *blob_at, void *arg, struct hark_err *err);
HARK_CHECK int hark_repo_payloads_covered(struct hark_repo *repo, const char *log, uint64_t *size,
                                          struct hark_err *err);
/* The payload blob at a position under the payload ref. */
HARK_CHECK int hark_repo_payload_at(struct hark_repo *repo, const char *log, uint64_t position,
                                    bool *present, struct hark_git_id *blob, struct hark_err *err);
/* Each payload blob that is in the repository, covered by the ref or not (after
 * a crash, for reindex): called with SHA-256, git id, size. */
typedef int hark_payload_fn(void *arg, const struct hark_hash *hash, const struct hark_git_id *blob,
                            size_t size, struct hark_err *err);
HARK_CHECK int hark_repo_each_payload(struct hark_repo *repo, hark_payload_fn *fn, void *arg,
                                      struct hark_err *err);

/* Erases payloads for good: the positions leave the payload ref's tree, the
 * packs that hold the blobs are rewritten without them and without trees and
 * commits that no ref reaches, the old packs, loose copies and temporary files
 * are overwritten by nothing and unlinked. When it returns 0, no file of the
 * repository holds a blob any more (unpacked or not), and fsck and clone
 * succeed. Killed in between, calling it again finishes. A blob leaves every
 * position of every payload ref that has it. Readers that hold old packs open
 * keep them on the disk until they are closed: open those anew. Error: busy
 * while stock `git gc` runs. */
struct hark_erasure {
    uint64_t position;
    struct hark_git_id blob;
};
HARK_CHECK int hark_repo_erase(struct hark_repo *repo, const char *log,
                               const struct hark_erasure *items, size_t count,
                               struct hark_err *err);

/* --- an auditor's view (repo_view.c) --- */

/* Opens what lies at `path` (a bare repository, or a folder .git) for reading with
 * nothing but its objects and refs: no configuration, no alternates, whoever owns it.
 * Only hark_repo_read, hark_repo_read_files and what follows may be used with it.
 * Error: not-found. */
HARK_CHECK int hark_repo_view(struct hark_repo **out, const char *path, struct hark_err *err);
/* The commit that a log's ref points to, by the name that follows refs/heads/ (in a
 * clone refs/remotes/origin/). Error: damaged (there is something else). */
HARK_CHECK int hark_repo_view_ref(struct hark_repo *repo, const char *name, bool *exists,
                                  struct hark_git_id *id, struct hark_err *err);
/* Are there replacement refs, or grafts? */
HARK_CHECK int hark_repo_view_replaced(struct hark_repo *repo, bool *refs, bool *grafts,
                                       struct hark_err *err);
/* Whose intake logs there are, in byte order; *names is allocated (free()). */
HARK_CHECK int hark_repo_view_intakes(struct hark_repo *repo,
                                      char (**names)[HARK_NODE_NAME_MAX + 1], size_t *count,
                                      struct hark_err *err);
/* Each blob of at most `max` bytes that is in the repository, wherever. */
HARK_CHECK int hark_repo_view_blobs(struct hark_repo *repo, size_t max, hark_payload_fn *fn,
                                    void *arg, struct hark_err *err);
/* Walks the tree of a payload ref's commit in order of positions; *size is what it
 * says it covers, also when the walk fails. Whatever the size, a hostile tree can have
 * 2^64 positions: `fn` must stop it. Non-zero from `fn` is returned. Errors: not-found,
 * damaged (not as PROTOCOL.md 7.5 says). */
typedef int hark_covered_fn(void *arg, uint64_t position, const struct hark_git_id *blob,
                            struct hark_err *err);
HARK_CHECK int hark_repo_walk_payloads(struct hark_repo *repo, const struct hark_git_id *commit,
                                       uint64_t *size, hark_covered_fn *fn, void *arg,
                                       struct hark_err *err);

/* --- cosigned checkpoints (repo_cosigned.c) --- */

#define HARK_COSIGNED_MAX (1024u * 1024u) /* bytes of the commit */
/* refs/heads/cosigned says this from now on, and nothing else. Durable. Errors: limit, io. */
HARK_CHECK int hark_repo_put_cosigned(struct hark_repo *repo, struct hark_span text,
                                      struct hark_err *err);
/* What such a commit says, borrowed; false: it is none. */
bool hark_cosigned_text(struct hark_span commit, struct hark_span *text);

/* Geometric merging (PROTOCOL.md 7.4) of entry packs and of payload packs, each
 * bounded; *merged (may be NULL) counts packs that went. Does little when there
 * is little to do. Writes: not beside another writer. Error: busy while stock
 * `git gc` runs (nothing is lost by leaving it for the next time). */
HARK_CHECK int hark_repo_merge_packs(struct hark_repo *repo, size_t *merged, struct hark_err *err);
/* How many packs were published by way of `repo` since it last merged. */
unsigned hark_repo_unmerged(const struct hark_repo *repo);
/* Removes what no ref reaches and no .keep protects (aborted batches, temporary
 * files), merges everything. */
HARK_CHECK int hark_repo_gc(struct hark_repo *repo, struct hark_err *err);
/* Bytes on disk. */
HARK_CHECK int hark_repo_disk(struct hark_repo *repo, uint64_t *bytes, struct hark_err *err);

#endif
