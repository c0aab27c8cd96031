#include "tlog_policy.h"

#include <string.h>

#define NONE     HARK_TLOG_POLICY_VOICE_NONE
#define NO_VOICE "none" /* defined from the beginning, and never a member */

struct line {
    size_t number; /* from 1 */
    size_t count;
    struct hark_span words[HARK_TLOG_POLICY_WORDS_MAX];
};

struct reading {
    struct hark_tlog_policy *policy;
    bool has_quorum;
    struct line line;
};

/* --- words ------------------------------------------------------------------------ */

static int refuse(const struct reading *r, struct hark_err *err, const char *why)
{
    return hark_err_set(err, HARK_E_TLOG_POLICY, "line %zu: %s", r->line.number, why);
}

static int refuse_word(const struct reading *r, struct hark_err *err, struct hark_span word,
                       const char *why)
{
    return hark_err_set(err, HARK_E_TLOG_POLICY, "line %zu: '%.*s' %s", r->line.number,
                        (int)(word.size < 64 ? word.size : 64), (const char *)word.data, why);
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_word(struct hark_span word, const char *text)
{
    return hark_span_equal(word, hark_span_str(text));
}

/* Of a comment too: the whole text is held to it. */
static bool bytes_are_allowed(struct hark_span line)
{
    for (size_t i = 0; i < line.size; i++) {
        if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
            return false;
    }
    return true;
}

/* Into r->line.words; none of an empty line and of a comment. */
static int split_line(struct reading *r, struct hark_span line, struct hark_err *err)
{
    size_t at = 0;

    r->line.count = 0;
    for (;;) {
        size_t begin;

        while (at < line.size && is_blank(line.data[at]))
            at++;
        if (at == line.size || (r->line.count == 0 && line.data[at] == '#'))
            return 0;
        if (r->line.count == HARK_TLOG_POLICY_WORDS_MAX)
            return refuse(r, err, "more words than a line can have");
        begin = at;
        while (at < line.size && !is_blank(line.data[at]))
            at++;
        r->line.words[r->line.count++] = hark_span(line.data + begin, at - begin);
    }
}

/* --- names ------------------------------------------------------------------------ */

static size_t find(const struct hark_tlog_policy *policy, struct hark_span name)
{
    size_t at = 0;

    while (at < policy->voice_count &&
           !hark_span_equal(hark_span_str(policy->voices[at].name), name))
        at++;
    return at < policy->voice_count ? at : NONE;
}

static int check_name(struct reading *r, struct hark_span name, struct hark_err *err)
{
    if (name.size > HARK_TLOG_POLICY_NAME_MAX)
        return refuse(r, err, "a name is too long");
    if (is_word(name, NO_VOICE) || find(r->policy, name) != NONE)
        return refuse_word(r, err, name, "is defined already");
    if (r->policy->voice_count == HARK_TLOG_POLICY_VOICES_MAX)
        return refuse(r, err, "too many witnesses and groups");
    return 0;
}

/* The next voice, by a name that was checked; not counted before its line has been read to
 * its end. */
static struct hark_tlog_voice *new_voice(struct reading *r, struct hark_span name)
{
    struct hark_tlog_voice *voice = &r->policy->voices[r->policy->voice_count];

    memset(voice, 0, sizeof(*voice));
    memcpy(voice->name, name.data, name.size);
    voice->group = NONE;
    return voice;
}

static int read_key(struct reading *r, struct hark_span vkey, uint8_t algorithm,
                    struct hark_note_key *out, struct hark_err *err)
{
    int rc = hark_note_key_decode(out, vkey, err);

    if (rc == HARK_E_NO_MEMORY)
        return rc;
    if (rc < 0) {
        (void)hark_err_wrap(err, rc, "line %zu: the key cannot be used", r->line.number);
        hark_err_hint(err, "keys are of Ed25519 here: a log's of type 0x01, a witness's of 0x04");
        if (err != NULL)
            err->code = HARK_E_TLOG_POLICY;
        return HARK_E_TLOG_POLICY;
    }
    if (out->algorithm != algorithm)
        return refuse(r, err,
                      algorithm == HARK_NOTE_ED25519
                          ? "the key is none that a log signs with here (type 0x01)"
                          : "the key is none that a witness cosigns with here (type 0x04)");
    return 0;
}

/* --- lines ------------------------------------------------------------------------ */

/* log <vkey> [<url>] */
static int read_log(struct reading *r, struct hark_err *err)
{
    struct hark_tlog_policy *policy = r->policy;
    struct hark_note_key key;
    int rc;

    if (r->line.count != 2 && r->line.count != 3)
        return refuse(r, err, "expected: log <vkey> [<url>]");
    rc = read_key(r, r->line.words[1], HARK_NOTE_ED25519, &key, err);
    for (size_t i = 0; rc == 0 && i < policy->log_count; i++) {
        if (hark_key_equal(&policy->logs[i].key, &key.key))
            rc = refuse(r, err, "another log has this key");
    }
    if (rc == 0 && policy->log_count == HARK_TLOG_POLICY_LOGS_MAX)
        rc = refuse(r, err, "too many logs");
    if (rc == 0)
        policy->logs[policy->log_count++] = key;
    return rc;
}

/* witness <name> <vkey> [<url>] */
static int read_witness(struct reading *r, struct hark_err *err)
{
    struct hark_tlog_policy *policy = r->policy;
    struct hark_tlog_voice *voice;
    int rc;

    if (r->line.count != 3 && r->line.count != 4)
        return refuse(r, err, "expected: witness <name> <vkey> [<url>]");
    rc = check_name(r, r->line.words[1], err);
    if (rc < 0)
        return rc;
    voice = new_voice(r, r->line.words[1]);
    rc = read_key(r, r->line.words[2], HARK_NOTE_COSIGNATURE_V1, &voice->key, err);
    for (size_t i = 0; rc == 0 && i < policy->voice_count; i++) {
        if (!policy->voices[i].is_group &&
            hark_key_equal(&policy->voices[i].key.key, &voice->key.key))
            rc = refuse(r, err, "another witness has this key");
    }
    if (rc == 0)
        policy->voice_count++;
    return rc;
}

static int read_needed(struct reading *r, struct hark_tlog_voice *group, struct hark_err *err)
{
    struct hark_span word = r->line.words[2];
    uint64_t needed = 1;

    if (is_word(word, "all"))
        needed = group->members;
    else if (!is_word(word, "any") && hark_decimal_decode(&needed, word, group->members, NULL) < 0)
        needed = 0;
    if (needed == 0)
        return refuse_word(r, err, word, "is not any, all, or a number of the group's members");
    group->needed = (uint32_t)needed;
    return 0;
}

/* A name is a member once at most in the whole text, so each voice has one group at most,
 * and that one stands after it. */
static int add_member(struct reading *r, struct hark_span name, struct hark_err *err)
{
    struct hark_tlog_policy *policy = r->policy;
    size_t at = find(policy, name);

    if (at == NONE)
        return refuse_word(r, err, name, "is no witness and no group that is defined before");
    if (policy->voices[at].group != NONE)
        return refuse_word(r, err, name, "is a member already");
    policy->voices[at].group = policy->voice_count;
    return 0;
}

/* group <name> all|any|<k> <name>... */
static int read_group(struct reading *r, struct hark_err *err)
{
    struct hark_tlog_voice *group;
    int rc;

    if (r->line.count < 4)
        return refuse(r, err, "expected: group <name> all|any|<number> <name>...");
    rc = check_name(r, r->line.words[1], err);
    if (rc < 0)
        return rc;
    group = new_voice(r, r->line.words[1]);
    group->is_group = true;
    group->members = (uint32_t)(r->line.count - 3);
    rc = read_needed(r, group, err);
    for (size_t i = 3; rc == 0 && i < r->line.count; i++)
        rc = add_member(r, r->line.words[i], err);
    if (rc == 0)
        r->policy->voice_count++;
    return rc;
}

/* quorum <name> */
static int read_quorum(struct reading *r, struct hark_err *err)
{
    struct hark_tlog_policy *policy = r->policy;

    if (r->line.count != 2)
        return refuse(r, err, "expected: quorum <name>");
    if (r->has_quorum)
        return refuse(r, err, "a second quorum");
    r->has_quorum = true;
    if (is_word(r->line.words[1], NO_VOICE))
        return 0;
    policy->quorum = find(policy, r->line.words[1]);
    return policy->quorum != NONE
               ? 0
               : refuse_word(r, err, r->line.words[1],
                             "is no witness and no group that is defined before");
}

static int read_line(struct reading *r, struct hark_span line, struct hark_err *err)
{
    static const struct {
        const char *keyword;
        int (*read)(struct reading *r, struct hark_err *err);
    } kinds[] = {{"log", read_log},
                 {"witness", read_witness},
                 {"group", read_group},
                 {"quorum", read_quorum}};
    int rc;

    if (!bytes_are_allowed(line))
        return refuse(r, err, "a control character that is no tab");
    rc = split_line(r, line, err);
    if (rc < 0 || r->line.count == 0)
        return rc;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is_word(r->line.words[0], kinds[i].keyword))
            return kinds[i].read(r, err);
    }
    return refuse_word(r, err, r->line.words[0], "is not log, witness, group or quorum");
}

