/*
 * Secrets live in crypto/secret.c's locked slabs and are wiped when freed.
 *
 * The signature rule (PROTOCOL.md 2.4) is written out in hark_verify, because
 * libsodium's has changed between versions. 1.0.18 refuses S >= L, small-order A
 * and R, A with y >= p, and compares the encoding of S·B - h·A with R byte by
 * byte, so without the cofactor and with canonical R only. From 1.0.19 (library
 * major 26) on it multiplies by the cofactor before it compares, and so accepts
 * more. The checks of encodings are therefore made here first, whatever the
 * library does, and hark_verify_plainly, which computes the cofactorless
 * equation from group operations, is asked as well where the library is newer.
 */
#include "key.h"

#include <sodium.h>
#include <string.h>

#include "secret.h"

struct hark_seed {
    uint8_t bytes[HARK_SEED_SIZE];
};

struct hark_signer {
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct hark_key key;
};

struct hark_box {
    uint8_t secret[crypto_box_SECRETKEYBYTES];
    struct hark_key key;
};

_Static_assert(crypto_sign_SEEDBYTES == HARK_SEED_SIZE, "an Ed25519 seed has 32 bytes");
_Static_assert(crypto_sign_PUBLICKEYBYTES == HARK_KEY_SIZE, "an Ed25519 key has 32 bytes");
_Static_assert(crypto_sign_BYTES == HARK_SIGNATURE_SIZE, "an Ed25519 signature has 64 bytes");
_Static_assert(crypto_box_PUBLICKEYBYTES == HARK_KEY_SIZE, "an X25519 key has 32 bytes");
_Static_assert(sizeof(struct hark_signer) <= HARK_SECRET_MAX, "a signer fits a block");

/* libsodium's prototypes want a pointer even for no bytes. */
static const uint8_t *not_null(struct hark_span span)
{
    static const uint8_t nothing[1] = {0};
    return span.data == NULL ? nothing : span.data;
}

bool hark_key_equal(const struct hark_key *a, const struct hark_key *b)
{
    return memcmp(a->bytes, b->bytes, HARK_KEY_SIZE) == 0;
}

void hark_key_hex(char out[2 * HARK_KEY_SIZE + 1], const struct hark_key *key)
{
    hark_hex_encode(out, key->bytes, HARK_KEY_SIZE);
}

int hark_key_from_hex(struct hark_key *out, struct hark_span text, struct hark_err *err)
{
    return hark_hex_decode(out->bytes, HARK_KEY_SIZE, text, err);
}

/* ---- seeds ---- */

static int seed_alloc(struct hark_seed **out, struct hark_err *err)
{
    void *block = NULL;
    int rc = hark_secret_new(&block, sizeof(struct hark_seed), err);
    *out = block;
    return rc;
}

int hark_seed_new(struct hark_seed **out, struct hark_err *err)
{
    int rc = seed_alloc(out, err);
    if (rc == 0) {
        hark_random((*out)->bytes, HARK_SEED_SIZE);
    }
    return rc;
}

int hark_seed_from_bytes(struct hark_seed **out, const uint8_t bytes[HARK_SEED_SIZE],
                         struct hark_err *err)
{
    int rc = seed_alloc(out, err);
    if (rc == 0) {
        memcpy((*out)->bytes, bytes, HARK_SEED_SIZE);
    }
    return rc;
}

enum { LABEL_MAX = 32, CONTEXT_MAX = 1024 };

static int check_derivation(const char *label, struct hark_span context, struct hark_err *err)
{
    size_t length = strlen(label);
    bool good = length >= 1 && length <= LABEL_MAX;
    for (size_t i = 0; good && i < length; i++) {
        good = label[i] >= ' ' && label[i] <= '~';
    }
    if (!good) {
        return hark_err_set(err, HARK_E_INTERNAL, "a derivation's label is malformed");
    }
    if (context.size > CONTEXT_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a derivation's context of %zu bytes", context.size);
    }
    return 0;
}

int hark_seed_prf(uint8_t out[32], const struct hark_seed *seed, const char *label,
                  struct hark_span context, struct hark_err *err)
{
    static const char prefix[] = "hark/1 ";
    int rc = check_derivation(label, context, err);
    if (rc != 0) {
        return rc;
    }
    /* The label's NUL goes in with it: it ends where no label byte can stand. */
    crypto_generichash_state state;
    if (crypto_generichash_init(&state, seed->bytes, HARK_SEED_SIZE, 32) != 0 ||
        crypto_generichash_update(&state, (const uint8_t *)prefix, sizeof(prefix) - 1) != 0 ||
        crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1) != 0 ||
        crypto_generichash_update(&state, not_null(context), context.size) != 0 ||
        crypto_generichash_final(&state, out, 32) != 0) {
        rc = hark_err_set(err, HARK_E_INTERNAL, "BLAKE2b failed");
    }
    hark_wipe(&state, sizeof(state));
    return rc;
}

