/*
 * hark: the command line. Finds the verb, hands it to the daemon when one runs in
 * the directory, else opens the directory and runs it here.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/cmd.h"
#include "node/files.h"
#include "node/local.h"

static bool wants_input(int argc, const char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-") == 0)
            return true;
    }
    return false;
}

/* The daemon runs it, if there is one: then *done. */
static int try_daemon(const struct hark_cmd *cmd, int argc, const char *const *argv, bool *done,
                      int *exit_code, struct hark_err *err)
{
    int fd = -1;
    int rc = hark_local_connect(&fd, cmd->globals.dir, err);

    *done = rc == 0 && fd >= 0;
    if (!*done)
        return rc;
    return hark_local_call(fd, argc, argv, cmd->cwd, cmd->input, cmd->progress, exit_code, err);
}

/* No file `version`: no node, or none that was finished. */
static bool no_node(const char *dir)
{
    char path[HARK_PATH_MAX];

    return hark_path_join(path, dir, "version", NULL) == 0 && access(path, F_OK) != 0 &&
           errno == ENOENT;
}

static int run_here(struct hark_cmd *cmd, const struct hark_verb *verb, bool alone)
{
    struct hark_err err = {0};
    int exit_code;

    if (!alone && !(verb->needs == HARK_VERB_MAKES && no_node(cmd->globals.dir)) &&
        hark_node_open(&cmd->node, cmd->globals.dir, true, &err) < 0)
        return hark_cmd_fail(cmd->err, cmd->globals.json, &err);
    exit_code = hark_cmd_run(cmd, verb);
    hark_node_free(cmd->node);
    return exit_code;
}

static int run(int argc, const char *const *argv, struct hark_buf *input, char *cwd)
{
    const char *rest[HARK_ARGS_MAX + 1] = {0};
    struct hark_cmd cmd = {.argv = rest, .out = stdout, .err = stderr, .cwd = cwd};
    const struct hark_verb *verb;
    struct hark_err err = {0};
    bool done = false, alone;
    int exit_code = 0;

    if (hark_crypto_init(&err) < 0 ||
        hark_args_parse(argc, argv, &cmd.globals, rest, &cmd.argc, &err) < 0)
        return hark_cmd_fail(stderr, cmd.globals.json, &err);
    verb = hark_verb_find(cmd.argc > 0 ? rest[0] : "help");
    if (verb == NULL) {
        (void)hark_err_set(&err, HARK_E_USAGE, "there is no verb %s", rest[0]);
        hark_err_hint(&err, "`hark help` lists them");
        return hark_cmd_fail(stderr, cmd.globals.json, &err);
    }
    cmd.progress = isatty(STDERR_FILENO) == 1 && !cmd.globals.quiet;
    if (wants_input(cmd.argc, rest) &&
        hark_fd_read(STDIN_FILENO, "standard input", input, &err) < 0)
        return hark_cmd_fail(stderr, cmd.globals.json, &err);
    cmd.input = hark_buf_span(input);
    alone = hark_cmd_no_node(&cmd, verb);
    if (!alone && try_daemon(&cmd, argc, argv, &done, &exit_code, &err) < 0)
        return hark_cmd_fail(stderr, cmd.globals.json, &err);
    return done ? exit_code : run_here(&cmd, verb, alone);
}

/* What was said may have been sealed: neither a stream's buffer nor what functions left on the
 * stack is wiped by itself. */
static char said[BUFSIZ];
#define STACK_USED (256u * 1024u) /* of 8 MiB as a rule; verbs use less than half of that */

int main(int argc, char **argv)
{
    struct hark_buf input = hark_buf_init(HARK_STDIN_MAX);
    char cwd[PATH_MAX];
    int exit_code;

    if (getcwd(cwd, sizeof(cwd)) == NULL) {
        (void)fprintf(stderr, "hark: the current directory: %s\n", strerror(errno));
        return 2;
    }
    (void)setvbuf(stdout, said, isatty(STDOUT_FILENO) == 1 ? _IOLBF : _IOFBF, sizeof(said));
    exit_code = run(argc - 1, (const char *const *)argv + 1, &input, cwd);
    hark_buf_free(&input);
    if (fflush(stdout) != 0 && exit_code == 0)
        exit_code = 4;
    hark_wipe(said, sizeof(said));
    hark_wipe_stack(STACK_USED);
    return exit_code;
}
