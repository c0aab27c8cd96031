/*
 * Worlds for tests: a space with its steward, home, nodes, recovery keys, members
 * and devices, whose log grows by entries that a test drafts or by random ones,
 * valid and invalid, of all kinds. Everything is real but the clock and chance:
 * keys, signatures, payloads and proofs hold, and the same seed makes the same
 * log byte for byte.
 *
 * Keys come from one pool that all worlds share and are named by their number in
 * it. A broken world (no memory, a draft that cannot be built) ends the test: this
 * is no production code.
 */
#ifndef HARK_TESTS_SUPPORT_WORLDGEN_H
#define HARK_TESTS_SUPPORT_WORLDGEN_H

#include <jansson.h>

#include "schemas/state.h"

/* Numbers in the pool. */
#ifndef WORLD_KEYS /* a bench has a larger crowd */
#define WORLD_KEYS 256u
#endif
#define WORLD_STEWARD   0u
#define WORLD_LOG       1u /* the home's keys */
#define WORLD_COSIGNER  2u
#define WORLD_AUTHOR    3u
#define WORLD_RECOVERY  4u /* three of them, two are enough */
#define WORLD_FIRST_NEW 7u
#define WORLD_NO_KEY    UINT32_MAX

#define WORLD_HOME     "home.example"
#define WORLD_START_MS UINT64_C(1795000000000)

const struct hark_signer *world_signer(uint32_t key); /* borrowed */
const struct hark_key *world_key(uint32_t key);
const struct hark_key *world_box(uint32_t key);        /* its X25519 key, and CURVE key */
const struct hark_box *world_box_pair(uint32_t key);   /* the same with its secret; borrowed */
uint32_t world_key_number(const struct hark_key *key); /* WORLD_NO_KEY when not of the pool */

/* Where git ids come from, for those who have git at hand. */
typedef void world_git_id_fn(void *arg, struct hark_span object, struct hark_git_id *out);
/* The git id of a commit object, without git. */
void world_git_id(struct hark_span object, struct hark_git_id *out);

struct world_entry {
    struct hark_entry entry;
    struct hark_arrival arrival;
    struct hark_span object;
    struct hark_span payload;  /* no data where the entry names none */
    struct hark_effect effect; /* once it is logged */
};

struct world {
    uint64_t random; /* state of the generator */
    uint64_t now_ms;
    uint32_t next_key;         /* the next of the pool that stands for nothing yet */
    bool first_hand;           /* random entries are accepted when they arrive: no intakes */
    bool sealed;               /* an encrypted space */
    bool entrusted;            /* of those: one whose home holds the key */
    uint32_t going, going_key; /* random rotations: member, key number or WORLD_NO_KEY */
    world_git_id_fn *git_id;
    void *git_arg;
    struct hark_hash space;
    struct hark_memstore *mem;
    struct hark_state *state;
    size_t count;
    size_t capacity;
    struct world_entry **log;
};

/* A world of one entry, the founding one. git_id NULL: world_git_id. */
struct world *world_new(uint64_t seed, world_git_id_fn *git_id, void *git_arg);
/* The same of an encrypted space: `admit` and `device` get their group keys by themselves. */
struct world *world_new_sealed(uint64_t seed, world_git_id_fn *git_id, void *git_arg);
struct world *world_new_entrusted(uint64_t seed, world_git_id_fn *git_id, void *git_arg);
void world_free(struct world *world);

uint64_t world_random(struct world *world, uint64_t below);
uint32_t world_new_key(struct world *world);

/* An entry to be. Zeroed fields mean what is right for the next of that feed. */
struct world_draft {
    uint32_t by;
    const char *kind;
    json_t *fields;       /* taken; NULL: no payload, unless raw is given */
    struct hark_span raw; /* a payload's bytes as they are, borrowed */
    size_t re_count;
    struct hark_hash re[HARK_ENTRY_RE_MAX];
    uint64_t time_ms;
    uint64_t accepted_ms;
    const struct hark_hash *space;
    uint64_t seq;
    const struct hark_hash *previous;
    const struct hark_git_id *parent;
    const struct hark_seen *seen; /* NULL: it says of no log that its author saw it; an `epoch`
                                     has all of the log, unless... */
    bool unseen;                  /* ...it is to say nothing */
};

/* Builds it, signed, with its arrival; logs nothing. world_entry_free. */
struct world_entry *world_build(struct world *world, struct world_draft *draft);
void world_entry_free(struct world_entry *entry);
/* Applies it to world->state. On success the world has taken it (*entry NULL),
 * with its effect. */
HARK_CHECK int world_apply(struct world *world, struct world_entry **entry, struct hark_err *err);
/* Both; returns the position. Ends the test when the verdict is not `verdict`
 * (an enum hark_code). */
uint64_t world_log(struct world *world, struct world_draft *draft, int verdict);
/* The same, for a draft without anything special; `about` HARK_NONE or the
 * position of its one Re. */
uint64_t world_say(struct world *world, uint32_t by, const char *kind, json_t *fields,
                   uint64_t about);
/* Logs one random entry; most stand. */
void world_step(struct world *world);

/* Fields of payloads. `ticket` is WORLD_NO_KEY for none. */
json_t *world_hex(const void *data, size_t size);
json_t *world_fields_space(struct world *world);
json_t *world_fields_new_key(struct world *world, uint32_t key, uint32_t ticket);
json_t *world_fields_admit(struct world *world, uint32_t key, const char *role, uint32_t ticket);
json_t *world_fields_device(struct world *world, uint32_t member, uint32_t key);
json_t *world_fields_invite(uint32_t ticket, const char *role, uint32_t uses, uint64_t until_ms);
json_t *world_fields_node(const char *name, uint32_t log, uint32_t cosigner, uint32_t author);
json_t *world_fields_home(struct world *world, const char *name);
json_t *world_fields_kind(const char *name);

/* Of encrypted spaces. */
json_t *world_group_key(uint32_t epoch);
uint32_t world_next_epoch(struct world *world);
/* The numbers of members' keys in force but that member's, and that key (WORLD_NO_KEY:
 * nobody's, none), in ascending order. Returns how many, at most `most`. */
size_t world_keys_staying(struct world *world, uint32_t member, uint32_t key, uint32_t *out,
                          size_t most);
json_t *world_fields_part(uint32_t epoch, uint32_t part, uint32_t parts,
                          const struct hark_hash *commitment, const uint32_t *keys, size_t count);
/* The next entry of a random rotation; false when there is none to be had. */
bool world_draft_rotation(struct world *world, uint32_t steward, struct world_draft *draft);

#endif
