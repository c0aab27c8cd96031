/*
 * Rings from a disk that somebody else wrote to: what is taken is written back as it was, and
 * goes on; each key in it is of the epoch that it is asked for.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/ring.h"
#include "tests/fuzz/require.h"

static void try_key(struct hark_ring *ring, uint32_t epoch)
{
    const struct hark_epoch *key = NULL;
    int rc = hark_ring_key(&key, ring, epoch, NULL);

    require(rc == 0 || rc == HARK_E_EPOCH_UNKNOWN);
    require((key != NULL) == (rc == 0));
    require(key == NULL || hark_epoch_number(key) == epoch);
}

/* Some that are there, some that are not; and the next one. */
static void try_ring(struct hark_ring *ring)
{
    static const struct hark_epoch_box box = {.number = 3};
    static const uint8_t key[HARK_EPOCH_KEY_SIZE] = {4};
    uint32_t epoch = 0;
    bool begun = hark_ring_in_force(ring, &epoch);
    int rc;

    try_key(ring, 0);
    try_key(ring, epoch / 2);
    try_key(ring, epoch);
    rc = hark_ring_learn(ring, epoch / 2, key, NULL);
    require(rc == 0 || rc == HARK_E_EPOCH_UNKNOWN || rc == HARK_E_EPOCH_KEY);
    rc = hark_ring_join(ring, hark_ring_next(ring), begun ? epoch + 1 : 0, &box, NULL);
    require(rc == 0 || rc == HARK_E_INTERNAL);
    require(rc != 0 || (hark_ring_in_force(ring, &epoch) && hark_ring_next(ring) > 0));
    try_key(ring, epoch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span input = hark_span(data, size);
    struct hark_buf again = hark_buf_init_secret(HARK_RING_FORM_MAX);
    struct hark_ring *ring = NULL;
    int rc;

    require(hark_crypto_init(NULL) == 0);
    rc = hark_ring_decode(&ring, input, NULL);
    if (rc != 0) {
        require(ring == NULL && (rc == HARK_E_RING_FORM || rc == HARK_E_DATA_VERSION));
        return 0;
    }
    require(hark_ring_encode(&again, ring, NULL) == 0);
    require(hark_span_equal(hark_buf_span(&again), input));
    try_ring(ring);
    hark_buf_free(&again);
    hark_ring_free(ring);
    return 0;
}
