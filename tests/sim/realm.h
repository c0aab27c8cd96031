/*
 * A realm: a home, its partners and members' nodes around the real replication
 * core, under virtual time, with everything that may go wrong between and inside
 * them, liars included. Where test_sim.c has numbers for entries, here a log is what
 * it is in PROTOCOL.md 7 and the fakes check all that a node checks: who signed, the
 * chain of batches, the root, arrivals, `Main`, `Taken`, feeds, rights.
 *
 * What stands in for signatures: a tag, the SHA-256 of the signer's secret and of
 * the bytes. realm_tag is the only way to make one, and refuses to make any for
 * another than who acts: so a liar can sign whatever it likes in its own name and
 * nothing in another's. And so that the check does not rest on the fakes' verifying
 * alone, the realm keeps each batch that was rightly made (realm_register): what
 * stands in an honest log and not among these is found at that very step, whatever
 * let it in. Real entries, signatures and the rules of schemas/ run through the same core
 * in tests/e2e (mirrors, hostile peers), not here.
 */
#ifndef HARK_TESTS_SIM_REALM_H
#define HARK_TESTS_SIM_REALM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake.h"

#define REALM_NODES_MAX   9u
#define REALM_NAMED_MAX   4u
#define REALM_LOGS_MAX    (1u + REALM_NAMED_MAX) /* main; the intake of each named node */
#define REALM_BATCHES_MAX 256u
#define REALM_BATCH_MAX   100u /* entries */
#define REALM_MADE_MAX    4096u
#define REALM_SETTLED_MAX 8192u /* entries */
#define REALM_OUTBOX_MAX  32u
#define REALM_ITEMS_MAX   (REALM_OUTBOX_MAX + 2u)
#define REALM_OUT_MAX     2048u
#define REALM_FLIGHT_MAX  8192u
#define REALM_STEWARD     REALM_NODES_MAX /* as an author */
#define REALM_NOBODY      UINT32_MAX
#define REALM_NEVER       UINT64_MAX

/* ---- what is signed ---- */

enum realm_kind { REALM_FOUND = 1, REALM_ADMIT, REALM_HOME, REALM_POST };

#define REALM_OBJECT_SIZE 118u

struct realm_entry {
    uint8_t kind, author;
    uint32_t seq;
    uint64_t value; /* of ADMIT: whom; of HOME: the node; else a number that is new */
    struct hark_hash previous;
    uint64_t size; /* of HOME, with root: what it goes on from */
    struct hark_hash root;
    struct hark_hash id;
    uint8_t object[REALM_OBJECT_SIZE];
    uint32_t intake; /* in the main log: by which it came, or REALM_NOBODY */
};

struct realm_taken {
    uint64_t size;
    struct hark_hash root;
};

struct realm_batch {
    struct hark_hash hash; /* of the commit, which covers all of it */
    uint8_t log, signer;
    uint32_t incarnation; /* main log */
    uint64_t first, count, time_ms;
    struct hark_hash previous; /* zero in the first */
    uint64_t main_size;        /* an intake's Main */
    struct hark_hash main_root;
    struct realm_taken taken[REALM_NAMED_MAX]; /* main: how far of each intake */
    struct hark_hash root;                     /* after it */
    struct realm_entry *entries;
    struct hark_buf wire;
    bool bad;         /* a liar's, that breaks a rule */
    uint32_t holders; /* honest named nodes that ever had it in their log */
};

struct realm_log {
    size_t batches;
    const struct realm_batch *at[REALM_BATCHES_MAX];
};

/* ---- a node ---- */

struct realm;

struct realm_pending {
    uint8_t log, peer;
    struct hark_buf load;
    unsigned batches;
    uint64_t token;
};

struct realm_asked {
    uint8_t peer;
    struct hark_buf body;
    uint64_t token;
};

/* What a liar does; several at once. */
enum realm_lie {
    REALM_WITHHOLD = 1 << 0,   /* says that nothing is new, or that it has nothing */
    REALM_INVENT = 1 << 1,     /* changes what others signed */
    REALM_REORDER = 1 << 2,    /* hands out batches or entries in another order, or not all */
    REALM_PROMISE = 1 << 3,    /* tells of more than there is */
    REALM_SWALLOW = 1 << 4,    /* says that it took what it did not take */
    REALM_TWO_FACES = 1 << 5,  /* shows some another history of its own log */
    REALM_BACK = 1 << 6,       /* shows some its own log as it was, and goes on from there */
    REALM_BAD_BATCH = 1 << 7,  /* signs what breaks a rule */
    REALM_IMPOSSIBLE = 1 << 8, /* answers what was not asked; asks for what nobody has */
};

