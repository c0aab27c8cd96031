/*
 * The follower: asks its peers how far their logs go, fetches what is missing,
 * hands it over to be verified and stored. PROTOCOL.md 9.3: "ask → tell more →
 * fetch → batches …, each verified and stored before what comes after it, until the
 * cursors are equal."
 */
#include <stdlib.h>
#include <string.h>

#include "core_internal.h"
#include "crypto/note.h"

/* While another peer's answer is this fresh, the same batches are not fetched a
 * second time. */
#define ELSEWHERE_MS 5000u
/* Retrying what only waits for its turn here. */
#define TURN_MS 100u
/* Asking takes along what would be asked for this soon. */
#define TOGETHER_MS 1000u
/* So often who is refused a log asks as others do, before it does slowly. */
#define DENIALS_SOON 6u
/* Waiting for more of the main log, at most. */
#define BEHIND_MOST_MS 10000u
/* Nothing was sent to anybody: retrying costs little. */
#define UNSENT_LAST_MS 5000u

/* ---- the list of logs ---- */

struct hark_follow *hark_follow_find(struct hark_peer *peer, const struct hark_log_ref *log)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        if (hark_log_equal(&peer->follows[i].log, log)) {
            return &peer->follows[i];
        }
    }
    return NULL;
}

struct hark_follow *hark_follow_main(struct hark_peer *peer, const struct hark_hash *space)
{
    struct hark_log_ref log = {.space = *space};
    return hark_follow_find(peer, &log);
}

/* An answer under way is not waited for any more. */
static void drop_ahead(struct hark_follow *follow)
{
    hark_buf_free(&follow->ahead.load);
    follow->ahead.id = 0;
}

void hark_follow_idle(struct hark_follow *follow, uint64_t due_ms)
{
    hark_buf_free(&follow->load);
    drop_ahead(follow);
    follow->phase = HARK_PHASE_IDLE;
    follow->level = false;
    follow->due_ms = due_ms;
    follow->id = 0;
}

void hark_follow_cancel(struct hark_core *core, struct hark_peer *peer)
{
    uint64_t now = hark_core_now(core);
    peer->hello_id = 0;
    peer->ask_id = 0;
    for (size_t i = 0; i < peer->follow_count; i++) {
        /* What is being appended is verified, and is ours whoever sent it. */
        if (peer->follows[i].phase != HARK_PHASE_APPENDING) {
            hark_follow_idle(&peer->follows[i], now);
        } else {
            drop_ahead(&peer->follows[i]);
        }
    }
}

void hark_follow_free(struct hark_peer *peer)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        hark_buf_free(&peer->follows[i].load);
        drop_ahead(&peer->follows[i]);
    }
    free(peer->follows);
    peer->follows = NULL;
    peer->follow_count = 0;
}

static bool listed_before(const struct hark_log_ref *logs, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (hark_log_equal(&logs[i], &logs[at])) {
            return true;
        }
    }
    return false;
}

/* The usual case: the node says the same again after every batch. */
static bool is_same_list(const struct hark_peer *peer, const struct hark_log_ref *logs,
                         size_t count)
{
    for (size_t i = 0; i < count && i < peer->follow_count; i++) {
        if (!hark_log_equal(&peer->follows[i].log, &logs[i])) {
            return false;
        }
    }
    return count == peer->follow_count;
}

static void begin_follow(struct hark_core *core, struct hark_follow *follow,
                         const struct hark_log_ref *log)
{
    follow->log = *log;
    hark_cursor_empty(&follow->asked, log);
    follow->load = hark_buf_init(HARK_UNPACKED_MAX);
    follow->ahead.load = hark_buf_init(HARK_UNPACKED_MAX);
    follow->want = HARK_CORE_WANT_FIRST;
    follow->due_ms = hark_core_now(core);
}

/* What stays in the list goes on where it is: its place in an ask under way is
 * known to it (asked_at), whatever its place in the list. */
int hark_follow_replace(struct hark_core *core, struct hark_peer *peer,
                        const struct hark_log_ref *logs, size_t count, struct hark_err *err)
{
    struct hark_follow *follows = NULL;
    size_t n = 0;
    if (is_same_list(peer, logs, count)) {
        return 0;
    }
    follows = calloc(count + 1, sizeof(*follows));
    if (follows == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu logs", count);
    }
    for (size_t i = 0; i < count; i++) {
        if (listed_before(logs, i)) {
            continue;
        }
        struct hark_follow *old = hark_follow_find(peer, &logs[i]);
        if (old != NULL) {
            follows[n] = *old;
            old->load = hark_buf_init(HARK_UNPACKED_MAX); /* the new one owns them */
            old->ahead.load = hark_buf_init(HARK_UNPACKED_MAX);
        } else {
            begin_follow(core, &follows[n], &logs[i]);
        }
        n++;
    }
    hark_follow_free(peer);
    peer->follows = follows;
    peer->follow_count = n;
    return 0;
}

/* ---- what goes wrong, and when to try again ---- */

static uint64_t backoff_ms(struct hark_core *core, unsigned failures, uint64_t last)
{
    unsigned steps = failures > 0 ? failures - 1 : 0;
    uint64_t ms = steps < 16 ? (uint64_t)HARK_CORE_BACKOFF_FIRST << steps : last;
    ms = ms < last ? ms : last;
    /* Up to a quarter less, so that nodes that lost the same peer do not all come
     * back to it at once. */
    return ms - ms / 4 * (core->next_id % 16) / 16;
}

