/*
 * hark show and hark history: one entry, what it is about and what came of it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"

#define ABOUT_MAX 16u /* steps up a thread */

/* What stands about an entry, by what it is to it. */
static const struct {
    const char *key;   /* of the JSON */
    const char *title; /* for people */
    const char *kinds;
} parts[] = {
    {"revisions", "worded anew", "revision"},
    {"replies", "replies", "post,topic,idea"},
    {"responses", "answers", "response"},
    {"decisions", "decisions", "decision"},
    {"actions", "actions", "action"},
    {"recognitions", "thanks", "recognition"},
    {"hidden", "hidden", "hide"},
    {"erased", "erased", "erase"},
};

static int row_json(struct hark_space *space, const struct hark_row *row, json_t **out,
                    struct hark_err *err)
{
    char title[HARK_TITLE_SIZE] = "";
    int rc = hark_cmd_title(space, row, title, sizeof(title), err);

    *out = NULL;
    if (rc == 0)
        rc = hark_cmd_row_json(space, row, out, err);
    if (rc < 0)
        return rc;
    if (json_object_set_new(*out, "title", title[0] != '\0' ? hark_out_text(title) : json_null()) !=
        0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    return 0;
}

static int append_row(struct hark_space *space, const struct hark_row *row, json_t *list,
                      struct hark_err *err)
{
    json_t *json = NULL;
    int rc = row_json(space, row, &json, err);

    if (rc == 0 && json_array_append(list, json) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    json_decref(json);
    return rc;
}

/* Standing entries of `kinds` about a position, appended to a list. */
static int about_json(struct hark_space *space, uint64_t position, const char *kinds, json_t *list,
                      struct hark_err *err)
{
    const struct hark_log_query query = {.kind = kinds, .after = HARK_NONE, .re = position};
    uint64_t *positions = NULL;
    size_t count = 0;
    int rc = 0;

    if (position == HARK_NONE) /* in flight: nothing in the log is about it */
        return 0;
    rc = hark_cmd_positions(space, &query, &positions, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct hark_row row = {0};

        rc = hark_index_row(hark_space_view(space), positions[i], &row, err);
        if (rc == 0 && row.verdict == 0)
            rc = append_row(space, &row, list, err);
    }
    free(positions);
    return rc;
}

/* Entries in flight about it that would stand, votes apart: those are counted. */
static int flight_json(struct hark_space *space, const struct hark_row *of, json_t *list,
                       struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight_seen(space, &flight, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct hark_entry *entry = &flight[i].entry;
        struct hark_row row;

        if (flight[i].code != 0 || flight[i].effect.verdict != 0 ||
            strcmp(entry->kind, "vote") == 0)
            continue;
        for (size_t r = 0; r < entry->re_count && rc == 0; r++) {
            if (!hark_hash_equal(&entry->re[r], &of->id))
                continue;
            rc = hark_cmd_flight_row(space, &flight[i], &row, err);
            if (rc == 0)
                rc = append_row(space, &row, list, err);
        }
    }
    return rc;
}

/* Up the thread: what it is about, what that is about, … the first of each. */
static int thread_json(struct hark_space *space, const struct hark_row *of, json_t *list,
                       struct hark_err *err)
{
    struct hark_row row = *of, next = {0};
    int rc = 0;

    for (unsigned step = 0; step < ABOUT_MAX && row.re_count > 0 && rc == 0; step++) {
        for (size_t i = 0; i < row.re_count && rc == 0; i++) {
            char hex[HARK_HEX_SIZE];

            hark_hash_hex(hex, &row.re[i]);
            rc = hark_cmd_row(space, hex, &next, err);
            if (rc == HARK_E_NOT_FOUND)
                return 0; /* a void entry may name anything */
            if (rc == 0)
                rc = append_row(space, &next, list, err);
        }
        if (rc == 0) {
            char hex[HARK_HEX_SIZE];

            hark_hash_hex(hex, &row.re[0]);
            rc = hark_cmd_row(space, hex, &next, err);
            row = next;
        }
    }
    return rc;
}

static int add_tally(struct hark_space *space, const struct hark_row *row, json_t *show,
                     struct hark_err *err)
{
    struct hark_tally tally;
    json_t *json = NULL, *in_flight = NULL;
    int rc;

