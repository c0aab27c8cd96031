/*
 * Policies from anybody: what is taken keeps to its bounds, names each key and each member
 * once, and judges a note as its groups say.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/tlog_policy.h"
#include "tests/fuzz/require.h"

/* What the keys of corpus/policy have signed: that of corpus/note. */
static const char checkpoint[] =
    "node.example/4a5f/1\n137\nAAbSpjFiULoaGoM30yxLRXKEUDjJU/H6zhGLttWndo0=\n\n"
    "— node.example/4a5f/1 vGoqdLtnEuHisY4n9ts276qvzsUqn+NnzFDYTEE2/"
    "JsVRJKyuTX+jSmrqtdgvTIIx77QF/EcjDLeAxrhHquqo5ZQ0Ao=\n"
    "— witness.example MXa9RQAAAABrAWzqMQWO00nD6Ik4z6YWkdszyxIeQ20RphoOVtxXydWSHnYm6Y6MubNS96ani"
    "EMKdTOfqJPZmXNzCOIFT0r1vt9NCA==\n";

/* Does it speak, by all that stands before it? */
static bool speaks(const struct hark_tlog_policy *policy, const struct hark_tlog_judged *judged,
                   size_t group)
{
    uint32_t have = 0;

    for (size_t i = 0; i < group; i++)
        have += policy->voices[i].group == group && judged->speaks[i];
    return have >= policy->voices[group].needed;
}

static void check_voice(const struct hark_tlog_policy *policy, size_t at)
{
    const struct hark_tlog_voice *voice = &policy->voices[at];
    uint32_t members = 0;

    require(voice->name[0] != '\0' && strcmp(voice->name, "none") != 0);
    require(voice->group == HARK_TLOG_POLICY_VOICE_NONE ||
            (voice->group > at && voice->group < policy->voice_count &&
             policy->voices[voice->group].is_group));
    for (size_t i = 0; i < at; i++) {
        const struct hark_tlog_voice *other = &policy->voices[i];

        members += other->group == at;
        require(strcmp(voice->name, other->name) != 0);
        require(voice->is_group || other->is_group ||
                !hark_key_equal(&voice->key.key, &other->key.key));
    }
    require(voice->is_group
                ? members == voice->members && voice->needed >= 1 && voice->needed <= members
                : members == 0 && voice->key.algorithm == HARK_NOTE_COSIGNATURE_V1);
}

static void check(const struct hark_tlog_policy *policy)
{
    require(policy->log_count <= HARK_TLOG_POLICY_LOGS_MAX);
    require(policy->voice_count <= HARK_TLOG_POLICY_VOICES_MAX);
    require(policy->quorum == HARK_TLOG_POLICY_VOICE_NONE || policy->quorum < policy->voice_count);
    for (size_t i = 0; i < policy->voice_count; i++)
        check_voice(policy, i);
}

static void judge(const struct hark_tlog_policy *policy)
{
    struct hark_note *note = malloc(sizeof(*note));
    struct hark_tlog_judged judged;
    int rc;

    require(note != NULL && hark_note_parse(note, hark_span_str(checkpoint), NULL) == 0);
    rc = hark_tlog_policy_judge(&judged, policy, note, NULL);
    require(rc == 0 || rc == HARK_E_NOTE_UNSIGNED || rc == HARK_E_NOTE_SIGNATURE);
    require((rc == 0) == (judged.log != NULL));
    for (size_t i = 0; rc == 0 && i < policy->voice_count; i++)
        require(!policy->voices[i].is_group || judged.speaks[i] == speaks(policy, &judged, i));
    require(rc == 0 ? judged.satisfied == (policy->quorum == HARK_TLOG_POLICY_VOICE_NONE ||
                                           judged.speaks[policy->quorum])
                    : !judged.satisfied);
    free(note);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_tlog_policy *policy = malloc(sizeof(*policy));

    require(hark_crypto_init(NULL) == 0 && policy != NULL);
    if (hark_tlog_policy_read(policy, hark_span(data, size), NULL) == 0) {
        check(policy);
        judge(policy);
    }
    free(policy);
    return 0;
}
