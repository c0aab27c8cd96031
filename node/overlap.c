#include "node/overlap.h"

#include "node/inside.h"
#include "node/shown.h"

static int add_all(struct hark_space *space, roaring_bitmap_t *out, struct hark_err *err)
{
    struct hark_member_object member = {.admit = 0};
    uint64_t counts[HARK_SECTION_HASHED_] = {0};
    int rc = hark_state_counts(hark_space_state(space), counts, err);

    for (uint32_t i = 0; rc == 0 && i < counts[HARK_SECTION_MEMBER]; i++) {
        rc = hark_state_member(hark_space_state(space), i, &member, err);
        if (rc == 0 && member.status == HARK_STATUS_ACTIVE)
            roaring_bitmap_add(out, i);
    }
    return rc;
}

/* --- who has shown it ------------------------------------------------------------------- */

struct gathering {
    struct hark_node *node;
    struct hark_space *space, *community;
    struct hark_inside *inside;
    roaring_bitmap_t *seen; /* members of the space whose latest right showing was met */
    roaring_bitmap_t *out;
};

static int gather(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct gathering *g = arg;
    struct hark_member_object member = {.status = HARK_STATUS_REMOVED};
    struct hark_shown shown;
    bool any = false;
    int rc;

    if (row->verdict != 0 || row->author_of != HARK_KEY_OF_MEMBER ||
        roaring_bitmap_contains(g->seen, row->author))
        return 0;
    rc = hark_state_member(hark_space_state(g->space), row->author, &member, err);
    if (rc < 0 || member.status != HARK_STATUS_ACTIVE)
        return rc;
    rc = hark_shown_read(g->inside, hark_space_id(g->space), row, &any, &shown.showing, err);
    if (rc < 0 || !any)
        return rc;
    roaring_bitmap_add(g->seen, row->author);
    if (!hark_hash_equal(&shown.showing.community, hark_space_id(g->community)))
        return 0;
    rc = hark_shown_judge(g->node, &shown.showing, &shown, err);
    if (rc == 0 && shown.as == HARK_SHOWN_MEMBER)
        roaring_bitmap_add(g->out, shown.member);
    return rc;
}

static int add_shown(struct hark_node *node, struct hark_space *space, struct hark_space *community,
                     roaring_bitmap_t *out, struct hark_err *err)
{
    const struct hark_log_query query = {
        .kind = "profile", .after = HARK_NONE, .re = HARK_NONE, .backwards = true};
    struct gathering g = {.node = node, .space = space, .community = community, .out = out};
    int rc = hark_node_inside(node, space, &g.inside, err);

    if (rc < 0 || g.inside == NULL)
        return rc;
    g.seen = roaring_bitmap_create();
    if (g.seen == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a set of members");
    rc = hark_index_log(hark_inside_index(g.inside), &query, gather, &g, err);
    roaring_bitmap_free(g.seen);
    return rc;
}

static int add_own(void *arg, uint32_t member, uint32_t in_community, struct hark_err *err)
{
    (void)member;
    (void)err;
    roaring_bitmap_add(arg, in_community);
    return 0;
}

int hark_overlap_people(struct hark_node *node, struct hark_space *space,
                        struct hark_space *community, roaring_bitmap_t *out, struct hark_err *err)
{
    int rc;

    if (hark_hash_equal(hark_space_id(space), hark_space_id(community)))
        return add_all(space, out, err);
    rc = add_shown(node, space, community, out, err);
    return rc == 0 ? hark_node_each_common(node, space, community, add_own, out, err) : rc;
}

int hark_overlap_both(const roaring_bitmap_t *a, const roaring_bitmap_t *b, uint32_t *list,
                      size_t room, size_t *listed, uint64_t *both, struct hark_err *err)
{
    roaring_bitmap_t *common;
    roaring_uint32_iterator_t *at;

    *listed = 0;
    *both = roaring_bitmap_and_cardinality(a, b);
    if (room == 0 || *both == 0)
        return 0;
    common = roaring_bitmap_and(a, b);
    at = common != NULL ? roaring_create_iterator(common) : NULL;
    if (at == NULL) {
        if (common != NULL)
            roaring_bitmap_free(common);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a set of members");
    }
    *listed = roaring_read_uint32_iterator(at, list, (uint32_t)(room < *both ? room : *both));
    roaring_free_uint32_iterator(at);
    roaring_bitmap_free(common);
    return 0;
}
