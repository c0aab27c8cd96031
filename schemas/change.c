/*
 * What the payload of a never-erased kind says, once hark_payload_check has found
 * it valid: the fields of schemas/kinds/ as a struct. What a field's type cannot
 * hold (a node's name, an own kind's definition) is looked at here and belongs to
 * rule V15 as well.
 */
#include "schemas/state_internal.h"

#include <string.h>

#define OWN_PREFIX   "x-"
#define OWN_WILDCARD "x-*"

static const struct {
    const char *kind;
    enum hark_action action;
} ACTIONS[] = {
    {"admit", HARK_ACTION_ADMIT},       {"close", HARK_ACTION_CLOSE},
    {"cohort", HARK_ACTION_COHORT},     {"device", HARK_ACTION_DEVICE},
    {"epoch", HARK_ACTION_EPOCH},       {"erase", HARK_ACTION_ERASE},
    {"handover", HARK_ACTION_HANDOVER}, {"hide", HARK_ACTION_HIDE},
    {"home", HARK_ACTION_HOME},         {"invite", HARK_ACTION_INVITE},
    {"kind", HARK_ACTION_KIND},         {"leave", HARK_ACTION_LEAVE},
    {"node", HARK_ACTION_NODE},         {"policy", HARK_ACTION_POLICY},
    {"recover", HARK_ACTION_RECOVER},   {"rekey", HARK_ACTION_REKEY},
    {"remove", HARK_ACTION_REMOVE},     {"revoke", HARK_ACTION_REVOKE},
    {"role", HARK_ACTION_ROLE},         {"space", HARK_ACTION_SPACE},
    {"vote", HARK_ACTION_VOTE},
};

enum hark_action hark_action_of(const char *kind)
{
    for (size_t i = 0; i < sizeof(ACTIONS) / sizeof(ACTIONS[0]); i++)
        if (strcmp(ACTIONS[i].kind, kind) == 0)
            return ACTIONS[i].action;
    return HARK_ACTION_NONE;
}

/* ---- Fields ---------------------------------------------------------------- */

static struct hark_span text_of(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);

    return json_is_string(value) ? hark_span(json_string_value(value), json_string_length(value))
                                 : hark_span(NULL, 0);
}

bool hark_json_hex(const json_t *json, const char *name, void *out, size_t size)
{
    struct hark_span text = text_of(json, name);

    return text.data != NULL && hark_hex_decode(out, size, text, NULL) == HARK_OK;
}

