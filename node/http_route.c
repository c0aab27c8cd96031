/* See http.h. */
#include <string.h>

#include "node/http.h"

#define ID_SIZE ((size_t)2 * HARK_HASH_SIZE)

struct hark_http_route hark_http_route(const char *path)
{
    struct hark_http_route route = {.what = HARK_HTTP_NOTHING};

    if (strcmp(path, "/add-checkpoint") == 0) {
        route.what = HARK_HTTP_ADD;
        return route;
    }
    if (strlen(path) <= ID_SIZE + 1 || path[0] != '/' || path[1 + ID_SIZE] != '/' ||
        hark_hash_from_hex(&route.space, hark_span(path + 1, ID_SIZE), NULL) != 0)
        return route;
    path += ID_SIZE + 2;
    if (strcmp(path, "checkpoint") == 0) {
        route.what = HARK_HTTP_CHECKPOINT;
    } else if (strncmp(path, "tile/", strlen("tile/")) == 0) {
        route.what = HARK_HTTP_TILE;
        route.tile = path;
    }
    return route;
}
