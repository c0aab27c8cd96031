/*
 * Shared by the files of space.h: the space itself, and the one way in which an
 * entry goes through parsing, judging and indexing, whether it was written here,
 * came from a peer or is read back from git.
 */
#ifndef HARK_NODE_SPACE_INTERNAL_H
#define HARK_NODE_SPACE_INTERNAL_H

#include "node/space.h"
#include "schemas/config.h"

/* An entry on its way into the log. */
struct space_item {
    struct hark_entry entry;
    struct hark_span object;  /* its bytes */
    struct hark_span payload; /* NULL data: none at hand */
    uint8_t payload_state;    /* as in struct hark_raw_entry */
    struct hark_git_id git_id;
    struct hark_git_id blob; /* of the payload, when it is at hand */
    struct hark_effect effect;
    struct hark_arrival arrival;
    /* For an audit, which is about what stands: what it says is not asked for, and
     * git_id is set, whose the bytes are. */
    bool audited;
    enum hark_says says;
    json_t *json; /* owned; the payload when it says something */
    bool is_read; /* hark_space_item_read_payload was called, and had the memory */
    json_t *read; /* owned; what it found, NULL: nothing valid */
    int code;     /* outcome of preparing, with its message */
    struct hark_err err;
};

/* A batch being written at the home. */
struct space_pending {
    bool open;
    size_t count;
    size_t bytes;             /* of entries and payloads */
    uint64_t floor_ms;        /* no arrival is before that: the home has dated its log (7.8) */
    struct space_item *items; /* HARK_BATCH_ENTRIES_MAX of them; object and payload owned */
    struct hark_line *lines;  /* as many */
    size_t taken_count;
    struct hark_taken taken[HARK_BATCH_TAKEN_MAX]; /* what its commit says */
};

#define SPACE_SEEN 64u
struct space_seen {
    struct hark_key author;
    uint64_t time_ms; /* 0: empty */
};

struct hark_space {
    struct hark_hash id;
    char repo_path[HARK_PATH_MAX];
    char index_path[HARK_PATH_MAX];
    char outbox_path[HARK_PATH_MAX];
    char cosign_path[HARK_PATH_MAX];   /* folder of notes.h */
    char evidence_path[HARK_PATH_MAX]; /* folder, of all spaces */
    struct hark_repo *repo;
    struct hark_index *index;
    struct hark_store store;
    struct hark_state *state;
    struct hark_pool *pool;     /* borrowed, may be NULL */
    struct hark_outbox *outbox; /* NULL until it is asked for */
    uint64_t forgot_ms;         /* when it was last rid of what was logged long ago */
    bool read_only;
    bool damaged; /* the index could not be rolled back: reopen */
    struct hark_log_head head;
    uint64_t batches; /* of the main log, as of head */
    struct space_pending pending;
    /* What is under way (space_flight.h), made when it is asked for. Whatever changes
     * the main log sets flight_stale, an intake that grows intake_stale, the outbox's
     * changes outbox_stale. */
    struct space_flight *flight;
    bool flight_stale, intake_stale, outbox_stale;
    struct space_recent *recent;        /* space_accept.c: how often keys were taken from */
    struct space_seen seen[SPACE_SEEN]; /* by the key's first byte; cleared by a rollback */
    struct space_saw *saw;              /* witness_seen.c; NULL: nothing */
    struct space_expected *expected;    /* space_ahead.c; NULL: nothing */
    struct space_witness *witness;      /* witness.c, made when it is asked for */
    struct space_suspects *suspects;    /* convict_twin.c; NULL: none yet */
    struct space_kept *kept;            /* convict_kept.c; NULL: not looked at yet */
    struct space_hashed *hashed;        /* space_prove.c: of intakes; NULL: nothing */
    struct hark_inside *inside;         /* NULL: not looked at */
    bool held;
    bool intake_goes_on;       /* space_intake_end.c: looked at */
    unsigned refreshes;        /* of a reader, since its repository was opened */
    uint64_t rights, erasures; /* hark_space_rights, hark_space_erasures */
};

