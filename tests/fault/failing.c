/*
 * A library to put before the others (LD_PRELOAD) that counts a program's calls by
 * class and makes the Nth of one class fail, once or from there on. tests/fault/nth.py
 * drives it; by hand:
 *
 *     LD_PRELOAD=./libfailing.so HARK_FAIL_PROGRAM=hark HARK_FAIL_CLASS=sync
 *     HARK_FAIL_AT=3 hark -C brand post …
 *
 *     HARK_FAIL_PROGRAM  only a program of this name is counted (others pass through)
 *     HARK_FAIL_COUNTS   a file: calls so far, by class, as u64 in the order of `classes`,
 *                        and one more u64: how many calls were made to fail. Kept by
 *                        mmap, so that it is right however the program ends
 *     HARK_FAIL_CLASS    the class that fails (one of `classes`); none: counts only
 *     HARK_FAIL_AT       which call of that class, from 1
 *     HARK_FAIL_ON       if set, every call from there on
 *     HARK_FAIL_KILL     if set, the process is killed in place of the call
 *     HARK_FAIL_ERRNO    what it fails with, as a number; else what is usual for the class
 *     HARK_FAIL_MODULE   whose calls of the class `malloc` count: "" (the program itself,
 *                        with the floors that are linked into it) or the beginning of a
 *                        library's name, such as libgit2
 *     HARK_FAIL_TRACE    if set, a file to which the failing calls' stacks are appended
 *
 * Memory is counted by who asks for it, because some of the libraries below us end the
 * process when they get none, by design (libzmq: zmq_assert, alloc_assert) or for want of
 * a check (CRoaring). The other classes count the program's calls and those of libgit2
 * and SQLite, and leave libzmq's own sockets and eventfds alone (it aborts there, too):
 * what fails are regular files and directories, and the program's own sends and receives.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* What is taken from SQLite and libzmq, without their headers: both are ABI. */
#define SQLITE_IOERR    10
#define SQLITE_CANTOPEN 14

enum class {
    CLASS_SYNC,
    CLASS_WRITE,
    CLASS_SHORT,
    CLASS_RENAME,
    CLASS_OPEN,
    CLASS_READ,
    CLASS_STEP,
    CLASS_MALLOC,
    CLASS_SEND,
    CLASS_RECV,
    CLASS_COUNT
};

static const struct {
    const char *name;
    int errnum;
} classes[CLASS_COUNT] = {
    {"sync", EIO},        {"write", ENOSPC},    {"short", 0}, {"rename", EIO},
    {"open", EMFILE},     {"read", EIO},        {"step", 0},  {"malloc", ENOMEM},
    {"send", ECONNRESET}, {"recv", ECONNRESET},
};

#define MODULES_MAX 64

struct range {
    uintptr_t from, to;
};

static struct {
    atomic_bool on;
    int class; /* -1: none fails */
    uint64_t at;
    bool lasting, kills;
    int errnum;
    const char *module, *trace;
    struct range ranges[MODULES_MAX]; /* of the code whose `malloc`s count */
    size_t range_count;
    struct range program; /* of the program's own code */
    _Atomic uint64_t *counts;
} self = {.class = -1};

static _Atomic uint64_t spare[CLASS_COUNT + 1];

/* --- beginning ---------------------------------------------------------------------- */

static int look_at_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
    bool program = info->dlpi_name[0] == '\0' && self.program.to == 0;
    bool wanted = self.module[0] == '\0'
                      ? program
                      : name[0] != '\0' && strncmp(name, self.module, strlen(self.module)) == 0;

    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        struct range range = {info->dlpi_addr + header->p_vaddr,
                              info->dlpi_addr + header->p_vaddr + header->p_memsz};

        if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0)
            continue;
        if (program)
            self.program = range;
        if (wanted && self.range_count < MODULES_MAX)
            self.ranges[self.range_count++] = range;
    }
    return 0;
}

