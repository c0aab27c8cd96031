/*
 * Judging an intake log (PROTOCOL.md 7.2), after the main log and against it: each
 * batch against the point of the main log that it names, by what the state of the
 * whole log still knows of that point. Then the two logs against each other: what the
 * main log says that it has taken, and what it should have taken by now.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/audit_internal.h"

/* The last entry of a feed in this intake, by author key. */
struct own_feed {
    uint64_t seq;
    struct hark_hash last;
};

struct judging {
    struct audit *audit;
    const struct audit_log *main_log;
    struct audit_log *log;
    struct hark_key log_key; /* of the node whose intake it is */
    struct hark_log_head head;
    uint64_t main_size; /* of the batch before */
    bool broken;
    struct hark_memstore *own; /* ids, feeds and keys of this intake */
    struct hark_store store;
    struct audit_list feeds;    /* struct own_feed */
    struct audit_list accepted; /* uint64_t, by position */
    struct audit_list ends;     /* struct audit_end */
    /* Positions of the main log's entries by key number, each key's in order. */
    uint64_t *positions;
    size_t *starts; /* one more than there are keys */
    size_t keys;
};

/* --- feeds of the main log ------------------------------------------------------------ */

static int list_feeds(struct judging *j, struct hark_err *err)
{
    struct hark_state *state = j->audit->state;
    uint64_t size = hark_state_size(state), counts[HARK_SECTION_HASHED_] = {0};
    struct hark_entry_object object;
    int rc = hark_state_counts(state, counts, err);

    if (rc < 0)
        return rc;
    j->keys = (size_t)counts[HARK_SECTION_KEY];
    j->positions = calloc((size_t)size + 1, sizeof(*j->positions));
    j->starts = calloc(j->keys + 2, sizeof(*j->starts));
    if (j->positions == NULL || j->starts == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an intake");
    /* Counting sort by key: starts[k + 2] counts, becomes the end of k, then of k + 1. */
    for (uint64_t p = 0; rc == 0 && p < size; p++) {
        rc = hark_state_entry(state, p, &object, err);
        if (rc == 0 && object.key + 2 < j->keys + 2)
            j->starts[object.key + 2]++;
    }
    for (size_t k = 2; k < j->keys + 2; k++)
        j->starts[k] += j->starts[k - 1];
    for (uint64_t p = 0; rc == 0 && p < size; p++) {
        rc = hark_state_entry(state, p, &object, err);
        if (rc == 0)
            j->positions[j->starts[object.key + 1]++] = p;
    }
    return rc;
}

/* The last entry of that feed below `below`: how many there are is its seq. */
static void feed_below(const struct judging *j, uint32_t key, uint64_t below, struct own_feed *feed)
{
    size_t low = j->starts[key], high = j->starts[key + 1], start = low;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (j->positions[middle] < below)
            low = middle + 1;
        else
            high = middle;
    }
    feed->seq = low - start;
    if (feed->seq > 0)
        feed->last = j->main_log->places[j->positions[low - 1]].id;
}

/* --- an entry ---------------------------------------------------------------------------- */

struct look_up {
    uint8_t bytes[1 + HARK_KEY_SIZE];
};

static struct hark_span look_up_key(struct look_up *room, char letter, const struct hark_key *key)
{
    room->bytes[0] = (uint8_t)letter;
    memcpy(room->bytes + 1, key->bytes, HARK_KEY_SIZE);
    return hark_span(room->bytes, sizeof(room->bytes));
}

static int own_find(const struct judging *j, enum hark_lookup lookup, struct hark_span key,
                    bool *found, uint64_t *number, struct hark_err *err)
{
    return j->store.find(j->store.arg, lookup, key, found, number, err);
}

/* L3, at that point of the main log. */
static int check_kind(const struct judging *j, const struct hark_entry *entry, uint64_t below,
                      struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(j->audit->state);
    const uint64_t *came = j->audit->own_kinds.items;
    int number = hark_kinds_find(kinds, entry->kind);
    size_t builtin = hark_kinds_builtin_count(kinds), own;

    if (number < 0)
        return hark_err_set(err, HARK_E_ENTRY_RULES, "no kind of this space");
    own = (size_t)number - builtin;
    if ((size_t)number >= builtin && own < j->audit->own_kinds.count && came[own] >= below)
        return hark_err_set(err, HARK_E_ENTRY_RULES, "its kind came later");
    return 0;
}

