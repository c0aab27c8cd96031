/*
 * schemas/config: reading hark.yaml, messages that name file, line and what was
 * expected, and writing it back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/config.h"

#define K1      "1111111111111111111111111111111111111111111111111111111111111111"
#define K2      "2222222222222222222222222222222222222222222222222222222222222222"
#define K3      "abababababababababababababababababababababababababababababababab"
#define LOG     "log.example/a+e6a790b9+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
#define WITNESS "witness.example/w1+f5f1ad4c+BAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"

static const char full[] = "name: brand\n"
                           "listen: tcp://127.0.0.1:7460   # a comment\n"
                           "advertise: [tcp://node.example:7460, \"tcp://[::1]:7460\"]\n"
                           "peers:\n"
                           "  - name: partner\n"
                           "    curve: " K1 "\n"
                           "    log: " K2 "\n"
                           "    address: tcp://127.0.0.1:7461\n"
                           "    spaces: [" K1 ", " K3 "]\n"
                           "    paused: true\n"
                           "  - {name: quiet, curve: " K3 ", log: " K3 "}\n"
                           "accept_per_minute: 100000\n"
                           "date_log_s: 600\n"
                           "passphrase_file: /etc/hark/pass phrase\n"
                           "http: 127.0.0.1:0\n"
                           "witness: {logs: [{vkey: " LOG "}]}\n"
                           "witnesses:\n"
                           "  - {url: \"http://w.example:8460/w/\", vkey: " WITNESS "}\n";

static struct hark_config *parse(const char *yaml)
{
    struct hark_config *config = NULL;
    struct hark_err err = {0};
    if (hark_config_parse(&config, hark_span_str(yaml), "hark.yaml", &err) != 0)
        fail_msg("%s", err.message);
    return config;
}

static void test_config__reads_every_key(void **state)
{
    (void)state;
    struct hark_config *config = parse(full);
    struct hark_key key;
    assert_string_equal(config->name, "brand");
    assert_string_equal(config->listen, "tcp://127.0.0.1:7460");
    assert_int_equal(config->advertise_count, 2);
    assert_string_equal(config->advertise[1], "tcp://[::1]:7460");
    assert_int_equal(config->peer_count, 2);
    assert_string_equal(config->peers[0].name, "partner");
    assert_int_equal(hark_key_from_hex(&key, hark_span_str(K1), NULL), 0);
    assert_true(hark_key_equal(&config->peers[0].curve, &key));
    assert_int_equal(hark_key_from_hex(&key, hark_span_str(K2), NULL), 0);
    assert_true(hark_key_equal(&config->peers[0].log, &key));
    assert_string_equal(config->peers[0].address, "tcp://127.0.0.1:7461");
    assert_int_equal(config->peers[0].space_count, 2);
    assert_int_equal(config->peers[0].spaces[1].bytes[0], 0xab);
    assert_true(config->peers[0].paused);
    assert_string_equal(config->peers[1].name, "quiet");
    assert_string_equal(config->peers[1].address, "");
    assert_false(config->peers[1].paused);
    assert_int_equal(config->accept_per_minute, 100000);
    assert_int_equal(config->date_log_s, 600);
    assert_string_equal(config->passphrase_file, "/etc/hark/pass phrase");
    assert_string_equal(config->http, "127.0.0.1:0");
    assert_int_equal(config->log_count, 1);
    assert_string_equal(config->logs[0].name, "log.example/a");
    assert_int_equal(config->witness_count, 1);
    assert_string_equal(config->witnesses[0].url, "http://w.example:8460/w");
    assert_string_equal(config->witnesses[0].key.name, "witness.example/w1");
    hark_config_free(config);
}

static void test_config__a_name_is_enough(void **state)
{
    (void)state;
    struct hark_config *config = parse("name: a\n");
    assert_string_equal(config->listen, "");
    assert_int_equal(config->advertise_count, 0);
    assert_int_equal(config->peer_count, 0);
    assert_int_equal(config->accept_per_minute, 120);
    assert_int_equal(config->date_log_s, 3600);
    assert_string_equal(config->passphrase_file, "");
    assert_string_equal(config->http, "");
    assert_int_equal(config->log_count + config->witness_count, 0);
    hark_config_free(config);
}

static void test_config__advertises_what_it_listens_on_if_others_can_reach_it(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        size_t count;
    } cases[] = {
        {"name: a\nlisten: tcp://127.0.0.1:7460\n", 1},
        {"name: a\nlisten: tcp://127.0.0.1:7460\nadvertise: []\n", 0},
        {"name: a\nlisten: tcp://*:7460\n", 0},
        {"name: a\nlisten: tcp://127.0.0.1:0\n", 0},
        {"name: a\nlisten: tcp://127.0.0.1:*\n", 0},
        {"name: a\nlisten: tcp://*:*\n", 0},
        {"name: a\nlisten: tcp://0.0.0.0:7460\n", 0},
        {"name: a\nlisten: tcp://[::]:7460\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hark_config *config = parse(cases[i].yaml);
        if (config->advertise_count != cases[i].count)
            fail_msg("%zu addresses: %s", config->advertise_count, cases[i].yaml);
        if (config->advertise_count == 1)
            assert_string_equal(config->advertise[0], config->listen);
        hark_config_free(config);
    }
}

#define PEER "peers:\n  - name: p\n    curve: " K1 "\n    log: " K2 "\n"

static const struct {
    const char *yaml;
    const char *message; /* its beginning */
} cases[] = {
    {"", "hark.yaml:1: nothing, expected YAML"},
    {"name: a\nnaem: b\n", "hark.yaml:2: unknown key 'naem', expected one of name, listen"},
    {"listen: tcp://a:1\n", "hark.yaml:1: 'name' is missing, expected it here"},
    {"name: Brand\n", "hark.yaml:1: 'name' is 'Brand', expected a-z 0-9 . -"},
    {"name: [a]\n", "hark.yaml:1: 'name' is a list, expected text of 1 to 63 bytes"},
    {"name: a\nname: b\n", "hark.yaml:2: repeated key 'name', expected each key once"},
    {"name: a\nlisten: 7460\n", "hark.yaml:2: not an address, expected tcp://<host or *>:<port>"},
    {"name: a\nlisten: tcp://a:65536\n", "hark.yaml:2: not an address"},
    {"name: a\nlisten: tcp://**:1\n", "hark.yaml:2: not an address"},
    {"name: a\nlisten: tcp://:1\n", "hark.yaml:2: not an address"},
    {"name: a\nlisten: tcp:\n", "hark.yaml:2: "},
    {"name: a\nlisten: \"tcp://\"\n", "hark.yaml:2: not an address"},
    {"name: a\nadvertise: tcp://a:1\n",
     "hark.yaml:2: 'advertise' is 'tcp://a:1', expected a list of 0 to 4"},
    {"name: a\nadvertise:\n  - tcp://a:1\n  - tcp://*:1\n",
     "hark.yaml:4: not an address, expected tcp://<host>:<port>"},
    {"name: a\nadvertise: [1, 2, 3, 4, 5]\n", "hark.yaml:2: a list of 5, expected a list of"},
    {"name: a\npeers: {}\n", "hark.yaml:2: 'peers' is a mapping, expected a list of 0 to 256"},
    {"name: a\npeers: [p]\n", "hark.yaml:2: 'p', expected a mapping"},
    {"name: a\npeers:\n  - name: p\n    log: " K1 "\n", "hark.yaml:3: 'curve' is missing"},
    {"name: a\npeers:\n  - name: p\n    curve: " K1 "\n", "hark.yaml:3: 'log' is missing"},
    {"name: a\npeers:\n  - name: p\n    curve: ab\n",
     "hark.yaml:4: 'curve' is something else, expected a key, 64 hex digits"},
    {"name: a\n" PEER "    adress: tcp://a:1\n",
     "hark.yaml:6: unknown key 'adress', expected one of name, curve, log, address"},
    {"name: a\n" PEER "    address: a:1\n", "hark.yaml:6: not an address"},
    {"name: a\n" PEER "    paused: yes\n",
     "hark.yaml:6: 'paused' is 'yes', expected true or false"},
    {"name: a\n" PEER "    spaces: [ab]\n",
     "hark.yaml:6: not a space's id, expected 64 hex digits"},
    {"name: a\n" PEER "    spaces: [" K1 ", " K1 "]\n", "hark.yaml:6: the same space again"},
    {"name: a\n" PEER "  - {name: p, curve: " K2 ", log: " K2 "}\n",
     "hark.yaml:6: the peer 'p' again, expected each name once"},
    {"name: a\n" PEER "  - {name: q, curve: " K1 ", log: " K2 "}\n",
     "hark.yaml:6: the peer 'q' has the curve key of 'p', expected its own"},
    {"name: a\n" PEER "    as: ada\n", "hark.yaml:6: 'as' with 0 spaces, expected exactly one"},
    {"name: a\n" PEER "    spaces: [" K1 ", " K2 "]\n    as: ada\n",
     "hark.yaml:7: 'as' with 2 spaces, expected exactly one"},
    {"name: a\n" PEER "    spaces: [" K1 "]\n    as: ../ada\n",
     "hark.yaml:7: 'as' is not a key's label"},
    {"name: a\n" PEER "    spaces: [" K1 "]\n    as: ada\n"
     "  - {name: q, curve: " K1 ", log: " K2 ", spaces: [" K1 "], as: ada}\n",
     "hark.yaml:8: the peer 'q' has the curve key of 'p', expected its own"},
    {"name: a\naccept_per_minute: 0\n",
     "hark.yaml:2: 'accept_per_minute' is '0', expected a whole number from 1 to 100000"},
    {"name: a\naccept_per_minute: 1e3\n", "hark.yaml:2: 'accept_per_minute' is '1e3', expected"},
    {"name: a\naccept_per_minute: \"5\"\n", "hark.yaml:2: 'accept_per_minute' is '5', expected"},
    {"name: a\ndate_log_s: 4\n",
     "hark.yaml:2: 'date_log_s' is '4', expected a whole number from 5 to 86400"},
    {"name: a\ndate_log_s: 86401\n", "hark.yaml:2: 'date_log_s' is '86401', expected"},
    {"name: a\ndate_log_s: 1h\n", "hark.yaml:2: 'date_log_s' is '1h', expected"},
    {"name: a\npassphrase_file: [x]\n", "hark.yaml:2: 'passphrase_file' is a list, expected"},
    {"name: a\npassphrase_file: \"\"\n", "hark.yaml:2: 'passphrase_file' is '', expected"},
    {"name: a\nhttp: 8460\n", "hark.yaml:2: 'http' is '8460', expected <IP address>:<port>"},
    {"name: a\nhttp: localhost:8460\n", "hark.yaml:2: 'http' is 'localhost:8460', expected"},
    {"name: a\nhttp: 127.0.0.1:65536\n", "hark.yaml:2: 'http' is '127.0.0.1:65536', expected"},
    {"name: a\nhttp: \"::1:80\"\n", "hark.yaml:2: 'http' is '::1:80', expected"},
    {"name: a\nhttp: \"[127.0.0.1]:80\"\n", "hark.yaml:2: 'http' is '[127.0.0.1]:80', expected"},
    {"name: a\nwitness: {}\n", "hark.yaml:2: 'logs' is missing, expected it here"},
    {"name: a\nwitness:\n  logs:\n    - a\n", "hark.yaml:4: 'a', expected a mapping"},
    {"name: a\nwitness:\n  logs:\n    - vkey: " WITNESS "\n",
     "hark.yaml:4: 'vkey' is no log's verifier key, expected <name>+<id>+<base64>"},
    {"name: a\nwitnesses:\n  - url: http://a\n    vkey: " LOG "\n",
     "hark.yaml:4: 'vkey' is no cosigner's verifier key, expected"},
    {"name: a\nwitnesses:\n  - url: ftp://a\n    vkey: " WITNESS "\n",
     "hark.yaml:3: 'url' is 'ftp://a', expected http://<host>"},
    {"name: a\nwitnesses:\n  - url: http:///a\n    vkey: " WITNESS "\n",
     "hark.yaml:3: 'url' is 'http:///a', expected http://<host>"},
    {"name: a\nwitnesses:\n  - url: \"http://a/?b\"\n    vkey: " WITNESS "\n",
     "hark.yaml:3: 'url' is 'http://a/?b', expected http://<host>"},
    {"name: a\nwitnesses:\n  - {url: http://a, vkey: " WITNESS "}\n"
     "  - {url: http://b, vkey: " WITNESS "}\n",
     "hark.yaml:4: the witness 'witness.example/w1' again, expected each key once"},
    {"name: a\npassphrase_file: \"a\\nb\"\n", "hark.yaml:2: 'passphrase_file' is 'a?b'"},
    {"name: a\n  listen: b\n", "hark.yaml:2: "},
    {"name: &x a\n", "hark.yaml:1: an anchor, alias or tag, expected plain YAML"},
    {"name: !!str a\n", "hark.yaml:1: an anchor, alias or tag, expected plain YAML"},
};

