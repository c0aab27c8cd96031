/*
 * hark partner: the nodes that hold copies. A partner has two sides: hark.yaml
 * says whom this node speaks to and what it follows there; a space's log says,
 * by the steward, who is named in it and may have it.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"

/* --- the configuration --------------------------------------------------------- */

static struct hark_config_peer *find_peer(struct hark_config *config, const char *name)
{
    for (size_t i = 0; i < config->peer_count; i++) {
        if (strcmp(config->peers[i].name, name) == 0)
            return &config->peers[i];
    }
    return NULL;
}

/* The configuration in memory is what a daemon goes by: it changes only when the
 * file has changed. */
static int save_peers(struct hark_node *node, struct hark_config_peer *peers, size_t count,
                      struct hark_err *err)
{
    struct hark_config_peer *before = node->config->peers;
    size_t before_count = node->config->peer_count;
    int rc;

    node->config->peers = peers;
    node->config->peer_count = count;
    rc = hark_node_save_config(node, err);
    if (rc < 0) {
        node->config->peers = before;
        node->config->peer_count = before_count;
        free(peers);
        return rc;
    }
    free(before);
    return 0;
}

/* A copy with room for `extra` more. */
static struct hark_config_peer *copy_peers(const struct hark_config *config, size_t extra)
{
    struct hark_config_peer *peers = calloc(config->peer_count + extra + 1, sizeof(*peers));

    if (peers != NULL && config->peer_count > 0)
        memcpy(peers, config->peers, config->peer_count * sizeof(*peers));
    return peers;
}

/* What of a ticket's spaces this node is to follow there: those that it is not
 * the home of. */
static int spaces_to_follow(struct hark_cmd *cmd, const struct hark_ticket *ticket,
                            struct hark_config_peer *peer, struct hark_err *err)
{
    for (size_t i = 0; i < ticket->space_count; i++) {
        struct hark_space *space = NULL;
        bool known = false;
        int rc = hark_node_space(cmd->node, &ticket->spaces[i], &space, err);

        if (rc < 0 && rc != HARK_E_NOT_FOUND)
            return rc;
        for (size_t j = 0; j < peer->space_count; j++)
            known = known || hark_hash_equal(&peer->spaces[j], &ticket->spaces[i]);
        if (known || (rc == 0 && hark_node_is_home(cmd->node, space)))
            continue;
        if (peer->space_count == HARK_TICKET_SPACES_MAX)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u spaces to follow from %s",
                                HARK_TICKET_SPACES_MAX, peer->name);
        peer->spaces[peer->space_count++] = ticket->spaces[i];
    }
    return 0;
}

/* The peer of a ticket, as it is to stand in the configuration. A ticket anew
 * brings its addresses and further spaces. */
static int make_peer(struct hark_cmd *cmd, const struct hark_ticket *ticket,
                     struct hark_config_peer *peer, bool *exists, struct hark_err *err)
{
    const struct hark_ticket_node *node = &ticket->nodes[0];
    const struct hark_config_peer *old = find_peer(cmd->node->config, node->name);

    *exists = old != NULL;
    memset(peer, 0, sizeof(*peer));
    if (hark_key_equal(&node->keys.log, hark_signer_key(cmd->node->identity.log)))
        return hark_err_set(err, HARK_E_USAGE, "this is this node's own ticket");
    if (old != NULL && (!hark_key_equal(&old->log, &node->keys.log) ||
                        !hark_key_equal(&old->curve, &node->keys.curve)))
        return hark_err_set(err, HARK_E_EXISTS, "another partner goes by the name %s", node->name);
    if (strcmp(node->name, cmd->node->config->name) == 0)
        return hark_err_set(err, HARK_E_EXISTS, "this node itself goes by the name %s", node->name);
    if (old != NULL)
        *peer = *old;
    memcpy(peer->name, node->name, sizeof(peer->name));
    peer->log = node->keys.log;
    peer->curve = node->keys.curve;
    if (node->address_count > 0)
        memcpy(peer->address, node->addresses[0], sizeof(peer->address));
    return spaces_to_follow(cmd, ticket, peer, err);
}

