/*
 * crypto/key: the derivations stay what PROTOCOL.md 2.3 says, and the signature
 * rule of 2.4 takes and refuses exactly what it says, by either of the two ways
 * it is computed.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/key.h"

static struct hark_seed *seed_of(uint8_t first)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(first + i);
    }
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    return seed;
}

static struct hark_signer *signer_of(uint8_t first)
{
    struct hark_seed *seed = seed_of(first);
    struct hark_signer *signer = NULL;
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    hark_seed_free(seed);
    return signer;
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *hex)
{
    char text[129];
    assert_true(size <= 64);
    hark_hex_encode(text, bytes, size);
    assert_string_equal(text, hex);
}

/* ---- seeds ---- */

/* Computed with another BLAKE2b. A change would lose everybody their keys. */
static void test_key__derivation_vectors(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(0);
    uint8_t out[32];
    assert_int_equal(hark_seed_prf(out, seed, "label", hark_span_str("context"), NULL), 0);
    assert_hex(out, 32, "2389623bd878b37b848436898bf6aceea387fa871e74d7cee48a157ce3d56e9a");
    assert_int_equal(hark_seed_prf(out, seed, "l", hark_span(NULL, 0), NULL), 0);
    assert_hex(out, 32, "ec8e9adeaf165a3491c7413ee36e4851bf33799248afa55f91e55db4d2d6c6a7");
    hark_seed_free(seed);
}

/* The key derived is the one that the same bytes as a seed give. */
static void test_key__derive_is_the_prf(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(0);
    struct hark_seed *child = NULL;
    struct hark_seed *same = NULL;
    struct hark_signer *a = NULL;
    struct hark_signer *b = NULL;
    uint8_t out[32];
    assert_int_equal(hark_seed_derive(&child, seed, "space", hark_span_str("x"), NULL), 0);
    assert_int_equal(hark_seed_prf(out, seed, "space", hark_span_str("x"), NULL), 0);
    assert_int_equal(hark_seed_from_bytes(&same, out, NULL), 0);
    assert_int_equal(hark_signer_new(&a, child, NULL), 0);
    assert_int_equal(hark_signer_new(&b, same, NULL), 0);
    assert_true(hark_key_equal(hark_signer_key(a), hark_signer_key(b)));
    hark_signer_free(a);
    hark_signer_free(b);
    hark_seed_free(child);
    hark_seed_free(same);
    hark_seed_free(seed);
}

/* Label and context never run into each other. */
static void test_key__derivations_differ(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(0);
    struct hark_seed *other = seed_of(1);
    uint8_t out[5][32];
    assert_int_equal(hark_seed_prf(out[0], seed, "ab", hark_span_str("c"), NULL), 0);
    assert_int_equal(hark_seed_prf(out[1], seed, "a", hark_span_str("bc"), NULL), 0);
    assert_int_equal(hark_seed_prf(out[2], seed, "abc", hark_span_str(""), NULL), 0);
    assert_int_equal(hark_seed_prf(out[3], seed, "ab", hark_span("\0c", 2), NULL), 0);
    assert_int_equal(hark_seed_prf(out[4], other, "ab", hark_span_str("c"), NULL), 0);
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(out[i], out[j], 32);
        }
    }
    hark_seed_free(seed);
    hark_seed_free(other);
}

static void test_key__derivation_bounds(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(0);
    struct hark_seed *child = seed;
    uint8_t context[1025] = {0};
    uint8_t out[32];
    const struct hark_span none = {0};
    assert_int_equal(hark_seed_prf(out, seed, "x", hark_span(context, 1024), NULL), 0);
    assert_int_equal(hark_seed_prf(out, seed, "x", hark_span(context, 1025), NULL), HARK_E_LIMIT);
    assert_int_equal(hark_seed_prf(out, seed, "0123456789abcdef0123456789abcdef", none, NULL), 0);
    static const char *const bad[] = {"", "0123456789abcdef0123456789abcdefX", "a\n", "\x7f", "é"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(hark_seed_derive(&child, seed, bad[i], none, NULL), HARK_E_INTERNAL);
        assert_null(child);
    }
    hark_seed_free(seed);
    hark_seed_free(NULL);
}

static void test_key__new_seeds_differ(void **state)
{
    (void)state;
    struct hark_seed *a = NULL;
    struct hark_seed *b = NULL;
    uint8_t x[32];
    uint8_t y[32];
    assert_int_equal(hark_seed_new(&a, NULL), 0);
    assert_int_equal(hark_seed_new(&b, NULL), 0);
    assert_int_equal(hark_seed_prf(x, a, "x", hark_span(NULL, 0), NULL), 0);
    assert_int_equal(hark_seed_prf(y, b, "x", hark_span(NULL, 0), NULL), 0);
    assert_memory_not_equal(x, y, 32);
    hark_seed_free(a);
    hark_seed_free(b);
}

