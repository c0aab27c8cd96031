/*
 * hark group overlap: who is in two spaces, as far as this node may know; and in which groups
 * a community's member is known to be.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "node/overlap.h"
#include "node/shown.h"

#define LIMIT     100u
#define LIMIT_MAX 10000u

struct side {
    struct hark_space *space;
    struct hark_shown_wish wish;
    roaring_bitmap_t *people; /* by the community's ordinals */
    uint64_t members;
};

struct overlap {
    struct hark_cmd *cmd;
    struct side sides[2];
    struct hark_space *community; /* NULL: nothing but this node's own people is known */
    uint32_t *list;
    size_t room, listed;
    uint64_t both;
    json_t *names;
};

/* A space that this node has no part in tells nothing of who is in it. */
static int open_side(struct overlap *o, struct side *side, const char *name, struct hark_err *err)
{
    uint64_t by_role[2] = {0}, here = 0;
    bool encrypted = false;
    int rc = hark_node_pick_space(o->cmd->node, name, &side->space, err);

    if (rc == 0) {
        encrypted = hark_state_is_encrypted(hark_space_state(side->space));
        rc = hark_shown_wish(o->cmd->node, side->space, &side->wish, err);
    }
    if (rc == 0 && encrypted)
        rc = hark_node_count_keys(o->cmd->node, side->space, &here, err);
    if (rc == 0 && encrypted && here == 0)
        rc = hark_err_set(err, HARK_E_ENTRY_KEY, "nobody of this node is a member of %.64s", name);
    if (rc == 0)
        rc = hark_index_active(hark_space_index(side->space), by_role, err);
    side->members = by_role[0] + by_role[1];
    return rc;
}

/* What both are asked about: the one space is the other's community, or both have the same. */
static int find_community(struct overlap *o, struct hark_err *err)
{
    const struct side *a = &o->sides[0], *b = &o->sides[1];
    const struct hark_hash *of = NULL;
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc;

    if (a->wish.any && (hark_hash_equal(&a->wish.community, hark_space_id(b->space)) ||
                        (b->wish.any && hark_hash_equal(&a->wish.community, &b->wish.community))))
        of = &a->wish.community;
    else if (b->wish.any && hark_hash_equal(&b->wish.community, hark_space_id(a->space)))
        of = &b->wish.community;
    if (of == NULL)
        return 0;
    rc = hark_node_spaces(o->cmd->node, &ids, &count, err);
    for (size_t i = 0; rc == 0 && i < count && o->community == NULL; i++)
        if (hark_hash_equal(&ids[i], of))
            rc = hark_node_space(o->cmd->node, of, &o->community, err);
    free(ids);
    return rc;
}

static int add_name(struct overlap *o, struct hark_space *space, uint32_t member,
                    struct hark_err *err)
{
    char name[HARK_NAME_SIZE];
    int rc = hark_index_member_name(hark_space_view(space), member, name, sizeof(name), err);

