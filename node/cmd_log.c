/*
 * hark log and hark search: many entries, one line each.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"

#define SEARCH_LIMIT 50u

struct lister {
    struct hark_cmd *cmd;
    struct hark_space *space;
    uint64_t until_ms; /* HARK_NONE: no bound */
    uint64_t listed;
    bool with_title;
    bool who_first;
};

/* --- log ------------------------------------------------------------------------ */

static int list_row(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct lister *lister = arg;
    json_t *json = NULL;
    int rc;

    if (row->arrival_ms > lister->until_ms)
        return HARK_STOP; /* arrivals never decrease */
    lister->listed++;
    if (!lister->cmd->globals.json)
        return hark_cmd_row_print(lister->cmd, lister->space, row, err);
    rc = hark_cmd_row_json(lister->space, row, &json, err);
    return rc < 0 ? rc : hark_print_json(lister->cmd->out, json, err);
}

/* WHO is a member, or a key that need not be one. */
static int set_author(struct hark_space *space, const char *who, struct hark_log_query *query,
                      struct hark_key *key, struct hark_err *err)
{
    struct hark_key_object object;
    uint32_t number = 0;
    int rc = hark_cmd_member(space, who, &query->member, err);

    if (rc == 0) {
        query->has_member = true;
        return 0;
    }
    if (rc != HARK_E_NOT_FOUND || !hark_cmd_is_id(who))
        return rc;
    rc = hark_cmd_key(space, who, &number, &object, err);
    *key = object.key;
    query->author = key;
    return rc;
}

/* Is it one of a comma-separated list of kinds (NULL: any)? */
static bool kind_is_of(const char *kind, const char *list)
{
    size_t size = strlen(kind);

    if (list == NULL)
        return true;
    while (*list != '\0') {
        size_t item = strcspn(list, ",");

        if (item == size && strncmp(list, kind, size) == 0)
            return true;
        list += item;
        list += *list == ',';
    }
    return false;
}

static bool is_asked_for(const struct hark_row *row, const struct hark_log_query *query,
                         uint64_t until_ms)
{
    if (!kind_is_of(row->kind, query->kind) || row->time_ms < query->since_ms ||
        row->time_ms > until_ms)
        return false;
    if (query->has_member && (row->author_of != HARK_KEY_OF_MEMBER || row->author != query->member))
        return false;
    return query->author == NULL || hark_key_equal(&row->author_key, query->author);
}

/* What is under way, after the log: in the order in which it would be logged now. */
static int list_flight(struct lister *lister, const struct hark_log_query *query,
                       struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight_seen(lister->space, &flight, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct hark_row row;
        json_t *json = NULL;

        if (query->limit != 0 && lister->listed >= query->limit)
            break;
        rc = hark_cmd_flight_row(lister->space, &flight[i], &row, err);
        if (rc < 0 || !is_asked_for(&row, query, lister->until_ms))
            continue;
        lister->listed++;
        if (!lister->cmd->globals.json) {
            rc = hark_cmd_row_print(lister->cmd, lister->space, &row, err);
            continue;
        }
        rc = hark_cmd_row_json(lister->space, &row, &json, err);
        if (rc == 0)
            rc = hark_print_json(lister->cmd->out, json, err);
    }
    return rc;
}

struct log_options {
    const char *kind, *author, *since, *until, *limit, *after, *in_flight;
};

static int parse_log(struct hark_cmd *cmd, struct log_options *log, struct hark_log_query *query,
                     uint64_t *until_ms, struct hark_err *err)
{
    const struct hark_option options[] = {
        {.name = "kind", .value = &log->kind},
        {.name = "author", .value = &log->author},
        {.name = "since", .value = &log->since},
        {.name = "until", .value = &log->until},
        {.name = "limit", .value = &log->limit},
        {.name = "after", .value = &log->after},
        {.name = "in-flight", .flag = true, .value = &log->in_flight},
    };
    int rc = hark_cmd_options(cmd, options, sizeof(options) / sizeof(options[0]), 0, 0, err);

    if (rc == 0 && log->since != NULL)
        rc = hark_cmd_time(log->since, false, &query->since_ms, err);
    if (rc == 0 && log->until != NULL)
        rc = hark_cmd_time(log->until, true, until_ms, err);
    if (rc == 0 && log->limit != NULL)
        rc = hark_cmd_number(log->limit, HARK_NUMBER_MAX, "--limit", &query->limit, err);
    if (rc == 0 && log->after != NULL)
        rc = hark_cmd_number(log->after, HARK_NUMBER_MAX, "--after", &query->after, err);
    query->kind = log->kind;
    if (cmd->globals.has_at)
        query->below = cmd->globals.at;
    return rc;
}

