/*
 * hark recover: a node that lost its disk gets its spaces back from other nodes, byte
 * for byte, before it signs anything; one that was the home then goes on as the next
 * incarnation. PROTOCOL.md 7.6.
 */
#include <string.h>
#include <unistd.h>

#include "node/cmd_internal.h"
#include "node/files.h"
#include "node/home.h"
#include "node/keys_backup.h"
#include "node/office.h"

#define RECOVER_DEFAULT_S 120u
#define TICKETS_MAX       8

struct recover {
    const char *keys, *listen, *timeout, *passphrase;
    uint64_t patience_ms;
    struct hark_node *node;
    json_t *list;
};

/* --- the directory ----------------------------------------------------------------- */

/* A new one around the keys that were kept. Its name is learnt from the space. */
static int make_directory(struct hark_cmd *cmd, const struct recover *r, struct hark_err *err)
{
    struct hark_config config = {.accept_per_minute = HARK_ACCEPT_PER_MINUTE, .name = "recovering"};
    char keys[HARK_PATH_MAX], secret[HARK_PATH_MAX];
    int rc = hark_cmd_path(cmd, r->keys, keys, err);

    if (rc == 0)
        rc = hark_keys_look(keys, err);
    if (rc == 0 && r->listen != NULL && strlen(r->listen) > HARK_ADDRESS_MAX)
        rc = hark_err_set(err, HARK_E_USAGE, "--listen is too long");
    if (rc == 0 && r->listen != NULL)
        (void)snprintf(config.listen, sizeof(config.listen), "%s", r->listen);
    if (rc == 0 && r->passphrase != NULL) {
        rc = hark_cmd_path(cmd, r->passphrase, secret, err);
        if (rc == 0)
            (void)snprintf(config.passphrase_file, sizeof(config.passphrase_file), "%s", secret);
    }
    if (rc == 0)
        rc = hark_node_make(cmd->globals.dir, &config, (struct hark_span){0}, err);
    if (rc == 0)
        rc = hark_keys_restore(cmd->globals.dir, keys, err);
    return rc < 0 ? rc : hark_node_finish(cmd->globals.dir, err);
}

static int open_node(struct hark_cmd *cmd, struct recover *r, struct hark_err *err)
{
    char version[HARK_PATH_MAX];
    bool there;
    int rc = hark_path_join(version, cmd->globals.dir, "version", err);

    if (rc < 0)
        return rc;
    there = access(version, F_OK) == 0;
    if (!there && r->keys == NULL)
        return hark_err_set(err, HARK_E_USAGE,
                            "%s is no node's directory; --keys DIR names what `hark key backup` "
                            "wrote, to make one anew",
                            cmd->globals.dir);
    if (there && r->keys != NULL)
        return hark_err_set(err, HARK_E_EXISTS, "%s is a node's directory and has keys",
                            cmd->globals.dir);
    if (!there)
        rc = make_directory(cmd, r, err);
    return rc < 0 ? rc : hark_node_open(&r->node, cmd->globals.dir, true, err);
}

/* --- each space ---------------------------------------------------------------------- */

static int print_space(struct hark_cmd *cmd, struct recover *r, struct hark_space *space,
                       const struct hark_log_head *got, const struct hark_hash *home,
                       struct hark_err *err)
{
    char id[HARK_HEX_SIZE], commit[2 * HARK_GIT_ID_SIZE + 1], root_hex[HARK_HEX_SIZE];
    struct hark_hash root = hark_merkle_root(&got->tree);

