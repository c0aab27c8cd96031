/*
 * The random entries of worldgen.h: a drafter for every kind, which makes what
 * would mostly stand, and a spoiler, which breaks something in one draft of six.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/worldgen.h"

#define TRIES 16

static bool one_in(struct world *world, uint64_t n)
{
    return world_random(world, n) == 0;
}

/* ---- Whom and what there is ------------------------------------------------ */

/* A key of the pool that stands for `of`; WORLD_NO_KEY when none was met. */
static uint32_t some_key(struct world *world, enum hark_key_of of, bool staff)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};

    if (hark_state_counts(world->state, counts, NULL) != 0)
        return WORLD_NO_KEY;
    for (int i = 0; i < TRIES; i++) {
        struct hark_key_object key;
        struct hark_member_object member = {.status = HARK_STATUS_ACTIVE};
        uint32_t number = (uint32_t)world_random(world, counts[HARK_SECTION_KEY]);

        if (hark_state_key(world->state, number, &key, NULL) != 0 || key.of != of)
            continue;
        if (of == HARK_KEY_OF_MEMBER &&
            hark_state_member(world->state, key.owner, &member, NULL) != 0)
            continue;
        /* Those who may not write any more seldom do. */
        if ((key.until != HARK_NONE || (staff && member.role != HARK_ROLE_STAFF)) &&
            !one_in(world, 8))
            continue;
        return world_key_number(&key.key);
    }
    return WORLD_NO_KEY;
}

static uint32_t steward_now(struct world *world)
{
    struct hark_key_object key;
    uint32_t number = hark_state_space_object(world->state)->steward_key;

    return hark_state_key(world->state, number, &key, NULL) == 0 ? world_key_number(&key.key)
                                                                 : WORLD_STEWARD;
}

/* Adds a Re to some entry of that kind (NULL: any), mostly one that stands. */
static bool about(struct world *world, struct world_draft *draft, const char *kind)
{
    for (int i = 0; i < TRIES; i++) {
        const struct world_entry *e = world->log[world_random(world, world->count)];

        if (kind != NULL && strcmp(e->entry.kind, kind) != 0)
            continue;
        if (e->effect.verdict != 0 && !one_in(world, 8))
            continue;
        if (draft->re_count < HARK_ENTRY_RE_MAX)
            draft->re[draft->re_count++] = e->entry.id;
        return true;
    }
    return false;
}

static uint32_t some_member(struct world *world)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};

    (void)!hark_state_counts(world->state, counts, NULL);
    return (uint32_t)world_random(world, counts[HARK_SECTION_MEMBER] + 1);
}

static const char *some_role(struct world *world)
{
    return one_in(world, 3) ? "staff" : "member";
}

/* The pool's number of some ticket given out. */
static uint32_t some_ticket(struct world *world, struct hark_ticket_object *ticket)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};

    (void)!hark_state_counts(world->state, counts, NULL);
    if (counts[HARK_SECTION_TICKET] == 0 ||
        hark_state_ticket(world->state, (uint32_t)world_random(world, counts[HARK_SECTION_TICKET]),
                          ticket, NULL) != 0)
        return WORLD_NO_KEY;
    return world_key_number(&ticket->sign);
}

static const char *some_node(struct world *world)
{
    static const char *const NAMES[] = {WORLD_HOME, "one.example", "two.example", "three.example"};

    return NAMES[world_random(world, sizeof(NAMES) / sizeof(NAMES[0]))];
}

/* ---- The drafters: false when there is nothing to be drafted from ---------- */

static bool by_steward(struct world *world, struct world_draft *draft)
{
    draft->by = steward_now(world);
    if (one_in(world, 3))
        (void)about(world, draft, "request");
    return true;
}

static bool draft_admit(struct world *world, struct world_draft *draft)
{
    struct hark_ticket_object ticket = {.role = HARK_ROLE_MEMBER};
    uint32_t by = one_in(world, 2) ? some_ticket(world, &ticket) : WORLD_NO_KEY;
    const char *role = by == WORLD_NO_KEY               ? some_role(world)
                       : ticket.role == HARK_ROLE_STAFF ? "staff"
                                                        : "member";

    draft->fields = world_fields_admit(world, world_new_key(world), role, by);
    return by_steward(world, draft);
}

static bool draft_device(struct world *world, struct world_draft *draft)
{
    uint32_t old = some_key(world, HARK_KEY_OF_MEMBER, false);
    struct hark_key_object key;
    uint32_t number = 0;
    bool found = false;

    if (one_in(world, 3) && old != WORLD_NO_KEY &&
        hark_state_find_key(world->state, world_key(old), &found, &number, NULL) == 0 && found &&
        hark_state_key(world->state, number, &key, NULL) == 0)
        draft->fields =
            json_pack("{s:s, s:I, s:o}", "action", "remove", "member", (json_int_t)key.owner, "key",
                      world_hex(key.key.bytes, sizeof(key.key.bytes)));
    else
        draft->fields = world_fields_device(world, some_member(world), world_new_key(world));
    return by_steward(world, draft);
}