/* L4, and where its feed stands. */
static int find_author(const struct judging *j, const struct hark_entry *entry, uint64_t below,
                       struct own_feed *feed, struct hark_err *err)
{
    struct hark_state *state = j->audit->state;
    const struct own_feed *own = j->feeds.items;
    struct hark_key_object key;
    struct look_up room;
    uint32_t number = 0;
    uint64_t at = 0;
    bool found = false;
    int rc = hark_state_find_key(state, &entry->author, &found, &number, err);

    if (rc == 0 && found)
        rc = hark_state_key(state, number, &key, err);
    if (rc == 0 && found && key.since < below) {
        if (key.of == HARK_KEY_OF_RECOVERY && strcmp(entry->kind, "recover") != 0)
            return hark_err_set(err, HARK_E_ENTRY_KEY, "a recovery key writes recover only");
        feed_below(j, number, below, feed);
    } else if (rc == 0) {
        rc = own_find(j, HARK_LOOKUP_OTHER, look_up_key(&room, 'k', &entry->author), &found, &at,
                      err);
        if (rc == 0 && !found)
            rc = hark_err_set(err, HARK_E_ENTRY_KEY, "its key had not come");
    }
    if (rc == 0)
        rc = own_find(j, HARK_LOOKUP_OTHER, look_up_key(&room, 'f', &entry->author), &found, &at,
                      err);
    if (rc == 0 && found && own[at].seq > feed->seq)
        *feed = own[at];
    return rc;
}

static int check_entry(const struct judging *j, const struct hark_entry *entry, uint64_t below,
                       struct hark_err *err)
{
    struct own_feed feed = {.seq = 0};
    uint64_t at = 0;
    bool found = false;
    int rc;

    if (!entry->has_space || !hark_hash_equal(&entry->space, &j->audit->space))
        return hark_err_set(err, HARK_E_ENTRY_SPACE, "it is of another space");
    rc = check_kind(j, entry, below, err);
    if (rc == 0)
        rc = find_author(j, entry, below, &feed, err);
    if (rc == 0)
        rc = own_find(j, HARK_LOOKUP_ENTRY, hark_span(entry->id.bytes, sizeof(entry->id.bytes)),
                      &found, &at, err);
    if (rc < 0)
        return rc;
    if (found)
        return hark_err_set(err, HARK_E_ENTRY_DUPLICATE, "it stands in this intake already");
    if (entry->seq != feed.seq + 1)
        return hark_err_set(err, HARK_E_ENTRY_GAP, "seq %" PRIu64 " after %" PRIu64, entry->seq,
                            feed.seq);
    if (feed.seq > 0 && !hark_hash_equal(&entry->previous, &feed.last))
        return hark_err_set(err, HARK_E_ENTRY_PREVIOUS,
                            "Previous is not the last entry of its feed");
    return 0;
}

/* Keys that an entry of this intake brings, as far as later ones hang on them. */
static int bind_keys(struct judging *j, const struct space_item *item, struct hark_err *err)
{
    static const char *const fields[] = {"key", "author"};
    const struct hark_kinds *kinds = hark_state_kinds(j->audit->state);
    int number = hark_kinds_find(kinds, item->entry.kind);
    const struct hark_kind *kind = number < 0 ? NULL : hark_kinds_get(kinds, (size_t)number);
    struct hark_key key;
    struct look_up room;
    json_t *json = NULL;
    int rc = 0;

    if (kind == NULL || kind->erasable || item->payload.data == NULL ||
        hark_payload_check(kind, item->payload, &json, NULL) < 0)
        return 0;
    for (size_t i = 0; rc == 0 && i < sizeof(fields) / sizeof(fields[0]); i++) {
        const char *hex = json_string_value(json_object_get(json, fields[i]));

        if (hex != NULL && hark_key_from_hex(&key, hark_span_str(hex), NULL) == 0)
            rc = j->store.bind(j->store.arg, HARK_LOOKUP_OTHER, look_up_key(&room, 'k', &key), 1,
                               err);
    }
    json_decref(json);
    return rc;
}

static int bind_entry(struct judging *j, const struct space_item *item, uint64_t position,
                      struct hark_err *err)
{
    const struct hark_entry *entry = &item->entry;
    const struct own_feed feed = {.seq = entry->seq, .last = entry->id};
    struct own_feed *feeds = j->feeds.items;
    struct look_up room;
    uint64_t at = 0;
    bool found = false;
    int rc = j->store.bind(j->store.arg, HARK_LOOKUP_ENTRY,
                           hark_span(entry->id.bytes, sizeof(entry->id.bytes)), position, err);

