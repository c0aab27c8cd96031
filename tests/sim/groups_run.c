/*
 * One seed: who comes, goes and speaks when, who is away, who lies. See groups.h.
 */
#include "groups.h"

#define STEPS     40u /* of each group */
#define NODES_MAX 12u /* of a group */
#define FEW       3u  /* people that a group keeps */

/* ---- Who ---------------------------------------------------------------------------- */

static bool is_member(const struct groups *group, uint32_t person)
{
    for (uint32_t i = 0; i < group->seat_count; i++) {
        if (group->seats[i]->person == person && groups_in_force(group->seats[i]))
            return true;
    }
    return false;
}

static uint32_t people_in(const struct groups *group)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < GROUPS_PEOPLE; i++)
        count += is_member(group, i) ? 1 : 0;
    return count;
}

static uint32_t nodes_in(const struct groups *group)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < group->seat_count; i++)
        count += group->seats[i]->node != NULL ? 1 : 0;
    return count;
}

static bool is_used(const struct groups *group, uint32_t pool)
{
    for (uint32_t i = 0; i < group->seat_count; i++) {
        if (group->seats[i]->pool == pool)
            return true;
    }
    return false;
}

/* A device of that person's that never was in the group; GROUPS_NOBODY: there is none. Most
 * devices are in several groups with the same key, which is worse than what 2.3 does. */
static uint32_t device_for(struct groups *group, uint32_t person)
{
    struct groups_sim *sim = group->sim;

    for (uint32_t i = 0; i < sim->device_count[person]; i++) {
        if (!is_used(group, sim->devices[person][i]))
            return sim->devices[person][i];
    }
    if (sim->device_count[person] == GROUPS_DEVICES)
        return GROUPS_NOBODY;
    sim->devices[person][sim->device_count[person]] = groups_new_pool(sim);
    return sim->devices[person][sim->device_count[person]++];
}

/* May go: it does not hold the office, and enough others stay. */
static struct groups_seat *who_may_go(struct groups *group)
{
    struct groups_seat *seat = group->seats[groups_below(group->sim, group->seat_count)];

    return groups_in_force(seat) && seat->person != groups_office(group)->person &&
                   people_in(group) > FEW
               ? seat
               : NULL;
}

/* ---- What happens ----------------------------------------------------------------------- */

static enum groups_trick some_trick(struct groups_sim *sim)
{
    return (enum groups_trick)(GROUPS_TWO_KEYS + groups_below(sim, 2));
}

static void bring(struct groups *group, bool new_person, enum groups_trick trick)
{
    struct groups_sim *sim = group->sim;
    uint32_t person = (uint32_t)groups_below(sim, GROUPS_PEOPLE), pool;
    uint32_t before = group->seat_count;

    if (is_member(group, person) == new_person || nodes_in(group) == NODES_MAX)
        return;
    pool = device_for(group, person);
    if (pool == GROUPS_NOBODY)
        return;
    groups_join(group, person, pool, trick, true);
    if (group->seat_count > before && groups_chance(sim, 300)) {
        struct groups_seat *seat = group->seats[group->seat_count - 1];

        groups_follow(seat, group->world->count);
        groups_teach(seat);
    }
}

static void lose_device(struct groups *group)
{
    struct groups_seat *seat = group->seats[groups_below(group->sim, group->seat_count)];

    if (groups_in_force(seat) && seat->index != group->office && people_in(group) > FEW)
        (void)groups_rotate(seat, false, GROUPS_FAIR, groups_chance(group->sim, 250));
}

static void remove_somebody(struct groups *group, enum groups_trick trick)
{
    struct groups_seat *seat = who_may_go(group);

    if (seat != NULL)
        (void)groups_rotate(seat, true, trick,
                            trick != GROUPS_REPLAY && groups_chance(group->sim, 250));
}

/* Nobody has a key after that, until a right one comes. */
static void replay(struct groups *group)
{
    remove_somebody(group, GROUPS_REPLAY);
    for (int i = 0; i < 8 && group->events[group->event_count - 1].nobody; i++)
        remove_somebody(group, GROUPS_FAIR);
}

static void steward_lies(struct groups *group)
{
    struct groups_sim *sim = group->sim;
    uint64_t roll = groups_below(sim, 14);
    struct groups_seat *seat = who_may_go(group);

    if (roll >= 12 && seat != NULL)
        groups_misuse(seat, roll == 12);
    else if (roll < 4)
        remove_somebody(group, (enum groups_trick)(GROUPS_DROP + groups_below(sim, 4)));
    else if (roll < 6)
        replay(group);
    else if (roll < 10)
        remove_somebody(group, some_trick(sim));
    else
        bring(group, roll == 10, some_trick(sim));
}

static void come_and_go_away(struct groups *group)
{
    struct groups_seat *seat = groups_any_seat(group);

    if (seat == NULL)
        return;
    seat->away = !seat->away;
    if (!seat->away)
        groups_flush(seat);
}

/* Most of all who was given a wrong key. */
static struct groups_seat *who_may_learn(struct groups *group)
{
    for (uint32_t i = 0; i < group->seat_count && groups_chance(group->sim, 900); i++) {
        struct groups_seat *seat = group->seats[i];

        if (groups_in_force(seat) && seat->node != NULL && groups_is_misled(seat))
            return seat;
    }
    return groups_any_seat(group);
}

