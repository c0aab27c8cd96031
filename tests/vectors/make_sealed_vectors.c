/*
 * Writes sealed.json: make_sealed_vectors [CORPUS-FOLDER] >sealed.json. All of it is
 * deterministic; ctest compares what it writes with the file in git. With `fresh` for the
 * folder it writes the same with keys and nonces from chance, and the largest envelope: for
 * another implementation to read what this one makes today.
 *
 * The corpus folder gets folders `envelope` and `disclosure`, which have to be there.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "craft.h"
#include "crypto/envelope.h"
#include "schemas/disclosure.h"

#define WORDS                                                                                      \
    "{\"kind\":\"post\",\"re\":[\"abababababababababababababababababababababababababababababababa" \
    "b\"],\"payload\":{\"body\":\"More light, please\"}}"
#define TIME UINT64_C(1795256130123)

enum { LOG_SEED = 1, MEMBER_SEED = 2, NONCE_AT = 5, COMMITMENT_AT = 29 };

static struct hark_err err;
static const char *corpus;
static bool fresh;

static void need(int rc)
{
    craft_require(rc == 0, err.message);
}

/* Bytes of nothing in particular. */
static void fill(uint8_t *out, size_t size, const char *label)
{
    for (size_t at = 0; at < size; at += HARK_HASH_SIZE) {
        struct hark_hash hash = craft_hash(label);
        if (fresh) {
            hark_random(hash.bytes, sizeof(hash.bytes));
        }
        memcpy(out + at, hash.bytes, size - at < HARK_HASH_SIZE ? size - at : HARK_HASH_SIZE);
    }
}

static struct hark_hash hash_of(const char *label)
{
    struct hark_hash hash;
    fill(hash.bytes, sizeof(hash.bytes), label);
    return hash;
}

/* ---- an epoch, and what is written of it everywhere ---- */

struct group {
    struct hark_hash space;
    uint8_t key[HARK_EPOCH_KEY_SIZE];
    struct hark_epoch *epoch;
};

static struct group group_of(uint32_t number)
{
    struct group group = {.space = hash_of("a space")};
    fill(group.key, sizeof(group.key), "an epoch key");
    need(hark_epoch_from_bytes(&group.epoch, &group.space, number, group.key, &err));
    return group;
}

static json_t *group_json(const struct group *group)
{
    json_t *json = json_object();
    craft_put(json, "space", craft_hex(group->space.bytes, HARK_HASH_SIZE));
    craft_put(json, "epoch", craft_number(hark_epoch_number(group->epoch)));
    craft_put(json, "key", craft_hex(group->key, sizeof(group->key)));
    return json;
}

static void put(json_t *root, const char *list, json_t *vector)
{
    json_t *array = json_object_get(root, list);
    if (array == NULL) {
        craft_put(root, list, json_array());
        array = json_object_get(root, list);
    }
    craft_require(json_array_append_new(array, vector) == 0, "no JSON");
}

static struct hark_box *box_of(const char *label, uint8_t secret[HARK_SEED_SIZE])
{
    struct hark_seed *seed = NULL;
    struct hark_box *box = NULL;
    fill(secret, HARK_SEED_SIZE, label);
    need(hark_seed_from_bytes(&seed, secret, &err));
    need(hark_box_new(&box, seed, &err));
    hark_seed_free(seed);
    return box;
}

static json_t *key_json(const struct hark_epoch *epoch)
{
    uint8_t key[HARK_EPOCH_KEY_SIZE];
    hark_epoch_bytes(key, epoch);
    return craft_hex(key, sizeof(key));
}

static json_t *commitment_json(const struct hark_epoch *epoch)
{
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    need(hark_epoch_commitment(commitment, epoch, &err));
    return craft_hex(commitment, sizeof(commitment));
}

