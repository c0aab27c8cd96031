/*
 * Packs that are there: listed, opened and copied. Stock git may have written
 * them, and a disk may have garbled them: everything is checked against the
 * file's bounds before it is followed.
 */
#include "repo_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACK_HEADER     12u
#define IDX_FANOUT      8u                   /* where the fan-out begins */
#define IDX_IDS         (IDX_FANOUT + 1024u) /* where the ids begin */
#define TYPE_BITS(byte) (((byte) >> 4) & 7)

static int damaged(struct hark_err *err, const char *name)
{
    return hark_err_set(err, HARK_E_DAMAGED, "%s is not a well-formed pack with its index", name);
}

/* ---- listing ---- */

static int look_at_pack(struct hark_repo *repo, struct hark_pack_info *info, bool *exists,
                        struct hark_err *err)
{
    char file[96];
    uint8_t head[PACK_HEADER + 1];
    struct stat st;
    snprintf(file, sizeof(file), "%s.pack", info->name);
    *exists = false;
    int fd = openat(repo->pack_fd, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", file);
    }
    ssize_t n = fstat(fd, &st) == 0 ? pread(fd, head, sizeof(head), 0) : -1;
    int failure = errno;
    close(fd);
    if (n < 0) {
        return hark_err_errno(err, failure, "%s", file);
    }
    if ((size_t)n < sizeof(head) || memcmp(head, "PACK", 4) != 0) {
        return damaged(err, info->name);
    }
    info->objects = hark_get_u32(head + 8);
    info->bytes = (uint64_t)st.st_size;
    unsigned type = TYPE_BITS(head[PACK_HEADER]);
    info->class = type == GIT_OBJECT_BLOB   ? HARK_PACK_PAYLOADS
                  : type == GIT_OBJECT_TREE ? HARK_PACK_TREES
                                            : HARK_PACK_LOG;
    snprintf(file, sizeof(file), "%s.keep", info->name);
    info->kept = faccessat(repo->pack_fd, file, F_OK, 0) == 0;
    *exists = true;
    return 0;
}

int hark_packs_list(struct hark_repo *repo, struct hark_pack_info **out, size_t *count,
                    struct hark_err *err)
{
    char **names = NULL;
    size_t n = 0;
    *out = NULL;
    *count = 0;
    int rc = hark_repo_names(repo, "objects/pack", &names, &n, err);
    if (rc != 0) {
        return rc;
    }
    struct hark_pack_info *infos = calloc(n + 1, sizeof(*infos));
    if (infos == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu packs", n);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t length = strlen(names[i]);
        if (length <= 4 || strcmp(names[i] + length - 4, ".idx") != 0) {
            continue;
        }
        struct hark_pack_info *info = &infos[*count];
        if (length - 4 >= sizeof(info->name)) {
            rc = hark_err_set(err, HARK_E_DAMAGED, "%s: no name of a pack", names[i]);
            break;
        }
        memset(info, 0, sizeof(*info));
        memcpy(info->name, names[i], length - 4);
        bool exists = false;
        rc = look_at_pack(repo, info, &exists, err);
        *count += exists ? 1 : 0;
    }
    hark_repo_names_free(names, n);
    if (rc != 0) {
        free(infos);
        *count = 0;
        return rc;
    }
    *out = infos;
    return 0;
}

/* ---- looking for an object ---- */

/* Reads exactly so much at a place of an index. */
static int read_at(int fd, void *out, size_t size, uint64_t at, const char *file,
                   struct hark_err *err)
{
    ssize_t n = pread(fd, out, size, (off_t)at);
    if (n < 0) {
        return hark_err_errno(err, errno, "%s", file);
    }
    return (size_t)n == size ? 0 : damaged(err, file);
}