    if (strcmp(row->kind, "idea") != 0)
        return json_object_set_new(show, "tally", json_null()) != 0
                   ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer")
                   : 0;
    rc = hark_cmd_tally_of(space, row, NULL, 0, 0, &tally, err);
    if (rc == 0)
        rc = hark_cmd_votes_in_flight(space, row, NULL, 0, &in_flight, err);
    if (rc == 0)
        rc = hark_cmd_tally_json(&tally, &json, err);
    if (rc < 0) {
        json_decref(in_flight);
        return rc;
    }
    if (json_object_set_new(json, "in_flight", in_flight) != 0 ||
        json_object_set(show, "tally", json) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    json_decref(json);
    return rc;
}

static int show_json(struct hark_space *space, const struct hark_row *row, json_t *show,
                     struct hark_err *err)
{
    json_t *entry = NULL, *about = json_array(), *flying = json_array();
    int rc = row_json(space, row, &entry, err);

    if (rc == 0)
        rc = thread_json(space, row, about, err);
    if (rc == 0)
        rc = flight_json(space, row, flying, err);
    if (rc < 0) {
        json_decref(entry);
        json_decref(about);
        json_decref(flying);
        return rc;
    }
    if (json_object_set_new(show, "format", json_string("hark/show/1")) != 0 ||
        json_object_set_new(show, "entry", entry) != 0 ||
        json_object_set_new(show, "about", about) != 0 ||
        json_object_set_new(show, "in_flight", flying) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && rc == 0; i++) {
        json_t *list = json_array();

        if (json_object_set_new(show, parts[i].key, list) != 0)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
        rc = about_json(space, row->position, parts[i].kinds, list, err);
    }
    return rc == 0 ? add_tally(space, row, show, err) : rc;
}

/* --- for people ------------------------------------------------------------------- */

static void print_payload(FILE *out, json_t *payload)
{
    const char *name;
    json_t *value;

    json_object_foreach(payload, name, value)
    {
        char *text =
            json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

        (void)fprintf(out, "    %s: ", name);
        hark_print_text(out, text != NULL ? text : json_string_value(value));
        (void)fputc('\n', out);
        free(text);
    }
}

static int print_list(struct hark_cmd *cmd, struct hark_space *space, const char *title,
                      json_t *list, struct hark_err *err)
{
    json_t *item;
    size_t i;
    int rc = 0;

    if (json_array_size(list) > 0)
        (void)fprintf(cmd->out, "\n%s:\n", title);
    json_array_foreach(list, i, item)
    {
        struct hark_row row = {0};

        if (rc == 0)
            rc = hark_cmd_row(space, json_string_value(json_object_get(item, "id")), &row, err);
        if (rc == 0)
            rc = hark_cmd_row_print(cmd, space, &row, err);
    }
    return rc;
}

static int print_head(struct hark_cmd *cmd, struct hark_space *space, const struct hark_row *row,
                      struct hark_err *err)
{
    char id[HARK_HEX_SIZE], commit[2 * HARK_GIT_ID_SIZE + 1], key[HARK_HEX_SIZE];
    char time[HARK_TIME_SIZE + 1], name[HARK_NAME_SIZE];
    int rc = hark_cmd_author_name(space, row, name, err);

