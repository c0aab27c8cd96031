/*
 * node/notes: of each cosigner and log one note stands in the folder, with just two lines
 * that hold; what is read again is what was put; and a file that is anything else is told
 * of by its path, never taken for a cosignature.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/files.h"
#include "node/notes.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

#define ORIGIN  "home/00/1"
#define TIME_S  UINT64_C(1800000000)
#define SIGNERS 3u

struct place {
    char top[32], folder[64];
    struct hark_notes *notes;
    struct hark_signer *home, *cosigners[SIGNERS], *stranger;
    struct hark_note_key log, keys[SIGNERS];
};

static const char *const NAMES[SIGNERS] = {"one", "two", "three"};

static struct hark_signer *new_signer(uint8_t number)
{
    const uint8_t bytes[HARK_SEED_SIZE] = {number};
    struct hark_signer *signer = NULL;
    struct hark_seed *seed = NULL;

    OK(hark_seed_from_bytes(&seed, bytes, &err));
    OK(hark_signer_new(&signer, seed, &err));
    hark_seed_free(seed);
    return signer;
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    OK(hark_crypto_init(&err));
    make_directory(p->top);
    join_path(p->folder, sizeof(p->folder), p->top, "cosigned/of-a-space");
    p->home = new_signer(1);
    p->stranger = new_signer(2);
    OK(hark_note_key_init(&p->log, ORIGIN, HARK_NOTE_ED25519, hark_signer_key(p->home), &err));
    for (uint8_t i = 0; i < SIGNERS; i++) {
        p->cosigners[i] = new_signer((uint8_t)(10 + i));
        OK(hark_note_key_init(&p->keys[i], NAMES[i], HARK_NOTE_COSIGNATURE_V1,
                              hark_signer_key(p->cosigners[i]), &err));
    }
    OK(hark_notes_open(&p->notes, p->folder, &err));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    hark_notes_free(p->notes);
    hark_signer_free(p->home);
    hark_signer_free(p->stranger);
    for (size_t i = 0; i < SIGNERS; i++)
        hark_signer_free(p->cosigners[i]);
    remove_directory(p->top);
    free(p);
    return 0;
}

static void reopen(struct place *p)
{
    hark_notes_free(p->notes);
    p->notes = NULL;
    OK(hark_notes_open(&p->notes, p->folder, &err));
}

/* --- notes ------------------------------------------------------------------------------ */

static void add_line(struct hark_buf *note, const char *name, const struct hark_signer *signer,
                     uint64_t time_s)
{
    const uint8_t *end = memmem(note->data, note->size, "\n\n", 2);
    struct hark_buf line = hark_buf_init(HARK_NOTE_MAX);

    assert_non_null(end);
    OK(hark_note_sign(&line, hark_span(note->data, (size_t)(end - note->data) + 1), name,
                      HARK_NOTE_COSIGNATURE_V1, signer, time_s, &err));
    OK(hark_buf_append_span(note, hark_buf_span(&line), &err));
    hark_buf_free(&line);
}

/* Of so many entries, with the home's line only. */
static struct hark_buf plain(struct place *p, uint64_t size)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_checkpoint cp = {.origin = ORIGIN, .size = size};

    cp.root.bytes[0] = (uint8_t)size;
    OK(hark_checkpoint_sign(&note, &cp, p->home, NULL, &err));
    return note;
}

static struct hark_buf cosigned(struct place *p, uint64_t size, size_t by)
{
    struct hark_buf note = plain(p, size);

    add_line(&note, NAMES[by], p->cosigners[by], TIME_S + size);
    return note;
}

static void put(struct place *p, const char *log, uint64_t size, size_t by)
{
    struct hark_buf note = cosigned(p, size, by);

    OK(hark_notes_put(p->notes, log, &p->log, &p->keys[by], hark_buf_span(&note), NULL, &err));
    hark_buf_free(&note);
}

/* By the first, at that time; keep: what stays. */
static void put_at(struct place *p, uint64_t size, uint64_t time_s,
                   const struct hark_cosigned *keep)
{
    struct hark_buf note = plain(p, size);

    add_line(&note, NAMES[0], p->cosigners[0], time_s);
    OK(hark_notes_put(p->notes, "", &p->log, &p->keys[0], hark_buf_span(&note), keep, &err));
    hark_buf_free(&note);
}

