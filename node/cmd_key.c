/*
 * hark key: the keys of this node and its people; and the keys that bring a space back
 * whose steward is lost. PROTOCOL.md 7.6.
 */
#include <string.h>

#include "crypto/keyfile.h"
#include "node/cmd_internal.h"
#include "node/files.h"
#include "node/keys_backup.h"
#include "node/office.h"

#define OFFER_MAX (16u * 1024u)

static int key_backup(struct hark_cmd *cmd, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_path(cmd, cmd->argv[1], path, err);
    if (rc == 0)
        rc = hark_keys_backup(cmd->node->dir, path, err);
    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack("{s:s, s:o}", "format", "hark/key-backup/1", "dir", hark_out_text(path)),
            err);
    (void)fprintf(cmd->out, "keys and steward's nonces are in %s; keep it away from this machine\n",
                  path);
    return 0;
}

/* A recovery key is a key file of its own: its Ed25519 key, as ssh-keygen shows it. */
static int key_new(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_signer *signer = NULL;
    struct hark_seed *seed = NULL;
    char path[HARK_PATH_MAX], hex[HARK_HEX_SIZE];
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_path(cmd, cmd->argv[1], path, err);
    if (rc == 0)
        rc = hark_seed_new(&seed, err);
    if (rc == 0)
        rc = hark_signer_new(&signer, seed, err);
    if (rc == 0)
        rc = hark_keyfile_save(path, seed, "hark recovery key", (struct hark_span){0}, err);
    if (rc == 0) {
        hark_key_hex(hex, hark_signer_key(signer));
        if (cmd->globals.json)
            rc = hark_print_json(cmd->out,
                                 json_pack("{s:s, s:s, s:o}", "format", "hark/key-new/1", "key",
                                           hex, "file", hark_out_text(path)),
                                 err);
        else
            (void)fprintf(cmd->out, "%s\n", hex);
    }
    hark_signer_free(signer);
    hark_seed_free(seed);
    return rc;
}

static int key_steward(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    json_t *offer = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_steward_offer(cmd->node, space, &offer, err);
    return rc < 0 ? rc : hark_print_json(cmd->out, offer, err);
}

static int read_offer(struct hark_cmd *cmd, const char *file, json_t **offer, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(OFFER_MAX);
    char path[HARK_PATH_MAX];
    int rc = hark_cmd_path(cmd, file, path, err);

    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    if (rc == 0) {
        *offer = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(*offer))
            rc = hark_err_set(err, HARK_E_USAGE, "%s is not what `hark key steward` printed", path);
    }
    hark_buf_free(&text);
    return rc;
}

/* The steward in office hands it over to who made the offer. */
static int key_handover(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged = {0};
    json_t *offer = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = read_offer(cmd, cmd->argv[1], &offer, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, true, &person, err);
    if (rc == 0)
        rc = hark_author_begin(cmd->node, space, err);
    if (rc == 0) {
        rc = hark_steward_act(cmd->node, space, &person.author, "other", "handover", offer, &logged,
                              err);
        rc = hark_cmd_commit(cmd, space, rc, false, err);
    }
    if (rc == 0)
        rc = hark_cmd_print_logged(cmd, space, "handover", &logged, NULL, err);
    if (rc == 0 && !cmd->globals.quiet && !cmd->globals.json)
        (void)fputs("who made the offer lets people in and out from now on; this node's people\n"
                    "still read what they could read\n",
                    cmd->err);
    hark_author_free(&person.author);
    json_decref(offer);
    return rc;
}

/* hark_passphrase_fn: a recovery key has one of its own. arg: the path of a file, or NULL. */
static int recovery_passphrase(void *arg, const char *path, struct hark_buf *secret,
                               struct hark_err *err)
{
    struct hark_passphrase *passphrase = NULL;
    int rc;

    if (arg == NULL) {
        rc = hark_err_set(err, HARK_E_KEY_PASSPHRASE, "%s needs its passphrase", path);
        hark_err_hint(err, "--passphrase-file names a file that holds it");
        return rc;
    }
    rc = hark_passphrase_read(&passphrase, arg, err);
    if (rc == 0)
        rc = hark_buf_append_span(secret, hark_passphrase_span(passphrase), err);
    hark_passphrase_free(passphrase);
    return rc;
}

/* The word of one recovery key for the keys of a new steward. */
static int key_recover(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *with = NULL, *file = NULL, *passphrase = NULL;
    const struct hark_option options[] = {{.name = "with", .value = &with},
                                          {.name = "key", .value = &file},
                                          {.name = "passphrase-file", .value = &passphrase}};
    struct hark_draft draft = {.kind = "recover"};
    struct hark_author author = {0};
    struct hark_logged logged = {0};
    struct hark_space *space = NULL;
    struct hark_seed *seed = NULL;
    char path[HARK_PATH_MAX], secret[HARK_PATH_MAX];
    int rc = hark_cmd_options(cmd, options, 3, 0, 0, err);

    if (rc == 0 && (with == NULL || file == NULL))
        rc =
            hark_err_set(err, HARK_E_USAGE,
                         "key recover wants --with what `hark key steward` printed and --key FILE");
    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = read_offer(cmd, with, &draft.fields, err);
    if (rc == 0)
        rc = hark_cmd_path(cmd, file, path, err);
    if (rc == 0 && passphrase != NULL)
        rc = hark_cmd_path(cmd, passphrase, secret, err);
    if (rc == 0)
        rc = hark_keyfile_load(&seed, path, recovery_passphrase, passphrase != NULL ? secret : NULL,
                               err);
    if (rc == 0)
        rc = hark_signer_new(&author.sign, seed, err);
    if (rc == 0)
        rc = hark_author_write(cmd->node, space, &author, &draft, &logged, err);
    if (rc == 0) {
        cmd->changed = true;
        rc = hark_cmd_print_logged(cmd, space, "recover", &logged, NULL, err);
    }
    json_decref(draft.fields);
    hark_author_free(&author);
    hark_seed_free(seed);
    return rc;
}

int hark_cmd_keys(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {
        {"ls", hark_cmd_key_ls},
        {"backup", key_backup},
        {"new", key_new},
        {"steward", key_steward},
        {"handover", key_handover},
        {"recover", key_recover},
        {"export", hark_cmd_key_export},
        {"passwd", hark_cmd_key_passwd},
        {"rekey", hark_cmd_key_rekey},
    };

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), NULL, err);
}
