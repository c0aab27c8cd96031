/*
 * What a seat's node gets from the host, and goes through; keys from elsewhere. See groups.h.
 */
#include "groups.h"

/* ---- The host ------------------------------------------------------------------------ */

static bool is_sealed(const struct groups *group, uint64_t position)
{
    return position < group->world->count && group->truth[position].sealed;
}

/* What a lying host gives instead. No data: it finds nothing, and tells the truth. */
static struct hark_span another(const struct groups_seat *seat, uint64_t position)
{
    const struct groups_sim *sim = seat->group->sim;
    struct hark_span own = seat->group->world->log[position]->payload;
    const struct groups *from = seat->group;

    if (seat->swap[position] == GROUPS_TRUNCATE)
        return hark_span(own.data, own.size - 64);
    if (seat->swap[position] == GROUPS_SWAP_GROUP)
        from = sim->groups[(seat->group->index + 1) % sim->group_count];
    for (uint64_t i = 0; i < from->world->count; i++) {
        struct hark_span other = from->world->log[i]->payload;

        if (is_sealed(from, i) && !hark_span_equal(other, own))
            return other;
    }
    return hark_span(NULL, 0);
}

static void ask_host(struct groups_seat *seat, uint64_t position)
{
    struct groups *group = seat->group;
    struct groups_sim *sim = group->sim;
    const struct world_entry *e = group->world->log[position];
    bool erased = false;
    struct hark_err err;

    if (seat->swap[position] != GROUPS_AS_IT_IS || seat->kept[position])
        return;
    (void)groups_ok(sim,
                    hark_state_is_erased(group->world->state, position, &e->entry, &erased, &err),
                    "asking what is erased", &err);
    if (sim->host_lies && groups_chance(sim, 60))
        seat->kept[position] = true;
    else if (sim->host_lies && groups_chance(sim, 60))
        seat->swap[position] = (uint8_t)(1 + groups_below(sim, 3));
    if (seat->swap[position] != GROUPS_AS_IT_IS && another(seat, position).data == NULL)
        seat->swap[position] = GROUPS_AS_IT_IS;
    seat->has[position] =
        !erased && !seat->kept[position] && seat->swap[position] == GROUPS_AS_IT_IS;
}

static int read_log(void *arg, uint64_t position, struct follow_entry *out, struct hark_err *err)
{
    struct groups_seat *seat = arg;
    const struct world_entry *e = seat->group->world->log[position];

    (void)err;
    *out = (struct follow_entry){.entry = &e->entry, .arrival = &e->arrival, .payload = e->payload};
    if (!is_sealed(seat->group, position))
        return 0;
    if (!seat->has[position])
        ask_host(seat, position);
    if (seat->has[position])
        return 0;
    out->payload =
        seat->swap[position] != GROUPS_AS_IT_IS ? another(seat, position) : hark_span(NULL, 0);
    return 0;
}

static bool says(const struct hark_inner *inner, const struct groups_truth *truth)
{
    char mark[24];
    const char *name;
    json_t *value;

    (void)snprintf(mark, sizeof(mark), "m%u", truth->mark);
    json_object_foreach(inner->payload, name, value)
    {
        const char *text = json_string_value(value);

        if (text != NULL && strcmp(text, mark) == 0)
            return strcmp(inner->kind, truth->kind) == 0;
    }
    return false;
}

static void note_said(void *arg, uint64_t position, const struct hark_said *said)
{
    struct groups_seat *seat = arg;

    seat->reading[position] = (uint8_t)said->reading;
    seat->error[position] = said->error;
    if (said->reading == HARK_READING_OPENED && !says(&said->inner, &seat->group->truth[position]))
        groups_broken(seat->group->sim, "%llu says to seat %u what nobody wrote",
                      (unsigned long long)position, seat->index);
}

/* Named so by who asked for it; and never what is right. */
static void note_refused(void *arg, uint64_t position, int error)
{
    struct groups_seat *seat = arg;
    struct groups_sim *sim = seat->group->sim;
    const struct world_entry *e = seat->group->world->log[position];
    struct hark_span given = another(seat, position);

    if (seat->swap[position] == GROUPS_AS_IT_IS ||
        error != (given.size == e->entry.payload_size ? HARK_E_PAYLOAD_HASH : HARK_E_PAYLOAD_SIZE))
        groups_broken(sim, "the envelope of %llu is refused as %s", (unsigned long long)position,
                      hark_err_name(error));
    sim->sums.refused++;
    groups_name(sim, error);
}

const struct follow_log groups_log = {.read = read_log, .said = note_said, .refused = note_refused};

/* ---- Following ------------------------------------------------------------------------ */

/* The checkpoint that the next entries of this seat name. */
static void look_at_checkpoint(struct groups_seat *seat)
{
    seat->seen = (struct hark_seen){.size = follow_size(seat->node),
                                    .root = hark_merkle_root(hark_state_log(seat->node->outer)),
                                    .key_id = 7};
}

