/*
 * A home that does not take over what others have accepted. What it takes to convict it comes
 * bit by bit, and notes are replaced as they come: so of each intake in which something waits
 * too long the checkpoints are pinned that evidence needs (PROTOCOL.md 7.11), one after the
 * other. First the intake's; then, later by what has to pass, one of the main log for each
 * round. Then the home's next word about that intake is waited for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/convict_internal.h"
#include "node/witness_internal.h"

/* Before a part of the delay as small as this has passed nothing is pinned: a home that takes
 * over what comes costs nothing. */
#define PATIENCE 8u

struct watch {
    struct hark_space *space;
    const char *node;
    char path[HARK_PATH_MAX]; /* of the evidence */
    struct hark_intake intake;
    struct hark_key intake_key;
    uint64_t taken, delay_ms;
    size_t need; /* cosigners, at least */
    struct hark_pinned pinned;
    /* By what is pinned: how many entries of the intake, and who cosigned all of it, later
     * each time; when each of them did last, and the last of them. */
    uint64_t size;
    size_t count;
    struct hark_cosigner by[HARK_COSIGNERS_MAX];
    uint64_t times[HARK_COSIGNERS_MAX], last_s;
};

/* --- who has cosigned what is pinned ------------------------------------------------------- */

/* All nodes now named, but the home and whose intake it is: by ascending keys. */
static int list_cosigners(struct watch *w, struct hark_err *err)
{
    const uint32_t *numbers = NULL;
    size_t named = hark_state_named(w->space->state, &numbers);
    struct hark_node_object home, node;
    int rc = hark_space_home(w->space, &home, err);

    w->count = 0;
    for (size_t i = 0; rc == 0 && i < named; i++) {
        size_t at = w->count;

        rc = hark_state_node(w->space->state, numbers[i], &node, err);
        if (rc < 0 || strcmp(node.name, home.name) == 0 || strcmp(node.name, w->node) == 0)
            continue;
        while (at > 0 &&
               memcmp(w->by[at - 1].key.bytes, node.keys.cosigner.bytes, HARK_KEY_SIZE) > 0) {
            w->by[at] = w->by[at - 1];
            at--;
        }
        memcpy(w->by[at].name, node.name, sizeof(node.name));
        w->by[at].key = node.keys.cosigner;
        w->count++;
    }
    memset(w->times, 0, sizeof(w->times));
    return rc;
}

/* Only who has signed this, too, and later than what came before, is left. */
static int filter_cosigners(struct watch *w, const struct hark_note *note, struct hark_err *err)
{
    size_t left = 0;

    w->last_s = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct hark_note_key key;
        uint64_t time_s = 0;
        int rc =
            hark_note_key_init(&key, w->by[i].name, HARK_NOTE_COSIGNATURE_V1, &w->by[i].key, err);

        if (rc < 0)
            return rc;
        if (hark_note_verify(note, &key, &time_s, NULL) < 0 || time_s <= w->times[i])
            continue;
        w->by[left] = w->by[i];
        w->times[left++] = time_s;
        if (time_s > w->last_s)
            w->last_s = time_s;
    }
    w->count = left;
    return 0;
}

/* What the home says next, as note `at` or after all of them, counts when its clock is beyond
 * this. */
static uint64_t wait_until(const struct watch *w, size_t at)
{
    return 1000 * (w->last_s + HARK_WITHHELD_AHEAD_S) + (at > 1 ? w->delay_ms / 2 : 0);
}

/* Does the main log's checkpoint of so many entries, as note `at`, end with a batch made late
 * enough? */
static int ends_late(struct watch *w, size_t at, uint64_t size, bool *late, struct hark_err *err)
{
    struct hark_index_batch batch;
    int rc = hark_index_batch(w->space->index, size - 1, &batch, err);

    *late = rc == 0 && batch.first + batch.count == size && batch.time_ms > wait_until(w, at);
    return rc;
}

/* Is it of the log that it is for, as that is here, and late enough by the policy in force? */
static int check_pinned(struct watch *w, size_t at, const struct hark_checkpoint *cp, bool *good,
                        struct hark_err *err)
{
    const char *origin = at == 0 ? w->intake.head.origin : w->space->head.origin;
    struct hark_hash root;
    bool here = false;
    int rc = hark_witness_root(w->space, at == 0 ? w->node : "", cp->size, &here, &root, err);

    *good = rc == 0 && here && strcmp(cp->origin, origin) == 0 &&
            hark_hash_equal(&root, &cp->root) && cp->size > (at > 0 ? 0 : w->taken);
    return *good && at > 0 ? ends_late(w, at, cp->size, good, err) : rc;
}

