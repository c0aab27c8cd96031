/*
 * Evidence that others show. Whatever convicts can be shown a thousand times, and so can what
 * does not: all that can be asked without a signature is asked first, and a file that holds is
 * written once.
 */
#include <stdlib.h>
#include <string.h>

#include "node/convict_internal.h"
#include "schemas/receipt.h"

/* Room for what is too large for the stack. */
struct taking {
    struct hark_evidence_parts parts;
    struct hark_evidence evidence;
    struct hark_note note;
    struct hark_receipt receipt;
    struct hark_entry entries[2];
    struct hark_checkpoint checkpoint;
    struct hark_origin_parts origin;
};

/* Of what came from elsewhere any refusal is the same. */
static int as_peer_form(int rc, struct hark_err *err)
{
    return hark_err_exit(rc) == 3 || rc == HARK_E_EVIDENCE
               ? hark_err_set(err, HARK_E_PEER_FORM, "no evidence about this space")
               : rc;
}

/* --- what can be asked before anything is verified ------------------------------------------ */

/* Whose log its first part is of. */
static int read_origin(struct taking *t, struct hark_err *err)
{
    struct hark_span part = t->parts.parts[0], head = part;
    int rc = 0;

    if (hark_take_literal(&head, HARK_TLOG_PROOF_HEAD)) {
        rc = hark_receipt_decode(&t->receipt, part, err);
        part = t->receipt.note;
    }
    if (rc == 0)
        rc = hark_note_parse(&t->note, part, err);
    if (rc == 0)
        rc = hark_checkpoint_decode(&t->checkpoint, t->note.text, NULL, err);
    if (rc == 0 && !hark_origin_read(&t->origin, hark_span_str(t->checkpoint.origin)))
        rc = hark_err_set(err, HARK_E_PEER_FORM, "of no log of a space");
    return rc;
}

/* Was a node ever named by that name (NULL: by any) that has this log key, and this cosigner
 * key? NULL: whichever it has. */
static int find_node(struct hark_space *space, const char *name, const struct hark_key *log,
                     const struct hark_key *cosigner, bool *known, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(space->state, counts, err);

    *known = false;
    for (uint32_t i = 0; rc == 0 && !*known && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        rc = hark_state_node(space->state, i, &node, err);
        *known = rc == 0 && (name == NULL || strcmp(node.name, name) == 0) &&
                 (log == NULL || hark_key_equal(&node.keys.log, log)) &&
                 (cosigner == NULL || hark_key_equal(&node.keys.cosigner, cosigner));
    }
    return rc;
}

/* A log key signs any number of origins; only those that there were are looked at. */
static int find_log(struct hark_space *space, struct taking *t, bool *known, struct hark_err *err)
{
    int rc = read_origin(t, err);

    if (rc < 0 || t->origin.incarnation > hark_state_space_object(space->state)->incarnation)
        return rc;
    return find_node(space, t->origin.node, &t->parts.key, NULL, known, err);
}

/* By a home's own word; another's is a reason to ask, no more. */
static int find_dated(struct hark_space *space, struct taking *t, bool *known, bool *aside,
                      struct hark_err *err)
{
    bool own = false;
    int rc = find_log(space, t, known, err);

    if (rc == 0 && *known)
        rc = find_node(space, t->parts.cosigner, &t->parts.key, &t->parts.cosigner_key, &own, err);
    *aside = *known && !own;
    return rc;
}

/* As many cosigners as would keep it here (convict_withheld.c), each of whom is known, and a
 * delay that is not shorter than the policy's. */
static int find_withholder(struct hark_space *space, struct taking *t, bool *known, bool *aside,
                           struct hark_err *err)
{
    const struct hark_evidence_parts *parts = &t->parts;
    uint64_t delay_ms = 0;
    size_t need = 0;
    int rc = read_origin(t, err);

