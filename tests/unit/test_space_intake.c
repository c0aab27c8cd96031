/*
 * Intake logs, over real repositories and indexes: what a partner has accepted
 * arrives at the home and at another partner as it was written, waits there until it
 * is logged, comes back out of git when the index is lost, and can be erased. A batch
 * altered in any one place is refused by its rule's name and leaves everything as it
 * was.
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

#include "node/space_internal.h"
#include "tests/unit/flight_stage.h"
#include "tests/vectors/craft.h"

#define NAME_P "p.example"
#define PARTS  8u

/* ---- Carrying --------------------------------------------------------------------- */

static struct space_item item_of(const struct party *p, uint64_t number)
{
    struct space_item item = {.object = p->world->log[number]->object,
                              .payload = p->world->log[number]->payload,
                              .payload_state = p->world->log[number]->payload.data != NULL};

    hark_space_item_prepare(&item, false);
    assert_int_equal(item.code, 0);
    return item;
}

static int try_append(struct party *p, unsigned node, const uint64_t *numbers, size_t count)
{
    struct space_item items[PARTS];

    assert_true(count <= PARTS);
    for (size_t i = 0; i < count; i++)
        items[i] = item_of(p, numbers[i]);
    memset(&err, 0, sizeof(err));
    return hark_space_intake_append(p->nodes[node], party_names[node], world_signer(p->logs[node]),
                                    items, count, party_now(p, node), &err);
}

static void append(struct party *p, unsigned node, uint64_t number)
{
    OK(try_append(p, node, &number, 1));
}

static uint64_t batches_of(struct hark_space *space, const char *log)
{
    struct hark_log_head head;
    uint64_t batches = 0;
    int rc = hark_space_log(space, log, &head, &batches, &err);

    if (rc != HARK_E_NOT_FOUND)
        OK(rc);
    return batches;
}

/* What the one has of a log and the other has not. */
static void carry(struct party *p, unsigned from, unsigned to, const char *log)
{
    for (uint64_t i = batches_of(p->nodes[to], log); i < batches_of(p->nodes[from], log); i++) {
        struct hark_space_batch batch;

        OK(hark_space_read_batch(p->nodes[from], log, i, &batch, &err));
        OK(hark_space_take(p->nodes[to], log, &batch.raw, party_now(p, to), &err));
        hark_space_batch_free(&batch);
    }
}

static void assert_same_intake(struct hark_space *a, struct hark_space *b, const char *log)
{
    struct hark_log_head x, y;
    uint64_t m = 0, n = 0;
    bool fits = false;
    struct hark_hash root;

    OK(hark_space_log(a, log, &x, &m, &err));
    OK(hark_space_log(b, log, &y, &n, &err));
    assert_int_equal(m, n);
    assert_true(stage_same_head(&x, &y));
    assert_int_equal(x.main_size, y.main_size);
    root = hark_merkle_root(&x.tree);
    OK(hark_space_fits(b, log, m, x.tree.size, &root, &fits, &err));
    assert_true(fits);
    OK(hark_space_fits(b, log, m - 1, x.tree.size, &root, &fits, &err));
    assert_false(fits);
}

/* ---- What waits -------------------------------------------------------------------- */

struct seen {
    struct party *p;
    size_t count;
    uint64_t numbers[PARTS];
    char nodes[PARTS][HARK_NODE_NAME_MAX + 1];
    uint8_t states[PARTS];
};

static int see(void *arg, const struct hark_waiting *waiting, struct hark_err *e)
{
    struct seen *seen = arg;

    (void)e;
    assert_true(seen->count < PARTS);
    for (uint64_t n = 0; n < seen->p->world->count; n++) {
        const struct world_entry *entry = seen->p->world->log[n];

        if (!hark_hash_equal(&entry->entry.id, &waiting->id))
            continue;
        assert_true(hark_span_equal(entry->object, waiting->object));
        if (waiting->payload_state == 1)
            assert_true(hark_span_equal(entry->payload, waiting->payload));
        else
            assert_null(waiting->payload.data);
        seen->numbers[seen->count] = n;
    }
    (void)snprintf(seen->nodes[seen->count], sizeof(seen->nodes[0]), "%s", waiting->node);
    seen->states[seen->count++] = waiting->payload_state;
    return 0;
}

