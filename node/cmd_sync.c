/*
 * hark sync: brings the spaces that this node follows up to what its peers have.
 * With a daemon it asks the daemon's network and waits; without one it runs a
 * network of its own for as long as it takes.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "node/cmd_internal.h"

#define AWAY_MS         3000u /* a peer that does not answer by then is away */
#define SYNC_STEP_MS    50
#define SYNC_DEFAULT_MS 30000u
#define ROUNDS_MAX      4u

int hark_cmd_net(struct hark_cmd *cmd, struct hark_net **net, struct hark_net **own,
                 struct hark_err *err)
{
    char bound[HARK_ADDRESS_MAX + 1];
    int rc = cmd->net != NULL ? 0 : hark_net_start(own, cmd->node, false, bound, err);

    *net = cmd->net != NULL ? cmd->net : *own;
    return rc;
}

/* In a daemon the daemon's own loop is suspended while a verb runs, so this is the
 * same in both. */
int hark_cmd_net_step(struct hark_cmd *cmd, struct hark_net *net, bool *progress,
                      struct hark_err *err)
{
    struct pollfd fd = {.fd = hark_net_fd(net), .events = POLLIN};
    struct hark_net_event event;
    bool any = false;
    int rc = 0;

    if (poll(&fd, 1, SYNC_STEP_MS) < 0 && errno != EINTR)
        return hark_err_errno(err, errno, "poll");
    if (progress != NULL)
        *progress = false;
    while (rc == 0 && hark_net_next(net, &event)) {
        any = true;
        if (progress != NULL)
            *progress = *progress || event.type == HARK_NET_APPEND;
        /* What was taken in stands in a log there now. */
        if (event.type == HARK_NET_ACCEPTED)
            hark_net_ask_now(net);
        rc = hark_net_handle(net, cmd->node, &event, err);
    }
    if (rc == 0 && any)
        rc = hark_net_update(net, cmd->node, NULL, err);
    return rc == 0 && any ? hark_net_witness(net, cmd->node, NULL, err) : rc;
}

/* Who cannot be reached is waited for a moment, and for good when nobody can be. */
static bool is_done(const struct hark_net_progress *at, uint64_t since_ms)
{
    bool waited = at->level > 0 && hark_timer_ms() >= since_ms + AWAY_MS;

    return at->unsent == 0 && !at->proving && !at->planning &&
           at->level + at->failed + (waited ? at->away : 0) >= at->followed;
}

/* What was put back signs nothing before it has heard whom it can reach (PROTOCOL.md 7.6). */
static bool is_compared(struct hark_cmd *cmd, struct hark_net *net)
{
    return !cmd->node->moved || hark_net_compared(net, cmd->node) || !hark_net_waits(net);
}

int hark_cmd_net_wait(struct hark_cmd *cmd, struct hark_net *net, uint64_t patience_ms,
                      struct hark_err *err)
{
    uint64_t until_ms = hark_timer_ms() + patience_ms;
    uint64_t since_ms = hark_timer_ms();
    struct hark_net_progress at;
    unsigned rounds = 0;
    bool came = false;

    hark_net_ask_now(net);
    for (;;) {
        bool progress = false;
        int rc = hark_cmd_net_step(cmd, net, &progress, err);

        if (rc < 0)
            return rc;
        if (progress)
            until_ms = hark_timer_ms() + patience_ms;
        came = came || progress;
        hark_net_progress(net, &at);
        if (is_done(&at, since_ms) && is_compared(cmd, net)) {
            /* What came may name further logs to ask for. A peer whose batches are
             * refused brings something each time, and nothing comes of it. */
            if (!came || ++rounds > ROUNDS_MAX)
                return hark_net_update(net, cmd->node, NULL, err);
            came = false;
            hark_net_ask_now(net);
        }
        if (hark_timer_ms() >= until_ms)
            return hark_err_set(err, HARK_E_PEER_UNREACHABLE,
                                "%zu of %zu logs did not come up to date in time, and %zu spaces "
                                "have entries that nobody took",
                                at.followed - at.level, at.followed, at.unsent);
    }
}

