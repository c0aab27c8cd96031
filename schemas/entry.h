/*
 * The entry: a git commit object of the empty tree, signed in SSHSIG. Building,
 * strict parsing (rebuild and compare) and verifying. PROTOCOL.md 3; each error
 * is that of its rule E1 to E15. Pure: no clock, no randomness, no files.
 */
#ifndef HARK_SCHEMAS_ENTRY_H
#define HARK_SCHEMAS_ENTRY_H

#include "crypto/bytes.h"
#include "crypto/key.h"
#include "crypto/sha256.h"
#include "crypto/sshsig.h"

#define HARK_ENTRY_MAX     4096u
#define HARK_ENTRY_RE_MAX  32u
#define HARK_KIND_NAME_MAX 32u
#define HARK_GIT_ID_SIZE   20
#define HARK_NUMBER_MAX    UINT64_C(9007199254740991) /* 2^53 - 1 */

/* A git object id (SHA-1). Computed in node/ only; here it is carried. */
struct hark_git_id {
    uint8_t bytes[HARK_GIT_ID_SIZE];
};

struct hark_seen {
    uint64_t size;
    struct hark_hash root;
    uint32_t key_id;
    uint8_t signature[HARK_SIGNATURE_SIZE];
};

/* A parsed entry, or the fields of one to build. Plain data. */
struct hark_entry {
    bool has_space; /* false in a space's first entry */
    struct hark_hash space;
    struct hark_key author;
    uint64_t seq;
    struct hark_hash previous; /* when seq > 1 */
    struct hark_git_id parent; /* when seq > 1 */
    uint64_t time_ms;
    char kind[HARK_KIND_NAME_MAX + 1];
    bool has_seen;
    struct hark_seen seen;
    size_t re_count;
    struct hark_hash re[HARK_ENTRY_RE_MAX];
    bool has_payload;
    uint64_t payload_size;
    struct hark_hash payload_hash;
    struct hark_sshsig signature; /* filled by parse and build */
    struct hark_hash id;          /* filled by parse and build */
};

/* Appends the entry's bytes, signed by `signer`, whose key must be
 * entry->author; fills entry->signature and entry->id. Errors: as parse gives
 * for such fields, internal for another signer. */
HARK_CHECK int hark_entry_build(struct hark_buf *out, struct hark_entry *entry,
                                const struct hark_signer *signer, struct hark_err *err);

/* Parses strictly (E1 to E14), does not verify the signature. */
HARK_CHECK int hark_entry_parse(struct hark_entry *out, struct hark_span bytes,
                                struct hark_err *err);
/* Appends the headers of an entry, parsed or to be built, from `Hark:` to before `Payload`: the
 * additional data of its envelope (10.3). At most HARK_ENTRY_MAX bytes. Error: limit. */
HARK_CHECK int hark_entry_headers(struct hark_buf *out, const struct hark_entry *entry,
                                  struct hark_err *err);
/* Which payload does an entry name that was parsed before it was stored? False: none. Of
 * other bytes it says anything. */
bool hark_entry_names_payload(struct hark_span stored, struct hark_hash *hash);

/* E15. `bytes` are those that `entry` was parsed from. Thread-safe, so that a
 * pool can verify a batch. */
HARK_CHECK int hark_entry_verify(const struct hark_entry *entry, struct hark_span bytes,
                                 struct hark_err *err);

/* Is this a kind's name as of rule E8? */
bool hark_kind_name_valid(struct hark_span name);

/* What follows is shared with the batch commit, which has the same outside. */

/* Takes the next line, if it begins with `head` and ends with LF; `rest` is what
 * stands between the two. Otherwise false, and nothing is changed. */
bool hark_take_headed(struct hark_span *in, const char *head, struct hark_span *rest);
/* Splits into exactly `count` fields with one space between each two; false if
 * there are fewer or more. A field may be empty. */
bool hark_split_fields(struct hark_span text, struct hark_span *fields, size_t count);

/* A commit object as Hark writes it: tree, parents, author and committer (one
 * key, one time), signature, message. */
#define HARK_GIT_EMPTY_TREE "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

struct hark_commit {
    char tree[2 * HARK_GIT_ID_SIZE + 1];
    size_t parent_count;
    struct hark_span parents; /* the parent lines, "parent <40 hex>\n" each, borrowed */
    struct hark_key author;
    uint64_t time_s;
    struct hark_sshsig signature;
    struct hark_span message; /* after the empty line, borrowed */
};

/* Splits a commit object; the errors are those of E3, E5, E6, E10 (author and
 * committer differ), E12, E13. max_parents bounds the parent lines. */
HARK_CHECK int hark_commit_parse(struct hark_commit *out, struct hark_span bytes,
                                 size_t max_parents, struct hark_err *err);
/* Parent number `n` (below parent_count) of a parsed commit. */
struct hark_git_id hark_commit_parent(const struct hark_commit *commit, size_t n);
/* Appends the commit without its gpgsig lines: what the signature covers. */
HARK_CHECK int hark_commit_signed_bytes(struct hark_buf *out, const struct hark_commit *commit,
                                        struct hark_err *err);
/* Appends the whole commit with commit->signature. */
HARK_CHECK int hark_commit_build(struct hark_buf *out, const struct hark_commit *commit,
                                 struct hark_err *err);

#endif
