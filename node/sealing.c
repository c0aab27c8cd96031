/* See sealing.h. */
#include "node/sealing.h"

#include <stdlib.h>
#include <string.h>

#include "node/inside.h"
#include "node/newcomers.h"
#include "node/office.h"
#include "node/undone.h"

#define KEYS_MAX (UINT64_C(1) << 24) /* of a space: PROTOCOL.md 11 */

/* ---- What members say -------------------------------------------------------------- */

bool hark_goes_inside(struct hark_state *state, const char *kind)
{
    const struct hark_kinds *kinds = hark_state_kinds(state);
    int number = hark_kinds_find(kinds, kind);
    const struct hark_kind *found = number < 0 ? NULL : hark_kinds_get(kinds, (size_t)number);

    return hark_state_is_encrypted(state) && found != NULL &&
           (found->modes == HARK_MODES_OPEN || found->own_kind);
}

/* Hosts do not see what a sealed entry is about, and so cannot keep it back until that is
 * logged, too. What the same key wrote comes first in any case, as its feed says. */
static int comes_before(struct hark_space *space, const struct hark_hash *id,
                        const struct hark_key *author, struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    uint64_t position = 0;
    size_t count = 0;
    bool found = false;
    int rc = hark_state_find_entry(hark_space_state(space), id, &found, &position, err);

    if (rc < 0 || found) /* in the batch that is open */
        return rc;
    rc = hark_space_flight(space, &flight, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (hark_hash_equal(&flight[i].entry.id, id) &&
            hark_key_equal(&flight[i].entry.author, author))
            return 0;
    }
    if (rc < 0)
        return rc;
    rc = hark_err_set(err, HARK_E_BUSY, "what it is about is in no log yet");
    hark_err_hint(err, "in a private group only what is logged can be answered: try again");
    return rc;
}

/* Would it stand inside? Of what is about something in flight nobody can say yet. */
static int judge(struct hark_space *space, struct hark_inside *inside,
                 const struct hark_entry *entry, const struct hark_inner *content,
                 struct hark_err *err)
{
    struct hark_inner_state *state = hark_inside_state(inside);
    const struct hark_arrival arrival = {.arrival_ms = entry->time_ms,
                                         .accepted_ms = entry->time_ms};
    bool all = true;
    int rc = 0;

    for (size_t i = 0; i < content->re_count && rc == 0; i++) {
        uint64_t position;
        bool found = false;

        rc = hark_state_find_entry(hark_inner_state_view(state), &content->re[i], &found, &position,
                                   err);
        if (rc == 0 && !found)
            rc = comes_before(space, &content->re[i], &entry->author, err);
        all = all && found;
    }
    return rc == 0 && all ? hark_inner_state_judge(state, entry, content, &arrival, err) : rc;
}

static int nobody_holds_it(struct hark_err *err)
{
    int rc = hark_err_set(err, HARK_E_EPOCH_UNKNOWN,
                          "nobody whose key is here holds the space's key in force");

    hark_err_hint(err, "who was admitted holds it once the log is here: `hark sync --wait`");
    return rc;
}

int hark_seal_draft(struct hark_node *node, struct hark_space *space,
                    const struct hark_draft *draft, const struct hark_entry *entry,
                    struct hark_buf *envelope, struct hark_err *err)
{
    struct hark_inner *content = calloc(1, sizeof(*content));
    struct hark_inside *inside = NULL;
    int rc;

    if (content == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    (void)snprintf(content->kind, sizeof(content->kind), "%s", draft->kind);
    content->re_count = draft->re_count;
    memcpy(content->re, draft->re, draft->re_count * sizeof(draft->re[0]));
    content->payload = json_incref(draft->fields);
    rc = hark_node_inside(node, space, &inside, err);
    if (rc == 0 && strcmp(entry->kind, "sealed") == 0)
        rc = judge(space, inside, entry, content, err);
    if (rc == 0)
        rc = hark_inner_seal(envelope, hark_inside_ring(inside),
                             hark_state_kinds(hark_space_state(space)), entry, content, err);
    if (rc == HARK_E_EPOCH_UNKNOWN)
        rc = nobody_holds_it(err);
    hark_inner_free(content);
    free(content);
    return rc;
}

/* ---- The steward: which epoch is next ------------------------------------------------- */

struct next {
    struct hark_state *state; /* that the entry is judged against */
    struct hark_ring *ring;
    bool first;
    uint32_t epoch;
};

/* What is in flight or in an open batch is in no ring yet: one change of the key at a time. */
static int find_next(struct hark_node *node, struct hark_space *space, struct next *next,
                     struct hark_err *err)
{
    struct hark_inside *inside = NULL;
    uint32_t known = 0, current = 0;
    bool any = false, there = false;
    int rc = hark_author_state(node, space, &next->state, err);

