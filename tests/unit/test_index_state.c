/*
 * node/index under a real state: random logs of every kind (seeds are in the
 * messages) go through hark_state over the index's store. What the rows say must
 * be what the state says, and a newcomer who never saw the erased payloads must
 * end with the same index as one who had them and erased them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "node/index.h"
#include "schemas/payload.h"
#include "tests/support/worldgen.h"

#define LOGS    16
#define ENTRIES 160

struct site { /* an index with its state */
    uint64_t seed;
    char dir[64], path[96];
    struct hark_index *index;
    struct hark_store store;
    struct hark_state *state;
    struct hark_err err;
};

#define ok(s, call)                                                                                \
    do {                                                                                           \
        int ok_rc_ = (call);                                                                       \
        if (ok_rc_ != 0)                                                                           \
            fail_msg("seed %llu: %s: %s: %s", (unsigned long long)(s)->seed, #call,                \
                     hark_err_name(ok_rc_), (s)->err.message);                                     \
    } while (0)

static void site_open(struct site *s, const struct world *world)
{
    ok(s, hark_index_open(&s->index, s->path, &world->space, true, false, &s->err));
    s->store = hark_index_store(s->index);
    ok(s, hark_state_open(&s->state, &world->space, &s->store, &s->err));
}

static void site_close(struct site *s)
{
    hark_state_free(s->state);
    hark_index_free(s->index);
    s->state = NULL;
    s->index = NULL;
}

static void site_new(struct site *s, const struct world *world, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    s->seed = seed;
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/hark-index.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->path, sizeof(s->path), "%s/index.db", s->dir);
    site_open(s, world);
}

static void site_remove(struct site *s)
{
    site_close(s);
    assert_int_equal(unlink(s->path), 0);
    assert_int_equal(rmdir(s->dir), 0);
}

/* PROTOCOL.md 6.3, as the node decides it. */
static enum hark_says decide(struct site *s, const struct hark_kind *kind,
                             const struct world_entry *e, const struct hark_effect *effect,
                             struct hark_span payload, json_t **json)
{
    bool erased = false;

    if (!e->entry.has_payload)
        return HARK_SAYS_NONE;
    ok(s, hark_state_is_erased(s->state, effect->position, &e->entry, &erased, &s->err));
    if (erased)
        return HARK_SAYS_ERASED;
    if (effect->payload_foreign)
        return HARK_SAYS_FOREIGN;
    if (payload.data == NULL)
        return HARK_SAYS_MISSING;
    if (kind->payload == HARK_PAYLOAD_BINARY)
        return HARK_SAYS_SEALED;
    if (kind->payload == HARK_PAYLOAD_NONE || hark_payload_check(kind, payload, json, NULL) != 0)
        return HARK_SAYS_INVALID;
    return HARK_SAYS_IT;
}

static void site_add(struct site *s, const struct world_entry *e, bool has_payload)
{
    struct hark_span payload = has_payload ? e->payload : hark_span(NULL, 0);
    struct hark_line line = {.arrival_ms = e->arrival.arrival_ms,
                             .accepted_ms = e->arrival.accepted_ms,
                             .id = e->entry.id};
    struct hark_effect effect;
    const struct hark_kind *kind;
    json_t *json = NULL;
    struct hark_index_entry item = {
        .entry = &e->entry, .effect = &effect, .kind = e->entry.kind, .arrival = e->arrival};

    ok(s, hark_state_apply(s->state, &e->entry, &e->arrival, payload, &effect, &s->err));
    kind = hark_kinds_get(hark_state_kinds(s->state), effect.kind);
    item.leaf = hark_line_leaf(&line);
    item.has_blob = payload.data != NULL && e->entry.has_payload;
    memcpy(item.blob.bytes, e->entry.payload_hash.bytes, HARK_GIT_ID_SIZE);
    item.says = decide(s, kind, e, &effect, payload, &json);
    item.payload = json;
    ok(s, hark_index_add(s->index, &item, &s->err));
    json_decref(json);
}

