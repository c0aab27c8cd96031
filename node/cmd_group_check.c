/*
 * The key check of a private group: does every member's key hold the epoch in force, has
 * everybody who left lost it, what was said that members cannot read, and for how long has
 * each device had its X25519 key. PROTOCOL.md 10.7, 10.8.
 *
 * It is told from the boxes, which every holder of the key makes again as it goes through the
 * log, and asks nobody.
 */
#include <string.h>

#include "node/cmd_internal.h"
#include "node/inside.h"
#include "node/shown.h"

#define LEFT_MAX 1000u /* who left and is told of by name */

/* A steward's node that is up answers a leaving within seconds. */
#define OWED_MS (UINT64_C(3600) * 1000)

struct check {
    struct hark_cmd *cmd;
    struct hark_space *space;
    struct hark_inside *inside;
    uint32_t epoch, run; /* in force, and the fresh one (or 0) that it goes back to */
    bool any, here;      /* is there one, and is it here */
    struct hark_group_object group;
    size_t wrong; /* findings that matter now */
    json_t *findings, *devices, *left;
    uint64_t owed_ms; /* since when the first of them waits for a fresh key */
    bool entrusted, home_holds;
    struct hark_shown_wish wish;
    json_t *lacking; /* members without a showing that stands, where they must have one */
    uint32_t holder; /* entrusted: the member as whom the home reads */
};

static int no_memory(struct hark_err *err)
{
    return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
}

/* --- findings ------------------------------------------------------------------------- */

static const char *in_words(int error)
{
    switch (error) {
    case HARK_E_EPOCH_KEY:
        return "the steward sealed another key to it than to the others";
    case HARK_E_SEAL:
        return "the steward left it without this key";
    case HARK_E_LIMIT:
        return "too much to look at at once";
    case HARK_E_ENVELOPE_OLD:
        return "sealed under a key that its author knew to be replaced: who was removed can "
               "read it";
    case HARK_E_ENVELOPE_AHEAD:
        return "sealed under a key that is not in force";
    default:
        return "it does not open, or says nothing that is allowed";
    }
}

/* What is wrong with a key itself, and not with what one recipient got of it. */
static const char *in_words_of_key(int error)
{
    return error == HARK_E_EPOCH_KEY ? "this is a key that was there before: who left may have it"
                                     : in_words(error);
}

static int add_finding(struct check *c, uint64_t position, int error, const json_t *epoch,
                       const json_t *key, bool now, struct hark_err *err)
{
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(c->space), position, &row, err);

    if (rc < 0)
        return rc;
    c->wrong += now;
    return json_array_append_new(
               c->findings,
               json_pack("{s:s, s:I, s:o, s:o?, s:O, s:O, s:b, s:s}", "name", hark_err_name(error),
                         "position", (json_int_t)position, "entry",
                         hark_out_hex(row.id.bytes, HARK_HASH_SIZE), "member",
                         row.author_of == HARK_KEY_OF_MEMBER ? json_integer(row.author) : NULL,
                         "epoch", epoch, "key", key, "now", now, "detail",
                         json_is_null(key) ? in_words_of_key(error) : in_words(error))) != 0
               ? no_memory(err)
               : 0;
}

/* Of the keys. One of an epoch before the last fresh one is history. */
static int key_findings(struct check *c, struct hark_err *err)
{
    const struct hark_ring_finding *found;
    size_t count = 0;
    int rc = 0;

    found = hark_ring_found(hark_inside_ring(c->inside), &count, NULL);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct hark_key_object object = {.owner = 0};
        json_t *epoch = json_integer(found[i].epoch), *key = json_null();
        bool of_key = found[i].key != HARK_RING_NO_KEY;

        if (of_key)
            rc = hark_state_key(hark_space_state(c->space), found[i].key, &object, err);
        if (rc == 0 && of_key)
            key = hark_out_hex(object.key.bytes, HARK_KEY_SIZE);
        if (rc == 0)
            rc = epoch == NULL || key == NULL
                     ? no_memory(err)
                     : add_finding(
                           c, found[i].position, found[i].error, epoch, key,
                           found[i].epoch >= c->run && (!of_key || object.until == HARK_NONE), err);
        json_decref(epoch);
        json_decref(key);
    }
    return rc;
}

/* Of what was said. */
static int entry_findings(struct check *c, struct hark_err *err)
{
    size_t count = 0;
    const struct hark_inside_refused *refused = hark_inside_refused(c->inside, &count);
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        json_t *epoch = json_null(), *key = json_null();

        rc = add_finding(c, refused[i].position, refused[i].error, epoch, key, false, err);
    }
    return rc;
}

