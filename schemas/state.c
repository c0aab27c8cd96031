/*
 * The state of a space: opening it over its store, the order of questions that an
 * entry is asked (may it be logged, does it stand), and its place in the log.
 *
 * An entry costs a bounded number of reads and writes of the store, whatever the
 * log's size. In memory are the log's tree, the space object, the nodes now named
 * and the kinds; all of them are in the store as well, so that hark_state_open
 * goes on at once.
 */
#include "schemas/state_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Opening --------------------------------------------------------------- */

/* Are the kinds in memory those in the store? After most rollbacks they are. */
static int kinds_are_current(struct hark_state *state, bool *current, struct hark_err *err)
{
    size_t builtin = hark_kinds_builtin_count(state->kinds);
    size_t own = hark_kinds_count(state->kinds) - builtin;
    uint64_t count = 0;
    int rc = hark_objects_count(state, HARK_SECTION_KIND, &count, err);

    *current = rc == HARK_OK && count == own;
    for (size_t i = 0; rc == HARK_OK && *current && i < own; i++) {
        struct hark_hash hash;

        rc = hark_objects_kind_hash(state, i, &hash, err);
        *current = rc == HARK_OK &&
                   hark_hash_equal(&hash, &hark_kinds_get(state->kinds, builtin + i)->definition);
    }
    return rc;
}

static int load_own_kind(struct hark_kinds *kinds, struct hark_state *state, size_t i,
                         struct hark_err *err)
{
    struct hark_buf yaml = hark_buf_init(HARK_KIND_DEFINITION_MAX);
    struct hark_kind *kind = NULL;
    struct hark_hash hash;
    int rc = hark_objects_get_definition(state, i, &yaml, err);

    if (rc == HARK_OK)
        rc = hark_objects_kind_hash(state, i, &hash, err);
    if (rc == HARK_OK)
        rc = hark_kind_parse(&kind, hark_buf_span(&yaml), "definition", err);
    if (rc == HARK_OK && !hark_hash_equal(&hash, &kind->definition))
        rc = hark_err_set(err, HARK_E_DAMAGED, "own kind %zu is not the one named", i);
    if (rc == HARK_OK)
        rc = hark_kinds_add_own(kinds, &kind, err);
    if (rc == HARK_E_KIND_FORM || rc == HARK_E_LIMIT)
        rc = hark_err_set(err, HARK_E_DAMAGED, "own kind %zu is none", i);
    hark_kind_free(kind);
    hark_buf_free(&yaml);
    return rc;
}

static int load_kinds(struct hark_state *state, struct hark_err *err)
{
    struct hark_kinds *kinds = NULL;
    uint64_t count = 0;
    bool current = false;
    int rc = state->kinds == NULL ? HARK_OK : kinds_are_current(state, &current, err);

    if (rc != HARK_OK || current)
        return rc;
    rc = hark_objects_count(state, HARK_SECTION_KIND, &count, err);
    if (rc == HARK_OK)
        rc = hark_kinds_builtin(&kinds, err);
    for (uint64_t i = 0; rc == HARK_OK && i < count; i++)
        rc = load_own_kind(kinds, state, (size_t)i, err);
    if (rc != HARK_OK) {
        hark_kinds_free(kinds);
        return rc;
    }
    hark_kinds_free(state->kinds);
    state->kinds = kinds;
    return HARK_OK;
}

/* What a store that holds a log says about it. */
static int load_log(struct hark_state *state, uint64_t entries, struct hark_err *err)
{
    struct hark_hash space;
    struct hark_hash builtin = hark_kinds_hash(state->kinds);
    int rc = hark_objects_get_head(state, &space, err);

    if (rc == HARK_OK)
        rc = hark_objects_get_log(state, &state->log, err);
    if (rc == HARK_OK)
        rc = hark_objects_get_space(state, err);
    if (rc == HARK_E_NOT_FOUND ||
        (rc == HARK_OK && (state->log.size != entries || !hark_hash_equal(&space, &state->space))))
        return hark_err_set(err, HARK_E_DAMAGED, "the state is not that of this space's log");
    if (rc != HARK_OK)
        return rc;
    if (state->space_object.rules != 1)
        return hark_err_set(err, HARK_E_UNSUPPORTED, "this program does not know rules %u",
                            state->space_object.rules);
    if (state->space_object.mode > HARK_MODE_SEALED)
        return hark_err_set(err, HARK_E_UNSUPPORTED, "this program does not know mode %u",
                            state->space_object.mode);
    if (!hark_hash_equal(&state->space_object.kinds, &builtin))
        return hark_err_set(err, HARK_E_KIND_SET, "this program has another set of kinds");
    return HARK_OK;
}

