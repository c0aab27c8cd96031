/*
 * crypto/keyfile: what we write, ssh-keygen reads, and the other way round; a
 * sealed file opens with its passphrase only; no file that others may read or
 * that is damaged is taken for a key.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "crypto/keyfile.h"
#include "crypto/sshsig.h"
#include "run_tool.h"

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END   "-----END OPENSSH PRIVATE KEY-----\n"

static const uint64_t cheap_opslimit = 1;
static const uint64_t cheap_memlimit = 8 << 20;
static const struct hark_span no_passphrase;

static struct hark_seed *seed_of(uint8_t fill)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    memset(bytes, fill, sizeof(bytes));
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    return seed;
}

static struct hark_key key_of(const struct hark_seed *seed)
{
    struct hark_signer *signer = NULL;
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    struct hark_key key = *hark_signer_key(signer);
    hark_signer_free(signer);
    return key;
}

static void assert_same_seed(const struct hark_seed *a, const struct hark_seed *b)
{
    struct hark_key x = key_of(a);
    struct hark_key y = key_of(b);
    assert_true(hark_key_equal(&x, &y));
}

/* ---- the OpenSSH form ---- */

static void test_keyfile__openssh_both_ways(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(1);
    /* All lengths of padding. */
    static const char *const comments[] = {"",      "a",      "ab",      "abc",     "abcd",
                                           "abcde", "abcdef", "abcdefg", "a b@c.d!"};
    for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
        struct hark_buf file = hark_buf_init_secret(HARK_KEYFILE_MAX);
        struct hark_seed *again = NULL;
        assert_int_equal(hark_keyfile_encode(&file, seed, comments[i], no_passphrase, NULL), 0);
        assert_false(hark_keyfile_is_sealed(hark_buf_span(&file)));
        assert_int_equal(hark_keyfile_decode(&again, hark_buf_span(&file), no_passphrase, NULL), 0);
        assert_same_seed(seed, again);
        hark_seed_free(again);
        hark_buf_free(&file);
    }
    hark_seed_free(seed);
}

static void test_keyfile__comments_are_bounded(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(1);
    char long_comment[130];
    memset(long_comment, 'x', sizeof(long_comment));
    long_comment[129] = '\0';
    const char *const bad[] = {" a", "a ", "a\nb", "é", "\x7f", long_comment};
    struct hark_buf file = hark_buf_init_secret(HARK_KEYFILE_MAX);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(hark_keyfile_encode(&file, seed, bad[i], no_passphrase, NULL),
                         HARK_E_USAGE);
    }
    assert_int_equal(file.size, 0);
    assert_int_equal(hark_keyfile_encode(&file, seed, long_comment + 1, no_passphrase, NULL), 0);
    hark_buf_free(&file);
    hark_seed_free(seed);
}

static void refuse(struct hark_span file, const char *what)
{
    struct hark_seed *seed = NULL;
    struct hark_err err = {0};
    if (hark_keyfile_decode(&seed, file, hark_span_str("pw"), &err) != HARK_E_KEY_FORM) {
        fail_msg("not refused as key-form: %s", what);
    }
    assert_null(seed);
    assert_true(strlen(err.message) > 0);
}

/* The bytes inside the armour, and the armour around bytes, by other means than
 * the code under test. */
static void unarmor(struct hark_buf *out, const struct hark_buf *file)
{
    struct hark_span in = hark_buf_span(file);
    struct hark_span line;
    struct hark_buf text = hark_buf_init(HARK_KEYFILE_MAX);
    assert_true(hark_take_literal(&in, BEGIN));
    while (hark_take_line(&in, &line) && line.data[0] != '-') {
        assert_int_equal(hark_buf_append_span(&text, line, NULL), 0);
    }
    assert_int_equal(hark_base64_decode(out, hark_buf_span(&text), NULL), 0);
    hark_buf_free(&text);
}

