/*
 * node/convict_twin: wherever two entries for one place in a feed meet, they are kept as
 * evidence against their author: one file a key, of keys of the space only, and never against
 * whom the rules themselves make write twice.
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

#include "node/convict_internal.h"
#include "tests/unit/flight_stage.h"
#include "tests/unit/found.h"

/* --- what is kept ------------------------------------------------------------------------- */

static struct found kept(struct hark_space *space)
{
    struct found found;

    OK(hark_convict_twins(space, &err));
    found = found_in(space);
    for (size_t i = 0; i < found.count; i++)
        assert_int_equal(found.list[i].kind, HARK_EVIDENCE_TWIN);
    return found;
}

static void expect_none(struct hark_space *space)
{
    assert_int_equal(kept(space).count, 0);
}

/* Just one file, of these two. */
static void expect_twins(struct hark_space *space, const struct hark_entry *a,
                         const struct hark_entry *b)
{
    struct found found = kept(space);
    const struct hark_hash *ids[2] = {&found.list[0].sides[0].id, &found.list[0].sides[1].id};

    assert_int_equal(found.count, 1);
    assert_true(hark_key_equal(&found.list[0].key, &a->author));
    assert_int_equal(found.list[0].seq, a->seq);
    assert_true(found.list[0].has_first);
    assert_true((hark_hash_equal(ids[0], &a->id) && hark_hash_equal(ids[1], &b->id)) ||
                (hark_hash_equal(ids[0], &b->id) && hark_hash_equal(ids[1], &a->id)));
}

/* --- what is written ------------------------------------------------------------------------ */

/* Another entry than the world's next of that feed. */
static struct world_entry *twin_of(struct party *p, uint32_t key, const char *body)
{
    struct world_draft draft = {.by = key,
                                .kind = "post",
                                .fields = stage_text("body", body),
                                .re_count = 1,
                                .re = {p->world->log[p->topic]->entry.id}};

    return world_build(p->world, &draft);
}

static const struct hark_entry *entry_of(const struct party *p, uint64_t number)
{
    return &p->world->log[number]->entry;
}

/* At a partner, from its author. */
static int hand_in(struct party *p, unsigned node, const struct world_entry *e)
{
    struct hark_offer offer = stage_offer(e, true);
    struct hark_outcome outcome;

    offer.now_ms = party_now(p, node);
    OK(hark_space_accept(p->nodes[node], party_names[node], world_signer(p->logs[node]), &offer, 1,
                         0, &outcome, &err));
    return outcome.code;
}

/* At the home. */
static int log_one(struct party *p, const struct world_entry *e, bool accept, bool trusted)
{
    struct hark_offer offer = stage_offer(e, accept);
    int rc;

    offer.now_ms = party_now(p, HOME);
    offer.trusted = trusted;
    OK(hark_space_begin(p->nodes[HOME], &err));
    rc = hark_space_add(p->nodes[HOME], &offer, world_signer(WORLD_LOG), NULL, &err);
    OK(hark_convict_twins(p->nodes[HOME], &err)); /* a batch is open: nothing is done yet */
    OK(hark_space_commit(p->nodes[HOME], world_signer(WORLD_LOG), offer.now_ms, &err));
    return rc;
}

/* --- what is refused -------------------------------------------------------------------------- */

static void test_convict_twin__refused_by_the_home(void **state)
{
    struct world_entry *twin, *third;
    struct party p;
    uint64_t first;

    (void)state;
    for (int accept = 0; accept < 2; accept++) {
        party_begin(&p);
        twin = twin_of(&p, p.members[1], "No");
        third = twin_of(&p, p.members[1], "Neither");
        first = party_post(&p, 1, p.topic);
        assert_int_equal(log_one(&p, p.world->log[first], true, false), 0);
        expect_none(p.nodes[HOME]);
        /* The same again is none. */
        assert_int_equal(log_one(&p, p.world->log[first], accept != 0, false),
                         HARK_E_ENTRY_DUPLICATE);
        expect_none(p.nodes[HOME]);
        /* What has not left this process is none. */
        assert_int_equal(log_one(&p, twin, accept != 0, true), HARK_E_ENTRY_TWIN);
        expect_none(p.nodes[HOME]);
        assert_int_equal(log_one(&p, twin, accept != 0, false), HARK_E_ENTRY_TWIN);
        expect_twins(p.nodes[HOME], entry_of(&p, first), &twin->entry);
        /* Once is enough. */
        assert_int_equal(log_one(&p, third, accept != 0, false), HARK_E_ENTRY_TWIN);
        expect_twins(p.nodes[HOME], entry_of(&p, first), &twin->entry);
        world_entry_free(twin);
        world_entry_free(third);
        party_end(&p);
    }
}

