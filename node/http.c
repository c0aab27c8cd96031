/*
 * See http.h. libmicrohttpd calls on_request several times for each request: at its
 * header, for each piece of its body, and at its end. What needs no body is answered at
 * the header, which ends the connection of whoever sends one nevertheless.
 */
#include "node/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/tiles.h"
#include "node/witness.h"
#include "node/witnessed.h"

#define PLAIN           "text/plain; charset=utf-8"
#define LISTEN_BACKLOG  64
#define HEADERS_MAX     (16u * 1024u) /* memory of a connection: its header and a piece */
#define CHECKPOINT_TIME "no-cache"
#define TILE_TIME       "public, max-age=86400"

struct hark_http {
    char dir[HARK_PATH_MAX];
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_note_key *keys;
    struct hark_witnessed witnessed;
    struct MHD_Daemon *daemon;
};

/* A request. */
struct call {
    struct hark_http_route route;
    struct hark_buf body;
    uint64_t started_ms;
};

struct reply {
    unsigned status;
    const char *type, *cache, *allow; /* NULL: without */
    struct hark_buf body;
};

/* --- answering --------------------------------------------------------------------------- */

static struct reply reply_init(unsigned status)
{
    return (struct reply){
        .status = status, .type = PLAIN, .body = hark_buf_init((size_t)2 * HARK_NOTE_MAX)};
}

static struct reply words(unsigned status, const char *text)
{
    struct reply reply = reply_init(status);

    if (hark_buf_append_str(&reply.body, text, NULL) != 0 ||
        hark_buf_append_byte(&reply.body, '\n', NULL) != 0)
        hark_buf_clear(&reply.body);
    return reply;
}

static bool put_header(struct MHD_Response *response, const char *name, const char *value)
{
    return value == NULL || MHD_add_response_header(response, name, value) == MHD_YES;
}

/* Sends it, and frees it. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, struct reply *reply)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.size, reply->body.data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;

    hark_buf_free(&reply->body);
    if (response == NULL)
        return MHD_NO;
    if (put_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type) &&
        put_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, reply->cache) &&
        put_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow))
        result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* What went wrong here is for our operator to know. */
static struct reply failed(int rc)
{
    if (rc == HARK_E_NOT_FOUND)
        return words(MHD_HTTP_NOT_FOUND, "nothing of that name is here");
    return words(rc == HARK_E_BUSY ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_INTERNAL_SERVER_ERROR,
                 "this cannot be answered now");
}

/* --- what is asked ----------------------------------------------------------------------- */

/* Who it says nothing to about encrypted spaces, it does not tell that they are here. */
static int open_space(const struct hark_http *http, const struct hark_hash *id,
                      struct hark_space **out, struct hark_err *err)
{
    int rc = hark_space_open(out, http->dir, id, true, NULL, err);

    if (rc != 0)
        return rc;
    if (hark_space_head(*out)->tree.size > 0 &&
        hark_state_space_object(hark_space_state(*out))->mode == HARK_MODE_OPEN)
        return 0;
    hark_space_free(*out);
    *out = NULL;
    return hark_err_set(err, HARK_E_NOT_FOUND, "no open space of that id is here");
}

static struct reply get_checkpoint(const struct hark_http *http, const struct hark_hash *id)
{
    struct reply reply = reply_init(MHD_HTTP_OK);
    struct hark_space *space = NULL;
    int rc = open_space(http, id, &space, NULL);

    if (rc == 0)
        rc = hark_witness_newest(space, &reply.body, NULL);
    hark_space_free(space);
    reply.cache = CHECKPOINT_TIME;
    if (rc == 0)
        return reply;
    hark_buf_free(&reply.body);
    return failed(rc);
}

static int make_tile(struct hark_space *space, const char *path, struct reply *reply)
{
    struct hark_tiles_log log = hark_tiles_log_of(space, hark_span(NULL, 0));
    struct hark_tile tile;
    bool own = false;
    int rc;

    if (!hark_tiles_find(path, hark_space_head(space)->tree.size, &tile))
        return HARK_E_NOT_FOUND;
    rc = hark_index_view(hark_space_index(space), &own, NULL);
    if (rc < 0)
        return rc;
    rc = hark_tiles_make(&log, &tile, &reply->body, NULL);
    hark_index_view_end(hark_space_index(space), own);
    return rc;
}

