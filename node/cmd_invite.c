/*
 * hark invite: tickets to a space. A ticket is made here, shown once, and only
 * its public half is kept, in the log.
 */
#include <inttypes.h>
#include <string.h>

#include "node/cmd_internal.h"

#define COHORTS_MAX  16u
#define USES_MAX     1000000u
#define DEFAULT_DAYS 14u
#define DAY_MS       UINT64_C(86400000)
#define SOURCES_MAX  256u
#define SOURCE_MAX   32u

/* --- giving one out ------------------------------------------------------------ */

struct invite {
    const char *role, *uses, *until, *source;
    const char *cohorts[COHORTS_MAX];
    size_t cohort_count;
    uint64_t use_count, until_ms;
};

static int parse_invite(struct hark_cmd *cmd, struct invite *invite, struct hark_err *err)
{
    const struct hark_option options[] = {
        {.name = "role", .value = &invite->role},
        {.name = "uses", .value = &invite->uses},
        {.name = "until", .value = &invite->until},
        {.name = "source", .value = &invite->source},
        {.name = "cohort",
         .list = invite->cohorts,
         .list_max = COHORTS_MAX,
         .list_count = &invite->cohort_count},
    };
    int rc = hark_cmd_options(cmd, options, sizeof(options) / sizeof(options[0]), 0, 0, err);

    invite->use_count = 1;
    invite->until_ms = hark_now_ms() + DEFAULT_DAYS * DAY_MS;
    if (rc == 0 && invite->role == NULL)
        invite->role = "member";
    if (rc == 0 && strcmp(invite->role, "member") != 0 && strcmp(invite->role, "staff") != 0)
        rc = hark_err_set(err, HARK_E_USAGE, "a role is member or staff, not %.64s", invite->role);
    if (rc == 0 && invite->uses != NULL)
        rc = hark_cmd_number(invite->uses, USES_MAX, "--uses", &invite->use_count, err);
    if (rc == 0 && invite->use_count == 0)
        rc = hark_err_set(err, HARK_E_USAGE, "--uses wants 1 at least");
    if (rc == 0 && invite->until != NULL)
        rc = hark_cmd_time(invite->until, true, &invite->until_ms, err);
    if (rc == 0 && invite->until_ms <= hark_now_ms())
        rc = hark_err_set(err, HARK_E_USAGE, "--until %s is over", invite->until);
    return rc;
}

static int cohorts_json(const struct invite *invite, json_t *list, struct hark_err *err)
{
    struct hark_cohort cohort;

    for (size_t i = 0; i < invite->cohort_count; i++) {
        int rc = hark_cmd_cohort(invite->cohorts[i], &cohort, err);

        if (rc < 0)
            return rc;
        if (json_array_append_new(list, json_pack("{s:s, s:s}", "dimension", cohort.dimension,
                                                  "value", cohort.value)) != 0)
            return hark_err_set(err, HARK_E_USAGE, "%.100s is not UTF-8", invite->cohorts[i]);
    }
    return 0;
}

