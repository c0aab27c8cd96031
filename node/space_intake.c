/*
 * Intake logs: what other named nodes have accepted, verified and kept like the
 * main log, this node's own, and what of all of them waits for the main log.
 * PROTOCOL.md 7.2. What is asked of an entry hangs on the main log below the
 * batch's Main and on the intake before it, on nothing else, so that every reader
 * answers alike, however much more of the main log it has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"

/* Notes of an intake (index.h): the signing keys and kinds that its entries bring,
 * and that some are brought which nobody can read any more. */
#define NOTE_KEY      'k' /* key -> enum hark_key_of */
#define NOTE_ANY_KEY  'a'
#define NOTE_KIND     'n'
#define NOTE_ANY_KIND 'm'

int hark_space_log_name(char out[HARK_LOG_NAME_MAX], const char *node, struct hark_err *err)
{
    int n = node[0] == '\0' ? snprintf(out, HARK_LOG_NAME_MAX, "main")
                            : snprintf(out, HARK_LOG_NAME_MAX, "intake/%s", node);

    if (!PATH_FITS(n, HARK_LOG_NAME_MAX) ||
        (node[0] != '\0' && !hark_node_name_valid(hark_span_str(node))))
        return hark_err_set(err, HARK_E_USAGE, "no node can be called '%s'", node);
    return 0;
}

static int find_intake(struct hark_space *space, const char *node, bool *found,
                       struct hark_intake *out, struct hark_err *err)
{
    int rc = hark_index_intake(space->index, node, found, out, err);

    if (rc == 0 && *found)
        hark_origin(out->head.origin, node, &space->id, 0);
    *found = *found && out->batches > 0;
    return rc;
}

/* --- where it stands --------------------------------------------------------- */

int hark_space_intake_log(struct hark_space *space, const char *node, struct hark_log_head *head,
                          uint64_t *batches, struct hark_err *err)
{
    struct hark_intake intake;
    bool found = false;
    int rc = find_intake(space, node, &found, &intake, err);

    if (rc < 0)
        return rc;
    if (!found)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no intake of %s here", node);
    *head = intake.head;
    *batches = intake.batches;
    return 0;
}

int hark_space_intake_fits(struct hark_space *space, const char *node, uint64_t batches,
                           uint64_t size, const struct hark_hash *root, bool *fits,
                           struct hark_err *err)
{
    struct hark_intake_batch last = {.root = hark_merkle_empty()};
    struct hark_intake intake;
    bool found = false;
    int rc = find_intake(space, node, &found, &intake, err);

    *fits = false;
    if (rc < 0 || batches > intake.batches || (!found && batches > 0))
        return rc;
    if (batches > 0)
        rc = hark_index_intake_batch(space->index, intake.number, batches - 1, &last, err);
    *fits = rc == 0 && last.first + last.count == size && hark_hash_equal(&last.root, root);
    return rc;
}

int hark_space_intakes(struct hark_space *space, hark_node_name **names, size_t *count,
                       struct hark_err *err)
{
    return hark_index_intakes(space->index, names, count, err);
}

int hark_space_taken(struct hark_space *space, const char *node, uint64_t *size,
                     struct hark_err *err)
{
    struct hark_hash root;

    return hark_space_taken_find(&space->store, node, size, &root, err);
}

/* --- reading ----------------------------------------------------------------- */

struct of_intake {
    struct hark_space *space;
    uint32_t number;
};

static int find_blob_in_index(void *arg, uint64_t position, const struct hark_hash *hash,
                              bool *present, struct hark_git_id *blob, struct hark_err *err)
{
    struct of_intake *of = arg;
    struct hark_intake_row row;
    int rc = hark_index_intake_row(of->space->index, of->number, position, &row, err);

    (void)hash;
    *present = rc == 0 && row.has_blob && !row.erased;
    *blob = row.blob;
    return rc;
}

int hark_space_intake_read(struct hark_space *space, const char *node, uint64_t number,
                           struct hark_space_batch *out, struct hark_err *err)
{
    struct of_intake of = {.space = space};
    struct hark_intake_batch row;
    struct hark_intake intake;
    bool found = false;
    int rc = find_intake(space, node, &found, &intake, err);

    if (rc == 0 && (!found || number >= intake.batches))
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "the intake of %s has no batch %" PRIu64 " here",
                          node, number);
    if (rc == 0)
        rc = hark_index_intake_batch(space->index, intake.number, number, &row, err);
    if (rc < 0)
        return rc;
    of.number = intake.number;
    return hark_space_load_batch(space, &row.git_id, find_blob_in_index, &of, out, err);
}

/* --- checking: what hangs on the main log ------------------------------------- */

/* A batch of an intake on its way, and what its entries are asked against. */
struct intake_check {
    struct hark_space *space;
    struct hark_intake *intake;
    uint64_t main_size;
};

/* B15: is it an end of a batch of the main log? */
static int check_main(struct hark_space *space, const struct hark_batch *batch,
                      struct hark_err *err)
{
    struct hark_index_batch last;
    struct hark_hash root;
    uint64_t size = batch->main_size;
    int rc;

