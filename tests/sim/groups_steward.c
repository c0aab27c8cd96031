/*
 * What a steward writes, fair or not: who comes, who goes, fresh keys in parts. It works with
 * the ring of a device of its own, as PROTOCOL.md 10.7 says that it does. See groups.h.
 */
#include "groups.h"

/* ---- Fields -------------------------------------------------------------------------- */

static json_t *base64_of(const uint8_t *data, size_t size)
{
    struct hark_buf text = hark_buf_init(4u * HARK_EPOCH_BOX_SIZE);
    json_t *json = NULL;

    if (hark_base64_encode(&text, hark_span(data, size), NULL) == 0)
        json = json_stringn((const char *)text.data, text.size);
    hark_buf_free(&text);
    return json;
}

static void random_bytes(struct groups_sim *sim, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i += 8)
        hark_put_u64(out + i, groups_below(sim, 0));
}

static struct hark_epoch *random_epoch(struct groups *group, uint32_t number)
{
    uint8_t bytes[HARK_EPOCH_KEY_SIZE];
    struct hark_epoch *epoch = NULL;
    struct hark_err err;

    random_bytes(group->sim, bytes, sizeof(bytes));
    (void)groups_ok(group->sim,
                    hark_epoch_from_bytes(&epoch, &group->world->space, number, bytes, &err),
                    "a key", &err);
    return epoch;
}

/* The key of the next epoch as a step; NULL: the steward has not the one in force. */
static struct hark_epoch *next_step(struct groups *group)
{
    struct groups_seat *office = groups_office(group);
    const struct hark_epoch *now = NULL;
    struct hark_epoch *next = NULL;
    struct hark_err err;

    if (group->event_count == 0)
        return random_epoch(group, 0);
    if (office->known[group->event_count - 1] != GROUPS_RIGHT)
        return NULL;
    if (groups_ok(group->sim, hark_ring_key(&now, office->node->ring, group->event_count - 1, &err),
                  "the steward's key", &err))
        (void)groups_ok(group->sim, hark_epoch_step(&next, now, &err), "a step", &err);
    return next;
}

static struct groups_event *new_event(struct groups *group, const struct hark_epoch *key)
{
    struct groups_event *event = &group->events[group->event_count++];

    memset(event, 0, sizeof(*event));
    event->position = group->world->count - 1;
    event->joiner = GROUPS_NOBODY;
    hark_epoch_bytes(event->key, key);
    return event;
}

/* The steward's node is at the end of the log; there is room for more. */
static bool ready(struct groups *group)
{
    struct groups_seat *office = groups_office(group);

    if (office != NULL)
        groups_follow(office, group->world->count);
    return group->sim->broken[0] == '\0' && group->event_count < GROUPS_EPOCHS &&
           group->world->count + 3u * GROUPS_OUT_MAX < GROUPS_LOG_MAX;
}

static int steward_says(struct groups *group, const char *kind, json_t *fields)
{
    static const struct groups_truth TRUTH = {.seat = GROUPS_NOBODY};
    struct world_draft draft = {.by = group->steward, .kind = kind, .fields = fields};
    struct world_entry *entry = world_build(group->world, &draft);

    return groups_append(group, &entry, &TRUTH);
}

/* ---- Who comes ------------------------------------------------------------------------ */

static struct groups_seat *seat_of(struct groups *group, uint32_t person)
{
    for (uint32_t i = 0; i < group->seat_count; i++) {
        if (group->seats[i]->person == person && groups_in_force(group->seats[i]))
            return group->seats[i];
    }
    return NULL;
}

static enum groups_box seal_join(struct groups *group, struct hark_epoch_box *box,
                                 const struct hark_epoch *key, enum groups_trick trick)
{
    struct hark_epoch *other = NULL;
    struct hark_err err;

    if (trick == GROUPS_BAD_BOXES) {
        random_bytes(group->sim, box->sealed, sizeof(box->sealed));
        return GROUPS_GARBAGE;
    }
    if (trick == GROUPS_TWO_KEYS)
        other = random_epoch(group, hark_epoch_number(key));
    (void)groups_ok(group->sim, hark_epoch_seal_boxes(other != NULL ? other : key, box, 1, &err),
                    "a box", &err);
    hark_epoch_free(other);
    return trick == GROUPS_TWO_KEYS ? GROUPS_OTHER : GROUPS_GOOD;
}