static struct seen waiting_at(struct party *p, unsigned node)
{
    struct seen seen = {.p = p};

    OK(hark_space_each_waiting(p->nodes[node], see, &seen, &err));
    return seen;
}

static void assert_waiting(struct party *p, unsigned node, const uint64_t *numbers, size_t count)
{
    struct seen seen = waiting_at(p, node);

    if (seen.count != count)
        fail_msg("%s: %zu entries wait instead of %zu", at_case, seen.count, count);
    for (size_t i = 0; i < count; i++)
        if (seen.numbers[i] != numbers[i])
            fail_msg("%s: %llu waits at %zu instead of %llu", at_case,
                     (unsigned long long)seen.numbers[i], i, (unsigned long long)numbers[i]);
}

/* The home logs everything that waits, by whichever intake it stands in first, and
 * says so. */
struct logging {
    struct party *p;
    size_t count;
};

static int log_one(void *arg, const struct hark_waiting *waiting, struct hark_err *e)
{
    struct logging *l = arg;
    struct hark_offer offer = {
        .bytes = waiting->object, .payload = waiting->payload, .now_ms = party_now(l->p, HOME)};

    l->count++;
    return hark_space_add_from(l->p->nodes[HOME], &offer, waiting->node, waiting->position,
                               waiting->accepted_ms, world_signer(WORLD_LOG), NULL, e);
}

static struct hark_taken taken_of(struct hark_space *space, const char *node)
{
    struct hark_taken taken = {.size = 0};
    struct hark_log_head head;
    uint64_t batches;

    OK(hark_space_log(space, node, &head, &batches, &err));
    memcpy(taken.origin, head.origin, sizeof(taken.origin));
    taken.size = head.tree.size;
    taken.root = hark_merkle_root(&head.tree);
    return taken;
}

static size_t take_over(struct party *p)
{
    struct hark_space *home = p->nodes[HOME];
    struct hark_taken taken[NODES];
    struct logging l = {.p = p};
    hark_node_name *names = NULL;
    size_t count = 0;

    OK(hark_space_intakes(home, &names, &count, &err));
    for (size_t i = 0; i < count; i++)
        taken[i] = taken_of(home, names[i]);
    free(names);
    OK(hark_space_begin(home, &err));
    OK(hark_space_each_waiting(home, log_one, &l, &err));
    OK(hark_space_pending_taken(home, taken, count, &err));
    OK(hark_space_commit(home, world_signer(WORLD_LOG), party_now(p, HOME), &err));
    return l.count;
}

/* ---- As it should go ------------------------------------------------------------------ */

