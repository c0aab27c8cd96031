/*
 * See inner.h. The layout is taken byte by byte, so that only the payload is read as JSON, by
 * the rules and the code that payloads in the clear are read by.
 */
#include "schemas/inner.h"

#include <stdlib.h>
#include <string.h>

#include "schemas/payload.h"

#define KIND    "{\"kind\":\""
#define RE      "\",\"re\":["
#define PAYLOAD "],\"payload\":"

void hark_inner_free(struct hark_inner *inner)
{
    json_decref(inner->payload);
    memset(inner, 0, sizeof(*inner));
}

/* --- I1: layout ----------------------------------------------------------------------------- */

static bool take_kind(struct hark_inner *out, struct hark_span *in)
{
    struct hark_span name = {.data = in->data, .size = 0};

    while (name.size < in->size && in->data[name.size] != '"')
        name.size++;
    if (!hark_kind_name_valid(name) || !hark_take(in, name.size, &name))
        return false;
    memcpy(out->kind, name.data, name.size);
    out->kind[name.size] = '\0';
    return true;
}

static bool take_re(struct hark_inner *out, struct hark_span *in)
{
    struct hark_span id;

    while (hark_take_literal(in, out->re_count == 0 ? "\"" : ",\"")) {
        if (out->re_count == HARK_ENTRY_RE_MAX || !hark_take(in, 2 * HARK_HASH_SIZE, &id) ||
            hark_hash_from_hex(&out->re[out->re_count], id, NULL) != 0 ||
            !hark_take_literal(in, "\""))
            return false;
        out->re_count++;
    }
    return true;
}

/* The payload's bytes; none for `null`. */
static bool take_payload(struct hark_span *payload, struct hark_span *in)
{
    if (in->size < 2 || in->data[in->size - 1] != '}' || !hark_take(in, in->size - 1, payload) ||
        !hark_take_literal(in, "}"))
        return false;
    if (hark_span_equal(*payload, hark_span_str("null"))) {
        payload->size = 0;
        return true;
    }
    return payload->size >= 2 && payload->data[0] == '{' && payload->data[payload->size - 1] == '}';
}

static int read_layout(struct hark_inner *out, struct hark_span *payload, struct hark_span content,
                       struct hark_err *err)
{
    struct hark_span in = content;
    const char *wrong = NULL;

    if (!hark_take_literal(&in, KIND) || !take_kind(out, &in))
        wrong = "it does not begin with a kind";
    else if (!hark_take_literal(&in, RE) || !take_re(out, &in))
        wrong = "what it is about is not a list of ids";
    else if (!hark_take_literal(&in, PAYLOAD) || !take_payload(payload, &in))
        wrong = "its payload is neither an object nor null";
    if (wrong == NULL)
        return 0;
    return hark_err_set(err, HARK_E_INNER_FORM, "what is sealed is no content: %s", wrong);
}

/* --- I2 to I4 --------------------------------------------------------------------------------- */

/* Those that are void in the clear (V29). A space's own could have a binary payload. */
static bool may_be_sealed(const struct hark_kind *kind)
{
    return (kind->own_kind || kind->modes == HARK_MODES_OPEN) &&
           kind->payload != HARK_PAYLOAD_BINARY &&
           (kind->who == HARK_WHO_MEMBER || kind->who == HARK_WHO_STAFF);
}

static int find_kind(const struct hark_kind **out, const struct hark_kinds *kinds,
                     const char *outer, const struct hark_inner *inner, struct hark_err *err)
{
    int number = hark_kinds_find(kinds, inner->kind);
    bool is_charter = strcmp(outer, "charter") == 0;

    *out = number >= 0 ? hark_kinds_get(kinds, (size_t)number) : NULL;
    if (!is_charter && strcmp(outer, "sealed") != 0)
        return hark_err_set(err, HARK_E_INTERNAL, "an entry of kind %s has nothing inside", outer);
    if (*out == NULL || (is_charter ? strcmp(inner->kind, outer) != 0 : !may_be_sealed(*out)))
        return hark_err_set(err, HARK_E_INNER_KIND, "%s may not be inside an entry of kind %s",
                            inner->kind, outer);
    return 0;
}