/* ---- signing ---- */

/* RFC 8032 section 7.1, tests 1 to 3. */
static const struct {
    const char *seed;
    const char *key;
    const char *message;
    const char *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
};

static void test_key__rfc_8032_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rfc8032) / sizeof(rfc8032[0]); i++) {
        struct hark_seed *seed = NULL;
        struct hark_signer *signer = NULL;
        uint8_t bytes[HARK_SEED_SIZE];
        uint8_t message[2];
        uint8_t signature[HARK_SIGNATURE_SIZE];
        struct hark_span m = {message, strlen(rfc8032[i].message) / 2};
        assert_int_equal(hark_hex_decode(bytes, 32, hark_span_str(rfc8032[i].seed), NULL), 0);
        assert_int_equal(hark_hex_decode(message, m.size, hark_span_str(rfc8032[i].message), NULL),
                         0);
        assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
        assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
        assert_hex(hark_signer_key(signer)->bytes, 32, rfc8032[i].key);
        assert_int_equal(hark_signer_sign(signer, m, signature, NULL), 0);
        assert_hex(signature, 64, rfc8032[i].signature);
        assert_true(hark_verify(hark_signer_key(signer), m, signature));
        assert_true(hark_verify_plainly(hark_signer_key(signer), m, signature));
        hark_signer_free(signer);
        hark_seed_free(seed);
    }
    hark_signer_free(NULL);
}

/* Made with group arithmetic written for it: the equation of PROTOCOL.md 2.4 (or,
 * where the name says so, the one with the cofactor) holds for nearly all of them,
 * so that each is refused by the one rule that it breaks. Nobody can make R or A
 * non-canonical without making it of small order too. */
