/* error: text(error name) ‖ text(message) */
#include <string.h>

#include "msg_internal.h"

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

static int take_error(struct hark_span *in, struct hark_error *out, struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    int rc = hark_text_take(in, out->name, HARK_ERROR_NAME_MAX, err);
    if (rc == 0) {
        rc = hark_text_take(in, out->message, HARK_TEXT_MAX, err);
    }
    if (rc == 0 && !is_name(out->name)) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "an error without a name");
    }
    return rc;
}

int hark_error_decode(struct hark_error *out, struct hark_span body, struct hark_err *err)
{
    int rc = take_error(&body, out, err);
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "an error with more behind it");
    }
    return rc;
}

/* ---- what became of an entry, or of a wish to join ---- */

/* Rules have the same name everywhere. What is wrong with the other machine is not
 * wrong with ours, and may pass. */
static int verdict_code(const char *name)
{
    int code = hark_err_from_name(name);
    switch (code != 0 ? hark_err_exit(code) : 0) {
    case 3: /* refused by a rule */
        return code;
    case 4: /* try again */
    case 5: /* damaged */
        return code == HARK_E_BEHIND || code == HARK_E_ACCEPT_RATE ? code : HARK_E_BUSY;
    default:
        return HARK_E_PEER_REFUSED;
    }
}

int hark_verdict_encode(struct hark_buf *out, bool refused, int code, const char *message,
                        struct hark_err *err)
{
    return refused ? hark_error_encode(out, code != 0 ? code : HARK_E_INTERNAL, message, err)
                   : hark_buf_append(out, "\0\0", 2, err);
}

int hark_verdict_take(struct hark_span *in, bool refused, int *code,
                      char message[HARK_TEXT_MAX + 1], struct hark_err *err)
{
    struct hark_error error;
    struct hark_span texts;
    *code = 0;
    message[0] = '\0';
    if (!refused) {
        return hark_take(in, 2, &texts) && texts.data[0] == 0 && texts.data[1] == 0
                   ? 0
                   : hark_err_set(err, HARK_E_PEER_FORM, "an error although nothing is refused");
    }
    int rc = take_error(in, &error, err);
    if (rc == 0) {
        *code = verdict_code(error.name);
        memcpy(message, error.message, sizeof(error.message));
    }
    return rc;
}