/* Both in the batch that is being made: the other cannot be read from the log yet. */
static void test_convict_twin__refused_in_one_batch(void **state)
{
    struct world_entry *twin;
    struct hark_offer offers[2];
    struct party p;
    uint64_t first;

    (void)state;
    party_begin(&p);
    twin = twin_of(&p, p.members[1], "No");
    first = party_post(&p, 1, p.topic);
    offers[0] = stage_offer(p.world->log[first], true);
    offers[1] = stage_offer(twin, true);
    OK(hark_space_begin(p.nodes[HOME], &err));
    OK(hark_space_add(p.nodes[HOME], &offers[0], world_signer(WORLD_LOG), NULL, &err));
    assert_int_equal(hark_space_add(p.nodes[HOME], &offers[1], world_signer(WORLD_LOG), NULL, &err),
                     HARK_E_ENTRY_TWIN);
    OK(hark_convict_twins(p.nodes[HOME], &err));
    OK(hark_space_commit(p.nodes[HOME], world_signer(WORLD_LOG), party_now(&p, HOME), &err));
    expect_twins(p.nodes[HOME], entry_of(&p, first), &twin->entry);
    world_entry_free(twin);
    party_end(&p);
}

static void test_convict_twin__refused_by_a_partner(void **state)
{
    struct world_entry *twin;
    struct party p;
    uint64_t first;

    (void)state;
    party_begin(&p);
    twin = twin_of(&p, p.members[1], "No");
    first = party_post(&p, 1, p.topic);
    (void)party_accept(&p, P, first);
    (void)party_accept(&p, P, first);
    expect_none(p.nodes[P]);
    assert_int_equal(hand_in(&p, P, twin), HARK_E_ENTRY_TWIN);
    expect_twins(p.nodes[P], entry_of(&p, first), &twin->entry);
    world_entry_free(twin);
    party_end(&p);
}

/* --- what is in logs ---------------------------------------------------------------------------
 */

static void test_convict_twin__in_two_intakes(void **state)
{
    struct world_entry *twin;
    struct party p;
    uint64_t first;

    (void)state;
    party_begin(&p);
    twin = twin_of(&p, p.members[1], "No");
    first = party_post(&p, 1, p.topic);
    (void)party_accept(&p, P, first);
    assert_int_equal(hand_in(&p, Q, twin), 0); /* nobody there knows better */
    expect_none(p.nodes[Q]);
    assert_true(party_carry(&p, P, Q, "p.example"));
    expect_twins(p.nodes[Q], entry_of(&p, first), &twin->entry);
    /* One who hears of both. */
    assert_true(party_carry(&p, P, HOME, "p.example"));
    expect_none(p.nodes[HOME]);
    assert_true(party_carry(&p, Q, HOME, "q.example"));
    expect_twins(p.nodes[HOME], entry_of(&p, first), &twin->entry);
    world_entry_free(twin);
    party_end(&p);
}

/* What is copied from one intake to another, or logged meanwhile, is the same entry. */
static void test_convict_twin__the_same_entry_everywhere_is_none(void **state)
{
    struct party p;
    uint64_t first;

    (void)state;
    party_begin(&p);
    first = party_post(&p, 1, p.topic);
    (void)party_accept(&p, P, first);
    (void)party_accept(&p, Q, first);
    assert_int_equal(log_one(&p, p.world->log[first], true, false), 0);
    party_settle(&p);
    for (unsigned i = 0; i < NODES; i++)
        expect_none(p.nodes[i]);
    party_end(&p);
}

/* The intake was judged against less of the main log than is here. */
static void test_convict_twin__in_an_intake_and_above_its_main(void **state)
{
    struct world_entry *twin;
    struct party p;
    uint64_t first;

    (void)state;
    party_begin(&p);
    twin = twin_of(&p, p.members[1], "No");
    first = party_post(&p, 1, p.topic);
    assert_int_equal(hand_in(&p, Q, twin), 0);
    assert_int_equal(log_one(&p, p.world->log[first], true, false), 0);
    assert_true(party_carry(&p, HOME, P, ""));
    assert_true(party_carry(&p, Q, P, "q.example"));
    expect_twins(p.nodes[P], entry_of(&p, first), &twin->entry);
    world_entry_free(twin);
    party_end(&p);
}

static void test_convict_twin__passed_over(void **state)
{
    struct world_entry *twin;
    struct party p;
    uint64_t first;

    (void)state;
    party_begin(&p);
    twin = twin_of(&p, p.members[1], "No");
    first = party_post(&p, 1, p.topic);
    assert_int_equal(hand_in(&p, Q, twin), 0);
    assert_true(party_carry(&p, Q, P, "q.example"));
    assert_true(party_carry(&p, Q, HOME, "q.example"));
    for (unsigned i = 0; i < NODES; i++)
        expect_none(p.nodes[i]);
    assert_int_equal(log_one(&p, p.world->log[first], true, false), 0);
    assert_true(party_take_over(&p));
    expect_twins(p.nodes[HOME], entry_of(&p, first), &twin->entry);
    /* Who only follows, and whose intake it is. */
    for (unsigned i = P; i <= Q; i++) {
        assert_true(party_carry(&p, HOME, i, ""));
        expect_twins(p.nodes[i], entry_of(&p, first), &twin->entry);
    }
    world_entry_free(twin);
    party_end(&p);
}

