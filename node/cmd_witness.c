/*
 * Cosignatures as people and scripts are told of them: in status, tallies, receipts and
 * checkpoints.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/convict.h"
#include "node/files.h"
#include "node/witness.h"
#include "schemas/evidence.h"

/* --- how much is settled --------------------------------------------------------------- */

int hark_cmd_settled_json(struct hark_space *space, json_t **settled, json_t **quorum,
                          struct hark_err *err)
{
    const struct hark_quorum *in_force = NULL;
    uint64_t size = 0;
    int rc = hark_witness_settled(space, &size, err);

    if (rc == 0)
        rc = hark_witness_quorum(space, &in_force, err);
    if (rc < 0)
        return rc;
    *settled = size > 0 || (in_force != NULL && in_force->needed > 0)
                   ? json_integer((json_int_t)size)
                   : json_null();
    *quorum = in_force == NULL ? json_null()
                               : json_pack("{s:I, s:I}", "needed", (json_int_t)in_force->needed,
                                           "cosigners", (json_int_t)in_force->count);
    return 0;
}

/* How much the node with that log key has cosigned of the log here; null: nothing, or it is
 * its own. */
int hark_cmd_cosigned_json(struct hark_space *space, const struct hark_key *log, json_t **out,
                           struct hark_err *err)
{
    const struct hark_cosigned *cosigned = NULL;
    struct hark_node_object node;
    int rc = hark_state_node_with(hark_space_state(space), log, &node, err);

    *out = json_null();
    if (rc < 0)
        return rc == HARK_E_NOT_FOUND ? 0 : rc;
    rc = hark_witness_cosigned(space, "", &node.keys.cosigner, &cosigned, err);
    if (cosigned != NULL && !hark_cosigned_by_home(cosigned))
        *out = json_integer((json_int_t)cosigned->checkpoint.size);
    return rc;
}

/* --- who has cosigned a note ------------------------------------------------------------ */

static int add_cosigner(struct hark_space *space, const struct hark_note *note, uint32_t number,
                        json_t *list, struct hark_err *err)
{
    struct hark_node_object node;
    struct hark_note_key key;
    uint64_t time_s = 0;
    int rc = hark_state_node(hark_space_state(space), number, &node, err);

    if (rc == 0)
        rc =
            hark_note_key_init(&key, node.name, HARK_NOTE_COSIGNATURE_V1, &node.keys.cosigner, err);
    if (rc == 0)
        rc = hark_note_verify(note, &key, &time_s, err);
    if (rc < 0)
        return rc == HARK_E_NOTE_UNSIGNED ? 0 : rc;
    if (json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "node", node.name, "key",
                                              hark_out_hex(node.keys.cosigner.bytes, HARK_KEY_SIZE),
                                              "time", hark_out_time(1000 * time_s))) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    return 0;
}

int hark_cmd_cosigners(struct hark_space *space, struct hark_span bytes, json_t **out,
                       struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    json_t *list = json_array();
    uint64_t count = 0;
    int rc = note == NULL || list == NULL
                 ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                 : hark_note_parse(note, bytes, err);

    if (rc == 0)
        rc = hark_cmd_section_count(space, HARK_SECTION_NODE, &count, err);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = add_cosigner(space, note, i, list, err);
    free(note);
    if (rc < 0) {
        json_decref(list);
        list = NULL;
    }
    *out = list;
    return rc;
}

void hark_cmd_cosigners_words(const json_t *cosigners, const char *otherwise, char *out,
                              size_t size)
{
    const json_t *one;
    size_t i, at;

    if (json_array_size(cosigners) == 0) {
        hark_copy_text(out, size, otherwise);
        return;
    }
    at = (size_t)snprintf(out, size, "Cosigned by");
    json_array_foreach(cosigners, i, one)
    {
        int n = snprintf(out + at, size - at, "%s %s (%.19sZ)", i == 0 ? "" : ",",
                         json_string_value(json_object_get(one, "node")),
                         json_string_value(json_object_get(one, "time")));

        if (n < 0 || (size_t)n >= size - at)
            break; /* the rest is in the JSON */
        at += (size_t)n;
    }
    hark_copy_text(out + at, size - at, ".");
}

/* --- alerts ------------------------------------------------------------------------------ */

static int alert(json_t *alerts, struct hark_space *space, const char *name, const char *file,
                 const char *message, struct hark_err *err)
{
    if (json_array_append_new(alerts,
                              json_pack("{s:s, s:o, s:o, s:s}", "name", name, "space",
                                        hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE),
                                        "file", file != NULL ? hark_out_text(file) : json_null(),
                                        "message", message)) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    return 0;
}

