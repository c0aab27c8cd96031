/*
 * schemas/inner_state: what a sealed entry is to who can open it, the rules that are asked of
 * it again, what is silent and why, erasing, comparing, and that it is the same over an
 * overlay and in a store opened again. That it agrees with an open space's state is
 * unit.inner_model's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/ok.h"

#include "tests/unit/inner_world.h"

enum { STAFF = 20, ANN = 21, BEN = 22 }; /* of the pool; members 0, 1, 2 */

static struct world *w;
static struct reader a; /* has all keys */

static int setup(void **state)
{
    static const char *const ROLES[] = {"staff", "member", "member"};

    (void)state;
    w = world_new_sealed(7, NULL, NULL);
    reader_open(&a, w, NULL);
    reader_step(&a, w, true);
    for (uint32_t i = 0; i < 3; i++) {
        world_say(w, WORLD_STEWARD, "admit",
                  world_fields_admit(w, STAFF + i, ROLES[i], WORLD_NO_KEY), HARK_NONE);
        reader_step(&a, w, true);
        if (i == 0)
            OK(hark_ring_learn(a.ring, 0, INNER_WORLD_KEY, &err));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reader_close(&a);
    world_free(w);
    return 0;
}

static json_t *body(const char *text)
{
    return json_pack("{s:s}", "body", text);
}

static json_t *agree(void)
{
    return json_pack("{s:s}", "choice", "agree");
}

/* Seals, logs and reads with all keys. */
static uint64_t say(uint32_t by, const char *kind, json_t *fields, uint64_t about, int inside)
{
    uint64_t position = seal_say(w, &a, by, kind, fields, about);

    reader_follow(&a, w);
    assert_int_equal(a.said.reading, HARK_READING_OPENED);
    assert_string_equal(a.said.inner.kind, kind);
    if (a.effect.verdict_code != inside)
        fail_msg("%s instead of %s", hark_err_name(a.effect.verdict_code), hark_err_name(inside));
    return position;
}

static struct hark_entry_object object_in(struct reader *r, uint64_t position)
{
    struct hark_entry_object object;

    OK(hark_state_entry(hark_inner_state_view(r->inner), position, &object, &err));
    return object;
}

static const char *kind_in(struct reader *r, uint64_t position)
{
    struct hark_entry_object object = object_in(r, position);

    return hark_kinds_get(hark_state_kinds(hark_inner_state_view(r->inner)), object.kind)->name;
}

static struct hark_inner_reading reading_of(struct reader *r)
{
    struct hark_inner_reading reading;

    OK(hark_inner_state_reading(r->inner, &reading, &err));
    return reading;
}

static struct hark_hash hash_of(struct reader *r)
{
    struct hark_hash hash;

    OK(hark_inner_state_hash(r->inner, &hash, &err));
    return hash;
}

static bool same_hash(struct reader *x, struct reader *y)
{
    struct hark_hash left = hash_of(x), right = hash_of(y);

    return hark_hash_equal(&left, &right);
}

static bool same_unread(struct reader *x, struct reader *y)
{
    struct hark_inner_reading left = reading_of(x), right = reading_of(y);

    return hark_hash_equal(&left.hash, &right.hash);
}

static uint64_t erase(uint32_t by, uint64_t position)
{
    uint64_t at = world_say(w, by, "erase", NULL, position);

    reader_follow(&a, w);
    assert_int_equal(a.effect.verdict, 0);
    return at;
}

/* ---- Opened ---------------------------------------------------------------------- */

static void test_inner_state__what_opens_is_of_its_inner_kind(void **state)
{
    uint64_t idea = say(ANN, "idea", body("A bench"), HARK_NONE, 0);
    uint64_t first = say(BEN, "vote", agree(), idea, 0), second, hide;

    (void)state;
    assert_string_equal(kind_in(&a, idea), "idea");
    assert_int_equal(a.effect.re_count, 1);
    assert_int_equal(a.effect.re[0], idea);
    assert_int_equal(a.effect.author, 2);
    assert_string_equal(json_string_value(json_object_get(a.said.inner.payload, "choice")),
                        "agree");
    second = say(BEN, "vote", agree(), idea, 0);
    assert_int_equal(a.effect.replaces, first);
    assert_int_equal(object_in(&a, second).replaces, first);
    hide = say(STAFF, "hide", json_pack("{s:s}", "reason", "r"), idea, 0);
    assert_int_equal(object_in(&a, idea).hidden_by, hide);
    /* What stands in the clear is as it is. */
    (void)world_say(w, ANN, "request", json_pack("{s:s}", "action", "role"), HARK_NONE);
    reader_follow(&a, w);
    assert_int_equal(a.said.reading, HARK_READING_CLEAR);
    assert_string_equal(kind_in(&a, w->count - 1), "request");
    assert_int_equal(reading_of(&a).unread, 0);
}

static void test_inner_state__the_rules_are_asked_again(void **state)
{
    uint64_t idea = say(ANN, "idea", body("A bench"), HARK_NONE, 0);
    uint64_t post = say(ANN, "post", body("p"), idea, 0), wrong;
    struct hark_seen seen = {.size = w->count};
    struct hark_entry entry = next_header(w, BEN, "sealed", &seen);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    struct hark_hash nothing = hark_sha256(hark_span_str("nothing"));

    (void)state;
    wrong = say(BEN, "decision", json_pack("{s:s, s:s}", "outcome", "planned", "reason", "r"), idea,
                HARK_E_VOID_ROLE);
    (void)say(BEN, "vote", agree(), post, HARK_E_VOID_RE_KIND);
    assert_string_equal(kind_in(&a, wrong), "decision");
    (void)say(ANN, "post", body("about what is void inside"), wrong, HARK_E_VOID_RE_VOID);
    (void)say(BEN, "revision", body("not mine"), idea, HARK_E_VOID_RE_OWN);
    (void)say(STAFF, "hide", json_pack("{s:s}", "reason", "r"), 1, HARK_E_VOID_RE_KIND);
    entry = next_header(w, BEN, "sealed", &seen);
    seal_next(w, &a, &out, &entry, "vote", agree(), &nothing, 1);
    (void)log_sealed(w, BEN, hark_buf_span(&out), &seen, 0);
    reader_follow(&a, w);
    assert_int_equal(a.effect.verdict_code, HARK_E_VOID_RE_NOTHING);
    /* A void one did nothing, and may be erased. */
    assert_int_equal(object_in(&a, idea).hidden_by, HARK_NONE);
    (void)erase(BEN, wrong);
    hark_buf_free(&out);
}

#define OWN                                                                                        \
    "kind: x-thing\nabout: A.\nwho: member\nmodes: open\nre: {min: 0, max: 2, kinds: [idea]}\n"    \
    "erasable: true\npayload: json\nfields:\n  body: {type: text, required: true, min: 1, max: "   \
    "9}\n"

/* What an author asks before sealing is what is answered when it is logged. */
static void test_inner_state__is_asked_before_sealing(void **state)
{
    uint64_t idea = say(ANN, "idea", body("i"), HARK_NONE, 0),
             post = say(BEN, "post", body("p"), idea, 0);
    struct hark_arrival now = {.arrival_ms = w->now_ms, .accepted_ms = w->now_ms};
    struct hark_seen seen = {.size = w->count};
    struct hark_entry entry = next_header(w, BEN, "sealed", &seen);
    struct hark_inner inner = {.kind = "vote", .re_count = 1};

    (void)state;
    inner.re[0] = w->log[idea]->entry.id;
    OK(hark_inner_state_judge(a.inner, &entry, &inner, &now, &err));
    inner.re[0] = w->log[post]->entry.id;
    assert_int_equal(hark_inner_state_judge(a.inner, &entry, &inner, &now, &err),
                     HARK_E_VOID_RE_KIND);
    (void)snprintf(inner.kind, sizeof(inner.kind), "hide");
    assert_int_equal(hark_inner_state_judge(a.inner, &entry, &inner, &now, &err), HARK_E_VOID_ROLE);
    assert_int_equal(hark_state_size(hark_inner_state_view(a.inner)), w->count);
}

static void test_inner_state__own_kinds_are_written_inside(void **state)
{
    uint64_t idea = say(ANN, "idea", body("i"), HARK_NONE, 0);
    struct world_draft draft = {.by = ANN, .kind = "x-thing"};

    (void)state;
    (void)world_say(w, WORLD_STEWARD, "kind",
                    json_pack("{s:s, s:s}", "name", "x-thing", "definition", OWN), HARK_NONE);
    reader_follow(&a, w);
    (void)say(ANN, "x-thing", body("own"), idea, 0);
    draft.fields = body("in the clear");
    (void)world_log(w, &draft, HARK_E_VOID_MODE);
    reader_follow(&a, w);
    assert_int_equal(a.effect.verdict_code, HARK_E_VOID_MODE);
    assert_int_equal(a.said.reading, HARK_READING_CLEAR);
}

static void test_inner_state__void_outside_is_void_inside(void **state)
{
    struct hark_seen seen = {.size = w->count};
    struct hark_entry entry = next_header(w, ANN, "sealed", &seen);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    uint64_t left;

    (void)state;
    (void)world_say(w, ANN, "leave", NULL, HARK_NONE);
    entry = next_header(w, ANN, "sealed", &seen);
    seal_next(w, &a, &out, &entry, "idea", body("too late"), NULL, 0);
    left = log_sealed(w, ANN, hark_buf_span(&out), &seen, HARK_E_VOID_MEMBER);
    reader_follow(&a, w);
    assert_int_equal(a.said.reading, HARK_READING_VOID);
    assert_int_equal(a.effect.verdict_code, HARK_E_VOID_MEMBER);
    assert_string_equal(kind_in(&a, left), "sealed");
    (void)say(BEN, "post", body("about it"), left, HARK_E_VOID_RE_VOID);
    hark_buf_free(&out);
}

static void test_inner_state__a_charter_says_title_and_objective(void **state)
{
    struct hark_entry entry = next_header(w, WORLD_STEWARD, "charter", NULL);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    struct world_draft draft = {.by = WORLD_STEWARD, .kind = "charter"};

    (void)state;
    seal_next(w, &a, &out, &entry, "charter",
              json_pack("{s:s,s:{s:s,s:s,s:s}}", "title", "T", "objective", "question", "Q",
                        "owner", "O", "until", "2026-12-31"),
              NULL, 0);
    draft.raw = hark_buf_span(&out);
    (void)world_log(w, &draft, 0);
    reader_follow(&a, w);
    assert_int_equal(a.said.reading, HARK_READING_OPENED);
    assert_string_equal(json_string_value(json_object_get(a.said.inner.payload, "title")), "T");
    assert_string_equal(kind_in(&a, w->count - 1), "charter");
    hark_buf_free(&out);
    /* The state does not hang on what it says. */
    entry = next_header(w, WORLD_STEWARD, "charter", NULL);
    OK(hark_ring_seal(&out, a.ring, &entry, hark_span_str("{}"), &err));
    draft.raw = hark_buf_span(&out);
    (void)world_log(w, &draft, 0);
    reader_step(&a, w, false);
    assert_int_equal(a.said.reading, HARK_READING_MISSING);
    assert_int_equal(reading_of(&a).unread, 0);
    hark_buf_free(&out);
}

/* ---- Silent ---------------------------------------------------------------------- */

static void assert_silent(uint64_t position, enum hark_reading reading, int error)
{
    reader_follow(&a, w);
    assert_int_equal(a.said.reading, reading);
    assert_int_equal(a.said.error, error);
    assert_null(a.said.inner.payload);
    assert_int_equal(a.effect.verdict, 0);
    assert_string_equal(kind_in(&a, position), "sealed");
    /* It may be named, whatever it was, by others than `revision`, which is one's own. */
    (void)say(BEN, "vote", agree(), position, 0);
    (void)say(BEN, "revision", body("r"), position, HARK_E_VOID_RE_OWN);
    (void)say(ANN, "revision", body("r"), position, 0);
}

static void test_inner_state__what_does_not_open_says_nothing(void **state)
{
    struct hark_seen seen = {.size = w->count};
    struct hark_entry entry = next_header(w, ANN, "sealed", &seen);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);

    (void)state;
    seal_next(w, &a, &out, &entry, "idea", body("i"), NULL, 0);
    out.data[out.size - 1] ^= 1;
    assert_silent(log_sealed(w, ANN, hark_buf_span(&out), &seen, 0), HARK_READING_SILENT,
                  HARK_E_ENVELOPE_SEAL);
    hark_buf_free(&out);
    entry = next_header(w, ANN, "sealed", &seen);
    OK(hark_ring_seal(&out, a.ring, &entry, hark_span_str("{}"), &err));
    assert_silent(log_sealed(w, ANN, hark_buf_span(&out), &seen, 0), HARK_READING_SILENT,
                  HARK_E_INNER_FORM);
    hark_buf_free(&out);
    entry = next_header(w, ANN, "sealed", &seen);
    OK(hark_ring_seal(&out, a.ring, &entry,
                      hark_span_str("{\"kind\":\"admit\",\"re\":[],\"payload\":null}"), &err));
    assert_silent(log_sealed(w, ANN, hark_buf_span(&out), &seen, 0), HARK_READING_SILENT,
                  HARK_E_INNER_KIND);
    assert_int_equal(reading_of(&a).unread, 0);
    hark_buf_free(&out);
}

