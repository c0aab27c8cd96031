/*
 * Who members of a private group have shown to be in a community, and what the group asks of
 * who joins. PROTOCOL.md 10.11.
 */
#ifndef HARK_NODE_SHOWN_H
#define HARK_NODE_SHOWN_H

#include "node/node.h"
#include "schemas/join.h"

/* What the charter says; any false: it asks for nothing, or cannot be read here. */
struct hark_shown_wish {
    bool any, must; /* not must: a proof is welcome */
    struct hark_hash community;
};
HARK_CHECK int hark_shown_wish(struct hark_node *node, struct hark_space *group,
                               struct hark_shown_wish *out, struct hark_err *err);

enum hark_shown_as {
    HARK_SHOWN_UNKNOWN, /* this node does not follow the community */
    HARK_SHOWN_MEMBER,  /* an active member's key in force */
    HARK_SHOWN_ENDED,   /* nobody's there, or not any more */
};
struct hark_shown {
    struct hark_showing showing;
    enum hark_shown_as as;
    uint32_t member; /* the community's ordinal; HARK_SHOWN_MEMBER only */
};
const char *hark_shown_name(enum hark_shown_as as);

/* The showing in a profile inside, if it has a right one. */
struct hark_inside;
HARK_CHECK int hark_shown_read(struct hark_inside *inside, const struct hark_hash *group,
                               const struct hark_row *profile, bool *any, struct hark_showing *out,
                               struct hark_err *err);
/* As which member of its community the key of a showing stands, as far as this node has the
 * community's log. The proof is not looked at. */
HARK_CHECK int hark_shown_judge(struct hark_node *node, const struct hark_showing *showing,
                                struct hark_shown *out, struct hark_err *err);
/* The latest right showing in what the member says of itself; what is wrong is as if it were
 * not there. *any false: none, or this node cannot read the group. */
HARK_CHECK int hark_shown_find(struct hark_node *node, struct hark_space *group, uint32_t member,
                               bool *any, struct hark_shown *out, struct hark_err *err);

/* May who asks to join be let in? Names no community, since the answer goes by way of hosts.
 * Errors: showing-wanted (none, and the group must have one), showing (wrong, of another
 * community, of no member there, or one that this node cannot judge). */
HARK_CHECK int hark_shown_admit(struct hark_node *node, struct hark_space *group,
                                const struct hark_join_request *request, struct hark_err *err);
/* Does the community let that role found groups (`policy.groups`)? Error: void-role. */
HARK_CHECK int hark_shown_may_found(struct hark_space *community, uint8_t role,
                                    struct hark_err *err);

#endif
