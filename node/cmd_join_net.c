/*
 * Joining from elsewhere: not here yet.
 */
#include "node/cmd_join.h"

int hark_joining_over_network(struct hark_cmd *cmd, struct hark_joining *join, struct hark_err *err)
{
    int rc;

    (void)cmd;
    (void)join;
    rc = hark_err_set(err, HARK_E_ACCEPT_NOT_HERE,
                      "this node is not the home of the space that the ticket is for");
    hark_err_hint(err, "join at the home; joining over the network comes with a later version");
    return rc;
}