static void test_space_intake__arrives_waits_and_is_logged(void **state)
{
    struct party p;
    struct hark_row row = {0};
    struct hark_hash x, y;
    uint64_t n[3], size = 0, first;
    bool advances = false;

    (void)state;
    at_case = "the way of an entry";
    party_begin(&p);
    first = p.base;
    n[0] = party_post(&p, 1, p.topic);
    n[1] = party_post(&p, 2, n[0]);
    append(&p, P, n[0]);
    p.world->now_ms += 1000;
    append(&p, Q, n[0]); /* copied in, with what hangs on it */
    append(&p, Q, n[1]);
    n[2] = party_post(&p, 1, p.topic);
    p.world->now_ms += 1000;
    append(&p, P, n[2]);
    for (unsigned i = 0; i < NODES; i++) {
        carry(&p, P, i, party_names[P]);
        carry(&p, Q, i, party_names[Q]);
        assert_same_intake(p.nodes[P], p.nodes[i], party_names[P]);
        assert_same_intake(p.nodes[Q], p.nodes[i], party_names[Q]);
        assert_waiting(&p, i, (const uint64_t[]){n[0], n[0], n[1], n[2]}, 4);
        OK(hark_space_tend(p.nodes[i], &err));
    }
    assert_int_equal(take_over(&p), 3); /* the copy is passed over */
    assert_waiting(&p, HOME, NULL, 0);
    for (unsigned i = P; i < NODES; i++) {
        carry(&p, HOME, i, "");
        assert_waiting(&p, i, NULL, 0);
        OK(hark_space_taken(p.nodes[i], party_names[P], &size, &err));
        assert_int_equal(size, 2);
        OK(hark_state_hash(hark_space_state(p.nodes[HOME]), &x, &err));
        OK(hark_state_hash(hark_space_state(p.nodes[i]), &y, &err));
        assert_true(hark_hash_equal(&x, &y));
    }
    for (uint64_t i = 0; i < 3; i++) {
        struct hark_space_batch batch;
        struct hark_line *lines = NULL;
        size_t count = 0;

        OK(hark_index_row(hark_space_index(p.nodes[Q]), first + i, &row, &err));
        assert_true(hark_hash_equal(&row.id, party_id(&p, n[i])));
        assert_true(row.arrival_ms >= row.accepted_ms && row.says == HARK_SAYS_IT);
        OK(stage_read(p.nodes[HOME], first, &batch, &err));
        OK(hark_lines_decode(&lines, &count, batch.raw.entries, &err));
        assert_int_equal(count, 3);
        assert_int_equal(lines[i].intake_position, i == 0 ? 0 : 1);
        assert_int_equal(strncmp(lines[i].intake, i == 1 ? "q." : "p.", 2), 0);
        free(lines);
        hark_space_batch_free(&batch);
    }
    /* Said once, it is not said again: nothing comes of it. */
    OK(hark_space_taken_advances(&p.nodes[HOME]->store,
                                 &(struct hark_taken){.origin = NAME_P "/x/intake", .size = 2},
                                 &advances, &err));
    assert_false(advances);
    size = batches_of(p.nodes[HOME], "");
    assert_int_equal(take_over(&p), 0);
    assert_int_equal(batches_of(p.nodes[HOME], ""), size);
    for (unsigned i = 0; i < NODES; i++)
        assert_sound(p.nodes[i]);
    party_end(&p);
}

/* A batch that only says what was taken over can be served and followed. */
static void test_space_intake__a_batch_may_hold_nothing_but_what_was_taken(void **state)
{
    struct hark_log_head head;
    struct hark_taken taken;
    struct party p;
    uint64_t n, batches = 0, size = 0;

    (void)state;
    at_case = "nothing but Taken";
    party_begin(&p);
    n = party_post(&p, 1, p.topic);
    append(&p, P, n);
    carry(&p, P, HOME, NAME_P);
    party_log(&p, n, n + 1); /* it came to the home first-hand as well */
    assert_waiting(&p, HOME, NULL, 0);
    taken = taken_of(p.nodes[HOME], NAME_P);
    OK(hark_space_begin(p.nodes[HOME], &err));
    OK(hark_space_pending_taken(p.nodes[HOME], &taken, 1, &err));
    OK(hark_space_commit(p.nodes[HOME], world_signer(WORLD_LOG), party_now(&p, HOME), &err));
    OK(hark_space_log(p.nodes[HOME], "", &head, &batches, &err));
    assert_int_equal(head.tree.size, p.base + 1);
    carry(&p, HOME, P, "");
    carry(&p, HOME, Q, ""); /* knows nothing of that intake */
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(batches_of(p.nodes[i], ""), batches);
        OK(hark_space_taken(p.nodes[i], NAME_P, &size, &err));
        assert_int_equal(size, 1);
        OK(hark_space_reindex(p.nodes[i], &err));
        OK(hark_space_taken(p.nodes[i], NAME_P, &size, &err));
        assert_int_equal(size, 1);
        assert_sound(p.nodes[i]);
    }
    party_end(&p);
}

