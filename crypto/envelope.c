/*
 * XChaCha20-Poly1305 does not commit to its key: who knows two keys can make one ciphertext
 * that opens under both, to two contents. So the envelope names a hash of its key, which is
 * compared before anything is decrypted.
 *
 * The plaintext is put together, encrypted and decrypted in the place of the ciphertext or of
 * the content: no copy of it is left anywhere else.
 */
#include "envelope.h"

#include <sodium.h>
#include <string.h>

#include "secret.h"

#define LENGTH_SIZE 4u
#define BLOCK       64u  /* plaintexts are multiples of it */
#define PLAIN_MIN   512u /* bytes */
#define TAG_SIZE    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define AROUND      (HARK_ENVELOPE_HEAD_SIZE + TAG_SIZE) /* what is not plaintext */

_Static_assert(HARK_ENVELOPE_HEAD_SIZE ==
                   1 + 4 + HARK_ENVELOPE_NONCE_SIZE + HARK_ENVELOPE_COMMITMENT_SIZE,
               "the head's fields");
_Static_assert(HARK_ENVELOPE_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
               "a nonce has 24 bytes");
_Static_assert(HARK_ENVELOPE_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES &&
                   HARK_ENVELOPE_KEY_SIZE == HARK_SEED_SIZE,
               "an entry's key has 32 bytes");
_Static_assert(HARK_ENVELOPE_MIN == AROUND + PLAIN_MIN, "the smallest envelope");
_Static_assert(HARK_ENVELOPE_MAX == AROUND + HARK_ENVELOPE_PLAIN_MAX, "the largest envelope");
_Static_assert(HARK_ENVELOPE_CONTENT_MAX == HARK_ENVELOPE_PLAIN_MAX - LENGTH_SIZE, "its content");
_Static_assert(HARK_ENVELOPE_PLAIN_MAX % BLOCK == 0 && HARK_ENVELOPE_MAX + BLOCK > 65536,
               "no larger one fits into a payload");

/* ---- form ---- */

/* Of a plaintext with so much content; 0: there is none. */
static size_t plain_size(size_t content_size)
{
    if (content_size == 0 || content_size > HARK_ENVELOPE_CONTENT_MAX) {
        return 0;
    }
    size_t size = (LENGTH_SIZE + content_size + BLOCK - 1) / BLOCK * BLOCK;
    return size < PLAIN_MIN ? PLAIN_MIN : size;
}

size_t hark_envelope_size(size_t content_size)
{
    size_t size = plain_size(content_size);
    return size == 0 ? 0 : AROUND + size;
}

int hark_envelope_read(struct hark_envelope_head *out, struct hark_span envelope,
                       struct hark_err *err)
{
    struct hark_span in = envelope;
    struct hark_span nonce;
    struct hark_span commitment;
    uint8_t version = 0;
    memset(out, 0, sizeof(*out));
    if (hark_take_u8(&in, &version) && version != HARK_ENVELOPE_VERSION) {
        return hark_err_set(err, HARK_E_ENVELOPE_VERSION,
                            "an envelope of version %u, not of version 1", (unsigned)version);
    }
    if (envelope.size < HARK_ENVELOPE_MIN || envelope.size > HARK_ENVELOPE_MAX ||
        (envelope.size - AROUND) % BLOCK != 0 || !hark_take_u32(&in, &out->epoch) ||
        !hark_take(&in, HARK_ENVELOPE_NONCE_SIZE, &nonce) ||
        !hark_take(&in, HARK_ENVELOPE_COMMITMENT_SIZE, &commitment)) {
        return hark_err_set(err, HARK_E_ENVELOPE_FORM, "no envelope has %zu bytes", envelope.size);
    }
    memcpy(out->nonce, nonce.data, nonce.size);
    memcpy(out->commitment, commitment.data, commitment.size);
    return 0;
}

static int commitment_of(uint8_t out[HARK_ENVELOPE_COMMITMENT_SIZE], const struct hark_seed *key,
                         struct hark_err *err)
{
    return hark_seed_prf(out, key, "commitment", hark_span(NULL, 0), err);
}

/* ---- sealing ---- */

/* `to`: room for the whole envelope; key: of the entry. */
static int put_envelope(uint8_t *to, const struct hark_seed *key, uint32_t epoch,
                        const uint8_t *nonce, struct hark_span headers, struct hark_span content,
                        struct hark_err *err)
{
    uint8_t *plain = to + HARK_ENVELOPE_HEAD_SIZE;
    size_t size = plain_size(content.size);
    to[0] = HARK_ENVELOPE_VERSION;
    hark_put_u32(to + 1, epoch);
    memcpy(to + 5, nonce, HARK_ENVELOPE_NONCE_SIZE);
    int rc = commitment_of(to + 5 + HARK_ENVELOPE_NONCE_SIZE, key, err);
    if (rc != 0) {
        return rc;
    }
    hark_put_u32(plain, (uint32_t)content.size);
    memcpy(plain + LENGTH_SIZE, content.data, content.size);
    memset(plain + LENGTH_SIZE + content.size, 0, size - LENGTH_SIZE - content.size);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain, NULL, plain, size, headers.data, headers.size, NULL, nonce, hark_seed_bytes(key));
    return 0;
}

