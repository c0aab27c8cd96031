/*
 * Payload refs: trees of 256 a level over payload blobs by position
 * (PROTOCOL.md 7.5), and the keep files that protect payloads until such a tree
 * reaches them.
 *
 * Covering touches the trees on the path of the positions that are new, whatever
 * the size. Trees that are complete, because the log has grown past them, go into
 * one pack of the class HARK_PACK_TREES; the path of the last position, from the
 * commit down, makes another, the tip. The next covering writes that whole path
 * anew, so that the old tip is of no use to anybody and goes: nothing dangles.
 */
#include "repo_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FANOUT         256u
#define LEVELS_MAX     8u
#define TREE_BYTES_MAX HARK_PAYLOAD_TREE_MAX
#define COMMIT_MAX     HARK_PAYLOAD_COMMIT_MAX
#define KEEP_MAX       (64u * 1024u)
/* A path and its commit, and what of them can change in one covering. */
#define TIP_OBJECTS_MAX (LEVELS_MAX + 1u)

static const char ALL[] = "all"; /* in a keep file */
static const char PAYLOAD_REFS[] = "refs/heads/payloads/";

/* ---- keep files ---- */

void hark_keep_add(struct hark_keep *keep, const char *log, uint64_t end)
{
    for (size_t i = 0; i < keep->count; i++) {
        if (strcmp(keep->logs[i].log, log) == 0) {
            keep->logs[i].end = end > keep->logs[i].end ? end : keep->logs[i].end;
            return;
        }
    }
    if (keep->count == HARK_KEEP_LOGS_MAX || strlen(log) >= HARK_REF_MAX) {
        keep->foreign = true; /* rather kept for ever than lost */
        return;
    }
    snprintf(keep->logs[keep->count].log, HARK_REF_MAX, "%s", log);
    keep->logs[keep->count++].end = end;
}

static bool keep_end(uint64_t *end, struct hark_span word)
{
    if (hark_span_equal(word, hark_span_str(ALL))) {
        *end = HARK_KEEP_ALL;
        return true;
    }
    return hark_decimal_decode(end, word, HARK_NUMBER_MAX, NULL) == 0;
}

/* "hark <log> <end>", or "all" */
static bool keep_line(struct hark_keep *keep, struct hark_span line)
{
    char log[HARK_REF_MAX];
    char ref[HARK_REF_MAX];
    uint64_t end = 0;
    if (!hark_take_literal(&line, "hark ") || line.size == 0) {
        return false;
    }
    const uint8_t *space = memchr(line.data, ' ', line.size);
    size_t size = space != NULL ? (size_t)(space - line.data) : 0;
    if (space == NULL || size >= sizeof(log)) {
        return false;
    }
    memcpy(log, line.data, size);
    log[size] = '\0';
    if (strlen(log) != size || hark_repo_ref_name(ref, log, false, NULL) != 0 ||
        !keep_end(&end, hark_span(space + 1, line.size - size - 1))) {
        return false;
    }
    hark_keep_add(keep, log, end);
    return true;
}

int hark_keep_read(struct hark_keep *keep, struct hark_repo *repo, const char *pack,
                   struct hark_err *err)
{
    char file[96];
    bool exists = false;
    struct hark_buf text = hark_buf_init(KEEP_MAX);
    snprintf(file, sizeof(file), "%s.keep", pack);
    int rc = hark_repo_slurp(repo->pack_fd, file, &text, &exists, err);
    if (rc == HARK_E_LIMIT) {
        keep->foreign = true;
        rc = 0;
    } else if (rc == 0 && exists) {
        struct hark_span in = hark_buf_span(&text);
        struct hark_span line;
        bool ours = in.size != 0;
        while (ours && in.size != 0) {
            ours = hark_take_line(&in, &line) && keep_line(keep, line);
        }
        keep->foreign = keep->foreign || !ours;
    }
    hark_buf_free(&text);
    return rc;
}

int hark_keep_write(struct hark_buf *out, const struct hark_keep *keep, struct hark_err *err)
{
    int rc = keep->foreign ? hark_buf_append_str(out, "kept by hand\n", err) : 0;
    for (size_t i = 0; rc == 0 && i < keep->count; i++) {
        rc = keep->logs[i].end == HARK_KEEP_ALL
                 ? hark_buf_printf(out, err, "hark %s %s\n", keep->logs[i].log, ALL)
                 : hark_buf_printf(out, err, "hark %s %llu\n", keep->logs[i].log,
                                   (unsigned long long)keep->logs[i].end);
    }
    return rc;
}

/* Of the file that the keep files of a log's lone batches are names of. */
static void shared_name(char out[HARK_REF_MAX], const char *log)
{
    const char *node = strrchr(log, '/');
    snprintf(out, HARK_REF_MAX, "keep-%s", node != NULL ? node + 1 : log);
}

/* It says the same for ever, so that what is linked to it needs no sync of its own. */
static int make_keep(int dir_fd, const char *name, const char *log, struct hark_err *err)
{
    char text[HARK_REF_MAX + 16];
    int size = snprintf(text, sizeof(text), "hark %s %s\n", log, ALL);
    int rc = hark_repo_unlink(dir_fd, name, err);
    if (rc != 0) {
        return rc;
    }
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return hark_err_errno(err, errno, "%s", name);
    }
    rc = hark_repo_write_all(fd, text, (size_t)size, err);
    if (rc == 0) {
        rc = hark_repo_sync_fd(fd, name, err);
    }
    close(fd);
    return rc;
}

