/*
 * node/sealing: what members say goes into envelopes, and what the steward does to who holds
 * keys comes with the keys, over a real node.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/envelope.h"
#include "node/outbox.h"
#include "node/undone.h"
#include "tests/unit/group_stage.h"

/* ---- What goes inside ------------------------------------------------------------------- */

static bool among(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0)
            return true;
    }
    return false;
}

/* Protects words from hosts, and what hosts have to judge from an envelope: every kind that
 * there is stands in this list, or stays in the clear. */
static void test_sealing__what_goes_inside(void **state)
{
    static const char *const INSIDE[] = {"action",   "decision", "hide",   "idea",
                                         "post",     "profile",  "report", "recognition",
                                         "response", "revision", "topic",  "vote"};
    const size_t count = sizeof(INSIDE) / sizeof(INSIDE[0]);
    const struct hark_founding open = {
        .title = "Parks", .question = "What now?", .owner = "Ada", .until = "2030-01-01"};
    struct group *group = *state;
    struct hark_state *sealed = hark_space_state(group->space);
    const struct hark_kinds *kinds = hark_state_kinds(sealed);
    struct hark_space *parks = NULL;
    struct hark_hash id;
    size_t found = 0;

    OK(hark_found(group->node, &open, &id, &err));
    OK(hark_node_space(group->node, &id, &parks, &err));
    for (size_t i = 0; i < hark_kinds_count(kinds); i++) {
        const char *name = hark_kinds_get(kinds, i)->name;

        if (hark_goes_inside(sealed, name) != among(INSIDE, count, name))
            fail_msg("%s", name);
        found += hark_goes_inside(sealed, name);
        assert_false(hark_goes_inside(hark_space_state(parks), name));
    }
    assert_int_equal(found, count);
    assert_false(hark_goes_inside(sealed, "no-such"));
    assert_false(hark_goes_inside(sealed, "x-none"));
}

/* What is logged says nothing of what is inside: kind, subjects and words. */
static void test_sealing__an_envelope_is_all_that_is_logged(void **state)
{
    struct group *group = *state;
    struct hark_logged idea = group_idea(group, "owner", "Quittengelee");
    struct hark_logged vote =
        group_say(group, "owner", "vote", json_pack("{s:s}", "choice", "agree"), &idea.id);
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX),
                    payload = hark_buf_init(HARK_PAYLOAD_MAX);
    struct hark_entry entry;
    struct hark_row row = {0};

    OK(hark_index_row(hark_space_index(group->space), vote.position, &row, &err));
    assert_string_equal(row.kind, "sealed");
    assert_int_equal(row.re_count, 0);
    OK(hark_space_entry(group->space, &row, &bytes, &err));
    OK(hark_entry_parse(&entry, hark_buf_span(&bytes), &err));
    assert_true(entry.has_seen);
    assert_int_equal(entry.seen.size, vote.position);
    OK(hark_space_payload(group->space, &row, &payload, &err));
    assert_null(memmem(payload.data, payload.size, "agree", 5));
    assert_null(memmem(payload.data, payload.size, "vote", 4));
    hark_buf_free(&bytes);
    hark_buf_free(&payload);
}

/* Protects authors from saying in vain what no member would hold to stand. */
static void test_sealing__what_would_be_void_inside_is_refused(void **state)
{
    struct group *group = *state;
    struct hark_logged idea = group_idea(group, "owner", "Quittengelee");
    struct hark_logged post =
        group_say(group, "owner", "post", json_pack("{s:s}", "body", "Yes"), &idea.id);
    uint64_t size;
    json_t *decision = json_pack("{s:s, s:s}", "outcome", "accepted", "reason", "Good");

    group_admit(group, "bo", "member");
    size = group_size(group);
    assert_int_equal(group_try(group, "bo", "decision", json_incref(decision), &idea.id, NULL),
                     HARK_E_VOID_ROLE);
    assert_int_equal(
        group_try(group, "bo", "vote", json_pack("{s:s}", "choice", "agree"), &post.id, NULL),
        HARK_E_VOID_RE_KIND);
    assert_int_equal(
        group_try(group, "bo", "vote", json_pack("{s:s}", "choice", "agree"), NULL, NULL),
        HARK_E_VOID_RE_COUNT);
    assert_int_equal(
        group_try(group, "bo", "vote", json_pack("{s:s}", "choice", "maybe"), &idea.id, NULL),
        HARK_E_PAYLOAD_RANGE);
    assert_int_equal(group_try(group, "bo", "vote", NULL, &idea.id, NULL), HARK_E_PAYLOAD_ABSENT);
    assert_int_equal(group_size(group), size);
    assert_false(hark_space_in_batch(group->space));
    OK(group_try(group, "owner", "decision", decision, &idea.id, NULL));
}

