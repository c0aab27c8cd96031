/*
 * What a space refuses, over a real repository and index: for each rule E, P, L, V
 * and those of acceptance an entry that breaks just that rule is offered at the
 * home. The rule is named; repository, refs, index and state are untouched; and
 * what comes next is logged as if nothing had been. What would only be void is
 * logged as void when it is not to be accepted, and changes nothing but its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/vectors.h" /* before the stage, which has an err of its own */

#include "tests/unit/space_stage.h"
#include "tests/vectors/craft.h"

/* ---- Refused ----------------------------------------------------------------- */

static int offer(struct stage *s, const struct world_entry *e, bool accept, struct hark_logged *out)
{
    struct hark_offer o = stage_offer(e, accept);

    memset(&err, 0, sizeof(err));
    return hark_space_add(s->space, &o, world_signer(WORLD_LOG), out, &err);
}

/* In an open batch. */
static void refuse(struct stage *s, const struct world_entry *e, bool accept, int code)
{
    struct snapshot was;

    stage_snapshot(&was, s->space);
    assert_code(offer(s, e, accept, NULL), code);
    assert_unchanged(&was, s->space);
}

/* Commits a batch in which `good` is all there is to be. */
static void commit_only(struct stage *s, const struct world_entry *good)
{
    uint64_t first = hark_space_head(s->space)->tree.size;
    struct hark_space_batch batch;
    struct hark_logged out;

    assert_code(offer(s, good, true, &out), 0);
    assert_int_equal(out.position, first);
    assert_int_equal(out.effect.verdict, 0);
    OK(hark_space_commit(s->space, world_signer(WORLD_LOG), good->arrival.arrival_ms, &err));
    OK(stage_read(s->space, first, &batch, &err));
    assert_int_equal(batch.raw.count, 1);
    assert_true(hark_span_equal(batch.raw.items[0].object, good->object));
    hark_space_batch_free(&batch);
    assert_sound(s->space);
}

/* Alone in a batch nothing comes of it; beside a good one the good one is logged. */
static void assert_refused(struct stage *s, const struct world_entry *e, bool accept, int code)
{
    struct world_entry *good = stage_good(s);
    struct snapshot was;

    stage_snapshot(&was, s->space);
    OK(hark_space_begin(s->space, &err));
    refuse(s, e, accept, code);
    OK(hark_space_commit(s->space, world_signer(WORLD_LOG), e->arrival.arrival_ms, &err));
    assert_unchanged(&was, s->space);
    OK(hark_space_begin(s->space, &err));
    refuse(s, e, accept, code);
    commit_only(s, good);
    world_entry_free(good);
}

/* ---- Rules V: refused when to be accepted, else void ----------------------------- */

typedef void drafter(struct stage *s, struct world_draft *d);

static void set_hex(json_t *fields, const char *name, const void *data, size_t size)
{
    json_object_set_new(fields, name, world_hex(data, size));
}

static void draft_topic(struct world_draft *d, uint32_t by)
{
    stage_draft(d, by, "topic", stage_text("title", "The lake"));
}

static void draft_role(struct world_draft *d, uint32_t by, uint32_t member, const char *role)
{
    stage_draft(d, by, "role", json_pack("{s:I, s:s}", "member", (json_int_t)member, "role", role));
}

static void draft_admit(struct stage *s, struct world_draft *d, uint32_t key, uint32_t ticket)
{
    stage_draft(d, WORLD_STEWARD, "admit", world_fields_admit(s->world, key, "member", ticket));
}

static void draft_vote(const struct stage *s, struct world_draft *d, uint32_t by)
{
    stage_draft(d, by, "vote", stage_text("choice", "agree"));
    stage_about(s, d, s->idea);
}

static void do_remove(struct stage *s, uint32_t member)
{
    world_say(s->world, WORLD_STEWARD, "remove", json_pack("{s:I}", "member", (json_int_t)member),
              HARK_NONE);
}

static void do_handover(struct stage *s)
{
    world_say(s->world, WORLD_STEWARD, "handover",
              world_fields_new_key(s->world, world_new_key(s->world), WORLD_NO_KEY), HARK_NONE);
}

static void end_key(struct stage *s, uint32_t member, uint32_t key)
{
    json_t *fields = json_pack("{s:s, s:I}", "action", "remove", "member", (json_int_t)member);

    set_hex(fields, "key", world_key(key)->bytes, HARK_KEY_SIZE);
    world_say(s->world, WORLD_STEWARD, "device", fields, HARK_NONE);
}

static void closed(struct stage *s, struct world_draft *d)
{
    world_say(s->world, WORLD_STEWARD, "close", NULL, HARK_NONE);
    draft_topic(d, s->alice);
}

static void steward_kind_by_staff(struct stage *s, struct world_draft *d)
{
    draft_role(d, s->sam, 0, "staff");
}

static void steward_kind_by_member(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), WORLD_NO_KEY);
    d->by = s->alice;
}

static void steward_kind_by_node(struct stage *s, struct world_draft *d)
{
    (void)s;
    stage_draft(d, WORLD_AUTHOR, "policy", json_pack("{s:{s:i}}", "policy", "quorum", 2));
}

static void steward_kind_by_old_steward(struct stage *s, struct world_draft *d)
{
    do_handover(s);
    draft_role(d, WORLD_STEWARD, 0, "staff");
}

static void recover_by_member(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->sam, "recover",
                world_fields_new_key(s->world, world_new_key(s->world), WORLD_NO_KEY));
}

static void members_kind_by_steward(struct stage *s, struct world_draft *d)
{
    (void)s;
    draft_topic(d, WORLD_STEWARD);
}

static void ack_by_member(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->bob, "ack", NULL);
    stage_about(s, d, s->erase);
}

static void topic_by_node(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->node_author);
}

static void node_no_more(struct stage *s, struct world_draft *d)
{
    world_say(s->world, WORLD_STEWARD, "node",
              json_pack("{s:s, s:s}", "action", "remove", "name", "one.example"), HARK_NONE);
    stage_draft(d, s->node_author, "ack", NULL);
    stage_about(s, d, s->erase);
}

static void removed(struct stage *s, struct world_draft *d)
{
    do_remove(s, 1);
    draft_topic(d, s->bob);
}

static void left(struct stage *s, struct world_draft *d)
{
    world_say(s->world, s->alice, "leave", NULL, HARK_NONE);
    draft_topic(d, s->alice_phone);
}

static void key_ended(struct stage *s, struct world_draft *d)
{
    end_key(s, 0, s->alice_phone);
    draft_topic(d, s->alice_phone);
}

static void role_too_low(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->alice, "hide", stage_text("reason", "Off topic"));
    stage_about(s, d, s->post);
}

static void time_before(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->time_ms = s->world->log[s->idea]->entry.time_ms - 1;
}

static void time_ahead(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->time_ms = s->world->now_ms + 300001;
}

