/*
 * schemas/disclosure: one sealed entry shown to somebody without a key, and every byte of the
 * file that may not be another (PROTOCOL.md 10.6).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/disclosure.h"
#include "tests/unit/ok.h"

#define WORDS "{\"kind\":\"post\",\"re\":[],\"payload\":{\"body\":\"More light\"}}"

enum { LOG_SEED = 1, MEMBER_SEED = 2, STRANGER_SEED = 3 };

static const struct hark_hash space = {{0x5a, 1, 2, 3}};

struct made {
    struct hark_entry entry;
    struct hark_buf object, envelope, receipt;
    struct hark_disclosure_parts parts;
};

static struct hark_disclosure found;

static struct hark_signer *signer_of(uint8_t number)
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

/* The envelope, and the key that opens it. */
static void seal(struct made *m, const char *words)
{
    static const uint8_t key_bytes[HARK_EPOCH_KEY_SIZE] = {9};
    struct hark_buf headers = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_envelope_entry of = {.author = m->entry.author, .seq = m->entry.seq};
    struct hark_epoch *epoch = NULL;
    struct hark_seed *key = NULL;

    OK(hark_entry_headers(&headers, &m->entry, &err));
    OK(hark_epoch_from_bytes(&epoch, &space, 4, key_bytes, &err));
    of.headers = hark_buf_span(&headers);
    m->envelope = hark_buf_init(HARK_ENVELOPE_MAX);
    OK(hark_envelope_seal(&m->envelope, epoch, &of, hark_span_str(words), &err));
    OK(hark_envelope_key(&key, epoch, &of.author, of.seq, hark_buf_span(&m->envelope), &err));
    hark_envelope_disclose(m->parts.key, key);
    m->parts.envelope = hark_buf_span(&m->envelope);
    hark_seed_free(key);
    hark_epoch_free(epoch);
    hark_buf_free(&headers);
}

static void build(struct made *m)
{
    struct hark_signer *signer = signer_of(MEMBER_SEED);

    m->entry.has_payload = true;
    m->entry.payload_size = m->envelope.size;
    m->entry.payload_hash = hark_sha256(hark_buf_span(&m->envelope));
    hark_buf_free(&m->object);
    m->object = hark_buf_init(HARK_ENTRY_MAX);
    OK(hark_entry_build(&m->object, &m->entry, signer, &err));
    m->parts.entry = hark_buf_span(&m->object);
    hark_signer_free(signer);
}

/* A log of that entry alone, of that space. */
static void receive(struct made *m, const struct hark_hash *of, const struct hark_hash *id)
{
    struct hark_line line = {.arrival_ms = m->entry.time_ms, .accepted_ms = m->entry.time_ms};
    struct hark_signer *signer = signer_of(LOG_SEED);
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_checkpoint cp = {.size = 1};
    struct hark_proof path = {0};
    struct hark_git_id commit = {{1}};

    line.id = *id;
    hark_origin(cp.origin, "node.example", of, 1);
    cp.root = hark_line_leaf(&line);
    OK(hark_checkpoint_sign(&note, &cp, signer, NULL, &err));
    hark_buf_free(&m->receipt);
    m->receipt = hark_buf_init(HARK_TLOG_PROOF_MAX);
    OK(hark_receipt_encode(&m->receipt, &line, &commit, &path, hark_buf_span(&note), &err));
    m->parts.receipt = hark_buf_span(&m->receipt);
    hark_buf_free(&note);
    hark_signer_free(signer);
}

static struct made make(const char *kind, const char *words)
{
    struct made m = {.entry = {.has_space = true, .seq = 1, .time_ms = UINT64_C(1795256130123)}};
    struct hark_signer *signer = signer_of(MEMBER_SEED);

    m.entry.space = space;
    m.entry.author = *hark_signer_key(signer);
    m.entry.has_seen = true;
    m.entry.seen.size = 41;
    (void)snprintf(m.entry.kind, sizeof(m.entry.kind), "%s", kind);
    hark_signer_free(signer);
    seal(&m, words);
    build(&m);
    return m;
}

static void drop(struct made *m)
{
    hark_buf_free(&m->object);
    hark_buf_free(&m->envelope);
    hark_buf_free(&m->receipt);
}

static struct hark_buf file_of(const struct made *m)
{
    struct hark_buf file = hark_buf_init(HARK_DISCLOSURE_MAX);

    OK(hark_disclosure_encode(&file, &m->parts, &err));
    return file;
}

