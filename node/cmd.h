/*
 * The command line's verbs. A verb is a function over an open node: `hark` runs
 * it in its own process when no daemon runs in the directory, and `harkd` runs
 * it for a `hark` that speaks to its local socket. So a verb must not touch
 * stdin, stdout, stderr, the working directory or exit: all it may use is in
 * struct hark_cmd. The contract of words, exit codes and JSON is the project's
 * command line reference in README.md.
 */
#ifndef HARK_NODE_CMD_H
#define HARK_NODE_CMD_H

#include <stdio.h>

#include "node/author.h"
#include "node/net.h"
#include "node/node.h"

#define HARK_ARGS_MAX  256u
#define HARK_STDIN_MAX (1024u * 1024u) /* bytes that a verb reads as TEXT "-" */

/* Options that every verb takes, wherever they stand before "--". */
struct hark_globals {
    const char *dir;   /* -C; default $HARK_DIR, else "." */
    const char *space; /* -s */
    const char *as;    /* --as */
    bool has_at;       /* --at */
    uint64_t at;
    bool json, quiet, verbose;
};

/* Several verbs' entries as one batch of a home's log: begun for the first of them,
 * committed by who runs them when the last has written; until then nobody is answered. */
struct hark_together {
    struct hark_space *space; /* whose batch it is; NULL: none was begun */
    bool undone;              /* a failure has undone the batch, all entries in it */
    struct hark_err err;      /* which */
};

struct hark_cmd {
    struct hark_globals globals;
    int argc; /* what follows the globals: argv[0] is the verb */
    const char **argv;
    const char *cwd;                /* of the caller, for relative paths */
    struct hark_span input;         /* the caller's standard input, when a "-" stands in argv */
    bool progress;                  /* err is a terminal: progress may be shown there with \r */
    FILE *out, *err;                /* the caller's */
    struct hark_node *node;         /* NULL for verbs that make one */
    struct hark_net *net;           /* NULL when no daemon runs this */
    struct hark_together *together; /* of an HARK_VERB_ENTRY; NULL: it commits by itself */
    /* The verb changed peers, nodes or a log: the daemon tells its network. */
    bool changed;
    int exit_code; /* of a verb that ends well and has codes of its own (audit) */
};

/* What a verb's name stands for. */
struct hark_verb {
    const char *name;
    const char *usage; /* after "hark " */
    const char *help;  /* one line */
    enum {
        HARK_VERB_NO_NODE, /* makes or needs none (init, version) */
        HARK_VERB_NODE,    /* runs over an open node */
        HARK_VERB_ENTRY,   /* the same; writes one entry by hark_cmd_write and nothing else */
        HARK_VERB_NETWORK, /* needs the network: the daemon's, or one of its own (sync) */
        HARK_VERB_FILE,    /* the same, unless hark_cmd_no_node (verify) */
        HARK_VERB_MAKES,   /* the same; makes a node where there is none (cmd->node NULL) */
    } needs;
    /* 0 or an error code; "no" answers are HARK_E_NO with nothing more to say
     * when the message is empty. */
    int (*run)(struct hark_cmd *cmd, struct hark_err *err);
};

const struct hark_verb *hark_verbs(size_t *count);
const struct hark_verb *hark_verb_find(const char *name);

/* Does the verb, called like this, need no node? The file that it is given may be enough, or
 * it works on the node's key files alone. */
bool hark_cmd_no_node(const struct hark_cmd *cmd, const struct hark_verb *verb);

/* Splits argv (without the program's name) into globals and the rest; borrowed
 * pointers, rest holds up to HARK_ARGS_MAX. Error: usage. */
HARK_CHECK int hark_args_parse(int argc, const char *const *argv, struct hark_globals *globals,
                               const char **rest, int *rest_count, struct hark_err *err);

/* Runs the verb with an opened node; prints an error to cmd->err (JSON with
 * --json) and returns the exit code. */
int hark_cmd_run(struct hark_cmd *cmd, const struct hark_verb *verb);
/* Prints an error as the contract says and returns its exit code. */
int hark_cmd_fail(FILE *out, bool json, const struct hark_err *err);

/* --- for verbs ------------------------------------------------------------- */

/* A small option parser: takes "--name VALUE" and "--name=VALUE" and flags out of
 * cmd's arguments. Options must be listed, else usage. What is left are the
 * positionals. "--" ends options. */
struct hark_option {
    const char *name;   /* without the dashes */
    bool flag;          /* takes no value */
    const char **value; /* receives the value (NULL if absent); for a flag, its name */
    const char **list;  /* instead: repeatable, up to list_max values */
    size_t list_max;
    size_t *list_count;
};
HARK_CHECK int hark_cmd_options(struct hark_cmd *cmd, const struct hark_option *options,
                                size_t count, int min_positionals, int max_positionals,
                                struct hark_err *err);

/* The space that -s names, or the only one. */
HARK_CHECK int hark_cmd_space(struct hark_cmd *cmd, struct hark_space **out, struct hark_err *err);
/* Who writes: --as, or the default. */
HARK_CHECK int hark_cmd_person(struct hark_cmd *cmd, struct hark_space *space,
                               struct hark_author *out, struct hark_err *err);
/* Text of a person: the argument, or standard input for "-" (trailing newline
 * dropped). Must be UTF-8. Appends. */
HARK_CHECK int hark_cmd_text(struct hark_cmd *cmd, const char *argument, struct hark_buf *out,
                             struct hark_err *err);
/* The row that an id or its prefix names; of an entry in flight, where the log has none,
 * with position HARK_NONE. */
HARK_CHECK int hark_cmd_row(struct hark_space *space, const char *id, struct hark_row *out,
                            struct hark_err *err);

/* Prints text that a person wrote so that a terminal cannot be tricked: ESC and
 * other C0 (but LF and TAB), DEL, C1, bidi controls and isolates, zero-width and
 * line/paragraph separators are shown as visible <U+XXXX>. */
void hark_print_text(FILE *out, const char *text);
/* One JSON value and LF (compact); takes ownership. no-memory when json is NULL. */
HARK_CHECK int hark_print_json(FILE *out, json_t *json, struct hark_err *err);

#endif
