/*
 * How far the main log says to have come with each intake (PROTOCOL.md 7.2, B13), and when it
 * has to say it again: of each node named, from half of the policy's delay on after it was
 * said last, so that who takes nothing over has to say so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"

#define DEFAULT_DELAY_S UINT64_C(86400)

/* How much of a node's intake the log has taken is kept beside the state's own
 * look-ups, so that it is rolled back and made anew with them: the size, and the
 * root in four parts. */
#define TAKEN_LETTER 't'
#define ROOT_LETTER  'u'
#define ROOT_PARTS   4u
/* The Time of the batch that said so last; of a node of whose intake nothing was ever said,
 * that of the batch after which it was first named and not the home. */
#define SAID_LETTER 'v'
/* And, by itself, the delay of the policy in force, in seconds. */
#define DELAY_KEY "d"

struct taken_key {
    char bytes[2 + HARK_NODE_NAME_MAX];
    size_t size;
};

static struct hark_span named_key(struct taken_key *key, const char *name)
{
    size_t length = strnlen(name, HARK_NODE_NAME_MAX);

    memcpy(key->bytes + key->size, name, length);
    key->size += length;
    return hark_span(key->bytes, key->size);
}

static struct hark_span taken_key(struct taken_key *key, const char *name, unsigned part)
{
    key->size = 0;
    key->bytes[key->size++] = part == 0 ? TAKEN_LETTER : ROOT_LETTER;
    if (part > 0)
        key->bytes[key->size++] = (char)('0' + part);
    return named_key(key, name);
}

static struct hark_span said_key(struct taken_key *key, const char *name)
{
    key->size = 0;
    key->bytes[key->size++] = SAID_LETTER;
    return named_key(key, name);
}

int hark_space_taken_find(const struct hark_store *store, const char *name, uint64_t *size,
                          struct hark_hash *root, struct hark_err *err)
{
    struct taken_key key;
    bool found = false;
    int rc =
        store->find(store->arg, HARK_LOOKUP_OTHER, taken_key(&key, name, 0), &found, size, err);

    *root = hark_merkle_empty();
    if (rc < 0 || !found) {
        *size = 0;
        return rc;
    }
    for (unsigned i = 0; rc == 0 && i < ROOT_PARTS; i++) {
        uint64_t part = 0;

        rc = store->find(store->arg, HARK_LOOKUP_OTHER, taken_key(&key, name, i + 1), &found, &part,
                         err);
        if (rc == 0 && !found)
            rc = hark_err_set(err, HARK_E_DAMAGED, "half of what was taken from %s is known", name);
        hark_put_u64(root->bytes + (size_t)8 * i, part);
    }
    return rc;
}

static int taken_put(const struct hark_store *store, const char *name, uint64_t size,
                     const struct hark_hash *root, struct hark_err *err)
{
    struct taken_key key;
    int rc = store->bind(store->arg, HARK_LOOKUP_OTHER, taken_key(&key, name, 0), size, err);

    for (unsigned i = 0; rc == 0 && i < ROOT_PARTS; i++)
        rc = store->bind(store->arg, HARK_LOOKUP_OTHER, taken_key(&key, name, i + 1),
                         hark_get_u64(root->bytes + (size_t)8 * i), err);
    return rc;
}

/* Of an origin that hark_batch_check has let through. */
int hark_space_taken_name(char out[HARK_NODE_NAME_MAX + 1], const char *origin,
                          struct hark_err *err)
{
    size_t length = strcspn(origin, "/");

    if (length > HARK_NODE_NAME_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "a Taken of no node was let through");
    memcpy(out, origin, length);
    out[length] = '\0';
    return 0;
}

int hark_space_taken_advances(const struct hark_store *store, const struct hark_taken *taken,
                              bool *advances, struct hark_err *err)
{
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_hash root;
    uint64_t size = 0;
    int rc = hark_space_taken_name(name, taken->origin, err);

    if (rc == 0)
        rc = hark_space_taken_find(store, name, &size, &root, err);
    *advances = rc == 0 && taken->size > size;
    return rc;
}

/* --- what has to be said again ----------------------------------------------------------- */

int hark_space_delay(const struct hark_store *store, uint64_t *delay_ms, struct hark_err *err)
{
    uint64_t delay_s = DEFAULT_DELAY_S;
    bool found = false;
    int rc =
        store->find(store->arg, HARK_LOOKUP_OTHER, hark_span_str(DELAY_KEY), &found, &delay_s, err);

    *delay_ms = 1000 * (rc == 0 && found ? delay_s : DEFAULT_DELAY_S);
    return rc;
}

