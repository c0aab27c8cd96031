/*
 * node/convict, by way of what a node is shown: histories that do not go together are kept
 * as files that convict, one for each key and offence, and what is merely old is not.
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

#include "node/convict.h"
#include "node/witness.h"
#include "schemas/evidence.h"
#include "tests/unit/found.h"
#include "tests/unit/space_stage.h"

#define NODE "one.example" /* the partner that the stage names */

/* What of that kind is kept; there is one. */
static const struct hark_evidence *only(const struct found *found, enum hark_evidence_kind kind)
{
    const struct hark_evidence *one = NULL;

    for (size_t i = 0; i < found->count; i++) {
        if (found->list[i].kind != kind)
            continue;
        assert_null(one);
        one = &found->list[i];
    }
    assert_non_null(one);
    return one;
}

/* A checkpoint as `by` might sign it: of the log here, or with `other` not 0 of another. */
struct forged {
    const char *node;
    uint32_t by;
    uint64_t incarnation, size;
    uint8_t other;
    uint64_t cosigned_s; /* 0: by nobody */
};

static int show(struct stage *s, const struct forged *f)
{
    struct hark_checkpoint cp = {.size = f->size};
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), text = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf line = hark_buf_init(HARK_NOTE_MAX);
    int rc;

    if (f->other != 0)
        memset(cp.root.bytes, f->other, HARK_HASH_SIZE);
    else
        OK(hark_space_root(s->space, "", f->size, &cp.root, &err));
    hark_origin(cp.origin, f->node, &s->world->space, f->incarnation);
    OK(hark_checkpoint_encode(&text, &cp, &err));
    OK(hark_checkpoint_sign(&note, &cp, world_signer(f->by), NULL, &err));
    if (f->cosigned_s != 0) {
        OK(hark_note_sign(&line, hark_buf_span(&text), NODE, HARK_NOTE_COSIGNATURE_V1,
                          world_signer(s->node_cosigner), f->cosigned_s, &err));
        OK(hark_buf_append_span(&note, hark_buf_span(&line), &err));
    }
    rc = hark_witness_take(s->space, hark_buf_span(&note), &err);
    hark_buf_free(&note);
    hark_buf_free(&text);
    hark_buf_free(&line);
    return rc;
}

static int show_home(struct stage *s, uint64_t size, uint8_t other, uint64_t cosigned_s)
{
    const struct forged f = {.node = WORLD_HOME,
                             .by = WORLD_LOG,
                             .incarnation = 1,
                             .size = size,
                             .other = other,
                             .cosigned_s = cosigned_s};

    return show(s, &f);
}

/* --- logs ------------------------------------------------------------------------------------ */

static void test_convict__a_fork(void **state)
{
    const struct hark_evidence *fork;
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    assert_int_equal(show_home(&s, s.base - 3, 7, 0), HARK_E_PEER_FORK);
    found = found_in(s.space);
    fork = only(&found, HARK_EVIDENCE_FORK);
    assert_int_equal(fork->claim, HARK_CLAIM_BEGINNING);
    assert_true(fork->is_named && hark_key_equal(&fork->key, world_key(WORLD_LOG)));
    assert_int_equal(fork->sides[0].checkpoint.size, s.base - 3);
    assert_int_equal(fork->sides[1].checkpoint.size, s.base);
    /* Once is enough. */
    assert_int_equal(show_home(&s, s.base, 7, 0), HARK_E_PEER_FORK);
    assert_int_equal(show_home(&s, 0, 7, 0), HARK_E_PEER_FORK);
    found = found_in(s.space);
    assert_int_equal(found.count + found.notes, 1);
    stage_end(&s);
}

static void test_convict__a_fork_of_one_size(void **state)
{
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    assert_int_equal(show_home(&s, s.base, 7, 1000), HARK_E_PEER_FORK);
    found = found_in(s.space);
    assert_int_equal(only(&found, HARK_EVIDENCE_FORK)->claim, HARK_CLAIM_ROOT);
    assert_int_equal(found.count, 1);
    stage_end(&s);
}

