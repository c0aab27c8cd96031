/*
 * Inside net.h: what its files share. Everything in struct hark_net under `lock` is
 * met by both threads; the rest belongs to one of them, as said.
 */
#ifndef HARK_NODE_NET_INTERNAL_H
#define HARK_NODE_NET_INTERNAL_H

#include <pthread.h>

#include "node/net.h"
#include "node/receipts.h"
#include "replication/edge.h"

#define NET_EVENTS_MAX  256u
#define NET_ORDERS_MAX  256u
#define NET_REPORTS_MAX 4096u /* logs of one peer */
#define NET_ROWS_MAX    4096u

/* A CURVE key may have a space, or (ticket) only ask about joining it. */
struct net_access {
    struct hark_key curve;
    struct hark_hash space;
    bool ticket;
};
/* For qsort and bsearch: by key. */
int hark_net_compare_access(const void *a, const void *b);

/* A peer as the network thread is to treat it. */
struct net_link {
    struct hark_key id;                 /* hark_edge_link */
    struct hark_key curve;              /* the peer's */
    char address[HARK_ADDRESS_MAX + 1]; /* empty: it connects to us, or not at all */
    bool paused;
    const struct hark_box *own; /* in hark_net.owns; NULL: the node's key */
    size_t log_count, log_room;
    struct hark_log_ref *logs; /* owned */
};

/* What is to be handed in for a space. */
struct net_submission {
    struct hark_hash space;
    struct hark_buf body; /* empty: nothing */
    bool preferred;
    struct hark_key to; /* the preferred link */
    uint64_t stamp;     /* another one: hand in (again) */
};

/* Made by the writer, taken over as a whole by the network thread. */
struct net_plan {
    size_t link_count, link_room;
    struct net_link *links;
    size_t submission_count;
    struct net_submission *submissions;
};

/* From the writer to the core. */
enum net_order_type {
    NET_APPENDED,
    NET_TOOK_IN,
    NET_JOINED,
    NET_COSIGNED,
    NET_EVIDENCE,
    NET_REQUEST,
    NET_CONNECT,
    NET_DISCONNECT
};
struct net_order {
    enum net_order_type type;
    uint64_t token;
    int code;
    char message[200];
    struct hark_accepted *accepted; /* TOOK_IN: owned */
    size_t accepted_count;
    struct hark_joined joined;
    struct hark_key peer;  /* REQUEST, CONNECT */
    struct hark_key curve; /* CONNECT */
    const struct hark_box *own;
    char address[HARK_ADDRESS_MAX + 1];
    uint8_t request;
    uint64_t patience_ms;
    uint64_t before, after; /* COSIGNED, EVIDENCE: hark_core_cosigned */
    struct hark_buf body;   /* REQUEST: owned */
};

/* What others are shown of a space, made by the writer. Fresh: the core has not been told yet. */
struct net_shown {
    struct hark_hash space;
    /* its cosigned checkpoints */
    uint64_t version;     /* only ever grows */
    struct hark_buf body; /* of a `cosign`; empty: nothing is shown */
    bool notes_fresh;
    /* files of evidence about it */
    size_t name_count;
    struct hark_hash *names; /* hark_convict_kept; owned */
    bool names_fresh;
};

/* A log at a peer, as last reported. */
struct net_report {
    struct hark_sync_report said;
    bool fresh; /* since the last ask_now */
};
struct net_row {
    struct hark_key id;
    struct hark_net_peer shown; /* but its reports */
    size_t report_count, report_room;
    struct net_report *reports;
    bool refused;   /* the person's key that we show there is not let in: own_key's */
    size_t counted; /* logs followed here over a connection of ours: `sync` waits for them */
};