int hark_state_reload(struct hark_state *state, struct hark_err *err)
{
    uint64_t entries = 0;
    int rc = hark_objects_count(state, HARK_SECTION_ENTRY, &entries, err);

    memset(&state->log, 0, sizeof(state->log));
    memset(&state->space_object, 0, sizeof(state->space_object));
    state->node_count = 0;
    if (rc == HARK_OK)
        rc = load_kinds(state, err);
    return rc == HARK_OK && entries > 0 ? load_log(state, entries, err) : rc;
}

int hark_state_open(struct hark_state **out, const struct hark_hash *space,
                    const struct hark_store *store, struct hark_err *err)
{
    struct hark_state *state = calloc(1, sizeof(*state));
    int rc;

    *out = NULL;
    if (state == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a state");
    state->store = *store;
    state->space = *space;
    rc = hark_state_reload(state, err);
    if (rc != HARK_OK) {
        hark_state_free(state);
        return rc;
    }
    *out = state;
    return HARK_OK;
}

void hark_state_free(struct hark_state *state)
{
    if (state == NULL)
        return;
    hark_kinds_free(state->kinds);
    free(state);
}

const struct hark_hash *hark_state_space(const struct hark_state *state)
{
    return &state->space;
}

uint64_t hark_state_size(const struct hark_state *state)
{
    return state->log.size;
}

const struct hark_merkle *hark_state_log(const struct hark_state *state)
{
    return &state->log;
}

const struct hark_kinds *hark_state_kinds(const struct hark_state *state)
{
    return state->kinds;
}

const struct hark_space_object *hark_state_space_object(const struct hark_state *state)
{
    return &state->space_object;
}

const char *hark_mode_name(uint8_t mode)
{
    static const char *const NAMES[] = {"open", "entrusted", "sealed"};

    return mode <= HARK_MODE_SEALED ? NAMES[mode] : "unknown";
}

bool hark_state_is_encrypted(const struct hark_state *state)
{
    return state->space_object.mode != HARK_MODE_OPEN;
}

/* ---- Look-ups -------------------------------------------------------------- */

static int find_u32(struct hark_state *state, enum hark_lookup lookup, const struct hark_key *key,
                    bool *found, uint32_t *number, struct hark_err *err)
{
    uint64_t wide = 0;
    int rc = state->store.find(state->store.arg, lookup, hark_span(key->bytes, sizeof(key->bytes)),
                               found, &wide, err);

    *number = (uint32_t)wide;
    return rc;
}

int hark_state_find_key(struct hark_state *state, const struct hark_key *key, bool *found,
                        uint32_t *number, struct hark_err *err)
{
    return find_u32(state, HARK_LOOKUP_KEY, key, found, number, err);
}

int hark_state_find_ticket(struct hark_state *state, const struct hark_key *sign, bool *found,
                           uint32_t *number, struct hark_err *err)
{
    return find_u32(state, HARK_LOOKUP_TICKET, sign, found, number, err);
}

int hark_state_find_entry(struct hark_state *state, const struct hark_hash *id, bool *found,
                          uint64_t *position, struct hark_err *err)
{
    return state->store.find(state->store.arg, HARK_LOOKUP_ENTRY,
                             hark_span(id->bytes, sizeof(id->bytes)), found, position, err);
}

int hark_state_find_payload(struct hark_state *state, const struct hark_hash *hash, bool *found,
                            uint64_t *position, struct hark_err *err)
{
    return state->store.find(state->store.arg, HARK_LOOKUP_PAYLOAD,
                             hark_span(hash->bytes, sizeof(hash->bytes)), found, position, err);
}

int hark_state_counts(struct hark_state *state, uint64_t counts[HARK_SECTION_HASHED_],
                      struct hark_err *err)
{
    int rc = HARK_OK;

    for (int s = 0; rc == HARK_OK && s < HARK_SECTION_HASHED_; s++)
        rc = hark_objects_count(state, (enum hark_section)s, &counts[s], err);
    return rc;
}

/* ---- Beginning a judgement ------------------------------------------------- */

/* The author: their key, member and feed. */
static int resolve_author(struct hark_judging *j, struct hark_err *err)
{
    bool found = false;
    int rc = hark_state_find_key(j->state, &j->entry->author, &found, &j->key_number, err);

    if (rc != HARK_OK)
        return rc;
    if (!found)
        return hark_err_set(err, HARK_E_ENTRY_KEY, "its author's key was never admitted");
    rc = hark_state_key(j->state, j->key_number, &j->key, err);
    if (rc == HARK_OK && j->key.of == HARK_KEY_OF_MEMBER)
        rc = hark_state_member(j->state, j->key.owner, &j->member, err);
    if (rc != HARK_OK)
        return rc;
    rc = hark_state_feed(j->state, j->key_number, &j->feed, err);
    if (rc == HARK_E_NOT_FOUND) { /* has written nothing yet */
        memset(&j->feed, 0, sizeof(j->feed));
        rc = HARK_OK;
    }
    return rc;
}

static int resolve_re(struct hark_judging *j, struct hark_err *err)
{
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && i < j->entry->re_count; i++) {
        bool found = false;

        j->re[i] = HARK_NONE;
        rc = hark_state_find_entry(j->state, &j->entry->re[i], &found, &j->re[i], err);
        if (rc == HARK_OK && !found)
            j->re[i] = HARK_NONE;
        else if (rc == HARK_OK)
            rc = hark_state_entry(j->state, j->re[i], &j->re_object[i], err);
    }
    return rc;
}