/* The index is derived: lost, it comes back from the refs, the payloads with it. */
static void test_space_intake__comes_back_out_of_git(void **state)
{
    struct party p;
    struct seen before, after;
    uint64_t n[3];
    char path[256], script[640];

    (void)state;
    at_case = "reindex";
    party_begin(&p);
    n[0] = party_post(&p, 1, p.topic);
    n[1] = party_post(&p, 2, n[0]);
    append(&p, P, n[0]);
    append(&p, P, n[1]);
    carry(&p, P, Q, NAME_P);
    OK(hark_space_tend(p.nodes[Q], &err));
    n[2] = party_post(&p, 2, p.topic);
    append(&p, P, n[2]);
    carry(&p, P, Q, NAME_P); /* not under the payload ref yet */
    before = waiting_at(&p, Q);
    OK(hark_space_reindex(p.nodes[Q], &err));
    after = waiting_at(&p, Q);
    assert_int_equal(before.count, 3);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_same_intake(p.nodes[P], p.nodes[Q], NAME_P);
    assert_sound(p.nodes[Q]);
    stage_repository(path, sizeof(path), &p.world->space); /* the newest copy is Q's */
    (void)snprintf(script, sizeof(script), "git -C '%s' fsck --strict --full 2>&1", path);
    assert_int_equal(run_tool(stage_dir, script), 0);
    (void)snprintf(script, sizeof(script),
                   "git -C '%s' gc --quiet --prune=now && git -C '%s' fsck --strict", path, path);
    assert_int_equal(run_tool(stage_dir, script), 0);
    party_end(&p);
}

/* Killed between the ref and the index: the next start finds it. */
static void test_space_intake__a_crash_before_the_index_is_caught_up(void **state)
{
    struct hark_space_batch batch;
    struct hark_git_id id, head;
    struct hark_log_head at;
    struct party p;
    bool exists = false;
    uint64_t n, batches = 0;
    char place[STAGE_PATH_MAX];

    (void)state;
    at_case = "crash";
    party_begin(&p);
    n = party_post(&p, 1, p.topic);
    append(&p, P, n);
    OK(hark_space_read_batch(p.nodes[P], NAME_P, 0, &batch, &err));
    OK(hark_repo_store(hark_space_repo(p.nodes[Q]), "intake/" NAME_P, &batch.raw, NULL, &id, NULL,
                       &err));
    hark_space_batch_free(&batch);
    assert_int_equal(hark_space_log(p.nodes[Q], NAME_P, &at, &batches, &err), HARK_E_NOT_FOUND);
    hark_space_free(p.nodes[Q]);
    (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, stage_copies);
    OK(hark_space_open(&p.nodes[Q], place, &p.world->space, false, NULL, &err));
    assert_same_intake(p.nodes[P], p.nodes[Q], NAME_P);
    assert_waiting(&p, Q, &n, 1);
    OK(hark_repo_head(hark_space_repo(p.nodes[Q]), "intake/" NAME_P, &exists, &head, &err));
    assert_true(exists && hark_git_id_equal(&head, &id));
    assert_sound(p.nodes[Q]);
    party_end(&p);
}

/* ---- What one's own may hold ------------------------------------------------------------ */

static void expect_append(struct party *p, const char *what, const uint64_t *numbers, size_t count,
                          int code)
{
    struct snapshot was;

    at_case = what;
    stage_copies -= NODES - 1 - P; /* P's copy */
    stage_snapshot(&was, p->nodes[P]);
    assert_code(try_append(p, P, numbers, count), code);
    if (code != 0)
        assert_unchanged(&was, p->nodes[P]);
    stage_copies += NODES - 1 - P;
}