static bool draft_role(struct world *world, struct world_draft *draft)
{
    draft->fields =
        json_pack("{s:I, s:s}", "member", (json_int_t)some_member(world), "role", some_role(world));
    return by_steward(world, draft);
}

static bool draft_remove(struct world *world, struct world_draft *draft)
{
    draft->fields = json_pack("{s:I}", "member", (json_int_t)some_member(world));
    return by_steward(world, draft);
}

static bool draft_invite(struct world *world, struct world_draft *draft)
{
    draft->fields = world_fields_invite(world_new_key(world), some_role(world),
                                        (uint32_t)world_random(world, 3) + 1,
                                        world->now_ms + world_random(world, 40000));
    return by_steward(world, draft);
}

static bool draft_revoke(struct world *world, struct world_draft *draft)
{
    struct hark_ticket_object ticket;
    uint32_t by = some_ticket(world, &ticket);

    if (by == WORLD_NO_KEY)
        return false;
    draft->fields =
        json_pack("{s:o}", "ticket", world_hex(ticket.sign.bytes, sizeof(ticket.sign.bytes)));
    return by_steward(world, draft);
}

static bool draft_node(struct world *world, struct world_draft *draft)
{
    uint32_t log = world_new_key(world);

    if (one_in(world, 3))
        draft->fields = json_pack("{s:s, s:s}", "action", "remove", "name", some_node(world));
    else
        draft->fields =
            world_fields_node(some_node(world), log, world_new_key(world), world_new_key(world));
    return by_steward(world, draft);
}

static bool draft_home(struct world *world, struct world_draft *draft)
{
    draft->fields = world_fields_home(world, some_node(world));
    return by_steward(world, draft);
}

static bool draft_kind(struct world *world, struct world_draft *draft)
{
    static const char *const NAMES[] = {"x-thing", "x-other", "x-third", "unmarked"};

    draft->fields = world_fields_kind(NAMES[world_random(world, 4)]);
    return by_steward(world, draft);
}

static bool draft_policy(struct world *world, struct world_draft *draft)
{
    draft->fields = json_pack("{s:{s:I}}", "policy", "quorum", (json_int_t)world_random(world, 4));
    return by_steward(world, draft);
}

static bool draft_close(struct world *world, struct world_draft *draft)
{
    return one_in(world, 6) && by_steward(world, draft);
}

static bool draft_handover(struct world *world, struct world_draft *draft)
{
    draft->fields = world_fields_new_key(world, world_new_key(world), WORLD_NO_KEY);
    return by_steward(world, draft);
}

/* Two recovery keys agree when they name the same keys, which are few. */
static bool draft_recover(struct world *world, struct world_draft *draft)
{
    draft->fields = world_fields_new_key(world, WORLD_KEYS - 1 - (uint32_t)world_random(world, 3),
                                         WORLD_NO_KEY);
    draft->by = WORLD_RECOVERY + (uint32_t)world_random(world, 3);
    return true;
}

static bool draft_cohort(struct world *world, struct world_draft *draft)
{
    draft->by = steward_now(world);
    draft->fields =
        json_pack("{s:s, s:s}", "dimension", "market", "value", one_in(world, 2) ? "de" : "fr");
    return about(world, draft, "admit");
}

static bool draft_ack(struct world *world, struct world_draft *draft)
{
    draft->by = some_key(world, HARK_KEY_OF_NODE, false);
    return draft->by != WORLD_NO_KEY && about(world, draft, "erase");
}

static bool by_member(struct world *world, struct world_draft *draft, bool staff)
{
    draft->by = some_key(world, HARK_KEY_OF_MEMBER, staff);
    return draft->by != WORLD_NO_KEY;
}

static json_t *words(struct world *world, const char *field)
{
    static const char *const WORDS[] = {"One more bench in the park", "I agree with this",
                                        "Could we hear why?", "ünïcödé, too"};

    return json_pack("{s:s}", field, WORDS[world_random(world, 4)]);
}

static bool draft_profile(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "name");
    return by_member(world, draft, false);
}

static bool draft_topic(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "title");
    return by_member(world, draft, false);
}

static bool draft_idea(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "body");
    if (one_in(world, 3))
        (void)about(world, draft, "topic");
    return by_member(world, draft, false);
}

static bool draft_post(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "body");
    return by_member(world, draft, false) && about(world, draft, one_in(world, 2) ? "idea" : NULL);
}

