/*
 * crypto/tlog_witness: published transcripts and the published example, what is read as it
 * is written, what is not taken, the cases of size 0, equal sizes with other roots, and
 * what a log keeps of an answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <jansson.h>

#include "crypto/tlog_witness.h"
#include "tests/unit/vectors.h"

#define ORIGIN "example.com/log"
#define HASH   "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
#define NOTE                                                                                       \
    "example.com/log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"                         \
    "— example.com/log AAAAAAA=\n"

/* --- transcripts ------------------------------------------------------------------------ */

static unsigned judge_text(const char *text, const struct hark_note_key *keys, size_t count,
                           struct hark_tlog_latest *latest)
{
    struct hark_tlog_asked *asked = malloc(sizeof(*asked));
    struct hark_err err = {0};
    unsigned status = 400;

    assert_non_null(asked);
    if (hark_tlog_asked_read(asked, hark_span_str(text), &err) == 0)
        status = hark_tlog_witness_judge(asked, keys, count, latest, &err);
    assert_int_equal(status == 200, err.code == 0);
    if (status == 200) {
        latest->size = asked->checkpoint.size;
        latest->root = asked->checkpoint.root;
    }
    free(asked);
    return status;
}

static void same_again(const char *text)
{
    struct hark_buf out = hark_buf_init(HARK_TLOG_WITNESS_MAX);
    struct hark_tlog_request request;

    assert_int_equal(hark_tlog_request_decode(&request, hark_span_str(text), NULL), 0);
    assert_int_equal(hark_tlog_request_encode(&out, &request, NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&out), hark_span_str(text)));
    hark_buf_free(&out);
}

/* Of the key whose origin the request names: others have a state of their own. */
static size_t key_of(const char *request, const struct hark_note_key *keys, size_t count)
{
    const char *note = strstr(request, "\n\n") + 2;
    size_t at = 0;

    while (at < count && (strncmp(note, keys[at].name, strlen(keys[at].name)) != 0))
        at++;
    return at;
}

static void play(const json_t *transcript)
{
    struct hark_tlog_latest latest[4] = {0};
    struct hark_note_key keys[3];
    const json_t *list = json_object_get(transcript, "vkeys"), *item;
    size_t count = json_array_size(list), i;

    assert_in_range(count, 1, 3);
    for (i = 0; i < count; i++) {
        const char *vkey = json_string_value(json_array_get(list, i));
        assert_int_equal(hark_note_key_decode(&keys[i], hark_span_str(vkey), NULL), 0);
    }
    json_array_foreach(json_object_get(transcript, "steps"), i, item)
    {
        const char *request = vectors_string(item, "request");
        const json_t *size = json_object_get(item, "size");
        struct hark_tlog_latest *at = &latest[key_of(request, keys, count)];
        json_int_t wanted = json_integer_value(json_object_get(item, "status"));
        unsigned status = judge_text(request, keys, count, at);

        if (status != wanted)
            fail_msg("%s: %s: %u, expected %d", vectors_string(transcript, "name"),
                     vectors_string(item, "name"), status, (int)wanted);
        assert_int_equal(status == 409, size != NULL);
        if (size != NULL)
            assert_int_equal(at->size, json_integer_value(size));
        if (status != 400 || strncmp(request, "old 0", 5) != 0)
            same_again(request);
    }
}

static void test_tlog_witness__published_transcripts(void **state)
{
    json_t *file = vectors_load("witness.json"), *transcript;
    size_t i;

    (void)state;
    assert_true(json_array_size(json_object_get(file, "transcripts")) > 0);
    json_array_foreach(json_object_get(file, "transcripts"), i, transcript) play(transcript);
    json_decref(file);
}

/* --- the body --------------------------------------------------------------------------- */

static void refuse(const char *text)
{
    struct hark_tlog_request request;
    struct hark_err err = {0};

    if (hark_tlog_request_decode(&request, hark_span_str(text), &err) != HARK_E_PROOF_FORM)
        fail_msg("taken: %s", text);
    assert_true(strlen(err.message) > 0);
    assert_int_equal(request.path.count + request.note.size + request.old_size, 0);
}

