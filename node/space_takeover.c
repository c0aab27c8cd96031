/*
 * The home takes over what waits in the intakes that are here (PROTOCOL.md 7.2): in
 * the order of acceptance, each intake in its own; what may not be logged is passed
 * over. Where an entry stands in several intakes the first is the one accepted
 * earliest, and the others are passed over as duplicates.
 *
 * What waits is gathered a batch at a time, since logging changes what is read. The
 * last batch says how far each intake is taken: to its end, for by then everything in
 * it is logged or passed over. A crash before that loses nothing but the saying.
 */
#include <stdlib.h>
#include <string.h>

#include "node/space_flight.h"

struct gathered {
    uint32_t passed; /* whose intake */
    uint64_t position, accepted_ms;
    struct hark_span object, payload; /* of `bytes` */
    uint8_t *bytes;
};

struct takeover {
    struct hark_space *space;
    bool moved;                /* the space moves to another home with what comes next */
    struct space_from *passed; /* how far each intake has been gone through */
    size_t passed_count;
    struct gathered items[HARK_BATCH_ENTRIES_MAX];
    size_t count, bytes;
};

static int find_passed(struct takeover *t, const char *node, uint32_t *at, struct hark_err *err)
{
    struct space_from *bigger;

    for (size_t i = 0; i < t->passed_count; i++) {
        if (strcmp(t->passed[i].node, node) == 0) {
            *at = (uint32_t)i;
            return 0;
        }
    }
    bigger = realloc(t->passed, (t->passed_count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for taking over");
    t->passed = bigger;
    memset(&bigger[t->passed_count], 0, sizeof(*bigger));
    (void)snprintf(bigger[t->passed_count].node, sizeof(bigger->node), "%s", node);
    *at = (uint32_t)t->passed_count++;
    return 0;
}

static void let_go(struct takeover *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i].bytes);
    t->count = 0;
    t->bytes = 0;
}