static int put_peer(struct hark_cmd *cmd, const struct hark_config_peer *peer, struct hark_err *err)
{
    struct hark_config *config = cmd->node->config;
    struct hark_config_peer *peers = copy_peers(config, 1);
    size_t at = 0;

    if (peers == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a partner");
    while (at < config->peer_count && strcmp(peers[at].name, peer->name) != 0)
        at++;
    if (at == HARK_CONFIG_PEERS_MAX) {
        free(peers);
        return hark_err_set(err, HARK_E_LIMIT, "more than %u partners", HARK_CONFIG_PEERS_MAX);
    }
    peers[at] = *peer;
    return save_peers(cmd->node, peers,
                      at < config->peer_count ? config->peer_count : config->peer_count + 1, err);
}

/* --- being named in a space ------------------------------------------------------ */

/* Does this node write the space's log and hold its steward's key? */
static int can_name(struct hark_cmd *cmd, struct hark_space *space, bool *can, struct hark_err *err)
{
    struct hark_author steward = {0};
    int rc = hark_node_steward(cmd->node, hark_space_id(space), &steward, err);

    hark_author_free(&steward);
    *can = rc == 0 && hark_node_is_home(cmd->node, space);
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

/* The space in which a new partner is to be named: that of -s, which must be one
 * that can; else the only one here if it can. A ticket that offers spaces of its
 * own is about those: its node is named in ours only when -s says so. */
static int space_to_name_in(struct hark_cmd *cmd, const struct hark_config_peer *peer,
                            struct hark_space **out, struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0;
    bool can = false;
    int rc;

    *out = NULL;
    if (cmd->globals.space != NULL) {
        rc = hark_cmd_space(cmd, out, err);
        if (rc == 0)
            rc = hark_cmd_home(cmd, *out, err);
        if (rc == 0)
            rc = can_name(cmd, *out, &can, err);
        if (rc == 0 && !can)
            rc = hark_err_set(err, HARK_E_NOT_FOUND, "this node does not hold the steward's key");
        return rc;
    }
    rc = hark_node_spaces(cmd->node, &ids, &count, err);
    if (rc == 0 && count == 1 && peer->space_count == 0) {
        rc = hark_node_space(cmd->node, &ids[0], out, err);
        if (rc == 0)
            rc = can_name(cmd, *out, &can, err);
    }
    free(ids);
    if (!can)
        *out = NULL;
    return rc;
}

static json_t *node_fields(const struct hark_ticket_node *node)
{
    const struct hark_node_keys *keys = &node->keys;

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "action", "add", "name", node->name,
                     "log", hark_out_hex(keys->log.bytes, HARK_KEY_SIZE), "cosigner",
                     hark_out_hex(keys->cosigner.bytes, HARK_KEY_SIZE), "author",
                     hark_out_hex(keys->author.bytes, HARK_KEY_SIZE), "curve",
                     hark_out_hex(keys->curve.bytes, HARK_KEY_SIZE), "box",
                     hark_out_hex(keys->box.bytes, HARK_KEY_SIZE));
}

static int steward_node_entry(struct hark_cmd *cmd, struct hark_space *space, json_t *fields,
                              struct hark_logged *logged, struct hark_err *err)
{
    struct hark_person person = {0};
    int rc = hark_cmd_as(cmd, space, true, &person, err);

    if (rc == 0)
        rc = hark_cmd_steward(cmd, space, &person.author, "node", "node", fields, logged, err);
    else
        json_decref(fields);
    hark_author_free(&person.author);
    return rc;
}

static int name_in_space(struct hark_cmd *cmd, struct hark_space *space,
                         const struct hark_ticket_node *node, bool *newly,
                         struct hark_logged *logged, struct hark_err *err)
{
    struct hark_node_object named;
    int rc = hark_cmd_named_node(space, &node->keys.log, &named, err);

    *newly = rc == HARK_E_NOT_FOUND;
    if (!*newly)
        return rc;
    return steward_node_entry(cmd, space, node_fields(node), logged, err);
}

/* --- add --------------------------------------------------------------------------- */

static int print_added(struct hark_cmd *cmd, const struct hark_config_peer *peer,
                       struct hark_space *space, bool newly, const struct hark_logged *logged,
                       struct hark_err *err)
{
    json_t *follows = json_array();
    char id[HARK_HEX_SIZE];

    for (size_t i = 0; i < peer->space_count; i++) {
        if (json_array_append_new(follows, hark_out_hex(peer->spaces[i].bytes, HARK_HASH_SIZE)) !=
            0) {
            json_decref(follows);
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
        }
    }
    if (cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack(
                "{s:s, s:s, s:o, s:o, s:o, s:o}", "format", "hark/partner/1", "name", peer->name,
                "key", hark_out_hex(peer->log.bytes, HARK_KEY_SIZE), "follows", follows, "named_in",
                space != NULL ? hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE)
                              : json_null(),
                "entry", newly ? hark_out_hex(logged->id.bytes, HARK_HASH_SIZE) : json_null()),
            err);
    json_decref(follows);
    if (cmd->globals.quiet)
        return 0;
    (void)fprintf(cmd->out, "partner %s\n", peer->name);
    for (size_t i = 0; i < peer->space_count; i++) {
        hark_hash_hex(id, &peer->spaces[i]);
        (void)fprintf(cmd->out, "  this node follows space %.12s there\n", id);
    }
    if (space != NULL) {
        hark_hash_hex(id, hark_space_id(space));
        (void)fprintf(cmd->out, "  it is named in space %.12s and may copy it\n", id);
    }
    return 0;
}