    if (rc < 0)
        return rc;
    hark_hash_hex(id, &row->id);
    hark_git_id_hex(commit, &row->git_id);
    hark_key_hex(key, &row->author_key);
    hark_time_encode(time, row->time_ms);
    (void)fprintf(cmd->out, "%s %s\ncommit   %s\nposition ", row->kind, id, commit);
    if (row->position != HARK_NONE)
        (void)fprintf(cmd->out, "%" PRIu64 "\nauthor   ", row->position);
    else
        (void)fputs("none yet: in flight\nauthor   ", cmd->out);
    hark_print_line(cmd->out, name);
    (void)fprintf(cmd->out, ", key %.12s, entry %" PRIu64 " of that key\ntime     %s\n", key,
                  row->seq, time);
    if (row->verdict != 0)
        (void)fprintf(cmd->out, "void     %s\n", hark_err_name(hark_verdict_code(row->verdict)));
    if (row->hidden_by != HARK_NONE)
        (void)fprintf(cmd->out, "hidden   by entry %" PRIu64 "\n", row->hidden_by);
    if (row->says == HARK_SAYS_ERASED && row->erased_by != HARK_NONE)
        (void)fprintf(cmd->out, "erased   by entry %" PRIu64 "\n", row->erased_by);
    return 0;
}

static void print_tally(struct hark_cmd *cmd, const json_t *tally)
{
    const json_t *counts = json_object_get(tally, "counts");
    static const char *const names[] = {"agree", "disagree", "pass"};

    if (!json_is_object(tally))
        return;
    (void)fputs("\nvotes:", cmd->out);
    for (size_t i = 0; i < 3; i++)
        (void)fprintf(cmd->out, "  %s %" JSON_INTEGER_FORMAT, names[i],
                      json_integer_value(json_object_get(counts, names[i])));
    (void)fprintf(cmd->out, "  of %" JSON_INTEGER_FORMAT " members\n",
                  json_integer_value(json_object_get(tally, "eligible")));
    hark_cmd_print_in_flight(cmd->out, json_object_get(tally, "in_flight"));
}

static int print_show(struct hark_cmd *cmd, struct hark_space *space, const struct hark_row *row,
                      const json_t *show, struct hark_err *err)
{
    const json_t *entry = json_object_get(show, "entry");
    const char *state = json_string_value(json_object_get(entry, "payload_state"));
    int rc = print_head(cmd, space, row, err);

    if (rc < 0)
        return rc;
    if (state != NULL && strcmp(state, "present") != 0)
        (void)fprintf(cmd->out, "payload  %s\n", state);
    /* -v is how to look at what was hidden. */
    if (row->hidden_by == HARK_NONE || cmd->globals.verbose)
        print_payload(cmd->out, json_object_get(entry, "payload"));
    print_tally(cmd, json_object_get(show, "tally"));
    rc = print_list(cmd, space, "about", json_object_get(show, "about"), err);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && rc == 0; i++)
        rc = print_list(cmd, space, parts[i].title, json_object_get(show, parts[i].key), err);
    if (rc == 0)
        rc = print_list(cmd, space, "in flight", json_object_get(show, "in_flight"), err);
    return rc;
}

int hark_cmd_show(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct hark_row row = {0};
    json_t *show = json_object();
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_row(space, cmd->argv[1], &row, err);
    if (rc == 0)
        rc = show_json(space, &row, show, err);
    if (rc == 0 && cmd->globals.json)
        return hark_print_json(cmd->out, show, err);
    if (rc == 0)
        rc = print_show(cmd, space, &row, show, err);
    json_decref(show);
    return rc;
}

/* --- history ---------------------------------------------------------------------- */

/* The entry itself and its revisions, oldest first; of a revision, those of what
 * it words anew. */
static int wordings(struct hark_space *space, struct hark_row *row, json_t *list,
                    struct hark_err *err)
{
    char hex[HARK_HEX_SIZE];
    int rc = 0;

    if (strcmp(row->kind, "revision") == 0 && row->re_count == 1) {
        hark_hash_hex(hex, &row->re[0]);
        rc = hark_cmd_row(space, hex, row, err);
    }
    if (rc == 0)
        rc = append_row(space, row, list, err);
    if (rc == 0)
        rc = about_json(space, row->position, "revision", list, err);
    return rc;
}

static void print_wording(struct hark_cmd *cmd, const json_t *entry)
{
    const char *time = json_string_value(json_object_get(entry, "time"));
    const char *id = json_string_value(json_object_get(entry, "id"));
    json_t *payload = json_object_get(entry, "payload");

    (void)fprintf(cmd->out, "%s  %.12s  %s\n", time, id,
                  json_string_value(json_object_get(entry, "kind")));
    if (json_is_object(payload))
        print_payload(cmd->out, payload);
    else
        (void)fputs("    (says nothing any more)\n", cmd->out);
}

int hark_cmd_history(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_space *space = NULL;
    struct hark_row row = {0};
    json_t *list = json_array(), *entry;
    size_t i;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_row(space, cmd->argv[1], &row, err);
    if (rc == 0)
        rc = wordings(space, &row, list, err);
    if (rc == 0 && cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:o, s:o}", "format", "hark/history/1", "id",
                                         hark_out_hex(row.id.bytes, HARK_HASH_SIZE), "wordings",
                                         list),
                               err);
    json_array_foreach(list, i, entry)
    {
        if (rc == 0)
            print_wording(cmd, entry);
    }
    json_decref(list);
    return rc;
}