    if (size > hark_state_size(space->state))
        return hark_err_set(err, HARK_E_BEHIND,
                            "it was judged against %" PRIu64
                            " entries of the main log, and %" PRIu64 " are here",
                            size, hark_state_size(space->state));
    if (size == 0)
        return hark_err_set(err, HARK_E_BATCH_MAIN, "it was judged against nothing");
    rc = hark_index_batch(space->index, size - 1, &last, err);
    if (rc < 0)
        return rc;
    if (last.first + last.count != size)
        return hark_err_set(err, HARK_E_BATCH_MAIN, "no batch of the main log ends at %" PRIu64,
                            size);
    rc = hark_merkle_root_at(&root, size, hark_index_merkle_read, space->index, err);
    if (rc == 0 && !hark_hash_equal(&root, &batch->main_root))
        rc = hark_err_set(err, HARK_E_BATCH_MAIN,
                          "the main log had another root at %" PRIu64 " entries", size);
    return rc;
}

/* B3: was a node of that name and log key named there, at that size? */
static int check_named(struct hark_state *state, const char *name, const struct hark_key *log_key,
                       uint64_t main_size, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(state, counts, err);

    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        rc = hark_state_node(state, (uint32_t)i, &node, err);
        if (rc == 0 && strcmp(node.name, name) == 0 && hark_key_equal(&node.keys.log, log_key) &&
            node.since < main_size && (node.until == HARK_NONE || node.until >= main_size))
            return 0;
    }
    return rc < 0 ? rc
                  : hark_err_set(err, HARK_E_BATCH_ORIGIN,
                                 "no node %s of this key was named at %" PRIu64 " entries", name,
                                 main_size);
}

/* --- checking: the entries (B14) ---------------------------------------------- */

static int is_noted(const struct intake_check *c, char letter, struct hark_span key, bool *noted,
                    uint64_t *number, struct hark_err *err)
{
    return hark_index_intake_noted(c->space->index, c->intake->number, letter, key, noted, number,
                                   err);
}

static struct hark_span key_span(const struct hark_key *key)
{
    return hark_span(key->bytes, HARK_KEY_SIZE);
}

/* L4. *of tells whose key it is, as far as that is known. */
static int check_author(const struct intake_check *c, const struct hark_entry *entry, uint8_t *of,
                        struct hark_err *err)
{
    struct hark_key_object object;
    uint64_t noted_of = HARK_KEY_OF_MEMBER;
    uint32_t number = 0;
    bool found = false;
    int rc = hark_state_find_key(c->space->state, &entry->author, &found, &number, err);

    if (rc == 0 && found)
        rc = hark_state_key(c->space->state, number, &object, err);
    if (rc < 0)
        return rc;
    *of = HARK_KEY_OF_MEMBER;
    if (found && object.since < c->main_size) {
        *of = object.of;
        if (object.of == HARK_KEY_OF_RECOVERY && strcmp(entry->kind, "recover") != 0)
            return hark_err_set(err, HARK_E_ENTRY_KEY, "a recovery key may write recover only");
        return 0;
    }
    rc = is_noted(c, NOTE_KEY, key_span(&entry->author), &found, &noted_of, err);
    if (rc == 0 && found)
        *of = (uint8_t)noted_of;
    else if (rc == 0)
        rc = is_noted(c, NOTE_ANY_KEY, hark_span("", 0), &found, &noted_of, err);
    if (rc == 0 && !found)
        rc = hark_err_set(err, HARK_E_ENTRY_KEY,
                          "its author's key came neither before Main nor in this intake");
    return rc;
}

/* L3. Own kinds count from the position of the entry that brought them. */
static int check_kind(const struct intake_check *c, const struct hark_entry *entry,
                      struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(c->space->state);
    const struct hark_store *store = &c->space->store;
    size_t builtin = hark_kinds_builtin_count(kinds);
    int at = hark_kinds_find(kinds, entry->kind);
    uint8_t object[HARK_OBJECT_MAX];
    uint64_t ignored = 0;
    size_t size = 0;
    bool noted = false;
    int rc;

    if (at >= 0 && (size_t)at < builtin)
        return 0;
    if (at >= 0) {
        rc = store->get(store->arg, HARK_SECTION_KIND, (uint64_t)at - builtin, object, &size, err);
        if (rc == 0 && size < 8)
            rc = hark_err_set(err, HARK_E_DAMAGED, "the state holds a kind that is none");
        if (rc < 0 || hark_get_u64(object + size - 8) < c->main_size)
            return rc;
    }
    rc = is_noted(c, NOTE_KIND, hark_span_str(entry->kind), &noted, &ignored, err);
    if (rc == 0 && !noted)
        rc = is_noted(c, NOTE_ANY_KIND, hark_span("", 0), &noted, &ignored, err);
    if (rc == 0 && !noted)
        rc = hark_err_set(err, HARK_E_ENTRY_RULES, "the rules there do not know kind %s",
                          entry->kind);
    return rc;
}

/* L5 and L6, in the intake. */
static int check_new_here(const struct intake_check *c, const struct hark_entry *entry,
                          struct hark_err *err)
{
    uint64_t position = 0;
    bool found = false;
    int rc = hark_index_intake_find(c->space->index, c->intake->number, &entry->id, &found,
                                    &position, err);