static json_t *join_fields(struct groups *group, uint32_t person, uint32_t pool,
                           const struct hark_epoch_box *box, bool *is_device)
{
    const struct groups_seat *before = seat_of(group, person);
    json_t *fields;

    *is_device = before != NULL;
    fields =
        before != NULL
            ? world_fields_device(group->world, before->member, pool)
            : world_fields_admit(group->world, pool,
                                 groups_chance(group->sim, 300) ? "staff" : "member", WORLD_NO_KEY);
    json_object_set_new(fields, "group_key",
                        json_pack("{s:I, s:o}", "epoch", (json_int_t)group->event_count, "box",
                                  base64_of(box->sealed, sizeof(box->sealed))));
    return fields;
}

static void take_seat(struct groups *group, struct groups_seat *seat)
{
    const struct world_entry *e = group->world->log[group->world->count - 1];
    bool found = false;
    struct hark_err err;

    seat->member = e->effect.member;
    seat->since = e->effect.position;
    (void)groups_ok(group->sim,
                    hark_state_find_key(group->world->state, world_key(seat->pool), &found,
                                        &seat->number, &err),
                    "the newcomer's key", &err);
    if (group->office == GROUPS_NOBODY)
        group->office = seat->index;
    group->sim->sums.joins++;
}

void groups_join(struct groups *group, uint32_t person, uint32_t pool, enum groups_trick trick,
                 bool with_node)
{
    struct hark_epoch_box box = {.to = *world_box(pool)};
    struct groups_event *event;
    struct groups_seat *seat;
    struct hark_epoch *key;
    enum groups_box sent;
    bool is_device = false;
    json_t *fields;
    int verdict;

    if (!ready(group) || group->seat_count == GROUPS_SEATS_MAX)
        return;
    key = next_step(group);
    if (key == NULL)
        return;
    sent = seal_join(group, &box, key, trick);
    fields = join_fields(group, person, pool, &box, &is_device);
    verdict = steward_says(group, is_device ? "device" : "admit", fields);
    seat = groups_new_seat(group, person, pool, with_node);
    if (verdict != 0 || seat == NULL) {
        groups_broken(group->sim, "who joins does not: %s", hark_err_name(verdict));
    } else {
        take_seat(group, seat);
        event = new_event(group, key);
        event->joiner = seat->index;
        event->box[seat->index] = (uint8_t)sent;
        event->other = sent == GROUPS_OTHER ? group->next_bad++ : 0;
        groups_tell(group->sim, "group %u: seat %u of person %u, key %u, epoch %u, box %d",
                    group->index, seat->index, person, seat->number, group->event_count - 1,
                    (int)sent);
    }
    hark_epoch_free(key);
}

/* ---- Who goes -------------------------------------------------------------------------- */

#define PARTS_MAX 5u

struct rotation {
    struct groups *group;
    struct groups_seat *going;
    bool whole; /* the member, not that key alone */
    enum groups_trick trick;
    struct hark_epoch *key;
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    uint32_t count; /* of recipients */
    uint32_t to[GROUPS_SEATS_MAX];
    uint32_t pool[GROUPS_SEATS_MAX]; /* the X25519 key that was sealed to, by recipient */
    uint8_t sent[GROUPS_SEATS_MAX];  /* enum groups_box */
    struct hark_epoch_box boxes[GROUPS_SEATS_MAX];
    uint32_t parts;
    uint32_t handed; /* so many of them are handed in, and then what is to put them into force */
    struct world_entry *entries[PARTS_MAX + 1];
    uint64_t positions[PARTS_MAX];
    bool fits; /* nobody got in between so that it cannot come into force */
};

static bool goes(const struct rotation *r, const struct groups_seat *seat)
{
    return seat == r->going || (r->whole && seat->member == r->going->member);
}

static void find_recipients(struct rotation *r)
{
    struct groups *group = r->group;
    bool omits = r->trick == GROUPS_OMIT, instead = omits && groups_chance(group->sim, 500);

    for (uint32_t i = 0; i < group->seat_count; i++) {
        const struct groups_seat *seat = group->seats[i];

        if (!groups_in_force(seat) || (goes(r, seat) && !(instead && seat == r->going)))
            continue;
        if (omits && i != group->office && !goes(r, seat)) {
            omits = false;
            continue;
        }
        r->to[r->count] = i;
        r->pool[r->count] = seat->box_logged;
        r->sent[r->count] = GROUPS_GOOD;
        r->boxes[r->count].number = seat->number;
        r->boxes[r->count++].to = *world_box(seat->box_logged);
    }
}

/* Some, but not the steward's own; at least one where there is another. */
static bool is_victim(struct rotation *r, uint32_t i)
{
    bool last = i + 1 == r->count || (i + 2 == r->count && r->to[i + 1] == r->group->office);

    for (uint32_t k = 0; last && k < i; k++)
        last = r->sent[k] == GROUPS_GOOD;
    return r->to[i] != r->group->office && (last || groups_chance(r->group->sim, 300));
}

