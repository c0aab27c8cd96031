/*
 * Reading is asking yamltree for each key in turn. Writing quotes every text and
 * escapes what is not printable ASCII, and reads the result back, so that a node
 * never writes a configuration that it would refuse at its next start.
 */
#include "schemas/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/yamltree.h"

#define ACCEPT_PER_MINUTE_MAX 100000
#define TCP                   "tcp://"

/* ---- Values --------------------------------------------------------------- */

/* Copies a checked text with its NUL. */
static void copy_text(char *out, const char *text)
{
    memcpy(out, text, strlen(text) + 1);
}

static int read_name(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                     char out[HARK_NODE_NAME_MAX + 1], struct hark_err *err)
{
    const struct hark_yaml_node *node = NULL;
    const char *text = "";
    int rc = hark_yaml_need(yaml, map, "name", &node, err);
    if (rc == 0)
        rc = hark_yaml_text(yaml, node, 1, HARK_NODE_NAME_MAX, &text, err);
    if (rc == 0 && !hark_node_name_valid(hark_span_str(text)))
        rc =
            hark_yaml_fail(yaml, node, err,
                           "'name' is '%s', expected a-z 0-9 . - without . or - at the ends", text);
    if (rc == 0)
        copy_text(out, text);
    return rc;
}

static int read_key(const struct hark_yaml *yaml, const struct hark_yaml_node *map, const char *key,
                    struct hark_key *out, struct hark_err *err)
{
    const struct hark_yaml_node *node = NULL;
    int rc = hark_yaml_need(yaml, map, key, &node, err);
    if (rc == 0 && (node->type != HARK_YAML_SCALAR ||
                    hark_key_from_hex(out, hark_span_str(node->text), NULL) != 0))
        rc = hark_yaml_fail(yaml, node, err,
                            "'%s' is something else, expected a key, 64 hex digits", key);
    return rc;
}

static int read_address(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                        char out[HARK_ADDRESS_MAX + 1], struct hark_err *err)
{
    const char *text = "";
    int rc = hark_yaml_text(yaml, node, 1, HARK_ADDRESS_MAX, &text, err);
    if (rc == 0 && !hark_address_valid(hark_span_str(text)))
        rc = hark_yaml_fail(yaml, node, err, "not an address, expected tcp://<host>:<port>");
    if (rc == 0)
        copy_text(out, text);
    return rc;
}

/* To listen, "*" means every interface, and "*" or 0 any free port: the rest is
 * as in an address to connect to, so those are put in their place and judged. */
static bool is_listen(const char *text)
{
    char address[HARK_ADDRESS_MAX + 16];
    size_t size = strlen(text);
    const char *colon = strrchr(text, ':');
    if (strncmp(text, TCP, strlen(TCP)) != 0 || colon == NULL || colon < text + strlen(TCP))
        return false;
    const char *host = text + strlen(TCP);
    size_t host_size = (size_t)(colon - host);
    const char *port = colon + 1;
    if (host_size == 1 && host[0] == '*') {
        host = "0.0.0.0";
        host_size = strlen(host);
    }
    if (strcmp(port, "*") == 0 || strcmp(port, "0") == 0)
        port = "1";
    /* Without an allocation: having no memory would say that it is no address. */
    if (size > HARK_ADDRESS_MAX)
        return false;
    int n = snprintf(address, sizeof address, TCP "%.*s:%s", (int)host_size, host, port);
    return n > 0 && (size_t)n < sizeof address && hark_address_valid(hark_span(address, (size_t)n));
}

/* Can somebody else connect to what is listened on? */
static bool is_reachable(const char *listen)
{
    return hark_address_valid(hark_span_str(listen)) &&
           strncmp(listen, TCP "0.0.0.0:", strlen(TCP "0.0.0.0:")) != 0 &&
           strncmp(listen, TCP "[::]:", strlen(TCP "[::]:")) != 0;
}

/* Not starting with a dash either, which would be an option. */
bool hark_label_valid(const char *label)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    size_t size = strlen(label);

    return size >= 1 && size <= HARK_LABEL_MAX && label[0] != '.' && label[0] != '-' &&
           strspn(label, allowed) == size;
}

/* ---- Reading -------------------------------------------------------------- */

