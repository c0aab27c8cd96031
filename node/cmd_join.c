/*
 * hark join: becoming a member with a ticket. At the space's home, which holds the
 * steward's key, the new member's key is made and kept there; from anywhere else the
 * home is asked over the network (cmd_join_net.c), from a node that is made for it when
 * there is none yet.
 */
#include "node/cmd_join.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/files.h"
#include "node/office.h"
#include "node/sealing.h"

#define LABEL_TRIES   8
#define TIMEOUT_S     30u
#define TIMEOUT_MAX_S 86400u
#define ANSWERS_MAX   (16u * 1024u)

/* --- the ticket and what the joiner says ------------------------------------------- */

int hark_joining_expired(const struct hark_joining *join, struct hark_err *err)
{
    char until[HARK_TIME_SIZE + 1];

    if (hark_now_ms() <= join->ticket.until_ms)
        return 0;
    hark_time_encode(until, join->ticket.until_ms);
    return hark_err_set(err, HARK_E_TICKET_EXPIRED, "this ticket was good until %s", until);
}

/* There are no questions of a space's own yet; what a joiner may say of
 * themselves is "about". */
static int take_answers(const json_t *answers, const char *path, struct hark_joining *join,
                        struct hark_err *err)
{
    const json_t *about = json_object_get(answers, "about");

    if (!json_is_object(answers))
        return hark_err_set(err, HARK_E_USAGE, "%s is not one JSON object", path);
    if (json_object_size(answers) > (json_is_string(about) ? 1u : 0u))
        return hark_err_set(err, HARK_E_USAGE, "%s answers no question; \"about\" (text) does",
                            path);
    if (about == NULL)
        return 0;
    if (json_string_length(about) > HARK_JOIN_ABOUT_MAX)
        return hark_err_set(err, HARK_E_USAGE, "%s: \"about\" is more than %u bytes", path,
                            HARK_JOIN_ABOUT_MAX);
    memcpy(join->about, json_string_value(about), json_string_length(about) + 1);
    return 0;
}

static int read_answers(struct hark_cmd *cmd, const char *file, struct hark_joining *join,
                        struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(ANSWERS_MAX);
    char path[HARK_PATH_MAX];
    json_t *answers = NULL;
    int rc = hark_cmd_path(cmd, file, path, err);

    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    if (rc == 0) {
        answers = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
        rc = take_answers(answers, path, join, err);
    }
    json_decref(answers);
    hark_buf_free(&text);
    return rc;
}

static int prepare(struct hark_cmd *cmd, struct hark_joining *join, struct hark_err *err)
{
    const char *answers = NULL, *timeout = NULL;
    const struct hark_option options[] = {{.name = "name", .value = &join->name},
                                          {.name = "answers", .value = &answers},
                                          {.name = "show", .value = &join->show},
                                          {.name = "timeout", .value = &timeout}};
    uint64_t timeout_s = TIMEOUT_S;
    int rc = hark_cmd_options(cmd, options, 4, 1, 1, err);

    if (rc == 0)
        rc = hark_ticket_decode(&join->ticket, hark_span_str(cmd->argv[1]), HARK_TICKET_INVITATION,
                                err);
    if (rc == 0 && (join->name == NULL || join->name[0] == '\0'))
        rc = hark_err_set(err, HARK_E_USAGE, "join wants the --name by which you go");
    if (rc == 0 && strlen(join->name) > HARK_JOIN_NAME_MAX)
        rc = hark_err_set(err, HARK_E_USAGE, "a name has %u bytes at most", HARK_JOIN_NAME_MAX);
    if (rc == 0 && timeout != NULL)
        rc = hark_cmd_number(timeout, TIMEOUT_MAX_S, "--timeout", &timeout_s, err);
    join->timeout_ms = timeout_s * 1000;
    if (rc == 0)
        rc = hark_ticket_keys(join->ticket.secret, &join->ticket_key, NULL, err);
    if (rc == 0 && answers != NULL)
        rc = read_answers(cmd, answers, join, err);
    return rc;
}

/* --- terms (PROTOCOL.md 8.2, 14) --------------------------------------------------- */

