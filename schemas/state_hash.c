/*
 * The hashes that are taken of a state (PROTOCOL.md 6.5, 8.2), and the message
 * that a new key signs (8.3).
 */
#include "schemas/state_internal.h"

#include <string.h>

static void add_u64(struct hark_sha256 *h, uint64_t v)
{
    uint8_t bytes[8];

    hark_put_u64(bytes, v);
    hark_sha256_update(h, bytes, sizeof(bytes));
}

static void add_hash(struct hark_sha256 *h, const struct hark_hash *hash)
{
    hark_sha256_update(h, hash->bytes, sizeof(hash->bytes));
}

int hark_state_hash(struct hark_state *state, struct hark_hash *out, struct hark_err *err)
{
    return hark_state_hash_as(state, "hark/state/1\n", out, err);
}

int hark_state_hash_as(struct hark_state *state, const char *label, struct hark_hash *out,
                       struct hark_err *err)
{
    struct hark_hash root = hark_merkle_root(&state->log);
    /* Those of encrypted spaces are no part of another's hash. */
    int sections = hark_state_is_encrypted(state) ? HARK_SECTION_HASHED_ : HARK_SECTION_EPOCH;
    struct hark_sha256 h;
    int rc = HARK_OK;

    hark_sha256_init(&h);
    hark_sha256_update(&h, label, strlen(label));
    add_hash(&h, &state->space);
    add_u64(&h, state->log.size);
    add_hash(&h, &root);
    for (int s = 0; rc == HARK_OK && s < sections; s++) {
        uint64_t count = 0;

        rc = hark_objects_count(state, (enum hark_section)s, &count, err);
        if (rc == HARK_OK)
            rc = state->store.root(state->store.arg, (enum hark_section)s, &root, err);
        add_u64(&h, count);
        add_hash(&h, &root);
    }
    *out = hark_sha256_final(&h);
    return rc;
}

static void add_hex_line(struct hark_sha256 *h, const struct hark_hash *hash)
{
    char hex[2 * HARK_HASH_SIZE + 1];

    hark_hash_hex(hex, hash);
    hark_sha256_update(h, hex, sizeof(hex) - 1);
    hark_sha256_update(h, "\n", 1);
}

int hark_state_terms(struct hark_state *state, hark_id_at_fn *id_at, void *arg,
                     struct hark_hash *out, struct hark_err *err)
{
    static const char LABEL[] = "hark/terms/1\n";
    struct hark_hash id;
    struct hark_sha256 h;
    int rc = id_at(arg, state->space_object.policy, &id, err);

    hark_sha256_init(&h);
    hark_sha256_update(&h, LABEL, sizeof(LABEL) - 1);
    add_hex_line(&h, &state->space);
    if (rc == HARK_OK)
        add_hex_line(&h, &id);
    for (size_t i = 0; rc == HARK_OK && i < state->node_count; i++) {
        struct hark_node_object node;

        rc = hark_state_node(state, state->nodes[i], &node, err);
        if (rc == HARK_OK)
            rc = id_at(arg, node.since, &id, err);
        if (rc == HARK_OK)
            add_hex_line(&h, &id);
    }
    *out = hark_sha256_final(&h);
    return rc;
}

int hark_join_message(struct hark_buf *out, const struct hark_hash *space,
                      const struct hark_key *key, const struct hark_key *box,
                      const struct hark_key *ticket, const struct hark_hash *terms,
                      struct hark_err *err)
{
    char space_hex[2 * HARK_HASH_SIZE + 1];
    char terms_hex[2 * HARK_HASH_SIZE + 1];
    char key_hex[2 * HARK_KEY_SIZE + 1];
    char box_hex[2 * HARK_KEY_SIZE + 1];
    char ticket_hex[2 * HARK_KEY_SIZE + 1] = "-";

    hark_hash_hex(space_hex, space);
    hark_hash_hex(terms_hex, terms);
    hark_key_hex(key_hex, key);
    hark_key_hex(box_hex, box);
    if (ticket != NULL)
        hark_key_hex(ticket_hex, ticket);
    return hark_buf_printf(out, err, "hark/join/1\nspace %s\nkey %s\nbox %s\nticket %s\nterms %s\n",
                           space_hex, key_hex, box_hex, ticket_hex, terms_hex);
}
