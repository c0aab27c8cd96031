/*
 * schemas/payload: rules P1 to P15, each broken alone and in order, and building.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "schemas/payload.h"
#include "vectors.h"

static const uint8_t salt[HARK_SALT_SIZE] = {0xab, 1, 2, 3};

static int group_setup(void **state)
{
    struct hark_kinds *kinds = NULL;
    int rc = hark_kinds_builtin(&kinds, NULL);
    *state = kinds;
    return rc;
}

static int group_teardown(void **state)
{
    hark_kinds_free(*state);
    return 0;
}

static const struct hark_kind *get(void **state, const char *name)
{
    int number = hark_kinds_find(*state, name);
    if (number < 0)
        fail_msg("no kind %s", name);
    return hark_kinds_get(*state, (size_t)number);
}

/* Everything a payload goes through: first whether it is the one named, then
 * what it says. */
static int judge(const struct hark_kind *kind, const struct hark_entry *entry,
                 struct hark_span bytes, struct hark_err *err)
{
    json_t *json = NULL;
    int rc = hark_payload_match(kind, entry, bytes, err);
    if (rc != 0 || !entry->has_payload)
        return rc;
    rc = hark_payload_check(kind, bytes, &json, err);
    assert_true((json != NULL) == (rc == 0 && kind->payload == HARK_PAYLOAD_JSON));
    json_decref(json);
    return rc;
}

static void run_case(void **state, const json_t *test)
{
    const char *hex = vectors_string(test, "payload");
    const json_t *named = json_object_get(test, "named");
    struct hark_buf bytes = vectors_hex(hex != NULL ? hex : "");
    struct hark_entry entry = {.has_payload = json_is_object(named)};
    struct hark_err err = {0};
    if (entry.has_payload) {
        entry.payload_size = (uint64_t)json_integer_value(json_object_get(named, "size"));
        assert_int_equal(hark_hash_from_hex(&entry.payload_hash,
                                            hark_span_str(vectors_string(named, "hash")), NULL),
                         0);
    }
    struct hark_span span = hex != NULL ? hark_buf_span(&bytes) : hark_span(NULL, 0);
    int rc = judge(get(state, vectors_string(test, "kind")), &entry, span, &err);
    vectors_expect(vectors_string(test, "name"), rc, vectors_string(test, "error"), &err);
    hark_buf_free(&bytes);
}

static void test_payload__vectors(void **state)
{
    json_t *vectors = vectors_load("payload.json");
    bool seen[16] = {false};
    size_t i = 0;
    const json_t *test = NULL;
    json_array_foreach(json_object_get(vectors, "cases"), i, test)
    {
        const char *rule = vectors_string(test, "rule");
        run_case(state, test);
        if (rule != NULL)
            seen[strtoul(rule + 1, NULL, 10) % 16] = true;
    }
    /* No rule without a vector that breaks it. */
    for (size_t rule = 1; rule <= 15; rule++)
        assert_true(seen[rule]);
    json_decref(vectors);
}

/* A payload of `size` bytes that is well formed but for its size. */
static struct hark_buf post_of(size_t size)
{
    struct hark_buf out = hark_buf_init(2 * (size_t)HARK_PAYLOAD_MAX);
    assert_int_equal(hark_buf_append_str(&out,
                                         "{\"salt\":\"000102030405060708090a0b0c0d0e0f\","
                                         "\"body\":\"",
                                         NULL),
                     0);
    while (out.size < size - 2)
        assert_int_equal(hark_buf_append_byte(&out, 'x', NULL), 0);
    assert_int_equal(hark_buf_append_str(&out, "\"}", NULL), 0);
    return out;
}

static void test_payload__size_is_bounded(void **state)
{
    struct hark_err err = {0};
    struct hark_buf bytes = post_of(HARK_PAYLOAD_MAX + HARK_PAYLOAD_BLOCK);
    assert_int_equal(hark_payload_check(get(state, "post"), hark_buf_span(&bytes), NULL, &err),
                     HARK_E_PAYLOAD_SIZE);
    assert_int_equal(hark_payload_check(get(state, "sealed"), hark_buf_span(&bytes), NULL, &err),
                     HARK_E_PAYLOAD_SIZE);
    struct hark_entry entry = {.has_payload = true,
                               .payload_size = bytes.size,
                               .payload_hash = hark_sha256(hark_buf_span(&bytes))};
    assert_int_equal(hark_payload_match(get(state, "post"), &entry, hark_buf_span(&bytes), &err),
                     HARK_E_PAYLOAD_SIZE);
    hark_buf_free(&bytes);
    /* The largest that is read at all: refused for its text, not for its size. */
    bytes = post_of(HARK_PAYLOAD_MAX);
    assert_int_equal(hark_payload_check(get(state, "post"), hark_buf_span(&bytes), NULL, &err),
                     HARK_E_PAYLOAD_RANGE);
    hark_buf_free(&bytes);
    assert_int_equal(hark_payload_check(get(state, "sealed"), hark_span("", 0), NULL, &err),
                     HARK_E_PAYLOAD_SIZE);
}

