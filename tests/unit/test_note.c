/*
 * crypto/note: notes that others signed, notes that nobody should accept, and
 * what Hark writes itself. A published small log, where it is at hand, is
 * verified from its leaves up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/merkle.h"
#include "crypto/note.h"

/* The example of golang.org/x/mod/sumdb/note, whose signing key is public. */
#define PETER_TEXT                                                                                 \
    "If you think cryptography is the answer to your problem,\n"                                   \
    "then you don't know what your problem is.\n"
#define PETER_LINE                                                                                 \
    "— PeterNeumann x08go/"                                                                      \
    "ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
#define PETER_KEY  "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define PETER_SEED "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"

#define TESSERA_KEY "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

/* A signature line of nobody's: five bytes. */
#define SOME_LINE "— a AAAAAAA=\n"

static struct hark_signer *signer_from(const uint8_t seed_bytes[HARK_SEED_SIZE])
{
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;

    assert_int_equal(hark_seed_from_bytes(&seed, seed_bytes, NULL), 0);
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    hark_seed_free(seed);
    return signer;
}

static struct hark_signer *signer_number(uint8_t number)
{
    uint8_t seed[HARK_SEED_SIZE];

    memset(seed, number, sizeof(seed));
    return signer_from(seed);
}

static struct hark_note_key key_from(const char *text)
{
    struct hark_note_key key;

    assert_int_equal(hark_note_key_decode(&key, hark_span_str(text), NULL), 0);
    return key;
}

static struct hark_note_key key_of(const struct hark_signer *signer, const char *name,
                                   uint8_t algorithm)
{
    struct hark_note_key key;

    assert_int_equal(hark_note_key_init(&key, name, algorithm, hark_signer_key(signer), NULL), 0);
    return key;
}

static void append(struct hark_buf *buf, const char *text)
{
    assert_int_equal(hark_buf_append_str(buf, text, NULL), 0);
}

static void assert_buf(const struct hark_buf *buf, const char *wanted)
{
    assert_int_equal(buf->size, strlen(wanted));
    assert_memory_equal(buf->data, wanted, buf->size);
}

static int parse(struct hark_note *note, const char *text)
{
    return hark_note_parse(note, hark_span_str(text), NULL);
}

/* --- Verifier keys --------------------------------------------------------- */

static void test_note__key_as_published(void **state)
{
    const char *const published[] = {PETER_KEY, TESSERA_KEY};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct hark_note_key key = key_from(published[i]);
        struct hark_note_key same;
        struct hark_buf buf = hark_buf_init(1024);

        assert_int_equal(key.algorithm, HARK_NOTE_ED25519);
        assert_int_equal(hark_note_key_init(&same, key.name, key.algorithm, &key.key, NULL), 0);
        assert_int_equal(same.id, key.id);
        assert_int_equal(hark_note_key_encode(&buf, &same, NULL), 0);
        assert_buf(&buf, published[i]);
        hark_buf_free(&buf);
    }
    assert_string_equal(key_from(PETER_KEY).name, "PeterNeumann");
    assert_int_equal(key_from(PETER_KEY).id, 0xc74f20a3);
}

