/*
 * schemas/inner: rules I1 to I6, each broken alone and in order, writing, and the way through
 * an envelope.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "schemas/inner.h"
#include "vectors.h" /* before ok.h, whose err its parameters would hide */

#include "tests/unit/ok.h"
#include "tests/unit/ring_log.h"

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

static int read_text(struct hark_inner *inner, void **state, const char *text)
{
    return hark_inner_read(inner, *state, "sealed", hark_span_str(text), &err);
}

/* What was read is written again, to be read as the same. */
static void write_again(void **state, const char *outer, const struct hark_inner *inner)
{
    struct hark_buf out = hark_buf_init_secret(HARK_ENVELOPE_CONTENT_MAX);
    struct hark_inner again;

    OK(hark_inner_write(&out, *state, outer, inner, &err));
    OK(hark_inner_read(&again, *state, outer, hark_buf_span(&out), &err));
    assert_string_equal(again.kind, inner->kind);
    assert_int_equal(again.re_count, inner->re_count);
    assert_memory_equal(again.re, inner->re, sizeof(again.re));
    assert_true(again.payload == inner->payload || json_equal(again.payload, inner->payload));
    hark_inner_free(&again);
    hark_buf_free(&out);
}

static void test_inner__vectors(void **state)
{
    json_t *vectors = vectors_load("inner.json");
    bool seen[7] = {false};
    size_t i = 0;
    const json_t *test = NULL;

    json_array_foreach(json_object_get(vectors, "cases"), i, test)
    {
        const char *rule = vectors_string(test, "rule"), *outer = vectors_string(test, "outer");
        struct hark_buf content = vectors_hex(vectors_string(test, "content"));
        struct hark_inner inner;
        int rc = hark_inner_read(&inner, *state, outer, hark_buf_span(&content), &err);

        vectors_expect(vectors_string(test, "name"), rc, vectors_string(test, "error"), &err);
        if (rule != NULL)
            seen[strtoul(rule + 1, NULL, 10) % 7] = true;
        if (rc == 0)
            write_again(state, outer, &inner);
        else
            assert_true(inner.payload == NULL && inner.re_count == 0 && inner.kind[0] == '\0');
        hark_inner_free(&inner);
        hark_buf_free(&content);
    }
    for (size_t rule = 1; rule < 7; rule++)
        assert_true(seen[rule]);
    json_decref(vectors);
}

/* Of the built-in kinds just those that section 5 says so of. */
static void test_inner__the_kinds_that_may_be_inside(void **state)
{
    static const char inside[] = " action decision hide idea post profile recognition report "
                                 "response revision topic vote ";

    for (size_t i = 0; i < hark_kinds_count(*state); i++) {
        const char *name = hark_kinds_get(*state, i)->name;
        struct hark_inner inner = {0};
        char text[128], word[64];
        int rc;

        assert_true(
            snprintf(text, sizeof(text), "{\"kind\":\"%s\",\"re\":[],\"payload\":null}", name) > 0);
        assert_true(snprintf(word, sizeof(word), " %s ", name) > 0);
        rc = read_text(&inner, state, text);
        assert_int_not_equal(rc, 0);
        assert_int_equal(rc != HARK_E_INNER_KIND, strstr(inside, word) != NULL);
    }
}

static void add_own(struct hark_kinds *kinds, const char *yaml)
{
    struct hark_kind *kind = NULL;

    OK(hark_kind_parse(&kind, hark_span_str(yaml), "test", &err));
    OK(hark_kinds_add_own(kinds, &kind, &err));
}

#define OWN(name, modes, payload)                                                                  \
    "kind: " name "\nabout: A.\nwho: member\nmodes: " modes "\nerasable: true\npayload: " payload  \
    "\n"
#define INSIDE(name, payload) "{\"kind\":\"" name "\",\"re\":[],\"payload\":" payload "}"