/* Depth is found before jansson runs: a payload of nothing but brackets costs a
 * scan and no recursion. */
static void test_payload__brackets_do_not_exhaust_the_stack(void **state)
{
    struct hark_err err = {0};
    struct hark_buf bytes = post_of(HARK_PAYLOAD_MAX);
    memset(bytes.data + 42, '[', bytes.size - 42);
    bytes.data[42] = ',';
    assert_int_equal(hark_payload_check(get(state, "post"), hark_buf_span(&bytes), NULL, &err),
                     HARK_E_PAYLOAD_DEPTH);
    hark_buf_free(&bytes);
}

/* Whatever single byte is changed, the hash no longer fits; and no change makes
 * the check crash or accept something without a salt. */
static void test_payload__each_changed_byte_is_noticed(void **state)
{
    const struct hark_kind *vote = get(state, "vote");
    struct hark_err err = {0};
    struct hark_buf bytes = hark_buf_init(HARK_PAYLOAD_MAX);
    json_t *fields = json_pack("{s:s}", "choice", "agree");
    assert_int_equal(hark_payload_build(&bytes, vote, fields, salt, &err), 0);
    struct hark_entry entry = {.has_payload = true,
                               .payload_size = bytes.size,
                               .payload_hash = hark_sha256(hark_buf_span(&bytes))};
    assert_int_equal(judge(vote, &entry, hark_buf_span(&bytes), &err), 0);
    for (size_t i = 0; i < bytes.size; i++) {
        for (unsigned flip = 1; flip < 256; flip += 18) {
            bytes.data[i] ^= (uint8_t)flip;
            assert_int_equal(hark_payload_match(vote, &entry, hark_buf_span(&bytes), &err),
                             HARK_E_PAYLOAD_HASH);
            int rc = hark_payload_check(vote, hark_buf_span(&bytes), NULL, NULL);
            if (i < 9 || i == 41)
                assert_int_equal(rc,
                                 bytes.data[i] < 0x80 ? HARK_E_PAYLOAD_SALT : HARK_E_PAYLOAD_UTF8);
            bytes.data[i] ^= (uint8_t)flip;
        }
    }
    json_decref(fields);
    hark_buf_free(&bytes);
}

static void test_payload__built_bytes_are_salt_first_compact_and_padded(void **state)
{
    static const char expected[] = "{\"salt\":\"ab010203000000000000000000000000\","
                                   "\"title\":\"B\xc3\xa4ume\",\"body\":\"a\\nb\"}";
    struct hark_err err = {0};
    struct hark_buf out = hark_buf_init(HARK_PAYLOAD_MAX);
    json_t *json = NULL;
    json_t *fields = json_pack("{s:s, s:s}", "title", "B\xc3\xa4ume", "body", "a\nb");
    assert_int_equal(hark_buf_append_str(&out, "before", NULL), 0);
    assert_int_equal(hark_payload_build(&out, get(state, "topic"), fields, salt, &err), 0);
    assert_int_equal(out.size, 6 + 128);
    assert_memory_equal(out.data, "before", 6);
    assert_memory_equal(out.data + 6, expected, sizeof expected - 1);
    for (size_t i = 6 + sizeof expected - 1; i < out.size; i++)
        assert_int_equal(out.data[i], ' ');
    assert_int_equal(
        hark_payload_check(get(state, "topic"), hark_span(out.data + 6, 128), &json, &err), 0);
    assert_string_equal(json_string_value(json_object_get(json, "body")), "a\nb");
    assert_string_equal(json_string_value(json_object_get(json, "salt")),
                        "ab010203000000000000000000000000");
    json_decref(json);
    json_decref(fields);
    hark_buf_free(&out);
}

static void test_payload__built_without_fields(void **state)
{
    struct hark_err err = {0};
    struct hark_buf out = hark_buf_init(HARK_PAYLOAD_MAX);
    json_t *fields = json_object();
    assert_int_equal(hark_payload_build(&out, get(state, "erase"), fields, salt, &err), 0);
    assert_int_equal(out.size, 64);
    assert_memory_equal(out.data + 41, "\"}  ", 4);
    json_decref(fields);
    hark_buf_free(&out);
}

/* Nothing invalid is ever signed: what the check refuses is not built, and the
 * buffer stays as it was. */
