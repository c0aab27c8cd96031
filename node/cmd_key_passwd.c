/*
 * hark key passwd: another passphrase for key files, or a first one, or none. hark key
 * export: one key as a file of its own. PROTOCOL.md 2.5.
 *
 * Each file is replaced in one step by itself, people's first, the device's last, and then
 * the configuration names where the passphrase is (where there was none: first). Whenever
 * that is interrupted, each file opens with the old or with the new passphrase; given again,
 * it takes those that open with the new one for done. Nothing is changed before all files
 * have been opened. These verbs never go through a daemon: what is typed stays in
 * the process that asked for it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "crypto/passphrase.h"
#include "node/cmd_internal.h"
#include "node/files.h"

#define FILES_MAX 65536u

struct key_file {
    char path[HARK_PATH_MAX];
    char comment[HARK_LABEL_MAX + 1];
    struct hark_seed *seed;
    bool done; /* it opens with the new passphrase */
};

struct change {
    struct hark_cmd *cmd;
    const char *old_file, *new_file, *none; /* as given; NULL: not */
    char old_path[HARK_PATH_MAX], new_path[HARK_PATH_MAX];
    struct hark_node *node; /* NULL: a file that is named by its path */
    bool has_old, has_new;
    struct hark_passphrase *old, *new; /* NULL: none */
    struct key_file *files;
    size_t count;
};

static void change_free(struct change *c)
{
    for (size_t i = 0; i < c->count; i++)
        hark_seed_free(c->files[i].seed);
    free(c->files);
    hark_passphrase_free(c->old);
    hark_passphrase_free(c->new);
    hark_node_free(c->node);
}

/* The options of both verbs. */
static int parse(struct change *c, int min, int max, struct hark_err *err)
{
    const struct hark_option options[] = {
        {.name = "passphrase-file", .value = &c->new_file},
        {.name = "old-passphrase-file", .value = &c->old_file},
        {.name = "no-passphrase", .flag = true, .value = &c->none}};
    int rc;

    /* Not by a daemon's hands, whatever asks it to. */
    if (c->cmd->node != NULL)
        return hark_err_set(err, HARK_E_USAGE, "not a verb for a daemon");
    rc = hark_cmd_options(c->cmd, options, 3, min, max, err);
    if (rc == 0 && c->none != NULL && c->new_file != NULL)
        rc = hark_err_set(err, HARK_E_USAGE, "a passphrase or none, not both");
    if (rc == 0 && c->old_file != NULL)
        rc = hark_cmd_path(c->cmd, c->old_file, c->old_path, err);
    if (rc == 0 && c->new_file != NULL)
        rc = hark_cmd_path(c->cmd, c->new_file, c->new_path, err);
    return rc;
}

/* --- passphrases ---------------------------------------------------------------------- */

/* The one that key files have now: asked for when the first sealed one is met. */
static int take_old(struct change *c, struct hark_err *err)
{
    const char *file = c->old_path;
    int rc;

    if (c->old_file == NULL && c->node != NULL)
        file = c->node->config->passphrase_file;
    if (file[0] != '\0')
        rc = hark_passphrase_read(&c->old, file, err);
    else
        rc = hark_passphrase_ask(&c->old, "Passphrase", err);
    if (rc == HARK_E_KEY_PASSPHRASE)
        hark_err_hint(err, "--old-passphrase-file names a file that holds it");
    c->has_old = rc == 0;
    return rc;
}

static int take_new(struct change *c, struct hark_err *err)
{
    int rc = 0;

    if (c->has_new)
        return 0;
    if (c->new_file != NULL)
        rc = hark_passphrase_read(&c->new, c->new_path, err);
    else if (c->none == NULL)
        rc = hark_passphrase_ask_new(&c->new, "New passphrase (nothing: none)", err);
    if (rc == HARK_E_KEY_PASSPHRASE)
        hark_err_hint(err, "--passphrase-file FILE, or --no-passphrase");
    c->has_new = rc == 0;
    return rc;
}

/* hark_passphrase_fn, both. */
static int give_old(void *arg, const char *path, struct hark_buf *secret, struct hark_err *err)
{
    struct change *c = arg;
    int rc = c->has_old ? 0 : take_old(c, err);

    (void)path;
    return rc < 0 ? rc : hark_buf_append_span(secret, hark_passphrase_span(c->old), err);
}

