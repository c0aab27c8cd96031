/*
 * The audit as a whole: refs, the main log, then each intake log against it, then what
 * hangs on all of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/audit_internal.h"

/* --- what hangs on the whole ------------------------------------------------------ */

static bool has_acked(const struct audit *audit, uint64_t erasure, uint32_t node)
{
    const struct audit_ack *acks = audit->acks.items;

    for (size_t i = 0; i < audit->acks.count; i++) {
        if (acks[i].erasure == erasure && acks[i].node == node)
            return true;
    }
    return false;
}

/* The nodes that held copies when this was erased, still do, and have not said that
 * they carried it out. That the home did is seen by what it serves. */
static int waiting_nodes(struct audit *audit, const struct audit_erasure *erasure, json_t *names,
                         struct hark_err *err)
{
    uint32_t home = hark_state_space_object(audit->state)->home;
    uint64_t counts[HARK_SECTION_HASHED_] = {0};
    struct hark_node_object node;
    int rc = hark_state_counts(audit->state, counts, err);

    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        rc = hark_state_node(audit->state, (uint32_t)i, &node, err);
        if (rc < 0 || i == home || i == erasure->home || node.until != HARK_NONE ||
            node.since >= erasure->position || has_acked(audit, erasure->position, (uint32_t)i))
            continue;
        if (json_array_append_new(names, json_string(node.name)) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an audit");
    }
    return rc;
}

static int check_erasures(struct audit *audit, struct hark_err *err)
{
    const struct audit_erasure *erasures = audit->erasures.items;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < audit->erasures.count; i++) {
        char hex[2 * HARK_HASH_SIZE + 1];
        json_t *names = json_array();

        if (names == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an audit");
        rc = waiting_nodes(audit, &erasures[i], names, err);
        if (rc < 0 || json_array_size(names) == 0) {
            json_decref(names);
            continue;
        }
        hark_hash_hex(hex, &erasures[i].id);
        if (json_array_append_new(audit->unacknowledged, json_pack("{s:I, s:s, s:o}", "position",
                                                                   (json_int_t)erasures[i].position,
                                                                   "entry", hex, "nodes", names)) !=
            0)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an audit");
        if (audit->verdict < HARK_AUDIT_UNSETTLED)
            audit->verdict = HARK_AUDIT_UNSETTLED;
    }
    return rc;
}

/* With a quorum, is all of it settled? */
static int check_settled(struct audit *audit, struct hark_err *err)
{
    const struct hark_quorum *quorum = hark_quorums_at(&audit->quorums, audit->sound_size);
    struct audit_finding finding = {.code = HARK_E_BEHIND,
                                    .name = "unsettled",
                                    .verdict = HARK_AUDIT_UNSETTLED,
                                    .log = "main",
                                    .position = HARK_NONE};
    char detail[200];

    if (quorum == NULL || quorum->needed == 0 || audit->settled == audit->sound_size)
        return 0;
    (void)snprintf(detail, sizeof(detail),
                   "%" PRIu64 " of %" PRIu64 " entries are settled: the policy wants %" PRIu32
                   " cosigners, of %zu",
                   audit->settled, audit->sound_size, quorum->needed, quorum->count);
    finding.detail = detail;
    return hark_audit_find(audit, &finding, err);
}

/* Git itself would show other objects in the place of some, or other parents. Nothing here
 * follows that; whoever reads the repository with git is told. */
static int check_replaced(struct audit *audit, struct hark_err *err)
{
    struct audit_finding finding = {.code = HARK_E_DAMAGED,
                                    .name = "replaced",
                                    .verdict = HARK_AUDIT_UNREADABLE,
                                    .log = "main",
                                    .position = HARK_NONE};
    bool refs = false, grafts = false;
    int rc = hark_repo_view_replaced(audit->repo, &refs, &grafts, err);

    if (rc < 0 || (!refs && !grafts))
        return rc;
    finding.detail = refs ? "there are replacement refs (refs/replace), which show git another "
                            "history than the one signed"
                          : "there are grafts (info/grafts), which show git another history than "
                            "the one signed";
    return hark_audit_find(audit, &finding, err);
}

/* --- the logs ------------------------------------------------------------------------ */

static int nothing_here(struct audit *audit, int code, const char *why, struct hark_err *err)
{
    const struct audit_finding finding = {.code = code,
                                          .verdict = HARK_AUDIT_UNREADABLE,
                                          .log = "main",
                                          .position = HARK_NONE,
                                          .detail = why};

    return hark_audit_find(audit, &finding, err);
}

static int audit_main(struct audit *audit, struct audit_log *log, const struct audit_refs *refs,
                      struct hark_err *err)
{
    bool told = audit->verdict == HARK_AUDIT_UNREADABLE;
    int rc = hark_audit_log_open(log, audit, "", refs, err);

    if (rc == 0 && log->count == 0)
        return refs->has_log || told
                   ? 0
                   : nothing_here(audit, HARK_E_NOT_FOUND, "there is no main log", err);
    if (rc == 0)
        rc = hark_audit_main(audit, log, err);
    if (rc == 0)
        rc = hark_audit_payloads(log, err);
    if (rc == 0 && audit->judged)
        rc = check_erasures(audit, err);
    if (rc == 0 && audit->state != NULL)
        rc = hark_audit_cosigned(audit, err);
    if (rc == 0 && audit->judged)
        rc = check_settled(audit, err);
    return rc;
}

