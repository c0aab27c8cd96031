/*
 * What cosigners have signed, as the repository tells it (PROTOCOL.md 7.8): each
 * cosigned checkpoint against the log that is here, and what is settled by all of them.
 * Who signed a history that is not here has signed two.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/note.h"
#include "node/audit_internal.h"

struct cosigned {
    struct audit *audit;
    struct audit_list sizes; /* struct hark_cosigned_size */
};

static int find_nobody(struct audit *audit, int code, const char *detail, struct hark_err *err)
{
    const struct audit_finding finding = {.code = code,
                                          .verdict = HARK_AUDIT_UNREADABLE,
                                          .log = "cosigned",
                                          .position = HARK_NONE,
                                          .evidence = {&audit->cosigned_id},
                                          .detail = detail};

    return hark_audit_find(audit, &finding, err);
}

/* --- the log's own signature ------------------------------------------------------------ */

/* "<node>/<space>/<incarnation>" of this space; the incarnation, or 0. */
static uint64_t incarnation_of(const struct audit *audit, const char *origin)
{
    struct hark_origin_parts parts;

    return hark_origin_read(&parts, hark_span_str(origin)) &&
                   hark_hash_equal(&parts.space, &audit->space)
               ? parts.incarnation
               : 0;
}

/* Where the home of that incarnation ended, as hark_space_incarnation_end. */
static uint64_t end_of(const struct audit *audit, uint64_t incarnation)
{
    const uint64_t *homes = audit->homes.items;

    return incarnation <= audit->homes.count ? homes[incarnation - 1] : HARK_NONE;
}

static int compare_ends(const void *a, const void *b)
{
    uint64_t x = ((const struct audit_end *)a)->size, y = ((const struct audit_end *)b)->size;

    return x < y ? -1 : x > y;
}

static int find_fork(struct audit *audit, const struct hark_checkpoint *cp,
                     const struct hark_node_object *home, struct hark_err *err)
{
    struct audit_finding finding = {.code = HARK_E_PEER_FORK,
                                    .verdict = HARK_AUDIT_HOME,
                                    .role = "home",
                                    .key = &home->keys.log,
                                    .log = "cosigned",
                                    .position = HARK_NONE,
                                    .evidence = {&audit->cosigned_id}};
    char detail[200];

    (void)snprintf(detail, sizeof(detail),
                   "its signature stands under another history of %" PRIu64
                   " entries than the one here",
                   cp->size);
    finding.detail = detail;
    return hark_audit_find(audit, &finding, err);
}

/* Does the log here begin with just what the home signed? *fits false with a finding, or
 * because there is nothing here to compare it with. */
static int check_history(struct audit *audit, const struct hark_checkpoint *cp,
                         const struct hark_node_object *home, bool *fits, struct hark_err *err)
{
    const struct audit_end key = {.size = cp->size}, *end = NULL;

    *fits = false;
    if (cp->size > audit->sound_size || cp->size > end_of(audit, incarnation_of(audit, cp->origin)))
        return 0;
    if (audit->ends.count > 0)
        end = bsearch(&key, audit->ends.items, audit->ends.count, sizeof(key), compare_ends);
    *fits = end != NULL && hark_hash_equal(&end->root, &cp->root);
    return *fits ? 0 : find_fork(audit, cp, home, err);
}

/* --- cosignatures ------------------------------------------------------------------------- */

/* home: whose log it is; what that says of it itself is no cosignature. */
static int count_cosigner(struct cosigned *c, const struct hark_note *note,
                          const struct hark_checkpoint *cp, const struct hark_node_object *home,
                          uint32_t number, struct hark_err *err)
{
    struct audit *audit = c->audit;
    struct hark_cosigned_size size = {.size = cp->size};
    struct hark_node_object node;
    struct hark_note_key key;
    int rc = hark_state_node(audit->state, number, &node, err);

    if (rc == 0)
        rc =
            hark_note_key_init(&key, node.name, HARK_NOTE_COSIGNATURE_V1, &node.keys.cosigner, err);
    if (rc < 0)
        return rc;
    rc = hark_note_verify(note, &key, NULL, NULL);
    if (rc == HARK_E_NOTE_UNSIGNED)
        return 0;
    if (rc != 0)
        return find_nobody(audit, HARK_E_NOTE_SIGNATURE, "a cosignature does not hold", err);
    size.key = node.keys.cosigner;
    audit->cosignatures += hark_key_equal(&size.key, &home->keys.cosigner) ? 0 : 1;
    return hark_audit_push(&c->sizes, &size, sizeof(size), err);
}

