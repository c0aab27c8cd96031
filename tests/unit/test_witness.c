/*
 * node/witness: what a node cosigns and never does (Q2 to Q4), what it keeps of what others
 * show, and what is settled by that (PROTOCOL.md 7.8), over a real space of which the home's
 * copy is at hand to grow first.
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
#include "replication/messages.h"
#include "schemas/receipt.h"
#include "tests/unit/space_stage.h"

#define NOW_S    UINT64_C(1800000000)
#define NODES    5u /* the home is 0 */
#define NAME(at) NAMES[at]
#define BOTH     for (int again = 0; again < 2; again++, reopen(sc))

static const char *const NAMES[NODES] = {WORLD_HOME, "one.example", "two.example", "three.example",
                                         "four.example"};

struct scene {
    struct stage s; /* s.space is the partner's, `home` the home's */
    struct hark_space *home;
    char place[STAGE_PATH_MAX]; /* the partner's */
    uint32_t log[NODES], cosigner[NODES];
};

/* --- the scene ------------------------------------------------------------------------- */

static void log_at_home(struct scene *sc)
{
    struct hark_space *here = sc->s.space;

    sc->s.space = sc->home;
    stage_log(&sc->s, hark_space_head(sc->home)->tree.size);
    sc->s.space = here;
}

static void follow(struct scene *sc)
{
    while (hark_space_head(sc->s.space)->tree.size < hark_space_head(sc->home)->tree.size) {
        struct hark_space_batch batch;

        OK(stage_read(sc->home, hark_space_head(sc->s.space)->tree.size, &batch, &err));
        OK(hark_space_take(sc->s.space, "", &batch.raw, sc->s.world->now_ms, &err));
        hark_space_batch_free(&batch);
    }
}

/* So many entries more, at the home; its size. */
static uint64_t grow_home(struct scene *sc, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        world_say(sc->s.world, sc->s.alice, "topic", stage_text("title", "The lake"), HARK_NONE);
    log_at_home(sc);
    return hark_space_head(sc->home)->tree.size;
}

static uint64_t grow(struct scene *sc, unsigned count)
{
    uint64_t size = grow_home(sc, count);

    follow(sc);
    return size;
}

static void say_node(struct scene *sc, unsigned at)
{
    sc->log[at] = world_new_key(sc->s.world);
    sc->cosigner[at] = world_new_key(sc->s.world);
    world_say(
        sc->s.world, WORLD_STEWARD, "node",
        world_fields_node(NAME(at), sc->log[at], sc->cosigner[at], world_new_key(sc->s.world)),
        HARK_NONE);
}

static void say_removed(struct scene *sc, unsigned at)
{
    world_say(sc->s.world, WORLD_STEWARD, "node",
              json_pack("{s:s, s:s}", "action", "remove", "name", NAME(at)), HARK_NONE);
}

static void say_quorum(struct scene *sc, int needed)
{
    world_say(sc->s.world, WORLD_STEWARD, "policy",
              json_pack("{s:{s:i}}", "policy", "quorum", needed), HARK_NONE);
}

static void reopen(struct scene *sc)
{
    struct hark_hash id = *hark_space_id(sc->home);

    hark_space_free(sc->s.space);
    sc->s.space = NULL;
    OK(hark_space_open(&sc->s.space, sc->place, &id, false, NULL, &err));
}

/* Nodes one, two and three; two of them settle. */
static void scene_begin(struct scene *sc)
{
    memset(sc, 0, sizeof(*sc));
    stage_begin(&sc->s);
    sc->home = sc->s.space;
    sc->log[0] = WORLD_LOG;
    sc->cosigner[0] = WORLD_COSIGNER;
    sc->log[1] = sc->s.node_log;
    sc->cosigner[1] = sc->s.node_cosigner;
    say_node(sc, 2);
    say_node(sc, 3);
    say_quorum(sc, 2);
    sc->s.space = stage_open_copy(hark_space_id(sc->home));
    (void)snprintf(sc->place, sizeof(sc->place), "%s/copy-%u", stage_dir, stage_copies);
    (void)grow(sc, 1);
}

static void scene_end(struct scene *sc)
{
    hark_space_free(sc->home);
    stage_end(&sc->s);
}

static uint64_t size_here(const struct scene *sc)
{
    return hark_space_head(sc->s.space)->tree.size;
}

/* --- notes ------------------------------------------------------------------------------ */

/* The home's log of so many entries, or, `other`, one that it is not. */
static struct hark_buf plain(struct scene *sc, uint64_t size, bool other)
{
    struct hark_checkpoint cp = {.size = size};
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);

    memcpy(cp.origin, hark_space_head(sc->home)->origin, sizeof(cp.origin));
    if (!other)
        OK(hark_space_root(sc->home, "", size, &cp.root, &err));
    else
        cp.root.bytes[0] = (uint8_t)(size + 1);
    OK(hark_checkpoint_sign(&note, &cp, world_signer(WORLD_LOG), NULL, &err));
    return note;
}

static void add_line(struct hark_buf *note, const char *name, uint32_t key, uint64_t time_s)
{
    const uint8_t *end = memmem(note->data, note->size, "\n\n", 2);
    struct hark_buf line = hark_buf_init(HARK_NOTE_MAX);

    assert_non_null(end);
    OK(hark_note_sign(&line, hark_span(note->data, (size_t)(end - note->data) + 1), name,
                      HARK_NOTE_COSIGNATURE_V1, world_signer(key), time_s, &err));
    OK(hark_buf_append_span(note, hark_buf_span(&line), &err));
    hark_buf_free(&line);
}

static void sign(struct scene *sc, struct hark_buf *note, unsigned by)
{
    add_line(note, NAME(by), sc->cosigner[by], NOW_S);
}

