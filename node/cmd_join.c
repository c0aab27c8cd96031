/*
 * hark join: becoming a member with a ticket, at the space's home, which holds
 * the steward's key and makes and keeps the new member's. Joining from another
 * node goes over the network and is not here yet.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "node/cmd_internal.h"
#include "node/files.h"

#define ANSWERS_MAX (16u * 1024u)
#define LABEL_TRIES 8

struct join {
    const char *name;
    struct hark_ticket ticket;
    struct hark_signer *ticket_key;
    struct hark_space *space;
    struct hark_ticket_object object;
    json_t *invitation; /* the invite's payload */
    json_t *answers;    /* NULL: none */
    struct hark_author joiner;
    char label[HARK_LABEL_MAX + 1];
    bool made_key;
    struct hark_logged admitted;
};

static void join_free(struct join *join)
{
    hark_ticket_wipe(&join->ticket);
    hark_signer_free(join->ticket_key);
    json_decref(join->invitation);
    json_decref(join->answers);
    hark_author_free(&join->joiner);
}

/* --- may this ticket be used here? ------------------------------------------------ */

static int not_here(struct hark_err *err)
{
    int rc = hark_err_set(err, HARK_E_ACCEPT_NOT_HERE,
                          "this node is not the home of the space that the ticket is for");
    hark_err_hint(err, "join at the home; joining over the network comes with a later version");
    return rc;
}

static int find_space(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    struct hark_author steward = {0};
    int rc = hark_node_space(cmd->node, &join->ticket.spaces[0], &join->space, err);

    if (rc == HARK_E_NOT_FOUND || (rc == 0 && !hark_node_is_home(cmd->node, join->space)))
        return not_here(err);
    if (rc == 0)
        rc = hark_node_steward(cmd->node, &join->ticket.spaces[0], &steward, err);
    hark_author_free(&steward);
    return rc == HARK_E_NOT_FOUND ? not_here(err) : rc;
}

/* T5 to T8, before a key is made or anything is signed. */
static int check_ticket(struct join *join, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(join->space);
    bool found = false;
    uint32_t number = 0;
    char until[HARK_TIME_SIZE + 1];
    int rc = hark_state_find_ticket(state, hark_signer_key(join->ticket_key), &found, &number, err);

    if (rc == 0 && found)
        rc = hark_state_ticket(state, number, &join->object, err);
    if (rc < 0)
        return rc;
    if (!found)
        return hark_err_set(err, HARK_E_TICKET_UNKNOWN, "the space has no such invitation");
    if (join->object.revoked != HARK_NONE)
        return hark_err_set(err, HARK_E_TICKET_REVOKED, "this ticket was revoked");
    if (hark_now_ms() > join->object.until_ms) {
        hark_time_encode(until, join->object.until_ms);
        return hark_err_set(err, HARK_E_TICKET_EXPIRED, "this ticket was good until %s", until);
    }
    if (join->object.used >= join->object.uses)
        return hark_err_set(err, HARK_E_TICKET_USED, "this ticket's %u use%s %s used up",
                            (unsigned)join->object.uses, join->object.uses == 1 ? "" : "s",
                            join->object.uses == 1 ? "is" : "are");
    return 0;
}

static int read_invitation(struct join *join, struct hark_err *err)
{
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(join->space), join->object.position, &row, err);

    if (rc == 0)
        rc = hark_space_payload_json(join->space, &row, &join->invitation, err);
    if (rc == 0 && join->invitation == NULL)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the invite's payload is not here");
    return rc;
}

/* There are no questions of a space's own yet; what a joiner may say of
 * themselves is "about". */
static int read_answers(struct hark_cmd *cmd, const char *file, struct join *join,
                        struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(ANSWERS_MAX);
    char path[HARK_PATH_MAX];
    const char *name;
    json_t *value;
    int rc = hark_cmd_path(cmd, file, path, err);

    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    if (rc == 0) {
        join->answers =
            json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(join->answers))
            rc = hark_err_set(err, HARK_E_USAGE, "%s is not one JSON object", path);
    }
    hark_buf_free(&text);
    if (rc < 0)
        return rc;
    json_object_foreach(join->answers, name, value)
    {
        if (strcmp(name, "about") != 0 || !json_is_string(value))
            return hark_err_set(err, HARK_E_USAGE,
                                "%s: \"%.64s\" answers no question; \"about\" (text) does", path,
                                name);
    }
    return 0;
}