static void test_inner_state__an_old_epoch_says_nothing(void **state)
{
    struct hark_seen seen = {.size = w->count};
    struct hark_entry entry = next_header(w, ANN, "sealed", &seen);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);

    (void)state;
    seal_next(w, &a, &out, &entry, "idea", body("i"), NULL, 0);
    (void)log_sealed(w, ANN, hark_buf_span(&out), &seen, 0);
    reader_follow(&a, w);
    hark_buf_free(&out);
    /* Sealed before somebody came, but the author says to have seen who did. */
    seen.size = w->count + 1;
    entry = next_header(w, ANN, "sealed", &seen);
    entry.time_ms += 1000;
    seal_next(w, &a, &out, &entry, "idea", body("i"), NULL, 0);
    (void)world_say(w, WORLD_STEWARD, "admit", world_fields_admit(w, 40, "member", WORLD_NO_KEY),
                    HARK_NONE);
    assert_silent(log_sealed(w, ANN, hark_buf_span(&out), &seen, 0), HARK_READING_SILENT,
                  HARK_E_ENVELOPE_OLD);
    hark_buf_free(&out);
}

/* Somebody else logs one's envelope first: whose payload is it then? */
static void test_inner_state__anothers_envelope_says_nothing(void **state)
{
    struct hark_seen seen = {.size = w->count};
    struct hark_entry entry = next_header(w, ANN, "sealed", &seen);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);

    (void)state;
    entry.time_ms += 1000;
    seal_next(w, &a, &out, &entry, "idea", body("i"), NULL, 0);
    (void)log_sealed(w, BEN, hark_buf_span(&out), &seen, 0);
    reader_follow(&a, w);
    assert_int_equal(a.said.error, HARK_E_ENVELOPE_KEY);
    assert_silent(log_sealed(w, ANN, hark_buf_span(&out), &seen, 0), HARK_READING_SILENT, 0);
    hark_buf_free(&out);
}

