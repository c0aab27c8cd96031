/*
 * schemas/state: the rules. For every rule L2 to L10 and V1 to V30 of PROTOCOL.md
 * 6.1 and 6.2 there are cases that break just that rule: the same draft is made
 * twice, once right, which must be logged and stand, and once with the one thing
 * wrong. What is refused leaves the state hash as it was; what is void changes
 * nothing but its own entry object.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/support/worldgen.h"

/* ---- The stage ------------------------------------------------------------- */

struct stage {
    struct world *world;
    bool wrong;                            /* draft the wrong one */
    uint32_t alice, alice_phone, bob, sam; /* keys; sam is staff; ordinals 0, 0, 1, 2 */
    uint32_t ticket;                       /* two uses, for members */
    uint32_t node_log, node_cosigner, node_author;
    uint64_t admit_alice, admit_bob, topic, idea, post, request; /* positions */
    /* A count that the store lies about, for limits too large to be reached. */
    enum hark_section lie_section;
    uint64_t lie_count; /* 0: it does not */
};

static json_t *text(const char *field, const char *value)
{
    return json_pack("{s:s}", field, value);
}

static uint64_t admit(struct stage *s, uint32_t key, const char *role)
{
    return world_say(s->world, WORLD_STEWARD, "admit",
                     world_fields_admit(s->world, key, role, WORLD_NO_KEY), HARK_NONE);
}

static void set_stage(struct stage *s, bool wrong)
{
    struct world *w = world_new(7, NULL, NULL);

    memset(s, 0, sizeof(*s));
    s->world = w;
    s->wrong = wrong;
    s->alice = world_new_key(w);
    s->alice_phone = world_new_key(w);
    s->bob = world_new_key(w);
    s->sam = world_new_key(w);
    s->ticket = world_new_key(w);
    s->node_log = world_new_key(w);
    s->node_cosigner = world_new_key(w);
    s->node_author = world_new_key(w);
    s->admit_alice = admit(s, s->alice, "member");
    s->admit_bob = admit(s, s->bob, "member");
    (void)admit(s, s->sam, "staff");
    world_say(w, WORLD_STEWARD, "device", world_fields_device(w, 0, s->alice_phone), HARK_NONE);
    world_say(w, WORLD_STEWARD, "invite",
              world_fields_invite(s->ticket, "member", 2, w->now_ms + 3600000), HARK_NONE);
    world_say(w, WORLD_STEWARD, "node",
              world_fields_node("one.example", s->node_log, s->node_cosigner, s->node_author),
              HARK_NONE);
    s->topic = world_say(w, s->alice, "topic", text("title", "The park"), HARK_NONE);
    s->idea = world_say(w, s->alice, "idea", text("body", "A bench"), s->topic);
    s->post = world_say(w, s->bob, "post", text("body", "Yes"), s->idea);
    s->request = world_say(w, s->sam, "request", text("action", "role"), HARK_NONE);
}

static void about(const struct stage *s, struct world_draft *d, uint64_t position)
{
    d->re[d->re_count++] = s->world->log[position]->entry.id;
}

static void draft(struct world_draft *d, uint32_t by, const char *kind, json_t *fields)
{
    d->by = by;
    d->kind = kind;
    d->fields = fields;
}

static void draft_topic(struct world_draft *d, uint32_t by)
{
    draft(d, by, "topic", text("title", "The lake"));
}

static void draft_role(struct world_draft *d, uint32_t by, uint32_t member, const char *role)
{
    draft(d, by, "role", json_pack("{s:I, s:s}", "member", (json_int_t)member, "role", role));
}

static void draft_admit(struct stage *s, struct world_draft *d, uint32_t key, uint32_t ticket)
{
    draft(d, WORLD_STEWARD, "admit", world_fields_admit(s->world, key, "member", ticket));
}

static void draft_vote(const struct stage *s, struct world_draft *d, uint32_t by)
{
    draft(d, by, "vote", text("choice", "agree"));
    about(s, d, s->idea);
}

/* Names another key than the one that the proof is about would be another rule:
 * the proof is made anew. */
static void set_hex(json_t *fields, const char *name, const void *data, size_t size)
{
    json_object_set_new(fields, name, world_hex(data, size));
}

static void do_role(struct stage *s, uint32_t member, const char *role)
{
    struct world_draft d = {.by = 0};

    draft_role(&d, WORLD_STEWARD, member, role);
    (void)world_log(s->world, &d, 0);
}

static void do_remove(struct stage *s, uint32_t member)
{
    world_say(s->world, WORLD_STEWARD, "remove", json_pack("{s:I}", "member", (json_int_t)member),
              HARK_NONE);
}

static void end_key(struct stage *s, uint32_t member, uint32_t key)
{
    json_t *fields = json_pack("{s:s, s:I}", "action", "remove", "member", (json_int_t)member);

    set_hex(fields, "key", world_key(key)->bytes, HARK_KEY_SIZE);
    world_say(s->world, WORLD_STEWARD, "device", fields, HARK_NONE);
}

/* ---- V1 to V8 -------------------------------------------------------------- */

static void v1_closed(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    if (s->wrong)
        world_say(s->world, WORLD_STEWARD, "close", NULL, HARK_NONE);
}

static void v1_steward_closed(struct stage *s, struct world_draft *d)
{
    draft_role(d, WORLD_STEWARD, 0, "staff");
    if (s->wrong)
        world_say(s->world, WORLD_STEWARD, "close", NULL, HARK_NONE);
}

static void v2_steward(struct stage *s, struct world_draft *d)
{
    draft_role(d, s->wrong ? s->sam : WORLD_STEWARD, 0, "staff");
}

static void v2_old_steward(struct stage *s, struct world_draft *d)
{
    if (s->wrong)
        world_say(s->world, WORLD_STEWARD, "handover",
                  world_fields_new_key(s->world, world_new_key(s->world), WORLD_NO_KEY), HARK_NONE);
    draft_role(d, WORLD_STEWARD, 0, "staff");
}

static void v2_recover(struct stage *s, struct world_draft *d)
{
    draft(d, s->wrong ? s->sam : WORLD_RECOVERY, "recover",
          world_fields_new_key(s->world, world_new_key(s->world), WORLD_NO_KEY));
}

static void v3_steward_kind(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->wrong ? WORLD_STEWARD : s->alice);
}

static void draft_ack(struct stage *s, struct world_draft *d, uint32_t by)
{
    draft(d, by, "ack", NULL);
    about(s, d, world_say(s->world, s->bob, "erase", NULL, s->post));
}

static void v4_ack_by_member(struct stage *s, struct world_draft *d)
{
    draft_ack(s, d, s->wrong ? s->alice : WORLD_AUTHOR);
}

static void v4_topic_by_node(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->wrong ? s->node_author : s->alice);
}

static void v4_node_unnamed(struct stage *s, struct world_draft *d)
{
    draft_ack(s, d, s->node_author);
    if (s->wrong)
        world_say(s->world, WORLD_STEWARD, "node",
                  json_pack("{s:s, s:s}", "action", "remove", "name", "one.example"), HARK_NONE);
}

static void v5_removed(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->bob);
    if (s->wrong)
        do_remove(s, 1);
}

static void v5_left(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice_phone);
    if (s->wrong)
        world_say(s->world, s->alice, "leave", NULL, HARK_NONE);
}

static void v5_key_ended(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice_phone);
    if (s->wrong)
        end_key(s, 0, s->alice_phone);
}

static void v6_role(struct stage *s, struct world_draft *d)
{
    draft(d, s->wrong ? s->alice : s->sam, "hide", text("reason", "Off topic"));
    about(s, d, s->post);
}

static void v7_time_before(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->time_ms = s->world->log[s->idea]->entry.time_ms - (s->wrong ? 1 : 0);
}

static void v8_time_ahead(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->accepted_ms = s->world->now_ms - 5000;
    d->time_ms = d->accepted_ms + 300000 + (s->wrong ? 1 : 0);
}

/* ---- V9 to V14 ------------------------------------------------------------- */

static void v9_too_few(struct stage *s, struct world_draft *d)
{
    draft_vote(s, d, s->bob);
    if (s->wrong)
        d->re_count = 0;
}

static void v9_too_many(struct stage *s, struct world_draft *d)
{
    draft_vote(s, d, s->bob);
    if (s->wrong)
        d->re[d->re_count++] =
            s->world->log[world_say(s->world, s->alice, "idea", text("body", "A tree"), HARK_NONE)]
                ->entry.id;
}

static void v10_repeated(struct stage *s, struct world_draft *d)
{
    draft(d, s->bob, "post", text("body", "Both"));
    about(s, d, s->idea);
    about(s, d, s->wrong ? s->idea : s->topic);
}

static void v11_nothing(struct stage *s, struct world_draft *d)
{
    draft_vote(s, d, s->bob);
    if (s->wrong)
        d->re[0].bytes[31] ^= 1;
}

static void v11_not_logged_yet(struct stage *s, struct world_draft *d)
{
    struct world_draft idea = {.by = s->alice, .kind = "idea", .fields = text("body", "A tree")};
    struct world_entry *entry = world_build(s->world, &idea);

    draft(d, s->bob, "vote", text("choice", "agree"));
    d->re[d->re_count++] = entry->entry.id;
    if (s->wrong)
        world_entry_free(entry);
    else
        assert_int_equal(world_apply(s->world, &entry, NULL), 0);
}

static void v12_kind(struct stage *s, struct world_draft *d)
{
    draft_vote(s, d, s->bob);
    if (s->wrong)
        d->re[0] = s->world->log[s->post]->entry.id;
}

/* Never-erased kinds but `admit` cannot be erased. */
static void v12_erase(struct stage *s, struct world_draft *d)
{
    draft(d, s->sam, "erase", NULL);
    about(s, d, s->wrong ? 0 : s->admit_alice);
}

static void v13_void(struct stage *s, struct world_draft *d)
{
    struct world_draft idea = {.by = s->alice, .kind = "idea", .fields = text("body", "A tree")};
    uint64_t position;

    idea.time_ms = s->wrong ? s->world->now_ms + 300001 : 0;
    position = world_log(s->world, &idea, s->wrong ? HARK_E_VOID_TIME_AHEAD : 0);
    draft(d, s->bob, "vote", text("choice", "agree"));
    about(s, d, position);
}

