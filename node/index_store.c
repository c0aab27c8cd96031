/*
 * The state's store over SQLite, with caches for a writer:
 *
 * - objects, direct-mapped and written back: an entry's object, its author's
 *   feed and key, the state's log tree are touched again and again in a batch and
 *   written once;
 * - look-ups: those set in this transaction are kept back and written in the
 *   order of their keys. Keys are hashes, so each lands on a page of its own:
 *   sorted, a page is visited once a transaction instead of once a key. Larger
 *   transactions are cheaper an entry for this reason.
 *
 * Attackers choose many keys, so the hash table over them is seeded.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"
#include "node/zeros.h"

#define SLOTS         16384u /* objects */
#define ENTRY_SLOTS   4096u  /* of them, for entries */
#define INLINE_MAX    160u   /* bytes of an object in a slot of the small kind */
#define LARGE         64u    /* slots for larger ones, a power of two */
#define PENDING_MAX   32768u
#define BUCKETS       65536u
#define BUCKET_BITS   16
#define RECENT        8192u /* look-ups found of late, direct-mapped */
#define RECENT_BITS   13
#define SECTION_SHIFT 40 /* an object's id: its section, and its number in that */
#define NUMBER_LIMIT  (UINT64_C(1) << SECTION_SHIFT)

struct slot {
    int64_t key; /* an id + 1; 0: empty */
    uint16_t size;
    bool dirty;
    uint8_t bytes[INLINE_MAX];
};

struct large_slot {
    int64_t key;
    uint16_t size;
    bool dirty;
    uint8_t bytes[HARK_OBJECT_MAX];
};

struct hark_index_objects {
    size_t dirty_count;
    uint32_t dirty[SLOTS];
    struct slot slots[SLOTS];
    struct large_slot large[LARGE];
};

struct key {
    uint8_t size; /* 0: empty */
    uint8_t bytes[1 + HARK_LOOKUP_MAX];
};

struct pending {
    struct key key;
    bool gone; /* unbound */
    uint32_t bucket;
    uint64_t number;
};

struct recent {
    struct key key;
    uint64_t number;
};

struct hark_index_lookups {
    uint64_t seed;
    uint32_t count;
    struct pending pending[PENDING_MAX];
    uint32_t order[PENDING_MAX];
    uint32_t buckets[BUCKETS]; /* number in `pending` + 1 */
    struct recent recent[RECENT];
};