    if (rc == 0)
        rc = hark_space_merge_delay(space, &delay_ms, err);
    if (rc == 0)
        rc = hark_convict_withheld_need(space, t->origin.node, &need, err);
    if (rc < 0)
        return rc;
    *aside = parts->cosigner_count < need || parts->delay_s < delay_ms / 1000;
    rc = find_node(space, t->origin.node, &parts->intake_key, NULL, known, err);
    if (rc == 0 && *known)
        rc = find_node(space, NULL, &parts->key, NULL, known, err);
    for (size_t i = 0; rc == 0 && *known && i < parts->cosigner_count; i++)
        rc = find_node(space, parts->cosigners[i].name, NULL, &parts->cosigners[i].key, known, err);
    return rc;
}

/* *excused: nothing comes of it. */
static int find_author(struct hark_space *space, struct taking *t, bool *known, bool *excused,
                       struct hark_err *err)
{
    uint64_t a, b;
    uint32_t number = 0;
    int rc = hark_state_find_key(space->state, &t->parts.key, known, &number, err);

    for (size_t i = 0; rc == 0 && i < 2; i++)
        rc = hark_entry_parse(&t->entries[i], t->parts.parts[i], err);
    if (rc < 0)
        return rc;
    a = t->entries[0].time_ms;
    b = t->entries[1].time_ms;
    return hark_convict_excused(space, &t->parts.key, t->entries[0].seq, a < b ? a : b, excused,
                                err);
}

/* Is whom it is to convict somebody here? *aside: it is nothing that is kept. */
static int find_culprit(struct hark_space *space, struct taking *t, bool *known, bool *aside,
                        struct hark_err *err)
{
    switch (t->parts.kind) {
    case HARK_EVIDENCE_FORK:
        return find_log(space, t, known, err);
    case HARK_EVIDENCE_BACKWARDS:
        return find_node(space, t->parts.cosigner, NULL, &t->parts.key, known, err);
    case HARK_EVIDENCE_TWIN:
        return find_author(space, t, known, aside, err);
    case HARK_EVIDENCE_WITHHELD:
        return find_withholder(space, t, known, aside, err);
    case HARK_EVIDENCE_BACKDATED:
        return find_dated(space, t, known, aside, err);
    case HARK_EVIDENCE_KINDS_:
        break;
    }
    *aside = true;
    return 0;
}

/* --- taking ------------------------------------------------------------------------------------
 */

static int keep(struct hark_space *space, struct taking *t, struct hark_span file,
                struct hark_err *err)
{
    struct hark_hash name = hark_convict_name(t->parts.kind, &t->parts.key,
                                              hark_convict_of(t->parts.kind, t->checkpoint.origin));
    char path[HARK_PATH_MAX];
    int rc = hark_convict_path(space, &name, HARK_CONVICT_EVIDENCE, path, err);

    if (rc < 0 || hark_convict_has(path))
        return rc;
    rc = as_peer_form(hark_evidence_read(&t->evidence, file, err), err);
    if (rc == 0 && !hark_hash_equal(&t->evidence.space, &space->id))
        rc = hark_err_set(err, HARK_E_PEER_FORM, "evidence about another space");
    if (rc < 0 ||
        (t->parts.kind == HARK_EVIDENCE_BACKDATED && t->evidence.claim != HARK_CLAIM_STATEMENT))
        return rc;
    return hark_convict_write(space, path, file, err);
}

int hark_convict_take(struct hark_space *space, struct hark_span file, struct hark_err *err)
{
    struct taking *t = calloc(1, sizeof(*t));
    bool known = false, aside = false;
    int rc = t == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence")
                       : as_peer_form(hark_evidence_decode(&t->parts, file, err), err);

    if (rc == 0)
        rc = as_peer_form(find_culprit(space, t, &known, &aside, err), err);
    if (rc == 0 && !aside)
        rc = known ? keep(space, t, file, err)
                   : hark_err_set(err, HARK_E_BEHIND, "whom it convicts is not known here");
    free(t);
    return rc;
}