    if (rc == 0 &&
        json_array_append_new(o->names,
                              json_pack("{s:I, s:o}", "member", (json_int_t)member, "name",
                                        name[0] != '\0' ? hark_out_text(name) : json_null())) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    return rc;
}

/* Nobody shows who they are for both: this node's own people are all that it can tell. */
static int add_own(void *arg, uint32_t in_a, uint32_t in_b, struct hark_err *err)
{
    struct overlap *o = arg;

    (void)in_b;
    o->both++;
    return o->both <= o->room ? add_name(o, o->sides[0].space, in_a, err) : 0;
}

static int find_both(struct overlap *o, struct hark_err *err)
{
    int rc = 0;

    if (o->community == NULL)
        return hark_node_each_common(o->cmd->node, o->sides[0].space, o->sides[1].space, add_own, o,
                                     err);
    for (int i = 0; i < 2 && rc == 0; i++) {
        struct side *side = &o->sides[i];

        side->people = roaring_bitmap_create();
        rc = side->people == NULL
                 ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a set of members")
                 : hark_overlap_people(o->cmd->node, side->space, o->community, side->people, err);
    }
    if (rc == 0)
        rc = hark_overlap_both(o->sides[0].people, o->sides[1].people, o->list, o->room, &o->listed,
                               &o->both, err);
    for (size_t i = 0; i < o->listed && rc == 0; i++)
        rc = add_name(o, o->community, o->list[i], err);
    return rc;
}

static json_t *side_json(const struct side *side)
{
    return json_pack("{s:o, s:I, s:o}", "id",
                     hark_out_hex(hark_space_id(side->space)->bytes, HARK_HASH_SIZE), "members",
                     (json_int_t)side->members, "shown",
                     side->people != NULL
                         ? json_integer((json_int_t)roaring_bitmap_get_cardinality(side->people))
                         : json_null());
}

static int print_overlap(const struct overlap *o, struct hark_err *err)
{
    FILE *out = o->cmd->out;
    json_t *name;
    size_t i;

    if (o->cmd->globals.json)
        return hark_print_json(
            out,
            json_pack("{s:s, s:o, s:o, s:o, s:I, s:O}", "format", "hark/overlap/1", "a",
                      side_json(&o->sides[0]), "b", side_json(&o->sides[1]), "community",
                      o->community != NULL
                          ? hark_out_hex(hark_space_id(o->community)->bytes, HARK_HASH_SIZE)
                          : json_null(),
                      "both", (json_int_t)o->both, "members", o->names),
            err);
    for (i = 0; i < 2 && o->community != NULL; i++)
        (void)fprintf(out, "%.64s: of %llu members this node knows who %llu are\n",
                      i == 0 ? o->cmd->argv[1] : o->cmd->argv[2],
                      (unsigned long long)o->sides[i].members,
                      (unsigned long long)roaring_bitmap_get_cardinality(o->sides[i].people));
    if (o->community == NULL)
        (void)fputs("no community in common: only people of this node can be told\n", out);
    (void)fprintf(out, "%llu in both\n", (unsigned long long)o->both);
    json_array_foreach(o->names, i, name)
    {
        const char *text = json_string_value(json_object_get(name, "name"));

        (void)fputs("  ", out);
        hark_print_line(out, text != NULL ? text : "-");
        (void)fputc('\n', out);
    }
    return 0;
}

int hark_cmd_group_overlap(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *limit = NULL;
    const struct hark_option options[] = {{.name = "limit", .value = &limit}};
    struct overlap o = {.cmd = cmd};
    uint64_t room = LIMIT;
    int rc = hark_cmd_options(cmd, options, 1, 2, 2, err);

    if (rc == 0 && limit != NULL)
        rc = hark_cmd_number(limit, LIMIT_MAX, "--limit", &room, err);
    if (rc < 0)
        return rc;
    o.room = (size_t)room;
    o.names = json_array();
    o.list = calloc(o.room + 1, sizeof(*o.list));
    if (o.names == NULL || o.list == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an answer");
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = open_side(&o, &o.sides[i], cmd->argv[1 + i], err);
    if (rc == 0)
        rc = find_community(&o, err);
    if (rc == 0)
        rc = find_both(&o, err);
    if (rc == 0)
        rc = print_overlap(&o, err);
    for (int i = 0; i < 2; i++)
        if (o.sides[i].people != NULL)
            roaring_bitmap_free(o.sides[i].people);
    json_decref(o.names);
    free(o.list);
    return rc;
}

int hark_cmd_group_has(struct hark_cmd *cmd, struct hark_space *group, struct hark_space *community,
                       uint32_t member, bool *has, struct hark_err *err)
{
    roaring_bitmap_t *people = roaring_bitmap_create();
    int rc = people == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a set of members")
                            : hark_overlap_people(cmd->node, group, community, people, err);

    *has = rc == 0 && roaring_bitmap_contains(people, member);
    if (people != NULL)
        roaring_bitmap_free(people);
    return rc;
}
