/*
 * A stage for tests of private groups: a node in a temporary directory that founded a sealed
 * group, home and steward, with people whose keys are in the same node; and observers, who see
 * of it what the keys given to them let them see. Include after cmocka.h.
 */
#ifndef HARK_TESTS_GROUP_STAGE_H
#define HARK_TESTS_GROUP_STAGE_H

#include "node/author.h"
#include "node/inside.h"
#include "node/sealing.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

struct group {
    char top[32], dir[64];
    struct hark_node *node;
    struct hark_space *space;
    struct hark_hash id;
};

static inline void group_open(struct group *group)
{
    OK(hark_node_open(&group->node, group->dir, true, &err));
    OK(hark_node_space(group->node, &group->id, &group->space, &err));
}

static inline void group_reopen(struct group *group)
{
    hark_node_free(group->node);
    group_open(group);
}

static inline int group_setup(void **state)
{
    const struct hark_founding founding = {.mode = HARK_MODE_SEALED,
                                           .title = "Grey's Girls",
                                           .question = "Zwetschgendatschi?",
                                           .owner = "Grey",
                                           .until = "2030-01-01"};
    struct hark_config config = {.name = "brand", .accept_per_minute = 1200};
    struct group *group = calloc(1, sizeof(*group));

    assert_non_null(group);
    memset(&err, 0, sizeof(err));
    make_directory(group->top);
    join_path(group->dir, sizeof(group->dir), group->top, "brand");
    OK(hark_node_init(group->dir, &config, (struct hark_span){0}, &err));
    OK(hark_node_open(&group->node, group->dir, true, &err));
    OK(hark_found(group->node, &founding, &group->id, &err));
    OK(hark_node_space(group->node, &group->id, &group->space, &err));
    *state = group;
    return 0;
}

static inline int group_teardown(void **state)
{
    struct group *group = *state;

    hark_node_free(group->node);
    remove_directory(group->top);
    free(group);
    return 0;
}

static inline uint64_t group_size(const struct group *group)
{
    return hark_space_head(group->space)->tree.size;
}

/* What this node sees, up to the log's end. */
static inline struct hark_inside *group_inside(struct group *group)
{
    struct hark_inside *inside = NULL;

    OK(hark_node_inside(group->node, group->space, &inside, &err));
    assert_non_null(inside);
    return inside;
}

static inline void group_person(struct group *group, const char *label, struct hark_author *out)
{
    OK(hark_node_person(group->node, &group->id, label, out, NULL, &err));
}

/* --- writing ---------------------------------------------------------------------------- */

/* Says something as that person; takes `fields`. */
static inline int group_try(struct group *group, const char *label, const char *kind,
                            json_t *fields, const struct hark_hash *re, struct hark_logged *out)
{
    struct hark_draft draft = {.kind = kind, .fields = fields, .with_seen = true};
    struct hark_author author = {0};
    int rc;

    if (re != NULL) {
        draft.re_count = 1;
        draft.re[0] = *re;
    }
    group_person(group, label, &author);
    rc = hark_author_write(group->node, group->space, &author, &draft, out, &err);
    hark_author_free(&author);
    json_decref(fields);
    return rc;
}

static inline struct hark_logged group_say(struct group *group, const char *label, const char *kind,
                                           json_t *fields, const struct hark_hash *re)
{
    struct hark_logged logged = {.position = HARK_NONE};

    OK(group_try(group, label, kind, fields, re, &logged));
    return logged;
}

static inline struct hark_logged group_idea(struct group *group, const char *label,
                                            const char *body)
{
    return group_say(group, label, "idea", json_pack("{s:s}", "body", body), NULL);
}

/* The steward acts, in a batch that is open; takes `fields`, which may be NULL. */
static inline int group_add(struct group *group, const char *kind, json_t *fields)
{
    int rc = hark_steward_act(group->node, group->space, NULL, NULL, kind, fields, NULL, &err);

    json_decref(fields);
    return rc;
}

/* The same in a batch of its own. */
static inline int group_act(struct group *group, const char *kind, json_t *fields)
{
    int rc;

    OK(hark_author_begin(group->node, group->space, &err));
    rc = group_add(group, kind, fields);
    if (rc == 0)
        rc = hark_author_commit(group->node, group->space, &err);
    if (rc != 0)
        hark_author_rollback(group->node, group->space);
    return rc;
}

