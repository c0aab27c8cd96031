/*
 * hark outbox: what was written here and is not logged yet, and what became of it.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/outbox.h"
#include "node/witness.h"

#define ALL_STATES ~0u

/* `settled`: how much of the log is. */
static const char *state_name(const struct hark_out_row *row, uint64_t settled)
{
    switch (row->state) {
    case HARK_OUT_PENDING:
        return "pending";
    case HARK_OUT_ACCEPTED:
        return "accepted";
    case HARK_OUT_LOGGED:
        return row->position < settled ? "settled" : "logged";
    default:
        return "refused";
    }
}

/* --- ls -------------------------------------------------------------------------- */

struct list {
    struct hark_cmd *cmd;
    struct hark_space *space;
    struct hark_outbox *outbox;
    uint64_t settled; /* of its log */
    json_t *json;     /* NULL: for people */
    size_t shown, refused;
};

/* What was given for it; JSON null: nothing. */
static int receipt_json(void *arg, const struct hark_out_receipt *receipt, struct hark_err *err)
{
    static const char *const states[] = {[HARK_RECEIPT_OPEN] = "open",
                                         [HARK_RECEIPT_AGREES] = "agrees",
                                         [HARK_RECEIPT_LOST] = "lost",
                                         [HARK_RECEIPT_FORK] = "fork",
                                         [HARK_RECEIPT_BAD] = "bad"};
    json_t **out = arg;
    bool bad = receipt->state == HARK_RECEIPT_BAD;

    *out = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o}", "state", states[receipt->state], "node",
                     receipt->node[0] != '\0' ? json_string(receipt->node) : json_null(), "log",
                     receipt->is_main ? "main" : "intake", "position",
                     bad ? json_null() : json_integer((json_int_t)receipt->position), "size",
                     bad ? json_null() : json_integer((json_int_t)receipt->size), "error",
                     bad ? json_pack("{s:s, s:o}", "name", hark_err_name(receipt->code), "message",
                                     hark_out_text(receipt->message))
                         : json_null());
    return *out != NULL ? 0 : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
}

/* Takes `receipt` over. */
static json_t *entry_json(const struct list *list, const struct hark_out_row *row,
                          const struct hark_entry *entry, json_t *receipt)
{
    json_t *error = row->code == 0 ? json_null()
                                   : json_pack("{s:s, s:o}", "name", hark_err_name(row->code),
                                               "message", hark_out_text(row->message));

    return json_pack("{s:o, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id",
                     hark_out_hex(row->id.bytes, HARK_HASH_SIZE), "space",
                     hark_out_hex(hark_space_id(list->space)->bytes, HARK_HASH_SIZE), "kind",
                     entry->kind, "time", hark_out_time(entry->time_ms), "state",
                     state_name(row, list->settled), "node",
                     row->node[0] != '\0' ? json_string(row->node) : json_null(), "position",
                     row->state == HARK_OUT_ACCEPTED || row->state == HARK_OUT_LOGGED
                         ? hark_out_position(row->position)
                         : json_null(),
                     "error", error, "since", hark_out_time(row->since_ms), "receipt",
                     receipt != NULL ? receipt : json_null());
}

/* "accepted by cafe at position 7", "refused by cafe: … (void-role)" */
static void print_fate(FILE *out, const struct hark_out_row *row, uint64_t settled)
{
    (void)fputs(state_name(row, settled), out);
    if (row->node[0] != '\0')
        (void)fprintf(out, row->state == HARK_OUT_PENDING ? ", not yet taken by %s" : " by %s",
                      row->node);
    if (row->state == HARK_OUT_LOGGED ||
        (row->state == HARK_OUT_ACCEPTED && row->position != HARK_NONE))
        (void)fprintf(out, " at position %llu", (unsigned long long)row->position);
    if (row->code != 0) {
        (void)fputs(": ", out);
        hark_print_line(out, row->message);
        (void)fprintf(out, " (%s)", hark_err_name(row->code));
    }
}

