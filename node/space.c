/*
 * Opening and closing a space, its borrowed parts, tending and rebuilding it.
 * The order of writes, everywhere: git first (durable), then the index. So the
 * index is never ahead of the log, and after a crash it only has to catch up.
 */
#include "node/space.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/convict.h"
#include "node/inside.h"
#include "node/outbox.h"
#include "node/space_flight.h"
#include "node/sqlite.h"
#include "node/witness.h"

#define REFRESHES_A_REPO 32u

int hark_space_open_index(struct hark_space *space, struct hark_err *err)
{
    int rc = hark_index_open(&space->index, space->index_path, &space->id, !space->read_only,
                             space->read_only, err);

    if (rc < 0)
        return rc;
    space->store = hark_index_store(space->index);
    rc = hark_state_open(&space->state, &space->id, &space->store, err);
    if (rc < 0)
        hark_space_close_index(space);
    return rc;
}

void hark_space_close_index(struct hark_space *space)
{
    hark_space_flight_free(space);
    hark_inside_free(space->inside);
    space->inside = NULL;
    hark_state_free(space->state);
    space->state = NULL;
    hark_index_free(space->index);
    space->index = NULL;
}

/* The head as the index has it. */
static int load_head(struct hark_space *space, struct hark_err *err)
{
    struct hark_index_batch last;
    struct hark_row row = {0};
    int rc;

    memset(&space->head, 0, sizeof(space->head));
    space->batches = 0;
    if (hark_state_size(space->state) == 0)
        return 0;
    rc = hark_index_batch(space->index, HARK_NONE, &last, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "the last batch");
    rc = hark_space_expect(space->state, NULL, &space->head, err);
    if (rc < 0)
        return rc;
    rc = hark_index_row(space->index, hark_state_size(space->state) - 1, &row, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "the last entry");
    space->head.tree = *hark_state_log(space->state);
    space->head.has_batch = true;
    space->head.batch = last.hash;
    space->head.batch_id = last.git_id;
    space->head.last_time_ms = last.time_ms;
    space->batches = last.number + 1;
    space->head.last_arrival_ms = row.arrival_ms;
    return 0;
}

/* A reader's packs are merged away under it: those that are gone stay open, and on the
 * disk, until the repository is opened anew. */
static int reopen_repo(struct hark_space *space, struct hark_err *err)
{
    struct hark_repo *fresh = NULL;
    int rc;

    if (!space->read_only || ++space->refreshes < REFRESHES_A_REPO)
        return 0;
    rc = hark_repo_open(&fresh, space->repo_path, err);
    if (rc < 0)
        return rc;
    hark_repo_free(space->repo);
    space->repo = fresh;
    space->refreshes = 0;
    return 0;
}

int hark_space_refresh(struct hark_space *space, struct hark_err *err)
{
    int rc = reopen_repo(space, err);

    /* One transaction, so that state and head are of the same size. */
    if (rc == 0)
        rc = hark_index_begin(space->index, err);
    if (rc < 0)
        return rc;
    rc = hark_state_reload(space->state, err);
    if (rc == 0)
        rc = load_head(space, err);
    hark_index_rollback(space->index);
    space->flight_stale = space->outbox_stale = true;
    return rc;
}

void hark_space_seen_note(struct hark_space *space, const struct hark_key *author, uint64_t time_ms)
{
    space->seen[author->bytes[0] % SPACE_SEEN] =
        (struct space_seen){.author = *author, .time_ms = time_ms};
}

bool hark_space_seen_noted(const struct hark_space *space, const struct hark_key *author,
                           uint64_t oldest_ms)
{
    const struct space_seen *seen = &space->seen[author->bytes[0] % SPACE_SEEN];

    return seen->time_ms != 0 && seen->time_ms >= oldest_ms &&
           hark_key_equal(&seen->author, author);
}

int hark_space_reindex(struct hark_space *space, struct hark_err *err)
{
    int rc;

    hark_space_rollback(space);
    hark_space_close_index(space);
    rc = hark_sqlite_remove(space->index_path, err);
    if (rc < 0)
        return rc;
    rc = hark_space_open_index(space, err);
    if (rc < 0)
        return rc;
    memset(&space->head, 0, sizeof(space->head));
    space->batches = 0;
    rc = hark_space_catch_up(space, err);
    if (rc < 0)
        return rc;
    return hark_space_tend(space, err);
}

/* Opens the index as a writer does: what is damaged or of another version is
 * derived data and made anew. */
