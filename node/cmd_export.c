/*
 * hark export: what stock git needs to check a clone's signatures (allowed
 * signers) and to show names beside keys (mailmap); the log as files for a web
 * server (tiles); who has to have signed it (policy).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/tlog_policy.h"
#include "node/cmd_internal.h"
#include "node/tiles.h"

#define EXPORT_MAX (64u * 1024u * 1024u)

typedef int export_fn(struct hark_buf *out, struct hark_space *space, const struct hark_key *key,
                      const char *name, struct hark_err *err);

/* The principal is the e-mail that entries and batches carry. */
static int signer_line(struct hark_buf *out, struct hark_space *space, const struct hark_key *key,
                       const char *name, struct hark_err *err)
{
    char hex[HARK_HEX_SIZE];
    int rc;

    (void)space;
    (void)name;
    hark_key_hex(hex, key);
    rc = hark_buf_printf(out, err, "%s@hark.invalid namespaces=\"git\" ", hex);
    if (rc == 0)
        rc = hark_ssh_public_key(out, key, err);
    return rc < 0 ? rc : hark_buf_append_byte(out, '\n', err);
}

/* git ends a name at "<", takes "#" at the start for a comment, and shows the
 * rest to a terminal: one line of plain words, whatever the member wrote. */
static void plain_name(char out[HARK_NAME_SIZE], const char *name)
{
    size_t used = 0;

    for (const unsigned char *at = (const unsigned char *)name; *at != '\0'; at++) {
        bool space = *at <= 0x20 || *at == 0x7f || *at == '<' || *at == '>' || *at == '#';

        if (space && (used == 0 || out[used - 1] == ' '))
            continue;
        if (used + 1 < HARK_NAME_SIZE)
            out[used++] = space ? ' ' : (char)*at;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

static int mailmap_line(struct hark_buf *out, struct hark_space *space, const struct hark_key *key,
                        const char *name, struct hark_err *err)
{
    char *shown = NULL, hex[HARK_HEX_SIZE], plain[HARK_NAME_SIZE];
    size_t size = 0;
    FILE *memory = open_memstream(&shown, &size);
    int rc;

    (void)space;
    if (memory == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a name");
    /* Bidirectional and zero-width marks first, as everywhere. */
    hark_print_line(memory, name);
    if (fclose(memory) != 0) {
        free(shown);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a name");
    }
    plain_name(plain, shown);
    free(shown);
    hark_key_hex(hex, key);
    rc = hark_buf_printf(out, err, "%s <%s@hark.invalid>\n", plain[0] != '\0' ? plain : "(no name)",
                         hex);
    return rc;
}

/* Keys of members, the stewards and the nodes' author keys are objects of the
 * state; log keys, which sign batches, stand with their node. */
static int each_key(struct hark_space *space, struct hark_buf *out, export_fn *fn,
                    struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_node_object node;
    struct hark_key_object key;
    char name[HARK_NAME_SIZE];
    uint64_t count = 0;
    int rc = hark_cmd_section_count(space, HARK_SECTION_KEY, &count, err);

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        struct hark_row as = {0};

        rc = hark_state_key(state, i, &key, err);
        as.author_of = key.of;
        as.author = key.owner;
        if (rc == 0)
            rc = hark_cmd_author_name(space, &as, name, err);
        if (rc == 0)
            rc = fn(out, space, &key.key, name, err);
    }
    if (rc == 0)
        rc = hark_cmd_section_count(space, HARK_SECTION_NODE, &count, err);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = hark_state_node(state, i, &node, err);
        (void)snprintf(name, sizeof(name), "log of node %s", node.name);
        if (rc == 0)
            rc = fn(out, space, &node.keys.log, name, err);
    }
    return rc;
}

/* As it is, or in JSON. */
static int print_text(struct hark_cmd *cmd, const char *what, struct hark_buf *text,
                      struct hark_err *err)
{
    int rc = hark_buf_terminate(text, err);

    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:s, s:o}", "format", "hark/export/1", "what", what,
                                         "text", hark_out_text((const char *)text->data)),
                               err);
    if (fwrite(text->data, 1, text->size, cmd->out) != text->size)
        return hark_err_set(err, HARK_E_IO, "the answer could not be written");
    return 0;
}

static int export_keys(struct hark_cmd *cmd, export_fn *fn, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(EXPORT_MAX);
    const char *what = cmd->argv[0];
    struct hark_space *space = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = each_key(space, &text, fn, err);
    if (rc == 0)
        rc = print_text(cmd, what, &text, err);
    hark_buf_free(&text);
    return rc;
}

static int export_allowed_signers(struct hark_cmd *cmd, struct hark_err *err)
{
    return export_keys(cmd, signer_line, err);
}

static int export_mailmap(struct hark_cmd *cmd, struct hark_err *err)
{
    return export_keys(cmd, mailmap_line, err);
}

static int export_policy(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_TLOG_POLICY_MAX);
    struct hark_space *space = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_policy_text(cmd, space, &text, err);
    if (rc == 0)
        rc = print_text(cmd, "policy", &text, err);
    hark_buf_free(&text);
    return rc;
}

/* --- tiles ------------------------------------------------------------------------- */

static int write_tiles(struct hark_space *space, const char *dir, struct hark_tiles_written *out,
                       struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    bool own = false;
    int rc = hark_space_checkpoint(space, &note, err);

    if (rc == 0)
        rc = hark_index_view(hark_space_index(space), &own, err);
    if (rc == 0) {
        struct hark_tiles_log log = hark_tiles_log_of(space, hark_buf_span(&note));

        rc = hark_tiles_write(dir, &log, out, err);
        hark_index_view_end(hark_space_index(space), own);
    }
    hark_buf_free(&note);
    return rc;
}

static int export_tiles(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_tiles_written written = {0};
    struct hark_space *space = NULL;
    char dir[HARK_PATH_MAX];
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_path(cmd, cmd->argv[1], dir, err);
    if (rc == 0)
        rc = write_tiles(space, dir, &written, err);
    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:o, s:I, s:I}", "format", "hark/export/1",
                      "what", "tiles", "dir", hark_out_text(cmd->argv[1]), "space",
                      hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE), "origin",
                      written.checkpoint.origin, "size", (json_int_t)written.checkpoint.size,
                      "root", hark_out_hex(written.checkpoint.root.bytes, HARK_HASH_SIZE), "tiles",
                      (json_int_t)written.tiles, "bundles", (json_int_t)written.bundles),
            err);
    if (cmd->globals.quiet)
        return 0;
    hark_print_text(cmd->out, cmd->argv[1]);
    (void)fprintf(cmd->out,
                  " holds %s at %" PRIu64 " entries: %" PRIu64 " tiles and %" PRIu64
                  " bundles of entries are new\n",
                  written.checkpoint.origin, written.checkpoint.size, written.tiles,
                  written.bundles);
    return 0;
}

int hark_cmd_export(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {{"allowed-signers", export_allowed_signers},
                                                   {"mailmap", export_mailmap},
                                                   {"me", hark_cmd_unsupported},
                                                   {"bundle", hark_cmd_unsupported},
                                                   {"tiles", export_tiles},
                                                   {"policy", export_policy}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), NULL, err);
}
