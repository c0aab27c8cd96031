/*
 * From bytes to fields in this order: what costs nothing first (size, padding,
 * UTF-8, the salt's place, depth), then jansson, then the kind. Depth is
 * bounded before jansson runs, since it recurses.
 *
 * jansson stops at the first thing it dislikes, and dislikes some numbers that
 * are well-formed JSON. So that the rule named is always the first one broken,
 * numbers are judged beforehand and those that break P11 are masked by `0` and
 * spaces in a copy, which is what jansson reads.
 */
#include "schemas/payload.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SALT_HEAD "{\"salt\":\""

/* ---- P1 to P4 ------------------------------------------------------------- */

int hark_payload_match(const struct hark_kind *kind, const struct hark_entry *entry,
                       struct hark_span bytes, struct hark_err *err)
{
    if (!entry->has_payload) {
        if (kind->payload == HARK_PAYLOAD_NONE || kind->payload_optional)
            return 0;
        return hark_err_set(err, HARK_E_PAYLOAD_ABSENT, "the entry names no payload, %s wants one",
                            kind->name);
    }
    if (kind->payload == HARK_PAYLOAD_NONE)
        return hark_err_set(err, HARK_E_PAYLOAD_UNWANTED, "the entry names a payload, %s has none",
                            kind->name);
    if (bytes.data == NULL)
        return hark_err_set(err, HARK_E_PAYLOAD_ABSENT, "the payload is not at hand");
    if (bytes.size == 0 || bytes.size > HARK_PAYLOAD_MAX || bytes.size != entry->payload_size)
        return hark_err_set(err, HARK_E_PAYLOAD_SIZE,
                            "the payload has %zu bytes, the entry names %" PRIu64
                            ", at most %u are allowed",
                            bytes.size, entry->payload_size, HARK_PAYLOAD_MAX);
    struct hark_hash hash = hark_sha256(bytes);
    if (!hark_hash_equal(&hash, &entry->payload_hash))
        return hark_err_set(err, HARK_E_PAYLOAD_HASH,
                            "the payload's SHA-256 is not the one that the entry names");
    return 0;
}

/* ---- P3, P5 to P8: bytes -------------------------------------------------- */

static int check_padding(struct hark_span bytes, struct hark_err *err)
{
    size_t spaces = 0;
    while (spaces < bytes.size && bytes.data[bytes.size - 1 - spaces] == ' ')
        spaces++;
    if (bytes.size % HARK_PAYLOAD_BLOCK != 0)
        return hark_err_set(err, HARK_E_PAYLOAD_PADDING, "%zu bytes are no multiple of %u",
                            bytes.size, HARK_PAYLOAD_BLOCK);
    if (spaces >= HARK_PAYLOAD_BLOCK)
        return hark_err_set(err, HARK_E_PAYLOAD_PADDING, "%zu spaces end it, at most %u may",
                            spaces, HARK_PAYLOAD_BLOCK - 1);
    return 0;
}

static int check_salt(struct hark_span bytes, struct hark_err *err)
{
    uint8_t salt[HARK_SALT_SIZE];
    struct hark_span in = bytes;
    struct hark_span digits;
    if (!hark_take_literal(&in, SALT_HEAD) || !hark_take(&in, 2 * HARK_SALT_SIZE, &digits) ||
        !hark_take_literal(&in, "\"") || hark_hex_decode(salt, sizeof salt, digits, NULL) != 0)
        return hark_err_set(err, HARK_E_PAYLOAD_SALT,
                            "it does not begin with {\"salt\":\" and 32 hex digits");
    return 0;
}

/* From an opening quote to behind the closing one, or to the end. */
static size_t skip_string(struct hark_span bytes, size_t at)
{
    for (at++; at < bytes.size && bytes.data[at] != '"'; at++)
        if (bytes.data[at] == '\\')
            at++;
    return at < bytes.size ? at + 1 : bytes.size;
}

/* The brackets outside strings. What closes more than was opened is left to P9. */
static int check_depth(struct hark_span bytes, struct hark_err *err)
{
    size_t depth = 0;
    size_t at = 0;
    while (at < bytes.size) {
        uint8_t c = bytes.data[at];
        if (c == '"') {
            at = skip_string(bytes, at);
            continue;
        }
        if ((c == '{' || c == '[') && ++depth > HARK_PAYLOAD_DEPTH_MAX)
            return hark_err_set(err, HARK_E_PAYLOAD_DEPTH, "it nests deeper than %u",
                                HARK_PAYLOAD_DEPTH_MAX);
        if ((c == '}' || c == ']') && depth-- == 0)
            return 0;
        at++;
    }
    return 0;
}

