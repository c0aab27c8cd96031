/*
 * A space's outbox, seen from its logs: what is written here goes in when it is
 * acceptable, is handed in until our own copy of a log shows it, and is told its fate.
 * PROTOCOL.md 6.4, 9.5.
 *
 * What other nodes answer is their word. It may stop us from handing an entry in for a
 * while; only our own, verified copy of the main log ends an entry's stay here, and an
 * entry that somebody refused is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/convict.h"
#include "node/files.h"
#include "node/outbox.h"
#include "node/receipts.h"
#include "node/space_flight.h"
#include "node/witness.h"
#include "replication/messages.h"

#define AGAIN_MS  UINT64_C(600000)   /* PROTOCOL.md 9.5: accepted, and not logged since */
#define FORGET_MS UINT64_C(86400000) /* how long `outbox` tells what was logged, */
#define SWEEP_MS  UINT64_C(60000)    /* give or take so much */
#define BODY_MAX  (1024u * 1024u)    /* PROTOCOL.md 9.2 */
#define BODY_HEAD (HARK_HASH_SIZE + 2u)
#define BODY_ITEM 9u /* flags and two sizes */

#define PENDING  (1u << HARK_OUT_PENDING)
#define ACCEPTED (1u << HARK_OUT_ACCEPTED)
#define REFUSED  (1u << HARK_OUT_REFUSED)

int hark_space_outbox(struct hark_space *space, struct hark_outbox **out, struct hark_err *err)
{
    char dir[HARK_PATH_MAX];
    const char *slash = strrchr(space->outbox_path, '/');
    int rc = 0;

    *out = NULL;
    if (space->outbox == NULL) {
        /* A space opened without a node has no such directory. */
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - space->outbox_path),
                       space->outbox_path);
        rc = hark_dir_make(dir, err);
        if (rc == 0)
            rc = hark_outbox_open(&space->outbox, space->outbox_path, err);
    }
    *out = space->outbox;
    return rc;
}

void hark_space_outbox_changed(struct hark_space *space)
{
    space->outbox_stale = true;
}

bool hark_space_has_outbox(const struct hark_space *space)
{
    return space->outbox != NULL || access(space->outbox_path, F_OK) == 0;
}

/* --- writing ------------------------------------------------------------------- */

/* What the entry does, as far as that can be told before it is logged. */
static int provisional_effect(struct hark_space *space, struct hark_logged *out,
                              struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight(space, &flight, &count, err);

    for (size_t i = count; i > 0 && rc == 0; i--) {
        if (!hark_hash_equal(&flight[i - 1].entry.id, &out->id))
            continue;
        out->effect = flight[i - 1].effect;
        break;
    }
    return rc;
}

/* What has been signed once is not signed anew in its place, wherever it is by now: not
 * even where that place cannot be kept any more, since another took it in the log. */
static int check_place(struct hark_space *space, const struct hark_entry *entry,
                       struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight(space, &flight, &count, err);

    if (rc < 0)
        return rc;
    /* Beyond that it does not look: nothing could be continued. */
    if (count >= FLIGHT_ENTRIES_MAX || space->flight->bytes >= FLIGHT_BYTES_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "too much is under way: wait until it is logged");
    for (size_t i = count; i > 0; i--) {
        if (flight[i - 1].entry.seq != entry->seq ||
            !hark_key_equal(&flight[i - 1].entry.author, &entry->author))
            continue;
        rc = hark_err_set(err, HARK_E_ENTRY_TWIN,
                          "the outbox holds another entry %llu of that key already",
                          (unsigned long long)entry->seq);
        hark_err_hint(err, "that key has been used elsewhere, too: use another here");
    }
    return rc;
}

int hark_space_outbox_add(struct hark_space *space, const struct hark_offer *offer,
                          struct hark_logged *out, struct hark_err *err)
{
    struct space_item *item = calloc(1, sizeof(*item));
    struct hark_outbox *outbox = NULL;
    struct hark_state *state = NULL;
    int rc;

