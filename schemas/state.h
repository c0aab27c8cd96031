/*
 * The state of a space: what the first N entries of its log mean. Judging an
 * entry (PROTOCOL.md 6.1, 6.2) and applying it (6.2, 6.5) are functions of
 * (state, entry, arrival, never-erased payload) alone: no clock, no randomness,
 * and an erasable payload is not even handed in.
 *
 * One thread at a time per state.
 */
#ifndef HARK_SCHEMAS_STATE_H
#define HARK_SCHEMAS_STATE_H

#include "crypto/merkle.h"
#include "schemas/batch.h"
#include "schemas/entry.h"
#include "schemas/kind.h"
#include "schemas/store.h"
#include "schemas/ticket.h"

#define HARK_NONE UINT64_MAX

enum hark_role { HARK_ROLE_MEMBER = 0, HARK_ROLE_STAFF = 1 };
enum hark_status { HARK_STATUS_ACTIVE = 0, HARK_STATUS_REMOVED = 1, HARK_STATUS_LEFT = 2 };
enum hark_mode { HARK_MODE_OPEN = 0, HARK_MODE_ENTRUSTED = 1, HARK_MODE_SEALED = 2 };
/* As a founding entry says it; "unknown" for any other number. */
const char *hark_mode_name(uint8_t mode);
enum hark_key_of {
    HARK_KEY_OF_MEMBER = 0,
    HARK_KEY_OF_STEWARD = 1,
    HARK_KEY_OF_NODE = 2,
    HARK_KEY_OF_RECOVERY = 3,
};

#define HARK_RECOVERY_MAX 16u /* recovery keys of a space */

/* The objects of PROTOCOL.md 6.5 as structs, with their one encoding. */
struct hark_space_object {
    uint32_t rules;
    struct hark_hash kinds;
    uint32_t steward_key; /* key number */
    uint8_t mode;
    uint32_t home; /* node number */
    uint32_t incarnation;
    uint64_t policy; /* position */
    uint64_t closed;
    uint8_t recovery_threshold;
    uint8_t recovery_count;
    struct hark_key recovery[HARK_RECOVERY_MAX];
};
struct hark_member_object {
    uint8_t role, status;
    uint64_t admit, erased_below;
};
struct hark_key_object {
    struct hark_key key, box;
    uint8_t of;
    uint32_t owner; /* member ordinal, node number, place among the recovery keys */
    uint64_t since, until;
};
struct hark_entry_object {
    uint8_t verdict; /* 0 stands, else the number of rule V */
    uint16_t kind;
    uint32_t key;
    uint64_t hidden_by, erased_by, replaces, used_by;
};
struct hark_ticket_object {
    struct hark_key sign, curve;
    uint8_t role;
    uint32_t uses, used;
    uint64_t until_ms, position, revoked;
};
struct hark_node_object {
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_node_keys keys;
    uint64_t since, until;
};
/* In encrypted spaces only. */
struct hark_epoch_object {
    uint64_t position; /* that put it into force */
    bool fresh;        /* not epoch 0, nor a step */
    struct hark_hash commitment;
};
struct hark_group_object {
    uint32_t keys; /* of members, in force */
    uint32_t owed; /* leavings that no fresh key has answered */
    /* The parts of a fresh key that are under way; zeros when there are none. */
    uint32_t parts, came;
    uint64_t since; /* position of part 0 */
    struct hark_hash commitment;
    uint32_t last_key, recipients;
};
/* Not hashed. */
struct hark_feed_object {
    uint64_t seq;
    struct hark_hash last;
    struct hark_git_id last_git;
    uint64_t time_ms;
};

struct hark_state;

/* A state over a store; the store must outlive it. An empty store is the state
 * of an empty log of `space`; a filled one goes on where it was (the small part,
 * log tree and kinds, is kept in the store too). Errors: damaged, io,
 * kind-set (its kind set is not known), unsupported (its rules or mode are not). */
HARK_CHECK int hark_state_open(struct hark_state **out, const struct hark_hash *space,
                               const struct hark_store *store, struct hark_err *err);
void hark_state_free(struct hark_state *state);
/* After the store was rolled back to an earlier transaction: reads the small
 * part again. */
HARK_CHECK int hark_state_reload(struct hark_state *state, struct hark_err *err);