/* ---- Erasing --------------------------------------------------------------------- */

static void test_inner_state__an_erasure_wears_it(void **state)
{
    uint64_t idea = say(ANN, "idea", body("i"), HARK_NONE, 0);
    uint64_t first = say(BEN, "vote", agree(), idea, 0),
             second = say(BEN, "vote", agree(), idea, 0);
    uint64_t post = say(STAFF, "post", body("p"), idea, 0), at;
    struct reader anew;

    (void)state;
    assert_int_equal(reading_of(&a).worn, HARK_NONE);
    at = erase(BEN, second);
    assert_int_equal(reading_of(&a).worn, at);
    assert_int_equal(object_in(&a, second).erased_by, at);
    assert_string_equal(kind_in(&a, second), "vote");
    (void)erase(ANN, idea);
    assert_int_equal(reading_of(&a).worn, at); /* the first */
    reader_open(&anew, w, &a);
    reader_follow(&anew, w);
    assert_int_equal(reading_of(&anew).worn, HARK_NONE);
    assert_int_equal(reading_of(&anew).unread, 0);
    assert_false(same_hash(&a, &anew));
    assert_string_equal(kind_in(&anew, second), "sealed");
    assert_int_equal(object_in(&anew, second).erased_by, at);
    /* What was said about the idea stands all the same. */
    assert_string_equal(kind_in(&anew, idea), "sealed");
    assert_int_equal(object_in(&anew, first).verdict, 0);
    assert_int_equal(object_in(&anew, post).verdict, 0);
    reader_close(&anew);
}