static void re_too_few(struct stage *s, struct world_draft *d)
{
    draft_vote(s, d, s->bob);
    d->re_count = 0;
}

static void re_too_many(struct stage *s, struct world_draft *d)
{
    uint64_t other = world_say(s->world, s->alice, "idea", stage_text("body", "A tree"), HARK_NONE);

    draft_vote(s, d, s->bob);
    stage_about(s, d, other);
}

static void re_repeated(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->bob, "post", stage_text("body", "Both"));
    stage_about(s, d, s->idea);
    stage_about(s, d, s->idea);
}

static void re_to_nothing(struct stage *s, struct world_draft *d)
{
    draft_vote(s, d, s->bob);
    d->re[0].bytes[31] ^= 1;
}

/* It names what is in the log of another space, and not in this one. */
static void re_to_another_space(struct stage *s, struct world_draft *d)
{
    struct world *other = world_new(12, NULL, NULL);

    assert_false(hark_hash_equal(&other->space, &s->world->space));
    stage_draft(d, s->bob, "post", stage_text("body", "There"));
    d->re[d->re_count++] = other->log[0]->entry.id;
    world_free(other);
}

static void re_to_the_wrong_kind(struct stage *s, struct world_draft *d)
{
    draft_vote(s, d, s->bob);
    d->re[0] = s->world->log[s->post]->entry.id;
}

static void re_to_a_void_one(struct stage *s, struct world_draft *d)
{
    struct world_draft idea = {
        .by = s->alice, .kind = "idea", .fields = stage_text("body", "A tree")};
    uint64_t position;

    idea.time_ms = s->world->now_ms + 300001;
    position = world_log(s->world, &idea, HARK_E_VOID_TIME_AHEAD);
    stage_draft(d, s->bob, "vote", stage_text("choice", "agree"));
    stage_about(s, d, position);
}

static void revision_of_anothers(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->sam, "revision", stage_text("body", "Two benches"));
    stage_about(s, d, s->idea);
}

static void erase_of_anothers(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->alice, "erase", NULL);
    stage_about(s, d, s->post);
}

static void erase_of_another_member(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->bob, "erase", NULL);
    stage_about(s, d, s->admit_alice);
}

/* A valid payload, and one that was logged before. */
static void payload_used_before(struct stage *s, struct world_draft *d)
{
    static const char *const ROLES[] = {"staff", "member"};
    size_t first = s->world->count;

    for (size_t i = 0; i < 2; i++) {
        struct world_draft role = {.by = 0};

        draft_role(&role, WORLD_STEWARD, 0, ROLES[i]);
        (void)world_log(s->world, &role, 0);
    }
    stage_draft(d, WORLD_STEWARD, "role", NULL);
    d->raw = s->world->log[first]->payload;
}

static void node_name(struct stage *s, struct world_draft *d)
{
    stage_draft(d, WORLD_STEWARD, "node",
                world_fields_node("-two", world_new_key(s->world), world_new_key(s->world),
                                  world_new_key(s->world)));
}

static void definition(struct stage *s, struct world_draft *d)
{
    (void)s;
    stage_draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
    json_object_set_new(d->fields, "definition", json_string("kind: [x-thing"));
}

/* An ordinal's key, a ticket's, a node's, a recovery key: none comes twice. */
static void key_of_a_member(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, s->bob, WORLD_NO_KEY);
}

static void key_of_a_removed_member(struct stage *s, struct world_draft *d)
{
    do_remove(s, 1);
    draft_admit(s, d, s->bob, WORLD_NO_KEY);
}

static void key_of_a_ticket(struct stage *s, struct world_draft *d)
{
    stage_draft(d, WORLD_STEWARD, "device", world_fields_device(s->world, 0, s->ticket));
}

static void key_of_a_node(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, s->node_cosigner, WORLD_NO_KEY);
}

static void key_of_the_steward(struct stage *s, struct world_draft *d)
{
    stage_draft(d, WORLD_STEWARD, "handover",
                world_fields_new_key(s->world, WORLD_STEWARD, WORLD_NO_KEY));
}

static void key_twice_at_once(struct stage *s, struct world_draft *d)
{
    uint32_t key = world_new_key(s->world);

    stage_draft(d, WORLD_STEWARD, "node",
                world_fields_node("two.example", key, world_new_key(s->world), key));
}

static void key_proof(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), WORLD_NO_KEY);
    set_hex(d->fields, "box", world_box(s->bob)->bytes, HARK_KEY_SIZE);
}

static void no_such_member(struct stage *s, struct world_draft *d)
{
    (void)s;
    draft_role(d, WORLD_STEWARD, 3, "staff");
}

static void removed_twice(struct stage *s, struct world_draft *d)
{
    do_remove(s, 1);
    stage_draft(d, WORLD_STEWARD, "remove", json_pack("{s:i}", "member", 1));
}

static void the_home_removed(struct stage *s, struct world_draft *d)
{
    (void)s;
    stage_draft(d, WORLD_STEWARD, "node",
                json_pack("{s:s, s:s}", "action", "remove", "name", WORLD_HOME));
}

static void home_at_another_size(struct stage *s, struct world_draft *d)
{
    stage_draft(d, WORLD_STEWARD, "home", world_fields_home(s->world, "one.example"));
    json_object_set_new(d->fields, "size",
                        json_integer((json_int_t)hark_state_size(s->world->state) - 1));
}

static void home_of_another_history(struct stage *s, struct world_draft *d)
{
    stage_draft(d, WORLD_STEWARD, "home", world_fields_home(s->world, WORLD_HOME));
    set_hex(d->fields, "root", s->world->space.bytes, HARK_HASH_SIZE);
}

/* One character of the ticket's key is another: the space knows no such ticket. */
static void ticket_mistyped(struct stage *s, struct world_draft *d)
{
    struct hark_key key = *world_key(s->ticket);

    draft_admit(s, d, world_new_key(s->world), s->ticket);
    key.bytes[0] ^= 0x10;
    set_hex(d->fields, "ticket", key.bytes, HARK_KEY_SIZE);
    /* The new key's proof names the ticket: without one that holds V18 is broken. */
    {
        struct hark_buf message = hark_buf_init(HARK_OBJECT_MAX);
        struct hark_hash terms = hark_sha256(hark_span_str("terms"));
        uint32_t number = s->world->next_key - 1;
        struct hark_sshsig sig;

        OK(hark_join_message(&message, &s->world->space, world_key(number), world_box(number), &key,
                             &terms, &err));
        OK(hark_sshsig_make(&sig, world_signer(number), "hark-join", hark_buf_span(&message),
                            &err));
        set_hex(d->fields, "proof", sig.signature, sizeof(sig.signature));
        hark_buf_free(&message);
    }
}

static void ticket_of_nobody(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), world_new_key(s->world));
}