static void map_counts(const char *path)
{
    void *map;
    int fd;

    self.counts = spare;
    if (path == NULL)
        return;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (ftruncate(fd, sizeof(spare)) == 0) {
        map = mmap(NULL, sizeof(spare), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED)
            self.counts = map;
    }
    (void)close(fd);
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL ? value : otherwise;
}

__attribute__((constructor)) static void begin(void)
{
    const char *class = setting("HARK_FAIL_CLASS", "");

    if (strcmp(program_invocation_short_name, setting("HARK_FAIL_PROGRAM", "")) != 0)
        return;
    map_counts(getenv("HARK_FAIL_COUNTS"));
    self.module = setting("HARK_FAIL_MODULE", "");
    self.trace = getenv("HARK_FAIL_TRACE");
    (void)dl_iterate_phdr(look_at_module, NULL);
    self.at = strtoull(setting("HARK_FAIL_AT", "0"), NULL, 10);
    self.lasting = getenv("HARK_FAIL_ON") != NULL;
    self.kills = getenv("HARK_FAIL_KILL") != NULL;
    for (int i = 0; i < CLASS_COUNT; i++) {
        if (strcmp(class, classes[i].name) == 0)
            self.class = i;
    }
    if (self.class >= 0)
        self.errnum = (int)strtol(setting("HARK_FAIL_ERRNO", "0"), NULL, 10);
    if (self.class >= 0 && self.errnum == 0)
        self.errnum = classes[self.class].errnum;
    atomic_store(&self.on, true);
}

/* --- counting ----------------------------------------------------------------------- */

static void write_trace(uint64_t number)
{
    void *stack[32];
    int depth, fd;

    atomic_store(&self.on, false); /* what follows is ours */
    fd = open(self.trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        depth = backtrace(stack, 32);
        (void)dprintf(fd, "--- %s %llu\n", classes[self.class].name, (unsigned long long)number);
        backtrace_symbols_fd(stack + 1, depth > 1 ? depth - 1 : 0, fd);
        (void)close(fd);
    }
    atomic_store(&self.on, true);
}

/* One more call of the class: is it to fail? Then errno is set. */
static bool fails(enum class class)
{
    uint64_t number;

    if (!atomic_load_explicit(&self.on, memory_order_relaxed))
        return false;
    number = atomic_fetch_add(&self.counts[class], 1) + 1;
    if ((int)class != self.class || self.at == 0 || number < self.at ||
        (number > self.at && !self.lasting))
        return false;
    atomic_fetch_add(&self.counts[CLASS_COUNT], 1);
    if (self.trace != NULL)
        write_trace(number);
    if (self.kills)
        (void)kill(getpid(), SIGKILL);
    errno = self.errnum;
    return true;
}

static bool in(const struct range *range, const void *address)
{
    return (uintptr_t)address >= range->from && (uintptr_t)address < range->to;
}

/* Memory, by who asks. */
static bool no_memory(const void *caller)
{
    if (!atomic_load_explicit(&self.on, memory_order_relaxed))
        return false;
    for (size_t i = 0; i < self.range_count; i++) {
        if (in(&self.ranges[i], caller))
            return fails(CLASS_MALLOC);
    }
    return false;
}

static bool ours(const void *caller)
{
    return atomic_load_explicit(&self.on, memory_order_relaxed) && in(&self.program, caller);
}

/* A regular file, which is not where the program says what happened. */
static bool is_file(int fd)
{
    struct stat st;
    int before = errno;
    bool file = fd > 2 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

    errno = before;
    return file;
}

/* The next function of that name, found on first use. */
#define REAL(type, name)                                                                           \
    static _Atomic(type) real;                                                                     \
    if (real == NULL) {                                                                            \
        type found;                                                                                \
        *(void **)&found = dlsym(RTLD_NEXT, #name);                                                \
        real = found;                                                                              \
    }

#define CALLER __builtin_return_address(0)

/* --- sync ------------------------------------------------------------------------------ */

typedef int (*fd_fn)(int);

int fsync(int fd)
{
    REAL(fd_fn, fsync)
    return fails(CLASS_SYNC) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fd_fn, fdatasync)
    return fails(CLASS_SYNC) ? -1 : real(fd);
}

