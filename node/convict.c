/*
 * See convict.h. Whoever breaks a rule can do so a thousand times: one file is kept of a key
 * and what it did, so that what is kept is bounded by who was ever named.
 */
#include "node/convict.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node/files.h"
#include "node/space_internal.h"
#include "schemas/evidence.h"
#include "schemas/receipt.h"

#define ENDING      ".evidence"
#define ENDING_NOTE ".note"

/* --- files ------------------------------------------------------------------------------ */

static int path_of(struct hark_space *space, const struct hark_hash *hash, const char *ending,
                   char path[HARK_PATH_MAX], struct hark_err *err)
{
    char own[2 * HARK_HASH_SIZE + 1], hex[sizeof(own)], name[2 * sizeof(own) + sizeof(ENDING)];

    hark_hash_hex(own, &space->id);
    hark_hash_hex(hex, hash);
    (void)snprintf(name, sizeof(name), "%s.%s%s", own, hex, ending);
    return hark_path_join(path, space->evidence_path, name, err);
}

static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static int write_file(struct hark_space *space, const char *path, struct hark_span bytes,
                      struct hark_err *err)
{
    int rc = hark_dir_make(space->evidence_path, err);

    return rc < 0 || is_there(path) ? rc : hark_file_write(path, bytes, 0600, err);
}

/* What a file is named by: who did what. */
static struct hark_hash name_of(enum hark_evidence_kind kind, const struct hark_key *key,
                                const char *of)
{
    const char *word = hark_evidence_kind_name(kind);
    struct hark_sha256 sha;

    hark_sha256_init(&sha);
    hark_sha256_update(&sha, word, strlen(word) + 1);
    hark_sha256_update(&sha, key->bytes, HARK_KEY_SIZE);
    hark_sha256_update(&sha, of, strlen(of));
    return hark_sha256_final(&sha);
}

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);

    return size >= end && strcmp(name + size - end, ending) == 0;
}

int hark_convict_each(struct hark_space *space, hark_convict_fn *fn, void *arg,
                      struct hark_err *err)
{
    char own[2 * HARK_HASH_SIZE + 1], path[HARK_PATH_MAX];
    DIR *dir = opendir(space->evidence_path);
    struct dirent *entry;
    int rc = 0;

    if (dir == NULL)
        return errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", space->evidence_path);
    hark_hash_hex(own, &space->id);
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, own, sizeof(own) - 1) != 0 ||
            (!ends_with(entry->d_name, ENDING) && !ends_with(entry->d_name, ENDING_NOTE)))
            continue;
        rc = hark_path_join(path, space->evidence_path, entry->d_name, err);
        if (rc == 0)
            rc = fn(arg, space, path, err);
    }
    (void)closedir(dir);
    return rc;
}

/* --- what goes into one ------------------------------------------------------------------- */

/* What parts borrow from. */
struct material {
    struct hark_evidence_parts parts;
    struct hark_buf other, first, payload;
};

static struct material *new_material(void)
{
    struct material *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->other = hark_buf_init(HARK_TLOG_PROOF_MAX);
    m->first = hark_buf_init(HARK_ENTRY_MAX);
    m->payload = hark_buf_init(HARK_PAYLOAD_MAX);
    return m;
}

static void free_material(struct material *m)
{
    if (m == NULL)
        return;
    hark_buf_free(&m->other);
    hark_buf_free(&m->first);
    hark_buf_free(&m->payload);
    free(m);
}

/* The space's first entry, which makes its id. */
static int add_first(struct hark_space *space, struct material *m, struct hark_err *err)
{
    struct hark_row row = {0};
    int rc = hark_index_row(space->index, 0, &row, err);

    if (rc == 0)
        rc = hark_space_entry(space, &row, &m->first, err);
    if (rc == 0)
        rc = hark_space_payload(space, &row, &m->payload, err);
    if (rc < 0)
        return rc;
    m->parts.has_first = true;
    m->parts.first = hark_buf_span(&m->first);
    m->parts.payload = hark_buf_span(&m->payload);
    return 0;
}

/* What the log's first `size` entries begin with, proved. */
static int add_path(struct hark_space *space, struct material *m, uint64_t old_size, uint64_t size,
                    struct hark_err *err)
{
    int rc = hark_space_root(space, "", old_size, &m->parts.root, err);

    if (rc == 0)
        rc = hark_merkle_prove_consistency(&m->parts.path, old_size, size, hark_index_merkle_read,
                                           space->index, err);
    m->parts.has_path = rc == 0;
    return rc;
}

