/*
 * Intake logs of other named nodes and one's own, beside the main log: where they
 * stand, reading them, what in them waits for the main log, their payload refs, and
 * catching them up. PROTOCOL.md 7.2.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"

int hark_space_log_name(char out[HARK_LOG_NAME_MAX], const char *node, struct hark_err *err)
{
    int n = node[0] == '\0' ? snprintf(out, HARK_LOG_NAME_MAX, "main")
                            : snprintf(out, HARK_LOG_NAME_MAX, "intake/%s", node);

    if (!PATH_FITS(n, HARK_LOG_NAME_MAX) ||
        (node[0] != '\0' && !hark_node_name_valid(hark_span_str(node))))
        return hark_err_set(err, HARK_E_USAGE, "no node can be called '%s'", node);
    return 0;
}

int hark_space_find_intake(struct hark_space *space, const char *node, bool *found,
                           struct hark_intake *out, struct hark_err *err)
{
    int rc = hark_index_intake(space->index, node, found, out, err);

    if (rc == 0 && *found)
        hark_origin(out->head.origin, node, &space->id, 0);
    *found = *found && out->batches > 0;
    return rc;
}

/* --- where it stands --------------------------------------------------------- */

int hark_space_intake_log(struct hark_space *space, const char *node, struct hark_log_head *head,
                          uint64_t *batches, struct hark_err *err)
{
    struct hark_intake intake;
    bool found = false;
    int rc = hark_space_find_intake(space, node, &found, &intake, err);

    if (rc < 0)
        return rc;
    if (!found)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no intake of %s here", node);
    *head = intake.head;
    *batches = intake.batches;
    return 0;
}

int hark_space_intake_fits(struct hark_space *space, const char *node, uint64_t batches,
                           uint64_t size, const struct hark_hash *root, bool *fits,
                           struct hark_err *err)
{
    struct hark_intake_batch last = {.root = hark_merkle_empty()};
    struct hark_intake intake;
    bool found = false;
    int rc = hark_space_find_intake(space, node, &found, &intake, err);

    *fits = false;
    if (rc < 0 || batches > intake.batches || (!found && batches > 0))
        return rc;
    if (batches > 0)
        rc = hark_index_intake_batch(space->index, intake.number, batches - 1, &last, err);
    *fits = rc == 0 && last.first + last.count == size && hark_hash_equal(&last.root, root);
    return rc;
}

int hark_space_intakes(struct hark_space *space, hark_node_name **names, size_t *count,
                       struct hark_err *err)
{
    return hark_index_intakes(space->index, names, count, err);
}

int hark_space_taken(struct hark_space *space, const char *node, uint64_t *size,
                     struct hark_err *err)
{
    struct hark_hash root;

    return hark_space_taken_find(&space->store, node, size, &root, err);
}

/* --- reading ----------------------------------------------------------------- */

struct of_intake {
    struct hark_space *space;
    uint32_t number;
};

static int find_blob_in_index(void *arg, uint64_t position, const struct hark_hash *hash,
                              bool *present, struct hark_git_id *blob, struct hark_err *err)
{
    struct of_intake *of = arg;
    struct hark_intake_row row;
    int rc = hark_index_intake_row(of->space->index, of->number, position, &row, err);

    (void)hash;
    *present = rc == 0 && row.has_blob && !row.erased;
    *blob = row.blob;
    return rc;
}

int hark_space_intake_read(struct hark_space *space, const char *node, uint64_t number,
                           struct hark_space_batch *out, struct hark_err *err)
{
    struct of_intake of = {.space = space};
    struct hark_intake_batch row;
    struct hark_intake intake;
    bool found = false;
    int rc = hark_space_find_intake(space, node, &found, &intake, err);

    if (rc == 0 && (!found || number >= intake.batches))
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "the intake of %s has no batch %" PRIu64 " here",
                          node, number);
    if (rc == 0)
        rc = hark_index_intake_batch(space->index, intake.number, number, &row, err);
    if (rc < 0)
        return rc;
    of.number = intake.number;
    return hark_space_load_batch(space, &row.git_id, find_blob_in_index, &of, out, err);
}

/* --- what waits -------------------------------------------------------------------- */

/* One intake while all are walked. */
struct walk {
    uint32_t number;
    uint64_t at, end;
    bool has; /* row is the one at `at` */
    struct hark_intake_row row;
};

/* To the next entry that the main log does not hold. */
static int settle(struct hark_space *space, struct walk *w, struct hark_err *err)
{
    int rc = 0;

    w->has = false;
    while (rc == 0 && w->at < w->end) {
        uint64_t position = 0;
        bool logged = false;

        rc = hark_index_intake_row(space->index, w->number, w->at, &w->row, err);
        if (rc == 0)
            rc = hark_state_find_entry(space->state, &w->row.id, &logged, &position, err);
        w->has = rc == 0 && !logged;
        if (w->has)
            break;
        w->at++;
    }
    return rc;
}

