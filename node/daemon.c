/*
 * See daemon.h. Verbs run one at a time in the writer's thread; while one runs,
 * batches from peers wait in the network's bounded queue. Entries that several people
 * have written by then share a batch.
 */
#include "node/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/asking.h"
#include "node/cmd.h"
#include "node/files.h"
#include "node/http.h"
#include "node/local.h"
#include "node/sealing.h"

#define TEND_DELAY_MS   1000u /* PROTOCOL.md 7.5: at most a second after a batch */
#define IDLE_MS         60000u
#define FULL_STEP_MS    100 /* between two looks for a descriptor */
#define TEND_RETRY_MS   30000u
#define UPDATE_RETRY_MS 3000u /* until then who has just started may not sign */
#define COMPARE_STEP_MS 50
#define EVENTS_A_ROUND  64u
#define TOGETHER_MAX    32u /* entries of one batch that people wait for */

struct caller;

struct daemon {
    struct hark_node *node;
    struct hark_net *net;
    struct hark_http *http;
    struct hark_asking *asking;
    int listen_fd, signal_fd;
    uint64_t tend_at_ms;   /* 0: nothing to tend */
    uint64_t quiet_at_ms;  /* when there will have been nothing new for a while */
    uint64_t update_at_ms; /* 0: the network need not be told anything by itself */
    struct caller *next;   /* has come, and is served next; NULL: nobody has */
    bool stop;
};

static void complain(const char *what, const struct hark_err *err)
{
    (void)fprintf(stderr, "harkd: %s: %s (%s)\n", what, err->message, hark_err_name(err->code));
}

static void tend_later(struct daemon *d)
{
    d->quiet_at_ms = hark_timer_ms() + TEND_DELAY_MS;
    if (d->tend_at_ms == 0)
        d->tend_at_ms = d->quiet_at_ms;
}

static void update_net(struct daemon *d);

/* What a steward owes those who came or left a private group. */
static void tend_groups(struct daemon *d)
{
    bool any = false;

    for (size_t i = 0; i < d->node->space_count; i++) {
        struct hark_err err = {0};
        bool did = false;

        if (hark_steward_tend(d->node, d->node->spaces[i], &did, &err) < 0) {
            complain("tending a private group", &err);
            d->tend_at_ms = hark_timer_ms() + TEND_RETRY_MS;
        }
        any = any || did;
    }
    if (!any)
        return;
    tend_later(d);
    update_net(d);
}

static void tend(struct daemon *d)
{
    struct hark_err err = {0};
    uint64_t now = hark_timer_ms();
    bool quiet = now >= d->quiet_at_ms;

    if (d->tend_at_ms == 0 || now < d->tend_at_ms)
        return;
    d->tend_at_ms = quiet ? 0 : d->quiet_at_ms;
    for (size_t i = 0; i < d->node->space_count; i++) {
        uint64_t erasures = hark_space_erasures(d->node->spaces[i]);

        if ((quiet ? hark_space_tend : hark_space_tend_briefly)(d->node->spaces[i], &err) < 0) {
            complain("tending a space", &err);
            d->tend_at_ms = hark_timer_ms() + TEND_RETRY_MS;
        }
        if (hark_space_erasures(d->node->spaces[i]) != erasures)
            hark_net_reopen(d->net);
    }
    if (quiet)
        tend_groups(d);
}

/* --- the network ------------------------------------------------------------------- */

static void update_net(struct daemon *d)
{
    struct hark_err err = {0};

    d->update_at_ms = 0;
    if (hark_net_update(d->net, d->node, &d->update_at_ms, &err) < 0) {
        complain("telling the network", &err);
        d->update_at_ms = hark_timer_ms() + UPDATE_RETRY_MS;
    } else if (hark_net_witness(d->net, d->node, &d->update_at_ms, &err) < 0) {
        complain("cosigning", &err);
        d->update_at_ms = hark_timer_ms() + UPDATE_RETRY_MS;
    }
}

