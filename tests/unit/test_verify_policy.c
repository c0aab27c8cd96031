/*
 * hark verify FILE --policy POLICY, without a node: what it says of checkpoints and receipts
 * whose cosignatures are enough or not, and of files that prove nothing.
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

#include "node/cmd_internal.h"
#include "node/files.h"
#include "schemas/receipt.h"
#include "tests/unit/ok.h"

#define ORIGIN "brand/space/1"

static char dir[64];
static struct hark_signer *log_signer, *witness_signer;
static char log_vkey[128], witness_vkey[128], other_vkey[128];

/* --- files ------------------------------------------------------------------------ */

static struct hark_signer *signer_number(int number)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_signer *signer = NULL;
    struct hark_seed *seed = NULL;

    memset(bytes, number, sizeof(bytes));
    OK(hark_seed_from_bytes(&seed, bytes, &err));
    OK(hark_signer_new(&signer, seed, &err));
    hark_seed_free(seed);
    return signer;
}

static void write_vkey(char out[128], const char *name, uint8_t algorithm,
                       const struct hark_key *key)
{
    struct hark_buf buf = hark_buf_over((uint8_t *)out, 128);
    struct hark_note_key vkey;

    OK(hark_note_key_init(&vkey, name, algorithm, key, &err));
    OK(hark_note_key_encode(&buf, &vkey, &err));
    OK(hark_buf_terminate(&buf, &err));
}

static int set_up(void **state)
{
    const struct hark_key nobody = {.bytes = {9}};

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/hark-verify-policy.XXXXXX");
    assert_non_null(mkdtemp(dir));
    log_signer = signer_number(1);
    witness_signer = signer_number(2);
    write_vkey(log_vkey, ORIGIN, HARK_NOTE_ED25519, hark_signer_key(log_signer));
    write_vkey(witness_vkey, "w", HARK_NOTE_COSIGNATURE_V1, hark_signer_key(witness_signer));
    write_vkey(other_vkey, "v", HARK_NOTE_COSIGNATURE_V1, &nobody);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hark_signer_free(log_signer);
    hark_signer_free(witness_signer);
    OK(hark_tree_remove(dir, &err));
    return 0;
}

static void put_file(const char *name, struct hark_span bytes)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    OK(hark_file_write(path, bytes, 0600, &err));
}

/* The log's policy, with two witnesses and this quorum. */
static void put_policy(const char *quorum)
{
    char text[1024];

    (void)snprintf(text, sizeof(text), "log %s\nwitness one %s\nwitness two %s\nquorum %s\n",
                   log_vkey, witness_vkey, other_vkey, quorum);
    put_file("policy", hark_span_str(text));
}

static struct hark_line line_number(uint64_t position)
{
    struct hark_line line = {.position = position, .arrival_ms = 1000, .accepted_ms = 1000};

    line.id.bytes[0] = (uint8_t)(0xa0 + position);
    return line;
}

/* A log of one entry, cosigned at that time. */
static struct hark_buf checkpoint(uint64_t time_s)
{
    struct hark_line line = line_number(0);
    struct hark_checkpoint cp = {.origin = ORIGIN, .size = 1, .root = hark_line_leaf(&line)};
    struct hark_buf text = hark_buf_init(HARK_NOTE_MAX), note = hark_buf_init(HARK_NOTE_MAX);

    OK(hark_checkpoint_sign(&note, &cp, log_signer, NULL, &err));
    OK(hark_checkpoint_encode(&text, &cp, &err));
    OK(hark_note_sign(&note, hark_buf_span(&text), "w", HARK_NOTE_COSIGNATURE_V1, witness_signer,
                      time_s, &err));
    hark_buf_free(&text);
    return note;
}

static void put_checkpoint(uint64_t time_s)
{
    struct hark_buf note = checkpoint(time_s);

    put_file("file", hark_buf_span(&note));
    hark_buf_free(&note);
}

static void put_receipt(void)
{
    struct hark_buf note = checkpoint(7), file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_line line = line_number(0);
    struct hark_git_id commit = {.bytes = {1}};
    struct hark_proof path = {.count = 0};

    OK(hark_receipt_encode(&file, &line, &commit, &path, hark_buf_span(&note), &err));
    put_file("file", hark_buf_span(&file));
    hark_buf_free(&file);
    hark_buf_free(&note);
}

/* --- the verb --------------------------------------------------------------------- */

/* What it says to scripts, or NULL; the code in *rc. */
static json_t *verify(int *rc)
{
    const char *argv[] = {"verify", "file", "--policy", "policy", NULL};
    struct hark_cmd cmd = {.argv = argv, .argc = 4, .cwd = dir, .globals = {.json = true}};
    char *said = NULL;
    size_t size = 0;
    json_t *json;

    err = (struct hark_err){0};
    cmd.out = open_memstream(&said, &size);
    assert_non_null(cmd.out);
    *rc = hark_cmd_verify(&cmd, &err);
    assert_int_equal(fclose(cmd.out), 0);
    json = json_loads(said, 0, NULL);
    free(said);
    return json;
}

static void refused(int code)
{
    int rc = 0;
    json_t *json = verify(&rc);

    assert_null(json);
    assert_int_equal(rc, code);
    assert_int_equal(err.code, code);
    assert_true(strlen(err.message) > 0);
}

static json_t *in(const json_t *json, const char *name)
{
    json_t *value = json_object_get(json, name);

    assert_non_null(value);
    return value;
}

static void assert_text(const json_t *json, const char *name, const char *wanted)
{
    assert_string_equal(json_string_value(in(json, name)), wanted);
}