static void add_epochs(json_t *root)
{
    static const uint32_t numbers[] = {0, 4, 0x01020304, UINT32_MAX - 1};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct group group = group_of(numbers[i]);
        struct hark_epoch *next = NULL;
        json_t *json = group_json(&group);
        need(hark_epoch_step(&next, group.epoch, &err));
        craft_put(json, "commitment", commitment_json(group.epoch));
        craft_put(json, "next", key_json(next));
        craft_put(json, "next_commitment", commitment_json(next));
        put(root, "epochs", json);
        hark_epoch_free(next);
        hark_epoch_free(group.epoch);
    }
}

/* ---- boxes ---- */

static void add_boxes(json_t *root)
{
    struct group group = group_of(4);
    for (int i = 0; i < 3; i++) {
        char label[32];
        uint8_t secret[HARK_SEED_SIZE];
        (void)snprintf(label, sizeof(label), "member %d", i);
        struct hark_box *box = box_of(label, secret);
        struct hark_epoch_box sealed = {.number = (uint32_t)i, .to = *hark_box_key(box)};
        json_t *json = group_json(&group);
        need(hark_epoch_seal_boxes(group.epoch, &sealed, 1, &err));
        craft_put(json, "secret", craft_hex(secret, sizeof(secret)));
        craft_put(json, "recipient", craft_hex(sealed.to.bytes, HARK_KEY_SIZE));
        craft_put(json, "commitment", commitment_json(group.epoch));
        craft_put(json, "box", craft_base64(hark_span(sealed.sealed, sizeof(sealed.sealed))));
        put(root, "boxes", json);
        hark_box_free(box);
    }
    hark_epoch_free(group.epoch);
}

