/*
 * node/inside: what the keys of a node's people see of an encrypted space, made from the log
 * in memory, over a real node.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/unit/group_stage.h"

/* ---- Founding --------------------------------------------------------------------------- */

static void test_inside__a_group_that_was_founded_is_known_to_its_founder_alone(void **state)
{
    struct group *group = *state;
    struct hark_inside *inside = group_inside(group);
    struct hark_inside *host = observer_of(group, NULL);
    uint64_t position = 0;
    json_t *charter = hark_inside_charter(inside, &position);

    assert_int_equal(group_size(group), 4); /* space, admit, charter, profile */
    assert_int_equal(position, 2);
    assert_string_equal(json_string_value(json_object_get(charter, "title")), "Grey's Girls");
    assert_int_equal(how_many(hark_inside_index(inside), "profile"), 1);
    assert_int_equal(how_many(hark_space_index(group->space), "sealed"), 1);
    assert_ptr_equal(hark_space_view(group->space), hark_inside_index(inside));
    assert_ptr_equal(hark_space_charter(group->space), charter);
    assert_null(hark_inside_charter(host, NULL));
    hark_inside_free(host);
    hark_inside_free(NULL);
}

/* Before anybody looked inside, and in an open space, the view is the space's own index. */
static void test_inside__what_was_not_looked_into_shows_the_rows_as_logged(void **state)
{
    struct group *group = *state;
    const struct hark_founding open = {
        .title = "Parks", .question = "What now?", .owner = "Ada", .until = "2030-01-01"};
    struct hark_space *space = NULL;
    struct hark_inside *inside = NULL;
    struct hark_hash id;

    group_reopen(group);
    assert_ptr_equal(hark_space_view(group->space), hark_space_index(group->space));
    assert_null(hark_space_charter(group->space));
    OK(hark_found(group->node, &open, &id, &err));
    OK(hark_node_space(group->node, &id, &space, &err));
    OK(hark_node_inside(group->node, space, &inside, &err));
    assert_null(inside);
    assert_ptr_equal(hark_space_view(space), hark_space_index(space));
}

/* ---- Who sees what ------------------------------------------------------------------------ */

/* Protects that nobody's count of entries, members or leaves hangs on keys. */
static void test_inside__without_keys_there_are_sealed_rows_and_the_same_counts(void **state)
{
    struct group *group = *state;
    struct hark_logged idea = group_idea(group, "owner", "Quittengelee for all");
    struct hark_inside *inside = group_inside(group);
    struct hark_inside *host = observer_of(group, NULL);
    struct hark_hash ours, theirs, outside;
    uint64_t sizes[2] = {0}, roles[2][2];

    OK(hark_index_size(hark_inside_index(inside), &sizes[0], &err));
    OK(hark_index_size(hark_inside_index(host), &sizes[1], &err));
    assert_int_equal(sizes[0], group_size(group));
    assert_int_equal(sizes[1], group_size(group));
    OK(hark_index_active(hark_inside_index(inside), roles[0], &err));
    OK(hark_index_active(hark_inside_index(host), roles[1], &err));
    assert_memory_equal(roles[0], roles[1], sizeof(roles[0]));
    OK(hark_merkle_root_at(&ours, sizes[0], hark_index_merkle_read, hark_inside_index(inside),
                           &err));
    OK(hark_merkle_root_at(&theirs, sizes[0], hark_index_merkle_read, hark_inside_index(host),
                           &err));
    outside = hark_merkle_root(&hark_space_head(group->space)->tree);
    assert_memory_equal(&ours, &outside, sizeof(ours));
    assert_memory_equal(&theirs, &outside, sizeof(ours));

    assert_int_equal(how_many(hark_inside_index(host), "sealed"), 2);
    assert_int_equal(how_many(hark_inside_index(inside), "sealed"), 0);
    assert_int_equal(hits(hark_inside_index(host), "Quittengelee"), 0);
    assert_int_equal(hits(hark_inside_index(inside), "Quittengelee"), 1);
    assert_int_equal(hits(hark_space_index(group->space), "Quittengelee"), 0);
    assert_sees(host, idea.position, NULL);
    assert_sees(inside, idea.position, "Quittengelee for all");
    hark_inside_free(host);
}

