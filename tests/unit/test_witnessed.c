/*
 * node/witnessed: what is recorded before it is answered, times that never go back, other
 * people's lines that are not kept, spaces that are here; node/http_route: what paths mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/files.h"
#include "node/http.h"
#include "node/witnessed.h"
#include "tests/unit/ok.h"

#define SPACE "abababababababababababababababababababababababababababababababab"

struct stage {
    char dir[64];
    struct hark_signer *log, *own;
    struct hark_note_key keys[2], own_key;
    struct hark_witnessed witnessed;
    struct hark_merkle tree;
};

static struct hark_signer *signer_of(uint8_t byte)
{
    struct hark_signer *signer = NULL;
    struct hark_seed *seed = NULL;
    uint8_t bytes[HARK_SEED_SIZE];

    memset(bytes, byte, sizeof(bytes));
    OK(hark_seed_from_bytes(&seed, bytes, &err));
    OK(hark_signer_new(&signer, seed, &err));
    hark_seed_free(seed);
    return signer;
}

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/hark-witnessed.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    s->log = signer_of(1);
    s->own = signer_of(2);
    OK(hark_note_key_init(&s->keys[0], "log.example", HARK_NOTE_ED25519, hark_signer_key(s->log),
                          &err));
    OK(hark_note_key_init(&s->keys[1], "club/" SPACE "/1", HARK_NOTE_ED25519,
                          hark_signer_key(s->log), &err));
    OK(hark_note_key_init(&s->own_key, "club", HARK_NOTE_COSIGNATURE_V1, hark_signer_key(s->own),
                          &err));
    s->witnessed = (struct hark_witnessed){
        .dir = s->dir, .name = "club", .cosigner = s->own, .key_count = 2, .keys = s->keys};
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;

    OK(hark_tree_remove(s->dir, &err));
    hark_signer_free(s->log);
    hark_signer_free(s->own);
    free(s);
    return 0;
}

/* Asks to cosign the log of `size` leaves, all of them the byte 'x' but the last, which is
 * `last`; `more` stands under the note. */
static unsigned ask(struct stage *s, const char *origin, uint64_t old_size, char last,
                    const char *more, uint64_t now_s, uint64_t *time_s)
{
    struct hark_checkpoint cp = {.size = old_size + 1};
    struct hark_tlog_request request = {.old_size = old_size};
    struct hark_hash leaf = hark_merkle_leaf(hark_span(&last, 1));
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), out = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf body = hark_buf_init(HARK_TLOG_WITNESS_MAX);
    unsigned status;

    memcpy(cp.origin, origin, strlen(origin) + 1);
    cp.root = leaf;
    if (old_size == 1) {
        struct hark_hash first = hark_merkle_leaf(hark_span("x", 1));

        cp.root = hark_merkle_node(&first, &leaf);
        request.path.count = 1;
        request.path.hashes[0] = leaf;
    }
    OK(hark_checkpoint_sign(&note, &cp, s->log, NULL, &err));
    OK(hark_buf_append_str(&note, more, &err));
    request.note = hark_buf_span(&note);
    OK(hark_tlog_request_encode(&body, &request, &err));
    status = hark_witnessed_add(&s->witnessed, hark_buf_span(&body), now_s, &out, &err);
    assert_int_equal(out.size > 0, status == 200 || status == 409);
    if (status == 200) {
        hark_buf_clear(&body);
        OK(hark_tlog_witness_join(&body, hark_buf_span(&note), hark_buf_span(&out), &s->own_key,
                                  time_s, &err));
    }
    hark_buf_free(&note);
    hark_buf_free(&out);
    hark_buf_free(&body);
    return status;
}

static void test_witnessed__time_does_not_go_back(void **state)
{
    struct stage *s = *state;
    uint64_t time_s = 0;

    assert_int_equal(ask(s, "log.example", 0, 'x', "", 1000000, &time_s), 200);
    assert_int_equal(time_s, 1000000);
    assert_int_equal(ask(s, "log.example", 1, 'y', "", 999699, &time_s), 503);
    assert_int_equal(ask(s, "log.example", 1, 'y', "", 999700, &time_s), 200);
    assert_int_equal(time_s, 1000000);
    assert_int_equal(ask(s, "log.example", 1, 'y', "", 1000001, &time_s), 409);
    assert_int_equal(ask(s, "log.example", 0, 'x', "", 1000001, &time_s), 409);
}

/* Whoever hands a log's checkpoint in can put lines under it: one by our own name that does
 * not hold would spoil the record, and many of them would leave no room in it. */
