/*
 * See witness.h. What is kept of a space beside it: the notes; the quorums, brought up to
 * the log's end whenever they are asked for; and how much was settled when last looked.
 */
#include "node/witness.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/files.h"
#include "node/space_internal.h"
#include "replication/messages.h"

struct space_witness {
    struct hark_notes *notes;
    struct hark_err damage; /* code 0: none */
    struct hark_quorums quorums;
    uint64_t looked; /* entries that the quorums are as of */
    bool known;      /* what follows is as it was then */
    uint64_t rights, policy;
    uint32_t incarnation;
    uint64_t settled;
    uint64_t settled_size, settled_version; /* of log and notes, when it was found */
    uint64_t kept_size;                     /* settled, as it was written down; 0: it was not */
    struct hark_hash kept_root;
    uint64_t published_version;
};

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

#define SETTLED_FILE "settled"
#define SETTLED_MAX  128u

static int read_kept(struct hark_space *space, struct hark_err *err)
{
    struct space_witness *w = space->witness;
    struct hark_buf bytes = hark_buf_init(SETTLED_MAX);
    struct hark_span in, size = {0}, root = {0};
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, space->cosign_path, SETTLED_FILE, err);

    if (rc == 0)
        rc = hark_file_read(path, &bytes, err);
    in = hark_buf_span(&bytes);
    if (rc == 0 && (!hark_take_line(&in, &size) || !hark_take_line(&in, &root) || in.size != 0 ||
                    hark_decimal_decode(&w->kept_size, size, HARK_NUMBER_MAX, NULL) < 0 ||
                    hark_hash_from_hex(&w->kept_root, root, NULL) < 0))
        rc = hark_err_set(err, HARK_E_DAMAGED, "%s does not say what was settled", path);
    hark_buf_free(&bytes);
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

/* What is known to be settled before any note is looked at. */
static int settled_before(struct hark_space *space, uint64_t *before, struct hark_err *err)
{
    const struct space_witness *w = space->witness;
    struct hark_hash root;
    int rc = 0;

    *before = w->settled;
    if (w->kept_size <= w->settled || w->kept_size > space->head.tree.size)
        return 0;
    rc = hark_space_root(space, "", w->kept_size, &root, err);
    if (rc == 0 && hark_hash_equal(&root, &w->kept_root))
        *before = w->kept_size;
    return rc;
}

int hark_witness_keep_settled(struct hark_space *space, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(SETTLED_MAX);
    char path[HARK_PATH_MAX], hex[2 * HARK_HASH_SIZE + 1];
    struct hark_hash root;
    uint64_t size = 0;
    int rc = hark_witness_settled(space, &size, err);

    if (rc < 0 || size == 0)
        return rc;
    rc = hark_space_root(space, "", size, &root, err);
    hark_hash_hex(hex, &root);
    if (rc == 0)
        rc = hark_buf_printf(&text, err, "%" PRIu64 "\n%s\n", size, hex);
    if (rc == 0)
        rc = hark_path_join(path, space->cosign_path, SETTLED_FILE, err);
    if (rc == 0)
        rc = hark_file_write(path, hark_buf_span(&text), 0600, err);
    hark_buf_free(&text);
    return rc;
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
        rc = open_notes(space, err);
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

int hark_witness_cosigned(struct hark_space *space, const struct hark_key *cosigner,
                          const struct hark_cosigned **out, struct hark_err *err)
{
    const struct hark_notes *notes = NULL;
    int rc = hark_witness_notes(space, &notes, err);

    *out = NULL;
    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *cosigned = hark_notes_at(notes, i);
        bool here = false, fits = false;

        if (cosigned->log[0] != '\0' || !hark_key_equal(&cosigned->cosigner.key, cosigner))
            continue;
        rc = hark_witness_fits(space, cosigned, &here, &fits, err);
        if (fits && (*out == NULL || cosigned->checkpoint.size > (*out)->checkpoint.size))
            *out = cosigned;
    }
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
    rc = check_history(space, &cosigned->checkpoint, hark_buf_span(&cosigned->note), &lost, err);
    return rc == HARK_E_PEER_FORK ? 0 : rc;
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
    int rc = bring(space, err);

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
        uint64_t signed_size = hark_notes_at(notes, i)->checkpoint.size;

        if (signed_size > space->head.tree.size && signed_size > *size &&
            count_ahead(notes, quorum, signed_size) >= quorum->needed)
            *size = signed_size;
    }
    return 0;
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

/* Q3 and Q4: *time_s is what to sign; *may false: nothing. cosigned: the last; NULL: there is none.
 */
