/*
 * One space at this node: its repository, its index, its state, kept in step.
 * Logging entries as the home (a batch at a time), taking over verified batches
 * as a partner, erasing, catching up after a crash, verifying from scratch.
 *
 * A space that is open for writing belongs to one thread (the writer). Readers
 * open their own, read-only. What is said in PROTOCOL.md 6 and 7 is checked
 * here: nothing is stored before all of it holds.
 */
#ifndef HARK_NODE_SPACE_H
#define HARK_NODE_SPACE_H

#include "node/extent.h"
#include "node/index.h"
#include "node/pool.h"
#include "node/repo.h"
#include "schemas/state.h"

struct hark_space;

/* Where a space lies: <dir>/spaces/<id>.git and <dir>/index/<id>.db. */
HARK_CHECK int hark_space_create(struct hark_space **out, const char *dir,
                                 const struct hark_hash *id, struct hark_pool *pool,
                                 struct hark_err *err);
/* Opens; a writer also brings the index up to the log (rebuilding it when it is
 * damaged or of another version) and finishes erasures that were cut short.
 * Errors: not-found, damaged, busy, io. `pool` may be NULL for readers. */
HARK_CHECK int hark_space_open(struct hark_space **out, const char *dir, const struct hark_hash *id,
                               bool read_only, struct hark_pool *pool, struct hark_err *err);
void hark_space_free(struct hark_space *space);
/* For readers: sees what the writer has committed since. */
HARK_CHECK int hark_space_refresh(struct hark_space *space, struct hark_err *err);

/* The index to ask what is said here: of an encrypted space the one of what is inside, once
 * that was looked at (node/inside.h), else the log's. Rows have the same positions and ids in
 * both. Borrowed until the space changes. */
struct hark_index *hark_space_view(struct hark_space *space);
/* Title and objective of an encrypted space, if that was looked at; NULL: unknown. Borrowed. */
json_t *hark_space_charter(struct hark_space *space);
/* What an entry says to this node, sealed or not; NULL: nothing. */
HARK_CHECK int hark_space_words(struct hark_space *space, const struct hark_row *row, json_t **json,
                                struct hark_err *err);

/* Borrowed. */
const struct hark_hash *hark_space_id(const struct hark_space *space);
struct hark_state *hark_space_state(struct hark_space *space);
struct hark_index *hark_space_index(struct hark_space *space);
struct hark_repo *hark_space_repo(struct hark_space *space);
/* Where the main log stands; origin and log key are those in force, from the
 * state. Zeroed while the log is empty. */
const struct hark_log_head *hark_space_head(const struct hark_space *space);
/* The node whose log it is now; not-found while the log is empty. */
HARK_CHECK int hark_space_home(struct hark_space *space, struct hark_node_object *out,
                               struct hark_err *err);

/* --- logging, at the home -------------------------------------------------
 * begin, add as often as wanted, commit. Adding past 1,000 entries or 8 MiB commits and
 * begins anew by itself. So does adding a `home` entry, which is the first of its
 * batch; that one the new home signs (PROTOCOL.md 7.6). After an error of add that
 * is a refusal (exit code 3) the batch goes on without that entry; after another
 * error, and after an error of commit, everything since the last commit is undone. */
struct hark_logged {
    uint64_t position; /* HARK_NONE: in flight */
    struct hark_hash id;
    struct hark_effect effect; /* in flight: as of the provisional state */
    bool in_flight;            /* written, and in no log yet that is here */
};

HARK_CHECK int hark_space_begin(struct hark_space *space, struct hark_err *err);
/* bytes: the entry object; payload: empty span with NULL data for none.
 * accept: refuse what would be void or invalid (PROTOCOL.md 6.4), else it is
 * logged as void. trusted: this process signed it a moment ago (the signature is
 * not checked again). */
struct hark_offer {
    struct hark_span bytes;
    struct hark_span payload;
    bool accept;
    bool trusted;
    uint64_t now_ms; /* arrival and acceptance */
};
HARK_CHECK int hark_space_add(struct hark_space *space, const struct hark_offer *offer,
                              const struct hark_signer *log_key, struct hark_logged *out,
                              struct hark_err *err);