/* What is at its path never changes, as long as the log is not another one (7.6). */
static struct reply get_tile(const struct hark_http *http, const struct hark_hash *id,
                             const char *path)
{
    struct reply reply = reply_init(MHD_HTTP_OK);
    struct hark_space *space = NULL;
    int rc = open_space(http, id, &space, NULL);

    if (rc == 0)
        rc = make_tile(space, path, &reply);
    hark_space_free(space);
    reply.type = "application/octet-stream";
    reply.cache = TILE_TIME;
    if (rc == 0)
        return reply;
    hark_buf_free(&reply.body);
    return failed(rc);
}

static struct reply add_checkpoint(const struct hark_http *http, struct hark_span body)
{
    struct reply reply = reply_init(MHD_HTTP_OK);
    struct hark_err err = {0};

    reply.status =
        hark_witnessed_add(&http->witnessed, body, hark_now_ms() / 1000, &reply.body, &err);
    if (reply.status == 200)
        return reply;
    reply.type = HARK_TLOG_WITNESS_SIZE_TYPE;
    if (reply.status == 409)
        return reply;
    hark_buf_free(&reply.body);
    if (reply.status < 500)
        return words(reply.status, err.message);
    (void)fprintf(stderr, "harkd: witnessing a log: %s (%s)\n", err.message,
                  hark_err_name(err.code));
    return words(reply.status, "this cannot be answered now");
}

/* --- libmicrohttpd's side ---------------------------------------------------------------- */

static bool announces_too_much(struct MHD_Connection *connection)
{
    const char *size =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t bytes;

    return size != NULL &&
           hark_decimal_decode(&bytes, hark_span_str(size), HARK_HTTP_BODY_MAX, NULL) != 0;
}

/* At the header: what can be said without a body. *wait: nothing, it is needed. */
static struct reply at_header(const struct hark_http *http, struct MHD_Connection *connection,
                              const struct hark_http_route *route, const char *method, bool *wait)
{
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    struct reply reply;

    *wait = false;
    if (route->what == HARK_HTTP_NOTHING || (route->what == HARK_HTTP_ADD && http->keys == NULL))
        return words(MHD_HTTP_NOT_FOUND, "nothing of that name is here");
    if (route->what == HARK_HTTP_ADD ? strcmp(method, "POST") != 0 : !get) {
        reply = words(MHD_HTTP_METHOD_NOT_ALLOWED, "not by this method");
        reply.allow = route->what == HARK_HTTP_ADD ? "POST" : "GET, HEAD";
        return reply;
    }
    if (announces_too_much(connection))
        return words(MHD_HTTP_CONTENT_TOO_LARGE, "128 KiB are read at most");
    if (route->what == HARK_HTTP_CHECKPOINT)
        return get_checkpoint(http, &route->space);
    if (route->what == HARK_HTTP_TILE)
        return get_tile(http, &route->space, route->tile);
    *wait = true;
    return (struct reply){.status = 0};
}

static enum MHD_Result begin(const struct hark_http *http, struct MHD_Connection *connection,
                             const char *url, const char *method, void **own)
{
    struct hark_http_route route = hark_http_route(url);
    bool wait = false;
    struct reply reply = at_header(http, connection, &route, method, &wait);
    struct call *call;

    if (!wait)
        return send_reply(connection, &reply);
    call = calloc(1, sizeof(*call));
    if (call == NULL)
        return MHD_NO;
    call->route = route;
    call->body = hark_buf_init(HARK_HTTP_BODY_MAX);
    call->started_ms = hark_timer_ms();
    *own = call;
    return MHD_YES;
}

/* Returning MHD_NO ends the connection: who sends too much, or a byte now and then, hears
 * no more. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **own)
{
    const struct hark_http *http = arg;
    struct call *call = *own;
    struct reply reply;

    (void)version;
    if (call == NULL)
        return begin(http, connection, url, method, own);
    if (hark_timer_ms() - call->started_ms > HARK_HTTP_TIMEOUT_S * UINT64_C(1000))
        return MHD_NO;
    if (*size > 0) {
        int rc = hark_buf_append(&call->body, data, *size, NULL);

        *size = 0;
        return rc == 0 ? MHD_YES : MHD_NO;
    }
    reply = add_checkpoint(http, hark_buf_span(&call->body));
    return send_reply(connection, &reply);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode why)
{
    struct call *call = *own;

    (void)arg;
    (void)connection;
    (void)why;
    if (call == NULL)
        return;
    hark_buf_free(&call->body);
    free(call);
    *own = NULL;
}

/* --- starting ---------------------------------------------------------------------------- */

