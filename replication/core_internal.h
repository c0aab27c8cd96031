/*
 * Inside the replication core: what its files share. core.c keeps the peers and
 * hands messages out, core_follow.c asks and fetches, core_serve.c answers,
 * core_again.c does both for many logs at once, core_submit.c hands entries in and takes them,
 * core_join.c asks about joining, and for receipts, and is asked about joining, core_receipt.c
 * gives receipts, core_show.c shows cosigned checkpoints and evidence and is shown them.
 *
 * A log that is followed from a peer goes through these phases:
 *
 *     IDLE ──ask──▸ ASKED ──tell more──▸ WANTED ──fetch──▸ FETCHED ──batches──▸ HELD
 *      ▴              │ tell other          ▴                                     │ append
 *      ├──────────────┘                     └── appended, not all yet ── APPENDING
 *      └── appended, all of it; or anything went wrong ────────────────────┘
 *
 * While a load of a main log is APPENDING, the next one may be fetched already (`ahead`):
 * appended, the log is FETCHED or HELD again.
 */
#ifndef HARK_REPLICATION_CORE_INTERNAL_H
#define HARK_REPLICATION_CORE_INTERNAL_H

#include "replication/core.h"
#include "replication/messages.h"

#define HARK_CORE_PEERS_MAX 1024u
#define HARK_CORE_LOGS_MAX  4096u /* followed from, or waited for by, one peer */
#define HARK_CORE_NEVER     UINT64_MAX

/* Milliseconds. */
#define HARK_CORE_ASK_EVERY     5000u  /* a live peer, when there is no news */
#define HARK_CORE_SLOWLY        30000u /* after a refusal */
#define HARK_CORE_SLOWEST       480000u
#define HARK_CORE_ANSWER        10000u /* how long an answer may take */
#define HARK_CORE_FETCH         60000u /* and batches, which may be 16 MiB on a slow line */
#define HARK_CORE_BACKOFF_FIRST 500u
#define HARK_CORE_BACKOFF_LAST  30000u
#define HARK_CORE_QUIET         30000u /* silence after which a hello goes out */
#define HARK_CORE_GONE          90000u /* silence of a peer that only asks us */
#define HARK_CORE_MUTE          60000u /* nothing is heard from who sent rubbish */
#define HARK_CORE_WINDOW        1000u
#define HARK_CORE_REPLY         15000u  /* how long somebody may take to judge what was sent */
#define HARK_CORE_OWED          120000u /* and how long our own node may */

/* A peer may cost this much a second; we cost it half of that at once, and half of that
 * a second, which together is not more in any second. An entry that comes alone costs
 * an ask, a fetch, and the news of it going back. */
#define HARK_CORE_COST_MAX    1000u
#define HARK_CORE_SEND_MAX    500u
#define HARK_CORE_SERVED_MAX  (64u * 1024u * 1024u) /* unpacked bytes a second and peer */
#define HARK_CORE_FETCHES_MAX 4u                    /* under way at one peer */
/* Bytes of batches in an answer, before they are packed. Whoever takes them in judges and
 * writes one batch while it verifies the next, and waits before the first and after the
 * last: some 8 full batches at a time where answers come soon. */
#define HARK_CORE_WANT        (12u * 1024u * 1024u)
#define HARK_CORE_WANT_FIRST  (3u * 1024u * 1024u)
#define HARK_CORE_SOON        10000u /* ms */
#define HARK_CORE_OWED_MAX    64u    /* answers that peers wait for, of each type */
#define HARK_CORE_OWED_PEER   4u     /* and one peer */
#define HARK_CORE_REQUEST_MAX 256u
/* Receipts made in a second, for one peer and for all: some 0.3 ms of work each. */
#define HARK_CORE_RECEIPTS_PEER 64u
#define HARK_CORE_RECEIPTS_MAX  512u

enum hark_phase {
    HARK_PHASE_IDLE,
    HARK_PHASE_ASKED,
    HARK_PHASE_WANTED,
    HARK_PHASE_FETCHED,
    HARK_PHASE_HELD, /* unpacked; append is busy */
    HARK_PHASE_APPENDING,
};

/* The answer to a fetch that went out while the load before is being appended: from
 * where that load says that it leads to. */
struct hark_ahead {
    uint64_t id; /* under way; 0: it is not */
    uint64_t sent_ms;
    struct hark_cursor asked;
    struct hark_buf load; /* empty: not here */
    unsigned batches;
};

