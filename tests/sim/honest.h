/*
 * Whole spaces on disk, of a home and its partners, through a random history in which
 * everybody keeps to the rules: members write to any node, batches and cosigned notes
 * come in part, late and twice, links are cut, nodes are slow, stop, start and are put back
 * from older copies, clocks drift and jump back, the home moves and is lost. What the nodes
 * do is done by the functions that the daemon calls (node/space.h, node/witness.h,
 * node/convict.h), over real repositories, indexes and notes; what the daemon decides
 * itself (node/net_*.c: who may sign after a start, when a space goes back) is written out
 * in honest_node.c. Time is virtual, and a seed makes the same history every time.
 */
#ifndef HARK_TESTS_SIM_HONEST_H
#define HARK_TESTS_SIM_HONEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/convict.h"
#include "node/space.h"
#include "node/witness.h"
#include "tests/support/worldgen.h"

#define HONEST_PARTNERS_MIN 3u
#define HONEST_PARTNERS_MAX 5u
#define HONEST_NODES_MAX    (HONEST_PARTNERS_MAX + 1u)
#define HONEST_AUTHORS      4u /* the first is the steward */
#define HONEST_STEWARDS     4u /* after the first */
#define HONEST_WORDS        2u /* of recovery keys that make a steward */
#define HONEST_SAID_MAX     160u
#define HONEST_KEPT_MAX     48u
#define HONEST_PATH_MAX     128u
#define HONEST_NOBODY       UINT32_MAX

struct honest_node {
    const char *name;
    uint32_t log, cosigner; /* keys of the pool */
    char dir[HONEST_PATH_MAX], copy[HONEST_PATH_MAX];
    struct hark_space *space; /* NULL: it is down */
    bool is_gone;             /* and does not come back */
    bool has_copy;
    bool is_slow;
    int64_t skew_ms;
    /* since its start (net_plan.c, net_witness.c) */
    bool is_moved;                   /* it was put back from a copy before it */
    uint32_t main_with, intake_with; /* the nodes that had no more of the log, of its intake */
    uint64_t started_ms;
    /* By which entry it moved away, as a home, whose last has been signed then. */
    bool has_left;
    struct hark_hash left_by;
    /* what it knew to be settled when last looked */
    uint64_t settled, settled_size; /* of a log of that size */
    struct hark_hash settled_root;
};

/* Who writes keeps every entry, and hands the same bytes in until they are logged. */
struct honest_author {
    uint32_t key;
    uint64_t seq;
    struct hark_hash last;
    struct hark_git_id parent;
    size_t count;
    struct world_entry *said[HONEST_SAID_MAX];
};

/* What a node showed once, to be shown again later: a `cosign` body, or a receipt. */
struct honest_kept {
    size_t count;
    struct hark_buf at[HONEST_KEPT_MAX];
};

struct honest {
    bool tells; /* what happens, as it does */
    uint64_t seed, random, now_ms;
    unsigned step;
    struct world *world; /* of what all begin with; borrowed */
    struct hark_hash topic;
    size_t count; /* of nodes; the first is the home at first */
    struct honest_node nodes[HONEST_NODES_MAX];
    bool cut[HONEST_NODES_MAX][HONEST_NODES_MAX];
    struct honest_author authors[HONEST_AUTHORS];
    struct honest_author recovery[HONEST_WORDS];
    uint32_t stewards[HONEST_STEWARDS]; /* keys of those to come */
    uint32_t quorum;
    /* A move under way: from a home that signs nothing more, by an entry that only its
     * heir can log. */
    struct world_entry *moving;
    uint32_t moving_from, heir;
    uint32_t lost; /* a home that was lost, and may come back; HONEST_NOBODY */
    struct honest_kept letters, receipts;
    /* what happened */
    size_t entries, cosigned, moves, losses, recoveries, returns, intake_ends, restarts, restores,
        jumps, shown, verified;
};

/* --- honest.c: chance, files, beginning and end ------------------------------------------- */