/* A bare one has neither padding nor salt. */
static int check_bytes(struct hark_span bytes, bool bare, struct hark_err *err)
{
    int rc = bare ? 0 : check_padding(bytes, err);
    if (rc == 0 && !hark_utf8_valid(bytes))
        rc = hark_err_set(err, HARK_E_PAYLOAD_UTF8, "it is not UTF-8");
    if (rc == 0 && !bare)
        rc = check_salt(bytes, err);
    if (rc == 0)
        rc = check_depth(bytes, err);
    return rc;
}

/* ---- P9 to P11: JSON ------------------------------------------------------ */

static size_t take_digits(struct hark_span token, size_t at)
{
    while (at < token.size && token.data[at] >= '0' && token.data[at] <= '9')
        at++;
    return at;
}

enum number { NUMBER_NOT, NUMBER_GOOD, NUMBER_BAD };

/* Is it a number of RFC 8259, and if so, one of P11's? */
static enum number judge_number(struct hark_span token)
{
    size_t start = token.size > 0 && token.data[0] == '-' ? 1 : 0;
    size_t at = take_digits(token, start);
    struct hark_span whole = hark_span(token.data + start, at - start);
    bool plain = true;
    if (whole.size == 0 || (whole.size > 1 && whole.data[0] == '0'))
        return NUMBER_NOT;
    if (at < token.size && token.data[at] == '.') {
        size_t end = take_digits(token, at + 1);
        if (end == at + 1)
            return NUMBER_NOT;
        at = end;
        plain = false;
    }
    if (at < token.size && (token.data[at] == 'e' || token.data[at] == 'E')) {
        at++;
        if (at < token.size && (token.data[at] == '+' || token.data[at] == '-'))
            at++;
        size_t end = take_digits(token, at);
        if (end == at)
            return NUMBER_NOT;
        at = end;
        plain = false;
    }
    if (at < token.size)
        return NUMBER_NOT;
    uint64_t value = 0;
    return plain && hark_decimal_decode(&value, whole, HARK_NUMBER_MAX, NULL) == 0 ? NUMBER_GOOD
                                                                                   : NUMBER_BAD;
}

/* Masks the numbers that break P11 and tells whether there were any. */
static bool mask_numbers(struct hark_buf *text)
{
    struct hark_span bytes = hark_buf_span(text);
    bool found = false;
    size_t at = 0;
    while (at < bytes.size) {
        uint8_t c = bytes.data[at];
        if (c == '"') {
            at = skip_string(bytes, at);
            continue;
        }
        if (c != '-' && (c < '0' || c > '9')) {
            at++;
            continue;
        }
        size_t end = at;
        while (end < bytes.size && bytes.data[end] != '\0' &&
               strchr("0123456789+-.eE", bytes.data[end]) != NULL)
            end++;
        if (judge_number(hark_span(bytes.data + at, end - at)) == NUMBER_BAD) {
            memset(text->data + at, ' ', end - at);
            text->data[at] = '0';
            found = true;
        }
        at = end;
    }
    return found;
}

static int read_json(struct hark_span text, json_t **json, struct hark_err *err)
{
    json_error_t why;
    const char *bytes = (const char *)text.data;
    *json = json_loadb(bytes, text.size, JSON_REJECT_DUPLICATES, &why);
    if (*json != NULL)
        return 0;
    if (json_error_code(&why) == json_error_duplicate_key) {
        json_error_t duplicate = why;
        json_t *other = json_loadb(bytes, text.size, 0, &why);
        if (other != NULL) {
            json_decref(other);
            return hark_err_set(err, HARK_E_PAYLOAD_DUPLICATE,
                                "an object names a member twice, at byte %d", duplicate.position);
        }
    }
    if (json_error_code(&why) == json_error_out_of_memory)
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    return hark_err_set(err, HARK_E_PAYLOAD_JSON, "it is not one JSON object, at byte %d",
                        why.position);
}