int hark_judging_begin(struct hark_judging *j, struct hark_state *state,
                       const struct hark_entry *entry, const struct hark_arrival *arrival,
                       struct hark_span payload, struct hark_err *err)
{
    int number = hark_kinds_find(state->kinds, entry->kind);
    int rc;

    memset(j, 0, sizeof(*j));
    j->state = state;
    j->entry = entry;
    j->arrival = arrival;
    j->payload = payload;
    if (number < 0)
        return hark_err_set(err, HARK_E_ENTRY_RULES, "the active rules do not know kind %s",
                            entry->kind);
    j->kind_number = (uint16_t)number;
    j->kind = hark_kinds_get(state->kinds, (size_t)number);
    j->action = hark_action_of(entry->kind);
    rc = resolve_author(j, err);
    if (rc == HARK_OK)
        rc = resolve_re(j, err);
    if (rc == HARK_OK && entry->has_payload)
        rc = hark_state_find_payload(state, &entry->payload_hash, &j->payload_known,
                                     &j->payload_first, err);
    return rc;
}

void hark_judging_end(struct hark_judging *j)
{
    json_decref(j->json);
    j->json = NULL;
    hark_change_free(&j->change);
}

int hark_judging_same_author(struct hark_judging *j, uint32_t key_number, bool *same,
                             struct hark_err *err)
{
    struct hark_key_object other;
    int rc = hark_state_key(j->state, key_number, &other, err);

    *same = rc == HARK_OK && other.of == j->key.of && other.owner == j->key.owner;
    return rc;
}

/* ---- May it be logged? ----------------------------------------------------- */

static bool is_first(const struct hark_state *state)
{
    return state->log.size == 0;
}

/* L2 */
static int check_space(const struct hark_state *state, const struct hark_entry *entry,
                       struct hark_err *err)
{
    const struct hark_hash *space = entry->has_space ? &entry->space : &entry->id;

    if (hark_hash_equal(space, &state->space) && (entry->has_space || is_first(state)))
        return HARK_OK;
    /* The founding entry handed in again is a duplicate, not of another space. */
    if (hark_hash_equal(space, &state->space))
        return hark_err_set(err, HARK_E_ENTRY_DUPLICATE, "it is in the log at position 0");
    return hark_err_set(err, HARK_E_ENTRY_SPACE, "it is of another space");
}

/* L5, L6: its feed is as long already. */
static int check_again(struct hark_judging *j, struct hark_err *err)
{
    const struct hark_entry *entry = j->entry;
    bool found = false;
    uint64_t position = 0;
    int rc = hark_state_find_entry(j->state, &entry->id, &found, &position, err);

    if (rc != HARK_OK)
        return rc;
    if (found)
        return hark_err_set(err, HARK_E_ENTRY_DUPLICATE, "it is in the log at position %llu",
                            (unsigned long long)position);
    return hark_err_set(err, HARK_E_ENTRY_TWIN, "the log has another entry %llu of this feed",
                        (unsigned long long)entry->seq);
}

