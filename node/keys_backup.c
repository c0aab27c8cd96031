#include "node/keys_backup.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "crypto/private.h"
#include "node/files.h"
#include "schemas/config.h"

static int copy_file(const char *from, const char *to, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init_secret(HARK_KEYFILE_MAX);
    int rc = hark_private_read(from, &bytes, err);

    if (rc == 0)
        rc = hark_file_write(to, hark_buf_span(&bytes), 0600, err);
    hark_buf_free(&bytes);
    return rc;
}

/* Every regular file of a folder; none when it is not there. */
static int copy_folder(const char *from, const char *to, const char *folder, struct hark_err *err)
{
    char a[HARK_PATH_MAX], b[HARK_PATH_MAX], source[HARK_PATH_MAX], target[HARK_PATH_MAX];
    struct dirent *entry;
    struct stat st;
    DIR *dir;
    int rc = hark_path_join(a, from, folder, err);

    if (rc == 0)
        rc = hark_path_join(b, to, folder, err);
    if (rc < 0)
        return rc;
    dir = opendir(a);
    if (dir == NULL)
        return errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", a);
    rc = hark_dir_make(b, err);
    while (rc == 0) {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            rc = hark_err_errno(err, errno, "%s", a);
        if (entry == NULL)
            break;
        if (entry->d_name[0] == '.')
            continue;
        rc = hark_path_join(source, a, entry->d_name, err);
        if (rc == 0)
            rc = hark_path_join(target, b, entry->d_name, err);
        /* A key that is left out of a backup is missed when it is too late. */
        if (rc == 0 && lstat(source, &st) != 0)
            rc = hark_err_errno(err, errno, "%s", source);
        if (rc == 0 && S_ISREG(st.st_mode))
            rc = copy_file(source, target, err);
    }
    (void)closedir(dir);
    return rc;
}

static int copy_all(const char *from, const char *to, struct hark_err *err)
{
    static const char *const folders[] = {"keys", "keys/people", "steward"};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(folders) / sizeof(folders[0]); i++)
        rc = copy_folder(from, to, folders[i], err);
    return rc;
}

int hark_keys_backup(const char *dir, const char *to, struct hark_err *err)
{
    int rc;

    if (mkdir(to, 0700) != 0 && (errno != EEXIST || rmdir(to) != 0 || mkdir(to, 0700) != 0))
        return errno == EEXIST || errno == ENOTEMPTY
                   ? hark_err_set(err, HARK_E_EXISTS, "%s is not a new or empty directory", to)
                   : hark_err_errno(err, errno, "%s", to);
    rc = copy_all(dir, to, err);
    /* Half a backup is none, and would be in the way of the next. */
    if (rc < 0) {
        int left = hark_tree_remove(to, NULL);

        (void)left;
    }
    return rc;
}

int hark_keys_look(const char *from, struct hark_err *err)
{
    char device[HARK_PATH_MAX];
    int rc = hark_path_join(device, from, "keys/device", err);

    if (rc == 0 && access(device, R_OK) != 0)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "%s holds no keys/device", from);
    return rc;
}

int hark_keys_restore(const char *dir, const char *from, struct hark_err *err)
{
    int rc = hark_keys_look(from, err);

    return rc < 0 ? rc : copy_all(from, dir, err);
}