static int parse_json(struct hark_span bytes, json_t **json, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_PAYLOAD_MAX);
    bool masked = false;
    int rc = hark_buf_append_span(&text, bytes, err);
    if (rc == 0) {
        masked = mask_numbers(&text);
        rc = read_json(hark_buf_span(&text), json, err);
    }
    if (rc == 0 && masked) {
        rc = hark_err_set(err, HARK_E_PAYLOAD_NUMBER,
                          "a number with a fraction, an exponent or beyond 2^53-1");
        json_decref(*json);
        *json = NULL;
    }
    hark_buf_free(&text);
    return rc;
}

/* ---- P12 to P15: the kind's fields ---------------------------------------- */

/* Where in the payload, from the inside out; for messages. */
struct place {
    const struct place *up;
    const char *name; /* NULL: the item `index` of a list */
    size_t index;
};

/* One walk sees everything; what is kept is the first rule broken. */
struct judge {
    int rule; /* 12 to 15, or NO_RULE */
    char message[HARK_ERR_MESSAGE_MAX];
};

#define NO_RULE 99

static int rule_code(int rule)
{
    static const int codes[] = {HARK_E_PAYLOAD_UNKNOWN, HARK_E_PAYLOAD_MISSING, HARK_E_PAYLOAD_TYPE,
                                HARK_E_PAYLOAD_RANGE};
    return codes[rule - 12];
}

/* Names of members are hostile: their beginning, printable ASCII. */
static size_t print_place(char *out, size_t size, const struct place *place)
{
    size_t n = place->up != NULL ? print_place(out, size, place->up) : 0;
    if (place->name == NULL) {
        int got = snprintf(out + n, size - n, "[%zu]", place->index);
        return got > 0 && (size_t)got < size - n ? n + (size_t)got : n;
    }
    if (place->up != NULL && n + 1 < size)
        out[n++] = '.';
    for (size_t i = 0; i < HARK_KIND_NAME_MAX && place->name[i] != '\0' && n + 1 < size; i++)
        out[n++] = (char)(place->name[i] > 0x20 && place->name[i] <= 0x7e ? place->name[i] : '?');
    out[n] = '\0';
    return n;
}

static void broken(struct judge *judge, int rule, const struct place *place, const char *fmt, ...)
    HARK_PRINTF(4, 5);

static void broken(struct judge *judge, int rule, const struct place *place, const char *fmt, ...)
{
    char where[160] = "";
    char what[128];
    va_list args;
    if (rule >= judge->rule)
        return;
    judge->rule = rule;
    (void)print_place(where, sizeof where, place);
    va_start(args, fmt);
    if (vsnprintf(what, sizeof what, fmt, args) < 0)
        what[0] = '\0';
    va_end(args);
    (void)snprintf(judge->message, sizeof judge->message, "%s: %s", where, what);
}

static bool within(const struct hark_field *field, size_t count)
{
    return count <= INT64_MAX && (int64_t)count >= field->min && (int64_t)count <= field->max;
}

/* U+0000 to U+001F but for LF and TAB, U+007F to U+009F; in a line also those
 * two. `text` is UTF-8. */
static bool has_control(struct hark_span text, bool is_line)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 && (is_line || (c != '\n' && c != '\t')))
            return true;
        if (c == 0x7f ||
            (c == 0xc2 && i + 1 < text.size && text.data[i + 1] >= 0x80 && text.data[i + 1] < 0xa0))
            return true;
    }
    return false;
}

static void judge_text(struct judge *judge, const struct hark_field *field, struct hark_span text,
                       const struct place *place)
{
    if (!within(field, text.size))
        broken(judge, 15, place, "%zu bytes, expected %" PRId64 " to %" PRId64, text.size,
               field->min, field->max);
    else if (has_control(text, field->type == HARK_FIELD_LINE))
        broken(judge, 15, place, "control characters, expected %s",
               field->type == HARK_FIELD_LINE ? "one line" : "text");
}

static bool is_slug(struct hark_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool letter = c >= 'a' && c <= 'z';
        if (!letter && (i == 0 || ((c < '0' || c > '9') && c != '_' && c != '-')))
            return false;
    }
    return true;
}

