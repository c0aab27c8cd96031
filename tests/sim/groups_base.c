/*
 * Chance, telling, and what a seed begins with. See groups.h.
 */
#include "groups.h"

#include <stdlib.h>

/* splitmix64 */
uint64_t groups_below(struct groups_sim *sim, uint64_t bound)
{
    uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return bound == 0 ? z : z % bound;
}

bool groups_chance(struct groups_sim *sim, unsigned per_mille)
{
    return groups_below(sim, 1000) < per_mille;
}

void groups_tell(const struct groups_sim *sim, const char *format, ...)
{
    va_list args;

    if (!sim->loud)
        return;
    (void)printf("%4llu  ", (unsigned long long)sim->step);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
}

void groups_broken(struct groups_sim *sim, const char *format, ...)
{
    char text[sizeof(sim->broken)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    groups_tell(sim, "BROKEN: %s", text);
    if (sim->broken[0] == '\0')
        memcpy(sim->broken, text, sizeof(text));
}

bool groups_ok(struct groups_sim *sim, int rc, const char *what, const struct hark_err *err)
{
    if (rc != 0)
        groups_broken(sim, "%s: %s (%s)", what, err->message, hark_err_name(rc));
    return rc == 0;
}

const int groups_errors[GROUPS_ERRORS] = {
    HARK_E_VOID_EPOCH,    HARK_E_SEAL,          HARK_E_EPOCH_KEY,      HARK_E_ENVELOPE_VERSION,
    HARK_E_ENVELOPE_FORM, HARK_E_ENVELOPE_OLD,  HARK_E_ENVELOPE_AHEAD, HARK_E_EPOCH_UNKNOWN,
    HARK_E_ENVELOPE_KEY,  HARK_E_ENVELOPE_SEAL, HARK_E_INNER_FORM,     HARK_E_PAYLOAD_SIZE,
    HARK_E_PAYLOAD_HASH,
};

void groups_name(struct groups_sim *sim, int error)
{
    for (size_t i = 0; i < GROUPS_ERRORS; i++)
        sim->sums.named[i] += groups_errors[i] == error ? 1 : 0;
}

uint32_t groups_new_pool(struct groups_sim *sim)
{
    if (sim->next_pool == WORLD_KEYS)
        fail_msg("seed %llu needs more keys than the pool has", (unsigned long long)sim->seed);
    return sim->next_pool++;
}

/* ---- Seats ------------------------------------------------------------------- */

struct groups_seat *groups_new_seat(struct groups *group, uint32_t person, uint32_t pool,
                                    bool with_node)
{
    struct groups_sim *sim = group->sim;
    struct follow_log log = groups_log;
    struct groups_seat *seat;
    struct hark_err err;

    if (group->seat_count == GROUPS_SEATS_MAX)
        return NULL;
    seat = calloc(1, sizeof(*seat));
    assert_non_null(seat);
    seat->group = group;
    seat->index = group->seat_count;
    seat->person = person;
    seat->pool = pool;
    seat->box_count = 1;
    seat->box_logged = pool;
    seat->since = seat->until = HARK_NONE;
    seat->learned = UINT32_MAX;
    group->seats[group->seat_count++] = seat;
    log.arg = seat;
    if (!with_node)
        return seat;
    if (groups_ok(sim, follow_new(&seat->node, &group->world->space, &log, &err), "a node", &err))
        (void)groups_ok(sim, follow_own(seat->node, world_box_pair(pool), &err), "its own key",
                        &err);
    return seat;
}

static void free_seat(struct groups_seat *seat)
{
    for (size_t i = 0; i < seat->out_count; i++)
        world_entry_free(seat->out[i].entry);
    follow_free(seat->node);
    free(seat);
}

struct groups_seat *groups_office(struct groups *group)
{
    return group->office == GROUPS_NOBODY ? NULL : group->seats[group->office];
}

bool groups_in_force(const struct groups_seat *seat)
{
    return seat->since != HARK_NONE && seat->until == HARK_NONE;
}

struct groups_seat *groups_any_seat(struct groups *group)
{
    uint32_t first = (uint32_t)groups_below(group->sim, group->seat_count);

    for (uint32_t i = 0; i < group->seat_count; i++) {
        struct groups_seat *seat = group->seats[(first + i) % group->seat_count];

        if (groups_in_force(seat) && seat->node != NULL)
            return seat;
    }
    return NULL;
}

/* ---- A seed -------------------------------------------------------------------- */

static struct groups *new_group(struct groups_sim *sim, uint32_t index)
{
    struct groups *group = calloc(1, sizeof(*group));

    assert_non_null(group);
    group->sim = sim;
    group->index = index;
    group->world = world_new_sealed(groups_below(sim, 0), NULL, NULL);
    group->steward = WORLD_STEWARD;
    group->office = GROUPS_NOBODY;
    group->next_bad = GROUPS_FIRST_BAD;
    group->truth[0].seat = GROUPS_NOBODY;
    return group;
}

void groups_begin(struct groups_sim *sim, uint64_t seed, enum groups_fault fault)
{
    const char *only = getenv("HARK_SIM_SEED");

    memset(sim, 0, sizeof(*sim));
    sim->seed = sim->random = seed;
    sim->fault = fault;
    sim->loud = only != NULL && fault == GROUPS_SOUND;
    sim->next_pool = WORLD_FIRST_NEW;
    sim->steward_lies = groups_chance(sim, 300);
    sim->members_lie = groups_chance(sim, 400);
    sim->host_lies = groups_chance(sim, 400);
    sim->group_count = 1 + (groups_chance(sim, 350) ? 1u + (uint32_t)groups_below(sim, 2) : 0);
    for (uint32_t i = 0; i < sim->group_count; i++)
        sim->groups[i] = new_group(sim, i);
}

void groups_end(struct groups_sim *sim)
{
    for (uint32_t i = 0; i < sim->group_count; i++) {
        struct groups *group = sim->groups[i];

        for (uint32_t k = 0; k < group->seat_count; k++)
            free_seat(group->seats[k]);
        world_free(group->world);
        free(group);
    }
}