static void test_tlog_witness__what_is_no_request(void **state)
{
    (void)state;
    same_again("old 0\n\n" NOTE);
    same_again("old 9223372036854775807\n" HASH HASH "\n" NOTE);
    refuse("");
    refuse("old 0\n");
    refuse("old 0\n" NOTE);    /* no empty line */
    refuse("old 0\n\n");       /* no checkpoint */
    refuse("old 0\n" HASH);    /* cut short */
    refuse("old 00\n\n" NOTE); /* a leading zero */
    refuse("old 01\n\n" NOTE);
    refuse("old -1\n\n" NOTE);
    refuse("old +1\n\n" NOTE);
    refuse("old \n\n" NOTE);
    refuse("old  1\n\n" NOTE);
    refuse("old 1 \n\n" NOTE);
    refuse("Old 1\n\n" NOTE);
    refuse("size 1\n\n" NOTE);
    refuse("old 9223372036854775808\n\n" NOTE);
    refuse("old 0\r\n\r\n" NOTE);
    refuse("old 1\nAA==\n\n" NOTE); /* no hash */
    refuse("old 1\n " HASH "\n" NOTE);
    refuse("old 1\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk\n\n" NOTE);  /* no padding */
    refuse("old 1\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swl=\n\n" NOTE); /* loose bits */
    refuse("old 1\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3sw==\n\n" NOTE); /* 31 bytes */
    refuse("old 1\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swkA\n\n" NOTE); /* 33 bytes */
}

static void test_tlog_witness__bounds(void **state)
{
    struct hark_tlog_request request = {.old_size = 1, .note = hark_span_str(NOTE)}, again;
    struct hark_buf out = hark_buf_init(2u * HARK_TLOG_WITNESS_MAX);

    (void)state;
    request.path.count = HARK_TLOG_WITNESS_PROOF_MAX;
    assert_int_equal(hark_tlog_request_encode(&out, &request, NULL), 0);
    assert_int_equal(hark_tlog_request_decode(&again, hark_buf_span(&out), NULL), 0);
    assert_int_equal(again.path.count, HARK_TLOG_WITNESS_PROOF_MAX);
    request.path.count++;
    assert_int_equal(hark_tlog_request_encode(&out, &request, NULL), HARK_E_PROOF_FORM);
    request.path.count = 0;
    request.old_size = HARK_MERKLE_SIZE_MAX + 1;
    assert_int_equal(hark_tlog_request_encode(&out, &request, NULL), HARK_E_PROOF_FORM);

    hark_buf_clear(&out);
    assert_int_equal(hark_buf_append_str(&out, "old 0\n\n", NULL), 0);
    while (out.size < HARK_TLOG_WITNESS_MAX)
        assert_int_equal(hark_buf_append_byte(&out, 'x', NULL), 0);
    assert_int_equal(hark_tlog_request_decode(&again, hark_buf_span(&out), NULL), 0);
    assert_int_equal(hark_buf_append_byte(&out, 'x', NULL), 0);
    assert_int_equal(hark_tlog_request_decode(&again, hark_buf_span(&out), NULL),
                     HARK_E_PROOF_FORM);
    hark_buf_free(&out);
}

/* --- the decision ----------------------------------------------------------------------- */

static struct hark_signer *signer_of(uint8_t byte, const char *name, uint8_t algorithm,
                                     struct hark_note_key *key)
{
    struct hark_signer *signer = NULL;
    struct hark_seed *seed = NULL;
    uint8_t bytes[32];

    memset(bytes, byte, sizeof(bytes));
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    hark_seed_free(seed);
    assert_int_equal(hark_note_key_init(key, name, algorithm, hark_signer_key(signer), NULL), 0);
    return signer;
}

struct ask {
    uint64_t old_size, size;
    struct hark_hash root;
    size_t proof;
};

