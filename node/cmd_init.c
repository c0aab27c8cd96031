/*
 * hark init: a node's directory, and the space that it founds.
 */
#include <string.h>

#include "node/cmd_internal.h"
#include "node/files.h"

/* Of the first entry's fields, and of the owner's name as a member. */
#define TITLE_MAX    200u
#define QUESTION_MAX 1000u
#define OWNER_MAX    100u
#define RECOVERY_MAX 16u

struct init {
    const char *name, *objective, *owner, *until, *title, *listen, *passphrase;
    const char *threshold, *recovery_hex[RECOVERY_MAX];
    size_t recovery_count;
    uint64_t recovery_threshold;
    struct hark_key recovery[RECOVERY_MAX];
    char dir[HARK_PATH_MAX], passphrase_path[HARK_PATH_MAX];
    char short_title[TITLE_MAX + 1];
};

static int parse(struct hark_cmd *cmd, struct init *init, struct hark_err *err)
{
    const struct hark_option options[] = {
        {.name = "name", .value = &init->name},
        {.name = "objective", .value = &init->objective},
        {.name = "owner", .value = &init->owner},
        {.name = "until", .value = &init->until},
        {.name = "title", .value = &init->title},
        {.name = "listen", .value = &init->listen},
        {.name = "passphrase-file", .value = &init->passphrase},
        {.name = "recovery-threshold", .value = &init->threshold},
        {.name = "recovery-key",
         .list = init->recovery_hex,
         .list_max = RECOVERY_MAX,
         .list_count = &init->recovery_count},
    };
    bool some, all;
    int rc = hark_cmd_options(cmd, options, sizeof(options) / sizeof(options[0]), 1, 1, err);

    if (rc < 0)
        return rc;
    if (init->name == NULL || !hark_node_name_valid(hark_span_str(init->name)))
        return hark_err_set(err, HARK_E_USAGE,
                            "a node wants a --name of 1 to %u of a-z 0-9 . -, such as brand",
                            HARK_NODE_NAME_MAX);
    some = init->objective != NULL || init->owner != NULL || init->until != NULL ||
           init->title != NULL;
    all = init->objective != NULL && init->owner != NULL && init->until != NULL;
    if (some && !all)
        return hark_err_set(err, HARK_E_USAGE,
                            "a space wants all of --objective, --owner and --until");
    rc = hark_cmd_path(cmd, cmd->argv[1], init->dir, err);
    if (rc == 0 && init->passphrase != NULL)
        rc = hark_cmd_path(cmd, init->passphrase, init->passphrase_path, err);
    return rc;
}

static int check_until(const char *until, struct hark_err *err)
{
    uint64_t time_ms;
    int rc = strlen(until) == 10 ? hark_cmd_time(until, true, &time_ms, err) : HARK_E_USAGE;

    if (rc < 0)
        return hark_err_set(err, HARK_E_USAGE, "--until wants a date such as 2026-11-21, not %.64s",
                            until);
    if (time_ms < hark_now_ms())
        return hark_err_set(err, HARK_E_USAGE, "--until %s is over", until);
    return 0;
}

static int check_text(const char *what, const char *text, size_t max, struct hark_err *err)
{
    if (text[0] == '\0' || strlen(text) > max || !hark_utf8_valid(hark_span_str(text)))
        return hark_err_set(err, HARK_E_USAGE, "%s wants 1 to %zu bytes of UTF-8", what, max);
    return 0;
}

static int check_recovery(struct init *init, struct hark_err *err)
{
    int rc = 0;

    init->recovery_threshold = init->recovery_count;
    if (init->threshold != NULL)
        rc = hark_cmd_number(init->threshold, RECOVERY_MAX, "--recovery-threshold",
                             &init->recovery_threshold, err);
    if (rc == 0 && (init->recovery_threshold > init->recovery_count ||
                    (init->recovery_threshold == 0 && init->recovery_count > 0)))
        rc = hark_err_set(err, HARK_E_USAGE,
                          "--recovery-threshold wants 1 to as many as there are --recovery-key");
    for (size_t i = 0; rc == 0 && i < init->recovery_count; i++)
        rc = hark_key_from_hex(&init->recovery[i], hark_span_str(init->recovery_hex[i]), err);
    return rc;
}