int hark_envelope_seal_with(struct hark_buf *out, const struct hark_epoch *epoch,
                            const struct hark_envelope_entry *entry,
                            const uint8_t nonce[HARK_ENVELOPE_NONCE_SIZE], struct hark_span content,
                            struct hark_err *err)
{
    struct hark_seed *key = NULL;
    size_t size = hark_envelope_size(content.size);
    if (size == 0) {
        return hark_err_set(err, HARK_E_LIMIT, "an envelope holds 1 to %u bytes, not %zu",
                            HARK_ENVELOPE_CONTENT_MAX, content.size);
    }
    int rc = hark_buf_reserve(out, size, err);
    if (rc == 0) {
        rc = hark_epoch_entry_key(&key, epoch, &entry->author, entry->seq, nonce, err);
    }
    if (rc == 0) {
        rc = put_envelope(out->data + out->size, key, hark_epoch_number(epoch), nonce,
                          entry->headers, content, err);
    }
    if (rc == 0) {
        out->size += size;
    }
    hark_seed_free(key);
    return rc;
}

int hark_envelope_seal(struct hark_buf *out, const struct hark_epoch *epoch,
                       const struct hark_envelope_entry *entry, struct hark_span content,
                       struct hark_err *err)
{
    uint8_t nonce[HARK_ENVELOPE_NONCE_SIZE];
    hark_random(nonce, sizeof(nonce));
    return hark_envelope_seal_with(out, epoch, entry, nonce, content, err);
}

/* ---- opening ---- */

static int check_key(const struct hark_envelope_head *head, const struct hark_seed *key,
                     struct hark_err *err)
{
    uint8_t own[HARK_ENVELOPE_COMMITMENT_SIZE];
    int rc = commitment_of(own, key, err);
    if (rc == 0 && !hark_equal(own, head->commitment, sizeof(own))) {
        rc = hark_err_set(err, HARK_E_ENVELOPE_KEY, "the envelope is not by this key");
    }
    return rc;
}

int hark_envelope_key(struct hark_seed **out, const struct hark_epoch *epoch,
                      const struct hark_key *author, uint64_t seq, struct hark_span envelope,
                      struct hark_err *err)
{
    struct hark_envelope_head head;
    *out = NULL;
    int rc = hark_envelope_read(&head, envelope, err);
    if (rc == 0 && head.epoch != hark_epoch_number(epoch)) {
        rc = hark_err_set(err, HARK_E_ENVELOPE_KEY,
                          "an envelope of epoch %lu, and the key is of epoch %lu",
                          (unsigned long)head.epoch, (unsigned long)hark_epoch_number(epoch));
    }
    if (rc == 0) {
        rc = hark_epoch_entry_key(out, epoch, author, seq, head.nonce, err);
    }
    if (rc == 0) {
        rc = check_key(&head, *out, err);
    }
    if (rc != 0) {
        hark_seed_free(*out);
        *out = NULL;
    }
    return rc;
}

void hark_envelope_disclose(uint8_t out[HARK_ENVELOPE_KEY_SIZE], const struct hark_seed *key)
{
    memcpy(out, hark_seed_bytes(key), HARK_ENVELOPE_KEY_SIZE);
}

/* Is it what a content of its own length is padded to? Then *content is that length. */
static bool is_padded(const uint8_t *plain, size_t size, size_t *content)
{
    *content = hark_get_u32(plain);
    if (plain_size(*content) != size) {
        return false;
    }
    size_t used = LENGTH_SIZE + *content;
    return sodium_is_zero(plain + used, size - used) != 0;
}

/* The head was read, and the key is the one that it commits to. */
static int open_plain(struct hark_buf *out, const struct hark_seed *key, const uint8_t *nonce,
                      struct hark_span headers, struct hark_span envelope, struct hark_err *err)
{
    size_t size = envelope.size - AROUND;
    size_t content = 0;
    int rc = hark_buf_reserve(out, size, err);
    if (rc != 0) {
        return rc;
    }
    uint8_t *plain = out->data + out->size;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain, NULL, NULL, envelope.data + HARK_ENVELOPE_HEAD_SIZE, size + TAG_SIZE,
            headers.data, headers.size, nonce, hark_seed_bytes(key)) != 0) {
        return hark_err_set(err, HARK_E_ENVELOPE_SEAL,
                            "the envelope was changed, or is another entry's");
    }
    if (!is_padded(plain, size, &content)) {
        hark_wipe(plain, size);
        return hark_err_set(err, HARK_E_ENVELOPE_PADDING, "an envelope with another padding");
    }
    memmove(plain, plain + LENGTH_SIZE, content);
    hark_wipe(plain + content, size - content);
    out->size += content;
    return 0;
}

int hark_envelope_open(struct hark_buf *out, const struct hark_seed *key, struct hark_span headers,
                       struct hark_span envelope, struct hark_err *err)
{
    struct hark_envelope_head head;
    int rc = hark_envelope_read(&head, envelope, err);
    if (rc == 0) {
        rc = check_key(&head, key, err);
    }
    return rc != 0 ? rc : open_plain(out, key, head.nonce, headers, envelope, err);
}

int hark_envelope_open_in(struct hark_buf *out, const struct hark_epoch *epoch,
                          const struct hark_envelope_entry *entry, struct hark_span envelope,
                          struct hark_err *err)
{
    struct hark_envelope_head head;
    struct hark_seed *key = NULL;
    int rc = hark_envelope_read(&head, envelope, err);
    if (rc == 0) {
        rc = hark_envelope_key(&key, epoch, &entry->author, entry->seq, envelope, err);
    }
    if (rc == 0) {
        rc = open_plain(out, key, head.nonce, entry->headers, envelope, err);
    }
    hark_seed_free(key);
    return rc;
}
