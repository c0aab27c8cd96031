/*
 * See witness.h. What is kept of a space beside it: the notes; the quorums, brought up to
 * the log's end whenever they are asked for; and how much was settled when last looked.
 */
#include "node/witness.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node/files.h"
#include "node/space_internal.h"
#include "replication/messages.h"

struct space_witness {
    struct hark_notes *notes;
    struct hark_quorums quorums;
    uint64_t looked; /* entries that the quorums are as of */
    uint64_t settled;
    uint64_t settled_size, settled_version; /* of log and notes, when it was found */
};

void hark_witness_free(struct hark_space *space)
{
    if (space->witness == NULL)
        return;
    hark_notes_free(space->witness->notes);
    hark_quorums_free(&space->witness->quorums);
    free(space->witness);
    space->witness = NULL;
}

/* --- quorums ------------------------------------------------------------------------ */

struct changes {
    size_t count, room;
    uint64_t *positions;
};

static int note_change(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct changes *changes = arg;

    if (row->verdict != 0)
        return 0;
    if (changes->count == changes->room) {
        size_t room = changes->room == 0 ? 16 : 2 * changes->room;
        uint64_t *grown = realloc(changes->positions, room * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for quorums");
        changes->positions = grown;
        changes->room = room;
    }
    changes->positions[changes->count++] = row->position;
    return 0;
}

static int add_change(struct hark_space *space, uint64_t position, struct hark_err *err)
{
    struct hark_row row = {0};
    json_t *payload = NULL;
    int rc = hark_index_row(space->index, position, &row, err);

    if (rc == 0)
        rc = hark_space_payload_json(space, &row, &payload, err);
    if (rc == 0)
        rc = hark_quorums_add(&space->witness->quorums, position, row.kind, payload, err);
    json_decref(payload);
    return rc;
}

static int bring_quorums(struct hark_space *space, struct hark_err *err)
{
    struct space_witness *w = space->witness;
    uint64_t size = space->head.tree.size;
    const struct hark_log_query query = {.kind = HARK_QUORUM_KINDS,
                                         .after = w->looked == 0 ? HARK_NONE : w->looked - 1,
                                         .below = size,
                                         .re = HARK_NONE};
    struct changes changes = {.count = 0};
    int rc = 0;

    if (w->looked == size)
        return 0;
    rc = hark_index_log(space->index, &query, note_change, &changes, err);
    for (size_t i = 0; rc == 0 && i < changes.count; i++)
        rc = add_change(space, changes.positions[i], err);
    free(changes.positions);
    if (rc == 0) {
        w->looked = size;
    } else { /* from the start the next time */
        hark_quorums_free(&w->quorums);
        w->looked = 0;
    }
    return rc;
}

/* Everything there, as of the log's end. */
static int bring(struct hark_space *space, struct hark_err *err)
{
    int rc = 0;

    if (space->witness == NULL) {
        space->witness = calloc(1, sizeof(*space->witness));
        if (space->witness == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for cosignatures");
    }
    if (space->witness->notes == NULL)
        rc = hark_notes_open(&space->witness->notes, space->cosign_path, err);
    return rc == 0 ? bring_quorums(space, err) : rc;
}

/* --- what is settled ------------------------------------------------------------------ */

int hark_witness_fits(struct hark_space *space, const struct hark_cosigned *cosigned, bool *here,
                      bool *fits, struct hark_err *err)
{
    struct hark_hash root;
    int rc;

    *fits = false;
    *here = cosigned->checkpoint.size <= space->head.tree.size;
    if (!*here)
        return 0;
    rc = hark_space_root(space, "", cosigned->checkpoint.size, &root, err);
    *fits = rc == 0 && hark_hash_equal(&root, &cosigned->checkpoint.root);
    return rc;
}

/* The note under evidence/, named by space and hash. */
static int keep_evidence(struct hark_space *space, struct hark_span note, struct hark_err *err)
{
    struct hark_hash hash = hark_sha256(note);
    char hex[2 * HARK_HASH_SIZE + 1], own[sizeof(hex)], name[2 * sizeof(hex) + 5];
    char path[HARK_PATH_MAX];
    struct stat st;
    int rc = hark_dir_make(space->evidence_path, err);

    hark_hash_hex(own, &space->id);
    hark_hash_hex(hex, &hash);
    (void)snprintf(name, sizeof(name), "%s.%s.note", own, hex);
    if (rc == 0)
        rc = hark_path_join(path, space->evidence_path, name, err);
    if (rc < 0 || stat(path, &st) == 0)
        return rc;
    return hark_file_write(path, note, 0600, err);
}

int hark_witness_each_evidence(struct hark_space *space, hark_evidence_fn *fn, void *arg,
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
        size_t size = strlen(entry->d_name);

        if (strncmp(entry->d_name, own, sizeof(own) - 1) != 0 || size < 5 ||
            strcmp(entry->d_name + size - 5, ".note") != 0)
            continue;
        rc = hark_path_join(path, space->evidence_path, entry->d_name, err);
        if (rc == 0)
            rc = fn(arg, space, path, err);
    }
    (void)closedir(dir);
    return rc;
}

/* Is its history the log's here? What an incarnation signed beyond its end is nobody's. */
static int check_history(struct hark_space *space, const struct hark_checkpoint *cp,
                         struct hark_span note, bool *lost, struct hark_err *err)
{
    struct hark_hash root;
    uint64_t end = HARK_NONE;
    int rc = hark_space_incarnation_end(space, cp->origin, &end, err);

    *lost = rc == 0 && cp->size > end;
    if (rc < 0 || *lost || cp->size > space->head.tree.size)
        return rc;
    rc = hark_space_root(space, "", cp->size, &root, err);
    if (rc < 0 || hark_hash_equal(&root, &cp->root))
        return rc;
    rc = keep_evidence(space, note, err);
    return rc < 0
               ? rc
               : hark_err_set(err, HARK_E_PEER_FORK,
                              "%s signed another history of %" PRIu64 " entries than the one here",
                              cp->origin, cp->size);
}

static int count_note(struct hark_space *space, const struct hark_cosigned *cosigned,
                      struct hark_cosigned_size *sizes, size_t *count, struct hark_err *err)
{
    bool here = false, fits = false, lost = false;
    int rc = cosigned->log[0] == '\0' ? hark_witness_fits(space, cosigned, &here, &fits, err) : 0;

    if (fits)
        sizes[(*count)++] = (struct hark_cosigned_size){.key = cosigned->cosigner.key,
                                                        .size = cosigned->checkpoint.size};
    if (rc < 0 || fits || !here || space->read_only)
        return rc;
    /* It came before the log did, and is now seen to be of another one. */
    rc = check_history(space, &cosigned->checkpoint, hark_buf_span(&cosigned->note), &lost, err);
    return rc == HARK_E_PEER_FORK ? 0 : rc;
}

static int find_settled(struct hark_space *space, struct hark_err *err)
{
    struct space_witness *w = space->witness;
    size_t count = hark_notes_count(w->notes), used = 0;
    struct hark_cosigned_size *sizes;
    int rc = 0;

    if (w->settled_size == space->head.tree.size &&
        w->settled_version == hark_notes_version(w->notes))
        return 0;
    sizes = calloc(count + 1, sizeof(*sizes));
    if (sizes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for cosignatures");
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = count_note(space, hark_notes_at(w->notes, i), sizes, &used, err);
    if (rc == 0) {
        w->settled =
            hark_quorums_settled(&w->quorums, w->settled, space->head.tree.size, sizes, used);
        w->settled_size = space->head.tree.size;
        w->settled_version = hark_notes_version(w->notes);
    }
    free(sizes);
    return rc;
}

int hark_witness_settled(struct hark_space *space, uint64_t *size, struct hark_err *err)
{
    int rc = bring(space, err);

    if (rc == 0)
        rc = find_settled(space, err);
    *size = rc == 0 ? space->witness->settled : 0;
    return rc;
}

int hark_witness_quorum(struct hark_space *space, const struct hark_quorum **out,
                        struct hark_err *err)
{
    int rc = bring(space, err);

    *out = rc == 0 ? hark_quorums_at(&space->witness->quorums, space->head.tree.size) : NULL;
    return rc;
}

int hark_witness_notes(struct hark_space *space, const struct hark_notes **out,
                       struct hark_err *err)
{
    int rc = bring(space, err);

    *out = rc == 0 ? space->witness->notes : NULL;
    return rc;
}

static int find_wanted(struct hark_space *space, const struct hark_key *key,
                       const struct hark_cosigner **out, struct hark_err *err)
{
    uint64_t settled = 0;
    int rc = hark_witness_settled(space, &settled, err);

    *out = rc == 0 ? hark_quorums_wanted(&space->witness->quorums, settled, key) : NULL;
    return rc;
}

int hark_witness_wants(struct hark_space *space, const struct hark_key *key, bool *wanted,
                       struct hark_err *err)
{
    const struct hark_cosigner *found = NULL;
    int rc = find_wanted(space, key, &found, err);

    *wanted = found != NULL;
    return rc;
}

/* --- this node's ------------------------------------------------------------------------ */

/* Q3 and Q4: *time_s is what to sign; *may false: nothing. */
static int follows_last(struct hark_space *space, const struct hark_key *key, uint64_t now_s,
                        uint64_t *time_s, bool *may, struct hark_err *err)
{
    const struct hark_cosigned *cosigned = hark_notes_find(space->witness->notes, "", key);
    uint64_t size = space->head.tree.size;
    struct hark_cosigned_last last;
    struct hark_hash root;
    bool here;
    int rc = 0;

    if (cosigned == NULL) {
        *may = hark_cosigner_may(NULL, size, NULL, now_s, time_s);
        return 0;
    }
    last = (struct hark_cosigned_last){.size = cosigned->checkpoint.size,
                                       .time_s = cosigned->time_s,
                                       .root = cosigned->checkpoint.root};
    here = last.size <= size;
    if (here)
        rc = hark_space_root(space, "", last.size, &root, err);
    *may = rc == 0 && hark_cosigner_may(&last, size, here ? &root : NULL, now_s, time_s);
    return rc;
}

int hark_witness_stuck(struct hark_space *space, const struct hark_key *cosigner, bool *stuck,
                       struct hark_err *err)
{
    const struct hark_cosigned *last = NULL;
    bool here = false, fits = false;
    int rc = bring(space, err);

    if (rc == 0)
        last = hark_notes_find(space->witness->notes, "", cosigner);
    if (last != NULL)
        rc = hark_witness_fits(space, last, &here, &fits, err);
    *stuck = rc == 0 && here && !fits;
    return rc;
}

static struct hark_span text_of(struct hark_span note)
{
    size_t at = 0;

    while (at + 1 < note.size && !(note.data[at] == '\n' && note.data[at + 1] == '\n'))
        at++;
    return hark_span(note.data, at + 1);
}

static int sign(struct hark_space *space, const char *name, const struct hark_signer *signer,
                uint64_t time_s, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), line = hark_buf_init(HARK_NOTE_MAX);
    struct hark_note_key log, own;
    int rc = hark_space_checkpoint(space, &note, err);

    if (rc == 0)
        rc = hark_note_sign(&line, text_of(hark_buf_span(&note)), name, HARK_NOTE_COSIGNATURE_V1,
                            signer, time_s, err);
    if (rc == 0)
        rc = hark_buf_append_span(&note, hark_buf_span(&line), err);
    if (rc == 0)
        rc = hark_note_key_init(&log, space->head.origin, HARK_NOTE_ED25519, &space->head.log_key,
                                err);
    if (rc == 0)
        rc = hark_note_key_init(&own, name, HARK_NOTE_COSIGNATURE_V1, hark_signer_key(signer), err);
    if (rc == 0)
        rc = hark_notes_put(space->witness->notes, "", &log, &own, hark_buf_span(&note), err);
    hark_buf_free(&note);
    hark_buf_free(&line);
    return rc;
}

int hark_witness_cosign(struct hark_space *space, const struct hark_signer *signer, uint64_t now_s,
                        bool *done, struct hark_err *err)
{
    const struct hark_cosigner *self = NULL;
    uint64_t time_s = 0;
    bool may = false;
    int rc = bring(space, err);

    *done = false;
    if (rc < 0 || space->head.tree.size == 0)
        return rc;
    rc = follows_last(space, hark_signer_key(signer), now_s, &time_s, &may, err);
    if (rc == 0 && may)
        rc = find_wanted(space, hark_signer_key(signer), &self, err); /* Q2 */
    if (rc < 0 || self == NULL)
        return rc;
    rc = sign(space, self->name, signer, time_s, err);
    *done = rc == 0;
    return rc;
}

/* --- others' ---------------------------------------------------------------------------- */

/* Keeps what a cosigner who was ever named signed, if it is more than what is here. */
static int take_line(struct hark_space *space, const struct hark_note *note, struct hark_span bytes,
                     const struct hark_checkpoint *cp, const struct hark_note_key *log,
                     const struct hark_node_object *node, struct hark_err *err)
{
    const struct hark_cosigned *was =
        hark_notes_find(space->witness->notes, "", &node->keys.cosigner);
    struct hark_note_key key;
    int rc;

    if (was != NULL && was->checkpoint.size >= cp->size)
        return 0;
    rc = hark_note_key_init(&key, node->name, HARK_NOTE_COSIGNATURE_V1, &node->keys.cosigner, err);
    if (rc == 0)
        rc = hark_note_verify(note, &key, NULL, err);
    if (rc == HARK_E_NOTE_UNSIGNED)
        return 0;
    if (rc == HARK_E_NOTE_SIGNATURE)
        return hark_err_set(err, HARK_E_PEER_FORM, "a cosignature of %s does not hold", node->name);
    return rc == 0 ? hark_notes_put(space->witness->notes, "", log, &key, bytes, err) : rc;
}

static int take_lines(struct hark_space *space, const struct hark_note *note,
                      struct hark_span bytes, const struct hark_checkpoint *cp,
                      const struct hark_node_object *home, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_note_key log;
    int rc = hark_note_key_init(&log, cp->origin, HARK_NOTE_ED25519, &home->keys.log, err);

    if (rc == 0)
        rc = hark_state_counts(space->state, counts, err);
    for (uint32_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        rc = hark_state_node(space->state, i, &node, err);
        if (rc == 0)
            rc = take_line(space, note, bytes, cp, &log, &node, err);
    }
    return rc;
}

static int take_note(struct hark_space *space, struct hark_note *note, struct hark_span bytes,
                     struct hark_err *err)
{
    struct hark_checkpoint cp;
    struct hark_node_object home;
    bool lost = false;
    int rc = hark_note_parse(note, bytes, err);

    if (rc == 0)
        rc = hark_checkpoint_decode(&cp, note->text, NULL, err);
    if (rc == 0 && (!hark_space_is_origin(space, cp.origin) ||
                    strcmp(strrchr(cp.origin, '/'), "/intake") == 0))
        rc = hark_err_set(err, HARK_E_PEER_FORM, "a checkpoint of another log");
    if (rc < 0)
        return hark_err_exit(rc) == 3 ? hark_err_set(err, HARK_E_PEER_FORM, "no checkpoint of ours")
                                      : rc;
    rc = hark_space_log_signer(space, note, cp.origin, &home, err);
    if (rc == HARK_E_NO)
        return hark_err_set(err, HARK_E_BEHIND, "the key of %s is not known here", cp.origin);
    if (rc == 0)
        rc = check_history(space, &cp, bytes, &lost, err);
    return rc < 0 || lost ? rc : take_lines(space, note, bytes, &cp, &home, err);
}

int hark_witness_keep(struct hark_space *space, const struct hark_note_key *witness,
                      struct hark_span bytes, struct hark_err *err)
{
    struct hark_cosigned put = {.log = ""};
    const struct hark_cosigned *was = NULL;
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_note_key log;
    bool here = false, fits = false;
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : hark_note_parse(note, bytes, err);

    if (rc == 0)
        rc = hark_checkpoint_decode(&put.checkpoint, note->text, NULL, err);
    if (rc == 0)
        rc = bring(space, err);
    if (rc == 0 && strcmp(put.checkpoint.origin, space->head.origin) == 0)
        rc = hark_witness_fits(space, &put, &here, &fits, err);
    if (rc == 0)
        was = hark_notes_find(space->witness->notes, "", &witness->key);
    if (rc == 0 && fits && (was == NULL || was->checkpoint.size < put.checkpoint.size)) {
        rc = hark_note_key_init(&log, space->head.origin, HARK_NOTE_ED25519, &space->head.log_key,
                                err);
        if (rc == 0)
            rc = hark_notes_put(space->witness->notes, "", &log, witness, bytes, err);
    }
    free(note);
    return rc;
}

int hark_witness_take(struct hark_space *space, struct hark_span bytes, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : bring(space, err);

    if (rc == 0)
        rc = take_note(space, note, bytes, err);
    free(note);
    return rc;
}

/* --- showing ------------------------------------------------------------------------------ */

/* Another cosigner's note of the same checkpoint adds its last line. */
static struct hark_span last_line(struct hark_span note)
{
    size_t at = note.size - 1;

    while (at > 0 && note.data[at - 1] != '\n')
        at--;
    return hark_span(note.data + at, note.size - at);
}

static bool is_same_checkpoint(const struct hark_cosigned *a, const struct hark_cosigned *b)
{
    size_t size = a->note.size - last_line(hark_buf_span(&a->note)).size;

    return a->log[0] == '\0' && b->log[0] == '\0' &&
           b->note.size - last_line(hark_buf_span(&b->note)).size == size &&
           memcmp(a->note.data, b->note.data, size) == 0;
}

static size_t count_same(const struct hark_notes *notes, const struct hark_cosigned *as)
{
    size_t count = 0;

    for (size_t i = 0; i < hark_notes_count(notes); i++)
        count += is_same_checkpoint(hark_notes_at(notes, i), as) ? 1 : 0;
    return count;
}

static int put_together(const struct hark_notes *notes, const struct hark_cosigned *as,
                        struct hark_buf *out, struct hark_err *err)
{
    int rc = hark_buf_append_span(out, hark_buf_span(&as->note), err);

    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *other = hark_notes_at(notes, i);

        if (other != as && is_same_checkpoint(other, as))
            rc = hark_buf_append_span(out, last_line(hark_buf_span(&other->note)), err);
    }
    return rc;
}

