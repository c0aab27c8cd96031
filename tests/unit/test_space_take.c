/*
 * What a partner takes over, into a real repository and index: a home's batch
 * altered in any one place is refused by its rule's name (B1 to B14), leaves
 * repository, refs, index and state as they were, and the batch as the home wrote
 * it is taken afterwards.
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

#include "tests/unit/space_stage.h"
#include "tests/vectors/craft.h"

#define PARTS 6

/* ---- A batch in parts, put together again around what was altered ------------- */

enum step {
    AT_LINES,      /* the entries and their lines */
    AT_CHECKPOINT, /* what the checkpoint says; its signer */
    AT_FIELDS,     /* the commit's fields, tree, parents; its signer */
    AT_BYTES,      /* everything is signed */
};

struct forge {
    struct stage *stage;
    struct hark_space_batch good;
    uint64_t now_ms; /* the partner's clock */
    size_t count;
    struct hark_raw_entry items[PARTS];
    struct hark_line lines[PARTS];
    size_t id_count;
    struct hark_git_id ids[PARTS];
    struct hark_git_id tree;
    struct hark_batch batch;
    struct hark_checkpoint checkpoint;
    uint32_t signer, note_signer;
    struct hark_buf entries, note, commit;
    struct hark_buf spare; /* what an item was made to point to */
};

typedef void alter_fn(struct forge *f, enum step step);

static void make_entries(struct forge *f)
{
    struct hark_merkle tree = hark_space_head(f->stage->space)->tree;

    OK(hark_lines_encode(&f->entries, f->lines, f->count, &err));
    f->batch.entries = hark_sha256(hark_buf_span(&f->entries));
    f->batch.count = f->count;
    f->id_count = f->count;
    for (size_t i = 0; i < f->count; i++) {
        struct hark_hash leaf = hark_line_leaf(&f->lines[i]);

        hark_merkle_append(&tree, &leaf);
        f->ids[i] = hark_git_hash(HARK_GIT_COMMIT, f->items[i].object);
    }
    f->checkpoint.size = tree.size;
    f->checkpoint.root = hark_merkle_root(&tree);
    memcpy(f->checkpoint.origin, f->batch.origin, sizeof(f->batch.origin));
}

static void make_commit(struct forge *f)
{
    OK(hark_batch_build(&f->commit, &f->batch, &f->tree, f->ids, world_signer(f->signer), &err));
}

static void put_together(struct forge *f, alter_fn *alter)
{
    struct hark_buf tree = hark_buf_init(4096);

    alter(f, AT_LINES);
    make_entries(f);
    alter(f, AT_CHECKPOINT);
    OK(hark_checkpoint_sign(&f->note, &f->checkpoint, world_signer(f->note_signer), NULL, &err));
    OK(hark_git_batch_tree(&tree, &f->tree, hark_buf_span(&f->note), hark_buf_span(&f->entries),
                           &err));
    alter(f, AT_FIELDS);
    make_commit(f);
    alter(f, AT_BYTES);
    hark_buf_free(&tree);
}

/* The good batch of `space` from `first`, in parts. */
static void take_apart(struct forge *f, struct stage *s, struct hark_space *home, uint64_t first)
{
    struct hark_line *lines = NULL;

    memset(f, 0, sizeof(*f));
    f->stage = s;
    f->now_ms = s->world->now_ms + 60000;
    f->signer = f->note_signer = WORLD_LOG;
    f->entries = hark_buf_init(HARK_BATCH_FILE_MAX + 1);
    f->note = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX + 64);
    f->commit = hark_buf_init(CRAFT_MAX);
    f->spare = hark_buf_init(1u << 17);
    OK(stage_read(home, first, &f->good, &err));
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
}

/* ---- What is altered ------------------------------------------------------------ */

static void nothing(struct forge *f, enum step step)
{
    (void)f;
    (void)step;
}

static void resign(struct forge *f, const struct craft_edit *edits, uint32_t signer)
{
    craft_unsign(&f->commit);
    craft_edit(&f->commit, edits);
    craft_sign(&f->commit, world_signer(signer));
}

static void b1_order(struct forge *f, enum step step)
{
    static const struct craft_edit EDITS[] = {
        ONE("\nHark: 1", ""), ONE("\nTime:", "\nHark: 1\nTime:"), {.old = NULL}};

    if (step == AT_BYTES)
        resign(f, EDITS, WORLD_LOG);
}

static void b1_version(struct forge *f, enum step step)
{
    static const struct craft_edit EDITS[] = {ONE("\nHark: 1", "\nHark: 2"), {.old = NULL}};

    if (step == AT_BYTES)
        resign(f, EDITS, WORLD_LOG);
}

static void b1_note_too_long(struct forge *f, enum step step)
{
    while (step == AT_BYTES && f->note.size <= HARK_BATCH_CHECKPOINT_MAX)
        OK(hark_buf_append_byte(&f->note, '\n', &err));
}

static void b1_file_too_long(struct forge *f, enum step step)
{
    while (step == AT_BYTES && f->entries.size <= HARK_BATCH_FILE_MAX)
        OK(hark_buf_append_byte(&f->entries, '\n', &err));
}

static void b2_another_key(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->signer = f->stage->node_log;
}

static void b2_authors_key(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->signer = WORLD_AUTHOR;
}

static void b2_words(struct forge *f, enum step step)
{
    uint8_t *at;

    if (step != AT_BYTES)
        return;
    at = memmem(f->commit.data, f->commit.size, "\nEntries: ", 10);
    assert_non_null(at);
    at[10] = at[10] == 'a' ? 'b' : 'a';
}

