/*
 * What the files of the state share, and nobody else includes: the state itself,
 * its objects' encodings (state_objects.c), what a never-erased payload says
 * (change.c), the founding entry (found.c), the rules V1 to V30 (judge.c,
 * judge_epoch.c), and what a standing entry does (apply.c, epochs.c). state.c puts them
 * together. The inner state of an encrypted space (inner_state.c) is made of the same.
 */
#ifndef HARK_SCHEMAS_STATE_INTERNAL_H
#define HARK_SCHEMAS_STATE_INTERNAL_H

#include <jansson.h>

#include "schemas/payload.h"
#include "schemas/state.h"

/* PROTOCOL.md 11 */
#define HARK_MEMBERS_MAX     (UINT64_C(1) << 24)
#define HARK_KEYS_MAX        (UINT64_C(1) << 24)
#define HARK_DEVICES_MAX     32u
#define HARK_NODES_NAMED_MAX 64u
#define HARK_TICKETS_MAX     UINT64_C(65536)

/* Between calls everything here is also in the store. */
struct hark_state {
    struct hark_store store;
    struct hark_hash space;
    struct hark_merkle log;
    struct hark_kinds *kinds;
    struct hark_space_object space_object;
    size_t node_count;
    uint32_t nodes[HARK_NODES_NAMED_MAX]; /* numbers of those now named, in order */
};

/* Kinds that do something when they stand. */
enum hark_action {
    HARK_ACTION_NONE = 0,
    HARK_ACTION_ADMIT,
    HARK_ACTION_CLOSE,
    HARK_ACTION_COHORT,
    HARK_ACTION_DEVICE,
    HARK_ACTION_EPOCH,
    HARK_ACTION_ERASE,
    HARK_ACTION_HANDOVER,
    HARK_ACTION_HIDE,
    HARK_ACTION_HOME,
    HARK_ACTION_INVITE,
    HARK_ACTION_KIND,
    HARK_ACTION_LEAVE,
    HARK_ACTION_NODE,
    HARK_ACTION_POLICY,
    HARK_ACTION_RECOVER,
    HARK_ACTION_REKEY,
    HARK_ACTION_REMOVE,
    HARK_ACTION_REVOKE,
    HARK_ACTION_ROLE,
    HARK_ACTION_SPACE,
    HARK_ACTION_VOTE,
};

enum hark_action hark_action_of(const char *kind);

/* What a valid never-erased payload says; which fields are filled goes by kind. */
struct hark_change {
    bool add;         /* device, node: add, not remove */
    size_t key_count; /* signing keys it brings */
    struct hark_key keys[3];
    struct hark_key box;
    bool has_proof;
    uint8_t proof[HARK_SIGNATURE_SIZE];
    struct hark_hash terms;
    bool has_ticket, has_ticket_proof;
    struct hark_key ticket;
    uint8_t ticket_proof[HARK_SIGNATURE_SIZE];
    uint8_t role;
    uint32_t member;
    bool has_group_key, has_commitment;   /* admit, device, remove */
    const json_t *older;                  /* admit, device: its list or NULL, as `sealed` */
    uint32_t epoch, part, parts;          /* epoch; of a group_key its epoch */
    struct hark_hash commitment;          /* device, remove, epoch */
    const json_t *sealed;                 /* epoch: its list; lives in the payload's json */
    struct hark_key old_key;              /* device remove */
    struct hark_ticket_object new_ticket; /* invite: keys, role, uses, until */
    struct hark_node_object node;         /* name and keys */
    bool has_holder;                      /* home, of an entrusted space */
    struct hark_key holder;
    uint32_t incarnation; /* home */
    uint64_t size;
    struct hark_hash root;
    struct hark_kind *kind; /* owned */
    const char *definition; /* lives in the payload's json */
};