    if (rc == 0 && found)
        return hark_err_set(err, HARK_E_ENTRY_DUPLICATE,
                            "this very entry is in this intake, at %" PRIu64, position);
    if (rc == 0)
        rc = hark_index_intake_nth(c->space->index, c->intake->number, &entry->author, entry->seq,
                                   &found, &position, err);
    if (rc == 0 && found)
        rc = hark_err_set(err, HARK_E_ENTRY_TWIN,
                          "this intake holds another entry of this key and seq, at %" PRIu64,
                          position);
    return rc;
}

/* L5 and L6, in the main log below Main. What is above cannot be held against who
 * had not seen it. */
static int check_new_there(const struct intake_check *c, const struct hark_entry *entry,
                           struct hark_err *err)
{
    struct hark_state *state = c->space->state;
    struct hark_feed_object feed = {.seq = 0};
    uint64_t position = 0;
    uint32_t key = 0;
    bool found = false;
    int rc = hark_state_find_key(state, &entry->author, &found, &key, err);

    if (rc == 0 && found)
        rc = hark_state_feed(state, key, &feed, err);
    if (rc == HARK_E_NOT_FOUND)
        return 0; /* has written nothing yet */
    if (rc < 0 || !found || feed.seq < entry->seq)
        return rc;
    rc = hark_state_find_entry(state, &entry->id, &found, &position, err);
    if (rc == 0 && found && position < c->main_size)
        return hark_err_set(err, HARK_E_ENTRY_DUPLICATE,
                            "this very entry is in the main log, at %" PRIu64, position);
    if (rc < 0 || found)
        return rc;
    rc = hark_index_nth_of(c->space->index, &entry->author, entry->seq, &found, &position, err);
    if (rc == 0 && found && position < c->main_size)
        rc = hark_err_set(err, HARK_E_ENTRY_TWIN,
                          "the main log holds another entry of this key and seq, at %" PRIu64,
                          position);
    return rc;
}

/* L7 to L9: the feed's entry before it stands in the intake, or below Main. */
static int check_previous(const struct intake_check *c, const struct hark_entry *entry,
                          struct hark_err *err)
{
    struct hark_index *index = c->space->index;
    struct hark_intake_row here = {.seq = 0};
    struct hark_row there = {.seq = 0};
    const struct hark_git_id *parent = NULL;
    uint64_t position = 0;
    bool found = false;
    int rc;

    if (entry->seq == 1)
        return 0;
    rc = hark_index_intake_find(index, c->intake->number, &entry->previous, &found, &position, err);
    if (rc == 0 && found) {
        rc = hark_index_intake_row(index, c->intake->number, position, &here, err);
        found =
            rc == 0 && hark_key_equal(&here.author, &entry->author) && here.seq + 1 == entry->seq;
        parent = &here.git_id;
    } else if (rc == 0) {
        rc = hark_state_find_entry(c->space->state, &entry->previous, &found, &position, err);
        if (rc == 0 && (!found || position >= c->main_size))
            return hark_err_set(err, HARK_E_ENTRY_GAP,
                                "its feed's entry before it is neither below Main nor in this "
                                "intake");
        if (rc == 0)
            rc = hark_index_row(index, position, &there, err);
        found = rc == 0 && hark_key_equal(&there.author_key, &entry->author) &&
                there.seq + 1 == entry->seq;
        parent = &there.git_id;
    }
    if (rc == 0 && !found)
        return hark_err_set(err, HARK_E_ENTRY_PREVIOUS, "Previous is not its feed's entry before");
    if (rc == 0 && !hark_git_id_equal(parent, &entry->parent))
        rc = hark_err_set(err, HARK_E_ENTRY_PARENT,
                          "parent is not the git id of its feed's entry before");
    return rc;
}

static int check_entry(const struct intake_check *c, const struct hark_entry *entry, uint8_t *of,
                       struct hark_err *err)
{
    int rc = 0;

    if (!entry->has_space || !hark_hash_equal(&entry->space, &c->space->id))
        return hark_err_set(err, HARK_E_ENTRY_SPACE, "it is an entry of another space");
    rc = check_kind(c, entry, err);
    if (rc == 0)
        rc = check_author(c, entry, of, err);
    if (rc == 0)
        rc = check_new_here(c, entry, err);
    if (rc == 0)
        rc = check_new_there(c, entry, err);
    if (rc == 0)
        rc = check_previous(c, entry, err);
    return rc;
}

/* --- what an entry brings for those after it ----------------------------------- */

struct bringer {
    const char *kind;
    const char *field; /* the key that it brings */
    uint8_t of;        /* whose */
    uint8_t by;        /* who may write it */
};

static const struct bringer *find_bringer(const char *kind)
{
    static const struct bringer bringers[] = {
        {"admit", "key", HARK_KEY_OF_MEMBER, HARK_KEY_OF_STEWARD},
        {"device", "key", HARK_KEY_OF_MEMBER, HARK_KEY_OF_STEWARD},
        {"node", "author", HARK_KEY_OF_NODE, HARK_KEY_OF_STEWARD},
        {"handover", "key", HARK_KEY_OF_STEWARD, HARK_KEY_OF_STEWARD},
        {"recover", "key", HARK_KEY_OF_STEWARD, HARK_KEY_OF_RECOVERY},
        {"kind", NULL, 0, HARK_KEY_OF_STEWARD},
    };

    for (size_t i = 0; i < sizeof(bringers) / sizeof(bringers[0]); i++)
        if (strcmp(bringers[i].kind, kind) == 0)
            return &bringers[i];
    return NULL;
}

