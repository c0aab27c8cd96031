/*
 * Keys that a node holds for people and for stewards, derived per space from
 * seeds in its key files. PROTOCOL.md 2.3.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/files.h"
#include "node/generations.h"
#include "node/inside.h"
#include "node/node.h"

#define SOURCE_MAX 256u

void hark_author_free(struct hark_author *author)
{
    hark_signer_free(author->sign);
    hark_box_free(author->box);
    author->sign = NULL;
    author->box = NULL;
}

/* The key pairs "sign" and "box" of a member or steward seed. */
static int author_of_seed(const struct hark_seed *seed, struct hark_author *out,
                          struct hark_err *err)
{
    struct hark_seed *child = NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = hark_seed_derive(&child, seed, "sign", (struct hark_span){0}, err);
    if (rc == 0)
        rc = hark_signer_new(&out->sign, child, err);
    hark_seed_free(child);
    child = NULL;
    if (rc == 0)
        rc = hark_seed_derive(&child, seed, "box", (struct hark_span){0}, err);
    if (rc == 0)
        rc = hark_box_new(&out->box, child, err);
    hark_seed_free(child);
    if (rc < 0)
        hark_author_free(out);
    return rc;
}

static int author_derived(const struct hark_seed *parent, const char *label,
                          struct hark_span context, struct hark_author *out, struct hark_err *err)
{
    struct hark_seed *seed = NULL;
    int rc = hark_seed_derive(&seed, parent, label, context, err);

    if (rc == 0)
        rc = author_of_seed(seed, out, err);
    hark_seed_free(seed);
    return rc;
}

/* --- stewards ---------------------------------------------------------------- */

static int steward_path(const struct hark_node *node, const struct hark_hash *space, char *path,
                        struct hark_err *err)
{
    char name[2 * HARK_HASH_SIZE + 16];
    char hex[2 * HARK_HASH_SIZE + 1];

    hark_hash_hex(hex, space);
    (void)snprintf(name, sizeof(name), "steward/%s", hex);
    return hark_path_join(path, node->dir, name, err);
}

int hark_node_new_steward(struct hark_node *node, uint8_t nonce[32], struct hark_author *out,
                          struct hark_err *err)
{
    hark_random(nonce, 32);
    return author_derived(node->seed, "steward", hark_span(nonce, 32), out, err);
}

int hark_node_steward_named(struct hark_node *node, const uint8_t nonce[32],
                            const struct hark_hash *space, struct hark_err *err)
{
    char path[HARK_PATH_MAX], hex[65];
    int rc = steward_path(node, space, path, err);

    if (rc < 0)
        return rc;
    hark_hex_encode(hex, nonce, 32);
    return hark_file_write(path, hark_span(hex, 64), 0600, err);
}

int hark_node_steward_forget(struct hark_node *node, const struct hark_hash *space,
                             struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = steward_path(node, space, path, err);

    if (rc == 0 && unlink(path) != 0 && errno != ENOENT)
        rc = hark_err_errno(err, errno, "%s", path);
    return rc;
}

int hark_node_steward(struct hark_node *node, const struct hark_hash *space,
                      struct hark_author *out, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(65);
    char path[HARK_PATH_MAX];
    uint8_t nonce[32];
    int rc = steward_path(node, space, path, err);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = hark_file_read(path, &text, err);
    if (rc == HARK_E_NOT_FOUND)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "this node does not hold the steward's key");
    if (rc == 0)
        rc = hark_hex_decode(nonce, sizeof(nonce), hark_buf_span(&text), err);
    if (rc == 0)
        rc = author_derived(node->seed, "steward", hark_span(nonce, 32), out, err);
    hark_buf_free(&text);
    return rc;
}

/* --- people ------------------------------------------------------------------ */

static int person_path(const struct hark_node *node, const char *label, char *path,
                       struct hark_err *err)
{
    char name[HARK_LABEL_MAX + 16];

    if (!hark_label_valid(label))
        return hark_err_set(err, HARK_E_USAGE,
                            "a key's label is 1 to %u letters, digits and . _ - @", HARK_LABEL_MAX);
    (void)snprintf(name, sizeof(name), "keys/people/%s", label);
    return hark_path_join(path, node->dir, name, err);
}

