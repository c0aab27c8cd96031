/*
 * hark partner: the nodes that hold copies. A partner has two sides: hark.yaml
 * says whom this node speaks to and what it follows there; a space's log says,
 * by the steward, who is named in it and may have it.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/office.h"

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

/* What -s says in `add`: NULL, or the id of a space here or in the ticket. */
struct choice {
    bool any;
    struct hark_hash id;
    struct hark_space *space; /* when it is here */
    bool home;
};

static int read_choice(struct hark_cmd *cmd, const struct hark_ticket *ticket,
                       struct choice *choice, struct hark_err *err)
{
    const char *name = cmd->globals.space;
    char hex[HARK_HEX_SIZE];
    int rc;

    memset(choice, 0, sizeof(*choice));
    if (name == NULL)
        return 0;
    choice->any = true;
    rc = hark_cmd_space(cmd, &choice->space, err);
    if (rc == 0) {
        choice->id = *hark_space_id(choice->space);
        choice->home = hark_node_is_home(cmd->node, choice->space);
        return 0;
    }
    for (size_t i = 0; rc == HARK_E_NOT_FOUND && i < ticket->space_count; i++) {
        hark_hash_hex(hex, &ticket->spaces[i]);
        if (strncmp(hex, name, strlen(name)) == 0) {
            choice->id = ticket->spaces[i];
            return 0;
        }
    }
    return rc;
}

static int follow_there(struct hark_config_peer *peer, const struct hark_hash *space,
                        struct hark_err *err)
{
    for (size_t i = 0; i < peer->space_count; i++) {
        if (hark_hash_equal(&peer->spaces[i], space))
            return 0;
    }
    if (peer->space_count == HARK_TICKET_SPACES_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "more than %u spaces to follow from %s",
                            HARK_TICKET_SPACES_MAX, peer->name);
    peer->spaces[peer->space_count++] = *space;
    return 0;
}

/* What this node is to follow there: the one that -s names, unless it is the home of
 * it; else the ticket's spaces, but those that it is the home of. */
static int spaces_to_follow(struct hark_cmd *cmd, const struct hark_ticket *ticket,
                            const struct choice *choice, struct hark_config_peer *peer,
                            struct hark_err *err)
{
    int rc = 0;

    if (choice->any)
        return choice->home ? 0 : follow_there(peer, &choice->id, err);
    for (size_t i = 0; i < ticket->space_count && rc == 0; i++) {
        struct hark_space *space = NULL;

        rc = hark_node_space(cmd->node, &ticket->spaces[i], &space, err);
        if (rc == 0 && hark_node_is_home(cmd->node, space))
            continue;
        if (rc == 0 || rc == HARK_E_NOT_FOUND)
            rc = follow_there(peer, &ticket->spaces[i], err);
    }
    return rc;
}

/* The peer of a ticket, as it is to stand in the configuration. A ticket anew
 * brings its addresses and further spaces. */
static int make_peer(struct hark_cmd *cmd, const struct hark_ticket *ticket,
                     const struct choice *choice, struct hark_config_peer *peer,
                     struct hark_err *err)
{
    const struct hark_ticket_node *node = &ticket->nodes[0];
    const struct hark_config_peer *old = find_peer(cmd->node->config, node->name);

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
    return spaces_to_follow(cmd, ticket, choice, peer, err);
}

int hark_cmd_put_peer(struct hark_cmd *cmd, const struct hark_config_peer *peer,
                      struct hark_err *err)
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
    int rc = hark_steward_held(cmd->node, space, &steward, err);

    hark_author_free(&steward);
    *can = rc == 0 && hark_node_is_home(cmd->node, space);
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

/* The space in which a new partner is to be named: that of -s when this is its home;
 * else the only one here if it can. A ticket that offers spaces of its own is about
 * those: its node is named in ours only when -s says so. */
