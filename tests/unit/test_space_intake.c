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
#include "schemas/receipt.h"
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

/* ---- A batch in parts, put together again around what was altered --------------------- */

enum step {
    AT_LINES,      /* the entries and their lines */
    AT_CHECKPOINT, /* what the checkpoint says; its signer */
    AT_FIELDS,     /* the commit's fields, tree, parents; its signer */
    AT_BYTES,      /* everything is signed */
};

struct forge {
    struct party *p;
    struct hark_space_batch good;
    struct hark_log_head head; /* before it */
    uint64_t now_ms;           /* the reader's clock */
    size_t count;
    struct hark_raw_entry items[PARTS];
    struct hark_line lines[PARTS];
    struct hark_git_id ids[PARTS];
    struct hark_git_id tree;
    struct hark_batch batch;
    struct hark_checkpoint checkpoint;
    uint32_t signer, note_signer;
    struct hark_buf entries, note, commit;
    struct hark_buf spare;       /* what an item was made to point to */
    struct world_entry *strange; /* an entry drafted for the case */
};

typedef void alter_fn(struct forge *f, enum step step);

static void put_together(struct forge *f, alter_fn *alter)
{
    struct hark_buf tree = hark_buf_init(4096);
    struct hark_merkle merkle = f->head.tree;

    alter(f, AT_LINES);
    OK(hark_lines_encode(&f->entries, f->lines, f->count, &err));
    f->batch.entries = hark_sha256(hark_buf_span(&f->entries));
    f->batch.count = f->count;
    for (size_t i = 0; i < f->count; i++) {
        struct hark_hash leaf = hark_line_leaf(&f->lines[i]);

        hark_merkle_append(&merkle, &leaf);
        f->ids[i] = hark_git_hash(HARK_GIT_COMMIT, f->items[i].object);
    }
    f->checkpoint.size = merkle.size;
    f->checkpoint.root = hark_merkle_root(&merkle);
    memcpy(f->checkpoint.origin, f->batch.origin, sizeof(f->batch.origin));
    alter(f, AT_CHECKPOINT);
    OK(hark_checkpoint_sign(&f->note, &f->checkpoint, world_signer(f->note_signer), NULL, &err));
    OK(hark_git_batch_tree(&tree, &f->tree, hark_buf_span(&f->note), hark_buf_span(&f->entries),
                           &err));
    alter(f, AT_FIELDS);
    OK(hark_batch_build(&f->commit, &f->batch, &f->tree, f->ids, world_signer(f->signer), &err));
    alter(f, AT_BYTES);
    hark_buf_free(&tree);
}

/* Batch 1 of P's intake, in parts. */
static void take_apart(struct forge *f, struct party *p)
{
    struct hark_line *lines = NULL;
    uint64_t batches;

    memset(f, 0, sizeof(*f));
    f->p = p;
    f->now_ms = p->world->now_ms + 60000;
    f->signer = f->note_signer = p->logs[P];
    f->entries = hark_buf_init(HARK_BATCH_FILE_MAX + 1);
    f->note = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX + 64);
    f->commit = hark_buf_init(CRAFT_MAX);
    f->spare = hark_buf_init(1u << 17);
    OK(hark_space_log(p->nodes[Q], NAME_P, &f->head, &batches, &err));
    OK(hark_space_read_batch(p->nodes[P], NAME_P, batches, &f->good, &err));
    f->count = f->good.raw.count;
    assert_true(f->count < PARTS);
    memcpy(f->items, f->good.raw.items, f->count * sizeof(f->items[0]));
    OK(hark_lines_decode(&lines, &f->count, f->good.raw.entries, &err));
    memcpy(f->lines, lines, f->count * sizeof(*lines));
    free(lines);
    OK(hark_batch_parse(&f->batch, NULL, NULL, f->good.raw.commit, NULL, &err));
}

static struct hark_raw_batch raw_of(const struct forge *f)
{
    return (struct hark_raw_batch){.commit = hark_buf_span(&f->commit),
                                   .entries = hark_buf_span(&f->entries),
                                   .checkpoint = hark_buf_span(&f->note),
                                   .count = f->count,
                                   .items = f->items};
}

static void forge_free(struct forge *f)
{
    hark_space_batch_free(&f->good);
    hark_buf_free(&f->entries);
    hark_buf_free(&f->note);
    hark_buf_free(&f->commit);
    hark_buf_free(&f->spare);
    if (f->strange != NULL)
        world_entry_free(f->strange);
}

static void nothing(struct forge *f, enum step step)
{
    (void)f;
    (void)step;
}

/* Signed anew around an edit that building would refuse. */
static void resign(struct forge *f, const struct craft_edit *edits)
{
    craft_unsign(&f->commit);
    craft_edit(&f->commit, edits);
    craft_sign(&f->commit, world_signer(f->signer));
}

