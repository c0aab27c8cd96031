/*
 * Deflating objects for packs. Entries and payloads are small, each a zlib stream
 * of its own, so that what a stream costs before its first byte counts for most,
 * and of that the making of its Huffman codes. Entries are all alike (hex, base64
 * and the same few words), and so are payloads: ISA-L deflates both with codes that
 * are made once for all of them, in a fifth of the time and to some 5 and 15 % more
 * bytes. What those codes do not fit (another script than Latin, an envelope) goes
 * to libdeflate, as does all else. Its fastest level is as good as any on what is
 * small; longer texts get a level that looks for more. The shortest payloads, votes
 * above all, are left as ISA-L makes them: libdeflate makes them a fifth smaller, some
 * 30 bytes, for as long as a seventh of their signature's verification takes.
 *
 * A compressor serves one thread at a time; those that are idle wait in the
 * repository for the next one.
 */
#include "repo_internal.h"

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#define SHORT       256u
#define SMALL       2048u
#define LEVEL_SMALL 1
#define LEVEL_LARGE 6

struct hark_squeezer {
    struct libdeflate_compressor *small, *large; /* made on first use */
    struct isal_zstream *alike;                  /* likewise */
    struct hark_squeezer *next;
};

/* ---- codes made once ---- */

/* How often bytes stand in a hundred objects where no repetition covers them, and how
 * often repetitions have which length and distance (by deflate's symbols for them).
 * Rounded from 11,000 objects; a code for what is not said is long. A stream begins with
 * how long each code is, which takes the less the fewer lengths there are:
 * hence few and round numbers. Changing this changes what new packs hold, and how large
 * they are, nothing else. */
struct habits {
    struct {
        const char *bytes;
        uint16_t times;
    } literals[6];
    uint16_t any; /* any other byte */
    uint16_t lengths[ISAL_DEF_LEN_SYMBOLS];
    uint16_t distances[ISAL_DEF_DIST_SYMBOLS];
};

static const struct habits entries = {
    .literals = {{"0123456789abcdef", 3000},
                 {" \n", 2050},
                 {":A", 1100},
                 {"BCDEFGHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz+-/", 480}},
    .any = 1,
    .lengths = {1, 1169, 122, 185, 2,   2, 14, 2, 2, 2, 2,   2, 100, 2, 2,
                2, 2,    2,   2,   200, 2, 2,  2, 2, 2, 100, 2, 2,   2},
    .distances = {294, 6,   2, 2,   2,  2, 188, 2, 402, 10, 7, 89, 121, 9, 205,
                  6,   308, 2, 209, 23, 9, 1,   1, 1,   1,  1, 1,  1,   1, 1}};

static const struct habits payloads = {
    .literals = {{"\"", 1900},
                 {" adet", 950},
                 {"0123456789:bcfhilmnoprs", 475},
                 {",wy", 240},
                 {"/gkuv{}.-", 120},
                 {"ABCDEFGHIJKLMNOPQRSTUVWXYZjqxz_", 10}},
    .any = 1,
    .lengths = {0,  120, 120, 120, 120, 60, 15, 15, 15, 15, 15,
                15, 15,  15,  15,  15,  15, 15, 15, 15, 15},
    .distances = {120, 0, 2, 4, 30, 15, 30, 30, 60, 60, 120, 60, 120, 60, 60, 15, 15}};

#define END_OF_BLOCK 256u

static struct isal_hufftables entry_codes, payload_codes;
static bool codes_made;

static bool make_codes(struct isal_hufftables *out, const struct habits *habits)
{
    struct isal_huff_histogram *seen = calloc(1, sizeof(*seen));
    bool made;
    if (seen == NULL) {
        return false;
    }
    for (size_t i = 0; i < END_OF_BLOCK; i++) {
        seen->lit_len_histogram[i] = habits->any;
    }
    for (size_t i = 0; i < sizeof(habits->literals) / sizeof(habits->literals[0]); i++) {
        for (const char *c = habits->literals[i].bytes; c != NULL && *c != '\0'; c++) {
            seen->lit_len_histogram[(uint8_t)*c] = habits->literals[i].times;
        }
    }
    seen->lit_len_histogram[END_OF_BLOCK] = 100; /* each object has one */
    for (size_t i = 0; i < ISAL_DEF_LEN_SYMBOLS; i++) {
        seen->lit_len_histogram[ISAL_DEF_LIT_SYMBOLS + i] = habits->lengths[i];
    }
    for (size_t i = 0; i < ISAL_DEF_DIST_SYMBOLS; i++) {
        seen->dist_histogram[i] = habits->distances[i];
    }
    made = isal_create_hufftables(out, seen) == 0;
    free(seen);
    return made;
}

