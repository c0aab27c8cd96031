/* hello: u8 lowest ‖ u8 highest version ‖ text(node name) ‖ text(software) */
#include <string.h>

#include "messages.h"

int hark_hello_encode(struct hark_buf *out, const struct hark_hello *hello, struct hark_err *err)
{
    int rc = hark_buf_append_u8(out, hello->lowest, err);
    if (rc == 0) {
        rc = hark_buf_append_u8(out, hello->highest, err);
    }
    if (rc == 0) {
        rc = hark_text_encode(out, hello->name, err);
    }
    if (rc == 0) {
        rc = hark_text_encode(out, hello->software, err);
    }
    return rc;
}

int hark_hello_decode(struct hark_hello *out, struct hark_span body, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    if (!hark_take_u8(&body, &out->lowest) || !hark_take_u8(&body, &out->highest) ||
        out->lowest == 0 || out->lowest > out->highest) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a hello without its two versions");
    }
    int rc = hark_text_take(&body, out->name, HARK_NODE_NAME_MAX, err);
    if (rc == 0) {
        rc = hark_text_take(&body, out->software, HARK_TEXT_MAX, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!hark_node_name_valid(hark_span_str(out->name)) || body.size != 0) {
        return hark_err_set(err, HARK_E_PEER_FORM, "a hello without a node's name, or with more");
    }
    return 0;
}
