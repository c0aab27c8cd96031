/*
 * What the parts of repo.h's implementation share, and nobody else includes.
 *
 * Packs are written and copied here, byte by byte (git's pack format version 2
 * and its index version 2): libgit2's own writer parses, inflates and hashes
 * everything a second time and syncs file by file. libgit2 reads objects and
 * moves refs.
 *
 * Three classes of packs, told apart by their first object, so that nothing
 * about them has to be remembered beside them:
 *
 *   HARK_PACK_LOG       first a commit: batches. What stock `git gc` makes of a
 *                       repository also looks so and may hold anything, and a
 *                       lone batch has its payloads with it until it is merged
 *   HARK_PACK_PAYLOADS  first a blob: payloads and nothing else
 *   HARK_PACK_TREES     first a tree: trees and commits of payload refs. They
 *                       hold no words, but each cover makes some of them
 *                       useless, so they stay apart and are thinned when merged
 *
 * A file under construction stands in the repository's folder `hark`, which git
 * does not look into, and is renamed to its place when it is on the disk.
 */
#ifndef HARK_NODE_REPO_INTERNAL_H
#define HARK_NODE_REPO_INTERNAL_H

#include <git2.h>
#include <pthread.h>
#include <sys/types.h>
#include <zlib.h>

#include "crypto/sha1.h"
#include "node/repo.h"

#define HARK_PACK_OBJECTS_MAX 500000u
#define HARK_PACK_BYTES_MAX   (UINT64_C(1) << 30) /* so that erasing never rewrites more at once */
#define HARK_REPO_OBJECT_MAX  (64u * 1024u * 1024u) /* of one object, whoever wrote it */
#define HARK_STAGE_DIR        "hark"
#define HARK_PACK_NAME_MAX    72u /* without extension */
#define HARK_REF_MAX          128u
/* A batch of so few entries is lone: one pack instead of two, since each file costs as
 * much as all that is in it. */
#define HARK_LONE_ENTRIES_MAX 32u
/* Of its pack: commit, tree, two files, the empty tree, entries and payloads. */
#define HARK_LONE_OBJECTS_MAX (5u + 2u * HARK_LONE_ENTRIES_MAX)

struct hark_repo {
    char *path;
    git_repository *git;
    git_odb *odb;
    int top_fd;   /* the repository's folder */
    int pack_fd;  /* objects/pack */
    int stage_fd; /* HARK_STAGE_DIR */
    z_stream deflate;
    bool deflating; /* `deflate` is set up */
    pthread_mutex_t squeezers_lock;
    struct hark_squeezer *squeezers; /* repo_squeeze.c: those that are idle */
    struct hark_near *near;          /* repo_near.c; NULL: nothing is read in order */
    struct hark_payload_leaf *leaf;  /* repo_payloads.c: the last one read; NULL: none */
    unsigned unmerged;               /* packs since the last merging */
    /* Of which logs the shared keep file is as it must be: main, and one intake. */
    char shared_keeps[2][HARK_REF_MAX];
};

/* ---- repo.c ---- */

/* Turns libgit2's answer into an error of ours; `what` is for the message. */
int hark_repo_git_err(struct hark_err *err, int answer, const char *what);
/* Forgets packs that are gone: libgit2 keeps what it has once opened. */
HARK_CHECK int hark_repo_reopen(struct hark_repo *repo, struct hark_err *err);
git_object_t hark_repo_type(enum hark_git_type type);
/* "refs/heads/<log>", or with `payloads` that log's payload ref. Error: usage. */
HARK_CHECK int hark_repo_ref_name(char out[HARK_REF_MAX], const char *log, bool payloads,
                                  struct hark_err *err);
HARK_CHECK int hark_repo_ref_read(struct hark_repo *repo, const char *ref, bool *exists,
                                  struct hark_git_id *id, struct hark_err *err);
/* Compare and swap, durable. `old` NULL: the ref must not exist. Error: busy. */
HARK_CHECK int hark_repo_ref_move(struct hark_repo *repo, const char *ref,
                                  const struct hark_git_id *old, const struct hark_git_id *id,
                                  struct hark_err *err);

/* ---- repo_files.c ---- */