/* The id covers the algorithm: one key under one name is two verifier keys. */
static void test_note__key_ids_part_algorithms(void **state)
{
    struct hark_signer *signer = signer_number(1);
    struct hark_note_key log = key_of(signer, "a", HARK_NOTE_ED25519);
    struct hark_note_key witness = key_of(signer, "a", HARK_NOTE_COSIGNATURE_V1);
    struct hark_note_key again;
    struct hark_buf buf = hark_buf_init(1024);

    (void)state;
    assert_int_not_equal(log.id, witness.id);
    assert_int_equal(hark_note_key_encode(&buf, &witness, NULL), 0);
    assert_int_equal(hark_note_key_decode(&again, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(again.algorithm, HARK_NOTE_COSIGNATURE_V1);
    assert_int_equal(again.id, witness.id);
    hark_buf_free(&buf);
    hark_signer_free(signer);
}

static void test_note__bad_keys_are_refused(void **state)
{
    const char *const bad[] = {
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        /* another id, name, or key than the other two say */
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
        /* an unknown algorithm under its right id would still be unknown */
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        /* the id in other shapes */
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+0c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        /* the key in other lengths, and with more behind it */
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10Q=",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWAA==",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq_LDE4izWy10TW",
    };
    struct hark_note_key key;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc = hark_note_key_decode(&key, hark_span_str(bad[i]), NULL);

        if (rc != HARK_E_NOTE_KEY)
            fail_msg("\"%s\": %s", bad[i], hark_err_name(rc));
    }
}

/* Everything that Unicode calls white space, and what a note cannot hold. */
static void test_note__names(void **state)
{
    const char *const bad[] = {
        "",         "a b",      " ",        "a+b",      "a\tb",         "a\nb",     "a\x0b",
        "a\x0c",    "a\r",      "\x01",     "\x1f",     "a\xc2\x85",    "a\u00a0b", "a\u1680b",
        "a\u2000b", "a\u2005b", "a\u200ab", "a\u2028b", "a\u2029b",     "a\u202fb", "a\u205fb",
        "a\u3000b", "a\xff",    "a\xc3",    "\xc0\xaf", "\xed\xa0\x80",
    };
    /* next to white space in the tables, or looking like it */
    const char *const good[] = {
        "a", "example.com/log/1", "käse", "\u200b", "\u1681", "\u3001", "\u2030", "\U0001f427",
    };
    struct hark_signer *signer = signer_number(1);
    char longest[HARK_NOTE_NAME_MAX + 2];
    struct hark_note_key key;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (hark_note_key_init(&key, bad[i], HARK_NOTE_ED25519, hark_signer_key(signer), NULL) !=
            HARK_E_NOTE_KEY)
            fail_msg("bad name %zu was accepted", i);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        (void)key_of(signer, good[i], HARK_NOTE_ED25519);
    memset(longest, 'a', sizeof(longest));
    longest[HARK_NOTE_NAME_MAX + 1] = '\0';
    assert_int_equal(
        hark_note_key_init(&key, longest, HARK_NOTE_ED25519, hark_signer_key(signer), NULL),
        HARK_E_NOTE_KEY);
    longest[HARK_NOTE_NAME_MAX] = '\0';
    (void)key_of(signer, longest, HARK_NOTE_ED25519);
    assert_int_equal(hark_note_key_init(&key, "a", 0x02, hark_signer_key(signer), NULL),
                     HARK_E_NOTE_KEY);
    hark_signer_free(signer);
}

/* --- Parsing --------------------------------------------------------------- */

static void test_note__parses_what_is_published(void **state)
{
    const char *text = "Ognuno sta solo sul cuor della terra\n"
                       "trafitto da un raggio di sole:\n"
                       "\n"
                       "ed è subito sera.\n";
    const char *lines =
        "\n— quasimodo.example/salvatore "
        "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ih"
        "AQwaqP3ZekRwNtIc=\n";
    struct hark_buf buf = hark_buf_init(1024);
    struct hark_note note;

    (void)state;
    append(&buf, text);
    append(&buf, lines);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(note.text.size, strlen(text));
    assert_memory_equal(note.text.data, text, note.text.size);
    assert_int_equal(note.count, 1);
    assert_true(hark_span_equal(note.lines[0].name, hark_span_str("quasimodo.example/salvatore")));
    assert_int_equal(note.lines[0].id, 0x367ba04b);
    assert_int_equal(note.lines[0].signature_size, 64);
    assert_int_equal(note.lines[0].base64.size, 92);
    hark_buf_free(&buf);
}

static void test_note__malformed_notes_are_refused(void **state)
{
    const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        /* no blank line; no text before it; a blank line after the signatures */
        "text\n" SOME_LINE,
        "\n" SOME_LINE,
        "text" SOME_LINE,
        "text\n\n" SOME_LINE "\n",
        /* the last line lacks its end */
        "text\n\n— a AAAAAAA=",
        /* between the signatures is no place for anything else */
        "text\n\n" SOME_LINE "text\n" SOME_LINE,
        "text\n\ntext\n" SOME_LINE,
        /* other dashes, other spaces, more of them */
        "text\n\n- a AAAAAAA=\n",
        "text\n\n– a AAAAAAA=\n",
        "text\n\n—a AAAAAAA=\n",
        "text\n\n—\u00a0a AAAAAAA=\n",
        "text\n\n—  a AAAAAAA=\n",
        "text\n\n— a  AAAAAAA=\n",
        "text\n\n— a AAAAAAA= \n",
        "text\n\n— a b AAAAAAA=\n",
        "text\n\n — a AAAAAAA=\n",
        /* names that no key has */
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— a+b AAAAAAA=\n",
        "text\n\n— a\u3000b AAAAAAA=\n",
        /* no signature, only an id, no padding, bits after the end, wrong letters */
        "text\n\n— a\n",
        "text\n\n— a \n",
        "text\n\n— a AAAAAA==\n",
        "text\n\n— a AAAAAAA\n",
        "text\n\n— a AAAAAAB=\n",
        "text\n\n— a AAAAAA_=\n",
        "text\n\n— a AAAA\u00e4AAA\n",
        /* what the text must not hold, and lines that end otherwise */
        "te\txt\n\n" SOME_LINE,
        "te\x01xt\n\n" SOME_LINE,
        "te\x1fxt\n\n" SOME_LINE,
        "text\r\n\r\n— a AAAAAAA=\r\n",
        "text\xff\n\n" SOME_LINE,
        "text\xc0\xaf\n\n" SOME_LINE,
        "text\xed\xa0\x80\n\n" SOME_LINE,
        "text\n\n— a\xe2\x80 AAAAAAA=\n",
    };
    struct hark_note note;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc = parse(&note, bad[i]);

        if (rc != HARK_E_NOTE_FORM)
            fail_msg("note %zu \"%s\": %s", i, bad[i], hark_err_name(rc));
        assert_int_equal(note.count, 0);
        assert_int_equal(note.text.size, 0);
    }
    assert_int_equal(
        hark_note_parse(&note, hark_span("te\0xt\n\n" SOME_LINE, 7 + sizeof(SOME_LINE) - 1), NULL),
        HARK_E_NOTE_FORM);
}