static int read_listen(const struct hark_yaml *yaml, struct hark_config *config,
                       struct hark_err *err)
{
    const struct hark_yaml_node *node = hark_yaml_get(yaml->root, "listen");
    const char *text = "";
    if (node == NULL)
        return 0;
    int rc = hark_yaml_text(yaml, node, 1, HARK_ADDRESS_MAX, &text, err);
    if (rc == 0 && !is_listen(text))
        rc = hark_yaml_fail(yaml, node, err, "not an address, expected tcp://<host or *>:<port>");
    if (rc == 0)
        copy_text(config->listen, text);
    return rc;
}

static int read_advertise(const struct hark_yaml *yaml, struct hark_config *config,
                          struct hark_err *err)
{
    const struct hark_yaml_node *list = hark_yaml_get(yaml->root, "advertise");
    if (list == NULL) {
        if (is_reachable(config->listen))
            copy_text(config->advertise[config->advertise_count++], config->listen);
        return 0;
    }
    int rc = hark_yaml_list(yaml, list, 0, HARK_TICKET_ADDRESSES_MAX, err);
    if (rc != 0)
        return rc;
    for (const struct hark_yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next)
        rc = read_address(yaml, n, config->advertise[config->advertise_count++], err);
    return rc;
}

static int read_spaces(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                       struct hark_config_peer *peer, struct hark_err *err)
{
    const struct hark_yaml_node *list = hark_yaml_get(map, "spaces");
    if (list == NULL)
        return 0;
    int rc = hark_yaml_list(yaml, list, 0, HARK_TICKET_SPACES_MAX, err);
    if (rc != 0)
        return rc;
    for (const struct hark_yaml_node *n = list->first; n != NULL; n = n->next) {
        struct hark_hash *space = &peer->spaces[peer->space_count];
        if (n->type != HARK_YAML_SCALAR ||
            hark_hash_from_hex(space, hark_span_str(n->text), NULL) != 0)
            return hark_yaml_fail(yaml, n, err, "not a space's id, expected 64 hex digits");
        for (size_t i = 0; i < peer->space_count; i++)
            if (hark_hash_equal(space, &peer->spaces[i]))
                return hark_yaml_fail(yaml, n, err, "the same space again, expected each once");
        peer->space_count++;
    }
    return 0;
}

/* A person's key is another one in each space: one space, one connection. */
static int read_as(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                   struct hark_config_peer *peer, struct hark_err *err)
{
    const struct hark_yaml_node *node = hark_yaml_get(map, "as");
    const char *text = "";
    if (node == NULL)
        return 0;
    int rc = hark_yaml_text(yaml, node, 1, HARK_LABEL_MAX, &text, err);
    if (rc == 0 && !hark_label_valid(text))
        rc = hark_yaml_fail(yaml, node, err,
                            "'as' is not a key's label, expected letters, "
                            "digits and . _ - @");
    if (rc == 0 && peer->space_count != 1)
        rc = hark_yaml_fail(yaml, node, err, "'as' with %zu spaces, expected exactly one",
                            peer->space_count);
    if (rc == 0)
        copy_text(peer->as, text);
    return rc;
}

static int read_peer(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                     struct hark_config_peer *peer, struct hark_err *err)
{
    static const char *const keys[] = {"name",   "curve", "log",    "address",
                                       "spaces", "as",    "paused", NULL};
    const struct hark_yaml_node *node = NULL;
    int rc = hark_yaml_map(yaml, map, keys, err);
    if (rc == 0)
        rc = read_name(yaml, map, peer->name, err);
    if (rc == 0)
        rc = read_key(yaml, map, "curve", &peer->curve, err);
    if (rc == 0)
        rc = read_key(yaml, map, "log", &peer->log, err);
    if (rc == 0 && (node = hark_yaml_get(map, "address")) != NULL)
        rc = read_address(yaml, node, peer->address, err);
    if (rc == 0)
        rc = read_spaces(yaml, map, peer, err);
    if (rc == 0)
        rc = read_as(yaml, map, peer, err);
    if (rc == 0 && (node = hark_yaml_get(map, "paused")) != NULL)
        rc = hark_yaml_boolean(yaml, node, &peer->paused, err);
    return rc;
}

/* Do they show themselves to one node under two different keys? */
static bool differ_by_own_key(const struct hark_config_peer *a, const struct hark_config_peer *b)
{
    if (a->as[0] == '\0' || b->as[0] == '\0')
        return a->as[0] != b->as[0];
    return strcmp(a->as, b->as) != 0 || !hark_hash_equal(&a->spaces[0], &b->spaces[0]);
}

/* A peer is who its CURVE key says it is, as seen by whom we show ourselves as: two
 * peers alike in both, or with one name, would be one of them at random. */
