/*
 * check_sealed FILE: opens everything in a file of the form of sealed.json, whoever made it,
 * and finds wrong what is said to be. Prints how many there were of each; exit code 0: all is
 * as it says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "craft.h"
#include "crypto/envelope.h"
#include "schemas/disclosure.h"

static struct hark_err err;
static const char *place = "";

static void require(bool fine, const char *what)
{
    if (!fine) {
        (void)fprintf(stderr, "%s: %s (%s)\n", place, what, err.message);
        exit(1);
    }
}

static struct hark_span text_of(const json_t *vector, const char *name)
{
    const json_t *value = json_object_get(vector, name);
    require(json_is_string(value), name);
    return hark_span(json_string_value(value), json_string_length(value));
}

static void hex_of(const json_t *vector, const char *name, uint8_t *out, size_t size)
{
    require(hark_hex_decode(out, size, text_of(vector, name), &err) == 0, name);
}

static struct hark_buf bytes_of(const json_t *vector, const char *name)
{
    struct hark_buf out = craft_buf();
    require(hark_base64_decode(&out, text_of(vector, name), &err) == 0, name);
    return out;
}

static uint64_t number_of(const json_t *vector, const char *name)
{
    const json_t *value = json_object_get(vector, name);
    require(json_is_integer(value) && json_integer_value(value) >= 0, name);
    return (uint64_t)json_integer_value(value);
}

static struct hark_epoch *epoch_of(const json_t *vector)
{
    uint8_t key[HARK_EPOCH_KEY_SIZE];
    struct hark_epoch *epoch = NULL;
    struct hark_hash space;
    hex_of(vector, "key", key, sizeof(key));
    hex_of(vector, "space", space.bytes, sizeof(space.bytes));
    require(
        hark_epoch_from_bytes(&epoch, &space, (uint32_t)number_of(vector, "epoch"), key, &err) == 0,
        "key");
    return epoch;
}

static void require_commitment(const struct hark_epoch *epoch, const json_t *vector,
                               const char *name)
{
    uint8_t wanted[HARK_EPOCH_COMMITMENT_SIZE], found[HARK_EPOCH_COMMITMENT_SIZE];
    hex_of(vector, name, wanted, sizeof(wanted));
    require(hark_epoch_commitment(found, epoch, &err) == 0 &&
                memcmp(wanted, found, sizeof(found)) == 0,
            name);
}

/* The error that it is to give: 0 where none is said. */
static void require_code(const json_t *vector, int rc)
{
    const char *wanted = json_string_value(json_object_get(vector, "error"));
    require(strcmp(wanted == NULL ? "ok" : wanted, hark_err_name(rc)) == 0, hark_err_name(rc));
}

static void check_epoch(const json_t *vector)
{
    struct hark_epoch *epoch = epoch_of(vector), *next = NULL, *given = NULL;
    uint8_t key[HARK_EPOCH_KEY_SIZE], a[32], b[32];
    hex_of(vector, "next", key, sizeof(key));
    require_commitment(epoch, vector, "commitment");
    require(hark_epoch_step(&next, epoch, &err) == 0, "step");
    require_commitment(next, vector, "next_commitment");
    require(hark_epoch_from_bytes(&given, hark_epoch_space(next), hark_epoch_number(next), key,
                                  &err) == 0 &&
                hark_epoch_commitment(a, next, &err) == 0 &&
                hark_epoch_commitment(b, given, &err) == 0 && memcmp(a, b, sizeof(a)) == 0,
            "next");
    hark_epoch_free(epoch);
    hark_epoch_free(next);
    hark_epoch_free(given);
}