static const struct {
    const char *what;
    bool good;
    const char *message;
    const char *key;
    const char *signature;
} crafted[] = {
    {"an ordinary one", true, "m 0",
     "2205bb0a4849c4ae5a5046edf702ddc18a26e3815d2464784edf5d17100a0f82",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "2eb80153a8af200242082389f0517a8dc30ff1c82b976c645da996819d51870b"},
    {"the same with S + L", false, "m 0",
     "2205bb0a4849c4ae5a5046edf702ddc18a26e3815d2464784edf5d17100a0f82",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "1b8cf7afc212335a18a51a2ccf4b59a2c30ff1c82b976c645da996819d51871b"},
    {"A is the identity", false, "m 0",
     "0100000000000000000000000000000000000000000000000000000000000000",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"A is the identity as p + 1", false, "m 0",
     "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"A is the identity with a sign", false, "m 0",
     "0100000000000000000000000000000000000000000000000000000000000080",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"A of order 8", false, "m 3",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"A of order 8, other sign", false, "m 0",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"A of order 8, other y", false, "m 4",
     "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"A of order 4", false, "m 0",
     "0000000000000000000000000000000000000000000000000000000000000080",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"A of order 2", false, "m 3",
     "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "e6bda661990a61d3a9f0b298772696b56fa369e11bffbdaa139853fe8fa9700d"},
    {"R is the identity", false, "m 0",
     "2205bb0a4849c4ae5a5046edf702ddc18a26e3815d2464784edf5d17100a0f82",
     "0100000000000000000000000000000000000000000000000000000000000000"
     "9655d503e4dcdea4cba35b25a9486233fa17cec0146b4978471bf6301fcff70a"},
    {"R is the identity as p + 1", false, "m 0",
     "2205bb0a4849c4ae5a5046edf702ddc18a26e3815d2464784edf5d17100a0f82",
     "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
     "70979054399a984e2e6d333a0c9aa0928fd39ca158ff325edba113c1cb5a580a"},
    {"R of order 8", false, "m 4",
     "b2209028e508602b718188dc2bb6215fea15b3fc62e951b37ad0d08033113cb9",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
     "746ed68b2584d301e10c7afe13e519bdef71d3816854371c0204ba8793b5260c"},
    {"R of order 4", false, "m 9",
     "b2209028e508602b718188dc2bb6215fea15b3fc62e951b37ad0d08033113cb9",
     "0000000000000000000000000000000000000000000000000000000000000080"
     "09ef3433661ec2cbfd00b545c3112cb264e3d962b7619a7d3e7e6bfd6ca17209"},
    {"R of order 2", false, "m 9",
     "b2209028e508602b718188dc2bb6215fea15b3fc62e951b37ad0d08033113cb9",
     "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
     "cb0229d86a959769197b26a5f41d82457f405f3b8bd549b51c7e195806206305"},
    {"A of mixed order, h divisible by 8", true, "m 2",
     "b2209028e508602b718188dc2bb6215fea15b3fc62e951b37ad0d08033113cb9",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "3792d90dcdc1034b1a91109c6ed7cad2b045948b482d79e5bb3e66ea2ba38609"},
    {"A and R of mixed order that cancel", true, "m 4",
     "b2209028e508602b718188dc2bb6215fea15b3fc62e951b37ad0d08033113cb9",
     "e74d8c4f2025f51af29ebb60c8bb19ac9367824d37fab4ecd957b4ed056adf70"
     "e12bd195ee47a877b32637df33cf67250492da4aa38ab399b049369570cd8101"},
    {"A of mixed order, holds with the cofactor only", false, "m 0",
     "b2209028e508602b718188dc2bb6215fea15b3fc62e951b37ad0d08033113cb9",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "91322843cec43d6a4772bbf6aefa8bb1d5d82b49f0bd4404d9ad0007c39a7f06"},
    {"R of mixed order, holds with the cofactor only", false, "m 0",
     "2205bb0a4849c4ae5a5046edf702ddc18a26e3815d2464784edf5d17100a0f82",
     "e74d8c4f2025f51af29ebb60c8bb19ac9367824d37fab4ecd957b4ed056adf70"
     "f6053c70e0b858f253f72ca59e2905eb406ee890e4d7dfa25e498f867dd15a03"},
    {"A is not on the curve", false, "m 0",
     "0200000000000000000000000000000000000000000000000000000000000000",
     "96e489b77331edbb24c646daf921e8756f619262a0aeefb658b70fe91de6a488"
     "1a345975126cecef6c20887c539bdf2c255331734f5d3a810216ddf74e9efc02"},
};

static void test_key__crafted_signatures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
        struct hark_key key;
        uint8_t signature[HARK_SIGNATURE_SIZE];
        struct hark_span m = hark_span_str(crafted[i].message);
        assert_int_equal(hark_key_from_hex(&key, hark_span_str(crafted[i].key), NULL), 0);
        assert_int_equal(hark_hex_decode(signature, 64, hark_span_str(crafted[i].signature), NULL),
                         0);
        if (hark_verify(&key, m, signature) != crafted[i].good) {
            fail_msg("hark_verify: %s", crafted[i].what);
        }
        if (hark_verify_plainly(&key, m, signature) != crafted[i].good) {
            fail_msg("hark_verify_plainly: %s", crafted[i].what);
        }
    }
}

/* Not one bit of signature, key or message is without meaning. */
static void test_key__every_bit_counts(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_of(3);
    struct hark_key key = *hark_signer_key(signer);
    uint8_t message[4] = {'h', 'a', 'r', 'k'};
    uint8_t signature[HARK_SIGNATURE_SIZE];
    struct hark_span m = {message, sizeof(message)};
    assert_int_equal(hark_signer_sign(signer, m, signature, NULL), 0);
    for (size_t bit = 0; bit < 8 * (sizeof(signature) + sizeof(key.bytes) + sizeof(message));
         bit++) {
        size_t at = bit / 8;
        uint8_t *byte = at < 64   ? &signature[at]
                        : at < 96 ? &key.bytes[at - 64]
                                  : &message[at - 96];
        uint8_t flip = (uint8_t)(1u << bit % 8);
        *byte ^= flip;
        assert_false(hark_verify(&key, m, signature));
        if (bit % 8 == 7) { /* the slow way for one bit a byte */
            assert_false(hark_verify_plainly(&key, m, signature));
        }
        *byte ^= flip;
    }
    assert_true(hark_verify(&key, m, signature));
    hark_signer_free(signer);
}

/* The two ways agree on honest signatures of many keys and messages. */
static void test_key__both_ways_agree(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 40; i++) {
        struct hark_signer *signer = signer_of(i);
        uint8_t message[100];
        uint8_t signature[HARK_SIGNATURE_SIZE];
        hark_random(message, sizeof(message));
        struct hark_span m = {message, i};
        assert_int_equal(hark_signer_sign(signer, m, signature, NULL), 0);
        assert_true(hark_verify(hark_signer_key(signer), m, signature));
        assert_true(hark_verify_plainly(hark_signer_key(signer), m, signature));
        hark_signer_free(signer);
    }
}

