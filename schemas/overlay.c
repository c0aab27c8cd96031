/*
 * A store over a store: what is written here hides what lies below, which is never
 * touched. Two hash tables with open addressing, one of objects and one of
 * look-ups; what was unbound stays as a mark, for it must hide too. Nothing is ever
 * taken out of a table but everything, so probing needs no tombstones of its own.
 *
 * Many of the keys are chosen by whoever writes entries: the tables are seeded, so
 * that nobody who cannot read our memory finds keys that meet in one slot.
 */
#include <stdlib.h>
#include <string.h>

#include "schemas/store.h"

#define NUMBER_LIMIT (UINT64_C(1) << 40) /* as in the index, which this often lies over */
#define SLOTS_MIN    64u
#define SLOTS_MAX    (UINT32_C(1) << 28) /* of a table: hundreds of entries' worth a MiB */

struct object {
    uint8_t *bytes; /* NULL: the slot is empty */
    uint16_t size;
    uint16_t capacity;
    uint64_t id; /* section and number */
};

struct binding {
    uint8_t *key; /* the look-up's number and the key; NULL: the slot is empty */
    uint8_t size;
    bool gone; /* unbound: hides what is below */
    uint64_t number;
};

struct hark_overlay {
    struct hark_store below;
    uint8_t hash_key[HARK_HASH_KEY_SIZE];
    uint64_t counts[HARK_SECTION_COUNT_];
    bool counted[HARK_SECTION_COUNT_]; /* the count above is known */
    struct object *objects;
    uint32_t object_slots; /* a power of two, or 0 */
    uint32_t object_count;
    struct binding *bindings;
    uint32_t binding_slots;
    uint32_t binding_count;
};

static int no_memory(struct hark_err *err)
{
    return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what is under way");
}

static uint32_t hash_of(const struct hark_overlay *overlay, const void *key, size_t size)
{
    return (uint32_t)hark_keyed_hash(overlay->hash_key, hark_span(key, size));
}

/* The next size of a table that holds `count` and gets one more: at most half of its
 * slots are taken. *slots stays as it is where there is room. */
static int wanted_slots(uint32_t *slots, uint32_t count, struct hark_err *err)
{
    if (count < *slots / 2)
        return 0;
    if (*slots >= SLOTS_MAX)
        return no_memory(err);
    *slots = *slots == 0 ? SLOTS_MIN : 2 * *slots;
    return 0;
}

/* ---- objects ---------------------------------------------------------------- */

/* The slot that holds the object, or the empty one where it would go; the table has
 * an empty one, always. */
static struct object *object_slot(const struct hark_overlay *overlay, struct object *table,
                                  uint32_t slots, uint64_t id)
{
    uint32_t at = hash_of(overlay, &id, sizeof(id)) & (slots - 1);

    while (table[at].bytes != NULL && table[at].id != id)
        at = (at + 1) & (slots - 1);
    return &table[at];
}

static int grow_objects(struct hark_overlay *overlay, struct hark_err *err)
{
    uint32_t slots = overlay->object_slots;
    struct object *table;
    int rc = wanted_slots(&slots, overlay->object_count, err);

    if (rc < 0 || slots == overlay->object_slots)
        return rc;
    table = calloc(slots, sizeof(*table));
    if (table == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < overlay->object_slots; i++) {
        const struct object *object = &overlay->objects[i];

        if (object->bytes != NULL)
            *object_slot(overlay, table, slots, object->id) = *object;
    }
    free(overlay->objects);
    overlay->objects = table;
    overlay->object_slots = slots;
    return 0;
}

static int learn_count(struct hark_overlay *overlay, enum hark_section section,
                       struct hark_err *err)
{
    int rc;

    if (overlay->counted[section])
        return 0;
    rc = overlay->below.count(overlay->below.arg, section, &overlay->counts[section], err);
    overlay->counted[section] = rc == 0;
    return rc;
}