/* Everything that judging one entry looks at. */
struct hark_judging {
    struct hark_state *state;
    const struct hark_entry *entry;
    const struct hark_arrival *arrival; /* NULL before rule V8 */
    bool inside; /* it was sealed, and `entry` is what it holds: PROTOCOL.md 10.9 */
    struct hark_span payload;
    const struct hark_kind *kind;
    uint16_t kind_number;
    enum hark_action action;
    uint32_t key_number;
    struct hark_key_object key;
    struct hark_member_object member; /* when key.of is a member */
    struct hark_feed_object feed;     /* seq 0: this key has written nothing yet */
    uint64_t re[HARK_ENTRY_RE_MAX];   /* positions or NONE */
    struct hark_entry_object re_object[HARK_ENTRY_RE_MAX];
    bool payload_known;     /* its hash was logged before... */
    uint64_t payload_first; /* ... first by the entry at this position */
    json_t *json;
    struct hark_change change;
    /* What rules found on the way, for apply. */
    uint32_t ticket_number;
    struct hark_ticket_object ticket;
    uint32_t node_number;
    uint32_t old_key_number;
    struct hark_key_object old_key;
    struct hark_member_object target; /* the member that change.member names */
};

/* Look-ups by numbers: a letter (0 for none), a u64 and what follows. */
struct hark_lookup_key {
    uint8_t bytes[HARK_LOOKUP_MAX];
    size_t size;
};
struct hark_lookup_key hark_lookup_u64(char letter, uint64_t number);
struct hark_lookup_key hark_lookup_vote(uint64_t subject, uint32_t member);
struct hark_lookup_key hark_lookup_name(const char *node);
struct hark_lookup_key hark_lookup_recover(uint32_t steward_key, const struct hark_hash *proposal);

/* Letters in HARK_LOOKUP_OTHER. */
#define HARK_OTHER_COHORT  's' /* u64 position of a cohort -> the member's ordinal */
#define HARK_OTHER_REPEAT  'p' /* u64 position -> the author's own first entry of that payload */
#define HARK_OTHER_RECOVER 'r' /* steward key number ‖ proposal -> bits of recovery keys */
#define HARK_OTHER_OWED    'o' /* u64 place among the leavings owed -> the member's ordinal */
#define HARK_OTHER_REKEY   'k' /* u64 key number -> position of its last standing `rekey` */
/* In inner states: what an erasure would take from it. */
#define HARK_OTHER_READ    'i' /* u64 position that logged an envelope first -> its reader */
#define HARK_OTHER_READ_OF 'm' /* u64 ordinal -> position of the member's latest such entry */

/* state.c: resolves kind and author. Errors: entry-rules, entry-key, the store's.
 * hark_judging_end frees what a judgement holds. */
HARK_CHECK int hark_judging_begin(struct hark_judging *j, struct hark_state *state,
                                  const struct hark_entry *entry,
                                  const struct hark_arrival *arrival, struct hark_span payload,
                                  struct hark_err *err);
void hark_judging_end(struct hark_judging *j);
/* Is the entry at `position` by the same member, node or steward? */
HARK_CHECK int hark_judging_same_author(struct hark_judging *j, uint32_t key_number, bool *same,
                                        struct hark_err *err);

/* state.c: hark_state_apply for the inner state, where an entry that the outer state held
 * void is void with that verdict, and one that was opened is given as what it holds, which
 * stands here or not. Error besides: damaged (this state holds void what the outer one does
 * not, though nothing of it was sealed). */
struct hark_outside {
    uint8_t verdict;
    bool opened;
};
HARK_CHECK int hark_state_apply_inner(struct hark_state *state, const struct hark_entry *entry,
                                      const struct hark_arrival *arrival, struct hark_span payload,
                                      const struct hark_outside *outside,
                                      struct hark_effect *effect, struct hark_err *err);

/* state_hash.c: the hash of 6.5 with another label. */
HARK_CHECK int hark_state_hash_as(struct hark_state *state, const char *label,
                                  struct hark_hash *out, struct hark_err *err);

