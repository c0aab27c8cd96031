/*
 * Shared by the files of witness.h:
 *
 *   witness.c       the quorums, and what is settled
 *   witness_sign.c  what this node signs of the main log
 *   witness_intake.c  what it signs of intakes, and whose they are
 *   witness_take.c  what others show
 *   witness_show.c  what is shown to others
 *   witness_date.c  what the home says of its own log
 *   witness_seen.c  what members saw
 */
#ifndef HARK_NODE_WITNESS_INTERNAL_H
#define HARK_NODE_WITNESS_INTERNAL_H

#include "node/space_internal.h"
#include "node/witness.h"

struct space_witness {
    struct hark_notes *notes;
    struct hark_err damage; /* code 0: none */
    struct hark_quorums quorums;
    uint64_t looked; /* entries that the quorums are as of */
    bool known;      /* what follows is as it was then */
    uint64_t rights, policy;
    uint32_t incarnation;
    uint64_t settled;
    uint64_t settled_size, settled_version; /* of log and notes, when it was found */
    struct hark_extent kept; /* settled, as it was written down; size 0: it was not */
    uint64_t published_version;
    bool date_asked; /* of log and notes like these, and it is to be asked again then */
    uint64_t date_size, date_version, date_due_s;
    uint64_t dated_size, dated_version; /* of log and notes, when the home's own were looked at */
    uint64_t watched_batches, watched_version; /* when intakes were last looked through */
    bool has_own; /* the key with which this node has cosigned intakes */
    struct hark_key own;
};

/* Has all of it there, as of the log's end: space->witness, its notes and quorums. */
HARK_CHECK int hark_witness_bring(struct hark_space *space, struct hark_err *err);
/* The notes alone. */
HARK_CHECK int hark_witness_bring_notes(struct hark_space *space, struct hark_err *err);
/* Signs the newest checkpoint, durably; that it may be signed the caller has seen. name: of
 * the node whose cosigner key it is. */
HARK_CHECK int hark_witness_sign(struct hark_space *space, const char *name,
                                 const struct hark_signer *signer, uint64_t time_s,
                                 struct hark_err *err);
/* Is the history of a checkpoint of the main log, which its key signed, the log's here, as far
 * as that goes? *lost: it says what its incarnation signed beyond its end, which is nobody's.
 * Errors: peer-fork, kept as evidence; behind (a later home's, of which nothing is known here). */
HARK_CHECK int hark_witness_check_history(struct hark_space *space,
                                          const struct hark_checkpoint *cp, struct hark_span note,
                                          bool *lost, struct hark_err *err);
/* The root of a log's first `size` entries; *here false: it has fewer here. Of an intake it
 * costs little at the end of a batch, and all its entries elsewhere. */
HARK_CHECK int hark_witness_root(struct hark_space *space, const char *log, uint64_t size,
                                 bool *here, struct hark_hash *root, struct hark_err *err);
/* Adds the cosigner's line to the log's note and keeps it. log_key: the origin's. */
HARK_CHECK int hark_witness_sign_note(struct hark_space *space, const char *log,
                                      const struct hark_note_key *log_key, const char *name,
                                      const struct hark_signer *signer, uint64_t time_s,
                                      struct hark_buf *note, struct hark_err *err);
/* Rules Q3 and Q4 of a log of `size` entries: *time_s is what to sign; *may false: nothing.
 * cosigned: what was signed last of it; NULL: nothing was. */
HARK_CHECK int hark_witness_may(struct hark_space *space, const char *log, uint64_t size,
                                const struct hark_cosigned *cosigned, uint64_t now_s,
                                uint64_t *time_s, bool *may, struct hark_err *err);
/* Is the node now named whose intake goes by that name? *is false: none is, or another node
 * had the name before it. */
HARK_CHECK int hark_witness_intake_node(struct hark_space *space, const char *name,
                                        struct hark_node_object *node, bool *is,
                                        struct hark_err *err);
/* hark_quorums_wanted; *out NULL: it is not. */
HARK_CHECK int hark_witness_find_wanted(struct hark_space *space, const struct hark_key *key,
                                        const struct hark_cosigner **out, struct hark_err *err);

#endif