static int check_re(const struct hark_kind *kind, const struct hark_inner *inner,
                    struct hark_err *err)
{
    if (inner->re_count < kind->re_min || inner->re_count > kind->re_max)
        return hark_err_set(err, HARK_E_VOID_RE_COUNT, "%s is about %zu to %zu entries, not %zu",
                            kind->name, kind->re_min, kind->re_max, inner->re_count);
    for (size_t i = 0; i < inner->re_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (hark_hash_equal(&inner->re[i], &inner->re[k]))
                return hark_err_set(err, HARK_E_VOID_RE_REPEATED, "it names one entry twice");
        }
    }
    return 0;
}

/* --- I5, I6: the payload --------------------------------------------------------------------- */

/* Of which community's members a group asks who they are, PROTOCOL.md 10.11. */
static struct hark_field community_field(struct hark_field fields[2])
{
    static char asked[] = "asked", must[] = "must";
    static char *shows[] = {asked, must};

    fields[0] = (struct hark_field){
        .name = "space", .type = HARK_FIELD_HEX, .required = true, .max = HARK_HASH_SIZE};
    fields[1] = (struct hark_field){.name = "show",
                                    .type = HARK_FIELD_CHOICE,
                                    .required = true,
                                    .choice_count = 2,
                                    .choices = shows};
    return (struct hark_field){
        .name = "community", .type = HARK_FIELD_OBJECT, .field_count = 2, .fields = fields};
}

/* What a policy says of title and objective, both of which a charter has to have. */
static int judge_charter(const struct hark_kinds *kinds, json_t *payload, struct hark_err *err)
{
    int number = hark_kinds_find(kinds, "policy");
    const struct hark_kind *policy = number < 0 ? NULL : hark_kinds_get(kinds, (size_t)number);
    struct hark_field fields[3], community[2];
    struct hark_kind charter = {.name = "charter", .payload = HARK_PAYLOAD_JSON, .fields = fields};

    for (size_t i = 0; policy != NULL && i < policy->field_count; i++) {
        const char *name = policy->fields[i].name;

        if ((strcmp(name, "title") != 0 && strcmp(name, "objective") != 0) ||
            charter.field_count == 2)
            continue;
        fields[charter.field_count] = policy->fields[i]; /* what it points to is borrowed */
        fields[charter.field_count++].required = true;
    }
    if (charter.field_count != 2)
        return hark_err_set(err, HARK_E_INTERNAL, "a policy has no title and objective");
    fields[charter.field_count++] = community_field(community);
    return hark_payload_judge_bare(&charter, payload, err);
}

static int judge_payload(const struct hark_kind *kind, const struct hark_kinds *kinds,
                         json_t *payload, struct hark_err *err)
{
    if (json_object_get(payload, "salt") != NULL)
        return hark_err_set(err, HARK_E_PAYLOAD_UNKNOWN, "salt: what is sealed has none");
    return strcmp(kind->name, "charter") == 0 ? judge_charter(kinds, payload, err)
                                              : hark_payload_judge_bare(kind, payload, err);
}

static int read_payload(struct hark_inner *out, const struct hark_kind *kind,
                        const struct hark_kinds *kinds, struct hark_span payload,
                        struct hark_err *err)
{
    int rc;

    if (payload.size == 0 && kind->payload != HARK_PAYLOAD_NONE && !kind->payload_optional)
        return hark_err_set(err, HARK_E_PAYLOAD_ABSENT, "%s wants a payload", kind->name);
    if (payload.size > 0 && kind->payload == HARK_PAYLOAD_NONE)
        return hark_err_set(err, HARK_E_PAYLOAD_UNWANTED, "%s has no payload", kind->name);
    if (payload.size == 0)
        return 0;
    rc = hark_payload_read_bare(payload, &out->payload, err);
    return rc != 0 ? rc : judge_payload(kind, kinds, out->payload, err);
}

