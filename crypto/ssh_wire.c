#include "ssh_wire.h"

#include <string.h>

enum { COLUMNS = 70, ARMOR_MAX = 8192 };

int hark_ssh_append_string(struct hark_buf *out, struct hark_span value, struct hark_err *err)
{
    if (value.size > UINT32_MAX) {
        return hark_err_set(err, HARK_E_LIMIT, "an SSH string of %zu bytes", value.size);
    }
    int rc = hark_buf_append_u32(out, (uint32_t)value.size, err);
    return rc != 0 ? rc : hark_buf_append_span(out, value, err);
}

bool hark_ssh_take_string(struct hark_span *in, struct hark_span *out)
{
    struct hark_span rest = *in;
    uint32_t size = 0;
    if (!hark_take_u32(&rest, &size) || !hark_take(&rest, size, out)) {
        return false;
    }
    *in = rest;
    return true;
}

bool hark_ssh_take_exactly(struct hark_span *in, const char *wanted)
{
    struct hark_span rest = *in;
    struct hark_span value;
    if (!hark_ssh_take_string(&rest, &value) || !hark_span_equal(value, hark_span_str(wanted))) {
        return false;
    }
    *in = rest;
    return true;
}

int hark_ssh_append_key(struct hark_buf *out, const struct hark_key *key, struct hark_err *err)
{
    int rc = hark_ssh_append_string(out, hark_span_str(HARK_SSH_ED25519), err);
    if (rc != 0) {
        return rc;
    }
    return hark_ssh_append_string(out, hark_span(key->bytes, HARK_KEY_SIZE), err);
}

bool hark_ssh_take_key(struct hark_span *in, struct hark_key *key)
{
    struct hark_span rest = *in;
    struct hark_span blob;
    struct hark_span bytes;
    if (!hark_ssh_take_string(&rest, &blob) || !hark_ssh_take_exactly(&blob, HARK_SSH_ED25519) ||
        !hark_ssh_take_string(&blob, &bytes) || bytes.size != HARK_KEY_SIZE || blob.size != 0) {
        return false;
    }
    memcpy(key->bytes, bytes.data, HARK_KEY_SIZE);
    *in = rest;
    return true;
}

int hark_ssh_armor(struct hark_buf *out, const char *label, struct hark_span data,
                   struct hark_err *err)
{
    struct hark_buf text = hark_buf_init_secret(ARMOR_MAX);
    int rc = hark_base64_encode(&text, data, err);
    if (rc != 0) {
        goto out;
    }
    rc = hark_buf_printf(out, err, "-----BEGIN %s-----\n", label);
    struct hark_span rest = hark_buf_span(&text);
    while (rc == 0 && rest.size > 0) {
        struct hark_span line;
        (void)hark_take(&rest, rest.size < COLUMNS ? rest.size : COLUMNS, &line);
        rc = hark_buf_append_span(out, line, err);
        if (rc == 0) {
            rc = hark_buf_append_byte(out, '\n', err);
        }
    }
    if (rc == 0) {
        rc = hark_buf_printf(out, err, "-----END %s-----\n", label);
    }
out:
    hark_buf_free(&text);
    return rc;
}

static bool take_boundary(struct hark_span *in, const char *word, const char *label)
{
    return hark_take_literal(in, "-----") && hark_take_literal(in, word) &&
           hark_take_literal(in, " ") && hark_take_literal(in, label) &&
           hark_take_literal(in, "-----\n");
}

int hark_ssh_dearmor(struct hark_buf *out, const char *label, struct hark_span armor,
                     struct hark_err *err)
{
    struct hark_buf text = hark_buf_init_secret(ARMOR_MAX);
    int rc = 0;
    if (!take_boundary(&armor, "BEGIN", label)) {
        return hark_err_set(err, HARK_E_BASE64, "it does not begin with BEGIN %s", label);
    }
    rc = hark_buf_reserve(&text, armor.size < ARMOR_MAX ? armor.size : ARMOR_MAX, err);
    if (rc != 0) {
        return rc;
    }
    /* No dash is a base64 digit, so the first one begins the last line. A line
     * shorter than the others ends the data. */
    struct hark_span line = {.size = COLUMNS};
    while (armor.size > 0 && armor.data[0] != '-') {
        bool after_last = line.size < COLUMNS;
        if (after_last || !hark_take_line(&armor, &line) || line.size == 0 || line.size > COLUMNS) {
            rc = hark_err_set(err, HARK_E_BASE64, "its lines are not of %d columns", COLUMNS);
            goto out;
        }
        rc = hark_buf_append_span(&text, line, err);
        if (rc != 0) {
            goto out;
        }
    }
    if (!take_boundary(&armor, "END", label) || armor.size != 0) {
        rc = hark_err_set(err, HARK_E_BASE64, "it does not end with END %s", label);
        goto out;
    }
    rc = hark_base64_decode(out, hark_buf_span(&text), err);
out:
    hark_buf_free(&text);
    return rc;
}
