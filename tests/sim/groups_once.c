/*
 * Every node of a group asks the same of the same bytes, and half of the time would go there:
 * the built-in kinds are read once here, and a signature is checked once for all who ask. Both
 * hang on their arguments alone, so nobody is told anything else than without this. (No space
 * of the simulator has kinds of its own, which would be added to the set.)
 */
#include "crypto/key.h"
#include "groups.h"
#include "schemas/kind.h"

#define REMEMBERED 4096u

int __wrap_hark_kinds_builtin(struct hark_kinds **out, struct hark_err *err);
int __real_hark_kinds_builtin(struct hark_kinds **out, struct hark_err *err);
void __wrap_hark_kinds_free(struct hark_kinds *kinds);
void __real_hark_kinds_free(struct hark_kinds *kinds);
bool __wrap_hark_verify(const struct hark_key *key, struct hark_span message,
                        const uint8_t signature[HARK_SIGNATURE_SIZE]);
bool __real_hark_verify(const struct hark_key *key, struct hark_span message,
                        const uint8_t signature[HARK_SIGNATURE_SIZE]);

static struct hark_kinds *kinds_of_all;

int __wrap_hark_kinds_builtin(struct hark_kinds **out, struct hark_err *err)
{
    int rc = kinds_of_all == NULL ? __real_hark_kinds_builtin(&kinds_of_all, err) : 0;

    *out = kinds_of_all;
    return rc;
}

void __wrap_hark_kinds_free(struct hark_kinds *kinds)
{
    if (kinds != kinds_of_all)
        __real_hark_kinds_free(kinds);
}

bool __wrap_hark_verify(const struct hark_key *key, struct hark_span message,
                        const uint8_t signature[HARK_SIGNATURE_SIZE])
{
    static struct {
        bool used, holds;
        struct hark_hash of;
    } remembered[REMEMBERED];
    struct hark_sha256 h;
    struct hark_hash of;
    uint32_t at;

    hark_sha256_init(&h);
    hark_sha256_update(&h, key->bytes, HARK_KEY_SIZE);
    hark_sha256_update(&h, signature, HARK_SIGNATURE_SIZE);
    hark_sha256_update(&h, message.data, message.size);
    of = hark_sha256_final(&h);
    at = hark_get_u32(of.bytes) % REMEMBERED;
    if (!remembered[at].used || !hark_hash_equal(&remembered[at].of, &of)) {
        remembered[at].used = true;
        remembered[at].of = of;
        remembered[at].holds = __real_hark_verify(key, message, signature);
    }
    return remembered[at].holds;
}