static int prepare(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    const char *answers = NULL;
    const struct hark_option options[] = {{.name = "name", .value = &join->name},
                                          {.name = "answers", .value = &answers}};
    int rc = hark_cmd_options(cmd, options, 2, 1, 1, err);

    if (rc == 0)
        rc = hark_ticket_decode(&join->ticket, hark_span_str(cmd->argv[1]), HARK_TICKET_INVITATION,
                                err);
    if (rc == 0 && (join->name == NULL || join->name[0] == '\0'))
        rc = hark_err_set(err, HARK_E_USAGE, "join wants the --name by which you go");
    if (rc == 0)
        rc = find_space(cmd, join, err);
    if (rc == 0)
        rc = hark_ticket_keys(join->ticket.secret, &join->ticket_key, NULL, err);
    if (rc == 0)
        rc = check_ticket(join, err);
    if (rc == 0)
        rc = read_invitation(join, err);
    if (rc == 0 && answers != NULL)
        rc = read_answers(cmd, answers, join, err);
    return rc;
}

/* --- terms (PROTOCOL.md 8.2, 14) --------------------------------------------------- */

static void show_field(FILE *out, const char *label, const json_t *value)
{
    const char *text = json_string_value(value);

    (void)fprintf(out, "  %-12s ", label);
    hark_print_line(out, text != NULL ? text : "-");
    (void)fputc('\n', out);
}

static int show_nodes(FILE *out, struct hark_space *space, struct hark_err *err)
{
    struct hark_node_object node;
    uint64_t count = 0;
    const char *comma = "";
    int rc = hark_cmd_section_count(space, HARK_SECTION_NODE, &count, err);

    (void)fprintf(out, "  %-12s ", "copies at");
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = hark_state_node(hark_space_state(space), i, &node, err);
        if (rc == 0 && node.until == HARK_NONE) {
            (void)fprintf(out, "%s%s", comma, node.name);
            comma = ", ";
        }
    }
    (void)fputc('\n', out);
    return rc;
}

static int show_terms(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    json_t *charter = NULL;
    const json_t *objective;
    int rc;

    if (cmd->globals.quiet)
        return 0;
    rc = hark_cmd_charter(join->space, &charter, err);
    if (rc < 0)
        return rc;
    objective = json_object_get(charter, "objective");
    (void)fputs("You are joining:\n", cmd->err);
    show_field(cmd->err, "title", json_object_get(charter, "title"));
    show_field(cmd->err, "objective", json_object_get(objective, "question"));
    show_field(cmd->err, "decided by", json_object_get(objective, "owner"));
    show_field(cmd->err, "until", json_object_get(objective, "until"));
    show_field(cmd->err, "mode", json_object_get(charter, "mode"));
    json_decref(charter);
    rc = show_nodes(cmd->err, join->space, err);
    (void)fputs(
        "Votes are visible to the other members.\n"
        "For ever: your key, your number, when you wrote, what kind of entry it was, what it\n"
        "was about and how long. Erasable: every word you write, your name, your cohorts, the\n"
        "choice in your votes. Nobody can promise that who could read it kept no copy.\n",
        cmd->err);
    return rc;
}

/* --- a key ------------------------------------------------------------------------- */

/* A label after the name where that does as one; else out of thin air. */
static int make_key(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    uint8_t chance[4];
    char hex[9];
    int rc = HARK_E_EXISTS;

    for (int i = 0; i < LABEL_TRIES && rc == HARK_E_EXISTS; i++) {
        hark_random(chance, sizeof(chance));
        hark_hex_encode(hex, chance, sizeof(chance));
        if (!hark_label_valid(join->name))
            (void)snprintf(join->label, sizeof(join->label), "member-%s", hex);
        else if (i == 0)
            (void)snprintf(join->label, sizeof(join->label), "%.64s", join->name);
        else
            (void)snprintf(join->label, sizeof(join->label), "%.50s-%s", join->name, hex);
        rc = hark_node_new_person(cmd->node, join->label, err);
    }
    join->made_key = rc == 0;
    return rc;
}

static void drop_key(struct hark_cmd *cmd, const struct join *join)
{
    char people[HARK_PATH_MAX], path[HARK_PATH_MAX];

    if (join->made_key && hark_path_join(people, cmd->node->dir, "keys/people", NULL) == 0 &&
        hark_path_join(path, people, join->label, NULL) == 0)
        (void)unlink(path);
}

