/*
 * A conversation exported from Polis: a folder with summary.csv (topic, url,
 * description), comments.csv (a row a statement) and votes.csv (a row a vote, in
 * order: of two votes by one person on one statement the later row counts).
 * Reading only; import.c makes entries of it.
 *
 * Columns are found by their names in the header. A row that cannot be read is
 * told to the caller and left out.
 */
#ifndef HARK_NODE_POLIS_H
#define HARK_NODE_POLIS_H

#include "node/csv.h"

#define HARK_POLIS_SUMMARY_MAX  (1024u * 1024u) /* bytes of the files */
#define HARK_POLIS_COMMENTS_MAX (64u * 1024u * 1024u)
#define HARK_POLIS_VOTES_MAX    (512u * 1024u * 1024u)
#define HARK_POLIS_TITLE_MAX    200u /* bytes, cut at a character */
#define HARK_POLIS_TEXT_MAX     16384u
#define HARK_POLIS_SOURCE_MAX   100u

struct hark_polis;

struct hark_polis_comment {
    uint64_t id, author, time_ms;
    size_t line;
    int moderated; /* 1 accepted, 0 undecided, -1 rejected */
    /* Line breaks are LF. Borrowed from the conversation. NULL data: the row has
     * an id and nothing else that can be used (it was told as skipped). */
    struct hark_span body;
};

struct hark_polis_vote {
    uint64_t comment, voter, time_ms;
    size_t line;
    int vote; /* 1 agree, -1 disagree, 0 pass */
    /* How many votes of this voter on this comment came before: tells two votes
     * apart that are otherwise the same. */
    uint32_t nth;
};

/* A row of `file` that cannot be read, and why (printable, nothing of the file's
 * own words in it). */
typedef void hark_polis_skip_fn(void *arg, const char *file, size_t line, const char *why);

/* Reads the folder. Errors: not-found, io, io-permission, limit, usage (a header
 * without its columns, no topic), no-memory. `skip` and arg are kept. */
HARK_CHECK int hark_polis_open(struct hark_polis **out, const char *dir, hark_polis_skip_fn *skip,
                               void *arg, struct hark_err *err);
void hark_polis_free(struct hark_polis *polis);

/* Borrowed; one line, never empty. */
const char *hark_polis_title(const struct hark_polis *polis);
/* Borrowed; may be empty. */
const char *hark_polis_description(const struct hark_polis *polis);
/* "polis:" and the conversation's address, or its topic where it has none: what
 * tells it from others. */
const char *hark_polis_source(const struct hark_polis *polis);

/* In the order in which they were written (time, then line), one for each id: of
 * two rows with one id the later is skipped. Borrowed. */
size_t hark_polis_comment_count(const struct hark_polis *polis);
const struct hark_polis_comment *hark_polis_comment(const struct hark_polis *polis, size_t i);
/* The number of the comment with that id in this order; false if there is none. */
bool hark_polis_find(const struct hark_polis *polis, uint64_t id, size_t *i);

/* The next vote in the file's order; *more false at the end. Whether its comment
 * exists is the caller's question. Errors: no-memory, limit. */
HARK_CHECK int hark_polis_next_vote(struct hark_polis *polis, struct hark_polis_vote *vote,
                                    bool *more, struct hark_err *err);
/* Bytes of votes.csv: read so far, and all. */
void hark_polis_progress(const struct hark_polis *polis, uint64_t *done, uint64_t *total);

#endif