static void refuse_blob(struct hark_span blob, const char *what)
{
    struct hark_buf file = hark_buf_init(HARK_KEYFILE_MAX);
    struct hark_buf text = hark_buf_init(HARK_KEYFILE_MAX);
    assert_int_equal(hark_base64_encode(&text, blob, NULL), 0);
    assert_int_equal(hark_buf_append_str(&file, BEGIN, NULL), 0);
    for (size_t at = 0; at < text.size; at += 70) {
        size_t size = text.size - at < 70 ? text.size - at : 70;
        assert_int_equal(hark_buf_append(&file, text.data + at, size, NULL), 0);
        assert_int_equal(hark_buf_append_str(&file, "\n", NULL), 0);
    }
    assert_int_equal(hark_buf_append_str(&file, END, NULL), 0);
    refuse(hark_buf_span(&file), what);
    hark_buf_free(&file);
    hark_buf_free(&text);
}

/* Every byte of the blob but the comment's is checked against another one: a
 * damaged file never becomes a key that nobody knows. */
static void test_keyfile__damage_is_noticed(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(2);
    struct hark_buf file = hark_buf_init_secret(HARK_KEYFILE_MAX);
    struct hark_buf blob = hark_buf_init_secret(HARK_KEYFILE_MAX);
    assert_int_equal(hark_keyfile_encode(&file, seed, "", no_passphrase, NULL), 0);
    unarmor(&blob, &file);
    for (size_t at = 0; at < blob.size; at++) {
        blob.data[at] ^= 0x11;
        refuse_blob(hark_buf_span(&blob), "a damaged byte");
        blob.data[at] ^= 0x11;
        refuse_blob(hark_span(blob.data, at), "cut inside");
    }
    assert_int_equal(hark_buf_append_str(&blob, "\x06\x07\x08\x09\x0a\x0b\x0c\x0d", NULL), 0);
    refuse_blob(hark_buf_span(&blob), "left over");
    for (size_t size = 0; size < file.size; size++) {
        refuse(hark_span(file.data, size), "cut outside");
    }
    assert_int_equal(hark_buf_append_str(&file, "\n", NULL), 0);
    refuse(hark_buf_span(&file), "a blank line after");
    hark_buf_free(&file);
    hark_buf_free(&blob);
    hark_seed_free(seed);
}

static void test_keyfile__no_key_at_all(void **state)
{
    (void)state;
    static uint8_t huge[HARK_KEYFILE_MAX + 1];
    memset(huge, 'A', sizeof(huge));
    refuse(hark_span(NULL, 0), "nothing");
    refuse(hark_span_str("ssh-ed25519 AAAA me\n"), "a public key");
    refuse(hark_span_str(BEGIN END), "no data");
    refuse(hark_span(huge, sizeof(huge)), "huge");
    memcpy(huge, BEGIN, sizeof(BEGIN) - 1);
    refuse(hark_span(huge, sizeof(huge) - 1), "one line");
}

/* ---- with ssh-keygen ---- */

static void public_key_line(struct hark_buf *out, const struct hark_seed *seed, const char *comment)
{
    struct hark_key key = key_of(seed);
    assert_int_equal(hark_ssh_public_key(out, &key, NULL), 0);
    assert_int_equal(hark_buf_printf(out, NULL, " %s\n", comment), 0);
}

static void test_keyfile__ssh_keygen_reads_ours(void **state)
{
    (void)state;
    need_tool("ssh-keygen", "command -v ssh-keygen");
    char dir[32];
    char path[64];
    struct hark_seed *seed = seed_of(3);
    struct hark_buf expected = hark_buf_init(400);
    struct hark_buf told = hark_buf_init(400);
    make_directory(dir);
    join_path(path, sizeof(path), dir, "key");
    assert_int_equal(hark_keyfile_save(path, seed, "me at home", no_passphrase, NULL), 0);
    assert_int_equal(run_tool(dir, "ssh-keygen -y -f key >told"), 0);
    load_file(&told, dir, "told");
    public_key_line(&expected, seed, "me at home");
    assert_true(hark_span_equal(hark_buf_span(&expected), hark_buf_span(&told)));
    /* The private half as well: a signature by it verifies. */
    assert_int_equal(run_tool(dir, "echo m >m && ssh-keygen -q -Y sign -n git -f key m && "
                                   "printf 'me ' >allowed && cat told >>allowed && "
                                   "ssh-keygen -Y verify -f allowed -I me -n git -s m.sig <m"),
                     0);
    remove_directory(dir);
    hark_buf_free(&expected);
    hark_buf_free(&told);
    hark_seed_free(seed);
}