static int read_lines(struct reading *r, struct hark_span text, struct hark_err *err)
{
    struct hark_span line;
    int rc = 0;

    if (text.size > HARK_TLOG_POLICY_MAX)
        return hark_err_set(err, HARK_E_TLOG_POLICY, "a policy of %zu bytes is longer than %u",
                            text.size, HARK_TLOG_POLICY_MAX);
    while (rc == 0 && hark_take_line(&text, &line)) {
        r->line.number++;
        rc = read_line(r, line, err);
    }
    if (rc < 0)
        return rc;
    r->line.number++;
    if (text.size > 0)
        return refuse(r, err, "does not end with a newline");
    return r->has_quorum ? 0 : hark_err_set(err, HARK_E_TLOG_POLICY, "a policy has a quorum line");
}

int hark_tlog_policy_read(struct hark_tlog_policy *out, struct hark_span text, struct hark_err *err)
{
    struct reading r = {.policy = out};
    int rc;

    out->log_count = out->voice_count = 0;
    out->quorum = NONE;
    rc = read_lines(&r, text, err);
    if (rc < 0) {
        out->log_count = out->voice_count = 0;
        out->quorum = NONE;
    }
    return rc;
}

/* --- judging ---------------------------------------------------------------------- */

/* The log of the policy that signed the note under the origin in it. Of any log that is
 * known no signature may be there that does not hold (signed-note); two may have one name,
 * by two keys, and one is enough then. */