void groups_follow(struct groups_seat *seat, uint64_t size)
{
    struct groups_sim *sim = seat->group->sim;
    struct hark_err err;

    if (seat->node == NULL || sim->broken[0] != '\0')
        return;
    if (!groups_ok(sim, follow_to(seat->node, size, &err), "following", &err))
        return;
    groups_model_pass(seat, follow_size(seat->node));
    if (seat->seen.size == 0 || groups_chance(sim, 600))
        look_at_checkpoint(seat);
}

/* From somebody who tells the truth. */
static void ask_elsewhere(struct groups_seat *seat, uint64_t position)
{
    const struct groups *group = seat->group;
    bool erased = false;
    struct hark_err err;

    seat->kept[position] = false;
    seat->swap[position] = GROUPS_AS_IT_IS;
    (void)groups_ok(group->sim,
                    hark_state_is_erased(group->world->state, position,
                                         &group->world->log[position]->entry, &erased, &err),
                    "asking what is erased", &err);
    seat->has[position] = !erased;
}

void groups_give(struct groups_seat *seat)
{
    for (uint64_t i = 0; i < GROUPS_LOG_MAX; i++) {
        if (!seat->kept[i] && seat->swap[i] == GROUPS_AS_IT_IS)
            continue;
        ask_elsewhere(seat, i);
        follow_was_given(seat->node);
    }
}

void groups_restart(struct groups_seat *seat)
{
    struct groups_sim *sim = seat->group->sim;
    struct hark_err err;

    groups_check_seat(seat); /* what it has found is lost by it */
    if (sim->broken[0] == '\0')
        (void)groups_ok(sim, follow_restart(seat->node, &err), "starting again", &err);
    sim->sums.restarts++;
}

/* ---- Keys from elsewhere ----------------------------------------------------------------- */

static void know_run(struct groups_seat *seat, uint32_t from, uint32_t last, uint8_t key)
{
    for (uint32_t i = from; i <= last; i++)
        seat->known[i] = key;
    seat->learned = from < seat->learned ? from : seat->learned;
}

/* Is that what the words say of such a key? The model takes it in. */
static int by_words(struct groups_seat *seat, uint32_t epoch, uint8_t key)
{
    uint32_t first = groups_run_first(seat, epoch), last = groups_run_last(seat, epoch);
    bool committed = epoch == first && seat->group->events[first].fresh;
    uint32_t known = first;

    while (known <= last && seat->known[known] == GROUPS_NO_KEY)
        known++;
    if (committed && key != GROUPS_RIGHT)
        return HARK_E_EPOCH_KEY;
    if (known <= last && seat->known[known] != key && !committed)
        return HARK_E_EPOCH_KEY;
    if (known > last || epoch < known)
        know_run(seat, epoch, last, key);
    return 0;
}

static void learn(struct groups_seat *seat, uint32_t epoch, uint8_t key,
                  const uint8_t bytes[HARK_EPOCH_KEY_SIZE])
{
    struct groups_sim *sim = seat->group->sim;
    bool was_stale = seat->node->stale;
    int wanted = by_words(seat, epoch, key);
    struct hark_err err;
    int rc = follow_learn(seat->node, epoch, bytes, &err);

    groups_tell(sim, "group %u: seat %u is given key %u of epoch %u: %s", seat->group->index,
                seat->index, key, epoch, hark_err_name(rc));
    if (rc != wanted)
        groups_broken(sim, "a key from elsewhere: %s instead of %s", hark_err_name(rc),
                      hark_err_name(wanted));
    if (sim->fault == GROUPS_NOT_ANEW)
        seat->node->stale = was_stale;
    sim->sums.learned += rc == 0 ? 1 : 0;
}

void groups_teach(struct groups_seat *seat)
{
    const struct groups *group = seat->group;
    bool all = groups_chance(group->sim, 800);

    for (uint32_t epoch = 0; epoch < seat->passed; epoch++) {
        const struct groups_event *event = &group->events[epoch];
        bool begins = epoch == 0 || event->fresh;

        if (!event->nobody && seat->known[epoch] != GROUPS_RIGHT &&
            (all ? begins : groups_chance(group->sim, 300)))
            learn(seat, epoch, GROUPS_RIGHT, event->key);
    }
}

void groups_mislead(struct groups_seat *seat)
{
    struct groups *group = seat->group;
    uint8_t bytes[HARK_EPOCH_KEY_SIZE];
    uint8_t key = group->next_bad;

    if (seat->passed == 0 || key == GROUPS_NEVER)
        return;
    group->next_bad++;
    for (size_t i = 0; i < sizeof(bytes); i += 8)
        hark_put_u64(bytes + i, groups_below(group->sim, 0));
    learn(seat, (uint32_t)groups_below(group->sim, seat->passed), key, bytes);
}
