/*
 * Envelopes from anybody, and plaintexts from a member who has the key: what opens is made
 * again byte for byte. The corpus was made under the key of tests/vectors/sealed.json, which
 * no changed input opens; so each input is also sealed as it is, as if it were a plaintext.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/envelope.h"

#define HEADERS "Hark: 1\nKind: sealed\n"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void try_head(struct hark_span input)
{
    struct hark_envelope_head head;
    int rc = hark_envelope_read(&head, input, NULL);

    if (rc != 0) {
        require(rc == HARK_E_ENVELOPE_VERSION || rc == HARK_E_ENVELOPE_FORM);
        return;
    }
    require(input.size >= HARK_ENVELOPE_MIN && input.size <= HARK_ENVELOPE_MAX);
    require(input.data[0] == HARK_ENVELOPE_VERSION && head.epoch == hark_get_u32(input.data + 1));
}

/* Opens it; what opens is the only envelope of its content. */
static bool try_open(const struct hark_epoch *epoch, const struct hark_envelope_entry *entry,
                     struct hark_span envelope)
{
    struct hark_buf out = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    struct hark_buf again = hark_buf_init(HARK_ENVELOPE_MAX);
    bool opened = hark_envelope_open_in(&out, epoch, entry, envelope, NULL) == 0;

    require(opened || out.size == 0);
    if (opened) {
        require(hark_envelope_seal_with(&again, epoch, entry, envelope.data + 5,
                                        hark_buf_span(&out), NULL) == 0);
        require(hark_span_equal(hark_buf_span(&again), envelope));
    }
    hark_buf_free(&again);
    hark_buf_free(&out);
    return opened;
}

/* Does the input say how long it is, and has zeros for the rest? Said in other words than the
 * code's. */
static bool is_plaintext(struct hark_span input)
{
    size_t used, least = 512;

    if (input.size < least || hark_get_u32(input.data) == 0)
        return false;
    used = (size_t)4 + hark_get_u32(input.data);
    while (least < used && least <= HARK_ENVELOPE_PLAIN_MAX)
        least += 64;
    for (size_t i = used; i < input.size; i++) {
        if (input.data[i] != 0)
            return false;
    }
    return input.size == least && least <= HARK_ENVELOPE_PLAIN_MAX;
}

static void try_plain(const struct hark_epoch *epoch, const struct hark_envelope_entry *entry,
                      struct hark_span input)
{
    static uint8_t bytes[HARK_ENVELOPE_MAX + 256];
    struct hark_buf head = hark_buf_init(HARK_ENVELOPE_MAX);
    uint8_t key_bytes[HARK_ENVELOPE_KEY_SIZE];
    struct hark_seed *key = NULL;

    if (input.size > HARK_ENVELOPE_PLAIN_MAX + 64)
        return;
    require(hark_envelope_seal(&head, epoch, entry, hark_span_str("x"), NULL) == 0);
    require(hark_envelope_key(&key, epoch, &entry->author, entry->seq, hark_buf_span(&head),
                              NULL) == 0);
    hark_envelope_disclose(key_bytes, key);
    memcpy(bytes, head.data, HARK_ENVELOPE_HEAD_SIZE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        bytes + HARK_ENVELOPE_HEAD_SIZE, NULL, input.data, input.size, entry->headers.data,
        entry->headers.size, NULL, bytes + 5, key_bytes);
    require(try_open(epoch, entry, hark_span(bytes, HARK_ENVELOPE_HEAD_SIZE + input.size + 16)) ==
            is_plaintext(input));
    hark_seed_free(key);
    hark_buf_free(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[HARK_EPOCH_KEY_SIZE] = {1};
    static const struct hark_hash space = {{2}};
    struct hark_span input = hark_span(data, size);
    struct hark_envelope_entry entry = {.author = {{3}}, .seq = 4};
    struct hark_epoch *epoch = NULL;

    require(hark_crypto_init(NULL) == 0);
    require(hark_epoch_from_bytes(&epoch, &space, 5, key, NULL) == 0);
    entry.headers = hark_span_str(HEADERS);
    try_head(input);
    (void)try_open(epoch, &entry, input);
    try_plain(epoch, &entry, input);
    hark_epoch_free(epoch);
    return 0;
}