static int give_new(void *arg, const char *path, struct hark_buf *secret, struct hark_err *err)
{
    const struct change *c = arg;

    (void)path;
    return hark_buf_append_span(secret, hark_passphrase_span(c->new), err);
}

/* --- the files ------------------------------------------------------------------------ */

static int add_file(struct change *c, const char *path, const char *comment, struct hark_err *err)
{
    struct key_file *grown = NULL;

    if (c->count == FILES_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "more than %u key files", FILES_MAX);
    grown = realloc(c->files, (c->count + 1) * sizeof(*c->files));
    if (grown == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a list of key files");
    c->files = grown;
    memset(&grown[c->count], 0, sizeof(*grown));
    hark_copy_text(grown[c->count].path, HARK_PATH_MAX, path);
    hark_copy_text(grown[c->count].comment, HARK_LABEL_MAX + 1, comment);
    c->count++;
    return 0;
}

/* One name of a folder of keys: a person's; or what an interrupted writing has left, which
 * goes. */
static int look_at_name(struct change *c, const char *folder, const char *name, bool people,
                        struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, folder, name, err);

    if (rc == 0 && name[0] == '.' && strstr(name, HARK_KEYFILE_UNFINISHED) != NULL &&
        unlink(path) != 0)
        rc = hark_err_errno(err, errno, "%s", path);
    if (rc == 0 && people && hark_label_valid(name))
        rc = add_file(c, path, name, err);
    return rc;
}

static int look_through(struct change *c, const char *name, bool people, struct hark_err *err)
{
    char folder[HARK_PATH_MAX];
    struct dirent *entry;
    DIR *dir;
    int rc = hark_path_join(folder, c->node->dir, name, err);

    if (rc < 0)
        return rc;
    dir = opendir(folder);
    if (dir == NULL)
        return hark_err_errno(err, errno, "%s", folder);
    while (rc == 0 && (entry = readdir(dir)) != NULL)
        rc = look_at_name(c, folder, entry->d_name, people, err);
    (void)closedir(dir);
    return rc;
}

/* All of the node's, the device's last. */
static int list_files(struct change *c, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = look_through(c, "keys", false, err);

    if (rc == 0)
        rc = look_through(c, "keys/people", true, err);
    if (rc == 0)
        rc = hark_path_join(path, c->node->dir, "keys/device", err);
    return rc < 0 ? rc : add_file(c, path, "hark device", err);
}

static int open_file(struct change *c, struct key_file *file, struct hark_err *err)
{
    int rc = hark_keyfile_load(&file->seed, file->path, give_old, c, err);

    if (rc != HARK_E_KEY_PASSPHRASE || !c->has_old)
        return rc;
    rc = take_new(c, err);
    if (rc == 0)
        rc = hark_keyfile_load(&file->seed, file->path, give_new, c, err);
    if (rc == HARK_E_KEY_PASSPHRASE)
        rc = hark_err_set(err, rc, "%s: its passphrase is another one", file->path);
    file->done = rc == 0;
    return rc;
}

/* The file that was named is where it is found from now on; a pipe, or what was typed, is
 * nowhere. */
static int configure(struct change *c, struct hark_err *err)
{
    struct stat st;
    bool lasting = c->new_file != NULL && stat(c->new_path, &st) == 0 && S_ISREG(st.st_mode);

    if (c->node == NULL)
        return 0;
    hark_copy_text(c->node->config->passphrase_file, HARK_PATH_MAX, lasting ? c->new_path : "");
    return hark_node_save_config(c->node, err);
}

static int change_all(struct change *c, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; i < c->count && rc == 0; i++)
        rc = open_file(c, &c->files[i], err);
    if (rc == 0)
        rc = take_new(c, err);
    /* Where nothing was sealed, who opens half of it finds the new one at once. */
    if (rc == 0 && c->old == NULL)
        rc = configure(c, err);
    for (size_t i = 0; i < c->count && rc == 0; i++) {
        const struct key_file *file = &c->files[i];

        if (!file->done)
            rc = hark_keyfile_replace(file->path, file->seed, file->comment,
                                      hark_passphrase_span(c->new), err);
    }
    if (rc == 0 && c->old != NULL)
        rc = configure(c, err);
    return rc;
}

/* --- the verbs ------------------------------------------------------------------------ */