/* Which intake holds the payload of an entry that came without it? */
static int find_copy(struct hark_space *space, hark_node_name *names, size_t count,
                     const struct hark_hash *id, bool *found, struct hark_git_id *blob,
                     struct hark_err *err)
{
    int rc = 0;

    *found = false;
    for (size_t i = 0; rc == 0 && !*found && i < count; i++) {
        struct hark_intake_row row = {0};
        struct hark_intake intake = {0};
        uint64_t position = 0;
        bool here = false;

        rc = hark_index_intake(space->index, names[i], &here, &intake, err);
        if (rc == 0 && here)
            rc = hark_index_intake_find(space->index, intake.number, id, &here, &position, err);
        if (rc == 0 && here)
            rc = hark_index_intake_row(space->index, intake.number, position, &row, err);
        *found = rc == 0 && here && row.has_blob && !row.erased;
        if (*found)
            *blob = row.blob;
    }
    return rc;
}

/* Who withholds a payload does not take it away from what others have taken in. */
static int show(struct hark_space *space, hark_node_name *names, size_t count, const char *node,
                const struct walk *w, hark_waiting_fn *fn, void *arg, struct hark_err *err)
{
    struct hark_buf object = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_buf payload = hark_buf_init(HARK_PAYLOAD_MAX);
    struct hark_waiting waiting = {.node = node,
                                   .position = w->at,
                                   .accepted_ms = w->row.accepted_ms,
                                   .id = w->row.id,
                                   .git_id = w->row.git_id,
                                   .payload_state = w->row.has_payload ? 2 : 0};
    struct hark_git_id blob = w->row.blob;
    bool found = w->row.has_blob && !w->row.erased;
    int rc = hark_repo_read(space->repo, HARK_GIT_COMMIT, &w->row.git_id, &object, err);

    if (rc == 0 && w->row.has_payload && !w->row.has_blob && !w->row.erased)
        rc = find_copy(space, names, count, &w->row.id, &found, &blob, err);
    if (rc == 0 && found) {
        rc = hark_repo_read(space->repo, HARK_GIT_BLOB, &blob, &payload, err);
        waiting.payload = hark_buf_span(&payload);
        waiting.payload_state = 1;
    }
    waiting.object = hark_buf_span(&object);
    if (rc == 0)
        rc = fn(arg, &waiting, err);
    hark_buf_free(&object);
    hark_buf_free(&payload);
    return rc;
}

static int begin_walks(struct hark_space *space, hark_node_name *names, size_t count,
                       const struct space_from *from, size_t from_count, struct walk *walks,
                       struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_intake intake;
        bool found = false;

        rc = hark_index_intake(space->index, names[i], &found, &intake, err);
        if (rc == 0)
            rc = hark_space_taken(space, names[i], &walks[i].at, err);
        for (size_t k = 0; k < from_count; k++)
            if (strcmp(from[k].node, names[i]) == 0 && from[k].position > walks[i].at)
                walks[i].at = from[k].position;
        walks[i].number = intake.number;
        walks[i].end = intake.head.tree.size;
        if (rc == 0)
            rc = settle(space, &walks[i], err);
    }
    return rc;
}

int hark_space_each_waiting(struct hark_space *space, hark_waiting_fn *fn, void *arg,
                            struct hark_err *err)
{
    return hark_space_each_waiting_from(space, NULL, 0, fn, arg, err);
}

int hark_space_each_waiting_from(struct hark_space *space, const struct space_from *from,
                                 size_t from_count, hark_waiting_fn *fn, void *arg,
                                 struct hark_err *err)
{
    hark_node_name *names = NULL;
    struct walk *walks = NULL;
    size_t count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    if (rc < 0 || count == 0)
        goto out;
    walks = calloc(count, sizeof(*walks));
    if (walks == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu intakes", count);
        goto out;
    }
    rc = begin_walks(space, names, count, from, from_count, walks, err);
    while (rc == 0) {
        size_t least = count;

        for (size_t i = 0; i < count; i++)
            if (walks[i].has &&
                (least == count || walks[i].row.accepted_ms < walks[least].row.accepted_ms))
                least = i;
        if (least == count)
            break;
        /* It may have been logged meanwhile, by way of another intake. */
        rc = settle(space, &walks[least], err);
        if (rc < 0 || !walks[least].has)
            continue;
        rc = show(space, names, count, names[least], &walks[least], fn, arg, err);
        walks[least].at++;
        if (rc == 0)
            rc = settle(space, &walks[least], err);
    }
out:
    free(walks);
    free(names);
    return rc == HARK_STOP ? 0 : rc;
}

/* --- beside the main log ------------------------------------------------------------ */