HARK_CHECK int hark_repo_write_all(int fd, const void *data, size_t size, struct hark_err *err);
HARK_CHECK int hark_repo_sync_fd(int fd, const char *what, struct hark_err *err);
/* Everything under `path`, for a repository that is being made. */
HARK_CHECK int hark_repo_sync_tree(const char *path, struct hark_err *err);
HARK_CHECK int hark_repo_remove_tree(const char *path, struct hark_err *err);
/* A whole small file; `max` bounds it. *exists false when there is none. */
HARK_CHECK int hark_repo_slurp(int dir_fd, const char *name, struct hark_buf *out, bool *exists,
                               struct hark_err *err);
/* Names in a folder, for callers that change it while they walk. free() each and
 * the array; `dir` is relative to the repository. No folder: none. */
HARK_CHECK int hark_repo_names(struct hark_repo *repo, const char *dir, char ***names,
                               size_t *count, struct hark_err *err);
void hark_repo_names_free(char **names, size_t count);
/* The names of all refs that begin with `prefix`, also of those that cannot be read now:
 * whoever removes what no ref reaches must not overlook one. As hark_repo_names. */
HARK_CHECK int hark_repo_refs(struct hark_repo *repo, const char *prefix, char ***names,
                              size_t *count, struct hark_err *err);
/* Unlinks when it is there. */
HARK_CHECK int hark_repo_unlink(int dir_fd, const char *name, struct hark_err *err);
struct hark_idset;
/* The names of the loose objects. */
HARK_CHECK int hark_repo_loose(struct hark_repo *repo, struct hark_idset *ids,
                               struct hark_err *err);
HARK_CHECK int hark_repo_unlink_loose(struct hark_repo *repo, const struct hark_git_id *id,
                                      struct hark_err *err);
/* What nobody will ever finish or look at: staged files, git's own temporary
 * files, packs without an index and the reverse, and summaries over packs
 * (multi-pack index, commit graph) that our changes make wrong. */
HARK_CHECK int hark_repo_sweep(struct hark_repo *repo, struct hark_err *err);
/* Stock `git gc` and we must not rewrite packs at once: this is git's own lock
 * (gc.pid). Error: busy. */
HARK_CHECK int hark_repo_gc_lock(struct hark_repo *repo, struct hark_err *err);
void hark_repo_gc_unlock(struct hark_repo *repo);

/* ---- repo_ids.c: a set of git ids ---- */

struct hark_idset {
    struct hark_git_id *ids; /* in the order they came */
    size_t count, capacity;
    uint32_t *slots; /* index + 1 into ids, 0 empty */
    size_t slot_count;
};
HARK_CHECK int hark_idset_add(struct hark_idset *set, const struct hark_git_id *id, bool *added,
                              struct hark_err *err);
bool hark_idset_has(const struct hark_idset *set, const struct hark_git_id *id);
void hark_idset_free(struct hark_idset *set);

/* ---- repo_squeeze.c: deflating ---- */

#define HARK_SQUEEZE_MAX        (128u * 1024u) /* larger objects go through zlib piece by piece */
#define HARK_SQUEEZE_HEADER_MAX 16u
/* Room for an object of that size as it stands in a pack. */
size_t hark_squeeze_bound(size_t size);
/* Header and zlib stream, into the caller's room of hark_squeeze_bound bytes. On any
 * thread. */
HARK_CHECK int hark_squeeze(struct hark_repo *repo, git_object_t type, struct hark_span bytes,
                            uint8_t *out, size_t *size, struct hark_err *err);
/* The header alone; its size. */
size_t hark_squeeze_header(uint8_t out[HARK_SQUEEZE_HEADER_MAX], git_object_t type, size_t size);
void hark_squeezers_free(struct hark_repo *repo);

/* ---- repo_write.c: making packs ---- */

struct hark_pack_item {
    struct hark_git_id id;
    uint32_t crc;
    uint64_t offset;
};

/* Zeroed it is a valid writer that has nothing. */
struct hark_pack_writer {
    struct hark_repo *repo;
    char stage[32];                /* name in the stage folder, without extension */
    char name[HARK_PACK_NAME_MAX]; /* pack-<40 hex>, when finished */
    int fd, idx_fd, keep_fd;
    uint8_t *buf;
    size_t used;
    uint64_t offset;   /* in the file, of the end of buf */
    uint64_t expected; /* what the header on disk says */
    struct hark_pack_item *items;
    size_t capacity;
    struct hark_idset seen; /* seen.count is the number of items */
    struct hark_sha1 sha1;
    bool open;            /* not yet published */
    bool brief_keep;      /* the keep file need not be synced */
    const char *keep_log; /* the keep file is this log's shared one; NULL: it is not */
};

