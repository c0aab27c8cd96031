/*
 * hark group: private groups, which are encrypted spaces of their own. What is done in one is
 * done with the same verbs as anywhere else.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/office.h"
#include "node/sealing.h"
#include "node/shown.h"

#define TITLE_MAX   200u
#define PURPOSE_MAX 1000u
#define NAME_MAX    100u
#define YEAR_MS     (UINT64_C(365) * 24 * 3600 * 1000)

/* --- new -------------------------------------------------------------------------------- */

struct founding {
    const char *title, *purpose, *until, *name, *history, *mode, *community, *show;
    struct hark_hash of;       /* the community */
    struct hark_person person; /* the founder there */
    uint8_t as;                /* the mode */
    char label[HARK_LABEL_MAX + 1];
    char in_a_year[HARK_TIME_SIZE + 1];
};

static int check_text(const char *what, const char *text, size_t max, struct hark_err *err)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > max ||
        !hark_utf8_valid(hark_span_str(text)))
        return hark_err_set(err, HARK_E_USAGE, "a group wants %s, 1 to %zu bytes of UTF-8", what,
                            max);
    return 0;
}

/* Whose group it is: a person of this node, the first one if there is none yet. */
static int find_founder(struct hark_cmd *cmd, struct founding *founding, struct hark_err *err)
{
    const struct hark_hash nowhere = {{0}};
    struct hark_author author = {0};
    int rc = hark_node_person(cmd->node, &nowhere, cmd->globals.as, &author, founding->label, err);

    hark_author_free(&author);
    if (rc == HARK_E_NOT_FOUND && cmd->globals.as == NULL) {
        rc = hark_node_new_person(cmd->node, "owner", err);
        memcpy(founding->label, "owner", 6);
    }
    if (founding->name == NULL)
        founding->name = founding->label;
    return rc;
}

static int read_mode(struct founding *founding, struct hark_err *err)
{
    if (founding->mode == NULL)
        founding->mode = hark_mode_name(HARK_MODE_SEALED);
    for (int mode = HARK_MODE_OPEN; mode <= HARK_MODE_SEALED; mode++)
        if (strcmp(founding->mode, hark_mode_name((uint8_t)mode)) == 0)
            founding->as = (uint8_t)mode;
    if (strcmp(founding->mode, hark_mode_name(founding->as)) != 0)
        return hark_err_set(err, HARK_E_USAGE, "--mode is sealed, entrusted or open");
    if (founding->as == HARK_MODE_OPEN && founding->history != NULL)
        return hark_err_set(err, HARK_E_USAGE, "in an open group everybody reads everything");
    return 0;
}

/* The founder is a member there, and may found groups. */
static int read_community(struct hark_cmd *cmd, struct founding *founding, struct hark_err *err)
{
    struct hark_space *community = NULL;
    int rc;

    if (founding->show != NULL &&
        (founding->community == NULL ||
         (strcmp(founding->show, "must") != 0 && strcmp(founding->show, "asked") != 0)))
        return hark_err_set(err, HARK_E_USAGE, "--show is must or asked, of a --community");
    if (founding->community == NULL)
        return find_founder(cmd, founding, err);
    if (founding->as == HARK_MODE_OPEN)
        return hark_err_set(err, HARK_E_USAGE,
                            "in an open group everybody would see who is who in the community");
    rc = hark_node_pick_space(cmd->node, founding->community, &community, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, community, false, &founding->person, err);
    if (rc == 0)
        rc = hark_shown_may_found(community, founding->person.member.role, err);
    if (rc < 0)
        return rc;
    founding->of = *hark_space_id(community);
    memcpy(founding->label, founding->person.label, sizeof(founding->label));
    if (founding->name == NULL)
        founding->name = founding->label;
    return 0;
}

