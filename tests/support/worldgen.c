/*
 * See worldgen.h. The random entries are drawn so that most stand: each kind has
 * a drafter that makes a right one, and a spoiler breaks one in six of them.
 */
#include "tests/support/worldgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sshsig.h"

/* A world that cannot be made is a broken test. */
static void need(bool holds, const char *what, const struct hark_err *err)
{
    if (holds)
        return;
    (void)fprintf(stderr, "worldgen: %s: %s\n", what, err != NULL ? err->message : "");
    abort();
}

/* ---- The pool of keys ------------------------------------------------------ */

static struct {
    bool made;
    struct hark_signer *signers[WORLD_KEYS];
    struct hark_box *boxes[WORLD_KEYS];
} pool;

static void free_pool(void)
{
    for (size_t i = 0; i < WORLD_KEYS; i++) {
        hark_signer_free(pool.signers[i]);
        hark_box_free(pool.boxes[i]);
    }
}

static void make_pool(void)
{
    static const uint8_t DEVICE[HARK_SEED_SIZE] = {'w', 'o', 'r', 'l', 'd'};
    struct hark_seed *device = NULL;
    struct hark_err err = {.code = 0};

    if (pool.made)
        return;
    need(hark_crypto_init(&err) == 0, "no crypto", &err);
    need(hark_seed_from_bytes(&device, DEVICE, &err) == 0, "no seed", &err);
    for (uint32_t i = 0; i < WORLD_KEYS; i++) {
        struct hark_seed *seed = NULL;
        uint8_t context[4];

        hark_put_u32(context, i);
        need(hark_seed_derive(&seed, device, "world", hark_span(context, 4), &err) == 0 &&
                 hark_signer_new(&pool.signers[i], seed, &err) == 0 &&
                 hark_box_new(&pool.boxes[i], seed, &err) == 0,
             "no keys", &err);
        hark_seed_free(seed);
    }
    hark_seed_free(device);
    pool.made = true;
    (void)atexit(free_pool);
}

const struct hark_signer *world_signer(uint32_t key)
{
    make_pool();
    return pool.signers[key % WORLD_KEYS];
}

const struct hark_key *world_key(uint32_t key)
{
    return hark_signer_key(world_signer(key));
}

const struct hark_box *world_box_pair(uint32_t key)
{
    make_pool();
    return pool.boxes[key % WORLD_KEYS];
}

const struct hark_key *world_box(uint32_t key)
{
    return hark_box_key(world_box_pair(key));
}

uint32_t world_key_number(const struct hark_key *key)
{
    for (uint32_t i = 0; i < WORLD_KEYS; i++)
        if (hark_key_equal(world_key(i), key))
            return i;
    return WORLD_NO_KEY;
}

/* splitmix64 */
uint64_t world_random(struct world *world, uint64_t below)
{
    uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return below == 0 ? z : z % below;
}

uint32_t world_new_key(struct world *world)
{
    return world->next_key++ % WORLD_KEYS; /* a second time round they are used already */
}

/* ---- Fields ---------------------------------------------------------------- */

json_t *world_hex(const void *data, size_t size)
{
    char text[2 * HARK_SIGNATURE_SIZE + 1];

    need(size <= HARK_SIGNATURE_SIZE, "too long for a hex field", NULL);
    hark_hex_encode(text, data, size);
    return json_string(text);
}

static json_t *hex_key(const struct hark_key *key)
{
    return world_hex(key->bytes, sizeof(key->bytes));
}

static json_t *proof_by(uint32_t signer, struct hark_span message)
{
    struct hark_sshsig sig;
    struct hark_err err = {.code = 0};

    need(hark_sshsig_make(&sig, world_signer(signer), "hark-join", message, &err) == 0, "no proof",
         &err);
    return world_hex(sig.signature, sizeof(sig.signature));
}