static int refuse_twin(const struct hark_yaml *yaml, const struct hark_yaml_node *node,
                       const struct hark_config *config, struct hark_err *err)
{
    const struct hark_config_peer *last = &config->peers[config->peer_count - 1];
    for (size_t i = 0; i + 1 < config->peer_count; i++) {
        if (strcmp(config->peers[i].name, last->name) == 0)
            return hark_yaml_fail(yaml, node, err, "the peer '%s' again, expected each name once",
                                  last->name);
        if (hark_key_equal(&config->peers[i].curve, &last->curve) &&
            !differ_by_own_key(&config->peers[i], last))
            return hark_yaml_fail(yaml, node, err,
                                  "the peer '%s' has the curve key of '%s', expected its own",
                                  last->name, config->peers[i].name);
    }
    return 0;
}

static int read_peers(const struct hark_yaml *yaml, struct hark_config *config,
                      struct hark_err *err)
{
    const struct hark_yaml_node *list = hark_yaml_get(yaml->root, "peers");
    if (list == NULL)
        return 0;
    int rc = hark_yaml_list(yaml, list, 0, HARK_CONFIG_PEERS_MAX, err);
    if (rc != 0 || list->count == 0)
        return rc;
    config->peers = calloc(list->count, sizeof *config->peers);
    if (config->peers == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    for (const struct hark_yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next) {
        rc = read_peer(yaml, n, &config->peers[config->peer_count++], err);
        if (rc == 0)
            rc = refuse_twin(yaml, n, config, err);
    }
    return rc;
}

/* ---- HTTP ----------------------------------------------------------------- */

/* "<IPv4>:<port>" or "[<IPv6>]:<port>"; a name could lead anywhere. */
static bool is_http(const char *text)
{
    char host[INET6_ADDRSTRLEN];
    uint8_t address[16];
    uint64_t port;
    const char *colon = strrchr(text, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    bool six = size >= 2 && text[0] == '[' && colon[-1] == ']';
    if (six)
        size -= 2;
    if (size == 0 || size >= sizeof host)
        return false;
    memcpy(host, text + (six ? 1 : 0), size);
    host[size] = '\0';
    return inet_pton(six ? AF_INET6 : AF_INET, host, address) == 1 &&
           hark_decimal_decode(&port, hark_span_str(colon + 1), UINT16_MAX, NULL) == 0;
}

static int read_http(const struct hark_yaml *yaml, struct hark_config *config, struct hark_err *err)
{
    const struct hark_yaml_node *node = hark_yaml_get(yaml->root, "http");
    const char *text = "";
    if (node == NULL)
        return 0;
    int rc = hark_yaml_text(yaml, node, 1, HARK_ADDRESS_MAX, &text, err);
    if (rc == 0 && !is_http(text))
        rc =
            hark_yaml_fail(yaml, node, err,
                           "'http' is '%s', expected <IP address>:<port>, as 127.0.0.1:8460", text);
    if (rc == 0)
        copy_text(config->http, text);
    return rc;
}

static int read_vkey(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                     uint8_t algorithm, struct hark_note_key *out, struct hark_err *err)
{
    const struct hark_yaml_node *node = NULL;
    int rc = hark_yaml_need(yaml, map, "vkey", &node, err);
    if (rc == 0 && (node->type != HARK_YAML_SCALAR ||
                    hark_note_key_decode(out, hark_span(node->text, node->size), NULL) != 0 ||
                    out->algorithm != algorithm))
        rc = hark_yaml_fail(yaml, node, err,
                            "'vkey' is no %s verifier key, expected <name>+<id>+<base64>",
                            algorithm == HARK_NOTE_ED25519 ? "log's" : "cosigner's");
    return rc;
}

static int read_logs(const struct hark_yaml *yaml, struct hark_config *config, struct hark_err *err)
{
    static const char *const keys[] = {"logs", NULL};
    static const char *const log_keys[] = {"vkey", NULL};
    const struct hark_yaml_node *map = hark_yaml_get(yaml->root, "witness"), *list = NULL;
    if (map == NULL)
        return 0;
    int rc = hark_yaml_map(yaml, map, keys, err);
    if (rc == 0)
        rc = hark_yaml_need(yaml, map, "logs", &list, err);
    if (rc == 0)
        rc = hark_yaml_list(yaml, list, 0, HARK_CONFIG_LOGS_MAX, err);
    if (rc != 0 || list->count == 0)
        return rc;
    config->logs = calloc(list->count, sizeof *config->logs);
    if (config->logs == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    for (const struct hark_yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next) {
        rc = hark_yaml_map(yaml, n, log_keys, err);
        if (rc == 0)
            rc = read_vkey(yaml, n, HARK_NOTE_ED25519, &config->logs[config->log_count++], err);
    }
    return rc;
}

static int read_url(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                    char out[HARK_URL_MAX + 1], struct hark_err *err)
{
    const struct hark_yaml_node *node = NULL;
    const char *text = "";
    size_t scheme = 0, size;
    int rc = hark_yaml_need(yaml, map, "url", &node, err);
    if (rc == 0)
        rc = hark_yaml_text(yaml, node, 1, HARK_URL_MAX, &text, err);
    if (rc != 0)
        return rc;
    if (strncmp(text, "http://", 7) == 0)
        scheme = 7;
    else if (strncmp(text, "https://", 8) == 0)
        scheme = 8;
    size = strlen(text);
    while (size > scheme && text[size - 1] == '/')
        size--;
    if (scheme == 0 || size == scheme || text[scheme] == '/')
        return hark_yaml_fail(yaml, node, err, "'url' is '%s', expected http://<host>", text);
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"#?\\", text[i]) != NULL)
            return hark_yaml_fail(yaml, node, err, "'url' is '%s', expected http://<host>", text);
    memcpy(out, text, size);
    out[size] = '\0';
    return 0;
}

/* What it signs is kept by its key, as what nodes cosign is (PROTOCOL.md 7.8). */
static int read_witness(const struct hark_yaml *yaml, const struct hark_yaml_node *map,
                        struct hark_config *config, struct hark_err *err)
{
    static const char *const keys[] = {"url", "vkey", NULL};
    struct hark_config_witness *witness = &config->witnesses[config->witness_count++];
    int rc = hark_yaml_map(yaml, map, keys, err);
    if (rc == 0)
        rc = read_url(yaml, map, witness->url, err);
    if (rc == 0)
        rc = read_vkey(yaml, map, HARK_NOTE_COSIGNATURE_V1, &witness->key, err);
    if (rc == 0 && strlen(witness->key.name) > HARK_NODE_NAME_MAX)
        rc = hark_yaml_fail(yaml, map, err, "the witness's name is too long, expected %u bytes",
                            HARK_NODE_NAME_MAX);
    for (size_t i = 0; rc == 0 && i + 1 < config->witness_count; i++)
        if (hark_key_equal(&config->witnesses[i].key.key, &witness->key.key))
            rc = hark_yaml_fail(yaml, map, err, "the witness '%s' again, expected each key once",
                                witness->key.name);
    return rc;
}

static int read_witnesses(const struct hark_yaml *yaml, struct hark_config *config,
                          struct hark_err *err)
{
    const struct hark_yaml_node *list = hark_yaml_get(yaml->root, "witnesses");
    if (list == NULL)
        return 0;
    int rc = hark_yaml_list(yaml, list, 0, HARK_CONFIG_WITNESSES_MAX, err);
    if (rc != 0 || list->count == 0)
        return rc;
    config->witnesses = calloc(list->count, sizeof *config->witnesses);
    if (config->witnesses == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    for (const struct hark_yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next)
        rc = read_witness(yaml, n, config, err);
    return rc;
}

static int read_config(const struct hark_yaml *yaml, struct hark_config *config,
                       struct hark_err *err)
{
    static const char *const keys[] = {
        "name",       "listen",          "advertise", "peers",   "accept_per_minute",
        "date_log_s", "passphrase_file", "http",      "witness", "witnesses",
        NULL};
    const struct hark_yaml_node *node = NULL;
    const char *text = "";
    int64_t rate = HARK_ACCEPT_PER_MINUTE, date_s = HARK_DATE_LOG_S;
    int rc = hark_yaml_map(yaml, yaml->root, keys, err);
    if (rc == 0)
        rc = read_name(yaml, yaml->root, config->name, err);
    if (rc == 0)
        rc = read_listen(yaml, config, err);
    if (rc == 0)
        rc = read_advertise(yaml, config, err);
    if (rc == 0)
        rc = read_peers(yaml, config, err);
    if (rc == 0 && (node = hark_yaml_get(yaml->root, "accept_per_minute")) != NULL)
        rc = hark_yaml_integer(yaml, node, 1, ACCEPT_PER_MINUTE_MAX, &rate, err);
    config->accept_per_minute = (uint64_t)rate;
    if (rc == 0 && (node = hark_yaml_get(yaml->root, "date_log_s")) != NULL)
        rc = hark_yaml_integer(yaml, node, HARK_DATE_LOG_MIN_S, HARK_DATE_LOG_MAX_S, &date_s, err);
    config->date_log_s = (uint64_t)date_s;
    if (rc == 0 && (node = hark_yaml_get(yaml->root, "passphrase_file")) != NULL) {
        rc = hark_yaml_text(yaml, node, 1, HARK_PATH_MAX - 1, &text, err);
        if (rc == 0)
            copy_text(config->passphrase_file, text);
    }
    if (rc == 0)
        rc = read_http(yaml, config, err);
    if (rc == 0)
        rc = read_logs(yaml, config, err);
    if (rc == 0)
        rc = read_witnesses(yaml, config, err);
    return rc;
}

int hark_config_parse(struct hark_config **out, struct hark_span yaml, const char *file,
                      struct hark_err *err)
{
    struct hark_yaml *tree = NULL;
    struct hark_config *config = NULL;
    *out = NULL;
    int rc = hark_yaml_parse(&tree, yaml, HARK_CONFIG_MAX, file, HARK_E_CONFIG, err);
    if (rc != 0)
        return rc;
    config = calloc(1, sizeof *config);
    rc = config != NULL ? read_config(tree, config, err)
                        : hark_err_set(err, HARK_E_NO_MEMORY, "out of memory");
    if (rc == 0) {
        *out = config;
        config = NULL;
    }
    hark_config_free(config);
    hark_yaml_free(tree);
    return rc;
}

void hark_config_free(struct hark_config *config)
{
    if (config == NULL)
        return;
    free(config->peers);
    free(config->logs);
    free(config->witnesses);
    free(config);
}

/* ---- Writing -------------------------------------------------------------- */

/* The code point at `at`, which is moved behind it. What is not UTF-8 gives a
 * surrogate, which no reader of YAML takes. */
static uint32_t next_point(const uint8_t *text, size_t size, size_t *at)
{
    static const uint8_t first_bits[] = {0x7f, 0x1f, 0x0f, 0x07};
    uint8_t c = text[*at];
    size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t point = c & first_bits[more];
    if (size - *at <= more) {
        *at = size;
        return 0xd800;
    }
    for (size_t i = 1; i <= more; i++)
        point = point << 6 | (text[*at + i] & 0x3fu);
    *at += more + 1;
    return point;
}

static int put_quoted(struct hark_buf *out, const char *text, struct hark_err *err)
{
    size_t size = strlen(text);
    size_t at = 0;
    int rc = hark_buf_append_byte(out, '"', err);
    while (rc == 0 && at < size) {
        uint32_t point = next_point((const uint8_t *)text, size, &at);
        if (point == '"' || point == '\\')
            rc = hark_buf_printf(out, err, "\\%c", (int)point);
        else if (point >= 0x20 && point <= 0x7e)
            rc = hark_buf_append_byte(out, (uint8_t)point, err);
        else
            rc = hark_buf_printf(out, err, "\\U%08x", (unsigned)point);
    }
    if (rc == 0)
        rc = hark_buf_append_byte(out, '"', err);
    return rc;
}

static int put_line(struct hark_buf *out, const char *key, const char *text, struct hark_err *err)
{
    int rc = hark_buf_printf(out, err, "%s: ", key);
    if (rc == 0)
        rc = put_quoted(out, text, err);
    if (rc == 0)
        rc = hark_buf_append_str(out, "\n", err);
    return rc;
}

static int put_key(struct hark_buf *out, const char *key, const uint8_t bytes[32],
                   struct hark_err *err)
{
    int rc = hark_buf_printf(out, err, "%s: \"", key);
    if (rc == 0)
        rc = hark_buf_append_hex(out, bytes, HARK_KEY_SIZE, err);
    if (rc == 0)
        rc = hark_buf_append_str(out, "\"\n", err);
    return rc;
}

static int put_peer(struct hark_buf *out, const struct hark_config_peer *peer, struct hark_err *err)
{
    int rc = put_line(out, "  - name", peer->name, err);
    if (rc == 0)
        rc = put_key(out, "    curve", peer->curve.bytes, err);
    if (rc == 0)
        rc = put_key(out, "    log", peer->log.bytes, err);
    if (rc == 0 && peer->address[0] != '\0')
        rc = put_line(out, "    address", peer->address, err);
    if (rc == 0 && peer->space_count > HARK_TICKET_SPACES_MAX)
        rc = hark_err_set(err, HARK_E_CONFIG, "peer %s: too many spaces", peer->name);
    if (rc == 0 && peer->space_count > 0)
        rc = hark_buf_append_str(out, "    spaces:\n", err);
    for (size_t i = 0; rc == 0 && i < peer->space_count; i++) {
        char hex[2 * HARK_HASH_SIZE + 1];
        hark_hash_hex(hex, &peer->spaces[i]);
        rc = hark_buf_printf(out, err, "      - \"%s\"\n", hex);
    }
    if (rc == 0 && peer->as[0] != '\0')
        rc = put_line(out, "    as", peer->as, err);
    if (rc == 0 && peer->paused)
        rc = hark_buf_append_str(out, "    paused: true\n", err);
    return rc;
}

static int put_advertise(struct hark_buf *out, const struct hark_config *config,
                         struct hark_err *err)
{
    if (config->advertise_count > HARK_TICKET_ADDRESSES_MAX)
        return hark_err_set(err, HARK_E_CONFIG, "too many addresses to advertise");
    if (config->advertise_count == 0)
        /* Left out, it would mean the address listened on. */
        return is_reachable(config->listen) ? hark_buf_append_str(out, "advertise: []\n", err) : 0;
    int rc = hark_buf_append_str(out, "advertise:\n", err);
    for (size_t i = 0; rc == 0 && i < config->advertise_count; i++) {
        rc = hark_buf_append_str(out, "  - ", err);
        if (rc == 0)
            rc = put_quoted(out, config->advertise[i], err);
        if (rc == 0)
            rc = hark_buf_append_str(out, "\n", err);
    }
    return rc;
}

static int put_vkey(struct hark_buf *out, const char *key, const struct hark_note_key *vkey,
                    struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_NOTE_NAME_MAX + 128);
    int rc = hark_note_key_encode(&text, vkey, err);
    if (rc == 0)
        rc = hark_buf_terminate(&text, err);
    if (rc == 0)
        rc = put_line(out, key, (const char *)text.data, err);
    hark_buf_free(&text);
    return rc;
}

static int put_http(struct hark_buf *out, const struct hark_config *config, struct hark_err *err)
{
    int rc = config->http[0] != '\0' ? put_line(out, "http", config->http, err) : 0;
    if (rc == 0 && config->log_count > 0)
        rc = hark_buf_append_str(out, "witness:\n  logs:\n", err);
    for (size_t i = 0; rc == 0 && i < config->log_count; i++)
        rc = put_vkey(out, "    - vkey", &config->logs[i], err);
    if (rc == 0 && config->witness_count > 0)
        rc = hark_buf_append_str(out, "witnesses:\n", err);
    for (size_t i = 0; rc == 0 && i < config->witness_count; i++) {
        rc = put_line(out, "  - url", config->witnesses[i].url, err);
        if (rc == 0)
            rc = put_vkey(out, "    vkey", &config->witnesses[i].key, err);
    }
    return rc;
}

static int put_config(struct hark_buf *out, const struct hark_config *config, struct hark_err *err)
{
    int rc = put_line(out, "name", config->name, err);
    if (rc == 0 && config->listen[0] != '\0')
        rc = put_line(out, "listen", config->listen, err);
    if (rc == 0)
        rc = put_advertise(out, config, err);
    if (rc == 0 && config->peer_count > 0)
        rc = hark_buf_append_str(out, "peers:\n", err);
    for (size_t i = 0; rc == 0 && i < config->peer_count; i++)
        rc = put_peer(out, &config->peers[i], err);
    if (rc == 0)
        rc = hark_buf_printf(out, err, "accept_per_minute: %llu\n",
                             (unsigned long long)config->accept_per_minute);
    if (rc == 0 && config->date_log_s != 0 && config->date_log_s != HARK_DATE_LOG_S)
        rc =
            hark_buf_printf(out, err, "date_log_s: %llu\n", (unsigned long long)config->date_log_s);
    if (rc == 0 && config->passphrase_file[0] != '\0')
        rc = put_line(out, "passphrase_file", config->passphrase_file, err);
    if (rc == 0)
        rc = put_http(out, config, err);
    return rc;
}

int hark_config_encode(struct hark_buf *out, const struct hark_config *config, struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_CONFIG_MAX);
    struct hark_config *again = NULL;
    int rc = put_config(&text, config, err);
    if (rc == 0)
        rc = hark_config_parse(&again, hark_buf_span(&text), "new configuration", err);
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    hark_config_free(again);
    hark_buf_free(&text);
    return rc;
}