static void test_key__hex_both_ways(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_of(0);
    struct hark_key key;
    char hex[2 * HARK_KEY_SIZE + 1];
    hark_key_hex(hex, hark_signer_key(signer));
    assert_int_equal(hark_key_from_hex(&key, hark_span_str(hex), NULL), 0);
    assert_true(hark_key_equal(&key, hark_signer_key(signer)));
    key.bytes[31] ^= 1;
    assert_false(hark_key_equal(&key, hark_signer_key(signer)));
    assert_int_equal(hark_key_from_hex(&key, hark_span(hex, 62), NULL), HARK_E_HEX);
    hark_signer_free(signer);
}

/* ---- many keys ---- */

/* More than one slab of them; none may share its memory with another. */
static void test_key__many_keys_live_at_once(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    static struct hark_signer *signers[COUNT];
    struct hark_seed *seed = seed_of(9);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            struct hark_seed *child = NULL;
            assert_int_equal(hark_seed_derive(&child, seed, "row", hark_span(&i, sizeof(i)), NULL),
                             0);
            assert_int_equal(hark_signer_new(&signers[i], child, NULL), 0);
            hark_seed_free(child);
        }
        for (uint32_t i = 0; i < COUNT; i += 50) {
            struct hark_seed *child = NULL;
            struct hark_signer *again = NULL;
            assert_int_equal(hark_seed_derive(&child, seed, "row", hark_span(&i, sizeof(i)), NULL),
                             0);
            assert_int_equal(hark_signer_new(&again, child, NULL), 0);
            assert_true(hark_key_equal(hark_signer_key(again), hark_signer_key(signers[i])));
            hark_signer_free(again);
            hark_seed_free(child);
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            hark_signer_free(signers[i]);
        }
    }
    hark_seed_free(seed);
}

static void *make_keys(void *arg)
{
    const struct hark_signer *shared = arg;
    const struct hark_span m = {.data = (const uint8_t *)"m", .size = 1};
    uint8_t first[HARK_SIGNATURE_SIZE];
    bool good = hark_signer_sign(shared, m, first, NULL) == 0;
    for (int i = 0; good && i < 50; i++) {
        struct hark_seed *seed = NULL;
        struct hark_signer *signer = NULL;
        uint8_t signature[HARK_SIGNATURE_SIZE];
        good = hark_seed_new(&seed, NULL) == 0 && hark_signer_new(&signer, seed, NULL) == 0 &&
               hark_signer_sign(signer, m, signature, NULL) == 0 &&
               hark_verify(hark_signer_key(signer), m, signature) &&
               hark_signer_sign(shared, m, signature, NULL) == 0 &&
               memcmp(first, signature, sizeof(first)) == 0;
        hark_signer_free(signer);
        hark_seed_free(seed);
    }
    return good ? arg : NULL;
}

/* cmocka's asserts belong to the main thread; threads answer by what they return. */
static void test_key__threads_make_and_use_keys(void **state)
{
    (void)state;
    struct hark_signer *shared = signer_of(1);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, make_keys, shared), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, shared);
    }
    hark_signer_free(shared);
}

/* ---- boxes ---- */

static struct hark_box *box_of(uint8_t first)
{
    struct hark_seed *seed = seed_of(first);
    struct hark_box *box = NULL;
    assert_int_equal(hark_box_new(&box, seed, NULL), 0);
    hark_seed_free(seed);
    return box;
}

