/*
 * A configuration of anybody's making: what is accepted is written and read back
 * the same.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/config.h"
#include "tests/fuzz/require.h"

static bool same_peer(const struct hark_config_peer *a, const struct hark_config_peer *b)
{
    bool same = strcmp(a->name, b->name) == 0 && strcmp(a->address, b->address) == 0 &&
                hark_key_equal(&a->curve, &b->curve) && hark_key_equal(&a->log, &b->log) &&
                a->paused == b->paused && a->space_count == b->space_count;
    for (size_t i = 0; same && i < a->space_count; i++)
        same = hark_hash_equal(&a->spaces[i], &b->spaces[i]);
    return same;
}

static bool same_key(const struct hark_note_key *a, const struct hark_note_key *b)
{
    return strcmp(a->name, b->name) == 0 && a->id == b->id && a->algorithm == b->algorithm &&
           hark_key_equal(&a->key, &b->key);
}

static void check_same_http(const struct hark_config *a, const struct hark_config *b)
{
    require(strcmp(a->http, b->http) == 0);
    require(a->log_count == b->log_count && a->witness_count == b->witness_count);
    for (size_t i = 0; i < a->log_count; i++)
        require(same_key(&a->logs[i], &b->logs[i]));
    for (size_t i = 0; i < a->witness_count; i++)
        require(strcmp(a->witnesses[i].url, b->witnesses[i].url) == 0 &&
                same_key(&a->witnesses[i].key, &b->witnesses[i].key));
}

static void check_same(const struct hark_config *a, const struct hark_config *b)
{
    require(strcmp(a->name, b->name) == 0 && strcmp(a->listen, b->listen) == 0);
    require(a->advertise_count == b->advertise_count);
    require(memcmp(a->advertise, b->advertise, sizeof a->advertise) == 0);
    require(a->peer_count == b->peer_count);
    for (size_t i = 0; i < a->peer_count; i++)
        require(same_peer(&a->peers[i], &b->peers[i]));
    require(a->accept_per_minute == b->accept_per_minute && a->date_log_s == b->date_log_s);
    require(strcmp(a->passphrase_file, b->passphrase_file) == 0);
    check_same_http(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_config *config = NULL;
    struct hark_config *again = NULL;
    struct hark_err err = {0};
    struct hark_buf text = hark_buf_init(HARK_CONFIG_MAX);
    int rc = hark_config_parse(&config, hark_span(data, size), "fuzz", &err);
    require(rc == err.code && (rc == 0) == (config != NULL));
    if (rc != 0) {
        require(rc == HARK_E_CONFIG && strncmp(err.message, "fuzz:", 5) == 0);
        return 0;
    }
    rc = hark_config_encode(&text, config, NULL);
    /* Quotes and escapes can make the largest ones larger than is allowed. */
    require(rc == 0 || (rc == HARK_E_LIMIT && size > HARK_CONFIG_MAX / 8));
    if (rc == 0) {
        require(hark_config_parse(&again, hark_buf_span(&text), "again", NULL) == 0);
        check_same(config, again);
    }
    hark_config_free(config);
    hark_config_free(again);
    hark_buf_free(&text);
    return 0;
}
