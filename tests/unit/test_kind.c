/*
 * schemas/kind: the grammar of definitions, the built-in set and a space's own
 * kinds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "schemas/kind.h"
#include "vectors.h"

#define MINIMAL "about: A.\nwho: member\nerasable: true\npayload: none\n"

static struct hark_kinds *builtin(void)
{
    struct hark_kinds *kinds = NULL;
    struct hark_err err = {0};
    if (hark_kinds_builtin(&kinds, &err) != 0)
        fail_msg("%s", err.message);
    return kinds;
}

static const struct hark_kind *get(const struct hark_kinds *kinds, const char *name)
{
    int number = hark_kinds_find(kinds, name);
    if (number < 0)
        fail_msg("no kind %s", name);
    return hark_kinds_get(kinds, (size_t)number);
}

static struct hark_kind *parse(const char *yaml)
{
    struct hark_kind *kind = NULL;
    struct hark_err err = {0};
    if (hark_kind_parse(&kind, hark_span_str(yaml), "test.yaml", &err) != 0)
        fail_msg("%s", err.message);
    return kind;
}

/* Protects the kind set hash: kind files whose bytes change make every space
 * that was founded before unreadable. */
static void test_kind__builtin_set_is_the_one_in_the_vectors(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("kind.json");
    const json_t *expected = json_object_get(vectors, "builtin");
    struct hark_kinds *kinds = builtin();
    char hex[2 * HARK_HASH_SIZE + 1];
    struct hark_hash hash = hark_kinds_hash(kinds);
    hark_hash_hex(hex, &hash);
    assert_string_equal(hex, vectors_string(expected, "hash"));
    assert_int_equal((json_int_t)hark_kinds_count(kinds),
                     json_integer_value(json_object_get(expected, "count")));
    assert_int_equal(hark_kinds_builtin_count(kinds), hark_kinds_count(kinds));
    hark_kinds_free(kinds);
    json_decref(vectors);
}

static void test_kind__builtin_kinds_are_numbered_in_byte_order(void **state)
{
    (void)state;
    struct hark_kinds *kinds = builtin();
    for (size_t i = 0; i < hark_kinds_count(kinds); i++) {
        const char *name = hark_kinds_get(kinds, i)->name;
        assert_int_equal(hark_kinds_find(kinds, name), i);
        if (i > 0)
            assert_true(strcmp(hark_kinds_get(kinds, i - 1)->name, name) < 0);
    }
    assert_null(hark_kinds_get(kinds, hark_kinds_count(kinds)));
    assert_int_equal(hark_kinds_find(kinds, "aaa"), -1);
    assert_int_equal(hark_kinds_find(kinds, "postscript"), -1);
    assert_int_equal(hark_kinds_find(kinds, "zzz"), -1);
    assert_int_equal(hark_kinds_find(kinds, ""), -1);
    hark_kinds_free(kinds);
}

/* What cannot be erased must not be words: who may write never-erased kinds, and
 * that no such kind has free text but what names and definitions need. */
static void test_kind__never_erased_kinds_hold_no_words(void **state)
{
    (void)state;
    struct hark_kinds *kinds = builtin();
    size_t never = 0;
    for (size_t i = 0; i < hark_kinds_count(kinds); i++) {
        const struct hark_kind *kind = hark_kinds_get(kinds, i);
        if (kind->erasable)
            continue;
        never++;
        for (size_t k = 0; k < kind->field_count; k++)
            if (kind->fields[k].type == HARK_FIELD_TEXT)
                assert_string_equal(kind->name, "kind");
        assert_true(kind->who == HARK_WHO_STEWARD || kind->who == HARK_WHO_RECOVERY ||
                    strcmp(kind->name, "rekey") == 0 || strcmp(kind->name, "leave") == 0);
    }
    assert_int_equal(never, 17);
    hark_kinds_free(kinds);
}

static void test_kind__erase_reaches_every_erasable_payload(void **state)
{
    (void)state;
    struct hark_kinds *kinds = builtin();
    const struct hark_kind *erase = get(kinds, "erase");
    for (size_t i = 0; i < hark_kinds_count(kinds); i++) {
        const struct hark_kind *kind = hark_kinds_get(kinds, i);
        bool wanted = (kind->erasable && kind->payload != HARK_PAYLOAD_NONE) ||
                      strcmp(kind->name, "admit") == 0;
        if (hark_kind_about(erase, kind->name) != wanted)
            fail_msg("erase about %s", kind->name);
    }
    assert_true(hark_kind_about(erase, "x-anything"));
    assert_int_equal(erase->own, HARK_OWN_UNLESS_STAFF);
    hark_kinds_free(kinds);
}

