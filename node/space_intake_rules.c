/*
 * What a batch of an intake log is asked that hangs on the main log and on the intake
 * before it (PROTOCOL.md 7.2, B3, B14, B15): the main log below the batch's Main, and
 * nothing else, so that every reader answers alike, however much more of it it has.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/space_internal.h"

/* Notes of an intake (index.h): the signing keys and kinds that its entries bring,
 * and that some are brought which nobody can read any more. */
#define NOTE_KEY      'k' /* key -> enum hark_key_of */
#define NOTE_ANY_KEY  'a'
#define NOTE_KIND     'n'
#define NOTE_ANY_KIND 'm'

/* --- checking: what hangs on the main log ------------------------------------- */

/* B15: is it an end of a batch of the main log? */
int hark_space_intake_check_main(struct hark_space *space, const struct hark_batch *batch,
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
int hark_space_intake_check_named(struct hark_state *state, const char *name,
                                  const struct hark_key *log_key, uint64_t main_size,
                                  struct hark_err *err)
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

static int is_noted(const struct space_intake_check *c, char letter, struct hark_span key,
                    bool *noted, uint64_t *number, struct hark_err *err)
{
    return hark_index_intake_noted(c->space->index, c->intake->number, letter, key, noted, number,
                                   err);
}

static struct hark_span key_span(const struct hark_key *key)
{
    return hark_span(key->bytes, HARK_KEY_SIZE);
}

/* L4. *of tells whose key it is, as far as that is known. */
static int check_author(const struct space_intake_check *c, const struct hark_entry *entry,
                        uint8_t *of, struct hark_err *err)
{
    struct hark_key_object object = {0};
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
static int check_kind(const struct space_intake_check *c, const struct hark_entry *entry,
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
static int check_new_here(const struct space_intake_check *c, const struct hark_entry *entry,
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
static int check_new_there(const struct space_intake_check *c, const struct hark_entry *entry,
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
static int check_previous(const struct space_intake_check *c, const struct hark_entry *entry,
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

static int check_entry(const struct space_intake_check *c, const struct hark_entry *entry,
                       uint8_t *of, struct hark_err *err)
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

const struct space_bringer *hark_space_bringer(const char *kind)
{
    static const struct space_bringer bringers[] = {
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

static int note_payload(const struct space_intake_check *c, const struct space_bringer *b,
                        const json_t *json, struct hark_err *err)
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
static int note_brought(const struct space_intake_check *c, const struct space_item *item,
                        uint8_t of, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(c->space->state);
    const struct space_bringer *b = hark_space_bringer(item->entry.kind);
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

int hark_space_intake_check_entry(const struct space_intake_check *check,
                                  const struct space_item *item, struct hark_err *err)
{
    uint8_t of = HARK_KEY_OF_MEMBER;
    int rc = check_entry(check, &item->entry, &of, err);

    return rc < 0 ? rc : note_brought(check, item, of, err);
}