/* PROTOCOL.md 11: what one answer between nodes can carry. */
#define BATCH_BYTES_FULL (8u * 1024u * 1024u)

#define PATH_FITS(n, size) ((n) > 0 && (size_t)(n) < (size))

/* As hark_space_add, an entry that waits at `position` of the intake of the node
 * `node` ("": none), by which it was accepted at accepted_ms; its arrival is not
 * before that. A batch that is full is committed, without the pending Taken. */
HARK_CHECK int hark_space_add_from(struct hark_space *space, const struct hark_offer *offer,
                                   const char *node, uint64_t position, uint64_t accepted_ms,
                                   const struct hark_signer *log_key, struct hark_logged *out,
                                   struct hark_err *err);
/* As hark_space_begin, for a batch that begins with a `home` entry: what was said of more of
 * the log than is here, under the origin that ends, does not hinder it. */
HARK_CHECK int hark_space_begin_anew(struct hark_space *space, struct hark_err *err);
/* What the next commit says that the log has taken over, in any order, in place of
 * what was said before; copied, and forgotten after a commit or rollback. An intake
 * that is not taken further than the log says already is left out, so that with
 * none further and no entries the commit writes nothing. Error: limit (more than
 * HARK_BATCH_TAKEN_MAX). */
HARK_CHECK int hark_space_pending_taken(struct hark_space *space, const struct hark_taken *taken,
                                        size_t count, struct hark_err *err);

/* hark_space_each_waiting for what comes at `position` or later in the intakes that are
 * named; in the others all of it. */
struct space_from {
    hark_node_name node;
    uint64_t position;
};
HARK_CHECK int hark_space_each_waiting_from(struct hark_space *space, const struct space_from *from,
                                            size_t from_count, hark_waiting_fn *fn, void *arg,
                                            struct hark_err *err);

/* Parses the entry, checks its signature unless trusted, and what is at hand of
 * its payload against the header (size and hash); computes the git ids. Runs on
 * any thread: outcome in item->code. */
void hark_space_item_prepare(struct space_item *item, bool trusted);
/* The two halves of it: the entry, and then what is at hand of its payload. Each does
 * nothing when item->code is set. */
void hark_space_item_read(struct space_item *item, bool trusted);
void hark_space_item_match(struct space_item *item);
/* Reads the payload of a prepared item ahead of hark_space_item_apply, which does it
 * otherwise. */
void hark_space_item_read_payload(struct space_item *item);

/* Judges and applies a prepared item over a state; fills effect and, unless it is
 * audited, says and json. The item's arrival must be set. Used over the index's state
 * and over one in memory alike. */
HARK_CHECK int hark_space_item_apply(struct hark_state *state, struct space_item *item,
                                     struct hark_err *err);

/* Is a prepared item to be accepted from its author: is there nothing for which it
 * would be void or invalid (PROTOCOL.md 6.4)? Its arrival must be set. */
HARK_CHECK int hark_space_item_acceptable(struct hark_state *state, const struct space_item *item,
                                          struct hark_err *err);

/* Adds an applied item to the index. */
HARK_CHECK int hark_space_item_index(struct hark_space *space, const struct space_item *item,
                                     const struct hark_line *line, const struct hark_git_id *batch,
                                     struct hark_err *err);

void hark_space_item_clear(struct space_item *item); /* drops json and read */

/* Origin and log key in force, into *head: from the state, or, for a space's
 * first batch, from its first entry's payload (else `first` may be NULL). */
HARK_CHECK int hark_space_expect(struct hark_state *state, const struct space_item *first,
                                 struct hark_log_head *head, struct hark_err *err);

/* Checks a batch as the next one after head over a state (all of PROTOCOL.md
 * 7.2), applying its entries to the state; `store` is the one that the state is
 * over, and after an error is to be rolled back. items: raw->count, allocated by the
 * caller, zeroed. On success *next is the head after it, *lines is to be freed. */
