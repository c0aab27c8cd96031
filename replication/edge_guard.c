/*
 * See edge_guard.h. Connections stand in one array without order; the place of a
 * descriptor in it is kept in another, by descriptor.
 */
#include "edge_guard.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 65536
#define NOWHERE UINT32_MAX
/* Heartbeats are received and are no messages: so many bytes a second are free. */
#define FREE_BYTES_S 256u
/* Of messages up to this size the high-water mark bounds enough. */
#define SMALL 65536u
/* Rounds of ending somebody's largest connection in one check. */
#define ENDED_MAX 16u

struct connection {
    int fd;
    bool ours, known; /* known: `key` says whose it is */
    struct hark_key key;
    struct sockaddr_storage address;
    socklen_t address_size;
    uint64_t opened_ms;
    uint64_t taken;
    uint64_t pending;              /* as of the last check */
    uint64_t handed, acknowledged; /* handed over for sending since `acknowledged` bytes had
                                      arrived there */
};

struct hark_guard {
    size_t count, strangers;
    struct connection *all;
    uint32_t *places;                                     /* by descriptor */
    struct connection *order[HARK_GUARD_CONNECTIONS_MAX]; /* for a while */
};

/* ---- sockets ---- */

struct totals {
    uint64_t received, acknowledged;
};

/* False where the system does not say. */
static bool read_totals(int fd, struct totals *out)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received)) {
        return false;
    }
    out->received = info.tcpi_bytes_received;
    out->acknowledged = info.tcpi_bytes_acked;
    return true;
}

bool hark_guard_can_measure(void)
{
    struct totals totals = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool can = fd >= 0 && read_totals(fd, &totals);
    if (fd >= 0) {
        (void)close(fd);
    }
    return can;
}

/* A descriptor may have been closed, and given out again, since we were told. */
static bool still_there(const struct connection *c)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    return getpeername(c->fd, (struct sockaddr *)&address, &size) == 0 && size == c->address_size &&
           memcmp(&address, &c->address, size) == 0;
}

/* ---- the table ---- */

int hark_guard_new(struct hark_guard **out, struct hark_err *err)
{
    struct hark_guard *guard = calloc(1, sizeof(*guard));
    *out = NULL;
    if (guard != NULL) {
        guard->all = calloc(HARK_GUARD_CONNECTIONS_MAX, sizeof(*guard->all));
        guard->places = malloc(FDS_MAX * sizeof(*guard->places));
    }
    if (guard == NULL || guard->all == NULL || guard->places == NULL) {
        hark_guard_free(guard);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the table of connections");
    }
    memset(guard->places, 0xff, FDS_MAX * sizeof(*guard->places));
    *out = guard;
    return 0;
}

void hark_guard_free(struct hark_guard *guard)
{
    if (guard == NULL) {
        return;
    }
    free(guard->all);
    free(guard->places);
    free(guard);
}

size_t hark_guard_count(const struct hark_guard *guard)
{
    return guard->count;
}

static struct connection *find(const struct hark_guard *guard, int fd)
{
    if (fd < 0 || fd >= FDS_MAX || guard->places[fd] == NOWHERE) {
        return NULL;
    }
    return &guard->all[guard->places[fd]];
}

static void forget(struct hark_guard *guard, struct connection *c)
{
    struct connection *last = &guard->all[guard->count - 1];
    guard->strangers -= c->known ? 0 : 1;
    guard->places[c->fd] = NOWHERE;
    if (c != last) {
        *c = *last;
        guard->places[c->fd] = (uint32_t)(c - guard->all);
    }
    guard->count--;
}

static void end(struct hark_guard *guard, struct connection *c)
{
    if (still_there(c)) {
        (void)shutdown(c->fd, SHUT_RDWR); /* libzmq reads its end, and closes it */
    }
    forget(guard, c);
}

static bool opened_by(const struct connection *c, const struct hark_key *whose)
{
    return c->known && !c->ours && hark_key_equal(&c->key, whose);
}