static int note_payload(const struct intake_check *c, const struct bringer *b, const json_t *json,
                        struct hark_err *err)
{
    const char *text =
        json_string_value(json_object_get(json, b->field != NULL ? b->field : "name"));
    struct hark_key key;

    if (text == NULL)
        return 0;
    if (b->field == NULL)
        return strlen(text) > HARK_KIND_NAME_MAX
                   ? 0
                   : hark_index_intake_note(c->space->index, c->intake->number, NOTE_KIND,
                                            hark_span_str(text), 0, err);
    if (hark_key_from_hex(&key, hark_span_str(text), NULL) < 0)
        return 0;
    return hark_index_intake_note(c->space->index, c->intake->number, NOTE_KEY, key_span(&key),
                                  b->of, err);
}

/* Keys and kinds that the entry brings. Their payloads are never erased where the
 * entry comes to stand; one that does not may lose it, and then nobody can tell any
 * more what was let in through it. */
static int note_brought(const struct intake_check *c, const struct space_item *item, uint8_t of,
                        struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(c->space->state);
    const struct bringer *b = find_bringer(item->entry.kind);
    int number = hark_kinds_find(kinds, item->entry.kind);
    json_t *json = NULL;
    int rc;

    if (b == NULL || of != b->by || number < 0 || !item->entry.has_payload)
        return 0;
    if (item->payload.data == NULL)
        return hark_index_intake_note(c->space->index, c->intake->number,
                                      b->field == NULL ? NOTE_ANY_KIND : NOTE_ANY_KEY,
                                      hark_span("", 0), 0, err);
    if (hark_payload_check(hark_kinds_get(kinds, (size_t)number), item->payload, &json, NULL) < 0)
        return 0; /* it brings nothing; that it is invalid is for judges */
    rc = note_payload(c, b, json, err);
    json_decref(json);
    return rc;
}

/* --- adopting ------------------------------------------------------------------ */

/* Checks and indexes the entries one by one: each may hang on those before it. What
 * was erased under this hash is not taken in again: it leaves `raw`. */
static int add_entries(const struct intake_check *c, struct space_item *items,
                       struct hark_raw_entry *raw, const struct hark_line *lines, size_t count,
                       bool store, struct hark_err *err)
{
    struct hark_state *state = c->space->state;

    for (size_t i = 0; i < count; i++) {
        const struct hark_entry *entry = &items[i].entry;
        struct hark_intake_row row = {.position = lines[i].position,
                                      .accepted_ms = lines[i].accepted_ms,
                                      .seq = entry->seq,
                                      .author = entry->author,
                                      .id = entry->id,
                                      .git_id = items[i].git_id,
                                      .has_payload = entry->has_payload,
                                      .payload_hash = entry->payload_hash,
                                      .blob = items[i].blob};
        uint8_t of = HARK_KEY_OF_MEMBER;
        int rc = check_entry(c, entry, &of, err);

        if (rc == 0)
            rc = note_brought(c, &items[i], of, err);
        if (rc == 0)
            rc = hark_state_is_erased(state, hark_state_size(state), entry, &row.erased, err);
        row.has_blob = items[i].payload.data != NULL && !(row.erased && store);
        if (row.erased && store && raw[i].payload_state == 1)
            raw[i] = (struct hark_raw_entry){.object = raw[i].object, .payload_state = 2};
        if (rc == 0)
            rc = hark_index_intake_add(c->space->index, c->intake->number, &row, err);
        if (rc < 0)
            return hark_err_wrap(err, "position %" PRIu64, lines[i].position);
    }
    return 0;
}

/* The intake as it stands, or a new one; its key is that of the first node that ever
 * went by that name. A batch may know of a name that has not come here yet. */
static int expect_intake(struct hark_space *space, const char *node, struct hark_span commit,
                         struct hark_intake *intake, struct hark_err *err)
{
    struct hark_node_object object;
    struct hark_batch *batch;
    bool found = false;
    int rc = hark_index_intake(space->index, node, &found, intake, err);

    if (rc < 0)
        return rc;
    if (!found) {
        rc = hark_space_node_called(space->state, node, &object, &found, err);
        if (rc == 0 && found)
            rc = hark_index_intake_new(space->index, node, &object.keys.log, intake, err);
    }
    hark_origin(intake->head.origin, node, &space->id, 0);
    if (rc < 0 || found)
        return rc;
    batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_batch_parse(batch, NULL, NULL, commit, NULL, err);
    if (rc == 0 && batch->has_main && batch->main_size > hark_state_size(space->state))
        rc = hark_err_set(err, HARK_E_BEHIND, "no node %s was named here yet", node);
    else if (rc == 0)
        rc = hark_err_set(err, HARK_E_BATCH_ORIGIN, "no node was ever called %s", node);
    free(batch);
    return rc;
}