/* Some get another key, or bytes. */
static void spoil_some(struct rotation *r)
{
    struct groups_sim *sim = r->group->sim;
    struct hark_epoch *other = random_epoch(r->group, r->group->event_count);
    struct hark_err err;

    for (uint32_t i = 0; i < r->count; i++) {
        if (!is_victim(r, i))
            continue;
        r->sent[i] = r->trick == GROUPS_TWO_KEYS ? GROUPS_OTHER : GROUPS_GARBAGE;
        if (r->trick == GROUPS_TWO_KEYS)
            (void)groups_ok(sim, hark_epoch_seal_boxes(other, &r->boxes[i], 1, &err), "a box",
                            &err);
        else
            random_bytes(sim, r->boxes[i].sealed, HARK_EPOCH_BOX_SIZE);
    }
    hark_epoch_free(other);
}

/* The last fresh key's boxes and commitment, under the next number. */
static void put_old_set(struct rotation *r)
{
    const struct groups *group = r->group;

    memcpy(r->commitment, group->old_commitment, sizeof(r->commitment));
    for (uint32_t i = 0; i < r->count; i++) {
        r->sent[i] = group->old_pool[r->to[i]] == r->pool[i] ? GROUPS_OTHER : GROUPS_GARBAGE;
        if (group->old_pool[r->to[i]] != GROUPS_NOBODY)
            memcpy(r->boxes[i].sealed, group->old_boxes[r->to[i]], HARK_EPOCH_BOX_SIZE);
        else
            random_bytes(group->sim, r->boxes[i].sealed, HARK_EPOCH_BOX_SIZE);
    }
}

static bool seal_all(struct rotation *r)
{
    struct groups *group = r->group;
    struct groups_sim *sim = group->sim;
    struct hark_err err;

    r->key = sim->fault == GROUPS_SOFT_KEY ? next_step(group) : NULL;
    if (r->key == NULL)
        r->key = random_epoch(group, group->event_count);
    if (!groups_ok(sim, hark_epoch_commitment(r->commitment, r->key, &err), "a commitment", &err) ||
        !groups_ok(sim, hark_epoch_seal_boxes(r->key, r->boxes, r->count, &err), "boxes", &err))
        return false;
    if (r->trick == GROUPS_TWO_KEYS || r->trick == GROUPS_BAD_BOXES)
        spoil_some(r);
    if (r->trick == GROUPS_REPLAY)
        put_old_set(r);
    return true;
}

static json_t *part_fields(const struct rotation *r, uint32_t part)
{
    json_t *sealed = json_array();

    for (uint32_t i = r->count * part / r->parts; i < r->count * (part + 1) / r->parts; i++)
        json_array_append_new(sealed,
                              json_pack("{s:I, s:o}", "key", (json_int_t)r->boxes[i].number, "box",
                                        base64_of(r->boxes[i].sealed, HARK_EPOCH_BOX_SIZE)));
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "epoch",
                     (json_int_t)r->group->event_count - (r->trick == GROUPS_NUMBER ? 1 : 0),
                     "part", (json_int_t)part, "parts", (json_int_t)r->parts, "commitment",
                     world_hex(r->commitment, sizeof(r->commitment)), "sealed", sealed);
}

static json_t *end_fields(const struct rotation *r)
{
    json_t *fields = json_pack("{s:I}", "member", (json_int_t)r->going->member);
    const uint8_t *commitment = r->commitment;

    if (!r->whole) {
        json_object_set_new(fields, "action", json_string("remove"));
        json_object_set_new(fields, "key",
                            world_hex(world_key(r->going->pool)->bytes, HARK_KEY_SIZE));
    }
    if (r->trick == GROUPS_CITE)
        commitment = r->group->old_commitment;
    if (r->trick != GROUPS_DROP || groups_chance(r->group->sim, 500))
        json_object_set_new(fields, "commitment",
                            world_hex(commitment, HARK_EPOCH_COMMITMENT_SIZE));
    return fields;
}