static int invite_fields(const struct invite *invite, const uint8_t secret[32], json_t **out,
                         char key[HARK_HEX_SIZE], struct hark_err *err)
{
    struct hark_signer *sign = NULL;
    struct hark_box *curve = NULL;
    json_t *cohorts = json_array();
    int rc = hark_ticket_keys(secret, &sign, &curve, err);

    *out = NULL;
    if (rc == 0)
        rc = cohorts_json(invite, cohorts, err);
    if (rc < 0) {
        json_decref(cohorts);
        goto out;
    }
    hark_key_hex(key, hark_signer_key(sign));
    *out = json_pack("{s:s, s:o, s:s, s:I, s:o, s:o}", "ticket", key, "curve",
                     hark_out_hex(hark_box_key(curve)->bytes, HARK_KEY_SIZE), "role", invite->role,
                     "uses", (json_int_t)invite->use_count, "until",
                     hark_out_time(invite->until_ms), "cohorts", cohorts);
    if (*out != NULL && invite->source != NULL &&
        json_object_set_new(*out, "source", hark_out_text(invite->source)) != 0) {
        json_decref(*out);
        *out = NULL;
    }
    if (*out == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
out:
    hark_signer_free(sign);
    hark_box_free(curve);
    return rc;
}

/* Where a joiner can turn to: this node, and named partners with an address. */
static void ticket_nodes(struct hark_cmd *cmd, struct hark_space *space, struct hark_ticket *ticket)
{
    const struct hark_config *config = cmd->node->config;
    struct hark_ticket_node self = {0};
    struct hark_node_object named;

    hark_cmd_addresses(cmd->node, &self);
    if (self.address_count > 0) {
        self.address_count = 1;
        ticket->nodes[ticket->node_count++] = self;
    }
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct hark_config_peer *peer = &config->peers[i];
        struct hark_ticket_node *node = &ticket->nodes[ticket->node_count];

        if (ticket->node_count == HARK_TICKET_ADDRESSES_MAX)
            return;
        if (peer->address[0] == '\0' ||
            hark_state_node_with(hark_space_state(space), &peer->log, &named, NULL) < 0)
            continue;
        memset(node, 0, sizeof(*node));
        memcpy(node->name, peer->name, sizeof(node->name));
        node->keys.curve = peer->curve;
        memcpy(node->addresses[0], peer->address, sizeof(peer->address));
        node->address_count = 1;
        ticket->node_count++;
    }
}