/* What a log with that key asks. */
static void write_ask(struct hark_buf *out, const struct ask *ask, const struct hark_signer *signer)
{
    struct hark_checkpoint cp = {.origin = ORIGIN, .size = ask->size, .root = ask->root};
    struct hark_tlog_request request = {.old_size = ask->old_size, .path.count = ask->proof};
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);

    assert_int_equal(hark_checkpoint_sign(&note, &cp, signer, NULL, NULL), 0);
    request.note = hark_buf_span(&note);
    *out = hark_buf_init(HARK_TLOG_WITNESS_MAX);
    assert_int_equal(hark_tlog_request_encode(out, &request, NULL), 0);
    assert_int_equal(hark_buf_terminate(out, NULL), 0);
    hark_buf_free(&note);
}

static void expect(unsigned wanted, const struct ask *ask, const struct hark_tlog_latest *latest)
{
    struct hark_note_key key;
    struct hark_signer *signer = signer_of(1, ORIGIN, HARK_NOTE_ED25519, &key);
    struct hark_tlog_latest at = *latest;
    struct hark_buf body;
    unsigned status;

    write_ask(&body, ask, signer);
    status = judge_text((const char *)body.data, &key, 1, &at);
    if (status != wanted)
        fail_msg("from %d to %d: %u, expected %u", (int)ask->old_size, (int)ask->size, status,
                 wanted);
    hark_buf_free(&body);
    hark_signer_free(signer);
}

static void test_tlog_witness__sizes_of_zero(void **state)
{
    struct hark_hash leaf = hark_merkle_leaf(hark_span_str("leaf")), empty = hark_merkle_empty();
    struct hark_hash zero = {{0}};
    const struct hark_tlog_latest never = {.size = 0}, one = {.size = 1, .root = leaf};

    (void)state;
    /* The cases of torchwood's TestZeroSize. */
    expect(200, &(struct ask){.root = empty}, &never);
    expect(422, &(struct ask){.root = leaf}, &never);
    expect(422, &(struct ask){.root = zero}, &never);
    expect(422, &(struct ask){.root = empty, .proof = 1}, &never);
    expect(200, &(struct ask){.size = 1, .root = leaf}, &never);
    expect(422, &(struct ask){.size = 1, .root = leaf, .proof = 1}, &never);
    expect(409, &(struct ask){.size = 1, .root = leaf, .proof = 1}, &one);
    expect(400, &(struct ask){.old_size = 1, .root = empty}, &one);
    /* And the empty tree after it was not. */
    expect(409, &(struct ask){.root = empty}, &one);
}

static void test_tlog_witness__equal_sizes(void **state)
{
    struct hark_hash leaf = hark_merkle_leaf(hark_span_str("leaf"));
    struct hark_hash other = hark_merkle_leaf(hark_span_str("other"));
    const struct hark_tlog_latest one = {.size = 1, .root = leaf};

    (void)state;
    expect(200, &(struct ask){.old_size = 1, .size = 1, .root = leaf}, &one);
    expect(409, &(struct ask){.old_size = 1, .size = 1, .root = other}, &one);
    /* The proof is looked at before the roots. */
    expect(422, &(struct ask){.old_size = 1, .size = 1, .root = other, .proof = 1}, &one);
    expect(422, &(struct ask){.old_size = 1, .size = 1, .root = leaf, .proof = 1}, &one);
}

static void test_tlog_witness__keys(void **state)
{
    struct hark_note_key keys[3];
    struct hark_signer *first = signer_of(1, ORIGIN, HARK_NOTE_ED25519, &keys[0]);
    struct hark_signer *second = signer_of(2, ORIGIN, HARK_NOTE_ED25519, &keys[1]);
    struct hark_signer *elsewhere = signer_of(1, "example.com/l", HARK_NOTE_ED25519, &keys[2]);
    struct hark_tlog_latest never = {.size = 0};
    const struct ask ask = {.size = 1, .root = hark_merkle_leaf(hark_span_str("leaf"))};
    struct hark_buf body;
    char *text;

    (void)state;
    write_ask(&body, &ask, second);
    text = (char *)body.data;
    assert_int_equal(judge_text(text, NULL, 0, &never), 404);
    assert_int_equal(judge_text(text, &keys[2], 1, &never), 404); /* the key, another name */
    assert_int_equal(judge_text(text, &keys[0], 1, &never), 403);
    assert_int_equal(judge_text(text, keys, 3, &never), 200); /* one of several is enough */
    never.size = 0;
    text[strlen(text) - 12] ^= 1; /* in the signature */
    assert_int_equal(judge_text(text, keys, 3, &never), 403);
    hark_buf_free(&body);
    hark_signer_free(first);
    hark_signer_free(second);
    hark_signer_free(elsewhere);
}

