/*
 * See inside.h. An entry comes from the space's own index and repository; what it says is
 * decided by the inner state, and what comes out of that is indexed as any entry is.
 */
#include "node/inside.h"

#include <stdlib.h>
#include <string.h>

#include "node/sqlite.h"
#include "node/wiping.h"

#define TOGETHER 1000u /* entries in one transaction of the index */

struct hark_inside {
    struct hark_space *space; /* borrowed */
    size_t own_count;
    struct hark_box *own[HARK_RING_OWN_MAX];
    struct hark_ring *ring;
    struct hark_index *index;
    struct hark_store store;
    struct hark_inner_state *state;
    json_t *charter;           /* the latest that opened... */
    uint64_t charter_position; /* ...and where it stands */
    size_t refused_count;
    struct hark_inside_refused refused[HARK_INSIDE_REFUSED_MAX];
    uint64_t *missing; /* whose envelopes were not at hand, ascending */
    size_t missing_count, missing_capacity;
    bool stale;       /* to be made anew */
    uint64_t learned; /* of the ring, when state and index were made */
    uint64_t made_at; /* the log's size when it was: erasures before are known */
    uint64_t stamp;   /* the caller's */
    uint64_t undone;  /* another caller's */
    uint64_t made;    /* so often */
};

/* ---- Opening ------------------------------------------------------------------- */

/* All but the ring. */
static void drop_state(struct hark_inside *inside)
{
    hark_inner_state_free(inside->state);
    hark_index_free(inside->index);
    json_decref(inside->charter);
    inside->state = NULL;
    inside->index = NULL;
    inside->charter = NULL;
    inside->refused_count = 0;
    inside->missing_count = 0;
}

static void drop(struct hark_inside *inside)
{
    drop_state(inside);
    hark_ring_free(inside->ring);
    inside->ring = NULL;
}

static int make_ring(struct hark_inside *inside, struct hark_err *err)
{
    int rc = hark_ring_new(&inside->ring, hark_space_id(inside->space), err);

    for (size_t i = 0; i < inside->own_count && rc == 0; i++)
        rc = hark_ring_own(inside->ring, inside->own[i], err);
    return rc;
}

/* Older keys came: with them it is read once more. */
static bool has_learned(const struct hark_inside *inside)
{
    return !inside->stale && hark_ring_learned(inside->ring) != inside->learned;
}

/* With a new ring; or with the one that is there, of which the log's beginning is known. */
static int make(struct hark_inside *inside, struct hark_err *err)
{
    const struct hark_hash *id = hark_space_id(inside->space);
    int rc = 0;

    inside->made++;
    if (has_learned(inside)) {
        drop_state(inside);
    } else {
        drop(inside);
        rc = make_ring(inside, err);
    }
    if (rc == 0)
        rc = hark_index_open(&inside->index, HARK_SQLITE_MEMORY, id, true, false, err);
    if (rc == 0) {
        inside->store = hark_index_store(inside->index);
        rc = hark_inner_state_open(&inside->state, hark_space_state(inside->space), inside->ring,
                                   &inside->store, err);
    }
    inside->made_at = hark_space_head(inside->space)->tree.size;
    inside->learned = rc == 0 ? hark_ring_learned(inside->ring) : 0;
    inside->stale = rc < 0;
    return rc;
}

atomic_bool hark_wiping;