HARK_CHECK int hark_space_check_batch(struct hark_state *state, const struct hark_store *store,
                                      struct hark_pool *pool, const struct hark_log_head *head,
                                      const struct hark_raw_batch *raw, uint64_t now_ms,
                                      struct space_item *items, struct hark_log_head *next,
                                      struct hark_batch *batch, struct hark_line **lines,
                                      struct hark_err *err);

/* The same for items that are prepared already. */
HARK_CHECK int hark_space_judge_batch(struct hark_state *state, const struct hark_store *store,
                                      const struct hark_log_head *head,
                                      const struct hark_raw_batch *raw, uint64_t now_ms,
                                      struct space_item *items, struct hark_log_head *next,
                                      struct hark_batch *batch, struct hark_line **lines,
                                      struct hark_err *err);

/* The first node that ever went by that name: whose intake the name's is (7.2). */
HARK_CHECK int hark_space_node_called(struct hark_state *state, const char *name,
                                      struct hark_node_object *node, bool *found,
                                      struct hark_err *err);
/* How far the log says to have taken a node's intake; 0 and the empty root while it
 * says nothing. */
HARK_CHECK int hark_space_taken_find(const struct hark_store *store, const char *name,
                                     uint64_t *size, struct hark_hash *root, struct hark_err *err);
/* Does it say more of that intake than the log does? */
HARK_CHECK int hark_space_taken_advances(const struct hark_store *store,
                                         const struct hark_taken *taken, bool *advances,
                                         struct hark_err *err);
/* Rule B13, as far as it hangs on the log before the batch, which head tells of; notes in the
 * store what is taken. (space_taken.c) */
HARK_CHECK int hark_space_apply_taken(struct hark_state *state, const struct hark_store *store,
                                      const struct hark_log_head *head,
                                      const struct hark_batch *batch, struct hark_err *err);
/* The nodes of whose intakes the batch after head, made at time_ms, has to say how far the
 * log has come. Notes in the store since when that is so of each. */
struct space_due {
    size_t count;
    hark_node_name names[HARK_BATCH_TAKEN_MAX];
};
HARK_CHECK int hark_space_due(struct hark_state *state, const struct hark_store *store,
                              const struct hark_log_head *head, uint64_t time_ms,
                              struct space_due *out, struct hark_err *err);
/* The Taken of the pending batch, whose time is known: what it takes further, as far as there
 * is room for it beside what is due. */
HARK_CHECK int hark_space_restate(struct hark_space *space, struct hark_batch *batch,
                                  struct hark_err *err);
/* When the log last said how far that is, by the Time of that batch (0: it never had to). */
HARK_CHECK int hark_space_said(const struct hark_store *store, const char *name, uint64_t *time_ms,
                               struct hark_err *err);
/* merge_delay_s of the policy in force, and noting it from what a batch has brought. */
HARK_CHECK int hark_space_delay(const struct hark_store *store, uint64_t *delay_ms,
                                struct hark_err *err);
HARK_CHECK int hark_space_note_delay(struct hark_state *state, const struct hark_store *store,
                                     const struct space_item *items, size_t count,
                                     struct hark_err *err);

/* What an entry of an intake brings for those after it, by kind: a key, or (without
 * a field) a kind of the space's own. NULL: nothing. */
struct space_bringer {
    const char *kind;
    const char *field; /* of its payload: the key */
    uint8_t of;        /* whose it is, enum hark_key_of */
    uint8_t by;        /* who may write it */
};
const struct space_bringer *hark_space_bringer(const char *kind);

/* --- a batch that is being prepared (space_ahead.c) --- */

/* Its entries are parsed, verified and, when it will be stored, made for the pack on
 * the pool, while the caller does something else. Zeroed: none. */
