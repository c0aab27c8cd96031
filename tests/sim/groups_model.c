/*
 * What must be, by the words of PROTOCOL.md 10.2, 10.3, 10.7 to 10.9, with numbers instead of
 * keys. See groups.h.
 */
#include "groups.h"

bool groups_epoch_at(const struct groups *group, uint64_t size, uint32_t *epoch)
{
    uint32_t count = 0;

    while (count < group->event_count && group->events[count].position < size)
        count++;
    *epoch = count > 0 ? count - 1 : 0;
    return count > 0;
}

/* ---- Keys and findings ----------------------------------------------------------- */

static void expect(struct groups_seat *seat, uint64_t position, uint32_t epoch, uint32_t key,
                   int error)
{
    if (seat->due_count == GROUPS_FOUND_MAX)
        fail_msg("more findings than there is room for");
    seat->due[seat->due_count++] = (struct hark_ring_finding){
        .position = position, .epoch = epoch, .key = key, .error = error};
}

/* Who has the key before makes the step, whatever is in the box, and looks at the box. */
static void pass_step(struct groups_seat *seat, uint32_t epoch)
{
    const struct groups_event *event = &seat->group->events[epoch];
    uint8_t had = epoch > 0 ? seat->known[epoch - 1] : GROUPS_NO_KEY;
    uint32_t number = seat->group->seats[event->joiner]->number;
    uint8_t box = event->box[event->joiner];

    if (had != GROUPS_NO_KEY) {
        seat->known[epoch] = had;
        if (had != GROUPS_RIGHT || box != GROUPS_GOOD)
            expect(seat, event->position, epoch, number, HARK_E_EPOCH_KEY);
        return;
    }
    if (seat->index != event->joiner)
        return;
    if (box == GROUPS_GARBAGE)
        expect(seat, event->position, epoch, number, HARK_E_SEAL);
    else
        seat->known[epoch] = box == GROUPS_OTHER ? event->other : GROUPS_RIGHT;
}

static void pass_fresh(struct groups_seat *seat, uint32_t epoch)
{
    const struct groups *group = seat->group;
    const struct groups_event *event = &group->events[epoch];
    uint8_t own = event->box[seat->index];

    if (own == GROUPS_NOT_SENT) {
        if (epoch > 0 && seat->known[epoch - 1] != GROUPS_NO_KEY)
            expect(seat, event->position, epoch, HARK_RING_NO_KEY, HARK_E_SEAL);
        return;
    }
    if (own != GROUPS_GOOD) {
        expect(seat, event->part_position[seat->index], epoch, seat->number,
               own == GROUPS_OTHER ? HARK_E_EPOCH_KEY : HARK_E_SEAL);
        return;
    }
    seat->known[epoch] = GROUPS_RIGHT;
    for (uint32_t i = 0; i < group->seat_count; i++) {
        if (event->box[i] > GROUPS_GOOD)
            expect(seat, event->part_position[i], epoch, group->seats[i]->number, HARK_E_EPOCH_KEY);
    }
}

void groups_model_pass(struct groups_seat *seat, uint64_t size)
{
    const struct groups *group = seat->group;

    for (; seat->passed < group->event_count && group->events[seat->passed].position < size;
         seat->passed++) {
        if (group->events[seat->passed].fresh)
            pass_fresh(seat, seat->passed);
        else
            pass_step(seat, seat->passed);
    }
}

uint32_t groups_run_first(const struct groups_seat *seat, uint32_t epoch)
{
    while (epoch > 0 && !seat->group->events[epoch].fresh)
        epoch--;
    return epoch;
}

uint32_t groups_run_last(const struct groups_seat *seat, uint32_t epoch)
{
    while (epoch + 1 < seat->passed && !seat->group->events[epoch + 1].fresh)
        epoch++;
    return epoch;
}

/* ---- What a sealed entry is to somebody ------------------------------------------- */

static int silent_for(const struct groups_seat *seat, uint64_t position)
{
    const struct groups_truth *truth = &seat->group->truth[position];
    uint64_t seen = seat->group->world->log[position]->entry.seen.size;
    uint32_t at_seen = 0, before = 0;

    (void)groups_epoch_at(seat->group, seen < position ? seen : position, &at_seen);
    (void)groups_epoch_at(seat->group, position, &before);
    if (truth->lie == GROUPS_VERSION)
        return HARK_E_ENVELOPE_VERSION;
    if (truth->lie == GROUPS_SHORT)
        return HARK_E_ENVELOPE_FORM;
    if (truth->epoch < at_seen)
        return HARK_E_ENVELOPE_OLD;
    if (truth->epoch > before)
        return HARK_E_ENVELOPE_AHEAD;
    if (seat->known[truth->epoch] == GROUPS_NO_KEY)
        return HARK_E_EPOCH_UNKNOWN;
    if (seat->known[truth->epoch] != truth->key)
        return HARK_E_ENVELOPE_KEY;
    if (truth->lie == GROUPS_HEADERS || truth->lie == GROUPS_CUT)
        return HARK_E_ENVELOPE_SEAL;
    return truth->lie == GROUPS_NO_CONTENT ? HARK_E_INNER_FORM : 0;
}

enum hark_reading groups_expected(struct groups_seat *seat, uint64_t position, int *error)
{
    const struct world_entry *e = seat->group->world->log[position];
    bool erased = false;
    struct hark_err err;

    *error = 0;
    if (e->effect.verdict != 0)
        return HARK_READING_VOID;
    if (seat->group->truth[position].lie == GROUPS_FOREIGN)
        return HARK_READING_SILENT;
    (void)groups_ok(seat->group->sim,
                    hark_state_is_erased(seat->node->outer, position, &e->entry, &erased, &err),
                    "asking what is erased", &err);
    if (erased)
        return HARK_READING_ERASED;
    if (!seat->has[position])
        return HARK_READING_MISSING;
    *error = silent_for(seat, position);
    return *error == 0                      ? HARK_READING_OPENED
           : *error == HARK_E_EPOCH_UNKNOWN ? HARK_READING_OUTSIDE
                                            : HARK_READING_SILENT;
}
