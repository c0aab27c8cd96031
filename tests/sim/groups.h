/*
 * Private groups in virtual time: people with devices in one to three encrypted spaces, a model
 * home for each that logs whatever may be logged, and for each device a node of its own that
 * follows the log (groups_follow.h), late or not at all. PROTOCOL.md 10. All product code is
 * real: entries, signatures, boxes, envelopes, states, rings.
 *
 * Beside it stands a model that knows no cryptography: who holds which key by the words of
 * 10.7 and 10.8, and from it what each node must read and find. A key is a number in it: none,
 * the right one, or another that somebody was given instead.
 */
#ifndef HARK_TESTS_SIM_GROUPS_H
#define HARK_TESTS_SIM_GROUPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "groups_follow.h"
#include "tests/support/worldgen.h"

#define GROUPS_MAX       3u
#define GROUPS_PEOPLE    8u /* with nodes */
#define GROUPS_DEVICES   6u /* of a person */
#define GROUPS_CROWD     40u
#define GROUPS_SEATS_MAX 80u
#define GROUPS_LOG_MAX   512u
#define GROUPS_EPOCHS    128u
#define GROUPS_OUT_MAX   16u
#define GROUPS_FOUND_MAX 256u
#define GROUPS_BOXES_MAX 8u /* X25519 keys of a seat, one after the other */
#define GROUPS_NOBODY    UINT32_MAX

/* Keys of an epoch, as the model knows them. */
#define GROUPS_NO_KEY    0u
#define GROUPS_RIGHT     1u
#define GROUPS_NEVER     255u /* what opens for nobody */
#define GROUPS_FIRST_BAD 2u

/* What is broken on purpose, to see that it is found. */
enum groups_fault {
    GROUPS_SOUND,
    GROUPS_NOT_ANEW,   /* a node keeps its inner state when a key comes from elsewhere */
    GROUPS_WORN,       /* and compares it when it is worn */
    GROUPS_OLD_KEY,    /* an author seals under the epoch before the one in force */
    GROUPS_SOFT_KEY,   /* the steward's fresh key is a step from the one before */
    GROUPS_NO_ROTATION /* who left is never answered with a fresh key */
};

/* How an author lies with a sealed entry, in the order in which it is noticed. */
enum groups_lie {
    GROUPS_HONEST,
    GROUPS_FOREIGN,     /* another member's envelope */
    GROUPS_VERSION,     /* of a version that is not known */
    GROUPS_SHORT,       /* a byte is missing */
    GROUPS_OLD,         /* under an older epoch than the one that its Seen covers */
    GROUPS_AHEAD,       /* of an epoch that is to come */
    GROUPS_AGAIN,       /* an envelope of the author's own from before */
    GROUPS_OTHER_GROUP, /* or from another group */
    GROUPS_HEADERS,     /* sealed for other headers */
    GROUPS_CUT,         /* whole blocks are missing */
    GROUPS_NO_CONTENT   /* what is inside says nothing */
};

/* What an entry is, that only the simulator knows. */
struct groups_truth {
    bool sealed;
    uint32_t seat; /* the author, or GROUPS_NOBODY */
    enum groups_lie lie;
    uint32_t epoch; /* as its envelope says */
    uint8_t key;    /* under which it is sealed */
    char kind[HARK_KIND_NAME_MAX + 1];
    uint32_t mark; /* stands in its words */
};

/* Built, and on its way to the home. */
struct groups_outgoing {
    struct world_entry *entry;
    struct groups_truth truth;
};

enum groups_box { GROUPS_NOT_SENT, GROUPS_GOOD, GROUPS_GARBAGE, GROUPS_OTHER };

/* An epoch that came into force. */
struct groups_event {
    uint64_t position;
    bool fresh;
    uint32_t joiner;                          /* of a step: its seat */
    uint8_t other;                            /* the key in an OTHER box */
    uint8_t box[GROUPS_SEATS_MAX];            /* enum groups_box */
    uint64_t part_position[GROUPS_SEATS_MAX]; /* of a fresh one */
    bool nobody;                              /* a fresh key that nobody has */
    uint8_t key[HARK_EPOCH_KEY_SIZE];         /* the right one */
};

