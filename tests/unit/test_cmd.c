/*
 * What stands between a person's terminal and the verbs: arguments taken apart,
 * text made harmless, errors told as the command line's contract says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/cmd_internal.h"

/* --- helpers ------------------------------------------------------------------ */

struct memory {
    char *text;
    size_t size;
    FILE *file;
};

static void open_memory(struct memory *m)
{
    m->text = NULL;
    m->file = open_memstream(&m->text, &m->size);
    assert_non_null(m->file);
}

static void assert_written(struct memory *m, const char *expected)
{
    assert_int_equal(fclose(m->file), 0);
    assert_string_equal(m->text, expected);
    free(m->text);
}

static void assert_printed(const char *text, const char *expected)
{
    struct memory m;

    open_memory(&m);
    hark_print_text(m.file, text);
    assert_written(&m, expected);
}

/* A command over a NULL-terminated list. */
static struct hark_cmd command(const char **argv)
{
    struct hark_cmd cmd = {.argv = argv, .cwd = "/home/ada"};

    while (argv[cmd.argc] != NULL)
        cmd.argc++;
    return cmd;
}

/* --- text ----------------------------------------------------------------------- */

static void test_print_text__plain_text_of_any_language_stays(void **state)
{
    (void)state;
    assert_printed("two\nlines\tand a tab", "two\nlines\tand a tab");
    assert_printed("Grüße, 司機, مرحبا, 🙂", "Grüße, 司機, مرحبا, 🙂");
}

/* An escape sequence in a post must not reach a terminal. */
static void test_print_text__controls_are_made_visible(void **state)
{
    (void)state;
    assert_printed("\x1b[2Jgone", "<U+001B>[2Jgone");
    assert_printed("a\rb\x07"
                   "c\x7f",
                   "a<U+000D>b<U+0007>c<U+007F>");
    assert_printed("\xc2\x9b"
                   "31m", /* C1: CSI in one character */
                   "<U+009B>31m");
}

/* Marks that turn what is read around, or hide within a name. */
static void test_print_text__direction_and_width_marks_are_made_visible(void **state)
{
    (void)state;
    assert_printed("a\xe2\x80\xae"
                   "b", /* RLO */
                   "a<U+202E>b");
    assert_printed("\xe2\x81\xa6x\xe2\x81\xa9", "<U+2066>x<U+2069>"); /* isolates */
    assert_printed("a\xe2\x80\x8b\xef\xbb\xbf", "a<U+200B><U+FEFF>"); /* zero width */
    assert_printed("\xe2\x80\xa8\xe2\x80\xa9\xd8\x9c", "<U+2028><U+2029><U+061C>");
    assert_printed("\xf3\xa0\x81\x81", "<U+E0041>"); /* a tag character */
    assert_printed("\xf3\xa0\x80\x8a", "<U+E000A>"); /* one that ends like an LF */
}

static void test_print_text__bytes_that_are_not_utf8_are_made_visible(void **state)
{
    (void)state;
    assert_printed("a\xff"
                   "b",
                   "a<0xFF>b");
    assert_printed("cut \xe5\x8f", "cut <0xE5><0x8F>");
    assert_printed("\xc0\x9b", "<0xC0><0x9B>"); /* an overlong ESC */
    assert_printed("\xed\xa0\x80", "<0xED><0xA0><0x80>");
}

static void test_print_line__keeps_to_one_line(void **state)
{
    struct memory m;

    (void)state;
    open_memory(&m);
    hark_print_line(m.file, "one\ntwo\tthree");
    assert_written(&m, "one<U+000A>two<U+0009>three");
}

/* JSON goes to terminals as well: the same characters, escaped, and still JSON. */
static void test_print_json__escapes_what_a_terminal_would_obey(void **state)
{
    const char *text = "\x1b \xc2\x9b \xe2\x80\xae \xf3\xa0\x81\x81 司機";
    struct memory m;
    json_t *back;

    (void)state;
    open_memory(&m);
    assert_int_equal(hark_print_json(m.file, json_pack("{s:s}", "a", text), NULL), 0);
    assert_int_equal(fclose(m.file), 0);
    assert_string_equal(m.text, "{\"a\":\"\\u001B \\u009b \\u202e \\udb40\\udc41 司機\"}\n");
    back = json_loads(m.text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(back, "a")), text);
    json_decref(back);
    free(m.text);
}