static int over_count(void *arg, enum hark_section section, uint64_t *count, struct hark_err *err)
{
    struct hark_overlay *overlay = arg;
    int rc = learn_count(overlay, section, err);

    *count = overlay->counts[section];
    return rc;
}

static int over_get(void *arg, enum hark_section section, uint64_t number, uint8_t *out,
                    size_t *size, struct hark_err *err)
{
    struct hark_overlay *overlay = arg;
    uint64_t id = (uint64_t)section << 40 | number;

    if (number >= NUMBER_LIMIT)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no such object");
    if (overlay->object_count > 0) {
        const struct object *object =
            object_slot(overlay, overlay->objects, overlay->object_slots, id);

        if (object->bytes != NULL) {
            *size = object->size;
            memcpy(out, object->bytes, object->size);
            return 0;
        }
    }
    return overlay->below.get(overlay->below.arg, section, number, out, size, err);
}

static int over_put(void *arg, enum hark_section section, uint64_t number, const uint8_t *bytes,
                    size_t size, struct hark_err *err)
{
    struct hark_overlay *overlay = arg;
    uint64_t id = (uint64_t)section << 40 | number;
    struct object *object;
    int rc = learn_count(overlay, section, err);

    if (rc < 0)
        return rc;
    if (size > HARK_OBJECT_MAX || number >= NUMBER_LIMIT ||
        (section < HARK_SECTION_HASHED_ && number > overlay->counts[section]))
        return hark_err_set(err, HARK_E_INTERNAL, "object %llu of section %d cannot be put",
                            (unsigned long long)number, (int)section);
    rc = grow_objects(overlay, err);
    if (rc < 0)
        return rc;
    object = object_slot(overlay, overlay->objects, overlay->object_slots, id);
    if (object->bytes == NULL || object->capacity < size) {
        uint8_t *room = realloc(object->bytes, size > 0 ? size : 1);

        if (room == NULL)
            return no_memory(err);
        overlay->object_count += object->bytes == NULL;
        object->bytes = room;
        object->capacity = (uint16_t)size;
        object->id = id;
    }
    object->size = (uint16_t)size;
    if (size > 0)
        memcpy(object->bytes, bytes, size);
    if (number >= overlay->counts[section])
        overlay->counts[section] = number + 1;
    return 0;
}

/* ---- look-ups --------------------------------------------------------------- */

struct key {
    size_t size;
    uint8_t bytes[1 + HARK_LOOKUP_MAX];
};

static int make_key(struct key *out, enum hark_lookup lookup, struct hark_span key,
                    struct hark_err *err)
{
    if (key.size > HARK_LOOKUP_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "a look-up key of %zu bytes", key.size);
    out->size = 1 + key.size;
    out->bytes[0] = (uint8_t)lookup;
    if (key.size > 0)
        memcpy(out->bytes + 1, key.data, key.size);
    return 0;
}

static struct binding *binding_slot(const struct hark_overlay *overlay, struct binding *table,
                                    uint32_t slots, const uint8_t *key, size_t size)
{
    uint32_t at = hash_of(overlay, key, size) & (slots - 1);

    while (table[at].key != NULL &&
           (table[at].size != size || memcmp(table[at].key, key, size) != 0))
        at = (at + 1) & (slots - 1);
    return &table[at];
}

static int grow_bindings(struct hark_overlay *overlay, struct hark_err *err)
{
    uint32_t slots = overlay->binding_slots;
    struct binding *table;
    int rc = wanted_slots(&slots, overlay->binding_count, err);

    if (rc < 0 || slots == overlay->binding_slots)
        return rc;
    table = calloc(slots, sizeof(*table));
    if (table == NULL)
        return no_memory(err);
    for (uint32_t i = 0; i < overlay->binding_slots; i++) {
        const struct binding *binding = &overlay->bindings[i];

        if (binding->key != NULL)
            *binding_slot(overlay, table, slots, binding->key, binding->size) = *binding;
    }
    free(overlay->bindings);
    overlay->bindings = table;
    overlay->binding_slots = slots;
    return 0;
}

