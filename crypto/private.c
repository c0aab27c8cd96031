/*
 * See private.h. What is checked is the open file, not its name, so that nobody swaps it
 * between; and the folder that it was opened in.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 4096, STEP = 4096 };

static int check_file(int fd, const char *path, bool pipe_too, struct hark_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return hark_err_errno(err, errno, "%s", path);
    }
    if (!S_ISREG(st.st_mode) && !(pipe_too && S_ISFIFO(st.st_mode))) {
        return hark_err_set(err, HARK_E_KEY_PERMISSION, "%s: not a regular file", path);
    }
    if (st.st_uid != geteuid()) {
        return hark_err_set(err, HARK_E_KEY_PERMISSION, "%s: the file is another user's", path);
    }
    if ((st.st_mode & 07177u) != 0) {
        int rc = hark_err_set(err, HARK_E_KEY_PERMISSION, "%s: its mode is %04o, not 0600", path,
                              (unsigned)(st.st_mode & 07777u));
        hark_err_hint(err, "chmod 600 %s", path);
        return rc;
    }
    return 0;
}

/* In a sticky folder (/tmp) nobody takes away or renames what is another's. */
static int check_folder(int fd, const char *path, struct hark_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return hark_err_errno(err, errno, "the folder of %s", path);
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return hark_err_set(err, HARK_E_KEY_PERMISSION, "%s stands in a folder of another user's",
                            path);
    }
    if ((st.st_mode & 0022u) != 0 && (st.st_mode & S_ISVTX) == 0) {
        int rc = hark_err_set(err, HARK_E_KEY_PERMISSION,
                              "%s stands in a folder into which others may write (mode %04o)", path,
                              (unsigned)(st.st_mode & 07777u));
        hark_err_hint(err, "chmod go-w its folder");
        return rc;
    }
    return 0;
}

/* Opens the folder in which `path` stands, "." without a slash; *name: what follows. */
static int open_folder(const char *path, const char **name, int *fd, struct hark_err *err)
{
    struct hark_buf dir = hark_buf_init(PATH_MAX_BYTES);
    const char *slash = strrchr(path, '/');
    int rc = slash == NULL ? hark_buf_append_str(&dir, ".", err)
                           : hark_buf_append(&dir, path, (size_t)(slash - path) + 1, err);
    *name = slash == NULL ? path : slash + 1;
    if (rc == 0) {
        rc = hark_buf_terminate(&dir, err);
    }
    if (rc == 0) {
        *fd = open((const char *)dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        rc = *fd >= 0 ? 0 : hark_err_errno(err, errno, "%s", path);
    }
    hark_buf_free(&dir);
    return rc;
}

static int read_open(int fd, const char *path, struct hark_buf *out, struct hark_err *err)
{
    for (;;) {
        size_t room = out->max - out->size < STEP ? out->max - out->size : STEP;
        uint8_t more;
        ssize_t n;
        int rc = hark_buf_reserve(out, room, err);
        if (rc != 0) {
            return rc;
        }
        n = room > 0 ? read(fd, out->data + out->size, room) : read(fd, &more, 1);
        if (n == 0) {
            return 0;
        }
        if (n > 0 && room == 0) {
            hark_wipe(&more, 1);
            return hark_err_set(err, HARK_E_LIMIT, "%s: more than %zu bytes", path, out->max);
        }
        if (n > 0) {
            out->size += (size_t)n;
        } else if (errno != EINTR) {
            return hark_err_errno(err, errno, "%s", path);
        }
    }
}

int hark_private_read(const char *path, struct hark_buf *out, struct hark_err *err)
{
    const char *name = NULL;
    int folder = -1;
    int fd = -1;
    int rc = open_folder(path, &name, &folder, err);
    if (rc != 0) {
        goto out;
    }
    /* O_NONBLOCK: a FIFO in the key's place must not make us wait for ever. */
    fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (fd < 0) {
        rc = errno == ELOOP ? hark_err_set(err, HARK_E_KEY_PERMISSION,
                                           "%s: a symbolic link; name what it points to", path)
                            : hark_err_errno(err, errno, "%s", path);
        goto out;
    }
    rc = check_file(fd, path, false, err);
    if (rc == 0) {
        rc = check_folder(folder, path, err);
    }
    if (rc == 0) {
        rc = read_open(fd, path, out, err);
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    if (folder >= 0) {
        (void)close(folder);
    }
    return rc;
}

int hark_private_read_any(const char *path, struct hark_buf *out, struct hark_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return hark_err_errno(err, errno, "%s", path);
    }
    int rc = check_file(fd, path, true, err);
    if (rc == 0) {
        rc = read_open(fd, path, out, err);
    }
    (void)close(fd);
    return rc;
}

int hark_private_folder(const char *path, bool closed, struct hark_err *err)
{
    const mode_t refused = closed ? 0077u : 0022u;
    struct stat st;
    if (stat(path, &st) != 0) {
        return hark_err_errno(err, errno, "%s", path);
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        return hark_err_set(err, HARK_E_KEY_PERMISSION, "%s: not a folder of this user's", path);
    }
    if ((st.st_mode & refused) != 0) {
        int rc =
            hark_err_set(err, HARK_E_KEY_PERMISSION, "%s: its mode is %04o: others may %s it", path,
                         (unsigned)(st.st_mode & 07777u), closed ? "look into" : "write into");
        hark_err_hint(err, "chmod %s %s", closed ? "700" : "go-w", path);
        return rc;
    }
    return 0;
}