const struct hark_hash *hark_state_space(const struct hark_state *state);
uint64_t hark_state_size(const struct hark_state *state);
const struct hark_merkle *hark_state_log(const struct hark_state *state); /* log tree */
const struct hark_kinds *hark_state_kinds(const struct hark_state *state);
/* Zeroed fields while the log is empty. */
const struct hark_space_object *hark_state_space_object(const struct hark_state *state);

/* What came with an entry: its place and times, its git id (for the feed's next
 * `parent`). For a trial judgement of an entry about to be accepted: position =
 * the state's size, both times = now. */
struct hark_arrival {
    uint64_t arrival_ms, accepted_ms;
    struct hark_git_id git_id;
};

/* What applying an entry did, for the index. */
struct hark_effect {
    uint64_t position;
    int verdict_code; /* 0 or the HARK_E_VOID_* code */
    uint8_t verdict;  /* its number in PROTOCOL.md 6.2 */
    uint16_t kind;
    uint32_t key;      /* author's key number */
    uint8_t author_of; /* enum hark_key_of */
    uint32_t author;   /* member ordinal or node number */
    size_t re_count;
    uint64_t re[HARK_ENTRY_RE_MAX]; /* positions, in order; HARK_NONE where it names nothing */
    uint64_t replaces;              /* vote: position of the vote before, or HARK_NONE */
    bool payload_foreign;           /* its payload hash was first logged under another author */
    bool admitted;                  /* a member came: ordinal in `member` */
    uint32_t member; /* the member that an admit, role, remove, leave, device concerns */
    /* erase: for each Re, the subject's payload hash is to be erased (erased
     * payloads are those for which hark_state_is_erased holds); and whole
     * members: */
    size_t erased_member_count;
    uint32_t erased_members[HARK_ENTRY_RE_MAX];
};

/* PROTOCOL.md 6.1, L2 to L10 (the entry is parsed and verified already). A
 * never-erased kind's payload is given in `payload`, which may be empty for the
 * others. `message` says which. */
HARK_CHECK int hark_state_may_log(struct hark_state *state, const struct hark_entry *entry,
                                  struct hark_span payload, struct hark_err *err);

/* PROTOCOL.md 6.2 without applying: 0 when it would stand, else the HARK_E_VOID_*
 * code with a message. Presumes may_log. */
HARK_CHECK int hark_state_judge(struct hark_state *state, const struct hark_entry *entry,
                                const struct hark_arrival *arrival, struct hark_span payload,
                                struct hark_err *err);

/* May it be logged? Then appends it: judges it, changes the state, fills
 * *effect. Returns an error, with nothing changed, when it may not be logged; a
 * void entry is a success with effect->verdict set. After an error of the store
 * (io, damaged, no-memory) the store must be rolled back and the state
 * reloaded. */
HARK_CHECK int hark_state_apply(struct hark_state *state, const struct hark_entry *entry,
                                const struct hark_arrival *arrival, struct hark_span payload,
                                struct hark_effect *effect, struct hark_err *err);

/* PROTOCOL.md 6.5. */
HARK_CHECK int hark_state_hash(struct hark_state *state, struct hark_hash *out,
                               struct hark_err *err);

/* Has the payload that `entry` names been erased, seen from the log? PROTOCOL.md 4
 * and 6.2: a payload is its first logger's, so the answer hangs on its hash alone:
 * by an erase of an entry of that author which names it, or of all of a member's.
 * True as well for the payload of a never-erased kind whose author might not write
 * it (V1 to V6): nobody keeps it. `position` is that of the entry, or the state's
 * size for one not yet logged. */
HARK_CHECK int hark_state_is_erased(struct hark_state *state, uint64_t position,
                                    const struct hark_entry *entry, bool *erased,
                                    struct hark_err *err);
/* The same of the payload that the entry at `first` was the first to name. */
HARK_CHECK int hark_state_first_is_erased(struct hark_state *state, uint64_t first, bool *erased,
                                          struct hark_err *err);

/* Terms hash of PROTOCOL.md 8.2 (needs entry ids by position, which only the
 * caller's log has: `id_at`). */
typedef int hark_id_at_fn(void *arg, uint64_t position, struct hark_hash *id, struct hark_err *err);
HARK_CHECK int hark_state_terms(struct hark_state *state, hark_id_at_fn *id_at, void *arg,
                                struct hark_hash *out, struct hark_err *err);