void hark_guard_end(struct hark_guard *guard, int fd, const struct hark_key *whose)
{
    struct connection *c = find(guard, fd);
    if (c != NULL && opened_by(c, whose)) {
        end(guard, c);
    }
}

void hark_guard_end_all(struct hark_guard *guard, const struct hark_key *whose)
{
    for (size_t i = 0; i < guard->count;) {
        if (opened_by(&guard->all[i], whose)) {
            end(guard, &guard->all[i]); /* another has come to this place */
        } else {
            i++;
        }
    }
}

void hark_guard_closed(struct hark_guard *guard, int fd, const struct hark_key *whose)
{
    struct connection *c = find(guard, fd);
    if (c != NULL && c->ours == (whose != NULL) &&
        (whose == NULL || hark_key_equal(&c->key, whose))) {
        forget(guard, c);
    }
}

static struct connection *oldest_stranger(struct hark_guard *guard)
{
    struct connection *oldest = NULL;
    for (size_t i = 0; i < guard->count; i++) {
        struct connection *c = &guard->all[i];
        if (!c->known && (oldest == NULL || c->opened_ms < oldest->opened_ms)) {
            oldest = c;
        }
    }
    return oldest;
}

void hark_guard_opened(struct hark_guard *guard, int fd, const struct hark_key *whose,
                       uint64_t now_ms)
{
    struct connection c = {.fd = fd, .opened_ms = now_ms, .address_size = sizeof(c.address)};
    struct totals totals = {0};
    struct connection *before = find(guard, fd);
    if (before != NULL && still_there(before)) {
        return;
    }
    if (before != NULL) {
        forget(guard, before);
    }
    if (fd < 0 || getpeername(fd, (struct sockaddr *)&c.address, &c.address_size) != 0) {
        return; /* gone already */
    }
    if (fd >= FDS_MAX || guard->count == HARK_GUARD_CONNECTIONS_MAX) {
        (void)shutdown(fd, SHUT_RDWR);
        return;
    }
    if (whose != NULL) {
        c.ours = true;
        c.known = true;
        c.key = *whose;
    } else if (guard->strangers == HARK_GUARD_STRANGERS_MAX) {
        end(guard, oldest_stranger(guard));
    }
    if (read_totals(fd, &totals)) {
        c.acknowledged = totals.acknowledged;
    }
    guard->strangers += c.known ? 0 : 1;
    guard->all[guard->count] = c;
    guard->places[fd] = (uint32_t)guard->count++;
}

void hark_guard_heard(struct hark_guard *guard, int fd, const struct hark_key *whose)
{
    struct connection *c = find(guard, fd);
    if (c == NULL) {
        return;
    }
    guard->strangers -= c->known ? 0 : 1;
    c->known = true;
    c->key = *whose;
}

bool hark_guard_has(const struct hark_guard *guard, int fd, const struct hark_key *whose)
{
    const struct connection *c = find(guard, fd);
    return c != NULL && (!c->known || hark_key_equal(&c->key, whose));
}

void hark_guard_took(struct hark_guard *guard, int fd, size_t size)
{
    struct connection *c = find(guard, fd);
    if (c != NULL) {
        c->taken += size;
    }
}

/* ---- what we send ---- */

/* Of what we handed over, what has not arrived there. CURVE adds to what is sent,
 * so the difference is a little less than the truth; it begins anew whenever
 * nothing is under way. */
static uint64_t unread(struct connection *c)
{
    struct totals totals = {0};
    if (c->handed == 0 || !read_totals(c->fd, &totals)) {
        return 0;
    }
    uint64_t arrived = totals.acknowledged - c->acknowledged;
    if (arrived >= c->handed) {
        c->handed = 0;
        c->acknowledged = totals.acknowledged;
    }
    return c->handed == 0 ? 0 : c->handed - arrived;
}