static json_t *addresses_json(const struct hark_ticket *ticket)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ticket->node_count && list != NULL; i++) {
        if (json_array_append_new(list, json_string(ticket->nodes[i].addresses[0])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static int print_invite(struct hark_cmd *cmd, struct hark_space *space, const struct invite *invite,
                        const struct hark_ticket *ticket, const char *key, const char *text,
                        const struct hark_logged *logged, struct hark_err *err)
{
    char until[HARK_TIME_SIZE + 1];

    hark_time_encode(until, invite->until_ms);
    if (cmd->globals.json)
        return hark_cmd_print_logged(cmd, space, "invite", logged,
                                     json_pack("{s:s, s:s, s:s, s:I, s:s, s:o}", "ticket", text,
                                               "ticket_key", key, "role", invite->role, "uses",
                                               (json_int_t)invite->use_count, "until", until,
                                               "addresses", addresses_json(ticket)),
                                     err);
    (void)fprintf(cmd->out, "%s\n", text);
    if (!cmd->globals.quiet && ticket->node_count == 0)
        (void)fputs("note: the ticket names no address to join at; set listen or advertise in\n"
                    "hark.yaml, or let people join here\n",
                    cmd->err);
    if (!cmd->globals.quiet)
        (void)fprintf(
            cmd->err, "ticket %.12s: %s, %" PRIu64 " use%s, until %s; it is shown this once only\n",
            key, invite->role, invite->use_count, invite->use_count == 1 ? "" : "s", until);
    return 0;
}

static int invite_new(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init_secret(HARK_TICKET_TEXT_MAX + 1);
    struct hark_ticket ticket = {.type = HARK_TICKET_INVITATION, .space_count = 1};
    struct hark_person person = {0};
    struct invite invite = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged;
    char key[HARK_HEX_SIZE];
    json_t *fields = NULL;
    int rc = parse_invite(cmd, &invite, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, true, &person, err);
    if (rc < 0)
        goto out;
    hark_random(ticket.secret, sizeof(ticket.secret));
    ticket.spaces[0] = *hark_space_id(space);
    ticket.until_ms = invite.until_ms;
    ticket_nodes(cmd, space, &ticket);
    rc = invite_fields(&invite, ticket.secret, &fields, key, err);
    if (rc == 0)
        rc = hark_ticket_encode(&text, &ticket, NULL, err);
    if (rc == 0)
        rc = hark_buf_terminate(&text, err);
    if (rc == 0)
        rc = hark_cmd_steward(cmd, space, &person.author, "invite", "invite", fields, &logged, err);
    else
        json_decref(fields);
    if (rc == 0)
        rc = print_invite(cmd, space, &invite, &ticket, key, (const char *)text.data, &logged, err);
out:
    hark_ticket_wipe(&ticket);
    hark_buf_free(&text);
    hark_author_free(&person.author);
    return rc;
}

/* --- those given out -------------------------------------------------------------- */

typedef int ticket_fn(void *arg, uint32_t number, const struct hark_ticket_object *ticket,
                      const json_t *payload, struct hark_err *err);

static int each_ticket(struct hark_space *space, ticket_fn *fn, void *arg, struct hark_err *err)
{
    struct hark_ticket_object ticket;
    uint64_t count = 0;
    int rc = hark_cmd_section_count(space, HARK_SECTION_TICKET, &count, err);

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        struct hark_row row = {0};
        json_t *payload = NULL;

        rc = hark_state_ticket(hark_space_state(space), i, &ticket, err);
        if (rc == 0)
            rc = hark_index_row(hark_space_index(space), ticket.position, &row, err);
        if (rc == 0)
            rc = hark_space_payload_json(space, &row, &payload, err);
        if (rc == 0)
            rc = fn(arg, i, &ticket, payload, err);
        json_decref(payload);
    }
    return rc;
}

static const char *ticket_state(const struct hark_ticket_object *ticket)
{
    if (ticket->revoked != HARK_NONE)
        return "revoked";
    if (ticket->used >= ticket->uses)
        return "used";
    return hark_now_ms() > ticket->until_ms ? "expired" : "open";
}

static json_t *shared_or_null(const json_t *payload, const char *name)
{
    json_t *value = json_object_get(payload, name);

    return value != NULL ? json_incref(value) : json_null();
}

static int show_ticket(void *arg, uint32_t number, const struct hark_ticket_object *ticket,
                       const json_t *payload, struct hark_err *err)
{
    struct hark_cmd *cmd = arg;
    const char *source = json_string_value(json_object_get(payload, "source"));
    char key[HARK_HEX_SIZE], until[HARK_TIME_SIZE + 1];

    (void)number;
    hark_key_hex(key, &ticket->sign);
    hark_time_encode(until, ticket->until_ms);
    if (cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:I}", "format",
                      "hark/invite/1", "ticket", key, "state", ticket_state(ticket), "role",
                      hark_cmd_role_name(ticket->role), "uses", (json_int_t)ticket->uses, "used",
                      (json_int_t)ticket->used, "until", until, "source",
                      shared_or_null(payload, "source"), "cohorts",
                      shared_or_null(payload, "cohorts"), "position", (json_int_t)ticket->position),
            err);
    (void)fprintf(cmd->out, "%.12s  %-7s  %-6s  %u of %u used  until %.10s  ", key,
                  ticket_state(ticket), hark_cmd_role_name(ticket->role), (unsigned)ticket->used,
                  (unsigned)ticket->uses, until);
    hark_print_line(cmd->out, source != NULL ? source : "-");
    (void)fputc('\n', cmd->out);
    return 0;
}

static int invite_ls(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    return rc < 0 ? rc : each_ticket(space, show_ticket, cmd, err);
}

/* --- revoking ------------------------------------------------------------------- */

struct ticket_search {
    const char *prefix;
    size_t found;
    char key[HARK_HEX_SIZE];
};

static int look_at_ticket(void *arg, uint32_t number, const struct hark_ticket_object *ticket,
                          const json_t *payload, struct hark_err *err)
{
    struct ticket_search *search = arg;
    char key[HARK_HEX_SIZE];

    (void)number;
    (void)payload;
    (void)err;
    hark_key_hex(key, &ticket->sign);
    if (strncmp(key, search->prefix, strlen(search->prefix)) == 0) {
        search->found++;
        memcpy(search->key, key, sizeof(key));
    }
    return 0;
}

