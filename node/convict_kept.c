/*
 * The list of evidence files about a space, for those to whom they are shown. Whoever finds
 * something writes a file, other processes of this node too; so the folder is looked at again
 * whenever it has changed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "node/convict_internal.h"

/* A folder that changed no longer ago than this may change again without its time changing. */
#define CLOCK_TICK_S 2

struct space_kept {
    struct timespec changed; /* the folder, when it was read */
    bool settled;            /* and that was long enough after */
    size_t count, room;
    struct hark_hash *names;  /* in the order of coming */
    struct hark_hash *sorted; /* the same */
};

void hark_convict_kept_free(struct hark_space *space)
{
    if (space->kept == NULL)
        return;
    free(space->kept->names);
    free(space->kept->sorted);
    free(space->kept);
    space->kept = NULL;
}

/* --- the list ------------------------------------------------------------------------------- */

/* Where it stands, or would stand. */
static size_t find(const struct space_kept *kept, const struct hark_hash *name)
{
    size_t low = 0, high = kept->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (memcmp(kept->sorted[mid].bytes, name->bytes, HARK_HASH_SIZE) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int grow(struct space_kept *kept, struct hark_err *err)
{
    size_t room = kept->room == 0 ? 8 : 2 * kept->room;
    struct hark_hash *names = realloc(kept->names, room * sizeof(*names)), *sorted;

    if (names != NULL)
        kept->names = names;
    sorted = realloc(kept->sorted, room * sizeof(*sorted));
    if (sorted != NULL)
        kept->sorted = sorted;
    if (names == NULL || sorted == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a list of evidence");
    kept->room = room;
    return 0;
}

static int add(struct space_kept *kept, const struct hark_hash *name, struct hark_err *err)
{
    size_t at = find(kept, name);
    int rc;

    if (at < kept->count && hark_hash_equal(&kept->sorted[at], name))
        return 0;
    rc = kept->count == kept->room ? grow(kept, err) : 0;
    if (rc < 0)
        return rc;
    memmove(kept->sorted + at + 1, kept->sorted + at, (kept->count - at) * sizeof(kept->sorted[0]));
    kept->sorted[at] = *name;
    kept->names[kept->count++] = *name;
    return 0;
}

/* --- the folder ------------------------------------------------------------------------------ */

/* False: it is no file of evidence about this space. */
static bool read_name(const struct hark_space *space, const char *name, struct hark_hash *out)
{
    const size_t hex = 2 * HARK_HASH_SIZE;
    char own[2 * HARK_HASH_SIZE + 1];

    hark_hash_hex(own, &space->id);
    return strlen(name) == 2 * hex + 1 + strlen(HARK_CONVICT_EVIDENCE) &&
           memcmp(name, own, hex) == 0 && name[hex] == '.' &&
           strcmp(name + 2 * hex + 1, HARK_CONVICT_EVIDENCE) == 0 &&
           hark_hex_decode(out->bytes, HARK_HASH_SIZE, hark_span(name + hex + 1, hex), NULL) == 0;
}

static int read_folder(struct hark_space *space, struct hark_err *err)
{
    DIR *dir = opendir(space->evidence_path);
    struct dirent *entry;
    int rc = 0;

    if (dir == NULL)
        return hark_err_errno(err, errno, "%s", space->evidence_path);
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        struct hark_hash name;

        if (read_name(space, entry->d_name, &name))
            rc = add(space->kept, &name, err);
    }
    (void)closedir(dir);
    return rc;
}

static bool is_same(const struct space_kept *kept, const struct stat *st)
{
    return kept->settled && kept->changed.tv_sec == st->st_mtim.tv_sec &&
           kept->changed.tv_nsec == st->st_mtim.tv_nsec;
}

int hark_convict_kept(struct hark_space *space, const struct hark_hash **names, size_t *count,
                      struct hark_err *err)
{
    struct space_kept *kept;
    time_t now = time(NULL);
    struct stat st;
    int rc = 0;

    *names = NULL;
    *count = 0;
    if (space->kept == NULL)
        space->kept = calloc(1, sizeof(*space->kept));
    kept = space->kept;
    if (kept == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a list of evidence");
    if (stat(space->evidence_path, &st) == 0) {
        if (!is_same(kept, &st))
            rc = read_folder(space, err);
        kept->changed = st.st_mtim;
        kept->settled = rc == 0 && (now < st.st_mtim.tv_sec - CLOCK_TICK_S ||
                                    now > st.st_mtim.tv_sec + CLOCK_TICK_S);
    } else if (errno != ENOENT) {
        rc = hark_err_errno(err, errno, "%s", space->evidence_path);
    }
    *names = kept->names;
    *count = kept->count;
    return rc;
}