/* Words in a void entry can be erased; a void admission is no member. */
static void v13_erase(struct stage *s, struct world_draft *d)
{
    struct world_draft wrong = {.by = 0};
    uint64_t position;

    if (s->wrong)
        draft_admit(s, &wrong, s->alice, WORLD_NO_KEY);
    else
        draft_topic(&wrong, WORLD_STEWARD);
    position =
        world_log(s->world, &wrong, s->wrong ? HARK_E_VOID_KEY_USED : HARK_E_VOID_STEWARD_KIND);
    draft(d, s->sam, "erase", NULL);
    about(s, d, position);
}

static void v14_revision(struct stage *s, struct world_draft *d)
{
    /* Another of her keys is she; staff is not. */
    draft(d, s->wrong ? s->sam : s->alice_phone, "revision", text("body", "Two benches"));
    about(s, d, s->idea);
}

static void v14_erase(struct stage *s, struct world_draft *d)
{
    draft(d, s->wrong ? s->alice : s->bob, "erase", NULL);
    about(s, d, s->post);
}

static void v14_erase_by_staff(struct stage *s, struct world_draft *d)
{
    draft(d, s->wrong ? s->alice : s->sam, "erase", NULL);
    about(s, d, s->post);
}

static void v14_erase_member(struct stage *s, struct world_draft *d)
{
    draft(d, s->wrong ? s->bob : s->alice, "erase", NULL);
    about(s, d, s->admit_alice);
}

/* The steward wrote it, about alice: not hers to erase alone. */
static void v14_erase_cohort(struct stage *s, struct world_draft *d)
{
    uint64_t cohort =
        world_say(s->world, WORLD_STEWARD, "cohort",
                  json_pack("{s:s, s:s}", "dimension", "market", "value", "de"), s->admit_alice);

    draft(d, s->wrong ? s->alice : s->sam, "erase", NULL);
    about(s, d, cohort);
}

/* ---- V15 to V18 ------------------------------------------------------------ */

static void v15_unknown_field(struct stage *s, struct world_draft *d)
{
    draft_role(d, WORLD_STEWARD, 0, "staff");
    if (s->wrong)
        json_object_set_new(d->fields, "junk", json_true());
}

static void v15_missing_field(struct stage *s, struct world_draft *d)
{
    draft_role(d, WORLD_STEWARD, 0, "staff");
    if (s->wrong)
        json_object_del(d->fields, "role");
}

static void v15_padding(struct stage *s, struct world_draft *d)
{
    static const char RAW[] = "{\"salt\":\"00112233445566778899aabbccddeeff\",\"member\":0,"
                              "\"role\":\"staff\"}                                             "
                              "                                                    ";

    draft(d, WORLD_STEWARD, "role", NULL);
    d->raw = hark_span(RAW, s->wrong ? 127 : 128);
}

static void v15_logged_before(struct stage *s, struct world_draft *d)
{
    uint64_t before;

    do_role(s, 0, "staff");
    before = s->world->count - 1;
    do_role(s, 0, "member");
    draft_role(d, WORLD_STEWARD, 0, "staff");
    if (s->wrong)
        d->raw = s->world->log[before]->payload;
}

static void v15_node_name(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "node",
          world_fields_node(s->wrong ? "-two" : "two", world_new_key(s->world),
                            world_new_key(s->world), world_new_key(s->world)));
}

static void v15_definition(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
    if (s->wrong)
        json_object_set_new(d->fields, "definition", json_string("kind: [x-thing"));
}

static void v15_definition_of_another(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
    if (s->wrong)
        json_object_set_new(d->fields, "name", json_string("x-thang"));
}

static void v15_not_an_own_name(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "kind", world_fields_kind(s->wrong ? "thing" : "x-thing"));
}

static void replace_in(json_t *fields, const char *name, const char *what, const char *with)
{
    const char *old = json_string_value(json_object_get(fields, name));
    const char *at = strstr(old, what);
    char changed[1024];

    assert_non_null(at);
    (void)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - old), old, with,
                   at + strlen(what));
    json_object_set_new(fields, name, json_string(changed));
}

static void v15_own_kind_by_steward(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
    replace_in(d->fields, "definition", "who: member", s->wrong ? "who: steward" : "who: staff");
}

static void v15_own_kind_never_erased(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
    if (s->wrong)
        replace_in(d->fields, "definition", "erasable: true", "erasable: false");
}

static void v15_own_kind_about_unknown(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
    if (s->wrong)
        replace_in(d->fields, "definition", "[idea,", "[ideal,");
}

static uint32_t key_in_use(struct stage *s, unsigned variant)
{
    const uint32_t keys[] = {s->alice,    s->alice_phone, WORLD_STEWARD,    WORLD_RECOVERY + 2,
                             s->ticket,   WORLD_LOG,      WORLD_COSIGNER,   WORLD_AUTHOR,
                             s->node_log, s->node_author, s->node_cosigner, s->bob};

    return keys[variant % (sizeof(keys) / sizeof(keys[0]))];
}
#define KEYS_IN_USE 12u

/* Which of the keys in use it is to be: the runner counts it up. */
static unsigned variant;

static void v17_admit(struct stage *s, struct world_draft *d)
{
    do_remove(s, 1); /* bob's key stood once */
    draft_admit(s, d, s->wrong ? key_in_use(s, variant) : world_new_key(s->world), WORLD_NO_KEY);
}

static void v17_device(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "device",
          world_fields_device(s->world, 0,
                              s->wrong ? key_in_use(s, variant) : world_new_key(s->world)));
}

static void v17_invite(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "invite",
          world_fields_invite(s->wrong ? key_in_use(s, variant) : world_new_key(s->world), "member",
                              1, s->world->now_ms));
}

static void v17_node(struct stage *s, struct world_draft *d)
{
    uint32_t keys[3] = {world_new_key(s->world), world_new_key(s->world), world_new_key(s->world)};

    if (s->wrong)
        keys[variant % 3] = key_in_use(s, variant);
    draft(d, WORLD_STEWARD, "node", world_fields_node("two", keys[0], keys[1], keys[2]));
}

static void v17_twice(struct stage *s, struct world_draft *d)
{
    uint32_t keys[3] = {world_new_key(s->world), world_new_key(s->world), world_new_key(s->world)};

    if (s->wrong)
        keys[variant % 3] = keys[(variant + 1) % 3];
    draft(d, WORLD_STEWARD, "node", world_fields_node("two", keys[0], keys[1], keys[2]));
}

static void v17_handover(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "handover",
          world_fields_new_key(
              s->world, s->wrong ? key_in_use(s, variant) : world_new_key(s->world), WORLD_NO_KEY));
}

static void v17_recover(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_RECOVERY, "recover",
          world_fields_new_key(
              s->world, s->wrong ? key_in_use(s, variant) : world_new_key(s->world), WORLD_NO_KEY));
}

/* The proof is over another X25519 key, by another key, over other terms. */
static void spoil_proof(struct stage *s, json_t *fields)
{
    if (!s->wrong)
        return;
    if (variant % 3 == 0)
        set_hex(fields, "box", world_box(s->bob)->bytes, HARK_KEY_SIZE);
    else if (variant % 3 == 1)
        set_hex(fields, "key", world_key(world_new_key(s->world))->bytes, HARK_KEY_SIZE);
    else
        set_hex(fields, "terms", s->world->space.bytes, HARK_HASH_SIZE);
}

static void v18_admit(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), WORLD_NO_KEY);
    spoil_proof(s, d->fields);
}

static void v18_device(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "device", world_fields_device(s->world, 0, world_new_key(s->world)));
    spoil_proof(s, d->fields);
}

static void v18_handover(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "handover",
          world_fields_new_key(s->world, world_new_key(s->world), WORLD_NO_KEY));
    spoil_proof(s, d->fields);
}

static void v18_recover(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_RECOVERY, "recover",
          world_fields_new_key(s->world, world_new_key(s->world), WORLD_NO_KEY));
    spoil_proof(s, d->fields);
}

/* A proof made for coming without a ticket does not do for coming with one. */
static void v18_other_ticket(struct stage *s, struct world_draft *d)
{
    uint32_t key = world_new_key(s->world);

    draft_admit(s, d, key, s->ticket);
    if (s->wrong) {
        json_t *without = world_fields_new_key(s->world, key, WORLD_NO_KEY);

        json_object_set(d->fields, "proof", json_object_get(without, "proof"));
        json_decref(without);
    }
}

/* ---- V19 ------------------------------------------------------------------- */

static void v19_no_member(struct stage *s, struct world_draft *d)
{
    draft_role(d, WORLD_STEWARD, s->wrong ? 3 : 0, "staff");
}

static void v19_same_role(struct stage *s, struct world_draft *d)
{
    draft_role(d, WORLD_STEWARD, 0, s->wrong ? "member" : "staff");
}

static void v19_removed_already(struct stage *s, struct world_draft *d)
{
    if (s->wrong)
        do_remove(s, 1);
    draft(d, WORLD_STEWARD, "remove", json_pack("{s:i}", "member", 1));
}

static void v19_left_already(struct stage *s, struct world_draft *d)
{
    if (s->wrong)
        world_say(s->world, s->bob, "leave", NULL, HARK_NONE);
    draft(d, WORLD_STEWARD, "remove", json_pack("{s:i}", "member", 1));
}

static void v19_device_of_removed(struct stage *s, struct world_draft *d)
{
    if (s->wrong)
        do_remove(s, 1);
    draft(d, WORLD_STEWARD, "device", world_fields_device(s->world, 1, world_new_key(s->world)));
}

static void v19_key_of_another(struct stage *s, struct world_draft *d)
{
    const uint32_t others[] = {s->bob, WORLD_STEWARD, WORLD_AUTHOR, s->ticket, WORLD_RECOVERY};

    draft(d, WORLD_STEWARD, "device", json_pack("{s:s, s:i}", "action", "remove", "member", 0));
    set_hex(d->fields, "key", world_key(s->wrong ? others[variant % 5] : s->alice)->bytes,
            HARK_KEY_SIZE);
}

