/*
 * The index of one space: one SQLite file (WAL) derived from the log, always
 * rebuildable, never the truth. It holds the state's store (schemas/store.h),
 * the log's rows, threads, votes and cohorts as Roaring bitmaps over member
 * ordinals, Merkle tiles, and full-text search (CJK as bigrams). SQLite and
 * CRoaring are used here alone.
 *
 * A connection belongs to one thread; one writer, any number of readers (opened
 * read-only). Writing happens in a transaction: hark_index_begin, any number of
 * entries, hark_index_commit. Errors: io, disk-full, busy, damaged (also another
 * index version: rebuild), not-found, no-memory.
 *
 * A crash may take the last committed transactions away, whole ones: after opening
 * the caller compares hark_index_size with the log and adds what is missing. So
 * the log is committed first, always. Keys that are looked up are hashes and lie
 * scattered: ten thousand entries a transaction cost markedly less an entry than
 * one thousand, which counts when catching up.
 */
#ifndef HARK_NODE_INDEX_H
#define HARK_NODE_INDEX_H

#include "schemas/payload.h"
#include "schemas/state.h"

#define HARK_INDEX_VERSION 6

struct hark_index;

/* Opens, or makes when `create`; for ":memory:" one that is nowhere else. An index of another
 * version or space, or one that SQLite finds damaged, is `damaged`. */
HARK_CHECK int hark_index_open(struct hark_index **out, const char *path,
                               const struct hark_hash *space, bool create, bool read_only,
                               struct hark_err *err);
void hark_index_free(struct hark_index *index);
/* On a read-only connection begin and commit hold a snapshot: everything read in
 * between is of one instant. A commit that fails has rolled back; so does freeing
 * an index in a transaction. After a rollback hark_state_reload is due. */
HARK_CHECK int hark_index_begin(struct hark_index *index, struct hark_err *err);
HARK_CHECK int hark_index_commit(struct hark_index *index, struct hark_err *err);
void hark_index_rollback(struct hark_index *index);

/* Several reads of one instant, and faster than each by itself: opens a read
 * transaction unless one is open (*own: it did). Nothing is written in between. */
HARK_CHECK int hark_index_view(struct hark_index *index, bool *own, struct hark_err *err);
void hark_index_view_end(struct hark_index *index, bool own);

/* The store that a hark_state runs over; valid as long as the index. `root` is
 * kept up in work that goes with what changed, not with what is there (cached
 * subtree roots of 256 or 1,024 leaves a section). */
struct hark_store hark_index_store(struct hark_index *index);

/* What a payload says (PROTOCOL.md 6.3), decided by space.c. */
enum hark_says {
    HARK_SAYS_NONE = 0,    /* the entry names no payload */
    HARK_SAYS_IT = 1,      /* valid, present */
    HARK_SAYS_INVALID = 2, /* present, but not a valid payload of its kind */
    HARK_SAYS_FOREIGN = 3, /* first logged under another author */
    HARK_SAYS_ERASED = 4,
    HARK_SAYS_MISSING = 5, /* not at hand here (yet) */
    HARK_SAYS_SEALED = 6,
};

/* One entry to be indexed, after hark_state_apply in the same transaction. */
struct hark_index_entry {
    const struct hark_entry *entry;
    const struct hark_effect *effect;
    const char *kind; /* its name */
    struct hark_arrival arrival;
    struct hark_hash leaf;       /* its Merkle leaf hash */
    struct hark_git_id batch_id; /* the batch commit that logged it */
    bool has_blob;
    struct hark_git_id blob; /* of its payload */
    enum hark_says says;
    json_t *payload; /* borrowed; NULL unless HARK_SAYS_IT and JSON */
};
/* Adds its row, its Re, its words to the search, and what it does to members,
 * roles, cohorts, votes, profiles (by entry->kind and effect). Void entries get
 * their row only. Erasures and hides mark their subjects' rows.
 *
 * What hangs on an erasable payload (a name, a member's cohort in a dimension, the
 * words of a revision) goes by the latest entry that says something: so it is for
 * a newcomer too, who never sees what was erased. A vote does not: its subject and
 * member stand in headers, so the latest counts, even when it says nothing.
 *
 * An item is borrowed for the call. Error internal: it is not the next position. */
HARK_CHECK int hark_index_add(struct hark_index *index, const struct hark_index_entry *item,
                              struct hark_err *err);

/* Marks a batch: where it begins, how many, its ids. In the same transaction.
 * `number` counts batches from 0; it is given by the index. */