static int follows(struct hark_space *space, const struct hark_cosigned *cosigned, uint64_t now_s,
                   uint64_t *time_s, bool *may, struct hark_err *err)
{
    uint64_t size = space->head.tree.size;
    struct hark_cosigned_last last;
    struct hark_hash root;
    int rc;

    *may = cosigned == NULL && hark_cosigner_may(NULL, size, NULL, now_s, time_s);
    /* Of each space this is asked whenever anything happens: most have nothing new. */
    if (cosigned == NULL || cosigned->checkpoint.size >= size)
        return 0;
    last = (struct hark_cosigned_last){.size = cosigned->checkpoint.size,
                                       .time_s = cosigned->time_s,
                                       .root = cosigned->checkpoint.root};
    rc = hark_space_root(space, "", last.size, &root, err);
    *may = rc == 0 && hark_cosigner_may(&last, size, &root, now_s, time_s);
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

/* Appends this node's line to the log's note. */
static int add_line(struct hark_buf *note, const char *name, const struct hark_signer *signer,
                    uint64_t time_s, struct hark_err *err)
{
    struct hark_note *parsed = calloc(1, sizeof(*parsed));
    struct hark_buf line = hark_buf_init(HARK_NOTE_MAX);
    int rc = parsed == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                            : hark_note_parse(parsed, hark_buf_span(note), err);

    if (rc == 0)
        rc = hark_note_sign(&line, parsed->text, name, HARK_NOTE_COSIGNATURE_V1, signer, time_s,
                            err);
    free(parsed);
    if (rc == 0)
        rc = hark_buf_append_span(note, hark_buf_span(&line), err);
    hark_buf_free(&line);
    return rc;
}

static int sign(struct hark_space *space, const char *name, const struct hark_signer *signer,
                uint64_t time_s, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_note_key log, own;
    int rc = hark_space_checkpoint(space, &note, err);

    if (rc == 0)
        rc = add_line(&note, name, signer, time_s, err);
    if (rc == 0)
        rc = hark_note_key_init(&log, space->head.origin, HARK_NOTE_ED25519, &space->head.log_key,
                                err);
    if (rc == 0)
        rc = hark_note_key_init(&own, name, HARK_NOTE_COSIGNATURE_V1, hark_signer_key(signer), err);
    if (rc == 0)
        rc = hark_notes_put(space->witness->notes, "", &log, &own, hark_buf_span(&note), NULL, err);
    hark_buf_free(&note);
    return rc;
}

int hark_witness_cosign(struct hark_space *space, const struct hark_signer *signer, uint64_t now_s,
                        bool *done, struct hark_err *err)
{
    const struct hark_key *key = hark_signer_key(signer);
    const struct hark_cosigner *self = NULL;
    uint64_t time_s = 0;
    bool may = false;
    int rc = bring(space, err);

    *done = false;
    if (rc < 0 || space->head.tree.size == 0 || space->witness->damage.code != 0)
        return rc;
    rc = follows(space, hark_notes_find(space->witness->notes, "", key), now_s, &time_s, &may, err);
    if (rc == 0 && may)
        rc = find_wanted(space, key, &self, err); /* Q2 */
    if (rc < 0 || self == NULL)
        return rc;
    rc = sign(space, self->name, signer, time_s, err);
    *done = rc == 0;
    return rc;
}

/* --- others' ---------------------------------------------------------------------------- */

/* A note that somebody shows, of a log that one of its home's keys signed. */
struct shown {
    struct hark_span bytes;
    const struct hark_note *note;
    const struct hark_checkpoint *checkpoint;
    struct hark_note_key log;
    bool forks; /* from the log here: nothing of it is taken */
};

/* Does it go together with what is here of that cosigner? */
static int check_cosigner(struct hark_space *space, const struct shown *shown, uint64_t time_s,
                          const struct hark_node_object *node, const struct hark_cosigned *was,
                          struct hark_err *err)
{
    const struct hark_convict_note a = {.note = hark_buf_span(&was->note),
                                        .checkpoint = &was->checkpoint,
                                        .time_s = was->time_s},
                                   b = {.note = shown->bytes,
                                        .checkpoint = shown->checkpoint,
                                        .time_s = time_s};
    int rc = hark_convict_cosigner(space, node->name, &node->keys.cosigner, &a, &b, err);

    return rc == HARK_E_EVIDENCE ? 0 : rc;
}

/* Keeps what a cosigner who was ever named signed, if it is more than what is here. Where the
 * log here does not have that yet, and may never, what it signed of this one stays. */
static int take_line(struct hark_space *space, const struct shown *shown,
                     const struct hark_node_object *node, struct hark_err *err)
{
    const struct hark_cosigned *was =
        hark_notes_find(space->witness->notes, "", &node->keys.cosigner);
    const struct hark_checkpoint *cp = shown->checkpoint;
    const struct hark_cosigned *keep = NULL;
    struct hark_note_key key;
    uint64_t time_s = 0;
    int rc;

    if (was != NULL && was->checkpoint.size == cp->size &&
        hark_hash_equal(&was->checkpoint.root, &cp->root))
        return 0;
    rc = hark_note_key_init(&key, node->name, HARK_NOTE_COSIGNATURE_V1, &node->keys.cosigner, err);
    if (rc == 0)
        rc = hark_note_verify(shown->note, &key, &time_s, err);
    if (rc == HARK_E_NOTE_UNSIGNED)
        return 0;
    if (rc == HARK_E_NOTE_SIGNATURE)
        return hark_err_set(err, HARK_E_PEER_FORM, "a cosignature of %s does not hold", node->name);
    if (rc == 0 && was != NULL)
        rc = check_cosigner(space, shown, time_s, node, was, err);
    if (rc < 0 || shown->forks || (was != NULL && was->checkpoint.size >= cp->size))
        return rc;
    if (cp->size > space->head.tree.size)
        rc = hark_witness_cosigned(space, &node->keys.cosigner, &keep, err);
    return rc == 0 ? hark_notes_put(space->witness->notes, "", &shown->log, &key, shown->bytes,
                                    keep, err)
                   : rc;
}

static int take_lines(struct hark_space *space, const struct shown *shown, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(space->state, counts, err);

    for (uint32_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        rc = hark_state_node(space->state, i, &node, err);
        if (rc == 0)
            rc = take_line(space, shown, &node, err);
    }
    return rc;
}

/* Is what is kept of who made this line, by name and key id, of as many entries or more? */
static bool covers(const struct hark_cosigned *kept, const struct hark_note_line *line,
                   uint64_t size)
{
    struct hark_note_key key;

    /* One who signed less later is looked at. */
    if (line->signature_size != HARK_SIGNATURE_SIZE + 8 ||
        (kept->checkpoint.size > size && hark_get_u64(line->signature) > kept->time_s))
        return false;
    return kept->log[0] == '\0' && kept->checkpoint.size >= size &&
           hark_span_equal(line->name, hark_span_str(kept->cosigner.name)) &&
           hark_note_key_init(&key, kept->cosigner.name, HARK_NOTE_COSIGNATURE_V1,
                              &kept->cosigner.key, NULL) == 0 &&
           key.id == line->id;
}

/* Does nobody who cosigned it, of those whose signatures are kept, say more by it than what
 * is here? Then nothing of it has to be verified. */
static int is_old(struct hark_space *space, const struct hark_note *note,
                  const struct hark_checkpoint *cp, bool *old, struct hark_err *err)
{
    const struct hark_notes *kept = space->witness->notes;
    struct hark_hash root;
    int rc = 0;

    *old = false;
    if (cp->size > space->head.tree.size)
        return 0;
    rc = hark_space_root(space, "", cp->size, &root, err);
    if (rc < 0 || !hark_hash_equal(&root, &cp->root))
        return rc;
    *old = true;
    for (size_t i = 0; *old && i < note->count; i++) {
        *old = hark_span_equal(note->lines[i].name, hark_span_str(cp->origin));
        for (size_t j = 0; !*old && j < hark_notes_count(kept); j++)
            *old = covers(hark_notes_at(kept, j), &note->lines[i], cp->size);
    }
    return 0;
}

static int take_note(struct hark_space *space, struct hark_note *note, struct hark_span bytes,
                     struct hark_err *err)
{
    struct hark_checkpoint cp = {.size = 0};
    struct hark_node_object home;
    struct shown shown = {.bytes = bytes, .note = note, .checkpoint = &cp};
    struct hark_err fork = {0};
    bool lost = false, old = false;
    int rc = hark_note_parse(note, bytes, err);

    if (rc == 0)
        rc = hark_checkpoint_decode(&cp, note->text, NULL, err);
    if (rc == 0 && (!hark_space_is_origin(space, cp.origin) ||
                    strcmp(strrchr(cp.origin, '/'), "/intake") == 0))
        rc = hark_err_set(err, HARK_E_PEER_FORM, "a checkpoint of another log");
    if (rc < 0)
        return hark_err_exit(rc) == 3 ? hark_err_set(err, HARK_E_PEER_FORM, "no checkpoint of ours")
                                      : rc;
    rc = is_old(space, note, &cp, &old, err);
    if (rc < 0 || old)
        return rc;
    rc = hark_log_signer(hark_space_state(space), note, cp.origin, &home, err);
    if (rc == HARK_E_NO)
        return hark_err_set(err, HARK_E_BEHIND, "the key of %s is not known here", cp.origin);
    if (rc == 0)
        rc = hark_note_key_init(&shown.log, cp.origin, HARK_NOTE_ED25519, &home.keys.log, err);
    if (rc == 0)
        rc = check_history(space, &cp, bytes, &lost, &fork);
    shown.forks = rc == HARK_E_PEER_FORK;
    if (fork.code != 0 && err != NULL)
        *err = fork;
    if ((rc < 0 && !shown.forks) || lost)
        return rc;
    rc = take_lines(space, &shown, err);
    return rc == 0 && shown.forks ? hark_err_set(err, fork.code, "%s", fork.message) : rc;
}

int hark_witness_keep(struct hark_space *space, const struct hark_note_key *witness,
                      struct hark_span bytes, struct hark_err *err)
{
    struct hark_cosigned put = {.log = ""};
    const struct hark_cosigned *was = NULL;
    struct hark_note_key log;
    bool here = false, fits = false;
    int rc = hark_checkpoint_read(&put.checkpoint, bytes, err);

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
            rc = hark_notes_put(space->witness->notes, "", &log, witness, bytes, NULL, err);
    }
    return rc;
}

