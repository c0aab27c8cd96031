/*
 * The files of keyfile.h; keyform.c has what stands in them.
 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

enum { PATH_MAX_BYTES = 4096 };

static int ask_passphrase(struct hark_buf *secret, const char *path, hark_passphrase_fn *ask,
                          void *arg, struct hark_err *err)
{
    if (ask == NULL) {
        return hark_err_set(err, HARK_E_KEY_PASSPHRASE, "the key file is sealed with a passphrase");
    }
    return ask(arg, path, secret, err);
}

int hark_keyfile_load(struct hark_seed **out, const char *path, hark_passphrase_fn *ask, void *arg,
                      struct hark_err *err)
{
    struct hark_buf file = hark_buf_init_secret(HARK_KEYFILE_MAX);
    struct hark_buf secret = hark_buf_init_secret(HARK_KEYFILE_MAX);
    *out = NULL;
    int rc = hark_private_read(path, &file, err);
    if (rc == HARK_E_LIMIT) {
        rc = hark_err_set(err, HARK_E_KEY_FORM, "%s: too long for a key file", path);
    }
    if (rc != 0) {
        goto out;
    }
    if (hark_keyfile_is_sealed(hark_buf_span(&file))) {
        rc = ask_passphrase(&secret, path, ask, arg, err);
    }
    if (rc == 0) {
        rc = hark_keyfile_decode(out, hark_buf_span(&file), hark_buf_span(&secret), err);
    }
    if (rc != 0) {
        (void)hark_err_wrap(err, rc, "%s", path);
    }
out:
    hark_buf_free(&file);
    hark_buf_free(&secret);
    return rc;
}

static int write_all(int fd, struct hark_span data, const char *path, struct hark_err *err)
{
    while (data.size > 0) {
        ssize_t n = write(fd, data.data, data.size);
        if (n > 0) {
            data.data += n;
            data.size -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            return hark_err_errno(err, n == 0 ? EIO : errno, "%s", path);
        }
    }
    return 0;
}

static int write_new(const char *path, struct hark_span data, struct hark_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return hark_err_errno(err, errno, "%s", path);
    }
    /* The umask may have taken even the owner's bits. */
    int rc = fchmod(fd, 0600) == 0 ? 0 : hark_err_errno(err, errno, "%s", path);
    if (rc == 0) {
        rc = write_all(fd, data, path, err);
    }
    if (rc == 0 && fsync(fd) != 0) {
        rc = hark_err_errno(err, errno, "%s", path);
    }
    if (close(fd) != 0 && rc == 0) {
        rc = hark_err_errno(err, errno, "%s", path);
    }
    if (rc != 0) {
        (void)unlink(path);
    }
    return rc;
}

/* A new name is on disk once its directory is. */
static int sync_directory(const char *path, struct hark_err *err)
{
    struct hark_buf dir = hark_buf_init(PATH_MAX_BYTES);
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    int fd = -1;
    int rc = length == 0 ? hark_buf_append_str(&dir, ".", err)
                         : hark_buf_append(&dir, path, length, err);
    if (rc == 0) {
        rc = hark_buf_terminate(&dir, err);
    }
    if (rc != 0) {
        goto out;
    }
    fd = open((const char *)dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        rc = hark_err_errno(err, errno, "%s", (const char *)dir.data);
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    hark_buf_free(&dir);
    return rc;
}

/* link, not rename: it never replaces a key that is there. */
static int install(const char *temporary, const char *path, struct hark_err *err)
{
    int rc = 0;
    if (link(temporary, path) != 0) {
        rc = errno == EEXIST ? hark_err_set(err, HARK_E_EXISTS, "%s: there is a file already", path)
                             : hark_err_errno(err, errno, "%s", path);
    }
    if (unlink(temporary) != 0 && rc == 0) {
        rc = hark_err_errno(err, errno, "%s", temporary);
    }
    return rc != 0 ? rc : sync_directory(path, err);
}

/* "<folder>/.<name>.new-<hex>": no label begins with a dot, so what a crash leaves is taken
 * for nobody's key. */
static int name_temporary(struct hark_buf *out, const char *path, struct hark_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    uint8_t unique[8];
    hark_random(unique, sizeof(unique));
    int rc = hark_buf_append(out, path, (size_t)(name - path), err);
    if (rc == 0) {
        rc = hark_buf_printf(out, err, ".%s" HARK_KEYFILE_UNFINISHED, name);
    }
    if (rc == 0) {
        rc = hark_buf_append_hex(out, unique, sizeof(unique), err);
    }
    return rc == 0 ? hark_buf_terminate(out, err) : rc;
}

static int replace(const char *temporary, const char *path, struct hark_err *err)
{
    if (rename(temporary, path) != 0) {
        int rc = hark_err_errno(err, errno, "%s", path);
        (void)unlink(temporary);
        return rc;
    }
    return sync_directory(path, err);
}

static int write_key(const char *path, const struct hark_seed *seed, const char *comment,
                     struct hark_span passphrase,
                     int (*put)(const char *temporary, const char *path, struct hark_err *err),
                     struct hark_err *err)
{
    struct hark_buf file = hark_buf_init_secret(HARK_KEYFILE_MAX);
    struct hark_buf temporary = hark_buf_init(PATH_MAX_BYTES);
    int rc = hark_keyfile_encode(&file, seed, comment, passphrase, err);
    if (rc == 0) {
        rc = name_temporary(&temporary, path, err);
    }
    if (rc == 0) {
        rc = write_new((const char *)temporary.data, hark_buf_span(&file), err);
        if (rc != 0) {
            rc = hark_err_wrap(err, rc, "%s", path);
        }
    }
    if (rc == 0) {
        rc = put((const char *)temporary.data, path, err);
    }
    hark_buf_free(&file);
    hark_buf_free(&temporary);
    return rc;
}

int hark_keyfile_save(const char *path, const struct hark_seed *seed, const char *comment,
                      struct hark_span passphrase, struct hark_err *err)
{
    /* Before Argon2id's second is spent; link decides in the end. */
    if (access(path, F_OK) == 0) {
        return hark_err_set(err, HARK_E_EXISTS, "%s: there is a file already", path);
    }
    return write_key(path, seed, comment, passphrase, install, err);
}

int hark_keyfile_replace(const char *path, const struct hark_seed *seed, const char *comment,
                         struct hark_span passphrase, struct hark_err *err)
{
    return write_key(path, seed, comment, passphrase, replace, err);
}