bool hark_guard_may_send(struct hark_guard *guard, int fd, size_t size)
{
    struct connection *to = find(guard, fd);
    uint64_t sum = 0;
    if (to == NULL || !to->known || size <= SMALL) {
        return true;
    }
    /* Whoever opens many connections and reads none is one peer. */
    for (size_t i = 0; i < guard->count; i++) {
        struct connection *c = &guard->all[i];
        if (c->known && hark_key_equal(&c->key, &to->key)) {
            sum += unread(c);
        }
    }
    return sum == 0 || sum + size <= HARK_GUARD_UNREAD_MAX;
}

void hark_guard_sent(struct hark_guard *guard, int fd, size_t size)
{
    struct connection *c = find(guard, fd);
    if (c != NULL) {
        (void)unread(c);
        c->handed += size;
    }
}

/* ---- what comes ---- */

/* How much lies here that has not been taken. What was taken of an earlier
 * connection by this descriptor may have been counted, too: more than came never
 * counts. */
static void measure(struct connection *c, uint64_t now_ms)
{
    struct totals totals = {0};
    uint64_t free_bytes = (now_ms - c->opened_ms) * FREE_BYTES_S / 1000;
    c->pending = 0;
    if (!read_totals(c->fd, &totals)) {
        return;
    }
    if (c->taken > totals.received) {
        c->taken = totals.received;
    }
    if (totals.received - c->taken > free_bytes) {
        c->pending = totals.received - c->taken - free_bytes;
    }
}

/* By owner; strangers are one, and come first. */
static int by_owner(const void *left, const void *right)
{
    const struct connection *a = *(struct connection *const *)left;
    const struct connection *b = *(struct connection *const *)right;
    if (!a->known || !b->known) {
        return (int)a->known - (int)b->known;
    }
    return memcmp(a->key.bytes, b->key.bytes, HARK_KEY_SIZE);
}

/* The largest connection of whoever has most under way (of strangers only: of
 * theirs), so that nobody's honest message is ended for many small ones of
 * somebody else. */
static struct connection *worst_owners(struct hark_guard *guard, bool strangers_only)
{
    struct connection **order = guard->order;
    struct connection *worst = NULL;
    uint64_t worst_sum = 0;
    for (size_t i = 0; i < guard->count; i++) {
        order[i] = &guard->all[i];
    }
    qsort(order, guard->count, sizeof(struct connection *), by_owner);
    for (size_t i = 0; i < guard->count && !(strangers_only && order[i]->known);) {
        struct connection *largest = order[i];
        uint64_t sum = 0;
        size_t next = i;
        for (; next < guard->count && by_owner(&order[i], &order[next]) == 0; next++) {
            sum += order[next]->pending;
            largest = order[next]->pending > largest->pending ? order[next] : largest;
        }
        if (sum > worst_sum) {
            worst = largest;
            worst_sum = sum;
        }
        i = next;
    }
    return worst;
}

/* NULL when all is well. */
static struct connection *one_too_many(struct hark_guard *guard)
{
    uint64_t all = 0, strangers = 0;
    for (size_t i = 0; i < guard->count; i++) {
        struct connection *c = &guard->all[i];
        if (c->pending > HARK_GUARD_ONE_MAX) {
            return c;
        }
        all += c->pending;
        strangers += c->known ? 0 : c->pending;
    }
    if (strangers > HARK_GUARD_STRANGERS_SUM) {
        return worst_owners(guard, true);
    }
    return all > HARK_GUARD_ALL_SUM ? worst_owners(guard, false) : NULL;
}

void hark_guard_check(struct hark_guard *guard, uint64_t now_ms, hark_guard_ended_fn *ended,
                      void *arg)
{
    for (size_t i = 0; i < guard->count; i++) {
        measure(&guard->all[i], now_ms);
    }
    for (unsigned i = 0; i < ENDED_MAX; i++) {
        struct connection *c = one_too_many(guard);
        if (c == NULL) {
            return;
        }
        struct connection gone = *c;
        end(guard, c);
        ended(arg, gone.fd, gone.known ? &gone.key : NULL, gone.ours);
    }
}
