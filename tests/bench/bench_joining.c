/*
 * What joining and leaving cost in an encrypted group, beside crypto_box_seal for as many
 * recipients. The entries are real ones, signed and in the form of PROTOCOL.md 3, 4 and 10.2;
 * what the member's side does is what it does before an outer state is asked.
 *
 *   bench_joining MEMBERS ROUNDS
 *
 * Prints medians of ROUNDS, in milliseconds. For one who joins (join_) and one who leaves
 * (leave_) among MEMBERS: make (the steward: keys, boxes, payloads, signatures), check (a
 * member: form, signature, payload, its ring), bare (crypto_box_seal as often: 1, MEMBERS);
 * entries, and bytes: entries and payloads together, the boxes in them included.
 */
#include <sodium.h>
#include <string.h>

#include "schemas/kind.h"
#include "schemas/payload.h"
#include "schemas/ring.h"
#include "tests/bench/bench.h"

/* The remove comes after the parts. */
#define ENTRIES_MAX 64u

static struct hark_err err;

struct made {
    const struct hark_kind *kind;
    struct hark_buf object, payload;
};

struct group {
    struct hark_kinds *kinds;
    struct hark_signer *steward;
    struct hark_hash space;
    struct hark_ring *ring; /* of the member with key number 0 */
    struct hark_box *own;
    struct hark_epoch *key; /* in force */
    struct hark_epoch_box *boxes;
    size_t members;
    uint64_t seq, position;
    struct made entries[ENTRIES_MAX];
    size_t count;
};

/* In seconds, by round. */
struct samples {
    double *make, *check, *bare;
    size_t entries, bytes;
};

/* --- the steward -------------------------------------------------------------------------- */

static void set_base64(json_t *fields, const char *name, const uint8_t *bytes, size_t size)
{
    struct hark_buf text = hark_buf_init(256);

    bench_need(hark_base64_encode(&text, hark_span(bytes, size), &err), "base64", &err);
    bench_require(
        json_object_set_new(fields, name, json_stringn((const char *)text.data, text.size)) == 0,
        "no memory");
    hark_buf_free(&text);
}

static void set_hex(json_t *fields, const char *name, const uint8_t *bytes, size_t size)
{
    char hex[2 * 64 + 1];

    bench_require(size <= 64, "too long for hex");
    hark_hex_encode(hex, bytes, size);
    bench_require(json_object_set_new(fields, name, json_string(hex)) == 0, "no memory");
}

/* Takes the fields. */
static void add_entry(struct group *group, const char *kind, json_t *fields)
{
    struct made *made = &group->entries[group->count++];
    struct hark_entry entry = {.has_space = true,
                               .space = group->space,
                               .author = *hark_signer_key(group->steward),
                               .seq = ++group->seq,
                               .time_ms = UINT64_C(1790000000000) + group->seq,
                               .has_payload = true};
    int number = hark_kinds_find(group->kinds, kind);
    uint8_t salt[HARK_SALT_SIZE];

    bench_require(group->count < ENTRIES_MAX && number >= 0 && fields != NULL, "an entry");
    made->kind = hark_kinds_get(group->kinds, (size_t)number);
    hark_random(salt, sizeof(salt));
    hark_buf_clear(&made->payload);
    hark_buf_clear(&made->object);
    bench_need(hark_payload_build(&made->payload, made->kind, fields, salt, &err), kind, &err);
    json_decref(fields);
    memcpy(entry.kind, kind, strlen(kind) + 1);
    entry.payload_size = made->payload.size;
    entry.payload_hash = hark_sha256(hark_buf_span(&made->payload));
    bench_need(hark_entry_build(&made->object, &entry, group->steward, &err), kind, &err);
}

static json_t *admit_fields(uint32_t epoch, const struct hark_epoch_box *box)
{
    static const uint8_t some[64] = {1};
    json_t *fields = json_object(), *group_key = json_pack("{s:I}", "epoch", (json_int_t)epoch);

    bench_require(fields != NULL && group_key != NULL, "no memory");
    set_hex(fields, "key", some, 32);
    set_hex(fields, "box", box->to.bytes, 32);
    set_hex(fields, "proof", some, 64);
    set_hex(fields, "terms", some, 32);
    bench_require(json_object_set_new(fields, "role", json_string("member")) == 0 &&
                      json_object_set_new(fields, "source", json_string("invited")) == 0,
                  "no memory");
    set_base64(group_key, "box", box->sealed, sizeof(box->sealed));
    bench_require(json_object_set_new(fields, "group_key", group_key) == 0, "no memory");
    return fields;
}

static struct hark_epoch *make_join(struct group *group, struct hark_epoch_box *box)
{
    struct hark_epoch *next = NULL;

    bench_need(hark_epoch_step(&next, group->key, &err), "step", &err);
    bench_need(hark_epoch_seal_boxes(next, box, 1, &err), "box", &err);
    add_entry(group, "admit", admit_fields(hark_epoch_number(next), box));
    return next;
}

static size_t part_size(const struct group *group, size_t first)
{
    size_t left = group->members - first;

    return left < HARK_EPOCH_PART_MAX ? left : HARK_EPOCH_PART_MAX;
}

