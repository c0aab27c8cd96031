/*
 * What must hold of a node, and of all of them at the end. See groups.h.
 */
#include "groups.h"

/* ---- Findings and keys ----------------------------------------------------------------- */

static bool same_finding(const struct hark_ring_finding *a, const struct hark_ring_finding *b)
{
    return a->position == b->position && a->epoch == b->epoch && a->key == b->key &&
           a->error == b->error;
}

/* Each that is due was made, and no other: nobody honest is named. */
static void check_findings(struct groups_seat *seat)
{
    struct groups_sim *sim = seat->group->sim;
    size_t count = 0;
    uint64_t more = 0;
    const struct hark_ring_finding *found = hark_ring_found(seat->node->ring, &count, &more);

    for (size_t i = 0; i < count || i < seat->due_count; i++) {
        const struct hark_ring_finding *is = i < count ? &found[i] : NULL;
        const struct hark_ring_finding *due = i < seat->due_count ? &seat->due[i] : NULL;

        if (is != NULL)
            groups_name(sim, is->error);
        if (is == NULL || due == NULL || !same_finding(is, due))
            groups_broken(sim,
                          "seat %u of group %u finds %s of key %d at %d, and should %s of key %d "
                          "at %d",
                          seat->index, seat->group->index,
                          is == NULL ? "nothing" : hark_err_name(is->error),
                          is == NULL ? -1 : (int)is->key, is == NULL ? -1 : (int)is->position,
                          due == NULL ? "nothing" : hark_err_name(due->error),
                          due == NULL ? -1 : (int)due->key, due == NULL ? -1 : (int)due->position);
    }
    if (more != 0)
        groups_broken(sim, "there was no room for findings");
    sim->sums.found += count;
    seat->due_count = 0;
    hark_ring_clear_found(seat->node->ring);
}

/* The key is the one in force for all, and what was committed to is it. */
static void check_key(struct groups_seat *seat, uint32_t epoch, const struct hark_epoch *key)
{
    const struct groups_event *event = &seat->group->events[epoch];
    uint8_t bytes[HARK_EPOCH_KEY_SIZE], commitment[HARK_EPOCH_COMMITMENT_SIZE];
    struct groups_sim *sim = seat->group->sim;
    struct hark_epoch_object object;
    struct hark_err err;
    bool right;

    hark_epoch_bytes(bytes, key);
    right = !event->nobody && memcmp(bytes, event->key, sizeof(bytes)) == 0;
    if (right != (seat->known[epoch] == GROUPS_RIGHT))
        groups_broken(sim, "seat %u of group %u has %s key of epoch %u", seat->index,
                      seat->group->index, right ? "the" : "another", epoch);
    if (!groups_ok(sim, hark_state_epoch(seat->node->outer, epoch, &object, &err), "an epoch",
                   &err) ||
        !groups_ok(sim, hark_epoch_commitment(commitment, key, &err), "a commitment", &err))
        return;
    if (object.position != event->position || object.fresh != event->fresh ||
        (event->fresh && memcmp(commitment, object.commitment.bytes, sizeof(commitment)) != 0))
        groups_broken(sim, "seat %u of group %u: epoch %u is not the one in the log", seat->index,
                      seat->group->index, epoch);
}

static void check_keys(struct groups_seat *seat)
{
    struct groups_sim *sim = seat->group->sim;
    uint32_t in_force = 0;
    bool any = hark_ring_in_force(seat->node->ring, &in_force);

    if (any != (seat->passed > 0) || (any && in_force != seat->passed - 1))
        groups_broken(sim, "seat %u of group %u is in epoch %u and should be in %u", seat->index,
                      seat->group->index, in_force, seat->passed - 1);
    for (uint32_t epoch = 0; epoch < seat->passed && sim->broken[0] == '\0'; epoch++) {
        const struct hark_epoch *key = NULL;
        struct hark_err err;
        int rc = hark_ring_key(&key, seat->node->ring, epoch, &err);

        if (rc != (seat->known[epoch] == GROUPS_NO_KEY ? HARK_E_EPOCH_UNKNOWN : 0))
            groups_broken(sim, "seat %u of group %u, epoch %u: %s", seat->index, seat->group->index,
                          epoch, hark_err_name(rc));
        else if (rc == 0)
            check_key(seat, epoch, key);
    }
}

