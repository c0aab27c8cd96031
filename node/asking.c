/*
 * See asking.h. The two threads meet in the list of spaces and that of answers, under the
 * lock; what is known of each pair of space and witness is the thread's alone.
 */
#include "node/asking.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "crypto/tlog_witness.h"
#include "node/post.h"
#include "node/witness.h"

#define ROUND_MS    1000u
#define RETRY_MS    2000u
#define RETRY_MAX   300000u
#define ANSWERS_MAX 64u
#define TRIES       2 /* the second one with the size that the first was answered */

/* A space, and what is known of each witness about it. */
struct pair {
    uint64_t size; /* that it has cosigned, as far as is known */
    bool looked;   /* that was looked up */
    bool done;     /* nothing is to be asked */
    uint64_t again_ms, pause_ms;
    int said; /* the last failure, so that it is said once */
};
struct asked {
    struct hark_hash space;
    uint64_t size;  /* the writer's: of its log, when it was told of last */
    uint64_t fresh; /* grows when it is told of; under the lock */
    uint64_t seen;  /* the thread's */
    struct pair pairs[HARK_CONFIG_WITNESSES_MAX];
};

struct answer {
    struct hark_hash space;
    size_t witness;
    struct hark_buf note;
};

struct hark_asking {
    char dir[HARK_PATH_MAX];
    struct hark_key log_key;
    size_t witness_count;
    struct hark_config_witness witnesses[HARK_CONFIG_WITNESSES_MAX];
    struct hark_post *posts[HARK_CONFIG_WITNESSES_MAX];
    atomic_bool stop;
    int fd;
    bool running;
    pthread_t thread;

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t wake;
    bool told;
    size_t asked_count, asked_room;
    struct asked **asked; /* each stays where it is */
    size_t answer_count;
    struct answer answers[ANSWERS_MAX];
};

/* --- what is asked ----------------------------------------------------------------------- */

struct question {
    uint64_t old_size, size;
    char origin[HARK_ORIGIN_MAX + 1];
    struct hark_buf note, body;
};

static void question_free(struct question *q)
{
    hark_buf_free(&q->note);
    hark_buf_free(&q->body);
}

/* What this witness signed last of the log as it is called now. */
static int look_up(struct hark_space *space, const struct hark_key *witness, struct pair *pair,
                   struct hark_err *err)
{
    const struct hark_cosigned *cosigned = NULL;
    const struct hark_notes *notes = NULL;
    bool here = false, fits = false;
    int rc;

    if (pair->looked)
        return 0;
    rc = hark_witness_notes(space, &notes, err);
    if (rc == 0)
        cosigned = hark_notes_find(notes, "", witness);
    if (cosigned != NULL &&
        strcmp(cosigned->checkpoint.origin, hark_space_head(space)->origin) == 0)
        rc = hark_witness_fits(space, cosigned, &here, &fits, err);
    if (rc == 0)
        pair->looked = true;
    if (fits)
        pair->size = cosigned->checkpoint.size;
    return rc;
}

static int read_hash(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                     struct hark_err *err)
{
    return hark_index_merkle_read(arg, level, index, out, err);
}

static int write_body(struct hark_space *space, struct question *q, struct hark_err *err)
{
    struct hark_tlog_request request = {.old_size = q->old_size};
    bool own = false;
    int rc = 0;

    request.note = hark_buf_span(&q->note);
    if (q->old_size > 0 && q->old_size < q->size) {
        rc = hark_index_view(hark_space_index(space), &own, err);
        if (rc < 0)
            return rc;
        rc = hark_merkle_prove_consistency(&request.path, q->old_size, q->size, read_hash,
                                           hark_space_index(space), err);
        hark_index_view_end(hark_space_index(space), own);
    }
    return rc == 0 ? hark_tlog_request_encode(&q->body, &request, err) : rc;
}

/* *none: there is nothing to ask. The space is closed again before anybody is waited for. */
static int prepare(struct hark_asking *asking, const struct asked *asked, size_t witness,
                   struct pair *pair, struct question *q, bool *none, struct hark_err *err)
{
    const struct hark_log_head *head;
    struct hark_space *space = NULL;
    int rc = hark_space_open(&space, asking->dir, &asked->space, true, NULL, err);