int hark_node_new_person(struct hark_node *node, const char *label, struct hark_err *err)
{
    struct hark_seed *seed = NULL;
    char path[HARK_PATH_MAX];
    int rc = person_path(node, label, path, err);

    if (rc == 0)
        rc = hark_seed_new(&seed, err);
    if (rc == 0)
        rc = hark_keyfile_save(path, seed, label, hark_passphrase_span(node->passphrase), err);
    node->people_made += rc == 0;
    hark_seed_free(seed);
    return rc;
}

int hark_node_person_seed(struct hark_node *node, const char *label, struct hark_seed **out,
                          struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    int rc = person_path(node, label, path, err);

    *out = NULL;
    if (rc == 0)
        rc = hark_node_load_key(node, path, out, err);
    if (rc == HARK_E_NOT_FOUND)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "this node holds no key of %s", label);
    return rc;
}

/* The keys of a labelled person in a space: generation 0, whose signing key it is for good
 * (generations.h). A device whose key was ended takes a new seed under another label; feeds
 * are never resumed. */
static int person_author(struct hark_node *node, const struct hark_hash *space, const char *label,
                         struct hark_author *out, struct hark_err *err)
{
    struct hark_seed *seed = NULL;
    uint8_t context[HARK_HASH_SIZE + 4];
    int rc = hark_node_person_seed(node, label, &seed, err);

    memset(out, 0, sizeof(*out));
    memcpy(context, space->bytes, HARK_HASH_SIZE);
    hark_put_u32(context + HARK_HASH_SIZE, 0);
    if (rc == 0)
        rc = author_derived(seed, "member", hark_span(context, sizeof(context)), out, err);
    hark_seed_free(seed);
    return rc;
}

struct search {
    struct hark_node *node;
    const struct hark_hash *space;
    const char *prefix; /* hex of a key, or NULL */
    size_t found;
    size_t people;
    char label[HARK_LABEL_MAX + 1];
    bool has_owner;
};

/* A valid label, so it fits. */
static void keep_label(struct search *search, const char *label)
{
    memcpy(search->label, label, strnlen(label, HARK_LABEL_MAX) + 1);
    search->label[HARK_LABEL_MAX] = '\0';
}

static int look_at_person(void *arg, const char *label, struct hark_err *err)
{
    struct search *search = arg;
    struct hark_author author;
    char hex[2 * HARK_KEY_SIZE + 1];
    bool fits;
    int rc;

    search->people++;
    if (strcmp(label, "owner") == 0)
        search->has_owner = true;
    if (search->prefix == NULL) {
        if (search->people == 1)
            keep_label(search, label);
        return 0;
    }
    rc = person_author(search->node, search->space, label, &author, err);
    if (rc < 0)
        return rc;
    hark_key_hex(hex, hark_signer_key(author.sign));
    fits = strncmp(hex, search->prefix, strlen(search->prefix)) == 0;
    hark_author_free(&author);
    if (fits) {
        search->found++;
        keep_label(search, label);
    }
    return 0;
}

typedef int person_fn(void *arg, const char *label, struct hark_err *err);

static int each_person(struct hark_node *node, person_fn *fn, void *arg, struct hark_err *err)
{
    struct dirent *entry;
    char path[HARK_PATH_MAX];
    DIR *d;
    int rc = hark_path_join(path, node->dir, "keys/people", err);

    if (rc < 0)
        return rc;
    d = opendir(path);
    if (d == NULL)
        return hark_err_errno(err, errno, "%s", path);
    while (rc == 0 && (entry = readdir(d)) != NULL) {
        if (hark_label_valid(entry->d_name))
            rc = fn(arg, entry->d_name, err);
    }
    (void)closedir(d);
    return rc;
}

static bool is_hex_prefix(const char *who)
{
    size_t size = strlen(who);

    return size >= 8 && size <= 64 && strspn(who, "0123456789abcdef") == size;
}