/* `expected` objects: a guess that costs a second pass over the file when wrong. */
HARK_CHECK int hark_pack_begin(struct hark_pack_writer *w, struct hark_repo *repo,
                               uint64_t expected, struct hark_err *err);
/* An object that was added before is left out. */
HARK_CHECK int hark_pack_add(struct hark_pack_writer *w, git_object_t type,
                             const struct hark_git_id *id, struct hark_span bytes,
                             struct hark_err *err);
/* One that was made ahead. */
HARK_CHECK int hark_pack_add_packed(struct hark_pack_writer *w, const struct hark_packed *packed,
                                    struct hark_err *err);
/* As it stands in another pack (header and deflated bytes, no delta). */
HARK_CHECK int hark_pack_add_raw(struct hark_pack_writer *w, const struct hark_git_id *id,
                                 struct hark_span raw, uint32_t crc, struct hark_err *err);
/* Trailer, index and, unless it is empty, the keep file: staged, on their way to
 * the disk. */
HARK_CHECK int hark_pack_finish(struct hark_pack_writer *w, struct hark_span keep,
                                struct hark_err *err);
/* The same with a keep file for the short time until a ref reaches the pack: a
 * gc by hand that begins in between would take it for garbage. It need not
 * outlive a power cut. Then hark_pack_unkeep. */
HARK_CHECK int hark_pack_finish_briefly_kept(struct hark_pack_writer *w, struct hark_err *err);
/* The same for a lone batch of `log` (which must outlive the writer), kept until the
 * log's payload ref covers all of it: hark_keep_share, when it is published. */
HARK_CHECK int hark_pack_finish_shared(struct hark_pack_writer *w, const char *log,
                                       struct hark_err *err);
HARK_CHECK int hark_pack_unkeep(struct hark_repo *repo, const char *name, struct hark_err *err);
/* Durable and visible, in this order; one sync of the folder for all. */
HARK_CHECK int hark_pack_publish(struct hark_pack_writer *const *writers, size_t count,
                                 struct hark_err *err);
/* Frees; what was not published goes. */
void hark_pack_end(struct hark_pack_writer *w);

/* ---- repo_pack.c: packs that are there ---- */

enum hark_pack_class { HARK_PACK_LOG, HARK_PACK_PAYLOADS, HARK_PACK_TREES };

struct hark_pack_info {
    char name[HARK_PACK_NAME_MAX];
    enum hark_pack_class class;
    uint64_t objects;
    uint64_t bytes;
    bool kept;
};
HARK_CHECK int hark_packs_list(struct hark_repo *repo, struct hark_pack_info **out, size_t *count,
                               struct hark_err *err);

struct hark_pack_place {
    uint64_t offset;
    uint32_t index; /* in the pack index's order of ids */
};
struct hark_pack {
    char name[HARK_PACK_NAME_MAX];
    const uint8_t *idx, *data; /* mapped */
    size_t idx_size, size;
    uint32_t count;
    struct hark_pack_place *places; /* by offset; count + 1 of them, the last the end */
};
HARK_CHECK int hark_pack_open(struct hark_pack *out, struct hark_repo *repo, const char *name,
                              struct hark_err *err);
/* The index alone: no data, no places. For hark_pack_has and hark_pack_find. */
HARK_CHECK int hark_pack_open_index(struct hark_pack *out, struct hark_repo *repo, const char *name,
                                    struct hark_err *err);
/* Does every offset of every pack's index lie within its pack? libgit2 (1.5) follows it
 * wherever it leads, out of what is mapped too. Error: damaged. */
HARK_CHECK int hark_packs_check_offsets(struct hark_repo *repo, struct hark_err *err);
void hark_pack_close(struct hark_pack *pack);
struct hark_git_id hark_pack_id(const struct hark_pack *pack, uint32_t index);
bool hark_pack_has(const struct hark_pack *pack, const struct hark_git_id *id);
/* Where it begins, as the index says; not that it is there. */
bool hark_pack_find(const struct hark_pack *pack, const struct hark_git_id *id, uint64_t *offset);

struct hark_pack_object {
    struct hark_git_id id;
    git_object_t type; /* or one of the two deltas, then size is the delta's */
    uint64_t size;
    struct hark_span raw;
    uint32_t crc;
};
/* Number `n` by offset. That its bytes are as the index's checksum says is seen
 * when they are copied. */
HARK_CHECK int hark_pack_object(struct hark_pack_object *out, const struct hark_pack *pack,
                                uint32_t n, struct hark_err *err);

