/*
 * See inner_state.h. An entry is first read, with the outer state and the ring and nothing
 * of the inner state but its kinds; then the machine of state.c takes it in as what it turned
 * out to be; then is noted what an erasure would take away again.
 *
 * small 8   u64 unread ‖ u64 position of the last one or NONE ‖ unread hash (32) ‖ u64 worn
 */
#include "schemas/inner_state.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/state_internal.h"

#define READING_SIZE (3u * 8u + HARK_HASH_SIZE)

struct hark_inner_state {
    struct hark_state *outer;
    struct hark_ring *ring;
    struct hark_state *state;
};

/* ---- The object of its own --------------------------------------------------- */

static int put_reading(struct hark_state *state, const struct hark_inner_reading *reading,
                       struct hark_err *err)
{
    uint8_t bytes[READING_SIZE];

    hark_put_u64(bytes, reading->unread);
    hark_put_u64(bytes + 8, reading->last_unread);
    memcpy(bytes + 16, reading->hash.bytes, HARK_HASH_SIZE);
    hark_put_u64(bytes + 16 + HARK_HASH_SIZE, reading->worn);
    return state->store.put(state->store.arg, HARK_SECTION_SMALL, HARK_SMALL_READING, bytes,
                            sizeof(bytes), err);
}

int hark_inner_state_reading(struct hark_inner_state *inner, struct hark_inner_reading *out,
                             struct hark_err *err)
{
    struct hark_state *state = inner->state;
    uint8_t bytes[HARK_OBJECT_MAX];
    struct hark_span in, hash;
    size_t size = 0;
    int rc;

    *out = (struct hark_inner_reading){.last_unread = HARK_NONE, .worn = HARK_NONE};
    if (hark_state_size(state) == 0)
        return HARK_OK;
    rc = state->store.get(state->store.arg, HARK_SECTION_SMALL, HARK_SMALL_READING, bytes, &size,
                          err);
    in = hark_span(bytes, size);
    if (rc == HARK_E_NOT_FOUND ||
        (rc == HARK_OK &&
         (!hark_take_u64(&in, &out->unread) || !hark_take_u64(&in, &out->last_unread) ||
          !hark_take(&in, HARK_HASH_SIZE, &hash) || !hark_take_u64(&in, &out->worn) ||
          in.size != 0)))
        return hark_err_set(err, HARK_E_DAMAGED, "this is not the state of what is sealed");
    if (rc == HARK_OK)
        memcpy(out->hash.bytes, hash.data, HARK_HASH_SIZE);
    return rc;
}

/* ---- Opening ------------------------------------------------------------------ */

int hark_inner_state_open(struct hark_inner_state **out, struct hark_state *outer,
                          struct hark_ring *ring, const struct hark_store *store,
                          struct hark_err *err)
{
    struct hark_inner_state *inner = calloc(1, sizeof(*inner));
    struct hark_inner_reading reading;
    int rc;

