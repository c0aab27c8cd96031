/*
 * What an entry looks like, to scripts and to people, whether it is logged or in
 * flight: a row made of one in flight has no position.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/witness.h"

/* --- in flight ------------------------------------------------------------------- */

int hark_cmd_flight(struct hark_space *space, const struct hark_hash *id,
                    const struct hark_flight_entry **out, struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight_seen(space, &flight, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        if (hark_hash_equal(&flight[i].entry.id, id)) {
            *out = &flight[i];
            return 0;
        }
    }
    return rc < 0 ? rc : hark_err_set(err, HARK_E_NOT_FOUND, "there is no such entry in flight");
}

/* Who wrote what may not be logged now is asked of the key alone. */
static int flight_author(struct hark_space *space, const struct hark_flight_entry *flight,
                         struct hark_row *out, struct hark_err *err)
{
    struct hark_state *state = NULL;
    struct hark_key_object key = {0};
    bool found = false;
    uint32_t number = 0;
    int rc;

    out->author_of = flight->effect.author_of;
    out->author = flight->effect.author;
    if (flight->code == 0)
        return 0;
    rc = hark_space_provisional(space, &state, err);
    if (rc == 0)
        rc = hark_state_find_key(state, &flight->entry.author, &found, &number, err);
    if (rc == 0 && found)
        rc = hark_state_key(state, number, &key, err);
    out->author_of = found ? key.of : HARK_KEY_OF_RECOVERY;
    out->author = key.owner;
    return rc;
}

int hark_cmd_flight_row(struct hark_space *space, const struct hark_flight_entry *flight,
                        struct hark_row *out, struct hark_err *err)
{
    const struct hark_entry *entry = &flight->entry;
    int rc;

    memset(out, 0, sizeof(*out));
    out->git_id = hark_git_hash(HARK_GIT_COMMIT, flight->object);
    rc = flight_author(space, flight, out, err);
    out->position = HARK_NONE;
    out->accepted_ms = flight->node[0] != '\0' ? flight->accepted_ms : 0;
    out->time_ms = entry->time_ms;
    out->id = entry->id;
    out->author_key = entry->author;
    out->seq = entry->seq;
    memcpy(out->kind, entry->kind, sizeof(out->kind));
    out->verdict = flight->code == 0 ? flight->effect.verdict : 0;
    out->hidden_by = HARK_NONE;
    out->erased_by = HARK_NONE;
    out->replaces = HARK_NONE;
    out->used_by = HARK_NONE;
    out->has_payload = entry->has_payload;
    out->payload_size = entry->payload_size;
    out->payload_hash = entry->payload_hash;
    out->says = flight->says;
    out->re_count = entry->re_count;
    memcpy(out->re, entry->re, entry->re_count * sizeof(entry->re[0]));
    return rc;
}

static int find_in_flight(struct hark_space *space, const char *id, struct hark_row *out,
                          struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL, *found = NULL;
    size_t count = 0, size = strlen(id);
    int rc = hark_space_flight_seen(space, &flight, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        char hex[HARK_HEX_SIZE];

        hark_hash_hex(hex, &flight[i].entry.id);
        if (strncmp(hex, id, size) != 0)
            continue;
        if (found != NULL)
            rc = hark_err_set(err, HARK_E_AMBIGUOUS, "%s fits several entries", id);
        found = &flight[i];
    }
    if (rc == 0 && found == NULL)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "no entry %s here", id);
    return found == NULL || rc < 0 ? rc : hark_cmd_flight_row(space, found, out, err);
}

int hark_cmd_row(struct hark_space *space, const char *id, struct hark_row *out,
                 struct hark_err *err)
{
    int rc;

    memset(out, 0, sizeof(*out));
    rc = hark_space_find(space, id, out, err);
    return rc == HARK_E_NOT_FOUND ? find_in_flight(space, id, out, err) : rc;
}

