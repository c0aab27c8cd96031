/*
 * A log that has two histories.
 */
#include <stdlib.h>
#include <string.h>

#include "node/convict_internal.h"
#include "schemas/receipt.h"

/* A note, or a receipt with one, and who signed it. */
struct offence {
    char of[HARK_NODE_NAME_MAX + 1]; /* "": the main log; else whose intake */
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
    struct hark_origin_parts origin;
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
    if (rc == 0 && hark_origin_read(&origin, hark_span_str(out->checkpoint.origin)) &&
        origin.incarnation == 0)
        memcpy(out->of, origin.node, sizeof(out->of));
    free(note);
    return rc;
}

/* The newest checkpoint here of that intake; nothing: there is none. */
static int find_intake(struct hark_space *space, const char *node, struct hark_buf *out,
                       struct hark_err *err)
{
    struct hark_log_head head;
    uint64_t batches = 0;
    int rc = hark_space_log(space, node, &head, &batches, err);

    if (rc == HARK_E_NOT_FOUND)
        return 0;
    return rc == 0 ? hark_space_checkpoint_of(space, &head.batch_id, out, err) : rc;
}

/* The newest checkpoint here of that incarnation, or intake; nothing: there is none. */
static int find_other(struct hark_space *space, const struct offence *o, struct hark_buf *out,
                      struct hark_err *err)
{
    const char *origin = o->checkpoint.origin;
    struct hark_row row = {0};
    uint64_t end = HARK_NONE;
    int rc;

    if (o->of[0] != '\0')
        return find_intake(space, o->of, out, err);
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

/* As another leaf at the same position: evidence, if that is no fork. */
static int fork_by_entry(struct hark_space *space, const struct offence *o, struct hark_material *m,
                         const char *path, struct hark_err *err)
{
    int rc;

    if (!o->is_receipt || o->position >= space->head.tree.size)
        return HARK_E_EVIDENCE;
    rc = hark_material_receipt(space, m, o->position, err);
    m->parts.parts[1] = hark_buf_span(&m->other);
    if (rc == 0)
        rc = hark_material_write(space, m, path, err);
    return rc;
}

/* As another beginning, or another root of one size. */
static int fork_by_root(struct hark_space *space, const struct offence *o, struct hark_material *m,
                        const char *path, struct hark_err *err)
{
    uint64_t size = o->checkpoint.size, here = 0;
    int rc;

    hark_buf_clear(&m->other);
    rc = find_other(space, o, &m->other, err);
    if (rc == 0)
        rc = size_of(&m->other, &here, err);
    if (rc == 0 && (size == 0 || size > here))
        rc = hark_err_set(err, HARK_E_EVIDENCE, "no log of that origin is here so far");
    if (rc == 0 && size < here)
        rc = hark_material_path(space, o->of, m, size, here, err);
    m->parts.parts[1] = hark_buf_span(&m->other);
    return rc == 0 ? hark_material_write(space, m, path, err) : rc;
}

static int keep_fork(struct hark_space *space, const struct offence *o, const char *path,
                     struct hark_err *err)
{
    struct hark_material *m = hark_material_new();
    int rc;

    if (m == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    m->parts.kind = HARK_EVIDENCE_FORK;
    m->parts.key = o->key;
    m->parts.parts[0] = o->file;
    rc = hark_material_first(space, m, err);
    if (rc == 0)
        rc = fork_by_entry(space, o, m, path, err);
    if (rc == HARK_E_EVIDENCE)
        rc = fork_by_root(space, o, m, path, err);
    hark_material_free(m);
    return rc;
}

/* One file for who signed it and under which origin. */
static int keep_once(struct hark_space *space, const struct offence *o, struct hark_err *err)
{
    struct hark_hash name = hark_convict_name(HARK_EVIDENCE_FORK, &o->key, o->checkpoint.origin);
    char path[HARK_PATH_MAX];
    int rc = hark_convict_path(space, &name, HARK_CONVICT_EVIDENCE, path, err);

    return rc < 0 || hark_convict_has(path) ? rc : keep_fork(space, o, path, err);
}

static bool is_main(const struct hark_space *space, const char *origin)
{
    return hark_space_is_origin(space, origin) && strcmp(strrchr(origin, '/'), "/intake") != 0;
}

int hark_convict_receipts(struct hark_space *space, struct hark_span a, struct hark_span b,
                          struct hark_err *err)
{
    struct offence first = {.position = 0}, second = {.position = 0};
    struct hark_material *m;
    struct hark_hash name;
    char path[HARK_PATH_MAX];
    int rc = read_offence(space, a, &first, err);

    if (rc == 0)
        rc = read_offence(space, b, &second, err);
    if (rc < 0)
        return rc;
    if (!is_main(space, first.checkpoint.origin))
        return hark_err_set(err, HARK_E_EVIDENCE, "of another log");
    name = hark_convict_name(HARK_EVIDENCE_FORK, &first.key, first.checkpoint.origin);
    rc = hark_convict_path(space, &name, HARK_CONVICT_EVIDENCE, path, err);
    if (rc < 0 || hark_convict_has(path))
        return rc;
    m = hark_material_new();
    if (m == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    m->parts.kind = HARK_EVIDENCE_FORK;
    m->parts.key = first.key;
    m->parts.parts[0] = first.checkpoint.size <= second.checkpoint.size ? a : b;
    m->parts.parts[1] = first.checkpoint.size <= second.checkpoint.size ? b : a;
    rc = hark_material_first(space, m, err);
    if (rc == 0)
        rc = hark_material_write(space, m, path, err);
    hark_material_free(m);
    return rc;
}

int hark_convict_log(struct hark_space *space, struct hark_span file, struct hark_err *err)
{
    struct hark_hash name = hark_sha256(file);
    char path[HARK_PATH_MAX];
    struct offence o;
    int rc = read_offence(space, file, &o, err);

    if (rc == 0 &&
        (!hark_space_is_origin(space, o.checkpoint.origin) || (o.is_receipt && o.of[0] != '\0')))
        return hark_err_set(err, HARK_E_EVIDENCE, "of another log");
    if (rc == 0 && hark_space_is_later(space, o.checkpoint.origin))
        return hark_err_set(err, HARK_E_EVIDENCE, "of a later home than the log here has");
    if (rc == 0)
        rc = keep_once(space, &o, err);
    /* no: who signed it was named once, by what is not in the log any more (7.6). */
    if ((rc != HARK_E_EVIDENCE && rc != HARK_E_NO) || o.is_receipt)
        return rc;
    rc = hark_convict_path(space, &name, HARK_CONVICT_NOTE, path, err);
    return rc == 0 ? hark_convict_write(space, path, file, err) : rc;
}
