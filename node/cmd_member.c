/*
 * hark member: who belongs, in which role; what the steward does about it on the
 * request of staff.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/shown.h"

static int cohorts_of(struct hark_space *space, uint32_t ordinal, json_t **out,
                      struct hark_err *err)
{
    struct hark_cohort *cohorts = NULL;
    size_t count = 0;
    int rc = hark_index_member_cohorts(hark_space_view(space), ordinal, &cohorts, &count, err);

    *out = json_object();
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (json_object_set_new(*out, cohorts[i].dimension, hark_out_text(cohorts[i].value)) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    free(cohorts);
    return rc;
}

/* Its keys, by the list of all: a member has few, and this is not read often. */
static int keys_of(struct hark_space *space, uint32_t ordinal, json_t *list, struct hark_err *err)
{
    struct hark_key_object key;
    uint64_t count = 0;
    int rc = hark_cmd_section_count(space, HARK_SECTION_KEY, &count, err);

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = hark_state_key(hark_space_state(space), i, &key, err);
        if (rc < 0 || key.of != HARK_KEY_OF_MEMBER || key.owner != ordinal)
            continue;
        if (json_array_append_new(list, json_pack("{s:o, s:I, s:o}", "key",
                                                  hark_out_hex(key.key.bytes, HARK_KEY_SIZE),
                                                  "since", (json_int_t)key.since, "until",
                                                  hark_out_position(key.until))) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    return rc;
}

/* How the member came: the admit's payload. */
static int admit_json(struct hark_space *space, uint64_t position, const char **source,
                      json_t **payload, struct hark_hash *id, struct hark_err *err)
{
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(space), position, &row, err);

    *payload = NULL;
    *source = NULL;
    *id = row.id;
    if (rc == 0)
        rc = hark_space_payload_json(space, &row, payload, err);
    if (rc == 0)
        *source = json_string_value(json_object_get(*payload, "source"));
    return rc;
}

/* Who the member is in a community, in a private group. */
static int showing_json(struct hark_node *node, struct hark_space *space, uint32_t ordinal,
                        json_t **out, struct hark_err *err)
{
    struct hark_space *community = NULL;
    struct hark_shown shown;
    char name[HARK_NAME_SIZE] = "";
    bool any = false;
    int rc = hark_shown_find(node, space, ordinal, &any, &shown, err);

    *out = json_null();
    if (rc < 0 || !any)
        return rc;
    if (shown.as == HARK_SHOWN_MEMBER) {
        rc = hark_node_space(node, &shown.showing.community, &community, err);
        if (rc == 0)
            rc = hark_index_member_name(hark_space_view(community), shown.member, name,
                                        sizeof(name), err);
    }
    if (rc == 0)
        *out = json_pack("{s:o, s:o, s:s, s:o, s:o}", "community",
                         hark_out_hex(shown.showing.community.bytes, HARK_HASH_SIZE), "key",
                         hark_out_hex(shown.showing.key.bytes, HARK_KEY_SIZE), "as",
                         hark_shown_name(shown.as), "member",
                         shown.as == HARK_SHOWN_MEMBER ? json_integer((json_int_t)shown.member)
                                                       : json_null(),
                         "name", name[0] != '\0' ? hark_out_text(name) : json_null());
    return rc == 0 && *out == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer")
                                   : rc;
}

