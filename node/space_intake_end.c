/*
 * Where this node's own intake log ended when its copy of the space was set aside
 * (PROTOCOL.md 7.6). What it signed stays signed: until the copy that comes anew goes as
 * far, a batch of its own there would be a second history. Where that copy cannot go as
 * far (what the intake was judged against is not in the log any more), it ends.
 *
 *     cosigned/<id>/intake-end.<node>      an extent, of the intake of a node that was this one
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/files.h"
#include "node/space_internal.h"

static int end_path(struct hark_space *space, const char *node, char path[HARK_PATH_MAX],
                    struct hark_err *err)
{
    char name[HARK_NODE_NAME_MAX + 16];

    (void)snprintf(name, sizeof(name), "intake-end.%s", node);
    return hark_path_join(path, space->cosign_path, name, err);
}

/* Of size 0 where nothing was noted. */
static int read_end(struct hark_space *space, const char *node, struct hark_extent *out,
                    struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = end_path(space, node, path, err);

    *out = (struct hark_extent){.size = 0};
    if (rc == 0)
        rc = hark_extent_read(out, path, err);
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

static int write_end(struct hark_space *space, const char *node, const struct hark_extent *end,
                     struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = end_path(space, node, path, err);

    if (rc == 0)
        rc = hark_dir_make_below(space->cosign_path, err);
    return rc == 0 ? hark_extent_write(path, end, err) : rc;
}

/* What was signed beyond what is here now is not forgotten. */
static int keep_end(struct hark_space *space, const char *node, const struct hark_merkle *tree,
                    struct hark_err *err)
{
    struct hark_extent kept, end = {.size = tree->size, .root = hark_merkle_root(tree)};
    int rc = read_end(space, node, &kept, err);

    return rc == 0 && kept.size < end.size ? write_end(space, node, &end, err) : rc;
}

int hark_space_intake_keep_end(struct hark_space *space, const struct hark_key *log_key,
                               struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_intake intake;
        bool found = false;

        rc = hark_space_find_intake(space, names[i], &found, &intake, err);
        if (rc == 0 && found && hark_key_equal(&intake.head.log_key, log_key))
            rc = keep_end(space, names[i], &intake.head.tree, err);
    }
    free(names);
    return rc;
}

int hark_space_intake_goes_on(struct hark_space *space, const char *self, struct hark_err *err)
{
    struct hark_extent end;
    bool goes_on = true;
    int rc;

    if (space->intake_goes_on)
        return 0;
    rc = read_end(space, self, &end, err);
    if (rc == HARK_E_DAMAGED)
        return hark_err_set(err, HARK_E_BEHIND, "it cannot be read how far the intake of %s went",
                            self);
    if (rc == 0 && end.size > 0)
        rc = hark_space_has(space, self, &end, &goes_on, err);
    if (rc == 0 && !goes_on) {
        rc = hark_err_set(err, HARK_E_BEHIND,
                          "this node has signed %" PRIu64
                          " entries of its intake, which the log that came anew does not carry",
                          end.size);
        hark_err_hint(err, "where no other node has them, it accepts again when it is named "
                           "anew, by another name and keys");
    }
    space->intake_goes_on = rc == 0;
    return rc;
}

/* Has what was signed no place in the log as it is now? */
static bool has_no_place(int code)
{
    return code == HARK_E_BEHIND || hark_space_is_refusal(code);
}

int hark_space_intake_bring(struct hark_space *space, struct hark_space *old, const char *node,
                            struct hark_err *err)
{
    struct hark_log_head head;
    uint64_t batches = 0, here = 0;
    bool fits = true;
    int rc = hark_space_log(old, node, &head, &batches, err);

    if (rc == 0)
        rc = hark_space_log(space, node, &head, &here, err);
    if (rc == HARK_E_NOT_FOUND)
        rc = 0; /* nothing of it came anew, or nothing was there */
    while (rc == 0 && fits && here < batches) {
        struct hark_space_batch batch;

        rc = hark_space_read_batch(old, node, here++, &batch, err);
        if (rc < 0)
            break;
        rc = hark_space_take(space, node, &batch.raw, UINT64_MAX / 2, err);
        hark_space_batch_free(&batch);
        fits = rc == 0;
        rc = has_no_place(rc) ? 0 : rc;
    }
    return rc;
}