/* A member's device in a group. */
struct groups_seat {
    struct groups *group;
    uint32_t index, person;
    uint32_t pool;           /* its signing key in the world's pool */
    size_t box_count;        /* X25519 keys that it had so far */
    uint32_t box_logged;     /* the one in the log, in the pool */
    uint32_t member, number; /* as the log counts members and keys */
    uint64_t since, until;   /* positions; until HARK_NONE: in force */
    bool left;               /* by `leave` */
    struct follow *node;     /* NULL: of the crowd */
    bool away;               /* does not follow, and nothing comes from it */

    /* its feed, of which it knows more than the home */
    uint64_t seq;
    struct hark_hash last;
    struct hark_git_id last_git;
    struct hark_seen seen; /* a checkpoint that it has verified */
    size_t out_count;
    struct groups_outgoing out[GROUPS_OUT_MAX];

    /* the model of its ring, and what was found otherwise */
    uint32_t passed; /* events */
    uint8_t known[GROUPS_EPOCHS];
    uint32_t learned; /* keys that came from elsewhere: from this epoch on it may know more */
    size_t due_count; /* findings that have to come */
    struct hark_ring_finding due[GROUPS_FOUND_MAX];

    /* by position */
    bool has[GROUPS_LOG_MAX];     /* the envelope */
    bool kept[GROUPS_LOG_MAX];    /* the host keeps it back */
    uint8_t swap[GROUPS_LOG_MAX]; /* enum groups_swap: what the host gives instead, once */
    uint8_t reading[GROUPS_LOG_MAX];
    int error[GROUPS_LOG_MAX];
};

enum groups_swap { GROUPS_AS_IT_IS, GROUPS_SWAP_ENTRY, GROUPS_SWAP_GROUP, GROUPS_TRUNCATE };

struct groups_compared {
    uint64_t size;
    struct hark_hash unread, inner, outer;
};

struct groups {
    struct groups_sim *sim;
    uint32_t index;
    struct world *world; /* its log, and the home's state */
    uint32_t steward;    /* its key in the pool */
    uint32_t office; /* the seat whose ring serves the steward, GROUPS_NOBODY: the first comes */
    uint32_t seat_count;
    struct groups_seat *seats[GROUPS_SEATS_MAX];
    uint32_t event_count;
    struct groups_event events[GROUPS_EPOCHS];
    uint8_t next_bad; /* number for a wrong key */
    struct groups_truth truth[GROUPS_LOG_MAX];
    size_t compared_count;
    struct groups_compared compared[4u * GROUPS_LOG_MAX];
    bool has_old_set; /* the boxes of the last fresh key, to be sent once more */
    uint8_t old_boxes[GROUPS_SEATS_MAX][HARK_EPOCH_BOX_SIZE];
    uint32_t old_pool[GROUPS_SEATS_MAX]; /* the X25519 key that each is for, or GROUPS_NOBODY */
    uint8_t old_commitment[HARK_EPOCH_COMMITMENT_SIZE];
};

/* Errors that name a lie, each of which has to be met. */
#define GROUPS_ERRORS 13u
extern const int groups_errors[GROUPS_ERRORS];

struct groups_sums {
    size_t entries, sealed, opened, outside, silent, missing, erased, joins, lost, rekeys,
        handovers, rotations, hindered, learned, remade, compared, same, found, refused, lies,
        unopened, tricks, stale, restarts, whole, named[GROUPS_ERRORS];
};

struct groups_sim {
    uint64_t seed, random, step;
    enum groups_fault fault;
    bool loud;
    char broken[256]; /* what does not hold; empty: all does */
    bool steward_lies, members_lie, host_lies;
    uint32_t group_count;
    struct groups *groups[GROUPS_MAX];
    uint32_t device_count[GROUPS_PEOPLE];
    uint32_t devices[GROUPS_PEOPLE][GROUPS_DEVICES]; /* keys in the pool, for all groups */
    uint32_t next_pool, next_mark;
    struct groups_sums sums;
};

/* ---- groups_base.c: chance, telling, and making and ending it all ---- */

