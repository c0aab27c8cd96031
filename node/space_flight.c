/*
 * What is under way: waiting entries judged over an overlay of the main log's state,
 * in the order in which the home takes them over, and what only this node's outbox
 * holds over a second one on top. Made when it is asked for and something has changed;
 * what only came at the end of either part is added to it, so that thousands of
 * entries taken while the home is away cost each of them a few times at most.
 *
 * Signatures are not checked again: an intake was checked before it was stored, and
 * the outbox holds what was signed here.
 */
#include "node/space_flight.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/outbox.h"

/* What was refused keeps its place in its feed: that has left the machine, and the entries
 * after it follow it. It is applied, and listed with the refusal's code. */
#define OUT_UNDER_WAY (1u << HARK_OUT_PENDING | 1u << HARK_OUT_ACCEPTED | 1u << HARK_OUT_REFUSED)

/* Room for one more element of `size` bytes behind `count`. */
static int grow(void **array, size_t *capacity, size_t count, size_t size, struct hark_err *err)
{
    size_t more = *capacity == 0 ? 64 : 2 * *capacity;
    void *bigger;

    if (count < *capacity)
        return 0;
    bigger = realloc(*array, more * size);
    if (bigger == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
    *array = bigger;
    *capacity = more;
    return 0;
}

/* --- entry ids ---------------------------------------------------------------- */

/* Ids are hashes, but whoever writes entries may choose among many. */
static uint32_t first_slot(const struct flight_ids *ids, const struct hark_hash *id)
{
    uint64_t hash = hark_keyed_hash(ids->hash_key, hark_span(id->bytes, sizeof(id->bytes)));

    return (uint32_t)hash & (ids->slot_count - 1);
}

static uint32_t find_id(const struct flight_ids *ids, const struct hark_flight_entry *entries,
                        const struct hark_hash *id)
{
    uint32_t at;

    if (ids->count == 0)
        return FLIGHT_NOWHERE;
    for (at = first_slot(ids, id); ids->slots[at] != 0; at = (at + 1) & (ids->slot_count - 1)) {
        if (hark_hash_equal(&entries[ids->slots[at] - 1].entry.id, id))
            return ids->slots[at] - 1;
    }
    return FLIGHT_NOWHERE;
}

static void put_id(struct flight_ids *ids, const struct hark_hash *id, uint32_t place)
{
    uint32_t at = first_slot(ids, id);

    while (ids->slots[at] != 0)
        at = (at + 1) & (ids->slot_count - 1);
    ids->slots[at] = place + 1;
}

/* `place` is that of an entry in the list already. */
static int add_id(struct flight_ids *ids, const struct hark_flight_entry *entries, uint32_t place,
                  struct hark_err *err)
{
    struct flight_ids bigger = *ids;

    if (ids->count >= ids->slot_count / 2) {
        bigger.slot_count = ids->slot_count == 0 ? 256 : 2 * ids->slot_count;
        bigger.slots = calloc(bigger.slot_count, sizeof(*bigger.slots));
        if (bigger.slots == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
        if (ids->slot_count == 0)
            hark_random(bigger.hash_key, sizeof(bigger.hash_key));
        for (uint32_t i = 0; i < ids->slot_count; i++) {
            if (ids->slots[i] != 0)
                put_id(&bigger, &entries[ids->slots[i] - 1].entry.id, ids->slots[i] - 1);
        }
        free(ids->slots);
        *ids = bigger;
    }
    put_id(ids, &entries[place].entry.id, place);
    ids->count++;
    return 0;
}

static void clear_ids(struct flight_ids *ids)
{
    free(ids->slots);
    memset(ids, 0, sizeof(*ids));
}

/* --- the list ------------------------------------------------------------------- */

static void shorten(struct space_flight *flight, size_t count)
{
    while (flight->count > count) {
        size_t last = --flight->count;

        flight->bytes -= flight->entries[last].object.size + flight->entries[last].payload.size;
        json_decref(flight->entries[last].json);
        free(flight->more[last].bytes);
    }
}

static void forget_outbox(struct space_flight *flight)
{
    shorten(flight, flight->waiting_count);
    flight->outbox_last = 0;
    flight->applied_count = flight->applied_waiting;
    flight->outbox_fresh = false;
    flight->outbox_turn++;
}

static void forget(struct space_flight *flight)
{
    hark_space_flight_inside_forget(flight->inside);
    forget_outbox(flight);
    flight->waiting_turn++;
    shorten(flight, 0);
    clear_ids(&flight->ids);
    flight->waiting_count = 0;
    flight->applied_count = flight->applied_waiting = 0;
    flight->place_count = 0;
    flight->seen_count = 0;
    flight->last_ms = 0;
    flight->added = 0;
    flight->disordered = false;
    flight->own_of[0] = '\0';
    flight->full = false;
    flight->waiting_fresh = false;
}

void hark_space_flight_free(struct hark_space *space)
{
    struct space_flight *flight = space->flight;

    if (flight == NULL)
        return;
    forget(flight);
    hark_space_flight_inside_free(flight->inside);
    hark_state_free(flight->provisional);
    hark_state_free(flight->waiting);
    hark_overlay_free(flight->outbox_over);
    hark_overlay_free(flight->waiting_over);
    free(flight->entries);
    free(flight->more);
    free(flight->applied);
    free(flight->seen);
    free(flight->places);
    free(flight);
    space->flight = NULL;
}

static bool is_full(const struct space_flight *flight)
{
    return flight->count >= FLIGHT_ENTRIES_MAX || flight->bytes >= FLIGHT_BYTES_MAX;
}

/* entries, more and applied have the same room. */
static int make_room(struct space_flight *flight, struct hark_err *err)
{
    size_t entries = flight->capacity, more = entries, applied = entries;
    void *p = flight->entries, *q = flight->more, *r = flight->applied;
    int rc = grow(&p, &entries, flight->count, sizeof(*flight->entries), err);

    flight->entries = p;
    if (rc == 0)
        rc = grow(&q, &more, flight->count, sizeof(*flight->more), err);
    flight->more = q;
    if (rc == 0)
        rc = grow(&r, &applied, flight->count, sizeof(*flight->applied), err);
    flight->applied = r;
    if (rc == 0)
        flight->capacity = entries;
    return rc;
}

static struct hark_span copy_to(uint8_t **at, struct hark_span bytes)
{
    struct hark_span copy = {.data = bytes.data == NULL ? NULL : *at, .size = bytes.size};

    if (bytes.data != NULL && bytes.size > 0)
        memcpy(*at, bytes.data, bytes.size);
    *at += bytes.size;
    return copy;
}

/* Takes the item's json; sets everything but where it stands. */
static int push(struct space_flight *flight, struct space_item *item, int code,
                struct hark_err *err)
{
    struct hark_flight_entry *entry;
    struct flight_more *more;
    uint8_t *at;
    int rc = make_room(flight, err);

    if (rc < 0)
        return rc;
    at = malloc(item->object.size + item->payload.size + 1);
    if (at == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
    entry = &flight->entries[flight->count];
    more = &flight->more[flight->count];
    memset(entry, 0, sizeof(*entry));
    *more =
        (struct flight_more){.bytes = at, .payload_state = item->payload_state, .own = HARK_NONE};
    entry->entry = item->entry;
    entry->object = copy_to(&at, item->object);
    entry->payload = copy_to(&at, item->payload);
    entry->accepted_ms = item->arrival.accepted_ms;
    entry->code = code;
    if (code == 0) {
        entry->effect = item->effect;
        entry->says = item->says;
        entry->json = item->json;
        item->json = NULL;
        flight->applied[flight->applied_count++] = (uint32_t)flight->count;
    }
    flight->bytes += entry->object.size + entry->payload.size;
    flight->count++;
    return 0;
}

/* Applies what is prepared; *code is why it could not be logged. */
static int judge(struct hark_state *state, struct space_item *item, int *code, struct hark_err *err)
{
    int rc;

    *code = item->code;
    if (*code != 0)
        return 0;
    item->arrival.git_id = item->git_id;
    rc = hark_space_item_apply(state, item, err);
    *code = hark_space_is_refusal(rc) ? rc : 0;
    return *code != 0 ? 0 : rc;
}

/* --- those waiting in intakes ----------------------------------------------------- */

static int seen_number(struct space_flight *flight, const char *name, uint16_t *number,
                       struct hark_err *err)
{
    struct space_from *bigger;
    size_t i;

    for (i = 0; i < flight->seen_count; i++) {
        if (strcmp(flight->seen[i].node, name) == 0) {
            *number = (uint16_t)i;
            return 0;
        }
    }
    bigger = i >= UINT16_MAX ? NULL : realloc(flight->seen, (i + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
    flight->seen = bigger;
    bigger[i].position = 0;
    (void)snprintf(bigger[i].node, sizeof(bigger[i].node), "%s", name);
    flight->seen_count++;
    *number = (uint16_t)i;
    return 0;
}

static void note_own(struct space_flight *flight, const struct flight_place *place)
{
    struct flight_more *more = &flight->more[place->entry];

    if (more->own != HARK_NONE)
        return;
    more->own = place->position;
    more->own_accepted_ms = place->accepted_ms;
}

int hark_space_flight_also(struct space_flight *flight, uint32_t entry, const char *node,
                           uint64_t position, uint64_t accepted_ms, struct hark_err *err)
{
    struct flight_place place = {.entry = entry, .position = position, .accepted_ms = accepted_ms};
    void *places = flight->places;
    int rc = seen_number(flight, node, &place.node, err);

    if (rc == 0)
        rc = grow(&places, &flight->place_capacity, flight->place_count, sizeof(place), err);
    flight->places = places;
    if (rc < 0)
        return rc;
    flight->places[flight->place_count++] = place;
    flight->seen[place.node].position = position + 1;
    if (flight->own_of[0] != '\0' && strcmp(flight->own_of, node) == 0)
        note_own(flight, &place);
    return 0;
}

void hark_space_flight_own(struct space_flight *flight, const char *self)
{
    if (strcmp(flight->own_of, self) == 0)
        return;
    (void)snprintf(flight->own_of, sizeof(flight->own_of), "%s", self);
    for (size_t i = 0; i < flight->waiting_count; i++)
        flight->more[i].own = HARK_NONE;
    for (size_t i = 0; i < flight->place_count; i++) {
        if (strcmp(flight->seen[flight->places[i].node].node, self) == 0)
            note_own(flight, &flight->places[i]);
    }
}

uint32_t hark_space_flight_find(const struct space_flight *flight, const struct hark_hash *id)
{
    return find_id(&flight->ids, flight->entries, id);
}

uint32_t hark_space_flight_at(const struct space_flight *flight, uint64_t position)
{
    if (position < flight->base || position - flight->base >= flight->applied_waiting)
        return FLIGHT_NOWHERE;
    return flight->applied[position - flight->base];
}

int hark_space_flight_add(struct space_flight *flight, struct space_item *item, int code,
                          const char *node, uint64_t position, struct hark_err *err)
{
    uint32_t place = (uint32_t)flight->waiting_count;
    int rc;

    forget_outbox(flight);
    rc = push(flight, item, code, err);
    if (rc < 0)
        return rc;
    flight->waiting_count = flight->count;
    flight->applied_waiting = flight->applied_count;
    (void)snprintf(flight->entries[place].node, sizeof(flight->entries[place].node), "%s", node);
    flight->entries[place].position = position;
    if (item->arrival.accepted_ms > flight->last_ms)
        flight->last_ms = item->arrival.accepted_ms;
    flight->added++;
    rc = add_id(&flight->ids, flight->entries, place, err);
    if (rc == 0)
        rc = hark_space_flight_also(flight, place, node, position, item->arrival.accepted_ms, err);
    return rc;
}

static int take_waiting(void *arg, const struct hark_waiting *waiting, struct hark_err *err)
{
    struct space_flight *flight = arg;
    struct space_item item = {
        .object = waiting->object,
        .payload = waiting->payload,
        .payload_state = waiting->payload_state,
        .arrival = {.arrival_ms = waiting->accepted_ms, .accepted_ms = waiting->accepted_ms}};
    uint32_t known = hark_space_flight_find(flight, &waiting->id);
    int code = 0, rc;

    if (known != FLIGHT_NOWHERE)
        return hark_space_flight_also(flight, known, waiting->node, waiting->position,
                                      waiting->accepted_ms, err);
    flight->full = is_full(flight);
    if (flight->full)
        return HARK_STOP;
    flight->disordered = flight->disordered || waiting->accepted_ms < flight->last_ms;
    hark_space_item_prepare(&item, true);
    rc = judge(flight->waiting, &item, &code, err);
    item.entry.id = waiting->id; /* whatever could be read of it */
    if (rc == 0)
        rc = hark_space_flight_add(flight, &item, code, waiting->node, waiting->position, err);
    hark_space_item_clear(&item);
    return rc;
}

/* Both overlays empty, their states where the main log stands. */
static int open_states(struct hark_space *space, struct space_flight *flight, struct hark_err *err)
{
    struct hark_store store;
    int rc = 0;

    if (flight->provisional != NULL) {
        hark_overlay_clear(flight->outbox_over);
        hark_overlay_clear(flight->waiting_over);
        return hark_state_reload(flight->waiting, err);
    }
    if (flight->waiting_over == NULL)
        rc = hark_overlay_new(&flight->waiting_over, &space->store, err);
    if (rc < 0)
        return rc;
    store = hark_overlay_store(flight->waiting_over);
    if (flight->waiting == NULL)
        rc = hark_state_open(&flight->waiting, &space->id, &store, err);
    if (rc == 0 && flight->outbox_over == NULL)
        rc = hark_overlay_new(&flight->outbox_over, &store, err);
    if (rc < 0)
        return rc;
    store = hark_overlay_store(flight->outbox_over);
    return hark_state_open(&flight->provisional, &space->id, &store, err);
}

/* All of them, in their order. */
static int order_waiting(struct hark_space *space, struct space_flight *flight,
                         struct hark_err *err)
{
    int rc;

    forget(flight);
    rc = open_states(space, flight, err);
    if (rc < 0)
        return rc;
    flight->base = hark_state_size(flight->waiting);
    rc = hark_space_each_waiting(space, take_waiting, flight, err);
    flight->added = 0;
    return rc;
}

/* What has come to intakes since, behind those that were there. Where some of it was
 * accepted before others of them all is put in order again, but not before as much has
 * come as makes that cheap: two nodes whose clocks differ would have it done for each
 * entry. */
static int extend_waiting(struct hark_space *space, struct space_flight *flight,
                          struct hark_err *err)
{
    int rc = 0;

    if (!flight->full)
        rc = hark_space_each_waiting_from(space, flight->seen, flight->seen_count, take_waiting,
                                          flight, err);
    if (rc == 0 && flight->disordered &&
        (flight->waiting_count < 256 || flight->added > flight->waiting_count / 8))
        rc = order_waiting(space, flight, err);
    return rc;
}

static int bring_waiting(struct hark_space *space, struct hark_err *err)
{
    struct space_flight *flight = space->flight;
    int rc;

    if (flight == NULL) {
        flight = space->flight = calloc(1, sizeof(*flight));
        if (flight == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
    }
    /* In an open batch the main log moves without a word. */
    if (!flight->waiting_fresh || space->flight_stale || space->pending.open)
        rc = order_waiting(space, flight, err);
    else if (space->intake_stale)
        rc = extend_waiting(space, flight, err);
    else
        return 0;
    if (rc < 0)
        return hark_err_wrap(err, rc, "what is under way");
    space->flight_stale = space->intake_stale = false;
    flight->waiting_fresh = true;
    return 0;
}

/* --- those of the outbox ---------------------------------------------------------- */

struct bringing {
    struct hark_space *space;
    size_t at;    /* in the list: what comes next in it */
    bool changed; /* what is in the list is not what the outbox holds, in its order */
};

static int take_out(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    struct bringing *bringing = arg;
    struct space_flight *flight = bringing->space->flight;
    /* Whoever takes it in will note a time; it has come here by this one. */
    struct space_item item = {
        .object = row->object,
        .payload = row->payload,
        .payload_state = row->payload.data != NULL ? 1 : 0,
        .arrival = {.arrival_ms = row->since_ms, .accepted_ms = row->since_ms}};
    uint64_t position;
    bool found = false, refused = row->state == HARK_OUT_REFUSED;
    int code = 0;
    int rc = hark_state_find_entry(flight->waiting, &row->id, &found, &position, err);

    if (rc == 0 && !is_full(flight))
        flight->outbox_last = row->number;
    if (rc < 0 || found || hark_space_flight_find(flight, &row->id) != FLIGHT_NOWHERE)
        return rc;
    if (bringing->at < flight->count) {
        bringing->changed = !hark_hash_equal(&flight->entries[bringing->at].entry.id, &row->id) ||
                            flight->more[bringing->at].refused != refused;
        bringing->at++;
        return bringing->changed ? HARK_STOP : 0;
    }
    if (is_full(flight))
        return HARK_STOP;
    hark_space_item_prepare(&item, true);
    rc = judge(flight->provisional, &item, &code, err);
    item.entry.id = row->id;
    if (rc == 0)
        rc = push(flight, &item, code == 0 && refused ? row->code : code, err);
    if (rc == 0)
        flight->more[flight->count - 1].refused = refused;
    if (rc == 0)
        bringing->at++;
    hark_space_item_clear(&item);
    return rc;
}

static bool outbox_there(const struct hark_space *space)
{
    return space->outbox != NULL || access(space->outbox_path, F_OK) == 0;
}

/* All of it, beside what is in the list; *changed when that is not its beginning. */
static int walk_outbox(struct hark_space *space, struct hark_outbox *outbox, bool *changed,
                       struct hark_err *err)
{
    struct space_flight *flight = space->flight;
    struct bringing bringing = {.space = space, .at = flight->waiting_count};
    int rc = hark_outbox_each(outbox, OUT_UNDER_WAY, take_out, &bringing, err);

    *changed = bringing.changed || bringing.at < flight->count;
    return rc;
}

static int bring_outbox(struct hark_space *space, struct hark_err *err)
{
    struct space_flight *flight = space->flight;
    struct hark_outbox *outbox = NULL;
    bool fresh = flight->outbox_fresh;
    bool changed = !fresh;
    int rc = 0;

    if (fresh && !space->outbox_stale)
        return 0;
    flight->outbox_fresh = false; /* until all has gone well */
    if (outbox_there(space))
        rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0 && fresh && outbox != NULL) {
        struct bringing more = {.space = space, .at = flight->count};

        if (!space->read_only && flight->outbox_changes == hark_outbox_changes(outbox))
            rc = hark_outbox_each_after(outbox, flight->outbox_last, OUT_UNDER_WAY, take_out, &more,
                                        err);
        else
            rc = walk_outbox(space, outbox, &changed, err);
    }
    if (rc == 0 && changed) {
        forget_outbox(flight);
        hark_overlay_clear(flight->outbox_over);
        rc = hark_state_reload(flight->provisional, err);
        if (rc == 0 && outbox != NULL)
            rc = walk_outbox(space, outbox, &changed, err);
    }
    if (rc < 0)
        return hark_err_wrap(err, rc, "what is under way");
    flight->outbox_changes = outbox != NULL ? hark_outbox_changes(outbox) : 0;
    space->outbox_stale = false;
    flight->outbox_fresh = true;
    return 0;
}

/* --- what others see ---------------------------------------------------------------- */

/* A reader's log may grow at any time: all is read at one instant. */
static int bring(struct hark_space *space, bool outbox, const struct hark_flight_entry **inside,
                 struct hark_err *err)
{
    int rc = space->read_only ? hark_index_begin(space->index, err) : hark_space_mend(space, err);

    if (rc < 0)
        return rc;
    rc = bring_waiting(space, err);
    if (rc == 0 && outbox)
        rc = bring_outbox(space, err);
    if (rc == 0 && inside != NULL)
        rc = hark_space_flight_inside(space, inside, err);
    if (space->read_only)
        hark_index_rollback(space->index);
    if (rc < 0 && space->flight != NULL)
        forget(space->flight);
    return rc;
}

int hark_space_flight_waiting(struct hark_space *space, struct space_flight **out,
                              struct hark_err *err)
{
    int rc = bring(space, false, NULL, err);

    *out = rc < 0 ? NULL : space->flight;
    return rc;
}

int hark_space_flight(struct hark_space *space, const struct hark_flight_entry **entries,
                      size_t *count, struct hark_err *err)
{
    int rc = bring(space, true, NULL, err);

    *entries = rc < 0 ? NULL : space->flight->entries;
    *count = rc < 0 ? 0 : space->flight->count;
    return rc;
}

int hark_space_flight_seen(struct hark_space *space, const struct hark_flight_entry **entries,
                           size_t *count, struct hark_err *err)
{
    const struct hark_flight_entry *seen = NULL;
    int rc = bring(space, true, &seen, err);

    *entries = rc < 0 ? NULL : seen;
    *count = rc < 0 ? 0 : space->flight->count;
    return rc;
}

int hark_space_provisional(struct hark_space *space, struct hark_state **state,
                           struct hark_err *err)
{
    int rc = bring(space, true, NULL, err);

    *state = rc < 0 ? NULL : space->flight->provisional;
    return rc;
}
