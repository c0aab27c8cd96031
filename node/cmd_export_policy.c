/*
 * hark export policy: whose signatures a reader of this space can ask for, as a C2SP
 * tlog-policy (PROTOCOL.md 7.12): the log, the cosigners that settle it, and the witnesses
 * over HTTP that this node's operator has named.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/tlog_policy.h"
#include "node/cmd_internal.h"
#include "node/witness.h"

#define NAME_SIZE (HARK_NOTE_NAME_MAX + 32u) /* with a kind before it and a key's id after it */

/* --- lines ------------------------------------------------------------------------ */

static int put_key(struct hark_buf *out, const char *name, uint8_t algorithm,
                   const struct hark_key *key, struct hark_err *err)
{
    struct hark_note_key vkey;
    int rc = hark_note_key_init(&vkey, name, algorithm, key, err);

    return rc < 0 ? rc : hark_note_key_encode(out, &vkey, err);
}

static int put_log(struct hark_buf *out, struct hark_space *space, struct hark_err *err)
{
    const struct hark_log_head *head = hark_space_head(space);
    char id[HARK_HEX_SIZE];
    int rc;

    if (head->tree.size == 0)
        return hark_err_set(err, HARK_E_NO, "nothing is logged yet: there is no log to name");
    hark_hash_hex(id, hark_space_id(space));
    rc = hark_buf_printf(out, err,
                         "# The log of space %s, as it is here at %" PRIu64 " entries.\n"
                         "# A later home or incarnation signs under another name and needs "
                         "another line.\n"
                         "log ",
                         id, head->tree.size);
    if (rc == 0)
        rc = put_key(out, head->origin, HARK_NOTE_ED25519, &head->log_key, err);
    return rc < 0 ? rc : hark_buf_append_byte(out, '\n', err);
}

static int put_cosigners(struct hark_buf *out, const struct hark_quorum *quorum,
                         struct hark_err *err)
{
    int rc = 0;

    if (quorum->count > 0)
        rc = hark_buf_append_str(
            out, "\n# Cosigners: nodes that the space names, which verify and store all of it.\n",
            err);
    for (size_t i = 0; rc == 0 && i < quorum->count; i++) {
        const struct hark_cosigner *cosigner = &quorum->cosigners[i];

        rc = hark_buf_printf(out, err, "witness cosigner/%s ", cosigner->name);
        if (rc == 0)
            rc = put_key(out, cosigner->name, HARK_NOTE_COSIGNATURE_V1, &cosigner->key, err);
        if (rc == 0)
            rc = hark_buf_append_byte(out, '\n', err);
    }
    if (rc < 0 || quorum->needed == 0)
        return rc;
    rc = hark_buf_printf(out, err, "group cosigners %" PRIu32, quorum->needed);
    for (size_t i = 0; rc == 0 && i < quorum->count; i++)
        rc = hark_buf_printf(out, err, " cosigner/%s", quorum->cosigners[i].name);
    return rc < 0 ? rc : hark_buf_append_byte(out, '\n', err);
}

/* --- over HTTP -------------------------------------------------------------------- */

/* What a configured witness is called here: no key's name has a '+', so the id of the key
 * tells apart two of one name. */
static void witness_name(const struct hark_config *config, size_t at, char name[NAME_SIZE])
{
    const struct hark_note_key *key = &config->witnesses[at].key;
    bool repeated = false;

    for (size_t i = 0; i < config->witness_count; i++)
        repeated = repeated || (i != at && strcmp(config->witnesses[i].key.name, key->name) == 0);
    (void)snprintf(name, NAME_SIZE, "witness/%s", key->name);
    if (repeated)
        (void)snprintf(name + strlen(name), NAME_SIZE - strlen(name), "+%08" PRIx32, key->id);
}

/* A policy has each key once, and that of a cosigner stands there already. */
static bool is_cosigner(const struct hark_quorum *quorum, const struct hark_note_key *key)
{
    for (size_t i = 0; i < quorum->count; i++) {
        if (hark_key_equal(&quorum->cosigners[i].key, &key->key))
            return true;
    }
    return false;
}

static int put_witness(struct hark_buf *out, struct hark_buf *group,
                       const struct hark_config *config, size_t at, struct hark_err *err)
{
    const struct hark_config_witness *witness = &config->witnesses[at];
    char name[NAME_SIZE];
    int rc;

    witness_name(config, at, name);
    rc = hark_buf_printf(out, err, "witness %s ", name);
    if (rc == 0)
        rc = hark_note_key_encode(out, &witness->key, err);
    if (rc == 0)
        rc = hark_buf_printf(out, err, " %s\n", witness->url);
    return rc < 0 ? rc : hark_buf_printf(group, err, " %s", name);
}

/* The group is there for whoever asks for one of them; nothing here does. */
static int put_witnesses(struct hark_buf *out, const struct hark_config *config,
                         const struct hark_quorum *quorum, struct hark_err *err)
{
    struct hark_buf group = hark_buf_init(HARK_TLOG_POLICY_MAX);
    int rc = 0;

    if (config->witness_count > 0)
        rc = hark_buf_printf(out, err,
                             "\n# Witnesses over HTTP that the operator of node %s asks: they see "
                             "that the log only grows.\n"
                             "# The space does not count them. Who does writes `quorum witnesses`, "
                             "or a group of both.\n",
                             config->name);
    for (size_t i = 0; rc == 0 && i < config->witness_count; i++) {
        if (!is_cosigner(quorum, &config->witnesses[i].key))
            rc = put_witness(out, &group, config, i, err);
    }
    if (rc == 0 && group.size > 0) {
        rc = hark_buf_append_str(out, "group witnesses any", err);
        if (rc == 0)
            rc = hark_buf_append_span(out, hark_buf_span(&group), err);
        if (rc == 0)
            rc = hark_buf_append_byte(out, '\n', err);
    }
    hark_buf_free(&group);
    return rc;
}

/* --- the whole -------------------------------------------------------------------- */

/* What is handed out can be read, whatever stands in the configuration. */
static int read_again(const struct hark_buf *text, struct hark_err *err)
{
    struct hark_tlog_policy *policy = malloc(sizeof(*policy));
    int rc;

    if (policy == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a policy");
    rc = hark_tlog_policy_read(policy, hark_buf_span(text), err);
    free(policy);
    return rc < 0 ? hark_err_wrap(err, rc, "no policy can be made of this") : 0;
}

int hark_cmd_policy_text(struct hark_cmd *cmd, struct hark_space *space, struct hark_buf *out,
                         struct hark_err *err)
{
    const struct hark_quorum *quorum = NULL;
    int rc = put_log(out, space, err);

    if (rc == 0)
        rc = hark_witness_quorum(space, &quorum, err);
    if (rc == 0 && quorum->needed > quorum->count)
        rc =
            hark_err_set(err, HARK_E_NO,
                         "the space's quorum is %" PRIu32 " of %zu cosigners: nothing settles, and "
                         "no policy says so",
                         quorum->needed, quorum->count);
    if (rc == 0)
        rc = put_cosigners(out, quorum, err);
    if (rc == 0)
        rc = put_witnesses(out, cmd->node->config, quorum, err);
    if (rc == 0)
        rc = hark_buf_printf(out, err, "\nquorum %s\n", quorum->needed > 0 ? "cosigners" : "none");
    return rc < 0 ? rc : read_again(out, err);
}