static void b1_no_main(struct forge *f, enum step step)
{
    char line[128];
    struct craft_edit edits[] = {ONE(line, ""), {.old = NULL}};
    const char *at, *end;

    if (step != AT_BYTES)
        return;
    at = memmem(f->commit.data, f->commit.size, "Main: ", 6);
    assert_non_null(at);
    end = memchr(at, '\n', f->commit.size - (size_t)(at - (const char *)f->commit.data));
    assert_non_null(end);
    (void)snprintf(line, sizeof(line), "%.*s", (int)(end + 1 - at), at);
    resign(f, edits);
}

/* With a Taken, as only the main log has them. */
static void b1_taken(struct forge *f, enum step step)
{
    char taken[1024], old[128];
    struct craft_edit edits[] = {ONE(old, taken), {.old = NULL}};
    const char *at, *end;

    if (step != AT_BYTES)
        return;
    at = memmem(f->commit.data, f->commit.size, "Main: ", 6);
    assert_non_null(at);
    end = memchr(at, '\n', f->commit.size - (size_t)(at - (const char *)f->commit.data));
    assert_non_null(end);
    (void)snprintf(old, sizeof(old), "%.*s", (int)(end + 1 - at), at);
    (void)snprintf(taken, sizeof(taken), "%sTaken: q.example/%.64s/intake 1 %.64s\n", old,
                   f->head.origin + strlen(NAME_P) + 1, f->head.origin + strlen(NAME_P) + 1);
    resign(f, edits);
}

static void b1_empty(struct forge *f, enum step step)
{
    static const char line[] = "Positions: 2 0";
    char old[] = "Positions: 2 3", subject[] = "batch 2 3";
    const struct craft_edit edits[] = {ONE(subject, "batch 2 0"), ONE(old, line), {.old = NULL}};

    if (step == AT_BYTES)
        resign(f, edits);
}

static void b2_home_signs(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->signer = WORLD_LOG;
}

static void b2_other_partner_signs(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        f->note_signer = f->signer = f->p->logs[Q];
}

static void b2_words(struct forge *f, enum step step)
{
    uint8_t *at;

    if (step != AT_BYTES)
        return;
    at = memmem(f->commit.data, f->commit.size, "\nMain: ", 7);
    assert_non_null(at);
    at[7] = at[7] == '1' ? '2' : '1';
}

static void b3_another_intake(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        hark_origin(f->batch.origin, "q.example", &f->p->world->space, 0);
}

static void b3_another_space(struct forge *f, enum step step)
{
    struct hark_hash other = {.bytes = {1}};

    if (step == AT_FIELDS)
        hark_origin(f->batch.origin, NAME_P, &other, 0);
}

static void b3_a_main_log(struct forge *f, enum step step)
{
    if (step == AT_FIELDS) {
        hark_origin(f->batch.origin, NAME_P, &f->p->world->space, 1);
        f->batch.has_main = false;
    }
}

static void b4_first(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.first++;
}

static void b4_an_entry_less(struct forge *f, enum step step)
{
    if (step == AT_BYTES)
        f->count--;
}

static void b5_previous(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.previous.bytes[0] ^= 1;
}

static void b5_parent(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.previous_id.bytes[0] ^= 1;
}

static void b6_tree(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->tree.bytes[0] ^= 1;
}

static void b7_hash(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.entries.bytes[0] ^= 1;
}

static void b7_names_an_intake(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        hark_origin(f->lines[1].intake, "q.example", &f->p->world->space, 0);
}

static void b7_line_id(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        f->lines[1].id.bytes[0] ^= 1;
}

static void b8_parents(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->ids[0] = f->ids[1];
}

static void set_arrival(struct forge *f, size_t i, uint64_t arrival, uint64_t accepted)
{
    f->lines[i].arrival_ms = arrival;
    f->lines[i].accepted_ms = accepted;
}

static void b9_before_the_last_batch(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        set_arrival(f, 0, WORLD_START_MS, WORLD_START_MS);
}

static void b9_accepted_before_it_arrived(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        f->lines[1].accepted_ms--;
}

static void b9_after_the_batch(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        set_arrival(f, f->count - 1, f->batch.time_ms + 1, f->batch.time_ms + 1);
}

static void b9_time(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.time_ms = f->lines[0].arrival_ms - 1;
}

static void b10_ahead(struct forge *f, enum step step)
{
    if (step == AT_BYTES)
        f->now_ms = f->batch.time_ms - HARK_AHEAD_MAX_MS - 1;
}

static void b11_key(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        f->note_signer = WORLD_LOG;
}

static void b11_origin(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        hark_origin(f->checkpoint.origin, NAME_P, &f->p->world->space, 1);
}

static void b11_size(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        f->checkpoint.size++;
}

