/*
 * hark device: one more key for a person, or one fewer. hark key: whose keys are
 * here.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/cmd_internal.h"
#include "node/files.h"

#define LABEL_TRIES 32
#define PEOPLE_MAX  65536u

/* --- device ----------------------------------------------------------------------- */

/* The label asked for, or the person's with a number behind. */
static int make_device_key(struct hark_cmd *cmd, const char *wanted, const char *person,
                           char label[HARK_LABEL_MAX + 1], struct hark_err *err)
{
    int rc = HARK_E_EXISTS;

    if (wanted != NULL) {
        if (!hark_label_valid(wanted))
            return hark_err_set(err, HARK_E_USAGE, "a label is 1 to %u letters, digits and . _ - @",
                                HARK_LABEL_MAX);
        hark_copy_text(label, HARK_LABEL_MAX + 1, wanted);
        return hark_node_new_person(cmd->node, label, err);
    }
    for (int i = 2; i < LABEL_TRIES && rc == HARK_E_EXISTS; i++) {
        if (snprintf(label, HARK_LABEL_MAX + 1, "%.50s-%d", person, i) < 0)
            continue;
        rc = hark_node_new_person(cmd->node, label, err);
    }
    return rc;
}

static void drop_device_key(struct hark_cmd *cmd, const char *label)
{
    char people[HARK_PATH_MAX], path[HARK_PATH_MAX];

    if (hark_path_join(people, cmd->node->dir, "keys/people", NULL) == 0 &&
        hark_path_join(path, people, label, NULL) == 0)
        (void)unlink(path);
}

/* The entry that brings the key `label` for the person. */
static int log_device(struct hark_cmd *cmd, struct hark_space *space,
                      const struct hark_person *person, const char *label, char key[HARK_HEX_SIZE],
                      struct hark_logged *logged, struct hark_err *err)
{
    struct hark_author device = {0};
    json_t *fields =
        json_pack("{s:s, s:I}", "action", "add", "member", (json_int_t)person->ordinal);
    int rc = hark_node_person(cmd->node, hark_space_id(space), label, &device, NULL, err);

    if (rc == 0 && fields != NULL)
        rc = hark_join_fields(space, &device, NULL, fields, err);
    if (rc < 0) {
        json_decref(fields);
    } else {
        hark_key_hex(key, hark_signer_key(device.sign));
        rc = hark_cmd_steward(cmd, space, &person->author, "device", "device", fields, logged, err);
    }
    hark_author_free(&device);
    return rc;
}

static int device_add(struct hark_cmd *cmd, struct hark_err *err)
{
    const char *wanted = NULL;
    const struct hark_option options[] = {{.name = "label", .value = &wanted}};
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged;
    char label[HARK_LABEL_MAX + 1], key[HARK_HEX_SIZE];
    int rc = hark_cmd_options(cmd, options, 1, 0, 0, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, false, &person, err);
    if (rc == 0)
        rc = make_device_key(cmd, wanted, person.label, label, err);
    if (rc == 0) {
        rc = log_device(cmd, space, &person, label, key, &logged, err);
        if (hark_err_exit(rc) == 3 && !cmd->changed)
            drop_device_key(cmd, label);
    }
    if (rc == 0)
        rc =
            hark_cmd_print_logged(cmd, space, "device", &logged,
                                  json_pack("{s:I, s:s, s:s}", "member", (json_int_t)person.ordinal,
                                            "key", key, "label", label),
                                  err);
    if (rc == 0 && !cmd->globals.json && !cmd->globals.quiet)
        (void)fprintf(cmd->out, "key %s; write with --as %s\n", key, label);
    hark_author_free(&person.author);
    return rc;
}

static int device_rm(struct hark_cmd *cmd, struct hark_err *err)
{
    struct hark_key_object key = {0};
    struct hark_person person = {0};
    struct hark_space *space = NULL;
    struct hark_logged logged;
    uint32_t number = 0;
    int rc = hark_cmd_options(cmd, NULL, 0, 1, 1, err);

    if (rc == 0)
        rc = hark_cmd_space(cmd, &space, err);
    if (rc == 0)
        rc = hark_cmd_key(space, cmd->argv[1], &number, &key, err);
    if (rc == 0 && key.of != HARK_KEY_OF_MEMBER)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "%s is no member's key", cmd->argv[1]);
    if (rc == 0)
        rc = hark_cmd_as(cmd, space, false, &person, err);
    if (rc == 0 && key.owner != person.ordinal && person.member.role != HARK_ROLE_STAFF)
        rc = hark_err_set(err, HARK_E_VOID_ROLE, "only staff may end another member's key");
    if (rc == 0)
        rc = hark_cmd_steward(cmd, space, &person.author, "device", "device",
                              json_pack("{s:s, s:I, s:o}", "action", "remove", "member",
                                        (json_int_t)key.owner, "key",
                                        hark_out_hex(key.key.bytes, HARK_KEY_SIZE)),
                              &logged, err);
    if (rc == 0)
        rc = hark_cmd_print_logged(cmd, space, "device", &logged,
                                   json_pack("{s:I, s:o}", "member", (json_int_t)key.owner, "key",
                                             hark_out_hex(key.key.bytes, HARK_KEY_SIZE)),
                                   err);
    hark_author_free(&person.author);
    return rc;
}