/* Shown here, and gone. */
static int show(struct scene *sc, struct hark_buf *note)
{
    int rc;

    memset(&err, 0, sizeof(err));
    rc = hark_witness_take(sc->s.space, hark_buf_span(note), &err);
    hark_buf_free(note);
    return rc;
}

/* Of the log of the home, or another, as that node cosigned it. */
static int show_signed(struct scene *sc, uint64_t size, bool other, unsigned by)
{
    struct hark_buf note = plain(sc, size, other);

    sign(sc, &note, by);
    return show(sc, &note);
}

static void take(struct scene *sc, uint64_t size, unsigned by)
{
    assert_code(show_signed(sc, size, false, by), 0);
}

/* --- what is here --------------------------------------------------------------------------- */

/* How much that node has signed, as far as is kept; 0: nothing. */
static uint64_t kept_of(struct scene *sc, unsigned by)
{
    const struct hark_cosigned *found;
    const struct hark_notes *notes = NULL;

    OK(hark_witness_notes(sc->s.space, &notes, &err));
    found = hark_notes_find(notes, "", world_key(sc->cosigner[by]));
    return found == NULL ? 0 : found->checkpoint.size;
}

static uint64_t settled(struct scene *sc)
{
    uint64_t size = 0;

    OK(hark_witness_settled(sc->s.space, &size, &err));
    return size;
}

static uint64_t kept_count(struct scene *sc)
{
    const struct hark_notes *notes = NULL;

    OK(hark_witness_notes(sc->s.space, &notes, &err));
    return hark_notes_count(notes);
}

static int add_evidence(void *arg, struct hark_space *space, const char *path, struct hark_err *why)
{
    size_t *count = arg;

    (void)space;
    (void)why;
    assert_int_equal(access(path, R_OK), 0);
    (*count)++;
    return 0;
}

static size_t evidence(struct scene *sc)
{
    size_t count = 0;

    OK(hark_convict_each(sc->s.space, add_evidence, &count, &err));
    return count;
}

static bool cosign(struct scene *sc, unsigned as, uint64_t now_s)
{
    bool done = true;

    OK(hark_witness_cosign(sc->s.space, world_signer(sc->cosigner[as]), now_s, &done, &err));
    return done;
}

static bool wants(struct scene *sc, unsigned by)
{
    bool wanted = false;

    OK(hark_witness_wants(sc->s.space, world_key(sc->cosigner[by]), &wanted, &err));
    return wanted;
}

static bool stuck(struct scene *sc, unsigned by)
{
    bool is = false;

    OK(hark_witness_stuck(sc->s.space, world_key(sc->cosigner[by]), &is, &err));
    return is;
}

/* --- signing --------------------------------------------------------------------------------- */

static void assert_own(struct scene *sc, unsigned as, uint64_t size, uint64_t time_s)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_note_key log, own;
    const struct hark_cosigned *cosigned;
    const struct hark_notes *notes = NULL;
    struct hark_hash root;
    uint64_t at_s = 0;

    assert_non_null(note);
    OK(hark_witness_notes(sc->s.space, &notes, &err));
    cosigned = hark_notes_find(notes, "", world_key(sc->cosigner[as]));
    assert_non_null(cosigned);
    assert_int_equal(cosigned->checkpoint.size, size);
    assert_int_equal(cosigned->time_s, time_s);
    OK(hark_space_root(sc->s.space, "", size, &root, &err));
    assert_true(hark_hash_equal(&root, &cosigned->checkpoint.root));
    OK(hark_note_parse(note, hark_buf_span(&cosigned->note), &err));
    assert_int_equal(note->count, 2);
    OK(hark_note_key_init(&log, cosigned->checkpoint.origin, HARK_NOTE_ED25519,
                          world_key(WORLD_LOG), &err));
    OK(hark_note_verify(note, &log, NULL, &err));
    OK(hark_note_key_init(&own, NAME(as), HARK_NOTE_COSIGNATURE_V1, world_key(sc->cosigner[as]),
                          &err));
    OK(hark_note_verify(note, &own, &at_s, &err));
    assert_int_equal(at_s, time_s);
    free(note);
}

static void test_witness__signs_what_is_new_once(struct scene *sc)
{
    uint64_t size = size_here(sc);

    assert_true(cosign(sc, 1, NOW_S));
    BOTH
    {
        assert_own(sc, 1, size, NOW_S);
        assert_false(cosign(sc, 1, NOW_S + 5));
        assert_own(sc, 1, size, NOW_S);
    }
    size = grow(sc, 3);
    assert_true(cosign(sc, 1, NOW_S + 9));
    BOTH assert_own(sc, 1, size, NOW_S + 9);
    assert_int_equal(kept_count(sc), 1);
    assert_false(stuck(sc, 1));
}

/* Q2. */
static void test_witness__signs_when_it_is_asked_to_by_the_log(struct scene *sc)
{
    sc->cosigner[4] = world_new_key(sc->s.world);
    assert_false(cosign(sc, 0, NOW_S)); /* the home */
    assert_false(cosign(sc, 4, NOW_S));
    assert_false(wants(sc, 0));
    assert_false(wants(sc, 4));
    assert_int_equal(kept_count(sc), 0);
    for (unsigned by = 1; by < 4; by++) {
        assert_true(wants(sc, by));
        assert_true(cosign(sc, by, NOW_S));
    }
    assert_int_equal(settled(sc), size_here(sc));
    /* Who is removed signs that, and no more once enough have. */
    say_node(sc, 4);
    say_removed(sc, 3);
    (void)grow(sc, 1);
    assert_true(wants(sc, 3));
    assert_true(cosign(sc, 1, NOW_S));
    assert_true(cosign(sc, 3, NOW_S));
    assert_true(cosign(sc, 4, NOW_S));
    assert_int_equal(settled(sc), size_here(sc));
    (void)grow(sc, 1);
    assert_false(wants(sc, 3));
    assert_false(cosign(sc, 3, NOW_S));
    assert_true(cosign(sc, 4, NOW_S));
}

