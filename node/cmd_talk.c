/*
 * Talking: topics, posts, ideas, revisions, votes, and what staff say for the
 * brand. Every text goes from the caller's arguments into a payload and nowhere
 * else.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"

#define TEXT_MAX HARK_STDIN_MAX

/* What all of them share: who writes where, about what, and the fields. */
struct talk {
    struct hark_space *space;
    struct hark_person person;
    struct hark_draft draft;
    json_t *fields;
    const char *re[HARK_ENTRY_RE_MAX];
    size_t re_count;
};

#define TALK_RE(talk)                                                                              \
    {                                                                                              \
        .name = "re", .list = (talk).re, .list_max = HARK_ENTRY_RE_MAX,                            \
        .list_count = &(talk).re_count                                                             \
    }

static void talk_free(struct talk *talk)
{
    hark_author_free(&talk->person.author);
    json_decref(talk->fields);
}

/* A field whose value is a person's text ("-": standard input). NULL: left out. */
static int add_text(struct hark_cmd *cmd, struct talk *talk, const char *name, const char *argument,
                    struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(TEXT_MAX);
    int rc = 0;

    if (argument == NULL)
        return 0;
    if (talk->fields == NULL)
        talk->fields = json_object();
    rc = hark_cmd_text(cmd, argument, &text, err);
    if (rc == 0 &&
        json_object_set_new(
            talk->fields, name,
            json_stringn(text.data != NULL ? (const char *)text.data : "", text.size)) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a text");
    hark_buf_free(&text);
    return rc;
}

/* Opens the space, finds who writes and what it is about. */
static int talk_begin(struct hark_cmd *cmd, struct talk *talk, const char *kind, bool staff,
                      struct hark_err *err)
{
    struct hark_row row;
    int rc = hark_cmd_space(cmd, &talk->space, err);

    if (rc == 0)
        rc = hark_cmd_as(cmd, talk->space, staff, &talk->person, err);
    talk->draft.kind = kind;
    talk->draft.with_seen = true;
    for (size_t i = 0; i < talk->re_count && rc == 0; i++) {
        rc = hark_cmd_row(talk->space, talk->re[i], &row, err);
        talk->draft.re[talk->draft.re_count++] = row.id;
    }
    return rc;
}

static int talk_write(struct hark_cmd *cmd, struct talk *talk, struct hark_err *err)
{
    talk->draft.fields = talk->fields;
    return hark_cmd_write(cmd, talk->space, &talk->person.author, &talk->draft, err);
}

/* --- members -------------------------------------------------------------------- */

int hark_cmd_topic(struct hark_cmd *cmd, struct hark_err *err)
{
    struct talk talk = {0};
    const struct hark_option options[] = {TALK_RE(talk)};
    int rc = hark_cmd_options(cmd, options, 1, 1, 2, err);

    if (rc == 0)
        rc = talk_begin(cmd, &talk, "topic", false, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "title", cmd->argv[1], err);
    if (rc == 0 && cmd->argc > 2)
        rc = add_text(cmd, &talk, "body", cmd->argv[2], err);
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}

/* post, and reply, which is a post about one thing. */
int hark_cmd_post(struct hark_cmd *cmd, struct hark_err *err)
{
    struct talk talk = {0};
    const struct hark_option options[] = {TALK_RE(talk)};
    bool reply = strcmp(cmd->argv[0], "reply") == 0;
    int rc = hark_cmd_options(cmd, options, 1, 1, 1, err);

    if (rc == 0 && (talk.re_count == 0 || (reply && talk.re_count > 1)))
        rc = hark_err_set(err, HARK_E_USAGE, "a %s wants %s--re ID: what it is about", cmd->argv[0],
                          reply ? "one " : "");
    if (rc == 0)
        rc = talk_begin(cmd, &talk, "post", false, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "body", cmd->argv[1], err);
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}

static int titled(struct hark_cmd *cmd, const char *kind, bool about_one, struct hark_err *err)
{
    struct talk talk = {0};
    const char *title = NULL;
    const struct hark_option options[] = {TALK_RE(talk), {.name = "title", .value = &title}};
    int rc = hark_cmd_options(cmd, options, 2, 1, 1, err);

    if (rc == 0 && about_one && talk.re_count != 1)
        rc = hark_err_set(err, HARK_E_USAGE, "a %s wants one --re ID: what is worded anew", kind);
    if (rc == 0)
        rc = talk_begin(cmd, &talk, kind, false, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "body", cmd->argv[1], err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "title", title, err);
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}

int hark_cmd_idea(struct hark_cmd *cmd, struct hark_err *err)
{
    return titled(cmd, "idea", false, err);
}

int hark_cmd_revise(struct hark_cmd *cmd, struct hark_err *err)
{
    return titled(cmd, "revision", true, err);
}

static int votes_in_flight(const struct talk *talk, size_t *votes, struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight_seen(talk->space, &flight, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        if (strcmp(flight[i].entry.kind, "vote") == 0 &&
            hark_key_equal(&flight[i].entry.author, hark_signer_key(talk->person.author.sign)))
            (*votes)++;
    }
    return rc;
}

/* PROTOCOL.md 14: told before the first vote. */
static int tell_before_first_vote(struct hark_cmd *cmd, const struct talk *talk,
                                  struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "vote",
                                         .has_member = true,
                                         .member = talk->person.ordinal,
                                         .after = HARK_NONE,
                                         .re = HARK_NONE,
                                         .limit = 1};
    uint64_t *positions = NULL;
    size_t count = 0;
    int rc;

    if (cmd->globals.quiet)
        return 0;
    rc = hark_cmd_positions(talk->space, &query, &positions, &count, err);
    free(positions);
    if (rc == 0 && count == 0)
        rc = votes_in_flight(talk, &count, err);
    if (rc == 0 && count == 0)
        (void)fputs("note: votes are visible to the other members. That you voted, when, and on\n"
                    "what, is signed by you and stays for ever; the choice itself you can erase.\n",
                    cmd->err);
    return rc;
}