static void retry_later(struct hark_core *core, struct hark_peer *peer, uint64_t last)
{
    peer->failures++;
    peer->unsent = false;
    peer->retry_ms = hark_core_now(core) + backoff_ms(core, peer->failures, last);
}

/* The peer could not even be sent to. */
void hark_follow_unsent(struct hark_core *core, struct hark_peer *peer)
{
    peer->live = false;
    retry_later(core, peer, UNSENT_LAST_MS);
    peer->unsent = true;
}

void hark_follow_end_ask(struct hark_peer *peer, uint64_t due_ms)
{
    peer->ask_id = 0;
    for (size_t i = 0; i < peer->follow_count; i++) {
        if (peer->follows[i].phase == HARK_PHASE_ASKED) {
            hark_follow_idle(&peer->follows[i], due_ms);
        }
    }
}

/* Something that was sent `sent_ms` got no answer. */
static void unanswered(struct hark_core *core, struct hark_peer *peer, uint64_t sent_ms)
{
    if (peer->heard_ms <= sent_ms) {
        peer->live = false;
    }
    retry_later(core, peer, HARK_CORE_BACKOFF_LAST);
}

static bool awaits_anything(const struct hark_peer *peer)
{
    bool any = peer->hello_id != 0 || peer->ask_id != 0;
    for (size_t i = 0; i < peer->follow_count; i++) {
        any = any || peer->follows[i].phase == HARK_PHASE_FETCHED || peer->follows[i].ahead.id != 0;
    }
    return any;
}

void hark_follow_lost(struct hark_core *core, struct hark_peer *peer)
{
    if (awaits_anything(peer)) {
        hark_follow_cancel(core, peer);
        retry_later(core, peer, HARK_CORE_BACKOFF_LAST);
    }
}

/* A large answer on its way holds up the small ones behind it. */
static uint64_t answer_ms(const struct hark_peer *peer)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        if (peer->follows[i].phase == HARK_PHASE_FETCHED || peer->follows[i].ahead.id != 0) {
            return HARK_CORE_FETCH;
        }
    }
    return HARK_CORE_ANSWER;
}

static void expire_fetches(struct hark_core *core, struct hark_peer *peer, uint64_t now)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        bool is_ahead = follow->ahead.id != 0;
        uint64_t sent_ms = is_ahead ? follow->ahead.sent_ms : follow->sent_ms;
        if ((follow->phase != HARK_PHASE_FETCHED && !is_ahead) || now - sent_ms < HARK_CORE_FETCH) {
            continue;
        }
        /* Perhaps the line is slow: less at a time gets through. */
        follow->want = follow->want / 4 > HARK_WANT_MIN ? follow->want / 4 : HARK_WANT_MIN;
        if (is_ahead) {
            drop_ahead(follow);
        } else {
            hark_follow_idle(follow, now);
        }
        unanswered(core, peer, sent_ms);
    }
}

static void expire(struct hark_core *core, struct hark_peer *peer)
{
    uint64_t now = hark_core_now(core);
    if (peer->hello_id != 0 && now - peer->hello_ms >= HARK_CORE_ANSWER) {
        peer->hello_id = 0;
        if (peer->heard_ms <= peer->hello_ms) {
            unanswered(core, peer, peer->hello_ms);
        }
    }
    if (peer->ask_id != 0 && now - peer->ask_ms >= answer_ms(peer)) {
        hark_follow_end_ask(peer, now);
        unanswered(core, peer, peer->ask_ms);
    }
    expire_fetches(core, peer, now);
    if (!peer->followed && now - peer->heard_ms >= HARK_CORE_GONE) {
        peer->live = false;
    }
}

static void report(struct hark_core *core, struct hark_peer *peer, const struct hark_follow *follow,
                   const struct hark_cursor *ours, bool equal, int code)
{
    struct hark_sync_report said = {
        .log = follow->log,
        .ours = *ours,
        .theirs = follow->theirs,
        .equal = equal,
        .code = code,
    };
    if (core->io.synced != NULL) {
        core->io.synced(core->io.arg, &peer->key, &said);
    }
}

/* A log of ours that cannot be read now is said to be as it was when it last could: a
 * disk error is no empty log. */
static void report_code(struct hark_core *core, struct hark_peer *peer,
                        const struct hark_follow *follow, int code)
{
    struct hark_cursor ours;
    if (hark_core_cursor(core, &follow->log, &ours) != 0) {
        ours = follow->asked;
    }
    report(core, peer, follow, &ours, false, code);
}

/* Entries may be handed in to it again, whatever kept it from answering before. */
static void take_in_again(struct hark_core *core, struct hark_peer *peer)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        peer->follows[i].passed_ms = 0;
    }
    core->submit_due_ms = 0;
}

void hark_follow_heard(struct hark_core *core, struct hark_peer *peer)
{
    peer->heard_ms = hark_core_now(core);
    peer->refused = 0;
    if (!peer->live) {
        /* It is there (again): what was asked into the void is asked anew. */
        if (peer->failures > 0 && peer->ask_id != 0) {
            hark_follow_end_ask(peer, peer->heard_ms);
        }
        peer->live = true;
        peer->failures = 0;
        peer->retry_ms = peer->heard_ms;
        take_in_again(core, peer);
    }
}

