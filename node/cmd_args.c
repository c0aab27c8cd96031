/*
 * Arguments: globals before anything else, then each verb's own options. Nothing
 * here allocates; argv is rearranged in place.
 */
#include <stdlib.h>
#include <string.h>

#include "node/cmd_internal.h"
#include "schemas/config.h"

#define DATE_SIZE 10u
#define DAY_MS    UINT64_C(86400000)

/* --- globals ----------------------------------------------------------------- */

/* "--name VALUE" or "--name=VALUE"; *value NULL when `arg` is another option.
 * *at moves on to the argument that was used up. */
static int global_value(int argc, const char *const *argv, int *at, const char *name,
                        const char **value, struct hark_err *err)
{
    const char *arg = argv[*at];
    size_t size = strlen(name);

    *value = NULL;
    if (arg == NULL || strncmp(arg, name, size) != 0)
        return 0;
    if (arg[size] == '=' && size > 2) {
        *value = arg + size + 1;
        return 0;
    }
    if (arg[size] != '\0')
        return 0;
    if (*at + 1 >= argc)
        return hark_err_set(err, HARK_E_USAGE, "%s wants a value", name);
    *value = argv[++*at];
    return 0;
}

static bool global_flag(const char *arg, struct hark_globals *globals)
{
    if (strcmp(arg, "--json") == 0)
        globals->json = true;
    else if (strcmp(arg, "-q") == 0 || strcmp(arg, "--quiet") == 0)
        globals->quiet = true;
    else if (strcmp(arg, "-v") == 0 || strcmp(arg, "--verbose") == 0)
        globals->verbose = true;
    else
        return false;
    return true;
}

/* *taken tells whether argv[*at] (and the one after it) was a global. */
static int take_global(int argc, const char *const *argv, int *at, struct hark_globals *globals,
                       bool *taken, struct hark_err *err)
{
    struct {
        const char *name;
        const char **value;
    } const texts[] = {{"-C", &globals->dir}, {"-s", &globals->space}, {"--as", &globals->as}};
    const char *value = NULL;
    int rc;

    *taken = global_flag(argv[*at], globals);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !*taken; i++) {
        rc = global_value(argc, argv, at, texts[i].name, &value, err);
        if (rc < 0)
            return rc;
        *taken = value != NULL;
        if (*taken)
            *texts[i].value = value;
    }
    if (*taken)
        return 0;
    rc = global_value(argc, argv, at, "--at", &value, err);
    if (rc < 0 || value == NULL)
        return rc;
    *taken = globals->has_at = true;
    return hark_cmd_number(value, HARK_NUMBER_MAX, "--at", &globals->at, err);
}

int hark_args_parse(int argc, const char *const *argv, struct hark_globals *globals,
                    const char **rest, int *rest_count, struct hark_err *err)
{
    const char *dir = getenv("HARK_DIR");
    bool plain = false;
    int count = 0;

    memset(globals, 0, sizeof(*globals));
    globals->dir = dir != NULL && dir[0] != '\0' ? dir : ".";
    /* Looked for first, so that errors in what stands before it are told alike. */
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        globals->json = globals->json || strcmp(argv[i], "--json") == 0;
    for (int i = 0; i < argc; i++) {
        bool taken = false;

        plain = plain || strcmp(argv[i], "--") == 0;
        if (!plain) {
            int rc = take_global(argc, argv, &i, globals, &taken, err);

            if (rc < 0)
                return rc;
        }
        if (taken)
            continue;
        if (count == (int)HARK_ARGS_MAX)
            return hark_err_set(err, HARK_E_USAGE, "more than %u arguments", HARK_ARGS_MAX);
        rest[count++] = argv[i];
    }
    *rest_count = count;
    return 0;
}

/* --- options of a verb --------------------------------------------------------- */

static int set_option(const struct hark_option *option, const char *value, struct hark_err *err)
{
    if (option->list != NULL) {
        if (*option->list_count == option->list_max)
            return hark_err_set(err, HARK_E_USAGE, "more than %zu of --%s", option->list_max,
                                option->name);
        option->list[(*option->list_count)++] = value;
        return 0;
    }
    if (*option->value != NULL)
        return hark_err_set(err, HARK_E_USAGE, "--%s is given twice", option->name);
    *option->value = value;
    return 0;
}

/* argv[*at] begins with "--". */
static int take_option(const struct hark_cmd *cmd, int *at, const struct hark_option *options,
                       size_t count, struct hark_err *err)
{
    const char *text = cmd->argv[*at] + 2;
    size_t size = strcspn(text, "=");

    for (size_t i = 0; i < count; i++) {
        const struct hark_option *option = &options[i];

        if (strncmp(text, option->name, size) != 0 || option->name[size] != '\0')
            continue;
        if (option->flag) {
            if (text[size] == '=')
                return hark_err_set(err, HARK_E_USAGE, "--%s takes no value", option->name);
            return set_option(option, option->name, err);
        }
        if (text[size] == '=')
            return set_option(option, text + size + 1, err);
        if (*at + 1 >= cmd->argc)
            return hark_err_set(err, HARK_E_USAGE, "--%s wants a value", option->name);
        return set_option(option, cmd->argv[++*at], err);
    }
    return hark_err_set(err, HARK_E_USAGE, "there is no option --%.*s here",
                        (int)(size < 64 ? size : 64), text);
}