static void test_keyfile__we_read_ssh_keygens(void **state)
{
    (void)state;
    need_tool("ssh-keygen", "command -v ssh-keygen");
    char dir[32];
    char path[64];
    struct hark_seed *seed = NULL;
    struct hark_buf expected = hark_buf_init(400);
    struct hark_buf told = hark_buf_init(400);
    make_directory(dir);
    assert_int_equal(run_tool(dir, "ssh-keygen -q -t ed25519 -N '' -C some-one -f key"), 0);
    join_path(path, sizeof(path), dir, "key");
    assert_int_equal(hark_keyfile_load(&seed, path, NULL, NULL, NULL), 0);
    load_file(&told, dir, "key.pub");
    public_key_line(&expected, seed, "some-one");
    assert_true(hark_span_equal(hark_buf_span(&expected), hark_buf_span(&told)));
    remove_directory(dir);
    hark_buf_free(&expected);
    hark_buf_free(&told);
    hark_seed_free(seed);
}

/* OpenSSH's own encryption and other kinds of keys are said to be what they are. */
static void test_keyfile__other_keys_of_ssh_keygens_are_refused(void **state)
{
    (void)state;
    need_tool("ssh-keygen", "command -v ssh-keygen");
    char dir[32];
    char path[64];
    struct hark_seed *seed = NULL;
    struct hark_err err = {0};
    make_directory(dir);
    assert_int_equal(run_tool(dir, "ssh-keygen -q -t ed25519 -a 1 -N secret -f locked && "
                                   "ssh-keygen -q -t ecdsa -N '' -f ecdsa"),
                     0);
    join_path(path, sizeof(path), dir, "locked");
    assert_int_equal(hark_keyfile_load(&seed, path, NULL, NULL, &err), HARK_E_KEY_FORM);
    assert_non_null(strstr(err.message, "encrypted in OpenSSH's way"));
    assert_non_null(strstr(err.message, path));
    join_path(path, sizeof(path), dir, "ecdsa");
    assert_int_equal(hark_keyfile_load(&seed, path, NULL, NULL, &err), HARK_E_KEY_FORM);
    assert_non_null(strstr(err.message, "one ssh-ed25519 key"));
    assert_null(seed);
    remove_directory(dir);
}

/* ---- the sealed form ---- */

/* Frozen: what was sealed once must open for ever. Seed 32 times 0x04. */
static const char sealed_once[] =
    "hark-sealed-key 1\n"
    "argon2id13 1 8388608 e411bd05db5ca517b11f0fce770f0f1c\n"
    "ck3+Qlw7rpwrPinujFrkdr/7/"
    "pEc5AVWcTXQ6OUN6bIonPBtgBnEdCUVGqfgdKtfxyAHET9YJlF4MTJTkz80up1zbH8bi4Vg\n";

static void test_keyfile__a_frozen_sealed_file_opens(void **state)
{
    (void)state;
    struct hark_seed *wanted = seed_of(4);
    struct hark_seed *seed = NULL;
    struct hark_span file = hark_span_str(sealed_once);
    assert_true(hark_keyfile_is_sealed(file));
    assert_int_equal(hark_keyfile_decode(&seed, file, hark_span_str("correct horse"), NULL), 0);
    assert_same_seed(seed, wanted);
    hark_seed_free(seed);
    hark_seed_free(wanted);
}