/* What nobody could open is as silent when it is erased. */
static void test_inner_state__what_was_silent_wears_nothing(void **state)
{
    struct hark_seen seen = {.size = w->count};
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    struct hark_entry entry = next_header(w, ANN, "sealed", &seen);
    uint64_t position, missing;

    (void)state;
    OK(hark_ring_seal(&out, a.ring, &entry, hark_span_str("{}"), &err));
    position = log_sealed(w, ANN, hark_buf_span(&out), &seen, 0);
    (void)erase(ANN, position);
    assert_int_equal(reading_of(&a).worn, HARK_NONE);
    missing = seal_say(w, &a, ANN, "idea", body("i"), HARK_NONE);
    reader_step(&a, w, false);
    assert_int_equal(a.said.reading, HARK_READING_MISSING);
    assert_int_equal(reading_of(&a).unread, 1);
    assert_int_equal(reading_of(&a).last_unread, missing);
    missing = erase(STAFF, missing);
    assert_int_equal(reading_of(&a).worn, missing);
    hark_buf_free(&out);
}

/* The same envelope in two entries of one author opens in one of them, and is erased with
 * either. */
static void test_inner_state__an_envelope_named_twice_is_one(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct hark_seen seen = {.size = w->count};
        struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
        struct hark_entry entry;
        struct reader anew;
        uint64_t early, late;

        entry = next_header(w, ANN, "sealed", &seen);
        seal_next(w, &a, &out, &entry, "idea", body("i"), NULL, 0);
        early = log_sealed(w, ANN, hark_buf_span(&out), &seen, 0);
        reader_follow(&a, w);
        assert_int_equal(a.said.reading, HARK_READING_OPENED);
        late = log_sealed(w, ANN, hark_buf_span(&out), &seen, 0);
        reader_follow(&a, w);
        assert_int_equal(a.said.reading, HARK_READING_SILENT);
        reader_open(&anew, w, &a);
        reader_follow(&anew, w);
        assert_int_equal(reading_of(&anew).worn, HARK_NONE);
        (void)erase(ANN, i == 0 ? late : early);
        reader_follow(&anew, w);
        assert_int_equal(reading_of(&anew).worn, w->count - 1);
        assert_string_equal(kind_in(&anew, early), "idea");
        reader_close(&anew);
        hark_buf_free(&out);
    }
}

/* Another device of the same member's names it first, for which it does not open. */
static void test_inner_state__an_envelope_of_another_device(void **state)
{
    struct hark_seen seen;
    struct hark_entry entry;
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    uint64_t early, at;

    (void)state;
    (void)world_say(w, WORLD_STEWARD, "device", world_fields_device(w, 1, 41), HARK_NONE);
    reader_follow(&a, w);
    seen = (struct hark_seen){.size = w->count};
    entry = next_header(w, ANN, "sealed", &seen);
    entry.time_ms += 1000;
    seal_next(w, &a, &out, &entry, "idea", body("i"), NULL, 0);
    early = log_sealed(w, 41, hark_buf_span(&out), &seen, 0);
    reader_follow(&a, w);
    assert_int_equal(a.said.error, HARK_E_ENVELOPE_KEY);
    (void)log_sealed(w, ANN, hark_buf_span(&out), &seen, 0);
    reader_follow(&a, w);
    assert_int_equal(a.said.reading, HARK_READING_OPENED);
    assert_int_equal(reading_of(&a).worn, HARK_NONE);
    at = erase(ANN, early);
    assert_int_equal(reading_of(&a).worn, at);
    hark_buf_free(&out);
}