static void test_inner__a_spaces_own_kinds(void **state)
{
    struct hark_kinds *kinds = NULL;
    struct hark_inner inner;
    void *with = NULL;

    (void)state;
    OK(hark_kinds_builtin(&kinds, &err));
    with = kinds;
    add_own(kinds, OWN("x-wave", "open", "none"));
    add_own(kinds, OWN("x-anywhere", "all", "none"));
    add_own(kinds, OWN("x-inside", "encrypted", "none"));
    add_own(kinds, OWN("x-binary", "open", "binary"));
    add_own(kinds, OWN("x-maybe", "open", "json") "payload_optional: true\n"
                                                  "fields: {n: {type: integer, min: 0, max: 9}}\n");
    OK(read_text(&inner, &with, INSIDE("x-wave", "null")));
    assert_null(inner.payload);
    write_again(&with, "sealed", &inner);
    assert_int_equal(read_text(&inner, &with, INSIDE("x-wave", "{}")), HARK_E_PAYLOAD_UNWANTED);
    OK(read_text(&inner, &with, INSIDE("x-anywhere", "null")));
    OK(read_text(&inner, &with, INSIDE("x-inside", "null")));
    assert_int_equal(read_text(&inner, &with, INSIDE("x-binary", "{}")), HARK_E_INNER_KIND);
    OK(read_text(&inner, &with, INSIDE("x-maybe", "null")));
    OK(read_text(&inner, &with, INSIDE("x-maybe", "{\"n\":9}")));
    assert_int_equal(json_integer_value(json_object_get(inner.payload, "n")), 9);
    hark_inner_free(&inner);
    hark_kinds_free(kinds);
}

static void test_inner__only_sealed_and_charter_have_an_inside(void **state)
{
    struct hark_inner inner;

    assert_int_equal(hark_inner_read(&inner, *state, "post",
                                     hark_span_str(INSIDE("idea", "{\"body\":\"x\"}")), &err),
                     HARK_E_INTERNAL);
}

static void test_inner__nothing_is_written_that_is_not_read(void **state)
{
    struct hark_buf out = hark_buf_init_secret(2 * HARK_ENVELOPE_CONTENT_MAX);
    struct hark_inner inner = {.kind = "post", .re_count = 1};
    static char many[HARK_ENVELOPE_CONTENT_MAX + 1];

    inner.payload = json_pack("{s:s}", "body", "");
    assert_int_equal(hark_inner_write(&out, *state, "sealed", &inner, &err), HARK_E_PAYLOAD_RANGE);
    assert_int_equal(json_object_set_new(inner.payload, "body", json_string("x")), 0);
    inner.re_count = HARK_ENTRY_RE_MAX + 1;
    assert_int_equal(hark_inner_write(&out, *state, "sealed", &inner, &err), HARK_E_INNER_FORM);
    inner.re_count = 1;
    memcpy(inner.kind, "po\"st", 6);
    assert_int_equal(hark_inner_write(&out, *state, "sealed", &inner, &err), HARK_E_INNER_FORM);
    memcpy(inner.kind, "post", 5);
    memset(many, 'x', sizeof(many) - 1);
    assert_int_equal(json_object_set_new(inner.payload, "body", json_string(many)), 0);
    assert_int_equal(hark_inner_write(&out, *state, "sealed", &inner, &err), HARK_E_LIMIT);
    assert_int_equal(out.size, 0);
    hark_inner_free(&inner);
    assert_null(inner.payload);
    hark_buf_free(&out);
}

/* ---- through an envelope ---- */

static void seal_and_open(void **state, struct hark_ring *ring, const struct hark_entry *entry,
                          const struct hark_inner *inner)
{
    struct hark_buf envelope = hark_buf_init(HARK_ENVELOPE_MAX);
    struct hark_inner again;

    OK(hark_inner_seal(&envelope, ring, *state, entry, inner, &err));
    OK(hark_inner_open(&again, ring, *state, entry, hark_buf_span(&envelope), 0, 0, &err));
    assert_string_equal(again.kind, inner->kind);
    assert_true(json_equal(again.payload, inner->payload));
    hark_inner_free(&again);
    assert_int_equal(
        hark_inner_open(&again, ring, *state, entry, hark_buf_span(&envelope), 1, 1, &err),
        HARK_E_ENVELOPE_OLD);
    assert_null(again.payload);
    hark_buf_free(&envelope);
}

