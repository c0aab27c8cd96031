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
    uint64_t position;
    struct hark_hash id;
    struct hark_effect effect;
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
/* Durable when it returns 0. Nothing added: nothing happens. */
HARK_CHECK int hark_space_commit(struct hark_space *space, const struct hark_signer *log_key,
                                 uint64_t now_ms, struct hark_err *err);
void hark_space_rollback(struct hark_space *space);

/* --- taking over, at a partner -------------------------------------------- */
/* Verifies the batch as the next one (all of PROTOCOL.md 7.2, signatures on the
 * pool) and stores it. */
HARK_CHECK int hark_space_take(struct hark_space *space, const struct hark_raw_batch *raw,
                               uint64_t now_ms, struct hark_err *err);

/* --- either --------------------------------------------------------------- */
/* Payload ref, erasures, merging: what may follow a batch a little later. */
HARK_CHECK int hark_space_tend(struct hark_space *space, struct hark_err *err);
/* Drops the index and makes it anew from the log, verifying everything. */
HARK_CHECK int hark_space_reindex(struct hark_space *space, struct hark_err *err);

/* The batch that begins at `first` (a size at which a batch ended), read from
 * git: files, entries, payloads as far as they are here and not erased. Owned by
 * the caller: hark_space_batch_free. Error: not-found (no such beginning). */
struct hark_space_batch {
    struct hark_raw_batch raw; /* points into what follows */
    struct hark_git_id git_id;
    struct hark_buf bytes;
    struct hark_raw_entry *items;
};
HARK_CHECK int hark_space_read_batch(struct hark_space *space, uint64_t first,
                                     struct hark_space_batch *out, struct hark_err *err);
void hark_space_batch_free(struct hark_space_batch *batch);

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

/* Verifies the log from the repository alone, over a state in memory: what
 * `hark verify` runs. Stops at the first thing wrong, naming its position. */
struct hark_verified {
    uint64_t entries, batches, payloads, erased, void_entries;
    struct hark_hash state_hash;
};
HARK_CHECK int hark_space_verify(struct hark_space *space, uint64_t now_ms,
                                 struct hark_verified *out, struct hark_err *err);

#endif
