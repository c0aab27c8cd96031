/*
 * The writer's part in receipts (receipts.h): whom to ask when, and what comes of it. Of a
 * space one question is under way at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "node/net_internal.h"

#define PATIENCE_MS 10000u
#define LOST_MS     600000u /* on top of that: then the answer was lost here */
#define RETRY_MS    5000u   /* when nothing came of it, doubled each time */
#define DOUBLED_MAX 7u
#define DOUBT_MS    30000u

/* Somebody whose batches are refused can be asked all the more. */
static bool is_there(const struct net_row *row)
{
    return row->shown.state == HARK_PEER_LIVE || row->shown.state == HARK_PEER_REFUSED;
}

/* The connection at which the node of that name is asked for the space's logs. */
static bool find_link(struct hark_net *net, const struct net_space *notes, const char *name,
                      struct hark_key *link)
{
    const struct hark_key *curve = NULL;
    bool found = false;

    for (size_t i = 0; i < notes->node_count; i++) {
        if (strcmp(notes->nodes[i].name, name) == 0)
            curve = &notes->nodes[i].keys.curve;
    }
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; curve != NULL && !found && i < net->row_count; i++) {
        const struct net_row *row = &net->rows[i];

        for (size_t j = 0; hark_key_equal(&row->shown.curve, curve) && !found && is_there(row) &&
                           j < row->report_count;
             j++)
            found = hark_hash_equal(&row->reports[j].said.log.space, &notes->id);
        if (found)
            *link = row->id;
    }
    pthread_mutex_unlock(&net->lock);
    return found;
}

static void count_asking(struct hark_net *net, bool more)
{
    pthread_mutex_lock(&net->lock);
    net->asking += more ? 1 : (size_t)-1;
    pthread_mutex_unlock(&net->lock);
}

/* Nothing is under way any more; the next question goes out after so long. */
static void end(struct hark_net *net, struct net_space *notes, uint64_t after_ms)
{
    if (notes->asked != NULL)
        count_asking(net, false);
    free(notes->asked);
    notes->asked = NULL;
    notes->ask_after_ms = hark_timer_ms() + after_ms;
}

static uint64_t backoff(struct net_space *notes)
{
    unsigned times = notes->ask_failures < DOUBLED_MAX ? notes->ask_failures++ : DOUBLED_MAX;

    return (uint64_t)RETRY_MS << times;
}

static int send(struct hark_net *net, struct net_space *notes, const struct hark_key *link,
                const struct hark_receipts_ask *ask, struct hark_err *err)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    int rc = 0;

    notes->asked = malloc(sizeof(*notes->asked));
    if (notes->asked == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a question");
    *notes->asked = *ask;
    notes->asked_of = *link;
    count_asking(net, true);
    notes->asked_until_ms = hark_timer_ms() + PATIENCE_MS + LOST_MS;
    rc = hark_receipt_ask_encode(&body, &notes->id, ask->wanted, ask->count, err);
    if (rc == 0)
        rc = hark_net_request(net, link, HARK_MESSAGE_RECEIPT, hark_buf_span(&body), PATIENCE_MS,
                              err);
    hark_buf_free(&body);
    if (rc == 0)
        return 0;
    end(net, notes, backoff(notes));
    return rc == HARK_E_BUSY ? 0 : rc;
}

/* When a question may go out, by the timer; 0: now. */
static uint64_t due(struct hark_net *net, struct net_space *notes)
{
    uint64_t now_ms = hark_timer_ms();

    if (notes->asked != NULL && now_ms < notes->asked_until_ms)
        return notes->asked_until_ms;
    if (notes->asked != NULL)
        end(net, notes, 0);
    return now_ms < notes->ask_after_ms && !notes->doubts ? notes->ask_after_ms : 0;
}

static int ask_doubted(struct hark_net *net, struct hark_space *space, struct net_space *notes,
                       struct hark_err *err)
{
    struct hark_receipts_ask ask;
    int rc = hark_receipts_doubt(space, notes->doubted_size, &ask, err);

    notes->doubts = false;
    notes->doubt_after_ms = hark_timer_ms() + DOUBT_MS;
    if (rc < 0 || ask.count == 0)
        return rc;
    memcpy(ask.node, notes->doubted_name, sizeof(ask.node));
    return send(net, notes, &notes->doubted, &ask, err);
}

struct whom {
    struct hark_net *net;
    const struct net_space *notes;
    struct hark_key link; /* of who can be asked */
};

static bool can_ask(void *arg, const char *node)
{
    struct whom *whom = arg;

    return find_link(whom->net, whom->notes, node, &whom->link);
}

int hark_net_ask_receipts(struct hark_net *net, struct hark_space *space, struct net_space *notes,
                          uint64_t *next_ms, struct hark_err *err)
{
    struct whom whom = {.net = net, .notes = notes};
    uint64_t due_ms = due(net, notes);
    struct hark_receipts_ask ask;
    int rc;

    if (notes->doubts && due_ms == 0)
        return ask_doubted(net, space, notes, err);
    rc = hark_receipts_wanted(space, hark_now_ms(), can_ask, &whom, &ask, err);
    if (rc < 0 || (ask.count == 0 && !notes->doubts))
        return rc;
    if (due_ms == 0)
        return send(net, notes, &whom.link, &ask, err);
    if (*next_ms == 0 || due_ms < *next_ms)
        *next_ms = due_ms;
    return 0;
}

void hark_net_doubt(struct net_space *notes, const char *name, const struct hark_net_event *event)
{
    if (hark_timer_ms() < notes->doubt_after_ms)
        return;
    notes->doubts = true;
    notes->doubted = event->peer;
    notes->doubted_size = event->report.theirs.size;
    hark_net_keep(notes->doubted_name, sizeof(notes->doubted_name), name);
}

int hark_net_take_receipts(struct hark_net *net, struct hark_node *node, struct net_space *notes,
                           const struct hark_net_event *event, struct hark_err *err)
{
    struct hark_span receipts[HARK_RECEIPT_MAX];
    struct hark_space *space = NULL;
    struct hark_hash id;
    size_t count = 0, kept = 0;
    int rc = 0;

    if (notes->asked == NULL || !hark_key_equal(&notes->asked_of, &event->peer))
        return 0; /* it counted as lost */
    if (event->code == 0 &&
        hark_receipts_decode(&id, receipts, &count, hark_buf_span(&event->load), NULL) == 0 &&
        count == notes->asked->count) {
        rc = hark_node_space(node, &notes->id, &space, err);
        if (rc == 0)
            rc = hark_receipts_take(space, notes->asked, receipts, hark_now_ms(), &kept, err);
    }
    if (rc == 0 && kept > 0) {
        notes->ask_failures = 0;
        end(net, notes, 0);
    } else {
        end(net, notes, backoff(notes));
    }
    return rc;
}
