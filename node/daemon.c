/*
 * See daemon.h. Verbs run one at a time in the writer's thread; while one runs,
 * batches from peers wait in the network's bounded queue.
 */
#include "node/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/cmd.h"
#include "node/files.h"
#include "node/local.h"

#define TEND_DELAY_MS   1000u /* PROTOCOL.md 7.5: at most a second after a batch */
#define IDLE_MS         60000u
#define FULL_STEP_MS    100 /* between two looks for a descriptor */
#define TEND_RETRY_MS   30000u
#define UPDATE_RETRY_MS 3000u /* until then who has just started may not sign */
#define COMPARE_STEP_MS 50
#define EVENTS_A_ROUND  64u

struct daemon {
    struct hark_node *node;
    struct hark_net *net;
    int listen_fd, signal_fd;
    uint64_t tend_at_ms;   /* 0: nothing to tend */
    uint64_t update_at_ms; /* 0: the network need not be told anything by itself */
    bool stop;
};

static void complain(const char *what, const struct hark_err *err)
{
    (void)fprintf(stderr, "harkd: %s: %s (%s)\n", what, err->message, hark_err_name(err->code));
}

static void tend_later(struct daemon *d)
{
    if (d->tend_at_ms == 0)
        d->tend_at_ms = hark_timer_ms() + TEND_DELAY_MS;
}

static void tend(struct daemon *d)
{
    struct hark_err err = {0};

    if (d->tend_at_ms == 0 || hark_timer_ms() < d->tend_at_ms)
        return;
    d->tend_at_ms = 0;
    for (size_t i = 0; i < d->node->space_count; i++) {
        uint64_t erasures = hark_space_erasures(d->node->spaces[i]);

        if (hark_space_tend(d->node->spaces[i], &err) < 0) {
            complain("tending a space", &err);
            d->tend_at_ms = hark_timer_ms() + TEND_RETRY_MS;
        }
        if (hark_space_erasures(d->node->spaces[i]) != erasures)
            hark_net_reopen(d->net);
    }
}

/* --- the network ------------------------------------------------------------------- */

static void update_net(struct daemon *d)
{
    struct hark_err err = {0};

    d->update_at_ms = 0;
    if (hark_net_update(d->net, d->node, &d->update_at_ms, &err) < 0) {
        complain("telling the network", &err);
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
            event.type == HARK_NET_JOIN)
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

static int run_request(struct daemon *d, const struct hark_local_request *request, FILE *out,
                       FILE *errs)
{
    const char *rest[HARK_ARGS_MAX + 1] = {0};
    struct hark_cmd cmd = {.argv = rest,
                           .out = out,
                           .err = errs,
                           .cwd = request->cwd,
                           .input = hark_buf_span(&request->input),
                           .progress = request->progress,
                           .node = d->node,
                           .net = d->net};
    const struct hark_verb *verb;
    struct hark_err err = {0};
    int exit_code;

    if (hark_args_parse(request->argc, request->argv, &cmd.globals, rest, &cmd.argc, &err) < 0)
        return hark_cmd_fail(errs, cmd.globals.json, &err);
    verb = cmd.argc > 0 ? hark_verb_find(rest[0]) : NULL;
    if (verb == NULL || verb->needs == HARK_VERB_NO_NODE) {
        (void)hark_err_set(&err, HARK_E_USAGE, "not a verb for a daemon");
        return hark_cmd_fail(errs, cmd.globals.json, &err);
    }
    wait_until_compared(d);
    exit_code = hark_cmd_run(&cmd, verb);
    if (cmd.changed) {
        tend_later(d);
        update_net(d);
    }
    return exit_code;
}

static void serve_connection(struct daemon *d, int fd)
{
    struct hark_local_request request;
    struct hark_err err = {0};
    FILE *out, *errs;
    int exit_code = hark_err_exit(HARK_E_NO_MEMORY);

    if (hark_local_read(fd, &request, &err) < 0) {
        complain("the local socket", &err);
        return;
    }
    out = hark_local_stream(fd, 'O');
    errs = hark_local_stream(fd, 'E');
    if (out != NULL && errs != NULL)
        exit_code = run_request(d, &request, out, errs);
    /* What could not be delivered, nobody is there to hear. */
    if (out != NULL)
        (void)fclose(out);
    if (errs != NULL)
        (void)fclose(errs);
    hark_local_exit(fd, exit_code);
    hark_local_request_free(&request);
}

static void serve_local(struct daemon *d)
{
    int fd = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        /* Out of descriptors: poll would say at once that somebody waits. Or gone again. */
        if (errno == EMFILE || errno == ENFILE)
            (void)poll(NULL, 0, FULL_STEP_MS);
        return;
    }
    serve_connection(d, fd);
    (void)close(fd);
}

static void serve_signal(struct daemon *d)
{
    struct signalfd_siginfo info;

    if (read(d->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        d->stop = true;
}

/* --- the loop ------------------------------------------------------------------------ */

static int loop(struct daemon *d, struct hark_err *err)
{
    while (!d->stop) {
        struct pollfd fds[] = {{.fd = d->signal_fd, .events = POLLIN},
                               {.fd = hark_net_fd(d->net), .events = POLLIN},
                               {.fd = d->listen_fd, .events = POLLIN}};
        uint64_t now = hark_timer_ms();
        uint64_t wait = IDLE_MS;

        if (d->tend_at_ms != 0)
            wait = d->tend_at_ms > now ? d->tend_at_ms - now : 0;
        if (d->update_at_ms != 0 && d->update_at_ms < now + wait)
            wait = d->update_at_ms > now ? d->update_at_ms - now : 0;
        if (poll(fds, 3, (int)wait) < 0 && errno != EINTR)
            return hark_err_errno(err, errno, "poll");
        if (fds[0].revents != 0)
            serve_signal(d);
        if (fds[1].revents != 0)
            serve_net(d);
        if (fds[2].revents != 0)
            serve_local(d);
        if (d->update_at_ms != 0 && hark_timer_ms() >= d->update_at_ms)
            update_net(d);
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

    if (rc == 0)
        rc = open_spaces(node, err);
    if (rc == 0)
        rc = hark_net_start(&d.net, node, true, node->bound, err);
    if (rc == 0)
        rc = hark_local_listen(&d.listen_fd, node->dir, err);
    if (rc == 0) {
        update_net(&d);
        if (options->ready != NULL)
            options->ready(options->arg, node->bound);
        rc = loop(&d, err);
        remove_socket(node);
    }
    hark_net_stop(d.net);
    for (size_t i = 0; i < node->space_count && rc == 0; i++)
        rc = hark_space_tend(node->spaces[i], err);
    if (d.listen_fd >= 0)
        (void)close(d.listen_fd);
    if (d.signal_fd >= 0)
        (void)close(d.signal_fd);
    return rc;
}
