/*
 * hark key rekey: another X25519 key for a person, the next generation (PROTOCOL.md 2.3), in
 * one space or in all of theirs. What was sealed to the one before is still read; what comes
 * is sealed to the new one.
 */
#include <stdlib.h>

#include "node/cmd_internal.h"
#include "node/generations.h"

struct rekey {
    struct hark_cmd *cmd;
    struct hark_space *space;
    struct hark_person person;
    struct hark_key box; /* the new one */
    uint32_t generation;
    struct hark_logged logged;
};

/* The next generation, of the one that is in force or on its way there. */
static int next_key(struct rekey *rekey, struct hark_err *err)
{
    const struct hark_hash *id = hark_space_id(rekey->space);
    struct hark_generations of = {.seed = NULL};
    struct hark_state *state = NULL;
    struct hark_box *box = NULL;
    size_t count = 0;
    int rc = hark_author_state(rekey->cmd->node, rekey->space, &state, err);

    if (rc == 0)
        rc = hark_generations_begin(&of, rekey->cmd->node, id, state, rekey->person.label, err);
    if (rc == 0 && !of.found)
        rc = hark_err_set(err, HARK_E_NOT_FOUND,
                          "the log names an X25519 key for %s that is none of the first %u made "
                          "from this seed",
                          rekey->person.label, HARK_GENERATIONS_MAX);
    if (rc == 0)
        rc = hark_generations_boxes(&of, of.number + 1, &box, 1, &count, err);
    if (rc == 0 && count == 0) {
        rc = hark_err_set(err, HARK_E_LIMIT, "this key was replaced %u times already", of.number);
        hark_err_hint(err, "`hark device add` brings another key for the same member");
    }
    if (rc == 0) {
        rekey->box = *hark_box_key(box);
        rekey->generation = of.number + 1;
    }
    hark_box_free(box);
    hark_generations_end(&of);
    return rc;
}

static int write_it(struct rekey *rekey, struct hark_err *err)
{
    struct hark_draft draft = {.kind = "rekey", .with_seen = true};
    struct hark_node *node = rekey->cmd->node;
    char box[HARK_HEX_SIZE];
    int rc = hark_author_rate(node, rekey->space, &rekey->person.author, err);

    hark_key_hex(box, &rekey->box);
    draft.fields = json_pack("{s:s}", "box", box);
    if (rc == 0 && draft.fields == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    if (rc == 0)
        rc = hark_author_begin(node, rekey->space, err);
    if (rc == 0) {
        rc =
            hark_author_add(node, rekey->space, &rekey->person.author, &draft, &rekey->logged, err);
        rc = hark_cmd_commit(rekey->cmd, rekey->space, rc, false, err);
    }
    json_decref(draft.fields);
    return rc;
}

static int print_it(const struct rekey *rekey, struct hark_err *err)
{
    const struct hark_globals *globals = &rekey->cmd->globals;
    FILE *out = rekey->cmd->out;
    char space[HARK_HEX_SIZE], box[HARK_HEX_SIZE], id[HARK_HEX_SIZE];

    hark_hash_hex(space, hark_space_id(rekey->space));
    hark_key_hex(box, &rekey->box);
    hark_hash_hex(id, &rekey->logged.id);
    if (globals->json)
        return hark_print_json(out,
                               json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:o, s:b}", "format",
                                         "hark/key-rekey/1", "space", space, "label",
                                         rekey->person.label, "box", box, "generation",
                                         (json_int_t)rekey->generation, "id", id, "position",
                                         hark_out_position(rekey->logged.position), "in_flight",
                                         rekey->logged.in_flight),
                               err);
    if (globals->quiet)
        (void)fprintf(out, "%s\n", id);
    else
        (void)fprintf(out, "%.12s  the key of %s is replaced, for the %u. time%s\n", space,
                      rekey->person.label, rekey->generation,
                      rekey->logged.in_flight ? " (in flight)" : "");
    return 0;
}

static int rekey_in(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err)
{
    struct rekey rekey = {.cmd = cmd, .space = space};
    int rc = hark_cmd_as(cmd, space, false, &rekey.person, err);

    if (rc == 0)
        rc = next_key(&rekey, err);
    if (rc == 0)
        rc = write_it(&rekey, err);
    if (rc == 0)
        rc = print_it(&rekey, err);
    hark_author_free(&rekey.person.author);
    return rc;
}

/* Where the person is no member, or any more, or all is closed, there is nothing to do. */
static bool is_elsewhere(int code)
{
    return code == HARK_E_ENTRY_KEY || code == HARK_E_VOID_MEMBER || code == HARK_E_VOID_CLOSED;
}

static int rekey_all(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0, done = 0;
    int rc = hark_node_spaces(cmd->node, &ids, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct hark_space *space = NULL;

        rc = hark_node_space(cmd->node, &ids[i], &space, err);
        if (rc == 0 && hark_state_size(hark_space_state(space)) == 0)
            continue;
        if (rc == 0)
            rc = rekey_in(cmd, space, err);
        done += rc == 0;
        rc = is_elsewhere(rc) ? 0 : rc;
    }
    free(ids);
    if (rc == 0 && done == 0)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "whose key is here is no member of any space");
    return rc;
}

int hark_cmd_key_rekey(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    const char *all = NULL;
    const struct hark_option options[] = {{.name = "all", .flag = true, .value = &all}};
    int rc = hark_cmd_options(cmd, options, 1, 0, 0, err);

    if (rc == 0 && all != NULL)
        return cmd->globals.space == NULL
                   ? rekey_all(cmd, err)
                   : hark_err_set(err, HARK_E_USAGE, "--all means every space: without -s");
    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    return rc == 0 ? rekey_in(cmd, space, err) : rc;
}