static void v19_key_ended(struct stage *s, struct world_draft *d)
{
    if (s->wrong)
        end_key(s, 0, s->alice);
    draft(d, WORLD_STEWARD, "device", json_pack("{s:s, s:i}", "action", "remove", "member", 0));
    set_hex(d->fields, "key", world_key(s->alice)->bytes, HARK_KEY_SIZE);
}

static void draft_revoke(struct world_draft *d, uint32_t ticket)
{
    draft(d, WORLD_STEWARD, "revoke", json_object());
    set_hex(d->fields, "ticket", world_key(ticket)->bytes, HARK_KEY_SIZE);
}

static void v19_no_ticket(struct stage *s, struct world_draft *d)
{
    draft_revoke(d, s->wrong ? s->alice : s->ticket);
}

static void do_revoke(struct stage *s)
{
    struct world_draft d = {.by = 0};

    draft_revoke(&d, s->ticket);
    (void)world_log(s->world, &d, 0);
}

static void v19_revoked_already(struct stage *s, struct world_draft *d)
{
    if (s->wrong)
        do_revoke(s);
    draft_revoke(d, s->ticket);
}

static void v19_no_node(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "node",
          json_pack("{s:s, s:s}", "action", "remove", "name",
                    s->wrong ? "two.example" : "one.example"));
}

static void v19_the_home(struct stage *s, struct world_draft *d)
{
    draft(
        d, WORLD_STEWARD, "node",
        json_pack("{s:s, s:s}", "action", "remove", "name", s->wrong ? WORLD_HOME : "one.example"));
}

static void v19_home(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "home", world_fields_home(s->world, "one.example"));
    if (!s->wrong)
        return;
    switch (variant % 4) {
    case 0:
        json_object_set_new(d->fields, "node", json_string("two.example"));
        break;
    case 1:
        json_object_set_new(d->fields, "incarnation", json_integer(1));
        break;
    case 2:
        json_object_set_new(d->fields, "size",
                            json_integer((json_int_t)hark_state_size(s->world->state) - 1));
        break;
    default:
        set_hex(d->fields, "root", s->world->space.bytes, HARK_HASH_SIZE);
        break;
    }
}

static void v19_recover_twice(struct stage *s, struct world_draft *d)
{
    uint32_t key = world_new_key(s->world);

    if (s->wrong)
        world_say(s->world, WORLD_RECOVERY, "recover",
                  world_fields_new_key(s->world, key, WORLD_NO_KEY), HARK_NONE);
    draft(d, WORLD_RECOVERY, "recover", world_fields_new_key(s->world, key, WORLD_NO_KEY));
}

/* ---- V20 to V29 ------------------------------------------------------------ */

static void v20_unknown(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), s->wrong ? world_new_key(s->world) : s->ticket);
}

static void v21_revoked(struct stage *s, struct world_draft *d)
{
    if (s->wrong)
        do_revoke(s);
    draft_admit(s, d, world_new_key(s->world), s->ticket);
}

static void v22_expired(struct stage *s, struct world_draft *d)
{
    struct hark_ticket_object ticket;

    assert_int_equal(hark_state_ticket(s->world->state, 0, &ticket, NULL), 0);
    draft_admit(s, d, world_new_key(s->world), s->ticket);
    d->accepted_ms = ticket.until_ms + (s->wrong ? 1 : 0);
}

static void v23_used(struct stage *s, struct world_draft *d)
{
    for (int i = 0; i < (s->wrong ? 2 : 1); i++) {
        struct world_draft before = {.by = 0};

        draft_admit(s, &before, world_new_key(s->world), s->ticket);
        (void)world_log(s->world, &before, 0);
    }
    draft_admit(s, d, world_new_key(s->world), s->ticket);
}

static void v24_limit(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "admit",
          world_fields_admit(s->world, world_new_key(s->world), s->wrong ? "staff" : "member",
                             s->ticket));
}

static void v25_proof(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), s->ticket);
    if (!s->wrong)
        return;
    if (variant % 2 == 0)
        json_object_set(d->fields, "ticket_proof", json_object_get(d->fields, "proof"));
    else
        json_object_del(d->fields, "ticket_proof");
}

static void v25_proof_of_nothing(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), WORLD_NO_KEY);
    if (s->wrong)
        json_object_set(d->fields, "ticket_proof", json_object_get(d->fields, "proof"));
}

static void v26_used(struct stage *s, struct world_draft *d)
{
    struct world_draft before = {.by = 0};

    draft_role(&before, WORLD_STEWARD, 0, "staff");
    if (s->wrong)
        about(s, &before, s->request);
    (void)world_log(s->world, &before, 0);
    draft_role(d, WORLD_STEWARD, 1, "staff");
    about(s, d, s->request);
}

static void v26_no_standing(struct stage *s, struct world_draft *d)
{
    if (s->wrong && variant % 2 == 0)
        do_remove(s, 2);
    else if (s->wrong)
        end_key(s, 2, s->sam);
    draft_role(d, WORLD_STEWARD, 1, "staff");
    about(s, d, s->request);
}

static void v27_node(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "node",
          world_fields_node(s->wrong ? "one.example" : "two.example", world_new_key(s->world),
                            world_new_key(s->world), world_new_key(s->world)));
}

/* The name of one that is named no more is free again. */
static void v27_node_free_again(struct stage *s, struct world_draft *d)
{
    if (!s->wrong)
        world_say(s->world, WORLD_STEWARD, "node",
                  json_pack("{s:s, s:s}", "action", "remove", "name", "one.example"), HARK_NONE);
    draft(d, WORLD_STEWARD, "node",
          world_fields_node("one.example", world_new_key(s->world), world_new_key(s->world),
                            world_new_key(s->world)));
}

static void v27_kind(struct stage *s, struct world_draft *d)
{
    world_say(s->world, WORLD_STEWARD, "kind", world_fields_kind("x-thing"), HARK_NONE);
    draft(d, WORLD_STEWARD, "kind", world_fields_kind(s->wrong ? "x-thing" : "x-other"));
}

static void v28_devices(struct stage *s, struct world_draft *d)
{
    /* alice has two: one less than all, or all. */
    for (int i = 0; i < (s->wrong ? 30 : 29); i++)
        world_say(s->world, WORLD_STEWARD, "device",
                  world_fields_device(s->world, 0, world_new_key(s->world)), HARK_NONE);
    draft(d, WORLD_STEWARD, "device", world_fields_device(s->world, 0, world_new_key(s->world)));
}

static void v28_nodes(struct stage *s, struct world_draft *d)
{
    char name[16];

    for (int i = 2; i < (s->wrong ? 64 : 63); i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        world_say(s->world, WORLD_STEWARD, "node",
                  world_fields_node(name, world_new_key(s->world), world_new_key(s->world),
                                    world_new_key(s->world)),
                  HARK_NONE);
    }
    draft(d, WORLD_STEWARD, "node",
          world_fields_node("last", world_new_key(s->world), world_new_key(s->world),
                            world_new_key(s->world)));
}

static void lie(struct stage *s, enum hark_section section, uint64_t most)
{
    s->lie_section = section;
    s->lie_count = s->wrong ? most : most - 1;
}

static void v28_tickets(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "invite",
          world_fields_invite(world_new_key(s->world), "member", 1, s->world->now_ms));
    lie(s, HARK_SECTION_TICKET, 65536);
}

static void v28_members(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), WORLD_NO_KEY);
    lie(s, HARK_SECTION_MEMBER, 1 << 24);
}

static void v28_keys(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "device", world_fields_device(s->world, 0, world_new_key(s->world)));
    lie(s, HARK_SECTION_KEY, 1 << 24);
}

static void v28_kinds(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
    lie(s, HARK_SECTION_KIND, 256);
}

static void v29_sealed(struct stage *s, struct world_draft *d)
{
    static const uint8_t BYTES[512] = {1};

    if (s->wrong) {
        draft(d, s->alice, "sealed", NULL);
        d->raw = hark_span(BYTES, sizeof(BYTES));
    } else {
        draft_topic(d, s->alice);
    }
}

static void v29_epoch(struct stage *s, struct world_draft *d)
{
    char box[109];

    if (!s->wrong) {
        draft_role(d, WORLD_STEWARD, 0, "staff");
        return;
    }
    memset(box, 'A', sizeof(box));
    box[107] = '=';
    box[108] = '\0';
    draft(d, WORLD_STEWARD, "epoch",
          json_pack("{s:i, s:i, s:i, s:[{s:i, s:s}]}", "epoch", 1, "part", 0, "parts", 1, "sealed",
                    "key", 7, "box", box));
    set_hex(d->fields, "commitment", s->world->space.bytes, HARK_HASH_SIZE);
}

/* ---- V29, V30: encrypted spaces --------------------------------------------- */

/* The stage of an encrypted space: Alice (keys 5 and 8), Bob (6) and Sam (7), at epoch 3. */
static void seal_stage(struct stage *s)
{
    world_free(s->world);
    s->world = world_new_sealed(7, NULL, NULL);
    s->alice = world_new_key(s->world);
    s->alice_phone = world_new_key(s->world);
    s->bob = world_new_key(s->world);
    s->sam = world_new_key(s->world);
    s->admit_alice = admit(s, s->alice, "member");
    s->admit_bob = admit(s, s->bob, "member");
    (void)admit(s, s->sam, "staff");
    world_say(s->world, WORLD_STEWARD, "device", world_fields_device(s->world, 0, s->alice_phone),
              HARK_NONE);
}

enum { ALICE = 5, BOB, SAM, PHONE, NEXT_EPOCH = 4 };

static const struct hark_hash FRESH = {.bytes = {1, 2, 3}}, ANOTHER = {.bytes = {4, 5, 6}};

static void draft_part(struct world_draft *d, uint32_t part, uint32_t parts, const uint32_t *keys,
                       size_t count)
{
    draft(d, WORLD_STEWARD, "epoch",
          world_fields_part(NEXT_EPOCH, part, parts, &FRESH, keys, count));
}

static void do_part(struct stage *s, uint32_t part, uint32_t parts, const uint32_t *keys,
                    size_t count)
{
    struct world_draft d = {.by = 0};

    draft_part(&d, part, parts, keys, count);
    (void)world_log(s->world, &d, 0);
}

