/*
 * See join.h. What is shown is picked by what the state says is in force; that it adds
 * up to the terms of that state is the reader's to find out (schemas/join.h), and a
 * test's.
 */
#include "node/join.h"

#include <stdlib.h>
#include <string.h>

#include "node/office.h"
#include "node/outbox.h"
#include "node/shown.h"

/* --- what is shown ----------------------------------------------------------------- */

struct pick {
    struct hark_space *space;
    size_t count;
    uint64_t positions[HARK_SHOWN_MAX];
    uint64_t title, objective; /* the last policies that said something of them */
    uint64_t home;             /* the last move; 0: none */
};

static int pick(struct pick *p, uint64_t position, struct hark_err *err)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->positions[i] == position)
            return 0;
    }
    if (p->count == HARK_SHOWN_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "the terms are more than %u entries",
                            HARK_SHOWN_MAX);
    p->positions[p->count++] = position;
    return 0;
}

/* Every change of steward, so that the one in office can be followed up to. */
static int pick_row(void *arg, const struct hark_row *row, struct hark_err *err)
{
    return row->verdict == 0 ? pick(arg, row->position, err) : 0;
}

static int note_policy(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct pick *p = arg;
    json_t *json = NULL;
    int rc = row->verdict == 0 ? hark_space_payload_json(p->space, row, &json, err) : 0;

    if (json_object_get(json, "title") != NULL)
        p->title = row->position;
    if (json_object_get(json, "objective") != NULL)
        p->objective = row->position;
    json_decref(json);
    return rc;
}

static int note_home(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct pick *p = arg;

    (void)err;
    if (row->verdict == 0)
        p->home = row->position;
    return 0;
}

/* Nodes now named; and the end of the first home, which the first entry names. */
static int pick_nodes(struct pick *p, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(p->space);
    uint64_t counts[HARK_SECTION_HASHED_];
    struct hark_node_object named;
    int rc = hark_state_counts(state, counts, err);

    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        rc = hark_state_node(state, (uint32_t)i, &named, err);
        if (rc == 0 && named.until == HARK_NONE)
            rc = pick(p, named.since, err);
        else if (rc == 0 && i == 0)
            rc = pick(p, named.until, err);
    }
    return rc;
}

static int pick_all(struct pick *p, struct hark_err *err)
{
    const struct hark_log_query stewards = {
        .kind = "handover,recover", .after = HARK_NONE, .re = HARK_NONE};
    const struct hark_log_query homes = {.kind = "home", .after = HARK_NONE, .re = HARK_NONE};
    const struct hark_log_query policies = {.kind = "policy", .after = HARK_NONE, .re = HARK_NONE};
    struct hark_index *index = hark_space_index(p->space);
    int rc = pick(p, 0, err);

    if (rc == 0)
        rc = pick_nodes(p, err);
    if (rc == 0)
        rc = hark_index_log(index, &stewards, pick_row, p, err);
    if (rc == 0)
        rc = hark_index_log(index, &policies, note_policy, p, err);
    if (rc == 0)
        rc = pick(p, hark_state_space_object(hark_space_state(p->space))->policy, err);
    if (rc == 0)
        rc = pick(p, p->title, err);
    if (rc == 0)
        rc = pick(p, p->objective, err);
    if (rc == 0)
        rc = hark_index_log(index, &homes, note_home, p, err);
    if (rc == 0)
        rc = pick(p, p->home, err);
    return rc;
}

