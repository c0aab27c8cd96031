/*
 * Where this node's own intake log ended when its copy of the space was set aside
 * (PROTOCOL.md 7.6). What it signed stays signed: until the copy that comes anew goes as
 * far, a batch of its own there would be a second history. Where that copy cannot go as
 * far (what the intake was judged against is not in the log any more), it ends.
 *
 *     cosigned/<id>/intake-end      the node's name, the size, the root in hex, a line each
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/files.h"
#include "node/space_internal.h"

#define END_FILE "intake-end"
#define END_MAX  256u

struct space_intake_end {
    hark_node_name node; /* empty: none */
    uint64_t size;
    struct hark_hash root;
};

static int read_end(struct hark_space *space, struct space_intake_end *out, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(END_MAX);
    struct hark_span in, node = {0}, size = {0}, root = {0};
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, space->cosign_path, END_FILE, err);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = hark_file_read(path, &bytes, err);
    in = hark_buf_span(&bytes);
    if (rc == 0 && (!hark_take_line(&in, &node) || !hark_take_line(&in, &size) ||
                    !hark_take_line(&in, &root) || in.size != 0 || !hark_node_name_valid(node) ||
                    hark_decimal_decode(&out->size, size, HARK_NUMBER_MAX, NULL) < 0 ||
                    hark_hash_from_hex(&out->root, root, NULL) < 0))
        rc = hark_err_set(err, HARK_E_BEHIND, "%s does not say where the intake ended", path);
    if (rc == 0)
        memcpy(out->node, node.data, node.size); /* at most HARK_NODE_NAME_MAX bytes */
    hark_buf_free(&bytes);
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

static int write_end(struct hark_space *space, const struct space_intake_end *end,
                     struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(END_MAX);
    char path[HARK_PATH_MAX], hex[2 * HARK_HASH_SIZE + 1];
    int rc;

    hark_hash_hex(hex, &end->root);
    rc = hark_buf_printf(&text, err, "%s\n%" PRIu64 "\n%s\n", end->node, end->size, hex);
    if (rc == 0)
        rc = hark_path_join(path, space->cosign_path, END_FILE, err);
    if (rc == 0)
        rc = hark_dir_make_below(space->cosign_path, err);
    if (rc == 0)
        rc = hark_file_write(path, hark_buf_span(&text), 0600, err);
    hark_buf_free(&text);
    return rc;
}

int hark_space_intake_keep_end(struct hark_space *space, const struct hark_key *log_key,
                               struct hark_err *err)
{
    struct space_intake_end kept;
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc = read_end(space, &kept, err);

    if (rc == 0)
        rc = hark_space_intakes(space, &names, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct space_intake_end end = {.size = 0};
        struct hark_intake intake;
        bool found = false;

        rc = hark_space_find_intake(space, names[i], &found, &intake, err);
        if (rc < 0 || !found || !hark_key_equal(&intake.head.log_key, log_key))
            continue;
        memcpy(end.node, names[i], sizeof(end.node));
        end.size = intake.head.tree.size;
        end.root = hark_merkle_root(&intake.head.tree);
        /* What was signed beyond what is here now is not forgotten. */
        if (strcmp(kept.node, end.node) != 0 || kept.size < end.size)
            rc = write_end(space, &end, err);
    }
    free(names);
    return rc;
}

/* Is all that was signed here? */
static int is_reached(struct hark_space *space, const struct space_intake_end *end, bool *is,
                      struct hark_err *err)
{
    struct hark_intake intake;
    struct hark_hash root;
    bool found = false;
    int rc = hark_space_find_intake(space, end->node, &found, &intake, err);

    *is = false;
    if (rc < 0 || !found || intake.head.tree.size < end->size)
        return rc;
    rc = hark_space_root(space, end->node, end->size, &root, err);
    *is = rc == 0 && hark_hash_equal(&root, &end->root);
    return rc;
}

int hark_space_intake_goes_on(struct hark_space *space, const char *self, struct hark_err *err)
{
    struct space_intake_end end;
    bool goes_on = true;
    int rc;

    if (space->intake_goes_on)
        return 0;
    rc = read_end(space, &end, err);
    if (rc == 0 && strcmp(end.node, self) == 0)
        rc = is_reached(space, &end, &goes_on, err);
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
