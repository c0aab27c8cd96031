/*
 * Which batches a log has, from its ref back to where it begins, and which payloads
 * its payload ref gives to which positions. How many entries a batch has is counted
 * by its parents here: what it says itself is judged later.
 */
#include <stdlib.h>
#include <string.h>

#include "node/audit_internal.h"

/* --- refs ------------------------------------------------------------------------- */

static void payload_name(char out[AUDIT_LOG_NAME_MAX], const char *node)
{
    (void)snprintf(out, AUDIT_LOG_NAME_MAX, "payloads/%s", node[0] == '\0' ? "main" : node);
}

static void log_name(char out[AUDIT_LOG_NAME_MAX], const char *node)
{
    if (node[0] == '\0')
        (void)snprintf(out, AUDIT_LOG_NAME_MAX, "main");
    else
        (void)snprintf(out, AUDIT_LOG_NAME_MAX, "intake/%s", node);
}

/* A ref that is nonsense is a finding, and as good as none. */
static int read_ref(struct audit *audit, const char *name, bool *exists, struct hark_git_id *id,
                    struct hark_err *err)
{
    struct hark_err why = {0};
    struct audit_finding finding = {.verdict = HARK_AUDIT_UNREADABLE,
                                    .log = name,
                                    .position = HARK_NONE,
                                    .detail = why.message};
    int rc = hark_repo_view_ref(audit->repo, name, exists, id, &why);

    if (rc == 0)
        return 0;
    *exists = false;
    if (hark_audit_is_trouble(rc)) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    finding.code = rc;
    return hark_audit_find(audit, &finding, err);
}

int hark_audit_refs(struct audit *audit, const char *node, struct audit_refs *out,
                    struct hark_err *err)
{
    char log[AUDIT_LOG_NAME_MAX], payloads[AUDIT_LOG_NAME_MAX];
    int rc;

    memset(out, 0, sizeof(*out));
    log_name(log, node);
    payload_name(payloads, node);
    rc = read_ref(audit, payloads, &out->has_payloads, &out->payloads, err);
    return rc < 0 ? rc : read_ref(audit, log, &out->has_log, &out->log, err);
}

/* --- the chain ---------------------------------------------------------------------- */

bool hark_audit_has_previous(struct hark_span message)
{
    static const char line[] = "\nPrevious: ";

    return memmem(message.data, message.size, line, sizeof(line) - 1) != NULL;
}

/* One step back. */
struct step {
    bool more;
    struct hark_git_id previous;
    uint64_t entries;
};

/* Of a commit that is none of ours: somebody's who works with git itself. It is told
 * when it is judged, and what lies below it is looked at all the same. */
static void step_over(struct hark_span bytes, struct step *step)
{
    struct hark_span line;

    step->more =
        hark_take_line(&bytes, &line) && hark_take_headed(&bytes, "parent ", &line) &&
        hark_hex_decode(step->previous.bytes, sizeof(step->previous.bytes), line, NULL) == 0;
}

static int step_back(struct audit *audit, const struct hark_git_id *id, struct step *step,
                     struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_commit commit;
    int rc = hark_repo_read(audit->repo, HARK_GIT_COMMIT, id, &bytes, err);

    memset(step, 0, sizeof(*step));
    if (rc == HARK_E_LIMIT) {
        rc = 0; /* no batch: batch-form, when it is judged */
    } else if (rc == 0 && hark_commit_parse(&commit, hark_buf_span(&bytes),
                                            HARK_BATCH_ENTRIES_MAX + 1, NULL) < 0) {
        step_over(hark_buf_span(&bytes), step);
    } else if (rc == 0 && hark_take_literal(&commit.message, "batch ")) {
        step->more = commit.parent_count > 0 && hark_audit_has_previous(commit.message);
        if (step->more)
            step->previous = hark_commit_parent(&commit, 0);
        step->entries = commit.parent_count - (step->more ? 1 : 0);
    }
    hark_buf_free(&bytes);
    return rc;
}

static int broken_chain(struct audit_log *log, int code, const struct hark_git_id *at,
                        const struct hark_git_id *from, const char *why, struct hark_err *err)
{
    const struct audit_finding finding = {.code = code,
                                          .verdict = HARK_AUDIT_UNREADABLE,
                                          .log = log->name,
                                          .position = HARK_NONE,
                                          .evidence = {at, from},
                                          .detail = why};

    log->whole = false;
    return hark_audit_find(log->audit, &finding, err);
}

struct link {
    struct hark_git_id id;
    uint64_t entries;
};

static int walk_back(struct audit_log *log, struct hark_git_id at, struct audit_list *links,
                     struct hark_err *err)
{
    struct hark_git_id from;
    bool more = true;
    int rc = 0;