static void test_witnessed__others_lines_are_not_kept(void **state)
{
    struct stage *s = *state;
    struct hark_buf more = hark_buf_init(HARK_NOTE_MAX), raw = hark_buf_init(128);
    uint64_t time_s = 0;

    OK(hark_buf_append_u32(&raw, s->own_key.id, &err));
    for (unsigned i = 0; i < 9; i++)
        OK(hark_buf_append_u64(&raw, i, &err));
    for (unsigned i = 0; i < HARK_NOTE_SIGNATURES_MAX - 1; i++) {
        OK(hark_buf_append_str(&more, "\xe2\x80\x94 club ", &err));
        OK(hark_base64_encode(&more, hark_buf_span(&raw), &err));
        OK(hark_buf_append_byte(&more, '\n', &err));
    }
    OK(hark_buf_terminate(&more, &err));
    {
        /* The answer is our line alone; joined with those lines it does not verify. */
        struct hark_checkpoint cp = {.origin = "log.example", .size = 1};
        struct hark_tlog_request request = {.old_size = 0};
        struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), out = hark_buf_init(HARK_NOTE_MAX);
        struct hark_buf body = hark_buf_init(HARK_TLOG_WITNESS_MAX);

        cp.root = hark_merkle_leaf(hark_span("x", 1));
        OK(hark_checkpoint_sign(&note, &cp, s->log, NULL, &err));
        OK(hark_buf_append_span(&note, hark_buf_span(&more), &err));
        request.note = hark_buf_span(&note);
        OK(hark_tlog_request_encode(&body, &request, &err));
        assert_int_equal(hark_witnessed_add(&s->witnessed, hark_buf_span(&body), 1000, &out, &err),
                         200);
        hark_buf_free(&note);
        hark_buf_free(&out);
        hark_buf_free(&body);
    }
    assert_int_equal(ask(s, "log.example", 1, 'y', "", 1000, &time_s), 200);
    hark_buf_free(&more);
    hark_buf_free(&raw);
}

static void test_witnessed__a_space_that_is_here(void **state)
{
    struct stage *s = *state;
    char path[256];
    uint64_t time_s = 0;

    assert_int_equal(ask(s, s->keys[1].name, 0, 'x', "", 1000, &time_s), 200);
    (void)snprintf(path, sizeof(path), "%s/spaces", s->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/spaces/" SPACE ".git", s->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ask(s, s->keys[1].name, 1, 'y', "", 1000, &time_s), 404);
    assert_int_equal(ask(s, "other.example", 0, 'x', "", 1000, &time_s), 404);
}

/* What is not durable is not signed. */
static void test_witnessed__nothing_leaves_that_is_not_recorded(void **state)
{
    struct stage *s = *state;
    char path[256];
    uint64_t time_s = 0;

    (void)snprintf(path, sizeof(path), "%s/witnessed", s->dir);
    OK(hark_file_write(path, hark_span_str("in the way"), 0600, &err));
    assert_int_equal(ask(s, "log.example", 0, 'x', "", 1000, &time_s), 500);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ask(s, "log.example", 0, 'x', "", 1000, &time_s), 200);
}

/* A record of another log, or by another key, is not this log's. */
static void test_witnessed__a_record_in_anothers_place(void **state)
{
    struct stage *s = *state;
    struct hark_signer *other = signer_of(3);
    char from[256], to[256], hex[2 * HARK_HASH_SIZE + 1];
    struct hark_hash hash = hark_sha256(hark_span_str("log.example"));
    uint64_t time_s = 0;

    assert_int_equal(ask(s, s->keys[1].name, 0, 'x', "", 1000, &time_s), 200);
    hark_hash_hex(hex, &hash);
    (void)snprintf(to, sizeof(to), "%s/witnessed/%s", s->dir, hex);
    hash = hark_sha256(hark_span_str(s->keys[1].name));
    hark_hash_hex(hex, &hash);
    (void)snprintf(from, sizeof(from), "%s/witnessed/%s", s->dir, hex);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(ask(s, "log.example", 0, 'x', "", 1000, &time_s), 500);
    assert_int_equal(err.code, HARK_E_DAMAGED);
    assert_int_equal(rename(to, from), 0);
    assert_int_equal(ask(s, "log.example", 0, 'x', "", 1000, &time_s), 200);
    s->witnessed.cosigner = other;
    assert_int_equal(ask(s, "log.example", 1, 'y', "", 1000, &time_s), 500);
    s->witnessed.cosigner = s->own;
    s->witnessed.name = "renamed"; /* the key is the same */
    OK(hark_note_key_init(&s->own_key, "renamed", HARK_NOTE_COSIGNATURE_V1, hark_signer_key(s->own),
                          &err));
    assert_int_equal(ask(s, "log.example", 1, 'y', "", 1000, &time_s), 200);
    hark_signer_free(other);
}

static void test_witnessed__what_paths_mean(void **state)
{
    static const char *const nothing[] = {"",
                                          "/",
                                          "/add-checkpoint/",
                                          "//add-checkpoint",
                                          "add-checkpoint",
                                          "/" SPACE,
                                          "/" SPACE "/",
                                          "/" SPACE "/checkpoint/",
                                          "/checkpoint",
                                          "/" SPACE "checkpoint",
                                          SPACE "/checkpoint",
                                          "/A" SPACE "/checkpoint",
                                          "/" SPACE "/checkpoint/../checkpoint"};
    struct hark_http_route route = hark_http_route("/" SPACE "/checkpoint");

    (void)state;
    assert_int_equal(route.what, HARK_HTTP_CHECKPOINT);
    assert_int_equal(route.space.bytes[31], 0xab);
    route = hark_http_route("/" SPACE "/tile/0/000");
    assert_int_equal(route.what, HARK_HTTP_TILE);
    assert_string_equal(route.tile, "tile/0/000");
    assert_int_equal(hark_http_route("/add-checkpoint").what, HARK_HTTP_ADD);
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        if (hark_http_route(nothing[i]).what != HARK_HTTP_NOTHING)
            fail_msg("%s", nothing[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_witnessed__time_does_not_go_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_witnessed__others_lines_are_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_witnessed__a_space_that_is_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_witnessed__a_record_in_anothers_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_witnessed__nothing_leaves_that_is_not_recorded, setup,
                                        teardown),
        cmocka_unit_test(test_witnessed__what_paths_mean),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
