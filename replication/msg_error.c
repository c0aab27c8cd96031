/* error: text(error name) ‖ text(message) */
#include <string.h>

#include "messages.h"

int hark_error_encode(struct hark_buf *out, int code, const char *message, struct hark_err *err)
{
    char text[HARK_TEXT_MAX + 1];
    size_t size = strnlen(message, HARK_TEXT_MAX);
    memcpy(text, message, size);
    for (size_t i = 0; i < size; i++) {
        /* What comes from elsewhere may hold anything, and be cut within a
         * character: plain ASCII is always text. */
        if (text[i] < 0x20 || text[i] > 0x7e) {
            text[i] = '?';
        }
    }
    text[size] = '\0';
    int rc = hark_text_encode(out, hark_err_name(code), err);
    return rc != 0 ? rc : hark_text_encode(out, text, err);
}

static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

int hark_error_decode(struct hark_error *out, struct hark_span body, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    int rc = hark_text_take(&body, out->name, HARK_ERROR_NAME_MAX, err);
    if (rc == 0) {
        rc = hark_text_take(&body, out->message, HARK_TEXT_MAX, err);
    }
    if (rc == 0 && (!is_name(out->name) || body.size != 0)) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "an error without a name, or with more");
    }
    return rc;
}