struct where {
    struct sockaddr_storage address;
    socklen_t size;
};

/* "<IPv4>:<port>" or "[<IPv6>]:<port>", as the configuration was checked to be. */
static bool read_address(const char *text, struct where *out)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&out->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->address;
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    size_t skip = text[0] == '[' ? 1 : 0, size;
    uint64_t port;

    memset(out, 0, sizeof(*out));
    if (colon == NULL || (size_t)(colon - text) < 2 * skip ||
        hark_decimal_decode(&port, hark_span_str(colon + 1), UINT16_MAX, NULL) != 0)
        return false;
    size = (size_t)(colon - text) - 2 * skip;
    if (size >= sizeof(host))
        return false;
    memcpy(host, text + skip, size);
    host[size] = '\0';
    if (skip > 0) {
        out->size = sizeof(*six);
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
    }
    out->size = sizeof(*four);
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

/* As it was written, with the port in fact. */
static int tell_bound(int fd, const char *written, char *bound, struct hark_err *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = {.six = {.sin6_port = 0}};
    socklen_t size = sizeof(address);
    const char *colon = strrchr(written, ':');
    uint16_t port;
    int n;

    if (getsockname(fd, &address.any, &size) != 0)
        return hark_err_errno(err, errno, "%s", written);
    port = address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port;
    n = snprintf(bound, HARK_ADDRESS_MAX + 1, "http://%.*s:%u", (int)(colon - written), written,
                 (unsigned)ntohs(port));
    return n > 0 && n <= (int)HARK_ADDRESS_MAX ? 0
                                               : hark_err_set(err, HARK_E_CONFIG, "%s", written);
}

static int listen_at(const char *text, int *out, char *bound, struct hark_err *err)
{
    struct where where;
    int on = 1, fd, rc = 0;

    if (!read_address(text, &where))
        return hark_err_set(err, HARK_E_CONFIG, "%s is no address to listen at", text);
    fd = socket(where.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return hark_err_errno(err, errno, "http: %s", text);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (where.address.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, (const struct sockaddr *)&where.address, where.size) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0)
        rc = hark_err_errno(err, errno, "http: %s", text);
    if (rc == 0)
        rc = tell_bound(fd, text, bound, err);
    if (rc == 0)
        *out = fd;
    else
        (void)close(fd);
    return rc;
}

/* The configuration may change while it runs: what is needed is copied. */
static int copy_logs(struct hark_http *http, const struct hark_node *node, struct hark_err *err)
{
    size_t count = node->config->log_count;

    memcpy(http->dir, node->dir, sizeof(http->dir));
    memcpy(http->name, node->config->name, sizeof(http->name));
    if (count > 0) {
        http->keys = calloc(count, sizeof(*http->keys));
        if (http->keys == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a server");
        memcpy(http->keys, node->config->logs, count * sizeof(*http->keys));
    }
    http->witnessed = (struct hark_witnessed){.dir = http->dir,
                                              .name = http->name,
                                              .cosigner = node->identity.witness,
                                              .key_count = count,
                                              .keys = http->keys};
    return 0;
}

int hark_http_start(struct hark_http **out, const struct hark_node *node, char *bound,
                    struct hark_err *err)
{
    struct hark_http *http;
    int fd = -1, rc;

    *out = NULL;
    bound[0] = '\0';
    if (node->config->http[0] == '\0')
        return 0;
    http = calloc(1, sizeof(*http));
    if (http == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a server");
    rc = copy_logs(http, node, err);
    if (rc == 0)
        rc = listen_at(node->config->http, &fd, bound, err);
    if (rc == 0) {
        http->daemon = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, http,
            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, HARK_HTTP_CONNECTIONS_MAX,
            MHD_OPTION_CONNECTION_TIMEOUT, HARK_HTTP_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)HEADERS_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
            on_completed, NULL, MHD_OPTION_END);
        if (http->daemon == NULL) {
            (void)close(fd);
            rc = hark_err_set(err, HARK_E_IO, "the HTTP server does not start");
        }
    }
    if (rc == 0)
        *out = http;
    else
        hark_http_stop(http);
    return rc;
}

void hark_http_stop(struct hark_http *http)
{
    if (http == NULL)
        return;
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    free(http->keys);
    free(http);
}
