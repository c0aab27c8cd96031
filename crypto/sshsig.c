/*
 * OpenSSH's PROTOCOL.sshsig. What is inside the armour:
 *
 *     "SSHSIG"  u32 1  string(key)  string(namespace)  string("")  string("sha512")
 *     string(string("ssh-ed25519") ‖ string(signature))
 *
 * What Ed25519 signs leaves out version and key and has the message's hash in the
 * signature's place.
 */
#include "sshsig.h"

#include <sodium.h>
#include <string.h>

#include "ssh_wire.h"

#define MAGIC     "SSHSIG"
#define HASH_NAME "sha512"
#define LABEL     "SSH SIGNATURE"

enum { VERSION = 1, BLOB_MAX = 256 };

static int check_namespace(const char *namespace_, struct hark_err *err)
{
    size_t length = strlen(namespace_);
    bool good = length >= 1 && length <= HARK_SSHSIG_NAMESPACE_MAX;
    for (size_t i = 0; good && i < length; i++) {
        good = namespace_[i] >= ' ' && namespace_[i] <= '~';
    }
    return good ? 0 : hark_err_set(err, HARK_E_INTERNAL, "a malformed signature namespace");
}

/* string(namespace) ‖ string("") ‖ string("sha512") ‖ string(value): the tail of
 * both the signed bytes and the blob. */
static int append_tail(struct hark_buf *out, const char *namespace_, struct hark_span value,
                       struct hark_err *err)
{
    int rc = hark_ssh_append_string(out, hark_span_str(namespace_), err);
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_span(NULL, 0), err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_span_str(HASH_NAME), err);
    }
    return rc != 0 ? rc : hark_ssh_append_string(out, value, err);
}

static int append_signed_bytes(struct hark_buf *out, const char *namespace_,
                               struct hark_span message, struct hark_err *err)
{
    static const uint8_t nothing[1] = {0};
    uint8_t digest[crypto_hash_sha512_BYTES];
    int rc = check_namespace(namespace_, err);
    if (rc != 0) {
        return rc;
    }
    (void)crypto_hash_sha512(digest, message.data == NULL ? nothing : message.data, message.size);
    rc = hark_buf_append_str(out, MAGIC, err);
    return rc != 0 ? rc : append_tail(out, namespace_, hark_span(digest, sizeof(digest)), err);
}

int hark_sshsig_make(struct hark_sshsig *out, const struct hark_signer *signer,
                     const char *namespace_, struct hark_span message, struct hark_err *err)
{
    uint8_t room[BLOB_MAX];
    struct hark_buf bytes = hark_buf_over(room, sizeof(room));
    int rc = append_signed_bytes(&bytes, namespace_, message, err);
    if (rc != 0) {
        return rc;
    }
    out->key = *hark_signer_key(signer);
    return hark_signer_sign(signer, hark_buf_span(&bytes), out->signature, err);
}