static int read_founding(struct hark_cmd *cmd, struct founding *founding, struct hark_err *err)
{
    const struct hark_option options[] = {{.name = "purpose", .value = &founding->purpose},
                                          {.name = "until", .value = &founding->until},
                                          {.name = "name", .value = &founding->name},
                                          {.name = "history", .value = &founding->history},
                                          {.name = "mode", .value = &founding->mode},
                                          {.name = "community", .value = &founding->community},
                                          {.name = "show", .value = &founding->show}};
    uint64_t until_ms = 0;
    int rc = hark_cmd_options(cmd, options, 7, 1, 1, err);

    if (rc < 0)
        return rc;
    founding->title = cmd->argv[1];
    if (founding->until == NULL) {
        hark_time_encode(founding->in_a_year, hark_now_ms() + YEAR_MS);
        founding->in_a_year[10] = '\0';
        founding->until = founding->in_a_year;
    }
    rc = check_text("a title", founding->title, TITLE_MAX, err);
    if (rc == 0)
        rc = check_text("a --purpose", founding->purpose, PURPOSE_MAX, err);
    if (rc == 0)
        rc = strlen(founding->until) == 10
                 ? hark_cmd_time(founding->until, true, &until_ms, err)
                 : hark_err_set(err, HARK_E_USAGE, "--until wants a date such as 2026-11-21");
    if (rc == 0 && founding->history != NULL && strcmp(founding->history, "none") != 0 &&
        strcmp(founding->history, "all") != 0)
        rc = hark_err_set(err, HARK_E_USAGE, "--history is none or all");
    if (rc == 0)
        rc = read_mode(founding, err);
    if (rc == 0)
        rc = read_community(cmd, founding, err);
    return rc == 0 ? check_text("a --name", founding->name, NAME_MAX, err) : rc;
}

static int group_new(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_founding as = {0};
    struct founding founding = {0};
    char id[HARK_HEX_SIZE];
    struct hark_hash space;
    int rc = read_founding(cmd, &founding, err);

    if (rc < 0) {
        hark_author_free(&founding.person.author);
        return rc;
    }
    if (founding.community != NULL) {
        as.community = &founding.of;
        as.must = founding.show != NULL && strcmp(founding.show, "must") == 0;
        as.shower = founding.person.author.sign;
    }
    as.mode = founding.as;
    as.label = founding.label;
    as.title = founding.title;
    as.question = founding.purpose;
    as.owner = founding.name;
    as.until = founding.until;
    as.history = founding.history != NULL && strcmp(founding.history, "all") == 0;
    rc = hark_found(cmd->node, &as, &space, err);
    hark_author_free(&founding.person.author);
    if (rc < 0)
        return rc;
    cmd->changed = true;
    hark_hash_hex(id, &space);
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:o, s:s}", "format", "hark/group/1", "id", id,
                                         "title", hark_out_text(founding.title), "mode",
                                         founding.mode),
                               err);
    (void)fprintf(cmd->out, "%s\n", id);
    if (!cmd->globals.quiet)
        (void)fprintf(cmd->err,
                      "`hark -s %.12s invite` gives out a ticket; `hark -s %.12s partner add` and\n"
                      "`home move` give the log to a node that is always up and %s\n",
                      id, id,
                      founding.as == HARK_MODE_SEALED      ? "cannot read it"
                      : founding.as == HARK_MODE_ENTRUSTED ? "reads it as a member of the group"
                                                           : "reads it like everybody");
    return 0;
}

/* --- leave, close ------------------------------------------------------------------------- */

/* Whoever holds the office would make the keys of a group that they have left. */
static int may_leave(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err)
{
    struct hark_author steward = {0};
    uint64_t by_role[2] = {0}, here = 0;
    int rc = hark_steward_held(cmd->node, space, &steward, err);

    hark_author_free(&steward);
    if (rc == HARK_E_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = hark_index_active(hark_space_index(space), by_role, err);
    if (rc == 0)
        rc = hark_node_count_keys(cmd->node, space, &here, err);
    if (rc == 0 && here <= 1 && by_role[0] + by_role[1] > here) {
        rc = hark_err_set(err, HARK_E_USAGE, "this node lets people in and out of the group");
        hark_err_hint(err, "hand that over first: `hark key steward >offer` at a member's node, "
                           "`hark key handover offer` here; or `hark group close`");
    }
    return rc;
}

static int group_leave(struct hark_cmd *cmd, struct hark_err *err)
{
    const struct hark_draft draft = {.kind = "leave", .with_seen = true};
    bool answered = false;
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, false, &person, err);
    if (rc == 0)
        rc = may_leave(cmd, space, err);
    if (rc == 0)
        rc = hark_cmd_write(cmd, space, &person.author, &draft, err);
    if (rc == 0 && cmd->net == NULL) /* a daemon does it by itself */
        rc = hark_steward_tend(cmd->node, space, &answered, err);
    hark_author_free(&person.author);
    return rc;
}

