/*
 * Writing a pack and its index.
 *
 *   pack   "PACK" u32 2 u32 objects, the objects, SHA-1 of all before
 *   object type and size (first byte: more-bit, 3 bits type, 4 bits size; then 7
 *          bits of size each), zlib stream
 *   index  ff 74 4f 63 u32 2, fan-out of 256 u32, ids in order, CRC-32 of each
 *          object's bytes in the pack, u32 offsets (top bit: number in the table
 *          of u64 that follows), the pack's SHA-1, SHA-1 of all before
 *
 * A pack's name is its SHA-1, as git does it today.
 */
#include "repo_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE   (256u * 1024u)
#define HEADER_SIZE   12u
#define OFFSET_LARGE  UINT32_C(0x80000000)
#define DEFLATE_LEVEL 6

static int flush(struct hark_pack_writer *w, struct hark_err *err)
{
    hark_sha1_update(&w->sha1, w->buf, w->used);
    int rc = hark_repo_write_all(w->fd, w->buf, w->used, err);
    if (rc == 0) {
        w->used = 0;
    }
    return rc;
}

static void put_header(uint8_t out[HEADER_SIZE], uint64_t objects)
{
    static const uint8_t magic[4] = {'P', 'A', 'C', 'K'};
    memcpy(out, magic, sizeof(magic));
    hark_put_u32(out + 4, 2);
    hark_put_u32(out + 8, (uint32_t)objects);
}

static int stage_file(struct hark_repo *repo, const char *stage, const char *extension, int *fd,
                      struct hark_err *err)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%s", stage, extension);
    *fd = openat(repo->stage_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return hark_err_errno(err, errno, "%s/%s/%s", repo->path, HARK_STAGE_DIR, name);
    }
    return 0;
}

int hark_pack_begin(struct hark_pack_writer *w, struct hark_repo *repo, uint64_t expected,
                    struct hark_err *err)
{
    *w = (struct hark_pack_writer){
        .repo = repo, .fd = -1, .idx_fd = -1, .keep_fd = -1, .expected = expected, .open = true};
    uint8_t chance[8];
    hark_random(chance, sizeof(chance));
    hark_hex_encode(w->stage, chance, sizeof(chance));
    int rc = 0;
    hark_sha1_init(&w->sha1);
    w->buf = malloc(BUFFER_SIZE);
    if (w->buf == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a pack");
        goto out;
    }
    rc = stage_file(repo, w->stage, ".pack", &w->fd, err);
    if (rc != 0) {
        goto out;
    }
    put_header(w->buf, expected);
    w->used = HEADER_SIZE;
    w->offset = HEADER_SIZE;
out:
    if (rc != 0) {
        hark_pack_end(w);
    }
    return rc;
}

/* A new item at the present offset; *fresh false when the object is there. */
static int new_item(struct hark_pack_writer *w, const struct hark_git_id *id,
                    struct hark_pack_item **item, struct hark_err *err)
{
    *item = NULL;
    bool added = false;
    if (w->seen.count == w->capacity) {
        size_t capacity = w->capacity != 0 ? w->capacity * 2 : 64;
        struct hark_pack_item *grown = realloc(w->items, capacity * sizeof(*grown));
        if (grown == NULL) {
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu objects", capacity);
        }
        w->items = grown;
        w->capacity = capacity;
    }
    int rc = hark_idset_add(&w->seen, id, &added, err);
    if (rc != 0 || !added) {
        return rc;
    }
    *item = &w->items[w->seen.count - 1];
    **item = (struct hark_pack_item){
        .id = *id, .crc = libdeflate_crc32(0, NULL, 0), .offset = w->offset};
    return 0;
}

static int emit(struct hark_pack_writer *w, struct hark_pack_item *item, const uint8_t *data,
                size_t size, struct hark_err *err)
{
    while (size != 0) {
        if (w->used == BUFFER_SIZE) {
            int rc = flush(w, err);
            if (rc != 0) {
                return rc;
            }
        }
        size_t n = BUFFER_SIZE - w->used < size ? BUFFER_SIZE - w->used : size;
        memcpy(w->buf + w->used, data, n);
        item->crc = libdeflate_crc32(item->crc, data, n);
        w->used += n;
        w->offset += n;
        data += n;
        size -= n;
    }
    return 0;
}