int hark_cmd_device(struct hark_cmd *cmd, struct hark_err *err)
{
    static const struct hark_subverb subverbs[] = {{"add", device_add}, {"rm", device_rm}};

    return hark_cmd_dispatch(cmd, subverbs, sizeof(subverbs) / sizeof(subverbs[0]), NULL, err);
}

/* --- key ls ------------------------------------------------------------------------- */

struct label {
    char text[HARK_LABEL_MAX + 1];
};

static int compare_labels(const void *a, const void *b)
{
    const struct label *left = a, *right = b;

    return strcmp(left->text, right->text);
}

static int read_labels(DIR *dir, struct label **out, size_t *count, struct hark_err *err)
{
    size_t capacity = 0;
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        if (!hark_label_valid(entry->d_name))
            continue;
        if (*count == capacity) {
            size_t wanted = capacity == 0 ? 64 : 2 * capacity;
            struct label *grown =
                wanted <= PEOPLE_MAX ? realloc(*out, wanted * sizeof(**out)) : NULL;

            if (grown == NULL)
                return hark_err_set(err, HARK_E_LIMIT, "more than %u people", PEOPLE_MAX);
            *out = grown;
            capacity = wanted;
        }
        hark_copy_text((*out)[(*count)++].text, HARK_LABEL_MAX + 1, entry->d_name);
    }
    if (*count > 0)
        qsort(*out, *count, sizeof(**out), compare_labels);
    return 0;
}

/* The member whose key it is, if any. */
static int look_up_member(struct hark_space *space, const struct hark_key *key, bool *found,
                          struct hark_key_object *object, struct hark_err *err)
{
    uint32_t number = 0;
    int rc = hark_state_find_key(hark_space_state(space), key, found, &number, err);

    if (rc == 0 && *found)
        rc = hark_state_key(hark_space_state(space), number, object, err);
    if (rc == 0 && *found)
        *found = object->of == HARK_KEY_OF_MEMBER;
    return rc;
}

static int show_key(struct hark_cmd *cmd, struct hark_space *space, const char *label,
                    struct hark_err *err)
{
    struct hark_author author = {0};
    struct hark_key_object object = {0};
    char key[HARK_HEX_SIZE], id[HARK_HEX_SIZE], name[HARK_NAME_SIZE] = "";
    bool found = false;
    int rc = hark_node_person(cmd->node, hark_space_id(space), label, &author, NULL, err);

    if (rc < 0)
        return rc;
    hark_key_hex(key, hark_signer_key(author.sign));
    hark_hash_hex(id, hark_space_id(space));
    rc = look_up_member(space, hark_signer_key(author.sign), &found, &object, err);
    hark_author_free(&author);
    if (rc == 0 && found)
        rc = hark_cmd_name(space, object.owner, name, err);
    if (rc < 0)
        return rc;
    if (cmd->globals.json)
        return hark_print_json(
            cmd->out,
            json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "format", "hark/key/1", "label", label,
                      "space", id, "key", key, "member",
                      found ? json_integer(object.owner) : json_null(), "name",
                      found ? hark_out_text(name) : json_null(), "ended",
                      found ? json_boolean(object.until != HARK_NONE) : json_null()),
            err);
    (void)fprintf(cmd->out, "%-16s  %.12s  %s  ", label, id, key);
    if (!found)
        (void)fputs("no member", cmd->out);
    else if (object.until != HARK_NONE)
        (void)fputs("ended", cmd->out);
    else
        hark_print_line(cmd->out, name);
    (void)fputc('\n', cmd->out);
    return 0;
}

static int show_keys(struct hark_cmd *cmd, const struct hark_hash *id, const struct label *labels,
                     size_t count, struct hark_err *err)
{
    struct hark_space *space = NULL;
    int rc = hark_node_space(cmd->node, id, &space, err);

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = show_key(cmd, space, labels[i].text, err);
    return rc;
}

int hark_cmd_key_ls(struct hark_cmd *cmd, struct hark_err *err)
{
    struct label *labels = NULL;
    struct hark_hash *ids = NULL;
    struct hark_space *space = NULL;
    char path[HARK_PATH_MAX];
    size_t count = 0, space_count = 0;
    DIR *dir = NULL;
    int rc = hark_cmd_options(cmd, NULL, 0, 0, 0, err);

    if (rc == 0)
        rc = hark_path_join(path, cmd->node->dir, "keys/people", err);
    if (rc < 0)
        return rc;
    dir = opendir(path);
    if (dir == NULL)
        return hark_err_errno(err, errno, "%s", path);
    rc = read_labels(dir, &labels, &count, err);
    (void)closedir(dir);
    if (rc == 0 && cmd->globals.space != NULL) {
        rc = hark_cmd_space(cmd, &space, err);
        if (rc == 0)
            rc = show_keys(cmd, hark_space_id(space), labels, count, err);
    } else if (rc == 0) {
        rc = hark_node_spaces(cmd->node, &ids, &space_count, err);
        for (size_t i = 0; i < space_count && rc == 0; i++)
            rc = show_keys(cmd, &ids[i], labels, count, err);
    }
    free(ids);
    free(labels);
    return rc;
}