/* Q3. */
static void test_witness__signs_only_what_goes_on_from_its_last(struct scene *sc)
{
    uint64_t before = size_here(sc), ahead = grow_home(sc, 2);

    /* Put back from a backup: it hears what it had signed. */
    take(sc, ahead, 1);
    BOTH
    {
        assert_false(cosign(sc, 1, NOW_S));
        assert_false(stuck(sc, 1));
        assert_int_equal(kept_of(sc, 1), ahead);
    }
    assert_int_equal(size_here(sc), before);
    follow(sc);
    assert_false(cosign(sc, 1, NOW_S));
    ahead = grow(sc, 1);
    assert_true(cosign(sc, 1, NOW_S));
    assert_own(sc, 1, ahead, NOW_S);
    /* What it signed is not what the log here came to be. */
    ahead = grow_home(sc, 2);
    assert_code(show_signed(sc, ahead, true, 2), 0);
    assert_false(cosign(sc, 2, NOW_S));
    follow(sc);
    BOTH
    {
        assert_true(stuck(sc, 2));
        assert_false(stuck(sc, 1));
        assert_false(cosign(sc, 2, NOW_S));
    }
    (void)grow(sc, 1);
    assert_false(cosign(sc, 2, NOW_S));
    assert_int_equal(kept_of(sc, 2), ahead);
    assert_true(cosign(sc, 1, NOW_S));
}

/* Q4. */
static void test_witness__signs_no_earlier_time(struct scene *sc)
{
    assert_true(cosign(sc, 1, NOW_S));
    assert_own(sc, 1, size_here(sc), NOW_S);
    (void)grow(sc, 1);
    assert_false(cosign(sc, 1, NOW_S - HARK_COSIGNER_BACK_S - 1));
    assert_true(cosign(sc, 1, NOW_S - HARK_COSIGNER_BACK_S));
    BOTH assert_own(sc, 1, size_here(sc), NOW_S);
}

/* --- others' --------------------------------------------------------------------------------- */

static void test_witness__keeps_what_says_more(struct scene *sc)
{
    uint64_t size = size_here(sc);
    const struct hark_notes *notes = NULL;
    uint64_t version;

    take(sc, size - 3, 2);
    take(sc, size - 1, 1);
    OK(hark_witness_notes(sc->s.space, &notes, &err));
    version = hark_notes_version(notes);
    take(sc, size - 2, 1);
    take(sc, size - 1, 1);
    assert_int_equal(hark_notes_version(notes), version); /* nothing is shown anew */
    take(sc, size, 2);
    BOTH
    {
        assert_int_equal(kept_of(sc, 1), size - 1);
        assert_int_equal(kept_of(sc, 2), size);
        assert_int_equal(kept_of(sc, 3), 0);
        assert_int_equal(evidence(sc), 0);
    }
}

static void test_witness__counts_what_came_before_the_log_did(struct scene *sc)
{
    uint64_t ahead = grow_home(sc, 2);

    for (unsigned by = 1; by < 4; by++)
        take(sc, ahead, by);
    assert_int_equal(settled(sc), 0);
    assert_int_equal(kept_of(sc, 3), ahead);
    follow(sc);
    BOTH assert_int_equal(settled(sc), ahead);
    assert_int_equal(evidence(sc), 0);
}

static void test_witness__finds_that_what_came_before_is_of_another_log(struct scene *sc)
{
    uint64_t ahead = grow_home(sc, 2);

    take(sc, ahead, 1);
    take(sc, ahead, 2);
    assert_code(show_signed(sc, ahead, true, 3), 0);
    assert_int_equal(evidence(sc), 0);
    follow(sc);
    BOTH
    {
        assert_int_equal(settled(sc), ahead);
        assert_int_equal(evidence(sc), 1);
    }
    ahead = grow(sc, 1);
    take(sc, ahead, 1);
    assert_int_equal(settled(sc), ahead - 1); /* three's counts nowhere */
    assert_int_equal(evidence(sc), 1);
}

static void test_witness__keeps_a_second_history_as_evidence(struct scene *sc)
{
    uint64_t size = size_here(sc);
    struct hark_buf note = plain(sc, size - 1, true), copy = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf file = hark_buf_init(HARK_NOTE_MAX);

    OK(hark_buf_append_span(&copy, hark_buf_span(&note), &err));
    assert_code(show(sc, &note), HARK_E_PEER_FORK);
    assert_code(show_signed(sc, size, true, 2), HARK_E_PEER_FORK);
    BOTH
    {
        assert_code(hark_witness_take(sc->s.space, hark_buf_span(&copy), &err), HARK_E_PEER_FORK);
        assert_int_equal(evidence(sc), 1); /* of one key and what it did */
        assert_int_equal(kept_count(sc), 0);
        assert_false(stuck(sc, 2));
    }
    /* What was shown stands in the file. */
    assert_int_equal(run_tool(sc->place, "cat evidence/*.evidence >shown"), 0);
    load_file(&file, sc->place, "shown");
    assert_non_null(memmem(file.data, file.size, copy.data, copy.size));
    /* In the place of an entry that is here nothing is wrong. */
    take(sc, size, 2);
    assert_int_equal(kept_of(sc, 2), size);
    hark_buf_free(&file);
    hark_buf_free(&copy);
}

/* Whoever has one such checkpoint can write lines under it without end. */
static void test_witness__keeps_no_more_evidence_than_is_needed(struct scene *sc)
{
    for (unsigned i = 0; i < 100; i++) {
        struct hark_buf note = plain(sc, size_here(sc), true);

        add_line(&note, "anybody", sc->cosigner[2], NOW_S + i);
        assert_code(show(sc, &note), HARK_E_PEER_FORK);
    }
    assert_int_equal(evidence(sc), 1);
    reopen(sc);
    assert_int_equal(evidence(sc), 1);
}