static int check_batch(struct hark_space *space, const char *node, struct hark_intake *intake,
                       const struct hark_raw_batch *raw, uint64_t now_ms,
                       const struct space_item *items, struct hark_log_head *next,
                       struct hark_batch *batch, struct hark_line **lines, struct hark_err *err)
{
    struct hark_git_id *entry_ids = NULL, tree;
    int rc =
        hark_batch_check(next, batch, lines, &tree, &entry_ids, &intake->head, raw, now_ms, err);

    if (rc == 0)
        rc = hark_space_check_git_ids(raw, items, &tree, entry_ids, err);
    if (rc == 0)
        rc = check_main(space, batch, err);
    if (rc == 0)
        rc = check_named(space->state, node, &intake->head.log_key, batch->main_size, err);
    if (rc == 0)
        rc = hark_space_check_prepared(items, raw->count, intake->head.tree.size, err);
    if (rc == 0)
        rc = hark_git_hash(&next->batch_id, HARK_GIT_COMMIT, raw->commit, err);
    free(entry_ids);
    return rc;
}

/* In a transaction of the index: everything up to the repository. `kept` is raw's
 * items, to be changed. */
static int judge_and_index(struct hark_space *space, const char *node,
                           const struct hark_raw_batch *raw, struct space_item *items,
                           struct hark_raw_entry *kept, uint64_t now_ms, bool store,
                           struct hark_git_id *previous, bool *has_previous, struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_line *lines = NULL;
    struct hark_intake intake = {.number = 0};
    struct hark_log_head next;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = expect_intake(space, node, raw->commit, &intake, err);
    if (rc == 0)
        rc = check_batch(space, node, &intake, raw, now_ms, items, &next, batch, &lines, err);
    if (rc == 0) {
        struct intake_check c = {space, &intake, batch->main_size};

        rc = add_entries(&c, items, kept, lines, raw->count, store, err);
    }
    if (rc == 0) {
        struct hark_intake_batch row = {.first = batch->first,
                                        .count = batch->count,
                                        .time_ms = batch->time_ms,
                                        .main_size = batch->main_size,
                                        .git_id = next.batch_id,
                                        .hash = next.batch,
                                        .root = hark_merkle_root(&next.tree)};

        *has_previous = intake.head.has_batch;
        *previous = intake.head.batch_id;
        intake.head = next;
        rc = hark_index_intake_add_batch(space->index, &intake, &row, err);
    }
    free(lines);
    free(batch);
    return rc;
}

/* items are prepared. */
static int adopt(struct hark_space *space, const char *node, const struct hark_raw_batch *raw,
                 struct space_item *items, uint64_t now_ms, bool store, struct hark_err *err)
{
    struct hark_raw_entry *kept = calloc(raw->count + 1, sizeof(*kept));
    struct hark_raw_batch stored = *raw;
    struct hark_git_id previous = {{0}}, id;
    bool has_previous = false;
    char log[HARK_LOG_NAME_MAX];
    int rc = hark_space_log_name(log, node, err);

    space->intake_stale = true;
    if (rc == 0 && kept == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    if (rc == 0)
        rc = hark_index_begin(space->index, err);
    if (rc < 0) {
        free(kept);
        return rc;
    }
    if (raw->count > 0)
        memcpy(kept, raw->items, raw->count * sizeof(*kept));
    stored.items = kept;
    rc = judge_and_index(space, node, raw, items, kept, now_ms, store, &previous, &has_previous,
                         err);
    if (rc == 0 && store)
        rc = hark_repo_store(space->repo, log, &stored, has_previous ? &previous : NULL, &id, NULL,
                             err);
    if (rc < 0) {
        hark_space_undo(space);
    } else {
        rc = hark_index_commit(space->index, err);
        if (rc < 0) {
            space->damaged = true;
            hark_space_undo(space);
        }
    }
    free(kept);
    return rc;
}

int hark_space_adopt_intake(struct hark_space *space, const char *node,
                            const struct hark_raw_batch *raw, uint64_t now_ms, bool store,
                            struct hark_err *err)
{
    struct space_item *items;
    int rc;

    if (raw->count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_BATCH_FORM, "a batch of %zu entries", raw->count);
    items = calloc(raw->count + 1, sizeof(*items));
    if (items == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    hark_space_prepare_all(space->pool, raw, items);
    rc = adopt(space, node, raw, items, now_ms, store, err);
    free(items);
    return rc;
}

/* --- appending ------------------------------------------------------------------- */

/* A batch of one's own, in the making. */
struct making {
    struct hark_buf entries, checkpoint, commit, tree;
    struct hark_line *lines;
    struct hark_raw_entry *raw;
    struct hark_git_id *ids;
    struct hark_batch batch;
};

static int make_lines(struct making *m, const struct hark_log_head *head,
                      const struct space_item *items, size_t count, uint64_t now_ms,
                      struct hark_merkle *tree, struct hark_err *err)
{
    uint64_t arrival = now_ms > head->last_arrival_ms ? now_ms : head->last_arrival_ms;