struct space_ahead {
    const struct hark_raw_batch *raw; /* borrowed */
    struct space_item *items;
    struct hark_packed_batch packed; /* entries NULL: it is not to be stored */
    struct hark_repo *repo;
    struct hark_pool *pool;
    struct hark_job job;
};
/* Does a payload have to be filled in from an intake before anything else? */
bool hark_space_lacks_payloads(const struct hark_raw_batch *raw);
/* `out` stays where it is until it is finished. */
HARK_CHECK int hark_space_ahead_start(struct hark_space *space, const struct hark_raw_batch *raw,
                                      bool store, struct space_ahead *out, struct hark_err *err);
void hark_space_ahead_finish(struct space_ahead *ahead);
/* Finishes it, and frees what it made. */
void hark_space_ahead_end(struct space_ahead *ahead);
/* What was started of these very bytes by hark_space_coming, each once; NULL: nothing.
 * It lasts until the expected end. `expected` may be NULL. */
struct space_ahead *hark_space_ahead_expected(struct space_expected *expected,
                                              const struct hark_raw_batch *raw);
void hark_space_expected_end(struct space_expected *expected);
void hark_space_fill_items(const struct hark_raw_batch *raw, struct space_item *items);

/* Brings index and state up to the log in git. */
HARK_CHECK int hark_space_catch_up(struct hark_space *space, struct hark_err *err);

/* The git ids of a log's batch commits after `stop` (NULL: all), oldest
 * first; *ids is allocated (free()). */
HARK_CHECK int hark_space_batches_after(struct hark_space *space, const char *log,
                                        const struct hark_git_id *stop, struct hark_git_id **ids,
                                        size_t *count, struct hark_err *err);

/* Reads a batch by its commit's id. find gives the payload blob of an entry, if
 * it is here: */
typedef int space_find_blob_fn(void *arg, uint64_t position, const struct hark_hash *hash,
                               bool *present, struct hark_git_id *blob, struct hark_err *err);
HARK_CHECK int hark_space_load_batch(struct hark_space *space, const struct hark_git_id *id,
                                     space_find_blob_fn *find, void *arg,
                                     struct hark_space_batch *out, struct hark_err *err);

/* Finds payload blobs from git alone: under the payload ref by position, else by
 * SHA-256 among all payloads (the list is made on first need). */
struct space_blobs {
    struct hark_space *space;
    const char *log; /* NULL: "main" */
    bool listed;
    size_t count, capacity;
    struct space_blob *list; /* sorted by hash */
};
int hark_space_find_blob_in_git(void *arg, uint64_t position, const struct hark_hash *hash,
                                bool *present, struct hark_git_id *blob, struct hark_err *err);
void hark_space_blobs_free(struct space_blobs *blobs);

/* --- intakes (space_intake.c, space_intake_take.c) --- */

/* "main" for "", else "intake/<node>": as repo.h names logs. Error: usage. */
#define HARK_LOG_NAME_MAX 80u
HARK_CHECK int hark_space_log_name(char out[HARK_LOG_NAME_MAX], const char *node,
                                   struct hark_err *err);
/* As the index has it, with its origin; *found false: no batch of it is here. */
HARK_CHECK int hark_space_find_intake(struct hark_space *space, const char *node, bool *found,
                                      struct hark_intake *out, struct hark_err *err);
/* What space.h says of log, fits and read_batch, for a node's intake. */
HARK_CHECK int hark_space_intake_log(struct hark_space *space, const char *node,
                                     struct hark_log_head *head, uint64_t *batches,
                                     struct hark_err *err);
HARK_CHECK int hark_space_intake_fits(struct hark_space *space, const char *node, uint64_t batches,
                                      uint64_t size, const struct hark_hash *root, bool *fits,
                                      struct hark_err *err);
HARK_CHECK int hark_space_intake_read(struct hark_space *space, const char *node, uint64_t number,
                                      struct hark_space_batch *out, struct hark_err *err);
