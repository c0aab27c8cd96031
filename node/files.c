/* See files.h. */
#include "node/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schemas/config.h"

int hark_path_join(char *out, const char *dir, const char *name, struct hark_err *err)
{
    int n = snprintf(out, HARK_PATH_MAX, "%s/%s", dir, name);

    if (n < 0 || (size_t)n >= HARK_PATH_MAX)
        return hark_err_set(err, HARK_E_USAGE, "the path %s/%s is too long", dir, name);
    return 0;
}

int hark_fd_read(int fd, const char *name, struct hark_buf *out, struct hark_err *err)
{
    uint8_t chunk[16384];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        int rc;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hark_err_errno(err, errno, "reading %s", name);
        if (n == 0)
            return 0;
        rc = hark_buf_append(out, chunk, (size_t)n, err);
        hark_wipe(chunk, (size_t)n);
        if (rc < 0)
            return hark_err_wrap(err, rc, "reading %s", name);
    }
}

int hark_file_read(const char *path, struct hark_buf *out, struct hark_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return hark_err_errno(err, errno, "%s", path);
    rc = hark_fd_read(fd, path, out, err);
    (void)close(fd);
    return rc;
}

static int write_all(int fd, struct hark_span bytes, const char *path, struct hark_err *err)
{
    size_t done = 0;

    while (done < bytes.size) {
        ssize_t n = write(fd, bytes.data + done, bytes.size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hark_err_errno(err, errno, "writing %s", path);
        done += (size_t)n;
    }
    if (fsync(fd) != 0)
        return hark_err_errno(err, errno, "syncing %s", path);
    return 0;
}

int hark_file_place(const char *path, struct hark_span bytes, mode_t mode, struct hark_err *err)
{
    char temporary[HARK_PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.new", path);
    int fd, rc;

    if (n < 0 || (size_t)n >= sizeof(temporary))
        return hark_err_set(err, HARK_E_USAGE, "the path %s is too long", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return hark_err_errno(err, errno, "%s", temporary);
    rc = write_all(fd, bytes, temporary, err);
    if (close(fd) != 0 && rc == 0)
        rc = hark_err_errno(err, errno, "closing %s", temporary);
    if (rc == 0 && rename(temporary, path) != 0)
        rc = hark_err_errno(err, errno, "%s", path);
    if (rc < 0)
        (void)unlink(temporary);
    return rc;
}

int hark_file_write(const char *path, struct hark_span bytes, mode_t mode, struct hark_err *err)
{
    int rc = hark_file_place(path, bytes, mode, err);

    return rc < 0 ? rc : hark_parent_sync(path, err);
}

int hark_dir_make(const char *path, struct hark_err *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return hark_err_errno(err, errno, "%s", path);
    return 0;
}

int hark_dir_make_below(const char *path, struct hark_err *err)
{
    char parent[HARK_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 0 : snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    int rc = 0;

    if (n < 0 || (size_t)n >= sizeof(parent))
        return hark_err_set(err, HARK_E_USAGE, "the path %s is too long", path);
    if (n > 0)
        rc = hark_dir_make(parent, err);
    if (rc == 0 && n > 0)
        rc = hark_parent_sync(parent, err);
    if (rc == 0)
        rc = hark_dir_make(path, err);
    return rc == 0 ? hark_parent_sync(path, err) : rc;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int hark_tree_remove(const char *path, struct hark_err *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return hark_err_errno(err, errno, "%s", path);
    return 0;
}

int hark_dir_sync(const char *path, struct hark_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

    if (fd < 0)
        return hark_err_errno(err, errno, "%s", path);
    if (fsync(fd) != 0)
        rc = hark_err_errno(err, errno, "syncing %s", path);
    (void)close(fd);
    return rc;
}

int hark_parent_sync(const char *path, struct hark_err *err)
{
    char dir[HARK_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? snprintf(dir, sizeof(dir), ".")
                          : snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);

    if (n < 0 || (size_t)n >= sizeof(dir))
        return hark_err_set(err, HARK_E_USAGE, "the path %s is too long", path);
    return hark_dir_sync(dir, err);
}