/* --- devices -------------------------------------------------------------------------- */

static int note_arrival(void *arg, const struct hark_row *row, struct hark_err *err)
{
    uint64_t *arrival_ms = arg;

    (void)err;
    if (row->verdict != 0)
        return 0;
    *arrival_ms = row->arrival_ms;
    return HARK_STOP;
}

static int add_device(struct check *c, const struct hark_key_object *key, struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "rekey",
                                         .author = &key->key,
                                         .after = HARK_NONE,
                                         .re = HARK_NONE,
                                         .backwards = true};
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(c->space), key->since, &row, err);

    if (rc == 0)
        rc = hark_index_log(hark_space_index(c->space), &query, note_arrival, &row.arrival_ms, err);
    if (rc == 0 &&
        json_array_append_new(c->devices, json_pack("{s:o, s:I, s:o}", "key",
                                                    hark_out_hex(key->key.bytes, HARK_KEY_SIZE),
                                                    "member", (json_int_t)key->owner, "box_since",
                                                    hark_out_time(row.arrival_ms))) != 0)
        rc = no_memory(err);
    return rc;
}

static int all_devices(struct check *c, struct hark_err *err)
{
    struct hark_key_object key;
    uint64_t count = 0;
    int rc = hark_cmd_section_count(c->space, HARK_SECTION_KEY, &count, err);

    for (uint64_t i = 0; i < count && rc == 0; i++) {
        rc = hark_state_key(hark_space_state(c->space), (uint32_t)i, &key, err);
        if (rc == 0 && key.of == HARK_KEY_OF_MEMBER && key.until == HARK_NONE)
            rc = add_device(c, &key, err);
    }
    return rc;
}

/* --- who left ------------------------------------------------------------------------- */

/* Members who left and have the key in force, until the steward brings a fresh one. */
static int add_left(struct check *c, uint32_t member, struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "leave",
                                         .has_member = true,
                                         .member = member,
                                         .after = HARK_NONE,
                                         .re = HARK_NONE,
                                         .backwards = true};
    uint64_t since_ms = 0;
    int rc = hark_index_log(hark_space_index(c->space), &query, note_arrival, &since_ms, err);

    if (rc < 0)
        return rc;
    if (c->owed_ms == 0 || since_ms < c->owed_ms)
        c->owed_ms = since_ms;
    return json_array_append_new(c->left, json_pack("{s:I, s:o}", "member", (json_int_t)member,
                                                    "since", hark_out_time(since_ms))) != 0
               ? no_memory(err)
               : 0;
}

static int all_left(struct check *c, struct hark_err *err)
{
    int rc = 0;

    for (uint32_t i = 0; i < c->group.owed && i < LEFT_MAX && rc == 0; i++) {
        uint32_t member = 0;

        rc = hark_state_owed(hark_space_state(c->space), i, &member, err);
        if (rc == 0)
            rc = add_left(c, member, err);
    }
    return rc;
}

/* --- the home of an entrusted group --------------------------------------------------- */

/* As whom the home reads: whom the last `home` names, else the founder. */
static int note_holder(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct check *c = arg;
    struct hark_key_object object = {.owner = 0};
    struct hark_key key;
    json_t *json = NULL;
    const char *holder;
    uint32_t number = 0;
    bool found = false;
    int rc;

    if (row->verdict != 0)
        return 0;
    rc = hark_space_payload_json(c->space, row, &json, err);
    holder = json_string_value(json_object_get(json, "holder"));
    if (rc == 0 && holder != NULL &&
        hark_hex_decode(key.bytes, sizeof(key.bytes), hark_span_str(holder), NULL) == 0)
        rc = hark_state_find_key(hark_space_state(c->space), &key, &found, &number, err);
    if (rc == 0 && found)
        rc = hark_state_key(hark_space_state(c->space), number, &object, err);
    c->holder = object.owner;
    json_decref(json);
    return rc == 0 ? HARK_STOP : rc;
}