/* Protects the promise that who joins reads nothing from before (10.5). */
static void test_inside__who_comes_later_reads_from_the_admission_on(void **state)
{
    struct group *group = *state;
    struct hark_logged before = group_idea(group, "owner", "Bratapfel before"), after;
    struct hark_inside *bo;

    group_admit(group, "bo", "member");
    after = group_idea(group, "owner", "Bratapfel after");
    bo = observer_of(group, "bo");
    assert_sees(bo, before.position, NULL);
    assert_sees(bo, after.position, "Bratapfel after");
    assert_int_equal(hits(hark_inside_index(bo), "Bratapfel"), 1);
    assert_null(hark_inside_charter(bo, NULL));
    hark_inside_free(bo);
}

/* The key of somebody who is admitted already comes to a node: all is made anew. */
static void test_inside__a_key_that_comes_later_makes_it_anew(void **state)
{
    struct group *group = *state;
    struct hark_author bo = {0};
    struct hark_logged after;
    struct hark_inside *host;

    group_admit(group, "bo", "member");
    after = group_idea(group, "owner", "Bratapfel after");
    host = observer_of(group, NULL);
    assert_sees(host, after.position, NULL);
    for (int i = 0; i < 2; i++) { /* once more changes nothing */
        group_person(group, "bo", &bo);
        OK(hark_inside_own(host, bo.box, &err));
        bo.box = NULL;
        hark_author_free(&bo);
        OK(hark_inside_follow(host, &err));
        assert_sees(host, after.position, "Bratapfel after");
    }
    assert_int_equal(*hark_inside_stamp(host), 0);
    hark_inside_free(host);
}

/* A person of this node who is admitted is found without opening anything anew. */
static void test_inside__people_of_one_node_are_found_as_they_come(void **state)
{
    struct group *group = *state;
    struct hark_logged first, last;
    struct hark_inside *inside = group_inside(group);

    group_new_person(group, "nobody"); /* no member */
    group_admit(group, "bo", "member");
    first = group_idea(group, "bo", "Maronensuppe by Bo");
    inside = group_inside(group);
    assert_sees(inside, first.position, "Maronensuppe by Bo");
    /* The founder's key ends. What remains is read with Bo's. */
    group_admit(group, "cy", "staff");
    OK(group_act(group, "remove", group_removal(0)));
    last = group_idea(group, "bo", "Maronensuppe without Grey");
    inside = group_inside(group);
    assert_sees(inside, first.position, "Maronensuppe by Bo");
    assert_sees(inside, last.position, "Maronensuppe without Grey");
    inside = observer_of(group, "owner");
    assert_sees(inside, first.position, "Maronensuppe by Bo");
    assert_sees(inside, last.position, NULL);
    hark_inside_free(inside);
}

static void test_inside__votes_are_counted_inside(void **state)
{
    struct group *group = *state;
    struct hark_logged idea = group_idea(group, "owner", "Quittengelee");
    struct hark_tally tally;

    group_admit(group, "bo", "member");
    for (int i = 0; i < 2; i++) { /* the latest counts */
        (void)group_say(group, "bo", "vote", json_pack("{s:s}", "choice", i ? "agree" : "pass"),
                        &idea.id);
        (void)group_say(group, "owner", "vote", json_pack("{s:s}", "choice", "disagree"), &idea.id);
    }
    OK(hark_index_tally(hark_inside_index(group_inside(group)), idea.position, NULL, 0, 0, &tally,
                        &err));
    assert_int_equal(tally.eligible, 2);
    assert_int_equal(tally.agree, 1);
    assert_int_equal(tally.disagree, 1);
    assert_int_equal(tally.pass, 0);
}

/* ---- What goes, and what comes late ------------------------------------------------------- */

/* Protects the right to be forgotten: not a moment longer in what is shown and searched. */
static void test_inside__what_is_erased_is_gone_from_view_and_search_at_once(void **state)
{
    struct group *group = *state;
    struct hark_logged kept = group_idea(group, "owner", "Zimtstern kept");
    struct hark_logged idea = group_idea(group, "owner", "Zimtstern erased");
    struct hark_inside *inside = group_inside(group);

    assert_int_equal(hits(hark_inside_index(inside), "Zimtstern"), 2);
    (void)group_say(group, "owner", "erase", NULL, &idea.id);
    inside = group_inside(group);
    assert_int_equal(hits(hark_inside_index(inside), "Zimtstern"), 1);
    assert_sees(inside, idea.position, NULL);
    assert_sees(inside, kept.position, "Zimtstern kept");
    /* And whoever reads it from the beginning. */
    inside = observer_of(group, "owner");
    assert_int_equal(hits(hark_inside_index(inside), "Zimtstern"), 1);
    assert_sees(inside, idea.position, NULL);
    hark_inside_free(inside);
    OK(hark_space_tend(group->space, &err));
    assert_sees(group_inside(group), idea.position, NULL);
    assert_sees(group_inside(group), kept.position, "Zimtstern kept");
}

