/*
 * crypto/tlog_policy: the specification's example and what other implementations take and
 * refuse (transparency-dev/formats, Sigsum), each rule of a line broken, the bounds, and
 * notes judged: by whom they are signed, and which cosignatures are enough.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/tlog_policy.h"
#include "tests/unit/ok.h"

#define ORIGIN   "example.com/log"
#define TEXT_MAX (2 * HARK_TLOG_POLICY_MAX)
#define KEYS     9

static struct hark_tlog_policy policy; /* too large for the stack */

static struct hark_signer *signers[KEYS + 1];
/* By number: as a log's, under ORIGIN, and as a witness's, under "w<number>". */
static char logs[KEYS + 1][128], witnesses[KEYS + 1][128];

static void write_vkey(char out[128], const char *name, uint8_t algorithm, size_t number)
{
    struct hark_buf buf = hark_buf_init(127);
    struct hark_note_key key;

    OK(hark_note_key_init(&key, name, algorithm, hark_signer_key(signers[number]), &err));
    OK(hark_note_key_encode(&buf, &key, &err));
    memcpy(out, buf.data, buf.size);
    out[buf.size] = '\0';
    hark_buf_free(&buf);
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 1; i <= KEYS; i++) {
        uint8_t bytes[HARK_SEED_SIZE];
        struct hark_seed *seed = NULL;
        char name[16];

        memset(bytes, (int)i, sizeof(bytes));
        OK(hark_seed_from_bytes(&seed, bytes, &err));
        OK(hark_signer_new(&signers[i], seed, &err));
        hark_seed_free(seed);
        (void)snprintf(name, sizeof(name), "w%zu", i);
        write_vkey(logs[i], ORIGIN, HARK_NOTE_ED25519, i);
        write_vkey(witnesses[i], name, HARK_NOTE_COSIGNATURE_V1, i);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 1; i <= KEYS; i++)
        hark_signer_free(signers[i]);
    return 0;
}

/* "$1": the vkey of log 1; "@1": of witness 1. Freed by hark_buf_free. */
static struct hark_buf expand(const char *template)
{
    struct hark_buf out = hark_buf_init(TEXT_MAX);

    for (const char *at = template; *at != '\0'; at++) {
        if ((*at == '$' || *at == '@') && at[1] >= '1' && at[1] <= '9') {
            size_t number = (size_t)(at[1] - '0');

            OK(hark_buf_append_str(&out, *at == '$' ? logs[number] : witnesses[number], &err));
            at++;
        } else {
            OK(hark_buf_append_byte(&out, (uint8_t)*at, &err));
        }
    }
    return out;
}

static int read_text(const char *template)
{
    struct hark_buf text = expand(template);
    int rc;

    err = (struct hark_err){0};
    rc = hark_tlog_policy_read(&policy, hark_buf_span(&text), &err);
    assert_int_equal(hark_tlog_policy_read(&policy, hark_buf_span(&text), NULL), rc);
    hark_buf_free(&text);
    return rc;
}

static void take(const char *template)
{
    if (read_text(template) != 0)
        fail_msg("refused: %s\n%s", err.message, template);
}

static void refuse(const char *template, const char *why)
{
    if (read_text(template) != HARK_E_TLOG_POLICY || err.code != HARK_E_TLOG_POLICY)
        fail_msg("not refused for '%s': %s", why, template);
    if (strstr(err.message, why) == NULL)
        fail_msg("refused for '%s', not '%s': %s", err.message, why, template);
    assert_int_equal(policy.log_count + policy.voice_count, 0);
}

/* --- what is read ----------------------------------------------------------------- */

#define EXAMPLE                                                                                    \
    "log $1\n"                                                                                     \
    "\n"                                                                                           \
    "witness X1 @1\n"                                                                              \
    "witness X2 @2\n"                                                                              \
    "witness X3 @3\n"                                                                              \
    "group X-witnesses 2 X1 X2 X3\n"                                                               \
    "\n"                                                                                           \
    "witness Y1 @4\n"                                                                              \
    "witness Y2 @5\n"                                                                              \
    "witness Y3 @6\n"                                                                              \
    "group Y-witnesses any Y1 Y2 Y3\n"                                                             \
    "\n"                                                                                           \
    "group X-and-Y all X-witnesses Y-witnesses\n"                                                  \
    "quorum X-and-Y\n"