/* The text has few rules, and the last blank line ends it. */
static void test_note__unusual_texts_are_read(void **state)
{
    const struct {
        const char *note;
        const char *text;
    } good[] = {
        {"text\n\n" SOME_LINE, "text\n"},
        {"\n\n" SOME_LINE, "\n"},
        {"\n\n\n\n" SOME_LINE, "\n\n\n"},
        {"text\n\n" SOME_LINE "\n" SOME_LINE, "text\n\n" SOME_LINE},
        {" \x7f\xc2\x85\u2028\n\n" SOME_LINE, " \x7f\xc2\x85\u2028\n"},
    };
    struct hark_note note;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(parse(&note, good[i].note), 0);
        assert_true(hark_span_equal(note.text, hark_span_str(good[i].text)));
        assert_int_equal(note.count, 1);
        assert_int_equal(note.lines[0].signature_size, 1);
    }
}

/* As many signatures as allowed, not one more; at least the 16 of the
 * specification. */
static void test_note__number_of_signatures_is_bounded(void **state)
{
    struct hark_buf buf = hark_buf_init(HARK_NOTE_MAX);
    struct hark_note note;

    (void)state;
    assert_true(HARK_NOTE_SIGNATURES_MAX >= 16);
    append(&buf, "text\n\n");
    for (unsigned i = 0; i < HARK_NOTE_SIGNATURES_MAX; i++)
        append(&buf, SOME_LINE);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(note.count, HARK_NOTE_SIGNATURES_MAX);
    append(&buf, SOME_LINE);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), HARK_E_NOTE_FORM);
    hark_buf_free(&buf);
}

static void test_note__length_is_bounded(void **state)
{
    struct hark_buf buf = hark_buf_init(HARK_NOTE_MAX + 1);
    struct hark_note note;

    (void)state;
    while (buf.size < HARK_NOTE_MAX - strlen("\n\n" SOME_LINE))
        append(&buf, "x");
    append(&buf, "\n\n" SOME_LINE);
    assert_int_equal(buf.size, HARK_NOTE_MAX);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    hark_buf_clear(&buf);
    while (buf.size < HARK_NOTE_MAX + 1 - strlen("\n\n" SOME_LINE))
        append(&buf, "x");
    append(&buf, "\n\n" SOME_LINE);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), HARK_E_NOTE_FORM);
    hark_buf_free(&buf);
}

/* Somebody else's post-quantum signature neither hinders nor helps. */
static void test_note__long_signatures_of_others_are_passed_over(void **state)
{
    struct hark_note_key key = key_from(PETER_KEY);
    struct hark_buf buf = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf raw = hark_buf_init(4096);
    struct hark_note note;

    (void)state;
    for (unsigned i = 0; i < 4 + 8 + 2420; i++)
        assert_int_equal(hark_buf_append_byte(&raw, (uint8_t)i, NULL), 0);
    append(&buf, PETER_TEXT "\n— other.example ");
    assert_int_equal(hark_base64_encode(&buf, hark_buf_span(&raw), NULL), 0);
    append(&buf, "\n" PETER_LINE);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(note.count, 2);
    assert_int_equal(note.lines[0].id, 0x00010203);
    assert_int_equal(note.lines[0].signature_size, 0);
    assert_int_equal(note.lines[0].base64.size, (raw.size + 2) / 3 * 4);
    assert_int_equal(hark_note_verify(&note, &key, NULL, NULL), 0);
    hark_buf_free(&raw);
    hark_buf_free(&buf);
}

/* --- Verifying ------------------------------------------------------------- */

static int verify(const char *text, const struct hark_note_key *key)
{
    struct hark_note note;

    assert_int_equal(parse(&note, text), 0);
    return hark_note_verify(&note, key, NULL, NULL);
}

static void test_note__published_signature_holds(void **state)
{
    struct hark_note_key key = key_from(PETER_KEY);

    (void)state;
    assert_int_equal(verify(PETER_TEXT "\n" PETER_LINE, &key), 0);
    assert_int_equal(verify(PETER_TEXT "\n" SOME_LINE PETER_LINE SOME_LINE, &key), 0);
    assert_int_equal(verify(PETER_TEXT "x\n\n" PETER_LINE, &key), HARK_E_NOTE_SIGNATURE);
    assert_int_equal(verify("x" PETER_TEXT "\n" PETER_LINE, &key), HARK_E_NOTE_SIGNATURE);
    assert_int_equal(verify(PETER_TEXT "\n\n" PETER_LINE, &key), HARK_E_NOTE_SIGNATURE);
    assert_int_equal(verify(PETER_TEXT "\n" SOME_LINE, &key), HARK_E_NOTE_UNSIGNED);
}

/* Appends a signature line made by hand. */
static void append_line(struct hark_buf *buf, const char *name, uint32_t id, const uint8_t *data,
                        size_t size)
{
    struct hark_buf raw = hark_buf_init(1024);

    assert_int_equal(hark_buf_append_u32(&raw, id, NULL), 0);
    assert_int_equal(hark_buf_append(&raw, data, size, NULL), 0);
    append(buf, "— ");
    append(buf, name);
    append(buf, " ");
    assert_int_equal(hark_base64_encode(buf, hark_buf_span(&raw), NULL), 0);
    append(buf, "\n");
    hark_buf_free(&raw);
}

