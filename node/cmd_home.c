/*
 * hark home: which node orders a space, and moving it to another. PROTOCOL.md 7.6.
 */
#include <string.h>

#include "node/cmd_internal.h"
#include "node/home.h"
#include "node/outbox.h"

/* --- show ------------------------------------------------------------------------ */

struct history {
    struct hark_cmd *cmd;
    struct hark_space *space;
    json_t *list; /* NULL: for people */
};

static int show_home(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct history *history = arg;
    json_t *json = NULL, *item;
    int rc;

    if (row->verdict != 0)
        return 0;
    rc = hark_space_payload_json(history->space, row, &json, err);
    if (rc < 0)
        return rc;
    if (history->list == NULL) {
        (void)fprintf(history->cmd->out, "  from position %llu: %s, incarnation %lld\n",
                      (unsigned long long)row->position,
                      json_string_value(json_object_get(json, "node")),
                      (long long)json_integer_value(json_object_get(json, "incarnation")));
    } else {
        item =
            json_pack("{s:I, s:o, s:O, s:O, s:O}", "position", (json_int_t)row->position, "id",
                      hark_out_hex(row->id.bytes, HARK_HASH_SIZE), "node",
                      json_object_get(json, "node"), "incarnation",
                      json_object_get(json, "incarnation"), "root", json_object_get(json, "root"));
        if (json_array_append_new(history->list, item) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    json_decref(json);
    return rc;
}

static int home_show(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_log_query query = {.kind = "home", .after = HARK_NONE, .re = HARK_NONE};
    struct history history = {.cmd = cmd};
    char moving[HARK_NODE_NAME_MAX + 1] = "";
    struct hark_node_object home;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &history.space, err);
    if (rc == 0)
        rc = hark_space_home(history.space, &home, err);
    if (rc == 0)
        rc = hark_space_moving(history.space, moving, err);
    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        history.list = json_array();
    else
        (void)fprintf(cmd->out, "home %s, log %s%s%s\n", home.name,
                      hark_space_head(history.space)->origin,
                      moving[0] != '\0' ? ", moving to " : "", moving);
    rc = hark_index_log(hark_space_index(history.space), &query, show_home, &history, err);
    if (!cmd->globals.json)
        return rc;
    if (rc < 0) {
        json_decref(history.list);
        return rc;
    }
    return hark_print_json(
        cmd->out,
        json_pack("{s:s, s:o, s:{s:s, s:o}, s:s, s:s?, s:o}", "format", "hark/home/1", "space",
                  hark_out_hex(hark_space_id(history.space)->bytes, HARK_HASH_SIZE), "home", "name",
                  home.name, "log", hark_out_hex(home.keys.log.bytes, HARK_KEY_SIZE), "origin",
                  hark_space_head(history.space)->origin, "moving_to",
                  moving[0] != '\0' ? moving : NULL, "history", history.list),
        err);
}

/* --- move ------------------------------------------------------------------------ */

static int print_move(struct hark_cmd *cmd, struct hark_space *space, const char *name,
                      const struct hark_hash *id, bool here, struct hark_err *err)
{
    char hex[HARK_HEX_SIZE];

    hark_hash_hex(hex, id);
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:o, s:s, s:s, s:b}", "format", "hark/home-move/1",
                                         "space",
                                         hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE),
                                         "to", name, "id", hex, "done", here),
                               err);
    if (here)
        (void)fprintf(cmd->out, "this node, %s, is the home from now on\n", name);
    else
        (void)fprintf(cmd->out,
                      "home %.12s in flight: this node signs nothing more in this space;\n"
                      "%s goes on as soon as it has heard of it\n",
                      hex, name);
    return 0;
}

/* The latest of a member's keys in force. */
static int find_key(struct hark_space *space, const char *who, struct hark_key *out,
                    struct hark_err *err)
{
    struct hark_key_object key;
    uint64_t count = 0;
    uint32_t member = 0;
    bool found = false;
    int rc = hark_cmd_member(space, who, &member, err);

    if (rc == 0)
        rc = hark_cmd_section_count(space, HARK_SECTION_KEY, &count, err);
    for (uint64_t i = count; i > 0 && rc == 0 && !found; i--) {
        rc = hark_state_key(hark_space_state(space), (uint32_t)(i - 1), &key, err);
        found = rc == 0 && key.of == HARK_KEY_OF_MEMBER && key.owner == member &&
                key.until == HARK_NONE;
    }
    if (rc == 0 && !found)
        return hark_err_set(err, HARK_E_NOT_FOUND, "%s has no key in force", who);
    *out = key.key;
    return rc;
}

static int home_move(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *lost = NULL, *holder = NULL;
    const struct hark_option options[] = {{.name = "lost", .flag = true, .value = &lost},
                                          {.name = "holder", .value = &holder}};
    struct hark_key key = {{0}};
    struct hark_space *space = NULL;
    struct hark_hash id;
    bool here = false;
    int rc = hark_cmd_options(cmd, options, 2, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0 && holder != NULL)
        rc = find_key(space, holder, &key, err);
    if (rc == 0)
        rc = hark_home_move(cmd->node, space, cmd->argv[1], holder != NULL ? &key : NULL,
                            lost != NULL, &id, &here, err);
    if (rc < 0)
        return rc;
    cmd->changed = true;
    return print_move(cmd, space, cmd->argv[1], &id, here, err);
}

int hark_cmd_home_verb(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {{"show", home_show}, {"move", home_move}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), home_show, err);
}