static void ticket_revoked(struct stage *s, struct world_draft *d)
{
    json_t *fields = json_object();

    set_hex(fields, "ticket", world_key(s->ticket)->bytes, HARK_KEY_SIZE);
    world_say(s->world, WORLD_STEWARD, "revoke", fields, HARK_NONE);
    draft_admit(s, d, world_new_key(s->world), s->ticket);
}

static void ticket_expired(struct stage *s, struct world_draft *d)
{
    s->world->now_ms += 3600001;
    draft_admit(s, d, world_new_key(s->world), s->ticket);
}

static void ticket_used_up(struct stage *s, struct world_draft *d)
{
    struct world_draft before = {.by = 0};

    draft_admit(s, &before, world_new_key(s->world), s->ticket);
    (void)world_log(s->world, &before, 0);
    draft_admit(s, d, world_new_key(s->world), s->ticket);
}

static void ticket_for_another_role(struct stage *s, struct world_draft *d)
{
    stage_draft(d, WORLD_STEWARD, "admit",
                world_fields_admit(s->world, world_new_key(s->world), "staff", s->ticket));
}

static void ticket_proof(struct stage *s, struct world_draft *d)
{
    draft_admit(s, d, world_new_key(s->world), s->ticket);
    json_object_set(d->fields, "ticket_proof", json_object_get(d->fields, "proof"));
}

static void request_used_twice(struct stage *s, struct world_draft *d)
{
    struct world_draft before = {.by = 0};

    draft_role(&before, WORLD_STEWARD, 0, "staff");
    stage_about(s, &before, s->request);
    (void)world_log(s->world, &before, 0);
    draft_role(d, WORLD_STEWARD, 1, "staff");
    stage_about(s, d, s->request);
}

static void request_of_one_removed(struct stage *s, struct world_draft *d)
{
    do_remove(s, 2);
    draft_role(d, WORLD_STEWARD, 1, "staff");
    stage_about(s, d, s->request);
}

static void name_of_a_node(struct stage *s, struct world_draft *d)
{
    stage_draft(d, WORLD_STEWARD, "node",
                world_fields_node("one.example", world_new_key(s->world), world_new_key(s->world),
                                  world_new_key(s->world)));
}

static void name_of_a_kind(struct stage *s, struct world_draft *d)
{
    world_say(s->world, WORLD_STEWARD, "kind", world_fields_kind("x-thing"), HARK_NONE);
    stage_draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-thing"));
}

/* Those of tickets, members and keys in all are out of reach of a test. */
static void too_many_keys_of_one(struct stage *s, struct world_draft *d)
{
    for (int i = 2; i < 32; i++)
        world_say(s->world, WORLD_STEWARD, "device",
                  world_fields_device(s->world, 0, world_new_key(s->world)), HARK_NONE);
    stage_draft(d, WORLD_STEWARD, "device",
                world_fields_device(s->world, 0, world_new_key(s->world)));
}

static void too_many_nodes(struct stage *s, struct world_draft *d)
{
    char name[16];

    for (int i = 2; i < 64; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        world_say(s->world, WORLD_STEWARD, "node",
                  world_fields_node(name, world_new_key(s->world), world_new_key(s->world),
                                    world_new_key(s->world)),
                  HARK_NONE);
    }
    stage_draft(d, WORLD_STEWARD, "node",
                world_fields_node("last", world_new_key(s->world), world_new_key(s->world),
                                  world_new_key(s->world)));
}

static void too_many_kinds(struct stage *s, struct world_draft *d)
{
    char name[16];

    for (int i = 0; i < 256; i++) {
        (void)snprintf(name, sizeof(name), "x-%d", i);
        world_say(s->world, WORLD_STEWARD, "kind", world_fields_kind(name), HARK_NONE);
    }
    stage_draft(d, WORLD_STEWARD, "kind", world_fields_kind("x-last"));
}

static void sealed_in_an_open_space(struct stage *s, struct world_draft *d)
{
    static const uint8_t BYTES[512] = {1};

    stage_draft(d, s->alice, "sealed", NULL);
    d->raw = hark_span(BYTES, sizeof(BYTES));
}

#define CASE(function, code)                                                                       \
    {                                                                                              \
#function, HARK_E_##code, function                                                         \
    }

static const struct void_case {
    const char *name;
    int code;
    drafter *draft;
} VOID_CASES[] = {
    CASE(closed, VOID_CLOSED),
    CASE(steward_kind_by_staff, VOID_STEWARD),
    CASE(steward_kind_by_member, VOID_STEWARD),
    CASE(steward_kind_by_node, VOID_STEWARD),
    CASE(steward_kind_by_old_steward, VOID_STEWARD),
    CASE(recover_by_member, VOID_STEWARD),
    CASE(members_kind_by_steward, VOID_STEWARD_KIND),
    CASE(ack_by_member, VOID_NODE),
    CASE(topic_by_node, VOID_NODE),
    CASE(node_no_more, VOID_NODE),
    CASE(removed, VOID_MEMBER),
    CASE(left, VOID_MEMBER),
    CASE(key_ended, VOID_MEMBER),
    CASE(role_too_low, VOID_ROLE),
    CASE(time_before, VOID_TIME_BEFORE),
    CASE(time_ahead, VOID_TIME_AHEAD),
    CASE(re_too_few, VOID_RE_COUNT),
    CASE(re_too_many, VOID_RE_COUNT),
    CASE(re_repeated, VOID_RE_REPEATED),
    CASE(re_to_nothing, VOID_RE_NOTHING),
    CASE(re_to_another_space, VOID_RE_NOTHING),
    CASE(re_to_the_wrong_kind, VOID_RE_KIND),
    CASE(re_to_a_void_one, VOID_RE_VOID),
    CASE(revision_of_anothers, VOID_RE_OWN),
    CASE(erase_of_anothers, VOID_RE_OWN),
    CASE(erase_of_another_member, VOID_RE_OWN),
    CASE(payload_used_before, VOID_PAYLOAD),
    CASE(node_name, VOID_PAYLOAD),
    CASE(definition, VOID_PAYLOAD),
    /* V16: test_space_refusals__a_space_is_founded_once */
    CASE(key_of_a_member, VOID_KEY_USED),
    CASE(key_of_a_removed_member, VOID_KEY_USED),
    CASE(key_of_a_ticket, VOID_KEY_USED),
    CASE(key_of_a_node, VOID_KEY_USED),
    CASE(key_of_the_steward, VOID_KEY_USED),
    CASE(key_twice_at_once, VOID_KEY_USED),
    CASE(key_proof, VOID_KEY_PROOF),
    CASE(no_such_member, VOID_TARGET),
    CASE(removed_twice, VOID_TARGET),
    CASE(the_home_removed, VOID_TARGET),
    CASE(home_at_another_size, VOID_TARGET),
    CASE(home_of_another_history, VOID_TARGET),
    CASE(ticket_mistyped, VOID_TICKET_UNKNOWN),
    CASE(ticket_of_nobody, VOID_TICKET_UNKNOWN),
    CASE(ticket_revoked, VOID_TICKET_REVOKED),
    CASE(ticket_expired, VOID_TICKET_EXPIRED),
    CASE(ticket_used_up, VOID_TICKET_USED),
    CASE(ticket_for_another_role, VOID_TICKET_LIMIT),
    CASE(ticket_proof, VOID_TICKET_PROOF),
    CASE(request_used_twice, VOID_REQUEST_USED),
    CASE(request_of_one_removed, VOID_REQUEST_USED),
    CASE(name_of_a_node, VOID_NAME_USED),
    CASE(name_of_a_kind, VOID_NAME_USED),
    CASE(too_many_keys_of_one, VOID_LIMIT),
    CASE(too_many_nodes, VOID_LIMIT),
    CASE(too_many_kinds, VOID_LIMIT),
    CASE(sealed_in_an_open_space, VOID_MODE),
};
#define VOID_CASE_COUNT (sizeof(VOID_CASES) / sizeof(VOID_CASES[0]))