int hark_cmd_vote(struct hark_cmd *cmd, struct hark_err *err)
{
    struct talk talk = {0};
    const char *why = NULL;
    const struct hark_option options[] = {{.name = "why", .value = &why}};
    int rc = hark_cmd_options(cmd, options, 1, 2, 32, err);
    const char *choice = rc == 0 ? cmd->argv[2] : "";

    if (rc == 0 && cmd->argc > 3)
        rc = hark_err_set(err, HARK_E_USAGE, "an idea's vote is one choice");
    if (rc == 0 && strcmp(choice, "agree") != 0 && strcmp(choice, "disagree") != 0 &&
        strcmp(choice, "pass") != 0)
        rc = hark_err_set(err, HARK_E_USAGE, "a choice is agree, disagree or pass, not %.64s",
                          choice);
    if (rc == 0) {
        talk.re[0] = cmd->argv[1];
        talk.re_count = 1;
        rc = talk_begin(cmd, &talk, "vote", false, err);
    }
    if (rc == 0)
        rc = tell_before_first_vote(cmd, &talk, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "choice", choice, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "why", why, err);
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}

/* --- staff ----------------------------------------------------------------------- */

/* ID… TEXT: all but the last argument are ids. */
static int ids_and_text(struct hark_cmd *cmd, struct talk *talk, const char **text,
                        struct hark_err *err)
{
    int last = cmd->argc - 1;

    if (last < 2)
        return hark_err_set(err, HARK_E_USAGE, "%s wants ID… and a TEXT", cmd->argv[0]);
    if ((size_t)last - 1 > HARK_ENTRY_RE_MAX)
        return hark_err_set(err, HARK_E_USAGE, "an entry is about %u others at most",
                            HARK_ENTRY_RE_MAX);
    for (int i = 1; i < last; i++)
        talk->re[talk->re_count++] = cmd->argv[i];
    *text = cmd->argv[last];
    return 0;
}

int hark_cmd_respond(struct hark_cmd *cmd, struct hark_err *err)
{
    struct talk talk = {0};
    const char *text = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 2, HARK_ARGS_MAX, err);

    if (rc == 0)
        rc = ids_and_text(cmd, &talk, &text, err);
    if (rc == 0)
        rc = talk_begin(cmd, &talk, "response", true, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "body", text, err);
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}