/* What it is about may be in the same batch, or on its way: nobody can judge that yet. */
static void test_sealing__what_is_about_something_in_flight_is_sealed(void **state)
{
    struct group *group = *state;
    struct hark_draft idea = {.kind = "idea"}, vote = {.kind = "vote", .re_count = 1};
    struct hark_author owner = {0};
    struct hark_logged logged;
    struct hark_tally tally;

    idea.fields = json_pack("{s:s}", "body", "Quittengelee");
    vote.fields = json_pack("{s:s}", "choice", "agree");
    group_person(group, "owner", &owner);
    OK(hark_author_begin(group->node, group->space, &err));
    OK(hark_author_add(group->node, group->space, &owner, &idea, &logged, &err));
    vote.re[0] = logged.id;
    OK(hark_author_add(group->node, group->space, &owner, &vote, NULL, &err));
    OK(hark_author_commit(group->node, group->space, &err));
    OK(hark_index_tally(hark_inside_index(group_inside(group)), logged.position, NULL, 0, 0, &tally,
                        &err));
    assert_int_equal(tally.agree, 1);
    hark_author_free(&owner);
    json_decref(idea.fields);
    json_decref(vote.fields);
}

/* Of a batch that was undone nothing remains, and the feed goes on. */
static void test_sealing__after_a_rollback_it_goes_on(void **state)
{
    struct group *group = *state;
    struct hark_draft draft = {.kind = "idea"};
    struct hark_author owner = {0};
    struct hark_logged logged;
    uint64_t size = group_size(group);

    draft.fields = json_pack("{s:s}", "body", "Undone");
    group_person(group, "owner", &owner);
    OK(hark_author_begin(group->node, group->space, &err));
    OK(hark_author_add(group->node, group->space, &owner, &draft, NULL, &err));
    hark_author_rollback(group->node, group->space);
    assert_int_equal(group_size(group), size);
    logged = group_idea(group, "owner", "Done");
    assert_int_equal(logged.position, size);
    assert_sees(group_inside(group), logged.position, "Done");
    hark_author_free(&owner);
    json_decref(draft.fields);
}

static void test_sealing__who_holds_no_key_cannot_seal(void **state)
{
    struct group *group = *state;
    struct hark_draft draft = {.kind = "idea"};
    char path[128], aside[128];
    struct hark_author owner = {0};

    group_person(group, "owner", &owner);
    hark_node_free(group->node);
    (void)snprintf(path, sizeof(path), "%s/keys/people/owner", group->dir);
    (void)snprintf(aside, sizeof(aside), "%s/owner", group->top);
    assert_int_equal(rename(path, aside), 0);
    group_open(group);
    draft.fields = json_pack("{s:s}", "body", "Quittengelee");
    assert_int_equal(hark_author_write(group->node, group->space, &owner, &draft, NULL, &err),
                     HARK_E_EPOCH_UNKNOWN);
    assert_int_not_equal(err.hint[0], 0);
    /* Nor step: a newcomer cannot be given what is not here. But removing takes no old key. */
    group_new_person(group, "bo");
    assert_int_equal(group_act(group, "admit", group_newcomer(group, "bo", "member")),
                     HARK_E_EPOCH_UNKNOWN);
    json_decref(draft.fields);
    hark_author_free(&owner);
}

/* ---- Who comes, who goes ------------------------------------------------------------------ */

static void test_sealing__who_comes_and_goes_changes_the_key(void **state)
{
    struct group *group = *state;
    struct hark_inside *bo;
    struct hark_logged before, after;
    uint64_t size;

    assert_int_equal(group_epoch(group), 0);
    group_admit(group, "bo", "member");
    assert_int_equal(group_epoch(group), 1);
    before = group_idea(group, "owner", "before");
    size = group_size(group);
    OK(group_act(group, "remove", group_removal(1)));
    assert_int_equal(group_size(group), size + 2); /* one part, one removal */
    assert_int_equal(group_epoch(group), 2);
    after = group_idea(group, "owner", "after");
    bo = observer_of(group, "bo");
    assert_sees(bo, before.position, "before");
    assert_sees(bo, after.position, NULL);
    assert_sees(group_inside(group), after.position, "after");
    hark_inside_free(bo);
}

