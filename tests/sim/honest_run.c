/*
 * One seed: what happens, step by step.
 */
#include "honest.h"

#define STEPS_MIN  40u
#define STEPS_MORE 80u
#define SKEW_MS    140000 /* two clocks are never 300 s apart, and none jumps so far back */
#define ROUNDS     6u

static struct honest_node *any_up(struct honest *h)
{
    struct honest_node *node = &h->nodes[honest_below(h, h->count)];

    return node->space != NULL ? node : NULL;
}

static bool is_cut(const struct honest *h, const struct honest_node *a, const struct honest_node *b)
{
    return h->cut[a - h->nodes][b - h->nodes];
}

/* --- steps ------------------------------------------------------------------------------------ */

static void visit_any(struct honest *h)
{
    struct honest_node *node = any_up(h), *peer = any_up(h);

    if (node == NULL || peer == NULL || node == peer || is_cut(h, node, peer) ||
        (node->is_slow && honest_chance(h, 700)))
        return;
    honest_visit(h, node, peer, honest_chance(h, 300) ? honest_below(h, 3) : UINT64_MAX);
}

static void hand_in_any(struct honest *h)
{
    struct honest_node *node = any_up(h);

    if (node != NULL)
        honest_hand_in(h, node, &h->authors[1 + honest_below(h, HONEST_AUTHORS - 1)]);
}

/* What somebody showed once comes again, or only now, to anybody. */
static void show_late(struct honest *h)
{
    struct honest_node *node = any_up(h);

    if (node != NULL && h->letters.count > 0)
        honest_show(h, node, hark_buf_span(&h->letters.at[honest_below(h, h->letters.count)]));
}

static void sign_any(struct honest *h)
{
    struct honest_node *node = any_up(h);

    if (node != NULL)
        (void)honest_cosign(h, node);
}

static void cut_any(struct honest *h)
{
    size_t a = honest_below(h, h->count), b = honest_below(h, h->count);

    if (honest_chance(h, 400)) { /* nobody is cut off any more */
        memset(h->cut, 0, sizeof(h->cut));
    } else if (honest_chance(h, 300)) { /* one is, from all others */
        for (size_t i = 0; i < h->count; i++)
            h->cut[a][i] = h->cut[i][a] = true;
    } else {
        h->cut[a][b] = h->cut[b][a] = true;
    }
}

static void restart_any(struct honest *h)
{
    struct honest_node *node = any_up(h);

    bool is_moved;

    if (node == NULL)
        return;
    is_moved = node->is_moved;
    honest_close(node);
    honest_open(h, node);
    node->is_moved = is_moved; /* which is found again, and asked again */
    h->restarts++;
}

/* A copy of a node's directory is made, while it is down. */
static void copy_any(struct honest *h)
{
    struct honest_node *node = any_up(h);

    /* What is not compared yet might make an older copy seem a newer one. */
    if (node == NULL || node->is_moved || honest_is_home(node))
        return;
    honest_close(node);
    if (node->has_copy)
        honest_remove_tree(h, node->copy);
    honest_copy_tree(h, node->dir, node->copy);
    node->has_copy = true;
    honest_open(h, node);
}

/* It takes the place of what was there since. */
static void put_back_any(struct honest *h)
{
    struct honest_node *node = any_up(h);

    for (size_t i = 0; i < h->count && (node == NULL || !node->has_copy); i++)
        node = any_up(h);
    if (node == NULL || !node->has_copy || honest_is_home(node))
        return;
    honest_close(node);
    honest_remove_tree(h, node->dir);
    honest_copy_tree(h, node->copy, node->dir);
    honest_open(h, node);
    node->is_moved = true;
    honest_tell(h, "is put back", node, NULL);
    node->settled = 0; /* what it knew later it may not know any more */
    memset(&node->settled_root, 0, sizeof(node->settled_root));
    h->restores++;
}

static void turn_clock(struct honest *h)
{
    struct honest_node *node = &h->nodes[honest_below(h, h->count)];

    node->skew_ms = (int64_t)honest_below(h, 2 * SKEW_MS) - SKEW_MS;
    h->jumps++;
}