static void b12_root(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        f->checkpoint.root.bytes[0] ^= 1;
}

/* Replaces the second entry by one that is drafted now. */
static void replace_by(struct forge *f, struct world_draft *draft)
{
    f->strange = world_build(f->p->world, draft);
    f->items[1] = (struct hark_raw_entry){f->strange->object, f->strange->payload.data != NULL,
                                          f->strange->payload};
    f->lines[1].id = f->strange->entry.id;
}

static void b14_stranger(struct forge *f, enum step step)
{
    struct world_draft d = {.by = 200, .kind = "topic"};

    if (step == AT_LINES) {
        d.fields = stage_text("title", "I");
        replace_by(f, &d);
    }
}

static void b14_another_space(struct forge *f, enum step step)
{
    struct hark_hash other = {.bytes = {1}};
    struct world_draft d = {.by = f->p->members[2], .kind = "topic", .space = &other};

    if (step == AT_LINES) {
        d.fields = stage_text("title", "I");
        replace_by(f, &d);
    }
}

static void b14_unknown_kind(struct forge *f, enum step step)
{
    struct world_draft d = {.by = f->p->members[2], .kind = "unheard-of"};

    if (step == AT_LINES) {
        d.fields = stage_text("title", "I");
        replace_by(f, &d);
    }
}

static void b14_recovery_key(struct forge *f, enum step step)
{
    struct world_draft d = {.by = WORLD_RECOVERY, .kind = "topic"};

    if (step == AT_LINES) {
        d.fields = stage_text("title", "I");
        replace_by(f, &d);
    }
}

static void b14_gap(struct forge *f, enum step step)
{
    struct hark_hash previous = {.bytes = {7}};
    struct world_draft d = {
        .by = f->p->members[2], .kind = "topic", .seq = 9, .previous = &previous};

    if (step == AT_LINES) {
        d.fields = stage_text("title", "I");
        replace_by(f, &d);
    }
}

/* Its predecessor by seq, and another entry by id. */
static void b14_previous(struct forge *f, enum step step)
{
    struct hark_hash previous = *party_id(f->p, f->p->topic);
    struct world_draft d = {.by = f->p->members[2], .kind = "topic", .previous = &previous};

    if (step == AT_LINES) {
        d.fields = stage_text("title", "I");
        replace_by(f, &d);
    }
}

static void b14_parent(struct forge *f, enum step step)
{
    struct hark_git_id parent = {{7}};
    struct world_draft d = {.by = f->p->members[1], .kind = "topic", .parent = &parent};

    if (step != AT_LINES)
        return;
    d.fields = stage_text("title", "I"); /* after the last entry of the batch */
    f->lines[f->count] = f->lines[f->count - 1];
    f->lines[f->count].position++;
    f->strange = world_build(f->p->world, &d);
    f->items[f->count] = (struct hark_raw_entry){f->strange->object, 1, f->strange->payload};
    f->lines[f->count++].id = f->strange->entry.id;
}

static void b14_twice(struct forge *f, enum step step)
{
    if (step == AT_LINES) {
        f->items[1] = f->items[0];
        f->lines[1].id = f->lines[0].id;
    }
}

static void b14_logged_already(struct forge *f, enum step step)
{
    const struct world_entry *e = f->p->world->log[f->p->topic];

    if (step == AT_LINES) {
        f->items[1] = (struct hark_raw_entry){e->object, 1, e->payload};
        f->lines[1].id = e->entry.id;
    }
}

static void b14_forged(struct forge *f, enum step step)
{
    static const struct craft_edit EDITS[] = {
        ONE("\npost", "\nidea"), ONE("\nKind: post", "\nKind: idea"), {.old = NULL}};

    if (step != AT_LINES)
        return;
    OK(hark_buf_append_span(&f->spare, f->items[1].object, &err));
    craft_edit(&f->spare, EDITS);
    f->items[1].object = hark_buf_span(&f->spare);
    f->lines[1].id = hark_sha256(hark_buf_span(&f->spare));
}

static void b14_payload_altered(struct forge *f, enum step step)
{
    if (step != AT_BYTES)
        return;
    OK(hark_buf_append_span(&f->spare, f->items[1].payload, &err));
    f->spare.data[20] ^= 1;
    f->items[1].payload = hark_buf_span(&f->spare);
}

static void b14_payload_denied(struct forge *f, enum step step)
{
    if (step == AT_BYTES)
        f->items[1] = (struct hark_raw_entry){.object = f->items[1].object};
}

static void b15_root(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.main_root.bytes[0] ^= 1;
}

static void b15_no_end(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.main_size++; /* two entries came in one batch */
}

static void b15_back(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.main_size--;
}

static void b15_nothing(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.main_size = 0;
}

static void behind(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.main_size += 3;
}

