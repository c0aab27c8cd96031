/*
 * Policies in C2SP tlog-policy (c2sp.org/tlog-policy): which logs a reader takes, which
 * witnesses there are, and how many of them have to have cosigned a checkpoint. A text of
 * lines, and a note judged by it. PROTOCOL.md 7.12. Pure.
 */
#ifndef HARK_CRYPTO_TLOG_POLICY_H
#define HARK_CRYPTO_TLOG_POLICY_H

#include "note.h"

#define HARK_TLOG_POLICY_MAX        (256u * 1024u) /* bytes of a text */
#define HARK_TLOG_POLICY_LOGS_MAX   64u
#define HARK_TLOG_POLICY_VOICES_MAX 256u /* witnesses and groups together */
#define HARK_TLOG_POLICY_NAME_MAX   HARK_NOTE_NAME_MAX
#define HARK_TLOG_POLICY_VOICE_NONE SIZE_MAX
#define HARK_TLOG_POLICY_WORDS_MAX  (3u + HARK_TLOG_POLICY_VOICES_MAX) /* of a line: a group's */

/* Who can speak for a checkpoint: a witness, or a group of those and other groups. */
struct hark_tlog_voice {
    char name[HARK_TLOG_POLICY_NAME_MAX + 1]; /* any bytes but 0 to 32 and 127 */
    bool is_group;
    struct hark_note_key key; /* a witness's: HARK_NOTE_COSIGNATURE_V1 */
    uint32_t needed, members; /* a group's: so many of so many, at least one */
    size_t group;             /* the one that it is a member of, which stands after it;
                               * HARK_TLOG_POLICY_VOICE_NONE */
};

/* About 170 KiB: not for the stack. Borrows nothing; nothing is to be freed. */
struct hark_tlog_policy {
    size_t log_count;
    struct hark_note_key logs[HARK_TLOG_POLICY_LOGS_MAX]; /* name: the origin */
    size_t voice_count;
    struct hark_tlog_voice voices[HARK_TLOG_POLICY_VOICES_MAX]; /* as the lines stand */
    size_t quorum; /* a voice; HARK_TLOG_POLICY_VOICE_NONE: no cosignature is asked for */
};

/* Reads a text strictly, each line ended by LF. URLs are passed over. Keys are of Ed25519:
 * logs' of type 0x01, witnesses' of 0x04; whoever signs in another way cannot be counted
 * here. On failure *out has no voice and no log. Errors: tlog-policy, with the number of the
 * line, from 1; no-memory. */
HARK_CHECK int hark_tlog_policy_read(struct hark_tlog_policy *out, struct hark_span text,
                                     struct hark_err *err);

/* What a note is by a policy. */
struct hark_tlog_judged {
    struct hark_checkpoint checkpoint;
    const struct hark_note_key *log; /* of the policy, by which it is signed; borrowed from it */
    bool satisfied;                  /* is the quorum? */
    bool speaks[HARK_TLOG_POLICY_VOICES_MAX];      /* cosigned it, or enough members speak */
    uint64_t times_s[HARK_TLOG_POLICY_VOICES_MAX]; /* when a witness says that it signed */
};

/* Judges a note: 0 when it is a checkpoint that a log of the policy signed under its own
 * name, whether or not the quorum is satisfied. Signatures by keys that the policy does not
 * name are passed over. The times are not compared with a clock. Errors: checkpoint-form,
 * note-unsigned (by no log of the policy), note-signature (one by a log or a witness of the
 * policy does not hold: then the note is worth nothing), no-memory. */
HARK_CHECK int hark_tlog_policy_judge(struct hark_tlog_judged *out,
                                      const struct hark_tlog_policy *policy,
                                      const struct hark_note *note, struct hark_err *err);

#endif
