/*
 * The store in memory, for whoever goes through a whole log: it costs little more than
 * the bytes that are kept. A section is one array of slots that are as large as its
 * largest object; a look-up has its bindings one behind the other, and a hash table with
 * open addressing that says where they lie. What was unbound stays, as a mark, so that
 * nothing is ever taken out of a table.
 *
 * Many of the keys are chosen by whoever writes entries: they are hashed under a random
 * key, so that nobody who cannot read our memory finds keys that meet in one slot.
 *
 * Once a hashed section's root was asked for, the roots of all its full Merkle subtrees
 * are kept, so that the next one costs O(log n) however much has changed; before that
 * nothing of it is hashed.
 */
#include "schemas/store.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"

#define LEVELS_MAX 40u /* of a Merkle tree: more objects than memory holds */
#define NUMBER_MAX (UINT64_C(1) << (LEVELS_MAX - 4))

/* A slot of a section: u16 size of the object + 1, or 0 where there is none (sections
 * that are not hashed); the object. */
#define SLOT_HEAD sizeof(uint16_t)

/* levels[k][i]: root of the full subtree over the objects from i*2^k. */
struct level {
    struct hark_hash *hashes;
    uint64_t count;
    uint64_t capacity;
};

struct section {
    uint8_t *slots;
    size_t stride; /* bytes of a slot */
    uint64_t count;
    uint64_t capacity;
    bool rooted; /* levels are kept */
    struct level levels[LEVELS_MAX];
};

/* A binding: u64 number, u8 size of the key and perhaps GONE, the key. */
#define BINDING_HEAD (sizeof(uint64_t) + 1)
#define GONE         0x80u /* unbound */

/* A place of a table: 0 where it is empty, else bits of the key's hash, which tell most
 * others apart, and where the binding begins, + 1. */
#define OFFSET_BITS 40u
#define OFFSET_MASK ((UINT64_C(1) << OFFSET_BITS) - 1)
#define PLACES_MIN  64u

struct lookup {
    uint8_t *bindings;
    uint64_t size; /* bytes */
    uint64_t capacity;
    uint64_t count; /* of bindings */
    uint64_t *places;
    uint64_t place_count; /* a power of two, or 0 */
};

struct hark_memstore {
    uint8_t hash_key[HARK_HASH_KEY_SIZE];
    struct section sections[HARK_SECTION_COUNT_];
    struct lookup lookups[HARK_LOOKUP_COUNT_];
};

static int no_memory(struct hark_err *err)
{
    return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the state");
}

/* Room for `wanted` elements of `size` bytes. What is new is not cleared, so that it
 * costs no memory before it is used. */
static int grow(void **array, uint64_t *capacity, uint64_t wanted, size_t size,
                struct hark_err *err)
{
    uint64_t more = *capacity == 0 ? 16 : *capacity;
    void *bigger;

    if (wanted <= *capacity)
        return HARK_OK;
    while (more < wanted)
        more *= 2;
    bigger = more > SIZE_MAX / size ? NULL : realloc(*array, (size_t)more * size);
    if (bigger == NULL)
        return no_memory(err);
    *array = bigger;
    *capacity = more;
    return HARK_OK;
}

/* ---- objects ---------------------------------------------------------------- */

static uint8_t *slot_at(const struct section *section, uint64_t number)
{
    return section->slots + number * section->stride;
}

/* False: there is none. */
static bool object_at(const struct section *section, uint64_t number, struct hark_span *object)
{
    uint16_t head = 0;

    if (number >= section->count)
        return false;
    memcpy(&head, slot_at(section, number), sizeof(head));
    if (head == 0)
        return false;
    *object = hark_span(slot_at(section, number) + SLOT_HEAD, head - 1u);
    return true;
}

/* Slots that have room for an object of `size` bytes. */
static int widen(struct section *section, size_t size, struct hark_err *err)
{
    struct section wider = {.stride = SLOT_HEAD + size};
    void *slots = NULL;
    int rc;

    if (wider.stride <= section->stride)
        return HARK_OK;
    rc = section->capacity == 0
             ? HARK_OK
             : grow(&slots, &wider.capacity, section->capacity, wider.stride, err);
    if (rc != HARK_OK)
        return rc;
    wider.slots = slots;
    for (uint64_t i = 0; i < section->count; i++)
        memcpy(slot_at(&wider, i), slot_at(section, i), section->stride);
    free(section->slots);
    section->slots = wider.slots;
    section->capacity = wider.capacity;
    section->stride = wider.stride;
    return HARK_OK;
}