int hark_keep_share(struct hark_repo *repo, const char *log, const char *pack, struct hark_err *err)
{
    char *known = repo->shared_keeps[strcmp(log, "main") == 0 ? 0 : 1];
    char name[HARK_REF_MAX];
    char file[96];
    shared_name(name, log);
    snprintf(file, sizeof(file), "%s.keep", pack);
    for (unsigned attempt = 0;; attempt++) {
        /* What another process left may have been lost half-way: made anew once. */
        int rc = strcmp(known, log) == 0 ? 0 : make_keep(repo->stage_fd, name, log, err);
        if (rc != 0) {
            return rc;
        }
        snprintf(known, HARK_REF_MAX, "%s", log);
        if (linkat(repo->stage_fd, name, repo->pack_fd, file, 0) == 0) {
            return 0;
        }
        int why = errno;
        if (why == EPERM || why == EOPNOTSUPP || why == ENOSYS) {
            return make_keep(repo->pack_fd, file, log, err); /* no links on such a disk */
        }
        rc = why == EEXIST ? hark_pack_unkeep(repo, pack, err) : 0;
        if (rc != 0 || attempt == 2 || (why != EEXIST && why != ENOENT && why != EMLINK)) {
            return rc != 0 ? rc : hark_err_errno(err, why, "%s/objects/pack/%s", repo->path, file);
        }
        if (why != EEXIST) {
            known[0] = '\0'; /* swept away, or it has as many names as a file may have */
        }
    }
}

/* Where the log ends, of which something is kept. */
static int end_of_log(struct hark_repo *repo, const char *log, uint64_t *end, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_git_id head;
    bool exists = false;
    *end = 0;
    int rc = batch != NULL ? hark_repo_head(repo, log, &exists, &head, err)
                           : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    if (rc == 0 && exists) {
        rc = hark_repo_read(repo, HARK_GIT_COMMIT, &head, &bytes, err);
    }
    if (rc == 0 && exists) {
        rc = hark_batch_parse(batch, NULL, NULL, hark_buf_span(&bytes), NULL, err);
        *end = batch->first + batch->count;
    }
    free(batch);
    hark_buf_free(&bytes);
    return rc;
}

static int keep_is_done(struct hark_repo *repo, const char *pack, struct hark_keep *keep,
                        bool *done, struct hark_err *err)
{
    memset(keep, 0, sizeof(*keep));
    int rc = hark_keep_read(keep, repo, pack, err);
    *done = rc == 0 && !keep->foreign;
    for (size_t i = 0; rc == 0 && *done && i < keep->count; i++) {
        uint64_t covered = 0;
        uint64_t end = keep->logs[i].end;
        rc = hark_repo_payloads_covered(repo, keep->logs[i].log, &covered, err);
        if (rc == 0 && end == HARK_KEEP_ALL) {
            rc = end_of_log(repo, keep->logs[i].log, &end, err);
        }
        *done = rc == 0 && covered >= end;
    }
    return rc;
}

/* Packs whose payloads the refs have come to reach lose their protection. */
static int drop_keeps(struct hark_repo *repo, struct hark_err *err)
{
    static const char extension[] = ".keep";
    char **names = NULL;
    size_t count = 0;
    ino_t last = 0;
    bool done = false;
    struct hark_keep *keep = calloc(1, sizeof(*keep));
    int rc = keep != NULL ? 0 : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for keep files");
    if (rc == 0) {
        rc = hark_repo_names(repo, "objects/pack", &names, &count, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t length = strlen(names[i]);
        struct stat st;
        if (length < sizeof(extension) ||
            strcmp(names[i] + length - (sizeof(extension) - 1), extension) != 0) {
            continue;
        }
        if (fstatat(repo->pack_fd, names[i], &st, 0) != 0) {
            continue;
        }
        names[i][length - (sizeof(extension) - 1)] = '\0';
        if (st.st_ino != last) { /* those of lone batches are one file */
            rc = keep_is_done(repo, names[i], keep, &done, err);
            last = st.st_ino;
        }
        if (rc == 0 && done) {
            rc = hark_pack_unkeep(repo, names[i], err);
        }
    }
    hark_repo_names_free(names, count);
    free(keep);
    return rc;
}

/* ---- one tree ---- */

struct node {
    size_t count;
    bool present[FANOUT];
    struct hark_git_id ids[FANOUT];
};

static const char BLOB_MODE[] = "100644 ";
static const char TREE_MODE[] = "40000 ";

static int hex_byte(struct hark_span two)
{
    uint8_t byte = 0;
    return hark_hex_decode(&byte, 1, two, NULL) == 0 ? byte : -1;
}

/* *leaf tells whether it holds blobs; an empty tree is none of ours. */
static bool parse_node(struct node *out, bool *leaf, struct hark_span bytes)
{
    int last = -1;
    memset(out, 0, sizeof(*out));
    *leaf = bytes.size != 0 && bytes.data[0] == '1';
    while (bytes.size != 0) {
        struct hark_span name;
        struct hark_span id;
        if (!hark_take_literal(&bytes, *leaf ? BLOB_MODE : TREE_MODE) ||
            !hark_take(&bytes, 3, &name) || name.data[2] != '\0' ||
            !hark_take(&bytes, HARK_GIT_ID_SIZE, &id)) {
            return false;
        }
        int at = hex_byte(hark_span(name.data, 2));
        if (at <= last) {
            return false;
        }
        last = at;
        out->present[at] = true;
        memcpy(out->ids[at].bytes, id.data, HARK_GIT_ID_SIZE);
        out->count++;
    }
    return out->count != 0;
}

static void node_set(struct node *node, unsigned at, const struct hark_git_id *id)
{
    node->count += node->present[at] ? 0 : 1;
    node->present[at] = true;
    node->ids[at] = *id;
}

static void node_clear(struct node *node, unsigned at)
{
    node->count -= node->present[at] ? 1 : 0;
    node->present[at] = false;
}

static int load_node(struct hark_repo *repo, const struct hark_git_id *id, bool leaf,
                     struct node *out, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(TREE_BYTES_MAX);
    bool is_leaf = false;
    int rc = hark_repo_read(repo, HARK_GIT_TREE, id, &bytes, err);
    if (rc == HARK_E_NOT_FOUND || rc == HARK_E_LIMIT) {
        rc = hark_err_set(err, HARK_E_DAMAGED, "a payload ref's tree is missing or too large");
    } else if (rc != 0) {
        goto out;
    } else if (bytes.size == 0) {
        memset(out, 0, sizeof(*out)); /* the root when there is nothing */
    } else if (!parse_node(out, &is_leaf, hark_buf_span(&bytes)) || is_leaf != leaf) {
        rc = hark_err_set(err, HARK_E_DAMAGED, "a payload ref's tree is not well-formed");
    }
out:
    hark_buf_free(&bytes);
    return rc;
}

static int write_node(struct hark_pack_writer *w, const struct node *node, bool leaf,
                      struct hark_git_id *id, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(TREE_BYTES_MAX);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < FANOUT; i++) {
        if (node->present[i]) {
            uint8_t byte = (uint8_t)i;
            rc = hark_buf_append_str(&bytes, leaf ? BLOB_MODE : TREE_MODE, err);
            if (rc == 0) {
                rc = hark_buf_append_hex(&bytes, &byte, 1, err);
            }
            if (rc == 0) {
                rc = hark_buf_append_byte(&bytes, 0, err);
            }
            if (rc == 0) {
                rc = hark_buf_append(&bytes, node->ids[i].bytes, HARK_GIT_ID_SIZE, err);
            }
        }
    }
    if (rc == 0) {
        *id = hark_git_hash(HARK_GIT_TREE, hark_buf_span(&bytes));
        rc = hark_pack_add(w, GIT_OBJECT_TREE, id, hark_buf_span(&bytes), err);
    }
    hark_buf_free(&bytes);
    return rc;
}