/* Name and id together say whose a line is. What is one's own must hold, every
 * time; what is others' may be anything. */
static void test_note__lines_belong_to_name_and_id(void **state)
{
    struct hark_signer *signer = signer_number(1);
    struct hark_note_key key = key_of(signer, "log.example", HARK_NOTE_ED25519);
    uint8_t good[65] = {0};
    uint8_t bad[65];
    const struct {
        const char *name;
        uint32_t id;
        const uint8_t *data;
        size_t size;
        bool before; /* does it stand before the good line? */
        int rc;
    } cases[] = {
        {"log.example", key.id ^ 1, bad, 64, true, 0},
        {"log.exampl", key.id, bad, 64, true, 0},
        {"log.example.", key.id, bad, 64, true, 0},
        {"Log.example", key.id, bad, 64, true, 0},
        {"log.example", key.id, good, 64, true, 0},
        {"log.example", key.id, bad, 64, true, HARK_E_NOTE_SIGNATURE},
        {"log.example", key.id, bad, 64, false, HARK_E_NOTE_SIGNATURE},
        {"log.example", key.id, good, 63, true, HARK_E_NOTE_SIGNATURE},
        {"log.example", key.id, good, 65, true, HARK_E_NOTE_SIGNATURE},
        {"log.example", key.id, good, 1, false, HARK_E_NOTE_SIGNATURE},
    };

    (void)state;
    assert_int_equal(hark_signer_sign(signer, hark_span_str("text\n"), good, NULL), 0);
    memcpy(bad, good, sizeof(bad));
    bad[40] ^= 1;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hark_buf buf = hark_buf_init(4096);
        struct hark_note note;

        append(&buf, "text\n\n");
        if (!cases[i].before)
            append_line(&buf, "log.example", key.id, good, 64);
        append_line(&buf, cases[i].name, cases[i].id, cases[i].data, cases[i].size);
        if (cases[i].before)
            append_line(&buf, "log.example", key.id, good, 64);
        assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
        if (hark_note_verify(&note, &key, NULL, NULL) != cases[i].rc)
            fail_msg("case %zu", i);
        hark_buf_free(&buf);
    }
    hark_signer_free(signer);
}

/* --- Cosignatures ---------------------------------------------------------- */

#define BODY "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

/* What is signed is put together here by hand, after the example in
 * tlog-cosignature. */
static void test_note__cosignature_signs_the_specified_bytes(void **state)
{
    struct hark_signer *signer = signer_number(2);
    struct hark_note_key key = key_of(signer, "witness.example.com/w1", HARK_NOTE_COSIGNATURE_V1);
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_note note;
    uint64_t time_s = 0;

    (void)state;
    append(&buf, BODY "\n");
    assert_int_equal(hark_note_sign(&buf, hark_span_str(BODY), key.name, HARK_NOTE_COSIGNATURE_V1,
                                    signer, 1679315147, NULL),
                     0);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(note.count, 1);
    assert_int_equal(note.lines[0].id, key.id);
    assert_int_equal(note.lines[0].signature_size, 72);
    assert_int_equal(hark_get_u64(note.lines[0].signature), 1679315147);
    assert_true(hark_verify(&key.key, hark_span_str("cosignature/v1\ntime 1679315147\n" BODY),
                            note.lines[0].signature + 8));
    assert_int_equal(hark_note_verify(&note, &key, &time_s, NULL), 0);
    assert_int_equal(time_s, 1679315147);

    /* The time is signed too. */
    note.lines[0].signature[7] ^= 1;
    assert_int_equal(hark_note_verify(&note, &key, &time_s, NULL), HARK_E_NOTE_SIGNATURE);
    hark_buf_free(&buf);
    hark_signer_free(signer);
}

/* The published example's key is not published, but its lines must be read. */
static void test_note__cosignature_line_as_published(void **state)
{
    struct hark_note note;

    (void)state;
    assert_int_equal(
        parse(&note, BODY "\n— example.com/behind-the-sofa "
                          "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
                          "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
                          "— witness.example.com/w1 "
                          "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/"
                          "zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"),
        0);
    assert_int_equal(note.count, 2);
    assert_int_equal(note.lines[0].signature_size, 64);
    assert_int_equal(note.lines[1].signature_size, 72);
    assert_int_equal(hark_get_u64(note.lines[1].signature), 1679315147);
}

/* Several by one key: it had seen the checkpoint at the earliest of the times,
 * in whichever order the lines come. */
