/*
 * hark status, and the small verbs of a house: reindex, gc.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/cmd_internal.h"
#include "node/outbox.h"

#ifndef HARK_VERSION
#define HARK_VERSION "unknown"
#endif

#define PEERS_MAX (HARK_CONFIG_PEERS_MAX + 256u)

static int no_memory(struct hark_err *err)
{
    return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
}

/* --- spaces ---------------------------------------------------------------------- */

struct totals {
    uint64_t log, index;
    uint64_t outbox[4]; /* by enum hark_out_state */
    json_t *alerts;
};

static int role_here(struct hark_cmd *cmd, struct hark_space *space, const char **out,
                     struct hark_err *err)
{
    struct hark_node_object named;
    int rc = 0;

    *out = "home";
    if (hark_node_is_home(cmd->node, space))
        return 0;
    rc = hark_node_named(cmd->node, space, &named, err);
    *out = rc == 0 ? "partner" : "member";
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

static json_t *shared_or_null(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    return value != NULL ? json_incref(value) : json_null();
}

/* As C2SP writes verifier keys, for who configures a witness; NULL: no memory. */
static json_t *vkey_json(const char *name, uint8_t algorithm, const struct hark_key *key)
{
    struct hark_buf text = hark_buf_init(HARK_NOTE_NAME_MAX + 128);
    struct hark_note_key vkey;
    json_t *json = NULL;

    if (hark_note_key_init(&vkey, name, algorithm, key, NULL) == 0 &&
        hark_note_key_encode(&text, &vkey, NULL) == 0)
        json = json_stringn((const char *)text.data, text.size);
    hark_buf_free(&text);
    return json;
}

static json_t *log_vkey_json(struct hark_space *space)
{
    const struct hark_log_head *head = hark_space_head(space);

    return head->tree.size == 0 ? json_null()
                                : vkey_json(head->origin, HARK_NOTE_ED25519, &head->log_key);
}

struct facts {
    struct hark_hash state, content;
    uint64_t by_role[2], index_bytes, log_bytes;
    uint64_t members; /* of either role */
    const char *role;
    json_t *charter, *settled, *quorum;
};

static int gather(struct hark_cmd *cmd, struct hark_space *space, struct facts *facts,
                  struct hark_err *err)
{
    struct hark_inside *inside = NULL;
    int rc = hark_node_inside(cmd->node, space, &inside, err);

    if (rc == 0)
        rc = hark_cmd_charter(space, &facts->charter, err);
    if (rc == 0)
        rc = hark_state_hash(hark_space_state(space), &facts->state, err);
    if (rc == 0)
        rc = hark_index_content_hash(hark_space_index(space), &facts->content, err);
    if (rc == 0)
        rc = hark_index_active(hark_space_index(space), facts->by_role, err);
    if (rc == 0)
        rc = hark_index_disk(hark_space_index(space), &facts->index_bytes, err);
    if (rc == 0)
        rc = hark_repo_disk(hark_space_repo(space), &facts->log_bytes, err);
    if (rc == 0)
        rc = role_here(cmd, space, &facts->role, err);
    if (rc == 0)
        rc = hark_cmd_settled_json(space, &facts->settled, &facts->quorum, err);
    return rc;
}

/* --- what waits ---------------------------------------------------------------------- */

static int count_outbox(struct hark_space *space, struct totals *totals, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    uint64_t counts[4];
    int rc;

    if (!hark_space_has_outbox(space))
        return 0;
    rc = hark_space_outbox_tend(space, hark_now_ms(), NULL, err);
    if (rc == 0)
        rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = hark_outbox_counts(outbox, counts, err);
    for (size_t i = 0; i < 4 && rc == 0; i++)
        totals->outbox[i] += counts[i];
    return rc;
}

/* Entries that wait, and then those of one intake that wait too long. */
struct late {
    hark_node_name node;
    uint64_t count, oldest_ms;
};
struct lateness {
    struct late *list;
    size_t count;
};

static struct late *add_late(struct lateness *lateness)
{
    struct late *grown = realloc(lateness->list, (lateness->count + 1) * sizeof(*grown));