static struct hark_box *box_of(const json_t *vector)
{
    uint8_t secret[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    struct hark_box *box = NULL;
    hex_of(vector, "secret", secret, sizeof(secret));
    require(hark_seed_from_bytes(&seed, secret, &err) == 0 && hark_box_new(&box, seed, &err) == 0,
            "secret");
    hark_seed_free(seed);
    return box;
}

static void check_box(const json_t *vector)
{
    struct hark_epoch *epoch = epoch_of(vector), *got = NULL;
    struct hark_box *box = box_of(vector);
    struct hark_buf sealed = bytes_of(vector, "box");
    struct hark_epoch_box again = {.to = *hark_box_key(box)};
    uint8_t commitment[HARK_EPOCH_COMMITMENT_SIZE];
    hex_of(vector, "commitment", commitment, sizeof(commitment));
    require(sealed.size == HARK_EPOCH_BOX_SIZE, "size");
    int rc = hark_epoch_open_box(&got, hark_epoch_space(epoch), hark_epoch_number(epoch),
                                 commitment, box, sealed.data, &err);
    require_code(vector, rc);
    if (rc == 0) {
        memcpy(again.sealed, sealed.data, sealed.size);
        require_commitment(got, vector, "commitment");
        require(hark_epoch_check_boxes(epoch, &again, 1, NULL, &err) == 0, "made again");
    }
    hark_buf_free(&sealed);
    hark_box_free(box);
    hark_epoch_free(got);
    hark_epoch_free(epoch);
}

/* Who joins opens it, and everybody else makes it again. */
static void check_group_key(const json_t *vector)
{
    struct hark_epoch *epoch = epoch_of(vector), *got = NULL;
    struct hark_box *box = box_of(vector);
    struct hark_buf sealed = bytes_of(vector, "box");
    struct hark_epoch_box again = {.to = *hark_box_key(box)};
    require(sealed.size == HARK_EPOCH_BOX_SIZE, "size");
    int rc = hark_epoch_open_box(&got, hark_epoch_space(epoch), hark_epoch_number(epoch), NULL, box,
                                 sealed.data, &err);
    require_code(vector, rc);
    if (rc == 0) {
        uint8_t had[HARK_EPOCH_KEY_SIZE], found[HARK_EPOCH_KEY_SIZE];
        hark_epoch_bytes(had, epoch);
        hark_epoch_bytes(found, got);
        require(memcmp(had, found, sizeof(had)) == 0, "key");
    }
    memcpy(again.sealed, sealed.data, sealed.size);
    require((hark_epoch_check_boxes(epoch, &again, 1, NULL, &err) == 0) == (rc == 0), "made again");
    hark_buf_free(&sealed);
    hark_box_free(box);
    hark_epoch_free(got);
    hark_epoch_free(epoch);
}

/* The same bytes from the same parts, and the entry's key alone opens it. */
static void check_made_again(const json_t *vector, const struct hark_epoch *epoch,
                             const struct hark_envelope_entry *entry, struct hark_span envelope,
                             struct hark_span content)
{
    struct hark_buf again = craft_buf(), out = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    uint8_t nonce[HARK_ENVELOPE_NONCE_SIZE], bytes[HARK_ENVELOPE_KEY_SIZE];
    struct hark_seed *key = NULL;
    hex_of(vector, "nonce", nonce, sizeof(nonce));
    hex_of(vector, "entry_key", bytes, sizeof(bytes));
    require(hark_envelope_seal_with(&again, epoch, entry, nonce, content, &err) == 0 &&
                hark_span_equal(hark_buf_span(&again), envelope),
            "made again");
    require(hark_seed_from_bytes(&key, bytes, &err) == 0 &&
                hark_envelope_open(&out, key, entry->headers, envelope, &err) == 0 &&
                hark_span_equal(hark_buf_span(&out), content),
            "entry_key");
    hark_seed_free(key);
    hark_buf_free(&again);
    hark_buf_free(&out);
}

static void check_envelope(const json_t *vector)
{
    struct hark_epoch *epoch = epoch_of(vector);
    struct hark_envelope_entry entry = {.seq = number_of(vector, "seq")};
    struct hark_buf headers = bytes_of(vector, "headers"), envelope = bytes_of(vector, "envelope");
    struct hark_buf out = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    hex_of(vector, "author", entry.author.bytes, HARK_KEY_SIZE);
    entry.headers = hark_buf_span(&headers);
    int rc = hark_envelope_open_in(&out, epoch, &entry, hark_buf_span(&envelope), &err);
    require_code(vector, rc);
    if (rc == 0) {
        struct hark_buf content = bytes_of(vector, "content");
        require(hark_span_equal(hark_buf_span(&out), hark_buf_span(&content)), "content");
        check_made_again(vector, epoch, &entry, hark_buf_span(&envelope), hark_buf_span(&content));
        hark_buf_free(&content);
    }
    hark_buf_free(&out);
    hark_buf_free(&envelope);
    hark_buf_free(&headers);
    hark_epoch_free(epoch);
}

static void check_log_key(const json_t *vector, const struct hark_disclosure *found)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_note_key key;
    struct hark_key log_key;
    hex_of(vector, "log_key", log_key.bytes, HARK_KEY_SIZE);
    require(note != NULL && found->has_receipt &&
                hark_note_parse(note, found->receipt.note, &err) == 0,
            "receipt");
    require(hark_note_key_init(&key, found->receipt.checkpoint.origin, HARK_NOTE_ED25519, &log_key,
                               &err) == 0 &&
                hark_note_verify(note, &key, NULL, &err) == 0,
            "log_key");
    free(note);
}