/* decide ID… TEXT, or decide ID… --reason R. */
static int reason_of_decision(struct hark_cmd *cmd, struct talk *talk, const char *reason,
                              const char **text, struct hark_err *err)
{
    if (reason == NULL)
        return ids_and_text(cmd, talk, text, err);
    for (int i = 1; i < cmd->argc; i++) {
        if (!hark_cmd_is_id(cmd->argv[i]))
            return hark_err_set(err, HARK_E_USAGE, "the reason is the TEXT or --reason, not both");
        if (talk->re_count == HARK_ENTRY_RE_MAX)
            return hark_err_set(err, HARK_E_USAGE, "an entry is about %u others at most",
                                HARK_ENTRY_RE_MAX);
        talk->re[talk->re_count++] = cmd->argv[i];
    }
    *text = reason;
    return 0;
}

int hark_cmd_decide(struct hark_cmd *cmd, struct hark_err *err)
{
    struct talk talk = {0};
    const char *outcome = NULL, *reason = NULL, *text = NULL;
    const struct hark_option options[] = {{.name = "outcome", .value = &outcome},
                                          {.name = "reason", .value = &reason}};
    int rc = hark_cmd_options(cmd, options, 2, 1, HARK_ARGS_MAX, err);

    if (rc == 0 && outcome == NULL)
        rc = hark_err_set(err, HARK_E_USAGE,
                          "decide wants --outcome accepted, declined, planned or postponed");
    if (rc == 0)
        rc = reason_of_decision(cmd, &talk, reason, &text, err);
    if (rc == 0)
        rc = talk_begin(cmd, &talk, "decision", true, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "outcome", outcome, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "reason", text, err);
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}

int hark_cmd_act(struct hark_cmd *cmd, struct hark_err *err)
{
    struct talk talk = {0};
    const char *state = NULL, *due = NULL, *text = NULL;
    const struct hark_option options[] = {{.name = "state", .value = &state},
                                          {.name = "due", .value = &due}};
    int rc = hark_cmd_options(cmd, options, 2, 2, HARK_ARGS_MAX, err);

    if (rc == 0)
        rc = ids_and_text(cmd, &talk, &text, err);
    if (rc == 0)
        rc = talk_begin(cmd, &talk, "action", true, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "body", text, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "state", state != NULL ? state : "planned", err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "due", due, err);
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}

/* A member, or the author of the entry whose id it is. */
static int credited_member(const struct talk *talk, const char *credit, uint32_t *ordinal,
                           struct hark_err *err)
{
    struct hark_row row;
    int rc = hark_cmd_member(talk->space, credit, ordinal, err);

    if (rc != HARK_E_NOT_FOUND || !hark_cmd_is_id(credit))
        return rc;
    rc = hark_cmd_row(talk->space, credit, &row, err);
    if (rc == 0 && row.author_of != HARK_KEY_OF_MEMBER)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "%s was not written by a member", credit);
    *ordinal = row.author;
    return rc;
}

int hark_cmd_recognize(struct hark_cmd *cmd, struct hark_err *err)
{
    struct talk talk = {0};
    const char *credit = NULL, *text = NULL;
    const struct hark_option options[] = {{.name = "credit", .value = &credit}};
    uint32_t ordinal = 0;
    int rc = hark_cmd_options(cmd, options, 1, 2, HARK_ARGS_MAX, err);

    if (rc == 0)
        rc = ids_and_text(cmd, &talk, &text, err);
    if (rc == 0)
        rc = talk_begin(cmd, &talk, "recognition", true, err);
    if (rc == 0)
        rc = add_text(cmd, &talk, "body", text, err);
    if (rc == 0 && credit != NULL) {
        rc = credited_member(&talk, credit, &ordinal, err);
        if (rc == 0 && json_object_set_new(talk.fields, "member", json_integer(ordinal)) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    }
    if (rc == 0)
        rc = talk_write(cmd, &talk, err);
    talk_free(&talk);
    return rc;
}