static int check_note(struct cosigned *c, struct hark_note *note, struct hark_span bytes,
                      struct hark_err *err)
{
    struct audit *audit = c->audit;
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_checkpoint cp;
    struct hark_node_object home;
    bool fits = false;
    int rc;

    if (hark_note_parse(note, bytes, NULL) != 0 ||
        hark_checkpoint_decode(&cp, note->text, NULL, NULL) != 0 ||
        incarnation_of(audit, cp.origin) == 0)
        return find_nobody(audit, HARK_E_CHECKPOINT_FORM, "no checkpoint of the main log", err);
    rc = hark_log_signer(audit->state, note, cp.origin, &home, err);
    if (rc != HARK_E_NO && rc < 0)
        return rc;
    if (rc == HARK_E_NO)
        return find_nobody(audit, HARK_E_NOTE_UNSIGNED, "a checkpoint that the log did not sign",
                           err);
    rc = check_history(audit, &cp, &home, &fits, err);
    if (rc == 0)
        rc = hark_state_counts(audit->state, counts, err);
    for (uint32_t i = 0; rc == 0 && fits && i < counts[HARK_SECTION_NODE]; i++)
        rc = count_cosigner(c, note, &cp, &home, i, err);
    return rc;
}

/* The next note: text, empty line, signature lines; then an empty line or the end. */
static bool next_note(struct hark_span *in, struct hark_span *note)
{
    unsigned blanks = 0;
    size_t at = 0;

    while (at < in->size && blanks < 2) {
        if (in->data[at] == '\n' && (at + 1 == in->size || in->data[at + 1] == '\n'))
            blanks++;
        at++;
    }
    *note = hark_span(in->data, at);
    *in = at < in->size ? hark_span(in->data + at + 1, in->size - at - 1) : hark_span(NULL, 0);
    return note->size > 0;
}

static int check_all(struct cosigned *c, struct hark_span text, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_span one;
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note") : 0;

    while (rc == 0 && next_note(&text, &one))
        rc = check_note(c, note, one, err);
    free(note);
    return rc;
}

/* A node that runs replaces the commit, and the old one is gone at once. */
#define READ_TRIES 5u

int hark_audit_read_cosigned(struct audit *audit, struct hark_err *err)
{
    struct hark_err why = {0};
    bool exists = false;
    int rc = HARK_E_NOT_FOUND;

    for (unsigned i = 0; rc == HARK_E_NOT_FOUND && i < READ_TRIES; i++) {
        rc = hark_repo_view_ref(audit->repo, "cosigned", &exists, &audit->cosigned_id, &why);
        if (rc == 0 && !exists)
            return 0;
        if (rc == 0)
            rc = hark_repo_read(audit->repo, HARK_GIT_COMMIT, &audit->cosigned_id, &audit->cosigned,
                                &why);
    }
    if (rc == 0)
        return 0;
    hark_buf_free(&audit->cosigned);
    if (hark_audit_is_trouble(rc))
        return hark_err_set(err, rc, "%s", why.message);
    return find_nobody(audit, rc, why.message, err);
}

int hark_audit_cosigned(struct audit *audit, struct hark_err *err)
{
    struct cosigned c = {.audit = audit};
    struct hark_span text;
    int rc = 0;

    if (audit->cosigned.size > 0 && !hark_cosigned_text(hark_buf_span(&audit->cosigned), &text))
        rc = find_nobody(audit, HARK_E_DAMAGED, "its commit is not of the one form", err);
    else if (audit->cosigned.size > 0)
        rc = check_all(&c, text, err);
    if (rc == 0)
        audit->settled = hark_quorums_settled(&audit->quorums, 0, audit->sound_size, c.sizes.items,
                                              c.sizes.count);
    free(c.sizes.items);
    return rc;
}