    if (rc < 0)
        return rc;
    head = hark_space_head(space);
    *none = head->tree.size == 0 || !hark_key_equal(&head->log_key, &asking->log_key);
    if (!*none)
        rc = look_up(space, &asking->witnesses[witness].key.key, pair, err);
    *none = *none || (rc == 0 && pair->size == head->tree.size);
    if (rc == 0 && !*none) {
        q->size = head->tree.size;
        /* It may have seen more than is here, if this copy was put back: then it says so. */
        q->old_size = pair->size < q->size ? pair->size : 0;
        (void)snprintf(q->origin, sizeof(q->origin), "%s", head->origin);
        rc = hark_space_checkpoint(space, &q->note, err);
    }
    if (rc == 0 && !*none)
        rc = write_body(space, q, err);
    hark_space_free(space);
    return rc;
}

/* --- what is answered -------------------------------------------------------------------- */

static int push(struct hark_asking *asking, const struct hark_hash *space, size_t witness,
                struct hark_buf *note, struct hark_err *err)
{
    uint64_t one = 1;
    int rc = 0;

    pthread_mutex_lock(&asking->lock);
    if (asking->answer_count < ANSWERS_MAX) {
        asking->answers[asking->answer_count++] =
            (struct answer){.space = *space, .witness = witness, .note = *note};
        *note = hark_buf_init(HARK_NOTE_MAX);
    } else {
        rc = hark_err_set(err, HARK_E_BUSY, "the writer has not kept the last cosignatures yet");
    }
    pthread_mutex_unlock(&asking->lock);
    (void)!write(asking->fd, &one, sizeof(one));
    return rc;
}

static int take_cosigned(struct hark_asking *asking, const struct asked *asked, size_t witness,
                         const struct question *q, struct hark_span lines, struct pair *pair,
                         struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    int rc = hark_tlog_witness_join(&note, hark_buf_span(&q->note), lines,
                                    &asking->witnesses[witness].key, NULL, err);

    if (rc == 0)
        rc = push(asking, &asked->space, witness, &note, err);
    if (rc == 0)
        pair->size = q->size;
    hark_buf_free(&note);
    return rc;
}

/* 409: what the witness has. *again: the question can be put anew, from there. */
static int take_size(const struct question *q, const struct hark_posted *posted, struct pair *pair,
                     bool *again, struct hark_err *err)
{
    struct hark_span in = hark_buf_span(&posted->body), line;
    uint64_t size;

    if (strcmp(posted->type, HARK_TLOG_WITNESS_SIZE_TYPE) != 0 || !hark_take_line(&in, &line) ||
        in.size > 0 || hark_decimal_decode(&size, line, HARK_MERKLE_SIZE_MAX, NULL) != 0)
        return hark_err_set(err, HARK_E_PEER_FORM, "it answers 409 without a size");
    if (size > q->size)
        return hark_err_set(err, HARK_E_BEHIND,
                            "it has cosigned %" PRIu64 " entries of %s, more than are here", size,
                            q->origin);
    if (size == q->old_size)
        return hark_err_set(err, HARK_E_PEER_REFUSED,
                            "it has cosigned another history of %s, or of as many entries",
                            q->origin);
    pair->size = size;
    *again = true;
    return 0;
}

/* One question. *again: another one is worth asking at once. */
static int ask_once(struct hark_asking *asking, const struct asked *asked, size_t witness,
                    struct pair *pair, bool *again, struct hark_err *err)
{
    struct question q = {.note = hark_buf_init(HARK_NOTE_MAX),
                         .body = hark_buf_init(HARK_TLOG_WITNESS_MAX)};
    struct hark_posted posted = {.body = hark_buf_init(HARK_NOTE_MAX)};
    char url[HARK_URL_MAX + sizeof("/add-checkpoint")];
    bool none = false;
    int rc = prepare(asking, asked, witness, pair, &q, &none, err);

    *again = false;
    if (rc == 0 && !none) {
        (void)snprintf(url, sizeof(url), "%s/add-checkpoint", asking->witnesses[witness].url);
        rc = hark_post_send(asking->posts[witness], url, hark_buf_span(&q.body), &posted, err);
        if (rc == 0 && posted.status == 200)
            rc = take_cosigned(asking, asked, witness, &q, hark_buf_span(&posted.body), pair, err);
        else if (rc == 0 && posted.status == 409)
            rc = take_size(&q, &posted, pair, again, err);
        else if (rc == 0)
            rc = hark_err_set(err, HARK_E_PEER_REFUSED, "it answers %u", posted.status);
    }
    hark_buf_free(&posted.body);
    question_free(&q);
    return rc;
}

/* --- the thread -------------------------------------------------------------------------- */