bool hark_follow_awaits(const struct hark_peer *peer, uint64_t id)
{
    if (id == peer->ask_id || id == peer->hello_id) {
        return true;
    }
    for (size_t i = 0; i < peer->follow_count; i++) {
        const struct hark_follow *follow = &peer->follows[i];
        if ((follow->phase == HARK_PHASE_FETCHED && follow->id == id) ||
            (follow->ahead.id != 0 && follow->ahead.id == id)) {
            return true;
        }
    }
    return false;
}

/* ---- asking ---- */

static bool is_due(const struct hark_follow *follow, uint64_t at_ms)
{
    return follow->phase == HARK_PHASE_IDLE && follow->due_ms <= at_ms;
}

static bool any_due(const struct hark_peer *peer, uint64_t at_ms)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        if (is_due(&peer->follows[i], at_ms)) {
            return true;
        }
    }
    return false;
}

/* Marks what goes into the ask; *cursors is allocated. */
static size_t collect(struct hark_core *core, struct hark_peer *peer, struct hark_cursor **cursors)
{
    uint64_t until = hark_core_now(core) + TOGETHER_MS;
    size_t n = 0;
    *cursors = calloc(peer->follow_count, sizeof(**cursors));
    for (size_t i = 0; *cursors != NULL && i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        if (!is_due(follow, until)) {
            continue;
        }
        if (hark_again_covers(core, peer, follow)) {
            follow->due_ms = hark_core_now(core) + HARK_CORE_WINDOW;
            continue;
        }
        if (hark_core_cursor(core, &follow->log, &follow->asked) != 0) {
            /* Our own log cannot be read now; the others need not wait for it. */
            follow->due_ms = hark_core_now(core) + HARK_CORE_SLOWLY;
            continue;
        }
        follow->phase = HARK_PHASE_ASKED;
        follow->again = false;
        follow->asked_at = n;
        (*cursors)[n++] = follow->asked;
    }
    return n;
}

static void begin_ask(struct hark_core *core, struct hark_peer *peer, size_t count)
{
    peer->ask_id = hark_core_next_id(core);
    peer->ask_ms = hark_core_now(core);
    peer->ask_count = count;
    peer->ask_again = false;
}

/* No place in an ask is any of theirs: a tell does not answer it. */
void hark_follow_asked(struct hark_core *core, struct hark_peer *peer)
{
    begin_ask(core, peer, 0);
    peer->ask_again = true;
    for (size_t i = 0; i < peer->follow_count; i++) {
        peer->follows[i].phase = HARK_PHASE_ASKED;
        peer->follows[i].again = false;
        peer->follows[i].asked_at = 0;
    }
}

static void send_ask(struct hark_core *core, struct hark_peer *peer)
{
    struct hark_cursor *cursors = NULL;
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    uint64_t now = hark_core_now(core);
    size_t n = collect(core, peer, &cursors);
    if (n == 0) {
        goto out;
    }
    begin_ask(core, peer, n);
    if (hark_ask_encode(&body, cursors, n, NULL) != 0 ||
        hark_core_send(core, peer, HARK_VIA_ANY, HARK_MESSAGE_ASK, peer->ask_id,
                       hark_buf_span(&body), hark_span(NULL, 0)) != 0) {
        hark_follow_end_ask(peer, now);
        hark_follow_unsent(core, peer);
    }
out:
    hark_buf_free(&body);
    free(cursors);
}

static void send_hello(struct hark_core *core, struct hark_peer *peer)
{
    peer->hello_id = hark_core_next_id(core);
    peer->hello_ms = hark_core_now(core);
    if (hark_serve_send_hello(core, peer, HARK_VIA_ANY, peer->hello_id) != 0) {
        peer->hello_id = 0;
        hark_follow_unsent(core, peer);
    }
}

/* "On follow: hello, then ask." Hello goes out again to whoever is not live, or
 * has nothing to say for a while. */
static void contact(struct hark_core *core, struct hark_peer *peer)
{
    uint64_t now = hark_core_now(core);
    bool quiet = !peer->live || now - peer->heard_ms >= HARK_CORE_QUIET;
    if ((!peer->followed && peer->requests == 0) || now < peer->retry_ms) {
        return;
    }
    if (quiet && peer->hello_id == 0 && hark_core_may_send(core, peer, 1)) {
        send_hello(core, peer);
    }
    if (now >= peer->retry_ms && peer->ask_id == 0 && any_due(peer, now) &&
        hark_core_may_send(core, peer, hark_core_ask_cost(peer->follow_count))) {
        if (!hark_again_send(core, peer)) {
            send_ask(core, peer);
        }
    }
}

/* ---- tell ---- */

/* Have we all of `theirs`? `ours` is our cursor. A log of ours that cannot be read is
 * our own trouble, and nothing to say of the peer. */
static bool have_all(struct hark_core *core, const struct hark_cursor *ours,
                     const struct hark_cursor *theirs, int *code)
{
    bool fits = false;
    *code = 0;
    if (ours->batches < theirs->batches) {
        return false;
    }
    *code = hark_core_fits(core, theirs, &fits);
    if (*code == 0 && !fits) {
        *code = HARK_E_PEER_CURSOR;
    }
    return *code == 0;
}

