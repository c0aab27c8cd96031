/*
 * The store in memory: sections are arrays of objects, look-ups are the libc's
 * balanced trees (an attacker chooses many of the keys, so nothing here may
 * degrade with unlucky ones), and each hashed section keeps the roots of all its
 * full Merkle subtrees, so that a root costs O(log n) however much has changed.
 */
#include "schemas/store.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"

#define LEVELS_MAX 40u /* of a Merkle tree: more objects than memory holds */
#define NUMBER_MAX (UINT64_C(1) << (LEVELS_MAX - 4))

struct object {
    uint8_t *bytes; /* NULL: there is none (sections that are not hashed) */
    size_t size;
};

/* levels[k][i]: root of the full subtree over the objects from i*2^k. */
struct level {
    struct hark_hash *hashes;
    uint64_t count;
    uint64_t capacity;
};

struct section {
    struct object *objects;
    uint64_t count;
    uint64_t capacity;
    struct level levels[LEVELS_MAX];
};

struct binding {
    uint64_t number;
    size_t size;
    uint8_t key[];
};

struct hark_memstore {
    struct section sections[HARK_SECTION_COUNT_];
    void *lookups[HARK_LOOKUP_COUNT_]; /* tsearch trees of struct binding */
};

static int compare_bindings(const void *left, const void *right)
{
    const struct binding *a = left;
    const struct binding *b = right;
    int order = memcmp(a->key, b->key, a->size < b->size ? a->size : b->size);

    if (order != 0 || a->size == b->size)
        return order;
    return a->size < b->size ? -1 : 1;
}

static struct binding *make_binding(struct hark_span key, uint64_t number)
{
    struct binding *binding = malloc(sizeof(*binding) + key.size);

    if (binding == NULL)
        return NULL;
    binding->number = number;
    binding->size = key.size;
    if (key.size > 0)
        memcpy(binding->key, key.data, key.size);
    return binding;
}

/* Room for at least one more element of `size` bytes behind `count`. */
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
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the state");
    memset((uint8_t *)bigger + (size_t)*capacity * size, 0, (size_t)(more - *capacity) * size);
    *array = bigger;
    *capacity = more;
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
    const struct section *in = &mem->sections[section];

    if (number >= in->count || in->objects[number].bytes == NULL)
        return hark_err_set(err, HARK_E_NOT_FOUND, "no object %llu in section %d",
                            (unsigned long long)number, (int)section);
    *size = in->objects[number].size;
    memcpy(out, in->objects[number].bytes, *size);
    return HARK_OK;
}

static int mem_put(void *arg, enum hark_section section, uint64_t number, const uint8_t *bytes,
                   size_t size, struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    struct section *in = &mem->sections[section];
    bool hashed = section < HARK_SECTION_HASHED_;
    void *objects = in->objects;
    uint8_t *copy = NULL;
    int rc;

    if (size > HARK_OBJECT_MAX || number > NUMBER_MAX || (hashed && number > in->count))
        return hark_err_set(err, HARK_E_INTERNAL, "object %llu of section %d cannot be put",
                            (unsigned long long)number, (int)section);
    rc = grow(&objects, &in->capacity, number + 1, sizeof(*in->objects), err);
    in->objects = objects;
    if (rc != HARK_OK)
        return rc;
    copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the state");
    if (size > 0)
        memcpy(copy, bytes, size);
    free(in->objects[number].bytes);
    in->objects[number] = (struct object){.bytes = copy, .size = size};
    if (number >= in->count)
        in->count = number + 1;
    return hashed ? set_leaf(in, number, hark_merkle_leaf(hark_span(copy, size)), err) : HARK_OK;
}

static int mem_find(void *arg, enum hark_lookup lookup, struct hark_span key, bool *found,
                    uint64_t *number, struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    _Alignas(struct binding) uint8_t room[sizeof(struct binding) + HARK_LOOKUP_MAX];
    struct binding *wanted = (struct binding *)(void *)room;
    struct binding *const *node;

    if (key.size > HARK_LOOKUP_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "a look-up key of %zu bytes", key.size);
    wanted->size = key.size;
    if (key.size > 0)
        memcpy(wanted->key, key.data, key.size);
    node = tfind(wanted, &mem->lookups[lookup], compare_bindings);
    *found = node != NULL;
    if (node != NULL)
        *number = (*node)->number;
    return HARK_OK;
}

