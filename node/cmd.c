/*
 * The table of verbs, and what happens around one: running it, telling how it
 * went, helping.
 */
#include "node/cmd.h"

#include <string.h>

#include "node/cmd_internal.h"

#ifndef HARK_VERSION
#define HARK_VERSION "unknown"
#endif

/* In the order in which `hark help` shows them. */
static const struct hark_verb verbs[] = {
    {"init",
     "init DIR --name N [--objective Q --owner WHO --until DATE] [--title T] [--listen ADDR]",
     "make a node, and found a space on it", HARK_VERB_NO_NODE, hark_cmd_init},
    {"invite",
     "invite [--role R] [--cohort K=V] [--uses N] [--until D] [--source S] | ls | "
     "revoke KEY | funnel",
     "give out a ticket to the space", HARK_VERB_NODE, hark_cmd_invite},
    {"join", "join TICKET --name N [--show COMMUNITY] [--answers FILE] [--timeout S]",
     "become a member with a ticket", HARK_VERB_MAKES, hark_cmd_join},
    {"member", "member ls | show ID | role ID member|staff | remove ID [--reason R]",
     "who belongs, and as what", HARK_VERB_NODE, hark_cmd_members},
    {"group",
     "group new TITLE --purpose TEXT [--mode M] [--history all] [--community S [--show must]] "
     "[--until D] [--name N] | join TICKET --name N | leave | close | ls [--member M] | check | "
     "overlap A B",
     "private groups, which only their members read", HARK_VERB_NODE, hark_cmd_group},
    {"device", "device add [--label L] | rm KEY", "another key for a person", HARK_VERB_NODE,
     hark_cmd_device},
    {"topic", "topic TITLE [TEXT|-] [--re ID]", "open something to talk about", HARK_VERB_ENTRY,
     hark_cmd_topic},
    {"post", "post TEXT|- --re ID…", "say something about something", HARK_VERB_ENTRY,
     hark_cmd_post},
    {"reply", "reply TEXT|- --re ID", "answer", HARK_VERB_ENTRY, hark_cmd_post},
    {"idea", "idea TEXT|- [--re TOPIC] [--title T]", "propose something", HARK_VERB_ENTRY,
     hark_cmd_idea},
    {"revise", "revise TEXT|- --re ID [--title T]", "word one's own anew", HARK_VERB_ENTRY,
     hark_cmd_revise},
    {"vote", "vote ID agree|disagree|pass [--why TEXT]", "take a stand on an idea", HARK_VERB_ENTRY,
     hark_cmd_vote},
    {"respond", "respond ID… TEXT|-", "answer for the brand", HARK_VERB_ENTRY, hark_cmd_respond},
    {"decide", "decide ID… TEXT|- --outcome accepted|declined|planned|postponed",
     "say what becomes of it, and why", HARK_VERB_ENTRY, hark_cmd_decide},
    {"act", "act ID… TEXT|- [--state planned|doing|done] [--due DATE]",
     "say what is being done about it", HARK_VERB_ENTRY, hark_cmd_act},
    {"recognize", "recognize ID… TEXT|- [--credit MEMBER]", "say who is to be thanked",
     HARK_VERB_ENTRY, hark_cmd_recognize},
    {"hide", "hide ID… --reason R", "hide from view, for good", HARK_VERB_NODE, hark_cmd_hide},
    {"erase", "erase ID|member:N… [--reason R]", "erase words, here and at partners",
     HARK_VERB_NODE, hark_cmd_erase},
    {"log",
     "log [--kind K] [--author WHO] [--since T] [--until T] [--after N] [--limit N] [--in-flight]",
     "the space's history", HARK_VERB_NODE, hark_cmd_log},
    {"show", "show ID", "an entry and what surrounds it", HARK_VERB_NODE, hark_cmd_show},
    {"history", "history ID", "an entry's wordings", HARK_VERB_NODE, hark_cmd_history},
    {"search", "search WORDS [--limit N]", "find by words", HARK_VERB_NODE, hark_cmd_search},
    {"who-said", "who-said WORDS [--limit N]", "find who said it", HARK_VERB_NODE, hark_cmd_search},
    {"tally", "tally ID [--by K[,K]] [--where K=V] [--at SIZE]", "count the votes on an idea",
     HARK_VERB_NODE, hark_cmd_tally},
    {"top", "top [--by top] [--limit N]", "the ideas with the most support", HARK_VERB_NODE,
     hark_cmd_top},
    {"policy", "policy show | set FILE|-", "the space's rules, title and objective", HARK_VERB_NODE,
     hark_cmd_policy},
    {"partner", "partner ls | add TICKET | rm NAME | pause NAME [--resume]",
     "nodes that hold copies", HARK_VERB_NODE, hark_cmd_partner},
    {"ticket", "ticket", "print this node's ticket, for partners", HARK_VERB_NODE, hark_cmd_ticket},
    {"sync", "sync [PEER] [--wait]", "fetch what peers have", HARK_VERB_NETWORK, hark_cmd_sync},
    {"outbox", "outbox [log ID]", "what was written here and is not logged yet", HARK_VERB_NODE,
     hark_cmd_outbox},
    {"key",
     "key ls | rekey [--all] | backup DIR | export LABEL|device F | passwd [F] | new F | "
     "steward | handover F | recover --with F --key F [--passphrase-file F|--no-passphrase] "
     "[--old-passphrase-file F]",
     "keys that are here: replace one, keep them all, move one person's, seal them; and bring a "
     "space back",
     HARK_VERB_NODE, hark_cmd_keys},
    {"home", "home show | move NODE [--lost] [--holder MEMBER]",
     "the node that orders the space, and moving it", HARK_VERB_NODE, hark_cmd_home_verb},
    {"recover", "recover TICKET... [--keys DIR] [--listen A] [--timeout S]",
     "get back what a lost disk held, from partners", HARK_VERB_NO_NODE, hark_cmd_recover},
    {"repair", "repair [--timeout S]", "check every space, and fetch what is damaged",
     HARK_VERB_NETWORK, hark_cmd_repair},
    {"receipt", "receipt ID", "the proof that an entry stands in the log, or was accepted",
     HARK_VERB_NODE, hark_cmd_receipt},
    {"disclose", "disclose ID", "a file from which anybody sees that just this was said in a group",
     HARK_VERB_NODE, hark_cmd_disclose},
    {"verify", "verify [FILE [--policy POLICY]]", "check the space, or what a file proves",
     HARK_VERB_FILE, hark_cmd_verify},
    {"audit", "audit PATH [--report]", "verify a repository from nothing but itself",
     HARK_VERB_NO_NODE, hark_cmd_audit},
    {"export", "export allowed-signers | mailmap | policy | tiles DIR",
     "what stock git needs to check and to name; whom to ask for; the log for a web server",
     HARK_VERB_NODE, hark_cmd_export},
    {"import", "import polis DIR", "bring over a conversation", HARK_VERB_NODE, hark_cmd_import},
    {"status", "status", "this node, its spaces and peers", HARK_VERB_NODE, hark_cmd_status},
    {"reindex", "reindex", "make the index anew from the log", HARK_VERB_NODE, hark_cmd_reindex},
    {"gc", "gc", "remove what nothing reaches", HARK_VERB_NODE, hark_cmd_gc},
    {"version", "version", "this program's version", HARK_VERB_NO_NODE, hark_cmd_version},
    {"help", "help [VERB]", "this list", HARK_VERB_NO_NODE, hark_cmd_help},
};