static void test_inner_state__all_of_a_members_is_erased(void **state)
{
    uint64_t at;
    struct reader anew;

    (void)state;
    (void)erase(BEN, 3); /* the admission of one who has said nothing */
    assert_int_equal(reading_of(&a).worn, HARK_NONE);
    (void)say(ANN, "idea", body("i"), HARK_NONE, 0);
    (void)erase(BEN, 3);
    assert_int_equal(reading_of(&a).worn, HARK_NONE);
    at = erase(ANN, 2);
    assert_int_equal(reading_of(&a).worn, at);
    reader_open(&anew, w, &a);
    reader_follow(&anew, w);
    assert_int_equal(reading_of(&anew).worn, HARK_NONE);
    reader_close(&anew);
}

/* The outer state is ahead: what is erased by then is silent, though its bytes be at hand. */
static void test_inner_state__what_is_erased_is_not_looked_at(void **state)
{
    uint64_t idea = seal_say(w, &a, ANN, "idea", body("i"), HARK_NONE);
    struct hark_hash hash;

    (void)state;
    (void)world_say(w, ANN, "erase", NULL, idea);
    reader_step(&a, w, true);
    assert_int_equal(a.said.reading, HARK_READING_ERASED);
    assert_int_equal(hark_inner_state_hash(a.inner, &hash, NULL), HARK_E_INTERNAL);
    reader_step(&a, w, true);
    assert_int_equal(reading_of(&a).worn, HARK_NONE);
    assert_int_equal(reading_of(&a).unread, 0);
}

/* ---- Comparing ------------------------------------------------------------------- */

static void test_inner_state__members_compare(void **state)
{
    struct reader b, newcomer, later;
    uint8_t key[HARK_EPOCH_KEY_SIZE];
    const struct hark_epoch *epoch = NULL;
    struct hark_hash outer;
    uint64_t idea = say(ANN, "idea", body("i"), HARK_NONE, 0);

    (void)state;
    (void)say(STAFF, "hide", json_pack("{s:s}", "reason", "r"), idea, 0);
    remove_member(w, 2, 9);
    reader_follow(&a, w);
    learn_fresh(&a, w, 9);
    (void)say(STAFF, "post", body("after the fresh key"), idea, 0);
    OK(hark_state_hash(w->state, &outer, &err));
    reader_open(&b, w, &a);
    reader_follow(&b, w);
    assert_true(same_hash(&a, &b) && same_unread(&a, &b));
    assert_int_equal(reading_of(&a).unread, 0);
    /* Who has the fresh key only misses two, reads the third, and says so. */
    reader_open(&newcomer, w, NULL);
    while (newcomer.fed + 1 < w->count)
        reader_step(&newcomer, w, true);
    assert_int_equal(newcomer.said.reading, HARK_READING_CLEAR);
    learn_fresh(&newcomer, w, 9);
    reader_follow(&newcomer, w);
    assert_int_equal(newcomer.said.reading, HARK_READING_OPENED);
    assert_int_equal(newcomer.effect.verdict, 0);
    assert_int_equal(reading_of(&newcomer).unread, 2);
    assert_false(same_hash(&a, &newcomer) || same_unread(&a, &newcomer));
    /* Given the older keys, made anew, it agrees. */
    OK(hark_ring_key(&epoch, a.ring, 0, &err));
    hark_epoch_bytes(key, epoch);
    OK(hark_ring_learn(newcomer.ring, 0, key, &err));
    reader_open(&later, w, &newcomer);
    reader_follow(&later, w);
    assert_true(same_hash(&a, &later) && same_unread(&a, &later));
    reader_close(&later);
    reader_close(&newcomer);
    reader_close(&b);
}

/* The unread hash is of all that was not read, not of the last alone. */
static void test_inner_state__every_unread_entry_counts(void **state)
{
    struct reader b;
    uint64_t first = seal_say(w, &a, ANN, "idea", body("i"), HARK_NONE);

    (void)state;
    (void)seal_say(w, &a, ANN, "idea", body("j"), HARK_NONE);
    reader_open(&b, w, &a);
    while (hark_state_size(hark_inner_state_view(b.inner)) < first)
        reader_step(&b, w, true);
    reader_step(&b, w, true);
    reader_step(&b, w, false);
    reader_step(&a, w, false);
    reader_step(&a, w, false);
    assert_int_equal(reading_of(&a).unread, 2);
    assert_int_equal(reading_of(&b).unread, 1);
    assert_int_equal(reading_of(&a).last_unread, reading_of(&b).last_unread);
    assert_false(same_unread(&a, &b) || same_hash(&a, &b));
    reader_close(&b);
}