/* Of hark_space_add's errors: is this a refusal of the entry, after which the batch goes
 * on, rather than trouble with the store, which has undone it? */
bool hark_space_is_refusal(int code);
/* Durable when it returns 0. Nothing added: nothing happens. */
HARK_CHECK int hark_space_commit(struct hark_space *space, const struct hark_signer *log_key,
                                 uint64_t now_ms, struct hark_err *err);
void hark_space_rollback(struct hark_space *space);
/* Is a batch begun, and neither committed nor undone? */
bool hark_space_in_batch(const struct hark_space *space);
/* How many entries of that key are in it. */
uint64_t hark_space_pending_by(const struct hark_space *space, const struct hark_key *author);

/* --- copying logs ---------------------------------------------------------- */
/* `node` names a log of the space: "" the main log, else the intake log of the node
 * that goes, or went, by that name. */

/* Verifies the batch as the next one of that log (all of PROTOCOL.md 7.2, signatures
 * on the pool) and stores it. An intake batch that was judged against more of the main
 * log than is here is behind (nothing is wrong with it; later). */
HARK_CHECK int hark_space_take(struct hark_space *space, const char *node,
                               const struct hark_raw_batch *raw, uint64_t now_ms,
                               struct hark_err *err);
/* Takes one batch after the other, as far as it goes: the signatures of the next ones
 * are verified while one is judged and stored. All are durable when it returns. `next`
 * gives the next batch, *there false after the last; what *out points to must live until
 * it has been called HARK_TAKE_AHEAD times more, or all is over. After an error, of
 * next's too, what came before it is taken. */
#define HARK_TAKE_AHEAD 4u
typedef int hark_next_batch_fn(void *arg, struct hark_raw_batch *out, bool *there,
                               struct hark_err *err);
HARK_CHECK int hark_space_take_each(struct hark_space *space, const char *node,
                                    hark_next_batch_fn *next, void *arg, uint64_t now_ms,
                                    struct hark_err *err);
/* Batches that hark_space_take_each will probably be given next, of the main log: what
 * does not hang on those before them is begun with on the pool. Takes all of *coming
 * over, in place of what was to come before, and leaves it empty (NULL: nothing comes).
 * A hint: other batches may come instead, and what it did is lost then. */
struct hark_coming {
    struct hark_buf bytes; /* which raw and items borrow from */
    unsigned count;
    struct hark_raw_batch raw[HARK_TAKE_AHEAD];
    struct hark_raw_entry *items[HARK_TAKE_AHEAD]; /* raw's, allocated */
};
void hark_space_coming(struct hark_space *space, struct hark_coming *coming);
void hark_coming_free(struct hark_coming *coming);
/* Where a log stands here, and after how many batches. Error: not-found (nothing of
 * it is here). */
HARK_CHECK int hark_space_log(struct hark_space *space, const char *node,
                              struct hark_log_head *head, uint64_t *batches, struct hark_err *err);
/* Did that log, after `batches` batches (at most what is here), have this size and
 * root? */
HARK_CHECK int hark_space_fits(struct hark_space *space, const char *node, uint64_t batches,
                               uint64_t size, const struct hark_hash *root, bool *fits,
                               struct hark_err *err);
/* The names of the nodes whose intake logs are here; *names is allocated (free()). */
typedef char hark_node_name[HARK_NODE_NAME_MAX + 1];
HARK_CHECK int hark_space_intakes(struct hark_space *space, hark_node_name **names, size_t *count,
                                  struct hark_err *err);

/* --- a space that comes anew (space_intake_end.c, PROTOCOL.md 7.6) ----------- */

/* Before this copy is set aside: notes, durably, how far the intake of the node with that
 * log key has come, if there is one. Nothing is appended to it by hark_space_accept before
 * the copy that takes this one's place has it as far. Errors: io, disk-full, damaged
 * (also: what was noted before cannot be read). */
