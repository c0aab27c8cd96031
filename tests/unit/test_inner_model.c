/*
 * schemas/inner_state against the state of an open space: random histories are written twice,
 * in the clear in an open space, and sealed in an encrypted one. What they come to, members,
 * keys, verdicts, votes, what is hidden, replaced and erased, has to be the same, entry by
 * entry, but that fresh keys take positions of their own.
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

enum { STEPS = 140, SEEDS = 30, FIRST_KEY = 20, MEMBERS_MAX = 12, POSITIONS_MAX = 1024 };

struct model {
    struct world *open, *sealed;
    struct reader reader;
    uint64_t to_sealed[POSITIONS_MAX];   /* by position in the open log */
    uint64_t from_sealed[POSITIONS_MAX]; /* HARK_NONE: has no counterpart */
    uint32_t members;
    uint8_t fresh;     /* the last key that was made */
    unsigned standing; /* sealed entries that stand inside, and that do not */
    unsigned fallen;
};

/* An entry to be written twice. */
struct twice {
    uint32_t by;
    const char *kind;
    bool sealed;
    json_t *fields; /* taken */
    size_t re_count;
    uint64_t re[HARK_ENTRY_RE_MAX]; /* open positions; HARK_NONE: nothing that there is */
    uint64_t ahead_ms;
};

static uint64_t chance(struct model *m, uint64_t below)
{
    return world_random(m->open, below);
}

static void read_on(struct model *m)
{
    reader_follow(&m->reader, m->sealed);
}

/* The last ones of both logs are the same. */
static void pair(struct model *m)
{
    struct world *o = m->open, *s = m->sealed;

    assert_true(s->count < POSITIONS_MAX);
    m->to_sealed[o->count - 1] = s->count - 1;
    m->from_sealed[s->count - 1] = o->count - 1;
    o->now_ms = s->now_ms = o->now_ms > s->now_ms ? o->now_ms : s->now_ms;
    read_on(m);
}

static void log_any(struct world *w, struct world_draft *draft)
{
    struct world_entry *entry = world_build(w, draft);

    OK(world_apply(w, &entry, &err));
}

static void fill_re(const struct twice *t, const struct world *w, const uint64_t *map,
                    struct hark_hash *re)
{
    for (size_t i = 0; i < t->re_count; i++)
        re[i] = t->re[i] == HARK_NONE ? hark_sha256(hark_span_str("nothing"))
                                      : w->log[map == NULL ? t->re[i] : map[t->re[i]]]->entry.id;
}

static void write_sealed(struct model *m, struct twice *t)
{
    struct world *s = m->sealed;
    struct hark_seen seen = {.size = s->count};
    struct world_draft draft = {.by = t->by, .kind = t->kind};
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_MAX);

    draft.time_ms = s->now_ms + t->ahead_ms;
    if (t->sealed) {
        struct hark_entry header = next_header(s, t->by, "sealed", &seen);
        struct hark_hash re[HARK_ENTRY_RE_MAX];

        header.time_ms = draft.time_ms;
        fill_re(t, s, m->to_sealed, re);
        seal_next(s, &m->reader, &out, &header, t->kind, t->fields, re, t->re_count);
        draft.kind = "sealed";
        draft.seen = &seen;
        draft.raw = hark_buf_span(&out);
    } else {
        draft.re_count = t->re_count;
        fill_re(t, s, m->to_sealed, draft.re);
        draft.fields = t->fields;
    }
    log_any(s, &draft);
    hark_buf_free(&out);
}

static void write_twice(struct model *m, struct twice *t)
{
    struct world_draft draft = {.by = t->by, .kind = t->kind, .re_count = t->re_count};

    draft.fields = json_deep_copy(t->fields);
    draft.time_ms = m->open->now_ms + t->ahead_ms;
    fill_re(t, m->open, NULL, draft.re);
    log_any(m->open, &draft);
    write_sealed(m, t);
    pair(m);
    if (t->sealed && m->reader.effect.verdict == 0)
        m->standing++;
    else if (t->sealed)
        m->fallen++;
}

/* ---- Random entries ------------------------------------------------------------ */

