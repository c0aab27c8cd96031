/*
 * All that is derived from an epoch key is derived here, each with a label of its own, so
 * that the list in PROTOCOL.md 10.1 can be held beside one file.
 *
 * A box is what crypto_box_seal makes, but for where the ephemeral secret comes from: not
 * from chance, but from the key that is sealed and the recipient. Whoever has the key can
 * therefore make every other member's box again and see that it holds the same key. To
 * anybody else such a secret is as good as a random one.
 */
#include "epoch.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

struct hark_epoch {
    struct hark_seed *key;
    struct hark_hash space;
    uint32_t number;
};

#define NUMBER_SIZE 4u
#define PLACE_SIZE  (HARK_HASH_SIZE + NUMBER_SIZE) /* space id, u32 epoch */
#define NONCE_SIZE  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

_Static_assert(HARK_EPOCH_KEY_SIZE == HARK_SEED_SIZE, "an epoch key is a seed");
_Static_assert(HARK_EPOCH_BOX_SIZE == HARK_EPOCH_KEY_SIZE + crypto_box_SEALBYTES,
               "a sealed epoch key has 80 bytes");
_Static_assert(NONCE_SIZE == 24, "an envelope's nonce has 24 bytes");

/* Takes *key, also when it fails. */
static int new_epoch(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                     struct hark_seed **key, struct hark_err *err)
{
    struct hark_epoch *epoch = malloc(sizeof(*epoch));
    *out = epoch;
    if (epoch == NULL) {
        hark_seed_free(*key);
        *key = NULL;
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an epoch key");
    }
    *epoch = (struct hark_epoch){.key = *key, .space = *space, .number = number};
    *key = NULL;
    return 0;
}

int hark_epoch_new(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                   struct hark_err *err)
{
    struct hark_seed *key = NULL;
    *out = NULL;
    int rc = hark_seed_new(&key, err);
    return rc != 0 ? rc : new_epoch(out, space, number, &key, err);
}

int hark_epoch_from_bytes(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                          const uint8_t key[HARK_EPOCH_KEY_SIZE], struct hark_err *err)
{
    struct hark_seed *seed = NULL;
    *out = NULL;
    int rc = hark_seed_from_bytes(&seed, key, err);
    return rc != 0 ? rc : new_epoch(out, space, number, &seed, err);
}

void hark_epoch_free(struct hark_epoch *epoch)
{
    if (epoch != NULL) {
        hark_seed_free(epoch->key);
        free(epoch);
    }
}

void hark_epoch_bytes(uint8_t out[HARK_EPOCH_KEY_SIZE], const struct hark_epoch *epoch)
{
    memcpy(out, hark_seed_bytes(epoch->key), HARK_EPOCH_KEY_SIZE);
}

const struct hark_hash *hark_epoch_space(const struct hark_epoch *epoch)
{
    return &epoch->space;
}

uint32_t hark_epoch_number(const struct hark_epoch *epoch)
{
    return epoch->number;
}

/* ---- derivations ---- */

static void put_place(uint8_t out[PLACE_SIZE], const struct hark_hash *space, uint32_t number)
{
    memcpy(out, space->bytes, HARK_HASH_SIZE);
    hark_put_u32(out + HARK_HASH_SIZE, number);
}

int hark_epoch_step(struct hark_epoch **out, const struct hark_epoch *epoch, struct hark_err *err)
{
    uint8_t place[PLACE_SIZE];
    struct hark_seed *next = NULL;
    *out = NULL;
    if (epoch->number == UINT32_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "there is no epoch after this one");
    }
    put_place(place, &epoch->space, epoch->number + 1);
    int rc = hark_seed_derive(&next, epoch->key, "step", hark_span(place, sizeof(place)), err);
    return rc != 0 ? rc : new_epoch(out, &epoch->space, epoch->number + 1, &next, err);
}

int hark_epoch_commitment(uint8_t out[HARK_EPOCH_COMMITMENT_SIZE], const struct hark_epoch *epoch,
                          struct hark_err *err)
{
    uint8_t place[PLACE_SIZE];
    put_place(place, &epoch->space, epoch->number);
    return hark_seed_prf(out, epoch->key, "commitment", hark_span(place, sizeof(place)), err);
}

int hark_epoch_entry_key(struct hark_seed **out, const struct hark_epoch *epoch,
                         const struct hark_key *author, uint64_t seq, const uint8_t nonce[24],
                         struct hark_err *err)
{
    uint8_t context[HARK_HASH_SIZE + HARK_KEY_SIZE + 8 + NONCE_SIZE];
    uint8_t *at = context;
    memcpy(at, epoch->space.bytes, HARK_HASH_SIZE);
    at += HARK_HASH_SIZE;
    memcpy(at, author->bytes, HARK_KEY_SIZE);
    at += HARK_KEY_SIZE;
    hark_put_u64(at, seq);
    memcpy(at + 8, nonce, NONCE_SIZE);
    return hark_seed_derive(out, epoch->key, "entry", hark_span(context, sizeof(context)), err);
}

/* ---- boxes ---- */

/* crypto_box_seal with the ephemeral secret given; false for a recipient's key of small
 * order. */