/* The stage with what the case wants to have been before, and its entry. */
static struct world_entry *begin_case(struct stage *s, const char *name, drafter *draft)
{
    struct world_draft d = {.by = 0};

    at_case = name;
    stage_begin(s);
    draft(s, &d);
    stage_log(s, s->base);
    return world_build(s->world, &d);
}

static void test_space_refusals__what_would_be_void_is_not_accepted(void **state)
{
    bool seen[30] = {false};

    (void)state;
    for (size_t i = 0; i < VOID_CASE_COUNT; i++) {
        struct stage s;
        struct world_entry *wrong = begin_case(&s, VOID_CASES[i].name, VOID_CASES[i].draft);

        assert_refused(&s, wrong, true, VOID_CASES[i].code);
        world_entry_free(wrong);
        stage_end(&s);
        seen[hark_verdict_number(VOID_CASES[i].code)] = true;
    }
    for (uint8_t v = 1; v <= 29; v++)
        assert_true(seen[v] || v == 16);
}

/* ---- Logged as void ------------------------------------------------------------ */

/* What an entry may change by standing, as the index has it. */
struct meaning {
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_hash roots[HARK_SECTION_HASHED_];
    uint64_t by_role[2];
    struct hark_tally tally;
    size_t found;
    char origin[HARK_ORIGIN_MAX + 1];
};

static int count_row(void *arg, const struct hark_row *row, struct hark_err *e)
{
    size_t *count = arg;

    (void)row;
    (void)e;
    ++*count;
    return 0;
}

static void read_meaning(struct meaning *out, const struct stage *s)
{
    struct hark_index *index = hark_space_index(s->space);
    struct hark_store store = hark_index_store(index);

    memset(out, 0, sizeof(*out));
    OK(hark_state_counts(hark_space_state(s->space), out->counts, &err));
    for (int i = 0; i < HARK_SECTION_HASHED_; i++)
        OK(store.root(store.arg, (enum hark_section)i, &out->roots[i], &err));
    OK(hark_index_active(index, out->by_role, &err));
    OK(hark_index_tally(index, s->idea, NULL, 0, 0, &out->tally, &err));
    OK(hark_index_search(index, "lake", 0, count_row, &out->found, &err));
    memcpy(out->origin, hark_space_head(s->space)->origin, sizeof(out->origin));
}

/* Only its own object among the entries has come. */
static void assert_void_only(const struct meaning *was, const struct stage *s, uint64_t position)
{
    struct meaning now;

    read_meaning(&now, s);
    for (int i = 0; i < HARK_SECTION_HASHED_; i++) {
        if (i == HARK_SECTION_ENTRY)
            continue;
        if (now.counts[i] != was->counts[i] || !hark_hash_equal(&now.roots[i], &was->roots[i]))
            fail_msg("%s: section %d has changed", at_case, i);
    }
    assert_int_equal(now.counts[HARK_SECTION_ENTRY], was->counts[HARK_SECTION_ENTRY] + 1);
    assert_memory_equal(now.by_role, was->by_role, sizeof(now.by_role));
    assert_memory_equal(&now.tally, &was->tally, sizeof(now.tally));
    assert_int_equal(now.found, was->found);
    assert_string_equal(now.origin, was->origin);
    for (uint64_t p = 0; p < position; p++) {
        struct hark_entry_object old;

        OK(hark_state_entry(hark_space_state(s->space), p, &old, &err));
        if (old.hidden_by == position || old.erased_by == position || old.used_by == position)
            fail_msg("%s: it did something to position %d", at_case, (int)p);
    }
}

static void log_void(struct stage *s, struct world_entry *e, int code)
{
    uint64_t position = hark_state_size(s->world->state);
    struct hark_logged out;
    struct hark_row row = {0};
    struct meaning was;
    struct hark_hash mine, theirs;

    read_meaning(&was, s);
    OK(hark_space_begin(s->space, &err));
    assert_code(offer(s, e, false, &out), 0);
    if (out.effect.verdict_code != code || out.position != position)
        fail_msg("%s: %s at %d", at_case, hark_err_name(out.effect.verdict_code),
                 (int)out.position);
    OK(hark_space_commit(s->space, world_signer(WORLD_LOG), e->arrival.arrival_ms, &err));
    assert_void_only(&was, s, position);
    OK(hark_index_row(hark_space_index(s->space), position, &row, &err));
    assert_int_equal(row.verdict, hark_verdict_number(code));
    assert_true(hark_hash_equal(&row.id, &out.id));
    /* The same as in memory. */
    OK(world_apply(s->world, &e, &err));
    OK(hark_state_hash(s->world->state, &mine, &err));
    OK(hark_state_hash(hark_space_state(s->space), &theirs, &err));
    assert_true(hark_hash_equal(&mine, &theirs));
    assert_sound(s->space);
}

static void test_space_refusals__what_need_not_stand_is_void_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < VOID_CASE_COUNT; i++) {
        struct stage s;
        struct world_entry *wrong = begin_case(&s, VOID_CASES[i].name, VOID_CASES[i].draft);

        log_void(&s, wrong, VOID_CASES[i].code);
        stage_end(&s);
    }
}

/* A feed that stands still because of what was refused goes on over it. */
static void test_space_refusals__a_void_entry_lets_its_feed_go_on(void **state)
{
    struct world_draft d = {.by = 0};
    struct world_entry *wrong, *next;
    struct hark_logged out;
    struct stage s;

    (void)state;
    wrong = begin_case(&s, "going on", revision_of_anothers);
    assert_refused(&s, wrong, true, HARK_E_VOID_RE_OWN);
    wrong->arrival.arrival_ms = s.world->now_ms;
    OK(hark_space_begin(s.space, &err));
    assert_code(offer(&s, wrong, false, &out), 0);
    assert_int_equal(out.effect.verdict_code, HARK_E_VOID_RE_OWN);
    draft_topic(&d, s.sam);
    d.seq = wrong->entry.seq + 1;
    d.previous = &wrong->entry.id;
    d.parent = &wrong->arrival.git_id;
    next = world_build(s.world, &d);
    assert_code(offer(&s, next, true, &out), 0);
    assert_int_equal(out.effect.verdict, 0);
    OK(hark_space_commit(s.space, world_signer(WORLD_LOG), s.world->now_ms, &err));
    assert_sound(s.space);
    world_entry_free(next);
    world_entry_free(wrong);
    stage_end(&s);
}

