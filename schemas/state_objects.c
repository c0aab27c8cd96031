/*
 * The objects of PROTOCOL.md 6.5 as bytes, and what the state keeps beside them
 * without hashing it.
 *
 * Not hashed, big endian as well:
 *   feed      u64 seq ‖ id (32) ‖ git id (20) ‖ u64 time ms
 *   devices   n × u32 key number, n 0 to 32
 *   small 0   space id (32) ‖ u8 n ‖ n × u32 node number: the nodes now named
 *   small 1…  the log tree (hark_merkle_encode) in pieces of 1,024 bytes
 *   small 8   of an inner state only: inner_state.c
 *   small 16+17i+c   piece c (0 to 15) of own kind i's definition; c = 16: its size, u32
 */
#include "schemas/state_internal.h"

#include <string.h>

#define SMALL_HEAD        0u
#define SMALL_LOG         1u
#define SMALL_LOG_PIECES  4u
#define SMALL_DEFINITIONS 16u
#define DEFINITION_PIECES (HARK_KIND_DEFINITION_MAX / HARK_OBJECT_MAX)

/* An object being written or read. Every object's size is bounded well below
 * HARK_OBJECT_MAX by its fields, so writing cannot fail. */
struct object {
    uint8_t bytes[HARK_OBJECT_MAX];
    size_t size;
};

static void write_bytes(struct object *o, const void *data, size_t size)
{
    memcpy(o->bytes + o->size, data, size);
    o->size += size;
}

static void write_u8(struct object *o, uint8_t v)
{
    o->bytes[o->size++] = v;
}

static void write_u16(struct object *o, uint16_t v)
{
    write_u8(o, (uint8_t)(v >> 8));
    write_u8(o, (uint8_t)(v & 0xff));
}

static void write_u32(struct object *o, uint32_t v)
{
    hark_put_u32(o->bytes + o->size, v);
    o->size += 4;
}

static void write_u64(struct object *o, uint64_t v)
{
    hark_put_u64(o->bytes + o->size, v);
    o->size += 8;
}

static void write_key(struct object *o, const struct hark_key *key)
{
    write_bytes(o, key->bytes, sizeof(key->bytes));
}

static bool read_bytes(struct hark_span *in, void *out, size_t size)
{
    struct hark_span taken;

    if (!hark_take(in, size, &taken))
        return false;
    memcpy(out, taken.data, size);
    return true;
}

static bool read_key(struct hark_span *in, struct hark_key *key)
{
    return read_bytes(in, key->bytes, sizeof(key->bytes));
}

static int put(struct hark_state *state, enum hark_section section, uint64_t number,
               const struct object *o, struct hark_err *err)
{
    return state->store.put(state->store.arg, section, number, o->bytes, o->size, err);
}

static int get(struct hark_state *state, enum hark_section section, uint64_t number,
               struct object *o, struct hark_span *in, struct hark_err *err)
{
    int rc = state->store.get(state->store.arg, section, number, o->bytes, &o->size, err);

    if (rc == HARK_OK)
        *in = hark_span(o->bytes, o->size);
    return rc;
}

/* The end of every reader: all fields were there, and nothing is left. */
static int whole(bool read, struct hark_span rest, const char *what, uint64_t number,
                 struct hark_err *err)
{
    if (read && rest.size == 0)
        return HARK_OK;
    return hark_err_set(err, HARK_E_DAMAGED, "the state's %s %llu is not readable", what,
                        (unsigned long long)number);
}

int hark_objects_count(struct hark_state *state, enum hark_section section, uint64_t *count,
                       struct hark_err *err)
{
    return state->store.count(state->store.arg, section, count, err);
}

/* ---- 0 space --------------------------------------------------------------- */

int hark_objects_put_space(struct hark_state *state, struct hark_err *err)
{
    const struct hark_space_object *s = &state->space_object;
    struct object o = {.size = 0};

    write_u32(&o, s->rules);
    write_bytes(&o, s->kinds.bytes, sizeof(s->kinds.bytes));
    write_u32(&o, s->steward_key);
    write_u8(&o, s->mode);
    write_u32(&o, s->home);
    write_u32(&o, s->incarnation);
    write_u64(&o, s->policy);
    write_u64(&o, s->closed);
    write_u8(&o, s->recovery_threshold);
    write_u8(&o, s->recovery_count);
    for (size_t i = 0; i < s->recovery_count; i++)
        write_key(&o, &s->recovery[i]);
    return put(state, HARK_SECTION_SPACE, 0, &o, err);
}

