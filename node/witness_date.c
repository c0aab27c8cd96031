/*
 * How a home dates its log: with its cosigner key it signs, as a cosigner would, that at this
 * time its log has just these entries (PROTOCOL.md 7.8). What it logs after that arrives no
 * earlier (space_log.c), and who finds that it did convicts it (convict_dated.c).
 */
#include <string.h>

#include "node/convict.h"
#include "node/witness_internal.h"

/* --- what was said last ------------------------------------------------------------------ */

/* The node whose log it is under the origin in force. *known false: there is none yet. */
static int find_home(struct hark_space *space, struct hark_node_object *home, bool *known,
                     struct hark_err *err)
{
    int rc = 0;

    *known = false;
    if (!space->head.has_batch)
        return 0;
    rc = hark_space_home(space, home, err);
    *known = rc == 0 && hark_key_equal(&home->keys.log, &space->head.log_key);
    return rc;
}

int hark_witness_dated(struct hark_space *space, const struct hark_cosigned **out,
                       struct hark_err *err)
{
    struct hark_node_object home;
    bool known = false;
    int rc = hark_witness_bring_notes(space, err);

    *out = NULL;
    /* Most spaces have none: the state is not asked then. */
    if (rc == 0 && hark_notes_count(space->witness->notes) > 0)
        rc = find_home(space, &home, &known, err);
    if (rc < 0 || !known)
        return rc;
    *out = hark_notes_find(space->witness->notes, "", &home.keys.cosigner);
    if (*out != NULL && strcmp((*out)->checkpoint.origin, space->head.origin) != 0)
        *out = NULL;
    return 0;
}

int hark_witness_lacks(struct hark_space *space, bool *lacks, struct hark_err *err)
{
    const struct hark_cosigned *last = NULL;
    int rc = hark_witness_dated(space, &last, err);

    *lacks = rc == 0 && last != NULL && last->checkpoint.size > space->head.tree.size;
    return rc;
}

/* --- saying it ---------------------------------------------------------------------------- */

/* Has another node that is named now stored all that is here? Then it is not lost with this
 * node's disk, after which somebody would find two histories where there is only a loss. */
static int is_stored_elsewhere(struct hark_space *space, bool *stored, struct hark_err *err)
{
    const struct hark_quorum *quorum = NULL;
    int rc = hark_witness_quorum(space, &quorum, err);

    *stored = false;
    for (size_t i = 0; rc == 0 && quorum != NULL && !*stored && i < quorum->count; i++) {
        const struct hark_cosigned *one = NULL;

        rc = hark_witness_cosigned(space, "", &quorum->cosigners[i].key, &one, err);
        *stored = rc == 0 && one != NULL && one->checkpoint.size == space->head.tree.size;
    }
    return rc;
}

/* When the next is due, of the log as it is; NULL: none was said under this origin. */
static uint64_t due_after(const struct hark_space *space, const struct hark_cosigned *last,
                          uint64_t every_s)
{
    bool grown = last != NULL && last->checkpoint.size < space->head.tree.size;

    if (last == NULL)
        return 0;
    return last->time_s + (grown && every_s > HARK_DATE_GROWN_S ? HARK_DATE_GROWN_S : every_s);
}

/* Does the log here begin with all that the key has signed in this space (Q3), before now (D3)?
 * *due_s: when the clock will have gone that far. */
static int goes_on(struct hark_space *space, const struct hark_cosigned *last, uint64_t now_s,
                   uint64_t *due_s, bool *goes, struct hark_err *err)
{
    bool here = false;

    *goes = last == NULL;
    if (last == NULL)
        return 0;
    if (last->time_s >= now_s) {
        *due_s = last->time_s + 1;
        return 0;
    }
    return hark_witness_fits(space, last, &here, goes, err);
}