static int compare_positions(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The entries' and payloads' bytes one after the other in `bytes`. */
static int read_picked(struct pick *p, struct hark_submitted *items, struct hark_buf *bytes,
                       struct hark_err *err)
{
    size_t sizes[HARK_SHOWN_MAX][2], at = 0;
    int rc = 0;

    for (size_t i = 0; i < p->count && rc == 0; i++) {
        struct hark_row row = {0};
        size_t before = bytes->size;

        rc = hark_index_row(hark_space_index(p->space), p->positions[i], &row, err);
        if (rc == 0)
            rc = hark_space_entry(p->space, &row, bytes, err);
        sizes[i][0] = bytes->size - before;
        before = bytes->size;
        if (rc == 0 && row.has_payload)
            rc = hark_space_payload(p->space, &row, bytes, err);
        sizes[i][1] = bytes->size - before;
    }
    for (size_t i = 0; i < p->count && rc == 0; i++) {
        items[i].entry = hark_span(bytes->data + at, sizes[i][0]);
        at += sizes[i][0];
        items[i].payload = hark_span(sizes[i][1] > 0 ? bytes->data + at : NULL, sizes[i][1]);
        at += sizes[i][1];
    }
    return rc;
}

int hark_join_terms(struct hark_space *space, struct hark_buf *body, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init((HARK_ENTRY_MAX + HARK_PAYLOAD_MAX) * HARK_SHOWN_MAX);
    struct hark_submitted items[HARK_SHOWN_MAX] = {{0}};
    struct pick p = {.space = space};
    int rc;

    if (hark_state_size(hark_space_state(space)) == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "nothing of that space is here");
    rc = pick_all(&p, err);
    if (rc == 0) {
        qsort(p.positions, p.count, sizeof(p.positions[0]), compare_positions);
        rc = read_picked(&p, items, &bytes, err);
    }
    if (rc == 0)
        rc = hark_shown_encode(body, hark_space_id(space), items, p.count, err);
    hark_buf_free(&bytes);
    return rc;
}

int hark_join_read_terms(const struct hark_hash *space, struct hark_span body,
                         struct hark_terms *out, struct hark_err *err)
{
    struct hark_terms_entry entries[HARK_SHOWN_MAX];
    struct hark_submitted *items = NULL;
    struct hark_hash id;
    size_t count = 0;
    int rc = hark_shown_decode(&id, &items, &count, body, err);

    if (rc == 0 && (!hark_hash_equal(&id, space) || count > HARK_SHOWN_MAX))
        rc = hark_err_set(err, HARK_E_PEER_FORM, "the terms shown are of another space");
    for (size_t i = 0; i < count && rc == 0; i++)
        entries[i] = (struct hark_terms_entry){items[i].entry, items[i].payload};
    if (rc == 0)
        rc = hark_terms_read(out, space, entries, count, err);
    free(items);
    return rc;
}

/* --- the ticket --------------------------------------------------------------------- */

int hark_join_check_ticket(struct hark_space *space, const struct hark_key *ticket,
                           struct hark_ticket_object *out, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_ticket_object object = {0};
    char until[HARK_TIME_SIZE + 1];
    bool found = false;
    uint32_t number = 0;
    int rc = hark_state_find_ticket(state, ticket, &found, &number, err);

    if (rc == 0 && found)
        rc = hark_state_ticket(state, number, &object, err);
    if (rc < 0)
        return rc;
    if (!found)
        return hark_err_set(err, HARK_E_TICKET_UNKNOWN, "the space has no such invitation");
    if (out != NULL)
        *out = object;
    if (object.revoked != HARK_NONE)
        return hark_err_set(err, HARK_E_TICKET_REVOKED, "this ticket was revoked");
    if (hark_now_ms() > object.until_ms) {
        hark_time_encode(until, object.until_ms);
        return hark_err_set(err, HARK_E_TICKET_EXPIRED, "this ticket was good until %s", until);
    }
    if (object.used >= object.uses)
        return hark_err_set(err, HARK_E_TICKET_USED, "this ticket's %u use%s %s used up",
                            (unsigned)object.uses, object.uses == 1 ? "" : "s",
                            object.uses == 1 ? "is" : "are");
    return 0;
}

/* --- admitting ---------------------------------------------------------------------- */

static int admit(struct hark_node *node, struct hark_space *space,
                 const struct hark_join_request *request, const struct hark_ticket_object *ticket,
                 struct hark_logged *admitted, struct hark_err *err)
{
    json_t *fields =
        json_pack("{s:s, s:s}", "role", ticket->role == HARK_ROLE_STAFF ? "staff" : "member",
                  "source", "invited");
    int rc = fields == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload")
                            : hark_join_request_fields(request, fields, err);

    if (rc == 0)
        rc = hark_steward_act(node, space, NULL, NULL, "admit", fields, admitted, err);
    json_decref(fields);
    return rc;
}

/* What the ticket says its holders are to be put in. */
static int put_into_cohorts(struct hark_node *node, struct hark_space *space,
                            const json_t *invitation, const struct hark_logged *admitted,
                            struct hark_err *err)
{
    json_t *cohorts = json_object_get(invitation, "cohorts"), *cohort;
    struct hark_draft draft = {.kind = "cohort", .re_count = 1};
    struct hark_author steward = {0};
    size_t i;
    int rc;

    if (json_array_size(cohorts) == 0)
        return 0;
    draft.re[0] = admitted->id;
    rc = hark_node_steward(node, hark_space_id(space), &steward, err);
    json_array_foreach(cohorts, i, cohort)
    {
        draft.fields = cohort;
        if (rc == 0)
            rc = hark_author_add(node, space, &steward, &draft, NULL, err);
    }
    hark_author_free(&steward);
    return rc;
}

static int read_invitation(struct hark_space *space, uint64_t position, json_t **out,
                           struct hark_err *err)
{
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(space), position, &row, err);

    if (rc == 0)
        rc = hark_space_payload_json(space, &row, out, err);
    if (rc == 0 && *out == NULL)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the invite's payload is not here");
    return rc;
}

