/*
 * Taking entries in at a named node that is not the home: judged as the home would
 * (PROTOCOL.md 6.4) after all that waits in the intakes that are here, and written to
 * this node's own intake log. That log must be good by itself over the main log
 * (PROTOCOL.md 7.2): what an entry hangs on and another node took in is copied in
 * before it.
 */
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/space_flight.h"

#define RECENT_MAX 65536u /* beyond, the oldest are forgotten early */

/* --- how often ----------------------------------------------------------------- */

struct recent {
    uint64_t accepted_ms;
    struct hark_key author;
};

/* Of the last minute, oldest first; in one piece, which the space frees. It is not in
 * the index: a restart makes it anew from what waits. */
struct space_recent {
    size_t count, capacity;
    struct recent list[];
};

static void drop_recent(struct space_recent *recent, size_t count)
{
    recent->count -= count;
    memmove(recent->list, recent->list + count, recent->count * sizeof(*recent->list));
}

static int add_recent(struct hark_space *space, const struct hark_key *author, uint64_t accepted_ms,
                      struct hark_err *err)
{
    struct space_recent *recent = space->recent;

    if (recent != NULL && recent->count == RECENT_MAX)
        drop_recent(recent, RECENT_MAX / 4);
    if (recent == NULL || recent->count == recent->capacity) {
        size_t count = recent == NULL ? 0 : recent->count;
        size_t more = recent == NULL ? 64 : 2 * recent->capacity;

        recent = realloc(recent, sizeof(*recent) + more * sizeof(recent->list[0]));
        if (recent == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a rate");
        recent->count = count;
        recent->capacity = more;
        space->recent = recent;
    }
    recent->list[recent->count++] = (struct recent){accepted_ms, *author};
    return 0;
}

/* What is in the own intake since a minute, and nothing older. */
static int bring_recent(struct hark_space *space, const struct space_flight *flight,
                        uint64_t now_ms, struct hark_err *err)
{
    uint64_t since = now_ms > HARK_ACCEPT_WINDOW_MS ? now_ms - HARK_ACCEPT_WINDOW_MS : 0;
    bool first = space->recent == NULL;
    struct space_recent *recent;
    size_t old = 0;
    int rc = 0;

    for (size_t i = 0; first && rc == 0 && i < flight->waiting_count; i++) {
        const struct flight_more *more = &flight->more[i];

        if (more->own != HARK_NONE && more->own_accepted_ms > since)
            rc = add_recent(space, &flight->entries[i].entry.author, more->own_accepted_ms, err);
    }
    recent = space->recent;
    if (recent == NULL)
        return rc;
    while (old < recent->count && recent->list[old].accepted_ms <= since)
        old++;
    if (old > 0)
        drop_recent(recent, old);
    return rc;
}

static uint64_t count_recent(const struct space_recent *recent, const struct hark_key *author)
{
    uint64_t count = 0;

    for (size_t i = 0; recent != NULL && i < recent->count; i++)
        count += hark_key_equal(&recent->list[i].author, author);
    return count;
}

/* --- what goes into the intake --------------------------------------------------- */

struct accepting {
    struct hark_space *space;
    struct space_flight *flight;
    const char *self;
    const struct hark_offer *offers;
    struct space_item *items; /* of the offers, prepared */
    struct hark_outcome *outcomes;
    uint64_t per_minute;
    uint64_t now_ms, at_ms; /* of taking: not before the intake's last */
    bool has_intake;
    struct hark_intake intake; /* the own, before */
    uint64_t base;             /* its size */
    struct space_item *queue;
    size_t queued, room;
    uint32_t *picked; /* what is to be copied in before the entry at hand */
    size_t picked_count, picked_room;
};

static int enqueue(struct accepting *a, const struct space_item *item, struct hark_err *err)
{
    if (a->queued == a->room) {
        size_t more = a->room == 0 ? 64 : 2 * a->room;
        struct space_item *bigger = realloc(a->queue, more * sizeof(*bigger));

        if (bigger == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an intake");
        a->queue = bigger;
        a->room = more;
    }
    a->queue[a->queued] = *item;
    a->queue[a->queued++].json = NULL; /* what waits keeps it */
    return 0;
}

/* Picks the waiting entry with that id unless it is in the own intake. One that could
 * not be logged is nothing that anything hangs on. */
static int pick(struct accepting *a, uint32_t at, struct hark_err *err)
{
    struct flight_more *more;

    if (at == FLIGHT_NOWHERE)
        return 0;
    more = &a->flight->more[at];
    if (more->own != HARK_NONE || more->picked || a->flight->entries[at].code != 0)
        return 0;
    if (a->picked_count == a->picked_room) {
        size_t room = a->picked_room == 0 ? 64 : 2 * a->picked_room;
        uint32_t *bigger = realloc(a->picked, room * sizeof(*bigger));

        if (bigger == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an intake");
        a->picked = bigger;
        a->picked_room = room;
    }
    more->picked = true;
    a->picked[a->picked_count++] = at;
    return 0;
}

/* The one that brought its kind, when that is the space's own. */
static int pick_kind(struct accepting *a, const struct hark_entry *entry, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(a->flight->waiting);
    struct hark_store store = hark_overlay_store(a->flight->waiting_over);
    size_t builtin = hark_kinds_builtin_count(kinds), size = 0;
    int at = hark_kinds_find(kinds, entry->kind);
    uint8_t object[HARK_OBJECT_MAX];
    int rc;

    if (at < 0 || (size_t)at < builtin)
        return 0;
    rc = store.get(store.arg, HARK_SECTION_KIND, (size_t)at - builtin, object, &size, err);
    if (rc == 0 && size < 8)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state holds a kind that is none");
    /* Its position is the object's end (PROTOCOL.md 6.5). */
    return rc < 0 ? rc
                  : pick(a, hark_space_flight_at(a->flight, hark_get_u64(object + size - 8)), err);
}

/* The entry before it in its feed, those that it is about, and those that brought its
 * author's key and its kind. */
static int pick_what_it_hangs_on(struct accepting *a, const struct hark_entry *entry,
                                 struct hark_err *err)
{
    struct hark_key_object key = {0};
    uint32_t number = 0;
    bool found = false;
    int rc = 0;

    if (entry->seq > 1)
        rc = pick(a, hark_space_flight_find(a->flight, &entry->previous), err);
    for (size_t i = 0; rc == 0 && i < entry->re_count; i++)
        rc = pick(a, hark_space_flight_find(a->flight, &entry->re[i]), err);
    if (rc == 0)
        rc = hark_state_find_key(a->flight->waiting, &entry->author, &found, &number, err);
    if (rc == 0 && found)
        rc = hark_state_key(a->flight->waiting, number, &key, err);
    if (rc == 0 && found)
        rc = pick(a, hark_space_flight_at(a->flight, key.since), err);
    return rc == 0 ? pick_kind(a, entry, err) : rc;
}

static int compare_places(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* In the order in which they wait each comes after what it hangs on. */
static int pick_all(struct accepting *a, const struct hark_entry *entry, struct hark_err *err)
{
    int rc;

    a->picked_count = 0;
    rc = pick_what_it_hangs_on(a, entry, err);
    for (size_t i = 0; rc == 0 && i < a->picked_count; i++)
        rc = pick_what_it_hangs_on(a, &a->flight->entries[a->picked[i]].entry, err);
    for (size_t i = 0; i < a->picked_count; i++)
        a->flight->more[a->picked[i]].picked = false;
    if (a->picked_count > 0)
        qsort(a->picked, a->picked_count, sizeof(*a->picked), compare_places);
    return rc;
}

/* The own intake may hold a twin that came too late: there its feed goes on another
 * way, and an entry of the feed as it is elsewhere does not fit. */
static int check_own_feed(struct accepting *a, const struct hark_entry *entry, struct hark_err *err)
{
    uint64_t position = 0;
    bool found = false;
    int rc = hark_index_intake_nth(a->space->index, a->intake.number, &entry->author, entry->seq,
                                   &found, &position, err);

    if (rc == 0 && found)
        rc = hark_err_set(err, HARK_E_ENTRY_TWIN,
                          "this node has taken in another entry %llu of this feed",
                          (unsigned long long)entry->seq);
    return rc;
}

static int check_own_feeds(struct accepting *a, const struct hark_entry *entry,
                           struct hark_err *err)
{
    int rc = a->has_intake ? check_own_feed(a, entry, err) : 0;

    for (size_t i = 0; rc == 0 && a->has_intake && i < a->picked_count; i++)
        rc = check_own_feed(a, &a->flight->entries[a->picked[i]].entry, err);
    return rc;
}

static int copy_in(struct accepting *a, uint32_t at, const struct space_item *instead,
                   struct hark_err *err)
{
    const struct hark_flight_entry *entry = &a->flight->entries[at];
    struct space_item item = {.object = entry->object,
                              .payload = entry->payload,
                              .payload_state = a->flight->more[at].payload_state};
    uint64_t position = a->base + a->queued;
    int rc;

    hark_space_item_prepare(&item, true);
    rc = item.code;
    if (rc < 0)
        return hark_err_set(err, rc, "what waits cannot be copied: %s", item.err.message);
    rc = enqueue(a, instead != NULL ? instead : &item, err);
    return rc < 0 ? rc : hark_space_flight_also(a->flight, at, a->self, position, a->at_ms, err);
}

static int copy_picked(struct accepting *a, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < a->picked_count; i++)
        rc = copy_in(a, a->picked[i], NULL, err);
    return rc;
}

/* --- one offer -------------------------------------------------------------------- */

/* Is it here already? Then the outcome says where. */
static int find_here(struct accepting *a, size_t i, bool *here, struct hark_err *err)
{
    struct hark_outcome *outcome = &a->outcomes[i];
    struct hark_row row = {.position = 0};
    uint32_t at = hark_space_flight_find(a->flight, &outcome->id);
    int rc = hark_state_find_entry(a->space->state, &outcome->id, here, &outcome->position, err);

    if (rc < 0)
        return rc;
    if (*here) {
        outcome->logged = true;
        rc = hark_index_row(a->space->index, outcome->position, &row, err);
        outcome->accepted_ms = row.accepted_ms;
        return rc;
    }
    if (at != FLIGHT_NOWHERE && a->flight->more[at].own != HARK_NONE) {
        outcome->position = a->flight->more[at].own;
        outcome->accepted_ms = a->flight->more[at].own_accepted_ms;
        *here = true;
    }
    return 0;
}

/* Would it be taken? `known`: another node has taken it in. */
static int judge_offer(struct accepting *a, size_t i, uint32_t known, struct hark_err *err)
{
    const struct hark_flight_entry *there;

    if (a->flight->full)
        return hark_err_set(err, HARK_E_BUSY, "too much waits for the home to take it over");
    if (a->per_minute > 0 &&
        count_recent(a->space->recent, &a->items[i].entry.author) >= a->per_minute)
        return hark_err_set(err, HARK_E_ACCEPT_RATE, "%llu entries of this key within a minute",
                            (unsigned long long)a->per_minute);
    if (known == FLIGHT_NOWHERE)
        return a->offers[i].accept
                   ? hark_space_item_acceptable(a->flight->waiting, &a->items[i], err)
                   : 0;
    there = &a->flight->entries[known];
    if (there->code != 0)
        return hark_err_set(err, there->code, "it waits at %s, where it came too late",
                            there->node);
    if (a->offers[i].accept && there->effect.verdict != 0)
        return hark_err_set(err, there->effect.verdict_code, "it waits at %s as void", there->node);
    return 0;
}

/* *applied: what waits has changed, and there is no refusing any more. */
static int take_in(struct accepting *a, size_t i, uint32_t known, bool *applied,
                   struct hark_err *err)
{
    struct space_item *item = &a->items[i];
    int rc = pick_all(a, &item->entry, err);

    if (rc == 0)
        rc = check_own_feeds(a, &item->entry, err);
    if (rc == 0 && known == FLIGHT_NOWHERE)
        rc = hark_space_item_apply(a->flight->waiting, item, err);
    if (rc < 0)
        return rc;
    *applied = true;
    rc = copy_picked(a, err);
    a->outcomes[i].position = a->base + a->queued;
    a->outcomes[i].accepted_ms = a->at_ms;
    if (rc == 0 && known != FLIGHT_NOWHERE)
        rc = copy_in(a, known, item, err);
    else if (rc == 0)
        rc = enqueue(a, item, err);
    if (rc == 0 && known == FLIGHT_NOWHERE)
        rc = hark_space_flight_add(a->flight, item, 0, a->self, a->outcomes[i].position, err);
    if (rc == 0)
        rc = add_recent(a->space, &item->entry.author, a->at_ms, err);
    return rc;
}

static void refuse(struct hark_outcome *outcome, int code, const struct hark_err *why)
{
    struct hark_hash id = outcome->id;

    memset(outcome, 0, sizeof(*outcome));
    outcome->id = id;
    outcome->code = code;
    (void)snprintf(outcome->message, sizeof(outcome->message), "%.199s", why->message);
}

/* Refusals stand in the outcome; what is returned ends the call. */
static int take_offer(struct accepting *a, size_t i, struct hark_err *err)
{
    struct space_item *item = &a->items[i];
    struct hark_outcome *outcome = &a->outcomes[i];
    struct hark_err why = {.code = 0};
    uint32_t known;
    bool here = false, applied = false;
    int rc;

    outcome->id = item->entry.id;
    if (item->code != 0) {
        refuse(outcome, item->code, &item->err);
        return 0;
    }
    rc = find_here(a, i, &here, err);
    if (rc < 0 || here)
        return rc;
    item->arrival = (struct hark_arrival){
        .arrival_ms = a->at_ms, .accepted_ms = a->at_ms, .git_id = item->git_id};
    known = hark_space_flight_find(a->flight, &outcome->id);
    rc = judge_offer(a, i, known, &why);
    if (rc == 0)
        rc = take_in(a, i, known, &applied, &why);
    if (rc < 0 && !applied &&
        (hark_space_is_refusal(rc) || rc == HARK_E_BUSY || rc == HARK_E_ACCEPT_RATE)) {
        if (rc == HARK_E_ENTRY_TWIN && !a->offers[i].trusted)
            hark_convict_suspect(a->space, &item->entry.author, item->object,
                                 (struct hark_span){0});
        refuse(outcome, rc, &why);
        return 0;
    }
    return rc < 0 ? hark_err_set(err, rc, "%s", why.message) : 0;
}

/* --- all of them -------------------------------------------------------------------- */

/* As many at a time as a batch holds. */
static int write_queue(struct accepting *a, const struct hark_signer *log_key, struct hark_err *err)
{
    int rc = 0;

    for (size_t from = 0, to; rc == 0 && from < a->queued; from = to) {
        size_t bytes = 0;

        for (to = from; to < a->queued && to - from < HARK_BATCH_ENTRIES_MAX; to++) {
            size_t size = a->queue[to].object.size + a->queue[to].payload.size;

            if (to > from && bytes + size > BATCH_BYTES_FULL)
                break;
            bytes += size;
        }
        rc = hark_space_intake_append(a->space, a->self, log_key, a->queue + from, to - from,
                                      a->now_ms, err);
    }
    return rc;
}

static int check_written(struct accepting *a, struct hark_err *err)
{
    struct hark_log_head head;
    uint64_t batches = 0;
    int rc = hark_space_log(a->space, a->self, &head, &batches, err);

    if (rc == 0 && (head.tree.size != a->base + a->queued || head.last_arrival_ms != a->at_ms))
        rc = hark_err_set(err, HARK_E_INTERNAL, "the intake is not where it should be");
    return rc;
}

/* Only a node that is named now takes entries in, and the home logs them. */
static int check_self(struct hark_space *space, const char *self, struct hark_err *err)
{
    uint32_t home = hark_state_space_object(space->state)->home;
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_node_object node;
    int rc;

    if (hark_state_size(space->state) == 0)
        return hark_err_set(err, HARK_E_ACCEPT_NOT_HERE, "the space is not here yet");
    rc = hark_state_counts(space->state, counts, err);
    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        rc = hark_state_node(space->state, (uint32_t)i, &node, err);
        if (rc == 0 && i != home && node.until == HARK_NONE && strcmp(node.name, self) == 0)
            return 0;
    }
    return rc < 0 ? rc
                  : hark_err_set(err, HARK_E_ACCEPT_NOT_HERE,
                                 "%s does not take in entries for this space", self);
}

struct preparing {
    struct space_item *items;
    const struct hark_offer *offers;
};

static void prepare_nth(void *arg, size_t i)
{
    struct preparing *p = arg;

    hark_space_item_prepare(&p->items[i], p->offers[i].trusted);
}

static int begin(struct accepting *a, size_t count, struct hark_err *err)
{
    struct preparing preparing = {.offers = a->offers};
    const struct hark_log_head *head = &a->intake.head;
    int rc = hark_index_intake(a->space->index, a->self, &a->has_intake, &a->intake, err);

    if (rc < 0)
        return rc;
    a->base = head->tree.size; /* nothing where there is none */
    for (size_t i = 0; i < count; i++)
        a->now_ms = a->offers[i].now_ms > a->now_ms ? a->offers[i].now_ms : a->now_ms;
    a->at_ms = a->now_ms > head->last_arrival_ms ? a->now_ms : head->last_arrival_ms;
    a->items = preparing.items = calloc(count > 0 ? count : 1, sizeof(*a->items));
    if (a->items == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu entries", count);
    for (size_t i = 0; i < count; i++) {
        a->items[i].object = a->offers[i].bytes;
        a->items[i].payload = a->offers[i].payload;
        a->items[i].payload_state = a->offers[i].payload.data != NULL ? 1 : 0;
    }
    hark_pool_run(a->space->pool, count, prepare_nth, &preparing);
    hark_space_flight_own(a->flight, a->self);
    return bring_recent(a->space, a->flight, a->at_ms, err);
}

int hark_space_accept(struct hark_space *space, const char *self, const struct hark_signer *log_key,
                      const struct hark_offer *offers, size_t count, uint64_t accept_per_minute,
                      struct hark_outcome *outcomes, struct hark_err *err)
{
    struct accepting a = {.space = space,
                          .self = self,
                          .offers = offers,
                          .outcomes = outcomes,
                          .per_minute = accept_per_minute};
    int rc;

    memset(outcomes, 0, count * sizeof(*outcomes));
    if (space->read_only || space->pending.open)
        return hark_err_set(err, HARK_E_INTERNAL, "the space is not open for taking entries in");
    if (space->held)
        return hark_err_set(err, HARK_E_BEHIND,
                            "this node takes nothing in before it has compared its log with "
                            "another's");
    rc = hark_space_flight_waiting(space, &a.flight, err); /* mends, too */
    if (rc == 0)
        rc = check_self(space, self, err);
    if (rc < 0)
        return rc;
    rc = begin(&a, count, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = take_offer(&a, i, err);
    if (rc == 0 && a.queued > 0)
        rc = write_queue(&a, log_key, err);
    if (rc == 0 && a.queued > 0)
        rc = check_written(&a, err);
    /* What waits is what was noted on the way; or nobody knows. */
    if (rc < 0)
        space->flight_stale = true;
    else
        space->intake_stale = false;
    for (size_t i = 0; a.items != NULL && i < count; i++)
        hark_space_item_clear(&a.items[i]);
    free(a.items);
    free(a.queue);
    free(a.picked);
    return rc;
}