static size_t parts_of(const struct group *group)
{
    return (group->members + HARK_EPOCH_PART_MAX - 1) / HARK_EPOCH_PART_MAX;
}

static void make_part(struct group *group, const struct hark_epoch *key, const uint8_t *commitment,
                      size_t part)
{
    size_t first = part * HARK_EPOCH_PART_MAX, count = part_size(group, first);
    json_t *sealed = json_array();
    json_t *fields = json_pack("{s:I, s:I, s:I}", "epoch", (json_int_t)hark_epoch_number(key),
                               "part", (json_int_t)part, "parts", (json_int_t)parts_of(group));

    bench_require(fields != NULL && sealed != NULL, "no memory");
    bench_need(hark_epoch_seal_boxes(key, group->boxes + first, count, &err), "boxes", &err);
    set_hex(fields, "commitment", commitment, HARK_EPOCH_COMMITMENT_SIZE);
    for (size_t i = first; i < first + count; i++) {
        json_t *item = json_pack("{s:I}", "key", (json_int_t)group->boxes[i].number);

        bench_require(item != NULL && json_array_append_new(sealed, item) == 0, "no memory");
        set_base64(item, "box", group->boxes[i].sealed, HARK_EPOCH_BOX_SIZE);
    }
    bench_require(json_object_set_new(fields, "sealed", sealed) == 0, "no memory");
    add_entry(group, "epoch", fields);
}

static struct hark_epoch *make_leave(struct group *group, uint8_t *commitment)
{
    struct hark_epoch *next = NULL;
    json_t *fields;

    bench_need(hark_epoch_new(&next, &group->space, hark_epoch_number(group->key) + 1, &err), "key",
               &err);
    bench_need(hark_epoch_commitment(commitment, next, &err), "commitment", &err);
    for (size_t part = 0; part < parts_of(group); part++)
        make_part(group, next, commitment, part);
    fields = json_pack("{s:I, s:s}", "member", (json_int_t)group->members, "reason", "left");
    bench_require(fields != NULL, "no memory");
    set_hex(fields, "commitment", commitment, HARK_EPOCH_COMMITMENT_SIZE);
    add_entry(group, "remove", fields);
    return next;
}

/* --- a member ----------------------------------------------------------------------------- */

static void check_entries(struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct made *made = &group->entries[i];
        struct hark_span bytes = hark_buf_span(&made->object);
        struct hark_span payload = hark_buf_span(&made->payload);
        struct hark_entry entry = {0};

        bench_need(hark_entry_parse(&entry, bytes, &err), "parse", &err);
        bench_need(hark_entry_verify(&entry, bytes, &err), "verify", &err);
        bench_need(hark_payload_match(made->kind, &entry, payload, &err), "match", &err);
        bench_need(hark_payload_check(made->kind, payload, NULL, &err), "payload", &err);
    }
}

/* Nothing found wrong, and the key is the steward's. */
static void require_key(struct group *group, const struct hark_epoch *right)
{
    uint8_t a[HARK_EPOCH_KEY_SIZE], b[HARK_EPOCH_KEY_SIZE];
    const struct hark_epoch *key = NULL;
    size_t found = 0;

    (void)hark_ring_found(group->ring, &found, NULL);
    bench_require(found == 0, "a finding");
    bench_need(hark_ring_key(&key, group->ring, hark_epoch_number(right), &err), "key", &err);
    hark_epoch_bytes(a, key);
    hark_epoch_bytes(b, right);
    bench_require(memcmp(a, b, sizeof(a)) == 0, "another key");
    sodium_memzero(a, sizeof(a));
    sodium_memzero(b, sizeof(b));
}

static void check_leave(struct group *group, uint32_t epoch, const uint8_t *commitment)
{
    struct hark_ring_part part = {.epoch = epoch, .parts = (uint32_t)parts_of(group)};

    check_entries(group);
    memcpy(part.commitment, commitment, sizeof(part.commitment));
    for (; part.part < part.parts; part.part++) {
        size_t first = (size_t)part.part * HARK_EPOCH_PART_MAX;

        part.position = group->position++;
        part.boxes = group->boxes + first;
        part.count = part_size(group, first);
        bench_need(hark_ring_part(group->ring, &part, &err), "part", &err);
    }
    bench_need(hark_ring_force(group->ring, group->position++, commitment, &err), "force", &err);
}

/* --- rounds ------------------------------------------------------------------------------- */

static double bare(const struct hark_epoch_box *boxes, size_t count)
{
    static const uint8_t key[HARK_EPOCH_KEY_SIZE] = {3};
    uint8_t sealed[HARK_EPOCH_BOX_SIZE];
    double began = bench_now();

    for (size_t i = 0; i < count; i++)
        bench_require(crypto_box_seal(sealed, key, sizeof(key), boxes[i].to.bytes) == 0, "a seal");
    return bench_now() - began;
}

static void in_force(struct group *group, struct hark_epoch *next, struct samples *samples)
{
    require_key(group, next);
    hark_epoch_free(group->key);
    group->key = next;
    samples->entries = group->count;
    samples->bytes = 0;
    for (size_t i = 0; i < group->count; i++)
        samples->bytes += group->entries[i].object.size + group->entries[i].payload.size;
    group->count = 0;
}

