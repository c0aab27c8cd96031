/*
 * node/space_flight_inside: what is under way in a private group says to those who hold its key
 * what is inside, before it is logged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/outbox.h"
#include "tests/unit/group_stage.h"

/* Signs something over what is under way, and leaves it in the outbox; takes `fields`. */
static struct hark_hash put(struct group *group, const char *label, const char *kind,
                            json_t *fields, const struct hark_hash *re)
{
    struct hark_draft draft = {.kind = kind, .fields = fields, .with_seen = true};
    struct hark_outbox *outbox = NULL;
    struct hark_state *state = NULL;
    struct hark_author author = {0};
    struct hark_signed entry;
    struct hark_hash id;

    if (re != NULL) {
        draft.re_count = 1;
        draft.re[0] = *re;
    }
    group_person(group, label, &author);
    OK(hark_space_provisional(group->space, &state, &err));
    OK(hark_author_sign(group->node, group->space, state, &author, &draft, &entry, &err));
    OK(hark_space_outbox(group->space, &outbox, &err));
    OK(hark_outbox_put(outbox, &entry.id, hark_buf_span(&entry.bytes),
                       hark_buf_span(&entry.payload), hark_now_ms(), &err));
    hark_space_outbox_changed(group->space);
    id = entry.id;
    hark_signed_free(&entry);
    hark_author_free(&author);
    json_decref(fields);
    return id;
}

static json_t *body(const char *text)
{
    return json_pack("{s:s}", "body", text);
}

static json_t *choice(const char *text)
{
    return json_pack("{s:s}", "choice", text);
}

/* The flight as this node's people see it, at the log's end. */
static size_t look(struct group *group, const struct hark_flight_entry **out)
{
    size_t count = 0;

    (void)group_inside(group);
    OK(hark_space_flight_seen(group->space, out, &count, &err));
    return count;
}

static void assert_says(const struct hark_flight_entry *entry, const char *kind, const char *name,
                        const char *text)
{
    assert_string_equal(entry->entry.kind, kind);
    assert_int_equal(entry->code, 0);
    assert_int_equal(entry->effect.verdict, 0);
    assert_int_equal(entry->says, HARK_SAYS_IT);
    assert_string_equal(json_string_value(json_object_get(entry->json, name)), text);
}

static void assert_sealed(const struct hark_flight_entry *entry)
{
    assert_string_equal(entry->entry.kind, "sealed");
    assert_int_equal(entry->says, HARK_SAYS_SEALED);
    assert_int_equal(entry->entry.re_count, 0);
    assert_null(entry->json);
}

/* Words, subjects and what a vote replaces, also of what is about something in flight. */
static void test_flight_inside__says_what_is_inside(void **state)
{
    struct group *group = *state;
    struct hark_logged logged = group_idea(group, "owner", "Quittengelee");
    const struct hark_flight_entry *seen = NULL;
    struct hark_hash post;

    (void)put(group, "owner", "vote", choice("agree"), &logged.id);
    (void)put(group, "owner", "vote", choice("pass"), &logged.id);
    post = put(group, "owner", "post", body("Maronensuppe"), &logged.id);
    (void)put(group, "owner", "post", body("With cream"), &post);
    assert_int_equal(look(group, &seen), 4);
    assert_says(&seen[0], "vote", "choice", "agree");
    assert_int_equal(seen[0].effect.re[0], logged.position);
    assert_true(seen[0].effect.replaces == HARK_NONE);
    assert_says(&seen[1], "vote", "choice", "pass");
    assert_int_equal(seen[1].effect.replaces, seen[0].effect.position);
    assert_says(&seen[2], "post", "body", "Maronensuppe");
    assert_says(&seen[3], "post", "body", "With cream");
    assert_int_equal(seen[3].entry.re_count, 1);
    assert_true(hark_hash_equal(&seen[3].entry.re[0], &post));
    assert_int_equal(seen[3].effect.re[0], seen[2].effect.position);
}

/* What hosts see and hand on stays the envelope. */
static void test_flight_inside__the_flight_itself_stays_sealed(void **state)
{
    struct group *group = *state;
    const struct hark_flight_entry *seen = NULL, *outer = NULL;
    size_t count = 0;

    (void)put(group, "owner", "idea", body("Quittengelee"), NULL);
    assert_int_equal(look(group, &seen), 1);
    assert_says(&seen[0], "idea", "body", "Quittengelee");
    OK(hark_space_flight(group->space, &outer, &count, &err));
    assert_int_equal(count, 1);
    assert_sealed(&outer[0]);
    assert_int_equal(seen[0].object.size, outer[0].object.size);
}