int hark_seed_derive(struct hark_seed **out, const struct hark_seed *parent, const char *label,
                     struct hark_span context, struct hark_err *err)
{
    int rc = seed_alloc(out, err);
    if (rc != 0) {
        return rc;
    }
    rc = hark_seed_prf((*out)->bytes, parent, label, context, err);
    if (rc != 0) {
        hark_seed_free(*out);
        *out = NULL;
    }
    return rc;
}

const uint8_t *hark_seed_bytes(const struct hark_seed *seed)
{
    return seed->bytes;
}

void hark_seed_free(struct hark_seed *seed)
{
    hark_secret_free(seed);
}

/* ---- signing ---- */

int hark_signer_new(struct hark_signer **out, const struct hark_seed *seed, struct hark_err *err)
{
    void *block = NULL;
    *out = NULL;
    int rc = hark_secret_new(&block, sizeof(struct hark_signer), err);
    if (rc != 0) {
        return rc;
    }
    struct hark_signer *signer = block;
    if (crypto_sign_seed_keypair(signer->key.bytes, signer->secret, seed->bytes) != 0) {
        hark_signer_free(signer);
        return hark_err_set(err, HARK_E_INTERNAL, "Ed25519 key generation failed");
    }
    *out = signer;
    return 0;
}

void hark_signer_free(struct hark_signer *signer)
{
    hark_secret_free(signer);
}

const struct hark_key *hark_signer_key(const struct hark_signer *signer)
{
    return &signer->key;
}

int hark_signer_sign(const struct hark_signer *signer, struct hark_span message,
                     uint8_t signature[HARK_SIGNATURE_SIZE], struct hark_err *err)
{
    if (crypto_sign_detached(signature, NULL, not_null(message), message.size, signer->secret) !=
        0) {
        return hark_err_set(err, HARK_E_INTERNAL, "Ed25519 signing failed");
    }
    return 0;
}

/* ---- verifying ---- */

/* L, the order of the base point: 2^252 + 27742317777372353535851937790883648493,
 * little endian like everything in Ed25519. */