/* A device comes with the key of a next epoch, and goes with a fresh one. */
static void test_sealing__one_device_comes_and_goes(void **state)
{
    struct group *group = *state;
    struct hark_logged logged[3];
    struct hark_inside *phone;

    group_new_person(group, "phone");
    logged[0] = group_idea(group, "owner", "before");
    OK(group_act(group, "device", group_device(group, "phone", 0, true)));
    assert_int_equal(group_epoch(group), 1);
    logged[1] = group_idea(group, "phone", "with");
    OK(group_act(group, "device", group_device(group, "phone", 0, false)));
    assert_int_equal(group_epoch(group), 2);
    logged[2] = group_idea(group, "owner", "without");
    phone = observer_of(group, "phone");
    assert_sees(phone, logged[0].position, NULL);
    assert_sees(phone, logged[1].position, "with");
    assert_sees(phone, logged[2].position, NULL);
    hark_inside_free(phone);
    for (int i = 0; i < 3; i++) {
        char *seen = seen_body(group_inside(group), logged[i].position);

        assert_non_null(seen);
        free(seen);
    }
}

static void test_sealing__the_last_key_is_not_removed(void **state)
{
    struct group *group = *state;
    uint64_t size = group_size(group);

    assert_int_equal(group_act(group, "remove", group_removal(0)), HARK_E_VOID_EPOCH);
    assert_int_not_equal(err.hint[0], 0);
    assert_int_equal(group_act(group, "device", group_device(group, "owner", 0, false)),
                     HARK_E_VOID_EPOCH);
    assert_int_equal(group_size(group), size);
    assert_int_equal(group_epoch(group), 0);
}

/* Both keys of a member with two go, and with them the member's epochs. */
static void test_sealing__a_member_goes_with_all_keys(void **state)
{
    struct group *group = *state;
    struct hark_logged logged;

    group_admit(group, "bo", "member");
    group_new_person(group, "phone");
    OK(group_act(group, "device", group_device(group, "phone", 1, true)));
    OK(group_act(group, "remove", group_removal(1)));
    logged = group_idea(group, "owner", "after");
    for (int i = 0; i < 2; i++) {
        struct hark_inside *gone = observer_of(group, i == 0 ? "bo" : "phone");

        assert_sees(gone, logged.position, NULL);
        hark_inside_free(gone);
    }
    assert_sees(group_inside(group), logged.position, "after");
}

/* One change of the key at a time; the batch goes on as it was before the second. */
static void test_sealing__a_second_change_in_a_batch_waits(void **state)
{
    struct group *group = *state;
    struct hark_hash before, after;

    group_new_person(group, "bo");
    group_new_person(group, "cy");
    OK(hark_author_begin(group->node, group->space, &err));
    OK(group_add(group, "admit", group_newcomer(group, "bo", "member")));
    OK(hark_state_hash(hark_space_state(group->space), &before, &err));
    assert_int_equal(group_add(group, "admit", group_newcomer(group, "cy", "member")), HARK_E_BUSY);
    assert_int_equal(group_add(group, "remove", group_removal(0)), HARK_E_BUSY);
    OK(hark_state_hash(hark_space_state(group->space), &after, &err));
    assert_memory_equal(&before, &after, sizeof(before));
    OK(hark_author_commit(group->node, group->space, &err));
    assert_int_equal(group_epoch(group), 1);
    OK(group_act(group, "admit", group_newcomer(group, "cy", "member")));
    OK(group_act(group, "remove", group_removal(0)));
    assert_int_equal(group_epoch(group), 3);
}

/* Other acts of the steward, and open spaces, get no key. */
/* What a part has seen is the log: a key replaced in the batch that is open has to be in it
 * before a fresh one is sealed to it. */