int hark_cmd_log(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_log_query query = {.after = HARK_NONE, .re = HARK_NONE};
    struct lister lister = {.cmd = cmd, .until_ms = HARK_NONE};
    struct log_options options = {0};
    struct hark_key key;
    int rc = parse_log(cmd, &options, &query, &lister.until_ms, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &lister.space, err);
    if (rc == 0 && options.author != NULL)
        rc = set_author(lister.space, options.author, &query, &key, err);
    /* In the query 0 is no bound; asked for, it is none of them. */
    if (rc < 0 || (options.limit != NULL && query.limit == 0) ||
        (cmd->globals.has_at && cmd->globals.at == 0))
        return rc;
    rc = hark_index_log(hark_space_view(lister.space), &query, list_row, &lister, err);
    /* Scripts count on positions, and ask for what has none. At a size there is nothing
     * under way. */
    if (rc == 0 && !cmd->globals.has_at && (!cmd->globals.json || options.in_flight != NULL))
        rc = list_flight(&lister, &query, err);
    return rc;
}

/* --- search ----------------------------------------------------------------------- */

static int hit_json(struct lister *lister, const struct hark_row *row, const char *title,
                    struct hark_err *err)
{
    json_t *json = NULL;
    int rc = hark_cmd_row_json(lister->space, row, &json, err);

    if (rc == 0 && json_object_set_new(json, "title", hark_out_text(title)) != 0) {
        json_decref(json);
        json = NULL;
    }
    return rc < 0 ? rc : hark_print_json(lister->cmd->out, json, err);
}

static int list_hit(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct lister *lister = arg;
    FILE *out = lister->cmd->out;
    char title[HARK_TITLE_SIZE], name[HARK_NAME_SIZE], id[13];
    int rc =
        hark_index_title(hark_space_view(lister->space), row->position, title, sizeof(title), err);

    if (rc == 0 && lister->cmd->globals.json)
        return hit_json(lister, row, title, err);
    if (rc == 0)
        rc = hark_cmd_author_name(lister->space, row, name, err);
    if (rc < 0)
        return rc;
    hark_short_id(id, &row->id);
    if (lister->who_first) {
        hark_print_line(out, name);
        (void)fputs("  ", out);
    }
    (void)fprintf(out, "%s  %s  ", id, row->kind);
    /* As in `show`: -v is how to look at what was hidden. */
    if (row->hidden_by == HARK_NONE || lister->cmd->globals.verbose)
        hark_print_line(out, title);
    else
        (void)fprintf(out, "(hidden by entry %" PRIu64 ")", row->hidden_by);
    (void)fputc('\n', out);
    return 0;
}

/* search and who-said: several words are one query. */
int hark_cmd_search(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *limit_text = NULL;
    const struct hark_option options[] = {{.name = "limit", .value = &limit_text}};
    struct lister lister = {.cmd = cmd, .who_first = strcmp(cmd->argv[0], "who-said") == 0};
    struct hark_buf words = hark_buf_init(4096);
    uint64_t limit = SEARCH_LIMIT;
    int rc = hark_cmd_options(cmd, options, 1, 1, HARK_ARGS_MAX, err);

    if (rc == 0 && limit_text != NULL)
        rc = hark_cmd_number(limit_text, HARK_NUMBER_MAX, "--limit", &limit, err);
    for (int i = 1; i < cmd->argc && rc == 0; i++) {
        if (i > 1)
            rc = hark_buf_append_byte(&words, ' ', err);
        if (rc == 0)
            rc = hark_cmd_text(cmd, cmd->argv[i], &words, err);
    }
    if (rc == 0)
        rc = hark_buf_terminate(&words, err);
    if (rc == 0)
        rc = hark_cmd_space(cmd, &lister.space, err);
    if (rc == 0)
        rc = hark_index_search(hark_space_view(lister.space), (const char *)words.data, limit,
                               list_hit, &lister, err);
    hark_buf_free(&words);
    return rc;
}
