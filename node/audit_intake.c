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

struct judging {
    struct audit *audit;
    const struct audit_log *main_log;
    struct audit_log *log;
    struct hark_key log_key; /* of the node whose intake it is */
    struct hark_log_head head;
    uint64_t main_size; /* of the batch before */
    bool broken;
    struct hark_memstore *own; /* look-ups of this intake: below */
    struct hark_store store;
    struct audit_list entries; /* uint64_t: when each was accepted, ms */
    struct audit_list ends;    /* struct audit_end */
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

/* The main log's entry of that key and seq: a feed has no gaps, so its place among the
 * key's entries is its seq. */
static bool nth_below(const struct judging *j, uint32_t key, uint64_t seq, uint64_t below,
                      uint64_t *position)
{
    uint64_t count = key < j->keys ? j->starts[key + 1] - j->starts[key] : 0;

    if (seq == 0 || seq > count)
        return false;
    *position = j->positions[j->starts[key] + seq - 1];
    return *position < below;
}

/* --- look-ups of the intake -------------------------------------------------------------- */

/* Under HARK_LOOKUP_OTHER, by a letter and what follows it; an id under
 * HARK_LOOKUP_ENTRY. */
#define OWN_SEQ      'f' /* author ‖ u64 seq -> position */
#define OWN_KEY      'k' /* key -> whose it is (enum hark_key_of) */
#define OWN_ANY_KEY  'K' /* a key was brought that nobody can read any more */
#define OWN_KIND     'n' /* name of a kind */
#define OWN_ANY_KIND 'N'

struct own_key {
    uint8_t bytes[1 + HARK_KEY_SIZE + 8];
    size_t size;
};

static struct own_key own_key(char letter, struct hark_span what)
{
    struct own_key key = {.size = 1 + what.size};

    key.bytes[0] = (uint8_t)letter;
    if (what.size > 0)
        memcpy(key.bytes + 1, what.data, what.size);
    return key;
}

static struct own_key own_seq(const struct hark_key *author, uint64_t seq)
{
    struct own_key key = own_key(OWN_SEQ, hark_span(author->bytes, HARK_KEY_SIZE));