static struct hark_buf signed_by(struct scene *sc, const char *origin, uint32_t log_key)
{
    struct hark_checkpoint cp = {.size = size_here(sc)};
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);

    (void)snprintf(cp.origin, sizeof(cp.origin), "%s", origin);
    OK(hark_space_root(sc->home, "", cp.size, &cp.root, &err));
    OK(hark_checkpoint_sign(&note, &cp, world_signer(log_key), NULL, &err));
    sign(sc, &note, 1);
    return note;
}

static void test_witness__refuses_what_is_nothing_of_ours(struct scene *sc)
{
    static const char *const WORDS[] = {"", "\n", "words", "words\n\n\xe2\x80\x94 one AAAAAAAA\n"};
    const struct hark_hash *id = hark_space_id(sc->home);
    struct hark_hash other = *id;
    char origin[HARK_NOTE_NAME_MAX + 1], hex[2 * HARK_HASH_SIZE + 1];
    struct hark_buf note;

    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        assert_code(hark_witness_take(sc->s.space, hark_span_str(WORDS[i]), &err),
                    HARK_E_PEER_FORM);
    other.bytes[0] ^= 1;
    hark_origin(origin, WORLD_HOME, &other, 1);
    note = signed_by(sc, origin, WORLD_LOG);
    assert_code(show(sc, &note), HARK_E_PEER_FORM);
    hark_hash_hex(hex, id);
    (void)snprintf(origin, sizeof(origin), "%s/%s/intake", NAME(1), hex);
    note = signed_by(sc, origin, sc->log[2]); /* not its node's key */
    assert_code(show(sc, &note), HARK_E_PEER_FORM);
    note = signed_by(sc, origin, sc->log[1]);
    assert_code(show(sc, &note), 0); /* and nobody has cosigned it */
    /* A home that may be one later, or never. */
    hark_origin(origin, WORLD_HOME, id, 1);
    note = signed_by(sc, origin, sc->log[1]);
    assert_code(show(sc, &note), HARK_E_BEHIND);
    hark_origin(origin, "nobody.example", id, 2);
    note = signed_by(sc, origin, WORLD_LOG);
    assert_code(show(sc, &note), HARK_E_BEHIND);
    assert_int_equal(kept_count(sc), 0);
    assert_int_equal(evidence(sc), 0);
}

/* A main log's origin ends with a number; what any named node can sign instead must not
 * be taken for one, however it reads. */
static void test_witness__refuses_origins_that_are_none(struct scene *sc)
{
    static const char *const ENDS[] = {"0", "01", "x", "1x", "1/2", "-1", "99999999999999999999"};
    char origin[HARK_NOTE_NAME_MAX + 1], hex[2 * HARK_HASH_SIZE + 1];

    hark_hash_hex(hex, hark_space_id(sc->home));
    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        struct hark_buf note;

        at_case = ENDS[i];
        (void)snprintf(origin, sizeof(origin), "%s/%s/%s", WORLD_HOME, hex, ENDS[i]);
        note = signed_by(sc, origin, WORLD_LOG);
        assert_code(show(sc, &note), HARK_E_PEER_FORM);
        assert_int_equal(kept_count(sc), 0);
    }
}

static void test_witness__refuses_cosignatures_that_do_not_hold(struct scene *sc)
{
    uint64_t size = size_here(sc);
    struct hark_buf note = plain(sc, size, false), other = plain(sc, size - 1, false);
    const uint8_t *line;

    sign(sc, &other, 2);
    line = memrchr(other.data, '\n', other.size - 1);
    assert_non_null(line);
    line++;
    OK(hark_buf_append(&note, line, (size_t)(other.data + other.size - line), &err));
    assert_code(show(sc, &note), HARK_E_PEER_FORM);
    assert_int_equal(kept_count(sc), 0);
    assert_int_equal(evidence(sc), 0);
    hark_buf_free(&other);
}

static void test_witness__keeps_of_all_lines_those_that_count(struct scene *sc)
{
    uint64_t size = size_here(sc);
    struct hark_buf note = plain(sc, size, false);

    for (unsigned i = 0; i < 20; i++)
        add_line(&note, i % 2 == 0 ? "never.example" : "one.example", sc->s.alice, NOW_S + i);
    sign(sc, &note, 1);
    sign(sc, &note, 1);
    sign(sc, &note, 3);
    sign(sc, &note, 0); /* the home is named, and no cosigner */
    assert_code(show(sc, &note), 0);
    assert_own(sc, 1, size, NOW_S);
    assert_own(sc, 3, size, NOW_S);
    assert_int_equal(kept_of(sc, 2), 0);
    reopen(sc);
    assert_own(sc, 1, size, NOW_S);
    assert_own(sc, 3, size, NOW_S);
}

/* A line of the home's name and key that does not hold, before the right one: what is kept
 * must be what was verified, or the file could never be read again. */
static void test_witness__is_not_misled_by_a_forged_line_of_the_home(struct scene *sc)
{
    uint64_t size = size_here(sc);
    struct hark_buf note = plain(sc, size, false), forged = plain(sc, size - 1, false);
    struct hark_buf both = hark_buf_init(HARK_NOTE_MAX);
    const uint8_t *blank = memmem(note.data, note.size, "\n\n", 2);
    const uint8_t *line = memrchr(forged.data, '\n', forged.size - 1);
    int rc;

    assert_non_null(blank);
    assert_non_null(line);
    OK(hark_buf_append(&both, note.data, (size_t)(blank - note.data) + 2, &err));
    OK(hark_buf_append(&both, line + 1, (size_t)(forged.data + forged.size - line) - 1, &err));
    OK(hark_buf_append(&both, blank + 2, (size_t)(note.data + note.size - blank) - 2, &err));
    sign(sc, &both, 1);
    rc = show(sc, &both);
    assert_true(rc == 0 || rc == HARK_E_BEHIND);
    if (kept_of(sc, 1) != 0)
        assert_own(sc, 1, size, NOW_S);
    take(sc, size, 1);
    BOTH assert_own(sc, 1, size, NOW_S);
    hark_buf_free(&note);
    hark_buf_free(&forged);
}

