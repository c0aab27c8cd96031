/*
 * The ring of a member's device: the epoch keys of one encrypted space that it comes to know
 * as it goes through the log, and the opening and sealing of entries with them. PROTOCOL.md
 * 10.8. Pure.
 *
 * It is fed, in log order, with what stands: who joins, the parts of a fresh key, what puts
 * one into force. That these come in the order that 10.7 says is for the caller to see to;
 * another order is `internal`. After an error nothing has changed, and the same may be fed
 * again.
 *
 * Sizes: one key for each run of steps, of HARK_RING_RUN_MAX at most, is kept in crypto's own
 * memory, and wiped; HARK_RING_RUNS_MAX runs at most. To find a key inside a run costs as many
 * steps as it lies behind the run's first one, or behind the key that was asked for last. A
 * ring is used by one thread at a time.
 */
#ifndef HARK_SCHEMAS_RING_H
#define HARK_SCHEMAS_RING_H

#include "crypto/envelope.h"
#include "schemas/entry.h"

#define HARK_RING_OWN_MAX     128u        /* the holder's own X25519 keys */
#define HARK_RING_RUN_MAX     4096u       /* epochs of a run */
#define HARK_RING_RUNS_MAX    (1u << 20)  /* fresh keys, and runs that go on */
#define HARK_RING_WAITING_MAX (1u << 16)  /* boxes that wait for the holder's own */
#define HARK_RING_FOUND_MAX   1024u       /* findings */
#define HARK_RING_NO_KEY      UINT32_MAX  /* where no recipient's key is meant */
#define HARK_RING_FORM_MAX    (80u << 20) /* bytes of an encoded ring */

struct hark_ring;

/* A ring without keys. Error: no-memory. */
HARK_CHECK int hark_ring_new(struct hark_ring **out, const struct hark_hash *space,
                             struct hark_err *err);
void hark_ring_free(struct hark_ring *ring);
/* A key pair of the holder's: the present one, or one of before a `rekey`. Borrowed: it has to
 * live as long as the ring. Error: limit. */
HARK_CHECK int hark_ring_own(struct hark_ring *ring, const struct hark_box *box,
                             struct hark_err *err);

const struct hark_hash *hark_ring_space(const struct hark_ring *ring); /* borrowed */
/* The epoch in force after what was fed; false: there is none yet. */
bool hark_ring_in_force(const struct hark_ring *ring, uint32_t *epoch);
/* The first position that was not fed yet. */
uint64_t hark_ring_next(const struct hark_ring *ring);
/* The key of an epoch, up to the one in force. Borrowed, until the next call for this ring.
 * Errors: epoch-unknown (not in force yet, before the holder came, or in a gap), no-memory. */
HARK_CHECK int hark_ring_key(const struct hark_epoch **out, struct hark_ring *ring, uint32_t epoch,
                             struct hark_err *err);

/* ---- Going through the log ---------------------------------------------------- */

/* A standing `admit`, or `device` that adds, at `position`: epoch and box of its `group_key`,
 * the number of its key, its X25519 key. Errors: limit, no-memory, internal. */
HARK_CHECK int hark_ring_join(struct hark_ring *ring, uint64_t position, uint32_t epoch,
                              const struct hark_epoch_box *box, struct hark_err *err);

/* Right after hark_ring_join, of an entry that brings older keys, too: their boxes for the
 * newcomer's key, of epochs that were in force. Keys that are known are held against their
 * boxes; what the holder's own boxes open to is learned, as by hark_ring_learn, or a finding.
 * Errors: no-memory, internal. */
#define HARK_RING_OLDER_MAX 300u
struct hark_ring_older {
    uint32_t epoch;
    struct hark_epoch_box box;
};
HARK_CHECK int hark_ring_older(struct hark_ring *ring, uint64_t position,
                               const struct hark_ring_older *older, size_t count,
                               struct hark_err *err);
/* How many keys were learned so: with one that comes, entries that went before may open. */
uint64_t hark_ring_learned(const struct hark_ring *ring);
/* The runs of steps, and the first key that is known of one, or NULL: what a newcomer has to
 * be given to read what was before. Borrowed, until the next call for this ring. */
size_t hark_ring_runs(const struct hark_ring *ring);
const struct hark_epoch *hark_ring_run_key(const struct hark_ring *ring, size_t i);

/* A standing `epoch` entry. The recipients' X25519 keys are those of the log before it. */
struct hark_ring_part {
    uint64_t position;
    uint32_t epoch, part, parts;
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    const struct hark_epoch_box *boxes; /* 1 to HARK_EPOCH_PART_MAX; borrowed for the call */
    size_t count;
};
/* Errors: no-memory, internal. Boxes of parts that come before the holder's own wait for it.
 * Where there is no room for those of one part, a finding `limit` (without a key number) says
 * at which position it stands, once the key is in force: hark_ring_check is for it. */