#define CASE(function, code)                                                                       \
    {                                                                                              \
#function, HARK_E_##code, function                                                         \
    }

static const struct {
    const char *name;
    int code;
    alter_fn *alter;
} CASES[] = {
    CASE(b1_no_main, BATCH_FORM),
    CASE(b1_taken, BATCH_FORM),
    CASE(b1_empty, BATCH_FORM),
    CASE(b2_home_signs, BATCH_SIGNATURE),
    CASE(b2_other_partner_signs, BATCH_SIGNATURE),
    CASE(b2_words, BATCH_SIGNATURE),
    CASE(b3_another_intake, BATCH_ORIGIN),
    CASE(b3_another_space, BATCH_ORIGIN),
    CASE(b3_a_main_log, BATCH_ORIGIN),
    CASE(b4_first, BATCH_RANGE),
    CASE(b4_an_entry_less, BATCH_RANGE),
    CASE(b5_previous, BATCH_PREVIOUS),
    CASE(b5_parent, BATCH_PREVIOUS),
    CASE(b6_tree, BATCH_TREE),
    CASE(b7_hash, BATCH_ENTRIES),
    CASE(b7_names_an_intake, BATCH_ENTRIES),
    CASE(b7_line_id, BATCH_ENTRIES),
    CASE(b8_parents, BATCH_PARENTS),
    CASE(b9_before_the_last_batch, BATCH_ARRIVAL),
    CASE(b9_accepted_before_it_arrived, BATCH_ARRIVAL),
    CASE(b9_after_the_batch, BATCH_ARRIVAL),
    CASE(b9_time, BATCH_ARRIVAL),
    CASE(b10_ahead, BATCH_AHEAD),
    CASE(b11_key, BATCH_CHECKPOINT),
    CASE(b11_origin, BATCH_CHECKPOINT),
    CASE(b11_size, BATCH_CHECKPOINT),
    CASE(b12_root, BATCH_ROOT),
    CASE(b14_stranger, ENTRY_KEY),
    CASE(b14_another_space, ENTRY_SPACE),
    CASE(b14_unknown_kind, ENTRY_RULES),
    CASE(b14_recovery_key, ENTRY_KEY),
    CASE(b14_gap, ENTRY_GAP),
    CASE(b14_previous, ENTRY_PREVIOUS),
    CASE(b14_parent, ENTRY_PARENT),
    CASE(b14_twice, ENTRY_DUPLICATE),
    CASE(b14_logged_already, ENTRY_DUPLICATE),
    CASE(b14_forged, ENTRY_SIGNATURE),
    CASE(b14_payload_altered, PAYLOAD_HASH),
    CASE(b14_payload_denied, PAYLOAD_ABSENT),
    CASE(b15_root, BATCH_MAIN),
    CASE(b15_no_end, BATCH_MAIN),
    CASE(b15_back, BATCH_MAIN),
    CASE(b15_nothing, BATCH_MAIN),
    CASE(behind, BEHIND),
};

/* P has two batches: two entries, then three judged against one more batch of the
 * main log, of one entry. Q, whose copy is the newest, has the first of them and
 * all of the main log, which goes on for a batch of two. */
static void begin_rules(struct party *p)
{
    uint64_t n[5], there;

    party_begin(p);
    n[0] = party_post(p, 1, p->topic);
    n[1] = party_post(p, 2, n[0]);
    OK(try_append(p, P, n, 2));
    carry(p, P, Q, NAME_P);
    there = world_say(p->world, p->members[3], "topic", stage_text("title", "There"), HARK_NONE);
    party_log(p, there, there + 1);
    carry(p, HOME, P, "");
    n[2] = party_post(p, 1, there);
    n[3] = party_post(p, 2, n[2]);
    n[4] = party_post(p, 1, n[3]);
    OK(try_append(p, P, n + 2, 3));
    (void)party_post(p, 3, there);
    (void)party_post(p, 3, there);
    party_log(p, p->world->count - 2, p->world->count);
    carry(p, HOME, Q, "");
    OK(hark_space_tend(p->nodes[Q], &err));
}

static uint64_t intake_size(struct hark_space *space, struct hark_log_head *head)
{
    uint64_t batches;

    OK(hark_space_log(space, NAME_P, head, &batches, &err));
    return head->tree.size;
}

