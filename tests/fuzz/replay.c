/*
 * Runs a fuzz target without libFuzzer, as an ordinary test: every file of a
 * corpus folder, cut short in a few places, and with a few bits turned. Always
 * the same inputs in the same order, so that a failure comes back when one
 * looks for it; the fuzzer proper is where chance belongs.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)4 << 20)
#define CUTS      16
#define FLIPS     48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each input lies in an allocation of exactly its size, so that
 * AddressSanitizer sees the first byte read too far. */
static int feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        return -1;
    if (size > 0)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

static int feed_cut(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < CUTS; i++) {
        if (feed(data, size * i / CUTS) != 0)
            return -1;
    }
    /* The last bytes are where "all consumed" goes wrong. */
    return size > 0 ? feed(data, size - 1) : 0;
}

static int feed_flipped(uint8_t *data, size_t size)
{
    uint32_t state = 0x9e3779b9U;

    for (size_t i = 0; size > 0 && i < FLIPS; i++) {
        state = state * 1664525U + 1013904223U;
        size_t at = (state >> 8) % size;
        uint8_t bit = (uint8_t)(1U << (state >> 29));
        data[at] ^= bit;
        int rc = feed(data, size);
        data[at] ^= bit;
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int read_file(const char *path, uint8_t *buf, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    *size = fread(buf, 1, INPUT_MAX, file);
    int rc = ferror(file) != 0 || fgetc(file) != EOF ? -1 : 0;
    (void)fclose(file);
    return rc;
}

/* 1 if fed, 0 if it is no regular file, -1 if it could not be read. */
static int replay_file(const char *path, uint8_t *buf)
{
    struct stat st;
    size_t size = 0;

    if (stat(path, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode))
        return 0;
    if (read_file(path, buf, &size) != 0)
        return -1;
    if (feed(buf, size) != 0 || feed_cut(buf, size) != 0 || feed_flipped(buf, size) != 0)
        return -1;
    return 1;
}

static int replay_folder(const char *folder, uint8_t *buf)
{
    struct dirent **names = NULL;
    int found = scandir(folder, &names, NULL, alphasort);
    int fed = found < 0 ? -1 : 0;

    for (int i = 0; i < found; i++) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        int rc = n > 0 && (size_t)n < sizeof path ? replay_file(path, buf) : -1;
        if (rc < 0)
            (void)fprintf(stderr, "%s: cannot be replayed: %s\n", path, strerror(errno));
        fed = fed < 0 || rc < 0 ? -1 : fed + rc;
        free(names[i]);
    }
    free(names);
    return fed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    uint8_t *buf = malloc(INPUT_MAX);
    if (buf == NULL)
        return 1;
    int fed = replay_folder(argv[1], buf);
    free(buf);
    /* An empty corpus would be a test that cannot fail. */
    if (fed <= 0) {
        (void)fprintf(stderr, "%s: %s\n", argv[1], fed == 0 ? "no inputs" : "failed");
        return 1;
    }
    (void)printf("%d inputs, %d damaged copies of each\n", fed, CUTS + 1 + FLIPS);
    return 0;
}