/* Protects whoever edits the file: each mistake is named with its line and with
 * what was expected there. */
static void test_config__messages_name_file_line_and_what_was_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hark_config *config = NULL;
        struct hark_err err = {0};
        int rc = hark_config_parse(&config, hark_span_str(cases[i].yaml), "hark.yaml", &err);
        if (rc != HARK_E_CONFIG || config != NULL)
            fail_msg("taken: %s", cases[i].yaml);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("'%s', expected '%s'", err.message, cases[i].message);
        assert_non_null(strstr(err.message, "expected "));
    }
}

static void test_config__size_is_bounded(void **state)
{
    (void)state;
    struct hark_err err = {0};
    struct hark_config *config = NULL;
    struct hark_buf text = hark_buf_init(2 * (size_t)HARK_CONFIG_MAX);
    assert_int_equal(hark_buf_append_str(&text, "name: a\n#", NULL), 0);
    while (text.size < HARK_CONFIG_MAX)
        assert_int_equal(hark_buf_append_byte(&text, ' ', NULL), 0);
    assert_int_equal(hark_config_parse(&config, hark_buf_span(&text), "f", &err), 0);
    hark_config_free(config);
    assert_int_equal(hark_buf_append_byte(&text, ' ', NULL), 0);
    assert_int_equal(hark_config_parse(&config, hark_buf_span(&text), "f", &err), HARK_E_CONFIG);
    hark_buf_free(&text);
}