json_t *world_fields_new_key(struct world *world, uint32_t key, uint32_t ticket)
{
    struct hark_buf message = hark_buf_init(HARK_OBJECT_MAX);
    struct hark_hash terms = hark_sha256(hark_span_str("terms"));
    struct hark_err err = {.code = 0};
    json_t *fields = json_object();

    need(hark_join_message(&message, &world->space, world_key(key), world_box(key),
                           ticket == WORLD_NO_KEY ? NULL : world_key(ticket), &terms, &err) == 0,
         "no join message", &err);
    json_object_set_new(fields, "key", hex_key(world_key(key)));
    json_object_set_new(fields, "box", hex_key(world_box(key)));
    json_object_set_new(fields, "terms", world_hex(terms.bytes, sizeof(terms.bytes)));
    json_object_set_new(fields, "proof", proof_by(key, hark_buf_span(&message)));
    if (ticket != WORLD_NO_KEY) {
        json_object_set_new(fields, "ticket", hex_key(world_key(ticket)));
        json_object_set_new(fields, "ticket_proof", proof_by(ticket, hark_buf_span(&message)));
    }
    hark_buf_free(&message);
    return fields;
}

json_t *world_fields_admit(struct world *world, uint32_t key, const char *role, uint32_t ticket)
{
    json_t *fields = world_fields_new_key(world, key, ticket);

    if (world->sealed)
        json_object_set_new(fields, "group_key", world_group_key(world_next_epoch(world)));
    json_object_set_new(fields, "role", json_string(role));
    json_object_set_new(fields, "source",
                        json_string(ticket == WORLD_NO_KEY ? "added" : "invited"));
    return fields;
}

json_t *world_fields_device(struct world *world, uint32_t member, uint32_t key)
{
    json_t *fields = world_fields_new_key(world, key, WORLD_NO_KEY);

    if (world->sealed)
        json_object_set_new(fields, "group_key", world_group_key(world_next_epoch(world)));
    json_object_set_new(fields, "action", json_string("add"));
    json_object_set_new(fields, "member", json_integer(member));
    return fields;
}

json_t *world_fields_invite(uint32_t ticket, const char *role, uint32_t uses, uint64_t until_ms)
{
    char until[HARK_TIME_SIZE + 1];

    hark_time_encode(until, until_ms);
    return json_pack("{s:o, s:o, s:s, s:I, s:s}", "ticket", hex_key(world_key(ticket)), "curve",
                     hex_key(world_box(ticket)), "role", role, "uses", (json_int_t)uses, "until",
                     until);
}

static json_t *node_keys(const char *name, uint32_t log, uint32_t cosigner, uint32_t author)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", name, "log", hex_key(world_key(log)),
                     "cosigner", hex_key(world_key(cosigner)), "author", hex_key(world_key(author)),
                     "curve", hex_key(world_box(log)), "box", hex_key(world_box(author)));
}

json_t *world_fields_node(const char *name, uint32_t log, uint32_t cosigner, uint32_t author)
{
    json_t *fields = node_keys(name, log, cosigner, author);

    json_object_set_new(fields, "action", json_string("add"));
    return fields;
}

json_t *world_fields_home(struct world *world, const char *name)
{
    struct hark_hash root = hark_merkle_root(hark_state_log(world->state));

    return json_pack("{s:s, s:I, s:I, s:o}", "node", name, "incarnation",
                     (json_int_t)hark_state_space_object(world->state)->incarnation + 1, "size",
                     (json_int_t)hark_state_size(world->state), "root",
                     world_hex(root.bytes, sizeof(root.bytes)));
}

json_t *world_fields_kind(const char *name)
{
    char definition[512];

    (void)snprintf(definition, sizeof(definition),
                   "kind: %s\nabout: Tries out a kind of one's own.\nwho: member\n"
                   "re: {min: 0, max: 2, kinds: [idea, \"x-*\"]}\nerasable: true\npayload: json\n"
                   "fields:\n  body: {type: text, required: true, min: 1, max: 1000}\n",
                   name);
    return json_pack("{s:s, s:s}", "name", name, "definition", definition);
}