static void test_print_json__no_json_is_no_memory(void **state)
{
    struct hark_err err = {0};

    (void)state;
    assert_int_equal(hark_print_json(stdout, NULL, &err), HARK_E_NO_MEMORY);
}

static void test_copy_text__cuts_at_a_character(void **state)
{
    char out[6];

    (void)state;
    hark_copy_text(out, sizeof(out), "ab司機");
    assert_string_equal(out, "ab司");
    hark_copy_text(out, 5, "ab司機");
    assert_string_equal(out, "ab");
    hark_copy_text(out, sizeof(out), "abcde");
    assert_string_equal(out, "abcde");
}

/* --- errors ------------------------------------------------------------------------ */

static void test_fail__people_get_a_line_and_a_hint(void **state)
{
    struct hark_err err = {0};
    struct memory m;

    (void)state;
    (void)hark_err_set(&err, HARK_E_VOID_ROLE, "no\x1b[1m");
    hark_err_hint(&err, "ask staff");
    open_memory(&m);
    assert_int_equal(hark_cmd_fail(m.file, false, &err), 3);
    assert_written(&m, "hark: no<U+001B>[1m (void-role)\nhint: ask staff\n");
}

static void test_fail__scripts_get_one_object(void **state)
{
    struct hark_err err = {0};
    struct memory m;

    (void)state;
    (void)hark_err_set(&err, HARK_E_ENTRY_GAP, "seq 3, not 2: \xff");
    open_memory(&m);
    assert_int_equal(hark_cmd_fail(m.file, true, &err), 3);
    assert_written(&m,
                   "{\"error\":{\"name\":\"entry-gap\",\"message\":\"seq 3, not 2: \xef\xbf\xbd\","
                   "\"hint\":null}}\n");
}

static void test_fail__a_bare_no_says_nothing(void **state)
{
    struct hark_err err = {.code = HARK_E_NO};
    struct memory m;

    (void)state;
    open_memory(&m);
    assert_int_equal(hark_cmd_fail(m.file, false, &err), 1);
    assert_written(&m, "");
}

/* --- globals ------------------------------------------------------------------------ */