/* One node, to which this one shows itself under three keys. */
static const char two_selves[] =
    "name: a\n"
    "peers:\n"
    "  - {name: p, curve: " K1 ", log: " K2 ", spaces: [" K3 "]}\n"
    "  - {name: q, curve: " K1 ", log: " K2 ", spaces: [" K1 "], as: ada@home}\n"
    "  - {name: r, curve: " K1 ", log: " K2 ", spaces: [" K2 "], as: ada@home}\n";

/* Protects members: their key is another one in each space, and so are they to the
 * node that holds both. */
static void test_config__one_node_under_several_own_keys(void **state)
{
    (void)state;
    struct hark_config *config = parse(two_selves);
    assert_int_equal(config->peer_count, 3);
    assert_string_equal(config->peers[0].as, "");
    assert_string_equal(config->peers[1].as, "ada@home");
    hark_config_free(config);
}

static void expect_same(const struct hark_config *a, const struct hark_config *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->listen, b->listen);
    assert_int_equal(a->advertise_count, b->advertise_count);
    assert_memory_equal(a->advertise, b->advertise, sizeof a->advertise);
    assert_int_equal(a->peer_count, b->peer_count);
    for (size_t i = 0; i < a->peer_count; i++)
        assert_memory_equal(&a->peers[i], &b->peers[i], sizeof a->peers[i]);
    assert_int_equal(a->accept_per_minute, b->accept_per_minute);
    assert_int_equal(a->date_log_s, b->date_log_s);
    assert_string_equal(a->passphrase_file, b->passphrase_file);
    assert_string_equal(a->http, b->http);
    assert_int_equal(a->log_count, b->log_count);
    for (size_t i = 0; i < a->log_count; i++)
        assert_string_equal(a->logs[i].name, b->logs[i].name);
    assert_int_equal(a->witness_count, b->witness_count);
    for (size_t i = 0; i < a->witness_count; i++)
        assert_string_equal(a->witnesses[i].url, b->witnesses[i].url);
}