static int member_json(struct hark_node *node, struct hark_space *space, uint32_t ordinal,
                       bool with_keys, json_t **out, struct hark_err *err)
{
    struct hark_member_object member;
    json_t *cohorts = NULL, *payload = NULL, *showing = NULL;
    char name[HARK_NAME_SIZE];
    const char *source = NULL;
    struct hark_hash id = {0};
    int rc = hark_state_member(hark_space_state(space), ordinal, &member, err);

    *out = NULL;
    if (rc == 0)
        rc = hark_index_member_name(hark_space_view(space), ordinal, name, sizeof(name), err);
    if (rc == 0)
        rc = admit_json(space, member.admit, &source, &payload, &id, err);
    if (rc == 0)
        rc = cohorts_of(space, ordinal, &cohorts, err);
    if (rc == 0)
        rc = showing_json(node, space, ordinal, &showing, err);
    if (rc == 0) {
        *out = json_pack("{s:s, s:I, s:o, s:s, s:s, s:o, s:o, s:I, s:O, s:O}", "format",
                         "hark/member/1", "member", (json_int_t)ordinal, "name",
                         name[0] != '\0' ? hark_out_text(name) : json_null(), "role",
                         hark_cmd_role_name(member.role), "status",
                         hark_cmd_status_name(member.status), "source",
                         source != NULL ? json_string(source) : json_null(), "admit",
                         hark_out_hex(id.bytes, HARK_HASH_SIZE), "position",
                         (json_int_t)member.admit, "cohorts", cohorts, "showing", showing);
        if (*out == NULL || (with_keys && json_object_set_new(*out, "keys", json_array()) != 0))
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    if (rc == 0 && with_keys)
        rc = keys_of(space, ordinal, json_object_get(*out, "keys"), err);
    json_decref(cohorts);
    json_decref(showing);
    json_decref(payload);
    return rc;
}

static void print_cohorts(FILE *out, json_t *cohorts)
{
    const char *dimension;
    json_t *value;

    json_object_foreach(cohorts, dimension, value)
    {
        (void)fputc(' ', out);
        hark_print_line(out, dimension);
        (void)fputc('=', out);
        hark_print_line(out, json_string_value(value));
    }
}

static void print_showing(FILE *out, const json_t *showing)
{
    const char *name = json_string_value(json_object_get(showing, "name"));
    const char *as = json_string_value(json_object_get(showing, "as"));

    if (as == NULL)
        return;
    (void)fputs("  is ", out);
    hark_print_line(out, name != NULL ? name : "-");
    (void)fprintf(out, " of %.12s (%s)", json_string_value(json_object_get(showing, "community")),
                  as);
}

static void print_member(struct hark_cmd *cmd, const json_t *member)
{
    const char *name = json_string_value(json_object_get(member, "name"));

    (void)fprintf(cmd->out, "%6" JSON_INTEGER_FORMAT "  %-6s  %-7s  ",
                  json_integer_value(json_object_get(member, "member")),
                  json_string_value(json_object_get(member, "role")),
                  json_string_value(json_object_get(member, "status")));
    hark_print_line(cmd->out, name != NULL ? name : "-");
    print_cohorts(cmd->out, json_object_get(member, "cohorts"));
    print_showing(cmd->out, json_object_get(member, "showing"));
    (void)fputc('\n', cmd->out);
}

static int member_ls(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    uint64_t count = 0;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_section_count(space, HARK_SECTION_MEMBER, &count, err);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        json_t *json = NULL;

        rc = member_json(cmd->node, space, i, false, &json, err);
        if (rc == 0 && cmd->globals.json) {
            rc = hark_print_json(cmd->out, json, err);
            continue;
        }
        if (rc == 0)
            print_member(cmd, json);
        json_decref(json);
    }
    return rc;
}

static int member_show(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    uint32_t ordinal = 0;
    json_t *json = NULL, *key;
    size_t i;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_member(space, cmd->argv[1], &ordinal, err);
    if (rc == 0)
        rc = member_json(cmd->node, space, ordinal, true, &json, err);
    if (rc < 0) {
        json_decref(json);
        return rc;
    }
    if (cmd->globals.json)
        return hark_print_json(cmd->out, json, err);
    print_member(cmd, json);
    (void)fprintf(cmd->out, "        came as %s, entry %s\n",
                  json_is_string(json_object_get(json, "source"))
                      ? json_string_value(json_object_get(json, "source"))
                      : "-",
                  json_string_value(json_object_get(json, "admit")));
    json_array_foreach(json_object_get(json, "keys"), i, key)
    {
        (void)fprintf(cmd->out, "        key %s%s\n",
                      json_string_value(json_object_get(key, "key")),
                      json_is_null(json_object_get(key, "until")) ? "" : " (ended)");
    }
    json_decref(json);
    return 0;
}

/* What role and remove share: staff ask, the steward acts. `second` is the role
 * or the reason (may be NULL). */
static int change(struct hark_cmd *cmd, const char *kind, const char *field, const char *second,
                  struct hark_err *err)
{
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged;
    uint32_t ordinal = 0;
    json_t *fields = NULL;
    int rc = hark_cmd_space(cmd, &space, err);

    if (rc == 0)
        rc = hark_cmd_member(space, cmd->argv[1], &ordinal, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, true, &person, err);
    if (rc == 0) {
        fields = json_pack("{s:I}", "member", (json_int_t)ordinal);
        if (second != NULL && json_object_set_new(fields, field, hark_out_text(second)) != 0) {
            json_decref(fields);
            fields = NULL;
        }
        rc = hark_cmd_steward(cmd, space, &person.author, kind, kind, fields, &logged, err);
    }
    if (rc == 0)
        rc = hark_cmd_print_logged(cmd, space, kind, &logged,
                                   json_pack("{s:I}", "member", (json_int_t)ordinal), err);
    hark_author_free(&person.author);
    return rc;
}

static int member_role(struct hark_cmd *cmd, struct hark_err *err)
{
    int rc = hark_cmd_options(cmd, NULL, 0, 2, 2, err);

    if (rc == 0 && strcmp(cmd->argv[2], "member") != 0 && strcmp(cmd->argv[2], "staff") != 0)
        rc = hark_err_set(err, HARK_E_USAGE, "a role is member or staff, not %.64s", cmd->argv[2]);
    return rc < 0 ? rc : change(cmd, "role", "role", cmd->argv[2], err);
}

static int member_remove(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *reason = NULL;
    const struct hark_option options[] = {{.name = "reason", .value = &reason}};
    int rc = hark_cmd_options(cmd, options, 1, 1, 1, err);

    return rc < 0 ? rc : change(cmd, "remove", "reason", reason, err);
}

int hark_cmd_members(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {
        {"ls", member_ls}, {"show", member_show}, {"role", member_role}, {"remove", member_remove}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), NULL, err);
}
