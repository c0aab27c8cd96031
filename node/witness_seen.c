/*
 * What members saw (`Seen`, PROTOCOL.md 3): the size and root of the log that their entry
 * was written over, with the log's own signature. Held against the log here, each makes its
 * author a witness: who was shown another history has the home's signature under it.
 *
 * What an entry brings is kept for a moment and compared when nothing waits for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"
#include "node/witness.h"

#define WAITING_MAX 256u

struct space_saw {
    size_t count;
    struct hark_seen waiting[WAITING_MAX];
};

static bool is_waiting(const struct space_saw *saw, const struct hark_seen *seen)
{
    for (size_t i = saw->count; i-- > 0;) {
        const struct hark_seen *one = &saw->waiting[i];

        if (one->size == seen->size && one->key_id == seen->key_id &&
            hark_hash_equal(&one->root, &seen->root) &&
            memcmp(one->signature, seen->signature, HARK_SIGNATURE_SIZE) == 0)
            return true;
    }
    return false;
}

void hark_witness_saw(struct hark_space *space, const struct hark_seen *seen)
{
    if (space->saw == NULL)
        space->saw = calloc(1, sizeof(*space->saw));
    if (space->saw == NULL || is_waiting(space->saw, seen))
        return; /* for want of memory: what it says stays in the log */
    /* What is left then is of sizes that are not here yet, or cannot be looked at now. */
    if (space->saw->count == WAITING_MAX)
        (void)!hark_witness_compare(space, NULL);
    if (space->saw->count == WAITING_MAX) {
        memmove(space->saw->waiting, space->saw->waiting + 1,
                (WAITING_MAX - 1) * sizeof(*space->saw->waiting));
        space->saw->count--;
    }
    space->saw->waiting[space->saw->count++] = *seen;
}

/* The checkpoint that it is of, as the log's note. */
static int make_note(const struct hark_seen *seen, const char *origin, struct hark_buf *out,
                     struct hark_err *err)
{
    struct hark_checkpoint cp = {.size = seen->size, .root = seen->root};
    uint8_t signature[4 + HARK_SIGNATURE_SIZE];
    int rc;

    (void)snprintf(cp.origin, sizeof(cp.origin), "%s", origin);
    hark_put_u32(signature, seen->key_id);
    memcpy(signature + 4, seen->signature, HARK_SIGNATURE_SIZE);
    rc = hark_checkpoint_encode(out, &cp, err);
    if (rc == 0)
        rc = hark_buf_printf(out, err, "\n\xe2\x80\x94 %s ", origin);
    if (rc == 0)
        rc = hark_base64_encode(out, hark_span(signature, sizeof(signature)), err);
    return rc == 0 ? hark_buf_append_str(out, "\n", err) : rc;
}

/* Under the origin that the key id is of, of all that any node here ever had. */
static int accuse(struct hark_space *space, const struct hark_seen *seen, struct hark_err *err)
{
    uint32_t last = hark_state_space_object(space->state)->incarnation;
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(space->state, counts, err);

    for (uint32_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        rc = hark_state_node(space->state, i, &node, err);
        for (uint32_t number = 1; rc == 0 && number <= last; number++) {
            struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
            char origin[HARK_ORIGIN_MAX + 1];
            struct hark_note_key key;

            hark_origin(origin, node.name, &space->id, number);
            if (hark_note_key_init(&key, origin, HARK_NOTE_ED25519, &node.keys.log, NULL) == 0 &&
                key.id == seen->key_id) {
                rc = make_note(seen, origin, &note, err);
                /* What it finds it keeps; a signature that does not hold accuses nobody. */
                if (rc == 0)
                    rc = hark_witness_take(space, hark_buf_span(&note), err);
                if (hark_err_exit(rc) == 3 || rc == HARK_E_BEHIND || rc == HARK_E_PEER_FORK)
                    rc = 0;
            }
            hark_buf_free(&note);
        }
    }
    return rc;
}

int hark_witness_compare(struct hark_space *space, struct hark_err *err)
{
    struct space_saw *saw = space->saw;
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; saw != NULL && i < saw->count; i++) {
        const struct hark_seen seen = saw->waiting[i];
        struct hark_hash root;

        if (rc < 0 || seen.size > space->head.tree.size) {
            saw->waiting[kept++] = seen;
            continue;
        }
        rc = hark_space_root(space, "", seen.size, &root, err);
        if (rc == 0 && !hark_hash_equal(&root, &seen.root))
            rc = accuse(space, &seen, err);
    }
    if (saw != NULL)
        saw->count = kept;
    return rc;
}