/* Sets the hash of object `number` and of every full subtree above it. */
static int set_leaf(struct section *section, uint64_t number, struct hark_hash hash,
                    struct hark_err *err)
{
    for (unsigned k = 0; k < LEVELS_MAX; k++) {
        struct level *level = &section->levels[k];
        void *hashes = level->hashes;
        int rc = grow(&hashes, &level->capacity, number + 1, sizeof(hash), err);

        level->hashes = hashes;
        if (rc != HARK_OK)
            return rc;
        level->hashes[number] = hash;
        if (number >= level->count)
            level->count = number + 1;
        /* The parent is full only once its right child is. */
        if ((number | 1) >= level->count)
            return HARK_OK;
        hash = hark_merkle_node(&level->hashes[number & ~UINT64_C(1)], &level->hashes[number | 1]);
        number /= 2;
    }
    return HARK_OK;
}

static int mem_count(void *arg, enum hark_section section, uint64_t *count, struct hark_err *err)
{
    struct hark_memstore *mem = arg;

    (void)err;
    *count = mem->sections[section].count;
    return HARK_OK;
}

static int mem_get(void *arg, enum hark_section section, uint64_t number, uint8_t *out,
                   size_t *size, struct hark_err *err)
{
    const struct hark_memstore *mem = arg;
    struct hark_span object;

    if (!object_at(&mem->sections[section], number, &object))
        return hark_err_set(err, HARK_E_NOT_FOUND, "no object %llu in section %d",
                            (unsigned long long)number, (int)section);
    *size = object.size;
    memcpy(out, object.data, object.size);
    return HARK_OK;
}

static int mem_put(void *arg, enum hark_section section, uint64_t number, const uint8_t *bytes,
                   size_t size, struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    struct section *in = &mem->sections[section];
    bool hashed = section < HARK_SECTION_HASHED_;
    uint16_t head = (uint16_t)(size + 1);
    void *slots;
    int rc;

    if (size > HARK_OBJECT_MAX || number > NUMBER_MAX || (hashed && number > in->count))
        return hark_err_set(err, HARK_E_INTERNAL, "object %llu of section %d cannot be put",
                            (unsigned long long)number, (int)section);
    rc = widen(in, size, err);
    slots = in->slots;
    if (rc == HARK_OK)
        rc = grow(&slots, &in->capacity, number + 1, in->stride, err);
    in->slots = slots;
    if (rc != HARK_OK)
        return rc;
    for (; in->count <= number; in->count++)
        memset(slot_at(in, in->count), 0, SLOT_HEAD);
    memcpy(slot_at(in, number), &head, sizeof(head));
    if (size > 0)
        memcpy(slot_at(in, number) + SLOT_HEAD, bytes, size);
    return in->rooted ? set_leaf(in, number, hark_merkle_leaf(hark_span(bytes, size)), err)
                      : HARK_OK;
}

/* From here on the roots of subtrees are kept. */
static int begin_levels(struct section *section, struct hark_err *err)
{
    struct hark_span object;
    int rc = HARK_OK;

    for (size_t k = 0; k < LEVELS_MAX; k++)
        section->levels[k].count = 0;
    for (uint64_t i = 0; rc == HARK_OK && object_at(section, i, &object); i++)
        rc = set_leaf(section, i, hark_merkle_leaf(object), err);
    section->rooted = rc == HARK_OK;
    return rc;
}

static int mem_root(void *arg, enum hark_section section, struct hark_hash *root,
                    struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    struct section *in = &mem->sections[section];
    bool begun = false;
    int rc;

    if (section >= HARK_SECTION_HASHED_)
        return hark_err_set(err, HARK_E_INTERNAL, "section %d is not hashed", (int)section);
    rc = in->rooted ? HARK_OK : begin_levels(in, err);
    if (rc != HARK_OK)
        return rc;
    *root = hark_merkle_empty();
    /* The full subtrees from right to left, which is from small to large. */
    for (unsigned k = 0; k < LEVELS_MAX; k++) {
        const struct hark_hash *full;

        if ((in->count >> k & 1) == 0)
            continue;
        full = &in->levels[k].hashes[(in->count >> k) - 1];
        *root = begun ? hark_merkle_node(full, root) : *full;
        begun = true;
    }
    return HARK_OK;
}

