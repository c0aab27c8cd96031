/*
 * schemas/ring through the life of a group: people join, bring devices, lose them, change their
 * X25519 keys, are removed, come back; rings are kept and read again in between. By chance,
 * always the same; the seed is printed. Whoever remains has every key since it came, whoever
 * was removed none after, and nobody finds anything wrong.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/ring.h"
#include "tests/unit/ok.h"
#include "tests/unit/ring_log.h"

enum { MEMBERS = 50, DEVICES = 400, STEPS = 90, REKEYS = 8, SAMPLES = 400 };

/* One device: its key's number is its place in the list. */
struct device {
    uint32_t member;
    bool gone;
    uint32_t came, left; /* epochs: has those from `came` to before `left` */
    struct hark_box *box[REKEYS];
    size_t boxes; /* the last one is the present one */
    struct hark_ring *ring;
};

struct group {
    struct ring_log log;
    struct device devices[DEVICES];
    uint32_t count, members, active; /* devices; members ever; members now */
    uint32_t boxes;                  /* ever made */
    uint64_t chance;
};

/* splitmix64 */
static uint32_t below(struct group *group, uint32_t n)
{
    uint64_t z = group->chance += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static struct hark_ring *new_ring(const struct group *group)
{
    struct hark_ring *ring = NULL;

    OK(hark_ring_new(&ring, &group->log.space, &err));
    return ring;
}

static void own_all(struct device *device)
{
    for (size_t i = 0; i < device->boxes; i++)
        OK(hark_ring_own(device->ring, device->box[i], &err));
}

static void new_box(struct group *group, struct device *device)
{
    if (device->boxes == REKEYS)
        return;
    device->box[device->boxes] = ring_box(group->boxes++);
    OK(hark_ring_own(device->ring, device->box[device->boxes++], &err));
}

/* A device of that member's, which goes through the log from its beginning. */
static void add_device(struct group *group, uint32_t member)
{
    struct device *device = &group->devices[group->count];

    assert_true(group->count < DEVICES);
    *device = (struct device){.member = member, .came = group->log.epochs, .left = UINT32_MAX};
    device->ring = new_ring(group);
    new_box(group, device);
    (void)ring_log_join(&group->log, group->count++, hark_box_key(device->box[0]));
}

static void admit(struct group *group)
{
    if (group->active == MEMBERS)
        return;
    group->active++;
    add_device(group, group->members++);
}

/* A fresh key for all devices that are not gone, in another order each time; now and then
 * parts that are never put into force come first. */
static void fresh_key(struct group *group)
{
    static struct hark_epoch_box to[DEVICES];
    uint32_t count = 0, parts = 1 + below(group, 2);

    for (uint32_t i = 0; i < group->count; i++) {
        struct device *device = &group->devices[i];
        uint32_t at;

        if (device->gone)
            continue;
        at = below(group, count + 1);
        to[count++] = to[at];
        to[at] = (struct hark_epoch_box){.number = i,
                                         .to = *hark_box_key(device->box[device->boxes - 1])};
    }
    while (parts-- > 0)
        (void)ring_log_parts(&group->log, to, count, 1 + below(group, RING_LOG_PART_MAX));
    ring_log_force(&group->log);
}

static uint32_t devices_of(const struct group *group, uint32_t member)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < group->count; i++)
        count += group->devices[i].member == member && !group->devices[i].gone;
    return count;
}

static void lose_device(struct group *group, struct device *device)
{
    device->gone = true;
    device->left = group->log.epochs;
    fresh_key(group);
}

static void remove_member(struct group *group, uint32_t member)
{
    for (uint32_t i = 0; i < group->count; i++) {
        struct device *device = &group->devices[i];

        if (device->member != member || device->gone)
            continue;
        device->gone = true;
        device->left = group->log.epochs;
    }
    group->active--;
    fresh_key(group);
}

/* Goes on to somewhere in the log; sometimes the ring is kept there, and read again. */
static void go_on(struct group *group, struct device *device)
{
    uint64_t next = hark_ring_next(device->ring), end = group->log.count;
    struct hark_buf bytes = hark_buf_init_secret(HARK_RING_FORM_MAX);

    if (next < end && below(group, 4) == 0)
        end = next + below(group, (uint32_t)(end - next));
    ring_log_feed(device->ring, &group->log, end);
    if (below(group, 20) != 0)
        return;
    OK(hark_ring_encode(&bytes, device->ring, &err));
    hark_ring_free(device->ring);
    OK(hark_ring_decode(&device->ring, hark_buf_span(&bytes), &err));
    hark_buf_free(&bytes);
    own_all(device);
}