static bool draft_vote(struct world *world, struct world_draft *draft)
{
    draft->fields = json_pack("{s:s}", "choice", one_in(world, 2) ? "agree" : "disagree");
    return by_member(world, draft, false) && about(world, draft, "idea");
}

static bool draft_revision(struct world *world, struct world_draft *draft)
{
    const struct world_entry *e = world->log[world_random(world, world->count)];

    draft->fields = words(world, "body");
    draft->by = world_key_number(&e->entry.author); /* own, or no entry of a member at all */
    draft->re[draft->re_count++] = e->entry.id;
    return draft->by != WORLD_NO_KEY && e->effect.author_of == HARK_KEY_OF_MEMBER;
}

static bool draft_request(struct world *world, struct world_draft *draft)
{
    draft->fields = json_pack("{s:s}", "action", "role");
    return by_member(world, draft, false);
}

static bool draft_report(struct world *world, struct world_draft *draft)
{
    draft->fields = json_pack("{s:s}", "sealed", "aGVsbG8=");
    return by_member(world, draft, false);
}

static bool draft_erase(struct world *world, struct world_draft *draft)
{
    static const char *const KINDS[] = {"idea", "post", "vote", "cohort", "admit", "profile"};
    static const char *const SEALED[] = {"sealed", "sealed", "sealed",
                                         "cohort", "admit",  "charter"};
    const char *const *kinds = world->sealed ? SEALED : KINDS;
    uint64_t count = world_random(world, 3) + 1;

    if (one_in(world, 2))
        draft->fields = words(world, "ground");
    for (uint64_t i = 0; i < count; i++)
        (void)about(world, draft, kinds[world_random(world, 6)]);
    return by_member(world, draft, one_in(world, 2)) && draft->re_count > 0;
}

static bool draft_rekey(struct world *world, struct world_draft *draft)
{
    const struct hark_key *box = world_box((uint32_t)world_random(world, WORLD_KEYS));

    draft->fields = json_pack("{s:o}", "box", world_hex(box->bytes, sizeof(box->bytes)));
    return by_member(world, draft, false);
}

static bool draft_leave(struct world *world, struct world_draft *draft)
{
    return by_member(world, draft, false);
}

static bool draft_hide(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "reason");
    return by_member(world, draft, true) && about(world, draft, one_in(world, 2) ? "post" : "idea");
}

static bool draft_response(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "body");
    return by_member(world, draft, true) && about(world, draft, "idea");
}

static bool draft_decision(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "reason");
    json_object_set_new(draft->fields, "outcome", json_string("planned"));
    return by_member(world, draft, true) && about(world, draft, "idea");
}

static bool draft_action(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "body");
    json_object_set_new(draft->fields, "state", json_string("doing"));
    return by_member(world, draft, true) && about(world, draft, "decision");
}

static bool draft_sealed(struct world *world, struct world_draft *draft)
{
    static uint8_t bytes[512] = {1};
    static const struct hark_seen SEEN = {.size = 1};

    if (world->sealed) {
        hark_put_u64(bytes + 8, world_random(world, 1000));
        draft->seen = one_in(world, 16) ? NULL : &SEEN;
    }
    draft->raw = hark_span(bytes, sizeof(bytes));
    return by_member(world, draft, false);
}

static bool draft_charter(struct world *world, struct world_draft *draft)
{
    static const uint8_t BYTES[512] = {2};

    draft->by = steward_now(world);
    draft->raw = hark_span(BYTES, sizeof(BYTES));
    return true;
}

static bool draft_epoch(struct world *world, struct world_draft *draft)
{
    char box[109];

    memset(box, 'A', sizeof(box) - 2);
    box[sizeof(box) - 2] = '='; /* 80 bytes */
    box[sizeof(box) - 1] = '\0';
    draft->by = steward_now(world);
    draft->fields =
        json_pack("{s:i, s:i, s:i, s:o, s:[{s:i, s:s}]}", "epoch", 1, "part", 0, "parts", 1,
                  "commitment", world_hex(world->space.bytes, 32), "sealed", "key", 7, "box", box);
    return true;
}

static bool draft_own_kind(struct world *world, struct world_draft *draft)
{
    draft->fields = words(world, "body");
    if (hark_kinds_find(hark_state_kinds(world->state), "x-thing") < 0)
        return false;
    return by_member(world, draft, false);
}