/* That node is the home from now on, here as well. */
static void move_home(struct scene *sc, unsigned to)
{
    const struct hark_signer *log_key = world_signer(sc->log[to]);
    struct hark_offer offer;

    world_say(sc->s.world, WORLD_STEWARD, "home", world_fields_home(sc->s.world, NAME(to)),
              HARK_NONE);
    OK(hark_space_begin(sc->home, &err));
    offer = stage_offer(sc->s.world->log[sc->s.world->count - 1], false);
    OK(hark_space_add(sc->home, &offer, log_key, NULL, &err));
    OK(hark_space_commit(sc->home, log_key, sc->s.world->now_ms, &err));
    follow(sc);
}

/* PROTOCOL.md 7.6: what an incarnation signed beyond the `home` entry of the next may be
 * lost, which is no fork and nothing to keep. */
static void test_witness__lets_go_of_what_a_move_lost(struct scene *sc)
{
    uint64_t end = size_here(sc);
    struct hark_buf lost = plain(sc, end + 1, true), fork = plain(sc, end, true), next;

    sign(sc, &lost, 2);
    move_home(sc, 1);
    assert_int_equal(size_here(sc), end + 1);
    assert_code(show(sc, &lost), 0);
    assert_int_equal(kept_count(sc), 0);
    assert_int_equal(evidence(sc), 0);
    assert_code(show(sc, &fork), HARK_E_PEER_FORK);
    assert_int_equal(evidence(sc), 1);
    /* The old home is a cosigner now, the new one is none. */
    assert_true(cosign(sc, 0, NOW_S));
    assert_true(cosign(sc, 2, NOW_S));
    next = signed_by(sc, hark_space_head(sc->home)->origin, sc->log[1]);
    sign(sc, &next, 3);
    assert_code(show(sc, &next), 0);
    BOTH
    {
        assert_int_equal(kept_of(sc, 0), end + 1);
        assert_int_equal(kept_of(sc, 3), end + 1);
    }
}

/* As a home finds that was thought lost: another goes on from before its own end, and what
 * that has signed is shown to it before the `home` entry is. That is no fork. */
static void test_witness__holds_nothing_against_a_later_home(struct scene *sc)
{
    struct hark_checkpoint cp = {.size = size_here(sc) - 1, .root = {{7}}};
    struct hark_seen seen = {.size = cp.size, .root = cp.root};
    struct hark_note_key key;
    struct hark_buf note;

    hark_origin(cp.origin, NAME(1), hark_space_id(sc->home), 2);
    for (int early = 0; early < 2; early++, cp.size = size_here(sc) + 1) {
        note = hark_buf_init(HARK_NOTE_MAX);
        OK(hark_checkpoint_sign(&note, &cp, world_signer(sc->log[1]), seen.signature, &err));
        assert_code(hark_convict_log(sc->s.space, hark_buf_span(&note), &err), HARK_E_EVIDENCE);
        sign(sc, &note, 2);
        assert_code(show(sc, &note), early ? 0 : HARK_E_BEHIND);
        OK(hark_note_key_init(&key, cp.origin, HARK_NOTE_ED25519, world_key(sc->log[1]), &err));
        seen.key_id = key.id;
        seen.size = cp.size;
        hark_witness_saw(sc->s.space, &seen);
        OK(hark_witness_compare(sc->s.space, &err));
    }
    assert_int_equal(kept_count(sc), 1);
    (void)grow(sc, 2); /* and what came early is not the log's here, either */
    BOTH
    {
        assert_int_equal(settled(sc), 0);
        assert_int_equal(evidence(sc), 0);
    }
}

/* --- settled -----------------------------------------------------------------------------------
 */

static void settle(struct scene *sc)
{
    for (unsigned by = 1; by < 4; by++)
        take(sc, size_here(sc), by);
    assert_int_equal(settled(sc), size_here(sc));
}

static void test_witness__settles_when_enough_have_signed(struct scene *sc)
{
    uint64_t first = size_here(sc), second, third;
    const struct hark_quorum *quorum = NULL;

    OK(hark_witness_quorum(sc->s.space, &quorum, &err));
    assert_int_equal(quorum->needed, 2);
    assert_int_equal(quorum->count, 3);
    assert_int_equal(settled(sc), 0);
    settle(sc);
    second = grow(sc, 4);
    BOTH assert_int_equal(settled(sc), first);
    take(sc, second, 1);
    BOTH assert_int_equal(settled(sc), first);
    take(sc, second - 2, 2); /* the two have both signed so much */
    BOTH assert_int_equal(settled(sc), second - 2);
    take(sc, second, 3);
    BOTH assert_int_equal(settled(sc), second);
    third = grow(sc, 1);
    assert_true(cosign(sc, 2, NOW_S + 1));
    assert_int_equal(settled(sc), second);
    assert_true(cosign(sc, 3, NOW_S + 1));
    BOTH assert_int_equal(settled(sc), third);
}

/* Only what stands changes who settles. */
static void test_witness__goes_by_no_void_entry(struct scene *sc)
{
    struct world_draft draft = {.by = sc->s.alice,
                                .kind = "policy",
                                .fields = json_pack("{s:{s:i}}", "policy", "quorum", 1)};
    uint64_t before = size_here(sc);

    settle(sc);
    (void)world_log(sc->s.world, &draft, HARK_E_VOID_STEWARD);
    log_at_home(sc);
    (void)grow(sc, 1);
    take(sc, size_here(sc), 1);
    BOTH assert_int_equal(settled(sc), before);
    take(sc, size_here(sc), 2);
    BOTH assert_int_equal(settled(sc), size_here(sc));
}

