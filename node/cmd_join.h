/*
 * What the two halves of `hark join` share: cmd_join.c is the verb, the consent and
 * joining at the home itself; cmd_join_net.c asks over the network.
 */
#ifndef HARK_NODE_CMD_JOIN_H
#define HARK_NODE_CMD_JOIN_H

#include "node/cmd_internal.h"
#include "node/join.h"

struct hark_joining {
    const char *name;
    char about[HARK_JOIN_ABOUT_MAX + 1]; /* empty: nothing */
    const char *show;                    /* a community: who one is there is shown; or NULL */
    bool shows;                          /* showing is made */
    struct hark_showing showing;
    uint64_t timeout_ms;
    struct hark_ticket ticket;
    struct hark_signer *ticket_key;
    struct hark_terms terms; /* as shown and consented to */
    struct hark_author joiner;
    char label[HARK_LABEL_MAX + 1];
    bool made_key;
};

/* T7 by the ticket's own word. */
HARK_CHECK int hark_joining_expired(const struct hark_joining *join, struct hark_err *err);
/* Shows the terms to the person who joins (not with -q). */
void hark_joining_show_terms(struct hark_cmd *cmd, const struct hark_terms *terms);
/* A new key, or with --as that of a person who is here: fills label and joiner. */
HARK_CHECK int hark_joining_take_key(struct hark_cmd *cmd, struct hark_joining *join,
                                     struct hark_err *err);
/* With --show: makes the showing for the joiner's key, once. Errors: entry-key, void-member
 * (not a member there), not-found, usage (an open space). */
HARK_CHECK int hark_joining_show(struct hark_cmd *cmd, struct hark_joining *join,
                                 struct hark_err *err);
/* Forgets a key that was made for nothing. */
void hark_joining_drop_key(struct hark_cmd *cmd, const struct hark_joining *join);
/* The request, signed. */
HARK_CHECK int hark_joining_request(const struct hark_joining *join,
                                    struct hark_join_request *request, struct hark_err *err);
/* The profile's payload; json_decref. NULL: no memory. */
json_t *hark_joining_profile(const struct hark_joining *join);
/* Who joined, as the state says. Errors: not-found (not in it yet), io. */
HARK_CHECK int hark_joining_print(struct hark_cmd *cmd, const struct hark_joining *join,
                                  struct hark_space *space, struct hark_err *err);

/* cmd_join_net.c: joins at the nodes that the ticket names; again with the same ticket
 * it goes on where it was. Errors: T5 to T8 and rules, as the home answers; peer-* ;
 * busy: under way, which was said. */
HARK_CHECK int hark_joining_over_network(struct hark_cmd *cmd, struct hark_joining *join,
                                         struct hark_err *err);

#endif