/* evidence: they prove nothing together. */
static int write_evidence(struct hark_space *space, struct material *m, const char *path,
                          struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_EVIDENCE_MAX);
    int rc = hark_evidence_encode(&text, &m->parts, err);

    if (rc == 0)
        rc = write_file(space, path, hark_buf_span(&text), err);
    hark_buf_free(&text);
    return rc;
}

/* --- a log -------------------------------------------------------------------------------- */

/* A note, or a receipt with one, and who signed it. */
struct offence {
    struct hark_span file, note;
    bool is_receipt;
    uint64_t position; /* a receipt's */
    struct hark_checkpoint checkpoint;
    struct hark_key key;
};

static int read_note(struct hark_span bytes, struct hark_note *note, struct hark_checkpoint *cp,
                     struct hark_err *err)
{
    int rc = hark_note_parse(note, bytes, err);

    return rc == 0 ? hark_checkpoint_decode(cp, note->text, NULL, err) : rc;
}

static int read_receipt(struct offence *out, struct hark_err *err)
{
    struct hark_receipt *receipt = calloc(1, sizeof(*receipt));
    int rc = receipt == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a receipt")
                             : hark_receipt_decode(receipt, out->file, err);

    if (rc == 0) {
        out->note = receipt->note;
        out->position = receipt->line.position;
    }
    free(receipt);
    return rc;
}