/* What does not count any more is dropped, with what hangs on it: all of it where the home has
 * taken anything over since, for it may just be slow; what a home before this one signed; whom
 * the space has removed; what came too soon by a longer delay. */
static int look_through(struct watch *w, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : list_cosigners(w, err);

    if (w->pinned.taken != w->taken)
        hark_pinned_drop(&w->pinned, 0);
    for (size_t i = 0; rc == 0 && i < w->pinned.count; i++) {
        struct hark_span bytes = hark_buf_span(&w->pinned.notes[i]);
        struct hark_checkpoint cp;
        bool good = hark_note_parse(note, bytes, NULL) == 0 &&
                    hark_checkpoint_decode(&cp, note->text, NULL, NULL) == 0;

        if (good)
            rc = check_pinned(w, i, &cp, &good, err);
        if (rc == 0 && good)
            rc = filter_cosigners(w, note, err);
        if (rc < 0)
            break;
        if (i == 0 && good)
            w->size = cp.size;
        if (!good || w->count < w->need)
            hark_pinned_drop(&w->pinned, w->count < w->need ? 0 : i);
    }
    free(note);
    return rc;
}

/* --- pinning -------------------------------------------------------------------------------- */

static int try_note(struct watch *w, struct hark_span note, bool *more, struct hark_err *err)
{
    struct hark_pinned *pinned = &w->pinned;
    size_t before = pinned->count;
    int rc = hark_pinned_add(pinned, note, err);

    pinned->taken = w->taken;
    if (rc == 0)
        rc = look_through(w, err);
    *more = rc == 0 && pinned->count > before;
    return rc;
}

/* Pins what is here of what comes next. */
static int pin_next(struct watch *w, bool *more, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    bool first = w->pinned.count == 0, late = true;
    struct hark_pinned was = {.taken = w->taken};
    uint64_t size = 0;
    int rc =
        hark_witness_note(w->space, first ? w->node : "", first ? w->taken : 0, &note, &size, err);

    *more = false;
    if (rc == 0 && size > 0 && !first)
        rc = ends_late(w, w->pinned.count, size, &late, err);
    /* One that does not do must not take away what is pinned. */
    for (size_t i = 0; rc == 0 && size > 0 && late && i < w->pinned.count; i++)
        rc = hark_pinned_add(&was, hark_buf_span(&w->pinned.notes[i]), err);
    if (rc == 0 && size > 0 && late)
        rc = try_note(w, hark_buf_span(&note), more, err);
    if (rc == 0 && size > 0 && late && !*more) {
        hark_pinned_drop(&w->pinned, 0);
        w->pinned = was;
        was.count = 0;
        rc = look_through(w, err);
    }
    hark_pinned_drop(&was, 0);
    hark_buf_free(&note);
    return rc;
}

/* --- the home's word ------------------------------------------------------------------------ */

/* The number of the first batch made at that time or later. */
static int first_since(struct hark_space *space, uint64_t time_ms, uint64_t *number,
                       struct hark_err *err)
{
    uint64_t low = 0, high = space->batches;
    int rc = 0;