static void test_kind__a_builtin_kind_reads_as_written(void **state)
{
    (void)state;
    struct hark_kinds *kinds = builtin();
    const struct hark_kind *vote = get(kinds, "vote");
    assert_int_equal(vote->who, HARK_WHO_MEMBER);
    assert_int_equal(vote->modes, HARK_MODES_OPEN);
    assert_int_equal(vote->re_min, 1);
    assert_int_equal(vote->re_max, 1);
    assert_true(hark_kind_about(vote, "idea"));
    assert_false(hark_kind_about(vote, "post"));
    assert_false(hark_kind_about(vote, "x-idea"));
    assert_true(vote->erasable);
    assert_int_equal(vote->payload, HARK_PAYLOAD_JSON);
    assert_false(vote->payload_optional);
    assert_int_equal(vote->field_count, 3);
    assert_string_equal(vote->fields[0].name, "choice");
    assert_true(vote->fields[0].required);
    assert_int_equal(vote->fields[0].choice_count, 3);
    assert_string_equal(vote->fields[0].choices[2], "pass");

    const struct hark_kind *space = get(kinds, "space");
    const struct hark_field *title = NULL;
    for (size_t i = 0; i < space->field_count; i++)
        if (strcmp(space->fields[i].name, "title") == 0)
            title = &space->fields[i];
    assert_non_null(title);
    assert_false(title->required);
    assert_string_equal(title->if_field, "mode");
    assert_int_equal(title->if_count, 1);
    assert_string_equal(title->if_values[0], "open");
    assert_int_equal(get(kinds, "leave")->payload, HARK_PAYLOAD_NONE);
    assert_int_equal(get(kinds, "leave")->re_max, 0);
    assert_false(hark_kind_about(get(kinds, "leave"), "post"));
    assert_int_equal(get(kinds, "sealed")->modes, HARK_MODES_ENCRYPTED);
    assert_int_equal(get(kinds, "ack")->who, HARK_WHO_NODE);
    assert_int_equal(get(kinds, "recover")->who, HARK_WHO_RECOVERY);
    assert_int_equal(get(kinds, "revision")->own, HARK_OWN_YES);
    hark_kinds_free(kinds);
}

/* Each rule of the grammar broken alone: refused, and the message says where. */
static void test_kind__vectors(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("kind.json");
    size_t i = 0;
    const json_t *test = NULL;
    json_array_foreach(json_object_get(vectors, "cases"), i, test)
    {
        const char *name = vectors_string(test, "name");
        const char *definition = vectors_string(test, "definition");
        struct hark_kind *kind = NULL;
        struct hark_err err = {0};
        int rc = hark_kind_parse(&kind, hark_span_str(definition), "x.yaml", &err);
        vectors_expect(name, rc, vectors_string(test, "error"), &err);
        assert_true((rc == 0) == (kind != NULL));
        if (rc != 0) {
            char place[32];
            (void)snprintf(place, sizeof place, "x.yaml:%" JSON_INTEGER_FORMAT ": ",
                           json_integer_value(json_object_get(test, "line")));
            if (strncmp(err.message, place, strlen(place)) != 0)
                fail_msg("%s: '%s' does not begin with '%s'", name, err.message, place);
            if (strstr(err.message, "expected ") == NULL)
                fail_msg("%s: '%s' does not say what was expected", name, err.message);
        }
        hark_kind_free(kind);
    }
    json_decref(vectors);
}

static void test_kind__messages_do_not_carry_control_characters(void **state)
{
    (void)state;
    struct hark_kind *kind = NULL;
    struct hark_err err = {0};
    const char yaml[] = "\"\\e[31m\\x9b\": x\n";
    assert_int_equal(hark_kind_parse(&kind, hark_span_str(yaml), "f", &err), HARK_E_KIND_FORM);
    for (const char *p = err.message; *p != '\0'; p++)
        assert_true(*p >= 0x20 && *p <= 0x7e);
}

static void test_kind__bytes_that_yaml_would_swallow_are_refused(void **state)
{
    (void)state;
    static const char nul[] = "kind: x-a\n" MINIMAL "\0more: 1\n";
    static const char latin[] = "kind: x-a\n" MINIMAL "# \xe4\n";
    static const char utf16[] = "\xff\xfe"
                                "k\0i\0";
    static const char escaped[] = "kind: x-a\n" MINIMAL "\"re\\0\": 1\n";
    const struct hark_span inputs[] = {
        hark_span(nul, sizeof nul - 1), hark_span(latin, sizeof latin - 1),
        hark_span(utf16, sizeof utf16 - 1), hark_span(escaped, sizeof escaped - 1)};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct hark_kind *kind = NULL;
        struct hark_err err = {0};
        assert_int_equal(hark_kind_parse(&kind, inputs[i], "f", &err), HARK_E_KIND_FORM);
        assert_null(kind);
    }
}