/* Before anything is made, so that a slip leaves no half of a node behind. */
static int check_founding(struct init *init, struct hark_err *err)
{
    int rc = check_until(init->until, err);

    if (rc == 0)
        rc = check_text("--objective", init->objective, QUESTION_MAX, err);
    if (rc == 0)
        rc = check_text("--owner", init->owner, OWNER_MAX, err);
    if (rc == 0)
        rc = check_recovery(init, err);
    if (rc == 0 && init->title != NULL)
        rc = check_text("--title", init->title, TITLE_MAX, err);
    if (rc < 0 || init->title != NULL)
        return rc;
    hark_copy_text(init->short_title, sizeof(init->short_title), init->objective);
    for (char *at = init->short_title; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\t')
            *at = ' ';
    }
    init->title = init->short_title;
    return 0;
}

/* The configuration is encoded and read again: one place decides what is valid. */
static int check_config(const struct hark_config *config, struct hark_err *err)
{
    struct hark_buf yaml = hark_buf_init(HARK_CONFIG_MAX);
    struct hark_config *parsed = NULL;
    int rc = hark_config_encode(&yaml, config, err);

    if (rc == 0)
        rc = hark_config_parse(&parsed, hark_buf_span(&yaml), "hark.yaml", err);
    hark_config_free(parsed);
    hark_buf_free(&yaml);
    return rc;
}

static int make_node(const struct init *init, struct hark_err *err)
{
    struct hark_passphrase *passphrase = NULL;
    struct hark_config config = {.accept_per_minute = HARK_ACCEPT_PER_MINUTE};
    int rc = 0;

    (void)snprintf(config.name, sizeof(config.name), "%s", init->name);
    if (init->listen != NULL) {
        if (strlen(init->listen) > HARK_ADDRESS_MAX)
            return hark_err_set(err, HARK_E_USAGE, "--listen is too long");
        (void)snprintf(config.listen, sizeof(config.listen), "%s", init->listen);
    }
    if (init->passphrase != NULL) {
        (void)snprintf(config.passphrase_file, sizeof(config.passphrase_file), "%s",
                       init->passphrase_path);
        rc = hark_passphrase_read(&passphrase, init->passphrase_path, err);
    }
    if (rc == 0)
        rc = check_config(&config, err);
    if (rc == 0)
        rc = hark_node_make(init->dir, &config, hark_passphrase_span(passphrase), err);
    hark_passphrase_free(passphrase);
    return rc;
}

static int print(struct hark_cmd *cmd, const struct init *init, const struct hark_node *node,
                 const struct hark_hash *space, struct hark_err *err)
{
    char key[HARK_HEX_SIZE], id[HARK_HEX_SIZE] = "";

    hark_key_hex(key, hark_signer_key(node->identity.log));
    if (space != NULL)
        hark_hash_hex(id, space);
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:{s:s, s:s}, s:o, s:o}", "format", "hark/init/1",
                                         "node", "name", init->name, "key", key, "space",
                                         space != NULL ? json_string(id) : json_null(), "dir",
                                         hark_out_text(init->dir)),
                               err);
    if (cmd->globals.quiet) {
        (void)fprintf(cmd->out, "%s\n", space != NULL ? id : key);
        return 0;
    }
    (void)fprintf(cmd->out, "node %s, key %s\n", init->name, key);
    if (space != NULL)
        (void)fprintf(cmd->out, "space %s\n", id);
    (void)fputs("\nnext: ", cmd->out);
    if (space != NULL)
        (void)fputs("`hark invite` gives out a ticket, `hark topic` opens a topic,\n"
                    "`harkd` serves; keep a copy of keys/ and steward/ in a safe place\n",
                    cmd->out);
    else
        (void)fputs("`hark ticket` prints this node's ticket, for the node whose space it is to\n"
                    "hold; `hark partner add TICKET` takes that node's\n",
                    cmd->out);
    return 0;
}

int hark_cmd_init(struct hark_cmd *cmd, struct hark_err *err)
{
    struct init init = {0};
    struct hark_founding founding;
    struct hark_node *node = NULL;
    struct hark_hash space;
    int rc = parse(cmd, &init, err);

    if (rc == 0 && init.objective != NULL)
        rc = check_founding(&init, err);
    if (rc == 0)
        rc = make_node(&init, err);
    if (rc == 0)
        rc = hark_node_open_unfinished(&node, init.dir, err);
    if (rc == 0 && init.objective != NULL) {
        founding = (struct hark_founding){.title = init.title,
                                          .question = init.objective,
                                          .owner = init.owner,
                                          .until = init.until,
                                          .recovery_count = init.recovery_count,
                                          .recovery = init.recovery,
                                          .recovery_threshold = (unsigned)init.recovery_threshold};
        rc = hark_found(node, &founding, &space, err);
    }
    if (rc == 0)
        rc = hark_node_finish(init.dir, err);
    if (rc == 0)
        rc = print(cmd, &init, node, init.objective != NULL ? &space : NULL, err);
    hark_node_free(node);
    return rc;
}
