/*
 * See passphrase.h. What is typed goes from the terminal straight to locked memory.
 */
#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "private.h"

struct hark_passphrase {
    size_t size;
    uint8_t bytes[HARK_PASSPHRASE_MAX + 1]; /* one more, to see what is too long */
};

static int make(struct hark_passphrase **out, struct hark_err *err)
{
    /* sodium_malloc needs what sodium_init finds out; again is harmless. */
    *out = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(**out));
    if (*out == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a passphrase");
    }
    (*out)->size = 0;
    return 0;
}

void hark_passphrase_free(struct hark_passphrase *passphrase)
{
    sodium_free(passphrase); /* wipes it */
}

struct hark_span hark_passphrase_span(const struct hark_passphrase *passphrase)
{
    return passphrase == NULL ? hark_span(NULL, 0) : hark_span(passphrase->bytes, passphrase->size);
}

int hark_passphrase_read(struct hark_passphrase **out, const char *path, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init_secret(HARK_PASSPHRASE_MAX);
    *out = NULL;
    int rc = hark_private_read_any(path, &text, err);
    while (rc == 0 && text.size > 0 &&
           (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r')) {
        text.size--;
    }
    if (rc == 0 && text.size == 0) {
        rc = hark_err_set(err, HARK_E_USAGE, "%s holds no passphrase", path);
    }
    if (rc == 0) {
        rc = make(out, err);
    }
    if (rc == 0) {
        memcpy((*out)->bytes, text.data, text.size);
        (*out)->size = text.size;
    }
    hark_buf_free(&text);
    return rc;
}

/* ---- the terminal ---- */

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
    caught = number;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

/* Up to the end of the line, with that signal mask. Returns 0, or -1 with errno; EINTR where
 * a signal came. */
static int read_line(int fd, const sigset_t *mask, struct hark_passphrase *into)
{
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (ppoll(&wait, 1, NULL, mask) < 0) {
            return -1;
        }
        ssize_t n = read(fd, into->bytes + into->size, sizeof(into->bytes) - into->size);
        if (n < 0) {
            return -1;
        }
        into->size += (size_t)n;
        bool ended = n == 0;
        while (into->size > 0 &&
               (into->bytes[into->size - 1] == '\n' || into->bytes[into->size - 1] == '\r')) {
            into->size--;
            ended = true;
        }
        if (ended || into->size == sizeof(into->bytes)) {
            return 0;
        }
    }
}

static bool say(int fd, const char *what)
{
    return write(fd, what, strlen(what)) >= 0 && write(fd, ": ", 2) >= 0;
}

/* With the echo off, which a signal that ends the program must not leave so: signals come
 * while we wait and at no other time, and take their effect once the terminal is as it was.
 * Returns 0 or an errno. */
static int read_quietly(int fd, const char *what, struct hark_passphrase *into)
{
    struct sigaction old[SIGNALS];
    struct sigaction catching = {.sa_handler = catch_signal};
    struct termios shown;
    int result = 0;
    if (tcgetattr(fd, &shown) != 0) {
        return errno;
    }
    struct termios quiet = shown;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    quiet.c_lflag |= ECHONL | ICANON | ISIG;
    sigset_t blocked, mask;
    (void)sigemptyset(&catching.sa_mask);
    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)sigaddset(&blocked, signals[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &mask);
    caught = 0;
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)sigaction(signals[i], &catching, &old[i]);
    }
    /* Asked only then: what is typed at once is not to be shown either. */
    if (tcsetattr(fd, TCSAFLUSH, &quiet) != 0 || !say(fd, what) ||
        read_line(fd, &mask, into) != 0) {
        result = errno;
    }
    /* What does not fit is not for the shell to read. */
    (void)tcsetattr(fd, TCSAFLUSH, &shown);
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)sigaction(signals[i], &old[i], NULL);
    }
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (caught != 0) {
        (void)raise(caught);
        return EINTR;
    }
    return result;
}

int hark_passphrase_ask(struct hark_passphrase **out, const char *what, struct hark_err *err)
{
    *out = NULL;
    int fd = isatty(STDERR_FILENO) == 1 ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
    if (fd < 0) {
        return hark_err_set(err, HARK_E_KEY_PASSPHRASE, "%s: there is no terminal to ask at", what);
    }
    int rc = make(out, err);
    if (rc == 0) {
        int errnum = read_quietly(fd, what, *out);
        if (errnum == EINTR) {
            rc = hark_err_set(err, HARK_E_KEY_PASSPHRASE, "%s: interrupted", what);
        } else if (errnum != 0) {
            rc = hark_err_errno(err, errnum, "the terminal");
        } else if ((*out)->size > HARK_PASSPHRASE_MAX) {
            rc = hark_err_set(err, HARK_E_USAGE, "a passphrase of more than %d bytes",
                              HARK_PASSPHRASE_MAX);
        }
    }
    (void)close(fd);
    if (rc != 0 || (*out)->size == 0) {
        hark_passphrase_free(*out);
        *out = NULL;
    }
    return rc;
}

int hark_passphrase_ask_new(struct hark_passphrase **out, const char *what, struct hark_err *err)
{
    struct hark_passphrase *again = NULL;
    int rc = hark_passphrase_ask(out, what, err);
    if (rc == 0) {
        rc = hark_passphrase_ask(&again, "The same again", err);
    }
    if (rc == 0 && !hark_span_equal(hark_passphrase_span(*out), hark_passphrase_span(again))) {
        rc = hark_err_set(err, HARK_E_USAGE, "what was typed differs");
    }
    hark_passphrase_free(again);
    if (rc != 0) {
        hark_passphrase_free(*out);
        *out = NULL;
    }
    return rc;
}