static int group_close(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, true, &person, err);
    if (rc == 0)
        rc = hark_author_begin(cmd->node, space, err);
    if (rc == 0) {
        rc = hark_steward_act(cmd->node, space, &person.author, "close", "close", NULL, &logged,
                              err);
        rc = hark_cmd_commit(cmd, space, rc, false, err);
    }
    if (rc == 0)
        rc = hark_cmd_print_logged(cmd, space, "close", &logged, NULL, err);
    hark_author_free(&person.author);
    return rc;
}

/* --- ls ------------------------------------------------------------------------------------- */

static int show_group(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err)
{
    const struct hark_space_object *object = hark_state_space_object(hark_space_state(space));
    struct hark_inside *inside = NULL;
    json_t *charter = NULL, *purpose;
    const char *title;
    uint64_t by_role[2] = {0}, members;
    char id[HARK_HEX_SIZE];
    int rc = hark_node_inside(cmd->node, space, &inside, err);

    if (rc == 0)
        rc = hark_index_active(hark_space_index(space), by_role, err);
    if (rc == 0)
        rc = hark_cmd_charter(space, &charter, err);
    if (rc < 0)
        return rc;
    members = by_role[0] + by_role[1];
    hark_hash_hex(id, hark_space_id(space));
    title = json_string_value(json_object_get(charter, "title"));
    purpose = json_object_get(json_object_get(charter, "objective"), "question");
    if (cmd->globals.json) {
        rc = hark_print_json(
            cmd->out,
            json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:b}", "format", "hark/group/1", "id", id,
                      "title", title != NULL ? hark_out_text(title) : json_null(), "purpose",
                      purpose != NULL ? json_incref(purpose) : json_null(), "mode",
                      hark_mode_name(object->mode), "members", (json_int_t)members, "closed",
                      object->closed != HARK_NONE),
            err);
    } else {
        (void)fprintf(cmd->out, "%.12s  %3llu members  ", id, (unsigned long long)members);
        hark_print_line(cmd->out, title != NULL ? title : "(no key here)");
        (void)fputs(object->closed != HARK_NONE ? "  (closed)\n" : "\n", cmd->out);
    }
    json_decref(charter);
    return rc;
}

/* With --member: of the community that -s names. */
static int find_whose(struct hark_cmd *cmd, const char *member, struct hark_space **community,
                      uint32_t *ordinal, struct hark_err *err)
{
    int rc = member != NULL ? hark_cmd_space(cmd, community, err) : 0;

    return rc == 0 && member != NULL ? hark_cmd_member(*community, member, ordinal, err) : rc;
}

static int group_ls(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *member = NULL;
    const struct hark_option options[] = {{.name = "member", .value = &member}};
    struct hark_space *community = NULL;
    struct hark_hash *ids = NULL;
    uint32_t ordinal = 0;
    size_t count = 0;
    int rc = hark_cmd_options(cmd, options, 1, 0, 0, err);

    if (rc == 0)
        rc = find_whose(cmd, member, &community, &ordinal, err);
    if (rc == 0)
        rc = hark_node_spaces(cmd->node, &ids, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct hark_space *space = NULL;
        bool shown;

        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        shown = rc == 0 && hark_state_size(hark_space_state(space)) > 0 &&
                hark_state_is_encrypted(hark_space_state(space));
        if (shown && community != NULL)
            rc = hark_cmd_group_has(cmd, space, community, ordinal, &shown, err);
        if (rc == 0 && shown)
            rc = show_group(cmd, space, err);
    }
    free(ids);
    return rc;
}

int hark_cmd_group(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {
        {"new", group_new},
        {"join", hark_cmd_join},
        {"leave", group_leave},
        {"close", group_close},
        {"ls", group_ls},
        {"check", hark_cmd_group_check},
        {"overlap", hark_cmd_group_overlap},
    };

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), NULL, err);
}
