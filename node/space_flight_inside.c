/*
 * What is under way in an encrypted space, for whoever holds keys: each entry of the flight is
 * opened once and taken in by the inner rules, over an overlay of the inner state for those
 * waiting in intakes and a second one on top for the outbox, as space_flight.c has them of the
 * outer state. All of it lies in memory, and goes when the flight or the inside does.
 */
#include <stdlib.h>
#include <string.h>

#include "node/inside.h"
#include "node/space_flight.h"

struct layer {
    struct hark_overlay *over;
    struct hark_inner_state *state;
    uint64_t turn; /* of the flight's part, when it was made */
    size_t done;   /* entries of the list that it has looked at */
};

struct flight_inside {
    struct hark_inside *inside; /* borrowed; over whose state, ... */
    uint64_t made, size;        /* ...made which time, at which size */
    struct layer waiting, outbox;
    struct hark_flight_entry *seen; /* json owned; the rest borrowed as in the flight's list */
    size_t count, capacity;
};

/* ---- Forgetting ----------------------------------------------------------------- */

static void close_layer(struct layer *layer)
{
    hark_inner_state_free(layer->state);
    hark_overlay_free(layer->over);
    *layer = (struct layer){.done = 0};
}

static void shorten(struct flight_inside *in, size_t count)
{
    while (in->count > count) {
        json_decref(in->seen[--in->count].json);
        hark_wipe(&in->seen[in->count], sizeof(in->seen[0]));
    }
}

static void close_outbox(struct flight_inside *in)
{
    shorten(in, in->waiting.done);
    close_layer(&in->outbox);
}

static void close_all(struct flight_inside *in)
{
    close_outbox(in);
    shorten(in, 0);
    close_layer(&in->waiting);
}

void hark_space_flight_inside_forget(struct flight_inside *in)
{
    if (in != NULL)
        close_all(in);
}

void hark_space_flight_inside_free(struct flight_inside *in)
{
    if (in == NULL)
        return;
    close_all(in);
    free(in->seen);
    free(in);
}

/* ---- One entry -------------------------------------------------------------------- */

/* What it says inside, in place of its envelope. Of one that was refused the kind is told. */
static void show(struct hark_flight_entry *entry, const struct hark_effect *effect,
                 struct hark_said *said)
{
    if (entry->code == 0)
        entry->effect = *effect;
    if (said->reading != HARK_READING_OPENED || strcmp(entry->entry.kind, "sealed") != 0)
        return;
    memcpy(entry->entry.kind, said->inner.kind, sizeof(entry->entry.kind));
    entry->entry.re_count = said->inner.re_count;
    memcpy(entry->entry.re, said->inner.re, sizeof(entry->entry.re));
    if (entry->code != 0)
        return;
    json_decref(entry->json);
    entry->json = json_incref(said->inner.payload);
    entry->says = entry->json != NULL ? HARK_SAYS_IT : HARK_SAYS_NONE;
}

/* Of the flight's list the next one, which the outer state holds or has refused. */
static int look(struct flight_inside *in, struct layer *layer, struct hark_state *outer,
                const struct hark_flight_entry *entry, struct hark_err *err)
{
    struct hark_flight_entry *to = &in->seen[in->count];
    struct hark_arrival arrival = {.arrival_ms = entry->accepted_ms,
                                   .accepted_ms = entry->accepted_ms};
    struct hark_effect effect = {0};
    struct hark_said said = {.error = 0};
    uint64_t position = 0;
    bool found = false;
    int rc = hark_state_find_entry(outer, &entry->entry.id, &found, &position, err);

    if (rc == 0 && found) {
        arrival.git_id = hark_git_hash(HARK_GIT_COMMIT, entry->object);
        rc = hark_inner_state_apply(layer->state, &entry->entry, &arrival,
                                    hark_inside_decisive(in->inside, &entry->entry, entry->payload),
                                    &effect, &said, err);
    }
    if (rc < 0)
        return rc;
    *to = *entry;
    (void)json_incref(to->json);
    if (found)
        show(to, &effect, &said);
    in->count++;
    layer->done = in->count;
    hark_inner_free(&said.inner);
    return 0;
}