    if (grown == NULL)
        return NULL;
    lateness->list = grown;
    return &grown[lateness->count++];
}

/* Each entry once, by the intake that it is in first: as hark_space_overdue counts. */
static int gather_waiting(struct hark_space *space, struct lateness *lateness, struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight(space, &flight, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct late *late;

        if (flight[i].node[0] == '\0')
            continue;
        late = add_late(lateness);
        if (late == NULL)
            return no_memory(err);
        *late = (struct late){.count = 1, .oldest_ms = flight[i].accepted_ms};
        memcpy(late->node, flight[i].node, sizeof(late->node));
    }
    return rc;
}

static int compare_late(const void *a, const void *b)
{
    const struct late *left = a, *right = b;

    return left->oldest_ms < right->oldest_ms ? -1 : left->oldest_ms > right->oldest_ms;
}

/* Of the entries that wait, the `overdue` oldest, counted by intake. */
static void group_late(struct lateness *lateness, uint64_t overdue)
{
    size_t groups = 0, count = lateness->count < overdue ? lateness->count : (size_t)overdue;

    if (lateness->count > 0)
        qsort(lateness->list, lateness->count, sizeof(*lateness->list), compare_late);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (at < groups && strcmp(lateness->list[at].node, lateness->list[i].node) != 0)
            at++;
        if (at < groups)
            lateness->list[at].count++;
        else
            lateness->list[groups++] = lateness->list[i];
    }
    lateness->count = groups;
}

static int overdue_alert(struct hark_space *space, const struct late *late, json_t *alerts,
                         struct hark_err *err)
{
    char message[200], time[HARK_TIME_SIZE + 1];

    hark_time_encode(time, late->oldest_ms);
    (void)snprintf(message, sizeof(message),
                   "overdue: %" PRIu64 " entr%s of %s not taken over since %s", late->count,
                   late->count == 1 ? "y" : "ies", late->node, time);
    if (json_array_append_new(
            alerts, json_pack("{s:s, s:o, s:s, s:I, s:o, s:s}", "name", "overdue", "space",
                              hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE), "node",
                              late->node, "count", (json_int_t)late->count, "since",
                              hark_out_time(late->oldest_ms), "message", message)) != 0)
        return no_memory(err);
    return 0;
}

/* What the home should have taken over by now, intake by intake. */
static int add_overdue(struct hark_space *space, json_t *alerts, struct hark_err *err)
{
    struct lateness lateness = {0};
    uint64_t count = 0, oldest_ms = 0;
    int rc = hark_space_overdue(space, hark_now_ms(), &count, &oldest_ms, err);

    if (rc < 0 || count == 0)
        return rc;
    rc = gather_waiting(space, &lateness, err);
    group_late(&lateness, count);
    for (size_t i = 0; i < lateness.count && rc == 0; i++)
        rc = overdue_alert(space, &lateness.list[i], alerts, err);
    free(lateness.list);
    return rc;
}

static int space_json(struct hark_cmd *cmd, const struct hark_hash *id, struct totals *totals,
                      json_t *list, struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct facts facts = {0};
    struct hark_hash root;
    uint64_t size;
    json_t *json;
    int rc = hark_node_space(cmd->node, id, &space, err);

    if (rc == 0)
        rc = gather(cmd, space, &facts, err);
    if (rc == 0)
        rc = count_outbox(space, totals, err);
    if (rc == 0)
        rc = add_overdue(space, totals->alerts, err);
    if (rc == 0)
        rc = hark_cmd_witness_alerts(cmd, space, totals->alerts, err);
    if (rc == 0)
        rc = hark_cmd_receipt_alerts(space, totals->alerts, err);
    if (rc == 0)
        rc = hark_cmd_group_alerts(cmd, space, totals->alerts, err);
    if (rc < 0) {
        json_decref(facts.charter);
        json_decref(facts.settled);
        json_decref(facts.quorum);
        return rc;
    }
    facts.members = facts.by_role[0] + facts.by_role[1];
    size = hark_state_size(hark_space_state(space));
    root = hark_merkle_root(hark_state_log(hark_space_state(space)));
    totals->log += facts.log_bytes;
    totals->index += facts.index_bytes;
    json = json_pack(
        "{s:o, s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "id",
        hark_out_hex(id->bytes, HARK_HASH_SIZE), "title", shared_or_null(facts.charter, "title"),
        "mode", shared_or_null(facts.charter, "mode"), "role", facts.role, "entries",
        (json_int_t)size, "size", (json_int_t)size, "root",
        hark_out_hex(root.bytes, HARK_HASH_SIZE), "settled_size", facts.settled, "quorum",
        facts.quorum, "members", (json_int_t)facts.members, "staff", (json_int_t)facts.by_role[1],
        "index_size", (json_int_t)facts.index_bytes, "state_hash",
        hark_out_hex(facts.state.bytes, HARK_HASH_SIZE), "content_hash",
        hark_out_hex(facts.content.bytes, HARK_HASH_SIZE), "objective",
        shared_or_null(facts.charter, "objective"), "vkey", log_vkey_json(space));
    json_decref(facts.charter);
    return json_array_append_new(list, json) != 0 ? no_memory(err) : 0;
}