int hark_index_store_new(struct hark_index *index, struct hark_err *err)
{
    if (index->read_only)
        return 0;
    index->objects = hark_zeros_new(sizeof(*index->objects));
    index->lookups = hark_zeros_new(sizeof(*index->lookups));
    if (index->objects == NULL || index->lookups == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the index");
    hark_random(&index->lookups->seed, sizeof(index->lookups->seed));
    return 0;
}

void hark_index_store_free(struct hark_index *index)
{
    hark_zeros_free(index->objects, sizeof(*index->objects));
    hark_zeros_free(index->lookups, sizeof(*index->lookups));
    index->objects = NULL;
    index->lookups = NULL;
}

static void clear_pending(struct hark_index_lookups *lookups)
{
    for (uint32_t i = 0; i < lookups->count; i++)
        lookups->buckets[lookups->pending[i].bucket] = 0;
    lookups->count = 0;
}

void hark_index_store_drop(struct hark_index *index)
{
    uint64_t seed;

    if (index->objects == NULL || index->lookups == NULL)
        return;
    seed = index->lookups->seed;
    hark_zeros_again(index->objects, sizeof(*index->objects));
    hark_zeros_again(index->lookups, sizeof(*index->lookups));
    index->lookups->seed = seed;
}

/* ---- objects ---- */

/* Entries are put one after the other, most of them once: they have slots to themselves, so
 * that a long transaction does not push out what every entry asks for. */
static struct slot *slot_of(struct hark_index *index, int64_t id)
{
    uint64_t hash = (uint64_t)id * UINT64_C(0x9e3779b97f4a7c15);

    if (id >> SECTION_SHIFT == HARK_SECTION_ENTRY)
        return &index->objects->slots[(uint64_t)id % ENTRY_SLOTS];
    return &index->objects->slots[ENTRY_SLOTS + (hash >> 32) % (SLOTS - ENTRY_SLOTS)];
}

/* An object is in a slot of one kind at most. The state's larger objects are few
 * and neighbours, so the id itself spreads them. */
static struct large_slot *large_of(struct hark_index *index, int64_t id)
{
    return &index->objects->large[(uint64_t)id % LARGE];
}

static int write_object(struct hark_index *index, int64_t id, const uint8_t *bytes, size_t size,
                        struct hark_err *err)
{
    return hark_index_run(index, err, "INSERT OR REPLACE INTO object (id, bytes) VALUES (?1, ?2)",
                          V_ARGS(V_INT(id), V_BLOB(bytes, size)));
}

/* The slot for `id`, whatever was in it written. */
static int take_slot(struct hark_index *index, int64_t id, struct slot **out, struct hark_err *err)
{
    struct slot *slot = slot_of(index, id);

    *out = slot;
    if (slot->key == id + 1)
        return 0;
    if (slot->key > 0 && slot->dirty) {
        int rc = write_object(index, slot->key - 1, slot->bytes, slot->size, err);

        if (rc != 0)
            return rc;
        /* It stays in the list of dirty slots until the flush, which looks again. */
    }
    slot->key = 0;
    return 0;
}

static int compare_slots(const void *left, const void *right, void *arg)
{
    const struct slot *slots = arg;
    int64_t a = slots[*(const uint32_t *)left].key, b = slots[*(const uint32_t *)right].key;

    return a < b ? -1 : a > b;
}

static int flush_objects(struct hark_index *index, struct hark_err *err)
{
    struct hark_index_objects *objects = index->objects;

    qsort_r(objects->dirty, objects->dirty_count, sizeof(objects->dirty[0]), compare_slots,
            objects->slots);
    for (size_t i = 0; i < objects->dirty_count; i++) {
        struct slot *slot = &objects->slots[objects->dirty[i]];
        int rc;

        slot->dirty = false;
        if (slot->key == 0)
            continue;
        rc = write_object(index, slot->key - 1, slot->bytes, slot->size, err);
        if (rc != 0)
            return rc;
    }
    objects->dirty_count = 0;
    for (size_t i = 0; i < LARGE; i++) {
        struct large_slot *large = &objects->large[i];
        int rc;

        if (large->key == 0 || !large->dirty)
            continue;
        rc = write_object(index, large->key - 1, large->bytes, large->size, err);
        if (rc != 0)
            return rc;
        large->dirty = false;
    }
    return 0;
}

static int store_count(void *arg, enum hark_section section, uint64_t *count, struct hark_err *err)
{
    struct hark_index *index = arg;
    int64_t base = (int64_t)section << SECTION_SHIFT;
    int64_t last = 0;
    bool found = false;
    int rc;

    if (!index->read_only) {
        rc = hark_index_learn(index, err);
        *count = index->counts[section];
        return rc;
    }
    rc = hark_index_number(index, err, &found, &last,
                           "SELECT max(id) FROM object WHERE id >= ?1 AND id < ?2",
                           V_ARGS(V_INT(base), V_INT(base + (int64_t)NUMBER_LIMIT)));
    *count = found ? (uint64_t)(last - base) + 1 : 0;
    return rc;
}

int hark_index_section_count(struct hark_index *index, enum hark_section section, uint64_t *count,
                             struct hark_err *err)
{
    return store_count(index, section, count, err);
}

static int read_object(struct hark_index *index, int64_t id, bool *found, uint8_t *out,
                       size_t *size, struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = hark_index_select(index, err, &statement, found,
                               "SELECT bytes FROM object WHERE id = ?1", V_ARGS(V_INT(id)));

    if (rc != 0 || !*found)
        goto out;
    *size = (size_t)sqlite3_column_bytes(statement, 0);
    if (*size > HARK_OBJECT_MAX)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the index holds an object that is too large");
    else if (*size > 0)
        memcpy(out, sqlite3_column_blob(statement, 0), *size);
out:
    if (statement != NULL)
        (void)sqlite3_reset(statement);
    return rc;
}

static bool get_cached(struct hark_index *index, int64_t id, uint8_t *out, size_t *size)
{
    const struct slot *slot = slot_of(index, id);
    const struct large_slot *large = large_of(index, id);

    if (slot->key == id + 1) {
        *size = slot->size;
        memcpy(out, slot->bytes, slot->size);
        return true;
    }
    if (large->key != id + 1)
        return false;
    *size = large->size;
    memcpy(out, large->bytes, large->size);
    return true;
}

/* What waits to be written is not pushed out by reading. */
static void keep_read(struct hark_index *index, int64_t id, const uint8_t *bytes, size_t size)
{
    struct slot *slot = slot_of(index, id);

    if (size > INLINE_MAX || slot->dirty)
        return;
    slot->key = id + 1;
    slot->size = (uint16_t)size;
    memcpy(slot->bytes, bytes, size);
}

static int store_get(void *arg, enum hark_section section, uint64_t number, uint8_t *out,
                     size_t *size, struct hark_err *err)
{
    struct hark_index *index = arg;
    int64_t id = (int64_t)section << SECTION_SHIFT | (int64_t)number;
    bool found = false;
    int rc;

    if (number >= NUMBER_LIMIT)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no such object");
    if (!index->read_only && get_cached(index, id, out, size))
        return 0;
    rc = read_object(index, id, &found, out, size, err);
    if (rc != 0)
        return rc;
    if (!found)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no object %llu in section %d",
                            (unsigned long long)number, (int)section);
    if (!index->read_only)
        keep_read(index, id, out, *size);
    return 0;
}