/* `group_key`s: box and X25519 key of an `admit`, which anybody with the key makes again. */
static void add_group_keys(json_t *root)
{
    static const struct {
        const char *name, *error;
        uint32_t sealed_for;
        size_t flip;
    } all[] = {
        {"founder", NULL, 0, SIZE_MAX},
        {"who-joins", NULL, 4, SIZE_MAX},
        {"changed", "seal", 4, 79},
        {"another-ephemeral-secret", "epoch-key", 5, SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct group group = group_of(all[i].sealed_for == 0 ? 0 : 4);
        struct hark_epoch *other = NULL;
        uint8_t secret[HARK_SEED_SIZE];
        struct hark_box *box = box_of("who joins", secret);
        struct hark_epoch_box sealed = {.to = *hark_box_key(box)};
        json_t *json = group_json(&group);
        need(hark_epoch_from_bytes(&other, &group.space, all[i].sealed_for, group.key, &err));
        need(hark_epoch_seal_boxes(other, &sealed, 1, &err));
        if (all[i].flip < sizeof(sealed.sealed)) {
            sealed.sealed[all[i].flip] ^= 1;
        }
        craft_put(json, "name", craft_string(all[i].name));
        if (all[i].error != NULL) {
            craft_put(json, "error", craft_string(all[i].error));
        }
        craft_put(json, "secret", craft_hex(secret, sizeof(secret)));
        craft_put(json, "box", craft_base64(hark_span(sealed.sealed, sizeof(sealed.sealed))));
        put(root, all[i].error == NULL ? "group_keys" : "bad_group_keys", json);
        hark_box_free(box);
        hark_epoch_free(other);
        hark_epoch_free(group.epoch);
    }
}

/* What a recipient finds wrong in a box: changed, of another key than was committed to, of the
 * same key with another ephemeral one. */
static void add_bad_boxes(json_t *root)
{
    static const struct {
        const char *name, *error;
        uint32_t sealed_for, number;
        size_t flip;
    } bads[] = {
        {"changed", "seal", 4, 4, 79},
        {"other-ephemeral-key", "seal", 4, 4, 0},
        {"another-number", "epoch-key", 4, 5, SIZE_MAX},
        {"another-ephemeral-secret", "epoch-key", 5, 4, SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct group group = group_of(bads[i].number);
        struct group other = group_of(bads[i].sealed_for);
        uint8_t secret[HARK_SEED_SIZE];
        struct hark_box *box = box_of("member 0", secret);
        struct hark_epoch_box sealed = {.to = *hark_box_key(box)};
        /* With `fresh` each group has a key of its own. */
        hark_epoch_free(other.epoch);
        need(
            hark_epoch_from_bytes(&other.epoch, &group.space, bads[i].sealed_for, group.key, &err));
        need(hark_epoch_seal_boxes(other.epoch, &sealed, 1, &err));
        if (bads[i].flip < sizeof(sealed.sealed)) {
            sealed.sealed[bads[i].flip] ^= 1;
        }
        json_t *json = group_json(&group);
        craft_put(json, "name", craft_string(bads[i].name));
        craft_put(json, "error", craft_string(bads[i].error));
        craft_put(json, "secret", craft_hex(secret, sizeof(secret)));
        craft_put(json, "commitment",
                  commitment_json(strcmp(bads[i].name, "another-number") == 0 ? other.epoch
                                                                              : group.epoch));
        craft_put(json, "box", craft_base64(hark_span(sealed.sealed, sizeof(sealed.sealed))));
        put(root, "bad_boxes", json);
        hark_box_free(box);
        hark_epoch_free(group.epoch);
        hark_epoch_free(other.epoch);
    }
}

/* ---- envelopes ---- */

/* One sealed entry, and what it is made of. */
struct item {
    struct group group;
    struct hark_entry entry;
    struct hark_buf content, headers, envelope, object;
    uint8_t nonce[HARK_ENVELOPE_NONCE_SIZE], key[HARK_ENVELOPE_KEY_SIZE];
};

static void seal_item(struct item *item)
{
    struct hark_envelope_entry of = {.author = item->entry.author, .seq = item->entry.seq};
    struct hark_seed *key = NULL;
    item->headers = craft_buf();
    item->envelope = craft_buf();
    need(hark_entry_headers(&item->headers, &item->entry, &err));
    of.headers = hark_buf_span(&item->headers);
    need(hark_envelope_seal_with(&item->envelope, item->group.epoch, &of, item->nonce,
                                 hark_buf_span(&item->content), &err));
    need(hark_envelope_key(&key, item->group.epoch, &of.author, of.seq,
                           hark_buf_span(&item->envelope), &err));
    hark_envelope_disclose(item->key, key);
    hark_seed_free(key);
}

static struct item item_of(const char *kind, uint64_t seq, size_t size)
{
    struct item item = {.group = group_of(4), .content = craft_buf()};
    struct hark_entry *entry = &item.entry;
    entry->has_space = true;
    entry->space = item.group.space;
    entry->author = *hark_signer_key(craft_signer(MEMBER_SEED));
    entry->seq = seq;
    entry->time_ms = TIME;
    entry->previous = hash_of("the entry before");
    memset(entry->parent.bytes, 0x77, HARK_GIT_ID_SIZE);
    memcpy(entry->kind, kind, strlen(kind) + 1);
    entry->has_seen = true;
    entry->seen.size = 41;
    entry->seen.root = hash_of("a root");
    craft_set(&item.content, hark_span_str(WORDS));
    if (size > 0) {
        craft_require(hark_buf_reserve(&item.content, size, NULL) == 0, "too long");
        memset(item.content.data, 'x', size);
        item.content.size = size;
    }
    fill(item.nonce, sizeof(item.nonce), "a nonce");
    seal_item(&item);
    return item;
}

static void free_item(struct item *item)
{
    hark_epoch_free(item->group.epoch);
    hark_buf_free(&item->content);
    hark_buf_free(&item->headers);
    hark_buf_free(&item->envelope);
    hark_buf_free(&item->object);
}

static json_t *item_json(const struct item *item, const char *name)
{
    json_t *json = group_json(&item->group);
    craft_put(json, "name", craft_string(name));
    craft_put(json, "author", craft_hex(item->entry.author.bytes, HARK_KEY_SIZE));
    craft_put(json, "seq", craft_number(item->entry.seq));
    craft_put(json, "headers", craft_base64(hark_buf_span(&item->headers)));
    craft_put(json, "envelope", craft_base64(hark_buf_span(&item->envelope)));
    return json;
}

static void add_envelopes(json_t *root)
{
    static const struct {
        const char *name, *kind;
        uint64_t seq;
        size_t size;
    } all[] = {
        {"words", "sealed", 17, 0},
        {"first-of-a-feed", "sealed", 1, 0},
        {"last-of-a-feed", "sealed", HARK_NUMBER_MAX, 0},
        {"charter", "charter", 3, 0},
        {"one-byte", "sealed", 17, 1},
        {"without-padding", "sealed", 17, 508},
        {"one-more", "sealed", 17, 509},
        {"longer-without-padding", "sealed", 17, 572},
        {"largest", "sealed", 17, HARK_ENVELOPE_CONTENT_MAX},
    };
    size_t count = sizeof(all) / sizeof(all[0]) - (fresh ? 0 : 1);
    for (size_t i = 0; i < count; i++) {
        struct item item = item_of(all[i].kind, all[i].seq, all[i].size);
        json_t *json = item_json(&item, all[i].name);
        craft_put(json, "nonce", craft_hex(item.nonce, sizeof(item.nonce)));
        craft_put(json, "content", craft_base64(hark_buf_span(&item.content)));
        craft_put(json, "entry_key", craft_hex(item.key, sizeof(item.key)));
        craft_put(json, "commitment",
                  craft_hex(item.envelope.data + COMMITMENT_AT, HARK_ENVELOPE_COMMITMENT_SIZE));
        put(root, "envelopes", json);
        if (!fresh) {
            char name[64];
            (void)snprintf(name, sizeof(name), "envelope/%s", all[i].name);
            craft_corpus(corpus, name, hark_buf_span(&item.envelope));
        }
        free_item(&item);
    }
}

/* Seals other bytes as the plaintext, with what the envelope commits to. */
static void reseal(struct item *item, struct hark_span plain)
{
    struct hark_buf *envelope = &item->envelope;
    envelope->size = HARK_ENVELOPE_HEAD_SIZE;
    craft_require(hark_buf_reserve(envelope, plain.size + 16, NULL) == 0, "too long");
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        envelope->data + HARK_ENVELOPE_HEAD_SIZE, NULL, plain.data, plain.size, item->headers.data,
        item->headers.size, NULL, item->nonce, item->key);
    envelope->size += plain.size + 16;
}

struct bad {
    const char *rule, *error, *name;
    size_t flip;           /* this byte's lowest bit is turned; SIZE_MAX: none */
    uint32_t length;       /* with size: another plaintext, of that length */
    size_t size, not_zero; /* of its bytes this one is 1; 0: none */
};

static void add_bad_envelopes(json_t *root)
{
    static const struct bad bads[] = {
        {"G1", "envelope-version", "nought", 0, 0, 0, 0},
        {"G2", "envelope-form", "plaintext-of-448", SIZE_MAX, 1, 448, 0},
        {"G2", "envelope-form", "plaintext-of-511", SIZE_MAX, 1, 511, 0},
        {"G2", "envelope-form", "plaintext-of-513", SIZE_MAX, 1, 513, 0},
        {"G3", "envelope-key", "epoch", 4, 0, 0, 0},
        {"G3", "envelope-key", "nonce", NONCE_AT, 0, 0, 0},
        {"G3", "envelope-key", "commitment", COMMITMENT_AT, 0, 0, 0},
        {"G4", "envelope-seal", "ciphertext", HARK_ENVELOPE_HEAD_SIZE, 0, 0, 0},
        {"G4", "envelope-seal", "tag", 588, 0, 0, 0},
        {"G5", "envelope-padding", "empty", SIZE_MAX, 0, 512, 0},
        {"G5", "envelope-padding", "longer-than-there-is", SIZE_MAX, 509, 512, 0},
        {"G5", "envelope-padding", "two-to-the-32-less-4", SIZE_MAX, UINT32_MAX - 3, 512, 0},
        {"G5", "envelope-padding", "more-than-needed", SIZE_MAX, 508, 576, 0},
        {"G5", "envelope-padding", "first-not-zero", SIZE_MAX, 100, 512, 104},
        {"G5", "envelope-padding", "last-not-zero", SIZE_MAX, 100, 512, 511},
    };
    static uint8_t plain[1024];
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct item item = item_of("sealed", 17, 0);
        memset(plain, 0, sizeof(plain));
        hark_put_u32(plain, bads[i].length);
        if (bads[i].not_zero > 0) {
            plain[bads[i].not_zero] = 1;
        }
        if (bads[i].size > 0) {
            reseal(&item, hark_span(plain, bads[i].size));
        }
        if (bads[i].flip < item.envelope.size) {
            item.envelope.data[bads[i].flip] ^= 1;
        }
        json_t *json = item_json(&item, bads[i].name);
        craft_put(json, "rule", craft_string(bads[i].rule));
        craft_put(json, "error", craft_string(bads[i].error));
        put(root, "bad_envelopes", json);
        free_item(&item);
    }
    struct item item = item_of("sealed", 17, 0);
    item.headers.data[item.headers.size - 2] ^= 1;
    json_t *json = item_json(&item, "headers");
    craft_put(json, "rule", craft_string("G4"));
    craft_put(json, "error", craft_string("envelope-seal"));
    put(root, "bad_envelopes", json);
    free_item(&item);
}

