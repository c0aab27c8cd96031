/*
 * What members write, sealed and in the clear, honest and not, and how it comes to the home.
 * See groups.h.
 */
#include "groups.h"

/* ---- The home ------------------------------------------------------------------------ */

static void ended(struct groups *group, uint32_t member, uint64_t position)
{
    for (uint32_t i = 0; i < group->seat_count; i++) {
        struct groups_seat *seat = group->seats[i];

        if (groups_in_force(seat) && seat->member == member) {
            seat->until = position;
            seat->left = true;
        }
    }
}

/* What the model takes from a member's entry that stands. */
static void take_effect(struct groups *group, const struct world_entry *e,
                        const struct groups_truth *truth)
{
    struct groups_sim *sim = group->sim;

    if (strcmp(e->entry.kind, "leave") == 0)
        ended(group, e->effect.member, e->effect.position);
    if (strcmp(e->entry.kind, "rekey") == 0) {
        group->seats[truth->seat]->box_logged = truth->mark;
        sim->sums.rekeys++;
    }
    sim->sums.erased += strcmp(e->entry.kind, "erase") == 0 ? 1 : 0;
    sim->sums.sealed += truth->sealed ? 1 : 0;
}

int groups_append(struct groups *group, struct world_entry **entry,
                  const struct groups_truth *truth)
{
    struct world *world = group->world;
    struct groups_sim *sim = group->sim;
    struct world_entry *e = *entry;
    struct hark_err err;
    int judged = 0;
    bool judge = groups_chance(sim, 100);

    if (world->count == GROUPS_LOG_MAX)
        fail_msg("seed %llu: the log is full", (unsigned long long)sim->seed);
    e->arrival.arrival_ms = e->arrival.accepted_ms = world->now_ms;
    if (judge)
        judged = hark_state_judge(world->state, &e->entry, &e->arrival, e->payload, &err);
    group->truth[world->count] = *truth;
    if (!groups_ok(sim, world_apply(world, entry, &err), "the home cannot log it", &err)) {
        world_entry_free(e);
        *entry = NULL;
        return HARK_E_INTERNAL;
    }
    if (judge && judged != e->effect.verdict_code)
        groups_broken(sim, "judged %s, then logged %s", hark_err_name(judged),
                      hark_err_name(e->effect.verdict_code));
    groups_tell(sim, "group %u: %llu is %s by seat %d: %s", group->index,
                (unsigned long long)e->effect.position, e->entry.kind, (int)truth->seat,
                hark_err_name(e->effect.verdict_code));
    sim->sums.entries++;
    if (e->effect.verdict == 0)
        take_effect(group, e, truth);
    return e->effect.verdict_code;
}

void groups_flush(struct groups_seat *seat)
{
    for (size_t i = 0; i < seat->out_count; i++)
        (void)groups_append(seat->group, &seat->out[i].entry, &seat->out[i].truth);
    seat->out_count = 0;
}

/* ---- A member's feed -------------------------------------------------------------------- */

static bool can_write(const struct groups_seat *seat)
{
    return seat->node != NULL && seat->out_count < GROUPS_OUT_MAX &&
           seat->group->world->count + 2u * GROUPS_OUT_MAX < GROUPS_LOG_MAX;
}

/* The next of its feed, of which the home may know less. Takes the draft's fields. */
static void queue(struct groups_seat *seat, struct world_draft *draft,
                  const struct groups_truth *truth)
{
    struct groups_outgoing *out = &seat->out[seat->out_count++];

    draft->by = seat->pool;
    draft->seq = seat->seq + 1;
    draft->previous = &seat->last;
    draft->parent = &seat->last_git;
    out->entry = world_build(seat->group->world, draft);
    out->truth = *truth;
    out->truth.seat = seat->index;
    seat->seq++;
    seat->last = out->entry->entry.id;
    seat->last_git = out->entry->arrival.git_id;
}

void groups_leave(struct groups_seat *seat)
{
    struct world_draft draft = {.kind = "leave"};
    struct groups_truth truth = {.sealed = false};

    if (can_write(seat))
        queue(seat, &draft, &truth);
}