static int list_entry(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    struct list *list = arg;
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    FILE *out = list->cmd->out;
    char time[HARK_TIME_SIZE + 1], id[13];
    json_t *receipt = NULL;
    bool found = false;
    int rc;

    if (entry == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    rc = hark_entry_parse(entry, row->object, err);
    if (rc == 0 && list->json != NULL)
        rc = hark_outbox_receipt(list->outbox, &row->id, receipt_json, &receipt, &found, err);
    if (rc == 0 && list->json != NULL &&
        json_array_append_new(list->json, entry_json(list, row, entry, receipt)) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    if (rc == 0 && list->json == NULL) {
        hark_time_encode(time, entry->time_ms);
        hark_short_id(id, &row->id);
        (void)fprintf(out, "%.10s %.8s  %s  %s  ", time, time + 11, id, entry->kind);
        print_fate(out, row, list->settled);
        (void)fputc('\n', out);
    }
    list->shown++;
    list->refused += row->state == HARK_OUT_REFUSED;
    free(entry);
    return rc;
}

/* Its logs may have grown since anybody looked. */
static int list_space(struct list *list, const struct hark_hash *id, struct hark_err *err)
{
    int rc = hark_node_space(list->cmd->node, id, &list->space, err);

    if (rc < 0 || !hark_space_has_outbox(list->space))
        return rc;
    rc = hark_space_outbox_tend(list->space, hark_now_ms(), NULL, err);
    if (rc == 0)
        rc = hark_space_outbox(list->space, &list->outbox, err);
    if (rc == 0)
        rc = hark_witness_settled(list->space, &list->settled, err);
    return rc < 0 ? rc : hark_outbox_each(list->outbox, ALL_STATES, list_entry, list, err);
}

/* Over the space that -s names, or all. */
static int list_spaces(struct list *list, struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc;

    if (list->cmd->globals.space != NULL) {
        rc = hark_cmd_space(list->cmd, &list->space, err);
        return rc < 0 ? rc : list_space(list, hark_space_id(list->space), err);
    }
    rc = hark_node_spaces(list->cmd->node, &ids, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = list_space(list, &ids[i], err);
    free(ids);
    return rc;
}

static int outbox_ls(struct hark_cmd *cmd, struct hark_err *err)
{
    struct list list = {.cmd = cmd};
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0 && cmd->globals.json) {
        list.json = json_array();
        if (list.json == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    if (rc == 0)
        rc = list_spaces(&list, err);
    if (rc < 0) {
        json_decref(list.json);
        return rc;
    }
    if (list.json != NULL)
        return hark_print_json(
            cmd->out, json_pack("{s:s, s:o}", "format", "hark/outbox/1", "entries", list.json),
            err);
    if (list.shown == 0 && !cmd->globals.quiet)
        (void)fputs("nothing is pending\n", cmd->out);
    if (list.refused > 0 && !cmd->globals.quiet)
        (void)fputs("What follows a refused entry of the same key waits for it. `hark outbox log "
                    "ID` hands one in\nagain, to be logged as void, so that the rest can follow.\n",
                    cmd->out);
    return 0;
}

/* --- log ------------------------------------------------------------------------- */

struct search {
    const char *prefix;
    size_t found;
    struct hark_hash id;
    struct hark_space *space;
};

static int match_refused(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    struct search *search = arg;
    char hex[HARK_HEX_SIZE];

    (void)err;
    hark_hash_hex(hex, &row->id);
    if (strncmp(hex, search->prefix, strlen(search->prefix)) == 0) {
        search->found++;
        search->id = row->id;
    }
    return 0;
}

/* The refused entry, in the space that -s names or any. */
static int find_refused(struct hark_cmd *cmd, struct search *search, struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0, before = 0;
    int rc = hark_node_spaces(cmd->node, &ids, &count, err);

    if (rc == 0 && cmd->globals.space != NULL)
        rc = hark_cmd_space(cmd, &search->space, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct hark_outbox *outbox = NULL;
        struct hark_space *space = NULL;

        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        if (rc < 0 || !hark_space_has_outbox(space) ||
            (cmd->globals.space != NULL && space != search->space))
            continue;
        rc = hark_space_outbox(space, &outbox, err);
        if (rc == 0)
            rc = hark_outbox_each(outbox, 1u << HARK_OUT_REFUSED, match_refused, search, err);
        if (search->found > before)
            search->space = space;
        before = search->found;
    }
    free(ids);
    if (rc == 0 && search->found == 0)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "the outbox holds no refused entry %s",
                          search->prefix);
    if (rc == 0 && search->found > 1)
        rc = hark_err_set(err, HARK_E_AMBIGUOUS, "%s fits several entries", search->prefix);
    return rc;
}

static int outbox_log(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    struct search search = {0};
    char id[HARK_HEX_SIZE];
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0 && !hark_cmd_is_id(cmd->argv[1]))
        rc = hark_err_set(err, HARK_E_USAGE, "an entry is named by 8 to 64 hex digits of its id");
    if (rc < 0)
        return rc;
    search.prefix = cmd->argv[1];
    rc = find_refused(cmd, &search, err);
    if (rc == 0)
        rc = hark_space_outbox(search.space, &outbox, err);
    if (rc == 0)
        rc = hark_outbox_as_void(outbox, &search.id, hark_now_ms(), err);
    if (rc < 0)
        return rc;
    hark_space_outbox_changed(search.space);
    cmd->changed = true;
    rc = hark_author_hand_in(cmd->node, search.space, err);
    if (rc < 0)
        return hark_err_wrap(err, rc, "it is in the outbox; taking it in here");
    hark_hash_hex(id, &search.id);
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:s}", "format", "hark/outbox-log/1", "id", id,
                                         "state", "pending"),
                               err);
    (void)fprintf(cmd->out, cmd->globals.quiet ? "%s\n" : "%s is handed in again, as void\n", id);
    return 0;
}

int hark_cmd_outbox(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {{"ls", outbox_ls}, {"log", outbox_log}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), outbox_ls, err);
}