int hark_inner_read(struct hark_inner *out, const struct hark_kinds *kinds, const char *outer,
                    struct hark_span content, struct hark_err *err)
{
    const struct hark_kind *kind = NULL;
    struct hark_span payload = {0};
    int rc;

    memset(out, 0, sizeof(*out));
    rc = read_layout(out, &payload, content, err);
    if (rc == 0)
        rc = find_kind(&kind, kinds, outer, out, err);
    if (rc == 0)
        rc = check_re(kind, out, err);
    if (rc == 0)
        rc = read_payload(out, kind, kinds, payload, err);
    if (rc != 0)
        hark_inner_free(out);
    return rc;
}

/* --- writing --------------------------------------------------------------------------------- */

static int put_payload(struct hark_buf *out, const json_t *payload, struct hark_err *err)
{
    char *text;
    int rc;

    if (payload == NULL)
        return hark_buf_append_str(out, "null", err);
    text = json_dumps(payload, JSON_COMPACT);
    if (text == NULL)
        return hark_err_set(err, HARK_E_PAYLOAD_JSON, "the payload cannot be written as JSON");
    rc = hark_buf_append_str(out, text, err);
    free(text);
    return rc;
}

static int put_all(struct hark_buf *out, const struct hark_inner *inner, struct hark_err *err)
{
    int rc = hark_buf_append_str(out, KIND, err);

    if (rc == 0)
        rc = hark_buf_append_str(out, inner->kind, err);
    if (rc == 0)
        rc = hark_buf_append_str(out, RE, err);
    for (size_t i = 0; rc == 0 && i < inner->re_count; i++) {
        rc = hark_buf_append_str(out, i == 0 ? "\"" : ",\"", err);
        if (rc == 0)
            rc = hark_buf_append_hex(out, inner->re[i].bytes, HARK_HASH_SIZE, err);
        if (rc == 0)
            rc = hark_buf_append_byte(out, '"', err);
    }
    if (rc == 0)
        rc = hark_buf_append_str(out, PAYLOAD, err);
    if (rc == 0)
        rc = put_payload(out, inner->payload, err);
    return rc != 0 ? rc : hark_buf_append_byte(out, '}', err);
}

int hark_inner_write(struct hark_buf *out, const struct hark_kinds *kinds, const char *outer,
                     const struct hark_inner *inner, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init_secret(HARK_ENVELOPE_CONTENT_MAX);
    struct hark_inner again = {0};
    int rc = inner->re_count <= HARK_ENTRY_RE_MAX
                 ? put_all(&text, inner, err)
                 : hark_err_set(err, HARK_E_INNER_FORM, "it is about more than %u entries",
                                HARK_ENTRY_RE_MAX);

    if (rc == 0)
        rc = hark_inner_read(&again, kinds, outer, hark_buf_span(&text), err);
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    hark_inner_free(&again);
    hark_buf_free(&text);
    return rc;
}

/* --- in an envelope -------------------------------------------------------------------------- */

int hark_inner_open(struct hark_inner *out, struct hark_ring *ring, const struct hark_kinds *kinds,
                    const struct hark_entry *entry, struct hark_span envelope, uint32_t at_seen,
                    uint32_t before, struct hark_err *err)
{
    struct hark_buf content = hark_buf_init_secret(HARK_ENVELOPE_PLAIN_MAX);
    int rc = hark_ring_open(&content, ring, entry, envelope, at_seen, before, err);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = hark_inner_read(out, kinds, entry->kind, hark_buf_span(&content), err);
    hark_buf_free(&content);
    return rc;
}

int hark_inner_seal(struct hark_buf *out, struct hark_ring *ring, const struct hark_kinds *kinds,
                    const struct hark_entry *entry, const struct hark_inner *inner,
                    struct hark_err *err)
{
    struct hark_buf content = hark_buf_init_secret(HARK_ENVELOPE_CONTENT_MAX);
    int rc = hark_inner_write(&content, kinds, entry->kind, inner, err);

    if (rc == 0)
        rc = hark_ring_seal(out, ring, entry, hark_buf_span(&content), err);
    hark_buf_free(&content);
    return rc;
}