static void show_field(FILE *out, const char *label, const char *text)
{
    (void)fprintf(out, "  %-12s ", label);
    hark_print_line(out, text[0] != '\0' ? text : "-");
    (void)fputc('\n', out);
}

void hark_joining_show_terms(struct hark_cmd *cmd, const struct hark_terms *terms)
{
    if (cmd->globals.quiet)
        return;
    (void)fputs("You are joining:\n", cmd->err);
    show_field(cmd->err, "title", terms->title);
    show_field(cmd->err, "objective", terms->question);
    show_field(cmd->err, "decided by", terms->owner);
    show_field(cmd->err, "until", terms->until);
    show_field(cmd->err, "mode", hark_mode_name(terms->mode));
    (void)fprintf(cmd->err, "  %-12s ", "copies at");
    for (size_t i = 0; i < terms->node_count; i++)
        (void)fprintf(cmd->err, "%s%s", i > 0 ? ", " : "", terms->nodes[i].name);
    (void)fputs(
        "\nVotes are visible to the other members.\n"
        "For ever: your key, your number, when you wrote, what kind of entry it was, what it\n"
        "was about and how long. Erasable: every word you write, your name, your cohorts, the\n"
        "choice in your votes. Nobody can promise that who could read it kept no copy.\n",
        cmd->err);
}

/* --- a key ------------------------------------------------------------------------- */

/* A label after the name where that does as one; else out of thin air. */
static int make_key(struct hark_cmd *cmd, struct hark_joining *join, struct hark_err *err)
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

void hark_joining_drop_key(struct hark_cmd *cmd, const struct hark_joining *join)
{
    char people[HARK_PATH_MAX], path[HARK_PATH_MAX];

    if (join->made_key && hark_path_join(people, cmd->node->dir, "keys/people", NULL) == 0 &&
        hark_path_join(path, people, join->label, NULL) == 0)
        (void)unlink(path);
}

/* With --as, and with --show, a person whose key is here already joins another space. */
int hark_joining_take_key(struct hark_cmd *cmd, struct hark_joining *join, struct hark_err *err)
{
    struct hark_space *community = NULL;
    struct hark_person person = {0};
    int rc = 0;

    if (cmd->globals.as != NULL) {
        hark_copy_text(join->label, sizeof(join->label), cmd->globals.as);
    } else if (join->show != NULL) {
        rc = hark_node_pick_space(cmd->node, join->show, &community, err);
        if (rc == 0)
            rc = hark_cmd_as(cmd, community, false, &person, err);
        hark_copy_text(join->label, sizeof(join->label), person.label);
        hark_author_free(&person.author);
    } else {
        rc = make_key(cmd, join, err);
    }
    return rc < 0 ? rc
                  : hark_node_person(cmd->node, &join->ticket.spaces[0], join->label, &join->joiner,
                                     join->label, err);
}

int hark_joining_show(struct hark_cmd *cmd, struct hark_joining *join, struct hark_err *err)
{
    const struct hark_showing_place place = {.group = join->ticket.spaces[0],
                                             .member = *hark_signer_key(join->joiner.sign)};
    struct hark_space *community = NULL;
    struct hark_person person = {0};
    int rc;

    if (join->show == NULL || join->shows)
        return 0;
    if (join->terms.mode == HARK_MODE_OPEN)
        return hark_err_set(err, HARK_E_USAGE,
                            "in an open space everybody would see which two keys are one person's");
    rc = hark_node_pick_space(cmd->node, join->show, &community, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, community, false, &person, err);
    if (rc == 0)
        rc = hark_showing_make(&join->showing, &place, hark_space_id(community), person.author.sign,
                               err);
    join->shows = rc == 0;
    hark_author_free(&person.author);
    return rc;
}

/* --- what is said and signed ------------------------------------------------------- */

int hark_joining_request(const struct hark_joining *join, struct hark_join_request *request,
                         struct hark_err *err)
{
    memset(request, 0, sizeof(*request));
    request->space = join->ticket.spaces[0];
    request->terms = join->terms.hash;
    request->box = *hark_box_key(join->joiner.box);
    memcpy(request->name, join->name, strlen(join->name) + 1);
    memcpy(request->about, join->about, sizeof(request->about));
    request->has_showing = join->shows;
    request->showing = join->showing;
    return hark_join_request_sign(request, join->joiner.sign, join->ticket_key, err);
}