static int put_large(struct hark_index *index, int64_t id, const uint8_t *bytes, size_t size,
                     struct hark_err *err)
{
    struct large_slot *large = large_of(index, id);
    struct slot *slot = slot_of(index, id);
    int rc = 0;

    if (large->key > 0 && large->key != id + 1 && large->dirty)
        rc = write_object(index, large->key - 1, large->bytes, large->size, err);
    if (rc != 0)
        return rc;
    if (slot->key == id + 1) /* it was small */
        slot->key = 0;
    large->key = id + 1;
    large->size = (uint16_t)size;
    large->dirty = true;
    memcpy(large->bytes, bytes, size);
    return 0;
}

static int put_small(struct hark_index *index, int64_t id, const uint8_t *bytes, size_t size,
                     struct hark_err *err)
{
    struct hark_index_objects *objects = index->objects;
    struct slot *slot = NULL;
    int rc = take_slot(index, id, &slot, err);

    if (rc != 0)
        return rc;
    if (large_of(index, id)->key == id + 1) /* it was large */
        large_of(index, id)->key = 0;
    slot->key = id + 1;
    slot->size = (uint16_t)size;
    if (size > 0)
        memcpy(slot->bytes, bytes, size);
    if (!slot->dirty)
        objects->dirty[objects->dirty_count++] = (uint32_t)(slot - objects->slots);
    slot->dirty = true;
    return 0;
}

static int store_put(void *arg, enum hark_section section, uint64_t number, const uint8_t *bytes,
                     size_t size, struct hark_err *err)
{
    struct hark_index *index = arg;
    int64_t id = (int64_t)section << SECTION_SHIFT | (int64_t)number;
    bool hashed = section < HARK_SECTION_HASHED_;
    int rc = hark_index_writing(index, err);

    if (rc != 0)
        return rc;
    if (size > HARK_OBJECT_MAX || number >= NUMBER_LIMIT ||
        (hashed && number > index->counts[section]))
        return hark_err_set(err, HARK_E_INTERNAL, "object %llu of section %d cannot be put",
                            (unsigned long long)number, (int)section);
    if (size > INLINE_MAX)
        rc = put_large(index, id, bytes, size, err);
    else
        rc = put_small(index, id, bytes, size, err);
    if (rc != 0)
        return rc;
    if (number >= index->counts[section])
        index->counts[section] = number + 1;
    return hashed ? hark_index_tree_touch(index, (unsigned)section, number, err) : 0;
}