HARK_CHECK int hark_space_intake_keep_end(struct hark_space *space, const struct hark_key *log_key,
                                          struct hark_err *err);
/* May this node, named `self`, go on with its intake? Errors: behind (it has signed more of
 * it than is here), io, no-memory. */
HARK_CHECK int hark_space_intake_goes_on(struct hark_space *space, const char *self,
                                         struct hark_err *err);
/* Takes what `old` has of that node's intake and `space` has not, as from a peer, up to the
 * first batch that has no place in the log of `space`. Errors: io, damaged, no-memory. */
HARK_CHECK int hark_space_intake_bring(struct hark_space *space, struct hark_space *old,
                                       const char *node, struct hark_err *err);

/* --- intake: what is not in the main log yet -------------------------------- */

/* An entry of an intake log that is here and that the main log has neither taken over
 * nor holds. Borrowed for the call. */
struct hark_waiting {
    const char *node; /* whose intake */
    uint64_t position;
    uint64_t accepted_ms;
    struct hark_hash id;
    struct hark_git_id git_id;
    struct hark_span object, payload; /* payload NULL data: none at hand */
    uint8_t payload_state;            /* as in struct hark_raw_entry */
};
/* All of them, each intake in its own order, between intakes by acceptance. Non-zero
 * from `fn` stops, HARK_STOP without error. */
typedef int hark_waiting_fn(void *arg, const struct hark_waiting *waiting, struct hark_err *err);
HARK_CHECK int hark_space_each_waiting(struct hark_space *space, hark_waiting_fn *fn, void *arg,
                                       struct hark_err *err);
/* How far the main log says it has taken that node's intake over. */
HARK_CHECK int hark_space_taken(struct hark_space *space, const char *node, uint64_t *size,
                                struct hark_err *err);
/* Appends entries to this node's own intake log, as one batch: written as PROTOCOL.md
 * 7.2 says, against the main log as it is here, durable when it returns 0. Whether
 * they may be taken was judged before (hark_space_accept). items: prepared. */
struct space_item;
HARK_CHECK int hark_space_intake_append(struct hark_space *space, const char *self,
                                        const struct hark_signer *log_key,
                                        const struct space_item *items, size_t count,
                                        uint64_t now_ms, struct hark_err *err);

/* What is under way, provisionally judged: entries waiting in intakes and those of
 * this node's outbox that are in no log yet, in the order in which they would be
 * logged now (among thousands what has just been heard of may stand last for a while).
 * Never hashed, never counted with what is logged. At most 65,536 entries or 256 MiB:
 * what comes after those is not judged, and busy is what is answered to those who hand
 * in more. Borrowed until the space changes. */
struct hark_flight_entry {
    struct hark_entry entry;
    struct hark_span object, payload;
    hark_node_name node; /* in whose intake it is first; empty: in the outbox only */
    uint64_t position;   /* there */
    uint64_t accepted_ms;
    int code;                  /* 0, or why it could not be logged after those before it, or,
                                * in the outbox, why it was refused */
    struct hark_effect effect; /* when code is 0: as if it were logged */
    enum hark_says says;
    json_t *json; /* what it says; NULL: nothing */
};
HARK_CHECK int hark_space_flight(struct hark_space *space, const struct hark_flight_entry **entries,
                                 size_t *count, struct hark_err *err);
/* The same entries as those whose keys are here see them: of an encrypted space, once it was
 * looked inside (node/inside.h), what opens has the kind, Re, effect and words of what is
 * inside. `object` and `payload` are what is under way in any case. Borrowed likewise. */
HARK_CHECK int hark_space_flight_seen(struct hark_space *space,
                                      const struct hark_flight_entry **entries, size_t *count,
                                      struct hark_err *err);
/* The state after all of that: what a new entry is judged against and continues. */
HARK_CHECK int hark_space_provisional(struct hark_space *space, struct hark_state **state,
                                      struct hark_err *err);