static void assert_row(struct site *s, const struct world_entry *e, uint64_t position)
{
    struct hark_entry_object object;
    struct hark_row row;
    bool erased = false;

    ok(s, hark_state_entry(s->state, position, &object, &s->err));
    ok(s, hark_index_row(s->index, position, &row, &s->err));
    ok(s, hark_state_is_erased(s->state, position, &e->entry, &erased, &s->err));
    if (row.verdict != object.verdict || row.hidden_by != object.hidden_by ||
        row.replaces != object.replaces || row.used_by != object.used_by ||
        /* with its member, perhaps, before it was named */
        (object.erased_by != HARK_NONE && row.erased_by > object.erased_by) ||
        (row.says == HARK_SAYS_ERASED) != erased || !hark_hash_equal(&row.id, &e->entry.id))
        fail_msg(
            "seed %llu: row %llu (%s) is not what the state says: verdict %u/%u hidden %lld/%lld"
            " replaces %lld/%lld used %lld/%lld erased by %lld/%lld, says %d, erased %d",
            (unsigned long long)s->seed, (unsigned long long)position, row.kind, row.verdict,
            object.verdict, (long long)row.hidden_by, (long long)object.hidden_by,
            (long long)row.replaces, (long long)object.replaces, (long long)row.used_by,
            (long long)object.used_by, (long long)row.erased_by, (long long)object.erased_by,
            row.says, erased);
}

static void assert_members(struct site *s)
{
    uint64_t counts[HARK_SECTION_HASHED_], by_role[2], wanted[2] = {0};

    ok(s, hark_state_counts(s->state, counts, &s->err));
    for (uint64_t m = 0; m < counts[HARK_SECTION_MEMBER]; m++) {
        struct hark_member_object member;

        ok(s, hark_state_member(s->state, (uint32_t)m, &member, &s->err));
        wanted[member.role] += member.status == HARK_STATUS_ACTIVE;
    }
    ok(s, hark_index_active(s->index, by_role, &s->err));
    assert_memory_equal(by_role, wanted, sizeof(wanted));
}

static void assert_like_state(struct site *s, const struct world *world, size_t count,
                              const struct hark_hash *wanted)
{
    struct hark_hash hash;

    ok(s, hark_state_hash(s->state, &hash, &s->err));
    if (!hark_hash_equal(&hash, wanted))
        fail_msg("seed %llu: another state hash at %zu", (unsigned long long)s->seed, count);
    for (uint64_t i = 0; i < count; i++)
        assert_row(s, world->log[i], i);
    assert_members(s);
    ok(s, hark_index_check(s->index, &s->err));
}

/* One that follows the log from the beginning, with transactions, rollbacks and
 * restarts wherever they fall. */
static void follow(struct site *s, struct world *world, const struct hark_hash *hashes)
{
    size_t at = 0;

    while (at < world->count) {
        size_t begun = at, many = 1 + (size_t)world_random(world, 30);

        ok(s, hark_index_begin(s->index, &s->err));
        for (; at < world->count && at < begun + many; at++)
            site_add(s, world->log[at], true);
        if (world_random(world, 4) == 0) {
            hark_index_rollback(s->index);
            ok(s, hark_state_reload(s->state, &s->err));
            at = begun;
            continue;
        }
        ok(s, hark_index_commit(s->index, &s->err));
        if (world_random(world, 4) == 0) {
            site_close(s);
            site_open(s, world);
        }
        if (world_random(world, 4) == 0)
            assert_like_state(s, world, at, &hashes[at - 1]);
    }
    assert_like_state(s, world, at, &hashes[at - 1]);
}

/* A newcomer is given no payload that the finished log calls erased. */
static void join_late(struct site *s, struct site *old, const struct world *world,
                      const struct hark_hash *hashes)
{
    ok(s, hark_index_begin(s->index, &s->err));
    for (size_t i = 0; i < world->count; i++) {
        bool erased = false;

        ok(old, hark_state_is_erased(old->state, i, &world->log[i]->entry, &erased, &old->err));
        site_add(s, world->log[i], !erased);
    }
    ok(s, hark_index_commit(s->index, &s->err));
    assert_like_state(s, world, world->count, &hashes[world->count - 1]);
}

/* One that lacks half of the erasable payloads at first and gets them later, the
 * newest first. */
static void fill_late(struct site *s, struct world *world)
{
    ok(s, hark_index_begin(s->index, &s->err));
    for (size_t i = 0; i < world->count; i++) {
        const struct world_entry *e = world->log[i];
        const struct hark_kind *kind =
            hark_kinds_get(hark_state_kinds(world->state), e->effect.kind);

        site_add(s, e, !kind->erasable || world_random(world, 2) == 0);
    }
    ok(s, hark_index_commit(s->index, &s->err));
    ok(s, hark_index_begin(s->index, &s->err));
    for (size_t i = world->count; i-- > 0;) {
        const struct world_entry *e = world->log[i];
        const struct hark_kind *kind = hark_kinds_get(hark_state_kinds(s->state), e->effect.kind);
        struct hark_git_id blob;
        struct hark_row row;
        json_t *json = NULL;
        enum hark_says says;

        ok(s, hark_index_row(s->index, i, &row, &s->err));
        if (!e->entry.has_payload || row.has_blob || row.says == HARK_SAYS_ERASED)
            continue;
        says = decide(s, kind, e, &e->effect, e->payload, &json);
        memcpy(blob.bytes, e->entry.payload_hash.bytes, HARK_GIT_ID_SIZE);
        ok(s, hark_index_payload_came(s->index, i, &blob, says, json, &s->err));
        json_decref(json);
    }
    ok(s, hark_index_commit(s->index, &s->err));
    ok(s, hark_index_check(s->index, &s->err));
}