/* ---- Rules L: refused in any case ----------------------------------------------- */

static void another_space(struct stage *s, struct world_draft *d)
{
    static const struct hark_hash OTHER = {.bytes = {1}};

    draft_topic(d, s->alice);
    d->space = &OTHER;
}

static void unknown_kind(struct stage *s, struct world_draft *d)
{
    stage_draft(d, s->alice, "x-thing", stage_text("body", "A thing"));
}

static void not_a_member(struct stage *s, struct world_draft *d)
{
    draft_topic(d, world_new_key(s->world));
}

static void a_tickets_key(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->ticket);
}

static void a_nodes_log_key(struct stage *s, struct world_draft *d)
{
    (void)s;
    draft_topic(d, WORLD_LOG);
}

static void a_recovery_keys_topic(struct stage *s, struct world_draft *d)
{
    (void)s;
    draft_topic(d, WORLD_RECOVERY);
}

static void twin(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->seq = 2;
    d->previous = &s->world->log[s->topic]->entry.id;
    d->parent = &s->world->log[s->topic]->arrival.git_id;
}

static void gap(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->seq = 4;
}

static void wrong_previous(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->previous = &s->world->log[s->topic]->entry.id;
}

static void wrong_parent(struct stage *s, struct world_draft *d)
{
    draft_topic(d, s->alice);
    d->parent = &s->world->log[s->topic]->arrival.git_id;
}

static void another_founding(struct stage *s, struct world_draft *d)
{
    uint32_t steward = world_new_key(s->world);

    world_say(s->world, WORLD_STEWARD, "handover",
              world_fields_new_key(s->world, steward, WORLD_NO_KEY), HARK_NONE);
    stage_draft(d, steward, "space", world_fields_space(s->world));
}

/* Never erased, so the verdict hangs on what is not there. */
static void role_without_payload(struct stage *s, struct world_draft *d)
{
    (void)s;
    stage_draft(d, WORLD_STEWARD, "role", NULL);
}

static void close_with_payload(struct stage *s, struct world_draft *d)
{
    (void)s;
    stage_draft(d, WORLD_STEWARD, "close", json_object());
}

static const struct void_case LOG_CASES[] = {
    CASE(another_space, ENTRY_SPACE),
    CASE(another_founding, ENTRY_SPACE), /* V16 is never reached */
    CASE(unknown_kind, ENTRY_RULES),
    CASE(not_a_member, ENTRY_KEY),
    CASE(a_tickets_key, ENTRY_KEY),
    CASE(a_nodes_log_key, ENTRY_KEY),
    CASE(a_recovery_keys_topic, ENTRY_KEY),
    CASE(twin, ENTRY_TWIN),
    CASE(gap, ENTRY_GAP),
    CASE(wrong_previous, ENTRY_PREVIOUS),
    CASE(wrong_parent, ENTRY_PARENT),
    CASE(role_without_payload, PAYLOAD_ABSENT),
    CASE(close_with_payload, PAYLOAD_UNWANTED),
};

static void test_space_refusals__what_may_not_be_logged_never_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(LOG_CASES) / sizeof(LOG_CASES[0]); i++) {
        struct stage s;
        struct world_entry *wrong = begin_case(&s, LOG_CASES[i].name, LOG_CASES[i].draft);

        OK(hark_space_begin(s.space, &err));
        refuse(&s, wrong, true, LOG_CASES[i].code);
        hark_space_rollback(s.space);
        assert_refused(&s, wrong, false, LOG_CASES[i].code);
        world_entry_free(wrong);
        stage_end(&s);
    }
}

/* An entry offered again, in the same batch and in a later one. */
static void test_space_refusals__an_entry_is_logged_once(void **state)
{
    struct world_entry *good;
    struct stage s;

    (void)state;
    at_case = "duplicate";
    stage_begin(&s);
    good = stage_good(&s);
    OK(hark_space_begin(s.space, &err));
    assert_code(offer(&s, good, true, NULL), 0);
    refuse(&s, good, true, HARK_E_ENTRY_DUPLICATE);
    refuse(&s, good, false, HARK_E_ENTRY_DUPLICATE);
    OK(hark_space_commit(s.space, world_signer(WORLD_LOG), s.world->now_ms, &err));
    assert_int_equal(hark_space_head(s.space)->tree.size, s.base + 1);
    OK(hark_space_begin(s.space, &err));
    refuse(&s, good, true, HARK_E_ENTRY_DUPLICATE);
    refuse(&s, s.world->log[0], false, HARK_E_ENTRY_DUPLICATE); /* the founding one */
    OK(hark_space_commit(s.space, world_signer(WORLD_LOG), s.world->now_ms, &err));
    assert_int_equal(hark_space_head(s.space)->tree.size, s.base + 1);
    assert_sound(s.space);
    world_entry_free(good);
    stage_end(&s);
}

/* ---- Rules E ------------------------------------------------------------------- */

/* An entry as bytes that come from somewhere, with an arrival after all others. */
static int offer_bytes(struct stage *s, struct hark_span bytes, struct hark_span payload,
                       bool accept)
{
    struct hark_offer o = {
        .bytes = bytes, .payload = payload, .accept = accept, .now_ms = s->world->now_ms};

    memset(&err, 0, sizeof(err));
    return hark_space_add(s->space, &o, world_signer(WORLD_LOG), NULL, &err);
}

static void refuse_vector(struct stage *s, const json_t *vector)
{
    struct hark_buf bytes = hark_buf_init(1u << 16);
    int code = hark_err_from_name(vectors_string(vector, "error"));
    static char name[128];

    (void)snprintf(name, sizeof(name), "%s %s", vectors_string(vector, "rule"),
                   vectors_string(vector, "name"));
    at_case = name;
    assert_int_not_equal(code, 0);
    OK(hark_base64_decode(&bytes, hark_span_str(vectors_string(vector, "bytes")), &err));
    assert_code(offer_bytes(s, hark_buf_span(&bytes), hark_span(NULL, 0), true), code);
    assert_code(offer_bytes(s, hark_buf_span(&bytes), hark_span(NULL, 0), false), code);
    hark_buf_free(&bytes);
}

