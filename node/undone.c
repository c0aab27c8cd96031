/*
 * See undone.h.
 *
 * What is wanted only ever ceases to be: nobody who was removed comes back under that number,
 * and no key that has ended. So what lies below the first one that is wanted need not be looked
 * at again, and a daemon looks at each entry of the log once.
 */
#include "node/undone.h"

#include <string.h>

#include "node/inside.h"
#include "node/outbox.h"

/* --- what was refused ---------------------------------------------------------------- */

#define REFUSED_MAX 256u /* at a time */

struct refused {
    const struct hark_key *steward;
    size_t count;
    struct hark_hash ids[REFUSED_MAX];
};

/* Refused for what came between, and not for what it is? */
static bool came_too_late(const char *kind, int code)
{
    bool ends = strcmp(kind, "remove") == 0 || strcmp(kind, "device") == 0;

    if (code == HARK_E_VOID_EPOCH)
        return ends || strcmp(kind, "epoch") == 0 || strcmp(kind, "admit") == 0;
    return ends && code == HARK_E_VOID_TARGET; /* who left by themselves */
}

static int note_refused(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    struct refused *refused = arg;
    struct hark_entry entry = {.seq = 0};
    int rc = hark_entry_parse(&entry, row->object, err);

    if (rc < 0)
        return rc;
    if (!row->as_void && hark_key_equal(&entry.author, refused->steward) &&
        came_too_late(entry.kind, row->code))
        refused->ids[refused->count++] = row->id;
    return refused->count == REFUSED_MAX ? HARK_STOP : 0;
}

int hark_undone_release(struct hark_space *space, const struct hark_author *steward, bool *did,
                        struct hark_err *err)
{
    struct refused refused = {.steward = hark_signer_key(steward->sign)};
    struct hark_outbox *outbox = NULL;
    int rc = 0;

    *did = false;
    if (!hark_space_has_outbox(space))
        return 0;
    rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = hark_outbox_each(outbox, 1u << HARK_OUT_REFUSED, note_refused, &refused, err);
    for (size_t i = 0; i < refused.count && rc >= 0; i++)
        rc = hark_outbox_as_void(outbox, &refused.ids[i], hark_now_ms(), err);
    if (refused.count > 0)
        hark_space_outbox_changed(space);
    *did = rc >= 0 && refused.count > 0;
    return rc < 0 ? rc : 0;
}

/* --- what is void ---------------------------------------------------------------------- */

struct looking {
    struct hark_space *space;
    struct hark_state *state; /* that a new entry is judged against */
    struct hark_undone *out;
    uint64_t position; /* of what was found */
};

/* Is the member active still? */
static int member_stays(struct hark_state *state, const json_t *fields, bool *stays,
                        struct hark_err *err)
{
    struct hark_member_object member = {.status = HARK_STATUS_REMOVED};
    uint64_t ordinal = (uint64_t)json_integer_value(json_object_get(fields, "member"));
    uint64_t counts[HARK_SECTION_HASHED_] = {0};
    int rc = hark_state_counts(state, counts, err);

    if (rc == 0 && ordinal < counts[HARK_SECTION_MEMBER])
        rc = hark_state_member(state, (uint32_t)ordinal, &member, err);
    *stays = rc == 0 && member.status == HARK_STATUS_ACTIVE;
    return rc;
}

/* Is the key that is to end in force still, and that member's? */
static int key_stays(struct hark_state *state, const json_t *fields, bool *stays,
                     struct hark_err *err)
{
    const json_t *text = json_object_get(fields, "key");
    struct hark_key_object object = {.until = 0};
    struct hark_key key = {{0}};
    uint32_t number = 0;
    bool found = false;
    int rc = 0;

    *stays = false;
    if (!json_is_string(text) ||
        hark_hex_decode(key.bytes, sizeof(key.bytes),
                        hark_span(json_string_value(text), json_string_length(text)), NULL) != 0)
        return 0;
    rc = hark_state_find_key(state, &key, &found, &number, err);
    if (rc == 0 && found)
        rc = hark_state_key(state, number, &object, err);
    *stays = rc == 0 && found && object.of == HARK_KEY_OF_MEMBER && object.until == HARK_NONE &&
             object.owner == (uint64_t)json_integer_value(json_object_get(fields, "member"));
    return rc;
}

static int look(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct looking *looking = arg;
    bool device = strcmp(row->kind, "device") == 0, stays = false;
    const char *action;
    json_t *fields = NULL;
    int rc;

    if (row->verdict != hark_verdict_number(HARK_E_VOID_EPOCH))
        return 0;
    rc = hark_space_payload_json(looking->space, row, &fields, err);
    action = json_string_value(json_object_get(fields, "action"));
    if (rc == 0 && fields != NULL && (!device || (action && strcmp(action, "remove") == 0)))
        rc = device ? key_stays(looking->state, fields, &stays, err)
                    : member_stays(looking->state, fields, &stays, err);
    if (rc < 0 || !stays) {
        json_decref(fields);
        return rc;
    }
    (void)json_object_del(fields, "commitment");
    (void)json_object_del(fields, "salt");
    looking->out->kind = device ? "device" : "remove";
    looking->out->fields = fields;
    looking->position = row->position;
    return HARK_STOP;
}

int hark_undone_find(struct hark_node *node, struct hark_space *space,
                     const struct hark_author *steward, struct hark_undone *out,
                     struct hark_err *err)
{
    struct looking looking = {.space = space, .out = out};
    struct hark_log_query query = {.kind = "remove,device",
                                   .author = hark_signer_key(steward->sign),
                                   .after = HARK_NONE,
                                   .re = HARK_NONE};
    uint64_t size = hark_space_head(space)->tree.size, *from;
    struct hark_inside *inside = NULL;
    int rc;

    *out = (struct hark_undone){.kind = NULL};
    rc = hark_node_inside(node, space, &inside, err);
    if (rc < 0 || inside == NULL)
        return rc;
    from = hark_inside_undone(inside);
    if (*from > size) /* a log that went back */
        *from = 0;
    if (*from == size)
        return 0;
    if (*from > 0)
        query.after = *from - 1;
    rc = hark_author_state(node, space, &looking.state, err);
    if (rc == 0)
        rc = hark_index_log(hark_space_index(space), &query, look, &looking, err);
    if (rc >= 0)
        *from = out->kind != NULL ? looking.position : size;
    return rc < 0 ? rc : 0;
}

int hark_undone_again(struct hark_node *node, struct hark_space *space,
                      const struct hark_undone *undone, struct hark_err *err)
{
    return hark_steward_act(node, space, NULL, NULL, undone->kind, undone->fields, NULL, err);
}

void hark_undone_free(struct hark_undone *undone)
{
    json_decref(undone->fields);
    *undone = (struct hark_undone){.kind = NULL};
}