static void test_note__earliest_cosignature_counts(void **state)
{
    const uint64_t times[3][3] = {{7, 5, 9}, {5, 7, 9}, {9, 7, 5}};
    struct hark_signer *signer = signer_number(2);
    struct hark_note_key key = key_of(signer, "w", HARK_NOTE_COSIGNATURE_V1);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct hark_buf buf = hark_buf_init(4096);
        struct hark_note note;
        uint64_t time_s = 0;

        append(&buf, BODY "\n");
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(hark_note_sign(&buf, hark_span_str(BODY), "w",
                                            HARK_NOTE_COSIGNATURE_V1, signer, times[i][j], NULL),
                             0);
        assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
        assert_int_equal(hark_note_verify(&note, &key, &time_s, NULL), 0);
        assert_int_equal(time_s, 5);
        hark_buf_free(&buf);
    }
    hark_signer_free(signer);
}

/* A cosignature that ends with a zero byte must not hold without it, nor with
 * one more. */
static void test_note__cosignature_has_one_length(void **state)
{
    struct hark_signer *signer = signer_number(2);
    struct hark_note_key key = key_of(signer, "w", HARK_NOTE_COSIGNATURE_V1);
    uint8_t signature[74] = {0};
    struct hark_note note;

    (void)state;
    /* one signature in sixteen ends so */
    for (uint64_t time_s = 0; time_s == 0 || signature[71] != 0; time_s++) {
        struct hark_buf buf = hark_buf_init(4096);

        assert_true(time_s < 1000);
        append(&buf, BODY "\n");
        assert_int_equal(hark_note_sign(&buf, hark_span_str(BODY), "w", HARK_NOTE_COSIGNATURE_V1,
                                        signer, time_s, NULL),
                         0);
        assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
        memcpy(signature, note.lines[0].signature, 72);
        hark_buf_free(&buf);
    }
    for (size_t size = 71; size <= 73; size++) {
        struct hark_buf buf = hark_buf_init(4096);

        append(&buf, BODY "\n");
        append_line(&buf, "w", key.id, signature, size);
        assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
        assert_int_equal(hark_note_verify(&note, &key, NULL, NULL),
                         size == 72 ? 0 : HARK_E_NOTE_SIGNATURE);
        hark_buf_free(&buf);
    }
    hark_signer_free(signer);
}

/* A log signature is no cosignature and the other way round, even by one key
 * under one name, whose id an attacker may write as he likes. */
static void test_note__algorithms_do_not_mix(void **state)
{
    struct hark_signer *signer = signer_number(2);
    struct hark_note_key log = key_of(signer, "w", HARK_NOTE_ED25519);
    struct hark_note_key witness = key_of(signer, "w", HARK_NOTE_COSIGNATURE_V1);
    const char *message = "cosignature/v1\ntime 9223372036854775808\n" BODY;
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_note note;
    uint8_t signature[72] = {0};

    (void)state;
    /* an empty time before the log's signature */
    assert_int_equal(hark_signer_sign(signer, hark_span_str(BODY), signature + 8, NULL), 0);
    append(&buf, BODY "\n");
    append_line(&buf, "w", witness.id, signature, 72);
    append_line(&buf, "w", log.id, signature, 72);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(hark_note_verify(&note, &witness, NULL, NULL), HARK_E_NOTE_SIGNATURE);
    assert_int_equal(hark_note_verify(&note, &log, NULL, NULL), HARK_E_NOTE_SIGNATURE);

    /* a time past 2^63 - 1 is refused although the signature holds */
    hark_buf_clear(&buf);
    assert_int_equal(hark_signer_sign(signer, hark_span_str(message), signature + 8, NULL), 0);
    hark_put_u64(signature, UINT64_C(1) << 63);
    append(&buf, BODY "\n");
    append_line(&buf, "w", witness.id, signature, 72);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(hark_note_verify(&note, &witness, NULL, NULL), HARK_E_NOTE_SIGNATURE);
    hark_buf_free(&buf);
    hark_signer_free(signer);
}

/* --- Signing --------------------------------------------------------------- */

/* The published note, made again from its published key: the same bytes. */
static void test_note__signs_as_published(void **state)
{
    struct hark_buf raw = hark_buf_init(64);
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_signer *signer = NULL;

    (void)state;
    assert_int_equal(hark_base64_decode(&raw, hark_span_str(PETER_SEED), NULL), 0);
    assert_int_equal(raw.size, 1 + HARK_SEED_SIZE);
    signer = signer_from(raw.data + 1);
    assert_int_equal(hark_note_sign(&buf, hark_span_str(PETER_TEXT), "PeterNeumann",
                                    HARK_NOTE_ED25519, signer, 0, NULL),
                     0);
    assert_buf(&buf, PETER_LINE);
    hark_signer_free(signer);
    hark_buf_free(&buf);
    hark_buf_free(&raw);
}