/* At a named node that is not the home: takes entries into its intake log, each as
 * PROTOCOL.md 6.4 over the provisional state (offer.accept false: only 6.1), with what
 * they hang on copied in from other intakes; at most accept_per_minute of one key a
 * minute (0: not bounded). What is here already is answered as it stands. Durable
 * when it returns 0; refusals stand in outcomes. Errors of all of it: accept-not-here,
 * behind (the space is held). */
struct hark_outcome {
    int code; /* 0, or the refusal */
    char message[200];
    struct hark_hash id; /* zero when the entry could not be read */
    bool logged;         /* position is in the main log; else in this node's intake */
    uint64_t position, accepted_ms;
};
HARK_CHECK int hark_space_accept(struct hark_space *space, const char *self,
                                 const struct hark_signer *log_key, const struct hark_offer *offers,
                                 size_t count, uint64_t accept_per_minute,
                                 struct hark_outcome *outcomes, struct hark_err *err);
/* At the home: logs all that waits and may be logged, and says how far each intake is
 * taken over. *changed: a batch was made. Stops before an entry that makes another node
 * the home. Error: accept-not-here (this node is not the home). */
HARK_CHECK int hark_space_take_over(struct hark_space *space, const struct hark_signer *log_key,
                                    uint64_t now_ms, bool *changed, struct hark_err *err);
/* How soon the home has to log what another node has accepted, by the policy in force. */
HARK_CHECK int hark_space_merge_delay(struct hark_space *space, uint64_t *delay_ms,
                                      struct hark_err *err);
/* Entries that have waited longer than that: how many, and since when the oldest waits. */
HARK_CHECK int hark_space_overdue(struct hark_space *space, uint64_t now_ms, uint64_t *count,
                                  uint64_t *oldest_ms, struct hark_err *err);

/* This node's outbox for the space (node/outbox.h), opened (made) on first use. */
struct hark_outbox;
HARK_CHECK int hark_space_outbox(struct hark_space *space, struct hark_outbox **out,
                                 struct hark_err *err);
/* Has anything ever been put into it? (Asking makes none.) */
bool hark_space_has_outbox(const struct hark_space *space);
/* Something came into the outbox, or its fate changed: flight is made anew. */
void hark_space_outbox_changed(struct hark_space *space);
/* Puts an entry written here into the outbox, if it is acceptable (PROTOCOL.md 6.4) over
 * the provisional state. In the outbox's transaction when one is open. out (may be NULL)
 * is what was written, in flight. Errors: the refusals; those of the outbox. */
HARK_CHECK int hark_space_outbox_add(struct hark_space *space, const struct hark_offer *offer,
                                     struct hark_logged *out, struct hark_err *err);
/* Looks what has become of the entries in the outbox, after the main log or an intake log
 * here has grown: logged, seen in an intake, or never to be logged since their place in
 * their feed is taken. Forgets what was logged more than a day ago and, where
 * a quorum is wanted, is settled. *changed (may be
 * NULL): something did. */
HARK_CHECK int hark_space_outbox_tend(struct hark_space *space, uint64_t now_ms, bool *changed,
                                      struct hark_err *err);
/* Appends the body of a `submit` (PROTOCOL.md 9.2) with what is to be handed in now, in the
 * order of writing: what is pending, and what was accepted ten minutes ago and is not
 * logged. *count 0: nothing, and nothing is appended. What follows a refused entry in its
 * feed waits for it. */
HARK_CHECK int hark_space_outbox_body(struct hark_space *space, uint64_t now_ms,
                                      struct hark_buf *out, size_t *count, struct hark_err *err);
/* What a node answered. `logged` is its word only: the entry is kept and counts as accepted
 * until our own copy of the log has it. A refusal that time or another node may mend leaves
 * an entry pending. *changed (may be NULL): something did. */
struct hark_accepted;
HARK_CHECK int hark_space_outbox_answer(struct hark_space *space, const char *node,
                                        const struct hark_accepted *items, size_t count,
                                        uint64_t now_ms, bool *changed, struct hark_err *err);