json_t *hark_joining_profile(const struct hark_joining *join)
{
    json_t *profile = json_pack("{s:s}", "name", join->name), *showing = NULL;

    if (profile != NULL &&
        ((join->about[0] != '\0' &&
          json_object_set_new(profile, "about", json_string(join->about)) != 0) ||
         (join->shows && (hark_showing_write(&join->showing, &showing, NULL) < 0 ||
                          json_object_set_new(profile, "showing", showing) != 0)))) {
        json_decref(profile);
        return NULL;
    }
    return profile;
}

int hark_joining_print(struct hark_cmd *cmd, const struct hark_joining *join,
                       struct hark_space *space, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_member_object member = {0};
    struct hark_logged logged = {0};
    struct hark_row row = {0};
    struct hark_key_object key = {0};
    char hex[HARK_HEX_SIZE], id[HARK_HEX_SIZE];
    uint32_t number = 0;
    bool found = false;
    int rc = hark_state_find_key(state, hark_signer_key(join->joiner.sign), &found, &number, err);

    if (rc == 0 && !found)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "%s is no member of this space", join->label);
    if (rc == 0)
        rc = hark_state_key(state, number, &key, err);
    if (rc == 0)
        rc = hark_state_member(state, key.owner, &member, err);
    if (rc == 0)
        rc = hark_index_row(hark_space_index(space), member.admit, &row, err);
    if (rc < 0)
        return rc;
    logged.position = row.position;
    logged.id = row.id;
    hark_key_hex(hex, &key.key);
    hark_hash_hex(id, hark_space_id(space));
    if (cmd->globals.json)
        return hark_cmd_print_logged(cmd, space, "admit", &logged,
                                     json_pack("{s:I, s:s, s:s, s:o, s:s}", "member",
                                               (json_int_t)key.owner, "key", hex, "label",
                                               join->label, "name", hark_out_text(join->name),
                                               "role", hark_cmd_role_name(member.role)),
                                     err);
    if (cmd->globals.quiet) {
        (void)fprintf(cmd->out, "%s\n", hex);
        return 0;
    }
    (void)fprintf(cmd->out, "member %u of space %.12s, key %s\n", (unsigned)key.owner, id, hex);
    (void)fprintf(cmd->out, "write with --as %s\n", join->label);
    return 0;
}

/* --- at the home -------------------------------------------------------------------- */

/* Is this node the home, with the steward's key? */
static int can_admit(struct hark_cmd *cmd, const struct hark_joining *join,
                     struct hark_space **space, bool *can, struct hark_err *err)
{
    struct hark_author steward = {0};
    int rc = hark_node_space(cmd->node, &join->ticket.spaces[0], space, err);

    *can = false;
    if (rc == 0 && hark_node_is_home(cmd->node, *space))
        rc = hark_steward_held(cmd->node, *space, &steward, err);
    else if (rc == 0)
        return 0;
    hark_author_free(&steward);
    *can = rc == 0;
    return rc == HARK_E_NOT_FOUND ? 0 : rc;
}

static int own_terms(struct hark_space *space, struct hark_terms *out, struct hark_err *err)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    int rc = hark_join_terms(space, &body, err);

    if (rc == 0)
        rc = hark_join_read_terms(hark_space_id(space), hark_buf_span(&body), out, err);
    hark_buf_free(&body);
    return rc;
}

static int write_profile(struct hark_cmd *cmd, struct hark_joining *join, struct hark_space *space,
                         struct hark_err *err)
{
    struct hark_draft draft = {.kind = "profile", .with_seen = true};
    int rc;

    draft.fields = hark_joining_profile(join);
    if (draft.fields == NULL)
        return hark_err_set(err, HARK_E_USAGE, "the name is not UTF-8");
    rc = hark_author_add(cmd->node, space, &join->joiner, &draft, NULL, err);
    json_decref(draft.fields);
    return rc;
}

