/*
 * Deflating objects for packs. Entries and payloads are small, each a zlib stream
 * of its own, so that what a stream costs before its first byte counts for most:
 * libdeflate takes less than half of zlib's time for them and makes them no larger.
 * Its fastest level is as good as any on what is hex, base64 and a few words;
 * longer texts get a level that looks for more.
 *
 * A compressor serves one thread at a time; those that are idle wait in the
 * repository for the next one.
 */
#include "repo_internal.h"

#include <libdeflate.h>
#include <stdlib.h>

#define SMALL       2048u
#define LEVEL_SMALL 1
#define LEVEL_LARGE 6

struct hark_squeezer {
    struct libdeflate_compressor *small, *large; /* made on first use */
    struct hark_squeezer *next;
};

static struct hark_squeezer *take(struct hark_repo *repo)
{
    pthread_mutex_lock(&repo->squeezers_lock);
    struct hark_squeezer *squeezer = repo->squeezers;
    if (squeezer != NULL) {
        repo->squeezers = squeezer->next;
    }
    pthread_mutex_unlock(&repo->squeezers_lock);
    return squeezer != NULL ? squeezer : calloc(1, sizeof(*squeezer));
}

static void give_back(struct hark_repo *repo, struct hark_squeezer *squeezer)
{
    pthread_mutex_lock(&repo->squeezers_lock);
    squeezer->next = repo->squeezers;
    repo->squeezers = squeezer;
    pthread_mutex_unlock(&repo->squeezers_lock);
}

void hark_squeezers_free(struct hark_repo *repo)
{
    while (repo->squeezers != NULL) {
        struct hark_squeezer *squeezer = repo->squeezers;
        repo->squeezers = squeezer->next;
        libdeflate_free_compressor(squeezer->small);
        libdeflate_free_compressor(squeezer->large);
        free(squeezer);
    }
}

size_t hark_squeeze_bound(size_t size)
{
    return HARK_SQUEEZE_HEADER_MAX + libdeflate_zlib_compress_bound(NULL, size);
}

size_t hark_squeeze_header(uint8_t out[HARK_SQUEEZE_HEADER_MAX], git_object_t type, size_t size)
{
    size_t n = 0;
    uint8_t byte = (uint8_t)(((unsigned)type << 4) | (size & 0x0f));
    for (size >>= 4; size != 0; size >>= 7) {
        out[n++] = byte | 0x80;
        byte = size & 0x7f;
    }
    out[n++] = byte;
    return n;
}

int hark_squeeze(struct hark_repo *repo, git_object_t type, struct hark_span bytes, uint8_t *out,
                 size_t *size, struct hark_err *err)
{
    size_t bound = hark_squeeze_bound(bytes.size);
    bool is_small = bytes.size <= SMALL;
    struct hark_squeezer *squeezer = take(repo);
    struct libdeflate_compressor **compressor = NULL;
    size_t header, made = 0;
    int rc = 0;
    if (squeezer == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for deflating");
    }
    compressor = is_small ? &squeezer->small : &squeezer->large;
    if (*compressor == NULL) {
        *compressor = libdeflate_alloc_compressor(is_small ? LEVEL_SMALL : LEVEL_LARGE);
    }
    header = hark_squeeze_header(out, type, bytes.size);
    if (*compressor == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for deflating");
    } else {
        made =
            libdeflate_zlib_compress(*compressor, bytes.size != 0 ? (const void *)bytes.data : "",
                                     bytes.size, out + header, bound - header);
        if (made == 0) {
            rc = hark_err_set(err, HARK_E_INTERNAL, "deflating %zu bytes does not fit", bytes.size);
        }
    }
    *size = header + made;
    give_back(repo, squeezer);
    return rc;
}

int hark_repo_pack(struct hark_repo *repo, enum hark_git_type type, const struct hark_git_id *id,
                   struct hark_span bytes, struct hark_packed *out, struct hark_err *err)
{
    *out = (struct hark_packed){.id = *id};
    if (bytes.size > HARK_SQUEEZE_MAX) {
        return hark_err_set(err, HARK_E_INTERNAL, "an object of %zu bytes", bytes.size);
    }
    out->bytes = malloc(hark_squeeze_bound(bytes.size));
    if (out->bytes == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an object");
    }
    int rc = hark_squeeze(repo, hark_repo_type(type), bytes, out->bytes, &out->size, err);
    if (rc != 0) {
        hark_packed_free(out);
    }
    return rc;
}

void hark_packed_free(struct hark_packed *packed)
{
    free(packed->bytes);
    packed->bytes = NULL;
    packed->size = 0;
}