struct hark_index_batch {
    uint64_t number;
    uint64_t first, count;
    struct hark_git_id git_id;
    struct hark_hash hash; /* SHA-256 of the commit object */
    uint64_t time_ms;
};
HARK_CHECK int hark_index_add_batch(struct hark_index *index, const struct hark_index_batch *batch,
                                    struct hark_err *err);
/* The batch that holds `position`; or the last one for position HARK_NONE.
 * Error: not-found. */
HARK_CHECK int hark_index_batch(struct hark_index *index, uint64_t position,
                                struct hark_index_batch *out, struct hark_err *err);
/* The batch of that number. Error: not-found. */
HARK_CHECK int hark_index_batch_nth(struct hark_index *index, uint64_t number,
                                    struct hark_index_batch *out, struct hark_err *err);

/* What is still to be erased from disk: positions marked erased whose blob is
 * still known, in the main log and in intakes. After the repository has dropped them,
 * hark_index_erased removes blob ids, words, choices, names, and every trace in free pages (search
 * optimised, VACUUM, WAL truncated); needs to be outside a transaction. All of the
 * file is rewritten: erasures are better gathered. Error busy: a reader holds on to
 * an old state; until it succeeds the items stay pending. */
struct hark_pending_erasure {
    uint64_t position; /* HARK_NONE: in an intake */
    struct hark_git_id blob;
    struct hark_hash payload_hash;
};
HARK_CHECK int hark_index_pending_erasures(struct hark_index *index,
                                           struct hark_pending_erasure **out, size_t *count,
                                           struct hark_err *err); /* free() */
HARK_CHECK int hark_index_erased(struct hark_index *index, const struct hark_pending_erasure *items,
                                 size_t count, struct hark_err *err);
/* An entry's payload came later (a follower that lacked it). */
HARK_CHECK int hark_index_payload_came(struct hark_index *index, uint64_t position,
                                       const struct hark_git_id *blob, enum hark_says says,
                                       json_t *payload, struct hark_err *err);

/* --- intake logs (index_intake.c) ---------------------------------------------
 * Where they stand, their batches, and a row an entry, kept when it is in the main
 * log, too: it says where its payload lies, and rules ask what was in an intake
 * before. A log goes by a number that the index gives its node's name. */

/* *found false: nothing of it is here. `head` has no origin, and the log key that
 * was given with its first batch. */
struct hark_intake {
    uint32_t number;
    uint64_t batches;
    struct hark_log_head head;
};
HARK_CHECK int hark_index_intake(struct hark_index *index, const char *node, bool *found,
                                 struct hark_intake *out, struct hark_err *err);
/* Makes an empty one, in a transaction. */
HARK_CHECK int hark_index_intake_new(struct hark_index *index, const char *node,
                                     const struct hark_key *log_key, struct hark_intake *out,
                                     struct hark_err *err);
/* In byte order; *names is allocated (free()). */
HARK_CHECK int hark_index_intakes(struct hark_index *index, char (**names)[HARK_NODE_NAME_MAX + 1],
                                  size_t *count, struct hark_err *err);

struct hark_intake_batch {
    uint64_t number; /* counted from 0 */
    uint64_t first, count;
    uint64_t time_ms, main_size;
    struct hark_git_id git_id;
    struct hark_hash hash; /* SHA-256 of the commit object */
    struct hark_hash root; /* after it */
};
/* Adds the next batch: `intake` as read, head already after the batch; batches is
 * counted up. After its entries, in the same transaction. */
HARK_CHECK int hark_index_intake_add_batch(struct hark_index *index, struct hark_intake *intake,
                                           const struct hark_intake_batch *batch,
                                           struct hark_err *err);
/* Error: not-found. */
HARK_CHECK int hark_index_intake_batch(struct hark_index *index, uint32_t intake, uint64_t number,
                                       struct hark_intake_batch *out, struct hark_err *err);
/* The batch that ends at this size. Error: not-found. */
HARK_CHECK int hark_index_intake_end(struct hark_index *index, uint32_t intake, uint64_t size,
                                     struct hark_intake_batch *out, struct hark_err *err);

struct hark_intake_row {
    uint64_t position;
    uint64_t accepted_ms;
    uint64_t seq;
    struct hark_key author;
    struct hark_hash id;
    struct hark_git_id git_id;
    bool has_payload;
    struct hark_hash payload_hash;
    bool has_blob;
    struct hark_git_id blob;
    bool erased; /* the blob is still to go */
};
HARK_CHECK int hark_index_intake_add(struct hark_index *index, uint32_t intake,
                                     const struct hark_intake_row *row, struct hark_err *err);