struct hark_follow {
    struct hark_log_ref log;
    enum hark_phase phase;
    uint64_t due_ms;  /* IDLE: asked then; WANTED, HELD: tried again then */
    bool again;       /* ASKED: ask once more at once, there was news */
    uint64_t id;      /* FETCHED: request id */
    uint64_t sent_ms; /* FETCHED */
    uint64_t token;   /* APPENDING */
    uint32_t want;
    struct hark_cursor asked, theirs;
    size_t asked_at;      /* ASKED: its place in the ask */
    bool level;           /* the peer told that it has the same as `asked` */
    uint64_t level_ms;    /* when, while level */
    struct hark_buf load; /* HELD */
    unsigned batches;
    struct hark_ahead ahead; /* APPENDING: what comes next */
    unsigned failures;       /* of append, in a row */
    int code;                /* of the last append, while that failed */
    /* an intake's batch was judged against more of the main log than is here */
    uint64_t behind_ms; /* since when; 0: not so */
    unsigned behinds;   /* how often, in a row */
    unsigned denials;   /* how often it was refused us, in a row */
    /* a main log: whether entries are handed in to this peer */
    uint64_t passed_ms; /* not before */
    unsigned refusals;  /* in a row */
};

/* What is to be handed in for a space, and what is under way of it. */
struct hark_submission {
    struct hark_hash space;
    struct hark_buf body; /* empty: there is nothing more */
    bool waits;           /* body is still to be sent */
    bool prefers;
    struct hark_key preferred;
    uint64_t id; /* under way; 0: nothing is */
    bool fresh;  /* body came after what is under way */
    uint64_t sent_ms;
    struct hark_key peer;
    size_t count;
    struct hark_hash *ids; /* of the entries under way */
};

/* A question about joining, or for receipts, until it is answered. */
struct hark_request {
    struct hark_key peer;
    uint8_t type;
    size_t count; /* of receipts asked for */
    struct hark_hash space;
    struct hark_buf body;
    uint64_t until_ms;
    uint64_t due_ms; /* sent not before */
    uint64_t id;     /* under way; 0: nothing is */
    uint64_t sent_ms;
    int code; /* why it was put off, for the end of patience */
};

/* An answer that a peer waits for while our node judges. */
struct hark_owed {
    uint64_t token;
    uint8_t type; /* of what was asked: SUBMIT, JOIN, COSIGN or EVIDENCE */
    struct hark_key peer;
    uint64_t via, id, since_ms;
    struct hark_hash space;
    size_t count;
    struct hark_hash *ids; /* of the entries handed in */
};

/* A peer waits for news of a log; PROTOCOL.md 9.2: one, until it asks again. */
struct hark_credit {
    struct hark_log_ref log;
    uint64_t via;
    bool grown; /* there is news, it could not go out yet */
};

/* What is shown of a space. */
enum hark_show { HARK_SHOW_NOTES, HARK_SHOW_EVIDENCE, HARK_SHOW_ };
struct hark_shown {
    enum hark_show what;
    bool changed;     /* our node is to be asked what there is */
    uint64_t noted;   /* version last acknowledged */
    uint64_t id;      /* under way; 0: nothing is */
    uint64_t version; /* that is under way */
    uint64_t sent_ms;
    uint64_t due_ms;   /* not before */
    unsigned failures; /* in a row */
};
/* A space about whose main log the peer has asked. */
struct hark_shown_log {
    struct hark_hash space;
    struct hark_shown shown[HARK_SHOW_];
};

struct hark_peer {
    struct hark_key key;
    /* what was last said of it */
    enum hark_peer_state state;
    int code;
    bool told;

    bool live;
    uint64_t heard_ms;
    uint64_t muted_ms; /* until then nothing from it is looked at; 0: not muted */
    int refused;       /* why it is REFUSED, besides failures of append */
    char message[HARK_TEXT_MAX + 1];

    /* how much of the current second is used up */
    uint64_t window_ms;
    unsigned cost;
    size_t served;
    size_t receipts;          /* made for it */
    uint64_t spent, spent_ms; /* of what we may send, in thousandths, and as of when */

    /* what we ask it */
    bool followed;
    size_t requests; /* that wait to be answered */
    uint64_t added_ms;
    uint64_t retry_ms; /* nothing is asked before */
    bool unsent;       /* since nothing could be sent to it */
    unsigned failures;
    uint64_t hello_id, hello_ms; /* id 0: none under way */
    uint64_t ask_id, ask_ms;
    size_t ask_count;
    bool ask_again;    /* what is asked is an `again` */
    uint64_t again_ms; /* none before */
    size_t follow_count;
    struct hark_follow *follows;

    /* what it waits for */
    uint64_t answered_id; /* of its last hello */
    size_t credit_count, credit_room;
    struct hark_credit *credits;