static void test_tlog_policy__the_example(void **state)
{
    (void)state;
    take(EXAMPLE);
    assert_int_equal(policy.log_count, 1);
    assert_string_equal(policy.logs[0].name, ORIGIN);
    assert_int_equal(policy.voice_count, 9);
    assert_string_equal(policy.voices[3].name, "X-witnesses");
    assert_true(policy.voices[3].is_group);
    assert_int_equal(policy.voices[3].needed, 2);
    assert_int_equal(policy.voices[3].members, 3);
    assert_int_equal(policy.voices[0].group, 3);
    assert_string_equal(policy.voices[0].key.name, "w1");
    assert_int_equal(policy.voices[7].needed, 1);
    assert_int_equal(policy.voices[8].needed, 2);
    assert_int_equal(policy.voices[3].group, 8);
    assert_int_equal(policy.voices[8].group, HARK_TLOG_POLICY_VOICE_NONE);
    assert_int_equal(policy.quorum, 8);
}

static void test_tlog_policy__what_others_take(void **state)
{
    (void)state;
    take("quorum none\n");
    assert_int_equal(policy.quorum, HARK_TLOG_POLICY_VOICE_NONE);
    take("\n# comment\n\t # another comment\n\twitness \t w1  @1   https://w1.example.com/  \n\n"
         "  quorum\tw1\n");
    assert_int_equal(policy.voice_count, 1);
    take("log $1 https://log.example.com/\nwitness w1 @1\nquorum w1\n");
    /* Octets are opaque: a Kelvin sign, and what is no UTF-8. */
    take("witness K @1\nwitness \xe2\x84\xaa @2\nwitness w\x80 @3\nquorum w\x80\n");
    assert_int_equal(policy.quorum, 2);
    take("witness all @1\nwitness any @2\ngroup group 2 all any\nquorum group\n");
    take("witness witness @1\nwitness #1 @2\ngroup 1 1 witness #1\nquorum 1\n");
    /* One key as a log's and as a witness's; lines in any order; what no quorum asks for. */
    take("witness W @1\ngroup G any W\nquorum G\nlog $1\nlog $2\nwitness W6 @2 https://w6\n"
         "group H all W6\n");
    assert_int_equal(policy.log_count, 2);
    assert_int_equal(policy.quorum, 1);
    /* The quorum's own name may be a member. */
    take("witness a @1\nwitness b @2\ngroup g all a b\nquorum a\n");
}

/* --- what is not ------------------------------------------------------------------ */

static void test_tlog_policy__lines_that_are_none(void **state)
{
    (void)state;
    refuse("", "quorum line");
    refuse("quorum none", "line 1: does not end");
    refuse("quorum none\n\x01", "line 2: does not end");
    refuse("quorum none\n\x01\n", "line 2: a control");
    refuse("quorum none\r\n", "line 1: a control");
    refuse("# \x0c\nquorum none\n", "line 1: a control");
    refuse("# \x7f\nquorum none\n", "line 1: a control");
    refuse("\nquibble w1\nquorum none\n", "line 2: 'quibble' is not");
    refuse("Quorum none\n", "line 1: 'Quorum' is not");
    refuse("\xc2\xa0quorum none\n", "is not log"); /* no white space but blanks and tabs */
    refuse("log\nquorum none\n", "line 1: expected: log");
    refuse("log $1 https://a b\nquorum none\n", "line 1: expected: log");
    refuse("log $1 https://a #comment\nquorum none\n", "line 1: expected: log");
    refuse("witness w1\nquorum none\n", "line 1: expected: witness");
    refuse("witness w1 @1 https://a b\nquorum w1\n", "line 1: expected: witness");
    refuse("witness w1 @1\ngroup g\nquorum w1\n", "line 2: expected: group");
    refuse("witness w1 @1\ngroup g 1\nquorum w1\n", "line 2: expected: group");
    refuse("quorum\n", "line 1: expected: quorum");
    refuse("witness w1 @1\nquorum w1 w1\n", "line 2: expected: quorum");
    refuse("witness w1 @1\n", "quorum line");
    refuse("witness w1 @1\nquorum w1\nquorum w1\n", "line 3: a second quorum");
    refuse("quorum none\nquorum none\n", "line 2: a second quorum");
}

