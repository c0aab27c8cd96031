/*
 * What status tells of how homes date their logs (PROTOCOL.md 7.8): to a partner, of one that
 * has not said for long what its log holds; to the home, that it has said so of more than is
 * here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/cmd_internal.h"
#include "node/witness.h"

#define INTERVALS 3u
#define PEERS_MAX 1024u

/* Is that node heard at this moment? */
static int is_live(struct hark_cmd *cmd, const struct hark_key *curve, bool *live,
                   struct hark_err *err)
{
    struct hark_net_peer *peers = NULL;
    size_t count;

    *live = false;
    peers = calloc(PEERS_MAX, sizeof(*peers));
    if (peers == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for peers");
    count = hark_net_peers(cmd->net, peers, PEERS_MAX);
    for (size_t i = 0; i < count && i < PEERS_MAX; i++)
        *live =
            *live || (hark_key_equal(&peers[i].curve, curve) && peers[i].state == HARK_PEER_LIVE);
    free(peers);
    return 0;
}

/* Since when it might have said so: this node has cosigned all that is here since, and it has
 * said nothing later. HARK_NONE: it need not have. */
static int find_since(struct hark_cmd *cmd, struct hark_space *space, uint64_t *since_s,
                      struct hark_err *err)
{
    const struct hark_key *self = hark_signer_key(cmd->node->identity.cosigner);
    const struct hark_cosigned *own = NULL, *said = NULL;
    int rc = hark_witness_cosigned(space, "", self, &own, err);

    *since_s = HARK_NONE;
    if (rc == 0)
        rc = hark_witness_dated(space, &said, err);
    if (rc < 0 || own == NULL || own->checkpoint.size != hark_space_head(space)->tree.size)
        return rc;
    *since_s = said != NULL && said->time_s > own->time_s ? said->time_s : own->time_s;
    return 0;
}

/* The home is there, and says nothing: then *out says so. */
static int say_undated(struct hark_cmd *cmd, struct hark_space *space, char *out, size_t size,
                       struct hark_err *err)
{
    const struct hark_config *config = cmd->node->config;
    uint64_t every_s = config->date_log_s != 0 ? config->date_log_s : HARK_DATE_LOG_S;
    uint64_t since_s = HARK_NONE, now_s = hark_now_ms() / 1000;
    struct hark_node_object home;
    char time[HARK_TIME_SIZE + 1];
    bool live = false;
    int rc = find_since(cmd, space, &since_s, err);

    if (rc < 0 || since_s == HARK_NONE || now_s < since_s || now_s - since_s <= INTERVALS * every_s)
        return rc;
    rc = hark_space_home(space, &home, err);
    if (rc == 0)
        rc = is_live(cmd, &home.keys.curve, &live, err);
    if (rc < 0 || !live)
        return rc;
    hark_time_encode(time, 1000 * since_s);
    (void)snprintf(out, size,
                   "the home %s has not dated its log since %.19sZ: what it dates back could not "
                   "be shown (its operator may want it so seldom: date_log_s)",
                   home.name, time);
    return 0;
}

int hark_cmd_dates(struct hark_cmd *cmd, struct hark_space *space, const char **name, char *out,
                   size_t size, struct hark_err *err)
{
    const struct hark_cosigned *said = NULL;
    int rc;

    out[0] = '\0';
    *name = "undated";
    if (!hark_node_is_home(cmd->node, space))
        return cmd->net == NULL ? 0 : say_undated(cmd, space, out, size, err);
    *name = "behind";
    rc = hark_witness_dated(space, &said, err);
    if (rc == 0 && said != NULL && said->checkpoint.size > hark_space_head(space)->tree.size)
        (void)snprintf(out, size,
                       "this home has signed %" PRIu64 " entries of the log, of which %" PRIu64
                       " are here: it logs nothing before it has them again",
                       said->checkpoint.size, hark_space_head(space)->tree.size);
    return rc;
}
