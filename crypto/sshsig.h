/*
 * SSHSIG (OpenSSH's PROTOCOL.sshsig), the signature format of git's
 * gpg.format=ssh: Ed25519, hash sha512, empty `reserved`. PROTOCOL.md 2.6.
 *
 * Armour, exactly: "-----BEGIN SSH SIGNATURE-----\n", base64 at 70 columns,
 * each line ended by LF, "-----END SSH SIGNATURE-----\n".
 */
#ifndef HARK_CRYPTO_SSHSIG_H
#define HARK_CRYPTO_SSHSIG_H

#include "key.h"

#define HARK_SSHSIG_NAMESPACE_MAX 64
#define HARK_SSHSIG_ARMOR_MAX     512

struct hark_sshsig {
    struct hark_key key;
    uint8_t signature[HARK_SIGNATURE_SIZE];
};

/* Signs without armour, for signatures that stand bare in JSON. */
HARK_CHECK int hark_sshsig_make(struct hark_sshsig *out, const struct hark_signer *signer,
                                const char *namespace_, struct hark_span message,
                                struct hark_err *err);

/* Appends the armoured signature. namespace: 1 to 64 printable ASCII bytes. */
HARK_CHECK int hark_sshsig_sign(struct hark_buf *armor, const struct hark_signer *signer,
                                const char *namespace_, struct hark_span message,
                                struct hark_err *err);

/* Appends the one armour for these values (rebuild and compare). */
HARK_CHECK int hark_sshsig_armor(struct hark_buf *armor, const struct hark_sshsig *sig,
                                 const char *namespace_, struct hark_err *err);

/* Parses strictly: the one armour only, magic, version 1, ssh-ed25519,
 * namespace equal to the given one, reserved empty, hash sha512, everything
 * consumed. Does not verify. Error: signature-form. */
HARK_CHECK int hark_sshsig_parse(struct hark_sshsig *out, struct hark_span armor,
                                 const char *namespace_, struct hark_err *err);

/* True when sig is a signature of sig->key over message in that namespace. */
bool hark_sshsig_verify(const struct hark_sshsig *sig, const char *namespace_,
                        struct hark_span message);

/* Appends the public key as OpenSSH writes it: "ssh-ed25519 <base64>", no LF. */
HARK_CHECK int hark_ssh_public_key(struct hark_buf *out, const struct hark_key *key,
                                   struct hark_err *err);

#endif
