/*
 * A space and its home: whether it may sign now, and where it is moving.
 */
#include <stdlib.h>
#include <string.h>

#include "node/outbox.h"
#include "node/space_internal.h"

void hark_space_hold(struct hark_space *space, bool hold)
{
    space->held = hold;
}

bool hark_space_held(const struct hark_space *space)
{
    return space->held;
}

uint64_t hark_space_rights(const struct hark_space *space)
{
    return space->rights;
}

uint64_t hark_space_erasures(const struct hark_space *space)
{
    return space->erasures;
}

/* --- moving ------------------------------------------------------------------------ */

static int look_for_home(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    char *name = arg;
    json_t *json;
    const char *node;
    int rc;

    if (entry == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    rc = hark_entry_parse(entry, row->object, err);
    if (rc == 0 && strcmp(entry->kind, "home") == 0 && row->payload.data != NULL) {
        json = json_loadb((const char *)row->payload.data, row->payload.size, 0, NULL);
        node = json_string_value(json_object_get(json, "node"));
        if (node != NULL && strlen(node) <= HARK_NODE_NAME_MAX)
            memcpy(name, node, strlen(node) + 1);
        json_decref(json);
    }
    free(entry);
    return rc < 0 ? rc : 0;
}

int hark_space_moving(struct hark_space *space, char *name, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    int rc = hark_space_outbox(space, &outbox, err);

    name[0] = '\0';
    if (rc < 0)
        return rc;
    return hark_outbox_each(outbox, (1u << HARK_OUT_PENDING) | (1u << HARK_OUT_ACCEPTED),
                            look_for_home, name, err);
}