/* ---- Inner states -------------------------------------------------------------------------- */

bool groups_is_misled(const struct groups_seat *seat)
{
    for (uint32_t i = 0; i < seat->passed; i++) {
        if (seat->known[i] >= GROUPS_FIRST_BAD)
            return true;
    }
    return false;
}

static void count_reading(struct groups_sim *sim, enum hark_reading reading)
{
    sim->sums.opened += reading == HARK_READING_OPENED ? 1 : 0;
    sim->sums.outside += reading == HARK_READING_OUTSIDE ? 1 : 0;
    sim->sums.silent += reading == HARK_READING_SILENT ? 1 : 0;
    sim->sums.missing += reading == HARK_READING_MISSING ? 1 : 0;
}

/* Honest words are silent for nobody, but where author or reader was given another key. */
static void check_honest(const struct groups_seat *seat, uint64_t position, int error)
{
    const struct groups_truth *truth = &seat->group->truth[position];

    if (truth->lie != GROUPS_HONEST || error == 0 || error == HARK_E_EPOCH_UNKNOWN ||
        (error == HARK_E_ENVELOPE_KEY &&
         (truth->key != GROUPS_RIGHT || seat->known[truth->epoch] != GROUPS_RIGHT)))
        return;
    groups_broken(seat->group->sim, "%llu of group %u is honest, and to seat %u it is %s",
                  (unsigned long long)position, seat->group->index, seat->index,
                  hark_err_name(error));
}

/* Each sealed entry says to it what it must, and no other rule is named. */
static void check_readings(struct groups_seat *seat, uint64_t unread)
{
    struct groups_sim *sim = seat->group->sim;
    uint64_t size = follow_size(seat->node), count = 0;

    for (uint64_t i = 0; i < size; i++) {
        enum hark_reading is = (enum hark_reading)seat->reading[i], due;
        int error = 0;

        if (!seat->group->truth[i].sealed)
            continue;
        due = groups_expected(seat, i, &error);
        if (due == HARK_READING_OUTSIDE || due == HARK_READING_MISSING)
            count++;
        count_reading(sim, is);
        groups_name(sim, seat->error[i]);
        check_honest(seat, i, error);
        /* what was silent before it was erased wears nothing */
        if (due == HARK_READING_ERASED && is == HARK_READING_SILENT)
            continue;
        if (is != due || seat->error[i] != error)
            groups_broken(sim, "%llu of group %u is to seat %u %d (%s) and should be %d (%s)",
                          (unsigned long long)i, seat->group->index, seat->index, (int)is,
                          hark_err_name(seat->error[i]), (int)due, hark_err_name(error));
    }
    if (count != unread)
        groups_broken(sim, "seat %u of group %u has %llu unread and should have %llu", seat->index,
                      seat->group->index, (unsigned long long)unread, (unsigned long long)count);
}

static struct groups_compared *find_compared(struct groups *group, uint64_t size,
                                             const struct hark_hash *unread)
{
    size_t i = 0;

    while (i < group->compared_count && (group->compared[i].size != size ||
                                         !hark_hash_equal(&group->compared[i].unread, unread)))
        i++;
    if (i == sizeof(group->compared) / sizeof(group->compared[0]))
        fail_msg("more is compared than there is room for");
    return &group->compared[i];
}