static void test_tlog_policy__keys(void **state)
{
    (void)state;
    refuse("log garbage\nquorum none\n", "line 1: the key");
    refuse("witness w1 garbage\nquorum w1\n", "line 1: the key");
    /* Of one Ed25519 key, the other kind of signature. */
    refuse("log @1\nquorum none\n", "line 1: the key is none that a log signs with");
    refuse("witness w1 $1\nquorum w1\n", "line 1: the key is none that a witness cosigns with");
    refuse("log $1\nlog $1 https://a\nquorum none\n", "line 2: another log has this key");
    refuse("witness a @1\nwitness b @1\nquorum a\n", "line 2: another witness has this key");
    /* The id is not the key's; the key is of a type that is not known here. */
    refuse("witness w1 w1+00000000+BIqI4910Cfgl8rbhb1fMOyzgBrCuN0DytZsLdgr6lK40\nquorum w1\n",
           "line 1: the key");
    refuse("witness w1 w1+00000000+AgECAw==\nquorum w1\n", "line 1: the key");
}

static void test_tlog_policy__a_key_is_one_under_any_name(void **state)
{
    char vkey[128], text[512];

    (void)state;
    write_vkey(vkey, "impostor.example.com", HARK_NOTE_COSIGNATURE_V1, 1);
    (void)snprintf(text, sizeof(text), "witness a @1\nwitness b %s\nquorum a\n", vkey);
    refuse(text, "line 2: another witness has this key");
    write_vkey(vkey, "another.example.com/log", HARK_NOTE_ED25519, 1);
    (void)snprintf(text, sizeof(text), "log $1\nlog %s\nquorum none\n", vkey);
    refuse(text, "line 2: another log has this key");
}

static void test_tlog_policy__names(void **state)
{
    (void)state;
    refuse("witness none @1\nquorum none\n", "line 1: 'none' is defined already");
    refuse("witness w @1\nwitness w @2\nquorum w\n", "line 2: 'w' is defined already");
    refuse("witness w @1\ngroup w any w\nquorum w\n", "line 2: 'w' is defined already");
    refuse("witness w @1\ngroup none any w\nquorum none\n", "line 2: 'none' is defined already");
    refuse("witness w @1\ngroup g any v\nquorum g\n", "line 2: 'v' is no witness");
    refuse("group g any w\nwitness w @1\nquorum g\n", "line 1: 'w' is no witness");
    refuse("witness w @1\ngroup g any w g\nquorum g\n", "line 2: 'g' is no witness");
    refuse("witness w @1\ngroup g any none w\nquorum g\n", "line 2: 'none' is no witness");
    refuse("witness w @1\ngroup g all w w\nquorum g\n", "line 2: 'w' is a member already");
    refuse("witness w @1\nwitness v @2\ngroup g any w v\ngroup h any w\nquorum g\n",
           "line 4: 'w' is a member already");
    refuse("quorum unknown\n", "line 1: 'unknown' is no witness");
    refuse("quorum w\nwitness w @1\n", "line 1: 'w' is no witness");
    refuse("witness w @1\nquorum W\n", "line 2: 'W' is no witness");
}

static void test_tlog_policy__thresholds(void **state)
{
    static const char *const bad[] = {"0",   "3",   "-1",  "+1", "01",
                                      "1.0", "Any", "ALL", "x",  "18446744073709551617"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(text, sizeof(text), "witness a @1\nwitness b @2\ngroup g %s a b\nquorum g\n",
                       bad[i]);
        refuse(text, "is not any, all, or a number");
    }
    take("witness a @1\nwitness b @2\ngroup g 2 a b\nquorum g\n");
    assert_int_equal(policy.voices[2].needed, 2);
}

/* --- bounds ----------------------------------------------------------------------- */

/* So many witnesses, by keys that nobody has, and one group of them all. */
static struct hark_buf many(size_t count)
{
    struct hark_buf text = hark_buf_init(TEXT_MAX);

