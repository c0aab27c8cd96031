#include "node/extent.h"

#include <inttypes.h>
#include <string.h>

#include "node/files.h"
#include "schemas/entry.h"

#define EXTENT_MAX 128u

static bool parse(struct hark_extent *out, struct hark_span in)
{
    struct hark_span size, root;

    return hark_take_line(&in, &size) && hark_take_line(&in, &root) && in.size == 0 &&
           hark_decimal_decode(&out->size, size, HARK_NUMBER_MAX, NULL) == 0 &&
           hark_hash_from_hex(&out->root, root, NULL) == 0;
}

int hark_extent_read(struct hark_extent *out, const char *path, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(EXTENT_MAX);
    int rc = hark_file_read(path, &bytes, err);

    if (rc == HARK_E_LIMIT || (rc == 0 && !parse(out, hark_buf_span(&bytes))))
        rc = hark_err_set(err, HARK_E_DAMAGED, "%s does not say a size and a root", path);
    if (rc < 0)
        memset(out, 0, sizeof(*out));
    hark_buf_free(&bytes);
    return rc;
}

int hark_extent_write(const char *path, const struct hark_extent *extent, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(EXTENT_MAX);
    char root[2 * HARK_HASH_SIZE + 1];
    int rc;

    hark_hash_hex(root, &extent->root);
    rc = hark_buf_printf(&text, err, "%" PRIu64 "\n%s\n", extent->size, root);
    if (rc == 0)
        rc = hark_file_write(path, hark_buf_span(&text), 0600, err);
    hark_buf_free(&text);
    return rc;
}
