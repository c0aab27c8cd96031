/*
 * The request is small JSON from a stranger: it is read into a struct of fixed
 * size member by member, and a member that is not known is an error, so that no
 * second meaning hides in it.
 */
#include "schemas/join.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT "hark/join/1"

static int malformed(struct hark_err *err, const char *what)
{
    return hark_err_set(err, HARK_E_PEER_FORM, "the request to join is malformed: %s", what);
}

/* ---- Signing -------------------------------------------------------------- */

int hark_join_request_sign(struct hark_join_request *request, const struct hark_signer *key,
                           const struct hark_signer *ticket, struct hark_err *err)
{
    struct hark_buf message = hark_buf_init(1024);
    struct hark_sshsig sig;
    int rc;

    request->key = *hark_signer_key(key);
    request->ticket = *hark_signer_key(ticket);
    rc = hark_join_message(&message, &request->space, &request->key, &request->box,
                           &request->ticket, &request->terms, err);
    if (rc == 0)
        rc = hark_sshsig_make(&sig, key, "hark-join", hark_buf_span(&message), err);
    if (rc == 0) {
        memcpy(request->proof, sig.signature, sizeof(request->proof));
        rc = hark_sshsig_make(&sig, ticket, "hark-join", hark_buf_span(&message), err);
    }
    if (rc == 0)
        memcpy(request->ticket_proof, sig.signature, sizeof(request->ticket_proof));
    hark_buf_free(&message);
    return rc;
}

static int set_hex(json_t *json, const char *name, const uint8_t *bytes, size_t size,
                   struct hark_err *err)
{
    char hex[2 * HARK_SIGNATURE_SIZE + 1];

    hark_hex_encode(hex, bytes, size);
    if (json_object_set_new(json, name, json_string(hex)) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request to join");
    return 0;
}

int hark_join_request_fields(const struct hark_join_request *request, json_t *fields,
                             struct hark_err *err)
{
    int rc = set_hex(fields, "key", request->key.bytes, HARK_KEY_SIZE, err);

    if (rc == 0)
        rc = set_hex(fields, "box", request->box.bytes, HARK_KEY_SIZE, err);
    if (rc == 0)
        rc = set_hex(fields, "ticket", request->ticket.bytes, HARK_KEY_SIZE, err);
    if (rc == 0)
        rc = set_hex(fields, "terms", request->terms.bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = set_hex(fields, "proof", request->proof, HARK_SIGNATURE_SIZE, err);
    if (rc == 0)
        rc = set_hex(fields, "ticket_proof", request->ticket_proof, HARK_SIGNATURE_SIZE, err);
    return rc;
}

/* ---- Text ----------------------------------------------------------------- */

/* As a profile's fields (PROTOCOL.md 4): no control characters, LF and TAB in a text
 * excepted. C1 is C2 80 to C2 9F in UTF-8. */
static bool is_clean(struct hark_span text, bool is_line)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];

        if (c < 0x20 && (is_line || (c != '\n' && c != '\t')))
            return false;
        if (c == 0x7f || (c == 0xc2 && i + 1 < text.size && text.data[i + 1] < 0xa0))
            return false;
    }
    return hark_utf8_valid(text);
}

static bool is_name(struct hark_span text)
{
    return text.size >= 1 && text.size <= HARK_JOIN_NAME_MAX && is_clean(text, true);
}

static bool is_about(struct hark_span text)
{
    return text.size <= HARK_JOIN_ABOUT_MAX && is_clean(text, false);
}

/* ---- Writing -------------------------------------------------------------- */

struct sink {
    struct hark_buf *out;
    struct hark_err *err;
    int rc;
};

static int on_json(const char *text, size_t size, void *arg)
{
    struct sink *sink = arg;

    sink->rc = hark_buf_append(sink->out, text, size, sink->err);
    return sink->rc < 0 ? -1 : 0;
}