uint64_t groups_below(struct groups_sim *sim, uint64_t bound);
bool groups_chance(struct groups_sim *sim, unsigned per_mille);
void groups_tell(const struct groups_sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Only the first is kept. */
void groups_broken(struct groups_sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A call of the product that has to succeed; false: it did not, which is broken. */
bool groups_ok(struct groups_sim *sim, int rc, const char *what, const struct hark_err *err);
/* That error told somebody of a lie. */
void groups_name(struct groups_sim *sim, int error);
uint32_t groups_new_pool(struct groups_sim *sim);
void groups_begin(struct groups_sim *sim, uint64_t seed, enum groups_fault fault);
void groups_end(struct groups_sim *sim);
/* A seat for a device that is to be admitted. NULL: there is no room. */
struct groups_seat *groups_new_seat(struct groups *group, uint32_t person, uint32_t pool,
                                    bool with_node);
struct groups_seat *groups_office(struct groups *group); /* NULL: nobody yet */
bool groups_in_force(const struct groups_seat *seat);
/* A seat in force with a node, or NULL. */
struct groups_seat *groups_any_seat(struct groups *group);

/* ---- groups_node.c: what a seat's node gets, and goes through ---- */

extern const struct follow_log groups_log;
void groups_follow(struct groups_seat *seat, uint64_t size);
/* What the host kept back comes. */
void groups_give(struct groups_seat *seat);
/* It is stopped and started. */
void groups_restart(struct groups_seat *seat);
/* A member gives it the keys of epochs from before its time. */
void groups_teach(struct groups_seat *seat);
/* Somebody gives it a wrong key. */
void groups_mislead(struct groups_seat *seat);

/* ---- groups_model.c: what must be, by the words ---- */

/* The epoch in force at a size; false: none. */
bool groups_epoch_at(const struct groups *group, uint64_t size, uint32_t *epoch);
/* The seat's node has gone through the log to that size: what it knows now and has to find. */
void groups_model_pass(struct groups_seat *seat, uint64_t size);
/* The run of steps that the epoch is in: its first and its last epoch that the seat passed. */
uint32_t groups_run_first(const struct groups_seat *seat, uint32_t epoch);
uint32_t groups_run_last(const struct groups_seat *seat, uint32_t epoch);
/* What the sealed entry at `position` is to that seat. */
enum hark_reading groups_expected(struct groups_seat *seat, uint64_t position, int *error);

/* ---- groups_write.c: members' entries ---- */

/* At the end of the home's log. Returns the verdict's code. Takes the entry. */
int groups_append(struct groups *group, struct world_entry **entry,
                  const struct groups_truth *truth);
/* What waits goes to the home. */
void groups_flush(struct groups_seat *seat);
/* Something that members say to each other; or a lie. */
void groups_say(struct groups_seat *seat, enum groups_lie lie);
void groups_erase(struct groups_seat *seat);
void groups_leave(struct groups_seat *seat);
void groups_rekey(struct groups_seat *seat);

/* ---- groups_steward.c ---- */

enum groups_trick {
    GROUPS_FAIR,
    GROUPS_DROP,      /* no fresh key */
    GROUPS_OMIT,      /* none for one who stays, and perhaps one for who goes */
    GROUPS_NUMBER,    /* parts of an epoch that was */
    GROUPS_CITE,      /* a right set, and another commitment is cited */
    GROUPS_REPLAY,    /* an old set once more */
    GROUPS_TWO_KEYS,  /* other keys for some */
    GROUPS_BAD_BOXES, /* boxes that do not open */
    GROUPS_MISUSE     /* a right set for somebody else's going */
};

/* Admits a person by that device, or gives a member one more. */
void groups_join(struct groups *group, uint32_t person, uint32_t pool, enum groups_trick trick,
                 bool with_node);
/* Ends a seat's key, or all of its member's. Tells whether the fresh key is in force. */
bool groups_rotate(struct groups_seat *seat, bool whole_member, enum groups_trick trick,
                   bool hindered);
/* Puts all parts of a fresh key for who stays when that member goes, and then uses it for what
 * it does not fit: it is void. */
void groups_misuse(struct groups_seat *seat, bool by_step);
/* Answers who has left. */
bool groups_answer(struct groups *group, bool hindered);
void groups_hand_over(struct groups *group);

/* ---- groups_check.c ---- */

/* The node's findings, readings, keys, and what it compares, at the size where it is. */
void groups_check_seat(struct groups_seat *seat);
/* Has it a key that it took for the right one? */
bool groups_is_misled(const struct groups_seat *seat);
/* Epoch, keys and leavings that are owed, as the log has them. */
void groups_check_home(struct groups *group);
/* All nodes at the end of the log, where who left is answered. */
void groups_check_end(struct groups *group);

/* ---- groups_run.c ---- */

void groups_run(struct groups_sim *sim, uint64_t seed, enum groups_fault fault);

#endif