/* ---- the commit ---- */

struct cover {
    bool exists;
    struct hark_git_id commit;
    uint64_t size;
    struct hark_git_id root;
};

static int commit_bytes(struct hark_buf *out, const struct hark_git_id *root, uint64_t size,
                        struct hark_err *err)
{
    char hex[2 * HARK_GIT_ID_SIZE + 1];
    hark_git_id_hex(hex, root);
    return hark_buf_printf(out, err,
                           "tree %s\nauthor hark <hark@hark.invalid> 0 +0000\n"
                           "committer hark <hark@hark.invalid> 0 +0000\n\npayloads %llu\n",
                           hex, (unsigned long long)size);
}

/* Strictly: parsed, built again and compared. */
static bool parse_commit(struct cover *out, struct hark_span bytes)
{
    static const char before[] = "\n\npayloads ";
    struct hark_buf again = hark_buf_init(COMMIT_MAX);
    struct hark_span in = bytes;
    struct hark_span hex;
    bool well = false;
    memset(&out->root, 0, sizeof(out->root));
    if (bytes.size == 0 || bytes.size > COMMIT_MAX || !hark_take_literal(&in, "tree ") ||
        !hark_take(&in, (size_t)2 * HARK_GIT_ID_SIZE, &hex) ||
        hark_hex_decode(out->root.bytes, HARK_GIT_ID_SIZE, hex, NULL) != 0) {
        goto out;
    }
    const uint8_t *at = memmem(in.data, in.size, before, sizeof(before) - 1);
    if (at == NULL || in.data[in.size - 1] != '\n') {
        goto out;
    }
    at += sizeof(before) - 1;
    size_t digits = (size_t)(in.data + in.size - 1 - at);
    well = hark_decimal_decode(&out->size, hark_span(at, digits), HARK_NUMBER_MAX, NULL) == 0 &&
           commit_bytes(&again, &out->root, out->size, NULL) == 0 &&
           hark_span_equal(hark_buf_span(&again), bytes);
out:
    hark_buf_free(&again);
    return well;
}

static int read_cover(struct hark_repo *repo, const char *ref, struct cover *out,
                      struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(COMMIT_MAX);
    *out = (struct cover){0};
    int rc = hark_repo_ref_read(repo, ref, &out->exists, &out->commit, err);
    if (rc == 0 && out->exists) {
        rc = hark_repo_read(repo, HARK_GIT_COMMIT, &out->commit, &bytes, err);
        if (rc == HARK_E_NOT_FOUND || rc == HARK_E_LIMIT ||
            (rc == 0 && !parse_commit(out, hark_buf_span(&bytes)))) {
            rc = hark_err_set(err, HARK_E_DAMAGED, "%s points to no payload commit", ref);
        }
    }
    hark_buf_free(&bytes);
    return rc;
}

bool hark_payload_form(git_object_t type, struct hark_span bytes)
{
    struct node node;
    struct cover cover;
    bool leaf = false;
    return type == GIT_OBJECT_TREE     ? parse_node(&node, &leaf, bytes)
           : type == GIT_OBJECT_COMMIT ? parse_commit(&cover, bytes)
                                       : false;
}

/* As many levels as the last position needs bytes, one at least. */
static unsigned levels_of(uint64_t size)
{
    unsigned levels = 1;
    uint64_t last = size != 0 ? size - 1 : 0;
    while (levels < LEVELS_MAX && (last >> (8 * levels)) != 0) {
        levels++;
    }
    return levels;
}

