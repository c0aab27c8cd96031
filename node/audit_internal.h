/*
 * Shared by the files of audit.h:
 *
 *   audit.c           the order of things, what hangs on the whole, the JSON
 *   audit_find.c      findings, and whose fault they are
 *   audit_log.c       which batches and payloads a log has
 *   audit_read.c      reading and preparing batches on all threads, in order
 *   audit_main.c      judging the main log
 *   audit_intake.c    judging an intake log
 *   audit_cosigned.c  what cosigners have signed of the main log
 *
 * A log is audited in one pass over its batches, oldest first. Up to the first
 * thing wrong each is judged whole, as a partner would that takes it; from there
 * on by what can still be said (audit_main.c).
 */
#ifndef HARK_NODE_AUDIT_INTERNAL_H
#define HARK_NODE_AUDIT_INTERNAL_H

#include "node/audit.h"
#include "node/space_internal.h"
#include "schemas/quorum.h"

#define AUDIT_LOG_NAME_MAX (sizeof("payloads/") + HARK_NODE_NAME_MAX)

/* --- growing arrays --------------------------------------------------------- */

struct audit_list {
    void *items;
    size_t count, capacity;
};
/* Appends a copy of an item of `size` bytes. */
HARK_CHECK int hark_audit_push(struct audit_list *list, const void *item, size_t size,
                               struct hark_err *err);

/* --- the whole -------------------------------------------------------------- */

/* The end of a batch: what `Main`, `Taken` and checkpoints speak of. */
struct audit_end {
    uint64_t size;
    struct hark_hash root;
    struct hark_git_id batch;
};

/* What a batch of the main log says that it has taken of an intake. */
struct audit_taken {
    uint32_t node;  /* its name's number: hark_audit_name */
    uint32_t batch; /* its number in the main log */
    uint64_t size;
    struct hark_hash root;
};

/* A line of the main log that names an intake. There may be as many as entries. */
struct audit_copied {
    uint32_t node;  /* its name's number */
    uint32_t batch; /* its number in the main log */
    uint64_t intake_position, accepted_ms, position;
};

/* An erasure that stands, and a node's word that it is carried out there. */
struct audit_erasure {
    uint64_t position;
    uint32_t home; /* that logged it */
    struct hark_hash id;
};
struct audit_ack {
    uint64_t erasure; /* position */
    uint32_t node;
};

struct audit {
    const char *path;
    struct hark_pool *pool; /* borrowed */
    uint64_t now_ms;
    struct hark_repo *repo; /* of the thread that called */

    json_t *findings; /* array */
    size_t omitted;   /* findings beyond what a person would read */
    json_t *unacknowledged;
    enum hark_audit_verdict verdict;
    uint64_t entries, signatures, payloads, erased, checkpoints;

    /* Of the main log, as far as it could be judged. */
    bool has_space;
    struct hark_hash space;
    struct hark_memstore *mem;
    struct hark_store store;
    struct hark_state *state; /* NULL: its first entry could not be judged */
    bool judged;              /* the state is that of the whole log */
    uint64_t size;            /* of the main log, as many entries as its batches have */
    char origin[HARK_ORIGIN_MAX + 1];
    struct hark_key home_key;
    uint64_t sound_size;
    struct hark_hash sound_root;
    uint64_t merge_delay_s; /* of the policy in force */
    struct hark_quorums quorums;
    uint64_t settled, cosignatures;
    struct hark_git_id cosigned_id;
    struct hark_buf cosigned;    /* that commit; empty: there is none that can be read */
    struct audit_list home_keys; /* struct hark_key: of all homes so far */
    struct audit_list ends;      /* struct audit_end, by size */
    struct audit_list taken;     /* struct audit_taken, in order */
    struct audit_list copied;    /* struct audit_copied */
    struct audit_list erasures;  /* struct audit_erasure, by position */
    struct audit_list acks;      /* struct audit_ack */
    struct audit_list own_kinds; /* uint64_t: where the space's own kinds came */
    struct audit_list homes; /* uint64_t: where batches begin that bring a second or later home */
    struct hark_memstore *names; /* of nodes -> their numbers */
    uint64_t name_count;