static void ask(struct hark_asking *asking, struct asked *asked, size_t witness)
{
    struct pair *pair = &asked->pairs[witness];
    struct hark_err err = {0};
    bool again = true;
    int rc = 0;

    for (int i = 0; rc == 0 && again && i < TRIES; i++)
        rc = ask_once(asking, asked, witness, pair, &again, &err);
    if (rc == 0 && again)
        rc = hark_err_set(&err, HARK_E_PEER_REFUSED, "it changes its mind");
    pair->done = rc == 0;
    if (rc == 0) {
        pair->pause_ms = 0;
        pair->said = 0;
        return;
    }
    pair->pause_ms = pair->pause_ms == 0 ? RETRY_MS : 2 * pair->pause_ms;
    if (pair->pause_ms > RETRY_MAX)
        pair->pause_ms = RETRY_MAX;
    pair->again_ms = hark_timer_ms() + pair->pause_ms;
    if (rc != pair->said && !atomic_load(&asking->stop))
        (void)fprintf(stderr, "harkd: the witness %s: %s (%s)\n",
                      asking->witnesses[witness].key.name, err.message, hark_err_name(rc));
    pair->said = rc;
}

/* The next space, and whether it has grown since; NULL: that was all. */
static struct asked *take_asked(struct hark_asking *asking, size_t at)
{
    struct asked *asked = NULL;

    pthread_mutex_lock(&asking->lock);
    if (at < asking->asked_count) {
        asked = asking->asked[at];
        for (size_t i = 0; asked->seen != asked->fresh && i < asking->witness_count; i++)
            asked->pairs[i].done = false;
        asked->seen = asked->fresh;
    }
    pthread_mutex_unlock(&asking->lock);
    return asked;
}

/* Asks all that are due; when the next one is (0: nobody is). */
static uint64_t run_round(struct hark_asking *asking)
{
    struct asked *asked;
    uint64_t next_ms = 0;

    for (size_t at = 0; (asked = take_asked(asking, at)) != NULL; at++) {
        for (size_t i = 0; i < asking->witness_count && !atomic_load(&asking->stop); i++) {
            struct pair *pair = &asked->pairs[i];

            if (!pair->done && hark_timer_ms() >= pair->again_ms)
                ask(asking, asked, i);
            if (!pair->done && (next_ms == 0 || pair->again_ms < next_ms))
                next_ms = pair->again_ms;
        }
    }
    return next_ms;
}

static void wait_until(struct hark_asking *asking, uint64_t until_ms)
{
    uint64_t now = hark_timer_ms(), wait_ms = until_ms > now ? until_ms - now : 0;
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&asking->wake, &asking->lock, &until);
}

static void *run(void *arg)
{
    struct hark_asking *asking = arg;

    while (!atomic_load(&asking->stop)) {
        uint64_t began_ms = hark_timer_ms(), next_ms = run_round(asking);

        pthread_mutex_lock(&asking->lock);
        while (!atomic_load(&asking->stop) && hark_timer_ms() < began_ms + ROUND_MS)
            wait_until(asking, began_ms + ROUND_MS);
        while (!atomic_load(&asking->stop) && !asking->told &&
               (next_ms == 0 || hark_timer_ms() < next_ms)) {
            if (next_ms == 0)
                (void)pthread_cond_wait(&asking->wake, &asking->lock);
            else
                wait_until(asking, next_ms);
        }
        asking->told = false;
        pthread_mutex_unlock(&asking->lock);
    }
    return NULL;
}

/* --- starting, stopping ------------------------------------------------------------------ */

