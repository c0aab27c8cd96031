/*
 * hark audit: a repository verified from nothing but itself. Needs no node: whoever
 * has the repository, or a clone of it, can run it.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node/audit.h"
#include "node/cmd_internal.h"
#include "node/files.h"

/* --- which repository --------------------------------------------------------------- */

static bool is_folder(const char *path, const char *name)
{
    char full[HARK_PATH_MAX];
    struct stat st;

    return hark_path_join(full, path, name, NULL) == 0 && stat(full, &st) == 0 &&
           S_ISDIR(st.st_mode);
}

/* "<64 hex>.git" that begins with what -s names. */
static bool is_space(const char *name, const char *wanted)
{
    return strlen(name) == 68 && strspn(name, "0123456789abcdef") == 64 &&
           strcmp(name + 64, ".git") == 0 &&
           (wanted == NULL || strncmp(name, wanted, strlen(wanted)) == 0);
}

/* The one space of a data directory, or the one that -s names. */
static int find_space(struct hark_cmd *cmd, char path[HARK_PATH_MAX], struct hark_err *err)
{
    char spaces[HARK_PATH_MAX], found[80] = "";
    struct dirent *entry;
    size_t count = 0;
    DIR *folder;
    int rc = hark_path_join(spaces, path, "spaces", err);

    if (rc < 0)
        return rc;
    folder = opendir(spaces);
    if (folder == NULL)
        return hark_err_set(err, HARK_E_NOT_FOUND, "%s cannot be read", spaces);
    while ((entry = readdir(folder)) != NULL) {
        if (is_space(entry->d_name, cmd->globals.space) && count++ == 0)
            (void)snprintf(found, sizeof(found), "%.68s", entry->d_name);
    }
    (void)closedir(folder);
    if (count > 1) {
        (void)hark_err_set(err, HARK_E_AMBIGUOUS, "%zu spaces are there", count);
        hark_err_hint(err, "-s SPACE says which, or the path of its repository");
        return HARK_E_AMBIGUOUS;
    }
    if (count == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "no such space is in %s", spaces);
    return hark_path_join(path, spaces, found, err);
}

/* A bare repository, a clone with its .git, or a node's data directory. Anything else
 * is left as it is, and found to be no repository. */
static int find_repository(struct hark_cmd *cmd, const char *argument, char path[HARK_PATH_MAX],
                           struct hark_err *err)
{
    char clone[HARK_PATH_MAX];
    int rc = hark_cmd_path(cmd, argument, path, err);

    if (rc < 0 || is_folder(path, "objects"))
        return rc;
    if (is_folder(path, ".git")) {
        rc = hark_path_join(clone, path, ".git", err);
        if (rc == 0)
            memcpy(path, clone, sizeof(clone));
        return rc;
    }
    return is_folder(path, "spaces") ? find_space(cmd, path, err) : 0;
}

/* --- for people ------------------------------------------------------------------------ */

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL ? text : "";
}

