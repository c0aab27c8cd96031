/*
 * hark verify FILE --policy POLICY: what a checkpoint or a receipt is worth to a reader who
 * says in a C2SP tlog-policy which logs and witnesses count. Nothing but the two files is
 * asked: no node, no space. PROTOCOL.md 7.12.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/tlog_policy.h"
#include "node/cmd_internal.h"
#include "node/files.h"
#include "schemas/receipt.h"

#define WORDS_MAX (256u * 1024u) /* each witness can be named in them */

struct judging {
    struct hark_tlog_policy policy;
    struct hark_note note;
    struct hark_tlog_judged judged;
    bool is_receipt;
    struct hark_receipt receipt; /* where it is one */
};

/* --- reading ---------------------------------------------------------------------- */

static int read_policy(struct hark_cmd *cmd, const char *name, struct hark_tlog_policy *out,
                       struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_TLOG_POLICY_MAX);
    char path[HARK_PATH_MAX];
    int rc = hark_cmd_path(cmd, name, path, err);

    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    if (rc == 0)
        rc = hark_tlog_policy_read(out, hark_buf_span(&text), err);
    hark_buf_free(&text);
    return rc == HARK_E_TLOG_POLICY ? hark_err_wrap(err, rc, "%s", name) : rc;
}

static bool begins_with(struct hark_span bytes, const char *head)
{
    return hark_take_literal(&bytes, head);
}

/* The note in the file, and what a receipt proves by itself. */
static int read_note(struct judging *j, struct hark_span file, struct hark_err *err)
{
    int rc = 0;

    j->is_receipt = begins_with(file, HARK_TLOG_PROOF_HEAD);
    if (j->is_receipt)
        rc = hark_receipt_decode(&j->receipt, file, err);
    if (rc < 0)
        return rc;
    return hark_note_parse(&j->note, j->is_receipt ? j->receipt.note : file, err);
}

static int judge(struct judging *j, struct hark_err *err)
{
    int rc = hark_tlog_policy_judge(&j->judged, &j->policy, &j->note, err);

    if (rc != HARK_E_NOTE_UNSIGNED)
        return rc;
    if (err != NULL)
        err->code = HARK_E_NO; /* an answer: for this reader it proves nothing */
    return HARK_E_NO;
}

/* --- saying ----------------------------------------------------------------------- */

/* A time that a witness says, which may be any. */
static bool time_can_be_said(uint64_t time_s)
{
    return time_s <= HARK_TIME_MAX_MS / 1000;
}

static json_t *witness_json(const struct hark_tlog_voice *voice, uint64_t time_s)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "name", hark_out_text(voice->name), "key_name",
                     hark_out_text(voice->key.name), "key",
                     hark_out_hex(voice->key.key.bytes, HARK_KEY_SIZE), "time",
                     time_can_be_said(time_s) ? hark_out_time(1000 * time_s) : json_null());
}

/* The witnesses that have cosigned, and the names of those that have not. NULL: no memory. */
static json_t *policy_json(const struct judging *j)
{
    const struct hark_tlog_policy *policy = &j->policy;
    json_t *have = json_array(), *lack = json_array(), *quorum;
    struct hark_buf log = hark_buf_init(HARK_NOTE_NAME_MAX + 128);
    json_t *json = NULL;
    bool good =
        hark_note_key_encode(&log, j->judged.log, NULL) == 0 && hark_buf_terminate(&log, NULL) == 0;

    for (size_t i = 0; good && i < policy->voice_count; i++) {
        const struct hark_tlog_voice *voice = &policy->voices[i];

        if (!voice->is_group)
            good = j->judged.speaks[i]
                       ? json_array_append_new(have, witness_json(voice, j->judged.times_s[i])) == 0
                       : json_array_append_new(lack, hark_out_text(voice->name)) == 0;
    }
    quorum = policy->quorum == HARK_TLOG_POLICY_VOICE_NONE
                 ? json_null()
                 : hark_out_text(policy->voices[policy->quorum].name);
    if (good)
        json =
            json_pack("{s:o, s:O, s:b, s:O, s:O}", "log", hark_out_text((char *)log.data), "quorum",
                      quorum, "satisfied", j->judged.satisfied, "witnesses", have, "missing", lack);
    json_decref(quorum);
    json_decref(have);
    json_decref(lack);
    hark_buf_free(&log);
    return json;
}