/* The writer's notes on a space, so that rights are gathered only when they change. */
struct net_space {
    struct hark_hash id;
    uint64_t stamp;    /* hark_space_rights */
    bool noted, named; /* is this node named in it? */
    size_t access_count, access_room;
    struct net_access *access;
    size_t node_count;
    struct hark_node_object *nodes; /* now named */
    size_t leaving_count;
    struct hark_key *leaving; /* CURVE keys of nodes named no more that are still needed (7.8) */
    /* handing in */
    uint64_t submit_stamp, submit_after_ms;
    struct hark_hash submit_hash; /* of the last body */
    /* what we may sign, with another named node, since the start */
    bool main_compared, intake_compared;
    uint64_t main_with, intake_with; /* with which of `nodes`: a bit each */
    bool level;                      /* nothing is to be had of its main log where we asked last */
    uint64_t kept_version;           /* hark_notes_version, when last asked */
    uint64_t version_base;  /* what it was before, where the space has been opened anew since */
    uint64_t shown_version; /* of what is shown: both together */
    size_t evidence_count;  /* of hark_convict_kept, when it was handed over */
    bool unsettling;        /* a later home was shown that goes on from before what is settled */
    /* joining: one request at a time is handed on to the home */
    bool relay_busy;
    struct hark_hash relaying;
    struct hark_buf relay_body;
    struct hark_receipts_ask *asked; /* receipts under way, one question at a time; NULL: none */
    struct hark_key asked_of;
    uint64_t asked_until_ms; /* after which it counts as lost */
    uint64_t ask_after_ms;   /* none are asked for before, */
    unsigned ask_failures;   /* which is later each time that nothing came of it */
    bool doubts;             /* a peer has another log: receipts say whose fault that is */
    struct hark_key doubted;
    char doubted_name[HARK_NODE_NAME_MAX + 1];
    uint64_t doubted_size;
    uint64_t doubt_after_ms; /* nobody is doubted again before */
};

/* The key that this node shows a peer as one of its people: the one of the log as it is
 * here, or, where that is not let in any more, one of those that come after it. */
#define NET_OWN_AHEAD 16u
struct net_own {
    char label[HARK_LABEL_MAX + 1];
    struct hark_hash space;
    struct hark_key curve;  /* the peer's */
    struct hark_key sign;   /* the person's */
    struct hark_key in_log; /* X25519; zeros: no member as far as is known here */
    size_t count, shown;    /* of boxes: the one of the log, and those after it */
    bool rests;             /* all were tried */
    struct hark_box *boxes[1 + NET_OWN_AHEAD];
};

/* How far a log was when the core was told of it last. */
struct net_told {
    hark_node_name node; /* empty: the main log */
    uint64_t batches;
};

/* A view of a space for the network's thread. */
struct net_reader {
    struct hark_space *space;
    size_t told_count;
    struct net_told *told; /* NULL: it could not be looked at yet */
};

struct hark_net {
    char dir[HARK_PATH_MAX];
    struct hark_edge *edge;
    struct hark_core *core;
    pthread_t thread;
    bool running;
    int event_fd;

    pthread_mutex_t lock; /* over what follows */
    struct hark_net_event events[NET_EVENTS_MAX];
    size_t event_first, event_count;
    struct net_order orders[NET_ORDERS_MAX];
    size_t order_count;
    size_t access_count;
    struct net_access *access; /* sorted by key */
    struct net_plan *plan;     /* new, not taken yet; NULL: none */
    bool planning;             /* one is being taken */
    bool ask_now, reopen, grown;
    struct hark_hash coming_space;
    struct hark_coming coming; /* what comes next of its main log; count 0: nothing */
    size_t unsent;             /* spaces with something to hand in, of the plan in force */
    uint64_t proof_until_ms;   /* until then a later home may still be proved; 0: none is */
    size_t asking;             /* spaces whose receipts are asked for */
    size_t row_count, row_room;
    struct net_row *rows;
    size_t shown_count;
    struct net_shown *shown;

    /* the network thread's */
    struct net_plan *now;
    size_t reader_count;
    struct net_reader *readers;
    struct net_order taken[NET_ORDERS_MAX];

    /* the writer's */
    size_t space_count;
    struct net_space *spaces;
    size_t own_count;
    struct net_own *owns; /* boxes live as long as the net */
    size_t ticket_own_count;
    struct hark_box **ticket_owns; /* and those of owns that are shown no more */
    bool access_told;
    struct hark_hash peers_told; /* of the operator's peers that `access` holds */
    uint64_t compare_ms;         /* until then it waits for whom it can compare with */
    uint64_t cosign_ms;          /* nothing is cosigned before */
};

