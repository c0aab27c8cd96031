/*
 * A cosigner that signed two histories, or went back.
 */
#include <stdio.h>

#include "node/convict_internal.h"

/* Is the log here what the larger one signed, and not what the smaller one did? */
static int parted_here(struct hark_space *space, const struct hark_checkpoint *small,
                       const struct hark_checkpoint *large, bool *parted, struct hark_err *err)
{
    struct hark_hash root;
    int rc = 0;

    *parted = false;
    if (small->size == 0 || large->size > space->head.tree.size)
        return 0;
    rc = hark_space_root(space, "", large->size, &root, err);
    if (rc < 0 || !hark_hash_equal(&root, &large->root))
        return rc;
    rc = hark_space_root(space, "", small->size, &root, err);
    *parted = rc == 0 && !hark_hash_equal(&root, &small->root);
    return rc;
}

int hark_convict_cosigner(struct hark_space *space, const char *name, const struct hark_key *key,
                          const struct hark_convict_note *a, const struct hark_convict_note *b,
                          struct hark_err *err)
{
    const struct hark_convict_note *small = a->checkpoint->size <= b->checkpoint->size ? a : b;
    const struct hark_convict_note *large = small == a ? b : a;
    const struct hark_checkpoint *first = small->checkpoint, *second = large->checkpoint;
    struct hark_hash hash = hark_convict_name(HARK_EVIDENCE_BACKWARDS, key, "");
    bool plain = first->size == second->size ? !hark_hash_equal(&first->root, &second->root)
                                             : small->time_s > large->time_s;
    bool parted = false;
    char path[HARK_PATH_MAX];
    struct hark_material *m;
    int rc = hark_convict_path(space, &hash, HARK_CONVICT_EVIDENCE, path, err);

    if (rc == 0 && !plain && first->size < second->size)
        rc = parted_here(space, first, second, &parted, err);
    if (rc < 0 || (!plain && !parted) || hark_convict_has(path))
        return rc;
    m = hark_material_new();
    if (m == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    m->parts.kind = HARK_EVIDENCE_BACKWARDS;
    m->parts.key = *key;
    (void)snprintf(m->parts.cosigner, sizeof(m->parts.cosigner), "%s", name);
    m->parts.parts[0] = small->note;
    m->parts.parts[1] = large->note;
    rc = hark_material_first(space, m, err);
    if (rc == 0 && parted)
        rc = hark_material_path(space, "", m, first->size, second->size, err);
    if (rc == 0)
        rc = hark_material_write(space, m, path, err);
    hark_material_free(m);
    return rc;
}
