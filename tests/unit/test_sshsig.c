/*
 * crypto/sshsig: what we sign, ssh-keygen and git verify; what they sign, we
 * verify; and of all ways to write the same signature down we take one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/sshsig.h"
#include "run_tool.h"

#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END   "-----END SSH SIGNATURE-----\n"

/* Made by ssh-keygen -Y sign -n git over "msg". */
static const char made_by_ssh[] =
    BEGIN "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgzHtC97aAHxLf5FO8YHFUEuld9B\n"
          "iCspUJhbeb2EHcK8YAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5\n"
          "AAAAQKTROrzXvezo2f0Ft+kEGPaMVAqfC2QiMWTXLMngnT+LfleVfegqSFDJwcuL7bO/1x\n"
          "EPmL8wKPozU3nHZ+4d9AQ=\n" END;

static struct hark_signer *signer_of(uint8_t fill)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;
    memset(bytes, fill, sizeof(bytes));
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    hark_seed_free(seed);
    return signer;
}

/* ---- what we take ---- */

static void test_sshsig__reads_and_verifies_ssh_keygens(void **state)
{
    (void)state;
    struct hark_sshsig sig;
    struct hark_buf again = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
    struct hark_span m = hark_span_str("msg");
    assert_int_equal(hark_sshsig_parse(&sig, hark_span_str(made_by_ssh), "git", NULL), 0);
    assert_true(hark_sshsig_verify(&sig, "git", m));
    assert_false(hark_sshsig_verify(&sig, "git", hark_span_str("msh")));
    assert_false(hark_sshsig_verify(&sig, "got", m));
    assert_int_equal(hark_sshsig_armor(&again, &sig, "git", NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&again), hark_span_str(made_by_ssh)));
    hark_buf_free(&again);
}