static const struct hark_cosigned *find(struct place *p, const char *log, size_t by)
{
    return hark_notes_find(p->notes, log, hark_signer_key(p->cosigners[by]));
}

static void assert_kept(struct place *p, const char *log, uint64_t size, size_t by)
{
    const struct hark_cosigned *kept = find(p, log, by);
    struct hark_buf as = cosigned(p, size, by);

    assert_non_null(kept);
    assert_string_equal(kept->log, log);
    assert_string_equal(kept->cosigner.name, NAMES[by]);
    assert_true(hark_key_equal(&kept->cosigner.key, hark_signer_key(p->cosigners[by])));
    assert_int_equal(kept->checkpoint.size, size);
    assert_int_equal(kept->checkpoint.root.bytes[0], (uint8_t)size);
    assert_int_equal(kept->time_s, TIME_S + size);
    assert_true(hark_span_equal(hark_buf_span(&kept->note), hark_buf_span(&as)));
    hark_buf_free(&as);
}

/* --- files -------------------------------------------------------------------------------- */

static void file_of(char *out, size_t size, struct place *p, const char *log, size_t by)
{
    char hex[2 * HARK_KEY_SIZE + 1];
    int n;

    hark_hex_encode(hex, hark_signer_key(p->cosigners[by])->bytes, HARK_KEY_SIZE);
    n = snprintf(out, size, "%s.%s", log, hex);
    assert_true(n > 0 && (size_t)n < size);
}

static void write_note(struct place *p, const char *log, size_t by, struct hark_span bytes)
{
    char name[160];

    file_of(name, sizeof(name), p, log, by);
    write_file(p->folder, name, bytes, 0600);
}

static void assert_damaged(struct place *p, const char *what)
{
    struct hark_notes *notes = NULL;
    int rc = hark_notes_open(&notes, p->folder, &err);

    if (rc != HARK_E_DAMAGED || err.code != rc)
        fail_msg("%s: %s instead of damaged", what, hark_err_name(rc));
    assert_null(notes);
    assert_non_null(strstr(err.message, p->folder));
    assert_true(err.hint[0] != '\0');
}

/* ------------------------------------------------------------------------------------------- */

static void test_notes__are_none_where_there_is_no_folder(void **state)
{
    struct place *p = *state;

    assert_int_equal(hark_notes_count(p->notes), 0);
    assert_int_equal(hark_notes_version(p->notes), 0);
    assert_null(find(p, "", 0));
    /* Looking makes none. */
    assert_int_equal(run_tool(p->top, "[ ! -e cosigned ]"), 0);
}

static void test_notes__stand_as_they_were_put(void **state)
{
    struct place *p = *state;

    for (int again = 0; again < 2; again++) {
        if (again == 0) {
            put(p, "", 5, 0);
            put(p, "", 7, 1);
            put(p, "one", 3, 1);
            assert_int_equal(hark_notes_version(p->notes), 3);
        } else {
            reopen(p);
            assert_int_equal(hark_notes_version(p->notes), 3);
        }
        assert_int_equal(hark_notes_count(p->notes), 3);
        assert_kept(p, "", 5, 0);
        assert_kept(p, "", 7, 1);
        assert_kept(p, "one", 3, 1);
        assert_null(find(p, "", 2));
        assert_null(find(p, "one", 0));
    }
}

static void test_notes__come_in_place_of_the_last(void **state)
{
    struct place *p = *state;
    uint64_t version;

    put(p, "", 5, 0);
    put(p, "one", 5, 0);
    put(p, "", 5, 1);
    version = hark_notes_version(p->notes);
    put(p, "", 9, 0);
    assert_true(hark_notes_version(p->notes) > version);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(hark_notes_count(p->notes), 3);
        assert_kept(p, "", 9, 0);
        assert_kept(p, "one", 5, 0);
        assert_kept(p, "", 5, 1);
        reopen(p);
    }
    assert_int_equal(run_tool(p->folder, "[ $(ls -A | wc -l) = 3 ]"), 0);
}