static void test_space_intake__holds_only_what_could_be_logged_after_it(void **state)
{
    struct party p;
    uint64_t first, second, third, admit, theirs;
    uint32_t newcomer;

    (void)state;
    party_begin(&p);
    first = party_post(&p, 1, p.topic);
    second = party_post(&p, 1, p.topic);
    third = party_post(&p, 1, p.topic);
    newcomer = world_new_key(p.world);
    admit = world_say(p.world, WORLD_STEWARD, "admit",
                      world_fields_admit(p.world, newcomer, "member", WORLD_NO_KEY), HARK_NONE);
    theirs = world_say(p.world, newcomer, "topic", stage_text("title", "New here"), HARK_NONE);
    expect_append(&p, "a gap", &second, 1, HARK_E_ENTRY_GAP);
    expect_append(&p, "the wrong way round", (uint64_t[]){second, first}, 2, HARK_E_ENTRY_GAP);
    expect_append(&p, "twice in one batch", (uint64_t[]){first, first}, 2, HARK_E_ENTRY_DUPLICATE);
    expect_append(&p, "what is logged", &p.topic, 1, HARK_E_ENTRY_DUPLICATE);
    expect_append(&p, "a stranger", &theirs, 1, HARK_E_ENTRY_KEY);
    expect_append(&p, "two of a feed", (uint64_t[]){first, second}, 2, 0);
    expect_append(&p, "again", &first, 1, HARK_E_ENTRY_DUPLICATE);
    expect_append(&p, "the next", &third, 1, 0);
    expect_append(&p, "a newcomer with the entry that admits them", (uint64_t[]){admit, theirs}, 2,
                  0);
    carry(&p, P, Q, NAME_P);
    assert_waiting(&p, Q, (uint64_t[]){first, second, third, admit, theirs}, 5);
    at_case = "another's log key";
    p.logs[P] = p.logs[Q];
    assert_code(try_append(&p, P, &third, 1), HARK_E_ACCEPT_NOT_HERE);
    party_end(&p);
}

/* A twin below Main is held against an intake; one above it is not: it could not
 * have been known. */
static void test_space_intake__hangs_on_the_main_log_below_its_main_only(void **state)
{
    struct hark_space_batch batch;
    struct party p, other;
    struct snapshot was;
    uint64_t n;

    (void)state;
    at_case = "twins";
    party_begin(&p);
    n = party_post(&p, 1, p.topic);
    append(&p, P, n);
    /* The home logs another entry of that seq. */
    party_write(&other);
    world_say(other.world, other.members[1], "topic", stage_text("title", "Twin"), HARK_NONE);
    memcpy(other.nodes, p.nodes, sizeof(other.nodes));
    party_log(&other, n, n + 1);
    carry(&p, HOME, Q, "");
    carry(&p, P, Q, NAME_P);
    assert_waiting(&p, Q, &n, 1); /* for whoever takes over to pass over */
    OK(hark_space_reindex(p.nodes[Q], &err));
    assert_waiting(&p, Q, &n, 1);
    assert_sound(p.nodes[Q]);
    /* Had P known it, it would not have been taken in. */
    OK(hark_space_read_batch(p.nodes[P], NAME_P, 0, &batch, &err));
    hark_space_free(p.nodes[P]);
    p.nodes[P] = stage_open_copy(&p.world->space);
    carry(&p, HOME, P, "");
    stage_snapshot(&was, p.nodes[P]);
    assert_code(try_append(&p, P, &n, 1), HARK_E_ENTRY_TWIN);
    assert_unchanged(&was, p.nodes[P]);
    hark_space_batch_free(&batch);
    world_free(other.world);
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_intake__arrives_waits_and_is_logged),
        cmocka_unit_test(test_space_intake__a_batch_may_hold_nothing_but_what_was_taken),
        cmocka_unit_test(test_space_intake__comes_back_out_of_git),
        cmocka_unit_test(test_space_intake__a_crash_before_the_index_is_caught_up),
        cmocka_unit_test(test_space_intake__holds_only_what_could_be_logged_after_it),
        cmocka_unit_test(test_space_intake__hangs_on_the_main_log_below_its_main_only),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