static void admit(struct model *m)
{
    const char *role = chance(m, 3) == 0 ? "staff" : "member";
    struct world *worlds[] = {m->open, m->sealed};

    if (m->members == MEMBERS_MAX)
        return;
    for (size_t i = 0; i < 2; i++)
        world_say(worlds[i], WORLD_STEWARD, "admit",
                  world_fields_admit(worlds[i], FIRST_KEY + m->members, role, WORLD_NO_KEY),
                  HARK_NONE);
    pair(m);
    if (m->members++ == 0)
        OK(hark_ring_learn(m->reader.ring, 0, INNER_WORLD_KEY, &err));
}

static void change_role(struct model *m)
{
    struct twice t = {.by = WORLD_STEWARD, .kind = "role"};

    t.fields = json_pack("{s:I, s:s}", "member", (json_int_t)chance(m, m->members), "role",
                         chance(m, 2) == 0 ? "staff" : "member");
    write_twice(m, &t);
}

static void remove_one(struct model *m)
{
    uint32_t member = (uint32_t)chance(m, m->members);
    struct hark_member_object object;

    OK(hark_state_member(m->open->state, member, &object, &err));
    if (object.status != HARK_STATUS_ACTIVE || m->members < 6)
        return;
    world_say(m->open, WORLD_STEWARD, "remove", json_pack("{s:I}", "member", (json_int_t)member),
              HARK_NONE);
    remove_member(m->sealed, member, ++m->fresh);
    pair(m);
    learn_fresh(&m->reader, m->sealed, m->fresh);
}

static void leave(struct model *m)
{
    struct twice t = {.by = FIRST_KEY + (uint32_t)chance(m, m->members), .kind = "leave"};

    if (m->members > 6)
        write_twice(m, &t);
}

static void name_some(struct model *m, struct twice *t, size_t least, size_t most)
{
    t->re_count = least + chance(m, most - least + 1);
    for (size_t i = 0; i < t->re_count; i++) {
        t->re[i] = chance(m, 30) == 0 ? HARK_NONE : chance(m, m->open->count);
        for (size_t k = 0; k < i; k++) /* rule I4 would make it silent */
            if (t->re[k] == t->re[i])
                t->re_count = i;
    }
}

/* Of that kind, mostly one that stands; where none is met, what was drawn. */
static void prefer(struct model *m, struct twice *t, const char *kind)
{
    for (int i = 0; t->re_count > 0 && i < 24; i++) {
        uint64_t at = chance(m, m->open->count);

        if (strcmp(m->open->log[at]->entry.kind, kind) != 0 ||
            (m->open->log[at]->effect.verdict != 0 && chance(m, 8) != 0))
            continue;
        t->re[0] = at;
        t->re_count = 1;
        return;
    }
}

static void erase(struct model *m)
{
    struct twice t = {.by = FIRST_KEY + (uint32_t)chance(m, m->members), .kind = "erase"};
    static const char *const KINDS[] = {"idea", "vote", "hide", "admit"};

    name_some(m, &t, 1, 3);
    if (chance(m, 4) != 0)
        prefer(m, &t, KINDS[chance(m, 4)]);
    write_twice(m, &t);
}

static const struct {
    const char *kind, *prefers;
    size_t least, most;
    const char *fields;
} INSIDE[] = {
    {"idea", "topic", 0, 1, "{\"body\":\"i\"}"},
    {"idea", "topic", 0, 1, "{\"body\":\"i\"}"},
    {"topic", "topic", 0, 1, "{\"title\":\"t\"}"},
    {"post", "idea", 1, 3, "{\"body\":\"p\"}"},
    {"vote", "idea", 1, 1, "{\"choice\":\"agree\"}"},
    {"vote", "idea", 1, 1, "{\"choice\":\"disagree\"}"},
    {"vote", "idea", 1, 1, "{\"choice\":\"agree\"}"},
    {"revision", "idea", 1, 1, "{\"body\":\"r\"}"},
    {"profile", "idea", 0, 0, "{\"name\":\"n\"}"},
    {"hide", "post", 1, 3, "{\"reason\":\"h\"}"},
    {"response", "idea", 1, 2, "{\"body\":\"r\"}"},
    {"decision", "topic", 1, 2, "{\"outcome\":\"planned\",\"reason\":\"d\"}"},
};