/* Which label is meant? */
static int pick_person(struct hark_node *node, const struct hark_hash *space, const char *who,
                       char *label, struct hark_err *err)
{
    struct search search = {.node = node, .space = space, .prefix = who};
    char path[HARK_PATH_MAX];
    int rc;

    if (who != NULL) {
        rc = person_path(node, who, path, err);
        if (rc == 0 && access(path, F_OK) == 0) {
            (void)snprintf(label, HARK_LABEL_MAX + 1, "%s", who);
            return 0;
        }
        if (!is_hex_prefix(who))
            return hark_err_set(err, HARK_E_NOT_FOUND, "this node holds no key of %s", who);
    }
    rc = each_person(node, look_at_person, &search, err);
    if (rc < 0)
        return rc;
    if (who == NULL && search.has_owner)
        (void)snprintf(search.label, sizeof(search.label), "owner");
    if (search.people == 0 || (who != NULL && search.found == 0))
        return hark_err_set(err, HARK_E_NOT_FOUND, "this node holds no such person's key");
    if ((who == NULL && !search.has_owner && search.people > 1) || search.found > 1) {
        rc = hark_err_set(err, HARK_E_AMBIGUOUS, "this node holds keys of several people");
        hark_err_hint(err, "say who is writing with --as");
        return rc;
    }
    (void)snprintf(label, HARK_LABEL_MAX + 1, "%s", search.label);
    return 0;
}

int hark_node_person(struct hark_node *node, const struct hark_hash *space, const char *who,
                     struct hark_author *out, char *label, struct hark_err *err)
{
    char name[HARK_LABEL_MAX + 1];
    int rc;

    memset(out, 0, sizeof(*out));
    rc = pick_person(node, space, who, name, err);
    if (rc < 0)
        return rc;
    if (label != NULL)
        (void)snprintf(label, HARK_LABEL_MAX + 1, "%s", name);
    return person_author(node, space, name, out, err);
}

struct counting {
    struct hark_node *node;
    struct hark_space *space;
    uint64_t count;
};

static int count_in_force(void *arg, const char *label, struct hark_err *err)
{
    struct counting *counting = arg;
    struct hark_state *state = hark_space_state(counting->space);
    struct hark_key_object key = {0};
    struct hark_author author;
    uint32_t number = 0;
    bool found = false;
    int rc = person_author(counting->node, hark_space_id(counting->space), label, &author, err);

    if (rc == 0)
        rc = hark_state_find_key(state, hark_signer_key(author.sign), &found, &number, err);
    if (rc == 0 && found)
        rc = hark_state_key(state, number, &key, err);
    counting->count += rc == 0 && found && key.until == HARK_NONE;
    hark_author_free(&author);
    return rc;
}

int hark_node_count_keys(struct hark_node *node, struct hark_space *space, uint64_t *count,
                         struct hark_err *err)
{
    struct counting counting = {.node = node, .space = space};
    int rc = each_person(node, count_in_force, &counting, err);

    *count = counting.count;
    return rc;
}

struct belonging {
    struct counting counting;
    char label[HARK_LABEL_MAX + 1];
};

static int find_member(void *arg, const char *label, struct hark_err *err)
{
    struct belonging *b = arg;
    uint64_t before = b->counting.count;
    int rc = count_in_force(&b->counting, label, err);

    if (rc == 0 && b->counting.count > before)
        (void)snprintf(b->label, sizeof(b->label), "%s", label);
    return rc;
}

int hark_node_only_member(struct hark_node *node, struct hark_space *space,
                          char label[HARK_LABEL_MAX + 1], struct hark_err *err)
{
    struct belonging b = {.counting = {.node = node, .space = space}};
    int rc = each_person(node, find_member, &b, err);

    if (rc == 0 && b.counting.count != 1)
        rc = hark_err_set(err, b.counting.count == 0 ? HARK_E_NOT_FOUND : HARK_E_AMBIGUOUS,
                          "%llu people of this node are members there",
                          (unsigned long long)b.counting.count);
    memcpy(label, b.label, sizeof(b.label));
    return rc;
}

struct common {
    struct hark_node *node;
    struct hark_space *spaces[2];
    hark_common_fn *fn;
    void *arg;
};