static int index_has(int fd, const struct hark_git_id *id, const char *file, bool *has,
                     struct hark_err *err)
{
    uint8_t pair[8] = {0};
    uint8_t got[HARK_GIT_ID_SIZE];
    unsigned first = id->bytes[0];
    int rc = first == 0 ? read_at(fd, pair + 4, 4, IDX_FANOUT, file, err)
                        : read_at(fd, pair, 8, IDX_FANOUT + 4 * (uint64_t)(first - 1), file, err);
    uint32_t low = hark_get_u32(pair);
    uint32_t high = hark_get_u32(pair + 4);
    while (rc == 0 && low < high) {
        uint32_t middle = low + (high - low) / 2;
        rc = read_at(fd, got, sizeof(got), IDX_IDS + (uint64_t)middle * sizeof(got), file, err);
        int order = memcmp(id->bytes, got, sizeof(got));
        if (rc == 0 && order == 0) {
            *has = true;
            return 0;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return rc;
}

int hark_packs_have(struct hark_repo *repo, const struct hark_git_id *id, bool *have,
                    struct hark_err *err)
{
    char **names = NULL;
    size_t n = 0;
    int rc = hark_repo_names(repo, "objects/pack", &names, &n, err);
    *have = false;
    for (size_t i = 0; rc == 0 && i < n && !*have; i++) {
        size_t length = strlen(names[i]);
        if (length < 4 || strcmp(names[i] + length - 4, ".idx") != 0) {
            continue;
        }
        int fd = openat(repo->pack_fd, names[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            rc = errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", names[i]);
            continue;
        }
        rc = index_has(fd, id, names[i], have, err);
        close(fd);
    }
    hark_repo_names_free(names, n);
    return rc;
}

/* ---- opening ---- */

static int map_file(struct hark_repo *repo, const char *name, const char *extension,
                    const uint8_t **data, size_t *size, struct hark_err *err)
{
    char file[112];
    struct stat st;
    int rc = 0;
    /* A view has no folder of packs open. */
    snprintf(file, sizeof(file), "objects/pack/%s%s", name, extension);
    int fd = openat(repo->top_fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = hark_err_errno(err, errno, "%s", file);
    } else if (st.st_size < (off_t)(PACK_HEADER + HARK_SHA1_SIZE)) {
        rc = damaged(err, name);
    } else {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            rc = hark_err_errno(err, errno, "%s", file);
        } else {
            *data = map;
            *size = (size_t)st.st_size;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

/* The index's tables stand where they must for its number of objects. */
static bool check_index(struct hark_pack *pack)
{
    static const uint8_t magic[8] = {0xff, 't', 'O', 'c', 0, 0, 0, 2};
    if (pack->idx_size < IDX_IDS + 2 * HARK_SHA1_SIZE ||
        memcmp(pack->idx, magic, sizeof(magic)) != 0) {
        return false;
    }
    uint32_t last = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint32_t below = hark_get_u32(pack->idx + IDX_FANOUT + 4 * i);
        if (below < last) {
            return false;
        }
        last = below;
    }
    pack->count = last;
    size_t least = IDX_IDS + (size_t)last * 28 + 2 * HARK_SHA1_SIZE;
    return pack->idx_size >= least && (pack->idx_size - least) % 8 == 0;
}

static bool check_pack(struct hark_pack *pack)
{
    return check_index(pack) && memcmp(pack->data, "PACK", 4) == 0 &&
           hark_get_u32(pack->data + 8) == pack->count;
}

static bool read_offset(const struct hark_pack *pack, uint32_t index, uint64_t *offset)
{
    const uint8_t *table = pack->idx + IDX_IDS + (size_t)pack->count * 24;
    const uint8_t *large = table + (size_t)pack->count * 4;
    const uint8_t *end = pack->idx + pack->idx_size - 2 * HARK_SHA1_SIZE;
    uint32_t small = hark_get_u32(table + (size_t)index * 4);
    *offset = small;
    if ((small & UINT32_C(0x80000000)) != 0) {
        size_t at = (size_t)(small & UINT32_C(0x7fffffff)) * 8;
        if (at + 8 > (size_t)(end - large)) {
            return false;
        }
        *offset = hark_get_u64(large + at);
    }
    return *offset >= PACK_HEADER && *offset < pack->size - HARK_SHA1_SIZE;
}

static int compare_places(const void *a, const void *b)
{
    uint64_t left = ((const struct hark_pack_place *)a)->offset;
    uint64_t right = ((const struct hark_pack_place *)b)->offset;
    return (left > right) - (left < right);
}

int hark_pack_open(struct hark_pack *out, struct hark_repo *repo, const char *name,
                   struct hark_err *err)
{
    *out = (struct hark_pack){0};
    snprintf(out->name, sizeof(out->name), "%s", name);
    int rc = map_file(repo, name, ".idx", &out->idx, &out->idx_size, err);
    if (rc == 0) {
        rc = map_file(repo, name, ".pack", &out->data, &out->size, err);
    }
    if (rc != 0) {
        goto out;
    }
    if (!check_pack(out)) {
        rc = damaged(err, name);
        goto out;
    }
    out->places = calloc((size_t)out->count + 1, sizeof(*out->places));
    if (out->places == NULL) {
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %u objects", out->count);
        goto out;
    }
    for (uint32_t i = 0; i < out->count; i++) {
        out->places[i].index = i;
        if (!read_offset(out, i, &out->places[i].offset)) {
            rc = damaged(err, name);
            goto out;
        }
    }
    qsort(out->places, out->count, sizeof(*out->places), compare_places);
    out->places[out->count].offset = out->size - HARK_SHA1_SIZE;
out:
    if (rc != 0) {
        hark_pack_close(out);
    }
    return rc;
}

int hark_pack_open_index(struct hark_pack *out, struct hark_repo *repo, const char *name,
                         struct hark_err *err)
{
    *out = (struct hark_pack){0};
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    int rc = map_file(repo, name, ".idx", &out->idx, &out->idx_size, err);
    if (rc == 0 && !check_index(out)) {
        rc = damaged(err, name);
    }
    if (rc != 0) {
        hark_pack_close(out);
    }
    return rc;
}

/* What cannot be read now libgit2 cannot read either, and who asks for it is told then. */
static int check_offsets(struct hark_repo *repo, const char *name, struct hark_err *err)
{
    struct hark_pack pack;
    struct stat st;
    char file[HARK_PACK_NAME_MAX + 32];
    snprintf(file, sizeof(file), "objects/pack/%s.pack", name);
    if (fstatat(repo->top_fd, file, &st, 0) != 0) {
        return 0;
    }
    int rc = hark_pack_open_index(&pack, repo, name, err);
    if (rc != 0) {
        return rc == HARK_E_DAMAGED ? rc : 0;
    }
    pack.size = (size_t)st.st_size;
    bool within = pack.size >= PACK_HEADER + HARK_SHA1_SIZE;
    for (uint32_t i = 0; within && i < pack.count; i++) {
        uint64_t offset;
        within = read_offset(&pack, i, &offset);
    }
    hark_pack_close(&pack);
    return within ? 0 : damaged(err, name);
}

int hark_packs_check_offsets(struct hark_repo *repo, struct hark_err *err)
{
    static const char extension[] = ".idx";
    char **names = NULL;
    size_t count = 0;
    int rc = hark_repo_names(repo, "objects/pack", &names, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(names[i], "pack-", 5) != 0 || length < sizeof(extension) ||
            length >= HARK_PACK_NAME_MAX ||
            strcmp(names[i] + length - (sizeof(extension) - 1), extension) != 0) {
            continue;
        }
        names[i][length - (sizeof(extension) - 1)] = '\0';
        rc = check_offsets(repo, names[i], err);
    }
    hark_repo_names_free(names, count);
    return rc;
}

void hark_pack_close(struct hark_pack *pack)
{
    if (pack->idx != NULL) {
        munmap((void *)(uintptr_t)pack->idx, pack->idx_size);
    }
    if (pack->data != NULL) {
        munmap((void *)(uintptr_t)pack->data, pack->size);
    }
    free(pack->places);
    *pack = (struct hark_pack){0};
}

struct hark_git_id hark_pack_id(const struct hark_pack *pack, uint32_t index)
{
    struct hark_git_id id;
    memcpy(id.bytes, pack->idx + IDX_IDS + (size_t)index * HARK_GIT_ID_SIZE, HARK_GIT_ID_SIZE);
    return id;
}

static bool find_id(const struct hark_pack *pack, const struct hark_git_id *id, uint32_t *index)
{
    unsigned first = id->bytes[0];
    const uint8_t *fanout = pack->idx + IDX_FANOUT;
    uint32_t low = first == 0 ? 0 : hark_get_u32(fanout + (size_t)(first - 1) * 4);
    uint32_t high = hark_get_u32(fanout + (size_t)first * 4);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct hark_git_id there = hark_pack_id(pack, middle);
        int order = memcmp(there.bytes, id->bytes, HARK_GIT_ID_SIZE);
        if (order == 0) {
            *index = middle;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

bool hark_pack_has(const struct hark_pack *pack, const struct hark_git_id *id)
{
    uint32_t index = 0;
    return find_id(pack, id, &index);
}

bool hark_pack_find(const struct hark_pack *pack, const struct hark_git_id *id, uint64_t *offset)
{
    uint32_t index = 0;
    return find_id(pack, id, &index) && read_offset(pack, index, offset);
}

int hark_pack_object(struct hark_pack_object *out, const struct hark_pack *pack, uint32_t n,
                     struct hark_err *err)
{
    const struct hark_pack_place *place = &pack->places[n];
    uint64_t end = pack->places[n + 1].offset;
    if (end <= place->offset) {
        return damaged(err, pack->name); /* two objects at one place */
    }
    *out = (struct hark_pack_object){
        .id = hark_pack_id(pack, place->index),
        .raw = hark_span(pack->data + place->offset, (size_t)(end - place->offset)),
        .crc = hark_get_u32(pack->idx + IDX_IDS + (size_t)pack->count * 20 +
                            (size_t)place->index * 4)};
    size_t at = 0;
    uint8_t byte = out->raw.data[at++];
    out->type = (git_object_t)TYPE_BITS(byte);
    out->size = byte & 0x0f;
    for (unsigned shift = 4; (byte & 0x80) != 0; shift += 7) {
        if (at == out->raw.size || shift > 53) {
            return damaged(err, pack->name);
        }
        byte = out->raw.data[at++];
        out->size |= (uint64_t)(byte & 0x7f) << shift;
    }
    return 0;
}

/* ---- copying ---- */

/* One copy under way: the pack being filled and those that are full. */
struct copying {
    struct hark_repo *repo;
    struct hark_pack_copy *copy;
    struct hark_pack_writer **writers;
    size_t writer_count;
    struct hark_pack_writer *now; /* the last of writers, or NULL */
    struct hark_buf keep;
    uint64_t expected;
    bool lead;   /* this pass takes objects of the class's own type */
    bool others; /* there are some of other types */
};

static git_object_t lead_type(enum hark_pack_class class)
{
    return class == HARK_PACK_LOG     ? GIT_OBJECT_COMMIT
           : class == HARK_PACK_TREES ? GIT_OBJECT_TREE
                                      : GIT_OBJECT_BLOB;
}

static int full_writer(struct copying *c, struct hark_err *err)
{
    int rc = c->now == NULL ? 0 : hark_pack_finish(c->now, hark_buf_span(&c->keep), err);
    c->now = NULL;
    return rc;
}

static int room(struct copying *c, struct hark_err *err)
{
    if (c->now != NULL &&
        (c->now->seen.count >= HARK_PACK_OBJECTS_MAX || c->now->offset >= HARK_PACK_BYTES_MAX)) {
        int rc = full_writer(c, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (c->now != NULL) {
        return 0;
    }
    struct hark_pack_writer **grown =
        realloc(c->writers, (c->writer_count + 1) * sizeof(struct hark_pack_writer *));
    if (grown == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a pack");
    }
    c->writers = grown;
    struct hark_pack_writer *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a pack");
    }
    int rc = hark_pack_begin(w, c->repo, c->expected, err);
    if (rc != 0) {
        free(w);
        return rc;
    }
    c->writers[c->writer_count++] = w;
    c->now = w;
    return 0;
}

static int odb_read(struct copying *c, const struct hark_git_id *id, git_odb_object **object,
                    struct hark_err *err)
{
    git_oid oid;
    memcpy(oid.id, id->bytes, HARK_GIT_ID_SIZE);
    int answer = git_odb_read(object, c->repo->odb, &oid);
    return answer == 0 ? 0 : hark_repo_git_err(err, answer, "an object to copy");
}

static bool is_delta(git_object_t type)
{
    return type == GIT_OBJECT_OFS_DELTA || type == GIT_OBJECT_REF_DELTA;
}

/* Tells by the object's name alone. */
static bool id_passes(const struct hark_pack_filter *filter, const struct hark_git_id *id)
{
    return (filter->only == NULL || hark_idset_has(filter->only, id)) &&
           (filter->without == NULL || !hark_idset_has(filter->without, id));
}

/* An object that may have to be looked into: a delta, or one that looks like a
 * payload ref's and is none of those that still count. */
static int copy_read(struct copying *c, const struct hark_pack_object *o, struct hark_err *err)
{
    git_odb_object *object = NULL;
    int rc = odb_read(c, &o->id, &object, err);
    if (rc != 0) {
        return rc;
    }
    git_object_t type = git_odb_object_type(object);
    struct hark_span bytes = hark_span(git_odb_object_data(object), git_odb_object_size(object));
    const struct hark_idset *trees = c->copy->filter.payload_trees;
    if ((type == lead_type(c->copy->class)) != c->lead) {
        c->others = true;
    } else if (trees == NULL || hark_idset_has(trees, &o->id) || !hark_payload_form(type, bytes)) {
        rc = room(c, err);
        if (rc == 0) {
            rc = is_delta(o->type) ? hark_pack_add(c->now, type, &o->id, bytes, err)
                                   : hark_pack_add_raw(c->now, &o->id, o->raw, o->crc, err);
        }
    }
    git_odb_object_free(object);
    return rc;
}

/* Could it be a payload ref's tree or commit, by type and size? */
static bool may_be_payload_form(const struct hark_pack_object *o)
{
    return (o->type == GIT_OBJECT_TREE && o->size <= HARK_PAYLOAD_TREE_MAX) ||
           (o->type == GIT_OBJECT_COMMIT && o->size <= HARK_PAYLOAD_COMMIT_MAX);
}

static int copy_object(struct copying *c, const struct hark_pack_object *o, struct hark_err *err)
{
    const struct hark_pack_filter *filter = &c->copy->filter;
    if (!id_passes(filter, &o->id)) {
        return 0;
    }
    if (is_delta(o->type) || (filter->payload_trees != NULL && may_be_payload_form(o) &&
                              !hark_idset_has(filter->payload_trees, &o->id))) {
        return copy_read(c, o, err);
    }
    if ((o->type == lead_type(c->copy->class)) != c->lead) {
        c->others = true;
        return 0;
    }
    int rc = room(c, err);
    return rc != 0 ? rc : hark_pack_add_raw(c->now, &o->id, o->raw, o->crc, err);
}

static int copy_pack(struct copying *c, const char *name, struct hark_err *err)
{
    struct hark_pack pack;
    int rc = hark_pack_open(&pack, c->repo, name, err);
    for (uint32_t i = 0; rc == 0 && i < pack.count; i++) {
        struct hark_pack_object object;
        rc = hark_pack_object(&object, &pack, i, err);
        if (rc == 0) {
            rc = copy_object(c, &object, err);
        }
    }
    hark_pack_close(&pack);
    return rc;
}

/* One pass over everything. */
static int copy_pass(struct copying *c, struct hark_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->copy->from_count; i++) {
        rc = copy_pack(c, c->copy->from[i].name, err);
    }
    size_t loose = c->copy->loose != NULL ? c->copy->loose->count : 0;
    for (size_t i = 0; rc == 0 && i < loose; i++) {
        struct hark_pack_object o = {.id = c->copy->loose->ids[i], .type = GIT_OBJECT_OFS_DELTA};
        rc = id_passes(&c->copy->filter, &o.id) ? copy_read(c, &o, err) : 0;
    }
    return rc;
}

static int collect_keeps(struct copying *c, struct hark_err *err)
{
    struct hark_keep *keep = calloc(1, sizeof(*keep));
    if (keep == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for keep files");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->copy->from_count; i++) {
        if (c->copy->from[i].kept) {
            rc = hark_keep_read(keep, c->repo, c->copy->from[i].name, err);
        }
    }
    if (rc == 0) {
        rc = hark_keep_write(&c->keep, keep, err);
    }
    free(keep);
    return rc;
}

static int name_made(struct copying *c, struct hark_err *err)
{
    c->copy->made = calloc(c->writer_count + 1, sizeof(*c->copy->made));
    if (c->copy->made == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for names of packs");
    }
    for (size_t i = 0; i < c->writer_count; i++) {
        snprintf(c->copy->made[i], sizeof(c->copy->made[i]), "%s", c->writers[i]->name);
    }
    c->copy->made_count = c->writer_count;
    return 0;
}

int hark_packs_copy(struct hark_repo *repo, struct hark_pack_copy *copy, struct hark_err *err)
{
    struct copying c = {.repo = repo, .copy = copy, .keep = hark_buf_init(64u * 1024u)};
    copy->made = NULL;
    copy->made_count = 0;
    for (size_t i = 0; i < copy->from_count; i++) {
        c.expected += copy->from[i].objects;
    }
    if (c.expected > HARK_PACK_OBJECTS_MAX) {
        c.expected = HARK_PACK_OBJECTS_MAX;
    }
    int rc = collect_keeps(&c, err);
    for (int pass = 0; rc == 0 && pass < 2; pass++) {
        c.lead = pass == 0;
        rc = pass == 0 || c.others ? copy_pass(&c, err) : 0;
    }
    if (rc == 0) {
        rc = full_writer(&c, err);
    }
    if (rc == 0) {
        rc = name_made(&c, err);
    }
    if (rc == 0) {
        rc = hark_pack_publish(c.writers, c.writer_count, err);
    }
    for (size_t i = 0; i < c.writer_count; i++) {
        hark_pack_end(c.writers[i]);
        free(c.writers[i]);
    }
    free(c.writers);
    hark_buf_free(&c.keep);
    if (rc != 0) {
        free(copy->made);
        copy->made = NULL;
        copy->made_count = 0;
    }
    return rc;
}

int hark_packs_remove(struct hark_repo *repo, const char *name, const struct hark_pack_copy *spare,
                      struct hark_err *err)
{
    /* The pack first: what stays behind when we are cut off there holds names
     * only, and readers step over an index without its pack. */
    static const char *const extensions[] = {".pack", ".idx",    ".rev",     ".bitmap",
                                             ".keep", ".mtimes", ".promisor"};
    for (size_t i = 0; spare != NULL && i < spare->made_count; i++) {
        if (strcmp(spare->made[i], name) == 0) {
            return 0;
        }
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        char file[96];
        snprintf(file, sizeof(file), "%s%s", name, extensions[i]);
        rc = hark_repo_unlink(repo->pack_fd, file, err);
    }
    return rc;
}
