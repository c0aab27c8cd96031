/*
 * node/net: what is shown of a network that has only just begun, and what it shows to others.
 * What it does over real connections is in tests/e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "node/author.h"
#include "node/net_internal.h"
#include "node/witness.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

struct place {
    char top[32], dir[64];
    struct hark_node *node;
};

/* A node that follows a space at a peer that cannot be reached. */
static int setup(void **state)
{
    struct hark_config_peer peer = {
        .name = "home", .address = "tcp://127.0.0.1:1", .space_count = 1};
    struct hark_config config = {
        .name = "follower", .accept_per_minute = 120, .peer_count = 1, .peers = &peer};
    struct place *place = calloc(1, sizeof(*place));
    struct hark_seed *seed = NULL;
    struct hark_box *box = NULL;

    assert_non_null(place);
    memset(&err, 0, sizeof(err));
    make_directory(place->top);
    join_path(place->dir, sizeof(place->dir), place->top, "follower");
    OK(hark_seed_new(&seed, &err));
    OK(hark_box_new(&box, seed, &err));
    peer.curve = *hark_box_key(box);
    memset(peer.spaces[0].bytes, 7, sizeof(peer.spaces[0].bytes));
    OK(hark_node_init(place->dir, &config, (struct hark_span){0}, &err));
    OK(hark_node_open(&place->node, place->dir, true, &err));
    hark_box_free(box);
    hark_seed_free(seed);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    hark_node_free(place->node);
    remove_directory(place->top);
    free(place);
    return 0;
}

/* Who waits for all that is followed must not take the moment in which the network has
 * not yet heard of it for the end. */
static void test_net__nothing_is_level_before_it_knows_whom_to_follow(void **state)
{
    struct place *place = *state;

    for (int i = 0; i < 20; i++) {
        const struct timespec moment = {.tv_nsec = 1000000};
        char bound[HARK_ADDRESS_MAX + 1];
        struct hark_net *net = NULL;
        struct hark_net_progress at;

        OK(hark_net_start(&net, place->node, false, bound, &err));
        for (;;) {
            hark_net_progress(net, &at);
            if (!at.planning)
                break;
            (void)nanosleep(&moment, NULL);
        }
        assert_int_equal(at.followed, 1);
        assert_int_equal(at.level, 0);
        assert_int_equal(at.away, 1);
        hark_net_stop(net);
    }
}

/* ---- what others are shown ---- */

static struct hark_space *found_space(struct place *place)
{
    const struct hark_founding founding = {
        .title = "Parks", .question = "What now?", .owner = "Ada", .until = "2030-01-01"};
    struct hark_space *space = NULL;
    struct hark_hash id;

    OK(hark_found(place->node, &founding, &id, &err));
    OK(hark_node_space(place->node, &id, &space, &err));
    return space;
}

static void log_one(struct place *place, struct hark_space *space)
{
    json_t *fields = json_pack("{s:{s:i}}", "policy", "merge_delay_s", 3600);

    assert_non_null(fields);
    OK(hark_space_begin(space, &err));
    OK(hark_steward_act(place->node, space, NULL, NULL, "policy", fields, NULL, &err));
    OK(hark_space_commit(space, place->node->identity.log, hark_now_ms(), &err));
    json_decref(fields);
}

/* Somebody cosigns all that is here, and that is kept. */
static void cosign(struct hark_space *space, const struct hark_signer *signer)
{
    struct hark_buf bytes = hark_buf_init(HARK_NOTE_MAX), line = bytes;
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_note_key key;

    assert_non_null(note);
    OK(hark_space_checkpoint(space, &bytes, &err));
    OK(hark_note_parse(note, hark_buf_span(&bytes), &err));
    OK(hark_note_sign(&line, note->text, "witness.example", HARK_NOTE_COSIGNATURE_V1, signer,
                      hark_now_ms() / 1000, &err));
    OK(hark_buf_append_span(&bytes, hark_buf_span(&line), &err));
    OK(hark_note_key_init(&key, "witness.example", HARK_NOTE_COSIGNATURE_V1,
                          hark_signer_key(signer), &err));
    OK(hark_witness_keep(space, &key, hark_buf_span(&bytes), &err));
    free(note);
    hark_buf_free(&bytes);
    hark_buf_free(&line);
}

static uint64_t version_shown(struct hark_net *net, struct place *place,
                              const struct hark_hash *space)
{
    uint64_t next_ms = 0, version = 0;

    OK(hark_net_update(net, place->node, &next_ms, &err));
    OK(hark_net_witness(net, place->node, &next_ms, &err));
    OK(hark_net_io_notes(net, space, &version, NULL, &err));
    return version;
}

/* Peers have noted how far they were shown it: what is less than that they would never see. */
static void test_net__what_is_shown_does_not_go_back_when_a_space_is_opened_anew(void **state)
{
    struct place *place = *state;
    struct hark_space *space = found_space(place);
    const struct hark_hash id = *hark_space_id(space);
    struct hark_signer *signer = NULL;
    char bound[HARK_ADDRESS_MAX + 1];
    struct hark_seed *seed = NULL;
    struct hark_net *net = NULL;
    uint64_t before, after;

    OK(hark_seed_new(&seed, &err));
    OK(hark_signer_new(&signer, seed, &err));
    OK(hark_net_start(&net, place->node, false, bound, &err));
    for (unsigned i = 0; i < 3; i++) {
        log_one(place, space);
        cosign(space, signer);
    }
    before = version_shown(net, place, &id);
    assert_true(before >= 3);
    assert_int_equal(version_shown(net, place, &id), before);
    hark_node_close_space(place->node, &id);
    OK(hark_node_space(place->node, &id, &space, &err));
    after = version_shown(net, place, &id);
    assert_true(after > before);
    log_one(place, space);
    cosign(space, signer);
    assert_int_equal(version_shown(net, place, &id), after + 1);
    hark_net_stop(net);
    hark_signer_free(signer);
    hark_seed_free(seed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_net__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_level_before_it_knows_whom_to_follow),
        TEST(what_is_shown_does_not_go_back_when_a_space_is_opened_anew),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