static void put_beside(struct place *p, uint64_t size, uint64_t keep)
{
    struct hark_buf note = cosigned(p, size, 0);
    const struct hark_cosigned *beside = NULL;

    for (size_t i = 0; i < hark_notes_count(p->notes); i++) {
        const struct hark_cosigned *at = hark_notes_at(p->notes, i);

        if (at->log[0] == '\0' && at->cosigner.name[0] == 'o' && at->checkpoint.size == keep)
            beside = at;
    }
    assert_non_null(beside);
    OK(hark_notes_put(p->notes, "", &p->log, &p->keys[0], hark_buf_span(&note), beside, &err));
    hark_buf_free(&note);
}

static void assert_sizes(struct place *p, uint64_t least, uint64_t most)
{
    uint64_t sum = 0;

    assert_int_equal(hark_notes_count(p->notes), 4);
    for (size_t i = 0; i < hark_notes_count(p->notes); i++)
        sum += hark_notes_at(p->notes, i)->checkpoint.size;
    assert_int_equal(sum, least + most + 2 * 500);
    assert_kept(p, "", most, 0);
    assert_kept(p, "one", 500, 0);
    assert_kept(p, "", 500, 1);
}

/* In whichever of the two files the one is that stays. */
static void test_notes__stay_beside_a_larger_one(void **state)
{
    static const uint64_t STEPS[][2] = {{9, 5}, {10, 5}, {12, 10}, {14, 12}, {15, 12}, {99, 15}};
    struct place *p = *state;

    put(p, "one", 500, 0);
    put(p, "", 500, 1);
    put(p, "", 5, 0);
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        put_beside(p, STEPS[i][0], STEPS[i][1]);
        assert_sizes(p, STEPS[i][1], STEPS[i][0]);
        reopen(p);
        assert_sizes(p, STEPS[i][1], STEPS[i][0]);
    }
    put(p, "", 100, 0);
    assert_kept(p, "", 100, 0);
    reopen(p);
    assert_kept(p, "", 100, 0);
}

/* More than the list begins with, of each the right one. */
/* Of as many entries, in either of its places, it is the latest. */
static void test_notes__of_as_many_the_latest_is_found(void **state)
{
    struct place *p = *state;

    for (uint64_t second = 0; second < 2; second++) {
        put_at(p, 5, TIME_S, NULL);
        put_at(p, 7, TIME_S + 1 + second, find(p, "", 0)); /* beside it */
        put_at(p, 7, TIME_S + 2 - second, NULL);
        for (int again = 0; again < 2; again++, reopen(p)) {
            assert_int_equal(hark_notes_count(p->notes), 2);
            assert_int_equal(find(p, "", 0)->checkpoint.size, 7);
            assert_int_equal(find(p, "", 0)->time_s, TIME_S + 2);
        }
        assert_int_equal(run_tool(p->folder, "rm main.*"), 0);
        reopen(p);
    }
}

static void test_notes__are_as_many_as_there_are(void **state)
{
    struct place *p = *state;

    for (unsigned i = 0; i < 40; i++) {
        char log[8];

        (void)snprintf(log, sizeof(log), "node%u", i);
        put(p, log, i + 1, i % SIGNERS);
    }
    for (int again = 0; again < 2; again++) {
        assert_int_equal(hark_notes_count(p->notes), 40);
        for (unsigned i = 0; i < 40; i++) {
            char log[8];

            (void)snprintf(log, sizeof(log), "node%u", i);
            assert_kept(p, log, i + 1, i % SIGNERS);
        }
        reopen(p);
    }
}

/* Of all that a peer sends along, the two lines that are meant. */
static void test_notes__keep_two_lines(void **state)
{
    struct place *p = *state;
    struct hark_buf note = plain(p, 6);

    add_line(&note, "somebody", p->stranger, TIME_S);
    add_line(&note, NAMES[1], p->cosigners[1], TIME_S);
    add_line(&note, NAMES[0], p->cosigners[0], TIME_S + 6);
    add_line(&note, NAMES[0], p->cosigners[0], TIME_S + 100);
    OK(hark_notes_put(p->notes, "", &p->log, &p->keys[0], hark_buf_span(&note), NULL, &err));
    assert_kept(p, "", 6, 0);
    reopen(p);
    assert_int_equal(hark_notes_count(p->notes), 1);
    assert_kept(p, "", 6, 0);
    hark_buf_free(&note);
}