static json_t *report_json(const struct hark_net_peer *peer, const struct hark_sync_report *report)
{
    char space[65], key[65];

    hark_hash_hex(space, &report->log.space);
    hark_key_hex(key, &peer->curve);
    return json_pack("{s:s, s:s, s:I, s:I, s:b, s:o}", "peer", key, "space", space, "ours",
                     (json_int_t)report->ours.size, "theirs", (json_int_t)report->theirs.size,
                     "equal", report->equal, "error",
                     report->code != 0 ? json_string(hark_err_name(report->code)) : json_null());
}

/* A partner that was named a moment ago has nothing of our own space yet, nor knows that
 * it may tell us so. */
static bool is_early(struct hark_cmd *cmd, const struct hark_sync_report *report)
{
    struct hark_space *space = NULL;

    return report->code == HARK_E_PEER_SPACE &&
           hark_node_space(cmd->node, &report->log.space, &space, NULL) == 0 &&
           hark_node_is_home(cmd->node, space);
}

static void say_away(struct hark_cmd *cmd, const struct hark_net_peer *peer)
{
    const struct hark_config *config = cmd->node->config;

    for (size_t i = 0; i < config->peer_count; i++) {
        if (peer->state == HARK_PEER_CONNECTING && config->peers[i].address[0] != '\0' &&
            hark_key_equal(&config->peers[i].curve, &peer->curve) && !cmd->globals.json)
            (void)fprintf(cmd->out, "%s was not reached\n", config->peers[i].name);
    }
}

static int show(struct hark_cmd *cmd, struct hark_net *net, struct hark_err *err)
{
    static const size_t max = 64;
    struct hark_net_peer peers[64];
    size_t count = hark_net_peers(net, peers, max);
    json_t *list = json_array();
    int code = 0;

    for (size_t i = 0; i < count && i < max; i++) {
        say_away(cmd, &peers[i]);
        for (size_t j = 0; j < peers[i].report_count; j++) {
            const struct hark_sync_report *report = &peers[i].reports[j];
            char space[65];

            if (report->code != 0 && code == 0 && !is_early(cmd, report)) {
                code = report->code;
                (void)hark_err_set(err, code, "%s",
                                   peers[i].message[0] != '\0' ? peers[i].message
                                                               : hark_err_name(code));
            }
            if (cmd->globals.json) {
                (void)json_array_append_new(list, report_json(&peers[i], report));
                continue;
            }
            hark_hash_hex(space, &report->log.space);
            (void)fprintf(cmd->out, "%.12s  ours %llu  theirs %llu  %s\n", space,
                          (unsigned long long)report->ours.size,
                          (unsigned long long)report->theirs.size,
                          report->equal ? "equal" : "not equal");
        }
    }
    if (cmd->globals.json) {
        int rc = hark_print_json(
            cmd->out, json_pack("{s:s, s:o}", "format", "hark/sync/1", "spaces", list), err);
        return rc < 0 ? rc : code;
    }
    json_decref(list);
    return code;
}

int hark_cmd_sync(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *wait = NULL, *timeout = NULL;
    const struct hark_option options[] = {{.name = "wait", .flag = true, .value = &wait},
                                          {.name = "timeout", .value = &timeout}};
    struct hark_net *own = NULL, *net = NULL;
    uint64_t limit_s = SYNC_DEFAULT_MS / 1000;
    int rc = hark_cmd_options(cmd, options, 2, 0, 1, err);

    if (rc == 0 && timeout != NULL)
        rc = hark_decimal_decode(&limit_s, hark_span_str(timeout), 86400, err);
    if (rc < 0)
        return rc;
    rc = hark_cmd_net(cmd, &net, &own, err);
    if (rc < 0)
        return rc;
    rc = hark_cmd_net_wait(cmd, net, limit_s * 1000, err);
    if (rc == 0)
        rc = show(cmd, net, err);
    hark_net_stop(own);
    for (size_t i = 0; i < cmd->node->space_count && rc == 0; i++)
        rc = hark_space_tend(cmd->node->spaces[i], err);
    return rc;
}