struct realm_node {
    struct realm *realm;
    uint32_t index;
    struct hark_key key;
    struct hark_core *core; /* NULL: it is down */
    bool named, honest;
    struct realm_log logs[REALM_LOGS_MAX];

    /* its disk, in per mille */
    unsigned append_fails, busy, reads_fail;

    /* it signs nothing in a log before it has compared that with these: the main log
     * (it may find only then that it is the home), its intake */
    uint32_t to_compare, to_compare_intake;
    bool intake_dead; /* its intake hangs on a main log that is gone */
    bool aside;       /* went back, and is not level yet with who told it so */
    uint64_t told_incarnation;
    bool moves; /* as a home: to `heir`, by `moving` */
    uint32_t heir;
    struct realm_entry moving;

    /* a backup of its logs */
    bool has_backup;
    struct realm_log backup[REALM_LOGS_MAX];

    /* a member's */
    size_t outbox_count;
    struct realm_entry outbox[REALM_OUTBOX_MAX];
    uint64_t taken_ms[REALM_OUTBOX_MAX];
    bool asks;
    uint64_t tries; /* of handing in what was taken and is not logged */
    uint64_t again_ms, join_ms;

    /* a liar's */
    unsigned lies;
    uint32_t victims, facing;
    bool forked;
    uint8_t alt_log;
    struct realm_log alt;

    /* what waits */
    uint64_t tick_ms, append_ms, judge_ms, take_ms;
    size_t out_count, pending_count, submitted_count, join_count;
    struct fake_message *out[REALM_OUT_MAX];
    struct realm_pending pending[FAKE_PENDING_MAX];
    struct realm_asked submitted[FAKE_PENDING_MAX], joins[FAKE_PENDING_MAX];
    bool goes_back; /* decided while the core ran, done when it does not */

    /* what was said of whom */
    int said[REALM_NODES_MAX][REALM_LOGS_MAX];   /* the last report's code */
    bool unfit[REALM_NODES_MAX][REALM_LOGS_MAX]; /* ever peer-cursor */
    int caught[REALM_NODES_MAX];                 /* the first rule's code, or 0 */
    unsigned impossible[REALM_NODES_MAX];        /* such answers that came */
    bool malformed[REALM_NODES_MAX];             /* ever called peer-form */
    int report_code;                             /* the very last report's */
    uint32_t report_peer, report_log;

    /* what the last step left, for the next one */
    size_t was[REALM_LOGS_MAX];
    const struct realm_batch *last[REALM_LOGS_MAX];
};

/* ---- the realm ---- */

struct realm {
    uint64_t seed, random, now_ms;
    size_t count, named, logs;
    uint32_t liar, steward_at; /* who acts as steward: the home */
    struct hark_hash space;
    struct hark_hash secrets[REALM_NODES_MAX + 1];
    struct realm_node *nodes[REALM_NODES_MAX];
    bool follows[REALM_NODES_MAX][REALM_NODES_MAX], cut[REALM_NODES_MAX][REALM_NODES_MAX];
    uint64_t next_value, change_ms;
    unsigned lost, doubled, late, quorum;
    bool healed;
    bool quiet; /* nothing is changed on its way out any more */
    /* what happens in it, each once at most */
    bool may_move, may_lose, may_restore, disk_errors;
    uint32_t down; /* who is gone for a while, or REALM_NOBODY */
    uint64_t back_ms;
    /* what did happen */
    bool moved, lost_home, restored, rewound, second_history;
    size_t delivered, lies_told, lies_refused;
    size_t made_count;
    struct realm_batch *made[REALM_MADE_MAX];
    uint64_t settled_size;
    struct hark_hash settled[REALM_SETTLED_MAX]; /* entries, by position */
    size_t flight_count;
    struct fake_message *flight[REALM_FLIGHT_MAX];
};

/* ---- realm.c: chance, the end ---- */

uint64_t realm_any(struct realm *realm);
uint64_t realm_below(struct realm *realm, uint64_t bound);
bool realm_chance(struct realm *realm, unsigned per_mille);
/* Ends the test: the seed, the time, and how to run it again. */
void realm_broken(const struct realm *realm, const char *what);
const char *realm_name(size_t node);

/* ---- realm_log.c: making, verifying ---- */

struct hark_hash realm_tag(const struct realm *realm, uint32_t actor, uint32_t owner,
                           const void *bytes, size_t size);
/* Signs it, as `actor`. */
void realm_entry_make(struct realm *realm, uint32_t actor, struct realm_entry *entry);
HARK_CHECK int realm_entry_read(const struct realm *realm, struct realm_entry *out,
                                struct hark_span object);
