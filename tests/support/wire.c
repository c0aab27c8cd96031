/*
 * A switch for Ethernet frames, in user space: joins network namespaces by a tap
 * device in each, and delays, loses and cuts as it is told, where the kernel's
 * own netem is not to be had. tests/e2e/nets.sh drives it.
 *
 *   wire serve SOCKET NAME=NETNS...   makes the device "net0" in each namespace
 *                                     (NETNS: a path, /run/netns/NAME), forwards
 *                                     until ended; prints "ready" when it does
 *   wire tell SOCKET WORD...          tells the one that serves, prints its answer:
 *       delay NAME MS       what NAME sends takes so much longer (0 to 10,000)
 *       loss NAME PERCENT   so many of its frames are lost (0 to 100)
 *       cut NAME, heal NAME nothing goes to it or comes from it, until healed
 *       stats               a line of JSON for each port: how many frames were sent,
 *                           delivered, lost, cut, dropped since the queue was full,
 *                           and for how long they were held in all
 *
 * Frames keep their order. A port's queue holds QUEUE frames; what comes when it is
 * full is dropped, as a switch does. Chance is seeded with 1: it depends on nothing
 * but the order of the frames.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PORTS      32
#define QUEUE      1024
#define FRAME_MAX  1536
#define FRAME_MIN  14 /* two addresses and a type */
#define ADDRESS    6
#define LABEL_MAX  31
#define REPLY_MAX  8192
#define NS_PER_MS  1000000u
#define READ_BURST 64 /* frames of one port in a row */

struct frame {
    uint64_t due_ns, came_ns;
    size_t size;
    uint8_t bytes[FRAME_MAX];
};

struct port {
    char name[LABEL_MAX + 1];
    int fd;
    uint8_t address[ADDRESS]; /* who was heard from here last */
    bool heard, cut;
    unsigned delay_ms, loss_percent;
    struct frame *queue; /* a ring of QUEUE, by due time */
    size_t first, count;
    uint64_t last_due_ns;
    uint64_t sent, delivered, lost, cut_off, full, held_ns;
};

static struct port ports[PORTS];
static size_t port_count;
static uint64_t chance = 1;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        die("clock_gettime");
    return (uint64_t)t.tv_sec * 1000u * NS_PER_MS + (uint64_t)t.tv_nsec;
}

/* xorshift64* */
static unsigned percent(void)
{
    chance ^= chance >> 12;
    chance ^= chance << 25;
    chance ^= chance >> 27;
    return (unsigned)((chance * 2685821657736338717u) >> 33) % 100u;
}

/* --- ports ----------------------------------------------------------------------- */

static int open_tap(const char *netns)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int ns = open(netns, O_RDONLY | O_CLOEXEC), fd;

    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
        die(netns);
    (void)close(ns);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        die("/dev/net/tun");
    memcpy(request.ifr_name, "net0", sizeof("net0"));
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        die("a tap device");
    return fd;
}

static void add_port(const char *argument)
{
    const char *equals = strchr(argument, '=');
    size_t size = equals == NULL ? 0 : (size_t)(equals - argument);
    struct port *port = &ports[port_count];

    errno = EINVAL;
    if (size == 0 || size > LABEL_MAX || port_count == PORTS)
        die(argument);
    memcpy(port->name, argument, size);
    port->queue = calloc(QUEUE, sizeof(*port->queue));
    if (port->queue == NULL)
        die("memory");
    port->fd = open_tap(equals + 1);
    port_count++;
}

static struct port *find_port(const char *name)
{
    for (size_t i = 0; i < port_count; i++) {
        if (strcmp(ports[i].name, name) == 0)
            return &ports[i];
    }
    return NULL;
}

/* --- frames ---------------------------------------------------------------------- */

static void write_frame(struct port *from, struct port *to, const struct frame *frame)
{
    ssize_t n;

    if (to == from)
        return;
    if (to->cut) {
        from->cut_off++;
        return;
    }
    n = write(to->fd, frame->bytes, frame->size);
    if (n == (ssize_t)frame->size)
        from->delivered++;
    else
        from->full++;
}

