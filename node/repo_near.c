/*
 * Objects in about the order in which they were written, read quickly. A log is handed
 * out and audited from its beginning to its end, and what is wanted next mostly lies
 * right behind what was read last: then nothing has to be looked up, one read brings
 * many objects, and libdeflate inflates them in a third of the time.
 *
 * A place is an end of an object in a pack, with what comes behind it. What is wanted is
 * tried there first, where the type fits; else the packs' indexes say where it lies, and
 * the place moves there that was not used for the longest. Bytes are handed out only if
 * they give the id that was asked for. Whatever else happens (a delta, a large object, a
 * pack that is gone or damaged, no memory) is left to libgit2, which also says what is
 * wrong.
 */
#include "repo_internal.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACES     4u  /* commits, trees and files of a log; payloads; one to spare */
#define PACKS_MAX  64u /* looked into; what lies in others is libgit2's */
#define WINDOW     (64u * 1024u)
#define HEADER_MAX 8u /* of an object that fits a window */

struct place {
    char pack[HARK_PACK_NAME_MAX]; /* empty: none */
    uint64_t end;                  /* of the last object */
    uint64_t window_at;            /* in the pack */
    size_t window_size;
    uint8_t *window;
    uint64_t used; /* a count */
};

struct hark_near {
    struct libdeflate_decompressor *inflater;
    struct place places[PLACES];
    size_t pack_count;
    struct hark_pack packs[PACKS_MAX];
    struct timespec seen; /* when the folder of packs had changed last */
    uint64_t uses;
};

static void close_packs(struct hark_near *near)
{
    for (size_t i = 0; i < near->pack_count; i++) {
        hark_pack_close(&near->packs[i]);
    }
    near->pack_count = 0;
}

static void near_free(struct hark_near *near)
{
    if (near == NULL) {
        return;
    }
    close_packs(near);
    for (size_t i = 0; i < PLACES; i++) {
        free(near->places[i].window);
    }
    libdeflate_free_decompressor(near->inflater);
    free(near);
}

void hark_repo_near(struct hark_repo *repo, bool begins)
{
    near_free(repo->near);
    repo->near = begins ? calloc(1, sizeof(*repo->near)) : NULL;
    if (repo->near == NULL) {
        return;
    }
    repo->near->inflater = libdeflate_alloc_decompressor();
    if (repo->near->inflater == NULL) {
        near_free(repo->near);
        repo->near = NULL;
    }
}

/* ---- looking up ---- */

/* The packs as they are now; false: no others than before. */
static bool open_packs(struct hark_repo *repo, struct hark_near *near)
{
    char **names = NULL;
    size_t count = 0;
    struct stat st;
    if (fstatat(repo->top_fd, "objects/pack", &st, 0) != 0 ||
        (st.st_mtim.tv_sec == near->seen.tv_sec && st.st_mtim.tv_nsec == near->seen.tv_nsec) ||
        hark_repo_names(repo, "objects/pack", &names, &count, NULL) != 0) {
        return false;
    }
    near->seen = st.st_mtim;
    close_packs(near);
    for (size_t i = 0; i < count && near->pack_count < PACKS_MAX; i++) {
        char *dot = strrchr(names[i], '.');
        if (dot == NULL || strcmp(dot, ".idx") != 0 || dot - names[i] >= HARK_PACK_NAME_MAX) {
            continue;
        }
        *dot = '\0';
        if (hark_pack_open_index(&near->packs[near->pack_count], repo, names[i], NULL) == 0) {
            near->pack_count++;
        }
    }
    hark_repo_names_free(names, count);
    return true;
}

static const struct hark_pack *look_up(const struct hark_near *near, const struct hark_git_id *id,
                                       uint64_t *offset)
{
    for (size_t i = 0; i < near->pack_count; i++) {
        if (hark_pack_find(&near->packs[i], id, offset)) {
            return &near->packs[i];
        }
    }
    return NULL;
}

/* ---- reading ---- */