/* --- who belongs ------------------------------------------------------------------------ */

/* What an admit of that person has but for a group's key. */
static inline json_t *group_newcomer(struct group *group, const char *label, const char *role)
{
    json_t *fields = json_pack("{s:s, s:s}", "role", role, "source", "founder");
    struct hark_author author = {0};

    assert_non_null(fields);
    group_person(group, label, &author);
    OK(hark_join_fields(group->space, &author, NULL, fields, &err));
    hark_author_free(&author);
    return fields;
}

static inline void group_new_person(struct group *group, const char *label)
{
    OK(hark_node_new_person(group->node, label, &err));
}

/* A new person of this node becomes a member. */
static inline void group_admit(struct group *group, const char *label, const char *role)
{
    group_new_person(group, label);
    OK(group_act(group, "admit", group_newcomer(group, label, role)));
}

/* Fields of a `device`: that person's key comes to a member, or goes. */
static inline json_t *group_device(struct group *group, const char *label, unsigned member,
                                   bool add)
{
    json_t *fields =
        json_pack("{s:s, s:i}", "action", add ? "add" : "remove", "member", (int)member);
    struct hark_author author = {0};
    char hex[2 * HARK_KEY_SIZE + 1];

    assert_non_null(fields);
    group_person(group, label, &author);
    hark_key_hex(hex, hark_signer_key(author.sign));
    if (add)
        OK(hark_join_fields(group->space, &author, NULL, fields, &err));
    else
        assert_int_equal(json_object_set_new(fields, "key", json_string(hex)), 0);
    hark_author_free(&author);
    return fields;
}

static inline json_t *group_removal(unsigned member)
{
    return json_pack("{s:i, s:s}", "member", (int)member, "reason", "left");
}

/* The epoch in force, as all see it. */
static inline uint32_t group_epoch(struct group *group)
{
    uint32_t epoch = UINT32_MAX;
    bool found = false;

    OK(hark_state_current_epoch(hark_space_state(group->space), &found, &epoch, &err));
    assert_true(found);
    return epoch;
}

/* --- seeing ------------------------------------------------------------------------------- */

/* Somebody with the keys of that person (NULL: none), at the log's end. */
static inline struct hark_inside *observer_of(struct group *group, const char *label)
{
    struct hark_inside *inside = NULL;
    struct hark_author author = {0};

    OK(hark_inside_new(&inside, group->space, &err));
    if (label != NULL) {
        group_person(group, label, &author);
        OK(hark_inside_own(inside, author.box, &err));
        author.box = NULL;
        hark_author_free(&author);
    }
    OK(hark_inside_follow(inside, &err));
    return inside;
}

/* The body at that position as it is seen; NULL: nothing. The caller frees it. */
static inline char *seen_body(struct hark_inside *inside, uint64_t position)
{
    struct hark_row row = {0};
    const char *body = NULL;
    json_t *json = NULL;
    char *copy = NULL;

    OK(hark_index_row(hark_inside_index(inside), position, &row, &err));
    OK(hark_inside_payload(inside, &row, &json, &err));
    body = json_string_value(json_object_get(json, "body"));
    if (body != NULL) {
        copy = strdup(body);
        assert_non_null(copy);
    }
    json_decref(json);
    return copy;
}

static inline void assert_sees(struct hark_inside *inside, uint64_t position, const char *body)
{
    char *seen = seen_body(inside, position);

    if (body == NULL) {
        assert_null(seen);
    } else {
        assert_non_null(seen);
        assert_string_equal(seen, body);
    }
    free(seen);
}

static inline int count_row(void *arg, const struct hark_row *row, struct hark_err *why)
{
    unsigned *count = arg;

    (void)row;
    (void)why;
    ++*count;
    return 0;
}

static inline unsigned hits(struct hark_index *index, const char *word)
{
    unsigned count = 0;

    OK(hark_index_search(index, word, 0, count_row, &count, &err));
    return count;
}

static inline unsigned how_many(struct hark_index *index, const char *kind)
{
    const struct hark_log_query query = {.kind = kind, .after = HARK_NONE, .re = HARK_NONE};
    unsigned count = 0;

    OK(hark_index_log(index, &query, count_row, &count, &err));
    return count;
}

#endif