static void assert_same(struct site *a, struct site *b, size_t count)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_hash ha, hb;

    ok(a, hark_index_content_hash(a->index, &ha, &a->err));
    ok(b, hark_index_content_hash(b->index, &hb, &b->err));
    if (!hark_hash_equal(&ha, &hb))
        fail_msg("seed %llu: another content hash for a newcomer", (unsigned long long)a->seed);
    for (uint64_t i = 0; i < count; i++) {
        char ta[300], tb[300];

        for (uint64_t below = 0; below < count; below += count / 3) {
            struct hark_tally tally_a, tally_b;

            ok(a, hark_index_tally(a->index, i, NULL, 0, below, &tally_a, &a->err));
            ok(b, hark_index_tally(b->index, i, NULL, 0, below, &tally_b, &b->err));
            assert_memory_equal(&tally_a, &tally_b, sizeof(tally_a));
        }
        ok(a, hark_index_title(a->index, i, ta, sizeof(ta), &a->err));
        ok(b, hark_index_title(b->index, i, tb, sizeof(tb), &b->err));
        assert_string_equal(ta, tb);
    }
    ok(a, hark_state_counts(a->state, counts, &a->err));
    for (uint64_t m = 0; m < counts[HARK_SECTION_MEMBER]; m++) {
        struct hark_cohort *ca = NULL, *cb = NULL;
        size_t na = 0, nb = 0;
        char name_a[101], name_b[101];

        ok(a, hark_index_member_name(a->index, (uint32_t)m, name_a, sizeof(name_a), &a->err));
        ok(b, hark_index_member_name(b->index, (uint32_t)m, name_b, sizeof(name_b), &b->err));
        assert_string_equal(name_a, name_b);
        ok(a, hark_index_member_cohorts(a->index, (uint32_t)m, &ca, &na, &a->err));
        ok(b, hark_index_member_cohorts(b->index, (uint32_t)m, &cb, &nb, &b->err));
        assert_int_equal(na, nb);
        for (size_t i = 0; i < na; i++)
            assert_string_equal(ca[i].value, cb[i].value);
        free(ca);
        free(cb);
    }
}

static size_t go_through_logs(bool sealed)
{
    size_t erased_rows = 0;

    for (uint64_t seed = 1; seed <= LOGS; seed++) {
        struct world *world =
            sealed ? world_new_sealed(seed, NULL, NULL) : world_new(seed, NULL, NULL);
        struct hark_hash hashes[ENTRIES];
        struct site first, late, lacking;

        assert_int_equal(hark_state_hash(world->state, &hashes[0], NULL), 0);
        while (world->count < ENTRIES) {
            world_step(world);
            assert_int_equal(hark_state_hash(world->state, &hashes[world->count - 1], NULL), 0);
        }
        site_new(&first, world, seed);
        site_new(&late, world, seed);
        site_new(&lacking, world, seed);
        follow(&first, world, hashes);
        join_late(&late, &first, world, hashes);
        assert_same(&first, &late, world->count);
        fill_late(&lacking, world);
        assert_same(&first, &lacking, world->count);
        for (size_t i = 0; i < world->count; i++) {
            struct hark_row row;

            ok(&first, hark_index_row(first.index, i, &row, &first.err));
            erased_rows += row.says == HARK_SAYS_ERASED;
        }
        site_remove(&first);
        site_remove(&late);
        site_remove(&lacking);
        world_free(world);
    }
    return erased_rows;
}

static void test_index_state__rows_say_what_the_state_says(void **state)
{
    (void)state;
    assert_true(go_through_logs(false) > LOGS); /* else it would not have said much */
}

/* Their state has sections more. */
static void test_index_state__encrypted_spaces_as_well(void **state)
{
    (void)state;
    assert_true(go_through_logs(true) > LOGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_state__rows_say_what_the_state_says),
        cmocka_unit_test(test_index_state__encrypted_spaces_as_well),
    };

    return cmocka_run_group_tests_name("index_state", tests, NULL, NULL);
}
