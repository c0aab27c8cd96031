/*
 * What several nodes take in, each by itself, becomes one log: by acceptance, each
 * intake in its order, everything once, and every node comes to the same state.
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

#include "tests/unit/flight_stage.h"

/* The position in the home's main log; fails when it is not there or does not stand. */
static uint64_t logged_at(struct party *p, uint64_t number)
{
    struct hark_row row = {.position = 0};

    if (!party_find(p, HOME, number, &row))
        fail_msg("%s: %llu is not logged", at_case, (unsigned long long)number);
    assert_int_equal(row.verdict, 0);
    return row.position;
}

/* The lines and Takens of the home's last batch. */
static struct hark_line *last_batch(struct party *p, size_t *count, struct hark_batch *batch)
{
    struct hark_space_batch raw;
    struct hark_line *lines = NULL;
    uint64_t batches = 0;

    (void)party_size(p, HOME, "", &batches);
    OK(hark_space_read_batch(p->nodes[HOME], "", batches - 1, &raw, &err));
    OK(hark_lines_decode(&lines, count, raw.raw.entries, &err));
    OK(hark_batch_parse(batch, NULL, NULL, raw.raw.commit, NULL, &err));
    hark_space_batch_free(&raw);
    return lines;
}

static void expect_taken(struct party *p, unsigned node, uint64_t size)
{
    uint64_t taken = 0;

    OK(hark_space_taken(p->nodes[HOME], party_names[node], &taken, &err));
    assert_int_equal(taken, size);
}

/* ---- One after the other ----------------------------------------------------------- */

static void test_space_takeover__a_reply_elsewhere_comes_after_its_post(void **state)
{
    struct party p;
    uint64_t post, reply, at;
    uint64_t batches;
    struct hark_batch batch;
    struct hark_line *lines;
    size_t count;

    (void)state;
    at_case = "reply";
    party_begin(&p);
    post = party_post(&p, 1, p.topic);
    assert_int_equal(party_accept(&p, P, post), 0);
    assert_true(party_carry(&p, P, Q, "p.example"));
    reply = party_post(&p, 2, post);
    /* What it is about is copied in before it. */
    assert_int_equal(party_accept(&p, Q, reply), 1);
    assert_int_equal(party_size(&p, Q, "q.example", &batches), 2);
    assert_int_equal(batches, 1);
    /* The home hears of Q alone, and has all it needs. */
    assert_true(party_carry(&p, Q, HOME, "q.example"));
    assert_true(party_take_over(&p));
    at = logged_at(&p, post);
    assert_int_equal(at, p.base);
    assert_int_equal(logged_at(&p, reply), at + 1);
    lines = last_batch(&p, &count, &batch);
    assert_int_equal(count, 2);
    assert_non_null(strstr(lines[0].intake, "q.example/"));
    assert_int_equal(lines[0].intake_position, 0);
    assert_int_equal(lines[1].intake_position, 1);
    assert_true(lines[1].arrival_ms >= lines[1].accepted_ms);
    assert_int_equal(batch.taken_count, 1);
    free(lines);
    expect_taken(&p, Q, 2);
    /* The same post by P is passed over, and said to be taken in a batch of nothing. */
    assert_true(party_carry(&p, P, HOME, "p.example"));
    assert_true(party_take_over(&p));
    lines = last_batch(&p, &count, &batch);
    assert_int_equal(count, 0);
    assert_int_equal(batch.taken_count, 1);
    free(lines);
    expect_taken(&p, P, 1);
    party_settle(&p);
    party_end(&p);
}

