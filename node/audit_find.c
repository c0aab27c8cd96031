/*
 * Findings: what is wrong, where, and who has signed it. Fault needs a signature:
 * what nobody has signed convicts nobody, and is unreadable.
 */
#include <stdlib.h>
#include <string.h>

#include "node/audit_internal.h"

/* More would be read by nobody; the verdict and their number count them all. */
#define FINDINGS_MAX 10000u

int hark_audit_push(struct audit_list *list, const void *item, size_t size, struct hark_err *err)
{
    if (list->count == list->capacity) {
        size_t bigger = list->capacity == 0 ? 64 : 2 * list->capacity;
        void *grown = bigger > SIZE_MAX / size ? NULL : realloc(list->items, bigger * size);

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an audit");
        list->items = grown;
        list->capacity = bigger;
    }
    memcpy((uint8_t *)list->items + list->count++ * size, item, size);
    return 0;
}

bool hark_audit_is_missing(int code)
{
    return code == HARK_E_NOT_FOUND || code == HARK_E_DAMAGED;
}

bool hark_audit_is_trouble(int code)
{
    switch (code) {
    case HARK_E_INTERNAL:
    case HARK_E_NO_MEMORY:
    case HARK_E_IO:
    case HARK_E_IO_PERMISSION:
        return true;
    default:
        return false;
    }
}

/* --- the JSON of one ------------------------------------------------------------ */

static json_t *hash_json(const struct hark_hash *hash)
{
    char hex[2 * HARK_HASH_SIZE + 1];

    if (hash == NULL)
        return json_null();
    hark_hash_hex(hex, hash);
    return json_string(hex);
}

static json_t *culprit_json(const struct audit_finding *finding)
{
    char hex[2 * HARK_KEY_SIZE + 1];

    if (finding->role == NULL)
        return json_null();
    if (finding->key == NULL)
        return json_pack("{s:s, s:n}", "role", finding->role, "key");
    hark_hex_encode(hex, finding->key->bytes, sizeof(finding->key->bytes));
    return json_pack("{s:s, s:s}", "role", finding->role, "key", hex);
}

static json_t *evidence_json(const struct audit_finding *finding)
{
    json_t *list = json_array();
    char hex[2 * HARK_GIT_ID_SIZE + 1];

    for (size_t i = 0; i < 2 && list != NULL; i++) {
        if (finding->evidence[i] == NULL)
            continue;
        hark_git_id_hex(hex, finding->evidence[i]);
        if (json_array_append_new(list, json_string(hex)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* A message may quote what a stranger wrote. */
static const char *clean(const struct audit_finding *finding)
{
    const char *detail = finding->detail != NULL ? finding->detail : "";

    return hark_utf8_valid(hark_span_str(detail)) ? detail : hark_err_name(finding->code);
}

int hark_audit_find(struct audit *audit, const struct audit_finding *finding, struct hark_err *err)
{
    json_t *json = NULL;

    if (finding->verdict > audit->verdict)
        audit->verdict = finding->verdict;
    if (json_array_size(audit->findings) >= FINDINGS_MAX) {
        audit->omitted++;
        return 0;
    }
    json = json_pack("{s:s, s:o, s:s, s:o, s:o, s:s, s:o, s:i}", "name",
                     finding->name != NULL ? finding->name : hark_err_name(finding->code),
                     "culprit", culprit_json(finding), "log", finding->log, "position",
                     finding->position == HARK_NONE ? json_null()
                                                    : json_integer((json_int_t)finding->position),
                     "entry", hash_json(finding->entry), "detail", clean(finding), "evidence",
                     evidence_json(finding), "exit", (int)finding->verdict);
    if (json == NULL || json_array_append_new(audit->findings, json) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a finding");
    return 0;
}

/* --- whose fault ------------------------------------------------------------------ */

bool hark_audit_signer(struct hark_span commit, struct hark_key *key)
{
    struct hark_buf text = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_commit parsed;
    bool holds;

    holds = hark_commit_parse(&parsed, commit, HARK_BATCH_ENTRIES_MAX + 1, NULL) == 0 &&
            hark_commit_signed_bytes(&text, &parsed, NULL) == 0 &&
            hark_sshsig_verify(&parsed.signature, "git", hark_buf_span(&text));
    if (holds)
        *key = parsed.author;
    hark_buf_free(&text);
    return holds;
}

static bool was_home(const struct audit *audit, const struct hark_key *key)
{
    const struct hark_key *homes = audit->home_keys.items;

    for (size_t i = 0; i < audit->home_keys.count; i++) {
        if (hark_key_equal(&homes[i], key))
            return true;
    }
    return false;
}

static int is_node(struct hark_state *state, const char *name, const struct hark_key *key,
                   bool *found, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};
    struct hark_node_object node;
    int rc = hark_state_counts(state, counts, err);

    *found = false;
    for (uint64_t i = 0; rc == 0 && !*found && i < counts[HARK_SECTION_NODE]; i++) {
        rc = hark_state_node(state, (uint32_t)i, &node, err);
        *found = rc == 0 && hark_key_equal(&node.keys.log, key) &&
                 (name == NULL || strcmp(node.name, name) == 0);
    }
    return rc;
}

int hark_audit_blame(struct audit *audit, const char *node, const struct hark_key *key,
                     struct audit_finding *finding, struct hark_err *err)
{
    bool found = false;
    uint32_t number = 0;
    int rc = 0;

    finding->verdict = HARK_AUDIT_UNREADABLE;
    finding->role = NULL;
    finding->key = key;
    if (key == NULL)
        return 0;
    /* Its own intake is a node's as a partner, even when it is or becomes the home. */
    if (node[0] != '\0' && audit->state != NULL)
        rc = is_node(audit->state, node, key, &found, err);
    if (rc == 0 && !found && was_home(audit, key)) {
        finding->verdict = HARK_AUDIT_HOME;
        finding->role = "home";
        return 0;
    }
    if (rc == 0 && !found && audit->state != NULL)
        rc = is_node(audit->state, NULL, key, &found, err);
    if (found) {
        finding->verdict = HARK_AUDIT_PARTNER;
        finding->role = "partner";
    }
    if (rc == 0 && !found && audit->state != NULL)
        rc = hark_state_find_key(audit->state, key, &found, &number, err);
    if (rc == 0 && found && finding->role == NULL)
        finding->role = "member";
    return rc;
}
