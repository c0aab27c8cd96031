/*
 * schemas/yamltree: the bounds of what is read, and what a scalar may be taken
 * for. What kinds and the configuration make of it is in their own tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/yamltree.h"

#define MAX (64u * 1024u)

static struct hark_yaml *parse(struct hark_span text)
{
    struct hark_yaml *yaml = NULL;
    struct hark_err err = {0};
    if (hark_yaml_parse(&yaml, text, MAX, "f", HARK_E_CONFIG, &err) != 0)
        fail_msg("%s", err.message);
    return yaml;
}

static void refuse(struct hark_span text, const char *message)
{
    struct hark_yaml *yaml = NULL;
    struct hark_err err = {0};
    assert_int_equal(hark_yaml_parse(&yaml, text, MAX, "f", HARK_E_CONFIG, &err), HARK_E_CONFIG);
    assert_null(yaml);
    if (strcmp(err.message, message) != 0)
        fail_msg("'%s', expected '%s'", err.message, message);
}

static void test_yamltree__bytes_are_checked_before_libyaml_sees_them(void **state)
{
    (void)state;
    refuse(hark_span("a: \xe4\n", 5), "f:1: bytes that are not UTF-8, expected UTF-8");
    refuse(hark_span("a: b\n\0c: d", 10), "f:1: a NUL byte, expected text");
    refuse(hark_span("\xef\xbb\xbf"
                     "a: b\n",
                     8),
           "f:1: a byte order mark, expected text without one");
}

static void test_yamltree__depth_is_bounded(void **state)
{
    (void)state;
    hark_yaml_free(parse(hark_span_str("a: [[[[[[[]]]]]]]\n")));
    refuse(hark_span_str("a: [[[[[[[[]]]]]]]]\n"),
           "f:1: nested too deep, expected at most 8 levels");
    /* And costs nothing: libyaml is left as soon as it is known. */
    struct hark_buf text = hark_buf_init(MAX);
    while (text.size < MAX)
        assert_int_equal(hark_buf_append_byte(&text, '[', NULL), 0);
    refuse(hark_buf_span(&text), "f:1: nested too deep, expected at most 8 levels");
    hark_buf_free(&text);
}

static void test_yamltree__keys_and_items_are_bounded(void **state)
{
    (void)state;
    struct hark_buf keys = hark_buf_init(MAX);
    struct hark_buf items = hark_buf_init(MAX);
    for (unsigned i = 0; i < HARK_YAML_KEYS_MAX; i++)
        assert_int_equal(hark_buf_printf(&keys, NULL, "k%u: 1\n", i), 0);
    for (unsigned i = 0; i < HARK_YAML_ITEMS_MAX; i++)
        assert_int_equal(hark_buf_append_str(&items, "- 1\n", NULL), 0);
    struct hark_yaml *yaml = parse(hark_buf_span(&keys));
    assert_int_equal(yaml->root->count, HARK_YAML_KEYS_MAX);
    hark_yaml_free(yaml);
    yaml = parse(hark_buf_span(&items));
    assert_int_equal(yaml->root->count, HARK_YAML_ITEMS_MAX);
    hark_yaml_free(yaml);
    assert_int_equal(hark_buf_append_str(&keys, "more: 1\n", NULL), 0);
    assert_int_equal(hark_buf_append_str(&items, "- 1\n", NULL), 0);
    refuse(hark_buf_span(&keys), "f:257: too many keys, expected at most 256");
    refuse(hark_buf_span(&items), "f:1025: too many items, expected at most 1024");
    hark_buf_free(&keys);
    hark_buf_free(&items);
}

static void test_yamltree__keys_are_texts(void **state)
{
    (void)state;
    refuse(hark_span_str("? [a]\n: b\n"), "f:1: a key that is no text, expected a key");
    refuse(hark_span_str("? {a: b}\n: b\n"), "f:1: a key that is no text, expected a key");
}

static void test_yamltree__only_plain_decimals_are_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-9", true, -9},
        {"10", true, 10},
        {"11", false, 0},
        {"-10", false, 0},
        {"-0", false, 0},
        {"+1", false, 0},
        {"01", false, 0},
        {"0x1", false, 0},
        {"1.0", false, 0},
        {"1e0", false, 0},
        {"1_0", false, 0},
        {"\"1\"", false, 0},
        {"'1'", false, 0},
        {"[1]", false, 0},
        {"--1", false, 0},

        {"~", false, 0},
        {"null", false, 0},
        {"1 2", false, 0},
        {"true", false, 0},
        {"\"\"", false, 0},
        {"", false, 0},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        int64_t value = 99;
        (void)snprintf(text, sizeof text, "n: %s\n", cases[i].text);
        struct hark_yaml *yaml = parse(hark_span_str(text));
        int rc = hark_yaml_integer(yaml, yaml->root->first, -9, 10, &value, NULL);
        if (rc != (cases[i].good ? 0 : HARK_E_CONFIG))
            fail_msg("%s: %s", cases[i].text, hark_err_name(rc));
        assert_int_equal(value, cases[i].good ? cases[i].value : 99);
        hark_yaml_free(yaml);
    }
}

static void test_yamltree__only_plain_true_and_false_are_booleans(void **state)
{
    (void)state;
    static const char *const bad[] = {"yes", "True", "\"true\"", "1", "[true]", "~", "on"};
    bool value = false;
    struct hark_yaml *yaml = parse(hark_span_str("b: true\n"));
    assert_int_equal(hark_yaml_boolean(yaml, yaml->root->first, &value, NULL), 0);
    assert_true(value);
    hark_yaml_free(yaml);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "b: %s\n", bad[i]);
        yaml = parse(hark_span_str(text));
        if (hark_yaml_boolean(yaml, yaml->root->first, &value, NULL) != HARK_E_CONFIG)
            fail_msg("taken: %s", bad[i]);
        hark_yaml_free(yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yamltree__bytes_are_checked_before_libyaml_sees_them),
        cmocka_unit_test(test_yamltree__depth_is_bounded),
        cmocka_unit_test(test_yamltree__keys_and_items_are_bounded),
        cmocka_unit_test(test_yamltree__keys_are_texts),
        cmocka_unit_test(test_yamltree__only_plain_decimals_are_integers),
        cmocka_unit_test(test_yamltree__only_plain_true_and_false_are_booleans),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