static void one_step(struct group *group)
{
    struct device *device = &group->devices[below(group, group->count)];
    uint32_t what = below(group, 10);

    if (device->gone || what < 4)
        admit(group);
    else if (what < 6 && group->count < DEVICES - STEPS)
        add_device(group, device->member);
    else if (what == 6)
        new_box(group, device);
    else if (what < 9 && devices_of(group, device->member) > 1)
        lose_device(group, device);
    else if (group->active > 2)
        remove_member(group, device->member);
    for (uint32_t i = 0; i < group->count; i++)
        go_on(group, &group->devices[i]);
}

/* What is found is nothing, or, by who is gone, that there is no box for it. */
static void check_found(const struct device *device)
{
    size_t count = 0;
    const struct hark_ring_finding *found = hark_ring_found(device->ring, &count, NULL);

    assert_true(count <= (device->gone ? 1 : 0));
    if (count == 1) {
        assert_int_equal(found->epoch, device->left);
        assert_int_equal(found->key, HARK_RING_NO_KEY);
        assert_int_equal(found->error, HARK_E_SEAL);
    }
}

static void check_keys(struct group *group, struct device *device)
{
    uint32_t in_force = 0;

    assert_true(hark_ring_in_force(device->ring, &in_force));
    assert_int_equal(in_force + 1, group->log.epochs);
    for (uint32_t e = 0; e < group->log.epochs; e++)
        assert_int_equal(ring_log_has(&group->log, device->ring, e),
                         e >= device->came && e < device->left);
}

/* What somebody wrote in an epoch opens to those who were there, and to nobody else. */
static void check_entry(struct group *group)
{
    uint32_t epoch = below(group, group->log.epochs);
    struct device *reader = &group->devices[below(group, group->count)];
    struct hark_entry entry = {.has_space = true, .space = group->log.space, .seq = 1 + epoch};
    struct hark_envelope_entry of = {.seq = entry.seq};
    struct hark_buf headers = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_buf envelope = hark_buf_init(HARK_ENVELOPE_MAX);
    struct hark_buf content = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    int rc;

    memcpy(entry.kind, "sealed", 7);
    OK(hark_entry_headers(&headers, &entry, &err));
    of.headers = hark_buf_span(&headers);
    OK(hark_envelope_seal(&envelope, group->log.keys[epoch], &of, hark_span_str("x"), &err));
    rc = hark_ring_open(&content, reader->ring, &entry, hark_buf_span(&envelope), epoch, epoch,
                        &err);
    assert_int_equal(rc, epoch >= reader->came && epoch < reader->left ? 0 : HARK_E_EPOCH_UNKNOWN);
    hark_buf_free(&headers);
    hark_buf_free(&envelope);
    hark_buf_free(&content);
}

static void run(uint64_t seed)
{
    static struct group group;

    printf("seed %llu\n", (unsigned long long)seed);
    memset(&group, 0, sizeof(group));
    ring_log_open(&group.log);
    group.chance = seed;
    for (uint32_t i = 0; i < MEMBERS; i++)
        admit(&group);
    for (uint32_t i = 0; i < STEPS; i++)
        one_step(&group);
    for (uint32_t i = 0; i < group.count; i++) {
        ring_log_feed(group.devices[i].ring, &group.log, group.log.count);
        check_found(&group.devices[i]);
        check_keys(&group, &group.devices[i]);
    }
    for (uint32_t i = 0; i < SAMPLES; i++)
        check_entry(&group);
    printf("%u members, %u devices, %u epochs\n", group.members, group.count, group.log.epochs);
    for (uint32_t i = 0; i < group.count; i++) {
        hark_ring_free(group.devices[i].ring);
        for (size_t k = 0; k < group.devices[i].boxes; k++)
            hark_box_free(group.devices[i].box[k]);
    }
    ring_log_close(&group.log);
}

static void test_ring_group__all_who_remain_agree(void **state)
{
    (void)state;
    run(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_group__all_who_remain_agree),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
