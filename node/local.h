/*
 * The daemon's local socket: a Unix socket in the data directory, mode 0600,
 * over which `hark` hands a verb to `harkd` and gets what it prints.
 *
 * A request is one frame, answers are frames until the exit frame:
 *
 *     u8 type ‖ u32 size (big endian) ‖ size bytes
 *     R request  JSON {"argv":[…],"cwd":"…","progress":bool}, then one frame I
 *     I input    the caller's standard input, empty when no "-" stands in argv
 *     O output   bytes for standard output
 *     E error    bytes for standard error
 *     X exit     one byte: the exit code; the connection ends. Sent only after a whole
 *                answer; without it, something of the answer is missing
 */
#ifndef HARK_NODE_LOCAL_H
#define HARK_NODE_LOCAL_H

#include <stdio.h>

#include "crypto/bytes.h"

#define HARK_LOCAL_REQUEST_MAX (256u * 1024u)
#define HARK_LOCAL_FRAME_MAX   (64u * 1024u) /* of an answer */

/* Is a daemon listening in dir? Connects; *fd is -1 when none does. Errors: io
 * (a socket that is there and cannot be spoken to). */
HARK_CHECK int hark_local_connect(int *fd, const char *dir, struct hark_err *err);
/* Client: sends the request, copies answers to stdout and stderr, gives the exit
 * code. Closes fd. */
HARK_CHECK int hark_local_call(int fd, int argc, const char *const *argv, const char *cwd,
                               struct hark_span input, bool progress, int *exit_code,
                               struct hark_err *err);

/* Daemon: makes the socket (removing a stale one; the caller holds the lock). */
HARK_CHECK int hark_local_listen(int *fd, const char *dir, struct hark_err *err);
/* A request as read. Free with hark_local_request_free. */
struct hark_local_request {
    int argc;
    const char **argv;
    char *cwd;
    bool progress;
    struct hark_buf input;
    void *json;
};
/* Reads one from a connection just accepted (with a time limit of a few
 * seconds). Errors: usage, limit, io. */
HARK_CHECK int hark_local_read(int fd, struct hark_local_request *out, struct hark_err *err);
void hark_local_request_free(struct hark_local_request *request);
/* Streams whose bytes go out as frames of that type ('O' or 'E'). NULL when
 * there is no memory. */
FILE *hark_local_stream(int fd, char type);
/* The same for a line when there is no memory for a stream; a frame of at most 1 KiB. */
void hark_local_say(int fd, char type, const char *line);
/* The exit frame; closes nothing. */
void hark_local_exit(int fd, int exit_code);

#endif