static int space_to_name_in(struct hark_cmd *cmd, const struct choice *choice,
                            const struct hark_config_peer *peer, struct hark_space **out,
                            struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0;
    bool can = false;
    int rc;

    *out = NULL;
    if (choice->any && !choice->home)
        return 0;
    if (choice->any) {
        *out = choice->space;
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
    int rc = hark_state_node_with(hark_space_state(space), &node->keys.log, &named, err);

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
    struct choice choice;
    struct hark_space *space = NULL;
    struct hark_logged logged;
    bool newly = false;
    int rc;

    if (ticket == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a ticket");
    rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);
    if (rc == 0)
        rc = hark_ticket_decode(ticket, hark_span_str(cmd->argv[1]), HARK_TICKET_NODE, err);
    if (rc == 0)
        rc = read_choice(cmd, ticket, &choice, err);
    if (rc == 0)
        rc = make_peer(cmd, ticket, &choice, &peer, err);
    if (rc == 0)
        rc = space_to_name_in(cmd, &choice, &peer, &space, err);
    /* The log first: what is refused there shall not stand in the file. */
    if (rc == 0 && space != NULL)
        rc = name_in_space(cmd, space, &ticket->nodes[0], &newly, &logged, err);
    if (rc == 0)
        rc = hark_cmd_put_peer(cmd, &peer, err);
    if (rc == 0) {
        cmd->changed = true;
        rc = print_added(cmd, &peer, space, newly, &logged, err);
    }
    free(ticket);
    return rc;
}

int hark_cmd_follow_ticket(struct hark_cmd *cmd, const char *text, struct hark_err *err)
{
    struct hark_ticket *ticket = calloc(1, sizeof(*ticket));
    struct choice choice = {.any = false};
    struct hark_config_peer peer;
    int rc = ticket == NULL
                 ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a ticket")
                 : hark_ticket_decode(ticket, hark_span_str(text), HARK_TICKET_NODE, err);

    if (rc == 0)
        rc = make_peer(cmd, ticket, &choice, &peer, err);
    if (rc == 0)
        rc = hark_cmd_put_peer(cmd, &peer, err);
    free(ticket);
    return rc;
}

/* --- rm ---------------------------------------------------------------------------- */

struct ending {
    struct hark_key log;
    size_t ended;
    json_t *keeps; /* [{"space","entries","named"}]: what it may have copied */
};

/* Ends it in one space, if it is named there and we can. */
static int end_in_space(struct hark_cmd *cmd, struct hark_space *space, struct ending *ending,
                        struct hark_err *err)
{
    uint64_t size = hark_space_head(space)->tree.size;
    struct hark_node_object named;
    struct hark_logged logged;
    bool can = false;
    int rc = hark_state_node_with(hark_space_state(space), &ending->log, &named, err);

    if (rc == 0)
        rc = can_name(cmd, space, &can, err);
    if (rc == HARK_E_NOT_FOUND)
        return 0;
    if (rc == 0 && can)
        rc = steward_node_entry(cmd, space,
                                json_pack("{s:s, s:s}", "action", "remove", "name", named.name),
                                &logged, err);
    if (rc == 0 && can)
        ending->ended++;
    if (rc == 0 &&
        json_array_append_new(ending->keeps,
                              json_pack("{s:o, s:I, s:b}", "space",
                                        hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE),
                                        "entries", (json_int_t)size, "named", !can)) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    return rc;
}

static int end_everywhere(struct hark_cmd *cmd, struct ending *ending, struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_node_spaces(cmd->node, &ids, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        if (rc == 0)
            rc = end_in_space(cmd, space, ending, err);
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

static void say_kept(FILE *out, const json_t *kept)
{
    const char *space = json_string_value(json_object_get(kept, "space"));
    json_int_t entries = json_integer_value(json_object_get(kept, "entries"));

    (void)fprintf(out, "  space %.12s: %lld entries, with the words in them that are not erased\n",
                  space, (long long)entries);
    if (json_is_true(json_object_get(kept, "named")))
        (void)fprintf(out, "  it is still named in that space, and gets more of it: its steward "
                           "ends that, at its home\n");
}

static int print_removed(struct hark_cmd *cmd, const char *name, bool one_space,
                         struct ending *ending, struct hark_err *err)
{
    json_t *keeps = ending->keeps, *kept;
    bool still = false;
    size_t i;

    ending->keeps = NULL;
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:I, s:o}", "format", "hark/partner-removed/1",
                                         "name", name, "spaces", (json_int_t)ending->ended, "keeps",
                                         keeps),
                               err);
    if (!cmd->globals.quiet) {
        (void)fprintf(cmd->out, "%s keeps what it has copied%s\n", name,
                      json_array_size(keeps) > 0 ? ":" : "; of the spaces here that is nothing");
        json_array_foreach(keeps, i, kept)
        {
            say_kept(cmd->out, kept);
            still = still || json_is_true(json_object_get(kept, "named"));
        }
        (void)fprintf(
            cmd->out,
            "%s it gets nothing new here%s. What it has cannot be taken back, and what is\n"
            "erased from now on is not erased there by us.\n",
            still ? "Else" : "From now on", one_space ? " of that space" : "");
    }
    json_decref(keeps);
    return 0;
}

static int partner_rm(struct hark_cmd *cmd, struct hark_err *err)
{
    const struct hark_config_peer *peer = NULL;
    struct hark_space *space = NULL;
    struct ending ending = {.ended = 0};
    char name[HARK_NODE_NAME_MAX + 1];
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc < 0)
        return rc;
    peer = find_peer(cmd->node->config, cmd->argv[1]);
    if (peer == NULL)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no partner %.64s", cmd->argv[1]);
    ending.log = peer->log;
    memcpy(name, peer->name, sizeof(name));
    ending.keeps = json_array();
    if (ending.keeps == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    if (cmd->globals.space != NULL) {
        rc = hark_cmd_space(cmd, &space, err);
        if (rc == 0)
            rc = end_in_space(cmd, space, &ending, err);
    } else {
        rc = end_everywhere(cmd, &ending, err);
        if (rc == 0)
            rc = drop_peer(cmd, name, err);
    }
    if (rc == 0) {
        cmd->changed = true;
        rc = print_removed(cmd, name, cmd->globals.space != NULL, &ending, err);
    }
    json_decref(ending.keeps);
    return rc;
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
    rc = hark_cmd_put_peer(cmd, &peer, err);
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
            rc = hark_state_node_with(hark_space_state(space), log, &named, err);
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
            json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "format", "hark/partner/1",
                      "name", peer->name, "key", hark_out_hex(peer->log.bytes, HARK_KEY_SIZE),
                      "address",
                      peer->address[0] != '\0' ? json_string(peer->address) : json_null(), "paused",
                      peer->paused, "follows", follows, "named_in", named, "as",
                      peer->as[0] != '\0' ? json_string(peer->as) : json_null()),
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