static void serve_net(struct daemon *d)
{
    struct hark_net_event event;
    struct hark_err err = {0};
    bool any = false;

    /* A round at a time: verbs and tending have their turn, too. */
    for (unsigned i = 0; i < EVENTS_A_ROUND && hark_net_next(d->net, &event); i++) {
        any = true;
        if (event.type == HARK_NET_APPEND || event.type == HARK_NET_SUBMIT ||
            event.type == HARK_NET_JOIN || event.type == HARK_NET_COSIGN ||
            event.type == HARK_NET_ACCEPTED)
            tend_later(d);
        if (hark_net_handle(d->net, d->node, &event, &err) < 0)
            complain("what came from the network", &err);
    }
    if (any)
        update_net(d);
}

/* A named node that has just started signs nothing before it knows, or has waited long
 * enough to know, whether others hold more of its log (PROTOCOL.md 7.6): who writes
 * in that moment waits rather than being told to try again. */
static void wait_until_compared(struct daemon *d)
{
    while (!hark_net_compared(d->net, d->node) && hark_net_waits(d->net)) {
        struct pollfd fd = {.fd = hark_net_fd(d->net), .events = POLLIN};

        (void)poll(&fd, 1, COMPARE_STEP_MS);
        serve_net(d);
        if (d->update_at_ms != 0 && hark_timer_ms() >= d->update_at_ms)
            update_net(d);
    }
}

/* --- the local socket ------------------------------------------------------------ */

/* Who is connected to the local socket, and what becomes of it. */
struct caller {
    int fd;
    bool tried; /* to read the request */
    bool read;  /* it is here */
    struct hark_local_request request;
    const char *rest[HARK_ARGS_MAX + 1];
    struct hark_cmd cmd;
    const struct hark_verb *verb; /* NULL: only to be answered */
    FILE *out, *err;
    int exit_code;
};

/* Closes a stream of an answer: was everything sent? */
static bool sent(FILE *stream)
{
    bool well = stream == NULL || ferror(stream) == 0;

    return (stream == NULL || fclose(stream) == 0) && well;
}

/* Answers, and ends it. A code is said only after a whole answer: "done" without what it
 * speaks of would mislead, a connection that ends early is an error to who asked. */
static void answer(struct caller *caller)
{
    bool whole = sent(caller->out);

    whole = sent(caller->err) && whole;
    if (caller->read) {
        if (whole)
            hark_local_exit(caller->fd, caller->exit_code);
        hark_local_request_free(&caller->request);
    }
    (void)close(caller->fd);
    free(caller);
}

/* Somebody who waits at the socket; NULL when nobody does. */
static struct caller *next_caller(struct daemon *d)
{
    int fd = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    struct caller *caller;

    if (fd < 0) {
        /* Out of descriptors: poll would say at once that somebody waits. Or gone again. */
        if (errno == EMFILE || errno == ENFILE)
            (void)poll(NULL, 0, FULL_STEP_MS);
        return NULL;
    }
    caller = calloc(1, sizeof(*caller));
    if (caller == NULL)
        (void)close(fd);
    else
        caller->fd = fd;
    return caller;
}

