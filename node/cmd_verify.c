/*
 * hark verify: the space's log from its repository alone; or what a file, which
 * may come from anybody, proves against the log that is here.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/convict.h"
#include "node/files.h"
#include "schemas/disclosure.h"
#include "schemas/evidence.h"
#include "schemas/receipt.h"

#define FILE_MAX HARK_EVIDENCE_MAX

/* --- the space -------------------------------------------------------------------- */

static int check_index(struct hark_space *space, struct hark_err *err)
{
    int rc = hark_index_check(hark_space_index(space), err);

    if (rc != HARK_E_DAMAGED)
        return rc;
    rc = hark_err_wrap(err, rc, "the log is well");
    hark_err_hint(err, "`hark reindex` makes the index anew from the log");
    return rc;
}

static int verify_space(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err)
{
    struct hark_verified found = {0};
    struct hark_hash state;
    char id[HARK_HEX_SIZE], hex[HARK_HEX_SIZE];
    int rc = hark_space_verify(space, hark_now_ms(), &found, err);

    if (rc == 0)
        rc = hark_state_hash(hark_space_state(space), &state, err);
    if (rc == 0 && !hark_hash_equal(&state, &found.state_hash)) {
        rc = hark_err_set(err, HARK_E_DAMAGED, "the log is well, the index says another state");
        hark_err_hint(err, "`hark reindex` makes it anew from the log");
    }
    /* The state is not all that is in it: rows, words, counts. */
    if (rc == 0)
        rc = check_index(space, err);
    if (rc < 0)
        return rc;
    hark_hash_hex(id, hark_space_id(space));
    hark_hash_hex(hex, &found.state_hash);
    if (cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "format", "hark/verify/1",
                      "holds", 1, "space", id, "entries", (json_int_t)found.entries, "batches",
                      (json_int_t)found.batches, "payloads", (json_int_t)found.payloads, "erased",
                      (json_int_t)found.erased, "void", (json_int_t)found.void_entries,
                      "state_hash", hex),
            err);
    if (cmd->globals.quiet)
        return 0;
    (void)fprintf(cmd->out,
                  "space %.12s holds, checked from the repository alone:\n"
                  "  %" PRIu64 " entries in %" PRIu64 " batches: form, signatures, feeds, order\n"
                  "  every batch commit and checkpoint: signature, root, chain\n"
                  "  %" PRIu64 " payloads: size and hash; %" PRIu64 " erased or absent\n"
                  "  %" PRIu64 " void entries\n"
                  "  state %s, the same as the index's\n",
                  id, found.entries, found.batches, found.payloads, found.erased,
                  found.void_entries, hex);
    return 0;
}

/* --- what a file proves -------------------------------------------------------------- */

int hark_cmd_proved(struct hark_cmd *cmd, const char *what, const char *words, json_t *more,
                    struct hark_err *err)
{
    json_t *json;

    if (!cmd->globals.json) {
        json_decref(more);
        if (!cmd->globals.quiet) {
            hark_print_text(cmd->out, words);
            (void)fputc('\n', cmd->out);
        }
        return 0;
    }
    json = json_pack("{s:s, s:b, s:s, s:o}", "format", "hark/verify/1", "holds", 1, "what", what,
                     "message", hark_out_text(words));
    if (json != NULL && more != NULL && json_object_update(json, more) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(more);
    return hark_print_json(cmd->out, json, err);
}

/* The leaf of a row under the root of the log's head: what a receipt would say. */
static int check_included(struct hark_space *space, const struct hark_row *row,
                          struct hark_err *err)
{
    const struct hark_merkle *log = hark_state_log(hark_space_state(space));
    struct hark_line line = {.position = row->position,
                             .arrival_ms = row->arrival_ms,
                             .accepted_ms = row->accepted_ms,
                             .id = row->id};
    struct hark_hash leaf = hark_line_leaf(&line), root = hark_merkle_root(log);
    struct hark_proof proof;
    int rc = hark_merkle_prove_inclusion(&proof, row->position, log->size, hark_index_merkle_read,
                                         hark_space_index(space), err);