/* All of it, before any of it is handed in. */
static void build_all(struct rotation *r)
{
    struct groups *group = r->group;

    r->parts = 1 + (uint32_t)groups_below(group->sim, r->count < PARTS_MAX ? r->count : PARTS_MAX);
    r->handed = r->trick == GROUPS_DROP ? r->parts - 1 : r->parts;
    for (uint32_t i = 0; i <= r->handed; i++) {
        struct world_draft draft = {.by = group->steward, .kind = "epoch"};

        draft.fields = i < r->handed ? part_fields(r, i) : end_fields(r);
        if (i == r->handed)
            draft.kind = r->whole ? "remove" : "device";
        if (i > 0) {
            draft.seq = r->entries[i - 1]->entry.seq + 1;
            draft.previous = &r->entries[i - 1]->entry.id;
            draft.parent = &r->entries[i - 1]->arrival.git_id;
        }
        r->entries[i] = world_build(group->world, &draft);
    }
}

/* ---- Handing it in ------------------------------------------------------------------------ */

/* What got in between, before part `next`, means for it. */
static void look_again(struct rotation *r, uint32_t next)
{
    for (uint32_t i = 0; i < r->count; i++) {
        const struct groups_seat *seat = r->group->seats[r->to[i]];
        bool is_logged = i < r->count * next / r->parts;

        /* A part that is logged is gone, one that is to come void: its `Seen` is older. */
        if (!groups_in_force(seat) || seat->box_logged != r->pool[i])
            r->fits = false;
        if (groups_in_force(seat) && !is_logged && seat->box_logged != r->pool[i])
            r->group->sim->sums.stale++;
    }
}

/* A recipient leaves, or takes a new X25519 key, just then. */
static void get_between(struct rotation *r, uint32_t next)
{
    struct groups *group = r->group;
    struct groups_seat *office = groups_office(group);
    struct groups_seat *seat = group->seats[r->to[groups_below(group->sim, r->count)]];

    if (seat->node == NULL || seat->person == office->person)
        return;
    if (groups_chance(group->sim, 500))
        groups_leave(seat);
    else
        groups_rekey(seat);
    groups_flush(seat);
    look_again(r, next);
}

/* What becomes of the entry that is to put it into force. */
static int end_by_words(const struct rotation *r)
{
    if (!r->whole && !groups_in_force(r->going)) /* its member left in between: V19 comes first */
        return HARK_E_VOID_TARGET;
    return r->fits ? 0 : HARK_E_VOID_EPOCH;
}

/* Returns whether the last one stands. */
static bool hand_in(struct rotation *r, bool hindered)
{
    static const struct groups_truth TRUTH = {.seat = GROUPS_NOBODY};
    struct groups *group = r->group;
    struct groups_sim *sim = group->sim;
    uint32_t when = hindered ? (uint32_t)groups_below(sim, r->handed + 1) : PARTS_MAX + 1;
    bool dies = hindered && groups_chance(sim, 300);
    int verdict = HARK_E_INTERNAL;

    for (uint32_t i = 0; i <= r->handed; i++) {
        if (i == when && dies)
            return false;
        if (i == when)
            get_between(r, i);
        if (i < r->handed)
            r->positions[i] = group->world->count;
        verdict = groups_append(group, &r->entries[i], &TRUTH);
        if (r->fits && verdict != 0 && i < r->handed)
            groups_broken(sim, "a right part is %s", hark_err_name(verdict));
    }
    if (verdict != end_by_words(r))
        groups_broken(sim, "with a fresh key that %s it is %s", r->fits ? "fits" : "does not fit",
                      hark_err_name(verdict));
    groups_name(sim, verdict);
    return verdict == 0;
}

static void keep_set(const struct rotation *r)
{
    struct groups *group = r->group;

    group->has_old_set = true;
    memcpy(group->old_commitment, r->commitment, sizeof(r->commitment));
    for (uint32_t i = 0; i < GROUPS_SEATS_MAX; i++)
        group->old_pool[i] = GROUPS_NOBODY;
    for (uint32_t i = 0; i < r->count; i++) {
        group->old_pool[r->to[i]] = r->pool[i];
        memcpy(group->old_boxes[r->to[i]], r->boxes[i].sealed, HARK_EPOCH_BOX_SIZE);
    }
}

static void take_force(struct rotation *r)
{
    struct groups *group = r->group;
    struct groups_event *event = new_event(group, r->key);

    event->fresh = true;
    event->nobody = r->trick == GROUPS_REPLAY;
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t part = 0;

        while (i >= r->count * (part + 1) / r->parts)
            part++;
        event->box[r->to[i]] = r->sent[i];
        event->part_position[r->to[i]] = r->positions[part];
    }
    for (uint32_t i = 0; i < group->seat_count; i++) {
        if (groups_in_force(group->seats[i]) && goes(r, group->seats[i]))
            group->seats[i]->until = event->position;
    }
    if (r->trick == GROUPS_FAIR)
        keep_set(r);
    group->sim->sums.tricks += r->trick != GROUPS_FAIR ? 1 : 0;
    group->sim->sums.rotations++;
    group->sim->sums.lost += r->whole ? 0 : 1;
}