/* Both hashes as 10.9 writes them. */
static void test_inner_state__the_hashes_byte_by_byte(void **state)
{
    struct hark_buf bytes = hark_buf_init(4096);
    struct hark_store store = hark_memstore_store(a.mem);
    struct hark_hash root, expected, hash;
    uint64_t position = seal_say(w, &a, ANN, "idea", body("i"), HARK_NONE);

    (void)state;
    reader_step(&a, w, false);
    OK(hark_buf_append_str(&bytes, "hark/unread/1\n", &err));
    for (size_t i = 0; i < HARK_HASH_SIZE; i++)
        OK(hark_buf_append_byte(&bytes, 0, &err));
    OK(hark_buf_append_u64(&bytes, position, &err));
    expected = hark_sha256(hark_buf_span(&bytes));
    hash = reading_of(&a).hash;
    assert_true(hark_hash_equal(&expected, &hash));
    hark_buf_free(&bytes);
    root = hark_merkle_root(hark_state_log(w->state));
    OK(hark_buf_append_str(&bytes, "hark/inner/1\n", &err));
    OK(hark_buf_append(&bytes, w->space.bytes, HARK_HASH_SIZE, &err));
    OK(hark_buf_append_u64(&bytes, w->count, &err));
    OK(hark_buf_append(&bytes, root.bytes, HARK_HASH_SIZE, &err));
    for (int i = 0; i < 10; i++) {
        uint64_t count = 0;

        OK(store.count(store.arg, (enum hark_section)i, &count, &err));
        OK(store.root(store.arg, (enum hark_section)i, &root, &err));
        OK(hark_buf_append_u64(&bytes, count, &err));
        OK(hark_buf_append(&bytes, root.bytes, HARK_HASH_SIZE, &err));
    }
    expected = hark_sha256(hark_buf_span(&bytes));
    hash = hash_of(&a);
    assert_true(hark_hash_equal(&expected, &hash));
    hark_buf_free(&bytes);
}

/* The hash is not the outer one's, even where nothing is sealed. */
static void test_inner_state__the_hash_has_a_label_of_its_own(void **state)
{
    struct hark_hash outer, inner = hash_of(&a);

    (void)state;
    OK(hark_state_hash(w->state, &outer, &err));
    assert_false(hark_hash_equal(&outer, &inner));
    OK(hark_state_hash(hark_inner_state_view(a.inner), &inner, &err));
    assert_true(hark_hash_equal(&outer, &inner));
}

/* ---- Stores ---------------------------------------------------------------------- */

static void test_inner_state__goes_on_in_its_store(void **state)
{
    struct hark_store store = hark_memstore_store(a.mem), outer = hark_memstore_store(w->mem);
    struct hark_inner_state *other = NULL;
    uint64_t idea = say(ANN, "idea", body("i"), HARK_NONE, 0);

    (void)state;
    hark_inner_state_free(a.inner);
    OK(hark_inner_state_open(&a.inner, w->state, a.ring, &store, &err));
    (void)say(BEN, "vote", agree(), idea, 0);
    OK(hark_inner_state_reload(a.inner, &err));
    (void)say(BEN, "vote", agree(), idea, 0);
    assert_int_equal(hark_inner_state_open(&other, w->state, a.ring, &outer, &err), HARK_E_DAMAGED);
    assert_null(other);
}

static void test_inner_state__damage_is_found(void **state)
{
    struct hark_store store = hark_memstore_store(a.mem);
    struct hark_inner_state *other = NULL;
    const struct world_entry *e;
    uint8_t bytes[HARK_OBJECT_MAX];
    struct hark_effect effect;
    struct hark_said said;
    size_t size = 0;

    (void)state;
    /* Member 1 is removed here and nowhere else. */
    OK(store.get(store.arg, HARK_SECTION_MEMBER, 1, bytes, &size, &err));
    bytes[1] = HARK_STATUS_REMOVED;
    OK(store.put(store.arg, HARK_SECTION_MEMBER, 1, bytes, size, &err));
    e = w->log[world_say(w, ANN, "request", json_pack("{s:s}", "action", "role"), HARK_NONE)];
    assert_int_equal(
        hark_inner_state_apply(a.inner, &e->entry, &e->arrival, e->payload, &effect, &said, NULL),
        HARK_E_DAMAGED);
    OK(store.get(store.arg, HARK_SECTION_SMALL, 8, bytes, &size, &err));
    OK(store.put(store.arg, HARK_SECTION_SMALL, 8, bytes, size - 1, &err));
    assert_int_equal(hark_inner_state_open(&other, w->state, a.ring, &store, &err), HARK_E_DAMAGED);
    OK(store.put(store.arg, HARK_SECTION_SMALL, 8, bytes, size, &err));
    OK(hark_inner_state_open(&other, w->state, a.ring, &store, &err));
    hark_inner_state_free(other);
}

