/*
 * What this node signs of other nodes' intakes: that it had what waits there, and when. As of
 * the main log it signs one history of each, forwards (PROTOCOL.md 7.8); but only of what
 * waits, and not for every entry, since each note goes to everybody.
 */
#include <stdlib.h>
#include <string.h>

#include "node/witness_internal.h"

#define REST_S 10u /* between two of one intake, at least */

int hark_witness_intake_node(struct hark_space *space, const char *name,
                             struct hark_node_object *node, bool *is, struct hark_err *err)
{
    bool found = false;
    int rc = hark_space_node_called(space->state, name, node, &found, err);

    *is = rc == 0 && found && node->until == HARK_NONE;
    return rc;
}

/* The name under which the key cosigns now; empty: it does not. */
static int own_name(struct hark_space *space, const struct hark_key *key,
                    char name[HARK_NODE_NAME_MAX + 1], struct hark_err *err)
{
    const uint32_t *numbers = NULL;
    size_t count = hark_state_named(space->state, &numbers);
    int rc = 0;

    name[0] = '\0';
    for (size_t i = 0; rc == 0 && name[0] == '\0' && i < count; i++) {
        struct hark_node_object node;

        rc = hark_state_node(space->state, numbers[i], &node, err);
        if (rc == 0 && hark_key_equal(&node.keys.cosigner, key))
            memcpy(name, node.name, sizeof(node.name));
    }
    return rc;
}

/* Has it been signed a moment ago, or a moment from now, by a clock that went back? */
static bool rests(const struct hark_cosigned *last, uint64_t now_s)
{
    return last != NULL && now_s < last->time_s + REST_S;
}

static int cosign_one(struct hark_space *space, const char *log, const char *name,
                      const struct hark_signer *signer, uint64_t now_s, struct hark_err *err)
{
    const struct hark_cosigned *last =
        hark_notes_find(space->witness->notes, log, hark_signer_key(signer));
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_note_key log_key;
    struct hark_node_object node;
    struct hark_log_head head;
    uint64_t batches = 0, taken = 0, time_s = 0;
    bool may = false;
    int rc = hark_space_log(space, log, &head, &batches, err);

    if (rc == 0)
        rc = hark_space_taken(space, log, &taken, err);
    if (rc < 0 || taken >= head.tree.size || rests(last, now_s))
        return rc;
    rc = hark_witness_intake_node(space, log, &node, &may, err);
    if (rc == 0 && may)
        rc = hark_witness_may(space, log, head.tree.size, last, now_s, &time_s, &may, err);
    if (rc < 0 || !may)
        return rc;
    rc = hark_note_key_init(&log_key, head.origin, HARK_NOTE_ED25519, &node.keys.log, err);
    if (rc == 0)
        rc = hark_space_checkpoint_of(space, &head.batch_id, &note, err);
    if (rc == 0)
        rc = hark_witness_sign_note(space, log, &log_key, name, signer, time_s, &note, err);
    hark_buf_free(&note);
    return rc;
}

int hark_witness_cosign_intakes(struct hark_space *space, const struct hark_signer *signer,
                                uint64_t now_s, struct hark_err *err)
{
    char own[HARK_NODE_NAME_MAX + 1];
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc = hark_witness_bring(space, err);

    if (rc < 0 || space->head.tree.size == 0 || space->witness->damage.code != 0)
        return rc;
    space->witness->has_own = true;
    space->witness->own = *hark_signer_key(signer);
    rc = own_name(space, hark_signer_key(signer), own, err);
    if (rc == 0 && own[0] != '\0')
        rc = hark_space_intakes(space, &names, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (strcmp(names[i], own) != 0)
            rc = cosign_one(space, names[i], own, signer, now_s, err);
    }
    free(names);
    /* Intakes of many nodes that came and went: what is signed is not worth an error. */
    return rc == HARK_E_LIMIT ? 0 : rc;
}
