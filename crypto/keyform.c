/*
 * The encodings of keyfile.h; keyfile.c has the files.
 *
 * An unsealed file is OpenSSH's PROTOCOL.key:
 *
 *     "openssh-key-v1" NUL  string("none") cipher  string("none") KDF  string("")
 *     u32 1  string(public key)
 *     string: u32 check  u32 the same  string("ssh-ed25519")  string(public, 32)
 *             string(seed ‖ public, 64)  string(comment)  padding 1, 2, 3, ... to 8
 *
 * The reader takes any such file that ssh-keygen makes; a writer has one form.
 * The sealed container is Hark's own because OpenSSH's uses bcrypt and AES-CTR
 * without a MAC.
 */
#include "keyfile.h"

#include <sodium.h>
#include <string.h>

#include "secret.h"
#include "ssh_wire.h"

#define LABEL        "OPENSSH PRIVATE KEY"
#define MAGIC        "openssh-key-v1"
#define SEALED_MAGIC "hark-sealed-key 1\n"

enum {
    COMMENT_MAX = 128,
    CIPHER_BLOCK = 8, /* of the cipher "none" */
    SALT_SIZE = crypto_pwhash_argon2id_SALTBYTES,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    SEALED_SIZE = HARK_SEED_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES,
    SEAL_KEY_SIZE = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    OPSLIMIT_MIN = 1,
    OPSLIMIT_MAX = 10,
};

#define MEMLIMIT_MIN (UINT64_C(8) << 20)
#define MEMLIMIT_MAX (UINT64_C(1) << 30)

/* ---- OpenSSH: writing ---- */

static int check_comment(const char *comment, struct hark_err *err)
{
    size_t length = strlen(comment);
    bool good = length <= COMMENT_MAX;
    for (size_t i = 0; good && i < length; i++) {
        good = comment[i] >= ' ' && comment[i] <= '~';
    }
    if (good && length > 0) {
        good = comment[0] != ' ' && comment[length - 1] != ' ';
    }
    return good ? 0 : hark_err_set(err, HARK_E_USAGE, "a key's comment is printable ASCII");
}

/* The section that a cipher would encrypt. */
static int append_private(struct hark_buf *out, const struct hark_seed *seed,
                          const struct hark_key *key, const char *comment, struct hark_err *err)
{
    uint8_t check[4];
    hark_random(check, sizeof(check));
    int rc = hark_buf_append(out, check, sizeof(check), err);
    if (rc == 0) {
        rc = hark_buf_append(out, check, sizeof(check), err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_key(out, key, err);
    }
    if (rc == 0) {
        rc = hark_buf_append_u32(out, HARK_SEED_SIZE + HARK_KEY_SIZE, err);
    }
    if (rc == 0) {
        rc = hark_buf_append(out, hark_seed_bytes(seed), HARK_SEED_SIZE, err);
    }
    if (rc == 0) {
        rc = hark_buf_append(out, key->bytes, HARK_KEY_SIZE, err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_span_str(comment), err);
    }
    for (uint8_t pad = 1; rc == 0 && out->size % CIPHER_BLOCK != 0; pad++) {
        rc = hark_buf_append_byte(out, pad, err);
    }
    return rc;
}

static int append_openssh(struct hark_buf *out, const struct hark_seed *seed,
                          const struct hark_key *key, const char *comment, struct hark_err *err)
{
    struct hark_buf part = hark_buf_init_secret(HARK_KEYFILE_MAX);
    /* The NUL is part of the magic. */
    int rc = hark_buf_append(out, MAGIC, sizeof(MAGIC), err);
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_span_str("none"), err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_span_str("none"), err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_span(NULL, 0), err);
    }
    if (rc == 0) {
        rc = hark_buf_append_u32(out, 1, err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_key(&part, key, err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_buf_span(&part), err);
    }
    hark_buf_clear(&part);
    if (rc == 0) {
        rc = append_private(&part, seed, key, comment, err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_buf_span(&part), err);
    }
    hark_buf_free(&part);
    return rc;
}