static void take_over(struct honest *h)
{
    struct honest_node *node = any_up(h);

    if (node != NULL)
        honest_take_over(h, node);
}

static void receipt_any(struct honest *h)
{
    struct honest_node *node = any_up(h);

    if (node == NULL)
        return;
    if (h->receipts.count == 0 || honest_chance(h, 500))
        honest_make_receipt(h, node, honest_below(h, honest_size(node)));
    else
        honest_verify_receipt(h, node,
                              hark_buf_span(&h->receipts.at[honest_below(h, h->receipts.count)]));
}

static void tend_any(struct honest *h)
{
    struct honest_node *node = any_up(h);

    if (node != NULL)
        HONEST_OK(h, hark_space_tend(node->space, why));
}

static void change_quorum(struct honest *h)
{
    /* One cosigner fewer than there are partners can be lost. */
    honest_set_quorum(h, 1 + (uint32_t)honest_below(h, h->count - 2));
}

typedef void step_fn(struct honest *h);

/* How often of a thousand; what is left over are visits. */
static const struct {
    unsigned per_mille;
    step_fn *step;
} STEPS[] = {
    {150, honest_write_any},   {60, hand_in_any},
    {40, show_late},           {150, sign_any},
    {80, take_over},           {40, cut_any},
    {30, restart_any},         {40, copy_any},
    {50, put_back_any},        {30, turn_clock},
    {40, receipt_any},         {20, tend_any},
    {10, change_quorum},       {15, honest_begin_move},
    {10, honest_lose_home},    {25, honest_come_back},
    {40, honest_go_on_moving},
};

static void step_any(struct honest *h)
{
    unsigned at = (unsigned)honest_below(h, 1000);

    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        if (at < STEPS[i].per_mille) {
            STEPS[i].step(h);
            return;
        }
        at -= STEPS[i].per_mille;
    }
    visit_any(h);
}

static void check_all(struct honest *h)
{
    for (size_t i = 0; i < h->count; i++) {
        if (h->nodes[i].space != NULL)
            honest_check(h, &h->nodes[i]);
    }
}

/* --- the end
 * --------------------------------------------------------------------------------------- */

static void visit_all(struct honest *h)
{
    for (size_t i = 0; i < h->count; i++) {
        for (size_t j = 0; j < h->count; j++) {
            if (i != j && h->nodes[i].space != NULL && h->nodes[j].space != NULL)
                honest_visit(h, &h->nodes[i], &h->nodes[j], UINT64_MAX);
        }
    }
}

static void deliver_once(struct honest *h)
{
    struct honest_node *home;

    h->now_ms += 61000;
    visit_all(h);
    honest_go_on_moving(h);
    home = honest_home(h);
    for (size_t i = 0; home != NULL && i < HONEST_AUTHORS; i++)
        honest_hand_in(h, home, &h->authors[i]);
    if (home != NULL)
        honest_take_over(h, home);
    visit_all(h);
    for (size_t i = 0; i < h->count; i++) {
        if (h->nodes[i].space != NULL)
            (void)honest_cosign(h, &h->nodes[i]);
    }
    honest_come_back(h);
}

void honest_deliver(struct honest *h)
{
    memset(h->cut, 0, sizeof(h->cut));
    for (unsigned i = 0; i < ROUNDS; i++)
        deliver_once(h);
    visit_all(h);
}

void honest_run(struct honest *h, uint64_t seed)
{
    unsigned steps;

    honest_begin(h, seed);
    change_quorum(h);
    steps = STEPS_MIN + (unsigned)honest_below(h, STEPS_MORE);
    for (h->step = 1; h->step <= steps; h->step++) {
        h->now_ms += honest_below(h, 20000);
        step_any(h);
        if (honest_chance(h, 500))
            visit_any(h);
        check_all(h);
    }
    if (h->lost != HONEST_NOBODY && honest_chance(h, 300))
        h->nodes[h->lost].is_gone = true;
    honest_deliver(h);
    honest_check_end(h);
}