    if (rc < 0)
        return rc;
    return hark_merkle_verify_inclusion(&leaf, row->position, log->size, proof.hashes, proof.count,
                                        &root, err);
}

static int verify_entry(struct hark_cmd *cmd, struct hark_space *space, struct hark_span bytes,
                        struct hark_err *err)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    struct hark_row row = {0};
    char id[HARK_HEX_SIZE], key[HARK_HEX_SIZE], name[HARK_NAME_SIZE], words[640];
    bool found = false;
    uint64_t position = 0;
    int rc;

    if (entry == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    rc = hark_entry_parse(entry, bytes, err);
    if (rc == 0)
        rc = hark_entry_verify(entry, bytes, err);
    if (rc < 0)
        goto out;
    hark_hash_hex(id, &entry->id);
    hark_key_hex(key, &entry->author);
    rc = hark_state_find_entry(hark_space_state(space), &entry->id, &found, &position, err);
    if (rc == 0 && !found) {
        rc = hark_err_set(err, HARK_E_NO,
                          "a %s that key %.12s signed well; it is not in this space's log",
                          entry->kind, key);
        goto out;
    }
    if (rc == 0)
        rc = hark_index_row(hark_space_index(space), position, &row, err);
    if (rc == 0)
        rc = check_included(space, &row, err);
    if (rc == 0)
        rc = hark_cmd_author_name(space, &row, name, err);
    if (rc < 0)
        goto out;
    (void)snprintf(words, sizeof(words),
                   "entry %.12s, a %s: signed by %s (key %.12s), in the log at position %" PRIu64
                   " under its root; it %s%s",
                   id, entry->kind, name, key, position, row.verdict == 0 ? "stands" : "is void: ",
                   row.verdict == 0 ? "" : hark_err_name(hark_verdict_code(row.verdict)));
    rc = hark_cmd_proved(cmd, "entry", words,
                         json_pack("{s:s, s:s, s:I, s:s, s:b}", "id", id, "key", key, "position",
                                   (json_int_t)position, "kind", entry->kind, "stands",
                                   row.verdict == 0),
                         err);
out:
    free(entry);
    return rc;
}

static bool is_intake(const struct hark_checkpoint *cp)
{
    return strcmp(strrchr(cp->origin, '/'), "/intake") == 0;
}

/* As the functions of space.h name the log of a checkpoint that `node` signed. */
static const char *log_of(const struct hark_checkpoint *cp, const struct hark_node_object *node)
{
    return is_intake(cp) ? node->name : "";
}

static int compare_root(struct hark_space *space, const char *log, const struct hark_checkpoint *cp,
                        struct hark_err *err)
{
    struct hark_hash root;
    int rc = hark_space_root(space, log, cp->size, &root, err);

