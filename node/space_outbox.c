/*
 * A space's outbox: opening it.
 */
#include <stdio.h>
#include <string.h>

#include "node/files.h"
#include "node/outbox.h"
#include "node/space_internal.h"

int hark_space_outbox(struct hark_space *space, struct hark_outbox **out, struct hark_err *err)
{
    char dir[HARK_PATH_MAX];
    const char *slash = strrchr(space->outbox_path, '/');
    int rc = 0;

    *out = NULL;
    if (space->outbox == NULL) {
        /* A space opened without a node has no such directory. */
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - space->outbox_path),
                       space->outbox_path);
        rc = hark_dir_make(dir, err);
        if (rc == 0)
            rc = hark_outbox_open(&space->outbox, space->outbox_path, err);
    }
    *out = space->outbox;
    return rc;
}

void hark_space_outbox_changed(struct hark_space *space)
{
    space->outbox_stale = true;
}