static int partner_add(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_ticket *ticket = calloc(1, sizeof(*ticket));
    struct hark_config_peer peer;
    struct hark_space *space = NULL;
    struct hark_logged logged;
    bool newly = false, exists = false;
    int rc;

    if (ticket == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a ticket");
    rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);
    if (rc == 0)
        rc = hark_ticket_decode(ticket, hark_span_str(cmd->argv[1]), HARK_TICKET_NODE, err);
    if (rc == 0)
        rc = make_peer(cmd, ticket, &peer, &exists, err);
    if (rc == 0)
        rc = space_to_name_in(cmd, &peer, &space, err);
    /* The log first: what is refused there shall not stand in the file. */
    if (rc == 0 && space != NULL)
        rc = name_in_space(cmd, space, &ticket->nodes[0], &newly, &logged, err);
    if (rc == 0)
        rc = put_peer(cmd, &peer, err);
    if (rc == 0) {
        cmd->changed = true;
        rc = print_added(cmd, &peer, space, newly, &logged, err);
    }
    free(ticket);
    return rc;
}

/* --- rm ---------------------------------------------------------------------------- */

/* Ends it in one space, if it is named there and we can. */
static int end_in_space(struct hark_cmd *cmd, struct hark_space *space, const struct hark_key *log,
                        size_t *ended, struct hark_err *err)
{
    struct hark_node_object named;
    struct hark_logged logged;
    bool can = false;
    int rc = can_name(cmd, space, &can, err);

    if (rc == 0 && can)
        rc = hark_cmd_named_node(space, log, &named, err);
    if (rc == HARK_E_NOT_FOUND || (rc == 0 && !can))
        return 0;
    if (rc == 0)
        rc = steward_node_entry(cmd, space,
                                json_pack("{s:s, s:s}", "action", "remove", "name", named.name),
                                &logged, err);
    if (rc == 0)
        (*ended)++;
    return rc;
}

static int end_everywhere(struct hark_cmd *cmd, const struct hark_key *log, size_t *ended,
                          struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_node_spaces(cmd->node, &ids, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        if (rc == 0)
            rc = end_in_space(cmd, space, log, ended, err);
    }
    free(ids);
    return rc;
}

static int drop_peer(struct hark_cmd *cmd, const char *name, struct hark_err *err)
{
    struct hark_config *config = cmd->node->config;
    struct hark_config_peer *peers = copy_peers(config, 0);
    size_t kept = 0;

    if (peers == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for partners");
    for (size_t i = 0; i < config->peer_count; i++) {
        if (strcmp(peers[i].name, name) != 0)
            peers[kept++] = peers[i];
    }
    return save_peers(cmd->node, peers, kept, err);
}

static int partner_rm(struct hark_cmd *cmd, struct hark_err *err)
{
    const struct hark_config_peer *peer = NULL;
    struct hark_space *space = NULL;
    struct hark_key log;
    char name[HARK_NODE_NAME_MAX + 1];
    size_t ended = 0;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc < 0)
        return rc;
    peer = find_peer(cmd->node->config, cmd->argv[1]);
    if (peer == NULL)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no partner %.64s", cmd->argv[1]);
    log = peer->log;
    memcpy(name, peer->name, sizeof(name));
    if (cmd->globals.space != NULL) {
        rc = hark_cmd_space(cmd, &space, err);
        if (rc == 0)
            rc = end_in_space(cmd, space, &log, &ended, err);
    } else {
        rc = end_everywhere(cmd, &log, &ended, err);
        if (rc == 0)
            rc = drop_peer(cmd, name, err);
    }
    if (rc < 0)
        return rc;
    cmd->changed = true;
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:I}", "format", "hark/partner-removed/1",
                                         "name", name, "spaces", (json_int_t)ended),
                               err);
    if (!cmd->globals.quiet)
        (void)fprintf(cmd->out,
                      "%s gets nothing new from this node. It keeps what it has: the copies that\n"
                      "were made while it was a partner cannot be taken back, and what is erased\n"
                      "from now on is not erased there by us.\n",
                      name);
    return 0;
}