static void test_space_intake__each_rule_refuses_what_breaks_it_alone(void **state)
{
    struct party p;
    struct forge f;

    (void)state;
    at_case = "nothing";
    begin_rules(&p);
    take_apart(&f, &p);
    put_together(&f, nothing);
    assert_true(hark_span_equal(hark_buf_span(&f.commit), f.good.raw.commit));
    forge_free(&f);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct hark_log_head before, after;
        struct hark_raw_batch raw;
        struct snapshot was;

        at_case = CASES[i].name;
        (void)intake_size(p.nodes[Q], &before);
        take_apart(&f, &p);
        put_together(&f, CASES[i].alter);
        raw = raw_of(&f);
        stage_snapshot(&was, p.nodes[Q]);
        memset(&err, 0, sizeof(err));
        assert_code(hark_space_take(p.nodes[Q], NAME_P, &raw, f.now_ms, &err), CASES[i].code);
        assert_unchanged(&was, p.nodes[Q]);
        (void)intake_size(p.nodes[Q], &after);
        assert_true(stage_same_head(&before, &after));
        assert_int_equal(waiting_at(&p, Q).count, 2);
        forge_free(&f);
    }
    at_case = "as it was written";
    carry(&p, P, Q, NAME_P);
    assert_same_intake(p.nodes[P], p.nodes[Q], NAME_P);
    assert_int_equal(waiting_at(&p, Q).count, 5);
    assert_sound(p.nodes[Q]);
    party_end(&p);
}

/* What was written into the repository beneath the program is found. */
static void test_space_intake__verifying_asks_the_intakes_as_well(void **state)
{
    static const struct {
        int code;
        alter_fn *alter;
    } wrong[] = {{HARK_E_BATCH_ROOT, b12_root},
                 {HARK_E_BATCH_SIGNATURE, b2_home_signs},
                 {HARK_E_ENTRY_SIGNATURE, b14_forged},
                 {HARK_E_BATCH_MAIN, b15_back}};
    struct hark_verified verified;
    struct party p;

    (void)state;
    at_case = "verify";
    begin_rules(&p);
    carry(&p, P, HOME, NAME_P);
    OK(hark_space_verify(p.nodes[HOME], STAGE_ANY_TIME, &verified, &err));
    assert_int_equal(verified.intake_batches, 2);
    assert_int_equal(verified.intake_entries, 5);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct hark_raw_batch raw;
        struct hark_git_id id;
        struct forge f;

        at_case = hark_err_name(wrong[i].code);
        hark_space_free(p.nodes[HOME]);
        p.nodes[HOME] = stage_open_copy(&p.world->space);
        carry(&p, Q, HOME, "");
        carry(&p, Q, HOME, NAME_P);
        take_apart(&f, &p);
        put_together(&f, wrong[i].alter);
        raw = raw_of(&f);
        OK(hark_repo_store(hark_space_repo(p.nodes[HOME]), "intake/" NAME_P, &raw, &f.head.batch_id,
                           &id, NULL, &err));
        memset(&err, 0, sizeof(err));
        assert_code(hark_space_verify(p.nodes[HOME], STAGE_ANY_TIME, &verified, &err),
                    wrong[i].code);
        assert_non_null(strstr(err.message, NAME_P));
        forge_free(&f);
    }
    party_end(&p);
}

/* Not yet is not never: what was put off is taken when the main log has come. */
static void test_space_intake__is_put_off_until_the_main_log_is_there(void **state)
{
    struct hark_space_batch batch;
    struct party p;
    struct snapshot was;
    uint64_t n;

    (void)state;
    at_case = "behind";
    party_begin(&p);
    n = world_say(p.world, p.members[3], "topic", stage_text("title", "There"), HARK_NONE);
    party_log(&p, n, n + 1);
    carry(&p, HOME, P, "");
    n = party_post(&p, 1, n);
    append(&p, P, n);
    OK(hark_space_read_batch(p.nodes[P], NAME_P, 0, &batch, &err));
    stage_snapshot(&was, p.nodes[Q]);
    memset(&err, 0, sizeof(err));
    assert_code(hark_space_take(p.nodes[Q], NAME_P, &batch.raw, party_now(&p, Q), &err),
                HARK_E_BEHIND);
    assert_unchanged(&was, p.nodes[Q]);
    carry(&p, HOME, Q, "");
    carry(&p, P, Q, NAME_P);
    assert_waiting(&p, Q, &n, 1);
    memset(&err, 0, sizeof(err));
    assert_code(hark_space_take(p.nodes[Q], NAME_P, &batch.raw, party_now(&p, Q), &err),
                HARK_E_BATCH_RANGE); /* again */
    assert_code(hark_space_take(p.nodes[Q], "r.example", &batch.raw, party_now(&p, Q), &err),
                HARK_E_BATCH_ORIGIN);
    assert_code(hark_space_take(p.nodes[Q], "../r", &batch.raw, party_now(&p, Q), &err),
                HARK_E_USAGE);
    hark_space_batch_free(&batch);
    party_end(&p);
}

/* ---- B13 ---------------------------------------------------------------------------------- */