    *out = NULL;
    if (inner == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an inner state");
    inner->outer = outer;
    inner->ring = ring;
    rc = hark_state_open(&inner->state, hark_state_space(outer), store, err);
    if (rc == HARK_OK)
        rc = hark_inner_state_reading(inner, &reading, err);
    if (rc != HARK_OK) {
        hark_inner_state_free(inner);
        return rc;
    }
    *out = inner;
    return HARK_OK;
}

void hark_inner_state_free(struct hark_inner_state *inner)
{
    if (inner == NULL)
        return;
    hark_state_free(inner->state);
    free(inner);
}

int hark_inner_state_reload(struct hark_inner_state *inner, struct hark_err *err)
{
    return hark_state_reload(inner->state, err);
}

struct hark_state *hark_inner_state_view(struct hark_inner_state *inner)
{
    return inner->state;
}

/* ---- Reading an entry ----------------------------------------------------------- */

struct reading {
    const struct hark_entry *entry;
    struct hark_span payload;
    uint64_t position;
    uint64_t first;  /* where its envelope was logged first */
    uint8_t verdict; /* of the outer state */
};

/* Is its envelope its author's, and not erased? Else *said tells what it is. */
static int find_envelope(struct hark_inner_state *inner, struct reading *r, struct hark_said *said,
                         bool *usable, struct hark_err *err)
{
    struct hark_state *outer = inner->outer;
    struct hark_judging j = {.state = outer};
    struct hark_entry_object own, first;
    bool found = false, same = false, erased = false;
    int rc = HARK_OK;

    *usable = false;
    said->reading = HARK_READING_SILENT;
    if (!r->entry->has_payload)
        return HARK_OK;
    rc = hark_state_find_payload(outer, &r->entry->payload_hash, &found, &r->first, err);
    if (rc == HARK_OK && !found)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state lacks a payload that it has logged");
    if (rc == HARK_OK)
        rc = hark_state_entry(outer, r->position, &own, err);
    if (rc == HARK_OK)
        rc = hark_state_entry(outer, r->first, &first, err);
    if (rc == HARK_OK)
        rc = hark_state_key(outer, own.key, &j.key, err);
    if (rc == HARK_OK)
        rc = hark_judging_same_author(&j, first.key, &same, err);
    if (rc == HARK_OK)
        rc = hark_state_first_is_erased(outer, r->first, &erased, err);
    if (rc == HARK_OK && same && erased)
        said->reading = HARK_READING_ERASED;
    *usable = rc == HARK_OK && same && !erased;
    return rc;
}

/* The epochs that rules K1 and K2 ask for. *any false: none was in force before it. */
static int find_epochs(struct hark_inner_state *inner, const struct reading *r, bool *any,
                       uint32_t *at_seen, uint32_t *before, struct hark_err *err)
{
    uint64_t seen = r->entry->has_seen ? r->entry->seen.size : 0;
    bool found = false;
    int rc = hark_state_epoch_at(inner->outer, r->position, any, before, err);

    if (rc == HARK_OK)
        rc = hark_state_epoch_at(inner->outer, seen < r->position ? seen : r->position, &found,
                                 at_seen, err);
    return rc; /* none in force then: 0, and no epoch is lower */
}

/* Of our own machine, and not of the bytes. */
static bool is_failure(int rc)
{
    return rc == HARK_E_NO_MEMORY || rc == HARK_E_INTERNAL || rc == HARK_E_LIMIT;
}

static int open_envelope(struct hark_inner_state *inner, const struct reading *r,
                         struct hark_said *said, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(inner->state);
    const struct hark_kind *kind =
        hark_kinds_get(kinds, (size_t)hark_kinds_find(kinds, r->entry->kind));
    uint32_t at_seen = 0, before = 0;
    bool any = false;
    int rc = hark_payload_match(kind, r->entry, r->payload, err);

    if (rc == HARK_E_PAYLOAD_HASH ||
        (rc == HARK_E_PAYLOAD_SIZE && r->payload.size != r->entry->payload_size))
        return rc;
    if (rc == HARK_OK) {
        rc = find_epochs(inner, r, &any, &at_seen, &before, err);
        if (rc != HARK_OK)
            return rc;
        rc = any ? hark_inner_open(&said->inner, inner->ring, kinds, r->entry, r->payload, at_seen,
                                   before, err)
                 : HARK_E_ENVELOPE_AHEAD;
    }
    if (is_failure(rc))
        return rc;
    said->error = rc;
    said->reading = rc == HARK_OK                ? HARK_READING_OPENED
                    : rc == HARK_E_EPOCH_UNKNOWN ? HARK_READING_OUTSIDE
                                                 : HARK_READING_SILENT;
    return HARK_OK;
}

static bool has_inside(const struct hark_entry *entry)
{
    return strcmp(entry->kind, "sealed") == 0 || strcmp(entry->kind, "charter") == 0;
}

static int read_entry(struct hark_inner_state *inner, struct reading *r, struct hark_said *said,
                      struct hark_err *err)
{
    bool usable = false;
    int rc;

