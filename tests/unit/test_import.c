/*
 * Reading an exported conversation: what is a row, what is named as broken, what
 * order, and how repeated votes are told apart. What becomes of it in a space is
 * tested end to end (tests/e2e/20-import.sh).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/files.h"
#include "node/paircount.h"
#include "node/polis.h"
#include "schemas/config.h"

#define SAID_MAX 4096

static const char SUMMARY[] = "topic,A lamp\nurl,https://example.invalid/lamp\nviews,12\n"
                              "conversation-description,\"What now?\r\nSay it.\"\n";
static const char COMMENTS[] = "timestamp,datetime,comment-id,author-id,moderated,comment-body\n";
static const char VOTES[] = "timestamp,datetime,comment-id,voter-id,vote\n";

struct folder {
    char dir[64];
    char said[SAID_MAX]; /* what was skipped: "file:line why" */
};

static void note_skip(void *arg, const char *file, size_t line, const char *why)
{
    struct folder *folder = arg;
    size_t size = strlen(folder->said);

    (void)snprintf(folder->said + size, sizeof(folder->said) - size, "%s:%zu %s\n", file, line,
                   why);
}

static int setup(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));

    assert_non_null(folder);
    (void)snprintf(folder->dir, sizeof(folder->dir), "/tmp/hark-import.XXXXXX");
    assert_non_null(mkdtemp(folder->dir));
    *state = folder;
    return 0;
}

static void path_of(const struct folder *folder, const char *name, char path[HARK_PATH_MAX])
{
    struct hark_err err = {0};

    assert_int_equal(hark_path_join(path, folder->dir, name, &err), 0);
}

static int teardown(void **state)
{
    static const char *const NAMES[] = {"summary.csv", "comments.csv", "votes.csv"};
    struct folder *folder = *state;
    char path[HARK_PATH_MAX];

    for (size_t i = 0; i < 3; i++) {
        path_of(folder, NAMES[i], path);
        (void)unlink(path);
    }
    (void)rmdir(folder->dir);
    free(folder);
    return 0;
}

static void put(const struct folder *folder, const char *name, const char *header, const char *rows)
{
    struct hark_buf bytes = hark_buf_init(1024 * 1024);
    char path[HARK_PATH_MAX];
    struct hark_err err = {0};

    path_of(folder, name, path);
    assert_int_equal(hark_buf_append_str(&bytes, header, &err), 0);
    assert_int_equal(hark_buf_append_str(&bytes, rows, &err), 0);
    assert_int_equal(hark_file_write(path, hark_buf_span(&bytes), 0600, &err), 0);
    hark_buf_free(&bytes);
}

static struct hark_polis *read_folder(struct folder *folder, const char *summary,
                                      const char *comments, const char *votes)
{
    struct hark_polis *polis = NULL;
    struct hark_err err = {0};

    put(folder, "summary.csv", summary, "");
    put(folder, "comments.csv", COMMENTS, comments);
    put(folder, "votes.csv", VOTES, votes);
    folder->said[0] = '\0';
    if (hark_polis_open(&polis, folder->dir, note_skip, folder, &err) != 0)
        fail_msg("%s", err.message);
    return polis;
}

static void test_import__reads_the_summary(void **state)
{
    struct hark_polis *polis = read_folder(*state, SUMMARY, "", "");

    assert_string_equal(hark_polis_title(polis), "A lamp");
    assert_string_equal(hark_polis_description(polis), "What now?\nSay it.");
    assert_string_equal(hark_polis_source(polis), "polis:https://example.invalid/lamp");
    hark_polis_free(polis);

    /* Without an address its topic names it; a heading has no line breaks. */
    polis = read_folder(*state, "topic,\"A\nlamp\x1b\"\n", "", "");
    assert_string_equal(hark_polis_title(polis), "A lamp ");
    assert_string_equal(hark_polis_source(polis), "polis:A lamp ");
    assert_string_equal(hark_polis_description(polis), "");
    hark_polis_free(polis);
}