int syncfs(int fd)
{
    REAL(fd_fn, syncfs)
    return fails(CLASS_SYNC) ? -1 : real(fd);
}

typedef int (*sync_range_fn)(int, off64_t, off64_t, unsigned int);
int sync_file_range(int fd, off64_t from, off64_t size, unsigned int flags)
{
    REAL(sync_range_fn, sync_file_range)
    return fails(CLASS_SYNC) ? -1 : real(fd, from, size, flags);
}

typedef int (*msync_fn)(void *, size_t, int);
int msync(void *address, size_t size, int flags)
{
    REAL(msync_fn, msync)
    return fails(CLASS_SYNC) ? -1 : real(address, size, flags);
}

/* --- write, short ------------------------------------------------------------------------ */

/* How much of `size` may be written; SIZE_MAX: none, it fails. */
static size_t may_write(int fd, size_t size)
{
    if (!atomic_load_explicit(&self.on, memory_order_relaxed) || size == 0 || !is_file(fd))
        return size;
    if (fails(CLASS_WRITE))
        return SIZE_MAX;
    return size > 1 && fails(CLASS_SHORT) ? size / 2 : size;
}

typedef ssize_t (*write_fn)(int, const void *, size_t);
ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(write_fn, write)
    size = may_write(fd, size);
    return size == SIZE_MAX ? -1 : real(fd, bytes, size);
}

typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off64_t);
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    REAL(pwrite_fn, pwrite)
    size = may_write(fd, size);
    return size == SIZE_MAX ? -1 : real(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    REAL(pwrite_fn, pwrite64)
    size = may_write(fd, size);
    return size == SIZE_MAX ? -1 : real(fd, bytes, size, at);
}

typedef int (*truncate_fn)(int, off64_t);
int ftruncate(int fd, off_t size)
{
    REAL(truncate_fn, ftruncate)
    return is_file(fd) && fails(CLASS_WRITE) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(truncate_fn, ftruncate64)
    return is_file(fd) && fails(CLASS_WRITE) ? -1 : real(fd, size);
}

typedef int (*allocate_fn)(int, int, off64_t, off64_t);
int fallocate(int fd, int mode, off_t from, off_t size)
{
    REAL(allocate_fn, fallocate)
    return is_file(fd) && fails(CLASS_WRITE) ? -1 : real(fd, mode, from, size);
}

/* --- rename: whatever changes a directory --------------------------------------------------- */

typedef int (*two_paths_fn)(const char *, const char *);
int rename(const char *from, const char *to)
{
    REAL(two_paths_fn, rename)
    return fails(CLASS_RENAME) ? -1 : real(from, to);
}

int link(const char *from, const char *to)
{
    REAL(two_paths_fn, link)
    return fails(CLASS_RENAME) ? -1 : real(from, to);
}

int symlink(const char *from, const char *to)
{
    REAL(two_paths_fn, symlink)
    return fails(CLASS_RENAME) ? -1 : real(from, to);
}

typedef int (*rename_at_fn)(int, const char *, int, const char *);
int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    REAL(rename_at_fn, renameat)
    return fails(CLASS_RENAME) ? -1 : real(from_fd, from, to_fd, to);
}

typedef int (*rename2_fn)(int, const char *, int, const char *, unsigned int);
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
    REAL(rename2_fn, renameat2)
    return fails(CLASS_RENAME) ? -1 : real(from_fd, from, to_fd, to, flags);
}

typedef int (*path_fn)(const char *);
int unlink(const char *path)
{
    REAL(path_fn, unlink)
    return fails(CLASS_RENAME) ? -1 : real(path);
}

int rmdir(const char *path)
{
    REAL(path_fn, rmdir)
    return fails(CLASS_RENAME) ? -1 : real(path);
}