/* Error: not-found. */
HARK_CHECK int hark_index_intake_row(struct hark_index *index, uint32_t intake, uint64_t position,
                                     struct hark_intake_row *out, struct hark_err *err);
HARK_CHECK int hark_index_intake_find(struct hark_index *index, uint32_t intake,
                                      const struct hark_hash *id, bool *found, uint64_t *position,
                                      struct hark_err *err);
/* By author and seq. */
HARK_CHECK int hark_index_intake_nth(struct hark_index *index, uint32_t intake,
                                     const struct hark_key *author, uint64_t seq, bool *found,
                                     uint64_t *position, struct hark_err *err);
/* What else the rules have to remember of an intake: a number under a letter and up
 * to 40 bytes. */
HARK_CHECK int hark_index_intake_note(struct hark_index *index, uint32_t intake, char letter,
                                      struct hark_span key, uint64_t number, struct hark_err *err);
HARK_CHECK int hark_index_intake_noted(struct hark_index *index, uint32_t intake, char letter,
                                       struct hark_span key, bool *found, uint64_t *number,
                                       struct hark_err *err);
/* The main log's entry of that author and seq, by a walk over the author's entries:
 * for the rare case that it is not the feed's last. */
HARK_CHECK int hark_index_nth_of(struct hark_index *index, const struct hark_key *author,
                                 uint64_t seq, bool *found, uint64_t *position,
                                 struct hark_err *err);

/* Size of the log as indexed. */
HARK_CHECK int hark_index_size(struct hark_index *index, uint64_t *size, struct hark_err *err);
/* For proofs: hark_merkle_read_fn with arg = the index, over the log's leaves. */
int hark_index_merkle_read(void *index, unsigned level, uint64_t at, struct hark_hash *out,
                           struct hark_err *err);
/* PROTOCOL.md 6.5. */
HARK_CHECK int hark_index_content_hash(struct hark_index *index, struct hark_hash *out,
                                       struct hark_err *err);

/* A row of the log. Text fields are allocated; hark_row_clear frees them. */
struct hark_row {
    uint64_t position;
    uint64_t arrival_ms, accepted_ms, time_ms;
    struct hark_hash id;
    struct hark_git_id git_id, batch_id;
    struct hark_key author_key;
    uint8_t author_of; /* enum hark_key_of */
    uint32_t author;   /* ordinal or node number */
    uint64_t seq;
    char kind[HARK_KIND_NAME_MAX + 1];
    uint8_t verdict;
    /* HARK_NONE: nothing did. erased_by: the first entry that erased it or all of
     * its member's; what it says may stand all the same when its payload belongs to
     * another (PROTOCOL.md 4). */
    uint64_t hidden_by, erased_by, replaces, used_by;
    bool has_payload;
    uint64_t payload_size;
    struct hark_hash payload_hash;
    enum hark_says says;
    bool has_blob;
    struct hark_git_id blob;
    size_t re_count;
    struct hark_hash re[HARK_ENTRY_RE_MAX];
};
HARK_CHECK int hark_index_row(struct hark_index *index, uint64_t position, struct hark_row *out,
                              struct hark_err *err);
/* Of the same only has_blob and blob. Error: not_found, as there. */
HARK_CHECK int hark_index_blob_at(struct hark_index *index, uint64_t position, bool *there,
                                  struct hark_git_id *blob, struct hark_err *err);
/* By entry id: full hex or a unique prefix of at least 8 digits. Errors: not-found,
 * ambiguous, usage (too short, not hex). */
HARK_CHECK int hark_index_find(struct hark_index *index, const char *hex, struct hark_row *out,
                               struct hark_err *err);

/* Walks rows in order of position (or backwards). Return non-zero from `fn` to
 * stop (that value is returned, unless it is HARK_STOP, which gives 0). */
#define HARK_STOP 1
typedef int hark_row_fn(void *arg, const struct hark_row *row, struct hark_err *err);
struct hark_log_query {
    const char *kind;              /* NULL: all; comma-separated list allowed */
    const struct hark_key *author; /* NULL: all */
    bool has_member;
    uint32_t member;   /* entries by any key of that member */
    uint64_t since_ms; /* arrival at or after; 0: all */
    uint64_t after;    /* positions above; HARK_NONE: from the start */
    uint64_t below;    /* positions below; 0: no bound */
    uint64_t limit;    /* 0: no limit */
    bool backwards;
    uint64_t re; /* entries about that position; HARK_NONE: all */
};
HARK_CHECK int hark_index_log(struct hark_index *index, const struct hark_log_query *query,
                              hark_row_fn *fn, void *arg, struct hark_err *err);