static void test_sealing__a_key_just_replaced_is_waited_for(void **state)
{
    struct group *group = *state;
    struct hark_draft draft = {.kind = "rekey"};
    struct hark_author bo = {0};

    group_admit(group, "bo", "member");
    group_admit(group, "cy", "member");
    group_person(group, "bo", &bo);
    draft.fields = json_pack("{s:s}", "box",
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef");
    OK(hark_author_begin(group->node, group->space, &err));
    OK(hark_author_add(group->node, group->space, &bo, &draft, NULL, &err));
    assert_int_equal(group_add(group, "remove", group_removal(2)), HARK_E_BUSY);
    OK(hark_author_commit(group->node, group->space, &err));
    OK(group_act(group, "remove", group_removal(2)));
    json_decref(draft.fields);
    hark_author_free(&bo);
}

static void test_sealing__other_acts_have_no_keys(void **state)
{
    struct group *group = *state;
    const struct hark_founding open = {
        .title = "Parks", .question = "What now?", .owner = "Ada", .until = "2030-01-01"};
    json_t *fields = json_pack("{s:i, s:s}", "member", 0, "role", "member");
    struct hark_author steward = {0};
    struct hark_space *parks = NULL;
    struct hark_hash id;

    OK(hark_node_steward(group->node, &group->id, &steward, &err));
    OK(hark_steward_keys(group->node, group->space, &steward, "role", fields, &err));
    OK(hark_found(group->node, &open, &id, &err));
    OK(hark_node_space(group->node, &id, &parks, &err));
    OK(hark_steward_keys(group->node, parks, &steward, "remove", fields, &err));
    OK(hark_steward_keys(group->node, parks, &steward, "admit", fields, &err));
    assert_int_equal(json_object_size(fields), 2);
    assert_int_equal(group_epoch(group), 0);
    json_decref(fields);
    hark_author_free(&steward);
}

/* ---- A fresh key in two parts -------------------------------------------------------------- */

/* Admits so many by the steward's hand in one batch, each with the step that is due. */
static void admit_many(struct group *group, unsigned count)
{
    const struct hark_epoch *known = NULL;
    struct hark_epoch *key = NULL;
    struct hark_author steward = {0};
    uint8_t bytes[HARK_EPOCH_KEY_SIZE];

    OK(hark_node_steward(group->node, &group->id, &steward, &err));
    OK(hark_ring_key(&known, hark_inside_ring(group_inside(group)), group_epoch(group), &err));
    hark_epoch_bytes(bytes, known);
    OK(hark_epoch_from_bytes(&key, &group->id, hark_epoch_number(known), bytes, &err));
    OK(hark_author_begin(group->node, group->space, &err));
    for (unsigned i = 0; i < count; i++) {
        struct hark_draft draft = {.kind = "admit"};
        struct hark_buf text = hark_buf_init(256);
        struct hark_epoch_box box = {.number = 0};
        struct hark_author author = {0};
        struct hark_epoch *next = NULL;
        struct hark_seed *seed = NULL;

        OK(hark_seed_new(&seed, &err));
        OK(hark_signer_new(&author.sign, seed, &err));
        OK(hark_box_new(&author.box, seed, &err));
        hark_seed_free(seed);
        OK(hark_epoch_step(&next, key, &err));
        hark_epoch_free(key);
        key = next;
        box.to = *hark_box_key(author.box);
        OK(hark_epoch_seal_boxes(key, &box, 1, &err));
        OK(hark_base64_encode(&text, hark_span(box.sealed, sizeof(box.sealed)), &err));
        draft.fields = json_pack("{s:s, s:s, s:{s:I, s:o}}", "role", "member", "source", "founder",
                                 "group_key", "epoch", (json_int_t)hark_epoch_number(key), "box",
                                 json_stringn((const char *)text.data, text.size));
        OK(hark_join_fields(group->space, &author, NULL, draft.fields, &err));
        OK(hark_author_add(group->node, group->space, &steward, &draft, NULL, &err));
        json_decref(draft.fields);
        hark_buf_free(&text);
        hark_author_free(&author);
    }
    OK(hark_author_commit(group->node, group->space, &err));
    hark_epoch_free(key);
    hark_author_free(&steward);
}

static void test_sealing__more_than_448_keys_make_two_parts(void **state)
{
    struct group *group = *state;
    struct hark_inside *bo;
    struct hark_logged logged;

    group_admit(group, "bo", "member");
    admit_many(group, HARK_EPOCH_PART_MAX - 1);
    OK(group_act(group, "remove", group_removal(2))); /* 448 stay: one part */
    assert_int_equal(how_many(hark_space_index(group->space), "epoch"), 1);
    admit_many(group, 2);
    OK(group_act(group, "remove", group_removal(3))); /* 449 */
    assert_int_equal(how_many(hark_space_index(group->space), "epoch"), 3);
    logged = group_idea(group, "owner", "to all");
    bo = observer_of(group, "bo");
    assert_sees(bo, logged.position, "to all");
    hark_inside_free(bo);
    admit_many(group, 1);
    assert_sees(group_inside(group), logged.position, "to all");
}

/* ---- Tending -------------------------------------------------------------------------------- */

static bool tend(struct group *group)
{
    bool did = false;

    OK(hark_steward_tend(group->node, group->space, &did, &err));
    return did;
}

static void test_sealing__a_leaving_is_answered_once(void **state)
{
    struct group *group = *state;
    struct hark_group_object object;
    struct hark_logged logged;
    struct hark_inside *bo;

    group_admit(group, "bo", "member");
    assert_true(tend(group));
    (void)group_say(group, "bo", "leave", NULL, NULL);
    OK(hark_state_group(hark_space_state(group->space), &object, &err));
    assert_int_equal(object.owed, 1);
    assert_true(tend(group));
    OK(hark_state_group(hark_space_state(group->space), &object, &err));
    assert_int_equal(object.owed, 0);
    assert_int_equal(how_many(hark_space_index(group->space), "remove"), 1);
    assert_false(tend(group));
    logged = group_idea(group, "owner", "after");
    bo = observer_of(group, "bo");
    assert_sees(bo, logged.position, NULL);
    hark_inside_free(bo);
}

/* The key that comes for another reason answers those who left as well. */
/* Logs what the steward signed, whatever it is worth; takes `fields`. */
static void log_as_void(struct group *group, const char *kind, json_t *fields)
{
    struct hark_draft draft = {.kind = kind, .fields = fields};
    struct hark_offer offer = {.now_ms = hark_now_ms()};
    struct hark_author steward = {0};
    struct hark_signed entry;
    struct hark_logged logged;

    OK(hark_node_steward(group->node, &group->id, &steward, &err));
    OK(hark_author_sign(group->node, group->space, hark_space_state(group->space), &steward, &draft,
                        &entry, &err));
    offer.bytes = hark_buf_span(&entry.bytes);
    offer.payload = hark_buf_span(&entry.payload);
    OK(hark_space_begin(group->space, &err));
    OK(hark_space_add(group->space, &offer, group->node->identity.log, &logged, &err));
    assert_int_equal(logged.effect.verdict, hark_verdict_number(HARK_E_VOID_EPOCH));
    OK(hark_space_commit(group->space, group->node->identity.log, offer.now_ms, &err));
    hark_signed_free(&entry);
    hark_author_free(&steward);
    json_decref(fields);
}

static json_t *with_old_set(json_t *fields)
{
    json_object_set_new(fields, "commitment",
                        json_string("0123456789abcdef0123456789abcdef"
                                    "0123456789abcdef0123456789abcdef"));
    return fields;
}

static bool is_active(struct group *group, uint32_t ordinal)
{
    struct hark_member_object member = {0};

    OK(hark_state_member(hark_space_state(group->space), ordinal, &member, &err));
    return member.status == HARK_STATUS_ACTIVE;
}

/* A removal that was void because its set was gone is not forgotten. */
static void test_sealing__what_came_too_late_is_done_again(void **state)
{
    struct group *group = *state;
    json_t *device;

    group_admit(group, "bo", "member");
    group_admit(group, "cy", "member");
    while (tend(group))
        continue;
    group_new_person(group, "phone");
    OK(group_act(group, "device", group_device(group, "phone", 0, true)));
    while (tend(group))
        continue;
    device = group_device(group, "phone", 0, false);
    log_as_void(group, "remove", with_old_set(group_removal(1)));
    log_as_void(group, "remove", with_old_set(group_removal(1)));
    log_as_void(group, "device", with_old_set(device));
    assert_true(is_active(group, 1));
    assert_true(tend(group));
    assert_false(is_active(group, 1));
    assert_true(tend(group)); /* the device */
    assert_false(tend(group));
    assert_int_equal(how_many(hark_space_index(group->space), "remove"), 3);
    assert_int_equal(how_many(hark_space_index(group->space), "device"), 3);
    group_reopen(group); /* who looks anew finds nothing that is wanted */
    assert_false(tend(group));
    assert_true(is_active(group, 2));
}

/* An entry of the steward's in the outbox, refused with that; takes `fields`. */
static void put_refused(struct group *group, struct hark_outbox *outbox, const char *kind,
                        json_t *fields, int code)
{
    struct hark_draft draft = {.kind = kind, .fields = fields};
    struct hark_out_row row = {.state = HARK_OUT_REFUSED, .code = code};
    struct hark_author steward = {0};
    struct hark_signed entry;

    OK(hark_node_steward(group->node, &group->id, &steward, &err));
    OK(hark_author_sign(group->node, group->space, hark_space_state(group->space), &steward, &draft,
                        &entry, &err));
    OK(hark_outbox_put(outbox, &entry.id, hark_buf_span(&entry.bytes),
                       hark_buf_span(&entry.payload), 1, &err));
    row.id = entry.id;
    OK(hark_outbox_set(outbox, &row, 1, &err));
    hark_signed_free(&entry);
    hark_author_free(&steward);
    json_decref(fields);
}

/* What was refused because it came too late is handed in to be logged as void, since the feed
 * waits for it; what was refused for what it is, not. */
static void test_sealing__what_was_refused_lets_the_rest_follow(void **state)
{
    struct group *group = *state;
    struct hark_outbox *outbox = NULL;
    struct hark_author steward = {0};
    uint64_t counts[4];
    bool did = false;

    group_admit(group, "bo", "member");
    OK(hark_space_outbox(group->space, &outbox, &err));
    put_refused(group, outbox, "remove", with_old_set(group_removal(1)), HARK_E_VOID_EPOCH);
    put_refused(group, outbox, "role", json_pack("{s:i, s:s}", "member", 1, "role", "staff"),
                HARK_E_VOID_TARGET);
    OK(hark_node_steward(group->node, &group->id, &steward, &err));
    OK(hark_undone_release(group->space, &steward, &did, &err));
    assert_true(did);
    OK(hark_outbox_counts(outbox, counts, &err));
    assert_int_equal(counts[HARK_OUT_PENDING], 1);
    assert_int_equal(counts[HARK_OUT_REFUSED], 1);
    OK(hark_undone_release(group->space, &steward, &did, &err));
    assert_false(did);
    hark_author_free(&steward);
}

static void test_sealing__two_leavings_are_answered_by_one_key(void **state)
{
    struct group *group = *state;

    group_admit(group, "bo", "member");
    group_admit(group, "cy", "member");
    assert_true(tend(group));
    (void)group_say(group, "bo", "leave", NULL, NULL);
    (void)group_say(group, "cy", "leave", NULL, NULL);
    assert_true(tend(group));
    assert_false(tend(group));
    assert_int_equal(how_many(hark_space_index(group->space), "remove"), 1);
}

static void test_sealing__without_the_stewards_key_nothing_is_tended(void **state)
{
    struct group *group = *state;
    uint64_t size;

    group_admit(group, "bo", "member");
    (void)group_say(group, "bo", "leave", NULL, NULL);
    size = group_size(group);
    OK(hark_node_steward_forget(group->node, &group->id, &err));
    assert_false(tend(group));
    assert_int_equal(group_size(group), size);
    assert_int_equal(group_act(group, "remove", group_removal(1)), HARK_E_ACCEPT_NOT_HERE);
}

static void test_sealing__a_closed_group_and_a_held_one_are_left_alone(void **state)
{
    struct group *group = *state;
    uint64_t size;

    group_admit(group, "bo", "member");
    (void)group_say(group, "bo", "leave", NULL, NULL);
    hark_space_hold(group->space, true);
    assert_false(tend(group));
    hark_space_hold(group->space, false);
    OK(group_act(group, "close", NULL));
    size = group_size(group);
    assert_false(tend(group));
    assert_int_equal(group_size(group), size);
}

/* When nobody is left there is nobody to give a key to. */
static void test_sealing__who_left_last_is_owed_nothing(void **state)
{
    struct group *group = *state;
    uint64_t size;

    (void)group_say(group, "owner", "leave", NULL, NULL);
    size = group_size(group);
    assert_false(tend(group));
    assert_int_equal(group_size(group), size);
}

/* Protects newcomers: title and objective are from before their time, so they are said again,
 * once, to whoever came since. */
static void test_sealing__newcomers_are_told_once_what_the_group_is_for(void **state)
{
    struct group *group = *state;
    struct hark_inside *bo;

    assert_false(tend(group));
    group_admit(group, "bo", "member");
    bo = observer_of(group, "bo");
    assert_null(hark_inside_charter(bo, NULL));
    assert_true(tend(group));
    OK(hark_inside_follow(bo, &err));
    assert_string_equal(json_string_value(json_object_get(hark_inside_charter(bo, NULL), "title")),
                        "Grey's Girls");
    assert_false(tend(group));
    assert_int_equal(how_many(hark_space_index(group->space), "charter"), 2);
    hark_inside_free(bo);
}

/* A member's new device is on another node as a rule, and has nothing of before either. */
static void test_sealing__a_new_device_is_told_what_the_group_is_for(void **state)
{
    struct group *group = *state;
    struct hark_inside *phone;

    group_new_person(group, "phone");
    OK(group_act(group, "device", group_device(group, "phone", 0, true)));
    assert_true(tend(group));
    phone = observer_of(group, "phone");
    assert_non_null(hark_inside_charter(phone, NULL));
    hark_inside_free(phone);
    OK(group_act(group, "device", group_device(group, "phone", 0, false)));
    assert_false(tend(group)); /* nobody came */
    assert_int_equal(how_many(hark_space_index(group->space), "charter"), 2);
}

/* Who came and went again in between needs to be told nothing. */
static void test_sealing__who_is_gone_again_is_not_told(void **state)
{
    struct group *group = *state;

    group_admit(group, "bo", "member");
    OK(group_act(group, "remove", group_removal(1)));
    assert_false(tend(group));
    assert_int_equal(how_many(hark_space_index(group->space), "charter"), 1);
}

/* ---- A passphrase ------------------------------------------------------------------------- */

/* Each opening of a key takes half a second, so little is done. */
static void test_sealing__a_node_with_a_passphrase_seals_too(void **state)
{
    const struct hark_founding founding = {.mode = HARK_MODE_SEALED,
                                           .title = "T",
                                           .question = "Q",
                                           .owner = "Ada",
                                           .until = "2030-01-01"};
    struct hark_config config = {.name = "locked", .accept_per_minute = 120};
    struct group *group = *state, locked = {.node = NULL};
    struct hark_logged logged;

    memcpy(locked.top, group->top, sizeof(locked.top));
    join_path(locked.dir, sizeof(locked.dir), group->top, "locked");
    write_file(group->top, "secret", hark_span_str("of paper\n"), 0600);
    (void)snprintf(config.passphrase_file, sizeof(config.passphrase_file), "%s/secret", group->top);
    OK(hark_node_init(locked.dir, &config, hark_span_str("of paper"), &err));
    OK(hark_node_open(&locked.node, locked.dir, true, &err));
    OK(hark_found(locked.node, &founding, &locked.id, &err));
    OK(hark_node_space(locked.node, &locked.id, &locked.space, &err));
    logged = group_idea(&locked, "owner", "Quittengelee");
    group_reopen(&locked);
    assert_sees(group_inside(&locked), logged.position, "Quittengelee");
    hark_node_free(locked.node);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(test_sealing__##name, group_setup, group_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_goes_inside),
        TEST(an_envelope_is_all_that_is_logged),
        TEST(what_would_be_void_inside_is_refused),
        TEST(what_is_about_something_in_flight_is_sealed),
        TEST(after_a_rollback_it_goes_on),
        TEST(who_holds_no_key_cannot_seal),
        TEST(who_comes_and_goes_changes_the_key),
        TEST(one_device_comes_and_goes),
        TEST(the_last_key_is_not_removed),
        TEST(a_member_goes_with_all_keys),
        TEST(a_second_change_in_a_batch_waits),
        TEST(a_key_just_replaced_is_waited_for),
        TEST(other_acts_have_no_keys),
        TEST(more_than_448_keys_make_two_parts),
        TEST(a_leaving_is_answered_once),
        TEST(what_came_too_late_is_done_again),
        TEST(what_was_refused_lets_the_rest_follow),
        TEST(two_leavings_are_answered_by_one_key),
        TEST(without_the_stewards_key_nothing_is_tended),
        TEST(a_closed_group_and_a_held_one_are_left_alone),
        TEST(who_left_last_is_owed_nothing),
        TEST(newcomers_are_told_once_what_the_group_is_for),
        TEST(a_new_device_is_told_what_the_group_is_for),
        TEST(who_is_gone_again_is_not_told),
        TEST(a_node_with_a_passphrase_seals_too),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