static const struct {
    const char *kind;
    unsigned weight;
    bool (*draft)(struct world *world, struct world_draft *draft);
} DRAFTERS[] = {
    {"admit", 12, draft_admit},      {"device", 4, draft_device},
    {"role", 2, draft_role},         {"remove", 1, draft_remove},
    {"invite", 5, draft_invite},     {"revoke", 1, draft_revoke},
    {"node", 3, draft_node},         {"home", 2, draft_home},
    {"kind", 2, draft_kind},         {"policy", 1, draft_policy},
    {"close", 1, draft_close},       {"handover", 1, draft_handover},
    {"recover", 3, draft_recover},   {"cohort", 5, draft_cohort},
    {"ack", 3, draft_ack},           {"profile", 3, draft_profile},
    {"topic", 4, draft_topic},       {"idea", 9, draft_idea},
    {"post", 8, draft_post},         {"vote", 12, draft_vote},
    {"revision", 3, draft_revision}, {"request", 4, draft_request},
    {"report", 1, draft_report},     {"erase", 6, draft_erase},
    {"rekey", 2, draft_rekey},       {"leave", 1, draft_leave},
    {"hide", 2, draft_hide},         {"response", 2, draft_response},
    {"decision", 2, draft_decision}, {"recognition", 1, draft_response},
    {"action", 1, draft_action},     {"sealed", 1, draft_sealed},
    {"charter", 1, draft_charter},   {"epoch", 1, draft_epoch},
    {"x-thing", 3, draft_own_kind},
};
#define DRAFTER_COUNT (sizeof(DRAFTERS) / sizeof(DRAFTERS[0]))

/* ---- The spoiler ----------------------------------------------------------- */

static void spoil_payload(struct world *world, struct world_draft *draft)
{
    static const char JUNK[] =
        "{\"salt\":\"00112233445566778899aabbccddeeff\",\"junk\":true}       "
        "                                                                 ";
    const struct world_entry *e = world->log[world_random(world, world->count)];

    switch (world_random(world, 3)) {
    case 0: /* somebody's, once more */
        draft->raw = e->payload;
        break;
    case 1:
        draft->raw = hark_span(JUNK, 64);
        break;
    default: /* no salt but a right hash: the payload is another kind's */
        draft->raw = hark_span(JUNK, 63);
        break;
    }
}

static void spoil(struct world *world, struct world_draft *draft)
{
    uint32_t others[] = {steward_now(world), some_key(world, HARK_KEY_OF_MEMBER, false),
                         some_key(world, HARK_KEY_OF_NODE, false),
                         WORLD_RECOVERY + (uint32_t)world_random(world, 3)};
    uint32_t other = others[world_random(world, 4)];

    switch (world_random(world, 6)) {
    case 0:
        draft->by = other == WORLD_NO_KEY ? WORLD_STEWARD : other;
        break;
    case 1:
        draft->time_ms = world->now_ms - 10000 + world_random(world, 400000);
        break;
    case 2:
        (void)about(world, draft, NULL);
        break;
    case 3:
        if (draft->re_count > 0)
            draft->re[0] = hark_sha256(hark_span_str("nothing"));
        break;
    case 4:
        draft->accepted_ms = world->now_ms - (world->first_hand ? 0 : world_random(world, 500000));
        break;
    default:
        spoil_payload(world, draft);
        break;
    }
}

/* A drafter by its weight. */
static size_t some_drafter(struct world *world)
{
    uint64_t sum = 0;
    uint64_t at;
    size_t i = 0;

    for (size_t k = 0; k < DRAFTER_COUNT; k++)
        sum += DRAFTERS[k].weight;
    at = world_random(world, sum);
    while (at >= DRAFTERS[i].weight)
        at -= DRAFTERS[i++].weight;
    return i;
}

/* In an encrypted space members mostly write what is for one. */
static size_t fitting_drafter(struct world *world, size_t i)
{
    const struct hark_kinds *kinds = hark_state_kinds(world->state);
    int number = hark_kinds_find(kinds, DRAFTERS[i].kind);
    bool own = number < 0 || (size_t)number >= hark_kinds_builtin_count(kinds);

    if (!world->sealed || one_in(world, 8) ||
        (!own && hark_kinds_get(kinds, (size_t)number)->modes != HARK_MODES_OPEN))
        return i;
    for (i = 0; strcmp(DRAFTERS[i].kind, "sealed") != 0; i++)
        ;
    return i;
}

void world_step(struct world *world)
{
    for (;;) {
        size_t i = fitting_drafter(world, some_drafter(world));
        struct world_draft draft = {.kind = DRAFTERS[i].kind};
        struct world_entry *entry = NULL;
        bool rotates = world->sealed && one_in(world, 3);
        bool drafted = rotates ? world_draft_rotation(world, steward_now(world), &draft)
                               : DRAFTERS[i].draft(world, &draft);

        if (drafted && one_in(world, 6))
            spoil(world, &draft);
        if (drafted) {
            entry = world_build(world, &draft);
            if (world_apply(world, &entry, NULL) == 0)
                return;
            world_entry_free(entry);
        }
        json_decref(draft.fields);
    }
}