/* --- what a log keeps of an answer ------------------------------------------------------ */

static void test_tlog_witness__the_answer(void **state)
{
    struct hark_note_key log_key, key, other_key;
    struct hark_signer *log = signer_of(1, ORIGIN, HARK_NOTE_ED25519, &log_key);
    struct hark_signer *witness = signer_of(2, "w1", HARK_NOTE_COSIGNATURE_V1, &key);
    struct hark_signer *other = signer_of(3, "w2", HARK_NOTE_COSIGNATURE_V1, &other_key);
    struct hark_checkpoint cp = {.origin = ORIGIN, .size = 1};
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), lines = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf out = hark_buf_init(HARK_NOTE_MAX), bad = hark_buf_init(HARK_NOTE_MAX);
    struct hark_span text, sent;
    uint64_t time_s = 0;

    (void)state;
    assert_int_equal(hark_checkpoint_encode(&out, &cp, NULL), 0);
    assert_int_equal(hark_checkpoint_sign(&note, &cp, log, NULL, NULL), 0);
    text = hark_buf_span(&out);
    sent = hark_buf_span(&note);
    assert_int_equal(hark_note_sign(&lines, text, "w2", key.algorithm, other, 6, NULL), 0);
    assert_int_equal(hark_tlog_witness_join(&bad, sent, hark_buf_span(&lines), &key, &time_s, NULL),
                     HARK_E_NOTE_UNSIGNED);
    assert_int_equal(hark_note_sign(&lines, text, "w1", key.algorithm, witness, 7, NULL), 0);
    assert_int_equal(bad.size, 0);
    assert_int_equal(hark_tlog_witness_join(&bad, sent, hark_buf_span(&lines), &key, &time_s, NULL),
                     0);
    assert_int_equal(time_s, 7);
    assert_int_equal(bad.size, note.size + lines.size);

    /* What makes another text of it, or is none. */
    hark_buf_clear(&bad);
    assert_int_equal(hark_buf_append_str(&bad, "\n", NULL), 0);
    assert_int_equal(hark_buf_append_span(&bad, hark_buf_span(&lines), NULL), 0);
    assert_int_equal(hark_tlog_witness_join(&out, sent, hark_buf_span(&bad), &key, NULL, NULL),
                     HARK_E_NOTE_FORM);
    assert_int_equal(hark_tlog_witness_join(&out, sent, hark_span_str("sorry\n"), &key, NULL, NULL),
                     HARK_E_NOTE_FORM);
    assert_int_equal(hark_tlog_witness_join(&out, sent, hark_span_str(""), &key, NULL, NULL),
                     HARK_E_NOTE_UNSIGNED);
    /* A signature of another checkpoint. */
    hark_buf_clear(&lines);
    cp.size = 2;
    hark_buf_clear(&bad);
    assert_int_equal(hark_checkpoint_encode(&bad, &cp, NULL), 0);
    assert_int_equal(
        hark_note_sign(&lines, hark_buf_span(&bad), "w1", key.algorithm, witness, 7, NULL), 0);
    assert_int_equal(hark_tlog_witness_join(&out, sent, hark_buf_span(&lines), &key, NULL, NULL),
                     HARK_E_NOTE_SIGNATURE);
    hark_buf_free(&note);
    hark_buf_free(&lines);
    hark_buf_free(&out);
    hark_buf_free(&bad);
    hark_signer_free(log);
    hark_signer_free(witness);
    hark_signer_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tlog_witness__published_transcripts),
        cmocka_unit_test(test_tlog_witness__what_is_no_request),
        cmocka_unit_test(test_tlog_witness__bounds),
        cmocka_unit_test(test_tlog_witness__sizes_of_zero),
        cmocka_unit_test(test_tlog_witness__equal_sizes),
        cmocka_unit_test(test_tlog_witness__keys),
        cmocka_unit_test(test_tlog_witness__the_answer),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