static void test_note__refuses_to_sign(void **state)
{
    const struct {
        const char *text;
        const char *name;
        uint8_t algorithm;
        uint64_t time_s;
        int rc;
    } cases[] = {
        {"", "a", HARK_NOTE_ED25519, 0, HARK_E_NOTE_FORM},
        {"text", "a", HARK_NOTE_ED25519, 0, HARK_E_NOTE_FORM},
        {"te\txt\n", "a", HARK_NOTE_ED25519, 0, HARK_E_NOTE_FORM},
        {"te\xffxt\n", "a", HARK_NOTE_ED25519, 0, HARK_E_NOTE_FORM},
        {"text\n", "a b", HARK_NOTE_ED25519, 0, HARK_E_NOTE_KEY},
        {"text\n", "", HARK_NOTE_ED25519, 0, HARK_E_NOTE_KEY},
        {"text\n", "a", 0x02, 0, HARK_E_NOTE_KEY},
        /* this would be a cosignature by the same key */
        {"cosignature/v1\ntime 1\n" BODY, "a", HARK_NOTE_ED25519, 0, HARK_E_NOTE_FORM},
        {"text\n", "a", HARK_NOTE_COSIGNATURE_V1, 1, HARK_E_CHECKPOINT_FORM},
        {BODY "\n", "a", HARK_NOTE_COSIGNATURE_V1, 1, HARK_E_CHECKPOINT_FORM},
        {BODY, "a", HARK_NOTE_COSIGNATURE_V1, UINT64_C(1) << 63, HARK_E_NOTE_FORM},
    };
    struct hark_signer *signer = signer_number(1);
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_buf small = hark_buf_init(20);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int rc = hark_note_sign(&buf, hark_span_str(cases[i].text), cases[i].name,
                                cases[i].algorithm, signer, cases[i].time_s, NULL);

        if (rc != cases[i].rc)
            fail_msg("case %zu: %s", i, hark_err_name(rc));
        assert_int_equal(buf.size, 0);
    }
    assert_int_equal(
        hark_note_sign(&small, hark_span_str("text\n"), "a", HARK_NOTE_ED25519, signer, 0, NULL),
        HARK_E_LIMIT);
    assert_int_equal(small.size, 0);
    hark_buf_free(&small);
    hark_buf_free(&buf);
    hark_signer_free(signer);
}

/* --- Checkpoints ----------------------------------------------------------- */

static void test_note__checkpoint_round_trip(void **state)
{
    struct hark_checkpoint cp;
    struct hark_span extensions;
    struct hark_buf buf = hark_buf_init(4096);

    (void)state;
    assert_int_equal(hark_checkpoint_decode(&cp, hark_span_str(BODY), &extensions, NULL), 0);
    assert_string_equal(cp.origin, "example.com/behind-the-sofa");
    assert_int_equal(cp.size, 20852163);
    assert_int_equal(cp.root.bytes[0], 0x0a);
    assert_int_equal(cp.root.bytes[31], 0x62);
    assert_int_equal(extensions.size, 0);
    assert_int_equal(hark_checkpoint_encode(&buf, &cp, NULL), 0);
    assert_buf(&buf, BODY);

    assert_int_equal(
        hark_checkpoint_decode(&cp, hark_span_str(BODY "one\ntwo words\n"), &extensions, NULL), 0);
    assert_true(hark_span_equal(extensions, hark_span_str("one\ntwo words\n")));
    assert_int_equal(hark_checkpoint_decode(&cp, hark_span_str(BODY "one\n"), NULL, NULL), 0);
    hark_buf_free(&buf);
}

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

static void test_note__malformed_checkpoints_are_refused(void **state)
{
    const char *const bad[] = {
        "",
        "o\n",
        "o\n1\n",
        "o\n1\n" ROOT,
        "\n1\n" ROOT "\n",
        "o\n\n" ROOT "\n",
        "o\n01\n" ROOT "\n",
        "o\n+1\n" ROOT "\n",
        "o\n-1\n" ROOT "\n",
        "o\n 1\n" ROOT "\n",
        "o\n1 \n" ROOT "\n",
        "o\n0x1\n" ROOT "\n",
        "o\n00\n" ROOT "\n",
        "o\n9223372036854775808\n" ROOT "\n",
        "o\n18446744073709551617\n" ROOT "\n",
        "o\n1\n" ROOT " \n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2IA\n",
        "o\n1\n\n",
        /* extension lines: not empty, and ended */
        "o\n1\n" ROOT "\n\n",
        "o\n1\n" ROOT "\none\n\n",
        "o\n1\n" ROOT "\n\none\n",
        "o\n1\n" ROOT "\none",
        "o\r\n1\r\n" ROOT "\r\n",
        "o\t\n1\n" ROOT "\n",
        "o\xff\n1\n" ROOT "\n",
        "o\n1\n" ROOT "\none\xff\n",
    };
    struct hark_checkpoint cp;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct hark_span extensions = hark_span("x", 1);
        int rc = hark_checkpoint_decode(&cp, hark_span_str(bad[i]), &extensions, NULL);

        if (rc != HARK_E_CHECKPOINT_FORM)
            fail_msg("checkpoint %zu \"%s\": %s", i, bad[i], hark_err_name(rc));
        assert_int_equal(extensions.size, 0);
        assert_int_equal(cp.size, 0);
    }
    assert_int_equal(hark_checkpoint_decode(&cp, hark_span("o\0\n1\n" ROOT "\n", 50), NULL, NULL),
                     HARK_E_CHECKPOINT_FORM);
}