/* With all who ever were at this size and missed the same. */
static void compare(struct groups_seat *seat, const struct hark_inner_reading *reading,
                    const struct hark_hash *inner)
{
    struct groups *group = seat->group;
    struct groups_sim *sim = group->sim;
    struct groups_compared *with = find_compared(group, follow_size(seat->node), &reading->hash);
    struct hark_hash outer;
    struct hark_err err;

    if (!groups_ok(sim, hark_state_hash(seat->node->outer, &outer, &err), "the state's hash", &err))
        return;
    sim->sums.compared++;
    sim->sums.whole += reading->unread == 0 ? 1 : 0;
    if (with == &group->compared[group->compared_count]) {
        group->compared_count++;
        *with = (struct groups_compared){.size = follow_size(seat->node),
                                         .unread = reading->hash,
                                         .inner = *inner,
                                         .outer = outer};
        return;
    }
    sim->sums.same++;
    if (!hark_hash_equal(&with->outer, &outer))
        groups_broken(sim, "two outer states of %llu entries", (unsigned long long)with->size);
    if (!hark_hash_equal(&with->inner, inner))
        groups_broken(sim, "two inner states of %llu entries: seat %u of group %u has another",
                      (unsigned long long)with->size, seat->index, group->index);
}

static void check_inner(struct groups_seat *seat)
{
    struct groups_sim *sim = seat->group->sim;
    struct follow *node = seat->node;
    struct hark_inner_reading reading;
    struct hark_hash hash;
    struct hark_err err;
    int rc;

    if (sim->fault == GROUPS_WORN && !node->stale) {
        rc = hark_inner_state_reading(node->inner, &reading, &err);
        if (rc == 0)
            rc = hark_inner_state_hash(node->inner, &hash, &err);
    } else {
        rc = follow_compare(node, &reading, &hash, &err);
    }
    if (!groups_ok(sim, rc, "comparing", &err))
        return;
    check_readings(seat, reading.unread);
    if (!groups_is_misled(seat))
        compare(seat, &reading, &hash);
}

void groups_check_seat(struct groups_seat *seat)
{
    if (seat->node == NULL || seat->group->sim->broken[0] != '\0')
        return;
    check_findings(seat);
    check_keys(seat);
    if (seat->group->sim->broken[0] == '\0')
        check_inner(seat);
}

/* ---- Who went, and who came -------------------------------------------------------------------
 */

/* With every key that the seat's ring has, by no rule but those of the envelope itself. */
static bool opens(struct groups_seat *seat, uint64_t position)
{
    const struct world_entry *e = seat->group->world->log[position];
    struct hark_buf content = hark_buf_init(HARK_ENVELOPE_PLAIN_MAX);
    int rc = hark_ring_open(&content, seat->node->ring, &e->entry, e->payload, 0, UINT32_MAX, NULL);

    hark_buf_free(&content);
    seat->group->sim->sums.unopened += rc != 0 ? 1 : 0;
    return rc == 0;
}

/* The position of the fresh key that answers its going, or HARK_NONE. */
static uint64_t answered(const struct groups_seat *seat)
{
    const struct groups *group = seat->group;

    for (uint32_t i = 0; i < group->event_count; i++) {
        if (group->events[i].fresh && group->events[i].position >= seat->until)
            return group->events[i].position;
    }
    return HARK_NONE;
}

/* No fresh key from after its going is a step from the last that it has. */
static void check_no_steps(struct groups_seat *seat)
{
    struct groups *group = seat->group;
    const struct hark_epoch *from = NULL;
    struct hark_epoch *step = NULL;
    uint32_t last = seat->passed;

    while (last > 0 && seat->known[last - 1] == GROUPS_NO_KEY)
        last--;
    if (last == 0 || hark_ring_key(&from, seat->node->ring, last - 1, NULL) != 0 ||
        hark_epoch_step(&step, from, NULL) != 0)
        return;
    for (;;) {
        uint8_t bytes[HARK_EPOCH_KEY_SIZE];
        struct hark_epoch *next = NULL;
        uint32_t number = hark_epoch_number(step);

        hark_epoch_bytes(bytes, step);
        if (number < group->event_count && memcmp(bytes, group->events[number].key, 32) == 0)
            groups_broken(group->sim, "seat %u of group %u went, and can make the key of epoch %u",
                          seat->index, group->index, number);
        if (number >= group->event_count || hark_epoch_step(&next, step, NULL) != 0)
            break;
        hark_epoch_free(step);
        step = next;
    }
    hark_epoch_free(step);
}