static void test_keyfile__sealed_both_ways(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(5);
    struct hark_seed *again = NULL;
    struct hark_buf file = hark_buf_init(HARK_KEYFILE_MAX);
    struct hark_buf other = hark_buf_init(HARK_KEYFILE_MAX);
    struct hark_err err = {0};
    struct hark_span pw = hark_span("\0\xff pass", 7);
    assert_int_equal(hark_keyfile_seal(&file, seed, pw, cheap_opslimit, cheap_memlimit, NULL), 0);
    assert_int_equal(hark_keyfile_seal(&other, seed, pw, cheap_opslimit, cheap_memlimit, NULL), 0);
    assert_int_equal(hark_keyfile_decode(&again, hark_buf_span(&file), pw, NULL), 0);
    assert_same_seed(seed, again);
    hark_seed_free(again);
    /* Salt and nonce are new each time. */
    assert_int_equal(file.size, other.size);
    assert_memory_not_equal(file.data + 40, other.data + 40, 32);
    assert_int_equal(hark_keyfile_decode(&again, hark_buf_span(&file), hark_span_str("no"), &err),
                     HARK_E_KEY_PASSPHRASE);
    assert_null(again);
    assert_int_equal(hark_keyfile_decode(&again, hark_buf_span(&file), no_passphrase, &err),
                     HARK_E_KEY_PASSPHRASE);
    assert_null(again);
    hark_buf_free(&file);
    hark_buf_free(&other);
    hark_seed_free(seed);
}

static void refuse_sealed(const char *from, const char *to)
{
    struct hark_buf text = hark_buf_init(2000);
    const char *at = strstr(sealed_once, from);
    assert_non_null(at);
    assert_int_equal(hark_buf_append(&text, sealed_once, (size_t)(at - sealed_once), NULL), 0);
    assert_int_equal(hark_buf_append_str(&text, to, NULL), 0);
    assert_int_equal(hark_buf_append_str(&text, at + strlen(from), NULL), 0);
    refuse(hark_buf_span(&text), to);
    hark_buf_free(&text);
}

/* A file from elsewhere must not be able to make us take all memory or hours. */
static void test_keyfile__sealed_bounds_and_form(void **state)
{
    (void)state;
    refuse_sealed("key 1\n", "key 2\n");
    refuse_sealed("key 1\n", "key 1\r\n");
    refuse_sealed("key 1\n", "key 1 \n");
    refuse_sealed("argon2id13 1 ", "argon2id13 0 ");
    refuse_sealed("argon2id13 1 ", "argon2id13 11 ");
    refuse_sealed("argon2id13 1 ", "argon2id13 01 ");
    refuse_sealed("argon2id13 1 ", "argon2id13  1 ");
    refuse_sealed("argon2id13 1 ", "argon2i13 1 ");
    refuse_sealed("argon2id13 1 ", "argon2id13 99999999999999999999 ");
    refuse_sealed(" 8388608 ", " 8388607 ");
    refuse_sealed(" 8388608 ", " 1073741825 ");
    refuse_sealed(" 8388608 ", " 8388608  ");
    refuse_sealed(" 8388608 ", " 8388608\n");
    refuse_sealed(" 8388608 ", " 8388608 0");
    struct hark_span file = hark_span_str(sealed_once);
    for (size_t size = 0; size < file.size; size++) {
        refuse(hark_span(file.data, size), "cut");
    }
    refuse(hark_span(sealed_once, sizeof(sealed_once)), "a NUL at the end");
}

/* The limits and the salt stand under the seal too. */
static void test_keyfile__a_changed_sealed_file_stays_shut(void **state)
{
    (void)state;
    uint8_t text[sizeof(sealed_once) - 1];
    const size_t places[] = {29 /* opslimit */, 40 /* salt */, 75 /* nonce */, 120 /* ciphertext */,
                             sizeof(text) - 2 /* tag */};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct hark_seed *seed = NULL;
        memcpy(text, sealed_once, sizeof(text));
        text[places[i]] = text[places[i]] == '2' ? '3' : '2';
        assert_int_equal(hark_keyfile_decode(&seed, hark_span(text, sizeof(text)),
                                             hark_span_str("correct horse"), NULL),
                         HARK_E_KEY_PASSPHRASE);
        assert_null(seed);
    }
}