/* ---- disclosures ---- */

static void build_item(struct item *item)
{
    item->entry.has_payload = true;
    item->entry.payload_size = item->envelope.size;
    item->entry.payload_hash = hark_sha256(hark_buf_span(&item->envelope));
    hark_buf_free(&item->object);
    item->object = craft_buf();
    need(hark_entry_build(&item->object, &item->entry, craft_signer(MEMBER_SEED), &err));
}

/* Of a log of two entries, the other one after it. */
static struct hark_buf receipt_of(const struct item *item)
{
    struct hark_buf out = craft_buf();
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_line line = {.arrival_ms = TIME + 5, .accepted_ms = TIME + 5};
    struct hark_checkpoint cp = {.size = 2};
    struct hark_proof path = {.count = 1, .hashes = {hash_of("another leaf")}};
    struct hark_git_id commit = craft_git_id("commit", hark_buf_span(&item->object));
    uint8_t two[1 + 2 * HARK_HASH_SIZE] = {1};
    line.id = item->entry.id;
    hark_origin(cp.origin, "node.example", &item->entry.space, 1);
    struct hark_hash leaf = hark_line_leaf(&line);
    memcpy(two + 1, leaf.bytes, HARK_HASH_SIZE);
    memcpy(two + 1 + HARK_HASH_SIZE, path.hashes[0].bytes, HARK_HASH_SIZE);
    cp.root = hark_sha256(hark_span(two, sizeof(two)));
    need(hark_checkpoint_sign(&note, &cp, craft_signer(LOG_SEED), NULL, &err));
    need(hark_receipt_encode(&out, &line, &commit, &path, hark_buf_span(&note), &err));
    hark_buf_free(&note);
    return out;
}