static void told_more(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow)
{
    report_code(core, peer, follow, 0);
    follow->phase = HARK_PHASE_WANTED;
    follow->due_ms = hark_core_now(core);
}

static void told_same(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow)
{
    uint64_t now = hark_core_now(core);
    follow->code = 0;
    follow->failures = 0;
    follow->behind_ms = 0;
    follow->behinds = 0;
    hark_follow_idle(follow, follow->again ? now : now + HARK_CORE_ASK_EVERY);
    follow->level = !follow->again;
    follow->level_ms = now;
    report(core, peer, follow, &follow->asked, true, 0);
}

void hark_follow_all_same(struct hark_core *core, struct hark_peer *peer)
{
    peer->ask_id = 0;
    for (size_t i = 0; i < peer->follow_count; i++) {
        /* One that came into the list meanwhile is asked on its own. */
        if (peer->follows[i].phase == HARK_PHASE_ASKED) {
            told_same(core, peer, &peer->follows[i]);
        }
    }
}

/* It has fewer batches than we. Is what it has a beginning of ours? Nothing will be
 * fetched from it that could tell, so another history, or a log that goes on elsewhere
 * from before our end, is noticed now or never. */
static void told_behind(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow)
{
    struct hark_cursor ours;
    int code = hark_core_cursor(core, &follow->log, &ours);
    if (code == 0) {
        (void)have_all(core, &ours, &follow->theirs, &code);
    }
    if (code == 0) { /* what could not be stored once is here: its news count again */
        follow->code = 0;
        follow->failures = 0;
    }
    /* News that came on the way is of what it has got since. */
    hark_follow_idle(follow, hark_core_now(core) + (follow->again ? 0 : HARK_CORE_SLOWLY));
    report_code(core, peer, follow, code);
}

/* A space may be set aside for it, so what we have is to be known, not remembered. */
static void told_unfit(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow)
{
    struct hark_cursor ours;
    int code = hark_core_cursor(core, &follow->log, &ours);
    hark_follow_idle(follow, hark_core_now(core) + HARK_CORE_SLOWLY);
    if (code == 0) {
        report(core, peer, follow, &ours, false, HARK_E_PEER_CURSOR);
    } else {
        report_code(core, peer, follow, code);
    }
}

static void told(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow,
                 const struct hark_told *said)
{
    uint64_t now = hark_core_now(core);
    follow->theirs = said->cursor;
    follow->denials = said->status == HARK_TELL_REFUSED ? follow->denials : 0;
    switch (said->status) {
    case HARK_TELL_SAME:
        told_same(core, peer, follow);
        break;
    case HARK_TELL_MORE:
        told_more(core, peer, follow);
        break;
    case HARK_TELL_BEHIND:
        told_behind(core, peer, follow);
        break;
    case HARK_TELL_UNFIT:
        told_unfit(core, peer, follow);
        break;
    default: /* HARK_TELL_REFUSED; no other is decoded */
        /* A newcomer is known at one node sooner than at another. */
        hark_follow_idle(follow, now + (follow->denials < DENIALS_SOON ? HARK_CORE_ASK_EVERY
                                                                       : HARK_CORE_SLOWLY));
        follow->denials++;
        report_code(core, peer, follow, HARK_E_PEER_SPACE);
        break;
    }
}

void hark_follow_has(struct hark_core *core, struct hark_peer *peer, const struct hark_log_ref *log)
{
    struct hark_follow *follow = hark_follow_find(peer, log);
    if (follow != NULL && follow->denials > 0 && follow->phase == HARK_PHASE_IDLE &&
        follow->due_ms > hark_core_now(core)) {
        hark_follow_idle(follow, hark_core_now(core));
    }
}

/* Is this what can be told of what was asked? */
static bool told_fits(const struct hark_follow *follow, const struct hark_told *said)
{
    struct hark_log_ref log;
    hark_cursor_log(&said->cursor, &log);
    if (!hark_log_equal(&log, &follow->log)) {
        return false;
    }
    switch (said->status) {
    case HARK_TELL_SAME:
        return said->cursor.size == follow->asked.size &&
               said->cursor.batches == follow->asked.batches &&
               hark_hash_equal(&said->cursor.root, &follow->asked.root);
    case HARK_TELL_MORE:
        return said->cursor.batches > follow->asked.batches &&
               said->cursor.size >= follow->asked.size;
    case HARK_TELL_REFUSED:
        return hark_cursor_equal(&said->cursor, &follow->asked);
    default:
        return true;
    }
}

/* What was told, to whom it belongs: a log at each place of the ask, or NULL where it
 * is not followed any more. Allocated. */
static struct hark_follow **by_place(struct hark_peer *peer)
{
    struct hark_follow **asked = calloc(peer->ask_count + 1, sizeof(struct hark_follow *));
    for (size_t i = 0; asked != NULL && i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        if (follow->phase == HARK_PHASE_ASKED && follow->asked_at < peer->ask_count) {
            asked[follow->asked_at] = follow;
        }
    }
    return asked;
}

static bool tell_fits(const struct hark_peer *peer, struct hark_follow *const *asked,
                      const struct hark_told *said, size_t count)
{
    bool fits = !peer->ask_again && count == peer->ask_count;
    for (size_t i = 0; fits && i < count; i++) {
        fits = asked[i] == NULL || told_fits(asked[i], &said[i]);
    }
    return fits;
}

