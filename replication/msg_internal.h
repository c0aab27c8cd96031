/* What the codecs of several messages share. */
#ifndef HARK_REPLICATION_MSG_INTERNAL_H
#define HARK_REPLICATION_MSG_INTERNAL_H

#include "messages.h"

/* The 32 bytes of a space or entry id. */
HARK_CHECK int hark_id_take(struct hark_span *in, struct hark_hash *out, struct hark_err *err);

/* u32 size ‖ bytes. What is taken, `min` to `max` bytes, borrows from *in; data NULL: none. */
HARK_CHECK int hark_sized_encode(struct hark_buf *out, struct hark_span bytes,
                                 struct hark_err *err);
HARK_CHECK int hark_sized_take(struct hark_span *in, size_t min, size_t max, struct hark_span *out,
                               struct hark_err *err);

/* u16 n ‖ n × ([u8 flags ‖] u32 size ‖ entry object ‖ u32 size ‖ payload), n 1 to max, to
 * the end of the body; the entries taken (free()) borrow from it. `flags`: which flags
 * may be set; 0 where there is no byte for them. */
HARK_CHECK int hark_entries_encode(struct hark_buf *out, const struct hark_submitted *entries,
                                   size_t count, size_t max, uint8_t flags, struct hark_err *err);
HARK_CHECK int hark_entries_take(struct hark_submitted **entries, size_t *count, size_t max,
                                 uint8_t flags, struct hark_span *in, struct hark_err *err);

/* text(error name) ‖ text(message), both empty unless refused. */
HARK_CHECK int hark_verdict_encode(struct hark_buf *out, bool refused, int code,
                                   const char *message, struct hark_err *err);
HARK_CHECK int hark_verdict_take(struct hark_span *in, bool refused, int *code,
                                 char message[HARK_TEXT_MAX + 1], struct hark_err *err);

#endif
