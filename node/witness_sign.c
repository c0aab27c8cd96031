/*
 * What this node signs as a cosigner: rules Q1 to Q4 of PROTOCOL.md 7.8.
 */
#include <stdlib.h>

#include "node/witness_internal.h"

int hark_witness_may(struct hark_space *space, const char *log, uint64_t size,
                     const struct hark_cosigned *cosigned, uint64_t now_s, uint64_t *time_s,
                     bool *may, struct hark_err *err)
{
    struct hark_cosigned_last last;
    struct hark_hash root;
    bool here = false;
    int rc;

    *may = cosigned == NULL && hark_cosigner_may(NULL, size, NULL, now_s, time_s);
    /* Of each space this is asked whenever anything happens: most have nothing new. */
    if (cosigned == NULL || cosigned->checkpoint.size >= size)
        return 0;
    last = (struct hark_cosigned_last){.size = cosigned->checkpoint.size,
                                       .time_s = cosigned->time_s,
                                       .root = cosigned->checkpoint.root};
    rc = hark_witness_root(space, log, last.size, &here, &root, err);
    *may = rc == 0 && here && hark_cosigner_may(&last, size, &root, now_s, time_s);
    return rc;
}

int hark_witness_stuck(struct hark_space *space, const struct hark_key *cosigner, bool *stuck,
                       struct hark_err *err)
{
    const struct hark_cosigned *last = NULL;
    bool here = false, fits = false;
    int rc = hark_witness_bring(space, err);

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

int hark_witness_sign_note(struct hark_space *space, const char *log,
                           const struct hark_note_key *log_key, const char *name,
                           const struct hark_signer *signer, uint64_t time_s, struct hark_buf *note,
                           struct hark_err *err)
{
    struct hark_note_key own;
    int rc = add_line(note, name, signer, time_s, err);

    if (rc == 0)
        rc = hark_note_key_init(&own, name, HARK_NOTE_COSIGNATURE_V1, hark_signer_key(signer), err);
    return rc == 0 ? hark_notes_put(space->witness->notes, log, log_key, &own, hark_buf_span(note),
                                    NULL, err)
                   : rc;
}

int hark_witness_sign(struct hark_space *space, const char *name, const struct hark_signer *signer,
                      uint64_t time_s, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_note_key log;
    int rc = hark_space_checkpoint(space, &note, err);

    if (rc == 0)
        rc = hark_note_key_init(&log, space->head.origin, HARK_NOTE_ED25519, &space->head.log_key,
                                err);
    if (rc == 0)
        rc = hark_witness_sign_note(space, "", &log, name, signer, time_s, &note, err);
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
    int rc = hark_witness_bring(space, err);

    *done = false;
    if (rc < 0 || space->head.tree.size == 0 || space->witness->damage.code != 0)
        return rc;
    rc = hark_witness_may(space, "", space->head.tree.size,
                          hark_notes_find(space->witness->notes, "", key), now_s, &time_s, &may,
                          err);
    if (rc == 0 && may)
        rc = hark_witness_find_wanted(space, key, &self, err); /* Q2 */
    if (rc < 0 || self == NULL)
        return rc;
    rc = hark_witness_sign(space, self->name, signer, time_s, err);
    *done = rc == 0;
    return rc;
}