static void test_witness__settles_a_change_with_the_old_quorum_only(struct scene *sc)
{
    uint64_t before = size_here(sc), after;

    settle(sc);
    say_removed(sc, 2);
    say_removed(sc, 3);
    say_node(sc, 4);
    log_at_home(sc);
    follow(sc);
    after = grow(sc, 1);
    take(sc, after, 1);
    take(sc, after, 4);
    BOTH
    {
        assert_int_equal(settled(sc), before);
        assert_true(wants(sc, 2));
        assert_true(wants(sc, 3));
    }
    take(sc, after, 3);
    BOTH
    {
        assert_int_equal(settled(sc), after);
        assert_false(wants(sc, 2));
        assert_false(wants(sc, 3));
    }
}

/* A cosignature of what is not here yet stands for nothing until it is, and takes nothing
 * away of what its cosigner signed before: neither what is settled nor what is proved. */
static void test_witness__never_goes_back(struct scene *sc)
{
    uint64_t before = size_here(sc), ahead;
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    uint64_t size = 0;

    settle(sc);
    ahead = grow_home(sc, 2);
    take(sc, ahead, 1);
    assert_code(show_signed(sc, ahead, true, 2), 0); /* and who signs another history */
    take(sc, ahead - 1, 3);
    BOTH
    {
        assert_int_equal(settled(sc), before);
        OK(hark_witness_note(sc->s.space, "", 0, &note, &size, &err));
        assert_int_equal(size, before);
        hark_buf_free(&note);
        note = hark_buf_init(HARK_NOTE_MAX);
        assert_int_equal(kept_of(sc, 1), ahead);
        assert_int_equal(kept_of(sc, 2), ahead);
        assert_int_equal(kept_of(sc, 3), ahead - 1);
    }
    take(sc, ahead, 3);
    BOTH assert_int_equal(settled(sc), before);
    follow(sc);
    BOTH
    {
        assert_int_equal(settled(sc), ahead);
        assert_true(stuck(sc, 2));
    }
    ahead = grow_home(sc, 1);
    take(sc, ahead, 1);
    take(sc, ahead, 3);
    BOTH assert_int_equal(settled(sc), ahead - 1);
    follow(sc);
    BOTH assert_int_equal(settled(sc), ahead);
    assert_int_equal(evidence(sc), 1);
    hark_buf_free(&note);
}

/* What was written down before the log went back holds without any note, as long as the log
 * begins so, and nothing else does. */
static void test_witness__keeps_what_was_settled_in_mind(struct scene *sc)
{
    uint64_t before = size_here(sc);

    OK(hark_witness_keep_settled(sc->s.space, &err)); /* nothing: no file */
    settle(sc);
    OK(hark_witness_keep_settled(sc->s.space, &err));
    (void)grow(sc, 2);
    assert_int_equal(run_tool(sc->place, "rm cosigned/*/main.*"), 0);
    reopen(sc);
    assert_int_equal(settled(sc), before);
    assert_int_equal(run_tool(sc->place, "sed -i '2s/^./z/' cosigned/*/settled"), 0);
    reopen(sc);
    assert_int_equal(settled(sc), 0);
    assert_non_null(hark_witness_damaged(sc->s.space));
    assert_int_equal(
        run_tool(sc->place, "for f in cosigned/*/settled; do printf %200d 0 >>$f; done"), 0);
    reopen(sc);
    assert_int_equal(settled(sc), 0);
    assert_non_null(hark_witness_damaged(sc->s.space));
    assert_int_equal(run_tool(sc->place, "sed -i '3d' cosigned/*/settled"), 0);
    assert_int_equal(run_tool(sc->place, "sed -i \"2s/.*/$(printf %064d 0)/\" cosigned/*/settled"),
                     0);
    reopen(sc);
    assert_int_equal(settled(sc), 0);
    assert_null(hark_witness_damaged(sc->s.space));
}

/* What an entry says that its author saw. */
static struct hark_seen seen_of(struct scene *sc, uint64_t size, bool other, bool holds)
{
    const struct hark_log_head *head = hark_space_head(sc->s.space);
    struct hark_checkpoint cp = {.size = size};
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_seen seen = {.size = size};
    struct hark_note_key key;

    memcpy(cp.origin, head->origin, sizeof(cp.origin));
    OK(hark_space_root(sc->home, "", size, &cp.root, &err));
    cp.root.bytes[0] ^= other ? 1 : 0;
    OK(hark_note_key_init(&key, cp.origin, HARK_NOTE_ED25519, &head->log_key, &err));
    OK(hark_checkpoint_sign(&note, &cp, world_signer(sc->log[0]), seen.signature, &err));
    seen.signature[0] ^= holds ? 0 : 1;
    seen.root = cp.root;
    seen.key_id = key.id;
    hark_buf_free(&note);
    return seen;
}