static void test_convict_twin__in_an_outbox(void **state)
{
    struct hark_outbox *outbox = NULL;
    struct world_entry *twin;
    struct party p;
    uint64_t first;

    (void)state;
    party_begin(&p);
    twin = twin_of(&p, p.members[1], "No");
    first = party_post(&p, 1, p.topic);
    OK(hark_space_outbox(p.nodes[P], &outbox, &err));
    OK(hark_outbox_put(outbox, &twin->entry.id, twin->object, twin->payload, 1000, &err));
    hark_space_outbox_changed(p.nodes[P]);
    OK(hark_space_outbox_tend(p.nodes[P], 2000, NULL, &err));
    expect_none(p.nodes[P]);
    assert_int_equal(log_one(&p, p.world->log[first], true, false), 0);
    assert_true(party_carry(&p, HOME, P, ""));
    OK(hark_space_outbox_tend(p.nodes[P], 3000, NULL, &err));
    expect_twins(p.nodes[P], entry_of(&p, first), &twin->entry);
    world_entry_free(twin);
    party_end(&p);
}

/* A batch that is refused, since a twin is in it: of what is here, or of another in it. */
static void test_convict_twin__in_a_batch_that_is_refused(void **state)
{
    struct space_item items[2];
    struct world_entry *twin;
    struct party p;
    uint64_t first;

    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        party_begin(&p);
        twin = twin_of(&p, p.members[1], "No");
        first = party_post(&p, 1, p.topic);
        memset(items, 0, sizeof(items));
        items[0].object = twin->object;
        items[1].object = p.world->log[first]->object;
        for (size_t i = 0; i < 2; i++) {
            items[i].payload_state = 2;
            hark_space_item_read(&items[i], false);
            OK(items[i].code);
        }
        if (count == 1)
            assert_int_equal(log_one(&p, p.world->log[first], true, false), 0);
        hark_convict_suspect_batch(p.nodes[HOME], items, count);
        expect_twins(p.nodes[HOME], entry_of(&p, first), &twin->entry);
        world_entry_free(twin);
        party_end(&p);
    }
}

/* --- who is not convicted ------------------------------------------------------------------------
 */

static void test_convict_twin__nothing_of_who_is_not_known(void **state)
{
    const struct hark_span none = {0};
    struct world_entry *a, *b;
    uint32_t stranger;
    struct party p;

    (void)state;
    party_begin(&p);
    stranger = world_new_key(p.world);
    a = twin_of(&p, stranger, "Yes");
    b = twin_of(&p, stranger, "No");
    hark_convict_suspect(p.nodes[HOME], &a->entry.author, a->object, b->object);
    expect_none(p.nodes[HOME]);
    world_entry_free(a);
    world_entry_free(b);
    /* Nor where there is no other, or only the same. */
    a = twin_of(&p, p.members[1], "Yes");
    hark_convict_suspect(p.nodes[HOME], &a->entry.author, a->object, none);
    expect_none(p.nodes[HOME]);
    hark_convict_suspect(p.nodes[HOME], &a->entry.author, a->object, a->object);
    expect_none(p.nodes[HOME]);
    world_entry_free(a);
    party_end(&p);
}

/* Whose signature does not hold accuses nobody. */
static void test_convict_twin__nothing_that_is_not_signed(void **state)
{
    struct world_entry *a, *b;
    uint8_t *bytes;
    struct party p;

    (void)state;
    party_begin(&p);
    a = twin_of(&p, p.members[1], "Yes");
    b = twin_of(&p, p.members[1], "No");
    bytes = malloc(b->object.size);
    assert_non_null(bytes);
    for (size_t i = 0; i < b->object.size; i += 7) {
        memcpy(bytes, b->object.data, b->object.size);
        bytes[i] ^= 1;
        hark_convict_suspect(p.nodes[HOME], &a->entry.author, a->object,
                             hark_span(bytes, b->object.size));
        expect_none(p.nodes[HOME]);
    }
    free(bytes);
    world_entry_free(a);
    world_entry_free(b);
    party_end(&p);
}