static void test_verify_policy__a_checkpoint_with_enough(void **state)
{
    int rc = 1;
    json_t *json, *policy, *one;

    (void)state;
    put_checkpoint(7);
    put_policy("one");
    json = verify(&rc);
    assert_int_equal(rc, 0);
    assert_text(json, "format", "hark/verify/1");
    assert_true(json_is_true(in(json, "holds")));
    assert_text(json, "what", "checkpoint");
    assert_text(json, "origin", ORIGIN);
    assert_int_equal(json_integer_value(in(json, "size")), 1);
    policy = in(json, "policy");
    assert_text(policy, "log", log_vkey);
    assert_text(policy, "quorum", "one");
    assert_true(json_is_true(in(policy, "satisfied")));
    assert_int_equal(json_array_size(in(policy, "witnesses")), 1);
    one = json_array_get(in(policy, "witnesses"), 0);
    assert_text(one, "name", "one");
    assert_text(one, "key_name", "w");
    assert_text(one, "time", "1970-01-01T00:00:07.000Z");
    assert_string_equal(json_string_value(json_array_get(in(policy, "missing"), 0)), "two");
    assert_non_null(strstr(json_string_value(in(json, "message")), "Cosigned by one (1970-01-01T"));
    json_decref(json);
}

static void test_verify_policy__a_checkpoint_without(void **state)
{
    int rc = 0;
    json_t *json;

    (void)state;
    put_checkpoint(7);
    put_policy("two");
    json = verify(&rc);
    assert_int_equal(rc, HARK_E_NO);
    assert_string_equal(err.message, ""); /* all is said */
    assert_true(json_is_false(in(json, "holds")));
    assert_true(json_is_false(in(in(json, "policy"), "satisfied")));
    assert_non_null(strstr(json_string_value(in(json, "message")),
                           "The quorum two is not satisfied. Cosigned by one"));
    assert_non_null(strstr(json_string_value(in(json, "message")), " Not by two."));
    json_decref(json);
    put_policy("none");
    json = verify(&rc);
    assert_int_equal(rc, 0);
    assert_true(json_is_true(in(json, "holds")));
    assert_true(json_is_null(in(in(json, "policy"), "quorum")));
    json_decref(json);
}

static void test_verify_policy__a_receipt(void **state)
{
    int rc = 1;
    json_t *json;

    (void)state;
    put_receipt();
    put_policy("one");
    json = verify(&rc);
    assert_int_equal(rc, 0);
    assert_text(json, "what", "receipt");
    assert_int_equal(strncmp(json_string_value(in(json, "id")), "a000", 4), 0);
    assert_int_equal(json_integer_value(in(json, "position")), 0);
    assert_text(json, "arrival", "1970-01-01T00:00:01.000Z");
    json_decref(json);
    put_policy("two");
    json = verify(&rc);
    assert_int_equal(rc, HARK_E_NO);
    assert_true(json_is_false(in(json, "holds")));
    json_decref(json);
}

/* A receipt whose leaf is not under the checkpoint, though that has all its signatures. */
static void test_verify_policy__a_receipt_that_proves_nothing(void **state)
{
    char path[128];
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    char *extra;

    (void)state;
    put_receipt();
    put_policy("one");
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    OK(hark_file_read(path, &file, &err));
    OK(hark_buf_terminate(&file, &err));
    extra = strstr((char *)file.data, "extra ");
    assert_non_null(extra);
    extra[12] = extra[12] == 'A' ? 'B' : 'A'; /* of the entry's id */
    put_file("file", hark_buf_span(&file));
    hark_buf_free(&file);
    refused(HARK_E_PROOF);
}

/* A witness may say any time. */
static void test_verify_policy__a_time_that_is_none(void **state)
{
    int rc = 1;
    json_t *json;

    (void)state;
    put_checkpoint(INT64_MAX);
    put_policy("one");
    json = verify(&rc);
    assert_int_equal(rc, 0);
    assert_true(json_is_null(in(json_array_get(in(in(json, "policy"), "witnesses"), 0), "time")));
    assert_non_null(strstr(json_string_value(in(json, "message")), "Cosigned by one."));
    json_decref(json);
}

static void test_verify_policy__what_proves_nothing(void **state)
{
    struct hark_buf note = checkpoint(7);
    char text[512];

    (void)state;
    put_policy("one");
    put_file("file", hark_span_str("hark\n"));
    refused(HARK_E_NOTE_FORM);
    note.data[note.size - 10] = note.data[note.size - 10] == 'A' ? 'B' : 'A';
    put_file("file", hark_buf_span(&note));
    refused(HARK_E_NOTE_SIGNATURE);
    hark_buf_free(&note);
    put_checkpoint(7);
    (void)snprintf(text, sizeof(text), "witness one %s\nquorum one\n", witness_vkey);
    put_file("policy", hark_span_str(text));
    refused(HARK_E_NO);
    put_policy("three");
    refused(HARK_E_TLOG_POLICY);
    assert_non_null(strstr(err.message, "policy: line 4: 'three'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_policy__a_checkpoint_with_enough),
        cmocka_unit_test(test_verify_policy__a_checkpoint_without),
        cmocka_unit_test(test_verify_policy__a_receipt),
        cmocka_unit_test(test_verify_policy__a_receipt_that_proves_nothing),
        cmocka_unit_test(test_verify_policy__a_time_that_is_none),
        cmocka_unit_test(test_verify_policy__what_proves_nothing),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