/* With --as a person whose key is here already joins another space. */
static int take_key(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    int rc = 0;

    if (cmd->globals.as == NULL)
        rc = make_key(cmd, join, err);
    if (rc < 0)
        return rc;
    return hark_node_person(cmd->node, hark_space_id(join->space),
                            join->made_key ? join->label : cmd->globals.as, &join->joiner,
                            join->label, err);
}

/* --- admission --------------------------------------------------------------------- */

static int admit(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    json_t *fields =
        json_pack("{s:s, s:s}", "role", hark_cmd_role_name(join->object.role), "source", "invited");
    int rc = fields == NULL
                 ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload")
                 : hark_join_fields(join->space, &join->joiner, join->ticket_key, fields, err);

    if (rc == 0)
        rc = hark_steward_act(cmd->node, join->space, NULL, NULL, "admit", fields, &join->admitted,
                              err);
    json_decref(fields);
    return rc;
}

/* What the ticket says its holders are to be put in. */
static int put_into_cohorts(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    json_t *cohorts = json_object_get(join->invitation, "cohorts"), *cohort;
    struct hark_draft draft = {.kind = "cohort", .re_count = 1};
    struct hark_author steward = {0};
    size_t i;
    int rc;

    if (json_array_size(cohorts) == 0)
        return 0;
    draft.re[0] = join->admitted.id;
    rc = hark_node_steward(cmd->node, hark_space_id(join->space), &steward, err);
    json_array_foreach(cohorts, i, cohort)
    {
        draft.fields = cohort;
        if (rc == 0)
            rc = hark_author_add(cmd->node, join->space, &steward, &draft, NULL, err);
    }
    hark_author_free(&steward);
    return rc;
}

static int write_profile(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    struct hark_draft draft = {.kind = "profile", .with_seen = true};
    json_t *about = json_object_get(join->answers, "about");
    int rc;

    draft.fields = json_pack("{s:s}", "name", join->name);
    if (draft.fields == NULL)
        return hark_err_set(err, HARK_E_USAGE, "the name is not UTF-8");
    rc = about != NULL && json_object_set(draft.fields, "about", about) != 0
             ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload")
             : hark_author_add(cmd->node, join->space, &join->joiner, &draft, NULL, err);
    json_decref(draft.fields);
    return rc;
}

static int print_joined(struct hark_cmd *cmd, struct join *join, struct hark_err *err)
{
    char key[HARK_HEX_SIZE], id[HARK_HEX_SIZE];
    unsigned ordinal = join->admitted.effect.member;

    hark_key_hex(key, hark_signer_key(join->joiner.sign));
    hark_hash_hex(id, hark_space_id(join->space));
    if (cmd->globals.json)
        return hark_cmd_print_logged(cmd, join->space, "admit", &join->admitted,
                                     json_pack("{s:I, s:s, s:s, s:o, s:s}", "member",
                                               (json_int_t)ordinal, "key", key, "label",
                                               join->label, "name", hark_out_text(join->name),
                                               "role", hark_cmd_role_name(join->object.role)),
                                     err);
    if (cmd->globals.quiet) {
        (void)fprintf(cmd->out, "%s\n", key);
        return 0;
    }
    (void)fprintf(cmd->out, "member %u of space %.12s, key %s\n", ordinal, id, key);
    (void)fprintf(cmd->out, "write with --as %s\n", join->label);
    return 0;
}

int hark_cmd_join(struct hark_cmd *cmd, struct hark_err *err)
{
    struct join join = {0};
    int rc = prepare(cmd, &join, err);

    if (rc == 0)
        rc = show_terms(cmd, &join, err);
    if (rc == 0)
        rc = take_key(cmd, &join, err);
    if (rc == 0)
        rc = hark_space_begin(join.space, err);
    if (rc == 0) {
        rc = admit(cmd, &join, err);
        if (rc == 0)
            rc = put_into_cohorts(cmd, &join, err);
        if (rc == 0)
            rc = write_profile(cmd, &join, err);
        rc = hark_cmd_commit(cmd, join.space, rc, false, err);
    }
    /* The key of a refused join is of no use. After any other failure it stays:
     * the batch that names it may be in git, whatever came after. */
    if (hark_err_exit(rc) == 3 && !cmd->changed)
        drop_key(cmd, &join);
    if (rc == 0)
        rc = print_joined(cmd, &join, err);
    join_free(&join);
    return rc;
}
