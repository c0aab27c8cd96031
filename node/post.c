/* See post.h. */
#include "node/post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_S         10L
#define CONNECT_TIMEOUT_S 5L

struct hark_post {
    CURL *curl;
    struct curl_slist *headers;
    const atomic_bool *stop;
    char why[CURL_ERROR_SIZE];
};

static size_t on_data(char *data, size_t one, size_t count, void *arg)
{
    struct hark_buf *out = arg;

    return hark_buf_append(out, data, one * count, NULL) == 0 ? one * count : 0;
}

/* libcurl asks about once a second, whatever it waits for. */
static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct hark_post *post = arg;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(post->stop) ? 1 : 0;
}

static bool set_up(struct hark_post *post)
{
    CURL *curl = post->curl;

    /* No "Expect: 100-continue", which costs a second where it is not known. */
    post->headers = curl_slist_append(NULL, "Expect:");
    return post->headers != NULL &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, post->headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, post->why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, post) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
}

int hark_post_new(struct hark_post **out, const atomic_bool *stop, struct hark_err *err)
{
    struct hark_post *post = calloc(1, sizeof(*post));

    *out = NULL;
    if (post == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a client");
    post->stop = stop;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        post->curl = curl_easy_init();
    if (post->curl == NULL || !set_up(post)) {
        hark_post_free(post);
        return hark_err_set(err, HARK_E_NO_MEMORY, "the HTTP client does not start");
    }
    *out = post;
    return 0;
}

void hark_post_free(struct hark_post *post)
{
    if (post == NULL)
        return;
    curl_easy_cleanup(post->curl);
    curl_slist_free_all(post->headers);
    free(post);
}

int hark_post_send(struct hark_post *post, const char *url, struct hark_span body,
                   struct hark_posted *out, struct hark_err *err)
{
    const char *type = NULL;
    long status = 0;
    CURLcode rc;

    post->why[0] = '\0';
    hark_buf_clear(&out->body);
    if (curl_easy_setopt(post->curl, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, (const char *)body.data) != CURLE_OK ||
        curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size) !=
            CURLE_OK ||
        curl_easy_setopt(post->curl, CURLOPT_WRITEDATA, &out->body) != CURLE_OK)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request");
    rc = curl_easy_perform(post->curl);
    if (rc != CURLE_OK)
        return hark_err_set(err, HARK_E_PEER_UNREACHABLE, "%s: %s", url,
                            post->why[0] != '\0' ? post->why : curl_easy_strerror(rc));
    (void)curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(post->curl, CURLINFO_CONTENT_TYPE, &type);
    out->status = status > 0 && status < 1000 ? (unsigned)status : 0;
    (void)snprintf(out->type, sizeof(out->type), "%s", type != NULL ? type : "");
    return 0;
}