static void b3_incarnation(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        hark_origin(f->batch.origin, WORLD_HOME, &f->stage->world->space, 2);
}

static void b3_node(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        hark_origin(f->batch.origin, "one.example", &f->stage->world->space, 1);
}

static void b3_space(struct forge *f, enum step step)
{
    struct hark_hash other = {.bytes = {1}};

    if (step == AT_FIELDS)
        hark_origin(f->batch.origin, WORLD_HOME, &other, 1);
}

static void b4_first(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.first--;
}

static void b4_a_parent_less(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.count--;
}

static void b4_an_entry_less(struct forge *f, enum step step)
{
    if (step == AT_BYTES)
        f->count--;
}

static void b4_an_entry_more(struct forge *f, enum step step)
{
    if (step == AT_BYTES) {
        f->items[f->count] = f->items[0];
        f->count++;
    }
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

static void b5_none(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->batch.has_previous = false;
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

static void b7_line_id(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        f->lines[1].id.bytes[0] ^= 1;
}

static void b7_line_position(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        f->lines[1].position++;
}

static void b7_intake_elsewhere(struct forge *f, enum step step)
{
    struct hark_hash other = {.bytes = {1}};

    if (step == AT_LINES)
        hark_origin(f->lines[1].intake, "one.example", &other, 0);
}

/* The file as it was, one of its entries not. */
static void b7_swapped(struct forge *f, enum step step)
{
    struct hark_raw_entry one = f->items[0];

    if (step == AT_BYTES) {
        f->items[0] = f->items[1];
        f->items[1] = one;
    }
}

static void b7_entry_altered(struct forge *f, enum step step)
{
    if (step != AT_BYTES)
        return;
    OK(hark_buf_append_span(&f->spare, f->items[1].object, &err));
    f->spare.data[f->spare.size - 2] ^= 1;
    f->items[1].object = hark_buf_span(&f->spare);
}

static void b7_entry_empty(struct forge *f, enum step step)
{
    if (step == AT_BYTES)
        f->items[1].object = hark_span("", 0);
}

static void b8_parents(struct forge *f, enum step step)
{
    struct hark_git_id one = f->ids[0];

    if (step == AT_FIELDS) {
        f->ids[0] = f->ids[1];
        f->ids[1] = one;
    }
}

static void set_arrival(struct forge *f, size_t i, uint64_t arrival, uint64_t accepted)
{
    f->lines[i].arrival_ms = arrival;
    f->lines[i].accepted_ms = accepted;
}

static void b9_before_the_last_batch(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        set_arrival(f, 0, WORLD_START_MS - 1, WORLD_START_MS - 1);
}

static void b9_before_the_last(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        set_arrival(f, 1, f->lines[0].arrival_ms - 1, f->lines[0].arrival_ms - 1);
}

static void b9_after_the_batch(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        set_arrival(f, f->count - 1, f->batch.time_ms + 1, f->batch.time_ms + 1);
}

static void b9_before_it_was_accepted(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        f->lines[1].accepted_ms++;
}

static void b9_two_times_first_hand(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        f->lines[1].accepted_ms--;
}

static void b10_ahead(struct forge *f, enum step step)
{
    if (step == AT_BYTES)
        f->now_ms = f->batch.time_ms - HARK_AHEAD_MAX_MS - 1;
}

static void b11_key(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        f->note_signer = f->stage->node_log;
}

static void b11_size(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        f->checkpoint.size--;
}

static void b11_origin(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        hark_origin(f->checkpoint.origin, WORLD_HOME, &f->stage->world->space, 2);
}

static void b12_root(struct forge *f, enum step step)
{
    if (step == AT_CHECKPOINT)
        f->checkpoint.root.bytes[0] ^= 1;
}

static void add_taken(struct forge *f, const char *node, const struct hark_hash *space,
                      uint64_t size)
{
    struct hark_taken *taken = &f->batch.taken[f->batch.taken_count++];

    hark_origin(taken->origin, node, space, 0);
    taken->size = size;
    taken->root = *space;
}

static void b13_nobody(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        add_taken(f, "two.example", &f->stage->world->space, 1);
}

static void b13_beside_the_right_one(struct forge *f, enum step step)
{
    if (step == AT_FIELDS) {
        add_taken(f, "one.example", &f->stage->world->space, 1);
        add_taken(f, "two.example", &f->stage->world->space, 1);
    }
}

/* Building refuses these: they are written in afterwards. */
static void b13_order(struct forge *f, enum step step)
{
    if (step == AT_FIELDS) {
        add_taken(f, "home.example", &f->stage->world->space, 1);
        add_taken(f, "one.example", &f->stage->world->space, 1);
    } else if (step == AT_BYTES) {
        static const struct craft_edit SWAP[] = {
            ONE("\nTaken: home.example/", "\nTaken: x/"),
            ONE("\nTaken: one.example/", "\nTaken: home.example/"),
            ONE("\nTaken: x/", "\nTaken: one.example/"),
            {.old = NULL}};

        resign(f, SWAP, WORLD_LOG);
    }
}

/* An entry that may not be logged, in a batch that is right otherwise. */
static void b14_stranger(struct forge *f, enum step step)
{
    struct world_draft d = {.by = 200, .kind = "topic"};
    struct world_entry *e;
    size_t size;

    if (step != AT_LINES)
        return;
    d.fields = stage_text("title", "I");
    e = world_build(f->stage->world, &d);
    size = e->object.size;
    OK(hark_buf_append_span(&f->spare, e->object, &err));
    OK(hark_buf_append_span(&f->spare, e->payload, &err));
    f->lines[f->count] = f->lines[f->count - 1];
    f->lines[f->count].position++;
    f->lines[f->count].id = e->entry.id;
    f->items[f->count++] = (struct hark_raw_entry){
        hark_span(f->spare.data, size), 1, hark_span(f->spare.data + size, f->spare.size - size)};
    world_entry_free(e);
}

static void b14_out_of_order(struct forge *f, enum step step)
{
    struct hark_raw_entry item = f->items[1];
    struct hark_hash id = f->lines[1].id;

    if (step != AT_LINES) /* the second of a feed before its first */
        return;
    f->items[1] = f->items[2];
    f->lines[1].id = f->lines[2].id;
    f->items[2] = item;
    f->lines[2].id = id;
}

static void drop(struct forge *f, size_t at)
{
    for (size_t i = at; i + 1 < f->count; i++) {
        f->items[i] = f->items[i + 1];
        f->lines[i] = f->lines[i + 1];
        f->lines[i].position--;
    }
    f->count--;
}

static void b14_dropped(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        drop(f, 1);
}

static void b14_twice(struct forge *f, enum step step)
{
    if (step != AT_LINES)
        return;
    f->items[f->count] = f->items[0];
    f->lines[f->count] = f->lines[f->count - 1];
    f->lines[f->count].position++;
    f->lines[f->count++].id = f->lines[0].id;
}

/* A home may sign what it likes around it: the author's signature is missing. */
static void b14_forged(struct forge *f, enum step step)
{
    static const struct craft_edit EDITS[] = {
        ONE("\ntopic", "\nprofile"), ONE("\nKind: topic", "\nKind: profile"), {.old = NULL}};

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

static void b14_payload_longer(struct forge *f, enum step step)
{
    if (step != AT_BYTES)
        return;
    OK(hark_buf_append_span(&f->spare, f->items[1].payload, &err));
    OK(hark_buf_append_byte(&f->spare, ' ', &err));
    f->items[1].payload = hark_buf_span(&f->spare);
}

static void b14_payload_empty(struct forge *f, enum step step)
{
    if (step == AT_BYTES)
        f->items[1].payload = (struct hark_span){0};
}

static void b14_payload_denied(struct forge *f, enum step step)
{
    if (step == AT_BYTES) {
        f->items[1].payload_state = 0;
        f->items[1].payload = (struct hark_span){0};
    }
}

static void b14_payload_unnamed(struct forge *f, enum step step)
{
    if (step == AT_BYTES) {
        f->items[3].payload_state = 1;
        f->items[3].payload = f->items[1].payload;
    }
}

static void b14_never_erased_withheld(struct forge *f, enum step step)
{
    if (step == AT_BYTES) {
        f->items[0].payload_state = 2;
        f->items[0].payload = (struct hark_span){0};
    }
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
    CASE(b1_order, BATCH_FORM),
    CASE(b1_version, BATCH_FORM),
    CASE(b1_note_too_long, BATCH_FORM),
    CASE(b1_file_too_long, BATCH_FORM),
    CASE(b2_another_key, BATCH_SIGNATURE),
    CASE(b2_authors_key, BATCH_SIGNATURE),
    CASE(b2_words, BATCH_SIGNATURE),
    CASE(b3_incarnation, BATCH_ORIGIN),
    CASE(b3_node, BATCH_ORIGIN),
    CASE(b3_space, BATCH_ORIGIN),
    CASE(b4_first, BATCH_RANGE),
    CASE(b4_a_parent_less, BATCH_RANGE),
    CASE(b4_an_entry_less, BATCH_RANGE),
    CASE(b4_an_entry_more, BATCH_RANGE),
    CASE(b5_previous, BATCH_PREVIOUS),
    CASE(b5_parent, BATCH_PREVIOUS),
    CASE(b5_none, BATCH_PREVIOUS),
    CASE(b6_tree, BATCH_TREE),
    CASE(b7_hash, BATCH_ENTRIES),
    CASE(b7_line_id, BATCH_ENTRIES),
    CASE(b7_line_position, BATCH_ENTRIES),
    CASE(b7_intake_elsewhere, BATCH_ENTRIES),
    CASE(b7_swapped, BATCH_ENTRIES),
    CASE(b7_entry_altered, BATCH_ENTRIES),
    CASE(b7_entry_empty, BATCH_ENTRIES),
    CASE(b8_parents, BATCH_PARENTS),
    CASE(b9_before_the_last_batch, BATCH_ARRIVAL),
    CASE(b9_before_the_last, BATCH_ARRIVAL),
    CASE(b9_after_the_batch, BATCH_ARRIVAL),
    CASE(b9_before_it_was_accepted, BATCH_ARRIVAL),
    CASE(b9_two_times_first_hand, BATCH_ARRIVAL),
    CASE(b10_ahead, BATCH_AHEAD),
    CASE(b11_key, BATCH_CHECKPOINT),
    CASE(b11_size, BATCH_CHECKPOINT),
    CASE(b11_origin, BATCH_CHECKPOINT),
    CASE(b12_root, BATCH_ROOT),
    CASE(b13_nobody, BATCH_TAKEN),
    CASE(b13_beside_the_right_one, BATCH_TAKEN),
    CASE(b13_order, BATCH_TAKEN),
    CASE(b14_stranger, ENTRY_KEY),
    CASE(b14_out_of_order, ENTRY_GAP),
    CASE(b14_dropped, ENTRY_GAP),
    CASE(b14_twice, ENTRY_DUPLICATE),
    CASE(b14_forged, ENTRY_SIGNATURE),
    CASE(b14_payload_altered, PAYLOAD_HASH),
    CASE(b14_payload_longer, PAYLOAD_SIZE),
    CASE(b14_payload_empty, PAYLOAD_SIZE),
    CASE(b14_payload_denied, PAYLOAD_ABSENT),
    CASE(b14_payload_unnamed, PAYLOAD_UNWANTED),
    CASE(b14_never_erased_withheld, PAYLOAD_ABSENT),
};

/* ---- Running them ----------------------------------------------------------------- */

/* A stage whose space is the partner, and a home one batch ahead of it: a role
 * (never erased), two topics of one feed, an ack. */
static struct hark_space *begin_pair(struct stage *s)
{
    struct stage home;

    stage_begin(s);
    world_say(s->world, WORLD_STEWARD, "role",
              json_pack("{s:i, s:s}", "member", 0, "role", "staff"), HARK_NONE);
    world_say(s->world, s->alice, "topic", stage_text("title", "The lake"), HARK_NONE);
    world_say(s->world, s->alice, "topic", stage_text("title", "The sea"), HARK_NONE);
    world_say(s->world, WORLD_AUTHOR, "ack", NULL, s->erase);
    home = *s;
    stage_log(&home, s->base);
    s->space = stage_open_copy(&s->world->space);
    return home.space;
}

static int take(struct hark_space *space, const struct hark_raw_batch *raw, uint64_t now_ms)
{
    memset(&err, 0, sizeof(err));
    return hark_space_take(space, "", raw, now_ms, &err);
}

static void assert_same(struct hark_space *a, struct hark_space *b)
{
    struct hark_hash x, y;

    assert_true(hark_git_id_equal(&hark_space_head(a)->batch_id, &hark_space_head(b)->batch_id));
    OK(hark_state_hash(hark_space_state(a), &x, &err));
    OK(hark_state_hash(hark_space_state(b), &y, &err));
    assert_true(hark_hash_equal(&x, &y));
    OK(hark_index_content_hash(hark_space_index(a), &x, &err));
    OK(hark_index_content_hash(hark_space_index(b), &y, &err));
    assert_true(hark_hash_equal(&x, &y));
}

static void test_space_take__what_is_put_together_again_is_the_same(void **state)
{
    struct hark_space *home;
    struct forge f;
    struct stage s;

    (void)state;
    at_case = "nothing";
    home = begin_pair(&s);
    take_apart(&f, &s, home, s.base);
    put_together(&f, nothing);
    assert_true(hark_span_equal(hark_buf_span(&f.commit), f.good.raw.commit));
    assert_true(hark_span_equal(hark_buf_span(&f.entries), f.good.raw.entries));
    assert_true(hark_span_equal(hark_buf_span(&f.note), f.good.raw.checkpoint));
    forge_free(&f);
    hark_space_free(home);
    stage_end(&s);
}

static void test_space_take__each_rule_b_refuses_what_breaks_it_alone(void **state)
{
    struct hark_space *home;
    struct stage s;

    (void)state;
    home = begin_pair(&s);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct hark_raw_batch raw;
        struct snapshot was;
        struct forge f;

        at_case = CASES[i].name;
        take_apart(&f, &s, home, s.base);
        put_together(&f, CASES[i].alter);
        raw = raw_of(&f);
        stage_snapshot(&was, s.space);
        assert_code(take(s.space, &raw, f.now_ms), CASES[i].code);
        assert_unchanged(&was, s.space);
        OK(hark_index_check(hark_space_index(s.space), &err));
        /* Now and then at once, and at the end after all of them. */
        if (i % 10 == 9 || i + 1 == sizeof(CASES) / sizeof(CASES[0])) {
            OK(hark_space_take(s.space, "", &f.good.raw, s.world->now_ms, &err));
            assert_same(s.space, home);
            assert_sound(s.space);
            hark_space_free(s.space);
            s.space = stage_open_copy(&s.world->space);
        }
        forge_free(&f);
    }
    hark_space_free(home);
    stage_end(&s);
}

/* What may be erased may be withheld: it says so, and all the rest is the same. */
static void test_space_take__erasable_payloads_may_be_missing(void **state)
{
    struct hark_row row = {0};
    struct hark_space *home;
    struct hark_raw_batch raw;
    struct hark_hash x, y;
    struct forge f;
    struct stage s;

    (void)state;
    at_case = "withheld";
    home = begin_pair(&s);
    take_apart(&f, &s, home, s.base);
    raw = f.good.raw;
    f.items[1].payload_state = 2;
    f.items[1].payload = (struct hark_span){0};
    raw.items = f.items;
    OK(hark_space_take(s.space, "", &raw, f.now_ms, &err));
    OK(hark_index_row(hark_space_index(s.space), s.base + 1, &row, &err));
    assert_int_equal(row.says, HARK_SAYS_MISSING);
    assert_false(row.has_blob);
    OK(hark_state_hash(hark_space_state(home), &x, &err));
    OK(hark_state_hash(hark_space_state(s.space), &y, &err));
    assert_true(hark_hash_equal(&x, &y));
    assert_sound(s.space);
    forge_free(&f);
    hark_space_free(home);
    stage_end(&s);
}

/* ---- Taken ------------------------------------------------------------------------ */

static uint64_t taken_size;

static void takes(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        add_taken(f, "one.example", &f->stage->world->space, taken_size);
}

static void takes_only(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        f->count = 0;
    takes(f, step);
}

/* Makes a batch of nothing but a Taken after the partner's head and offers it. */
static int take_taken(struct stage *s, struct hark_space *home, uint64_t size)
{
    const struct hark_log_head *head = hark_space_head(s->space);
    struct hark_raw_batch raw;
    struct forge f;
    int rc;

    taken_size = size;
    take_apart(&f, s, home, s->base);
    f.batch.first = head->tree.size;
    f.batch.previous = head->batch;
    f.batch.previous_id = head->batch_id;
    put_together(&f, takes_only);
    raw = raw_of(&f);
    rc = take(s->space, &raw, f.now_ms);
    forge_free(&f);
    return rc;
}

/* The same with the home's next entry in it. */
static int take_taken_and_entry(struct stage *s, struct hark_space *home, uint64_t size)
{
    struct hark_raw_batch raw;
    struct forge f;
    int rc;

    taken_size = size;
    take_apart(&f, s, home, s->base + 4);
    f.batch.previous = hark_space_head(s->space)->batch;
    f.batch.previous_id = hark_space_head(s->space)->batch_id;
    put_together(&f, takes);
    raw = raw_of(&f);
    rc = take(s->space, &raw, f.now_ms);
    forge_free(&f);
    return rc;
}

static void test_space_take__what_is_taken_never_goes_back(void **state)
{
    struct hark_verified verified;
    struct hark_space *home;
    struct hark_raw_batch raw;
    struct snapshot was;
    struct forge f;
    struct stage s, ahead;

    (void)state;
    at_case = "taken";
    home = begin_pair(&s);
    taken_size = 5;
    take_apart(&f, &s, home, s.base);
    put_together(&f, takes);
    raw = raw_of(&f);
    assert_code(take(s.space, &raw, f.now_ms), 0);
    forge_free(&f);
    stage_snapshot(&was, s.space);
    assert_code(take_taken(&s, home, 4), HARK_E_BATCH_TAKEN);
    assert_code(take_taken(&s, home, 5), HARK_E_BATCH_TAKEN); /* takes nothing new */
    assert_unchanged(&was, s.space);
    assert_code(take_taken(&s, home, 7), 0);
    assert_code(take_taken(&s, home, 6), HARK_E_BATCH_TAKEN);
    OK(hark_space_verify(s.space, STAGE_ANY_TIME, &verified, &err));
    /* It is known again from the log alone. */
    OK(hark_space_reindex(s.space, &err));
    assert_code(take_taken(&s, home, 6), HARK_E_BATCH_TAKEN);
    assert_code(take_taken(&s, home, 8), 0);
    ahead = s;
    ahead.space = home;
    world_say(s.world, s.bob, "topic", stage_text("title", "The moon"), HARK_NONE);
    stage_log(&ahead, s.base + 4);
    assert_code(take_taken_and_entry(&s, home, 7), HARK_E_BATCH_TAKEN);
    assert_code(take_taken_and_entry(&s, home, 8), 0); /* its entry is new enough */
    assert_sound(s.space);
    hark_space_free(home);
    stage_end(&s);
}

/* ---- Histories ---------------------------------------------------------------------- */

static void test_space_take__batches_come_in_order_and_once(void **state)
{
    struct hark_space_batch second, third;
    struct hark_space *home;
    struct stage s, ahead;
    struct snapshot was;

    (void)state;
    at_case = "in order";
    home = begin_pair(&s);
    ahead = s;
    ahead.space = home;
    world_say(s.world, s.bob, "topic", stage_text("title", "The moon"), HARK_NONE);
    stage_log(&ahead, s.base + 4);
    OK(stage_read(ahead.space, s.base, &second, &err));
    OK(stage_read(ahead.space, s.base + 4, &third, &err));
    stage_snapshot(&was, s.space);
    assert_code(take(s.space, &third.raw, s.world->now_ms), HARK_E_BATCH_RANGE); /* one left out */
    assert_unchanged(&was, s.space);
    assert_code(take(s.space, &second.raw, s.world->now_ms), 0);
    stage_snapshot(&was, s.space);
    assert_code(take(s.space, &second.raw, s.world->now_ms), HARK_E_BATCH_RANGE); /* replayed */
    assert_unchanged(&was, s.space);
    assert_code(take(s.space, &third.raw, s.world->now_ms), 0);
    assert_same(s.space, ahead.space);
    assert_sound(s.space);
    hark_space_batch_free(&second);
    hark_space_batch_free(&third);
    hark_space_free(ahead.space);
    stage_end(&s);
}

struct row {
    const struct hark_raw_batch *batches[3];
    size_t count, at;
    int wrong; /* what is said after them; 0: nothing */
};

static int next_of_row(void *arg, struct hark_raw_batch *out, bool *there, struct hark_err *why)
{
    struct row *row = arg;

    *there = row->at < row->count;
    if (*there)
        *out = *row->batches[row->at++];
    return *there || row->wrong == 0 ? 0 : hark_err_set(why, row->wrong, "the row breaks off");
}

/* A copy with threads of its own, and the two batches that its home is ahead. */
struct two {
    struct stage s;
    struct hark_space *home;
    struct hark_pool *pool;
    struct hark_space_batch second, third;
};

static void begin_two(struct two *two)
{
    struct stage *s = &two->s, ahead;
    char place[STAGE_PATH_MAX];

    two->home = ahead.space = begin_pair(s);
    ahead.world = s->world;
    world_say(s->world, s->bob, "topic", stage_text("title", "The moon"), HARK_NONE);
    stage_log(&ahead, s->base + 4);
    OK(stage_read(two->home, s->base, &two->second, &err));
    OK(stage_read(two->home, s->base + 4, &two->third, &err));
    OK(hark_pool_new(&two->pool, 3, &err));
    hark_space_free(s->space);
    (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, stage_copies);
    OK(hark_space_open(&s->space, place, &s->world->space, false, two->pool, &err));
}

static void end_two(struct two *two)
{
    assert_sound(two->s.space);
    hark_space_batch_free(&two->second);
    hark_space_batch_free(&two->third);
    hark_space_free(two->home);
    stage_end(&two->s);
    hark_pool_free(two->pool);
}

/* Each prepared on other threads while the one before is stored: what comes before the
 * first wrong one is in, and nothing of that one or after it. */
static void test_space_take__in_a_row_up_to_what_is_wrong(void **state)
{
    struct two two;
    struct snapshot was;

    (void)state;
    at_case = "in a row";
    begin_two(&two);
    stage_snapshot(&was, two.s.space);
    struct row gap = {.batches = {&two.third.raw, &two.second.raw}, .count = 2};
    assert_code(hark_space_take_each(two.s.space, "", next_of_row, &gap, STAGE_ANY_TIME, &err),
                HARK_E_BATCH_RANGE);
    assert_unchanged(&was, two.s.space);
    struct row again = {.batches = {&two.second.raw, &two.second.raw, &two.third.raw}, .count = 3};
    assert_code(hark_space_take_each(two.s.space, "", next_of_row, &again, STAGE_ANY_TIME, &err),
                HARK_E_BATCH_RANGE);
    assert_int_equal(hark_space_head(two.s.space)->tree.size, two.s.base + 4);
    struct row broken = {.batches = {&two.third.raw}, .count = 1, .wrong = HARK_E_PEER_FORM};
    assert_code(hark_space_take_each(two.s.space, "", next_of_row, &broken, STAGE_ANY_TIME, &err),
                HARK_E_PEER_FORM);
    assert_same(two.s.space, two.home);
    end_two(&two);
}

static struct hark_span put(struct hark_buf *buf, struct hark_span bytes)
{
    size_t at = buf->size;

    OK(hark_buf_append_span(buf, bytes, &err));
    return hark_span(buf->data + at, bytes.size);
}

/* The batch, copied, as what comes next. */
static void add_coming(struct hark_coming *coming, const struct hark_raw_batch *raw)
{
    struct hark_raw_batch *copy = &coming->raw[coming->count];
    struct hark_raw_entry *items = calloc(raw->count, sizeof(*items));

    assert_non_null(items);
    if (coming->count == 0) {
        coming->bytes = hark_buf_init(1 << 20);
        OK(hark_buf_reserve(&coming->bytes, 1 << 20, &err)); /* it does not move */
    }
    for (size_t i = 0; i < raw->count; i++)
        items[i] = (struct hark_raw_entry){put(&coming->bytes, raw->items[i].object),
                                           raw->items[i].payload_state,
                                           put(&coming->bytes, raw->items[i].payload)};
    *copy = (struct hark_raw_batch){.commit = put(&coming->bytes, raw->commit),
                                    .entries = put(&coming->bytes, raw->entries),
                                    .checkpoint = put(&coming->bytes, raw->checkpoint),
                                    .count = raw->count,
                                    .items = items};
    coming->items[coming->count++] = items;
}

/* What was begun with counts for these very bytes and no others: a byte that was wrong
 * in the one and is not in the other is neither let through nor held against it. */
static void test_space_take__what_was_expected_is_no_more_than_a_hint(void **state)
{
    struct hark_coming coming = {.count = 0};
    struct two two;
    struct snapshot was;
    uint8_t *turned;

    (void)state;
    at_case = "expected";
    begin_two(&two);
    stage_snapshot(&was, two.s.space);
    /* The expected is right, and what comes is not. */
    add_coming(&coming, &two.second.raw);
    hark_space_coming(two.s.space, &coming);
    assert_int_equal(coming.count, 0);
    turned = two.second.bytes.data + (two.second.raw.items[0].object.data - two.second.bytes.data) +
             two.second.raw.items[0].object.size - 2;
    *turned ^= 1;
    struct row wrong = {.batches = {&two.second.raw}, .count = 1};
    assert_true(hark_space_take_each(two.s.space, "", next_of_row, &wrong, STAGE_ANY_TIME, &err) <
                0);
    assert_unchanged(&was, two.s.space);
    *turned ^= 1;
    /* They are the same, after what has been given up. */
    add_coming(&coming, &two.third.raw);
    hark_space_coming(two.s.space, &coming);
    add_coming(&coming, &two.second.raw);
    add_coming(&coming, &two.second.raw);
    hark_space_coming(two.s.space, &coming);
    struct row same = {.batches = {&two.second.raw}, .count = 1};
    OK(hark_space_take_each(two.s.space, "", next_of_row, &same, STAGE_ANY_TIME, &err));
    /* What comes is right, and the expected is not. */
    turned = two.third.bytes.data + (two.third.raw.items[0].object.data - two.third.bytes.data) +
             two.third.raw.items[0].object.size - 2;
    *turned ^= 1;
    add_coming(&coming, &two.third.raw);
    hark_space_coming(two.s.space, &coming);
    *turned ^= 1;
    struct row right = {.batches = {&two.third.raw}, .count = 1};
    OK(hark_space_take_each(two.s.space, "", next_of_row, &right, STAGE_ANY_TIME, &err));
    assert_same(two.s.space, two.home);
    /* What never comes goes with the space. */
    add_coming(&coming, &two.third.raw);
    hark_space_coming(two.s.space, &coming);
    end_two(&two);
}

/* A home that signs two histories: whoever has the one takes nothing of the other. */
static void test_space_take__of_two_histories_the_first_stays(void **state)
{
    struct hark_space_batch batch;
    struct stage s, fork;
    struct snapshot was;
    struct hark_space *home;

    (void)state;
    at_case = "two histories";
    home = begin_pair(&s);
    OK(stage_read(home, s.base, &batch, &err));
    OK(hark_space_take(s.space, "", &batch.raw, s.world->now_ms, &err));
    hark_space_batch_free(&batch);
    /* The other: as many entries, other ones, and one more batch. */
    stage_write(&fork);
    fork.space = stage_open_copy(&fork.world->space);
    for (int i = 0; i < 4; i++)
        world_say(fork.world, fork.bob, "topic", stage_text("title", "Elsewhere"), HARK_NONE);
    stage_log(&fork, fork.base);
    world_say(fork.world, fork.bob, "topic", stage_text("title", "And on"), HARK_NONE);
    stage_log(&fork, fork.base + 4);
    OK(stage_read(fork.space, fork.base + 4, &batch, &err));
    stage_copies--; /* the partner's copy came before the fork's */
    stage_snapshot(&was, s.space);
    assert_code(take(s.space, &batch.raw, fork.world->now_ms), HARK_E_BATCH_PREVIOUS);
    assert_unchanged(&was, s.space);
    stage_copies++;
    assert_same(s.space, home);
    assert_sound(s.space);
    hark_space_batch_free(&batch);
    hark_space_free(fork.space);
    world_free(fork.world);
    hark_space_free(home);
    stage_end(&s);
}

/* ---- The home moves ------------------------------------------------------------------ */

static void draft_home(struct stage *s, const char *node)
{
    world_say(s->world, WORLD_STEWARD, "home", world_fields_home(s->world, node), HARK_NONE);
}

static void moved_by_the_old_home(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        hark_origin(f->batch.origin, WORLD_HOME, &f->stage->world->space, 1);
    if (step == AT_CHECKPOINT)
        f->note_signer = f->signer = WORLD_LOG;
}

static void moved_signed_by_the_old(struct forge *f, enum step step)
{
    if (step == AT_FIELDS)
        f->signer = WORLD_LOG;
}

static void moved_too_far(struct forge *f, enum step step)
{
    if (step == AT_LINES)
        hark_origin(f->batch.origin, "one.example", &f->stage->world->space, 3);
}

static void test_space_take__a_home_moves_only_as_the_steward_said(void **state)
{
    static const struct {
        const char *name;
        int code;
        alter_fn *alter;
    } MOVES[] = {
        CASE(moved_by_the_old_home, BATCH_ORIGIN),
        CASE(moved_signed_by_the_old, BATCH_SIGNATURE),
        CASE(moved_too_far, BATCH_ORIGIN),
    };
    struct hark_space *home;
    struct hark_offer offer;
    struct stage s;

    (void)state;
    at_case = "moving";
    stage_begin(&s);
    home = s.space;
    draft_home(&s, "one.example");
    OK(hark_space_begin(home, &err));
    offer = stage_offer(s.world->log[s.base], false);
    OK(hark_space_add(home, &offer, world_signer(s.node_log), NULL, &err));
    OK(hark_space_commit(home, world_signer(s.node_log), s.world->now_ms, &err));
    s.space = stage_open_copy(&s.world->space);
    for (size_t i = 0; i < sizeof(MOVES) / sizeof(MOVES[0]); i++) {
        struct hark_raw_batch raw;
        struct snapshot was;
        struct forge f;

        at_case = MOVES[i].name;
        take_apart(&f, &s, home, s.base);
        f.signer = f.note_signer = s.node_log;
        put_together(&f, MOVES[i].alter);
        raw = raw_of(&f);
        stage_snapshot(&was, s.space);
        assert_code(take(s.space, &raw, f.now_ms), MOVES[i].code);
        assert_unchanged(&was, s.space);
        if (i + 1 == sizeof(MOVES) / sizeof(MOVES[0]))
            OK(hark_space_take(s.space, "", &f.good.raw, f.now_ms, &err));
        forge_free(&f);
    }
    assert_same(s.space, home);
    assert_sound(s.space);
    hark_space_free(home);
    stage_end(&s);
}

/* A home that goes on after a loss, in the midst of what it logs: the entry begins
 * a batch, or nobody, itself included, could read the log again. */
static void test_space_take__a_home_entry_begins_a_batch(void **state)
{
    struct hark_space *home;
    struct stage s;

    (void)state;
    at_case = "home in the midst";
    stage_begin(&s);
    home = s.space;
    world_say(s.world, s.alice, "topic", stage_text("title", "Before"), HARK_NONE);
    draft_home(&s, WORLD_HOME);
    draft_home(&s, WORLD_HOME);
    world_say(s.world, s.alice, "topic", stage_text("title", "After"), HARK_NONE);
    stage_log(&s, s.base);
    s.space = stage_open_copy(&s.world->space);
    while (hark_space_head(s.space)->tree.size < hark_space_head(home)->tree.size) {
        struct hark_space_batch batch;

        OK(stage_read(home, hark_space_head(s.space)->tree.size, &batch, &err));
        OK(hark_space_take(s.space, "", &batch.raw, s.world->now_ms, &err));
        hark_space_batch_free(&batch);
    }
    assert_same(s.space, home);
    OK(hark_space_reindex(home, &err));
    assert_same(s.space, home);
    hark_space_free(home);
    stage_end(&s);
}

/* Steward and home are lost together: two recovery keys name a new steward, who
 * names the new home, and all of it stands in that home's first batch. */
static void test_space_take__recovery_comes_with_the_new_home(void **state)
{
    struct hark_space *home;
    struct hark_space_batch batch;
    struct snapshot was;
    struct stage s;
    uint32_t steward;

    (void)state;
    at_case = "recovery";
    stage_begin(&s);
    home = s.space;
    steward = world_new_key(s.world);
    for (uint32_t i = 0; i < 2; i++)
        world_say(s.world, WORLD_RECOVERY + i, "recover",
                  world_fields_new_key(s.world, steward, WORLD_NO_KEY), HARK_NONE);
    world_say(s.world, steward, "home", world_fields_home(s.world, "one.example"), HARK_NONE);
    /* With anything else before it, the new home would have to sign the old one's. */
    stage_snapshot(&was, home);
    OK(hark_space_begin(home, &err));
    for (size_t i = s.base; i < s.world->count; i++) {
        struct hark_offer offer = stage_offer(s.world->log[i], false);
        struct world_entry *good = stage_good(&s);
        int rc = hark_space_add(home, &offer, world_signer(s.node_log), NULL, &err);

        assert_code(rc, i + 1 == s.world->count ? HARK_E_ACCEPT_NOT_HERE : 0);
        offer = stage_offer(good, false);
        if (i == s.base)
            OK(hark_space_add(home, &offer, world_signer(s.node_log), NULL, &err));
        world_entry_free(good);
    }
    assert_unchanged(&was, home);
    OK(hark_space_begin(home, &err));
    for (size_t i = s.base; i < s.world->count; i++) {
        struct hark_offer offer = stage_offer(s.world->log[i], false);

        OK(hark_space_add(home, &offer, world_signer(s.node_log), NULL, &err));
    }
    OK(hark_space_commit(home, world_signer(s.node_log), s.world->now_ms, &err));
    s.space = stage_open_copy(&s.world->space);
    OK(stage_read(home, s.base, &batch, &err));
    assert_int_equal(batch.raw.count, 3);
    OK(hark_space_take(s.space, "", &batch.raw, s.world->now_ms, &err));
    hark_space_batch_free(&batch);
    assert_same(s.space, home);
    assert_sound(s.space);
    hark_space_free(home);
    stage_end(&s);
}

/* ---- Every byte ------------------------------------------------------------------------ */

/* Turns one bit of each byte, another in the next one. */
static void flip(struct stage *s, const struct hark_raw_batch *raw, struct hark_span part)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)part.data;

    for (size_t at = 0; at < part.size; at++) {
        uint8_t bit = (uint8_t)(1u << at % 8);
        int rc;

        bytes[at] ^= bit;
        rc = take(s->space, raw, s->world->now_ms);
        bytes[at] ^= bit;
        if (hark_err_exit(rc) != 3)
            fail_msg("%s: byte %zu: %s", at_case, at, hark_err_name(rc));
    }
}

