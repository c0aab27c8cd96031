/*
 * Payloads from anybody. The first byte chooses the kind and, by its highest
 * bit, whether the rest is the payload as it is or what stands behind the salt
 * (padded here, so that the fuzzer need not learn to). What is accepted must be
 * the same when it is built from its fields.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/payload.h"
#include "tests/fuzz/require.h"

static const struct hark_kinds *builtin(void)
{
    static struct hark_kinds *kinds;
    if (kinds == NULL)
        require(hark_crypto_init(NULL) == 0 && hark_kinds_builtin(&kinds, NULL) == 0);
    return kinds;
}

static void rebuild(const struct hark_kind *kind, json_t *json)
{
    struct hark_buf out = hark_buf_init(HARK_PAYLOAD_MAX);
    json_t *again = NULL;
    uint8_t salt[HARK_SALT_SIZE];
    json_t *fields = json_copy(json);
    require(hark_hex_decode(salt, sizeof salt,
                            hark_span_str(json_string_value(json_object_get(json, "salt"))),
                            NULL) == 0);
    require(json_object_del(fields, "salt") == 0);
    require(hark_payload_build(&out, kind, fields, salt, NULL) == 0);
    require(hark_payload_check(kind, hark_buf_span(&out), &again, NULL) == 0);
    require(json_equal(json, again) == 1);
    json_decref(again);
    json_decref(fields);
    hark_buf_free(&out);
}

static void try_payload(const struct hark_kind *kind, struct hark_span bytes)
{
    struct hark_err err = {0};
    json_t *json = NULL;
    int rc = hark_payload_check(kind, bytes, &json, &err);
    require(rc == err.code);
    require((json != NULL) == (rc == 0 && kind->payload == HARK_PAYLOAD_JSON));
    if (json != NULL)
        rebuild(kind, json);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hark_kinds *kinds = builtin();
    struct hark_buf buf = hark_buf_init(HARK_PAYLOAD_MAX);
    if (size == 0)
        return 0;
    const struct hark_kind *kind =
        hark_kinds_get(kinds, (data[0] & 0x7fu) % hark_kinds_count(kinds));
    if ((data[0] & 0x80) != 0) {
        try_payload(kind, hark_span(data + 1, size - 1));
        return 0;
    }
    if (hark_buf_append_str(&buf, "{\"salt\":\"000102030405060708090a0b0c0d0e0f\"", NULL) == 0 &&
        hark_buf_append(&buf, data + 1, size - 1, NULL) == 0) {
        while (buf.size % HARK_PAYLOAD_BLOCK != 0 && hark_buf_append_byte(&buf, ' ', NULL) == 0)
            ;
        try_payload(kind, hark_buf_span(&buf));
    }
    hark_buf_free(&buf);
    return 0;
}