static int store_root(void *arg, enum hark_section section, struct hark_hash *root,
                      struct hark_err *err)
{
    if (section >= HARK_SECTION_HASHED_)
        return hark_err_set(err, HARK_E_INTERNAL, "section %d is not hashed", (int)section);
    return hark_index_tree_root(arg, (unsigned)section, root, err);
}

/* ---- look-ups ---- */

static int make_key(struct key *out, unsigned lookup, struct hark_span key, struct hark_err *err)
{
    if (key.size > HARK_LOOKUP_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "a look-up key of %zu bytes", key.size);
    out->size = (uint8_t)(1 + key.size);
    out->bytes[0] = (uint8_t)lookup;
    if (key.size > 0)
        memcpy(out->bytes + 1, key.data, key.size);
    return 0;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static uint64_t hash_key(const struct hark_index_lookups *lookups, const struct key *key)
{
    uint64_t hash = lookups->seed;

    for (size_t at = 0; at < key->size; at += 8) {
        uint64_t word = 0;

        memcpy(&word, key->bytes + at, key->size - at < 8 ? key->size - at : 8u);
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }
    return hash * UINT64_C(0x9e3779b97f4a7c15);
}

/* The bucket that holds `key`, or the empty one where it would go. */
static uint32_t find_bucket(const struct hark_index_lookups *lookups, const struct key *key,
                            uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> (64 - BUCKET_BITS));

    while (lookups->buckets[at] != 0 &&
           !same_key(&lookups->pending[lookups->buckets[at] - 1].key, key))
        at = (at + 1) % BUCKETS;
    return at;
}

static int compare_pending(const void *left, const void *right, void *arg)
{
    const struct pending *pending = arg;
    const struct key *a = &pending[*(const uint32_t *)left].key;
    const struct key *b = &pending[*(const uint32_t *)right].key;
    int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);

    return order != 0 ? order : (int)a->size - (int)b->size;
}

static int flush_lookups(struct hark_index *index, struct hark_err *err)
{
    struct hark_index_lookups *lookups = index->lookups;

    for (uint32_t i = 0; i < lookups->count; i++)
        lookups->order[i] = i;
    qsort_r(lookups->order, lookups->count, sizeof(lookups->order[0]), compare_pending,
            lookups->pending);
    for (uint32_t i = 0; i < lookups->count; i++) {
        const struct pending *p = &lookups->pending[lookups->order[i]];
        int rc;

        if (p->gone)
            rc = hark_index_run(index, err, "DELETE FROM lookup WHERE key = ?1",
                                V_ARGS(V_BLOB(p->key.bytes, p->key.size)));
        else
            rc = hark_index_run(index, err,
                                "INSERT OR REPLACE INTO lookup (key, number) VALUES (?1, ?2)",
                                V_ARGS(V_BLOB(p->key.bytes, p->key.size), V_INT(p->number)));
        if (rc != 0)
            return rc;
    }
    clear_pending(lookups);
    return 0;
}

int hark_index_store_flush(struct hark_index *index, struct hark_err *err)
{
    int rc;

    if (index->read_only)
        return 0;
    rc = flush_objects(index, err);
    return rc != 0 ? rc : flush_lookups(index, err);
}

static int set_pending(struct hark_index *index, const struct key *key, uint64_t number, bool gone,
                       struct hark_err *err)
{
    struct hark_index_lookups *lookups = index->lookups;
    uint64_t hash = hash_key(lookups, key);
    struct recent *recent = &lookups->recent[hash >> (64 - RECENT_BITS)];
    uint32_t bucket;
    int rc;