static void say_inside(struct model *m)
{
    size_t i = chance(m, sizeof(INSIDE) / sizeof(INSIDE[0]));
    struct twice t = {.kind = INSIDE[i].kind, .sealed = true};

    t.by = FIRST_KEY + (uint32_t)chance(m, m->members);
    t.fields = json_loads(INSIDE[i].fields, 0, NULL);
    t.ahead_ms = chance(m, 200) == 0 ? 400000 : 0;
    name_some(m, &t, INSIDE[i].least, INSIDE[i].most);
    if (chance(m, 5) != 0)
        prefer(m, &t, INSIDE[i].prefers);
    write_twice(m, &t);
}

static void step(struct model *m, bool erasing)
{
    uint64_t roll = chance(m, 40);

    if (m->members < 4 || roll == 0)
        admit(m);
    else if (roll == 1)
        change_role(m);
    else if (roll == 2)
        remove_one(m);
    else if (roll == 3 && chance(m, 3) == 0)
        leave(m);
    else if (roll < 8 && erasing)
        erase(m);
    else
        say_inside(m);
}

/* ---- The same? ----------------------------------------------------------------- */

static uint64_t mapped(const struct model *m, uint64_t position)
{
    return position == HARK_NONE || position == 0 ? position : m->to_sealed[position];
}

/* One that was void before it was opened is `sealed`, so of what is said of it, it is its
 * verdict and not its kind that is found wrong. */
static bool names_unopened(const struct model *m, uint64_t position)
{
    const struct hark_effect *effect = &m->open->log[position]->effect;
    bool names = false;

    for (size_t i = 0; i < effect->re_count; i++) {
        const struct world_entry *e;

        if (effect->re[i] == HARK_NONE)
            continue;
        e = m->sealed->log[m->to_sealed[effect->re[i]]];
        names = names || (e->effect.verdict != 0 && strcmp(e->entry.kind, "sealed") == 0);
    }
    return names;
}

/* Outside a rule is asked first of `sealed`, which any member may write, and not of the kind
 * inside: then it need not be the same rule that is broken. */
static bool same_verdict(const struct model *m, uint64_t position,
                         const struct hark_entry_object *plain,
                         const struct hark_entry_object *sealed)
{
    const struct world_entry *e = m->sealed->log[m->to_sealed[position]];

    if (e->effect.verdict != 0)
        return sealed->verdict == e->effect.verdict && plain->verdict != 0;
    return plain->verdict == sealed->verdict ||
           (plain->verdict == 12 && sealed->verdict == 13 && names_unopened(m, position));
}

static void compare_entry(struct model *m, uint64_t position)
{
    struct hark_state *inner = hark_inner_state_view(m->reader.inner);
    uint64_t at = m->to_sealed[position];
    const struct world_entry *e = m->sealed->log[at];
    struct hark_entry_object plain, sealed;
    bool plain_erased, sealed_erased;

    OK(hark_state_entry(m->open->state, position, &plain, &err));
    OK(hark_state_entry(inner, at, &sealed, &err));
    if (!same_verdict(m, position, &plain, &sealed))
        fail_msg("%s at %d is %s in the open and %s inside", m->open->log[position]->entry.kind,
                 (int)position, hark_err_name(hark_verdict_code(plain.verdict)),
                 hark_err_name(hark_verdict_code(sealed.verdict)));
    if (e->effect.verdict == 0)
        assert_int_equal(plain.kind, sealed.kind);
    assert_int_equal(plain.key, sealed.key);
    assert_int_equal(mapped(m, plain.hidden_by), sealed.hidden_by);
    assert_int_equal(mapped(m, plain.erased_by), sealed.erased_by);
    assert_int_equal(mapped(m, plain.replaces), sealed.replaces);
    assert_int_equal(mapped(m, plain.used_by), sealed.used_by);
    OK(hark_state_is_erased(m->open->state, position, &m->open->log[position]->entry, &plain_erased,
                            &err));
    OK(hark_state_is_erased(inner, at, &e->entry, &sealed_erased, &err));
    assert_true(plain_erased == sealed_erased);
}

