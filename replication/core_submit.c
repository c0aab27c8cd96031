#include "core_internal.h"

int hark_core_submit(struct hark_core *core, const struct hark_hash *space, struct hark_span body,
                     const struct hark_key *preferred, struct hark_err *err)
{
    (void)core;
    (void)space;
    (void)body;
    (void)preferred;
    return hark_err_set(err, HARK_E_UNSUPPORTED, "nothing can be handed in yet");
}

void hark_core_accepted(struct hark_core *core, uint64_t token, const struct hark_accepted *items,
                        size_t count, int code)
{
    (void)core;
    (void)token;
    (void)items;
    (void)count;
    (void)code;
}