/* All vectors in one batch, then a good entry. */
static void test_space_refusals__entries_out_of_form(void **state)
{
    static const char *const LISTS[] = {"invalid", "precedence"};
    json_t *vectors = vectors_load("entry.json");
    struct world_entry *good;
    struct snapshot was;
    const json_t *vector;
    struct stage s;
    size_t i;

    (void)state;
    stage_begin(&s);
    good = stage_good(&s);
    stage_snapshot(&was, s.space);
    OK(hark_space_begin(s.space, &err));
    for (size_t list = 0; list < 2; list++) {
        json_array_foreach(json_object_get(vectors, LISTS[list]), i, vector)
        {
            refuse_vector(&s, vector);
        }
    }
    at_case = "vectors";
    assert_unchanged(&was, s.space);
    commit_only(&s, good);
    world_entry_free(good);
    stage_end(&s);
    json_decref(vectors);
}

struct edited {
    const char *name;
    int code;
    struct craft_edit edits[3];
};

/* A good entry with something else in it, signed by its author all the same. */
static const struct edited EDITED[] = {
    {"order",
     HARK_E_ENTRY_LAYOUT,
     {ONE("\nKind: topic", ""), ONE("\nTime:", "\nKind: topic\nTime:")}},
    {"case of a keyword", HARK_E_ENTRY_LAYOUT, {ONE("\nSeq: ", "\nseq: ")}},
    {"case of a hash", HARK_E_ENTRY_HEX, {ONE("\nPayload: 64 ", "\nPayload: 64 A")}},
    {"two spaces", HARK_E_ENTRY_LAYOUT, {ONE("\nSeq: ", "\nSeq:  ")}},
    {"a space at the end", HARK_E_ENTRY_LAYOUT, {ONE("\nKind: topic", "\nKind: topic ")}},
    {"a field too many", HARK_E_ENTRY_LAYOUT, {ONE("\nKind: topic", "\nKind: topic\nMood: fine")}},
    {"a field twice", HARK_E_ENTRY_LAYOUT, {ONE("\nSeq: 3", "\nSeq: 3\nSeq: 3")}},
    {"CR", HARK_E_ENTRY_BYTES, {ONE("\nKind: topic", "\r\nKind: topic")}},
    {"TAB", HARK_E_ENTRY_BYTES, {ONE("\nSeq: ", "\nSeq:\t")}},
    {"not ASCII", HARK_E_ENTRY_BYTES, {ONE("\nKind: topic", "\nKind: t\xc3\xb6pic")}},
    {"a leading zero", HARK_E_ENTRY_NUMBER, {ONE("\nSeq: 3", "\nSeq: 03")}},
    {"a sign", HARK_E_ENTRY_NUMBER, {ONE("\nSeq: 3", "\nSeq: +3")}},
    {"an unknown version", HARK_E_ENTRY_VERSION, {ONE("\nHark: 1", "\nHark: 2")}},
    {"a time without a day", HARK_E_ENTRY_TIME_FORM, {OVER("\nTime: ", "\nTime: never", 24)}},
    {"a kind that is none", HARK_E_ENTRY_KIND_FORM, {ONE("\nKind: topic", "\nKind: Topic")}},
    {"a subject of its own", HARK_E_ENTRY_MISMATCH, {ONE("\ntopic 3\n", "\nidea 3\n")}},
    {"no parent", HARK_E_ENTRY_FIRST, {OVER("\nparent ", "", 40)}},
};

/* alice's next topic. */
static struct world_entry *next_topic(struct stage *s)
{
    struct world_draft d = {.by = 0};

    draft_topic(&d, s->alice);
    return world_build(s->world, &d);
}

static void refuse_bytes(struct stage *s, const struct hark_buf *bytes, struct hark_span payload,
                         int code)
{
    struct snapshot was;

    stage_snapshot(&was, s->space);
    assert_code(offer_bytes(s, hark_buf_span(bytes), payload, true), code);
    assert_code(offer_bytes(s, hark_buf_span(bytes), payload, false), code);
    assert_unchanged(&was, s->space);
}

static void test_space_refusals__good_entries_in_other_bytes(void **state)
{
    struct world_entry *good;
    struct stage s;

    (void)state;
    at_case = "edited";
    stage_begin(&s);
    good = next_topic(&s);
    OK(hark_space_begin(s.space, &err));
    for (size_t i = 0; i < sizeof(EDITED) / sizeof(EDITED[0]); i++) {
        struct hark_buf bytes = craft_buf();

        at_case = EDITED[i].name;
        craft_set(&bytes, good->object);
        craft_unsign(&bytes);
        craft_edit(&bytes, EDITED[i].edits);
        craft_sign(&bytes, world_signer(s.alice));
        refuse_bytes(&s, &bytes, good->payload, EDITED[i].code);
        hark_buf_free(&bytes);
    }
    at_case = "edited";
    commit_only(&s, good);
    world_entry_free(good);
    stage_end(&s);
}

/* The armour with a line broken elsewhere: the same signature, another entry. */
static void rewrap(struct hark_buf *bytes)
{
    static const char head[] = "-----BEGIN SSH SIGNATURE-----\n ";
    uint8_t *at = memmem(bytes->data, bytes->size, head, strlen(head));

    assert_non_null(at);
    at += strlen(head) + 70; /* the LF after the first line of base64, then a space */
    assert_int_equal(at[0], '\n');
    at[0] = at[2];
    at[2] = ' ';
    at[1] = '\n';
}

static void test_space_refusals__signatures(void **state)
{
    static const struct craft_edit WORDS[] = {
        ONE("\ntopic 3", "\nidea 3"), ONE("\nKind: topic", "\nKind: idea"), {.old = NULL}};
    struct world_entry *good;
    struct hark_buf bytes = craft_buf();
    struct hark_buf text = craft_buf();
    struct hark_sshsig sig;
    struct stage s;

    (void)state;
    at_case = "signatures";
    stage_begin(&s);
    good = next_topic(&s);
    OK(hark_space_begin(s.space, &err));

    at_case = "wrapped elsewhere";
    craft_set(&bytes, good->object);
    rewrap(&bytes);
    refuse_bytes(&s, &bytes, good->payload, HARK_E_ENTRY_SIGNATURE_FORM);

    at_case = "a bit of the signature";
    sig = good->entry.signature;
    sig.signature[40] ^= 1;
    craft_set(&bytes, good->object);
    craft_unsign(&bytes);
    OK(hark_sshsig_armor(&text, &sig, "git", &err));
    craft_put_gpgsig(&bytes, hark_buf_span(&text));
    refuse_bytes(&s, &bytes, good->payload, HARK_E_ENTRY_SIGNATURE);

    at_case = "somebody else's";
    craft_set(&bytes, good->object);
    craft_unsign(&bytes);
    craft_sign(&bytes, world_signer(s.bob));
    refuse_bytes(&s, &bytes, good->payload, HARK_E_ENTRY_SIGNATURE_KEY);

    at_case = "for another use";
    craft_set(&bytes, good->object);
    craft_unsign(&bytes);
    hark_buf_clear(&text);
    OK(hark_sshsig_sign(&text, world_signer(s.alice), "hark-join", hark_buf_span(&bytes), &err));
    craft_put_gpgsig(&bytes, hark_buf_span(&text));
    refuse_bytes(&s, &bytes, good->payload, HARK_E_ENTRY_SIGNATURE_FORM);

    at_case = "over other words";
    craft_set(&bytes, good->object);
    craft_edit(&bytes, WORDS);
    refuse_bytes(&s, &bytes, good->payload, HARK_E_ENTRY_SIGNATURE);

    at_case = "signatures";
    commit_only(&s, good);
    hark_buf_free(&bytes);
    hark_buf_free(&text);
    world_entry_free(good);
    stage_end(&s);
}

