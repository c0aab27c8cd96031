/*
 * crypto/tlog_proof: the example that C2SP publishes, what is read as it is written,
 * and what is not taken.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/tlog_proof.h"

#define HEAD  "c2sp.org/tlog-proof@v1\n"
#define HASH1 "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
#define HASH2 "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
#define NOTE                                                                                       \
    "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n"               \
    "— example.com/fancylog hI2DJw[...]1roloI=\n"

/* C2SP/C2SP, tlog-proof.md: five hashes, extra data; the note's signatures are shortened
 * there, and nobody reads them here. */
static const char published[] =
    HEAD "extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ\nindex 73894\n" HASH1 HASH2
         "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n"
         "RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n"
         "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n\n" NOTE;

static void same_again(const struct hark_tlog_proof *proof, const char *text)
{
    struct hark_buf out = hark_buf_init(HARK_TLOG_PROOF_MAX);

    assert_int_equal(hark_tlog_proof_encode(&out, proof, NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&out), hark_span_str(text)));
    hark_buf_free(&out);
}

static void test_tlog_proof__the_published_example(void **state)
{
    struct hark_tlog_proof proof;

    (void)state;
    assert_int_equal(hark_tlog_proof_decode(&proof, hark_span_str(published), NULL), 0);
    assert_int_equal(proof.extra_size, 39);
    assert_memory_equal(proof.extra, "age-v1.2.1-darwin-arm64.tar.gz", 30);
    assert_int_equal(proof.index, 73894);
    assert_int_equal(proof.path.count, 5);
    assert_int_equal(proof.path.hashes[0].bytes[0], 0x81);
    assert_true(hark_span_equal(proof.note, hark_span_str(NOTE)));
    same_again(&proof, published);
}

static void test_tlog_proof__without_extra_data_and_path(void **state)
{
    static const char text[] = HEAD "index 0\n\n" NOTE;
    struct hark_tlog_proof proof;

    (void)state;
    assert_int_equal(hark_tlog_proof_decode(&proof, hark_span_str(text), NULL), 0);
    assert_int_equal(proof.extra_size, 0);
    assert_int_equal(proof.path.count, 0);
    same_again(&proof, text);
}

static void refuse(const char *text)
{
    struct hark_tlog_proof proof;
    struct hark_err err = {0};

    if (hark_tlog_proof_decode(&proof, hark_span_str(text), &err) != HARK_E_PROOF_FORM)
        fail_msg("taken: %s", text);
    assert_true(strlen(err.message) > 0);
    assert_int_equal(proof.path.count + proof.extra_size + proof.note.size, 0);
}

static void test_tlog_proof__what_is_none(void **state)
{
    (void)state;
    refuse("");
    refuse(HEAD);
    refuse("c2sp.org/tlog-proof@v2\nindex 0\n\n" NOTE);
    refuse(HEAD "index 0\n" NOTE);    /* no empty line */
    refuse(HEAD "index 0\n\n");       /* no checkpoint */
    refuse(HEAD "index 0\n" HASH1);   /* cut short */
    refuse(HEAD "index 00\n\n" NOTE); /* leading zero */
    refuse(HEAD "index -1\n\n" NOTE);
    refuse(HEAD "index \n\n" NOTE);
    refuse(HEAD "index 9223372036854775808\n\n" NOTE);
    refuse(HEAD "index 0\r\n\n" NOTE);
    refuse(HEAD "index 0\nAA==\n\n" NOTE); /* no hash */
    refuse(HEAD "index 0\n " HASH1 "\n" NOTE);
    refuse(HEAD "extra \nindex 0\n\n" NOTE); /* nothing in it */
    refuse(HEAD "extra A\nindex 0\n\n" NOTE);
    refuse(HEAD "index 0\nextra AAAA\n\n" NOTE); /* order */
    refuse(HEAD "extra AAAA\nextra AAAA\nindex 0\n\n" NOTE);
    for (size_t size = 0; size < sizeof(published) - sizeof(NOTE); size++) {
        struct hark_tlog_proof proof;

        assert_int_equal(hark_tlog_proof_decode(&proof, hark_span(published, size), NULL),
                         HARK_E_PROOF_FORM);
    }
}

static void test_tlog_proof__bounds(void **state)
{
    struct hark_tlog_proof proof = {.note = hark_span_str(NOTE), .index = 5};
    struct hark_buf out = hark_buf_init(2 * HARK_TLOG_PROOF_MAX);
    struct hark_tlog_proof again;

    (void)state;
    proof.extra_size = HARK_TLOG_PROOF_EXTRA_MAX;
    proof.path.count = HARK_MERKLE_PROOF_MAX;
    assert_int_equal(hark_tlog_proof_encode(&out, &proof, NULL), 0);
    assert_int_equal(hark_tlog_proof_decode(&again, hark_buf_span(&out), NULL), 0);
    assert_int_equal(again.path.count, HARK_MERKLE_PROOF_MAX);
    assert_int_equal(again.extra_size, HARK_TLOG_PROOF_EXTRA_MAX);
    proof.path.count++;
    assert_int_equal(hark_tlog_proof_encode(&out, &proof, NULL), HARK_E_PROOF_FORM);
    proof.path.count = 0;
    proof.extra_size++;
    assert_int_equal(hark_tlog_proof_encode(&out, &proof, NULL), HARK_E_PROOF_FORM);
    /* One hash too many, by hand. */
    hark_buf_clear(&out);
    assert_int_equal(hark_buf_append_str(&out, HEAD "index 5\n", NULL), 0);
    for (unsigned i = 0; i <= HARK_MERKLE_PROOF_MAX; i++)
        assert_int_equal(hark_buf_append_str(&out, HASH1, NULL), 0);
    assert_int_equal(hark_buf_append_str(&out, "\n" NOTE, NULL), 0);
    assert_int_equal(hark_tlog_proof_decode(&again, hark_buf_span(&out), NULL), HARK_E_PROOF_FORM);
    /* Longer than any note. */
    assert_int_equal(hark_buf_reserve(&out, HARK_TLOG_PROOF_MAX, NULL), 0);
    memcpy(out.data, published, sizeof(published) - 1);
    memset(out.data + sizeof(published) - 1, '\n', HARK_TLOG_PROOF_MAX);
    assert_int_equal(
        hark_tlog_proof_decode(&again, hark_span(out.data, HARK_TLOG_PROOF_MAX + 1), NULL),
        HARK_E_PROOF_FORM);
    hark_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tlog_proof__the_published_example),
        cmocka_unit_test(test_tlog_proof__without_extra_data_and_path),
        cmocka_unit_test(test_tlog_proof__what_is_none),
        cmocka_unit_test(test_tlog_proof__bounds),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