static void test_note__checkpoint_limits(void **state)
{
    struct hark_checkpoint cp = {.size = HARK_MERKLE_SIZE_MAX};
    struct hark_checkpoint again;
    struct hark_buf buf = hark_buf_init(4096);

    (void)state;
    memset(cp.origin, 'a', HARK_NOTE_NAME_MAX);
    assert_int_equal(hark_checkpoint_encode(&buf, &cp, NULL), 0);
    assert_int_equal(hark_checkpoint_decode(&again, hark_buf_span(&buf), NULL, NULL), 0);
    assert_int_equal(again.size, cp.size);
    assert_string_equal(again.origin, cp.origin);
    hark_buf_clear(&buf);

    append(&buf, cp.origin);
    append(&buf, "a\n1\n" ROOT "\n");
    assert_int_equal(hark_checkpoint_decode(&again, hark_buf_span(&buf), NULL, NULL),
                     HARK_E_CHECKPOINT_FORM);
    hark_buf_clear(&buf);

    cp.size++;
    assert_int_equal(hark_checkpoint_encode(&buf, &cp, NULL), HARK_E_CHECKPOINT_FORM);
    cp.size = 0;
    cp.origin[HARK_NOTE_NAME_MAX] = 'a'; /* no end */
    assert_int_equal(hark_checkpoint_encode(&buf, &cp, NULL), HARK_E_CHECKPOINT_FORM);
    cp.origin[0] = '\0';
    assert_int_equal(hark_checkpoint_encode(&buf, &cp, NULL), HARK_E_CHECKPOINT_FORM);
    memcpy(cp.origin, "a\nb", 4);
    assert_int_equal(hark_checkpoint_encode(&buf, &cp, NULL), HARK_E_CHECKPOINT_FORM);
    assert_int_equal(buf.size, 0);
    hark_buf_free(&buf);
}

static void test_note__signed_checkpoint_is_a_note(void **state)
{
    struct hark_signer *signer = signer_number(3);
    struct hark_checkpoint cp = {.origin = "node/space/1", .size = 3};
    struct hark_note_key key = key_of(signer, cp.origin, HARK_NOTE_ED25519);
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_buf small = hark_buf_init(100);
    uint8_t signature[HARK_SIGNATURE_SIZE];
    struct hark_checkpoint again;
    struct hark_note note;
    uint64_t time_s = 1;

    (void)state;
    cp.root = hark_merkle_empty();
    assert_int_equal(hark_checkpoint_sign(&buf, &cp, signer, signature, NULL), 0);
    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(note.count, 1);
    assert_memory_equal(note.lines[0].signature, signature, sizeof(signature));
    assert_int_equal(hark_note_verify(&note, &key, &time_s, NULL), 0);
    assert_int_equal(time_s, 0);
    assert_int_equal(hark_checkpoint_decode(&again, note.text, NULL, NULL), 0);
    assert_string_equal(again.origin, cp.origin);
    assert_int_equal(again.size, 3);
    assert_true(hark_hash_equal(&again.root, &cp.root));

    assert_int_equal(hark_checkpoint_sign(&small, &cp, signer, NULL, NULL), HARK_E_LIMIT);
    assert_int_equal(small.size, 0);
    /* an origin that a checkpoint may have and a key's name may not */
    memcpy(cp.origin, "a b", 4);
    assert_int_equal(hark_checkpoint_sign(&small, &cp, signer, NULL, NULL), HARK_E_NOTE_KEY);
    hark_buf_free(&small);
    hark_buf_free(&buf);
    hark_signer_free(signer);
}

/* --- A published log ------------------------------------------------------- */

#define TESSERA_SIZE 15u

struct tessera {
    char folder[768];
    struct hark_hash leaves[TESSERA_SIZE];
};

static struct hark_buf read_file(const struct tessera *t, const char *name)
{
    struct hark_buf buf = hark_buf_init(65536);
    uint8_t block[4096];
    char path[1024];
    FILE *file = NULL;
    size_t got = 0;

    assert_true(snprintf(path, sizeof(path), "%s/%s", t->folder, name) < (int)sizeof(path));
    file = fopen(path, "rb");
    assert_non_null(file);
    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        assert_int_equal(hark_buf_append(&buf, block, got, NULL), 0);
    (void)fclose(file);
    return buf;
}

static void open_tessera(struct tessera *t)
{
    const char *shared = getenv("HARK_SHARED_DIR");
    struct stat st;

    assert_true(snprintf(t->folder, sizeof(t->folder), "%s/data/vectors/tessera-log",
                         shared != NULL ? shared : "../shared") < (int)sizeof(t->folder));
    if (stat(t->folder, &st) != 0) {
        print_message("skipped: no published log at %s\n", t->folder);
        skip();
    }
}

/* The tile of each size holds the hashes of that many leaves, which are those of
 * the entries beside it; none ever changes. */
