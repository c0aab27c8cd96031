/*
 * hark receipt: the proof that an entry stands in the log, or in the intake log of who has
 * accepted it, for whoever keeps it. And what there is to say of those that were given to
 * this node.
 */
#include <stdio.h>

#include "node/cmd_internal.h"
#include "node/outbox.h"
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

/* --- what was given to this node -------------------------------------------------------- */

struct given {
    bool main; /* of the main log: wanted, else of any */
    struct hark_buf *file;
};

static int copy_file(void *arg, const struct hark_out_receipt *receipt, struct hark_err *err)
{
    const struct given *given = arg;

    return receipt->is_main || !given->main ? hark_buf_append_span(given->file, receipt->file, err)
                                            : 0;
}

/* The receipt of an entry of ours that the log here does not have, if one was given; else
 * nothing. */
static int find_given(struct hark_space *space, const struct hark_row *row, bool main,
                      struct hark_buf *file, struct hark_err *err)
{
    struct given given = {.main = main, .file = file};
    struct hark_outbox *outbox = NULL;
    bool found = false;
    int rc;

    if (row->position != HARK_NONE || !hark_space_has_outbox(space))
        return 0;
    rc = hark_space_outbox(space, &outbox, err);
    return rc < 0 ? rc : hark_outbox_receipt(outbox, &row->id, copy_file, &given, &found, err);
}

struct faults {
    size_t bad, lost;
    struct hark_out_receipt first;
};

static int count_fault(void *arg, const struct hark_out_receipt *receipt, struct hark_err *err)
{
    struct faults *faults = arg;

    (void)err;
    if (receipt->state == HARK_RECEIPT_BAD && faults->bad++ == 0)
        faults->first = *receipt;
    faults->lost += receipt->state == HARK_RECEIPT_LOST;
    return 0;
}

static int add_alert(struct hark_space *space, json_t *alerts, const char *name,
                     const char *message, struct hark_err *err)
{
    if (json_array_append_new(alerts,
                              json_pack("{s:s, s:o, s:o}", "name", name, "space",
                                        hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE),
                                        "message", hark_out_text(message))) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    return 0;
}

int hark_cmd_receipt_alerts(struct hark_space *space, json_t *alerts, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    struct faults faults = {0};
    char message[512], id[13];
    int rc;

    if (!hark_space_has_outbox(space))
        return 0;
    rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = hark_outbox_each_receipt(outbox, count_fault, &faults, err);
    if (rc == 0 && faults.bad > 0) {
        hark_short_id(id, &faults.first.id);
        (void)snprintf(message, sizeof(message),
                       "node %s gave no receipt that holds for %zu entries of this node that it "
                       "accepted; for %s: %s (%s)",
                       faults.first.node, faults.bad, id, faults.first.message,
                       hark_err_name(faults.first.code));
        rc = add_alert(space, alerts, "receipt-bad", message, err);
    }
    if (rc == 0 && faults.lost > 0) {
        (void)snprintf(message, sizeof(message),
                       "%zu entries of this node that an earlier home had logged are not in the "
                       "log that goes on from it: they are handed in again",
                       faults.lost);
        rc = add_alert(space, alerts, "receipt-lost", message, err);
    }
    return rc;
}

/* Of the log here or, where it is not in that, as the home gave it; else of an intake here,
 * or as a partner gave it. */
static int make_or_find(struct hark_space *space, const struct hark_row *row, struct hark_buf *file,
                        struct hark_err *err)
{
    struct hark_err behind = {0};
    const char *node = NULL;
    uint64_t position = 0;
    int rc = find_given(space, row, true, file, err);

    if (rc < 0 || file->size > 0)
        return rc;
    rc = find_place(space, row, &node, &position, &behind);
    if (rc == 0)
        return hark_space_receipt(space, node, position, file, err);
    if (rc == HARK_E_BEHIND && find_given(space, row, false, file, err) == 0 && file->size > 0)
        return 0;
    if (err != NULL)
        *err = behind;
    return rc;
}

/* --- the verb --------------------------------------------------------------------------- */

int hark_cmd_receipt(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_space *space = NULL;
    struct hark_row row = {0};
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_row(space, cmd->argv[1], &row, err);
    if (rc == 0)
        rc = make_or_find(space, &row, &file, err);
    if (rc == 0)
        rc = print_receipt(cmd, &file, err);
    hark_buf_free(&file);
    return rc;
}