static void test_args__globals_stand_anywhere(void **state)
{
    const char *argv[] = {"-C",   "dir",       "tally", "0123", "--json", "-s",
                          "abcd", "--as=mara", "--at",  "17",   "-q"};
    const char *rest[HARK_ARGS_MAX];
    struct hark_globals globals;
    int count = 0;

    (void)state;
    assert_int_equal(hark_args_parse(11, argv, &globals, rest, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_string_equal(rest[0], "tally");
    assert_string_equal(rest[1], "0123");
    assert_string_equal(globals.dir, "dir");
    assert_string_equal(globals.space, "abcd");
    assert_string_equal(globals.as, "mara");
    assert_true(globals.has_at);
    assert_int_equal(globals.at, 17);
    assert_true(globals.json && globals.quiet && !globals.verbose);
}

/* A text may look like an option; after "--" it is a text. */
static void test_args__nothing_is_a_global_after_two_dashes(void **state)
{
    const char *argv[] = {"post", "--", "--json", "-C"};
    const char *rest[HARK_ARGS_MAX];
    struct hark_globals globals;
    int count = 0;

    (void)state;
    assert_int_equal(hark_args_parse(4, argv, &globals, rest, &count, NULL), 0);
    assert_int_equal(count, 4);
    assert_false(globals.json);
    assert_string_equal(rest[3], "-C");
}

static void test_args__what_is_wrong_is_usage(void **state)
{
    const char *no_value[] = {"log", "-C"};
    const char *no_number[] = {"log", "--at", "-3"};
    const char *many[HARK_ARGS_MAX + 1], *rest[HARK_ARGS_MAX];
    struct hark_globals globals;
    int count = 0;

    (void)state;
    assert_int_equal(hark_args_parse(2, no_value, &globals, rest, &count, NULL), HARK_E_USAGE);
    assert_int_equal(hark_args_parse(3, no_number, &globals, rest, &count, NULL), HARK_E_USAGE);
    for (size_t i = 0; i < HARK_ARGS_MAX + 1; i++)
        many[i] = "x";
    assert_int_equal(hark_args_parse(HARK_ARGS_MAX, many, &globals, rest, &count, NULL), 0);
    assert_int_equal(hark_args_parse(HARK_ARGS_MAX + 1, many, &globals, rest, &count, NULL),
                     HARK_E_USAGE);
}

/* Also for what is wrong before --json was met. */
static void test_args__json_is_known_when_the_rest_is_wrong(void **state)
{
    const char *argv[] = {"log", "--at", "x", "--json"};
    const char *rest[HARK_ARGS_MAX];
    struct hark_globals globals;
    int count = 0;

    (void)state;
    assert_int_equal(hark_args_parse(4, argv, &globals, rest, &count, NULL), HARK_E_USAGE);
    assert_true(globals.json);
}

/* --- options of a verb ----------------------------------------------------------------- */

struct taken {
    const char *kind, *all, *re[2];
    size_t re_count;
};

static int take(const char **argv, struct taken *taken, int min, int max, struct hark_cmd *cmd)
{
    const struct hark_option options[] = {
        {.name = "kind", .value = &taken->kind},
        {.name = "all", .flag = true, .value = &taken->all},
        {.name = "re", .list = taken->re, .list_max = 2, .list_count = &taken->re_count},
    };

    memset(taken, 0, sizeof(*taken));
    *cmd = command(argv);
    return hark_cmd_options(cmd, options, 3, min, max, NULL);
}

static void test_options__positionals_are_what_is_left(void **state)
{
    const char *argv[] = {"verb",  "one",  "--kind", "idea", "--re=a", "two",
                          "--all", "--re", "b",      "-",    NULL};
    struct taken taken;
    struct hark_cmd cmd;

    (void)state;
    assert_int_equal(take(argv, &taken, 0, 3, &cmd), 0);
    assert_int_equal(cmd.argc, 4);
    assert_string_equal(cmd.argv[1], "one");
    assert_string_equal(cmd.argv[2], "two");
    assert_string_equal(cmd.argv[3], "-");
    assert_string_equal(taken.kind, "idea");
    assert_string_equal(taken.all, "all");
    assert_int_equal(taken.re_count, 2);
    assert_string_equal(taken.re[1], "b");
}

static void test_options__two_dashes_end_them(void **state)
{
    const char *argv[] = {"verb", "--", "--kind", "--", NULL};
    struct taken taken;
    struct hark_cmd cmd;

    (void)state;
    assert_int_equal(take(argv, &taken, 2, 2, &cmd), 0);
    assert_string_equal(cmd.argv[1], "--kind");
    assert_string_equal(cmd.argv[2], "--");
    assert_null(taken.kind);
}

static void test_options__what_is_wrong_is_usage(void **state)
{
    const char *wrong[][7] = {
        {"verb", "--unknown", NULL},
        {"verb", "--kin", "idea", NULL},
        {"verb", "--kinds", "idea", NULL},
        {"verb", "--kind", NULL},
        {"verb", "--all=yes", NULL},
        {"verb", "--kind", "a", "--kind", "b", NULL},
        {"verb", "-x", NULL},
        {"verb", "--re=a", "--re=b", "--re=c", NULL},
        {"verb", "1", "2", "3", NULL},
    };
    struct taken taken;
    struct hark_cmd cmd;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(take(wrong[i], &taken, 0, 2, &cmd), HARK_E_USAGE);
    assert_int_equal(take((const char *[]){"verb", NULL}, &taken, 1, 2, &cmd), HARK_E_USAGE);
}

/* --- values ------------------------------------------------------------------------------ */

static void test_values__numbers_and_times(void **state)
{
    uint64_t n = 0;

    (void)state;
    assert_int_equal(hark_cmd_number("17", 17, "x", &n, NULL), 0);
    assert_int_equal(n, 17);
    assert_int_equal(hark_cmd_number("18", 17, "x", &n, NULL), HARK_E_USAGE);
    assert_int_equal(hark_cmd_number("+1", 17, "x", &n, NULL), HARK_E_USAGE);
    assert_int_equal(hark_cmd_time("1970-01-02", false, &n, NULL), 0);
    assert_int_equal(n, 86400000);
    assert_int_equal(hark_cmd_time("1970-01-02", true, &n, NULL), 0);
    assert_int_equal(n, 2 * 86400000 - 1);
    assert_int_equal(hark_cmd_time("1970-01-01T00:00:01.500Z", true, &n, NULL), 0);
    assert_int_equal(n, 1500);
    assert_int_equal(hark_cmd_time("2026-02-30", true, &n, NULL), HARK_E_USAGE);
    assert_int_equal(hark_cmd_time("yesterday", true, &n, NULL), HARK_E_USAGE);
    assert_int_equal(hark_cmd_time("1970-01-01T00:00:01.500Zx", true, &n, NULL), HARK_E_USAGE);
}

static void test_values__cohorts_are_bounded(void **state)
{
    struct hark_cohort cohort;
    char text[200];

    (void)state;
    assert_int_equal(hark_cmd_cohort("market=de=at", &cohort, NULL), 0);
    assert_string_equal(cohort.dimension, "market");
    assert_string_equal(cohort.value, "de=at");
    assert_int_equal(hark_cmd_cohort("market", &cohort, NULL), HARK_E_USAGE);
    assert_int_equal(hark_cmd_cohort("=de", &cohort, NULL), HARK_E_USAGE);
    assert_int_equal(hark_cmd_cohort("market=", &cohort, NULL), HARK_E_USAGE);
    memset(text, 'x', sizeof(text));
    text[32] = '=';
    text[33 + 64] = '\0';
    assert_int_equal(hark_cmd_cohort(text, &cohort, NULL), 0);
    text[33 + 64] = 'x';
    text[34 + 64] = '\0';
    assert_int_equal(hark_cmd_cohort(text, &cohort, NULL), HARK_E_USAGE);
    text[32] = 'x';
    text[33] = '=';
    text[40] = '\0';
    assert_int_equal(hark_cmd_cohort(text, &cohort, NULL), HARK_E_USAGE);
}

static void test_values__paths_are_the_callers(void **state)
{
    const char *argv[] = {"verify", NULL};
    struct hark_cmd cmd = command(argv);
    char path[HARK_PATH_MAX];

    (void)state;
    assert_int_equal(hark_cmd_path(&cmd, "a/b", path, NULL), 0);
    assert_string_equal(path, "/home/ada/a/b");
    assert_int_equal(hark_cmd_path(&cmd, "/a", path, NULL), 0);
    assert_string_equal(path, "/a");
    assert_int_equal(hark_cmd_path(&cmd, "", path, NULL), HARK_E_USAGE);
}

static void test_values__ids_are_eight_digits_or_more(void **state)
{
    (void)state;
    assert_true(hark_cmd_is_id("0123abcd"));
    assert_false(hark_cmd_is_id("0123abc"));
    assert_false(hark_cmd_is_id("0123ABCD"));
    assert_false(hark_cmd_is_id("0123abcg"));
}

/* --- text of a person ------------------------------------------------------------------------ */

static void test_text__a_dash_is_standard_input(void **state)
{
    const char *argv[] = {"post", "-", NULL};
    struct hark_cmd cmd = command(argv);
    struct hark_buf out = hark_buf_init(100);

    (void)state;
    cmd.input = hark_span_str("from afar\n\n");
    assert_int_equal(hark_cmd_text(&cmd, "-", &out, NULL), 0);
    assert_int_equal(out.size, strlen("from afar\n"));
    hark_buf_clear(&out);
    assert_int_equal(hark_cmd_text(&cmd, "--", &out, NULL), 0);
    assert_int_equal(out.size, 2);
    assert_int_equal(hark_cmd_text(&cmd, "\xff", &out, NULL), HARK_E_USAGE);
    hark_buf_free(&out);
}

/* --- the table ---------------------------------------------------------------------------- */

/* What the contract names is known: done, or refused as not here yet. */
static void test_verbs__all_of_the_contract_are_known(void **state)
{
    static const char *const names[] = {
        "init",    "join",   "invite",   "member", "device",  "waiting",   "policy",   "request",
        "topic",   "post",   "reply",    "idea",   "revise",  "poll",      "vote",     "report",
        "hide",    "erase",  "respond",  "decide", "act",     "recognize", "log",      "show",
        "history", "search", "who-said", "top",    "tally",   "inbox",     "news",     "partner",
        "ticket",  "sync",   "outbox",   "home",   "recover", "group",     "disclose", "key",
        "receipt", "verify", "audit",    "watch",  "export",  "import",    "status",   "repair",
        "reindex", "gc",     "version",  "help"};
    size_t count = 0;
    const struct hark_verb *verbs = hark_verbs(&count);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_non_null(hark_verb_find(names[i]));
    assert_null(hark_verb_find("pray"));
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(hark_verb_find(verbs[i].name), &verbs[i]);
        assert_non_null(verbs[i].run);
        /* A usage error's hint is "hark " and the usage: it must fit. */
        assert_true(strlen(verbs[i].usage) + 5 < HARK_ERR_HINT_MAX);
    }
}

/* Who judges by a policy asks no node, nor the daemon of one that is there. */
static void test_verbs__a_policy_needs_no_node(void **state)
{
    const char *apart[] = {"verify", "file", "--policy", "policy", NULL};
    const char *together[] = {"verify", "--policy=policy", "file", NULL};
    const char *name[] = {"verify", "--", "--policy", NULL};
    const char *other[] = {"verify", "--policies", "file", NULL};
    const char *export[] = {"export", "policy", "--policy", NULL};
    struct hark_cmd cmd = command(apart);

    (void)state;
    assert_true(hark_cmd_no_node(&cmd, hark_verb_find("verify")));
    cmd = command(together);
    assert_true(hark_cmd_no_node(&cmd, hark_verb_find("verify")));
    cmd = command(name);
    assert_false(hark_cmd_no_node(&cmd, hark_verb_find("verify")));
    cmd = command(other);
    assert_false(hark_cmd_no_node(&cmd, hark_verb_find("verify")));
    cmd = command(export);
    assert_false(hark_cmd_no_node(&cmd, hark_verb_find("export")));
}

static void test_run__usage_errors_come_with_the_usage(void **state)
{
    const char *argv[] = {"version", "--loud", NULL};
    struct hark_cmd cmd = command(argv);
    struct memory m;

    (void)state;
    open_memory(&m);
    cmd.out = stdout;
    cmd.err = m.file;
    assert_int_equal(hark_cmd_run(&cmd, hark_verb_find("version")), 2);
    assert_written(&m, "hark: there is no option --loud here (usage)\nhint: hark version\n");
}

static void test_run__what_is_not_here_yet_says_so(void **state)
{
    const char *argv[] = {"poll", NULL};
    struct hark_cmd cmd = command(argv);
    struct memory m;

    (void)state;
    open_memory(&m);
    cmd.out = stdout;
    cmd.err = m.file;
    assert_int_equal(hark_cmd_run(&cmd, hark_verb_find("poll")), 2);
    assert_written(&m, "hark: poll is not supported here yet (unsupported)\n"
                       "hint: `hark help` lists what this version does\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_text__plain_text_of_any_language_stays),
        cmocka_unit_test(test_print_text__controls_are_made_visible),
        cmocka_unit_test(test_print_text__direction_and_width_marks_are_made_visible),
        cmocka_unit_test(test_print_text__bytes_that_are_not_utf8_are_made_visible),
        cmocka_unit_test(test_print_line__keeps_to_one_line),
        cmocka_unit_test(test_print_json__escapes_what_a_terminal_would_obey),
        cmocka_unit_test(test_print_json__no_json_is_no_memory),
        cmocka_unit_test(test_copy_text__cuts_at_a_character),
        cmocka_unit_test(test_fail__people_get_a_line_and_a_hint),
        cmocka_unit_test(test_fail__scripts_get_one_object),
        cmocka_unit_test(test_fail__a_bare_no_says_nothing),
        cmocka_unit_test(test_args__globals_stand_anywhere),
        cmocka_unit_test(test_args__nothing_is_a_global_after_two_dashes),
        cmocka_unit_test(test_args__what_is_wrong_is_usage),
        cmocka_unit_test(test_args__json_is_known_when_the_rest_is_wrong),
        cmocka_unit_test(test_options__positionals_are_what_is_left),
        cmocka_unit_test(test_options__two_dashes_end_them),
        cmocka_unit_test(test_options__what_is_wrong_is_usage),
        cmocka_unit_test(test_values__numbers_and_times),
        cmocka_unit_test(test_values__cohorts_are_bounded),
        cmocka_unit_test(test_values__paths_are_the_callers),
        cmocka_unit_test(test_values__ids_are_eight_digits_or_more),
        cmocka_unit_test(test_text__a_dash_is_standard_input),
        cmocka_unit_test(test_verbs__all_of_the_contract_are_known),
        cmocka_unit_test(test_verbs__a_policy_needs_no_node),
        cmocka_unit_test(test_run__usage_errors_come_with_the_usage),
        cmocka_unit_test(test_run__what_is_not_here_yet_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