static struct hark_buf file_of(const struct item *item, const struct hark_buf *receipt)
{
    struct hark_disclosure_parts parts = {.entry = hark_buf_span(&item->object),
                                          .envelope = hark_buf_span(&item->envelope),
                                          .receipt = hark_buf_span(receipt)};
    struct hark_buf file = craft_buf();
    memcpy(parts.key, item->key, sizeof(parts.key));
    need(hark_disclosure_encode(&file, &parts, &err));
    return file;
}

static void add_disclosure(json_t *root, const char *name, const struct item *item, bool received)
{
    struct hark_buf receipt = received ? receipt_of(item) : craft_buf();
    struct hark_buf file = file_of(item, &receipt);
    json_t *json = json_object();
    char path[64];
    craft_put(json, "name", craft_string(name));
    craft_put(json, "id", craft_hex(item->entry.id.bytes, HARK_HASH_SIZE));
    craft_put(json, "epoch", craft_number(hark_epoch_number(item->group.epoch)));
    craft_put(json, "content", craft_base64(hark_buf_span(&item->content)));
    if (received) {
        craft_put(json, "log_key",
                  craft_hex(hark_signer_key(craft_signer(LOG_SEED))->bytes, HARK_KEY_SIZE));
    }
    craft_put(json, "file", craft_base64(hark_buf_span(&file)));
    put(root, "disclosures", json);
    (void)snprintf(path, sizeof(path), "disclosure/%s", name);
    craft_corpus(corpus, path, hark_buf_span(&file));
    hark_buf_free(&file);
    hark_buf_free(&receipt);
}