/* The code of reading it; nothing is left when it does not hold. */
static int read_code(struct hark_span text)
{
    struct hark_buf content = hark_buf_init(HARK_ENVELOPE_PLAIN_MAX);
    int rc = hark_disclosure_read(&found, &content, text, &err);

    assert_true(rc == 0 || (content.size == 0 && found.epoch == 0 && !found.has_receipt));
    hark_buf_free(&content);
    return rc;
}

static int encode_code(const struct made *m)
{
    struct hark_buf file = hark_buf_init(HARK_DISCLOSURE_MAX);
    int rc = hark_disclosure_encode(&file, &m->parts, &err);

    assert_true(rc == 0 || file.size == 0);
    hark_buf_free(&file);
    return rc;
}

/* ---- what holds ---- */

static void holds(const struct made *m)
{
    struct hark_buf file = file_of(m), content = hark_buf_init(HARK_ENVELOPE_PLAIN_MAX);
    struct hark_disclosure_parts again;

    assert_true(hark_disclosure_is(hark_buf_span(&file)));
    OK(hark_disclosure_read(&found, &content, hark_buf_span(&file), &err));
    assert_true(hark_span_equal(hark_buf_span(&content), hark_span_str(WORDS)));
    assert_int_equal(found.epoch, 4);
    assert_true(hark_hash_equal(&found.entry.id, &m->entry.id));
    assert_true(found.has_receipt == (m->parts.receipt.size > 0));
    OK(hark_disclosure_decode(&again, hark_buf_span(&file), &err));
    assert_memory_equal(again.key, m->parts.key, sizeof(again.key));
    assert_true(hark_span_equal(again.entry, m->parts.entry));
    assert_true(hark_span_equal(again.envelope, m->parts.envelope));
    assert_true(hark_span_equal(again.receipt, m->parts.receipt));
    hark_buf_free(&content);
    hark_buf_free(&file);
}

static void test_disclosure__shows_an_entry(void **state)
{
    struct made m = make("sealed", WORDS);

    (void)state;
    holds(&m);
    receive(&m, &space, &m.entry.id);
    holds(&m);
    assert_string_equal(found.receipt.checkpoint.origin + strlen("node.example/") + 64, "/1");
    drop(&m);
    m = make("charter", WORDS);
    holds(&m);
    drop(&m);
}

static void test_disclosure__of_the_largest_entry(void **state)
{
    static char words[HARK_ENVELOPE_CONTENT_MAX + 1];
    struct made m;

    (void)state;
    memset(words, 'x', sizeof(words) - 1);
    m = make("sealed", words);
    receive(&m, &space, &m.entry.id);
    assert_int_equal(m.envelope.size, HARK_ENVELOPE_MAX);
    assert_int_equal(encode_code(&m), 0);
    drop(&m);
}

/* ---- what does not ---- */

/* Whatever changes, it is refused, but for what nothing proves: the extra data of a receipt
 * beyond the leaf (the git id of the commit) and its checkpoint's signature, for which the
 * reader needs the log's key. */
static void every_byte(const struct made *m)
{
    struct hark_buf file = file_of(m);
    size_t receipt = file.size - (m->parts.receipt.size > 0 ? m->parts.receipt.size + 1 : 0);

    for (size_t at = 0; at < file.size; at++) {
        int rc;

        file.data[at] ^= 1;
        rc = read_code(hark_buf_span(&file));
        if (rc == 0 && at < receipt)
            fail_msg("byte %zu may change", at);
        assert_true(rc == 0 || rc == HARK_E_DISCLOSURE || rc == HARK_E_DISCLOSURE_FORM);
        file.data[at] ^= 1;
    }
    for (size_t size = 0; size < file.size; size++) {
        bool ends = m->parts.receipt.size > 0 && size + strlen("part 000\n") == receipt;
        int rc = read_code(hark_span(file.data, size));

        assert_true(ends ? rc == 0 : rc == HARK_E_DISCLOSURE_FORM);
    }
    OK(hark_buf_append_byte(&file, '\n', &err));
    assert_int_equal(read_code(hark_buf_span(&file)), HARK_E_DISCLOSURE_FORM);
    hark_buf_free(&file);
}

static void test_disclosure__no_byte_may_change(void **state)
{
    struct made m = make("sealed", WORDS);

    (void)state;
    every_byte(&m);
    receive(&m, &space, &m.entry.id);
    every_byte(&m);
    drop(&m);
}