    struct audit_list loose; /* struct audit_loose: all blobs, when they were listed */
    bool loose_listed;
};

/* A payload that no ref leads to yet (PROTOCOL.md 7.5: at most a second). */
struct audit_loose {
    struct hark_hash hash;
    struct hark_git_id id;
};

/* The number that stands for a node's name (what is before its first '/') in this audit;
 * a name that is too long has none: *number is UINT32_MAX. */
HARK_CHECK int hark_audit_name(struct audit *audit, const char *name, uint32_t *number,
                               struct hark_err *err);

/* --- findings (audit_find.c) -------------------------------------------------- */

struct audit_finding {
    int code; /* its name is the finding's, unless `name` says another */
    const char *name;
    enum hark_audit_verdict verdict;
    const char *role; /* "home", "partner", "member", or NULL: nobody signed it */
    const struct hark_key *key;
    const char *log;               /* "main", "intake/<node>", "payloads/<log>" */
    uint64_t position;             /* HARK_NONE */
    const struct hark_hash *entry; /* NULL */
    const struct hark_git_id *evidence[2];
    const char *detail;
};
HARK_CHECK int hark_audit_find(struct audit *audit, const struct audit_finding *finding,
                               struct hark_err *err);

/* Errors that mean that something cannot be read, rather than what it says is
 * wrong. Others (no memory, io) end the audit. */
bool hark_audit_is_missing(int code);
bool hark_audit_is_trouble(int code);

/* Who signed a batch commit, whatever it says: false when nobody did. */
bool hark_audit_signer(struct hark_span commit, struct hark_key *key);
/* Fills verdict, role and key of a finding about a batch of the log of `node`
 * ("": main) that `key` has signed (NULL: nobody). */
HARK_CHECK int hark_audit_blame(struct audit *audit, const char *node, const struct hark_key *key,
                                struct audit_finding *finding, struct hark_err *err);

/* --- a log's batches and payloads (audit_log.c) -------------------------------- */

/* What is known of a position. There are as many as entries: its size matters. */
struct audit_place {
    struct hark_hash id; /* of the entry */
    /* Of the blob that the payload ref has here, until the entry is noted; then of the
     * entry. */
    struct hark_git_id git_id;
    bool covered : 1; /* the payload ref has a blob here */
    bool read : 1;    /* the entry could be read: id and what follows are known */
    bool has_payload : 1;
    bool present : 1; /* and the one named */
    bool told : 1;    /* a finding speaks of it already */
    uint64_t first;   /* entry of the main log that has this payload; HARK_NONE */
};

/* Where a log's refs point. A node that runs goes on writing: refs are read once,
 * those of payloads and intakes before that of the main log, so that the main log is
 * never behind what the others say. */
struct audit_refs {
    bool has_log, has_payloads;
    struct hark_git_id log, payloads;
};
HARK_CHECK int hark_audit_refs(struct audit *audit, const char *node, struct audit_refs *out,
                               struct hark_err *err);

struct audit_log {
    struct audit *audit;
    const char *node; /* "": main */
    char name[AUDIT_LOG_NAME_MAX];
    char payload_ref[AUDIT_LOG_NAME_MAX];
    /* Batch commits, oldest first; batch i begins at firsts[i], the log ends at
     * firsts[count]. */
    size_t count;
    struct hark_git_id *ids;
    uint64_t *firsts;
    bool whole; /* ids[0] is where the log begins */
    uint64_t size;
    struct audit_place *places; /* `size` of them, from firsts[0] */
    uint64_t covered;           /* up to where the payload ref could be read */
};

/* Finds the log's batches and payloads, with findings about what cannot be; count 0
 * when there are none. */