void hark_follow_tell(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message)
{
    struct hark_told *said = NULL;
    struct hark_follow **asked = NULL;
    size_t count = 0;
    struct hark_err err = {0};
    if (message->id != peer->ask_id) {
        return; /* late, or never asked for */
    }
    int rc = hark_tell_decode(&said, &count, message->body, &err);
    if (rc == 0) {
        asked = by_place(peer);
        rc = asked == NULL ? HARK_E_NO_MEMORY : 0;
    }
    if (rc == HARK_E_PEER_FORM || (rc == 0 && !tell_fits(peer, asked, said, count))) {
        hark_core_malformed(core, peer, via, message->id,
                            rc != 0 ? err.message : "a tell that does not answer its ask");
        goto out;
    }
    if (rc != 0) {
        hark_follow_end_ask(peer, hark_core_now(core));
        retry_later(core, peer, HARK_CORE_BACKOFF_LAST);
        goto out;
    }
    peer->ask_id = 0;
    peer->failures = 0;
    hark_follow_heard(core, peer);
    for (size_t i = 0; i < count; i++) {
        if (asked[i] != NULL) {
            told(core, peer, asked[i], &said[i]);
        }
    }
out:
    free(asked);
    free(said);
}

/* ---- fetching ---- */

/* Is somebody else about to bring us the same? */
static bool comes_from_elsewhere(struct hark_core *core, const struct hark_follow *wanted)
{
    uint64_t now = hark_core_now(core);
    for (size_t i = 0; i < core->peer_count; i++) {
        const struct hark_follow *other = hark_follow_find(core->peers[i], &wanted->log);
        if (other == NULL || other == wanted) {
            continue;
        }
        if (other->phase == HARK_PHASE_APPENDING || other->phase == HARK_PHASE_HELD ||
            (other->phase == HARK_PHASE_FETCHED && now - other->sent_ms < ELSEWHERE_MS)) {
            return true;
        }
    }
    return false;
}

static bool is_appending(struct hark_core *core, const struct hark_log_ref *log)
{
    for (size_t i = 0; i < core->peer_count; i++) {
        const struct hark_follow *follow = hark_follow_find(core->peers[i], log);
        if (follow != NULL && follow->phase == HARK_PHASE_APPENDING) {
            return true;
        }
    }
    return false;
}

/* Our log may have come further meanwhile, by another peer. */
static void caught_up(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow,
                      const struct hark_cursor *ours, int code)
{
    /* Ask once more at once: their log may have grown meanwhile, and the news of
     * it may have come while we did not look. */
    hark_follow_idle(follow, hark_core_now(core) + (code != 0 ? HARK_CORE_SLOWLY : 0));
    report(core, peer, follow, ours, code == 0, code);
}

static void send_fetch(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_fetch fetch = {.want = follow->want};
    uint64_t now = hark_core_now(core);
    int code = 0;
    if (hark_core_cursor(core, &follow->log, &fetch.cursor) != 0) {
        hark_follow_idle(follow, now + HARK_CORE_SLOWLY);
        goto out;
    }
    if (have_all(core, &fetch.cursor, &follow->theirs, &code) || code != 0) {
        caught_up(core, peer, follow, &fetch.cursor, code);
        goto out;
    }
    follow->asked = fetch.cursor;
    follow->id = hark_core_next_id(core);
    follow->sent_ms = now;
    follow->phase = HARK_PHASE_FETCHED;
    if (hark_fetch_encode(&body, &fetch, NULL) != 0 ||
        hark_core_send(core, peer, HARK_VIA_ANY, HARK_MESSAGE_FETCH, follow->id,
                       hark_buf_span(&body), hark_span(NULL, 0)) != 0) {
        hark_follow_idle(follow, now);
        hark_follow_unsent(core, peer);
    }
out:
    hark_buf_free(&body);
}

/* Answers that come or are here. The latter count as well: they are what takes memory. */
static size_t count_fetches(const struct hark_peer *peer)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->follow_count; i++) {
        const struct hark_follow *follow = &peer->follows[i];
        n += follow->phase == HARK_PHASE_FETCHED || follow->phase == HARK_PHASE_HELD ||
             follow->ahead.id != 0 || follow->ahead.load.size > 0;
    }
    return n;
}

/* An intake's batches that came before the main log was far enough are not fetched
 * over and over while more of that is on its way; nor do they wait for ever on one
 * that grows all the time. */
static bool waits_for_main(struct hark_core *core, const struct hark_follow *wanted)
{
    if (wanted->behind_ms == 0 || hark_core_now(core) - wanted->behind_ms >= BEHIND_MOST_MS) {
        return false;
    }
    for (size_t i = 0; i < core->peer_count; i++) {
        const struct hark_follow *follow = hark_follow_main(core->peers[i], &wanted->log.space);
        if (follow != NULL && follow->phase >= HARK_PHASE_WANTED) {
            return true;
        }
    }
    return false;
}

