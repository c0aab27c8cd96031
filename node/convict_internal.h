/*
 * Shared by the files of convict.h. Whoever breaks a rule can do so a thousand times: one file
 * is kept of a key and what it did, so that what is kept is bounded by who was ever named.
 *
 *   convict.c           the files, and what goes into one
 *   convict_log.c       a log that has two histories
 *   convict_cosigner.c  a cosigner that went back
 *   convict_dated.c     a home that went back in time
 *   convict_twin.c      an author of two entries for one place
 *   convict_take.c      what others show
 *   convict_kept.c      what is kept, for those to whom it is shown
 *   convict_withheld.c  a home that takes nothing over
 *   convict_pinned.c    what of that has come so far
 */
#ifndef HARK_NODE_CONVICT_INTERNAL_H
#define HARK_NODE_CONVICT_INTERNAL_H

#include "node/convict.h"
#include "node/space_internal.h"
#include "schemas/evidence.h"

#define HARK_CONVICT_EVIDENCE ".evidence"
#define HARK_CONVICT_NOTE     ".note"

/* What a file is named by: who did what. */
struct hark_hash hark_convict_name(enum hark_evidence_kind kind, const struct hark_key *key,
                                   const char *of);
HARK_CHECK int hark_convict_path(struct hark_space *space, const struct hark_hash *hash,
                                 const char *ending, char path[HARK_PATH_MAX],
                                 struct hark_err *err);
bool hark_convict_has(const char *path);
/* Of which of a key's offences of that kind it is: one file is kept of each. "" or an origin, which
 * is borrowed. */
const char *hark_convict_of(enum hark_evidence_kind kind, const char *origin);
/* Durable when it returns 0; where there is one already it stays. */
HARK_CHECK int hark_convict_write(struct hark_space *space, const char *path,
                                  struct hark_span bytes, struct hark_err *err);

/* May two entries of that key and seq, the earlier of them signed at time_ms, come from nodes
 * that keep to the rules (7.6, 7.11)? */
HARK_CHECK int hark_convict_excused(struct hark_space *space, const struct hark_key *author,
                                    uint64_t seq, uint64_t time_ms, bool *excused,
                                    struct hark_err *err);
void hark_convict_kept_free(struct hark_space *space);
/* How many cosigners a home is convicted by that withholds what that node has taken in: as
 * many as settle, where that is asked for, of those that can cosign the intake; at least 1. */
HARK_CHECK int hark_convict_withheld_need(struct hark_space *space, const char *node, size_t *need,
                                          struct hark_err *err);

/* While a home is watched: the cosigned checkpoint of an intake, and one of the main log for
 * each round, as far as they have come. */
#define HARK_PINNED_NOTES (1u + HARK_WITHHELD_ROUNDS)
struct hark_pinned {
    uint64_t taken; /* of the intake, all the while */
    size_t count;
    struct hark_buf notes[HARK_PINNED_NOTES]; /* owned, as many as `count` */
};
/* Only the first `count` are left. */
void hark_pinned_drop(struct hark_pinned *pinned, size_t count);
HARK_CHECK int hark_pinned_add(struct hark_pinned *pinned, struct hark_span note,
                               struct hark_err *err);
/* By the name of whose intake it is. Where there is none, or none that can be read, it is
 * empty; an empty one is removed. Durable when it returns 0. Errors: io, disk-full. */
HARK_CHECK int hark_pinned_read(struct hark_space *space, const char *node, struct hark_pinned *out,
                                struct hark_err *err);
HARK_CHECK int hark_pinned_write(struct hark_space *space, const char *node,
                                 const struct hark_pinned *pinned, struct hark_err *err);

/* What parts borrow from. */
struct hark_material {
    struct hark_evidence_parts parts;
    struct hark_buf other, first, payload;
};
/* NULL: no memory. */
struct hark_material *hark_material_new(void);
void hark_material_free(struct hark_material *m); /* NULL: nothing */
/* The space's first entry, which makes its id. */
HARK_CHECK int hark_material_first(struct hark_space *space, struct hark_material *m,
                                   struct hark_err *err);
/* What the first `size` entries of a log ("": the main one, else whose intake) begin with,
 * proved. */
HARK_CHECK int hark_material_path(struct hark_space *space, const char *log,
                                  struct hark_material *m, uint64_t old_size, uint64_t size,
                                  struct hark_err *err);
/* The receipt of what stands here at that position, appended to `other`. */
HARK_CHECK int hark_material_receipt(struct hark_space *space, struct hark_material *m,
                                     uint64_t position, struct hark_err *err);
/* evidence: they prove nothing together. */
HARK_CHECK int hark_material_write(struct hark_space *space, struct hark_material *m,
                                   const char *path, struct hark_err *err);

#endif