static int find_holder(struct check *c, struct hark_err *err)
{
    const struct hark_log_query query = {
        .kind = "home", .after = HARK_NONE, .re = HARK_NONE, .backwards = true};
    struct hark_key_object key;
    uint64_t count = 0;
    int rc = 0;

    c->entrusted = hark_state_space_object(hark_space_state(c->space))->mode == HARK_MODE_ENTRUSTED;
    if (!c->entrusted)
        return 0;
    rc = hark_index_log(hark_space_index(c->space), &query, note_holder, c, err);
    if (rc == 0)
        rc = hark_cmd_section_count(c->space, HARK_SECTION_KEY, &count, err);
    for (uint64_t i = 0; i < count && rc == 0 && !c->home_holds; i++) {
        rc = hark_state_key(hark_space_state(c->space), (uint32_t)i, &key, err);
        c->home_holds = rc == 0 && key.of == HARK_KEY_OF_MEMBER && key.owner == c->holder &&
                        key.until == HARK_NONE;
    }
    /* The home itself knows better. */
    if (hark_node_is_home(c->cmd->node, c->space))
        c->home_holds = c->home_holds && c->here;
    return rc;
}

/* --- who they are in the community --------------------------------------------------- */

static int find_lacking(struct check *c, struct hark_err *err)
{
    struct hark_member_object member = {.admit = 0};
    struct hark_shown shown;
    uint64_t count = 0;
    int rc = hark_shown_wish(c->cmd->node, c->space, &c->wish, err);

    if (rc == 0 && c->wish.must)
        rc = hark_cmd_section_count(c->space, HARK_SECTION_MEMBER, &count, err);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        bool any = false;

        rc = hark_state_member(hark_space_state(c->space), i, &member, err);
        if (rc < 0 || member.status != HARK_STATUS_ACTIVE)
            continue;
        rc = hark_shown_find(c->cmd->node, c->space, i, &any, &shown, err);
        if (rc == 0 &&
            (!any || shown.as == HARK_SHOWN_ENDED ||
             !hark_hash_equal(&shown.showing.community, &c->wish.community)) &&
            json_array_append_new(c->lacking, json_integer((json_int_t)i)) != 0)
            rc = no_memory(err);
    }
    return rc;
}

/* --- the whole ------------------------------------------------------------------------ */

/* Back to the last fresh key: what comes after it are steps. */
static int find_run(struct check *c, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(c->space);
    struct hark_epoch_object epoch = {.fresh = false};
    int rc = hark_state_current_epoch(state, &c->any, &c->epoch, err);

    for (c->run = c->epoch; rc == 0 && c->run > 0; c->run--) {
        rc = hark_state_epoch(state, c->run, &epoch, err);
        if (rc < 0 || epoch.fresh)
            break;
    }
    return rc;
}

static int look(struct check *c, struct hark_err *err)
{
    const struct hark_epoch *key = NULL;
    int rc = hark_node_inside(c->cmd->node, c->space, &c->inside, err);

    if (rc == 0 && c->inside == NULL)
        return hark_err_set(err, HARK_E_USAGE, "an open space has no keys to check");
    if (rc == 0)
        rc = find_run(c, err);
    if (rc == 0)
        rc = hark_state_group(hark_space_state(c->space), &c->group, err);
    if (rc == 0)
        c->here = c->any && hark_ring_key(&key, hark_inside_ring(c->inside), c->epoch, NULL) == 0;
    if (rc == 0)
        rc = key_findings(c, err);
    if (rc == 0)
        rc = entry_findings(c, err);
    if (rc == 0)
        rc = all_left(c, err);
    if (rc == 0)
        rc = find_holder(c, err);
    return rc == 0 ? all_devices(c, err) : rc;
}

static void print_check(const struct check *c)
{
    FILE *out = c->cmd->out;
    json_t *finding;
    size_t i;

    if (c->here)
        (void)fprintf(out, "epoch %u is in force, and %u keys of members hold it%s\n", c->epoch,
                      c->group.keys, c->wrong > 0 ? ", but for those below" : "");
    else
        (void)fputs("nobody of this node holds the key in force: only others can check it\n", out);
    if (c->entrusted && c->home_holds)
        (void)fprintf(out, "the home reads it, as member %u\n", c->holder);
    else if (c->entrusted)
        (void)fprintf(out, "the home cannot read it: member %u has no key in force there\n",
                      c->holder);
    if (c->group.owed > 0)
        (void)fprintf(out, "%u who left still hold it: the steward owes a fresh one\n",
                      c->group.owed);
    json_array_foreach(c->lacking, i, finding)
    {
        (void)fprintf(out, "member %lld has not shown who they are in the community\n",
                      (long long)json_integer_value(finding));
    }
    json_array_foreach(c->left, i, finding)
    {
        (void)fprintf(out, "member %lld left at %s\n",
                      (long long)json_integer_value(json_object_get(finding, "member")),
                      json_string_value(json_object_get(finding, "since")));
    }
    json_array_foreach(c->findings, i, finding)
    {
        (void)fprintf(out, "%s: position %lld: %s%s\n",
                      json_string_value(json_object_get(finding, "name")),
                      (long long)json_integer_value(json_object_get(finding, "position")),
                      json_string_value(json_object_get(finding, "detail")),
                      json_is_true(json_object_get(finding, "now")) ? "" : " (of before)");
    }
}