/* ---- look-ups --------------------------------------------------------------- */

static int check_key(struct hark_span key, struct hark_err *err)
{
    return key.size <= HARK_LOOKUP_MAX
               ? HARK_OK
               : hark_err_set(err, HARK_E_INTERNAL, "a look-up key of %zu bytes", key.size);
}

static uint8_t *binding_at(const struct lookup *lookup, uint64_t place)
{
    return lookup->bindings + ((place & OFFSET_MASK) - 1);
}

static struct hark_span key_of(const uint8_t *binding)
{
    size_t size = binding[BINDING_HEAD - 1] & ~GONE;

    return hark_span(binding + BINDING_HEAD, size);
}

/* One after the other, from NULL to NULL. */
static const uint8_t *next_binding(const struct lookup *lookup, const uint8_t *binding)
{
    const uint8_t *next = lookup->bindings;

    if (binding != NULL)
        next = binding + BINDING_HEAD + key_of(binding).size;
    return next == NULL || next == lookup->bindings + lookup->size ? NULL : next;
}

/* The place of that key, or the empty one where it would go; the table has an empty one,
 * always. */
static uint64_t *place_of(const struct lookup *lookup, uint64_t hash, struct hark_span key)
{
    uint64_t at = hash & (lookup->place_count - 1);

    for (;; at = (at + 1) & (lookup->place_count - 1)) {
        uint64_t *place = &lookup->places[at];

        if (*place == 0 || (*place >> OFFSET_BITS == hash >> OFFSET_BITS &&
                            hark_span_equal(key_of(binding_at(lookup, *place)), key)))
            return place;
    }
}

/* The binding of that key; NULL: it was never bound. */
static uint8_t *find_binding(const struct hark_memstore *mem, enum hark_lookup lookup,
                             struct hark_span key)
{
    const struct lookup *in = &mem->lookups[lookup];
    uint64_t *place = NULL;

    if (in->count > 0)
        place = place_of(in, hark_keyed_hash(mem->hash_key, key), key);
    return place == NULL || *place == 0 ? NULL : binding_at(in, *place);
}

/* Places for one binding more: at most three in four are taken. */
static int grow_places(const struct hark_memstore *mem, struct lookup *lookup, struct hark_err *err)
{
    struct lookup more = *lookup;
    const uint8_t *binding = NULL;

    if (lookup->count < lookup->place_count / 4 * 3)
        return HARK_OK;
    more.place_count = lookup->place_count == 0 ? PLACES_MIN : 2 * lookup->place_count;
    more.places = more.place_count > SIZE_MAX / sizeof(*more.places)
                      ? NULL
                      : calloc((size_t)more.place_count, sizeof(*more.places));
    if (more.places == NULL)
        return no_memory(err);
    while ((binding = next_binding(lookup, binding)) != NULL) {
        struct hark_span key = key_of(binding);
        uint64_t hash = hark_keyed_hash(mem->hash_key, key);
        uint64_t offset = (uint64_t)(binding - lookup->bindings);

        *place_of(&more, hash, key) = (hash & ~OFFSET_MASK) | (offset + 1);
    }
    free(lookup->places);
    *lookup = more;
    return HARK_OK;
}

static int add_binding(const struct hark_memstore *mem, struct lookup *lookup, struct hark_span key,
                       uint64_t number, struct hark_err *err)
{
    uint64_t end = lookup->size + BINDING_HEAD + key.size;
    uint64_t hash = hark_keyed_hash(mem->hash_key, key);
    void *bindings = lookup->bindings;
    uint8_t *binding;
    int rc = end > OFFSET_MASK ? no_memory(err) : grow_places(mem, lookup, err);

    if (rc == HARK_OK)
        rc = grow(&bindings, &lookup->capacity, end, 1, err);
    lookup->bindings = bindings;
    if (rc != HARK_OK)
        return rc;
    binding = lookup->bindings + lookup->size;
    memcpy(binding, &number, sizeof(number));
    binding[BINDING_HEAD - 1] = (uint8_t)key.size;
    if (key.size > 0)
        memcpy(binding + BINDING_HEAD, key.data, key.size);
    *place_of(lookup, hash, key) = (hash & ~OFFSET_MASK) | (lookup->size + 1);
    lookup->size = end;
    lookup->count++;
    return HARK_OK;
}