static int encode_openssh(struct hark_buf *out, const struct hark_seed *seed, const char *comment,
                          struct hark_err *err)
{
    struct hark_signer *signer = NULL;
    struct hark_buf blob = hark_buf_init_secret(HARK_KEYFILE_MAX);
    int rc = check_comment(comment, err);
    if (rc == 0) {
        rc = hark_signer_new(&signer, seed, err);
    }
    if (rc == 0) {
        rc = append_openssh(&blob, seed, hark_signer_key(signer), comment, err);
    }
    if (rc == 0) {
        rc = hark_ssh_armor(out, LABEL, hark_buf_span(&blob), err);
    }
    hark_signer_free(signer);
    hark_buf_free(&blob);
    return rc;
}

/* ---- OpenSSH: reading ---- */

static bool is_padding(struct hark_span in)
{
    for (size_t i = 0; i < in.size; i++) {
        if (in.data[i] != (uint8_t)((i + 1) & 0xffu)) {
            return false;
        }
    }
    return true;
}

/* What is wrong with the private section, NULL if nothing is; `seed` borrows. */
static const char *read_private(struct hark_span in, const struct hark_key *key,
                                struct hark_span *seed)
{
    uint32_t check[2];
    struct hark_span public_key;
    struct hark_span secret;
    struct hark_span comment;
    if (in.size % CIPHER_BLOCK != 0 || !hark_take_u32(&in, &check[0]) ||
        !hark_take_u32(&in, &check[1]) || check[0] != check[1]) {
        return "its check numbers differ";
    }
    if (!hark_ssh_take_exactly(&in, HARK_SSH_ED25519) || !hark_ssh_take_string(&in, &public_key) ||
        !hark_span_equal(public_key, hark_span(key->bytes, HARK_KEY_SIZE))) {
        return "its public keys differ";
    }
    if (!hark_ssh_take_string(&in, &secret) || secret.size != HARK_SEED_SIZE + HARK_KEY_SIZE ||
        !hark_take(&secret, HARK_SEED_SIZE, seed) || !hark_span_equal(secret, public_key)) {
        return "its private key has another form";
    }
    if (!hark_ssh_take_string(&in, &comment) || !is_padding(in)) {
        return "its end is damaged";
    }
    return NULL;
}

static const char *read_openssh(struct hark_span in, struct hark_key *key, struct hark_span *seed)
{
    uint32_t count = 0;
    struct hark_span private_section;
    uint8_t nul = 1;
    if (!hark_take_literal(&in, MAGIC) || !hark_take_u8(&in, &nul) || nul != 0) {
        return "its magic is not openssh-key-v1";
    }
    if (!hark_ssh_take_exactly(&in, "none") || !hark_ssh_take_exactly(&in, "none") ||
        !hark_ssh_take_exactly(&in, "")) {
        return "it is encrypted in OpenSSH's way, which Hark does not read";
    }
    if (!hark_take_u32(&in, &count) || count != 1 || !hark_ssh_take_key(&in, key)) {
        return "it does not hold one ssh-ed25519 key";
    }
    if (!hark_ssh_take_string(&in, &private_section) || in.size != 0) {
        return "it is cut or has bytes left over";
    }
    return read_private(private_section, key, seed);
}