int hark_cmd_options(struct hark_cmd *cmd, const struct hark_option *options, size_t count,
                     int min_positionals, int max_positionals, struct hark_err *err)
{
    int kept = 1;
    bool plain = false;

    for (int i = 1; i < cmd->argc; i++) {
        const char *arg = cmd->argv[i];

        if (plain || arg[0] != '-' || arg[1] == '\0') {
            cmd->argv[kept++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            plain = true;
        } else if (arg[1] == '-') {
            int rc = take_option(cmd, &i, options, count, err);

            if (rc < 0)
                return rc;
        } else {
            return hark_err_set(err, HARK_E_USAGE, "there is no option %.64s here", arg);
        }
    }
    cmd->argc = kept;
    if (kept - 1 < min_positionals)
        return hark_err_set(err, HARK_E_USAGE, "something is missing");
    if (kept - 1 > max_positionals)
        return hark_err_set(err, HARK_E_USAGE, "%.64s is too much here",
                            cmd->argv[max_positionals + 1]);
    return 0;
}

int hark_cmd_dispatch(struct hark_cmd *cmd, const struct hark_subverb *subverbs, size_t count,
                      int (*other)(struct hark_cmd *cmd, struct hark_err *err),
                      struct hark_err *err)
{
    const char *name = cmd->argc > 1 ? cmd->argv[1] : "";

    for (size_t i = 0; i < count; i++) {
        if (strcmp(subverbs[i].name, name) == 0) {
            cmd->argv++;
            cmd->argc--;
            return subverbs[i].run(cmd, err);
        }
    }
    if (other != NULL)
        return other(cmd, err);
    if (name[0] == '\0')
        return hark_err_set(err, HARK_E_USAGE, "%s what?", cmd->argv[0]);
    return hark_err_set(err, HARK_E_USAGE, "there is no %s %.64s", cmd->argv[0], name);
}

int hark_cmd_unsupported(struct hark_cmd *cmd, struct hark_err *err)
{
    int rc = hark_err_set(err, HARK_E_UNSUPPORTED, "%s is not supported here yet", cmd->argv[0]);

    hark_err_hint(err, "`hark help` lists what this version does");
    return rc;
}

/* --- values ------------------------------------------------------------------- */

int hark_cmd_number(const char *text, uint64_t max, const char *what, uint64_t *out,
                    struct hark_err *err)
{
    if (hark_decimal_decode(out, hark_span_str(text), max, NULL) < 0)
        return hark_err_set(err, HARK_E_USAGE, "%s: a number from 0 to %llu is wanted, not %.64s",
                            what, (unsigned long long)max, text);
    return 0;
}

int hark_cmd_time(const char *text, bool ends, uint64_t *time_ms, struct hark_err *err)
{
    char whole[HARK_TIME_SIZE + 1];

    if (strlen(text) == DATE_SIZE)
        (void)snprintf(whole, sizeof(whole), "%sT00:00:00.000Z", text);
    else
        (void)snprintf(whole, sizeof(whole), "%.24s", text);
    if ((strlen(text) != DATE_SIZE && strlen(text) != HARK_TIME_SIZE) ||
        hark_time_decode(time_ms, hark_span_str(whole), NULL) < 0)
        return hark_err_set(err, HARK_E_USAGE,
                            "%.64s is no date (2026-11-21) and no time (2026-11-21T10:15:30.123Z)",
                            text);
    if (ends && strlen(text) == DATE_SIZE)
        *time_ms += DAY_MS - 1;
    return 0;
}

int hark_cmd_cohort(const char *text, struct hark_cohort *out, struct hark_err *err)
{
    size_t size = strcspn(text, "=");
    size_t rest = strlen(text) - size;

    if (size == 0 || size >= sizeof(out->dimension) || rest < 2 || rest - 1 >= sizeof(out->value))
        return hark_err_set(err, HARK_E_USAGE, "%.100s is no cohort, such as owner=no", text);
    memset(out, 0, sizeof(*out));
    memcpy(out->dimension, text, size);
    memcpy(out->value, text + size + 1, rest - 1);
    return 0;
}

int hark_cmd_path(const struct hark_cmd *cmd, const char *path, char *out, struct hark_err *err)
{
    int n = path[0] == '/' ? snprintf(out, HARK_PATH_MAX, "%s", path)
                           : snprintf(out, HARK_PATH_MAX, "%s/%s", cmd->cwd, path);

    if (path[0] == '\0' || n <= 0 || (unsigned)n >= HARK_PATH_MAX)
        return hark_err_set(err, HARK_E_USAGE, "the path %.100s is empty or too long", path);
    return 0;
}

bool hark_cmd_is_id(const char *text)
{
    size_t size = strlen(text);

    return size >= 8 && size <= 64 && strspn(text, "0123456789abcdef") == size;
}
