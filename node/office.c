#include "node/office.h"

#include <string.h>

#include "node/inside.h"

/* Of the key held here: is it the one of the steward in office; has it ever been one's? */
static int look_at_office(struct hark_space *space, const struct hark_author *steward, bool *in,
                          bool *ever, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_key_object key = {0};
    uint32_t number;
    int rc;

    *in = *ever = false;
    if (hark_state_size(state) == 0)
        return 0;
    rc = hark_state_find_key(state, hark_signer_key(steward->sign), ever, &number, err);
    if (rc == 0)
        rc = hark_state_key(state, hark_state_space_object(state)->steward_key, &key, err);
    *in = rc == 0 && hark_key_equal(&key.key, hark_signer_key(steward->sign));
    return rc;
}

int hark_steward_held(struct hark_node *node, struct hark_space *space, struct hark_author *out,
                      struct hark_err *err)
{
    bool in = false, ever;
    int rc = hark_node_steward(node, hark_space_id(space), out, err);

    if (rc == 0)
        rc = look_at_office(space, out, &in, &ever, err);
    if (rc == 0 && !in)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "this node's steward's key is not in office");
    if (rc < 0)
        hark_author_free(out);
    return rc;
}

/* May a key for the office be made here? One that was in office has ended for good; one that
 * cannot be read now is not to be written over. */
static int may_offer(struct hark_node *node, struct hark_space *space, struct hark_err *err)
{
    struct hark_author steward = {0};
    bool in = false, ever = false;
    int rc = hark_node_steward(node, hark_space_id(space), &steward, err);

    if (rc == 0)
        rc = look_at_office(space, &steward, &in, &ever, err);
    hark_author_free(&steward);
    if (rc == HARK_E_NOT_FOUND)
        return 0;
    if (rc == 0 && (in || !ever))
        rc = hark_err_set(err, HARK_E_EXISTS, "this node holds a steward's key of the space");
    return rc;
}

/* Who cannot read a private group can give its key to nobody. */
static int can_read(struct hark_node *node, struct hark_space *space, struct hark_err *err)
{
    struct hark_inside *inside = NULL;
    const struct hark_epoch *key = NULL;
    uint32_t epoch;
    int rc = hark_node_inside(node, space, &inside, err);

    if (rc < 0 || inside == NULL || !hark_ring_in_force(hark_inside_ring(inside), &epoch))
        return rc;
    return hark_ring_key(&key, hark_inside_ring(inside), epoch, err);
}

int hark_steward_offer(struct hark_node *node, struct hark_space *space, json_t **offer,
                       struct hark_err *err)
{
    struct hark_author steward = {0};
    uint8_t nonce[32];
    int rc = may_offer(node, space, err);

    *offer = NULL;
    if (rc == 0)
        rc = can_read(node, space, err);
    if (rc == 0)
        rc = hark_node_new_steward(node, nonce, &steward, err);
    if (rc < 0)
        return rc;
    *offer = json_object();
    rc = *offer == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an offer")
                        : hark_join_fields(space, &steward, NULL, *offer, err);
    if (rc == 0)
        rc = hark_node_steward_named(node, nonce, hark_space_id(space), err);
    hark_author_free(&steward);
    if (rc < 0) {
        json_decref(*offer);
        *offer = NULL;
    }
    return rc;
}

static int first_nonce(struct hark_space *space, uint8_t nonce[32], struct hark_err *err)
{
    struct hark_row row = {0};
    json_t *json = NULL;
    const char *hex;
    int rc = hark_index_row(hark_space_index(space), 0, &row, err);

    if (rc == 0)
        rc = hark_space_payload_json(space, &row, &json, err);
    hex = json_string_value(json_object_get(json, "nonce"));
    if (rc == 0)
        rc = hex == NULL
                 ? hark_err_set(err, HARK_E_DAMAGED, "the first entry's payload is not here")
                 : hark_hex_decode(nonce, 32, hark_span_str(hex), err);
    json_decref(json);
    return rc;
}

/* Is the key held here the one of the steward in office? */
static int in_office(struct hark_node *node, struct hark_space *space, bool *is,
                     struct hark_err *err)
{
    struct hark_author steward = {0};
    bool ever;
    int rc = hark_node_steward(node, hark_space_id(space), &steward, err);

    *is = false;
    if (rc == 0)
        rc = look_at_office(space, &steward, is, &ever, err);
    hark_author_free(&steward);
    return rc;
}

int hark_steward_regain(struct hark_node *node, struct hark_space *space, bool *is,
                        struct hark_err *err)
{
    uint8_t nonce[32];
    int rc = in_office(node, space, is, err);

    /* Its nonce is here already, whoever is in office; or it cannot be read now, and is
     * not to be written over. */
    if (rc != HARK_E_NOT_FOUND)
        return rc;
    rc = first_nonce(space, nonce, err);
    if (rc == 0)
        rc = hark_node_steward_named(node, nonce, hark_space_id(space), err);
    if (rc == 0)
        rc = in_office(node, space, is, err);
    if (rc == 0 && !*is)
        rc = hark_node_steward_forget(node, hark_space_id(space), err);
    return rc;
}