/* Reserved by the command line's contract: known, and refused as not here yet. */
static const struct hark_verb later[] = {
#define LATER(name)                                                                                \
    {                                                                                              \
        name, name, NULL, HARK_VERB_NO_NODE, hark_cmd_unsupported                                  \
    }
    LATER("waiting"), LATER("request"), LATER("poll"),  LATER("report"),
    LATER("inbox"),   LATER("news"),    LATER("watch"),
#undef LATER
};

const struct hark_verb *hark_verbs(size_t *count)
{
    *count = sizeof(verbs) / sizeof(verbs[0]);
    return verbs;
}

const struct hark_verb *hark_verb_find(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        if (strcmp(later[i].name, name) == 0)
            return &later[i];
    }
    return NULL;
}

/* --- running ------------------------------------------------------------------- */

int hark_cmd_fail(FILE *out, bool json, const struct hark_err *err)
{
    json_t *error;

    if (err->code == HARK_E_NO && err->message[0] == '\0')
        return hark_err_exit(err->code);
    if (json) {
        error = json_pack("{s:{s:s, s:o, s:o}}", "error", "name", hark_err_name(err->code),
                          "message", hark_out_text(err->message), "hint",
                          err->hint[0] != '\0' ? hark_out_text(err->hint) : json_null());
        if (hark_print_json(out, error, NULL) == 0)
            return hark_err_exit(err->code);
    }
    (void)fputs("hark: ", out);
    hark_print_text(out, err->message);
    (void)fprintf(out, " (%s)\n", hark_err_name(err->code));
    if (err->hint[0] != '\0') {
        (void)fputs("hint: ", out);
        hark_print_text(out, err->hint);
        (void)fputc('\n', out);
    }
    return hark_err_exit(err->code);
}

