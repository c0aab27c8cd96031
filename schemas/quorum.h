/*
 * Who cosigns a space's log at each size, how many of them settle a checkpoint, and what
 * is settled by what they have signed. PROTOCOL.md 7.8. Pure.
 */
#ifndef HARK_SCHEMAS_QUORUM_H
#define HARK_SCHEMAS_QUORUM_H

#include <jansson.h>

#include "schemas/batch.h"

#define HARK_COSIGNERS_MAX   64u  /* the nodes of a space, PROTOCOL.md 11 */
#define HARK_COSIGNER_BACK_S 300u /* Q4: a clock that is further back signs nothing */

struct hark_cosigner {
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_key key;
};

/* As of the sizes from `from` up to that of the next one. */
struct hark_quorum {
    uint64_t from;
    uint32_t needed; /* 0: nothing settles */
    size_t count;
    struct hark_cosigner cosigners[HARK_COSIGNERS_MAX]; /* named, and not the home */
};

/* The quorums of a log's beginning, in order. Zeroed: of no entry. */
struct hark_quorums {
    size_t count;
    struct hark_quorum *list; /* owned */
    /* as of the entries added */
    uint32_t needed;
    char home[HARK_NODE_NAME_MAX + 1];
    size_t node_count;
    struct hark_cosigner nodes[HARK_COSIGNERS_MAX];
};
void hark_quorums_free(struct hark_quorums *quorums); /* zeroes it, too */

/* The kinds of entries that change anything here. */
#define HARK_QUORUM_KINDS 4u
extern const char *const hark_quorum_kinds[HARK_QUORUM_KINDS];

/* Adds an entry that stands, with its payload (never erased, valid); one of another kind
 * changes nothing. In order of position. Errors: no-memory, damaged (it cannot be). */
HARK_CHECK int hark_quorums_add(struct hark_quorums *quorums, uint64_t position, const char *kind,
                                const json_t *payload, struct hark_err *err);
/* The one of a size; NULL: of size 0. Borrowed until the next is added. */
const struct hark_quorum *hark_quorums_at(const struct hark_quorums *quorums, uint64_t size);
/* Are there as many cosigners as it needs, at least one? */
bool hark_quorum_settles(const struct hark_quorum *quorum);

/* What a cosigner signed last in a space. */
struct hark_cosigned_last {
    uint64_t size, time_s;
    struct hark_hash root;
};
/* Rules Q3 and Q4: may it sign so many entries now? `root_there`: the root of the first
 * last->size of them; NULL: there are not as many. last NULL: it has signed nothing. *time_s
 * receives the time to sign. */
bool hark_cosigner_may(const struct hark_cosigned_last *last, uint64_t size,
                       const struct hark_hash *root_there, uint64_t now_s, uint64_t *time_s);

/* What a cosigner has signed: so many entries of the log that it is about. */
struct hark_cosigned_size {
    struct hark_key key;
    uint64_t size;
};
/* The largest settled size of a log of `size` entries of which `before` were known to be
 * settled (0: none). Any number of cosigners, each once, in any order. */
uint64_t hark_quorums_settled(const struct hark_quorums *quorums, uint64_t before, uint64_t size,
                              const struct hark_cosigned_size *cosigned, size_t count);
/* The cosigner with that key, of the quorum at the log's end, or of one whose signatures
 * what is not settled yet still needs; NULL: it is neither's. Borrowed. */
const struct hark_cosigner *hark_quorums_wanted(const struct hark_quorums *quorums,
                                                uint64_t settled, const struct hark_key *key);

#endif