/* A heading that is too long is cut between two characters, not within one. */
static void test_import__cuts_a_long_topic_at_a_character(void **state)
{
    struct hark_buf summary = hark_buf_init(4096);
    struct hark_polis *polis = NULL;
    struct hark_err err = {0};

    assert_int_equal(hark_buf_append_str(&summary, "topic,x", &err), 0);
    for (int i = 0; i < 150; i++)
        assert_int_equal(hark_buf_append_str(&summary, "\xc3\xa4", &err), 0);
    assert_int_equal(hark_buf_terminate(&summary, &err), 0);
    polis = read_folder(*state, (const char *)summary.data, "", "");
    assert_int_equal(strlen(hark_polis_title(polis)), 199);
    assert_true(hark_utf8_valid(hark_span_str(hark_polis_title(polis))));
    assert_true(strlen(hark_polis_source(polis)) <= HARK_POLIS_SOURCE_MAX);
    assert_true(hark_utf8_valid(hark_span_str(hark_polis_source(polis))));
    hark_polis_free(polis);
    hark_buf_free(&summary);
}

static void test_import__refuses_a_folder_that_is_no_conversation(void **state)
{
    struct folder *folder = *state;
    struct hark_polis *polis = NULL;
    struct hark_err err = {0};

    assert_int_equal(hark_polis_open(&polis, folder->dir, note_skip, folder, &err),
                     HARK_E_NOT_FOUND);
    put(folder, "summary.csv", "url,x\n", "");
    put(folder, "comments.csv", COMMENTS, "");
    put(folder, "votes.csv", VOTES, "");
    assert_int_equal(hark_polis_open(&polis, folder->dir, note_skip, folder, &err), HARK_E_USAGE);
    assert_non_null(strstr(err.message, "topic"));
    put(folder, "summary.csv", SUMMARY, "");
    put(folder, "votes.csv", "timestamp,comment-id,vote\n", "");
    assert_int_equal(hark_polis_open(&polis, folder->dir, note_skip, folder, &err), HARK_E_USAGE);
    assert_non_null(strstr(err.message, "voter-id"));
    assert_null(polis);
}

static void assert_comment(const struct hark_polis *polis, size_t i, uint64_t id, const char *body)
{
    const struct hark_polis_comment *comment = hark_polis_comment(polis, i);

    assert_int_equal(comment->id, id);
    if (body == NULL)
        assert_null(comment->body.data);
    else
        assert_true(hark_span_equal(comment->body, hark_span_str(body)));
}

/* The words of one row never end up in another, however many rows lie between
 * and whatever order they come in. */
static void test_import__gives_comments_in_the_order_of_time(void **state)
{
    struct hark_polis *polis = read_folder(*state, SUMMARY,
                                           "3000,x,7,1,1,third\n"
                                           "1000,x,9,2,-1,\"first,\r\n\"\"quoted\"\"\"\n"
                                           "2000,x,8,3,0,\xe4\xba\x8c\n"
                                           "1000,x,3,3,0,second\n",
                                           "");
    size_t i = 9;

    assert_int_equal(hark_polis_comment_count(polis), 4);
    assert_comment(polis, 0, 9, "first,\n\"quoted\"");
    assert_comment(polis, 1, 3, "second");
    assert_comment(polis, 2, 8, "\xe4\xba\x8c");
    assert_comment(polis, 3, 7, "third");
    assert_int_equal(hark_polis_comment(polis, 0)->moderated, -1);
    assert_int_equal(hark_polis_comment(polis, 0)->line, 3);
    assert_int_equal(hark_polis_comment(polis, 3)->author, 1);
    assert_true(hark_polis_find(polis, 7, &i) && i == 3);
    assert_true(hark_polis_find(polis, 9, &i) && i == 0);
    assert_false(hark_polis_find(polis, 4, &i));
    assert_string_equal(((struct folder *)*state)->said, "");
    hark_polis_free(polis);
}