uint64_t honest_below(struct honest *h, uint64_t bound);
bool honest_chance(struct honest *h, unsigned per_mille);
void honest_tell(const struct honest *h, const char *what, const struct honest_node *node,
                 const struct honest_node *other);
/* Ends the test, saying the seed, and what went wrong. */
void honest_broken(const struct honest *h, const char *what, const struct hark_err *err);
#define HONEST_OK(h, call)                                                                         \
    do {                                                                                           \
        struct hark_err honest_err = {0};                                                          \
        struct hark_err *const why = &honest_err;                                                  \
        if ((call) != 0)                                                                           \
            honest_broken(h, #call, why);                                                          \
    } while (0)

/* For cmocka's group: what all histories begin with, for each number of partners. */
int honest_set_up(void **state);
int honest_tear_down(void **state);
void honest_begin(struct honest *h, uint64_t seed);
void honest_end(struct honest *h);
void honest_copy_tree(struct honest *h, const char *from, const char *to);
void honest_remove_tree(struct honest *h, const char *path);
void honest_keep(struct honest *h, struct honest_kept *kept, struct hark_span bytes);
void honest_forget(struct honest_kept *kept);

/* --- honest_node.c: what a node does ---------------------------------------------------------- */

uint64_t honest_clock(const struct honest *h, const struct honest_node *node);
bool honest_is_home(const struct honest_node *node);
struct honest_node *honest_home(struct honest *h); /* NULL: it is down */
uint64_t honest_size(const struct honest_node *node);
void honest_open(struct honest *h, struct honest_node *node);
void honest_close(struct honest_node *node);
/* May it write to a log now? Tells its space. */
bool honest_may_write(struct honest *h, struct honest_node *node);
/* Asks a peer as the network does: first is shown what that has cosigned, then takes at most
 * so many batches of each log. */
void honest_visit(struct honest *h, struct honest_node *node, struct honest_node *peer,
                  uint64_t most);
void honest_show(struct honest *h, struct honest_node *to, struct hark_span body);
/* What it shows of cosigned checkpoints; false: nothing. */
bool honest_body(struct honest *h, struct honest_node *node, struct hark_buf *out);
bool honest_cosign(struct honest *h, struct honest_node *node);
void honest_take_over(struct honest *h, struct honest_node *node);
/* Hands in what of the author's the log there does not have. */
void honest_hand_in(struct honest *h, struct honest_node *node, struct honest_author *author);
bool honest_has(struct honest *h, struct honest_node *node, const struct hark_hash *id);

/* --- honest_write.c: authors, receipts, moves ---------------------------------------------------
 */

/* One more entry of that author's, who has (seen, or NULL) a checkpoint before them. */
void honest_write(struct honest *h, struct honest_author *author, const char *kind, json_t *fields,
                  struct honest_node *seen);
void honest_write_any(struct honest *h);
void honest_set_quorum(struct honest *h, uint32_t needed);
void honest_make_receipt(struct honest *h, struct honest_node *node, uint64_t position);
void honest_verify_receipt(struct honest *h, struct honest_node *node, struct hark_span receipt);
void honest_begin_move(struct honest *h);
void honest_go_on_moving(struct honest *h);
void honest_lose_home(struct honest *h);
void honest_come_back(struct honest *h);

/* --- honest_run.c, honest_check.c ----------------------------------------------------------------
 */

void honest_run(struct honest *h, uint64_t seed);
/* Everything is delivered, and everybody signs. */
void honest_deliver(struct honest *h);
/* After each step, of a node that is up: nothing is held against anybody, and what was
 * settled is. */
void honest_check(struct honest *h, struct honest_node *node);
/* How many files of evidence a node has. */
size_t honest_evidence(struct honest *h, struct honest_node *node);
void honest_check_end(struct honest *h);

/* --- honest_fault.c ------------------------------------------------------------------------------
 */

#define HONEST_FAULTS 4u
/* Does what is not honest, after an honest history, and ends the test unless it is found. */
void honest_fault(struct honest *h, unsigned number);

#endif