int hark_cmd_group_check(struct hark_cmd *cmd, struct hark_err *err)
{
    struct check c = {.cmd = cmd,
                      .findings = json_array(),
                      .devices = json_array(),
                      .left = json_array(),
                      .lacking = json_array()};
    char id[HARK_HEX_SIZE];
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);
    bool holds;

    if (rc == 0)
        rc = hark_cmd_space(cmd, &c.space, err);
    if (rc == 0)
        rc = c.findings == NULL || c.devices == NULL || c.left == NULL || c.lacking == NULL
                 ? no_memory(err)
                 : look(&c, err);
    if (rc == 0)
        rc = find_lacking(&c, err);
    holds =
        rc == 0 && c.here && c.wrong == 0 && c.group.owed == 0 && (!c.entrusted || c.home_holds);
    if (rc == 0 && cmd->globals.json) {
        hark_hash_hex(id, hark_space_id(c.space));
        rc = hark_print_json(
            cmd->out,
            json_pack(
                "{s:s, s:s, s:b, s:b, s:o, s:I, s:I, s:O, s:O, s:O, s:o, s:o}", "format",
                "hark/group-check/1", "id", id, "holds", holds, "key_here", c.here, "epoch",
                c.any ? json_integer(c.epoch) : json_null(), "keys", (json_int_t)c.group.keys,
                "owed", (json_int_t)c.group.owed, "findings", c.findings, "devices", c.devices,
                "left", c.left, "home",
                c.entrusted
                    ? json_pack("{s:I, s:b}", "member", (json_int_t)c.holder, "holds", c.home_holds)
                    : json_null(),
                "showing",
                c.wish.any ? json_pack("{s:o, s:s, s:O}", "community",
                                       hark_out_hex(c.wish.community.bytes, HARK_HASH_SIZE), "show",
                                       c.wish.must ? "must" : "asked", "lacking", c.lacking)
                           : json_null()),
            err);
    } else if (rc == 0) {
        print_check(&c);
    }
    if (rc == 0 && !holds)
        cmd->exit_code = 1;
    json_decref(c.findings);
    json_decref(c.devices);
    json_decref(c.left);
    json_decref(c.lacking);
    return rc;
}

static int add_alert(struct hark_space *space, const char *name, const char *message,
                     json_t *alerts, struct hark_err *err)
{
    json_t *alert =
        json_pack("{s:s, s:o, s:s}", "name", name, "space",
                  hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE), "message", message);

    return json_array_append_new(alerts, alert) != 0 ? no_memory(err) : 0;
}

int hark_cmd_group_alerts(struct hark_cmd *cmd, struct hark_space *space, json_t *alerts,
                          struct hark_err *err)
{
    struct check c = {.cmd = cmd,
                      .space = space,
                      .findings = json_array(),
                      .devices = json_array(),
                      .left = json_array()};
    char message[256];
    int rc = 0;

    if (hark_state_size(hark_space_state(space)) > 0 &&
        hark_state_is_encrypted(hark_space_state(space)))
        rc = c.findings == NULL || c.devices == NULL || c.left == NULL ? no_memory(err)
                                                                       : look(&c, err);
    if (rc == 0 && c.wrong > 0) {
        (void)snprintf(message, sizeof(message),
                       "%zu findings about the keys of this group: `hark group check` names them",
                       c.wrong);
        rc = add_alert(space, "group-keys", message, alerts, err);
    }
    if (rc == 0 && c.entrusted && !c.home_holds)
        rc = add_alert(space, "group-home", "the home of this entrusted group cannot read it",
                       alerts, err);
    if (rc == 0 && c.group.owed > 0 && hark_now_ms() > c.owed_ms + OWED_MS) {
        (void)snprintf(message, sizeof(message),
                       "%u who left still hold this group's key: its steward owes a fresh one",
                       c.group.owed);
        rc = add_alert(space, "group-owed", message, alerts, err);
    }
    json_decref(c.findings);
    json_decref(c.devices);
    json_decref(c.left);
    return rc;
}
