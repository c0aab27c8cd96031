/*
 * Writing, as the verbs do it: one batch, then what follows a batch, then the
 * new entry's id and place; away from the home, into the outbox instead.
 */
#include <string.h>

#include "node/cmd_internal.h"
#include "node/newcomers.h"

int hark_cmd_commit(struct hark_cmd *cmd, struct hark_space *space, int rc, bool at_once,
                    struct hark_err *err)
{
    if (rc == 0)
        rc = hark_author_commit(cmd->node, space, err);
    if (rc < 0) {
        hark_author_rollback(cmd->node, space);
        return rc;
    }
    cmd->changed = true;
    if (!hark_node_is_home(cmd->node, space)) {
        rc = hark_author_hand_in(cmd->node, space, err);
        return rc < 0 ? hark_err_wrap(err, rc, "it is in the outbox; taking it in here") : 0;
    }
    /* A daemon tends by itself, within a second; what is erased must not wait. */
    if (cmd->net == NULL || at_once)
        rc = hark_space_tend(space, err);
    return rc < 0 ? hark_err_wrap(err, rc, "it is logged; what follows a batch") : 0;
}

int hark_cmd_print_logged(struct hark_cmd *cmd, struct hark_space *space, const char *kind,
                          const struct hark_logged *logged, json_t *more, struct hark_err *err)
{
    char id[HARK_HEX_SIZE];
    json_t *json;

    hark_hash_hex(id, &logged->id);
    if (!cmd->globals.json) {
        json_decref(more);
        if (cmd->globals.quiet)
            (void)fprintf(cmd->out, "%s\n", id);
        else if (logged->in_flight)
            (void)fprintf(cmd->out, "%s %s in flight\n", kind, id);
        else
            (void)fprintf(cmd->out, "%s %s at position %llu\n", kind, id,
                          (unsigned long long)logged->position);
        return 0;
    }
    json = json_pack("{s:s, s:o, s:s, s:s, s:o, s:b}", "format", "hark/entry/1", "position",
                     hark_out_position(logged->position), "id", id, "kind", kind, "space",
                     hark_out_hex(hark_space_id(space)->bytes, HARK_HASH_SIZE), "in_flight",
                     logged->in_flight);
    if (json != NULL && more != NULL && json_object_update(json, more) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(more);
    return hark_print_json(cmd->out, json, err);
}

/* An entry that is refused leaves the batch as it was; other failures undo it. */
static int write_together(struct hark_cmd *cmd, struct hark_space *space,
                          const struct hark_author *author, const struct hark_draft *draft,
                          struct hark_logged *logged, struct hark_err *err)
{
    struct hark_together *together = cmd->together;
    int rc = together->space == NULL ? hark_author_begin(cmd->node, space, err) : 0;

    if (rc < 0)
        return rc;
    together->space = space;
    rc = hark_newcomers_name(cmd->node, space, author, draft->kind, err);
    if (rc == 0)
        rc = hark_author_add(cmd->node, space, author, draft, logged, err);
    cmd->changed = rc == 0;
    if (rc < 0 && !hark_space_in_batch(space)) {
        together->undone = true;
        together->err = *err;
    }
    return rc;
}

int hark_cmd_write(struct hark_cmd *cmd, struct hark_space *space, const struct hark_author *author,
                   const struct hark_draft *draft, struct hark_err *err)
{
    struct hark_logged logged = {0};
    int rc = hark_author_rate(cmd->node, space, author, err);

    if (rc < 0)
        return rc;
    if (cmd->together != NULL && hark_node_is_home(cmd->node, space)) {
        rc = write_together(cmd, space, author, draft, &logged, err);
    } else {
        rc = hark_author_begin(cmd->node, space, err);
        if (rc < 0)
            return rc;
        rc = hark_newcomers_name(cmd->node, space, author, draft->kind, err);
        if (rc == 0)
            rc = hark_author_add(cmd->node, space, author, draft, &logged, err);
        rc = hark_cmd_commit(cmd, space, rc, strcmp(draft->kind, "erase") == 0, err);
    }
    if (rc < 0)
        return rc;
    return hark_cmd_print_logged(cmd, space, draft->kind, &logged, NULL, err);
}

int hark_cmd_steward(struct hark_cmd *cmd, struct hark_space *space,
                     const struct hark_author *person, const char *action, const char *kind,
                     json_t *fields, struct hark_logged *out, struct hark_err *err)
{
    int rc = fields == NULL ? hark_err_set(err, HARK_E_USAGE, "the arguments are not UTF-8")
                            : hark_author_begin(cmd->node, space, err);

    if (rc == 0) {
        rc = hark_steward_act(cmd->node, space, person, action, kind, fields, out, err);
        rc = hark_cmd_commit(cmd, space, rc, false, err);
    }
    json_decref(fields);
    return rc;
}