    /* what it is shown */
    uint64_t asked_via; /* over which it asked last */
    size_t showing_count, showing_room;
    size_t showing_under_way[HARK_SHOW_];
    struct hark_shown_log *showings;
    uint64_t show_ms;                   /* showings are not looked at before */
    uint64_t show_after_ms[HARK_SHOW_]; /* none before */
};

struct hark_core {
    struct hark_core_io io;
    char name[HARK_NODE_NAME_MAX + 1];
    uint64_t first_id, next_id; /* request ids given so far: first_id to before next_id */
    uint64_t next_token;
    size_t peer_count;
    struct hark_peer *peers[HARK_CORE_PEERS_MAX];
    uint64_t submit_due_ms; /* submissions are not looked at before */
    size_t submission_count, submission_room;
    struct hark_submission *submissions;
    uint64_t receipts_ms; /* the second in which so many receipts were made */
    size_t receipts;
    size_t request_count;
    struct hark_request requests[HARK_CORE_REQUEST_MAX];
    size_t owed_count;
    struct hark_owed owed[4 * HARK_CORE_OWED_MAX];
};

/* ---- core.c ---- */

uint64_t hark_core_now(const struct hark_core *core);
struct hark_peer *hark_core_find(struct hark_core *core, const struct hark_key *key);
/* Errors: limit, no-memory. */
HARK_CHECK int hark_core_find_or_add(struct hark_core *core, const struct hark_key *key,
                                     struct hark_peer **out, struct hark_err *err);
uint64_t hark_core_next_id(struct hark_core *core);
/* Body and load as spans (load: data NULL for none). */
int hark_core_send(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint8_t type,
                   uint64_t id, struct hark_span body, struct hark_span load);
void hark_core_send_error(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id,
                          int code, const char *message);
/* May `cost` more go out to the peer in this second? Counts it if so. */
bool hark_core_may_send(struct hark_core *core, struct hark_peer *peer, unsigned cost);
/* The same question without counting: when may something go out? */
uint64_t hark_core_send_due(const struct hark_core *core, const struct hark_peer *peer,
                            unsigned cost);
unsigned hark_core_ask_cost(size_t cursors);
bool hark_log_equal(const struct hark_log_ref *a, const struct hark_log_ref *b);
/* Our cursor of a log; the empty one when we have nothing of it. */
int hark_core_cursor(struct hark_core *core, const struct hark_log_ref *log,
                     struct hark_cursor *out);
/* Is the cursor a point of our copy of its log, which goes at least that far? */
int hark_core_fits(struct hark_core *core, const struct hark_cursor *cursor, bool *fits);
/* It broke the protocol: it is told so once and then not heard for a while. */
void hark_core_malformed(struct hark_core *core, struct hark_peer *peer, uint64_t via, uint64_t id,
                         const char *message);
void hark_core_refused(struct hark_peer *peer, int code, const char *message);

/* ---- core_follow.c ---- */

struct hark_follow *hark_follow_find(struct hark_peer *peer, const struct hark_log_ref *log);
void hark_follow_idle(struct hark_follow *follow, uint64_t due_ms);
/* Of the main log, asked at this peer; NULL: not followed from it. */
struct hark_follow *hark_follow_main(struct hark_peer *peer, const struct hark_hash *space);
/* The peer asks about a log of which it has something: where it refused us that, we ask
 * again now. */
void hark_follow_has(struct hark_core *core, struct hark_peer *peer,
                     const struct hark_log_ref *log);
/* Nothing could be sent to it. */
void hark_follow_unsent(struct hark_core *core, struct hark_peer *peer);
/* The connection has broken: nothing asked over it is answered. */
void hark_follow_lost(struct hark_core *core, struct hark_peer *peer);
/* Our main log of the space has grown: what was behind may go on. */
void hark_follow_grown(struct hark_core *core, struct hark_peer *peer,
                       const struct hark_hash *space);
/* Nothing asked is waited for any more. */
void hark_follow_cancel(struct hark_core *core, struct hark_peer *peer);
void hark_follow_free(struct hark_peer *peer);
int hark_follow_replace(struct hark_core *core, struct hark_peer *peer,
                        const struct hark_log_ref *logs, size_t count, struct hark_err *err);
/* Is this id one that the peer owes an answer to? */
bool hark_follow_awaits(const struct hark_peer *peer, uint64_t id);
/* Something came from the peer that makes sense. */
void hark_follow_heard(struct hark_core *core, struct hark_peer *peer);
void hark_follow_tell(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);
void hark_follow_batches(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                         const struct hark_message *message);
void hark_follow_news(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);
void hark_follow_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code,
                       const char *message);