/* The home went on as a later incarnation: the earlier one is held to what it has here. */
static void test_convict__an_earlier_incarnation(void **state)
{
    const struct hark_evidence *fork;
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    world_say(s.world, WORLD_STEWARD, "home", world_fields_home(s.world, WORLD_HOME), HARK_NONE);
    stage_log(&s, s.base);
    stage_grow(&s, 2);
    assert_non_null(strstr(hark_space_head(s.space)->origin, "/2"));
    assert_int_equal(show_home(&s, s.base + 1, 7, 0), 0); /* lost by the move */
    assert_int_equal(found_in(s.space).count, 0);
    assert_int_equal(show_home(&s, s.base - 1, 7, 0), HARK_E_PEER_FORK);
    found = found_in(s.space);
    fork = only(&found, HARK_EVIDENCE_FORK);
    assert_string_equal(fork->sides[0].checkpoint.origin, fork->sides[1].checkpoint.origin);
    assert_int_equal(fork->sides[1].checkpoint.size, s.base);
    stage_end(&s);
}

/* A partner that signs as if it were the home: nothing is here that it signed so. */
static void test_convict__nothing_to_hold_it_against(void **state)
{
    struct forged f = {.node = NODE, .incarnation = 1, .other = 7};
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    f.by = s.node_log;
    f.size = s.base - 1;
    assert_int_equal(show(&s, &f), HARK_E_PEER_FORK);
    found = found_in(s.space);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.notes, 1);
    stage_end(&s);
}

/* --- cosigners ----------------------------------------------------------------------------------
 */

static void test_convict__a_cosigner_of_two_roots(void **state)
{
    const struct hark_evidence *backwards;
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    OK(show_home(&s, s.base + 5, 7, 1000)); /* more than is here */
    OK(show_home(&s, s.base + 5, 7, 2000));
    assert_int_equal(found_in(s.space).count, 0);
    OK(show_home(&s, s.base + 5, 8, 1000));
    found = found_in(s.space);
    backwards = only(&found, HARK_EVIDENCE_BACKWARDS);
    assert_int_equal(backwards->claim, HARK_CLAIM_ROOT);
    assert_string_equal(backwards->node, NODE);
    assert_true(hark_key_equal(&backwards->key, world_key(s.node_cosigner)));
    assert_int_equal(found.count, 1);
    stage_end(&s);
}

static void test_convict__a_cosigner_who_goes_back(void **state)
{
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    OK(show_home(&s, s.base, 0, 2000));
    OK(show_home(&s, s.base - 2, 0, 1000)); /* that is only old */
    OK(show_home(&s, s.base - 2, 0, 2000));
    assert_int_equal(found_in(s.space).count, 0);
    OK(show_home(&s, s.base - 2, 0, 2001));
    found = found_in(s.space);
    assert_int_equal(only(&found, HARK_EVIDENCE_BACKWARDS)->claim, HARK_CLAIM_TIME);
    stage_end(&s);
}

static void test_convict__a_cosigner_of_two_histories(void **state)
{
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    OK(show_home(&s, s.base + 1, 7, 1000));
    stage_grow(&s, 3);
    OK(show_home(&s, s.base + 2, 0, 2000));
    found = found_in(s.space);
    assert_int_equal(only(&found, HARK_EVIDENCE_BACKWARDS)->claim, HARK_CLAIM_BEGINNING);
    stage_end(&s);
}

/* Who cosigned both of a home's histories. */
static void test_convict__both(void **state)
{
    struct found found;
    struct stage s;

    (void)state;
    stage_begin(&s);
    OK(show_home(&s, s.base, 0, 2000));
    assert_int_equal(show_home(&s, s.base - 1, 7, 1000), HARK_E_PEER_FORK);
    found = found_in(s.space);
    assert_int_equal(only(&found, HARK_EVIDENCE_FORK)->claim, HARK_CLAIM_BEGINNING);
    assert_int_equal(only(&found, HARK_EVIDENCE_BACKWARDS)->claim, HARK_CLAIM_BEGINNING);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convict__a_fork),
        cmocka_unit_test(test_convict__a_fork_of_one_size),
        cmocka_unit_test(test_convict__an_earlier_incarnation),
        cmocka_unit_test(test_convict__nothing_to_hold_it_against),
        cmocka_unit_test(test_convict__a_cosigner_of_two_roots),
        cmocka_unit_test(test_convict__a_cosigner_who_goes_back),
        cmocka_unit_test(test_convict__a_cosigner_of_two_histories),
        cmocka_unit_test(test_convict__both),
    };

    return cmocka_run_group_tests(tests, stage_set_up_all, stage_tear_down_all);
}