HARK_CHECK int hark_ring_part(struct hark_ring *ring, const struct hark_ring_part *part,
                              struct hark_err *err);
/* A standing `remove`, or `device` that ends a key, that names the commitment of parts which
 * are complete. Errors: limit, no-memory, internal. */
HARK_CHECK int hark_ring_force(struct hark_ring *ring, uint64_t position,
                               const uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE],
                               struct hark_err *err);
/* The same for an entry as it stands in the log, of whatever kind: `payload` is its (a
 * never-erased one); `before` a state as of `position`, for the recipients' keys. Errors: as
 * those above; those of hark_payload_check; internal (not what the outer state lets stand).
 * After an error in the midst of older keys a ring is to be made anew. */
struct hark_state;
HARK_CHECK int hark_ring_entry(struct hark_ring *ring, struct hark_state *before, uint64_t position,
                               const char *kind, struct hark_span payload, struct hark_err *err);
/* Makes the boxes of a part of an epoch in force again, as if it were fed: for parts that
 * could not be looked at when they were. Errors: epoch-unknown, limit, no-memory. */
HARK_CHECK int hark_ring_check(struct hark_ring *ring, uint64_t position, uint32_t epoch,
                               const struct hark_epoch_box *boxes, size_t count,
                               struct hark_err *err);
/* A key from elsewhere: an older one that a newcomer is given, or one that the holder made
 * itself, as a steward does. One that was committed to is taken even where it does not lead to
 * what the ring has, which it replaces. The caller wipes `key`. Errors: epoch-key (not the one
 * committed to, or not one that leads to what the ring has; nothing has changed), epoch-unknown (no
 * such epoch is in force yet), no-memory (what was taken until then is kept). */
HARK_CHECK int hark_ring_learn(struct hark_ring *ring, uint32_t epoch,
                               const uint8_t key[HARK_EPOCH_KEY_SIZE], struct hark_err *err);

/* ---- What was found wrong ------------------------------------------------------ */

struct hark_ring_finding {
    uint64_t position; /* of the entry */
    uint32_t epoch;
    uint32_t key; /* the recipient's number; HARK_RING_NO_KEY: the key itself */
    int error;    /* epoch-key, seal; limit: see hark_ring_part */
};
/* The findings since they were last cleared, in order; borrowed until the ring is fed again.
 * What HARK_RING_FOUND_MAX left no room for is counted in *more, which may be NULL. */
const struct hark_ring_finding *hark_ring_found(const struct hark_ring *ring, size_t *count,
                                                uint64_t *more);
void hark_ring_clear_found(struct hark_ring *ring);

/* ---- Entries -------------------------------------------------------------------- */

/* Opens a `sealed` or `charter` of the ring's space, whose payload is there and the one named
 * (P1 to P4). at_seen: the epoch in force at the size of its `Seen`; before: in force before
 * it. Appends the content to `out`, which has to have room for HARK_ENVELOPE_PLAIN_MAX and is
 * best a secret buffer. Errors: envelope-version, envelope-form, envelope-old, envelope-ahead,
 * epoch-unknown, envelope-key, envelope-seal, envelope-padding; limit, no-memory; internal (an
 * entry of another kind or space). */
HARK_CHECK int hark_ring_open(struct hark_buf *out, struct hark_ring *ring,
                              const struct hark_entry *entry, struct hark_span envelope,
                              uint32_t at_seen, uint32_t before, struct hark_err *err);
/* Appends the envelope of `content` for an entry to be built, all of whose headers but
 * `Payload` are given, under the key in force. Errors: epoch-unknown (there is none, or the
 * ring has it not), limit, no-memory; internal. */
HARK_CHECK int hark_ring_seal(struct hark_buf *out, struct hark_ring *ring,
                              const struct hark_entry *entry, struct hark_span content,
                              struct hark_err *err);

/* ---- Keeping it ------------------------------------------------------------------ */

/* Appends the ring, with its keys in the clear: `out` is best a secret buffer of at most
 * HARK_RING_FORM_MAX, and is to be sealed before it is stored. Findings, own keys and parts
 * that wait are not in it; hark_ring_next of what is read is where such parts begin. Errors:
 * limit, no-memory. */
HARK_CHECK int hark_ring_encode(struct hark_buf *out, const struct hark_ring *ring,
                                struct hark_err *err);
/* Reads it strictly: what is taken is written back as it was. Errors: data-version, ring-form
 * (other bytes; a key that is not the one committed to), no-memory. */
HARK_CHECK int hark_ring_decode(struct hark_ring **out, struct hark_span bytes,
                                struct hark_err *err);

#endif