/* Bob goes: all others have the fresh key. */
static void do_set(struct stage *s)
{
    static const uint32_t STAY[] = {ALICE, SAM, PHONE};

    do_part(s, 0, 1, STAY, 3);
}

static void draft_bob_goes(struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "remove", json_pack("{s:i}", "member", 1));
    set_hex(d->fields, "commitment", FRESH.bytes, HARK_HASH_SIZE);
}

static void draft_phone_ends(struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "device", json_pack("{s:s, s:i}", "action", "remove", "member", 0));
    set_hex(d->fields, "commitment", FRESH.bytes, HARK_HASH_SIZE);
}

static void draft_sealed(struct world_draft *d, uint32_t by)
{
    static const struct hark_seen SEEN = {.size = 1};
    static const uint8_t BYTES[512] = {1};

    draft(d, by, "sealed", NULL);
    d->raw = hark_span(BYTES, sizeof(BYTES));
    d->seen = &SEEN;
}

static void v19_removed_after_leaving(struct stage *s, struct world_draft *d)
{
    struct world_draft first = {.by = 0};

    seal_stage(s);
    world_say(s->world, s->bob, "leave", NULL, HARK_NONE);
    do_set(s);
    draft_bob_goes(d);
    if (!s->wrong)
        return;
    if (variant == 0) {
        draft_bob_goes(&first);
        (void)world_log(s->world, &first, 0);
        return;
    }
    json_decref(d->fields);
    if (variant == 1) /* nothing else can be done to who has left */
        draft_role(d, WORLD_STEWARD, 1, "staff");
    else
        draft(d, WORLD_STEWARD, "device",
              world_fields_device(s->world, 1, world_new_key(s->world)));
}

static void v29_group_key(struct stage *s, struct world_draft *d)
{
    switch (variant) {
    case 0:
    case 3:
        draft_admit(s, d, world_new_key(s->world), WORLD_NO_KEY);
        break;
    case 1:
        draft(d, WORLD_STEWARD, "device",
              world_fields_device(s->world, 0, world_new_key(s->world)));
        break;
    default:
        draft(d, WORLD_STEWARD, "remove", json_pack("{s:i}", "member", 1));
        break;
    }
    if (s->wrong && variant < 2)
        json_object_set_new(d->fields, "group_key", world_group_key(0));
    else if (s->wrong && variant == 3)
        json_object_set_new(d->fields, "older", json_pack("[o]", world_group_key(0)));
    else if (s->wrong)
        set_hex(d->fields, "commitment", FRESH.bytes, HARK_HASH_SIZE);
}

static void v29_open_kinds(struct stage *s, struct world_draft *d)
{
    static const char *const KINDS[] = {"topic", "profile", "idea", "report"};

    seal_stage(s);
    draft_sealed(d, s->alice);
    if (!s->wrong)
        return;
    d->raw = hark_span(NULL, 0);
    d->kind = KINDS[variant];
    d->fields = text("body", "One");
}

static void v29_own_kind(struct stage *s, struct world_draft *d)
{
    seal_stage(s);
    world_say(s->world, WORLD_STEWARD, "kind", world_fields_kind("x-thing"), HARK_NONE);
    if (s->wrong)
        draft(d, s->alice, "x-thing", text("body", "One"));
    else
        draft_sealed(d, s->alice);
}

/* A proof over a key that comes with another X25519 key. */
static void set_box(struct stage *s, json_t *fields, uint32_t key, const struct hark_key *box)
{
    struct hark_buf message = hark_buf_init(HARK_OBJECT_MAX);
    struct hark_hash terms = hark_sha256(hark_span_str("terms"));
    struct hark_sshsig sig;

    assert_int_equal(
        hark_join_message(&message, &s->world->space, world_key(key), box, NULL, &terms, NULL), 0);
    assert_int_equal(
        hark_sshsig_make(&sig, world_signer(key), "hark-join", hark_buf_span(&message), NULL), 0);
    set_hex(fields, "box", box->bytes, HARK_KEY_SIZE);
    set_hex(fields, "proof", sig.signature, sizeof(sig.signature));
    hark_buf_free(&message);
}

/* 0 and 1 are of small order. */
static const struct hark_key SMALL[] = {{.bytes = {0}}, {.bytes = {1}}};

/* Older keys of two epochs. */
static json_t *older(uint32_t first, uint32_t second)
{
    return json_pack("[o, o]", world_group_key(first), world_group_key(second));
}

static void spoil_step(struct stage *s, json_t *fields, uint32_t key)
{
    switch (variant) {
    case 0:
        json_object_del(fields, "group_key");
        break;
    case 1:
        json_object_set_new(fields, "group_key", world_group_key(NEXT_EPOCH - 1));
        break;
    case 2:
        json_object_set_new(fields, "group_key", world_group_key(NEXT_EPOCH + 1));
        break;
    case 3:
    case 4:
        set_box(s, fields, key, &SMALL[variant - 3]);
        break;
    case 5:
        json_object_set_new(fields, "older", older(0, 0));
        break;
    case 6:
        json_object_set_new(fields, "older", older(0, NEXT_EPOCH));
        break;
    default:
        set_hex(fields, "commitment", FRESH.bytes, HARK_HASH_SIZE);
        break;
    }
}

static void v30_admit(struct stage *s, struct world_draft *d)
{
    uint32_t key;

    seal_stage(s);
    key = world_new_key(s->world);
    draft_admit(s, d, key, WORLD_NO_KEY);
    json_object_set_new(d->fields, "older", older(0, NEXT_EPOCH - 1));
    if (s->wrong)
        spoil_step(s, d->fields, key);
}

static void v30_device(struct stage *s, struct world_draft *d)
{
    uint32_t key;

    seal_stage(s);
    key = world_new_key(s->world);
    draft(d, WORLD_STEWARD, "device", world_fields_device(s->world, 1, key));
    json_object_set_new(d->fields, "older", older(0, NEXT_EPOCH - 1));
    if (s->wrong)
        spoil_step(s, d->fields, key);
}

static void v30_first_admit(struct stage *s, struct world_draft *d)
{
    world_free(s->world);
    s->world = world_new_sealed(7, NULL, NULL);
    draft_admit(s, d, world_new_key(s->world), WORLD_NO_KEY);
    if (s->wrong && variant == 0)
        json_object_set_new(d->fields, "group_key", world_group_key(1));
    else if (s->wrong)
        json_object_del(d->fields, "group_key");
}

static void v30_rekey(struct stage *s, struct world_draft *d)
{
    seal_stage(s);
    draft(d, s->alice, "rekey", json_object());
    set_hex(d->fields, "box", (s->wrong ? &SMALL[0] : world_box(s->bob))->bytes, HARK_KEY_SIZE);
}

static void v30_no_seen(struct stage *s, struct world_draft *d)
{
    seal_stage(s);
    draft_sealed(d, s->alice);
    if (s->wrong)
        d->seen = NULL;
}

/* A part says what its author has seen, and with that that no recipient's X25519 key was
 * replaced since: one at or above that size is not. */
static void v30_part_unseen(struct stage *s, struct world_draft *d)
{
    static struct hark_seen seen;
    static const uint32_t KEYS[] = {ALICE, BOB, SAM};
    uint64_t at;

    seal_stage(s);
    for (uint32_t i = 0; i < 2; i++) /* the last one is what counts */
        at = world_say(
            s->world, s->bob, "rekey",
            json_pack("{s:o}", "box", world_hex(world_box(i == 0 ? s->sam : s->alice)->bytes, 32)),
            HARK_NONE);
    seen = (struct hark_seen){.size = s->wrong ? (variant == 1 ? at : at - 1) : at + 1};
    draft_part(d, 0, 1, KEYS, 3);
    d->seen = &seen;
    if (s->wrong && variant == 0) {
        d->seen = NULL;
        d->unseen = true;
    }
}

static void v30_part(struct stage *s, struct world_draft *d)
{
    static const uint32_t KEYS[][3] = {
        {ALICE, BOB, SAM},   {ALICE, BOB, SAM}, {ALICE, BOB, SAM}, {ALICE, BOB, SAM},
        {0, ALICE, BOB},     {1, ALICE, BOB},   {BOB, SAM, PHONE}, {ALICE, BOB, PHONE + 1},
        {ALICE, ALICE, BOB}, {BOB, ALICE, SAM}};

    seal_stage(s);
    if (variant == 6)
        world_say(s->world, s->alice_phone, "leave", NULL, HARK_NONE);
    if (!s->wrong) {
        draft_part(d, 0, 2, KEYS[0], 3);
        return;
    }
    draft_part(d, variant == 2 || variant == 3 ? 1 : 0, variant == 3 ? 1 : 2, KEYS[variant], 3);
    if (variant < 2)
        json_object_set_new(d->fields, "epoch",
                            json_integer(variant == 0 ? NEXT_EPOCH - 1 : NEXT_EPOCH + 1));
}

static void v30_next_part(struct stage *s, struct world_draft *d)
{
    static const uint32_t FIRST[] = {ALICE, BOB}, NEXT[] = {SAM}, AGAIN[] = {BOB};

    seal_stage(s);
    do_part(s, 0, s->wrong && variant == 7 ? 1 : 3, FIRST, 2);
    draft_part(d, 1, s->wrong && variant == 7 ? 1 : 3, NEXT, 1);
    if (!s->wrong || variant == 7) /* the set has all its parts already */
        return;
    switch (variant) {
    case 0:
        json_object_set_new(d->fields, "part", json_integer(2));
        break;
    case 1:
        json_object_set_new(d->fields, "parts", json_integer(2));
        break;
    case 2:
        set_hex(d->fields, "commitment", ANOTHER.bytes, HARK_HASH_SIZE);
        break;
    case 3:
        json_decref(d->fields);
        draft_part(d, 1, 3, AGAIN, 1);
        break;
    case 4: /* a step makes the set worthless */
        (void)admit(s, world_new_key(s->world), "member");
        json_object_set_new(d->fields, "epoch", json_integer(NEXT_EPOCH + 1));
        break;
    case 5: /* and so does a recipient who leaves */
        world_say(s->world, s->bob, "leave", NULL, HARK_NONE);
        break;
    default: /* or has another X25519 key */
        world_say(s->world, s->bob, "rekey",
                  json_pack("{s:o}", "box", world_hex(world_box(s->sam)->bytes, HARK_KEY_SIZE)),
                  HARK_NONE);
        break;
    }
}