    if (rc == 0)
        rc = own_find(j, HARK_LOOKUP_OTHER, look_up_key(&room, 'f', &entry->author), &found, &at,
                      err);
    if (rc == 0 && found) {
        feeds[at] = feed;
    } else if (rc == 0) {
        at = j->feeds.count;
        rc = hark_audit_push(&j->feeds, &feed, sizeof(feed), err);
        if (rc == 0)
            rc = j->store.bind(j->store.arg, HARK_LOOKUP_OTHER,
                               look_up_key(&room, 'f', &entry->author), at, err);
    }
    return rc == 0 ? bind_keys(j, item, err) : rc;
}

/* --- a batch -------------------------------------------------------------------------------- */

static int compare_ends(const void *a, const void *b)
{
    uint64_t x = ((const struct audit_end *)a)->size, y = ((const struct audit_end *)b)->size;

    return x < y ? -1 : x > y ? 1 : 0;
}

/* The first with that size: batches without entries end where the one before does. */
static const struct audit_end *find_end(const struct audit_list *ends, uint64_t size)
{
    const struct audit_end key = {.size = size};

    return ends->count == 0 ? NULL
                            : bsearch(&key, ends->items, ends->count, sizeof(key), compare_ends);
}

/* B15 */
static int check_main(struct judging *j, const struct hark_batch *batch, struct hark_err *err)
{
    const struct audit *audit = j->audit;
    const struct audit_end *end = find_end(&audit->ends, batch->main_size);

    if (batch->main_size < j->main_size)
        return hark_err_set(err, HARK_E_BATCH_MAIN, "its Main goes back from %" PRIu64,
                            j->main_size);
    if (end != NULL && hark_hash_equal(&end->root, &batch->main_root))
        return 0;
    if (end == NULL && batch->main_size > audit->size)
        return hark_err_set(err, HARK_E_BEHIND,
                            "it was judged against %" PRIu64 " entries of the main log, which has "
                            "%" PRIu64 " here: its ref was set back, or what came after is lost",
                            batch->main_size, audit->size);
    /* Where the main log is broken its roots are not known. */
    if (end == NULL && batch->main_size > audit->sound_size)
        return 0;
    return hark_err_set(err, HARK_E_BATCH_MAIN, "its Main is no end of a batch of the main log");
}

static int remember_batch(struct judging *j, const struct audit_batch *b,
                          const struct hark_line *lines, struct hark_err *err)
{
    const struct audit_end end = {
        .size = j->head.tree.size, .root = hark_merkle_root(&j->head.tree), .batch = b->id};
    int rc = hark_audit_push(&j->ends, &end, sizeof(end), err);

    for (size_t i = 0; rc == 0 && i < b->raw.count; i++)
        rc = hark_audit_push(&j->accepted, &lines[i].accepted_ms, sizeof(uint64_t), err);
    return rc;
}

/* All of the batch; *told is the position of the entry that it is refused for, if for
 * one. */
static int check_batch(struct judging *j, struct audit_batch *b, uint64_t *told,
                       struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_log_head next = {.has_batch = false};
    struct hark_line *lines = NULL;
    struct hark_git_id tree;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_batch_check(&next, batch, &lines, &tree, NULL, &j->head, &b->raw, j->audit->now_ms,
                          err);
    if (rc == 0)
        rc = check_main(j, batch, err);
    for (size_t i = 0; rc == 0 && i < b->raw.count; i++) {
        struct space_item *item = &b->items[i];

        *told = b->first + i;
        rc = item->code;
        if (rc < 0 && err != NULL)
            *err = item->err;
        /* Beyond what could be judged of the main log nobody's right is known. */
        if (rc == 0 && batch->main_size <= hark_state_size(j->audit->state))
            rc = check_entry(j, &item->entry, batch->main_size, err);
        if (rc == 0)
            rc = bind_entry(j, item, b->first + i, err);
        if (rc == 0)
            *told = HARK_NONE;
    }
    if (rc == 0) {
        next.batch_id = b->id;
        j->head = next;
        j->main_size = batch->main_size;
        rc = remember_batch(j, b, lines, err);
    }
    free(lines);
    free(batch);
    return rc;
}

static int tell(struct judging *j, struct audit_batch *b, const struct hark_key *signer,
                uint64_t told, const struct hark_err *what, struct hark_err *err)
{
    struct space_item *item;

    if (told == HARK_NONE)
        return hark_audit_batch(j->log, b, signer, what, err);
    /* As if it were wrong by itself: so it is told once, with its place. */
    item = &b->items[told - b->first];
    item->code = what->code;
    item->err = *what;
    return 0;
}