bool groups_rotate(struct groups_seat *seat, bool whole_member, enum groups_trick trick,
                   bool hindered)
{
    struct groups *group = seat->group;
    struct rotation r = {.group = group, .going = seat, .whole = whole_member, .trick = trick};
    bool in_force = false;

    r.fits = trick < GROUPS_DROP || trick > GROUPS_CITE;
    if (!ready(group) || (trick == GROUPS_REPLAY && !group->has_old_set))
        return false;
    find_recipients(&r);
    if (r.count > 0 && seal_all(&r)) {
        build_all(&r);
        in_force = hand_in(&r, hindered);
    }
    if (in_force)
        take_force(&r);
    else
        group->sim->sums.hindered++;
    groups_tell(group->sim, "group %u: seat %u goes (%s, trick %d): %s", group->index, seat->index,
                whole_member ? "whole" : "one key", (int)trick, in_force ? "done" : "not yet");
    for (uint32_t i = 0; i <= r.handed; i++)
        world_entry_free(r.entries[i]);
    hark_epoch_free(r.key);
    return in_force;
}

/* A device more for who is to go, so that as many keys stay as there are boxes. The set is of
 * an epoch that came into force by that. */
static bool step_between(struct rotation *r)
{
    uint32_t before = r->group->seat_count;

    groups_join(r->group, r->going->person, groups_new_pool(r->group->sim), GROUPS_FAIR, true);
    return r->group->seat_count > before;
}

/* Somebody who was sealed to leaves, and is then removed in place of who was to go, who has no
 * box and would stay. */
static bool leave_between(struct rotation *r)
{
    struct groups_seat *seat = r->group->seats[r->to[groups_below(r->group->sim, r->count)]];

    if (seat->node == NULL || seat->person == groups_office(r->group)->person ||
        seat->person == r->going->person)
        return false;
    groups_leave(seat);
    groups_flush(seat);
    r->going = seat;
    return seat->left;
}

void groups_misuse(struct groups_seat *seat, bool by_step)
{
    static const struct groups_truth TRUTH = {.seat = GROUPS_NOBODY};
    struct groups *group = seat->group;
    struct rotation r = {.group = group, .going = seat, .whole = true, .trick = GROUPS_MISUSE};
    bool early = !by_step && groups_chance(group->sim, 500), came;
    int verdict = HARK_E_VOID_EPOCH;

    if (!ready(group))
        return;
    find_recipients(&r);
    if (r.count == 0 || !seal_all(&r))
        return;
    build_all(&r);
    came = early && leave_between(&r);
    for (uint32_t i = 0; i < r.handed; i++)
        (void)groups_append(group, &r.entries[i], &TRUTH);
    if (!early)
        came = by_step ? step_between(&r) : leave_between(&r);
    if (came)
        verdict = steward_says(group, "remove", end_fields(&r));
    if (verdict != HARK_E_VOID_EPOCH)
        groups_broken(group->sim, "a fresh key that was made for another going is %s",
                      hark_err_name(verdict));
    group->sim->sums.tricks++;
    world_entry_free(r.entries[r.handed]);
    hark_epoch_free(r.key);
}

bool groups_answer(struct groups *group, bool hindered)
{
    uint64_t fresh = 0;

    for (uint32_t i = 0; i < group->event_count; i++)
        fresh = group->events[i].fresh ? group->events[i].position : fresh;
    for (uint32_t i = 0; i < group->seat_count; i++) {
        struct groups_seat *seat = group->seats[i];

        if (seat->left && seat->until > fresh)
            return groups_rotate(seat, true, GROUPS_FAIR, hindered);
    }
    return false;
}

/* ---- The office ----------------------------------------------------------------------------- */

void groups_hand_over(struct groups *group)
{
    struct groups_seat *next = groups_any_seat(group);
    uint32_t pool;
    int verdict;

    if (!ready(group) || next == NULL || next->away || next->person == groups_office(group)->person)
        return;
    groups_follow(next, group->world->count);
    if (next->known[group->event_count - 1] != GROUPS_RIGHT)
        return;
    pool = groups_new_pool(group->sim);
    verdict =
        steward_says(group, "handover", world_fields_new_key(group->world, pool, WORLD_NO_KEY));
    if (verdict != 0)
        groups_broken(group->sim, "a handover is %s", hark_err_name(verdict));
    group->steward = pool;
    group->office = next->index;
    group->sim->sums.handovers++;
}