static void test_space_takeover__the_same_entry_everywhere_is_logged_once(void **state)
{
    struct party p;
    uint64_t twice, thrice, early;
    struct hark_row row = {.position = 0};
    struct hark_outcome outcome;
    struct hark_offer offer;

    (void)state;
    at_case = "everywhere";
    party_begin(&p);
    twice = party_post(&p, 1, p.topic);
    thrice = party_post(&p, 2, p.topic);
    p.skew_ms[Q] = 3000;
    (void)party_accept(&p, Q, twice);
    (void)party_accept(&p, Q, thrice);
    p.world->now_ms += 1000;
    early = party_now(&p, P);
    (void)party_accept(&p, P, twice); /* accepted before Q's clock said so */
    (void)party_accept(&p, P, thrice);
    offer = stage_offer(p.world->log[thrice], true);
    offer.now_ms = party_now(&p, HOME);
    OK(hark_space_begin(p.nodes[HOME], &err));
    OK(hark_space_add(p.nodes[HOME], &offer, world_signer(WORLD_LOG), NULL, &err));
    OK(hark_space_commit(p.nodes[HOME], world_signer(WORLD_LOG), offer.now_ms, &err));
    party_settle(&p);
    assert_int_equal(hark_state_size(hark_space_state(p.nodes[HOME])), p.base + 2);
    assert_true(party_find(&p, HOME, twice, &row));
    assert_int_equal(row.accepted_ms, early);
    assert_true(party_find(&p, HOME, thrice, &row));
    assert_int_equal(row.position, p.base);
    /* Handed in once more it is answered as it stands. */
    outcome = party_hand_in(&p, P, twice, true);
    assert_int_equal(outcome.code, 0);
    assert_true(outcome.logged);
    assert_int_equal(outcome.position, p.base + 1);
    assert_int_equal(outcome.accepted_ms, early);
    party_end(&p);
}

/* Now here, now there, while nobody hears of the other: what went before is copied. */
static void test_space_takeover__a_feed_written_by_turns_stays_in_order(void **state)
{
    struct party p;
    uint64_t n[12];

    (void)state;
    at_case = "by turns";
    party_begin(&p);
    for (size_t i = 0; i < 12; i++) {
        unsigned node = i % 2 == 0 ? P : Q;

        n[i] = party_post(&p, 1, i % 3 == 0 ? p.topic : n[i - 1]);
        (void)party_accept(&p, node, n[i]);
        assert_true(party_carry(&p, P, Q, "p.example"));
        assert_true(party_carry(&p, Q, P, "q.example"));
    }
    party_settle(&p);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(logged_at(&p, n[i]), p.base + i);
    party_end(&p);
}

/* ---- What may not be logged, and what does not stand ---------------------------------- */

/* Another entry than the world's next of that feed. */
static struct world_entry *twin_of(struct party *p, unsigned member)
{
    struct world_draft draft = {.by = p->members[member],
                                .kind = "post",
                                .fields = stage_text("body", "No"),
                                .re_count = 1,
                                .re = {p->world->log[p->topic]->entry.id}};

    return world_build(p->world, &draft);
}

static struct hark_outcome hand_in(struct party *p, unsigned node, const struct world_entry *e,
                                   bool accept, uint64_t rate)
{
    struct hark_offer offer = stage_offer(e, accept);
    struct hark_outcome outcome;

    offer.now_ms = party_now(p, node);
    OK(hark_space_accept(p->nodes[node], party_names[node], world_signer(p->logs[node]), &offer, 1,
                         rate, &outcome, &err));
    return outcome;
}