    while (rc == 0 && more) {
        struct hark_err why = {0};
        struct link link = {.id = at};
        struct step step;

        rc = step_back(log->audit, &at, &step, &why);
        if (rc < 0 && hark_audit_is_trouble(rc)) {
            if (err != NULL)
                *err = why;
            return rc;
        }
        if (rc < 0)
            return broken_chain(log, rc, &at, links->count > 0 ? &from : NULL, why.message, err);
        link.entries = step.entries;
        rc = hark_audit_push(links, &link, sizeof(link), err);
        from = at;
        at = step.previous;
        more = step.more;
    }
    return rc;
}

/* Where the oldest batch that is here says that it begins. */
static int claimed_first(struct audit_log *log, uint64_t *first, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    int rc;

    *first = 0;
    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_repo_read(log->audit->repo, HARK_GIT_COMMIT, &log->ids[0], &bytes, err);
    if (rc == 0 && hark_batch_parse(batch, NULL, NULL, hark_buf_span(&bytes), NULL, NULL) == 0)
        *first = batch->first;
    hark_buf_free(&bytes);
    free(batch);
    return rc;
}

static int order(struct audit_log *log, const struct audit_list *links, struct hark_err *err)
{
    const struct link *link = links->items;
    int rc = 0;

    log->count = links->count;
    log->ids = calloc(log->count + 1, sizeof(*log->ids));
    log->firsts = calloc(log->count + 1, sizeof(*log->firsts));
    if (log->ids == NULL || log->firsts == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a log");
    for (size_t i = 0; i < log->count; i++)
        log->ids[i] = link[log->count - 1 - i].id;
    if (!log->whole && log->count > 0)
        rc = claimed_first(log, &log->firsts[0], err);
    for (size_t i = 0; i < log->count; i++)
        log->firsts[i + 1] = log->firsts[i] + link[log->count - 1 - i].entries;
    log->size = log->firsts[log->count] - log->firsts[0];
    log->places = calloc((size_t)log->size + 1, sizeof(*log->places));
    if (log->places == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a log");
    return rc;
}

/* --- payloads ------------------------------------------------------------------------ */

struct collecting {
    struct audit_log *log;
    uint64_t *size; /* what the ref's commit says it covers */
    uint64_t end;
};

static int tell_payload(struct audit_log *log, int code, enum hark_audit_verdict verdict,
                        uint64_t position, const struct hark_hash *entry, const char *detail,
                        struct hark_err *err)
{
    const struct audit_finding finding = {.code = code,
                                          .verdict = verdict,
                                          .log = log->payload_ref,
                                          .position = position,
                                          .entry = entry,
                                          .detail = detail};

    return hark_audit_find(log->audit, &finding, err);
}

static int collect_blob(void *arg, uint64_t position, const struct hark_git_id *id,
                        struct hark_err *err)
{
    struct collecting *c = arg;
    struct audit_place *place;

    if (position < c->log->firsts[0])
        return 0;
    if (position >= c->end) {
        int rc =
            *c->size > c->end
                ? 0
                : tell_payload(c->log, HARK_E_PAYLOAD_UNWANTED, HARK_AUDIT_UNREADABLE, position,
                               NULL, "a payload at a position that the log has not", err);

        return rc < 0 ? rc : HARK_STOP; /* a tree can have any number of them */
    }
    place = &c->log->places[position - c->log->firsts[0]];
    place->covered = true;
    place->git_id = *id;
    c->log->covered = position + 1;
    return 0;
}

static int collect_payloads(struct audit_log *log, const struct audit_refs *refs,
                            struct hark_err *err)
{
    uint64_t size = 0;
    struct hark_err why = {0};
    struct collecting c = {.log = log, .size = &size, .end = log->firsts[log->count]};
    int rc = 0;

    if (refs->has_payloads)
        rc = hark_repo_walk_payloads(log->audit->repo, &refs->payloads, &size, collect_blob, &c,
                                     &why);
    if (rc == 0 || rc == HARK_STOP) {
        log->covered = size < c.end ? size : c.end;
        rc = 0;
    } else if (!hark_audit_is_trouble(rc)) {
        rc = tell_payload(log, rc, HARK_AUDIT_UNREADABLE, HARK_NONE, NULL, why.message, err);
    } else if (err != NULL) {
        *err = why;
    }
    if (rc == 0 && size > c.end)
        rc = tell_payload(log, HARK_E_BEHIND, HARK_AUDIT_UNREADABLE, c.end, NULL,
                          "payloads are kept for more entries than the log has: its ref was set "
                          "back, or what came after is lost",
                          err);
    return rc;
}

static int list_loose(void *arg, const struct hark_hash *hash, const struct hark_git_id *id,
                      size_t size, struct hark_err *err)
{
    const struct audit_loose loose = {.hash = *hash, .id = *id};

    (void)size;
    return hark_audit_push(arg, &loose, sizeof(loose), err);
}

static int compare_loose(const void *a, const void *b)
{
    return memcmp(((const struct audit_loose *)a)->hash.bytes,
                  ((const struct audit_loose *)b)->hash.bytes, HARK_HASH_SIZE);
}

/* The payloads of a moment ago are in the repository, and the ref does not lead to
 * them yet. */
static int find_loose(struct audit *audit, struct hark_err *err)
{
    struct hark_err why = {0};
    struct audit_finding finding = {.verdict = HARK_AUDIT_UNREADABLE,
                                    .log = "main",
                                    .position = HARK_NONE,
                                    .detail = why.message};
    int rc;

    if (audit->loose_listed)
        return 0;
    rc = hark_repo_view_blobs(audit->repo, HARK_PAYLOAD_MAX, list_loose, &audit->loose, &why);
    if (rc < 0 && hark_audit_is_trouble(rc)) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    audit->loose_listed = true;
    if (audit->loose.count > 1)
        qsort(audit->loose.items, audit->loose.count, sizeof(struct audit_loose), compare_loose);
    finding.code = rc;
    return rc < 0 ? hark_audit_find(audit, &finding, err) : 0;
}

bool hark_audit_blob(const struct audit_log *log, uint64_t position, const struct hark_hash *hash,
                     struct hark_git_id *id)
{
    const struct audit_loose key = {.hash = *hash}, *found = NULL;
    const struct audit_list *loose = &log->audit->loose;
    const struct audit_place *place = &log->places[position - log->firsts[0]];

    if (place->covered) {
        *id = place->git_id;
        return true;
    }
    if (position < log->covered)
        return false;
    if (loose->count > 0)
        found = bsearch(&key, loose->items, loose->count, sizeof(key), compare_loose);
    if (found != NULL)
        *id = found->id;
    return found != NULL;
}

/* --- opening --------------------------------------------------------------------------- */

int hark_audit_log_open(struct audit_log *log, struct audit *audit, const char *node,
                        const struct audit_refs *refs, struct hark_err *err)
{
    struct audit_list links = {0};
    int rc = 0;

    memset(log, 0, sizeof(*log));
    log->audit = audit;
    log->node = node;
    log->whole = true;
    log_name(log->name, node);
    payload_name(log->payload_ref, node);
    if (refs->has_log)
        rc = walk_back(log, refs->log, &links, err);
    if (rc == 0)
        rc = order(log, &links, err);
    if (rc == 0)
        rc = collect_payloads(log, refs, err);
    if (rc == 0 && log->covered < log->firsts[log->count])
        rc = find_loose(audit, err);
    free(links.items);
    return rc;
}

void hark_audit_log_close(struct audit_log *log)
{
    free(log->ids);
    free(log->firsts);
    free(log->places);
    memset(log, 0, sizeof(*log));
}

/* --- what is there, after all -------------------------------------------------------------- */

static int ask_place(struct audit_log *log, uint64_t position, const struct audit_place *place,
                     struct hark_err *err)
{
    struct audit *audit = log->audit;
    bool erased = false;
    int rc = 0;

    if (place->first != HARK_NONE)
        rc = hark_state_first_is_erased(audit->state, place->first, &erased, err);
    if (rc < 0)
        return rc;
    if (erased && place->present)
        return tell_payload(log, HARK_E_PAYLOAD_ERASED, HARK_AUDIT_UNSETTLED, position, &place->id,
                            "this payload was erased, and is still here", err);
    if (!erased && !place->present)
        return tell_payload(log, HARK_E_PAYLOAD_ABSENT, HARK_AUDIT_UNREADABLE, position, &place->id,
                            "this payload is not here, and was not erased", err);
    if (erased)
        audit->erased++;
    return 0;
}

int hark_audit_payloads(struct audit_log *log, struct hark_err *err)
{
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < log->size; i++) {
        const struct audit_place *place = &log->places[i];
        uint64_t position = log->firsts[0] + i;

        if (!place->read || place->told)
            continue;
        if (place->has_payload && log->audit->judged)
            rc = ask_place(log, position, place, err);
        else if (!place->has_payload && place->covered)
            rc = tell_payload(log, HARK_E_PAYLOAD_UNWANTED, HARK_AUDIT_UNREADABLE, position,
                              &place->id, "a payload of an entry that names none", err);
    }
    return rc;
}
