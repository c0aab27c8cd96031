#include "note.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "merkle.h"

/* An em dash (U+2014) and a space begin a signature line. */
#define SIGNATURE_PREFIX "\xe2\x80\x94 "

#define COSIGNATURE_HEADER "cosignature/v1\n"
#define COSIGNATURE_SIZE   (8 + HARK_SIGNATURE_SIZE) /* u64 seconds, Ed25519 signature */

#define ID_SIZE   4
#define VKEY_SIZE (1 + HARK_KEY_SIZE) /* algorithm, key */

/* Prefix, name, space, base64 of id and cosignature, LF, with room to spare. */
#define LINE_MAX_SIZE (HARK_NOTE_NAME_MAX + 128)

/* --- Text and names -------------------------------------------------------- */

/* The rule of signed-note for a whole note; DEL and C1 controls pass it. */
static bool text_is_clean(struct hark_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x20 && text.data[i] != '\n')
            return false;
    }
    return hark_utf8_valid(text);
}

/* Takes one character from the front of well-formed UTF-8. */
static uint32_t take_character(struct hark_span *text)
{
    uint8_t first = text->data[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t c = size == 1 ? first : first & (0x7fu >> size);

    for (size_t i = 1; i < size; i++)
        c = c << 6 | (text->data[i] & 0x3fu);
    text->data += size;
    text->size -= size;
    return c;
}

/* Unicode's White_Space property. */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static bool name_is_valid(struct hark_span name)
{
    if (name.size == 0 || !text_is_clean(name))
        return false;
    while (name.size > 0) {
        uint32_t c = take_character(&name);

        if (c == '+' || is_space(c))
            return false;
    }
    return true;
}

/* Cuts `in` at the first `separator`; false if there is none. */
static bool cut(struct hark_span *in, char separator, struct hark_span *before)
{
    const uint8_t *at = in->size == 0 ? NULL : memchr(in->data, separator, in->size);

    if (at == NULL)
        return false;
    *before = hark_span(in->data, (size_t)(at - in->data));
    *in = hark_span(at + 1, in->size - before->size - 1);
    return true;
}

/* Decodes exactly `size` bytes (at most 64). Bad base64 and wrong sizes are
 * `code`. */
static int decode_base64(uint8_t *out, size_t size, struct hark_span text, int code,
                         const char *what, struct hark_err *err)
{
    struct hark_buf buf = hark_buf_init(64);
    int rc = hark_base64_decode(&buf, text, err);

    if (rc == HARK_E_NO_MEMORY)
        goto out;
    if (rc != 0 || buf.size != size) {
        rc = hark_err_set(err, code, "%s is not the base64 of %zu bytes", what, size);
        goto out;
    }
    memcpy(out, buf.data, size);
out:
    hark_buf_free(&buf);
    return rc;
}

/* --- Verifier keys --------------------------------------------------------- */

static uint32_t key_id(const struct hark_note_key *key)
{
    struct hark_sha256 h;
    struct hark_hash hash;

    hark_sha256_init(&h);
    hark_sha256_update(&h, key->name, strlen(key->name));
    hark_sha256_update(&h, "\n", 1);
    hark_sha256_update(&h, &key->algorithm, 1);
    hark_sha256_update(&h, key->key.bytes, HARK_KEY_SIZE);
    hash = hark_sha256_final(&h);
    return hark_get_u32(hash.bytes);
}

static int key_set(struct hark_note_key *out, struct hark_span name, uint8_t algorithm,
                   const uint8_t key[HARK_KEY_SIZE], struct hark_err *err)
{
    memset(out, 0, sizeof(*out));
    if (name.size > HARK_NOTE_NAME_MAX || !name_is_valid(name))
        return hark_err_set(err, HARK_E_NOTE_KEY,
                            "a key's name is 1 to %u bytes of UTF-8 without spaces and '+'",
                            HARK_NOTE_NAME_MAX);
    if (algorithm != HARK_NOTE_ED25519 && algorithm != HARK_NOTE_COSIGNATURE_V1)
        return hark_err_set(err, HARK_E_NOTE_KEY, "signature algorithm 0x%02x is not known",
                            (unsigned)algorithm);
    memcpy(out->name, name.data, name.size);
    out->algorithm = algorithm;
    memcpy(out->key.bytes, key, HARK_KEY_SIZE);
    out->id = key_id(out);
    return 0;
}

int hark_note_key_init(struct hark_note_key *out, const char *name, uint8_t algorithm,
                       const struct hark_key *key, struct hark_err *err)
{
    return key_set(out, hark_span_str(name), algorithm, key->bytes, err);
}

int hark_note_key_encode(struct hark_buf *out, const struct hark_note_key *key,
                         struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(LINE_MAX_SIZE);
    uint8_t raw[VKEY_SIZE];
    int rc = 0;

    raw[0] = key->algorithm;
    memcpy(raw + 1, key->key.bytes, HARK_KEY_SIZE);
    rc = hark_buf_printf(&text, err, "%s+%08" PRIx32 "+", key->name, key->id);
    if (rc != 0)
        goto out;
    rc = hark_base64_encode(&text, hark_span(raw, sizeof(raw)), err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_span(out, hark_buf_span(&text), err);
out:
    hark_buf_free(&text);
    return rc;
}

int hark_note_key_decode(struct hark_note_key *out, struct hark_span text, struct hark_err *err)
{
    struct hark_span name;
    struct hark_span id_text;
    uint8_t id[ID_SIZE];
    uint8_t raw[VKEY_SIZE] = {0};
    int rc = 0;

    memset(out, 0, sizeof(*out));
    if (!cut(&text, '+', &name) || !cut(&text, '+', &id_text) ||
        hark_hex_decode(id, sizeof(id), id_text, NULL) != 0)
        return hark_err_set(err, HARK_E_NOTE_KEY,
                            "a verifier key is <name>+<8 hexadecimal digits>+<base64>");
    rc = decode_base64(raw, sizeof(raw), text, HARK_E_NOTE_KEY, "a verifier key's last part", err);
    if (rc != 0)
        return rc;
    rc = key_set(out, name, raw[0], raw + 1, err);
    if (rc != 0)
        return rc;
    /* Of use only against typing errors: whoever changes the key can change the
     * id. But a key under a false id would never match a line. */
    if (out->id != hark_get_u32(id)) {
        memset(out, 0, sizeof(*out));
        return hark_err_set(err, HARK_E_NOTE_KEY, "a verifier key's id is not that of its key");
    }
    return 0;
}

/* --- Parsing --------------------------------------------------------------- */

/* The last blank line parts text and signatures, since the text may have blank
 * lines of its own and the signatures may not. */
static bool split_note(struct hark_span note, struct hark_span *text, struct hark_span *lines)
{
    for (size_t i = note.size; i >= 2; i--) {
        if (note.data[i - 1] == '\n' && note.data[i - 2] == '\n') {
            *text = hark_span(note.data, i - 1);
            *lines = hark_span(note.data + i, note.size - i);
            return true;
        }
    }
    return false;
}

static int parse_line(struct hark_note_line *out, struct hark_span line, struct hark_buf *raw,
                      struct hark_err *err)
{
    struct hark_span rest;
    int rc = 0;

    if (!hark_take_literal(&line, SIGNATURE_PREFIX) || !cut(&line, ' ', &out->name) ||
        !name_is_valid(out->name))
        return hark_err_set(err, HARK_E_NOTE_FORM,
                            "a signature line begins with an em dash and a key's name");
    hark_buf_clear(raw);
    rc = hark_base64_decode(raw, line, err);
    if (rc == HARK_E_NO_MEMORY)
        return rc;
    rest = hark_buf_span(raw);
    /* A signature without a byte after its key's id is none. */
    if (rc != 0 || rest.size <= ID_SIZE || !hark_take_u32(&rest, &out->id))
        return hark_err_set(err, HARK_E_NOTE_FORM,
                            "a signature line ends with the base64 of key id and signature");
    out->base64 = line;
    if (rest.size <= sizeof(out->signature)) {
        memcpy(out->signature, rest.data, rest.size);
        out->signature_size = rest.size;
    }
    return 0;
}

int hark_note_parse(struct hark_note *out, struct hark_span note, struct hark_err *err)
{
    struct hark_buf raw = hark_buf_init(HARK_NOTE_MAX);
    struct hark_span lines;
    struct hark_span line;
    size_t count = 0;
    int rc = HARK_E_NOTE_FORM;

    memset(out, 0, sizeof(*out));
    if (note.size > HARK_NOTE_MAX) {
        hark_err_set(err, rc, "a note of %zu bytes is longer than %u", note.size, HARK_NOTE_MAX);
        goto out;
    }
    if (!text_is_clean(note)) {
        hark_err_set(err, rc, "a note is UTF-8 without control characters");
        goto out;
    }
    if (!split_note(note, &out->text, &lines) || lines.size == 0 ||
        lines.data[lines.size - 1] != '\n') {
        hark_err_set(err, rc, "a note ends with a blank line and signature lines");
        goto out;
    }
    while (hark_take_line(&lines, &line)) {
        if (count == HARK_NOTE_SIGNATURES_MAX) {
            rc = hark_err_set(err, HARK_E_NOTE_FORM, "a note has more than %u signatures",
                              HARK_NOTE_SIGNATURES_MAX);
            goto out;
        }
        rc = parse_line(&out->lines[count], line, &raw, err);
        if (rc != 0)
            goto out;
        count++;
    }
    out->count = count;
    rc = 0;
out:
    if (rc != 0)
        memset(out, 0, sizeof(*out));
    hark_buf_free(&raw);
    return rc;
}

/* --- Signing and verifying ------------------------------------------------- */

/* What is signed for a cosignature: tlog-cosignature, "Ed25519 signed message". */
static int cosigned_message(struct hark_buf *out, struct hark_span text, uint64_t time_s,
                            struct hark_err *err)
{
    int rc = hark_buf_printf(out, err, COSIGNATURE_HEADER "time %" PRIu64 "\n", time_s);

    if (rc != 0)
        return rc;
    return hark_buf_append_span(out, text, err);
}

static int bad_signature(const struct hark_note_key *key, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_NOTE_SIGNATURE, "the signature by %s does not hold", key->name);
}

static int verify_cosignature(const struct hark_note_line *line, struct hark_span text,
                              const struct hark_note_key *key, uint64_t *time_s,
                              struct hark_err *err)
{
    struct hark_buf message = hark_buf_init(HARK_NOTE_MAX + 64);
    int rc = 0;

    *time_s = hark_get_u64(line->signature);
    if (line->signature_size != COSIGNATURE_SIZE || *time_s > INT64_MAX) {
        rc = bad_signature(key, err);
        goto out;
    }
    rc = cosigned_message(&message, text, *time_s, err);
    if (rc != 0)
        goto out;
    if (!hark_verify(&key->key, hark_buf_span(&message), line->signature + 8))
        rc = bad_signature(key, err);
out:
    hark_buf_free(&message);
    return rc;
}

static int verify_line(const struct hark_note_line *line, struct hark_span text,
                       const struct hark_note_key *key, uint64_t *time_s, struct hark_err *err)
{
    *time_s = 0;
    if (key->algorithm == HARK_NOTE_COSIGNATURE_V1)
        return verify_cosignature(line, text, key, time_s, err);
    if (key->algorithm != HARK_NOTE_ED25519 || line->signature_size != HARK_SIGNATURE_SIZE ||
        !hark_verify(&key->key, text, line->signature))
        return bad_signature(key, err);
    return 0;
}

int hark_note_line_encode(struct hark_buf *out, const struct hark_note_line *line,
                          struct hark_err *err)
{
    int rc = hark_buf_append_str(out, SIGNATURE_PREFIX, err);

    if (rc == 0)
        rc = hark_buf_append_span(out, line->name, err);
    if (rc == 0)
        rc = hark_buf_append_byte(out, ' ', err);
    if (rc == 0)
        rc = hark_buf_append_span(out, line->base64, err);
    return rc == 0 ? hark_buf_append_byte(out, '\n', err) : rc;
}

int hark_note_verify(const struct hark_note *note, const struct hark_note_key *key,
                     uint64_t *time_s, struct hark_err *err)
{
    struct hark_span name = hark_span_str(key->name);
    uint64_t earliest_s = UINT64_MAX;
    bool found = false;

    if (time_s != NULL)
        *time_s = 0;
    for (size_t i = 0; i < note->count; i++) {
        const struct hark_note_line *line = &note->lines[i];
        uint64_t line_s = 0;
        int rc = 0;

        /* The name or the id alone is somebody else's. */
        if (line->id != key->id || !hark_span_equal(line->name, name))
            continue;
        rc = verify_line(line, note->text, key, &line_s, err);
        if (rc != 0)
            return rc;
        found = true;
        if (line_s < earliest_s)
            earliest_s = line_s;
    }
    if (!found)
        return hark_err_set(err, HARK_E_NOTE_UNSIGNED, "the note is not signed by %s", key->name);
    if (time_s != NULL)
        *time_s = earliest_s;
    return 0;
}

/* Refuses to sign what could not be read back, or could be taken for something
 * else. */
static int check_signable(struct hark_span text, uint8_t algorithm, uint64_t time_s,
                          struct hark_err *err)
{
    struct hark_span rest = text;

    if (algorithm == HARK_NOTE_COSIGNATURE_V1) {
        struct hark_checkpoint cp;

        if (time_s > INT64_MAX)
            return hark_err_set(err, HARK_E_NOTE_FORM, "a cosignature's time is too large");
        return hark_checkpoint_decode(&cp, text, NULL, err);
    }
    if (text.size == 0 || text.size > HARK_NOTE_MAX || text.data[text.size - 1] != '\n' ||
        !text_is_clean(text))
        return hark_err_set(err, HARK_E_NOTE_FORM,
                            "a note's text is UTF-8 without control characters that ends with LF");
    /* A plain signature over a cosigned message would be a cosignature by the
     * same key. */
    if (hark_take_literal(&rest, COSIGNATURE_HEADER))
        return hark_err_set(err, HARK_E_NOTE_FORM, "a note's text looks like a cosigned message");
    return 0;
}

/* Appends what stands after the id: signature, or time and signature. */
static int append_signature(struct hark_buf *out, struct hark_span text, uint8_t algorithm,
                            const struct hark_signer *signer, uint64_t time_s, struct hark_err *err)
{
    struct hark_buf message = hark_buf_init(HARK_NOTE_MAX + 64);
    uint8_t signature[HARK_SIGNATURE_SIZE];
    int rc = 0;

    if (algorithm == HARK_NOTE_COSIGNATURE_V1) {
        rc = cosigned_message(&message, text, time_s, err);
        if (rc != 0)
            goto out;
        rc = hark_buf_append_u64(out, time_s, err);
        if (rc != 0)
            goto out;
        text = hark_buf_span(&message);
    }
    rc = hark_signer_sign(signer, text, signature, err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append(out, signature, sizeof(signature), err);
out:
    hark_buf_free(&message);
    return rc;
}

/* The signature line, whole or not at all; `raw` receives id and signature. */
static int sign_line(struct hark_buf *out, struct hark_buf *raw, struct hark_span text,
                     const struct hark_note_key *key, const struct hark_signer *signer,
                     uint64_t time_s, struct hark_err *err)
{
    struct hark_buf line = hark_buf_init(LINE_MAX_SIZE);
    int rc = check_signable(text, key->algorithm, time_s, err);

    if (rc != 0)
        goto out;
    rc = hark_buf_append_u32(raw, key->id, err);
    if (rc != 0)
        goto out;
    rc = append_signature(raw, text, key->algorithm, signer, time_s, err);
    if (rc != 0)
        goto out;
    rc = hark_buf_printf(&line, err, SIGNATURE_PREFIX "%s ", key->name);
    if (rc != 0)
        goto out;
    rc = hark_base64_encode(&line, hark_buf_span(raw), err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_byte(&line, '\n', err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_span(out, hark_buf_span(&line), err);
out:
    hark_buf_free(&line);
    return rc;
}

int hark_note_sign(struct hark_buf *out, struct hark_span text, const char *name, uint8_t algorithm,
                   const struct hark_signer *signer, uint64_t time_s, struct hark_err *err)
{
    struct hark_buf raw = hark_buf_init(ID_SIZE + COSIGNATURE_SIZE);
    struct hark_note_key key;
    int rc = hark_note_key_init(&key, name, algorithm, hark_signer_key(signer), err);

    if (rc == 0)
        rc = sign_line(out, &raw, text, &key, signer, time_s, err);
    hark_buf_free(&raw);
    return rc;
}

/* --- Checkpoints ----------------------------------------------------------- */

static bool origin_is_valid(struct hark_span origin)
{
    return origin.size > 0 && origin.size <= HARK_NOTE_NAME_MAX && text_is_clean(origin) &&
           memchr(origin.data, '\n', origin.size) == NULL;
}

int hark_checkpoint_encode(struct hark_buf *out, const struct hark_checkpoint *cp,
                           struct hark_err *err)
{
    struct hark_buf body = hark_buf_init(LINE_MAX_SIZE);
    const char *end = memchr(cp->origin, 0, sizeof(cp->origin));
    int rc = 0;

    if (end == NULL || cp->size > HARK_MERKLE_SIZE_MAX ||
        !origin_is_valid(hark_span(cp->origin, (size_t)(end - cp->origin)))) {
        rc = hark_err_set(err, HARK_E_CHECKPOINT_FORM,
                          "a checkpoint's origin is a line of 1 to %u bytes, its size below 2^63",
                          HARK_NOTE_NAME_MAX);
        goto out;
    }
    rc = hark_buf_printf(&body, err, "%s\n%" PRIu64 "\n", cp->origin, cp->size);
    if (rc != 0)
        goto out;
    rc = hark_base64_encode(&body, hark_span(cp->root.bytes, HARK_HASH_SIZE), err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_byte(&body, '\n', err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_span(out, hark_buf_span(&body), err);
out:
    hark_buf_free(&body);
    return rc;
}

/* Lines that are not empty, or nothing. */
static bool extensions_are_valid(struct hark_span rest)
{
    struct hark_span line;

    while (hark_take_line(&rest, &line)) {
        if (line.size == 0)
            return false;
    }
    return rest.size == 0;
}

int hark_checkpoint_decode(struct hark_checkpoint *out, struct hark_span text,
                           struct hark_span *extensions, struct hark_err *err)
{
    struct hark_checkpoint cp = {0};
    struct hark_span origin;
    struct hark_span size;
    struct hark_span root;
    int rc = 0;

    memset(out, 0, sizeof(*out));
    if (extensions != NULL)
        *extensions = hark_span(NULL, 0);
    if (text.size > HARK_NOTE_MAX || !text_is_clean(text))
        return hark_err_set(err, HARK_E_CHECKPOINT_FORM,
                            "a checkpoint is UTF-8 without control characters");
    if (!hark_take_line(&text, &origin) || !hark_take_line(&text, &size) ||
        !hark_take_line(&text, &root) || !extensions_are_valid(text))
        return hark_err_set(err, HARK_E_CHECKPOINT_FORM,
                            "a checkpoint is three or more lines, none of them empty");
    if (!origin_is_valid(origin))
        return hark_err_set(err, HARK_E_CHECKPOINT_FORM, "a checkpoint's origin has 1 to %u bytes",
                            HARK_NOTE_NAME_MAX);
    if (hark_decimal_decode(&cp.size, size, HARK_MERKLE_SIZE_MAX, NULL) != 0)
        return hark_err_set(err, HARK_E_CHECKPOINT_FORM, "a checkpoint's size is a decimal number");
    rc = decode_base64(cp.root.bytes, HARK_HASH_SIZE, root, HARK_E_CHECKPOINT_FORM,
                       "a checkpoint's root", err);
    if (rc != 0)
        return rc;
    memcpy(cp.origin, origin.data, origin.size);
    *out = cp;
    if (extensions != NULL)
        *extensions = text;
    return 0;
}

int hark_checkpoint_read(struct hark_checkpoint *out, struct hark_span note, struct hark_err *err)
{
    struct hark_note *parsed = calloc(1, sizeof(*parsed));
    int rc = parsed == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                            : hark_note_parse(parsed, note, err);

    if (rc == 0)
        rc = hark_checkpoint_decode(out, parsed->text, NULL, err);
    free(parsed);
    return rc;
}

int hark_checkpoint_sign(struct hark_buf *out, const struct hark_checkpoint *cp,
                         const struct hark_signer *signer, uint8_t signature[HARK_SIGNATURE_SIZE],
                         struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf line = hark_buf_init(LINE_MAX_SIZE);
    struct hark_buf raw = hark_buf_init(ID_SIZE + HARK_SIGNATURE_SIZE);
    struct hark_note_key key;
    int rc = hark_checkpoint_encode(&note, cp, err);

    if (rc != 0)
        goto out;
    rc = hark_note_key_init(&key, cp->origin, HARK_NOTE_ED25519, hark_signer_key(signer), err);
    if (rc != 0)
        goto out;
    rc = sign_line(&line, &raw, hark_buf_span(&note), &key, signer, 0, err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_byte(&note, '\n', err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_span(&note, hark_buf_span(&line), err);
    if (rc != 0)
        goto out;
    rc = hark_buf_append_span(out, hark_buf_span(&note), err);
    if (rc == 0 && signature != NULL)
        memcpy(signature, raw.data + ID_SIZE, HARK_SIGNATURE_SIZE);
out:
    hark_buf_free(&raw);
    hark_buf_free(&line);
    hark_buf_free(&note);
    return rc;
}