static int append_blob(struct hark_buf *out, const struct hark_sshsig *sig, const char *namespace_,
                       struct hark_err *err)
{
    struct hark_buf part = hark_buf_init(BLOB_MAX);
    int rc = hark_buf_append_str(out, MAGIC, err);
    if (rc == 0) {
        rc = hark_buf_append_u32(out, VERSION, err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_key(&part, &sig->key, err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(out, hark_buf_span(&part), err);
    }
    hark_buf_clear(&part);
    if (rc == 0) {
        rc = hark_ssh_append_string(&part, hark_span_str(HARK_SSH_ED25519), err);
    }
    if (rc == 0) {
        rc = hark_ssh_append_string(&part, hark_span(sig->signature, HARK_SIGNATURE_SIZE), err);
    }
    if (rc == 0) {
        rc = append_tail(out, namespace_, hark_buf_span(&part), err);
    }
    hark_buf_free(&part);
    return rc;
}

int hark_sshsig_armor(struct hark_buf *armor, const struct hark_sshsig *sig, const char *namespace_,
                      struct hark_err *err)
{
    struct hark_buf blob = hark_buf_init(BLOB_MAX);
    int rc = check_namespace(namespace_, err);
    if (rc == 0) {
        rc = append_blob(&blob, sig, namespace_, err);
    }
    if (rc == 0) {
        rc = hark_ssh_armor(armor, LABEL, hark_buf_span(&blob), err);
    }
    hark_buf_free(&blob);
    return rc;
}

int hark_sshsig_sign(struct hark_buf *armor, const struct hark_signer *signer,
                     const char *namespace_, struct hark_span message, struct hark_err *err)
{
    struct hark_sshsig sig;
    int rc = hark_sshsig_make(&sig, signer, namespace_, message, err);
    return rc != 0 ? rc : hark_sshsig_armor(armor, &sig, namespace_, err);
}

/* The first thing that is wrong with the blob, NULL if nothing is. */
static const char *read_blob(struct hark_sshsig *out, struct hark_span in, const char *namespace_)
{
    uint32_t version = 0;
    struct hark_span part;
    struct hark_span bytes;
    if (!hark_take_literal(&in, MAGIC)) {
        return "its magic is not SSHSIG";
    }
    if (!hark_take_u32(&in, &version) || version != VERSION) {
        return "its version is not 1";
    }
    if (!hark_ssh_take_key(&in, &out->key)) {
        return "its key is not ssh-ed25519";
    }
    if (!hark_ssh_take_exactly(&in, namespace_)) {
        return "it is made for another namespace";
    }
    if (!hark_ssh_take_exactly(&in, "")) {
        return "its reserved field is not empty";
    }
    if (!hark_ssh_take_exactly(&in, HASH_NAME)) {
        return "its hash is not sha512";
    }
    if (!hark_ssh_take_string(&in, &part) || in.size != 0) {
        return "it is cut or has bytes left over";
    }
    if (!hark_ssh_take_exactly(&part, HARK_SSH_ED25519) || !hark_ssh_take_string(&part, &bytes) ||
        bytes.size != HARK_SIGNATURE_SIZE || part.size != 0) {
        return "its signature is not ssh-ed25519";
    }
    memcpy(out->signature, bytes.data, HARK_SIGNATURE_SIZE);
    return NULL;
}

/* No memory stays what it is; all that the text can cause is one error. */
static int as_form(struct hark_err *err, int rc)
{
    if (rc != HARK_E_BASE64 && rc != HARK_E_LIMIT) {
        return rc;
    }
    return hark_err_set(err, HARK_E_SIGNATURE_FORM, "not an SSH signature: %s",
                        err == NULL ? "" : err->message);
}

int hark_sshsig_parse(struct hark_sshsig *out, struct hark_span armor, const char *namespace_,
                      struct hark_err *err)
{
    uint8_t room[BLOB_MAX + 1];
    struct hark_buf blob = hark_buf_over(room, sizeof(room));
    struct hark_sshsig sig;
    if (armor.size > HARK_SSHSIG_ARMOR_MAX) {
        return hark_err_set(err, HARK_E_SIGNATURE_FORM, "not an SSH signature: too long");
    }
    int rc = hark_ssh_dearmor(&blob, LABEL, armor, err);
    if (rc != 0) {
        return as_form(err, rc);
    }
    const char *wrong = read_blob(&sig, hark_buf_span(&blob), namespace_);
    if (wrong != NULL) {
        return hark_err_set(err, HARK_E_SIGNATURE_FORM, "not the SSH signature wanted: %s", wrong);
    }
    *out = sig;
    return 0;
}

/* Verifying answers yes or no, and must not say no because memory ran out: its buffer is
 * over bytes of its own. */
bool hark_sshsig_verify(const struct hark_sshsig *sig, const char *namespace_,
                        struct hark_span message)
{
    uint8_t room[BLOB_MAX];
    struct hark_buf bytes = hark_buf_over(room, sizeof(room));
    return append_signed_bytes(&bytes, namespace_, message, NULL) == 0 &&
           hark_verify(&sig->key, hark_buf_span(&bytes), sig->signature);
}

int hark_ssh_public_key(struct hark_buf *out, const struct hark_key *key, struct hark_err *err)
{
    struct hark_buf blob = hark_buf_init(BLOB_MAX);
    int rc = hark_ssh_append_key(&blob, key, err);
    if (rc == 0) {
        rc = hark_buf_append_str(out, HARK_SSH_ED25519 " ", err);
    }
    if (rc == 0) {
        rc = hark_base64_encode(out, hark_buf_span(&blob), err);
    }
    hark_buf_free(&blob);
    return rc;
}