/* ---- Rules P --------------------------------------------------------------------- */

/* Who may write that kind. */
static uint32_t author_of(const struct stage *s, const char *kind)
{
    static const char *const STEWARDS[] = {"policy", "device", "invite", "cohort", "space"};
    static const char *const STAFFS[] = {"action", "recognition"};

    for (size_t i = 0; i < sizeof(STEWARDS) / sizeof(STEWARDS[0]); i++)
        if (strcmp(kind, STEWARDS[i]) == 0)
            return WORLD_STEWARD;
    for (size_t i = 0; i < sizeof(STAFFS) / sizeof(STAFFS[0]); i++)
        if (strcmp(kind, STAFFS[i]) == 0)
            return s->sam;
    return s->alice;
}

/* About what that kind must be about. */
static void draft_about(const struct stage *s, struct world_draft *d)
{
    static const char *const IDEAS[] = {"post", "vote", "action", "recognition"};

    for (size_t i = 0; i < sizeof(IDEAS) / sizeof(IDEAS[0]); i++)
        if (strcmp(d->kind, IDEAS[i]) == 0)
            stage_about(s, d, s->idea);
    if (strcmp(d->kind, "cohort") == 0)
        stage_about(s, d, s->admit_alice);
}

/* Builds what `d` says once more, naming another size and hash. */
static void rename_payload(struct world_entry *e, uint32_t by, const json_t *named)
{
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    uint8_t *copy;

    e->entry.payload_size = (uint64_t)json_integer_value(json_object_get(named, "size"));
    OK(hark_hash_from_hex(&e->entry.payload_hash, hark_span_str(vectors_string(named, "hash")),
                          &err));
    OK(hark_entry_build(&bytes, &e->entry, world_signer(by), &err));
    copy = malloc(bytes.size);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    free((void *)(uintptr_t)e->object.data);
    e->object = hark_span(copy, bytes.size);
    hark_buf_free(&bytes);
}

/* A space that such an entry would found is not founded. */
static void refuse_founding(const struct world_entry *e)
{
    char place[STAGE_PATH_MAX], name[32];
    struct hark_offer o = stage_offer(e, true);
    struct hark_space *space = NULL;

    (void)snprintf(name, sizeof(name), "copy-%u", ++stage_copies);
    stage_make_place(place, name);
    OK(hark_space_create(&space, place, &e->entry.id, NULL, &err));
    for (int i = 0; i < 2; i++) {
        struct snapshot was;

        o.accept = i == 0;
        stage_snapshot(&was, space);
        OK(hark_space_begin(space, &err));
        assert_code(hark_space_add(space, &o, world_signer(WORLD_LOG), NULL, &err),
                    HARK_E_ENTRY_FIRST);
        OK(hark_space_commit(space, world_signer(WORLD_LOG), o.now_ms, &err));
        assert_unchanged(&was, space);
        assert_int_equal(was.size, 0);
        assert_false(was.has_main);
    }
    hark_space_free(space);
}

/* P1 to P4 keep an entry out of the log here; the others make a never-erased one
 * void, and of an erasable one only that it says nothing. */
static void log_invalid(struct stage *s, const struct world_entry *e, int code, bool erasable)
{
    bool unnamed = !e->entry.has_payload; /* says nothing, and may */
    bool mismatch = !unnamed && (code == HARK_E_PAYLOAD_ABSENT || code == HARK_E_PAYLOAD_UNWANTED ||
                                 code == HARK_E_PAYLOAD_SIZE || code == HARK_E_PAYLOAD_HASH);
    struct hark_logged out;
    struct hark_row row = {0};

    if (mismatch) {
        refuse(s, e, false, code);
        return;
    }
    assert_code(offer(s, e, false, &out), 0);
    assert_int_equal(out.effect.verdict_code, erasable ? 0 : HARK_E_VOID_PAYLOAD);
    OK(hark_space_commit(s->space, world_signer(WORLD_LOG), e->arrival.arrival_ms, &err));
    OK(hark_index_row(hark_space_index(s->space), out.position, &row, &err));
    assert_int_equal(row.says, unnamed ? HARK_SAYS_NONE : HARK_SAYS_INVALID);
    assert_int_equal(row.verdict, erasable ? 0 : hark_verdict_number(HARK_E_VOID_PAYLOAD));
    OK(hark_index_check(hark_space_index(s->space), &err));
    OK(hark_space_begin(s->space, &err));
}

static void run_payload_vector(struct stage *s, const json_t *vector)
{
    const json_t *named = json_object_get(vector, "named");
    const char *hex = vectors_string(vector, "payload");
    int code = hark_err_from_name(vectors_string(vector, "error"));
    struct hark_buf bytes = vectors_hex(hex != NULL ? hex : "");
    struct world_draft d = {.kind = vectors_string(vector, "kind")};
    const struct hark_kinds *kinds = hark_state_kinds(s->world->state);
    const struct hark_kind *kind = hark_kinds_get(kinds, (size_t)hark_kinds_find(kinds, d.kind));
    struct world_entry *e;

    at_case = vectors_string(vector, "name");
    d.by = author_of(s, d.kind);
    draft_about(s, &d);
    d.seq = strcmp(d.kind, "space") == 0 ? 1 : 0;
    if (json_is_object(named))
        d.raw = hark_span(bytes.data, bytes.size);
    e = world_build(s->world, &d);
    if (json_is_object(named))
        rename_payload(e, d.by, named);
    if (hex == NULL) {
        free((void *)(uintptr_t)e->payload.data);
        e->payload = (struct hark_span){0};
    }
    if (strcmp(d.kind, "space") == 0) {
        refuse_founding(e);
    } else {
        OK(hark_space_begin(s->space, &err));
        refuse(s, e, true, code);
        log_invalid(s, e, code, kind->erasable);
        hark_space_rollback(s->space);
    }
    world_entry_free(e);
    hark_buf_free(&bytes);
}