static void make_both(void)
{
    codes_made = make_codes(&entry_codes, &entries) && make_codes(&payload_codes, &payloads);
}

/* The codes for objects of that type; NULL: there are none. */
static struct isal_hufftables *codes_for(git_object_t type)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (type != GIT_OBJECT_COMMIT && type != GIT_OBJECT_BLOB) {
        return NULL;
    }
    (void)pthread_once(&once, make_both);
    if (!codes_made) {
        return NULL;
    }
    return type == GIT_OBJECT_COMMIT ? &entry_codes : &payload_codes;
}

/* The size of a zlib stream that says `bytes`; 0: it does not fit there, or the codes
 * do not fit it. */
static size_t squeeze_alike(struct hark_squeezer *squeezer, git_object_t type,
                            struct hark_span bytes, uint8_t *out, size_t room)
{
    struct isal_hufftables *codes = codes_for(type);
    struct isal_zstream *z;
    size_t most = bytes.size;
    if (codes == NULL || bytes.size == 0) {
        return 0;
    }
    most -= bytes.size <= SHORT ? 1 : bytes.size / 8;
    if (squeezer->alike == NULL) {
        squeezer->alike = calloc(1, sizeof(*squeezer->alike));
    }
    z = squeezer->alike;
    if (z == NULL) {
        return 0;
    }
    isal_deflate_stateless_init(z);
    z->gzip_flag = IGZIP_ZLIB;
    z->flush = NO_FLUSH;
    z->end_of_stream = 1;
    if (isal_deflate_set_hufftables(z, codes, IGZIP_HUFFTABLE_CUSTOM) != COMP_OK) {
        return 0;
    }
    /* ISA-L does not write there; its interface does not say so. */
    z->next_in = (uint8_t *)(uintptr_t)bytes.data;
    z->avail_in = (uint32_t)bytes.size;
    z->next_out = out;
    z->avail_out = (uint32_t)room;
    return isal_deflate_stateless(z) == COMP_OK && z->total_out <= most ? z->total_out : 0;
}

/* ---- compressors ---- */

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
        free(squeezer->alike);
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

static int squeeze_any(struct hark_squeezer *squeezer, struct hark_span bytes, uint8_t *out,
                       size_t room, size_t *made, struct hark_err *err)
{
    bool is_small = bytes.size <= SMALL;
    struct libdeflate_compressor **compressor = is_small ? &squeezer->small : &squeezer->large;
    if (*compressor == NULL) {
        *compressor = libdeflate_alloc_compressor(is_small ? LEVEL_SMALL : LEVEL_LARGE);
    }
    if (*compressor == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for deflating");
    }
    *made = libdeflate_zlib_compress(*compressor, bytes.size != 0 ? (const void *)bytes.data : "",
                                     bytes.size, out, room);
    return *made != 0
               ? 0
               : hark_err_set(err, HARK_E_INTERNAL, "deflating %zu bytes does not fit", bytes.size);
}

int hark_squeeze(struct hark_repo *repo, git_object_t type, struct hark_span bytes, uint8_t *out,
                 size_t *size, struct hark_err *err)
{
    size_t header = hark_squeeze_header(out, type, bytes.size);
    size_t room = hark_squeeze_bound(bytes.size) - header;
    struct hark_squeezer *squeezer = take(repo);
    size_t made = 0;
    int rc = 0;
    if (squeezer == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for deflating");
    }
    if (bytes.size <= SMALL) {
        made = squeeze_alike(squeezer, type, bytes, out + header, room);
    }
    if (made == 0) {
        rc = squeeze_any(squeezer, bytes, out + header, room, &made, err);
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