static void test_payload__invalid_fields_are_not_built(void **state)
{
    const struct {
        const char *kind;
        json_t *fields;
        int code;
    } cases[] = {
        {"post", json_object(), HARK_E_PAYLOAD_MISSING},
        {"post", json_pack("{s:s, s:i}", "body", "x", "more", 1), HARK_E_PAYLOAD_UNKNOWN},
        {"post", json_pack("{s:s, s:s}", "salt", "x", "body", "x"), HARK_E_PAYLOAD_DUPLICATE},
        {"post", json_pack("{s:f}", "body", 1.5), HARK_E_PAYLOAD_NUMBER},
        {"post", json_pack("{s:s%}", "body", "a\0b", (size_t)3), HARK_E_PAYLOAD_JSON},
        {"post", json_pack("{s:o}", "body", json_null()), HARK_E_PAYLOAD_TYPE},
        {"vote", json_pack("{s:s}", "choice", "maybe"), HARK_E_PAYLOAD_RANGE},
        {"leave", json_object(), HARK_E_PAYLOAD_UNWANTED},
        {"sealed", json_object(), HARK_E_INTERNAL},
        {"post", json_array(), HARK_E_INTERNAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hark_err err = {0};
        struct hark_buf out = hark_buf_init(HARK_PAYLOAD_MAX);
        int rc = hark_payload_build(&out, get(state, cases[i].kind), cases[i].fields, salt, &err);
        if (rc != cases[i].code)
            fail_msg("case %zu: %s (%s)", i, hark_err_name(rc), err.message);
        assert_int_equal(out.size, 0);
        hark_buf_free(&out);
        json_decref(cases[i].fields);
    }
}

static void test_payload__too_large_is_not_built(void **state)
{
    struct hark_err err = {0};
    struct hark_buf out = hark_buf_init(4 * (size_t)HARK_PAYLOAD_MAX);
    struct hark_buf text = post_of(HARK_PAYLOAD_MAX);
    json_t *fields = json_pack("{s:s%}", "body", text.data, text.size);
    assert_int_equal(hark_payload_build(&out, get(state, "post"), fields, salt, &err),
                     HARK_E_PAYLOAD_SIZE);
    assert_int_equal(out.size, 0);
    json_decref(fields);
    hark_buf_free(&text);
    hark_buf_free(&out);
}

static void test_payload__messages_name_the_place(void **state)
{
    struct hark_err err = {0};
    struct hark_buf out = hark_buf_init(HARK_PAYLOAD_MAX);
    json_t *fields = json_pack("{s:{s:i}}", "policy", "quorum", 65);
    assert_int_equal(hark_payload_build(&out, get(state, "policy"), fields, salt, &err),
                     HARK_E_PAYLOAD_RANGE);
    assert_string_equal(err.message, "policy.quorum: 65, expected 0 to 64");
    json_decref(fields);
    fields = json_pack("{s:{s:i}}", "policy", "\x1b[31m", 65);
    assert_int_equal(hark_payload_build(&out, get(state, "policy"), fields, salt, &err),
                     HARK_E_PAYLOAD_UNKNOWN);
    assert_string_equal(err.message, "policy.?[31m: not a field of this kind");
    json_decref(fields);
    hark_buf_free(&out);
}

/* The types that no built-in kind uses yet. */
static void test_payload__boolean_entry_and_ranged_hex(void **state)
{
    static const char yaml[] = "kind: x-a\nabout: A.\nwho: member\nerasable: true\npayload: json\n"
                               "fields:\n"
                               "  yes: {type: boolean}\n"
                               "  id: {type: entry}\n"
                               "  hex: {type: hex, min: 1, max: 3}\n";
    static const char id[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    (void)state;
    struct hark_kind *kind = NULL;
    struct hark_err err = {0};
    if (hark_kind_parse(&kind, hark_span_str(yaml), "t", &err) != 0)
        fail_msg("%s", err.message);
    const struct {
        json_t *fields;
        int code;
    } cases[] = {
        {json_pack("{s:b, s:s, s:s}", "yes", 1, "id", id, "hex", "00ff"), 0},
        {json_pack("{s:s}", "yes", "true"), HARK_E_PAYLOAD_TYPE},
        {json_pack("{s:i}", "yes", 1), HARK_E_PAYLOAD_TYPE},
        {json_pack("{s:s}", "id", id + 2), HARK_E_PAYLOAD_TYPE},
        {json_pack("{s:s}", "hex", ""), HARK_E_PAYLOAD_RANGE},
        {json_pack("{s:s}", "hex", "00000000"), HARK_E_PAYLOAD_RANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hark_buf out = hark_buf_init(HARK_PAYLOAD_MAX);
        int rc = hark_payload_build(&out, kind, cases[i].fields, salt, &err);
        if (rc != cases[i].code)
            fail_msg("case %zu: %s (%s)", i, hark_err_name(rc), err.message);
        hark_buf_free(&out);
        json_decref(cases[i].fields);
    }
    hark_kind_free(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload__vectors),
        cmocka_unit_test(test_payload__size_is_bounded),
        cmocka_unit_test(test_payload__brackets_do_not_exhaust_the_stack),
        cmocka_unit_test(test_payload__each_changed_byte_is_noticed),
        cmocka_unit_test(test_payload__built_bytes_are_salt_first_compact_and_padded),
        cmocka_unit_test(test_payload__built_without_fields),
        cmocka_unit_test(test_payload__invalid_fields_are_not_built),
        cmocka_unit_test(test_payload__too_large_is_not_built),
        cmocka_unit_test(test_payload__messages_name_the_place),
        cmocka_unit_test(test_payload__boolean_entry_and_ranged_hex),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
