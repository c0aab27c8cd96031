/*
 * Signature armour from anybody: what is accepted is the one armour of what was read.
 */
#include <stdint.h>

#include "crypto/sshsig.h"
#include "tests/fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const namespaces[] = {"git", "hark-join"};
    require(hark_crypto_init(NULL) == 0);
    for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
        struct hark_buf again = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
        struct hark_span armor = hark_span(data, size);
        struct hark_sshsig sig;
        struct hark_err err = {0};
        int rc = hark_sshsig_parse(&sig, armor, namespaces[i], &err);
        require(rc == err.code);
        if (rc == 0) {
            require(hark_sshsig_armor(&again, &sig, namespaces[i], NULL) == 0);
            require(hark_span_equal(hark_buf_span(&again), armor));
        }
        hark_buf_free(&again);
    }
    return 0;
}