int hark_space_check_taken(struct hark_space *space, const struct hark_batch *batch,
                           struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < batch->taken_count; i++) {
        const struct hark_taken *taken = &batch->taken[i];
        char name[HARK_NODE_NAME_MAX + 1];
        struct hark_intake_batch end;
        struct hark_intake intake;
        bool found = false;

        rc = hark_space_taken_name(name, taken->origin, err);
        if (rc == 0)
            rc = hark_index_intake(space->index, name, &found, &intake, err);
        if (rc < 0 || !found || taken->size == 0 || taken->size > intake.head.tree.size)
            continue; /* nothing of it, or not known here that far */
        rc = hark_index_intake_end(space->index, intake.number, taken->size, &end, NULL);
        if (rc == HARK_E_NOT_FOUND || (rc == 0 && !hark_hash_equal(&end.root, &taken->root)))
            rc = hark_err_set(err, HARK_E_BATCH_TAKEN,
                              "what it takes from %s is no end of a batch of that intake", name);
        else if (rc < 0)
            rc = hark_err_set(err, rc, "the intake of %s", name);
    }
    return rc;
}

int hark_space_fill_payloads(struct hark_space *space, const struct hark_raw_batch *raw,
                             struct hark_raw_entry *items, struct hark_buf *bytes,
                             struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t *at = NULL, count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    if (rc < 0 || count == 0)
        goto out;
    at = calloc(raw->count + 1, sizeof(*at));
    if (at == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for payloads");
        goto out;
    }
    for (size_t i = 0; rc == 0 && i < raw->count; i++) {
        struct hark_hash id = hark_sha256(items[i].object);
        struct hark_git_id blob;
        bool found = false;

        if (items[i].payload_state != 2)
            continue;
        rc = find_copy(space, names, count, &id, &found, &blob, err);
        if (rc == 0 && found) {
            at[i] = bytes->size + 1;
            rc = hark_repo_read(space->repo, HARK_GIT_BLOB, &blob, bytes, err);
            items[i].payload.size = bytes->size + 1 - at[i];
        }
    }
    /* Now the bytes no longer move. */
    for (size_t i = 0; rc == 0 && i < raw->count; i++) {
        if (at[i] == 0)
            continue;
        items[i].payload_state = 1;
        items[i].payload = hark_span(bytes->data + at[i] - 1, items[i].payload.size);
    }
out:
    free(at);
    free(names);
    return rc;
}

/* --- tending and catching up ------------------------------------------------------- */

static int blob_at(void *arg, uint64_t position, bool *present, struct hark_git_id *blob,
                   struct hark_err *err)
{
    return find_blob_in_index(arg, position, NULL, present, blob, err);
}

int hark_space_cover_intakes(struct hark_space *space, struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct of_intake of = {.space = space};
        char log[HARK_LOG_NAME_MAX];
        struct hark_intake intake = {0};
        bool found = false;

        rc = hark_space_log_name(log, names[i], err);
        if (rc == 0)
            rc = hark_index_intake(space->index, names[i], &found, &intake, err);
        of.number = intake.number;
        if (rc == 0 && found)
            rc = hark_repo_cover_payloads(space->repo, log, intake.head.tree.size, blob_at, &of,
                                          err);
    }
    free(names);
    return rc;
}

static int catch_up_one(struct hark_space *space, const char *node, struct hark_err *err)
{
    char log[HARK_LOG_NAME_MAX];
    struct space_blobs blobs = {.space = space, .log = log};
    struct hark_git_id *ids = NULL;
    struct hark_intake intake;
    size_t count = 0;
    bool found = false;
    int rc = hark_space_log_name(log, node, err);

    if (rc == 0)
        rc = hark_space_find_intake(space, node, &found, &intake, err);
    if (rc == 0)
        rc = hark_space_batches_after(space, log, found ? &intake.head.batch_id : NULL, &ids,
                                      &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_space_batch batch;

        rc =
            hark_space_load_batch(space, &ids[i], hark_space_find_blob_in_git, &blobs, &batch, err);
        if (rc < 0)
            break;
        rc = hark_space_adopt_intake(space, node, &batch.raw, UINT64_MAX / 2, false, err);
        hark_space_batch_free(&batch);
    }
    hark_space_blobs_free(&blobs);
    free(ids);
    if (rc == HARK_E_BEHIND || rc == HARK_E_BATCH_MAIN)
        rc = 0; /* the main log went back since: what it hung on is not here any more */
    return rc < 0 ? hark_err_wrap(err, rc, "the intake of %s", node) : rc;
}

int hark_space_catch_up_intakes(struct hark_space *space, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(space->state, counts, err);

    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        /* A name that came twice is caught up twice, the second time with nothing. */
        rc = hark_state_node(space->state, (uint32_t)i, &node, err);
        if (rc == 0)
            rc = catch_up_one(space, node.name, err);
    }
    return rc;
}