int hark_join_add(struct hark_node *node, struct hark_space *space,
                  const struct hark_join_request *request, struct hark_logged *admitted,
                  struct hark_err *err)
{
    struct hark_ticket_object ticket;
    json_t *invitation = NULL;
    int rc = hark_join_check_ticket(space, &request->ticket, &ticket, err);

    if (rc == 0)
        rc = read_invitation(space, ticket.position, &invitation, err);
    if (rc == 0)
        rc = hark_shown_admit(node, space, request, err);
    if (rc == 0)
        rc = admit(node, space, request, &ticket, admitted, err);
    if (rc == 0)
        rc = put_into_cohorts(node, space, invitation, admitted, err);
    json_decref(invitation);
    return rc;
}

/* A member's key already: admitted, whatever became of its ticket, or of it. */
static int was_admitted(struct hark_state *state, const struct hark_key *key, bool *was,
                        struct hark_err *err)
{
    struct hark_key_object object;
    uint32_t number = 0;
    bool found = false;
    int rc = hark_state_find_key(state, key, &found, &number, err);

    *was = false;
    if (rc < 0 || !found)
        return rc;
    rc = hark_state_key(state, number, &object, err);
    *was = rc == 0 && object.of == HARK_KEY_OF_MEMBER;
    return rc;
}

/* Where the steward's key is away from the home, what it writes is in flight first: not
 * an answer yet. *logged: it is in the log. */
static int admit_alone(struct hark_node *node, struct hark_space *space,
                       const struct hark_join_request *request, bool *logged, struct hark_err *err)
{
    struct hark_state *state = NULL;
    struct hark_logged admitted;
    bool was = false;
    int rc = was_admitted(hark_space_state(space), &request->key, logged, err);

    if (rc == 0 && !*logged)
        rc = hark_author_state(node, space, &state, err);
    if (rc == 0 && !*logged)
        rc = was_admitted(state, &request->key, &was, err);
    if (rc < 0 || *logged || was)
        return rc;
    rc = hark_author_begin(node, space, err);
    if (rc < 0)
        return rc;
    rc = hark_join_add(node, space, request, &admitted, err);
    if (rc == 0)
        rc = hark_author_commit(node, space, err);
    if (rc < 0) {
        hark_author_rollback(node, space);
        return rc;
    }
    *logged = hark_node_is_home(node, space);
    return *logged ? 0 : hark_author_hand_in(node, space, err);
}

static void say(struct hark_joined *out, int status, int code, const char *message)
{
    size_t size = message != NULL ? strnlen(message, HARK_TEXT_MAX) : 0;

    out->status = (uint8_t)status;
    out->code = code;
    if (size > 0)
        memcpy(out->message, message, size);
    out->message[size] = '\0';
}

int hark_join_admit(struct hark_node *node, struct hark_space *space, struct hark_span sealed,
                    struct hark_joined *out, struct hark_err *err)
{
    struct hark_join_request *request = calloc(1, sizeof(*request));
    struct hark_author steward = {0};
    struct hark_err why = {0};
    bool logged = false;
    int rc;

    memset(out, 0, sizeof(*out));
    out->space = *hark_space_id(space);
    if (request == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request to join");
    rc = hark_steward_held(node, space, &steward, &why);
    if (rc == 0)
        rc = hark_join_request_open(request, steward.box, sealed, &why);
    if (rc == 0 && !hark_hash_equal(&request->space, hark_space_id(space)))
        rc = hark_err_set(&why, HARK_E_ENTRY_SPACE, "the request is for another space");
    if (rc == 0)
        rc = admit_alone(node, space, request, &logged, &why);
    /* Another change of a private group's key is to be logged first. */
    if (rc == HARK_E_BUSY)
        rc = 0;
    if (rc == 0) {
        say(out, logged ? HARK_JOINED_ADMITTED : HARK_JOINED_WAITING, 0, NULL);
    } else if (hark_err_exit(rc) == 3) {
        say(out, HARK_JOINED_REFUSED, rc, why.message);
        rc = 0;
    } else if (err != NULL) {
        *err = why;
    }
    hark_author_free(&steward);
    hark_wipe(request, sizeof(*request));
    free(request);
    return rc;
}

/* --- handing on --------------------------------------------------------------------- */

int hark_join_relay(struct hark_space *space, struct hark_span sealed, struct hark_joined *out,
                    struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    struct hark_relay_row row;
    bool found = false;
    int rc;

    memset(out, 0, sizeof(*out));
    out->space = *hark_space_id(space);
    if (sealed.size == 0 || sealed.size > HARK_SEALED_JOIN_MAX)
        return hark_err_set(err, HARK_E_PEER_FORM, "a sealed request of %zu bytes", sealed.size);
    rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = hark_outbox_relay(outbox, sealed, hark_now_ms(), &found, &row, err);
    if (rc == 0)
        say(out, row.status, row.code, row.message);
    return rc;
}