static void v30_remove(struct stage *s, struct world_draft *d)
{
    static const uint32_t STAY[] = {ALICE, SAM, PHONE}, ALL[] = {ALICE, BOB, SAM, PHONE},
                          FEWER[] = {ALICE, SAM}, WITH_BOB[] = {ALICE, BOB, SAM};
    unsigned way = s->wrong ? variant : 0;

    seal_stage(s);
    switch (way) {
    case 1:
        do_part(s, 0, 1, ALL, 4);
        break;
    case 2:
        do_part(s, 0, 1, FEWER, 2);
        break;
    case 3: /* as many, and others */
        do_part(s, 0, 1, WITH_BOB, 3);
        break;
    case 4: /* not all parts have come */
        do_part(s, 0, 2, STAY, 3);
        break;
    case 5: /* another set has begun */
        do_set(s);
        do_part(s, 0, 2, FEWER, 2);
        break;
    case 6: /* none has */
        break;
    default:
        do_set(s);
        break;
    }
    draft_bob_goes(d);
    if (s->wrong && variant == 0)
        json_object_del(d->fields, "commitment");
    if (s->wrong && variant == 7)
        set_hex(d->fields, "commitment", ANOTHER.bytes, HARK_HASH_SIZE);
    if (way == 8)
        (void)admit(s, world_new_key(s->world), "member");
    if (way == 9)
        world_say(s->world, s->sam, "leave", NULL, HARK_NONE);
    if (way == 10)
        world_say(s->world, s->sam, "rekey",
                  json_pack("{s:o}", "box", world_hex(world_box(s->bob)->bytes, HARK_KEY_SIZE)),
                  HARK_NONE);
}

static void v30_device_ends(struct stage *s, struct world_draft *d)
{
    static const uint32_t STAY[] = {ALICE, BOB, SAM}, WITH_PHONE[] = {ALICE, BOB, PHONE};

    seal_stage(s);
    do_part(s, 0, 1, s->wrong && variant == 1 ? WITH_PHONE : STAY, 3);
    draft_phone_ends(d);
    set_hex(d->fields, "key", world_key(s->alice_phone)->bytes, HARK_KEY_SIZE);
    if (s->wrong && variant == 0)
        json_object_del(d->fields, "commitment");
    if (s->wrong && variant == 2)
        json_object_set_new(d->fields, "group_key", world_group_key(NEXT_EPOCH));
}

/* No commitment is another thing than one of zeros; and with nobody left no fresh key could
 * be sealed to anybody. */
static void v30_zeros(struct stage *s, struct world_draft *d)
{
    static const struct hark_hash ZEROS = {.bytes = {0}};
    uint32_t first, second, keys[] = {ALICE};
    struct world_draft part = {.by = 0};
    bool alone = s->wrong && variant == 0;

    world_free(s->world);
    s->world = world_new_sealed(7, NULL, NULL);
    first = world_new_key(s->world);
    second = world_new_key(s->world);
    (void)admit(s, first, "member");
    if (!alone) {
        (void)admit(s, second, "member");
        draft(&part, WORLD_STEWARD, "epoch", world_fields_part(2, 0, 1, &ZEROS, keys, 1));
        (void)world_log(s->world, &part, 0);
    }
    draft(d, WORLD_STEWARD, "remove", json_pack("{s:i}", "member", alone ? 0 : 1));
    if (!s->wrong || alone)
        set_hex(d->fields, "commitment", ZEROS.bytes, HARK_HASH_SIZE);
}

/* A set is used once. */
static void v30_used_set(struct stage *s, struct world_draft *d)
{
    struct world_draft first = {.by = 0};
    static const uint32_t STAY[] = {ALICE, SAM};
    struct world_draft part = {.by = 0};

    seal_stage(s);
    do_set(s);
    draft_bob_goes(&first);
    (void)world_log(s->world, &first, 0);
    draft(&part, WORLD_STEWARD, "epoch", world_fields_part(NEXT_EPOCH + 1, 0, 1, &FRESH, STAY, 2));
    if (!s->wrong)
        (void)world_log(s->world, &part, 0);
    else
        json_decref(part.fields);
    draft_phone_ends(d);
    set_hex(d->fields, "key", world_key(s->alice_phone)->bytes, HARK_KEY_SIZE);
}

#define CASE(function, code)                                                                       \
    {                                                                                              \
#function, HARK_E_VOID_##code, function, 1                                                 \
    }
#define CASES(function, code, variants)                                                            \
    {                                                                                              \
#function, HARK_E_VOID_##code, function, variants                                          \
    }

static const struct {
    const char *name;
    int code;
    void (*draft)(struct stage *s, struct world_draft *d);
    unsigned variants;
} VOID_CASES[] = {
    CASE(v1_closed, CLOSED),
    CASE(v1_steward_closed, CLOSED),
    CASE(v2_steward, STEWARD),
    CASE(v2_old_steward, STEWARD),
    CASE(v2_recover, STEWARD),
    CASE(v3_steward_kind, STEWARD_KIND),
    CASE(v4_ack_by_member, NODE),
    CASE(v4_topic_by_node, NODE),
    CASE(v4_node_unnamed, NODE),
    CASE(v5_removed, MEMBER),
    CASE(v5_left, MEMBER),
    CASE(v5_key_ended, MEMBER),
    CASE(v6_role, ROLE),
    CASE(v7_time_before, TIME_BEFORE),
    CASE(v8_time_ahead, TIME_AHEAD),
    CASE(v9_too_few, RE_COUNT),
    CASE(v9_too_many, RE_COUNT),
    CASE(v10_repeated, RE_REPEATED),
    CASE(v11_nothing, RE_NOTHING),
    CASE(v11_not_logged_yet, RE_NOTHING),
    CASE(v12_kind, RE_KIND),
    CASE(v12_erase, RE_KIND),
    CASE(v13_void, RE_VOID),
    CASE(v13_erase, RE_VOID),
    CASE(v14_revision, RE_OWN),
    CASE(v14_erase, RE_OWN),
    CASE(v14_erase_by_staff, RE_OWN),
    CASE(v14_erase_member, RE_OWN),
    CASE(v14_erase_cohort, RE_OWN),
    CASE(v15_unknown_field, PAYLOAD),
    CASE(v15_missing_field, PAYLOAD),
    CASE(v15_padding, PAYLOAD),
    CASE(v15_logged_before, PAYLOAD),
    CASE(v15_node_name, PAYLOAD),
    CASE(v15_definition, PAYLOAD),
    CASE(v15_definition_of_another, PAYLOAD),
    CASE(v15_not_an_own_name, PAYLOAD),
    CASE(v15_own_kind_by_steward, PAYLOAD),
    CASE(v15_own_kind_never_erased, PAYLOAD),
    CASE(v15_own_kind_about_unknown, PAYLOAD),
    /* V16: test_state__a_space_is_founded_once */
    CASES(v17_admit, KEY_USED, KEYS_IN_USE),
    CASES(v17_device, KEY_USED, KEYS_IN_USE),
    CASES(v17_invite, KEY_USED, KEYS_IN_USE),
    CASES(v17_node, KEY_USED, KEYS_IN_USE),
    CASES(v17_twice, KEY_USED, 3),
    CASES(v17_handover, KEY_USED, KEYS_IN_USE),
    CASES(v17_recover, KEY_USED, KEYS_IN_USE),
    CASES(v18_admit, KEY_PROOF, 3),
    CASES(v18_device, KEY_PROOF, 3),
    CASES(v18_handover, KEY_PROOF, 3),
    CASES(v18_recover, KEY_PROOF, 3),
    CASE(v18_other_ticket, KEY_PROOF),
    CASE(v19_no_member, TARGET),
    CASE(v19_same_role, TARGET),
    CASE(v19_removed_already, TARGET),
    CASE(v19_left_already, TARGET),
    CASES(v19_removed_after_leaving, TARGET, 3),
    CASE(v19_device_of_removed, TARGET),
    CASES(v19_key_of_another, TARGET, 5),
    CASE(v19_key_ended, TARGET),
    CASE(v19_no_ticket, TARGET),
    CASE(v19_revoked_already, TARGET),
    CASE(v19_no_node, TARGET),
    CASE(v19_the_home, TARGET),
    CASES(v19_home, TARGET, 4),
    CASE(v19_recover_twice, TARGET),
    CASE(v20_unknown, TICKET_UNKNOWN),
    CASE(v21_revoked, TICKET_REVOKED),
    CASE(v22_expired, TICKET_EXPIRED),
    CASE(v23_used, TICKET_USED),
    CASE(v24_limit, TICKET_LIMIT),
    CASES(v25_proof, TICKET_PROOF, 2),
    CASE(v25_proof_of_nothing, TICKET_PROOF),
    CASE(v26_used, REQUEST_USED),
    CASES(v26_no_standing, REQUEST_USED, 2),
    CASE(v27_node, NAME_USED),
    CASE(v27_node_free_again, NAME_USED),
    CASE(v27_kind, NAME_USED),
    CASE(v28_devices, LIMIT),
    CASE(v28_nodes, LIMIT),
    CASE(v28_tickets, LIMIT),
    CASE(v28_members, LIMIT),
    CASE(v28_keys, LIMIT),
    CASE(v28_kinds, LIMIT),
    CASE(v29_sealed, MODE),
    CASE(v29_epoch, MODE),
    CASES(v29_group_key, MODE, 4),
    CASES(v29_open_kinds, MODE, 4),
    CASE(v29_own_kind, MODE),
    CASES(v30_admit, EPOCH, 7),
    CASES(v30_device, EPOCH, 8),
    CASES(v30_first_admit, EPOCH, 2),
    CASE(v30_rekey, EPOCH),
    CASES(v30_part_unseen, EPOCH, 3),
    CASE(v30_no_seen, EPOCH),
    CASES(v30_part, EPOCH, 10),
    CASES(v30_next_part, EPOCH, 8),
    CASES(v30_remove, EPOCH, 11),
    CASES(v30_device_ends, EPOCH, 3),
    CASES(v30_zeros, EPOCH, 2),
    CASE(v30_used_set, EPOCH),
};
#define VOID_CASE_COUNT (sizeof(VOID_CASES) / sizeof(VOID_CASES[0]))

