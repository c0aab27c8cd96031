/*
 * hark repair: checks each space from its repository alone, and mends what is wrong:
 * an index is made anew, a repository is fetched anew from other nodes.
 */
#include <stdlib.h>
#include <string.h>

#include "node/aside.h"
#include "node/cmd_internal.h"

#define REPAIR_DEFAULT_S 120u

struct repair {
    struct hark_hash *ids;
    size_t count;
    bool *aside; /* of each: its repository is damaged */
    json_t *list;
    uint64_t until_ms;
};

static void say(struct hark_cmd *cmd, struct repair *r, const struct hark_hash *id,
                const char *what, const char *damage)
{
    char hex[HARK_HEX_SIZE];

    hark_hash_hex(hex, id);
    if (cmd->globals.json) {
        (void)json_array_append_new(
            r->list, json_pack("{s:s, s:s, s:o}", "space", hex, "done", what, "damage",
                               damage != NULL ? hark_out_text(damage) : json_null()));
        return;
    }
    (void)fprintf(cmd->out, "space %.12s: ", hex);
    if (damage != NULL) {
        hark_print_line(cmd->out, damage);
        (void)fputs("; ", cmd->out);
    }
    (void)fprintf(cmd->out, "%s\n", what);
}

/* Damage is told; trouble (no memory, a full disk) is an error. */
static int look(struct hark_cmd *cmd, struct repair *r, size_t i, struct hark_err *err)
{
    struct hark_err found = {0};
    struct hark_space *space = NULL;
    struct hark_verified verified;
    int rc = hark_node_space(cmd->node, &r->ids[i], &space, &found);

    if (rc == 0)
        rc = hark_space_verify(space, hark_now_ms(), &verified, &found);
    if (rc < 0 && hark_err_exit(rc) == 4) {
        if (err != NULL)
            *err = found;
        return rc;
    }
    if (rc < 0) {
        r->aside[i] = true;
        say(cmd, r, &r->ids[i], "fetching it anew", found.message);
        return 0;
    }
    rc = hark_index_check(hark_space_index(space), &found);
    if (rc == 0) {
        say(cmd, r, &r->ids[i], "nothing to mend", NULL);
        return 0;
    }
    rc = hark_space_reindex(space, err);
    if (rc == 0)
        say(cmd, r, &r->ids[i], "the index is made anew", found.message);
    return rc;
}

static size_t count_aside(struct hark_cmd *cmd, const struct repair *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->count; i++)
        n += r->aside[i] && hark_aside_is(cmd->node, &r->ids[i]);
    return n;
}

/* The network fetches what is not here, and what is back is finished on the way. */
static int fetch(struct hark_cmd *cmd, struct repair *r, struct hark_err *err)
{
    struct hark_net *own = NULL, *net = NULL;
    int rc = hark_cmd_net(cmd, &net, &own, err);

    if (rc == 0) {
        hark_net_reopen(net);
        rc = hark_net_update(net, cmd->node, NULL, err);
        hark_net_ask_now(net);
    }
    while (rc == 0 && count_aside(cmd, r) > 0 && hark_timer_ms() < r->until_ms)
        rc = hark_cmd_net_step(cmd, net, NULL, err);
    hark_net_stop(own);
    return rc;
}

static int finish(struct hark_cmd *cmd, struct repair *r, struct hark_err *err)
{
    int rc = 0, code = 0;

    for (size_t i = 0; rc == 0 && i < r->count; i++) {
        if (!r->aside[i])
            continue;
        if (!hark_aside_is(cmd->node, &r->ids[i])) {
            say(cmd, r, &r->ids[i], "fetched anew and whole", NULL);
            continue;
        }
        rc = hark_aside_back(cmd->node, &r->ids[i], err);
        say(cmd, r, &r->ids[i], "nobody who has it could be reached: left as it was", NULL);
        code = HARK_E_PEER_UNREACHABLE;
    }
    if (rc == 0 && code != 0) {
        rc = hark_err_set(err, code, "not every space could be mended");
        hark_err_hint(err, "run `hark repair` again when a partner can be reached");
    }
    return rc;
}

static int pick(struct hark_cmd *cmd, struct repair *r, struct hark_err *err)
{
    struct hark_hash only;
    int rc = hark_node_spaces(cmd->node, &r->ids, &r->count, err);

    if (rc == 0 && cmd->globals.space != NULL) {
        rc = hark_node_pick_id(cmd->node, cmd->globals.space, &only, err);
        if (rc == 0) {
            r->ids[0] = only;
            r->count = 1;
        }
    }
    r->aside = rc == 0 ? calloc(r->count + 1, sizeof(*r->aside)) : NULL;
    if (rc == 0 && r->aside == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a repair");
    return rc;
}

int hark_cmd_repair(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *timeout = NULL;
    const struct hark_option options[] = {{.name = "timeout", .value = &timeout}};
    struct repair r = {.list = json_array()};
    uint64_t seconds = REPAIR_DEFAULT_S;
    bool damaged = false;
    int rc = hark_cmd_options(cmd, options, 1, 0, 0, err);

    if (rc == 0 && timeout != NULL)
        rc = hark_cmd_number(timeout, 86400, "--timeout", &seconds, err);
    if (rc == 0)
        rc = pick(cmd, &r, err);
    r.until_ms = hark_timer_ms() + seconds * 1000;
    for (size_t i = 0; rc == 0 && i < r.count; i++)
        rc = look(cmd, &r, i, err);
    for (size_t i = 0; rc == 0 && i < r.count; i++) {
        damaged = damaged || r.aside[i];
        if (r.aside[i] && !hark_aside_is(cmd->node, &r.ids[i]))
            rc = hark_aside_put(cmd->node, &r.ids[i], true, err);
    }
    if (rc == 0 && damaged) {
        cmd->changed = true;
        rc = fetch(cmd, &r, err);
        if (rc == 0)
            rc = finish(cmd, &r, err);
    }
    if (cmd->globals.json && (rc == 0 || rc == HARK_E_PEER_UNREACHABLE)) {
        int printed = hark_print_json(
            cmd->out, json_pack("{s:s, s:O}", "format", "hark/repair/1", "spaces", r.list), err);
        rc = rc == 0 ? printed : rc;
    }
    json_decref(r.list);
    free(r.ids);
    free(r.aside);
    return rc;
}