static void test_keyfile__sealing_refuses_bad_limits(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(6);
    struct hark_buf file = hark_buf_init(HARK_KEYFILE_MAX);
    struct hark_span pw = hark_span_str("x");
    assert_int_equal(hark_keyfile_seal(&file, seed, no_passphrase, 1, cheap_memlimit, NULL),
                     HARK_E_USAGE);
    assert_int_equal(hark_keyfile_seal(&file, seed, pw, 0, cheap_memlimit, NULL), HARK_E_USAGE);
    assert_int_equal(hark_keyfile_seal(&file, seed, pw, 11, cheap_memlimit, NULL), HARK_E_USAGE);
    assert_int_equal(hark_keyfile_seal(&file, seed, pw, 1, cheap_memlimit - 1, NULL), HARK_E_USAGE);
    assert_int_equal(hark_keyfile_seal(&file, seed, pw, 1, (1 << 30) + 1, NULL), HARK_E_USAGE);
    hark_buf_free(&file);
    hark_seed_free(seed);
}

/* ---- files ---- */

struct asked {
    const char *answer; /* NULL gives up */
    unsigned count;
};

static int ask(void *arg, const char *path, struct hark_buf *secret, struct hark_err *err)
{
    struct asked *asked = arg;
    (void)path;
    asked->count++;
    if (asked->answer == NULL) {
        return hark_err_set(err, HARK_E_USAGE, "nobody there");
    }
    return hark_buf_append_str(secret, asked->answer, err);
}

/* The one test with the costs of real files. */
static void test_keyfile__a_sealed_file_asks_for_its_passphrase(void **state)
{
    (void)state;
    char dir[32];
    char path[64];
    struct hark_seed *seed = seed_of(7);
    struct hark_seed *again = NULL;
    struct hark_err err = {0};
    struct hark_buf file = hark_buf_init(HARK_KEYFILE_MAX);
    struct asked asked = {.answer = "pw"};
    make_directory(dir);
    join_path(path, sizeof(path), dir, "key");
    assert_int_equal(hark_keyfile_save(path, seed, "c", hark_span_str("pw"), NULL), 0);
    load_file(&file, dir, "key");
    assert_int_equal(hark_buf_terminate(&file, NULL), 0);
    assert_non_null(strstr((const char *)file.data, "argon2id13 3 268435456 "));
    assert_int_equal(hark_keyfile_load(&again, path, ask, &asked, NULL), 0);
    assert_same_seed(seed, again);
    assert_int_equal(asked.count, 1);
    hark_seed_free(again);
    assert_int_equal(hark_keyfile_load(&again, path, NULL, NULL, &err), HARK_E_KEY_PASSPHRASE);
    asked.answer = NULL;
    assert_int_equal(hark_keyfile_load(&again, path, ask, &asked, &err), HARK_E_USAGE);
    asked.answer = "";
    assert_int_equal(hark_keyfile_load(&again, path, ask, &asked, &err), HARK_E_KEY_PASSPHRASE);
    assert_null(again);
    remove_directory(dir);
    hark_buf_free(&file);
    hark_seed_free(seed);
}

static void test_keyfile__save_never_replaces(void **state)
{
    (void)state;
    char dir[32];
    char path[64];
    struct stat st;
    struct hark_seed *seed = seed_of(8);
    struct hark_seed *other = seed_of(9);
    struct hark_seed *again = NULL;
    struct asked asked = {.answer = "never"};
    make_directory(dir);
    join_path(path, sizeof(path), dir, "key");
    mode_t mask = umask(0277);
    assert_int_equal(hark_keyfile_save(path, seed, "", no_passphrase, NULL), 0);
    (void)umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(hark_keyfile_save(path, other, "", no_passphrase, NULL), HARK_E_EXISTS);
    assert_int_equal(hark_keyfile_load(&again, path, ask, &asked, NULL), 0);
    assert_same_seed(seed, again);
    assert_int_equal(asked.count, 0);
    /* A dangling link is in the way as well. */
    assert_int_equal(run_tool(dir, "ln -s nowhere link"), 0);
    join_path(path, sizeof(path), dir, "link");
    assert_int_equal(hark_keyfile_save(path, other, "", no_passphrase, NULL), HARK_E_EXISTS);
    /* Nothing temporary is left behind. */
    assert_int_equal(run_tool(dir, "test \"$(ls)\" = \"key\nlink\""), 0);
    remove_directory(dir);
    hark_seed_free(seed);
    hark_seed_free(other);
    hark_seed_free(again);
}