static int read_offence(struct hark_space *space, struct hark_span file, struct offence *out,
                        struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_node_object signer = {0};
    struct hark_span head = file;
    int rc = 0;

    *out = (struct offence){.file = file, .note = file};
    if (note == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note");
    out->is_receipt = hark_take_literal(&head, HARK_TLOG_PROOF_HEAD);
    if (out->is_receipt)
        rc = read_receipt(out, err);
    if (rc == 0)
        rc = read_note(out->note, note, &out->checkpoint, err);
    if (rc == 0)
        rc = hark_log_signer(hark_space_state(space), note, out->checkpoint.origin, &signer, err);
    out->key = signer.keys.log;
    free(note);
    return rc;
}

/* The newest checkpoint here of that incarnation; nothing: there is none. */
static int find_other(struct hark_space *space, const char *origin, struct hark_buf *out,
                      struct hark_err *err)
{
    struct hark_row row = {0};
    uint64_t end = HARK_NONE;
    int rc;

    if (strcmp(origin, space->head.origin) == 0)
        return hark_space_checkpoint(space, out, err);
    rc = hark_space_incarnation_end(space, origin, &end, err);
    if (rc < 0 || end == 0 || end > space->head.tree.size)
        return rc;
    rc = hark_index_row(space->index, end - 1, &row, err);
    return rc == 0 ? hark_space_checkpoint_of(space, &row.batch_id, out, err) : rc;
}

/* How many entries that note is of; 0: there is none. */
static int size_of(const struct hark_buf *bytes, uint64_t *size, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_checkpoint cp = {.size = 0};
    int rc = note == NULL       ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
             : bytes->size == 0 ? 0
                                : read_note(hark_buf_span(bytes), note, &cp, err);

    *size = cp.size;
    free(note);
    return rc;
}

/* The receipt of what stands here at that position. */
static int add_receipt(struct hark_space *space, struct material *m, uint64_t position,
                       struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_git_id commit;
    struct hark_proof path;
    struct hark_line line;
    int rc = hark_space_line(space, "", position, &line, &commit, err);

    if (rc == 0)
        rc = hark_space_prove(space, "", position, &path, &note, err);
    if (rc == 0)
        rc = hark_receipt_encode(&m->other, &line, &commit, &path, hark_buf_span(&note), err);
    hark_buf_free(&note);
    return rc;
}

/* As another leaf at the same position: evidence, if that is no fork. */
static int fork_by_entry(struct hark_space *space, const struct offence *o, struct material *m,
                         const char *path, struct hark_err *err)
{
    int rc;

    if (!o->is_receipt || o->position >= space->head.tree.size)
        return HARK_E_EVIDENCE;
    rc = add_receipt(space, m, o->position, err);
    m->parts.parts[1] = hark_buf_span(&m->other);
    if (rc == 0)
        rc = write_evidence(space, m, path, err);
    return rc;
}

/* As another beginning, or another root of one size. */
static int fork_by_root(struct hark_space *space, const struct offence *o, struct material *m,
                        const char *path, struct hark_err *err)
{
    uint64_t size = o->checkpoint.size, here = 0;
    int rc;

    hark_buf_clear(&m->other);
    rc = find_other(space, o->checkpoint.origin, &m->other, err);
    if (rc == 0)
        rc = size_of(&m->other, &here, err);
    if (rc == 0 && (size == 0 || size > here))
        rc = hark_err_set(err, HARK_E_EVIDENCE, "no log of that origin is here so far");
    if (rc == 0 && size < here)
        rc = add_path(space, m, size, here, err);
    m->parts.parts[1] = hark_buf_span(&m->other);
    return rc == 0 ? write_evidence(space, m, path, err) : rc;
}

static int keep_fork(struct hark_space *space, const struct offence *o, const char *path,
                     struct hark_err *err)
{
    struct material *m = new_material();
    int rc;

    if (m == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    m->parts.kind = HARK_EVIDENCE_FORK;
    m->parts.key = o->key;
    m->parts.parts[0] = o->file;
    rc = add_first(space, m, err);
    if (rc == 0)
        rc = fork_by_entry(space, o, m, path, err);
    if (rc == HARK_E_EVIDENCE)
        rc = fork_by_root(space, o, m, path, err);
    free_material(m);
    return rc;
}

/* One file for who signed it and under which origin. */
static int keep_once(struct hark_space *space, const struct offence *o, struct hark_err *err)
{
    struct hark_hash name = name_of(HARK_EVIDENCE_FORK, &o->key, o->checkpoint.origin);
    char path[HARK_PATH_MAX];
    int rc = path_of(space, &name, ENDING, path, err);

    return rc < 0 || is_there(path) ? rc : keep_fork(space, o, path, err);
}

int hark_convict_log(struct hark_space *space, struct hark_span file, struct hark_err *err)
{
    struct hark_hash name = hark_sha256(file);
    char path[HARK_PATH_MAX];
    struct offence o;
    int rc = read_offence(space, file, &o, err);

    if (rc == 0 && (!hark_space_is_origin(space, o.checkpoint.origin) ||
                    strcmp(strrchr(o.checkpoint.origin, '/'), "/intake") == 0))
        return hark_err_set(err, HARK_E_EVIDENCE, "of another log");
    if (rc == 0)
        rc = keep_once(space, &o, err);
    /* no: who signed it was named once, by what is not in the log any more (7.6). */
    if ((rc != HARK_E_EVIDENCE && rc != HARK_E_NO) || o.is_receipt)
        return rc;
    rc = path_of(space, &name, ENDING_NOTE, path, err);
    return rc == 0 ? write_file(space, path, file, err) : rc;
}

/* --- a cosigner ----------------------------------------------------------------------------- */

/* Is the log here what the larger one signed, and not what the smaller one did? */
static int parted_here(struct hark_space *space, const struct hark_checkpoint *small,
                       const struct hark_checkpoint *large, bool *parted, struct hark_err *err)
{
    struct hark_hash root;
    int rc = 0;

    *parted = false;
    if (small->size == 0 || large->size > space->head.tree.size)
        return 0;
    rc = hark_space_root(space, "", large->size, &root, err);
    if (rc < 0 || !hark_hash_equal(&root, &large->root))
        return rc;
    rc = hark_space_root(space, "", small->size, &root, err);
    *parted = rc == 0 && !hark_hash_equal(&root, &small->root);
    return rc;
}

int hark_convict_cosigner(struct hark_space *space, const char *name, const struct hark_key *key,
                          const struct hark_convict_note *a, const struct hark_convict_note *b,
                          struct hark_err *err)
{
    const struct hark_convict_note *small = a->checkpoint->size <= b->checkpoint->size ? a : b;
    const struct hark_convict_note *large = small == a ? b : a;
    const struct hark_checkpoint *first = small->checkpoint, *second = large->checkpoint;
    struct hark_hash hash = name_of(HARK_EVIDENCE_BACKWARDS, key, "");
    bool plain = first->size == second->size ? !hark_hash_equal(&first->root, &second->root)
                                             : small->time_s > large->time_s;
    bool parted = false;
    char path[HARK_PATH_MAX];
    struct material *m;
    int rc = path_of(space, &hash, ENDING, path, err);

    if (rc == 0 && !plain && first->size < second->size)
        rc = parted_here(space, first, second, &parted, err);
    if (rc < 0 || (!plain && !parted) || is_there(path))
        return rc;
    m = new_material();
    if (m == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    m->parts.kind = HARK_EVIDENCE_BACKWARDS;
    m->parts.key = *key;
    (void)snprintf(m->parts.cosigner, sizeof(m->parts.cosigner), "%s", name);
    m->parts.parts[0] = small->note;
    m->parts.parts[1] = large->note;
    rc = add_first(space, m, err);
    if (rc == 0 && parted)
        rc = add_path(space, m, first->size, second->size, err);
    if (rc == 0)
        rc = write_evidence(space, m, path, err);
    free_material(m);
    return rc;
}