/* At a named node that is not the home: takes what is pending into this node's own intake
 * log (hark_space_accept); where that cannot go on, nothing. */
HARK_CHECK int hark_space_outbox_take_in(struct hark_space *space, const char *self,
                                         const struct hark_signer *log_key,
                                         uint64_t accept_per_minute, uint64_t now_ms,
                                         struct hark_err *err);

/* --- what the node's network and its keeper need ------------------------------ */

/* So that who writes much need not read their last entries each time: an entry of that
 * key, with this time, is in the log and carries Seen. A few are kept in mind. */
void hark_space_seen_note(struct hark_space *space, const struct hark_key *author,
                          uint64_t time_ms);
/* Is one of this time or later known of? */
bool hark_space_seen_noted(const struct hark_space *space, const struct hark_key *author,
                           uint64_t oldest_ms);

/* A held space begins no batch of the main log and takes nothing into this node's intake
 * (behind): it has not been compared with other nodes yet, is set aside, or its home is
 * moving away. */
void hark_space_hold(struct hark_space *space, bool hold);
bool hark_space_held(const struct hark_space *space);
/* Changes whenever an entry was logged that may change who may connect or have what
 * (keys, nodes, tickets, members). */
uint64_t hark_space_rights(const struct hark_space *space);
/* Counts the times that payloads were erased from the disk. */
uint64_t hark_space_erasures(const struct hark_space *space);
/* The name of the node that an entry `home` of ours, which no log has yet, moves the
 * space to; empty: none. name: HARK_NODE_NAME_MAX + 1 bytes. */
HARK_CHECK int hark_space_moving(struct hark_space *space, char *name, struct hark_err *err);

/* --- either --------------------------------------------------------------- */
/* Payload refs, erasures, merging: what may follow a batch a little later. */
HARK_CHECK int hark_space_tend(struct hark_space *space, struct hark_err *err);
/* The same while there is other work: merging waits for a quiet moment, as long as there
 * are not too many packs. */
HARK_CHECK int hark_space_tend_briefly(struct hark_space *space, struct hark_err *err);
/* Drops the index and makes it anew from the log, verifying everything. */
HARK_CHECK int hark_space_reindex(struct hark_space *space, struct hark_err *err);

/* The batch of that number (counted from 0) of a log, read from git: files,
 * entries, payloads as far as they are here and not erased. Owned by the caller:
 * hark_space_batch_free. Error: not-found. */
struct hark_space_batch {
    struct hark_raw_batch raw; /* points into what follows */
    struct hark_git_id git_id;
    struct hark_buf bytes;
    struct hark_raw_entry *items;
};
HARK_CHECK int hark_space_read_batch(struct hark_space *space, const char *node, uint64_t number,
                                     struct hark_space_batch *out, struct hark_err *err);
void hark_space_batch_free(struct hark_space_batch *batch);
/* Batches are read in their order from now on: faster, for some memory until it is said
 * to be over (repo.h). */
void hark_space_near(struct hark_space *space, bool begins);

/* A logged entry by full hex or a unique prefix of at least 8 digits, of its entry id or of
 * its git id. Errors: not-found, ambiguous, usage (too short, not hex). */
HARK_CHECK int hark_space_find(struct hark_space *space, const char *hex, struct hark_row *out,
                               struct hark_err *err);
/* The bytes of an entry, of its payload (HARK_E_PAYLOAD_ERASED, not-found). */
HARK_CHECK int hark_space_entry(struct hark_space *space, const struct hark_row *row,
                                struct hark_buf *out, struct hark_err *err);
HARK_CHECK int hark_space_payload(struct hark_space *space, const struct hark_row *row,
                                  struct hark_buf *out, struct hark_err *err);
/* The payload's JSON (json_decref), NULL where the row says nothing. */
HARK_CHECK int hark_space_payload_json(struct hark_space *space, const struct hark_row *row,
                                       json_t **json, struct hark_err *err);