static int open_index_or_rebuild(struct hark_space *space, struct hark_err *err)
{
    int rc = hark_space_open_index(space, err);

    if (rc == 0 && space->read_only)
        return hark_space_refresh(space, err);
    if (rc == 0)
        rc = load_head(space, err);
    if (rc == 0)
        rc = hark_space_catch_up(space, err);
    if (rc == 0 || space->read_only)
        return rc;
    if (rc != HARK_E_DAMAGED && rc != HARK_E_NOT_FOUND)
        return rc;
    return hark_space_reindex(space, err);
}

/* Tending reads what opening did not: damage that it meets in the index is mended as
 * well. In the repository it is not for the index to mend. */
static int tend_or_rebuild(struct hark_space *space, struct hark_err *err)
{
    int rc = hark_space_tend(space, err);

    if (rc == HARK_E_DAMAGED && hark_index_check(space->index, NULL) == HARK_E_DAMAGED)
        rc = hark_space_reindex(space, err);
    return rc;
}

void hark_space_store_failed(struct hark_space *space)
{
    struct hark_git_id id;
    bool exists = false;

    if (hark_repo_head(space->repo, "main", &exists, &id, NULL) < 0 ||
        exists != space->head.has_batch ||
        (exists && !hark_git_id_equal(&id, &space->head.batch_id)))
        space->damaged = true;
}

int hark_space_mend(struct hark_space *space, struct hark_err *err)
{
    int rc;

    if (!space->damaged)
        return 0;
    hark_space_close_index(space);
    rc = open_index_or_rebuild(space, err);
    space->damaged = rc < 0;
    return rc;
}

static int set_paths(struct hark_space *space, const char *dir, struct hark_err *err)
{
    char hex[2 * HARK_HASH_SIZE + 1];
    int a, b, c, d, e;

    hark_hash_hex(hex, &space->id);
    a = snprintf(space->repo_path, sizeof(space->repo_path), "%s/spaces/%s.git", dir, hex);
    b = snprintf(space->index_path, sizeof(space->index_path), "%s/index/%s.db", dir, hex);
    c = snprintf(space->outbox_path, sizeof(space->outbox_path), "%s/outbox/%s.db", dir, hex);
    d = snprintf(space->cosign_path, sizeof(space->cosign_path), "%s/cosigned/%s", dir, hex);
    e = snprintf(space->evidence_path, sizeof(space->evidence_path), "%s/evidence", dir);
    if (!PATH_FITS(a, sizeof(space->repo_path)) || !PATH_FITS(b, sizeof(space->index_path)) ||
        !PATH_FITS(c, sizeof(space->outbox_path)) || !PATH_FITS(d, sizeof(space->cosign_path)) ||
        !PATH_FITS(e, sizeof(space->evidence_path)))
        return hark_err_set(err, HARK_E_USAGE, "the path %s is too long", dir);
    return 0;
}