static void judge_slug(struct judge *judge, const struct hark_field *field, struct hark_span text,
                       const struct place *place)
{
    if (!is_slug(text))
        broken(judge, 14, place, "expected a-z 0-9 _ -, starting with a letter");
    else
        judge_text(judge, field, text, place);
}

static bool is_hex(struct hark_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return false;
    }
    return text.size % 2 == 0;
}

static void judge_hex(struct judge *judge, const struct hark_field *field, struct hark_span text,
                      const struct place *place)
{
    int64_t min = field->min > 0 ? field->min : field->max;
    size_t size = text.size / 2;
    if (!is_hex(text))
        broken(judge, 14, place, "expected lower-case hex");
    else if (size > INT64_MAX || (int64_t)size < min || (int64_t)size > field->max)
        broken(judge, 15, place, "%zu bytes in hex, expected %" PRId64 " to %" PRId64, size, min,
               field->max);
}

static int judge_base64(struct judge *judge, const struct hark_field *field, struct hark_span text,
                        const struct place *place, struct hark_err *err)
{
    struct hark_buf decoded = hark_buf_init(HARK_PAYLOAD_MAX);
    int rc = hark_base64_decode(&decoded, text, err);
    if (rc == HARK_E_BASE64) {
        broken(judge, 14, place, "expected base64");
        rc = 0;
    } else if (rc == 0 && !within(field, decoded.size)) {
        broken(judge, 15, place, "%zu bytes in base64, expected %" PRId64 " to %" PRId64,
               decoded.size, field->min, field->max);
    }
    hark_buf_free(&decoded);
    return rc;
}

static bool is_date(struct hark_span text)
{
    static const char midnight[] = "T00:00:00.000Z";
    uint8_t time[HARK_TIME_SIZE];
    uint64_t time_ms = 0;
    const size_t size = HARK_TIME_SIZE - strlen(midnight);
    if (text.size != size)
        return false;
    memcpy(time, text.data, size);
    memcpy(time + size, midnight, strlen(midnight));
    return hark_time_decode(&time_ms, hark_span(time, sizeof time), NULL) == 0;
}

static void judge_choice(struct judge *judge, const struct hark_field *field, struct hark_span text,
                         const struct place *place)
{
    for (size_t i = 0; i < field->choice_count; i++)
        if (hark_span_equal(text, hark_span_str(field->choices[i])))
            return;
    broken(judge, 15, place, "expected one of its %zu choices", field->choice_count);
}

static int judge_string(struct judge *judge, const struct hark_field *field, struct hark_span text,
                        const struct place *place, struct hark_err *err)
{
    struct hark_hash id;
    uint64_t time_ms = 0;
    switch (field->type) {
    case HARK_FIELD_TEXT:
    case HARK_FIELD_LINE:
        judge_text(judge, field, text, place);
        break;
    case HARK_FIELD_SLUG:
        judge_slug(judge, field, text, place);
        break;
    case HARK_FIELD_CHOICE:
        judge_choice(judge, field, text, place);
        break;
    case HARK_FIELD_HEX:
        judge_hex(judge, field, text, place);
        break;
    case HARK_FIELD_BASE64:
        return judge_base64(judge, field, text, place, err);
    case HARK_FIELD_ENTRY:
        if (hark_hash_from_hex(&id, text, NULL) != 0)
            broken(judge, 14, place, "expected an entry id");
        break;
    case HARK_FIELD_TIME:
        if (hark_time_decode(&time_ms, text, NULL) != 0)
            broken(judge, 14, place, "expected a time");
        break;
    case HARK_FIELD_DATE:
        if (!is_date(text))
            broken(judge, 14, place, "expected a date");
        break;
    case HARK_FIELD_INTEGER:
    case HARK_FIELD_BOOLEAN:
    case HARK_FIELD_LIST:
    case HARK_FIELD_OBJECT:
        break;
    }
    return 0;
}

static int judge_object(struct judge *judge, const struct hark_field *fields, size_t count,
                        const json_t *object, const struct place *place, struct hark_err *err);

static int judge_value(struct judge *judge, const struct hark_field *field, const json_t *value,
                       const struct place *place, struct hark_err *err);