    if (rc < 0)
        return rc;
    if (!hark_hash_equal(&root, &cp->root) && hark_space_is_later(space, cp->origin))
        return hark_err_set(err, HARK_E_NO,
                            "%s went on from before the end of the log here, which has not heard "
                            "of that home yet",
                            cp->origin);
    if (!hark_hash_equal(&root, &cp->root))
        return hark_err_set(err, HARK_E_PEER_FORK,
                            "%s signed another history of %" PRIu64
                            " entries than the one here: keep this file, it is evidence",
                            cp->origin, cp->size);
    return 0;
}

/* A note's checkpoint: of a log of this space, and signed by a node that was ever named
 * under the name in its origin; *end as of hark_space_incarnation_end. */
static int check_checkpoint(struct hark_space *space, struct hark_span bytes,
                            struct hark_checkpoint *cp, struct hark_node_object *node,
                            uint64_t *end, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    int rc;

    if (note == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note");
    rc = hark_note_parse(note, bytes, err);
    if (rc == 0)
        rc = hark_checkpoint_decode(cp, note->text, NULL, err);
    if (rc == 0 && !hark_space_is_origin(space, cp->origin))
        rc = hark_err_set(err, HARK_E_NO, "the checkpoint is of another log: %s", cp->origin);
    if (rc == 0)
        rc = hark_log_signer(hark_space_state(space), note, cp->origin, node, err);
    *end = HARK_NONE;
    if (rc == 0 && !is_intake(cp)) /* which has no incarnations */
        rc = hark_space_incarnation_end(space, cp->origin, end, err);
    free(note);
    return rc;
}

static int verify_checkpoint(struct hark_cmd *cmd, struct hark_space *space, struct hark_span bytes,
                             struct hark_err *err)
{
    struct hark_checkpoint cp = {0};
    struct hark_node_object node = {0};
    char by[1024], words[2048], root[HARK_HEX_SIZE];
    json_t *cosigners = NULL;
    uint64_t end = HARK_NONE;
    int rc = check_checkpoint(space, bytes, &cp, &node, &end, err);

    if (rc == 0 && cp.size > end)
        rc = hark_err_set(err, HARK_E_NO,
                          "%s signed %" PRIu64 " entries, and its successor went on from %" PRIu64
                          ": what came between is lost, which is no fork",
                          cp.origin, cp.size, end);
    if (rc == 0)
        rc = compare_root(space, log_of(&cp, &node), &cp, err);
    if (rc == 0)
        rc = hark_cmd_cosigners(space, bytes, &cosigners, err);
    if (rc < 0)
        return rc;
    hark_hash_hex(root, &cp.root);
    hark_cmd_cosigners_words(cosigners, "Nobody else has signed it.", by, sizeof(by));
    (void)snprintf(words, sizeof(words),
                   "checkpoint of %s at size %" PRIu64
                   ": signed by node %s, and the log here begins with just these entries.\n%s",
                   cp.origin, cp.size, node.name, by);
    return hark_cmd_proved(cmd, "checkpoint", words,
                           json_pack("{s:o, s:I, s:s, s:s, s:o}", "origin",
                                     hark_out_text(cp.origin), "size", (json_int_t)cp.size, "root",
                                     root, "node", node.name, "cosigners", cosigners),
                           err);
}

/* The entry that stands here at the place that a receipt names: where roots cannot be
 * compared, this can. */
static int compare_leaf(struct hark_space *space, const char *log,
                        const struct hark_receipt *receipt, uint64_t end, bool *has,
                        struct hark_err *err)
{
    struct hark_line line;
    struct hark_git_id commit;
    int rc = hark_space_line(space, log, receipt->line.position, &line, &commit, err);

    *has = rc == 0;
    if (rc < 0)
        return rc == HARK_E_NOT_FOUND ? 0 : rc;
    if (hark_hash_equal(&line.id, &receipt->line.id) &&
        line.arrival_ms == receipt->line.arrival_ms &&
        line.accepted_ms == receipt->line.accepted_ms)
        return 0;
    if (receipt->line.position >= end)
        return hark_err_set(err, HARK_E_NO,
                            "%s signed that it stands at position %" PRIu64
                            ", and its successor went on from %" PRIu64
                            ": the receipt is lost, which is no fork",
                            receipt->checkpoint.origin, receipt->line.position, end);
    if (hark_space_is_later(space, receipt->checkpoint.origin))
        return hark_err_set(err, HARK_E_NO,
                            "%s has another entry at position %" PRIu64
                            " than the log here, which has not heard of that home yet",
                            receipt->checkpoint.origin, receipt->line.position);
    return hark_err_set(err, HARK_E_PEER_FORK,
                        "%s signed that another entry stands at position %" PRIu64
                        " than the one here: keep this file, it is evidence",
                        receipt->checkpoint.origin, receipt->line.position);
}

static int say_receipt(struct hark_cmd *cmd, struct hark_space *space,
                       const struct hark_receipt *receipt, const char *node, bool same, bool has,
                       struct hark_err *err)
{
    const struct hark_line *line = &receipt->line;
    char id[HARK_HEX_SIZE], arrival[HARK_TIME_SIZE + 1], by[1024], words[2048];
    json_t *cosigners = NULL;
    int rc = hark_cmd_cosigners(space, receipt->note, &cosigners, err);

    if (rc < 0)
        return rc;
    hark_cmd_cosigners_words(cosigners,
                             "It does not prove that others were shown the same log: nobody else "
                             "has signed it.",
                             by, sizeof(by));
    hark_hash_hex(id, &line->id);
    hark_time_encode(arrival, line->arrival_ms);
    (void)snprintf(
        words, sizeof(words),
        "receipt for entry %.12s: node %s signed that it stands in %s at position %" PRIu64
        " of %" PRIu64 ", arrived %s.\n%s\n%s",
        id, node, receipt->checkpoint.origin, line->position, receipt->checkpoint.size, arrival,
        same  ? "The log here begins with just these entries."
        : has ? "The log here does not hold all of that one; the entry stands in it at that place."
              : "The log here does not reach that far: whether it still stands there is open.",
        by);
    return hark_cmd_proved(cmd, "receipt", words,
                           json_pack("{s:s, s:o, s:I, s:s, s:o, s:I, s:s, s:b, s:b, s:o}", "id", id,
                                     "commit",
                                     hark_out_hex(receipt->commit.bytes, HARK_GIT_ID_SIZE),
                                     "position", (json_int_t)line->position, "arrival", arrival,
                                     "origin", hark_out_text(receipt->checkpoint.origin), "size",
                                     (json_int_t)receipt->checkpoint.size, "node", node,
                                     "log_agrees", same, "entry_here", has, "cosigners", cosigners),
                           err);
}

/* What another node has accepted the home has to log. */
static int say_accepted(struct hark_cmd *cmd, struct hark_space *space,
                        const struct hark_receipt *receipt, const char *node, bool same, bool has,
                        struct hark_err *err)
{
    const struct hark_line *line = &receipt->line;
    char id[HARK_HEX_SIZE], accepted[HARK_TIME_SIZE + 1], due[HARK_TIME_SIZE + 1];
    char logged[160], words[1024];
    uint64_t position = 0, delay_ms = 0;
    bool found = false;
    int rc = hark_state_find_entry(hark_space_state(space), &line->id, &found, &position, err);

    if (rc == 0)
        rc = hark_space_merge_delay(space, &delay_ms, err);
    if (rc < 0)
        return rc;
    hark_hash_hex(id, &line->id);
    hark_time_encode(accepted, line->accepted_ms);
    hark_time_encode(due, line->accepted_ms + delay_ms);
    if (found)
        (void)snprintf(logged, sizeof(logged), "It is in the space's log, at position %" PRIu64 ".",
                       position);
    else
        (void)snprintf(logged, sizeof(logged),
                       "It is not in the space's log here; the home %s take it over by %s.",
                       hark_now_ms() > line->accepted_ms + delay_ms ? "had to" : "has to", due);
    (void)snprintf(
        words, sizeof(words),
        "receipt for entry %.12s: node %s signed that it accepted it at %s and that it stands in "
        "%s at position %" PRIu64 " of %" PRIu64 ".\n%s\n%s",
        id, node, accepted, receipt->checkpoint.origin, line->position, receipt->checkpoint.size,
        same  ? "The intake log here begins with just these entries."
        : has ? "The intake log here does not hold all of that one; the entry stands in it at that "
                "place."
              : "The intake log here does not reach that far.",
        logged);
    return hark_cmd_proved(cmd, "receipt", words,
                           json_pack("{s:s, s:o, s:I, s:s, s:o, s:I, s:s, s:b, s:b, s:o, s:s}",
                                     "id", id, "commit",
                                     hark_out_hex(receipt->commit.bytes, HARK_GIT_ID_SIZE),
                                     "position", (json_int_t)line->position, "arrival", accepted,
                                     "origin", hark_out_text(receipt->checkpoint.origin), "size",
                                     (json_int_t)receipt->checkpoint.size, "node", node,
                                     "log_agrees", same, "entry_here", has, "logged",
                                     hark_out_position(found ? position : HARK_NONE), "due", due),
                           err);
}

static int verify_receipt(struct hark_cmd *cmd, struct hark_space *space, struct hark_span bytes,
                          struct hark_err *err)
{
    struct hark_receipt *receipt = calloc(1, sizeof(*receipt));
    struct hark_checkpoint cp = {0};
    struct hark_node_object node = {0};
    uint64_t end = HARK_NONE;
    bool same = false, has = false;
    int rc;

    if (receipt == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a receipt");
    rc = hark_receipt_decode(receipt, bytes, err);
    if (rc == 0)
        rc = check_checkpoint(space, receipt->note, &cp, &node, &end, err);
    if (rc == 0 && cp.size <= end) {
        rc = compare_root(space, log_of(&cp, &node), &cp, err);
        same = rc == 0;
        if (rc == HARK_E_BEHIND || rc == HARK_E_NOT_FOUND)
            rc = 0; /* the log here is shorter */
    }
    if (rc == 0)
        rc = compare_leaf(space, log_of(&cp, &node), receipt, end, &has, err);
    if (rc == 0)
        rc = is_intake(&cp) ? say_accepted(cmd, space, receipt, node.name, same, has, err)
                            : say_receipt(cmd, space, receipt, node.name, same, has, err);
    free(receipt);
    return rc;
}

static int verify_node_ticket(struct hark_cmd *cmd, struct hark_space *space,
                              const struct hark_ticket *ticket, struct hark_err *err)
{
    const struct hark_ticket_node *node = &ticket->nodes[0];
    struct hark_node_object named;
    char key[HARK_HEX_SIZE], words[640];
    int rc = hark_state_node_with(hark_space_state(space), &node->keys.log, &named, err);

    if (rc < 0 && rc != HARK_E_NOT_FOUND)
        return rc;
    hark_key_hex(key, &node->keys.log);
    (void)snprintf(words, sizeof(words),
                   "ticket of node %s, signed by its log key %.12s; it is %s in this space",
                   node->name, key, rc == 0 ? "named" : "not named");
    return hark_cmd_proved(
        cmd, "ticket", words,
        json_pack("{s:s, s:s, s:b}", "node", node->name, "key", key, "named", rc == 0), err);
}

/* The secret half stays out of what is printed. */
static int verify_invitation(struct hark_cmd *cmd, struct hark_space *space,
                             const struct hark_ticket *ticket, struct hark_err *err)
{
    struct hark_ticket_object object;
    struct hark_signer *sign = NULL;
    char key[HARK_HEX_SIZE], until[HARK_TIME_SIZE + 1], words[640];
    bool found = false;
    uint32_t number = 0;
    int rc;

    if (!hark_hash_equal(&ticket->spaces[0], hark_space_id(space)))
        return hark_err_set(err, HARK_E_NO, "the invitation is to another space");
    rc = hark_ticket_keys(ticket->secret, &sign, NULL, err);
    if (rc == 0)
        rc = hark_state_find_ticket(hark_space_state(space), hark_signer_key(sign), &found, &number,
                                    err);
    if (rc == 0 && !found)
        rc = hark_err_set(err, HARK_E_TICKET_UNKNOWN, "the space has no such invitation");
    if (rc == 0)
        rc = hark_state_ticket(hark_space_state(space), number, &object, err);
    if (rc == 0) {
        hark_key_hex(key, &object.sign);
        hark_time_encode(until, object.until_ms);
        (void)snprintf(
            words, sizeof(words), "invitation %.12s to this space: %s, %u of %u used, until %s%s",
            key, hark_cmd_role_name(object.role), (unsigned)object.used, (unsigned)object.uses,
            until, object.revoked != HARK_NONE ? ", revoked" : "");
        rc = hark_cmd_proved(cmd, "invitation", words,
                             json_pack("{s:s, s:I, s:I, s:s, s:b}", "ticket", key, "uses",
                                       (json_int_t)object.uses, "used", (json_int_t)object.used,
                                       "until", until, "revoked", object.revoked != HARK_NONE),
                             err);
    }
    hark_signer_free(sign);
    return rc;
}

static int verify_ticket(struct hark_cmd *cmd, struct hark_space *space, struct hark_span text,
                         struct hark_err *err)
{
    struct hark_ticket ticket = {0};
    int rc = hark_ticket_decode(&ticket, text, 0, err);

    if (rc == 0)
        rc = ticket.type == HARK_TICKET_NODE ? verify_node_ticket(cmd, space, &ticket, err)
                                             : verify_invitation(cmd, space, &ticket, err);
    hark_ticket_wipe(&ticket);
    return rc;
}

/* --- which of them --------------------------------------------------------------------- */

static bool begins_with(struct hark_span bytes, const char *head)
{
    size_t size = strlen(head);

    return bytes.size >= size && memcmp(bytes.data, head, size) == 0;
}

/* A file, or "-" for the caller's standard input. */
static int read_file(struct hark_cmd *cmd, struct hark_buf *out, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc;

    if (strcmp(cmd->argv[1], "-") == 0)
        return hark_buf_append_span(out, cmd->input, err);
    rc = hark_cmd_path(cmd, cmd->argv[1], path, err);
    return rc < 0 ? rc : hark_file_read(path, out, err);
}

static int verify_file(struct hark_cmd *cmd, struct hark_span bytes, struct hark_err *err)
{
    struct hark_space *space = NULL;
    int rc;

    if (hark_disclosure_is(bytes))
        return hark_cmd_disclosed(cmd, bytes, err);
    /* Without a node it came here as evidence. */
    if (hark_evidence_is(bytes) || cmd->node == NULL)
        return hark_cmd_evidence(cmd, bytes, err);
    rc = hark_cmd_space(cmd, &space, err);
    if (rc < 0)
        return rc;
    if (begins_with(bytes, "tree "))
        return verify_entry(cmd, space, bytes, err);
    if (begins_with(bytes, "hark1") || begins_with(bytes, "http"))
        return verify_ticket(cmd, space, bytes, err);
    rc = begins_with(bytes, HARK_TLOG_PROOF_HEAD) ? verify_receipt(cmd, space, bytes, err)
                                                  : verify_checkpoint(cmd, space, bytes, err);
    if (rc == HARK_E_PEER_FORK && hark_convict_log(space, bytes, NULL) == 0)
        hark_err_hint(err, "a file that convicts is kept: `hark status` names it");
    return rc;
}

int hark_cmd_verify(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_buf file = hark_buf_init_secret(FILE_MAX);
    struct hark_space *space = NULL;
    const char *policy = NULL;
    const struct hark_option options[] = {{.name = "policy", .value = &policy}};
    int rc = hark_cmd_options(cmd, options, 1, 0, 1, err);

    if (rc == 0 && cmd->argc == 1 && policy != NULL)
        return hark_err_set(err, HARK_E_USAGE, "--policy is for a file: which?");
    if (rc == 0 && cmd->argc == 1) {
        rc = hark_cmd_space(cmd, &space, err);
        return rc < 0 ? rc : verify_space(cmd, space, err);
    }
    if (rc == 0)
        rc = read_file(cmd, &file, err);
    if (rc == 0)
        rc = policy != NULL ? hark_cmd_verify_policy(cmd, policy, hark_buf_span(&file), err)
                            : verify_file(cmd, hark_buf_span(&file), err);
    hark_buf_free(&file);
    return rc;
}
