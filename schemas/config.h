/*
 * A node's configuration, hark.yaml: strict YAML, unknown keys and wrong types
 * named with file, line and what was expected.
 *
 *     name: brand                          # the node's name; required
 *     listen: tcp://127.0.0.1:7460         # absent: does not listen
 *     advertise: [tcp://node.example:7460] # addresses put into tickets; default: listen
 *     peers:                               # nodes to connect to or to let in
 *       - name: partner
 *         curve: <64 hex>
 *         log: <64 hex>
 *         address: tcp://127.0.0.1:7461    # absent: only let in
 *         spaces: [<64 hex>]               # to follow from it
 *         as: <label>                      # shows itself there as this person in the one
 *                                          # space; absent: as the node
 *         paused: false
 *     accept_per_minute: 120               # entries taken from one key a minute, 1 to 100000
 *     date_log_s: 3600                     # as a home: its logs are dated so often though nothing
 *                                          # is new (PROTOCOL.md 7.8), 5 to 86400 seconds
 *     passphrase_file: <path>              # absent: asked on the terminal when needed
 *     http: 127.0.0.1:8460                 # absent: no HTTP; an IP address, port 0: any free
 *     witness:                             # PROTOCOL.md 7.10
 *       logs: [{vkey: <verifier key>}]     # other logs that this node witnesses over HTTP
 *     witnesses:                           # whom it asks for cosignatures, of its own logs
 *       - {url: http://<host>, vkey: <verifier key>}
 */
#ifndef HARK_SCHEMAS_CONFIG_H
#define HARK_SCHEMAS_CONFIG_H

#include "crypto/note.h"
#include "schemas/ticket.h"

#define HARK_CONFIG_MAX           (256u * 1024u)
#define HARK_CONFIG_PEERS_MAX     256u
#define HARK_CONFIG_LOGS_MAX      256u
#define HARK_CONFIG_WITNESSES_MAX 16u
#define HARK_URL_MAX              255u
#define HARK_PATH_MAX             4096u
#define HARK_LABEL_MAX            64u
/* Entries of one key that are taken a minute, where a configuration says nothing. */
#define HARK_ACCEPT_PER_MINUTE 120u
/* Seconds between a home's statements about a log that does not grow, the same way. */
#define HARK_DATE_LOG_S       3600u
#define HARK_DATE_LOG_MIN_S   5u
#define HARK_DATE_LOG_MAX_S   86400u
#define HARK_ACCEPT_WINDOW_MS UINT64_C(60000)

struct hark_config_peer {
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_key curve;
    struct hark_key log;
    char address[HARK_ADDRESS_MAX + 1]; /* empty: only let in */
    bool paused;
    /* Whose X25519 key in the space is shown there instead of the node's CURVE key, by
     * the label of keys/people; then spaces is exactly one. Empty: the node's. */
    char as[HARK_LABEL_MAX + 1];
    size_t space_count;
    struct hark_hash spaces[HARK_TICKET_SPACES_MAX];
};

/* Who cosigns over HTTP: <url>/add-checkpoint. */
struct hark_config_witness {
    char url[HARK_URL_MAX + 1]; /* does not end with a slash */
    struct hark_note_key key;   /* a cosigner's; its name is no longer than a node's */
};

struct hark_config {
    char name[HARK_NODE_NAME_MAX + 1];
    char listen[HARK_ADDRESS_MAX + 1]; /* empty: does not listen; port may be 0 ("*" or 0: any) */
    size_t advertise_count;
    char advertise[HARK_TICKET_ADDRESSES_MAX][HARK_ADDRESS_MAX + 1];
    size_t peer_count;
    struct hark_config_peer *peers;
    uint64_t accept_per_minute;
    uint64_t date_log_s; /* as read it is set; 0: HARK_DATE_LOG_S */
    char passphrase_file[HARK_PATH_MAX];
    char http[HARK_ADDRESS_MAX + 1]; /* <IP address>:<port>; empty: none */
    size_t log_count;
    struct hark_note_key *logs; /* witnessed here; an origin may have several keys */
    size_t witness_count;
    struct hark_config_witness *witnesses;
};

/* A label: 1 to 64 of letters, digits, . _ - @, not starting with a dot. */
bool hark_label_valid(const char *label);

/* Error: config, with "<file>:<line>: ...". Free with hark_config_free. */
HARK_CHECK int hark_config_parse(struct hark_config **out, struct hark_span yaml, const char *file,
                                 struct hark_err *err);
/* Appends the YAML of a configuration (comments are not kept). */
HARK_CHECK int hark_config_encode(struct hark_buf *out, const struct hark_config *config,
                                  struct hark_err *err);
void hark_config_free(struct hark_config *config);

#endif
