/* news: cursor */
#include "messages.h"

int hark_news_encode(struct hark_buf *out, const struct hark_cursor *cursor, struct hark_err *err)
{
    return hark_cursor_encode(out, cursor, err);
}

int hark_news_decode(struct hark_cursor *out, struct hark_span body, struct hark_err *err)
{
    int rc = hark_cursor_take(&body, out, err);
    if (rc == 0 && body.size != 0) {
        rc = hark_err_set(err, HARK_E_PEER_FORM, "news with more behind its cursor");
    }
    return rc;
}