static int decode_openssh(struct hark_seed **out, struct hark_span file, struct hark_err *err)
{
    struct hark_buf blob = hark_buf_init_secret(HARK_KEYFILE_MAX);
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;
    struct hark_key key;
    struct hark_span bytes;
    int rc = hark_ssh_dearmor(&blob, LABEL, file, err);
    if (rc == HARK_E_BASE64 || rc == HARK_E_LIMIT) {
        rc = hark_err_set(err, HARK_E_KEY_FORM, "not a key file: %s",
                          err == NULL ? "" : err->message);
    }
    if (rc != 0) {
        goto out;
    }
    const char *wrong = read_openssh(hark_buf_span(&blob), &key, &bytes);
    if (wrong != NULL) {
        rc = hark_err_set(err, HARK_E_KEY_FORM, "not a key file of Hark's: %s", wrong);
        goto out;
    }
    rc = hark_seed_from_bytes(&seed, bytes.data, err);
    if (rc == 0) {
        rc = hark_signer_new(&signer, seed, err);
    }
    /* A damaged seed would otherwise quietly become somebody nobody knows. */
    if (rc == 0 && !hark_key_equal(&key, hark_signer_key(signer))) {
        rc = hark_err_set(err, HARK_E_KEY_FORM, "a damaged key file: its public key is another's");
    }
    if (rc == 0) {
        *out = seed;
        seed = NULL;
    }
out:
    hark_signer_free(signer);
    hark_seed_free(seed);
    hark_buf_free(&blob);
    return rc;
}

/* ---- the sealed container ---- */

struct seal {
    uint64_t opslimit;
    uint64_t memlimit;
    uint8_t salt[SALT_SIZE];
};

static bool limits_good(uint64_t opslimit, uint64_t memlimit)
{
    return opslimit >= OPSLIMIT_MIN && opslimit <= OPSLIMIT_MAX && memlimit >= MEMLIMIT_MIN &&
           memlimit <= MEMLIMIT_MAX;
}

static int seal_key(uint8_t key[SEAL_KEY_SIZE], const struct seal *seal,
                    struct hark_span passphrase, struct hark_err *err)
{
    if (crypto_pwhash(key, SEAL_KEY_SIZE, (const char *)passphrase.data, passphrase.size,
                      seal->salt, seal->opslimit, (size_t)seal->memlimit,
                      crypto_pwhash_ALG_ARGON2ID13) != 0) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for Argon2id (it takes %llu MiB)",
                            (unsigned long long)(seal->memlimit >> 20));
    }
    return 0;
}

int hark_keyfile_seal(struct hark_buf *out, const struct hark_seed *seed,
                      struct hark_span passphrase, uint64_t opslimit, uint64_t memlimit,
                      struct hark_err *err)
{
    uint8_t key[SEAL_KEY_SIZE];
    uint8_t sealed[NONCE_SIZE + SEALED_SIZE];
    struct seal seal = {.opslimit = opslimit, .memlimit = memlimit};
    struct hark_buf head = hark_buf_init(HARK_KEYFILE_MAX);
    int rc = 0;
    if (passphrase.size == 0 || !limits_good(opslimit, memlimit)) {
        return hark_err_set(err, HARK_E_USAGE, "sealing needs a passphrase and sound limits");
    }
    hark_random(seal.salt, sizeof(seal.salt));
    hark_random(sealed, NONCE_SIZE);
    char salt_hex[2 * SALT_SIZE + 1];
    hark_hex_encode(salt_hex, seal.salt, SALT_SIZE);
    rc = hark_buf_printf(&head, err, SEALED_MAGIC "argon2id13 %llu %llu %s\n",
                         (unsigned long long)opslimit, (unsigned long long)memlimit, salt_hex);
    if (rc == 0) {
        rc = seal_key(key, &seal, passphrase, err);
    }
    if (rc != 0) {
        goto out;
    }
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_SIZE, NULL,
                                                     hark_seed_bytes(seed), HARK_SEED_SIZE,
                                                     head.data, head.size, NULL, sealed, key);
    rc = hark_buf_append_span(out, hark_buf_span(&head), err);
    if (rc == 0) {
        rc = hark_base64_encode(out, hark_span(sealed, sizeof(sealed)), err);
    }
    if (rc == 0) {
        rc = hark_buf_append_byte(out, '\n', err);
    }
out:
    hark_wipe(key, sizeof(key));
    hark_buf_free(&head);
    return rc;
}