static int spaces_json(struct hark_cmd *cmd, struct totals *totals, json_t *list,
                       struct hark_err *err)
{
    struct hark_space *one = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc;

    if (cmd->globals.space != NULL) {
        rc = hark_cmd_space(cmd, &one, err);
        return rc < 0 ? rc : space_json(cmd, hark_space_id(one), totals, list, err);
    }
    rc = hark_node_spaces(cmd->node, &ids, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = space_json(cmd, &ids[i], totals, list, err);
    free(ids);
    return rc;
}

/* --- peers ------------------------------------------------------------------------ */

static const char *state_name(enum hark_peer_state state)
{
    switch (state) {
    case HARK_PEER_LIVE:
        return "live";
    case HARK_PEER_REFUSED:
        return "refused";
    case HARK_PEER_PAUSED:
        return "paused";
    default:
        return "connecting";
    }
}

static const struct hark_net_peer *find_live(const struct hark_net_peer *live, size_t count,
                                             const struct hark_key *curve)
{
    for (size_t i = 0; i < count; i++) {
        if (hark_key_equal(&live[i].curve, curve))
            return &live[i];
    }
    return NULL;
}

/* Ours as the log stands here; theirs as last heard. */
static int peer_space_json(struct hark_cmd *cmd, const struct hark_hash *id,
                           const struct hark_key *log, const struct hark_net_peer *live,
                           json_t *list, struct hark_err *err)
{
    const struct hark_sync_report *report = NULL;
    struct hark_space *space = NULL;
    json_t *json, *cosigned = NULL;
    uint64_t ours = 0;
    int rc = hark_node_space(cmd->node, id, &space, NULL);

    if (rc == 0) {
        ours = hark_state_size(hark_space_state(space));
        rc = hark_cmd_cosigned_json(space, log, &cosigned, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; live != NULL && i < live->report_count && report == NULL; i++) {
        if (hark_hash_equal(&live->reports[i].log.space, id))
            report = &live->reports[i];
    }
    json = json_pack("{s:o, s:I, s:o, s:o, s:o, s:o}", "id",
                     hark_out_hex(id->bytes, HARK_HASH_SIZE), "ours", (json_int_t)ours, "theirs",
                     report != NULL ? json_integer((json_int_t)report->theirs.size) : json_null(),
                     "cosigned", cosigned != NULL ? cosigned : json_null(), "equal",
                     report != NULL ? json_boolean(report->equal) : json_null(), "error",
                     report != NULL && report->code != 0 ? json_string(hark_err_name(report->code))
                                                         : json_null());
    return json_array_append_new(list, json) != 0 ? no_memory(err) : 0;
}

/* state is null where no daemon runs: nobody is trying. */
static int peer_json(struct hark_cmd *cmd, const struct hark_config_peer *peer,
                     const struct hark_net_peer *live, json_t *list, struct hark_err *err)
{
    json_t *spaces = json_array(), *state, *error;
    int rc = 0;

    for (size_t i = 0; i < peer->space_count && rc == 0; i++)
        rc = peer_space_json(cmd, &peer->spaces[i], &peer->log, live, spaces, err);
    if (rc < 0) {
        json_decref(spaces);
        return rc;
    }
    state = peer->paused       ? json_string("paused")
            : live != NULL     ? json_string(state_name(live->state))
            : cmd->net != NULL ? json_string("connecting")
                               : json_null();
    error = live != NULL && live->code != 0
                ? json_pack("{s:s, s:o}", "name", hark_err_name(live->code), "message",
                            hark_out_text(live->message))
                : json_null();
    if (json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", peer->name, "key",
                            hark_out_hex(peer->log.bytes, HARK_KEY_SIZE), "address",
                            peer->address[0] != '\0' ? json_string(peer->address) : json_null(),
                            "state", state, "error", error, "spaces", spaces)) != 0)
        return no_memory(err);
    return 0;
}

static int peers_json(struct hark_cmd *cmd, json_t *list, struct hark_err *err)
{
    const struct hark_config *config = cmd->node->config;
    struct hark_net_peer *live = NULL;
    size_t count = 0;
    int rc = 0;

    if (cmd->net != NULL) {
        live = calloc(PEERS_MAX, sizeof(*live));
        if (live == NULL)
            return no_memory(err);
        count = hark_net_peers(cmd->net, live, PEERS_MAX);
        count = count < PEERS_MAX ? count : PEERS_MAX;
    }
    for (size_t i = 0; i < config->peer_count && rc == 0; i++)
        rc = peer_json(cmd, &config->peers[i], find_live(live, count, &config->peers[i].curve),
                       list, err);
    free(live);
    return rc;
}