int hark_witness_take(struct hark_space *space, struct hark_span bytes, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : bring(space, err);

    if (rc == 0 && space->witness->damage.code != 0)
        rc = hark_err_set(err, HARK_E_DAMAGED, "%s", space->witness->damage.message);
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

/* The first of several of one checkpoint speaks for all. */
static bool is_first(const struct hark_notes *notes, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (is_same_checkpoint(hark_notes_at(notes, i), hark_notes_at(notes, at)))
            return false;
    }
    return true;
}

static int put_all(struct hark_space *space, const struct hark_notes *notes, struct hark_buf *out,
                   struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *cosigned = hark_notes_at(notes, i);
        bool here = false, fits = false;

        if (cosigned->log[0] != '\0' || !is_first(notes, i))
            continue;
        rc = hark_witness_fits(space, cosigned, &here, &fits, err);
        if (rc == 0 && fits && out->size > 0)
            rc = hark_buf_append_str(out, "\n", err);
        if (rc == 0 && fits)
            rc = put_together(notes, cosigned, out, err);
    }
    return rc;
}

int hark_witness_publish(struct hark_space *space, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_COSIGNED_MAX);
    struct space_witness *w = space->witness;
    int rc = 0;

    if (w == NULL || w->notes == NULL || w->published_version == hark_notes_version(w->notes))
        return 0;
    rc = put_all(space, w->notes, &text, err);
    if (rc == 0 && text.size > 0)
        rc = hark_repo_put_cosigned(space->repo, hark_buf_span(&text), err);
    if (rc == 0)
        w->published_version = hark_notes_version(w->notes);
    hark_buf_free(&text);
    return rc;
}

/* Is it shown, in the first or the second round? First are those who are needed: more may
 * have come and gone than one message has room for. */
static bool is_shown(const struct space_witness *w, const struct hark_cosigned *cosigned, int round)
{
    const struct hark_key *key = &cosigned->cosigner.key;
    bool wanted = hark_quorums_wanted(&w->quorums, w->settled, key) != NULL;

    return wanted == (round == 0) && hark_notes_find(w->notes, cosigned->log, key) == cosigned;
}

int hark_witness_body(struct hark_space *space, struct hark_buf *out, size_t *count,
                      struct hark_err *err)
{
    struct hark_span notes[HARK_COSIGN_MAX];
    const struct hark_notes *kept;
    uint64_t settled = 0;
    int rc = hark_witness_settled(space, &settled, err);

    *count = 0;
    if (rc < 0)
        return rc;
    kept = space->witness->notes;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < hark_notes_count(kept) && *count < HARK_COSIGN_MAX; i++) {
            const struct hark_cosigned *at = hark_notes_at(kept, i);

            if (is_shown(space->witness, at, round))
                notes[(*count)++] = hark_buf_span(&at->note);
        }
    }
    return *count == 0 ? 0 : hark_cosign_encode(out, &space->id, notes, *count, err);
}