static int start_thread(struct hark_asking *asking, struct hark_err *err)
{
    asking->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (asking->fd < 0)
        return hark_err_errno(err, errno, "eventfd");
    if (pthread_create(&asking->thread, NULL, run, asking) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no thread to ask witnesses");
    asking->running = true;
    return 0;
}

int hark_asking_start(struct hark_asking **out, const struct hark_node *node, struct hark_err *err)
{
    size_t count = node->config->witness_count;
    struct hark_asking *asking;
    pthread_condattr_t attr;
    int rc = 0;

    *out = NULL;
    if (count == 0)
        return 0;
    asking = calloc(1, sizeof(*asking));
    if (asking == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory to ask witnesses");
    asking->fd = -1;
    pthread_mutex_init(&asking->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&asking->wake, &attr);
    pthread_condattr_destroy(&attr);
    memcpy(asking->dir, node->dir, sizeof(asking->dir));
    memcpy(asking->witnesses, node->config->witnesses, count * sizeof(*asking->witnesses));
    asking->log_key = *hark_signer_key(node->identity.log);
    asking->witness_count = count;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = hark_post_new(&asking->posts[i], &asking->stop, err);
    if (rc == 0)
        rc = start_thread(asking, err);
    if (rc == 0)
        *out = asking;
    else
        hark_asking_stop(asking);
    return rc;
}

void hark_asking_stop(struct hark_asking *asking)
{
    if (asking == NULL)
        return;
    pthread_mutex_lock(&asking->lock);
    atomic_store(&asking->stop, true);
    pthread_cond_signal(&asking->wake);
    pthread_mutex_unlock(&asking->lock);
    if (asking->running)
        pthread_join(asking->thread, NULL);
    for (size_t i = 0; i < asking->witness_count; i++)
        hark_post_free(asking->posts[i]);
    for (size_t i = 0; i < asking->answer_count; i++)
        hark_buf_free(&asking->answers[i].note);
    for (size_t i = 0; i < asking->asked_count; i++)
        free(asking->asked[i]);
    free(asking->asked);
    if (asking->fd >= 0)
        (void)close(asking->fd);
    pthread_cond_destroy(&asking->wake);
    pthread_mutex_destroy(&asking->lock);
    free(asking);
}

/* --- the writer's ------------------------------------------------------------------------ */

/* Only the writer adds to the list, so it may look without the lock. */
static struct asked *find(const struct hark_asking *asking, const struct hark_hash *space)
{
    for (size_t i = 0; i < asking->asked_count; i++) {
        if (hark_hash_equal(&asking->asked[i]->space, space))
            return asking->asked[i];
    }
    return NULL;
}

/* NULL: no memory; it is tried again when the log is looked at next. */
static struct asked *add(struct hark_asking *asking, const struct hark_hash *space)
{
    struct asked *asked = calloc(1, sizeof(*asked)), **grown;

    if (asked == NULL)
        return NULL;
    asked->space = *space;
    pthread_mutex_lock(&asking->lock);
    if (asking->asked_count == asking->asked_room) {
        size_t room = asking->asked_room == 0 ? 8 : 2 * asking->asked_room;

        grown = realloc(asking->asked, room * sizeof(struct asked *));
        if (grown != NULL) {
            asking->asked = grown;
            asking->asked_room = room;
        }
    }
    if (asking->asked_count < asking->asked_room) {
        asking->asked[asking->asked_count++] = asked;
    } else {
        free(asked);
        asked = NULL;
    }
    pthread_mutex_unlock(&asking->lock);
    return asked;
}

void hark_asking_look(struct hark_asking *asking, const struct hark_node *node)
{
    for (size_t i = 0; asking != NULL && i < node->space_count; i++) {
        struct hark_space *space = node->spaces[i];
        uint64_t size = hark_space_head(space)->tree.size;
        struct asked *asked = find(asking, hark_space_id(space));

        if (size == (asked == NULL ? 0 : asked->size) || !hark_node_is_home(node, space))
            continue;
        if (asked == NULL)
            asked = add(asking, hark_space_id(space));
        if (asked == NULL)
            continue;
        asked->size = size;
        pthread_mutex_lock(&asking->lock);
        asked->fresh++;
        asking->told = true;
        pthread_cond_signal(&asking->wake);
        pthread_mutex_unlock(&asking->lock);
    }
}

int hark_asking_fd(const struct hark_asking *asking)
{
    return asking == NULL ? -1 : asking->fd;
}

static bool take_answer(struct hark_asking *asking, struct answer *out)
{
    bool any;

    pthread_mutex_lock(&asking->lock);
    any = asking->answer_count > 0;
    if (any) {
        *out = asking->answers[0];
        asking->answer_count--;
        memmove(asking->answers, asking->answers + 1, asking->answer_count * sizeof(*out));
    }
    pthread_mutex_unlock(&asking->lock);
    return any;
}

int hark_asking_keep(struct hark_asking *asking, struct hark_node *node, struct hark_err *err)
{
    struct answer answer;
    uint64_t count;
    int outcome = 0;

    if (asking == NULL)
        return 0;
    (void)!read(asking->fd, &count, sizeof(count));
    while (take_answer(asking, &answer)) {
        struct hark_space *space = NULL;
        struct hark_err said = {0};
        int rc = hark_node_space(node, &answer.space, &space, &said);

        if (rc == 0)
            rc = hark_witness_keep(space, &asking->witnesses[answer.witness].key,
                                   hark_buf_span(&answer.note), &said);
        hark_buf_free(&answer.note);
        if (rc == 0 || outcome != 0)
            continue;
        outcome = rc;
        *err = said;
    }
    return outcome;
}