/* "argon2id13 <opslimit> <memlimit> <salt>" */
static bool read_limits(struct seal *out, struct hark_span line)
{
    uint64_t *numbers[2] = {&out->opslimit, &out->memlimit};
    if (!hark_take_literal(&line, "argon2id13 ")) {
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *space = line.size == 0 ? NULL : memchr(line.data, ' ', line.size);
        struct hark_span digits;
        if (space == NULL || !hark_take(&line, (size_t)(space - line.data), &digits) ||
            hark_decimal_decode(numbers[i], digits, MEMLIMIT_MAX, NULL) != 0 ||
            !hark_take_literal(&line, " ")) {
            return false;
        }
    }
    return limits_good(out->opslimit, out->memlimit) &&
           hark_hex_decode(out->salt, SALT_SIZE, line, NULL) == 0;
}

/* `head` is the first two lines, `sealed` is nonce and ciphertext. */
static bool read_sealed(struct seal *seal, struct hark_span *head, struct hark_buf *sealed,
                        struct hark_span file)
{
    struct hark_span rest = file;
    struct hark_span line;
    if (!hark_take_literal(&rest, SEALED_MAGIC) || !hark_take_line(&rest, &line) ||
        !read_limits(seal, line)) {
        return false;
    }
    *head = hark_span(file.data, file.size - rest.size);
    return hark_take_line(&rest, &line) && rest.size == 0 &&
           hark_base64_decode(sealed, line, NULL) == 0 && sealed->size == NONCE_SIZE + SEALED_SIZE;
}

static int decode_sealed(struct hark_seed **out, struct hark_span file, struct hark_span passphrase,
                         struct hark_err *err)
{
    uint8_t key[SEAL_KEY_SIZE] = {0};
    uint8_t bytes[HARK_SEED_SIZE] = {0};
    struct hark_buf sealed = hark_buf_init(HARK_KEYFILE_MAX);
    struct hark_span head;
    struct seal seal;
    int rc = 0;
    if (!read_sealed(&seal, &head, &sealed, file)) {
        rc = hark_err_set(err, HARK_E_KEY_FORM, "a damaged sealed key file");
        goto out;
    }
    if (passphrase.size == 0) {
        rc = hark_err_set(err, HARK_E_KEY_PASSPHRASE, "the key file is sealed with a passphrase");
        goto out;
    }
    rc = seal_key(key, &seal, passphrase, err);
    if (rc != 0) {
        goto out;
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(bytes, NULL, NULL, sealed.data + NONCE_SIZE,
                                                   SEALED_SIZE, head.data, head.size, sealed.data,
                                                   key) != 0) {
        rc = hark_err_set(err, HARK_E_KEY_PASSPHRASE, "another passphrase, or a changed key file");
        goto out;
    }
    rc = hark_seed_from_bytes(out, bytes, err);
out:
    hark_wipe(key, sizeof(key));
    hark_wipe(bytes, sizeof(bytes));
    hark_buf_free(&sealed);
    return rc;
}

/* ---- either ---- */

bool hark_keyfile_is_sealed(struct hark_span file)
{
    return hark_take_literal(&file, SEALED_MAGIC);
}

int hark_keyfile_encode(struct hark_buf *out, const struct hark_seed *seed, const char *comment,
                        struct hark_span passphrase, struct hark_err *err)
{
    if (passphrase.size == 0) {
        return encode_openssh(out, seed, comment, err);
    }
    return hark_keyfile_seal(out, seed, passphrase, crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
                             crypto_pwhash_argon2id_MEMLIMIT_MODERATE, err);
}

int hark_keyfile_decode(struct hark_seed **out, struct hark_span file, struct hark_span passphrase,
                        struct hark_err *err)
{
    *out = NULL;
    if (file.size > HARK_KEYFILE_MAX) {
        return hark_err_set(err, HARK_E_KEY_FORM, "too long for a key file");
    }
    return hark_keyfile_is_sealed(file) ? decode_sealed(out, file, passphrase, err)
                                        : decode_openssh(out, file, err);
}