/* Of an entry that sets the policy and stands: its payload is valid. */
static int note_policy(struct hark_state *state, const struct hark_store *store,
                       const struct space_item *item, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(state);
    int number = hark_kinds_find(kinds, item->entry.kind);
    json_t *payload = NULL;
    const json_t *delay;
    uint64_t delay_s = DEFAULT_DELAY_S;
    int rc;

    if (number < 0)
        return hark_err_set(err, HARK_E_INTERNAL, "the kind %s is not built in", item->entry.kind);
    rc = hark_payload_check(hark_kinds_get(kinds, (size_t)number), item->payload, &payload, err);
    if (rc < 0)
        return rc;
    delay = json_object_get(json_object_get(payload, "policy"), "merge_delay_s");
    if (json_is_integer(delay)) /* the kind's rules hold it within 60 and 2,592,000 */
        delay_s = (uint64_t)json_integer_value(delay);
    json_decref(payload);
    return store->bind(store->arg, HARK_LOOKUP_OTHER, hark_span_str(DELAY_KEY), delay_s, err);
}

int hark_space_note_delay(struct hark_state *state, const struct hark_store *store,
                          const struct space_item *items, size_t count, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        const char *kind = items[i].entry.kind;

        if (items[i].effect.verdict == 0 &&
            (strcmp(kind, "space") == 0 || strcmp(kind, "policy") == 0))
            rc = note_policy(state, store, &items[i], err);
    }
    return rc;
}

/* Was it named when the log had `size` entries, and not the home? (The state may be further
 * by then: at the home a batch is applied before it is written.) */
static bool is_other_at(const struct hark_node_object *node, uint64_t size, const char *home)
{
    size_t length = strlen(node->name);

    return node->since < size && (node->until == HARK_NONE || node->until >= size) &&
           (strncmp(home, node->name, length) != 0 || home[length] != '/');
}

int hark_space_said(const struct hark_store *store, const char *name, uint64_t *time_ms,
                    struct hark_err *err)
{
    struct taken_key key;
    bool found = false;
    int rc = store->find(store->arg, HARK_LOOKUP_OTHER, said_key(&key, name), &found, time_ms, err);

    if (!found)
        *time_ms = 0;
    return rc;
}

/* Is it time to say again how far the log has come with that node's intake? From the first
 * batch on that asks, it is noted since when. */
static int is_due(const struct hark_store *store, const struct hark_log_head *head,
                  const char *name, uint64_t time_ms, uint64_t delay_ms, bool *due,
                  struct hark_err *err)
{
    struct taken_key key;
    uint64_t said_ms = 0;
    bool found = false;
    int rc =
        store->find(store->arg, HARK_LOOKUP_OTHER, said_key(&key, name), &found, &said_ms, err);

    if (rc == 0 && !found) {
        said_ms = head->last_time_ms;
        rc = store->bind(store->arg, HARK_LOOKUP_OTHER, said_key(&key, name), said_ms, err);
    }
    *due = rc == 0 && time_ms >= said_ms && time_ms - said_ms >= delay_ms / 2;
    return rc;
}

int hark_space_due(struct hark_state *state, const struct hark_store *store,
                   const struct hark_log_head *head, uint64_t time_ms, struct space_due *out,
                   struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_], delay_ms = 0;
    int rc = hark_state_counts(state, counts, err);

    out->count = 0;
    if (rc == 0 && head->has_batch)
        rc = hark_space_delay(store, &delay_ms, err);
    for (uint32_t i = 0; rc == 0 && head->has_batch && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;
        bool due = false;

        rc = hark_state_node(state, i, &node, err);
        if (rc < 0 || !is_other_at(&node, head->tree.size, head->origin))
            continue;
        rc = is_due(store, head, node.name, time_ms, delay_ms, &due, err);
        if (rc == 0 && due && out->count == HARK_BATCH_TAKEN_MAX)
            rc = hark_err_set(err, HARK_E_INTERNAL, "more nodes than can be named");
        if (rc == 0 && due)
            (void)snprintf(out->names[out->count++], sizeof(out->names[0]), "%s", node.name);
    }
    return rc;
}

static const struct hark_taken *find_said(const struct hark_taken *taken, size_t count,
                                          const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < count; i++) {
        if (strncmp(taken[i].origin, name, length) == 0 && taken[i].origin[length] == '/')
            return &taken[i];
    }
    return NULL;
}