/* A store whose Nth call fails. */
struct failing {
    struct hark_store below;
    unsigned calls, at; /* 0: none fails */
};

static int count_call(struct failing *f, struct hark_err *e)
{
    return ++f->calls == f->at ? hark_err_set(e, HARK_E_IO, "call %u", f->at) : 0;
}

static int fail_count(void *arg, enum hark_section s, uint64_t *count, struct hark_err *e)
{
    struct failing *f = arg;
    int rc = count_call(f, e);

    return rc != 0 ? rc : f->below.count(f->below.arg, s, count, e);
}

static int fail_get(void *arg, enum hark_section s, uint64_t n, uint8_t *out, size_t *size,
                    struct hark_err *e)
{
    struct failing *f = arg;
    int rc = count_call(f, e);

    return rc != 0 ? rc : f->below.get(f->below.arg, s, n, out, size, e);
}

static int fail_put(void *arg, enum hark_section s, uint64_t n, const uint8_t *bytes, size_t size,
                    struct hark_err *e)
{
    struct failing *f = arg;
    int rc = count_call(f, e);

    return rc != 0 ? rc : f->below.put(f->below.arg, s, n, bytes, size, e);
}

static int fail_find(void *arg, enum hark_lookup l, struct hark_span key, bool *found, uint64_t *n,
                     struct hark_err *e)
{
    struct failing *f = arg;
    int rc = count_call(f, e);

    return rc != 0 ? rc : f->below.find(f->below.arg, l, key, found, n, e);
}

static int fail_bind(void *arg, enum hark_lookup l, struct hark_span key, uint64_t n,
                     struct hark_err *e)
{
    struct failing *f = arg;
    int rc = count_call(f, e);

    return rc != 0 ? rc : f->below.bind(f->below.arg, l, key, n, e);
}

/* The next entry with every call of both stores failing in turn, inner one and outer one.
 * Returns how many calls there were. */
static unsigned apply_failing(bool outer_fails, const struct hark_hash *right)
{
    const struct world_entry *e = w->log[w->count - 1];
    unsigned at = 1;

    for (bool failed = true; failed; at++) {
        struct hark_memstore *mem = NULL;
        struct failing outside = {.below = hark_memstore_store(w->mem)}, inside = {.at = 0};
        struct hark_store store, outer_store = outside.below;
        struct hark_inner_state *inner = NULL;
        struct hark_state *outer = NULL;
        struct hark_effect effect;
        struct hark_said said;
        int rc;

        OK(hark_memstore_copy(&mem, a.mem, &err));
        store = inside.below = hark_memstore_store(mem);
        outer_store.arg = &outside;
        store.arg = &inside;
        outer_store.count = store.count = fail_count;
        outer_store.get = store.get = fail_get;
        outer_store.find = store.find = fail_find;
        store.put = fail_put;
        store.bind = fail_bind;
        OK(hark_state_open(&outer, &w->space, &outer_store, &err));
        OK(hark_inner_state_open(&inner, outer, a.ring, &store, &err));
        inside.calls = outside.calls = 0;
        *(outer_fails ? &outside.at : &inside.at) = at;
        rc =
            hark_inner_state_apply(inner, &e->entry, &e->arrival, e->payload, &effect, &said, &err);
        failed = rc != 0;
        assert_true(!failed || (rc == HARK_E_IO && said.inner.payload == NULL));
        if (!failed) {
            struct hark_hash hash;

            inside.at = outside.at = 0;
            store = inside.below;
            hark_inner_state_free(inner);
            OK(hark_inner_state_open(&inner, w->state, a.ring, &store, &err));
            OK(hark_inner_state_hash(inner, &hash, &err));
            assert_true(hark_hash_equal(&hash, right));
        }
        hark_inner_free(&said.inner);
        hark_inner_state_free(inner);
        hark_state_free(outer);
        hark_memstore_free(mem);
    }
    return at - 1;
}

static void try_last_failing(void)
{
    struct hark_hash right;
    struct reader b;

    reader_open(&b, w, &a);
    while (hark_state_size(hark_inner_state_view(b.inner)) + 1 < w->count)
        reader_step(&b, w, true);
    reader_step(&b, w, true);
    right = hash_of(&b);
    reader_close(&b);
    assert_true(apply_failing(false, &right) > 10);
    assert_true(apply_failing(true, &right) > 2);
    reader_follow(&a, w);
}

static void test_inner_state__a_stores_failure_is_told(void **state)
{
    uint64_t idea = say(ANN, "idea", body("i"), HARK_NONE, 0);

    (void)state;
    (void)say(BEN, "vote", agree(), idea, 0);
    (void)seal_say(w, &a, BEN, "vote", agree(), idea);
    try_last_failing();
    (void)seal_say(w, &a, STAFF, "hide", json_pack("{s:s}", "reason", "r"), idea);
    try_last_failing();
}

