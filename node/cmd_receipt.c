/*
 * hark receipt: the proof that an entry stands in the log, or in the intake log of who has
 * accepted it, for whoever keeps it.
 */
#include "node/cmd_internal.h"
#include "schemas/receipt.h"

static int print_receipt(struct hark_cmd *cmd, struct hark_buf *file, struct hark_err *err)
{
    struct hark_receipt receipt;
    int rc;

    if (!cmd->globals.json) {
        (void)fwrite(file->data, 1, file->size, cmd->out);
        return 0;
    }
    rc = hark_receipt_decode(&receipt, hark_buf_span(file), err);
    if (rc == 0)
        rc = hark_buf_terminate(file, err);
    if (rc < 0)
        return rc;
    return hark_print_json(
        cmd->out,
        json_pack("{s:s, s:o, s:o, s:I, s:o, s:o, s:s, s:I, s:o, s:s}", "format", "hark/receipt/1",
                  "id", hark_out_hex(receipt.line.id.bytes, HARK_HASH_SIZE), "commit",
                  hark_out_hex(receipt.commit.bytes, HARK_GIT_ID_SIZE), "position",
                  (json_int_t)receipt.line.position, "arrival",
                  hark_out_time(receipt.line.arrival_ms), "accepted",
                  hark_out_time(receipt.line.accepted_ms), "origin", receipt.checkpoint.origin,
                  "size", (json_int_t)receipt.checkpoint.size, "root",
                  hark_out_hex(receipt.checkpoint.root.bytes, HARK_HASH_SIZE), "receipt",
                  (const char *)file->data),
        err);
}

/* In which log it stands, and where: the space's, else an intake that it waits in. */
static int find_place(struct hark_space *space, const struct hark_row *row, const char **node,
                      uint64_t *position, struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    int rc;

    *node = "";
    *position = row->position;
    if (row->position != HARK_NONE)
        return 0;
    rc = hark_cmd_flight(space, &row->id, &flight, err);
    if (rc == 0 && flight->node[0] == '\0') {
        rc = hark_err_set(err, HARK_E_BEHIND,
                          "no node has accepted it yet, as far as is known here");
        hark_err_hint(err, "`hark outbox` says what has become of it");
    }
    if (rc < 0)
        return rc;
    *node = flight->node;
    *position = flight->position;
    return 0;
}

int hark_cmd_receipt(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_space *space = NULL;
    struct hark_row row = {0};
    struct hark_line line;
    struct hark_git_id commit;
    struct hark_proof path;
    const char *node = NULL;
    uint64_t position = 0;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_row(space, cmd->argv[1], &row, err);
    if (rc == 0)
        rc = find_place(space, &row, &node, &position, err);
    if (rc == 0)
        rc = hark_space_line(space, node, position, &line, &commit, err);
    if (rc == 0)
        rc = hark_space_prove(space, node, position, &path, &note, err);
    if (rc == 0)
        rc = hark_receipt_encode(&file, &line, &commit, &path, hark_buf_span(&note), err);
    if (rc == 0)
        rc = print_receipt(cmd, &file, err);
    hark_buf_free(&note);
    hark_buf_free(&file);
    return rc;
}
