/*
 * Cosigners and readers of one space's log around the real rules of schemas/quorum.h, in
 * virtual time. PROTOCOL.md 7.8. Histories are a tree: an entry knows the one before it, so
 * a log is named by its last entry, and a second history is a second branch. Roots are those
 * of real Merkle trees; what must hold is checked by entries, not by roots.
 *
 * Who wrote an entry and who signed what is not played through: the home, when it lies, is
 * taken to be the steward as well and signs any history, as do cosigners that lie. Nobody
 * can sign for an honest one.
 */
#ifndef HARK_TESTS_SIM_SETTLE_H
#define HARK_TESTS_SIM_SETTLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto/merkle.h"
#include "schemas/quorum.h"

#define SETTLE_ENTRIES_MAX  512u
#define SETTLE_GENUINE      14u /* nodes; the first of them is the first home */
#define SETTLE_NODES_MAX    20u /* with the puppets that a fork may name */
#define SETTLE_OUTSIDERS    4u
#define SETTLE_READERS_MAX  (SETTLE_GENUINE + SETTLE_OUTSIDERS)
#define SETTLE_COSIGNED_MAX 2048u
#define SETTLE_SIDES_MAX    3u
#define SETTLE_NONE         0u /* as an entry: the empty log */

/* What is broken on purpose, to see that it is found. */
enum settle_fault {
    SETTLE_SOUND,
    SETTLE_TOO_FEW,      /* a quorum of at most (n + f) / 2 */
    SETTLE_TWO_FACED,    /* honest cosigners without the half of Q3 that compares roots */
    SETTLE_ANSWER_FIRST, /* a cosignature leaves before it is stored */
    SETTLE_FORGET,       /* a reader that starts anew has forgotten what was settled */
    SETTLE_SILENT_HOME,  /* a new home does not cosign what the old quorum has to */
};

enum settle_kind { SETTLE_SPACE, SETTLE_POST, SETTLE_ADD, SETTLE_REMOVE, SETTLE_WANT, SETTLE_HOME };

struct settle_entry {
    uint32_t before;
    uint32_t leap; /* one far before it, to find beginnings soon */
    uint64_t size; /* of the log that ends with it */
    enum settle_kind kind;
    uint32_t value; /* the node; of WANT: how many */
    struct hark_hash root;
    /* as of it */
    uint32_t incarnation, home, needed;
    uint32_t named; /* nodes, the home among them, a bit each */
};

struct settle_cosigned {
    uint32_t cosigner, entry;
    uint64_t time_s;
};

enum settle_stage { SETTLE_IDLE, SETTLE_SIGNED, SETTLE_STORED };

/* Who follows a log; those below SETTLE_GENUINE are nodes and may cosign it, too. */
struct settle_reader {
    uint32_t side; /* what a lying home shows it, mostly */
    uint32_t tip;
    uint64_t looked; /* entries that the quorums are as of */
    struct hark_quorums quorums;
    uint64_t settled;
    uint32_t settled_entry;
    size_t step_count; /* of how it came to be settled: each S of 7.8 */
    uint32_t steps[SETTLE_ENTRIES_MAX];
    /* A node keeps one note of each cosigner; an outsider all that it ever saw. */
    uint32_t kept[SETTLE_NODES_MAX];
    bool seen[SETTLE_COSIGNED_MAX];

    /* a node's own: durable */
    bool has_last;
    struct hark_cosigned_last last;
    uint32_t last_entry;
    /* and not */
    enum settle_stage stage;
    struct settle_cosigned made;
    int64_t clock_s; /* off by so much */
    /* what it ever let out, of which only the test knows */
    struct settle_cosigned out;
};

struct settle_sim {
    uint64_t seed, random, step, now_s;
    enum settle_fault fault;
    bool loud;
    const char *broken; /* what does not hold; NULL: all does */
    bool excused;       /* two histories, after a quorum that nothing is promised of */

    /* fate */
    bool home_lies, loses_home;
    uint64_t lies_from; /* the step; until then everybody is shown the same */
    unsigned forking;   /* per mille of what it writes from then on */
    uint32_t liars;     /* nodes that sign anything; puppets are */
    uint32_t dead;      /* a node that never signs; SETTLE_NODES_MAX: none */
    unsigned wild;      /* per mille of changes that leave too many liars in a quorum */
    unsigned change;    /* per mille of entries that change something */
    uint32_t sides, tips[SETTLE_SIDES_MAX];

    uint32_t entry_count;
    struct settle_entry entries[SETTLE_ENTRIES_MAX]; /* [0]: the empty log */
    struct hark_merkle trees[SETTLE_ENTRIES_MAX];
    size_t cosigned_count;
    struct settle_cosigned cosigned[SETTLE_COSIGNED_MAX]; /* all that was ever let out */
    struct settle_reader readers[SETTLE_READERS_MAX];

    size_t forks, crashes, rewound, refused, settlings, changes, jumps;
    uint32_t captured; /* readers that have such a quorum settled */
};

/* ---- settle_log.c ---- */

uint64_t settle_below(struct settle_sim *sim, uint64_t bound);
bool settle_chance(struct settle_sim *sim, unsigned per_mille);
/* What happens, where one seed is told. */
void settle_tell(const struct settle_sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Only the first is kept: nothing follows from it any more. */
void settle_broken(struct settle_sim *sim, const char *what);
struct hark_key settle_key(uint32_t node);
unsigned settle_count(uint32_t nodes);

/* The new entry on top of that log; NONE: there is no room. */
uint32_t settle_append(struct settle_sim *sim, uint32_t tip, enum settle_kind kind, uint32_t value);
/* A post or a change that may follow there, with luck. */
uint32_t settle_grow(struct settle_sim *sim, uint32_t tip);
/* A new incarnation there, at the same home or another. */
uint32_t settle_move(struct settle_sim *sim, uint32_t tip);
/* The beginning of so many entries. */
uint32_t settle_at(const struct settle_sim *sim, uint32_t tip, uint64_t size);
bool settle_is_beginning(const struct settle_sim *sim, uint32_t beginning, uint32_t tip);
/* How many entries they begin with alike. */
uint64_t settle_common(const struct settle_sim *sim, uint32_t a, uint32_t b);
uint32_t settle_cosigners(const struct settle_entry *entry);
bool settle_can(const struct settle_entry *entry);
/* Can liars of its cosigners sign two histories without one honest one doing so? */
bool settle_is_captured(const struct settle_sim *sim, const struct settle_entry *entry);
HARK_CHECK int settle_bring(const struct settle_sim *sim, struct settle_reader *reader);

/* ---- settle_check.c ---- */

/* `best`: of each cosigner the largest size of the log at tip that it has signed. What is
 * settled by the words of 7.8, size by size; each step is put into `steps` if not NULL. */
uint64_t settle_by_words(const struct settle_sim *sim, uint32_t tip, uint64_t before,
                         const uint64_t *best, uint32_t *steps, size_t *count);
/* Of a cosigner, what counts for the reader: 0: nothing. */
uint64_t settle_best(const struct settle_sim *sim, const struct settle_reader *reader,
                     uint32_t cosigner);
/* Computes what is settled for the reader, and checks all that must hold of it. */
void settle_look(struct settle_sim *sim, struct settle_reader *reader);
/* An honest cosigner lets it out. */
void settle_check_out(struct settle_sim *sim, struct settle_reader *node,
                      const struct settle_cosigned *out);
void settle_check_end(struct settle_sim *sim);

/* ---- settle_run.c ---- */

void settle_run(struct settle_sim *sim, uint64_t seed, enum settle_fault fault);

#endif