static void test_inner_state__runs_over_an_overlay(void **state)
{
    struct hark_store below = hark_memstore_store(w->mem), inner_below = hark_memstore_store(a.mem);
    struct hark_store store, inner_store;
    struct hark_overlay *over = NULL, *inner_over = NULL;
    struct hark_state *outer = NULL;
    struct hark_inner_state *inner = NULL;
    struct hark_effect effect;
    struct hark_said said;
    struct world_entry *entry;
    uint64_t idea = say(ANN, "idea", body("i"), HARK_NONE, 0), size = w->count;
    struct hark_seen seen = {.size = size};
    struct hark_entry header = next_header(w, BEN, "sealed", &seen);
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);
    struct world_draft draft = {.by = BEN, .kind = "sealed", .seen = &seen};

    (void)state;
    OK(hark_overlay_new(&over, &below, &err));
    OK(hark_overlay_new(&inner_over, &inner_below, &err));
    store = hark_overlay_store(over);
    inner_store = hark_overlay_store(inner_over);
    OK(hark_state_open(&outer, &w->space, &store, &err));
    OK(hark_inner_state_open(&inner, outer, a.ring, &inner_store, &err));
    seal_next(w, &a, &out, &header, "vote", agree(), &w->log[idea]->entry.id, 1);
    draft.raw = hark_buf_span(&out);
    entry = world_build(w, &draft);
    OK(hark_state_apply(outer, &entry->entry, &entry->arrival, entry->payload, &effect, &err));
    OK(hark_inner_state_apply(inner, &entry->entry, &entry->arrival, entry->payload, &effect, &said,
                              &err));
    assert_int_equal(effect.verdict, 0);
    assert_int_equal(effect.re[0], idea);
    assert_string_equal(said.inner.kind, "vote");
    hark_inner_free(&said.inner);
    assert_int_equal(hark_state_size(hark_inner_state_view(a.inner)), size);
    world_entry_free(entry);
    hark_inner_state_free(inner);
    hark_state_free(outer);
    hark_overlay_free(inner_over);
    hark_overlay_free(over);
    hark_buf_free(&out);
    (void)say(BEN, "vote", agree(), idea, 0);
    assert_int_equal(a.effect.replaces, HARK_NONE);
}

static void test_inner_state__misuse_is_refused_and_changes_nothing(void **state)
{
    uint64_t idea = seal_say(w, &a, ANN, "idea", body("i"), HARK_NONE);
    const struct world_entry *e = w->log[idea];
    struct hark_entry not_logged = e->entry;
    struct hark_effect effect;
    struct hark_said said;
    struct hark_buf bytes = hark_buf_init(HARK_ENVELOPE_MAX);

    (void)state;
    OK(hark_buf_append_span(&bytes, e->payload, &err));
    bytes.data[0] ^= 1;
    assert_int_equal(hark_inner_state_apply(a.inner, &e->entry, &e->arrival, hark_buf_span(&bytes),
                                            &effect, &said, NULL),
                     HARK_E_PAYLOAD_HASH);
    assert_int_equal(hark_inner_state_apply(a.inner, &e->entry, &e->arrival,
                                            hark_span(bytes.data, bytes.size - 1), &effect, &said,
                                            NULL),
                     HARK_E_PAYLOAD_SIZE);
    not_logged.id.bytes[0] ^= 1;
    assert_int_equal(
        hark_inner_state_apply(a.inner, &not_logged, &e->arrival, e->payload, &effect, &said, NULL),
        HARK_E_INTERNAL);
    e = w->log[1]; /* logged, but not here */
    assert_int_equal(
        hark_inner_state_apply(a.inner, &e->entry, &e->arrival, e->payload, &effect, &said, NULL),
        HARK_E_INTERNAL);
    assert_int_equal(hark_state_size(hark_inner_state_view(a.inner)), idea);
    reader_follow(&a, w);
    assert_int_equal(a.said.reading, HARK_READING_OPENED);
    hark_buf_free(&bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_inner_state__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_opens_is_of_its_inner_kind),
        TEST(the_rules_are_asked_again),
        TEST(is_asked_before_sealing),
        TEST(own_kinds_are_written_inside),
        TEST(void_outside_is_void_inside),
        TEST(a_charter_says_title_and_objective),
        TEST(what_does_not_open_says_nothing),
        TEST(an_old_epoch_says_nothing),
        TEST(anothers_envelope_says_nothing),
        TEST(an_erasure_wears_it),
        TEST(what_was_silent_wears_nothing),
        TEST(an_envelope_named_twice_is_one),
        TEST(an_envelope_of_another_device),
        TEST(all_of_a_members_is_erased),
        TEST(what_is_erased_is_not_looked_at),
        TEST(members_compare),
        TEST(every_unread_entry_counts),
        TEST(the_hashes_byte_by_byte),
        TEST(the_hash_has_a_label_of_its_own),
        TEST(goes_on_in_its_store),
        TEST(damage_is_found),
        TEST(a_stores_failure_is_told),
        TEST(runs_over_an_overlay),
        TEST(misuse_is_refused_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
