#include "node/shown.h"

#include <string.h>

#include "node/inside.h"

#define PROFILES_MAX 64u /* of a member, the latest, that are looked at */

const char *hark_shown_name(enum hark_shown_as as)
{
    return as == HARK_SHOWN_MEMBER ? "member" : as == HARK_SHOWN_ENDED ? "ended" : "unknown";
}

/* --- what the group asks for ------------------------------------------------------------ */

int hark_shown_wish(struct hark_node *node, struct hark_space *group, struct hark_shown_wish *out,
                    struct hark_err *err)
{
    struct hark_inside *inside = NULL;
    const json_t *wish;
    const char *space, *show;
    int rc = hark_node_inside(node, group, &inside, err);

    *out = (struct hark_shown_wish){.any = false};
    if (rc < 0 || inside == NULL)
        return rc;
    wish = json_object_get(hark_inside_charter(inside, NULL), "community");
    space = json_string_value(json_object_get(wish, "space"));
    show = json_string_value(json_object_get(wish, "show"));
    out->any = space != NULL && show != NULL &&
               hark_hash_from_hex(&out->community, hark_span_str(space), NULL) == 0;
    out->must = out->any && strcmp(show, "must") == 0;
    return 0;
}

/* --- who they are ----------------------------------------------------------------------- */

/* NULL: this node does not follow it. */
static int find_community(struct hark_node *node, const struct hark_hash *id,
                          struct hark_space **out, struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    size_t count = 0;
    int rc = hark_node_spaces(node, &ids, &count, err);

    *out = NULL;
    for (size_t i = 0; rc == 0 && i < count && *out == NULL; i++)
        if (hark_hash_equal(&ids[i], id))
            rc = hark_node_space(node, id, out, err);
    free(ids);
    if (rc == 0 && *out != NULL && hark_state_size(hark_space_state(*out)) == 0)
        *out = NULL;
    return rc;
}

int hark_shown_judge(struct hark_node *node, const struct hark_showing *showing,
                     struct hark_shown *out, struct hark_err *err)
{
    struct hark_member_object member = {.status = HARK_STATUS_REMOVED};
    struct hark_key_object key = {.until = HARK_NONE};
    struct hark_space *community = NULL;
    uint32_t number = 0;
    bool found = false;
    int rc = find_community(node, &showing->community, &community, err);

    *out = (struct hark_shown){.showing = *showing};
    if (rc < 0 || community == NULL)
        return rc;
    out->as = HARK_SHOWN_ENDED;
    rc = hark_state_find_key(hark_space_state(community), &showing->key, &found, &number, err);
    if (rc == 0 && found)
        rc = hark_state_key(hark_space_state(community), number, &key, err);
    if (rc < 0 || !found || key.of != HARK_KEY_OF_MEMBER || key.until != HARK_NONE)
        return rc;
    rc = hark_state_member(hark_space_state(community), key.owner, &member, err);
    if (rc == 0 && member.status == HARK_STATUS_ACTIVE) {
        out->as = HARK_SHOWN_MEMBER;
        out->member = key.owner;
    }
    return rc;
}

int hark_shown_read(struct hark_inside *inside, const struct hark_hash *group,
                    const struct hark_row *profile, bool *any, struct hark_showing *out,
                    struct hark_err *err)
{
    const struct hark_showing_place place = {.group = *group, .member = profile->author_key};
    json_t *fields = NULL;
    const json_t *showing;
    int rc = profile->verdict == 0 ? hark_inside_payload(inside, profile, &fields, err) : 0;

    *any = false;
    showing = json_object_get(fields, "showing");
    if (rc == 0 && showing != NULL && hark_showing_read(out, showing, NULL) == 0) {
        rc = hark_showing_check(out, &place, err);
        *any = rc == 0;
        rc = rc == HARK_E_SHOWING ? 0 : rc;
    }
    json_decref(fields);
    return rc;
}

struct search {
    struct hark_inside *inside;
    const struct hark_hash *group;
    struct hark_showing *showing;
    bool *any;
};

static int look_at(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct search *s = arg;
    int rc = hark_shown_read(s->inside, s->group, row, s->any, s->showing, err);

    return rc == 0 && *s->any ? HARK_STOP : rc;
}

int hark_shown_find(struct hark_node *node, struct hark_space *group, uint32_t member, bool *any,
                    struct hark_shown *out, struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "profile",
                                         .has_member = true,
                                         .member = member,
                                         .after = HARK_NONE,
                                         .re = HARK_NONE,
                                         .limit = PROFILES_MAX,
                                         .backwards = true};
    struct hark_showing showing;
    struct search search = {.group = hark_space_id(group), .showing = &showing, .any = any};
    int rc = hark_node_inside(node, group, &search.inside, err);

    *any = false;
    if (rc == 0 && search.inside != NULL)
        rc = hark_index_log(hark_inside_index(search.inside), &query, look_at, &search, err);
    return rc == 0 && *any ? hark_shown_judge(node, &showing, out, err) : rc;
}

/* --- being let in ----------------------------------------------------------------------- */

static int check_given(struct hark_node *node, struct hark_space *group,
                       const struct hark_join_request *request, const struct hark_shown_wish *wish,
                       struct hark_err *err)
{
    const struct hark_showing_place place = {.group = *hark_space_id(group),
                                             .member = request->key};
    struct hark_shown shown;
    int rc;

    if (!wish->any || !hark_hash_equal(&wish->community, &request->showing.community))
        return hark_err_set(err, HARK_E_SHOWING,
                            "this group does not ask who somebody is in that community");
    rc = hark_showing_check(&request->showing, &place, err);
    if (rc == 0)
        rc = hark_shown_judge(node, &request->showing, &shown, err);
    if (rc == 0 && shown.as == HARK_SHOWN_UNKNOWN)
        return hark_err_set(err, HARK_E_SHOWING,
                            "the steward's node cannot tell who is a member of that community");
    if (rc == 0 && shown.as != HARK_SHOWN_MEMBER)
        return hark_err_set(err, HARK_E_SHOWING, "that is no member's key there");
    return rc;
}

int hark_shown_admit(struct hark_node *node, struct hark_space *group,
                     const struct hark_join_request *request, struct hark_err *err)
{
    struct hark_shown_wish wish;
    int rc = hark_shown_wish(node, group, &wish, err);

    if (rc == 0 && request->has_showing)
        rc = check_given(node, group, request, &wish, err);
    else if (rc == 0 && wish.must)
        rc = hark_err_set(err, HARK_E_SHOWING_WANTED,
                          "who joins this group shows which member of a community they are: "
                          "`join --show COMMUNITY`");
    return rc;
}

int hark_shown_may_found(struct hark_space *community, uint8_t role, struct hark_err *err)
{
    struct hark_row row = {0};
    json_t *payload = NULL;
    const char *groups;
    int rc =
        hark_index_row(hark_space_index(community),
                       hark_state_space_object(hark_space_state(community))->policy, &row, err);

    if (rc == 0)
        rc = hark_space_payload_json(community, &row, &payload, err);
    groups = json_string_value(json_object_get(json_object_get(payload, "policy"), "groups"));
    if (rc == 0 && groups != NULL &&
        (strcmp(groups, "nobody") == 0 ||
         (strcmp(groups, "staff") == 0 && role != HARK_ROLE_STAFF)))
        rc = hark_err_set(err, HARK_E_VOID_ROLE, "groups of this community are founded by %s",
                          groups);
    json_decref(payload);
    return rc;
}