static void test_keyfile__save_says_where_it_cannot(void **state)
{
    (void)state;
    struct hark_seed *seed = seed_of(8);
    struct hark_err err = {0};
    assert_int_equal(
        hark_keyfile_save("/tmp/hark-no-such-directory/key", seed, "", no_passphrase, &err),
        HARK_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "/tmp/hark-no-such-directory/key"));
    hark_seed_free(seed);
}

static void test_keyfile__files_others_may_read_are_refused(void **state)
{
    (void)state;
    char dir[32];
    char path[64];
    struct hark_seed *seed = seed_of(8);
    struct hark_seed *again = NULL;
    struct hark_err err = {0};
    static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0601, 0700, 04600, 0666};
    static const mode_t good[] = {0600, 0400};
    make_directory(dir);
    join_path(path, sizeof(path), dir, "key");
    assert_int_equal(hark_keyfile_save(path, seed, "", no_passphrase, NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_int_equal(hark_keyfile_load(&again, path, NULL, NULL, &err), HARK_E_KEY_PERMISSION);
        assert_null(again);
        assert_non_null(strstr(err.hint, "chmod 600"));
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(chmod(path, good[i]), 0);
        assert_int_equal(hark_keyfile_load(&again, path, NULL, NULL, &err), 0);
        hark_seed_free(again);
    }
    if (geteuid() == 0) {
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(hark_keyfile_load(&again, path, NULL, NULL, &err), HARK_E_KEY_PERMISSION);
    }
    remove_directory(dir);
    hark_seed_free(seed);
}

/* A FIFO in the key's place must not make the program wait. */
static void test_keyfile__only_regular_files(void **state)
{
    (void)state;
    char dir[32];
    char path[64];
    struct hark_seed *seed = NULL;
    make_directory(dir);
    assert_int_equal(run_tool(dir, "mkfifo -m 600 fifo && mkdir -m 600 dir"), 0);
    join_path(path, sizeof(path), dir, "fifo");
    assert_int_equal(hark_keyfile_load(&seed, path, NULL, NULL, NULL), HARK_E_KEY_PERMISSION);
    join_path(path, sizeof(path), dir, "dir");
    assert_int_equal(hark_keyfile_load(&seed, path, NULL, NULL, NULL), HARK_E_KEY_PERMISSION);
    join_path(path, sizeof(path), dir, "absent");
    assert_int_equal(hark_keyfile_load(&seed, path, NULL, NULL, NULL), HARK_E_NOT_FOUND);
    static uint8_t huge[100000];
    write_file(dir, "huge", hark_span(huge, sizeof(huge)), 0600);
    join_path(path, sizeof(path), dir, "huge");
    assert_int_equal(hark_keyfile_load(&seed, path, NULL, NULL, NULL), HARK_E_KEY_FORM);
    assert_null(seed);
    remove_directory(dir);
}

static int setup(void **state)
{
    (void)state;
    return hark_crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keyfile__openssh_both_ways),
        cmocka_unit_test(test_keyfile__comments_are_bounded),
        cmocka_unit_test(test_keyfile__damage_is_noticed),
        cmocka_unit_test(test_keyfile__no_key_at_all),
        cmocka_unit_test(test_keyfile__ssh_keygen_reads_ours),
        cmocka_unit_test(test_keyfile__we_read_ssh_keygens),
        cmocka_unit_test(test_keyfile__other_keys_of_ssh_keygens_are_refused),
        cmocka_unit_test(test_keyfile__a_frozen_sealed_file_opens),
        cmocka_unit_test(test_keyfile__sealed_both_ways),
        cmocka_unit_test(test_keyfile__sealed_bounds_and_form),
        cmocka_unit_test(test_keyfile__a_changed_sealed_file_stays_shut),
        cmocka_unit_test(test_keyfile__sealing_refuses_bad_limits),
        cmocka_unit_test(test_keyfile__a_sealed_file_asks_for_its_passphrase),
        cmocka_unit_test(test_keyfile__save_never_replaces),
        cmocka_unit_test(test_keyfile__save_says_where_it_cannot),
        cmocka_unit_test(test_keyfile__files_others_may_read_are_refused),
        cmocka_unit_test(test_keyfile__only_regular_files),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