    m->lines = calloc(count, sizeof(*m->lines));
    m->raw = calloc(count, sizeof(*m->raw));
    m->ids = calloc(count, sizeof(*m->ids));
    if (m->lines == NULL || m->raw == NULL || m->ids == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    *tree = head->tree;
    for (size_t i = 0; i < count; i++) {
        struct hark_hash leaf;

        m->lines[i] = (struct hark_line){.position = head->tree.size + i,
                                         .arrival_ms = arrival,
                                         .accepted_ms = arrival,
                                         .id = items[i].entry.id};
        m->raw[i] =
            (struct hark_raw_entry){items[i].object, items[i].payload_state, items[i].payload};
        m->ids[i] = items[i].git_id;
        leaf = hark_line_leaf(&m->lines[i]);
        hark_merkle_append(tree, &leaf);
    }
    m->batch.time_ms = arrival > head->last_time_ms ? arrival : head->last_time_ms;
    return hark_lines_encode(&m->entries, m->lines, count, err);
}

static int make_batch(struct making *m, const struct hark_space *space,
                      const struct hark_log_head *head, const struct hark_merkle *tree,
                      size_t count, const struct hark_signer *log_key, struct hark_err *err)
{
    struct hark_checkpoint cp = {.size = tree->size, .root = hark_merkle_root(tree)};
    struct hark_git_id tree_id;
    int rc;

    memcpy(cp.origin, head->origin, sizeof(cp.origin));
    rc = hark_checkpoint_sign(&m->checkpoint, &cp, log_key, NULL, err);
    if (rc == 0)
        rc = hark_git_batch_tree(&m->tree, &tree_id, hark_buf_span(&m->checkpoint),
                                 hark_buf_span(&m->entries), err);
    if (rc < 0)
        return rc;
    memcpy(m->batch.origin, head->origin, sizeof(m->batch.origin));
    m->batch.first = head->tree.size;
    m->batch.count = count;
    m->batch.has_previous = head->has_batch;
    m->batch.previous = head->batch;
    m->batch.previous_id = head->batch_id;
    m->batch.entries = hark_sha256(hark_buf_span(&m->entries));
    m->batch.has_main = true;
    m->batch.main_size = space->head.tree.size;
    m->batch.main_root = hark_merkle_root(&space->head.tree);
    return hark_batch_build(&m->commit, &m->batch, &tree_id, m->ids, log_key, err);
}

/* May this node append now, and to what? */
static int own_head(struct hark_space *space, const char *self, const struct hark_signer *log_key,
                    struct hark_log_head *head, struct hark_err *err)
{
    struct hark_intake intake;
    bool found = false;
    int rc = find_intake(space, self, &found, &intake, err);

    if (rc < 0)
        return rc;
    if (!found) {
        memset(&intake, 0, sizeof(intake));
        hark_origin(intake.head.origin, self, &space->id, 0);
        intake.head.log_key = *hark_signer_key(log_key);
    }
    *head = intake.head;
    if (check_named(space->state, self, hark_signer_key(log_key), hark_state_size(space->state),
                    NULL) < 0 ||
        !hark_key_equal(&head->log_key, hark_signer_key(log_key)))
        return hark_err_set(err, HARK_E_ACCEPT_NOT_HERE, "this node is not named %s there", self);
    if (head->main_size > space->head.tree.size)
        return hark_err_set(err, HARK_E_BEHIND,
                            "the intake was judged against more of the main log than is here");
    return 0;
}

int hark_space_intake_append(struct hark_space *space, const char *self,
                             const struct hark_signer *log_key, const struct space_item *items,
                             size_t count, uint64_t now_ms, struct hark_err *err)
{
    struct making m = {.entries = hark_buf_init(HARK_BATCH_FILE_MAX),
                       .checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX),
                       .commit = hark_buf_init(HARK_BATCH_COMMIT_MAX),
                       .tree = hark_buf_init(4096)};
    struct space_item *copies = NULL;
    struct hark_raw_batch raw;
    struct hark_log_head head;
    struct hark_merkle tree;
    int rc;

    if (space->read_only || space->pending.open || count == 0)
        return hark_err_set(err, HARK_E_INTERNAL, "the space is not open for an intake");
    if (count > HARK_BATCH_ENTRIES_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "a batch of %zu entries", count);
    rc = hark_space_mend(space, err);
    if (rc == 0)
        rc = own_head(space, self, log_key, &head, err);
    if (rc == 0)
        rc = make_lines(&m, &head, items, count, now_ms, &tree, err);
    if (rc == 0)
        rc = make_batch(&m, space, &head, &tree, count, log_key, err);
    copies = calloc(count, sizeof(*copies));
    if (rc == 0 && copies == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    if (rc == 0) {
        memcpy(copies, items, count * sizeof(*copies));
        raw = (struct hark_raw_batch){.commit = hark_buf_span(&m.commit),
                                      .entries = hark_buf_span(&m.entries),
                                      .checkpoint = hark_buf_span(&m.checkpoint),
                                      .count = count,
                                      .items = m.raw};
        /* By the rules that everybody else applies: an intake that nobody can take
         * would be of no use. */
        rc = adopt(space, self, &raw, copies, UINT64_MAX / 2, true, err);
    }
    hark_buf_free(&m.entries);
    hark_buf_free(&m.checkpoint);
    hark_buf_free(&m.commit);
    hark_buf_free(&m.tree);
    free(m.lines);
    free(m.raw);
    free(m.ids);
    free(copies);
    return rc;
}

/* --- what waits -------------------------------------------------------------------- */

/* One intake while all are walked. */
struct walk {
    uint32_t number;
    uint64_t at, end;
    bool has; /* row is the one at `at` */
    struct hark_intake_row row;
};

/* To the next entry that the main log does not hold. */
static int settle(struct hark_space *space, struct walk *w, struct hark_err *err)
{
    int rc = 0;

    w->has = false;
    while (rc == 0 && w->at < w->end) {
        uint64_t position = 0;
        bool logged = false;

        rc = hark_index_intake_row(space->index, w->number, w->at, &w->row, err);
        if (rc == 0)
            rc = hark_state_find_entry(space->state, &w->row.id, &logged, &position, err);
        w->has = rc == 0 && !logged;
        if (w->has)
            break;
        w->at++;
    }
    return rc;
}

/* Which intake holds the payload of an entry that came without it? */
static int find_copy(struct hark_space *space, hark_node_name *names, size_t count,
                     const struct hark_hash *id, bool *found, struct hark_git_id *blob,
                     struct hark_err *err)
{
    int rc = 0;