static void check_gone(struct groups_seat *seat)
{
    struct groups *group = seat->group;
    uint64_t fresh = answered(seat);

    if (fresh == HARK_NONE) {
        groups_broken(group->sim, "seat %u of group %u went, and there is no fresh key",
                      seat->index, group->index);
        return;
    }
    for (uint64_t i = fresh; i < group->world->count; i++) {
        const struct groups_truth *truth = &group->truth[i];

        if (truth->sealed && truth->lie == GROUPS_HONEST &&
            group->world->log[i]->entry.seen.size > fresh && opens(seat, i))
            groups_broken(group->sim, "seat %u of group %u went, and opens %llu", seat->index,
                          group->index, (unsigned long long)i);
    }
    check_no_steps(seat);
}

/* Without history: nothing from before; with it: what the readings say. */
static void check_came(struct groups_seat *seat)
{
    struct groups *group = seat->group;
    uint32_t first = 0;

    while (first < group->event_count && group->events[first].position < seat->since)
        first++;
    for (uint64_t i = 0; i < group->world->count; i++) {
        const struct groups_truth *truth = &group->truth[i];

        if (truth->sealed && truth->lie == GROUPS_HONEST && truth->epoch < first &&
            truth->epoch < seat->learned && opens(seat, i))
            groups_broken(group->sim, "seat %u of group %u opens %llu, from before it came",
                          seat->index, group->index, (unsigned long long)i);
    }
}

/* Members who left after the last fresh key. */
static uint32_t owed_by_words(const struct groups *group)
{
    uint64_t fresh = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < group->event_count; i++)
        fresh = group->events[i].fresh ? group->events[i].position : fresh;
    for (uint32_t i = 0; i < group->seat_count; i++) {
        const struct groups_seat *seat = group->seats[i];
        bool first = seat->left && seat->until > fresh;

        for (uint32_t k = 0; first && k < i; k++)
            first = group->seats[k]->member != seat->member || !group->seats[k]->left;
        count += first ? 1 : 0;
    }
    return count;
}

void groups_check_home(struct groups *group)
{
    struct hark_state *state = group->world->state;
    struct hark_group_object object;
    uint32_t epoch = 0, keys = 0;
    bool found = false;
    struct hark_err err;

    for (uint32_t i = 0; i < group->seat_count; i++)
        keys += groups_in_force(group->seats[i]) ? 1 : 0;
    if (groups_ok(group->sim, hark_state_group(state, &object, &err), "the group", &err) &&
        (object.owed != owed_by_words(group) || object.keys != keys))
        groups_broken(group->sim, "group %u: %u owed of %u, %u keys of %u", group->index,
                      object.owed, owed_by_words(group), object.keys, keys);
    if (groups_ok(group->sim, hark_state_current_epoch(state, &found, &epoch, &err), "the epoch",
                  &err) &&
        (!found || epoch + 1 != group->event_count))
        groups_broken(group->sim, "group %u is in epoch %u", group->index, epoch);
}

void groups_check_end(struct groups *group)
{
    groups_check_home(group);
    for (uint32_t i = 0; i < group->seat_count && group->sim->broken[0] == '\0'; i++) {
        struct groups_seat *seat = group->seats[i];

        if (seat->node == NULL)
            continue;
        groups_give(seat);
        groups_follow(seat, group->world->count);
        groups_check_seat(seat);
        if (seat->until != HARK_NONE)
            check_gone(seat);
        check_came(seat);
        group->sim->sums.remade += seat->node->remade;
    }
}
