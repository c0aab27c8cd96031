/*
 * Preloaded, it writes down everything that a process changes under one
 * directory, in the order in which it happens, and what of it was synced; from
 * that power.py builds what a disk may show after the power was lost at any
 * moment. Several processes write into one record.
 *
 *   POWERLOG_DIR    the directory, absolute and without links
 *   POWERLOG_FILE   where to write, outside of it
 *
 * A record, numbers little-endian:
 *
 *   u32 size of all that follows, u8 what, u64 a, u64 b, u16 size of the first
 *   path, u16 size of the second, the paths (relative to the directory), bytes
 *
 *   what            a      b        paths       bytes
 *   c  created      inode  mode     name
 *   d  folder made  inode  mode     name
 *   w  written      inode  offset               what was written
 *   t  cut          inode  new size
 *   s  synced       inode, a file's or a folder's
 *   m  mapped for shared writing: inode; what is written that way is not seen
 *   r  renamed                      from, to
 *   l  linked                       from, to
 *   u  unlinked                     name
 *   D  folder gone                  name
 *
 * Each call is made and recorded under one lock for all processes, so that the
 * record's order is the true one. Syncs are recorded and not done: the test is
 * about what they promise, and saves their time. Whoever reads a record compares
 * its last state with the directory: what went past this library is found so.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX   65536
#define TRACE_FD  60000 /* far from what anybody else gets; lowered to fit the limit */
#define HEAD_SIZE (4u + 1u + 8u + 8u + 2u + 2u)
#define EXPORT    __attribute__((visibility("default")))
/* The C library's own. ISO C knows no way from a symbol's address to a function;
 * POSIX has dlsym write through a pointer to one. */
#define REAL(name)                                                                                 \
    (__extension__({                                                                               \
        __typeof__(&(name)) found_;                                                                \
        *(void **)(&found_) = real(#name);                                                         \
        found_;                                                                                    \
    }))
#define IN_BOUND(d) ((d) >= 0 && (d) < FDS_MAX)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static char top[PATH_MAX];
static size_t top_size;
static ino_t tracked[FDS_MAX]; /* by descriptor, 0 none; under the mutex */

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        static const char words[] = "powerlog: a function is missing\n";
        (void)!write(STDERR_FILENO, words, sizeof(words) - 1);
        _exit(99);
    }
    return found;
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("POWERLOG_DIR");
    const char *file = getenv("POWERLOG_FILE");
    if (dir == NULL || file == NULL || strlen(dir) >= sizeof(top)) {
        return;
    }
    top_size = strlen(dir);
    memcpy(top, dir, top_size + 1);
    int fd = REAL(open)(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    long limit = sysconf(_SC_OPEN_MAX);
    int high = limit > TRACE_FD ? TRACE_FD : (int)limit - 1;
    trace = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, high);
    if (trace < 0) {
        perror("powerlog");
        _exit(99);
    }
    REAL(close)(fd);
}

/* ---- the record ---- */

static void lock(void)
{
    pthread_mutex_lock(&mutex);
    while (flock(trace, LOCK_EX) != 0 && errno == EINTR) {
    }
}

/* Keeps errno, which is the call's that was recorded. */
static void unlock(void)
{
    int kept = errno;
    flock(trace, LOCK_UN);
    pthread_mutex_unlock(&mutex);
    errno = kept;
}