    if (item == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    item->object = offer->bytes;
    item->payload = offer->payload;
    item->payload_state = offer->payload.data != NULL ? 1 : 0;
    hark_space_item_prepare(item, offer->trusted);
    rc = item->code;
    if (rc < 0 && err != NULL)
        *err = item->err;
    item->arrival = (struct hark_arrival){offer->now_ms, offer->now_ms, item->git_id};
    if (rc == 0)
        rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = hark_space_provisional(space, &state, err);
    if (rc == 0 && offer->accept)
        rc = hark_space_item_acceptable(state, item, err);
    if (rc == 0)
        rc = check_place(space, &item->entry, err);
    if (rc == 0)
        rc = hark_outbox_put(outbox, &item->entry.id, offer->bytes, offer->payload, offer->now_ms,
                             err);
    if (rc == 0) {
        hark_space_outbox_changed(space);
        if (out != NULL) {
            *out = (struct hark_logged){
                .position = HARK_NONE, .id = item->entry.id, .in_flight = true};
            rc = provisional_effect(space, out, err);
        }
    }
    hark_space_item_clear(item);
    free(item);
    return rc;
}

/* --- what is in it ---------------------------------------------------------------- */

/* A row without its words, and what has become of it. */
struct fate {
    struct hark_out_row row; /* object and payload not set */
    struct hark_key author;
    uint64_t seq;
    struct hark_hash previous;
    bool dead; /* can never be logged */
    bool changed;
};

struct fates {
    struct fate *list;
    size_t count, capacity;
    struct fate **sorted; /* by id */
};

static void fates_free(struct fates *fates)
{
    free(fates->list);
    free(fates->sorted);
}

static int add_fate(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    struct fates *fates = arg;
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    struct fate *fate;
    int rc;

    if (fates->count == fates->capacity) {
        size_t capacity = fates->capacity == 0 ? 16 : 2 * fates->capacity;
        struct fate *grown = realloc(fates->list, capacity * sizeof(*grown));

        if (grown != NULL) {
            fates->list = grown;
            fates->capacity = capacity;
        }
    }
    if (entry == NULL || fates->count == fates->capacity) {
        free(entry);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the outbox");
    }
    rc = hark_entry_parse(entry, row->object, err);
    if (rc < 0) {
        /* It was signed here: what stands there now is not what was put. */
        rc = hark_err_set(err, HARK_E_DAMAGED, "the outbox holds what is no entry");
    } else {
        fate = &fates->list[fates->count++];
        *fate = (struct fate){
            .row = *row, .author = entry->author, .seq = entry->seq, .previous = entry->previous};
        fate->row.object = (struct hark_span){0};
        fate->row.payload = (struct hark_span){0};
    }
    free(entry);
    return rc;
}

static int compare_fates(const void *a, const void *b)
{
    const struct fate *left = *(const struct fate *const *)a;
    const struct fate *right = *(const struct fate *const *)b;

    return memcmp(left->row.id.bytes, right->row.id.bytes, HARK_HASH_SIZE);
}

/* Everything that is not logged as far as the outbox knows, in order. */
static int load_fates(struct hark_outbox *outbox, struct fates *fates, struct hark_err *err)
{
    int rc = hark_outbox_each(outbox, PENDING | ACCEPTED | REFUSED, add_fate, fates, err);

    if (rc < 0 || fates->count == 0)
        return rc;
    fates->sorted = calloc(fates->count, sizeof(struct fate *));
    if (fates->sorted == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the outbox");
    for (size_t i = 0; i < fates->count; i++)
        fates->sorted[i] = &fates->list[i];
    qsort(fates->sorted, fates->count, sizeof(struct fate *), compare_fates);
    return 0;
}

static struct fate *find_fate(const struct fates *fates, const struct hark_hash *id)
{
    size_t low = 0, high = fates->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = memcmp(fates->sorted[mid]->row.id.bytes, id->bytes, HARK_HASH_SIZE);

        if (order == 0)
            return fates->sorted[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Marks a change; nothing when it stands so already. */
static void set_fate(struct fate *fate, enum hark_out_state state, const char *node,
                     uint64_t position, int code, const char *message)
{
    struct hark_out_row *row = &fate->row;

    if (row->state == state && row->code == code && row->position == position &&
        strcmp(row->node, node) == 0)
        return;
    row->state = state;
    row->due = false;
    row->position = position;
    row->code = code;
    if (node != row->node)
        (void)snprintf(row->node, sizeof(row->node), "%s", node);
    (void)snprintf(row->message, sizeof(row->message), "%s", message);
    fate->changed = true;
}

static int store_fates(struct hark_space *space, struct fates *fates, uint64_t now_ms,
                       bool *changed, struct hark_err *err)
{
    bool any = false;
    int rc;

    for (size_t i = 0; i < fates->count; i++)
        any = any || fates->list[i].changed;
    if (changed != NULL)
        *changed = any;
    if (!any)
        return 0;
    rc = hark_outbox_begin(space->outbox, err);
    for (size_t i = 0; i < fates->count && rc == 0; i++) {
        if (fates->list[i].changed)
            rc = hark_outbox_set(space->outbox, &fates->list[i].row, now_ms, err);
    }
    if (rc == 0)
        rc = hark_outbox_commit(space->outbox, err);
    else
        hark_outbox_rollback(space->outbox);
    hark_space_outbox_changed(space);
    return rc;
}

/* --- what became of it --------------------------------------------------------------- */

/* In the main log? Or can it never be, since its place in its feed is taken, or that of
 * one that it follows? */
static int look_in_log(struct hark_space *space, const struct fates *fates, struct fate *fate,
                       struct hark_err *err)
{
    struct hark_feed_object feed = {0};
    const struct fate *before = NULL;
    struct hark_node_object home;
    bool found = false;
    uint32_t number = 0;
    uint64_t position = 0;
    int code = 0;
    int rc = hark_state_find_entry(space->state, &fate->row.id, &found, &position, err);

    if (rc < 0)
        return rc;
    if (found) {
        set_fate(fate, HARK_OUT_LOGGED, "", position, 0, "");
        return 0;
    }
    rc = hark_state_find_key(space->state, &fate->author, &found, &number, err);
    if (rc == 0 && found)
        rc = hark_state_feed(space->state, number, &feed, err);
    if (rc < 0 && rc != HARK_E_NOT_FOUND)
        return rc;
    if (fate->seq > 1)
        before = find_fate(fates, &fate->previous);
    if (feed.seq >= fate->seq)
        code = HARK_E_ENTRY_TWIN;
    else if (fate->seq > 1 &&
             ((feed.seq + 1 == fate->seq && !hark_hash_equal(&feed.last, &fate->previous)) ||
              (before != NULL && before->dead)))
        code = HARK_E_ENTRY_PREVIOUS;
    if (code == 0)
        return 0;
    fate->dead = true;
    rc = hark_space_home(space, &home, err);
    if (rc == 0)
        set_fate(fate, HARK_OUT_REFUSED, home.name, 0, code,
                 code == HARK_E_ENTRY_TWIN ? "the log holds another entry in its place"
                                           : "the log holds another entry before it");
    return rc;
}

/* An intake that is here holds it: so it is accepted, whatever was answered. */
static int see_waiting(void *arg, const struct hark_waiting *waiting, struct hark_err *err)
{
    const struct fates *fates = arg;
    struct fate *fate = find_fate(fates, &waiting->id);

    (void)err;
    if (fate != NULL && !fate->dead &&
        (fate->row.state == HARK_OUT_PENDING || fate->row.state == HARK_OUT_REFUSED))
        set_fate(fate, HARK_OUT_ACCEPTED, waiting->node, waiting->position, 0, "");
    return 0;
}

/* Up to where what is logged may be forgotten: with a quorum, what is settled. */
static int find_safe(struct hark_space *space, uint64_t *below, struct hark_err *err)
{
    const struct hark_quorum *quorum = NULL;
    uint64_t settled = 0;
    int rc = hark_witness_settled(space, &settled, err);

    if (rc == 0)
        rc = hark_witness_quorum(space, &quorum, err);
    *below = quorum != NULL && quorum->needed > 0 ? settled : INT64_MAX;
    return rc;
}

/* What was signed here for a place that the log gave to another convicts its author like any
 * other: their key is used elsewhere, too. */
struct suspecting {
    struct hark_space *space;
    const struct fates *fates;
};

static int suspect(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    const struct suspecting *s = arg;
    const struct fate *fate = find_fate(s->fates, &row->id);

    (void)err;
    if (fate != NULL && fate->dead && row->code == HARK_E_ENTRY_TWIN)
        hark_convict_suspect(s->space, &fate->author, row->object, (struct hark_span){0});
    return 0;
}

static int suspect_twins(struct hark_space *space, const struct fates *fates, struct hark_err *err)
{
    struct suspecting s = {.space = space, .fates = fates};
    bool any = false;

    for (size_t i = 0; i < fates->count; i++)
        any = any || (fates->list[i].dead && fates->list[i].row.code == HARK_E_ENTRY_TWIN);
    return any ? hark_outbox_each(space->outbox, 1u << HARK_OUT_REFUSED, suspect, &s, err) : 0;
}

int hark_space_outbox_tend(struct hark_space *space, uint64_t now_ms, bool *changed,
                           struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    struct fates fates = {0};
    int rc;

    if (changed != NULL)
        *changed = false;
    if (!hark_space_has_outbox(space))
        return 0;
    rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = load_fates(outbox, &fates, err);
    for (size_t i = 0; i < fates.count && rc == 0; i++)
        rc = look_in_log(space, &fates, &fates.list[i], err);
    if (rc == 0 && fates.count > 0)
        rc = hark_space_each_waiting(space, see_waiting, &fates, err);
    if (rc == 0)
        rc = store_fates(space, &fates, now_ms, changed, err);
    if (rc == 0)
        rc = suspect_twins(space, &fates, err);
    if (rc == 0)
        rc = hark_receipts_compare(space, now_ms, err);
    if (rc == 0 && now_ms > FORGET_MS && now_ms - space->forgot_ms >= SWEEP_MS) {
        uint64_t below = 0;

        rc = find_safe(space, &below, err);
        if (rc == 0)
            rc = hark_outbox_forget(outbox, now_ms - FORGET_MS, below, err);
        space->forgot_ms = now_ms;
    }
    fates_free(&fates);
    return rc;
}

/* --- handing in --------------------------------------------------------------------- */

/* Copies of rows that are to be handed in. */
struct handful {
    uint64_t now_ms;
    bool again; /* those accepted long ago as well */
    struct hark_buf bytes;
    size_t size; /* of the body so far */
    size_t count;
    struct {
        uint8_t flags;
        struct hark_hash id;
        size_t object, object_size, payload, payload_size;
        bool has_payload;
    } items[HARK_SUBMIT_MAX];
    struct hark_key *blocked; /* feeds in which something was refused */
    size_t blocked_count, blocked_capacity;
};

static void handful_free(struct handful *hand)
{
    if (hand == NULL)
        return;
    hark_buf_free(&hand->bytes);
    free(hand->blocked);
    free(hand);
}

static int block_feed(struct handful *hand, const struct hark_key *author, struct hark_err *err)
{
    if (hand->blocked_count == hand->blocked_capacity) {
        size_t capacity = hand->blocked_capacity == 0 ? 8 : 2 * hand->blocked_capacity;
        struct hark_key *grown = realloc(hand->blocked, capacity * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the outbox");
        hand->blocked = grown;
        hand->blocked_capacity = capacity;
    }
    hand->blocked[hand->blocked_count++] = *author;
    return 0;
}

static bool is_blocked(const struct handful *hand, const struct hark_key *author)
{
    for (size_t i = 0; i < hand->blocked_count; i++) {
        if (hark_key_equal(&hand->blocked[i], author))
            return true;
    }
    return false;
}

static int add_to_hand(struct handful *hand, const struct hark_out_row *row, struct hark_err *err)
{
    size_t size = BODY_ITEM + row->object.size + row->payload.size;
    size_t at = hand->count;
    int rc;

    if (at == HARK_SUBMIT_MAX || hand->size + size > BODY_MAX)
        return HARK_STOP;
    hand->items[at].flags = row->as_void ? HARK_SUBMIT_AS_VOID : 0;
    hand->items[at].id = row->id;
    hand->items[at].object = hand->bytes.size;
    hand->items[at].object_size = row->object.size;
    hand->items[at].payload = hand->bytes.size + row->object.size;
    hand->items[at].payload_size = row->payload.size;
    hand->items[at].has_payload = row->payload.data != NULL;
    rc = hark_buf_append_span(&hand->bytes, row->object, err);
    if (rc == 0)
        rc = hark_buf_append_span(&hand->bytes, row->payload, err);
    hand->size += size;
    hand->count++;
    return rc;
}

static int look_at_row(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    struct handful *hand = arg;
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    bool due = row->state == HARK_OUT_PENDING ||
               (row->state == HARK_OUT_ACCEPTED && hand->again &&
                (row->due || hand->now_ms < row->since_ms || /* the clock was set back */
                 hand->now_ms - row->since_ms >= AGAIN_MS));
    int rc;

    if (entry == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    rc = hark_entry_parse(entry, row->object, err);
    if (rc < 0)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the outbox holds what is no entry");
    else if (row->state == HARK_OUT_REFUSED)
        rc = block_feed(hand, &entry->author, err);
    else if (due && !is_blocked(hand, &entry->author))
        rc = add_to_hand(hand, row, err);
    free(entry);
    return rc;
}

static int take_in_hand(struct hark_space *space, uint64_t now_ms, bool again, struct handful **out,
                        struct hark_err *err)
{
    struct handful *hand = calloc(1, sizeof(*hand));
    struct hark_outbox *outbox = NULL;
    int rc = hark_space_outbox(space, &outbox, err);

    *out = hand;
    if (rc < 0)
        return rc;
    if (hand == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the outbox");
    hand->now_ms = now_ms;
    hand->again = again;
    hand->bytes = hark_buf_init(BODY_MAX);
    hand->size = BODY_HEAD;
    return hark_outbox_each(outbox, PENDING | ACCEPTED | REFUSED, look_at_row, hand, err);
}

static struct hark_span object_in(const struct handful *hand, size_t i)
{
    return hark_span(hand->bytes.data + hand->items[i].object, hand->items[i].object_size);
}

static struct hark_span payload_in(const struct handful *hand, size_t i)
{
    if (!hand->items[i].has_payload)
        return (struct hark_span){0};
    return hark_span(hand->bytes.data + hand->items[i].payload, hand->items[i].payload_size);
}

int hark_space_outbox_body(struct hark_space *space, uint64_t now_ms, struct hark_buf *out,
                           size_t *count, struct hark_err *err)
{
    struct hark_submitted *entries = NULL;
    struct handful *hand = NULL;
    int rc = take_in_hand(space, now_ms, true, &hand, err);

    *count = 0;
    if (rc < 0 || hand->count == 0)
        goto out;
    entries = calloc(hand->count, sizeof(*entries));
    if (entries == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the outbox");
        goto out;
    }
    for (size_t i = 0; i < hand->count; i++)
        entries[i] =
            (struct hark_submitted){hand->items[i].flags, object_in(hand, i), payload_in(hand, i)};
    rc = hark_submit_encode(out, &space->id, entries, hand->count, err);
    if (rc == 0)
        *count = hand->count;
out:
    free(entries);
    handful_free(hand);
    return rc;
}

/* --- answers --------------------------------------------------------------------------- */

/* May time, or another node, mend it? What a node cannot do for reasons of its own says
 * nothing about the entry. */
static bool is_temporary(int code)
{
    return hark_refusal_is_of_the_node(code) || code == HARK_E_VOID_TIME_AHEAD ||
           hark_err_exit(code) != 3;
}

/* What was said of an entry, by another node or by ours. */
struct answer {
    int code; /* 0, or the refusal */
    const char *message;
    bool logged; /* in the main log; else in the intake of who answers */
    bool ours;   /* our own word, which we believe */
    uint64_t position;
};

/* The node lacks what the entry follows: what others have accepted of that feed before is
 * handed in with it next time. */
static void hand_in_those_before(struct fates *fates, const struct fate *fate, const char *node)
{
    for (struct fate *at = fates->list; at < fate; at++) {
        if (at->row.state == HARK_OUT_ACCEPTED && strcmp(at->row.node, node) != 0 &&
            hark_key_equal(&at->author, &fate->author) && !at->row.due)
            at->changed = at->row.due = true;
    }
}

/* The ten minutes after which it is handed in again. */
static void begin_anew(struct fate *fate)
{
    fate->row.due = false;
    fate->changed = true;
}

static void refuse(struct fates *fates, struct fate *fate, const char *node,
                   const struct answer *answer)
{
    bool temporary = is_temporary(answer->code);

    if (answer->code == HARK_E_ENTRY_GAP)
        hand_in_those_before(fates, fate, node);
    if (fate->row.state == HARK_OUT_ACCEPTED) /* elsewhere: what one node says is no matter */
        begin_anew(fate);
    else if (!temporary)
        set_fate(fate, HARK_OUT_REFUSED, node, 0, answer->code, answer->message);
    else if (fate->row.state == HARK_OUT_PENDING)
        set_fate(fate, HARK_OUT_PENDING, node, 0, answer->code, answer->message);
}

static void apply_answer(struct fates *fates, const struct hark_hash *id, const char *node,
                         const struct answer *answer)
{
    struct fate *fate = find_fate(fates, id);

    if (fate == NULL)
        return;
    if (answer->code == 0 && answer->logged && answer->ours) {
        set_fate(fate, HARK_OUT_LOGGED, "", answer->position, 0, "");
        return;
    }
    if (answer->code != 0 && answer->code != HARK_E_ENTRY_DUPLICATE) {
        refuse(fates, fate, node, answer);
        return;
    }
    set_fate(fate, HARK_OUT_ACCEPTED, node,
             answer->code == 0 && !answer->logged ? answer->position : HARK_NONE, 0, "");
    begin_anew(fate);
}

static int refusal_code(const struct hark_accepted *item)
{
    if (item->status != HARK_ACCEPTED_REFUSED)
        return 0;
    return item->code != 0 ? item->code : HARK_E_PEER_REFUSED;
}

int hark_space_outbox_answer(struct hark_space *space, const char *node,
                             const struct hark_accepted *items, size_t count, uint64_t now_ms,
                             bool *changed, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    struct fates fates = {0};
    int rc = hark_space_outbox(space, &outbox, err);

    if (changed != NULL)
        *changed = false;
    if (rc == 0)
        rc = load_fates(outbox, &fates, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct answer answer = {.code = refusal_code(&items[i]),
                                      .message = items[i].message,
                                      .logged = items[i].status == HARK_ACCEPTED_LOGGED,
                                      .position = items[i].position};

        apply_answer(&fates, &items[i].id, node, &answer);
    }
    if (rc == 0)
        rc = store_fates(space, &fates, now_ms, changed, err);
    fates_free(&fates);
    return rc;
}

/* --- into our own intake ---------------------------------------------------------------- */

static int take_in_once(struct hark_space *space, const char *self,
                        const struct hark_signer *log_key, uint64_t accept_per_minute,
                        const struct handful *hand, uint64_t now_ms, bool *moved,
                        struct hark_err *err)
{
    struct hark_offer *offers = calloc(hand->count, sizeof(*offers));
    struct hark_outcome *outcomes = calloc(hand->count, sizeof(*outcomes));
    struct fates fates = {0};
    int rc = 0;

    *moved = false;
    if (offers == NULL || outcomes == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the outbox");
    for (size_t i = 0; i < hand->count && rc == 0; i++)
        offers[i] = (struct hark_offer){.bytes = object_in(hand, i),
                                        .payload = payload_in(hand, i),
                                        .accept = hand->items[i].flags == 0,
                                        .trusted = true,
                                        .now_ms = now_ms};
    if (rc == 0)
        rc = hark_space_accept(space, self, log_key, offers, hand->count, accept_per_minute,
                               outcomes, err);
    if (rc == 0)
        rc = load_fates(space->outbox, &fates, err);
    for (size_t i = 0; i < hand->count && rc == 0; i++) {
        const struct answer answer = {.code = outcomes[i].code,
                                      .message = outcomes[i].message,
                                      .logged = outcomes[i].logged,
                                      .ours = true,
                                      .position = outcomes[i].position};

        *moved = *moved || outcomes[i].code == 0;
        apply_answer(&fates, &hand->items[i].id, self, &answer);
    }
    if (rc == 0)
        rc = store_fates(space, &fates, now_ms, NULL, err);
    fates_free(&fates);
    free(offers);
    free(outcomes);
    return rc;
}

int hark_space_outbox_take_in(struct hark_space *space, const char *self,
                              const struct hark_signer *log_key, uint64_t accept_per_minute,
                              uint64_t now_ms, struct hark_err *err)
{
    bool moved = true;
    int rc = 0;

    /* As long as it gets on: a handful is bounded. */
    while (rc == 0 && moved) {
        struct handful *hand = NULL;

        moved = false;
        rc = take_in_hand(space, now_ms, false, &hand, err);
        if (rc == 0 && hand->count > 0)
            rc = take_in_once(space, self, log_key, accept_per_minute, hand, now_ms, &moved, err);
        handful_free(hand);
    }
    /* Where this node's own intake cannot go on, others take it. */
    return rc == HARK_E_BEHIND ? 0 : rc;
}
