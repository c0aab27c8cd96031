/*
 * The cosigned checkpoints of a space that a node keeps: of each cosigner and log the one
 * of most entries (of several of a home's own log the latest) and, where the log here does not have
 * those, the one of most entries that it has, a file each (PROTOCOL.md 7.8), in a folder of their
 * own:
 *
 *     <log>.<cosigner's key, hex>     log: "main", or the node whose intake log it is
 *     <log>.<cosigner's key, hex>.2   the other of the two, whichever that is
 *
 * A file is a signed note with two lines: the log's own and the cosigner's. What it says
 * was checked before it was put here; reading checks the cosigner's signature again.
 */
#ifndef HARK_NODE_NOTES_H
#define HARK_NODE_NOTES_H

#include "crypto/note.h"
#include "schemas/config.h"
#include "schemas/quorum.h"

/* Of the main log; and of intakes, beyond which no more are read or put. */
#define HARK_NOTES_MAX         (64u * HARK_COSIGNERS_MAX)
#define HARK_NOTES_INTAKES_MAX (2u * 64u * HARK_COSIGNERS_MAX)

struct hark_cosigned {
    char log[HARK_NODE_NAME_MAX + 1]; /* "": the main log */
    struct hark_cosigner cosigner;
    unsigned place; /* which of the two files: 0, 1 */
    struct hark_checkpoint checkpoint;
    uint64_t time_s; /* of the cosignature */
    struct hark_buf note;
};

struct hark_notes;

/* Reads all that is in the folder; there need be none. With "" nothing is read, and nothing
 * can be put. Errors: damaged (a file that is not
 * what it should be), limit, io, no-memory. */
HARK_CHECK int hark_notes_open(struct hark_notes **out, const char *folder, struct hark_err *err);
void hark_notes_free(struct hark_notes *notes);

size_t hark_notes_count(const struct hark_notes *notes);
/* In no particular order; borrowed until the next is put. */
const struct hark_cosigned *hark_notes_at(const struct hark_notes *notes, size_t at);
/* Is it of more entries than the other, or of as many at a later time? */
bool hark_cosigned_is_later(const struct hark_cosigned *a, const struct hark_cosigned *b);
/* Did the very node sign it whose log it is, by the names? Then it is not another's word. */
bool hark_cosigned_by_home(const struct hark_cosigned *cosigned);
/* That cosigner's of most entries, of several the latest; NULL: none is here. */
const struct hark_cosigned *hark_notes_find(const struct hark_notes *notes, const char *log,
                                            const struct hark_key *cosigner);
/* Grows by one whenever one is put; 0: there are none. */
uint64_t hark_notes_version(const struct hark_notes *notes);
/* Puts a later note than what is here of that cosigner and log, in place of that
 * but for `keep` (NULL: nothing), one of it, which stays: durable when it returns 0. Of all
 * of its signature lines two are kept, by these keys; the log's signature the caller has
 * verified. Errors: note-form, note-unsigned, note-signature (the cosigner's), limit, io,
 * disk-full, no-memory. */
HARK_CHECK int hark_notes_put(struct hark_notes *notes, const char *log,
                              const struct hark_note_key *log_key,
                              const struct hark_note_key *cosigner, struct hark_span note,
                              const struct hark_cosigned *keep, struct hark_err *err);

#endif