/* Which member of the space the person is with a key in force. */
static int find_ordinal(struct hark_node *node, struct hark_space *space, const char *label,
                        bool *is, uint32_t *member, struct hark_err *err)
{
    struct hark_key_object key = {.until = 0};
    struct hark_author author;
    uint32_t number = 0;
    bool found = false;
    int rc = person_author(node, hark_space_id(space), label, &author, err);

    if (rc == 0)
        rc = hark_state_find_key(hark_space_state(space), hark_signer_key(author.sign), &found,
                                 &number, err);
    if (rc == 0 && found)
        rc = hark_state_key(hark_space_state(space), number, &key, err);
    *is = rc == 0 && found && key.of == HARK_KEY_OF_MEMBER && key.until == HARK_NONE;
    *member = key.owner;
    hark_author_free(&author);
    return rc;
}

static int look_in_both(void *arg, const char *label, struct hark_err *err)
{
    struct common *c = arg;
    uint32_t member[2] = {0};
    bool is = true;
    int rc = 0;

    for (int i = 0; i < 2 && rc == 0 && is; i++)
        rc = find_ordinal(c->node, c->spaces[i], label, &is, &member[i], err);
    return rc == 0 && is ? c->fn(c->arg, member[0], member[1], err) : rc;
}

int hark_node_each_common(struct hark_node *node, struct hark_space *a, struct hark_space *b,
                          hark_common_fn *fn, void *arg, struct hark_err *err)
{
    struct common common = {.node = node, .spaces = {a, b}, .fn = fn, .arg = arg};

    return each_person(node, look_in_both, &common, err);
}

/* --- inside an encrypted space ---------------------------------------------------- */

struct looking {
    struct hark_node *node;
    struct hark_space *space;
    struct hark_inside *inside;
};

/* Takes them over, also after an error `rc`; the present one first. */
static int own_all(struct hark_inside *inside, struct hark_box **boxes, size_t count, int rc,
                   struct hark_err *err)
{
    for (size_t i = count; i > 0; i--) {
        if (rc == 0)
            rc = hark_inside_own(inside, boxes[i - 1], err);
        else
            hark_box_free(boxes[i - 1]);
        /* With the keys of so many the group is read: it is not shut for those who follow. */
        rc = rc == HARK_E_LIMIT ? 0 : rc;
    }
    return rc;
}

/* A member's X25519 keys up to the present one, if the person is a member: what came under
 * those of before is to be read, too. */
static int look_inside_as(void *arg, const char *label, struct hark_err *err)
{
    struct hark_box *boxes[HARK_GENERATIONS_MAX];
    struct looking *looking = arg;
    struct hark_generations of = {.seed = NULL};
    size_t count = 0;
    int rc = hark_generations_begin(&of, looking->node, hark_space_id(looking->space),
                                    hark_space_state(looking->space), label, err);

    if (rc == 0 && of.member)
        rc = hark_generations_boxes(&of, 0, boxes, of.number + 1, &count, err);
    rc = own_all(looking->inside, boxes, count, rc, err);
    hark_generations_end(&of);
    return rc;
}

int hark_node_inside(struct hark_node *node, struct hark_space *space, struct hark_inside **out,
                     struct hark_err *err)
{
    uint64_t stamp = 1 + node->people_made + hark_space_rights(space);
    struct looking looking = {.node = node, .space = space};
    int rc = hark_space_inside(space, out, err);

    looking.inside = *out;
    if (rc < 0 || *out == NULL)
        return rc;
    if (*hark_inside_stamp(*out) != stamp) {
        rc = each_person(node, look_inside_as, &looking, err);
        if (rc == 0)
            *hark_inside_stamp(*out) = stamp;
    }
    return rc == 0 ? hark_inside_follow(*out, err) : rc;
}

int hark_node_imported(struct hark_node *node, const struct hark_hash *space, const char *source,
                       const char *reference, struct hark_author *out, struct hark_err *err)
{
    struct hark_buf context = hark_buf_init(HARK_HASH_SIZE + 2 * SOURCE_MAX);
    int rc;

    memset(out, 0, sizeof(*out));
    rc = hark_buf_append(&context, space->bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = hark_buf_append_str(&context, source, err);
    if (rc == 0)
        rc = hark_buf_append_u8(&context, 0, err);
    if (rc == 0)
        rc = hark_buf_append_str(&context, reference, err);
    if (rc == 0)
        rc = author_derived(node->seed, "imported", hark_buf_span(&context), out, err);
    hark_buf_free(&context);
    return rc;
}
