/*
 * See ring.h. Here: the older keys that a newcomer is given, where the policy says so. Their
 * boxes are like that of the newcomer's first key: whoever has such a key makes its box again.
 */
#include "schemas/ring_internal.h"

uint64_t hark_ring_learned(const struct hark_ring *ring)
{
    return ring->learned;
}

size_t hark_ring_runs(const struct hark_ring *ring)
{
    return ring->count;
}

const struct hark_epoch *hark_ring_run_key(const struct hark_ring *ring, size_t i)
{
    return ring->runs[i].known;
}

/* A key that is known: the box has to be its. */
static int check_known(struct hark_ring *ring, uint64_t position, const struct hark_epoch *key,
                       const struct hark_epoch_box *box, struct hark_err *err)
{
    size_t wrong = 0;
    int rc = hark_epoch_check_boxes(key, box, 1, &wrong, err);

    if (rc != HARK_E_EPOCH_KEY)
        return rc;
    hark_ring_note(&ring->found, position, hark_epoch_number(key), box->number, rc);
    return 0;
}

static int learn(struct hark_ring *ring, uint64_t position, uint32_t epoch,
                 const struct hark_epoch_box *box, struct hark_err *err)
{
    const struct hark_box *own = hark_ring_own_of(ring, &box->to);
    uint8_t bytes[HARK_EPOCH_KEY_SIZE];
    struct hark_epoch *key = NULL;
    int rc;

    if (own == NULL)
        return 0;
    rc = hark_epoch_open_box(&key, &ring->space, epoch, NULL, own, box->sealed, err);
    if (rc == 0) {
        hark_epoch_bytes(bytes, key);
        rc = hark_ring_learn(ring, epoch, bytes, err);
        hark_wipe(bytes, sizeof(bytes));
    }
    hark_epoch_free(key);
    ring->learned += rc == 0;
    if (rc != HARK_E_SEAL && rc != HARK_E_EPOCH_KEY)
        return rc;
    hark_ring_note(&ring->found, position, epoch, box->number, rc);
    return 0;
}

int hark_ring_older(struct hark_ring *ring, uint64_t position, const struct hark_ring_older *older,
                    size_t count, struct hark_err *err)
{
    size_t before = ring->found.count;
    uint64_t more = ring->found.more;
    int rc = 0;

    if (position + 1 != ring->next || count > HARK_RING_OLDER_MAX)
        return hark_err_set(err, HARK_E_INTERNAL,
                            "older keys of position %llu were fed out of the "
                            "log's order",
                            (unsigned long long)position);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct hark_epoch *key = NULL;

        if (ring->count == 0 || older[i].epoch > ring->in_force)
            return hark_err_set(err, HARK_E_INTERNAL, "an older key of an epoch that never was");
        rc = hark_ring_key(&key, ring, older[i].epoch, NULL);
        if (rc == 0)
            rc = check_known(ring, position, key, &older[i].box, err);
        else if (rc == HARK_E_EPOCH_UNKNOWN)
            rc = learn(ring, position, older[i].epoch, &older[i].box, err);
        else
            rc = hark_err_set(err, rc, "no memory for an older key");
    }
    if (rc != 0) {
        ring->found.count = before;
        ring->found.more = more;
    }
    return rc;
}