/* After the first thing wrong: form, signature, entries by themselves. */
static int go_on(struct judging *j, struct audit_batch *b, const struct hark_key *signer,
                 struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_line *lines = NULL;
    struct hark_err what = {0};
    int rc = b->code;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    if (rc < 0)
        what = b->err;
    if (rc == 0)
        rc = hark_batch_parse(batch, NULL, NULL, b->raw.commit, &j->log_key, &what);
    if (rc == 0)
        rc = hark_audit_lines(b, batch, &lines, &what);
    free(lines);
    free(batch);
    if (rc == 0) {
        j->audit->signatures++;
        return 0;
    }
    if (hark_audit_is_trouble(rc)) {
        if (err != NULL)
            *err = what;
        return rc;
    }
    return hark_audit_batch(j->log, b, signer, &what, err);
}

static int judge(void *arg, struct audit_batch *b, struct hark_err *err)
{
    struct judging *j = arg;
    const struct hark_key *signer = NULL;
    struct hark_err what = {0};
    struct hark_key key;
    uint64_t told = HARK_NONE;
    bool whole = !j->broken && b->code == 0 && !b->missing;
    int rc = hark_audit_note(j->log, b, err);

    if (rc == 0 && whole) {
        rc = check_batch(j, b, &told, &what);
        if (rc == 0) {
            j->audit->signatures++;
            j->audit->checkpoints++;
            return 0;
        }
        if (hark_audit_is_trouble(rc)) {
            if (err != NULL)
                *err = what;
            return rc;
        }
        rc = 0;
    }
    j->broken = true;
    if (hark_audit_signer(b->raw.commit, &key))
        signer = &key;
    if (rc == 0)
        rc = whole ? tell(j, b, signer, told, &what, err) : go_on(j, b, signer, err);
    return rc == 0 ? hark_audit_items(j->log, b, signer, HARK_NONE, err) : rc;
}

/* --- the two logs against each other ------------------------------------------------------------
 */

static int tell_home(struct judging *j, int code, uint64_t position, const struct hark_hash *id,
                     const struct hark_git_id *proof, const struct hark_git_id *other,
                     const char *detail, struct hark_err *err)
{
    const struct audit_finding finding = {.code = code,
                                          .verdict = HARK_AUDIT_HOME,
                                          .role = "home",
                                          .key = &j->audit->home_key,
                                          .log = "main",
                                          .position = position,
                                          .entry = id,
                                          .evidence = {proof, other},
                                          .detail = detail};

    return hark_audit_find(j->audit, &finding, err);
}

/* A line of the main log says by which intake an entry came, where, and when it was
 * accepted there. */
static int check_copied(struct judging *j, struct hark_err *err)
{
    const struct audit_copied *copied = j->audit->copied.items;
    const uint64_t *accepted = j->accepted.items;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < j->audit->copied.count; i++) {
        uint64_t at = copied[i].intake_position;

        if (strcmp(copied[i].node, j->log->node) != 0 || at >= j->accepted.count)
            continue;
        if (!hark_hash_equal(&copied[i].id, &j->log->places[at].id) ||
            copied[i].accepted_ms != accepted[at])
            rc = tell_home(j, HARK_E_BATCH_ENTRIES, copied[i].position, &copied[i].id,
                           &copied[i].batch, NULL,
                           "the line says where it came from, and it is not so", err);
    }
    return rc;
}

/* How far the main log says that it has come, and whether that is so. */
static int check_taken(struct judging *j, const struct audit_refs *refs, uint64_t *size,
                       struct hark_err *err)
{
    const struct audit_taken *taken = j->audit->taken.items;
    const struct audit_end *end;
    struct hark_git_id now;
    bool exists = false;
    size_t i = 0;

    *size = 0;
    while (i < j->audit->taken.count && strcmp(taken[i].node, j->log->node) != 0)
        i++;
    if (i == j->audit->taken.count)
        return 0;
    *size = taken[i].size;
    if (taken[i].size > j->head.tree.size) {
        const struct audit_finding finding = {
            .code = HARK_E_BEHIND,
            .verdict = HARK_AUDIT_UNREADABLE,
            .log = j->log->name,
            .position = j->head.tree.size,
            .evidence = {&taken[i].batch, NULL},
            .detail = "the main log has taken more of this intake than is here: its ref was set "
                      "back, or what came after is lost"};
        int rc = hark_repo_view_ref(j->audit->repo, j->log->name, &exists, &now, err);

        /* A node that runs has gone on meanwhile. */
        if (rc < 0 || !exists || !hark_git_id_equal(&now, &refs->log))
            return rc < 0 && hark_audit_is_trouble(rc) ? rc : 0;
        return hark_audit_find(j->audit, &finding, err);
    }
    end = find_end(&j->ends, taken[i].size);
    if (end != NULL && hark_hash_equal(&end->root, &taken[i].root))
        return 0;
    return tell_home(j, HARK_E_BATCH_TAKEN, HARK_NONE, NULL, &taken[i].batch,
                     end != NULL ? &end->batch : NULL,
                     "Taken names a root that this intake never had at that size", err);
}