    said->reading = HARK_READING_CLEAR;
    if (!has_inside(r->entry))
        return HARK_OK;
    said->reading = HARK_READING_VOID;
    if (r->verdict != 0)
        return HARK_OK;
    rc = find_envelope(inner, r, said, &usable, err);
    if (rc != HARK_OK || !usable)
        return rc;
    said->reading = HARK_READING_MISSING;
    return r->payload.data == NULL ? HARK_OK : open_envelope(inner, r, said, err);
}

/* ---- What an erasure would take -------------------------------------------------- */

static void add_unread(struct hark_inner_reading *reading, uint64_t position)
{
    static const char LABEL[] = "hark/unread/1\n";
    struct hark_sha256 h;
    uint8_t bytes[8];

    hark_put_u64(bytes, position);
    hark_sha256_init(&h);
    hark_sha256_update(&h, LABEL, sizeof(LABEL) - 1);
    hark_sha256_update(&h, reading->hash.bytes, sizeof(reading->hash.bytes));
    hark_sha256_update(&h, bytes, sizeof(bytes));
    reading->hash = hark_sha256_final(&h);
    reading->last_unread = position;
    reading->unread++;
}

/* Erased before, it would have been silent: the erasure is to be noticed. */
static int note_read(struct hark_state *state, const struct reading *r,
                     const struct hark_effect *effect, struct hark_err *err)
{
    struct hark_lookup_key first = hark_lookup_u64(HARK_OTHER_READ, r->first);
    struct hark_lookup_key member = hark_lookup_u64(HARK_OTHER_READ_OF, effect->author);
    int rc = hark_objects_bind(state, HARK_LOOKUP_OTHER, &first, r->position, err);

    return rc == HARK_OK ? hark_objects_bind(state, HARK_LOOKUP_OTHER, &member, r->position, err)
                         : rc;
}

/* Does Re i of a standing erase name what was noted? */
static int takes_away(struct hark_state *state, uint64_t subject, bool *takes, struct hark_err *err)
{
    struct hark_lookup_key admit = hark_lookup_u64(0, subject);
    struct hark_lookup_key repeat = hark_lookup_u64(HARK_OTHER_REPEAT, subject);
    struct hark_lookup_key noted;
    uint64_t number = 0, ignored = 0;
    bool found = false;
    int rc = hark_objects_find(state, HARK_LOOKUP_ADMIT, &admit, &found, &number, err);

    noted = hark_lookup_u64(HARK_OTHER_READ_OF, number);
    if (rc == HARK_OK && !found) {
        rc = hark_objects_find(state, HARK_LOOKUP_OTHER, &repeat, &found, &number, err);
        noted = hark_lookup_u64(HARK_OTHER_READ, found ? number : subject);
    }
    return rc == HARK_OK ? hark_objects_find(state, HARK_LOOKUP_OTHER, &noted, takes, &ignored, err)
                         : rc;
}

static int note_erasure(struct hark_state *state, const struct hark_effect *effect,
                        struct hark_inner_reading *reading, struct hark_err *err)
{
    bool takes = false;
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && !takes && i < effect->re_count; i++)
        rc = takes_away(state, effect->re[i], &takes, err);
    if (rc == HARK_OK && takes && reading->worn == HARK_NONE)
        reading->worn = effect->position;
    return rc;
}

static int note(struct hark_inner_state *inner, const struct reading *r,
                const struct hark_said *said, const struct hark_effect *effect,
                struct hark_inner_reading *reading, struct hark_err *err)
{
    bool unread = said->reading == HARK_READING_OUTSIDE || said->reading == HARK_READING_MISSING;
    bool sealed = strcmp(r->entry->kind, "sealed") == 0;
    int rc = HARK_OK;

    if (sealed && unread)
        add_unread(reading, r->position);
    if (sealed && (unread || said->reading == HARK_READING_OPENED))
        rc = note_read(inner->state, r, effect, err);
    if (rc == HARK_OK && effect->verdict == 0 && strcmp(r->entry->kind, "erase") == 0)
        rc = note_erasure(inner->state, effect, reading, err);
    return rc == HARK_OK ? put_reading(inner->state, reading, err) : rc;
}

/* ---- Taking it in ------------------------------------------------------------------ */