static void test_space_refusals__payloads(void **state)
{
    json_t *vectors = vectors_load("payload.json");
    const json_t *vector;
    unsigned rules = 0;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(vectors, "cases"), i, vector)
    {
        struct stage s;

        if (vectors_string(vector, "error") == NULL)
            continue;
        stage_begin(&s);
        run_payload_vector(&s, vector);
        stage_end(&s);
        rules |= 1u << strtoul(vectors_string(vector, "rule") + 1, NULL, 10);
    }
    assert_int_equal(rules, 0xfffe); /* P1 to P15 */
    json_decref(vectors);
}

/* What was erased comes back under no entry. */
static void test_space_refusals__erased_words_stay_erased(void **state)
{
    struct world_draft d = {.by = 0};
    struct world_entry *again;
    struct hark_logged out;
    struct hark_row row = {0};
    struct stage s;

    (void)state;
    at_case = "erased";
    stage_begin(&s);
    stage_draft(&d, s.bob, "post", NULL);
    d.raw = s.world->log[s.erased]->payload;
    stage_about(&s, &d, s.idea);
    again = world_build(s.world, &d);
    assert_refused(&s, again, true, HARK_E_PAYLOAD_ERASED);
    OK(hark_space_begin(s.space, &err));
    assert_code(offer(&s, again, false, &out), 0);
    OK(hark_space_commit(s.space, world_signer(WORLD_LOG), s.world->now_ms, &err));
    OK(hark_space_tend(s.space, &err));
    OK(hark_index_row(hark_space_index(s.space), out.position, &row, &err));
    assert_int_equal(row.says, HARK_SAYS_ERASED);
    assert_false(row.has_blob);
    assert_sound(s.space);
    world_entry_free(again);
    stage_end(&s);
}

/* Whoever is not the home commits nothing. */
static void test_space_refusals__only_the_home_commits(void **state)
{
    struct world_entry *good;
    struct snapshot was;
    struct stage s;

    (void)state;
    at_case = "not the home";
    stage_begin(&s);
    good = stage_good(&s);
    stage_snapshot(&was, s.space);
    OK(hark_space_begin(s.space, &err));
    assert_code(offer(&s, good, true, NULL), 0);
    assert_code(hark_space_commit(s.space, world_signer(s.node_log), s.world->now_ms, &err),
                HARK_E_ACCEPT_NOT_HERE);
    assert_unchanged(&was, s.space);
    OK(hark_space_begin(s.space, &err));
    commit_only(&s, good);
    world_entry_free(good);
    stage_end(&s);
}

/* ---- Every byte ------------------------------------------------------------------- */

/* Each bit of each byte, and each end: none of it is taken, by a home that asks
 * little or by one that asks much. */
static void flip(struct stage *s, uint8_t *bytes, size_t *size, const struct world_entry *e)
{
    size_t whole = *size;

    for (size_t at = 0; at < whole; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            int rc;

            bytes[at] = (uint8_t)(bytes[at] ^ 1u << bit);
            rc = offer_bytes(s, e->object, e->payload, bit % 2 == 0);
            bytes[at] = (uint8_t)(bytes[at] ^ 1u << bit);
            if (hark_err_exit(rc) != 3)
                fail_msg("%s: byte %zu, bit %u: %s", at_case, at, bit, hark_err_name(rc));
        }
        *size = at;
        if (hark_err_exit(offer_bytes(s, e->object, e->payload, false)) != 3)
            fail_msg("%s: cut at %zu", at_case, at);
    }
    *size = whole;
}

static void test_space_refusals__no_byte_can_be_another(void **state)
{
    static const char *const KINDS[] = {"role", "topic"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world_draft d = {.by = 0};
        struct world_entry *good;
        struct snapshot was;
        struct stage s;

        stage_begin(&s);
        at_case = KINDS[i];
        if (i == 0)
            draft_role(&d, WORLD_STEWARD, 0, "staff"); /* never erased */
        else
            draft_topic(&d, s.alice);
        good = world_build(s.world, &d);
        stage_snapshot(&was, s.space);
        OK(hark_space_begin(s.space, &err));
        flip(&s, (uint8_t *)(uintptr_t)good->object.data, &good->object.size, good);
        flip(&s, (uint8_t *)(uintptr_t)good->payload.data, &good->payload.size, good);
        assert_unchanged(&was, s.space);
        commit_only(&s, good);
        world_entry_free(good);
        stage_end(&s);
    }
}

/* The ref moved, and the writer was told that the batch had failed (its folder could not be
 * synced): the log goes on from where it stands, without a restart. */
static void test_space_refusals__a_ref_that_moved_all_the_same(void **state)
{
    struct hark_offer offer;
    struct stage s, ahead;
    uint64_t size;
    char script[96];
    unsigned here;

    (void)state;
    at_case = "moved";
    stage_begin(&s);
    here = stage_copies;
    size = hark_space_head(s.space)->tree.size;
    ahead = (struct stage){.world = s.world, .space = stage_open_copy(&s.world->space)};
    world_say(s.world, s.alice, "topic", stage_text("title", "The lake"), HARK_NONE);
    stage_log(&ahead, s.world->count - 1);
    hark_space_free(ahead.space);
    (void)snprintf(script, sizeof(script), "cp -r copy-%u/spaces/. copy-%u/spaces/", here + 1,
                   here);
    assert_int_equal(run_tool(stage_dir, script), 0);

    offer = stage_offer(s.world->log[s.world->count - 1], false);
    OK(hark_space_begin(s.space, &err));
    OK(hark_space_add(s.space, &offer, world_signer(WORLD_LOG), NULL, &err));
    assert_code(hark_space_commit(s.space, world_signer(WORLD_LOG), s.world->now_ms, &err),
                HARK_E_BUSY);
    world_say(s.world, s.bob, "topic", stage_text("title", "The sea"), HARK_NONE);
    stage_log(&s, s.world->count - 1);
    assert_int_equal(hark_space_head(s.space)->tree.size, size + 2);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_refusals__what_would_be_void_is_not_accepted),
        cmocka_unit_test(test_space_refusals__what_need_not_stand_is_void_and_nothing_else),
        cmocka_unit_test(test_space_refusals__a_void_entry_lets_its_feed_go_on),
        cmocka_unit_test(test_space_refusals__what_may_not_be_logged_never_is),
        cmocka_unit_test(test_space_refusals__an_entry_is_logged_once),
        cmocka_unit_test(test_space_refusals__entries_out_of_form),
        cmocka_unit_test(test_space_refusals__good_entries_in_other_bytes),
        cmocka_unit_test(test_space_refusals__signatures),
        cmocka_unit_test(test_space_refusals__payloads),
        cmocka_unit_test(test_space_refusals__erased_words_stay_erased),
        cmocka_unit_test(test_space_refusals__only_the_home_commits),
        cmocka_unit_test(test_space_refusals__no_byte_can_be_another),
        cmocka_unit_test(test_space_refusals__a_ref_that_moved_all_the_same),
    };

    return cmocka_run_group_tests(tests, stage_set_up_all, stage_tear_down_all);
}
