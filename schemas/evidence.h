/*
 * Evidence: that a key signed what no honest holder of it signs, in a file that is checked
 * with nothing else at hand. PROTOCOL.md 7.11. Pure.
 */
#ifndef HARK_SCHEMAS_EVIDENCE_H
#define HARK_SCHEMAS_EVIDENCE_H

#include "crypto/merkle.h"
#include "schemas/batch.h"
#include "schemas/quorum.h"

#define HARK_EVIDENCE_HEAD "hark-evidence 1\n"
#define HARK_EVIDENCE_MAX  (512u * 1024u)

/* Arrivals further before a cosignature than this are what `backdated` is about. */
#define HARK_BACKDATED_S 300u
/* WITHHELD: how often the cosigners have to have heard of the home, and how much later than
 * what they signed the home's own clock has to be, which may be ahead (B10). */
#define HARK_WITHHELD_ROUNDS  2u
#define HARK_WITHHELD_AHEAD_S 300u

enum hark_evidence_kind {
    HARK_EVIDENCE_FORK,      /* a log key signed two histories under one origin */
    HARK_EVIDENCE_BACKDATED, /* a log key dated an entry before a log without it was cosigned, or
                              * before the home itself said that its log was without it */
    HARK_EVIDENCE_BACKWARDS, /* a cosigner signed two histories, or went back */
    HARK_EVIDENCE_TWIN,      /* an author signed two entries for one place in a feed */
    HARK_EVIDENCE_WITHHELD,  /* a home did not take over what others had accepted */
    HARK_EVIDENCE_KINDS_
};
/* "fork" and so on; static. */
const char *hark_evidence_kind_name(enum hark_evidence_kind kind);
/* Its parts, without the first entry. */
#define HARK_EVIDENCE_PARTS_MAX (2u + 2u * HARK_WITHHELD_ROUNDS)
size_t hark_evidence_part_count(enum hark_evidence_kind kind);

/* What a file is made of. All that is borrowed lies in what it was read from. */
struct hark_evidence_parts {
    enum hark_evidence_kind kind;
    struct hark_key key; /* whose signatures these are */
    /* BACKDATED, BACKWARDS: under which name the cosigner signs; BACKDATED: with which key
     * (BACKWARDS: `key`). */
    char cosigner[HARK_NODE_NAME_MAX + 1];
    struct hark_key cosigner_key;
    /* FORK, BACKWARDS: the root of as many first entries of the second's log as the first
     * has, and the proof of it (a consistency proof); without where none is needed. */
    bool has_path;
    struct hark_hash root;
    /* WITHHELD: of the first part's log, from what was taken of it; none where that is
     * nothing. */
    struct hark_proof path;
    /* WITHHELD: the key of the intake's log; the delay that was overrun; who cosigned, by
     * ascending keys. */
    struct hark_key intake_key;
    uint64_t delay_s;
    size_t cosigner_count;
    struct hark_cosigner cosigners[HARK_COSIGNERS_MAX];
    /* FORK: notes or receipts, the smaller log first. BACKDATED: the cosigned note, the
     * receipt. BACKWARDS: cosigned notes, the smaller log first. TWIN: entries. WITHHELD: the
     * cosigned note of the intake, or a receipt under such; for each round a batch commit and
     * a cosigned note of the main log that covers it; the batch commit that says how little
     * is taken. */
    struct hark_span parts[HARK_EVIDENCE_PARTS_MAX];
    /* The space's first entry and its payload, if it is to say whose key it is. */
    bool has_first;
    struct hark_span first, payload;
};

enum hark_evidence_claim {
    HARK_CLAIM_ROOT,      /* of as many entries, with another root */
    HARK_CLAIM_BEGINNING, /* the larger log begins with other entries than the smaller has */
    HARK_CLAIM_ENTRY,     /* another entry at the same position: FORK of two receipts */
    HARK_CLAIM_TIME,      /* BACKWARDS: the smaller was signed later; BACKDATED */
    HARK_CLAIM_TWIN,
    HARK_CLAIM_STATEMENT, /* BACKDATED: who said so is the home itself, by its cosigner key */
    HARK_CLAIM_WITHHELD,
};

/* One of the two signed things. */
struct hark_evidence_side {
    struct hark_checkpoint checkpoint; /* but of TWIN */
    uint64_t time_s;                   /* of the cosignature: BACKDATED's first, BACKWARDS */
    bool is_receipt;
    struct hark_line line; /* of a receipt */
    struct hark_hash id;   /* of a receipt's entry, of a TWIN */
};

/* What a file proves, all of it checked. */
struct hark_evidence {
    enum hark_evidence_kind kind;
    enum hark_evidence_claim claim;
    struct hark_key key;
    struct hark_hash space;
    char node[HARK_NODE_NAME_MAX + 1]; /* that the key signed as; TWIN: empty */
    bool is_intake;                    /* FORK: of the node's intake log */
    char cosigner[HARK_NODE_NAME_MAX + 1];
    struct hark_key cosigner_key; /* BACKDATED, BACKWARDS */
    struct hark_evidence_side sides[2];
    uint64_t seq; /* TWIN */
    /* WITHHELD: the sides are the intake (its time: of the last cosignature under it, or of the
     * receipt's acceptance) and the last of the cosigned checkpoints. Whose intake; the position
     * in it that was not taken; how many were; when the home said so; how long it may take. */
    char intake_node[HARK_NODE_NAME_MAX + 1];
    struct hark_key intake_key;
    uint64_t position, taken, said_ms, delay_s;
    size_t cosigner_count;
    struct hark_cosigner cosigners[HARK_COSIGNERS_MAX];
    bool first_delay; /* the first entry's policy wants it as soon as that */
    /* The first entry came along and names this very key (and node): as that of the home it
     * founds the space with, or (TWIN) as the steward's or the home's. CLAIM_STATEMENT: and
     * the cosigner key as the same home's. */
    bool has_first, is_named;
};

/* Does it convict by itself, once it is known whose `key` is? Not so where the word of another
 * cosigner is what it rests on, or where nothing in the file says that the cosigner key is the
 * home's as well: then both keys have to be looked up. */
bool hark_evidence_convicts(const struct hark_evidence *evidence);

/* Appends the file, if it proves something: it is read again. Of FORK and BACKWARDS the
 * parts may come in either order where there is no path. Errors: those of read, limit. */
HARK_CHECK int hark_evidence_encode(struct hark_buf *out, const struct hark_evidence_parts *parts,
                                    struct hark_err *err);
/* The form alone, strictly: what is taken is written back as it was. Nothing in it is
 * checked. Error: evidence-form. */
HARK_CHECK int hark_evidence_decode(struct hark_evidence_parts *out, struct hark_span text,
                                    struct hark_err *err);
/* Reads it and checks everything: signatures, proofs, and that it proves what its kind is
 * about. Errors: evidence-form, evidence (a signature or proof does not hold, or no rule is
 * broken), no-memory. */
HARK_CHECK int hark_evidence_read(struct hark_evidence *out, struct hark_span text,
                                  struct hark_err *err);
/* Does it begin as such a file? */
bool hark_evidence_is(struct hark_span text);

#endif