/* Waits for the request, a few seconds at most, and understands it. */
static void read_request(struct daemon *d, struct caller *caller)
{
    const struct hark_local_request *request = &caller->request;
    struct hark_cmd *cmd = &caller->cmd;
    struct hark_err err = {0};

    caller->tried = true;
    if (hark_local_read(caller->fd, &caller->request, &err) < 0) {
        complain("the local socket", &err);
        return;
    }
    caller->read = true;
    caller->exit_code = hark_err_exit(HARK_E_NO_MEMORY);
    caller->out = hark_local_stream(caller->fd, 'O');
    caller->err = hark_local_stream(caller->fd, 'E');
    if (caller->out == NULL || caller->err == NULL) {
        hark_local_say(caller->fd, 'E', "hark: no memory for an answer (no-memory)\n");
        return;
    }
    *cmd = (struct hark_cmd){.argv = caller->rest,
                             .out = caller->out,
                             .err = caller->err,
                             .cwd = request->cwd,
                             .input = hark_buf_span(&request->input),
                             .progress = request->progress,
                             .node = d->node,
                             .net = d->net};
    if (hark_args_parse(request->argc, request->argv, &cmd->globals, caller->rest, &cmd->argc,
                        &err) < 0) {
        caller->exit_code = hark_cmd_fail(caller->err, cmd->globals.json, &err);
        return;
    }
    caller->verb = cmd->argc > 0 ? hark_verb_find(caller->rest[0]) : NULL;
    if (caller->verb == NULL || caller->verb->needs == HARK_VERB_NO_NODE) {
        caller->verb = NULL;
        (void)hark_err_set(&err, HARK_E_USAGE, "not a verb for a daemon");
        caller->exit_code = hark_cmd_fail(caller->err, cmd->globals.json, &err);
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* May the one's entry go into the other's batch? Nobody is waited for. */
static bool joins(struct daemon *d, const struct caller *first, struct caller *caller)
{
    struct pollfd fd = {.fd = caller->fd, .events = POLLIN};

    if (poll(&fd, 1, 0) != 1)
        return false;
    read_request(d, caller);
    return caller->verb != NULL && caller->verb->needs == HARK_VERB_ENTRY &&
           same_text(caller->cmd.globals.space, first->cmd.globals.space);
}

/* Commits, and answers all. */
static void end_together(struct daemon *d, struct hark_together *together, struct caller **callers,
                         size_t count)
{
    struct hark_err err = together->err;
    int rc = together->undone ? err.code : 0;
    bool changed = false;

    if (rc == 0 && together->space != NULL)
        rc = hark_author_commit(d->node, together->space, &err);
    for (size_t i = 0; i < count; i++)
        changed = changed || callers[i]->cmd.changed;
    if (rc == 0 && changed) {
        tend_later(d);
        update_net(d);
    }
    for (size_t i = 0; i < count; i++) {
        struct caller *caller = callers[i];

        /* What it was to be told, another's failure or the commit's has made untrue. */
        if (rc < 0 && caller->exit_code == 0) {
            __fpurge(caller->out);
            caller->exit_code = hark_cmd_fail(caller->err, caller->cmd.globals.json, &err);
        }
        answer(caller);
    }
}

/* Runs the first, and with it those who have come meanwhile to write an entry, too: one
 * batch is written for all, as for one. */
static void run_together(struct daemon *d, struct caller *first)
{
    struct caller *callers[TOGETHER_MAX] = {first};
    struct hark_together together = {.space = NULL};
    size_t count = 0;

    while (count < TOGETHER_MAX && callers[count] != NULL) {
        struct caller *caller = callers[count++], *next;

        caller->cmd.together = &together;
        caller->exit_code = hark_cmd_run(&caller->cmd, caller->verb);
        if (together.undone || count == TOGETHER_MAX)
            break;
        next = next_caller(d);
        if (next == NULL)
            break;
        if (joins(d, first, next)) {
            callers[count] = next;
        } else {
            d->next = next;
            break;
        }
    }
    end_together(d, &together, callers, count);
}

static void serve_local(struct daemon *d)
{
    struct caller *caller = d->next != NULL ? d->next : next_caller(d);

    d->next = NULL;
    if (caller == NULL)
        return;
    if (!caller->tried)
        read_request(d, caller);
    if (caller->verb != NULL)
        wait_until_compared(d);
    if (caller->verb != NULL && caller->verb->needs == HARK_VERB_ENTRY) {
        run_together(d, caller);
        return;
    }
    if (caller->verb != NULL) {
        caller->exit_code = hark_cmd_run(&caller->cmd, caller->verb);
        if (caller->cmd.changed) {
            tend_later(d);
            update_net(d);
        }
    }
    answer(caller);
}

static void serve_signal(struct daemon *d)
{
    struct signalfd_siginfo info;

    if (read(d->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        d->stop = true;
}

/* --- the loop ------------------------------------------------------------------------ */

static void keep_answers(struct daemon *d)
{
    struct hark_err err = {0};

    if (hark_asking_keep(d->asking, d->node, &err) < 0)
        complain("what a witness answered", &err);
}

static int loop(struct daemon *d, struct hark_err *err)
{
    while (!d->stop) {
        struct pollfd fds[] = {{.fd = d->signal_fd, .events = POLLIN},
                               {.fd = hark_net_fd(d->net), .events = POLLIN},
                               {.fd = d->listen_fd, .events = POLLIN},
                               {.fd = hark_asking_fd(d->asking), .events = POLLIN}};
        uint64_t now = hark_timer_ms();
        uint64_t wait = IDLE_MS;

        if (d->tend_at_ms != 0)
            wait = d->tend_at_ms > now ? d->tend_at_ms - now : 0;
        if (d->update_at_ms != 0 && d->update_at_ms < now + wait)
            wait = d->update_at_ms > now ? d->update_at_ms - now : 0;
        if (d->next != NULL)
            wait = 0;
        if (poll(fds, 4, (int)wait) < 0 && errno != EINTR)
            return hark_err_errno(err, errno, "poll");
        if (fds[0].revents != 0)
            serve_signal(d);
        if (fds[1].revents != 0)
            serve_net(d);
        if (fds[2].revents != 0 || d->next != NULL)
            serve_local(d);
        if (fds[3].revents != 0)
            keep_answers(d);
        if (d->update_at_ms != 0 && hark_timer_ms() >= d->update_at_ms)
            update_net(d);
        hark_asking_look(d->asking, d->node);
        tend(d);
    }
    return 0;
}

static int open_signals(int *fd, struct hark_err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    (void)signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return hark_err_set(err, HARK_E_INTERNAL, "the signals cannot be blocked");
    *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (*fd < 0)
        return hark_err_errno(err, errno, "signalfd");
    return 0;
}

/* Opens all spaces, so that what a crash left undone is done before anybody is
 * answered. */
static int open_spaces(struct hark_node *node, struct hark_err *err)
{
    struct hark_hash *ids = NULL;
    struct hark_space *space;
    size_t count = 0;
    int rc = hark_node_spaces(node, &ids, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = hark_node_space(node, &ids[i], &space, err);
        if (hark_err_exit(rc) != 5)
            continue;
        /* The others go on. */
        complain("a space is damaged, `hark repair` mends it", err);
        rc = 0;
    }
    free(ids);
    return rc;
}

static void remove_socket(const struct hark_node *node)
{
    char path[HARK_PATH_MAX];

    if (hark_path_join(path, node->dir, "sock", NULL) == 0)
        (void)unlink(path);
}

int hark_daemon_run(struct hark_node *node, const struct hark_daemon_options *options,
                    struct hark_err *err)
{
    struct daemon d = {.node = node, .listen_fd = -1, .signal_fd = -1};
    int rc = open_signals(&d.signal_fd, err);

    node->unattended = true;
    if (rc == 0)
        rc = open_spaces(node, err);
    if (rc == 0)
        rc = hark_net_start(&d.net, node, true, node->bound, err);
    if (rc == 0)
        rc = hark_http_start(&d.http, node, node->http_bound, err);
    if (rc == 0)
        rc = hark_asking_start(&d.asking, node, err);
    if (rc == 0)
        rc = hark_local_listen(&d.listen_fd, node->dir, err);
    if (rc == 0) {
        update_net(&d);
        hark_asking_look(d.asking, node);
        if (options->ready != NULL)
            options->ready(options->arg, node->bound, node->http_bound);
        rc = loop(&d, err);
        remove_socket(node);
    }
    if (d.next != NULL)
        answer(d.next);
    hark_asking_stop(d.asking);
    hark_http_stop(d.http);
    hark_net_stop(d.net);
    for (size_t i = 0; i < node->space_count && rc == 0; i++)
        rc = hark_space_tend(node->spaces[i], err);
    if (d.listen_fd >= 0)
        (void)close(d.listen_fd);
    if (d.signal_fd >= 0)
        (void)close(d.signal_fd);
    return rc;
}