/* Commit, pack, ref: the trees are in `w` and become what the ref says. */
static int commit_cover(struct hark_repo *repo, struct hark_pack_writer *w, const char *ref,
                        const struct cover *old, const struct hark_git_id *root, uint64_t size,
                        struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(COMMIT_MAX);
    struct hark_git_id id;
    int rc = commit_bytes(&bytes, root, size, err);
    if (rc == 0) {
        id = hark_git_hash(HARK_GIT_COMMIT, hark_buf_span(&bytes));
        rc = hark_pack_add(w, GIT_OBJECT_COMMIT, &id, hark_buf_span(&bytes), err);
    }
    if (rc == 0) {
        rc = hark_pack_finish_briefly_kept(w, err);
    }
    if (rc == 0) {
        rc = hark_pack_publish(&w, 1, err);
    }
    if (rc == 0) {
        rc = hark_repo_ref_move(repo, ref, old->exists ? &old->commit : NULL, &id, err);
        int left = hark_pack_unkeep(repo, w->name, rc == 0 ? err : NULL);
        rc = rc != 0 ? rc : left;
    }
    hark_buf_free(&bytes);
    return rc;
}

/* ---- covering ---- */

/* The trees on the path of one position, from the root down. */
struct spine {
    struct hark_repo *repo;
    struct hark_pack_writer *w;
    unsigned levels;
    uint64_t at; /* the position whose path it is */
    bool dirty[LEVELS_MAX];
    struct node node[LEVELS_MAX];
};

static unsigned path_byte(const struct spine *s, uint64_t position, unsigned level)
{
    return (unsigned)(position >> (8 * (s->levels - 1 - level))) & 0xffu;
}

/* Writes what changed below `level` and puts it into its parents. */
static int spine_flush(struct spine *s, unsigned level, struct hark_err *err)
{
    for (unsigned i = s->levels - 1; i > level; i--) {
        struct hark_git_id id;
        if (!s->dirty[i]) {
            continue;
        }
        unsigned slot = path_byte(s, s->at, i - 1);
        if (s->node[i].count == 0) {
            node_clear(&s->node[i - 1], slot);
        } else {
            int rc = write_node(s->w, &s->node[i], i == s->levels - 1, &id, err);
            if (rc != 0) {
                return rc;
            }
            node_set(&s->node[i - 1], slot, &id);
        }
        s->dirty[i] = false;
        s->dirty[i - 1] = true;
    }
    return 0;
}