/* judge.c: rules V1 to V6 only (who may write), or all of them. */
#define HARK_AUTHOR_RULES 6
HARK_CHECK int hark_judge_author(struct hark_judging *j, struct hark_err *err);
HARK_CHECK int hark_judge_all(struct hark_judging *j, struct hark_err *err);
/* Where the bits are of the recovery keys that stand behind the steward keys in
 * j->change, counted anew after each change of steward. */
struct hark_lookup_key hark_recovery_lookup(const struct hark_judging *j);
HARK_CHECK int hark_recovery_votes(struct hark_judging *j, uint64_t *votes, struct hark_err *err);

/* judge_epoch.c: rule V30. */
HARK_CHECK int hark_judge_epoch(struct hark_judging *j, struct hark_err *err);

/* epochs.c: PROTOCOL.md 10.7. Each does nothing in an open space. What the first entry
 * makes; what a new key object brings along; what a standing entry does to the epochs,
 * which is asked before anything else of it is carried out. */
HARK_CHECK int hark_epochs_found(struct hark_state *state, struct hark_err *err);
HARK_CHECK int hark_epochs_add_key(struct hark_state *state, uint32_t key_number,
                                   struct hark_err *err);
HARK_CHECK int hark_epochs_apply(struct hark_judging *j, uint64_t position, struct hark_err *err);
/* The number that comes after the current one: 0 where there is none yet, and 2^32 where
 * there is none any more. */
HARK_CHECK int hark_epochs_next(struct hark_state *state, uint64_t *next, struct hark_err *err);
/* Has the set under way a box for that key? */
HARK_CHECK int hark_epochs_is_recipient(struct hark_state *state,
                                        const struct hark_group_object *group, uint32_t key_number,
                                        bool *is, struct hark_err *err);
/* The key number in box `i` of the list in an `epoch` entry. */
HARK_CHECK int hark_epochs_box_key(const json_t *sealed, size_t i, uint32_t *number,
                                   struct hark_err *err);

/* change.c: fills j->change from j->json. An error is void-payload where the
 * kind's fields cannot say what is wrong, internal where kind and program
 * disagree. */
HARK_CHECK int hark_change_read(struct hark_judging *j, struct hark_err *err);
void hark_change_free(struct hark_change *change);

/* apply.c: what a standing entry at `position` does beyond taking its place. */
HARK_CHECK int hark_apply_standing(struct hark_judging *j, uint64_t position,
                                   struct hark_effect *effect, struct hark_err *err);
/* Adds a key object bound to its key. */
HARK_CHECK int hark_apply_key(struct hark_state *state, const struct hark_key_object *object,
                              uint32_t *number, struct hark_err *err);
/* Adds a node with its author key. */
HARK_CHECK int hark_apply_node(struct hark_state *state, const struct hark_node_object *node,
                               struct hark_err *err);

/* found.c: the first entry. `kind` receives its number. Error: entry-first,
 * entry-space, unsupported. */
struct hark_founding {
    struct hark_space_object space;
    struct hark_key box; /* the steward's */
    struct hark_node_object home;
};
HARK_CHECK int hark_found_check(struct hark_founding *out, const struct hark_kinds *kinds,
                                const struct hark_entry *entry, struct hark_span payload,
                                struct hark_err *err);
HARK_CHECK int hark_found_apply(struct hark_state *state, const struct hark_entry *entry,
                                const struct hark_founding *founding, struct hark_err *err);

/* Reading fields of a valid payload; false when absent or not so. */
bool hark_json_hex(const json_t *json, const char *name, void *out, size_t size);
bool hark_json_u64(const json_t *json, const char *name, uint64_t max, uint64_t *out);
bool hark_json_is(const json_t *json, const char *name, const char *value);
bool hark_json_node(const json_t *json, struct hark_node_object *node);

/* state_objects.c */
HARK_CHECK int hark_objects_count(struct hark_state *state, enum hark_section section,
                                  uint64_t *count, struct hark_err *err);