    for (size_t i = 0; i < count; i++) {
        struct hark_key key = {.bytes = {(uint8_t)i, (uint8_t)(i >> 8)}};
        struct hark_note_key vkey;

        OK(hark_note_key_init(&vkey, "w", HARK_NOTE_COSIGNATURE_V1, &key, &err));
        OK(hark_buf_printf(&text, &err, "witness %zu ", i));
        OK(hark_note_key_encode(&text, &vkey, &err));
        OK(hark_buf_append_byte(&text, '\n', &err));
    }
    OK(hark_buf_append_str(&text, "group g all", &err));
    for (size_t i = 0; i < count; i++)
        OK(hark_buf_printf(&text, &err, " %zu", i));
    OK(hark_buf_append_str(&text, "\nquorum g\n", &err));
    return text;
}

static void test_tlog_policy__bounds(void **state)
{
    struct hark_buf text = many(HARK_TLOG_POLICY_VOICES_MAX - 1);
    char name[HARK_TLOG_POLICY_NAME_MAX + 2], line[1024];

    (void)state;
    OK(hark_tlog_policy_read(&policy, hark_buf_span(&text), &err));
    assert_int_equal(policy.voices[policy.quorum].needed, HARK_TLOG_POLICY_VOICES_MAX - 1);
    hark_buf_free(&text);
    text = many(HARK_TLOG_POLICY_VOICES_MAX);
    assert_int_equal(hark_tlog_policy_read(&policy, hark_buf_span(&text), &err),
                     HARK_E_TLOG_POLICY);
    assert_non_null(strstr(err.message, "line 257: too many"));
    hark_buf_free(&text);

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(line, sizeof(line), "witness %s @1\nquorum none\n", name);
    refuse(line, "line 1: a name is too long");
    (void)snprintf(line, sizeof(line), "witness %s @1\nquorum none\n", name + 1);
    take(line);

    text = hark_buf_init(TEXT_MAX);
    OK(hark_buf_append_str(&text, "quorum none\n#", &err));
    while (text.size < HARK_TLOG_POLICY_MAX - 1)
        OK(hark_buf_append_byte(&text, '#', &err));
    OK(hark_buf_append_byte(&text, '\n', &err));
    OK(hark_tlog_policy_read(&policy, hark_buf_span(&text), &err));
    OK(hark_buf_append_byte(&text, '\n', &err));
    assert_int_equal(hark_tlog_policy_read(&policy, hark_buf_span(&text), &err),
                     HARK_E_TLOG_POLICY);
    hark_buf_clear(&text);
    OK(hark_buf_append_str(&text, "group g 1", &err));
    for (size_t i = 0; i < HARK_TLOG_POLICY_WORDS_MAX; i++)
        OK(hark_buf_append_str(&text, " w", &err));
    OK(hark_buf_append_str(&text, "\nquorum none\n", &err));
    assert_int_equal(hark_tlog_policy_read(&policy, hark_buf_span(&text), &err),
                     HARK_E_TLOG_POLICY);
    assert_non_null(strstr(err.message, "line 1: more words"));
    hark_buf_free(&text);
}

static void test_tlog_policy__logs_are_bounded(void **state)
{
    struct hark_buf text = hark_buf_init(TEXT_MAX);

    (void)state;
    OK(hark_buf_append_str(&text, "quorum none\n", &err));
    for (size_t i = 0; i <= HARK_TLOG_POLICY_LOGS_MAX; i++) {
        struct hark_key key = {.bytes = {(uint8_t)i}};
        struct hark_note_key vkey;

        if (i == HARK_TLOG_POLICY_LOGS_MAX)
            OK(hark_tlog_policy_read(&policy, hark_buf_span(&text), &err));
        OK(hark_note_key_init(&vkey, "l", HARK_NOTE_ED25519, &key, &err));
        OK(hark_buf_append_str(&text, "log ", &err));
        OK(hark_note_key_encode(&text, &vkey, &err));
        OK(hark_buf_append_byte(&text, '\n', &err));
    }
    assert_int_equal(hark_tlog_policy_read(&policy, hark_buf_span(&text), &err),
                     HARK_E_TLOG_POLICY);
    assert_non_null(strstr(err.message, "line 66: too many logs"));
    hark_buf_free(&text);
}

/* --- judging ---------------------------------------------------------------------- */

/* A checkpoint of `origin`, signed as ORIGIN's log by the key `log` (0: by none) and
 * cosigned by the witnesses whose digits are in `by`, at times that are those times 100. */
static struct hark_buf checkpoint(const char *origin, size_t log, const char *by)
{
    struct hark_checkpoint cp = {.size = 42};
    struct hark_buf text = hark_buf_init(HARK_NOTE_MAX), note = hark_buf_init(HARK_NOTE_MAX);