/* What is too large to be deflated at once. */
static int emit_streamed(struct hark_pack_writer *w, struct hark_pack_item *item,
                         struct hark_span bytes, struct hark_err *err)
{
    z_stream *z = &w->repo->deflate;
    if (bytes.size > HARK_REPO_OBJECT_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "a git object of %zu bytes", bytes.size);
    }
    if (!w->repo->deflating) {
        if (deflateInit(z, DEFLATE_LEVEL) != Z_OK) {
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for deflating");
        }
        w->repo->deflating = true;
    }
    if (deflateReset(z) != Z_OK) {
        return hark_err_set(err, HARK_E_INTERNAL, "zlib does not start again");
    }
    /* zlib does not write there; its interface says so only if asked at build. */
    z->next_in = (Bytef *)(uintptr_t)bytes.data;
    z->avail_in = (uInt)bytes.size;
    for (;;) {
        if (w->used == BUFFER_SIZE) {
            int rc = flush(w, err);
            if (rc != 0) {
                return rc;
            }
        }
        uint8_t *start = w->buf + w->used;
        z->next_out = start;
        z->avail_out = (uInt)(BUFFER_SIZE - w->used);
        int answer = deflate(z, Z_FINISH);
        size_t made = (size_t)(z->next_out - start);
        item->crc = libdeflate_crc32(item->crc, start, made);
        w->used += made;
        w->offset += made;
        if (answer == Z_STREAM_END) {
            return 0;
        }
        if (answer != Z_OK && answer != Z_BUF_ERROR) {
            return hark_err_set(err, HARK_E_INTERNAL, "zlib answers %d", answer);
        }
    }
}

static int emit_object(struct hark_pack_writer *w, struct hark_pack_item *item, git_object_t type,
                       struct hark_span bytes, struct hark_err *err)
{
    size_t bound = hark_squeeze_bound(bytes.size);
    size_t size = 0;
    int rc = BUFFER_SIZE - w->used < bound ? flush(w, err) : 0;
    if (rc == 0) {
        rc = hark_squeeze(w->repo, type, bytes, w->buf + w->used, &size, err);
    }
    if (rc == 0) {
        item->crc = libdeflate_crc32(item->crc, w->buf + w->used, size);
        w->used += size;
        w->offset += size;
    }
    return rc;
}

int hark_pack_add(struct hark_pack_writer *w, git_object_t type, const struct hark_git_id *id,
                  struct hark_span bytes, struct hark_err *err)
{
    struct hark_pack_item *item = NULL;
    int rc = new_item(w, id, &item, err);
    if (rc != 0 || item == NULL) {
        return rc;
    }
    if (bytes.size <= HARK_SQUEEZE_MAX) {
        return emit_object(w, item, type, bytes, err);
    }
    uint8_t header[HARK_SQUEEZE_HEADER_MAX];
    rc = emit(w, item, header, hark_squeeze_header(header, type, bytes.size), err);
    return rc != 0 ? rc : emit_streamed(w, item, bytes, err);
}

int hark_pack_add_packed(struct hark_pack_writer *w, const struct hark_packed *packed,
                         struct hark_err *err)
{
    struct hark_pack_item *item = NULL;
    int rc = new_item(w, &packed->id, &item, err);
    return rc != 0 || item == NULL ? rc : emit(w, item, packed->bytes, packed->size, err);
}

int hark_pack_add_raw(struct hark_pack_writer *w, const struct hark_git_id *id,
                      struct hark_span raw, uint32_t crc, struct hark_err *err)
{
    struct hark_pack_item *item = NULL;
    int rc = new_item(w, id, &item, err);
    if (rc != 0 || item == NULL) {
        return rc;
    }
    rc = emit(w, item, raw.data, raw.size, err);
    if (rc == 0 && item->crc != crc) {
        rc = hark_err_set(err, HARK_E_DAMAGED, "an object in a pack is not what it was");
    }
    return rc;
}

/* ---- finishing ---- */

/* The header on disk told another number of objects: put it right, and hash the
 * file again. */