/* --- pause --------------------------------------------------------------------------- */

static int partner_pause(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *resume = NULL;
    const struct hark_option options[] = {{.name = "resume", .flag = true, .value = &resume}};
    struct hark_config_peer *found, peer;
    int rc = hark_cmd_options(cmd, options, 1, 1, 1, err);

    if (rc < 0)
        return rc;
    found = find_peer(cmd->node->config, cmd->argv[1]);
    if (found == NULL)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no partner %.64s", cmd->argv[1]);
    peer = *found;
    peer.paused = resume == NULL;
    rc = put_peer(cmd, &peer, err);
    if (rc < 0)
        return rc;
    cmd->changed = true;
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:b}", "format", "hark/partner/1", "name",
                                         peer.name, "paused", peer.paused),
                               err);
    if (!cmd->globals.quiet)
        (void)fprintf(cmd->out, "%s is %s\n", peer.name, peer.paused ? "paused" : "resumed");
    return 0;
}

/* --- ls ------------------------------------------------------------------------------ */

/* Spaces here in which this log key is named now. */
static int named_in_json(struct hark_cmd *cmd, const struct hark_key *log, json_t *list,
                         struct hark_err *err)
{
    struct hark_node_object named;
    struct hark_space *space = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_node_spaces(cmd->node, &ids, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        if (rc == 0)
            rc = hark_cmd_named_node(space, log, &named, err);
        if (rc == 0 && json_array_append_new(list, hark_out_hex(ids[i].bytes, HARK_HASH_SIZE)) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
        if (rc == HARK_E_NOT_FOUND)
            rc = 0;
    }
    free(ids);
    return rc;
}

static int show_peer(struct hark_cmd *cmd, const struct hark_config_peer *peer,
                     struct hark_err *err)
{
    json_t *named = json_array(), *follows = json_array();
    char key[HARK_HEX_SIZE];
    int rc = named_in_json(cmd, &peer->log, named, err);

    for (size_t i = 0; i < peer->space_count && rc == 0; i++) {
        if (json_array_append_new(follows, hark_out_hex(peer->spaces[i].bytes, HARK_HASH_SIZE)) !=
            0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    if (rc == 0 && cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:o}", "format", "hark/partner/1", "name",
                      peer->name, "key", hark_out_hex(peer->log.bytes, HARK_KEY_SIZE), "address",
                      peer->address[0] != '\0' ? json_string(peer->address) : json_null(), "paused",
                      peer->paused, "follows", follows, "named_in", named),
            err);
    if (rc == 0) {
        hark_key_hex(key, &peer->log);
        (void)fprintf(cmd->out, "%-16s  %.12s  %s%s  follows %zu, named in %zu\n", peer->name, key,
                      peer->address[0] != '\0' ? peer->address : "(no address)",
                      peer->paused ? "  paused" : "", peer->space_count, json_array_size(named));
    }
    json_decref(named);
    json_decref(follows);
    return rc;
}

static int partner_ls(struct hark_cmd *cmd, struct hark_err *err)
{
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    for (size_t i = 0; i < cmd->node->config->peer_count && rc == 0; i++)
        rc = show_peer(cmd, &cmd->node->config->peers[i], err);
    return rc;
}

int hark_cmd_partner(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {
        {"ls", partner_ls}, {"add", partner_add}, {"rm", partner_rm}, {"pause", partner_pause}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), NULL, err);
}