static void test_witness__holds_what_members_saw_against_the_log(struct scene *sc)
{
    struct hark_seen seen = seen_of(sc, size_here(sc), false, true);
    uint64_t ahead;

    hark_witness_saw(sc->s.space, &seen);
    seen = seen_of(sc, size_here(sc), true, false); /* a member's lie */
    hark_witness_saw(sc->s.space, &seen);
    OK(hark_witness_compare(sc->s.space, &err));
    assert_int_equal(evidence(sc), 0);
    seen = seen_of(sc, size_here(sc), true, true);
    for (unsigned i = 0; i < 3; i++)
        hark_witness_saw(sc->s.space, &seen);
    OK(hark_witness_compare(sc->s.space, &err));
    assert_int_equal(evidence(sc), 1);
    /* Before the log is here it can be compared with nothing, and waits. */
    assert_int_equal(run_tool(sc->place, "rm evidence/*"), 0);
    ahead = grow_home(sc, 2);
    seen = seen_of(sc, ahead, true, true);
    hark_witness_saw(sc->s.space, &seen);
    OK(hark_witness_compare(sc->s.space, &err));
    assert_int_equal(evidence(sc), 0);
    for (uint32_t i = 0; i < 1000; i++) { /* of which one needs the room */
        struct hark_seen fine = seen_of(sc, 1 + i % 4, false, true);

        fine.signature[1] ^= (uint8_t)i;
        hark_witness_saw(sc->s.space, &fine);
    }
    follow(sc);
    OK(hark_witness_compare(sc->s.space, &err));
    assert_int_equal(evidence(sc), 1);
}

/* A lost home's heir would take back what is settled where more is here. */
static void test_witness__knows_of_what_is_settled_elsewhere(struct scene *sc)
{
    uint64_t size = 0, ahead;

    settle(sc);
    ahead = grow_home(sc, 2);
    take(sc, ahead, 1);
    BOTH
    {
        OK(hark_witness_ahead(sc->s.space, &size, &err));
        assert_int_equal(size, 0); /* one is no quorum */
    }
    take(sc, ahead - 1, 3);
    BOTH
    {
        OK(hark_witness_ahead(sc->s.space, &size, &err));
        assert_int_equal(size, ahead - 1);
    }
    follow(sc);
    OK(hark_witness_ahead(sc->s.space, &size, &err));
    assert_int_equal(size, 0);
}

/* Asked while a batch is being made, when the state is ahead of the log. */
static void test_witness__misses_no_change_that_is_being_logged(struct scene *sc)
{
    const struct hark_quorum *quorum = NULL;
    uint64_t end = hark_space_head(sc->home)->tree.size;
    struct hark_offer offer;

    say_quorum(sc, 3);
    OK(hark_space_begin(sc->home, &err));
    offer = stage_offer(sc->s.world->log[end], false);
    OK(hark_space_add(sc->home, &offer, world_signer(sc->log[0]), NULL, &err));
    OK(hark_witness_quorum(sc->home, &quorum, &err)); /* for the first time */
    assert_int_equal(quorum->needed, 2);
    OK(hark_space_commit(sc->home, world_signer(sc->log[0]), sc->s.world->now_ms, &err));
    OK(hark_witness_quorum(sc->home, &quorum, &err));
    assert_int_equal(quorum->needed, 3);
}

/* Who becomes the home was of the quorum that has to let it. */
static void test_witness__signs_its_own_coming_to_be_the_home(struct scene *sc)
{
    uint64_t end;

    settle(sc);
    say_quorum(sc, 3);
    log_at_home(sc);
    follow(sc);
    for (unsigned by = 1; by < 4; by++)
        take(sc, size_here(sc), by);
    end = size_here(sc);
    assert_int_equal(settled(sc), end);
    move_home(sc, 1);
    for (unsigned by = 0; by < 4; by++) {
        if (by != 1)
            assert_true(cosign(sc, by, NOW_S));
    }
    assert_int_equal(settled(sc), end);
    assert_true(cosign(sc, 1, NOW_S));
    assert_int_equal(settled(sc), end + 1);
}

/* --- showing ------------------------------------------------------------------------------------
 */

static size_t lines_of(struct hark_span text)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    size_t count;

    assert_non_null(note);
    OK(hark_note_parse(note, text, &err));
    count = note->count;
    free(note);
    return count;
}

static void assert_proved(struct scene *sc, uint64_t position, uint64_t size, size_t lines)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), file = hark_buf_init(2 * HARK_NOTE_MAX);
    struct hark_receipt receipt;
    struct hark_git_id commit;
    struct hark_proof path;
    struct hark_line line;

    OK(hark_space_line(sc->s.space, "", position, &line, &commit, &err));
    OK(hark_space_prove(sc->s.space, "", position, &path, &note, &err));
    OK(hark_receipt_encode(&file, &line, &commit, &path, hark_buf_span(&note), &err));
    OK(hark_receipt_decode(&receipt, hark_buf_span(&file), &err));
    assert_int_equal(receipt.checkpoint.size, size);
    assert_int_equal(receipt.line.position, position);
    assert_int_equal(lines_of(receipt.note), lines);
    hark_buf_free(&file);
    hark_buf_free(&note);
}

static void test_witness__proves_by_what_most_have_signed(struct scene *sc)
{
    uint64_t size = size_here(sc), most = size - 2;

    assert_proved(sc, 0, size, 1); /* nobody's: the newest */
    take(sc, most, 1);
    assert_proved(sc, 0, most, 2);
    take(sc, most, 2);
    take(sc, size - 1, 3);
    BOTH
    {
        assert_proved(sc, most - 1, most, 3);
        assert_proved(sc, most, size - 1, 2); /* the other does not reach so far */
        assert_proved(sc, size - 1, size, 1);
    }
    take(sc, most + 1, 2);
    assert_proved(sc, 0, size - 1, 3);
    /* Of as many signers the larger; of none that is not here. */
    take(sc, size, 1);
    take(sc, size, 2);
    assert_proved(sc, 0, size, 3);
    size = grow_home(sc, 1);
    for (unsigned by = 1; by < 4; by++)
        take(sc, size, by);
    assert_proved(sc, 0, size - 1, 3);
    follow(sc);
    assert_proved(sc, 0, size, 4);
}