/* Refs are read in the order that audit_internal.h says. */
static int audit_logs(struct audit *audit, struct hark_err *err)
{
    char(*names)[HARK_NODE_NAME_MAX + 1] = NULL;
    struct audit_refs *intakes = NULL, main_refs;
    struct audit_log main_log = {.audit = audit};
    size_t count = 0;
    int rc = hark_repo_view_intakes(audit->repo, &names, &count, err);

    if (rc == 0) {
        intakes = calloc(count + 1, sizeof(*intakes));
        if (intakes == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for refs");
    }
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = hark_audit_refs(audit, names[i], &intakes[i], err);
    if (rc == 0)
        rc = hark_audit_read_cosigned(audit, err);
    if (rc == 0)
        rc = check_replaced(audit, err);
    if (rc == 0)
        rc = hark_audit_refs(audit, "", &main_refs, err);
    if (rc == 0)
        rc = audit_main(audit, &main_log, &main_refs, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = hark_audit_intake(audit, &main_log, names[i], &intakes[i], err);
    hark_audit_log_close(&main_log);
    free(intakes);
    free(names);
    return rc;
}

/* --- the JSON -------------------------------------------------------------------------- */

static const char *verdict_name(enum hark_audit_verdict verdict)
{
    switch (verdict) {
    case HARK_AUDIT_WELL:
        return "well";
    case HARK_AUDIT_UNSETTLED:
        return "unsettled";
    case HARK_AUDIT_HOME:
        return "home";
    case HARK_AUDIT_PARTNER:
        return "partner";
    case HARK_AUDIT_UNREADABLE:
        break;
    }
    return "unreadable";
}

static json_t *hash_json(bool known, const struct hark_hash *hash)
{
    char hex[2 * HARK_HASH_SIZE + 1];

    if (!known)
        return json_null();
    hark_hash_hex(hex, hash);
    return json_string(hex);
}

/* null: no quorum is wanted. */
static json_t *settled_json(const struct audit *audit)
{
    const struct hark_quorum *quorum = hark_quorums_at(&audit->quorums, audit->sound_size);

    return audit->settled > 0 || (quorum != NULL && quorum->needed > 0)
               ? json_integer((json_int_t)audit->settled)
               : json_null();
}

static json_t *whole_json(const struct audit *audit)
{
    bool sound = audit->sound_size > 0;
    json_t *json = json_pack(
        "{s:s, s:s, s:i, s:o, s:o, s:I, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:O, s:O, s:n, "
        "s:n}",
        "format", "hark/audit/1", "verdict", verdict_name(audit->verdict), "exit",
        (int)audit->verdict, "space", hash_json(audit->has_space, &audit->space), "origin",
        audit->origin[0] != '\0' ? json_string(audit->origin) : json_null(), "size",
        (json_int_t)audit->sound_size, "root", hash_json(sound, &audit->sound_root), "settled_size",
        settled_json(audit), "checked", "entries", (json_int_t)audit->entries, "signatures",
        (json_int_t)audit->signatures, "payloads", (json_int_t)audit->payloads, "erased",
        (json_int_t)audit->erased, "checkpoints", (json_int_t)audit->checkpoints, "cosignatures",
        (json_int_t)audit->cosignatures, "findings", audit->findings, "unacknowledged",
        audit->unacknowledged, "resumed_from", "report");

    if (json != NULL && audit->omitted > 0 &&
        json_object_set_new(json, "findings_omitted", json_integer((json_int_t)audit->omitted)) !=
            0) {
        json_decref(json);
        json = NULL;
    }
    return json;
}

/* --- running it -------------------------------------------------------------------------- */

static void free_audit(struct audit *audit)
{
    struct audit_list *const lists[] = {&audit->home_keys, &audit->ends,     &audit->taken,
                                        &audit->copied,    &audit->erasures, &audit->acks,
                                        &audit->own_kinds, &audit->loose,    &audit->homes};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        free(lists[i]->items);
    hark_quorums_free(&audit->quorums);
    hark_buf_free(&audit->cosigned);
    hark_state_free(audit->state);
    hark_memstore_free(audit->mem);
    hark_memstore_free(audit->names);
    hark_repo_free(audit->repo);
    json_decref(audit->findings);
    json_decref(audit->unacknowledged);
}

static int run(struct audit *audit, struct hark_err *err)
{
    struct hark_err why = {0};
    int rc = hark_memstore_new(&audit->mem, err);

    if (rc == 0)
        rc = hark_memstore_new(&audit->names, err);
    if (rc < 0)
        return rc;
    audit->store = hark_memstore_store(audit->mem);
    rc = hark_repo_view(&audit->repo, audit->path, &why);
    if (rc == 0)
        return audit_logs(audit, err);
    if (rc == HARK_E_NOT_FOUND || rc == HARK_E_DAMAGED)
        return nothing_here(audit, rc, why.message, err);
    if (err != NULL)
        *err = why;
    return rc;
}

int hark_audit(const char *path, struct hark_pool *pool, uint64_t now_ms, json_t **json,
               enum hark_audit_verdict *verdict, struct hark_err *err)
{
    struct audit audit = {.path = path,
                          .pool = pool,
                          .now_ms = now_ms,
                          .cosigned = hark_buf_init(HARK_COSIGNED_MAX),
                          .findings = json_array(),
                          .unacknowledged = json_array()};
    int rc = audit.findings != NULL && audit.unacknowledged != NULL
                 ? run(&audit, err)
                 : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an audit");

    *json = rc == 0 ? whole_json(&audit) : NULL;
    *verdict = audit.verdict;
    if (rc == 0 && *json == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an audit");
    free_audit(&audit);
    return rc;
}