static void put(uint8_t *out, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static void record(char what, uint64_t a, uint64_t b, const char *from, const char *to,
                   const void *bytes, size_t size)
{
    int kept = errno;
    uint8_t head[HEAD_SIZE];
    size_t from_size = strlen(from);
    size_t to_size = strlen(to);
    put(head, HEAD_SIZE - 4 + from_size + to_size + size, 4);
    head[4] = (uint8_t)what;
    put(head + 5, a, 8);
    put(head + 13, b, 8);
    put(head + 21, from_size, 2);
    put(head + 23, to_size, 2);
    struct iovec parts[] = {{head, HEAD_SIZE},
                            {(void *)(uintptr_t)from, from_size},
                            {(void *)(uintptr_t)to, to_size},
                            {(void *)(uintptr_t)bytes, size}};
    if (REAL(writev)(trace, parts, 4) != (ssize_t)(HEAD_SIZE + from_size + to_size + size)) {
        perror("powerlog: the record cannot be written");
        _exit(99);
    }
    errno = kept;
}

/* Where `path` is, relative to the directory: NULL outside of it. The last part of
 * the path itself is not followed. */
static const char *inside(char out[PATH_MAX], int dir_fd, const char *path)
{
    char whole[2 * PATH_MAX];
    char parent[PATH_MAX];
    int kept = errno;
    const char *found = NULL;
    if (trace < 0) {
        return NULL;
    }
    if (path[0] == '/' || dir_fd == AT_FDCWD) {
        (void)snprintf(whole, sizeof(whole), "%s%s", path[0] == '/' ? "" : "./", path);
    } else {
        char link[64];
        char at[PATH_MAX];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
        ssize_t n = readlink(link, at, sizeof(at) - 1);
        at[n > 0 ? n : 0] = '\0';
        (void)snprintf(whole, sizeof(whole), "%s/%s", at, path);
    }
    size_t size = strlen(whole);
    while (size > 1 && whole[size - 1] == '/') {
        whole[--size] = '\0';
    }
    char *slash = strrchr(whole, '/');
    if (slash == NULL) {
        goto out;
    }
    *slash = '\0';
    if (realpath(whole[0] != '\0' ? whole : "/", parent) == NULL) {
        goto out;
    }
    int n = snprintf(out, PATH_MAX, "%s/%s", parent, slash + 1);
    if (n > 0 && n < PATH_MAX && strncmp(out, top, top_size) == 0) {
        found = out[top_size] == '/'    ? out + top_size + 1
                : out[top_size] == '\0' ? "" /* the directory itself */
                                        : NULL;
    }
out:
    errno = kept;
    return found;
}

/* The inode behind a descriptor that was opened under the directory; 0 for others,
 * also where the number has been given to something else since. */
static ino_t inode_of(int fd)
{
    struct stat st;
    if (trace < 0 || !IN_BOUND(fd) || tracked[fd] == 0 || fstat(fd, &st) != 0 ||
        st.st_ino != tracked[fd]) {
        return 0;
    }
    return st.st_ino;
}

/* ---- opening ---- */

static int open_at(int dir_fd, const char *path, int flags, mode_t mode)
{
    char buf[PATH_MAX];
    struct stat before;
    struct stat st;
    const char *name = inside(buf, dir_fd, path);
    if (name == NULL) {
        int fd = REAL(openat)(dir_fd, path, flags, mode);
        if (IN_BOUND(fd)) {
            tracked[fd] = 0;
        }
        return fd;
    }
    lock();
    bool was = fstatat(dir_fd, path, &before, 0) == 0;
    int fd = REAL(openat)(dir_fd, path, flags, mode);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        tracked[IN_BOUND(fd) ? fd : 0] = st.st_ino;
        if (!was) {
            record('c', st.st_ino, st.st_mode & 07777, name, "", NULL, 0);
        } else if ((flags & O_TRUNC) != 0 && before.st_size != 0) {
            record('t', st.st_ino, 0, "", "", NULL, 0);
        }
    }
    unlock();
    return fd;
}

static mode_t open_mode(int flags, va_list args)
{
    return (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    EXPORT int name(const char *path, int flags, ...)                                              \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = open_mode(flags, args);                                                      \
        va_end(args);                                                                              \
        return open_at(AT_FDCWD, path, flags, mode);                                               \
    }
#define OPENAT(name)                                                                               \
    EXPORT int name(int dir_fd, const char *path, int flags, ...)                                  \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = open_mode(flags, args);                                                      \
        va_end(args);                                                                              \
        return open_at(dir_fd, path, flags, mode);                                                 \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

EXPORT int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* What glibc's headers make of calls with constant flags. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir_fd, const char *path, int flags);
int __openat64_2(int dir_fd, const char *path, int flags);
EXPORT int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}
EXPORT int __open64_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}
EXPORT int __openat_2(int dir_fd, const char *path, int flags)
{
    return open_at(dir_fd, path, flags, 0);
}
EXPORT int __openat64_2(int dir_fd, const char *path, int flags)
{
    return open_at(dir_fd, path, flags, 0);
}

/* ---- writing ---- */

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    if (inode_of(fd) == 0) {
        return REAL(write)(fd, data, size);
    }
    lock();
    struct stat st;
    bool append = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    off_t at = fstat(fd, &st) == 0 && append ? st.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t n = REAL(write)(fd, data, size);
    if (n > 0) {
        record('w', st.st_ino, (uint64_t)at, "", "", data, (size_t)n);
    }
    unlock();
    return n;
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t at)
{
    ino_t inode = inode_of(fd);
    if (inode == 0) {
        return REAL(pwrite)(fd, data, size, at);
    }
    lock();
    ssize_t n = REAL(pwrite)(fd, data, size, at);
    if (n > 0) {
        record('w', inode, (uint64_t)at, "", "", data, (size_t)n);
    }
    unlock();
    return n;
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return write_at(fd, data, size, at);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
    return write_at(fd, data, size, at);
}

/* One after the other is what a writer of several may get anyway. */
EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t done = 0;
    if (inode_of(fd) == 0) {
        return REAL(writev)(fd, parts, count);
    }
    for (int i = 0; i < count; i++) {
        ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0) {
            return done > 0 ? done : n;
        }
        done += n;
        if ((size_t)n < parts[i].iov_len) {
            break;
        }
    }
    return done;
}

/* glibc's own would write past us. */
__attribute__((format(printf, 2, 0))) static int print(int fd, const char *format, va_list args)
{
    char text[4096];
    int n = vsnprintf(text, sizeof(text), format, args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        return -1;
    }
    return (int)write(fd, text, (size_t)n);
}

int __dprintf_chk(int fd, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list args;
    (void)flag;
    va_start(args, format);
    int n = print(fd, format, args);
    va_end(args);
    return n;
}