    if (lookups->count == PENDING_MAX) {
        rc = flush_lookups(index, err);
        if (rc != 0)
            return rc;
    }
    bucket = find_bucket(lookups, key, hash);
    if (lookups->buckets[bucket] == 0) {
        lookups->pending[lookups->count].key = *key;
        lookups->pending[lookups->count].bucket = bucket;
        lookups->buckets[bucket] = ++lookups->count;
    }
    lookups->pending[lookups->buckets[bucket] - 1].number = number;
    lookups->pending[lookups->buckets[bucket] - 1].gone = gone;
    /* What is set is asked for less often than what was found before, an author's key. */
    if (same_key(&recent->key, key))
        recent->key.size = 0;
    return 0;
}

static int find_in_file(struct hark_index *index, const struct key *key, bool *found,
                        uint64_t *number, struct hark_err *err)
{
    int64_t value = 0;
    int rc =
        hark_index_number(index, err, found, &value, "SELECT number FROM lookup WHERE key = ?1",
                          V_ARGS(V_BLOB(key->bytes, key->size)));

    if (rc == 0 && *found)
        *number = (uint64_t)value;
    return rc;
}

int hark_index_lookup_find(struct hark_index *index, unsigned lookup, struct hark_span key,
                           bool *found, uint64_t *number, struct hark_err *err)
{
    struct hark_index_lookups *lookups = index->lookups;
    struct key wanted = {.size = 0};
    struct recent *recent;
    uint64_t hash;
    uint32_t bucket;
    int rc = make_key(&wanted, lookup, key, err);

    if (rc != 0)
        return rc;
    if (lookups == NULL)
        return find_in_file(index, &wanted, found, number, err);
    hash = hash_key(lookups, &wanted);
    recent = &lookups->recent[hash >> (64 - RECENT_BITS)];
    if (same_key(&recent->key, &wanted)) {
        *found = true;
        *number = recent->number;
        return 0;
    }
    bucket = find_bucket(lookups, &wanted, hash);
    if (lookups->buckets[bucket] != 0) {
        const struct pending *p = &lookups->pending[lookups->buckets[bucket] - 1];

        *found = !p->gone;
        if (*found)
            *number = p->number;
        return 0;
    }
    rc = find_in_file(index, &wanted, found, number, err);
    if (rc == 0 && *found) {
        recent->key = wanted;
        recent->number = *number;
    }
    return rc;
}

int hark_index_lookup_bind(struct hark_index *index, unsigned lookup, struct hark_span key,
                           uint64_t number, struct hark_err *err)
{
    struct key wanted = {.size = 0};
    int rc = hark_index_writing(index, err);

    if (rc == 0)
        rc = make_key(&wanted, lookup, key, err);
    return rc != 0 ? rc : set_pending(index, &wanted, number, false, err);
}

static int store_find(void *arg, enum hark_lookup lookup, struct hark_span key, bool *found,
                      uint64_t *number, struct hark_err *err)
{
    return hark_index_lookup_find(arg, (unsigned)lookup, key, found, number, err);
}

static int store_bind(void *arg, enum hark_lookup lookup, struct hark_span key, uint64_t number,
                      struct hark_err *err)
{
    return hark_index_lookup_bind(arg, (unsigned)lookup, key, number, err);
}

static int store_unbind(void *arg, enum hark_lookup lookup, struct hark_span key,
                        struct hark_err *err)
{
    struct hark_index *index = arg;
    struct key wanted = {.size = 0};
    int rc = hark_index_writing(index, err);

    if (rc == 0)
        rc = make_key(&wanted, (unsigned)lookup, key, err);
    return rc != 0 ? rc : set_pending(index, &wanted, 0, true, err);
}

struct hark_store hark_index_store(struct hark_index *index)
{
    return (struct hark_store){.arg = index,
                               .count = store_count,
                               .get = store_get,
                               .put = store_put,
                               .find = store_find,
                               .bind = store_bind,
                               .unbind = store_unbind,
                               .root = store_root};
}
