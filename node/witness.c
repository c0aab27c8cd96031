/*
 * What is kept of a space beside it: the notes; the quorums, brought up to the log's end
 * whenever they are asked for; and how much was settled when last looked.
 */
#include "node/witness_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/files.h"

void hark_witness_free(struct hark_space *space)
{
    free(space->saw);
    space->saw = NULL;
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

static int compare_positions(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Each kind by itself goes by the index of kinds; several at once would read the log. */
static int list_changes(struct hark_space *space, struct changes *changes, struct hark_err *err)
{
    const struct space_witness *w = space->witness;
    struct hark_log_query query = {.after = w->looked == 0 ? HARK_NONE : w->looked - 1,
                                   .below = space->head.tree.size,
                                   .re = HARK_NONE};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < HARK_QUORUM_KINDS; i++) {
        query.kind = hark_quorum_kinds[i];
        rc = hark_index_log(space->index, &query, note_change, changes, err);
    }
    if (changes->count > 1)
        qsort(changes->positions, changes->count, sizeof(*changes->positions), compare_positions);
    return rc;
}

/* Is there nothing new of what the quorums hang on? A writer knows without looking. */
static bool is_as_before(const struct hark_space *space)
{
    const struct hark_space_object *now = hark_state_space_object(space->state);
    const struct space_witness *w = space->witness;

    return w->known && !space->read_only && w->rights == space->rights &&
           w->policy == now->policy && w->incarnation == now->incarnation;
}

static void note_looked(struct hark_space *space)
{
    const struct hark_space_object *now = hark_state_space_object(space->state);
    struct space_witness *w = space->witness;

    w->looked = space->head.tree.size;
    /* While a batch is being made or taken, the state is ahead of the log. */
    w->known = hark_state_size(space->state) == w->looked;
    w->rights = space->rights;
    w->policy = now->policy;
    w->incarnation = now->incarnation;
}

static int bring_quorums(struct hark_space *space, struct hark_err *err)
{
    struct space_witness *w = space->witness;
    struct changes changes = {.count = 0};
    uint64_t size = space->head.tree.size;
    int rc;

    if (w->looked == size)
        return 0;
    if (is_as_before(space)) {
        w->looked = size;
        return 0;
    }
    rc = list_changes(space, &changes, err);
    for (size_t i = 0; rc == 0 && i < changes.count; i++)
        rc = add_change(space, changes.positions[i], err);
    free(changes.positions);
    if (rc == 0) {
        note_looked(space);
    } else { /* from the start the next time */
        hark_quorums_free(&w->quorums);
        w->looked = 0;
        w->known = false;
    }
    return rc;
}

/* --- what was settled before the log went back ------------------------------------------ */

static int settled_path(struct hark_space *space, char path[HARK_PATH_MAX], struct hark_err *err)
{
    return hark_path_join(path, space->cosign_path, "settled", err);
}

static int read_kept(struct hark_space *space, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = settled_path(space, path, err);

    if (rc == 0)
        rc = hark_extent_read(&space->witness->kept, path, err);
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

/* What is known to be settled before any note is looked at. */
static int settled_before(struct hark_space *space, uint64_t *before, struct hark_err *err)
{
    const struct space_witness *w = space->witness;
    bool has = false;
    int rc = w->kept.size > w->settled ? hark_space_has(space, "", &w->kept, &has, err) : 0;

    *before = rc == 0 && has ? w->kept.size : w->settled;
    return rc;
}

int hark_witness_keep_settled(struct hark_space *space, struct hark_err *err)
{
    struct hark_extent settled;
    char path[HARK_PATH_MAX];
    int rc = hark_witness_settled(space, &settled.size, err);

    if (rc < 0 || settled.size == 0)
        return rc;
    rc = hark_space_root(space, "", settled.size, &settled.root, err);
    if (rc == 0)
        rc = settled_path(space, path, err);
    return rc == 0 ? hark_extent_write(path, &settled, err) : rc;
}

static int open_notes(struct hark_space *space, struct hark_err *err)
{
    struct space_witness *w = space->witness;
    struct hark_err why = {0};
    int rc = read_kept(space, &why);

    if (rc == 0)
        rc = hark_notes_open(&w->notes, space->cosign_path, &why);
    if (rc == HARK_E_DAMAGED) {
        w->damage = why;
        return hark_notes_open(&w->notes, "", err);
    }
    if (rc < 0 && err != NULL)
        *err = why;
    return rc;
}

const char *hark_witness_damaged(const struct hark_space *space)
{
    return space->witness != NULL && space->witness->damage.code != 0
               ? space->witness->damage.message
               : NULL;
}

int hark_witness_bring_notes(struct hark_space *space, struct hark_err *err)
{
    if (space->witness == NULL) {
        space->witness = calloc(1, sizeof(*space->witness));
        if (space->witness == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for cosignatures");
    }
    return space->witness->notes == NULL ? open_notes(space, err) : 0;
}

/* Everything there, as of the log's end. */
int hark_witness_bring(struct hark_space *space, struct hark_err *err)
{
    int rc = hark_witness_bring_notes(space, err);

    return rc == 0 ? bring_quorums(space, err) : rc;
}

/* --- what is settled ------------------------------------------------------------------ */

/* An intake's tree is made of its entries, and of honest checkpoints each is of the end of one
 * of its batches, which the index knows. */
static int intake_root(struct hark_space *space, const char *node, uint64_t size, bool *here,
                       struct hark_hash *root, struct hark_err *err)
{
    struct hark_intake_batch end;
    struct hark_intake intake;
    bool found = false;
    int rc = hark_space_find_intake(space, node, &found, &intake, err);

    *here = rc == 0 && found && size <= intake.head.tree.size;
    if (rc < 0 || !*here)
        return rc;
    rc = size == 0 ? HARK_E_NOT_FOUND
                   : hark_index_intake_end(space->index, intake.number, size, &end, NULL);
    if (rc == 0) {
        *root = end.root;
        return 0;
    }
    return hark_space_root(space, node, size, root, err);
}

int hark_witness_root(struct hark_space *space, const char *log, uint64_t size, bool *here,
                      struct hark_hash *root, struct hark_err *err)
{
    if (log[0] != '\0')
        return intake_root(space, log, size, here, root, err);
    *here = size <= space->head.tree.size;
    return *here ? hark_space_root(space, "", size, root, err) : 0;
}

int hark_witness_fits(struct hark_space *space, const struct hark_cosigned *cosigned, bool *here,
                      bool *fits, struct hark_err *err)
{
    struct hark_hash root;
    int rc = hark_witness_root(space, cosigned->log, cosigned->checkpoint.size, here, &root, err);

    *fits = rc == 0 && *here && hark_hash_equal(&root, &cosigned->checkpoint.root);
    return rc;
}

int hark_witness_cosigned(struct hark_space *space, const char *log,
                          const struct hark_key *cosigner, const struct hark_cosigned **out,
                          struct hark_err *err)
{
    const struct hark_notes *notes = NULL;
    int rc = hark_witness_notes(space, &notes, err);

    *out = NULL;
    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *cosigned = hark_notes_at(notes, i);
        bool here = false, fits = false;

        if (strcmp(cosigned->log, log) != 0 || !hark_key_equal(&cosigned->cosigner.key, cosigner))
            continue;
        rc = hark_witness_fits(space, cosigned, &here, &fits, err);
        if (fits && (*out == NULL || hark_cosigned_is_later(cosigned, *out)))
            *out = cosigned;
    }
    return rc;
}

/* Is its history the log's here? What an incarnation signed beyond its end is nobody's. */
int hark_witness_check_history(struct hark_space *space, const struct hark_checkpoint *cp,
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
    if (hark_space_is_later(space, cp->origin))
        return hark_err_set(err, HARK_E_BEHIND, "%s went on from before the end of the log here",
                            cp->origin);
    rc = hark_convict_log(space, note, err);
    return rc < 0
               ? rc
               : hark_err_set(err, HARK_E_PEER_FORK,
                              "%s signed another history of %" PRIu64 " entries than the one here",
                              cp->origin, cp->size);
}

/* Each cosigner once, by the larger of its two notes. */
static void count_size(const struct hark_cosigned *cosigned, struct hark_cosigned_size *sizes,
                       size_t *count)
{
    size_t at = 0;

    while (at < *count && !hark_key_equal(&sizes[at].key, &cosigned->cosigner.key))
        at++;
    if (at == *count) {
        sizes[at] = (struct hark_cosigned_size){.key = cosigned->cosigner.key};
        (*count)++;
    }
    if (cosigned->checkpoint.size > sizes[at].size)
        sizes[at].size = cosigned->checkpoint.size;
}

static int count_note(struct hark_space *space, const struct hark_cosigned *cosigned,
                      struct hark_cosigned_size *sizes, size_t *count, struct hark_err *err)
{
    bool here = false, fits = false, lost = false;
    int rc = cosigned->log[0] == '\0' ? hark_witness_fits(space, cosigned, &here, &fits, err) : 0;

    if (fits)
        count_size(cosigned, sizes, count);
    if (rc < 0 || fits || !here || space->read_only)
        return rc;
    /* It came before the log did, and is now seen to be of another one. */
    rc = hark_witness_check_history(space, &cosigned->checkpoint, hark_buf_span(&cosigned->note),
                                    &lost, err);
    return rc == HARK_E_PEER_FORK || rc == HARK_E_BEHIND ? 0 : rc;
}

static int find_settled(struct hark_space *space, struct hark_err *err)
{
    struct space_witness *w = space->witness;
    size_t count = hark_notes_count(w->notes), used = 0;
    struct hark_cosigned_size *sizes;
    uint64_t before = 0;
    int rc;

    if (w->settled_size == space->head.tree.size &&
        w->settled_version == hark_notes_version(w->notes))
        return 0;
    sizes = calloc(count + 1, sizeof(*sizes));
    if (sizes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for cosignatures");
    rc = settled_before(space, &before, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = count_note(space, hark_notes_at(w->notes, i), sizes, &used, err);
    if (rc == 0) {
        w->settled = hark_quorums_settled(&w->quorums, before, space->head.tree.size, sizes, used);
        w->settled_size = space->head.tree.size;
        w->settled_version = hark_notes_version(w->notes);
    }
    free(sizes);
    return rc;
}

int hark_witness_settled(struct hark_space *space, uint64_t *size, struct hark_err *err)
{
    int rc = hark_witness_bring(space, err);

    if (rc == 0)
        rc = find_settled(space, err);
    *size = rc == 0 ? space->witness->settled : 0;
    return rc;
}

/* How many of a quorum's cosigners have signed as many entries or more? */
static size_t count_ahead(const struct hark_notes *notes, const struct hark_quorum *quorum,
                          uint64_t size)
{
    size_t signers = 0;

    for (size_t i = 0; i < quorum->count; i++) {
        const struct hark_cosigned *one = hark_notes_find(notes, "", &quorum->cosigners[i].key);

        signers += one != NULL && one->checkpoint.size >= size ? 1 : 0;
    }
    return signers;
}

int hark_witness_ahead(struct hark_space *space, uint64_t *size, struct hark_err *err)
{
    const struct hark_quorum *quorum = NULL;
    const struct hark_notes *notes = NULL;
    int rc = hark_witness_quorum(space, &quorum, err);

    *size = 0;
    if (rc == 0)
        rc = hark_witness_notes(space, &notes, err);
    if (rc < 0 || quorum == NULL || !hark_quorum_settles(quorum))
        return rc;
    for (size_t i = 0; i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *cosigned = hark_notes_at(notes, i);
        uint64_t signed_size = cosigned->log[0] == '\0' ? cosigned->checkpoint.size : 0;

        if (signed_size > space->head.tree.size && signed_size > *size &&
            count_ahead(notes, quorum, signed_size) >= quorum->needed)
            *size = signed_size;
    }
    return 0;
}

int hark_witness_quorum(struct hark_space *space, const struct hark_quorum **out,
                        struct hark_err *err)
{
    int rc = hark_witness_bring(space, err);

    *out = rc == 0 ? hark_quorums_at(&space->witness->quorums, space->head.tree.size) : NULL;
    return rc;
}

int hark_witness_notes(struct hark_space *space, const struct hark_notes **out,
                       struct hark_err *err)
{
    int rc = hark_witness_bring(space, err);

    *out = rc == 0 ? space->witness->notes : NULL;
    return rc;
}

int hark_witness_find_wanted(struct hark_space *space, const struct hark_key *key,
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
    int rc = hark_witness_find_wanted(space, key, &found, err);

    *wanted = found != NULL;
    return rc;
}