static void refused(struct place *p, struct hark_span note, int code)
{
    uint64_t version = hark_notes_version(p->notes);
    int rc = hark_notes_put(p->notes, "", &p->log, &p->keys[0], note, NULL, &err);

    if (rc != code)
        fail_msg("%s instead of %s", hark_err_name(rc), hark_err_name(code));
    assert_int_equal(hark_notes_version(p->notes), version);
    assert_int_equal(hark_notes_count(p->notes), 1);
    assert_kept(p, "", 5, 0);
    reopen(p);
    assert_kept(p, "", 5, 0);
}

static void test_notes__are_not_put_when_they_do_not_hold(void **state)
{
    struct place *p = *state;
    struct hark_buf note;

    put(p, "", 5, 0);
    /* No line of the cosigner's; one by another key under its name; none at all. */
    note = plain(p, 8);
    refused(p, hark_buf_span(&note), HARK_E_NOTE_UNSIGNED);
    add_line(&note, NAMES[0], p->stranger, TIME_S);
    refused(p, hark_buf_span(&note), HARK_E_NOTE_UNSIGNED);
    hark_buf_free(&note);
    refused(p, hark_span_str("no note"), HARK_E_NOTE_FORM);
    /* The cosigner's, of other words. */
    note = cosigned(p, 8, 0);
    note.data[strlen(ORIGIN) + 1] = '9';
    refused(p, hark_buf_span(&note), HARK_E_NOTE_SIGNATURE);
    hark_buf_free(&note);
    /* None of the log's. */
    note = cosigned(p, 8, 0);
    note.data[0] = 'H';
    refused(p, hark_buf_span(&note), HARK_E_NOTE_SIGNATURE);
    p->log.id ^= 1;
    refused(p, hark_buf_span(&note), HARK_E_NOTE_UNSIGNED);
    p->log.id ^= 1;
    hark_buf_free(&note);
}

static void test_notes__files_that_are_altered_are_damaged(void **state)
{
    struct place *p = *state;
    struct hark_buf note = cosigned(p, 5, 0), other;
    struct hark_span whole = hark_buf_span(&note);

    put(p, "", 5, 0);
    for (size_t size = 0; size < whole.size; size += 7) {
        write_note(p, "main", 0, hark_span(whole.data, size));
        assert_damaged(p, "cut short");
    }
    /* The cosigner's word is about everything in the text and its own line. */
    for (size_t at = 0; at < whole.size; at++) {
        const uint8_t *second = memmem(whole.data, whole.size, " one ", 5);
        const uint8_t *blank = memmem(whole.data, whole.size, "\n\n", 2);

        assert_non_null(second);
        assert_non_null(blank);
        if (whole.data + at > blank && whole.data + at < second)
            continue; /* the log's line, of which the log's key was checked before */
        note.data[at] ^= 1;
        write_note(p, "main", 0, whole);
        assert_damaged(p, "a byte altered");
        note.data[at] ^= 1;
    }
    write_note(p, "main", 1, whole);
    assert_damaged(p, "another's note under that name");
    (void)run_tool(p->folder, "rm *");
    add_line(&note, NAMES[1], p->cosigners[1], TIME_S);
    write_note(p, "main", 0, hark_buf_span(&note));
    assert_damaged(p, "a third line");
    other = plain(p, 5);
    write_note(p, "main", 0, hark_buf_span(&other));
    assert_damaged(p, "one line");
    hark_buf_free(&other);
    other = cosigned(p, 5, 0);
    write_note(p, "main", 0, hark_buf_span(&other));
    reopen(p);
    assert_kept(p, "", 5, 0);
    hark_buf_free(&other);
    hark_buf_free(&note);
}

static void test_notes__other_files_are_nobodys(void **state)
{
    struct place *p = *state;
    char name[160];

    put(p, "", 5, 0);
    file_of(name, sizeof(name), p, "main", 0);
    for (char *at = name; *at != '\0'; at++)
        *at = *at >= 'a' && *at <= 'f' ? (char)(*at - 32) : *at;
    write_file(p->folder, name, hark_span_str("in capitals"), 0600);
    write_file(p->folder, "README", hark_span_str("hello"), 0600);
    write_file(p->folder, "main.00", hark_span_str("hello"), 0600);
    file_of(name, sizeof(name), p, "", 0);
    write_file(p->folder, name, hark_span_str("of no log"), 0600);
    memset(name, 'n', HARK_NODE_NAME_MAX + 1);
    file_of(name + HARK_NODE_NAME_MAX + 1, sizeof(name) - HARK_NODE_NAME_MAX - 1, p, "", 0);
    write_file(p->folder, name, hark_span_str("of too long a name"), 0600);
    /* What an interrupted writing leaves. */
    file_of(name, sizeof(name) - 4, p, "main", 1);
    memcpy(name + strlen(name), ".new", 5);
    write_file(p->folder, name, hark_span_str("hom"), 0600);
    reopen(p);
    assert_int_equal(hark_notes_count(p->notes), 1);
    assert_kept(p, "", 5, 0);
    put(p, "", 6, 1);
    reopen(p);
    assert_int_equal(hark_notes_count(p->notes), 2);
}