/* The message a new key signs (8.3); ticket NULL for "-". Appends it. */
HARK_CHECK int hark_join_message(struct hark_buf *out, const struct hark_hash *space,
                                 const struct hark_key *key, const struct hark_key *box,
                                 const struct hark_key *ticket, const struct hark_hash *terms,
                                 struct hark_err *err);

/* Reading the state. Errors: not-found, io, damaged. */
HARK_CHECK int hark_state_member(struct hark_state *state, uint32_t ordinal,
                                 struct hark_member_object *out, struct hark_err *err);
HARK_CHECK int hark_state_key(struct hark_state *state, uint32_t number,
                              struct hark_key_object *out, struct hark_err *err);
HARK_CHECK int hark_state_find_key(struct hark_state *state, const struct hark_key *key,
                                   bool *found, uint32_t *number, struct hark_err *err);
HARK_CHECK int hark_state_entry(struct hark_state *state, uint64_t position,
                                struct hark_entry_object *out, struct hark_err *err);
HARK_CHECK int hark_state_find_entry(struct hark_state *state, const struct hark_hash *id,
                                     bool *found, uint64_t *position, struct hark_err *err);
/* The position of the entry that was the first to name a payload. */
HARK_CHECK int hark_state_find_payload(struct hark_state *state, const struct hark_hash *hash,
                                       bool *found, uint64_t *first, struct hark_err *err);
HARK_CHECK int hark_state_ticket(struct hark_state *state, uint32_t number,
                                 struct hark_ticket_object *out, struct hark_err *err);
HARK_CHECK int hark_state_find_ticket(struct hark_state *state, const struct hark_key *sign,
                                      bool *found, uint32_t *number, struct hark_err *err);
HARK_CHECK int hark_state_node(struct hark_state *state, uint32_t number,
                               struct hark_node_object *out, struct hark_err *err);
/* The numbers of the nodes now named, at most 64; *numbers is borrowed until the state
 * changes. */
size_t hark_state_named(const struct hark_state *state, const uint32_t **numbers);
/* The node now named so, or with this log key. Error: not-found. */
HARK_CHECK int hark_state_node_called(struct hark_state *state, const char *name,
                                      struct hark_node_object *out, struct hark_err *err);
HARK_CHECK int hark_state_node_with(struct hark_state *state, const struct hark_key *log,
                                    struct hark_node_object *out, struct hark_err *err);
HARK_CHECK int hark_state_feed(struct hark_state *state, uint32_t key_number,
                               struct hark_feed_object *out, struct hark_err *err);
HARK_CHECK int hark_state_counts(struct hark_state *state, uint64_t counts[HARK_SECTION_HASHED_],
                                 struct hark_err *err);

/* ---- Epochs, PROTOCOL.md 10.7: in open spaces there are none ---- */

bool hark_state_is_encrypted(const struct hark_state *state);
/* *found false: nobody was admitted yet, or the space is open. */
HARK_CHECK int hark_state_current_epoch(struct hark_state *state, bool *found, uint32_t *number,
                                        struct hark_err *err);
HARK_CHECK int hark_state_epoch(struct hark_state *state, uint32_t number,
                                struct hark_epoch_object *out, struct hark_err *err);
/* The one in force after the first `size` entries. Also not-found: the log is shorter. */
HARK_CHECK int hark_state_epoch_at(struct hark_state *state, uint64_t size, bool *found,
                                   uint32_t *number, struct hark_err *err);
/* How far a fresh key is, and how many leavings are owed one. */
HARK_CHECK int hark_state_group(struct hark_state *state, struct hark_group_object *out,
                                struct hark_err *err);
/* The position of the last standing `rekey` of that key in an encrypted space, HARK_NONE:
 * there is none. */
HARK_CHECK int hark_state_rekeyed(struct hark_state *state, uint32_t key_number, uint64_t *position,
                                  struct hark_err *err);
/* Who has left and is owed a fresh key: `i` from 0 to below `owed` of the group, in the
 * order of leaving. */
HARK_CHECK int hark_state_owed(struct hark_state *state, uint32_t i, uint32_t *member,
                               struct hark_err *err);

/* The number of a verdict (1 to 30) for a HARK_E_VOID_* code and back; 0 for
 * neither. */
uint8_t hark_verdict_number(int code);
int hark_verdict_code(uint8_t number);

#endif