/* L5 to L9 */
static int check_feed(struct hark_judging *j, struct hark_err *err)
{
    const struct hark_entry *entry = j->entry;
    const struct hark_feed_object *feed = &j->feed;

    if (entry->seq <= feed->seq)
        return check_again(j, err);
    if (entry->seq != feed->seq + 1)
        return hark_err_set(err, HARK_E_ENTRY_GAP, "its feed goes on with %llu, not with %llu",
                            (unsigned long long)feed->seq + 1, (unsigned long long)entry->seq);
    if (feed->seq == 0)
        return HARK_OK;
    if (!hark_hash_equal(&entry->previous, &feed->last))
        return hark_err_set(err, HARK_E_ENTRY_PREVIOUS, "its feed's last entry is another one");
    if (memcmp(entry->parent.bytes, feed->last_git.bytes, sizeof(entry->parent.bytes)) != 0)
        return hark_err_set(err, HARK_E_ENTRY_PARENT,
                            "its parent is not the git id of its feed's last entry");
    return HARK_OK;
}

/* L10. A payload is asked for only where the verdict hangs on it: whoever may not
 * write a never-erased kind cannot make anybody keep bytes for ever. */
static int check_payload(struct hark_judging *j, struct hark_err *err)
{
    struct hark_err why = {.code = 0};
    int rc;

    if (j->kind->erasable || j->payload_known)
        return HARK_OK;
    rc = hark_judge_author(j, &why);
    if (hark_verdict_number(rc) != 0)
        return HARK_OK;
    if (rc != HARK_OK)
        return hark_err_set(err, rc, "%s", why.message);
    return hark_payload_match(j->kind, j->entry, j->payload, err);
}

/* L3 to L10; begins the judgement. */
static int may_log(struct hark_judging *j, struct hark_state *state, const struct hark_entry *entry,
                   const struct hark_arrival *arrival, struct hark_span payload,
                   struct hark_err *err)
{
    int rc = hark_judging_begin(j, state, entry, arrival, payload, err);

    if (rc == HARK_OK && j->key.of == HARK_KEY_OF_RECOVERY && j->kind->who != HARK_WHO_RECOVERY)
        rc = hark_err_set(err, HARK_E_ENTRY_KEY, "a recovery key may write recover only");
    if (rc == HARK_OK)
        rc = check_feed(j, err);
    return rc == HARK_OK ? check_payload(j, err) : rc;
}

int hark_state_may_log(struct hark_state *state, const struct hark_entry *entry,
                       struct hark_span payload, struct hark_err *err)
{
    struct hark_judging j = {.json = NULL};
    struct hark_founding founding;
    int rc = check_space(state, entry, err);

    if (rc != HARK_OK)
        return rc;
    if (is_first(state))
        return hark_found_check(&founding, state->kinds, entry, payload, err);
    rc = may_log(&j, state, entry, NULL, payload, err);
    hark_judging_end(&j);
    return rc;
}

int hark_state_judge(struct hark_state *state, const struct hark_entry *entry,
                     const struct hark_arrival *arrival, struct hark_span payload,
                     struct hark_err *err)
{
    struct hark_judging j = {.json = NULL};
    int rc;

    if (is_first(state)) /* stands when it may be logged */
        return hark_state_may_log(state, entry, payload, err);
    rc = hark_judging_begin(&j, state, entry, arrival, payload, err);
    if (rc == HARK_OK)
        rc = hark_judge_all(&j, err);
    hark_judging_end(&j);
    return rc;
}

/* ---- Taking its place ------------------------------------------------------ */

static void begin_effect(struct hark_effect *effect, uint64_t position)
{
    memset(effect, 0, sizeof(*effect));
    effect->position = position;
    effect->replaces = HARK_NONE;
    for (size_t i = 0; i < HARK_ENTRY_RE_MAX; i++)
        effect->re[i] = HARK_NONE;
}

/* Whose is the payload? Its first logger's, whatever became of that entry. */
static int take_payload(struct hark_judging *j, uint64_t position, struct hark_effect *effect,
                        struct hark_err *err)
{
    struct hark_lookup_key repeat = hark_lookup_u64(HARK_OTHER_REPEAT, position);
    struct hark_entry_object first;
    bool same = false;
    int rc;

    if (!j->entry->has_payload)
        return HARK_OK;
    if (!j->payload_known)
        return j->state->store.bind(
            j->state->store.arg, HARK_LOOKUP_PAYLOAD,
            hark_span(j->entry->payload_hash.bytes, sizeof(j->entry->payload_hash.bytes)), position,
            err);
    rc = hark_state_entry(j->state, j->payload_first, &first, err);
    if (rc == HARK_OK)
        rc = hark_judging_same_author(j, first.key, &same, err);
    if (rc != HARK_OK)
        return rc;
    effect->payload_foreign = !same;
    return same ? hark_objects_bind(j->state, HARK_LOOKUP_OTHER, &repeat, j->payload_first, err)
                : HARK_OK;
}