static void test_inside__a_charter_that_is_erased_is_not_told_any_more(void **state)
{
    struct group *group = *state;
    struct hark_row row = {0};

    assert_non_null(hark_inside_charter(group_inside(group), NULL));
    OK(hark_index_row(hark_space_index(group->space), 2, &row, &err));
    assert_string_equal(row.kind, "charter");
    (void)group_say(group, "owner", "erase", NULL, &row.id);
    assert_null(hark_inside_charter(group_inside(group), NULL));
    assert_null(hark_space_charter(group->space));
}

/* As if a payload had not come here yet: takes its place in the index away; or puts it back. */
static void set_here(struct group *group, uint64_t position, struct hark_row *row, bool here)
{
    char path[160], hex[2 * HARK_HASH_SIZE + 1];
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;

    if (!here)
        OK(hark_index_row(hark_space_index(group->space), position, row, &err));
    hark_hash_hex(hex, &group->id);
    (void)snprintf(path, sizeof(path), "%s/index/%s.db", group->dir, hex);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "UPDATE entry SET blob = ?1, says = ?2 WHERE position = ?3",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    if (here)
        assert_int_equal(
            sqlite3_bind_blob(statement, 1, row->blob.bytes, HARK_GIT_ID_SIZE, SQLITE_STATIC),
            SQLITE_OK);
    assert_int_equal(sqlite3_bind_int(statement, 2, here ? (int)row->says : (int)HARK_SAYS_MISSING),
                     SQLITE_OK);
    assert_int_equal(sqlite3_bind_int64(statement, 3, (sqlite3_int64)position), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* In whichever order they come, each is read as soon as it is there. */
static void test_inside__envelopes_that_were_missing_are_read_when_they_come(void **state)
{
    struct group *group = *state;
    struct hark_logged first = group_idea(group, "owner", "Zimtstern one");
    struct hark_logged last = group_idea(group, "owner", "Zimtstern two");
    struct hark_row rows[2] = {{0}, {0}};
    struct hark_inside *inside;

    group_reopen(group);
    set_here(group, first.position, &rows[0], false);
    set_here(group, last.position, &rows[1], false);
    inside = group_inside(group);
    assert_sees(inside, first.position, NULL);
    assert_sees(inside, last.position, NULL);
    assert_int_equal(hits(hark_inside_index(inside), "Zimtstern"), 0);
    set_here(group, last.position, &rows[1], true);
    inside = group_inside(group);
    assert_int_equal(hits(hark_inside_index(inside), "Zimtstern"), 1);
    assert_sees(inside, last.position, "Zimtstern two");
    set_here(group, first.position, &rows[0], true);
    inside = group_inside(group);
    assert_int_equal(hits(hark_inside_index(inside), "Zimtstern"), 2);
    assert_sees(inside, first.position, "Zimtstern one");
}

/* What is in an open batch is not seen, and what was rolled back never was. */
static void test_inside__only_what_is_committed_is_followed(void **state)
{
    struct group *group = *state;
    struct hark_draft draft = {.kind = "idea"};
    struct hark_author owner = {0};
    uint64_t size = 0, before = group_size(group);

    draft.fields = json_pack("{s:s}", "body", "Zimtstern");
    group_person(group, "owner", &owner);
    OK(hark_author_begin(group->node, group->space, &err));
    for (int i = 0; i < 2; i++)
        OK(hark_author_add(group->node, group->space, &owner, &draft, NULL, &err));
    assert_int_equal(hits(hark_inside_index(group_inside(group)), "Zimtstern"), 0);
    hark_author_rollback(group->node, group->space);
    OK(hark_index_size(hark_inside_index(group_inside(group)), &size, &err));
    assert_int_equal(size, before);
    OK(hark_author_write(group->node, group->space, &owner, &draft, NULL, &err));
    assert_int_equal(hits(hark_inside_index(group_inside(group)), "Zimtstern"), 1);
    hark_author_free(&owner);
    json_decref(draft.fields);
}

/* The index is made anew: so is what lies inside, and it says the same. */
static void test_inside__an_index_that_is_made_anew_makes_it_anew(void **state)
{
    struct group *group = *state;
    struct hark_logged idea = group_idea(group, "owner", "Zimtstern");
    struct hark_hash was, is;

    OK(hark_inner_state_hash(hark_inside_state(group_inside(group)), &was, &err));
    OK(hark_space_reindex(group->space, &err));
    assert_ptr_equal(hark_space_view(group->space), hark_space_index(group->space));
    OK(hark_inner_state_hash(hark_inside_state(group_inside(group)), &is, &err));
    assert_memory_equal(&was, &is, sizeof(was));
    assert_sees(group_inside(group), idea.position, "Zimtstern");
}

/* Kinds of the space's own are read and searched as the others are. */
static void test_inside__a_kind_of_the_groups_own_is_read(void **state)
{
    struct group *group = *state;
    struct hark_logged logged;

    OK(group_act(group, "kind",
                 json_pack("{s:s, s:s}", "name", "x-recipe", "definition",
                           "kind: x-recipe\nabout: How it is cooked.\nwho: member\n"
                           "erasable: true\npayload: json\nfields:\n"
                           "  body: {type: text, required: true, min: 1, max: 100}\n")));
    assert_true(hark_goes_inside(hark_space_state(group->space), "x-recipe"));
    logged = group_say(group, "owner", "x-recipe", json_pack("{s:s}", "body", "Boil."), NULL);
    assert_sees(group_inside(group), logged.position, "Boil.");
    assert_int_equal(how_many(hark_inside_index(group_inside(group)), "x-recipe"), 1);
    assert_int_equal(how_many(hark_space_index(group->space), "x-recipe"), 0);
}

/* A host of many people: that a ring has room for no more keys shuts nobody out. */
static void test_inside__there_is_a_bound_of_keys_and_none_of_people(void **state)
{
    struct group *group = *state;
    struct hark_inside *inside = NULL;
    struct hark_logged logged;
    char label[16];

    OK(hark_inside_new(&inside, group->space, &err));
    for (unsigned i = 0; i <= HARK_RING_OWN_MAX; i++) {
        struct hark_seed *seed = NULL;
        struct hark_box *box = NULL;
        int rc;

        OK(hark_seed_new(&seed, &err));
        OK(hark_box_new(&box, seed, &err));
        hark_seed_free(seed);
        rc = hark_inside_own(inside, box, &err);
        assert_int_equal(rc, i < HARK_RING_OWN_MAX ? 0 : HARK_E_LIMIT);
    }
    OK(hark_inside_follow(inside, &err));
    hark_inside_free(inside);
    for (unsigned i = 0; i <= HARK_RING_OWN_MAX; i++) {
        (void)snprintf(label, sizeof(label), "p%u", i);
        group_admit(group, label, "member");
    }
    logged = group_idea(group, label, "Zimtstern");
    assert_sees(group_inside(group), logged.position, "Zimtstern");
    group_reopen(group);
    assert_sees(group_inside(group), logged.position, "Zimtstern");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_inside__##name, group_setup, group_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_group_that_was_founded_is_known_to_its_founder_alone),
        TEST(what_was_not_looked_into_shows_the_rows_as_logged),
        TEST(without_keys_there_are_sealed_rows_and_the_same_counts),
        TEST(who_comes_later_reads_from_the_admission_on),
        TEST(a_key_that_comes_later_makes_it_anew),
        TEST(people_of_one_node_are_found_as_they_come),
        TEST(votes_are_counted_inside),
        TEST(what_is_erased_is_gone_from_view_and_search_at_once),
        TEST(a_charter_that_is_erased_is_not_told_any_more),
        TEST(envelopes_that_were_missing_are_read_when_they_come),
        TEST(only_what_is_committed_is_followed),
        TEST(an_index_that_is_made_anew_makes_it_anew),
        TEST(a_kind_of_the_groups_own_is_read),
        TEST(there_is_a_bound_of_keys_and_none_of_people),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