/* "A by b, c." of the witnesses that have (not) cosigned; nothing of none. */
static int name_witnesses(struct hark_buf *out, const struct judging *j, bool have,
                          const char *begin, struct hark_err *err)
{
    const char *comma = begin;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < j->policy.voice_count; i++) {
        const struct hark_tlog_voice *voice = &j->policy.voices[i];
        uint64_t time_s = j->judged.times_s[i];
        char time[HARK_TIME_SIZE + 1];

        if (voice->is_group || j->judged.speaks[i] != have)
            continue;
        rc = hark_buf_printf(out, err, "%s %s", comma, voice->name);
        comma = ",";
        if (rc == 0 && have && time_can_be_said(time_s)) {
            hark_time_encode(time, 1000 * time_s);
            rc = hark_buf_printf(out, err, " (%.19sZ)", time);
        }
    }
    return rc == 0 && comma[0] == ',' ? hark_buf_append_str(out, ".", err) : rc;
}

static int quorum_words(struct hark_buf *out, const struct judging *j, struct hark_err *err)
{
    size_t quorum = j->policy.quorum;
    int rc;

    if (quorum == HARK_TLOG_POLICY_VOICE_NONE)
        rc = hark_buf_append_str(out, "\nThe policy asks for no cosignature.", err);
    else
        rc = hark_buf_printf(out, err, "\nThe quorum %s is %s.", j->policy.voices[quorum].name,
                             j->judged.satisfied ? "satisfied" : "not satisfied");
    if (rc == 0)
        rc = name_witnesses(out, j, true, " Cosigned by", err);
    if (rc == 0 && !j->judged.satisfied)
        rc = name_witnesses(out, j, false, " Not by", err);
    return rc;
}

static int file_words(struct hark_buf *out, const struct judging *j, struct hark_err *err)
{
    const struct hark_checkpoint *cp = &j->judged.checkpoint;
    const struct hark_line *line = &j->receipt.line;
    char id[HARK_HEX_SIZE], arrival[HARK_TIME_SIZE + 1];

    if (!j->is_receipt)
        return hark_buf_printf(
            out, err, "checkpoint of %s at size %" PRIu64 ": signed by a log of the policy.",
            cp->origin, cp->size);
    hark_hash_hex(id, &line->id);
    hark_time_encode(arrival, line->arrival_ms);
    return hark_buf_printf(out, err,
                           "receipt for entry %.12s: a log of the policy signed that it stands in "
                           "%s at position %" PRIu64 " of %" PRIu64 ", arrived %s.",
                           id, cp->origin, line->position, cp->size, arrival);
}

static json_t *file_json(const struct judging *j)
{
    const struct hark_checkpoint *cp = &j->judged.checkpoint;
    const struct hark_receipt *receipt = &j->receipt;
    json_t *json =
        json_pack("{s:b, s:o, s:I, s:o, s:o}", "holds", j->judged.satisfied, "origin",
                  hark_out_text(cp->origin), "size", (json_int_t)cp->size, "root",
                  hark_out_hex(cp->root.bytes, HARK_HASH_SIZE), "policy", policy_json(j));

    if (json == NULL || !j->is_receipt)
        return json;
    if (json_object_set_new(json, "id", hark_out_hex(receipt->line.id.bytes, HARK_HASH_SIZE)) < 0 ||
        json_object_set_new(json, "commit", hark_out_hex(receipt->commit.bytes, HARK_GIT_ID_SIZE)) <
            0 ||
        json_object_set_new(json, "position", json_integer((json_int_t)receipt->line.position)) <
            0 ||
        json_object_set_new(json, "arrival", hark_out_time(receipt->line.arrival_ms)) < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static int say(struct hark_cmd *cmd, const struct judging *j, struct hark_err *err)
{
    struct hark_buf words = hark_buf_init(WORDS_MAX);
    json_t *json = NULL;
    int rc = file_words(&words, j, err);

    if (rc == 0)
        rc = quorum_words(&words, j, err);
    if (rc == 0)
        rc = hark_buf_terminate(&words, err);
    if (rc == 0 && (json = file_json(j)) == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    if (rc == 0)
        rc = hark_cmd_proved(cmd, j->is_receipt ? "receipt" : "checkpoint",
                             (const char *)words.data, json, err);
    hark_buf_free(&words);
    return rc;
}

int hark_cmd_verify_policy(struct hark_cmd *cmd, const char *policy, struct hark_span file,
                           struct hark_err *err)
{
    struct judging *j = calloc(1, sizeof(*j));
    int rc;

    if (j == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a policy");
    rc = read_policy(cmd, policy, &j->policy, err);
    if (rc == 0)
        rc = read_note(j, file, err);
    if (rc == 0)
        rc = judge(j, err);
    if (rc == 0)
        rc = say(cmd, j, err);
    /* All is said: the exit code is what is left. */
    if (rc == 0 && !j->judged.satisfied)
        rc = hark_err_set(err, HARK_E_NO, "%s", "");
    free(j);
    return rc;
}
