/*
 * `hark import polis DIR`: a conversation from another tool becomes entries of a
 * space. Every participant becomes a member whose keys this node makes, by
 * derivation, and holds (PROTOCOL.md 2.3); what they wrote and voted is signed
 * with these keys and says where it came from.
 *
 * Importing again must add nothing. So everything about an entry but its place
 * in the log is a function of the row and the node's seed, the salt included:
 * the same row gives the same payload, and a payload that was logged before, even
 * one erased since, is not logged again.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/paircount.h"
#include "node/polis.h"
#include "node/progress.h"

/* Key pairs kept during a run. They lie in guarded memory, a few pages each. */
#define CACHE_SIZE 512u
/* After so many entries the payload ref is brought up, as a home does all along. */
#define TEND_EVERY 10000u

struct participant {
    bool used, member;
    uint64_t id;
    struct hark_author author;
};

struct import {
    struct hark_cmd *cmd;
    struct hark_space *space;
    struct hark_polis *polis;
    struct hark_person person;
    struct hark_author steward;
    struct hark_hash topic;
    /* By the comments' order: the entry of its idea, if there is one. */
    struct hark_hash *ideas;
    bool *has_idea;
    struct hark_paircount lost; /* votes on comments without one, by comment */
    struct participant *cache;
    uint64_t members, idea_count, votes, hidden, skipped, already;
    uint64_t since_tend;
    struct hark_progress progress;
};

/* A refusal is about this row; anything else ends the run. */
static bool is_refusal(int rc)
{
    return rc < 0 && hark_err_exit(rc) == 3;
}

static void skip_row(void *arg, const char *file, size_t line, const char *why)
{
    struct import *im = arg;

    im->skipped++;
    hark_progress_clear(&im->progress);
    (void)fprintf(im->cmd->err, "%s:%zu: skipped: %s\n", file, line, why);
}

/* --- one entry --------------------------------------------------------------- */

static int salt_of(struct import *im, const char *reference, uint8_t salt[HARK_SALT_SIZE],
                   struct hark_err *err)
{
    struct hark_buf context = hark_buf_init(1024);
    uint8_t value[32];
    int rc = hark_buf_append(&context, hark_space_id(im->space)->bytes, HARK_HASH_SIZE, err);

    if (rc == 0)
        rc = hark_buf_append_str(&context, hark_polis_source(im->polis), err);
    if (rc == 0)
        rc = hark_buf_append_u8(&context, 0, err);
    if (rc == 0)
        rc = hark_buf_append_str(&context, reference, err);
    if (rc == 0)
        rc = hark_seed_prf(value, im->cmd->node->seed, "import-salt", hark_buf_span(&context), err);
    if (rc == 0)
        memcpy(salt, value, HARK_SALT_SIZE);
    hark_buf_free(&context);
    return rc;
}

/* Was this very payload logged before? Then *id is the entry that did. */
static int look_up(struct import *im, const struct hark_draft *draft, bool *known,
                   struct hark_hash *id, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(hark_space_state(im->space));
    struct hark_index *index = hark_space_index(im->space);
    struct hark_buf payload = hark_buf_init(HARK_PAYLOAD_MAX);
    int number = hark_kinds_find(kinds, draft->kind);
    struct hark_hash hash;
    struct hark_row row = {0};
    uint64_t position = 0;
    int rc;

    if (number < 0)
        return hark_err_set(err, HARK_E_KIND_UNKNOWN, "there is no kind %s here", draft->kind);
    rc = hark_payload_build(&payload, hark_kinds_get(kinds, (size_t)number), draft->fields,
                            draft->salt, err);
    if (rc == 0) {
        hash = hark_sha256(hark_buf_span(&payload));
        rc = hark_index_knows_payload(index, &hash, known, &position, err);
    }
    if (rc == 0 && *known)
        rc = hark_index_row(index, position, &row, err);
    if (rc == 0 && *known)
        *id = row.id;
    hark_buf_free(&payload);
    return rc;
}

/* Between batches, so that the log's payload ref does not fall far behind. */
static int tend(struct import *im, struct hark_err *err)
{
    int rc;

    if (++im->since_tend < TEND_EVERY)
        return 0;
    im->since_tend = 0;
    rc = hark_space_commit(im->space, im->cmd->node->identity.log, hark_now_ms(), err);
    if (rc == 0)
        rc = hark_space_tend(im->space, err);
    if (rc == 0)
        rc = hark_space_begin(im->space, err);
    return rc;
}