static void test_notes__of_a_folder_that_cannot_be_are_none(void **state)
{
    struct place *p = *state;
    struct hark_notes *notes = NULL;
    struct hark_buf note = cosigned(p, 5, 0);
    char path[HARK_PATH_MAX + 8];

    /* A file where the folder should be. */
    join_path(path, sizeof(path), p->top, "cosigned");
    write_file(p->top, "cosigned", hark_span_str(""), 0600);
    assert_int_equal(
        hark_notes_put(p->notes, "", &p->log, &p->keys[0], hark_buf_span(&note), NULL, &err),
        HARK_E_IO);
    assert_int_equal(hark_notes_count(p->notes), 0);
    assert_int_equal(hark_notes_open(&notes, path, &err), HARK_E_IO);
    assert_null(notes);
    /* It is made once it can be. */
    assert_int_equal(unlink(path), 0);
    OK(hark_notes_put(p->notes, "", &p->log, &p->keys[0], hark_buf_span(&note), NULL, &err));
    reopen(p);
    assert_kept(p, "", 5, 0);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(hark_notes_open(&notes, path, &err), HARK_E_USAGE);
    assert_null(notes);
    hark_buf_free(&note);
}

/* What is full takes nobody new, and goes on taking what comes in place of what is here. */
static void test_notes__end_at_a_limit(void **state)
{
    struct place *p = *state;
    struct hark_buf note = cosigned(p, 5, 0);
    char name[160];

    put(p, "node0", 5, 0);
    file_of(name, sizeof(name), p, "", 0);
    for (unsigned i = 1; i < HARK_NOTES_INTAKES_MAX; i++) {
        char path[2 * sizeof(name)], from[2 * sizeof(name)];
        int n = snprintf(path, sizeof(path), "%s/node%u%s", p->folder, i, name);
        int m = snprintf(from, sizeof(from), "%s/node0%s", p->folder, name);

        assert_true(n > 0 && (size_t)n < sizeof(path) && m > 0 && (size_t)m < sizeof(from));
        assert_int_equal(link(from, path), 0);
    }
    reopen(p);
    assert_int_equal(hark_notes_count(p->notes), HARK_NOTES_INTAKES_MAX);
    assert_int_equal(
        hark_notes_put(p->notes, "other", &p->log, &p->keys[0], hark_buf_span(&note), NULL, &err),
        HARK_E_LIMIT);
    assert_int_equal(hark_notes_count(p->notes), HARK_NOTES_INTAKES_MAX);
    put(p, "node7", 9, 0);
    assert_kept(p, "node7", 9, 0);
    assert_int_equal(hark_notes_count(p->notes), HARK_NOTES_INTAKES_MAX);
    /* One more of an intake than can be read is left out; the main log's have room. */
    write_note(p, "other", 0, hark_buf_span(&note));
    put(p, "", 9, 0);
    reopen(p);
    assert_kept(p, "", 9, 0);
    assert_int_equal(hark_notes_count(p->notes), HARK_NOTES_INTAKES_MAX + 1);
    hark_buf_free(&note);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_notes__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(are_none_where_there_is_no_folder),
        TEST(stand_as_they_were_put),
        TEST(come_in_place_of_the_last),
        TEST(stay_beside_a_larger_one),
        TEST(of_as_many_the_latest_is_found),
        TEST(are_as_many_as_there_are),
        TEST(keep_two_lines),
        TEST(are_not_put_when_they_do_not_hold),
        TEST(files_that_are_altered_are_damaged),
        TEST(other_files_are_nobodys),
        TEST(of_a_folder_that_cannot_be_are_none),
        TEST(end_at_a_limit),
    };
    return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