static void test_config__what_is_written_reads_the_same(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        full,
        "name: a\n",
        "name: a\ndate_log_s: 5\n",
        "name: a\nlisten: tcp://127.0.0.1:7460\nadvertise: []\n",
        "name: a\nlisten: tcp://*:0\n",
        "name: \"123\"\n",
        two_selves,
        "name: \"true\"\npassphrase_file: \"# \\\\ \\\" \\u2028 \\U0001f333 \\ufeff\xc3\xa4: -\"\n",
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct hark_err err = {0};
        struct hark_config *config = parse(inputs[i]);
        struct hark_buf text = hark_buf_init(HARK_CONFIG_MAX);
        if (hark_config_encode(&text, config, &err) != 0)
            fail_msg("%s", err.message);
        struct hark_config *again = NULL;
        if (hark_config_parse(&again, hark_buf_span(&text), "again", &err) != 0)
            fail_msg("%s", err.message);
        expect_same(config, again);
        hark_config_free(config);
        hark_config_free(again);
        hark_buf_free(&text);
    }
}

static void test_config__what_would_be_refused_is_not_written(void **state)
{
    (void)state;
    struct hark_err err = {0};
    struct hark_buf text = hark_buf_init(HARK_CONFIG_MAX);
    struct hark_config *config = parse("name: a\n");
    memcpy(config->name, "A", 2);
    assert_int_equal(hark_config_encode(&text, config, &err), HARK_E_CONFIG);
    memcpy(config->name, "a", 2);
    memcpy(config->passphrase_file, "\xff", 2);
    assert_int_equal(hark_config_encode(&text, config, &err), HARK_E_CONFIG);
    config->passphrase_file[0] = '\0';
    config->accept_per_minute = 0;
    assert_int_equal(hark_config_encode(&text, config, &err), HARK_E_CONFIG);
    config->accept_per_minute = 1;
    config->date_log_s = 1;
    assert_int_equal(hark_config_encode(&text, config, &err), HARK_E_CONFIG);
    assert_int_equal(text.size, 0);
    hark_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__reads_every_key),
        cmocka_unit_test(test_config__a_name_is_enough),
        cmocka_unit_test(test_config__advertises_what_it_listens_on_if_others_can_reach_it),
        cmocka_unit_test(test_config__messages_name_file_line_and_what_was_expected),
        cmocka_unit_test(test_config__size_is_bounded),
        cmocka_unit_test(test_config__one_node_under_several_own_keys),
        cmocka_unit_test(test_config__what_is_written_reads_the_same),
        cmocka_unit_test(test_config__what_would_be_refused_is_not_written),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