/* What every logged entry does, void or not. */
static int take_place(struct hark_judging *j, uint8_t verdict, struct hark_effect *effect,
                      struct hark_err *err)
{
    struct hark_state *state = j->state;
    const struct hark_entry *entry = j->entry;
    uint64_t position = state->log.size;
    struct hark_entry_object object = {.verdict = verdict,
                                       .kind = j->kind_number,
                                       .key = j->key_number,
                                       .hidden_by = HARK_NONE,
                                       .erased_by = HARK_NONE,
                                       .replaces = HARK_NONE,
                                       .used_by = HARK_NONE};
    struct hark_feed_object feed = {.seq = entry->seq,
                                    .last = entry->id,
                                    .last_git = j->arrival->git_id,
                                    .time_ms = entry->time_ms};
    struct hark_line line = {.position = position,
                             .arrival_ms = j->arrival->arrival_ms,
                             .accepted_ms = j->arrival->accepted_ms,
                             .id = entry->id};
    struct hark_hash leaf = hark_line_leaf(&line);
    int rc = hark_objects_put_entry(state, position, &object, err);

    if (rc == HARK_OK)
        rc = hark_objects_put_feed(state, j->key_number, &feed, err);
    if (rc == HARK_OK)
        rc = state->store.bind(state->store.arg, HARK_LOOKUP_ENTRY,
                               hark_span(entry->id.bytes, sizeof(entry->id.bytes)), position, err);
    if (rc == HARK_OK)
        rc = take_payload(j, position, effect, err);
    if (rc != HARK_OK)
        return rc;
    hark_merkle_append(&state->log, &leaf);
    return hark_objects_put_log(state, err);
}

static void fill_effect(const struct hark_judging *j, int verdict, struct hark_effect *effect)
{
    effect->verdict_code = verdict;
    effect->verdict = hark_verdict_number(verdict);
    effect->kind = j->kind_number;
    effect->key = j->key_number;
    effect->author_of = j->key.of;
    effect->author = j->key.owner;
    effect->re_count = j->entry->re_count;
    memcpy(effect->re, j->re, j->entry->re_count * sizeof(j->re[0]));
}

static int apply_first(struct hark_state *state, const struct hark_entry *entry,
                       const struct hark_arrival *arrival, struct hark_span payload,
                       struct hark_effect *effect, struct hark_err *err)
{
    struct hark_judging j = {.json = NULL};
    struct hark_founding founding;
    int rc = hark_found_check(&founding, state->kinds, entry, payload, err);

    if (rc == HARK_OK)
        rc = hark_found_apply(state, entry, &founding, err);
    /* Its author has just become the steward. */
    if (rc == HARK_OK)
        rc = hark_judging_begin(&j, state, entry, arrival, payload, err);
    if (rc == HARK_OK) {
        fill_effect(&j, HARK_OK, effect);
        rc = take_place(&j, 0, effect, err);
    }
    hark_judging_end(&j);
    return rc;
}

/* Does it stand? *verdict is 0 or the rule's code. `outside` is NULL but in inner states. */
static int judge_next(struct hark_judging *j, const struct hark_outside *outside, int *verdict,
                      struct hark_err *err)
{
    struct hark_err why = {.code = 0};

    if (outside != NULL && outside->verdict != 0) {
        *verdict = hark_verdict_code(outside->verdict);
        return HARK_OK;
    }
    j->inside = outside != NULL && outside->opened;
    *verdict = hark_judge_all(j, &why);
    if (*verdict != HARK_OK && hark_verdict_number(*verdict) == 0)
        return hark_err_set(err, *verdict, "%s", why.message);
    if (*verdict != HARK_OK && outside != NULL && !outside->opened)
        return hark_err_set(err, HARK_E_DAMAGED, "the inner state is not that of this log: %s",
                            why.message);
    return HARK_OK;
}

static int apply_next(struct hark_state *state, const struct hark_entry *entry,
                      const struct hark_arrival *arrival, struct hark_span payload,
                      const struct hark_outside *outside, struct hark_effect *effect,
                      struct hark_err *err)
{
    struct hark_judging j = {.json = NULL};
    uint64_t position = state->log.size;
    int verdict = HARK_OK;
    int rc = may_log(&j, state, entry, arrival, payload, err);