int remove(const char *path)
{
    REAL(path_fn, remove)
    return fails(CLASS_RENAME) ? -1 : real(path);
}

typedef int (*unlink_at_fn)(int, const char *, int);
int unlinkat(int fd, const char *path, int flags)
{
    REAL(unlink_at_fn, unlinkat)
    return fails(CLASS_RENAME) ? -1 : real(fd, path, flags);
}

typedef int (*mkdir_fn)(const char *, mode_t);
int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir_fn, mkdir)
    return fails(CLASS_RENAME) ? -1 : real(path, mode);
}

typedef int (*mkdir_at_fn)(int, const char *, mode_t);
int mkdirat(int fd, const char *path, mode_t mode)
{
    REAL(mkdir_at_fn, mkdirat)
    return fails(CLASS_RENAME) ? -1 : real(fd, path, mode);
}

typedef int (*fchmod_fn)(int, mode_t);
int fchmod(int fd, mode_t mode)
{
    REAL(fchmod_fn, fchmod)
    return fails(CLASS_RENAME) ? -1 : real(fd, mode);
}

/* --- open --------------------------------------------------------------------------------------
 */

/* What the kernel and the C library's own files give is not what a disk fails at. */
static bool open_fails(const char *path)
{
    if (strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0 ||
        strncmp(path, "/dev/urandom", 12) == 0 || strncmp(path, "/dev/random", 11) == 0)
        return false;
    return fails(CLASS_OPEN);
}

/* The argument of an open after its `flags`, if there is one. */
#define MODE()                                                                                     \
    mode_t mode = 0;                                                                               \
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = va_arg(args, mode_t);                                                               \
        va_end(args);                                                                              \
    }

typedef int (*open_fn)(const char *, int, ...);
int open(const char *path, int flags, ...)
{
    REAL(open_fn, open)
    MODE()
    return open_fails(path) ? -1 : real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    REAL(open_fn, open64)
    MODE()
    return open_fails(path) ? -1 : real(path, flags, mode);
}

/* What open becomes where the compiler fortifies it. */
typedef int (*open_2_fn)(const char *, int);
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    REAL(open_2_fn, __open_2)
    return open_fails(path) ? -1 : real(path, flags);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    REAL(open_2_fn, __open64_2)
    return open_fails(path) ? -1 : real(path, flags);
}

typedef int (*open_at_fn)(int, const char *, int, ...);
int openat(int fd, const char *path, int flags, ...)
{
    REAL(open_at_fn, openat)
    MODE()
    return open_fails(path) ? -1 : real(fd, path, flags, mode);
}

int openat64(int fd, const char *path, int flags, ...)
{
    REAL(open_at_fn, openat64)
    MODE()
    return open_fails(path) ? -1 : real(fd, path, flags, mode);
}

typedef int (*creat_fn)(const char *, mode_t);
int creat(const char *path, mode_t mode)
{
    REAL(creat_fn, creat)
    return open_fails(path) ? -1 : real(path, mode);
}

typedef DIR *(*opendir_fn)(const char *);
DIR *opendir(const char *path)
{
    REAL(opendir_fn, opendir)
    return open_fails(path) ? NULL : real(path);
}

typedef DIR *(*fdopendir_fn)(int);
DIR *fdopendir(int fd)
{
    REAL(fdopendir_fn, fdopendir)
    return fails(CLASS_OPEN) ? NULL : real(fd);
}

typedef FILE *(*fopen_fn)(const char *, const char *);
FILE *fopen(const char *path, const char *mode)
{
    REAL(fopen_fn, fopen)
    return open_fails(path) ? NULL : real(path, mode);
}

/* Only of files: the loader and the allocators map memory. */
typedef void *(*mmap_fn)(void *, size_t, int, int, int, off64_t);
void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t at)
{
    REAL(mmap_fn, mmap)
    if (fd >= 0 && fails(CLASS_OPEN))
        return MAP_FAILED;
    return real(address, size, protection, flags, fd, at);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t at)
{
    REAL(mmap_fn, mmap64)
    if (fd >= 0 && fails(CLASS_OPEN))
        return MAP_FAILED;
    return real(address, size, protection, flags, fd, at);
}

