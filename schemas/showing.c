#include "schemas/showing.h"

#include <string.h>

#define MESSAGE_MAX 256u

static int message(struct hark_buf *out, const struct hark_showing_place *place,
                   const struct hark_hash *community, struct hark_err *err)
{
    int rc = hark_buf_append_str(out, "group ", err);

    if (rc == 0)
        rc = hark_buf_append_hex(out, place->group.bytes, sizeof(place->group.bytes), err);
    if (rc == 0)
        rc = hark_buf_append_str(out, "\nkey ", err);
    if (rc == 0)
        rc = hark_buf_append_hex(out, place->member.bytes, sizeof(place->member.bytes), err);
    if (rc == 0)
        rc = hark_buf_append_str(out, "\ncommunity ", err);
    if (rc == 0)
        rc = hark_buf_append_hex(out, community->bytes, sizeof(community->bytes), err);
    if (rc == 0)
        rc = hark_buf_append_str(out, "\n", err);
    return rc;
}

/* A group shows nobody to itself, and a key that stands in both would link them. */
static bool is_apart(const struct hark_showing *showing, const struct hark_showing_place *place)
{
    return memcmp(showing->community.bytes, place->group.bytes, sizeof(place->group.bytes)) != 0 &&
           !hark_key_equal(&showing->key, &place->member);
}

int hark_showing_make(struct hark_showing *out, const struct hark_showing_place *place,
                      const struct hark_hash *community, const struct hark_signer *signer,
                      struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(MESSAGE_MAX);
    struct hark_sshsig sig = {0};
    int rc;

    *out = (struct hark_showing){.community = *community, .key = *hark_signer_key(signer)};
    if (!is_apart(out, place))
        return hark_err_set(err, HARK_E_USAGE,
                            "who one is is shown for another space, by another key");
    rc = message(&text, place, community, err);
    if (rc == 0)
        rc = hark_sshsig_make(&sig, signer, HARK_SHOWING_NAMESPACE, hark_buf_span(&text), err);
    if (rc == 0)
        memcpy(out->proof, sig.signature, sizeof(out->proof));
    hark_buf_free(&text);
    return rc;
}

int hark_showing_check(const struct hark_showing *showing, const struct hark_showing_place *place,
                       struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(MESSAGE_MAX);
    struct hark_sshsig sig = {.key = showing->key};
    int rc = message(&text, place, &showing->community, err);

    memcpy(sig.signature, showing->proof, sizeof(sig.signature));
    if (rc == 0 && (!is_apart(showing, place) ||
                    !hark_sshsig_verify(&sig, HARK_SHOWING_NAMESPACE, hark_buf_span(&text))))
        rc = hark_err_set(err, HARK_E_SHOWING,
                          "the proof is not of that community's key for this key and group");
    hark_buf_free(&text);
    return rc;
}

/* --- As JSON ------------------------------------------------------------------------------ */

static int set_hex(json_t *fields, const char *name, const uint8_t *bytes, size_t size,
                   struct hark_err *err)
{
    char hex[2 * HARK_SIGNATURE_SIZE + 1];

    hark_hex_encode(hex, bytes, size);
    if (json_object_set_new(fields, name, json_string(hex)) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a showing");
    return 0;
}

int hark_showing_write(const struct hark_showing *showing, json_t **out, struct hark_err *err)
{
    json_t *fields = json_object();
    int rc = set_hex(fields, "community", showing->community.bytes,
                     sizeof(showing->community.bytes), err);

    if (rc == 0)
        rc = set_hex(fields, "key", showing->key.bytes, sizeof(showing->key.bytes), err);
    if (rc == 0)
        rc = set_hex(fields, "proof", showing->proof, sizeof(showing->proof), err);
    if (rc == 0)
        *out = fields;
    else
        json_decref(fields);
    return rc;
}

static bool get_hex(const json_t *fields, const char *name, uint8_t *bytes, size_t size)
{
    const json_t *value = json_object_get(fields, name);

    return json_is_string(value) &&
           hark_hex_decode(bytes, size,
                           hark_span(json_string_value(value), json_string_length(value)),
                           NULL) == 0;
}

int hark_showing_read(struct hark_showing *out, const json_t *fields, struct hark_err *err)
{
    *out = (struct hark_showing){0};
    if (!json_is_object(fields) || json_object_size(fields) != 3 ||
        !get_hex(fields, "community", out->community.bytes, sizeof(out->community.bytes)) ||
        !get_hex(fields, "key", out->key.bytes, sizeof(out->key.bytes)) ||
        !get_hex(fields, "proof", out->proof, sizeof(out->proof)))
        return hark_err_set(err, HARK_E_SHOWING,
                            "a showing is a community, a key and a proof in hex, and no more");
    return 0;
}