    if (rc == HARK_OK)
        rc = judge_next(&j, outside, &verdict, err);
    if (rc == HARK_OK) {
        fill_effect(&j, verdict, effect);
        rc = take_place(&j, effect->verdict, effect, err);
    }
    if (rc == HARK_OK && verdict == HARK_OK)
        rc = hark_apply_standing(&j, position, effect, err);
    hark_judging_end(&j);
    return rc;
}

int hark_state_apply(struct hark_state *state, const struct hark_entry *entry,
                     const struct hark_arrival *arrival, struct hark_span payload,
                     struct hark_effect *effect, struct hark_err *err)
{
    return hark_state_apply_inner(state, entry, arrival, payload, NULL, effect, err);
}

int hark_state_apply_inner(struct hark_state *state, const struct hark_entry *entry,
                           const struct hark_arrival *arrival, struct hark_span payload,
                           const struct hark_outside *outside, struct hark_effect *effect,
                           struct hark_err *err)
{
    int rc = check_space(state, entry, err);

    begin_effect(effect, state->log.size);
    if (rc != HARK_OK)
        return rc;
    return is_first(state) ? apply_first(state, entry, arrival, payload, effect, err)
                           : apply_next(state, entry, arrival, payload, outside, effect, err);
}

/* ---- What has been erased -------------------------------------------------- */

/* Is a payload erased with all of the member's that it is about: its author's,
 * or, of a cohort, the one who was put into it? */
static int erased_with_member(struct hark_state *state, uint64_t position,
                              const struct hark_entry_object *object, const struct hark_kind *kind,
                              bool *erased, struct hark_err *err)
{
    struct hark_lookup_key cohort = hark_lookup_u64(HARK_OTHER_COHORT, position);
    struct hark_member_object member = {.erased_below = 0};
    struct hark_key_object key;
    uint64_t ordinal = 0;
    bool of_member = false;
    int rc = HARK_OK;

    if (hark_action_of(kind->name) == HARK_ACTION_COHORT) /* bound when it stands */
        rc = hark_objects_find(state, HARK_LOOKUP_OTHER, &cohort, &of_member, &ordinal, err);
    if (rc == HARK_OK && !of_member) {
        rc = hark_state_key(state, object->key, &key, err);
        of_member = rc == HARK_OK && key.of == HARK_KEY_OF_MEMBER;
        ordinal = of_member ? key.owner : 0;
    }
    if (rc == HARK_OK && of_member)
        rc = hark_state_member(state, (uint32_t)ordinal, &member, err);
    *erased = rc == HARK_OK && of_member && member.erased_below > position;
    return rc;
}

int hark_state_first_is_erased(struct hark_state *state, uint64_t first, bool *erased,
                               struct hark_err *err)
{
    struct hark_entry_object object;
    struct hark_lookup_key key;
    const struct hark_kind *kind;
    uint64_t by = 0;
    int rc = hark_state_entry(state, first, &object, err);

    *erased = false;
    if (rc != HARK_OK)
        return rc;
    kind = hark_kinds_get(state->kinds, object.kind);
    if (kind == NULL)
        return hark_err_set(err, HARK_E_DAMAGED, "the state knows an entry of no kind");
    if (!kind->erasable) { /* kept for ever where the verdict hangs on it, else by nobody */
        *erased = object.verdict >= 1 && object.verdict <= HARK_AUTHOR_RULES;
        return HARK_OK;
    }
    if (first + 1 == state->log.size) /* what is newest nobody has erased yet */
        return HARK_OK;
    key = hark_lookup_u64(0, first);
    rc = hark_objects_find(state, HARK_LOOKUP_ERASED, &key, erased, &by, err);
    if (rc != HARK_OK || *erased)
        return rc;
    return erased_with_member(state, first, &object, kind, erased, err);
}

int hark_state_is_erased(struct hark_state *state, uint64_t position,
                         const struct hark_entry *entry, bool *erased, struct hark_err *err)
{
    uint64_t first = position;
    bool found = false;
    int rc = HARK_OK;

    *erased = false;
    if (entry->has_payload)
        rc = hark_state_find_payload(state, &entry->payload_hash, &found, &first, err);
    /* Not logged yet: nobody can have erased it. */
    return rc == HARK_OK && found ? hark_state_first_is_erased(state, first, erased, err) : rc;
}