static void test_import__names_comments_that_cannot_be_read(void **state)
{
    struct folder *folder = *state;
    struct hark_polis *polis = read_folder(folder, SUMMARY,
                                           "1,x,0,1,1,good\n"
                                           "2,x,1,1,1,\" \xe3\x80\x80\n\"\n"
                                           "x,x,2,1,1,bad\n"
                                           "4,x,-3,1,1,bad\n"
                                           "5,x,4,1.5,1,bad\n"
                                           "6,x,5,1,2,bad\n"
                                           "7,x,6,1,1\n"
                                           "8,x,0,1,1,again\n"
                                           "9,x,9007199254740992,1,1,bad\n"
                                           "253402300800000,x,10,1,1,bad\n"
                                           "11,x,11,1,1,\xff\n"
                                           "12,x,12,1,1,good\n",
                                           "");
    size_t i = 0;

    assert_string_equal(folder->said, "comments.csv:3 comment-body is empty\n"
                                      "comments.csv:5 timestamp is no time in milliseconds\n"
                                      "comments.csv:6 comment-id is no number\n"
                                      "comments.csv:7 author-id is no number\n"
                                      "comments.csv:8 moderated is none of -1, 0 and 1\n"
                                      "comments.csv:9 it has 5 fields, the header has 6\n"
                                      "comments.csv:11 comment-id is no number\n"
                                      "comments.csv:12 timestamp is no time in milliseconds\n"
                                      "comments.csv:13 it is not UTF-8\n"
                                      "comments.csv:10 an earlier row has its comment-id\n");
    assert_true(hark_polis_find(polis, 0, &i));
    assert_comment(polis, i, 0, "good");
    assert_true(hark_polis_find(polis, 12, &i));
    assert_comment(polis, i, 12, "good");
    /* Known, so that votes on it can be told from votes on nothing. */
    assert_true(hark_polis_find(polis, 1, &i));
    assert_comment(polis, i, 1, NULL);
    hark_polis_free(polis);
}

static void test_import__tells_repeated_votes_apart(void **state)
{
    static const struct {
        uint64_t comment, voter, line;
        int vote;
        uint32_t nth;
    } EXPECTED[] = {
        {5, 1, 2, 1, 0}, {5, 2, 3, -1, 0}, {5, 1, 4, 0, 1}, {6, 1, 6, 1, 0}, {5, 1, 7, 1, 2},
    };
    struct folder *folder = *state;
    struct hark_polis *polis = read_folder(folder, SUMMARY, "",
                                           "1,x,5,1,1\n1,x,5,2,-1\n1,x,5,1,0\n"
                                           "1,x,5,1,2\n"
                                           "1,x,6,1,1\n1,x,5,1,1\n");
    struct hark_polis_vote vote;
    struct hark_err err = {0};
    uint64_t done = 0, total = 0;
    bool more = false;

    for (size_t i = 0; i < sizeof(EXPECTED) / sizeof(EXPECTED[0]); i++) {
        assert_int_equal(hark_polis_next_vote(polis, &vote, &more, &err), 0);
        assert_true(more);
        assert_int_equal(vote.comment, EXPECTED[i].comment);
        assert_int_equal(vote.voter, EXPECTED[i].voter);
        assert_int_equal(vote.line, EXPECTED[i].line);
        assert_int_equal(vote.vote, EXPECTED[i].vote);
        assert_int_equal(vote.nth, EXPECTED[i].nth);
    }
    assert_int_equal(hark_polis_next_vote(polis, &vote, &more, &err), 0);
    assert_false(more);
    hark_polis_progress(polis, &done, &total);
    assert_true(done == total && total > 0);
    assert_string_equal(folder->said, "votes.csv:5 vote is none of -1, 0 and 1\n");
    hark_polis_free(polis);
}

/* Counts survive the table's growth. */
static void test_import__counts_pairs(void **state)
{
    struct hark_paircount counts = {0};
    struct hark_err err = {0};
    uint32_t before = 0;

    (void)state;
    for (uint32_t round = 0; round < 3; round++)
        for (uint64_t i = 0; i < 5000; i++) {
            assert_int_equal(hark_paircount_add(&counts, i % 70, i, i, &before, &err), 0);
            assert_int_equal(before, round);
        }
    assert_int_equal(counts.used, 5000);
    hark_paircount_free(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_import__reads_the_summary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_import__cuts_a_long_topic_at_a_character, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_import__refuses_a_folder_that_is_no_conversation,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_import__gives_comments_in_the_order_of_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_import__names_comments_that_cannot_be_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_import__tells_repeated_votes_apart, setup, teardown),
        cmocka_unit_test(test_import__counts_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