/* ---- Running them ---------------------------------------------------------- */

static struct hark_hash state_hash(struct hark_state *state)
{
    struct hark_hash hash;

    assert_int_equal(hark_state_hash(state, &hash, NULL), 0);
    return hash;
}

/* A store that lies about one count. */
struct liar {
    struct hark_store store;
    enum hark_section section;
    uint64_t count; /* 0: the truth */
};

static int liar_count(void *arg, enum hark_section section, uint64_t *count, struct hark_err *err)
{
    const struct liar *liar = arg;

    if (liar->count > 0 && section == liar->section) {
        *count = liar->count;
        return 0;
    }
    return liar->store.count(liar->store.arg, section, count, err);
}

static int liar_get(void *arg, enum hark_section section, uint64_t number, uint8_t *out,
                    size_t *size, struct hark_err *err)
{
    const struct liar *liar = arg;

    return liar->store.get(liar->store.arg, section, number, out, size, err);
}

static int liar_find(void *arg, enum hark_lookup lookup, struct hark_span key, bool *found,
                     uint64_t *number, struct hark_err *err)
{
    const struct liar *liar = arg;

    return liar->store.find(liar->store.arg, lookup, key, found, number, err);
}

static int judge_with_lies(const struct stage *s, const struct world_entry *e)
{
    struct liar liar = {.store = hark_memstore_store(s->world->mem), .section = s->lie_section};
    struct hark_store store = {
        .arg = &liar, .count = liar_count, .get = liar_get, .find = liar_find};
    struct hark_state *state = NULL;
    struct hark_err err = {.code = 0};
    int rc;

    assert_int_equal(hark_state_open(&state, &s->world->space, &store, NULL), 0);
    liar.count = s->lie_count;
    rc = hark_state_judge(state, &e->entry, &e->arrival, e->payload, &err);
    hark_state_free(state);
    return rc;
}

struct sections {
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_hash roots[HARK_SECTION_HASHED_];
};

static struct sections read_sections(const struct world *w)
{
    struct hark_store store = hark_memstore_store(w->mem);
    struct sections now;

    assert_int_equal(hark_state_counts(w->state, now.counts, NULL), 0);
    for (int i = 0; i < HARK_SECTION_HASHED_; i++)
        assert_int_equal(store.root(store.arg, (enum hark_section)i, &now.roots[i], NULL), 0);
    return now;
}

/* A void entry has made its own object and changed no other. */
static void assert_nothing_else_changed(const struct stage *s, const struct sections *before,
                                        int code)
{
    const struct world *w = s->world;
    struct sections after = read_sections(w);
    uint64_t position = hark_state_size(w->state) - 1;
    struct hark_entry_object object;

    for (int i = 0; i < HARK_SECTION_HASHED_; i++) {
        if (i == HARK_SECTION_ENTRY)
            continue;
        assert_int_equal(after.counts[i], before->counts[i]);
        assert_true(hark_hash_equal(&after.roots[i], &before->roots[i]));
    }
    assert_int_equal(after.counts[HARK_SECTION_ENTRY], before->counts[HARK_SECTION_ENTRY] + 1);
    assert_int_equal(hark_state_entry(w->state, position, &object, NULL), 0);
    assert_int_equal(object.verdict, hark_verdict_number(code));
    assert_int_equal(hark_verdict_code(object.verdict), code);
    assert_true(object.hidden_by == HARK_NONE && object.erased_by == HARK_NONE &&
                object.replaces == HARK_NONE && object.used_by == HARK_NONE);
    /* The objects before it: taken away again, the root is the old one. */
    for (uint64_t p = 0; p < position; p++) {
        struct hark_entry_object old;

        assert_int_equal(hark_state_entry(w->state, p, &old, NULL), 0);
        assert_true(old.hidden_by != position && old.erased_by != position &&
                    old.used_by != position && old.replaces != position);
    }
}

/* ---- The cases as vectors: tests/vectors/rules.json ----------------------- */

/* {"about", "objects": {"id arrival accepted": what came}, "cases": [{"case", "error", "space",
 * "log": [ids], "entry": id}]}: after `log`, `entry` breaks just that rule. */
static json_t *rule_objects, *rule_cases;

static json_t *rule_object(const struct world_entry *e, const struct world *w)
{
    int number = hark_kinds_find(hark_state_kinds(w->state), e->entry.kind);
    bool kept = number >= 0 && e->payload.data != NULL &&
                !hark_kinds_get(hark_state_kinds(w->state), (size_t)number)->erasable;

    return json_pack("{s:o, s:o, s:o, s:I, s:I}", "object",
                     json_stringn((const char *)e->object.data, e->object.size), "git_id",
                     world_hex(e->arrival.git_id.bytes, HARK_GIT_ID_SIZE), "payload",
                     kept ? json_stringn((const char *)e->payload.data, e->payload.size)
                          : json_null(),
                     "arrival_ms", (json_int_t)e->arrival.arrival_ms, "accepted_ms",
                     (json_int_t)e->arrival.accepted_ms);
}

static json_t *rule_name(const struct world_entry *e, const struct world *w)
{
    char name[2 * HARK_HASH_SIZE + 64], hex[2 * HARK_HASH_SIZE + 1];

    /* The same entry may come at another time. */
    hark_hash_hex(hex, &e->entry.id);
    (void)snprintf(name, sizeof(name), "%s %llu %llu", hex,
                   (unsigned long long)e->arrival.arrival_ms,
                   (unsigned long long)e->arrival.accepted_ms);
    if (json_object_get(rule_objects, name) == NULL)
        assert_int_equal(json_object_set_new(rule_objects, name, rule_object(e, w)), 0);
    return json_string(name);
}

static void rule_vector(const char *name, int code, const struct world *w,
                        const struct world_entry *e)
{
    json_t *log = json_array();

    for (size_t i = 0; i < w->count; i++)
        assert_int_equal(json_array_append_new(log, rule_name(w->log[i], w)), 0);
    assert_int_equal(
        json_array_append_new(rule_cases, json_pack("{s:s, s:s, s:o, s:o, s:o}", "case", name,
                                                    "error", hark_err_name(code), "space",
                                                    world_hex(w->space.bytes, HARK_HASH_SIZE),
                                                    "log", log, "entry", rule_name(e, w))),
        0);
}

static void run_void_case(size_t i, bool wrong)
{
    struct stage s;
    struct world_draft d = {.by = 0};
    struct world_entry *entry;
    struct sections before;
    struct hark_hash hash;
    struct hark_hash again;
    struct hark_err err = {.code = 0};
    int want = wrong ? VOID_CASES[i].code : 0;
    int rc;

    set_stage(&s, wrong);
    VOID_CASES[i].draft(&s, &d);
    entry = world_build(s.world, &d);
    if (wrong && s.lie_count == 0)
        rule_vector(VOID_CASES[i].name, want, s.world, entry);
    before = read_sections(s.world);
    hash = state_hash(s.world->state);
    rc = s.lie_count > 0 ? judge_with_lies(&s, entry)
                         : hark_state_judge(s.world->state, &entry->entry, &entry->arrival,
                                            entry->payload, &err);
    if (rc != want)
        fail_msg("%s, variant %u, %s: %s: %s", VOID_CASES[i].name, variant,
                 wrong ? "wrong" : "right", hark_err_name(rc), err.message);
    again = state_hash(s.world->state);
    assert_true(hark_hash_equal(&hash, &again)); /* judging changes nothing */
    if (s.lie_count == 0) {
        rc = world_apply(s.world, &entry, &err);
        if (rc != 0)
            fail_msg("%s: not logged: %s", VOID_CASES[i].name, err.message);
        assert_int_equal(s.world->log[s.world->count - 1]->effect.verdict_code, want);
        if (wrong)
            assert_nothing_else_changed(&s, &before, want);
    }
    world_entry_free(entry);
    world_free(s.world);
}

static void test_state__each_rule_v_voids_what_breaks_it_alone(void **arg)
{
    bool seen[31] = {false};

    (void)arg;
    for (size_t i = 0; i < VOID_CASE_COUNT; i++) {
        variant = 0;
        run_void_case(i, false);
        for (; variant < VOID_CASES[i].variants; variant++)
            run_void_case(i, true);
        seen[hark_verdict_number(VOID_CASES[i].code)] = true;
    }
    for (uint8_t v = 1; v <= 30; v++)
        assert_true(seen[v] || v == 16);
}

/* V16. Only a new steward could have a first entry of that kind; the log refuses
 * it as one of another space before it is judged. */
static void test_state__a_space_is_founded_once(void **arg)
{
    struct stage s;
    struct world_draft d = {.kind = "space"};
    struct world_entry *entry;
    uint32_t steward;

    (void)arg;
    set_stage(&s, false);
    steward = world_new_key(s.world);
    world_say(s.world, WORLD_STEWARD, "handover",
              world_fields_new_key(s.world, steward, WORLD_NO_KEY), HARK_NONE);
    d.by = steward;
    d.fields = world_fields_space(s.world);
    entry = world_build(s.world, &d);
    assert_int_equal(
        hark_state_judge(s.world->state, &entry->entry, &entry->arrival, entry->payload, NULL),
        HARK_E_VOID_FIRST);
    assert_int_equal(world_apply(s.world, &entry, NULL), HARK_E_ENTRY_SPACE);
    world_entry_free(entry);
    world_free(s.world);
}

