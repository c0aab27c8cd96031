/*
 * The logs of others that this node witnesses over HTTP (C2SP tlog-witness), and what it
 * has cosigned of each last. PROTOCOL.md 7.10. A file for each origin:
 *
 *     <dir>/witnessed/<SHA-256 of the origin, hex>
 *
 * a signed note: the checkpoint, the log's lines by the keys configured, and this node's
 * own. It is replaced before the cosignature leaves. One that is there and cannot be read
 * is not taken for none: nothing of that log is cosigned then.
 *
 * Of one thread, so that what is looked up and what is recorded are one step.
 */
#ifndef HARK_NODE_WITNESSED_H
#define HARK_NODE_WITNESSED_H

#include "crypto/tlog_witness.h"

/* What it stands on; borrowed for as long as it is used. */
struct hark_witnessed {
    const char *dir;  /* the node's */
    const char *name; /* under which it cosigns */
    const struct hark_signer *cosigner;
    size_t key_count;
    const struct hark_note_key *keys; /* of the logs */
};

/* Answers an `add-checkpoint`: the HTTP status of the text (hark_tlog_witness_judge); or
 * 500 (what was cosigned last cannot be read or written), 503 (the clock is more than 300 s
 * behind the last cosignature). Appends the answer's body to `out`: of 200 the signature
 * line, durable by then what it stands for; of 409 the size; else nothing, and *err says
 * why. A space that is here is cosigned as PROTOCOL.md 7.8 says and not so: 404. */
unsigned hark_witnessed_add(const struct hark_witnessed *witnessed, struct hark_span body,
                            uint64_t now_s, struct hark_buf *out, struct hark_err *err);

#endif