/* ---- The list ----------------------------------------------------------------------- */

static int open_layer(struct flight_inside *in, struct layer *layer, struct hark_state *outer,
                      const struct hark_store *below, uint64_t turn, struct hark_err *err)
{
    struct hark_store store;
    int rc = hark_overlay_new(&layer->over, below, err);

    if (rc < 0)
        return rc;
    store = hark_overlay_store(layer->over);
    layer->turn = turn;
    layer->done = in->count;
    return hark_inner_state_open(&layer->state, outer, hark_inside_ring(in->inside), &store, err);
}

static int make_room(struct flight_inside *in, size_t count, struct hark_err *err)
{
    size_t capacity = in->capacity == 0 ? 64 : in->capacity;
    struct hark_flight_entry *bigger;

    if (count <= in->capacity)
        return 0;
    while (capacity < count)
        capacity *= 2;
    bigger = realloc(in->seen, capacity * sizeof(*bigger));
    if (bigger == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
    in->seen = bigger;
    in->capacity = capacity;
    return 0;
}

/* A layer comes up to that entry of the list. */
static int follow(struct flight_inside *in, struct layer *layer, struct hark_state *outer,
                  const struct hark_flight_entry *list, size_t end, struct hark_err *err)
{
    int rc = 0;

    while (rc == 0 && in->count < end)
        rc = look(in, layer, outer, &list[in->count], err);
    return rc;
}

/* What is there is kept as far as what it rests on is. */
static void drop_old(struct flight_inside *in, struct hark_inside *inside,
                     const struct space_flight *flight)
{
    uint64_t size = hark_state_size(hark_inner_state_view(hark_inside_state(inside)));

    if (in->inside != inside || in->made != hark_inside_made(inside) || in->size != size ||
        in->waiting.turn != flight->waiting_turn)
        close_all(in);
    else if (in->outbox.turn != flight->outbox_turn)
        close_outbox(in);
    in->inside = inside;
    in->made = hark_inside_made(inside);
    in->size = size;
}

static int bring(struct flight_inside *in, const struct space_flight *flight, struct hark_err *err)
{
    const struct hark_store inner = hark_index_store(hark_inside_index(in->inside));
    struct hark_store below;
    int rc = make_room(in, flight->count, err);

    if (rc == 0 && in->waiting.state == NULL)
        rc = open_layer(in, &in->waiting, flight->waiting, &inner, flight->waiting_turn, err);
    if (rc == 0)
        rc = follow(in, &in->waiting, flight->waiting, flight->entries, flight->waiting_count, err);
    if (rc == 0 && in->outbox.state == NULL) {
        below = hark_overlay_store(in->waiting.over);
        rc = open_layer(in, &in->outbox, flight->provisional, &below, flight->outbox_turn, err);
    }
    if (rc == 0)
        rc = follow(in, &in->outbox, flight->provisional, flight->entries, flight->count, err);
    return rc;
}

int hark_space_flight_inside(struct hark_space *space, const struct hark_flight_entry **entries,
                             struct hark_err *err)
{
    struct space_flight *flight = space->flight;
    struct hark_inside *inside = space->inside;
    int rc;

    *entries = flight->entries;
    /* Not looked at yet, or not as far as the flight is: an open batch is not in it. */
    if (inside == NULL || hark_inside_state(inside) == NULL ||
        hark_state_size(hark_inner_state_view(hark_inside_state(inside))) != flight->base)
        return 0;
    if (flight->inside == NULL)
        flight->inside = calloc(1, sizeof(*flight->inside));
    if (flight->inside == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
    drop_old(flight->inside, inside, flight);
    rc = bring(flight->inside, flight, err);
    if (rc < 0) {
        close_all(flight->inside);
        return hark_err_wrap(err, rc, "what is under way");
    }
    *entries = flight->inside->seen;
    return 0;
}