/* At the home, with that entry of the world unless it is HARK_NONE. */
static int say_taken(struct party *p, const struct hark_taken *taken, uint64_t number)
{
    struct hark_space *home = p->nodes[HOME];

    OK(hark_space_begin(home, &err));
    if (number != HARK_NONE) {
        struct hark_offer offer = stage_offer(p->world->log[number], false);

        OK(hark_space_add(home, &offer, world_signer(WORLD_LOG), NULL, &err));
    }
    home->pending.taken[0] = *taken; /* also what hark_space_pending_taken leaves out */
    home->pending.taken_count = 1;
    memset(&err, 0, sizeof(err));
    return hark_space_commit(home, world_signer(WORLD_LOG), party_now(p, HOME), &err);
}

/* A home that knows no intake may say what it likes; who knows the intake does not
 * take it. */
static void test_space_intake__what_is_taken_is_the_end_of_a_batch(void **state)
{
    struct hark_taken good, bad;
    struct hark_space_batch batch;
    struct snapshot was;
    struct party p;
    uint64_t n[4], at;

    (void)state;
    at_case = "Taken";
    party_begin(&p);
    for (size_t i = 0; i < 4; i++)
        n[i] = party_post(&p, 1, p.topic);
    OK(try_append(&p, P, n, 2));
    OK(try_append(&p, P, n + 2, 2));
    carry(&p, P, Q, NAME_P);
    good = taken_of(p.nodes[P], NAME_P);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"another root", "no end of a batch", "farther"};
        int wanted = i == 2 ? 0 : HARK_E_BATCH_TAKEN;

        at_case = names[i];
        bad = good;
        if (i == 0)
            bad.root.bytes[3] ^= 1;
        bad.size = i == 1 ? 3 : i == 2 ? 7 : bad.size;
        hark_space_free(p.nodes[HOME]);
        p.nodes[HOME] = stage_open_copy(&p.world->space);
        assert_code(say_taken(&p, &bad, HARK_NONE), 0);
        at = batches_of(p.nodes[HOME], "") - 1;
        OK(hark_space_read_batch(p.nodes[HOME], "", at, &batch, &err));
        memset(&err, 0, sizeof(err));
        stage_copies -= (unsigned)i + 1; /* Q's copy */
        stage_snapshot(&was, p.nodes[Q]);
        assert_code(hark_space_take(p.nodes[Q], "", &batch.raw, party_now(&p, Q), &err), wanted);
        if (wanted != 0)
            assert_unchanged(&was, p.nodes[Q]);
        stage_copies += (unsigned)i + 1;
        hark_space_batch_free(&batch);
    }
    party_end(&p);
}

static void test_space_intake__what_is_taken_stands_still_with_one_root(void **state)
{
    struct hark_taken taken;
    struct party p;
    uint64_t n, size = 0;

    (void)state;
    at_case = "stands still";
    party_begin(&p);
    n = party_post(&p, 1, p.topic);
    append(&p, P, n);
    taken = taken_of(p.nodes[P], NAME_P);
    assert_code(say_taken(&p, &taken, HARK_NONE), 0);
    assert_code(say_taken(&p, &taken, HARK_NONE), HARK_E_BATCH_TAKEN); /* nothing new */
    assert_code(say_taken(&p, &taken, party_post(&p, 3, p.topic)), 0);
    n = party_post(&p, 3, p.topic);
    taken.root.bytes[0] ^= 1;
    assert_code(say_taken(&p, &taken, n), HARK_E_BATCH_TAKEN);
    taken.size = 0;
    assert_code(say_taken(&p, &taken, n), HARK_E_BATCH_TAKEN);
    OK(hark_space_taken(p.nodes[HOME], NAME_P, &size, &err));
    assert_int_equal(size, 1);
    assert_sound(p.nodes[HOME]);
    party_end(&p);
}

/* ---- Nodes that go and come ------------------------------------------------------------------ */

static uint64_t unname(struct party *p)
{
    uint64_t n = world_say(p->world, WORLD_STEWARD, "node",
                           json_pack("{s:s, s:s}", "action", "remove", "name", NAME_P), HARK_NONE);

    party_log(p, n, n + 1);
    return n;
}

/* What a node accepted before it was removed is taken; after that nothing is, and
 * its name is no other node's. */