    while (rc == 0 && low < high) {
        struct hark_index_batch batch;
        uint64_t middle = low + (high - low) / 2;

        rc = hark_index_batch_nth(space->index, middle, &batch, err);
        if (rc == 0 && batch.time_ms < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *number = low;
    return rc;
}

static const struct hark_taken *taken_in(const struct hark_batch *batch, const char *origin)
{
    for (size_t i = 0; i < batch->taken_count; i++) {
        if (strcmp(batch->taken[i].origin, origin) == 0)
            return &batch->taken[i];
    }
    return NULL;
}

/* The batch that said last how much of the intake is taken: its commit, appended to `out`;
 * nothing where none has said so late enough. */
static int find_word(struct watch *w, struct hark_buf *out, struct hark_taken *taken,
                     struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_index_batch row = {.time_ms = 0};
    uint64_t said_ms = 0, number = 0;
    bool found = false;
    int rc = batch == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch")
                           : hark_space_said(&w->space->store, w->node, &said_ms, err);

    if (rc == 0 && said_ms > wait_until(w, w->pinned.count))
        rc = first_since(w->space, said_ms, &number, err);
    else
        number = w->space->batches;
    for (; rc == 0 && !found && number < w->space->batches; number++) {
        const struct hark_taken *said = NULL;

        rc = hark_index_batch_nth(w->space->index, number, &row, err);
        if (rc < 0 || row.time_ms != said_ms)
            break;
        hark_buf_clear(out);
        rc = hark_repo_read(w->space->repo, HARK_GIT_COMMIT, &row.git_id, out, err);
        if (rc == 0)
            rc = hark_batch_parse(batch, NULL, NULL, hark_buf_span(out), NULL, err);
        if (rc == 0)
            said = taken_in(batch, w->intake.head.origin);
        found = said != NULL;
        if (found)
            *taken = *said;
    }
    if (!found)
        hark_buf_clear(out);
    free(batch);
    return rc;
}

/* What moves the home, and all after it, is not the old home's to log (7.2). */
static int moves_home(struct watch *w, bool *moves, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    int rc = 0;

    *moves = false;
    for (uint64_t at = w->taken; rc == 0 && !*moves && at < w->size; at++) {
        struct hark_intake_row row;
        struct hark_entry entry;

        hark_buf_clear(&bytes);
        rc = hark_index_intake_row(w->space->index, w->intake.number, at, &row, err);
        if (rc == 0)
            rc = hark_repo_read(w->space->repo, HARK_GIT_COMMIT, &row.git_id, &bytes, err);
        if (rc == 0)
            rc = hark_entry_parse(&entry, hark_buf_span(&bytes), err);
        *moves = rc == 0 && strcmp(entry.kind, "home") == 0;
    }
    hark_buf_free(&bytes);
    return rc;
}

/* The batch with which a pinned checkpoint of the main log ends. */
static int read_batch_of(struct watch *w, size_t at, struct hark_buf *out, struct hark_err *err)
{
    struct hark_checkpoint cp;
    struct hark_index_batch batch;
    int rc = hark_checkpoint_read(&cp, hark_buf_span(&w->pinned.notes[at]), err);

    if (rc == 0)
        rc = hark_index_batch(w->space->index, cp.size - 1, &batch, err);
    return rc == 0 ? hark_repo_read(w->space->repo, HARK_GIT_COMMIT, &batch.git_id, out, err) : rc;
}

static int write_evidence(struct watch *w, struct hark_span word, const struct hark_taken *taken,
                          struct hark_err *err)
{
    struct hark_material *m = hark_material_new();
    struct hark_buf batches[HARK_WITHHELD_ROUNDS];
    int rc = m == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence")
                       : hark_material_first(w->space, m, err);

    for (size_t i = 0; i < HARK_WITHHELD_ROUNDS; i++) {
        batches[i] = hark_buf_init(HARK_BATCH_COMMIT_MAX);
        if (rc < 0)
            continue;
        rc = read_batch_of(w, 1 + i, &batches[i], err);
        m->parts.parts[1 + 2 * i] = hark_buf_span(&batches[i]);
        m->parts.parts[2 + 2 * i] = hark_buf_span(&w->pinned.notes[1 + i]);
    }
    if (rc == 0 && taken->size > 0)
        rc = hark_space_prove_intake(w->space, w->node, taken->size, w->size, &m->parts.path, err);
    if (rc == 0) {
        m->parts.kind = HARK_EVIDENCE_WITHHELD;
        m->parts.key = w->space->head.log_key;
        m->parts.intake_key = w->intake_key;
        m->parts.delay_s = w->delay_ms / 1000;
        m->parts.cosigner_count = w->count;
        memcpy(m->parts.cosigners, w->by, sizeof(w->by));
        m->parts.parts[0] = hark_buf_span(&w->pinned.notes[0]);
        m->parts.parts[HARK_EVIDENCE_PARTS_MAX - 1] = word;
        rc = hark_material_write(w->space, m, w->path, err);
    }
    for (size_t i = 0; i < HARK_WITHHELD_ROUNDS; i++)
        hark_buf_free(&batches[i]);
    hark_material_free(m);
    return rc;
}

static int convict(struct watch *w, struct hark_err *err)
{
    struct hark_buf word = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_taken taken = {.size = 0};
    bool moves = false;
    int rc = find_word(w, &word, &taken, err);

    if (rc == 0 && word.size > 0)
        rc = moves_home(w, &moves, err);
    if (rc == 0 && word.size > 0 && !moves)
        rc = write_evidence(w, hark_buf_span(&word), &taken, err);
    hark_buf_free(&word);
    /* It proves nothing together, or is too long for a file. */
    return rc == HARK_E_EVIDENCE || rc == HARK_E_LIMIT ? 0 : rc;
}

/* --- each intake ----------------------------------------------------------------------------- */

/* Of one intake its own node cannot be among them. */
int hark_convict_withheld_need(struct hark_space *space, const char *node, size_t *need,
                               struct hark_err *err)
{
    const struct hark_quorum *quorum = NULL;
    size_t others = 0;
    int rc = hark_witness_quorum(space, &quorum, err);

    *need = 1;
    if (rc < 0 || quorum == NULL)
        return rc;
    for (size_t i = 0; i < quorum->count; i++)
        others += strcmp(quorum->cosigners[i].name, node) != 0;
    if (quorum->needed > 1 && others > 1)
        *need = quorum->needed < others ? quorum->needed : others;
    return 0;
}

/* Has something waited in it for long enough to be looked at? */
static int waits(struct watch *w, uint64_t now_ms, bool *is, struct hark_err *err)
{
    struct hark_intake_row row;
    int rc = 0;

    *is = false;
    if (w->taken >= w->intake.head.tree.size)
        return 0;
    rc = hark_index_intake_row(w->space->index, w->intake.number, w->taken, &row, err);
    *is = rc == 0 && now_ms > row.accepted_ms && now_ms - row.accepted_ms > w->delay_ms / PATIENCE;
    return rc;
}

/* Watched, where it is a node's now named and there is no evidence yet. */
static int begin(struct watch *w, bool *is, struct hark_err *err)
{
    struct hark_node_object node;
    struct hark_hash name;
    bool found = false;
    int rc = hark_space_find_intake(w->space, w->node, &found, &w->intake, err);

    *is = false;
    if (rc == 0 && found)
        rc = hark_witness_intake_node(w->space, w->node, &node, is, err);
    if (rc < 0 || !*is)
        return rc;
    w->intake_key = node.keys.log;
    name =
        hark_convict_name(HARK_EVIDENCE_WITHHELD, &w->space->head.log_key, w->intake.head.origin);
    rc = hark_convict_path(w->space, &name, HARK_CONVICT_EVIDENCE, w->path, err);
    *is = rc == 0 && !hark_convict_has(w->path);
    if (rc == 0 && *is)
        rc = hark_space_taken(w->space, w->node, &w->taken, err);
    return rc;
}

static int watch_one(struct watch *w, uint64_t now_ms, struct hark_err *err)
{
    bool is = false, more = true, changed = false;
    size_t before;
    int rc = begin(w, &is, err);

    if (rc == 0 && is)
        rc = waits(w, now_ms, &is, err);
    if (rc == 0 && is)
        rc = hark_convict_withheld_need(w->space, w->node, &w->need, err);
    if (rc < 0 || !is)
        return rc;
    rc = hark_pinned_read(w->space, w->node, &w->pinned, err);
    before = w->pinned.count;
    if (rc == 0)
        rc = look_through(w, err);
    changed = w->pinned.count != before;
    while (rc == 0 && more && w->pinned.count < HARK_PINNED_NOTES) {
        rc = pin_next(w, &more, err);
        changed = changed || more;
    }
    if (rc == 0 && changed)
        rc = hark_pinned_write(w->space, w->node, &w->pinned, err);
    if (rc == 0 && w->pinned.count == HARK_PINNED_NOTES)
        rc = convict(w, err);
    hark_pinned_drop(&w->pinned, 0);
    return rc;
}

int hark_convict_withheld(struct hark_space *space, uint64_t now_ms, struct hark_err *err)
{
    hark_node_name *names = NULL;
    struct watch *w = NULL;
    size_t count = 0;
    uint64_t delay_ms = 0;
    int rc = hark_witness_bring(space, err);

    if (rc < 0 || !space->head.has_batch ||
        (space->witness->watched_batches == space->batches &&
         space->witness->watched_version == hark_notes_version(space->witness->notes)))
        return rc;
    rc = hark_space_merge_delay(space, &delay_ms, err);
    if (rc == 0)
        rc = hark_space_intakes(space, &names, &count, err);
    w = rc == 0 && count > 0 ? calloc(1, sizeof(*w)) : NULL;
    if (rc == 0 && count > 0 && w == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        memset(w, 0, sizeof(*w));
        w->space = space;
        w->node = names[i];
        w->delay_ms = delay_ms;
        rc = watch_one(w, now_ms, err);
    }
    if (rc == 0) {
        space->witness->watched_batches = space->batches;
        space->witness->watched_version = hark_notes_version(space->witness->notes);
    }
    free(w);
    free(names);
    return rc;
}