static int mem_find(void *arg, enum hark_lookup lookup, struct hark_span key, bool *found,
                    uint64_t *number, struct hark_err *err)
{
    const struct hark_memstore *mem = arg;
    const uint8_t *binding;
    int rc = check_key(key, err);

    if (rc != HARK_OK)
        return rc;
    binding = find_binding(mem, lookup, key);
    *found = binding != NULL && (binding[BINDING_HEAD - 1] & GONE) == 0;
    if (*found)
        memcpy(number, binding, sizeof(*number));
    return HARK_OK;
}

static int mem_bind(void *arg, enum hark_lookup lookup, struct hark_span key, uint64_t number,
                    struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    uint8_t *binding;
    int rc = check_key(key, err);

    if (rc != HARK_OK)
        return rc;
    binding = find_binding(mem, lookup, key);
    if (binding == NULL)
        return add_binding(mem, &mem->lookups[lookup], key, number, err);
    memcpy(binding, &number, sizeof(number));
    binding[BINDING_HEAD - 1] = (uint8_t)key.size;
    return HARK_OK;
}

static int mem_unbind(void *arg, enum hark_lookup lookup, struct hark_span key,
                      struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    uint8_t *binding = find_binding(mem, lookup, key);

    (void)err;
    if (binding != NULL)
        binding[BINDING_HEAD - 1] |= GONE;
    return HARK_OK;
}

/* ---- the store ---------------------------------------------------------------- */

int hark_memstore_new(struct hark_memstore **out, struct hark_err *err)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return no_memory(err);
    hark_random((*out)->hash_key, sizeof((*out)->hash_key));
    return HARK_OK;
}

void hark_memstore_free(struct hark_memstore *mem)
{
    if (mem == NULL)
        return;
    for (size_t s = 0; s < HARK_SECTION_COUNT_; s++) {
        free(mem->sections[s].slots);
        for (size_t k = 0; k < LEVELS_MAX; k++)
            free(mem->sections[s].levels[k].hashes);
    }
    for (size_t l = 0; l < HARK_LOOKUP_COUNT_; l++) {
        free(mem->lookups[l].bindings);
        free(mem->lookups[l].places);
    }
    free(mem);
}

static int copy_section(struct hark_memstore *copy, enum hark_section section,
                        const struct section *from, struct hark_err *err)
{
    struct hark_span object;
    int rc = HARK_OK;

    for (uint64_t i = 0; rc == HARK_OK && i < from->count; i++)
        if (object_at(from, i, &object))
            rc = mem_put(copy, section, i, object.data, object.size, err);
    return rc;
}

static int copy_lookup(struct hark_memstore *copy, enum hark_lookup lookup,
                       const struct lookup *from, struct hark_err *err)
{
    const uint8_t *binding = NULL;
    int rc = HARK_OK;

    while (rc == HARK_OK && (binding = next_binding(from, binding)) != NULL) {
        uint64_t number;

        memcpy(&number, binding, sizeof(number));
        if ((binding[BINDING_HEAD - 1] & GONE) == 0)
            rc = mem_bind(copy, lookup, key_of(binding), number, err);
    }
    return rc;
}

int hark_memstore_copy(struct hark_memstore **out, const struct hark_memstore *from,
                       struct hark_err *err)
{
    struct hark_memstore *copy = NULL;
    int rc = hark_memstore_new(&copy, err);

    for (size_t s = 0; rc == HARK_OK && s < HARK_SECTION_COUNT_; s++)
        rc = copy_section(copy, (enum hark_section)s, &from->sections[s], err);
    for (size_t l = 0; rc == HARK_OK && l < HARK_LOOKUP_COUNT_; l++)
        rc = copy_lookup(copy, (enum hark_lookup)l, &from->lookups[l], err);
    if (rc != HARK_OK) {
        hark_memstore_free(copy);
        copy = NULL;
    }
    *out = copy;
    return rc;
}

struct hark_store hark_memstore_store(struct hark_memstore *mem)
{
    return (struct hark_store){.arg = mem,
                               .count = mem_count,
                               .get = mem_get,
                               .put = mem_put,
                               .find = mem_find,
                               .bind = mem_bind,
                               .unbind = mem_unbind,
                               .root = mem_root};
}