int hark_cmd_run(struct hark_cmd *cmd, const struct hark_verb *verb)
{
    struct hark_err err = {0};
    int rc = verb->run(cmd, &err);

    if (rc == 0)
        return cmd->exit_code;
    /* A code without its message: told by name rather than not at all. */
    if (err.code != rc)
        (void)hark_err_set(&err, rc, "%s", rc == HARK_E_NO ? "" : hark_err_name(rc));
    if (err.code == HARK_E_USAGE && err.hint[0] == '\0')
        hark_err_hint(&err, "hark %s", verb->usage);
    (void)fflush(cmd->out);
    return hark_cmd_fail(cmd->err, cmd->globals.json, &err);
}

/* --- help and version ------------------------------------------------------------ */

static json_t *verb_json(const struct hark_verb *verb)
{
    return json_pack("{s:s, s:s, s:s}", "name", verb->name, "usage", verb->usage, "help",
                     verb->help);
}

static int help_json(struct hark_cmd *cmd, const struct hark_verb *only, struct hark_err *err)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && list != NULL; i++) {
        if ((only == NULL || only == &verbs[i]) &&
            json_array_append_new(list, verb_json(&verbs[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return hark_print_json(cmd->out,
                           json_pack("{s:s, s:o}", "format", "hark/help/1", "verbs", list), err);
}

int hark_cmd_help(struct hark_cmd *cmd, struct hark_err *err)
{
    const struct hark_verb *verb = NULL;
    int rc = cmd->argc > 0 ? hark_cmd_options(cmd, NULL, 0, 0, 1, err) : 0;

    if (rc < 0)
        return rc;
    if (cmd->argc > 1) {
        verb = hark_verb_find(cmd->argv[1]);
        if (verb == NULL)
            return hark_err_set(err, HARK_E_USAGE, "there is no verb %.64s", cmd->argv[1]);
        if (verb->help == NULL)
            return hark_err_set(err, HARK_E_UNSUPPORTED, "%s is not supported here yet",
                                verb->name);
    }
    if (cmd->globals.json)
        return help_json(cmd, verb, err);
    if (verb != NULL) {
        (void)fprintf(cmd->out, "hark %s\n    %s\n", verb->usage, verb->help);
        return 0;
    }
    (void)fputs("hark [-C DIR] [-s SPACE] [--as KEY] [--at SIZE] [--json] [-q] [-v] VERB …\n\n",
                cmd->out);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        (void)fprintf(cmd->out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
    (void)fputs("\n`hark help VERB` says how. An id is full hex, or the 8 digits or more that "
                "single it out.\n",
                cmd->out);
    return 0;
}

int hark_cmd_version(struct hark_cmd *cmd, struct hark_err *err)
{
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:i, s:i, s:i}", "format", "hark/version/1",
                                         "version", HARK_VERSION, "protocol", 1, "data", 1, "index",
                                         HARK_INDEX_VERSION),
                               err);
    (void)fprintf(cmd->out, "hark %s (protocol 1)\n", HARK_VERSION);
    return 0;
}