#undef dprintf
EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = print(fd, format, args);
    va_end(args);
    return n;
}

static int cut(int fd, off_t size)
{
    ino_t inode = inode_of(fd);
    if (inode == 0) {
        return REAL(ftruncate)(fd, size);
    }
    lock();
    int rc = REAL(ftruncate)(fd, size);
    if (rc == 0) {
        record('t', inode, (uint64_t)size, "", "", NULL, 0);
    }
    unlock();
    return rc;
}

EXPORT int ftruncate(int fd, off_t size)
{
    return cut(fd, size);
}

EXPORT int ftruncate64(int fd, off_t size)
{
    return cut(fd, size);
}

static void *map(void *where, size_t size, int protection, int flags, int fd, off_t at)
{
    ino_t inode = (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0 ? inode_of(fd) : 0;
    if (inode != 0) {
        lock();
        record('m', inode, 0, "", "", NULL, 0);
        unlock();
    }
    return REAL(mmap)(where, size, protection, flags, fd, at);
}

EXPORT void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t at)
{
    return map(where, size, protection, flags, fd, at);
}

EXPORT void *mmap64(void *where, size_t size, int protection, int flags, int fd, off_t at)
{
    return map(where, size, protection, flags, fd, at);
}

/* ---- syncing ---- */

static int synced(int fd, int (*call)(int))
{
    ino_t inode = inode_of(fd);
    if (inode == 0) {
        return call(fd);
    }
    lock();
    record('s', inode, 0, "", "", NULL, 0);
    unlock();
    return 0;
}

EXPORT int fsync(int fd)
{
    return synced(fd, REAL(fsync));
}

EXPORT int fdatasync(int fd)
{
    return synced(fd, REAL(fdatasync));
}

/* ---- folders ---- */

static int rename_at(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    char from_buf[PATH_MAX];
    char to_buf[PATH_MAX];
    const char *from_name = inside(from_buf, from_fd, from);
    const char *to_name = inside(to_buf, to_fd, to);
    if (from_name == NULL && to_name == NULL) {
        return REAL(renameat2)(from_fd, from, to_fd, to, flags);
    }
    lock();
    int rc = REAL(renameat2)(from_fd, from, to_fd, to, flags);
    if (rc == 0) {
        record('r', 0, flags, from_name != NULL ? from_name : "", to_name != NULL ? to_name : "",
               NULL, 0);
    }
    unlock();
    return rc;
}

EXPORT int rename(const char *from, const char *to)
{
    return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return rename_at(from_fd, from, to_fd, to, 0);
}

EXPORT int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return rename_at(from_fd, from, to_fd, to, flags);
}

static int link_at(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    char from_buf[PATH_MAX];
    char to_buf[PATH_MAX];
    const char *from_name = inside(from_buf, from_fd, from);
    const char *to_name = inside(to_buf, to_fd, to);
    if (to_name == NULL) {
        return REAL(linkat)(from_fd, from, to_fd, to, flags);
    }
    lock();
    int rc = REAL(linkat)(from_fd, from, to_fd, to, flags);
    if (rc == 0) {
        record('l', 0, 0, from_name != NULL ? from_name : "", to_name, NULL, 0);
    }
    unlock();
    return rc;
}

EXPORT int link(const char *from, const char *to)
{
    return link_at(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return link_at(from_fd, from, to_fd, to, flags);
}

static int unlink_at(int dir_fd, const char *path, int flags)
{
    char buf[PATH_MAX];
    const char *name = inside(buf, dir_fd, path);
    if (name == NULL) {
        return REAL(unlinkat)(dir_fd, path, flags);
    }
    lock();
    int rc = REAL(unlinkat)(dir_fd, path, flags);
    if (rc == 0) {
        record((flags & AT_REMOVEDIR) != 0 ? 'D' : 'u', 0, 0, name, "", NULL, 0);
    }
    unlock();
    return rc;
}

EXPORT int unlinkat(int dir_fd, const char *path, int flags)
{
    return unlink_at(dir_fd, path, flags);
}

EXPORT int unlink(const char *path)
{
    return unlink_at(AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path)
{
    return unlink_at(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int remove(const char *path)
{
    int rc = unlink_at(AT_FDCWD, path, 0);
    return rc != 0 && errno == EISDIR ? unlink_at(AT_FDCWD, path, AT_REMOVEDIR) : rc;
}

static int make_dir(int dir_fd, const char *path, mode_t mode)
{
    char buf[PATH_MAX];
    struct stat st;
    const char *name = inside(buf, dir_fd, path);
    if (name == NULL) {
        return REAL(mkdirat)(dir_fd, path, mode);
    }
    lock();
    int rc = REAL(mkdirat)(dir_fd, path, mode);
    if (rc == 0 && fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        record('d', st.st_ino, st.st_mode & 07777, name, "", NULL, 0);
    }
    unlock();
    return rc;
}

EXPORT int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    return make_dir(dir_fd, path, mode);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    return make_dir(AT_FDCWD, path, mode);
}
