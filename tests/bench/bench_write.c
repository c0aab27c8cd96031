/*
 * How long until a post is acknowledged as durable, handed to a running daemon over
 * its local socket as `hark` does; beside it, by turns, one 4 KiB write and fdatasync
 * in the same directory. With the index of a partner's copy: also how long from
 * handing the post in until that copy can be read to hold it.
 *
 *   bench_write DIR TOPIC COUNT [INDEX SPACE]
 *
 * TOPIC is the entry that the posts are about, or @FILE: then it is votes, on the ideas
 * whose ids stand in the file, a line each.
 *
 * Prints ack, append (the write at the file's end), place (within it) and seen: each p50 and p99 in
 * milliseconds.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "crypto/key.h"
#include "node/index.h"
#include "node/local.h"
#include "node/node.h"
#include "tests/bench/bench.h"

#define BLOCK     4096u
#define LATEST_S  10.0
#define POLL_US   100u
#define IN_PLACE  64u /* blocks of the file that is written in place */
#define TEXT_SIZE 160u

static void call(const char *dir, int argc, const char *const *argv)
{
    struct hark_err err = {0};
    int fd = -1, code = 0;

    bench_need(hark_local_connect(&fd, dir, &err), dir, &err);
    bench_require(fd >= 0, "no daemon listens there");
    bench_need(hark_local_call(fd, argc, argv, dir, (struct hark_span){0}, false, &code, &err),
               argv[0], &err);
    bench_require(code == 0, "an entry was refused");
}

static void post(const char *dir, const char *topic, size_t number)
{
    char text[TEXT_SIZE];
    const char *argv[] = {"post", text, "--re", topic, "--json"};

    (void)snprintf(text, sizeof(text),
                   "%ld.%zu: a post as people write them, a line or two about what the next "
                   "light should do when it rains",
                   (long)getpid(), number);
    call(dir, 5, argv);
}

/* On the next idea of the list. */
static void vote(const char *dir, FILE *ideas)
{
    char id[80];
    const char *argv[] = {"vote", id, "agree", "--json"};

    bench_require(fgets(id, sizeof(id), ideas) != NULL, "there are not enough ideas");
    id[strcspn(id, "\n")] = '\0';
    call(dir, 4, argv);
}

struct yard {
    int appended, in_place;
    off_t at;
};

static int open_file(const char *dir, const char *name, off_t size)
{
    static const char zeros[BLOCK];
    char path[HARK_PATH_MAX];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s.%ld", dir, name, (long)getpid());
    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    bench_require(fd >= 0 && unlink(path) == 0, "a file to measure with");
    for (off_t at = 0; at < size; at += BLOCK)
        bench_require(pwrite(fd, zeros, BLOCK, at) == (ssize_t)BLOCK, "a write");
    bench_require(fsync(fd) == 0, "fsync");
    return fd;
}

static double sync_block(int fd, off_t at, size_t number)
{
    char block[BLOCK];
    double began = bench_now();

    memset(block, (int)('a' + number % 26), sizeof(block));
    bench_require(pwrite(fd, block, BLOCK, at) == (ssize_t)BLOCK && fdatasync(fd) == 0,
                  "a write and fdatasync");
    return bench_now() - began;
}

static struct hark_index *open_index(const char *path, const char *space)
{
    struct hark_index *index = NULL;
    struct hark_hash id;
    struct hark_err err = {0};

    bench_need(hark_hash_from_hex(&id, hark_span_str(space), &err), "space", &err);
    bench_need(hark_index_open(&index, path, &id, false, true, &err), path, &err);
    return index;
}

static uint64_t size_of(struct hark_index *index)
{
    struct hark_err err = {0};
    uint64_t size = 0;

    bench_need(hark_index_size(index, &size, &err), "index", &err);
    return size;
}

/* Waits until the copy holds more than `before`; from `began`. */
static double seen(struct hark_index *index, uint64_t before, double began)
{
    while (size_of(index) <= before) {
        bench_require(bench_now() < began + LATEST_S, "the partner did not come to have it");
        (void)usleep(POLL_US);
    }
    return bench_now() - began;
}

int main(int argc, char **argv)
{
    struct hark_index *index = NULL;
    struct hark_err err = {0};
    struct yard yard;
    double *times;
    size_t count;
    FILE *out, *ideas = NULL;

    if (argc != 4 && argc != 6) {
        (void)fputs("bench_write DIR TOPIC COUNT [INDEX SPACE]\n", stderr);
        return 2;
    }
    bench_need(hark_crypto_init(&err), "crypto", &err);
    count = bench_number(argv[3]);
    times = calloc(4 * (count + 1), sizeof(*times));
    bench_require(times != NULL && count > 0, "COUNT");
    if (argv[2][0] == '@') {
        ideas = fopen(argv[2] + 1, "r");
        bench_require(ideas != NULL, argv[2]);
    }
    if (argc == 6)
        index = open_index(argv[4], argv[5]);
    yard = (struct yard){.appended = open_file(argv[1], "append", 0),
                         .in_place = open_file(argv[1], "place", IN_PLACE * (off_t)BLOCK)};
    /* What the daemon prints goes nowhere. */
    out = fdopen(dup(STDOUT_FILENO), "w");
    bench_require(out != NULL && freopen("/dev/null", "w", stdout) != NULL, "standard output");
    for (size_t i = 0; i < count; i++) {
        uint64_t before = index != NULL ? size_of(index) : 0;
        double began = bench_now();

        if (ideas != NULL)
            vote(argv[1], ideas);
        else
            post(argv[1], argv[2], i);
        times[i] = bench_now() - began;
        if (index != NULL)
            times[count + i] = seen(index, before, began);
        times[2 * count + i] = sync_block(yard.appended, (off_t)(i * BLOCK), i);
        times[3 * count + i] = sync_block(yard.in_place, (off_t)(i % IN_PLACE * BLOCK), i);
    }
    bench_print_ms(out, "ack", times, count);
    if (index != NULL)
        bench_print_ms(out, "seen", times + count, count);
    bench_print_ms(out, "append", times + 2 * count, count);
    bench_print_ms(out, "place", times + 3 * count, count);
    (void)fclose(out);
    if (ideas != NULL)
        (void)fclose(ideas);
    hark_index_free(index);
    free(times);
    return 0;
}