static void test_disclosure__only_what_is_sealed(void **state)
{
    struct made m = make("post", WORDS);

    (void)state;
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
    assert_non_null(strstr(err.message, "not sealed"));
    drop(&m);
}

static void test_disclosure__of_this_payload(void **state)
{
    struct made m = make("sealed", WORDS), other = make("sealed", WORDS);

    (void)state;
    m.parts.envelope = other.parts.envelope;
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
    assert_non_null(strstr(err.message, "another payload"));
    memcpy(m.parts.key, other.parts.key, sizeof(m.parts.key));
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
    m.parts.entry = other.parts.entry; /* and now it is the other one */
    assert_int_equal(encode_code(&m), 0);
    drop(&m);
    drop(&other);
}

/* What its author signed about the payload is wrong. */
static void test_disclosure__another_size_or_no_payload(void **state)
{
    struct made m = make("sealed", WORDS);
    struct hark_signer *signer = signer_of(MEMBER_SEED);

    (void)state;
    for (int with = 0; with < 2; with++) {
        m.entry.has_payload = with != 0;
        m.entry.payload_size = m.envelope.size + 64;
        hark_buf_clear(&m.object);
        OK(hark_entry_build(&m.object, &m.entry, signer, &err));
        m.parts.entry = hark_buf_span(&m.object);
        assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
        assert_non_null(strstr(err.message, "another payload"));
    }
    hark_signer_free(signer);
    drop(&m);
}

/* Signed by its author, and yet of another entry: the headers are under the envelope. */
static void test_disclosure__an_envelope_put_under_another_entry(void **state)
{
    struct made m = make("sealed", WORDS);

    (void)state;
    m.entry.time_ms++;
    build(&m);
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
    assert_non_null(strstr(err.message, "envelope-seal"));
    drop(&m);
}

static void test_disclosure__a_receipt_of_this_entry(void **state)
{
    static const struct hark_hash other = {{1}};
    struct made m = make("sealed", WORDS);

    (void)state;
    receive(&m, &space, &other);
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
    assert_non_null(strstr(err.message, "another entry's"));
    receive(&m, &other, &m.entry.id);
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
    assert_non_null(strstr(err.message, "no log of the entry's space"));
    m.parts.receipt = hark_span_str("received");
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE);
    assert_non_null(strstr(err.message, "proof-form"));
    drop(&m);
}

static void test_disclosure__form(void **state)
{
    static uint8_t large[HARK_DISCLOSURE_MAX + 1] = HARK_DISCLOSURE_HEAD;
    struct hark_disclosure_parts parts;
    struct made m = make("sealed", WORDS);

    (void)state;
    assert_int_equal(hark_disclosure_decode(&parts, hark_span(large, sizeof(large)), &err),
                     HARK_E_DISCLOSURE_FORM);
    assert_non_null(strstr(err.message, "too long"));
    m.parts.entry = hark_span_str("");
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE_FORM);
    m.parts.entry = hark_span(large, HARK_ENTRY_MAX + 1);
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE_FORM);
    m.parts.entry = hark_buf_span(&m.object);
    m.parts.envelope = hark_span(large, HARK_ENVELOPE_MAX + 1);
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE_FORM);
    m.parts.envelope = hark_buf_span(&m.envelope);
    m.parts.receipt = hark_span(large, HARK_TLOG_PROOF_MAX + 1);
    assert_int_equal(encode_code(&m), HARK_E_DISCLOSURE_FORM);
    drop(&m);
}

static void test_disclosure__the_other_entries_stay_closed(void **state)
{
    struct made m = make("sealed", WORDS), other = make("sealed", WORDS);

    (void)state;
    memcpy(other.parts.key, m.parts.key, sizeof(m.parts.key));
    assert_int_equal(encode_code(&other), HARK_E_DISCLOSURE);
    assert_non_null(strstr(err.message, "envelope-key"));
    drop(&m);
    drop(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disclosure__shows_an_entry),
        cmocka_unit_test(test_disclosure__of_the_largest_entry),
        cmocka_unit_test(test_disclosure__no_byte_may_change),
        cmocka_unit_test(test_disclosure__only_what_is_sealed),
        cmocka_unit_test(test_disclosure__of_this_payload),
        cmocka_unit_test(test_disclosure__another_size_or_no_payload),
        cmocka_unit_test(test_disclosure__an_envelope_put_under_another_entry),
        cmocka_unit_test(test_disclosure__a_receipt_of_this_entry),
        cmocka_unit_test(test_disclosure__form),
        cmocka_unit_test(test_disclosure__the_other_entries_stay_closed),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