static int gather(void *arg, const struct hark_waiting *waiting, struct hark_err *err)
{
    struct takeover *t = arg;
    struct gathered *item = &t->items[t->count];
    size_t size = waiting->object.size + waiting->payload.size;
    int rc = find_passed(t, waiting->node, &item->passed, err);

    if (rc < 0)
        return rc;
    item->bytes = malloc(size + 1);
    if (item->bytes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for taking over");
    memcpy(item->bytes, waiting->object.data, waiting->object.size);
    item->object = hark_span(item->bytes, waiting->object.size);
    item->payload = (struct hark_span){0};
    if (waiting->payload.data != NULL) {
        memcpy(item->bytes + item->object.size, waiting->payload.data, waiting->payload.size);
        item->payload = hark_span(item->bytes + item->object.size, waiting->payload.size);
    }
    item->position = waiting->position;
    item->accepted_ms = waiting->accepted_ms;
    t->count++;
    t->bytes += size;
    return t->count == HARK_BATCH_ENTRIES_MAX || t->bytes >= BATCH_BYTES_FULL ? HARK_STOP : 0;
}

/* Whom does this `home` entry name? */
static int names_other(struct takeover *t, struct hark_span payload, bool *other,
                       struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(t->space->state);
    int number = hark_kinds_find(kinds, "home");
    struct hark_node_object home;
    json_t *json = NULL;
    const char *name;
    int rc = hark_space_home(t->space, &home, err);

    *other = false;
    if (rc < 0 || number < 0 ||
        hark_payload_check(hark_kinds_get(kinds, (size_t)number), payload, &json, NULL) < 0)
        return rc;
    name = json_string_value(json_object_get(json, "node"));
    *other = name != NULL && strcmp(name, home.name) != 0;
    json_decref(json);
    return 0;
}

/* An entry that makes another node the home is that node's to log, with all that comes
 * after it (PROTOCOL.md 7.6). */
static int check_moves(struct takeover *t, const struct gathered *item, struct hark_err *err)
{
    struct hark_arrival arrival = {.arrival_ms = item->accepted_ms,
                                   .accepted_ms = item->accepted_ms};
    struct hark_err why = {.code = 0};
    struct hark_entry entry;
    bool other = false;
    int rc = hark_entry_parse(&entry, item->object, err);

    if (rc < 0 || strcmp(entry.kind, "home") != 0)
        return rc;
    rc = names_other(t, item->payload, &other, err);
    if (rc < 0 || !other)
        return rc;
    rc = hark_state_may_log(t->space->state, &entry, item->payload, &why);
    if (rc == 0)
        rc = hark_state_judge(t->space->state, &entry, &arrival, item->payload, &why);
    t->moved = rc == 0;
    return rc < 0 && !hark_space_is_refusal(rc) ? hark_err_set(err, rc, "%.400s", why.message) : 0;
}

/* Adds what was gathered to the open batch. */
static int add_gathered(struct takeover *t, const struct hark_signer *log_key, uint64_t now_ms,
                        bool *changed, struct hark_err *err)
{
    for (size_t i = 0; i < t->count && !t->moved; i++) {
        const struct gathered *item = &t->items[i];
        struct space_from *passed = &t->passed[item->passed];
        struct hark_offer offer = {.bytes = item->object,
                                   .payload = item->payload,
                                   .trusted = true, /* checked before it was stored */
                                   .now_ms = now_ms};
        struct hark_err why = {.code = 0};
        int rc = check_moves(t, item, err);

        if (rc < 0 || t->moved)
            return rc;
        rc = hark_space_add_from(t->space, &offer, passed->node, item->position, item->accepted_ms,
                                 log_key, NULL, &why);
        if (rc < 0 && !hark_space_is_refusal(rc))
            return hark_err_set(err, rc, "position %llu of the intake of %s: %.400s",
                                (unsigned long long)item->position, passed->node, why.message);
        *changed = *changed || rc == 0;
        passed->position = item->position + 1;
    }
    return 0;
}

/* One round: a batch of what waits and has not been gone through yet. */
static int take_round(struct takeover *t, const struct hark_signer *log_key, uint64_t now_ms,
                      bool *more, bool *changed, struct hark_err *err)
{
    int rc = hark_space_each_waiting_from(t->space, t->passed, t->passed_count, gather, t, err);

    *more = t->count == HARK_BATCH_ENTRIES_MAX || t->bytes >= BATCH_BYTES_FULL;
    if (rc == 0 && t->count > 0) {
        rc = hark_space_begin(t->space, err);
        if (rc == 0)
            rc = add_gathered(t, log_key, now_ms, changed, err);
        /* The last batch stays open, to say how far the intakes are taken. */
        if (rc == 0 && *more && !t->moved)
            rc = hark_space_commit(t->space, log_key, now_ms, err);
    }
    let_go(t);
    return rc;
}

/* Says of each intake in `names` that all of it is taken, as many a batch as it holds.
 * The space is open for a batch. */
static int say_taken(struct takeover *t, hark_node_name *names, size_t count,
                     const struct hark_signer *log_key, uint64_t now_ms, bool *changed,
                     struct hark_err *err)
{
    struct hark_taken *taken = calloc(HARK_BATCH_TAKEN_MAX, sizeof(*taken));
    size_t used = 0;
    int rc = 0;

    if (taken == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for taking over");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_log_head head;
        uint64_t batches = 0, before = 0;

        rc = hark_space_log(t->space, names[i], &head, &batches, err);
        if (rc == 0)
            rc = hark_space_taken(t->space, names[i], &before, err);
        if (rc < 0 || head.tree.size <= before)
            continue;
        if (used == HARK_BATCH_TAKEN_MAX) {
            rc = hark_space_pending_taken(t->space, taken, used, err);
            if (rc == 0)
                rc = hark_space_commit(t->space, log_key, now_ms, err);
            if (rc == 0)
                rc = hark_space_begin(t->space, err);
            used = 0;
        }
        memcpy(taken[used].origin, head.origin, sizeof(taken[used].origin));
        taken[used].size = head.tree.size;
        taken[used++].root = hark_merkle_root(&head.tree);
        *changed = true;
    }
    if (rc == 0)
        rc = hark_space_pending_taken(t->space, taken, used, err);
    free(taken);
    return rc;
}

/* Is there an intake that the log has not said to have taken to its end? */
static int find_untaken(struct hark_space *space, hark_node_name *names, size_t count, bool *any,
                        struct hark_err *err)
{
    int rc = 0;

    *any = false;
    for (size_t i = 0; rc == 0 && !*any && i < count; i++) {
        struct hark_log_head head;
        uint64_t batches = 0, before = 0;

        rc = hark_space_log(space, names[i], &head, &batches, err);
        if (rc == 0)
            rc = hark_space_taken(space, names[i], &before, err);
        *any = rc == 0 && head.tree.size > before;
    }
    return rc;
}

int hark_space_take_over(struct hark_space *space, const struct hark_signer *log_key,
                         uint64_t now_ms, bool *changed, struct hark_err *err)
{
    struct takeover *t = calloc(1, sizeof(*t));
    hark_node_name *names = NULL;
    size_t count = 0;
    bool more = true, untaken = false;
    int rc = 0;

    *changed = false;
    if (!space->head.has_batch || !hark_key_equal(&space->head.log_key, hark_signer_key(log_key))) {
        free(t);
        return hark_err_set(err, HARK_E_ACCEPT_NOT_HERE, "this node is not the home of the space");
    }
    if (t == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for taking over");
    t->space = space;
    while (rc == 0 && more && !t->moved)
        rc = take_round(t, log_key, now_ms, &more, changed, err);
    if (rc == 0)
        rc = hark_space_intakes(space, &names, &count, err);
    /* Asked after every batch: a transaction that is opened for nothing and given up
     * would cost all that is remembered of the index. */
    if (rc == 0 && !space->pending.open)
        rc = find_untaken(space, names, count, &untaken, err);
    if (rc == 0 && untaken)
        rc = hark_space_begin(space, err);
    if (rc == 0 && !t->moved && space->pending.open)
        rc = say_taken(t, names, count, log_key, now_ms, changed, err);
    if (rc == 0 && space->pending.open)
        rc = hark_space_commit(space, log_key, now_ms, err);
    if (rc < 0)
        hark_space_rollback(space);
    free(names);
    free(t->passed);
    free(t);
    return rc;
}

/* --- what waits too long ---------------------------------------------------------- */

int hark_space_merge_delay(struct hark_space *space, uint64_t *delay_ms, struct hark_err *err)
{
    return hark_space_delay(&space->store, delay_ms, err);
}

int hark_space_overdue(struct hark_space *space, uint64_t now_ms, uint64_t *count,
                       uint64_t *oldest_ms, struct hark_err *err)
{
    struct space_flight *flight = NULL;
    uint64_t delay_ms = 0;
    int rc = 0;

    *count = 0;
    *oldest_ms = 0;
    if (hark_state_size(space->state) == 0)
        return 0;
    rc = hark_space_merge_delay(space, &delay_ms, err);
    if (rc == 0)
        rc = hark_space_flight_waiting(space, &flight, err);
    for (size_t i = 0; rc == 0 && i < flight->waiting_count; i++) {
        uint64_t since = flight->entries[i].accepted_ms;

        if (since + delay_ms >= now_ms)
            continue;
        if (*count == 0 || since < *oldest_ms)
            *oldest_ms = since;
        (*count)++;
    }
    return rc;
}