static int open_space(struct hark_space **out, const char *dir, const struct hark_hash *id,
                      bool create, bool read_only, struct hark_pool *pool, struct hark_err *err)
{
    struct hark_space *space = calloc(1, sizeof(*space));
    int rc;

    *out = NULL;
    if (space == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a space");
    space->id = *id;
    space->read_only = read_only;
    space->pool = pool;
    rc = set_paths(space, dir, err);
    if (rc == 0)
        rc = create ? hark_repo_create(&space->repo, space->repo_path, err)
                    : hark_repo_open(&space->repo, space->repo_path, err);
    if (rc == 0)
        rc = open_index_or_rebuild(space, err);
    if (rc == 0 && !read_only)
        rc = tend_or_rebuild(space, err);
    if (rc < 0) {
        hark_space_free(space);
        return rc;
    }
    *out = space;
    return 0;
}

int hark_space_create(struct hark_space **out, const char *dir, const struct hark_hash *id,
                      struct hark_pool *pool, struct hark_err *err)
{
    return open_space(out, dir, id, true, false, pool, err);
}

int hark_space_open(struct hark_space **out, const char *dir, const struct hark_hash *id,
                    bool read_only, struct hark_pool *pool, struct hark_err *err)
{
    return open_space(out, dir, id, false, read_only, pool, err);
}

void hark_space_free(struct hark_space *space)
{
    if (space == NULL)
        return;
    hark_space_coming(space, NULL);
    if (space->index != NULL)
        hark_space_rollback(space);
    free(space->pending.items);
    free(space->pending.lines);
    free(space->recent);
    hark_outbox_free(space->outbox);
    hark_witness_free(space);
    hark_convict_free(space);
    hark_space_hashed_free(space);
    hark_space_close_index(space);
    hark_repo_free(space->repo);
    free(space);
}

const struct hark_hash *hark_space_id(const struct hark_space *space)
{
    return &space->id;
}

struct hark_state *hark_space_state(struct hark_space *space)
{
    return space->state;
}

struct hark_index *hark_space_index(struct hark_space *space)
{
    return space->index;
}

int hark_space_inside(struct hark_space *space, struct hark_inside **out, struct hark_err *err)
{
    int rc = 0;

    if (space->inside == NULL && hark_state_is_encrypted(space->state))
        rc = hark_inside_new(&space->inside, space, err);
    *out = space->inside;
    return rc;
}

struct hark_index *hark_space_view(struct hark_space *space)
{
    struct hark_index *inside = space->inside != NULL ? hark_inside_index(space->inside) : NULL;

    return inside != NULL ? inside : space->index;
}

json_t *hark_space_charter(struct hark_space *space)
{
    return space->inside != NULL ? hark_inside_charter(space->inside, NULL) : NULL;
}

int hark_space_words(struct hark_space *space, const struct hark_row *row, json_t **json,
                     struct hark_err *err)
{
    return hark_space_view(space) != space->index
               ? hark_inside_payload(space->inside, row, json, err)
               : hark_space_payload_json(space, row, json, err);
}

struct hark_repo *hark_space_repo(struct hark_space *space)
{
    return space->repo;
}

const struct hark_log_head *hark_space_head(const struct hark_space *space)
{
    return &space->head;
}

int hark_space_home(struct hark_space *space, struct hark_node_object *out, struct hark_err *err)
{
    if (hark_state_size(space->state) == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "the space has no entry yet");
    return hark_state_node(space->state, hark_state_space_object(space->state)->home, out, err);
}

/* --- tending --------------------------------------------------------------- */

static int blob_from_index(void *arg, uint64_t position, bool *present, struct hark_git_id *blob,
                           struct hark_err *err)
{
    struct hark_space *space = arg;

    return hark_index_blob_at(space->index, position, present, blob, err);
}

/* Physically erases what the log has declared erased: git, then the index, so
 * that a crash in between leaves the work listed. */
static int carry_out_erasures(struct hark_space *space, struct hark_err *err)
{
    struct hark_pending_erasure *pending = NULL;
    struct hark_erasure *items = NULL;
    size_t count = 0;
    int rc = hark_index_pending_erasures(space->index, &pending, &count, err);

    if (rc < 0 || count == 0)
        goto out;
    items = calloc(count, sizeof(*items));
    if (items == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu erasures", count);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        items[i].position = pending[i].position;
        items[i].blob = pending[i].blob;
    }
    rc = hark_repo_erase(space->repo, "main", items, count, err);
    space->erasures++;
    if (rc == 0)
        rc = hark_index_erased(space->index, pending, count, err);
out:
    free(items);
    free(pending);
    return rc;
}

static int cover_payloads(struct hark_space *space, struct hark_err *err)
{
    uint64_t size = hark_state_size(space->state);
    bool own = false;
    int rc = hark_index_view(space->index, &own, err); /* one, not one an entry */

    if (rc < 0)
        return rc;
    rc = hark_repo_cover_payloads(space->repo, "main", size, blob_from_index, space, err);
    if (rc == 0)
        rc = hark_space_cover_intakes(space, err);
    hark_index_view_end(space->index, own);
    return rc;
}

/* Packs that may have come since the last merging. */
#define UNMERGED_MAX 256u

static int tend(struct hark_space *space, unsigned unmerged, struct hark_err *err)
{
    int rc;

    if (hark_state_size(space->state) == 0 || space->read_only || space->pending.open)
        return 0;
    rc = cover_payloads(space, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "the payload refs");
    rc = carry_out_erasures(space, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "carrying out erasures");
    return hark_repo_unmerged(space->repo) > unmerged
               ? hark_repo_merge_packs(space->repo, NULL, err)
               : 0;
}

int hark_space_tend(struct hark_space *space, struct hark_err *err)
{
    int rc;

    hark_space_coming(space, NULL); /* it did not come */
    rc = tend(space, 0, err);
    if (rc == 0)
        rc = hark_convict_twins(space, err);
    return rc == 0 && !space->read_only ? hark_witness_publish(space, err) : rc;
}

int hark_space_tend_briefly(struct hark_space *space, struct hark_err *err)
{
    return tend(space, UNMERGED_MAX, err);
}