static void test_flight_inside__what_comes_later_is_added(void **state)
{
    struct group *group = *state;
    const struct hark_flight_entry *seen = NULL;
    const json_t *first;

    (void)put(group, "owner", "idea", body("Quittengelee"), NULL);
    assert_int_equal(look(group, &seen), 1);
    first = seen[0].json;
    (void)put(group, "owner", "idea", body("Maronensuppe"), NULL);
    assert_int_equal(look(group, &seen), 2);
    assert_ptr_equal(seen[0].json, first); /* opened once */
    assert_says(&seen[1], "idea", "body", "Maronensuppe");
}

/* The log goes on beside it, with an erasure too: all is made anew over what is there then. */
static void test_flight_inside__follows_the_log(void **state)
{
    struct group *group = *state;
    struct hark_logged idea = group_idea(group, "owner", "Quittengelee");
    const struct hark_flight_entry *seen = NULL;
    uint64_t position;

    group_admit(group, "bo", "member");
    (void)put(group, "bo", "vote", choice("agree"), &idea.id);
    assert_int_equal(look(group, &seen), 1);
    position = seen[0].effect.position;
    assert_int_equal(position, group_size(group));
    (void)group_idea(group, "owner", "Maronensuppe");
    assert_int_equal(look(group, &seen), 1);
    assert_says(&seen[0], "vote", "choice", "agree");
    assert_true(seen[0].effect.position > position);
    (void)group_say(group, "owner", "erase", NULL, &idea.id);
    assert_int_equal(look(group, &seen), 1);
    assert_says(&seen[0], "vote", "choice", "agree");
}

/* Sealed under the key that was in force before another came: as rule K2 has it once logged. */
static void test_flight_inside__an_epoch_comes_while_it_is_under_way(void **state)
{
    struct group *group = *state;
    const struct hark_flight_entry *seen = NULL;

    (void)put(group, "owner", "idea", body("Quittengelee"), NULL);
    group_admit(group, "bo", "member");
    assert_int_equal(look(group, &seen), 1);
    assert_says(&seen[0], "idea", "body", "Quittengelee");
}

/* Nobody here holds a key any more: it is as hosts see it. */
static void test_flight_inside__without_a_key_it_is_sealed(void **state)
{
    struct group *group = *state;
    const struct hark_flight_entry *seen = NULL;
    char path[128], aside[128];

    (void)put(group, "owner", "idea", body("Quittengelee"), NULL);
    hark_node_free(group->node);
    (void)snprintf(path, sizeof(path), "%s/keys/people/owner", group->dir);
    (void)snprintf(aside, sizeof(aside), "%s/owner", group->top);
    assert_int_equal(rename(path, aside), 0);
    group_open(group);
    assert_int_equal(look(group, &seen), 1);
    assert_sealed(&seen[0]);
}

/* The key becomes known while the flight is as it was: it is looked at once more. */
static void test_flight_inside__a_key_becomes_known(void **state)
{
    struct group *group = *state;
    const struct hark_flight_entry *seen = NULL;
    struct hark_author owner = {0};
    char path[128], aside[128];

    (void)put(group, "owner", "idea", body("Quittengelee"), NULL);
    group_person(group, "owner", &owner);
    hark_node_free(group->node);
    (void)snprintf(path, sizeof(path), "%s/keys/people/owner", group->dir);
    (void)snprintf(aside, sizeof(aside), "%s/owner", group->top);
    assert_int_equal(rename(path, aside), 0);
    group_open(group);
    assert_int_equal(look(group, &seen), 1);
    assert_sealed(&seen[0]);
    OK(hark_inside_own(group_inside(group), owner.box, &err));
    owner.box = NULL;
    assert_int_equal(look(group, &seen), 1);
    assert_says(&seen[0], "idea", "body", "Quittengelee");
    hark_author_free(&owner);
}

/* What breaks a rule inside is void there, though hosts let it stand. */
static void test_flight_inside__void_inside(void **state)
{
    struct group *group = *state;
    struct hark_logged idea = group_idea(group, "owner", "Quittengelee");
    const struct hark_flight_entry *seen = NULL, *outer = NULL;
    struct hark_hash post;
    size_t count = 0;

    post = put(group, "owner", "post", body("Maronensuppe"), &idea.id);
    (void)put(group, "owner", "vote", choice("agree"), &post);
    assert_int_equal(look(group, &seen), 2);
    assert_string_equal(seen[1].entry.kind, "vote");
    assert_int_equal(seen[1].effect.verdict_code, HARK_E_VOID_RE_KIND);
    OK(hark_space_flight(group->space, &outer, &count, &err));
    assert_int_equal(outer[1].effect.verdict, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(test_flight_inside__##name, group_setup, group_teardown)
        TEST(says_what_is_inside),
        TEST(the_flight_itself_stays_sealed),
        TEST(what_comes_later_is_added),
        TEST(follows_the_log),
        TEST(an_epoch_comes_while_it_is_under_way),
        TEST(without_a_key_it_is_sealed),
        TEST(a_key_becomes_known),
        TEST(void_inside),
    };

    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
