/*
 * What OpenSSH's formats have in common (RFC 4251 section 5, RFC 8709, and the
 * armour of its private keys and signatures), private to crypto/.
 */
#ifndef HARK_CRYPTO_SSH_WIRE_H
#define HARK_CRYPTO_SSH_WIRE_H

#include "key.h"

#define HARK_SSH_ED25519 "ssh-ed25519"

/* string(x) = u32 length ‖ x */
HARK_CHECK int hark_ssh_append_string(struct hark_buf *out, struct hark_span value,
                                      struct hark_err *err);
bool hark_ssh_take_string(struct hark_span *in, struct hark_span *out);
/* Takes string(wanted) and nothing else. */
bool hark_ssh_take_exactly(struct hark_span *in, const char *wanted);

/* string("ssh-ed25519") ‖ string(key), itself not wrapped into a string. */
HARK_CHECK int hark_ssh_append_key(struct hark_buf *out, const struct hark_key *key,
                                   struct hark_err *err);
/* Takes such a key, wrapped into a string, with nothing left over in it. */
bool hark_ssh_take_key(struct hark_span *in, struct hark_key *key);

/* "-----BEGIN <label>-----", base64 at 70 columns, "-----END <label>-----", each
 * line ended by LF. Whatever passes through is treated as secret. Errors of
 * dearmor: base64 (for anything but that one form), limit. */
HARK_CHECK int hark_ssh_armor(struct hark_buf *out, const char *label, struct hark_span data,
                              struct hark_err *err);
HARK_CHECK int hark_ssh_dearmor(struct hark_buf *out, const char *label, struct hark_span armor,
                                struct hark_err *err);

#endif
