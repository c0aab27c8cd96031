/*
 * hark disclose: one entry of a private group, for somebody outside who is to see just this.
 * And what such a file proves, to whoever is shown it. PROTOCOL.md 10.6.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/inside.h"
#include "schemas/disclosure.h"

/* --- making one ------------------------------------------------------------------------- */

struct parts {
    struct hark_buf object, envelope, receipt, file;
};

static void parts_free(struct parts *parts)
{
    hark_buf_free(&parts->object);
    hark_buf_free(&parts->envelope);
    hark_buf_free(&parts->receipt);
    hark_buf_free(&parts->file);
}

/* The key that opens this envelope and nothing else. */
static int find_key(struct hark_cmd *cmd, struct hark_space *space, struct hark_span object,
                    struct hark_span envelope, uint8_t out[HARK_ENVELOPE_KEY_SIZE],
                    struct hark_err *err)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    const struct hark_epoch *epoch = NULL;
    struct hark_inside *inside = NULL;
    struct hark_envelope_head head;
    struct hark_seed *key = NULL;
    int rc = entry == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry")
                           : hark_entry_parse(entry, object, err);

    if (rc == 0)
        rc = hark_envelope_read(&head, envelope, err);
    if (rc == 0)
        rc = hark_node_inside(cmd->node, space, &inside, err);
    if (rc == 0)
        rc = hark_ring_key(&epoch, hark_inside_ring(inside), head.epoch, err);
    if (rc == 0)
        rc = hark_envelope_key(&key, epoch, &entry->author, entry->seq, envelope, err);
    if (rc == 0)
        hark_envelope_disclose(out, key);
    hark_seed_free(key);
    free(entry);
    return rc;
}

static int make_file(struct hark_cmd *cmd, struct hark_space *space, const struct hark_row *row,
                     struct parts *parts, struct hark_err *err)
{
    struct hark_disclosure_parts of = {.key = {0}};
    int rc;

    if (row->position == HARK_NONE)
        return hark_err_set(err, HARK_E_NOT_FOUND, "it is in no log yet: its receipt comes then");
    if (!hark_state_is_encrypted(hark_space_state(space)))
        return hark_err_set(err, HARK_E_USAGE, "an open space has nothing to disclose");
    rc = hark_space_entry(space, row, &parts->object, err);
    if (rc == 0)
        rc = hark_space_payload(space, row, &parts->envelope, err);
    if (rc == 0)
        rc = hark_space_receipt(space, "", row->position, &parts->receipt, err);
    of.entry = hark_buf_span(&parts->object);
    of.envelope = hark_buf_span(&parts->envelope);
    of.receipt = hark_buf_span(&parts->receipt);
    if (rc == 0)
        rc = find_key(cmd, space, of.entry, of.envelope, of.key, err);
    if (rc == 0)
        rc = hark_disclosure_encode(&parts->file, &of, err);
    hark_wipe(of.key, sizeof(of.key));
    return rc;
}

int hark_cmd_disclose(struct hark_cmd *cmd, struct hark_err *err)
{
    struct parts parts = {.object = hark_buf_init(HARK_ENTRY_MAX),
                          .envelope = hark_buf_init(HARK_PAYLOAD_MAX),
                          .receipt = hark_buf_init(HARK_TLOG_PROOF_MAX),
                          .file = hark_buf_init(HARK_DISCLOSURE_MAX)};
    struct hark_space *space = NULL;
    struct hark_row row = {0};
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_row(space, cmd->argv[1], &row, err);
    if (rc == 0)
        rc = make_file(cmd, space, &row, &parts, err);
    if (rc == 0)
        (void)fwrite(parts.file.data, 1, parts.file.size, cmd->out);
    parts_free(&parts);
    return rc;
}

/* --- reading one ------------------------------------------------------------------------ */

static int print_disclosed(struct hark_cmd *cmd, const struct hark_disclosure *of,
                           const json_t *says, struct hark_err *err)
{
    char key[HARK_HEX_SIZE], space[HARK_HEX_SIZE], time[HARK_TIME_SIZE + 1], words[512];
    json_t *logged = json_null();

    hark_key_hex(key, &of->entry.author);
    hark_hash_hex(space, &of->entry.space);
    hark_time_encode(time, of->entry.time_ms);
    (void)snprintf(words, sizeof(words),
                   "what key %.12s said in space %.12s, dated by its author %s%s", key, space, time,
                   of->has_receipt
                       ? "; the receipt in it says since when it is logged, if its log's "
                         "key is the one you know"
                       : "; when it was logged the file does not say");
    if (of->has_receipt)
        logged = json_pack("{s:s, s:I, s:o, s:I}", "origin", of->receipt.checkpoint.origin,
                           "position", (json_int_t)of->receipt.line.position, "arrival",
                           hark_out_time(of->receipt.line.arrival_ms), "size",
                           (json_int_t)of->receipt.checkpoint.size);
    return hark_cmd_proved(cmd, "disclosure", words,
                           json_pack("{s:o, s:s, s:s, s:I, s:s, s:O, s:o}", "id",
                                     hark_out_hex(of->entry.id.bytes, HARK_HASH_SIZE), "space",
                                     space, "author", key, "seq", (json_int_t)of->entry.seq, "time",
                                     time, "says", says, "logged", logged),
                           err);
}

int hark_cmd_disclosed(struct hark_cmd *cmd, struct hark_span file, struct hark_err *err)
{
    struct hark_disclosure *disclosure = calloc(1, sizeof(*disclosure));
    struct hark_buf content = hark_buf_init(HARK_ENVELOPE_PLAIN_MAX);
    json_t *says = NULL;
    int rc = disclosure == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a disclosure")
                                : hark_disclosure_read(disclosure, &content, file, err);

    if (rc == 0) {
        /* Its author may have sealed anything. */
        says = json_loadb((const char *)content.data, content.size, JSON_REJECT_DUPLICATES, NULL);
        if (says == NULL)
            says = json_stringn((const char *)content.data, content.size);
        if (says == NULL)
            says = json_null();
        rc = print_disclosed(cmd, disclosure, says, err);
    }
    if (rc == 0 && !cmd->globals.json && !cmd->globals.quiet) {
        char *text = json_dumps(says, JSON_COMPACT | JSON_ENCODE_ANY);

        (void)fputs("  ", cmd->out);
        hark_print_line(cmd->out, text != NULL ? text : "");
        (void)fputc('\n', cmd->out);
        free(text);
    }
    json_decref(says);
    hark_buf_free(&content);
    free(disclosure);
    return rc;
}
