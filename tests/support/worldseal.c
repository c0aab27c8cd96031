/*
 * What an encrypted world (worldgen.h) has besides: group keys, the parts of a fresh key,
 * and random rotations, of which most come to their end. The boxes are bytes of no meaning:
 * nobody who judges a log can open one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/epoch.h"
#include "tests/support/worldgen.h"

static json_t *some_box(uint8_t filling)
{
    uint8_t box[HARK_EPOCH_BOX_SIZE];
    struct hark_buf text = hark_buf_init(4u * HARK_EPOCH_BOX_SIZE);
    json_t *json = NULL;

    memset(box, filling, sizeof(box));
    if (hark_base64_encode(&text, hark_span(box, sizeof(box)), NULL) == 0)
        json = json_stringn((const char *)text.data, text.size);
    hark_buf_free(&text);
    return json;
}

json_t *world_group_key(uint32_t epoch)
{
    return json_pack("{s:I, s:o}", "epoch", (json_int_t)epoch, "box", some_box((uint8_t)epoch));
}

uint32_t world_next_epoch(struct world *world)
{
    uint32_t number = 0;
    bool found = false;

    (void)!hark_state_current_epoch(world->state, &found, &number, NULL);
    return found ? number + 1 : 0;
}

size_t world_keys_staying(struct world *world, uint32_t member, uint32_t key, uint32_t *out,
                          size_t most)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};
    size_t count = 0;

    (void)!hark_state_counts(world->state, counts, NULL);
    for (uint32_t i = 0; i < counts[HARK_SECTION_KEY] && count < most; i++) {
        struct hark_key_object object;

        if (hark_state_key(world->state, i, &object, NULL) == 0 &&
            object.of == HARK_KEY_OF_MEMBER && object.until == HARK_NONE && i != key &&
            object.owner != member)
            out[count++] = i;
    }
    return count;
}

json_t *world_fields_part(uint32_t epoch, uint32_t part, uint32_t parts,
                          const struct hark_hash *commitment, const uint32_t *keys, size_t count)
{
    json_t *sealed = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(sealed, json_pack("{s:I, s:o}", "key", (json_int_t)keys[i], "box",
                                                some_box((uint8_t)keys[i])));
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "epoch", (json_int_t)epoch, "part",
                     (json_int_t)part, "parts", (json_int_t)parts, "commitment",
                     world_hex(commitment->bytes, HARK_HASH_SIZE), "sealed", sealed);
}

/* ---- Random rotations ------------------------------------------------------ */

/* The number of some key in force of that member's; WORLD_NO_KEY when there is none. */
static uint32_t a_key_of(struct world *world, uint32_t member)
{
    uint32_t keys[WORLD_KEYS];
    size_t count = world_keys_staying(world, WORLD_NO_KEY, WORLD_NO_KEY, keys, WORLD_KEYS);

    for (size_t i = 0; i < count; i++) {
        struct hark_key_object key;

        if (hark_state_key(world->state, keys[i], &key, NULL) == 0 && key.owner == member)
            return keys[i];
    }
    return WORLD_NO_KEY;
}

static void plan(struct world *world)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};

    (void)!hark_state_counts(world->state, counts, NULL);
    world->going = (uint32_t)world_random(world, counts[HARK_SECTION_MEMBER]);
    world->going_key = world_random(world, 3) == 0 ? a_key_of(world, world->going) : WORLD_NO_KEY;
}

static bool draft_part(struct world *world, struct world_draft *draft, uint32_t part,
                       uint32_t parts, const struct hark_hash *commitment)
{
    uint32_t keys[WORLD_KEYS];
    size_t count =
        world_keys_staying(world, world->going_key == WORLD_NO_KEY ? world->going : WORLD_NO_KEY,
                           world->going_key, keys, WORLD_KEYS);
    size_t first = count * part / parts, end = count * (part + 1) / parts;

    if (first == end)
        return false;
    draft->kind = "epoch";
    draft->fields = world_fields_part(world_next_epoch(world), part, parts, commitment,
                                      keys + first, end - first);
    return true;
}

static bool draft_end(struct world *world, struct world_draft *draft,
                      const struct hark_hash *commitment)
{
    struct hark_key_object key;

    draft->kind = "remove";
    if (world->going_key == WORLD_NO_KEY) {
        draft->fields = json_pack("{s:I, s:o}", "member", (json_int_t)world->going, "commitment",
                                  world_hex(commitment->bytes, HARK_HASH_SIZE));
        return true;
    }
    if (hark_state_key(world->state, world->going_key, &key, NULL) != 0)
        return false;
    draft->kind = "device";
    draft->fields =
        json_pack("{s:s, s:I, s:o, s:o}", "action", "remove", "member", (json_int_t)world->going,
                  "key", world_hex(key.key.bytes, HARK_KEY_SIZE), "commitment",
                  world_hex(commitment->bytes, HARK_HASH_SIZE));
    return true;
}

bool world_draft_rotation(struct world *world, uint32_t steward, struct world_draft *draft)
{
    struct hark_group_object group;
    struct hark_hash commitment;
    uint64_t size = hark_state_size(world->state);

    draft->by = steward;
    if (world_next_epoch(world) == 0 || hark_state_group(world->state, &group, NULL) != 0)
        return false;
    if (group.parts > 0 && group.came == group.parts)
        return draft_end(world, draft, &group.commitment);
    if (group.parts > 0)
        return draft_part(world, draft, group.came, group.parts, &group.commitment);
    plan(world);
    commitment = hark_sha256(hark_span(&size, sizeof(size)));
    return draft_part(world, draft, 0, 1 + (uint32_t)world_random(world, 3), &commitment);
}