static int judge_list(struct judge *judge, const struct hark_field *field, const json_t *list,
                      const struct place *place, struct hark_err *err)
{
    int rc = 0;
    size_t size = json_array_size(list);
    if (!within(field, size))
        broken(judge, 15, place, "%zu items, expected %" PRId64 " to %" PRId64, size, field->min,
               field->max);
    for (size_t i = 0; rc == 0 && i < size; i++) {
        struct place inside = {.up = place, .index = i};
        rc = judge_value(judge, field->item, json_array_get(list, i), &inside, err);
    }
    return rc;
}

static int judge_value(struct judge *judge, const struct hark_field *field, const json_t *value,
                       const struct place *place, struct hark_err *err)
{
    switch (field->type) {
    case HARK_FIELD_INTEGER:
        if (!json_is_integer(value))
            broken(judge, 14, place, "expected a whole number");
        else if (json_integer_value(value) < field->min || json_integer_value(value) > field->max)
            broken(judge, 15, place, "%" JSON_INTEGER_FORMAT ", expected %" PRId64 " to %" PRId64,
                   json_integer_value(value), field->min, field->max);
        return 0;
    case HARK_FIELD_BOOLEAN:
        if (!json_is_boolean(value))
            broken(judge, 14, place, "expected true or false");
        return 0;
    case HARK_FIELD_LIST:
        if (json_is_array(value))
            return judge_list(judge, field, value, place, err);
        broken(judge, 14, place, "expected a list");
        return 0;
    case HARK_FIELD_OBJECT:
        if (json_is_object(value))
            return judge_object(judge, field->fields, field->field_count, value, place, err);
        broken(judge, 14, place, "expected an object");
        return 0;
    default:
        if (json_is_string(value))
            return judge_string(judge, field,
                                hark_span(json_string_value(value), json_string_length(value)),
                                place, err);
        broken(judge, 14, place, "expected a string");
        return 0;
    }
}

static bool is_needed(const struct hark_field *field, const json_t *object)
{
    if (field->required)
        return true;
    if (field->if_count == 0)
        return false;
    const char *value = json_string_value(json_object_get(object, field->if_field));
    for (size_t i = 0; value != NULL && i < field->if_count; i++)
        if (strcmp(value, field->if_values[i]) == 0)
            return true;
    return false;
}

static const struct hark_field *find_field(const struct hark_field *fields, size_t count,
                                           const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static int judge_object(struct judge *judge, const struct hark_field *fields, size_t count,
                        const json_t *object, const struct place *place, struct hark_err *err)
{
    int rc = 0;
    const char *name = NULL;
    json_t *value = NULL;
    /* jansson's iteration wants a pointer without const and changes nothing. */
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        struct place inside = {.up = place, .name = name};
        const struct hark_field *field = find_field(fields, count, name);
        if (field != NULL)
            rc = judge_value(judge, field, value, &inside, err);
        else if (place != NULL || strcmp(name, "salt") != 0)
            broken(judge, 12, &inside, "not a field of this kind");
        if (rc != 0)
            return rc;
    }
    for (size_t i = 0; i < count; i++) {
        struct place inside = {.up = place, .name = fields[i].name};
        if (is_needed(&fields[i], object) && json_object_get(object, fields[i].name) == NULL)
            broken(judge, 13, &inside, "missing");
    }
    return 0;
}

static int no_payload(const struct hark_kind *kind, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_PAYLOAD_UNWANTED, "%s has no payload", kind->name);
}

static int check_size(struct hark_span bytes, struct hark_err *err)
{
    if (bytes.size == 0 || bytes.size > HARK_PAYLOAD_MAX)
        return hark_err_set(err, HARK_E_PAYLOAD_SIZE, "%zu bytes, expected 1 to %u", bytes.size,
                            HARK_PAYLOAD_MAX);
    return 0;
}

static int read_object(struct hark_span bytes, bool bare, json_t **json, struct hark_err *err)
{
    int rc = check_size(bytes, err);
    *json = NULL;
    if (rc == 0)
        rc = check_bytes(bytes, bare, err);
    return rc != 0 ? rc : parse_json(bytes, json, err);
}

int hark_payload_read(struct hark_span bytes, json_t **json, struct hark_err *err)
{
    return read_object(bytes, false, json, err);
}

int hark_payload_read_bare(struct hark_span bytes, json_t **json, struct hark_err *err)
{
    return read_object(bytes, true, json, err);
}