static void test_space_take__no_byte_can_be_another(void **state)
{
    struct hark_space_batch batch;
    struct hark_space *home;
    struct snapshot was;
    struct stage s;

    (void)state;
    home = begin_pair(&s);
    OK(stage_read(home, s.base, &batch, &err));
    stage_snapshot(&was, s.space);
    at_case = "commit";
    flip(&s, &batch.raw, batch.raw.commit);
    at_case = "entries";
    flip(&s, &batch.raw, batch.raw.entries);
    at_case = "checkpoint";
    flip(&s, &batch.raw, batch.raw.checkpoint);
    for (size_t i = 0; i < batch.raw.count; i++) {
        at_case = "object";
        flip(&s, &batch.raw, batch.raw.items[i].object);
        at_case = "payload";
        flip(&s, &batch.raw, batch.raw.items[i].payload);
    }
    at_case = "all bytes";
    assert_unchanged(&was, s.space);
    OK(hark_space_take(s.space, "", &batch.raw, s.world->now_ms, &err));
    assert_same(s.space, home);
    assert_sound(s.space);
    hark_space_batch_free(&batch);
    hark_space_free(home);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_take__what_is_put_together_again_is_the_same),
        cmocka_unit_test(test_space_take__each_rule_b_refuses_what_breaks_it_alone),
        cmocka_unit_test(test_space_take__erasable_payloads_may_be_missing),
        cmocka_unit_test(test_space_take__what_is_taken_never_goes_back),
        cmocka_unit_test(test_space_take__batches_come_in_order_and_once),
        cmocka_unit_test(test_space_take__in_a_row_up_to_what_is_wrong),
        cmocka_unit_test(test_space_take__what_was_expected_is_no_more_than_a_hint),
        cmocka_unit_test(test_space_take__of_two_histories_the_first_stays),
        cmocka_unit_test(test_space_take__a_home_moves_only_as_the_steward_said),
        cmocka_unit_test(test_space_take__a_home_entry_begins_a_batch),
        cmocka_unit_test(test_space_take__recovery_comes_with_the_new_home),
        cmocka_unit_test(test_space_take__no_byte_can_be_another),
    };

    return cmocka_run_group_tests(tests, stage_set_up_all, stage_tear_down_all);
}
