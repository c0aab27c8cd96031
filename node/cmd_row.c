/*
 * What an entry looks like, to scripts and to people.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"

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
        rc = hark_space_payload_json(space, row, out, err);
    if (rc == 0 && *out != NULL)
        (void)json_object_del(*out, "salt");
    if (rc == 0 && *out == NULL)
        *out = json_null();
    return rc;
}

int hark_cmd_row_json(struct hark_space *space, const struct hark_row *row, json_t **out,
                      struct hark_err *err)
{
    int code = hark_verdict_code(row->verdict);
    json_t *author = NULL, *payload = NULL;
    int rc = hark_cmd_author_json(space, row, &author, err);

    if (rc == 0)
        rc = payload_json(space, row, &payload, err);
    if (rc < 0) {
        json_decref(author);
        return rc;
    }
    *out = json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:b, "
                     "s:o, s:o, s:o}",
                     "format", "hark/log/1", "position", (json_int_t)row->position, "arrival",
                     hark_out_time(row->arrival_ms), "accepted", hark_out_time(row->accepted_ms),
                     "id", hark_out_hex(row->id.bytes, HARK_HASH_SIZE), "commit",
                     hark_out_hex(row->git_id.bytes, HARK_GIT_ID_SIZE), "author", author, "seq",
                     (json_int_t)row->seq, "kind", row->kind, "time", hark_out_time(row->time_ms),
                     "re", re_json(row), "payload_state", text_or_null(payload_state(row)),
                     "payload", payload, "says_nothing", text_or_null(says_nothing(row)), "hidden",
                     row->hidden_by != HARK_NONE, "hidden_by", hark_out_position(row->hidden_by),
                     "erased_by", hark_out_position(row->erased_by), "void",
                     row->verdict != 0 ? text_or_null(hark_err_name(code)) : json_null());
    return *out == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer") : 0;
}

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
    rc = hark_index_title(hark_space_index(space), row->position, out, size, err);
    if (rc < 0 || out[0] != '\0')
        return rc;
    rc = hark_space_payload_json(space, row, &payload, err);
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

int hark_cmd_row_print(struct hark_cmd *cmd, struct hark_space *space, const struct hark_row *row,
                       struct hark_err *err)
{
    char name[HARK_NAME_SIZE], what[HARK_TITLE_SIZE], time[HARK_TIME_SIZE + 1], id[13];
    int rc = hark_cmd_author_name(space, row, name, err);

    if (rc == 0)
        rc = describe(space, row, what, sizeof(what), err);
    if (rc < 0)
        return rc;
    hark_time_encode(time, row->arrival_ms);
    hark_short_id(id, &row->id);
    (void)fprintf(cmd->out, "%6" PRIu64 "  %.10s %.8s  %s  ", row->position, time, time + 11, id);
    hark_print_line(cmd->out, name);
    (void)fprintf(cmd->out, "  %s  ", row->kind);
    if (row->verdict != 0)
        (void)fprintf(cmd->out, "(void: %s) ", hark_err_name(hark_verdict_code(row->verdict)));
    hark_print_line(cmd->out, what);
    (void)fputc('\n', cmd->out);
    return 0;
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
    int rc = hark_index_log(hark_space_index(space), query, collect, &to, err);

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
    int rc = hark_index_row(hark_space_index(space), position, &row, err);

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
    if (rc < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}