/* A showing links two keys of one person: where hosts read it is no field (PROTOCOL.md 10.11). */
int hark_payload_judge(const struct hark_kind *kind, json_t *json, struct hark_err *err)
{
    if (kind->payload != HARK_PAYLOAD_NONE && strcmp(kind->name, "profile") == 0 &&
        json_object_get(json, "showing") != NULL)
        return hark_err_set(err, HARK_E_PAYLOAD_UNKNOWN,
                            "showing: who one is is shown inside an encrypted space only");
    return hark_payload_judge_bare(kind, json, err);
}

int hark_payload_judge_bare(const struct hark_kind *kind, json_t *json, struct hark_err *err)
{
    struct judge judge = {.rule = NO_RULE};
    if (kind->payload == HARK_PAYLOAD_NONE)
        return no_payload(kind, err);
    int rc = judge_object(&judge, kind->fields, kind->field_count, json, NULL, err);
    if (rc == 0 && judge.rule != NO_RULE)
        rc = hark_err_set(err, rule_code(judge.rule), "%s", judge.message);
    return rc;
}

int hark_payload_check(const struct hark_kind *kind, struct hark_span bytes, json_t **json,
                       struct hark_err *err)
{
    json_t *object = NULL;
    if (json != NULL)
        *json = NULL;
    if (kind->payload == HARK_PAYLOAD_NONE)
        return no_payload(kind, err);
    if (kind->payload == HARK_PAYLOAD_BINARY)
        return check_size(bytes, err);
    int rc = hark_payload_read(bytes, &object, err);
    if (rc == 0)
        rc = hark_payload_judge(kind, object, err);
    if (rc == 0 && json != NULL) {
        *json = object;
        object = NULL;
    }
    json_decref(object);
    return rc;
}

/* ---- Building ------------------------------------------------------------- */

struct writer {
    struct hark_buf *out;
    struct hark_err *err;
    int rc; /* jansson's callback can only say yes or no */
};

static int write_json(const char *bytes, size_t size, void *arg)
{
    struct writer *writer = arg;
    writer->rc = hark_buf_append(writer->out, bytes, size, writer->err);
    return writer->rc == 0 ? 0 : -1;
}

/* {"salt":"…" and the fields, which lose their own opening brace. */
static int write_members(struct hark_buf *text, const json_t *fields,
                         const uint8_t salt[HARK_SALT_SIZE], struct hark_err *err)
{
    struct writer writer = {.out = text, .err = err};
    int rc = hark_buf_append_str(text, SALT_HEAD, err);
    if (rc == 0)
        rc = hark_buf_append_hex(text, salt, HARK_SALT_SIZE, err);
    if (rc == 0)
        rc = hark_buf_append_str(text, "\"", err);
    if (rc != 0)
        return rc;
    size_t brace = text->size;
    if (json_dump_callback(fields, write_json, &writer, JSON_COMPACT) != 0)
        return writer.rc != 0
                   ? writer.rc
                   : hark_err_set(err, HARK_E_PAYLOAD_JSON, "the fields cannot be written as JSON");
    if (json_object_size(fields) > 0) {
        text->data[brace] = ',';
        return 0;
    }
    text->size = brace;
    return hark_buf_append_str(text, "}", err);
}

int hark_payload_build(struct hark_buf *out, const struct hark_kind *kind, const json_t *fields,
                       const uint8_t salt[HARK_SALT_SIZE], struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_PAYLOAD_MAX);
    if (kind->payload == HARK_PAYLOAD_NONE)
        return hark_err_set(err, HARK_E_PAYLOAD_UNWANTED, "%s has no payload", kind->name);
    if (kind->payload == HARK_PAYLOAD_BINARY || !json_is_object(fields))
        return hark_err_set(err, HARK_E_INTERNAL, "the payload of %s is not built from these",
                            kind->name);
    int rc = write_members(&text, fields, salt, err);
    while (rc == 0 && text.size % HARK_PAYLOAD_BLOCK != 0)
        rc = hark_buf_append_byte(&text, ' ', err);
    if (rc == HARK_E_LIMIT)
        rc = hark_err_set(err, HARK_E_PAYLOAD_SIZE, "more than %u bytes", HARK_PAYLOAD_MAX);
    if (rc == 0)
        rc = hark_payload_check(kind, hark_buf_span(&text), NULL, err);
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    hark_buf_free(&text);
    return rc;
}