/* RFC 7748 section 5.2: the scalar 9 on the base point, after one iteration. */
static void test_key__x25519_vector(void **state)
{
    (void)state;
    struct hark_seed *seed = NULL;
    struct hark_box *box = NULL;
    const uint8_t bytes[32] = {9};
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    assert_int_equal(hark_box_new(&box, seed, NULL), 0);
    assert_hex(hark_box_key(box)->bytes, 32,
               "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    assert_memory_equal(hark_box_secret(box), bytes, 32);
    hark_box_free(box);
    hark_box_free(NULL);
    hark_seed_free(seed);
}

static void test_key__boxes_open_for_their_key_only(void **state)
{
    (void)state;
    struct hark_box *box = box_of(1);
    struct hark_box *other = box_of(2);
    struct hark_buf sealed = hark_buf_init(1000);
    struct hark_buf plain = hark_buf_init_secret(1000);
    struct hark_err err = {0};
    assert_int_equal(hark_buf_append_str(&sealed, "head", NULL), 0);
    assert_int_equal(hark_box_seal(&sealed, hark_box_key(box), hark_span_str("secret"), NULL), 0);
    assert_int_equal(sealed.size, 4 + 6 + 48);
    struct hark_span in = hark_span(sealed.data + 4, sealed.size - 4);
    assert_int_equal(hark_box_open(&plain, other, in, &err), HARK_E_SEAL);
    assert_int_equal(err.code, HARK_E_SEAL);
    for (size_t cut = 1; cut <= in.size; cut++) {
        assert_int_equal(hark_box_open(&plain, box, hark_span(in.data, in.size - cut), NULL),
                         HARK_E_SEAL);
    }
    for (size_t i = 4; i < sealed.size; i++) {
        sealed.data[i] ^= 4;
        assert_int_equal(hark_box_open(&plain, box, in, NULL), HARK_E_SEAL);
        sealed.data[i] ^= 4;
    }
    assert_int_equal(plain.size, 0);
    assert_int_equal(hark_box_open(&plain, box, in, NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&plain), hark_span_str("secret")));
    hark_buf_free(&sealed);
    hark_buf_free(&plain);
    hark_box_free(box);
    hark_box_free(other);
}

static void test_key__box_bounds(void **state)
{
    (void)state;
    struct hark_box *box = box_of(1);
    struct hark_buf sealed = hark_buf_init(48);
    struct hark_buf plain = hark_buf_init(0);
    const struct hark_key zero = {{0}};
    assert_int_equal(hark_box_seal(&sealed, hark_box_key(box), hark_span_str("x"), NULL),
                     HARK_E_LIMIT);
    /* A recipient's key of small order: everybody could open it. */
    assert_int_equal(hark_box_seal(&sealed, &zero, hark_span(NULL, 0), NULL), HARK_E_SEAL);
    assert_int_equal(sealed.size, 0);
    assert_int_equal(hark_box_seal(&sealed, hark_box_key(box), hark_span(NULL, 0), NULL), 0);
    assert_int_equal(sealed.size, 48);
    assert_int_equal(hark_box_open(&plain, box, hark_buf_span(&sealed), NULL), 0);
    assert_int_equal(hark_box_open(&plain, box, hark_span(NULL, 0), NULL), HARK_E_SEAL);
    hark_buf_free(&sealed);
    hark_buf_free(&plain);
    hark_box_free(box);
}

/* All u of small order, on the curve and its twist, as they are written and with p added. */
static void test_key__nothing_is_sealed_to_small_orders(void **state)
{
    static const char *const SMALL[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct hark_key key;

    (void)state;
    for (size_t i = 0; i < sizeof(SMALL) / sizeof(SMALL[0]); i++) {
        struct hark_buf sealed = hark_buf_init(100);
        assert_int_equal(
            hark_hex_decode(key.bytes, sizeof(key.bytes), hark_span_str(SMALL[i]), NULL), 0);
        assert_false(hark_box_key_usable(&key));
        assert_int_equal(hark_box_seal(&sealed, &key, hark_span(NULL, 0), NULL), HARK_E_SEAL);
        key.bytes[31] |= 0x80; /* the highest bit does not count */
        assert_false(hark_box_key_usable(&key));
        hark_buf_free(&sealed);
    }
    for (uint8_t i = 1; i < 50; i++) {
        struct hark_box *box = box_of(i);
        assert_true(hark_box_key_usable(hark_box_key(box)));
        hark_box_free(box);
    }
}

static int setup(void **state)
{
    (void)state;
    return hark_crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key__derivation_vectors),
        cmocka_unit_test(test_key__derive_is_the_prf),
        cmocka_unit_test(test_key__derivations_differ),
        cmocka_unit_test(test_key__derivation_bounds),
        cmocka_unit_test(test_key__new_seeds_differ),
        cmocka_unit_test(test_key__rfc_8032_vectors),
        cmocka_unit_test(test_key__crafted_signatures),
        cmocka_unit_test(test_key__every_bit_counts),
        cmocka_unit_test(test_key__both_ways_agree),
        cmocka_unit_test(test_key__hex_both_ways),
        cmocka_unit_test(test_key__many_keys_live_at_once),
        cmocka_unit_test(test_key__threads_make_and_use_keys),
        cmocka_unit_test(test_key__x25519_vector),
        cmocka_unit_test(test_key__boxes_open_for_their_key_only),
        cmocka_unit_test(test_key__box_bounds),
        cmocka_unit_test(test_key__nothing_is_sealed_to_small_orders),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
