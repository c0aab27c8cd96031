/*
 * A home that withholds: harkd itself, linked so that whatever other nodes have accepted is put
 * off for ever, while it talks to them and logs what its own people say. e2e.77-withheld.
 */
#include "node/space_internal.h"

int __wrap_hark_space_adopt_intake(struct hark_space *space, const char *node,
                                   const struct hark_raw_batch *raw, uint64_t now_ms, bool store,
                                   struct hark_err *err);

int __wrap_hark_space_adopt_intake(struct hark_space *space, const char *node,
                                   const struct hark_raw_batch *raw, uint64_t now_ms, bool store,
                                   struct hark_err *err)
{
    (void)space;
    (void)raw;
    (void)now_ms;
    (void)store;
    return hark_err_set(err, HARK_E_BEHIND, "nothing is taken from %s", node);
}