/* The newest checkpoint, a signed note. */
HARK_CHECK int hark_space_checkpoint(struct hark_space *space, struct hark_buf *out,
                                     struct hark_err *err);

/* --- what a log proves (space_prove.c); `node` names it as above ------------ */
/* The entry's line (no intake named in it) and git commit. Error: not-found. */
HARK_CHECK int hark_space_line(struct hark_space *space, const char *node, uint64_t position,
                               struct hark_line *line, struct hark_git_id *commit,
                               struct hark_err *err);
/* The root of the log's first `size` entries. Of an intake, all of those are read. Errors:
 * not-found (nothing of it is here), behind (fewer are). */
HARK_CHECK int hark_space_root(struct hark_space *space, const char *node, uint64_t size,
                               struct hark_hash *root, struct hark_err *err);
/* Does the log here begin with just those entries? */
HARK_CHECK int hark_space_has(struct hark_space *space, const char *node,
                              const struct hark_extent *extent, bool *has, struct hark_err *err);
/* The path of the entry under the checkpoint that most cosigners have signed, of those that
 * cover it, else the newest, which is appended to `note`. Of an intake, all entries are
 * read that hark_space_hash_intake has not hashed. Errors: not-found, proof-form. */
HARK_CHECK int hark_space_prove(struct hark_space *space, const char *node, uint64_t position,
                                struct hark_proof *path, struct hark_buf *note,
                                struct hark_err *err);
/* The consistency proof of an intake, from its first old_size entries (1 or more) to `size`.
 * All entries are read. Errors: not-found, behind, proof-form. */
HARK_CHECK int hark_space_prove_intake(struct hark_space *space, const char *node,
                                       uint64_t old_size, uint64_t size, struct hark_proof *path,
                                       struct hark_err *err);

/* Hashes more of an intake ahead of that, at most *leaves of its entries, which is brought
 * down by as many; *done: what is left is little. What is hashed is kept with the space. */
HARK_CHECK int hark_space_hash_intake(struct hark_space *space, const char *node, uint64_t *leaves,
                                      bool *done, struct hark_err *err);
/* The receipt of the entry there (PROTOCOL.md 7.7), appended: a file of at most
 * HARK_TLOG_PROOF_MAX bytes. Errors: those of the two above. */
HARK_CHECK int hark_space_receipt(struct hark_space *space, const char *node, uint64_t position,
                                  struct hark_buf *out, struct hark_err *err);

/* Is that the origin of a log of this space, in its form? */
bool hark_space_is_origin(const struct hark_space *space, const char *origin);
/* The node, named now or before under the name that the origin begins with, whose log key
 * signed the note. Errors: no (none did), io, damaged. */
struct hark_note;
HARK_CHECK int hark_log_signer(struct hark_state *state, const struct hark_note *note,
                               const char *origin, struct hark_node_object *node,
                               struct hark_err *err);
/* Up to how many entries what a main log's incarnation signed binds it here: where the batch
 * begins that the next one's `home` entry is in, HARK_NONE for the one in force and later ones.
 * What was signed beyond may be lost by a move or a recovery, which is no fork (PROTOCOL.md 7.6).
 */
HARK_CHECK int hark_space_incarnation_end(struct hark_space *space, const char *origin,
                                          uint64_t *end, struct hark_err *err);
/* Is that the origin of an incarnation later than the one in force here? It may go on from
 * before the log's end here, which then goes back (PROTOCOL.md 7.6): nothing that is here
 * can be held against what it signed. */
bool hark_space_is_later(const struct hark_space *space, const char *origin);

/* Verifies the log from the repository alone, over a state in memory: what
 * `hark verify` runs. Stops at the first thing wrong, naming its position. */
struct hark_verified {
    uint64_t entries, batches, payloads, erased, void_entries;
    uint64_t intake_entries, intake_batches;
    struct hark_hash state_hash;
};
HARK_CHECK int hark_space_verify(struct hark_space *space, uint64_t now_ms,
                                 struct hark_verified *out, struct hark_err *err);

#endif