#define HONEST_ROLL 59u

/* roll: below 60. */
static void of_member(struct groups *group, uint64_t roll)
{
    struct groups_sim *sim = group->sim;
    struct groups_seat *seat = groups_any_seat(group);

    if (seat == NULL)
        return;
    if (roll < 5)
        groups_erase(seat);
    else if (roll < 9)
        groups_rekey(seat);
    else if (roll < 13)
        groups_teach(who_may_learn(group));
    else if (roll < 16)
        groups_give(seat);
    else if (roll < 18)
        groups_restart(seat);
    else if (sim->members_lie && !seat->away && roll < 26)
        groups_say(seat, (enum groups_lie)(1 + groups_below(sim, GROUPS_NO_CONTENT)));
    else if (sim->members_lie && roll < 27)
        groups_mislead(seat);
    else
        groups_say(seat, GROUPS_HONEST);
}

static void act(struct groups *group)
{
    struct groups_sim *sim = group->sim;
    uint64_t roll = groups_below(sim, 100);
    struct groups_seat *seat = who_may_go(group);

    if (roll < 60)
        of_member(group, roll);
    else if (roll < 67)
        bring(group, true, GROUPS_FAIR);
    else if (roll < 72)
        bring(group, false, GROUPS_FAIR);
    else if (roll < 76 && seat != NULL && seat->node != NULL)
        groups_leave(seat);
    else if (roll < 79)
        remove_somebody(group, GROUPS_FAIR);
    else if (roll < 83)
        lose_device(group);
    else if (roll < 85)
        groups_hand_over(group);
    else if (roll < 88 && sim->fault != GROUPS_NO_ROTATION)
        (void)groups_answer(group, groups_chance(sim, 250));
    else if (roll < 92)
        come_and_go_away(group);
    else if (sim->steward_lies)
        steward_lies(group);
    else
        of_member(group, HONEST_ROLL);
}

/* Each node in its own time; who went goes on reading what it can get. */
static void nodes_go_on(struct groups *group)
{
    struct groups_sim *sim = group->sim;

    for (uint32_t i = 0; i < group->seat_count; i++) {
        struct groups_seat *seat = group->seats[i];
        uint64_t size = group->world->count;

        if (seat->node == NULL || seat->away)
            continue;
        if (groups_chance(sim, 500))
            groups_flush(seat);
        if (!groups_chance(sim, groups_in_force(seat) ? 400 : 100))
            continue;
        if (groups_chance(sim, 300))
            size = follow_size(seat->node) + groups_below(sim, size - follow_size(seat->node) + 1);
        groups_follow(seat, size);
    }
}

static void check_one(struct groups *group)
{
    struct groups_seat *seat = group->seats[groups_below(group->sim, group->seat_count)];

    groups_check_home(group);
    groups_check_seat(seat);
}

/* ---- The beginning and the end ------------------------------------------------------------ */

static void begin_group(struct groups *group)
{
    struct groups_sim *sim = group->sim;
    uint32_t people = 4 + (uint32_t)groups_below(sim, 3);
    uint32_t crowd = group->index == 0 && groups_chance(sim, 25)
                         ? 10 + (uint32_t)groups_below(sim, GROUPS_CROWD - 10)
                         : 0;
    uint32_t first = (uint32_t)groups_below(sim, GROUPS_PEOPLE);

    for (uint32_t i = 0; i < people; i++) {
        uint32_t person = (first + i) % GROUPS_PEOPLE;

        groups_join(group, person, device_for(group, person), GROUPS_FAIR, true);
    }
    for (uint32_t i = 0; i < crowd; i++)
        groups_join(group, GROUPS_PEOPLE + i, groups_new_pool(sim), GROUPS_FAIR, false);
}

/* Everybody is there, who left is answered, and all speak once more. */
static void end_group(struct groups *group)
{
    struct groups_sim *sim = group->sim;

    for (uint32_t i = 0; i < group->seat_count; i++) {
        group->seats[i]->away = false;
        groups_flush(group->seats[i]);
    }
    while (sim->fault != GROUPS_NO_ROTATION && groups_answer(group, false))
        continue;
    for (uint32_t i = 0; i < group->seat_count; i++) {
        struct groups_seat *seat = group->seats[i];

        groups_follow(seat, group->world->count);
        if (groups_in_force(seat))
            groups_say(seat, GROUPS_HONEST);
        groups_flush(seat);
    }
    groups_check_end(group);
}

void groups_run(struct groups_sim *sim, uint64_t seed, enum groups_fault fault)
{
    groups_begin(sim, seed, fault);
    for (uint32_t i = 0; i < sim->group_count; i++)
        begin_group(sim->groups[i]);
    for (sim->step = 1; sim->step <= STEPS * sim->group_count && sim->broken[0] == '\0';
         sim->step++) {
        struct groups *group = sim->groups[groups_below(sim, sim->group_count)];

        act(group);
        nodes_go_on(group);
        if (groups_chance(sim, 150))
            check_one(group);
    }
    for (uint32_t i = 0; i < sim->group_count && sim->broken[0] == '\0'; i++)
        end_group(sim->groups[i]);
    groups_end(sim);
}