    (void)snprintf(cp.origin, sizeof(cp.origin), "%s", origin);
    OK(hark_checkpoint_encode(&text, &cp, &err));
    OK(hark_buf_append_span(&note, hark_buf_span(&text), &err));
    OK(hark_buf_append_byte(&note, '\n', &err));
    if (log > 0)
        OK(hark_note_sign(&note, hark_buf_span(&text), ORIGIN, HARK_NOTE_ED25519, signers[log], 0,
                          &err));
    for (; *by != '\0'; by++) {
        char name[3] = {'w', *by, '\0'};
        size_t number = (size_t)(*by - '0');

        OK(hark_note_sign(&note, hark_buf_span(&text), name, HARK_NOTE_COSIGNATURE_V1,
                          signers[number], 100 * number, &err));
    }
    hark_buf_free(&text);
    return note;
}

static int judge_note(struct hark_tlog_judged *out, struct hark_buf *bytes)
{
    static struct hark_note note;
    int rc;

    err = (struct hark_err){0};
    OK(hark_note_parse(&note, hark_buf_span(bytes), &err));
    rc = hark_tlog_policy_judge(out, &policy, &note, &err);
    hark_buf_free(bytes);
    if (rc < 0) {
        assert_int_equal(err.code, rc);
        assert_null(out->log);
        assert_false(out->satisfied);
    }
    return rc;
}

static void expect(const char *by, bool satisfied)
{
    struct hark_tlog_judged judged;
    struct hark_buf note = checkpoint(ORIGIN, 1, by);

    OK(judge_note(&judged, &note));
    assert_ptr_equal(judged.log, &policy.logs[0]);
    assert_int_equal(judged.checkpoint.size, 42);
    if (judged.satisfied != satisfied)
        fail_msg("by '%s': %s", by, satisfied ? "not satisfied" : "satisfied");
}

static void test_tlog_policy__two_levels(void **state)
{
    (void)state;
    take(EXAMPLE);
    expect("", false);
    expect("12", false);
    expect("14", false);
    expect("456", false);
    expect("123", false);
    expect("124", true);
    expect("135", true);
    expect("236", true);
    expect("123456", true);
    expect("789", false); /* whom nobody asked */
    expect("12789", false);
}

/* The tables of sigsum-go, with its names. */
static void test_tlog_policy__what_others_count(void **state)
{
    (void)state;
    take("log $1\nwitness W1 @1\nwitness W2 @2\nwitness W3 @3\nwitness W4 @4\nwitness W5 @5\n"
         "group G1 any W1 W2\ngroup G2 2 W3 W4 W5\ngroup G3 all G1 G2\n\nquorum G3\n\n"
         "  log $3\nwitness W6 @6\n");
    expect("", false);
    expect("3", false);
    expect("345", false);
    expect("12", false);
    expect("13", false);
    expect("134", true);
    expect("235", true);
    take("log $1\nwitness A1 @1\nwitness A2 @2\nwitness A3 @3\nwitness B1 @4\nwitness B2 @5\n"
         "witness B3 @6\ngroup A-group 1 A1 A2 A3\ngroup B-group 2 B1 B2 B3\n"
         "group G any A-group B-group\n\nquorum G\n");
    expect("", false);
    expect("2", true);
    expect("13", true);
    expect("134", true);
    expect("4", false);
    expect("6", false);
    expect("45", true);
    expect("46", true);
    expect("2456", true);
    /* transparency-dev/formats */
    take("log $1\nwitness w1 @1\nwitness w2 @2\nwitness w3 @3\ngroup inner any w2 w3\n"
         "group outer all w1 inner\nquorum outer\n");
    expect("123", true);
    expect("13", true);
    expect("1", false);
    expect("23", false);
    take("log $1\nwitness w1 @1\ngroup a 1 w1\ngroup b 1 a\ngroup c 1 b\nquorum c\n");
    expect("1", true);
    expect("2", false);
}