    hark_put_u64(key.bytes + key.size, seq);
    key.size += 8;
    return key;
}

static int own_find(const struct judging *j, struct own_key key, bool *found, uint64_t *number,
                    struct hark_err *err)
{
    return j->store.find(j->store.arg, HARK_LOOKUP_OTHER, hark_span(key.bytes, key.size), found,
                         number, err);
}

static int own_bind(struct judging *j, struct own_key key, uint64_t number, struct hark_err *err)
{
    return j->store.bind(j->store.arg, HARK_LOOKUP_OTHER, hark_span(key.bytes, key.size), number,
                         err);
}

static int own_find_id(const struct judging *j, const struct hark_hash *id, bool *found,
                       uint64_t *position, struct hark_err *err)
{
    return j->store.find(j->store.arg, HARK_LOOKUP_ENTRY, hark_span(id->bytes, sizeof(id->bytes)),
                         found, position, err);
}

/* --- an entry ---------------------------------------------------------------------------- */

/* An entry, and the point of the main log that it is judged against. */
struct asked {
    const struct hark_entry *entry;
    uint64_t below;
    bool in_main; /* its author's key stands in the state of the whole log, */
    uint32_t key; /* by this number */
    uint8_t of;   /* enum hark_key_of */
};

/* L3. A kind of the space's own is known from the entry on that brought it. */
static int check_kind(const struct judging *j, const struct asked *a, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(j->audit->state);
    const uint64_t *came = j->audit->own_kinds.items;
    int number = hark_kinds_find(kinds, a->entry->kind);
    size_t builtin = hark_kinds_builtin_count(kinds);
    uint64_t ignored = 0;
    bool known = number >= 0 && (size_t)number < builtin;
    int rc = 0;

    if (!known && number >= 0) {
        size_t own = (size_t)number - builtin;

        known = own < j->audit->own_kinds.count && came[own] < a->below;
    }
    if (!known)
        rc = own_find(j, own_key(OWN_KIND, hark_span_str(a->entry->kind)), &known, &ignored, err);
    if (rc == 0 && !known)
        rc = own_find(j, own_key(OWN_ANY_KIND, hark_span("", 0)), &known, &ignored, err);
    if (rc == 0 && !known)
        rc = hark_err_set(err, HARK_E_ENTRY_RULES, "the rules there do not know its kind");
    return rc;
}

/* L4 */
static int check_author(const struct judging *j, struct asked *a, struct hark_err *err)
{
    struct hark_state *state = j->audit->state;
    struct hark_key_object key = {.since = HARK_NONE};
    uint64_t of = HARK_KEY_OF_MEMBER;
    bool found = false;
    int rc = hark_state_find_key(state, &a->entry->author, &a->in_main, &a->key, err);

    if (rc == 0 && a->in_main)
        rc = hark_state_key(state, a->key, &key, err);
    if (rc < 0)
        return rc;
    if (a->in_main && key.since < a->below) {
        a->of = key.of;
        return key.of == HARK_KEY_OF_RECOVERY && strcmp(a->entry->kind, "recover") != 0
                   ? hark_err_set(err, HARK_E_ENTRY_KEY, "a recovery key may write recover only")
                   : 0;
    }
    rc = own_find(j, own_key(OWN_KEY, hark_span(a->entry->author.bytes, HARK_KEY_SIZE)), &found,
                  &of, err);
    if (rc == 0 && found)
        a->of = (uint8_t)of;
    else if (rc == 0)
        rc = own_find(j, own_key(OWN_ANY_KEY, hark_span("", 0)), &found, &of, err);
    if (rc == 0 && !found)
        rc = hark_err_set(err, HARK_E_ENTRY_KEY,
                          "its author's key came neither before Main nor in this intake");
    return rc;
}

/* L5 and L6, in the intake and below Main. */
static int check_new(const struct judging *j, const struct asked *a, struct hark_err *err)
{
    uint64_t position = 0;
    bool found = false;
    int rc = own_find_id(j, &a->entry->id, &found, &position, err);

    if (rc == 0 && found)
        return hark_err_set(err, HARK_E_ENTRY_DUPLICATE, "it stands in this intake already");
    if (rc == 0)
        rc = own_find(j, own_seq(&a->entry->author, a->entry->seq), &found, &position, err);
    if (rc < 0)
        return rc;
    if (found)
        return hark_err_set(err, HARK_E_ENTRY_TWIN,
                            "this intake holds another entry of this key and seq");
    if (!a->in_main || !nth_below(j, a->key, a->entry->seq, a->below, &position))
        return 0;
    return hark_hash_equal(&j->main_log->places[position].id, &a->entry->id)
               ? hark_err_set(err, HARK_E_ENTRY_DUPLICATE, "it stands in the main log already")
               : hark_err_set(err, HARK_E_ENTRY_TWIN,
                              "the main log holds another entry of this key and seq");
}

/* L7 to L9: its feed's entry before it stands in the intake, or below Main. */
static int check_previous(const struct judging *j, const struct asked *a, struct hark_err *err)
{
    const struct hark_git_id *parent = NULL;
    const struct hark_entry *entry = a->entry;
    uint64_t position = 0, before = 0;
    bool found = false;
    int rc;

    if (entry->seq == 1)
        return 0;
    rc = own_find_id(j, &entry->previous, &found, &position, err);
    if (rc < 0)
        return rc;
    if (found) {
        rc = own_find(j, own_seq(&entry->author, entry->seq - 1), &found, &before, err);
        if (rc < 0)
            return rc;
        found = found && before == position;
        parent = &j->log->places[position].git_id;
    } else {
        rc = hark_state_find_entry(j->audit->state, &entry->previous, &found, &position, err);
        if (rc < 0)
            return rc;
        if (!found || position >= a->below)
            return hark_err_set(err, HARK_E_ENTRY_GAP,
                                "its feed's entry before it is neither below Main nor in this "
                                "intake");
        parent = &j->main_log->places[position].git_id;
        found = a->in_main && nth_below(j, a->key, entry->seq - 1, a->below, &position) &&
                hark_hash_equal(&j->main_log->places[position].id, &entry->previous);
    }
    if (!found)
        return hark_err_set(err, HARK_E_ENTRY_PREVIOUS, "Previous is not its feed's entry before");
    if (!hark_git_id_equal(parent, &entry->parent))
        return hark_err_set(err, HARK_E_ENTRY_PARENT,
                            "parent is not the git id of its feed's entry before");
    return 0;
}

static int check_entry(const struct judging *j, struct asked *a, struct hark_err *err)
{
    int rc;

    if (!a->entry->has_space || !hark_hash_equal(&a->entry->space, &j->audit->space))
        return hark_err_set(err, HARK_E_ENTRY_SPACE, "it is of another space");
    rc = check_kind(j, a, err);
    if (rc == 0)
        rc = check_author(j, a, err);
    if (rc == 0)
        rc = check_new(j, a, err);
    return rc == 0 ? check_previous(j, a, err) : rc;
}

/* --- what an entry leaves for those after it ------------------------------------------------ */

/* The key or kind that it brings, as space_intake.c says which entries do. */
static int bind_brought(struct judging *j, const struct space_item *item, const struct asked *a,
                        struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(j->audit->state);
    const struct space_bringer *b = hark_space_bringer(item->entry.kind);
    int number = hark_kinds_find(kinds, item->entry.kind), rc = 0;
    struct hark_key key;
    json_t *json = NULL;
    const char *text;

    if (b == NULL || a->of != b->by || number < 0 || !item->entry.has_payload)
        return 0;
    if (item->payload.data == NULL)
        return own_bind(j, own_key(b->field == NULL ? OWN_ANY_KIND : OWN_ANY_KEY, hark_span("", 0)),
                        0, err);
    if (hark_payload_check(hark_kinds_get(kinds, (size_t)number), item->payload, &json, NULL) < 0)
        return 0;
    text = json_string_value(json_object_get(json, b->field != NULL ? b->field : "name"));
    if (text != NULL && b->field == NULL && strlen(text) <= HARK_KIND_NAME_MAX)
        rc = own_bind(j, own_key(OWN_KIND, hark_span_str(text)), 0, err);
    else if (text != NULL && b->field != NULL &&
             hark_key_from_hex(&key, hark_span_str(text), NULL) == 0)
        rc = own_bind(j, own_key(OWN_KEY, hark_span(key.bytes, HARK_KEY_SIZE)), b->of, err);
    json_decref(json);
    return rc;
}

static int bind_entry(struct judging *j, const struct space_item *item, const struct asked *a,
                      const struct hark_line *line, struct hark_err *err)
{
    const struct hark_entry *entry = &item->entry;
    int rc =
        j->store.bind(j->store.arg, HARK_LOOKUP_ENTRY,
                      hark_span(entry->id.bytes, sizeof(entry->id.bytes)), line->position, err);

    if (rc == 0)
        rc = own_bind(j, own_seq(&entry->author, entry->seq), line->position, err);
    if (rc == 0)
        rc = hark_audit_push(&j->entries, &line->accepted_ms, sizeof(line->accepted_ms), err);
    return rc == 0 ? bind_brought(j, item, a, err) : rc;
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

static int check_entries(struct judging *j, struct audit_batch *b, const struct hark_line *lines,
                         uint64_t main_size, uint64_t *told, struct hark_err *err)
{
    /* Beyond what could be judged of the main log nobody's right is known. */
    bool known = main_size <= hark_state_size(j->audit->state);

    for (size_t i = 0; i < b->raw.count; i++) {
        struct space_item *item = &b->items[i];
        struct asked a = {.entry = &item->entry, .below = main_size};
        int rc = item->code;

        *told = b->first + i;
        if (rc < 0 && err != NULL)
            *err = item->err;
        if (rc == 0 && known)
            rc = check_entry(j, &a, err);
        if (rc == 0)
            rc = bind_entry(j, item, &a, &lines[i], err);
        if (rc < 0)
            return rc;
    }
    *told = HARK_NONE;
    return 0;
}

/* All of the batch; *told is the position of the entry that it is refused for, if for
 * one. */
static int check_batch(struct judging *j, struct audit_batch *b, uint64_t *told,
                       struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_log_head next = {.has_batch = false};
    struct audit_end end = {.batch = b->id};
    struct hark_line *lines = NULL;
    struct hark_git_id *ids = NULL, tree;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_batch_check(&next, batch, &lines, &tree, &ids, &j->head, &b->raw, j->audit->now_ms,
                          err);
    if (rc == 0)
        rc = hark_space_check_git_ids(&b->raw, b->items, &tree, ids, err);
    if (rc == 0)
        rc = check_main(j, batch, err);
    if (rc == 0)
        rc = hark_space_intake_check_named(j->audit->state, j->log->node, &j->log_key,
                                           batch->main_size, err);
    if (rc == 0)
        rc = check_entries(j, b, lines, batch->main_size, told, err);
    if (rc == 0) {
        next.batch_id = b->id;
        j->head = next;
        j->main_size = batch->main_size;
        end.size = next.tree.size;
        end.root = hark_merkle_root(&next.tree);
        rc = hark_audit_push(&j->ends, &end, sizeof(end), err);
    }
    free(lines);
    free(ids);
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

    if (rc == 0)
        rc = hark_audit_note_first(j->log, b, err);
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
    const uint64_t *accepted_ms = j->entries.items;
    uint32_t node = 0;
    int rc = hark_audit_name(j->audit, j->log->node, &node, err);

    for (size_t i = 0; rc == 0 && i < j->audit->copied.count; i++) {
        uint64_t at = copied[i].intake_position;
        const struct hark_hash *id = &j->main_log->places[copied[i].position].id;

        if (copied[i].node != node || at >= j->entries.count)
            continue;
        if (!hark_hash_equal(id, &j->log->places[at].id) ||
            copied[i].accepted_ms != accepted_ms[at])
            rc = tell_home(j, HARK_E_BATCH_ENTRIES, copied[i].position, id,
                           &j->main_log->ids[copied[i].batch], NULL,
                           "the line says where it came from, and it is not so", err);
    }
    return rc;
}

/* The main log has taken more than is here. A node that runs may have gone on since the
 * refs were read. */
static int taken_beyond(struct judging *j, const struct audit_taken *taken,
                        const struct audit_refs *refs, struct hark_err *err)
{
    const struct audit_finding finding = {
        .code = HARK_E_BEHIND,
        .verdict = HARK_AUDIT_UNREADABLE,
        .log = j->log->name,
        .position = j->head.tree.size,
        .evidence = {&j->main_log->ids[taken->batch], NULL},
        .detail = "the main log has taken more of this intake than is here: its ref was set "
                  "back, or what came after is lost"};
    struct hark_git_id now;
    bool exists = false;
    int rc = hark_repo_view_ref(j->audit->repo, j->log->name, &exists, &now, err);

    if (rc < 0 || !exists || !hark_git_id_equal(&now, &refs->log))
        return hark_audit_is_trouble(rc) ? rc : 0;
    return hark_audit_find(j->audit, &finding, err);
}

/* How far the main log says that it has come, and whether each time it was so (B13). */
static int check_taken(struct judging *j, const struct audit_refs *refs, uint64_t *size,
                       struct hark_err *err)
{
    const struct audit_taken *taken = j->audit->taken.items;
    uint32_t node = 0;
    int rc = hark_audit_name(j->audit, j->log->node, &node, err);

    *size = 0;
    for (size_t i = 0; rc == 0 && i < j->audit->taken.count; i++) {
        const struct audit_end *end = find_end(&j->ends, taken[i].size);

        if (taken[i].node != node)
            continue;
        *size = taken[i].size;
        if (taken[i].size == 0) /* of the empty tree: B13 was asked already */
            continue;
        if (taken[i].size > j->head.tree.size)
            return taken_beyond(j, &taken[i], refs, err);
        if (end == NULL || !hark_hash_equal(&end->root, &taken[i].root))
            rc = tell_home(j, HARK_E_BATCH_TAKEN, HARK_NONE, NULL,
                           &j->main_log->ids[taken[i].batch], end != NULL ? &end->batch : NULL,
                           "Taken names what is no end of a batch of this intake", err);
    }
    return rc;
}

static int check_overdue(struct judging *j, uint64_t taken, struct hark_err *err)
{
    struct audit *audit = j->audit;
    const uint64_t *accepted_ms = j->entries.items;
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

    for (uint64_t at = taken; rc == 0 && at < j->entries.count; at++) {
        bool found = false;
        uint64_t position = 0;

        if (accepted_ms[at] + audit->merge_delay_s * 1000 >= audit->now_ms)
            break; /* they only come later */
        rc = hark_state_find_entry(audit->state, &j->log->places[at].id, &found, &position, err);
        if (rc == 0 && !found && count++ == 0)
            first = at;
    }
    if (rc < 0 || count == 0)
        return rc;
    hark_time_encode(since,
                     accepted_ms[first] < HARK_TIME_MAX_MS ? accepted_ms[first] : HARK_TIME_MAX_MS);
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
    free(j.entries.items);
    free(j.ends.items);
    free(j.positions);
    free(j.starts);
    hark_audit_log_close(&log);
    return rc;
}