    if (rc == 0)
        rc = hark_node_inside(node, space, &inside, err);
    if (rc == 0)
        rc = hark_state_current_epoch(next->state, &any, &current, err);
    if (rc < 0)
        return rc;
    next->ring = hark_inside_ring(inside);
    there = hark_ring_in_force(next->ring, &known);
    if (any != there || (any && current != known)) {
        rc = hark_err_set(err, HARK_E_BUSY,
                          "another change of the space's key is not in its log yet");
        hark_err_hint(err, "try again in a moment");
        return rc;
    }
    next->first = !any;
    next->epoch = any ? current + 1 : 0;
    return 0;
}

static int set_base64(json_t *fields, const char *name, const uint8_t *bytes, size_t size,
                      struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(256);
    int rc = hark_base64_encode(&text, hark_span(bytes, size), err);

    if (rc == 0 &&
        json_object_set_new(fields, name, json_stringn((const char *)text.data, text.size)) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    hark_buf_free(&text);
    return rc;
}

static int set_commitment(json_t *fields, const uint8_t bytes[HARK_EPOCH_COMMITMENT_SIZE],
                          struct hark_err *err)
{
    char hex[2 * HARK_EPOCH_COMMITMENT_SIZE + 1];

    hark_hex_encode(hex, bytes, HARK_EPOCH_COMMITMENT_SIZE);
    if (json_object_set_new(fields, "commitment", json_string(hex)) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    return 0;
}

static bool take_hex_key(const json_t *fields, const char *name, struct hark_key *out)
{
    const json_t *text = json_object_get(fields, name);

    return json_is_string(text) &&
           hark_hex_decode(out->bytes, sizeof(out->bytes),
                           hark_span(json_string_value(text), json_string_length(text)), NULL) == 0;
}

/* ---- Who comes --------------------------------------------------------------------------- */

static int put_group_key(json_t *fields, uint32_t epoch, const struct hark_epoch_box *box,
                         struct hark_err *err)
{
    json_t *group_key = json_pack("{s:I}", "epoch", (json_int_t)epoch);
    int rc = group_key == NULL
                 ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload")
                 : set_base64(group_key, "box", box->sealed, sizeof(box->sealed), err);

    if (rc == 0 && json_object_set(fields, "group_key", group_key) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    json_decref(group_key);
    return rc;
}

/* Does the policy in force give newcomers what was before? */
static int gives_history(struct hark_space *space, bool *gives, struct hark_err *err)
{
    const struct hark_space_object *object = hark_state_space_object(hark_space_state(space));
    json_t *payload = NULL;
    struct hark_row row = {0};
    const char *history;
    int rc = hark_index_row(hark_space_index(space), object->policy, &row, err);

    if (rc == 0)
        rc = hark_space_payload_json(space, &row, &payload, err);
    history = json_string_value(json_object_get(json_object_get(payload, "policy"), "history"));
    *gives = rc == 0 && history != NULL && strcmp(history, "all") == 0;
    json_decref(payload);
    return rc;
}

static int put_older(json_t *list, const struct hark_epoch *key, const struct hark_key *to,
                     struct hark_err *err)
{
    json_t *item = json_pack("{s:I}", "epoch", (json_int_t)hark_epoch_number(key));
    struct hark_epoch_box box = {.number = 0, .to = *to};
    int rc = hark_epoch_seal_boxes(key, &box, 1, err);

    if (item == NULL || json_array_append_new(list, item) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    return rc == 0 ? set_base64(item, "box", box.sealed, sizeof(box.sealed), err) : rc;
}

/* The first key of each run of steps, of as many of the latest as an entry has room for. */
static int give_older(const struct next *next, json_t *fields, const struct hark_key *to,
                      struct hark_err *err)
{
    size_t count = hark_ring_runs(next->ring);
    json_t *list = json_array();
    int rc = list == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload") : 0;

    for (size_t i = count > HARK_RING_OLDER_MAX ? count - HARK_RING_OLDER_MAX : 0;
         i < count && rc == 0; i++) {
        const struct hark_epoch *key = hark_ring_run_key(next->ring, i);

        if (key != NULL)
            rc = put_older(list, key, to, err);
    }
    if (rc == 0 && json_array_size(list) > 0 && json_object_set(fields, "older", list) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    json_decref(list);
    return rc;
}

static int give_key(const struct next *next, struct hark_space *space, json_t *fields,
                    struct hark_err *err)
{
    bool history = false;
    struct hark_epoch_box box = {.number = 0};
    const struct hark_epoch *before = NULL;
    struct hark_epoch *key = NULL;
    int rc;

    if (!take_hex_key(fields, "box", &box.to))
        return hark_err_set(err, HARK_E_INTERNAL, "who is to come has no X25519 key");
    if (next->first) {
        rc = hark_epoch_new(&key, hark_space_id(space), next->epoch, err);
    } else {
        rc = hark_ring_key(&before, next->ring, next->epoch - 1, err);
        if (rc == HARK_E_EPOCH_UNKNOWN)
            rc = nobody_holds_it(err);
        if (rc == 0)
            rc = hark_epoch_step(&key, before, err);
    }
    if (rc == 0)
        rc = hark_epoch_seal_boxes(key, &box, 1, err);
    if (rc == 0)
        rc = put_group_key(fields, next->epoch, &box, err);
    if (rc == 0 && !next->first)
        rc = gives_history(space, &history, err);
    if (rc == 0 && history)
        rc = give_older(next, fields, &box.to, err);
    hark_epoch_free(key);
    return rc;
}

/* ---- Who goes ---------------------------------------------------------------------------- */

struct staying {
    size_t count, capacity;
    struct hark_epoch_box *boxes;
};

static int keep(struct staying *staying, uint32_t number, const struct hark_key *to,
                struct hark_err *err)
{
    if (staying->count == staying->capacity) {
        size_t bigger = staying->capacity == 0 ? 64 : 2 * staying->capacity;
        struct hark_epoch_box *grown = realloc(staying->boxes, bigger * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu keys", bigger);
        staying->boxes = grown;
        staying->capacity = bigger;
    }
    staying->boxes[staying->count++] = (struct hark_epoch_box){.number = number, .to = *to};
    return 0;
}

/* A part names what its author has seen of the log, and is void where a key was replaced
 * after that (PROTOCOL.md 10.7): what is in flight has to be logged first. */
static int settled_box(struct hark_space *space, struct hark_state *state, uint32_t number,
                       struct hark_err *err)
{
    uint64_t replaced = HARK_NONE;
    int rc = hark_state_rekeyed(state, number, &replaced, err);

    if (rc < 0 || replaced == HARK_NONE || replaced < hark_space_head(space)->tree.size)
        return rc;
    rc = hark_err_set(err, HARK_E_BUSY, "key %u has just been replaced, which is not logged yet",
                      number);
    hark_err_hint(err, "try again in a moment");
    return rc;
}

/* The members' keys in force, but for a member's, or for one. Ascending. */
static int find_staying(struct hark_space *space, struct hark_state *state, const json_t *fields,
                        bool device, struct staying *staying, struct hark_err *err)
{
    uint64_t member = (uint64_t)json_integer_value(json_object_get(fields, "member"));
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_key gone = {{0}};
    int rc = hark_state_counts(state, counts, err);

    if (device && !take_hex_key(fields, "key", &gone))
        return hark_err_set(err, HARK_E_INTERNAL, "a device that ends has no key");
    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_KEY] && i < KEYS_MAX; i++) {
        struct hark_key_object key;

        rc = hark_state_key(state, (uint32_t)i, &key, err);
        if (rc == 0 && key.of == HARK_KEY_OF_MEMBER && key.until == HARK_NONE &&
            (device ? !hark_key_equal(&key.key, &gone) : key.owner != member)) {
            rc = settled_box(space, state, (uint32_t)i, err);
            if (rc == 0)
                rc = keep(staying, (uint32_t)i, &key.box, err);
        }
    }
    if (rc == 0 && staying->count == 0) {
        rc = hark_err_set(err, HARK_E_VOID_EPOCH, "nobody would remain who could hold a key");
        hark_err_hint(err, "the last member can leave, and the space be closed");
    }
    return rc;
}

static int part_fields(const struct hark_epoch_box *boxes, size_t count, json_t *fields,
                       struct hark_err *err)
{
    json_t *sealed = json_array();
    int rc = sealed == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload") : 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        json_t *item = json_pack("{s:I}", "key", (json_int_t)boxes[i].number);

        if (item == NULL || json_array_append_new(sealed, item) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
        else
            rc = set_base64(item, "box", boxes[i].sealed, sizeof(boxes[i].sealed), err);
    }
    if (rc == 0 && json_object_set(fields, "sealed", sealed) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    json_decref(sealed);
    return rc;
}

/* One `epoch` entry. */
static int add_part(struct hark_node *node, struct hark_space *space,
                    const struct hark_author *steward, struct hark_epoch *key,
                    const struct staying *staying, size_t part, struct hark_err *err)
{
    size_t first = part * HARK_EPOCH_PART_MAX, left = staying->count - first;
    size_t count = left < HARK_EPOCH_PART_MAX ? left : HARK_EPOCH_PART_MAX;
    size_t parts = (staying->count + HARK_EPOCH_PART_MAX - 1) / HARK_EPOCH_PART_MAX;
    struct hark_draft draft = {.kind = "epoch"};
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    int rc = hark_epoch_seal_boxes(key, staying->boxes + first, count, err);

    if (rc == 0)
        rc = hark_epoch_commitment(commitment, key, err);
    draft.fields = json_pack("{s:I, s:I, s:I}", "epoch", (json_int_t)hark_epoch_number(key), "part",
                             (json_int_t)part, "parts", (json_int_t)parts);
    if (rc == 0 && draft.fields == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    if (rc == 0)
        rc = set_commitment(draft.fields, commitment, err);
    if (rc == 0)
        rc = part_fields(staying->boxes + first, count, draft.fields, err);
    if (rc == 0)
        rc = hark_author_add(node, space, steward, &draft, NULL, err);
    json_decref(draft.fields);
    return rc;
}

static int renew_key(struct hark_node *node, struct hark_space *space,
                     const struct hark_author *steward, const struct next *next, bool device,
                     json_t *fields, struct hark_err *err)
{
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    struct staying staying = {.count = 0};
    struct hark_epoch *key = NULL;
    int rc = find_staying(space, next->state, fields, device, &staying, err);

    if (rc == 0)
        rc = hark_epoch_new(&key, hark_space_id(space), next->epoch, err);
    for (size_t part = 0; rc == 0 && part * HARK_EPOCH_PART_MAX < staying.count; part++)
        rc = add_part(node, space, steward, key, &staying, part, err);
    if (rc == 0)
        rc = hark_epoch_commitment(commitment, key, err);
    if (rc == 0)
        rc = set_commitment(fields, commitment, err);
    hark_epoch_free(key);
    free(staying.boxes);
    return rc;
}

int hark_steward_keys(struct hark_node *node, struct hark_space *space,
                      const struct hark_author *steward, const char *kind, json_t *fields,
                      struct hark_err *err)
{
    bool device = strcmp(kind, "device") == 0;
    const char *action = json_string_value(json_object_get(fields, "action"));
    bool comes = strcmp(kind, "admit") == 0 || (device && action && strcmp(action, "add") == 0);
    bool goes = strcmp(kind, "remove") == 0 || (device && !comes);
    struct next next;
    int rc;

    if (!hark_state_is_encrypted(hark_space_state(space)) || (!comes && !goes))
        return 0;
    rc = find_next(node, space, &next, err);
    if (rc < 0)
        return rc;
    return comes ? give_key(&next, space, fields, err)
                 : renew_key(node, space, steward, &next, device, fields, err);
}

/* ---- Who has left ------------------------------------------------------------------------ */

/* Is a fresh key owed, not under way, and somebody there to get it? To whom? */
static int find_owed(struct hark_node *node, struct hark_space *space, bool *owed, uint32_t *member,
                     struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_group_object group = {.owed = 0};
    int rc = hark_state_group(state, &group, err);

    *owed = false;
    if (rc < 0 || group.owed == 0)
        return rc;
    rc = hark_author_state(node, space, &state, err);
    if (rc == 0)
        rc = hark_state_group(state, &group, err);
    *owed = rc == 0 && group.owed > 0 && group.keys > 0;
    return *owed ? hark_state_owed(state, 0, member, err) : rc;
}

static int remove_who_left(struct hark_node *node, struct hark_space *space, uint32_t member,
                           struct hark_err *err)
{
    json_t *fields = json_pack("{s:I, s:s}", "member", (json_int_t)member, "reason", "left");
    int rc = fields == NULL
                 ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload")
                 : hark_steward_act(node, space, NULL, NULL, "remove", fields, NULL, err);

    json_decref(fields);
    return rc;
}

/* ---- Who has come ------------------------------------------------------------------------ */

/* Has anybody come, or brought a device, since title and objective were said, with nothing
 * under way? */
static int find_untold(struct hark_node *node, struct hark_space *space, json_t **charter,
                       struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    struct hark_inside *inside = NULL;
    bool newcomer = false;
    uint64_t said = 0;
    size_t count = 0;
    int rc = hark_node_inside(node, space, &inside, err);

    *charter = rc == 0 ? json_incref(hark_inside_charter(inside, &said)) : NULL;
    if (rc == 0)
        rc = hark_newcomers_since(hark_space_state(space), said, &newcomer, err);
    if (rc == 0 && !hark_node_is_home(node, space))
        rc = hark_space_flight(space, &flight, &count, err);
    if (rc < 0 || !newcomer || count > 0) {
        json_decref(*charter);
        *charter = NULL;
    }
    return rc;
}

/* ---- Tending ----------------------------------------------------------------------------- */

/* What is due: one of these. */
struct due {
    bool owed;
    uint32_t member; /* who left first */
    struct hark_undone undone;
    json_t *charter;
};

static int find_due(struct hark_node *node, struct hark_space *space,
                    const struct hark_author *steward, struct due *due, struct hark_err *err)
{
    int rc = find_owed(node, space, &due->owed, &due->member, err);

    if (rc == 0 && !due->owed)
        rc = hark_undone_find(node, space, steward, &due->undone, err);
    if (rc == 0 && !due->owed && due->undone.kind == NULL)
        rc = find_untold(node, space, &due->charter, err);
    return rc;
}

static int write_due(struct hark_node *node, struct hark_space *space,
                     const struct hark_author *steward, const struct due *due, struct hark_err *err)
{
    const struct hark_draft draft = {.kind = "charter", .fields = due->charter};
    int rc = hark_author_begin(node, space, err);

    if (rc < 0)
        return rc;
    if (due->owed)
        rc = remove_who_left(node, space, due->member, err);
    else if (due->undone.kind != NULL)
        rc = hark_undone_again(node, space, &due->undone, err);
    else
        rc = hark_author_add(node, space, steward, &draft, NULL, err);
    if (rc == 0)
        rc = hark_author_commit(node, space, err);
    if (rc < 0)
        hark_author_rollback(node, space);
    return rc == 0 ? hark_author_hand_in(node, space, err) : rc;
}

int hark_steward_tend(struct hark_node *node, struct hark_space *space, bool *did,
                      struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_author steward = {0};
    struct due due = {.owed = false};
    struct hark_err why = {0};
    bool released = false;
    int rc;

    *did = false;
    if (hark_state_size(state) == 0 || !hark_state_is_encrypted(state) || hark_space_held(space) ||
        hark_state_space_object(state)->closed != HARK_NONE)
        return 0;
    rc = hark_steward_held(node, space, &steward, &why);
    if (rc == HARK_E_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = hark_undone_release(space, &steward, &released, &why);
    if (rc == 0 && !released)
        rc = find_due(node, space, &steward, &due, &why);
    *did = rc == 0 && (due.owed || due.undone.kind != NULL || due.charter != NULL);
    if (*did)
        rc = write_due(node, space, &steward, &due, &why);
    *did = rc == 0 && (*did || released);
    if (rc < 0 && err != NULL)
        *err = why;
    hark_undone_free(&due.undone);
    json_decref(due.charter);
    hark_author_free(&steward);
    return rc;
}
