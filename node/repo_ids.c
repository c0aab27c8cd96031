/*
 * An open-addressing table over the ids themselves: they are hashes already.
 */
#include "repo_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t first_slot(const struct hark_idset *set, const struct hark_git_id *id)
{
    uint64_t hash = 0;
    memcpy(&hash, id->bytes, sizeof(hash));
    return (size_t)(hash & (set->slot_count - 1));
}

/* The slot that holds the id, or the empty one where it belongs. */
static size_t find_slot(const struct hark_idset *set, const struct hark_git_id *id)
{
    size_t slot = first_slot(set, id);
    while (set->slots[slot] != 0 && !hark_git_id_equal(&set->ids[set->slots[slot] - 1], id)) {
        slot = (slot + 1) & (set->slot_count - 1);
    }
    return slot;
}

static int grow(struct hark_idset *set, struct hark_err *err)
{
    size_t capacity = set->capacity != 0 ? set->capacity * 2 : 32;
    if (capacity > UINT32_MAX / 2) {
        return hark_err_set(err, HARK_E_LIMIT, "too many git objects in one set");
    }
    struct hark_git_id *ids = realloc(set->ids, capacity * sizeof(*ids));
    if (ids == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu git ids", capacity);
    }
    set->ids = ids;
    uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
    if (slots == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu git ids", capacity);
    }
    free(set->slots);
    set->slots = slots;
    set->slot_count = capacity * 2;
    set->capacity = capacity;
    for (size_t i = 0; i < set->count; i++) {
        set->slots[find_slot(set, &set->ids[i])] = (uint32_t)(i + 1);
    }
    return 0;
}

int hark_idset_add(struct hark_idset *set, const struct hark_git_id *id, bool *added,
                   struct hark_err *err)
{
    if (hark_idset_has(set, id)) {
        if (added != NULL) {
            *added = false;
        }
        return 0;
    }
    if (set->count == set->capacity) {
        int rc = grow(set, err);
        if (rc != 0) {
            return rc;
        }
    }
    set->ids[set->count] = *id;
    set->slots[find_slot(set, id)] = (uint32_t)(set->count + 1);
    set->count++;
    if (added != NULL) {
        *added = true;
    }
    return 0;
}

bool hark_idset_has(const struct hark_idset *set, const struct hark_git_id *id)
{
    return set->count != 0 && set->slots[find_slot(set, id)] != 0;
}

void hark_idset_free(struct hark_idset *set)
{
    free(set->ids);
    free(set->slots);
    *set = (struct hark_idset){0};
}
