/*
 * For tests that hand files to other programs: a directory of their own, files in
 * it, and shell scripts that run there. Include after cmocka.h.
 */
#ifndef HARK_TESTS_RUN_TOOL_H
#define HARK_TESTS_RUN_TOOL_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/bytes.h"

/* Runs a script in `dir`; its exit status, -1 if it did not end by itself. */
static inline int run_tool(const char *dir, const char *script)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        if (null < 0 || dup2(null, 0) < 0 || chdir(dir) != 0) {
            _exit(126);
        }
        /* What the tools print goes to files where a script wants it. */
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return -1;
    }
    return WEXITSTATUS(status);
}

/* Skips the test, and says why, where a program is missing. */
static inline void need_tool(const char *name, const char *check)
{
    if (run_tool("/", check) != 0) {
        print_message("%s is not here: what it would say of our files stays untested\n", name);
        skip();
    }
}

static inline void make_directory(char path[32])
{
    memcpy(path, "/tmp/hark-test-XXXXXX", 22);
    assert_non_null(mkdtemp(path));
}

static inline void remove_directory(const char *path)
{
    assert_memory_equal(path, "/tmp/hark-test-", 15);
    assert_int_equal(run_tool(path, "rm -rf -- \"$PWD\""), 0);
}

static inline void join_path(char *out, size_t size, const char *dir, const char *name)
{
    int n = snprintf(out, size, "%s/%s", dir, name);
    assert_true(n > 0 && (size_t)n < size);
}

static inline void write_file(const char *dir, const char *name, struct hark_span data, mode_t mode)
{
    char path[256];
    join_path(path, sizeof(path), dir, name);
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data.data, data.size), (ssize_t)data.size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

/* Appends the file to `out`. */
static inline void load_file(struct hark_buf *out, const char *dir, const char *name)
{
    char path[256];
    uint8_t block[4096];
    ssize_t n = 0;
    join_path(path, sizeof(path), dir, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    while ((n = read(fd, block, sizeof(block))) > 0) {
        assert_int_equal(hark_buf_append(out, block, (size_t)n, NULL), 0);
    }
    assert_int_equal(n, 0);
    assert_int_equal(close(fd), 0);
}

#endif