/* --- read
 * ------------------------------------------------------------------------------------------ */

typedef ssize_t (*read_fn)(int, void *, size_t);
ssize_t read(int fd, void *bytes, size_t size)
{
    REAL(read_fn, read)
    return is_file(fd) && fails(CLASS_READ) ? -1 : real(fd, bytes, size);
}

typedef ssize_t (*pread_fn)(int, void *, size_t, off64_t);
ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
    REAL(pread_fn, pread)
    return is_file(fd) && fails(CLASS_READ) ? -1 : real(fd, bytes, size, at);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at)
{
    REAL(pread_fn, pread64)
    return is_file(fd) && fails(CLASS_READ) ? -1 : real(fd, bytes, size, at);
}

/* --- step: SQLite, as the program calls it
 * ------------------------------------------------------------ */

typedef int (*step_fn)(void *);
int sqlite3_step(void *statement);
int sqlite3_step(void *statement)
{
    REAL(step_fn, sqlite3_step)
    return ours(CALLER) && fails(CLASS_STEP) ? SQLITE_IOERR : real(statement);
}

typedef int (*exec_fn)(void *, const char *, void *, void *, char **);
int sqlite3_exec(void *db, const char *sql, void *row, void *arg, char **message);
int sqlite3_exec(void *db, const char *sql, void *row, void *arg, char **message)
{
    REAL(exec_fn, sqlite3_exec)
    if (ours(CALLER) && fails(CLASS_STEP)) {
        if (message != NULL)
            *message = NULL;
        return SQLITE_IOERR;
    }
    return real(db, sql, row, arg, message);
}

typedef int (*prepare_fn)(void *, const char *, int, void **, const char **);
int sqlite3_prepare_v2(void *db, const char *sql, int size, void **out, const char **tail);
int sqlite3_prepare_v2(void *db, const char *sql, int size, void **out, const char **tail)
{
    REAL(prepare_fn, sqlite3_prepare_v2)
    if (ours(CALLER) && fails(CLASS_STEP)) {
        *out = NULL;
        return SQLITE_IOERR;
    }
    return real(db, sql, size, out, tail);
}

typedef int (*prepare3_fn)(void *, const char *, int, unsigned int, void **, const char **);
int sqlite3_prepare_v3(void *db, const char *sql, int size, unsigned int flags, void **out,
                       const char **tail);
int sqlite3_prepare_v3(void *db, const char *sql, int size, unsigned int flags, void **out,
                       const char **tail)
{
    REAL(prepare3_fn, sqlite3_prepare_v3)
    if (ours(CALLER) && fails(CLASS_STEP)) {
        *out = NULL;
        return SQLITE_IOERR;
    }
    return real(db, sql, size, flags, out, tail);
}

typedef int (*sqlite_open_fn)(const char *, void **, int, const char *);
int sqlite3_open_v2(const char *path, void **out, int flags, const char *vfs);
int sqlite3_open_v2(const char *path, void **out, int flags, const char *vfs)
{
    REAL(sqlite_open_fn, sqlite3_open_v2)
    if (ours(CALLER) && fails(CLASS_STEP)) {
        *out = NULL;
        return SQLITE_CANTOPEN;
    }
    return real(path, out, flags, vfs);
}

/* --- malloc
 * -----------------------------------------------------------------------------------------------
 */

typedef void *(*malloc_fn)(size_t);
void *malloc(size_t size)
{
    REAL(malloc_fn, malloc)
    return no_memory(CALLER) ? NULL : real(size);
}

typedef void *(*calloc_fn)(size_t, size_t);
void *calloc(size_t count, size_t size)
{
    REAL(calloc_fn, calloc)
    return no_memory(CALLER) ? NULL : real(count, size);
}