/* The outer state's word on the entry. */
static int find_verdict(struct hark_inner_state *inner, struct reading *r, struct hark_err *err)
{
    struct hark_entry_object object;
    uint64_t position = 0;
    bool found = false;
    int rc = hark_state_find_entry(inner->outer, &r->entry->id, &found, &position, err);

    if (rc == HARK_OK &&
        (!found || position != r->position || !hark_state_is_encrypted(inner->outer)))
        rc = hark_err_set(err, HARK_E_INTERNAL, "the outer state does not hold it at %llu",
                          (unsigned long long)r->position);
    if (rc == HARK_OK)
        rc = hark_state_entry(inner->outer, position, &object, err);
    if (rc == HARK_OK)
        r->verdict = object.verdict;
    return rc;
}

/* What the machine takes it for: all but this is as it was logged. */
static void become(struct hark_entry *as, const struct hark_inner *content)
{
    memcpy(as->kind, content->kind, sizeof(as->kind));
    as->re_count = content->re_count;
    memcpy(as->re, content->re, sizeof(as->re));
}

static int take_in(struct hark_inner_state *inner, const struct reading *r,
                   const struct hark_arrival *arrival, const struct hark_said *said,
                   struct hark_effect *effect, struct hark_err *err)
{
    struct hark_outside outside = {.verdict = r->verdict};
    struct hark_inner_reading reading;
    struct hark_entry as = *r->entry;
    int rc = hark_inner_state_reading(inner, &reading, err);

    if (rc != HARK_OK)
        return rc;
    outside.opened = said->reading == HARK_READING_OPENED && strcmp(as.kind, "sealed") == 0;
    if (outside.opened)
        become(&as, &said->inner);
    rc = hark_state_apply_inner(inner->state, &as, arrival, r->payload, &outside, effect, err);
    return rc == HARK_OK ? note(inner, r, said, effect, &reading, err) : rc;
}

int hark_inner_state_apply(struct hark_inner_state *inner, const struct hark_entry *entry,
                           const struct hark_arrival *arrival, struct hark_span payload,
                           struct hark_effect *effect, struct hark_said *said, struct hark_err *err)
{
    struct reading r = {
        .entry = entry, .payload = payload, .position = hark_state_size(inner->state)};
    int rc;

    memset(said, 0, sizeof(*said));
    rc = find_verdict(inner, &r, err);
    if (rc == HARK_OK)
        rc = read_entry(inner, &r, said, err);
    if (rc == HARK_OK)
        rc = take_in(inner, &r, arrival, said, effect, err);
    if (rc != HARK_OK)
        hark_inner_free(&said->inner);
    return rc;
}

int hark_inner_state_read(struct hark_inner_state *inner, uint64_t position,
                          const struct hark_entry *entry, struct hark_span payload,
                          struct hark_said *said, struct hark_err *err)
{
    struct reading r = {.entry = entry, .payload = payload, .position = position};
    int rc;

    memset(said, 0, sizeof(*said));
    rc = find_verdict(inner, &r, err);
    if (rc == HARK_OK)
        rc = read_entry(inner, &r, said, err);
    if (rc != HARK_OK)
        hark_inner_free(&said->inner);
    return rc;
}

int hark_inner_state_judge(struct hark_inner_state *inner, const struct hark_entry *entry,
                           const struct hark_inner *content, const struct hark_arrival *arrival,
                           struct hark_err *err)
{
    struct hark_judging j = {.json = NULL};
    struct hark_entry as = *entry;
    int rc;

    become(&as, content);
    rc = hark_judging_begin(&j, inner->state, &as, arrival, hark_span(NULL, 0), err);
    j.inside = true;
    if (rc == HARK_OK)
        rc = hark_judge_all(&j, err);
    hark_judging_end(&j);
    return rc;
}

int hark_inner_state_hash(struct hark_inner_state *inner, struct hark_hash *out,
                          struct hark_err *err)
{
    if (hark_state_size(inner->outer) != hark_state_size(inner->state))
        return hark_err_set(err, HARK_E_INTERNAL, "the outer state has another size");
    return hark_state_hash_as(inner->state, "hark/inner/1\n", out, err);
}
