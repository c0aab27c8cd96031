/*
 * hark ticket: who this node is, for those who are to copy from it or to let it
 * copy.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"

/* Addresses that mean "any interface" say nothing to others. */
static bool can_be_told(const char *address)
{
    return hark_address_valid(hark_span_str(address)) &&
           strncmp(address, "tcp://0.0.0.0:", 14) != 0 && strncmp(address, "tcp://[::]:", 11) != 0;
}

void hark_cmd_addresses(const struct hark_node *node, struct hark_ticket_node *out)
{
    const struct hark_config *config = node->config;

    memset(out, 0, sizeof(*out));
    memcpy(out->name, config->name, sizeof(out->name));
    hark_node_keys(node, &out->keys);
    for (size_t i = 0; i < config->advertise_count; i++)
        memcpy(out->addresses[out->address_count++], config->advertise[i],
               sizeof(config->advertise[i]));
    /* Where the port is any free one, the daemon knows which. */
    if (out->address_count == 0 && can_be_told(config->listen))
        memcpy(out->addresses[out->address_count++], config->listen, sizeof(config->listen));
    if (out->address_count == 0 && can_be_told(node->bound))
        memcpy(out->addresses[out->address_count++], node->bound, sizeof(node->bound));
}

/* Spaces that this node may hand on: where it is home or named. */
static int add_space(struct hark_cmd *cmd, struct hark_space *space, bool asked_for,
                     struct hark_ticket *ticket, struct hark_err *err)
{
    struct hark_node_object named;
    int rc = 0;

    if (!hark_node_is_home(cmd->node, space))
        rc = hark_node_named(cmd->node, space, &named, err);
    if (rc == HARK_E_NOT_FOUND && !asked_for)
        return 0;
    if (rc < 0)
        return rc;
    if (ticket->space_count == HARK_TICKET_SPACES_MAX) {
        rc = hark_err_set(err, HARK_E_USAGE, "a ticket names %u spaces at most",
                          HARK_TICKET_SPACES_MAX);
        hark_err_hint(err, "name the one it is for with -s");
        return rc;
    }
    ticket->spaces[ticket->space_count++] = *hark_space_id(space);
    return 0;
}

static int add_spaces(struct hark_cmd *cmd, struct hark_ticket *ticket, struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc;

    if (cmd->globals.space != NULL) {
        rc = hark_cmd_space(cmd, &space, err);
        return rc < 0 ? rc : add_space(cmd, space, true, ticket, err);
    }
    rc = hark_node_spaces(cmd->node, &ids, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        if (rc == 0)
            rc = add_space(cmd, space, false, ticket, err);
    }
    free(ids);
    return rc;
}

static json_t *addresses_json(const struct hark_ticket_node *node)
{
    json_t *list = json_array();

    for (size_t i = 0; i < node->address_count && list != NULL; i++) {
        if (json_array_append_new(list, json_string(node->addresses[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *spaces_json(const struct hark_ticket *ticket)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ticket->space_count && list != NULL; i++) {
        if (json_array_append_new(list, hark_out_hex(ticket->spaces[i].bytes, HARK_HASH_SIZE)) !=
            0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static int print_ticket(struct hark_cmd *cmd, const struct hark_ticket *ticket, const char *text,
                        struct hark_err *err)
{
    const struct hark_ticket_node *node = &ticket->nodes[0];

    if (cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "format", "hark/ticket/1", "ticket", text,
                      "name", node->name, "key", hark_out_hex(node->keys.log.bytes, HARK_KEY_SIZE),
                      "addresses", addresses_json(node), "spaces", spaces_json(ticket)),
            err);
    (void)fprintf(cmd->out, "%s\n", text);
    if (!cmd->globals.quiet && node->address_count == 0)
        (void)fputs("note: this node has no address to put into its ticket; set listen or\n"
                    "advertise in hark.yaml, or connect from here\n",
                    cmd->err);
    return 0;
}

int hark_cmd_ticket(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_TICKET_TEXT_MAX + 1);
    struct hark_ticket *ticket = calloc(1, sizeof(*ticket));
    int rc;

    if (ticket == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a ticket");
    ticket->type = HARK_TICKET_NODE;
    ticket->node_count = 1;
    rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);
    if (rc == 0) {
        hark_cmd_addresses(cmd->node, &ticket->nodes[0]);
        rc = add_spaces(cmd, ticket, err);
    }
    if (rc == 0)
        rc = hark_ticket_encode(&text, ticket, cmd->node->identity.log, err);
    if (rc == 0)
        rc = hark_buf_terminate(&text, err);
    if (rc == 0)
        rc = print_ticket(cmd, ticket, (const char *)text.data, err);
    hark_buf_free(&text);
    free(ticket);
    return rc;
}