static int find_log(struct hark_tlog_judged *out, const struct hark_tlog_policy *policy,
                    const struct hark_note *note, struct hark_err *err)
{
    for (size_t i = 0; i < policy->log_count; i++) {
        const struct hark_note_key *log = &policy->logs[i];
        int rc = hark_note_verify(note, log, NULL, err);

        if (rc < 0 && rc != HARK_E_NOTE_UNSIGNED)
            return rc;
        if (rc == 0 && out->log == NULL && strcmp(log->name, out->checkpoint.origin) == 0)
            out->log = log;
    }
    if (out->log == NULL)
        return hark_err_set(err, HARK_E_NOTE_UNSIGNED, "no log of the policy has signed %s",
                            out->checkpoint.origin);
    return 0;
}

/* In one pass, since each voice's only group stands after it. */
static void count_voices(struct hark_tlog_judged *out, const struct hark_tlog_policy *policy)
{
    uint32_t have[HARK_TLOG_POLICY_VOICES_MAX] = {0};

    for (size_t i = 0; i < policy->voice_count; i++) {
        const struct hark_tlog_voice *voice = &policy->voices[i];

        if (voice->is_group)
            out->speaks[i] = have[i] >= voice->needed;
        if (out->speaks[i] && voice->group != NONE)
            have[voice->group]++;
    }
    out->satisfied = policy->quorum == NONE || out->speaks[policy->quorum];
}

int hark_tlog_policy_judge(struct hark_tlog_judged *out, const struct hark_tlog_policy *policy,
                           const struct hark_note *note, struct hark_err *err)
{
    int rc;

    memset(out, 0, sizeof(*out));
    rc = hark_checkpoint_decode(&out->checkpoint, note->text, NULL, err);
    if (rc == 0)
        rc = find_log(out, policy, note, err);
    for (size_t i = 0; rc == 0 && i < policy->voice_count; i++) {
        if (policy->voices[i].is_group)
            continue;
        rc = hark_note_verify(note, &policy->voices[i].key, &out->times_s[i], err);
        out->speaks[i] = rc == 0;
        if (rc == HARK_E_NOTE_UNSIGNED)
            rc = 0;
    }
    if (rc < 0) {
        memset(out, 0, sizeof(*out));
        return rc;
    }
    count_voices(out, policy);
    return 0;
}