static int correct_header(struct hark_pack_writer *w, struct hark_err *err)
{
    uint8_t header[HEADER_SIZE];
    put_header(header, w->seen.count);
    if (w->offset == w->used) {
        memcpy(w->buf, header, HEADER_SIZE); /* nothing has left the buffer */
        return 0;
    }
    int rc = flush(w, err);
    if (rc != 0) {
        return rc;
    }
    if (pwrite(w->fd, header, HEADER_SIZE, 0) != (ssize_t)HEADER_SIZE) {
        return hark_err_errno(err, errno, "writing a pack's header");
    }
    hark_sha1_init(&w->sha1);
    for (uint64_t at = 0; at < w->offset;) {
        ssize_t n = pread(w->fd, w->buf, BUFFER_SIZE, (off_t)at);
        if (n <= 0) {
            return hark_err_errno(err, n < 0 ? errno : EIO, "reading a pack back");
        }
        hark_sha1_update(&w->sha1, w->buf, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

/* Writes the trailer and gives it. */
static int end_file(struct hark_pack_writer *w, int fd, uint8_t trailer[HARK_SHA1_SIZE],
                    struct hark_err *err)
{
    hark_sha1_final(&w->sha1, trailer);
    return hark_repo_write_all(fd, trailer, HARK_SHA1_SIZE, err);
}

static int compare_items(const void *a, const void *b)
{
    const struct hark_pack_item *left = a;
    const struct hark_pack_item *right = b;
    return memcmp(left->id.bytes, right->id.bytes, HARK_GIT_ID_SIZE);
}

static int index_bytes(struct hark_buf *out, const struct hark_pack_item *items, size_t count,
                       struct hark_err *err)
{
    static const uint8_t magic[8] = {0xff, 't', 'O', 'c', 0, 0, 0, 2};
    int rc = hark_buf_append(out, magic, sizeof(magic), err);
    size_t below = 0;
    for (unsigned first = 0; rc == 0 && first < 256; first++) {
        while (below < count && items[below].id.bytes[0] <= first) {
            below++;
        }
        rc = hark_buf_append_u32(out, (uint32_t)below, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_buf_append(out, items[i].id.bytes, HARK_GIT_ID_SIZE, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = hark_buf_append_u32(out, items[i].crc, err);
    }
    uint32_t large = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint32_t offset =
            items[i].offset < OFFSET_LARGE ? (uint32_t)items[i].offset : OFFSET_LARGE | large++;
        rc = hark_buf_append_u32(out, offset, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (items[i].offset >= OFFSET_LARGE) {
            rc = hark_buf_append_u64(out, items[i].offset, err);
        }
    }
    return rc;
}

static int write_index(struct hark_pack_writer *w, const uint8_t pack_sha1[HARK_SHA1_SIZE],
                       struct hark_err *err)
{
    size_t count = w->seen.count;
    struct hark_buf out = hark_buf_init(2048 + count * 36);
    uint8_t trailer[HARK_SHA1_SIZE];
    /* One allocation: the buffer's doubling would cost more than the index. */
    int rc = hark_buf_reserve(&out, 1072 + count * 28, err);
    qsort(w->items, count, sizeof(*w->items), compare_items);
    if (rc == 0) {
        rc = index_bytes(&out, w->items, count, err);
    }
    if (rc == 0) {
        rc = hark_buf_append(&out, pack_sha1, HARK_SHA1_SIZE, err);
    }
    if (rc == 0) {
        rc = stage_file(w->repo, w->stage, ".idx", &w->idx_fd, err);
    }
    if (rc == 0) {
        hark_sha1_update(&w->sha1, out.data, out.size);
        rc = hark_repo_write_all(w->idx_fd, out.data, out.size, err);
    }
    if (rc == 0) {
        rc = end_file(w, w->idx_fd, trailer, err);
    }
    hark_buf_free(&out);
    return rc;
}

int hark_pack_finish(struct hark_pack_writer *w, struct hark_span keep, struct hark_err *err)
{
    uint8_t sha1[HARK_SHA1_SIZE];
    int rc = 0;
    if (w->seen.count != w->expected) {
        rc = correct_header(w, err);
    }
    if (rc == 0) {
        rc = flush(w, err);
    }
    if (rc == 0) {
        rc = end_file(w, w->fd, sha1, err);
    }
    if (rc != 0) {
        return rc;
    }
    char hex[2 * HARK_SHA1_SIZE + 1];
    hark_hex_encode(hex, sha1, HARK_SHA1_SIZE);
    snprintf(w->name, sizeof(w->name), "pack-%s", hex);
    rc = write_index(w, sha1, err);
    if (rc == 0 && keep.size != 0) {
        rc = stage_file(w->repo, w->stage, ".keep", &w->keep_fd, err);
        if (rc == 0) {
            rc = hark_repo_write_all(w->keep_fd, keep.data, keep.size, err);
        }
    }
    if (rc == 0 && w->offset >= BUFFER_SIZE) {
        /* All files start on their way before the first is waited for: several
         * syncs then share one turn of the disk. Where the file system cannot,
         * the sync does it. For small ones starting costs more than it gains. */
        (void)sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        (void)sync_file_range(w->idx_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        if (w->keep_fd >= 0 && !w->brief_keep) {
            (void)sync_file_range(w->keep_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        }
    }
    /* Many may wait finished for their publication. */
    free(w->buf);
    free(w->items);
    hark_idset_free(&w->seen);
    w->buf = NULL;
    w->items = NULL;
    return rc;
}

int hark_pack_finish_briefly_kept(struct hark_pack_writer *w, struct hark_err *err)
{
    w->brief_keep = true;
    return hark_pack_finish(w, hark_span_str("hark main 0\n"), err);
}

int hark_pack_finish_shared(struct hark_pack_writer *w, const char *log, struct hark_err *err)
{
    w->keep_log = log;
    return hark_pack_finish(w, hark_span(NULL, 0), err);
}

int hark_pack_unkeep(struct hark_repo *repo, const char *name, struct hark_err *err)
{
    char file[96];
    snprintf(file, sizeof(file), "%s.keep", name);
    return hark_repo_unlink(repo->pack_fd, file, err);
}

static int sync_files(const struct hark_pack_writer *w, struct hark_err *err)
{
    int rc = hark_repo_sync_fd(w->fd, "a pack", err);
    if (rc == 0) {
        rc = hark_repo_sync_fd(w->idx_fd, "a pack's index", err);
    }
    if (rc == 0 && w->keep_fd >= 0 && !w->brief_keep) {
        rc = hark_repo_sync_fd(w->keep_fd, "a pack's keep file", err);
    }
    return rc;
}

static int move_file(const struct hark_pack_writer *w, const char *extension, struct hark_err *err)
{
    char from[64];
    char to[96];
    snprintf(from, sizeof(from), "%s%s", w->stage, extension);
    snprintf(to, sizeof(to), "%s%s", w->name, extension);
    if (renameat(w->repo->stage_fd, from, w->repo->pack_fd, to) != 0) {
        return hark_err_errno(err, errno, "%s/objects/pack/%s", w->repo->path, to);
    }
    return 0;
}

int hark_pack_publish(struct hark_pack_writer *const *writers, size_t count, struct hark_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = sync_files(writers[i], err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        /* Git sees a pack when it sees its index: that comes last, the keep file
         * first. */
        rc = writers[i]->keep_fd >= 0 ? move_file(writers[i], ".keep", err) : 0;
        if (writers[i]->keep_log != NULL) {
            rc = hark_keep_share(writers[i]->repo, writers[i]->keep_log, writers[i]->name, err);
        }
        if (rc == 0) {
            rc = move_file(writers[i], ".pack", err);
        }
        if (rc == 0) {
            rc = move_file(writers[i], ".idx", err);
        }
        if (rc == 0) {
            writers[i]->open = false;
            writers[i]->repo->unmerged++;
        }
    }
    if (rc == 0 && count != 0) {
        rc = hark_repo_sync_fd(writers[0]->repo->pack_fd, "objects/pack", err);
    }
    return rc;
}

void hark_pack_end(struct hark_pack_writer *w)
{
    static const char *const extensions[] = {".keep", ".idx", ".pack"};
    if (w->repo == NULL) {
        return;
    }
    const int fds[] = {w->keep_fd, w->idx_fd, w->fd};
    for (size_t i = 0; i < 3; i++) {
        if (fds[i] < 0) {
            continue;
        }
        close(fds[i]);
        if (w->open) {
            char name[64];
            snprintf(name, sizeof(name), "%s%s", w->stage, extensions[i]);
            (void)unlinkat(w->repo->stage_fd, name, 0);
        }
    }
    free(w->buf);
    free(w->items);
    hark_idset_free(&w->seen);
    *w = (struct hark_pack_writer){0};
}