void groups_rekey(struct groups_seat *seat)
{
    struct world_draft draft = {.kind = "rekey"};
    struct groups_truth truth = {.sealed = false};
    struct hark_err err;

    if (!can_write(seat) || seat->box_count == GROUPS_BOXES_MAX)
        return;
    truth.mark = groups_new_pool(seat->group->sim);
    seat->box_count++;
    (void)groups_ok(seat->group->sim, follow_own(seat->node, world_box_pair(truth.mark), &err),
                    "a new own key", &err);
    draft.fields =
        json_pack("{s:o}", "box", world_hex(world_box(truth.mark)->bytes, HARK_KEY_SIZE));
    queue(seat, &draft, &truth);
}

/* A sealed entry of the same member's (or of anybody's) that is logged, or HARK_NONE. */
static uint64_t find_sealed(const struct groups_seat *seat, bool own)
{
    const struct groups *group = seat->group;
    uint64_t first = groups_below(group->sim, group->world->count);

    for (uint64_t i = 0; i < group->world->count; i++) {
        uint64_t at = (first + i) % group->world->count;
        const struct groups_truth *truth = &group->truth[at];

        if (truth->sealed && (!own || group->seats[truth->seat]->member == seat->member))
            return at;
    }
    return HARK_NONE;
}

void groups_erase(struct groups_seat *seat)
{
    const struct groups *group = seat->group;
    struct world_draft draft = {.kind = "erase", .re_count = 1};
    struct groups_truth truth = {.sealed = false};
    bool own = groups_chance(group->sim, 700); /* those of others stand by staff alone */
    uint64_t about = groups_chance(group->sim, 150) ? HARK_NONE : find_sealed(seat, own);

    if (!can_write(seat))
        return;
    for (uint32_t i = 0; about == HARK_NONE && i < group->seat_count; i++) {
        if (group->seats[i]->member == seat->member) /* its admit: all that it wrote */
            about = group->seats[i]->since;
    }
    draft.re[0] = group->world->log[about]->entry.id;
    queue(seat, &draft, &truth);
}

/* ---- Sealed entries ------------------------------------------------------------------------ */

/* One being made. */
struct making {
    struct groups_seat *seat;
    struct hark_entry header;
    struct hark_inner inner;
    struct groups_truth truth;
    struct hark_buf envelope;
};

static void fill_header(struct making *m)
{
    struct groups_seat *seat = m->seat;
    const struct world *world = seat->group->world;

    m->header = (struct hark_entry){.has_space = true,
                                    .space = world->space,
                                    .author = *world_key(seat->pool),
                                    .seq = seat->seq + 1,
                                    .previous = seat->last,
                                    .parent = seat->last_git,
                                    .time_ms = world->now_ms,
                                    .has_seen = true,
                                    .seen = seat->seen};
    (void)snprintf(m->header.kind, sizeof(m->header.kind), "sealed");
}

/* Something that its node has read, of such a kind; false: nothing. */
static bool find_subject(struct making *m, const char *const *kinds)
{
    struct groups_seat *seat = m->seat;
    uint64_t size = follow_size(seat->node), first = groups_below(seat->group->sim, size);

    for (uint64_t i = 0; i < size; i++) {
        uint64_t at = (first + i) % size;
        const struct groups_truth *truth = &seat->group->truth[at];

        for (const char *const *kind = kinds; *kind != NULL; kind++) {
            if (!truth->sealed || seat->reading[at] != HARK_READING_OPENED ||
                strcmp(truth->kind, *kind) != 0)
                continue;
            m->inner.re[0] = seat->group->world->log[at]->entry.id;
            m->inner.re_count = 1;
            return true;
        }
    }
    return false;
}