/* A file that is no evidence (any more) is told of as what it is: it was put there once. */
static int read_evidence(const char *path, struct hark_evidence *out, struct hark_err *err)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    int rc = hark_file_read(path, &file, err);

    if (rc == 0)
        rc = hark_evidence_read(out, hark_buf_span(&file), err);
    hark_buf_free(&file);
    return rc;
}

/* Whose key an author's is, as it is known here: appended. */
static int add_author(struct hark_space *space, const struct hark_key *author, char *out,
                      size_t size, struct hark_err *err)
{
    struct hark_key_object key = {.of = HARK_KEY_OF_MEMBER};
    char name[HARK_NAME_SIZE];
    size_t at = strlen(out);
    uint32_t number = 0;
    bool found = false;
    int rc = hark_state_find_key(hark_space_state(space), author, &found, &number, err);

    if (rc == 0 && found)
        rc = hark_state_key(hark_space_state(space), number, &key, err);
    if (rc < 0 || !found)
        return rc;
    if (key.of == HARK_KEY_OF_MEMBER) {
        rc = hark_cmd_name(space, key.owner, name, err);
        if (rc == 0)
            (void)snprintf(out + at, size - at, ": that of %s", name);
    } else if (key.of == HARK_KEY_OF_STEWARD) {
        hark_copy_text(out + at, size - at, ": that of the steward");
    } else if (key.of == HARK_KEY_OF_NODE) {
        struct hark_node_object node;

        rc = hark_state_node(hark_space_state(space), key.owner, &node, err);
        if (rc == 0)
            (void)snprintf(out + at, size - at, ": that of node %s", node.name);
    }
    return rc;
}

static int add_evidence(void *arg, struct hark_space *space, const char *path, struct hark_err *err)
{
    struct hark_evidence evidence;
    const char *dot = strrchr(path, '.'), *name = "fork";
    char message[512];
    int rc = 0;

    if (dot != NULL && strcmp(dot, ".note") == 0) {
        (void)snprintf(message, sizeof(message),
                       "evidence: a node signed another history of space %.12s than the one here",
                       strrchr(path, '/') + 1);
        return alert(arg, space, name, path, message, err);
    }
    rc = read_evidence(path, &evidence, err);
    if (rc == HARK_E_NO_MEMORY)
        return rc;
    if (rc == 0) {
        name = hark_evidence_kind_name(evidence.kind);
        hark_cmd_evidence_line(&evidence, message, sizeof(message));
        if (evidence.kind == HARK_EVIDENCE_TWIN)
            rc = add_author(space, &evidence.key, message, sizeof(message), err);
        if (rc < 0)
            return rc;
    } else {
        name = "evidence";
        (void)snprintf(message, sizeof(message), "a file of evidence does not hold: %s",
                       hark_err_name(rc));
    }
    return alert(arg, space, name, path, message, err);
}

/* Of a node whose own intake cannot go on. */
static int add_intake_end(struct hark_cmd *cmd, struct hark_space *space, json_t *alerts,
                          struct hark_err *err)
{
    struct hark_node_object self;
    struct hark_err why = {0};
    int rc = 0;

    if (hark_node_is_home(cmd->node, space) || hark_node_named(cmd->node, space, &self, NULL) < 0)
        return 0;
    rc = hark_space_intake_goes_on(space, self.name, &why);
    if (rc == HARK_E_BEHIND)
        return alert(alerts, space, "intake-ended", NULL, why.message, err);
    if (rc < 0 && err != NULL)
        *err = why;
    return rc;
}

int hark_cmd_witness_alerts(struct hark_cmd *cmd, struct hark_space *space, json_t *alerts,
                            struct hark_err *err)
{
    const char *damage = hark_witness_damaged(space);
    const char *name = NULL;
    char dates[512];
    bool stuck = false;
    int rc = hark_convict_each(space, add_evidence, alerts, err);

    if (rc == 0 && damage != NULL)
        rc = alert(alerts, space, "damaged", NULL, damage, err);
    if (rc == 0)
        rc = hark_witness_stuck(space, hark_signer_key(cmd->node->identity.cosigner), &stuck, err);
    if (rc == 0 && stuck)
        rc = alert(alerts, space, "cosigned-another", NULL,
                   "this node has cosigned entries that the log here does not have: it cosigns "
                   "no more in that space",
                   err);
    if (rc == 0 && cmd->net != NULL && hark_net_unsettling(cmd->net, hark_space_id(space)))
        rc = alert(alerts, space, "unsettling", NULL,
                   "a later home goes on from before what is settled: it is not followed", err);
    if (rc == 0)
        rc = add_intake_end(cmd, space, alerts, err);
    if (rc == 0)
        rc = hark_cmd_dates(cmd, space, &name, dates, sizeof(dates), err);
    if (rc == 0 && dates[0] != '\0')
        rc = alert(alerts, space, name, NULL, dates, err);
    return rc;
}