int hark_witness_note(struct hark_space *space, uint64_t position, struct hark_buf *out,
                      uint64_t *size, struct hark_err *err)
{
    const struct hark_cosigned *best = NULL;
    const struct hark_notes *notes = NULL;
    size_t signers = 0;
    int rc = hark_witness_notes(space, &notes, err);

    *size = 0;
    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *cosigned = hark_notes_at(notes, i);
        size_t count = count_same(notes, cosigned);
        bool here = false, fits = false;

        if (cosigned->log[0] != '\0' || cosigned->checkpoint.size <= position || count < signers ||
            (count == signers && best != NULL &&
             cosigned->checkpoint.size <= best->checkpoint.size))
            continue;
        rc = hark_witness_fits(space, cosigned, &here, &fits, err);
        if (!fits)
            continue;
        best = cosigned;
        signers = count;
    }
    if (rc < 0 || best == NULL)
        return rc;
    *size = best->checkpoint.size;
    return put_together(notes, best, out, err);
}

int hark_witness_newest(struct hark_space *space, struct hark_buf *out, struct hark_err *err)
{
    const struct hark_cosigned *best = NULL;
    const struct hark_notes *notes = NULL;
    int rc = hark_witness_notes(space, &notes, err);

    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *cosigned = hark_notes_at(notes, i);
        bool here = false, fits = false;

        if (cosigned->log[0] != '\0' ||
            (best != NULL && cosigned->checkpoint.size <= best->checkpoint.size))
            continue;
        rc = hark_witness_fits(space, cosigned, &here, &fits, err);
        if (fits)
            best = cosigned;
    }
    if (rc == 0 && best != NULL)
        return put_together(notes, best, out, err);
    return rc == 0 ? hark_space_checkpoint(space, out, err) : rc;
}

int hark_witness_body(struct hark_space *space, struct hark_buf *out, size_t *count,
                      struct hark_err *err)
{
    struct hark_span notes[HARK_COSIGN_MAX];
    const struct hark_notes *kept;
    int rc = bring(space, err);

    *count = 0;
    if (rc < 0)
        return rc;
    kept = space->witness->notes;
    for (size_t i = 0; i < hark_notes_count(kept) && *count < HARK_COSIGN_MAX; i++)
        notes[(*count)++] = hark_buf_span(&hark_notes_at(kept, i)->note);
    return *count == 0 ? 0 : hark_cosign_encode(out, &space->id, notes, *count, err);
}