static int check_due(struct hark_state *state, const struct hark_store *store,
                     const struct hark_log_head *head, const struct hark_batch *batch,
                     struct hark_err *err)
{
    struct space_due *due = calloc(1, sizeof(*due));
    int rc = due == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is due")
                         : hark_space_due(state, store, head, batch->time_ms, due, err);

    for (size_t i = 0; rc == 0 && i < due->count; i++) {
        if (find_said(batch->taken, batch->taken_count, due->names[i]) == NULL)
            rc = hark_err_set(err, HARK_E_BATCH_TAKEN,
                              "it does not say how far it has come with the intake of %s, as it is "
                              "time to",
                              due->names[i]);
    }
    free(due);
    return rc;
}

static int compare_taken(const void *a, const void *b)
{
    return strcmp(((const struct hark_taken *)a)->origin, ((const struct hark_taken *)b)->origin);
}

/* Of a node whose intake is not taken further: as was said last. */
static int say_again(struct hark_space *space, const char *name, struct hark_taken *out,
                     struct hark_err *err)
{
    hark_origin(out->origin, name, &space->id, 0);
    return hark_space_taken_find(&space->store, name, &out->size, &out->root, err);
}

/* What is due comes first, since of the rest as much is said as there is room for: a later
 * batch says what is left. */
int hark_space_restate(struct hark_space *space, struct hark_batch *batch, struct hark_err *err)
{
    const struct space_pending *pending = &space->pending;
    struct space_due *due = calloc(1, sizeof(*due));
    int rc = due == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is due")
                         : hark_space_due(space->state, &space->store, &space->head, batch->time_ms,
                                          due, err);

    batch->taken_count = 0;
    for (size_t i = 0; rc == 0 && i < due->count; i++) {
        struct hark_taken *at = &batch->taken[batch->taken_count++];
        const struct hark_taken *further =
            find_said(pending->taken, pending->taken_count, due->names[i]);

        if (further != NULL)
            *at = *further;
        else
            rc = say_again(space, due->names[i], at, err);
    }
    for (size_t i = 0; i < pending->taken_count && batch->taken_count < HARK_BATCH_TAKEN_MAX; i++) {
        char name[HARK_NODE_NAME_MAX + 1];

        if (hark_space_taken_name(name, pending->taken[i].origin, NULL) == 0 &&
            find_said(batch->taken, batch->taken_count, name) == NULL)
            batch->taken[batch->taken_count++] = pending->taken[i];
    }
    qsort(batch->taken, batch->taken_count, sizeof(batch->taken[0]), compare_taken);
    free(due);
    return rc;
}

/* --- a batch's Taken ---------------------------------------------------------------------- */

static int take_one(struct hark_state *state, const struct hark_store *store,
                    const struct hark_taken *taken, uint64_t time_ms, bool *advances,
                    struct hark_err *err)
{
    struct taken_key said;
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_node_object node;
    struct hark_hash root;
    uint64_t before = 0;
    bool found = false;
    int rc = hark_space_taken_name(name, taken->origin, err);

    if (rc == 0)
        rc = hark_space_node_called(state, name, &node, &found, err);
    if (rc == 0 && !found)
        rc =
            hark_err_set(err, HARK_E_BATCH_TAKEN, "it takes from %s, which never was a node", name);
    if (rc == 0)
        rc = hark_space_taken_find(store, name, &before, &root, err);
    if (rc < 0)
        return rc;
    if (taken->size < before)
        return hark_err_set(err, HARK_E_BATCH_TAKEN, "what it takes from %s goes back from %llu",
                            name, (unsigned long long)before);
    if (taken->size == before && !hark_hash_equal(&taken->root, &root))
        return hark_err_set(err, HARK_E_BATCH_TAKEN,
                            "what it takes from %s is as much as before and of another root", name);
    rc = store->bind(store->arg, HARK_LOOKUP_OTHER, said_key(&said, name), time_ms, err);
    if (rc < 0 || taken->size == before)
        return rc;
    *advances = true;
    return taken_put(store, name, taken->size, &taken->root, err);
}

int hark_space_apply_taken(struct hark_state *state, const struct hark_store *store,
                           const struct hark_log_head *head, const struct hark_batch *batch,
                           struct hark_err *err)
{
    bool advances = batch->count > 0;
    int rc = check_due(state, store, head, batch, err);

    for (size_t i = 0; rc == 0 && i < batch->taken_count; i++)
        rc = take_one(state, store, &batch->taken[i], batch->time_ms, &advances, err);
    if (rc == 0 && !advances)
        rc = hark_err_set(err, HARK_E_BATCH_TAKEN, "it has no entry and takes nothing new");
    return rc;
}
