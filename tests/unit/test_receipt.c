/*
 * schemas/receipt: made and read over small trees, and no byte of it that may be
 * another unseen.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/receipt.h"
#include "tests/unit/leaves.h"

#define LEAVES 13u
#define ORIGIN "node.example/4a5f/1"
#define TIME   UINT64_C(1795255530000)

struct log {
    struct hark_line lines[LEAVES];
    struct hark_hash leaves[LEAVES];
    struct hark_buf note;
};

static int make_log(void **state)
{
    static struct log log;
    static const uint8_t seed_bytes[HARK_SEED_SIZE] = {7};
    struct hark_checkpoint cp = {.origin = ORIGIN, .size = LEAVES};
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;

    for (unsigned i = 0; i < LEAVES; i++) {
        struct hark_line *line = &log.lines[i];

        *line =
            (struct hark_line){.position = i, .arrival_ms = TIME + 2 * i, .accepted_ms = TIME + i};
        line->id.bytes[0] = (uint8_t)i;
        log.leaves[i] = hark_line_leaf(line);
    }
    assert_int_equal(hark_merkle_root_at(&cp.root, LEAVES, leaves_read, log.leaves, NULL), 0);
    assert_int_equal(hark_seed_from_bytes(&seed, seed_bytes, NULL), 0);
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    log.note = hark_buf_init(HARK_NOTE_MAX);
    assert_int_equal(hark_checkpoint_sign(&log.note, &cp, signer, NULL, NULL), 0);
    hark_signer_free(signer);
    hark_seed_free(seed);
    *state = &log;
    return 0;
}

static int drop_log(void **state)
{
    struct log *log = *state;

    hark_buf_free(&log->note);
    return 0;
}

static const struct hark_git_id commit = {{1, 2, 3}};

static void make(struct log *log, unsigned i, struct hark_buf *out)
{
    struct hark_proof path;

    assert_int_equal(hark_merkle_prove_inclusion(&path, i, LEAVES, leaves_read, log->leaves, NULL),
                     0);
    assert_int_equal(
        hark_receipt_encode(out, &log->lines[i], &commit, &path, hark_buf_span(&log->note), NULL),
        0);
}

static void test_receipt__says_what_it_was_made_of(void **state)
{
    struct log *log = *state;

    for (unsigned i = 0; i < LEAVES; i++) {
        struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
        struct hark_receipt receipt;

        make(log, i, &file);
        assert_int_equal(hark_receipt_decode(&receipt, hark_buf_span(&file), NULL), 0);
        assert_memory_equal(&receipt.line, &log->lines[i], sizeof(receipt.line));
        assert_memory_equal(&receipt.commit, &commit, sizeof(commit));
        assert_string_equal(receipt.checkpoint.origin, ORIGIN);
        assert_int_equal(receipt.checkpoint.size, LEAVES);
        assert_true(hark_span_equal(receipt.note, hark_buf_span(&log->note)));
        hark_buf_free(&file);
    }
}

/* What does not fit together is not made. */
static void test_receipt__is_not_made_of_what_does_not_fit(void **state)
{
    struct log *log = *state;
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_proof path;

    assert_int_equal(hark_merkle_prove_inclusion(&path, 3, LEAVES, leaves_read, log->leaves, NULL),
                     0);
    assert_int_equal(
        hark_receipt_encode(&file, &log->lines[4], &commit, &path, hark_buf_span(&log->note), NULL),
        HARK_E_PROOF);
    path.count--;
    assert_int_equal(
        hark_receipt_encode(&file, &log->lines[3], &commit, &path, hark_buf_span(&log->note), NULL),
        HARK_E_PROOF_FORM);
    path.count++;
    assert_int_equal(
        hark_receipt_encode(&file, &log->lines[3], &commit, &path, hark_span_str("no note"), NULL),
        HARK_E_NOTE_FORM);
    assert_int_equal(file.size, 0);
    hark_buf_free(&file);
}

/* Any byte may be another only where it is the git id (which the entry's bytes prove) or
 * in what is signed, which is the caller's to check: origin, size, the signature line. */
static void test_receipt__every_byte_counts(void **state)
{
    struct log *log = *state;
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_receipt receipt;

    make(log, 6, &file);
    for (size_t at = 0; at < file.size; at++) {
        uint8_t was = file.data[at];

        for (unsigned value = 0; value < 256; value++) {
            file.data[at] = (uint8_t)value;
            if (value == was || hark_receipt_decode(&receipt, hark_buf_span(&file), NULL) != 0)
                continue;
            assert_memory_equal(&receipt.line, &log->lines[6], sizeof(receipt.line));
        }
        file.data[at] = was;
    }
    for (size_t size = 0; size < file.size; size++)
        assert_int_not_equal(hark_receipt_decode(&receipt, hark_span(file.data, size), NULL), 0);
    hark_buf_free(&file);
}

static void test_receipt__of_another_kind(void **state)
{
    struct log *log = *state;
    struct hark_tlog_proof proof = {.note = hark_buf_span(&log->note), .index = 6};
    static const size_t sizes[] = {0, 1, 68, 70, HARK_TLOG_PROOF_EXTRA_MAX};

    assert_int_equal(
        hark_merkle_prove_inclusion(&proof.path, 6, LEAVES, leaves_read, log->leaves, NULL), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
        struct hark_receipt receipt;

        proof.extra[0] = 1;
        proof.extra_size = sizes[i];
        assert_int_equal(hark_tlog_proof_encode(&file, &proof, NULL), 0);
        assert_int_equal(hark_receipt_decode(&receipt, hark_buf_span(&file), NULL),
                         HARK_E_PROOF_FORM);
        hark_buf_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receipt__says_what_it_was_made_of),
        cmocka_unit_test(test_receipt__is_not_made_of_what_does_not_fit),
        cmocka_unit_test(test_receipt__every_byte_counts),
        cmocka_unit_test(test_receipt__of_another_kind),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, make_log, drop_log);
}