/* What a row says: a new reference, NULL where it says nothing. */
static int says_json(struct hark_space *space, const struct hark_row *row, json_t **out,
                     struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    int rc;

    *out = NULL;
    if (row->position != HARK_NONE)
        return hark_space_words(space, row, out, err);
    rc = hark_cmd_flight(space, &row->id, &flight, err);
    if (rc == 0 && flight->json != NULL) {
        *out = json_deep_copy(flight->json);
        if (*out == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    return rc;
}

int hark_cmd_title(struct hark_space *space, const struct hark_row *row, char *out, size_t size,
                   struct hark_err *err)
{
    json_t *payload = NULL;
    const char *text;
    int rc;

    out[0] = '\0';
    if (row->position != HARK_NONE)
        return hark_index_title(hark_space_view(space), row->position, out, size, err);
    rc = says_json(space, row, &payload, err);
    text = json_string_value(json_object_get(payload, "title"));
    if (text == NULL)
        text = json_string_value(json_object_get(payload, "body"));
    if (rc == 0 && text != NULL)
        hark_copy_text(out, size, text);
    json_decref(payload);
    return rc;
}

/* --- to scripts --------------------------------------------------------------------- */

static const char *payload_state(const struct hark_row *row)
{
    switch (row->says) {
    case HARK_SAYS_NONE:
        return NULL;
    case HARK_SAYS_ERASED:
        return "erased";
    case HARK_SAYS_MISSING:
        return "missing";
    case HARK_SAYS_SEALED:
        return "sealed";
    default:
        return "present";
    }
}

/* Of those that are present and count as saying nothing, why. */
static const char *says_nothing(const struct hark_row *row)
{
    return row->says == HARK_SAYS_INVALID   ? "invalid"
           : row->says == HARK_SAYS_FOREIGN ? "foreign"
                                            : NULL;
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *re_json(const struct hark_row *row)
{
    json_t *list = json_array();

    for (size_t i = 0; i < row->re_count && list != NULL; i++) {
        if (json_array_append_new(list, hark_out_hex(row->re[i].bytes, HARK_HASH_SIZE)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* The salt is of use to a payload's hash only. */
static int payload_json(struct hark_space *space, const struct hark_row *row, json_t **out,
                        struct hark_err *err)
{
    int rc = 0;

    *out = NULL;
    if (row->says == HARK_SAYS_IT)
        rc = says_json(space, row, out, err);
    if (rc == 0 && *out != NULL)
        (void)json_object_del(*out, "salt");
    if (rc == 0 && *out == NULL)
        *out = json_null();
    return rc;
}

static json_t *time_or_null(uint64_t time_ms)
{
    return time_ms != 0 ? hark_out_time(time_ms) : json_null();
}

/* What only an entry in flight has: who has accepted it, and why it could not be logged
 * as things stand. */
static int add_flight_json(struct hark_space *space, const struct hark_row *row, json_t *json,
                           struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    int rc = hark_cmd_flight(space, &row->id, &flight, err);

    if (rc < 0)
        return rc;
    if (json_object_set_new(json, "in_flight", json_true()) != 0 ||
        json_object_set_new(json, "accepted_by",
                            text_or_null(flight->node[0] != '\0' ? flight->node : NULL)) != 0 ||
        json_object_set_new(json, "refused",
                            text_or_null(flight->code != 0 ? hark_err_name(flight->code) : NULL)) !=
            0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    return 0;
}

int hark_cmd_row_json(struct hark_space *space, const struct hark_row *row, json_t **out,
                      struct hark_err *err)
{
    int code = hark_verdict_code(row->verdict);
    json_t *author = NULL, *payload = NULL;
    uint64_t settled = 0;
    int rc = hark_witness_settled(space, &settled, err);

    if (rc == 0)
        rc = hark_cmd_author_json(space, row, &author, err);
    if (rc == 0)
        rc = payload_json(space, row, &payload, err);
    if (rc < 0) {
        json_decref(author);
        return rc;
    }
    *out =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:b, "
                  "s:o, s:o, s:o, s:b}",
                  "format", "hark/log/1", "position", hark_out_position(row->position), "arrival",
                  time_or_null(row->arrival_ms), "accepted", time_or_null(row->accepted_ms), "id",
                  hark_out_hex(row->id.bytes, HARK_HASH_SIZE), "commit",
                  hark_out_hex(row->git_id.bytes, HARK_GIT_ID_SIZE), "author", author, "seq",
                  (json_int_t)row->seq, "kind", row->kind, "time", hark_out_time(row->time_ms),
                  "re", re_json(row), "payload_state", text_or_null(payload_state(row)), "payload",
                  payload, "says_nothing", text_or_null(says_nothing(row)), "hidden",
                  row->hidden_by != HARK_NONE, "hidden_by", hark_out_position(row->hidden_by),
                  "erased_by", hark_out_position(row->erased_by), "void",
                  row->verdict != 0 ? text_or_null(hark_err_name(code)) : json_null(), "settled",
                  row->position < settled);
    if (*out == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    if (row->position == HARK_NONE)
        rc = add_flight_json(space, row, *out, err);
    if (rc < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

/* --- to people ------------------------------------------------------------------------ */

/* What a line shows after the kind, when the title does not say it. */
static int describe(struct hark_space *space, const struct hark_row *row, char *out, size_t size,
                    struct hark_err *err)
{
    static const char *const names[] = {"title", "body",   "choice", "outcome", "name",
                                        "value", "reason", "action", "role",    "source"};
    json_t *payload = NULL;
    const char *text = NULL;
    int rc;

    out[0] = '\0';
    if (row->hidden_by != HARK_NONE) {
        (void)snprintf(out, size, "(hidden by entry %" PRIu64 ")", row->hidden_by);
        return 0;
    }
    if (row->says != HARK_SAYS_IT) {
        if (row->says != HARK_SAYS_NONE)
            (void)snprintf(out, size, "(%s)",
                           says_nothing(row) != NULL ? says_nothing(row) : payload_state(row));
        return 0;
    }
    rc = hark_cmd_title(space, row, out, size, err);
    if (rc < 0 || out[0] != '\0')
        return rc;
    rc = says_json(space, row, &payload, err);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && text == NULL; i++)
        text = json_string_value(json_object_get(payload, names[i]));
    if (rc == 0 && text != NULL && strcmp(row->kind, "cohort") == 0)
        (void)snprintf(out, size, "%s=%s", json_string_value(json_object_get(payload, "dimension")),
                       text);
    else if (rc == 0 && text != NULL)
        hark_copy_text(out, size, text);
    json_decref(payload);
    return rc;
}

/* "(in flight, accepted by cafe) " */
static int print_flight(FILE *out, struct hark_space *space, const struct hark_row *row,
                        struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    int rc = hark_cmd_flight(space, &row->id, &flight, err);

    if (rc < 0)
        return rc;
    if (flight->code != 0)
        (void)fprintf(out, "(cannot be logged: %s) ", hark_err_name(flight->code));
    else if (flight->node[0] != '\0')
        (void)fprintf(out, "(in flight, accepted by %s) ", flight->node);
    else
        (void)fputs("(in flight, in the outbox) ", out);
    return 0;
}

int hark_cmd_row_print(struct hark_cmd *cmd, struct hark_space *space, const struct hark_row *row,
                       struct hark_err *err)
{
    char name[HARK_NAME_SIZE], what[HARK_TITLE_SIZE], time[HARK_TIME_SIZE + 1], id[13];
    bool logged = row->position != HARK_NONE;
    int rc = hark_cmd_author_name(space, row, name, err);

    if (rc == 0)
        rc = describe(space, row, what, sizeof(what), err);
    if (rc < 0)
        return rc;
    hark_time_encode(time, logged ? row->arrival_ms : row->time_ms);
    hark_short_id(id, &row->id);
    if (logged)
        (void)fprintf(cmd->out, "%6" PRIu64, row->position);
    else
        (void)fputs("     -", cmd->out);
    (void)fprintf(cmd->out, "  %.10s %.8s  %s  ", time, time + 11, id);
    hark_print_line(cmd->out, name);
    (void)fprintf(cmd->out, "  %s  ", row->kind);
    if (!logged)
        rc = print_flight(cmd->out, space, row, err);
    if (row->verdict != 0)
        (void)fprintf(cmd->out, "(void: %s) ", hark_err_name(hark_verdict_code(row->verdict)));
    hark_print_line(cmd->out, what);
    (void)fputc('\n', cmd->out);
    return rc;
}

/* --- walking ------------------------------------------------------------------- */

struct collected {
    uint64_t *list;
    size_t count, capacity;
};

static int collect(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct collected *to = arg;

    if (to->count == to->capacity) {
        size_t capacity = to->capacity == 0 ? 64 : 2 * to->capacity;
        uint64_t *grown = realloc(to->list, capacity * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a list of entries");
        to->list = grown;
        to->capacity = capacity;
    }
    to->list[to->count++] = row->position;
    return 0;
}

int hark_cmd_positions(struct hark_space *space, const struct hark_log_query *query, uint64_t **out,
                       size_t *count, struct hark_err *err)
{
    struct collected to = {0};
    int rc = hark_index_log(hark_space_view(space), query, collect, &to, err);

    if (rc < 0) {
        free(to.list);
        to = (struct collected){0};
    }
    *out = to.list;
    *count = to.count;
    return rc;
}

/* --- title and objective ----------------------------------------------------------- */

static int overlay(struct hark_space *space, uint64_t position, json_t *onto, struct hark_err *err)
{
    static const char *const names[] = {"title", "objective", "mode"};
    struct hark_row row = {0};
    json_t *payload = NULL;
    int rc = hark_index_row(hark_space_view(space), position, &row, err);

    if (rc == 0 && row.verdict == 0)
        rc = hark_space_payload_json(space, &row, &payload, err);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++) {
        json_t *value = json_object_get(payload, names[i]);

        if (value != NULL && json_object_set(onto, names[i], value) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    json_decref(payload);
    return rc;
}

int hark_cmd_charter(struct hark_space *space, json_t **out, struct hark_err *err)
{
    struct hark_log_query query = {.kind = "policy", .after = HARK_NONE, .re = HARK_NONE};
    uint64_t *positions = NULL;
    size_t count = 0;
    int rc;

    *out = json_object();
    if (*out == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    if (hark_state_size(hark_space_state(space)) == 0)
        return 0;
    rc = overlay(space, 0, *out, err);
    if (rc == 0)
        rc = hark_cmd_positions(space, &query, &positions, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = overlay(space, positions[i], *out, err);
    free(positions);
    if (rc == 0 && hark_space_charter(space) != NULL &&
        json_object_update(*out, hark_space_charter(space)) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    if (rc < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}