json_t *world_fields_space(struct world *world)
{
    struct hark_hash kinds = hark_kinds_hash(hark_state_kinds(world->state));
    uint8_t nonce[32];
    json_t *keys = json_array();

    for (size_t i = 0; i < 4; i++)
        hark_put_u64(nonce + 8 * i, world_random(world, 0));
    for (uint32_t i = 0; i < 3; i++)
        json_array_append_new(keys, hex_key(world_key(WORLD_RECOVERY + i)));
    return json_pack(
        "{s:i, s:o, s:o, s:o, s:s, s:o, s:{s:i}, s:{s:i, s:o}, s:s, s:{s:s, s:s, s:s}}", "rules", 1,
        "kinds", world_hex(kinds.bytes, sizeof(kinds.bytes)), "nonce",
        world_hex(nonce, sizeof(nonce)), "box", hex_key(world_box(WORLD_STEWARD)), "mode",
        world->entrusted ? "entrusted"
        : world->sealed  ? "sealed"
                         : "open",
        "home", node_keys(WORLD_HOME, WORLD_LOG, WORLD_COSIGNER, WORLD_AUTHOR), "policy", "quorum",
        1, "recovery", "threshold", 2, "keys", keys, "title", "A world for tests", "objective",
        "question", "What is to be tested?", "owner", "The testers", "until", "2027-12-31");
}

/* ---- Building -------------------------------------------------------------- */

/* The buffer's bytes in memory of their own; the buffer is freed. */
static struct hark_span keep(struct hark_buf *buf)
{
    size_t size = buf->size;
    uint8_t *copy = calloc(1, size > 0 ? size : 1);

    need(copy != NULL, "no memory", NULL);
    if (size > 0)
        memcpy(copy, buf->data, size);
    hark_buf_free(buf);
    return hark_span(copy, size);
}

/* The bytes of a payload, with salt and padding, valid or not. */
static struct hark_span payload_of(struct world *world, const json_t *fields)
{
    struct hark_buf buf = hark_buf_init(128u * 1024u);
    char *text = json_dumps(fields, JSON_COMPACT);
    struct hark_err err = {.code = 0};
    bool empty = json_object_size(fields) == 0;

    need(text != NULL, "fields that are no JSON", NULL);
    need(hark_buf_printf(&buf, &err, "{\"salt\":\"%016llx%016llx\"%s%s",
                         (unsigned long long)world_random(world, 0),
                         (unsigned long long)world_random(world, 0), empty ? "" : ",",
                         text + 1) == 0,
         "payload", &err);
    while (buf.size % 64 != 0)
        need(hark_buf_append_byte(&buf, ' ', &err) == 0, "payload", &err);
    free(text);
    return keep(&buf);
}

