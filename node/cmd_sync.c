/*
 * hark sync: brings the spaces that this node follows up to what its peers have.
 * With a daemon it asks the daemon's network and waits; without one it runs a
 * network of its own for as long as it takes.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "node/cmd.h"

#define SYNC_STEP_MS    50
#define SYNC_DEFAULT_MS 30000u

/* Handles what the network wants from the writer. In a daemon the daemon's own
 * loop is suspended while a verb runs, so this is the same in both. */
static int serve_events(struct hark_cmd *cmd, struct hark_net *net, bool *progress,
                        struct hark_err *err)
{
    struct pollfd fd = {.fd = hark_net_fd(net), .events = POLLIN};
    struct hark_net_event event;
    int rc = 0;

    if (poll(&fd, 1, SYNC_STEP_MS) < 0 && errno != EINTR)
        return hark_err_errno(err, errno, "poll");
    *progress = false;
    while (rc == 0 && hark_net_next(net, &event)) {
        *progress = *progress || event.type == HARK_NET_APPEND;
        rc = hark_net_handle(net, cmd->node, &event, err);
    }
    return rc;
}

/* patience_ms: how long nothing may come while something is missing. */
static int wait_for_equal(struct hark_cmd *cmd, struct hark_net *net, uint64_t patience_ms,
                          struct hark_err *err)
{
    uint64_t until_ms = hark_now_ms() + patience_ms;
    size_t followed, equal, failed;

    hark_net_ask_now(net);
    for (;;) {
        bool progress = false;
        int rc = serve_events(cmd, net, &progress, err);

        if (rc < 0)
            return rc;
        if (progress)
            until_ms = hark_now_ms() + patience_ms;
        hark_net_progress(net, &followed, &equal, &failed);
        if (equal + failed >= followed)
            return 0;
        if (hark_now_ms() >= until_ms)
            return hark_err_set(err, HARK_E_PEER_UNREACHABLE,
                                "%zu of %zu spaces did not come up to date in time",
                                followed - equal, followed);
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

static int show(struct hark_cmd *cmd, struct hark_net *net, struct hark_err *err)
{
    static const size_t max = 64;
    struct hark_net_peer peers[64];
    size_t count = hark_net_peers(net, peers, max);
    json_t *list = json_array();
    int code = 0;

    for (size_t i = 0; i < count && i < max; i++) {
        for (size_t j = 0; j < peers[i].report_count; j++) {
            const struct hark_sync_report *report = &peers[i].reports[j];
            char space[65];

            if (report->code != 0 && code == 0) {
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
    char bound[HARK_ADDRESS_MAX + 1];
    struct hark_net *own = NULL, *net = cmd->net;
    uint64_t limit_s = SYNC_DEFAULT_MS / 1000;
    int rc = hark_cmd_options(cmd, options, 2, 0, 1, err);

    if (rc == 0 && timeout != NULL)
        rc = hark_decimal_decode(&limit_s, hark_span_str(timeout), 86400, err);
    if (rc < 0)
        return rc;
    if (net == NULL) {
        rc = hark_net_start(&own, cmd->node, false, bound, err);
        if (rc < 0)
            return rc;
        net = own;
    }
    rc = wait_for_equal(cmd, net, limit_s * 1000, err);
    if (rc == 0)
        rc = show(cmd, net, err);
    hark_net_stop(own);
    for (size_t i = 0; i < cmd->node->space_count && rc == 0; i++)
        rc = hark_space_tend(cmd->node->spaces[i], err);
    return rc;
}