static size_t shown(struct scene *sc, uint64_t sizes[NODES])
{
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_buf body = hark_buf_init(1u << 20);
    struct hark_hash id;
    size_t count = 99, decoded = 0;

    OK(hark_witness_body(sc->s.space, &body, &count, &err));
    if (count == 0) {
        assert_int_equal(body.size, 0);
        hark_buf_free(&body);
        return 0;
    }
    OK(hark_cosign_decode(&id, notes, &decoded, hark_buf_span(&body), &err));
    assert_int_equal(decoded, count);
    assert_true(hark_hash_equal(&id, hark_space_id(sc->s.space)));
    memset(sizes, 0, NODES * sizeof(*sizes));
    for (size_t i = 0; i < count; i++) {
        struct hark_note *note = calloc(1, sizeof(*note));
        struct hark_checkpoint cp;

        assert_non_null(note);
        OK(hark_note_parse(note, notes[i], &err));
        OK(hark_checkpoint_decode(&cp, note->text, NULL, &err));
        assert_int_equal(note->count, 2);
        for (unsigned by = 0; by < NODES; by++) {
            if (hark_span_equal(note->lines[1].name, hark_span_str(NAME(by))))
                sizes[by] += cp.size; /* each once */
        }
        free(note);
    }
    hark_buf_free(&body);
    return count;
}

static void test_witness__shows_the_last_of_each(struct scene *sc)
{
    uint64_t sizes[NODES], size = size_here(sc), ahead;

    assert_int_equal(shown(sc, sizes), 0);
    settle(sc);
    ahead = grow_home(sc, 2);
    take(sc, ahead, 2);
    BOTH
    {
        assert_int_equal(shown(sc, sizes), 3);
        assert_int_equal(sizes[1], size);
        assert_int_equal(sizes[2], ahead);
        assert_int_equal(sizes[3], size);
    }
}

/* More have come and gone than a message has room for: those who are needed are shown. */
static void test_witness__shows_those_who_are_needed_first(struct scene *sc)
{
    uint64_t sizes[NODES];

    settle(sc);
    for (unsigned i = 0; i < HARK_COSIGN_MAX + 6; i++) {
        uint32_t cosigner = world_new_key(sc->s.world);
        struct hark_buf note;

        world_say(sc->s.world, WORLD_STEWARD, "node",
                  world_fields_node("passing.example", world_new_key(sc->s.world), cosigner,
                                    world_new_key(sc->s.world)),
                  HARK_NONE);
        (void)grow(sc, 1);
        note = plain(sc, size_here(sc), false);
        add_line(&note, "passing.example", cosigner, NOW_S);
        for (unsigned by = 1; by < 4; by++)
            sign(sc, &note, by);
        assert_code(show(sc, &note), 0);
        world_say(sc->s.world, WORLD_STEWARD, "node",
                  json_pack("{s:s, s:s}", "action", "remove", "name", "passing.example"),
                  HARK_NONE);
        (void)grow(sc, 1);
        note = plain(sc, size_here(sc), false);
        for (unsigned by = 1; by < 4; by++)
            sign(sc, &note, by);
        assert_code(show(sc, &note), 0);
    }
    say_node(sc, 4);
    (void)grow(sc, 1);
    settle(sc);
    take(sc, size_here(sc), 4);
    BOTH
    {
        assert_int_equal(shown(sc, sizes), HARK_COSIGN_MAX);
        for (unsigned by = 1; by < NODES; by++)
            assert_int_equal(sizes[by], size_here(sc));
    }
}

/* ------------------------------------------------------------------------------------------- */

static void in_a_scene(void **state, void (*test)(struct scene *), const char *name)
{
    struct scene *sc = calloc(1, sizeof(*sc));

    (void)state;
    assert_non_null(sc);
    at_case = name;
    scene_begin(sc);
    test(sc);
    scene_end(sc);
    free(sc);
}

#define EACH(X)                                                                                    \
    X(signs_what_is_new_once)                                                                      \
    X(signs_when_it_is_asked_to_by_the_log)                                                        \
    X(signs_only_what_goes_on_from_its_last)                                                       \
    X(signs_no_earlier_time)                                                                       \
    X(keeps_what_says_more)                                                                        \
    X(counts_what_came_before_the_log_did)                                                         \
    X(finds_that_what_came_before_is_of_another_log)                                               \
    X(keeps_a_second_history_as_evidence)                                                          \
    X(keeps_no_more_evidence_than_is_needed)                                                       \
    X(refuses_what_is_nothing_of_ours)                                                             \
    X(refuses_origins_that_are_none)                                                               \
    X(refuses_cosignatures_that_do_not_hold)                                                       \
    X(keeps_of_all_lines_those_that_count)                                                         \
    X(is_not_misled_by_a_forged_line_of_the_home)                                                  \
    X(lets_go_of_what_a_move_lost)                                                                 \
    X(holds_nothing_against_a_later_home)                                                          \
    X(settles_when_enough_have_signed)                                                             \
    X(goes_by_no_void_entry)                                                                       \
    X(settles_a_change_with_the_old_quorum_only)                                                   \
    X(never_goes_back)                                                                             \
    X(proves_by_what_most_have_signed)                                                             \
    X(keeps_what_was_settled_in_mind)                                                              \
    X(holds_what_members_saw_against_the_log)                                                      \
    X(knows_of_what_is_settled_elsewhere)                                                          \
    X(misses_no_change_that_is_being_logged)                                                       \
    X(signs_its_own_coming_to_be_the_home)                                                         \
    X(shows_the_last_of_each)                                                                      \
    X(shows_those_who_are_needed_first)

#define RUN(name)                                                                                  \
    static void run_##name(void **state)                                                           \
    {                                                                                              \
        in_a_scene(state, test_witness__##name, #name);                                            \
    }
EACH(RUN)

#define ROW(name) {"test_witness__" #name, run_##name, NULL, NULL, NULL},

int main(void)
{
    const struct CMUnitTest tests[] = {EACH(ROW)};

    return cmocka_run_group_tests(tests, stage_set_up_all, stage_tear_down_all);
}