/* So that what follows the place is in the window, unless it is there and will do. */
static bool fill(struct hark_repo *repo, struct place *place, bool anew)
{
    char file[sizeof("objects/pack/.pack") + HARK_PACK_NAME_MAX];
    if (!anew && place->end >= place->window_at &&
        place->window_at + place->window_size >= place->end + HEADER_MAX) {
        return true;
    }
    if (place->window == NULL) {
        place->window = malloc(WINDOW);
    }
    place->window_size = 0;
    place->window_at = place->end;
    if (place->window == NULL || place->end > INT64_MAX) {
        return false;
    }
    (void)snprintf(file, sizeof(file), "objects/pack/%s.pack", place->pack);
    int fd = openat(repo->top_fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    ssize_t n = pread(fd, place->window, WINDOW, (off_t)place->end);
    close(fd);
    place->window_size = n > 0 ? (size_t)n : 0;
    return place->window_size >= HEADER_MAX; /* a pack ends with more than that */
}

/* Type and size of the object behind the place; `in` is what follows the header. */
static bool read_header(struct place *place, git_object_t *type, uint64_t *size,
                        struct hark_span *in)
{
    size_t skip = (size_t)(place->end - place->window_at);
    struct hark_span bytes = hark_span(place->window + skip, place->window_size - skip);
    size_t at = 0;
    uint8_t byte = bytes.data[at++];
    *type = (git_object_t)((byte >> 4) & 7);
    *size = byte & 0x0f;
    for (unsigned shift = 4; (byte & 0x80) != 0; shift += 7) {
        if (at == bytes.size || at == HEADER_MAX) {
            return false;
        }
        byte = bytes.data[at++];
        *size |= (uint64_t)(byte & 0x7f) << shift;
    }
    *in = hark_span(bytes.data + at, bytes.size - at);
    return true;
}

/* May the object behind the place go on behind the window? */
static bool is_cut(const struct place *place)
{
    return place->window_size == WINDOW && place->end > place->window_at;
}

/* Inflates it behind what `out` has. *used: bytes from the place to where it ends. */
static bool inflate_next(struct hark_repo *repo, const struct place *place, struct hark_span in,
                         struct hark_buf *out, size_t size, size_t *used)
{
    size_t taken = 0, made = 0;
    if (libdeflate_zlib_decompress_ex(repo->near->inflater, in.data, in.size, out->data + out->size,
                                      size, &taken, &made) != LIBDEFLATE_SUCCESS) {
        return false;
    }
    *used = (size_t)(in.data - place->window) + taken - (size_t)(place->end - place->window_at);
    return made == size;
}

/* The object behind the place, if that is it. */
static bool take(struct hark_repo *repo, struct place *place, enum hark_git_type type,
                 const struct hark_git_id *id, struct hark_buf *out)
{
    git_object_t there = GIT_OBJECT_INVALID;
    uint64_t says = 0;
    struct hark_span in;
    size_t used = 0;
    if (!fill(repo, place, false) || !read_header(place, &there, &says, &in) ||
        there != hark_repo_type(type) || says > WINDOW || says > out->max - out->size ||
        hark_buf_reserve(out, (size_t)says, NULL) != 0) {
        return false;
    }
    size_t size = (size_t)says;
    /* One that ends behind the window is tried once more, from its beginning on. */
    if (!inflate_next(repo, place, in, out, size, &used) &&
        (!is_cut(place) || !fill(repo, place, true) || !read_header(place, &there, &says, &in) ||
         says != size || !inflate_next(repo, place, in, out, size, &used))) {
        return false;
    }
    struct hark_git_id got = hark_git_hash(type, hark_span(out->data + out->size, size));
    if (!hark_git_id_equal(&got, id)) {
        return false;
    }
    out->size += size;
    place->end += used;
    place->used = ++repo->near->uses;
    return true;
}

static struct place *oldest(struct hark_near *near)
{
    struct place *found = &near->places[0];
    for (size_t i = 1; i < PLACES; i++) {
        if (near->places[i].used < found->used) {
            found = &near->places[i];
        }
    }
    return found;
}

bool hark_near_read(struct hark_repo *repo, enum hark_git_type type, const struct hark_git_id *id,
                    struct hark_buf *out)
{
    struct hark_near *near = repo->near;
    uint64_t offset = 0;
    for (size_t i = 0; i < PLACES; i++) {
        if (near->places[i].pack[0] != '\0' && take(repo, &near->places[i], type, id, out)) {
            return true;
        }
    }
    do {
        const struct hark_pack *pack = look_up(near, id, &offset);
        struct place *place = oldest(near);
        if (pack == NULL) {
            continue;
        }
        if (strcmp(place->pack, pack->name) != 0) {
            place->window_size = 0;
            memcpy(place->pack, pack->name, sizeof(place->pack));
        }
        place->end = offset;
        if (take(repo, place, type, id, out)) {
            return true;
        }
    } while (open_packs(repo, near)); /* merged meanwhile, or new */
    return false;
}