/* What a copy takes along. Sets that are NULL say nothing. */
struct hark_pack_filter {
    const struct hark_idset *only;          /* nothing else */
    const struct hark_idset *without;       /* not these */
    const struct hark_idset *payload_trees; /* of what looks like a payload ref's tree or
                                             * commit, only these */
};
/* Copies packs into new ones of `class`, each bounded, published; the old ones
 * stay. `loose` more objects are taken along from wherever libgit2 finds them.
 * The names of the new packs go into *made (free()). */
struct hark_pack_copy {
    struct hark_pack_info *from;
    size_t from_count;
    enum hark_pack_class class;
    struct hark_pack_filter filter;
    const struct hark_idset *loose;
    char (*made)[HARK_PACK_NAME_MAX];
    size_t made_count;
};
HARK_CHECK int hark_packs_copy(struct hark_repo *repo, struct hark_pack_copy *copy,
                               struct hark_err *err);
/* Is there a pack whose index lists the object? libgit2 says "not found" of what stands in
 * a pack that it could not open; this tells the two apart. Error: io. */
HARK_CHECK int hark_packs_have(struct hark_repo *repo, const struct hark_git_id *id, bool *have,
                               struct hark_err *err);
/* Unlinks a pack unless it is one of the names in `spare`. */
HARK_CHECK int hark_packs_remove(struct hark_repo *repo, const char *name,
                                 const struct hark_pack_copy *spare, struct hark_err *err);

/* ---- repo_near.c: objects read in about the order in which they were written ---- */

/* Between hark_repo_near and its end: appends the object if it is found, whole and what its
 * id says, without libgit2. False says nothing about it. */
bool hark_near_read(struct hark_repo *repo, enum hark_git_type type, const struct hark_git_id *id,
                    struct hark_buf *out);

/* ---- repo_payloads.c ---- */

/* A keep file's text: one line "hark <log> <end>" for each log: the pack holds
 * payloads of that log at positions below `end` (0 where it only waits for a
 * ref), or "hark <log> all": somewhere below the log's end. Anything else is somebody
 * else's and protects for ever. */
#define HARK_KEEP_LOGS_MAX 256u
#define HARK_KEEP_ALL      UINT64_MAX /* as an end */
struct hark_keep {
    bool foreign;
    size_t count;
    struct {
        char log[HARK_REF_MAX];
        uint64_t end;
    } logs[HARK_KEEP_LOGS_MAX];
};
void hark_keep_add(struct hark_keep *keep, const char *log, uint64_t end);
/* Adds what a pack's keep file says; nothing when there is none. */
HARK_CHECK int hark_keep_read(struct hark_keep *keep, struct hark_repo *repo, const char *pack,
                              struct hark_err *err);
HARK_CHECK int hark_keep_write(struct hark_buf *out, const struct hark_keep *keep,
                               struct hark_err *err);

/* Makes the pack's keep file, saying "all", as one more name of a file that all such
 * packs of the log share; durable when objects/pack is synced next. */
HARK_CHECK int hark_keep_share(struct hark_repo *repo, const char *log, const char *pack,
                               struct hark_err *err);
/* Adds the payloads that lie in packs of lone batches. */
HARK_CHECK int hark_payload_lone(struct hark_repo *repo, const struct hark_pack_info *packs,
                                 size_t count, struct hark_idset *blobs, struct hark_err *err);

#define HARK_PAYLOAD_TREE_MAX   8192u /* 256 lines of at most 30 bytes */
#define HARK_PAYLOAD_COMMIT_MAX 300u
/* Is this what payload refs are made of? `bytes` of a tree or a commit. */
bool hark_payload_form(git_object_t type, struct hark_span bytes);

/* All payload refs: their trees and commits, and the blobs; either may be NULL. */
HARK_CHECK int hark_payload_reach(struct hark_repo *repo, struct hark_idset *trees,
                                  struct hark_idset *blobs, struct hark_err *err);
/* Is this the pack of a payload ref's tip: its commit and the path to its last
 * position, and nothing else? */
HARK_CHECK int hark_payload_is_tip(struct hark_repo *repo, const struct hark_pack_info *pack,
                                   bool *is_tip, struct hark_err *err);
/* Takes blobs out of the trees of all payload refs. */
HARK_CHECK int hark_payload_drop(struct hark_repo *repo, const struct hark_idset *blobs,
                                 struct hark_err *err);

#endif