int hark_inside_new(struct hark_inside **out, struct hark_space *space, struct hark_err *err)
{
    struct hark_inside *inside = calloc(1, sizeof(*inside));

    *out = NULL;
    if (inside == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is inside a space");
    atomic_store_explicit(&hark_wiping, true, memory_order_relaxed);
    inside->space = space;
    inside->stale = true;
    *out = inside;
    return 0;
}

void hark_inside_free(struct hark_inside *inside)
{
    if (inside == NULL)
        return;
    drop(inside);
    for (size_t i = 0; i < inside->own_count; i++)
        hark_box_free(inside->own[i]);
    free(inside->missing);
    free(inside);
}

int hark_inside_own(struct hark_inside *inside, struct hark_box *box, struct hark_err *err)
{
    for (size_t i = 0; i < inside->own_count; i++) {
        if (hark_key_equal(hark_box_key(inside->own[i]), hark_box_key(box))) {
            hark_box_free(box);
            return 0;
        }
    }
    if (inside->own_count == HARK_RING_OWN_MAX) {
        hark_box_free(box);
        return hark_err_set(err, HARK_E_LIMIT, "more than %u people of this node in one group",
                            HARK_RING_OWN_MAX);
    }
    inside->own[inside->own_count++] = box;
    inside->stale = true;
    return 0;
}

uint64_t *hark_inside_stamp(struct hark_inside *inside)
{
    return &inside->stamp;
}

uint64_t *hark_inside_undone(struct hark_inside *inside)
{
    return &inside->undone;
}

/* ---- One entry ------------------------------------------------------------------- */

/* An entry of the log, with its payload where that is at hand. */
struct logged {
    struct hark_row row; /* of the space's own index */
    struct hark_buf object, bytes;
    struct hark_entry entry;
    struct hark_span payload; /* NULL data: none at hand */
};

static void logged_free(struct logged *logged)
{
    hark_buf_free(&logged->object);
    hark_buf_free(&logged->bytes);
    hark_wipe(logged, sizeof(*logged));
    free(logged);
}

static int logged_read(struct logged **out, struct hark_space *space, uint64_t position,
                       struct hark_err *err)
{
    struct logged *logged = calloc(1, sizeof(*logged));
    int rc;

    *out = NULL;
    if (logged == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    logged->object = hark_buf_init(HARK_ENTRY_MAX);
    logged->bytes = hark_buf_init(HARK_PAYLOAD_MAX);
    rc = hark_index_row(hark_space_index(space), position, &logged->row, err);
    if (rc == 0)
        rc = hark_space_entry(space, &logged->row, &logged->object, err);
    if (rc == 0)
        rc = hark_entry_parse(&logged->entry, hark_buf_span(&logged->object), err);
    if (rc == 0 && logged->row.has_blob && logged->row.says != HARK_SAYS_ERASED) {
        rc = hark_space_payload(space, &logged->row, &logged->bytes, err);
        logged->payload = hark_buf_span(&logged->bytes);
    }
    if (rc < 0) {
        logged_free(logged);
        return rc;
    }
    *out = logged;
    return 0;
}

struct hark_span hark_inside_decisive(struct hark_inside *inside, const struct hark_entry *entry,
                                      struct hark_span payload)
{
    const struct hark_kinds *kinds = hark_state_kinds(hark_inner_state_view(inside->state));
    int number = hark_kinds_find(kinds, entry->kind);
    const struct hark_kind *kind = number < 0 ? NULL : hark_kinds_get(kinds, (size_t)number);

    return kind != NULL && (!kind->erasable || kind->payload == HARK_PAYLOAD_BINARY)
               ? payload
               : hark_span(NULL, 0);
}

static struct hark_span decisive(struct hark_inside *inside, const struct logged *logged)
{
    return hark_inside_decisive(inside, &logged->entry, logged->payload);
}

/* ---- Into the index ---------------------------------------------------------------- */

/* What it says, inside; and, of what is in the clear, what the space's own index has. */
static int find_words(struct hark_inside *inside, const struct logged *logged,
                      struct hark_said *said, struct hark_index_entry *item, json_t **json,
                      struct hark_err *err)
{
    *json = NULL;
    item->says = logged->row.says;
    if (said->reading == HARK_READING_OPENED && strcmp(logged->entry.kind, "sealed") == 0) {
        *json = json_incref(said->inner.payload);
        item->says = *json != NULL ? HARK_SAYS_IT : HARK_SAYS_NONE;
        return 0;
    }
    return said->reading == HARK_READING_CLEAR
               ? hark_space_payload_json(inside->space, &logged->row, json, err)
               : 0;
}

static int add_to_index(struct hark_inside *inside, const struct logged *logged,
                        const struct hark_arrival *arrival, const struct hark_effect *effect,
                        struct hark_said *said, struct hark_err *err)
{
    struct hark_entry as = logged->entry;
    struct hark_index_entry item = {.entry = &as,
                                    .effect = effect,
                                    .kind = as.kind,
                                    .arrival = *arrival,
                                    .batch_id = logged->row.batch_id,
                                    .has_blob = logged->row.has_blob,
                                    .blob = logged->row.blob};
    json_t *json = NULL;
    int rc = hark_index_merkle_read(hark_space_index(inside->space), 0, logged->row.position,
                                    &item.leaf, err);

    if (rc == 0)
        rc = find_words(inside, logged, said, &item, &json, err);
    if (rc == 0 && said->reading == HARK_READING_OPENED && strcmp(as.kind, "sealed") == 0) {
        memcpy(as.kind, said->inner.kind, sizeof(as.kind));
        as.re_count = said->inner.re_count;
        memcpy(as.re, said->inner.re, sizeof(as.re));
    }
    item.payload = json;
    if (rc == 0)
        rc = hark_index_add(inside->index, &item, err);
    json_decref(json);
    return rc;
}

static int note_missing(struct hark_inside *inside, uint64_t position, struct hark_err *err)
{
    if (inside->missing_count == inside->missing_capacity) {
        size_t bigger = inside->missing_capacity == 0 ? 16 : 2 * inside->missing_capacity;
        uint64_t *grown = realloc(inside->missing, bigger * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu envelopes to come",
                                bigger);
        inside->missing = grown;
        inside->missing_capacity = bigger;
    }
    inside->missing[inside->missing_count++] = position;
    return 0;
}

/* What of it changes more than its own place. */
static int note(struct hark_inside *inside, const struct logged *logged, struct hark_said *said,
                struct hark_err *err)
{
    bool stands = logged->row.verdict == 0;

    if (said->reading == HARK_READING_OPENED && strcmp(logged->entry.kind, "charter") == 0) {
        json_decref(inside->charter);
        inside->charter = json_incref(said->inner.payload);
        inside->charter_position = logged->row.position;
    }
    if (said->reading == HARK_READING_SILENT && said->error != 0 &&
        inside->refused_count < HARK_INSIDE_REFUSED_MAX)
        inside->refused[inside->refused_count++] =
            (struct hark_inside_refused){logged->row.position, said->error};
    /* The words of what was erased are to go: those of before it was made never came. */
    if (stands && logged->row.position >= inside->made_at &&
        strcmp(logged->entry.kind, "erase") == 0)
        inside->stale = true;
    return said->reading == HARK_READING_MISSING ? note_missing(inside, logged->row.position, err)
                                                 : 0;
}

static int step(struct hark_inside *inside, uint64_t position, struct hark_err *err)
{
    struct hark_state *view = hark_inner_state_view(inside->state);
    struct hark_arrival arrival;
    struct hark_effect effect;
    struct hark_said said = {.error = 0};
    struct logged *logged = NULL;
    int rc = logged_read(&logged, inside->space, position, err);

    if (rc < 0)
        return rc;
    arrival = (struct hark_arrival){.arrival_ms = logged->row.arrival_ms,
                                    .accepted_ms = logged->row.accepted_ms,
                                    .git_id = logged->row.git_id};
    /* Of a transaction that failed the ring has seen some already. */
    if (logged->row.verdict == 0 && hark_ring_next(inside->ring) <= position)
        rc =
            hark_ring_entry(inside->ring, view, position, logged->entry.kind, logged->payload, err);
    if (rc == 0)
        rc = hark_inner_state_apply(inside->state, &logged->entry, &arrival,
                                    decisive(inside, logged), &effect, &said, err);
    if (rc == 0)
        rc = add_to_index(inside, logged, &arrival, &effect, &said, err);
    if (rc == 0)
        rc = note(inside, logged, &said, err);
    hark_inner_free(&said.inner);
    logged_free(logged);
    return rc < 0 ? hark_err_wrap(err, rc, "position %llu", (unsigned long long)position) : 0;
}

/* ---- Following -------------------------------------------------------------------- */

static int advance(struct hark_inside *inside, uint64_t end, struct hark_err *err)
{
    uint64_t at = hark_state_size(hark_inner_state_view(inside->state));
    int rc = hark_index_begin(inside->index, err);

    for (unsigned i = 0; i < TOGETHER && at < end && rc == 0 && !has_learned(inside); i++)
        rc = step(inside, at++, err);
    if (rc == 0)
        rc = hark_index_commit(inside->index, err);
    if (rc < 0) {
        hark_index_rollback(inside->index);
        inside->stale = true;
    }
    return rc;
}

/* Has one of the envelopes come that were missing? They come in any order. */
static int look_for_missing(struct hark_inside *inside, struct hark_err *err)
{
    struct hark_index *index = hark_space_index(inside->space);
    int rc = 0;

    for (size_t i = 0; i < inside->missing_count && !inside->stale && rc == 0; i++) {
        struct hark_git_id blob;
        bool there = false;

        rc = hark_index_blob_at(index, inside->missing[i], &there, &blob, err);
        inside->stale = there;
    }
    return rc;
}

static int go_on(struct hark_inside *inside, struct hark_err *err)
{
    uint64_t end = hark_space_head(inside->space)->tree.size;
    bool own = false;
    int rc;

    if (inside->stale || has_learned(inside)) {
        rc = make(inside, err);
        if (rc < 0)
            return rc;
    }
    rc = hark_index_view(hark_space_index(inside->space), &own, err);
    if (rc < 0)
        return rc;
    while (rc == 0 && !has_learned(inside) &&
           hark_state_size(hark_inner_state_view(inside->state)) < end)
        rc = advance(inside, end, err);
    hark_index_view_end(hark_space_index(inside->space), own);
    return rc;
}

int hark_inside_follow(struct hark_inside *inside, struct hark_err *err)
{
    uint64_t end = hark_space_head(inside->space)->tree.size;
    int rc;

    /* A log that went back (PROTOCOL.md 7.6): what was missing may stand beyond its end. */
    if (inside->state != NULL && hark_state_size(hark_inner_state_view(inside->state)) > end)
        inside->stale = true;
    rc = look_for_missing(inside, err);
    if (rc == 0)
        rc = go_on(inside, err);
    /* Something was erased on the way: from the beginning it says nothing. And each entry
     * brings older keys once at most. */
    while (rc == 0 && (inside->stale || has_learned(inside)))
        rc = go_on(inside, err);
    if (rc == 0)
        inside->stale = false;
    return rc;
}

/* ---- Asking ----------------------------------------------------------------------- */

struct hark_index *hark_inside_index(struct hark_inside *inside)
{
    return inside->index;
}

struct hark_ring *hark_inside_ring(struct hark_inside *inside)
{
    return inside->ring;
}

struct hark_inner_state *hark_inside_state(struct hark_inside *inside)
{
    return inside->state;
}

uint64_t hark_inside_made(const struct hark_inside *inside)
{
    return inside->made;
}

json_t *hark_inside_charter(struct hark_inside *inside, uint64_t *position)
{
    if (position != NULL)
        *position = inside->charter_position;
    return inside->charter;
}

const struct hark_inside_refused *hark_inside_refused(const struct hark_inside *inside,
                                                      size_t *count)
{
    *count = inside->refused_count;
    return inside->refused;
}

int hark_inside_payload(struct hark_inside *inside, const struct hark_row *row, json_t **json,
                        struct hark_err *err)
{
    struct hark_said said = {.error = 0};
    struct logged *logged = NULL;
    int rc;

    *json = NULL;
    rc = logged_read(&logged, inside->space, row->position, err);
    if (rc == 0)
        rc = hark_inner_state_read(inside->state, row->position, &logged->entry,
                                   decisive(inside, logged), &said, err);
    if (rc == 0 && said.reading == HARK_READING_OPENED)
        *json = json_incref(said.inner.payload);
    else if (rc == 0 && said.reading == HARK_READING_CLEAR)
        rc = hark_space_payload_json(inside->space, &logged->row, json, err);
    hark_inner_free(&said.inner);
    if (logged != NULL)
        logged_free(logged);
    return rc;
}
