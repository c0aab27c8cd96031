/*
 * hark receipt: the proof that an entry stands in the log, for whoever keeps it.
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

int hark_cmd_receipt(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_space *space = NULL;
    struct hark_row row = {0};
    struct hark_proof path;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_row(space, cmd->argv[1], &row, err);
    if (rc == 0 && row.position == HARK_NONE) {
        rc = hark_err_set(err, HARK_E_BEHIND, "it is not in the space's log yet");
        hark_err_hint(err, "`hark outbox` says what has become of it");
    }
    if (rc == 0)
        rc = hark_space_checkpoint(space, &note, err);
    if (rc == 0)
        rc = hark_merkle_prove_inclusion(&path, row.position, hark_space_head(space)->tree.size,
                                         hark_index_merkle_read, hark_space_index(space), err);
    if (rc == 0) {
        const struct hark_line line = {.position = row.position,
                                       .arrival_ms = row.arrival_ms,
                                       .accepted_ms = row.accepted_ms,
                                       .id = row.id};

        rc = hark_receipt_encode(&file, &line, &row.git_id, &path, hark_buf_span(&note), err);
    }
    if (rc == 0)
        rc = print_receipt(cmd, &file, err);
    hark_buf_free(&note);
    hark_buf_free(&file);
    return rc;
}