HARK_CHECK int hark_audit_log_open(struct audit_log *log, struct audit *audit, const char *node,
                                   const struct audit_refs *refs, struct hark_err *err);
void hark_audit_log_close(struct audit_log *log);
/* The payload blob of a position that is not noted yet, any thread. */
bool hark_audit_blob(const struct audit_log *log, uint64_t position, const struct hark_hash *hash,
                     struct hark_git_id *id);
/* Does a batch commit follow another one? Of its parsed message. */
bool hark_audit_has_previous(struct hark_span message);
/* After all is judged: what is there and should not be, and the reverse. */
HARK_CHECK int hark_audit_payloads(struct audit_log *log, struct hark_err *err);

/* --- reading ahead (audit_read.c) ----------------------------------------------- */

/* A batch, read and prepared; belongs to whoever judges it for the while. */
struct audit_batch {
    size_t number;
    uint64_t first;
    struct hark_git_id id;
    int code; /* 0, or why commit or files cannot be read or are none of a batch */
    struct hark_err err;
    bool missing; /* an entry could not be read; its item says which */
    bool parsed;  /* the commit is one: count, ids */
    bool files;   /* entries file and checkpoint were read */
    struct hark_buf bytes;
    struct hark_raw_batch raw;
    size_t capacity; /* of what follows */
    struct hark_raw_entry *raw_items;
    struct space_item *items;
    struct hark_git_id *ids; /* of the entries */
    int *payload_codes;      /* what is wrong with a payload that was found, or 0 */
    struct audit_part *parts;
};

typedef int hark_audit_judge_fn(void *arg, struct audit_batch *batch, struct hark_err *err);
/* Hands all of the log's batches to `judge` in order, one at a time, from changing
 * threads. An error of `judge` ends it. */
HARK_CHECK int hark_audit_read(struct audit_log *log, hark_audit_judge_fn *judge, void *arg,
                               struct hark_err *err);

/* --- judging -------------------------------------------------------------------- */

/* What both logs have in common about a batch: findings about objects that cannot be
 * read, then about entries that are wrong by themselves. `but` is the position of one
 * that was told already. */
HARK_CHECK int hark_audit_items(struct audit_log *log, struct audit_batch *batch,
                                const struct hark_key *signer, uint64_t but, struct hark_err *err);
/* Notes entries and payloads in log->places, with findings about payloads that are not
 * those named, and counts. */
HARK_CHECK int hark_audit_note(struct audit_log *log, struct audit_batch *batch,
                               struct hark_err *err);
/* Notes whose payloads they were first, once the main log's state has the entries. */
HARK_CHECK int hark_audit_note_first(struct audit_log *log, const struct audit_batch *batch,
                                     struct hark_err *err);
/* A finding about a batch as a whole. */
HARK_CHECK int hark_audit_batch(struct audit_log *log, const struct audit_batch *batch,
                                const struct hark_key *signer, const struct hark_err *what,
                                struct hark_err *err);
/* The entries file, against commit and entries (B7), for a batch that is not judged
 * whole; *lines is to be freed. 0 or the rule's error. */
HARK_CHECK int hark_audit_lines(const struct audit_batch *batch, const struct hark_batch *parsed,
                                struct hark_line **lines, struct hark_err *err);

HARK_CHECK int hark_audit_main(struct audit *audit, struct audit_log *log, struct hark_err *err);
/* Before the main log's ref is read, so that it is never behind this. */
HARK_CHECK int hark_audit_read_cosigned(struct audit *audit, struct hark_err *err);
/* After the main log, where that could be judged to some point: fills settled. */
HARK_CHECK int hark_audit_cosigned(struct audit *audit, struct hark_err *err);
/* After the main log. */
HARK_CHECK int hark_audit_intake(struct audit *audit, const struct audit_log *main_log,
                                 const char *node, const struct audit_refs *refs,
                                 struct hark_err *err);

#endif
