/*
 * What it costs to seal and open an entry, and to give everybody a fresh key, beside the bare
 * calls of libsodium that neither can do without.
 *
 *   bench_sealed CONTENT COUNT MEMBERS
 *
 * Prints, in microseconds, medians of COUNT entries with CONTENT bytes each: seal and open,
 * encrypt and decrypt (the same padded bytes under a key at hand); for MEMBERS members, in
 * milliseconds: boxes (all of them made), check (all of them compared), bare (as many calls
 * of crypto_box_seal); and box_bytes, all boxes together.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/envelope.h"
#include "tests/bench/bench.h"

/* As much as an entry has, with a `Seen`. */
#define HEADERS_SIZE 500u

static struct hark_err err;

static void print_us(const char *name, double *samples, size_t count)
{
    (void)printf("%s %.3f\n", name, 1e6 * bench_percentile(samples, count, 0.5));
}

/* --- entries ---------------------------------------------------------------------------- */

struct entries {
    struct hark_epoch *epoch;
    struct hark_envelope_entry entry;
    struct hark_span content;
    struct hark_buf envelope, opened;
};

static double seal(struct entries *e)
{
    double began = bench_now();

    hark_buf_clear(&e->envelope);
    bench_need(hark_envelope_seal(&e->envelope, e->epoch, &e->entry, e->content, &err), "seal",
               &err);
    return bench_now() - began;
}

static double open_again(struct entries *e)
{
    double began;

    hark_buf_clear(&e->opened);
    began = bench_now();
    bench_need(
        hark_envelope_open_in(&e->opened, e->epoch, &e->entry, hark_buf_span(&e->envelope), &err),
        "open", &err);
    began = bench_now() - began;
    bench_require(hark_span_equal(hark_buf_span(&e->opened), e->content), "other words");
    return began;
}

/* As many bytes as the envelope has encrypted, there and back. */
static void bare(const struct entries *e, double *encrypted, double *decrypted)
{
    static uint8_t plain[HARK_ENVELOPE_MAX], sealed[HARK_ENVELOPE_MAX];
    static const uint8_t key[HARK_ENVELOPE_KEY_SIZE] = {1}, nonce[HARK_ENVELOPE_NONCE_SIZE] = {2};
    size_t size = e->envelope.size - HARK_ENVELOPE_HEAD_SIZE - 16;
    double began = bench_now();

    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed, NULL, plain, size, e->entry.headers.data, e->entry.headers.size, NULL, nonce, key);
    *encrypted = bench_now() - began;
    began = bench_now();
    bench_require(crypto_aead_xchacha20poly1305_ietf_decrypt(
                      plain, NULL, NULL, sealed, size + 16, e->entry.headers.data,
                      e->entry.headers.size, nonce, key) == 0,
                  "it does not open");
    *decrypted = bench_now() - began;
}

static void entries(struct hark_epoch *epoch, size_t size, size_t count)
{
    static uint8_t content[HARK_ENVELOPE_CONTENT_MAX], headers[HEADERS_SIZE];
    struct entries e = {.epoch = epoch,
                        .entry = {.author = {{1}}, .headers = hark_span(headers, HEADERS_SIZE)},
                        .content = hark_span(content, size),
                        .envelope = hark_buf_init(HARK_ENVELOPE_MAX),
                        .opened = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX)};
    double *samples[4];

    for (size_t i = 0; i < 4; i++) {
        samples[i] = calloc(count, sizeof(double));
        bench_require(samples[i] != NULL, "no memory");
    }
    for (size_t i = 0; i < count; i++) {
        e.entry.seq = i + 1;
        samples[0][i] = seal(&e);
        samples[1][i] = open_again(&e);
        bare(&e, &samples[2][i], &samples[3][i]);
    }
    print_us("seal", samples[0], count);
    print_us("open", samples[1], count);
    print_us("encrypt", samples[2], count);
    print_us("decrypt", samples[3], count);
    (void)printf("envelope_bytes %zu\n", e.envelope.size);
    for (size_t i = 0; i < 4; i++)
        free(samples[i]);
    hark_buf_free(&e.envelope);
    hark_buf_free(&e.opened);
}

/* --- members ------------------------------------------------------------------------------ */

static void recipients(struct hark_epoch_box *boxes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t secret[HARK_KEY_SIZE];

        hark_random(secret, sizeof(secret));
        boxes[i].number = (uint32_t)i;
        bench_require(crypto_scalarmult_base(boxes[i].to.bytes, secret) == 0, "no key");
    }
}

static size_t part_of(size_t count, size_t at)
{
    return count - at < HARK_EPOCH_PART_MAX ? count - at : HARK_EPOCH_PART_MAX;
}

static void members(const struct hark_epoch *epoch, size_t count)
{
    struct hark_epoch_box *boxes = calloc(count, sizeof(*boxes));
    static const uint8_t key[HARK_EPOCH_KEY_SIZE] = {3};
    uint8_t sealed[HARK_EPOCH_BOX_SIZE];
    double began, made, checked;

    bench_require(boxes != NULL, "no memory");
    recipients(boxes, count);
    began = bench_now();
    for (size_t at = 0; at < count; at += HARK_EPOCH_PART_MAX)
        bench_need(hark_epoch_seal_boxes(epoch, boxes + at, part_of(count, at), &err), "boxes",
                   &err);
    made = bench_now() - began;
    began = bench_now();
    for (size_t at = 0; at < count; at += HARK_EPOCH_PART_MAX)
        bench_need(hark_epoch_check_boxes(epoch, boxes + at, part_of(count, at), NULL, &err),
                   "check", &err);
    checked = bench_now() - began;
    began = bench_now();
    for (size_t i = 0; i < count; i++)
        bench_require(crypto_box_seal(sealed, key, sizeof(key), boxes[i].to.bytes) == 0, "a seal");
    began = bench_now() - began;
    (void)printf("boxes %.3f\ncheck %.3f\nbare %.3f\nbox_bytes %zu\n", 1e3 * made, 1e3 * checked,
                 1e3 * began, count * HARK_EPOCH_BOX_SIZE);
    free(boxes);
}

int main(int argc, char **argv)
{
    static const struct hark_hash space = {{1}};
    struct hark_epoch *epoch = NULL;

    if (argc != 4) {
        (void)fputs("bench_sealed CONTENT COUNT MEMBERS\n", stderr);
        return 2;
    }
    bench_need(hark_crypto_init(&err), "crypto", &err);
    bench_need(hark_epoch_new(&epoch, &space, 1, &err), "key", &err);
    bench_require(hark_envelope_size(bench_number(argv[1])) > 0, "no such content");
    entries(epoch, bench_number(argv[1]), bench_number(argv[2]));
    members(epoch, bench_number(argv[3]));
    hark_epoch_free(epoch);
    return 0;
}
