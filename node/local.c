/* See local.h. */
#include "node/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/cmd.h"
#include "node/files.h"
#include "schemas/payload.h"

#define LOCAL_TIMEOUT_S 10
#define LOCAL_BACKLOG   16

static int socket_address(struct sockaddr_un *address, const char *dir, struct hark_err *err)
{
    int n;

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/sock", dir);
    if (n < 0 || (size_t)n >= sizeof(address->sun_path))
        return hark_err_set(err, HARK_E_USAGE,
                            "the path %s/sock is too long for a local socket (%zu bytes at most)",
                            dir, sizeof(address->sun_path) - 1);
    return 0;
}

/* --- frames -------------------------------------------------------------------- */

static int send_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int recv_all(int fd, void *data, size_t size)
{
    uint8_t *at = data;

    while (size > 0) {
        ssize_t n = recv(fd, at, size, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int send_frame(int fd, char type, const void *data, size_t size)
{
    uint8_t header[5];

    header[0] = (uint8_t)type;
    hark_put_u32(header + 1, (uint32_t)size);
    if (send_all(fd, header, sizeof(header)) != 0)
        return -1;
    return size > 0 ? send_all(fd, data, size) : 0;
}

static int recv_header(int fd, char *type, uint32_t *size)
{
    uint8_t header[5];

    if (recv_all(fd, header, sizeof(header)) != 0)
        return -1;
    *type = (char)header[0];
    *size = hark_get_u32(header + 1);
    return 0;
}

/* One frame of a known type and bounded size into buf. */
static int recv_frame(int fd, char expected, uint32_t max, struct hark_buf *buf,
                      struct hark_err *err)
{
    uint32_t size;
    char type;
    int rc;

    if (recv_header(fd, &type, &size) != 0)
        return hark_err_set(err, HARK_E_IO, "the local connection ended early");
    if (type != expected || size > max)
        return hark_err_set(err, HARK_E_USAGE, "a malformed request on the local socket");
    rc = hark_buf_reserve(buf, size, err);
    if (rc < 0)
        return rc;
    if (size > 0 && recv_all(fd, buf->data, size) != 0)
        return hark_err_set(err, HARK_E_IO, "the local connection ended early");
    buf->size = size;
    return 0;
}

static void limit_time(int fd)
{
    struct timeval limit = {.tv_sec = LOCAL_TIMEOUT_S};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* --- client ---------------------------------------------------------------------- */

int hark_local_connect(int *fd, const char *dir, struct hark_err *err)
{
    struct sockaddr_un address;
    int rc = socket_address(&address, dir, err);

    *fd = -1;
    if (rc < 0)
        return access(dir, F_OK) == 0 ? 0 : rc; /* no socket can be there */
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return hark_err_errno(err, errno, "socket");
    if (connect(*fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    rc = errno;
    (void)close(*fd);
    *fd = -1;
    if (rc == ENOENT || rc == ECONNREFUSED || rc == ENOTDIR)
        return 0;
    return hark_err_errno(err, rc, "%s", address.sun_path);
}

static json_t *request_json(int argc, const char *const *argv, const char *cwd, bool progress)
{
    json_t *list = json_array();

    for (int i = 0; i < argc && list != NULL; i++) {
        if (json_array_append_new(list, json_string(argv[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{s:o, s:s, s:b}", "argv", list, "cwd", cwd, "progress", progress);
}

static int copy_frame(int fd, char type, uint32_t size, struct hark_err *err)
{
    FILE *to = type == 'O' ? stdout : stderr;
    uint8_t chunk[HARK_LOCAL_FRAME_MAX];

    if (size > sizeof(chunk) || (type != 'O' && type != 'E'))
        return hark_err_set(err, HARK_E_IO, "the daemon answered with something malformed");
    if (recv_all(fd, chunk, size) != 0)
        return hark_err_set(err, HARK_E_IO, "the daemon stopped before it had answered");
    if (fwrite(chunk, 1, size, to) != size || fflush(to) != 0)
        return hark_err_errno(err, errno, "writing the answer");
    return 0;
}

int hark_local_call(int fd, int argc, const char *const *argv, const char *cwd,
                    struct hark_span input, bool progress, int *exit_code, struct hark_err *err)
{
    json_t *json = request_json(argc, argv, cwd, progress);
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    int rc = 0;

    json_decref(json);
    if (text == NULL)
        rc = hark_err_set(err, HARK_E_USAGE, "the arguments are not UTF-8");
    else if (send_frame(fd, 'R', text, strlen(text)) != 0 ||
             send_frame(fd, 'I', input.data, input.size) != 0)
        rc = hark_err_set(err, HARK_E_IO, "the daemon does not take requests");
    free(text);
    while (rc == 0) {
        uint32_t size;
        uint8_t code;
        char type;

        if (recv_header(fd, &type, &size) != 0) {
            rc = hark_err_set(err, HARK_E_IO, "the daemon stopped before it had answered");
        } else if (type == 'X' && size == 1) {
            if (recv_all(fd, &code, 1) != 0)
                rc = hark_err_set(err, HARK_E_IO, "the daemon stopped before it had answered");
            *exit_code = code;
            break;
        } else {
            rc = copy_frame(fd, type, size, err);
        }
    }
    (void)close(fd);
    return rc;
}

/* --- daemon ---------------------------------------------------------------------- */

int hark_local_listen(int *fd, const char *dir, struct hark_err *err)
{
    struct sockaddr_un address;
    mode_t before;
    int rc = socket_address(&address, dir, err);

    *fd = -1;
    if (rc < 0)
        return rc;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return hark_err_errno(err, errno, "socket");
    (void)unlink(address.sun_path);
    before = umask(0177);
    rc = bind(*fd, (struct sockaddr *)&address, sizeof(address));
    (void)umask(before);
    if (rc != 0 || listen(*fd, LOCAL_BACKLOG) != 0) {
        rc = hark_err_errno(err, errno, "%s", address.sun_path);
        (void)close(*fd);
        *fd = -1;
        return rc;
    }
    return 0;
}

static int parse_request(struct hark_span text, struct hark_local_request *out,
                         struct hark_err *err)
{
    json_t *json = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *argv = json_object_get(json, "argv");
    const char *cwd = json_string_value(json_object_get(json, "cwd"));
    size_t count = json_array_size(argv);

    out->json = json;
    if (cwd == NULL || count == 0 || count > HARK_ARGS_MAX)
        return hark_err_set(err, HARK_E_USAGE, "a malformed request on the local socket");
    out->argv = calloc(count + 1, sizeof(*out->argv));
    out->cwd = strdup(cwd);
    if (out->argv == NULL || out->cwd == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request");
    for (size_t i = 0; i < count; i++) {
        out->argv[i] = json_string_value(json_array_get(argv, i));
        if (out->argv[i] == NULL)
            return hark_err_set(err, HARK_E_USAGE, "a malformed request on the local socket");
    }
    out->argc = (int)count;
    out->progress = json_is_true(json_object_get(json, "progress"));
    return 0;
}

int hark_local_read(int fd, struct hark_local_request *out, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_LOCAL_REQUEST_MAX);
    int rc;

    memset(out, 0, sizeof(*out));
    out->input = hark_buf_init(HARK_STDIN_MAX);
    limit_time(fd);
    rc = recv_frame(fd, 'R', HARK_LOCAL_REQUEST_MAX, &text, err);
    if (rc == 0)
        rc = recv_frame(fd, 'I', HARK_STDIN_MAX, &out->input, err);
    if (rc == 0)
        rc = parse_request(hark_buf_span(&text), out, err);
    hark_buf_free(&text);
    if (rc < 0)
        hark_local_request_free(out);
    return rc;
}

void hark_local_request_free(struct hark_local_request *request)
{
    free(request->argv);
    free(request->cwd);
    json_decref(request->json);
    hark_buf_free(&request->input);
    memset(request, 0, sizeof(*request));
}

/* The cookie of a stream: descriptor and type in one small allocation. */
struct stream {
    int fd;
    char type;
};

static ssize_t stream_write(void *cookie, const char *data, size_t size)
{
    const struct stream *stream = cookie;
    size_t left = size;

    while (left > 0) {
        size_t part = left < HARK_LOCAL_FRAME_MAX ? left : HARK_LOCAL_FRAME_MAX;

        if (send_frame(stream->fd, stream->type, data + (size - left), part) != 0)
            return 0; /* stdio's way to say that writing failed */
        left -= part;
    }
    return (ssize_t)size;
}

static int stream_close(void *cookie)
{
    free(cookie);
    return 0;
}

FILE *hark_local_stream(int fd, char type)
{
    static const cookie_io_functions_t functions = {.write = stream_write, .close = stream_close};
    struct stream *cookie = malloc(sizeof(*cookie));
    FILE *file;

    if (cookie == NULL)
        return NULL;
    *cookie = (struct stream){fd, type};
    file = fopencookie(cookie, "w", functions);
    if (file == NULL) {
        free(cookie);
        return NULL;
    }
    (void)setvbuf(file, NULL, type == 'E' ? _IOLBF : _IOFBF, 32768);
    return file;
}

void hark_local_say(int fd, char type, const char *line)
{
    (void)send_frame(fd, type, line, strlen(line));
}

void hark_local_exit(int fd, int exit_code)
{
    uint8_t code = (uint8_t)exit_code;

    (void)send_frame(fd, 'X', &code, 1);
}
