/*
 * The generations of a person's X25519 key in a space, which a `rekey` replaces one by the
 * next. PROTOCOL.md 2.3. The signing key is that of generation 0 for good.
 *
 * Which generation is in force nobody has to remember: the log names the key, and it is
 * looked for among the first HARK_GENERATIONS_MAX. So a key put back from a backup that
 * knows nothing of a `rekey` finds its own.
 */
#ifndef HARK_NODE_GENERATIONS_H
#define HARK_NODE_GENERATIONS_H

#include "node/node.h"

#define HARK_GENERATIONS_MAX 64u

struct hark_generations {
    struct hark_seed *seed; /* owned */
    struct hark_hash space;
    struct hark_key sign; /* the person's signing key in that space */
    bool member;          /* the state knows it as a member's key, in force or not */
    uint32_t key_number;  /* then */
    bool found;           /* ... and its X25519 key is the one of generation `number` */
    uint32_t number;
};

/* Of the person labelled so, whose key is held here, as of `state` (NULL: of no log). End it
 * on every path. Errors: not-found (no such key here), those of hark_node_load_key. */
HARK_CHECK int hark_generations_begin(struct hark_generations *out, struct hark_node *node,
                                      const struct hark_hash *space, struct hark_state *state,
                                      const char *label, struct hark_err *err);
void hark_generations_end(struct hark_generations *of); /* wipes the seed */
/* The X25519 key pairs from generation `first` on, `max` of them or as many as there are;
 * owned by the caller, also those made before an error (*count). */
HARK_CHECK int hark_generations_boxes(const struct hark_generations *of, uint32_t first,
                                      struct hark_box **out, size_t max, size_t *count,
                                      struct hark_err *err);

#endif