typedef void *(*realloc_fn)(void *, size_t);
void *realloc(void *old, size_t size)
{
    REAL(realloc_fn, realloc)
    return size > 0 && no_memory(CALLER) ? NULL : real(old, size);
}

typedef char *(*strdup_fn)(const char *);
char *strdup(const char *text)
{
    REAL(strdup_fn, strdup)
    return no_memory(CALLER) ? NULL : real(text);
}

typedef char *(*strndup_fn)(const char *, size_t);
char *strndup(const char *text, size_t size)
{
    REAL(strndup_fn, strndup)
    return no_memory(CALLER) ? NULL : real(text, size);
}

typedef void *(*sodium_malloc_fn)(size_t);
void *sodium_malloc(size_t size);
void *sodium_malloc(size_t size)
{
    REAL(sodium_malloc_fn, sodium_malloc)
    return no_memory(CALLER) ? NULL : real(size);
}

typedef FILE *(*memstream_fn)(char **, size_t *);
FILE *open_memstream(char **text, size_t *size)
{
    REAL(memstream_fn, open_memstream)
    return no_memory(CALLER) ? NULL : real(text, size);
}

typedef FILE *(*fopencookie_fn)(void *, const char *, cookie_io_functions_t);
FILE *fopencookie(void *cookie, const char *mode, cookie_io_functions_t functions)
{
    REAL(fopencookie_fn, fopencookie)
    return no_memory(CALLER) ? NULL : real(cookie, mode, functions);
}

typedef void *(*tsearch_fn)(const void *, void **, int (*)(const void *, const void *));
void *tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
    REAL(tsearch_fn, tsearch)
    return no_memory(CALLER) ? NULL : real(key, root, compare);
}

typedef int (*thread_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    REAL(thread_fn, pthread_create)
    return no_memory(CALLER) ? EAGAIN : real(thread, attr, run, arg);
}

/* --- send, recv: the program's own, over the local socket and between nodes
 * --------------------------------- */

typedef ssize_t (*send_fn)(int, const void *, size_t, int);
ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    REAL(send_fn, send)
    return ours(CALLER) && fails(CLASS_SEND) ? -1 : real(fd, bytes, size, flags);
}

typedef ssize_t (*recv_fn)(int, void *, size_t, int);
ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    REAL(recv_fn, recv)
    return ours(CALLER) && fails(CLASS_RECV) ? -1 : real(fd, bytes, size, flags);
}

typedef int (*zmq_send_fn)(void *, const void *, size_t, int);
int zmq_send(void *socket, const void *bytes, size_t size, int flags);
int zmq_send(void *socket, const void *bytes, size_t size, int flags)
{
    REAL(zmq_send_fn, zmq_send)
    if (ours(CALLER) && fails(CLASS_SEND)) {
        errno = EHOSTUNREACH;
        return -1;
    }
    return real(socket, bytes, size, flags);
}

typedef int (*zmq_msg_fn)(void *, void *, int);
int zmq_msg_send(void *message, void *socket, int flags);
int zmq_msg_send(void *message, void *socket, int flags)
{
    REAL(zmq_msg_fn, zmq_msg_send)
    if (ours(CALLER) && fails(CLASS_SEND)) {
        errno = EHOSTUNREACH;
        return -1;
    }
    return real(message, socket, flags);
}

int zmq_msg_recv(void *message, void *socket, int flags);
int zmq_msg_recv(void *message, void *socket, int flags)
{
    REAL(zmq_msg_fn, zmq_msg_recv)
    if (ours(CALLER) && fails(CLASS_RECV)) {
        errno = EAGAIN;
        return -1;
    }
    return real(message, socket, flags);
}

typedef int (*zmq_poll_fn)(void *, int, long);
int zmq_poll(void *items, int count, long timeout_ms);
int zmq_poll(void *items, int count, long timeout_ms)
{
    REAL(zmq_poll_fn, zmq_poll)
    if (ours(CALLER) && fails(CLASS_RECV)) {
        errno = EINTR;
        return -1;
    }
    return real(items, count, timeout_ms);
}