static void join(struct group *group, struct samples *samples, size_t round)
{
    struct hark_epoch_box box = {.number = (uint32_t)(group->members + round + 1),
                                 .to = group->boxes[1].to};
    double began = bench_now();
    struct hark_epoch *next = make_join(group, &box);

    samples->make[round] = bench_now() - began;
    began = bench_now();
    check_entries(group);
    bench_need(hark_ring_join(group->ring, group->position++, hark_epoch_number(next), &box, &err),
               "join", &err);
    samples->check[round] = bench_now() - began;
    samples->bare[round] = bare(&box, 1);
    in_force(group, next, samples);
}

static void leave(struct group *group, struct samples *samples, size_t round)
{
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    double began = bench_now();
    struct hark_epoch *next = make_leave(group, commitment);

    samples->make[round] = bench_now() - began;
    began = bench_now();
    check_leave(group, hark_epoch_number(next), commitment);
    samples->check[round] = bench_now() - began;
    samples->bare[round] = bare(group->boxes, group->members);
    in_force(group, next, samples);
}

static void new_samples(struct samples *samples, size_t rounds)
{
    samples->make = calloc(rounds, sizeof(double));
    samples->check = calloc(rounds, sizeof(double));
    samples->bare = calloc(rounds, sizeof(double));
    bench_require(samples->make != NULL && samples->check != NULL && samples->bare != NULL,
                  "no memory");
}

static void print(const char *what, struct samples *samples, size_t rounds)
{
    (void)printf("%s_make %.4f\n%s_check %.4f\n%s_bare %.4f\n%s_entries %zu\n%s_bytes %zu\n", what,
                 1e3 * bench_percentile(samples->make, rounds, 0.5), what,
                 1e3 * bench_percentile(samples->check, rounds, 0.5), what,
                 1e3 * bench_percentile(samples->bare, rounds, 0.5), what, samples->entries, what,
                 samples->bytes);
    free(samples->make);
    free(samples->check);
    free(samples->bare);
}

/* --- the group ---------------------------------------------------------------------------- */

/* The member that is measured has key 0 and came first. */
static void open_group(struct group *group)
{
    struct hark_seed *seed = NULL;

    bench_need(hark_kinds_builtin(&group->kinds, &err), "kinds", &err);
    bench_need(hark_seed_new(&seed, &err), "seed", &err);
    bench_need(hark_signer_new(&group->steward, seed, &err), "signer", &err);
    bench_need(hark_box_new(&group->own, seed, &err), "box", &err);
    hark_seed_free(seed);
    bench_need(hark_epoch_new(&group->key, &group->space, 0, &err), "key", &err);
    bench_need(hark_ring_new(&group->ring, &group->space, &err), "ring", &err);
    bench_need(hark_ring_own(group->ring, group->own, &err), "own", &err);
    group->boxes = calloc(group->members, sizeof(*group->boxes));
    bench_require(group->boxes != NULL, "no memory");
    for (size_t i = 0; i < group->members; i++) {
        uint8_t secret[HARK_KEY_SIZE];

        hark_random(secret, sizeof(secret));
        group->boxes[i].number = (uint32_t)i;
        bench_require(crypto_scalarmult_base(group->boxes[i].to.bytes, secret) == 0, "no key");
    }
    group->boxes[0].to = *hark_box_key(group->own);
    bench_need(hark_epoch_seal_boxes(group->key, group->boxes, 1, &err), "box", &err);
    bench_need(hark_ring_join(group->ring, group->position++, 0, group->boxes, &err), "join", &err);
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        group->entries[i].object = hark_buf_init(HARK_ENTRY_MAX);
        group->entries[i].payload = hark_buf_init(HARK_PAYLOAD_MAX);
    }
}

static void close_group(struct group *group)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        hark_buf_free(&group->entries[i].object);
        hark_buf_free(&group->entries[i].payload);
    }
    hark_ring_free(group->ring);
    hark_box_free(group->own);
    hark_epoch_free(group->key);
    hark_signer_free(group->steward);
    hark_kinds_free(group->kinds);
    free(group->boxes);
}

int main(int argc, char **argv)
{
    static struct group group = {.space = {{1}}};
    struct samples joining = {0}, leaving = {0};
    size_t rounds = argc == 3 ? bench_number(argv[2]) : 0;

    group.members = argc == 3 ? bench_number(argv[1]) : 0;
    if (rounds == 0 || group.members < 2 || parts_of(&group) + 2 > ENTRIES_MAX) {
        (void)fputs("bench_joining MEMBERS ROUNDS\n", stderr);
        return 2;
    }
    bench_need(hark_crypto_init(&err), "crypto", &err);
    open_group(&group);
    new_samples(&joining, rounds);
    new_samples(&leaving, rounds);
    for (size_t round = 0; round < rounds; round++) {
        join(&group, &joining, round);
        leave(&group, &leaving, round);
    }
    print("join", &joining, rounds);
    print("leave", &leaving, rounds);
    close_group(&group);
    return 0;
}
