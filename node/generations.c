/* See generations.h. */
#include "node/generations.h"

#include <string.h>

/* The member seed of a generation. */
static int seed_of(struct hark_seed **out, const struct hark_generations *of, uint32_t number,
                   struct hark_err *err)
{
    uint8_t context[HARK_HASH_SIZE + 4];

    memcpy(context, of->space.bytes, HARK_HASH_SIZE);
    hark_put_u32(context + HARK_HASH_SIZE, number);
    return hark_seed_derive(out, of->seed, "member", hark_span(context, sizeof(context)), err);
}

static int box_of(struct hark_box **out, const struct hark_generations *of, uint32_t number,
                  struct hark_err *err)
{
    struct hark_seed *seed = NULL, *child = NULL;
    int rc = seed_of(&seed, of, number, err);

    *out = NULL;
    if (rc == 0)
        rc = hark_seed_derive(&child, seed, "box", (struct hark_span){0}, err);
    if (rc == 0)
        rc = hark_box_new(out, child, err);
    hark_seed_free(child);
    hark_seed_free(seed);
    return rc;
}

static int find_sign(struct hark_generations *of, struct hark_err *err)
{
    struct hark_seed *seed = NULL, *child = NULL;
    struct hark_signer *signer = NULL;
    int rc = seed_of(&seed, of, 0, err);

    if (rc == 0)
        rc = hark_seed_derive(&child, seed, "sign", (struct hark_span){0}, err);
    if (rc == 0)
        rc = hark_signer_new(&signer, child, err);
    if (rc == 0)
        of->sign = *hark_signer_key(signer);
    hark_signer_free(signer);
    hark_seed_free(child);
    hark_seed_free(seed);
    return rc;
}

/* Which generation is the log's? */
static int find_number(struct hark_generations *of, const struct hark_key *in_log,
                       struct hark_err *err)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && !of->found && i < HARK_GENERATIONS_MAX; i++) {
        struct hark_box *box = NULL;

        rc = box_of(&box, of, i, err);
        of->found = rc == 0 && hark_key_equal(hark_box_key(box), in_log);
        of->number = of->found ? i : 0;
        hark_box_free(box);
    }
    return rc;
}

int hark_generations_begin(struct hark_generations *out, struct hark_node *node,
                           const struct hark_hash *space, struct hark_state *state,
                           const char *label, struct hark_err *err)
{
    struct hark_key_object key = {.owner = 0};
    bool known = false;
    int rc;

    *out = (struct hark_generations){.space = *space};
    rc = hark_node_person_seed(node, label, &out->seed, err);
    if (rc == 0)
        rc = find_sign(out, err);
    if (rc == 0 && state != NULL && hark_state_size(state) > 0)
        rc = hark_state_find_key(state, &out->sign, &known, &out->key_number, err);
    if (rc == 0 && known)
        rc = hark_state_key(state, out->key_number, &key, err);
    out->member = rc == 0 && known && key.of == HARK_KEY_OF_MEMBER;
    return out->member ? find_number(out, &key.box, err) : rc;
}

void hark_generations_end(struct hark_generations *of)
{
    hark_seed_free(of->seed);
    of->seed = NULL;
}

int hark_generations_boxes(const struct hark_generations *of, uint32_t first, struct hark_box **out,
                           size_t max, size_t *count, struct hark_err *err)
{
    int rc = 0;

    *count = 0;
    while (rc == 0 && *count < max && first + *count < HARK_GENERATIONS_MAX) {
        rc = box_of(&out[*count], of, first + (uint32_t)*count, err);
        *count += rc == 0;
    }
    return rc;
}