static const uint8_t group_order[32] = {
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

/* p = 2^255 - 19 */
static const uint8_t field_prime[32] = {
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};

/* The y of the eight points whose order divides 8: order 4 (two), 1, 8 (two and
 * two), 2. Together with the sign of x they have no other canonical encodings. */
static const uint8_t small_order_y[5][32] = {
    {0},
    {1},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

/* a < b as little-endian integers. Everything that is verified is public, so
 * nothing here needs constant time. */
static bool less(const uint8_t a[32], const uint8_t b[32])
{
    for (size_t i = 32; i > 0; i--) {
        if (a[i - 1] != b[i - 1]) {
            return a[i - 1] < b[i - 1];
        }
    }
    return false;
}

/* y < p, and not one of the eight points of small order. */
static bool good_point(const uint8_t encoding[32])
{
    uint8_t y[32];
    memcpy(y, encoding, sizeof(y));
    y[31] &= 0x7fu; /* the top bit is the sign of x */
    if (!less(y, field_prime)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(small_order_y) / sizeof(small_order_y[0]); i++) {
        if (memcmp(y, small_order_y[i], sizeof(y)) == 0) {
            return false;
        }
    }
    return true;
}

static bool good_encodings(const struct hark_key *key, const uint8_t *signature)
{
    return less(signature + 32, group_order) && good_point(key->bytes) && good_point(signature);
}

/* h = SHA-512(R ‖ A ‖ message) mod L */
static void challenge(uint8_t h[32], const struct hark_key *key, struct hark_span message,
                      const uint8_t *signature)
{
    crypto_hash_sha512_state state;
    uint8_t digest[crypto_hash_sha512_BYTES];
    (void)crypto_hash_sha512_init(&state);
    (void)crypto_hash_sha512_update(&state, signature, 32);
    (void)crypto_hash_sha512_update(&state, key->bytes, HARK_KEY_SIZE);
    (void)crypto_hash_sha512_update(&state, not_null(message), message.size);
    (void)crypto_hash_sha512_final(&state, digest);
    crypto_core_ed25519_scalar_reduce(h, digest);
}

/* out = h·A for any A on the curve. libsodium multiplies points of the prime-order
 * group only, and A may have a part of order 8: so h·A = (h div 8)·(8A) plus A
 * h mod 8 times. */
static bool multiply(uint8_t out[32], const uint8_t h[32], const struct hark_key *a)
{
    uint8_t eight_a[32];
    memcpy(eight_a, a->bytes, sizeof(eight_a));
    for (int i = 0; i < 3; i++) {
        if (crypto_core_ed25519_add(eight_a, eight_a, eight_a) != 0) {
            return false;
        }
    }
    uint8_t quotient[32];
    for (size_t i = 0; i < 32; i++) {
        unsigned next = i < 31 ? h[i + 1] : 0;
        quotient[i] = (uint8_t)((h[i] >> 3 | next << 5) & 0xffu);
    }
    /* Fails for the quotient 0 too, which nobody can find a message for. */
    if (crypto_scalarmult_ed25519_noclamp(out, quotient, eight_a) != 0) {
        return false;
    }
    for (unsigned i = h[0] & 7u; i > 0; i--) {
        if (crypto_core_ed25519_add(out, out, a->bytes) != 0) {
            return false;
        }
    }
    return true;
}

bool hark_verify_plainly(const struct hark_key *key, struct hark_span message,
                         const uint8_t signature[HARK_SIGNATURE_SIZE])
{
    uint8_t h[32];
    uint8_t ha[32];
    uint8_t sb[32];
    uint8_t r[32];
    if (!good_encodings(key, signature)) {
        return false;
    }
    challenge(h, key, message, signature);
    return multiply(ha, h, key) &&
           crypto_scalarmult_ed25519_base_noclamp(sb, signature + 32) == 0 &&
           crypto_core_ed25519_sub(r, sb, ha) == 0 && memcmp(r, signature, 32) == 0;
}

bool hark_verify(const struct hark_key *key, struct hark_span message,
                 const uint8_t signature[HARK_SIGNATURE_SIZE])
{
    if (!good_encodings(key, signature) ||
        crypto_sign_verify_detached(signature, not_null(message), message.size, key->bytes) != 0) {
        return false;
    }
    /* The major number is the shared library's soname: what was compiled against
     * is what runs. 10 is 1.0.18 and the releases before it. */
    return SODIUM_LIBRARY_VERSION_MAJOR <= 10 || hark_verify_plainly(key, message, signature);
}

/* ---- boxes ---- */

int hark_box_new(struct hark_box **out, const struct hark_seed *seed, struct hark_err *err)
{
    void *block = NULL;
    *out = NULL;
    int rc = hark_secret_new(&block, sizeof(struct hark_box), err);
    if (rc != 0) {
        return rc;
    }
    struct hark_box *box = block;
    memcpy(box->secret, seed->bytes, HARK_SEED_SIZE);
    if (crypto_scalarmult_base(box->key.bytes, box->secret) != 0) {
        hark_box_free(box);
        return hark_err_set(err, HARK_E_INTERNAL, "X25519 key generation failed");
    }
    *out = box;
    return 0;
}

void hark_box_free(struct hark_box *box)
{
    hark_secret_free(box);
}

const struct hark_key *hark_box_key(const struct hark_box *box)
{
    return &box->key;
}

const uint8_t *hark_box_secret(const struct hark_box *box)
{
    return box->secret;
}

bool hark_box_key_usable(const struct hark_key *key)
{
    static const uint8_t one[crypto_scalarmult_SCALARBYTES] = {1}; /* any will do; no secret */
    uint8_t shared[crypto_scalarmult_BYTES];

    return crypto_scalarmult(shared, one, key->bytes) == 0;
}

int hark_box_seal(struct hark_buf *out, const struct hark_key *to, struct hark_span plain,
                  struct hark_err *err)
{
    if (plain.size > SIZE_MAX / 2) {
        return hark_err_set(err, HARK_E_LIMIT, "too much to seal");
    }
    size_t size = plain.size + crypto_box_SEALBYTES;
    int rc = hark_buf_reserve(out, size, err);
    if (rc != 0) {
        return rc;
    }
    /* Fails for recipients' keys of small order, with which all would agree. */
    if (crypto_box_seal(out->data + out->size, not_null(plain), plain.size, to->bytes) != 0) {
        return hark_err_set(err, HARK_E_SEAL, "cannot seal to this key");
    }
    out->size += size;
    return 0;
}

int hark_box_open(struct hark_buf *out, const struct hark_box *box, struct hark_span sealed,
                  struct hark_err *err)
{
    if (sealed.size < crypto_box_SEALBYTES) {
        return hark_err_set(err, HARK_E_SEAL, "too short to be sealed");
    }
    size_t size = sealed.size - crypto_box_SEALBYTES;
    int rc = hark_buf_reserve(out, size, err);
    if (rc != 0) {
        return rc;
    }
    if (crypto_box_seal_open(out->data + out->size, sealed.data, sealed.size, box->key.bytes,
                             box->secret) != 0) {
        return hark_err_set(err, HARK_E_SEAL, "not sealed to this key, or changed since");
    }
    out->size += size;
    return 0;
}