/* --- the whole ---------------------------------------------------------------------- */

static int disk_json(struct hark_cmd *cmd, const struct totals *totals, json_t **out,
                     struct hark_err *err)
{
    struct statvfs vfs;
    uint64_t available;

    if (statvfs(cmd->node->dir, &vfs) != 0)
        return hark_err_errno(err, errno, "%s", cmd->node->dir);
    available = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    *out = json_pack("{s:I, s:I, s:I}", "log", (json_int_t)totals->log, "index",
                     (json_int_t)totals->index, "free", (json_int_t)available);
    return *out == NULL ? no_memory(err) : 0;
}

static int status_json(struct hark_cmd *cmd, json_t **out, struct hark_err *err)
{
    json_t *spaces = json_array(), *peers = json_array(), *disk = NULL;
    struct totals totals = {.alerts = json_array()};
    int rc = totals.alerts == NULL ? no_memory(err) : spaces_json(cmd, &totals, spaces, err);

    if (rc == 0)
        rc = peers_json(cmd, peers, err);
    if (rc == 0)
        rc = disk_json(cmd, &totals, &disk, err);
    if (rc < 0) {
        json_decref(spaces);
        json_decref(peers);
        json_decref(totals.alerts);
        return rc;
    }
    *out = json_pack(
        "{s:s, s:{s:s, s:o, s:s, s:o, s:o, s:o, s:o}, s:o, s:o, s:{s:I, s:I, s:I}, s:o, s:o}",
        "format", "hark/status/1", "node", "name", cmd->node->config->name, "key",
        hark_out_hex(hark_signer_key(cmd->node->identity.log)->bytes, HARK_KEY_SIZE), "version",
        HARK_VERSION, "pid", cmd->net != NULL ? json_integer((json_int_t)getpid()) : json_null(),
        "listen",
        cmd->node->config->listen[0] != '\0' ? json_string(cmd->node->config->listen) : json_null(),
        "http", cmd->node->http_bound[0] != '\0' ? json_string(cmd->node->http_bound) : json_null(),
        "vkey",
        vkey_json(cmd->node->config->name, HARK_NOTE_COSIGNATURE_V1,
                  hark_signer_key(cmd->node->identity.witness)),
        "spaces", spaces, "peers", peers, "outbox", "pending",
        (json_int_t)totals.outbox[HARK_OUT_PENDING], "accepted",
        (json_int_t)totals.outbox[HARK_OUT_ACCEPTED], "refused",
        (json_int_t)totals.outbox[HARK_OUT_REFUSED], "disk", disk, "alerts", totals.alerts);
    return *out == NULL ? no_memory(err) : 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void print_peers(FILE *out, json_t *peers)
{
    json_t *peer;
    size_t i;

    json_array_foreach(peers, i, peer)
    {
        (void)fprintf(out, "peer  %s, key %.12s, %s\n", text_of(peer, "name"), text_of(peer, "key"),
                      text_of(peer, "state"));
        if (json_is_object(json_object_get(peer, "error"))) {
            (void)fputs("      ", out);
            hark_print_line(out, text_of(json_object_get(peer, "error"), "message"));
            (void)fputc('\n', out);
        }
    }
}

static void print_waiting(FILE *out, const json_t *status)
{
    const json_t *outbox = json_object_get(status, "outbox");
    json_t *alert;
    size_t i;

    if (number_of(outbox, "pending") + number_of(outbox, "accepted") +
            number_of(outbox, "refused") >
        0)
        (void)fprintf(out,
                      "outbox %" JSON_INTEGER_FORMAT " pending, %" JSON_INTEGER_FORMAT
                      " accepted, %" JSON_INTEGER_FORMAT " refused\n",
                      number_of(outbox, "pending"), number_of(outbox, "accepted"),
                      number_of(outbox, "refused"));
    json_array_foreach(json_object_get(status, "alerts"), i, alert)
    {
        (void)fputs("alert ", out);
        hark_print_line(out, text_of(alert, "message"));
        (void)fputc('\n', out);
    }
}

static void print_status(struct hark_cmd *cmd, const json_t *status)
{
    const json_t *node = json_object_get(status, "node"), *disk = json_object_get(status, "disk");
    json_t *space;
    size_t i;

    (void)fprintf(cmd->out, "node  %s, key %.12s, %s\n", text_of(node, "name"),
                  text_of(node, "key"),
                  cmd->net != NULL ? "daemon running" : "no daemon is running");
    json_array_foreach(json_object_get(status, "spaces"), i, space)
    {
        (void)fprintf(cmd->out, "space %.12s  ", text_of(space, "id"));
        hark_print_line(cmd->out, text_of(space, "title"));
        (void)fprintf(cmd->out,
                      "\n      %s, %s; %" JSON_INTEGER_FORMAT " entries, %" JSON_INTEGER_FORMAT
                      " members; state %.12s\n",
                      text_of(space, "role"), text_of(space, "mode"), number_of(space, "size"),
                      number_of(space, "members"), text_of(space, "state_hash"));
        if (json_is_integer(json_object_get(space, "settled_size")))
            (void)fprintf(cmd->out,
                          "      %" JSON_INTEGER_FORMAT
                          " entries settled: cosigned by %" JSON_INTEGER_FORMAT
                          " of %" JSON_INTEGER_FORMAT " partners\n",
                          number_of(space, "settled_size"),
                          number_of(json_object_get(space, "quorum"), "needed"),
                          number_of(json_object_get(space, "quorum"), "cosigners"));
    }
    print_peers(cmd->out, json_object_get(status, "peers"));
    print_waiting(cmd->out, status);
    (void)fprintf(cmd->out,
                  "disk  log %" JSON_INTEGER_FORMAT " KiB, index %" JSON_INTEGER_FORMAT
                  " KiB, free %" JSON_INTEGER_FORMAT " MiB\n",
                  number_of(disk, "log") / 1024, number_of(disk, "index") / 1024,
                  number_of(disk, "free") / (1024 * 1024));
}

int hark_cmd_status(struct hark_cmd *cmd, struct hark_err *err)
{
    json_t *json = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = status_json(cmd, &json, err);
    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(cmd->out, json, err);
    print_status(cmd, json);
    json_decref(json);
    return 0;
}

/* --- the house ------------------------------------------------------------------------ */

/* Over the space that -s names, or all. */
static int each_space(struct hark_cmd *cmd,
                      int (*fn)(struct hark_cmd *cmd, struct hark_space *space,
                                struct hark_err *err),
                      struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0 && cmd->globals.space != NULL) {
        rc = hark_cmd_space(cmd, &space, err);
        return rc < 0 ? rc : fn(cmd, space, err);
    }
    if (rc == 0)
        rc = hark_node_spaces(cmd->node, &ids, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        if (rc == 0)
            rc = fn(cmd, space, err);
    }
    free(ids);
    return rc;
}