static void fill_words(struct making *m)
{
    static const char *const IDEAS[] = {"idea", NULL}, *const ANY[] = {"idea", "topic", "post",
                                                                       NULL};
    struct groups_sim *sim = m->seat->group->sim;
    const char *kind = "idea", *field = "body";
    uint64_t roll = groups_below(sim, 10);
    char mark[24];

    m->truth.sealed = true;
    m->truth.mark = ++sim->next_mark;
    (void)snprintf(mark, sizeof(mark), "m%u", m->truth.mark);
    if (roll < 4 && find_subject(m, IDEAS)) {
        kind = "vote";
        field = "why";
    } else if (roll < 7 && find_subject(m, ANY)) {
        kind = "post";
    } else if (roll == 7) {
        kind = "topic";
        field = "title";
    }
    if (roll == 9) { /* not about anything that there is: void inside, but read */
        kind = "post";
        m->inner.re[0] = hark_sha256(hark_span_str(mark));
        m->inner.re_count = 1;
    }
    m->inner.payload = json_pack("{s:s}", field, mark);
    if (strcmp(kind, "vote") == 0)
        json_object_set_new(m->inner.payload, "choice", json_string("agree"));
    (void)snprintf(m->inner.kind, sizeof(m->inner.kind), "%s", kind);
    memcpy(m->truth.kind, m->inner.kind, sizeof(m->truth.kind));
}

/* Under the key that the node has of that epoch, whatever is in force. */
static int seal_under(struct making *m, uint32_t epoch, struct hark_span content,
                      struct hark_err *err)
{
    struct hark_buf headers = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_envelope_entry of = {.author = m->header.author, .seq = m->header.seq};
    const struct hark_epoch *key = NULL;
    int rc = hark_ring_key(&key, m->seat->node->ring, epoch, err);

    if (rc == 0)
        rc = hark_entry_headers(&headers, &m->header, err);
    of.headers = hark_buf_span(&headers);
    if (rc == 0)
        rc = hark_envelope_seal(&m->envelope, key, &of, content, err);
    hark_buf_free(&headers);
    m->truth.epoch = epoch;
    m->truth.key = m->seat->known[epoch];
    return rc;
}

static int seal_content_under(struct making *m, uint32_t epoch, struct hark_err *err)
{
    struct hark_buf content = hark_buf_init(HARK_ENVELOPE_CONTENT_MAX);
    int rc = hark_inner_write(&content, hark_state_kinds(m->seat->node->outer), "sealed", &m->inner,
                              err);

    if (rc == 0)
        rc = seal_under(m, epoch, hark_buf_span(&content), err);
    hark_buf_free(&content);
    return rc;
}

/* As a node does it. */
static int seal_rightly(struct making *m, struct hark_err *err)
{
    struct groups_seat *seat = m->seat;
    uint32_t epoch = 0;

    if (!hark_ring_in_force(seat->node->ring, &epoch))
        return hark_err_set(err, HARK_E_EPOCH_UNKNOWN, "there is none yet");
    if (seat->group->sim->fault == GROUPS_OLD_KEY && epoch > 0 &&
        seat->known[epoch - 1] != GROUPS_NO_KEY)
        return seal_content_under(m, epoch - 1, err);
    m->truth.epoch = epoch;
    m->truth.key = seat->known[epoch];
    return hark_inner_seal(&m->envelope, seat->node->ring, hark_state_kinds(seat->node->outer),
                           &m->header, &m->inner, err);
}

/* ---- Lies ------------------------------------------------------------------------------------ */

/* An honest envelope that is logged in that group, by the same member or by another; false:
 * there is none. */
static bool copy_envelope(struct making *m, const struct groups *from, bool own)
{
    const struct groups_seat *seat = m->seat;
    uint64_t first = groups_below(from->sim, from->world->count);

    for (uint64_t i = 0; i < from->world->count; i++) {
        uint64_t at = (first + i) % from->world->count;
        const struct groups_truth *truth = &from->truth[at];
        bool is_own = truth->sealed &&
                      (from != seat->group || from->seats[truth->seat]->member == seat->member);

        if (!truth->sealed || truth->lie != GROUPS_HONEST || is_own != own)
            continue;
        m->truth.epoch = truth->epoch;
        m->truth.key = GROUPS_NEVER;
        return hark_buf_append_span(&m->envelope, from->world->log[at]->payload, NULL) == 0;
    }
    return false;
}

/* One that nobody has brought here yet: who does is its first logger. */
static bool copy_from_elsewhere(struct making *m)
{
    const struct groups_sim *sim = m->seat->group->sim;
    const struct groups *other = sim->groups[(m->seat->group->index + 1) % sim->group_count];
    struct hark_hash hash;
    uint64_t position = 0;
    bool found = false;

    if (other == m->seat->group || !copy_envelope(m, other, true))
        return false;
    hash = hark_sha256(hark_buf_span(&m->envelope));
    return hark_state_find_payload(m->seat->group->world->state, &hash, &found, &position, NULL) ==
               0 &&
           !found;
}