static void check_disclosure(const json_t *vector)
{
    struct hark_buf file = bytes_of(vector, "file");
    struct hark_buf out = hark_buf_init(HARK_ENVELOPE_PLAIN_MAX);
    struct hark_disclosure *found = calloc(1, sizeof(*found));
    require(found != NULL, "no memory");
    int rc = hark_disclosure_read(found, &out, hark_buf_span(&file), &err);
    require_code(vector, rc);
    if (rc == 0) {
        struct hark_buf content = bytes_of(vector, "content");
        struct hark_hash id;
        hex_of(vector, "id", id.bytes, sizeof(id.bytes));
        require(hark_hash_equal(&id, &found->entry.id), "id");
        require(found->epoch == number_of(vector, "epoch"), "epoch");
        require(hark_span_equal(hark_buf_span(&out), hark_buf_span(&content)), "content");
        hark_buf_free(&content);
    }
    if (json_object_get(vector, "log_key") != NULL) {
        check_log_key(vector, found);
    }
    free(found);
    hark_buf_free(&out);
    hark_buf_free(&file);
}

static const struct {
    const char *list;
    void (*check)(const json_t *vector);
} lists[] = {
    {"epochs", check_epoch},
    {"boxes", check_box},
    {"bad_boxes", check_box},
    {"group_keys", check_group_key},
    {"bad_group_keys", check_group_key},
    {"envelopes", check_envelope},
    {"bad_envelopes", check_envelope},
    {"disclosures", check_disclosure},
    {"bad_disclosures", check_disclosure},
};

int main(int argc, char **argv)
{
    json_error_t why;
    json_t *root = argc == 2 ? json_load_file(argv[1], JSON_REJECT_DUPLICATES, &why) : NULL;
    if (root == NULL) {
        (void)fputs("usage: check_sealed FILE (of JSON)\n", stderr);
        return 2;
    }
    require(hark_crypto_init(&err) == 0, "crypto");
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const json_t *array = json_object_get(root, lists[i].list);
        for (size_t k = 0; k < json_array_size(array); k++) {
            char name[128];
            const json_t *vector = json_array_get(array, k);
            const char *given = json_string_value(json_object_get(vector, "name"));
            (void)snprintf(name, sizeof(name), "%s %zu %.60s", lists[i].list, k,
                           given != NULL ? given : "");
            place = name;
            lists[i].check(vector);
        }
        (void)printf("%s %zu\n", lists[i].list, json_array_size(array));
    }
    json_decref(root);
    return 0;
}