static void test_sshsig__our_own_both_ways(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_of(7);
    static const char longest[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char *const namespaces[] = {"git", "x", "hark-join", longest};
    for (size_t i = 0; i < 4; i++) {
        struct hark_buf armor = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
        struct hark_sshsig sig;
        struct hark_sshsig bare;
        struct hark_span m = hark_span("\0\n\xff", i); /* the empty message too */
        assert_int_equal(hark_sshsig_sign(&armor, signer, namespaces[i], m, NULL), 0);
        assert_int_equal(hark_sshsig_parse(&sig, hark_buf_span(&armor), namespaces[i], NULL), 0);
        assert_true(hark_key_equal(&sig.key, hark_signer_key(signer)));
        assert_true(hark_sshsig_verify(&sig, namespaces[i], m));
        assert_int_equal(hark_sshsig_make(&bare, signer, namespaces[i], m, NULL), 0);
        assert_memory_equal(bare.signature, sig.signature, HARK_SIGNATURE_SIZE);
        sig.signature[40] ^= 1;
        assert_false(hark_sshsig_verify(&sig, namespaces[i], m));
        hark_buf_free(&armor);
    }
    hark_signer_free(signer);
}

static void test_sshsig__namespaces_are_bounded(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_of(7);
    static const char *const bad[] = {
        "", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefX", "a\n", "é"};
    for (size_t i = 0; i < 4; i++) {
        struct hark_buf armor = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
        struct hark_sshsig sig = {.key = *hark_signer_key(signer)};
        assert_int_not_equal(hark_sshsig_sign(&armor, signer, bad[i], hark_span_str("m"), NULL), 0);
        assert_int_not_equal(hark_sshsig_armor(&armor, &sig, bad[i], NULL), 0);
        assert_false(hark_sshsig_verify(&sig, bad[i], hark_span_str("m")));
        assert_int_equal(armor.size, 0);
        hark_buf_free(&armor);
    }
    hark_signer_free(signer);
}

static void test_sshsig__public_key_as_openssh_writes_it(void **state)
{
    (void)state;
    struct hark_sshsig sig;
    struct hark_buf text = hark_buf_init(200);
    assert_int_equal(hark_sshsig_parse(&sig, hark_span_str(made_by_ssh), "git", NULL), 0);
    assert_int_equal(hark_ssh_public_key(&text, &sig.key, NULL), 0);
    assert_true(hark_span_equal(
        hark_buf_span(&text),
        hark_span_str("ssh-ed25519 "
                      "AAAAC3NzaC1lZDI1NTE5AAAAIMx7Qve2gB8S3+RTvGBxVBLpXfQYgrKVCYW3m9hB3CvG")));
    hark_buf_free(&text);
}

/* ---- what we refuse: other armour ---- */

static void refuse(struct hark_span armor, const char *what)
{
    struct hark_sshsig sig;
    struct hark_err err = {0};
    if (hark_sshsig_parse(&sig, armor, "git", &err) != HARK_E_SIGNATURE_FORM) {
        fail_msg("taken: %s", what);
    }
    assert_int_equal(err.code, HARK_E_SIGNATURE_FORM);
    assert_true(strlen(err.message) > 0);
    assert_int_equal(hark_sshsig_parse(&sig, armor, "git", NULL), HARK_E_SIGNATURE_FORM);
}

/* made_by_ssh with `from` replaced once by `to`. */
static void refuse_replaced(const char *from, const char *to)
{
    struct hark_buf text = hark_buf_init(2000);
    const char *at = strstr(made_by_ssh, from);
    assert_non_null(at);
    assert_int_equal(hark_buf_append(&text, made_by_ssh, (size_t)(at - made_by_ssh), NULL), 0);
    assert_int_equal(hark_buf_append_str(&text, to, NULL), 0);
    assert_int_equal(hark_buf_append_str(&text, at + strlen(from), NULL), 0);
    refuse(hark_buf_span(&text), to);
    hark_buf_free(&text);
}

static void test_sshsig__other_armour_is_refused(void **state)
{
    (void)state;
    refuse_replaced(BEGIN, "");
    refuse_replaced(BEGIN, "\n" BEGIN);
    refuse_replaced(BEGIN, BEGIN "\n");
    refuse_replaced(BEGIN, BEGIN "Comment: x\n");
    refuse_replaced(BEGIN, "-----BEGIN SSH SIGNATURE-----\r\n");
    refuse_replaced(BEGIN, "----- BEGIN SSH SIGNATURE-----\n");
    refuse_replaced(BEGIN, "-----BEGIN PGP SIGNATURE-----\n");
    refuse_replaced(END, "");
    refuse_replaced(END, "-----END SSH SIGNATURE-----");
    refuse_replaced(END, "-----END SSH SIGNATURE-----\r\n");
    refuse_replaced(END, END "\n");
    refuse_replaced(END, END END);
    refuse_replaced(END, "\n" END);
    refuse_replaced(END, " " END);
    refuse_replaced("9B\niC", "9B \niC"); /* a blank at a line's end */
    refuse_replaced("9B\niC", "9B\r\niC");
    refuse_replaced("9B\niC", "9B\n\niC");
    refuse_replaced("9B\niC", "9B\n iC");
    refuse_replaced("9B\niC", "9BiC");   /* re-wrapped: one line of 141 */
    refuse_replaced("9B\niC", "9\nBiC"); /* re-wrapped: 69 and 72 */
    refuse_replaced("9B\niC", "9Bi\nC"); /* re-wrapped: 71 and 70 */
    refuse_replaced("9AQ=\n", "9AQ=");
    refuse_replaced("9AQ=\n", "9A\nQ=\n");
    refuse_replaced("9AQ=\n", "9AQ\n");
    refuse_replaced("9AQ=\n", "9AQ==\n");
    refuse_replaced("9AQ=\n", "9AR=\n"); /* bits that mean nothing */
    refuse_replaced("9AQ=\n", "9AQ=\n9AQ=\n");
    refuse_replaced("9AQ=\n", "9A-=\n");
    refuse(hark_span(NULL, 0), "nothing");
    refuse(hark_span(made_by_ssh, sizeof(made_by_ssh)), "a NUL at the end");
    refuse(hark_span_str(BEGIN END), "no data");
    for (size_t size = 0; size < sizeof(made_by_ssh) - 1; size++) {
        refuse(hark_span(made_by_ssh, size), "cut short");
    }
}

static void test_sshsig__a_huge_one_is_refused_unread(void **state)
{
    (void)state;
    static uint8_t huge[100000];
    memset(huge, 'A', sizeof(huge));
    memcpy(huge, BEGIN, sizeof(BEGIN) - 1);
    refuse(hark_span(huge, sizeof(huge)), "huge");
    refuse(hark_span(huge, HARK_SSHSIG_ARMOR_MAX), "no line ends");
}

/* What is taken is the one armour of what it says, and is not what was signed. */
static void refuse_or_differ(const uint8_t *text, size_t size)
{
    struct hark_buf again = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
    struct hark_sshsig sig;
    struct hark_span armor = hark_span(text, size);
    if (hark_sshsig_parse(&sig, armor, "git", NULL) == 0) {
        assert_int_equal(hark_sshsig_armor(&again, &sig, "git", NULL), 0);
        assert_true(hark_span_equal(hark_buf_span(&again), armor));
        assert_false(hark_sshsig_verify(&sig, "git", hark_span_str("msg")));
    }
    hark_buf_free(&again);
}

/* No single byte of the armour may be another, or missing, or one too many, without
 * being noticed: either the form breaks, or key or signature differ. */
static void test_sshsig__every_byte_counts(void **state)
{
    (void)state;
    enum { SIZE = sizeof(made_by_ssh) - 1 };
    uint8_t text[SIZE + 1];
    for (size_t at = 0; at < SIZE; at++) {
        memcpy(text, made_by_ssh, SIZE);
        for (unsigned value = 0; value < 256; value++) {
            text[at] = (uint8_t)value;
            if (text[at] != (uint8_t)made_by_ssh[at]) {
                refuse_or_differ(text, SIZE);
            }
        }
        memcpy(text + at, made_by_ssh + at + 1, SIZE - at - 1);
        refuse_or_differ(text, SIZE - 1);
        memcpy(text + at + 1, made_by_ssh + at, SIZE - at);
        for (unsigned value = 0; value < 256; value++) {
            text[at] = (uint8_t)value;
            refuse_or_differ(text, SIZE + 1);
        }
    }
}

/* ---- what we refuse: other content in the right armour ---- */

struct parts {
    const char *magic;
    uint32_t version;
    const char *key_type;
    size_t key_size;
    const char *namespace_;
    const char *reserved;
    const char *hash;
    const char *signature_type;
    size_t signature_size;
    const char *key_tail; /* left over inside the strings, and at the end */
    const char *signature_tail;
    const char *tail;
};

static const struct parts right = {
    "SSHSIG", 1, "ssh-ed25519", 32, "git", "", "sha512", "ssh-ed25519", 64, "", "", ""};

static void add_string(struct hark_buf *out, const void *data, size_t size)
{
    assert_int_equal(hark_buf_append_u32(out, (uint32_t)size, NULL), 0);
    assert_int_equal(hark_buf_append(out, data, size, NULL), 0);
}

static void add_text(struct hark_buf *out, const char *text)
{
    add_string(out, text, strlen(text));
}

/* An independent writer of the format, that can be wrong where it is told to. */
static void write_armor(struct hark_buf *out, const struct parts *parts)
{
    uint8_t filler[100];
    struct hark_buf blob = hark_buf_init(2000);
    struct hark_buf part = hark_buf_init(2000);
    struct hark_buf base64 = hark_buf_init(2000);
    memset(filler, 0x42, sizeof(filler));
    assert_int_equal(hark_buf_append_str(&blob, parts->magic, NULL), 0);
    assert_int_equal(hark_buf_append_u32(&blob, parts->version, NULL), 0);
    add_text(&part, parts->key_type);
    add_string(&part, filler, parts->key_size);
    assert_int_equal(hark_buf_append_str(&part, parts->key_tail, NULL), 0);
    add_string(&blob, part.data, part.size);
    add_text(&blob, parts->namespace_);
    add_text(&blob, parts->reserved);
    add_text(&blob, parts->hash);
    hark_buf_clear(&part);
    add_text(&part, parts->signature_type);
    add_string(&part, filler, parts->signature_size);
    assert_int_equal(hark_buf_append_str(&part, parts->signature_tail, NULL), 0);
    add_string(&blob, part.data, part.size);
    assert_int_equal(hark_buf_append_str(&blob, parts->tail, NULL), 0);
    assert_int_equal(hark_base64_encode(&base64, hark_buf_span(&blob), NULL), 0);
    assert_int_equal(hark_buf_append_str(out, BEGIN, NULL), 0);
    for (size_t at = 0; at < base64.size; at += 70) {
        size_t size = base64.size - at < 70 ? base64.size - at : 70;
        assert_int_equal(hark_buf_append(out, base64.data + at, size, NULL), 0);
        assert_int_equal(hark_buf_append_str(out, "\n", NULL), 0);
    }
    assert_int_equal(hark_buf_append_str(out, END, NULL), 0);
    hark_buf_free(&blob);
    hark_buf_free(&part);
    hark_buf_free(&base64);
}

static void refuse_parts(struct parts parts, const char *what)
{
    struct hark_buf armor = hark_buf_init(4000);
    write_armor(&armor, &parts);
    refuse(hark_buf_span(&armor), what);
    hark_buf_free(&armor);
}

/* Each differs from a right one in one field only. */
static void test_sshsig__other_content_is_refused(void **state)
{
    (void)state;
    struct hark_buf armor = hark_buf_init(4000);
    struct hark_sshsig sig;
    write_armor(&armor, &right);
    assert_int_equal(hark_sshsig_parse(&sig, hark_buf_span(&armor), "git", NULL), 0);
    assert_int_equal(hark_sshsig_parse(&sig, hark_buf_span(&armor), "gi", NULL),
                     HARK_E_SIGNATURE_FORM);
    hark_buf_free(&armor);

    struct parts p = right;
    p.magic = "SSHSIH";
    refuse_parts(p, "magic");
    p = right;
    p.version = 2;
    refuse_parts(p, "version 2");
    p.version = 0;
    refuse_parts(p, "version 0");
    p = right;
    p.key_type = "ssh-rsa";
    refuse_parts(p, "key type");
    p.key_type = "sk-ssh-ed25519@openssh.com";
    refuse_parts(p, "hardware key type");
    p = right;
    p.key_size = 31;
    refuse_parts(p, "short key");
    p.key_size = 33;
    refuse_parts(p, "long key");
    p = right;
    p.namespace_ = "file";
    refuse_parts(p, "namespace");
    p.namespace_ = "";
    refuse_parts(p, "empty namespace");
    p = right;
    p.reserved = "x";
    refuse_parts(p, "reserved");
    p = right;
    p.hash = "sha256";
    refuse_parts(p, "sha256");
    p = right;
    p.signature_type = "ssh-rsa";
    refuse_parts(p, "signature type");
    p = right;
    p.signature_size = 63;
    refuse_parts(p, "short signature");
    p.signature_size = 65;
    refuse_parts(p, "long signature");
    p = right;
    p.key_tail = "x";
    refuse_parts(p, "left over in the key");
    p = right;
    p.signature_tail = "x";
    refuse_parts(p, "left over in the signature");
    p = right;
    p.tail = "x";
    refuse_parts(p, "left over at the end");
}

/* ---- what others say of ours ---- */

static void write_allowed_signers(const char *dir, const struct hark_signer *signer)
{
    struct hark_buf text = hark_buf_init(400);
    assert_int_equal(hark_buf_append_str(&text, "me@hark.invalid ", NULL), 0);
    assert_int_equal(hark_ssh_public_key(&text, hark_signer_key(signer), NULL), 0);
    assert_int_equal(hark_buf_append_str(&text, "\n", NULL), 0);
    write_file(dir, "allowed", hark_buf_span(&text), 0600);
    hark_buf_free(&text);
}

static void sign_file(const char *dir, const struct hark_signer *signer, const char *namespace_,
                      struct hark_span message)
{
    struct hark_buf armor = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
    assert_int_equal(hark_sshsig_sign(&armor, signer, namespace_, message, NULL), 0);
    write_file(dir, "sig", hark_buf_span(&armor), 0600);
    write_file(dir, "message", message, 0600);
    hark_buf_free(&armor);
}

#define VERIFY "ssh-keygen -Y verify -f allowed -I me@hark.invalid -s sig -n "

static void test_sshsig__ssh_keygen_verifies_ours(void **state)
{
    (void)state;
    need_tool("ssh-keygen", "command -v ssh-keygen");
    char dir[32];
    struct hark_signer *signer = signer_of(5);
    make_directory(dir);
    write_allowed_signers(dir, signer);
    sign_file(dir, signer, "git", hark_span_str("a message\n"));
    assert_int_equal(run_tool(dir, VERIFY "git <message"), 0);
    assert_int_not_equal(run_tool(dir, VERIFY "file <message"), 0);
    assert_int_not_equal(run_tool(dir, "echo other >other; " VERIFY "git <other"), 0);
    sign_file(dir, signer, "hark-join", hark_span("\0\xff", 2));
    assert_int_equal(run_tool(dir, VERIFY "hark-join <message"), 0);
    remove_directory(dir);
    hark_signer_free(signer);
}

static void test_sshsig__we_verify_a_fresh_one_of_ssh_keygens(void **state)
{
    (void)state;
    need_tool("ssh-keygen", "command -v ssh-keygen");
    char dir[32];
    struct hark_buf armor = hark_buf_init(2000);
    struct hark_sshsig sig;
    make_directory(dir);
    assert_int_equal(run_tool(dir, "ssh-keygen -q -t ed25519 -N '' -f key && printf abc >m && "
                                   "ssh-keygen -q -Y sign -n git -f key m"),
                     0);
    load_file(&armor, dir, "m.sig");
    assert_int_equal(hark_sshsig_parse(&sig, hark_buf_span(&armor), "git", NULL), 0);
    assert_true(hark_sshsig_verify(&sig, "git", hark_span_str("abc")));
    hark_buf_free(&armor);
    remove_directory(dir);
}

/* A commit as entries are: the signature in the header `gpgsig`, its lines after
 * the first begun by a blank. */
static void write_commit(const char *dir, const struct hark_signer *signer)
{
    static const char head[] = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
                               "author me <me@hark.invalid> 1795256130 +0000\n"
                               "committer me <me@hark.invalid> 1795256130 +0000\n";
    static const char body[] = "\nhark\n";
    struct hark_buf signed_bytes = hark_buf_init(2000);
    struct hark_buf armor = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
    struct hark_buf commit = hark_buf_init(2000);
    assert_int_equal(hark_buf_append_str(&signed_bytes, head, NULL), 0);
    assert_int_equal(hark_buf_append_str(&signed_bytes, body, NULL), 0);
    assert_int_equal(hark_sshsig_sign(&armor, signer, "git", hark_buf_span(&signed_bytes), NULL),
                     0);
    assert_int_equal(hark_buf_append_str(&commit, head, NULL), 0);
    assert_int_equal(hark_buf_append_str(&commit, "gpgsig", NULL), 0);
    struct hark_span rest = hark_buf_span(&armor);
    struct hark_span line;
    while (hark_take_line(&rest, &line)) {
        assert_int_equal(hark_buf_append_str(&commit, " ", NULL), 0);
        assert_int_equal(hark_buf_append_span(&commit, line, NULL), 0);
        assert_int_equal(hark_buf_append_str(&commit, "\n", NULL), 0);
    }
    assert_int_equal(hark_buf_append_str(&commit, body, NULL), 0);
    write_file(dir, "commit", hark_buf_span(&commit), 0600);
    hark_buf_free(&signed_bytes);
    hark_buf_free(&armor);
    hark_buf_free(&commit);
}

static void test_sshsig__git_verifies_ours(void **state)
{
    (void)state;
    need_tool("git or ssh-keygen", "command -v git && command -v ssh-keygen");
    char dir[32];
    struct hark_signer *signer = signer_of(6);
    make_directory(dir);
    write_allowed_signers(dir, signer);
    write_commit(dir, signer);
    static const char verify[] =
        "git -C repo -c gpg.format=ssh -c gpg.ssh.allowedSignersFile=\"$PWD/allowed\" "
        "verify-commit $(git -C repo hash-object -t commit -w \"$PWD/commit\")";
    assert_int_equal(run_tool(dir, "git init -q repo && git -C repo mktree </dev/null"), 0);
    assert_int_equal(run_tool(dir, verify), 0);
    assert_int_equal(run_tool(dir, "sed -i s/^hark/herk/ commit"), 0);
    assert_int_not_equal(run_tool(dir, verify), 0);
    remove_directory(dir);
    hark_signer_free(signer);
}

static int setup(void **state)
{
    (void)state;
    return hark_crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sshsig__reads_and_verifies_ssh_keygens),
        cmocka_unit_test(test_sshsig__our_own_both_ways),
        cmocka_unit_test(test_sshsig__namespaces_are_bounded),
        cmocka_unit_test(test_sshsig__public_key_as_openssh_writes_it),
        cmocka_unit_test(test_sshsig__other_armour_is_refused),
        cmocka_unit_test(test_sshsig__a_huge_one_is_refused_unread),
        cmocka_unit_test(test_sshsig__every_byte_counts),
        cmocka_unit_test(test_sshsig__other_content_is_refused),
        cmocka_unit_test(test_sshsig__ssh_keygen_verifies_ours),
        cmocka_unit_test(test_sshsig__we_verify_a_fresh_one_of_ssh_keygens),
        cmocka_unit_test(test_sshsig__git_verifies_ours),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