HARK_CHECK int hark_objects_put_space(struct hark_state *state, struct hark_err *err);
HARK_CHECK int hark_objects_get_space(struct hark_state *state, struct hark_err *err);
HARK_CHECK int hark_objects_put_member(struct hark_state *state, uint32_t ordinal,
                                       const struct hark_member_object *o, struct hark_err *err);
HARK_CHECK int hark_objects_put_key(struct hark_state *state, uint32_t number,
                                    const struct hark_key_object *o, struct hark_err *err);
HARK_CHECK int hark_objects_put_entry(struct hark_state *state, uint64_t position,
                                      const struct hark_entry_object *o, struct hark_err *err);
HARK_CHECK int hark_objects_put_ticket(struct hark_state *state, uint32_t number,
                                       const struct hark_ticket_object *o, struct hark_err *err);
HARK_CHECK int hark_objects_put_node(struct hark_state *state, uint32_t number,
                                     const struct hark_node_object *o, struct hark_err *err);
HARK_CHECK int hark_objects_put_kind(struct hark_state *state, uint64_t number,
                                     const struct hark_kind *kind, uint64_t position,
                                     struct hark_err *err);
/* The definition's hash in kind object `number`. */
HARK_CHECK int hark_objects_kind_hash(struct hark_state *state, uint64_t number,
                                      struct hark_hash *hash, struct hark_err *err);
HARK_CHECK int hark_objects_put_epoch(struct hark_state *state, uint64_t number,
                                      const struct hark_epoch_object *o, struct hark_err *err);
HARK_CHECK int hark_objects_put_group(struct hark_state *state, const struct hark_group_object *o,
                                      struct hark_err *err);
/* The position of the last part with a box for that key, or HARK_NONE. */
HARK_CHECK int hark_objects_put_recipient(struct hark_state *state, uint32_t key_number,
                                          uint64_t position, struct hark_err *err);
HARK_CHECK int hark_objects_get_recipient(struct hark_state *state, uint32_t key_number,
                                          uint64_t *position, struct hark_err *err);
HARK_CHECK int hark_objects_put_feed(struct hark_state *state, uint32_t key_number,
                                     const struct hark_feed_object *o, struct hark_err *err);
/* A member's keys in force. */
struct hark_devices {
    size_t count;
    uint32_t keys[HARK_DEVICES_MAX];
};
HARK_CHECK int hark_objects_get_devices(struct hark_state *state, uint32_t ordinal,
                                        struct hark_devices *o, struct hark_err *err);
HARK_CHECK int hark_objects_put_devices(struct hark_state *state, uint32_t ordinal,
                                        const struct hark_devices *o, struct hark_err *err);
/* The number of the inner state's own object (inner_state.c) among the small ones. */
#define HARK_SMALL_READING 8u
/* The small part. The head is the space's id and the nodes now named. */
HARK_CHECK int hark_objects_put_head(struct hark_state *state, struct hark_err *err);
HARK_CHECK int hark_objects_get_head(struct hark_state *state, struct hark_hash *space,
                                     struct hark_err *err);
HARK_CHECK int hark_objects_put_log(struct hark_state *state, struct hark_err *err);
HARK_CHECK int hark_objects_get_log(struct hark_state *state, struct hark_merkle *log,
                                    struct hark_err *err);
HARK_CHECK int hark_objects_put_definition(struct hark_state *state, size_t own_number,
                                           struct hark_span yaml, struct hark_err *err);
HARK_CHECK int hark_objects_get_definition(struct hark_state *state, size_t own_number,
                                           struct hark_buf *yaml, struct hark_err *err);

HARK_CHECK int hark_objects_find(struct hark_state *state, enum hark_lookup lookup,
                                 const struct hark_lookup_key *key, bool *found, uint64_t *number,
                                 struct hark_err *err);
HARK_CHECK int hark_objects_bind(struct hark_state *state, enum hark_lookup lookup,
                                 const struct hark_lookup_key *key, uint64_t number,
                                 struct hark_err *err);

#endif