/* To whom it is addressed; to everybody when that is everybody or unknown. */
static void deliver(struct port *from, const struct frame *frame)
{
    bool many = (frame->bytes[0] & 1u) != 0;

    for (size_t i = 0; i < port_count && !many; i++) {
        if (ports[i].heard && memcmp(ports[i].address, frame->bytes, ADDRESS) == 0) {
            write_frame(from, &ports[i], frame);
            return;
        }
    }
    for (size_t i = 0; i < port_count; i++)
        write_frame(from, &ports[i], frame);
}

static void deliver_due(struct port *port, uint64_t now)
{
    while (port->count > 0 && port->queue[port->first].due_ns <= now) {
        struct frame *frame = &port->queue[port->first];

        if (port->cut) {
            port->cut_off++;
        } else {
            port->held_ns += now - frame->came_ns;
            deliver(port, frame);
        }
        port->first = (port->first + 1) % QUEUE;
        port->count--;
    }
}

/* One frame from the device into the queue; false: there was none. */
static bool take(struct port *port, uint64_t now)
{
    struct frame *frame = &port->queue[(port->first + port->count) % QUEUE];
    uint8_t rest[FRAME_MAX];
    bool full = port->count == QUEUE;
    ssize_t n = read(port->fd, full ? rest : frame->bytes, FRAME_MAX);

    if (n < FRAME_MIN)
        return false;
    port->sent++;
    if (full) {
        port->full++;
        return true;
    }
    memcpy(port->address, frame->bytes + ADDRESS, ADDRESS);
    port->heard = true;
    if (port->cut) {
        port->cut_off++;
        return true;
    }
    if (percent() < port->loss_percent) {
        port->lost++;
        return true;
    }
    frame->size = (size_t)n;
    frame->came_ns = now;
    frame->due_ns = now + (uint64_t)port->delay_ms * NS_PER_MS;
    if (frame->due_ns < port->last_due_ns)
        frame->due_ns = port->last_due_ns;
    port->last_due_ns = frame->due_ns;
    port->count++;
    return true;
}

/* --- what it is told ------------------------------------------------------------- */

static void say_stats(char *reply)
{
    size_t at = 0;

    for (size_t i = 0; i < port_count && at < REPLY_MAX; i++) {
        const struct port *p = &ports[i];
        int n = snprintf(reply + at, REPLY_MAX - at,
                         "{\"port\":\"%s\",\"delay_ms\":%u,\"loss_percent\":%u,\"cut\":%s,"
                         "\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"lost\":%" PRIu64
                         ",\"cut_off\":%" PRIu64 ",\"full\":%" PRIu64 ",\"held_ms\":%" PRIu64 "}\n",
                         p->name, p->delay_ms, p->loss_percent, p->cut ? "true" : "false", p->sent,
                         p->delivered, p->lost, p->cut_off, p->full, p->held_ns / NS_PER_MS);

        at += n > 0 ? (size_t)n : 0;
    }
}

static bool number(const char *text, unsigned max, unsigned *out)
{
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > max)
        return false;
    *out = (unsigned)n;
    return true;
}

/* `line`: words with one space between them. False: it makes no sense. */
static bool obey(char *line, char *reply)
{
    char *word[3] = {line, NULL, NULL};
    struct port *port;

    for (int i = 1; i < 3 && word[i - 1] != NULL; i++) {
        word[i] = strchr(word[i - 1], ' ');
        if (word[i] != NULL)
            *word[i]++ = '\0';
    }
    if (strcmp(word[0], "stats") == 0 && word[1] == NULL) {
        say_stats(reply);
        return true;
    }
    port = word[1] != NULL ? find_port(word[1]) : NULL;
    if (port == NULL)
        return false;
    if (word[2] == NULL) {
        if (strcmp(word[0], "cut") != 0 && strcmp(word[0], "heal") != 0)
            return false;
        port->cut = word[0][0] == 'c';
        return true;
    }
    if (strcmp(word[0], "delay") == 0)
        return number(word[2], 10000, &port->delay_ms);
    return strcmp(word[0], "loss") == 0 && number(word[2], 100, &port->loss_percent);
}

