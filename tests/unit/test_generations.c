/*
 * node/generations and `hark_node_inside`: whose X25519 key was replaced finds which one is
 * in force from the log alone, and reads what was sealed to each of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/generations.h"
#include "tests/unit/group_stage.h"

static struct hark_generations generations(struct group *group, const char *label)
{
    struct hark_generations of;

    OK(hark_generations_begin(&of, group->node, &group->id, hark_space_state(group->space), label,
                              &err));
    return of;
}

/* Replaces it by the one of that generation. */
static void replace(struct group *group, const char *label, uint32_t number)
{
    struct hark_generations of = generations(group, label);
    struct hark_box *box = NULL;
    char hex[2 * HARK_KEY_SIZE + 1];
    size_t count = 0;

    OK(hark_generations_boxes(&of, number, &box, 1, &count, &err));
    assert_int_equal(count, 1);
    hark_key_hex(hex, hark_box_key(box));
    (void)group_say(group, label, "rekey", json_pack("{s:s}", "box", hex), NULL);
    hark_box_free(box);
    hark_generations_end(&of);
}

static void assert_generation(struct group *group, const char *label, bool found, uint32_t number)
{
    struct hark_generations of = generations(group, label);

    assert_true(of.member);
    assert_int_equal(of.found, found);
    assert_int_equal(of.number, number);
    hark_generations_end(&of);
}

/* Nothing but log and seed are needed to know which one it is. */
static void test_generations__the_log_tells_which(void **state)
{
    struct hark_generations of = {.seed = NULL};
    struct group *group = *state;
    struct hark_author author = {0};

    assert_generation(group, "owner", true, 0);
    replace(group, "owner", 1);
    replace(group, "owner", 2);
    assert_generation(group, "owner", true, 2);
    replace(group, "owner", HARK_GENERATIONS_MAX - 1);
    group_reopen(group);
    assert_generation(group, "owner", true, HARK_GENERATIONS_MAX - 1);
    of = generations(group, "owner");
    group_person(group, "owner", &author); /* its signing key is what it was */
    assert_true(hark_key_equal(&of.sign, hark_signer_key(author.sign)));
    hark_author_free(&author);
    hark_generations_end(&of);
    (void)group_say(group, "owner", "rekey",
                    json_pack("{s:s}", "box",
                              "0123456789abcdef0123456789abcdef"
                              "0123456789abcdef0123456789abcdef"),
                    NULL);
    assert_generation(group, "owner", false, 0);
}

static void test_generations__who_is_no_member_has_the_first(void **state)
{
    struct group *group = *state;
    struct hark_generations of;

    group_new_person(group, "bo");
    of = generations(group, "bo");
    assert_false(of.member);
    assert_false(of.found);
    assert_int_equal(of.number, 0);
    hark_generations_end(&of);
    assert_int_equal(hark_generations_begin(&of, group->node, &group->id, NULL, "nobody", &err),
                     HARK_E_NOT_FOUND);
    hark_generations_end(&of);
}

static void test_generations__there_is_an_end(void **state)
{
    struct group *group = *state;
    struct hark_generations of = generations(group, "owner");
    struct hark_box *boxes[4];
    size_t count = 0;

    OK(hark_generations_boxes(&of, HARK_GENERATIONS_MAX - 2, boxes, 4, &count, &err));
    assert_int_equal(count, 2);
    assert_false(hark_key_equal(hark_box_key(boxes[0]), hark_box_key(boxes[1])));
    for (size_t i = 0; i < count; i++)
        hark_box_free(boxes[i]);
    OK(hark_generations_boxes(&of, HARK_GENERATIONS_MAX, boxes, 4, &count, &err));
    assert_int_equal(count, 0);
    hark_generations_end(&of);
}

static void assert_reads(struct group *group, uint64_t position, const char *words)
{
    struct hark_inside *inside = group_inside(group);
    struct hark_row row = {0};
    json_t *json = NULL;

    OK(hark_index_row(hark_inside_index(inside), position, &row, &err));
    OK(hark_inside_payload(inside, &row, &json, &err));
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "body")), words);
    json_decref(json);
}

/* What was sealed to each of them is opened, in the process that saw it come, and in one that
 * begins with what is on the disk. */
static void test_generations__each_is_read_with(void **state)
{
    struct group *group = *state;
    struct hark_logged said[3];

    group_admit(group, "bo", "member");
    group_admit(group, "cy", "member");
    said[0] = group_idea(group, "owner", "before");
    replace(group, "owner", 1);
    OK(group_act(group, "remove", group_removal(1))); /* sealed to generation 1 */
    said[1] = group_idea(group, "owner", "between");
    replace(group, "owner", 2);
    OK(group_act(group, "remove", group_removal(2)));
    said[2] = group_idea(group, "owner", "after");
    for (int again = 0; again < 2; again++) {
        assert_reads(group, said[0].position, "before");
        assert_reads(group, said[1].position, "between");
        assert_reads(group, said[2].position, "after");
        group_reopen(group);
    }
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(test_generations__##name, group_setup, group_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_log_tells_which),
        TEST(who_is_no_member_has_the_first),
        TEST(there_is_an_end),
        TEST(each_is_read_with),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
