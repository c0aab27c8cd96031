/*
 * Who is meant, and who is writing: spaces, members, keys and authors from what
 * a person typed, and back into words.
 */
#include <string.h>

#include "node/cmd_internal.h"

int hark_cmd_space(struct hark_cmd *cmd, struct hark_space **out, struct hark_err *err)
{
    struct hark_inside *inside = NULL;
    int rc = hark_node_pick_space(cmd->node, cmd->globals.space, out, err);

    return rc == 0 ? hark_node_inside(cmd->node, *out, &inside, err) : rc;
}

int hark_cmd_person(struct hark_cmd *cmd, struct hark_space *space, struct hark_author *out,
                    struct hark_err *err)
{
    return hark_node_person(cmd->node, hark_space_id(space), cmd->globals.as, out, NULL, err);
}

int hark_cmd_text(struct hark_cmd *cmd, const char *argument, struct hark_buf *out,
                  struct hark_err *err)
{
    struct hark_span text = hark_span_str(argument);

    if (strcmp(argument, "-") == 0) {
        text = cmd->input;
        if (text.size > 0 && text.data[text.size - 1] == '\n')
            text.size--;
        if (text.size > 0 && text.data[text.size - 1] == '\r')
            text.size--;
    }
    if (!hark_utf8_valid(text))
        return hark_err_set(err, HARK_E_USAGE, "the text is not UTF-8");
    return hark_buf_append_span(out, text, err);
}

int hark_cmd_home(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err)
{
    struct hark_node_object home;
    int rc;

    if (hark_node_is_home(cmd->node, space))
        return 0;
    rc = hark_space_home(space, &home, err);
    if (rc < 0)
        return rc;
    rc = hark_err_set(err, HARK_E_ACCEPT_NOT_HERE,
                      "that is done at the space's home only, which is %s", home.name);
    return rc;
}

/* --- members --------------------------------------------------------------------- */

const char *hark_cmd_role_name(uint8_t role)
{
    return role == HARK_ROLE_STAFF ? "staff" : "member";
}

const char *hark_cmd_status_name(uint8_t status)
{
    return status == HARK_STATUS_ACTIVE    ? "active"
           : status == HARK_STATUS_REMOVED ? "removed"
                                           : "left";
}

int hark_cmd_section_count(struct hark_space *space, enum hark_section section, uint64_t *count,
                           struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};
    int rc = hark_state_counts(hark_space_state(space), counts, err);

    *count = counts[section];
    return rc;
}

/* Whom --as names; else the only person here, or the only one who is a member there. */
static int pick_person(struct hark_cmd *cmd, struct hark_space *space, struct hark_author *out,
                       char label[HARK_LABEL_MAX + 1], struct hark_err *err)
{
    struct hark_err why = {0};
    int rc = hark_node_person(cmd->node, hark_space_id(space), cmd->globals.as, out, label, err);

    if (rc != HARK_E_AMBIGUOUS || cmd->globals.as != NULL ||
        hark_node_only_member(cmd->node, space, label, &why) < 0)
        return rc;
    return hark_node_person(cmd->node, hark_space_id(space), label, out, NULL, err);
}

int hark_cmd_as(struct hark_cmd *cmd, struct hark_space *space, bool staff, struct hark_person *out,
                struct hark_err *err)
{
    struct hark_state *state = NULL;
    struct hark_key_object key = {.until = HARK_NONE};
    bool found = false;
    uint32_t number = 0;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = hark_author_state(cmd->node, space, &state, err);
    if (rc == 0)
        rc = pick_person(cmd, space, &out->author, out->label, err);
    if (rc == 0)
        rc = hark_state_find_key(state, hark_signer_key(out->author.sign), &found, &number, err);
    if (rc == 0 && !found)
        rc = hark_err_set(err, HARK_E_ENTRY_KEY, "%s is no member of this space", out->label);
    if (rc == 0)
        rc = hark_state_key(state, number, &key, err);
    if (rc == 0 && key.of != HARK_KEY_OF_MEMBER)
        rc = hark_err_set(err, HARK_E_ENTRY_KEY, "%s is no member of this space", out->label);
    if (rc == 0) {
        out->ordinal = key.owner;
        rc = hark_state_member(state, key.owner, &out->member, err);
    }
    if (rc == 0 && (key.until != HARK_NONE || out->member.status != HARK_STATUS_ACTIVE))
        rc = hark_err_set(err, HARK_E_VOID_MEMBER, "%s is no member of this space any more",
                          out->label);
    if (rc == 0 && staff && out->member.role != HARK_ROLE_STAFF)
        rc = hark_err_set(err, HARK_E_VOID_ROLE, "%s is not staff here", out->label);
    if (rc < 0)
        hark_author_free(&out->author);
    return rc;
}

