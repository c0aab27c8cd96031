/* See http.h. */
#include <string.h>

#include "node/http.h"

#define ID_SIZE ((size_t)2 * HARK_HASH_SIZE)

struct hark_http_route hark_http_route(const char *path)
{
    struct hark_http_route route = {.what = HARK_HTTP_NOTHING};

    if (strcmp(path, "/add-checkpoint") == 0) {
        route.what = HARK_HTTP_ADD;
    } else if (strlen(path) > 1 + ID_SIZE && path[0] == '/' &&
               hark_hash_from_hex(&route.space, hark_span(path + 1, ID_SIZE), NULL) == 0 &&
               strcmp(path + 1 + ID_SIZE, "/checkpoint") == 0) {
        route.what = HARK_HTTP_CHECKPOINT;
    }
    return route;
}