static void test_space_intake__ends_where_its_node_is_removed(void **state)
{
    struct party p;
    uint64_t before, after, named;
    uint32_t keys[3];

    (void)state;
    at_case = "removed";
    party_begin(&p);
    before = party_post(&p, 1, p.topic);
    append(&p, P, before);
    (void)unname(&p);
    carry(&p, HOME, Q, "");
    carry(&p, P, Q, NAME_P);
    assert_waiting(&p, Q, &before, 1);
    /* P has not heard of it yet, and goes on. */
    after = party_post(&p, 1, p.topic);
    append(&p, P, after);
    carry(&p, P, Q, NAME_P);
    assert_waiting(&p, Q, (uint64_t[]){before, after}, 2);
    carry(&p, HOME, P, "");
    named = party_post(&p, 1, p.topic);
    assert_code(try_append(&p, P, &named, 1), HARK_E_ACCEPT_NOT_HERE);
    /* Another node under its name. */
    for (size_t i = 0; i < 3; i++)
        keys[i] = world_new_key(p.world);
    party_log(&p, p.world->count, p.world->count); /* nothing */
    named = world_say(p.world, WORLD_STEWARD, "node",
                      world_fields_node(NAME_P, keys[0], keys[1], keys[2]), HARK_NONE);
    party_log(&p, named, named + 1);
    carry(&p, HOME, P, "");
    p.logs[P] = keys[0];
    named = party_post(&p, 2, p.topic);
    assert_code(try_append(&p, P, &named, 1), HARK_E_ACCEPT_NOT_HERE);
    OK(hark_space_reindex(p.nodes[Q], &err));
    assert_waiting(&p, Q, (uint64_t[]){before, after}, 2);
    assert_sound(p.nodes[Q]);
    party_end(&p);
}

/* ---- Proving -------------------------------------------------------------------------- */

/* The path of each entry leads to the root that the node signed last, and the log says of
 * each size that a batch ended at what was signed there. */
static void test_space_intake__proves_each_of_its_entries(void **state)
{
    struct hark_hash ends[12];
    struct hark_hash root;
    struct party p;

    (void)state;
    at_case = "proving";
    party_begin(&p);
    for (uint64_t size = 1; size < 12; size++) {
        struct hark_log_head head;
        uint64_t batches = 0;

        append(&p, P, party_post(&p, 1, p.topic));
        carry(&p, P, Q, NAME_P);
        OK(hark_space_log(p.nodes[Q], NAME_P, &head, &batches, &err));
        ends[size] = hark_merkle_root(&head.tree);
        for (uint64_t i = 0; i < size; i++) {
            struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
            struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
            struct hark_receipt receipt;
            struct hark_git_id commit;
            struct hark_line line;
            struct hark_proof path;

            OK(hark_space_line(p.nodes[Q], NAME_P, i, &line, &commit, &err));
            OK(hark_space_prove(p.nodes[Q], NAME_P, i, &path, &note, &err));
            OK(hark_receipt_encode(&file, &line, &commit, &path, hark_buf_span(&note), &err));
            OK(hark_receipt_decode(&receipt, hark_buf_span(&file), &err));
            assert_int_equal(receipt.checkpoint.size, size);
            assert_true(hark_hash_equal(&receipt.checkpoint.root, &ends[size]));
            OK(hark_space_root(p.nodes[Q], NAME_P, i, &root, &err));
            assert_true(i == 0 || hark_hash_equal(&root, &ends[i]));
            hark_buf_free(&note);
            hark_buf_free(&file);
        }
        assert_code(hark_space_root(p.nodes[Q], NAME_P, size + 1, &root, &err), HARK_E_BEHIND);
    }
    assert_code(hark_space_root(p.nodes[HOME], NAME_P, 1, &root, &err), HARK_E_NOT_FOUND);
    party_end(&p);
}

/* ---- Erasing ------------------------------------------------------------------------------------
 */

/* Is the text anywhere in a node's repository, inflated? */
static bool holds(const struct party *p, unsigned node, const char *text)
{
    char hex[2 * HARK_HASH_SIZE + 1], script[512];

    hark_hash_hex(hex, &p->world->space);
    (void)snprintf(script, sizeof(script),
                   "cd copy-%u/spaces/%s.git && git cat-file --batch --batch-all-objects "
                   "| grep -q '%s'",
                   stage_copies - NODES + 1 + node, hex, text);
    return run_tool(stage_dir, script) == 0;
}

static void log_all(struct party *p)
{
    (void)take_over(p);
    for (unsigned i = P; i < NODES; i++)
        carry(p, HOME, i, "");
    for (unsigned i = 0; i < NODES; i++)
        OK(hark_space_tend(p->nodes[i], &err));
}