static int print_changed(const struct change *c, struct hark_err *err)
{
    const char *found = c->node != NULL ? c->node->config->passphrase_file : "";
    FILE *out = c->cmd->out;

    if (c->cmd->globals.json)
        return hark_print_json(out,
                               json_pack("{s:s, s:I, s:b, s:o}", "format", "hark/key-passwd/1",
                                         "files", (json_int_t)c->count, "sealed", c->new != NULL,
                                         "passphrase_file",
                                         found[0] != '\0' ? hark_out_text(found) : json_null()),
                               err);
    if (c->cmd->globals.quiet)
        return 0;
    (void)fprintf(out, "%zu key file%s %s; copies made before, such as backups, stay as they are\n",
                  c->count, c->count == 1 ? "" : "s",
                  c->new != NULL ? "sealed with the new passphrase" : "without a passphrase");
    if (c->new != NULL && c->node != NULL &&found[0] == '\0')
        (void)fputs(
            "hark and harkd ask for it at the terminal; a harkd that is to start by itself\n"
            "wants a file that holds it, named as passphrase_file in hark.yaml\n",
            out);
    return 0;
}

int hark_cmd_key_passwd(struct hark_cmd *cmd, struct hark_err *err)
{
    struct change c = {.cmd = cmd};
    char path[HARK_PATH_MAX];
    int rc = parse(&c, 0, 1, err);

    if (rc == 0 && cmd->argc > 1) {
        rc = hark_cmd_path(cmd, cmd->argv[1], path, err);
        if (rc == 0)
            rc = add_file(&c, path, "hark key", err);
    } else if (rc == 0) {
        rc = hark_node_open_config(&c.node, cmd->globals.dir, true, err);
        if (rc == HARK_E_BUSY)
            hark_err_hint(err, "stop harkd first; it starts with the new passphrase");
        if (rc == 0)
            rc = list_files(&c, err);
    }
    if (rc == 0)
        rc = change_all(&c, err);
    if (rc == 0)
        rc = print_changed(&c, err);
    change_free(&c);
    return rc;
}

/* "device", or a person's label. */
static int name_key(struct change *c, const char *label, struct hark_err *err)
{
    char name[HARK_LABEL_MAX + 16], path[HARK_PATH_MAX];
    bool device = strcmp(label, "device") == 0;
    int rc;

    if (!hark_label_valid(label))
        return hark_err_set(err, HARK_E_USAGE, "%.64s is no key's label; `hark key ls` shows them",
                            label);
    (void)snprintf(name, sizeof(name), device ? "keys/%s" : "keys/people/%s", label);
    rc = hark_path_join(path, c->node->dir, name, err);
    return rc < 0 ? rc : add_file(c, path, device ? "hark device" : label, err);
}

int hark_cmd_key_export(struct hark_cmd *cmd, struct hark_err *err)
{
    struct change c = {.cmd = cmd};
    char path[HARK_PATH_MAX];
    int rc = parse(&c, 2, 2, err);

    if (rc == 0)
        rc = hark_cmd_path(cmd, cmd->argv[2], path, err);
    if (rc == 0)
        rc = hark_node_open_config(&c.node, cmd->globals.dir, false, err);
    if (rc == 0)
        rc = name_key(&c, cmd->argv[1], err);
    if (rc == 0)
        rc = hark_keyfile_load(&c.files[0].seed, c.files[0].path, give_old, &c, err);
    if (rc == HARK_E_NOT_FOUND)
        rc = hark_err_set(err, rc, "this node holds no key of %s", cmd->argv[1]);
    if (rc == 0)
        rc = take_new(&c, err);
    if (rc == 0)
        rc = hark_keyfile_save(path, c.files[0].seed, c.files[0].comment,
                               hark_passphrase_span(c.new), err);
    if (rc == 0 && cmd->globals.json)
        rc = hark_print_json(cmd->out,
                             json_pack("{s:s, s:s, s:b, s:o}", "format", "hark/key-export/1",
                                       "label", cmd->argv[1], "sealed", c.new != NULL, "file",
                                       hark_out_text(path)),
                             err);
    else if (rc == 0 && !cmd->globals.quiet)
        (void)fprintf(cmd->out,
                      "the key of %s is in %s; at another node it is keys/people/LABEL, and then\n"
                      "no more used here: one key that writes at two nodes parts into twins\n",
                      cmd->argv[1], path);
    change_free(&c);
    return rc;
}

bool hark_cmd_key_alone(const struct hark_cmd *cmd)
{
    return cmd->argc > 1 &&
           (strcmp(cmd->argv[1], "passwd") == 0 || strcmp(cmd->argv[1], "export") == 0);
}