void hark_follow_appended(struct hark_core *core, struct hark_peer *peer,
                          struct hark_follow *follow, int code, const char *message);
/* Does what is due at this peer. */
void hark_follow_drive(struct hark_core *core, struct hark_peer *peer);
uint64_t hark_follow_due(const struct hark_core *core, const struct hark_peer *peer);

/* All that is followed is asked about now, under a new ask_id. */
void hark_follow_asked(struct hark_core *core, struct hark_peer *peer);
/* And is told to be the same. */
void hark_follow_all_same(struct hark_core *core, struct hark_peer *peer);
/* What was asked is asked again at `due_ms`. */
void hark_follow_end_ask(struct hark_peer *peer, uint64_t due_ms);

/* ---- core_again.c ---- */

/* Is this log one that the next `again` asks about, so that an ask need not? */
bool hark_again_covers(struct hark_core *core, const struct hark_peer *peer,
                       const struct hark_follow *follow);
/* Sends one if all was the same the last time; false: it is to be asked in full. */
bool hark_again_send(struct hark_core *core, struct hark_peer *peer);
void hark_again_still(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);
void hark_again_serve(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);

/* ---- core_serve.c ---- */

void hark_serve_hello(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);
void hark_serve_ask(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                    const struct hark_message *message);
void hark_serve_fetch(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);
void hark_serve_grown(struct hark_core *core, struct hark_peer *peer,
                      const struct hark_log_ref *log);
void hark_serve_drive(struct hark_core *core, struct hark_peer *peer);
uint64_t hark_serve_due(const struct hark_core *core, const struct hark_peer *peer);
void hark_serve_free(struct hark_peer *peer);
/* Sends a hello of ours. */
int hark_serve_send_hello(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                          uint64_t id);

/* ---- core_submit.c ---- */

void hark_submit_message(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                         const struct hark_message *message);
void hark_submit_answer(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                        const struct hark_message *message);
void hark_submit_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code);
bool hark_submit_awaits(const struct hark_core *core, const struct hark_peer *peer, uint64_t id);
/* Nothing more comes from this peer: what is under way there failed so. */
void hark_submit_lost(struct hark_core *core, const struct hark_key *peer, int code);
void hark_submit_drive(struct hark_core *core);
uint64_t hark_submit_due(const struct hark_core *core);
void hark_submit_free(struct hark_core *core);

/* A new answer owed, without ids; NULL: there are too many. */
struct hark_owed *hark_owed_add(struct hark_core *core, const struct hark_peer *peer, uint64_t via,
                                const struct hark_message *message, const struct hark_hash *space);
/* Is this very question waiting already? Then it came twice. */
bool hark_owed_is(const struct hark_core *core, const struct hark_peer *peer,
                  const struct hark_message *message);
/* Takes out the one with that token and type; false: there is none. */
bool hark_owed_take(struct hark_core *core, uint64_t token, uint8_t type, struct hark_owed *out);
/* An error that may be told as it is, else busy: what is wrong here is nobody's
 * business there. */
int hark_owed_code(int code);

/* ---- core_join.c ---- */

void hark_join_show(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                    const struct hark_message *message);
void hark_join_join(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                    const struct hark_message *message);
void hark_join_answer(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);
void hark_join_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code);
bool hark_join_awaits(const struct hark_core *core, const struct hark_peer *peer, uint64_t id);
void hark_join_lost(struct hark_core *core, const struct hark_key *peer, bool for_good);
void hark_join_drive(struct hark_core *core);
uint64_t hark_join_due(const struct hark_core *core);
void hark_join_free(struct hark_core *core);

/* ---- core_receipt.c ---- */

/* It asks for receipts. */
void hark_receipt_serve(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                        const struct hark_message *message);

/* ---- core_show.c ---- */

/* It asks about the main log of a space that it may have: what it is to be shown goes
 * out now, before it is told. */
void hark_show_asked(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                     const struct hark_hash *space);
/* It said hello: it may have started anew. */
void hark_show_hello(struct hark_peer *peer, uint64_t via);
void hark_show_message(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                       const struct hark_message *message);
/* An answer, of whatever type, under the id of what was shown; ignored under any other. */
void hark_show_answer(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message);
void hark_show_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code);
bool hark_show_awaits(const struct hark_peer *peer, uint64_t id);
/* Nothing that is under way is answered. */
void hark_show_lost(struct hark_core *core, struct hark_peer *peer);
void hark_show_drive(struct hark_core *core, struct hark_peer *peer);
uint64_t hark_show_due(const struct hark_peer *peer);
void hark_show_free(struct hark_peer *peer);

#endif
