/*
 * node/net: what is shown of a network that has only just begun. What it does over real
 * connections is in tests/e2e.
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

#include "node/net.h"
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

#define TEST(name) cmocka_unit_test_setup_teardown(test_net__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_level_before_it_knows_whom_to_follow),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