static json_int_t number_of(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

static const char *verdict_words(enum hark_audit_verdict verdict)
{
    switch (verdict) {
    case HARK_AUDIT_WELL:
        return "well: everything that is here is as it must be";
    case HARK_AUDIT_UNSETTLED:
        return "unsettled: nothing is wrong, and something is still to come";
    case HARK_AUDIT_HOME:
        return "the home's fault: it has signed what must not be";
    case HARK_AUDIT_PARTNER:
        return "a partner's fault: it has signed what must not be";
    case HARK_AUDIT_UNREADABLE:
        break;
    }
    return "unreadable: something is missing, damaged, or signed by nobody";
}

static void print_finding(FILE *out, const json_t *finding)
{
    const json_t *position = json_object_get(finding, "position");
    const json_t *culprit = json_object_get(finding, "culprit");
    const json_t *proof;
    size_t i;

    (void)fprintf(out, "  %s", text_of(finding, "name"));
    (void)fprintf(out, ", %s", text_of(finding, "log"));
    if (json_is_integer(position))
        (void)fprintf(out, " position %" JSON_INTEGER_FORMAT, json_integer_value(position));
    if (json_is_string(json_object_get(finding, "entry")))
        (void)fprintf(out, ", entry %.12s", text_of(finding, "entry"));
    (void)fputs(": ", out);
    hark_print_line(out, text_of(finding, "detail"));
    (void)fputc('\n', out);
    if (json_is_object(culprit))
        (void)fprintf(out, "    signed by the %s's key %.16s\n", text_of(culprit, "role"),
                      text_of(culprit, "key"));
    json_array_foreach(json_object_get(finding, "evidence"), i, proof)
    {
        (void)fprintf(out, "    see commit %s\n", json_string_value(proof));
    }
}

static void print_unacknowledged(FILE *out, const json_t *list)
{
    const json_t *one, *name;
    size_t i, k;

    if (json_array_size(list) > 0)
        (void)fputs("\nerasures that were not said to be carried out:\n", out);
    json_array_foreach(list, i, one)
    {
        (void)fprintf(out, "  position %" JSON_INTEGER_FORMAT ", by", number_of(one, "position"));
        json_array_foreach(json_object_get(one, "nodes"), k, name)
        {
            (void)fprintf(out, "%s %s", k > 0 ? "," : "", json_string_value(name));
        }
        (void)fputc('\n', out);
    }
}

static void print_checked(FILE *out, const json_t *json)
{
    const json_t *checked = json_object_get(json, "checked");

    (void)fprintf(out,
                  "\nchecked, from the repository alone:\n"
                  "  %" JSON_INTEGER_FORMAT " entries; %" JSON_INTEGER_FORMAT
                  " signatures of entries and batches\n"
                  "  %" JSON_INTEGER_FORMAT " payloads; %" JSON_INTEGER_FORMAT " erased\n"
                  "  %" JSON_INTEGER_FORMAT " checkpoints, %" JSON_INTEGER_FORMAT " cosignatures\n",
                  number_of(checked, "entries"), number_of(checked, "signatures"),
                  number_of(checked, "payloads"), number_of(checked, "erased"),
                  number_of(checked, "checkpoints"), number_of(checked, "cosignatures"));
}

static void print_audit(struct hark_cmd *cmd, const json_t *json, enum hark_audit_verdict verdict)
{
    const json_t *findings = json_object_get(json, "findings"), *finding;
    FILE *out = cmd->out;
    size_t i;

    (void)fprintf(out, "%s\n", verdict_words(verdict));
    if (json_array_size(findings) > 0)
        (void)fputs("\nfindings:\n", out);
    json_array_foreach(findings, i, finding)
    {
        print_finding(out, finding);
    }
    if (json_object_get(json, "findings_omitted") != NULL)
        (void)fprintf(out, "  and %" JSON_INTEGER_FORMAT " more\n",
                      number_of(json, "findings_omitted"));
    print_unacknowledged(out, json_object_get(json, "unacknowledged"));
    print_checked(out, json);
    if (json_is_string(json_object_get(json, "space")))
        (void)fprintf(out, "\nspace %s\n", text_of(json, "space"));
    if (json_is_string(json_object_get(json, "root")))
        (void)fprintf(out, "%s, size %" JSON_INTEGER_FORMAT ", root %s\n", text_of(json, "origin"),
                      number_of(json, "size"), text_of(json, "root"));
}

/* --- the verb ---------------------------------------------------------------------------- */

static int run_audit(struct hark_cmd *cmd, const char *path, struct hark_err *err)
{
    enum hark_audit_verdict verdict = HARK_AUDIT_UNREADABLE;
    struct hark_pool *pool = NULL;
    json_t *json = NULL;
    int rc = hark_git_init(err);

    if (rc == 0)
        rc = hark_pool_new(&pool, 0, err);
    if (rc == 0)
        rc = hark_audit(path, pool, hark_now_ms(), &json, &verdict, err);
    hark_pool_free(pool);
    if (rc < 0)
        return rc;
    cmd->exit_code = (int)verdict;
    if (cmd->globals.json)
        return hark_print_json(cmd->out, json, err);
    if (!cmd->globals.quiet)
        print_audit(cmd, json, verdict);
    json_decref(json);
    return 0;
}

int hark_cmd_audit(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *resume = NULL, *html = NULL, *report = NULL;
    const struct hark_option options[] = {
        {.name = "resume", .value = &resume},
        {.name = "html", .value = &html},
        {.name = "report", .flag = true, .value = &report},
    };
    char path[HARK_PATH_MAX];
    int rc = hark_cmd_options(cmd, options, sizeof(options) / sizeof(options[0]), 1, 1, err);

    if (rc < 0)
        return rc;
    if (resume != NULL || html != NULL)
        return hark_err_set(err, HARK_E_UNSUPPORTED,
                            "--resume and --html are not here yet: an audit begins at the "
                            "beginning, and is printed");
    rc = find_repository(cmd, cmd->argv[1], path, err);
    return rc < 0 ? rc : run_audit(cmd, path, err);
}