static void fetch_wanted(struct hark_core *core, struct hark_peer *peer)
{
    uint64_t now = hark_core_now(core);
    size_t busy = count_fetches(peer);
    for (size_t i = 0; i < peer->follow_count && busy < HARK_CORE_FETCHES_MAX; i++) {
        struct hark_follow *follow = &peer->follows[i];
        if (follow->phase != HARK_PHASE_WANTED || now < follow->due_ms || now < peer->retry_ms) {
            continue;
        }
        if (comes_from_elsewhere(core, follow) || waits_for_main(core, follow)) {
            follow->due_ms = now + TURN_MS;
            continue;
        }
        if (!hark_core_may_send(core, peer, 1)) {
            follow->due_ms = hark_core_send_due(core, peer, 1);
            continue;
        }
        send_fetch(core, peer, follow);
        busy += follow->phase == HARK_PHASE_FETCHED;
    }
}

/* ---- batches, and what becomes of them ---- */

static bool still_ours(struct hark_core *core, const struct hark_follow *follow)
{
    struct hark_cursor ours;
    return hark_core_cursor(core, &follow->log, &ours) == 0 &&
           ours.batches == follow->asked.batches &&
           hark_hash_equal(&ours.root, &follow->asked.root);
}

/* Where the log stands after a load, as the checkpoint of its last batch says. Nothing
 * of it is verified yet: who believes it asks for nothing, or for what is not appended. */
static bool leads_to(const struct hark_follow *follow, struct hark_cursor *out)
{
    struct hark_span in = hark_buf_span(&follow->load);
    struct hark_raw_batch batch = {.count = 0};
    struct hark_checkpoint said;
    struct hark_log_ref log;
    for (unsigned i = 0; i < follow->batches; i++) {
        struct hark_raw_entry *items = NULL;
        if (hark_wire_batch_take(&in, &batch, &items, NULL) != 0) {
            return false;
        }
        free(items);
    }
    struct hark_span note = batch.checkpoint;
    const uint8_t *blank = note.size > 0 ? memmem(note.data, note.size, "\n\n", 2) : NULL;
    if (blank == NULL ||
        hark_checkpoint_decode(&said, hark_span(note.data, (size_t)(blank - note.data) + 1), NULL,
                               NULL) != 0) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    out->space = follow->log.space;
    memcpy(out->origin, said.origin, sizeof(out->origin));
    out->size = said.size;
    out->batches = follow->asked.batches + follow->batches;
    out->root = said.root;
    hark_cursor_log(out, &log);
    return hark_cursor_is_whole(out) && hark_log_equal(&log, &follow->log);
}

/* "Meanwhile the next fetch may go out" (9.3): so one side makes its next answer while
 * the other takes the last one in. An intake hangs on the main log and is better off
 * with one at a time. */
static void fetch_ahead(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow,
                        const struct hark_cursor *from)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_fetch fetch = {.cursor = *from, .want = follow->want};
    uint64_t now = hark_core_now(core);
    if (follow->log.node[0] != '\0' || from->batches >= follow->theirs.batches ||
        from->size > follow->theirs.size || now < peer->retry_ms ||
        count_fetches(peer) >= HARK_CORE_FETCHES_MAX || !hark_core_may_send(core, peer, 1)) {
        return;
    }
    follow->ahead.asked = *from;
    follow->ahead.id = hark_core_next_id(core);
    follow->ahead.sent_ms = now;
    if (hark_fetch_encode(&body, &fetch, NULL) != 0 ||
        hark_core_send(core, peer, HARK_VIA_ANY, HARK_MESSAGE_FETCH, follow->ahead.id,
                       hark_buf_span(&body), hark_span(NULL, 0)) != 0) {
        drop_ahead(follow);
        hark_follow_unsent(core, peer);
    }
    hark_buf_free(&body);
}

static void append_held(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow)
{
    struct hark_err err = {0};
    struct hark_cursor next;
    uint64_t now = hark_core_now(core);
    if (!still_ours(core, follow) || is_appending(core, &follow->log)) {
        /* Another peer was faster. */
        hark_follow_idle(follow, now + TURN_MS);
        return;
    }
    follow->token = core->next_token++;
    bool leads = leads_to(follow, &next);
    int rc = core->io.append(core->io.arg, &follow->log, &peer->key, &follow->load, follow->batches,
                             follow->token, &err);
    if (rc == 0) {
        hark_buf_free(&follow->load); /* empty: append has taken it */
        follow->phase = HARK_PHASE_APPENDING;
        if (leads) {
            fetch_ahead(core, peer, follow, &next);
        }
    } else if (rc == HARK_E_BUSY) {
        follow->due_ms = now + TURN_MS;
    } else {
        hark_follow_appended(core, peer, follow, rc, err.message);
    }
}

static struct hark_follow *find_fetch(struct hark_peer *peer, uint64_t id, bool *is_ahead)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        *is_ahead = follow->ahead.id != 0 && follow->ahead.id == id;
        if (*is_ahead || (follow->phase == HARK_PHASE_FETCHED && follow->id == id)) {
            return follow;
        }
    }
    return NULL;
}

/* What could not be unpacked is asked for again. */
static void not_unpacked(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow,
                         bool is_ahead, int code)
{
    if (is_ahead) {
        drop_ahead(follow);
        return;
    }
    hark_follow_idle(follow, hark_core_now(core) + HARK_CORE_ASK_EVERY);
    report_code(core, peer, follow, code);
}

/* The load before the one that was fetched ahead is in the log: that one's turn. False:
 * it is not where the log goes on. */
