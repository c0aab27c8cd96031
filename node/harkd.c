/*
 * harkd: serves a node's directory. In the background by default, with its
 * messages in DIR/harkd.log; -d stays in front, -n only checks the configuration.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node/cmd.h"
#include "node/daemon.h"
#include "node/files.h"

#define DESCRIPTORS 65536u

struct options {
    const char *dir;
    bool check, front;
};

static int usage(void)
{
    (void)fputs("usage: harkd [-C DIR] [-d | -n]\n"
                "  -C DIR  the node's directory (default: $HARK_DIR, else the current one)\n"
                "  -d      stay in front, with messages on standard error\n"
                "  -n      check the configuration and go\n",
                stderr);
    return 2;
}

static bool parse(int argc, char **argv, struct options *options)
{
    int c;

    options->dir = getenv("HARK_DIR");
    while ((c = getopt(argc, argv, "C:dn")) != -1) {
        if (c == 'C')
            options->dir = optarg;
        else if (c == 'd')
            options->front = true;
        else if (c == 'n')
            options->check = true;
        else
            return false;
    }
    if (options->dir == NULL)
        options->dir = ".";
    return optind == argc;
}

static int check_config(const char *dir, struct hark_err *err)
{
    struct hark_buf yaml = hark_buf_init(HARK_CONFIG_MAX);
    struct hark_config *config = NULL;
    char path[HARK_PATH_MAX];
    int rc = hark_path_join(path, dir, "hark.yaml", err);

    if (rc == 0)
        rc = hark_file_read(path, &yaml, err);
    if (rc == 0)
        rc = hark_config_parse(&config, hark_buf_span(&yaml), path, err);
    hark_config_free(config);
    hark_buf_free(&yaml);
    return rc;
}

/* The parent waits on a pipe until the child listens or has failed; the child
 * leaves the terminal when it has its keys. Returns the pipe's end to write to, or -1. */
static int go_to_background(const char *dir, int *ready_fd, struct hark_err *err)
{
    char path[HARK_PATH_MAX], byte;
    int ends[2], log_fd, null_fd;
    pid_t pid;
    int rc = hark_path_join(path, dir, "harkd.log", err);

    if (rc < 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return hark_err_errno(err, errno, "pipe");
    pid = fork();
    if (pid < 0)
        return hark_err_errno(err, errno, "fork");
    if (pid > 0) {
        (void)close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 1 ? 0 : 2); /* the child has said why */
    }
    (void)close(ends[0]);
    log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log_fd < 0 || null_fd < 0)
        return hark_err_errno(err, errno, "%s", path);
    (void)dup2(null_fd, STDIN_FILENO);
    (void)dup2(null_fd, STDOUT_FILENO);
    *ready_fd = ends[1];
    /* Standard error goes to the log once it is known that all is well. */
    return log_fd;
}

struct ready {
    int fd, log_fd;
};

static void on_ready(void *arg, const char *bound, const char *http)
{
    const struct ready *ready = arg;

    if (ready->log_fd >= 0)
        (void)dup2(ready->log_fd, STDERR_FILENO);
    if (bound[0] != '\0')
        (void)fprintf(stderr, "harkd: listening on %s\n", bound);
    else
        (void)fprintf(stderr, "harkd: running, not listening\n");
    if (http[0] != '\0')
        (void)fprintf(stderr, "harkd: serving %s\n", http);
    if (ready->fd >= 0) {
        (void)!write(ready->fd, "r", 1);
        (void)close(ready->fd);
    }
}

static int run(const struct options *options, struct hark_err *err)
{
    struct ready ready = {.fd = -1, .log_fd = -1};
    struct hark_daemon_options daemon = {.ready = on_ready, .arg = &ready};
    struct hark_node *node = NULL;
    int rc = hark_crypto_init(err);

    if (rc == 0)
        rc = check_config(options->dir, err);
    if (rc < 0)
        return rc;
    if (options->check) {
        (void)printf("the configuration in %s is well formed\n", options->dir);
        return 0;
    }
    if (!options->front) {
        ready.log_fd = go_to_background(options->dir, &ready.fd, err);
        if (ready.log_fd < 0)
            return ready.log_fd;
    }
    rc = hark_node_open(&node, options->dir, true, err);
    /* Not before: the passphrase may have to be asked for at the terminal. */
    if (!options->front)
        (void)setsid();
    if (rc == 0)
        rc = hark_daemon_run(node, &daemon, err);
    hark_node_free(node);
    return rc;
}

/* A connection takes several descriptors; the usual limit of 1,024 is soon reached. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct hark_err err = {0};

    if (!parse(argc, argv, &options))
        return usage();
    raise_limit();
    if (run(&options, &err) < 0)
        return hark_cmd_fail(stderr, false, &err);
    return 0;
}