static void test_tlog_policy__one_or_none(void **state)
{
    struct hark_tlog_judged judged;
    struct hark_buf note;

    (void)state;
    take("log $1\nwitness a @1\nwitness b @2\nquorum b\n");
    expect("1", false);
    expect("2", true);
    note = checkpoint(ORIGIN, 1, "12");
    OK(judge_note(&judged, &note));
    assert_true(judged.speaks[0] && judged.speaks[1]);
    assert_int_equal(judged.times_s[1], 200);
    take("log $1\nwitness a @1\nquorum none\n");
    expect("", true);
    expect("1", true);
}

/* A cosignature is by name, id and key: another name in front of it is nobody's. */
static void test_tlog_policy__another_name(void **state)
{
    char vkey[128], text[512];

    (void)state;
    write_vkey(vkey, "w2", HARK_NOTE_COSIGNATURE_V1, 1);
    (void)snprintf(text, sizeof(text), "log $1\nwitness a %s\nquorum a\n", vkey);
    take(text);
    expect("1", false);
    expect("2", false);
}

static void test_tlog_policy__whose_log(void **state)
{
    struct hark_tlog_judged judged;
    struct hark_buf note;

    (void)state;
    take("witness a @1\nlog $2\nlog $3\nquorum none\n");
    note = checkpoint(ORIGIN, 3, "1"); /* one of two keys under that name */
    OK(judge_note(&judged, &note));
    assert_ptr_equal(judged.log, &policy.logs[1]);
    note = checkpoint(ORIGIN, 4, "1"); /* a key that nobody named */
    assert_int_equal(judge_note(&judged, &note), HARK_E_NOTE_UNSIGNED);
    note = checkpoint(ORIGIN, 0, "1"); /* nobody's, though cosigned */
    assert_int_equal(judge_note(&judged, &note), HARK_E_NOTE_UNSIGNED);
    /* A log's signature of another log's checkpoint. */
    note = checkpoint("example.com/another", 3, "1");
    assert_int_equal(judge_note(&judged, &note), HARK_E_NOTE_UNSIGNED);
    take("witness a @1\nquorum a\n"); /* no log at all */
    note = checkpoint(ORIGIN, 1, "1");
    assert_int_equal(judge_note(&judged, &note), HARK_E_NOTE_UNSIGNED);
}

/* Turns a bit of the signature in the last line. */
static void damage(struct hark_buf *note)
{
    note->data[note->size - 10] = note->data[note->size - 10] == 'A' ? 'B' : 'A';
}

static void test_tlog_policy__what_does_not_hold(void **state)
{
    struct hark_tlog_judged judged;
    struct hark_buf note = checkpoint(ORIGIN, 1, "1");

    (void)state;
    /* Though nobody's cosignature is asked for. */
    take("log $1\nwitness a @1\nquorum none\n");
    damage(&note);
    assert_int_equal(judge_note(&judged, &note), HARK_E_NOTE_SIGNATURE);
    note = checkpoint(ORIGIN, 1, "2"); /* a witness that is not named */
    damage(&note);
    OK(judge_note(&judged, &note));
    note = checkpoint(ORIGIN, 1, "");
    damage(&note);
    assert_int_equal(judge_note(&judged, &note), HARK_E_NOTE_SIGNATURE);
    note = hark_buf_init(HARK_NOTE_MAX);
    OK(hark_buf_append_str(&note, "no checkpoint\n\n— a AAAAAAA=\n", &err));
    assert_int_equal(judge_note(&judged, &note), HARK_E_CHECKPOINT_FORM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tlog_policy__the_example),
        cmocka_unit_test(test_tlog_policy__what_others_take),
        cmocka_unit_test(test_tlog_policy__lines_that_are_none),
        cmocka_unit_test(test_tlog_policy__keys),
        cmocka_unit_test(test_tlog_policy__a_key_is_one_under_any_name),
        cmocka_unit_test(test_tlog_policy__names),
        cmocka_unit_test(test_tlog_policy__thresholds),
        cmocka_unit_test(test_tlog_policy__bounds),
        cmocka_unit_test(test_tlog_policy__logs_are_bounded),
        cmocka_unit_test(test_tlog_policy__two_levels),
        cmocka_unit_test(test_tlog_policy__what_others_count),
        cmocka_unit_test(test_tlog_policy__one_or_none),
        cmocka_unit_test(test_tlog_policy__another_name),
        cmocka_unit_test(test_tlog_policy__whose_log),
        cmocka_unit_test(test_tlog_policy__what_does_not_hold),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