/* ---- Git's ids, which are SHA-1 (FIPS 180-4) ------------------------------- */

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static void sha1_block(uint32_t h[5], const uint8_t block[64])
{
    uint32_t w[80];
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (size_t t = 0; t < 80; t++)
        w[t] = t < 16 ? hark_get_u32(block + 4 * t)
                      : rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (size_t t = 0; t < 80; t++) {
        uint32_t f = t < 20              ? (b & c) | (~b & d)
                     : t >= 40 && t < 60 ? (b & c) | (b & d) | (c & d)
                                         : b ^ c ^ d;
        uint32_t k = t < 20 ? 0x5a827999 : t < 40 ? 0x6ed9eba1 : t < 60 ? 0x8f1bbcdc : 0xca62c1d6;
        uint32_t next = rotate(a, 5) + f + e + w[t] + k;

        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void world_git_id(struct hark_span object, struct hark_git_id *out)
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    struct hark_buf buf = hark_buf_init(2u * HARK_ENTRY_MAX);
    struct hark_err err = {.code = 0};
    uint64_t size;
    bool built = hark_buf_printf(&buf, &err, "commit %zu", object.size) == 0 &&
                 hark_buf_append_byte(&buf, 0, &err) == 0 &&
                 hark_buf_append_span(&buf, object, &err) == 0;

    size = buf.size;
    built = built && hark_buf_append_byte(&buf, 0x80, &err) == 0;
    while (built && buf.size % 64 != 56)
        built = hark_buf_append_byte(&buf, 0, &err) == 0;
    need(built && hark_buf_append_u64(&buf, size * 8, &err) == 0, "no git id", &err);
    for (size_t at = 0; at < buf.size; at += 64)
        sha1_block(h, buf.data + at);
    for (size_t i = 0; i < 5; i++)
        hark_put_u32(out->bytes + 4 * i, h[i]);
    hark_buf_free(&buf);
}

static void fill_feed(struct world *world, const struct world_draft *draft,
                      struct hark_entry *entry)
{
    struct hark_feed_object feed = {.seq = 0};
    uint32_t number = 0;
    bool found = false;

    if (world->count > 0)
        need(hark_state_find_key(world->state, &entry->author, &found, &number, NULL) == 0,
             "no look-up", NULL);
    if (found && hark_state_feed(world->state, number, &feed, NULL) != 0)
        feed.seq = 0;
    entry->seq = draft->seq != 0 ? draft->seq : feed.seq + 1;
    entry->previous = draft->previous != NULL ? *draft->previous : feed.last;
    entry->parent = draft->parent != NULL ? *draft->parent : feed.last_git;
}

struct world_entry *world_build(struct world *world, struct world_draft *draft)
{
    struct world_entry *made = calloc(1, sizeof(*made));
    struct hark_buf object = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_err err = {.code = 0};
    struct hark_entry *entry;

    need(made != NULL, "no memory", NULL);
    entry = &made->entry;
    entry->has_space = strcmp(draft->kind, "space") != 0;
    entry->space = draft->space != NULL ? *draft->space : world->space;
    entry->author = *world_key(draft->by);
    (void)snprintf(entry->kind, sizeof(entry->kind), "%s", draft->kind);
    fill_feed(world, draft, entry);
    entry->time_ms = draft->time_ms != 0 ? draft->time_ms : world->now_ms;
    entry->re_count = draft->re_count;
    memcpy(entry->re, draft->re, sizeof(entry->re));
    entry->has_seen = draft->seen != NULL;
    if (entry->has_seen) {
        entry->seen = *draft->seen;
    } else if (strcmp(draft->kind, "epoch") == 0 && !draft->unseen) {
        entry->has_seen = true;
        entry->seen = (struct hark_seen){.size = hark_state_size(world->state)};
    }
    if (draft->raw.data != NULL) {
        struct hark_buf raw = hark_buf_init(draft->raw.size);

        need(hark_buf_append_span(&raw, draft->raw, &err) == 0, "payload", &err);
        made->payload = keep(&raw);
    } else if (draft->fields != NULL) {
        made->payload = payload_of(world, draft->fields);
    }
    json_decref(draft->fields);
    draft->fields = NULL;
    entry->has_payload = made->payload.data != NULL;
    entry->payload_size = made->payload.size;
    if (entry->has_payload)
        entry->payload_hash = hark_sha256(made->payload);
    need(hark_entry_build(&object, entry, world_signer(draft->by), &err) == 0, draft->kind, &err);
    made->object = keep(&object);
    made->arrival.accepted_ms = draft->accepted_ms != 0 ? draft->accepted_ms : world->now_ms;
    made->arrival.arrival_ms = world->now_ms;
    if (world->git_id != NULL)
        world->git_id(world->git_arg, made->object, &made->arrival.git_id);
    else
        world_git_id(made->object, &made->arrival.git_id);
    return made;
}

void world_entry_free(struct world_entry *entry)
{
    if (entry == NULL)
        return;
    free((void *)(uintptr_t)entry->object.data);
    free((void *)(uintptr_t)entry->payload.data);
    free(entry);
}

int world_apply(struct world *world, struct world_entry **entry, struct hark_err *err)
{
    struct world_entry *e = *entry;
    int rc = hark_state_apply(world->state, &e->entry, &e->arrival, e->payload, &e->effect, err);

    if (rc != 0)
        return rc;
    if (world->count == world->capacity) {
        world->capacity = world->capacity == 0 ? 64 : 2 * world->capacity;
        world->log = realloc(world->log, world->capacity * sizeof(struct world_entry *));
        need(world->log != NULL, "no memory", NULL);
    }
    world->log[world->count++] = e;
    world->now_ms += 1000;
    *entry = NULL;
    return 0;
}

uint64_t world_log(struct world *world, struct world_draft *draft, int verdict)
{
    struct world_entry *entry = world_build(world, draft);
    struct hark_err err = {.code = 0};
    int rc = world_apply(world, &entry, &err);
    const struct world_entry *last;

    need(rc == 0, "not logged", &err);
    last = world->log[world->count - 1];
    if (last->effect.verdict_code != verdict) {
        (void)snprintf(err.message, sizeof(err.message), "%s instead of %s for %s",
                       hark_err_name(last->effect.verdict_code), hark_err_name(verdict),
                       last->entry.kind);
        need(false, "another verdict", &err);
    }
    return world->count - 1;
}

uint64_t world_say(struct world *world, uint32_t by, const char *kind, json_t *fields,
                   uint64_t about)
{
    struct world_draft draft = {.by = by, .kind = kind, .fields = fields};

    if (about != HARK_NONE) {
        draft.re_count = 1;
        draft.re[0] = world->log[about]->entry.id;
    }
    return world_log(world, &draft, 0);
}

static struct world *found_world(uint64_t seed, enum hark_mode mode, world_git_id_fn *git_id,
                                 void *git_arg)
{
    struct world *world = calloc(1, sizeof(*world));
    struct world_draft draft = {.by = WORLD_STEWARD, .kind = "space"};
    struct world_entry *entry;
    struct hark_store store;
    struct hark_err err = {.code = 0};

    make_pool();
    need(world != NULL, "no memory", NULL);
    world->random = seed;
    world->sealed = mode != HARK_MODE_OPEN;
    world->entrusted = mode == HARK_MODE_ENTRUSTED;
    world->now_ms = WORLD_START_MS;
    world->next_key = WORLD_FIRST_NEW;
    world->git_id = git_id;
    world->git_arg = git_arg;
    need(hark_memstore_new(&world->mem, &err) == 0, "no store", &err);
    store = hark_memstore_store(world->mem);
    /* The space's id is only known once its first entry is built, which in turn
     * names the kinds: open twice. */
    need(hark_state_open(&world->state, &world->space, &store, &err) == 0, "no state", &err);
    draft.fields = world_fields_space(world);
    entry = world_build(world, &draft);
    world->space = entry->entry.id;
    hark_state_free(world->state);
    need(hark_state_open(&world->state, &world->space, &store, &err) == 0, "no state", &err);
    need(world_apply(world, &entry, &err) == 0, "not founded", &err);
    return world;
}

struct world *world_new(uint64_t seed, world_git_id_fn *git_id, void *git_arg)
{
    return found_world(seed, HARK_MODE_OPEN, git_id, git_arg);
}

struct world *world_new_sealed(uint64_t seed, world_git_id_fn *git_id, void *git_arg)
{
    return found_world(seed, HARK_MODE_SEALED, git_id, git_arg);
}

struct world *world_new_entrusted(uint64_t seed, world_git_id_fn *git_id, void *git_arg)
{
    return found_world(seed, HARK_MODE_ENTRUSTED, git_id, git_arg);
}

void world_free(struct world *world)
{
    if (world == NULL)
        return;
    for (size_t i = 0; i < world->count; i++)
        world_entry_free(world->log[i]);
    free(world->log);
    hark_state_free(world->state);
    hark_memstore_free(world->mem);
    free(world);
}
