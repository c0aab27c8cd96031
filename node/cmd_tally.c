/*
 * hark tally and hark top: what members think of ideas, as they stand at a size
 * of the log.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/witness.h"

#define WHERE_MAX 8u
#define TOP_LIMIT 10u

struct count {
    struct hark_space *space;
    struct hark_row subject;
    uint64_t below; /* 0: now */
    bool now;       /* no size was asked for: what is in flight is told */
    size_t by_count;
    char by[HARK_TALLY_BY_MAX][33];
    size_t where_count;
    struct hark_cohort where[WHERE_MAX];
};

/* --- JSON ------------------------------------------------------------------------ */

static json_t *counts_json(const struct hark_tally *tally)
{
    return json_pack("{s:I, s:I, s:I}", "agree", (json_int_t)tally->agree, "disagree",
                     (json_int_t)tally->disagree, "pass", (json_int_t)tally->pass);
}

int hark_cmd_tally_json(const struct hark_tally *tally, json_t **out, struct hark_err *err)
{
    *out = json_pack("{s:I, s:I, s:o, s:I, s:I}", "eligible", (json_int_t)tally->eligible, "voters",
                     (json_int_t)tally->voters, "counts", counts_json(tally), "silent",
                     (json_int_t)tally->silent, "erased", (json_int_t)tally->erased);
    return *out == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer") : 0;
}

/* --- votes in flight ---------------------------------------------------------------- */

struct vote {
    uint32_t member;
    const char *choice; /* NULL: it says nothing */
};

/* Is the member in all these cohorts? */
static int is_within(struct hark_space *space, uint32_t member, const struct hark_cohort *where,
                     size_t where_count, bool *within, struct hark_err *err)
{
    struct hark_cohort *of = NULL;
    size_t count = 0;
    int rc;

    *within = true;
    if (where_count == 0)
        return 0;
    rc = hark_index_member_cohorts(hark_space_view(space), member, &of, &count, err);
    for (size_t w = 0; w < where_count && rc == 0 && *within; w++) {
        bool found = false;

        for (size_t i = 0; i < count && !found; i++)
            found = strcmp(of[i].dimension, where[w].dimension) == 0 &&
                    strcmp(of[i].value, where[w].value) == 0;
        *within = found;
    }
    free(of);
    return rc;
}

/* Does the entry in flight vote on the subject, as things stand? */
static bool votes_on(const struct hark_flight_entry *flight, const struct hark_hash *subject)
{
    return flight->code == 0 && flight->effect.verdict == 0 &&
           flight->effect.author_of == HARK_KEY_OF_MEMBER &&
           strcmp(flight->entry.kind, "vote") == 0 && flight->entry.re_count == 1 &&
           hark_hash_equal(&flight->entry.re[0], subject);
}

/* A member's later vote replaces the one before. `votes` has room for one more. */
static void set_vote(struct vote *votes, size_t *count, uint32_t member, const char *choice)
{
    size_t at = 0;

    while (at < *count && votes[at].member != member)
        at++;
    votes[at] = (struct vote){member, choice};
    if (at == *count)
        (*count)++;
}

static json_t *votes_json(const struct vote *votes, size_t count)
{
    static const char *const names[3] = {"agree", "disagree", "pass"};
    json_int_t counts[3] = {0};

    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < 3; c++) {
            if (votes[i].choice != NULL && strcmp(votes[i].choice, names[c]) == 0)
                counts[c]++;
        }
    }
    if (count == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I}", names[0], counts[0], names[1], counts[1], names[2],
                     counts[2]);
}