/* Writes one entry unless it is there already; *id is its id either way, *count
 * counts what is new. Takes ownership of fields. */
static int add_once(struct import *im, const struct hark_author *author, const char *kind,
                    const struct hark_hash *re, json_t *fields, const char *reference,
                    struct hark_hash *id, uint64_t *count, struct hark_err *err)
{
    uint8_t salt[HARK_SALT_SIZE];
    struct hark_draft draft = {.kind = kind, .fields = fields, .salt = salt};
    struct hark_logged logged;
    bool known = false;
    int rc;

    if (fields == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    if (re != NULL)
        draft.re[draft.re_count++] = *re;
    rc = salt_of(im, reference, salt, err);
    if (rc == 0)
        rc = look_up(im, &draft, &known, id, err);
    if (rc == 0 && known) {
        im->already++;
    } else if (rc == 0) {
        rc = hark_author_add(im->cmd->node, im->space, author, &draft, &logged, err);
        if (rc == 0) {
            *id = logged.id;
            (*count)++;
            rc = tend(im, err);
        }
    }
    json_decref(fields);
    return rc;
}

/* {"from","ref","time"}, or NULL. */
static json_t *origin(const struct import *im, const char *reference, uint64_t time_ms)
{
    char time[HARK_TIME_SIZE + 1];

    hark_time_encode(time, time_ms);
    return json_pack("{s:s, s:s, s:s}", "from", hark_polis_source(im->polis), "ref", reference,
                     "time", time);
}

/* --- participants -------------------------------------------------------------- */

static int admit(struct import *im, const struct hark_author *author, struct hark_err *err)
{
    json_t *fields = json_pack("{s:s, s:s}", "role", "member", "source", "imported");
    struct hark_draft draft = {.kind = "admit", .fields = fields};
    int rc = 0;

    if (fields == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    if (rc == 0)
        rc = hark_join_fields(im->space, author, NULL, fields, err);
    if (rc == 0)
        rc = hark_author_add(im->cmd->node, im->space, &im->steward, &draft, NULL, err);
    if (rc == 0)
        im->members++;
    json_decref(fields);
    return rc;
}

/* The participant's keys, borrowed until the next call; a member from now on if
 * not before. */
static int keys_of(struct import *im, uint64_t id, const struct hark_author **out,
                   struct hark_err *err)
{
    struct participant *place = &im->cache[id % CACHE_SIZE];
    char reference[40];
    uint32_t number;
    int rc = 0;

    if (!place->used || place->id != id) {
        hark_author_free(&place->author);
        memset(place, 0, sizeof(*place));
        (void)snprintf(reference, sizeof(reference), "participant/%llu", (unsigned long long)id);
        rc = hark_node_imported(im->cmd->node, hark_space_id(im->space),
                                hark_polis_source(im->polis), reference, &place->author, err);
        if (rc < 0)
            return rc;
        place->used = true;
        place->id = id;
        rc = hark_state_find_key(hark_space_state(im->space), hark_signer_key(place->author.sign),
                                 &place->member, &number, err);
    }
    if (rc == 0 && !place->member) {
        rc = admit(im, &place->author, err);
        place->member = rc == 0;
    }
    *out = &place->author;
    return rc;
}

/* --- topic, ideas, votes --------------------------------------------------------- */

static int add_topic(struct import *im, struct hark_err *err)
{
    const char *body = hark_polis_description(im->polis);
    json_t *fields = json_pack("{s:s}", "title", hark_polis_title(im->polis));
    uint64_t count = 0;

    if (fields != NULL && body[0] != '\0' &&
        json_object_set_new(fields, "body", json_string(body)) != 0) {
        json_decref(fields);
        fields = NULL;
    }
    return add_once(im, &im->person.author, "topic", NULL, fields, "topic", &im->topic, &count,
                    err);
}

static int hide_idea(struct import *im, const struct hark_polis_comment *comment,
                     const struct hark_hash *idea, struct hark_err *err)
{
    struct hark_hash id;
    char reference[40];

    (void)snprintf(reference, sizeof(reference), "hide/%llu", (unsigned long long)comment->id);
    return add_once(im, &im->person.author, "hide", idea,
                    json_pack("{s:s}", "reason",
                              "Rejected by the moderators of the conversation "
                              "that it was imported from."),
                    reference, &id, &im->hidden, err);
}

static int add_idea(struct import *im, size_t i, struct hark_err *err)
{
    const struct hark_polis_comment *comment = hark_polis_comment(im->polis, i);
    const struct hark_author *author = NULL;
    char reference[40];
    int rc;

    if (comment->body.data == NULL) /* told already */
        return 0;
    (void)snprintf(reference, sizeof(reference), "comment/%llu", (unsigned long long)comment->id);
    rc = keys_of(im, comment->author, &author, err);
    if (rc == 0)
        rc = add_once(im, author, "idea", &im->topic,
                      json_pack("{s:s%, s:o}", "body", (const char *)comment->body.data,
                                comment->body.size, "imported",
                                origin(im, reference, comment->time_ms)),
                      reference, &im->ideas[i], &im->idea_count, err);
    if (is_refusal(rc)) {
        skip_row(im, "comments.csv", comment->line, err->message);
        return 0;
    }
    if (rc < 0)
        return rc;
    im->has_idea[i] = true;
    return comment->moderated < 0 ? hide_idea(im, comment, &im->ideas[i], err) : 0;
}

static int add_ideas(struct import *im, struct hark_err *err)
{
    size_t count = hark_polis_comment_count(im->polis);
    int rc = 0;

    hark_progress_begin(&im->progress, im->cmd->err, im->cmd->progress, "statements");
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = add_idea(im, i, err);
        hark_progress_step(&im->progress, i + 1, i + 1, count);
    }
    hark_progress_clear(&im->progress);
    return rc;
}

static int add_vote(struct import *im, const struct hark_polis_vote *vote, struct hark_err *err)
{
    static const char *const CHOICES[] = {"disagree", "pass", "agree"};
    const struct hark_author *author = NULL;
    struct hark_hash id;
    char reference[HARK_LABEL_MAX + 1];
    uint32_t before;
    size_t i = 0;
    int rc;

    if (!hark_polis_find(im->polis, vote->comment, &i) || !im->has_idea[i])
        return hark_paircount_add(&im->lost, vote->comment, 0, vote->line, &before, err);
    (void)snprintf(reference, sizeof(reference), "vote/%llu/%llu/%u",
                   (unsigned long long)vote->comment, (unsigned long long)vote->voter,
                   (unsigned)vote->nth);
    rc = keys_of(im, vote->voter, &author, err);
    if (rc == 0)
        rc = add_once(im, author, "vote", &im->ideas[i],
                      json_pack("{s:s, s:o}", "choice", CHOICES[vote->vote + 1], "imported",
                                origin(im, reference, vote->time_ms)),
                      reference, &id, &im->votes, err);
    if (!is_refusal(rc))
        return rc;
    skip_row(im, "votes.csv", vote->line, err->message);
    return 0;
}

static int by_first(const void *x, const void *y)
{
    const struct hark_pair *a = x, *b = y;

    return a->first < b->first ? -1 : a->first > b->first;
}

/* One line a comment, however many voted on it. */
static void tell_lost(struct import *im)
{
    size_t count = 0;

    for (size_t i = 0; i < im->lost.room; i++)
        if (im->lost.pairs[i].count > 0)
            im->lost.pairs[count++] = im->lost.pairs[i];
    if (count > 0)
        qsort(im->lost.pairs, count, sizeof(im->lost.pairs[0]), by_first);
    for (size_t i = 0; i < count; i++) {
        const struct hark_pair *lost = &im->lost.pairs[i];
        size_t at;

        (void)fprintf(im->cmd->err,
                      "votes.csv:%llu: skipped: comment %llu %s (%u vote%s, this is the first)\n",
                      (unsigned long long)lost->first, (unsigned long long)lost->a,
                      hark_polis_find(im->polis, lost->a, &at) ? "was skipped itself"
                                                               : "is not in comments.csv",
                      (unsigned)lost->count, lost->count == 1 ? "" : "s");
        im->skipped += lost->count;
    }
    hark_paircount_free(&im->lost);
}

static int add_votes(struct import *im, struct hark_err *err)
{
    struct hark_polis_vote vote;
    uint64_t done = 0, total = 0, rows = 0;
    bool more = true;
    int rc = 0;

    hark_progress_begin(&im->progress, im->cmd->err, im->cmd->progress, "votes");
    while (rc == 0) {
        rc = hark_polis_next_vote(im->polis, &vote, &more, err);
        if (rc < 0 || !more)
            break;
        rc = add_vote(im, &vote, err);
        hark_polis_progress(im->polis, &done, &total);
        hark_progress_step(&im->progress, ++rows, done, total);
    }
    hark_progress_clear(&im->progress);
    if (rc == 0)
        tell_lost(im);
    return rc;
}

/* --- the verb -------------------------------------------------------------------- */

static int write_all(struct import *im, struct hark_err *err)
{
    int rc = hark_space_begin(im->space, err);

    if (rc < 0)
        return rc;
    im->cmd->changed = true; /* full batches stay even when a later one fails */
    rc = add_topic(im, err);
    if (rc == 0)
        rc = add_ideas(im, err);
    if (rc == 0)
        rc = add_votes(im, err);
    return hark_cmd_commit(im->cmd, im->space, rc, true, err);
}

static int print_summary(struct import *im, struct hark_err *err)
{
    if (im->cmd->globals.json)
        return hark_print_json(
            im->cmd->out,
            json_pack("{s:s, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "format",
                      "hark/import/1", "space",
                      hark_out_hex(hark_space_id(im->space)->bytes, HARK_HASH_SIZE), "source",
                      hark_polis_source(im->polis), "topic",
                      hark_out_hex(im->topic.bytes, HARK_HASH_SIZE), "members",
                      (json_int_t)im->members, "ideas", (json_int_t)im->idea_count, "votes",
                      (json_int_t)im->votes, "hidden", (json_int_t)im->hidden, "skipped",
                      (json_int_t)im->skipped, "already", (json_int_t)im->already),
            err);
    if (im->cmd->globals.quiet)
        return 0;
    (void)fprintf(im->cmd->out, "imported ");
    hark_print_line(im->cmd->out, hark_polis_title(im->polis));
    (void)fprintf(im->cmd->out,
                  ": %llu new members, %llu ideas (%llu hidden), %llu votes\n"
                  "%llu rows skipped, %llu entries were here already\n",
                  (unsigned long long)im->members, (unsigned long long)im->idea_count,
                  (unsigned long long)im->hidden, (unsigned long long)im->votes,
                  (unsigned long long)im->skipped, (unsigned long long)im->already);
    return 0;
}

static int prepare(struct import *im, const char *dir, struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    size_t count;
    int rc = hark_cmd_space(im->cmd, &im->space, err);

    if (rc == 0)
        rc = hark_cmd_home(im->cmd, im->space, err);
    if (rc == 0)
        rc = hark_cmd_as(im->cmd, im->space, true, &im->person, err);
    if (rc == 0)
        rc = hark_node_steward(im->cmd->node, hark_space_id(im->space), &im->steward, err);
    if (rc == 0)
        rc = hark_cmd_path(im->cmd, dir, path, err);
    if (rc == 0)
        rc = hark_polis_open(&im->polis, path, skip_row, im, err);
    if (rc < 0)
        return rc;
    count = hark_polis_comment_count(im->polis) + 1;
    im->ideas = calloc(count, sizeof(im->ideas[0]));
    im->has_idea = calloc(count, sizeof(im->has_idea[0]));
    im->cache = calloc(CACHE_SIZE, sizeof(im->cache[0]));
    if (im->ideas == NULL || im->has_idea == NULL || im->cache == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a conversation");
    return 0;
}

static void release(struct import *im)
{
    for (size_t i = 0; im->cache != NULL && i < CACHE_SIZE; i++)
        hark_author_free(&im->cache[i].author);
    free(im->cache);
    free(im->ideas);
    free(im->has_idea);
    hark_paircount_free(&im->lost);
    hark_author_free(&im->steward);
    hark_author_free(&im->person.author);
    hark_polis_free(im->polis);
}

static int import_polis(struct hark_cmd *cmd, struct hark_err *err)
{
    struct import im = {.cmd = cmd};
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = prepare(&im, cmd->argv[1], err);
    if (rc == 0)
        rc = write_all(&im, err);
    if (rc == 0)
        rc = print_summary(&im, err);
    release(&im);
    return rc;
}

int hark_cmd_import(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb SUBVERBS[] = {{"polis", import_polis}};

    return hark_cmd_dispatch(cmd, SUBVERBS, 1, NULL, err);
}
