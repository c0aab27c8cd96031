#include "core_internal.h"

int hark_core_request(struct hark_core *core, const struct hark_key *peer, uint8_t type,
                      struct hark_span body, uint64_t patience_ms, struct hark_err *err)
{
    (void)core;
    (void)peer;
    (void)type;
    (void)body;
    (void)patience_ms;
    return hark_err_set(err, HARK_E_UNSUPPORTED, "nobody can be asked to join yet");
}

void hark_core_joined(struct hark_core *core, uint64_t token, const struct hark_joined *joined)
{
    (void)core;
    (void)token;
    (void)joined;
}