static void test_space_intake__gives_an_erased_payload_up(void **state)
{
    struct hark_space_batch kept;
    struct party p;
    struct seen seen;
    uint64_t post, erase, other;

    (void)state;
    at_case = "erasure";
    party_begin(&p);
    post = world_say(p.world, p.members[1], "post", stage_text("body", "Unsaid"), p.topic);
    append(&p, P, post);
    OK(hark_space_read_batch(p.nodes[P], NAME_P, 0, &kept, &err)); /* as somebody kept it */
    carry(&p, P, HOME, NAME_P);
    OK(hark_space_tend(p.nodes[P], &err));
    OK(hark_space_tend(p.nodes[HOME], &err));
    log_all(&p);
    for (unsigned i = 0; i < NODES; i++)
        assert_true(holds(&p, i, "Unsaid"));
    erase = world_say(p.world, p.members[1], "erase", NULL, post);
    append(&p, P, erase);
    carry(&p, P, HOME, NAME_P);
    log_all(&p);
    for (unsigned i = 0; i < NODES; i++)
        assert_false(holds(&p, i, "Unsaid"));
    /* Q never had that intake: what is erased does not come in by it. */
    memset(&err, 0, sizeof(err));
    OK(hark_space_take(p.nodes[Q], NAME_P, &kept.raw, party_now(&p, Q), &err));
    OK(hark_space_tend(p.nodes[Q], &err));
    assert_false(holds(&p, Q, "Unsaid"));
    hark_space_batch_free(&kept);
    /* What is served of it says so. */
    for (unsigned i = 0; i < NODES; i++) {
        carry(&p, P, i, NAME_P);
        OK(hark_space_read_batch(p.nodes[i], NAME_P, 0, &kept, &err));
        assert_int_equal(kept.raw.items[0].payload_state, 2);
        hark_space_batch_free(&kept);
        OK(hark_space_reindex(p.nodes[i], &err));
        assert_sound(p.nodes[i]);
    }
    other = party_post(&p, 2, p.topic);
    append(&p, P, other);
    carry(&p, P, Q, NAME_P);
    seen = waiting_at(&p, Q);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.states[0], 1);
    assert_int_equal(run_tool(stage_dir, "for r in copy-*/spaces/*.git; do "
                                         "git -C $r fsck --strict --full || exit 1; done"),
                     0);
    party_end(&p);
}

/* The source of the main log did not have it any more, and an intake brings the words,
 * before or after: they are the main log's, and go with the entry that erases them. */
static void fill(bool intake_first)
{
    struct hark_raw_entry items[PARTS];
    struct hark_space_batch batch;
    struct hark_raw_batch raw;
    struct hark_row row = {0};
    struct hark_hash before, after;
    struct party p;
    uint64_t post, erase;

    party_begin(&p);
    post = world_say(p.world, p.members[1], "post", stage_text("body", "Unsaid"), p.topic);
    append(&p, P, post);
    carry(&p, P, HOME, NAME_P);
    if (intake_first)
        carry(&p, P, Q, NAME_P);
    (void)take_over(&p);
    OK(hark_space_read_batch(p.nodes[HOME], "", batches_of(p.nodes[Q], ""), &batch, &err));
    raw = batch.raw;
    memcpy(items, raw.items, raw.count * sizeof(items[0]));
    items[0].payload_state = 2;
    items[0].payload = (struct hark_span){0};
    raw.items = items;
    OK(hark_space_take(p.nodes[Q], "", &raw, party_now(&p, Q), &err));
    hark_space_batch_free(&batch);
    OK(hark_space_tend(p.nodes[Q], &err));
    carry(&p, P, Q, NAME_P);
    OK(hark_index_row(hark_space_index(p.nodes[Q]), p.base, &row, &err));
    assert_int_equal(row.says, HARK_SAYS_IT);
    assert_true(row.has_blob);
    OK(hark_space_tend(p.nodes[Q], &err));
    OK(hark_index_content_hash(hark_space_index(p.nodes[Q]), &before, &err));
    OK(hark_space_reindex(p.nodes[Q], &err));
    OK(hark_index_content_hash(hark_space_index(p.nodes[Q]), &after, &err));
    assert_true(hark_hash_equal(&before, &after));
    assert_sound(p.nodes[Q]);
    erase = world_say(p.world, p.members[1], "erase", NULL, post);
    append(&p, P, erase);
    carry(&p, P, HOME, NAME_P);
    log_all(&p);
    assert_false(holds(&p, Q, "Unsaid"));
    assert_sound(p.nodes[Q]);
    party_end(&p);
}

static void test_space_intake__an_intakes_payload_is_the_main_logs_and_goes_with_it(void **state)
{
    (void)state;
    at_case = "filled before";
    fill(true);
    at_case = "filled after";
    fill(false);
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
        cmocka_unit_test(test_space_intake__each_rule_refuses_what_breaks_it_alone),
        cmocka_unit_test(test_space_intake__verifying_asks_the_intakes_as_well),
        cmocka_unit_test(test_space_intake__is_put_off_until_the_main_log_is_there),
        cmocka_unit_test(test_space_intake__what_is_taken_is_the_end_of_a_batch),
        cmocka_unit_test(test_space_intake__what_is_taken_stands_still_with_one_root),
        cmocka_unit_test(test_space_intake__ends_where_its_node_is_removed),
        cmocka_unit_test(test_space_intake__proves_each_of_its_entries),
        cmocka_unit_test(test_space_intake__gives_an_erased_payload_up),
        cmocka_unit_test(test_space_intake__an_intakes_payload_is_the_main_logs_and_goes_with_it),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