    hark_hash_hex(id, hark_space_id(space));
    hark_hash_hex(root_hex, &root);
    hark_hex_encode(commit, got->batch_id.bytes, HARK_GIT_ID_SIZE);
    if (cmd->globals.json) {
        json_t *item =
            json_pack("{s:s, s:I, s:s, s:s, s:o, s:s}", "space", id, "size",
                      (json_int_t)got->tree.size, "root", root_hex, "commit", commit, "home_entry",
                      home != NULL ? hark_out_hex(home->bytes, HARK_HASH_SIZE) : json_null(),
                      "origin", hark_space_head(space)->origin);

        return json_array_append_new(r->list, item) == 0
                   ? 0
                   : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    (void)fprintf(cmd->out, "space %.12s: %llu entries are back, commit %s\n", id,
                  (unsigned long long)got->tree.size, commit);
    if (home != NULL)
        (void)fprintf(cmd->out, "  this node goes on as %s\n", hark_space_head(space)->origin);
    return 0;
}

static int recover_space(struct hark_cmd *cmd, struct recover *r, const struct hark_hash *id,
                         struct hark_err *err)
{
    struct hark_node_object named;
    struct hark_space *space = NULL;
    struct hark_log_head got;
    struct hark_hash home;
    bool steward = false, here = false, is_home;
    int rc = hark_node_space(r->node, id, &space, err);

    if (rc < 0)
        return rc;
    got = *hark_space_head(space);
    rc = hark_steward_regain(r->node, space, &steward, err);
    if (rc == HARK_E_NOT_FOUND || rc == 0)
        rc = hark_node_named(r->node, space, &named, err);
    if (rc == HARK_E_NOT_FOUND) /* a member's node */
        return print_space(cmd, r, space, &got, NULL, err);
    if (rc == 0)
        (void)snprintf(r->node->config->name, sizeof(r->node->config->name), "%s", named.name);
    is_home = rc == 0 && hark_node_is_home(r->node, space);
    if (is_home && !steward)
        rc = hark_err_set(err, HARK_E_NOT_FOUND,
                          "this node was the home, and the steward's key is not here: the steward "
                          "must say who goes on");
    else if (is_home)
        rc = hark_home_move(r->node, space, named.name, NULL, true, &home, &here, err);
    if (rc == 0)
        rc = print_space(cmd, r, space, &got, is_home ? &home : NULL, err);
    return rc < 0 ? rc : hark_space_tend(space, err);
}

static int fetch(struct hark_cmd *cmd, struct recover *r, struct hark_err *err)
{
    struct hark_net *net = NULL, *own = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_cmd_net(cmd, &net, &own, err);

    if (rc == 0)
        rc = hark_cmd_net_wait(cmd, net, r->patience_ms, err);
    if (rc == 0)
        rc = hark_net_update(net, r->node, NULL, err); /* what was compared may sign */
    if (rc == 0)
        rc = hark_node_spaces(r->node, &ids, &count, err);
    if (rc == 0 && count == 0)
        rc = hark_err_set(err, HARK_E_PEER_SPACE, "the nodes of the tickets gave no space");
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = recover_space(cmd, r, &ids[i], err);
    free(ids);
    hark_net_stop(own);
    return rc;
}

int hark_cmd_recover(struct hark_cmd *cmd, struct hark_err *err)
{
    struct recover r = {.list = json_array()};
    const struct hark_option options[] = {{.name = "keys", .value = &r.keys},
                                          {.name = "listen", .value = &r.listen},
                                          {.name = "passphrase-file", .value = &r.passphrase},
                                          {.name = "timeout", .value = &r.timeout}};
    uint64_t seconds = RECOVER_DEFAULT_S;
    int rc = hark_cmd_options(cmd, options, 4, 1, TICKETS_MAX, err);

    if (rc == 0 && r.timeout != NULL)
        rc = hark_cmd_number(r.timeout, 86400, "--timeout", &seconds, err);
    r.patience_ms = seconds * 1000;
    if (rc == 0)
        rc = open_node(cmd, &r, err);
    if (rc == 0)
        cmd->node = r.node;
    for (int i = 1; rc == 0 && i < cmd->argc; i++)
        rc = hark_cmd_follow_ticket(cmd, cmd->argv[i], err);
    if (rc == 0)
        rc = fetch(cmd, &r, err);
    if (rc == 0)
        rc = hark_node_save_config(r.node, err);
    if (rc == 0 && cmd->globals.json)
        rc = hark_print_json(
            cmd->out, json_pack("{s:s, s:O}", "format", "hark/recover/1", "spaces", r.list), err);
    json_decref(r.list);
    cmd->node = NULL;
    hark_node_free(r.node);
    return rc;
}
