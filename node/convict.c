/*
 * The files of convict.h, and what goes into one.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/tlog_proof.h"
#include "node/convict_internal.h"
#include "node/files.h"

/* --- files ------------------------------------------------------------------------------ */

static int join(char path[HARK_PATH_MAX], const char *folder, const struct hark_hash *space,
                const struct hark_hash *hash, const char *ending, struct hark_err *err)
{
    char own[2 * HARK_HASH_SIZE + 1], hex[sizeof(own)],
        name[2 * sizeof(own) + sizeof(HARK_CONVICT_EVIDENCE)];

    hark_hash_hex(own, space);
    hark_hash_hex(hex, hash);
    (void)snprintf(name, sizeof(name), "%s.%s%s", own, hex, ending);
    return hark_path_join(path, folder, name, err);
}

int hark_convict_path(struct hark_space *space, const struct hark_hash *hash, const char *ending,
                      char path[HARK_PATH_MAX], struct hark_err *err)
{
    return join(path, space->evidence_path, &space->id, hash, ending, err);
}

int hark_convict_file(char path[HARK_PATH_MAX], const char *dir, const struct hark_hash *space,
                      const struct hark_hash *name, struct hark_err *err)
{
    char folder[HARK_PATH_MAX];
    int rc = hark_path_join(folder, dir, "evidence", err);

    return rc == 0 ? join(path, folder, space, name, HARK_CONVICT_EVIDENCE, err) : rc;
}

bool hark_convict_has(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

int hark_convict_write(struct hark_space *space, const char *path, struct hark_span bytes,
                       struct hark_err *err)
{
    int rc = hark_dir_make(space->evidence_path, err);

    return rc < 0 || hark_convict_has(path) ? rc : hark_file_write(path, bytes, 0600, err);
}

/* What a file is named by: who did what. */
struct hark_hash hark_convict_name(enum hark_evidence_kind kind, const struct hark_key *key,
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

const char *hark_convict_of(enum hark_evidence_kind kind, const char *origin)
{
    switch (kind) {
    case HARK_EVIDENCE_FORK:
    case HARK_EVIDENCE_BACKDATED:
    case HARK_EVIDENCE_WITHHELD:
        return origin;
    case HARK_EVIDENCE_BACKWARDS:
    case HARK_EVIDENCE_TWIN:
    case HARK_EVIDENCE_KINDS_:
        break;
    }
    return "";
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
            (!ends_with(entry->d_name, HARK_CONVICT_EVIDENCE) &&
             !ends_with(entry->d_name, HARK_CONVICT_NOTE)))
            continue;
        rc = hark_path_join(path, space->evidence_path, entry->d_name, err);
        if (rc == 0)
            rc = fn(arg, space, path, err);
    }
    (void)closedir(dir);
    return rc;
}

/* --- what goes into one ------------------------------------------------------------------- */

struct hark_material *hark_material_new(void)
{
    struct hark_material *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->other = hark_buf_init(HARK_TLOG_PROOF_MAX);
    m->first = hark_buf_init(HARK_ENTRY_MAX);
    m->payload = hark_buf_init(HARK_PAYLOAD_MAX);
    return m;
}

void hark_material_free(struct hark_material *m)
{
    if (m == NULL)
        return;
    hark_buf_free(&m->other);
    hark_buf_free(&m->first);
    hark_buf_free(&m->payload);
    free(m);
}

/* The space's first entry, which makes its id. */
int hark_material_first(struct hark_space *space, struct hark_material *m, struct hark_err *err)
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
int hark_material_path(struct hark_space *space, const char *log, struct hark_material *m,
                       uint64_t old_size, uint64_t size, struct hark_err *err)
{
    int rc = hark_space_root(space, log, old_size, &m->parts.root, err);

    if (rc == 0 && log[0] != '\0')
        rc = hark_space_prove_intake(space, log, old_size, size, &m->parts.path, err);
    else if (rc == 0)
        rc = hark_merkle_prove_consistency(&m->parts.path, old_size, size, hark_index_merkle_read,
                                           space->index, err);
    m->parts.has_path = rc == 0;
    return rc;
}

/* evidence: they prove nothing together. */
int hark_material_write(struct hark_space *space, struct hark_material *m, const char *path,
                        struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_EVIDENCE_MAX);
    int rc = hark_evidence_encode(&text, &m->parts, err);

    if (rc == 0)
        rc = hark_convict_write(space, path, hark_buf_span(&text), err);
    hark_buf_free(&text);
    return rc;
}

/* The receipt of what stands here at that position. */
int hark_material_receipt(struct hark_space *space, struct hark_material *m, uint64_t position,
                          struct hark_err *err)
{
    return hark_space_receipt(space, "", position, &m->other, err);
}