bool hark_json_u64(const json_t *json, const char *name, uint64_t max, uint64_t *out)
{
    const json_t *value = json_object_get(json, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

bool hark_json_is(const json_t *json, const char *name, const char *value)
{
    return hark_span_equal(text_of(json, name), hark_span_str(value));
}

static bool json_u32(const json_t *json, const char *name, uint32_t *out)
{
    uint64_t value;

    if (!hark_json_u64(json, name, UINT32_MAX, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool json_key(const json_t *json, const char *name, struct hark_key *out)
{
    return hark_json_hex(json, name, out->bytes, sizeof(out->bytes));
}

static bool json_hash(const json_t *json, const char *name, struct hark_hash *out)
{
    return hark_json_hex(json, name, out->bytes, sizeof(out->bytes));
}

static bool json_role(const json_t *json, uint8_t *role)
{
    *role = hark_json_is(json, "role", "staff") ? HARK_ROLE_STAFF : HARK_ROLE_MEMBER;
    return json_object_get(json, "role") != NULL;
}

/* A name too long for a node stays empty, and so is no node's name. */
static void json_name(const json_t *json, const char *field, struct hark_node_object *node)
{
    struct hark_span name = text_of(json, field);

    memset(node->name, 0, sizeof(node->name));
    if (name.size > 0 && name.size <= HARK_NODE_NAME_MAX)
        memcpy(node->name, name.data, name.size);
}

bool hark_json_node(const json_t *json, struct hark_node_object *node)
{
    json_name(json, "name", node);
    return json_key(json, "log", &node->keys.log) &&
           json_key(json, "cosigner", &node->keys.cosigner) &&
           json_key(json, "author", &node->keys.author) &&
           json_key(json, "curve", &node->keys.curve) && json_key(json, "box", &node->keys.box);
}

/* ---- The kinds ------------------------------------------------------------- */

/* key, box, proof, terms: of admit, device add, handover and recover. */
static bool read_new_key(const json_t *json, struct hark_change *c)
{
    c->key_count = 1;
    c->has_proof = true;
    return json_key(json, "key", &c->keys[0]) && json_key(json, "box", &c->box) &&
           hark_json_hex(json, "proof", c->proof, sizeof(c->proof)) &&
           json_hash(json, "terms", &c->terms);
}

/* group_key, older and commitment, where they are: of admit, device and remove. */
static bool read_epoch_change(const json_t *json, struct hark_change *c)
{
    const json_t *group_key = json_object_get(json, "group_key");

    c->has_group_key = group_key != NULL;
    c->older = json_object_get(json, "older");
    c->has_commitment = json_hash(json, "commitment", &c->commitment);
    return !c->has_group_key || json_u32(group_key, "epoch", &c->epoch);
}

static bool read_epoch(const json_t *json, struct hark_change *c)
{
    c->sealed = json_object_get(json, "sealed");
    return json_u32(json, "epoch", &c->epoch) && json_u32(json, "part", &c->part) &&
           json_u32(json, "parts", &c->parts) && json_hash(json, "commitment", &c->commitment) &&
           json_is_array(c->sealed);
}

static bool read_admit(const json_t *json, struct hark_change *c)
{
    c->has_ticket = json_key(json, "ticket", &c->ticket);
    c->has_ticket_proof =
        hark_json_hex(json, "ticket_proof", c->ticket_proof, sizeof(c->ticket_proof));
    return read_epoch_change(json, c) && read_new_key(json, c) && json_role(json, &c->role);
}

static bool read_device(const json_t *json, struct hark_change *c)
{
    c->add = hark_json_is(json, "action", "add");
    if (!json_u32(json, "member", &c->member) || !read_epoch_change(json, c))
        return false;
    return c->add ? read_new_key(json, c) : json_key(json, "key", &c->old_key);
}

static bool read_invite(const json_t *json, struct hark_change *c)
{
    struct hark_ticket_object *ticket = &c->new_ticket;

    ticket->used = 0;
    ticket->revoked = HARK_NONE;
    c->key_count = json_key(json, "ticket", &ticket->sign) ? 1 : 0;
    c->keys[0] = ticket->sign;
    return c->key_count == 1 && json_key(json, "curve", &ticket->curve) &&
           json_role(json, &ticket->role) && json_u32(json, "uses", &ticket->uses) &&
           hark_time_decode(&ticket->until_ms, text_of(json, "until"), NULL) == HARK_OK;
}

static bool read_home(const json_t *json, struct hark_change *c)
{
    json_name(json, "node", &c->node);
    c->has_holder = json_key(json, "holder", &c->holder);
    return json_u32(json, "incarnation", &c->incarnation) &&
           hark_json_u64(json, "size", HARK_NUMBER_MAX, &c->size) &&
           json_hash(json, "root", &c->root);
}

/* Returns 0 or the code of what is wrong with the name. */
static int read_node(const json_t *json, struct hark_change *c, struct hark_err *err)
{
    json_name(json, "name", &c->node);
    c->add = hark_json_is(json, "action", "add");
    if (!hark_node_name_valid(hark_span_str(c->node.name)))
        return hark_err_set(err, HARK_E_VOID_PAYLOAD, "the name is not one of a node");
    if (!c->add)
        return HARK_OK;
    if (!hark_json_node(json, &c->node))
        return HARK_E_INTERNAL;
    c->key_count = 3;
    c->keys[0] = c->node.keys.log;
    c->keys[1] = c->node.keys.cosigner;
    c->keys[2] = c->node.keys.author;
    return HARK_OK;
}

/* All that hark_kinds_add_own asks but what rules V27 and V28 do. */
static int own_kind_fits(const struct hark_kinds *kinds, const struct hark_kind *kind,
                         struct hark_err *err)
{
    bool known = true;

    for (size_t i = 0; i < kind->re_kind_count; i++)
        known = known && (strcmp(kind->re_kinds[i], OWN_WILDCARD) == 0 ||
                          strcmp(kind->re_kinds[i], kind->name) == 0 ||
                          hark_kinds_find(kinds, kind->re_kinds[i]) >= 0);
    if (strncmp(kind->name, OWN_PREFIX, strlen(OWN_PREFIX)) != 0 ||
        kind->name[strlen(OWN_PREFIX)] == '\0')
        return hark_err_set(err, HARK_E_VOID_PAYLOAD, "an own kind's name begins with " OWN_PREFIX);
    if ((kind->who != HARK_WHO_MEMBER && kind->who != HARK_WHO_STAFF) || !kind->erasable)
        return hark_err_set(err, HARK_E_VOID_PAYLOAD,
                            "an own kind is written by members or staff, and erasable");
    if (!known)
        return hark_err_set(err, HARK_E_VOID_PAYLOAD, "an own kind is about an unknown one");
    return HARK_OK;
}

static int read_kind(const struct hark_state *state, const json_t *json, struct hark_change *c,
                     struct hark_err *err)
{
    struct hark_span yaml = text_of(json, "definition");
    int rc;

    if (yaml.data == NULL)
        return HARK_E_INTERNAL;
    rc = hark_kind_parse(&c->kind, yaml, "definition", err);
    if (rc == HARK_E_NO_MEMORY)
        return rc;
    if (rc != HARK_OK) {
        if (err != NULL)
            err->code = HARK_E_VOID_PAYLOAD;
        return HARK_E_VOID_PAYLOAD;
    }
    c->definition = (const char *)yaml.data;
    if (!hark_json_is(json, "name", c->kind->name))
        return hark_err_set(err, HARK_E_VOID_PAYLOAD, "the definition is of another name");
    return own_kind_fits(state->kinds, c->kind, err);
}

int hark_change_read(struct hark_judging *j, struct hark_err *err)
{
    struct hark_change *c = &j->change;
    bool read = true;
    int rc = HARK_OK;

    switch (j->action) {
    case HARK_ACTION_ADMIT:
        read = read_admit(j->json, c);
        break;
    case HARK_ACTION_DEVICE:
        read = read_device(j->json, c);
        break;
    case HARK_ACTION_EPOCH:
        read = read_epoch(j->json, c);
        break;
    case HARK_ACTION_HANDOVER:
    case HARK_ACTION_RECOVER:
        read = read_new_key(j->json, c);
        break;
    case HARK_ACTION_HOME:
        read = read_home(j->json, c);
        break;
    case HARK_ACTION_INVITE:
        read = read_invite(j->json, c);
        break;
    case HARK_ACTION_KIND:
        rc = read_kind(j->state, j->json, c, err);
        break;
    case HARK_ACTION_NODE:
        rc = read_node(j->json, c, err);
        break;
    case HARK_ACTION_REKEY:
        read = json_key(j->json, "box", &c->box);
        break;
    case HARK_ACTION_REMOVE:
        read = json_u32(j->json, "member", &c->member) && read_epoch_change(j->json, c);
        break;
    case HARK_ACTION_REVOKE:
        c->has_ticket = read = json_key(j->json, "ticket", &c->ticket);
        break;
    case HARK_ACTION_ROLE:
        read = json_u32(j->json, "member", &c->member) && json_role(j->json, &c->role);
        break;
    default: /* says nothing that the state needs */
        break;
    }
    if (!read || rc == HARK_E_INTERNAL)
        return hark_err_set(err, HARK_E_INTERNAL, "kind %s and the program disagree",
                            j->kind->name);
    return rc;
}

void hark_change_free(struct hark_change *change)
{
    hark_kind_free(change->kind);
    change->kind = NULL;
}
