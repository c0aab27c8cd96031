/*
 * Contents from a member who has the key. The first byte says by its highest bit whether it is
 * of a charter. What is taken can be written, and is read as the same.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/inner.h"
#include "tests/fuzz/require.h"

static const struct hark_kinds *builtin(void)
{
    static struct hark_kinds *kinds;

    if (kinds == NULL)
        require(hark_crypto_init(NULL) == 0 && hark_kinds_builtin(&kinds, NULL) == 0);
    return kinds;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hark_kinds *kinds = builtin();
    struct hark_buf out = hark_buf_init_secret(HARK_ENVELOPE_CONTENT_MAX);
    struct hark_err err = {0};
    struct hark_inner inner, again;
    const char *outer;
    int rc;

    if (size == 0 || size > HARK_ENVELOPE_CONTENT_MAX)
        return 0;
    outer = (data[0] & 0x80) != 0 ? "charter" : "sealed";
    rc = hark_inner_read(&inner, kinds, outer, hark_span(data + 1, size - 1), &err);
    require(rc == err.code && rc != HARK_E_INTERNAL);
    if (rc != 0) {
        require(inner.payload == NULL && inner.kind[0] == '\0' && inner.re_count == 0);
        return 0;
    }
    require(inner.payload != NULL && json_object_get(inner.payload, "salt") == NULL);
    require((strcmp(inner.kind, "charter") == 0) == ((data[0] & 0x80) != 0));
    require(hark_inner_write(&out, kinds, outer, &inner, NULL) == 0);
    require(hark_inner_read(&again, kinds, outer, hark_buf_span(&out), NULL) == 0);
    require(strcmp(again.kind, inner.kind) == 0 && again.re_count == inner.re_count &&
            memcmp(again.re, inner.re, sizeof(again.re)) == 0 &&
            json_equal(again.payload, inner.payload));
    hark_inner_free(&again);
    hark_inner_free(&inner);
    hark_buf_free(&out);
    return 0;
}