uint64_t realm_log_size(const struct realm_log *log);
struct hark_hash realm_log_root(const struct realm_log *log);
struct hark_cursor realm_log_cursor(const struct realm *realm, const struct realm_log *log,
                                    size_t number);
/* After `batches`: how far the author's feed goes, and its last entry. */
uint32_t realm_feed(const struct realm_log *log, size_t batches, uint8_t author,
                    struct hark_hash *last);
bool realm_log_has(const struct realm_log *log, size_t batches, const struct hark_hash *id,
                   uint64_t *position);
bool realm_is_admitted(const struct realm_log *main, size_t batches, uint8_t author);
/* Whose main log it is after `batches`, and its incarnation. */
uint32_t realm_home_of(const struct realm_log *main, size_t batches, uint32_t *incarnation);
/* Main log: how many batches it has at that size with that root; 0: none. */
size_t realm_main_at(const struct realm_log *main, uint64_t size, const struct hark_hash *root);
/* May it be logged next: 0 or a rule's code. For an intake, `main` up to `batches`. */
int realm_may_log(const struct realm_log *log, const struct realm_log *main, size_t batches,
                  const struct realm_entry *entry, const struct realm_entry *before, size_t count);

/* A batch to be, filled in as the next of `log` (which is number `number`). */
void realm_batch_next(struct realm *realm, struct realm_batch *batch, uint8_t number,
                      const struct realm_log *log, uint32_t signer);
/* Computes what follows from the entries, signs as `signer`, encodes. Frees nothing. */
void realm_batch_sign(struct realm *realm, struct realm_batch *batch);
/* Keeps it as one that was rightly made; takes over. */
const struct realm_batch *realm_register(struct realm *realm, const struct realm_batch *batch);
void realm_batch_free(struct realm_batch *batch);
/* Everything that a node checks before it stores a batch in its log; on success it is
 * there. Ends the test when that was never rightly made. */
HARK_CHECK int realm_take_batch(struct realm_node *node, uint8_t number,
                                const struct hark_raw_batch *raw);
struct hark_hash realm_state_hash(const struct realm_log *main);

/* ---- realm_node.c ---- */

struct realm_node *realm_node_new(struct realm *realm, uint32_t index);
void realm_node_start(struct realm_node *node);
void realm_node_stop(struct realm_node *node);
void realm_node_free(struct realm_node *node);
void realm_node_follow(struct realm_node *node);
bool realm_is_home(const struct realm_node *node);
bool realm_may_sign(const struct realm_node *node);
/* Appends its own batch to its own log `number` and tells its core. */
void realm_node_write(struct realm_node *node, uint8_t number, struct realm_batch *batch);
void realm_node_write_post(struct realm_node *node);
void realm_node_append(struct realm_node *node); /* the writer's thread: the oldest */
void realm_node_judge(struct realm_node *node);
void realm_node_take_over(struct realm_node *node);
void realm_node_tend(struct realm_node *node); /* outbox, joining, moving, going back */
uint64_t realm_node_tend_due(const struct realm_node *node);
/* As somebody's log of that name: main is "". */
uint8_t realm_log_number(const struct realm *realm, const struct hark_log_ref *ref);
struct hark_log_ref realm_log_ref(const struct realm *realm, size_t number);
/* What the node shows of that log to whom it is facing. */
const struct realm_log *realm_shown(const struct realm_node *node, size_t number);

/* ---- realm_home.c: moving, losing, restoring ---- */

void realm_move(struct realm *realm);
void realm_lose_home(struct realm *realm);
void realm_come_back(struct realm *realm);
void realm_restore(struct realm *realm);
/* The heir, when it is handed the entry that makes it the home. 0, or why not. */
int realm_become_home(struct realm_node *node, const struct realm_entry *entry);

/* ---- realm_lie.c ---- */

/* False: it does not go out at all. */
bool realm_lie_out(struct realm_node *node, struct fake_message *message);
/* A liar that signs one more batch of its own log may sign another one, too. */
void realm_lie_write(struct realm_node *node, uint8_t number);

/* ---- realm_check.c ---- */

void realm_check(struct realm *realm, struct realm_node *node);
/* Its log is by design not what it was. */
void realm_check_anew(struct realm_node *node);
/* An append of its core's has ended so. */
void realm_check_named(const struct realm_node *node, uint8_t log, uint8_t peer, int code);
bool realm_is_equal(const struct realm *realm);
void realm_check_end(struct realm *realm);

/* ---- realm_run.c ---- */

void realm_step(struct realm *realm, struct realm_node *node);
void realm_run_seed(struct realm *realm, uint64_t seed);

#endif
