/*
 * What is taken from view (hide) and what is taken away (erase).
 */
#include <inttypes.h>
#include <string.h>

#include "node/cmd_internal.h"

struct keep {
    struct hark_space *space;
    struct hark_person person;
    struct hark_draft draft;
    bool others; /* something of another member is among them */
};

/* The admit of "member:N" means everything of that member. */
static int subject(struct hark_space *space, const char *id, struct hark_row *row,
                   struct hark_err *err)
{
    struct hark_member_object member;
    uint32_t ordinal = 0;
    int rc;

    if (strncmp(id, "member:", 7) != 0)
        return hark_cmd_row(space, id, row, err);
    memset(row, 0, sizeof(*row));
    rc = hark_cmd_member(space, id, &ordinal, err);
    if (rc == 0)
        rc = hark_state_member(hark_space_state(space), ordinal, &member, err);
    if (rc == 0)
        rc = hark_index_row(hark_space_index(space), member.admit, row, err);
    return rc;
}

/* An admit is written by the steward and is its member's own (PROTOCOL.md V14). */
static bool is_own(const struct keep *keep, const struct hark_row *row)
{
    if (strcmp(row->kind, "admit") == 0)
        return keep->person.member.admit == row->position;
    return row->author_of == HARK_KEY_OF_MEMBER && row->author == keep->person.ordinal;
}

static int keep_begin(struct hark_cmd *cmd, struct keep *keep, const char *kind, bool staff,
                      struct hark_err *err)
{
    struct hark_row row;
    int rc = hark_cmd_space(cmd, &keep->space, err);

    if (rc == 0)
        rc = hark_cmd_as(cmd, keep->space, staff, &keep->person, err);
    keep->draft.kind = kind;
    keep->draft.with_seen = true;
    for (int i = 1; i < cmd->argc && rc == 0; i++) {
        rc = subject(keep->space, cmd->argv[i], &row, err);
        if (rc == 0 && !is_own(keep, &row))
            keep->others = true;
        keep->draft.re[keep->draft.re_count++] = row.id;
    }
    return rc;
}

static int set_reason(struct keep *keep, const char *name, const char *reason, struct hark_err *err)
{
    keep->draft.fields = json_pack("{s:s}", name, reason);
    if (keep->draft.fields == NULL)
        return hark_err_set(err, HARK_E_USAGE, "the reason is not UTF-8");
    return 0;
}

static void keep_free(struct keep *keep)
{
    hark_author_free(&keep->person.author);
    json_decref(keep->draft.fields);
}

int hark_cmd_hide(struct hark_cmd *cmd, struct hark_err *err)
{
    struct keep keep = {0};
    const char *reason = NULL;
    const struct hark_option options[] = {{.name = "reason", .value = &reason}};
    int rc = hark_cmd_options(cmd, options, 1, 1, HARK_ENTRY_RE_MAX, err);

    if (rc == 0 && reason == NULL)
        rc = hark_err_set(err, HARK_E_USAGE, "hide wants a --reason");
    if (rc == 0)
        rc = keep_begin(cmd, &keep, "hide", true, err);
    if (rc == 0)
        rc = set_reason(&keep, "reason", reason, err);
    if (rc == 0)
        rc = hark_cmd_write(cmd, keep.space, &keep.person.author, &keep.draft, err);
    keep_free(&keep);
    return rc;
}

/* The words are gone here when this returns 0: hark_cmd_write tends an erase at
 * once, daemon or not. */
int hark_cmd_erase(struct hark_cmd *cmd, struct hark_err *err)
{
    struct keep keep = {0};
    const char *reason = NULL, *ground = NULL;
    const struct hark_option options[] = {{.name = "reason", .value = &reason},
                                          {.name = "ground", .value = &ground}};
    int rc = hark_cmd_options(cmd, options, 2, 1, HARK_ENTRY_RE_MAX, err);

    if (reason == NULL)
        reason = ground;
    if (rc == 0)
        rc = keep_begin(cmd, &keep, "erase", false, err);
    if (rc == 0 && keep.others && reason == NULL && keep.person.member.role == HARK_ROLE_STAFF)
        rc = hark_err_set(err, HARK_E_USAGE,
                          "who erases what others wrote says on what ground: --reason");
    if (rc == 0 && reason != NULL)
        rc = set_reason(&keep, "ground", reason, err);
    if (rc == 0)
        rc = hark_cmd_write(cmd, keep.space, &keep.person.author, &keep.draft, err);
    keep_free(&keep);
    return rc;
}