static int invite_revoke(struct hark_cmd *cmd, struct hark_err *err)
{
    struct ticket_search search = {0};
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc < 0)
        return rc;
    search.prefix = cmd->argv[1];
    if (!hark_cmd_is_id(search.prefix))
        return hark_err_set(err, HARK_E_USAGE,
                            "a ticket is named by 8 digits or more of its key: `hark invite ls`");
    rc = each_ticket(space, look_at_ticket, &search, err);
    if (rc == 0 && search.found == 0)
        rc = hark_err_set(err, HARK_E_TICKET_UNKNOWN, "this space gave out no ticket %s",
                          search.prefix);
    if (rc == 0 && search.found > 1)
        rc = hark_err_set(err, HARK_E_AMBIGUOUS, "%s fits several tickets", search.prefix);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, true, &person, err);
    if (rc == 0)
        rc = hark_cmd_steward(cmd, space, &person.author, "revoke", "revoke",
                              json_pack("{s:s}", "ticket", search.key), &logged, err);
    if (rc == 0)
        rc = hark_cmd_print_logged(cmd, space, "revoke", &logged,
                                   json_pack("{s:s}", "ticket", search.key), err);
    hark_author_free(&person.author);
    return rc;
}

/* --- the funnel ------------------------------------------------------------------- */

struct source {
    char name[SOURCE_MAX + 1];
    uint64_t tickets, uses, used, open;
};
struct funnel {
    size_t count;
    struct source sources[SOURCES_MAX];
};

static int add_to_funnel(void *arg, uint32_t number, const struct hark_ticket_object *ticket,
                         const json_t *payload, struct hark_err *err)
{
    struct funnel *funnel = arg;
    const char *name = json_string_value(json_object_get(payload, "source"));
    struct source *source = NULL;

    (void)number;
    for (size_t i = 0; i < funnel->count && source == NULL; i++) {
        if (strcmp(funnel->sources[i].name, name != NULL ? name : "") == 0)
            source = &funnel->sources[i];
    }
    if (source == NULL) {
        if (funnel->count == SOURCES_MAX)
            return hark_err_set(err, HARK_E_LIMIT, "more than %u sources", SOURCES_MAX);
        source = &funnel->sources[funnel->count++];
        (void)snprintf(source->name, sizeof(source->name), "%s", name != NULL ? name : "");
    }
    source->tickets++;
    source->uses += ticket->uses;
    source->used += ticket->used;
    if (strcmp(ticket_state(ticket), "open") == 0)
        source->open += ticket->uses - ticket->used;
    return 0;
}

static int print_funnel(struct hark_cmd *cmd, const struct funnel *funnel, struct hark_err *err)
{
    json_t *list = json_array();

    for (size_t i = 0; i < funnel->count; i++) {
        const struct source *source = &funnel->sources[i];
        json_t *name = source->name[0] != '\0' ? json_string(source->name) : json_null();

        if (json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:I, s:I}", "source", name,
                                                  "tickets", (json_int_t)source->tickets, "uses",
                                                  (json_int_t)source->uses, "used",
                                                  (json_int_t)source->used, "open",
                                                  (json_int_t)source->open)) != 0) {
            json_decref(list);
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
        }
        if (!cmd->globals.json)
            (void)fprintf(cmd->out,
                          "%-16s  %" PRIu64 " ticket%s for %" PRIu64 ", %" PRIu64 " came, %" PRIu64
                          " may still come\n",
                          source->name[0] != '\0' ? source->name : "-", source->tickets,
                          source->tickets == 1 ? "" : "s", source->uses, source->used,
                          source->open);
    }
    if (cmd->globals.json)
        return hark_print_json(
            cmd->out, json_pack("{s:s, s:o}", "format", "hark/funnel/1", "sources", list), err);
    json_decref(list);
    return 0;
}

static int invite_funnel(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct funnel funnel = {0};
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = each_ticket(space, add_to_funnel, &funnel, err);
    return rc < 0 ? rc : print_funnel(cmd, &funnel, err);
}

int hark_cmd_invite(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {
        {"ls", invite_ls}, {"revoke", invite_revoke}, {"funnel", invite_funnel}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), invite_new,
                             err);
}