static void test_space_takeover__a_twin_that_came_later_is_passed_over(void **state)
{
    struct party p;
    struct world_entry *twin;
    struct hark_outcome outcome;
    const struct hark_flight_entry *e;
    uint64_t first, next;
    size_t count = 0;

    (void)state;
    at_case = "twin";
    party_begin(&p);
    twin = twin_of(&p, 1);
    first = party_post(&p, 1, p.topic);
    (void)party_accept(&p, P, first);
    p.world->now_ms += 1000;
    outcome = hand_in(&p, Q, twin, true, 0); /* nobody there knows better */
    assert_int_equal(outcome.code, 0);
    assert_true(party_carry(&p, P, Q, "p.example"));
    OK(hark_space_flight(p.nodes[Q], &e, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(e[0].code, 0);
    assert_string_equal(e[0].node, "p.example");
    assert_int_equal(e[1].code, HARK_E_ENTRY_TWIN);
    /* Q's own log cannot go on with the feed as P has it. */
    next = party_post(&p, 1, p.topic);
    outcome = party_hand_in(&p, Q, next, true);
    assert_int_equal(outcome.code, HARK_E_ENTRY_TWIN);
    (void)party_accept(&p, P, next);
    /* P hears of the twin, which it refuses. */
    assert_true(party_carry(&p, Q, P, "q.example"));
    outcome = hand_in(&p, P, twin, true, 0);
    assert_int_equal(outcome.code, HARK_E_ENTRY_TWIN);
    party_settle(&p);
    (void)logged_at(&p, first);
    (void)logged_at(&p, next);
    assert_int_equal(hark_state_size(hark_space_state(p.nodes[HOME])), p.base + 2);
    expect_taken(&p, Q, 1);
    /* And once the feed is logged, Q goes on with it, too. */
    next = party_post(&p, 1, p.topic);
    (void)party_accept(&p, Q, next);
    party_settle(&p);
    (void)logged_at(&p, next);
    world_entry_free(twin);
    party_end(&p);
}

static void test_space_takeover__what_is_handed_in_as_void_is_logged_as_void(void **state)
{
    struct party p;
    struct world_draft draft = {.by = 0, .kind = "post"};
    struct hark_outcome outcome;
    struct hark_row row = {.position = 0};
    uint64_t bad, after;

    (void)state;
    at_case = "void";
    party_begin(&p);
    draft.by = p.members[1];
    draft.fields = stage_text("body", "To whom?");
    draft.re_count = 1;
    draft.re[0] = hark_sha256(hark_span_str("nothing"));
    bad = world_log(p.world, &draft, HARK_E_VOID_RE_NOTHING);
    outcome = party_hand_in(&p, P, bad, true);
    assert_int_equal(outcome.code, HARK_E_VOID_RE_NOTHING);
    assert_true(outcome.message[0] != '\0');
    after = party_post(&p, 1, p.topic);
    outcome = party_hand_in(&p, P, after, true);
    assert_int_equal(outcome.code, HARK_E_ENTRY_GAP);
    outcome = party_hand_in(&p, P, bad, false);
    assert_int_equal(outcome.code, 0);
    (void)party_accept(&p, P, after);
    party_settle(&p);
    assert_true(party_find(&p, HOME, bad, &row));
    assert_int_equal(hark_verdict_code(row.verdict), HARK_E_VOID_RE_NOTHING);
    (void)logged_at(&p, after);
    party_end(&p);
}

/* Accepted before the home removed its author: logged after, as void, since the order
 * is the home's; and no node takes more of it in. */
static void test_space_takeover__a_removed_members_entry_is_logged_as_void(void **state)
{
    struct party p;
    struct hark_outcome outcome;
    struct hark_row row = {.position = 0};
    uint64_t post, later;
    size_t from;

    (void)state;
    at_case = "removed";
    party_begin(&p);
    post = party_post(&p, 1, p.topic);
    (void)party_accept(&p, P, post);
    from = p.world->count;
    world_say(p.world, WORLD_STEWARD, "remove", json_pack("{s:i}", "member", 1), HARK_NONE);
    party_log(&p, from, from + 1);
    party_settle(&p);
    assert_true(party_find(&p, HOME, post, &row));
    assert_int_equal(hark_verdict_code(row.verdict), HARK_E_VOID_MEMBER);
    {
        struct world_draft draft = {
            .by = p.members[1], .kind = "topic", .fields = stage_text("title", "Still here")};

        later = world_log(p.world, &draft, HARK_E_VOID_MEMBER);
    }
    outcome = party_hand_in(&p, P, later, true);
    assert_int_equal(outcome.code, HARK_E_VOID_MEMBER);
    party_end(&p);
}

/* One node withholds the words that another hands on with the same entry: the home
 * logs them all the same. */
static void test_space_takeover__withheld_words_are_taken_from_another_intake(void **state)
{
    struct party p;
    struct hark_space_batch batch;
    struct hark_row row = {.position = 0};
    uint64_t post;

    (void)state;
    at_case = "withheld";
    party_begin(&p);
    post = party_post(&p, 1, p.topic);
    (void)party_accept(&p, P, post);
    p.world->now_ms += 1000;
    (void)party_accept(&p, Q, post);
    OK(hark_space_read_batch(p.nodes[P], "p.example", 0, &batch, &err));
    batch.items[0].payload_state = 2;
    batch.items[0].payload = (struct hark_span){0};
    OK(hark_space_take(p.nodes[HOME], "p.example", &batch.raw, party_now(&p, HOME), &err));
    hark_space_batch_free(&batch);
    assert_true(party_carry(&p, Q, HOME, "q.example"));
    assert_true(party_take_over(&p));
    assert_true(party_find(&p, HOME, post, &row));
    assert_int_equal(row.says, HARK_SAYS_IT);
    assert_int_equal(row.accepted_ms, p.world->now_ms - 1000);
    party_settle(&p);
    party_end(&p);
}

static void test_space_takeover__one_key_is_taken_from_only_so_often(void **state)
{
    struct party p;
    struct hark_outcome outcome;
    uint64_t n[5], other;

    (void)state;
    at_case = "rate";
    party_begin(&p);
    for (size_t i = 0; i < 5; i++)
        n[i] = party_post(&p, 1, p.topic);
    other = party_post(&p, 2, p.topic);
    for (size_t i = 0; i < 3; i++) {
        outcome = hand_in(&p, P, p.world->log[n[i]], true, 3);
        assert_int_equal(outcome.code, 0);
    }
    outcome = hand_in(&p, P, p.world->log[n[3]], true, 3);
    assert_int_equal(outcome.code, HARK_E_ACCEPT_RATE);
    outcome = hand_in(&p, P, p.world->log[n[2]], true, 3); /* is here already */
    assert_int_equal(outcome.code, 0);
    outcome = hand_in(&p, P, p.world->log[other], true, 3); /* another's */
    assert_int_equal(outcome.code, 0);
    /* The home takes them over: they count all the same. */
    party_settle(&p);
    outcome = hand_in(&p, P, p.world->log[n[3]], true, 3);
    assert_int_equal(outcome.code, HARK_E_ACCEPT_RATE);
    p.world->now_ms += 61000;
    outcome = hand_in(&p, P, p.world->log[n[3]], true, 3);
    assert_int_equal(outcome.code, 0);
    party_end(&p);
}

static void test_space_takeover__only_a_named_node_takes_in(void **state)
{
    struct party p;
    struct hark_offer offer;
    struct hark_outcome outcome;
    uint64_t post;

    (void)state;
    at_case = "not here";
    party_begin(&p);
    post = party_post(&p, 1, p.topic);
    offer = stage_offer(p.world->log[post], true);
    assert_int_equal(hark_space_accept(p.nodes[P], "nobody.example", world_signer(p.logs[P]),
                                       &offer, 1, 0, &outcome, &err),
                     HARK_E_ACCEPT_NOT_HERE);
    assert_int_equal(hark_space_accept(p.nodes[HOME], WORLD_HOME, world_signer(WORLD_LOG), &offer,
                                       1, 0, &outcome, &err),
                     HARK_E_ACCEPT_NOT_HERE);
    party_end(&p);
}

/* It is asked after every batch: where nothing waits, nothing that the space remembers of
 * its index may go, or every entry would have to look for it anew. */
static void test_space_takeover__where_nothing_waits_nothing_is_forgotten(void **state)
{
    struct hark_key author = *hark_signer_key(world_signer(WORLD_LOG));
    struct party p;
    uint64_t post;

    (void)state;
    at_case = "nothing waits";
    party_begin(&p);
    hark_space_seen_note(p.nodes[HOME], &author, 1000);
    assert_false(party_take_over(&p));
    assert_true(hark_space_seen_noted(p.nodes[HOME], &author, 1000));
    post = party_post(&p, 1, p.topic);
    assert_int_equal(party_accept(&p, P, post), 0);
    assert_true(party_carry(&p, P, HOME, "p.example"));
    assert_true(party_take_over(&p));
    hark_space_seen_note(p.nodes[HOME], &author, 1000);
    assert_false(party_take_over(&p)); /* an intake that is taken to its end */
    assert_true(hark_space_seen_noted(p.nodes[HOME], &author, 1000));
    party_end(&p);
}

/* ---- Many ------------------------------------------------------------------------------ */

#define MANY 1200u

static void test_space_takeover__thousands_are_taken_over_in_several_batches(void **state)
{
    struct party p;
    struct hark_offer *offers = calloc(MANY, sizeof(*offers));
    struct hark_outcome *outcomes = calloc(MANY, sizeof(*outcomes));
    uint64_t batches = 0, before = 0;
    size_t from;

    (void)state;
    at_case = "many";
    assert_non_null(offers);
    assert_non_null(outcomes);
    party_begin(&p);
    from = p.world->count;
    for (size_t i = 0; i < MANY; i++)
        (void)party_post(&p, (unsigned)(i % MEMBERS), i == 0 ? p.topic : p.world->count - 1);
    /* Every second of P's comes 200 at a time, the rest by Q at once. */
    for (size_t i = 0; i < MANY; i++) {
        offers[i] = stage_offer(p.world->log[from + i], true);
        offers[i].now_ms = party_now(&p, P);
    }
    for (size_t i = 0; i < MANY / 2; i += 200)
        OK(hark_space_accept(p.nodes[P], "p.example", world_signer(p.logs[P]), offers + i, 200, 0,
                             outcomes + i, &err));
    assert_true(party_carry(&p, P, Q, "p.example"));
    OK(hark_space_accept(p.nodes[Q], "q.example", world_signer(p.logs[Q]), offers + MANY / 2,
                         MANY / 2, 0, outcomes + MANY / 2, &err));
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(outcomes[i].code, 0);
    /* Each is about the one before it: all of P's were copied in. */
    assert_int_equal(party_size(&p, Q, "q.example", &batches), MANY);
    assert_int_equal(batches, (MANY + HARK_BATCH_ENTRIES_MAX - 1) / HARK_BATCH_ENTRIES_MAX);
    (void)party_size(&p, HOME, "", &before);
    party_settle(&p);
    (void)party_size(&p, HOME, "", &batches);
    assert_int_equal(batches - before,
                     (MANY + HARK_BATCH_ENTRIES_MAX - 1) / HARK_BATCH_ENTRIES_MAX);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(logged_at(&p, from + i), p.base + i);
    expect_taken(&p, P, MANY / 2);
    expect_taken(&p, Q, MANY);
    free(offers);
    free(outcomes);
    party_end(&p);
}

static void test_space_takeover__what_waits_too_long_is_overdue(void **state)
{
    struct party p;
    uint64_t post, count = 0, oldest = 0, at;

    (void)state;
    at_case = "overdue";
    party_begin(&p);
    post = party_post(&p, 1, p.topic);
    at = party_now(&p, P);
    (void)party_accept(&p, P, post);
    assert_true(party_carry(&p, P, Q, "p.example"));
    p.world->now_ms += 3600000;
    (void)party_accept(&p, Q, post); /* the same: one entry waits, since then */
    for (unsigned node = P; node <= Q; node++) {
        OK(hark_space_overdue(p.nodes[node], at + 86400000, &count, &oldest, &err));
        assert_int_equal(count, 0);
    }
    OK(hark_space_overdue(p.nodes[Q], at + 86400001, &count, &oldest, &err));
    assert_int_equal(count, 1);
    assert_int_equal(oldest, at);
    party_settle(&p);
    OK(hark_space_overdue(p.nodes[Q], at + 86400001, &count, &oldest, &err));
    assert_int_equal(count, 0);
    /* A policy says otherwise. */
    world_say(p.world, WORLD_STEWARD, "policy",
              json_pack("{s:{s:i}}", "policy", "merge_delay_s", 60), HARK_NONE);
    party_log(&p, p.world->count - 1, p.world->count);
    post = party_post(&p, 2, p.topic);
    at = party_now(&p, P);
    (void)party_accept(&p, P, post);
    OK(hark_space_overdue(p.nodes[P], at + 60001, &count, &oldest, &err));
    assert_int_equal(count, 0); /* which P has not heard of */
    assert_true(party_carry(&p, HOME, P, ""));
    OK(hark_space_overdue(p.nodes[P], at + 60001, &count, &oldest, &err));
    assert_int_equal(count, 1);
    party_end(&p);
}

/* ---- At random ----------------------------------------------------------------------- */

#define SEEDS 2u
#define STEPS 100u

struct feed {
    size_t count, next; /* of numbers: handed in up to there */
    uint64_t numbers[STEPS];
};

struct play {
    struct party p;
    uint64_t random;
    struct feed feeds[MEMBERS + 1]; /* the last is the steward's */
    uint64_t ideas[STEPS];          /* what may be voted on and answered */
    size_t idea_count;
    /* The first member's key in other hands as well: a feed that goes another way. */
    bool forked;
    struct world_entry *branch[STEPS];
    size_t branch_count, branch_next;
};

static uint64_t draw(struct play *y, uint64_t below)
{
    uint64_t z = y->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

static void keep(struct play *y, unsigned feed, uint64_t number)
{
    struct feed *f = &y->feeds[feed];

    f->numbers[f->count++] = number;
}

/* One more entry, of a member or the steward; whatever it is about was written
 * before, and may not have come to where it is handed in. */
static void write_one(struct play *y)
{
    struct world *w = y->p.world;
    unsigned member = (unsigned)draw(y, MEMBERS);
    uint32_t by = y->p.members[member];
    struct world_draft draft = {.by = by, .re_count = 1};

    draft.re[0] =
        *party_id(&y->p, y->idea_count > 0 ? y->ideas[draw(y, y->idea_count)] : y->p.topic);
    switch (draw(y, 9)) {
    case 0:
    case 1:
        draft.kind = "idea";
        draft.fields = stage_text("body", "A bench");
        draft.re[0] = *party_id(&y->p, y->p.topic);
        break;
    case 2:
    case 3:
    case 4:
        draft.kind = "post";
        draft.fields = stage_text("body", "Yes");
        break;
    case 5:
    case 6:
        draft.kind = "vote";
        draft.fields = stage_text("choice", draw(y, 2) == 0 ? "agree" : "disagree");
        break;
    case 7: /* about nothing: to be logged as void */
        draft.kind = "post";
        draft.fields = stage_text("body", "To whom?");
        draft.re[0] = hark_sha256(hark_span(&y->random, sizeof(y->random)));
        break;
    default:
        draft.by = WORLD_STEWARD;
        member = MEMBERS;
        draft.re_count = 0;
        draft.kind = draw(y, 2) == 0 ? "role" : "policy";
        draft.fields = draft.kind[0] == 'r'
                           ? json_pack("{s:i, s:s}", "member", 0, "role", "staff")
                           : json_pack("{s:{s:i}}", "policy", "quorum", (int)draw(y, 3));
        break;
    }
    {
        struct world_entry *e = world_build(w, &draft);

        OK(world_apply(w, &e, &err));
    }
    if (strcmp(w->log[w->count - 1]->entry.kind, "idea") == 0)
        y->ideas[y->idea_count++] = w->count - 1;
    keep(y, member, w->count - 1);
}

/* Offers the next of a feed, or one of those before it once more, at a node. */
static void hand_in_one(struct play *y, unsigned node, unsigned feed, bool force)
{
    struct feed *f = &y->feeds[feed];
    size_t which = f->next < f->count && (force || f->next == 0 || draw(y, 4) > 0)
                       ? f->next
                       : (f->next > 0 ? (size_t)draw(y, f->next) : 0);
    bool accept = !force && draw(y, 3) > 0;
    int code;

    if (f->count == 0)
        return;
    if (node == HOME) {
        struct hark_offer offer = stage_offer(y->p.world->log[f->numbers[which]], accept);

        offer.now_ms = party_now(&y->p, HOME);
        OK(hark_space_begin(y->p.nodes[HOME], &err));
        code = hark_space_add(y->p.nodes[HOME], &offer, world_signer(WORLD_LOG), NULL, &err);
        OK(hark_space_commit(y->p.nodes[HOME], world_signer(WORLD_LOG), offer.now_ms, &err));
        if (code == HARK_E_ENTRY_DUPLICATE)
            code = 0;
    } else {
        code = party_hand_in(&y->p, node, f->numbers[which], accept).code;
    }
    if (code == 0 && which == f->next)
        f->next++;
}

static void branch_one(struct play *y)
{
    const struct world_entry *before =
        y->branch_count > 0 ? y->branch[y->branch_count - 1] : y->p.world->log[y->p.topic];
    struct world_draft draft = {.by = y->p.members[0],
                                .kind = "post",
                                .fields = stage_text("body", "Somebody else"),
                                .re_count = 1,
                                .re = {*party_id(&y->p, y->p.topic)},
                                .seq = before->entry.seq + 1,
                                .previous = &before->entry.id,
                                .parent = &before->arrival.git_id};

    if (y->branch_count < STEPS)
        y->branch[y->branch_count++] = world_build(y->p.world, &draft);
}

/* Whatever becomes of it: one of the two ways is logged, and nothing stands still. */
static void hand_in_branch(struct play *y)
{
    size_t which =
        draw(y, 3) > 0 || y->branch_next == 0 ? y->branch_next : (size_t)draw(y, y->branch_next);
    struct hark_outcome outcome;

    if (which >= y->branch_count)
        return;
    outcome = hand_in(&y->p, (unsigned)draw(y, 2) + P, y->branch[which], draw(y, 2) == 0, 0);
    if (outcome.code == 0 && which == y->branch_next)
        y->branch_next++;
}

static void carry_one(struct play *y)
{
    unsigned from = (unsigned)draw(y, NODES), to = (unsigned)draw(y, NODES);
    unsigned log = (unsigned)draw(y, NODES);

    if (from == to || (log == HOME && to == HOME) || log == to)
        return;
    (void)party_carry(&y->p, from, to, log == HOME ? "" : party_names[log]);
}

static void play_one(struct play *y)
{
    y->p.world->now_ms += draw(y, 2000);
    if (y->forked && draw(y, 8) == 0)
        branch_one(y);
    if (y->forked && draw(y, 3) == 0)
        hand_in_branch(y);
    switch (draw(y, 8)) {
    case 0:
    case 1:
        if (y->p.world->count < y->p.base + STEPS - 1)
            write_one(y);
        break;
    case 2:
    case 3:
    case 4:
        hand_in_one(y, (unsigned)draw(y, NODES), (unsigned)draw(y, MEMBERS + 1), false);
        break;
    case 5:
    case 6:
        carry_one(y);
        break;
    default:
        (void)party_take_over(&y->p);
        break;
    }
}

static void play_begin(struct play *y, uint64_t seed, bool forked)
{
    memset(y, 0, sizeof(*y));
    party_begin(&y->p);
    y->random = seed;
    y->forked = forked;
    y->p.skew_ms[P] = draw(y, 60000);
    y->p.skew_ms[Q] = draw(y, 60000);
    for (unsigned i = 0; i < 6 * STEPS; i++)
        play_one(y);
    party_settle(&y->p);
}

static void play_end(struct play *y)
{
    for (size_t i = 0; i < y->branch_count; i++)
        world_entry_free(y->branch[i]);
    party_end(&y->p);
}

static uint64_t seeds(uint64_t usual)
{
    const char *many = getenv("HARK_TEST_SEEDS"); /* by hand, for longer */

    return many != NULL ? strtoull(many, NULL, 10) : usual;
}

static void test_space_takeover__at_random_all_come_to_one_log(void **state)
{
    struct play *y = calloc(1, sizeof(*y));
    char name[32];

    (void)state;
    assert_non_null(y);
    at_case = name;
    for (uint64_t seed = 1, last = seeds(SEEDS); seed <= last; seed++) {
        struct hark_row row = {.position = 0};

        (void)snprintf(name, sizeof(name), "seed %llu", (unsigned long long)seed);
        play_begin(y, seed, false);
        /* What was taken in anywhere is logged; then the rest comes. */
        for (unsigned f = 0; f <= MEMBERS; f++) {
            for (size_t i = 0; i < y->feeds[f].next; i++)
                assert_true(party_find(&y->p, HOME, y->feeds[f].numbers[i], &row));
            while (y->feeds[f].next < y->feeds[f].count)
                hand_in_one(y, P, f, true);
        }
        party_settle(&y->p);
        for (size_t i = y->p.base; i < y->p.world->count; i++)
            assert_true(party_find(&y->p, HOME, i, &row));
        /* ... and once. */
        assert_int_equal(hark_state_size(hark_space_state(y->p.nodes[HOME])), y->p.world->count);
        play_end(y);
    }
    at_case = "";
    free(y);
}

/* Somebody writes two feeds with one key, each to another node: every node comes to the
 * same log all the same, and nobody's entries are held up but that key's. */
static void test_space_takeover__at_random_a_forked_feed_holds_up_nobody(void **state)
{
    struct play *y = calloc(1, sizeof(*y));
    char name[32];

    (void)state;
    assert_non_null(y);
    at_case = name;
    for (uint64_t seed = 1, last = seeds(SEEDS); seed <= last; seed++) {
        struct hark_row row = {.position = 0};

        (void)snprintf(name, sizeof(name), "forked, seed %llu", (unsigned long long)seed);
        play_begin(y, seed, true);
        for (unsigned f = 1; f <= MEMBERS; f++)
            for (size_t i = 0; i < y->feeds[f].next; i++)
                assert_true(party_find(&y->p, HOME, y->feeds[f].numbers[i], &row));
        play_end(y);
    }
    at_case = "";
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_takeover__a_reply_elsewhere_comes_after_its_post),
        cmocka_unit_test(test_space_takeover__the_same_entry_everywhere_is_logged_once),
        cmocka_unit_test(test_space_takeover__a_feed_written_by_turns_stays_in_order),
        cmocka_unit_test(test_space_takeover__a_twin_that_came_later_is_passed_over),
        cmocka_unit_test(test_space_takeover__what_is_handed_in_as_void_is_logged_as_void),
        cmocka_unit_test(test_space_takeover__a_removed_members_entry_is_logged_as_void),
        cmocka_unit_test(test_space_takeover__withheld_words_are_taken_from_another_intake),
        cmocka_unit_test(test_space_takeover__one_key_is_taken_from_only_so_often),
        cmocka_unit_test(test_space_takeover__only_a_named_node_takes_in),
        cmocka_unit_test(test_space_takeover__where_nothing_waits_nothing_is_forgotten),
        cmocka_unit_test(test_space_takeover__thousands_are_taken_over_in_several_batches),
        cmocka_unit_test(test_space_takeover__what_waits_too_long_is_overdue),
        cmocka_unit_test(test_space_takeover__at_random_all_come_to_one_log),
        cmocka_unit_test(test_space_takeover__at_random_a_forked_feed_holds_up_nobody),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