static void test_inner__goes_through_an_envelope(void **state)
{
    static struct ring_log log;
    struct hark_entry entry = {.has_space = true, .seq = 5, .kind = "sealed"};
    struct hark_inner post = {.kind = "post", .re_count = 1}, charter = {.kind = "charter"};
    struct hark_box *box = ring_box(1);
    struct hark_buf envelope = hark_buf_init(HARK_ENVELOPE_MAX);
    struct hark_ring *ring = NULL;

    ring_log_open(&log);
    entry.space = log.space;
    OK(hark_ring_new(&ring, &log.space, &err));
    OK(hark_ring_own(ring, box, &err));
    post.payload = json_pack("{s:s}", "body", "x");
    charter.payload = json_pack("{s:s,s:{s:s,s:s,s:s}}", "title", "T", "objective", "question", "Q",
                                "owner", "O", "until", "2026-12-31");
    assert_int_equal(hark_inner_seal(&envelope, ring, *state, &entry, &post, &err),
                     HARK_E_EPOCH_UNKNOWN);
    (void)ring_log_join(&log, 1, hark_box_key(box));
    ring_log_feed(ring, &log, 1);
    seal_and_open(state, ring, &entry, &post);
    assert_int_equal(hark_inner_seal(&envelope, ring, *state, &entry, &charter, &err),
                     HARK_E_INNER_KIND);
    hark_inner_free(&post);
    /* A member can seal what is none: that it opens does not make it content. */
    OK(hark_ring_seal(&envelope, ring, &entry, hark_span_str("{}"), &err));
    assert_int_equal(
        hark_inner_open(&post, ring, *state, &entry, hark_buf_span(&envelope), 0, 0, &err),
        HARK_E_INNER_FORM);
    memcpy(entry.kind, "charter", 8);
    seal_and_open(state, ring, &entry, &charter);
    hark_inner_free(&charter);
    hark_buf_free(&envelope);
    hark_ring_free(ring);
    hark_box_free(box);
    ring_log_close(&log);
}

/* A charter may name a community, in one form. */
static void test_inner__a_charter_asks_who_one_is(void **state)
{
    static const struct {
        const char *space, *show;
        int code;
    } CASES[] = {{"07", "must", 0},
                 {"07", "asked", 0},
                 {"07", "perhaps", HARK_E_PAYLOAD_RANGE},
                 {"07", NULL, HARK_E_PAYLOAD_MISSING},
                 {"0g", "must", HARK_E_PAYLOAD_TYPE}};
    static struct ring_log log;
    struct hark_entry entry = {.has_space = true, .seq = 5, .kind = "charter"};
    struct hark_box *box = ring_box(1);
    struct hark_buf envelope = hark_buf_init(HARK_ENVELOPE_MAX);
    struct hark_ring *ring = NULL;

    ring_log_open(&log);
    entry.space = log.space;
    OK(hark_ring_new(&ring, &log.space, &err));
    OK(hark_ring_own(ring, box, &err));
    (void)ring_log_join(&log, 1, hark_box_key(box));
    ring_log_feed(ring, &log, 1);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct hark_inner charter = {.kind = "charter"};
        char space[2 * HARK_HASH_SIZE + 1] = "";

        for (size_t k = 0; k < HARK_HASH_SIZE; k++)
            memcpy(space + 2 * k, CASES[i].space, 3);
        charter.payload = json_pack("{s:s,s:{s:s,s:s,s:s},s:{s:s,s:s*}}", "title", "T", "objective",
                                    "question", "Q", "owner", "O", "until", "2026-12-31",
                                    "community", "space", space, "show", CASES[i].show);
        assert_non_null(charter.payload);
        if (CASES[i].code == 0)
            seal_and_open(state, ring, &entry, &charter);
        else
            assert_int_equal(hark_inner_seal(&envelope, ring, *state, &entry, &charter, &err),
                             CASES[i].code);
        hark_inner_free(&charter);
    }
    hark_buf_free(&envelope);
    hark_ring_free(ring);
    hark_box_free(box);
    ring_log_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inner__vectors),
        cmocka_unit_test(test_inner__the_kinds_that_may_be_inside),
        cmocka_unit_test(test_inner__a_spaces_own_kinds),
        cmocka_unit_test(test_inner__a_charter_asks_who_one_is),
        cmocka_unit_test(test_inner__only_sealed_and_charter_have_an_inside),
        cmocka_unit_test(test_inner__nothing_is_written_that_is_not_read),
        cmocka_unit_test(test_inner__goes_through_an_envelope),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