static int set_binding(struct hark_overlay *overlay, const struct key *key, bool gone,
                       uint64_t number, struct hark_err *err)
{
    struct binding *binding;
    int rc = grow_bindings(overlay, err);

    if (rc < 0)
        return rc;
    binding =
        binding_slot(overlay, overlay->bindings, overlay->binding_slots, key->bytes, key->size);
    if (binding->key == NULL) {
        binding->key = malloc(key->size);
        if (binding->key == NULL)
            return no_memory(err);
        memcpy(binding->key, key->bytes, key->size);
        binding->size = (uint8_t)key->size;
        overlay->binding_count++;
    }
    binding->gone = gone;
    binding->number = number;
    return 0;
}

static int over_find(void *arg, enum hark_lookup lookup, struct hark_span key, bool *found,
                     uint64_t *number, struct hark_err *err)
{
    struct hark_overlay *overlay = arg;
    struct key wanted;
    int rc = make_key(&wanted, lookup, key, err);

    if (rc < 0)
        return rc;
    if (overlay->binding_count > 0) {
        const struct binding *binding = binding_slot(
            overlay, overlay->bindings, overlay->binding_slots, wanted.bytes, wanted.size);

        if (binding->key != NULL) {
            *found = !binding->gone;
            if (*found)
                *number = binding->number;
            return 0;
        }
    }
    return overlay->below.find(overlay->below.arg, lookup, key, found, number, err);
}

static int over_bind(void *arg, enum hark_lookup lookup, struct hark_span key, uint64_t number,
                     struct hark_err *err)
{
    struct key wanted;
    int rc = make_key(&wanted, lookup, key, err);

    return rc < 0 ? rc : set_binding(arg, &wanted, false, number, err);
}

static int over_unbind(void *arg, enum hark_lookup lookup, struct hark_span key,
                       struct hark_err *err)
{
    struct key wanted;
    int rc = make_key(&wanted, lookup, key, err);

    return rc < 0 ? rc : set_binding(arg, &wanted, true, 0, err);
}

static int over_root(void *arg, enum hark_section section, struct hark_hash *root,
                     struct hark_err *err)
{
    (void)arg;
    (void)root;
    return hark_err_set(err, HARK_E_INTERNAL, "section %d of what is under way is not hashed",
                        (int)section);
}

/* ---- the overlay -------------------------------------------------------------- */

int hark_overlay_new(struct hark_overlay **out, const struct hark_store *below,
                     struct hark_err *err)
{
    struct hark_overlay *overlay = calloc(1, sizeof(*overlay));

    *out = overlay;
    if (overlay == NULL)
        return no_memory(err);
    overlay->below = *below;
    hark_random(overlay->hash_key, sizeof(overlay->hash_key));
    return 0;
}

/* The tables go, too: after a rush they would be walked through again and again. */
void hark_overlay_clear(struct hark_overlay *overlay)
{
    for (uint32_t i = 0; i < overlay->object_slots; i++)
        free(overlay->objects[i].bytes);
    for (uint32_t i = 0; i < overlay->binding_slots; i++)
        free(overlay->bindings[i].key);
    free(overlay->objects);
    free(overlay->bindings);
    overlay->objects = NULL;
    overlay->bindings = NULL;
    overlay->object_slots = overlay->object_count = 0;
    overlay->binding_slots = overlay->binding_count = 0;
    memset(overlay->counted, 0, sizeof(overlay->counted));
}

void hark_overlay_free(struct hark_overlay *overlay)
{
    if (overlay == NULL)
        return;
    hark_overlay_clear(overlay);
    free(overlay);
}

struct hark_store hark_overlay_store(struct hark_overlay *overlay)
{
    return (struct hark_store){.arg = overlay,
                               .count = over_count,
                               .get = over_get,
                               .put = over_put,
                               .find = over_find,
                               .bind = over_bind,
                               .unbind = over_unbind,
                               .root = over_root};
}