static void answer(int listener)
{
    static char reply[REPLY_MAX];
    struct timeval patience = {.tv_sec = 1};
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char line[256];
    ssize_t n;

    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    n = recv(fd, line, sizeof(line) - 1, 0);
    if (n > 0) {
        line[n] = '\0';
        memset(reply, 0, sizeof(reply));
        if (!obey(line, reply))
            (void)snprintf(reply, sizeof(reply), "what?\n");
        /* Never empty, so that the other side can tell an answer from an end. */
        (void)send(fd, reply, strlen(reply) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    (void)close(fd);
}

/* --- serving ----------------------------------------------------------------------- */

static int make_socket(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    errno = ENAMETOOLONG;
    if (fd < 0 || size >= sizeof(address.sun_path))
        die(path);
    memcpy(address.sun_path, path, size);
    if (listens) {
        (void)unlink(path);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 16) != 0)
            die(path);
    } else if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die(path);
    }
    return fd;
}

/* Until the first frame is due; NULL: no frame waits. */
static const struct timespec *patience_of(struct timespec *out)
{
    uint64_t due = UINT64_MAX, now = now_ns();

    for (size_t i = 0; i < port_count; i++) {
        if (ports[i].count > 0 && ports[i].queue[ports[i].first].due_ns < due)
            due = ports[i].queue[ports[i].first].due_ns;
    }
    if (due == UINT64_MAX)
        return NULL;
    due = due > now ? due - now : 0;
    out->tv_sec = (time_t)(due / (1000u * NS_PER_MS));
    out->tv_nsec = (long)(due % (1000u * NS_PER_MS));
    return out;
}

static _Noreturn void serve(const char *path, char **arguments, int count)
{
    struct pollfd polled[PORTS + 1];
    struct timespec patience;
    int listener = make_socket(path, true);

    /* A test that ends leaves no switch behind. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < count; i++)
        add_port(arguments[i]);
    polled[port_count] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (size_t i = 0; i < port_count; i++)
        polled[i] = (struct pollfd){.fd = ports[i].fd, .events = POLLIN};
    (void)puts("ready");
    (void)fflush(stdout);
    for (;;) {
        if (ppoll(polled, port_count + 1, patience_of(&patience), NULL) < 0) {
            if (errno != EINTR)
                die("ppoll");
            continue;
        }
        for (size_t i = 0; i < port_count; i++) {
            uint64_t now = now_ns();

            if ((polled[i].revents & POLLIN) != 0) {
                for (int j = 0; j < READ_BURST && take(&ports[i], now); j++)
                    continue;
            }
            deliver_due(&ports[i], now_ns());
        }
        if ((polled[port_count].revents & POLLIN) != 0)
            answer(listener);
    }
}

static int tell(const char *path, char **words, int count)
{
    static char reply[REPLY_MAX];
    char line[256] = "";
    size_t at = 0;
    int fd = make_socket(path, false);

    for (int i = 0; i < count && at < sizeof(line); i++) {
        int n = snprintf(line + at, sizeof(line) - at, "%s%s", i > 0 ? " " : "", words[i]);

        at += n > 0 ? (size_t)n : 0;
    }
    errno = EINVAL;
    if (at == 0 || at >= sizeof(line) || send(fd, line, at, MSG_NOSIGNAL) != (ssize_t)at ||
        recv(fd, reply, sizeof(reply) - 1, 0) <= 0)
        die("telling");
    (void)close(fd);
    (void)fputs(reply, stdout);
    return strcmp(reply, "what?\n") == 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv + 3, argc - 3);
    if (argc > 3 && strcmp(argv[1], "tell") == 0)
        return tell(argv[2], argv + 3, argc - 3);
    (void)fputs("usage: wire serve SOCKET NAME=NETNS... | wire tell SOCKET WORD...\n", stderr);
    return 2;
}