    *found = false;
    for (size_t i = 0; rc == 0 && !*found && i < count; i++) {
        struct hark_intake_row row;
        struct hark_intake intake;
        uint64_t position = 0;
        bool here = false;

        rc = hark_index_intake(space->index, names[i], &here, &intake, err);
        if (rc == 0 && here)
            rc = hark_index_intake_find(space->index, intake.number, id, &here, &position, err);
        if (rc == 0 && here)
            rc = hark_index_intake_row(space->index, intake.number, position, &row, err);
        *found = rc == 0 && here && row.has_blob && !row.erased;
        if (*found)
            *blob = row.blob;
    }
    return rc;
}

/* Who withholds a payload does not take it away from what others have taken in. */
static int show(struct hark_space *space, hark_node_name *names, size_t count, const char *node,
                const struct walk *w, hark_waiting_fn *fn, void *arg, struct hark_err *err)
{
    struct hark_buf object = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_buf payload = hark_buf_init(HARK_PAYLOAD_MAX);
    struct hark_waiting waiting = {.node = node,
                                   .position = w->at,
                                   .accepted_ms = w->row.accepted_ms,
                                   .id = w->row.id,
                                   .git_id = w->row.git_id,
                                   .payload_state = w->row.has_payload ? 2 : 0};
    struct hark_git_id blob = w->row.blob;
    bool found = w->row.has_blob && !w->row.erased;
    int rc = hark_repo_read(space->repo, HARK_GIT_COMMIT, &w->row.git_id, &object, err);

    if (rc == 0 && w->row.has_payload && !w->row.has_blob && !w->row.erased)
        rc = find_copy(space, names, count, &w->row.id, &found, &blob, err);
    if (rc == 0 && found) {
        rc = hark_repo_read(space->repo, HARK_GIT_BLOB, &blob, &payload, err);
        waiting.payload = hark_buf_span(&payload);
        waiting.payload_state = 1;
    }
    waiting.object = hark_buf_span(&object);
    if (rc == 0)
        rc = fn(arg, &waiting, err);
    hark_buf_free(&object);
    hark_buf_free(&payload);
    return rc;
}

static int begin_walks(struct hark_space *space, hark_node_name *names, size_t count,
                       const struct space_from *from, size_t from_count, struct walk *walks,
                       struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_intake intake;
        bool found = false;

        rc = hark_index_intake(space->index, names[i], &found, &intake, err);
        if (rc == 0)
            rc = hark_space_taken(space, names[i], &walks[i].at, err);
        for (size_t k = 0; k < from_count; k++)
            if (strcmp(from[k].node, names[i]) == 0 && from[k].position > walks[i].at)
                walks[i].at = from[k].position;
        walks[i].number = intake.number;
        walks[i].end = intake.head.tree.size;
        if (rc == 0)
            rc = settle(space, &walks[i], err);
    }
    return rc;
}

int hark_space_each_waiting(struct hark_space *space, hark_waiting_fn *fn, void *arg,
                            struct hark_err *err)
{
    return hark_space_each_waiting_from(space, NULL, 0, fn, arg, err);
}

int hark_space_each_waiting_from(struct hark_space *space, const struct space_from *from,
                                 size_t from_count, hark_waiting_fn *fn, void *arg,
                                 struct hark_err *err)
{
    hark_node_name *names = NULL;
    struct walk *walks = NULL;
    size_t count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    if (rc < 0 || count == 0)
        goto out;
    walks = calloc(count, sizeof(*walks));
    if (walks == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu intakes", count);
        goto out;
    }
    rc = begin_walks(space, names, count, from, from_count, walks, err);
    while (rc == 0) {
        size_t least = count;

        for (size_t i = 0; i < count; i++)
            if (walks[i].has &&
                (least == count || walks[i].row.accepted_ms < walks[least].row.accepted_ms))
                least = i;
        if (least == count)
            break;
        /* It may have been logged meanwhile, by way of another intake. */
        rc = settle(space, &walks[least], err);
        if (rc < 0 || !walks[least].has)
            continue;
        rc = show(space, names, count, names[least], &walks[least], fn, arg, err);
        walks[least].at++;
        if (rc == 0)
            rc = settle(space, &walks[least], err);
    }
out:
    free(walks);
    free(names);
    return rc == HARK_STOP ? 0 : rc;
}

/* --- beside the main log ------------------------------------------------------------ */

int hark_space_check_taken(struct hark_space *space, const struct hark_batch *batch,
                           struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < batch->taken_count; i++) {
        const struct hark_taken *taken = &batch->taken[i];
        char name[HARK_NODE_NAME_MAX + 1];
        struct hark_intake_batch end;
        struct hark_intake intake;
        bool found = false;

        rc = hark_space_taken_name(name, taken->origin, err);
        if (rc == 0)
            rc = hark_index_intake(space->index, name, &found, &intake, err);
        if (rc < 0 || !found || taken->size > intake.head.tree.size)
            continue; /* not known here that far */
        rc = hark_index_intake_end(space->index, intake.number, taken->size, &end, NULL);
        if (rc == HARK_E_NOT_FOUND || (rc == 0 && !hark_hash_equal(&end.root, &taken->root)))
            rc = hark_err_set(err, HARK_E_BATCH_TAKEN,
                              "what it takes from %s is no end of a batch of that intake", name);
        else if (rc < 0)
            rc = hark_err_set(err, rc, "the intake of %s", name);
    }
    return rc;
}

int hark_space_fill_payloads(struct hark_space *space, const struct hark_raw_batch *raw,
                             struct hark_raw_entry *items, struct hark_buf *bytes,
                             struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t *at = NULL, count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    if (rc < 0 || count == 0)
        goto out;
    at = calloc(raw->count + 1, sizeof(*at));
    if (at == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for payloads");
        goto out;
    }
    for (size_t i = 0; rc == 0 && i < raw->count; i++) {
        struct hark_hash id = hark_sha256(items[i].object);
        struct hark_git_id blob;
        bool found = false;

        if (items[i].payload_state != 2)
            continue;
        rc = find_copy(space, names, count, &id, &found, &blob, err);
        if (rc == 0 && found) {
            at[i] = bytes->size + 1;
            rc = hark_repo_read(space->repo, HARK_GIT_BLOB, &blob, bytes, err);
            items[i].payload.size = bytes->size + 1 - at[i];
        }
    }
    /* Now the bytes no longer move. */
    for (size_t i = 0; rc == 0 && i < raw->count; i++) {
        if (at[i] == 0)
            continue;
        items[i].payload_state = 1;
        items[i].payload = hark_span(bytes->data + at[i] - 1, items[i].payload.size);
    }
out:
    free(at);
    free(names);
    return rc;
}

/* --- tending and catching up ------------------------------------------------------- */

static int blob_at(void *arg, uint64_t position, bool *present, struct hark_git_id *blob,
                   struct hark_err *err)
{
    return find_blob_in_index(arg, position, NULL, present, blob, err);
}

int hark_space_tend_intakes(struct hark_space *space, bool *covered, struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct of_intake of = {.space = space};
        char log[HARK_LOG_NAME_MAX];
        struct hark_intake intake;
        uint64_t size = 0;
        bool found = false;

        rc = hark_space_log_name(log, names[i], err);
        if (rc == 0)
            rc = hark_index_intake(space->index, names[i], &found, &intake, err);
        if (rc == 0)
            rc = hark_repo_payloads_covered(space->repo, log, &size, err);
        of.number = intake.number;
        if (rc == 0 && found && size < intake.head.tree.size) {
            rc = hark_repo_cover_payloads(space->repo, log, intake.head.tree.size, blob_at, &of,
                                          err);
            *covered = true;
        }
    }
    free(names);
    return rc;
}