/* The trees below `level` for s->at, empty where there are none. */
static int spine_load(struct spine *s, unsigned level, struct hark_err *err)
{
    for (unsigned i = level + 1; i < s->levels; i++) {
        unsigned slot = path_byte(s, s->at, i - 1);
        s->dirty[i] = false;
        if (!s->node[i - 1].present[slot]) {
            memset(&s->node[i], 0, sizeof(s->node[i]));
            continue;
        }
        int rc =
            load_node(s->repo, &s->node[i - 1].ids[slot], i == s->levels - 1, &s->node[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int spine_seek(struct spine *s, uint64_t position, struct hark_err *err)
{
    unsigned common = 0;
    while (common + 1 < s->levels &&
           path_byte(s, s->at, common) == path_byte(s, position, common)) {
        common++;
    }
    if (common + 1 == s->levels) {
        s->at = position;
        return 0;
    }
    int rc = spine_flush(s, common, err);
    s->at = position;
    return rc != 0 ? rc : spine_load(s, common, err);
}

/* Starts on the old tip's path, under as many new roots as the new size needs. All
 * of it counts as changed: the old tip's pack will go. */
static int spine_start(struct spine *s, const struct cover *old, struct hark_err *err)
{
    if (!old->exists || old->size == 0) {
        return 0;
    }
    unsigned root = s->levels - levels_of(old->size);
    s->at = old->size - 1;
    int rc = load_node(s->repo, &old->root, root == s->levels - 1, &s->node[root], err);
    if (rc == 0) {
        rc = spine_load(s, root, err);
    }
    for (unsigned i = 1; i < s->levels; i++) {
        s->dirty[i] = true;
    }
    return rc;
}

static int fill_positions(struct spine *s, uint64_t from, uint64_t to, hark_blob_at_fn *blob_at,
                          void *arg, struct hark_err *err)
{
    for (uint64_t position = from; position < to; position++) {
        struct hark_git_id blob;
        bool present = false;
        int rc = blob_at(arg, position, &present, &blob, err);
        if (rc == 0 && present) {
            rc = spine_seek(s, position, err);
        }
        if (rc != 0) {
            return rc;
        }
        if (present) {
            unsigned leaf = s->levels - 1;
            node_set(&s->node[leaf], path_byte(s, position, leaf), &blob);
            s->dirty[leaf] = true;
        }
    }
    return 0;
}

/* ---- all payload refs ---- */

typedef int ref_fn(void *arg, struct hark_repo *repo, const char *ref, const struct cover *cover,
                   struct hark_err *err);

static int each_ref(struct hark_repo *repo, ref_fn *fn, void *arg, struct hark_err *err)
{
    char **refs = NULL;
    size_t count = 0;
    int rc = hark_repo_refs(repo, PAYLOAD_REFS, &refs, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct cover cover;
        rc = read_cover(repo, refs[i], &cover, err);
        if (rc == 0 && cover.exists) {
            rc = fn(arg, repo, refs[i], &cover, err);
        }
    }
    hark_repo_names_free(refs, count);
    return rc;
}

/* ---- tips ---- */

/* The commit and the trees on the path of the last position that it covers. */
static int tip_ids(struct hark_repo *repo, const struct cover *cover, struct hark_idset *ids,
                   struct hark_err *err)
{
    struct spine *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload ref");
    }
    s->repo = repo;
    s->levels = levels_of(cover->size);
    int rc = spine_start(s, cover, err);
    if (rc == 0) {
        rc = hark_idset_add(ids, &cover->commit, NULL, err);
    }
    if (rc == 0) {
        rc = hark_idset_add(ids, &cover->root, NULL, err);
    }
    for (unsigned i = 0; rc == 0 && i + 1 < s->levels; i++) {
        unsigned slot = path_byte(s, s->at, i);
        if (s->node[i].present[slot]) {
            rc = hark_idset_add(ids, &s->node[i].ids[slot], NULL, err);
        }
    }
    free(s);
    return rc;
}

/* Does a pack hold the commit, and nothing but what is in `ids`? */
static int look_at_tip(struct hark_repo *repo, const char *name, const struct hark_git_id *commit,
                       const struct hark_idset *ids, bool *holds, bool *nothing_else,
                       struct hark_err *err)
{
    struct hark_pack pack;
    int rc = hark_pack_open(&pack, repo, name, err);
    if (rc != 0) {
        return rc;
    }
    *holds = hark_pack_has(&pack, commit);
    *nothing_else = *holds && pack.count <= TIP_OBJECTS_MAX;
    for (uint32_t i = 0; i < pack.count && *nothing_else; i++) {
        struct hark_git_id id = hark_pack_id(&pack, i);
        *nothing_else = hark_idset_has(ids, &id);
    }
    hark_pack_close(&pack);
    return 0;
}

struct tips {
    const char *name;
    bool is_tip;
};

static int look_for_tip(void *arg, struct hark_repo *repo, const char *ref,
                        const struct cover *cover, struct hark_err *err)
{
    struct tips *tips = arg;
    struct hark_idset ids = {0};
    bool holds = false;
    bool nothing_else = false;
    (void)ref;
    int rc = tips->is_tip ? 0 : tip_ids(repo, cover, &ids, err);
    if (rc == 0 && !tips->is_tip) {
        rc = look_at_tip(repo, tips->name, &cover->commit, &ids, &holds, &nothing_else, err);
    }
    tips->is_tip = tips->is_tip || nothing_else;
    hark_idset_free(&ids);
    return rc;
}

int hark_payload_is_tip(struct hark_repo *repo, const struct hark_pack_info *pack, bool *is_tip,
                        struct hark_err *err)
{
    struct tips tips = {.name = pack->name};
    int rc = 0;
    if (pack->class == HARK_PACK_TREES && pack->objects <= TIP_OBJECTS_MAX) {
        rc = each_ref(repo, look_for_tip, &tips, err);
    }
    *is_tip = tips.is_tip;
    return rc;
}

/* The pack of yesterday's tip goes. Where its commit lies among complete trees
 * (after an erasure or a gc), what is still reached is copied first. */
static int drop_from(struct hark_repo *repo, struct hark_pack_info *pack, bool nothing_else,
                     struct hark_err *err)
{
    struct hark_pack_copy copy = {.from = pack, .from_count = 1, .class = HARK_PACK_TREES};
    struct hark_idset trees = {0};
    int rc = 0;
    if (!nothing_else) {
        rc = hark_payload_reach(repo, &trees, NULL, err);
        copy.filter.payload_trees = &trees;
        if (rc == 0) {
            rc = hark_packs_copy(repo, &copy, err);
        }
    }
    if (rc == 0) {
        rc = hark_packs_remove(repo, pack->name, &copy, err);
    }
    free(copy.made);
    hark_idset_free(&trees);
    return rc;
}

static int drop_locked(struct hark_repo *repo, const struct hark_git_id *commit,
                       const struct hark_idset *ids, bool *any, struct hark_err *err)
{
    struct hark_pack_info *packs = NULL;
    size_t count = 0;
    int rc = hark_packs_list(repo, &packs, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool holds = false;
        bool nothing_else = false;
        if (packs[i].class != HARK_PACK_TREES || packs[i].kept) {
            continue;
        }
        rc = look_at_tip(repo, packs[i].name, commit, ids, &holds, &nothing_else, err);
        if (rc == 0 && holds) {
            *any = true;
            rc = drop_from(repo, &packs[i], nothing_else, err);
        }
    }
    free(packs);
    return rc;
}

/* A gc by hand at the same time may keep it: what dangles then goes with a later
 * merge. */
/* Does a payload ref point to the commit? One of another log may have been at the very same:
 * it is a function of what is covered, and two intakes may begin with the same entries. */
static int is_pointed_to(struct hark_repo *repo, const struct hark_git_id *commit, bool *is,
                         struct hark_err *err)
{
    char **refs = NULL;
    size_t count = 0;
    int rc = hark_repo_refs(repo, PAYLOAD_REFS, &refs, &count, err);

    *is = false;
    for (size_t i = 0; rc == 0 && !*is && i < count; i++) {
        struct hark_git_id id;
        bool exists = false;

        rc = hark_repo_ref_read(repo, refs[i], &exists, &id, err);
        *is = rc == 0 && exists && hark_git_id_equal(&id, commit);
    }
    hark_repo_names_free(refs, count);
    return rc;
}

static int drop_tip(struct hark_repo *repo, const struct hark_git_id *commit,
                    const struct hark_idset *ids, struct hark_err *err)
{
    bool any = false;
    bool needed = false;
    int rc = is_pointed_to(repo, commit, &needed, err);
    if (rc != 0 || needed) {
        return rc;
    }
    rc = hark_repo_gc_lock(repo, err);
    if (rc == HARK_E_BUSY) {
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    rc = drop_locked(repo, commit, ids, &any, err);
    hark_repo_gc_unlock(repo);
    if (any) {
        int again = hark_repo_reopen(repo, rc == 0 ? err : NULL);
        rc = rc != 0 ? rc : again;
    }
    return rc;
}

/* Trees that are complete, if there are any: published before what needs them. */
static int publish_full(struct hark_pack_writer *full, struct hark_err *err)
{
    if (full->seen.count == 0) {
        return 0;
    }
    int rc = hark_pack_finish_briefly_kept(full, err);
    return rc != 0 ? rc : hark_pack_publish(&full, 1, err);
}

/* Fills the spine: complete trees go to `full`, the last path to `tip`. */
static int fill_spine(struct spine *s, const struct cover *old, uint64_t size,
                      struct hark_pack_writer *full, struct hark_pack_writer *tip,
                      struct hark_git_id *root, hark_blob_at_fn *blob_at, void *arg,
                      struct hark_err *err)
{
    s->w = full;
    int rc = spine_start(s, old, err);
    if (rc == 0) {
        rc = fill_positions(s, old->size, size, blob_at, arg, err);
    }
    s->w = tip;
    if (rc == 0) {
        rc = spine_flush(s, 0, err);
    }
    return rc != 0 ? rc : write_node(tip, &s->node[0], s->levels == 1, root, err);
}

static int advance(struct hark_repo *repo, const char *ref, const struct cover *old, uint64_t size,
                   hark_blob_at_fn *blob_at, void *arg, struct hark_err *err)
{
    struct hark_pack_writer full = {0};
    struct hark_pack_writer tip = {0};
    struct hark_idset old_tip = {0};
    struct hark_git_id root;
    struct spine *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload ref");
    }
    s->repo = repo;
    s->levels = levels_of(size);
    int rc = old->exists ? tip_ids(repo, old, &old_tip, err) : 0;
    if (rc == 0) {
        rc = hark_pack_begin(&full, repo, (size - old->size) / FANOUT + 1, err);
    }
    if (rc == 0) {
        rc = hark_pack_begin(&tip, repo, s->levels + 1, err);
    }
    if (rc == 0) {
        rc = fill_spine(s, old, size, &full, &tip, &root, blob_at, arg, err);
    }
    if (rc == 0) {
        rc = publish_full(&full, err);
    }
    if (rc == 0) {
        rc = commit_cover(repo, &tip, ref, old, &root, size, err);
    }
    if (rc == 0 && full.seen.count != 0) {
        rc = hark_pack_unkeep(repo, full.name, err);
    }
    if (rc == 0 && old->exists) {
        rc = drop_tip(repo, &old->commit, &old_tip, err);
    }
    hark_pack_end(&full);
    hark_pack_end(&tip);
    hark_idset_free(&old_tip);
    free(s);
    return rc;
}

int hark_repo_cover_payloads(struct hark_repo *repo, const char *log, uint64_t size,
                             hark_blob_at_fn *blob_at, void *arg, struct hark_err *err)
{
    char ref[HARK_REF_MAX];
    struct cover old;
    int rc = hark_repo_ref_name(ref, log, true, err);
    if (rc == 0) {
        rc = read_cover(repo, ref, &old, err);
    }
    if (rc != 0 || size <= old.size) {
        return rc;
    }
    rc = advance(repo, ref, &old, size, blob_at, arg, err);
    return rc != 0 ? rc : drop_keeps(repo, err);
}

int hark_repo_payloads_covered(struct hark_repo *repo, const char *log, uint64_t *size,
                               struct hark_err *err)
{
    char ref[HARK_REF_MAX];
    struct cover cover;
    *size = 0;
    int rc = hark_repo_ref_name(ref, log, true, err);
    if (rc == 0) {
        rc = read_cover(repo, ref, &cover, err);
    }
    if (rc == 0) {
        *size = cover.size;
    }
    return rc;
}

/* Whoever reads a log asks for position after position: the leaf that the last one
 * was in is kept. A commit never says anything else, so that it is good for as long
 * as the ref points to that commit. */
struct hark_payload_leaf {
    struct hark_git_id commit;
    uint64_t size; /* covered */
    uint64_t number;
    struct node node; /* empty: the trees end above it */
};

/* The leaf with that number, from the commit's root down. */
static int read_leaf(struct hark_repo *repo, const struct cover *cover,
                     struct hark_payload_leaf *out, struct hark_err *err)
{
    struct hark_git_id id = cover->root;
    for (unsigned levels = levels_of(cover->size); levels != 0; levels--) {
        int rc = load_node(repo, &id, levels == 1, &out->node, err);
        if (rc != 0 || levels == 1) {
            return rc;
        }
        unsigned slot = (unsigned)(out->number >> (8 * (levels - 2))) & 0xffu;
        if (!out->node.present[slot]) {
            memset(&out->node, 0, sizeof(out->node));
            return 0;
        }
        id = out->node.ids[slot];
    }
    return 0;
}

static int refill_leaf(struct hark_repo *repo, const char *ref, uint64_t number,
                       struct hark_err *err)
{
    struct hark_payload_leaf *leaf = calloc(1, sizeof(*leaf));
    struct cover cover;
    int rc = leaf != NULL ? read_cover(repo, ref, &cover, err)
                          : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload tree");
    free(repo->leaf);
    repo->leaf = NULL;
    if (rc == 0 && cover.exists) {
        leaf->commit = cover.commit;
        leaf->size = cover.size;
        leaf->number = number;
        if (number < (cover.size + FANOUT - 1) / FANOUT) {
            rc = read_leaf(repo, &cover, leaf, err);
        }
        if (rc == 0) {
            repo->leaf = leaf;
            return 0;
        }
    }
    free(leaf);
    return rc;
}

int hark_repo_payload_at(struct hark_repo *repo, const char *log, uint64_t position, bool *present,
                         struct hark_git_id *blob, struct hark_err *err)
{
    char ref[HARK_REF_MAX];
    struct hark_git_id commit;
    bool exists = false;
    *present = false;
    int rc = hark_repo_ref_name(ref, log, true, err);
    if (rc == 0) {
        rc = hark_repo_ref_read(repo, ref, &exists, &commit, err);
    }
    if (rc == 0 && exists &&
        (repo->leaf == NULL || repo->leaf->number != position / FANOUT ||
         !hark_git_id_equal(&repo->leaf->commit, &commit))) {
        rc = refill_leaf(repo, ref, position / FANOUT, err);
    }
    const struct hark_payload_leaf *leaf = repo->leaf;
    if (rc != 0 || !exists || leaf == NULL || position >= leaf->size ||
        !leaf->node.present[position % FANOUT]) {
        return rc;
    }
    *present = true;
    *blob = leaf->node.ids[position % FANOUT];
    return 0;
}

struct reach {
    struct hark_idset *trees, *blobs;
};

static int reach_tree(struct reach *r, struct hark_repo *repo, const struct hark_git_id *id,
                      unsigned levels, struct hark_err *err)
{
    struct node node = {.count = 0};
    int rc = r->trees != NULL ? hark_idset_add(r->trees, id, NULL, err) : 0;
    if (rc != 0 || (levels == 1 && r->blobs == NULL)) {
        return rc; /* without the blobs wanted the leaves need not be read */
    }
    rc = load_node(repo, id, levels == 1, &node, err);
    for (unsigned i = 0; rc == 0 && i < FANOUT; i++) {
        if (!node.present[i]) {
            continue;
        }
        rc = levels > 1 ? reach_tree(r, repo, &node.ids[i], levels - 1, err)
                        : hark_idset_add(r->blobs, &node.ids[i], NULL, err);
    }
    return rc;
}

static int reach_ref(void *arg, struct hark_repo *repo, const char *ref, const struct cover *cover,
                     struct hark_err *err)
{
    (void)ref;
    struct reach *r = arg;
    int rc = r->trees != NULL ? hark_idset_add(r->trees, &cover->commit, NULL, err) : 0;
    return rc != 0 ? rc : reach_tree(r, repo, &cover->root, levels_of(cover->size), err);
}

int hark_payload_reach(struct hark_repo *repo, struct hark_idset *trees, struct hark_idset *blobs,
                       struct hark_err *err)
{
    struct reach r = {.trees = trees, .blobs = blobs};
    return each_ref(repo, reach_ref, &r, err);
}

struct drop {
    const struct hark_idset *blobs;
    struct hark_pack_writer *w;
};

/* *id becomes the tree's without the blobs; *empty when nothing is left. */
static int drop_in_tree(struct drop *d, struct hark_repo *repo, struct hark_git_id *id,
                        unsigned levels, bool *empty, struct hark_err *err)
{
    struct node node = {.count = 0};
    bool changed = false;
    int rc = load_node(repo, id, levels == 1, &node, err);
    for (unsigned i = 0; rc == 0 && i < FANOUT; i++) {
        if (!node.present[i]) {
            continue;
        }
        struct hark_git_id child = node.ids[i];
        bool gone = levels == 1 && hark_idset_has(d->blobs, &child);
        if (levels > 1) {
            rc = drop_in_tree(d, repo, &child, levels - 1, &gone, err);
        }
        if (rc == 0 && gone) {
            node_clear(&node, i);
            changed = true;
        } else if (rc == 0 && !hark_git_id_equal(&child, &node.ids[i])) {
            node_set(&node, i, &child);
            changed = true;
        }
    }
    *empty = rc == 0 && node.count == 0;
    return rc == 0 && changed && !*empty ? write_node(d->w, &node, levels == 1, id, err) : rc;
}

static int drop_in_ref(void *arg, struct hark_repo *repo, const char *ref,
                       const struct cover *cover, struct hark_err *err)
{
    struct hark_pack_writer w = {0};
    struct drop d = {.blobs = arg, .w = &w};
    struct hark_git_id root = cover->root;
    unsigned levels = levels_of(cover->size);
    bool empty = false;
    int rc = hark_pack_begin(&w, repo, levels + 1, err);
    if (rc == 0) {
        rc = drop_in_tree(&d, repo, &root, levels, &empty, err);
    }
    if (rc == 0 && empty) {
        const struct node nothing = {0};
        rc = write_node(&w, &nothing, true, &root, err);
    }
    if (rc == 0 && !hark_git_id_equal(&root, &cover->root)) {
        rc = commit_cover(repo, &w, ref, cover, &root, cover->size, err);
    }
    hark_pack_end(&w);
    return rc;
}

int hark_payload_drop(struct hark_repo *repo, const struct hark_idset *blobs, struct hark_err *err)
{
    return each_ref(repo, drop_in_ref, (void *)(uintptr_t)blobs, err);
}

/* ---- walking ---- */

struct walk {
    struct hark_repo *repo;
    hark_covered_fn *fn;
    void *arg;
};

static int walk_tree(const struct walk *w, const struct hark_git_id *id, unsigned levels,
                     uint64_t before, struct hark_err *err)
{
    struct node node = {.count = 0};
    int rc = load_node(w->repo, id, levels == 1, &node, err);
    for (unsigned i = 0; rc == 0 && i < FANOUT; i++) {
        uint64_t at = before << 8 | i;
        if (node.present[i]) {
            rc = levels > 1 ? walk_tree(w, &node.ids[i], levels - 1, at, err)
                            : w->fn(w->arg, at, &node.ids[i], err);
        }
    }
    return rc;
}

int hark_repo_walk_payloads(struct hark_repo *repo, const struct hark_git_id *commit,
                            uint64_t *size, hark_covered_fn *fn, void *arg, struct hark_err *err)
{
    const struct walk w = {.repo = repo, .fn = fn, .arg = arg};
    struct hark_buf bytes = hark_buf_init(COMMIT_MAX);
    struct cover cover = {.exists = true};
    int rc = hark_repo_read(repo, HARK_GIT_COMMIT, commit, &bytes, err);
    *size = 0;
    if (rc == HARK_E_LIMIT || (rc == 0 && !parse_commit(&cover, hark_buf_span(&bytes)))) {
        rc = hark_err_set(err, HARK_E_DAMAGED, "the ref points to no payload commit");
    }
    hark_buf_free(&bytes);
    if (rc != 0) {
        return rc;
    }
    *size = cover.size;
    return walk_tree(&w, &cover.root, levels_of(cover.size), 0, err);
}

/* ---- what is there ---- */

struct visit {
    hark_payload_fn *fn;
    void *arg;
    struct hark_buf bytes;
};

static int visit_payload(struct hark_repo *repo, struct visit *v, const struct hark_git_id *id,
                         struct hark_err *err)
{
    hark_buf_clear(&v->bytes);
    int rc = hark_repo_read(repo, HARK_GIT_BLOB, id, &v->bytes, err);
    if (rc != 0) {
        return rc;
    }
    struct hark_hash hash = hark_sha256(hark_buf_span(&v->bytes));
    return v->fn(v->arg, &hash, id, v->bytes.size, err);
}

static int collect_pack(struct hark_repo *repo, const char *name, struct hark_idset *ids,
                        struct hark_err *err)
{
    struct hark_pack pack;
    int rc = hark_pack_open(&pack, repo, name, err);
    for (uint32_t i = 0; rc == 0 && i < pack.count; i++) {
        /* In the order of the file: so they are read, too. */
        struct hark_git_id id = hark_pack_id(&pack, pack.places[i].index);
        rc = hark_idset_add(ids, &id, NULL, err);
    }
    hark_pack_close(&pack);
    return rc;
}

/* Adds what a tree names. */
static int tree_names(struct hark_repo *repo, const struct hark_git_id *id,
                      struct hark_idset *names, struct hark_err *err)
{
    git_tree *tree = NULL;
    git_oid oid;
    memcpy(oid.id, id->bytes, HARK_GIT_ID_SIZE);
    int answer = git_tree_lookup(&tree, repo->git, &oid);
    if (answer != 0) {
        return hark_repo_git_err(err, answer, "a batch's tree");
    }
    int rc = 0;
    size_t count = git_tree_entrycount(tree);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_git_id named;
        memcpy(named.bytes, git_tree_entry_id(git_tree_entry_byindex(tree, i))->id,
               HARK_GIT_ID_SIZE);
        rc = hark_idset_add(names, &named, NULL, err);
    }
    git_tree_free(tree);
    return rc;
}

/* Adds the blobs of one lone batch's pack that its tree does not name. */
static int lone_pack(struct hark_repo *repo, const char *name, struct hark_idset *blobs,
                     struct hark_err *err)
{
    struct hark_idset files = {0};
    struct hark_pack pack;
    struct hark_pack_object object;
    int rc = hark_pack_open(&pack, repo, name, err);
    for (uint32_t i = 0; rc == 0 && i < pack.count; i++) {
        rc = hark_pack_object(&object, &pack, i, err);
        if (rc == 0 && object.type == GIT_OBJECT_TREE) {
            rc = tree_names(repo, &object.id, &files, err);
        }
    }
    for (uint32_t i = 0; rc == 0 && i < pack.count; i++) {
        rc = hark_pack_object(&object, &pack, i, err);
        if (rc == 0 && object.type == GIT_OBJECT_BLOB && !hark_idset_has(&files, &object.id)) {
            rc = hark_idset_add(blobs, &object.id, NULL, err);
        }
    }
    hark_pack_close(&pack);
    hark_idset_free(&files);
    return rc;
}

int hark_payload_lone(struct hark_repo *repo, const struct hark_pack_info *packs, size_t count,
                      struct hark_idset *blobs, struct hark_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (packs[i].class == HARK_PACK_LOG && packs[i].objects <= HARK_LONE_OBJECTS_MAX) {
            rc = lone_pack(repo, packs[i].name, blobs, err);
        }
    }
    return rc;
}

int hark_repo_each_payload(struct hark_repo *repo, hark_payload_fn *fn, void *arg,
                           struct hark_err *err)
{
    struct visit v = {.fn = fn, .arg = arg, .bytes = hark_buf_init(HARK_REPO_OBJECT_MAX)};
    struct hark_idset ids = {0};
    struct hark_pack_info *packs = NULL;
    size_t count = 0;
    int rc = hark_packs_list(repo, &packs, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (packs[i].class == HARK_PACK_PAYLOADS) {
            rc = collect_pack(repo, packs[i].name, &ids, err);
        }
    }
    if (rc == 0) {
        rc = hark_payload_lone(repo, packs, count, &ids, err);
    }
    /* Those that stock git has put into packs of all sorts: a ref reaches them,
     * since those that none reaches were kept out of its way. */
    if (rc == 0) {
        rc = hark_payload_reach(repo, NULL, &ids, err);
    }
    for (size_t i = 0; rc == 0 && i < ids.count; i++) {
        rc = visit_payload(repo, &v, &ids.ids[i], err);
    }
    hark_buf_free(&v.bytes);
    hark_idset_free(&ids);
    free(packs);
    return rc;
}