static void read_leaves(struct tessera *t)
{
    for (unsigned size = 1; size <= TESSERA_SIZE; size++) {
        char name[64];
        struct hark_buf tile;
        struct hark_buf entries;
        struct hark_span rest;

        (void)snprintf(name, sizeof(name), "tile/0/000.p/%u", size);
        tile = read_file(t, name);
        (void)snprintf(name, sizeof(name), "tile/entries/000.p/%u", size);
        entries = read_file(t, name);
        assert_int_equal(tile.size, size * HARK_HASH_SIZE);
        assert_memory_equal(tile.data, t->leaves, (size - 1) * HARK_HASH_SIZE);
        memcpy(t->leaves, tile.data, tile.size);
        rest = hark_buf_span(&entries);
        for (unsigned i = 0; i < size; i++) {
            struct hark_span entry;
            struct hark_hash hash;
            uint16_t length = 0;

            assert_true(hark_take_u16(&rest, &length));
            assert_true(hark_take(&rest, length, &entry));
            hash = hark_merkle_leaf(entry);
            assert_true(hark_hash_equal(&hash, &t->leaves[i]));
        }
        assert_int_equal(rest.size, 0);
        hark_buf_free(&entries);
        hark_buf_free(&tile);
    }
}

static struct hark_checkpoint read_checkpoint(const struct tessera *t, const char *name)
{
    struct hark_note_key key = key_from(TESSERA_KEY);
    struct hark_buf buf = read_file(t, name);
    struct hark_checkpoint cp;
    struct hark_note note;

    assert_int_equal(hark_note_parse(&note, hark_buf_span(&buf), NULL), 0);
    assert_int_equal(hark_note_verify(&note, &key, NULL, NULL), 0);
    assert_int_equal(hark_checkpoint_decode(&cp, note.text, NULL, NULL), 0);
    assert_string_equal(cp.origin, "example.com/log/testdata");
    hark_buf_free(&buf);
    return cp;
}

/* Full subtrees straight from the leaves. */
static int read_subtree(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                        struct hark_err *err)
{
    const struct tessera *t = arg;
    struct hark_merkle tree = {0};

    (void)err;
    for (uint64_t i = index << level; i < (index + 1) << level; i++) {
        assert_true(i < TESSERA_SIZE);
        hark_merkle_append(&tree, &t->leaves[i]);
    }
    *out = hark_merkle_root(&tree);
    return 0;
}

/* Another implementation's log: signatures, roots, and how they hang together. */
static void test_note__published_log(void **state)
{
    struct hark_checkpoint cps[TESSERA_SIZE + 1];
    struct hark_merkle tree = {0};
    struct hark_checkpoint last;
    struct tessera t = {0};

    (void)state;
    open_tessera(&t);
    read_leaves(&t);
    for (unsigned size = 0; size <= TESSERA_SIZE; size++) {
        char name[64];
        struct hark_hash root = hark_merkle_root(&tree);

        (void)snprintf(name, sizeof(name), "checkpoint.%u", size);
        cps[size] = read_checkpoint(&t, name);
        assert_int_equal(cps[size].size, size);
        assert_true(hark_hash_equal(&cps[size].root, &root));
        if (size < TESSERA_SIZE)
            hark_merkle_append(&tree, &t.leaves[size]);
        for (unsigned old = 1; old <= size; old++) {
            struct hark_proof proof;

            assert_int_equal(
                hark_merkle_prove_consistency(&proof, old, size, read_subtree, &t, NULL), 0);
            assert_int_equal(hark_merkle_verify_consistency(old, size, proof.hashes, proof.count,
                                                            &cps[old].root, &cps[size].root, NULL),
                             0);
        }
    }
    last = read_checkpoint(&t, "checkpoint");
    assert_int_equal(last.size, TESSERA_SIZE);
    assert_true(hark_hash_equal(&last.root, &cps[TESSERA_SIZE].root));
}

static int setup(void **state)
{
    (void)state;
    return hark_crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_note__key_as_published),
        cmocka_unit_test(test_note__key_ids_part_algorithms),
        cmocka_unit_test(test_note__bad_keys_are_refused),
        cmocka_unit_test(test_note__names),
        cmocka_unit_test(test_note__parses_what_is_published),
        cmocka_unit_test(test_note__malformed_notes_are_refused),
        cmocka_unit_test(test_note__unusual_texts_are_read),
        cmocka_unit_test(test_note__number_of_signatures_is_bounded),
        cmocka_unit_test(test_note__length_is_bounded),
        cmocka_unit_test(test_note__long_signatures_of_others_are_passed_over),
        cmocka_unit_test(test_note__published_signature_holds),
        cmocka_unit_test(test_note__lines_belong_to_name_and_id),
        cmocka_unit_test(test_note__cosignature_signs_the_specified_bytes),
        cmocka_unit_test(test_note__cosignature_line_as_published),
        cmocka_unit_test(test_note__earliest_cosignature_counts),
        cmocka_unit_test(test_note__cosignature_has_one_length),
        cmocka_unit_test(test_note__algorithms_do_not_mix),
        cmocka_unit_test(test_note__signs_as_published),
        cmocka_unit_test(test_note__refuses_to_sign),
        cmocka_unit_test(test_note__checkpoint_round_trip),
        cmocka_unit_test(test_note__malformed_checkpoints_are_refused),
        cmocka_unit_test(test_note__checkpoint_limits),
        cmocka_unit_test(test_note__signed_checkpoint_is_a_note),
        cmocka_unit_test(test_note__published_log),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