static void compare_members(struct model *m)
{
    struct hark_state *inner = hark_inner_state_view(m->reader.inner);
    uint64_t plain[HARK_SECTION_HASHED_], sealed[HARK_SECTION_HASHED_];

    OK(hark_state_counts(m->open->state, plain, &err));
    OK(hark_state_counts(inner, sealed, &err));
    assert_int_equal(plain[HARK_SECTION_MEMBER], sealed[HARK_SECTION_MEMBER]);
    assert_int_equal(plain[HARK_SECTION_KEY], sealed[HARK_SECTION_KEY]);
    for (uint32_t i = 0; i < plain[HARK_SECTION_MEMBER]; i++) {
        struct hark_member_object x, y;

        OK(hark_state_member(m->open->state, i, &x, &err));
        OK(hark_state_member(inner, i, &y, &err));
        assert_true(x.role == y.role && x.status == y.status);
        assert_int_equal(mapped(m, x.admit), y.admit);
        assert_int_equal(mapped(m, x.erased_below), y.erased_below);
    }
    for (uint32_t i = 0; i < plain[HARK_SECTION_KEY]; i++) {
        struct hark_key_object x, y;

        OK(hark_state_key(m->open->state, i, &x, &err));
        OK(hark_state_key(inner, i, &y, &err));
        assert_true(x.of == y.of && x.owner == y.owner && hark_key_equal(&x.key, &y.key));
        assert_int_equal(mapped(m, x.since), y.since);
        assert_int_equal(mapped(m, x.until), y.until);
    }
}

/* Made anew it is the same, unless an erasure has worn it. */
static void compare_anew(struct model *m, bool *worn)
{
    struct hark_inner_reading reading, other;
    struct hark_hash left, right;
    struct reader anew;

    reader_open(&anew, m->sealed, &m->reader);
    reader_follow(&anew, m->sealed);
    OK(hark_inner_state_reading(m->reader.inner, &reading, &err));
    OK(hark_inner_state_reading(anew.inner, &other, &err));
    OK(hark_inner_state_hash(m->reader.inner, &left, &err));
    OK(hark_inner_state_hash(anew.inner, &right, &err));
    *worn = reading.worn != HARK_NONE;
    assert_int_equal(other.worn, HARK_NONE);
    assert_int_equal(reading.unread, 0);
    assert_int_equal(other.unread, 0);
    assert_true(hark_hash_equal(&left, &right) == !*worn);
    reader_close(&anew);
}

/* Two that miss the same agree, and say that they do not compare with who misses nothing. */
static void compare_missing(struct model *m)
{
    struct hark_inner_reading reading[2];
    struct hark_hash hash[2];

    for (size_t i = 0; i < 2; i++) {
        struct reader r;

        reader_open(&r, m->sealed, &m->reader);
        for (uint64_t at = 0; at < m->sealed->count; at++)
            reader_step(&r, m->sealed, at % 7 != 3);
        OK(hark_inner_state_reading(r.inner, &reading[i], &err));
        OK(hark_inner_state_hash(r.inner, &hash[i], &err));
        assert_int_equal(reading[i].worn, HARK_NONE);
        assert_true(reading[i].unread > 0);
        reader_close(&r);
    }
    assert_true(hark_hash_equal(&reading[0].hash, &reading[1].hash));
    assert_true(hark_hash_equal(&hash[0], &hash[1]));
}

static void run(uint64_t seed, bool erasing, struct model *m)
{
    bool worn = false;

    memset(m, 0, sizeof(*m));
    m->open = world_new(seed, NULL, NULL);
    m->sealed = world_new_sealed(seed, NULL, NULL);
    reader_open(&m->reader, m->sealed, NULL);
    pair(m);
    for (int i = 0; i < STEPS; i++)
        step(m, erasing);
    for (uint64_t i = 0; i < m->open->count; i++)
        compare_entry(m, i);
    compare_members(m);
    compare_anew(m, &worn);
    compare_missing(m);
    assert_true(erasing || !worn);
    reader_close(&m->reader);
    world_free(m->open);
    world_free(m->sealed);
}

static void test_inner_model__agrees_with_an_open_space(void **state)
{
    static struct model m;
    unsigned standing = 0, fallen = 0, fresh = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, seed % 3 != 0, &m);
        standing += m.standing;
        fallen += m.fallen;
        fresh += m.fresh;
    }
    /* So that it does not agree on nothing. */
    print_message("%u stand inside, %u do not, %u fresh keys\n", standing, fallen, fresh);
    assert_true(standing > 900 && fallen > 500 && fresh > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inner_model__agrees_with_an_open_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