static bool seal_with(uint8_t out[HARK_EPOCH_BOX_SIZE], const uint8_t secret[32],
                      const struct hark_key *to, const uint8_t key[HARK_EPOCH_KEY_SIZE])
{
    uint8_t keys[2 * HARK_KEY_SIZE];
    uint8_t nonce[crypto_box_NONCEBYTES];
    if (crypto_scalarmult_base(keys, secret) != 0) {
        return false;
    }
    memcpy(keys + HARK_KEY_SIZE, to->bytes, HARK_KEY_SIZE);
    (void)crypto_generichash(nonce, sizeof(nonce), keys, sizeof(keys), NULL, 0);
    memcpy(out, keys, HARK_KEY_SIZE);
    return crypto_box_easy(out + HARK_KEY_SIZE, key, HARK_EPOCH_KEY_SIZE, nonce, to->bytes,
                           secret) == 0;
}

static int seal_box(uint8_t out[HARK_EPOCH_BOX_SIZE], const struct hark_epoch *epoch,
                    const struct hark_key *to, struct hark_err *err)
{
    uint8_t context[PLACE_SIZE + HARK_KEY_SIZE];
    struct hark_seed *secret = NULL;
    put_place(context, &epoch->space, epoch->number);
    memcpy(context + PLACE_SIZE, to->bytes, HARK_KEY_SIZE);
    int rc =
        hark_seed_derive(&secret, epoch->key, "part", hark_span(context, sizeof(context)), err);
    if (rc == 0 && !seal_with(out, hark_seed_bytes(secret), to, hark_seed_bytes(epoch->key))) {
        rc = hark_err_set(err, HARK_E_SEAL, "nothing can be sealed to a key of small order");
    }
    hark_seed_free(secret);
    return rc;
}

static int check_count(size_t count, struct hark_err *err)
{
    return count <= HARK_EPOCH_PART_MAX
               ? 0
               : hark_err_set(err, HARK_E_LIMIT, "a part of %zu sealed keys", count);
}

int hark_epoch_seal_boxes(const struct hark_epoch *epoch, struct hark_epoch_box *boxes,
                          size_t count, struct hark_err *err)
{
    int rc = check_count(count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = seal_box(boxes[i].sealed, epoch, &boxes[i].to, err);
        if (rc != 0) {
            (void)hark_err_wrap(err, rc, "key number %lu", (unsigned long)boxes[i].number);
        }
    }
    return rc;
}

/* Is it the one that the key makes? */
static int check_box(const struct hark_epoch *epoch, const struct hark_key *to,
                     const uint8_t sealed[HARK_EPOCH_BOX_SIZE], struct hark_err *err)
{
    uint8_t again[HARK_EPOCH_BOX_SIZE];
    int rc = seal_box(again, epoch, to, err);
    if (rc == HARK_E_SEAL) {
        return hark_err_set(err, HARK_E_EPOCH_KEY, "a box for a key of small order");
    }
    if (rc == 0 && !hark_equal(again, sealed, sizeof(again))) {
        return hark_err_set(err, HARK_E_EPOCH_KEY,
                            "not the box that the key of epoch %lu makes for it",
                            (unsigned long)epoch->number);
    }
    return rc;
}

int hark_epoch_check_boxes(const struct hark_epoch *epoch, const struct hark_epoch_box *boxes,
                           size_t count, size_t *wrong, struct hark_err *err)
{
    int rc = check_count(count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = check_box(epoch, &boxes[i].to, boxes[i].sealed, err);
        if (rc != 0) {
            (void)hark_err_wrap(err, rc, "key number %lu", (unsigned long)boxes[i].number);
        }
        if (rc == HARK_E_EPOCH_KEY && wrong != NULL) {
            *wrong = i;
        }
    }
    return rc;
}

/* ---- opening ---- */

static int open_key(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                    const struct hark_box *box, const uint8_t sealed[HARK_EPOCH_BOX_SIZE],
                    struct hark_err *err)
{
    uint8_t key[HARK_EPOCH_KEY_SIZE];
    int rc = 0;
    *out = NULL;
    if (crypto_box_seal_open(key, sealed, HARK_EPOCH_BOX_SIZE, hark_box_key(box)->bytes,
                             hark_box_secret(box)) != 0) {
        rc = hark_err_set(err, HARK_E_SEAL,
                          "the key of epoch %lu is not sealed to this key, or changed since",
                          (unsigned long)number);
    } else {
        rc = hark_epoch_from_bytes(out, space, number, key, err);
    }
    hark_wipe(key, sizeof(key));
    return rc;
}

static int check_commitment(const struct hark_epoch *epoch, const uint8_t *commitment,
                            struct hark_err *err)
{
    uint8_t own[HARK_EPOCH_COMMITMENT_SIZE];
    int rc = hark_epoch_commitment(own, epoch, err);
    if (rc == 0 && !hark_equal(own, commitment, sizeof(own))) {
        rc = hark_err_set(err, HARK_E_EPOCH_KEY,
                          "the key sealed for epoch %lu is not the one that was committed to",
                          (unsigned long)epoch->number);
    }
    return rc;
}

int hark_epoch_open_box(struct hark_epoch **out, const struct hark_hash *space, uint32_t number,
                        const uint8_t *commitment, const struct hark_box *box,
                        const uint8_t sealed[HARK_EPOCH_BOX_SIZE], struct hark_err *err)
{
    int rc = open_key(out, space, number, box, sealed, err);
    if (rc == 0 && commitment != NULL) {
        rc = check_commitment(*out, commitment, err);
    }
    if (rc == 0) {
        rc = check_box(*out, hark_box_key(box), sealed, err);
    }
    if (rc != 0) {
        hark_epoch_free(*out);
        *out = NULL;
    }
    return rc;
}