/* Everything in one batch, where it can be. */
static int admit(struct hark_cmd *cmd, struct hark_joining *join, struct hark_space *space,
                 struct hark_err *err)
{
    struct hark_join_request *request = malloc(sizeof(*request));
    struct hark_logged admitted;
    bool told = false;
    int rc = request == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request")
                             : hark_joining_request(join, request, err);

    if (rc == 0)
        rc = hark_space_begin(space, err);
    if (rc == 0) {
        rc = hark_join_add(cmd->node, space, request, &admitted, err);
        /* What is sealed can only be so once the key is in force. */
        if (rc == 0 && hark_state_is_encrypted(hark_space_state(space)))
            rc = hark_space_commit(space, cmd->node->identity.log, hark_now_ms(), err);
        if (rc == 0 && hark_state_is_encrypted(hark_space_state(space)))
            rc = hark_space_begin(space, err);
        if (rc == 0)
            rc = write_profile(cmd, join, space, err);
        rc = hark_cmd_commit(cmd, space, rc, false, err);
    }
    if (rc == 0 && cmd->net == NULL) /* a daemon does it by itself */
        rc = hark_steward_tend(cmd->node, space, &told, err);
    free(request);
    return rc;
}

static int join_here(struct hark_cmd *cmd, struct hark_joining *join, struct hark_space *space,
                     struct hark_err *err)
{
    int rc = hark_join_check_ticket(space, hark_signer_key(join->ticket_key), NULL, err);

    if (rc == 0)
        rc = own_terms(space, &join->terms, err);
    if (rc < 0)
        return rc;
    hark_joining_show_terms(cmd, &join->terms);
    rc = hark_joining_take_key(cmd, join, err);
    if (rc == 0)
        rc = hark_joining_show(cmd, join, err);
    if (rc == 0)
        rc = admit(cmd, join, space, err);
    /* The key of a refused join is of no use. After any other failure it stays:
     * the batch that names it may be in git, whatever came after. */
    if (hark_err_exit(rc) == 3 && !cmd->changed)
        hark_joining_drop_key(cmd, join);
    return rc < 0 ? rc : hark_joining_print(cmd, join, space, err);
}

/* --- a node for who has none --------------------------------------------------------- */

/* It listens nowhere and is named by its key: a node's name stands in logs for ever, so
 * it is never a person's. */
static int make_node(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_config *config = calloc(1, sizeof(*config));
    char hex[HARK_HEX_SIZE];
    int rc;

    if (config == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a configuration");
    memcpy(config->name, "member", 7);
    config->accept_per_minute = HARK_ACCEPT_PER_MINUTE;
    rc = hark_node_make(cmd->globals.dir, config, (struct hark_span){0}, err);
    hark_config_free(config);
    if (rc == 0)
        rc = hark_node_open_unfinished(&cmd->node, cmd->globals.dir, err);
    if (rc != 0)
        return rc;
    hark_key_hex(hex, hark_signer_key(cmd->node->identity.log));
    (void)snprintf(cmd->node->config->name, sizeof(cmd->node->config->name), "member-%.8s", hex);
    rc = hark_node_save_config(cmd->node, err);
    return rc < 0 ? rc : hark_node_finish(cmd->globals.dir, err);
}

int hark_cmd_join(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_joining *join = calloc(1, sizeof(*join));
    struct hark_space *space = NULL;
    bool here = false;
    int rc;

    if (join == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for joining");
    rc = prepare(cmd, join, err);
    if (rc == 0 && cmd->node == NULL) {
        rc = hark_joining_expired(join, err);
        if (rc == 0)
            rc = make_node(cmd, err);
    }
    if (rc == 0)
        rc = can_admit(cmd, join, &space, &here, err);
    if (rc == 0 && here)
        rc = join_here(cmd, join, space, err);
    else if (rc == 0)
        rc = hark_joining_over_network(cmd, join, err);
    hark_ticket_wipe(&join->ticket);
    hark_signer_free(join->ticket_key);
    hark_author_free(&join->joiner);
    free(join);
    return rc;
}