struct bad_file {
    const char *name, *error;
    struct craft_edit edits[2];
};

static void add_bad_disclosures(json_t *root, const struct item *item)
{
    static const struct bad_file bads[] = {
        {"version", "disclosure-form", {ONE("hark-disclosure 1\n", "hark-disclosure 2\n")}},
        {"key-case", "disclosure-form", {OVER("key ", "key F", 1)}},
        {"no-empty-line", "disclosure-form", {ONE("\n\npart ", "\npart ")}},
        {"part-size", "disclosure-form", {ONE("\n\npart ", "\n\npart 1")}},
        {"part-size-zero", "disclosure-form", {ONE("\n\npart ", "\n\npart 0")}},
        {"key", "disclosure", {OVER("key ", "key 0000000000000000", 16)}},
        {"entry", "disclosure", {ONE("\nSeq: 17\n", "\nSeq: 18\n")}},
        {"signature", "disclosure", {OVER("SIGNATURE-----\n U1NI", "SIGNATURE-----\n U1NJ", 0)}},
        {"receipt-times", "disclosure", {ONE("\nindex 0\n", "\nindex 1\n")}},
    };
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct hark_buf receipt = receipt_of(item);
        struct hark_buf file = file_of(item, &receipt);
        json_t *json = json_object();
        craft_edit(&file, bads[i].edits);
        craft_put(json, "name", craft_string(bads[i].name));
        craft_put(json, "error", craft_string(bads[i].error));
        craft_put(json, "file", craft_base64(hark_buf_span(&file)));
        put(root, "bad_disclosures", json);
        hark_buf_free(&file);
        hark_buf_free(&receipt);
    }
}

static void add_disclosures(json_t *root)
{
    struct item item = item_of("sealed", 17, 0);
    build_item(&item);
    add_disclosure(root, "entry", &item, false);
    add_disclosure(root, "received", &item, true);
    add_bad_disclosures(root, &item);
    free_item(&item);
    item = item_of("charter", 3, 0);
    build_item(&item);
    add_disclosure(root, "charter", &item, true);
    free_item(&item);
}

int main(int argc, char **argv)
{
    json_t *root = json_object();
    fresh = argc > 1 && strcmp(argv[1], "fresh") == 0;
    corpus = argc > 1 && !fresh ? argv[1] : NULL;
    need(hark_crypto_init(&err));
    craft_put(root, "description",
              craft_string("Encrypted spaces (PROTOCOL.md 10). Keys and hashes in hex, all else "
                           "that is not text in base64; `key` is the epoch's, `secret` a "
                           "recipient's X25519 secret. Each bad one breaks just its rule. The "
                           "disclosures' entries are by the Ed25519 seed of 32 times 0x02, their "
                           "receipts by that of 32 times 0x01."));
    add_epochs(root);
    add_boxes(root);
    add_bad_boxes(root);
    add_group_keys(root);
    add_envelopes(root);
    add_bad_envelopes(root);
    add_disclosures(root);
    craft_write(root);
    json_decref(root);
    return 0;
}