static bool go_on_ahead(struct hark_core *core, struct hark_peer *peer, struct hark_follow *follow,
                        const struct hark_cursor *ours)
{
    struct hark_ahead *ahead = &follow->ahead;
    bool is_here = ahead->load.size > 0;
    if ((ahead->id == 0 && !is_here) || !hark_cursor_equal(&ahead->asked, ours)) {
        return false;
    }
    follow->asked = ahead->asked;
    follow->id = ahead->id;
    follow->sent_ms = ahead->sent_ms;
    follow->load = ahead->load; /* which append has left empty */
    follow->batches = ahead->batches;
    ahead->load = hark_buf_init(HARK_UNPACKED_MAX);
    ahead->id = 0;
    report(core, peer, follow, ours, false, 0);
    follow->phase = is_here ? HARK_PHASE_HELD : HARK_PHASE_FETCHED;
    if (is_here) {
        append_held(core, peer, follow);
    }
    return true;
}

void hark_follow_batches(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                         const struct hark_message *message)
{
    struct hark_batches batches;
    struct hark_err err = {0};
    bool is_ahead = false;
    struct hark_follow *follow = find_fetch(peer, message->id, &is_ahead);
    if (follow == NULL) {
        return; /* late, or never asked for: not worth unpacking */
    }
    struct hark_buf *load = is_ahead ? &follow->ahead.load : &follow->load;
    int rc = hark_batches_decode(&batches, message->body, &err);
    if (rc == 0 &&
        !hark_cursor_equal(&batches.cursor, is_ahead ? &follow->ahead.asked : &follow->asked)) {
        rc = hark_err_set(&err, HARK_E_PEER_FORM, "batches for another cursor than asked");
    }
    if (rc == 0) {
        hark_buf_clear(load);
        rc = hark_batches_unpack(load, &batches, message->load, &err);
    }
    if (rc == HARK_E_PEER_FORM) {
        hark_core_malformed(core, peer, via, message->id, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    if (rc != 0) {
        not_unpacked(core, peer, follow, is_ahead, rc);
        return;
    }
    if (hark_core_now(core) - (is_ahead ? follow->ahead.sent_ms : follow->sent_ms) <
        HARK_CORE_SOON) {
        follow->want = follow->want < HARK_CORE_WANT / 2 ? follow->want * 2 : HARK_CORE_WANT;
    }
    if (is_ahead) {
        follow->ahead.batches = batches.count;
        follow->ahead.id = 0;
        if (core->io.coming != NULL) {
            core->io.coming(core->io.arg, &follow->log, hark_buf_span(load), batches.count);
        }
        return;
    }
    follow->batches = batches.count;
    follow->phase = HARK_PHASE_HELD;
    append_held(core, peer, follow);
}

/* What a peer sent did not check out, or could not be stored. It may be mended
 * there or here, so it is tried again; ever more slowly where it broke a rule. */
static void append_failed(struct hark_core *core, struct hark_peer *peer,
                          struct hark_follow *follow, int code, const char *message)
{
    uint64_t ms =
        follow->failures < 4 ? (uint64_t)HARK_CORE_SLOWLY << follow->failures : HARK_CORE_SLOWEST;
    if (hark_err_exit(code) != 3) { /* refused by no rule: our own trouble */
        ms = HARK_CORE_SLOWLY;
    }
    follow->failures++;
    follow->code = code;
    size_t size = strnlen(message, HARK_TEXT_MAX);
    memcpy(peer->message, message, size);
    peer->message[size] = '\0';
    hark_follow_idle(follow, hark_core_now(core) + ms);
    report_code(core, peer, follow, code);
}

/* "A reader whose own main log does not reach it yet puts the batch off (`behind`:
 * nothing is wrong with it)" (7.2). */
static void append_behind(struct hark_core *core, struct hark_peer *peer,
                          struct hark_follow *follow)
{
    uint64_t now = hark_core_now(core);
    uint64_t ms =
        follow->behinds < 3 ? (uint64_t)HARK_CORE_ASK_EVERY << follow->behinds : HARK_CORE_SLOWLY;
    if (follow->behind_ms == 0) {
        follow->behind_ms = now;
    }
    follow->behinds++;
    follow->code = 0;
    follow->failures = 0;
    hark_follow_idle(follow, now + ms);
    report_code(core, peer, follow, 0);
}

void hark_follow_grown(struct hark_core *core, struct hark_peer *peer,
                       const struct hark_hash *space)
{
    for (size_t i = 0; i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        if (follow->behind_ms != 0 && hark_hash_equal(&follow->log.space, space) &&
            follow->phase == HARK_PHASE_IDLE) {
            follow->due_ms = hark_core_now(core);
        }
    }
}

void hark_follow_appended(struct hark_core *core, struct hark_peer *peer,
                          struct hark_follow *follow, int code, const char *message)
{
    struct hark_cursor ours;
    if (code == HARK_E_BEHIND && follow->log.node[0] != '\0') {
        append_behind(core, peer, follow);
        return;
    }
    follow->behind_ms = 0;
    follow->behinds = 0;
    if (code != 0) {
        append_failed(core, peer, follow, code, message != NULL ? message : "");
        return;
    }
    code = hark_core_cursor(core, &follow->log, &ours);
    if (code != 0) {
        append_failed(core, peer, follow, code, "our own log cannot be read");
        return;
    }
    if (ours.batches <= follow->asked.batches) {
        /* Not to go round in circles over batches that add nothing. */
        append_failed(core, peer, follow, HARK_E_PEER_FORM, "batches that add nothing");
        return;
    }
    follow->code = 0;
    follow->failures = 0;
    if (go_on_ahead(core, peer, follow, &ours)) {
        return;
    }
    drop_ahead(follow);
    if (have_all(core, &ours, &follow->theirs, &code) || code != 0) {
        caught_up(core, peer, follow, &ours, code);
        return;
    }
    report(core, peer, follow, &ours, false, 0);
    follow->phase = HARK_PHASE_WANTED;
    follow->due_ms = hark_core_now(core);
}

/* ---- news and errors ---- */

void hark_follow_news(struct hark_core *core, struct hark_peer *peer, uint64_t via,
                      const struct hark_message *message)
{
    struct hark_cursor cursor;
    struct hark_err err = {0};
    if (hark_news_decode(&cursor, message->body, &err) != 0) {
        hark_core_malformed(core, peer, via, 0, err.message);
        return;
    }
    hark_follow_heard(core, peer);
    struct hark_log_ref log;
    hark_cursor_log(&cursor, &log);
    struct hark_follow *follow = hark_follow_find(peer, &log);
    if (follow == NULL) {
        return;
    }
    /* Whatever it says is found out by asking, which also earns the next news. */
    if (follow->phase == HARK_PHASE_IDLE && follow->failures == 0) {
        follow->due_ms = hark_core_now(core);
    }
    follow->again = true;
    follow->level = false;
}

void hark_follow_error(struct hark_core *core, struct hark_peer *peer, uint64_t id, int code,
                       const char *message)
{
    uint64_t now = hark_core_now(core);
    bool is_ahead = false;
    struct hark_follow *follow = find_fetch(peer, id, &is_ahead);
    if (code == HARK_E_PEER_FORM || code == HARK_E_PEER_VERSION) {
        /* It will have none of us for a while. */
        hark_core_refused(peer, code, message);
        hark_follow_cancel(core, peer);
        hark_submit_lost(core, &peer->key, code);
        hark_join_lost(core, &peer->key, false);
        hark_show_lost(core, peer);
        peer->live = false;
        peer->unsent = false;
        peer->retry_ms = now + HARK_CORE_SLOWLY;
    } else if (follow != NULL && is_ahead) {
        /* Asked again when it is its turn, and then taken as said. */
        hark_follow_heard(core, peer);
        drop_ahead(follow);
    } else if (follow != NULL) {
        hark_follow_heard(core, peer);
        hark_follow_idle(follow, now + (code == HARK_E_BUSY ? HARK_CORE_WINDOW : HARK_CORE_SLOWLY));
        report_code(core, peer, follow, code);
    } else if (id != 0 && id == peer->ask_id) {
        hark_follow_heard(core, peer);
        hark_follow_end_ask(peer, now + HARK_CORE_SLOWLY);
    }
}

/* ---- what is due ---- */

void hark_follow_drive(struct hark_core *core, struct hark_peer *peer)
{
    uint64_t now = hark_core_now(core);
    expire(core, peer);
    for (size_t i = 0; i < peer->follow_count; i++) {
        struct hark_follow *follow = &peer->follows[i];
        if (follow->phase == HARK_PHASE_HELD && now >= follow->due_ms) {
            append_held(core, peer, follow);
        }
    }
    fetch_wanted(core, peer);
    contact(core, peer);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t follow_due(const struct hark_peer *peer, const struct hark_follow *follow,
                           bool full, uint64_t may_send)
{
    switch (follow->phase) {
    case HARK_PHASE_FETCHED:
        return follow->sent_ms + HARK_CORE_FETCH;
    case HARK_PHASE_HELD:
        return follow->due_ms;
    case HARK_PHASE_APPENDING:
        return follow->ahead.id != 0 ? follow->ahead.sent_ms + HARK_CORE_FETCH : HARK_CORE_NEVER;
    case HARK_PHASE_WANTED:
        return full ? HARK_CORE_NEVER : later(follow->due_ms, later(peer->retry_ms, may_send));
    case HARK_PHASE_IDLE:
        return peer->ask_id != 0 || !peer->followed
                   ? HARK_CORE_NEVER
                   : later(follow->due_ms, later(peer->retry_ms, may_send));
    default:
        return HARK_CORE_NEVER;
    }
}

uint64_t hark_follow_due(const struct hark_core *core, const struct hark_peer *peer)
{
    uint64_t may_send = hark_core_send_due(core, peer, hark_core_ask_cost(peer->follow_count));
    bool full = count_fetches(peer) >= HARK_CORE_FETCHES_MAX;
    uint64_t due = HARK_CORE_NEVER;
    if (peer->hello_id != 0) {
        due = peer->hello_ms + HARK_CORE_ANSWER;
    } else if (peer->followed || peer->requests > 0) {
        due = later(peer->live ? peer->heard_ms + HARK_CORE_QUIET : 0,
                    later(peer->retry_ms, may_send));
    } else if (peer->live) {
        due = peer->heard_ms + HARK_CORE_GONE;
    }
    if (peer->ask_id != 0) {
        due = sooner(due, peer->ask_ms + answer_ms(peer));
    }
    for (size_t i = 0; i < peer->follow_count; i++) {
        due = sooner(due, follow_due(peer, &peer->follows[i], full, may_send));
    }
    return due;
}