static bool seal_too_old(struct making *m)
{
    const struct groups_seat *seat = m->seat;
    uint32_t in_force = 0, epoch;

    if (!groups_epoch_at(seat->group, m->header.seen.size, &in_force) || in_force == 0)
        return false;
    epoch = (uint32_t)groups_below(seat->group->sim, in_force);
    return seat->known[epoch] != GROUPS_NO_KEY && seal_content_under(m, epoch, NULL) == 0;
}

/* Under the key in force. */
static bool seal_wrongly(struct making *m, enum groups_lie lie)
{
    struct hark_span nothing = hark_span_str("{\"kind\":\"idea\"}");
    uint32_t epoch = 0;

    if (!hark_ring_in_force(m->seat->node->ring, &epoch))
        return false;
    if (lie == GROUPS_NO_CONTENT)
        return seal_under(m, epoch, nothing, NULL) == 0;
    if (lie == GROUPS_CUT) { /* so that it is long enough to be cut */
        char words[1024];

        memset(words, 'w', sizeof(words) - 1);
        words[sizeof(words) - 1] = '\0';
        json_object_set_new(m->inner.payload, "body", json_string(words));
        (void)snprintf(m->inner.kind, sizeof(m->inner.kind), "%s", "idea");
        (void)json_object_del(m->inner.payload, "why");
        (void)json_object_del(m->inner.payload, "title");
        (void)json_object_del(m->inner.payload, "choice");
        m->inner.re_count = 0;
    }
    if (lie == GROUPS_HEADERS)
        m->header.time_ms++;
    return seal_content_under(m, epoch, NULL) == 0;
}

static bool spoil(struct making *m, enum groups_lie lie)
{
    if (lie == GROUPS_VERSION)
        m->envelope.data[0] = 2;
    if (lie == GROUPS_SHORT)
        m->envelope.size--;
    if (lie == GROUPS_CUT)
        m->envelope.size -= 64;
    if (lie == GROUPS_HEADERS)
        m->header.time_ms--;
    if (lie == GROUPS_AHEAD) {
        m->truth.epoch = 10u * GROUPS_EPOCHS;
        hark_put_u32(m->envelope.data + 1, m->truth.epoch);
    }
    return true;
}

static bool make_lie(struct making *m, enum groups_lie lie)
{
    m->truth.lie = lie;
    switch (lie) {
    case GROUPS_FOREIGN:
    case GROUPS_AGAIN:
        return copy_envelope(m, m->seat->group, lie == GROUPS_AGAIN);
    case GROUPS_OTHER_GROUP:
        return copy_from_elsewhere(m);
    case GROUPS_OLD:
        return seal_too_old(m);
    default:
        return seal_wrongly(m, lie) && spoil(m, lie);
    }
}

void groups_say(struct groups_seat *seat, enum groups_lie lie)
{
    struct making m = {.seat = seat, .envelope = hark_buf_init(HARK_ENVELOPE_MAX)};
    struct world_draft draft = {.kind = "sealed"};
    struct groups_sim *sim = seat->group->sim;
    bool made = false;
    struct hark_err err = {.message = ""};
    int rc;

    if (!can_write(seat) || follow_size(seat->node) <= seat->since)
        return;
    fill_header(&m);
    fill_words(&m);
    if (lie == GROUPS_HONEST) {
        rc = seal_rightly(&m, &err);
        made = rc == 0;
        if (made != (m.truth.key != GROUPS_NO_KEY) || (!made && rc != HARK_E_EPOCH_UNKNOWN))
            groups_broken(sim, "sealing with key %u: %s", m.truth.key, err.message);
    } else {
        made = make_lie(&m, lie);
    }
    draft.raw = hark_buf_span(&m.envelope);
    draft.seen = &m.header.seen;
    draft.time_ms = m.header.time_ms;
    if (made) {
        queue(seat, &draft, &m.truth);
        sim->sums.lies += lie != GROUPS_HONEST ? 1 : 0;
        if (lie != GROUPS_HONEST)
            groups_flush(seat);
    }
    hark_inner_free(&m.inner);
    hark_buf_free(&m.envelope);
}
