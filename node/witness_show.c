/*
 * What is shown to others: to peers, to whoever clones the repository, asks over HTTP or keeps
 * a receipt. A note that is kept has two lines; here those of one checkpoint come together.
 */
#include <string.h>

#include "node/witness_internal.h"
#include "replication/messages.h"

/* Another cosigner's note of the same checkpoint adds its last line. */
static struct hark_span last_line(struct hark_span note)
{
    size_t at = note.size - 1;

    while (at > 0 && note.data[at - 1] != '\n')
        at--;
    return hark_span(note.data + at, note.size - at);
}

/* Of that log, by another than its home: what the home says of its own log vouches for
 * nothing. */
static bool is_others(const struct hark_cosigned *cosigned, const char *log)
{
    return strcmp(cosigned->log, log) == 0 && !hark_cosigned_by_home(cosigned);
}

static bool is_same_checkpoint(const struct hark_cosigned *a, const struct hark_cosigned *b)
{
    size_t size = a->note.size - last_line(hark_buf_span(&a->note)).size;

    return strcmp(a->log, b->log) == 0 &&
           b->note.size - last_line(hark_buf_span(&b->note)).size == size &&
           memcmp(a->note.data, b->note.data, size) == 0;
}

static size_t count_same(const struct hark_notes *notes, const struct hark_cosigned *as)
{
    size_t count = 0;

    for (size_t i = 0; i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *one = hark_notes_at(notes, i);

        count += is_others(one, as->log) && is_same_checkpoint(one, as) ? 1 : 0;
    }
    return count;
}

/* all: with the line of the home itself. */
static int put_together(const struct hark_notes *notes, const struct hark_cosigned *as, bool all,
                        struct hark_buf *out, struct hark_err *err)
{
    int rc = hark_buf_append_span(out, hark_buf_span(&as->note), err);

    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *other = hark_notes_at(notes, i);

        if (other != as && (all || is_others(other, as->log)) && is_same_checkpoint(other, as))
            rc = hark_buf_append_span(out, last_line(hark_buf_span(&other->note)), err);
    }
    return rc;
}

int hark_witness_note(struct hark_space *space, const char *log, uint64_t position,
                      struct hark_buf *out, uint64_t *size, struct hark_err *err)
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

        if (!is_others(cosigned, log) || cosigned->checkpoint.size <= position || count < signers ||
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
    return put_together(notes, best, false, out, err);
}

int hark_witness_newest(struct hark_space *space, struct hark_buf *out, struct hark_err *err)
{
    const struct hark_cosigned *best = NULL;
    const struct hark_notes *notes = NULL;
    int rc = hark_witness_notes(space, &notes, err);

    for (size_t i = 0; rc == 0 && i < hark_notes_count(notes); i++) {
        const struct hark_cosigned *cosigned = hark_notes_at(notes, i);
        bool here = false, fits = false;

        if (!is_others(cosigned, "") ||
            (best != NULL && cosigned->checkpoint.size <= best->checkpoint.size))
            continue;
        rc = hark_witness_fits(space, cosigned, &here, &fits, err);
        if (fits)
            best = cosigned;
    }
    if (rc == 0 && best != NULL)
        return put_together(notes, best, false, out, err);
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
            rc = put_together(notes, cosigned, true, out, err);
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

#define ROUNDS 4u

/* In which round is it shown? First come those who are needed for the main log, then what this
 * node signed of intakes, since it is asked for that: more may have come and gone than one
 * message has room for. */
static unsigned round_of(const struct space_witness *w, const struct hark_cosigned *cosigned)
{
    const struct hark_key *key = &cosigned->cosigner.key;

    if (cosigned->log[0] != '\0')
        return w->has_own && hark_key_equal(key, &w->own) ? 1 : 3;
    return hark_quorums_wanted(&w->quorums, w->settled, key) != NULL ? 0 : 2;
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
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < hark_notes_count(kept) && *count < HARK_COSIGN_MAX; i++) {
            const struct hark_cosigned *at = hark_notes_at(kept, i);

            if (round_of(space->witness, at) == round &&
                hark_notes_find(kept, at->log, &at->cosigner.key) == at)
                notes[(*count)++] = hark_buf_span(&at->note);
        }
    }
    return *count == 0 ? 0 : hark_cosign_encode(out, &space->id, notes, *count, err);
}