int hark_objects_get_space(struct hark_state *state, struct hark_err *err)
{
    struct hark_space_object s = {0};
    struct object o;
    struct hark_span in;
    bool read;
    int rc = get(state, HARK_SECTION_SPACE, 0, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    read = hark_take_u32(&in, &s.rules) && read_bytes(&in, s.kinds.bytes, sizeof(s.kinds.bytes)) &&
           hark_take_u32(&in, &s.steward_key) && hark_take_u8(&in, &s.mode) &&
           hark_take_u32(&in, &s.home) && hark_take_u32(&in, &s.incarnation) &&
           hark_take_u64(&in, &s.policy) && hark_take_u64(&in, &s.closed) &&
           hark_take_u8(&in, &s.recovery_threshold) && hark_take_u8(&in, &s.recovery_count) &&
           s.recovery_count <= HARK_RECOVERY_MAX;
    for (size_t i = 0; read && i < s.recovery_count; i++)
        read = read_key(&in, &s.recovery[i]);
    rc = whole(read, in, "space object", 0, err);
    if (rc == HARK_OK)
        state->space_object = s;
    return rc;
}

/* ---- 1 member -------------------------------------------------------------- */

int hark_objects_put_member(struct hark_state *state, uint32_t ordinal,
                            const struct hark_member_object *m, struct hark_err *err)
{
    struct object o = {.size = 0};

    write_u8(&o, m->role);
    write_u8(&o, m->status);
    write_u64(&o, m->admit);
    write_u64(&o, m->erased_below);
    return put(state, HARK_SECTION_MEMBER, ordinal, &o, err);
}

int hark_state_member(struct hark_state *state, uint32_t ordinal, struct hark_member_object *out,
                      struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_MEMBER, ordinal, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    return whole(hark_take_u8(&in, &out->role) && hark_take_u8(&in, &out->status) &&
                     hark_take_u64(&in, &out->admit) && hark_take_u64(&in, &out->erased_below),
                 in, "member", ordinal, err);
}

/* ---- 2 key ----------------------------------------------------------------- */

int hark_objects_put_key(struct hark_state *state, uint32_t number, const struct hark_key_object *k,
                         struct hark_err *err)
{
    struct object o = {.size = 0};

    write_key(&o, &k->key);
    write_key(&o, &k->box);
    write_u8(&o, k->of);
    write_u32(&o, k->owner);
    write_u64(&o, k->since);
    write_u64(&o, k->until);
    return put(state, HARK_SECTION_KEY, number, &o, err);
}

int hark_state_key(struct hark_state *state, uint32_t number, struct hark_key_object *out,
                   struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_KEY, number, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    return whole(read_key(&in, &out->key) && read_key(&in, &out->box) &&
                     hark_take_u8(&in, &out->of) && hark_take_u32(&in, &out->owner) &&
                     hark_take_u64(&in, &out->since) && hark_take_u64(&in, &out->until),
                 in, "key", number, err);
}

/* ---- 3 entry --------------------------------------------------------------- */

int hark_objects_put_entry(struct hark_state *state, uint64_t position,
                           const struct hark_entry_object *e, struct hark_err *err)
{
    struct object o = {.size = 0};

    write_u8(&o, e->verdict);
    write_u16(&o, e->kind);
    write_u32(&o, e->key);
    write_u64(&o, e->hidden_by);
    write_u64(&o, e->erased_by);
    write_u64(&o, e->replaces);
    write_u64(&o, e->used_by);
    return put(state, HARK_SECTION_ENTRY, position, &o, err);
}

int hark_state_entry(struct hark_state *state, uint64_t position, struct hark_entry_object *out,
                     struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_ENTRY, position, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    return whole(hark_take_u8(&in, &out->verdict) && hark_take_u16(&in, &out->kind) &&
                     hark_take_u32(&in, &out->key) && hark_take_u64(&in, &out->hidden_by) &&
                     hark_take_u64(&in, &out->erased_by) && hark_take_u64(&in, &out->replaces) &&
                     hark_take_u64(&in, &out->used_by),
                 in, "entry", position, err);
}

/* ---- 4 ticket -------------------------------------------------------------- */

int hark_objects_put_ticket(struct hark_state *state, uint32_t number,
                            const struct hark_ticket_object *t, struct hark_err *err)
{
    struct object o = {.size = 0};

    write_key(&o, &t->sign);
    write_key(&o, &t->curve);
    write_u8(&o, t->role);
    write_u32(&o, t->uses);
    write_u32(&o, t->used);
    write_u64(&o, t->until_ms);
    write_u64(&o, t->position);
    write_u64(&o, t->revoked);
    return put(state, HARK_SECTION_TICKET, number, &o, err);
}

int hark_state_ticket(struct hark_state *state, uint32_t number, struct hark_ticket_object *out,
                      struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_TICKET, number, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    return whole(read_key(&in, &out->sign) && read_key(&in, &out->curve) &&
                     hark_take_u8(&in, &out->role) && hark_take_u32(&in, &out->uses) &&
                     hark_take_u32(&in, &out->used) && hark_take_u64(&in, &out->until_ms) &&
                     hark_take_u64(&in, &out->position) && hark_take_u64(&in, &out->revoked),
                 in, "ticket", number, err);
}

/* ---- 5 node ---------------------------------------------------------------- */

int hark_objects_put_node(struct hark_state *state, uint32_t number,
                          const struct hark_node_object *n, struct hark_err *err)
{
    struct object o = {.size = 0};
    size_t length = strnlen(n->name, HARK_NODE_NAME_MAX);

    write_u8(&o, (uint8_t)length);
    write_bytes(&o, n->name, length);
    write_key(&o, &n->keys.log);
    write_key(&o, &n->keys.cosigner);
    write_key(&o, &n->keys.author);
    write_key(&o, &n->keys.curve);
    write_key(&o, &n->keys.box);
    write_u64(&o, n->since);
    write_u64(&o, n->until);
    return put(state, HARK_SECTION_NODE, number, &o, err);
}

int hark_state_node(struct hark_state *state, uint32_t number, struct hark_node_object *out,
                    struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    uint8_t length = 0;
    int rc = get(state, HARK_SECTION_NODE, number, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    memset(out->name, 0, sizeof(out->name));
    return whole(hark_take_u8(&in, &length) && length <= HARK_NODE_NAME_MAX &&
                     read_bytes(&in, out->name, length) && read_key(&in, &out->keys.log) &&
                     read_key(&in, &out->keys.cosigner) && read_key(&in, &out->keys.author) &&
                     read_key(&in, &out->keys.curve) && read_key(&in, &out->keys.box) &&
                     hark_take_u64(&in, &out->since) && hark_take_u64(&in, &out->until),
                 in, "node", number, err);
}

/* ---- 6 kind ---------------------------------------------------------------- */

int hark_objects_put_kind(struct hark_state *state, uint64_t number, const struct hark_kind *kind,
                          uint64_t position, struct hark_err *err)
{
    struct object o = {.size = 0};
    size_t length = strnlen(kind->name, HARK_KIND_NAME_MAX);

    write_u8(&o, (uint8_t)length);
    write_bytes(&o, kind->name, length);
    write_bytes(&o, kind->definition.bytes, sizeof(kind->definition.bytes));
    write_u64(&o, position);
    return put(state, HARK_SECTION_KIND, number, &o, err);
}

int hark_objects_kind_hash(struct hark_state *state, uint64_t number, struct hark_hash *hash,
                           struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    struct hark_span name;
    uint8_t length = 0;
    uint64_t position;
    int rc = get(state, HARK_SECTION_KIND, number, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    return whole(hark_take_u8(&in, &length) && hark_take(&in, length, &name) &&
                     read_bytes(&in, hash->bytes, sizeof(hash->bytes)) &&
                     hark_take_u64(&in, &position),
                 in, "kind", number, err);
}

/* ---- 7 epoch, 8 group, 9 recipient: in encrypted spaces --------------------- */

int hark_objects_put_epoch(struct hark_state *state, uint64_t number,
                           const struct hark_epoch_object *e, struct hark_err *err)
{
    struct object o = {.size = 0};

    write_u64(&o, e->position);
    write_u8(&o, e->fresh ? 1 : 0);
    write_bytes(&o, e->commitment.bytes, sizeof(e->commitment.bytes));
    return put(state, HARK_SECTION_EPOCH, number, &o, err);
}

int hark_state_epoch(struct hark_state *state, uint32_t number, struct hark_epoch_object *out,
                     struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    uint8_t fresh = 0;
    int rc = get(state, HARK_SECTION_EPOCH, number, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    rc = whole(hark_take_u64(&in, &out->position) && hark_take_u8(&in, &fresh) && fresh <= 1 &&
                   read_bytes(&in, out->commitment.bytes, sizeof(out->commitment.bytes)),
               in, "epoch", number, err);
    out->fresh = fresh == 1;
    return rc;
}

int hark_objects_put_group(struct hark_state *state, const struct hark_group_object *g,
                           struct hark_err *err)
{
    struct object o = {.size = 0};

    write_u32(&o, g->keys);
    write_u32(&o, g->owed);
    write_u32(&o, g->parts);
    write_u32(&o, g->came);
    write_u64(&o, g->since);
    write_bytes(&o, g->commitment.bytes, sizeof(g->commitment.bytes));
    write_u32(&o, g->last_key);
    write_u32(&o, g->recipients);
    return put(state, HARK_SECTION_GROUP, 0, &o, err);
}

int hark_state_group(struct hark_state *state, struct hark_group_object *out, struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_GROUP, 0, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    return whole(hark_take_u32(&in, &out->keys) && hark_take_u32(&in, &out->owed) &&
                     hark_take_u32(&in, &out->parts) && hark_take_u32(&in, &out->came) &&
                     hark_take_u64(&in, &out->since) &&
                     read_bytes(&in, out->commitment.bytes, sizeof(out->commitment.bytes)) &&
                     hark_take_u32(&in, &out->last_key) && hark_take_u32(&in, &out->recipients),
                 in, "group", 0, err);
}

int hark_objects_put_recipient(struct hark_state *state, uint32_t key_number, uint64_t position,
                               struct hark_err *err)
{
    struct object o = {.size = 0};

    write_u64(&o, position);
    return put(state, HARK_SECTION_RECIPIENT, key_number, &o, err);
}

int hark_objects_get_recipient(struct hark_state *state, uint32_t key_number, uint64_t *position,
                               struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_RECIPIENT, key_number, &o, &in, err);

    return rc != HARK_OK ? rc
                         : whole(hark_take_u64(&in, position), in, "recipient", key_number, err);
}

/* ---- What is not hashed ---------------------------------------------------- */

int hark_objects_put_feed(struct hark_state *state, uint32_t key_number,
                          const struct hark_feed_object *f, struct hark_err *err)
{
    struct object o = {.size = 0};

    write_u64(&o, f->seq);
    write_bytes(&o, f->last.bytes, sizeof(f->last.bytes));
    write_bytes(&o, f->last_git.bytes, sizeof(f->last_git.bytes));
    write_u64(&o, f->time_ms);
    return put(state, HARK_SECTION_FEED, key_number, &o, err);
}

size_t hark_state_named(const struct hark_state *state, const uint32_t **numbers)
{
    *numbers = state->nodes;
    return state->node_count;
}

int hark_state_node_called(struct hark_state *state, const char *name, struct hark_node_object *out,
                           struct hark_err *err)
{
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && i < state->node_count; i++) {
        rc = hark_state_node(state, state->nodes[i], out, err);
        if (rc == HARK_OK && strcmp(out->name, name) == 0)
            return HARK_OK;
    }
    return rc != HARK_OK ? rc
                         : hark_err_set(err, HARK_E_NOT_FOUND, "no node %s is named here", name);
}

int hark_state_node_with(struct hark_state *state, const struct hark_key *log,
                         struct hark_node_object *out, struct hark_err *err)
{
    int rc = HARK_OK;

    for (size_t i = 0; rc == HARK_OK && i < state->node_count; i++) {
        rc = hark_state_node(state, state->nodes[i], out, err);
        if (rc == HARK_OK && hark_key_equal(&out->keys.log, log))
            return HARK_OK;
    }
    return rc != HARK_OK
               ? rc
               : hark_err_set(err, HARK_E_NOT_FOUND, "that node is not named in this space");
}

int hark_state_feed(struct hark_state *state, uint32_t key_number, struct hark_feed_object *out,
                    struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_FEED, key_number, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    return whole(hark_take_u64(&in, &out->seq) &&
                     read_bytes(&in, out->last.bytes, sizeof(out->last.bytes)) &&
                     read_bytes(&in, out->last_git.bytes, sizeof(out->last_git.bytes)) &&
                     hark_take_u64(&in, &out->time_ms),
                 in, "feed", key_number, err);
}

int hark_objects_put_devices(struct hark_state *state, uint32_t ordinal,
                             const struct hark_devices *d, struct hark_err *err)
{
    struct object o = {.size = 0};

    for (size_t i = 0; i < d->count; i++)
        write_u32(&o, d->keys[i]);
    return put(state, HARK_SECTION_DEVICES, ordinal, &o, err);
}

int hark_objects_get_devices(struct hark_state *state, uint32_t ordinal, struct hark_devices *d,
                             struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    int rc = get(state, HARK_SECTION_DEVICES, ordinal, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    d->count = 0;
    while (d->count < HARK_DEVICES_MAX && hark_take_u32(&in, &d->keys[d->count]))
        d->count++;
    return whole(true, in, "keys of member", ordinal, err);
}

int hark_objects_put_head(struct hark_state *state, struct hark_err *err)
{
    struct object o = {.size = 0};

    write_bytes(&o, state->space.bytes, sizeof(state->space.bytes));
    write_u8(&o, (uint8_t)state->node_count);
    for (size_t i = 0; i < state->node_count; i++)
        write_u32(&o, state->nodes[i]);
    return put(state, HARK_SECTION_SMALL, SMALL_HEAD, &o, err);
}

int hark_objects_get_head(struct hark_state *state, struct hark_hash *space, struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    uint8_t count = 0;
    bool read;
    int rc = get(state, HARK_SECTION_SMALL, SMALL_HEAD, &o, &in, err);

    if (rc != HARK_OK)
        return rc;
    read = read_bytes(&in, space->bytes, sizeof(space->bytes)) && hark_take_u8(&in, &count) &&
           count <= HARK_NODES_NAMED_MAX;
    for (size_t i = 0; read && i < count; i++)
        read = hark_take_u32(&in, &state->nodes[i]);
    state->node_count = read ? count : 0;
    return whole(read, in, "head", 0, err);
}

/* Bytes of any length as pieces in consecutive objects. The last piece is
 * shorter than the others, or the one after it is not there. */
static int put_pieces(struct hark_state *state, uint64_t first, struct hark_span bytes,
                      struct hark_err *err)
{
    int rc = HARK_OK;

    for (uint64_t i = 0; rc == HARK_OK && bytes.size > 0; i++) {
        size_t size = bytes.size < HARK_OBJECT_MAX ? bytes.size : HARK_OBJECT_MAX;
        struct hark_span piece;

        (void)hark_take(&bytes, size, &piece);
        rc = state->store.put(state->store.arg, HARK_SECTION_SMALL, first + i, piece.data,
                              piece.size, err);
    }
    return rc;
}

static int get_pieces(struct hark_state *state, uint64_t first, size_t size, struct hark_buf *out,
                      struct hark_err *err)
{
    int rc = HARK_OK;

    for (uint64_t i = 0; rc == HARK_OK && size > 0; i++) {
        struct object o;
        struct hark_span in;

        rc = get(state, HARK_SECTION_SMALL, first + i, &o, &in, err);
        if (rc == HARK_OK && (in.size == 0 || in.size > size))
            rc = hark_err_set(err, HARK_E_DAMAGED, "the state's pieces are of the wrong size");
        if (rc == HARK_OK)
            rc = hark_buf_append_span(out, in, err);
        size -= rc == HARK_OK ? in.size : 0;
    }
    return rc;
}

int hark_objects_put_log(struct hark_state *state, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init((size_t)SMALL_LOG_PIECES * HARK_OBJECT_MAX);
    int rc = hark_merkle_encode(&bytes, &state->log, err);

    if (rc == HARK_OK)
        rc = put_pieces(state, SMALL_LOG, hark_buf_span(&bytes), err);
    hark_buf_free(&bytes);
    return rc;
}

int hark_objects_get_log(struct hark_state *state, struct hark_merkle *log, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init((size_t)SMALL_LOG_PIECES * HARK_OBJECT_MAX);
    struct object o;
    struct hark_span in;
    uint64_t size = 0;
    size_t full = 0;
    int rc = get(state, HARK_SECTION_SMALL, SMALL_LOG, &o, &in, err);

    if (rc == HARK_OK && !hark_take_u64(&in, &size))
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state's log tree is not readable");
    for (uint64_t rest = size; rest > 0; rest &= rest - 1)
        full++;
    if (rc == HARK_OK)
        rc = get_pieces(state, SMALL_LOG, 8 + full * HARK_HASH_SIZE, &bytes, err);
    if (rc == HARK_OK && hark_merkle_decode(log, hark_buf_span(&bytes), NULL) != HARK_OK)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the state's log tree is not readable");
    hark_buf_free(&bytes);
    return rc;
}

static uint64_t definition_at(size_t own_number)
{
    return SMALL_DEFINITIONS + (uint64_t)own_number * (DEFINITION_PIECES + 1);
}

int hark_objects_put_definition(struct hark_state *state, size_t own_number, struct hark_span yaml,
                                struct hark_err *err)
{
    struct object o = {.size = 0};
    int rc;

    if (yaml.size > HARK_KIND_DEFINITION_MAX)
        return hark_err_set(err, HARK_E_INTERNAL, "a definition of %zu bytes", yaml.size);
    write_u32(&o, (uint32_t)yaml.size);
    rc = put(state, HARK_SECTION_SMALL, definition_at(own_number) + DEFINITION_PIECES, &o, err);
    return rc == HARK_OK ? put_pieces(state, definition_at(own_number), yaml, err) : rc;
}

int hark_objects_get_definition(struct hark_state *state, size_t own_number, struct hark_buf *yaml,
                                struct hark_err *err)
{
    struct object o;
    struct hark_span in;
    uint32_t size = 0;
    int rc =
        get(state, HARK_SECTION_SMALL, definition_at(own_number) + DEFINITION_PIECES, &o, &in, err);

    if (rc == HARK_OK)
        rc = whole(hark_take_u32(&in, &size) && size <= HARK_KIND_DEFINITION_MAX, in,
                   "definition of own kind", own_number, err);
    return rc == HARK_OK ? get_pieces(state, definition_at(own_number), size, yaml, err) : rc;
}

/* ---- Look-ups -------------------------------------------------------------- */

static void key_bytes(struct hark_lookup_key *key, const void *data, size_t size)
{
    memcpy(key->bytes + key->size, data, size);
    key->size += size;
}

static void key_u64(struct hark_lookup_key *key, uint64_t v)
{
    hark_put_u64(key->bytes + key->size, v);
    key->size += 8;
}

static void key_u32(struct hark_lookup_key *key, uint32_t v)
{
    hark_put_u32(key->bytes + key->size, v);
    key->size += 4;
}

struct hark_lookup_key hark_lookup_u64(char letter, uint64_t number)
{
    struct hark_lookup_key key = {.size = 0};

    if (letter != 0)
        key_bytes(&key, &letter, 1);
    key_u64(&key, number);
    return key;
}

struct hark_lookup_key hark_lookup_vote(uint64_t subject, uint32_t member)
{
    struct hark_lookup_key key = {.size = 0};

    key_u64(&key, subject);
    key_u32(&key, member);
    return key;
}

struct hark_lookup_key hark_lookup_name(const char *node)
{
    struct hark_lookup_key key = {.size = 0};

    key_bytes(&key, "n", 1);
    key_bytes(&key, node, strnlen(node, HARK_NODE_NAME_MAX));
    return key;
}

struct hark_lookup_key hark_lookup_recover(uint32_t steward_key, const struct hark_hash *proposal)
{
    struct hark_lookup_key key = {.size = 0};
    const char letter = HARK_OTHER_RECOVER;

    key_bytes(&key, &letter, 1);
    key_u32(&key, steward_key);
    key_bytes(&key, proposal->bytes, sizeof(proposal->bytes));
    return key;
}

int hark_objects_find(struct hark_state *state, enum hark_lookup lookup,
                      const struct hark_lookup_key *key, bool *found, uint64_t *number,
                      struct hark_err *err)
{
    return state->store.find(state->store.arg, lookup, hark_span(key->bytes, key->size), found,
                             number, err);
}

int hark_objects_bind(struct hark_state *state, enum hark_lookup lookup,
                      const struct hark_lookup_key *key, uint64_t number, struct hark_err *err)
{
    return state->store.bind(state->store.arg, lookup, hark_span(key->bytes, key->size), number,
                             err);
}