/* As much of a message as fits: it is for people to read. */
void hark_net_keep(char *out, size_t size, const char *message);

/* net_own.c: the key pair that this node shows that peer as one of its people; borrowed, for
 * as long as the net. Errors: those of hark_generations_begin. Writer's thread. */
struct hark_config_peer;
HARK_CHECK int hark_net_own(struct hark_net *net, struct hark_node *node,
                            const struct hark_config_peer *peer, const struct hark_hash *space,
                            const struct hark_box **out, struct hark_err *err);

/* net.c */
HARK_CHECK int hark_net_push(struct hark_net *net, const struct hark_net_event *event,
                             struct hark_err *err);
/* Takes the order over (its buffers too, also when it fails with busy). */
HARK_CHECK int hark_net_order(struct hark_net *net, struct net_order *order, struct hark_err *err);
void hark_net_order_free(struct net_order *order);
/* The row of a peer; NULL when there are too many. Under the lock. */
struct net_row *hark_net_row(struct hark_net *net, const struct hark_key *id,
                             const struct hark_key *curve);
void hark_net_row_forget(struct hark_net *net, struct net_row *row); /* under the lock */

/* What is shown of a space; NULL: nothing. Under the lock. */
struct net_shown *hark_net_find_shown(const struct hark_net *net, const struct hark_hash *space);
/* The same, made when there is none; NULL: no memory. Valid until the next is made. */
struct net_shown *hark_net_find_or_add_shown(struct hark_net *net, const struct hark_hash *space);

/* What comes next of the space's main log, as far as it is known, is moved to *out. */
bool hark_net_coming(struct hark_net *net, const struct hark_hash *space, struct hark_coming *out);

/* net_core.c */
void hark_net_io(struct hark_net *net, struct hark_core_io *io,
                 struct hark_edge_handlers *handlers);
void hark_net_readers_free(struct hark_net *net);

/* net_plan.c */
void hark_net_plan_free(struct net_plan *plan);
void hark_net_space_free(struct net_space *space);
/* The writer's notes on a space; NULL: none (yet). */
struct net_space *hark_net_notes(struct hark_net *net, const struct hark_hash *id);

/* net_write.c */
HARK_CHECK int hark_net_take_over(struct hark_net *net, struct hark_node *node,
                                  struct hark_err *err);

/* net_receipts.c */

/* Asks for what receipts are missing in that space, if it is time; *next_ms is brought down
 * to when it is. */
HARK_CHECK int hark_net_ask_receipts(struct hark_net *net, struct hark_space *space,
                                     struct net_space *notes, uint64_t *next_ms,
                                     struct hark_err *err);
/* A peer, who goes by that name, has another main log of the same home, as it reported. */
void hark_net_doubt(struct net_space *notes, const char *name, const struct hark_net_event *event);
HARK_CHECK int hark_net_take_receipts(struct hark_net *net, struct hark_node *node,
                                      struct net_space *notes, const struct hark_net_event *event,
                                      struct hark_err *err);

/* net_witness.c */
HARK_CHECK int hark_net_take_notes(struct hark_net *net, struct hark_node *node,
                                   const struct hark_net_event *event, struct hark_err *err);
/* hark_core_io.notes. */
int hark_net_io_notes(void *arg, const struct hark_hash *space, uint64_t *version,
                      struct hark_buf *out, struct hark_err *err);

/* net_evidence.c */
/* Tells the network's thread which files of evidence there are, if there are more. */
HARK_CHECK int hark_net_show_evidence(struct hark_net *net, struct hark_space *space,
                                      struct net_space *notes, struct hark_err *err);
HARK_CHECK int hark_net_take_evidence(struct hark_net *net, struct hark_node *node,
                                      const struct hark_net_event *event, struct hark_err *err);
/* hark_core_io.evidence. */
int hark_net_io_evidence(void *arg, const struct hark_hash *space, uint64_t after,
                         uint64_t *version, struct hark_buf *out, struct hark_err *err);

#endif