/* As hark_space_take, of an intake. */
HARK_CHECK int hark_space_adopt_intake(struct hark_space *space, const char *node,
                                       const struct hark_raw_batch *raw, uint64_t now_ms,
                                       bool store, struct hark_err *err);
/* B13, as far as it hangs on intakes that are here. */
HARK_CHECK int hark_space_check_taken(struct hark_space *space, const struct hark_batch *batch,
                                      struct hark_err *err);
/* Payloads that a batch of the main log comes without and an intake has: fills them
 * in. items: raw's, to be changed; what they point to then is in `bytes`. */
HARK_CHECK int hark_space_fill_payloads(struct hark_space *space, const struct hark_raw_batch *raw,
                                        struct hark_raw_entry *items, struct hark_buf *bytes,
                                        struct hark_err *err);
/* The signed note of the batch with that git id, appended. */
HARK_CHECK int hark_space_checkpoint_of(struct hark_space *space, const struct hark_git_id *id,
                                        struct hark_buf *out, struct hark_err *err);
/* Brings their payload refs up to what they hold. */
HARK_CHECK int hark_space_cover_intakes(struct hark_space *space, struct hark_err *err);
HARK_CHECK int hark_space_catch_up_intakes(struct hark_space *space, struct hark_err *err);

/* --- the rules of intakes that hang on the main log (space_intake_rules.c) --- */

/* B15: is its Main an end of a batch of the main log? Error: behind as well. */
HARK_CHECK int hark_space_intake_check_main(struct hark_space *space,
                                            const struct hark_batch *batch, struct hark_err *err);
/* B3: was a node of that name and log key named at that size of the main log? */
HARK_CHECK int hark_space_intake_check_named(struct hark_state *state, const char *name,
                                             const struct hark_key *log_key, uint64_t main_size,
                                             struct hark_err *err);
/* B14 of one entry, when those before it are in the index; notes there what it brings
 * for those after it. */
struct space_intake_check {
    struct hark_space *space;
    const struct hark_intake *intake;
    uint64_t main_size; /* Main's */
};
HARK_CHECK int hark_space_intake_check_entry(const struct space_intake_check *check,
                                             const struct space_item *item, struct hark_err *err);

/* What hark_space_hash_intake has kept. */
void hark_space_hashed_free(struct hark_space *space);

/* --- shared by the two kinds of logs (space_take.c) --- */

/* Prepares a batch's entries on the pool. */
void hark_space_prepare_all(struct hark_pool *pool, const struct hark_raw_batch *raw,
                            struct space_item *items);
/* B6 and B8: what the SHA-1 names point to is what came. */
HARK_CHECK int hark_space_check_git_ids(const struct hark_raw_batch *raw,
                                        const struct space_item *items,
                                        const struct hark_git_id *tree,
                                        const struct hark_git_id *entry_ids, struct hark_err *err);
/* The entries by themselves: the first that could not be prepared. */
HARK_CHECK int hark_space_check_prepared(const struct space_item *items, size_t count,
                                         uint64_t first_position, struct hark_err *err);
/* The node of an intake's origin that hark_batch_check has let through. */
HARK_CHECK int hark_space_taken_name(char out[HARK_NODE_NAME_MAX + 1], const char *origin,
                                     struct hark_err *err);
/* Rolls the index's transaction back, and the state with it. */
void hark_space_undo(struct hark_space *space);

/* Opens (makes) the index and the state over it. */
HARK_CHECK int hark_space_open_index(struct hark_space *space, struct hark_err *err);
void hark_space_close_index(struct hark_space *space);

/* After a batch of the main log could not be stored, while head is as before it: the ref may
 * have moved all the same (what could not be done is to make it durable), and then the index
 * has to catch up. */
void hark_space_store_failed(struct hark_space *space);
/* After a write that reached git and not the index, or a rollback that failed:
 * opens the index anew, which catches up. Does nothing otherwise. */
HARK_CHECK int hark_space_mend(struct hark_space *space, struct hark_err *err);

#endif