int hark_cmd_key(struct hark_space *space, const char *hex, uint32_t *number,
                 struct hark_key_object *out, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_key_object key = {.until = HARK_NONE};
    char text[HARK_HEX_SIZE];
    size_t found = 0;
    uint64_t count = 0;
    int rc;

    if (!hark_cmd_is_id(hex))
        return hark_err_set(err, HARK_E_USAGE, "a key is named by 8 to 64 hex digits, not %.64s",
                            hex);
    rc = hark_cmd_section_count(space, HARK_SECTION_KEY, &count, err);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        rc = hark_state_key(state, (uint32_t)i, &key, err);
        if (rc < 0)
            break;
        hark_key_hex(text, &key.key);
        if (strncmp(text, hex, strlen(hex)) != 0)
            continue;
        found++;
        *number = (uint32_t)i;
        *out = key;
    }
    if (rc < 0)
        return rc;
    if (found == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "no key %s in this space", hex);
    if (found > 1)
        return hark_err_set(err, HARK_E_AMBIGUOUS, "%s fits several keys", hex);
    return 0;
}

static int member_by_ordinal(struct hark_space *space, const char *text, uint32_t *ordinal,
                             struct hark_err *err)
{
    uint64_t number = 0, count = 0;
    int rc = hark_cmd_section_count(space, HARK_SECTION_MEMBER, &count, err);

    if (rc < 0)
        return rc;
    if (hark_decimal_decode(&number, hark_span_str(text), UINT32_MAX, NULL) < 0 || number >= count)
        return hark_err_set(err, HARK_E_NOT_FOUND, "no member %.64s in this space", text);
    *ordinal = (uint32_t)number;
    return 0;
}

int hark_cmd_member(struct hark_space *space, const char *who, uint32_t *ordinal,
                    struct hark_err *err)
{
    struct hark_key_object key = {0};
    uint32_t number = 0;
    size_t count = 0;
    int rc;

    if (strncmp(who, "member:", 7) == 0)
        return member_by_ordinal(space, who + 7, ordinal, err);
    if (who[0] != '\0' && strlen(who) < 8 && strspn(who, "0123456789") == strlen(who))
        return member_by_ordinal(space, who, ordinal, err);
    rc = hark_index_member_by_name(hark_space_view(space), who, ordinal, &count, err);
    if (rc < 0 && rc != HARK_E_NOT_FOUND)
        return rc;
    if (count > 1) {
        rc = hark_err_set(err, HARK_E_AMBIGUOUS, "%zu members go by the name %.100s", count, who);
        hark_err_hint(err, "name the member by number or key: `hark member ls` tells them");
        return rc;
    }
    if (count == 1)
        return 0;
    if (!hark_cmd_is_id(who))
        return hark_err_set(err, HARK_E_NOT_FOUND, "no member %.100s in this space", who);
    rc = hark_cmd_key(space, who, &number, &key, err);
    if (rc == 0 && key.of != HARK_KEY_OF_MEMBER)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "%s is no member's key", who);
    *ordinal = key.owner;
    return rc;
}

/* --- into words ------------------------------------------------------------------ */

int hark_cmd_name(struct hark_space *space, uint32_t ordinal, char out[HARK_NAME_SIZE],
                  struct hark_err *err)
{
    int rc = hark_index_member_name(hark_space_view(space), ordinal, out, HARK_NAME_SIZE, err);

    if (rc == 0 && out[0] == '\0')
        (void)snprintf(out, HARK_NAME_SIZE, "member %u", (unsigned)ordinal);
    return rc;
}

int hark_cmd_author_name(struct hark_space *space, const struct hark_row *row,
                         char out[HARK_NAME_SIZE], struct hark_err *err)
{
    struct hark_node_object node;
    int rc = 0;

    if (row->author_of == HARK_KEY_OF_MEMBER)
        return hark_cmd_name(space, row->author, out, err);
    if (row->author_of == HARK_KEY_OF_NODE) {
        rc = hark_state_node(hark_space_state(space), row->author, &node, err);
        if (rc == 0)
            (void)snprintf(out, HARK_NAME_SIZE, "node %s", node.name);
        return rc;
    }
    (void)snprintf(out, HARK_NAME_SIZE, "%s",
                   row->author_of == HARK_KEY_OF_STEWARD ? "steward" : "recovery key");
    return 0;
}

static const char *author_of_name(uint8_t of)
{
    return of == HARK_KEY_OF_MEMBER    ? "member"
           : of == HARK_KEY_OF_STEWARD ? "steward"
           : of == HARK_KEY_OF_NODE    ? "node"
                                       : "recovery";
}

int hark_cmd_author_json(struct hark_space *space, const struct hark_row *row, json_t **out,
                         struct hark_err *err)
{
    bool member = row->author_of == HARK_KEY_OF_MEMBER;
    char name[HARK_NAME_SIZE] = "";
    int rc = 0;

    if (member)
        rc = hark_index_member_name(hark_space_view(space), row->author, name, sizeof(name), err);
    if (rc < 0)
        return rc;
    *out = json_pack(
        "{s:o, s:o, s:o, s:s}", "key", hark_out_hex(row->author_key.bytes, HARK_KEY_SIZE), "member",
        member ? json_integer(row->author) : json_null(), "name",
        name[0] != '\0' ? hark_out_text(name) : json_null(), "of", author_of_name(row->author_of));
    return *out == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer") : 0;
}