static int report_space(struct hark_cmd *cmd, struct hark_space *space, const char *what,
                        struct hark_err *err)
{
    char id[HARK_HEX_SIZE];
    struct hark_hash state;
    uint64_t size = hark_state_size(hark_space_state(space)), bytes = 0;
    int rc = hark_state_hash(hark_space_state(space), &state, err);

    if (rc == 0)
        rc = hark_repo_disk(hark_space_repo(space), &bytes, err);
    if (rc < 0)
        return rc;
    hark_hash_hex(id, hark_space_id(space));
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:s, s:I, s:o, s:I}", "format", "hark/house/1",
                                         "done", what, "space", id, "size", (json_int_t)size,
                                         "state_hash", hark_out_hex(state.bytes, HARK_HASH_SIZE),
                                         "log_bytes", (json_int_t)bytes),
                               err);
    if (!cmd->globals.quiet)
        (void)fprintf(cmd->out, "%s: space %.12s, %" PRIu64 " entries, %" PRIu64 " KiB\n", what, id,
                      size, bytes / 1024);
    return 0;
}

static int reindex(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err)
{
    int rc = hark_space_reindex(space, err);

    cmd->changed = true;
    return rc < 0 ? rc : report_space(cmd, space, "reindexed", err);
}

static int collect(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err)
{
    /* What the payload ref does not reach yet must not be taken for garbage. */
    int rc = hark_space_tend(space, err);

    if (rc == 0)
        rc = hark_repo_gc(hark_space_repo(space), err);
    return rc < 0 ? rc : report_space(cmd, space, "collected", err);
}

int hark_cmd_reindex(struct hark_cmd *cmd, struct hark_err *err)
{
    return each_space(cmd, reindex, err);
}

int hark_cmd_gc(struct hark_cmd *cmd, struct hark_err *err)
{
    return each_space(cmd, collect, err);
}
