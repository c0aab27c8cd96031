/*
 * What must hold: nothing is held against anybody, what is settled never goes back, and in
 * the end all have the same, with all in it that anybody said.
 */
#include "honest.h"

static int count_one(void *arg, struct hark_space *space, const char *path, struct hark_err *err)
{
    size_t *count = arg;

    (void)space;
    (void)path;
    (void)err;
    (*count)++;
    return 0;
}

size_t honest_evidence(struct honest *h, struct honest_node *node)
{
    size_t count = 0;

    HONEST_OK(h, hark_convict_each(node->space, count_one, &count, why));
    return count;
}

static void check_settled(struct honest *h, struct honest_node *node)
{
    struct hark_hash root = node->settled_root;
    uint64_t settled = 0;

    HONEST_OK(h, hark_witness_settled(node->space, &settled, why));
    if (settled < node->settled)
        honest_broken(h, "what was settled is not any more", NULL);
    if (settled == node->settled && honest_size(node) == node->settled_size)
        return;
    if (node->settled > 0)
        HONEST_OK(h, hark_space_root(node->space, "", node->settled, &root, why));
    if (!hark_hash_equal(&root, &node->settled_root))
        honest_broken(h, "what was settled is something else now", NULL);
    if (settled > node->settled)
        HONEST_OK(h, hark_space_root(node->space, "", settled, &node->settled_root, why));
    node->settled = settled;
    node->settled_size = honest_size(node);
}

void honest_check(struct honest *h, struct honest_node *node)
{
    if (honest_evidence(h, node) > 0)
        honest_broken(h, "there is evidence against somebody honest", NULL);
    if (hark_witness_damaged(node->space) != NULL)
        honest_broken(h, "a note is damaged", NULL);
    check_settled(h, node);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void check_same(struct honest *h, struct honest_node *a, struct honest_node *b)
{
    const struct hark_log_head *left = hark_space_head(a->space),
                               *right = hark_space_head(b->space);
    struct hark_hash state_a, state_b;

    if (left->tree.size != right->tree.size || !hark_hash_equal(&left->batch, &right->batch))
        honest_broken(h, "two nodes end with other logs", NULL);
    HONEST_OK(h, hark_state_hash(hark_space_state(a->space), &state_a, why));
    HONEST_OK(h, hark_state_hash(hark_space_state(b->space), &state_b, why));
    if (!hark_hash_equal(&state_a, &state_b))
        honest_broken(h, "two nodes end with other states", NULL);
}

static void check_said(struct honest *h, struct honest_node *node)
{
    for (size_t i = 0; i < HONEST_AUTHORS; i++) {
        for (size_t j = 0; j < h->authors[i].count; j++) {
            if (!honest_has(h, node, &h->authors[i].said[j]->entry.id))
                honest_broken(h, "what somebody said is not logged", NULL);
        }
    }
}

/* Whoever signed what a lost home took with it signs no more: then some may be missing. */
static bool all_can_sign(struct honest *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct honest_node *node = &h->nodes[i];
        bool stuck = false;

        if (node->space == NULL)
            return false;
        HONEST_OK(h, hark_witness_stuck(node->space, world_key(node->cosigner), &stuck, why));
        if (stuck)
            return false;
    }
    return true;
}

void honest_check_end(struct honest *h)
{
    struct honest_node *home = honest_home(h);
    bool all = all_can_sign(h);

    if (home == NULL)
        honest_broken(h, "nobody is the home", NULL);
    check_said(h, home);
    for (size_t i = 0; i < h->count; i++) {
        struct honest_node *node = &h->nodes[i];

        if (node->space == NULL)
            continue;
        check_same(h, home, node);
        for (size_t j = 0; j < h->receipts.count; j++)
            honest_verify_receipt(h, node, hark_buf_span(&h->receipts.at[j]));
        for (size_t j = 0; j < h->letters.count; j++)
            honest_show(h, node, hark_buf_span(&h->letters.at[j]));
        honest_check(h, node);
        if (all && node->settled != honest_size(node))
            honest_broken(h, "not all is settled in the end", NULL);
    }
}