int hark_cmd_votes_in_flight(struct hark_space *space, const struct hark_row *subject,
                             const struct hark_cohort *where, size_t where_count, json_t **out,
                             struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    struct vote *votes = NULL;
    size_t count = 0, voted = 0;
    int rc = hark_space_flight_seen(space, &flight, &count, err);

    *out = NULL;
    if (rc == 0 && count > 0) {
        votes = calloc(count, sizeof(*votes));
        if (votes == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for votes");
    }
    for (size_t i = 0; i < count && rc == 0 && votes != NULL; i++) {
        bool within = false;

        if (!votes_on(&flight[i], &subject->id))
            continue;
        rc = is_within(space, flight[i].effect.author, where, where_count, &within, err);
        if (rc == 0 && within)
            set_vote(votes, &voted, flight[i].effect.author,
                     json_string_value(json_object_get(flight[i].json, "choice")));
    }
    if (rc == 0) {
        *out = votes_json(votes, voted);
        if (*out == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    }
    free(votes);
    return rc;
}

void hark_cmd_print_in_flight(FILE *out, const json_t *votes)
{
    if (!json_is_object(votes))
        return;
    (void)fprintf(out,
                  "in flight, not counted: agree %" JSON_INTEGER_FORMAT
                  "  disagree %" JSON_INTEGER_FORMAT "  pass %" JSON_INTEGER_FORMAT "\n",
                  json_integer_value(json_object_get(votes, "agree")),
                  json_integer_value(json_object_get(votes, "disagree")),
                  json_integer_value(json_object_get(votes, "pass")));
}

/* The founding entry has no votes: of a subject that is in no log yet, who might
 * vote is counted all the same. */
static uint64_t counted(const struct hark_row *subject)
{
    return subject->position != HARK_NONE ? subject->position : 0;
}

static uint64_t counted_below(const struct hark_row *subject, uint64_t below)
{
    return subject->position != HARK_NONE ? below : 0;
}

int hark_cmd_tally_of(struct hark_space *space, const struct hark_row *subject,
                      const struct hark_cohort *where, size_t where_count, uint64_t below,
                      struct hark_tally *out, struct hark_err *err)
{
    return hark_index_tally(hark_space_view(space), counted(subject), where, where_count,
                            counted_below(subject, below), out, err);
}

static int at_json(const struct count *count, json_t **out, struct hark_err *err)
{
    uint64_t size =
        count->below != 0 ? count->below : hark_state_size(hark_space_state(count->space));
    uint64_t settled = 0;
    struct hark_hash root;
    int rc = hark_merkle_root_at(&root, size, hark_index_merkle_read, hark_space_view(count->space),
                                 err);

    if (rc == 0)
        rc = hark_witness_settled(count->space, &settled, err);
    if (rc < 0)
        return rc;
    *out = json_pack("{s:I, s:o, s:b}", "size", (json_int_t)size, "root",
                     hark_out_hex(root.bytes, HARK_HASH_SIZE), "settled", size <= settled);
    return *out == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer") : 0;
}

/* --- groups ----------------------------------------------------------------------- */

static int group_json(const struct count *count, const struct hark_tally_group *group, json_t **out,
                      struct hark_err *err)
{
    json_t *cohort = json_object();
    int rc = hark_cmd_tally_json(&group->tally, out, err);

    for (size_t i = 0; i < count->by_count && rc == 0; i++)
        if (json_object_set_new(cohort, group->of[i].dimension,
                                hark_out_text(group->of[i].value)) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    if (rc == 0 && json_object_set(*out, "cohort", cohort) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    json_decref(cohort);
    return rc;
}

/* Every combination of values of the dimensions that somebody is in. */
static int groups_json(const struct count *count, json_t *out, struct hark_err *err)
{
    struct hark_tally_query query = {.subject = counted(&count->subject),
                                     .below = counted_below(&count->subject, count->below),
                                     .where = count->where,
                                     .where_count = count->where_count,
                                     .by_count = count->by_count};
    struct hark_tally_group *groups = NULL;
    size_t group_count = 0;
    int rc;

    for (size_t i = 0; i < count->by_count; i++)
        query.by[i] = count->by[i];
    rc = hark_index_tally_by(hark_space_view(count->space), &query, &groups, &group_count, err);
    for (size_t i = 0; i < group_count && rc == 0; i++) {
        json_t *json = NULL;

        rc = group_json(count, &groups[i], &json, err);
        if (rc == 0 && json_array_append(out, json) != 0)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
        json_decref(json);
    }
    free(groups);
    return rc;
}

/* --- tally ------------------------------------------------------------------------- */

static int parse_by(const char *text, struct count *count, struct hark_err *err)
{
    while (text != NULL && *text != '\0') {
        size_t size = strcspn(text, ",");

        if (count->by_count == HARK_TALLY_BY_MAX || size == 0 || size >= sizeof(count->by[0]))
            return hark_err_set(err, HARK_E_USAGE, "--by wants 1 to %u dimensions, such as owner",
                                HARK_TALLY_BY_MAX);
        memcpy(count->by[count->by_count], text, size);
        count->by[count->by_count++][size] = '\0';
        text += size;
        if (*text == ',')
            text++;
    }
    return 0;
}

static int parse_tally(struct hark_cmd *cmd, struct count *count, struct hark_err *err)
{
    const char *by = NULL, *where[WHERE_MAX];
    size_t where_count = 0;
    const struct hark_option options[] = {
        {.name = "by", .value = &by},
        {.name = "where", .list = where, .list_max = WHERE_MAX, .list_count = &where_count}};
    int rc = hark_cmd_options(cmd, options, 2, 1, 1, err);

    if (rc == 0)
        rc = parse_by(by, count, err);
    for (size_t i = 0; i < where_count && rc == 0; i++)
        rc = hark_cmd_cohort(where[i], &count->where[count->where_count++], err);
    if (rc == 0)
        rc = hark_cmd_space(cmd, &count->space, err);
    if (rc == 0)
        rc = hark_cmd_row(count->space, cmd->argv[1], &count->subject, err);
    if (rc == 0 && strcmp(count->subject.kind, "idea") != 0)
        rc = hark_err_set(err, HARK_E_USAGE, "%s is a %s; votes are on ideas", cmd->argv[1],
                          count->subject.kind);
    count->now = !cmd->globals.has_at;
    if (rc == 0 && cmd->globals.has_at) {
        uint64_t size = hark_state_size(hark_space_state(count->space));

        if (cmd->globals.at > size)
            return hark_err_set(err, HARK_E_BEHIND, "the log has %" PRIu64 " entries here", size);
        if (cmd->globals.at <= count->subject.position)
            return hark_err_set(err, HARK_E_NOT_FOUND, "the idea is not among the first %" PRIu64,
                                cmd->globals.at);
        /* "Now" is counted from the bitmaps, which is quicker. */
        count->below = cmd->globals.at < size ? cmd->globals.at : 0;
    }
    return rc;
}

static json_t *by_json(const struct count *count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count->by_count && list != NULL; i++) {
        if (json_array_append_new(list, hark_out_text(count->by[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static int tally_json(struct count *count, json_t **out, struct hark_err *err)
{
    struct hark_tally tally;
    json_t *at = NULL, *groups = NULL, *in_flight = NULL;
    int rc = hark_cmd_tally_of(count->space, &count->subject, count->where, count->where_count,
                               count->below, &tally, err);

    *out = NULL;
    if (rc == 0 && count->now)
        rc = hark_cmd_votes_in_flight(count->space, &count->subject, count->where,
                                      count->where_count, &in_flight, err);
    if (rc == 0)
        rc = at_json(count, &at, err);
    if (rc == 0 && count->by_count > 0) {
        groups = json_array();
        rc = groups_json(count, groups, err);
    }
    if (rc < 0) {
        json_decref(at);
        json_decref(groups);
        json_decref(in_flight);
        return rc;
    }
    *out = json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:I, s:I, s:o, s:o}", "format",
                     "hark/tally/1", "space",
                     hark_out_hex(hark_space_id(count->space)->bytes, HARK_HASH_SIZE), "subject",
                     hark_out_hex(count->subject.id.bytes, HARK_HASH_SIZE), "at", at, "eligible",
                     (json_int_t)tally.eligible, "voters", (json_int_t)tally.voters, "counts",
                     counts_json(&tally), "in_flight", in_flight != NULL ? in_flight : json_null(),
                     "silent", (json_int_t)tally.silent, "erased", (json_int_t)tally.erased, "by",
                     by_json(count), "groups", groups != NULL ? groups : json_array());
    return *out == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer") : 0;
}

static void print_counts(FILE *out, const json_t *of)
{
    static const char *const names[] = {"agree", "disagree", "pass"};
    const json_t *counts = json_object_get(of, "counts");

    for (size_t i = 0; i < 3; i++)
        (void)fprintf(out, "%s %" JSON_INTEGER_FORMAT "  ", names[i],
                      json_integer_value(json_object_get(counts, names[i])));
    (void)fprintf(out, "(%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " members",
                  json_integer_value(json_object_get(of, "voters")),
                  json_integer_value(json_object_get(of, "eligible")));
    if (json_integer_value(json_object_get(of, "erased")) > 0)
        (void)fprintf(out, ", %" JSON_INTEGER_FORMAT " votes erased",
                      json_integer_value(json_object_get(of, "erased")));
    (void)fputs(")\n", out);
}

static void print_tally(struct hark_cmd *cmd, const json_t *tally)
{
    json_t *group, *value;
    const char *dimension;
    size_t i;

    print_counts(cmd->out, tally);
    hark_cmd_print_in_flight(cmd->out, json_object_get(tally, "in_flight"));
    json_array_foreach(json_object_get(tally, "groups"), i, group)
    {
        (void)fputs(" ", cmd->out);
        json_object_foreach(json_object_get(group, "cohort"), dimension, value)
        {
            (void)fputc(' ', cmd->out);
            hark_print_line(cmd->out, dimension);
            (void)fputc('=', cmd->out);
            hark_print_line(cmd->out, json_string_value(value));
        }
        (void)fputs("  ", cmd->out);
        print_counts(cmd->out, group);
    }
}

int hark_cmd_tally(struct hark_cmd *cmd, struct hark_err *err)
{
    struct count *count = calloc(1, sizeof(*count));
    json_t *json = NULL;
    int rc;

    if (count == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a tally");
    rc = parse_tally(cmd, count, err);
    if (rc == 0)
        rc = tally_json(count, &json, err);
    free(count);
    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(cmd->out, json, err);
    print_tally(cmd, json);
    json_decref(json);
    return 0;
}

/* --- top --------------------------------------------------------------------------- */

struct ranked {
    uint64_t position;
    struct hark_tally tally;
};

static int64_t support(const struct ranked *ranked)
{
    return (int64_t)ranked->tally.agree - (int64_t)ranked->tally.disagree;
}

/* Most support first; of equals the one with more votes, then the older. */
static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;

    if (support(left) != support(right))
        return support(left) > support(right) ? -1 : 1;
    if (left->tally.voters != right->tally.voters)
        return left->tally.voters > right->tally.voters ? -1 : 1;
    return left->position < right->position ? -1 : left->position > right->position;
}

/* Ideas that stand, are not hidden and still say something. */
static int rank_ideas(struct hark_space *space, struct ranked **out, size_t *out_count,
                      struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "idea", .after = HARK_NONE, .re = HARK_NONE};
    struct ranked *list = NULL;
    uint64_t *positions = NULL;
    size_t count = 0, kept = 0;
    int rc = hark_cmd_positions(space, &query, &positions, &count, err);

    if (rc == 0 && count > 0) {
        list = calloc(count, sizeof(*list));
        if (list == NULL)
            rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a list of ideas");
    }
    for (size_t i = 0; i < count && rc == 0 && list != NULL; i++) {
        struct hark_row row = {0};

        rc = hark_index_row(hark_space_view(space), positions[i], &row, err);
        if (rc < 0 || row.verdict != 0 || row.hidden_by != HARK_NONE || row.says != HARK_SAYS_IT)
            continue;
        list[kept].position = positions[i];
        rc = hark_index_tally(hark_space_view(space), positions[i], NULL, 0, 0, &list[kept].tally,
                              err);
        kept++;
    }
    free(positions);
    if (rc == 0 && kept > 0)
        qsort(list, kept, sizeof(*list), compare_ranked);
    *out = list;
    *out_count = kept;
    return rc;
}

static int show_ranked(struct hark_cmd *cmd, struct hark_space *space, const struct ranked *ranked,
                       struct hark_err *err)
{
    struct hark_row row = {0};
    char title[HARK_TITLE_SIZE], id[13];
    json_t *json = NULL;
    int rc = hark_index_row(hark_space_view(space), ranked->position, &row, err);

    if (rc == 0)
        rc = hark_index_title(hark_space_view(space), ranked->position, title, sizeof(title), err);
    if (rc == 0)
        rc = hark_cmd_tally_json(&ranked->tally, &json, err);
    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(cmd->out,
                               json_pack("{s:s, s:I, s:o, s:o, s:I, s:o}", "format", "hark/top/1",
                                         "position", (json_int_t)row.position, "id",
                                         hark_out_hex(row.id.bytes, HARK_HASH_SIZE), "title",
                                         hark_out_text(title), "support",
                                         (json_int_t)support(ranked), "tally", json),
                               err);
    hark_short_id(id, &row.id);
    (void)fprintf(cmd->out, "%s  ", id);
    hark_print_line(cmd->out, title);
    (void)fputs("\n    ", cmd->out);
    print_counts(cmd->out, json);
    json_decref(json);
    return 0;
}

int hark_cmd_top(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *by = NULL, *limit_text = NULL, *why = NULL;
    const struct hark_option options[] = {{.name = "by", .value = &by},
                                          {.name = "limit", .value = &limit_text},
                                          {.name = "why", .flag = true, .value = &why}};
    struct hark_space *space = NULL;
    struct ranked *list = NULL;
    uint64_t limit = TOP_LIMIT;
    size_t count = 0;
    int rc = hark_cmd_options(cmd, options, 3, 0, 0, err);

    if (rc == 0 && by != NULL && strcmp(by, "top") != 0)
        rc = hark_err_set(err, HARK_E_UNSUPPORTED, "top --by %.64s is not supported here yet", by);
    if (rc == 0 && limit_text != NULL)
        rc = hark_cmd_number(limit_text, HARK_NUMBER_MAX, "--limit", &limit, err);
    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = rank_ideas(space, &list, &count, err);
    for (size_t i = 0; i < count && i < limit && rc == 0; i++)
        rc = show_ranked(cmd, space, &list[i], err);
    free(list);
    return rc;
}