static int catch_up_one(struct hark_space *space, const char *node, struct hark_err *err)
{
    char log[HARK_LOG_NAME_MAX];
    struct space_blobs blobs = {.space = space, .log = log};
    struct hark_git_id *ids = NULL;
    struct hark_intake intake;
    size_t count = 0;
    bool found = false;
    int rc = hark_space_log_name(log, node, err);

    if (rc == 0)
        rc = find_intake(space, node, &found, &intake, err);
    if (rc == 0)
        rc = hark_space_batches_after(space, log, found ? &intake.head.batch_id : NULL, &ids,
                                      &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_space_batch batch;

        rc =
            hark_space_load_batch(space, &ids[i], hark_space_find_blob_in_git, &blobs, &batch, err);
        if (rc < 0)
            break;
        rc = hark_space_adopt_intake(space, node, &batch.raw, UINT64_MAX / 2, false, err);
        hark_space_batch_free(&batch);
    }
    hark_space_blobs_free(&blobs);
    free(ids);
    if (rc == HARK_E_BEHIND || rc == HARK_E_BATCH_MAIN)
        rc = 0; /* the main log went back since: what it hung on is not here any more */
    return rc < 0 ? hark_err_wrap(err, "the intake of %s", node) : rc;
}

int hark_space_catch_up_intakes(struct hark_space *space, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(space->state, counts, err);

    for (uint64_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        /* A name that came twice is caught up twice, the second time with nothing. */
        rc = hark_state_node(space->state, (uint32_t)i, &node, err);
        if (rc == 0)
            rc = catch_up_one(space, node.name, err);
    }
    return rc;
}
