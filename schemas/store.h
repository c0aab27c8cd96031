/*
 * What the state is kept in: objects by section and number, and look-ups from
 * bytes to a number. The state's functions (state.h) reach it through this
 * struct of functions only, so that they stay pure and the same rules run over
 * memory (tests, trial judgements) and over the index on disk (node/).
 *
 * One user at a time. Nothing here is ever the truth: it can be rebuilt from
 * the log.
 */
#ifndef HARK_SCHEMAS_STORE_H
#define HARK_SCHEMAS_STORE_H

#include "crypto/bytes.h"
#include "crypto/sha256.h"

#define HARK_OBJECT_MAX 1024u /* bytes of an object */
#define HARK_LOOKUP_MAX 64u   /* bytes of a look-up key */

/* PROTOCOL.md 6.5. FEED and what follows are derived from the log alone and are
 * not part of the state hash. */
enum hark_section {
    HARK_SECTION_SPACE = 0,
    HARK_SECTION_MEMBER,
    HARK_SECTION_KEY,
    HARK_SECTION_ENTRY,
    HARK_SECTION_TICKET,
    HARK_SECTION_NODE,
    HARK_SECTION_KIND,
    HARK_SECTION_EPOCH, /* this one and the next two: in encrypted spaces, else empty */
    HARK_SECTION_GROUP,
    HARK_SECTION_RECIPIENT,
    HARK_SECTION_HASHED_,                     /* sections before this one are hashed */
    HARK_SECTION_FEED = HARK_SECTION_HASHED_, /* by key number: seq, last id, git id, time */
    HARK_SECTION_VOTE,                        /* reserved */
    HARK_SECTION_DEVICES, /* by member ordinal: u32 numbers of its keys in force */
    HARK_SECTION_SMALL,   /* sparse; state.c's own: log tree, own kinds' definitions */
    HARK_SECTION_COUNT_
};

enum hark_lookup {
    HARK_LOOKUP_KEY,      /* Ed25519 key -> key number (any standing key of any kind) */
    HARK_LOOKUP_ENTRY,    /* entry id -> position */
    HARK_LOOKUP_TICKET,   /* ticket signing key -> ticket number */
    HARK_LOOKUP_NAME,     /* 'n' ‖ node name -> node number in force */
    HARK_LOOKUP_PAYLOAD,  /* payload hash -> position that logged it first */
    HARK_LOOKUP_VOTE,     /* u64 subject ‖ u32 member -> position of the latest standing vote */
    HARK_LOOKUP_ADMIT,    /* u64 position of an admit -> member ordinal */
    HARK_LOOKUP_ERASED,   /* u64 position that logged a payload first -> position of its erase */
    HARK_LOOKUP_OTHER,    /* state.c's own small things, by a letter and what follows it */
    HARK_LOOKUP_NODE_KEY, /* a node's log or cosigner key -> node number */
    HARK_LOOKUP_COUNT_
};

struct hark_store {
    void *arg;
    /* Number of objects in a section. */
    int (*count)(void *arg, enum hark_section section, uint64_t *count, struct hark_err *err);
    /* Copies the object to `out` (HARK_OBJECT_MAX bytes), sets *size. Errors:
     * not-found, io, damaged. */
    int (*get)(void *arg, enum hark_section section, uint64_t number, uint8_t *out, size_t *size,
               struct hark_err *err);
    /* Replaces object `number`, or appends it when number equals the count (a
     * larger number is internal, except in sections that are not hashed, which
     * may be sparse). */
    int (*put)(void *arg, enum hark_section section, uint64_t number, const uint8_t *bytes,
               size_t size, struct hark_err *err);
    /* *found false when there is none. */
    int (*find)(void *arg, enum hark_lookup lookup, struct hark_span key, bool *found,
                uint64_t *number, struct hark_err *err);
    /* Sets or replaces. */
    int (*bind)(void *arg, enum hark_lookup lookup, struct hark_span key, uint64_t number,
                struct hark_err *err);
    /* Forgets a look-up; nothing when there is none. */
    int (*unbind)(void *arg, enum hark_lookup lookup, struct hark_span key, struct hark_err *err);
    /* Merkle root over a hashed section's objects. */
    int (*root)(void *arg, enum hark_section section, struct hark_hash *root, struct hark_err *err);
};

/* A store in memory. */
struct hark_memstore;
HARK_CHECK int hark_memstore_new(struct hark_memstore **out, struct hark_err *err);
void hark_memstore_free(struct hark_memstore *mem);
struct hark_store hark_memstore_store(struct hark_memstore *mem); /* borrowed view */
/* A store with the same content, to go back to or to try something on. */
HARK_CHECK int hark_memstore_copy(struct hark_memstore **out, const struct hark_memstore *from,
                                  struct hark_err *err);

/* A store over another one: what is written stays in it, what was not written is read
 * from the one below, which must outlive it and not change meanwhile (clear it when it
 * does). It has no roots (internal): nothing provisional is ever hashed. */
struct hark_overlay;
HARK_CHECK int hark_overlay_new(struct hark_overlay **out, const struct hark_store *below,
                                struct hark_err *err);
void hark_overlay_free(struct hark_overlay *overlay);
void hark_overlay_clear(struct hark_overlay *overlay); /* as if nothing had been written */
struct hark_store hark_overlay_store(struct hark_overlay *overlay); /* borrowed view */

#endif