static int date(struct hark_space *space, const struct hark_signer *signer, uint64_t every_s,
                uint64_t now_s, uint64_t *due_s, bool *done, struct hark_err *err)
{
    const struct hark_cosigned *said = NULL;
    struct hark_node_object home;
    bool known = false, may = false;
    int rc = find_home(space, &home, &known, err);

    if (rc < 0 || !known || !hark_key_equal(&home.keys.cosigner, hark_signer_key(signer)))
        return rc;
    rc = hark_witness_dated(space, &said, err);
    *due_s = rc == 0 ? due_after(space, said, every_s) : 0;
    if (rc < 0 || *due_s > now_s)
        return rc;
    *due_s = 0;
    rc = goes_on(space, hark_notes_find(space->witness->notes, "", &home.keys.cosigner), now_s,
                 due_s, &may, err);
    if (rc == 0 && may)
        rc = is_stored_elsewhere(space, &may, err);
    if (rc < 0 || !may)
        return rc;
    rc = hark_witness_sign(space, home.name, signer, now_s, err);
    *done = rc == 0;
    *due_s = now_s + every_s;
    return rc;
}

/* Of each space this is asked whenever anything happens: nothing is looked up before it is due,
 * while log and notes are what they were. */
int hark_witness_date(struct hark_space *space, const struct hark_signer *signer, uint64_t every_s,
                      uint64_t now_s, uint64_t *due_s, bool *done, struct hark_err *err)
{
    struct space_witness *w;
    uint64_t size = space->head.tree.size;
    int rc = hark_witness_bring(space, err);

    *done = false;
    *due_s = 0;
    if (rc < 0 || space->witness->damage.code != 0 || hark_space_in_batch(space))
        return rc;
    w = space->witness;
    if (w->date_asked && w->date_size == size && w->date_version == hark_notes_version(w->notes) &&
        (w->date_due_s == 0 || now_s < w->date_due_s)) {
        *due_s = w->date_due_s;
        return 0;
    }
    rc = date(space, signer, every_s, now_s, due_s, done, err);
    w->date_asked = rc == 0;
    w->date_size = size;
    w->date_version = hark_notes_version(w->notes);
    w->date_due_s = *due_s;
    return rc;
}

/* --- holding it to that ------------------------------------------------------------------- */

/* Has there been no occasion yet to look at what stands after it? */
static bool is_new(const struct hark_space *space, const struct hark_cosigned *said)
{
    const struct space_witness *w = space->witness;
    bool looked =
        w->dated_version == hark_notes_version(w->notes) && w->dated_size <= space->head.tree.size;

    return said->log[0] == '\0' && said->checkpoint.size < space->head.tree.size &&
           (!looked || said->checkpoint.size >= w->dated_size) &&
           strcmp(said->checkpoint.origin, space->head.origin) == 0 && hark_cosigned_by_home(said);
}

/* One of the notes here; where the log here does not begin with what it is of, it is no
 * matter of dates. */
static int check_date(struct hark_space *space, const struct hark_cosigned *said,
                      struct hark_err *err)
{
    struct hark_node_object home;
    bool known = false, here = false, fits = false;
    int rc = find_home(space, &home, &known, err);

    if (rc < 0 || !known || !hark_key_equal(&said->cosigner.key, &home.keys.cosigner))
        return rc;
    rc = hark_witness_fits(space, said, &here, &fits, err);
    return rc == 0 && fits ? hark_convict_dated(space, &home.keys.log, said, err) : rc;
}

int hark_witness_check_dates(struct hark_space *space, struct hark_err *err)
{
    struct space_witness *w;
    int rc = hark_witness_bring_notes(space, err);

    if (rc < 0 || space->read_only)
        return rc;
    w = space->witness;
    for (size_t i = 0; rc == 0 && i < hark_notes_count(w->notes); i++) {
        if (is_new(space, hark_notes_at(w->notes, i)))
            rc = check_date(space, hark_notes_at(w->notes, i), err);
    }
    if (rc == 0) {
        w->dated_size = space->head.tree.size;
        w->dated_version = hark_notes_version(w->notes);
    }
    return rc;
}