static void test_state__the_first_broken_rule_is_named(void **arg)
{
    struct stage s;
    struct world_draft d = {.by = 0};

    (void)arg;
    set_stage(&s, false);
    /* Each line mends the rule that the one before was void by. */
    draft(&d, s.bob, "role", text("junk", "x"));
    d.time_ms = s.world->now_ms + 400000;
    d.re_count = 2;
    world_log(s.world, &d, HARK_E_VOID_STEWARD); /* V2 before V8, V9, V15 */
    draft(&d, WORLD_STEWARD, "role", text("junk", "x"));
    world_log(s.world, &d, HARK_E_VOID_TIME_AHEAD);
    d.fields = text("junk", "x");
    d.time_ms = s.world->now_ms;
    world_log(s.world, &d, HARK_E_VOID_TIME_BEFORE); /* V7: the void entry counts for its feed */
    d.fields = text("junk", "x");
    d.time_ms = s.world->now_ms + 400000;
    d.accepted_ms = d.time_ms;
    world_log(s.world, &d, HARK_E_VOID_RE_COUNT);
    d.re_count = 0;
    d.fields = text("junk", "x");
    world_log(s.world, &d, HARK_E_VOID_PAYLOAD);
    world_free(s.world);
}

static void test_state__verdict_numbers_go_both_ways(void **arg)
{
    (void)arg;
    for (uint8_t v = 1; v <= 30; v++)
        assert_int_equal(hark_verdict_number(hark_verdict_code(v)), v);
    assert_int_equal(hark_verdict_code(0), 0);
    assert_int_equal(hark_verdict_code(31), 0);
    assert_int_equal(hark_verdict_number(0), 0);
    assert_int_equal(hark_verdict_number(HARK_E_ENTRY_GAP), 0);
    assert_int_equal(hark_verdict_number(HARK_E_VOID_NODE), 4);
    assert_int_equal(hark_verdict_number(HARK_E_VOID_TICKET_UNKNOWN), 20);
}

/* ---- L2 to L10 ------------------------------------------------------------- */

static void l2_space(struct stage *s, struct world_draft *d)
{
    static const struct hark_hash OTHER = {.bytes = {1}};

    draft_topic(d, s->alice);
    if (s->wrong)
        d->space = &OTHER;
}

static void l3_rules(struct stage *s, struct world_draft *d)
{
    draft(d, s->alice, s->wrong ? "x-thing" : "post", text("body", "A thing"));
    about(s, d, s->idea);
}

static void l4_key(struct stage *s, struct world_draft *d)
{
    const uint32_t others[] = {world_new_key(s->world), s->ticket, WORLD_LOG, s->node_cosigner};

    draft_topic(d, s->wrong ? others[variant % 4] : s->alice);
}

static void l4_recovery(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->wrong ? WORLD_RECOVERY : s->alice);
}

static void l6_twin(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    if (s->wrong)
        d->seq = 2;
}

static void l7_gap(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->seq = s->wrong ? 4 : 3;
}

static void l7_gap_at_first(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice_phone);
    d->seq = s->wrong ? 2 : 1;
}

static void l8_previous(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    if (s->wrong)
        d->previous = &s->world->log[s->topic]->entry.id;
}

static void l9_parent(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    if (s->wrong)
        d->parent = &s->world->log[s->topic]->arrival.git_id;
}

static void l10_no_payload(struct stage *s, struct world_draft *d)
{
    draft_role(d, WORLD_STEWARD, 0, "staff");
    if (s->wrong) {
        json_decref(d->fields);
        d->fields = NULL;
    }
}

static void l10_unwanted(struct stage *s, struct world_draft *d)
{
    draft(d, WORLD_STEWARD, "close", s->wrong ? json_object() : NULL);
}

static const struct {
    const char *name;
    int code;
    void (*draft)(struct stage *s, struct world_draft *d);
    unsigned variants;
} REFUSED_CASES[] = {
    {"l2_space", HARK_E_ENTRY_SPACE, l2_space, 1},
    {"l3_rules", HARK_E_ENTRY_RULES, l3_rules, 1},
    {"l4_key", HARK_E_ENTRY_KEY, l4_key, 4},
    {"l4_recovery", HARK_E_ENTRY_KEY, l4_recovery, 1},
    {"l6_twin", HARK_E_ENTRY_TWIN, l6_twin, 1},
    {"l7_gap", HARK_E_ENTRY_GAP, l7_gap, 1},
    {"l7_gap_at_first", HARK_E_ENTRY_GAP, l7_gap_at_first, 1},
    {"l8_previous", HARK_E_ENTRY_PREVIOUS, l8_previous, 1},
    {"l9_parent", HARK_E_ENTRY_PARENT, l9_parent, 1},
    {"l10_no_payload", HARK_E_PAYLOAD_ABSENT, l10_no_payload, 1},
    {"l10_unwanted", HARK_E_PAYLOAD_UNWANTED, l10_unwanted, 1},
};

static void assert_refused(struct world *w, const struct world_entry *e, struct hark_span payload,
                           int code, const char *name)
{
    struct hark_hash before = state_hash(w->state);
    uint64_t size = hark_state_size(w->state);
    struct hark_effect effect;
    struct hark_hash after;
    int may = hark_state_may_log(w->state, &e->entry, payload, NULL);
    int applied = hark_state_apply(w->state, &e->entry, &e->arrival, payload, &effect, NULL);

    if (may != code || applied != code)
        fail_msg("%s: %s and %s instead of %s", name, hark_err_name(may), hark_err_name(applied),
                 hark_err_name(code));
    after = state_hash(w->state);
    assert_true(hark_hash_equal(&before, &after));
    assert_int_equal(hark_state_size(w->state), size);
}

static void run_refused_case(size_t i, bool wrong)
{
    struct stage s;
    struct world_draft d = {.by = 0};
    struct world_entry *entry;
    struct hark_err err = {.code = 0};

    set_stage(&s, wrong);
    REFUSED_CASES[i].draft(&s, &d);
    entry = world_build(s.world, &d);
    if (wrong) {
        rule_vector(REFUSED_CASES[i].name, REFUSED_CASES[i].code, s.world, entry);
        assert_refused(s.world, entry, entry->payload, REFUSED_CASES[i].code,
                       REFUSED_CASES[i].name);
    } else {
        assert_int_equal(hark_state_may_log(s.world->state, &entry->entry, entry->payload, NULL),
                         0);
        if (world_apply(s.world, &entry, &err) != 0)
            fail_msg("%s: %s", REFUSED_CASES[i].name, err.message);
        assert_int_equal(s.world->log[s.world->count - 1]->effect.verdict, 0);
    }
    world_entry_free(entry);
    world_free(s.world);
}

static void test_state__each_rule_l_refuses_what_breaks_it_alone(void **arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof(REFUSED_CASES) / sizeof(REFUSED_CASES[0]); i++) {
        variant = 0;
        run_refused_case(i, false);
        for (; variant < REFUSED_CASES[i].variants; variant++)
            run_refused_case(i, true);
    }
}

/* L5, for any entry and for the first one, which has no Space. */
static void test_state__an_entry_is_logged_once(void **arg)
{
    struct stage s;

    (void)arg;
    set_stage(&s, false);
    for (size_t i = 0; i < s.world->count; i++)
        assert_refused(s.world, s.world->log[i], s.world->log[i]->payload, HARK_E_ENTRY_DUPLICATE,
                       "l5");
    world_free(s.world);
}

/* L10: a never-erased payload that is withheld or another one. */
static void test_state__never_erased_payloads_are_at_hand(void **arg)
{
    struct stage s;
    struct world_draft d = {.by = 0};
    struct world_entry *entry;
    uint8_t other[128];

    (void)arg;
    set_stage(&s, false);
    draft_role(&d, WORLD_STEWARD, 0, "staff");
    entry = world_build(s.world, &d);
    assert_true(entry->payload.size <= sizeof(other));
    memcpy(other, entry->payload.data, entry->payload.size);
    other[20] ^= 1;
    assert_refused(s.world, entry, hark_span(NULL, 0), HARK_E_PAYLOAD_ABSENT, "absent");
    assert_refused(s.world, entry, hark_span(other, entry->payload.size), HARK_E_PAYLOAD_HASH,
                   "another");
    assert_refused(s.world, entry, hark_span(entry->payload.data, entry->payload.size - 1),
                   HARK_E_PAYLOAD_SIZE, "shorter");
    assert_int_equal(world_apply(s.world, &entry, NULL), 0);
    world_free(s.world);
}

/* Nobody can have bytes kept for ever by naming them in a kind that they may not
 * write: the verdict does not hang on them, so they are not asked for. */
static void test_state__payloads_that_decide_nothing_are_not_asked_for(void **arg)
{
    struct stage s;
    struct world_draft d = {.by = 0};
    struct world_entry *entry;
    struct hark_effect effect;
    bool erased = false;

    (void)arg;
    set_stage(&s, false);
    draft_role(&d, s.bob, 0, "staff");
    entry = world_build(s.world, &d);
    assert_int_equal(hark_state_apply(s.world->state, &entry->entry, &entry->arrival,
                                      hark_span(NULL, 0), &effect, NULL),
                     0);
    assert_int_equal(effect.verdict_code, HARK_E_VOID_STEWARD);
    assert_int_equal(
        hark_state_is_erased(s.world->state, effect.position, &entry->entry, &erased, NULL), 0);
    assert_true(erased);
    world_entry_free(entry);
    /* The steward's entry over words that somebody has said is void without them:
     * they can still be erased. */
    memset(&d, 0, sizeof(d));
    draft(&d, WORLD_STEWARD, "role", NULL);
    d.raw = s.world->log[s.post]->payload;
    entry = world_build(s.world, &d);
    assert_int_equal(hark_state_apply(s.world->state, &entry->entry, &entry->arrival,
                                      hark_span(NULL, 0), &effect, NULL),
                     0);
    assert_int_equal(effect.verdict_code, HARK_E_VOID_PAYLOAD);
    assert_true(effect.payload_foreign);
    world_entry_free(entry);
    world_free(s.world);
}

/* Erasable payloads are not looked at, whatever they are. */
static void test_state__erasable_payloads_do_not_matter(void **arg)
{
    struct stage s;
    struct world_draft d = {.by = 0};
    struct world_entry *entry;
    struct hark_effect effect;

    (void)arg;
    set_stage(&s, false);
    draft_topic(&d, s.alice);
    entry = world_build(s.world, &d);
    assert_int_equal(hark_state_apply(s.world->state, &entry->entry, &entry->arrival,
                                      hark_span("x", 1), &effect, NULL),
                     0);
    assert_int_equal(effect.verdict, 0);
    world_entry_free(entry);
    world_free(s.world);
}