static int dump(struct hark_buf *out, const json_t *json, struct hark_err *err)
{
    struct sink sink = {.out = out, .err = err};

    if (json_dump_callback(json, on_json, &sink, JSON_COMPACT) != 0)
        return sink.rc < 0 ? sink.rc
                           : hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request to join");
    return 0;
}

static int answers_json(const struct hark_join_request *request, json_t **out, struct hark_err *err)
{
    json_t *showing = NULL;
    int rc = request->has_showing ? hark_showing_write(&request->showing, &showing, err) : 0;

    *out = json_object();
    if (rc == 0 && (*out == NULL ||
                    (request->about[0] != '\0' &&
                     json_object_set_new(*out, "about", json_string(request->about)) != 0) ||
                    (showing != NULL && json_object_set(*out, "showing", showing) != 0)))
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request to join");
    json_decref(showing);
    if (rc < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

static int request_json(const struct hark_join_request *request, json_t *json, struct hark_err *err)
{
    json_t *answers = NULL;
    int rc = set_hex(json, "space", request->space.bytes, HARK_HASH_SIZE, err);

    if (rc == 0)
        rc = hark_join_request_fields(request, json, err);
    if (rc == 0)
        rc = answers_json(request, &answers, err);
    if (rc == 0 && (json_object_set_new(json, "name", json_string(request->name)) != 0 ||
                    json_object_set_new(json, "answers", answers) != 0))
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request to join");
    return rc;
}

int hark_join_request_encode(struct hark_buf *out, const struct hark_join_request *request,
                             struct hark_err *err)
{
    struct hark_buf text = hark_buf_init_secret(HARK_JOIN_REQUEST_MAX);
    json_t *json = NULL;
    int rc = 0;

    if (!is_name(hark_span_str(request->name)))
        return hark_err_set(err, HARK_E_USAGE, "a name is one line of 1 to %u bytes of UTF-8",
                            HARK_JOIN_NAME_MAX);
    if (!is_about(hark_span_str(request->about)))
        return hark_err_set(err, HARK_E_USAGE, "\"about\" is text of at most %u bytes of UTF-8",
                            HARK_JOIN_ABOUT_MAX);
    json = json_pack("{s:s}", "format", FORMAT);
    if (json == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request to join");
    rc = request_json(request, json, err);
    if (rc == 0)
        rc = dump(&text, json, err);
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    json_decref(json);
    hark_buf_free(&text);
    return rc;
}

/* ---- Reading -------------------------------------------------------------- */

enum member {
    MEMBER_FORMAT,
    MEMBER_SPACE,
    MEMBER_KEY,
    MEMBER_BOX,
    MEMBER_TICKET,
    MEMBER_TERMS,
    MEMBER_PROOF,
    MEMBER_TICKET_PROOF,
    MEMBER_NAME,
    MEMBER_ANSWERS,
    MEMBER_COUNT_
};

static const char *const MEMBERS[MEMBER_COUNT_] = {
    "format", "space", "key", "box", "ticket", "terms", "proof", "ticket_proof", "name", "answers"};

static bool is_hex(struct hark_span text, void *out, size_t size)
{
    return hark_hex_decode(out, size, text, NULL) == 0;
}

static int read_answers(struct hark_join_request *out, const json_t *answers, struct hark_err *err)
{
    const json_t *about = json_object_get(answers, "about");
    const json_t *showing = json_object_get(answers, "showing");
    struct hark_span text;

    if (!json_is_object(answers) ||
        json_object_size(answers) > (about != NULL ? 1u : 0u) + (showing != NULL ? 1u : 0u))
        return malformed(err, "answers");
    out->has_showing = showing != NULL;
    if (showing != NULL && hark_showing_read(&out->showing, showing, NULL) < 0)
        return malformed(err, "showing");
    if (about == NULL)
        return 0;
    if (!json_is_string(about))
        return malformed(err, "about");
    text = hark_span(json_string_value(about), json_string_length(about));
    if (!is_about(text))
        return malformed(err, "about");
    memcpy(out->about, text.data, text.size);
    return 0;
}

static int read_member(struct hark_join_request *out, enum member member, const json_t *value,
                       struct hark_err *err)
{
    struct hark_span text = {0};
    bool good = false;

    if (member == MEMBER_ANSWERS)
        return read_answers(out, value, err);
    if (json_is_string(value))
        text = hark_span(json_string_value(value), json_string_length(value));
    if (text.data != NULL) {
        switch (member) {
        case MEMBER_FORMAT:
            good = hark_span_equal(text, hark_span_str(FORMAT));
            break;
        case MEMBER_SPACE:
            good = is_hex(text, out->space.bytes, HARK_HASH_SIZE);
            break;
        case MEMBER_KEY:
            good = is_hex(text, out->key.bytes, HARK_KEY_SIZE);
            break;
        case MEMBER_BOX:
            good = is_hex(text, out->box.bytes, HARK_KEY_SIZE);
            break;
        case MEMBER_TICKET:
            good = is_hex(text, out->ticket.bytes, HARK_KEY_SIZE);
            break;
        case MEMBER_TERMS:
            good = is_hex(text, out->terms.bytes, HARK_HASH_SIZE);
            break;
        case MEMBER_PROOF:
            good = is_hex(text, out->proof, HARK_SIGNATURE_SIZE);
            break;
        case MEMBER_TICKET_PROOF:
            good = is_hex(text, out->ticket_proof, HARK_SIGNATURE_SIZE);
            break;
        case MEMBER_NAME:
            good = is_name(text);
            if (good)
                memcpy(out->name, text.data, text.size);
            break;
        case MEMBER_ANSWERS:
        case MEMBER_COUNT_:
            break;
        }
    }
    return good ? 0 : malformed(err, MEMBERS[member]);
}

int hark_join_request_decode(struct hark_join_request *out, struct hark_span text,
                             struct hark_err *err)
{
    json_t *json = NULL;
    int rc = 0;

    memset(out, 0, sizeof(*out));
    if (text.size == 0 || text.size > HARK_JOIN_REQUEST_MAX)
        return malformed(err, "its size");
    json = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json))
        rc = malformed(err, "it is not one JSON object");
    else if (json_object_size(json) > MEMBER_COUNT_)
        rc = malformed(err, "a member that is not known");
    /* All of them, and no more of them than there are. */
    for (int i = 0; rc == 0 && i < MEMBER_COUNT_; i++)
        rc = read_member(out, (enum member)i, json_object_get(json, MEMBERS[i]), err);
    json_decref(json);
    if (rc < 0)
        hark_wipe(out, sizeof(*out));
    return rc;
}

/* ---- Sealing -------------------------------------------------------------- */

int hark_join_request_seal(struct hark_buf *out, const struct hark_join_request *request,
                           const struct hark_key *steward, struct hark_err *err)
{
    struct hark_buf json = hark_buf_init_secret(HARK_JOIN_REQUEST_MAX);
    int rc = hark_join_request_encode(&json, request, err);

    if (rc == 0)
        rc = hark_box_seal(out, steward, hark_buf_span(&json), err);
    hark_buf_free(&json);
    return rc;
}

int hark_join_request_open(struct hark_join_request *out, const struct hark_box *steward,
                           struct hark_span sealed, struct hark_err *err)
{
    struct hark_buf json = hark_buf_init_secret(HARK_JOIN_REQUEST_MAX);
    int rc;

    memset(out, 0, sizeof(*out));
    if (sealed.size > HARK_JOIN_SEALED_MAX)
        return malformed(err, "its size");
    rc = hark_box_open(&json, steward, sealed, err);
    if (rc == 0)
        rc = hark_join_request_decode(out, hark_buf_span(&json), err);
    hark_buf_free(&json);
    return rc;
}