static int check_overdue(struct judging *j, uint64_t taken, struct hark_err *err)
{
    struct audit *audit = j->audit;
    const uint64_t *accepted = j->accepted.items;
    uint64_t count = 0, first = 0;
    char detail[160], since[HARK_TIME_SIZE + 1];
    struct audit_finding finding = {.code = HARK_E_BEHIND,
                                    .name = "overdue",
                                    .verdict = HARK_AUDIT_UNSETTLED,
                                    .role = "home",
                                    .key = &audit->home_key,
                                    .log = j->log->name,
                                    .detail = detail};
    int rc = 0;

    for (uint64_t at = taken; rc == 0 && at < j->accepted.count; at++) {
        bool found = false;
        uint64_t position = 0;

        if (accepted[at] + audit->merge_delay_s * 1000 >= audit->now_ms)
            break; /* they only come later */
        rc = hark_state_find_entry(audit->state, &j->log->places[at].id, &found, &position, err);
        if (rc == 0 && !found && count++ == 0)
            first = at;
    }
    if (rc < 0 || count == 0)
        return rc;
    hark_time_encode(since,
                     accepted[first] < HARK_TIME_MAX_MS ? accepted[first] : HARK_TIME_MAX_MS);
    (void)snprintf(detail, sizeof(detail),
                   "%" PRIu64 " accepted by %.63s, the first at %s, and not in the main log", count,
                   j->log->node, since);
    finding.position = first;
    finding.entry = &j->log->places[first].id;
    return hark_audit_find(audit, &finding, err);
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

static int set_up(struct judging *j, struct hark_err *err)
{
    struct hark_node_object node;
    struct audit_finding finding = {.code = HARK_E_BATCH_ORIGIN,
                                    .verdict = HARK_AUDIT_UNREADABLE,
                                    .log = j->log->name,
                                    .position = HARK_NONE,
                                    .detail = "no node of this space has that name"};
    bool found = false;
    int rc = hark_memstore_new(&j->own, err);

    if (rc < 0)
        return rc;
    j->store = hark_memstore_store(j->own);
    j->broken = !j->log->whole;
    rc = list_feeds(j, err);
    if (rc == 0)
        rc = hark_space_node_called(j->audit->state, j->log->node, &node, &found, err);
    if (rc == 0 && !found) {
        j->broken = true;
        return hark_audit_find(j->audit, &finding, err);
    }
    if (rc == 0) {
        hark_origin(j->head.origin, j->log->node, &j->audit->space, 0);
        j->head.log_key = node.keys.log;
        j->log_key = node.keys.log;
    }
    return rc;
}

static int judge_log(struct judging *j, const struct audit_refs *refs, struct hark_err *err)
{
    uint64_t taken = 0;
    int rc = set_up(j, err);

    if (rc == 0)
        rc = hark_audit_read(j->log, judge, j, err);
    if (rc == 0 && !j->broken)
        rc = check_copied(j, err);
    if (rc == 0 && !j->broken && j->audit->judged) {
        rc = check_taken(j, refs, &taken, err);
        if (rc == 0)
            rc = check_overdue(j, taken, err);
    }
    if (rc == 0)
        rc = hark_audit_payloads(j->log, err);
    return rc;
}

int hark_audit_intake(struct audit *audit, const struct audit_log *main_log, const char *node,
                      const struct audit_refs *refs, struct hark_err *err)
{
    struct audit_log log;
    struct judging j = {.audit = audit, .main_log = main_log, .log = &log};
    int rc = hark_audit_log_open(&log, audit, node, refs, err);

    /* Without a state nothing says whose it is, and what may stand in it. */
    if (rc == 0 && log.count > 0 && audit->state != NULL)
        rc = judge_log(&j, refs, err);
    hark_memstore_free(j.own);
    free(j.feeds.items);
    free(j.accepted.items);
    free(j.ends.items);
    free(j.positions);
    free(j.starts);
    hark_audit_log_close(&log);
    return rc;
}