/* How many entries of that key arrived at or after since_ms. */
HARK_CHECK int hark_index_count_recent(struct hark_index *index, const struct hark_key *author,
                                       uint64_t since_ms, uint64_t *count, struct hark_err *err);

/* Full-text search over what stands and says something; what is hidden comes after
 * the rest (row->hidden_by tells). The query is words (all must occur) or "a phrase"; never
 * SQLite's own syntax. Best first. */
HARK_CHECK int hark_index_search(struct hark_index *index, const char *query, uint64_t limit,
                                 hark_row_fn *fn, void *arg, struct hark_err *err);

/* A tally of the latest votes on a subject. `silent`: latest votes that say
 * nothing, `erased` of them erased. Votes of members who have left or were removed
 * since count as cast; only active members are eligible, so that voters may be more
 * than those. */
struct hark_tally {
    uint64_t eligible; /* active members (within `where`) */
    uint64_t voters;   /* members whose latest vote says something */
    uint64_t agree, disagree, pass;
    uint64_t erased, silent;
};
struct hark_cohort {
    char dimension[33];
    char value[65];
};
/* where_count cohorts are ANDed (0: everybody; at most 32, else usage). `below`:
 * votes, members and cohorts as of the log's first `below` entries (0: all; smaller
 * ones are slower: by scan), but saying what they say now. */
HARK_CHECK int hark_index_tally(struct hark_index *index, uint64_t subject,
                                const struct hark_cohort *where, size_t where_count, uint64_t below,
                                struct hark_tally *out, struct hark_err *err);
/* The same by dimensions: for each combination of a value of each (in byte order of
 * the first's, then of the second's values) that an active member or a voter is in. */
#define HARK_TALLY_BY_MAX     4u
#define HARK_TALLY_GROUPS_MAX 4096u
struct hark_tally_query {
    uint64_t subject;
    uint64_t below; /* as above */
    const struct hark_cohort *where;
    size_t where_count;
    const char *by[HARK_TALLY_BY_MAX]; /* names of dimensions */
    size_t by_count;                   /* 0: everybody is one group */
};
struct hark_tally_group {
    struct hark_cohort of[HARK_TALLY_BY_MAX]; /* by_count of them */
    struct hark_tally tally;
};
/* *out is freed with free(). Errors also: usage (more dimensions), limit (more
 * combinations, whether or not somebody is in them). */
HARK_CHECK int hark_index_tally_by(struct hark_index *index, const struct hark_tally_query *query,
                                   struct hark_tally_group **out, size_t *count,
                                   struct hark_err *err);
/* The values of a dimension, in byte order; *out freed with free(). */
HARK_CHECK int hark_index_cohort_values(struct hark_index *index, const char *dimension,
                                        struct hark_cohort **out, size_t *count,
                                        struct hark_err *err);
/* A member's cohorts. */
HARK_CHECK int hark_index_member_cohorts(struct hark_index *index, uint32_t member,
                                         struct hark_cohort **out, size_t *count,
                                         struct hark_err *err);
/* A member's name from the latest profile that says something; empty string if
 * none. out: at least 101 bytes. */
HARK_CHECK int hark_index_member_name(struct hark_index *index, uint32_t member, char *out,
                                      size_t size, struct hark_err *err);
/* Members whose name is exactly this. First one by ordinal; *count tells how many. */
HARK_CHECK int hark_index_member_by_name(struct hark_index *index, const char *name,
                                         uint32_t *member, size_t *count, struct hark_err *err);
/* Cardinalities of active members, by role (0 member, 1 staff). */
HARK_CHECK int hark_index_active(struct hark_index *index, uint64_t by_role[2],
                                 struct hark_err *err);
/* Was this payload hash ever logged? (imports run again) */
HARK_CHECK int hark_index_knows_payload(struct hark_index *index, const struct hark_hash *hash,
                                        bool *known, uint64_t *position, struct hark_err *err);
/* Title, in the newest words: of a topic its title, of a post or idea its title
 * or the beginning of its body, revisions counted. UTF-8, cut at a character,
 * empty when it says nothing. */
HARK_CHECK int hark_index_title(struct hark_index *index, uint64_t position, char *out, size_t size,
                                struct hark_err *err);
/* Bytes on disk, WAL included. */
HARK_CHECK int hark_index_disk(struct hark_index *index, uint64_t *bytes, struct hark_err *err);
/* SQLite's integrity check and our own (bitmaps against rows, counts, roots), in
 * the time that reading all of it takes; outside a transaction. Error: damaged. */
HARK_CHECK int hark_index_check(struct hark_index *index, struct hark_err *err);

#endif
