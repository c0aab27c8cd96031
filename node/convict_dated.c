/*
 * A home that dated an entry before it said itself that its log was without it.
 */
#include <stdio.h>

#include "node/convict_internal.h"

/* Is what stands next in the log here dated so? Arrivals never decrease: where the next does
 * not convict none after it does. */
static int is_backdated(struct hark_space *space, const struct hark_cosigned *said, bool *is,
                        struct hark_err *err)
{
    struct hark_line line;
    struct hark_git_id commit;
    int rc = 0;

    *is = false;
    if (said->checkpoint.size >= space->head.tree.size)
        return 0;
    rc = hark_space_line(space, "", said->checkpoint.size, &line, &commit, err);
    *is = rc == 0 && line.arrival_ms / 1000 + HARK_BACKDATED_S < said->time_s;
    return rc;
}

int hark_convict_dated(struct hark_space *space, const struct hark_key *log,
                       const struct hark_cosigned *said, struct hark_err *err)
{
    struct hark_hash name =
        hark_convict_name(HARK_EVIDENCE_BACKDATED, log, said->checkpoint.origin);
    char path[HARK_PATH_MAX];
    struct hark_material *m;
    bool backdated = false;
    int rc = is_backdated(space, said, &backdated, err);

    if (rc == 0 && backdated)
        rc = hark_convict_path(space, &name, HARK_CONVICT_EVIDENCE, path, err);
    if (rc < 0 || !backdated || hark_convict_has(path))
        return rc;
    m = hark_material_new();
    if (m == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    m->parts.kind = HARK_EVIDENCE_BACKDATED;
    m->parts.key = *log;
    (void)snprintf(m->parts.cosigner, sizeof(m->parts.cosigner), "%s", said->cosigner.name);
    m->parts.cosigner_key = said->cosigner.key;
    rc = hark_material_first(space, m, err);
    if (rc == 0)
        rc = hark_material_receipt(space, m, said->checkpoint.size, err);
    m->parts.parts[0] = hark_buf_span(&said->note);
    m->parts.parts[1] = hark_buf_span(&m->other);
    if (rc == 0)
        rc = hark_material_write(space, m, path, err);
    hark_material_free(m);
    /* What cannot be shown by these does not stand in the way of anything else. */
    return rc == HARK_E_EVIDENCE ? 0 : rc;
}