/* ---- The first entry ------------------------------------------------------- */

static void first_rules(json_t *f)
{
    json_object_set_new(f, "rules", json_integer(2));
}

static void first_kinds(json_t *f)
{
    set_hex(f, "kinds", world_key(0)->bytes, HARK_KEY_SIZE);
}

static void first_home_name(json_t *f)
{
    json_object_set_new(json_object_get(f, "home"), "name", json_string("Home"));
}

static void first_unknown(json_t *f)
{
    json_object_set_new(f, "junk", json_null());
}

static void first_no_home(json_t *f)
{
    json_object_del(f, "home");
}

static void first_threshold(json_t *f)
{
    json_object_set_new(json_object_get(f, "recovery"), "threshold", json_integer(4));
}

static void first_key_twice(json_t *f)
{
    set_hex(json_object_get(f, "home"), "author", world_key(WORLD_STEWARD)->bytes, HARK_KEY_SIZE);
}

static void first_recovery_twice(json_t *f)
{
    json_t *keys = json_object_get(json_object_get(f, "recovery"), "keys");

    json_array_set(keys, 0, json_array_get(keys, 1));
}

static void first_mode(json_t *f)
{
    json_object_set_new(f, "mode", json_string("entrusted"));
}

static void first_right(json_t *f)
{
    json_object_del(f, "recovery");
}

static const struct {
    const char *name;
    int code;
    void (*change)(json_t *fields);
} FIRST_CASES[] = {
    {"right", 0, first_right},
    {"rules", HARK_E_ENTRY_FIRST, first_rules},
    {"kinds", HARK_E_ENTRY_FIRST, first_kinds},
    {"home's name", HARK_E_ENTRY_FIRST, first_home_name},
    {"unknown field", HARK_E_ENTRY_FIRST, first_unknown},
    {"no home", HARK_E_ENTRY_FIRST, first_no_home},
    {"threshold", HARK_E_ENTRY_FIRST, first_threshold},
    {"key twice", HARK_E_ENTRY_FIRST, first_key_twice},
    {"recovery key twice", HARK_E_ENTRY_FIRST, first_recovery_twice},
    {"entrusted", 0, first_mode},
};

/* Applies one entry to an empty log of `space`; checks that a refusal leaves it
 * empty. */
static int apply_to_empty(const struct hark_hash *space, const struct world_entry *e,
                          struct hark_span payload)
{
    struct hark_memstore *mem = NULL;
    struct hark_state *state = NULL;
    struct hark_store store;
    struct hark_effect effect;
    struct hark_hash before;
    struct hark_hash after;
    int may;
    int rc;

    assert_int_equal(hark_memstore_new(&mem, NULL), 0);
    store = hark_memstore_store(mem);
    assert_int_equal(hark_state_open(&state, space, &store, NULL), 0);
    before = state_hash(state);
    may = hark_state_may_log(state, &e->entry, payload, NULL);
    rc = hark_state_apply(state, &e->entry, &e->arrival, payload, &effect, NULL);
    after = state_hash(state);
    assert_int_equal(may, rc);
    assert_int_equal(hark_hash_equal(&before, &after), rc != 0);
    hark_state_free(state);
    hark_memstore_free(mem);
    return rc;
}

static void test_state__the_first_entry_founds_or_is_refused(void **arg)
{
    struct world *w = world_new(3, NULL, NULL);
    struct hark_hash other = {.bytes = {9}};

    (void)arg;
    for (size_t i = 0; i < sizeof(FIRST_CASES) / sizeof(FIRST_CASES[0]); i++) {
        struct world_draft d = {.kind = "space", .seq = 1, .fields = world_fields_space(w)};
        struct world_entry *entry;
        int rc;

        FIRST_CASES[i].change(d.fields);
        entry = world_build(w, &d);
        rc = apply_to_empty(&entry->entry.id, entry, entry->payload);
        if (rc != FIRST_CASES[i].code)
            fail_msg("%s: %s", FIRST_CASES[i].name, hark_err_name(rc));
        /* Another log's first entry, and without its payload. */
        assert_int_equal(apply_to_empty(&other, entry, entry->payload), HARK_E_ENTRY_SPACE);
        assert_int_equal(apply_to_empty(&entry->entry.id, entry, hark_span(NULL, 0)),
                         HARK_E_ENTRY_FIRST);
        world_entry_free(entry);
    }
    world_say(w, WORLD_STEWARD, "policy", json_pack("{s:{}}", "policy"), HARK_NONE);
    assert_int_equal(apply_to_empty(&w->space, w->log[1], w->log[1]->payload), HARK_E_ENTRY_FIRST);
    world_free(w);
}

static void rules_path(char *out, size_t size)
{
    const char *top = getenv("HARK_SOURCE_DIR");

    (void)snprintf(out, size, "%s/tests/vectors/rules.json", top != NULL ? top : ".");
}

static int apply_vector(struct hark_state *state, const json_t *objects, const json_t *id)
{
    const json_t *v = json_object_get(objects, json_string_value(id));
    const json_t *object = json_object_get(v, "object"), *payload = json_object_get(v, "payload");
    const char *git_id = json_string_value(json_object_get(v, "git_id"));
    struct hark_entry entry;
    struct hark_arrival arrival = {.arrival_ms = 0};
    struct hark_effect effect = {.verdict_code = 0};
    struct hark_span bytes = hark_span(json_string_value(object), json_string_length(object));
    struct hark_span kept = json_is_string(payload)
                                ? hark_span(json_string_value(payload), json_string_length(payload))
                                : hark_span(NULL, 0);
    int rc;

    assert_non_null(git_id);
    arrival.arrival_ms = (uint64_t)json_integer_value(json_object_get(v, "arrival_ms"));
    arrival.accepted_ms = (uint64_t)json_integer_value(json_object_get(v, "accepted_ms"));
    assert_int_equal(
        hark_hex_decode(arrival.git_id.bytes, HARK_GIT_ID_SIZE, hark_span_str(git_id), NULL), 0);
    assert_int_equal(hark_entry_parse(&entry, bytes, NULL), 0);
    assert_int_equal(hark_entry_verify(&entry, bytes, NULL), 0);
    rc = hark_state_apply(state, &entry, &arrival, kept, &effect, NULL);
    return rc != 0 ? rc : effect.verdict_code;
}

static void check_rule(const json_t *objects, const json_t *v)
{
    const json_t *log = json_object_get(v, "log");
    const char *want = json_string_value(json_object_get(v, "error"));
    const char *space = json_string_value(json_object_get(v, "space"));
    struct hark_memstore *mem = NULL;
    struct hark_state *state = NULL;
    struct hark_store store;
    struct hark_hash id;
    int rc;

    assert_non_null(want);
    assert_non_null(space);
    assert_int_equal(hark_hash_from_hex(&id, hark_span_str(space), NULL), 0);
    assert_int_equal(hark_memstore_new(&mem, NULL), 0);
    store = hark_memstore_store(mem);
    assert_int_equal(hark_state_open(&state, &id, &store, NULL), 0);
    for (size_t i = 0; i < json_array_size(log); i++)
        (void)apply_vector(state, objects, json_array_get(log, i));
    assert_int_equal(hark_state_size(state), json_array_size(log));
    rc = apply_vector(state, objects, json_object_get(v, "entry"));
    if (strcmp(hark_err_name(rc), want) != 0)
        fail_msg("%s: %s, not %s", json_string_value(json_object_get(v, "case")), hark_err_name(rc),
                 want);
    hark_state_free(state);
    hark_memstore_free(mem);
}

/* The file has a vector for each case above, and each holds by itself: a second
 * implementation can be held to it. With HARK_WRITE_VECTORS it is written. */
static void test_state__the_vectors_of_the_rules_hold(void **arg)
{
    char path[4096];
    json_t *file, *made;
    const json_t *cases;

    (void)arg;
    rules_path(path, sizeof(path));
    made = json_pack("{s:s, s:o, s:o}", "about",
                     "PROTOCOL.md 6.1 and 6.2: after the entries of `log`, `entry` breaks just "
                     "the rule of that error. Payloads are those of never-erased kinds. V16 "
                     "cannot be reached through a log, and V28 needs logs too long to write down.",
                     "objects", rule_objects, "cases", rule_cases);
    assert_non_null(made);
    if (getenv("HARK_WRITE_VECTORS") != NULL)
        assert_int_equal(json_dump_file(made, path, JSON_INDENT(1) | JSON_SORT_KEYS), 0);
    file = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(file);
    cases = json_object_get(file, "cases");
    assert_true(json_array_size(cases) > 40);
    assert_int_equal(json_array_size(cases), json_array_size(rule_cases));
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *v = json_array_get(cases, i), *run = json_array_get(rule_cases, i);

        /* Which keys a case draws first is the compiler's choice, so the bytes are
         * not compared. */
        assert_true(json_equal(json_object_get(v, "case"), json_object_get(run, "case")));
        assert_true(json_equal(json_object_get(v, "error"), json_object_get(run, "error")));
        check_rule(json_object_get(file, "objects"), v);
    }
    json_decref(file);
    json_decref(made);
}

int main(void)
{
    rule_objects = json_object();
    rule_cases = json_array();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state__each_rule_v_voids_what_breaks_it_alone),
        cmocka_unit_test(test_state__a_space_is_founded_once),
        cmocka_unit_test(test_state__the_first_broken_rule_is_named),
        cmocka_unit_test(test_state__verdict_numbers_go_both_ways),
        cmocka_unit_test(test_state__each_rule_l_refuses_what_breaks_it_alone),
        cmocka_unit_test(test_state__an_entry_is_logged_once),
        cmocka_unit_test(test_state__never_erased_payloads_are_at_hand),
        cmocka_unit_test(test_state__payloads_that_decide_nothing_are_not_asked_for),
        cmocka_unit_test(test_state__erasable_payloads_do_not_matter),
        cmocka_unit_test(test_state__the_first_entry_founds_or_is_refused),
        cmocka_unit_test(test_state__the_vectors_of_the_rules_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