static int mem_bind(void *arg, enum hark_lookup lookup, struct hark_span key, uint64_t number,
                    struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    struct binding *binding;
    struct binding **node;

    if (key.size > HARK_LOOKUP_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "a look-up key of %zu bytes", key.size);
    binding = make_binding(key, number);
    node = binding == NULL ? NULL : tsearch(binding, &mem->lookups[lookup], compare_bindings);
    if (node == NULL) {
        free(binding);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the state");
    }
    if (*node != binding) {
        (*node)->number = number;
        free(binding);
    }
    return HARK_OK;
}

static int mem_unbind(void *arg, enum hark_lookup lookup, struct hark_span key,
                      struct hark_err *err)
{
    struct hark_memstore *mem = arg;
    struct binding *wanted = make_binding(key, 0);
    struct binding **node;

    if (wanted == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the state");
    node = tfind(wanted, &mem->lookups[lookup], compare_bindings);
    if (node != NULL) {
        struct binding *gone = *node;

        (void)tdelete(wanted, &mem->lookups[lookup], compare_bindings);
        free(gone);
    }
    free(wanted);
    return HARK_OK;
}

static int mem_root(void *arg, enum hark_section section, struct hark_hash *root,
                    struct hark_err *err)
{
    const struct hark_memstore *mem = arg;
    const struct section *in = &mem->sections[section];
    bool begun = false;

    if (section >= HARK_SECTION_HASHED_)
        return hark_err_set(err, HARK_E_INTERNAL, "section %d is not hashed", (int)section);
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

int hark_memstore_new(struct hark_memstore **out, struct hark_err *err)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the state");
    return HARK_OK;
}

void hark_memstore_free(struct hark_memstore *mem)
{
    if (mem == NULL)
        return;
    for (size_t s = 0; s < HARK_SECTION_COUNT_; s++) {
        struct section *section = &mem->sections[s];

        for (uint64_t i = 0; i < section->count; i++)
            free(section->objects[i].bytes);
        free(section->objects);
        for (size_t k = 0; k < LEVELS_MAX; k++)
            free(section->levels[k].hashes);
    }
    for (size_t l = 0; l < HARK_LOOKUP_COUNT_; l++)
        tdestroy(mem->lookups[l], free);
    free(mem);
}

/* What a walk over one look-up tree carries: binds everything in another store. */
struct copying {
    struct hark_memstore *to;
    enum hark_lookup lookup;
    int rc;
    struct hark_err *err;
};

static void copy_binding(const void *node, VISIT visit, void *arg)
{
    const struct binding *binding = *(struct binding *const *)node;
    struct copying *copying = arg;

    if ((visit != postorder && visit != leaf) || copying->rc != HARK_OK)
        return;
    copying->rc = mem_bind(copying->to, copying->lookup, hark_span(binding->key, binding->size),
                           binding->number, copying->err);
}

int hark_memstore_copy(struct hark_memstore **out, const struct hark_memstore *from,
                       struct hark_err *err)
{
    struct hark_memstore *copy = NULL;
    int rc = hark_memstore_new(&copy, err);

    for (size_t s = 0; rc == HARK_OK && s < HARK_SECTION_COUNT_; s++) {
        const struct section *section = &from->sections[s];

        for (uint64_t i = 0; rc == HARK_OK && i < section->count; i++)
            if (section->objects[i].bytes != NULL)
                rc = mem_put(copy, (enum hark_section)s, i, section->objects[i].bytes,
                             section->objects[i].size, err);
    }
    for (size_t l = 0; rc == HARK_OK && l < HARK_LOOKUP_COUNT_; l++) {
        struct copying copying = {.to = copy, .lookup = (enum hark_lookup)l, .err = err};

        twalk_r(from->lookups[l], copy_binding, &copying);
        rc = copying.rc;
    }
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