/* The space goes on as the home's second incarnation. */
static void move_home(struct party *p)
{
    const struct hark_log_head *head = hark_space_head(p->nodes[HOME]);
    struct hark_hash root = hark_merkle_root(&head->tree);
    struct world_draft draft = {.by = WORLD_STEWARD,
                                .kind = "home",
                                .fields = json_pack("{s:s, s:I, s:I, s:o}", "node", WORLD_HOME,
                                                    "incarnation", (json_int_t)2, "size",
                                                    (json_int_t)head->tree.size, "root",
                                                    world_hex(root.bytes, sizeof(root.bytes)))};
    struct world_entry *home = world_build(p->world, &draft);

    assert_int_equal(log_one(p, home, true, false), 0);
    assert_non_null(strstr(hark_space_head(p->nodes[HOME])->origin, "/2"));
    world_entry_free(home);
}

/* Two that the steward might have written right after the space began. */
static void make_oldest(struct world_entry *out[2])
{
    struct world *w = world_new(23, NULL, NULL);

    for (size_t i = 0; i < 2; i++) {
        struct world_draft draft = {.by = WORLD_STEWARD,
                                    .kind = "post",
                                    .fields = stage_text("body", i == 0 ? "Yes" : "No")};

        out[i] = world_build(w, &draft);
        assert_int_equal(out[i]->entry.seq, 2);
    }
    world_free(w);
}

/* Its steward and its nodes may have to write twice when the home moves; who wrote at the old
 * home, in what they wrote there. */
static void test_convict_twin__a_moved_home_excuses_its_steward(void **state)
{
    struct world_entry *oldest[2], *steward[2], *member[2], *late, *later;
    struct party p;

    (void)state;
    party_begin(&p);
    make_oldest(oldest);
    for (size_t i = 0; i < 2; i++) {
        steward[i] = twin_of(&p, WORLD_STEWARD, i == 0 ? "Yes" : "No");
        member[i] = twin_of(&p, p.members[1], i == 0 ? "Yes" : "No");
    }
    hark_convict_suspect(p.nodes[P], &steward[0]->entry.author, steward[0]->object,
                         steward[1]->object);
    expect_twins(p.nodes[P], &steward[0]->entry, &steward[1]->entry); /* nothing has moved yet */
    /* In the place of the `home` entry. */
    move_home(&p);
    hark_convict_suspect(p.nodes[HOME], &steward[0]->entry.author, steward[0]->object,
                         steward[1]->object);
    expect_none(p.nodes[HOME]);
    /* What people wrote at the old home, too, but nothing that they write later. */
    hark_convict_suspect(p.nodes[HOME], &member[0]->entry.author, member[0]->object,
                         member[1]->object);
    expect_none(p.nodes[HOME]);
    p.world->now_ms += 5000;
    late = twin_of(&p, p.members[1], "Late");
    hark_convict_suspect(p.nodes[HOME], &member[0]->entry.author, member[0]->object, late->object);
    expect_none(p.nodes[HOME]);
    later = twin_of(&p, p.members[1], "Later");
    hark_convict_suspect(p.nodes[HOME], &member[0]->entry.author, later->object, late->object);
    expect_twins(p.nodes[HOME], &late->entry, &later->entry);
    world_entry_free(late);
    world_entry_free(later);
    /* The steward's key may go on in both places for long. */
    late = twin_of(&p, WORLD_STEWARD, "Late");
    later = twin_of(&p, WORLD_STEWARD, "Later");
    hark_convict_suspect(p.nodes[HOME], &late->entry.author, later->object, late->object);
    assert_int_equal(kept(p.nodes[HOME]).count, 1);
    world_entry_free(late);
    world_entry_free(later);
    /* What everybody had before it moved nobody writes again. */
    hark_convict_suspect(p.nodes[HOME], &oldest[0]->entry.author, oldest[0]->object,
                         oldest[1]->object);
    assert_int_equal(kept(p.nodes[HOME]).count, 2);
    for (size_t i = 0; i < 2; i++) {
        world_entry_free(oldest[i]);
        world_entry_free(steward[i]);
        world_entry_free(member[i]);
    }
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convict_twin__refused_by_the_home),
        cmocka_unit_test(test_convict_twin__refused_in_one_batch),
        cmocka_unit_test(test_convict_twin__refused_by_a_partner),
        cmocka_unit_test(test_convict_twin__in_two_intakes),
        cmocka_unit_test(test_convict_twin__the_same_entry_everywhere_is_none),
        cmocka_unit_test(test_convict_twin__in_an_intake_and_above_its_main),
        cmocka_unit_test(test_convict_twin__passed_over),
        cmocka_unit_test(test_convict_twin__in_an_outbox),
        cmocka_unit_test(test_convict_twin__in_a_batch_that_is_refused),
        cmocka_unit_test(test_convict_twin__nothing_of_who_is_not_known),
        cmocka_unit_test(test_convict_twin__nothing_that_is_not_signed),
        cmocka_unit_test(test_convict_twin__a_moved_home_excuses_its_steward),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