static void test_kind__definition_is_the_hash_of_the_bytes(void **state)
{
    (void)state;
    const char *yaml = "kind: x-a\n" MINIMAL;
    struct hark_kind *kind = parse(yaml);
    struct hark_hash hash = hark_sha256(hark_span_str(yaml));
    assert_true(hark_hash_equal(&kind->definition, &hash));
    assert_false(kind->own_kind);
    hark_kind_free(kind);
}

static void test_kind__own_kinds_are_added_behind(void **state)
{
    (void)state;
    struct hark_kinds *kinds = builtin();
    struct hark_err err = {0};
    size_t count = hark_kinds_count(kinds);
    struct hark_hash before = hark_kinds_hash(kinds);
    /* 'x-a' would sort before 'x-b': coming later, it stands later. */
    struct hark_kind *second = parse("kind: x-b\n" MINIMAL);
    struct hark_kind *first =
        parse("kind: x-a\n" MINIMAL "re: {max: 1, kinds: [idea, x-a, x-b]}\n");
    assert_int_equal(hark_kinds_add_own(kinds, &second, &err), 0);
    assert_null(second);
    assert_int_equal(hark_kinds_add_own(kinds, &first, &err), 0);
    assert_int_equal(hark_kinds_find(kinds, "x-b"), count);
    assert_int_equal(hark_kinds_find(kinds, "x-a"), count + 1);
    assert_true(hark_kinds_get(kinds, count)->own_kind);
    assert_int_equal(hark_kinds_builtin_count(kinds), count);
    struct hark_hash after = hark_kinds_hash(kinds);
    assert_true(hark_hash_equal(&before, &after));
    hark_kinds_free(kinds);
}

static void test_kind__own_kinds_may_not_reach_higher(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "kind: need\nabout: A.\nwho: member\nerasable: true\npayload: none\n",
        "kind: x-\nabout: A.\nwho: member\nerasable: true\npayload: none\n",
        "kind: x-a\nabout: A.\nwho: steward\nerasable: true\npayload: none\n",
        "kind: x-a\nabout: A.\nwho: node\nerasable: true\npayload: none\n",
        "kind: x-a\nabout: A.\nwho: recovery\nerasable: true\npayload: none\n",
        "kind: x-a\nabout: A.\nwho: member\nerasable: false\npayload: none\n",
        ("kind: x-a\n" MINIMAL "re: {max: 1, kinds: [x-unknown]}\n"),
        ("kind: x-taken\n" MINIMAL),
    };
    struct hark_kinds *kinds = builtin();
    struct hark_err err = {0};
    struct hark_kind *kind = parse("kind: x-taken\n" MINIMAL);
    assert_int_equal(hark_kinds_add_own(kinds, &kind, &err), 0);
    size_t count = hark_kinds_count(kinds);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        kind = parse(refused[i]);
        if (hark_kinds_add_own(kinds, &kind, &err) != HARK_E_KIND_FORM)
            fail_msg("added:\n%s", refused[i]);
        assert_non_null(kind);
        assert_int_equal(hark_kinds_count(kinds), count);
        hark_kind_free(kind);
    }
    hark_kinds_free(kinds);
}

static void test_kind__own_kinds_are_limited(void **state)
{
    (void)state;
    struct hark_kinds *kinds = builtin();
    struct hark_err err = {0};
    char yaml[128];
    struct hark_kind *kind = NULL;
    for (unsigned i = 0; i < HARK_KINDS_OWN_MAX; i++) {
        (void)snprintf(yaml, sizeof yaml, "kind: x-%u\n" MINIMAL, i);
        kind = parse(yaml);
        assert_int_equal(hark_kinds_add_own(kinds, &kind, &err), 0);
    }
    kind = parse("kind: x-more\n" MINIMAL);
    assert_int_equal(hark_kinds_add_own(kinds, &kind, &err), HARK_E_LIMIT);
    hark_kind_free(kind);
    hark_kinds_free(kinds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind__builtin_set_is_the_one_in_the_vectors),
        cmocka_unit_test(test_kind__builtin_kinds_are_numbered_in_byte_order),
        cmocka_unit_test(test_kind__never_erased_kinds_hold_no_words),
        cmocka_unit_test(test_kind__erase_reaches_every_erasable_payload),
        cmocka_unit_test(test_kind__a_builtin_kind_reads_as_written),
        cmocka_unit_test(test_kind__vectors),
        cmocka_unit_test(test_kind__messages_do_not_carry_control_characters),
        cmocka_unit_test(test_kind__bytes_that_yaml_would_swallow_are_refused),
        cmocka_unit_test(test_kind__definition_is_the_hash_of_the_bytes),
        cmocka_unit_test(test_kind__own_kinds_are_added_behind),
        cmocka_unit_test(test_kind__own_kinds_may_not_reach_higher),
        cmocka_unit_test(test_kind__own_kinds_are_limited),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
