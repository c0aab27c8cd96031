/*
 * What is kept while a home is watched (convict_withheld.c): a file for each intake that waits
 * too long, beside the notes, of the cosigned checkpoints that have come so far. Losing it only
 * means to begin anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "node/convict_internal.h"
#include "node/files.h"

#define HEAD       "hark-pinned 1\n"
#define PINNED_MAX (HARK_PINNED_NOTES * (HARK_NOTE_MAX + 32u) + sizeof(HEAD) + 32u)

static int path_of(struct hark_space *space, const char *node, char path[HARK_PATH_MAX],
                   struct hark_err *err)
{
    char name[HARK_NODE_NAME_MAX + 16];

    (void)snprintf(name, sizeof(name), "pinned.%s", node);
    return hark_path_join(path, space->cosign_path, name, err);
}

void hark_pinned_drop(struct hark_pinned *pinned, size_t count)
{
    while (pinned->count > count)
        hark_buf_free(&pinned->notes[--pinned->count]);
}

int hark_pinned_add(struct hark_pinned *pinned, struct hark_span note, struct hark_err *err)
{
    struct hark_buf *to = &pinned->notes[pinned->count];
    int rc;

    if (pinned->count == HARK_PINNED_NOTES)
        return hark_err_set(err, HARK_E_INTERNAL, "all is pinned");
    *to = hark_buf_init(HARK_NOTE_MAX);
    rc = hark_buf_append_span(to, note, err);
    if (rc < 0)
        hark_buf_free(to);
    else
        pinned->count++;
    return rc;
}

/* Whatever is not as it was written is as good as nothing. */
static int decode(struct hark_pinned *out, struct hark_span in, struct hark_err *err)
{
    struct hark_span taken;
    int rc = 0;

    if (!hark_take_literal(&in, HEAD "taken ") || !hark_take_line(&in, &taken) ||
        hark_decimal_decode(&out->taken, taken, HARK_NUMBER_MAX, NULL) != 0)
        return 0;
    while (rc == 0 && in.size > 0) {
        struct hark_span line, note;
        uint64_t size = 0;

        if (out->count == HARK_PINNED_NOTES || !hark_take_literal(&in, "note ") ||
            !hark_take_line(&in, &line) ||
            hark_decimal_decode(&size, line, HARK_NOTE_MAX, NULL) != 0 ||
            !hark_take(&in, (size_t)size, &note)) {
            hark_pinned_drop(out, 0);
            return 0;
        }
        rc = hark_pinned_add(out, note, err);
    }
    return rc;
}

int hark_pinned_read(struct hark_space *space, const char *node, struct hark_pinned *out,
                     struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(PINNED_MAX);
    char path[HARK_PATH_MAX];
    int rc = path_of(space, node, path, err);

    out->count = 0;
    out->taken = 0;
    if (rc == 0)
        rc = hark_file_read(path, &bytes, err);
    if (rc == 0)
        rc = decode(out, hark_buf_span(&bytes), err);
    hark_buf_free(&bytes);
    return rc == HARK_E_NOT_FOUND || rc == HARK_E_LIMIT ? 0 : rc;
}

int hark_pinned_write(struct hark_space *space, const char *node, const struct hark_pinned *pinned,
                      struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(PINNED_MAX);
    char path[HARK_PATH_MAX];
    int rc = path_of(space, node, path, err);

    if (rc == 0 && pinned->count == 0)
        return unlink(path) == 0 || errno == ENOENT ? 0 : hark_err_errno(err, errno, "%s", path);
    if (rc == 0)
        rc = hark_buf_printf(&bytes, err, HEAD "taken %" PRIu64 "\n", pinned->taken);
    for (size_t i = 0; rc == 0 && i < pinned->count; i++) {
        rc = hark_buf_printf(&bytes, err, "note %zu\n", pinned->notes[i].size);
        if (rc == 0)
            rc = hark_buf_append_span(&bytes, hark_buf_span(&pinned->notes[i]), err);
    }
    if (rc == 0)
        rc = hark_file_write(path, hark_buf_span(&bytes), 0600, err);
    hark_buf_free(&bytes);
    return rc;
}
